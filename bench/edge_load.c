/*
 * edge_load.c: an Access Edge with a million Lync users behind it, either
 * role of presence; for bench/scale.lua and its little sister in spec/wire.
 * SPDX-License-Identifier: MIT
 *
 * As presentity it has no state at all (but for edge_state.c): its tag is made
 * of the Call-ID, a NOTIFY has the CSeq of the SUBSCRIBE that it follows. As
 * watcher it has what a client cannot do without: the bridge's tag and the
 * sequence numbers.
 * Its requests go over one connection of its own, answers where the request
 * came from, as Lync does it. Nothing is sent again: TLS loses nothing.
 *
 * Commands, a line each:
 *   bridge IP:PORT FROM-IP      connect there, and again whenever it is lost
 *   watch FROM TO RATE          users of these pairs subscribe
 *   refresh FROM TO RATE, leave FROM TO RATE      in these dialogs
 *   grant SECONDS               for subscriptions of contacts from now on
 *   spread START RATE           instead: so that the next ones are refreshed
 *                               one after the other, in START seconds or later
 *   forget                      dialogs as watcher: the bridge has lost them
 *   stats
 * and those of edge_talk.c and edge_state.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edge_load.h"

enum { TAG = 24, ROOM = 8192, MARGIN_SHARE = 8, CSEQ_STEP = 1000 };

enum { NONE, ASKED, LIVE, LEAVING };

struct dialog { /* of a Lync user who watches */
	char tag[TAG];
	uint16_t cseq, heard;
	uint8_t state;
	bool open;	/* the last NOTIFY said so */
	bool unanswered;
	uint8_t call; /* makes the Call-ID of each dialog another */
};

struct count {
	size_t asked, answered, failed; /* SUBSCRIBEs of ours */
	size_t live, open, ended, notifies; /* dialogs of ours; their NOTIFYs */
	size_t begun, refreshed, left;	/* SUBSCRIBEs of the bridge */
	size_t told, told_ok, told_bad;	/* NOTIFYs of ours */
	size_t strange, connects;
};

static struct edge {
	struct load load;
	struct load_conn *bridge;
	struct load_conn later; /* what waits for it */
	char to[64], from[64];
	const char *fqdn, *bridge_fqdn;
	double again;
	struct load_work watch, refresh, leave;
	struct dialog *dialogs;
	struct count n;
	int status; /* the last one that was no 200 */
	long grant;
	double spread_at, spread_rate;
	size_t branch, spread_n;
	char text[ROOM * 2];
} edge;

/* ----------------------------------------------------------- presentity -- */

const char *edge_fqdn(void)
{
	return edge.fqdn;
}

static void put(struct load_conn *c, int n, size_t size)
{
	if (n < 0 || (size_t)n >= size)
		load_die("message too long");
	load_write(c, edge.text, (size_t)n);
}

struct load_conn *edge_link(void)
{
	struct load_conn *c = edge.bridge;

	return c && !c->connecting && !c->handshaking ? c : &edge.later;
}

static int answer_head(const struct sip_message *m, const char *status,
		       const char *tag)
{
	return sip_answer_head(edge.text, ROOM, m, status, tag);
}

int edge_routes(char *to, size_t n, const char *head, uint32_t dialog,
		uint32_t user, bool pool_first)
{
	return sip_routes(to, n, head, edge.fqdn, edge.load.user_domain,
			  (struct sip_route){dialog, user, pool_first});
}

