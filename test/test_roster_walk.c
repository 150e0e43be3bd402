/*
 * test_roster_walk.c: anything in any order, with a model of the bridge, of
 * the contacts and of the storage beside it.
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>

#include "../plugin/error.h"
#include "roster_rig.h"

enum { CONTACTS = 5, USERS = 4, PAIRS = CONTACTS * USERS, STEPS = 6000 };

static const char *const contacts[CONTACTS] = {
	"a@fed.example", "b@fed.example", "c@ver.example", "d@unv.example",
	"e@unv.example"};
static const char *const users[USERS] = {"bob@contoso.com", "u1@contoso.com",
					 "u2@contoso.com", "eve@contoso.com"};

/* What the outside knows of a pair. */
struct model {
	bool watched;	  /* the bridge */
	bool due;	  /* it has asked */
	bool subscribed;  /* Lync */
	bool shown;	  /* the contact takes the user for available */
	bool told;	  /* Lync takes the contact for available */
	uint64_t prompted; /* day + 1 of the last subscribe */
	char saved[LG_RECORD_MAX]; /* "": nothing */
};

struct walk {
	struct ros g;
	struct model m[PAIRS];
	uint64_t seed;
	bool up;
	bool scarce; /* memory is */
	unsigned answers; /* wanted minus given */
	size_t contact, user;
};

static uint32_t roll(struct walk *w, uint32_t n)
{
	w->seed = w->seed * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)(w->seed >> 33) % n;
}

static struct model *model_of(struct walk *w, struct sb_str contact,
			      struct sb_str user)
{
	for (size_t i = 0; i < PAIRS; i++) {
		if (sb_str_eq(contact, sb_str_of(contacts[i / USERS])) &&
		    sb_str_eq(user, sb_str_of(users[i % USERS])))
			return &w->m[i];
	}
	CHECK(false);
	return &w->m[0];
}

/* Trust holds in every single effect, with the settings of the moment. */
static void check_trust(struct walk *w, const struct lg_effect *fx)
{
	struct sb_str domain = fx->contact;
	const struct lg_partner *p;

	domain.p += 2;
	domain.n -= 2;
	p = lg_partners_find(&w->g.s.partners, domain);
	if (fx->kind == LG_FX_ANSWER || fx->kind == LG_FX_REJECT ||
	    fx->kind == LG_FX_UNWATCH || fx->kind == LG_FX_ERROR)
		return;
	if (fx->kind == LG_FX_TELL && fx->presence == SB_PR_OFFLINE)
		return;
	if (!CHECK(p != NULL))
		return;
	if (fx->note.n || fx->flags & SB_F_NOTES)
		CHECK(p->type == LG_FEDERATED);
	if (fx->kind == LG_FX_WATCH ||
	    (fx->kind == LG_FX_PRESENCE && fx->show != LG_SHOW_UNAVAILABLE)) {
		CHECK(!sb_str_eq(fx->user, sb_str_of(users[3])));
		CHECK(p->type != LG_PUBLIC_UNVERIFIED ||
		      lg_roster_listed(w->g.r, &w->g.s, fx->contact, fx->user,
				       w->g.now));
	}
}

static void check_bridge(struct walk *w, struct model *m,
			 const struct lg_effect *fx, bool direct)
{
	CHECK(w->up || fx->kind == LG_FX_ANSWER || fx->kind == LG_FX_REJECT ||
	      direct);
	if (fx->kind == LG_FX_WATCH) {
		m->watched = true;
		m->due = false;
	}
	else if (fx->kind == LG_FX_UNWATCH) {
		CHECK(direct || m->watched);
		m->watched = false;
	}
	else if (fx->kind == LG_FX_TELL) {
		m->told = fx->presence != SB_PR_OFFLINE;
	}
	else if (fx->kind == LG_FX_ANSWER) {
		w->answers--;
		m->subscribed = fx->status == 200;
	}
}

