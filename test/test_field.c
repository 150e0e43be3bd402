/*
 * test_field.c: lists, parameters, diagnostics, base64.
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>

#include "../sipbridge/content.h"
#include "../sipbridge/field.h"
#include "guard.h"
#include "test.h"

/* ---------------------------------------------------------------- lists -- */

/* The elements with '|' between them, "!" at an error. */
static struct sb_str joined(struct sb_str list)
{
	static char buf[512];
	struct sb_out o = {buf, sizeof(buf), 0, false};
	struct sb_str item;
	int rc;

	list = guard(list);
	while ((rc = sb_list_next(&list, &item)) > 0) {
		sb_out_add(&o, item);
		sb_out_add(&o, SB_STR("|"));
	}
	if (rc < 0)
		sb_out_add(&o, SB_STR("!"));
	CHECK_INT(list.n, 0);
	return (struct sb_str){buf, o.len};
}

TEST(field_list)
{
	CHECK_SB(joined(SB_NOSTR), "");
	CHECK_SB(joined(SB_STR(" , ,\t, ")), "");
	CHECK_SB(joined(SB_STR("a,b , c\r\n d")), "a|b|c\r\n d|");
	CHECK_SB(joined(SB_STR("<sip:a,b;lr>;x=\"1,2\" , \"q,\\\",\" <sip:c>")),
		 "<sip:a,b;lr>;x=\"1,2\"|\"q,\\\",\" <sip:c>|");
	CHECK_SB(joined(SB_STR("<sip:a\"b>,c")), "<sip:a\"b>|c|");
	CHECK_SB(joined(SB_STR("a>b,c")), "a>b|c|");
}

TEST(field_list_broken)
{
	CHECK_SB(joined(SB_STR("a, \"b")), "a|!");
	CHECK_SB(joined(SB_STR("a, \"b\\")), "a|!");
	CHECK_SB(joined(SB_STR("a, \"b\\\"")), "a|!");
	CHECK_SB(joined(SB_STR("<sip:a, b, c")), "!");
}

TEST(field_list_route_byte_for_byte)
{
	struct sb_str route = SB_STR(
	    "<sip:sip.corp.example:5061;transport=tls;lr;"
	    "ms-key-info=jACAAKw3n0YrT5xqZ0m2;ms-route-sig=dmQ7xN2c1oP0aZ>"
	    ";tag=5B1F2A90C4");
	struct sb_str rest = route, item;

	CHECK_INT(sb_list_next(&rest, &item), 1);
	CHECK_SBSB(item, route);
	CHECK(item.p == route.p);
}

TEST(field_token_listed)
{
	struct sb_str list = SB_STR("timer, Ms-Text-Format ,ms-sender");

	CHECK(sb_token_listed(list, SB_STR("ms-text-format")));
	CHECK(sb_token_listed(list, SB_STR("MS-SENDER")));
	CHECK(!sb_token_listed(list, SB_STR("ms-text")));
	CHECK(!sb_token_listed(list, SB_STR("")));
	CHECK(!sb_token_listed(SB_NOSTR, SB_STR("timer")));
}

static void walk(struct sb_str s)
{
	struct sb_str item, name, rest = s;
	size_t n = 0;

	while (sb_list_next(&rest, &item) > 0)
		n++;
	rest = s;
	while (sb_param_next(&rest, &name, &item) > 0)
		n++;
	CHECK(n <= 2 * s.n);
}

TEST(field_list_prefixes)
{
	guard_prefixes(
	    SB_STR("a , \"q\\\\,\\\"\" <sip:x,y>;p=\"1\\;\";z=,,;=;b"), walk);
}

/* ----------------------------------------------------------- parameters -- */

TEST(field_param)
{
	struct sb_str type, rest, value;

	sb_media_split(
	    SB_STR(" text/plain ; Charset=\" utf-8 \" ;;a; b=c;d=\";\""), &type,
	    &rest);
	CHECK_SB(type, "text/plain");
	CHECK_INT(sb_param_find(rest, SB_STR("charset"), &value), 1);
	CHECK_SB(value, "utf-8");
	CHECK_INT(sb_param_find(rest, SB_STR("a"), &value), 1);
	CHECK_SB(value, "");
	CHECK_INT(sb_param_find(rest, SB_STR("d"), &value), 1);
	CHECK_SB(value, ";");
	CHECK_INT(sb_param_find(rest, SB_STR("c"), &value), 0);
	/* brackets mean nothing here */
	CHECK_INT(sb_param_find(SB_STR("a=<b;c=d"), SB_STR("c"), &value), 1);
	CHECK_SB(value, "d");
	CHECK_INT(sb_param_find(SB_STR("a=\"b;c=d"), SB_STR("c"), &value),
		  SB_EBADTEXT);
}

