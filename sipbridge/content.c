/*
 * content.c: MESSAGE bodies and embedded first messages become text; see
 * content.h.
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <iconv.h>
#include <stdlib.h>

#include "content.h"
#include "document.h"
#include "field.h"

/* gcc 12 knows iconv_open allocates, but not that -1 is its NULL */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

enum { GROWTH = 3 }; /* bytes of UTF-8 for one of an 8-bit character set */

/* The name for iconv, NULL for a character set we do not take. */
static const char *charset_of(struct sb_str params)
{
	static const struct {
		const char *name, *iconv;
	} known[] = {
	    {"utf-8", "UTF-8"},		  {"utf8", "UTF-8"},
	    {"us-ascii", "ASCII"},	  {"ascii", "ASCII"},
	    {"iso-8859-1", "ISO-8859-1"}, {"latin1", "ISO-8859-1"},
	    {"windows-1252", "CP1252"},	  {"cp1252", "CP1252"},
	};
	struct sb_str name;
	int rc = sb_param_find(params, SB_STR("charset"), &name);

	if (rc == 0 || (rc > 0 && name.n == 0))
		return "UTF-8"; /* RFC 3261 section 7.4.1 */
	if (rc < 0)
		return NULL;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (sb_str_caseeq(name, sb_str_of(known[i].name)))
			return known[i].iconv;
	return NULL;
}

void sb_content_prepare(void)
{
	static const char *const names[] = {"ISO-8859-1", "CP1252", "ASCII"};
	static iconv_t kept[sizeof(names) / sizeof(names[0])];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!kept[i])
			kept[i] = iconv_open("UTF-8", names[i]);
}

/* body in `charset` to UTF-8. out has room for GROWTH bytes each. */
static enum sb_content decode(const char *charset, struct sb_str body,
			      char *out, size_t *len)
{
	char *from = (char *)body.p, *to = out; /* iconv only reads it */
	size_t from_n = body.n, room = body.n * GROWTH;
	size_t rc;
	iconv_t cd;
	int err;

	if (strcmp(charset, "UTF-8") == 0) {
		if (!sb_utf8_valid(body))
			return SB_CONTENT_BAD;
		memcpy(out, body.p, body.n);
		*len = body.n;
		return SB_CONTENT_TEXT;
	}
	cd = iconv_open("UTF-8", charset);
	if (cd == (iconv_t)-1)
		return SB_CONTENT_UNSUPPORTED;
	rc = iconv(cd, &from, &from_n, &to, &room);
	err = errno;
	iconv_close(cd);
	if (rc == (size_t)-1)
		return err == E2BIG ? SB_CONTENT_TOO_BIG : SB_CONTENT_BAD;
	*len = (size_t)(to - out);
	return SB_CONTENT_TEXT;
}

static struct sb_str without_bom(struct sb_str s)
{
	if (s.n >= 3 && memcmp(s.p, "\xef\xbb\xbf", 3) == 0)
		return (struct sb_str){s.p + 3, s.n - 3};
	return s;
}

/* Valid, clean UTF-8 in `work` to the caller's buffer. */
static enum sb_content deliver(bool html, struct sb_str text, char *buf,
			       size_t n, size_t *len)
{
	size_t got = text.n;
	int err;

	if (n > SB_TEXT_MAX)
		n = SB_TEXT_MAX;
	if (html) {
		err = sb_html_text(text, buf, n, &got);
		if (err < 0)
			return err == SB_ENOMEM ? SB_CONTENT_NO_MEMORY
						: SB_CONTENT_TOO_BIG;
		got = sb_text_clean(buf, got);
		if (!sb_utf8_valid((struct sb_str){buf, got}))
			return SB_CONTENT_BAD;
	}
	else {
		if (got > n)
			return SB_CONTENT_TOO_BIG;
		if (got > 0)
			memcpy(buf, text.p, got);
	}
	*len = got;
	return SB_CONTENT_TEXT;
}

