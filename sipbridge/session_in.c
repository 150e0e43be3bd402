/*
 * session_in.c: requests from the wire: which dialog, is it their turn, and
 * what they want.
 * SPDX-License-Identifier: MIT
 */
#include "session_priv.h"

/* Only the dialog's own user, over its own domain's Edge, speaks in it. */
static bool speaks_in(const struct sb_dialog *d, const struct sb_sip_in *m)
{
	char buf[SB_URI_MAX];
	struct sb_str user = sb_conv_user(d->c);
	int n = sb_uri_plain(buf, sizeof(buf), m->from.uri);

	return n > 0 && sb_str_caseeq((struct sb_str){buf, (size_t)n}, user) &&
	       sb_str_caseeq(m->domain, sb_uri_host(user));
}

/* The dialog of m, or NULL. Our INVITE's 200 can be overtaken by what follows
 * it: text for a dialog that is CALLING is taken too. */
static struct sb_dialog *dialog_of(const struct sb_sessions *s,
				   const struct sb_sip_in *m)
{
	struct sb_dialog *d = sb_dialog_find(s, m->call_id, m->to.tag);

	if (!d || !speaks_in(d, m))
		return NULL;
	if (d->state == SB_D_CALLING)
		return m->method == SB_M_MESSAGE || m->method == SB_M_INFO ?
		       d : NULL;
	if (d->state != SB_D_UP && d->state != SB_D_ANSWERED)
		return NULL;
	return sb_str_eq(sb_dialog_field(d, SB_DF_REMOTE_TAG), m->from.tag) ?
	       d : NULL;
}

static bool in_order(struct sb_dialog *d, const struct sb_sip_in *m)
{
	if (d->state == SB_D_CALLING)
		return true; /* whose CSeq it is shows the 200 */
	if (d->cseq_known && m->cseq <= d->remote_cseq)
		return false;
	d->remote_cseq = m->cseq;
	d->cseq_known = true;
	return true;
}

static void bye(struct sb_sessions *s, uint64_t txn, const struct sb_sip_in *m,
		struct sb_dialog *d)
{
	struct sb_conv *c = d->c;
	struct sb_event ev;
	char buf[SB_REASON_MAX];
	struct sb_str reason = SB_NOSTR;

	sb_respond_ok(s, txn, m, false);
	sb_dialog_free(s, d);
	if (sb_dialog_in(c, SB_D_UP) || sb_dialog_in(c, SB_D_ANSWERED))
		return; /* another one goes on */
	c->typing_in = c->typing_out = c->typing_want = SB_TYPING_NONE;
	c->typing_in_due = 0;
	ev = sb_event_of(c, SB_EV_ENDED);
	if (m->diagnostics.n &&
	    !sb_diagnostics_read(m->diagnostics, &ev.diag, &reason, s->text,
				 sizeof(s->text)))
		ev.reason = sb_line(buf, sizeof(buf), reason);
	s->ops->event(s->arg, &ev);
	if (c->thread_derived || (!c->head && !c->out))
		sb_text_set(&c->thread, SB_NOSTR);
}

static void info(struct sb_sessions *s, uint64_t txn, const struct sb_sip_in *m,
		 struct sb_dialog *d)
{
	enum sb_typing typing;

	sb_respond_ok(s, txn, m, false);
	if (sb_type_is(m->content_type, SB_STR(SB_IMDN_TYPE)))
		sb_imdn_in(s, d->c, m->body);
	else if (!sb_typing_read(m->content_type, m->body, &typing))
		sb_typing_in(s, d->c, typing);
}

static void notify(struct sb_sessions *s, uint64_t txn,
		   const struct sb_sip_in *m, struct sb_dialog *d)
{
	if (!sb_type_is(m->content_type, SB_STR(SB_IMDN_TYPE)))
		sb_refuse(s, txn, m, SB_R_NO_DIALOG); /* no such subscription */
	else if (!sb_imdn_in(s, d->c, m->body))
		sb_refuse(s, txn, m, SB_R_BAD_BODY);
	else
		sb_respond_ok(s, txn, m, false);
}

/* re-INVITE or UPDATE: the same session, maybe another Contact. */
static void refresh(struct sb_sessions *s, uint64_t txn,
		    const struct sb_sip_in *m, struct sb_dialog *d)
{
	struct sb_str f[SB_DF_N] = {SB_NOSTR};
	struct sb_sdp sdp = {.kind = SB_SDP_NONE};
	struct sb_stxn *x;

	if (sb_sdp_offer(m->content_type, m->body, &sdp)) {
		sb_refuse(s, txn, m, SB_R_BAD_BODY);
		return;
	}
	if (sdp.kind == SB_SDP_OTHER) {
		sb_refuse(s, txn, m, SB_R_NOT_IM);
		return;
	}
	if (m->contact.n) {
		f[SB_DF_TARGET] = m->contact;
		if (sb_dialog_update(d, f)) {
			sb_refuse(s, txn, m, SB_R_MEMORY);
			return;
		}
	}
	if (m->method == SB_M_UPDATE && sdp.kind == SB_SDP_NONE) {
		sb_respond_ok(s, txn, m, true);
		return;
	}
	x = sb_stxn_new(s, SB_S_AGAIN, d->c, d, txn);
	if (!x) {
		sb_refuse(s, txn, m, SB_R_MEMORY);
		return;
	}
	x->cseq = m->cseq;
	sb_offer_accept(s, d, x);
	if (m->method == SB_M_UPDATE) /* has no ACK */
		sb_stxn_free(s, x);
}

