/*
 * test_oom.c: the units with each of their allocations failing: the error that
 * is documented, nothing half done, nothing left.
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../plugin/error.h"
#include "../sipbridge/channel.h"
#include "../sipbridge/config.h"
#include "../sipbridge/content.h"
#include "../sipbridge/document.h"
#include "../sipbridge/presence.h"
#include "client_rig.h"
#include "oom.h"
#include "roster_rig.h"
#include "value_rig.h"

/* --------------------------------------------------------------- plugin -- */

/* A partner for each row, half of the rows with a mistake or a warning. */
static void load_settings(void *arg)
{
	struct lg_arena a = {0};
	struct lg_settings s = {0};
	struct lg_value rows, o;
	int err;

	(void)arg;
	oom_pause(true);
	rows = value_table(&a, LG_ROWS);
	for (int row = 1; row <= LG_ROWS; row++)
		value_put(&rows, value_row_domain(row).p,
			  value_done(value_partner(&a, row)));
	o = value_done(value_options(&a, value_done(rows)));
	oom_pause(false);
	err = lg_settings_load(&s, SB_STR("contoso.com"), &o);
	CHECK_INT(err, oom_failed() ? LG_ENOMEM : LG_OK);
	lg_settings_fini(&s);
	lg_arena_fini(&a);
}

TEST(oom_settings)
{
	CHECK(oom_sweep(load_settings, NULL) > 20);
}

/* What is said with too little memory is an error to who asked, or nothing;
 * with memory again it is as if it had never been. */
static void watch_and_be_watched(void *arg)
{
	struct ros g;
	const char *said;
	long skip = *(long *)arg;

	oom_pass();
	REQUIRE(ros_init(&g));
	oom_fail(skip, false);
	said = ros_stanza(&g, LG_P_SUBSCRIBE);
	oom_pass();
	if (oom_failed()) {
		CHECK_INT(g.err, LG_ENOMEM);
		CHECK_STR(said, "error=no-memory");
		CHECK_STR(ros_stanza(&g, LG_P_SUBSCRIBE), "watch");
	}
	else
		CHECK_STR(said, "watch");
	CHECK_STR(ros_watch(&g, SB_WATCH_ACTIVE, 200), "subscribed");
	oom_fail(skip, false);
	said = ros_subscribe(&g, 1, true);
	oom_pass();
	if (g.err)
		CHECK_STR(said, "answer=500");
	else
		CHECK_STR(said, "tell=offline answer=200 subscribe");
	ros_fini(&g);
	oom_fail(0, false);
	oom_pass();
}

TEST(oom_roster)
{
	size_t live = oom_live();

	for (long skip = 0; skip < 40; skip++) {
		watch_and_be_watched(&skip);
		CHECK_INT(oom_live(), live);
	}
}

/* -------------------------------------------------------------- channel -- */

static void dup_config(void *arg)
{
	struct sb_config c = rig_config("echo.example"), *copy;
	int err = sb_config_dup(&copy, &c);

	(void)arg;
	CHECK_INT(err, oom_failed() ? SB_ENOMEM : SB_OK);
	if (err == SB_OK)
		sb_config_free(copy);
}

TEST(oom_config)
{
	CHECK_INT(oom_sweep(dup_config, NULL), 2);
}

/* Frames that are refused are not there, those that are taken are whole. */
static size_t put_frames(struct sb_channel *c)
{
	static char text[SB_TEXT_MAX];
	struct sb_event ev = {.type = SB_EV_LOG, .text = {text, sizeof(text)}};
	size_t n = 0;

	memset(text, 'x', sizeof(text));
	for (int i = 0; i < 12; i++) {
		int err = sb_channel_put_event(c, &ev);

		CHECK(err == SB_OK || (err == SB_ENOMEM && oom_failed()));
		n += err == SB_OK;
	}
	return n;
}

