/*
 * test_client_faults.c: stalled, stopped and dying workers, in any order.
 * SPDX-License-Identifier: MIT
 *
 * test_client.c has one case per behaviour; here the test stops and kills the
 * process by signals, so that what is a race there is certain here. Time is
 * the monotonic clock plus what a test adds to it.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client_rig.h"

enum { IDS_TRIED = 20000 };

static struct rig seen, other;
static char text_max[SB_TEXT_MAX + 1];

/* All that was taken had one outcome, nothing that was refused had one. */
static void check_fates(const struct rig *w)
{
	size_t n = (size_t)w->b->next_id;

	rig_check_each_once(w, n);
	for (size_t i = n + 1; i <= IDS_MAX; i++)
		CHECK_INT(w->outcomes[i], 0);
}

/* Nothing is left of it: neither descriptor nor process nor zombie. */
static void check_clean(size_t fds)
{
	CHECK_INT(rig_descriptors(), fds);
	rig_check_no_child();
}

/* The process has stopped when this returns. */
static void stop(pid_t pid)
{
	siginfo_t si;

	kill(pid, SIGSTOP);
	(void)waitid(P_PID, (id_t)pid, &si, WSTOPPED | WNOWAIT);
}

/* ------------------------------------------------------------- stalled -- */

/* Large messages until the bridge refuses one. */
static size_t say_until_full(struct rig *w)
{
	size_t n = 0;
	int err;

	memset(text_max, 'x', SB_TEXT_MAX);
	while ((err = rig_send(w, text_max)) == SB_OK && n < SB_INFLIGHT_MAX)
		n++;
	CHECK_INT(err, SB_EFULL);
	CHECK(sb_channel_pending(w->b->ch) <= SB_CHANNEL_OUT_MAX);
	CHECK(sb_channel_pending(w->b->ch) >
	      SB_CHANNEL_OUT_MAX - 2 * SB_TEXT_MAX);
	return n;
}

TEST(client_faults_stalled_recovers)
{
	struct rig *w = &seen;
	size_t fds = rig_descriptors(), n;

	REQUIRE(rig_start(w, "echo.example"));
	REQUIRE(rig_await(w, &w->ready, 1));
	stop(sb_worker_pid(w->b));
	n = say_until_full(w);
	CHECK_INT(w->b->next_id, n); /* the refused one has no id */
	CHECK_INT(sb_inflight(w->b), n);
	rig_drain(w);
	CHECK_INT(w->delivered, 0);
	CHECK(sb_wait_ms(w->b, rig_clock(w)) > 0);
	kill(sb_worker_pid(w->b), SIGCONT);
	CHECK(rig_await(w, &w->delivered, n));
	CHECK_INT(rig_send(w, "again"), SB_OK);
	CHECK(rig_await(w, &w->delivered, n + 1));
	check_fates(w);
	CHECK_INT(w->gone, 0);
	sb_close(w->b);
	check_clean(fds);
}

/* The out buffer is so full that not even settings go: a hang is still found
 * and nobody spins. */
TEST(client_faults_stalled_is_killed)
{
	struct rig *w = &seen;
	struct sb_config c = rig_config("echo.example");
	size_t fds = rig_descriptors(), n, configs = 0;

	REQUIRE(rig_start(w, "echo.example"));
	REQUIRE(rig_await(w, &w->ready, 1));
	stop(sb_worker_pid(w->b));
	n = say_until_full(w);
	while (rig_send(w, "small") == SB_OK)
		n++;
	while (sb_configure(w->b, &c, rig_clock(w)) == SB_OK && configs < 1000)
		configs++;
	CHECK(configs < 1000);
	CHECK(sb_channel_pending(w->b->ch) <= SB_CHANNEL_OUT_MAX);
	w->skew += SB_PING_MS;
	rig_drain(w);
	CHECK(sb_wait_ms(w->b, rig_clock(w)) > 1000);
	CHECK_INT(w->gone, 0);
	w->skew += SB_PONG_MS;
	CHECK(rig_await(w, &w->gone, 1));
	CHECK_STR(w->reason,
		  "the worker did not answer (killed by signal 9)");
	CHECK_INT(w->failed, n);
	check_fates(w);
	CHECK(rig_await(w, &w->ready, 2));
	sb_close(w->b);
	check_clean(fds);
}

/* It hangs, and so does not hear that it shall end. */
TEST(client_faults_shutdown_of_what_hangs)
{
	struct rig *w = &seen;
	size_t fds = rig_descriptors();

	REQUIRE(rig_start(w, "hang.example"));
	REQUIRE(rig_await(w, &w->ready, 1));
	CHECK_INT(rig_send(w, "x"), SB_OK);
	sb_shutdown(w->b, rig_clock(w));
	rig_drain(w);
	CHECK_INT(w->gone, 0);
	w->skew += SB_PING_MS;
	rig_drain(w);
	w->skew += SB_PONG_MS;
	CHECK(rig_await(w, &w->gone, 1));
	check_fates(w);
	w->skew += 100000;
	rig_drain(w);
	CHECK_INT(sb_worker_pid(w->b), 0);
	CHECK_INT(w->ready, 1);
	CHECK_INT(w->gone, 1);
	sb_close(w->b);
	check_clean(fds);
}

