/*
 * scenario_lync.c: requests and responses of Lync in a scenario.
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <stdlib.h>

#include "scenario_priv.h"

#define TARGET "sip:lena@corp.example;opaque=user:epid:Qm9i;gruu"

static const char *const methods[] = {
	"OTHER", "INVITE", "ACK", "CANCEL", "BYE", "MESSAGE", "INFO", "UPDATE",
	"OPTIONS", "NOTIFY", "SUBSCRIBE", "REFER",
};

static enum sb_method method_of(const char *name)
{
	for (enum sb_method i = SB_M_INVITE; i <= SB_M_REFER; i++)
		if (strcmp(name, methods[i]) == 0)
			return i;
	return SB_M_OTHER;
}

static void fill_common(const struct scn *r, struct sb_sip_in *in)
{
	static const char *const rr[] = {"rr1", "rr2", "rr3"};
	const char *retry = scn_opt(r, "retry_after");

	in->domain = scn_str(r, "domain", "corp.example");
	in->contact = scn_str(r, "target", TARGET);
	in->supported = scn_str(r, "supported", "");
	in->require = scn_str(r, "require", "");
	in->subject = scn_str(r, "subject", "");
	in->content_language = scn_str(r, "lang", "");
	in->first_message = scn_str(r, "first", "");
	in->endpoints = scn_str(r, "endpoints", "");
	in->message_id = scn_str(r, "message_id", "");
	in->diagnostics = scn_str(r, "diagnostics", "");
	in->phrase = scn_str(r, "phrase", "Phrase");
	in->retry_after = retry ? atoi(retry) : 0;
	in->expires = scn_opt(r, "expires") ? atoi(scn_opt(r, "expires")) : -1;
	in->min_expires = scn_opt(r, "min_expires") ?
			  atoi(scn_opt(r, "min_expires")) : 0;
	in->accept = scn_str(r, "accept", "");
	for (size_t i = 0; i < 3; i++)
		if (scn_opt(r, rr[i]))
			in->record_route[in->record_route_n++] =
				scn_str(r, rr[i], "");
}

/* What only SUBSCRIBE and NOTIFY have. */
static void fill_event(const struct scn *r, struct sb_sip_in *in)
{
	bool notify = in->method == SB_M_NOTIFY;

	if (!notify && in->method != SB_M_SUBSCRIBE)
		return;
	in->event = scn_str(r, "event", r->watch ? "presence" : "");
	in->subscription_state = scn_str(r, "state", notify ?
					 "active;expires=28800" : "");
}

#define PIDF "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" "              \
	"xmlns:ep=\"urn:ietf:params:xml:ns:pidf:status:rpid-status\" "       \
	"entity=\"sip:lena@corp.example\"><tuple id=\"0\"><status><basic>%s"  \
	"</basic>%s</status></tuple></presence>"

/* pidf=open|closed|away|busy stands for a document. */
static void fill_pidf(struct scn *r, struct sb_sip_in *in)
{
	const char *word = scn_opt(r, "pidf");
	bool closed = word && strcmp(word, "closed") == 0;
	char activity[128] = "";

	if (!word)
		return;
	if (!closed && strcmp(word, "open") != 0)
		snprintf(activity, sizeof(activity), "<ep:activities>"
			 "<ep:activity>%s</ep:activity></ep:activities>", word);
	snprintf(r->pidf, sizeof(r->pidf), PIDF, closed ? "closed" : "open",
		 activity);
	in->content_type = SB_STR("application/pidf+xml");
	in->body = sb_str_of(r->pidf);
}

static void fill_body(const struct scn *r, struct sb_sip_in *in, bool sdp)
{
	bool text = in->method == SB_M_MESSAGE && !in->status;

	in->content_type = scn_str(r, "type", sdp ? "application/sdp" :
				   text ? "text/plain; charset=UTF-8" : "");
	in->body = scn_str(r, "body", sdp ? sim_sdp : "");
}

