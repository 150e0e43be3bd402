/*
 * edge_talk.c: Lync users that talk with contacts, in dialogs of either side.
 * SPDX-License-Identifier: MIT
 *
 * A pair has one dialog at most; a newer one takes its place, and what is said
 * in the old one is answered 481. Our tag names pair and dialog. A text that
 * the bridge answers with 481 is said again in a new dialog; any other failure
 * is counted as one: nobody was told.
 *
 * Commands, a line each:
 *   talk RATE SLOTS             steps of conversations a second; 0: no more
 *   talked                      counts, and times since the last time
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edge_load.h"
#include "talk.h"

enum {
	WAITING = 32,
	PATIENCE = 90, /* seconds: the bridge answers an INVITE in 32 */
	FIELD = 160
};

enum { NONE, CALLING, ANSWERED, UP };

struct dialog {
	char call_id[FIELD], tag[FIELD], target[FIELD]; /* theirs */
	uint16_t generation;
	uint8_t state, waiting_n;
	bool ours;
	double since; /* of an INVITE */
	uint32_t cseq, waiting[WAITING]; /* numbers, until it is up */
};

static struct talk {
	struct load *load;
	struct talk_pace pace;
	size_t slots, step, branch;
	uint32_t said;
	size_t ok, again, refused, invites, invited, byes, typed, typing;
	int status; /* the last refusal */
	struct talk_heard heard;
	struct dialog *dialogs;
} talk;

static const char sdp[] =
	"v=0\r\no=- 0 0 IN IP4 10.1.7.42\r\ns=session\r\nc=IN IP4 10.1.7.42\r\n"
	"t=0 0\r\nm=message 5060 sip null\r\na=accept-types:text/plain "
	"multipart/alternative image/gif text/rtf text/html application/x-ms-"
	"ink application/ms-imdn+xml text/x-msmsgsinvite\r\n";

void edge_talk_start(struct load *l)
{
	talk.load = l;
}

/* Only a program that is told to talk needs them. */
static void make_dialogs(void)
{
	if (talk.dialogs)
		return;
	talk.dialogs = calloc(talk.load->pairs, sizeof(*talk.dialogs));
	if (!talk.dialogs)
		load_die("no memory");
	talk_heard_start(&talk.heard, talk.load->pairs);
}

static void copy(char to[FIELD], struct sip_span s)
{
	if (s.n >= FIELD)
		load_die("too long: %.*s", s.n, s.p);
	snprintf(to, FIELD, "%.*s", s.n, s.p);
}

static void our_tag(char tag[FIELD], size_t pair)
{
	snprintf(tag, FIELD, "k%08zx%04x", pair,
		 talk.dialogs[pair].generation);
}

/* ---------------------------------------------------------------- saying -- */

/* kind: a letter of the branch, by which its answer is known. */
static void request(size_t pair, const char *method, char kind, uint32_t number,
		    const char *type, const char *body)
{
	struct dialog *d = &talk.dialogs[pair];
	char user[LOAD_NAME_MAX], contact[LOAD_NAME_MAX], tag[FIELD];
	char routes[1200] = "", theirs[FIELD + 8] = "";
	uint32_t u = (uint32_t)load_user_of(talk.load, pair);

	load_user(talk.load, user, u);
	load_contact(talk.load, contact, load_contact_of(talk.load, pair));
	our_tag(tag, pair);
	if (d->tag[0])
		snprintf(theirs, sizeof(theirs), ";tag=%s", d->tag);
	if (kind == 'I')
		edge_routes(routes, sizeof(routes), "Record-Route",
			    load_mix((uint32_t)pair), u, false);
	if (kind != 'A')
		d->cseq++;
	load_say(edge_link(), "%s %s SIP/2.0\r\n%sVia: SIP/2.0/TLS %s:5061;"
		 "branch=z9hG4bKt%c%zx.%x.%x.%zx\r\nMax-Forwards: 67\r\n"
		 "From: \"Firstname Lastname\"<sip:%s>;epid=%08x11;tag=%s\r\n"
		 "To: <sip:%s>%s\r\nCall-ID: %s\r\nCSeq: %u %s\r\n"
		 "Contact: <sip:%s;opaque=user:epid:Qm9iIGlz%08xhcmUgYWdhaQAA;"
		 "gruu>\r\nUser-Agent: UCCAPI/15.0\r\n%s%s%s"
		 "Content-Length: %zu\r\n\r\n%s",
		 method, d->target, routes, edge_fqdn(), kind, pair,
		 d->generation, number, ++talk.branch, user, load_mix(u + 7),
		 tag, contact, theirs, d->call_id, d->cseq, method, user,
		 load_mix(u + 13), type ? "Content-Type: " : "",
		 type ? type : "", type ? "\r\n" : "",
		 body ? strlen(body) : 0, body ? body : "");
}