void edge_answer(struct load_conn *c, const struct sip_message *m,
		 const char *status, const char *tag, const char *more,
		 const char *body)
{
	char user[600] = "";
	int n = answer_head(m, status, tag);

	if (body) { /* it makes a dialog */
		for (int i = 0; i < m->route_n; i++)
			n += snprintf(edge.text + n, ROOM, "%.*s\r\n",
				      m->route[i].n, m->route[i].p);
		snprintf(user, sizeof(user), "Contact: <sip:pool1.%s:5061;"
			 "transport=tls>\r\nContent-Type: application/sdp\r\n",
			 edge.load.user_domain);
	}
	n += snprintf(edge.text + n, ROOM, "%s%sServer: RTC/5.0\r\n"
		      "Content-Length: %zu\r\n\r\n%s", more, user,
		      body ? strlen(body) : 0, body ? body : "");
	put(c, n, sizeof(edge.text));
}

static void answer(struct load_conn *c, const struct sip_message *m)
{
	edge_answer(c, m, "200 OK", NULL, "", NULL);
}

/* "name@domain" of a header. */
static void name_of(char name[LOAD_NAME_MAX], struct sip_span s)
{
	const char *p = memmem(s.p, (size_t)s.n, "sip:", 4);
	int n = 0;

	for (p = p ? p + 4 : s.p; p + n < s.p + s.n && !strchr(">;", p[n]);)
		n++;
	snprintf(name, LOAD_NAME_MAX, "%.*s", n, p);
}

size_t edge_pair(const struct sip_message *m)
{
	char contact[LOAD_NAME_MAX], user[LOAD_NAME_MAX];

	name_of(contact, m->from);
	name_of(user, m->to);
	return load_pair(&edge.load, contact, user);
}

/* A grant after which the bridge refreshes when its turn has come. */
static long spread(void)
{
	double wait = edge.spread_at - edge.load.now +
		      (double)edge.spread_n++ / edge.spread_rate;

	if (wait < 120)
		wait = 120;
	return (long)(wait * MARGIN_SHARE / (MARGIN_SHARE - 1));
}

static const char *const words[] = {"", "away", "busy"};

void edge_notify(const struct sip_message *m, uint32_t cseq, long expires,
		 unsigned presence)
{
	uint32_t tag = sip_hash(m->call_id, 2166136261u);
	struct sip_span to = m->from, from = m->to, uri = m->contact;
	const char *end = memchr(from.p, ';', (size_t)from.n);
	char body[800], state[64];
	int n, body_n = 0;

	if (end && memchr(from.p, '>', (size_t)from.n) < (void *)end)
		from.n = (int)(end - from.p);
	snprintf(state, sizeof(state), expires ? "active;expires=%ld" :
		 "terminated;reason=timeout", expires);
	end = memchr(uri.p, '>', (size_t)uri.n);
	uri = (struct sip_span){uri.p + 1, end ? (int)(end - uri.p) - 1 : 0};
	if (expires)
		body_n = snprintf(body, sizeof(body),
			"<?xml version=\"1.0\"?>\n<presence xmlns=\"urn:ietf:"
			"params:xml:ns:pidf\" xmlns:ep=\"urn:ietf:params:xml:"
			"ns:pidf:status:rpid-status\" entity=\"sip:lync@%s\">"
			"<tuple id=\"0\"><status><basic>open</basic>"
			"<ep:activities><ep:activity>%s</ep:activity>"
			"</ep:activities></status></tuple></presence>",
			edge.load.user_domain, words[presence]);
	n = snprintf(edge.text, sizeof(edge.text), "NOTIFY %.*s SIP/2.0\r\n"
		"Via: SIP/2.0/TLS %s:5061;branch=z9hG4bKn%zx\r\nMax-Forwards: "
		"68\r\nFrom: %.*s;tag=%08X\r\nTo: %.*s\r\nCall-ID: %.*s\r\n"
		"CSeq: %u NOTIFY\r\nContact: <sip:pool1.%s:5061;transport=tls>"
		"\r\nEvent: presence\r\nSubscription-State: %s\r\n"
		"%sContent-Length: %d\r\n\r\n%.*s",
		uri.n, uri.p, edge.fqdn, ++edge.branch, from.n, from.p, tag,
		to.n, to.p, m->call_id.n, m->call_id.p, cseq,
		edge.load.user_domain, state,
		body_n ? "Content-Type: application/pidf+xml\r\n" : "", body_n,
		body_n, body);
	put(edge_link(), n, sizeof(edge.text));
	edge.n.told++;
}

