/*
 * chaos_edge_load.c: an Access Edge with Lync users who write to contacts and
 * are written to, and keep a ledger of it; for spec/chaos.
 * SPDX-License-Identifier: MIT
 *
 * Conversation i: user s<i> opens a session with contact y<i> and writes; l<i>
 * takes what x<i> writes, without any state but the number of this process'
 * life, which is in its tags: a dialog of an earlier life is unknown (481).
 * Commands: those of chaos_load.h, and
 *   bridge IP:PORT FROM-IP      connect there, and again whenever it is lost
 *   stats
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chaos_load.h"
#include "sip_load.h"

enum {
	LINKS = 2, /* connections to the bridge; Lync has up to 4 */
	AGAIN_MS = 300,
	ESTABLISH_MS = 30000, /* then a connection that is not up is closed */
	ANSWER_MS = 32000,    /* RFC 3261: timers B and F */
	TALK = 211,	      /* messages of one session; then BYE */
	OLD = 8,	      /* sessions of which a late failure may come */
	ROOM = 8192
};

enum { NONE, ASKED, LIVE };

struct talk { /* of a Lync user who writes */
	uint8_t state;
	uint32_t again, asked, serial, cseq, first; /* first: n of CSeq 2 */
	uint32_t firsts[OLD];
	char to[80], uri[200], route[200];
};

struct link {
	struct load_conn *conn;
	uint32_t again, since;
};

static struct edge {
	struct load load;
	struct chaos chaos;
	struct link links[LINKS];
	struct talk *talks;
	const char *fqdn, *bridge_fqdn;
	char to[64], from[64], text[ROOM];
	size_t up, in, opened, failed, lost_sessions, branch;
} edge;

static bool stands(const struct load_conn *c)
{
	return c && !c->gone && !c->connecting && !c->handshaking && c->ssl;
}

static uint16_t line_of(const struct load_conn *c)
{
	return (uint16_t)(uintptr_t)c->arg;
}

static void put(struct load_conn *c, int n)
{
	if (n < 0 || n >= ROOM)
		load_die("message too long");
	load_write(c, edge.text, (size_t)n);
}

static void partner_domain(char name[LOAD_NAME_MAX], uint32_t conv)
{
	snprintf(name, LOAD_NAME_MAX, "p%u.%s",
		 conv % (uint32_t)edge.load.partners, edge.load.contact_domain);
}

/* ---------------------------------------------------- who is written to -- */

static int answer_head(const struct sip_message *m, const char *status,
		       const char *tag)
{
	int n = snprintf(edge.text, ROOM, "SIP/2.0 %s\r\n", status);

	for (int i = 0; i < m->via_n; i++)
		n += snprintf(edge.text + n, ROOM - (size_t)n, "%.*s\r\n",
			      m->via[i].n, m->via[i].p);
	return n + snprintf(edge.text + n, ROOM - (size_t)n, "From: %.*s\r\n"
			    "To: %.*s%s%s\r\nCall-ID: %.*s\r\nCSeq: %.*s\r\n",
			    m->from.n, m->from.p, m->to.n, m->to.p,
			    tag ? ";epid=7d20a1f8d2;tag=" : "", tag ? tag : "",
			    m->call_id.n, m->call_id.p, m->cseq.n, m->cseq.p);
}

static void answer(struct load_conn *c, const struct sip_message *m,
		   const char *status)
{
	int n = answer_head(m, status, NULL);

	n += snprintf(edge.text + n, ROOM - (size_t)n,
		      "User-Agent: UCCAPI/15.0\r\nContent-Length: 0\r\n\r\n");
	put(c, n);
}

static int sdp(char *to, size_t n)
{
	return snprintf(to, n, "v=0\r\no=- 0 0 IN IP4 10.1.7.42\r\ns=session"
			"\r\nc=IN IP4 10.1.7.42\r\nt=0 0\r\nm=message 5060 sip "
			"null\r\na=accept-types:text/plain text/html "
			"application/ms-imdn+xml\r\n");
}

static int routes(char *to, size_t n, uint32_t v, bool pool_first)
{
	char a[300], b[300];

	snprintf(a, sizeof(a), "Record-Route: <sip:%s:5061;transport=tls;lr;"
		 "ms-key-info=AAEAAQ%08x;ms-route-sig=dmQ7xN2c%08x>;tag=%08X"
		 "\r\n", edge.fqdn, load_mix(v), load_mix(v + 1), v);
	snprintf(b, sizeof(b), "Record-Route: <sip:pool1.%s:5061;transport=tls"
		 ";opaque=state:F:Ci.R%x;lr;ms-route-sig=hb8J%08x>;ms-rrsig="
		 "hbq0Rr11Tz;tag=%08X\r\n", edge.load.user_domain, v,
		 load_mix(v + 2), load_mix(v + 3));
	return snprintf(to, n, "%s%s", pool_first ? b : a, pool_first ? a : b);
}

