/*
 * scenario.c: session scenarios: both sides scripted, time virtual.
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
 *   lync METHOD NAME ...       a request; in=NAME: inside the dialog of that
 *                              INVITE (of either side); keys below
 *   reply NAME STATUS ...      a response to request NAME of the engine
 *   ack NAME [timeout]         the ACK of INVITE NAME came, or never
 *   cancel NAME                CANCEL for INVITE NAME
 *   wait 5s|100ms|15m|1h       time passes
 *   shutdown
 *   refuse N                   the carrier refuses the next N requests
 *   > METHOD NAME ...          the engine sent a request, which gets NAME
 *   > ACK - ...                it sent an ACK
 *   > CANCEL NAME              it cancelled its request NAME
 *   > STATUS NAME ...          it answered request NAME of Lync
 *   > event TYPE NAME ...      it told the plugin; NAME for `answer`, or -
 *   count KEY=N...             sizes of the tables
 *   forget                     empty the queue unread
 *
 * Expectations: KEY=VALUE equal, KEY~VALUE contains, KEY!VALUE contains not;
 * an absent value equals "". Keys: see put_message() and on_event() in sim.c.
 * Keys of lync and reply: contact user (the pair) from to ruri from_tag to_tag
 * display epid call_id cseq domain target type body supported require subject
 * lang first endpoints message_id diagnostics phrase retry_after local
 * rr1 rr2 rr3. An INVITE and its 200 have an IM body unless told.
 *
 * At the end everything open is answered, and nothing may be left (sim_drain).
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "scenario.h"
#include "sim.h"

enum { WORDS_MAX = 40, LINE_MAX_BYTES = 40000, NAMES_MAX = 512 };

#define CONTACT "sip:ada@chat.example"
#define USER "sip:lena@corp.example"
#define TARGET "sip:lena@corp.example;opaque=user:epid:Qm9i;gruu"

/* What a NAME stands for. */
struct name {
	char name[32];
	uint64_t ref;	      /* cookie, txn or event id */
	struct sim_item *it;  /* engine's request or event */
	bool invite;	      /* it made a dialog: the next fields */
	char call_id[80], ours[80], theirs[80];
	uint32_t cseq;	      /* of Lync, last used */
	struct sb_str contact, user; /* in pair */
	char pair[512];
};

struct run {
	struct sim *m;
	struct name names[NAMES_MAX];
	size_t names_n;
	char *word[WORDS_MAX];
	size_t n;
	char *why;
	size_t why_n;
	bool failed;
};

static void fail(struct run *r, const char *what, const char *detail)
{
	if (!r->failed)
		snprintf(r->why, r->why_n, "%s %s", what, detail);
	r->failed = true;
}

/* -------------------------------------------------------------- words -- */

static char unescape(char c)
{
	switch (c) {
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	default:
		return c;
	}
}

static void split(struct run *r, char *line)
{
	char *in = line, *out;
	bool quoted;

	r->n = 0;
	for (;;) {
		while (*in == ' ' || *in == '\t')
			in++;
		if (!*in || *in == '\n' || r->n == WORDS_MAX)
			return;
		r->word[r->n++] = out = in;
		for (quoted = false; *in && *in != '\n' &&
		     (quoted || (*in != ' ' && *in != '\t')); in++) {
			if (*in == '"')
				quoted = !quoted;
			else if (*in == '\\' && in[1])
				*out++ = unescape(*++in);
			else
				*out++ = *in;
		}
		if (*in)
			in++;
		*out = '\0';
	}
}

/* Value of KEY=, or NULL. */
static const char *opt(const struct run *r, const char *key)
{
	size_t n = strlen(key);

	for (size_t i = 1; i < r->n; i++)
		if (strncmp(r->word[i], key, n) == 0 && r->word[i][n] == '=')
			return r->word[i] + n + 1;
	return NULL;
}

static struct sb_str opt_str(const struct run *r, const char *key,
			     const char *fallback)
{
	const char *v = opt(r, key);

	return sb_str_of(v ? v : fallback);
}

