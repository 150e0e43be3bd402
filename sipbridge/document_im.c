/*
 * document_im.c: the small XML documents of a conversation: KeyboardActivity,
 * isComposing and imdn; see content.h.
 * SPDX-License-Identifier: MIT
 *
 * Source: lync-sip.md 2.6; RFC 3994.
 */
#include "content.h"
#include "document.h"
#include "field.h"

/* -------------------------------------------------------------- typing -- */

enum { STATE_MAX = 64 };

struct typing {
	bool keyboard; /* which of the two documents is expected */
	bool root_ok;
	bool in_state;
	bool have;
	struct sb_piece state;
	char buf[STATE_MAX];
};

static void typing_open(void *arg, const struct sb_element *e)
{
	struct typing *t = arg;

	if (e->depth == 1)
		t->root_ok =
		    sb_str_eq(e->name, t->keyboard ? SB_STR("KeyboardActivity")
						   : SB_STR("isComposing"));
	if (e->depth != 2 || t->have)
		return;
	if (t->keyboard && sb_str_eq(e->name, SB_STR("status"))) {
		sb_piece_add(&t->state, sb_element_attr(e, SB_STR("status")));
		t->have = true;
	}
	if (!t->keyboard && sb_str_eq(e->name, SB_STR("state"))) {
		t->in_state = true;
		t->have = true;
	}
}

static void typing_text(void *arg, unsigned depth, struct sb_str piece)
{
	struct typing *t = arg;

	if (t->in_state && depth == 2)
		sb_piece_add(&t->state, piece);
}

static void typing_close(void *arg, unsigned depth, struct sb_str name)
{
	struct typing *t = arg;

	(void)name;
	if (depth == 2)
		t->in_state = false;
}

static enum sb_typing typing_state(const struct typing *t)
{
	struct sb_str s = sb_piece_text(&t->state);

	if (!t->root_ok || t->state.full || s.n == 0)
		return SB_TYPING_NONE;
	if (t->keyboard) {
		if (sb_str_eq(s, SB_STR("type")))
			return SB_TYPING_ACTIVE;
		return sb_str_eq(s, SB_STR("idle")) ? SB_TYPING_IDLE
						    : SB_TYPING_NONE;
	}
	/* a state that is not known is not shown as composing */
	return sb_str_eq(s, SB_STR("active")) ? SB_TYPING_ACTIVE
					      : SB_TYPING_IDLE;
}

int sb_typing_read(struct sb_str type, struct sb_str body, enum sb_typing *t)
{
	static const struct sb_document_ops ops = {typing_open, typing_text,
						   typing_close};
	struct typing reader = {0};
	enum sb_typing state;
	struct sb_str media, params;
	int rc;

	sb_media_split(type, &media, &params);
	reader.keyboard = sb_str_caseeq(media, SB_STR(SB_TYPING_TYPE));
	if (!reader.keyboard &&
	    !sb_str_caseeq(media, SB_STR("application/im-iscomposing+xml")))
		return SB_EINVAL;
	reader.state = (struct sb_piece){reader.buf, STATE_MAX, 0, false};
	rc = sb_document_read(body, &ops, &reader);
	if (rc < 0)
		return rc;
	state = typing_state(&reader);
	if (state == SB_TYPING_NONE)
		return SB_EINVAL;
	*t = state;
	return 0;
}

int sb_typing_write(char *buf, size_t n, enum sb_typing t)
{
	struct sb_out o = {buf, n, 0, false};

	sb_out_add(&o, SB_STR("<?xml version=\"1.0\"?><KeyboardActivity>"
			      "<status status=\""));
	sb_out_add(&o, t == SB_TYPING_ACTIVE ? SB_STR("type") : SB_STR("idle"));
	sb_out_add(&o, SB_STR("\"/></KeyboardActivity>"));
	return sb_out_end(&o);
}

/* ---------------------------------------------------------------- imdn -- */

enum { NUMBER_MAX = 32, ID_DEPTH = 2, STATUS_DEPTH = 3 };

