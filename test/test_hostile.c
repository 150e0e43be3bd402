/*
 * test_hostile.c: bodies made to make parsers slow: time grows with the body,
 * not with its square.
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <time.h>

#include "../sipbridge/content.h"
#include "test.h"

static const char html_type[] = "text/html";

/* Nanoseconds of CPU for `head` and then `unit` again and again, n bytes. */
static long once(const char *type, const char *head, const char *unit, size_t n)
{
	static char body[SB_SIP_BODY_MAX], buf[SB_TEXT_MAX];
	static struct sb_imdn imdn;
	size_t h = strlen(head), u = strlen(unit), len;
	struct sb_str s = {body, n};
	struct timespec a, b;
	enum sb_typing t;

	memcpy(body, head, h);
	for (size_t i = h; i < n; i++)
		body[i] = unit[(i - h) % u];
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	if (type == html_type)
		(void)sb_content_read(sb_str_of(type), s, buf, sizeof(buf),
				      &len, &t);
	else
		(void)sb_imdn_read(s, &imdn);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	return (b.tv_sec - a.tv_sec) * 1000000000L + b.tv_nsec - a.tv_nsec;
}

/* Four times the bytes cost four times the time if all is well, sixteen times
 * if it grows by the square. What is cheap anyway is noise. */
static bool linear(const char *type, const char *head, const char *unit)
{
	const long noise = 10000000;

	for (int tries = 0; tries < 5; tries++) {
		long small = once(type, head, unit, SB_SIP_BODY_MAX / 4);
		long big = once(type, head, unit, SB_SIP_BODY_MAX);

		if (big < noise || big < 10 * small)
			return true;
	}
	return false;
}

static const char *const heads[] = {
    "",	       "<r>",  "<r a='",	  "<?xml <![CDATA[?><r>",
    "<pre>",   "<a ",  "<r xmlns:a='b' ", "<![CDATA[",
    "<title>", "<!--", "<!DOCTYPE x [",	  "<script>",
};

static const char *const units[] = {
    "<",	  "&",
    "&#",	  "&#x41;",
    "&e;",	  "<b>",
    "<p>",	  "</p>",
    "<b></i>",	  "<a ",
    "<a b='",	  "<!--",
    "--",	  "<!",
    "<?",	  "<?x?>",
    "</",	  "<a>",
    "<a/>",	  "]]>",
    "a b=c ",	  "xmlns:a='' ",
    "a='b'",	  "<br>",
    "<li><ul>",	  "<table><tr><td>",
    "&nbsp;",	  "\n",
    "<script></", "\xf0\x9f\x98\x80",
};

static void sweep(const char *type)
{
	char note[128];

	for (size_t h = 0; h < sizeof(heads) / sizeof(heads[0]); h++) {
		for (size_t u = 0; u < sizeof(units) / sizeof(units[0]); u++) {
			snprintf(note, sizeof(note), "%s%s...", heads[h],
				 units[u]);
			test_note(note);
			CHECK(linear(type, heads[h], units[u]));
		}
	}
	test_note(NULL);
}

TEST(hostile_html)
{
	sweep(html_type);
}

TEST(hostile_xml)
{
	sweep(SB_IMDN_TYPE);
}

/* Attributes that all differ: the parser compares each with each. */
TEST(hostile_attributes)
{
	static char body[SB_SIP_BODY_MAX], buf[SB_TEXT_MAX];
	static struct sb_imdn imdn;
	size_t n = 2, len;
	enum sb_typing t;

	memcpy(body, "<a", n);
	for (int i = 0; n + 16 < sizeof(body); i++)
		n += (size_t)snprintf(body + n, 16, " a%d=''", i);
	/* the tag has no end: only a look in advance can say too big */
	CHECK_INT(sb_imdn_read((struct sb_str){body, n}, &imdn), SB_ETOOBIG);
	CHECK_INT(sb_content_read(SB_STR("text/html"), (struct sb_str){body, n},
				  buf, sizeof(buf), &len, &t),
		  SB_CONTENT_TOO_BIG);
}