static void take(struct walk *w, const struct lg_effect *fx, bool direct)
{
	struct model *m = model_of(w, fx->contact, fx->user);

	check_trust(w, fx);
	if (!lg_fx_stanza(fx->kind)) {
		check_bridge(w, m, fx, direct);
	}
	else if (fx->kind == LG_FX_PRESENCE) {
		m->shown = fx->show != LG_SHOW_UNAVAILABLE;
	}
	else if (fx->kind == LG_FX_SUBSCRIBE) {
		CHECK(m->prompted != w->g.now / RIG_DAY + 1);
		m->prompted = w->g.now / RIG_DAY + 1;
	}
}

static void drain(struct walk *w)
{
	struct lg_effect fx;

	for (size_t i = 0; i < w->g.fx.n; i++)
		take(w, &w->g.fx.v[i], true);
	w->g.fx.n = 0;
	while (lg_roster_next(w->g.r, &w->g.s, w->g.now, &fx))
		take(w, &fx, false);
	CHECK_INT(w->answers, 0);
}

static void save(struct walk *w)
{
	char record[LG_RECORD_MAX];
	struct sb_str user, contact;
	const void *cursor;

	while (lg_roster_dirty_next(w->g.r, &user)) {
		for (size_t i = 0; i < PAIRS; i++)
			if (sb_str_eq(user, sb_str_of(users[i % USERS])))
				w->m[i].saved[0] = '\0';
		cursor = NULL;
		while (lg_roster_pair_of(w->g.r, user, &cursor, &contact,
					 record))
			memcpy(model_of(w, contact, user)->saved, record,
			       sizeof(record));
	}
}

static void ticks(struct walk *w, uint64_t seconds)
{
	uint64_t end = w->g.now + seconds;
	int turns = 0;

	do {
		uint32_t wait = lg_roster_tick(w->g.r, &w->g.s, w->g.now);

		drain(w);
		if (wait > end - w->g.now)
			wait = (uint32_t)(end - w->g.now);
		w->g.now += wait;
	} while ((w->g.now < end || turns < 4) && ++turns < 100000);
	CHECK(turns < 100000);
}

/* Nothing is left to say: the models and the pairs agree. */
static void check_row(struct walk *w, struct model *m,
		      const struct lg_explanation *e)
{
	const struct lg_row *row = &e->row;

	if (!e->known) {
		CHECK(!m->watched && !m->subscribed);
		CHECK_STR(m->saved, "");
		return;
	}
	CHECK_INT(row->watching, m->watched);
	CHECK_INT(row->subscribed, m->subscribed);
	if (m->watched)
		CHECK(row->in != LG_IN_NONE && !row->sleeps);
	if (m->shown)
		CHECK(row->in == LG_IN_ACTIVE || row->stale);
	if (m->told && m->subscribed)
		CHECK(row->out == LG_OUT_GRANTED && row->resources > 0);
	if (row->resources > 0)
		CHECK(row->out == LG_OUT_GRANTED);
	if (w->up && row->in != LG_IN_NONE && !row->sleeps &&
	    strcmp(e->sees_user_remedy, "wait") == 0)
		CHECK(m->watched);
}

static void check_all(struct walk *w)
{
	struct lg_explanation e;
	struct lg_roster_count c;
	size_t known = 0, watched = 0, subscribed = 0;

	drain(w);
	ticks(w, 0);
	save(w);
	for (size_t i = 0; i < PAIRS; i++) {
		w->g.contact = contacts[i / USERS];
		w->g.user = users[i % USERS];
		CHECK_STR(ros_record(&w->g), w->m[i].saved);
		lg_roster_explain(&e, w->g.r, &w->g.s,
				  sb_str_of(w->g.contact),
				  sb_str_of(w->g.user), w->g.now);
		check_row(w, &w->m[i], &e);
		known += e.known;
		watched += w->m[i].watched;
		subscribed += w->m[i].subscribed;
	}
	lg_roster_count(w->g.r, w->g.now, &c);
	CHECK_INT(c.pairs, known);
	CHECK_INT(c.active, watched);
	CHECK_INT(c.subscribed, subscribed);
	CHECK_INT(c.waiting, 0);
	CHECK_INT(c.dirty, 0);
}

