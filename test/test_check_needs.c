/*
 * test_check_needs.c: what each request, event and setting must have.
 * SPDX-License-Identifier: MIT
 *
 * Limits of single fields: test_channel_fields.c; characters and URIs:
 * test_check.c.
 */
#include "../sipbridge/check.h"
#include "guard.h"
#include "test.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static const struct sb_str romeo = {"sip:romeo@fabrikam.example", 26};
static const struct sb_str alice = {"sip:alice@contoso.example", 25};

/* ------------------------------------------------------------ requests -- */

static struct sb_request request(enum sb_request_type type)
{
	return (struct sb_request){
		.type = type,
		.id = 1,
		.contact = romeo,
		.user = alice,
		.text = SB_STR("hello"),
		.typing = SB_TYPING_ACTIVE,
		.presence = SB_PR_AVAILABLE,
		.status = 200,
	};
}

/* What is needed, by type: contact, user, text, typing, presence, id. */
TEST(check_request_needs)
{
	static const char *const needs[] = {
		[SB_REQ_MESSAGE] = "cut", [SB_REQ_TYPING] = "cuy",
		[SB_REQ_END] = "cu", [SB_REQ_ANSWER] = "i",
		[SB_REQ_SESSIONS] = "", [SB_REQ_WATCH] = "cu",
		[SB_REQ_UNWATCH] = "cu", [SB_REQ_PRESENCE] = "cup",
		[SB_REQ_REJECT] = "cu", [SB_REQ_WATCHES] = ""};

	for (int t = SB_REQ_MESSAGE; t <= SB_REQ_WATCHES; t++) {
		for (const char *without = "cutypi"; *without; without++) {
			struct sb_request r = request((enum sb_request_type)t);
			bool needed = strchr(needs[t], *without) != NULL;

			test_note(needs[t]);
			CHECK_INT(sb_check_request(&r), SB_OK);
			if (*without == 'c')
				r.contact = SB_NOSTR;
			else if (*without == 'u')
				r.user = SB_NOSTR;
			else if (*without == 't')
				r.text = SB_NOSTR;
			else if (*without == 'y')
				r.typing = SB_TYPING_NONE;
			else if (*without == 'p')
				r.presence = SB_PR_UNKNOWN;
			else
				r.id = 0;
			CHECK_INT(sb_check_request(&r),
				  needed ? SB_EINVAL : SB_OK);
		}
	}
	test_note(NULL);
}

TEST(check_request_types)
{
	static const int bad[] = {0, -1, SB_REQ_WATCHES + 1, 255};
	struct sb_request r;

	for (size_t i = 0; i < LEN(bad); i++) {
		r = request(SB_REQ_MESSAGE);
		memcpy(&r.type, &bad[i], sizeof(r.type));
		CHECK_INT(sb_check_request(&r), SB_EINVAL);
	}
	r = request(SB_REQ_MESSAGE);
	r.flags = SB_F_NOTES << 1;
	CHECK_INT(sb_check_request(&r), SB_EINVAL);
	r = request(SB_REQ_PRESENCE);
	r.presence = SB_PR_OFF_WORK;
	CHECK_INT(sb_check_request(&r), SB_OK);
	r.presence++;
	CHECK_INT(sb_check_request(&r), SB_EINVAL);
}

TEST(check_answer_status)
{
	static const struct {
		int status, want;
	} cases[] = {{200, SB_OK},	{400, SB_OK},	  {699, SB_OK},
		     {0, SB_EINVAL},	{100, SB_EINVAL}, {199, SB_EINVAL},
		     {201, SB_EINVAL},	{202, SB_EINVAL}, {300, SB_EINVAL},
		     {399, SB_EINVAL},	{700, SB_EINVAL}, {-1, SB_EINVAL},
		     {-200, SB_EINVAL}};

	for (size_t i = 0; i < LEN(cases); i++) {
		struct sb_request r = request(SB_REQ_ANSWER);

		r.status = cases[i].status;
		CHECK_INT(sb_check_request(&r), cases[i].want);
	}
}

/* -------------------------------------------------------------- events -- */

static struct sb_event event(enum sb_event_type type)
{
	return (struct sb_event){
		.type = type,
		.id = 1,
		.contact = romeo,
		.user = alice,
		.domain = SB_STR("contoso.example"),
		.typing = SB_TYPING_ACTIVE,
		.outcome = SB_DELIVERED,
		.watch = SB_WATCH_ACTIVE,
	};
}

/* What is needed, by type: contact, user, domain, typing, outcome, watch,
 * id. */
