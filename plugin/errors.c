/*
 * errors.c: XMPP error conditions and SIP status codes, one into the other.
 * SPDX-License-Identifier: MIT
 */
#include "errors.h"

#include "error.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

#define BAD {"bad-request", "modify"}
#define FORBIDDEN {"forbidden", "auth"}
#define INTERNAL {"internal-server-error", "cancel"}
#define NO_FEATURE {"feature-not-implemented", "cancel"}
#define NO_ITEM {"item-not-found", "cancel"}
#define NO_SERVER {"remote-server-not-found", "cancel"}
#define POLICY {"policy-violation", "modify"}
#define REDIRECT {"redirect", "modify"}
#define RESOURCES {"resource-constraint", "wait"}
#define SERVER_TIMEOUT {"remote-server-timeout", "wait"}
#define UNACCEPTABLE {"not-acceptable", "modify"}
#define UNAVAILABLE {"recipient-unavailable", "wait"}

struct meaning {
	const char *condition;
	const char *type;
};

struct code {
	int code;
	struct meaning to;
};

/* RFC 7247 table 3. */
static const struct code statuses[] = {
	{300, REDIRECT},
	{301, {"gone", "cancel"}},
	{302, REDIRECT},
	{305, REDIRECT},
	{380, UNACCEPTABLE},
	{400, BAD},
	{401, {"not-authorized", "auth"}},
	{402, BAD},
	{403, FORBIDDEN},
	{404, NO_ITEM},
	{405, NO_FEATURE},
	{406, UNACCEPTABLE},
	{407, {"registration-required", "auth"}},
	{408, SERVER_TIMEOUT},
	{410, {"gone", "cancel"}},
	{413, POLICY},
	{414, POLICY},
	{415, UNACCEPTABLE},
	{416, UNACCEPTABLE},
	{420, NO_FEATURE},
	{421, UNACCEPTABLE},
	{423, RESOURCES},
	{430, UNAVAILABLE},
	{439, NO_FEATURE},
	{440, POLICY},
	{480, UNAVAILABLE},
	{481, NO_ITEM},
	{482, UNACCEPTABLE},
	{483, UNACCEPTABLE},
	{484, NO_ITEM},
	{485, NO_ITEM},
	{486, UNAVAILABLE},
	{487, UNAVAILABLE},
	{488, UNACCEPTABLE},
	{489, POLICY},
	{491, {"unexpected-request", "wait"}},
	{493, BAD},
	{500, INTERNAL},
	{501, NO_FEATURE},
	{502, NO_SERVER},
	{503, INTERNAL},
	{504, SERVER_TIMEOUT},
	{505, UNACCEPTABLE},
	{513, POLICY},
	{600, UNAVAILABLE},
	{603, UNAVAILABLE},
	{604, NO_ITEM},
	{606, UNACCEPTABLE},
};

/* Codes that say more than the status. Those that only repeat it (1011, 1013,
 * 1034) are left out. */
static const struct code diagnostics[] = {
	{1001, FORBIDDEN},  /* not authorised for public IM */
	{1002, FORBIDDEN},  /* ... for federated partners */
	{1003, NO_ITEM},    /* user does not exist */
	{1004, NO_ITEM},    /* route set no longer valid */
	{1005, NO_SERVER},  /* cannot route to destination domain */
	{1006, SERVER_TIMEOUT}, /* error routing on client connection */
	{1007, SERVER_TIMEOUT}, /* temporarily cannot route */
	{1008, NO_SERVER},  /* cannot resolve SRV */
	{1009, NO_SERVER},  /* no match for the domain in SRV results */
	{1010, SERVER_TIMEOUT}, /* no certificate trust with next hop */
	{1012, FORBIDDEN},  /* ... outside the enterprise */
	{1014, NO_SERVER},  /* cannot resolve A record */
	{1027, {"not-allowed", "cancel"}}, /* not to or from partners */
	{1047, SERVER_TIMEOUT}, /* TLS with a federated peer failed */
	{2000, NO_ITEM},    /* prompted subscriber does not exist */
	{2004, FORBIDDEN},  /* subscriber not authorised */
	{2011, RESOURCES},  /* subscription limits exceeded */
	{2012, RESOURCES},
	{2013, NO_FEATURE}, /* extension required */
	{2014, NO_ITEM},    /* subscription dialog does not exist */
	{2016, NO_ITEM},    /* new subscription required */
	{2165, UNACCEPTABLE}, /* contact list migrated */
	{4005, NO_ITEM},    /* user does not exist, told by user services */
	{52035, UNACCEPTABLE}, /* conversation id in use */
	{60001, UNAVAILABLE}, /* ours: the remote user is offline */
};

/* 16000..16999, or Warning 309 of a 606: the IM filter; 606 alone may have
 * other reasons. */
enum {
	FILTER_FIRST = 16000,
	FILTER_LAST = 16999,
	FILTER_WARNING = 309,
};

static bool filtered(int status, int diag)
{
	return (diag >= FILTER_FIRST && diag <= FILTER_LAST) ||
	       (status == 606 && diag == FILTER_WARNING);
}