TEST(field_number)
{
	CHECK_INT(sb_number(SB_STR("0"), 9), 0);
	CHECK_INT(sb_number(SB_STR("65535"), 65535), 65535);
	CHECK_INT(sb_number(SB_STR("65536"), 65535), -1);
	CHECK_INT(sb_number(SB_STR("99999999999999999999"), 999999), -1);
	CHECK_INT(sb_number(SB_STR("-1"), 9), -1);
	CHECK_INT(sb_number(SB_STR("1 "), 9), -1);
	CHECK_INT(sb_number(SB_NOSTR, 9), -1);
}

/* ----------------------------------------------------------- diagnostics -- */

static void diagnostics(struct sb_str header, int want, int want_code,
			const char *want_reason)
{
	struct sb_str s = guard(header);
	struct sb_str reason = SB_STR("untouched");
	int code = -7;

	CHECK_INT(sb_diagnostics_read(s, &code, &reason, guard_room(s.n), s.n),
		  want);
	CHECK_INT(code, want ? -7 : want_code);
	CHECK_SB(reason, want ? "untouched" : want_reason);
}

TEST(field_diagnostics_read)
{
	diagnostics(SB_STR("1003;reason=\"User does not exist\""), 0, 1003,
		    "User does not exist");
	diagnostics(
	    SB_STR(" 1034;source=\"sip.corp.example\";Reason = \"a \\\"b"
		   "\\\\\";Domain=\"chat.example\""),
	    0, 1034, "a \"b\\");
	diagnostics(SB_STR("309 lcs.microsoft.com \"Message contents not "
			   "allowed by policy\""),
		    0, 309, "Message contents not allowed by policy");
	diagnostics(SB_STR("52035"), 0, 52035, "");
	diagnostics(SB_STR("52035;a=b"), 0, 52035, "");
	diagnostics(SB_STR("309 agent"), 0, 309, "");
	diagnostics(SB_STR("1;reason=word"), 0, 1, "word");
	diagnostics(SB_STR("1;reason=\"\xff\""), 0, 1, "");
	diagnostics(SB_STR("1;reason=\"a\x01\tb\x7f"
			   "c\""),
		    0, 1, "a b c");
	diagnostics(SB_STR("1;reason=\"a;b=c\""), 0, 1, "a;b=c");
}

TEST(field_diagnostics_read_bad)
{
	diagnostics(SB_NOSTR, SB_EINVAL, 0, "");
	diagnostics(SB_STR(";reason=\"x\""), SB_EINVAL, 0, "");
	diagnostics(SB_STR("x1003"), SB_EINVAL, 0, "");
	diagnostics(SB_STR("1003x"), SB_EINVAL, 0, "");
	diagnostics(SB_STR("-1"), SB_EINVAL, 0, "");
	diagnostics(SB_STR("1000000"), SB_EINVAL, 0, "");
	diagnostics(SB_STR("99999999999999999999"), SB_EINVAL, 0, "");
	diagnostics(SB_STR("1003;reason=\"x"), SB_EBADTEXT, 0, "");
	diagnostics(SB_STR("1003;reason=\"x\\\""), SB_EBADTEXT, 0, "");
	diagnostics(SB_STR("309 a \"x"), SB_EBADTEXT, 0, "");
}

TEST(field_diagnostics_room)
{
	struct sb_str reason;
	char buf[3];
	int code;

	CHECK_INT(sb_diagnostics_read(SB_STR("1;reason=\"abcd\""), &code,
				      &reason, buf, sizeof(buf)),
		  SB_ETOOBIG);
	CHECK_INT(sb_diagnostics_read(SB_STR("1;reason=\"abc\""), &code,
				      &reason, buf, sizeof(buf)),
		  0);
	CHECK_SB(reason, "abc");
}

static struct sb_str written(int code, struct sb_str reason)
{
	static char buf[256];
	int n = sb_diagnostics_write(buf, sizeof(buf), code, guard(reason));

	if (n < 0)
		return sb_str_of(sb_err_name(n));
	return (struct sb_str){buf, (size_t)n};
}

TEST(field_diagnostics_write)
{
	CHECK_SB(written(60001, SB_STR("The XMPP user is offline")),
		 "60001;reason=\"The XMPP user is offline\"");
	CHECK_SB(written(0, SB_NOSTR), "0");
	CHECK_SB(written(1, SB_STR("a\"b\\c\r\nx: y\0\x7f")),
		 "1;reason=\"a\\\"b\\\\c  x: y  \"");
	CHECK_SB(written(1, SB_STR("gr\xc3\xbc\xc3\x9f")),
		 "1;reason=\"gr\xc3\xbc\xc3\x9f\"");
	CHECK_INT(sb_diagnostics_write(NULL, 0, -1, SB_NOSTR), SB_EINVAL);
	CHECK_INT(sb_diagnostics_write(NULL, 0, 1000000, SB_NOSTR), SB_EINVAL);
	CHECK_INT(sb_diagnostics_write(NULL, 0, 1, SB_STR("\xff")),
		  SB_EBADTEXT);
	CHECK_INT(sb_diagnostics_write(NULL, 0, 1, SB_NOSTR), SB_ETOOBIG);
}