static enum sb_content text_read(bool html, struct sb_str params,
				 struct sb_str body, char *buf, size_t n,
				 size_t *len)
{
	const char *charset = charset_of(params);
	enum sb_content rc;
	struct sb_str text;
	size_t got;
	char *work;

	if (!charset)
		return SB_CONTENT_UNSUPPORTED;
	if (body.n == 0) {
		*len = 0;
		return SB_CONTENT_TEXT;
	}
	work = malloc(body.n * GROWTH);
	if (!work)
		return SB_CONTENT_NO_MEMORY;
	rc = decode(charset, body, work, &got);
	if (rc == SB_CONTENT_TEXT) {
		text.p = work;
		text.n = sb_text_clean(work, got);
		rc = deliver(html, without_bom(text), buf, n, len);
	}
	free(work);
	return rc;
}

static enum sb_content typing_content(struct sb_str type, struct sb_str body,
				      enum sb_typing *typing)
{
	int rc = sb_typing_read(type, body, typing);

	if (rc == SB_ENOMEM)
		return SB_CONTENT_NO_MEMORY;
	if (rc == SB_ETOOBIG)
		return SB_CONTENT_TOO_BIG;
	return rc < 0 ? SB_CONTENT_BAD : SB_CONTENT_TYPING;
}

enum sb_content sb_content_read(struct sb_str type, struct sb_str body,
				char *buf, size_t n, size_t *len,
				enum sb_typing *typing)
{
	struct sb_str media, params;
	bool html;

	if (body.n > SB_SIP_BODY_MAX)
		return SB_CONTENT_TOO_BIG;
	sb_media_split(type, &media, &params);
	if (sb_str_caseeq(media, SB_STR("application/im-iscomposing+xml")))
		return typing_content(type, body, typing);
	if (sb_str_caseeq(media, SB_STR(SB_IMDN_TYPE)))
		return SB_CONTENT_IMDN;
	html = sb_str_caseeq(media, SB_STR("text/html"));
	if (!html && media.n > 0 && !sb_str_caseeq(media, SB_STR("text/plain")))
		return SB_CONTENT_UNSUPPORTED;
	return text_read(html, params, body, buf, n, len);
}

/* ---------------------------------------------------- the first message -- */

static int first_err(enum sb_content rc)
{
	switch (rc) {
	case SB_CONTENT_TEXT:
		return 0;
	case SB_CONTENT_BAD:
		return SB_EBADTEXT;
	case SB_CONTENT_TOO_BIG:
		return SB_ETOOBIG;
	case SB_CONTENT_NO_MEMORY:
		return SB_ENOMEM;
	case SB_CONTENT_TYPING:
	case SB_CONTENT_IMDN:
	case SB_CONTENT_UNSUPPORTED:
		break;
	}
	return SB_EINVAL;
}

int sb_first_message_read(struct sb_str header, char *buf, size_t n,
			  size_t *len)
{
	struct sb_str media, params, encoded, body = SB_NOSTR;
	bool html;
	char *work;
	int rc;

	if (header.n > SB_SIP_BODY_MAX)
		return SB_ETOOBIG;
	sb_media_split(header, &media, &params);
	html = sb_str_caseeq(media, SB_STR("text/html"));
	if (!html && !sb_str_caseeq(media, SB_STR("text/plain")))
		return SB_EINVAL;
	rc = sb_param_find(params, SB_STR("ms-body"), &encoded);
	if (rc <= 0)
		return rc < 0 ? rc : SB_EINVAL;
	work = malloc(encoded.n + 1);
	if (!work)
		return SB_ENOMEM;
	rc = sb_base64_read(work, encoded.n, &body.n, encoded);
	body.p = work;
	if (rc == 0)
		rc = first_err(text_read(html, params, body, buf, n, len));
	free(work);
	return rc;
}

int sb_first_message_write(char *buf, size_t n, struct sb_str text)
{
	struct sb_out o = {buf, n, 0, false};
	int rc;

	if (text.n > SB_TEXT_MAX)
		return SB_ETOOBIG;
	if (!sb_utf8_valid(text))
		return SB_EBADTEXT;
	sb_out_add(&o, SB_STR("text/plain; charset=UTF-8; ms-body="));
	if (o.full)
		return SB_ETOOBIG;
	rc = sb_base64_write(buf + o.len, n - o.len, text);
	return rc < 0 ? rc : (int)o.len + rc;
}
