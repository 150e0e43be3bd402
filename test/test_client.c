/*
 * test_client.c: the client with real processes: traffic, deaths, silence.
 * SPDX-License-Identifier: MIT
 */
#include <poll.h>
#include <signal.h>

#include "client_rig.h"

/* ------------------------------------------------------------- traffic -- */

TEST(client_echo)
{
	size_t fds = rig_descriptors();
	struct rig s;
	struct sb_request typing = rig_message("");

	REQUIRE(rig_start(&s, "echo.example"));
	/* queued behind the settings */
	for (int i = 0; i < 5000; i++)
		CHECK_INT(rig_send(&s, "hello"), SB_OK);
	typing.type = SB_REQ_TYPING;
	typing.typing = SB_TYPING_ACTIVE;
	CHECK_INT(sb_send(s.b, &typing, NULL, rig_clock(&s)), SB_OK);
	CHECK_INT(sb_inflight(s.b), 5000);
	CHECK(rig_await(&s, &s.typing, 1));
	CHECK_INT(s.ready, 1);
	CHECK_INT(s.delivered, 5000);
	rig_check_each_once(&s, 5000);
	sb_close(s.b);
	CHECK_INT(rig_descriptors(), fds);
	rig_check_no_child();
}

TEST(client_carries_presence)
{
	struct sb_request r = rig_message("");
	struct rig s;

	REQUIRE(rig_start(&s, "echo.example"));
	r.type = SB_REQ_WATCH;
	r.flags = SB_F_VERIFIED | SB_F_NOTES;
	CHECK_INT(sb_send(s.b, &r, NULL, rig_clock(&s)), SB_OK);
	CHECK(rig_await(&s, &s.watches, 2));
	CHECK_INT(s.states, 1);
	CHECK_INT(s.subscribes, 1);
	r.type = SB_REQ_PRESENCE;
	CHECK_INT(sb_send(s.b, &r, NULL, rig_clock(&s)), SB_EINVAL);
	r.presence = SB_PR_AWAY;
	r.text = SB_STR("back soon");
	CHECK_INT(sb_send(s.b, &r, NULL, rig_clock(&s)), SB_OK);
	CHECK(rig_await(&s, &s.states, 2));
	r.type = SB_REQ_ANSWER; /* to an event of the watch engine */
	r.id = UINT64_C(1) << 63 | 7;
	r.status = 200;
	r.flags = SB_F_VERIFIED;
	CHECK_INT(sb_send(s.b, &r, NULL, rig_clock(&s)), SB_OK);
	CHECK(rig_await(&s, &s.logs, 1));
	CHECK_STR(s.log, "accepted");
	r.type = SB_REQ_UNWATCH;
	CHECK_INT(sb_send(s.b, &r, NULL, rig_clock(&s)), SB_OK);
	CHECK(rig_await(&s, &s.watches, 3));
	r.type = SB_REQ_WATCHES;
	CHECK_INT(sb_send(s.b, &r, NULL, rig_clock(&s)), SB_OK);
	CHECK(rig_await(&s, &s.watch_lists, 1));
	CHECK_INT(sb_inflight(s.b), 0);
	CHECK_INT(s.b->next_id, 0); /* no outcome is owed for any of it */
	sb_close(s.b);
}

TEST(client_refuses_bad_requests)
{
	static char big[SB_TEXT_MAX + 2];
	struct sb_request r;
	uint64_t id = 77;
	struct rig s;

	REQUIRE(rig_start(&s, "echo.example"));
	r = rig_message("");
	CHECK_INT(sb_send(s.b, &r, &id, 0), SB_EINVAL);
	r = rig_message("a\rb");
	CHECK_INT(sb_send(s.b, &r, &id, 0), SB_EBADTEXT);
	memset(big, 'x', sizeof(big) - 1);
	r = rig_message(big);
	CHECK_INT(sb_send(s.b, &r, &id, 0), SB_ETOOBIG);
	r = rig_message("fine");
	r.thread = SB_STR("a\nRoute: evil");
	CHECK_INT(sb_send(s.b, &r, &id, 0), SB_EBADTEXT);
	r = rig_message("fine");
	r.user = SB_STR("sip:alice@contoso.example>;x=<");
	CHECK_INT(sb_send(s.b, &r, &id, 0), SB_EBADTEXT);
	r = rig_message("fine");
	r.type = SB_REQ_ANSWER;
	r.status = 302;
	r.id = 1;
	CHECK_INT(sb_send(s.b, &r, &id, 0), SB_EINVAL);
	CHECK_INT(id, 77);
	CHECK_INT(sb_inflight(s.b), 0);
	sb_close(s.b);
	rig_check_no_child();
}

TEST(client_bounds_inflight)
{
	struct rig s;
	int r = SB_OK;
	size_t n = 0;

	REQUIRE(rig_start(&s, "hold.example"));
	while (n <= SB_INFLIGHT_MAX && (r = rig_send(&s, "x")) == SB_OK)
		n++;
	CHECK_INT(r, SB_EFULL);
	CHECK_INT(n, SB_INFLIGHT_MAX);
	CHECK(rig_await(&s, &s.ready, 1));
	kill(sb_worker_pid(s.b), SIGKILL);
	CHECK(rig_await(&s, &s.failed, n));
	rig_check_each_once(&s, n);
	CHECK_STR(s.token, "bridge-died");
	sb_close(s.b);
}

