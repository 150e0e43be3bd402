/*
 * test_content.c: MESSAGE bodies and embedded first messages.
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <stdlib.h>

#include "../sipbridge/content.h"
#include "cases.h"
#include "guard.h"
#include "test.h"

static const char *name_of(enum sb_content c)
{
	switch (c) {
	case SB_CONTENT_TEXT:
		return "text";
	case SB_CONTENT_TYPING:
		return "typing";
	case SB_CONTENT_IMDN:
		return "imdn";
	case SB_CONTENT_UNSUPPORTED:
		return "unsupported";
	case SB_CONTENT_BAD:
		return "bad";
	case SB_CONTENT_NO_MEMORY:
		return "no-memory";
	case SB_CONTENT_TOO_BIG:
		return "too-big";
	}
	return "?";
}

static void case_run(const struct test_case *c)
{
	char *buf = guard_room(SB_TEXT_MAX);
	enum sb_typing t = SB_TYPING_NONE;
	size_t len = 0;
	enum sb_content rc = sb_content_read(c->header, guard(c->body), buf,
					     SB_TEXT_MAX, &len, &t);
	struct sb_str got = {buf, len};

	if (rc == SB_CONTENT_TYPING)
		got = t == SB_TYPING_ACTIVE ? SB_STR("typing active")
					    : SB_STR("typing idle");
	else if (rc != SB_CONTENT_TEXT)
		got = sb_str_of(name_of(rc));
	CHECK_INT(rc != SB_CONTENT_TEXT && rc != SB_CONTENT_TYPING, c->error);
	CHECK_SBSB(got, c->want);
}

TEST(content_cases)
{
	CHECK(cases_run("content", case_run) >= 40);
}

/* The outcome of a text/plain body of n bytes in a buffer of that size. */
static enum sb_content plain(size_t n, size_t room, size_t *len)
{
	static char big[SB_SIP_BODY_MAX + 1];
	enum sb_typing t;

	memset(big, 'x', sizeof(big));
	return sb_content_read(SB_STR("text/plain"), (struct sb_str){big, n},
			       guard_room(room), room, len, &t);
}

TEST(content_limits)
{
	size_t len = 0;

	CHECK_INT(plain(SB_TEXT_MAX, SB_TEXT_MAX, &len), SB_CONTENT_TEXT);
	CHECK_INT(len, SB_TEXT_MAX);
	CHECK_INT(plain(SB_TEXT_MAX + 1, SB_TEXT_MAX + 1, &len),
		  SB_CONTENT_TOO_BIG);
	CHECK_INT(plain(11, 10, &len), SB_CONTENT_TOO_BIG);
	CHECK_INT(plain(10, 10, &len), SB_CONTENT_TEXT);
	CHECK_INT(plain(SB_SIP_BODY_MAX, SB_TEXT_MAX, &len),
		  SB_CONTENT_TOO_BIG);
	CHECK_INT(plain(SB_SIP_BODY_MAX + 1, SB_TEXT_MAX, &len),
		  SB_CONTENT_TOO_BIG);
}

/* What is removed does not count against the limit. */
TEST(content_limit_after_cleaning)
{
	enum sb_typing t;
	char buf[4];
	size_t len = 0;

	CHECK_INT(sb_content_read(SB_STR("text/plain"), SB_STR("a\r\nb\r\n"),
				  buf, sizeof(buf), &len, &t),
		  SB_CONTENT_TEXT);
	CHECK_SB(((struct sb_str){buf, len}), "a\nb\n");
}

static void any_prefix(const char *type, struct sb_str s)
{
	char *buf = guard_room(SB_TEXT_MAX);
	enum sb_typing t = SB_TYPING_NONE;
	size_t len = 0;
	enum sb_content rc =
	    sb_content_read(sb_str_of(type), s, buf, SB_TEXT_MAX, &len, &t);

	if (rc == SB_CONTENT_TEXT)
		CHECK(sb_utf8_valid((struct sb_str){buf, len}));
	else
		CHECK_INT(rc, SB_CONTENT_BAD);
}

static void html_prefix(struct sb_str s)
{
	any_prefix("text/html", s);
}

static void plain_prefix(struct sb_str s)
{
	any_prefix("text/plain", s);
}

static void latin_prefix(struct sb_str s)
{
	any_prefix("text/plain; charset=windows-1252", s);
}

static void typing_prefix(struct sb_str s)
{
	any_prefix("application/im-iscomposing+xml", s);
}

TEST(content_prefixes)
{
	guard_prefixes(SB_STR("\xef\xbb\xbf<!DOCTYPE html><p style='x:\"y\"'>a"
			      "&amp;&#x20AC;&eacute;\xe2\x82\xac<!-- c --><pre>"
			      "\r\n</pre><script>if(a<b)</script>\xf0\x9f\x98"
			      "\x80"),
		       html_prefix);
	guard_prefixes(SB_STR("\xef\xbb\xbf\xc3\xbc\r\n\xe2\x82\xac\xf0\x9f\x98"
			      "\x80\xef\xbf\xbf"),
		       plain_prefix);
	guard_prefixes(SB_STR("\x80\x9c\xe9\r\n"), latin_prefix);
	guard_prefixes(SB_STR("<isComposing><state>active"), typing_prefix);
}

