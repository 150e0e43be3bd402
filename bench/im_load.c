/*
 * im_load.c: both ends of messages, for bench/bench_im.lua: the server of an
 * XMPP partner, an Access Edge with Lync users, and an external component.
 * SPDX-License-Identifier: MIT
 *
 * Contact and user of each pair talk to each other. Each text has its number
 * within the pair and direction, and the time when it was said: so whatever is
 * lost, doubled or out of order is seen, and how long each took.
 *
 * Commands, a line each:
 *   stream DOMAIN IP:PORT FROM-IP          open a stream to this domain
 *   bridge IP:PORT FROM-IP                 connect there, as the Access Edge
 *   component IP:PORT FROM-IP DOMAIN SECRET
 *   dialogs                                users invite the contacts
 *   x2s STREAM DOMAIN COUNT WINDOW RATE    contacts write to users of DOMAIN;
 *                WINDOW: not arrived yet (0: nothing arrives), RATE 0: any
 *   s2x COUNT WINDOW RATE                  users write in the dialogs
 *   ask STREAM DOMAIN COUNT                a module there sends so many
 *   ping STREAM DOMAIN                     an iq, answered after what is before
 *   stats, latency
 */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "im_load.h"

struct im im;

/* ----------------------------------------------------------------- texts -- */

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

/* As long as bench_traffic.lua's. */
void im_text(char *to, size_t n, struct pair *p)
{
	snprintf(to, n, "#%06u %016llx: see you at seven at the entrance, and "
		 "bring the papers along", ++p->said,
		 (unsigned long long)now_ns());
	im.n.sent++;
}

void im_trouble(const char *what, const char *p, size_t n)
{
	snprintf(im.error, sizeof(im.error), "%s: %.*s", what, (int)n, p);
}

/* The text of a pair has arrived. */
void im_arrived(size_t i, const char *p, size_t n)
{
	struct pair *pair = i < im.load.pairs ? &im.pairs[i] : NULL;
	const char *at = memchr(p, '#', n);
	unsigned long long then = 0;
	unsigned number = 0;
	uint64_t took;

	im.n.arrived++;
	if (!pair || !at || n - (size_t)(at - p) < 26 ||
	    sscanf(at, "#%6u %16llx", &number, &then) != 2 ||
	    number != pair->heard + 1) {
		im.n.wrong++;
		im_trouble("out of order", p, n);
		return;
	}
	pair->heard = number;
	took = then ? (now_ns() - then) / 16 : 0;
	if (im.took_n < LATENCIES)
		im.took[im.took_n++] = took < UINT32_MAX ? (uint32_t)took
							 : UINT32_MAX;
}

/* ------------------------------------------------------------------ XMPP -- */

static void say_stanza(size_t i)
{
	char user[LOAD_NAME_MAX], contact[LOAD_NAME_MAX], text[160];
	struct load *l = &im.load;

	load_user(l, user, load_user_of(l, i));
	load_contact(l, contact, load_contact_of(l, i));
	user[strcspn(user, "@")] = '\0';
	im_text(text, sizeof(text), &im.pairs[i]);
	load_say(im.job.stream->conn, "<message from='%s/orchard.4f0e' to='%s@"
		 "%s' type='chat' id='c%08x-%06x'><body>%s</body><active xmlns="
		 "'http://jabber.org/protocol/chatstates'/></message>", contact,
		 user, im.job.domain, (unsigned)i, im.pairs[i].said, text);
}

static void take_stanza(struct load_conn *c, const struct element *e)
{
	const char *body;

	(void)c;
	if (!strcmp(e->type, "error")) {
		im.n.errors++;
		im_trouble("error", e->p, e->n);
	}
	else if (!strcmp(e->name, "iq") && !strcmp(e->type, "result"))
		im.n.pongs++;
	else if (!strcmp(e->name, "message") &&
		 (body = memmem(e->p, e->n, "<body>", 6)))
		im_arrived(im.job.kind == X2S
				   ? load_pair(&im.load, e->from, e->to)
				   : load_pair(&im.load, e->to, e->from),
			   body, (size_t)(e->p + e->n - body));
}

static void accepted_stream(struct load_conn *c)
{
	(void)c;
	im.n.streams++;
}

/* ------------------------------------------------------------- component -- */

static void shake_hands(struct load_conn *c, const struct element *e)
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	char text[200], hex[2 * EVP_MAX_MD_SIZE + 1] = "";
	unsigned n = 0;

	xml_attribute(text, sizeof(text) - sizeof(im.secret), e, "id");
	memcpy(text + strlen(text), im.secret, strlen(im.secret) + 1);
	EVP_Digest(text, strlen(text), sum, &n, EVP_sha1(), NULL);
	for (unsigned i = 0; i < n; i++)
		snprintf(hex + 2 * i, 3, "%02x", sum[i]);
	load_say(c, "<handshake>%s</handshake>", hex);
}

