/*
 * xmpp_load.c: the servers of all partners of bench/scale.lua: subscribe,
 * approve, and answer probes, for each contact of each pair.
 * SPDX-License-Identifier: MIT
 *
 * For each partner's domain one stream to the gateway (STARTTLS, SASL
 * EXTERNAL), and those that the gateway opens to us. Whatever arrives is
 * answered without state; what a pair has been told is kept in one byte.
 *
 * Commands, a line each:
 *   gateway IP:PORT FROM-IP     connect there, and again whenever it is lost
 *   subscribe FROM TO RATE      contacts of these pairs; pairs in this order
 *   unsubscribe FROM TO RATE, deny FROM TO RATE
 *   show FROM TO RATE           the contacts' presence
 *   reset                       what the pairs were told
 *   stats
 * and those of xmpp_talk.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xmpp_load.h"

/* Of a pair. */
enum { SUBSCRIBED = 1, AVAILABLE = 2, ASKED = 4 };

struct count {
	size_t sent, subscribed, available, asked; /* pairs, but for sent */
	size_t stanzas, probes, unsubscribed, unavailable, errors;
	size_t strange, twice, up, streams, done, unsaid;
};

static struct xmpp {
	struct load load;
	struct stream *out; /* of each partner */
	double *again;
	char to[64], from[64];
	struct load_work subscribe, unsubscribe, deny, show;
	uint8_t *pairs;
	struct count n;
	char error[256];
} xmpp;

/* --------------------------------------------------------------- stanzas -- */

static size_t partner_of(const char *address)
{
	const char *at = strchr(address, '@');
	size_t n = LOAD_NOBODY;

	sscanf(at ? at + 1 : address, "p%zu.", &n);
	return n < xmpp.load.partners ? n : LOAD_NOBODY;
}

struct load_conn *xmpp_stream(const char *contact)
{
	size_t partner = partner_of(contact);

	if (partner == LOAD_NOBODY || !stream_is_up(&xmpp.out[partner]))
		load_die("no stream for %s", contact);
	return xmpp.out[partner].conn;
}

/* From a contact to a user; the other way only against one of our own kind,
 * which shows how fast we are. */
static void say(const char *contact, const char *user, const char *type)
{
	size_t partner = partner_of(contact);
	struct load_conn *c;

	if (partner == LOAD_NOBODY)
		partner = partner_of(user);
	if (partner == LOAD_NOBODY || !stream_is_up(&xmpp.out[partner])) {
		xmpp.n.unsaid++; /* between two streams */
		return;
	}
	c = xmpp.out[partner].conn;
	if (type)
		load_say(c, "<presence type='%s' from='%s' to='%s'/>", type,
			 contact, user);
	else
		load_say(c, "<presence from='%s/orchard' to='%s'><priority>5"
			 "</priority></presence>", contact, user);
}

static void mark(const struct element *e, uint8_t bit, size_t *n)
{
	size_t i = load_pair(&xmpp.load, e->to, e->from);

	if (i == LOAD_NOBODY)
		i = load_pair(&xmpp.load, e->from, e->to);
	if (i == LOAD_NOBODY) {
		xmpp.n.strange++;
		return;
	}
	if (xmpp.pairs[i] & bit)
		xmpp.n.twice++;
	else
		++*n;
	xmpp.pairs[i] |= bit;
}

static void unmark(const struct element *e, uint8_t bit, size_t *n)
{
	size_t i = load_pair(&xmpp.load, e->to, e->from);

	if (i == LOAD_NOBODY || !(xmpp.pairs[i] & bit))
		return;
	xmpp.pairs[i] = (uint8_t)(xmpp.pairs[i] & ~bit);
	--*n;
}

static void presence(const struct element *e)
{
	if (!e->type[0]) {
		size_t i = load_pair(&xmpp.load, e->to, e->from);

		mark(e, AVAILABLE, &xmpp.n.available);
		if (i != LOAD_NOBODY)
			xmpp_talk_presence(i, e);
	}
	else if (!strcmp(e->type, "unavailable")) {
		xmpp.n.unavailable++;
		unmark(e, AVAILABLE, &xmpp.n.available);
	}
	else if (!strcmp(e->type, "subscribed"))
		mark(e, SUBSCRIBED, &xmpp.n.subscribed);
	else if (!strcmp(e->type, "unsubscribed")) {
		xmpp.n.unsubscribed++;
		unmark(e, SUBSCRIBED, &xmpp.n.subscribed);
	}
	else if (!strcmp(e->type, "subscribe")) {
		mark(e, ASKED, &xmpp.n.asked);
		say(e->to, e->from, "subscribed");
		say(e->to, e->from, NULL);
	}
	else if (!strcmp(e->type, "probe")) {
		xmpp.n.probes++;
		say(e->to, e->from, NULL);
	}
	else if (!strcmp(e->type, "error")) {
		xmpp.n.errors++;
		snprintf(xmpp.error, sizeof(xmpp.error), "%.*s", (int)e->n,
			 e->p);
	}
}

