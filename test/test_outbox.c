/*
 * test_outbox.c: which events wait for others, and which are left out.
 * SPDX-License-Identifier: MIT
 */
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../sipbridge/outbox.h"
#include "test.h"

struct rig {
	struct sb_channel *in, *out;
	struct sb_outbox o;
};

static bool init(struct rig *g)
{
	int fd[2];

	if (!CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0) ||
	    !CHECK_INT(sb_channel_new(&g->in, fd[0]), SB_OK) ||
	    !CHECK_INT(sb_channel_new(&g->out, fd[1]), SB_OK))
		return false;
	sb_outbox_init(&g->o, g->out);
	return true;
}

static void fini(struct rig *g)
{
	sb_channel_free(g->in);
	sb_channel_free(g->out);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static int deliver(struct rig *g, uint64_t id)
{
	struct sb_event ev = {.type = SB_EV_OUTCOME, .id = id,
			      .outcome = SB_DELIVERED, .status = 200};

	return sb_outbox_put(&g->o, &ev);
}

static int put(struct rig *g, enum sb_event_type type)
{
	struct sb_event ev = {.type = type, .id = 1, .outcome = SB_FAILED,
			      .status = 404};

	if (type == SB_EV_LOG)
		ev.text = SB_STR("a line");
	return sb_outbox_put(&g->o, &ev);
}

/* Ids of what has arrived; -1: something else. */
static int arrived(struct rig *g, uint64_t *at_us)
{
	struct sb_frame f;
	int n = 0;

	while (sb_channel_fill(g->in) == SB_OK && sb_channel_more(g->in))
		while (sb_channel_get(g->in, &f) == 1) {
			n++;
			if (f.kind == SB_FRAME_EVENT && at_us)
				*at_us = f.event.at_us;
		}
	return n;
}

TEST(outbox_holds_what_was_delivered)
{
	uint64_t then = now_ms(), at_us = 0;
	struct rig g;

	REQUIRE(init(&g));
	CHECK_INT(sb_outbox_held(&g.o, then), 0); /* nothing */
	CHECK_INT(deliver(&g, 1), SB_OK);
	CHECK(sb_outbox_held(&g.o, then) > 0);
	CHECK(sb_outbox_held(&g.o, g.o.held_ms) == SB_OUTBOX_HOLD_MS);
	CHECK_INT(sb_outbox_held(&g.o, g.o.held_ms + SB_OUTBOX_HOLD_MS - 1), 1);
	CHECK_INT(sb_outbox_held(&g.o, g.o.held_ms + SB_OUTBOX_HOLD_MS), 0);
	CHECK_INT(deliver(&g, 2), SB_OK);
	CHECK_INT(sb_outbox_flush(&g.o), SB_OK);
	CHECK_INT(arrived(&g, &at_us), 2);
	CHECK(at_us / 1000 >= then && at_us / 1000 <= now_ms());
	CHECK_INT(sb_outbox_held(&g.o, now_ms()), 0);
	fini(&g);
}

TEST(outbox_does_not_hold_others)
{
	static const enum sb_event_type types[] = {
		SB_EV_OUTCOME, SB_EV_LOG, SB_EV_WORKER, SB_EV_EDGE};
	struct rig g;

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		REQUIRE(init(&g));
		CHECK_INT(deliver(&g, 7), SB_OK);
		CHECK_INT(put(&g, types[i]), SB_OK);
		CHECK_INT(sb_outbox_held(&g.o, g.o.held_ms), 0);
		CHECK_INT(sb_outbox_flush(&g.o), SB_OK);
		CHECK_INT(arrived(&g, NULL), 2);
		CHECK_INT(deliver(&g, 8), SB_OK); /* from here on again */
		CHECK(sb_outbox_held(&g.o, g.o.held_ms) > 0);
		sb_outbox_pong(&g.o);
		CHECK_INT(sb_outbox_held(&g.o, g.o.held_ms), 0);
		fini(&g);
	}
}

TEST(outbox_holds_so_many)
{
	struct rig g;
	unsigned n = 0;

	REQUIRE(init(&g));
	while (!sb_outbox_above(&g.o, SB_OUTBOX_HOLD_BYTES)) {
		CHECK(n == 0 || sb_outbox_held(&g.o, g.o.held_ms) > 0);
		CHECK_INT(deliver(&g, ++n), SB_OK);
	}
	CHECK_INT(sb_outbox_held(&g.o, g.o.held_ms), 0);
	CHECK(n > 100);
	fini(&g);
}

/* What the socket did not take is sent as soon as it does, whatever comes
 * behind it. */
TEST(outbox_does_not_hold_back_what_is_stuck)
{
	struct rig g;
	uint64_t id = 0;

	REQUIRE(init(&g));
	do {
		for (int i = 0; i < 1000; i++)
			CHECK_INT(deliver(&g, ++id), SB_OK);
		CHECK_INT(sb_outbox_flush(&g.o), SB_OK);
	} while (!sb_channel_pending(g.out));
	CHECK_INT(deliver(&g, ++id), SB_OK);
	CHECK_INT(sb_outbox_held(&g.o, g.o.held_ms), 0);
	fini(&g);
}

TEST(outbox_leaves_out_what_nobody_is_owed)
{
	struct sb_sip_in invite = {.method = SB_M_INVITE},
			 bye = {.method = SB_M_BYE};
	struct rig g;
	uint64_t id = 0;
	size_t before;

	REQUIRE(init(&g));
	CHECK(sb_outbox_admits(&g.o, &invite, false));
	while (!sb_outbox_above(&g.o, SB_OUTBOX_FULL))
		CHECK_INT(deliver(&g, ++id), SB_OK);
	before = sb_channel_pending(g.out);
	CHECK_INT(put(&g, SB_EV_LOG), SB_OK);
	CHECK_INT(sb_channel_pending(g.out), before);
	CHECK_INT(put(&g, SB_EV_OUTCOME), SB_OK);
	CHECK(sb_channel_pending(g.out) > before);
	CHECK(!sb_outbox_admits(&g.o, &invite, false));
	CHECK(sb_outbox_admits(&g.o, &bye, false));
	CHECK_INT(g.o.dropped, 1);
	CHECK_INT(g.o.refused, 1);
	CHECK_INT(sb_outbox_tell_busy(&g.o, now_ms()), SB_OK);
	CHECK_INT(g.o.refused, 1); /* there is no room to tell it */
	fini(&g);
}
