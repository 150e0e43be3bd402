/*
 * watch_out.c: what contacts want to know, and the SUBSCRIBEs that ask.
 * SPDX-License-Identifier: MIT
 */
#include "watch_priv.h"

enum {
	MARGIN_MIN = SB_WATCH_MARGIN_MS / 1000, /* seconds */
	MARGIN_MAX = 900,
	SHARE = 8,
	AGAIN_MS = 60000
};

bool sb_watch_rich(const struct sb_watches *w, const struct sb_watch *x)
{
	return x->u.notes && w->wire.ask_categories && !x->plain;
}

uint32_t sb_watch_expires(const struct sb_watches *w, const struct sb_watch *x)
{
	uint32_t s = w->wire.watch_expires_ms / 1000;

	return s > x->min_expires ? s : x->min_expires;
}

/* SUBSCRIBE, the first, the next or the last one. Errors: as ops->request. */
static int subscribe(struct sb_watches *w, struct sb_watch *x,
		     uint32_t expires)
{
	bool rich = sb_watch_rich(w, x);
	struct sb_str plain = SB_STR("application/pidf+xml");
	struct sb_sip_out o = {
		.method = SB_M_SUBSCRIBE,
		.local.display = sb_shared_str(x->display),
	};
	int n;

	sb_add_header(&o, "Event", SB_STR("presence"));
	sb_add_header(&o, "Accept", rich ?
		SB_STR("application/msrtc-event-categories+xml, "
		       "application/pidf+xml") : plain);
	sb_add_header(&o, "Expires", sb_digits(w, 0, expires));
	if (rich && expires) {
		n = sb_presence_ask(w->text, sizeof(w->text),
				    sb_usage_contact(&x->u),
				    sb_usage_user(&x->u));
		if (n > 0) {
			o.content_type = SB_STR(SB_PRESENCE_ASK_TYPE);
			o.body = (struct sb_str){w->text, (size_t)n};
		}
	}
	return sb_usage_request(w, &x->u, &o);
}

static struct sb_why unreachable(void)
{
	return sb_why_local(503, "no-connection",
			    "The Access Edge could not be reached");
}

int sb_watch_begin(struct sb_watches *w, struct sb_watch *x)
{
	struct sb_why why;
	int err;

	sb_peer_drop(w, &x->u);
	sb_unshare(w, &x->note);
	x->u.serial = ++w->serial;
	x->u.cseq = x->u.remote_cseq = 0;
	x->u.heard = x->active = x->due = false;
	x->u.opened = sb_stamp(w->now);
	x->u.notified = x->u.expires = 0;
	x->presence = SB_PR_UNKNOWN;
	x->u.state = SB_US_ASKING;
	err = subscribe(w, x, sb_watch_expires(w, x));
	if (err && err != SB_EFULL) {
		why = unreachable();
		sb_watch_failing(w, x, &why);
	}
	return err;
}

void sb_watch_refresh(struct sb_watches *w, struct sb_watch *x)
{
	if (subscribe(w, x, sb_watch_expires(w, x)))
		x->next = sb_stamp(w->now + AGAIN_MS);
	sb_watch_timer(w, x);
}

void sb_watch_granted(struct sb_watches *w, struct sb_watch *x, int seconds)
{
	uint64_t s = seconds > 0 ? (uint64_t)seconds : 0, margin;

	if (s < SB_EXPIRES_MIN)
		s = SB_EXPIRES_MIN; /* what they forget sooner says 481 */
	if (s > SB_EXPIRES_MAX)
		s = SB_EXPIRES_MAX;
	margin = s / SHARE;
	if (margin > MARGIN_MAX)
		margin = MARGIN_MAX;
	if (margin < MARGIN_MIN)
		margin = s / 2 < MARGIN_MIN ? s / 2 : MARGIN_MIN;
	x->u.expires = sb_stamp(w->now + s * 1000);
	x->next = sb_stamp(w->now + (s - margin) * 1000);
	x->due = false;
}

/* ---------------------------------------------------------- the plugin -- */

