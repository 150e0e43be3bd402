/*
 * session_refuse.c: what we answer by ourselves: each refusal with its status,
 * diagnostics and token. Lync shows 1034 for one without (lync-sip.md 1.7).
 * SPDX-License-Identifier: MIT
 */
#include "session_priv.h"

static const struct refusal {
	const char *token, *reason;
	int status, diag;
} refusals[SB_R_N] = {
	[SB_R_NO_DIALOG] = {"no-session", "This session does not exist", 481,
			    60010},
	[SB_R_CSEQ] = {"out-of-order", "Request out of order", 500, 60011},
	[SB_R_METHOD] = {"method", "This type of request is not supported", 405,
			 60012},
	[SB_R_METHOD_INSIDE] = {"method",
				"This type of request is not supported", 501,
				60012},
	[SB_R_NOT_IM] = {"not-im", "Only instant messages are supported", 488,
			 60013},
	[SB_R_CONFERENCE] = {"conference",
			     "Conferences are not supported", 488, 60014},
	[SB_R_MULTIPARTY] = {"conference", "Conferences are not supported",
			     420, 60014},
	[SB_R_EXTENSION] = {"extension",
			    "A required extension is not supported", 420,
			    60015},
	[SB_R_CONTENT] = {"content-type", "Only text is supported", 415,
			  60016},
	[SB_R_BAD_BODY] = {"bad-content", "The content is malformed", 400,
			   60017},
	[SB_R_TOO_BIG] = {"too-big", "The message is too long", 413, 60018},
	[SB_R_BAD_REQUEST] = {"bad-request", "The request is malformed", 400,
			      60019},
	[SB_R_SCHEME] = {"bad-address", "Not the address of a user", 404,
			 1003},
	[SB_R_MERGED] = {"merged", "The request arrived twice", 482, 60020},
	[SB_R_DECLINED] = {"declined", "Transfers are not supported", 603,
			   60021},
	[SB_R_PAGER] = {"pager-message",
			"Cannot route this type of SIP request to or from "
			"federated partners", 403, 1027},
	[SB_R_BUSY] = {"queue-full", "Too many sessions or messages", 503,
		       60022},
	[SB_R_MEMORY] = {"no-memory", "Out of memory", 500, 60023},
	[SB_R_CLOSED] = {"shutting-down", "The gateway is shutting down", 503,
			 60024},
	[SB_R_UNANSWERED] = {"unanswered", "Temporarily cannot route", 504,
			     1007},
	[SB_R_CANCELLED] = {"cancelled", "The request was cancelled", 487,
			    60025},
};

struct sb_str sb_random_hex(struct sb_sessions *s, char *buf, size_t bytes)
{
	static const char digit[] = "0123456789abcdef";
	unsigned char raw[32] = {0};

	if (bytes > sizeof(raw))
		bytes = sizeof(raw);
	s->ops->random(s->arg, raw, bytes);
	for (size_t i = 0; i < bytes; i++) {
		buf[2 * i] = digit[raw[i] >> 4];
		buf[2 * i + 1] = digit[raw[i] & 15];
	}
	return (struct sb_str){buf, 2 * bytes};
}

static void fill(struct sb_sip_out *o, enum sb_refusal why)
{
	const struct refusal *r = &refusals[why];

	o->status = r->status;
	o->diagnosed = true;
	o->diag = r->diag;
	o->reason = sb_str_of(r->reason);
	if (why == SB_R_CONTENT)
		o->extra[o->extra_n++] =
			(struct sb_header){"Accept", SB_STR(SB_ACCEPT)};
	if (o->status == 405) /* RFC 3261 8.2.1 */
		o->extra[o->extra_n++] =
			(struct sb_header){"Allow", SB_STR(SB_ALLOW)};
}

