/*
 * test_session_glare.c: both sides INVITE at once, in every order of events
 * and with every answer.
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>

#include "sim.h"
#include "test.h"

#define CONTACT SB_STR("sip:ada@chat.example")
#define USER SB_STR("sip:lena@corp.example")

/* M: the contact writes; R: our INVITE is answered; I, A, K: theirs comes, is
 * answered by the plugin, is ACKed. Within each side the order is given. */
static const char *const orders[] = {
	"MRIAK", "MIRAK", "MIARK", "MIAKR", "IMRAK",
	"IMARK", "IMAKR", "IAMRK", "IAMKR", "IAKMR",
};

struct glare {
	struct sim *m;
	uint64_t theirs, offer;
	int reply, answer;
	bool no_ack;
	int said; /* MESSAGEs that Lync took */
	char outcome[16];
};

static void take_all(struct glare *g)
{
	struct sim_item *it;

	while ((it = sim_take(g->m))) {
		if (it->kind == SIM_EVENT && strcmp(it->what, "offer") == 0)
			g->offer = it->ref;
		if (it->kind == SIM_EVENT && strcmp(it->what, "outcome") == 0)
			snprintf(g->outcome, sizeof(g->outcome), "%s",
				 sim_get(it, "outcome"));
		sim_item_free(it);
	}
}

static struct sim_client *open_client(struct glare *g, enum sb_method method)
{
	for (size_t i = 0; i < g->m->client_n; i++)
		if (!g->m->client[i].done && g->m->client[i].method == method)
			return &g->m->client[i];
	return NULL;
}

static void reply(struct glare *g, struct sim_client *c, int status)
{
	struct sb_sip_in in = {
		.method = c->method, .status = status,
		.domain = SB_STR("corp.example"), .cseq = 1,
		.call_id = sb_str_of(sim_get(c->as, "call_id")),
		.from = {.uri = CONTACT,
			 .tag = sb_str_of(sim_get(c->as, "from_tag"))},
		.to = {.uri = USER, .tag = SB_STR("r1")},
		.contact = SB_STR("sip:lena@corp.example;gruu"),
	};

	if (c->method == SB_M_INVITE && status == 200) {
		in.content_type = SB_STR("application/sdp");
		in.body = sb_str_of(sim_sdp);
	}
	if (c->method == SB_M_MESSAGE && status == 200)
		g->said++;
	sim_respond(g->m, c->cookie, &in);
}

static void invite(struct glare *g)
{
	struct sb_sip_in in = {
		.method = SB_M_INVITE, .method_name = SB_STR("INVITE"),
		.domain = SB_STR("corp.example"), .request_uri = CONTACT,
		.from = {.uri = USER, .tag = SB_STR("t1")},
		.to = {.uri = CONTACT}, .call_id = SB_STR("theirs"), .cseq = 1,
		.contact = SB_STR("sip:lena@corp.example;gruu"),
		.content_type = SB_STR("application/sdp"),
		.body = sb_str_of(sim_sdp),
	};

	g->theirs = sim_request(g->m, &in);
}

static void event(struct glare *g, char what)
{
	struct sb_request r = {.id = 1, .contact = CONTACT, .user = USER};
	struct sim_client *c;

	switch (what) {
	case 'M':
		r.type = SB_REQ_MESSAGE;
		r.text = SB_STR("a");
		sim_message(g->m, &r);
		break;
	case 'R':
		c = open_client(g, SB_M_INVITE);
		if (c)
			reply(g, c, g->reply);
		break;
	case 'I':
		invite(g);
		break;
	case 'A':
		r.type = SB_REQ_ANSWER;
		r.id = g->offer;
		r.status = g->answer;
		sim_send(g->m, &r);
		break;
	default:
		if (g->answer == 200)
			sim_ack(g->m, g->theirs, g->no_ack);
		break;
	}
	take_all(g);
}

/* Lync takes each MESSAGE and an INVITE that comes later. */
static void finish(struct glare *g)
{
	struct sim_client *c;

	for (int i = 0; i < 10; i++) {
		while ((c = open_client(g, SB_M_MESSAGE)))
			reply(g, c, 200);
		while ((c = open_client(g, SB_M_BYE)))
			reply(g, c, 200);
		c = open_client(g, SB_M_INVITE);
		if (c)
			reply(g, c, c->cancelled ? 487 : 200);
		take_all(g);
	}
}

static void run(const char *order, int how)
{
	struct glare g = {
		.reply = how & 1 ? 486 : 200,
		.answer = how & 2 ? 403 : 200,
		.no_ack = how & 4,
	};
	char note[64];

	snprintf(note, sizeof(note), "%s reply %d answer %d%s", order, g.reply,
		 g.answer, g.no_ack ? " no ACK" : "");
	test_note(note);
	g.m = sim_new(7);
	for (const char *p = order; *p; p++) {
		event(&g, *p);
		if (!CHECK(g.m->bad[0] == '\0'))
			puts(g.m->bad);
	}
	finish(&g);
	/* What Lync took is delivered, once; what it did not take is not. */
	CHECK_INT(g.said, strcmp(g.outcome, "delivered") == 0 ? 1 : 0);
	CHECK(g.outcome[0] != '\0');
	/* It only fails where our own INVITE was refused. */
	if (g.reply == 200)
		CHECK_STR(g.outcome, "delivered");
	sim_drain(g.m, how & 1);
	CHECK_STR(g.m->bad, "");
	sim_free(g.m);
	test_note(NULL);
}

TEST(session_glare_all_orders)
{
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++)
		for (int how = 0; how < 8; how++)
			run(orders[i], how);
}
