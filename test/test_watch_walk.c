/*
 * test_watch_walk.c: ten thousand random events on fifty pairs, from a seed,
 * for the watch engine.
 * SPDX-License-Identifier: MIT
 *
 * Everything that a plugin, Lync and the wire can do in any order, also what
 * they should not. sim_watch.c watches the invariants; at the end nothing is
 * left, and not a byte more than at the start.
 */
#include <stdio.h>
#include <stdlib.h>

#include "sim.h"
#include "test.h"

enum { PAIRS = 50, STEPS = 10000, SEEDS = 6, DIALOGS = 128, EVENTS = 64 };

struct walk_dialog {
	char call_id[64], ours[64], theirs[64];
	uint64_t txn; /* of Lync's SUBSCRIBE, until its 200 */
	unsigned pair;
	uint32_t cseq;
};

struct walk {
	struct sim *m;
	struct walk_dialog watch[DIALOGS], sub[DIALOGS];
	size_t watch_n, sub_n;
	uint64_t ev[EVENTS];
	size_t ev_n;
	unsigned serial;
	char contact[64], user[64]; /* of the step's pair */
	char call_id[64], a[64], b[64]; /* scratch */
};

static unsigned dice(struct walk *w, unsigned n)
{
	return (unsigned)((sim_random(w->m) >> 33) % n);
}

static void pick_pair(struct walk *w, unsigned pair)
{
	snprintf(w->contact, sizeof(w->contact), "sip:c%u@chat.example",
		 pair % 10);
	snprintf(w->user, sizeof(w->user), "sip:u%u@corp.example", pair / 10);
}

static struct walk_dialog *pick(struct walk *w, struct walk_dialog *d,
				size_t n)
{
	if (!n)
		return NULL;
	d += dice(w, (unsigned)(n < DIALOGS ? n : DIALOGS));
	pick_pair(w, d->pair);
	return d;
}

/* -------------------------------------------------------------- plugin -- */

static void plugin(struct walk *w, enum sb_request_type type)
{
	static const char *const names[] = {"", "Ada", "Ada Lovelace"};
	struct sb_request r = {
		.type = type, .contact = sb_str_of(w->contact),
		.user = sb_str_of(w->user),
		.display = sb_str_of(names[dice(w, 3)]),
		.text = sb_str_of(names[dice(w, 3)]),
		.presence = (enum sb_presence)dice(w, SB_PR_OFF_WORK + 1),
		.flags = (dice(w, 2) ? SB_F_VERIFIED : 0u) |
			 (dice(w, 4) ? 0u : SB_F_NOTES),
	};

	sim_send(w->m, &r);
}

static void plugin_answer(struct walk *w)
{
	static const int statuses[] = {200, 200, 200, 200, 200, 404, 403, 503};
	struct sb_request r = {.type = SB_REQ_ANSWER,
			       .flags = dice(w, 2) ? SB_F_VERIFIED : 0};

	if (!w->ev_n)
		return;
	r.id = w->ev[dice(w, 4) ? (w->ev_n - 1) % EVENTS :
		     dice(w, (unsigned)(w->ev_n < EVENTS ? w->ev_n : EVENTS))];
	r.status = statuses[dice(w, 8)];
	sim_send(w->m, &r);
}

/* ---------------------------------------------------------------- lync -- */

static struct sb_sip_in lync(struct walk *w, enum sb_method method)
{
	struct sb_sip_in in = {
		.method = method, .method_name = SB_STR("X"),
		.domain = SB_STR("corp.example"),
		.request_uri = sb_str_of(w->contact),
		.from = {.uri = sb_str_of(w->user)},
		.to = {.uri = sb_str_of(w->contact)},
		.contact = dice(w, 20) ? SB_STR("sip:gruu@corp.example;gruu") :
					 SB_STR("sip:other@corp.example;gruu"),
		.cseq = 1, .event = SB_STR("presence"), .expires = -1,
	};

	if (dice(w, 3) == 0) {
		in.record_route[0] = dice(w, 2) ?
			SB_STR("<sip:p.corp.example;lr>;tag=1, "
			       "<sip:sip.corp.example;lr>") :
			SB_STR("<sip:q.corp.example;lr>");
		in.record_route_n = 1;
	}
	if (dice(w, 60) == 0)
		in.event = SB_STR("dialog");
	if (dice(w, 60) == 0)
		in.require = SB_STR("foo");
	return in;
}

static void fill_subscribe(struct walk *w, struct sb_sip_in *in)
{
	static const int expires[] = {-1, -1, 0, 30, 60, 600, 86400, 3600};
	static const char *const accept[] = {
		"", "application/pidf+xml", "text/xml+msrtc.pidf",
		"application/msrtc-event-categories+xml, application/pidf+xml"};

	in->expires = expires[dice(w, 8)];
	in->accept = sb_str_of(accept[dice(w, 4)]);
	if (dice(w, 60) == 0)
		in->accept = SB_STR("text/plain");
}

