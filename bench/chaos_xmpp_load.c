/*
 * chaos_xmpp_load.c: the servers of XMPP partners that write to Lync users and
 * are written to, and keep a ledger of it; for spec/chaos.
 * SPDX-License-Identifier: MIT
 *
 * Conversation i: contact x<i> at partner i % partners writes to l<i>; the user
 * s<i> writes to contact y<i>. Whatever the other side does to a stream, it is
 * made anew. Commands: those of chaos_load.h, and
 *   gateway IP:PORT FROM-IP     connect there, and again whenever it is lost
 *   stats
 */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chaos_load.h"
#include "xml_load.h"

enum {
	AGAIN_MS = 300,	     /* between two tries to connect */
	ESTABLISH_MS = 30000, /* then a stream that is not up is given up */
	PING_MS = 5000,	     /* nothing heard, something unanswered: a ping */
	SILENCE_MS = 12000,  /* still nothing: dead */
	GRACE_MS = 2000,     /* for outcomes after the end of a stream */
	WAIT_MS = 15000	     /* for an outcome on a stream that stands */
};

/* A stream, by what is waited for. */
enum { OPENING, STARTING, OPENING_TLS, AUTHENTICATING, OPENING_LAST, UP };

struct link { /* of a connection: its arg */
	size_t partner;
	uint16_t line;
	uint32_t since;
	bool said_goodbye;
};

struct partner {
	struct load_conn *out;
	uint32_t again, asked; /* asked: when the first unanswered word was */
	bool pinged;
};

static struct xmpp {
	struct load load;
	struct chaos chaos;
	struct partner *partners;
	char to[64], from[64];
	size_t up, in, lost_bounces;
} xmpp;

/* ------------------------------------------------------------- messages -- */

static void domain_of(char name[LOAD_NAME_MAX], size_t partner)
{
	snprintf(name, LOAD_NAME_MAX, "p%zu.%s", partner,
		 xmpp.load.contact_domain);
}

static size_t partner_of(const char *address)
{
	const char *at = strchr(address, '@');
	size_t n = LOAD_NOBODY;

	sscanf(at ? at + 1 : address, "p%zu.", &n);
	return n < xmpp.load.partners ? n : LOAD_NOBODY;
}

/* The stream to the gateway, if there is one to write on. */
static struct load_conn *stream_of(size_t partner)
{
	struct load_conn *c = xmpp.partners[partner].out;

	return c && !c->gone && c->step == UP ? c : NULL;
}

static void expect(size_t partner)
{
	if (!xmpp.partners[partner].asked)
		xmpp.partners[partner].asked = chaos_now(&xmpp.chaos);
}

/* An answer, by whatever stream it came: ours is read. */
static void answered(size_t partner)
{
	xmpp.partners[partner].asked = 0;
	xmpp.partners[partner].pinged = false;
}

static bool ready(uint32_t conv)
{
	struct load_conn *c = stream_of(conv % xmpp.load.partners);

	return c && !load_slow(c);
}

static void say(uint32_t conv, uint32_t n)
{
	size_t partner = conv % xmpp.load.partners;
	struct load_conn *c = stream_of(partner);
	char domain[LOAD_NAME_MAX];

	if (!c)
		return; /* never: it was ready */
	domain_of(domain, partner);
	chaos_sent(&xmpp.chaos, conv, n, ((struct link *)c->arg)->line);
	load_say(c, "<message from='x%u@%s/orchard' to='l%u@%s' id='x%u-%u' "
		 "type='chat'><body>x %u %u</body><request xmlns='urn:xmpp:"
		 "receipts'/></message>", conv, domain, conv,
		 xmpp.load.user_domain, conv, n, conv, n);
	expect(partner);
}

/* "…text (token)…" of an error, or its condition's class. */
static void token_in(char to[CHAOS_TOKEN], const struct element *e)
{
	const char *p = memmem(e->p, e->n, "<text", 5), *q;
	int n = 0;

	snprintf(to, CHAOS_TOKEN, "error");
	for (; p && (p = memchr(p, '(', (size_t)(e->p + e->n - p))); p++) {
		q = memchr(p, ')', (size_t)(e->p + e->n - p));
		if (q && q - p < CHAOS_TOKEN)
			n = snprintf(to, CHAOS_TOKEN, "%.*s", (int)(q - p - 1),
				     p + 1);
	}
	p = memmem(e->p, e->n, "SIP ", 4);
	if (!n && p)
		snprintf(to, CHAOS_TOKEN, "%.7s", p);
}

static void refuse(const struct element *e)
{
	size_t partner = partner_of(e->to);
	struct load_conn *out = partner == LOAD_NOBODY ? NULL :
				stream_of(partner);
	char id[128];

	xml_attribute(id, sizeof(id), e, "id");
	if (out)
		load_say(out, "<message type='error' from='%s' to='%s' id='%s'>"
			 "<error type='auth'><forbidden xmlns='urn:ietf:params:"
			 "xml:ns:xmpp-stanzas'/></error></message>", e->to,
			 e->from, id);
	else
		xmpp.lost_bounces++;
}

