/*
 * test_session_walk.c: ten thousand random events on fifty pairs, from a seed.
 * SPDX-License-Identifier: MIT
 *
 * Everything that a plugin, Lync and the wire can do in any order, also what
 * they should not. sim.c watches the invariants; at the end nothing is left.
 */
#include <stdio.h>
#include <stdlib.h>

#include "sim.h"
#include "test.h"

enum { PAIRS = 50, STEPS = 10000, SEEDS = 6, DIALOGS = 128, EVENTS = 128 };

struct walk_dialog {
	char call_id[64], ours[64], theirs[64];
	uint64_t txn; /* of Lync's INVITE, until its 200 */
	unsigned pair;
	uint32_t cseq;
};

struct walk {
	struct sim *m;
	struct walk_dialog d[DIALOGS];
	size_t d_n;
	struct {
		uint64_t id;
		char contact[64], user[64];
	} ev[EVENTS];
	size_t ev_n;
	uint64_t msg_id;
	unsigned serial;
	char contact[64], user[64]; /* of the step's pair */
	char a[64], b[64];	    /* scratch: tags */
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

static struct walk_dialog *pick_dialog(struct walk *w)
{
	size_t n = w->d_n < DIALOGS ? w->d_n : DIALOGS;
	struct walk_dialog *d = n ? &w->d[dice(w, (unsigned)n)] : NULL;

	if (d)
		pick_pair(w, d->pair);
	return d;
}

static struct walk_dialog *add_dialog(struct walk *w)
{
	struct walk_dialog *d = &w->d[w->d_n++ % DIALOGS];

	*d = (struct walk_dialog){.txn = 0};
	return d;
}

/* -------------------------------------------------------------- plugin -- */

static void plugin_message(struct walk *w)
{
	static const char *const threads[] = {"", "t1", "t2"};
	struct sb_request r = {
		.type = SB_REQ_MESSAGE, .id = ++w->msg_id,
		.contact = sb_str_of(w->contact), .user = sb_str_of(w->user),
		.text = SB_STR("text"), .flags = dice(w, 4),
		.thread = sb_str_of(threads[dice(w, 3)]),
	};

	sim_message(w->m, &r);
}

static void plugin_other(struct walk *w, enum sb_request_type type)
{
	struct sb_request r = {
		.type = type, .contact = sb_str_of(w->contact),
		.user = sb_str_of(w->user), .flags = dice(w, 4),
		.typing = dice(w, 2) ? SB_TYPING_ACTIVE : SB_TYPING_IDLE,
	};

	sim_send(w->m, &r);
}

static void plugin_answer(struct walk *w)
{
	static const int statuses[] = {200, 200, 200, 200, 404, 480, 503};
	size_t n = w->ev_n < EVENTS ? w->ev_n : EVENTS, i;
	struct sb_request r = {.type = SB_REQ_ANSWER};

	if (!n)
		return;
	/* mostly a recent one */
	i = dice(w, 4) ? (w->ev_n - 1 - dice(w, n < 4 ? 1 : 4)) % EVENTS :
			 dice(w, (unsigned)n);
	r.id = w->ev[i].id;
	r.contact = sb_str_of(w->ev[i].contact);
	r.user = sb_str_of(w->ev[i].user);
	r.status = statuses[dice(w, 7)];
	r.flags = dice(w, 2);
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
		.contact = SB_STR("sip:gruu@corp.example;gruu"),
		.cseq = 1,
	};

	if (method == SB_M_INVITE) {
		in.content_type = SB_STR("application/sdp");
		in.body = sb_str_of(sim_sdp);
	}
	if (dice(w, 3) == 0) {
		in.record_route[0] = SB_STR("<sip:p.corp.example;lr>, "
					    "<sip:sip.corp.example;lr>");
		in.record_route_n = 1;
	}
	return in;
}