TEST(check_event_needs)
{
	static const char *const needs[] = {
		[SB_EV_OUTCOME] = "oi", [SB_EV_OFFER] = "cui",
		[SB_EV_MESSAGE] = "cui", [SB_EV_TYPING] = "cuy",
		[SB_EV_ENDED] = "cu", [SB_EV_EDGE] = "d",
		[SB_EV_WORKER] = "", [SB_EV_LOG] = "", [SB_EV_SESSION] = "cu",
		[SB_EV_SESSIONS_END] = "", [SB_EV_REFUSED] = "",
		[SB_EV_WATCH] = "cuw", [SB_EV_STATE] = "cu",
		[SB_EV_SUBSCRIBE] = "cu", [SB_EV_UNSUBSCRIBED] = "cu",
		[SB_EV_WATCH_ROW] = "cu", [SB_EV_WATCHES_END] = ""};

	for (int t = SB_EV_OUTCOME; t <= SB_EV_WATCHES_END; t++) {
		for (const char *without = "cudyowi"; *without; without++) {
			struct sb_event ev = event((enum sb_event_type)t);
			bool needed = strchr(needs[t], *without) != NULL;

			test_note(needs[t]);
			CHECK_INT(sb_check_event(&ev, 0), SB_OK);
			if (*without == 'c')
				ev.contact = SB_NOSTR;
			else if (*without == 'u')
				ev.user = SB_NOSTR;
			else if (*without == 'd')
				ev.domain = SB_NOSTR;
			else if (*without == 'y')
				ev.typing = SB_TYPING_NONE;
			else if (*without == 'o')
				ev.outcome = 0;
			else if (*without == 'w')
				ev.watch = SB_WATCH_NONE;
			else
				ev.id = 0;
			CHECK_INT(sb_check_event(&ev, 0),
				  needed ? SB_EINVAL : SB_OK);
		}
	}
	test_note(NULL);
}

TEST(check_event_status)
{
	static const struct {
		enum sb_event_type type;
		int status, want;
	} cases[] = {
		{SB_EV_OUTCOME, 0, SB_OK},
		{SB_EV_OUTCOME, 100, SB_OK},
		{SB_EV_OUTCOME, 699, SB_OK},
		{SB_EV_OUTCOME, 700, SB_EINVAL},
		{SB_EV_OUTCOME, 99, SB_EINVAL},
		{SB_EV_OUTCOME, -1, SB_EINVAL},
		{SB_EV_EDGE, 0, SB_OK},
		{SB_EV_EDGE, 1, SB_OK},
		{SB_EV_EDGE, 2, SB_EINVAL},
		{SB_EV_EDGE, -1, SB_EINVAL},
		{SB_EV_WORKER, -1, SB_OK},
		{SB_EV_WORKER, 0, SB_OK},
		{SB_EV_WORKER, 1, SB_OK},
		{SB_EV_WORKER, 2, SB_EINVAL},
		{SB_EV_WORKER, -2, SB_EINVAL},
		{SB_EV_LOG, 0, SB_OK},
		{SB_EV_LOG, 3, SB_OK},
		{SB_EV_LOG, 4, SB_EINVAL},
		{SB_EV_LOG, -1, SB_EINVAL},
		{SB_EV_WATCH, 0, SB_OK},
		{SB_EV_WATCH, 403, SB_OK},
		{SB_EV_WATCH, 99, SB_EINVAL},
		{SB_EV_WATCH, 700, SB_EINVAL},
		{SB_EV_WATCH, -1, SB_EINVAL},
		{SB_EV_WATCH_ROW, 0, SB_OK},
		{SB_EV_WATCH_ROW, 8, SB_OK},
		{SB_EV_WATCH_ROW, -1, SB_EINVAL},
		{SB_EV_WATCHES_END, 12000, SB_OK},
		{SB_EV_WATCHES_END, -1, SB_EINVAL},
	};

	for (size_t i = 0; i < LEN(cases); i++) {
		struct sb_event ev = event(cases[i].type);

		ev.status = cases[i].status;
		CHECK_INT(sb_check_event(&ev, 0), cases[i].want);
	}
}

/* Soft is what is for people, and an SB_EV_LOG's text: nothing else. */
TEST(check_event_soft)
{
	const struct sb_str dirty = SB_STR("a\r\nb\xff");
	struct sb_event ev = event(SB_EV_LOG);

	ev.display = ev.subject = ev.reason = dirty;
	CHECK_INT(sb_check_event(&ev, 0), SB_EBADTEXT);
	CHECK_INT(sb_check_event(&ev, SB_SOFT_PEOPLE), SB_OK);
	ev.text = dirty;
	CHECK_INT(sb_check_event(&ev, SB_SOFT_PEOPLE), SB_EBADTEXT);
	CHECK_INT(sb_check_event(&ev, SB_SOFT_PEOPLE | SB_SOFT_LOG), SB_OK);
	ev.token = dirty;
	CHECK_INT(sb_check_event(&ev, SB_SOFT_PEOPLE | SB_SOFT_LOG),
		  SB_EBADTEXT);
}

/* ------------------------------------------------------------ settings -- */

static struct sb_config config(void)
{
	struct sb_config c;