TEST(client_ignores_stray_outcomes)
{
	struct rig s;

	REQUIRE(rig_start(&s, "stray.example"));
	for (int i = 0; i < 100; i++)
		CHECK_INT(rig_send(&s, "x"), SB_OK);
	CHECK(rig_await(&s, &s.delivered, 100));
	s.skew += 6000; /* a pong is behind all of them */
	rig_drain(&s);
	CHECK_INT(rig_send(&s, "last"), SB_OK);
	CHECK(rig_await(&s, &s.delivered, 101));
	rig_check_each_once(&s, 101);
	CHECK(s.b->stray >= 200);
	CHECK_INT(s.gone, 0);
	sb_close(s.b);
}

TEST(client_drains_a_flood)
{
	struct rig s;

	REQUIRE(rig_start(&s, "flood.example"));
	CHECK(rig_await(&s, &s.logs, 20000));
	CHECK_STR(s.log, "line 19999");
	CHECK_INT(s.gone, 0);
	sb_close(s.b);
}

/* A worker that was slow and says nothing: the descriptor tells of the room. */
TEST(client_writes_when_there_is_room)
{
	uint64_t end;
	struct rig s;

	REQUIRE(rig_start(&s, "hold.example"));
	CHECK(rig_await(&s, &s.ready, 1));
	kill(sb_worker_pid(s.b), SIGSTOP);
	for (int i = 0; i < 8000; i++)
		CHECK_INT(rig_send(&s, "enough to fill a socket"), SB_OK);
	rig_drain(&s);
	CHECK(sb_channel_pending(s.b->ch) > 0);
	CHECK(sb_wait_ms(s.b, rig_clock(&s)) > 2000);
	kill(sb_worker_pid(s.b), SIGCONT);
	end = rig_clock(&s) + 2000; /* less than a heartbeat */
	while (sb_channel_pending(s.b->ch) > 0)
		REQUIRE(rig_turn(&s, end));
	CHECK_INT(s.gone, 0);
	sb_close(s.b);
}

/* -------------------------------------------------------------- deaths -- */

TEST(client_killed_in_traffic)
{
	size_t fds = rig_descriptors();
	struct rig s;
	uint64_t before;
	int pid;

	REQUIRE(rig_start(&s, "echo.example"));
	CHECK(rig_await(&s, &s.ready, 1));
	pid = sb_worker_pid(s.b);
	for (int i = 0; i < 4000; i++) {
		int r = rig_send(&s, "x");

		CHECK(r == SB_OK || (i > 3000 && r == SB_EDOWN));
		if (i == 3000)
			kill(pid, SIGKILL);
		if (i % 100 == 0 && s.gone == 0)
			rig_drain(&s);
		if (s.gone)
			break;
	}
	before = rig_clock(&s);
	CHECK(rig_await(&s, &s.gone, 1));
	CHECK_STR(s.reason, "the worker ended (killed by signal 9)");
	CHECK(rig_await(&s, &s.ready, 2));
	CHECK(rig_clock(&s) - before < 2000);
	CHECK(sb_worker_pid(s.b) != pid && sb_worker_pid(s.b) > 0);
	rig_check_each_once(&s, (size_t)s.b->next_id);
	CHECK(s.failed > 0);
	CHECK_STR(s.token, "bridge-died");
	CHECK_INT(rig_send(&s, "again"), SB_OK);
	CHECK(rig_await(&s, &s.delivered, s.delivered + 1));
	sb_close(s.b);
	CHECK_INT(rig_descriptors(), fds);
	rig_check_no_child();
}

TEST(client_tells_outcomes_before_the_death)
{
	struct rig s;

	REQUIRE(rig_start(&s, "echo.example"));
	for (int i = 0; i < 10; i++)
		CHECK_INT(rig_send(&s, "x"), SB_OK);
	CHECK_INT(rig_send(&s, "die"), SB_OK);
	CHECK_INT(rig_send(&s, "x"), SB_OK);
	CHECK(rig_await(&s, &s.gone, 1));
	CHECK_STR(s.reason, "the worker ended (exit status 7)");
	CHECK_INT(s.delivered, 10);
	CHECK_INT(s.failed, 2);
	rig_check_each_once(&s, 12);
	CHECK(rig_await(&s, &s.ready, 2));
	sb_close(s.b);
}

TEST(client_ends_a_lost_list)
{
	struct sb_request r = {.type = SB_REQ_SESSIONS};
	struct sb_request watches = {.type = SB_REQ_WATCHES};
	struct rig s;

	REQUIRE(rig_start(&s, "hold.example"));
	CHECK_INT(sb_send(s.b, &r, NULL, rig_clock(&s)), SB_OK);
	for (int i = 0; i < 3; i++)
		CHECK_INT(sb_send(s.b, &watches, NULL, rig_clock(&s)), SB_OK);
	CHECK_INT(rig_send(&s, "die"), SB_OK);
	CHECK(rig_await(&s, &s.gone, 1));
	CHECK_INT(s.lists, 1);
	CHECK_INT(s.watch_lists, 3);
	sb_close(s.b);
}