static void get_frames(struct sb_channel *c, struct sb_channel *from, size_t n)
{
	struct sb_frame f;
	int got = 0;

	while (n > 0) {
		CHECK_INT(sb_channel_flush(from), SB_OK);
		while ((got = sb_channel_get(c, &f)) == 1) {
			CHECK_INT(f.kind, SB_FRAME_EVENT);
			CHECK_INT(f.event.text.n, SB_TEXT_MAX);
			n--;
		}
		REQUIRE(got == 0);
		got = sb_channel_fill(c);
		CHECK(got == SB_OK || (got == SB_ENOMEM && oom_failed()));
		if (got == SB_ENOMEM)
			oom_pass(); /* whoever goes on has lost nothing */
	}
}

static void talk(void *arg)
{
	struct sb_channel *a = NULL, *b = NULL;
	int pair[2];

	(void)arg;
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
	if (sb_channel_new(&a, pair[0]) == SB_OK &&
	    sb_channel_new(&b, pair[1]) == SB_OK)
		get_frames(b, a, put_frames(a));
	else
		CHECK(oom_failed());
	sb_channel_free(a);
	sb_channel_free(b);
	if (!a)
		close(pair[0]);
	if (!b)
		close(pair[1]);
}

TEST(oom_channel)
{
	size_t fds = rig_descriptors();

	CHECK(oom_sweep(talk, NULL) > 5);
	CHECK_INT(rig_descriptors(), fds);
}

/* --------------------------------------------------------------- client -- */

/* Until it is so, or patience is over. Once something has failed memory is
 * there again: it has to recover. */
static bool until(struct rig *w, const size_t *n, size_t want)
{
	uint64_t end = rig_clock(w) + PATIENCE_MS;

	do {
		rig_drain(w);
		if (oom_failed())
			oom_pass();
	} while (*n < want && rig_turn(w, end));
	return CHECK(*n >= want);
}

/* A bridge with a real process: each message that was taken has one outcome,
 * and the next one is delivered. */
static void life_of_a_bridge(void *arg)
{
	static struct rig w;
	struct sb_config c = rig_config("echo.example");
	size_t taken = 0, all;
	int err;

	(void)arg;
	w = (struct rig){0};
	err = sb_open(&w.b, &c, rig_clock(&w));
	if (err) {
		CHECK_INT(err, SB_ENOMEM);
		CHECK(oom_failed());
		return;
	}
	until(&w, &w.ready, 1);
	for (int i = 0; i < 3; i++) {
		err = rig_send(&w, "hello");
		CHECK(err == SB_OK || (err == SB_ENOMEM && oom_failed()));
		taken += err == SB_OK;
	}
	do {
		all = w.delivered + w.failed;
		until(&w, &all, 0);
	} while (w.delivered + w.failed < taken &&
		 rig_turn(&w, rig_clock(&w) + PATIENCE_MS));
	rig_check_each_once(&w, taken);
	while (rig_send(&w, "again") != SB_OK &&
	       rig_turn(&w, rig_clock(&w) + PATIENCE_MS))
		; /* until a worker is there */
	until(&w, &w.delivered, w.delivered + 1);
	rig_check_each_once(&w, taken + 1);
	sb_close(w.b);
}

TEST(oom_client)
{
	size_t fds = rig_descriptors();

	CHECK(oom_sweep(life_of_a_bridge, NULL) > 8);
	CHECK_INT(rig_descriptors(), fds);
	rig_check_no_child();
}

/* ------------------------------------------------------------ documents -- */

static const char html[] = "<p>a <b>bold</b> word</p>";
static const char pidf[] =
	"<presence xmlns='urn:ietf:params:xml:ns:pidf' entity='sip:a@b.c'>"
	"<tuple id='1'><status><basic>open</basic></status></tuple></presence>";
static const char typing[] = "<KeyboardActivity><status status='type'/>"
			     "</KeyboardActivity>";

static void read_text(void *arg)
{
	char buf[100];
	size_t n = 0;
	enum sb_typing t;
	enum sb_content got = sb_content_read(SB_STR("text/html"),
					      sb_str_of(html), buf,
					      sizeof(buf), &n, &t);

	(void)arg;
	CHECK_INT(got, oom_failed() ? SB_CONTENT_NO_MEMORY : SB_CONTENT_TEXT);
	if (got == SB_CONTENT_TEXT)
		CHECK_SB(((struct sb_str){buf, n}), "a bold word");
}