/* A header value that is cut anywhere must not matter. */
static void type_prefix(struct sb_str s)
{
	enum sb_typing t = SB_TYPING_NONE;
	char buf[64];
	size_t len = 0;
	enum sb_content rc =
	    sb_content_read(s, SB_STR("x"), buf, sizeof(buf), &len, &t);

	CHECK(rc == SB_CONTENT_TEXT || rc == SB_CONTENT_UNSUPPORTED);
}

TEST(content_type_prefixes)
{
	guard_prefixes(SB_STR("text/html ; a=\"\\\"b;\" ; charset=\"utf-8\""),
		       type_prefix);
}

/* -------------------------------------------------------- first message -- */

static void first(const char *header, int want, const char *text)
{
	char buf[64];
	size_t len = 0;
	int rc = sb_first_message_read(guard(sb_str_of(header)), buf,
				       sizeof(buf), &len);

	CHECK_INT(rc, want);
	if (rc == 0)
		CHECK_SB(((struct sb_str){buf, len}), text);
}

TEST(content_first_message)
{
	first("text/plain; charset=UTF-8; ms-body=aGVsbG8gQWRh", 0,
	      "hello Ada");
	first("text/plain; charset=UTF-8;msgr=WAAtAE0A;ms-body=aGVsbG8gQWRh", 0,
	      "hello Ada");
	first("Text/Plain;ms-body=\"aGk=\"", 0, "hi");
	first("text/html; charset=UTF-8; ms-body=PFNQQU4gbGFuZz0iZW4tdXMiIHN0eW"
	      "xlPSJjb2xvcjojMDAwMDAwOyBmb250LWZhbWlseTpTZWdvZSBVSTsgZm9udC1z"
	      "aXplOjEwcHQ7Ij5oZWxsbyBBZGE8L1NQQU4+",
	      0, "hello Ada");
	first("text/plain; charset=iso-8859-1; ms-body=6Q==", 0, "\xc3\xa9");
	first("text/plain; ms-body=", 0, "");
	first("text/plain; ms-body=6Q==", SB_EBADTEXT, "");
	first("text/plain; ms-body=aGk!", SB_EBADTEXT, "");
	first("text/plain; ms-body=\"aGk=", SB_EBADTEXT, "");
	first("text/plain; charset=UTF-8", SB_EINVAL, "");
	first("text/plain; charset=x; ms-body=aGk=", SB_EINVAL, "");
	first("text/rtf; ms-body=aGk=", SB_EINVAL, "");
	first("", SB_EINVAL, "");
	first("text/plain; ms-body=MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"
	      "NDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU=",
	      SB_ETOOBIG, "");
}

TEST(content_first_message_write)
{
	char buf[128], back[64];
	size_t len = 0;
	int n = sb_first_message_write(buf, sizeof(buf),
				       SB_STR("Hi Lena, got a minute?"));

	REQUIRE(n > 0);
	CHECK_SB(((struct sb_str){buf, (size_t)n}),
		 "text/plain; charset=UTF-8; "
		 "ms-body=SGkgTGVuYSwgZ290IGEgbWludXRlPw==");
	CHECK_INT(sb_first_message_read((struct sb_str){buf, (size_t)n}, back,
					sizeof(back), &len),
		  0);
	CHECK_SB(((struct sb_str){back, len}), "Hi Lena, got a minute?");
	CHECK_INT(sb_first_message_write(buf, sizeof(buf), SB_STR("\xff")),
		  SB_EBADTEXT);
	for (size_t i = 0; i < (size_t)n; i++)
		CHECK_INT(
		    sb_first_message_write(guard_room(i), i,
					   SB_STR("Hi Lena, got a minute?")),
		    SB_ETOOBIG);
}

TEST(content_first_message_write_limit)
{
	static char text[SB_TEXT_MAX + 1], buf[2 * SB_TEXT_MAX];

	memset(text, 'x', sizeof(text));
	CHECK(sb_first_message_write(buf, sizeof(buf),
				     (struct sb_str){text, SB_TEXT_MAX}) > 0);
	CHECK_INT(sb_first_message_write(
		      buf, sizeof(buf), (struct sb_str){text, SB_TEXT_MAX + 1}),
		  SB_ETOOBIG);
}

static void first_prefix(struct sb_str s)
{
	char buf[64];
	size_t len;
	int rc = sb_first_message_read(s, buf, sizeof(buf), &len);

	CHECK(rc == 0 || rc == SB_EINVAL || rc == SB_EBADTEXT);
}

TEST(content_first_message_prefixes)
{
	guard_prefixes(
	    SB_STR("text/html; charset=\"utf-8\"; ms-body=PGI+aGk8L2I+"),
	    first_prefix);
}