/* A watch that is lost has no outcome: SB_EV_WORKER says it for all. */
TEST(client_loses_watches_silently)
{
	struct sb_request r = rig_message("");
	size_t told;
	struct rig s;

	REQUIRE(rig_start(&s, "echo.example"));
	r.type = SB_REQ_WATCH;
	CHECK_INT(sb_send(s.b, &r, NULL, rig_clock(&s)), SB_OK);
	CHECK(rig_await(&s, &s.watches, 2));
	CHECK_INT(rig_send(&s, "die"), SB_OK);
	CHECK_INT(sb_send(s.b, &r, NULL, rig_clock(&s)), SB_OK);
	CHECK(rig_await(&s, &s.ready, 2));
	told = s.watches;
	CHECK_INT(told, 2);
	CHECK_INT(s.watch_lists, 0);
	CHECK_INT(sb_send(s.b, &r, NULL, rig_clock(&s)), SB_OK);
	CHECK(rig_await(&s, &s.watches, told + 2));
	sb_close(s.b);
}

/* Deaths in a row: at once, 250, 500 ... 30000 ms; then sixty good seconds. */
TEST(client_backs_off)
{
	static const int waits[] = {0, 250, 500, 1000, 2000, 4000, 8000,
				    16000, 30000, 30000};
	size_t n = sizeof(waits) / sizeof(waits[0]);
	struct rig s;

	REQUIRE(rig_start(&s, "garbage.example"));
	for (size_t i = 0; i < n; i++) {
		uint64_t now;
		int wait;

		REQUIRE(rig_await(&s, &s.gone, i + 1));
		CHECK_STR(s.reason, "the worker broke the protocol "
				    "(killed by signal 9)");
		CHECK_INT(s.ready, i + 1);
		if (i == 0)
			continue; /* restarted already */
		now = s.b->started_ms;
		wait = (int)(s.b->restart_ms - now);
		CHECK(wait >= waits[i] && wait < waits[i] + 2000);
		CHECK_INT(sb_worker_pid(s.b), 0);
		CHECK_INT(rig_send(&s, "x"), SB_EDOWN);
		s.skew += (uint64_t)waits[i];
	}
	sb_close(s.b);
	rig_check_no_child();
}

TEST(client_forgets_old_deaths)
{
	struct rig s;

	REQUIRE(rig_start(&s, "echo.example"));
	for (size_t i = 0; i < 4; i++) {
		REQUIRE(rig_await(&s, &s.ready, i + 1));
		for (int k = 0; k < 13; k++) {
			s.skew += 5000;
			CHECK_INT(rig_send(&s, "x"), SB_OK);
			CHECK(rig_await(&s, &s.delivered, s.delivered + 1));
		}
		CHECK_INT(rig_send(&s, "die"), SB_OK);
		REQUIRE(rig_await(&s, &s.gone, i + 1));
		CHECK_INT(s.b->deaths, 1);
	}
	sb_close(s.b);
}

TEST(client_ends_what_hangs)
{
	struct rig s;
	int pid;

	REQUIRE(rig_start(&s, "hang.example"));
	CHECK(rig_await(&s, &s.ready, 1));
	pid = sb_worker_pid(s.b);
	CHECK_INT(rig_send(&s, "x"), SB_OK);
	s.skew += SB_PING_MS;
	rig_drain(&s);
	CHECK(s.b->pinged);
	s.skew += SB_PONG_MS - 100;
	rig_drain(&s);
	CHECK_INT(sb_worker_pid(s.b), pid);
	CHECK_INT(s.failed, 0);
	s.skew += 200;
	CHECK(rig_await(&s, &s.gone, 1));
	CHECK_STR(s.reason,
		  "the worker did not answer (killed by signal 9)");
	rig_check_each_once(&s, 1);
	CHECK(rig_await(&s, &s.ready, 2));
	sb_close(s.b);
	rig_check_no_child();
}

/* The caller slept, not the worker: what stands in the channel counts. */
TEST(client_forgives_its_own_sleep)
{
	struct rig s;
	struct pollfd p;

	REQUIRE(rig_start(&s, "echo.example"));
	CHECK(rig_await(&s, &s.ready, 1));
	for (int i = 0; i < 5; i++) {
		s.skew += SB_PING_MS;
		rig_drain(&s); /* pings */
		CHECK(s.b->pinged);
		p = (struct pollfd){sb_fd(s.b), POLLIN, 0};
		CHECK_INT(poll(&p, 1, PATIENCE_MS), 1);
		s.skew += 60000; /* the pong waits in the socket */
		rig_drain(&s);
	}
	CHECK_INT(s.gone, 0);
	CHECK_INT(s.b->deaths, 0);
	sb_close(s.b);
}