static size_t component_data(struct load_conn *c)
{
	const char *p = c->in, *end = c->in + c->in_n;
	struct element e;

	while (p < end && xml_element(&e, p, end)) {
		if (!strcmp(e.name, "stream:stream"))
			shake_hands(c, &e);
		else if (!strcmp(e.name, "handshake"))
			im.n.component++;
		else if (e.name[0] != '?')
			take_stanza(c, &e);
		p += e.n;
	}
	return (size_t)(p - c->in);
}

static void component_open(struct load_conn *c)
{
	load_say(c, "<?xml version='1.0'?><stream:stream xmlns='jabber:"
		 "component:accept' xmlns:stream='http://etherx.jabber.org/"
		 "streams' to='%s'>", im.domain);
}

static void component_gone(struct load_conn *c)
{
	(void)c;
	im.component = NULL;
}

/* ------------------------------------------------------------------ work -- */

static bool due(void)
{
	const struct job *j = &im.job;

	return j->rate <= 0 || (double)im.n.sent <
			       (im.load.now - j->since) * j->rate;
}

/* A window is filled again when it is half empty: many at a time, as where
 * nothing has to be waited for. Not so where each waits for its own answer. */
static bool may_say(struct load_conn *to, size_t under_way)
{
	struct job *j = &im.job;

	if (j->kind == X2S && under_way >= j->window)
		j->full = true;
	else if (j->kind == S2X || under_way <= j->window / 2)
		j->full = false;
	return im.n.sent < j->count && !load_slow(to) && due() &&
	       (!j->window || (!j->full && under_way < j->window));
}

static bool again(struct way *w, const struct load_conn *c)
{
	if (c || !w->to[0] || im.load.now < w->again)
		return false;
	w->again = im.load.now + 0.3;
	return true;
}

static void connect_component(void)
{
	struct load_conn *c = load_connect(&im.load, im.component_way.from,
					   im.component_way.to);

	if (c->gone)
		return;
	c->on_data = component_data;
	c->on_open = component_open;
	c->on_close = component_gone;
	im.component = c;
}

static void connect_all(void)
{
	for (size_t i = 0; i < STREAMS; i++)
		if (again(&im.ways[i], im.streams[i].conn))
			stream_open(&im.streams[i], &im.load, im.ways[i].from,
				    im.ways[i].to);
	if (again(&im.component_way, im.component))
		connect_component();
}

static void on_tick(struct load *l)
{
	struct job *j = &im.job;
	size_t skipped = 0;

	connect_all();

	while (j->kind == X2S && may_say(j->stream->conn,
					 im.n.sent - im.n.arrived))
		say_stanza(j->next++ % l->pairs);
	while (j->kind == S2X && im.bridge && skipped < l->pairs &&
	       may_say(im.bridge, im.n.sent - im.n.answered)) {
		size_t i = j->next++ % l->pairs;

		skipped = im.pairs[i].unanswered ? skipped + 1 : 0;
		if (!im.pairs[i].unanswered)
			im_sip_say(i);
	}
}

static void begin(size_t count, size_t window, double rate)
{
	struct count *n = &im.n;

	for (size_t i = 0; i < im.load.pairs; i++) {
		im.pairs[i].said = im.pairs[i].heard = 0;
		im.pairs[i].unanswered = false;
	}
	*n = (struct count){.pongs = n->pongs, .dialogs = n->dialogs,
			    .component = n->component, .streams = n->streams,
			    .connected = n->connected};
	im.took_n = 0;
	im.job = (struct job){.count = count, .window = window, .rate = rate,
			      .since = im.load.now};
}

/* The stream to a domain, if it is up. */
static struct stream *to_domain(const char *domain)
{
	for (size_t i = 0; i < STREAMS; i++)
		if (!strcmp(im.streams[i].other, domain) &&
		    stream_is_up(&im.streams[i]))
			return &im.streams[i];
	return NULL;
}

static struct stream *need(const char *domain)
{
	struct stream *s = to_domain(domain);

	if (!s)
		load_die("no stream to %s", domain);
	return s;
}

/* -------------------------------------------------------------- commands -- */