static void lync_subscribe(struct walk *w, unsigned pair)
{
	struct sb_sip_in in = lync(w, SB_M_SUBSCRIBE);
	struct walk_dialog *d = &w->sub[w->sub_n++ % DIALOGS];

	*d = (struct walk_dialog){.pair = pair, .cseq = 1};
	w->serial++;
	snprintf(d->call_id, sizeof(d->call_id), dice(w, 2) ? "call%u" :
		 "%08x%08x", w->serial, 17u);
	snprintf(d->theirs, sizeof(d->theirs), "t%u", w->serial);
	in.call_id = sb_str_of(d->call_id);
	in.from.tag = sb_str_of(d->theirs);
	fill_subscribe(w, &in);
	d->txn = w->m->txn + 1;
	sim_request(w->m, &in);
}

static void lync_again(struct walk *w)
{
	struct walk_dialog *d = pick(w, w->sub, w->sub_n);
	struct sb_sip_in in;
	struct sim_server *t;

	if (!d)
		return;
	t = d->txn ? sim_server_of(w->m, d->txn) : NULL;
	if (t && t->status)
		snprintf(d->ours, sizeof(d->ours), "%s", t->to_tag);
	in = lync(w, SB_M_SUBSCRIBE);
	fill_subscribe(w, &in);
	in.call_id = sb_str_of(d->call_id);
	in.from.tag = dice(w, 50) ? sb_str_of(d->theirs) : SB_STR("bad");
	in.to.tag = sb_str_of(d->ours);
	in.cseq = dice(w, 20) ? ++d->cseq : d->cseq;
	sim_request(w->m, &in);
}

static void fill_notify(struct walk *w, struct sb_sip_in *in)
{
	static const char *const states[] = {
		"active", "active;expires=600", "active;expires=60",
		"active;expires=86400", "active", "active",
		"pending;expires=60", "terminated;reason=deactivated",
		"terminated;reason=timeout", "terminated;reason=rejected",
		"terminated;reason=giveup;retry-after=20", "terminated", ""};
	static const char *const basic[] = {"open", "closed", "junk"};
	static char body[256];

	in->subscription_state = sb_str_of(states[dice(w, 13)]);
	if (dice(w, 5) == 0)
		return;
	snprintf(body, sizeof(body), "<presence xmlns=\"urn:ietf:params:xml:"
		 "ns:pidf\" entity=\"sip:a@b\"><tuple id=\"0\"><status><basic>"
		 "%s</basic></status></tuple></presence>", basic[dice(w, 3)]);
	in->body = sb_str_of(body);
	in->content_type = dice(w, 30) ? SB_STR("application/pidf+xml") :
					 SB_STR("text/plain");
}

static void lync_notify(struct walk *w)
{
	struct walk_dialog *d = pick(w, w->watch, w->watch_n);
	struct sb_sip_in in;

	if (!d)
		return;
	in = lync(w, SB_M_NOTIFY);
	fill_notify(w, &in);
	in.call_id = sb_str_of(d->call_id);
	in.from.tag = dice(w, 50) ? sb_str_of(d->theirs) : SB_STR("fork");
	in.to.tag = dice(w, 50) ? sb_str_of(d->ours) : SB_STR("bad");
	in.cseq = dice(w, 20) ? ++d->cseq : d->cseq;
	if (dice(w, 100) == 0)
		d->cseq += 5;
	sim_request(w->m, &in);
}

static struct sb_sip_in response(struct walk *w, const struct sim_client *c,
				 int status)
{
	struct sb_sip_in in = lync(w, c->method);

	snprintf(w->contact, sizeof(w->contact), "%s", sim_get(c->as, "from"));
	snprintf(w->user, sizeof(w->user), "%s", sim_get(c->as, "to"));
	snprintf(w->call_id, sizeof(w->call_id), "%s",
		 sim_get(c->as, "call_id"));
	snprintf(w->a, sizeof(w->a), "%s", sim_get(c->as, "from_tag"));
	snprintf(w->b, sizeof(w->b), "r%.8s", sim_get(c->as, "call_id"));
	in.from = (struct sb_party){.uri = sb_str_of(w->contact),
				    .tag = sb_str_of(w->a)};
	in.to = (struct sb_party){.uri = sb_str_of(w->user),
				  .tag = sb_str_of(w->b)};
	in.call_id = sb_str_of(w->call_id);
	in.status = status;
	return in;
}

static void lync_response(struct walk *w)
{
	static const int statuses[] = {100, 200, 200, 200, 200, 200, 200, 200,
				       202, 403, 404, 408, 423, 480, 481, 488,
				       489, 500, 503, 603};
	static const int expires[] = {-1, 0, 60, 600, 28367, 1000000};
	struct sim *m = w->m;
	size_t i, n = m->client_n;
	struct sb_sip_in in;

	if (!n)
		return;
	for (i = dice(w, (unsigned)n); n-- && m->client[i].done;)
		i = (i + 1) % m->client_n;
	if (m->client[i].done)
		return;
	in = response(w, &m->client[i], statuses[dice(w, 20)]);
	in.local = (in.status == 408 || in.status == 503) && dice(w, 2);
	in.expires = expires[dice(w, 6)];
	in.min_expires = in.status == 423 ? (int)dice(w, 100000) : 0;
	in.retry_after = dice(w, 10) ? 0 : (int)dice(w, 7200);
	if (dice(w, 50) == 0)
		in.record_route[in.record_route_n++] = SB_STR("<sip:a");
	sim_respond(m, m->client[i].cookie, &in);
}

