/*
 * session_out.c: what a contact says: into the queue, out of it as MESSAGE in
 * the newest dialog, one at a time.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>

#include "session_priv.h"

static struct sb_msg *msg_new(struct sb_sessions *s, const struct sb_request *r)
{
	struct sb_str lang = sb_lang(r->lang);
	size_t n = r->text.n + r->subject.n + lang.n;
	struct sb_msg *m;

	if (r->text.n > SB_TEXT_MAX || r->subject.n > SB_FIELD_MAX)
		return NULL;
	m = calloc(1, sizeof(*m) + n);
	if (!m)
		return NULL;
	m->id = r->id;
	m->kind = SB_MSG_TEXT;
	m->reply_only = r->flags & SB_F_REPLY_ONLY;
	m->text_n = (uint32_t)r->text.n;
	m->subject_n = (uint16_t)r->subject.n;
	m->lang_n = (uint16_t)lang.n;
	if (r->text.n)
		memcpy(m->data, r->text.p, r->text.n);
	if (r->subject.n)
		memcpy(m->data + m->text_n, r->subject.p, r->subject.n);
	if (lang.n)
		memcpy(m->data + m->text_n + m->subject_n, lang.p, lang.n);
	s->queued++;
	return m;
}

/* An open conversation that the Lync user began (product.md 3). */
static bool may_reply(const struct sb_conv *c)
{
	struct sb_dialog *d = c ? c->dialogs : NULL;

	while (d && !(d->by_lync && !d->bye_soon &&
		      (d->state == SB_D_UP || d->state == SB_D_ANSWERED)))
		d = d->next;
	return d;
}

static const char *const no_reply =
	"Only replies inside a conversation opened by the Lync user are "
	"allowed";

static struct sb_verdict refuse_early(struct sb_sessions *s,
				      const struct sb_request *r,
				      const struct sb_conv *c)
{
	if (s->closed)
		return sb_verdict_local(503, "shutting-down",
					"The gateway is shutting down");
	if ((r->flags & SB_F_REPLY_ONLY) && !may_reply(c))
		return sb_verdict_local(403, "not-authorized", no_reply);
	if (c && c->queued >= SB_QUEUE_PER_PAIR)
		return sb_verdict_local(503, "queue-full",
			"Too many messages wait in this conversation");
	return (struct sb_verdict){.outcome = SB_DELIVERED};
}

/* Without a conversation that could name the pair. */
static void early_outcome(struct sb_sessions *s, const struct sb_request *r,
			  const struct sb_verdict *v)
{
	struct sb_event ev = {
		.type = SB_EV_OUTCOME, .id = r->id, .contact = r->contact,
		.user = r->user, .resource = r->resource, .thread = r->thread,
		.outcome = v->outcome, .local = v->local, .status = v->status,
		.token = v->token, .reason = v->reason,
	};

	s->ops->event(s->arg, &ev);
}

void sb_contact_says(struct sb_sessions *s, const struct sb_request *r)
{
	struct sb_conv *c = sb_conv_find(s, r->contact, r->user);
	struct sb_verdict v = refuse_early(s, r, c);
	struct sb_msg *m;

	if (v.outcome == SB_FAILED) {
		early_outcome(s, r, &v);
		return;
	}
	c = sb_conv_get(s, r->contact, r->user);
	m = c ? msg_new(s, r) : NULL;
	if (!m) {
		v = sb_verdict_local(503, "queue-full",
				     "Too many conversations, or no memory");
		early_outcome(s, r, &v);
		if (c)
			sb_conv_settle(s, c);
		return;
	}
	sb_text_set(&c->resource, r->resource);
	sb_text_set(&c->display, r->display);
	if (r->thread.n) {
		sb_text_set(&c->thread, r->thread);
		c->thread_derived = false;
	}
	c->verified = r->flags & SB_F_VERIFIED;
	c->ending = false;
	c->used_ms = s->now;
	c->typing_want = SB_TYPING_NONE; /* a message ends it by itself */
	sb_queue_push(c, m, false);
	sb_conv_settle(s, c);
}

void sb_contact_leaves(struct sb_sessions *s, const struct sb_request *r)
{
	struct sb_conv *c = sb_conv_find(s, r->contact, r->user);

	if (!c)
		return;
	c->ending = true;
	c->typing_want = SB_TYPING_NONE;
	sb_conv_settle(s, c);
}