static bool named(const struct sb_sip_in *m, const char *name)
{
	return sb_str_eq(m->method_name, sb_str_of(name));
}

static void inside(struct sb_sessions *s, uint64_t txn,
		   const struct sb_sip_in *m, struct sb_dialog *d)
{
	switch (m->method) {
	case SB_M_MESSAGE:
		sb_in_message(s, txn, m, d->c, d);
		return;
	case SB_M_INFO:
		info(s, txn, m, d);
		return;
	case SB_M_BYE:
		bye(s, txn, m, d);
		return;
	case SB_M_INVITE:
	case SB_M_UPDATE:
		refresh(s, txn, m, d);
		return;
	case SB_M_NOTIFY:
		notify(s, txn, m, d);
		return;
	case SB_M_OPTIONS:
		sb_respond_ok(s, txn, m, false);
		return;
	case SB_M_REFER:
		sb_refuse(s, txn, m, SB_R_DECLINED);
		return;
	case SB_M_ACK:
	case SB_M_CANCEL:
	case SB_M_SUBSCRIBE:
	case SB_M_OTHER:
		break;
	}
	if (named(m, "BENOTIFY"))
		notify(s, txn, m, d);
	else
		sb_refuse(s, txn, m, SB_R_METHOD_INSIDE);
}

static void in_dialog(struct sb_sessions *s, uint64_t txn,
		      const struct sb_sip_in *m)
{
	struct sb_dialog *d = dialog_of(s, m);
	struct sb_conv *c = d ? d->c : NULL;

	if (!d) {
		sb_refuse(s, txn, m, SB_R_NO_DIALOG);
		return;
	}
	if (!in_order(d, m))
		sb_refuse(s, txn, m, SB_R_CSEQ);
	else if (!sb_require_ok(m))
		sb_refuse_require(s, txn, m);
	else if (s->closed && m->method != SB_M_BYE)
		sb_refuse(s, txn, m, SB_R_CLOSED);
	else {
		d->used_ms = c->used_ms = s->now;
		inside(s, txn, m, d);
	}
	sb_conv_settle(s, c);
}

/* MESSAGE outside a dialog (lync-sip.md 2.9). */
static void pager(struct sb_sessions *s, uint64_t txn,
		  const struct sb_sip_in *m)
{
	char contact[SB_URI_MAX], user[SB_URI_MAX];
	int cn = sb_uri_plain(contact, sizeof(contact), m->request_uri);
	int un = sb_uri_plain(user, sizeof(user), m->from.uri);
	struct sb_conv *c;

	if (s->closed || !s->wire.accept_pager_message || cn < 0 || un < 0) {
		sb_refuse(s, txn, m, s->closed ? SB_R_CLOSED :
			  !s->wire.accept_pager_message ? SB_R_PAGER :
			  SB_R_SCHEME);
		return;
	}
	c = sb_conv_get(s, (struct sb_str){contact, (size_t)cn},
			(struct sb_str){user, (size_t)un});
	if (!c) {
		sb_refuse(s, txn, m, SB_R_BUSY);
		return;
	}
	sb_in_message(s, txn, m, c, NULL);
	sb_conv_settle(s, c);
}

static void out_of_dialog(struct sb_sessions *s, uint64_t txn,
			  const struct sb_sip_in *m)
{
	switch (m->method) {
	case SB_M_INVITE:
		sb_in_invite(s, txn, m);
		return;
	case SB_M_MESSAGE:
		pager(s, txn, m);
		return;
	case SB_M_BYE:
	case SB_M_INFO:
	case SB_M_UPDATE:
	case SB_M_NOTIFY:
		sb_refuse(s, txn, m, SB_R_NO_DIALOG);
		return;
	case SB_M_REFER:
		sb_refuse(s, txn, m, SB_R_DECLINED);
		return;
	case SB_M_ACK:
	case SB_M_CANCEL:
	case SB_M_OPTIONS:
	case SB_M_SUBSCRIBE:
	case SB_M_OTHER:
		break;
	}
	sb_refuse(s, txn, m, SB_R_METHOD);
}

void sb_request_in(struct sb_sessions *s, uint64_t txn,
		   const struct sb_sip_in *m)
{
	if (m->to.tag.n)
		in_dialog(s, txn, m);
	else if (!sb_require_ok(m))
		sb_refuse_require(s, txn, m);
	else
		out_of_dialog(s, txn, m);
}
