/*
 * stream_load.c: XMPP streams between servers, for load partners.
 * SPDX-License-Identifier: MIT
 */
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "stream_load.h"

/* A stream, by what is waited for. */
enum { OPENING, STARTING, OPENING_TLS, AUTHENTICATING, OPENING_LAST, UP };

void (*stream_on_stanza)(struct load_conn *c, const struct element *e);
void (*stream_on_accepted)(struct load_conn *c);

/* --------------------------------------------------------------- streams -- */

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
	struct stream *s = c->arg;

	header(c, s->own, s->other);
	c->step = c->ssl ? OPENING_TLS : OPENING;
}

static void authenticate(struct load_conn *c)
{
	struct stream *s = c->arg;
	char text[2 * LOAD_NAME_MAX];

	EVP_EncodeBlock((unsigned char *)text, (unsigned char *)s->own,
			(int)strlen(s->own));
	load_say(c, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism="
		 "'EXTERNAL'>%s</auth>", text);
	c->step = AUTHENTICATING;
}

/* What the gateway says on a stream of ours. */
static void take_out(struct load_conn *c, const struct element *e)
{
	struct stream *s = c->arg;

	if (!strcmp(e->name, "stream:features")) {
		if (c->step == OPENING && xml_holds(e, "<starttls")) {
			load_say(c, "<starttls xmlns='urn:ietf:params:xml:ns:"
				 "xmpp-tls'/>");
			c->step = STARTING;
		}
		else if (c->step == OPENING_TLS && xml_holds(e, "EXTERNAL"))
			authenticate(c);
		else if (c->step == OPENING_LAST) {
			c->step = UP;
			if (s->changed)
				s->changed(s, true);
		}
		else
			load_die("features: %.*s", (int)e->n, e->p);
	}
	else if (!strcmp(e->name, "proceed"))
		load_tls(c, false, s->other);
	else if (!strcmp(e->name, "success")) {
		open_out(c);
		c->step = OPENING_LAST;
	}
	else if (!strcmp(e->name, "failure") ||
		 !strcmp(e->name, "stream:error"))
		fprintf(stderr, "stream: %.*s\n", (int)e->n, e->p);
	else
		stream_on_stanza(c, e);
}

static void features(struct load_conn *c, const struct element *e)
{
	header(c, e->to, e->from);
	load_say(c, "<stream:features>%s</stream:features>",
		 !c->ssl ? "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'>"
		 "<required/></starttls>" : c->step == UP ? "" :
		 "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"
		 "<mechanism>EXTERNAL</mechanism></mechanisms>");
}

/* What it says on one of its own. */
static void take_in(struct load_conn *c, const struct element *e)
{
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
		c->step = UP;
		if (stream_on_accepted)
			stream_on_accepted(c);
	}
	else if (c->step == UP)
		stream_on_stanza(c, e);
}

static size_t on_data(struct load_conn *c)
{
	const char *p = c->in, *end = c->in + c->in_n;
	struct element e;

	for (;;) {
		while (p < end && strchr(" \t\r\n", *p))
			p++;
		if (p == end)
			break;
		if (!strncmp(p, "</stream:stream", 15)) {
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

void stream_accept(struct load_conn *c)
{
	c->on_data = on_data;
}

static void out_gone(struct load_conn *c)
{
	struct stream *s = c->arg;

	s->conn = NULL;
	if (c->step == UP && s->changed)
		s->changed(s, false);
}

void stream_open(struct stream *s, struct load *l, const char *from,
		 const char *to)
{
	struct load_conn *c = load_connect(l, from, to);

	if (c->gone)
		return;
	c->on_data = on_data;
	c->on_open = open_out;
	c->on_close = out_gone;
	c->arg = s;
	s->conn = c;
}

bool stream_is_up(const struct stream *s)
{
	return s->conn && s->conn->step == UP;
}
