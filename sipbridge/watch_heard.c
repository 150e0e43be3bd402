/*
 * watch_heard.c: NOTIFYs of Lync: which watch, is it their turn, and what they
 * tell.
 * SPDX-License-Identifier: MIT
 */
#include "field.h"
#include "watch_priv.h"

enum { RENEW_MS = 10000, RETRY_MAX = 604800, SLACK_MS = 2000 };

/* Subscription-State, taken apart. */
struct substate {
	struct sb_str state, reason;
	int expires, retry_after; /* -1: not said */
};

static struct substate read_state(struct sb_str value)
{
	struct substate s = {.expires = -1, .retry_after = -1};
	struct sb_str rest, v;

	sb_media_split(value, &s.state, &rest);
	if (sb_param_find(rest, SB_STR("reason"), &v) > 0)
		s.reason = v;
	if (sb_param_find(rest, SB_STR("expires"), &v) > 0)
		s.expires = sb_number(v, INT32_MAX);
	if (sb_param_find(rest, SB_STR("retry-after"), &v) > 0)
		s.retry_after = sb_number(v, RETRY_MAX);
	return s;
}

/* A NOTIFY that comes before its 200 makes the dialog (RFC 6665 4.1.2.4).
 * Errors: as sb_peer_set. */
static int learn(struct sb_watches *w, struct sb_watch *x,
		 const struct sb_sip_in *m)
{
	struct sb_peer_facts f = {
		.field = {[SB_PEER_TAG] = m->from.tag,
			  [SB_PEER_EPID] = m->from.epid},
		.target = m->contact.n ? m->contact : m->from.uri,
		.record_route = m->record_route,
		.record_route_n = m->record_route_n,
	};

	if (!x->u.peer)
		return sb_peer_set(w, &x->u, &f);
	if (m->contact.n)
		sb_share(w, &x->u.peer->target, m->contact);
	return SB_OK;
}

static bool is(struct sb_str s, const char *what)
{
	return sb_str_caseeq(s, sb_str_of(what));
}

static void terminated(struct sb_watches *w, struct sb_watch *x,
		       const struct substate *s)
{
	struct sb_why why = {.status = 480,
			     .reason = SB_STR("The Lync side ended it")};

	why.retry_after = s->retry_after > 0 ? s->retry_after : 0;
	if (x->u.state == SB_US_LEAVING)
		sb_watch_left(w, x);
	else if (is(s->reason, "rejected")) {
		why.status = 403;
		why.token = SB_STR("rejected");
		sb_watch_refused(w, x, &why);
	}
	else if (is(s->reason, "noresource") || is(s->reason, "invariant")) {
		why.status = 404;
		why.token = SB_STR("no-resource");
		sb_watch_refused(w, x, &why);
	}
	else if (is(s->reason, "deactivated") || is(s->reason, "timeout"))
		sb_watch_renew(w, x, 0);
	else if (is(s->reason, "probation") || is(s->reason, "giveup")) {
		why.token = SB_STR("ended-by-peer");
		sb_watch_failing(w, x, &why);
	}
	else
		sb_watch_renew(w, x, RENEW_MS);
}

/* News for the contact. A document may tell a part only. */
static void state_event(struct sb_watches *w, struct sb_watch *x,
			const struct sb_presence_doc *doc)
{
	struct sb_event ev = {
		.type = SB_EV_STATE,
		.contact = sb_usage_contact(&x->u),
		.user = sb_usage_user(&x->u),
		.domain = sb_uri_host(sb_usage_user(&x->u)),
		.display = doc->display,
	};

	if (doc->presence != SB_PR_UNKNOWN)
		x->presence = (uint8_t)doc->presence;
	if (doc->has_note && x->u.notes)
		sb_share(w, &x->note, doc->note);
	ev.presence = (enum sb_presence)x->presence;
	if (x->u.notes)
		ev.text = sb_shared_str(x->note);
	w->ops->event(w->arg, &ev);
}

/* Who repeats the first value in each NOTIFY must not make us miss the end:
 * it may become nearer, farther only by a refresh. */
static void adjust(struct sb_watches *w, struct sb_watch *x, int seconds)
{
	uint64_t end = w->now + (uint64_t)seconds * 1000;

	if (!x->u.expires || end + SLACK_MS < sb_stamp_ms(x->u.expires))
		sb_watch_granted(w, x, seconds);
}

static void active(struct sb_watches *w, struct sb_watch *x,
		   const struct substate *s, const struct sb_presence_doc *doc,
		   bool read)
{
	bool first = !x->active;

	if (s->expires > 0)
		adjust(w, x, s->expires);
	if (!is(s->state, "active")) { /* pending: nobody is told a thing */
		sb_watch_timer(w, x);
		return;
	}
	x->tries = 0;
	x->failing = false;
	x->active = true;
	if (first)
		sb_watch_tell(w, x, SB_WATCH_ACTIVE, NULL);
	if (read && (first || doc->presence != SB_PR_UNKNOWN || doc->has_note ||
		     doc->display.n))
		state_event(w, x, doc);
	sb_watch_timer(w, x);
}

/* The body; the answer is given by what it is worth, whatever the header says
 * of the subscription. False: not read. */
static bool body(struct sb_watches *w, uint64_t txn, const struct sb_sip_in *m,
		 bool verified, struct sb_presence_doc *doc)
{
	int err = m->body.n ?
		  sb_presence_read(doc, m->content_type, m->body) : SB_OK;

	if (err == SB_EINVAL)
		sb_w_refuse(w, txn, m, SB_WR_CONTENT);
	else if (err)
		sb_w_refuse(w, txn, m, SB_WR_BAD_BODY);
	else
		sb_w_ok(w, txn, m, verified);
	return !err;
}

static void heard(struct sb_watches *w, uint64_t txn,
		  const struct sb_sip_in *m, struct sb_watch *x)
{
	struct substate s = read_state(m->subscription_state);
	struct sb_presence_doc doc = {.presence = SB_PR_UNKNOWN};
	bool read;
	int err;

	if (!s.state.n) {
		sb_w_refuse(w, txn, m, SB_WR_BAD_REQUEST);
		return;
	}
	err = learn(w, x, m);
	if (err) {
		sb_w_refuse(w, txn, m, err == SB_ENOMEM ? SB_WR_MEMORY :
			    SB_WR_BAD_REQUEST);
		return;
	}
	x->u.heard = true;
	x->u.remote_cseq = m->cseq;
	x->u.notified = sb_stamp(w->now);
	read = body(w, txn, m, x->u.verified, &doc);
	if (is(s.state, "terminated"))
		terminated(w, x, &s);
	else if (x->u.state != SB_US_LEAVING)
		active(w, x, &s, &doc, read);
}

void sb_watch_notify(struct sb_watches *w, uint64_t txn,
		     const struct sb_sip_in *m)
{
	struct sb_watch *x = (struct sb_watch *)
		sb_usage_of(w, &w->watches, m);

	if (w->closed)
		sb_w_refuse(w, txn, m, SB_WR_CLOSED);
	else if (!x || !m->from.tag.n)
		sb_w_refuse(w, txn, m, SB_WR_NO_DIALOG);
	else if (x->u.heard && m->cseq <= x->u.remote_cseq)
		sb_w_refuse(w, txn, m, SB_WR_CSEQ);
	else if (sb_w_sound(w, txn, m))
		heard(w, txn, m, x);
}