static bool flag(const struct run *r, const char *word)
{
	for (size_t i = 1; i < r->n; i++)
		if (strcmp(r->word[i], word) == 0)
			return true;
	return false;
}

static struct name *name_find(struct run *r, const char *name)
{
	for (size_t i = 0; i < r->names_n; i++)
		if (strcmp(r->names[i].name, name) == 0)
			return &r->names[i];
	return NULL;
}

static struct name *name_add(struct run *r, const char *name)
{
	struct name *k;

	if (strcmp(name, "-") != 0 && name_find(r, name))
		fail(r, "name used twice:", name);
	if (r->names_n == NAMES_MAX)
		r->names_n--;
	k = &r->names[r->names_n++];
	sim_item_free(k->it);
	*k = (struct name){.ref = 0};
	snprintf(k->name, sizeof(k->name), "%s", name);
	return k;
}

static struct name *name_get(struct run *r, const char *name)
{
	struct name *k = name_find(r, name);

	if (!k)
		fail(r, "no such name:", name);
	return k;
}

/* -------------------------------------------------------------- plugin -- */

static struct sb_request request(const struct run *r, enum sb_request_type t)
{
	return (struct sb_request){
		.type = t,
		.contact = opt_str(r, "contact", CONTACT),
		.user = opt_str(r, "user", USER),
		.resource = opt_str(r, "resource", ""),
		.display = opt_str(r, "display", ""),
		.thread = opt_str(r, "thread", ""),
		.subject = opt_str(r, "subject", ""),
		.lang = opt_str(r, "lang", ""),
		.text = opt_str(r, "text", ""),
		.flags = (flag(r, "verified") ? SB_F_VERIFIED : 0u) |
			 (flag(r, "reply-only") ? SB_F_REPLY_ONLY : 0u),
	};
}

static void do_message(struct run *r)
{
	struct sb_request q = request(r, SB_REQ_MESSAGE);

	q.id = strtoull(r->word[1], NULL, 10);
	sim_message(r->m, &q);
}

static void do_typing(struct run *r)
{
	struct sb_request q = request(r, SB_REQ_TYPING);

	q.typing = strcmp(r->word[1], "active") == 0 ? SB_TYPING_ACTIVE :
						       SB_TYPING_IDLE;
	sim_send(r->m, &q);
}

static void do_answer(struct run *r)
{
	struct sb_request q = request(r, SB_REQ_ANSWER);
	struct name *k = name_get(r, r->word[1]);
	const char *diag = opt(r, "diag");

	if (!k || !k->it)
		return;
	q.id = k->ref;
	q.contact = opt_str(r, "contact", sim_get(k->it, "contact"));
	q.user = opt_str(r, "user", sim_get(k->it, "user"));
	if (flag(r, "bare"))
		q.contact = q.user = SB_NOSTR;
	q.status = atoi(r->word[2]);
	q.diag = diag ? atoi(diag) : 0;
	q.reason = opt_str(r, "reason", "");
	sim_send(r->m, &q);
}

/* ---------------------------------------------------------------- lync -- */

static const char *const methods[] = {
	"OTHER", "INVITE", "ACK", "CANCEL", "BYE", "MESSAGE", "INFO", "UPDATE",
	"OPTIONS", "NOTIFY", "SUBSCRIBE", "REFER",
};

static enum sb_method method_of(const char *name)
{
	for (enum sb_method i = SB_M_INVITE; i <= SB_M_REFER; i++)
		if (strcmp(name, methods[i]) == 0)
			return i;
	return SB_M_OTHER;
}

static void fill_common(const struct run *r, struct sb_sip_in *in)
{
	static const char *const rr[] = {"rr1", "rr2", "rr3"};
	const char *retry = opt(r, "retry_after");

	in->domain = opt_str(r, "domain", "corp.example");
	in->contact = opt_str(r, "target", TARGET);
	in->supported = opt_str(r, "supported", "");
	in->require = opt_str(r, "require", "");
	in->subject = opt_str(r, "subject", "");
	in->content_language = opt_str(r, "lang", "");
	in->first_message = opt_str(r, "first", "");
	in->endpoints = opt_str(r, "endpoints", "");
	in->message_id = opt_str(r, "message_id", "");
	in->diagnostics = opt_str(r, "diagnostics", "");
	in->phrase = opt_str(r, "phrase", "Phrase");
	in->retry_after = retry ? atoi(retry) : 0;
	for (size_t i = 0; i < 3; i++)
		if (opt(r, rr[i]))
			in->record_route[in->record_route_n++] =
				opt_str(r, rr[i], "");
}