static void message(struct load_conn *c, const struct element *e)
{
	uint16_t line = ((struct link *)c->arg)->line;
	char id[128], token[CHAOS_TOKEN];
	const char *p;
	unsigned conv, n;

	p = memmem(e->p, e->n, "<received ", 10);
	if (p) {
		answered(partner_of(e->to));
		p = memmem(p, (size_t)(e->p + e->n - p), " id='x", 6);
		if (p && sscanf(p, " id='x%u-%u'", &conv, &n) == 2)
			chaos_fate(&xmpp.chaos, conv, n, line, "ok");
		return;
	}
	xml_attribute(id, sizeof(id), e, "id");
	if (!strcmp(e->type, "error")) {
		answered(partner_of(e->to));
		token_in(token, e);
		if (sscanf(id, "x%u-%u", &conv, &n) == 2)
			chaos_fate(&xmpp.chaos, conv, n, line, token);
		return;
	}
	p = memmem(e->p, e->n, "<body>", 6);
	if (!p || sscanf(p, "<body>s %u %u<", &conv, &n) != 2)
		return;
	chaos_seen(&xmpp.chaos, conv, n, line);
	if (chaos_refuses(conv, n))
		refuse(e);
}

static void stanza(struct load_conn *c, const struct element *e)
{
	size_t partner = partner_of(e->to);
	struct load_conn *out;
	char id[64];

	if (partner == LOAD_NOBODY)
		return;
	if (!strcmp(e->name, "message"))
		message(c, e);
	if (!strcmp(e->name, "iq") && !strcmp(e->type, "result"))
		answered(partner);
	out = stream_of(partner);
	if (!strcmp(e->name, "iq") && !strcmp(e->type, "get") && out) {
		xml_attribute(id, sizeof(id), e, "id");
		load_say(out, "<iq type='result' id='%s' from='%s' to='%s'/>",
			 id, e->to, e->from);
	}
}

/* -------------------------------------------------------------- streams -- */

static void header(struct load_conn *c, const char *from, const char *to)
{
	load_say(c, "<?xml version='1.0'?><stream:stream xmlns='jabber:server' "
		 "xmlns:stream='http://etherx.jabber.org/streams' xmlns:db="
		 "'jabber:server:dialback' version='1.0' xml:lang='en' "
		 "%s from='%s' to='%s'>", c->server ? "id='load'" : "", from,
		 to);
}

static void open_out(struct load_conn *c)
{
	char name[LOAD_NAME_MAX];

	domain_of(name, ((struct link *)c->arg)->partner);
	header(c, name, xmpp.load.user_domain);
	c->step = c->ssl ? OPENING_TLS : OPENING;
}

static void authenticate(struct load_conn *c)
{
	char name[LOAD_NAME_MAX], text[2 * LOAD_NAME_MAX];

	domain_of(name, ((struct link *)c->arg)->partner);
	EVP_EncodeBlock((unsigned char *)text, (unsigned char *)name,
			(int)strlen(name));
	load_say(c, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism="
		 "'EXTERNAL'>%s</auth>", text);
	c->step = AUTHENTICATING;
}

static void up(struct load_conn *c, int direction, size_t partner)
{
	struct link *k = c->arg;

	c->step = UP;
	k->partner = partner;
	k->line = chaos_line_open(&xmpp.chaos, direction, partner);
	*(direction == CHAOS_OUT ? &xmpp.up : &xmpp.in) += 1;
}

/* What the gateway says on a stream of ours. */
static void take_out(struct load_conn *c, const struct element *e)
{
	struct link *k = c->arg;

	if (!strcmp(e->name, "stream:features")) {
		if (c->step == OPENING && xml_holds(e, "<starttls")) {
			load_say(c, "<starttls xmlns='urn:ietf:params:xml:ns:"
				 "xmpp-tls'/>");
			c->step = STARTING;
		}
		else if (c->step == OPENING_TLS && xml_holds(e, "EXTERNAL"))
			authenticate(c);
		else if (c->step == OPENING_LAST)
			up(c, CHAOS_OUT, k->partner);
		else
			load_close(c);
	}
	else if (!strcmp(e->name, "proceed"))
		load_tls(c, false, xmpp.load.user_domain);
	else if (!strcmp(e->name, "success")) {
		open_out(c);
		c->step = OPENING_LAST;
	}
	else if (!strcmp(e->name, "failure") ||
		 !strcmp(e->name, "stream:error"))
		fprintf(stderr, "stream: %.*s\n", (int)e->n, e->p);
	else
		stanza(c, e);
}

static void features(struct load_conn *c, const struct element *e)
{
	header(c, e->to, e->from);
	load_say(c, "<stream:features>%s</stream:features>",
		 !c->ssl ? "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'>"
		 "<required/></starttls>" : c->step == UP ? "" :
		 "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"
		 "<mechanism>EXTERNAL</mechanism></mechanisms>");
	((struct link *)c->arg)->partner = partner_of(e->to);
}