static void accept_invite(struct load_conn *c, const struct sip_message *m)
{
	uint32_t v = sip_hash(m->call_id, 2166136261u);
	char tag[24], body[400];
	int n, body_n = sdp(body, sizeof(body));

	snprintf(tag, sizeof(tag), "%08X%04X", v,
		 edge.chaos.head->lives & 0xffff);
	n = answer_head(m, "200 OK", tag);
	n += routes(edge.text + n, ROOM - (size_t)n, v, true);
	for (int i = 0; i < m->route_n; i++)
		n += snprintf(edge.text + n, ROOM - (size_t)n, "%.*s\r\n",
			      m->route[i].n, m->route[i].p);
	n += snprintf(edge.text + n, ROOM - (size_t)n, "Contact: <sip:l@%s;"
		      "opaque=user:epid:%08x;gruu>\r\nUser-Agent: UCCAPI/15.0"
		      "\r\nContent-Type: application/sdp\r\nContent-Length: %d"
		      "\r\n\r\n%s", edge.load.user_domain, v, body_n, body);
	put(c, n);
}

static bool of_this_life(const struct sip_message *m)
{
	struct sip_span tag = sip_tag_of(m->to);
	char life[8];

	snprintf(life, sizeof(life), "%04X", edge.chaos.head->lives & 0xffff);
	return tag.n > 4 && !memcmp(tag.p + tag.n - 4, life, 4);
}

static void take_text(struct load_conn *c, const struct sip_message *m)
{
	const struct chaos_seen *s;
	unsigned conv, n;

	if (!of_this_life(m)) {
		answer(c, m, "481 Call/Transaction Does Not Exist");
		return;
	}
	if (sscanf(m->body.p, "x %u %u", &conv, &n) != 2) {
		answer(c, m, "200 OK");
		return;
	}
	s = &edge.chaos.seen[(size_t)conv * edge.chaos.head->each + n];
	if (conv < edge.chaos.head->convs && n < edge.chaos.head->each &&
	    (s->count || s->refused))
		fprintf(stderr, "again: Call-ID %.*s CSeq %.*s To %.*s\n",
			m->call_id.n, m->call_id.p, m->cseq.n, m->cseq.p,
			m->to.n, m->to.p);
	chaos_seen(&edge.chaos, conv, n, line_of(c));
	answer(c, m, chaos_refuses(conv, n) ? "488 Not Acceptable Here"
					    : "200 OK");
}

/* The conversation and the serial of a dialog of ours. */
static struct talk *talk_of(const struct sip_message *m, uint32_t *conv,
			    uint32_t *serial)
{
	char id[64];

	snprintf(id, sizeof(id), "%.*s", m->call_id.n, m->call_id.p);
	if (sscanf(id, "s%u-%u-", conv, serial) != 2 ||
	    *conv >= edge.chaos.head->convs)
		return NULL;
	return &edge.talks[*conv];
}

/* INFO with the failure of a message that had its 200. */
static void take_info(struct load_conn *c, const struct sip_message *m)
{
	const char *id = m->body.n ? memmem(m->body.p, (size_t)m->body.n,
					    "<message-id>", 12) : NULL;
	uint32_t conv, serial, cseq;
	struct talk *t = talk_of(m, &conv, &serial);

	answer(c, m, "200 OK");
	if (!t || !id || !sip_has(m->body, "imdn") ||
	    sscanf(id, "<message-id>%u", &cseq) != 1 ||
	    serial + OLD <= t->serial)
		return;
	chaos_fate(&edge.chaos, conv, t->firsts[serial % OLD] + cseq - 2,
		   line_of(c), "imdn");
}

static void take_request(struct load_conn *c, const struct sip_message *m)
{
	uint32_t conv, serial;
	struct talk *t;

	if (!memcmp(m->line.p, "INVITE ", 7))
		accept_invite(c, m);
	else if (!memcmp(m->line.p, "MESSAGE ", 8))
		take_text(c, m);
	else if (!memcmp(m->line.p, "INFO ", 5))
		take_info(c, m);
	else if (memcmp(m->line.p, "ACK ", 4)) {
		answer(c, m, "200 OK");
		t = memcmp(m->line.p, "BYE ", 4) ? NULL :
		    talk_of(m, &conv, &serial);
		if (t && serial == t->serial)
			t->state = NONE;
	}
}

