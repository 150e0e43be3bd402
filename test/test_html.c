/*
 * test_html.c: HTML reduced to text: bounds.
 * SPDX-License-Identifier: MIT
 *
 * What becomes what is shown by the cases in data/content/html-*.
 */

#include "../sipbridge/content.h"
#include "../sipbridge/document.h"
#include "guard.h"
#include "test.h"

static struct sb_str html(const char *z)
{
	static char buf[256];
	size_t len = 0;
	int rc = sb_html_text(guard(sb_str_of(z)), buf, sizeof(buf), &len);

	if (rc < 0)
		return sb_str_of(sb_err_name(rc));
	return (struct sb_str){buf, len};
}

TEST(html_white_space)
{
	CHECK_SB(html("  a \t\r\n b  "), "a b");
	CHECK_SB(html("a<br>\n  b"), "a\nb");
	CHECK_SB(html("a<br/><br/>b"), "a\n\nb");
	CHECK_SB(html("a<div>b</div>c"), "a\nb\nc");
	CHECK_SB(html("<div><div><p>a</p></div></div><p>b"), "a\nb");
	CHECK_SB(html("a&nbsp; &nbsp;b"), "a   b");
	CHECK_SB(html("<pre> a\n  b </pre>"), " a\n  b");
	CHECK_SB(html("a <b> b</b>"), "a b");
}

TEST(html_dropped)
{
	CHECK_SB(html("a<style><br>x</style>b"), "ab");
	CHECK_SB(html("<title>t</title>a<script>x</script>"), "a");
	CHECK_SB(html("<object><p>x<object>y</object></p></object>a"), "a");
	CHECK_SB(html("</script></style></object>a"), "a");
	CHECK_SB(html("<script>never closed"), "");
	CHECK_SB(html("<head>stray<meta charset=utf-16>"), "stray");
}

TEST(html_characters)
{
	CHECK_SB(html("&lt;b&gt;&amp;amp;&quot;"), "<b>&amp;\"");
	CHECK_SB(html("&euro;&#8364;&#x20ac;&unknown;&"),
		 "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac&unknown;&");
	CHECK_SB(html("&#0;&#xD800;&#x110000;&#99999999999;x"), "x");
	CHECK_SB(html("\xc3\xbc\xf0\x9f\x98\x80"), "\xc3\xbc\xf0\x9f\x98\x80");
}

/* No DOCTYPE declares anything; how its rest is shown is libxml2's affair. */
TEST(html_no_entities)
{
	struct sb_str s = html("<!DOCTYPE x [<!ENTITY e \"boom\">]>a&e;b");

	CHECK(s.n > 0 && !memmem(s.p, s.n, "boom", 4));
	s = html("<!DOCTYPE x SYSTEM \"http://127.0.0.1/x\">a");
	CHECK_SB(s, "a");
}

TEST(html_text_between_inline)
{
	CHECK_SB(html("<b>a</b> b"), "a b");
	CHECK_SB(html("a <b>b</b> c <i>d</i>."), "a b c d.");
	CHECK_SB(html("<div>a</div><b>b</b> c"), "a\nb c");
	CHECK_SB(html("<html><body><u>a</u>.</body></html>"), "a.");
}

TEST(html_room)
{
	char buf[4];
	size_t len = 0;

	CHECK_INT(sb_html_text(SB_STR("<b>abcd</b>"), buf, 4, &len), 0);
	CHECK_INT(len, 4);
	CHECK_INT(sb_html_text(SB_STR("<b>abcde</b>"), buf, 4, &len),
		  SB_ETOOBIG);
	CHECK_INT(sb_html_text(SB_STR("a<br>b<br>c"), buf, 4, &len),
		  SB_ETOOBIG);
	CHECK_INT(sb_html_text(SB_STR("<b></b>"), buf, 0, &len), 0);
	CHECK_INT(len, 0);
}

TEST(html_depth)
{
	static char deep[4 * 300];

	for (size_t i = 0; i < 300; i++)
		memcpy(deep + 3 * i, "<b>", 3);
	CHECK_SB(html(deep), "too-big");
	memcpy(deep + 3 * 250, "x", 2);
	CHECK_SB(html(deep), "x");
}
