/*
 * test_client.c: the client with real processes that die, hang and lie.
 * SPDX-License-Identifier: MIT
 *
 * Time is the monotonic clock plus what a test adds to it, so that nobody
 * waits for a heartbeat.
 */
#include <dirent.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../sipbridge/client_priv.h"
#include "test.h"

enum { IDS_MAX = 10000, PATIENCE_MS = 10000 };

/* A bridge with what has been seen of it. */
struct seen {
	struct sb_bridge *b;
	uint64_t skew; /* ms added to the clock */
	unsigned char outcomes[IDS_MAX + 1]; /* by id */
	size_t delivered, failed, ready, gone, refused, logs, typing, lists;
	size_t order;	/* events so far */
	char token[64];
	char reason[512]; /* of the last SB_EV_WORKER */
	char log[512];	  /* last line */
};

static uint64_t clock_ms(const struct seen *s)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000 +
	       s->skew;
}

static void keep(char *to, size_t n, struct sb_str s)
{
	snprintf(to, n, "%.*s", SB_FMT(s));
}

static void note_worker(struct seen *s, const struct sb_event *ev)
{
	if (ev->status == 1)
		s->ready++;
	else if (ev->status == 0)
		s->gone++;
	else
		s->refused++;
	keep(s->reason, sizeof(s->reason), ev->reason);
}

static void note(struct seen *s, const struct sb_event *ev)
{
	s->order++;
	if (ev->type == SB_EV_OUTCOME) {
		CHECK(ev->id > 0 && ev->id <= IDS_MAX);
		if (ev->id <= IDS_MAX)
			s->outcomes[ev->id]++;
		if (ev->outcome == SB_DELIVERED)
			s->delivered++;
		else {
			s->failed++;
			CHECK(ev->local);
			CHECK_INT(ev->status, 503);
			CHECK(ev->reason.n > 0);
			keep(s->token, sizeof(s->token), ev->token);
		}
	}
	else if (ev->type == SB_EV_WORKER)
		note_worker(s, ev);
	else if (ev->type == SB_EV_LOG) {
		s->logs++;
		keep(s->log, sizeof(s->log), ev->text);
	}
	else if (ev->type == SB_EV_TYPING)
		s->typing++;
	else if (ev->type == SB_EV_SESSIONS_END)
		s->lists++;
}

static void drain(struct seen *s)
{
	struct sb_event ev;

	while (sb_next(s->b, &ev, clock_ms(s)) == 1)
		note(s, &ev);
}

/* Waits for what comes next, or for end; false at the end. */
static bool turn(struct seen *s, uint64_t end)
{
	struct pollfd p = {sb_fd(s->b), POLLIN, 0};
	uint64_t now = clock_ms(s);
	int wait = sb_wait_ms(s->b, now);

	if (now >= end)
		return false;
	if (wait < 0 || (uint64_t)wait > end - now)
		wait = (int)(end - now);
	(void)poll(&p, 1, wait);
	drain(s);
	return true;
}

/* Until *n has reached want, or patience is over. */
static bool await(struct seen *s, const size_t *n, size_t want)
{
	uint64_t end = clock_ms(s) + PATIENCE_MS;

	drain(s);
	while (*n < want) {
		if (!turn(s, end))
			return false;
	}
	return true;
}

static const char *fake_path(void)
{
	static char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 16);
	char *slash;

	if (n < 0)
		return "";
	path[n] = '\0';
	slash = strrchr(path, '/');
	strcpy(slash + 1, "fake-worker");
	return path;
}

static struct sb_config config(const char *fqdn)
{
	struct sb_config c;

	sb_config_init(&c);
	c.worker = sb_str_of(fake_path());
	c.bridge_fqdn = sb_str_of(fqdn);
	c.listen[0] = SB_STR("127.0.0.1:5061");
	c.listen_n = 1;
	c.certificate = SB_STR("cert.pem");
	c.key = SB_STR("key.pem");
	c.domains[0] = (struct sb_domain){SB_STR("contoso.example"),
					  SB_STR("edge.contoso.example"),
					  SB_STR("127.0.0.1"), 5061};
	c.domains_n = 1;
	return c;
}

