/*
 * worker_edge_load.c: an Access Edge whose Lync users talk; for
 * bench_worker.lua.
 * SPDX-License-Identifier: MIT
 *
 * Answers what a bridge says (INVITE, MESSAGE, BYE, OPTIONS) at once with 200.
 * On command its own users talk, over a connection of its own: an INVITE for
 * each conversation, then one MESSAGE after the other, each when the one before
 * has its answer. Spelling and sizes are Lync's (spec/support/edge_words.lua).
 *
 * Commands, a line each:
 *   talk N IP:PORT FROM-IP      N conversations, again whenever the bridge is
 *                               another one; N = 0: no more
 *   stats
 */
#include <openssl/ssl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"
#include "sip_load.h"

enum { FIELD = 160, ROOM = 16384 };

#define AGENT "UCCAPI/15.0.4569.1503 OC/15.0.4569.1503 (Microsoft Lync)"
#define TEXT "Can you send me the figures for tomorrow's meeting, please?"
#define LYNC_SDP                                                               \
	"v=0\r\no=- 0 0 IN IP4 10.1.7.42\r\ns=session\r\nc=IN IP4 10.1.7.42"   \
	"\r\nt=0 0\r\nm=message 5060 sip null\r\na=accept-types:text/plain "   \
	"multipart/alternative image/gif text/rtf text/html "                  \
	"application/x-ms-ink application/ms-imdn+xml text/x-msmsgsinvite\r\n"

struct talk {
	char tag[FIELD], target[FIELD * 3]; /* theirs */
	unsigned cseq;
};

static struct edge {
	struct load load;
	struct load_conn *bridge;
	char to[64], from[64];
	const char *fqdn, *bridge_fqdn, *cipher; /* of the last connection */
	struct talk *talks;
	size_t talks_n, run, branch, heard, said, bad;
	int status; /* the last one that was no 200 */
	double again;
	char text[ROOM];
	size_t n;
} edge;

__attribute__((format(printf, 1, 2)))
static void add(const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(edge.text + edge.n, ROOM - edge.n, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= ROOM - edge.n)
		load_die("message too long");
	edge.n += (size_t)n;
}

static void put(struct load_conn *c)
{
	load_write(c, edge.text, edge.n);
	edge.n = 0;
}

/* Topmost first, as the Edge and the pool sign them (lync-sip.md 1.6). */
static void routes(bool pool_first)
{
	for (int i = 0; i < 2; i++)
		if ((i == 0) == pool_first)
			add("Record-Route: <sip:pool1.%s:5061;transport=TLS;"
			    "opaque=state%%3aF:Ci.R4fa0000;lr;ms-route-sig="
			    "hb8Jm2s9Xw>;ms-rrsig=hbq0Rr11Tz;tag=A07C11DE\r\n",
			    edge.load.user_domain);
		else
			add("Record-Route: <sip:%s:5061;transport=tls;lr;"
			    "ms-key-info=jAC%%41AKw3n0YrT5xqZ0m2;ms-route-sig="
			    "dmQ7%%2fxN2c1oP~0aZkqbb9>;tag=5B1F2A90C4\r\n",
			    edge.fqdn);
}

/* ------------------------------------------------- the bridge's requests -- */

static void supported(void)
{
	add("Supported: ms-sender\r\nSupported: histinfo\r\nSupported: "
	    "ms-safe-transfer\r\nSupported: ms-dialog-route-set-update\r\n"
	    "Supported: ms-conf-invite\r\n");
}

static void answer(struct load_conn *c, const struct sip_message *m)
{
	bool invite = sip_has(m->cseq, "INVITE");

	add("SIP/2.0 200 OK\r\n");
	for (int i = 0; i < m->via_n; i++)
		add("%.*s%s\r\n", m->via[i].n, m->via[i].p, i ? "" :
		    ";received=192.0.2.10;ms-received-port=40112;"
		    "ms-received-cid=44A100");
	if (invite) {
		routes(true);
		for (int i = 0; i < m->route_n; i++)
			add("%.*s\r\n", m->route[i].n, m->route[i].p);
	}
	add("CONTENT-LENGTH: %zu\r\nFROM: %.*s\r\nTO: %.*s%s\r\nCALL-ID: %.*s"
	    "\r\nCSeq: %.*s\r\n", invite ? strlen(LYNC_SDP) : 0, m->from.n,
	    m->from.p, m->to.n, m->to.p, sip_tag_of(m->to).n ? "" :
	    ";epid=0a1b2c3d4e;tag=73aa01f9c2", m->call_id.n, m->call_id.p,
	    m->cseq.n, m->cseq.p);
	if (invite)
		add("Contact: <sip:lync@%s;opaque=user:epid:Qm9iIGlzIHRoZXJlIGF"
		    "nYWluAAA;gruu>\r\n", edge.load.user_domain);
	add("User-Agent: " AGENT "\r\n");
	supported();
	add("%s\r\n%s", invite ? "Content-Type: application/sdp\r\n" : "",
	    invite ? LYNC_SDP : "");
	put(c);
	edge.heard += sip_has(m->cseq, "MESSAGE");
}

/* --------------------------------------------------------- our own ones -- */

