/*
 * session_invite.c: our INVITE, and every way it can end.
 * SPDX-License-Identifier: MIT
 */
#include "session_priv.h"

enum {
	FIRST_MAX = 1024, /* bytes of text worth a header of an INVITE */
	SDP_MAX = 1024,
	DIAG_SAME_ID = 52035, /* the client knows this Ms-Conversation-ID */
};

static struct sb_dialog *calling(struct sb_sessions *s, struct sb_conv *c)
{
	char call_id[SB_CALL_ID_HEX], tag[SB_TAG_HEX];
	struct sb_str f[SB_DF_N] = {SB_NOSTR};
	struct sb_dialog *d;

	f[SB_DF_CALL_ID] = sb_random_hex(s, call_id, sizeof(call_id) / 2);
	f[SB_DF_LOCAL_TAG] = sb_random_hex(s, tag, sizeof(tag) / 2);
	f[SB_DF_LOCAL_URI] = sb_conv_contact(c);
	f[SB_DF_REMOTE_URI] = sb_conv_user(c);
	f[SB_DF_TARGET] = sb_conv_user(c);
	d = sb_dialog_new(s, c, f);
	if (d)
		d->state = SB_D_CALLING;
	return d;
}

/* The text of the message that waits, so that the toast can show it. */
static void embed(struct sb_sessions *s, struct sb_dialog *d,
		  struct sb_sip_out *o)
{
	const struct sb_msg *m = d->c->head;
	int n;

	if (!s->wire.first_message_in_invite || !m ||
	    m->kind != SB_MSG_TEXT || m->resent || m->text_n > FIRST_MAX)
		return;
	n = sb_first_message_write(s->text, sizeof(s->text),
				   (struct sb_str){m->data, m->text_n});
	if (n <= 0)
		return;
	d->embedded = m->id;
	o->extra[o->extra_n++] = (struct sb_header){
		"ms-text-format", {s->text, (size_t)n}};
}

static int send_invite(struct sb_sessions *s, struct sb_dialog *d)
{
	char raw[SB_CONVERSATION_ID_BYTES], cid[64], sdp[SDP_MAX];
	struct sb_sdp_self self = {.address = sb_text_str(s->address)};
	const struct sb_msg *m = d->c->head;
	struct sb_sip_out o = {
		.method = SB_M_INVITE,
		.dialog_forming = true,
		.content_type = SB_STR("application/sdp"),
	};
	int n = sb_sdp_write(sdp, sizeof(sdp), &self);

	if (n < 0)
		return n;
	o.body = (struct sb_str){sdp, (size_t)n};
	s->ops->random(s->arg, raw, sizeof(raw));
	n = sb_base64_write(cid, sizeof(cid),
			    (struct sb_str){raw, sizeof(raw)});
	if (n > 0)
		o.extra[o.extra_n++] = (struct sb_header){
			"Ms-Conversation-ID", {cid, (size_t)n}};
	if (m && m->subject_n)
		o.extra[o.extra_n++] = (struct sb_header){
			"Subject", {m->data + m->text_n, m->subject_n}};
	embed(s, d, &o);
	return sb_send_in_dialog(s, d, SB_C_INVITE, &o, &d->invite);
}

int sb_invite(struct sb_sessions *s, struct sb_conv *c, bool retried)
{
	struct sb_dialog *d = calling(s, c);
	int err;

	if (!d)
		return SB_ENOMEM;
	err = send_invite(s, d);
	if (err) {
		sb_dialog_free(s, d);
		return err;
	}
	d->retried = retried;
	d->due = s->now + s->wire.invite_timeout_ms;
	sb_dialog_timer(s, d);
	return SB_OK;
}

/* The queue has no way to Lync left but a new INVITE. */
static bool alone(const struct sb_conv *c)
{
	return !sb_dialog_in(c, SB_D_UP) && !sb_dialog_coming(c);
}

void sb_invite_timeout(struct sb_sessions *s, struct sb_dialog *d)
{
	struct sb_conv *c = d->c;
	struct sb_verdict v = sb_verdict_local(408, "no-answer",
		"The Lync user did not answer the invitation in time");

	sb_dialog_close(s, d);
	if (alone(c))
		sb_queue_fail(s, c, &v);
}

