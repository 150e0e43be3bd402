/*
 * channel_load.c: the bridge's worker, driven through its channel without
 * Prosody; for bench_worker.lua.
 * SPDX-License-Identifier: MIT
 *
 * way=x2s: contacts say messages, one after the other in each of `talks`
 * conversations, and wait for the outcome; way=s2x: what the Edge's users say
 * is answered with 200. After `warm` messages the processor time of the worker
 * is read, after `messages` more again; then all ends. What is printed:
 * "us=… rate=…", for a message. Anything but delivery is a failure.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../sipbridge/sipbridge.h"
#include "load.h"

#define TEXT "Can you send me the figures for tomorrow's meeting, please?"

enum { IDS = 8192, PATIENCE_MS = 20000 };

static struct driver {
	struct sb_bridge *b;
	size_t talks, warm, messages, done;
	size_t talk_of[IDS]; /* by the message's id */
	bool x2s, ready;
	double cpu, began;
} d;

static double seconds_of(clockid_t clock)
{
	struct timespec t;

	if (clock_gettime(clock, &t))
		load_die("no such clock");
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t now_ms(void)
{
	return (uint64_t)(seconds_of(CLOCK_MONOTONIC) * 1000);
}

static double worker_cpu(void)
{
	clockid_t clock;

	if (clock_getcpuclockid(sb_worker_pid(d.b), &clock))
		load_die("no worker");
	return seconds_of(clock);
}

static void say(size_t talk)
{
	char contact[64], user[64];
	struct sb_request r = {
		.type = SB_REQ_MESSAGE,
		.resource = SB_STR("orchard"),
		.display = SB_STR("Romeo Montague"),
		.text = SB_STR(TEXT),
		.flags = SB_F_VERIFIED,
	};
	uint64_t id;
	int err;

	snprintf(contact, sizeof(contact), "sip:romeo%zu@fed.example", talk);
	snprintf(user, sizeof(user), "sip:lena%zu@contoso.com", talk);
	r.contact = sb_str_of(contact);
	r.user = sb_str_of(user);
	err = sb_send(d.b, &r, &id, now_ms());
	if (err)
		load_die("sb_send: %s", sb_err_name(err));
	d.talk_of[id % IDS] = talk;
}

static void reply(uint64_t id)
{
	struct sb_request r = {.type = SB_REQ_ANSWER, .id = id, .status = 200,
			       .flags = SB_F_VERIFIED};
	int err = sb_send(d.b, &r, NULL, now_ms());

	if (err)
		load_die("sb_send: %s", sb_err_name(err));
}

/* One more is through. */
static void count(void)
{
	if (d.done++ != d.warm)
		return;
	d.cpu = worker_cpu();
	d.began = seconds_of(CLOCK_MONOTONIC);
}

static void show(const struct sb_event *ev)
{
	fprintf(stderr, "event %d: status=%d token=%.*s %.*s%.*s\n",
		(int)ev->type, ev->status, SB_FMT(ev->token),
		SB_FMT(ev->reason), SB_FMT(ev->text));
}

static void take(const struct sb_event *ev)
{
	if (ev->type == SB_EV_WORKER && ev->status == 1 && !d.ready) {
		d.ready = true;
		for (size_t i = 0; d.x2s && i < d.talks; i++)
			say(i);
	}
	else if (ev->type == SB_EV_OUTCOME && ev->outcome == SB_DELIVERED) {
		count();
		say(d.talk_of[ev->id % IDS]);
	}
	else if (ev->type == SB_EV_OFFER || ev->type == SB_EV_MESSAGE) {
		if (ev->type == SB_EV_MESSAGE)
			count();
		reply(ev->id);
	}
	else if (ev->type == SB_EV_OUTCOME || ev->type == SB_EV_WORKER ||
		 ev->type == SB_EV_REFUSED || ev->type == SB_EV_ENDED) {
		show(ev);
		load_die("that was not to be");
	}
	else
		show(ev);
}

static void run(void)
{
	struct sb_event ev;

	while (d.done < d.warm + d.messages + 1) {
		struct pollfd p = {.fd = sb_fd(d.b), .events = POLLIN};
		int wait = sb_wait_ms(d.b, now_ms());

		if (poll(&p, 1, wait < 0 ? PATIENCE_MS : wait) == 0 && wait < 0)
			load_die("waited in vain");
		while (sb_next(d.b, &ev, now_ms()) == 1)
			take(&ev);
	}
}

static size_t number(char **argv, const char *key)
{
	return strtoul(load_option(argv, key, NULL), NULL, 10);
}

int main(int argc, char **argv)
{
	struct sb_config c;
	double cpu, seconds;
	int err;

	(void)argc;
	sb_config_init(&c);
	c.worker = sb_str_of(load_option(argv, "worker", NULL));
	c.bridge_fqdn = sb_str_of(load_option(argv, "fqdn", NULL));
	c.listen[c.listen_n++] = sb_str_of(load_option(argv, "listen", NULL));
	c.certificate = sb_str_of(load_option(argv, "cert", NULL));
	c.key = sb_str_of(load_option(argv, "key", NULL));
	c.cafile = sb_str_of(load_option(argv, "cafile", NULL));
	c.domains[c.domains_n++] = (struct sb_domain){
		.name = SB_STR("contoso.com"),
		.edge = SB_STR("sip.contoso.com"),
		.address = sb_str_of(load_option(argv, "edge", NULL)),
		.port = 5061,
	};
	c.rate = 0;
	d.x2s = !strcmp(load_option(argv, "way", NULL), "x2s");
	d.talks = number(argv, "talks");
	d.warm = number(argv, "warm");
	d.messages = number(argv, "messages");
	err = sb_open(&d.b, &c, now_ms());
	if (err)
		load_die("sb_open: %s", sb_err_name(err));
	run();
	cpu = worker_cpu() - d.cpu;
	seconds = seconds_of(CLOCK_MONOTONIC) - d.began;
	printf("us=%.3f rate=%.0f\n", cpu / (double)(d.done - d.warm - 1) * 1e6,
	       (double)(d.done - d.warm - 1) / seconds);
	fflush(stdout);
	sb_close(d.b);
	return 0;
}
