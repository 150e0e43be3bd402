/*
 * xmpp_talk.c: contacts that talk with Lync users, and change their presence.
 * SPDX-License-Identifier: MIT
 *
 * Commands, a line each:
 *   talk RATE SLOTS             steps of conversations a second; 0: no more
 *   change RATE                 contacts' presence, one pair after the other
 *   talked                      counts, and times since the last time
 *   shown FROM TO, seen FROM TO states of these pairs: contacts', users'
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "talk.h"
#include "xmpp_load.h"

static struct talk {
	struct talk_pace talk, change;
	size_t slots, step, shows;
	uint32_t said;
	size_t typed, typing, changed, errors, gone;
	struct talk_heard heard;
	uint8_t *shown, *seen; /* of each pair */
} talk;

static const char *const shows[TALK_STATES] = {
	"", "<show>away</show>", "<show>dnd</show>"};

void xmpp_talk_start(struct load *l)
{
	talk_heard_start(&talk.heard, l->pairs);
	talk.shown = calloc(l->pairs, 1);
	talk.seen = malloc(l->pairs);
	if (!talk.shown || !talk.seen)
		load_die("no memory");
	memset(talk.seen, TALK_STATES, l->pairs);
}

/* ---------------------------------------------------------------- saying -- */

static void put(const struct load *l, size_t pair, uint32_t number,
		const char *content)
{
	char user[LOAD_NAME_MAX], contact[LOAD_NAME_MAX];

	load_user(l, user, load_user_of(l, pair));
	load_contact(l, contact, load_contact_of(l, pair));
	load_say(xmpp_stream(contact), "<message type='chat' id='s%u' from="
		 "'%s/orchard' to='%s'>%s</message>", number, contact, user,
		 content);
}

static void say(const struct load *l, size_t pair)
{
	char text[TALK_TEXT], content[TALK_TEXT + 100];

	talk_text(text, ++talk.said);
	snprintf(content, sizeof(content), "<body>%s</body><active xmlns="
		 "'http://jabber.org/protocol/chatstates'/>", text);
	put(l, pair, talk.said, content);
}

static void state(const struct load *l, size_t pair, const char *name)
{
	char content[100];

	snprintf(content, sizeof(content), "<%s xmlns='http://jabber.org/"
		 "protocol/chatstates'/>", name);
	put(l, pair, 0, content);
}

static void type(const struct load *l, size_t pair, bool active)
{
	state(l, pair, active ? "composing" : "paused");
	talk.typed++;
}

static void take_step(const struct load *l)
{
	size_t pair;

	switch (talk_step(l, talk.step++, talk.slots, true, &pair)) {
	case TALK_SAY:
		say(l, pair);
		break;
	case TALK_TYPE:
		type(l, pair, true);
		break;
	case TALK_REST:
		type(l, pair, false);
		break;
	case TALK_END:
		state(l, pair, "gone");
		break;
	}
}

/* Each time all pairs have had their turn, another state. */
static void change(const struct load *l)
{
	size_t pair = talk.shows % l->pairs;
	uint8_t now = (uint8_t)((talk.shows / l->pairs + 1) % TALK_STATES);
	char user[LOAD_NAME_MAX], contact[LOAD_NAME_MAX];

	talk.shows++;
	talk.changed++;
	talk.shown[pair] = now;
	load_user(l, user, load_user_of(l, pair));
	load_contact(l, contact, load_contact_of(l, pair));
	load_say(xmpp_stream(contact), "<presence from='%s/orchard' to='%s'>%s"
		 "<priority>5</priority></presence>", contact, user,
		 shows[now]);
}

void xmpp_talk_tick(struct load *l)
{
	if (!xmpp_ready())
		return;
	while (talk_pace_take(&talk.talk, l->now))
		take_step(l);
	while (talk_pace_take(&talk.change, l->now))
		change(l);
}

/* --------------------------------------------------------------- hearing -- */

void xmpp_talk_message(struct load *l, const struct element *e)
{
	size_t pair = load_pair(l, e->to, e->from);
	bool answers = pair != LOAD_NOBODY && pair % 2 == 0;

	if (!strcmp(e->type, "error")) {
		talk.errors++;
		fprintf(stderr, "%.*s\n", (int)e->n, e->p);
	}
	else if (xml_holds(e, "<body>")) {
		talk_heard(&talk.heard, pair, e->p, e->n);
		if (answers)
			say(l, pair);
	}
	else if (xml_holds(e, "<composing") || xml_holds(e, "<paused")) {
		talk.typing++;
		if (answers)
			type(l, pair, xml_holds(e, "<composing"));
	}
	else if (xml_holds(e, "<gone"))
		talk.gone++;
}

void xmpp_talk_presence(size_t pair, const struct element *e)
{
	talk.seen[pair] = xml_holds(e, ">away<") ? 1 :
			  xml_holds(e, ">dnd<") ? 2 : 0;
}

/* -------------------------------------------------------------- commands -- */

bool xmpp_talk_command(struct load *l, struct load_conn *c, const char *line)
{
	const struct talk_heard *h = &talk.heard;
	size_t from, to;
	double rate;

	if (sscanf(line, "talk %lf %zu", &rate, &talk.slots) == 2)
		talk_pace_set(&talk.talk, l->now, rate);
	else if (sscanf(line, "change %lf", &rate) == 1)
		talk_pace_set(&talk.change, l->now, rate);
	else if (!strcmp(line, "talked")) {
		talk_heard_say(&talk.heard, c);
		load_say(c, "said=%u heard=%zu twice=%zu late=%zu strange=%zu "
			 "typed=%zu typing=%zu changed=%zu errors=%zu "
			 "gone=%zu\n", talk.said, h->n, h->twice, h->late,
			 h->strange, talk.typed, talk.typing, talk.changed,
			 talk.errors, talk.gone);
	}
	else if (sscanf(line, "shown %zu %zu", &from, &to) == 2)
		talk_states_say(c, talk.shown, from, to);
	else if (sscanf(line, "seen %zu %zu", &from, &to) == 2)
		talk_states_say(c, talk.seen, from, to);
	else
		return false;
	return true;
}
