/*
 * session_imdn.c: delivery notifications: outcomes that wait for one after 202
 * Accepted, and ours about messages that bounced after their 200.
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <stdlib.h>

#include "session_priv.h"

static struct sb_verdict imdn_verdict(int status)
{
	struct sb_verdict v = {.outcome = SB_FAILED, .status = status};

	if (status < 300) {
		v.outcome = SB_DELIVERED;
		v.status = 200;
		return v;
	}
	v.token = SB_STR("not-delivered");
	v.reason = SB_STR("A later notification says that the message was not "
			  "delivered");
	return v;
}

static void held_end(struct sb_sessions *s, struct sb_held *h,
		     const struct sb_verdict *v)
{
	struct sb_conv *c = h->c;
	struct sb_held **at = &c->held;
	uint64_t id = h->id;

	while (*at != h)
		at = &(*at)->next;
	*at = h->next;
	c->held_n--;
	s->queued--;
	sb_wheel_clear(&s->wheel, &h->t);
	free(h);
	sb_outcome(s, c, id, v);
}

void sb_held_expire(struct sb_sessions *s, struct sb_held *h)
{
	struct sb_verdict v = {.outcome = SB_ACCEPTED, .status = 202};

	held_end(s, h, &v);
}

void sb_held_add(struct sb_sessions *s, struct sb_conv *c, uint64_t id,
		 struct sb_str mid)
{
	struct sb_verdict v = {.outcome = SB_ACCEPTED, .status = 202};
	struct sb_held *h = NULL;

	if (mid.n && sb_str_eq(mid, sb_text_str(c->early_mid))) {
		v = imdn_verdict(c->early_status);
		sb_outcome(s, c, id, &v);
		return;
	}
	if (mid.n && s->wire.imdn_wait_ms && c->held_n < SB_HELD_PER_PAIR &&
	    !s->closed)
		h = calloc(1, sizeof(*h) + mid.n);
	if (!h) {
		sb_outcome(s, c, id, &v);
		return;
	}
	h->t.kind = SB_T_HELD;
	h->c = c;
	h->id = id;
	h->mid_n = mid.n;
	memcpy(h->mid, mid.p, mid.n);
	h->next = c->held;
	c->held = h;
	c->held_n++;
	s->queued++;
	sb_wheel_set(&s->wheel, &h->t, s->now + s->wire.imdn_wait_ms);
}

bool sb_imdn_in(struct sb_sessions *s, struct sb_conv *c, struct sb_str body)
{
	struct sb_imdn imdn;
	struct sb_verdict v;

	if (sb_imdn_read(body, &imdn))
		return false;
	if (imdn.status < 200)
		return true; /* not the end of it */
	for (struct sb_held *h = c->held; h; h = h->next) {
		struct sb_str mid = {h->mid, h->mid_n};

		if (!sb_str_eq(mid, imdn.message_id))
			continue;
		v = imdn_verdict(imdn.status);
		held_end(s, h, &v);
		return true;
	}
	/* It can overtake the 202 that it belongs to. */
	if (c->out && c->out->kind == SB_C_MESSAGE) {
		sb_text_set(&c->early_mid, imdn.message_id);
		c->early_status = imdn.status;
	}
	return true;
}

void sb_imdn_out(struct sb_sessions *s, struct sb_dialog *d, uint32_t cseq,
		 int status)
{
	char mid[16];
	int n = snprintf(mid, sizeof(mid), "%u", (unsigned)cseq);
	struct sb_msg *m;

	n = sb_imdn_write(s->text, sizeof(s->text),
			  (struct sb_str){mid, (size_t)n},
			  sb_dialog_field(d, SB_DF_LOCAL_URI), status);
	if (n <= 0)
		return;
	m = calloc(1, sizeof(*m) + (size_t)n);
	if (!m)
		return;
	m->kind = SB_MSG_IMDN;
	m->d = d;
	m->text_n = (uint32_t)n;
	memcpy(m->data, s->text, (size_t)n);
	sb_queue_push(d->c, m, true);
}
