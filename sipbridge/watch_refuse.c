/*
 * watch_refuse.c: what the watch engine answers by itself: each refusal with
 * its status, diagnostics and token.
 * SPDX-License-Identifier: MIT
 */
#include "watch_priv.h"

static const struct refusal {
	const char *token, *reason;
	int status, diag;
} refusals[SB_WR_N] = {
	[SB_WR_NO_DIALOG] = {"no-subscription",
			     "This subscription does not exist", 481, 60010},
	[SB_WR_CSEQ] = {"out-of-order", "Request out of order", 500, 60011},
	[SB_WR_METHOD] = {"method", "This type of request is not supported",
			  501, 60012},
	[SB_WR_EXTENSION] = {"extension",
			     "A required extension is not supported", 420,
			     60015},
	[SB_WR_CONTENT] = {"content-type",
			   "This presence document is not supported", 415,
			   60016},
	[SB_WR_BAD_BODY] = {"bad-content", "The content is malformed", 400,
			    60017},
	[SB_WR_BAD_REQUEST] = {"bad-request", "The request is malformed", 400,
			       60019},
	[SB_WR_SCHEME] = {"bad-address", "Not the address of a user", 404,
			  1003},
	[SB_WR_MERGED] = {"merged", "The request arrived twice", 482, 60020},
	[SB_WR_BUSY] = {"queue-full", "Too many subscriptions", 503, 60022},
	[SB_WR_MEMORY] = {"no-memory", "Out of memory", 500, 60023},
	[SB_WR_CLOSED] = {"shutting-down", "The gateway is shutting down", 503,
			  60024},
	[SB_WR_EVENT] = {"event", "Only presence can be subscribed to", 489,
			 60026},
	[SB_WR_ACCEPT] = {"accept", "No presence document is acceptable", 406,
			  60027},
	[SB_WR_BRIEF] = {"too-brief", "The subscription is too brief", 423,
			 60028},
	[SB_WR_UNANSWERED] = {"unanswered", "Temporarily cannot route", 504,
			      1007},
};

void sb_w_refuse_fill(struct sb_sip_out *o, enum sb_watch_refusal why)
{
	const struct refusal *r = &refusals[why];

	o->status = r->status;
	o->diagnosed = true;
	o->diag = r->diag;
	o->reason = sb_str_of(r->reason);
	if (why == SB_WR_EVENT)
		sb_add_header(o, "Allow-Events", SB_STR("presence"));
	if (why == SB_WR_BRIEF)
		sb_add_header(o, "Min-Expires", SB_STR("60"));
	if (why == SB_WR_CONTENT)
		sb_add_header(o, "Accept",
			SB_STR("application/pidf+xml, text/xml+msrtc.pidf, "
			       "application/msrtc-event-categories+xml"));
}

/* Address the answer to m. */
static void address(struct sb_watches *w, struct sb_sip_out *o,
		    const struct sb_sip_in *m)
{
	struct sb_usage u = {.serial = 0};

	o->method = m->method;
	o->domain = m->domain;
	o->local.uri = m->to.uri;
	o->local.tag = m->to.tag;
	if (!m->to.tag.n) {
		u.serial = ++w->serial;
		o->local.tag = sb_usage_tag(w, &u);
	}
	o->remote = m->from;
	o->call_id = m->call_id;
	o->cseq = m->cseq;
}

/* For log and counter; 481 belongs to ordinary life. */
static void tell(struct sb_watches *w, const struct sb_sip_in *m,
		 const struct sb_sip_out *o, enum sb_watch_refusal why)
{
	char contact[SB_URI_MAX], user[SB_URI_MAX];
	bool ours = m->method == SB_M_NOTIFY;
	struct sb_event ev = {
		.type = SB_EV_REFUSED, .domain = m->domain,
		.status = o->status, .diag = o->diag, .local = true,
		.token = sb_str_of(refusals[why].token), .reason = o->reason,
	};
	int n;

	if (why == SB_WR_NO_DIALOG)
		return;
	n = sb_uri_plain(contact, sizeof(contact),
			 ours ? m->to.uri : m->request_uri);
	if (n > 0)
		ev.contact = (struct sb_str){contact, (size_t)n};
	n = sb_uri_plain(user, sizeof(user), m->from.uri);
	if (n > 0)
		ev.user = (struct sb_str){user, (size_t)n};
	w->ops->event(w->arg, &ev);
}

void sb_w_refuse(struct sb_watches *w, uint64_t txn, const struct sb_sip_in *m,
		 enum sb_watch_refusal why)
{
	enum { UNSUPPORTED_MAX = 256 };
	struct sb_sip_out o = {.status = 0};
	char buf[UNSUPPORTED_MAX];
	struct sb_str list;

	address(w, &o, m);
	sb_w_refuse_fill(&o, why);
	if (why == SB_WR_EXTENSION) {
		list = sb_require_unsupported(buf, sizeof(buf), m);
		if (list.n)
			sb_add_header(&o, "Unsupported", list);
	}
	w->ops->respond(w->arg, txn, &o);
	tell(w, m, &o, why);
}

void sb_w_ok(struct sb_watches *w, uint64_t txn, const struct sb_sip_in *m,
	     bool verified)
{
	struct sb_sip_out o = {.status = 200, .verified = verified};

	address(w, &o, m);
	w->ops->respond(w->arg, txn, &o);
}

bool sb_w_sound(struct sb_watches *w, uint64_t txn, const struct sb_sip_in *m)
{
	if (!sb_str_eq(m->event, SB_STR("presence")))
		sb_w_refuse(w, txn, m, SB_WR_EVENT);
	else if (!sb_require_ok(m))
		sb_w_refuse(w, txn, m, SB_WR_EXTENSION);
	else
		return true;
	return false;
}
