/*
 * publish_load.c: an Access Edge whose Lync users change their presence; for
 * bench_presence.lua.
 * SPDX-License-Identifier: MIT
 *
 * Accepts the subscriptions of contacts and keeps their dialogs. On command the
 * users change between available and busy, one after the other: a NOTIFY in
 * each dialog of the user. Answers come back over the connection of their
 * own, as with Lync; `window` NOTIFYs at most are without one.
 *
 * Commands, a line each:
 *   bridge IP:PORT FROM-IP      where NOTIFYs go
 *   publish                     all users change once
 *   stats
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"
#include "sip_load.h"

enum { FIELD = 300, ROOM = 8192 };

#define CONTACT "Contact: <sip:pool1.%s:5061;transport=tls>\r\n"

struct dialog { /* as text of the headers */
	char from[FIELD], to[FIELD], call_id[FIELD], target[FIELD];
	unsigned cseq;
};

static struct edge {
	struct load load;
	struct load_conn *bridge;
	struct load_conn later; /* what waits for it */
	char to[64], from[64];
	const char *fqdn, *bridge_fqdn;
	double again;
	struct dialog *dialogs; /* of each pair */
	struct load_work work;
	size_t begun, told, told_ok, bad, branch;
	bool busy;
	char text[ROOM];
} edge;

static void keep(char to[FIELD], struct sip_span s)
{
	if (s.n < 0 || s.n >= FIELD)
		load_die("too long: %.60s", s.p);
	memcpy(to, s.p, (size_t)s.n);
	to[s.n] = '\0';
}

/* "name@domain" of a From or To. */
static void address(char to[FIELD], struct sip_span s)
{
	const char *p = memmem(s.p, (size_t)s.n, "<sip:", 5), *e;

	if (!p)
		load_die("no address: %.*s", s.n, s.p);
	for (e = p += 5; e < s.p + s.n && *e != '>' && *e != ';'; e++)
		;
	keep(to, (struct sip_span){p, (int)(e - p)});
}

static void put(struct load_conn *c, int n)
{
	if (n < 0 || n >= ROOM)
		load_die("message too long");
	load_write(c, edge.text, (size_t)n);
}

static struct load_conn *standing(void)
{
	struct load_conn *c = edge.bridge;

	return c && !c->connecting && !c->handshaking ? c : &edge.later;
}

static void notify(size_t pair)
{
	struct dialog *d = &edge.dialogs[pair];
	char body[500];
	int n = snprintf(body, sizeof(body), "<?xml version=\"1.0\"?>\n"
		"<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" xmlns:ep="
		"\"urn:ietf:params:xml:ns:pidf:status:rpid-status\" entity="
		"\"sip:lync@%s\"><tuple id=\"0\"><status><basic>open</basic>"
		"%s</status>"
		"</tuple></presence>", edge.load.user_domain, edge.busy ?
		"<ep:activities><ep:activity>busy</ep:activity>"
		"</ep:activities>" : "");

	put(standing(), snprintf(edge.text, ROOM, "NOTIFY %s SIP/2.0\r\nVia: "
		"SIP/2.0/TLS %s:5061;branch=z9hG4bKn%zx\r\nMax-Forwards: 68"
		"\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %u NOTIFY\r\n"
		CONTACT "Event: presence\r\nSubscription-State: active;expires="
		"28000\r\nContent-Type: application/pidf+xml\r\n"
		"Content-Length: %d\r\n\r\n%s", d->target, edge.fqdn,
		++edge.branch, d->from, d->to, d->call_id, ++d->cseq,
		edge.load.user_domain, n, body));
	edge.told++;
}

static void subscribed(struct load_conn *c, const struct sip_message *m)
{
	char contact[FIELD], user[FIELD], tagged[FIELD];
	const char *end = m->contact.n ? memchr(m->contact.p, '>',
						(size_t)m->contact.n) : NULL;
	struct dialog *d;
	size_t pair;
	int n;

	address(contact, m->from);
	address(user, m->to);
	pair = load_pair(&edge.load, contact, user);
	if (pair == LOAD_NOBODY || !end || m->contact.n < 3)
		load_die("whose? %s, %s", contact, user);
	snprintf(tagged, sizeof(tagged), "%.*s%s", m->to.n, m->to.p,
		 sip_tag_of(m->to).n ? "" : ";tag=4FA92C01");
	d = &edge.dialogs[pair];
	edge.begun += !d->cseq;
	keep(d->from, (struct sip_span){tagged, (int)strlen(tagged)});
	keep(d->to, m->from);
	keep(d->call_id, m->call_id);
	keep(d->target, (struct sip_span){m->contact.p + 1,
					  (int)(end - m->contact.p) - 1});
	n = snprintf(edge.text, ROOM, "SIP/2.0 200 OK\r\n");
	for (int i = 0; i < m->via_n; i++)
		n += snprintf(edge.text + n, ROOM - (size_t)n, "%.*s\r\n",
			      m->via[i].n, m->via[i].p);
	put(c, n + snprintf(edge.text + n, ROOM - (size_t)n, "From: %.*s\r\n"
		"To: %s\r\nCall-ID: %.*s\r\nCSeq: %.*s\r\n" CONTACT
		"Expires: 28800\r\nContent-Length: 0\r\n\r\n", m->from.n,
		m->from.p, tagged, m->call_id.n, m->call_id.p, m->cseq.n,
		m->cseq.p, edge.load.user_domain));
	notify(pair);
}

