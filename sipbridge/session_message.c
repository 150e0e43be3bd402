/*
 * session_message.c: a Lync user says something: MESSAGE in a dialog, or in
 * pager mode, and the text that an INVITE brought along.
 * SPDX-License-Identifier: MIT
 */
#include "session_priv.h"

/* White space at the end is not a difference between two copies of a text. */
static uint64_t text_hash(const struct sb_sessions *s, struct sb_str text)
{
	while (text.n && memchr(" \t\r\n", text.p[text.n - 1], 4))
		text.n--;
	return sb_hash(&s->key, text.p, text.n);
}

static void first_forget(struct sb_sessions *s, struct sb_dialog *d)
{
	d->first_state = SB_FIRST_NONE;
	sb_text_set(&d->first, SB_NOSTR);
	d->due = 0;
	sb_dialog_timer(s, d);
}

/* The first MESSAGE of a dialog: is it the text that the plugin has already? */
static bool said_before(struct sb_sessions *s, struct sb_dialog *d,
			struct sb_str text)
{
	bool same = d->first_state == SB_FIRST_SAID &&
		    d->first_hash == text_hash(s, text);

	if (d->first_state != SB_FIRST_NONE)
		first_forget(s, d);
	return same;
}

static void tell(struct sb_sessions *s, struct sb_conv *c, uint64_t id,
		 const struct sb_sip_in *m, struct sb_str text)
{
	char display[SB_DISPLAY_MAX], subject[SB_FIELD_MAX], thread[64];
	struct sb_event ev;

	if (!c->thread && m) {
		sb_text_set(&c->thread,
			    sb_thread(thread, sizeof(thread), m->call_id));
		c->thread_derived = true;
	}
	c->used_ms = s->now;
	sb_typing_in(s, c, SB_TYPING_NONE);
	ev = sb_event_of(c, SB_EV_MESSAGE);
	ev.id = id;
	ev.text = text;
	if (m) {
		ev.display = sb_line(display, sizeof(display),
				     m->from.display);
		ev.subject = sb_line(subject, sizeof(subject), m->subject);
		ev.lang = sb_lang(m->content_language);
		ev.domain = m->domain;
	}
	s->ops->event(s->arg, &ev);
}

void sb_first_say(struct sb_sessions *s, struct sb_dialog *d)
{
	struct sb_str text = sb_text_str(d->first);
	struct sb_stxn *x = NULL;

	if (d->c->unanswered < SB_UNANSWERED_PER_PAIR)
		x = sb_stxn_new(s, SB_S_FIRST, d->c, d, 0);
	if (!x) { /* then their MESSAGE is the only copy */
		first_forget(s, d);
		return;
	}
	sb_wheel_set(&s->wheel, &x->t, s->now + SB_ANSWER_TIMEOUT_MS);
	d->first_state = SB_FIRST_SAID;
	d->first_hash = text_hash(s, text);
	tell(s, d->c, x->id, NULL, text);
	sb_text_set(&d->first, SB_NOSTR);
}

static void text_in(struct sb_sessions *s, uint64_t txn,
		    const struct sb_sip_in *m, struct sb_conv *c,
		    struct sb_dialog *d, struct sb_str text)
{
	struct sb_stxn *x;

	if (d && said_before(s, d, text)) {
		sb_respond_ok(s, txn, m, false);
		return;
	}
	if (!text.n) { /* nothing to say, nothing to lose */
		sb_respond_ok(s, txn, m, false);
		return;
	}
	if (c->unanswered >= SB_UNANSWERED_PER_PAIR ||
	    s->unanswered >= SB_UNANSWERED_MAX) {
		sb_refuse(s, txn, m, SB_R_BUSY);
		return;
	}
	x = sb_stxn_new(s, SB_S_MESSAGE, c, d, txn);
	if (!x) {
		sb_refuse(s, txn, m, SB_R_MEMORY);
		return;
	}
	x->cseq = m->cseq;
	sb_wheel_set(&s->wheel, &x->t, s->now + SB_ANSWER_TIMEOUT_MS);
	tell(s, c, x->id, m, text);
}

void sb_in_message(struct sb_sessions *s, uint64_t txn,
		   const struct sb_sip_in *m, struct sb_conv *c,
		   struct sb_dialog *d)
{
	enum sb_typing typing = SB_TYPING_NONE;
	size_t n = 0;

	switch (sb_content_read(m->content_type, m->body, s->text, SB_TEXT_MAX,
				&n, &typing)) {
	case SB_CONTENT_TEXT:
		text_in(s, txn, m, c, d, (struct sb_str){s->text, n});
		return;
	case SB_CONTENT_TYPING:
		sb_respond_ok(s, txn, m, false);
		if (d && typing != SB_TYPING_NONE)
			sb_typing_in(s, c, typing);
		return;
	case SB_CONTENT_IMDN:
		if (!sb_imdn_in(s, c, m->body)) {
			sb_refuse(s, txn, m, SB_R_BAD_BODY);
			return;
		}
		sb_respond_ok(s, txn, m, false);
		return;
	case SB_CONTENT_UNSUPPORTED:
		sb_refuse(s, txn, m, SB_R_CONTENT);
		return;
	case SB_CONTENT_TOO_BIG:
		sb_refuse(s, txn, m, SB_R_TOO_BIG);
		return;
	case SB_CONTENT_NO_MEMORY:
		sb_refuse(s, txn, m, SB_R_MEMORY);
		return;
	case SB_CONTENT_BAD:
		sb_refuse(s, txn, m, SB_R_BAD_BODY);
		return;
	}
	sb_refuse(s, txn, m, SB_R_CONTENT);
}