/* ------------------------------------------------------------ who writes -- */

static struct load_conn *link_of(uint32_t conv)
{
	struct load_conn *c = edge.links[conv % LINKS].conn;

	return stands(c) && !load_slow(c) ? c : NULL;
}

/* What all requests of a session have; returns the length. */
static int request(uint32_t conv, const char *method, const char *branch,
		   uint32_t cseq)
{
	struct talk *t = &edge.talks[conv];
	char domain[LOAD_NAME_MAX];
	int n;

	partner_domain(domain, conv);
	if (t->uri[0])
		n = snprintf(edge.text, ROOM, "%s %s SIP/2.0\r\n", method,
			     t->uri);
	else
		n = snprintf(edge.text, ROOM, "%s sip:y%u@%s SIP/2.0\r\n",
			     method, conv, domain);
	return n + snprintf(edge.text + n, ROOM - (size_t)n, "%sVia: SIP/2.0/"
		"TLS %s:5061;branch=%s\r\nVia: SIP/2.0/TLS 10.1.0.11:61877;"
		"branch=z9hG4bK90AB;ms-received-port=61877\r\nMAX-FORWARDS: 67"
		"\r\nFROM: \"Lync User\"<sip:s%u@%s>;epid=7d20a1f8d2;tag=%u\r\n"
		"To: <sip:y%u@%s>%s%s\r\nCall-ID: s%u-%u-5a0e8f1c7b4d\r\nCSEQ: "
		"%u %s\r\nContact: <sip:s%u@%s;opaque=user:epid:Qm9iIGlz;gruu>"
		"\r\nUser-Agent: UCCAPI/15.0\r\n", t->route, edge.fqdn, branch,
		conv, edge.load.user_domain, t->serial, conv, domain,
		t->to[0] ? ";tag=" : "", t->to, conv, t->serial, cseq, method,
		conv, edge.load.user_domain);
}

static void invite(uint32_t conv)
{
	struct talk *t = &edge.talks[conv];
	struct load_conn *c = link_of(conv);
	char branch[64], body[400];
	int n, body_n = sdp(body, sizeof(body));

	if (!c)
		return;
	t->serial++;
	t->state = ASKED;
	t->asked = chaos_now(&edge.chaos);
	t->cseq = 1;
	t->to[0] = t->uri[0] = t->route[0] = '\0';
	snprintf(branch, sizeof(branch), "z9hG4bKi%u.%u", conv, t->serial);
	n = request(conv, "INVITE", branch, 1);
	n += routes(edge.text + n, ROOM - (size_t)n, load_mix(conv), false);
	n += snprintf(edge.text + n, ROOM - (size_t)n, "Ms-Conversation-ID: "
		      "conv%u.%u\r\nSupported: ms-delayed-accept\r\n"
		      "Content-Type: application/sdp\r\nContent-Length: %d"
		      "\r\n\r\n%s", conv, t->serial, body_n, body);
	put(c, n);
}

static void end_talk(uint32_t conv)
{
	struct talk *t = &edge.talks[conv];

	t->state = NONE;
	t->again = chaos_now(&edge.chaos) + AGAIN_MS;
}

static void bye(uint32_t conv)
{
	struct talk *t = &edge.talks[conv];
	struct load_conn *c = link_of(conv);
	char branch[64];
	int n;

	if (!c)
		return;
	snprintf(branch, sizeof(branch), "z9hG4bKb%u.%u", conv, t->serial);
	n = request(conv, "BYE", branch, ++t->cseq);
	n += snprintf(edge.text + n, ROOM - (size_t)n,
		      "Content-Length: 0\r\n\r\n");
	put(c, n);
	end_talk(conv);
}

static bool ready(uint32_t conv)
{
	struct talk *t = &edge.talks[conv];

	if (!link_of(conv))
		return false;
	if (t->state == NONE && chaos_now(&edge.chaos) >= t->again)
		invite(conv);
	if (t->state != LIVE)
		return false;
	if (t->cseq > TALK &&
	    edge.chaos.base[conv] == edge.chaos.next[conv]) {
		bye(conv);
		return false;
	}
	return true;
}