static void stanza(struct walk *w)
{
	static const char *const shows[] = {"", "chat", "away", "xa", "dnd"};
	enum lg_stanza_kind kind = (enum lg_stanza_kind)roll(w, 8);
	char full[64];

	if (kind == LG_P_ERROR) /* a question may have come back */
		w->m[w->contact * USERS + w->user].prompted = 0;
	snprintf(full, sizeof(full), "%s/r%u", contacts[w->contact],
		 roll(w, 3));
	ros_feed(&w->g, &(struct lg_stanza){
				.kind = kind,
				.contact = sb_str_of(full),
				.user = sb_str_of(users[w->user]),
				.show = sb_str_of(shows[roll(w, 5)]),
				.priority = (int)roll(w, 5) - 1,
				.status = roll(w, 2) ? SB_STR("status")
						     : SB_NOSTR,
				.wait = roll(w, 2)});
}

static void event(struct walk *w, struct sb_event ev)
{
	ev.contact = sb_str_of(contacts[w->contact]);
	ev.user = sb_str_of(users[w->user]);
	ros_feed_event(&w->g, &ev);
}

/* Mostly what a bridge says, and sometimes what it should not. */
static void bridge(struct walk *w)
{
	static const enum sb_watch_state watches[] = {
		SB_WATCH_ACTIVE, SB_WATCH_ACTIVE, SB_WATCH_REFUSED,
		SB_WATCH_FAILING, SB_WATCH_DUE, SB_WATCH_ENDED};
	struct model *m = &w->m[w->contact * USERS + w->user];
	struct sb_event ev = {.type = SB_EV_WATCH};

	if (!w->up)
		return;
	ev.watch = watches[roll(w, 6)];
	ev.status = ev.watch == SB_WATCH_REFUSED ? 404 : 200;
	if (ev.watch == SB_WATCH_REFUSED)
		m->watched = false;
	if (ev.watch == SB_WATCH_DUE)
		m->due = true;
	event(w, ev);
}

static void state(struct walk *w)
{
	if (w->up)
		event(w, (struct sb_event){
				 .type = SB_EV_STATE,
				 .presence = (enum sb_presence)roll(w, 10),
				 .text = roll(w, 2) ? SB_STR("note")
						    : SB_NOSTR});
}

static void subscribe(struct walk *w)
{
	struct model *m = &w->m[w->contact * USERS + w->user];
	uint64_t id = m->subscribed && roll(w, 2) ? 0 : 1 + roll(w, 1000);

	if (!w->up)
		return;
	w->answers += id != 0;
	if (!m->subscribed)
		m->told = false;
	event(w, (struct sb_event){.type = SB_EV_SUBSCRIBE,
				   .id = id,
				   .added = roll(w, 2)});
}

static void unsubscribed(struct walk *w)
{
	struct model *m = &w->m[w->contact * USERS + w->user];

	m->subscribed = false;
	event(w, (struct sb_event){.type = SB_EV_UNSUBSCRIBED,
				   .token = roll(w, 4) ? SB_STR("expired")
						       : SB_STR("rejected")});
}

static void worker(struct walk *w)
{
	if (w->up) {
		for (size_t i = 0; i < PAIRS; i++) {
			w->m[i].watched = false;
			w->m[i].subscribed = false;
		}
	}
	w->up = !w->up;
	ros_feed_event(&w->g, &(struct sb_event){.type = SB_EV_WORKER,
						 .status = w->up});
}

static void settings(struct walk *w)
{
	static const char *const types[] = {"federated", "public_verified",
					    "public_unverified", ""};
	struct ros_change change = {.fed_type = types[roll(w, 4)],
				    .nobody = roll(w, 6) == 0,
				    .subscriptions = 100000,
				    .recipients = 100000};

	drain(w);
	ros_settings(&w->g, change);
	lg_roster_settings(w->g.r);
	/* Who is no partner cannot be told anything. */
	for (size_t i = 0; i < PAIRS && !change.fed_type[0]; i++)
		if (strstr(contacts[i / USERS], "fed.example"))
			w->m[i].shown = false;
	ticks(w, 0);
}