/* Address the answer to m. tag: room for a new one. */
static void address(struct sb_sessions *s, struct sb_sip_out *o,
		    const struct sb_sip_in *m, char tag[SB_TAG_HEX])
{
	const struct sb_dialog *d;

	o->method = m->method;
	o->domain = m->domain;
	o->local.uri = m->to.uri;
	o->local.tag = m->to.tag.n ? m->to.tag :
		       sb_random_hex(s, tag, SB_TAG_HEX / 2);
	o->remote = m->from;
	o->call_id = m->call_id;
	o->cseq = m->cseq;
	d = sb_dialog_find(s, m->call_id, m->to.tag);
	o->verified = d && d->c->verified;
}

/* For log and counter; 481 and 487 belong to ordinary life. */
static void tell(struct sb_sessions *s, const struct sb_sip_in *m,
		 const struct sb_sip_out *o, enum sb_refusal why)
{
	char contact[SB_URI_MAX], user[SB_URI_MAX];
	struct sb_event ev = {
		.type = SB_EV_REFUSED, .domain = m->domain,
		.status = o->status, .diag = o->diag, .local = true,
		.token = sb_str_of(refusals[why].token), .reason = o->reason,
	};
	int n;

	if (why == SB_R_NO_DIALOG || why == SB_R_CANCELLED)
		return;
	n = sb_uri_plain(contact, sizeof(contact), m->to.uri);
	if (n > 0)
		ev.contact = (struct sb_str){contact, (size_t)n};
	n = sb_uri_plain(user, sizeof(user), m->from.uri);
	if (n > 0)
		ev.user = (struct sb_str){user, (size_t)n};
	s->ops->event(s->arg, &ev);
}

void sb_refuse(struct sb_sessions *s, uint64_t txn, const struct sb_sip_in *m,
	       enum sb_refusal why)
{
	struct sb_sip_out o = {.status = 0};
	char tag[SB_TAG_HEX];

	address(s, &o, m, tag);
	fill(&o, why);
	s->ops->respond(s->arg, txn, &o);
	tell(s, m, &o, why);
}

void sb_refuse_require(struct sb_sessions *s, uint64_t txn,
		       const struct sb_sip_in *m)
{
	enum { UNSUPPORTED_MAX = 256 };
	struct sb_sip_out o = {.status = 0};
	enum sb_refusal why = SB_R_EXTENSION;
	char to_tag[SB_TAG_HEX], buf[UNSUPPORTED_MAX];
	struct sb_str list = sb_require_unsupported(buf, sizeof(buf), m);

	if (sb_token_listed(m->require,
			    SB_STR("com.microsoft.rtc-multiparty")))
		why = SB_R_MULTIPARTY;
	address(s, &o, m, to_tag);
	fill(&o, why);
	if (list.n)
		o.extra[o.extra_n++] =
			(struct sb_header){"Unsupported", list};
	s->ops->respond(s->arg, txn, &o);
	tell(s, m, &o, why);
}

void sb_respond_ok(struct sb_sessions *s, uint64_t txn,
		   const struct sb_sip_in *m, bool forming)
{
	struct sb_sip_out o = {.status = 200, .dialog_forming = forming};
	char tag[SB_TAG_HEX];

	address(s, &o, m, tag);
	s->ops->respond(s->arg, txn, &o);
}

void sb_respond(struct sb_sessions *s, struct sb_stxn *x,
		const struct sb_sip_out *o)
{
	struct sb_sip_out out = *o;
	char tag[SB_TAG_HEX];

	if (x->c)
		out.domain = sb_uri_host(sb_conv_user(x->c));
	if (x->c)
		out.verified = x->c->verified;
	if (x->d) {
		out.local.uri = sb_dialog_field(x->d, SB_DF_LOCAL_URI);
		out.local.tag = sb_dialog_field(x->d, SB_DF_LOCAL_TAG);
		out.call_id = sb_dialog_field(x->d, SB_DF_CALL_ID);
	}
	else
		out.local.tag = sb_random_hex(s, tag, SB_TAG_HEX / 2);
	out.cseq = x->cseq;
	sb_stxn_answered(s, x);
	s->ops->respond(s->arg, x->txn, &out);
}

void sb_respond_refusal(struct sb_sessions *s, struct sb_stxn *x,
			enum sb_refusal why)
{
	struct sb_sip_out o = {.status = 0};

	fill(&o, why);
	sb_respond(s, x, &o);
}