static void read_typing(void *arg)
{
	enum sb_typing t = SB_TYPING_NONE;
	int err = sb_typing_read(SB_STR("application/xml"), sb_str_of(typing),
				 &t);

	(void)arg;
	CHECK_INT(err, oom_failed() ? SB_ENOMEM : SB_OK);
}

static void read_presence(void *arg)
{
	struct sb_presence_doc doc;
	int err = sb_presence_read(&doc, SB_STR("application/pidf+xml"),
				   sb_str_of(pidf));

	(void)arg;
	CHECK_INT(err, oom_failed() ? SB_ENOMEM : SB_OK);
	if (err == SB_OK)
		CHECK_INT(doc.presence, SB_PR_AVAILABLE);
}

static void read_imdn(void *arg)
{
	struct sb_imdn imdn;
	char buf[600];
	int n = sb_imdn_write(buf, sizeof(buf), SB_STR("m1"),
			      SB_STR("sip:a@b.c"), 408);

	(void)arg;
	REQUIRE(n > 0);
	n = sb_imdn_read((struct sb_str){buf, (size_t)n}, &imdn);
	CHECK_INT(n, oom_failed() ? SB_ENOMEM : SB_OK);
}

static void read_first(void *arg)
{
	char buf[400], text[100];
	size_t len;
	int n = sb_first_message_write(buf, sizeof(buf), SB_STR("hello"));

	(void)arg;
	REQUIRE(n > 0);
	n = sb_first_message_read((struct sb_str){buf, (size_t)n}, text,
				  sizeof(text), &len);
	CHECK_INT(n, oom_failed() ? SB_ENOMEM : SB_OK);
}

TEST(oom_documents)
{
	CHECK(oom_sweep(read_text, NULL) >= 2);
	CHECK(oom_sweep(read_typing, NULL) >= 2);
	CHECK(oom_sweep(read_presence, NULL) >= 2);
	CHECK(oom_sweep(read_imdn, NULL) >= 2);
	CHECK(oom_sweep(read_first, NULL) >= 2);
}

/* As much as libxml2 may use at all: what was asked for is enough. */
static void weigh(const char *name, struct sb_str body, bool markup)
{
	static const struct sb_document_ops none;
	static char text[SB_TEXT_MAX];
	size_t n;

	test_note(name);
	(void)oom_most();
	if (markup)
		(void)sb_html_text(body, text, sizeof(text), &n);
	else
		(void)sb_document_read(body, &none, NULL);
	CHECK(oom_most() <= SB_DOCUMENT_ROOM(body.n));
	test_note(NULL);
}

/* head, number, tail, as often as there is room. */
static size_t fill(char *body, size_t n, const char *head, const char *tail)
{
	size_t at = (size_t)snprintf(body, n, "<r>");

	for (size_t k = 0; at < n - 60; k++)
		at += (size_t)snprintf(body + at, 40, "%s%zu%s", head, k, tail);
	return at;
}

TEST(oom_documents_room)
{
	static char body[SB_SIP_BODY_MAX];
	static const struct {
		const char *head, *tail;
	} kinds[] = {
		{"<a", "/>"}, {"<a b", "='c'/>"}, {"<a b='", "'/>"},
		{"<a xmlns='u", "'/>"}, {"<a", ">"}, {"</a", ">"}, {"", ""},
		{"&#", ";"}, {"<a xmlns:p", "='u'/>"}, {"&a", ";"},
		{"<p", ":a/>"}, {"<b>", ""}, {"<a b c d e f='", "'/>"},
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t n = fill(body, sizeof(body), kinds[i].head,
				kinds[i].tail);

		weigh(kinds[i].head, (struct sb_str){body, 60}, true);
		weigh(kinds[i].head, (struct sb_str){body, n}, true);
		n += (size_t)snprintf(body + n, 40, "</r>");
		weigh(kinds[i].head, (struct sb_str){body, n}, false);
	}
}