/* The name becomes the dialog of an INVITE of Lync's. */
static void open_dialog(const struct scn *r, struct scn_name *k)
{
	k->invite = true;
	snprintf(k->call_id, sizeof(k->call_id), "%s",
		 scn_opt(r, "call_id") ? scn_opt(r, "call_id") : k->name);
	snprintf(k->theirs, sizeof(k->theirs), "%s",
		 scn_opt(r, "from_tag") ? scn_opt(r, "from_tag") : k->name);
	k->user = scn_str(r, "user", SCN_USER);
	k->contact = scn_str(r, "contact", SCN_CONTACT);
	snprintf(k->pair, sizeof(k->pair), "%.*s%.*s", SB_FMT(k->contact),
		 SB_FMT(k->user));
	k->contact.p = k->pair;
	k->user.p = k->pair + k->contact.n;
}

/* Our tag stands in the response, which came after the name. */
static const char *our_tag(struct scn *r, struct scn_name *d)
{
	struct sim_server *t = sim_server_of(r->m, d->ref);

	if (!d->ours[0] && t)
		snprintf(d->ours, sizeof(d->ours), "%s", t->to_tag);
	return d->ours;
}

void scn_lync(struct scn *r)
{
	struct sb_sip_in in = {.method = method_of(r->word[1])};
	const char *inside = scn_opt(r, "in"), *cseq = scn_opt(r, "cseq");
	struct scn_name *k = scn_name_add(r, r->word[2]);
	struct scn_name *d = inside ? scn_name(r, inside) : k;

	if (r->failed)
		return;
	if (!inside)
		open_dialog(r, k);
	fill_common(r, &in);
	fill_body(r, &in, in.method == SB_M_INVITE);
	fill_event(r, &in);
	fill_pidf(r, &in);
	in.method_name = sb_str_of(r->word[1]);
	in.from.uri = scn_str(r, "from", "");
	if (!scn_opt(r, "from"))
		in.from.uri = d->user;
	in.to.uri = d->contact;
	in.request_uri = scn_str(r, "ruri", "");
	if (!scn_opt(r, "ruri"))
		in.request_uri = in.to.uri;
	in.from.tag = scn_str(r, "from_tag", d->theirs);
	in.from.display = scn_str(r, "display", "");
	in.from.epid = scn_str(r, "epid", "");
	in.to.tag = scn_str(r, "to_tag", inside ? our_tag(r, d) : "");
	in.call_id = scn_str(r, "call_id", d->call_id);
	in.cseq = cseq ? (uint32_t)strtoul(cseq, NULL, 10) : ++d->cseq;
	k->ref = r->m->txn + 1;
	sim_request(r->m, &in);
}

void scn_reply(struct scn *r)
{
	struct scn_name *k = scn_name(r, r->word[1]);
	struct sb_sip_in in = {.status = atoi(r->word[2])};
	bool invite, ok = in.status >= 200 && in.status < 300;

	if (!k || !k->it)
		return;
	in.method = method_of(k->it->what);
	invite = in.method == SB_M_INVITE;
	fill_common(r, &in);
	fill_body(r, &in, invite && ok);
	in.method_name = sb_str_of(k->it->what);
	in.local = scn_flag(r, "local");
	in.repeated = scn_flag(r, "repeated");
	in.from.uri = sb_str_of(sim_get(k->it, "from"));
	in.from.tag = sb_str_of(sim_get(k->it, "from_tag"));
	in.to.uri = sb_str_of(sim_get(k->it, "to"));
	in.to.tag = scn_str(r, "to_tag", k->name);
	in.to.epid = scn_str(r, "epid", "");
	in.call_id = sb_str_of(sim_get(k->it, "call_id"));
	in.cseq = (uint32_t)strtoul(sim_get(k->it, "cseq"), NULL, 10);
	if (invite && ok && !k->invite) {
		k->invite = true;
		snprintf(k->theirs, sizeof(k->theirs), "%.*s",
			 SB_FMT(in.to.tag));
	}
	sim_respond(r->m, k->ref, &in);
}
