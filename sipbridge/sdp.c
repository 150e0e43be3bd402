/*
 * sdp.c: is this offer an IM session, and ours to say so.
 * SPDX-License-Identifier: MIT
 *
 * Deliberately no SDP parser: lines are cut, m= and one a= are looked at, the
 * rest of the body is nobody's business.
 * Source: lync-sip.md 2.2, 2.3, 2.8; RFC 4566 section 5.14.
 */
#include "content.h"
#include "field.h"

#define ACCEPT_TYPES "text/plain text/html"

/* Cut the next line, without its CRLF or LF, off *rest. */
static struct sb_str line_next(struct sb_str *rest)
{
	const char *lf = memchr(rest->p, '\n', rest->n);
	struct sb_str line = {rest->p, lf ? (size_t)(lf - rest->p) : rest->n};
	size_t used = lf ? line.n + 1 : line.n;

	rest->p += used;
	rest->n -= used;
	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	return line;
}

/* Cut the next space-separated word off *rest; empty at the end. */
static struct sb_str word_next(struct sb_str *rest)
{
	struct sb_str word = {rest->p, 0};

	while (word.n < rest->n && rest->p[word.n] != ' ')
		word.n++;
	rest->p += word.n;
	rest->n -= word.n;
	while (rest->n > 0 && rest->p[0] == ' ') {
		rest->p++;
		rest->n--;
	}
	return word;
}

/* "message 5060 sip null": the media's name, empty when it is not IM. Port 0
 * is a stream that is switched off. */
static struct sb_str im_media(struct sb_str value)
{
	struct sb_str media = word_next(&value);
	struct sb_str port = word_next(&value);
	struct sb_str proto = word_next(&value);

	if ((sb_str_eq(media, SB_STR("message")) ||
	     sb_str_eq(media, SB_STR("x-ms-message"))) &&
	    sb_number(port, 65535) > 0 && sb_str_caseeq(proto, SB_STR("sip")) &&
	    value.n > 0)
		return media;
	return SB_NOSTR;
}

static bool lists_imdn(struct sb_str value)
{
	while (value.n > 0)
		if (sb_str_caseeq(word_next(&value), SB_STR(SB_IMDN_TYPE)))
			return true;
	return false;
}

static int scan(struct sb_str body, struct sb_sdp *out)
{
	static const char accept[] = "accept-types:";
	struct sb_str first = line_next(&body);
	size_t media_n = 0;

	if (!sb_str_eq(first, SB_STR("v=0")))
		return SB_EBADTEXT;
	out->kind = SB_SDP_OTHER;
	while (body.n > 0) {
		struct sb_str line = line_next(&body);
		struct sb_str value;

		if (line.n == 0 && body.n == 0)
			break;
		if (line.n < 2 || line.p[1] != '=')
			return SB_EBADTEXT;
		value = (struct sb_str){line.p + 2, line.n - 2};
		if (line.p[0] == 'm') {
			media_n++;
			out->media = im_media(value);
		}
		if (line.p[0] == 'a' && value.n >= sizeof(accept) - 1 &&
		    memcmp(value.p, accept, sizeof(accept) - 1) == 0) {
			value.p += sizeof(accept) - 1;
			value.n -= sizeof(accept) - 1;
			out->imdn = out->imdn || lists_imdn(value);
		}
	}
	if (media_n == 1 && out->media.n > 0)
		out->kind = SB_SDP_IM;
	return 0;
}

int sb_sdp_offer(struct sb_str content_type, struct sb_str body,
		 struct sb_sdp *out)
{
	struct sb_sdp sdp = {SB_SDP_NONE, SB_NOSTR, false};
	struct sb_str type, params;

	if (body.n > SB_SIP_BODY_MAX)
		return SB_ETOOBIG;
	sb_media_split(content_type, &type, &params);
	if (body.n > 0 && !sb_str_caseeq(type, SB_STR("application/sdp"))) {
		sdp.kind = SB_SDP_OTHER;
	}
	else if (body.n > 0) {
		if (memchr(body.p, '\0', body.n) || scan(body, &sdp) < 0)
			return SB_EBADTEXT;
	}
	if (sdp.kind != SB_SDP_IM) {
		sdp.media = SB_NOSTR;
		sdp.imdn = false;
	}
	*out = sdp;
	return 0;
}

/* May the word stand in a line between spaces? */
static bool word_ok(struct sb_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= 0x20 || s.p[i] == 0x7f)
			return false;
	return true;
}

static bool address_ok(struct sb_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!strchr("0123456789abcdefABCDEF.:", s.p[i]) || !s.p[i])
			return false;
	return true;
}

int sb_sdp_write(char *buf, size_t n, const struct sb_sdp_self *self)
{
	struct sb_out o = {buf, n, 0, false};
	struct sb_str address =
	    self->address.n ? self->address : SB_STR("0.0.0.0");
	struct sb_str net = memchr(address.p, ':', address.n)
				? SB_STR("IN IP6 ")
				: SB_STR("IN IP4 ");

	if (!word_ok(self->media) || !word_ok(self->uri) ||
	    !address_ok(address))
		return SB_EINVAL;
	sb_out_add(&o, SB_STR("v=0\r\no=- 0 0 "));
	sb_out_add(&o, net);
	sb_out_add(&o, address);
	sb_out_add(&o, SB_STR("\r\ns=session\r\nc="));
	sb_out_add(&o, net);
	sb_out_add(&o, address);
	sb_out_add(&o, SB_STR("\r\nt=0 0\r\nm="));
	sb_out_add(&o, self->media.n ? self->media : SB_STR("message"));
	sb_out_add(&o, SB_STR(" 5060 sip "));
	sb_out_add(&o, self->uri.n ? self->uri : SB_STR("null"));
	sb_out_add(&o, SB_STR("\r\na=accept-types:" ACCEPT_TYPES "\r\n"));
	return sb_out_end(&o);
}
