/*
 * client_rig.c: a bridge with a fake worker; see client_rig.h.
 * SPDX-License-Identifier: MIT
 */
#include <dirent.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client_rig.h"

uint64_t rig_clock(const struct rig *s)
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

static void note_worker(struct rig *s, const struct sb_event *ev)
{
	if (ev->status == 1)
		s->ready++;
	else if (ev->status == 0)
		s->gone++;
	else
		s->refused++;
	keep(s->reason, sizeof(s->reason), ev->reason);
}

static void note_watch(struct rig *s, const struct sb_event *ev)
{
	if (ev->type == SB_EV_WATCH)
		s->watches++;
	else if (ev->type == SB_EV_STATE)
		s->states++;
	else if (ev->type == SB_EV_SUBSCRIBE)
		s->subscribes++;
	else if (ev->type == SB_EV_WATCHES_END)
		s->watch_lists++;
}

static void note(struct rig *s, const struct sb_event *ev)
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
	else
		note_watch(s, ev);
}

void rig_drain(struct rig *s)
{
	struct sb_event ev;

	while (sb_next(s->b, &ev, rig_clock(s)) == 1)
		note(s, &ev);
}

bool rig_turn(struct rig *s, uint64_t end)
{
	struct pollfd p = {sb_fd(s->b), POLLIN, 0};
	uint64_t now = rig_clock(s);
	int wait = sb_wait_ms(s->b, now);

	if (now >= end)
		return false;
	if (wait < 0 || (uint64_t)wait > end - now)
		wait = (int)(end - now);
	(void)poll(&p, 1, wait);
	rig_drain(s);
	return true;
}

bool rig_await(struct rig *s, const size_t *n, size_t want)
{
	uint64_t end = rig_clock(s) + PATIENCE_MS;

	rig_drain(s);
	while (*n < want) {
		if (!rig_turn(s, end))
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

struct sb_config rig_config(const char *fqdn)
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

bool rig_start(struct rig *s, const char *fqdn)
{
	struct sb_config c = rig_config(fqdn);

	*s = (struct rig){0};
	return CHECK_INT(sb_open(&s->b, &c, rig_clock(s)), SB_OK);
}

struct sb_request rig_message(const char *text)
{
	return (struct sb_request){
		.type = SB_REQ_MESSAGE,
		.contact = SB_STR("sip:romeo@fabrikam.example"),
		.user = SB_STR("sip:alice@contoso.example"),
		.text = sb_str_of(text),
	};
}

int rig_send(struct rig *s, const char *text)
{
	struct sb_request r = rig_message(text);
	uint64_t id = 0;

	return sb_send(s->b, &r, &id, rig_clock(s));
}

void rig_check_each_once(const struct rig *s, size_t n)
{
	size_t wrong = 0;

	for (size_t i = 1; i <= n; i++)
		wrong += s->outcomes[i] != 1;
	CHECK_INT(wrong, 0);
	CHECK_INT(s->delivered + s->failed, n);
	CHECK_INT(sb_inflight(s->b), 0);
}

size_t rig_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

void rig_check_no_child(void)
{
	CHECK_INT(waitpid(-1, NULL, WNOHANG), -1);
}
