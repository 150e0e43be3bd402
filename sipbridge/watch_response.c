/*
 * watch_response.c: what became of our SUBSCRIBEs.
 * SPDX-License-Identifier: MIT
 */
#include "watch_priv.h"

enum { RENEW_MS = 10000, AGAIN_MS = 60000 };

/* The dialog of a 2xx. A NOTIFY may have made it already; a 2xx without a tag
 * leaves it to the NOTIFY. Errors: as sb_peer_set. */
static int learn(struct sb_watches *w, struct sb_watch *x,
		 const struct sb_sip_in *m)
{
	struct sb_peer_facts f = {
		.field = {[SB_PEER_TAG] = m->to.tag,
			  [SB_PEER_EPID] = m->to.epid},
		.target = m->contact.n ? m->contact : m->to.uri,
		.record_route = m->record_route,
		.record_route_n = m->record_route_n,
		.reverse = true,
	};

	if (x->u.peer || !m->to.tag.n)
		return SB_OK;
	return sb_peer_set(w, &x->u, &f);
}

static void target(struct sb_watches *w, struct sb_watch *x,
		   const struct sb_sip_in *m)
{
	if (x->u.peer && m->contact.n)
		sb_share(w, &x->u.peer->target, m->contact);
}

/* 2xx: what they grant, never more than was asked for. */
static void granted(struct sb_watches *w, struct sb_watch *x,
		    const struct sb_sip_in *m)
{
	int asked = (int)sb_watch_expires(w, x);
	int got = m->expires >= 0 && m->expires < asked ? m->expires : asked;

	x->too_brief = false;
	/* a NOTIFY that came first knows better than a 200 that says nothing */
	if (m->expires >= 0 || x->u.state == SB_US_UP || !x->u.expires)
		sb_watch_granted(w, x, got);
	x->u.state = SB_US_UP;
	sb_watch_timer(w, x);
}

/* 423: once, as long as they want it. */
static bool too_brief(struct sb_watches *w, struct sb_watch *x,
		      const struct sb_sip_in *m)
{
	if (m->status != 423 || x->too_brief || m->min_expires <= 0 ||
	    m->min_expires > SB_EXPIRES_MAX ||
	    (uint32_t)m->min_expires <= sb_watch_expires(w, x))
		return false;
	x->too_brief = true;
	x->min_expires = (uint32_t)m->min_expires;
	return true;
}

/* They do not like the question, but maybe a simpler one. */
static bool too_rich(struct sb_watches *w, struct sb_watch *x,
		     const struct sb_sip_in *m)
{
	static const int dislike[] = {400, 406, 415, 420, 421, 488, 489};
	bool found = false;

	for (size_t i = 0; i < sizeof(dislike) / sizeof(dislike[0]); i++)
		found = found || m->status == dislike[i];
	if (!found || m->local || !sb_watch_rich(w, x))
		return false;
	x->plain = true;
	return true;
}

static bool for_good(const struct sb_sip_in *m)
{
	return !m->local && (m->status == 403 || m->status == 404 ||
			     m->status == 410 || m->status == 489 ||
			     m->status == 603 || m->status == 604);
}

static void first_response(struct sb_watches *w, struct sb_watch *x,
			   const struct sb_sip_in *m)
{
	struct sb_why why;

	if (m->status < 300) {
		if (learn(w, x, m)) {
			why = sb_why_local(502, "bad-response",
				"A response of the Lync side is malformed");
			sb_watch_failing(w, x, &why);
			return;
		}
		granted(w, x, m);
		return;
	}
	if (m->local && m->status == 408 && x->u.heard) {
		struct sb_sip_in lost = {.expires = -1};

		granted(w, x, &lost); /* only the 200 was */
		return;
	}
	if (too_brief(w, x, m) || too_rich(w, x, m)) {
		if (sb_queue_add(w, x))
			return;
	}
	why = sb_why_of(w, m);
	if (for_good(m))
		sb_watch_refused(w, x, &why);
	else
		sb_watch_failing(w, x, &why);
}

static void refresh_response(struct sb_watches *w, struct sb_watch *x,
			     const struct sb_sip_in *m)
{
	uint64_t wait = AGAIN_MS;

	if (m->status < 300) {
		target(w, x, m);
		granted(w, x, m);
		return;
	}
	if (too_brief(w, x, m)) {
		sb_watch_refresh(w, x);
		return;
	}
	if (sb_ends_usage(m->status)) {
		sb_watch_renew(w, x, RENEW_MS);
		return;
	}
	/* RFC 6665 4.1.2.2: it stands as long as was said before */
	if (m->retry_after > 0 && m->retry_after < SB_EXPIRES_MAX)
		wait = (uint64_t)m->retry_after * 1000;
	x->next = sb_stamp(w->now + wait);
	sb_watch_timer(w, x);
}

static void leaving_response(struct sb_watches *w, struct sb_watch *x,
			     const struct sb_sip_in *m)
{
	bool ok = m->status < 300;

	if (!x->bye) { /* to what was out when the contact left */
		if (ok && !learn(w, x, m))
			sb_watch_bye(w, x);
		else if (x->u.peer && !sb_ends_usage(m->status))
			sb_watch_bye(w, x);
		else
			sb_watch_left(w, x);
		return;
	}
	if (!ok) {
		sb_watch_left(w, x);
		return;
	}
	/* the last NOTIFY is still to come */
	if (x->owed)
		sb_watch_tell(w, x, SB_WATCH_ENDED, NULL);
	x->owed = false;
	x->next = sb_stamp(w->now + SB_TIMER_N_MS);
	sb_watch_timer(w, x);
}

void sb_watch_response(struct sb_watches *w, struct sb_watch *x,
		       const struct sb_sip_in *m)
{
	x->u.busy = false;
	switch ((enum sb_usage_state)x->u.state) {
	case SB_US_ASKING:
		first_response(w, x, m);
		return;
	case SB_US_UP:
		refresh_response(w, x, m);
		return;
	case SB_US_LEAVING:
		leaving_response(w, x, m);
		return;
	case SB_US_QUEUED:
	case SB_US_WAIT:
	case SB_US_OFFERED:
	case SB_US_LIVE:
	case SB_US_LAST:
		return;
	}
}