static void fill_body(const struct run *r, struct sb_sip_in *in, bool sdp)
{
	bool text = in->method == SB_M_MESSAGE && !in->status;

	in->content_type = opt_str(r, "type", sdp ? "application/sdp" :
				   text ? "text/plain; charset=UTF-8" : "");
	in->body = opt_str(r, "body", sdp ? sim_sdp : "");
}

/* The name becomes the dialog of an INVITE of Lync's. */
static void open_dialog(const struct run *r, struct name *k)
{
	k->invite = true;
	snprintf(k->call_id, sizeof(k->call_id), "%s",
		 opt(r, "call_id") ? opt(r, "call_id") : k->name);
	snprintf(k->theirs, sizeof(k->theirs), "%s",
		 opt(r, "from_tag") ? opt(r, "from_tag") : k->name);
	k->user = opt_str(r, "user", USER);
	k->contact = opt_str(r, "contact", CONTACT);
	snprintf(k->pair, sizeof(k->pair), "%.*s%.*s", SB_FMT(k->contact),
		 SB_FMT(k->user));
	k->contact.p = k->pair;
	k->user.p = k->pair + k->contact.n;
}

/* Our tag stands in the response, which came after the name. */
static const char *our_tag(struct run *r, struct name *d)
{
	struct sim_server *t = sim_server_of(r->m, d->ref);

	if (!d->ours[0] && t)
		snprintf(d->ours, sizeof(d->ours), "%s", t->to_tag);
	return d->ours;
}

static void do_lync(struct run *r)
{
	struct sb_sip_in in = {.method = method_of(r->word[1])};
	const char *inside = opt(r, "in"), *cseq = opt(r, "cseq");
	struct name *k = name_add(r, r->word[2]);
	struct name *d = inside ? name_get(r, inside) : k;

	if (r->failed)
		return;
	if (!inside)
		open_dialog(r, k);
	fill_common(r, &in);
	fill_body(r, &in, in.method == SB_M_INVITE);
	in.method_name = sb_str_of(r->word[1]);
	in.from.uri = opt_str(r, "from", "");
	if (!opt(r, "from"))
		in.from.uri = d->user;
	in.to.uri = d->contact;
	in.request_uri = opt_str(r, "ruri", "");
	if (!opt(r, "ruri"))
		in.request_uri = in.to.uri;
	in.from.tag = opt_str(r, "from_tag", d->theirs);
	in.from.display = opt_str(r, "display", "");
	in.from.epid = opt_str(r, "epid", "");
	in.to.tag = opt_str(r, "to_tag", inside ? our_tag(r, d) : "");
	in.call_id = opt_str(r, "call_id", d->call_id);
	in.cseq = cseq ? (uint32_t)strtoul(cseq, NULL, 10) : ++d->cseq;
	k->ref = r->m->txn + 1;
	sim_request(r->m, &in);
}

static void do_reply(struct run *r)
{
	struct name *k = name_get(r, r->word[1]);
	struct sb_sip_in in = {.status = atoi(r->word[2])};
	bool invite, ok = in.status >= 200 && in.status < 300;

	if (!k || !k->it)
		return;
	in.method = method_of(k->it->what);
	invite = in.method == SB_M_INVITE;
	fill_common(r, &in);
	fill_body(r, &in, invite && ok);
	in.method_name = sb_str_of(k->it->what);
	in.local = flag(r, "local");
	in.from.uri = sb_str_of(sim_get(k->it, "from"));
	in.from.tag = sb_str_of(sim_get(k->it, "from_tag"));
	in.to.uri = sb_str_of(sim_get(k->it, "to"));
	in.to.tag = opt_str(r, "to_tag", k->name);
	in.to.epid = opt_str(r, "epid", "");
	in.call_id = sb_str_of(sim_get(k->it, "call_id"));
	in.cseq = (uint32_t)strtoul(sim_get(k->it, "cseq"), NULL, 10);
	if (invite && ok && !k->invite) {
		k->invite = true;
		snprintf(k->theirs, sizeof(k->theirs), "%.*s",
			 SB_FMT(in.to.tag));
	}
	sim_respond(r->m, k->ref, &in);
}