static void invite(size_t pair)
{
	struct dialog *d = &talk.dialogs[pair];
	char contact[LOAD_NAME_MAX];

	load_contact(talk.load, contact, load_contact_of(talk.load, pair));
	d->generation++;
	d->state = CALLING;
	d->ours = true;
	d->since = talk_now();
	d->cseq = 0;
	d->tag[0] = '\0';
	snprintf(d->call_id, FIELD, "%08x%08zx%04x5a0e8f1c",
		 load_mix((uint32_t)pair + d->generation), pair, d->generation);
	snprintf(d->target, FIELD, "sip:%s", contact);
	request(pair, "INVITE", 'I', 0, "application/sdp", sdp);
	talk.invites++;
}

static void message(size_t pair, uint32_t number)
{
	char text[TALK_TEXT];

	talk_text(text, number);
	request(pair, "MESSAGE", 'M', number, "text/plain; charset=UTF-8",
		text);
}

static void say(size_t pair, uint32_t number)
{
	struct dialog *d = &talk.dialogs[pair];

	if (d->state == UP) {
		message(pair, number);
		return;
	}
	if (d->waiting_n == WAITING ||
	    (d->waiting_n && talk_now() - d->since > PATIENCE))
		load_die("pair %zu waits in vain: state %u, for %.1f s, INVITE "
			 "of %s, number %u, Call-ID %s", pair, d->state,
			 talk_now() - d->since, d->ours ? "ours" : "theirs",
			 d->generation, d->call_id);
	d->waiting[d->waiting_n++] = number;
	if (d->state == NONE)
		invite(pair);
}

static void up(size_t pair)
{
	struct dialog *d = &talk.dialogs[pair];

	d->state = UP;
	for (int i = 0; i < d->waiting_n; i++)
		message(pair, d->waiting[i]);
	d->waiting_n = 0;
}

static void type(size_t pair, bool active)
{
	if (talk.dialogs[pair].state != UP)
		return;
	request(pair, "INFO", 'T', 0, "application/xml", active ?
		"<?xml version=\"1.0\"?><KeyboardActivity><status status="
		"\"type\"/></KeyboardActivity>" :
		"<?xml version=\"1.0\"?><KeyboardActivity><status status="
		"\"idle\"/></KeyboardActivity>");
	talk.typed++;
}

static void take_step(void)
{
	size_t pair;

	switch (talk_step(talk.load, talk.step++, talk.slots, false, &pair)) {
	case TALK_SAY:
		say(pair, ++talk.said);
		break;
	case TALK_TYPE:
		type(pair, true);
		break;
	case TALK_REST:
		type(pair, false);
		break;
	case TALK_END:
		if (talk.dialogs[pair].state != UP)
			break;
		request(pair, "BYE", 'B', 0, NULL, NULL);
		talk.dialogs[pair].state = NONE;
		talk.byes++;
		break;
	}
}

void edge_talk_tick(struct load *l)
{
	while (talk.dialogs && edge_ready() &&
	       talk_pace_take(&talk.pace, l->now))
		take_step();
}

/* --------------------------------------------------------------- hearing -- */

/* The dialog that To's tag names, or LOAD_NOBODY. */
static size_t pair_of(const struct sip_message *m)
{
	struct sip_span tag = sip_tag_of(m->to);
	char ours[FIELD], text[FIELD];
	size_t pair;

	if (tag.n >= FIELD)
		return LOAD_NOBODY;
	copy(text, tag);
	if (sscanf(text, "k%8zx", &pair) != 1 || pair >= talk.load->pairs)
		return LOAD_NOBODY;
	our_tag(ours, pair);
	return talk.dialogs[pair].state != NONE && !strcmp(ours, text) ?
	       pair : LOAD_NOBODY;
}

static struct sip_span uri_of(struct sip_span contact)
{
	const char *p = memchr(contact.p, '<', (size_t)contact.n), *end;

	end = p ? memchr(p, '>', (size_t)(contact.p + contact.n - p)) : NULL;
	if (!end)
		load_die("Contact: %.*s", contact.n, contact.p);
	return (struct sip_span){p + 1, (int)(end - p) - 1};
}

static void invited(struct load_conn *c, const struct sip_message *m)
{
	size_t pair = edge_pair(m);
	char routes[1200], tag[FIELD];
	struct dialog *d;

	if (pair == LOAD_NOBODY) {
		edge_answer(c, m, "404 Not Found", "none", "", NULL);
		return;
	}
	d = &talk.dialogs[pair];
	d->generation++;
	d->state = ANSWERED;
	d->ours = false;
	d->since = talk_now();
	d->cseq = 0;
	copy(d->call_id, m->call_id);
	copy(d->tag, sip_tag_of(m->from));
	copy(d->target, uri_of(m->contact));
	our_tag(tag, pair);
	edge_routes(routes, sizeof(routes), "Record-Route",
		    load_mix((uint32_t)pair),
		    (uint32_t)load_user_of(talk.load, pair), true);
	edge_answer(c, m, "200 OK", tag, routes, sdp);
	talk.invited++;
}

