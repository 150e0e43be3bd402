/*
 * scenario.c: scenarios of both engines: both sides scripted, time virtual.
 * SPDX-License-Identifier: MIT
 *
 * A file is lines; "#" starts a comment line; words are separated by spaces;
 * a value with spaces stands in "..." with \n \r \t \" \\ inside. NAMEs are
 * given by the file. What the engine says is a queue; every line that makes it
 * speak wants the queue empty, so everything said must be expected in order.
 *
 *   set KEY=VALUE...           settings (struct sb_wire), in ms or text
 *   message ID KEY=VALUE...    plugin: text= contact= user= resource= display=
 *                              thread= subject= lang= verified reply-only
 *   typing active|idle ...     plugin, same keys
 *   end ...                    plugin: the contact has left
 *   answer NAME STATUS ...     plugin: to event NAME; diag= reason= verified;
 *                              contact= user= instead of the event's; bare:
 *                              neither
 *   sessions                   plugin: asks for the list
 *   watch|unwatch|reject ...   plugin; notes verified display=
 *   presence STATE ...         plugin: the contact's; text= is the note
 *   watches contact= user=     plugin: asks for the list
 *   lync METHOD NAME ...       a request; in=NAME: inside the dialog of that
 *                              INVITE (of either side); keys below
 *   reply NAME STATUS ...      a response to request NAME of the engine
 *   ack NAME [timeout]         the ACK of INVITE NAME came, or never
 *   cancel NAME                CANCEL for INVITE NAME
 *   wait 5s|100ms|15m|1h       time passes
 *   shutdown
 *   refuse N [full]            the carrier refuses the next N requests: it
 *                              cannot be reached, or too many wait
 *   > METHOD NAME ...          the engine sent a request, which gets NAME
 *   > ACK - ...                it sent an ACK
 *   > CANCEL NAME              it cancelled its request NAME
 *   > STATUS NAME ...          it answered request NAME of Lync
 *   > event TYPE NAME ...      it told the plugin; NAME for `answer`, or -
 *   count KEY=N...             sizes of the tables
 *   forget                     empty the queue unread
 *
 * Expectations: KEY=VALUE equal, KEY~VALUE contains, KEY!VALUE contains not;
 * an absent value equals "". Keys: see sim_put_message(), on_event().
 * Keys of lync and reply: contact user (the pair) from to ruri from_tag to_tag
 * display epid call_id cseq domain target type body supported require subject
 * lang first endpoints message_id diagnostics phrase retry_after local
 * repeated rr1 rr2 rr3. An INVITE and its 200 have an IM body unless told. Of
 * SUBSCRIBE and NOTIFY also: event state accept expires min_expires, and
 * pidf=open|closed|away|busy for a body; in=NAME is a SUBSCRIBE of either side.
 * Files named watch-* and sub-* are about the watch engine: what is not said
 * there is Event: presence and an active subscription.
 *
 * At the end everything open is answered, and nothing may be left (sim_drain).
 */
#include <stdio.h>
#include <stdlib.h>

#include "scenario.h"
#include "scenario_priv.h"

enum { LINE_BYTES = 40000 };

/* -------------------------------------------------------------- plugin -- */

static struct sb_request request(const struct scn *r, enum sb_request_type t)
{
	return (struct sb_request){
		.type = t,
		.contact = scn_str(r, "contact", SCN_CONTACT),
		.user = scn_str(r, "user", SCN_USER),
		.resource = scn_str(r, "resource", ""),
		.display = scn_str(r, "display", ""),
		.thread = scn_str(r, "thread", ""),
		.subject = scn_str(r, "subject", ""),
		.lang = scn_str(r, "lang", ""),
		.text = scn_str(r, "text", ""),
		.flags = (scn_flag(r, "verified") ? SB_F_VERIFIED : 0u) |
			 (scn_flag(r, "reply-only") ? SB_F_REPLY_ONLY : 0u) |
			 (scn_flag(r, "notes") ? SB_F_NOTES : 0u),
	};
}

static void do_message(struct scn *r)
{
	struct sb_request q = request(r, SB_REQ_MESSAGE);

	q.id = strtoull(r->word[1], NULL, 10);
	sim_message(r->m, &q);
}

static void do_typing(struct scn *r)
{
	struct sb_request q = request(r, SB_REQ_TYPING);

	q.typing = strcmp(r->word[1], "active") == 0 ? SB_TYPING_ACTIVE :
						       SB_TYPING_IDLE;
	sim_send(r->m, &q);
}