static bool start(struct seen *s, const char *fqdn)
{
	struct sb_config c = config(fqdn);

	*s = (struct seen){0};
	return CHECK_INT(sb_open(&s->b, &c, clock_ms(s)), SB_OK);
}

static struct sb_request message(const char *text)
{
	return (struct sb_request){
		.type = SB_REQ_MESSAGE,
		.contact = SB_STR("sip:romeo@fabrikam.example"),
		.user = SB_STR("sip:alice@contoso.example"),
		.text = sb_str_of(text),
	};
}

static int send_text(struct seen *s, const char *text)
{
	struct sb_request r = message(text);
	uint64_t id = 0;

	return sb_send(s->b, &r, &id, clock_ms(s));
}

static void check_each_once(const struct seen *s, size_t n)
{
	size_t wrong = 0;

	for (size_t i = 1; i <= n; i++)
		wrong += s->outcomes[i] != 1;
	CHECK_INT(wrong, 0);
	CHECK_INT(s->delivered + s->failed, n);
	CHECK_INT(sb_inflight(s->b), 0);
}

static size_t descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

/* No child is left, neither running nor as a zombie. */
static void check_no_child(void)
{
	CHECK_INT(waitpid(-1, NULL, WNOHANG), -1);
}

/* ------------------------------------------------------------- traffic -- */

TEST(client_echo)
{
	size_t fds = descriptors();
	struct seen s;
	struct sb_request typing = message("");

	REQUIRE(start(&s, "echo.example"));
	/* queued behind the settings */
	for (int i = 0; i < 5000; i++)
		CHECK_INT(send_text(&s, "hello"), SB_OK);
	typing.type = SB_REQ_TYPING;
	typing.typing = SB_TYPING_ACTIVE;
	CHECK_INT(sb_send(s.b, &typing, NULL, clock_ms(&s)), SB_OK);
	CHECK_INT(sb_inflight(s.b), 5000);
	CHECK(await(&s, &s.typing, 1));
	CHECK_INT(s.ready, 1);
	CHECK_INT(s.delivered, 5000);
	check_each_once(&s, 5000);
	sb_close(s.b);
	CHECK_INT(descriptors(), fds);
	check_no_child();
}

TEST(client_refuses_bad_requests)
{
	static char big[SB_TEXT_MAX + 2];
	struct sb_request r;
	uint64_t id = 77;
	struct seen s;

	REQUIRE(start(&s, "echo.example"));
	r = message("");
	CHECK_INT(sb_send(s.b, &r, &id, 0), SB_EINVAL);
	r = message("a\rb");
	CHECK_INT(sb_send(s.b, &r, &id, 0), SB_EBADTEXT);
	memset(big, 'x', sizeof(big) - 1);
	r = message(big);
	CHECK_INT(sb_send(s.b, &r, &id, 0), SB_ETOOBIG);
	r = message("fine");
	r.thread = SB_STR("a\nRoute: evil");
	CHECK_INT(sb_send(s.b, &r, &id, 0), SB_EBADTEXT);
	r = message("fine");
	r.user = SB_STR("sip:alice@contoso.example>;x=<");
	CHECK_INT(sb_send(s.b, &r, &id, 0), SB_EBADTEXT);
	r = message("fine");
	r.type = SB_REQ_ANSWER;
	r.status = 302;
	r.id = 1;
	CHECK_INT(sb_send(s.b, &r, &id, 0), SB_EINVAL);
	CHECK_INT(id, 77);
	CHECK_INT(sb_inflight(s.b), 0);
	sb_close(s.b);
	check_no_child();
}

