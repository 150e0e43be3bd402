/*
 * session_answer.c: what the plugin answers, when Lync is told, and bounces
 * that come after Lync was told 200.
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>

#include "session_priv.h"

/* The record is kept for a late bounce. */
void sb_message_ok(struct sb_sessions *s, struct sb_stxn *x)
{
	struct sb_sip_out o = {.status = 200};
	char mid[16];
	int n;

	if (x->d && x->d->imdn) {
		n = snprintf(mid, sizeof(mid), "%u", (unsigned)x->cseq);
		o.extra[o.extra_n++] =
			(struct sb_header){"Message-Id", {mid, (size_t)n}};
	}
	sb_respond(s, x, &o);
	sb_stxn_forget(s, x);
	if (x->d && !s->closed)
		sb_stxn_late(s, x);
	else
		sb_stxn_free(s, x);
}

static void message_answer(struct sb_sessions *s, struct sb_stxn *x,
			   const struct sb_request *r)
{
	struct sb_conv *c = x->c;
	struct sb_sip_out o = {.status = 0};

	if (x->state == SB_S_WAIT)
		c->verified = r->flags & SB_F_VERIFIED;
	if (r->status == 200) {
		if (x->state == SB_S_HOLD)
			return;
		if (s->wire.answer_wait_ms) {
			x->state = SB_S_HOLD;
			sb_wheel_set(&s->wheel, &x->t,
				     s->now + s->wire.answer_wait_ms);
			return;
		}
		sb_message_ok(s, x);
	}
	else {
		sb_answer_fill(&o, r);
		sb_respond(s, x, &o);
		sb_stxn_free(s, x);
	}
	sb_conv_settle(s, c);
}

static void late_bounce(struct sb_sessions *s, struct sb_stxn *x,
			const struct sb_request *r)
{
	struct sb_dialog *d = x->d;
	uint32_t cseq = x->cseq;
	int status = r->status;

	if (status < 400 || status > 699)
		return;
	sb_stxn_free(s, x);
	sb_imdn_out(s, d, cseq, status);
	sb_conv_settle(s, d->c);
}

/* The text of an INVITE was refused: if it comes as MESSAGE, ask once more
 * rather than hide it. */
static void first_answer(struct sb_sessions *s, struct sb_stxn *x,
			 const struct sb_request *r)
{
	struct sb_conv *c = x->c;
	struct sb_dialog *d = x->d;

	c->verified = r->flags & SB_F_VERIFIED;
	if (r->status != 200 && d && d->first_state == SB_FIRST_SAID)
		d->first_state = SB_FIRST_NONE;
	sb_stxn_free(s, x);
	sb_conv_settle(s, c);
}

/* A first answer comes from the plugin alone; a bounce names a stanza's two
 * ends, and a partner may only speak for its own contacts. */
static bool may_answer(const struct sb_stxn *x, const struct sb_request *r)
{
	const struct sb_conv *c = x->c ? x->c : x->d->c;

	if (x->state == SB_S_WAIT && !r->contact.n && !r->user.n)
		return true;
	return sb_conv_is(c, r->contact, r->user);
}

void sb_answer(struct sb_sessions *s, const struct sb_request *r)
{
	struct sb_stxn *x = r->id ? sb_stxn_by_id(s, r->id) : NULL;

	if (!x || x->state == SB_S_ACK || !may_answer(x, r))
		return;
	if (x->state == SB_S_LATE) {
		late_bounce(s, x, r);
		return;
	}
	switch ((enum sb_stxn_kind)x->kind) {
	case SB_S_OFFER:
		sb_offer_answer(s, x, r);
		return;
	case SB_S_MESSAGE:
		message_answer(s, x, r);
		return;
	case SB_S_FIRST:
		first_answer(s, x, r);
		return;
	case SB_S_AGAIN:
		return; /* has no event */
	}
}

void sb_stxn_due(struct sb_sessions *s, struct sb_stxn *x)
{
	struct sb_conv *c = x->c;
	struct sb_dialog *d = x->d;

	if (x->state == SB_S_LATE) {
		sb_stxn_free(s, x);
		return;
	}
	if (x->state == SB_S_HOLD)
		sb_message_ok(s, x);
	else {
		if (x->txn)
			sb_respond_refusal(s, x, SB_R_UNANSWERED);
		if (x->kind == SB_S_OFFER)
			sb_dialog_free(s, d);
		sb_stxn_free(s, x);
	}
	sb_conv_settle(s, c);
}