static void subscribed(struct load_conn *c, const struct sip_message *m)
{
	uint32_t user = sip_hash(m->to, 1) % (uint32_t)edge.load.users;
	bool first = sip_tag_of(m->to).n == 0;
	long expires = !m->expires ? 0 : edge.spread_rate > 0 && first ?
		       spread() : edge.grant;
	uint32_t tag = sip_hash(m->call_id, 2166136261u);
	char text[16];
	int n;

	snprintf(text, sizeof(text), "%08X", tag);
	n = answer_head(m, "200 OK", first ? text : NULL);

	if (first)
		n += edge_routes(edge.text + n, ROOM, "Record-Route", tag, user,
			    true);
	for (int i = 0; first && i < m->route_n; i++)
		n += snprintf(edge.text + n, ROOM, "%.*s\r\n", m->route[i].n,
			      m->route[i].p);
	n += snprintf(edge.text + n, ROOM, "Contact: <sip:pool1.%s:5061;"
		      "transport=tls>\r\nExpires: %ld\r\nServer: RTC/5.0\r\n"
		      "Content-Length: 0\r\n\r\n", edge.load.user_domain,
		      expires);
	put(c, n, sizeof(edge.text));
	if (first)
		edge.n.begun++;
	else if (expires)
		edge.n.refreshed++;
	else
		edge.n.left++;
	edge_notify(m, (uint32_t)atol(m->cseq.p) * CSEQ_STEP, expires, 0);
	edge_state_subscribed(m);
}

/* -------------------------------------------------------------- watcher -- */

static void subscribe(size_t i, long expires)
{
	struct dialog *d = &edge.dialogs[i];
	char user[LOAD_NAME_MAX], contact[LOAD_NAME_MAX], tag[TAG + 8] = "";
	char rr[1200] = "";
	uint32_t u = (uint32_t)load_user_of(&edge.load, i);
	uint32_t v = (uint32_t)i;
	int n;

	load_user(&edge.load, user, u);
	load_contact(&edge.load, contact, load_contact_of(&edge.load, i));
	if (d->tag[0])
		snprintf(tag, sizeof(tag), ";tag=%s", d->tag);
	else
		edge_routes(rr, sizeof(rr), "Record-Route", load_mix(v), u,
			    false);
	n = snprintf(edge.text, sizeof(edge.text), "SUBSCRIBE sip:%s SIP/2.0"
		"\r\n%sVia: SIP/2.0/TLS %s:5061;branch=z9hG4bKs%zx\r\n"
		"Max-Forwards: 67\r\nFrom: \"Firstname Lastname\"<sip:%s>;"
		"epid=%08x11;tag=%08x\r\nTo: <sip:%s>%s\r\nCall-ID: %08x%08x"
		"%08x%08x\r\nCSeq: %d SUBSCRIBE\r\nContact: <sip:%s;opaque="
		"user:epid:Qm9iIGlz%08xhcmUgYWdhaQAA;gruu>\r\nEvent: presence"
		"\r\nAccept: application/msrtc-event-categories+xml, "
		"application/xpidf+xml, text/xml+msrtc.pidf, "
		"application/pidf+xml\r\nUser-Agent: UCCAPI/15.0\r\n"
		"Expires: %ld\r\nContent-Length: 0\r\n\r\n",
		contact, rr, edge.fqdn, ++edge.branch, user, load_mix(u + 7),
		load_mix(v + 9), contact, tag, v, load_mix(v + 1),
		load_mix(v + 2), load_mix(v + 3) + d->call, ++d->cseq, user,
		load_mix(u + 13), expires);
	put(edge.bridge, n, sizeof(edge.text));
	edge.n.asked++;
	d->unanswered = true;
}