TEST(client_bounds_inflight)
{
	struct seen s;
	int r = SB_OK;
	size_t n = 0;

	REQUIRE(start(&s, "hold.example"));
	while (n <= SB_INFLIGHT_MAX && (r = send_text(&s, "x")) == SB_OK)
		n++;
	CHECK_INT(r, SB_EFULL);
	CHECK_INT(n, SB_INFLIGHT_MAX);
	CHECK(await(&s, &s.ready, 1));
	kill(sb_worker_pid(s.b), SIGKILL);
	CHECK(await(&s, &s.failed, n));
	check_each_once(&s, n);
	CHECK_STR(s.token, "bridge-died");
	sb_close(s.b);
}

TEST(client_ignores_stray_outcomes)
{
	struct seen s;

	REQUIRE(start(&s, "stray.example"));
	for (int i = 0; i < 100; i++)
		CHECK_INT(send_text(&s, "x"), SB_OK);
	CHECK(await(&s, &s.delivered, 100));
	s.skew += 6000; /* a pong is behind all of them */
	drain(&s);
	CHECK_INT(send_text(&s, "last"), SB_OK);
	CHECK(await(&s, &s.delivered, 101));
	check_each_once(&s, 101);
	CHECK(s.b->stray >= 200);
	CHECK_INT(s.gone, 0);
	sb_close(s.b);
}

TEST(client_drains_a_flood)
{
	struct seen s;

	REQUIRE(start(&s, "flood.example"));
	CHECK(await(&s, &s.logs, 20000));
	CHECK_STR(s.log, "line 19999");
	CHECK_INT(s.gone, 0);
	sb_close(s.b);
}

/* -------------------------------------------------------------- deaths -- */

TEST(client_killed_in_traffic)
{
	size_t fds = descriptors();
	struct seen s;
	uint64_t before;
	int pid;

	REQUIRE(start(&s, "echo.example"));
	CHECK(await(&s, &s.ready, 1));
	pid = sb_worker_pid(s.b);
	for (int i = 0; i < 4000; i++) {
		int r = send_text(&s, "x");

		CHECK(r == SB_OK || (i > 3000 && r == SB_EDOWN));
		if (i == 3000)
			kill(pid, SIGKILL);
		if (i % 100 == 0 && s.gone == 0)
			drain(&s);
		if (s.gone)
			break;
	}
	before = clock_ms(&s);
	CHECK(await(&s, &s.gone, 1));
	CHECK_STR(s.reason, "the worker ended (killed by signal 9)");
	CHECK(await(&s, &s.ready, 2));
	CHECK(clock_ms(&s) - before < 2000);
	CHECK(sb_worker_pid(s.b) != pid && sb_worker_pid(s.b) > 0);
	check_each_once(&s, (size_t)s.b->next_id);
	CHECK(s.failed > 0);
	CHECK_STR(s.token, "bridge-died");
	CHECK_INT(send_text(&s, "again"), SB_OK);
	CHECK(await(&s, &s.delivered, s.delivered + 1));
	sb_close(s.b);
	CHECK_INT(descriptors(), fds);
	check_no_child();
}

TEST(client_tells_outcomes_before_the_death)
{
	struct seen s;

	REQUIRE(start(&s, "echo.example"));
	for (int i = 0; i < 10; i++)
		CHECK_INT(send_text(&s, "x"), SB_OK);
	CHECK_INT(send_text(&s, "die"), SB_OK);
	CHECK_INT(send_text(&s, "x"), SB_OK);
	CHECK(await(&s, &s.gone, 1));
	CHECK_STR(s.reason, "the worker ended (exit status 7)");
	CHECK_INT(s.delivered, 10);
	CHECK_INT(s.failed, 2);
	check_each_once(&s, 12);
	CHECK(await(&s, &s.ready, 2));
	sb_close(s.b);
}

