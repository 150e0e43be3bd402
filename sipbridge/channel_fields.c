/*
 * channel_fields.c: the tables of fields and their limits.
 * SPDX-License-Identifier: MIT
 *
 * Add a field at the end of its table or anywhere: tags need not stay the
 * same, both sides come from one build.
 */
#include "channel_fields.h"

enum {
	VERSION_MAX = 64,
	NAME_MAX_ = 255,   /* a DNS name, with room for a port in listen */
	ADDRESS_MAX = 64,  /* an IP address, with IPv6 scope */
	HEADER_MAX = 200,  /* wire.verification_header */
	WAIT_MAX = 86400000, /* ms: a day */
};

#define STR_(s, member, class, limit, how)                                    \
	{.type = SB_T_STR, .text = SB_TXT_##class, .soft = (how),             \
	 .at = offsetof(struct s, member), .max = (limit)}
#define LINE(s, member, limit) STR_(s, member, LINE, limit, 0)
#define NUM(s, member, t, from, to)                                           \
	{.type = SB_T_##t, .at = offsetof(struct s, member), .lo = (from),    \
	 .hi = (to)}
#define LIST(s, member, count, limit, table)                                  \
	{.type = SB_T_LIST, .at = offsetof(struct s, member), .max = (limit), \
	 .count_at = offsetof(struct s, count), .elem = &(table)}
