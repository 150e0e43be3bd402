/*
 * chaos_wire_load.c: the wires between the gateway and its peers, as relays of
 * TCP that do what networks do; for spec/chaos.
 * SPDX-License-Identifier: MIT
 *
 * Options: control, seed, and for each wire wire=NAME,LISTEN,TO,FROM-IP.
 * Commands (NAME: a wire):
 *   flow NAME              as it should be; ends all that follows
 *   stall NAME             nothing passes, nobody notices; flow lets it pass
 *   loss NAME P MIN MAX    a share P of what passes is late, and all behind it
 *   reset NAME, cut NAME   connections end now, by RST or FIN; unread is lost
 *   half NAME              connections pass nothing any more, for ever; when
 *                          one side gives up, the other is not told
 *   refuse NAME            no new connections
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

enum { WIRES = 8, FULL = 262144 };

struct chunk {
	struct chunk *next;
	double due;
	size_t n;
	char p[];
};

struct wire;

struct side { /* of a connection: its arg */
	struct wire *wire;
	struct load_conn *peer;
	struct chunk *first, **last; /* what is to go to this side */
	size_t n;
	bool dead, ending; /* passes nothing; ends when it has got all */
};

struct wire {
	char name[24], to[64], from[64];
	bool stalled, refused;
	double loss, min, max;
	size_t made, ended;
};

static struct {
	struct load load;
	struct wire wires[WIRES];
	size_t wires_n;
	uint32_t seed;
} net;

static double chance(void)
{
	net.seed = load_mix(net.seed + 0x9e3779b9u);
	return net.seed / 4294967296.0;
}

/* What is due goes on its way. */
static void pass(struct load_conn *c)
{
	struct side *s = c->arg;
	struct chunk *k;

	if (s->wire->stalled || s->dead || c->connecting)
		return;
	while ((k = s->first) && k->due <= net.load.now && !load_slow(c)) {
		load_write(c, k->p, k->n);
		s->n -= k->n;
		s->first = k->next;
		if (!s->first)
			s->last = &s->first;
		free(k);
	}
	if (s->ending && !s->first && c->out_at == c->out_n)
		load_close(c); /* frees s */
	else if (s->peer)
		load_hold(s->peer, s->n > FULL || s->wire->stalled);
}

static size_t on_data(struct load_conn *c)
{
	struct side *s = c->arg, *to;
	struct chunk *k;
	double late = 0;

	if (s->dead || !s->peer)
		return c->in_n;
	to = s->peer->arg;
	if (s->wire->loss > 0 && chance() < s->wire->loss)
		late = s->wire->min + chance() * (s->wire->max - s->wire->min);
	k = malloc(sizeof(*k) + c->in_n);
	if (!k)
		load_die("no memory");
	*k = (struct chunk){.due = net.load.now + late, .n = c->in_n};
	memcpy(k->p, c->in, c->in_n);
	*to->last = k;
	to->last = &k->next;
	to->n += k->n;
	pass(s->peer);
	return c->in_n;
}

static void closed(struct load_conn *c)
{
	struct side *s = c->arg, *to = s->peer ? s->peer->arg : NULL;
	struct chunk *k;

	while ((k = s->first)) {
		s->first = k->next;
		free(k);
	}
	if (to) {
		to->peer = NULL;
		to->ending = true;
	}
	s->wire->ended++;
	free(s);
}

static void adopt(struct load_conn *c, struct wire *w)
{
	struct side *s = calloc(1, sizeof(*s));

	if (!s)
		load_die("no memory");
	s->wire = w;
	s->last = &s->first;
	c->arg = s;
	c->on_data = on_data;
	c->on_close = closed;
}

static void accepted(struct load_conn *c, struct wire *w)
{
	struct load_conn *out;

	adopt(c, w);
	out = w->refused ? NULL : load_connect(&net.load, w->from, w->to);
	if (!out || out->gone) {
		load_reset(c);
		return;
	}
	w->made++;
	adopt(out, w);
	((struct side *)c->arg)->peer = out;
	((struct side *)out->arg)->peer = c;
}