TEST(client_ends_a_lost_list)
{
	struct sb_request r = {.type = SB_REQ_SESSIONS};
	struct seen s;

	REQUIRE(start(&s, "hold.example"));
	CHECK_INT(sb_send(s.b, &r, NULL, clock_ms(&s)), SB_OK);
	CHECK_INT(send_text(&s, "die"), SB_OK);
	CHECK(await(&s, &s.gone, 1));
	CHECK_INT(s.lists, 1);
	sb_close(s.b);
}

/* Deaths in a row: at once, 250, 500 ... 30000 ms; then sixty good seconds. */
TEST(client_backs_off)
{
	static const int waits[] = {0, 250, 500, 1000, 2000, 4000, 8000,
				    16000, 30000, 30000};
	size_t n = sizeof(waits) / sizeof(waits[0]);
	struct seen s;

	REQUIRE(start(&s, "garbage.example"));
	for (size_t i = 0; i < n; i++) {
		uint64_t now;
		int wait;

		REQUIRE(await(&s, &s.gone, i + 1));
		CHECK_STR(s.reason, "the worker broke the protocol "
				    "(killed by signal 9)");
		CHECK_INT(s.ready, i + 1);
		if (i == 0)
			continue; /* restarted already */
		now = s.b->started_ms;
		wait = (int)(s.b->restart_ms - now);
		CHECK(wait >= waits[i] && wait < waits[i] + 2000);
		CHECK_INT(sb_worker_pid(s.b), 0);
		CHECK_INT(send_text(&s, "x"), SB_EDOWN);
		s.skew += (uint64_t)waits[i];
	}
	sb_close(s.b);
	check_no_child();
}

TEST(client_forgets_old_deaths)
{
	struct seen s;

	REQUIRE(start(&s, "echo.example"));
	for (size_t i = 0; i < 4; i++) {
		REQUIRE(await(&s, &s.ready, i + 1));
		for (int k = 0; k < 13; k++) {
			s.skew += 5000;
			CHECK_INT(send_text(&s, "x"), SB_OK);
			CHECK(await(&s, &s.delivered, s.delivered + 1));
		}
		CHECK_INT(send_text(&s, "die"), SB_OK);
		REQUIRE(await(&s, &s.gone, i + 1));
		CHECK_INT(s.b->deaths, 1);
	}
	sb_close(s.b);
}

TEST(client_ends_what_hangs)
{
	struct seen s;
	int pid;

	REQUIRE(start(&s, "hang.example"));
	CHECK(await(&s, &s.ready, 1));
	pid = sb_worker_pid(s.b);
	CHECK_INT(send_text(&s, "x"), SB_OK);
	s.skew += SB_PING_MS;
	drain(&s);
	CHECK(s.b->pinged);
	s.skew += SB_PONG_MS - 100;
	drain(&s);
	CHECK_INT(sb_worker_pid(s.b), pid);
	CHECK_INT(s.failed, 0);
	s.skew += 200;
	CHECK(await(&s, &s.gone, 1));
	CHECK_STR(s.reason,
		  "the worker did not answer (killed by signal 9)");
	check_each_once(&s, 1);
	CHECK(await(&s, &s.ready, 2));
	sb_close(s.b);
	check_no_child();
}

/* The caller slept, not the worker: what stands in the channel counts. */
TEST(client_forgives_its_own_sleep)
{
	struct seen s;
	struct pollfd p;

	REQUIRE(start(&s, "echo.example"));
	CHECK(await(&s, &s.ready, 1));
	for (int i = 0; i < 5; i++) {
		s.skew += SB_PING_MS;
		drain(&s); /* pings */
		CHECK(s.b->pinged);
		p = (struct pollfd){sb_fd(s.b), POLLIN, 0};
		CHECK_INT(poll(&p, 1, PATIENCE_MS), 1);
		s.skew += 60000; /* the pong waits in the socket */
		drain(&s);
	}
	CHECK_INT(s.gone, 0);
	CHECK_INT(s.b->deaths, 0);
	sb_close(s.b);
}

/* ------------------------------------------------------------- refusal -- */

