/*
 * xmpp_load.h: what xmpp_load.c gives to xmpp_talk.c, and the other way round.
 * SPDX-License-Identifier: MIT
 */
#ifndef XMPP_LOAD_H
#define XMPP_LOAD_H

#include "stream_load.h"

/* The contact's own stream to the gateway, which must be up. */
struct load_conn *xmpp_stream(const char *contact);
bool xmpp_ready(void);

void xmpp_talk_start(struct load *l);
void xmpp_talk_tick(struct load *l);
void xmpp_talk_message(struct load *l, const struct element *e);
/* Presence of the pair's user. */
void xmpp_talk_presence(size_t pair, const struct element *e);
bool xmpp_talk_command(struct load *l, struct load_conn *c, const char *line);

#endif