static void request(size_t i, const char *method, unsigned cseq)
{
	struct talk *t = &edge.talks[i];
	bool invite = !strcmp(method, "INVITE");
	const char *body = invite ? LYNC_SDP : !strcmp(method, "ACK") ? "" :
			   TEXT;
	uint32_t v = load_mix((uint32_t)++edge.branch);

	add("%s %s SIP/2.0\r\n", method, t->target);
	if (invite)
		routes(false);
	add("Via: SIP/2.0/TLS %s:54021;branch=z9hG4bK6E0B%08x.4FD1C2AA90B33C11"
	    ";branched=FALSE;ms-internal-info=\"ckA2pV1s,0QyT;9mUe\"\r\n"
	    "Via: SIP/2.0/TLS 10.1.0.11:61877;branch=z9hG4bK90AB%08x;branched="
	    "FALSE;ms-received-port=61877;ms-received-cid=2C00\r\n"
	    "Via: SIP/2.0/TLS 10.1.7.42:49733;ms-received-port=49733;"
	    "ms-received-cid=1A3F00\r\n", edge.from, v, v ^ 0x5a5a5a5au);
	add("MAX-FORWARDS: 67\r\nCONTENT-LENGTH: %zu\r\nFROM: \"Lena Lync\""
	    "<sip:lena%zu@%s>;epid=0a1b2c3d4e;tag=73aa01f9%04zx\r\nTo: "
	    "<sip:romeo%zu@%s>%s%s\r\nCall-ID: %08zxtalk%08zx\r\nCSEQ: %u %s"
	    "\r\nContact: <sip:lena%zu@%s;opaque=user:epid:Qm9iIGlzIHRoZXJlIGF"
	    "nYWluAAA;gruu>\r\nUser-Agent: " AGENT "\r\n", strlen(body), i,
	    edge.load.user_domain, i, i, edge.load.contact_domain,
	    t->tag[0] ? ";tag=" : "", t->tag, i, edge.run, cseq, method, i,
	    edge.load.user_domain);
	add("Supported: ms-dialog-route-set-update\r\nSupported: timer\r\n");
	if (*body)
		add("Content-Type: %s\r\n", invite ? "application/sdp" :
		    "text/plain; charset=UTF-8");
	add("\r\n%s", body);
	put(edge.bridge);
}

static void learn(struct talk *t, const struct sip_message *m)
{
	struct sip_span tag = sip_tag_of(m->to), uri = m->contact;
	const char *end = uri.n ? memchr(uri.p, '>', (size_t)uri.n) : NULL;

	if (!tag.n || tag.n >= FIELD || !end || uri.n >= FIELD * 3)
		load_die("no dialog: %.*s", m->line.n, m->line.p);
	snprintf(t->tag, sizeof(t->tag), "%.*s", tag.n, tag.p);
	snprintf(t->target, sizeof(t->target), "%.*s",
		 (int)(end - uri.p) - 1, uri.p + 1);
}

static void answered(const struct sip_message *m)
{
	int status = atoi(m->line.p + 8);
	size_t i = strtoul(m->call_id.p, NULL, 16);

	if (status < 200)
		return;
	if (status != 200 || i >= edge.talks_n) {
		edge.status = status;
		if (!edge.bad++)
			fprintf(stderr, "%.*s\n", (int)(m->body.p - m->line.p),
				m->line.p);
		return;
	}
	if (sip_has(m->cseq, "INVITE")) {
		learn(&edge.talks[i], m);
		request(i, "ACK", 1);
	}
	else
		edge.said++;
	request(i, "MESSAGE", ++edge.talks[i].cseq);
}

static void begin(void)
{
	edge.run++;
	for (size_t i = 0; i < edge.talks_n; i++) {
		struct talk *t = &edge.talks[i];

		*t = (struct talk){.cseq = 1};
		snprintf(t->target, sizeof(t->target), "sip:romeo%zu@%s", i,
			 edge.load.contact_domain);
		request(i, "INVITE", 1);
	}
}

/* ---------------------------------------------------------- connections -- */

static void take(struct load_conn *c, const struct sip_message *m)
{
	if (m->line.n > 8 && !memcmp(m->line.p, "SIP/2.0 ", 8))
		answered(m);
	else if (!sip_has(m->cseq, "ACK"))
		answer(c, m);
}

static size_t on_data(struct load_conn *c)
{
	edge.cipher = SSL_get_cipher((const SSL *)c->ssl);
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
	else
		begin();
}

static void bridge_gone(struct load_conn *c)
{
	if (c == edge.bridge)
		edge.bridge = NULL;
}

static void on_tick(struct load *l)
{
	if (edge.bridge || !edge.talks_n || l->now < edge.again)
		return;
	edge.again = l->now + 0.05;
	edge.bridge = load_connect(l, edge.from, edge.to);
	edge.bridge->on_data = on_data;
	edge.bridge->on_open = bridge_open;
	edge.bridge->on_close = bridge_gone;
	if (edge.bridge->gone)
		edge.bridge = NULL;
}

static void on_command(struct load *l, struct load_conn *c, const char *line)
{
	size_t n;

	if (sscanf(line, "talk %zu %63s %63s", &n, edge.to, edge.from) == 3) {
		edge.talks_n = n;
		edge.talks = realloc(edge.talks, (n + 1) * sizeof(struct talk));
		edge.again = 0;
		if (!edge.talks)
			load_die("no memory");
		if (edge.bridge)
			load_close(edge.bridge);
	}
	else if (!strcmp(line, "stats"))
		load_say(c, "stats heard=%zu said=%zu bad=%zu status=%d "
			 "cipher=%s\n", edge.heard, edge.said, edge.bad,
			 edge.status, edge.cipher ? edge.cipher : "none");
	else
		load_die("no command: %s", line);
	(void)l;
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
	load_listen(l, load_option(argv, "listen", NULL), accepted);
	load_run(l);
	return 0;
}
