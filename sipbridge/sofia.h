/*
 * sofia.h: Sofia-SIP's headers with the types of our callbacks; only edge.c
 * and sofia_*.c include it.
 * SPDX-License-Identifier: MIT
 */
#ifndef SB_SOFIA_H
#define SB_SOFIA_H

struct sb_edge;
struct sb_client_txn;
struct sb_server_txn;

#define SU_ROOT_MAGIC_T struct sb_edge
#define SU_WAKEUP_ARG_T struct sb_edge
#define NTA_AGENT_MAGIC_T struct sb_edge
#define NTA_LEG_MAGIC_T struct sb_edge
#define NTA_OUTGOING_MAGIC_T struct sb_client_txn
#define NTA_INCOMING_MAGIC_T struct sb_server_txn

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wundef"
#pragma GCC diagnostic ignored "-Wstrict-prototypes"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#include <sofia-sip/su.h>
#include <sofia-sip/su_log.h>
#include <sofia-sip/su_wait.h>
#include <sofia-sip/su_strlst.h>
#include <sofia-sip/su_string.h>
#include <sofia-sip/nta.h>
#include <sofia-sip/nta_tag.h>
#include <sofia-sip/nta_tport.h>
#include <sofia-sip/msg_addr.h>
#include <sofia-sip/msg_buffer.h>
#include <sofia-sip/msg_header.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_status.h>
#include <sofia-sip/sip_tag.h>
#include <sofia-sip/tport.h>
#include <sofia-sip/tport_tag.h>
#include <sofia-sip/url.h>
#pragma GCC diagnostic pop

#endif