/* -------------------------------------------------------- expectations -- */

static bool holds(const struct sim_item *it, const char *word)
{
	size_t n = strcspn(word, "=~!");
	char key[64];
	const char *got, *want = word + n + 1;

	if (!word[n] || n >= sizeof(key))
		return false;
	memcpy(key, word, n);
	key[n] = '\0';
	got = sim_get(it, key);
	if (word[n] == '=')
		return strcmp(got, want) == 0;
	return (strstr(got, want) != NULL) == (word[n] == '~');
}

static bool is_kind(const struct run *r, const struct sim_item *it)
{
	const char *w = r->word[1];

	switch (it->kind) {
	case SIM_EVENT:
		return strcmp(w, "event") == 0;
	case SIM_CANCEL:
		return strcmp(w, "CANCEL") == 0;
	case SIM_RESPONSE:
	case SIM_REQUEST:
		break;
	}
	return strcmp(w, it->what) == 0;
}

/* The engine's request or event gets its name and keeps the item. */
static void keep(struct run *r, const char *name, struct sim_item *it)
{
	struct name *k = name_add(r, name);

	k->ref = it->ref;
	k->it = it;
	k->contact = sb_str_of(sim_get(it, "from"));
	k->user = sb_str_of(sim_get(it, "to"));
	snprintf(k->call_id, sizeof(k->call_id), "%s", sim_get(it, "call_id"));
	snprintf(k->ours, sizeof(k->ours), "%s", sim_get(it, "from_tag"));
	snprintf(k->theirs, sizeof(k->theirs), "%s", name);
}

static void do_expect(struct run *r)
{
	struct sim_item *it = sim_take(r->m);
	char got[4096];
	size_t first = 3;
	struct name *k;

	if (!it) {
		fail(r, "nothing was said; wanted", r->word[1]);
		return;
	}
	sim_item_print(it, got, sizeof(got));
	if (!is_kind(r, it) || r->n < 3)
		fail(r, "said:", got);
	else if (it->kind == SIM_EVENT) {
		first = 4;
		if (r->n < 4 || strcmp(r->word[2], it->what) != 0)
			fail(r, "said:", got);
	}
	else if (it->kind != SIM_REQUEST) {
		k = name_get(r, r->word[2]);
		if (k && k->ref != it->ref)
			fail(r, "of another transaction:", got);
	}
	for (size_t i = first; !r->failed && i < r->n; i++) {
		if (holds(it, r->word[i]))
			continue;
		fail(r, r->word[i], got);
	}
	if (!r->failed && (it->kind == SIM_REQUEST || it->kind == SIM_EVENT))
		keep(r, r->word[first - 1], it);
	else
		sim_item_free(it);
}

static void do_count(struct run *r)
{
	struct sb_sessions_count c;
	char got[256];

	sb_sessions_count(r->m->s, &c);
	snprintf(got, sizeof(got), "conversations=%zu dialogs=%zu queued=%zu "
		 "unanswered=%zu client_txns=%zu ", c.conversations, c.dialogs,
		 c.queued, c.unanswered, c.client_txns);
	for (size_t i = 1; i < r->n; i++) {
		char want[64];

		snprintf(want, sizeof(want), "%s ", r->word[i]);
		if (!strstr(got, want))
			fail(r, want, got);
	}
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

static void do_set(struct run *r)
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
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		const char *v = opt(r, known[i].key);

		if (v && known[i].on)
			*known[i].on = atoi(v) != 0;
		else if (v)
			*known[i].ms = (uint32_t)millis(v);
	}
	if (opt(r, "imdn_method"))
		w->imdn_method = strcmp(opt(r, "imdn_method"), "MESSAGE") ?
				 SB_STR("INFO") : SB_STR("MESSAGE");
	sim_configure(r->m);
}