static void stanza(struct load_conn *c, const struct element *e)
{
	const struct stream *s;
	char id[64];

	(void)c;
	xmpp.n.stanzas++;
	if (!strcmp(e->name, "presence"))
		presence(e);
	else if (!strcmp(e->name, "message"))
		xmpp_talk_message(&xmpp.load, e);
	else if (!strcmp(e->name, "iq") && !strcmp(e->type, "get")) {
		xml_attribute(id, sizeof(id), e, "id");
		s = &xmpp.out[partner_of(e->to)];
		if (stream_is_up(s))
			load_say(s->conn, "<iq type='result' id='%s' from='%s'"
				 " to='%s'/>", id, e->to, e->from);
	}
}

/* --------------------------------------------------------------- streams -- */

static void changed(struct stream *s, bool is_up)
{
	(void)s;
	xmpp.n.up += is_up ? 1 : (size_t)-1;
}

static void accepted(struct load_conn *c)
{
	(void)c;
	xmpp.n.streams++;
}

static void connect_out(size_t i)
{
	struct stream *s = &xmpp.out[i];

	xmpp.again[i] = xmpp.load.now + 0.5;
	snprintf(s->own, LOAD_NAME_MAX, "p%zu.%s", i, xmpp.load.contact_domain);
	snprintf(s->other, LOAD_NAME_MAX, "%s", xmpp.load.user_domain);
	s->changed = changed;
	stream_open(s, &xmpp.load, xmpp.from, xmpp.to);
}

/* ------------------------------------------------------------------ work -- */

bool xmpp_ready(void)
{
	for (size_t i = 0; i < xmpp.load.partners; i++)
		if (!stream_is_up(&xmpp.out[i]) ||
		    load_slow(xmpp.out[i].conn))
			return false;
	return true;
}

/* type NULL: presence */
static void work(struct load_work *w, size_t unanswered, const char *type)
{
	char user[LOAD_NAME_MAX], contact[LOAD_NAME_MAX];
	struct load *l = &xmpp.load;
	size_t i;

	while (xmpp_ready() && load_work_take(w, l, unanswered, &i)) {
		load_user(l, user, load_user_of(l, i));
		load_contact(l, contact, load_contact_of(l, i));
		say(contact, user, type);
		if (w == &xmpp.subscribe)
			unanswered++, xmpp.n.sent++;
		else
			xmpp.n.done++;
	}
}

static void on_tick(struct load *l)
{
	for (size_t i = 0; xmpp.to[0] && i < l->partners; i++)
		if (!xmpp.out[i].conn && l->now >= xmpp.again[i])
			connect_out(i);
	work(&xmpp.subscribe, xmpp.n.sent - xmpp.n.subscribed, "subscribe");
	work(&xmpp.unsubscribe, 0, "unsubscribe");
	work(&xmpp.deny, 0, "unsubscribed");
	work(&xmpp.show, 0, NULL);
	xmpp_talk_tick(l);
}

static void stats(struct load_conn *c)
{
	const struct count *n = &xmpp.n;

	load_say(c, "stats sent=%zu subscribed=%zu available=%zu asked=%zu "
		 "stanzas=%zu probes=%zu unsubscribed=%zu unavailable=%zu "
		 "errors=%zu strange=%zu twice=%zu up=%zu streams=%zu "
		 "done=%zu unsaid=%zu\n", n->sent, n->subscribed,
		 n->available, n->asked, n->stanzas, n->probes,
		 n->unsubscribed, n->unavailable, n->errors, n->strange,
		 n->twice, n->up, n->streams, n->done, n->unsaid);
}

static void on_command(struct load *l, struct load_conn *c, const char *line)
{
	static const struct {
		const char *name;
		struct load_work *work;
	} works[] = {{"subscribe", &xmpp.subscribe},
		     {"unsubscribe", &xmpp.unsubscribe},
		     {"deny", &xmpp.deny},
		     {"show", &xmpp.show}};
	char word[24] = "";
	size_t from, to;
	double rate;

	if (sscanf(line, "%23s %zu %zu %lf", word, &from, &to, &rate) == 4) {
		for (size_t i = 0; i < 4; i++)
			if (!strcmp(word, works[i].name)) {
				load_work_set(works[i].work, l, from, to, rate);
				return;
			}
	}
	if (sscanf(line, "gateway %63s %63s", xmpp.to, xmpp.from) == 2 ||
	    xmpp_talk_command(l, c, line))
		return;
	if (!strcmp(line, "reset")) {
		memset(xmpp.pairs, 0, l->pairs);
		xmpp.n = (struct count){.up = xmpp.n.up};
	}
	else if (!strcmp(line, "error"))
		load_say(c, "%s\n", xmpp.error);
	else if (!strcmp(line, "stats"))
		stats(c);
	else
		load_die("no command: %s", line);
}

int main(int argc, char **argv)
{
	struct load *l = &xmpp.load;

	(void)argc;
	l->on_command = on_command;
	l->on_tick = on_tick;
	load_start(l, argv + 1);
	xmpp.out = calloc(l->partners, sizeof(*xmpp.out));
	xmpp.again = calloc(l->partners, sizeof(*xmpp.again));
	xmpp.pairs = calloc(l->pairs, 1);
	xmpp.subscribe.window =
		strtoul(load_option(argv, "window", "400"), NULL, 10);
	if (!xmpp.out || !xmpp.again || !xmpp.pairs)
		load_die("no memory");
	xmpp_talk_start(l);
	stream_on_stanza = stanza;
	stream_on_accepted = accepted;
	load_listen(l, load_option(argv, "listen", NULL), stream_accept);
	load_run(l);
	return 0;
}