static int ascending(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void latency(struct load_conn *c)
{
	size_t n = im.took_n;

	qsort(im.took, n, sizeof(im.took[0]), ascending);
	load_say(c, "latency n=%zu p50_ns=%zu p99_ns=%zu max_ns=%zu\n", n,
		 n ? (size_t)im.took[n / 2] * 16 : 0,
		 n ? (size_t)im.took[n * 99 / 100] * 16 : 0,
		 n ? (size_t)im.took[n - 1] * 16 : 0);
}

static void stats(struct load_conn *c)
{
	const struct count *n = &im.n;
	size_t up = 0;

	for (size_t i = 0; i < STREAMS; i++)
		up += stream_is_up(&im.streams[i]);
	load_say(c, "stats sent=%zu arrived=%zu answered=%zu wrong=%zu errors="
		 "%zu failed=%zu pongs=%zu dialogs=%zu component=%zu streams="
		 "%zu connected=%zu up=%zu\n", n->sent, n->arrived, n->answered,
		 n->wrong, n->errors, n->failed, n->pongs, n->dialogs,
		 n->component, n->streams, n->connected, up);
}

static struct way *new_stream(const char *domain)
{
	for (size_t i = 0; i < STREAMS; i++) {
		struct stream *s = &im.streams[i];

		if (s->other[0])
			continue;
		snprintf(s->own, LOAD_NAME_MAX, "p0.%s",
			 im.load.contact_domain);
		snprintf(s->other, LOAD_NAME_MAX, "%s", domain);
		return &im.ways[i];
	}
	load_die("too many streams");
}

/* What is sent to the other side once; false: no such command. */
static bool say_once(const char *line)
{
	char stream[LOAD_NAME_MAX], domain[LOAD_NAME_MAX];
	size_t count;

	if (sscanf(line, "ask %127s %127s %zu", stream, domain, &count) == 3) {
		begin(count, 0, 0);
		load_say(need(stream)->conn, "<message from='a@p0.%s' to='b@%s'"
			 " id='ask'><body>%zu %zu</body></message>",
			 im.load.contact_domain, domain, count, im.load.pairs);
	}
	else if (sscanf(line, "ping %127s %127s", stream, domain) == 2)
		load_say(need(stream)->conn, "<iq from='p0.%s' to='%s' type="
			 "'get' id='ping'><ping xmlns='urn:xmpp:ping'/></iq>",
			 im.load.contact_domain, domain);
	else if (!strcmp(line, "dialogs")) {
		for (size_t i = 0; i < im.load.pairs; i++)
			if (!im.pairs[i].open)
				im_sip_invite(i);
	}
	else
		return false;
	return true;
}

static void on_command(struct load *l, struct load_conn *c, const char *line)
{
	char a[LOAD_NAME_MAX], b[LOAD_NAME_MAX], to[64], from[64];
	size_t count, window;
	double rate;

	if (sscanf(line, "x2s %127s %127s %zu %zu %lf", a, b, &count, &window,
		   &rate) == 5) {
		begin(count, window, rate);
		im.job.stream = need(a);
		memcpy(im.job.domain, b, sizeof(b));
		im.job.kind = X2S;
	}
	else if (sscanf(line, "s2x %zu %zu %lf", &count, &window, &rate) == 3) {
		begin(count, window, rate);
		im.job.kind = S2X;
	}
	else if (sscanf(line, "stream %127s %63s %63s", a, to, from) == 3) {
		struct way *w = new_stream(a);

		memcpy(w->to, to, sizeof(to));
		memcpy(w->from, from, sizeof(from));
	}
	else if (sscanf(line, "bridge %63s %63s", to, from) == 2)
		im_sip_connect(to, from);
	else if (sscanf(line, "component %63s %63s %127s %63s",
			im.component_way.to, im.component_way.from,
			im.domain, im.secret) == 4)
		return;
	else if (!strcmp(line, "error"))
		load_say(c, "%s\n", im.error);
	else if (!strcmp(line, "latency"))
		latency(c);
	else if (!strcmp(line, "stats"))
		stats(c);
	else if (!say_once(line))
		load_die("no command: %s", line);
	(void)l;
}

int main(int argc, char **argv)
{
	struct load *l = &im.load;

	(void)argc;
	l->on_command = on_command;
	l->on_tick = on_tick;
	l->tick_ms = 1;
	load_start(l, argv + 1);
	im.fqdn = load_option(argv, "fqdn", NULL);
	im.bridge_fqdn = load_option(argv, "bridge_fqdn", NULL);
	im.pairs = calloc(l->pairs, sizeof(*im.pairs));
	im.took = calloc(LATENCIES, sizeof(*im.took));
	if (!im.pairs || !im.took)
		load_die("no memory");
	stream_on_stanza = take_stanza;
	stream_on_accepted = accepted_stream;
	load_listen(l, load_option(argv, "listen", NULL), stream_accept);
	load_listen(l, load_option(argv, "listen_sip", NULL), im_sip_accept);
	load_run(l);
	return 0;
}