static void answer(struct load_conn *c, const struct sip_message *m)
{
	int n = snprintf(edge.text, ROOM, "SIP/2.0 200 OK\r\n");

	for (int i = 0; i < m->via_n; i++)
		n += snprintf(edge.text + n, ROOM - (size_t)n, "%.*s\r\n",
			      m->via[i].n, m->via[i].p);
	put(c, n + snprintf(edge.text + n, ROOM - (size_t)n, "From: %.*s\r\n"
		"To: %.*s;tag=1\r\nCall-ID: %.*s\r\nCSeq: %.*s\r\n"
		"Content-Length: 0\r\n\r\n", m->from.n, m->from.p, m->to.n,
		m->to.p, m->call_id.n, m->call_id.p, m->cseq.n, m->cseq.p));
}

static void take(struct load_conn *c, const struct sip_message *m)
{
	if (m->line.n > 8 && !memcmp(m->line.p, "SIP/2.0 ", 8)) {
		if (atoi(m->line.p + 8) == 200)
			edge.told_ok++;
		else
			edge.bad++;
	}
	else if (sip_has(m->cseq, "SUBSCRIBE"))
		subscribed(c, m);
	else
		answer(c, m); /* OPTIONS */
}

static size_t on_data(struct load_conn *c)
{
	return sip_take(c, take);
}

static void accepted(struct load_conn *c)
{
	c->on_data = on_data;
	load_tls(c, true, NULL);
}

static void bridge_open(struct load_conn *c)
{
	if (!c->ssl)
		load_tls(c, false, edge.bridge_fqdn);
	if (c->ssl && !c->handshaking) {
		load_write(c, edge.later.out, edge.later.out_n);
		edge.later.out_n = 0;
	}
}

static void bridge_gone(struct load_conn *c)
{
	if (c == edge.bridge)
		edge.bridge = NULL;
}

static void connect_bridge(struct load *l)
{
	edge.again = l->now + 0.2;
	edge.bridge = load_connect(l, edge.from, edge.to);
	edge.bridge->on_data = on_data;
	edge.bridge->on_open = bridge_open;
	edge.bridge->on_close = bridge_gone;
	if (edge.bridge->gone)
		edge.bridge = NULL;
}

static void on_tick(struct load *l)
{
	size_t pair;

	if (!edge.bridge && edge.to[0] && l->now >= edge.again)
		connect_bridge(l);
	while (load_work_take(&edge.work, l,
			      edge.told - edge.told_ok - edge.bad, &pair))
		notify(pair);
}

static void on_command(struct load *l, struct load_conn *c, const char *line)
{
	if (sscanf(line, "bridge %63s %63s", edge.to, edge.from) == 2)
		edge.again = 0;
	else if (!strcmp(line, "publish")) {
		edge.busy = !edge.busy;
		load_work_set(&edge.work, l, 0, l->pairs, 0);
	}
	else if (!strcmp(line, "stats"))
		load_say(c, "stats begun=%zu told=%zu told_ok=%zu bad=%zu "
			 "connected=%d\n", edge.begun, edge.told, edge.told_ok,
			 edge.bad, standing() == edge.bridge && edge.bridge);
	else
		load_die("no command: %s", line);
}

int main(int argc, char **argv)
{
	struct load *l = &edge.load;

	(void)argc;
	l->on_command = on_command;
	l->on_tick = on_tick;
	load_start(l, argv + 1);
	edge.fqdn = load_option(argv, "fqdn", NULL);
	edge.bridge_fqdn = load_option(argv, "bridge_fqdn", NULL);
	edge.work.window =
		strtoul(load_option(argv, "window", "400"), NULL, 10);
	edge.dialogs = calloc(l->pairs, sizeof(*edge.dialogs));
	if (!edge.dialogs)
		load_die("no memory");
	load_listen(l, load_option(argv, "listen", NULL), accepted);
	load_run(l);
	return 0;
}