TEST(client_other_build)
{
	struct seen s;

	REQUIRE(start(&s, "version.example"));
	CHECK_INT(send_text(&s, "x"), SB_OK);
	CHECK(await(&s, &s.refused, 1));
	CHECK(strstr(s.reason, "another build") != NULL);
	CHECK(await(&s, &s.failed, 1));
	check_each_once(&s, 1);
	s.skew += 100000;
	drain(&s);
	CHECK_INT(sb_worker_pid(s.b), 0);
	CHECK_INT(send_text(&s, "x"), SB_EDOWN);
	CHECK_INT(s.gone, 0);
	sb_close(s.b);
	check_no_child();
}

static void check_protocol_end(const char *fqdn)
{
	struct seen s;

	REQUIRE(start(&s, fqdn));
	CHECK(await(&s, &s.gone, 1));
	CHECK_STR(s.reason,
		  "the worker broke the protocol (killed by signal 9)");
	sb_close(s.b);
}

TEST(client_protocol_ends)
{
	check_protocol_end("early.example");
	check_protocol_end("pong.example");
	check_no_child();
}

TEST(client_refused_settings)
{
	struct sb_config c = config("refuse.example"), other = c;
	struct seen s;

	REQUIRE(start(&s, "refuse.example"));
	CHECK(await(&s, &s.refused, 1));
	CHECK_STR(s.reason, "no good domain");
	CHECK_INT(send_text(&s, "x"), SB_EDOWN);
	c.domains[0].name = SB_STR("good");
	CHECK_INT(sb_configure(s.b, &c, clock_ms(&s)), SB_OK);
	CHECK(await(&s, &s.ready, 1));
	CHECK_INT(send_text(&s, "x"), SB_OK);
	CHECK(await(&s, &s.delivered, 1));
	/* refused later: the worker goes on, and the next one starts with
	 * what was good */
	CHECK_INT(sb_configure(s.b, &other, clock_ms(&s)), SB_OK);
	CHECK(await(&s, &s.refused, 2));
	CHECK_INT(send_text(&s, "x"), SB_OK);
	CHECK(await(&s, &s.delivered, 2));
	CHECK_INT(send_text(&s, "die"), SB_OK);
	CHECK(await(&s, &s.ready, 2));
	CHECK_INT(s.refused, 2);
	/* what cannot change */
	c.listen[0] = SB_STR("127.0.0.2:5061");
	CHECK_INT(sb_configure(s.b, &c, clock_ms(&s)), SB_EINVAL);
	sb_close(s.b);
	check_no_child();
}

TEST(client_dies_refused)
{
	struct sb_config c = config("refuse.example");
	struct seen s;
	uint64_t end;

	REQUIRE(start(&s, "refuse.example"));
	CHECK(await(&s, &s.refused, 1));
	kill(sb_worker_pid(s.b), SIGKILL);
	end = clock_ms(&s) + PATIENCE_MS;
	while (s.b->worker.pid)
		REQUIRE(turn(&s, end));
	s.skew += 100000;
	drain(&s);
	CHECK_INT(sb_worker_pid(s.b), 0);
	CHECK_INT(s.gone, 0);
	c.domains[0].name = SB_STR("good");
	CHECK_INT(sb_configure(s.b, &c, clock_ms(&s)), SB_OK);
	CHECK(await(&s, &s.ready, 1));
	sb_close(s.b);
}

TEST(client_no_such_program)
{
	struct sb_config c = config("echo.example");
	struct seen s = {0};
	size_t fds = descriptors();

	c.worker = SB_STR("/nonexistent/worker");
	REQUIRE(sb_open(&s.b, &c, clock_ms(&s)) == SB_OK);
	CHECK_INT(send_text(&s, "x"), SB_EDOWN);
	CHECK(await(&s, &s.gone, 2));
	CHECK_STR(s.reason, "cannot start /nonexistent/worker: "
			    "No such file or directory");
	sb_close(s.b);
	CHECK_INT(descriptors(), fds);
	check_no_child();
}

