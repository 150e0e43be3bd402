/*
 * session_offer.c: a Lync user opens a conversation: their INVITE, the offer
 * to the plugin, its answer.
 * SPDX-License-Identifier: MIT
 */
#include "session_priv.h"

enum { SDP_MAX = SB_URI_MAX + 1024, ENDPOINTS_MAX = 2 };

static bool crowd(struct sb_str endpoints)
{
	struct sb_str one;
	int n = 0;

	while (n <= ENDPOINTS_MAX && sb_list_next(&endpoints, &one) == 1)
		n++;
	return n > ENDPOINTS_MAX;
}

/* SB_R_N: nothing against it. */
static enum sb_refusal judge(const struct sb_sessions *s,
			     const struct sb_sip_in *m, struct sb_sdp *sdp)
{
	if (s->closed)
		return SB_R_CLOSED;
	if (s->unanswered >= SB_UNANSWERED_MAX)
		return SB_R_BUSY;
	if (!m->from.tag.n || !m->call_id.n)
		return SB_R_BAD_REQUEST;
	if (crowd(m->endpoints))
		return SB_R_CONFERENCE;
	if (sb_type_is(m->content_type,
		       SB_STR("application/ms-conf-invite+xml")))
		return SB_R_CONFERENCE;
	switch (sb_sdp_offer(m->content_type, m->body, sdp)) {
	case SB_OK:
		break;
	case SB_ETOOBIG:
		return SB_R_TOO_BIG;
	default:
		return SB_R_BAD_BODY;
	}
	return sdp->kind == SB_SDP_IM ? SB_R_N : SB_R_NOT_IM;
}

/* The same INVITE by another way (RFC 3261 8.2.2.2). */
static bool merged(const struct sb_conv *c, const struct sb_sip_in *m)
{
	const struct sb_dialog *d = c->dialogs;

	while (d && !(sb_str_eq(sb_dialog_field(d, SB_DF_CALL_ID),
				m->call_id) &&
		      sb_str_eq(sb_dialog_field(d, SB_DF_REMOTE_TAG),
				m->from.tag)))
		d = d->next;
	return d;
}

/* Room for one more dialog: the oldest established one gives way. */
static bool make_room(struct sb_sessions *s, struct sb_conv *c)
{
	struct sb_dialog *oldest = NULL;
	int n = 0;

	for (struct sb_dialog *d = c->dialogs; d; d = d->next) {
		if (d->state == SB_D_UP)
			oldest = d;
		n++;
	}
	if (n < SB_DIALOGS_PER_PAIR)
		return true;
	if (!oldest)
		return false;
	sb_dialog_close(s, oldest);
	return true;
}

static struct sb_dialog *offered(struct sb_sessions *s, struct sb_conv *c,
				 const struct sb_sip_in *m,
				 const struct sb_sdp *sdp)
{
	struct sb_str f[SB_DF_N] = {SB_NOSTR};
	char tag[SB_TAG_HEX];
	struct sb_dialog *d;
	int n = sb_route_set(s->text, sizeof(s->text), m->record_route,
			     m->record_route_n, false, sb_text_str(s->fqdn));

	if (n < 0)
		return NULL;
	f[SB_DF_CALL_ID] = m->call_id;
	f[SB_DF_LOCAL_TAG] = sb_random_hex(s, tag, sizeof(tag) / 2);
	f[SB_DF_LOCAL_URI] = m->to.uri;
	f[SB_DF_REMOTE_URI] = m->from.uri;
	f[SB_DF_REMOTE_TAG] = m->from.tag;
	f[SB_DF_REMOTE_EPID] = m->from.epid;
	f[SB_DF_TARGET] = m->contact.n ? m->contact : m->from.uri;
	f[SB_DF_ROUTES] = (struct sb_str){s->text, (size_t)n};
	d = sb_dialog_new(s, c, f);
	if (!d)
		return NULL;
	d->state = SB_D_OFFERED;
	d->by_lync = true;
	d->remote_cseq = m->cseq;
	d->cseq_known = true;
	d->imdn = sdp->imdn;
	d->x_media = sb_str_caseeq(sdp->media, SB_STR("x-ms-message"));
	return d;
}

/* Keep the text of the INVITE until a MESSAGE brings it. */
static void keep_first(struct sb_sessions *s, struct sb_dialog *d,
		       struct sb_str header)
{
	size_t n;

	if (!header.n || !s->wire.first_message_wait_ms ||
	    sb_first_message_read(header, s->text, SB_TEXT_MAX, &n) || !n)
		return;
	sb_text_set(&d->first, (struct sb_str){s->text, n});
	if (d->first)
		d->first_state = SB_FIRST_WAIT;
}

static void tell(struct sb_sessions *s, struct sb_conv *c, uint64_t id,
		 const struct sb_sip_in *m)
{
	char display[SB_DISPLAY_MAX], subject[SB_FIELD_MAX], thread[64];
	struct sb_event ev;

	if (!c->thread) {
		sb_text_set(&c->thread,
			    sb_thread(thread, sizeof(thread), m->call_id));
		c->thread_derived = true;
	}
	ev = sb_event_of(c, SB_EV_OFFER);
	ev.id = id;
	ev.display = sb_line(display, sizeof(display), m->from.display);
	ev.subject = sb_line(subject, sizeof(subject), m->subject);
	ev.lang = sb_lang(m->content_language);
	ev.domain = m->domain;
	s->ops->event(s->arg, &ev);
}