#define TABLE(name, rows, s)                                                  \
	_Static_assert(sizeof(rows) / sizeof(rows[0]) <= SB_FIELDS_MAX,       \
		       #name);                                                \
	name = {rows, sizeof(rows) / sizeof(rows[0]), sizeof(struct s)}

_Static_assert(sizeof(enum sb_typing) == sizeof(int), "SB_T_INT");
_Static_assert(sizeof(enum sb_outcome) == sizeof(int), "SB_T_INT");
_Static_assert(sizeof(enum sb_event_type) == sizeof(int), "SB_T_INT");
_Static_assert(sizeof(enum sb_request_type) == sizeof(int), "SB_T_INT");
_Static_assert(sizeof(enum sb_presence) == sizeof(int), "SB_T_INT");
_Static_assert(sizeof(enum sb_watch_state) == sizeof(int), "SB_T_INT");

/* ------------------------------------------------- hello, list elements -- */

static const struct sb_field hello_rows[] = {
	{.type = SB_T_STR, .text = SB_TXT_LINE, .max = VERSION_MAX},
};
TABLE(const struct sb_fields sb_fields_hello, hello_rows, sb_str);

static const struct sb_field listen_rows[] = {
	{.type = SB_T_STR, .text = SB_TXT_LINE, .max = NAME_MAX_},
};
TABLE(static const struct sb_fields listen_fields, listen_rows, sb_str);

static const struct sb_field domain_rows[] = {
	LINE(sb_domain, name, NAME_MAX_),
	LINE(sb_domain, edge, NAME_MAX_),
	LINE(sb_domain, address, ADDRESS_MAX),
	NUM(sb_domain, port, U16, 0, UINT16_MAX),
};
TABLE(static const struct sb_fields domain_fields, domain_rows, sb_domain);

/* -------------------------------------------------------------- config -- */

#define WAIT(member) NUM(sb_config, wire.member, U32, 0, WAIT_MAX)

static const struct sb_field config_rows[] = {
	LINE(sb_config, worker, SB_FIELD_MAX),
	LINE(sb_config, bridge_fqdn, NAME_MAX_),
	LIST(sb_config, listen, listen_n, SB_LISTEN_MAX, listen_fields),
	LINE(sb_config, certificate, SB_FIELD_MAX),
	LINE(sb_config, key, SB_FIELD_MAX),
	LINE(sb_config, cafile, SB_FIELD_MAX),
	LINE(sb_config, crlfile, SB_FIELD_MAX),
	LINE(sb_config, min_tls, 8),
	LIST(sb_config, domains, domains_n, SB_DOMAINS_MAX, domain_fields),
	NUM(sb_config, rate, U32, 0, 1000000),
	NUM(sb_config, burst, U32, 0, 1000000),
	NUM(sb_config, sandbox, BOOL, 0, 1),
	NUM(sb_config, memory, U32, 0, 1048576),
	LINE(sb_config, wire.verification_header, HEADER_MAX),
	NUM(sb_config, wire.record_route, BOOL, 0, 1),
	NUM(sb_config, wire.first_message_in_invite, BOOL, 0, 1),
	NUM(sb_config, wire.accept_pager_message, BOOL, 0, 1),
	LINE(sb_config, wire.imdn_method, 16),
	WAIT(first_message_wait_ms),
	WAIT(answer_wait_ms),
	WAIT(invite_timeout_ms),
	WAIT(message_timeout_ms),
	WAIT(imdn_wait_ms),
	WAIT(session_idle_ms),
	WAIT(typing_interval_ms),
	WAIT(typing_timeout_ms),
	WAIT(options_interval_ms),
	WAIT(watch_expires_ms),
	WAIT(offer_expires_ms),
	WAIT(notify_interval_ms),
	NUM(sb_config, wire.watch_rate, U32, 0, 1000000),
	NUM(sb_config, wire.ask_categories, BOOL, 0, 1),
	NUM(sb_config, wire.tell_categories, BOOL, 0, 1),
};
TABLE(const struct sb_fields sb_fields_config, config_rows, sb_config);

/* 5 bytes of tag and length per field; numbers are at most 8 bytes. */
_Static_assert(SB_DOMAINS_MAX * (2 * NAME_MAX_ + ADDRESS_MAX + 30) +
		       SB_LISTEN_MAX * (NAME_MAX_ + 10) + 5 * SB_FIELD_MAX +
		       NAME_MAX_ + HEADER_MAX + SB_FIELDS_MAX * 13 <
		       SB_FRAME_MAX, "a configuration fits a frame");

/* ------------------------------------------------------------ requests -- */

static const struct sb_field request_rows[] = {
	NUM(sb_request, type, INT, SB_REQ_MESSAGE, SB_REQ_WATCHES),
	NUM(sb_request, id, U64, 0, 0),
	STR_(sb_request, contact, URI, SB_URI_MAX, 0),
	LINE(sb_request, resource, SB_FIELD_MAX),
	LINE(sb_request, display, SB_FIELD_MAX),
	STR_(sb_request, user, URI, SB_URI_MAX, 0),
	LINE(sb_request, thread, SB_FIELD_MAX),
	LINE(sb_request, subject, SB_FIELD_MAX),
	LINE(sb_request, lang, SB_FIELD_MAX),
	STR_(sb_request, text, TEXT, SB_TEXT_MAX, 0),
	NUM(sb_request, typing, INT, SB_TYPING_NONE, SB_TYPING_IDLE),
	NUM(sb_request, presence, INT, SB_PR_UNKNOWN, SB_PR_OFF_WORK),
	NUM(sb_request, flags, U32, 0,
	    SB_F_VERIFIED | SB_F_REPLY_ONLY | SB_F_NOTES),
	NUM(sb_request, status, INT, 0, 699),
	NUM(sb_request, diag, INT, 0, INT32_MAX),
	LINE(sb_request, reason, SB_FIELD_MAX),
};
TABLE(const struct sb_fields sb_fields_request, request_rows, sb_request);

/* -------------------------------------------------------------- events -- */

#define PEOPLE(member)                                                        \
	STR_(sb_event, member, LINE, SB_FIELD_MAX, SB_SOFT_PEOPLE)

static const struct sb_field event_rows[] = {
	NUM(sb_event, type, INT, SB_EV_OUTCOME, SB_EV_WATCHES_END),
	NUM(sb_event, id, U64, 0, 0),
	LINE(sb_event, contact, SB_URI_MAX),
	LINE(sb_event, resource, SB_FIELD_MAX),
	LINE(sb_event, user, SB_URI_MAX),
	PEOPLE(display),
	LINE(sb_event, thread, SB_FIELD_MAX),
	PEOPLE(subject),
	LINE(sb_event, lang, SB_FIELD_MAX),
	STR_(sb_event, text, TEXT, SB_TEXT_MAX, SB_SOFT_LOG),
	LINE(sb_event, domain, SB_FIELD_MAX),
	NUM(sb_event, typing, INT, SB_TYPING_NONE, SB_TYPING_IDLE),
	NUM(sb_event, outcome, INT, 0, SB_FAILED),
	NUM(sb_event, presence, INT, SB_PR_UNKNOWN, SB_PR_OFF_WORK),
	NUM(sb_event, watch, INT, SB_WATCH_NONE, SB_WATCH_DUE),
	NUM(sb_event, added, BOOL, 0, 1),
	NUM(sb_event, again, BOOL, 0, 1),
	NUM(sb_event, incoming, BOOL, 0, 1),
	NUM(sb_event, local, BOOL, 0, 1),
	NUM(sb_event, status, INT, -1, INT32_MAX),
	NUM(sb_event, diag, INT, 0, INT32_MAX),
	NUM(sb_event, retry_after, INT, 0, INT32_MAX),
	LINE(sb_event, token, SB_FIELD_MAX),
	PEOPLE(reason),
	NUM(sb_event, age_ms, U64, 0, 0),
	NUM(sb_event, at_us, U64, 0, 0),
	NUM(sb_event, idle_ms, U64, 0, 0),
	NUM(sb_event, pending, U32, 0, UINT32_MAX),
};
TABLE(const struct sb_fields sb_fields_event, event_rows, sb_event);

_Static_assert(SB_TEXT_MAX + 2 * SB_URI_MAX + 9 * SB_FIELD_MAX +
		       SB_FIELDS_MAX * 13 < SB_FRAME_MAX,
	       "an event and a request fit a frame");