static void cannot(struct sb_watches *w, const struct sb_request *r, int status,
		   const char *token, const char *reason)
{
	struct sb_why why = sb_why_local(status, token, reason);

	sb_watch_event(w, r->contact, r->user, SB_WATCH_FAILING, &why);
}

/* Errors: SB_ENOMEM. Its name is not worth failing for. */
static void set_facts(struct sb_watches *w, struct sb_watch *x,
		      const struct sb_request *r)
{
	struct sb_str display = r->display;

	if (display.n > SB_WATCH_NAME_MAX)
		display = sb_line(w->line, SB_WATCH_NAME_MAX, display);
	if (sb_share(w, &x->display, display))
		sb_unshare(w, &x->display);
	x->u.verified = r->flags & SB_F_VERIFIED;
	x->u.notes = r->flags & SB_F_NOTES;
}

/* Leave the dialog. `owed`: the plugin waits for ENDED. x may go. */
static void leave(struct sb_watches *w, struct sb_watch *x, bool owed)
{
	struct sb_watch *old = sb_watch_find(w, sb_usage_contact(&x->u),
					     sb_usage_user(&x->u), true);
	bool dialog = x->u.state == SB_US_ASKING || x->u.state == SB_US_UP;

	if (old) /* one is enough */
		sb_watch_left(w, old);
	x->owed = owed;
	if (!dialog) {
		sb_watch_left(w, x);
		return;
	}
	x->u.state = SB_US_LEAVING;
	x->bye = false;
	w->leaving++;
	sb_wheel_clear(&w->wheel, &x->u.t);
	sb_watch_bye(w, x);
}

void sb_watch_bye(struct sb_watches *w, struct sb_watch *x)
{
	int err;

	if (x->u.busy)
		return; /* after its response */
	x->next = 0;
	err = x->u.peer ? subscribe(w, x, 0) : SB_EINVAL;
	x->bye = !err;
	if (err == SB_EFULL) {
		x->next = sb_stamp(sb_watch_later(w));
		sb_watch_timer(w, x);
	}
	else if (err)
		sb_watch_left(w, x);
}

static void first(struct sb_watches *w, const struct sb_request *r, bool told)
{
	struct sb_watch *x = sb_watch_new(w, r->contact, r->user);

	if (!x) {
		if (!told)
			cannot(w, r, 503, "queue-full",
			       "Too many watches, or no memory");
		return;
	}
	set_facts(w, x, r);
	x->told = told;
	if (sb_queue_add(w, x))
		return;
	sb_watch_free(w, x);
	if (!told)
		cannot(w, r, 503, "queue-full", "Too many SIP domains");
}

/* Another document is wanted: only a new dialog has it. */
static void again(struct sb_watches *w, const struct sb_request *r,
		  struct sb_watch *x)
{
	bool rich = sb_watch_rich(w, x), told = x->told;

	set_facts(w, x, r);
	if (sb_watch_rich(w, x) != rich &&
	    (x->u.state == SB_US_UP || x->u.state == SB_US_ASKING)) {
		leave(w, x, false);
		first(w, r, told);
		return;
	}
	if (x->u.state != SB_US_UP || !x->due || x->u.busy)
		return;
	sb_watch_refresh(w, x);
}

void sb_watch_wanted(struct sb_watches *w, const struct sb_request *r)
{
	struct sb_watch *x = sb_watch_find(w, r->contact, r->user, false);

	if (w->closed) {
		cannot(w, r, 503, "shutting-down",
		       "The gateway is shutting down");
		return;
	}
	if (x) {
		again(w, r, x);
		return;
	}
	x = sb_watch_find(w, r->contact, r->user, true);
	if (x && x->owed) {
		sb_watch_tell(w, x, SB_WATCH_ENDED, NULL);
		x->owed = false;
	}
	first(w, r, false);
}

void sb_watch_unwanted(struct sb_watches *w, const struct sb_request *r)
{
	struct sb_watch *x = sb_watch_find(w, r->contact, r->user, false);

	if (x)
		leave(w, x, true);
	else
		sb_watch_event(w, r->contact, r->user, SB_WATCH_ENDED, NULL);
}