static void lync_invite(struct walk *w, unsigned pair)
{
	struct sb_sip_in in = lync(w, SB_M_INVITE);
	struct walk_dialog *d = add_dialog(w);

	snprintf(d->call_id, sizeof(d->call_id), "call%u", ++w->serial);
	snprintf(d->theirs, sizeof(d->theirs), "tag%u", w->serial);
	d->pair = pair;
	d->cseq = 1;
	in.call_id = sb_str_of(d->call_id);
	in.from.tag = sb_str_of(d->theirs);
	if (dice(w, 3) == 0)
		in.first_message = SB_STR("text/plain; charset=UTF-8; "
					  "ms-body=dGV4dA==");
	d->txn = w->m->txn + 1;
	sim_request(w->m, &in);
}

static void imdn_or_typing(struct walk *w, struct sb_sip_in *in)
{
	static const char *const bodies[] = {
		"<imdn><message-id>1</message-id><recipient><status>480"
		"</status></recipient></imdn>",
		"<imdn><message-id>2</message-id><recipient><status>200"
		"</status></recipient></imdn>",
		"<KeyboardActivity><status status=\"type\"/>"
		"</KeyboardActivity>",
		"<KeyboardActivity><status status=\"idle\"/>"
		"</KeyboardActivity>",
	};
	unsigned i = dice(w, 4);

	in->content_type = i < 2 ? SB_STR("application/ms-imdn+xml") :
				   SB_STR("application/xml");
	in->body = sb_str_of(bodies[i]);
}

static void lync_inside(struct walk *w)
{
	static const enum sb_method methods[] = {
		SB_M_MESSAGE, SB_M_MESSAGE, SB_M_MESSAGE, SB_M_INFO, SB_M_INFO,
		SB_M_NOTIFY, SB_M_BYE, SB_M_UPDATE, SB_M_INVITE, SB_M_REFER,
		SB_M_OTHER, SB_M_OPTIONS,
	};
	struct walk_dialog *d = pick_dialog(w);
	struct sb_sip_in in;
	struct sim_server *t;

	if (!d)
		return;
	t = d->txn ? sim_server_of(w->m, d->txn) : NULL;
	if (t && t->status)
		snprintf(d->ours, sizeof(d->ours), "%s", t->to_tag);
	in = lync(w, methods[dice(w, 12)]);
	if (in.method == SB_M_MESSAGE)
		in.body = dice(w, 2) ? SB_STR("text") : SB_STR("other");
	if (in.method == SB_M_INFO || in.method == SB_M_NOTIFY)
		imdn_or_typing(w, &in);
	in.call_id = sb_str_of(d->call_id);
	in.from.tag = dice(w, 50) ? sb_str_of(d->theirs) : SB_STR("bad");
	in.to.tag = sb_str_of(d->ours);
	in.cseq = dice(w, 20) ? ++d->cseq : d->cseq;
	if (!dice(w, 40))
		in.require = SB_STR("foo");
	sim_request(w->m, &in);
}

static void lync_response(struct walk *w, bool again)
{
	static const int statuses[] = {100, 180, 200, 200, 200, 200, 202, 302,
				       403, 408, 480, 481, 486, 488, 503, 603};
	struct sim *m = w->m;
	size_t i, n = m->client_n;
	struct sim_client *c;
	struct sb_sip_in in;
	struct walk_dialog *d;

	if (!n)
		return;
	for (i = dice(w, (unsigned)n); n-- && m->client[i].done != again;)
		i = (i + 1) % m->client_n;
	c = &m->client[i];
	if (c->done != again || (again && c->method != SB_M_INVITE))
		return;
	snprintf(w->contact, sizeof(w->contact), "%s", sim_get(c->as, "from"));
	snprintf(w->user, sizeof(w->user), "%s", sim_get(c->as, "to"));
	in = lync(w, c->method);
	in.from.uri = sb_str_of(w->contact);
	in.to.uri = sb_str_of(w->user);
	snprintf(w->a, sizeof(w->a), "%s", sim_get(c->as, "from_tag"));
	snprintf(w->b, sizeof(w->b), "r%u", ++w->serial);
	in.from.tag = sb_str_of(w->a);
	in.to.tag = sb_str_of(w->b);
	in.call_id = sb_str_of(sim_get(c->as, "call_id"));
	in.status = again ? 200 : statuses[dice(w, 16)];
	in.local = (in.status == 408 || in.status == 503) && dice(w, 2);
	if (in.status == 488)
		in.diagnostics = SB_STR("52035;reason=\"exists\"");
	if (in.status == 202 && dice(w, 2))
		in.message_id = dice(w, 2) ? SB_STR("1") : SB_STR("2");
	if (dice(w, 8) == 0)
		in.supported = SB_STR("ms-text-format");
	if (c->method == SB_M_INVITE && in.status >= 200 && in.status < 300) {
		d = add_dialog(w);
		snprintf(d->call_id, sizeof(d->call_id), "%s",
			 sim_get(c->as, "call_id"));
		snprintf(d->ours, sizeof(d->ours), "%s", w->a);
		snprintf(d->theirs, sizeof(d->theirs), "%s", w->b);
		d->pair = (unsigned)atoi(w->contact + 5) +
			  10 * (unsigned)atoi(w->user + 5);
	}
	sim_respond(m, c->cookie, &in);
}