/* What it says on one of its own. */
static void take_in(struct load_conn *c, const struct element *e)
{
	struct link *k = c->arg;

	if (!strcmp(e->name, "stream:stream"))
		features(c, e);
	else if (!strcmp(e->name, "starttls")) {
		load_say(c, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'"
			 "/>");
		load_tls(c, true, NULL);
	}
	else if (!strcmp(e->name, "auth")) {
		load_say(c, "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"
			 "/>");
		up(c, CHAOS_IN, k->partner);
	}
	else if (c->step == UP)
		stanza(c, e);
}

static size_t on_data(struct load_conn *c)
{
	const char *p = c->in, *end = c->in + c->in_n;
	struct link *k = c->arg;
	struct element e;

	for (;;) {
		while (p < end && strchr(" \t\r\n", *p))
			p++;
		if (p == end)
			break;
		if (!strncmp(p, "</stream:stream", 15)) {
			k->said_goodbye = true;
			load_say(c, "</stream:stream>");
			load_close(c);
			return 0;
		}
		if (!xml_element(&e, p, end))
			break;
		if (e.name[0] != '?')
			(c->server ? take_in : take_out)(c, &e);
		if (c->gone || c->handshaking)
			return 0;
		p += e.n;
	}
	return (size_t)(p - c->in);
}

static void closed(struct load_conn *c)
{
	struct link *k = c->arg;

	if (c->step == UP)
		*(c->server ? &xmpp.in : &xmpp.up) -= 1;
	chaos_line_end(&xmpp.chaos, k->line,
		       k->said_goodbye ? CHAOS_CLOSED : CHAOS_BROKEN);
	if (!c->server)
		xmpp.partners[k->partner].out = NULL;
	free(k);
}

static void adopt(struct load_conn *c, size_t partner)
{
	struct link *k = calloc(1, sizeof(*k));

	if (!k)
		load_die("no memory");
	k->partner = partner;
	k->since = chaos_now(&xmpp.chaos);
	c->arg = k;
	c->on_data = on_data;
	c->on_close = closed;
}

static void accepted(struct load_conn *c)
{
	adopt(c, LOAD_NOBODY);
}

static void connect_out(size_t partner)
{
	struct load_conn *c = load_connect(&xmpp.load, xmpp.from, xmpp.to);
	struct partner *p = &xmpp.partners[partner];

	p->again = chaos_now(&xmpp.chaos) + AGAIN_MS;
	if (c->gone)
		return;
	adopt(c, partner);
	c->on_open = open_out;
	p->out = c;
	answered(partner);
}

static void ping(size_t partner)
{
	struct partner *p = &xmpp.partners[partner];
	char name[LOAD_NAME_MAX];

	domain_of(name, partner);
	load_say(p->out, "<iq type='get' id='load' from='%s' to='%s'><ping "
		 "xmlns='urn:xmpp:ping'/></iq>", name, xmpp.load.user_domain);
	p->pinged = true;
}

/* A stream that does not come up, or stays silent when it should not, is given
 * up, as any server does sooner or later; the gateway's to us with it. */
static void look_after(size_t partner)
{
	struct partner *p = &xmpp.partners[partner];
	uint32_t now = chaos_now(&xmpp.chaos);

	if (!p->out) {
		if (xmpp.to[0] && now >= p->again)
			connect_out(partner);
		return;
	}
	if (p->out->step == UP && p->asked && !p->pinged &&
	    now > p->asked + PING_MS)
		ping(partner);
	if (p->out->step != UP
	    ? now > ((struct link *)p->out->arg)->since + ESTABLISH_MS
	    : p->asked && now > p->asked + SILENCE_MS)
		load_close(p->out);
}

static void on_tick(struct load *l)
{
	static uint32_t looked;
	uint32_t now = chaos_now(&xmpp.chaos), conv, n;

	for (size_t i = 0; i < l->partners; i++)
		look_after(i);
	while (chaos_take(&xmpp.chaos, l, ready, &conv, &n))
		say(conv, n);
	if (now - looked < 200)
		return;
	looked = now;
	for (conv = 0; conv < xmpp.chaos.head->convs; conv++)
		chaos_give_up(&xmpp.chaos, conv, WAIT_MS, GRACE_MS, NULL);
}

static void on_command(struct load *l, struct load_conn *c, const char *text)
{
	char sums[400];

	if (chaos_command(&xmpp.chaos, l, text) ||
	    sscanf(text, "gateway %63s %63s", xmpp.to, xmpp.from) == 2)
		return;
	if (strcmp(text, "stats"))
		load_die("no command: %s", text);
	chaos_stats(&xmpp.chaos, sums, sizeof(sums));
	load_say(c, "stats up=%zu in=%zu lost_bounces=%zu%s\n", xmpp.up,
		 xmpp.in, xmpp.lost_bounces, sums);
}

int main(int argc, char **argv)
{
	struct load *l = &xmpp.load;

	(void)argc;
	l->on_command = on_command;
	l->on_tick = on_tick;
	load_start(l, argv + 1);
	chaos_open(&xmpp.chaos, argv + 1);
	xmpp.partners = calloc(l->partners, sizeof(*xmpp.partners));
	if (!xmpp.partners)
		load_die("no memory");
	load_listen(l, load_option(argv, "listen", NULL), accepted);
	load_run(l);
	return 0;
}