TEST(field_diagnostics_round_trip)
{
	struct sb_str said = SB_STR("back\\slash \"quote\" ; , \xe2\x82\xac");
	struct sb_str header = written(1007, said), reason;
	char buf[256];
	int code;

	CHECK_INT(sb_diagnostics_read(header, &code, &reason, buf, sizeof(buf)),
		  0);
	CHECK_INT(code, 1007);
	CHECK_SBSB(reason, said);
}

static void diagnostics_any(struct sb_str s)
{
	struct sb_str reason;
	int code = 0;
	int rc = sb_diagnostics_read(s, &code, &reason, guard_room(s.n), s.n);

	CHECK(rc <= 0 && rc != SB_ETOOBIG);
}

TEST(field_diagnostics_prefixes)
{
	guard_prefixes(
	    SB_STR("1034;reason=\"a\\\"b\\\\\";Domain=\"x\";s= \"y\""),
	    diagnostics_any);
	guard_prefixes(SB_STR("309 lcs \"a\\\"b\" , 310 x \"y\""),
		       diagnostics_any);
}

/* ---------------------------------------------------------------- base64 -- */

static void base64(const char *plain, const char *encoded)
{
	char buf[32];
	size_t len = 99;
	int n = sb_base64_write(buf, sizeof(buf), guard(sb_str_of(plain)));

	if (CHECK(n >= 0))
		CHECK_SB(((struct sb_str){buf, (size_t)n}), encoded);
	CHECK_INT(sb_base64_read(guard_room(strlen(plain)), strlen(plain), &len,
				 guard(sb_str_of(encoded))),
		  0);
	CHECK_SB(((struct sb_str){guard_room(strlen(plain)), len}), plain);
}

/* RFC 4648 section 10. */
TEST(field_base64_vectors)
{
	base64("", "");
	base64("f", "Zg==");
	base64("fo", "Zm8=");
	base64("foo", "Zm9v");
	base64("foob", "Zm9vYg==");
	base64("fooba", "Zm9vYmE=");
	base64("foobar", "Zm9vYmFy");
	base64("\xfb\xff\xbe", "+/++");
}

static int read64(struct sb_str s)
{
	char buf[64];
	size_t len;

	return sb_base64_read(buf, sizeof(buf), &len, guard(s));
}

TEST(field_base64_strict)
{
	CHECK_INT(read64(SB_STR("Zg")), 0);
	CHECK_INT(read64(SB_STR("Zm8")), 0);
	CHECK_INT(read64(SB_STR("Z")), SB_EBADTEXT);
	CHECK_INT(read64(SB_STR("Zg=")), SB_EBADTEXT);
	CHECK_INT(read64(SB_STR("Z===")), SB_EBADTEXT);
	CHECK_INT(read64(SB_STR("====")), SB_EBADTEXT);
	CHECK_INT(read64(SB_STR("=")), SB_EBADTEXT);
	CHECK_INT(read64(SB_STR("Zh==")), SB_EBADTEXT); /* bits left over */
	CHECK_INT(read64(SB_STR("Zm9=")), SB_EBADTEXT);
	CHECK_INT(read64(SB_STR("Zg==Zg==")), SB_EBADTEXT);
	CHECK_INT(read64(SB_STR("Zm9v\r\nYg==")), SB_EBADTEXT);
	CHECK_INT(read64(SB_STR("Zm-_")), SB_EBADTEXT);
	CHECK_INT(read64(SB_STR("Zm9\xff")), SB_EBADTEXT);
	CHECK_INT(read64(SB_STR("Zm\0v")), SB_EBADTEXT);
}

TEST(field_base64_room)
{
	char buf[4];
	size_t len = 7;

	CHECK_INT(sb_base64_read(buf, 2, &len, SB_STR("Zm9v")), SB_ETOOBIG);
	CHECK_INT(len, 7);
	CHECK_INT(sb_base64_write(buf, 3, SB_STR("f")), SB_ETOOBIG);
	CHECK_INT(sb_base64_write(buf, 4, SB_STR("f")), 4);
}

TEST(field_base64_all_lengths)
{
	char plain[67], encoded[92], back[67];
	size_t len = 0;

	for (size_t i = 0; i < sizeof(plain); i++)
		plain[i] = (char)(i * 37 + 11);
	for (size_t n = 0; n <= sizeof(plain); n++) {
		struct sb_str s = {plain, n};
		int m = sb_base64_write(encoded, sizeof(encoded), s);

		REQUIRE(m == (int)((n + 2) / 3 * 4));
		REQUIRE(sb_base64_read(back, n, &len,
				       (struct sb_str){encoded, (size_t)m}) ==
			0);
		CHECK_SBSB(((struct sb_str){back, len}), s);
	}
}
