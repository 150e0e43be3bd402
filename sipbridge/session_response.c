/*
 * session_response.c: what became of a MESSAGE or INFO that we sent.
 * SPDX-License-Identifier: MIT
 */
#include "session_priv.h"

/* The dialog is gone on their side, although the user may be there. */
static bool dead(const struct sb_sip_in *m)
{
	return !m->local && (m->status == 408 || m->status == 480 ||
			     m->status == 481);
}

/* Let d go after a response. To 481 a BYE would be answered 481. */
static void leave(struct sb_sessions *s, struct sb_dialog *d, int status)
{
	if (d->state == SB_D_UP && status != 481)
		sb_dialog_close(s, d);
	else if (d->state == SB_D_UP)
		sb_dialog_free(s, d);
}

static void message_response(struct sb_sessions *s, struct sb_conv *c,
			     struct sb_msg *msg, const struct sb_sip_in *m)
{
	struct sb_verdict v = sb_verdict_of(s, m);
	uint64_t id = msg->id;

	if (dead(m) && !m->repeated && !msg->resent && !s->closed) {
		msg->resent = true;
		sb_queue_push(c, msg, true);
		return;
	}
	if (v.outcome != SB_ACCEPTED) {
		sb_msg_end(s, c, msg, &v);
		return;
	}
	sb_msg_free(s, msg);
	sb_held_add(s, c, id, m->message_id);
}

void sb_said_response(struct sb_sessions *s, struct sb_ctxn *t,
		     const struct sb_sip_in *m)
{
	struct sb_conv *c = t->c;
	struct sb_dialog *d = t->d;
	struct sb_msg *msg = t->msg;

	t->msg = NULL;
	sb_ctxn_free(s, t);
	if (!c)
		return; /* it came after sb_said_timeout */
	if (d)
		d->used_ms = s->now;
	if (msg)
		message_response(s, c, msg, m);
	sb_text_set(&c->early_mid, SB_NOSTR);
	if (d && (dead(m) || (m->local && m->status == 408)))
		leave(s, d, m->status);
}

void sb_said_timeout(struct sb_sessions *s, struct sb_conv *c)
{
	struct sb_ctxn *t = c->out;
	struct sb_sip_in m = {.status = 408, .local = true};
	struct sb_verdict v = sb_verdict_of(s, &m);
	struct sb_msg *msg = t->msg;
	struct sb_dialog *d = t->d;

	c->out = NULL;
	c->out_due = 0;
	t->c = NULL;
	t->d = NULL;
	t->msg = NULL;
	if (msg)
		sb_msg_end(s, c, msg, &v);
	sb_text_set(&c->early_mid, SB_NOSTR);
	if (d)
		leave(s, d, 408);
}