TEST(client_faults_close_of_what_stands_still)
{
	struct rig *w = &seen;
	size_t fds = rig_descriptors();
	uint64_t before;

	REQUIRE(rig_start(w, "echo.example"));
	REQUIRE(rig_await(w, &w->ready, 1));
	stop(sb_worker_pid(w->b));
	before = rig_clock(w);
	sb_close(w->b);
	CHECK(rig_clock(w) - before < SB_END_WAIT_MS + 700);
	check_clean(fds);
}

/* ---------------------------------------------------- deaths, restarts -- */

/* Settings come while the old process is still waited for: the next one waits
 * too (it wants the same ports), and the old one is not forgotten. */
TEST(client_faults_configured_while_it_ends)
{
	struct rig *w = &seen;
	struct sb_config c = rig_config("refuse.example");
	size_t fds = rig_descriptors();
	pid_t old;

	REQUIRE(rig_start(w, "refuse.example"));
	REQUIRE(rig_await(w, &w->refused, 1));
	old = sb_worker_pid(w->b);
	stop(old);
	sb_client_drop(w->b, "test", SB_END_WAIT_MS, rig_clock(w));
	c.domains[0] = (struct sb_domain){SB_STR("good"), SB_STR("edge"),
					  SB_NOSTR, 5061};
	c.domains_n = 1;
	CHECK_INT(sb_configure(w->b, &c, rig_clock(w)), SB_OK);
	rig_drain(w);
	CHECK_INT(w->b->worker.pid, old);
	CHECK_INT(sb_worker_pid(w->b), 0);
	w->skew += SB_END_WAIT_MS; /* then it is killed */
	CHECK(rig_await(w, &w->ready, 1));
	CHECK(w->b->worker.pid != old);
	CHECK_INT(kill(old, 0), -1);
	sb_close(w->b);
	check_clean(fds);
}

/* As often as it is configured, and not once more. */
TEST(client_faults_other_build_each_time)
{
	struct rig *w = &seen;
	struct sb_config c = rig_config("version.example");
	size_t fds = rig_descriptors();

	REQUIRE(rig_start(w, "version.example"));
	for (size_t i = 1; i <= 5; i++) {
		uint64_t end = rig_clock(w) + PATIENCE_MS;

		CHECK(rig_await(w, &w->refused, i));
		while (w->b->worker.pid && rig_turn(w, end))
			;
		w->skew += 10 * SB_RESTART_MAX_MS;
		rig_drain(w);
		CHECK_INT(w->b->worker.pid, 0);
		CHECK_INT(sb_wait_ms(w->b, rig_clock(w)), -1);
		CHECK_INT(w->refused, i);
		CHECK_INT(w->gone, 0);
		CHECK_INT(sb_configure(w->b, &c, rig_clock(w)), SB_OK);
	}
	sb_close(w->b);
	check_clean(fds);
}

/* kill -9 at any moment: each message has one fate, nothing is left behind. */
TEST(client_faults_killed_again_and_again)
{
	struct rig *w = &seen;
	size_t fds = rig_descriptors(), open;
	unsigned dice = 12345;
	uint64_t before;

	REQUIRE(rig_start(w, "echo.example"));
	REQUIRE(rig_await(w, &w->ready, 1));
	open = rig_descriptors();
	for (size_t i = 1; i <= 20; i++) {
		int n;

		dice = dice * 1103515245u + 12345u;
		n = (int)(dice >> 16) % 300;
		CHECK_INT(rig_send(w, "heard"), SB_OK);
		REQUIRE(rig_await(w, &w->delivered, w->delivered + 1));
		for (int k = 0; k < 300; k++) {
			if (k == n)
				kill(sb_worker_pid(w->b), SIGKILL);
			if (rig_send(w, "x") != SB_OK)
				break;
			if (k % 7 == 0 && k < n)
				rig_drain(w);
		}
		before = rig_clock(w);
		REQUIRE(rig_await(w, &w->gone, i));
		w->skew += SB_RESTART_MAX_MS; /* a back-off is over */
		before += SB_RESTART_MAX_MS;
		REQUIRE(rig_await(w, &w->ready, i + 1));
		CHECK(rig_clock(w) - before < 2000);
		CHECK_INT(rig_descriptors(), open);
		check_fates(w);
	}
	CHECK(w->delivered > 0 && w->failed > 0);
	sb_close(w->b);
	check_clean(fds);
}