static void heard(size_t pair, const struct sip_message *m)
{
	bool answers = pair % 2, typing = sip_has(m->body, "\"type\"");

	if (!strncmp(m->line.p, "MESSAGE ", 8)) {
		talk_heard(&talk.heard, pair, m->body.p, (size_t)m->body.n);
		if (answers)
			say(pair, ++talk.said);
	}
	else if (typing || sip_has(m->body, "\"idle\"")) {
		talk.typing++;
		if (answers)
			type(pair, typing);
	}
}

bool edge_talk_request(struct load_conn *c, const struct sip_message *m)
{
	bool ack = !strncmp(m->line.p, "ACK ", 4), text;
	size_t pair;

	text = !strncmp(m->line.p, "MESSAGE ", 8) ||
	       !strncmp(m->line.p, "INFO ", 5);
	if (!talk.dialogs)
		return false;
	if (!strncmp(m->line.p, "INVITE ", 7) && !sip_tag_of(m->to).n) {
		invited(c, m);
		return true;
	}
	if (!ack && !text && strncmp(m->line.p, "BYE ", 4))
		return false;
	pair = pair_of(m);
	if (ack) {
		if (pair != LOAD_NOBODY &&
		    talk.dialogs[pair].state == ANSWERED)
			up(pair);
		return true;
	}
	edge_answer(c, m, pair == LOAD_NOBODY ? "481 Call Leg Does Not Exist" :
		    "200 OK", NULL, "", NULL);
	if (pair != LOAD_NOBODY && text)
		heard(pair, m);
	else if (pair != LOAD_NOBODY)
		talk.dialogs[pair].state = NONE;
	return true;
}

static void refused(int status, size_t n)
{
	talk.refused += n;
	talk.status = status;
}

static void invite_answered(size_t pair, bool mine, int status,
			    const struct sip_message *m)
{
	struct dialog *d = &talk.dialogs[pair];

	if (!mine || d->state != CALLING)
		return; /* theirs has come in between; ours gets no ACK */
	if (status != 200) {
		refused(status, d->waiting_n);
		d->waiting_n = 0;
		d->state = NONE;
		return;
	}
	copy(d->tag, sip_tag_of(m->to));
	copy(d->target, uri_of(m->contact));
	request(pair, "ACK", 'A', 0, NULL, NULL);
	up(pair);
}

static void message_answered(size_t pair, bool mine, int status,
			     uint32_t number)
{
	struct dialog *d = &talk.dialogs[pair];

	if (status == 200)
		talk.ok++;
	else if (status == 481) {
		if (mine && d->state == UP)
			d->state = NONE;
		talk.again++;
		say(pair, number);
	}
	else
		refused(status, 1);
}

bool edge_talk_response(const struct sip_message *m)
{
	const char *p = memmem(m->via[0].p, (size_t)m->via[0].n,
			       "branch=z9hG4bKt", 15);
	char kind, text[64];
	unsigned generation, number;
	int status = atoi(m->line.p + 8);
	size_t pair;

	if (!p)
		return false;
	snprintf(text, sizeof(text), "%.*s",
		 (int)(m->via[0].p + m->via[0].n - p), p);
	if (sscanf(text + 15, "%c%zx.%x.%x", &kind, &pair, &generation,
		   &number) != 4 || pair >= talk.load->pairs)
		load_die("branch: %s", text);
	if (status >= 200 && kind == 'I')
		invite_answered(pair, generation ==
				talk.dialogs[pair].generation, status, m);
	else if (status >= 200 && kind == 'M')
		message_answered(pair, generation ==
				 talk.dialogs[pair].generation, status, number);
	return true;
}

/* -------------------------------------------------------------- commands -- */

bool edge_talk_command(struct load *l, struct load_conn *c, const char *line)
{
	const struct talk_heard *h = &talk.heard;
	double rate;

	if (sscanf(line, "talk %lf %zu", &rate, &talk.slots) == 2) {
		make_dialogs();
		talk_pace_set(&talk.pace, l->now, rate);
	}
	else if (!strcmp(line, "talked")) {
		talk_heard_say(&talk.heard, c);
		load_say(c, "said=%u ok=%zu again=%zu refused=%zu status=%d "
			 "heard=%zu twice=%zu late=%zu strange=%zu typed=%zu "
			 "typing=%zu invites=%zu invited=%zu byes=%zu\n",
			 talk.said, talk.ok, talk.again, talk.refused,
			 talk.status, h->n, h->twice, h->late, h->strange,
			 talk.typed, talk.typing, talk.invites, talk.invited,
			 talk.byes);
	}
	else
		return false;
	return true;
}