static void say(uint32_t conv, uint32_t n)
{
	struct talk *t = &edge.talks[conv];
	struct load_conn *c = link_of(conv);
	char branch[64], body[64];
	int body_n = snprintf(body, sizeof(body), "s %u %u", conv, n), k;

	if (!c)
		return; /* never: it was ready */
	if (t->cseq == 1)
		t->firsts[t->serial % OLD] = n;
	chaos_sent(&edge.chaos, conv, n, line_of(c));
	snprintf(branch, sizeof(branch), "z9hG4bKm%u.%u", conv, n);
	k = request(conv, "MESSAGE", branch, ++t->cseq);
	k += snprintf(edge.text + k, ROOM - (size_t)k, "Content-Type: "
		      "text/plain; charset=UTF-8\r\nContent-Length: %d\r\n\r\n"
		      "%s", body_n, body);
	put(c, k);
}

static void copy(char *to, size_t size, const char *p, size_t n)
{
	if (n >= size)
		load_die("too long: %.*s", (int)n, p);
	memcpy(to, p, n);
	to[n] = '\0';
}

/* The bridge's tag, Contact and own Record-Route. */
static bool learn(struct talk *t, const struct sip_message *m)
{
	struct sip_span tag = sip_tag_of(m->to);
	const char *p = m->contact.n ? memchr(m->contact.p, '<',
					      (size_t)m->contact.n) : NULL, *e;

	e = p ? memchr(p, '>', (size_t)(m->contact.p + m->contact.n - p)) :
	    NULL;
	if (!tag.n || !e)
		return false;
	copy(t->to, sizeof(t->to), tag.p, (size_t)tag.n);
	copy(t->uri, sizeof(t->uri), p + 1, (size_t)(e - p - 1));
	for (int i = 0; i < m->route_n && !t->route[0]; i++) {
		const char *v = memchr(m->route[i].p, '<',
				       (size_t)m->route[i].n);

		if (v && sip_has(m->route[i], edge.bridge_fqdn))
			snprintf(t->route, sizeof(t->route), "Route: %.*s\r\n",
				 (int)(m->route[i].p + m->route[i].n - v), v);
	}
	return true;
}

static void invite_answered(struct load_conn *c, const struct sip_message *m,
			    int status)
{
	uint32_t conv, serial;
	struct talk *t = talk_of(m, &conv, &serial);
	char branch[64];
	int n;

	if (!t || serial != t->serial || t->state != ASKED)
		return;
	snprintf(branch, sizeof(branch), "z9hG4bK%c%u.%u",
		 status < 300 ? 'a' : 'i', conv, serial);
	if (status >= 300) {
		struct sip_span tag = sip_tag_of(m->to);

		copy(t->to, sizeof(t->to), tag.p, (size_t)tag.n);
		edge.failed++;
		end_talk(conv);
	}
	else if (learn(t, m)) {
		edge.opened++;
		t->state = LIVE;
	}
	n = request(conv, "ACK", branch, 1);
	n += snprintf(edge.text + n, ROOM - (size_t)n,
		      "Content-Length: 0\r\n\r\n");
	put(c, n);
}

static void take_response(struct load_conn *c, const struct sip_message *m)
{
	int status = atoi(m->line.p + 8);
	char via[160], token[CHAOS_TOKEN];
	const char *p;
	uint32_t conv, n;

	if (status < 200 || !m->via_n)
		return;
	if (sip_has(m->cseq, "INVITE")) {
		invite_answered(c, m, status);
		return;
	}
	snprintf(via, sizeof(via), "%.*s", m->via[0].n, m->via[0].p);
	p = strstr(via, "z9hG4bKm");
	if (!p || sscanf(p, "z9hG4bKm%u.%u", &conv, &n) != 2)
		return;
	snprintf(token, sizeof(token), status == 200 ? "ok" : "SIP %d",
		 status);
	chaos_fate(&edge.chaos, conv, n, line_of(c), token);
	if (conv < edge.chaos.head->convs && edge.talks[conv].state == LIVE &&
	    (status == 481 || status == 408 || status >= 500)) {
		edge.lost_sessions++;
		end_talk(conv);
	}
}

/* ---------------------------------------------------------- connections -- */

static void take(struct load_conn *c, const struct sip_message *m)
{
	if (m->line.n > 12 && !memcmp(m->line.p, "SIP/2.0 ", 8))
		take_response(c, m);
	else if (m->line.n > 8)
		take_request(c, m);
}

static size_t on_data(struct load_conn *c)
{
	return sip_take(c, take);
}