static const struct meaning *find(const struct code *list, size_t n, int code)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (list[i].code == code)
			return &list[i].to;
	}
	return NULL;
}

static const struct meaning *meaning(int status, int diag)
{
	static const struct meaning policy = POLICY;
	static const struct meaning undefined = {"undefined-condition",
						 "cancel"};
	static const struct meaning classes[] = {REDIRECT, BAD, INTERNAL,
						 UNAVAILABLE};
	const struct meaning *m;

	if (filtered(status, diag))
		return &policy;
	m = find(diagnostics, N(diagnostics), diag);
	if (!m)
		m = find(statuses, N(statuses), status);
	if (m)
		return m;
	return status < 700 ? &classes[status / 100 - 3] : &undefined;
}

int lg_status_to_condition(const char **condition, const char **type,
			   int status, int diag)
{
	const struct meaning *m;

	if (status < 300)
		return LG_ENOTERROR;
	m = meaning(status, diag);
	*condition = m->condition;
	*type = m->type;
	return LG_OK;
}

struct row {
	const char *condition;
	int full; /* status when a full JID is in error */
	int bare;
	int wait; /* instead of both, with type "wait"; or 0 */
	int diag;
	const char *diag_text;
};

/* RFC 7247 table 2; diagnostics of lync-sip.md 2.10. 503 would make Lync
 * believe that the whole gateway is down, so nothing becomes 503. */
static const struct row conditions[] = {
	{"bad-request", 400, 400, 0, 0, NULL},
	{"conflict", 400, 400, 0, 0, NULL},
	{"feature-not-implemented", 405, 501, 0, 0, NULL},
	{"forbidden", 403, 603, 0, 0, NULL},
	{"gone", 410, 410, 0, 0, NULL},
	{"internal-server-error", 500, 500, 0, 0, NULL},
	{"item-not-found", 404, 604, 0, 1003, "User does not exist"},
	{"jid-malformed", 400, 400, 0, 0, NULL},
	{"not-acceptable", 406, 606, 0, 0, NULL},
	{"not-allowed", 403, 403, 0, 0, NULL},
	{"not-authorized", 401, 401, 0, 0, NULL},
	{"policy-violation", 403, 403, 0, 0, NULL},
	{"recipient-unavailable", 480, 600, 0, 60001,
	 "The remote user is offline"},
	{"redirect", 480, 480, 0, 0, NULL},
	{"registration-required", 407, 407, 0, 0, NULL},
	{"remote-server-not-found", 404, 404, 408, 1005,
	 "Cannot route to destination domain"},
	{"remote-server-timeout", 408, 408, 0, 1007,
	 "Temporarily cannot route"},
	{"resource-constraint", 500, 500, 0, 0, NULL},
	{"service-unavailable", 403, 403, 0, 60002,
	 "The remote user cannot receive this"},
	{"subscription-required", 400, 400, 0, 0, NULL},
	{"unexpected-request", 400, 400, 491, 0, NULL},
	{"undefined-condition", 400, 400, 0, 0, NULL}, /* the last one */
};

static const char *phrase(int status)
{
	static const struct {
		int status;
		const char *phrase;
	} phrases[] = {
		{301, "Moved Permanently"},
		{302, "Moved Temporarily"},
		{400, "Bad Request"},
		{401, "Unauthorized"},
		{403, "Forbidden"},
		{404, "Not Found"},
		{405, "Method Not Allowed"},
		{406, "Not Acceptable"},
		{407, "Proxy Authentication Required"},
		{408, "Request Timeout"},
		{410, "Gone"},
		{480, "Temporarily Unavailable"},
		{491, "Request Pending"},
		{500, "Server Internal Error"},
		{501, "Not Implemented"},
		{600, "Busy Everywhere"},
		{603, "Decline"},
		{604, "Does Not Exist Anywhere"},
		{606, "Not Acceptable"},
	};
	size_t i;

	for (i = 0; i < N(phrases); i++) {
		if (phrases[i].status == status)
			return phrases[i].phrase;
	}
	return "Error";
}

/* The row of a condition; the last one, undefined-condition, of all others. */
static const struct row *row_of(struct sb_str condition)
{
	size_t i;

	for (i = 0; i < N(conditions) - 1; i++) {
		if (sb_str_eq(condition, sb_str_of(conditions[i].condition)))
			break;
	}
	return &conditions[i];
}

void lg_condition_to_status(struct lg_status *s, struct sb_str condition,
			    bool full, struct sb_str type, bool moved)
{
	const struct row *row = row_of(condition);
	int status = full ? row->full : row->bare;

	if (row->wait && sb_str_eq(type, SB_STR("wait")))
		status = row->wait;
	if (status == 408)
		row = row_of(SB_STR("remote-server-timeout"));
	if (moved && sb_str_eq(condition, SB_STR("gone")))
		status = 301;
	if (moved && sb_str_eq(condition, SB_STR("redirect")))
		status = 302;
	*s = (struct lg_status){status, phrase(status), row->diag,
				row->diag_text};
}
