/*
 * test_client_end.c: the client with real processes: refusals, the end, and
 * what a worker inherits.
 * SPDX-License-Identifier: MIT
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "client_rig.h"

/* ------------------------------------------------------------- refusal -- */

TEST(client_other_build)
{
	struct rig s;

	REQUIRE(rig_start(&s, "version.example"));
	CHECK_INT(rig_send(&s, "x"), SB_OK);
	CHECK(rig_await(&s, &s.refused, 1));
	CHECK(strstr(s.reason, "another build") != NULL);
	CHECK(rig_await(&s, &s.failed, 1));
	rig_check_each_once(&s, 1);
	s.skew += 100000;
	rig_drain(&s);
	CHECK_INT(sb_worker_pid(s.b), 0);
	CHECK_INT(rig_send(&s, "x"), SB_EDOWN);
	CHECK_INT(s.gone, 0);
	sb_close(s.b);
	rig_check_no_child();
}

static void check_protocol_end(const char *fqdn)
{
	struct rig s;

	REQUIRE(rig_start(&s, fqdn));
	CHECK(rig_await(&s, &s.gone, 1));
	CHECK_STR(s.reason,
		  "the worker broke the protocol (killed by signal 9)");
	sb_close(s.b);
}

TEST(client_protocol_ends)
{
	check_protocol_end("early.example");
	check_protocol_end("pong.example");
	rig_check_no_child();
}

TEST(client_refused_settings)
{
	struct sb_config c = rig_config("refuse.example"), other = c;
	struct rig s;

	REQUIRE(rig_start(&s, "refuse.example"));
	CHECK(rig_await(&s, &s.refused, 1));
	CHECK_STR(s.reason, "no good domain");
	CHECK_INT(rig_send(&s, "x"), SB_EDOWN);
	c.domains[0].name = SB_STR("good");
	CHECK_INT(sb_configure(s.b, &c, rig_clock(&s)), SB_OK);
	CHECK(rig_await(&s, &s.ready, 1));
	CHECK_INT(rig_send(&s, "x"), SB_OK);
	CHECK(rig_await(&s, &s.delivered, 1));
	/* refused later: the worker goes on, and the next one starts with
	 * what was good */
	CHECK_INT(sb_configure(s.b, &other, rig_clock(&s)), SB_OK);
	CHECK(rig_await(&s, &s.refused, 2));
	CHECK_INT(rig_send(&s, "x"), SB_OK);
	CHECK(rig_await(&s, &s.delivered, 2));
	CHECK_INT(rig_send(&s, "die"), SB_OK);
	CHECK(rig_await(&s, &s.ready, 2));
	CHECK_INT(s.refused, 2);
	/* what cannot change */
	c.listen[0] = SB_STR("127.0.0.2:5061");
	CHECK_INT(sb_configure(s.b, &c, rig_clock(&s)), SB_EINVAL);
	sb_close(s.b);
	rig_check_no_child();
}

TEST(client_dies_refused)
{
	struct sb_config c = rig_config("refuse.example");
	struct rig s;
	uint64_t end;

	REQUIRE(rig_start(&s, "refuse.example"));
	CHECK(rig_await(&s, &s.refused, 1));
	kill(sb_worker_pid(s.b), SIGKILL);
	end = rig_clock(&s) + PATIENCE_MS;
	while (s.b->worker.pid)
		REQUIRE(rig_turn(&s, end));
	s.skew += 100000;
	rig_drain(&s);
	CHECK_INT(sb_worker_pid(s.b), 0);
	CHECK_INT(s.gone, 0);
	c.domains[0].name = SB_STR("good");
	CHECK_INT(sb_configure(s.b, &c, rig_clock(&s)), SB_OK);
	CHECK(rig_await(&s, &s.ready, 1));
	sb_close(s.b);
}

TEST(client_no_such_program)
{
	struct sb_config c = rig_config("echo.example");
	struct rig s = {0};
	size_t fds = rig_descriptors();

	c.worker = SB_STR("/nonexistent/worker");
	REQUIRE(sb_open(&s.b, &c, rig_clock(&s)) == SB_OK);
	CHECK(rig_await(&s, &s.gone, 2));
	CHECK_INT(rig_send(&s, "x"), SB_EDOWN);
	/* the latter where posix_spawn is emulated by fork (valgrind) */
	CHECK(strcmp(s.reason, "cannot start /nonexistent/worker: "
			       "No such file or directory") == 0 ||
	      strcmp(s.reason, "the worker ended (exit status 127)") == 0);
	sb_close(s.b);
	CHECK_INT(rig_descriptors(), fds);
	rig_check_no_child();
}