/* What the carrier does after 32 s. */
static void give_up(struct walk *w)
{
	struct sim *m = w->m;

	for (size_t i = 0; i < m->client_n; i++) {
		struct sb_sip_in in;

		if (m->client[i].done || m->now - m->client[i].sent_ms < 32000)
			continue;
		in = response(w, &m->client[i], 408);
		in.local = true;
		sim_respond(m, m->client[i].cookie, &in);
		i = 0;
	}
}

/* ---------------------------------------------------------------- walk -- */

static void remember(struct walk *w, const struct sim_item *it)
{
	struct walk_dialog *d;

	if (it->kind == SIM_EVENT && strcmp(it->what, "subscribe") == 0 &&
	    it->ref)
		w->ev[w->ev_n++ % EVENTS] = it->ref;
	if (it->kind != SIM_REQUEST || strcmp(it->what, "SUBSCRIBE") != 0 ||
	    *sim_get(it, "to_tag"))
		return;
	d = &w->watch[w->watch_n++ % DIALOGS];
	*d = (struct walk_dialog){.cseq = dice(w, 5)};
	snprintf(d->call_id, sizeof(d->call_id), "%s", sim_get(it, "call_id"));
	snprintf(d->ours, sizeof(d->ours), "%s", sim_get(it, "from_tag"));
	snprintf(d->theirs, sizeof(d->theirs), "r%.8s",
		 sim_get(it, "call_id"));
	d->pair = (unsigned)atoi(sim_get(it, "from") + 5) +
		  10 * (unsigned)atoi(sim_get(it, "to") + 5);
}

static void read_queue(struct walk *w)
{
	struct sim_item *it;

	while ((it = sim_take(w->m))) {
		remember(w, it);
		sim_item_free(it);
	}
}

/* In small steps, so that nobody waits for ever for the carrier. */
static void time_passes(struct walk *w)
{
	unsigned n = dice(w, 100);
	unsigned ms = n == 0 ? 20 * 60000 : n < 10 ? dice(w, 40000) :
		      dice(w, 2000);

	for (; ms > 5000; ms -= 5000) {
		sim_wait(w->m, 5000);
		read_queue(w);
		give_up(w);
	}
	sim_wait(w->m, ms);
	give_up(w);
}

static void change_settings(struct walk *w)
{
	struct sb_wire *wire = &w->m->wire;

	wire->watch_expires_ms = dice(w, 2) ? 28800000 : 600000;
	wire->offer_expires_ms = dice(w, 2) ? 3600000 : 600000;
	wire->ask_categories = dice(w, 2);
	wire->tell_categories = dice(w, 2);
	sim_configure(w->m);
}

static void step(struct walk *w)
{
	unsigned pair = dice(w, PAIRS), n = dice(w, 1000);

	pick_pair(w, pair);
	if (n < 80)
		plugin(w, SB_REQ_WATCH);
	else if (n < 110)
		plugin(w, SB_REQ_UNWATCH);
	else if (n < 210)
		plugin(w, SB_REQ_PRESENCE);
	else if (n < 215)
		plugin(w, SB_REQ_REJECT);
	else if (n < 218)
		plugin(w, SB_REQ_WATCHES);
	else if (n < 300)
		plugin_answer(w);
	else if (n < 350)
		lync_subscribe(w, pair);
	else if (n < 420)
		lync_again(w);
	else if (n < 570)
		lync_notify(w);
	else if (n < 850)
		lync_response(w);
	else if (n < 855)
		w->m->refuse_next = (int)dice(w, 4);
	else if (n < 860)
		change_settings(w);
	else
		time_passes(w);
	read_queue(w);
}

static void walk(uint64_t seed, bool shutdown)
{
	struct walk *w = calloc(1, sizeof(*w));
	char note[64];
	int i;

	if (!w)
		abort();
	w->m = sim_new(seed);
	for (i = 0; i < STEPS && !w->m->bad[0]; i++)
		step(w);
	snprintf(note, sizeof(note), "seed %ju step %d", (uintmax_t)seed, i);
	test_note(note);
	CHECK_STR(w->m->bad, "");
	sim_drain(w->m, shutdown);
	CHECK_STR(w->m->bad, "");
	test_note(NULL);
	sim_free(w->m);
	free(w);
}

TEST(watch_walk)
{
	const char *more = getenv("LG_WALK_SEEDS");
	uint64_t seeds = more ? strtoull(more, NULL, 10) : SEEDS;

	for (uint64_t seed = 1; seed <= seeds; seed++)
		walk(seed, seed % 2);
}