/* load_listen has no argument: one of these for each wire. */
#define ACCEPT(i) \
	static void accept_##i(struct load_conn *c) \
	{ \
		accepted(c, &net.wires[i]); \
	}
ACCEPT(0)
ACCEPT(1)
ACCEPT(2)
ACCEPT(3)
ACCEPT(4)
ACCEPT(5)
ACCEPT(6)
ACCEPT(7)
static void (*const accepts[WIRES])(struct load_conn *c) = {
	accept_0, accept_1, accept_2, accept_3,
	accept_4, accept_5, accept_6, accept_7};

static void all_of(struct wire *w, void (*act)(struct load_conn *c))
{
	for (struct load_conn *c = net.load.conns; c; c = c->next)
		if (!c->gone && c->on_data == on_data &&
		    ((struct side *)c->arg)->wire == w)
			act(c);
}

static void die(struct load_conn *c)
{
	((struct side *)c->arg)->dead = true;
}

/* Both sides at once: none hears of the other's end. */
static void end_all(struct wire *w, void (*act)(struct load_conn *c))
{
	all_of(w, die);
	all_of(w, act);
}

static struct wire *named(const char *name)
{
	for (size_t i = 0; i < net.wires_n; i++)
		if (!strcmp(net.wires[i].name, name))
			return &net.wires[i];
	load_die("no wire: %s", name);
}

static void on_tick(struct load *l)
{
	for (struct load_conn *c = l->conns; c; c = c->next)
		if (!c->gone && c->on_data == on_data)
			pass(c);
}

static void act(struct wire *w, const char *what)
{
	if (!strcmp(what, "flow")) {
		w->stalled = w->refused = false;
		w->loss = 0;
	}
	else if (!strcmp(what, "stall"))
		w->stalled = true;
	else if (!strcmp(what, "refuse"))
		w->refused = true;
	else if (!strcmp(what, "reset"))
		end_all(w, load_reset);
	else if (!strcmp(what, "cut"))
		end_all(w, load_close);
	else if (!strcmp(what, "half"))
		all_of(w, die);
	else
		load_die("no command: %s", what);
}

static void on_command(struct load *l, struct load_conn *c, const char *text)
{
	char what[24] = "", name[24] = "";
	double p, min, max;

	(void)l;
	if (sscanf(text, "loss %23s %lf %lf %lf", name, &p, &min, &max) == 4) {
		struct wire *w = named(name);

		w->loss = p;
		w->min = min;
		w->max = max;
	}
	else if (!strcmp(text, "stats")) {
		load_say(c, "stats");
		for (size_t i = 0; i < net.wires_n; i++)
			load_say(c, " %s=%zu", net.wires[i].name,
				 net.wires[i].made);
		load_say(c, "\n");
		return;
	}
	else if (sscanf(text, "%23s %23s", what, name) == 2)
		act(named(name), what);
	else
		load_die("no command: %s", text);
	load_say(c, "ok\n");
}

static void add_wire(const char *text)
{
	struct wire *w = &net.wires[net.wires_n];
	char listen[64];

	if (net.wires_n == WIRES ||
	    sscanf(text, "%23[^,],%63[^,],%63[^,],%63s", w->name, listen,
		   w->to, w->from) != 4)
		load_die("no wire: %s", text);
	load_listen(&net.load, listen, accepts[net.wires_n++]);
}

int main(int argc, char **argv)
{
	struct load *l = &net.load;

	l->on_command = on_command;
	l->on_tick = on_tick;
	load_start(l, argv + 1);
	net.seed = (uint32_t)strtoul(load_option(argv, "seed", "1"), NULL, 10);
	for (int i = 1; i < argc; i++)
		if (!strncmp(argv[i], "wire=", 5))
			add_wire(argv[i] + 5);
	load_run(l);
	return 0;
}