static struct dialog *dialog_of(const struct sip_message *m)
{
	char digits[9] = "";
	uint32_t call;
	size_t i;

	if (m->call_id.n != 32)
		return NULL;
	memcpy(digits, m->call_id.p, 8);
	i = strtoul(digits, NULL, 16);
	if (i >= edge.load.pairs)
		return NULL;
	/* or it is of a dialog before */
	memcpy(digits, m->call_id.p + 24, 8);
	call = load_mix((uint32_t)i + 3) + edge.dialogs[i].call;
	return strtoul(digits, NULL, 16) == call ? &edge.dialogs[i] : NULL;
}

static void set(struct dialog *d, uint8_t state, bool open)
{
	edge.n.live -= d->state == LIVE || d->state == LEAVING;
	edge.n.open -= d->open;
	d->state = state;
	d->open = open;
	edge.n.live += state == LIVE || state == LEAVING;
	edge.n.open += open;
}

static void gone(struct dialog *d)
{
	set(d, NONE, false);
	*d = (struct dialog){.unanswered = d->unanswered, .call = d->call};
}

static void heard(struct load_conn *c, const struct sip_message *m)
{
	struct dialog *d = dialog_of(m);
	long cseq = atol(m->cseq.p);

	answer(c, m);
	edge.n.notifies++;
	if (!d || d->state == NONE || cseq <= d->heard) {
		edge.n.strange++;
		return;
	}
	d->heard = (uint16_t)cseq;
	if (m->terminated) {
		edge.n.ended++;
		gone(d);
	}
	else
		set(d, d->state, sip_has(m->body, ">open<") ||
				 sip_has(m->body, "<availability>3500<"));
	edge_state_heard((size_t)(d - edge.dialogs), m);
}

static void learn(struct dialog *d, const struct sip_message *m)
{
	struct sip_span tag = sip_tag_of(m->to);

	if (!tag.n || tag.n >= TAG) {
		edge.n.strange++;
		return;
	}
	memcpy(d->tag, tag.p, (size_t)tag.n);
	d->tag[tag.n] = '\0';
	if (d->state == ASKED)
		set(d, LIVE, d->open);
}

static void answered(const struct sip_message *m)
{
	int status = atoi(m->line.p + 8);
	struct dialog *d;

	if (status < 200 || edge_talk_response(m))
		return;
	if (status != 200)
		edge.status = status;
	if (sip_has(m->cseq, "NOTIFY")) {
		*(status == 200 ? &edge.n.told_ok : &edge.n.told_bad) += 1;
		return;
	}
	d = dialog_of(m);
	if (!d || !d->unanswered) {
		edge.n.strange++;
		return;
	}
	d->unanswered = false;
	edge.n.answered++;
	if (status == 200 && d->state != NONE)
		learn(d, m);
	else if (status != 200) {
		edge.n.failed++;
		gone(d);
	}
}

/* ---------------------------------------------------------- connections -- */

