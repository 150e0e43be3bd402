/*
 * session_typing.c: who is composing, both ways. Typing never opens a session
 * and no state is told twice in a row.
 * SPDX-License-Identifier: MIT
 */
#include "session_priv.h"

void sb_typing_out(struct sb_sessions *s, const struct sb_request *r)
{
	struct sb_conv *c = sb_conv_find(s, r->contact, r->user);
	struct sb_dialog *d = c ? sb_dialog_in(c, SB_D_UP) : NULL;

	if (!d || c->ending || s->closed)
		return;
	if (r->flags & SB_F_REPLY_ONLY) {
		while (d && !(d->by_lync && d->state == SB_D_UP))
			d = d->next;
		if (!d)
			return;
	}
	if (r->resource.n)
		sb_text_set(&c->resource, r->resource);
	c->verified = r->flags & SB_F_VERIFIED;
	c->typing_want = (uint8_t)(r->typing == SB_TYPING_ACTIVE ?
				   SB_TYPING_ACTIVE : SB_TYPING_IDLE);
	sb_conv_settle(s, c);
}

/* Composing may go now; else the timer is set for the time when it may. */
static bool pace(const struct sb_sessions *s, struct sb_conv *c)
{
	uint64_t next = c->composing_ms + s->wire.typing_interval_ms;

	if (!c->composed || s->now >= next)
		return true;
	/* A repeated one is dropped; one after idle waits for its turn. */
	if (c->typing_out == SB_TYPING_ACTIVE)
		c->typing_want = SB_TYPING_NONE;
	else
		c->typing_out_due = next;
	return false;
}

bool sb_typing_pump(struct sb_sessions *s, struct sb_conv *c,
		    struct sb_dialog *d)
{
	enum sb_typing want = c->typing_want;
	struct sb_sip_out o = {
		.method = SB_M_INFO,
		.content_type = SB_STR(SB_TYPING_TYPE),
	};
	int n;

	c->typing_out_due = 0;
	if (want == SB_TYPING_NONE)
		return false;
	if (want == SB_TYPING_ACTIVE && !pace(s, c))
		return false;
	c->typing_want = SB_TYPING_NONE;
	if (want == SB_TYPING_IDLE && c->typing_out != SB_TYPING_ACTIVE)
		return false;
	n = sb_typing_write(s->scratch, sizeof(s->scratch), want);
	if (n <= 0)
		return false;
	o.body = (struct sb_str){s->scratch, (size_t)n};
	if (sb_send_in_dialog(s, d, SB_C_INFO, &o, &c->out))
		return false;
	c->out_due = s->now + s->wire.message_timeout_ms;
	c->typing_out = (uint8_t)want;
	d->used_ms = c->used_ms = s->now;
	if (want == SB_TYPING_ACTIVE) {
		c->composing_ms = s->now;
		c->composed = true;
	}
	return true;
}

void sb_typing_in(struct sb_sessions *s, struct sb_conv *c, enum sb_typing t)
{
	struct sb_event ev = sb_event_of(c, SB_EV_TYPING);

	c->typing_in_due = t == SB_TYPING_ACTIVE ?
			   s->now + s->wire.typing_timeout_ms : 0;
	if (t == SB_TYPING_NONE || t == c->typing_in ||
	    (t == SB_TYPING_IDLE && c->typing_in != SB_TYPING_ACTIVE)) {
		/* a message says it, or nothing changes */
		c->typing_in = (uint8_t)t;
		return;
	}
	c->typing_in = (uint8_t)t;
	ev.typing = t;
	s->ops->event(s->arg, &ev);
}
