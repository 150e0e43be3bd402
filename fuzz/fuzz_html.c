/*
 * fuzz_html.c: a body of text/html becomes text.
 * SPDX-License-Identifier: MIT
 *
 * Input: the body. What comes out is text that XML may hold; written as HTML
 * again, with all its white space, it is read as what it was.
 */
#include "../sipbridge/content.h"
#include "../sipbridge/document.h"
#include "fuzz.h"

static size_t put(char *to, const char *z)
{
	size_t n = strlen(z);

	memcpy(to, z, n);
	return n;
}

static size_t as_html(char *to, struct sb_str text)
{
	size_t n = put(to, "<pre>");

	for (size_t i = 0; i < text.n; i++)
		switch (text.p[i]) {
		case '<':
			n += put(to + n, "&lt;");
			break;
		case '&':
			n += put(to + n, "&amp;");
			break;
		case '\n':
			n += put(to + n, "<br>");
			break;
		default:
			to[n++] = text.p[i];
			break;
		}
	return n + put(to + n, "</pre>");
}

static void again(struct sb_str text)
{
	static char html[5 * SB_TEXT_MAX + 16], buf[SB_TEXT_MAX];
	struct sb_str page = {html, as_html(html, text)};
	size_t len = 0;

	if (page.n > SB_SIP_BODY_MAX)
		return;
	need(sb_html_text(page, buf, sizeof(buf), &len) == 0);
	need(sb_str_eq(text, (struct sb_str){buf, len}));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static char buf[SB_TEXT_MAX], small[16];
	struct sb_str body = {(const char *)data, n}, text;
	enum sb_typing typing;
	size_t len = 0;
	enum sb_content rc;

	if (n > SB_SIP_BODY_MAX)
		return 0;
	rc = sb_content_read(SB_STR("text/html;charset=utf-8"), body, buf,
			     sizeof(buf), &len, &typing);
	if (rc != SB_CONTENT_TEXT)
		return 0;
	need(len <= sizeof(buf));
	need(sb_utf8_valid((struct sb_str){buf, len}));
	need(sb_text_clean(buf, len) == len);
	text = (struct sb_str){buf, len};
	again(text);
	/* room for less: refused, never cut */
	rc = sb_content_read(SB_STR("text/html;charset=utf-8"), body, small,
			     sizeof(small), &len, &typing);
	need(rc == SB_CONTENT_TOO_BIG || text.n <= sizeof(small));
	if (rc == SB_CONTENT_TEXT)
		need(sb_str_eq(text, (struct sb_str){small, len}));
	return 0;
}