static void failed(struct sb_sessions *s, struct sb_dialog *d,
		   const struct sb_verdict *v)
{
	struct sb_conv *c = d->c;
	bool wanted = d->state == SB_D_CALLING;
	bool again = v->status == 488 && v->diag == DIAG_SAME_ID &&
		     !d->retried;

	sb_dialog_free(s, d);
	if (!wanted || !alone(c))
		return;
	if (again && c->head && !s->closed && !sb_invite(s, c, true))
		return;
	sb_queue_fail(s, c, v);
}

static int learn(struct sb_sessions *s, struct sb_dialog *d,
		 const struct sb_sip_in *m)
{
	struct sb_str f[SB_DF_N] = {SB_NOSTR};
	int n = sb_route_set(s->text, sizeof(s->text), m->record_route,
			     m->record_route_n, true, sb_text_str(s->fqdn));

	if (n < 0)
		return n;
	f[SB_DF_REMOTE_URI] = m->to.uri;
	f[SB_DF_REMOTE_TAG] = m->to.tag;
	f[SB_DF_REMOTE_EPID] = m->to.epid;
	if (m->contact.n)
		f[SB_DF_TARGET] = m->contact;
	f[SB_DF_ROUTES] = (struct sb_str){s->text, (size_t)n};
	return sb_dialog_update(d, f);
}

/* They have shown the text of the INVITE (lync-sip.md 2.4). */
static void consumed(struct sb_sessions *s, struct sb_dialog *d)
{
	struct sb_conv *c = d->c;
	struct sb_verdict v = {.outcome = SB_DELIVERED, .status = 200};

	if (d->embedded && c->head && c->head->kind == SB_MSG_TEXT &&
	    c->head->id == d->embedded)
		sb_msg_end(s, c, sb_queue_pop(c), &v);
}

static void established(struct sb_sessions *s, struct sb_dialog *d,
			const struct sb_sip_in *m)
{
	struct sb_conv *c = d->c;
	struct sb_sdp sdp = {.kind = SB_SDP_NONE};
	struct sb_verdict v = sb_verdict_local(488, "bad-answer",
		"The Lync user's client answered with something else than "
		"instant messages");

	if (learn(s, d, m) ||
	    sb_sdp_offer(m->content_type, m->body, &sdp) ||
	    sdp.kind == SB_SDP_OTHER) {
		sb_send_stray(s, m);
		sb_dialog_free(s, d);
		if (alone(c))
			sb_queue_fail(s, c, &v);
		return;
	}
	d->due = 0;
	d->imdn = sdp.imdn;
	sb_dialog_up(s, d);
	sb_dialog_timer(s, d);
	sb_send_ack(s, d);
	c->used_ms = s->now;
	if (sb_token_listed(m->supported, SB_STR("ms-text-format")))
		consumed(s, d);
}

void sb_invite_response(struct sb_sessions *s, struct sb_ctxn *t,
			const struct sb_sip_in *m)
{
	struct sb_dialog *d = t->d;
	struct sb_verdict v;

	sb_ctxn_free(s, t);
	if (!d)
		return;
	if (m->status >= 300) {
		v = sb_verdict_of(s, m);
		if (m->local)
			v.reason = SB_STR("The invitation got no answer from "
					  "the Access Edge");
		failed(s, d, &v);
		return;
	}
	if (d->state == SB_D_CALLING) {
		established(s, d, m);
		return;
	}
	sb_send_stray(s, m);
	sb_dialog_free(s, d);
}

void sb_invite_again(struct sb_sessions *s, const struct sb_sip_in *m)
{
	struct sb_dialog *d = sb_dialog_find(s, m->call_id, m->from.tag);

	if (d && d->state == SB_D_UP &&
	    sb_str_eq(sb_dialog_field(d, SB_DF_REMOTE_TAG), m->to.tag))
		sb_send_ack(s, d);
	else
		sb_send_stray(s, m);
}