TEST(client_bad_settings)
{
	struct sb_config c = config("echo.example");
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
	struct seen s;

	REQUIRE(start(&s, "hold.example"));
	CHECK(await(&s, &s.ready, 1));
	CHECK_INT(send_text(&s, "x"), SB_OK);
	sb_shutdown(s.b, clock_ms(&s));
	sb_shutdown(s.b, clock_ms(&s));
	CHECK_INT(send_text(&s, "x"), SB_EDOWN);
	CHECK(await(&s, &s.gone, 1));
	CHECK_STR(s.reason, "the worker ended (exit status 0)");
	check_each_once(&s, 1);
	s.skew += 100000;
	drain(&s);
	CHECK_INT(s.gone, 1);
	CHECK_INT(sb_worker_pid(s.b), 0);
	CHECK_INT(sb_wait_ms(s.b, clock_ms(&s)), -1);
	sb_close(s.b);
	check_no_child();
}

TEST(client_shutdown_without_worker)
{
	struct sb_config c = config("echo.example");
	struct seen s = {0};

	c.worker = SB_STR("/nonexistent/worker");
	REQUIRE(sb_open(&s.b, &c, clock_ms(&s)) == SB_OK);
	CHECK(await(&s, &s.gone, 2));
	sb_shutdown(s.b, clock_ms(&s));
	CHECK(await(&s, &s.gone, 3));
	sb_close(s.b);
	sb_close(NULL);
}

/* Told to end, its channel closed: it stays. Then it is killed. */
TEST(client_close_kills)
{
	size_t fds = descriptors();
	struct seen s;
	uint64_t before;

	REQUIRE(start(&s, "stuck.example"));
	CHECK(await(&s, &s.ready, 1));
	sb_shutdown(s.b, clock_ms(&s));
	drain(&s);
	before = clock_ms(&s);
	sb_close(s.b);
	CHECK(clock_ms(&s) - before < SB_END_WAIT_MS + 500);
	CHECK_INT(descriptors(), fds);
	check_no_child();
}

/* The descriptor is quiet when nothing happens. */
TEST(client_descriptor_is_drained)
{
	struct pollfd p;
	struct seen s;

	REQUIRE(start(&s, "echo.example"));
	CHECK(await(&s, &s.ready, 1));
	p = (struct pollfd){sb_fd(s.b), POLLIN, 0};
	CHECK_INT(poll(&p, 1, 0), 0);
	CHECK(sb_wait_ms(s.b, clock_ms(&s)) > 1000);
	CHECK_INT(send_text(&s, "x"), SB_OK);
	CHECK_INT(sb_wait_ms(s.b, clock_ms(&s)), 0);
	CHECK(await(&s, &s.delivered, 1));
	CHECK_INT(poll(&p, 1, 0), 0);
	CHECK_INT(send_text(&s, "die"), SB_OK);
	CHECK(await(&s, &s.ready, 2));
	CHECK_INT(poll(&p, 1, 0), 0);
	sb_close(s.b);
}

/* What the worker inherits. */
TEST(client_spawns_clean)
{
	sigset_t usr1, before;
	struct seen s;

	setenv("TPORT_LOG", "1", 1);
	setenv("NTA_DEBUG", "9", 1);
	setenv("FAKE_KEPT", "1", 1);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, &before);
	signal(SIGUSR1, SIG_IGN);
	if (start(&s, "look.example")) {
		CHECK(await(&s, &s.logs, 1));
		CHECK_STR(s.log,
			  "fds 0 1 2 3, resolver timeout:1 attempts:1, "
			  "dump 0, debug 0, kept 1, usr1 open default");
		sb_close(s.b);
	}
	signal(SIGUSR1, SIG_DFL);
	sigprocmask(SIG_SETMASK, &before, NULL);
	unsetenv("TPORT_LOG");
	unsetenv("NTA_DEBUG");
	unsetenv("FAKE_KEPT");
}