static void do_answer(struct scn *r)
{
	struct sb_request q = request(r, SB_REQ_ANSWER);
	struct scn_name *k = scn_name(r, r->word[1]);
	const char *diag = scn_opt(r, "diag");

	if (!k || !k->it)
		return;
	q.id = k->ref;
	q.contact = scn_str(r, "contact", sim_get(k->it, "contact"));
	q.user = scn_str(r, "user", sim_get(k->it, "user"));
	if (scn_flag(r, "bare"))
		q.contact = q.user = SB_NOSTR;
	q.status = atoi(r->word[2]);
	q.diag = diag ? atoi(diag) : 0;
	q.reason = scn_str(r, "reason", "");
	sim_send(r->m, &q);
}

/* ------------------------------------------------------------ settings -- */

static uint64_t millis(const char *word)
{
	char *unit;
	uint64_t n = strtoull(word, &unit, 10);

	if (strcmp(unit, "ms") == 0)
		return n;
	return n * (*unit == 'm' ? 60000 : *unit == 'h' ? 3600000 : 1000);
}

static void do_set(struct scn *r)
{
	struct sb_wire *w = &r->m->wire;
	const struct {
		const char *key;
		uint32_t *ms;
		bool *on;
	} known[] = {
		{"first_message_in_invite", NULL, &w->first_message_in_invite},
		{"accept_pager_message", NULL, &w->accept_pager_message},
		{"first_message_wait", &w->first_message_wait_ms, NULL},
		{"answer_wait", &w->answer_wait_ms, NULL},
		{"invite_timeout", &w->invite_timeout_ms, NULL},
		{"message_timeout", &w->message_timeout_ms, NULL},
		{"imdn_wait", &w->imdn_wait_ms, NULL},
		{"session_idle", &w->session_idle_ms, NULL},
		{"typing_interval", &w->typing_interval_ms, NULL},
		{"typing_timeout", &w->typing_timeout_ms, NULL},
		{"watch_expires", &w->watch_expires_ms, NULL},
		{"offer_expires", &w->offer_expires_ms, NULL},
		{"notify_interval", &w->notify_interval_ms, NULL},
		{"watch_rate", &w->watch_rate, NULL},
		{"ask_categories", NULL, &w->ask_categories},
		{"tell_categories", NULL, &w->tell_categories},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		const char *v = scn_opt(r, known[i].key);

		if (v && known[i].on)
			*known[i].on = atoi(v) != 0;
		else if (v)
			*known[i].ms = known[i].ms == &w->watch_rate ?
				       (uint32_t)atoi(v) : (uint32_t)millis(v);
	}
	if (scn_opt(r, "imdn_method"))
		w->imdn_method = strcmp(scn_opt(r, "imdn_method"), "MESSAGE") ?
				 SB_STR("INFO") : SB_STR("MESSAGE");
	sim_configure(r->m);
}

/* --------------------------------------------------------------- lines -- */

static void do_named(struct scn *r)
{
	struct scn_name *k = scn_name(r, r->word[1]);

	if (!k)
		return;
	if (strcmp(r->word[0], "ack") == 0)
		sim_ack(r->m, k->ref, scn_flag(r, "timeout"));
	else
		sim_cancel(r->m, k->ref);
}

static const struct {
	const char *verb;
	enum sb_request_type type;
} plain[] = {
	{"end", SB_REQ_END}, {"watch", SB_REQ_WATCH},
	{"unwatch", SB_REQ_UNWATCH}, {"reject", SB_REQ_REJECT},
};

static void do_plain(struct scn *r)
{
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		struct sb_request q = request(r, plain[i].type);

		if (strcmp(r->word[0], plain[i].verb) == 0)
			sim_send(r->m, &q);
	}
}

static void do_presence(struct scn *r)
{
	static const char *const known[] = {"unknown", "offline", "available",
		"idle", "busy", "busy-idle", "dnd", "brb", "away", "off-work"};
	struct sb_request q = request(r, SB_REQ_PRESENCE);

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(r->word[1], known[i]) == 0)
			q.presence = (enum sb_presence)i;
	sim_send(r->m, &q);
}

static void do_watches(struct scn *r)
{
	struct sb_request q = {.type = SB_REQ_WATCHES,
			       .contact = scn_str(r, "contact", ""),
			       .user = scn_str(r, "user", "")};

	sim_send(r->m, &q);
}

static void do_sessions(struct scn *r)
{
	struct sb_request q = {.type = SB_REQ_SESSIONS};

	sim_send(r->m, &q);
}

static void do_wait(struct scn *r)
{
	sim_wait(r->m, millis(r->word[1]));
}

static void do_shutdown(struct scn *r)
{
	sb_sessions_shutdown(r->m->s, r->m->now);
	sb_watches_shutdown(r->m->w, r->m->now);
}

static void do_refuse(struct scn *r)
{
	r->m->refuse_next = atoi(r->word[1]);
	r->m->refuse_with = r->n > 2 ? SB_EFULL : SB_EDOWN;
}

static void do_forget(struct scn *r)
{
	sim_forget(r->m);
}