static void lync_ack_or_cancel(struct walk *w)
{
	struct sim *m = w->m;

	for (size_t i = 0; i < m->server_n; i++) {
		struct sim_server *t = &m->server[i];

		if (t->method != SB_M_INVITE || t->acked || t->status >= 300 ||
		    dice(w, 2))
			continue;
		if (t->status)
			sim_ack(m, t->txn, dice(w, 20) == 0);
		else if (dice(w, 8) == 0)
			sim_cancel(m, t->txn);
		return;
	}
}

/* ---------------------------------------------------------------- walk -- */

static void read_queue(struct walk *w)
{
	struct sim_item *it;

	while ((it = sim_take(w->m))) {
		bool asks = it->kind == SIM_EVENT &&
			    (strcmp(it->what, "offer") == 0 ||
			     strcmp(it->what, "message") == 0);
		size_t i = w->ev_n % EVENTS;

		if (asks) {
			w->ev[i].id = it->ref;
			snprintf(w->ev[i].contact, sizeof(w->ev[i].contact),
				 "%s", sim_get(it, "contact"));
			snprintf(w->ev[i].user, sizeof(w->ev[i].user), "%s",
				 sim_get(it, "user"));
			w->ev_n++;
		}
		sim_item_free(it);
	}
}

static void time_passes(struct walk *w)
{
	unsigned n = dice(w, 100);

	sim_wait(w->m, n == 0 ? 20 * 60000 : n < 10 ? dice(w, 40000) :
		 dice(w, 2000));
}

static void change_settings(struct walk *w)
{
	struct sb_wire *wire = &w->m->wire;

	wire->first_message_in_invite = dice(w, 2);
	wire->answer_wait_ms = dice(w, 2) * 1000;
	wire->first_message_wait_ms = dice(w, 2) * 5000;
	wire->imdn_wait_ms = dice(w, 2) * 10000;
	wire->imdn_method = dice(w, 2) ? SB_STR("INFO") : SB_STR("MESSAGE");
	sim_configure(w->m);
}

static void step(struct walk *w)
{
	unsigned pair = dice(w, PAIRS), n = dice(w, 1000);

	pick_pair(w, pair);
	if (n < 200)
		plugin_message(w);
	else if (n < 260)
		plugin_other(w, SB_REQ_TYPING);
	else if (n < 275)
		plugin_other(w, SB_REQ_END);
	else if (n < 280)
		plugin_other(w, SB_REQ_SESSIONS);
	else if (n < 400)
		plugin_answer(w);
	else if (n < 440)
		lync_invite(w, pair);
	else if (n < 560)
		lync_inside(w);
	else if (n < 800)
		lync_response(w, false);
	else if (n < 810)
		lync_response(w, true);
	else if (n < 880)
		lync_ack_or_cancel(w);
	else if (n < 885)
		w->m->refuse_next = (int)dice(w, 4);
	else if (n < 890)
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

TEST(session_walk)
{
	const char *more = getenv("LG_WALK_SEEDS");
	uint64_t seeds = more ? strtoull(more, NULL, 10) : SEEDS;

	for (uint64_t seed = 1; seed <= seeds; seed++)
		walk(seed, seed % 2);
}