/* Take the next message out of the queue and send it in d. */
/* Why the carrier has taken nothing. */
static struct sb_verdict not_sent(int err)
{
	if (err == SB_EFULL)
		return sb_verdict_local(503, "queue-full",
			"Too many requests wait for the Access Edge; nothing "
			"was sent");
	return sb_verdict_local(503, "no-connection",
		"The Access Edge could not be reached; nothing was sent");
}

static void send_next(struct sb_sessions *s, struct sb_conv *c,
		      struct sb_dialog *d)
{
	struct sb_msg *m = sb_queue_pop(c);
	bool text = m->kind == SB_MSG_TEXT;
	struct sb_sip_out o = {
		.method = text || s->imdn_message ? SB_M_MESSAGE : SB_M_INFO,
		.content_type = text ? SB_STR("text/plain; charset=UTF-8") :
				       SB_STR(SB_IMDN_TYPE),
		.body = {m->data, m->text_n},
	};
	struct sb_str subject = {m->data + m->text_n, m->subject_n};
	struct sb_str lang = {m->data + m->text_n + m->subject_n, m->lang_n};
	struct sb_verdict v;
	int err;

	if (subject.n)
		o.extra[o.extra_n++] = (struct sb_header){"Subject", subject};
	if (lang.n)
		o.extra[o.extra_n++] =
			(struct sb_header){"Content-Language", lang};
	err = sb_send_in_dialog(s, d, text ? SB_C_MESSAGE : SB_C_INFO, &o,
				&c->out);
	if (err) {
		v = not_sent(err);
		sb_msg_end(s, c, m, &v);
		return;
	}
	d->used_ms = c->used_ms = s->now;
	c->out_due = s->now + s->wire.message_timeout_ms;
	if (text) {
		c->out->msg = m;
		c->typing_out = SB_TYPING_NONE;
		return;
	}
	sb_msg_free(s, m);
}

static void fail_head(struct sb_sessions *s, struct sb_conv *c, int status,
		      const char *token, const char *reason)
{
	struct sb_verdict v = sb_verdict_local(status, token, reason);

	sb_msg_end(s, c, sb_queue_pop(c), &v);
}

/* One step with the head of the queue; false: it has to wait. */
static bool step(struct sb_sessions *s, struct sb_conv *c)
{
	struct sb_dialog *d = sb_dialog_in(c, SB_D_UP);
	struct sb_verdict v;
	int err;

	if (c->out)
		return false;
	if (c->head->kind == SB_MSG_IMDN)
		d = c->head->d->state == SB_D_UP ? c->head->d : NULL;
	else if (c->head->reply_only && !may_reply(c)) {
		fail_head(s, c, 403, "not-authorized", no_reply);
		return true;
	}
	if (d) {
		send_next(s, c, d);
		return true;
	}
	if (sb_dialog_coming(c))
		return false;
	if (c->head->kind == SB_MSG_IMDN || c->head->reply_only)
		return false; /* its dialog is ANSWERED: until the ACK */
	err = sb_invite(s, c, false);
	if (!err)
		return false;
	v = not_sent(err);
	sb_queue_fail(s, c, &v);
	return true;
}

static void end_dialogs(struct sb_sessions *s, struct sb_conv *c)
{
	struct sb_dialog *d, *next;

	c->ending = false;
	c->typing_out = SB_TYPING_NONE;
	for (d = c->dialogs; d; d = next) {
		next = d->next;
		sb_dialog_close(s, d);
	}
}

void sb_conv_settle(struct sb_sessions *s, struct sb_conv *c)
{
	struct sb_dialog *d;

	while (c->head && step(s, c))
		;
	if (!c->head && !c->out) {
		d = sb_dialog_in(c, SB_D_UP);
		if (c->ending)
			end_dialogs(s, c);
		else if (d)
			sb_typing_pump(s, c, d);
	}
	if (!sb_conv_idle(c)) {
		sb_conv_timer(s, c);
		return;
	}
	if (c->typing_in == SB_TYPING_ACTIVE)
		sb_typing_in(s, c, SB_TYPING_IDLE);
	sb_conv_free(s, c);
}