struct imdn {
	bool root_ok;
	bool bad;	      /* a status that is no number */
	int err;	      /* a field beyond its limit, or not one line */
	int status;	      /* the highest so far */
	struct sb_piece *now; /* where text goes */
	struct sb_piece id;
	struct sb_piece uri;	   /* of the recipient that is open */
	struct sb_piece recipient; /* of the highest status */
	struct sb_piece number;
	char uri_buf[SB_URI_MAX];
	char number_buf[NUMBER_MAX];
};

static void imdn_open(void *arg, const struct sb_element *e)
{
	struct imdn *m = arg;

	m->now = NULL;
	if (e->depth == 1)
		m->root_ok = sb_str_eq(e->name, SB_STR("imdn"));
	if (e->depth == ID_DEPTH) {
		m->uri.len = 0;
		if (sb_str_eq(e->name, SB_STR("message-id")))
			m->now = &m->id;
		if (sb_str_eq(e->name, SB_STR("recipient")))
			sb_piece_add(&m->uri,
				     sb_element_attr(e, SB_STR("uri")));
	}
	if (e->depth == STATUS_DEPTH && sb_str_eq(e->name, SB_STR("status"))) {
		m->number.len = 0;
		m->now = &m->number;
	}
}

static void imdn_text(void *arg, unsigned depth, struct sb_str piece)
{
	struct imdn *m = arg;

	(void)depth;
	if (m->now)
		sb_piece_add(m->now, piece);
}

static void imdn_status(struct imdn *m)
{
	int status = sb_number(sb_piece_text(&m->number), 699);

	if (m->number.full || status < 100) {
		m->bad = true;
		return;
	}
	if (status <= m->status)
		return;
	m->status = status;
	m->recipient.len = 0;
	sb_piece_add(&m->recipient, sb_piece_text(&m->uri));
}

static void imdn_close(void *arg, unsigned depth, struct sb_str name)
{
	struct imdn *m = arg;

	(void)name;
	if (m->now == &m->number && depth == STATUS_DEPTH)
		imdn_status(m);
	m->now = NULL;
}

static bool one_line(struct sb_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return false;
	return true;
}

int sb_imdn_read(struct sb_str body, struct sb_imdn *out)
{
	static const struct sb_document_ops ops = {imdn_open, imdn_text,
						   imdn_close};
	struct imdn m = {0};
	struct sb_str id, recipient;
	int rc;

	m.id = (struct sb_piece){out->buf, SB_MESSAGE_ID_MAX, 0, false};
	m.recipient = (struct sb_piece){out->buf + SB_MESSAGE_ID_MAX,
					SB_URI_MAX, 0, false};
	m.uri = (struct sb_piece){m.uri_buf, SB_URI_MAX, 0, false};
	m.number = (struct sb_piece){m.number_buf, NUMBER_MAX, 0, false};
	rc = sb_document_read(body, &ops, &m);
	if (rc < 0)
		return rc;
	if (m.id.full || m.uri.full)
		return SB_ETOOBIG;
	id = sb_piece_text(&m.id);
	recipient = sb_piece_text(&m.recipient);
	if (!m.root_ok || m.bad || m.status == 0 || id.n == 0)
		return SB_EINVAL;
	if (!one_line(id) || !one_line(recipient))
		return SB_EBADTEXT;
	out->message_id = id;
	out->recipient = recipient;
	out->status = m.status;
	return 0;
}

int sb_imdn_write(char *buf, size_t n, struct sb_str message_id,
		  struct sb_str recipient, int status)
{
	struct sb_out o = {buf, n, 0, false};

	if (message_id.n == 0 || status < 100 || status > 699)
		return SB_EINVAL;
	if (!one_line(message_id) || !one_line(recipient) ||
	    !sb_utf8_valid(message_id) || !sb_utf8_valid(recipient))
		return SB_EBADTEXT;
	sb_out_add(&o, SB_STR("<imdn xmlns=\"urn:ietf:params:xml:ns:imdn\">"
			      "<message-id>"));
	sb_out_xml(&o, message_id);
	sb_out_add(&o, SB_STR("</message-id><recipient uri=\""));
	sb_out_xml(&o, recipient);
	sb_out_add(&o, SB_STR("\"><status>"));
	sb_out_number(&o, status);
	sb_out_add(&o, SB_STR("</status></recipient></imdn>"));
	return sb_out_end(&o);
}