static void closed(struct load_conn *c)
{
	uint16_t line = line_of(c);
	struct chaos *x = &edge.chaos;

	if (line)
		*(c->server ? &edge.in : &edge.up) -= 1;
	chaos_line_end(x, line, CHAOS_BROKEN);
	for (int i = 0; i < LINKS; i++)
		if (edge.links[i].conn == c)
			edge.links[i].conn = NULL;
	if (c->server || !line)
		return;
	/* what was sent on it: nobody knows, and the sender is told so */
	for (uint32_t conv = 0; conv < x->head->convs; conv++) {
		chaos_give_up(x, conv, UINT32_MAX / 2, 0, NULL);
		for (uint32_t n = x->base[conv]; n < x->next[conv]; n++) {
			struct chaos_sent *s =
				&x->sent[(size_t)conv * x->head->each + n];

			if (!s->fates && s->at && s->line == line)
				chaos_fate(x, conv, n, line, "connection");
		}
		if (edge.talks[conv].state == ASKED)
			end_talk(conv);
	}
}

static void opened(struct load_conn *c)
{
	if (!c->ssl) {
		load_tls(c, false, edge.bridge_fqdn);
		return;
	}
	c->arg = (void *)(uintptr_t)chaos_line_open(
		&edge.chaos, c->server ? CHAOS_IN : CHAOS_OUT, 0);
	*(c->server ? &edge.in : &edge.up) += 1;
}

static void accepted(struct load_conn *c)
{
	c->on_data = on_data;
	c->on_close = closed;
	load_tls(c, true, NULL);
	c->on_open = opened;
}

static void look_after(struct link *k)
{
	uint32_t now = chaos_now(&edge.chaos);

	if (k->conn && !stands(k->conn) && now > k->since + ESTABLISH_MS)
		load_close(k->conn);
	if (k->conn || !edge.to[0] || now < k->again)
		return;
	k->again = now + AGAIN_MS;
	k->since = now;
	k->conn = load_connect(&edge.load, edge.from, edge.to);
	if (k->conn->gone) {
		k->conn = NULL;
		return;
	}
	k->conn->on_data = on_data;
	k->conn->on_open = opened;
	k->conn->on_close = closed;
}

/* A request without an answer: its connection is no good. */
static void time_out(uint32_t conv, uint32_t now)
{
	struct talk *t = &edge.talks[conv];
	struct chaos *x = &edge.chaos;
	struct chaos_sent *s;

	if (t->state == ASKED && now > t->asked + ANSWER_MS)
		end_talk(conv);
	if (x->base[conv] >= x->next[conv])
		return;
	s = &x->sent[(size_t)conv * x->head->each + x->base[conv]];
	if (s->fates || !s->at || now < s->at + ANSWER_MS)
		return;
	chaos_give_up(x, conv, ANSWER_MS, 0, "timeout");
	end_talk(conv);
	if (edge.links[conv % LINKS].conn)
		load_close(edge.links[conv % LINKS].conn);
}

static void on_tick(struct load *l)
{
	static uint32_t looked;
	uint32_t now = chaos_now(&edge.chaos), conv, n;

	for (int i = 0; i < LINKS; i++)
		look_after(&edge.links[i]);
	while (chaos_take(&edge.chaos, l, ready, &conv, &n))
		say(conv, n);
	if (now - looked < 200)
		return;
	looked = now;
	for (conv = 0; conv < edge.chaos.head->convs; conv++)
		time_out(conv, now);
}

static void on_command(struct load *l, struct load_conn *c, const char *text)
{
	char sums[400];

	if (chaos_command(&edge.chaos, l, text) ||
	    sscanf(text, "bridge %63s %63s", edge.to, edge.from) == 2)
		return;
	if (strcmp(text, "stats"))
		load_die("no command: %s", text);
	chaos_stats(&edge.chaos, sums, sizeof(sums));
	load_say(c, "stats up=%zu in=%zu opened=%zu failed=%zu lost=%zu%s\n",
		 edge.up, edge.in, edge.opened, edge.failed,
		 edge.lost_sessions, sums);
}

int main(int argc, char **argv)
{
	struct load *l = &edge.load;

	(void)argc;
	l->on_command = on_command;
	l->on_tick = on_tick;
	load_start(l, argv + 1);
	chaos_open(&edge.chaos, argv + 1);
	edge.fqdn = load_option(argv, "fqdn", NULL);
	edge.bridge_fqdn = load_option(argv, "bridge_fqdn", NULL);
	edge.talks = calloc(edge.chaos.head->convs, sizeof(*edge.talks));
	if (!edge.talks)
		load_die("no memory");
	/* serials of this life begin after those of the ones before */
	for (uint32_t i = 0; i < edge.chaos.head->convs; i++)
		edge.talks[i].serial = edge.chaos.head->lives << 16;
	load_listen(l, load_option(argv, "listen", NULL), accepted);
	load_run(l);
	return 0;
}
