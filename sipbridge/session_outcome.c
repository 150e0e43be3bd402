/*
 * session_outcome.c: the queue of a conversation, and what became of each
 * message in it.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>

#include "session_priv.h"

struct sb_event sb_event_of(const struct sb_conv *c, enum sb_event_type type)
{
	return (struct sb_event){
		.type = type,
		.contact = sb_conv_contact(c),
		.user = sb_conv_user(c),
		.resource = sb_text_str(c->resource),
		.thread = sb_text_str(c->thread),
	};
}

struct sb_verdict sb_verdict_local(int status, const char *token,
				   const char *reason)
{
	return (struct sb_verdict){
		.outcome = SB_FAILED,
		.local = true,
		.status = status,
		.token = sb_str_of(token),
		.reason = sb_str_of(reason),
	};
}

/* What our own stack's status means for a message that may be under way. */
static struct sb_verdict local_response(int status)
{
	if (status == 408)
		return sb_verdict_local(408, "timeout",
			"No answer from the Access Edge; the message may or "
			"may not have been delivered");
	return sb_verdict_local(status, "connection-lost",
		"The connection to the Access Edge was lost; the message may "
		"or may not have been delivered");
}

struct sb_verdict sb_verdict_of(struct sb_sessions *s,
				const struct sb_sip_in *m)
{
	struct sb_verdict v = {.outcome = SB_FAILED, .status = m->status};
	struct sb_str reason = SB_NOSTR;

	if (m->local)
		return local_response(m->status);
	if (m->status < 300) {
		v.outcome = m->status == 202 ? SB_ACCEPTED : SB_DELIVERED;
		return v;
	}
	if (m->repeated)
		return local_response(503);
	v.retry_after = m->retry_after;
	v.token = SB_STR("refused-by-peer");
	if (sb_diagnostics_read(m->diagnostics, &v.diag, &reason, s->text,
				sizeof(s->text)))
		reason = SB_NOSTR;
	if (!reason.n)
		reason = m->phrase;
	v.reason = sb_line(s->scratch, SB_REASON_MAX, reason);
	if (!v.reason.n)
		v.reason = SB_STR("Refused by the Lync side");
	return v;
}

void sb_outcome(struct sb_sessions *s, const struct sb_conv *c, uint64_t id,
		const struct sb_verdict *v)
{
	struct sb_event ev = sb_event_of(c, SB_EV_OUTCOME);

	ev.id = id;
	ev.outcome = v->outcome;
	ev.local = v->local;
	ev.status = v->status;
	ev.diag = v->diag;
	ev.retry_after = v->retry_after;
	ev.token = v->token;
	ev.reason = v->reason;
	s->ops->event(s->arg, &ev);
}

void sb_msg_free(struct sb_sessions *s, struct sb_msg *m)
{
	if (m->kind == SB_MSG_TEXT)
		s->queued--;
	free(m);
}

void sb_msg_end(struct sb_sessions *s, const struct sb_conv *c,
		struct sb_msg *m, const struct sb_verdict *v)
{
	uint64_t id = m->id;
	bool text = m->kind == SB_MSG_TEXT;

	sb_msg_free(s, m);
	if (text)
		sb_outcome(s, c, id, v);
}

void sb_queue_push(struct sb_conv *c, struct sb_msg *m, bool front)
{
	struct sb_msg **at = front ? &c->head : c->tail;

	m->next = *at;
	*at = m;
	if (!m->next)
		c->tail = &m->next;
	if (m->kind == SB_MSG_TEXT)
		c->queued++;
}

struct sb_msg *sb_queue_pop(struct sb_conv *c)
{
	struct sb_msg *m = c->head;

	if (!m)
		return NULL;
	c->head = m->next;
	if (!c->head)
		c->tail = &c->head;
	m->next = NULL;
	if (m->kind == SB_MSG_TEXT)
		c->queued--;
	return m;
}

void sb_queue_fail(struct sb_sessions *s, struct sb_conv *c,
		   const struct sb_verdict *v)
{
	struct sb_msg *m, *keep = NULL, **end = &keep;

	while ((m = sb_queue_pop(c))) {
		if (m->kind == SB_MSG_TEXT) {
			sb_msg_end(s, c, m, v);
			continue;
		}
		*end = m;
		end = &m->next;
	}
	while ((m = keep)) {
		keep = m->next;
		sb_queue_push(c, m, false);
	}
}
