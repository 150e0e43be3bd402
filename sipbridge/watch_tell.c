/*
 * watch_tell.c: what the plugin is told of a watch, and how a watch goes on
 * after it.
 * SPDX-License-Identifier: MIT
 */
#include "watch_priv.h"

enum { AFTER_MS = 10000 };

struct sb_why sb_why_local(int status, const char *token, const char *reason)
{
	return (struct sb_why){
		.status = status,
		.local = true,
		.token = sb_str_of(token),
		.reason = sb_str_of(reason),
	};
}

struct sb_why sb_why_of(struct sb_watches *w, const struct sb_sip_in *m)
{
	struct sb_why why = {.status = m->status, .diag = 0,
			     .retry_after = m->retry_after,
			     .token = SB_STR("refused-by-peer")};
	struct sb_str reason = SB_NOSTR;

	if (m->local && m->status == 408)
		return sb_why_local(408, "timeout",
				    "No answer from the Access Edge");
	if (m->local)
		return sb_why_local(m->status, "connection-lost",
			"The connection to the Access Edge was lost");
	if (sb_diagnostics_read(m->diagnostics, &why.diag, &reason, w->text,
				sizeof(w->text)))
		reason = SB_NOSTR;
	if (!reason.n)
		reason = m->phrase;
	why.reason = sb_line(w->line, sizeof(w->line), reason);
	if (!why.reason.n)
		why.reason = SB_STR("Refused by the Lync side");
	return why;
}

void sb_watch_event(struct sb_watches *w, struct sb_str contact,
		    struct sb_str user, enum sb_watch_state state,
		    const struct sb_why *why)
{
	struct sb_event ev = {.type = SB_EV_WATCH, .contact = contact,
			      .user = user, .domain = sb_uri_host(user),
			      .watch = state};

	if (why) {
		ev.status = why->status;
		ev.diag = why->diag;
		ev.retry_after = why->retry_after;
		ev.local = why->local;
		ev.token = why->token;
		ev.reason = why->reason;
	}
	w->ops->event(w->arg, &ev);
}

void sb_watch_tell(struct sb_watches *w, struct sb_watch *x,
		   enum sb_watch_state state, const struct sb_why *why)
{
	if (state != SB_WATCH_DUE)
		x->told = true;
	sb_watch_event(w, sb_usage_contact(&x->u), sb_usage_user(&x->u), state,
		       why);
}

void sb_watch_refused(struct sb_watches *w, struct sb_watch *x,
		      const struct sb_why *why)
{
	sb_watch_tell(w, x, SB_WATCH_REFUSED, why);
	sb_watch_free(w, x);
}

/* Out of its dialog. */
static void wait_ms(struct sb_watches *w, struct sb_watch *x, uint64_t ms)
{
	sb_usage_orphan(w, &x->u);
	sb_peer_drop(w, &x->u);
	x->u.state = SB_US_WAIT;
	x->next = sb_stamp(w->now + ms);
	sb_watch_timer(w, x);
}

void sb_watch_failing(struct sb_watches *w, struct sb_watch *x,
		      const struct sb_why *why)
{
	static const uint32_t back_off_s[] = {10, 60, 300, 900, 3600};
	enum { LAST = sizeof(back_off_s) / sizeof(back_off_s[0]) - 1 };
	uint64_t s = back_off_s[x->tries < LAST ? x->tries : LAST];

	if (x->tries < LAST)
		x->tries++;
	if (why->retry_after > 0 && (uint64_t)why->retry_after > s)
		s = why->retry_after < (int)back_off_s[LAST] ?
		    (uint64_t)why->retry_after : back_off_s[LAST];
	if (!x->failing || x->status != why->status)
		sb_watch_tell(w, x, SB_WATCH_FAILING, why);
	x->failing = true;
	x->status = (uint16_t)why->status;
	wait_ms(w, x, s * 1000);
}

void sb_watch_renew(struct sb_watches *w, struct sb_watch *x, uint32_t ms)
{
	/* who ends every dialog at once does not get one at once again */
	if (!ms && w->now - sb_stamp_ms(x->u.opened) < SB_WATCH_DUE_MS)
		ms = AFTER_MS;
	wait_ms(w, x, ms);
}

void sb_watch_left(struct sb_watches *w, struct sb_watch *x)
{
	if (x->owed)
		sb_watch_tell(w, x, SB_WATCH_ENDED, NULL);
	sb_watch_free(w, x);
}