/* SB_R_N: the plugin has the offer. */
static enum sb_refusal offer(struct sb_sessions *s, struct sb_conv *c,
			     uint64_t txn, const struct sb_sip_in *m,
			     const struct sb_sdp *sdp)
{
	struct sb_dialog *d;
	struct sb_stxn *x;

	if (merged(c, m))
		return SB_R_MERGED;
	if (c->unanswered >= SB_UNANSWERED_PER_PAIR || !make_room(s, c))
		return SB_R_BUSY;
	d = offered(s, c, m, sdp);
	if (!d)
		return SB_R_MEMORY;
	x = sb_stxn_new(s, SB_S_OFFER, c, d, txn);
	if (!x) {
		sb_dialog_free(s, d);
		return SB_R_MEMORY;
	}
	x->cseq = m->cseq;
	keep_first(s, d, m->first_message);
	sb_wheel_set(&s->wheel, &x->t, s->now + SB_ANSWER_TIMEOUT_MS);
	c->used_ms = s->now;
	tell(s, c, x->id, m);
	return SB_R_N;
}

void sb_in_invite(struct sb_sessions *s, uint64_t txn,
		  const struct sb_sip_in *m)
{
	char contact[SB_URI_MAX], user[SB_URI_MAX];
	struct sb_sdp sdp = {.kind = SB_SDP_NONE};
	enum sb_refusal why = judge(s, m, &sdp);
	struct sb_conv *c = NULL;
	int cn, un;

	cn = sb_uri_plain(contact, sizeof(contact), m->request_uri);
	un = sb_uri_plain(user, sizeof(user), m->from.uri);
	if (why == SB_R_N && (cn < 0 || un < 0))
		why = SB_R_SCHEME;
	if (why == SB_R_N) {
		c = sb_conv_get(s, (struct sb_str){contact, (size_t)cn},
				(struct sb_str){user, (size_t)un});
		why = c ? offer(s, c, txn, m, &sdp) : SB_R_BUSY;
	}
	if (why != SB_R_N)
		sb_refuse(s, txn, m, why);
	if (c)
		sb_conv_settle(s, c);
}

void sb_offer_accept(struct sb_sessions *s, struct sb_dialog *d,
		     struct sb_stxn *x)
{
	char sdp[SDP_MAX];
	struct sb_sdp_self self = {
		.uri = sb_conv_contact(d->c),
		.address = sb_text_str(s->address),
	};
	struct sb_sip_out o = {
		.status = 200,
		.dialog_forming = true,
		.content_type = SB_STR("application/sdp"),
	};
	int n;

	if (d->x_media)
		self.media = SB_STR("x-ms-message");
	n = sb_sdp_write(sdp, sizeof(sdp), &self);
	if (n < 0)
		n = 0;
	o.body = (struct sb_str){sdp, (size_t)n};
	x->state = SB_S_ACK;
	sb_respond(s, x, &o);
}

void sb_offer_answer(struct sb_sessions *s, struct sb_stxn *x,
		     const struct sb_request *r)
{
	struct sb_conv *c = x->c;
	struct sb_dialog *d = x->d;
	struct sb_sip_out o = {.status = 0};

	c->verified = r->flags & SB_F_VERIFIED;
	if (r->status == 200) {
		d->state = SB_D_ANSWERED;
		d->used_ms = s->now;
		sb_offer_accept(s, d, x);
	}
	else {
		sb_answer_fill(&o, r);
		sb_respond(s, x, &o);
		sb_stxn_free(s, x);
		sb_dialog_free(s, d);
	}
	sb_conv_settle(s, c);
}

void sb_offer_cancel(struct sb_sessions *s, struct sb_stxn *x)
{
	struct sb_conv *c = x->c;
	struct sb_dialog *d = x->d;

	sb_respond_refusal(s, x, SB_R_CANCELLED);
	sb_stxn_free(s, x);
	sb_dialog_free(s, d);
	sb_conv_settle(s, c);
}

/* Glare: what we wait for in vain is not wanted any more. */
static void cancel_ours(struct sb_sessions *s, struct sb_conv *c)
{
	struct sb_dialog *d, *next;

	for (d = c->dialogs; d; d = next) {
		next = d->next;
		if (d->state == SB_D_CALLING)
			sb_dialog_close(s, d);
	}
}

void sb_offer_ack(struct sb_sessions *s, struct sb_stxn *x, bool timeout)
{
	struct sb_dialog *d = x->d;
	struct sb_conv *c = d->c;
	bool again = x->kind == SB_S_AGAIN;

	sb_stxn_free(s, x);
	if (again && !timeout)
		return;
	if (!again)
		sb_dialog_up(s, d);
	if (timeout || d->bye_soon)
		sb_dialog_close(s, d); /* RFC 3261 13.3.1.4 */
	else {
		if (d->first_state == SB_FIRST_WAIT)
			d->due = s->now + s->wire.first_message_wait_ms;
		sb_dialog_timer(s, d);
		cancel_ours(s, c);
	}
	sb_conv_settle(s, c);
}