/* --------------------------------------------------------------- lines -- */

static void do_named(struct run *r)
{
	struct name *k = name_get(r, r->word[1]);

	if (!k)
		return;
	if (strcmp(r->word[0], "ack") == 0)
		sim_ack(r->m, k->ref, flag(r, "timeout"));
	else
		sim_cancel(r->m, k->ref);
}

static void do_end(struct run *r)
{
	struct sb_request q = request(r, SB_REQ_END);

	sim_send(r->m, &q);
}

static void do_sessions(struct run *r)
{
	struct sb_request q = {.type = SB_REQ_SESSIONS};

	sim_send(r->m, &q);
}

static void do_wait(struct run *r)
{
	sim_wait(r->m, millis(r->word[1]));
}

static void do_shutdown(struct run *r)
{
	sb_sessions_shutdown(r->m->s, r->m->now);
}

static void do_refuse(struct run *r)
{
	r->m->refuse_next = atoi(r->word[1]);
}

static void do_forget(struct run *r)
{
	sim_forget(r->m);
}

static const struct verb {
	const char *name;
	void (*run)(struct run *r);
	size_t words; /* at least, with the verb */
	bool speaks;  /* so all that was said must have been expected */
} verbs[] = {
	{"message", do_message, 2, true}, {"typing", do_typing, 2, true},
	{"end", do_end, 1, true},	  {"answer", do_answer, 3, true},
	{"sessions", do_sessions, 1, true}, {"lync", do_lync, 3, true},
	{"reply", do_reply, 3, true},	  {"ack", do_named, 2, true},
	{"cancel", do_named, 2, true},	  {"wait", do_wait, 2, true},
	{"shutdown", do_shutdown, 1, true}, {"set", do_set, 2, false},
	{"refuse", do_refuse, 2, false},  {">", do_expect, 2, false},
	{"count", do_count, 2, false},	  {"forget", do_forget, 1, false},
};

static void said_all(struct run *r)
{
	char got[4096];

	if (!r->m->head)
		return;
	sim_item_print(r->m->head, got, sizeof(got));
	fail(r, "not expected:", got);
}

static void do_line(struct run *r)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(r->word[0], verbs[i].name) != 0)
			continue;
		if (r->n < verbs[i].words)
			fail(r, "too few words:", r->word[0]);
		if (verbs[i].speaks)
			said_all(r);
		if (!r->failed)
			verbs[i].run(r);
		if (r->m->bad[0])
			fail(r, "invariant:", r->m->bad);
		return;
	}
	fail(r, "no such verb:", r->word[0]);
}

static void run_file(struct run *r, FILE *f, enum scenario_end end)
{
	char *line = calloc(1, LINE_MAX_BYTES);
	char text[4096];
	int number = 0;

	while (line && !r->failed && fgets(line, LINE_MAX_BYTES, f)) {
		number++;
		split(r, line);
		if (r->n && r->word[0][0] != '#')
			do_line(r);
	}
	if (!r->failed)
		said_all(r);
	if (!r->failed && end != SCENARIO_FREE) {
		sim_drain(r->m, end == SCENARIO_SHUTDOWN);
		if (r->m->bad[0])
			fail(r, "at the end:", r->m->bad);
	}
	if (r->failed) {
		snprintf(text, sizeof(text), "line %d: %s", number, r->why);
		snprintf(r->why, r->why_n, "%s", text);
	}
	free(line);
}

int scenario_run(const char *path, enum scenario_end end, char *why, size_t n)
{
	FILE *f = fopen(path, "r");
	struct run *r = calloc(1, sizeof(*r));
	bool failed = true;

	if (f && r) {
		r->m = sim_new(1);
		r->why = why;
		r->why_n = n;
		run_file(r, f, end);
		failed = r->failed;
		for (size_t i = 0; i < r->names_n; i++)
			sim_item_free(r->names[i].it);
		sim_free(r->m);
	}
	else
		snprintf(why, n, "cannot read %s", path);
	if (f)
		fclose(f);
	free(r);
	return failed ? -1 : 0;
}