/* What was saved is what comes back. */
static void restart(struct walk *w)
{
	struct lg_roster_limits limits = {.key = {w->seed, 1}};

	drain(w);
	save(w);
	lg_roster_free(w->g.r);
	w->g.r = NULL;
	CHECK_INT(lg_roster_new(&w->g.r, &limits, w->g.now), LG_OK);
	w->up = false;
	for (size_t i = 0; i < PAIRS; i++) {
		w->m[i].watched = false;
		w->m[i].subscribed = false;
		w->m[i].prompted = 0; /* unless it was answered */
		if (w->m[i].saved[0])
			CHECK_INT(lg_roster_load(
					  w->g.r,
					  sb_str_of(contacts[i / USERS]),
					  sb_str_of(users[i % USERS]),
					  sb_str_of(w->m[i].saved), w->g.now),
				  LG_OK);
	}
}

static void step(struct walk *w)
{
	w->contact = roll(w, CONTACTS);
	w->user = roll(w, USERS);
	switch (roll(w, 16)) {
	case 0: case 1: case 2: case 3: case 4:
		stanza(w);
		break;
	case 5: case 6: case 7:
		bridge(w);
		break;
	case 8: case 9:
		state(w);
		break;
	case 10: case 11:
		subscribe(w);
		break;
	case 12:
		unsubscribed(w);
		break;
	case 13:
		ticks(w, roll(w, 4) ? roll(w, 100) : roll(w, 200000));
		break;
	case 14:
		if (roll(w, 4) == 0)
			settings(w);
		break;
	default:
		if (roll(w, 8) == 0)
			worker(w);
		if (roll(w, 40) == 0 && !w->scarce)
			restart(w);
		break;
	}
	/* Effects that answer are to be carried out at once; the others may
	 * wait, here for any number of steps. */
	for (size_t i = 0; i < w->g.fx.n; i++)
		take(w, &w->g.fx.v[i], true);
	w->g.fx.n = 0;
}

static void finish(struct walk *w, size_t bytes)
{
	struct lg_roster_count c;

	for (size_t i = 0; i < PAIRS; i++) {
		w->contact = i / USERS;
		w->user = i % USERS;
		unsubscribed(w);
		lg_roster_end(w->g.r, sb_str_of(contacts[w->contact]),
			      sb_str_of(users[w->user]), true, true);
	}
	ticks(w, 4 * 3600);
	check_all(w);
	save(w);
	lg_roster_count(w->g.r, w->g.now, &c);
	CHECK_INT(c.pairs, 0);
	CHECK_INT(c.users, 0);
	CHECK_INT(c.contacts, 0);
	CHECK_INT(c.bytes - c.table_bytes, bytes);
}

static void walk(uint64_t seed, size_t bytes)
{
	struct lg_roster_limits limits = {.key = {seed, 7}, .bytes = bytes};
	static struct walk w;
	struct lg_roster_count c;
	char note[32];

	memset(&w, 0, sizeof(w));
	if (!ros_init_limits(&w.g, limits))
		return;
	w.scarce = bytes > 0;
	w.seed = seed;
	w.up = true;
	lg_roster_count(w.g.r, w.g.now, &c);
	for (int i = 0; i < STEPS; i++) {
		snprintf(note, sizeof(note), "seed %d, step %d", (int)seed, i);
		test_note(note);
		step(&w);
		if (roll(&w, 3))
			drain(&w);
		if (roll(&w, 10) == 0)
			check_all(&w);
		else if (roll(&w, 10) == 0)
			save(&w);
	}
	finish(&w, c.bytes - c.table_bytes);
	test_note(NULL);
	ros_fini(&w.g);
}

TEST(roster_walk)
{
	for (uint64_t seed = 1; seed <= 40; seed++)
		walk(seed, 0);
}

/* With room for about as much as it takes, or less. */
TEST(roster_walk_no_memory)
{
	struct lg_roster_count c;
	struct ros g;

	REQUIRE(ros_init(&g));
	lg_roster_count(g.r, g.now, &c);
	ros_fini(&g);
	for (uint64_t seed = 1; seed <= 20; seed++)
		walk(seed, c.bytes - c.table_bytes + 200 * seed);
}