TEST(client_bad_settings)
{
	struct sb_config c = rig_config("echo.example");
	struct sb_bridge *b = NULL;

	c.listen_n = 0;
	CHECK_INT(sb_open(&b, &c, 0), SB_EINVAL);
	c.listen_n = SB_LISTEN_MAX + 1;
	CHECK_INT(sb_open(&b, &c, 0), SB_ETOOBIG);
	c.listen_n = 1;
	c.wire.verification_header = SB_STR("x: %n%s");
	CHECK_INT(sb_open(&b, &c, 0), SB_EINVAL);
	c.wire.verification_header = SB_STR("x: %s\r\ny: z");
	CHECK_INT(sb_open(&b, &c, 0), SB_EBADTEXT);
	c.wire.verification_header = SB_NOSTR;
	c.wire.imdn_method = SB_STR("BYE");
	CHECK_INT(sb_open(&b, &c, 0), SB_EINVAL);
	CHECK(b == NULL);
}

/* ----------------------------------------------------------------- end -- */

TEST(client_shutdown)
{
	struct rig s;

	REQUIRE(rig_start(&s, "hold.example"));
	CHECK(rig_await(&s, &s.ready, 1));
	CHECK_INT(rig_send(&s, "x"), SB_OK);
	sb_shutdown(s.b, rig_clock(&s));
	sb_shutdown(s.b, rig_clock(&s));
	CHECK_INT(rig_send(&s, "x"), SB_EDOWN);
	CHECK(rig_await(&s, &s.gone, 1));
	CHECK_STR(s.reason, "the worker ended (exit status 0)");
	rig_check_each_once(&s, 1);
	s.skew += 100000;
	rig_drain(&s);
	CHECK_INT(s.gone, 1);
	CHECK_INT(sb_worker_pid(s.b), 0);
	CHECK_INT(sb_wait_ms(s.b, rig_clock(&s)), -1);
	sb_close(s.b);
	rig_check_no_child();
}

TEST(client_shutdown_without_worker)
{
	struct sb_config c = rig_config("echo.example");
	struct rig s = {0};

	c.worker = SB_STR("/nonexistent/worker");
	REQUIRE(sb_open(&s.b, &c, rig_clock(&s)) == SB_OK);
	CHECK(rig_await(&s, &s.gone, 2));
	sb_shutdown(s.b, rig_clock(&s));
	CHECK(rig_await(&s, &s.gone, 3));
	sb_close(s.b);
	sb_close(NULL);
}

/* Told to end, its channel closed: it stays. Then it is killed. */
TEST(client_close_kills)
{
	size_t fds = rig_descriptors();
	struct rig s;
	uint64_t before;

	REQUIRE(rig_start(&s, "stuck.example"));
	CHECK(rig_await(&s, &s.ready, 1));
	sb_shutdown(s.b, rig_clock(&s));
	rig_drain(&s);
	before = rig_clock(&s);
	sb_close(s.b);
	CHECK(rig_clock(&s) - before < SB_END_WAIT_MS + 500);
	CHECK_INT(rig_descriptors(), fds);
	rig_check_no_child();
}

/* The descriptor is quiet when nothing happens. */
TEST(client_descriptor_is_drained)
{
	struct pollfd p;
	struct rig s;

	REQUIRE(rig_start(&s, "echo.example"));
	CHECK(rig_await(&s, &s.ready, 1));
	p = (struct pollfd){sb_fd(s.b), POLLIN, 0};
	CHECK_INT(poll(&p, 1, 0), 0);
	CHECK(sb_wait_ms(s.b, rig_clock(&s)) > 1000);
	CHECK_INT(rig_send(&s, "x"), SB_OK);
	CHECK_INT(sb_wait_ms(s.b, rig_clock(&s)), 0);
	CHECK(rig_await(&s, &s.delivered, 1));
	CHECK_INT(poll(&p, 1, 0), 0);
	CHECK_INT(rig_send(&s, "die"), SB_OK);
	CHECK(rig_await(&s, &s.ready, 2));
	CHECK_INT(poll(&p, 1, 0), 0);
	sb_close(s.b);
}

/* What the worker inherits. */
TEST(client_spawns_clean)
{
	int inherited = fcntl(0, F_DUPFD, 10); /* not closed on exec */
	sigset_t usr1, before;
	struct rig s;

	setenv("TPORT_LOG", "1", 1);
	setenv("NTA_DEBUG", "9", 1);
	setenv("FAKE_KEPT", "1", 1);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, &before);
	signal(SIGUSR1, SIG_IGN);
	if (rig_start(&s, "look.example")) {
		CHECK(rig_await(&s, &s.logs, 1));
		CHECK_STR(s.log,
			  "fds 0 1 2 3, resolver timeout:1 attempts:1, "
			  "dump 0, debug 0, kept 1, usr1 open default");
		sb_close(s.b);
	}
	if (inherited >= 0)
		close(inherited);
	signal(SIGUSR1, SIG_DFL);
	sigprocmask(SIG_SETMASK, &before, NULL);
	unsetenv("TPORT_LOG");
	unsetenv("NTA_DEBUG");
	unsetenv("FAKE_KEPT");
}