static const struct verb {
	const char *name;
	void (*run)(struct scn *r);
	size_t words; /* at least, with the verb */
	bool speaks;  /* so all that was said must have been expected */
} verbs[] = {
	{"message", do_message, 2, true}, {"typing", do_typing, 2, true},
	{"end", do_plain, 1, true},	  {"answer", do_answer, 3, true},
	{"watch", do_plain, 1, true},	  {"unwatch", do_plain, 1, true},
	{"reject", do_plain, 1, true},	  {"presence", do_presence, 2, true},
	{"watches", do_watches, 1, true},
	{"sessions", do_sessions, 1, true}, {"lync", scn_lync, 3, true},
	{"reply", scn_reply, 3, true},	  {"ack", do_named, 2, true},
	{"cancel", do_named, 2, true},	  {"wait", do_wait, 2, true},
	{"shutdown", do_shutdown, 1, true}, {"set", do_set, 2, false},
	{"refuse", do_refuse, 2, false},  {">", scn_expect, 2, false},
	{"count", scn_count, 2, false},	  {"forget", do_forget, 1, false},
};

static void said_all(struct scn *r)
{
	char got[4096];

	if (!r->m->head)
		return;
	sim_item_print(r->m->head, got, sizeof(got));
	scn_fail(r, "not expected:", got);
}

static void do_line(struct scn *r)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(r->word[0], verbs[i].name) != 0)
			continue;
		if (r->n < verbs[i].words)
			scn_fail(r, "too few words:", r->word[0]);
		if (verbs[i].speaks)
			said_all(r);
		if (!r->failed)
			verbs[i].run(r);
		if (r->m->bad[0])
			scn_fail(r, "invariant:", r->m->bad);
		return;
	}
	scn_fail(r, "no such verb:", r->word[0]);
}

static void run_lines(struct scn *r, FILE *f, int *number)
{
	char *line = calloc(1, LINE_BYTES);

	while (line && !r->failed && fgets(line, LINE_BYTES, f)) {
		++*number;
		scn_split(r, line);
		if (r->n && r->word[0][0] != '#')
			do_line(r);
	}
	free(line);
}

static void finish(struct scn *r, enum scenario_end end)
{
	if (end == SCENARIO_FREE)
		return;
	sim_drain(r->m, end == SCENARIO_SHUTDOWN);
	if (r->m->bad[0])
		scn_fail(r, "at the end:", r->m->bad);
}

static void run_file(struct scn *r, FILE *f, enum scenario_end end)
{
	char text[4096];
	int number = 0;

	run_lines(r, f, &number);
	if (!r->failed)
		said_all(r);
	if (!r->failed)
		finish(r, end);
	if (r->failed) {
		snprintf(text, sizeof(text), "line %d: %s", number, r->why);
		snprintf(r->why, r->why_n, "%s", text);
	}
}

/* A scenario that can be run; NULL: why tells. */
static struct scn *open_scenario(const char *path, FILE **f, char *why,
				 size_t n)
{
	struct scn *r = calloc(1, sizeof(*r));
	const char *name = strrchr(path, '/');

	*f = fopen(path, "r");
	if (!*f || !r) {
		snprintf(why, n, "cannot read %s", path);
		if (*f)
			fclose(*f);
		free(r);
		return NULL;
	}
	name = name ? name + 1 : path;
	r->watch = strncmp(name, "watch-", 6) == 0 ||
		   strncmp(name, "sub-", 4) == 0;
	r->m = sim_new(1);
	r->why = why;
	r->why_n = n;
	return r;
}

static void close_scenario(struct scn *r, FILE *f)
{
	for (size_t i = 0; i < r->names_n; i++)
		sim_item_free(r->names[i].it);
	sim_free(r->m);
	fclose(f);
	free(r);
}

int scenario_run(const char *path, enum scenario_end end, char *why, size_t n)
{
	FILE *f;
	struct scn *r = open_scenario(path, &f, why, n);
	bool failed = true;

	if (!r)
		return -1;
	run_file(r, f, end);
	failed = r->failed;
	close_scenario(r, f);
	return failed ? -1 : 0;
}

int scenario_hold(const char *path, enum scenario_end end,
		  void (*begin)(void *arg), void (*stop)(void *arg), void *arg,
		  char *why, size_t n)
{
	FILE *f;
	struct scn *r = open_scenario(path, &f, why, n);
	int number = 0;
	bool failed;

	if (!r)
		return -1;
	begin(arg);
	run_lines(r, f, &number);
	stop(arg);
	r->failed = false; /* it has come as far as it could */
	sim_forget(r->m);
	if (r->m->bad[0])
		scn_fail(r, "invariant:", r->m->bad);
	else
		finish(r, end);
	failed = r->failed;
	close_scenario(r, f);
	return failed ? -1 : 0;
}