TEST(client_faults_bridges_are_apart)
{
	struct rig *a = &seen, *b = &other;
	size_t fds = rig_descriptors();

	REQUIRE(rig_start(a, "echo.example"));
	REQUIRE(rig_start(b, "echo.other.example"));
	REQUIRE(rig_await(a, &a->ready, 1));
	REQUIRE(rig_await(b, &b->ready, 1));
	for (size_t i = 1; i <= 50; i++) {
		CHECK_INT(rig_send(a, "x"), SB_OK);
		CHECK_INT(rig_send(b, "x"), SB_OK);
	}
	kill(sb_worker_pid(a->b), SIGKILL);
	CHECK(rig_await(a, &a->ready, 2));
	CHECK(rig_await(b, &b->delivered, 50));
	check_fates(a);
	check_fates(b);
	CHECK_INT(b->gone, 0);
	sb_close(a->b);
	CHECK_INT(rig_send(b, "still there"), SB_OK);
	CHECK(rig_await(b, &b->delivered, 51));
	sb_close(b->b);
	check_clean(fds);
}

/* ----------------------------------------------------- cannot be started -- */

/* Told each time, later each time; there at last, it starts. */
TEST(client_faults_program_comes_late)
{
	static const uint64_t waits[] = {0, 250, 500, 1000, 2000};
	struct rig *w = &seen;
	char dir[] = "/tmp/sb-test-XXXXXX", path[64];
	struct sb_config c = rig_config("echo.example");
	size_t fds = rig_descriptors();
	struct sb_str real = c.worker;

	REQUIRE(mkdtemp(dir) != NULL);
	snprintf(path, sizeof(path), "%s/worker", dir);
	*w = (struct rig){0};
	c.worker = sb_str_of(path);
	REQUIRE(sb_open(&w->b, &c, rig_clock(w)) == SB_OK);
	for (size_t i = 1; i < 5; i++) {
		uint64_t wait;

		CHECK(rig_await(w, &w->gone, i + 1));
		CHECK_INT(w->gone, i + 1);
		wait = w->b->restart_ms - w->b->started_ms;
		CHECK(wait >= waits[i] && wait < waits[i] + waits[1]);
		CHECK_INT(rig_send(w, "x"), SB_EDOWN);
		w->skew += waits[i] - 1; /* time that nobody waits */
	}
	CHECK(symlink(real.p, path) == 0);
	CHECK(rig_await(w, &w->ready, 1));
	CHECK_INT(rig_send(w, "x"), SB_OK);
	CHECK(rig_await(w, &w->delivered, 1));
	check_fates(w);
	sb_close(w->b);
	unlink(path);
	rmdir(dir);
	check_clean(fds);
}

/* A file that is no program ends at once, or does not start: both is told. */
TEST(client_faults_no_program)
{
	struct rig *w = &seen;
	struct sb_config c = rig_config("echo.example");
	size_t fds = rig_descriptors();

	*w = (struct rig){0};
	c.worker = SB_STR("/dev/null");
	REQUIRE(sb_open(&w->b, &c, rig_clock(w)) == SB_OK);
	CHECK(rig_await(w, &w->gone, 2));
	/* the latter where posix_spawn is emulated by fork (valgrind) */
	CHECK(strcmp(w->reason, "cannot start /dev/null: "
				"Permission denied") == 0 ||
	      strcmp(w->reason, "the worker ended (exit status 127)") == 0);
	sb_close(w->b);
	*w = (struct rig){0};
	c.worker = SB_STR("/bin/true");
	REQUIRE(sb_open(&w->b, &c, rig_clock(w)) == SB_OK);
	CHECK(rig_await(w, &w->gone, 2));
	CHECK_STR(w->reason, "the worker ended (exit status 0)");
	CHECK_INT(w->ready, 0);
	sb_close(w->b);
	check_clean(fds);
}

/* ----------------------------------------------------------------- ids -- */

/* Against a plain array, over the table's wrap and growth. */
TEST(client_faults_ids)
{
	static bool in[IDS_TRIED + 1];
	struct sb_ids s = {0};
	uint64_t next = 0, *list = NULL;
	unsigned dice = 99;
	size_t n = 0, bad = 0, k = 0;

	memset(in, 0, sizeof(in));
	while (next < IDS_TRIED) {
		uint64_t id;

		dice = dice * 1103515245u + 12345u;
		if ((dice >> 16) % 5 < 3) {
			int err = sb_ids_add(&s, ++next);

			CHECK_INT(err, n < SB_INFLIGHT_MAX ? SB_OK : SB_EFULL);
			in[next] = err == SB_OK;
			n += err == SB_OK;
			continue;
		}
		id = dice >> 8;
		id = next ? id % (next + 2) : 0;
		bad += sb_ids_remove(&s, id) != (id <= next && in[id]);
		n -= id <= next && in[id];
		if (id <= next)
			in[id] = false;
		bad += s.n != n;
	}
	CHECK_INT(bad, 0);
	CHECK(n > 1000);
	CHECK_INT(sb_ids_take_all(&list, &s), n);
	for (uint64_t id = 1; id <= next; id++) {
		if (in[id])
			bad += list[k++] != id;
	}
	CHECK_INT(bad, 0);
	CHECK_INT(k, n);
	CHECK_INT(s.n, 0);
	CHECK(!sb_ids_remove(&s, 1));
	free(list);
	sb_ids_fini(&s);
}