static void take(struct load_conn *c, const struct sip_message *m)
{
	if (m->line.n > 8 && !memcmp(m->line.p, "SIP/2.0 ", 8))
		answered(m);
	else if (m->line.n > 10 && !memcmp(m->line.p, "SUBSCRIBE ", 10))
		subscribed(c, m);
	else if (m->line.n > 7 && !memcmp(m->line.p, "NOTIFY ", 7))
		heard(c, m);
	else if (!edge_talk_request(c, m))
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
	else
		edge.n.connects++;
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

static void connect_bridge(void)
{
	edge.again = edge.load.now + 0.2;
	edge.bridge = load_connect(&edge.load, edge.from, edge.to);
	edge.bridge->on_data = on_data;
	edge.bridge->on_open = bridge_open;
	edge.bridge->on_close = bridge_gone;
	if (edge.bridge->gone)
		edge.bridge = NULL;
}

bool edge_ready(void)
{
	return edge.bridge && !load_slow(edge.bridge);
}

static void on_tick(struct load *l)
{
	size_t i;

	if (!edge.bridge && edge.to[0] && l->now >= edge.again)
		connect_bridge();
	while (edge_ready() && load_work_take(&edge.watch, l, edge.n.asked -
					 edge.n.answered, &i)) {
		gone(&edge.dialogs[i]);
		edge.dialogs[i].call++;
		set(&edge.dialogs[i], ASKED, false);
		subscribe(i, 28800);
	}
	while (edge_ready() && load_work_take(&edge.refresh, l, edge.n.asked -
					 edge.n.answered, &i))
		if (edge.dialogs[i].state == LIVE)
			subscribe(i, 28800);
	while (edge_ready() && load_work_take(&edge.leave, l, edge.n.asked -
					 edge.n.answered, &i))
		if (edge.dialogs[i].state == LIVE) {
			set(&edge.dialogs[i], LEAVING, false);
			subscribe(i, 0);
		}
	edge_talk_tick(l);
	edge_state_tick(l);
}

/* ------------------------------------------------------------- commands -- */

static void stats(struct load_conn *c)
{
	const struct count *n = &edge.n;

	load_say(c, "stats asked=%zu answered=%zu failed=%zu live=%zu open=%zu "
		 "ended=%zu notifies=%zu begun=%zu refreshed=%zu left=%zu "
		 "told=%zu told_ok=%zu told_bad=%zu strange=%zu connects=%zu "
		 "status=%d connected=%d\n", n->asked, n->answered, n->failed,
		 n->live, n->open, n->ended, n->notifies, n->begun,
		 n->refreshed, n->left, n->told, n->told_ok, n->told_bad,
		 n->strange, n->connects, edge.status,
		 edge.bridge && !load_slow(edge.bridge));
}

static void forget(void)
{
	for (size_t i = 0; i < edge.load.pairs; i++) {
		gone(&edge.dialogs[i]);
		edge.dialogs[i].unanswered = false;
	}
	edge.n.answered = edge.n.asked;
}

static void on_command(struct load *l, struct load_conn *c, const char *line)
{
	size_t from, to;
	double rate, at;

	if (sscanf(line, "watch %zu %zu %lf", &from, &to, &rate) == 3)
		load_work_set(&edge.watch, l, from, to, rate);
	else if (sscanf(line, "refresh %zu %zu %lf", &from, &to, &rate) == 3)
		load_work_set(&edge.refresh, l, from, to, rate);
	else if (sscanf(line, "leave %zu %zu %lf", &from, &to, &rate) == 3)
		load_work_set(&edge.leave, l, from, to, rate);
	else if (sscanf(line, "spread %lf %lf", &at, &rate) == 2) {
		edge.spread_at = l->now + at;
		edge.spread_rate = rate;
		edge.spread_n = 0;
	}
	else if (sscanf(line, "grant %ld", &edge.grant) == 1)
		edge.spread_rate = 0;
	else if (sscanf(line, "bridge %63s %63s", edge.to, edge.from) == 2)
		edge.again = 0;
	else if (!strcmp(line, "forget"))
		forget();
	else if (!strcmp(line, "stats"))
		stats(c);
	else if (!edge_talk_command(l, c, line) &&
		 !edge_state_command(l, c, line))
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
	edge.grant = 28800;
	edge.watch.window = edge.refresh.window = edge.leave.window =
		strtoul(load_option(argv, "window", "400"), NULL, 10);
	edge.dialogs = calloc(l->pairs, sizeof(*edge.dialogs));
	if (!edge.dialogs)
		load_die("no memory");
	edge_talk_start(l);
	edge_state_start(l, !strcmp(load_option(argv + 1, "keep", "0"), "1"));
	load_listen(l, load_option(argv, "listen", NULL), accepted);
	load_run(l);
	return 0;
}
