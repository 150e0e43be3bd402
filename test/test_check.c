/*
 * test_check.c: soundness of addresses, characters, settings; names of errors.
 * SPDX-License-Identifier: MIT
 */
#include "../sipbridge/check.h"
#include "guard.h"
#include "test.h"

TEST(check_uri)
{
	static const char *const good[] = {
		"sip:a@b", "sip:a.b-c_d%20e@x.example", "sip:O'Hara@b.c",
		"sip:a@[2001:db8::1]", "sip:%C3%A9@xn--bcher-kva.example"};
	static const char *const bad[] = {
		"sip:", "sip:@b", "sip:a@", "sip:a", "a@b", "sips:a@b",
		"sip:a@B.example", "sip:a@b;x", "sip:a@b>", "sip:a b@c",
		"sip:a@b@c", "sip:a%2@b", "sip:a%zz@b", "sip:a%@b",
		"sip:\xc3\xa9@b", "sip:a@b\r\n", "SIP:a@b", "sip:a\"@b",
		"sip:<a>@b", "sip:a@b?c"};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		test_note(good[i]);
		CHECK(sb_check_text(guard(sb_str_of(good[i])), SB_TXT_URI));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		test_note(bad[i]);
		CHECK(!sb_check_text(guard(sb_str_of(bad[i])), SB_TXT_URI));
	}
	test_note(NULL);
}

TEST(check_characters)
{
	static const char *const bad[] = {
		"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf",
		"\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
		"\xf0\x8f\xbf\xbd", "\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80", "\xc3", "\xe2\x82", "\xf0\x9f\x98",
		"\xef\xbf\xbe", "\xef\xbf\xbf", "\r", "\x01", "\x1b"};
	static const char *const good[] = {
		"", "a", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80",
		"\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbd",
		"\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CHECK(!sb_check_text(guard(sb_str_of(bad[i])), SB_TXT_TEXT));
		CHECK(!sb_check_text(guard(sb_str_of(bad[i])), SB_TXT_LINE));
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		CHECK(sb_check_text(guard(sb_str_of(good[i])), SB_TXT_TEXT));
		CHECK(sb_check_text(guard(sb_str_of(good[i])), SB_TXT_LINE));
	}
	CHECK(sb_check_text(SB_STR("a\n\tb"), SB_TXT_TEXT));
	CHECK(!sb_check_text(SB_STR("a\nb"), SB_TXT_LINE));
	CHECK(!sb_check_text(SB_STR("a\tb"), SB_TXT_LINE));
	CHECK(!sb_check_text(SB_STR("a\0b"), SB_TXT_TEXT));
	CHECK(!sb_check_text(SB_STR("\x7f"), SB_TXT_LINE));
}

static struct sb_config settings(void)
{
	struct sb_config c;

	sb_config_init(&c);
	c.worker = SB_STR("/usr/lib/worker");
	c.bridge_fqdn = SB_STR("xmpp.contoso.example");
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

TEST(check_config_misuse)
{
	struct sb_config c = settings();

	CHECK_INT(sb_check_config(&c), SB_OK);
	c.domains_n = SB_DOMAINS_MAX + 1;
	CHECK_INT(sb_check_config(&c), SB_ETOOBIG);
	c = settings();
	c.domains[0].port = 0;
	CHECK_INT(sb_check_config(&c), SB_EINVAL);
	c = settings();
	c.min_tls = SB_STR("1.1");
	CHECK_INT(sb_check_config(&c), SB_EINVAL);
	c = settings();
	c.wire.session_idle_ms = UINT32_MAX;
	CHECK_INT(sb_check_config(&c), SB_EINVAL);
	c = settings();
	c.wire.watch_expires_ms = 86400000; /* a day */
	CHECK_INT(sb_check_config(&c), SB_OK);
	c.wire.watch_expires_ms++;
	CHECK_INT(sb_check_config(&c), SB_EINVAL);
	c = settings();
	c.wire.watch_rate = 1000001;
	CHECK_INT(sb_check_config(&c), SB_EINVAL);
	c = settings();
	c.key = SB_NOSTR;
	CHECK_INT(sb_check_config(&c), SB_EINVAL);
}

TEST(err_names)
{
	CHECK_STR(sb_err_name(SB_OK), "ok");
	CHECK_STR(sb_err_name(SB_EINVAL), "invalid");
	CHECK_STR(sb_err_name(SB_ETOOBIG), "too-big");
	CHECK_STR(sb_err_name(SB_EBADTEXT), "bad-text");
	CHECK_STR(sb_err_name(SB_EFULL), "full");
	CHECK_STR(sb_err_name(SB_ENOMEM), "no-memory");
	CHECK_STR(sb_err_name(SB_EDOWN), "bridge-down");
	CHECK_STR(sb_err_name(SB_EPROTO), "protocol");
	CHECK_STR(sb_err_name(SB_ESYS), "system");
	CHECK_STR(sb_err_name(-9999), "unknown");
}