	sb_config_init(&c);
	c.worker = SB_STR("/worker");
	c.bridge_fqdn = SB_STR("xmpp.example");
	c.listen[0] = SB_STR("127.0.0.1:5061");
	c.listen_n = 1;
	c.certificate = SB_STR("c.pem");
	c.key = SB_STR("k.pem");
	c.domains[0] = (struct sb_domain){SB_STR("contoso.example"),
					  SB_STR("edge.example"), SB_NOSTR,
					  5061};
	c.domains_n = 1;
	return c;
}

/* Without the k-th of what is required. */
static bool without(struct sb_config *c, int k)
{
	struct sb_str *const texts[] = {&c->worker,	   &c->bridge_fqdn,
					&c->certificate,   &c->key,
					&c->listen[0],	   &c->domains[0].name,
					&c->domains[0].edge,
					&c->wire.imdn_method};

	if (k < (int)LEN(texts))
		*texts[k] = SB_NOSTR;
	else if (k == (int)LEN(texts))
		c->listen_n = 0;
	else if (k == (int)LEN(texts) + 1)
		c->domains[0].port = 0;
	else
		return false;
	return true;
}

TEST(check_config_required)
{
	struct sb_config c = config();
	int k;

	CHECK_INT(sb_check_config(&c), SB_OK);
	for (k = 0; without(&c, k); k++) {
		CHECK_INT(sb_check_config(&c), SB_EINVAL);
		c = config();
	}
	CHECK_INT(k, 10);
	c.domains_n = 0; /* nothing to serve yet */
	CHECK_INT(sb_check_config(&c), SB_OK);
}

/* The header's text becomes a format: one %s, nothing else. */
TEST(check_config_header)
{
	static const struct {
		const char *header;
		int want;
	} cases[] = {
		{"", SB_OK},		  {"a: %s", SB_OK},
		{"a:%s;x=y", SB_OK},	  {"a: b", SB_EINVAL},
		{"a %s", SB_EINVAL},	  {": %s", SB_EINVAL},
		{"a: %s %s", SB_EINVAL},  {"a: %", SB_EINVAL},
		{"a: %s%", SB_EINVAL},	  {"a: %n", SB_EINVAL},
		{"a: %%s", SB_EINVAL},	  {"a: %s%%", SB_EINVAL},
		{"a: %1$s", SB_EINVAL},	  {"a: %S", SB_EINVAL},
		{"a: %s\r\nb: c", SB_EBADTEXT},
	};

	for (size_t i = 0; i < LEN(cases); i++) {
		struct sb_config c = config();

		test_note(cases[i].header);
		c.wire.verification_header =
			guard(sb_str_of(cases[i].header));
		CHECK_INT(sb_check_config(&c), cases[i].want);
	}
	test_note(NULL);
}

TEST(check_config_switches)
{
	struct sb_config c = config();

	c.min_tls = SB_STR("1.2");
	CHECK_INT(sb_check_config(&c), SB_OK);
	c.min_tls = SB_STR("1.3");
	CHECK_INT(sb_check_config(&c), SB_OK);
	c.min_tls = SB_STR("1.30");
	CHECK_INT(sb_check_config(&c), SB_EINVAL);
	c = config();
	c.wire.imdn_method = SB_STR("MESSAGE");
	CHECK_INT(sb_check_config(&c), SB_OK);
	c.wire.imdn_method = SB_STR("info");
	CHECK_INT(sb_check_config(&c), SB_EINVAL);
}

/* ---------------------------------------------------------- characters -- */

/* Each code point, with what may not be one of XML's (XML 1.0, 2.2). */
TEST(check_every_code_point)
{
	size_t bad = 0;

	for (unsigned cp = 0; cp <= 0x110010; cp++) {
		char b[4];
		size_t n = cp < 0x80	  ? 1
			   : cp < 0x800	  ? 2
			   : cp < 0x10000 ? 3
					  : 4;
		bool xml = cp == '\t' || cp == '\n' ||
			   (cp >= 0x20 && cp <= 0xd7ff) ||
			   (cp >= 0xe000 && cp <= 0xfffd) ||
			   (cp >= 0x10000 && cp <= 0x10ffff);
		size_t got;

		b[0] = (char)(n == 1   ? cp
			      : n == 2 ? 0xc0 | cp >> 6
			      : n == 3 ? 0xe0 | cp >> 12
				       : 0xf0 | cp >> 18);
		for (size_t i = 1; i < n; i++)
			b[i] = (char)(0x80 | (cp >> 6 * (n - 1 - i) & 0x3f));
		got = sb_check_char(b, n, SB_TXT_TEXT);
		bad += got != (xml ? n : 0);
		if (n > 1)
			bad += sb_check_char(b, n - 1, SB_TXT_TEXT) != 0;
	}
	CHECK_INT(bad, 0);
}
