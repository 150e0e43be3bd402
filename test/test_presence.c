/*
 * test_presence.c: presence documents read: cases, ranges, hostile ones.
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>

#include "../sipbridge/content.h"
#include "../sipbridge/field.h"
#include "../sipbridge/presence.h"
#include "cases.h"
#include "guard.h"
#include "test.h"

#define PIDF	   "application/pidf+xml"
#define MSRTC	   "text/xml+msrtc.pidf"
#define CATEGORIES "application/msrtc-event-categories+xml"

static const char *name_of(enum sb_presence p)
{
	static const char *const names[] = {
	    "unknown",	 "offline", "available", "idle", "busy",
	    "busy-idle", "dnd",	    "brb",	 "away", "off-work",
	};

	return (unsigned)p < sizeof(names) / sizeof(names[0]) ? names[p] : "?";
}

/* What leaves the reader goes into XML and into lines of a log. */
static void fit(const struct sb_presence_doc *d)
{
	CHECK(d->note.n <= SB_NOTE_MAX && d->display.n <= SB_NAME_MAX);
	CHECK(sb_utf8_valid(d->note) && sb_utf8_valid(d->display));
	CHECK(d->has_note || d->note.n == 0);
	for (size_t i = 0; i < d->note.n; i++)
		CHECK((unsigned char)d->note.p[i] >= ' ' ||
		      d->note.p[i] == '\n' || d->note.p[i] == '\t');
	for (size_t i = 0; i < d->display.n; i++)
		CHECK((unsigned char)d->display.p[i] >= ' ');
}

static void presence_case(const struct test_case *c)
{
	static struct sb_presence_doc d;
	char got[4096];
	struct sb_out o = {got, sizeof(got), 0, false};
	int rc = sb_presence_read(&d, c->header, guard(c->body));

	CHECK_INT(rc < 0, c->error);
	if (rc < 0) {
		CHECK_SBSB(sb_str_of(sb_err_name(rc)), c->want);
		return;
	}
	fit(&d);
	sb_out_add(&o, sb_str_of(name_of(d.presence)));
	if (d.display.n > 0) {
		sb_out_add(&o, SB_STR("\ndisplay "));
		sb_out_add(&o, d.display);
	}
	if (d.has_note) {
		sb_out_add(&o, SB_STR("\nnote "));
		sb_out_add(&o, d.note);
	}
	sb_out_add(&o, SB_STR("\n"));
	CHECK_SBSB(((struct sb_str){got, o.len}), c->want);
}

TEST(presence_cases)
{
	CHECK(cases_run("presence", presence_case) >= 120);
}

/* --------------------------------------------------------------- ranges -- */

/* The state that a document says, "?" and an error's name for an error. */
static const char *said(const char *type, const char *body)
{
	static struct sb_presence_doc d;
	int rc = sb_presence_read(&d, sb_str_of(type), guard(sb_str_of(body)));

	return rc < 0 ? sb_err_name(rc) : name_of(d.presence);
}

TEST(presence_pidf_words)
{
	static const struct {
		const char *word, *want;
	} rows[] = {
	    {"away", "away"},	      {"out-to-lunch", "away"},
	    {"be-right-back", "brb"}, {"permanent-absence", "away"},
	    {"busy", "busy"},	      {"on-the-phone", "busy"},
	    {"meeting", "busy"},      {"appointment", "busy"},
	    {"vacation", "available"}, {"unknown", "available"},
	    {"", "available"},
	};
	char body[256];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		test_note(rows[i].word);
		snprintf(body, sizeof(body),
			 "<presence><tuple><status><basic>open</basic>"
			 "<activities><activity>%s</activity></activities>"
			 "</status></tuple></presence>",
			 rows[i].word);
		CHECK_STR(said(PIDF, body), rows[i].want);
	}
	test_note(NULL);
}

TEST(presence_msrtc_aggregates)
{
	static const struct {
		int availability, activity;
		const char *want;
	} rows[] = {
	    {0, 400, "offline"},      {99, 400, "offline"},
	    {100, 400, "offline"},    {199, 400, "offline"},
	    {200, 400, "available"},  {299, 600, "busy"},
	    {300, 0, "available"},    {300, 99, "available"},
	    {300, 100, "away"},	      {300, 149, "away"},
	    {300, 150, "away"},	      {300, 199, "away"},
	    {300, 200, "idle"},	      {300, 299, "idle"},
	    {300, 300, "brb"},	      {300, 399, "brb"},
	    {300, 400, "available"},  {300, 499, "available"},
	    {300, 500, "busy"},	      {300, 599, "busy"},
	    {300, 600, "busy"},	      {300, 699, "busy"},
	    {300, 700, "away"},	      {300, 799, "away"},
	    {300, 800, "available"},  {999, 999, "available"},
	    {300, 1000, "available"}, {1000, 600, "unknown"},
	    {-1, 600, "unknown"},
	};
	char body[256], note[64];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(note, sizeof(note), "%d/%d", rows[i].availability,
			 rows[i].activity);
		test_note(note);
		snprintf(body, sizeof(body),
			 "<presentity><availability aggregate='%d'/>"
			 "<activity aggregate='%d'/></presentity>",
			 rows[i].availability, rows[i].activity);
		CHECK_STR(said(MSRTC, body), rows[i].want);
	}
	test_note(NULL);
}

TEST(presence_categories_availability)
{
	static const struct {
		const char *availability, *token, *want;
	} rows[] = {
	    {"0", "", "offline"},
	    {"2999", "", "offline"},
	    {"3000", "", "available"},
	    {"3500", "", "available"},
	    {"4499", "", "available"},
	    {"4500", "", "idle"},
	    {"5999", "", "idle"},
	    {"6000", "", "busy"},
	    {"7499", "", "busy"},
	    {"7500", "", "busy-idle"},
	    {"8999", "", "busy-idle"},
	    {"9000", "", "dnd"},
	    {"11999", "", "dnd"},
	    {"12000", "", "brb"},
	    {"14999", "", "brb"},
	    {"15000", "", "away"},
	    {"17999", "", "away"},
	    {"18000", "", "offline"},
	    {"18500", "", "offline"},
	    {"2000000000", "", "offline"},
	    {"99999999999", "", "unknown"},
	    {"-3500", "", "unknown"},
	    {"3500.0", "", "unknown"},
	    {"0xdac", "", "unknown"},
	    {"", "off-work", "unknown"},
	    {"6500", "on-the-phone", "busy"},
	    {"6500", "in-a-conference", "busy"},
	    {"6500", "in-a-meeting", "busy"},
	    {"6500", "urgent-interruptions-only", "dnd"},
	    {"7500", "urgent-interruptions-only", "dnd"},
	    {"9500", "urgent-interruptions-only", "dnd"},
	    {"15500", "out-of-office", "off-work"},
	    {"15500", "off-work", "off-work"},
	    {"15500", "Off-Work", "off-work"},
	    {"15500", "rowing", "away"},
	    /* the number wins over a token that does not fit it */
	    {"3500", "urgent-interruptions-only", "available"},
	    {"3500", "off-work", "available"},
	    {"12500", "off-work", "brb"},
	    {"18500", "off-work", "offline"},
	};
	char body[512], note[64];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(note, sizeof(note), "%s %s", rows[i].availability,
			 rows[i].token);
		test_note(note);
		snprintf(body, sizeof(body),
			 "<categories><category name='state'><state>"
			 "<availability>%s</availability><activity token='%s'/>"
			 "</state></category></categories>",
			 rows[i].availability, rows[i].token);
		CHECK_STR(said(CATEGORIES, body), rows[i].want);
	}
	test_note(NULL);
}

/* -------------------------------------------------------------- hostile -- */

/* head, then `unit` until n bytes are full with tail behind */
static struct sb_str filled(const char *head, const char *unit,
			    const char *tail, size_t n)
{
	static char buf[SB_SIP_BODY_MAX * 2];
	size_t unit_n = strlen(unit), tail_n = strlen(tail);
	size_t len = strlen(head);

	memcpy(buf, head, len);
	for (; len + unit_n + tail_n <= n; len += unit_n)
		memcpy(buf + len, unit, unit_n);
	memcpy(buf + len, tail, tail_n);
	return (struct sb_str){buf, len + tail_n};
}

static int read_of(const char *type, struct sb_str body, const char *presence,
		   size_t note, size_t display)
{
	static struct sb_presence_doc d;
	int rc = sb_presence_read(&d, sb_str_of(type), guard(body));

	if (rc < 0)
		return rc;
	fit(&d);
	CHECK_STR(name_of(d.presence), presence);
	CHECK_INT(d.note.n, note);
	CHECK_INT(d.display.n, display);
	return 0;
}

#define NOTE_HEAD                                        \
	"<categories><category name='note'><note><body>"
#define NOTE_TAIL "</body></note></category></categories>"

TEST(presence_64_kib)
{
	size_t max = SB_SIP_BODY_MAX;

	CHECK_INT(read_of(CATEGORIES,
			  filled(NOTE_HEAD, "n", NOTE_TAIL, max), "unknown",
			  SB_NOTE_MAX, 0),
		  0);
	CHECK_INT(read_of(CATEGORIES,
			  filled(NOTE_HEAD, "n", NOTE_TAIL, max + 1), "unknown",
			  SB_NOTE_MAX, 0),
		  SB_ETOOBIG);
	CHECK_INT(read_of(CATEGORIES, filled(NOTE_HEAD, " ", NOTE_TAIL, max),
			  "unknown", 0, 0),
		  0);
	CHECK_INT(read_of(CATEGORIES,
			  filled(NOTE_HEAD, "&lt;&#x20ac;", NOTE_TAIL, max),
			  "unknown", SB_NOTE_MAX, 0),
		  0);
	CHECK_INT(read_of(MSRTC,
			  filled("<presentity><availability aggregate='300'/>"
				 "<displayName displayName='",
				 "n", "'/></presentity>", max),
			  "available", 0, SB_NAME_MAX),
		  0);
	CHECK_INT(read_of(PIDF,
			  filled("<presence>", "<display-name>\xe2\x82\xac",
				 "", max),
			  "", 0, 0),
		  SB_ETOOBIG);
	CHECK_INT(read_of(PIDF, filled("<presence>", "<tuple/>", "</presence>",
				       10 + 8 * 1999 + 11),
			  "unknown", 0, 0),
		  0);
	CHECK_INT(read_of(PIDF, filled("<presence>", "<tuple/>", "</presence>",
				       10 + 8 * 2000 + 11),
			  "", 0, 0),
		  SB_ETOOBIG);
	CHECK_INT(read_of(PIDF, filled("<presence a='", "<", "'/>", max), "", 0,
			  0),
		  SB_EBADTEXT);
	CHECK_INT(read_of(PIDF, filled("", "\r\n", "", max), "unknown", 0, 0),
		  0);
	CHECK_INT(read_of("", filled("", "a", "", max), "", 0, 0), SB_EINVAL);
}

/* Nothing but the error says anything: the rest stays as it was. */
TEST(presence_error_writes_nothing)
{
	static struct sb_presence_doc d;

	d.presence = SB_PR_DND;
	d.has_note = true;
	d.note = d.display = SB_STR("kept");
	CHECK_INT(sb_presence_read(&d, SB_STR(PIDF),
				   SB_STR("<presence><tuple><status><basic>open"
					  "</basic></status></tuple><x>")),
		  SB_EBADTEXT);
	CHECK_INT(d.presence, SB_PR_DND);
	CHECK(d.has_note);
	CHECK_SB(d.note, "kept");
	CHECK_SB(d.display, "kept");
}

static const char *prefix_type;

static void prefix(struct sb_str s)
{
	static struct sb_presence_doc d;
	int rc = sb_presence_read(&d, sb_str_of(prefix_type), s);

	if (s.n == 0 || (rc == 0 && s.p[s.n - 1] == '>'))
		CHECK_INT(rc, 0);
	else
		CHECK_INT(rc, SB_EBADTEXT);
	if (rc == 0)
		fit(&d);
}

static void cut_everywhere(const char *type, struct sb_str body)
{
	prefix_type = type;
	test_note(type);
	guard_prefixes(body, prefix);
	test_note(NULL);
}

TEST(presence_prefixes)
{
	cut_everywhere(PIDF,
		       SB_STR("<?xml version=\"1.0\" encoding=\"utf-8\"?>"
			      "<presence xmlns='urn:ietf:params:xml:ns:pidf' "
			      "xmlns:e='x' entity='sip:a@contoso.com'>"
			      "<tuple id='0'><status><basic>open</basic>"
			      "<e:activities><e:activity>busy</e:activity>"
			      "</e:activities></status></tuple>"
			      "<e:display-name>J\xc3\xb6 &amp; "
			      "<![CDATA[<K>]]></e:display-name></presence>"));
	cut_everywhere(MSRTC,
		       SB_STR("<presentity uri=\"a@contoso.com\">"
			      "<availability aggregate=\"300\"/>"
			      "<activity aggregate=\"600\"/>"
			      "<displayName displayName=\"J\xc3\xb6 &lt;\"/>"
			      "<devices><devicePresence><activity note=\"\xe2"
			      "\x82\xac 5\"/></devicePresence></devices>"
			      "</presentity>"));
	cut_everywhere(
	    CATEGORIES,
	    SB_STR("<categories><category name=\"state\" "
		   "publishTime=\"2031-05-02T09:30:00.000Z\"><state "
		   "xmlns:i=\"x\" i:type=\"aggregateState\"><availability>"
		   "9500</availability><activity token=\"off-work\"/></state>"
		   "</category><category name=\"note\"><note><body>caf\xc3\xa9"
		   "&#10;&gt;</body></note></category><category "
		   "name=\"contactCard\"><contactCard><identity><name>"
		   "<displayName>J</displayName></name></identity>"
		   "</contactCard></category></categories>"));
}

/* Each byte of a document made something else: any answer, but an answer. */
TEST(presence_bytes_changed)
{
	static const char good[] =
	    "<categories><category name='note' publishTime='2031-05-02T09:30:"
	    "00Z'><note><body>caf\xc3\xa9 &#60;</body></note></category>"
	    "<category name='state'><state type='a:aggregateState'>"
	    "<availability>3500</availability></state></category></categories>";
	static const char other[] = {'<', '>', '&', '\'', ':', '\0', '\x80',
				     '\xff', ' ', '/'};
	static struct sb_presence_doc d;
	char buf[sizeof(good)];
	struct sb_str changed;

	for (size_t i = 0; i + 1 < sizeof(good); i++)
		for (size_t k = 0; k < sizeof(other); k++) {
			memcpy(buf, good, sizeof(good));
			buf[i] = other[k];
			changed = (struct sb_str){buf, sizeof(good) - 1};
			if (sb_presence_read(&d, SB_STR(CATEGORIES),
					     guard(changed)) == 0)
				fit(&d);
		}
}

/* ---------------------------------------------------------- just added -- */

#define ASK	  "application/msrtc-adrl-categorylist+xml"
#define BATCH(in)                                                          \
	"<batchSub xmlns='http://schemas.microsoft.com/2006/01/sip/"       \
	"batch-subscribe' uri='sip:kim@fabrikam.com' name=''>"             \
	"<action name='subscribe' id='63792024'><adhocList>" in            \
	"</adhocList><categoryList xmlns='http://schemas.microsoft.com/"   \
	"2006/09/sip/categorylist'><category name='state'/>"               \
	"</categoryList></action></batchSub>"

TEST(presence_added)
{
	static const struct {
		const char *name, *type, *body;
		bool want;
	} rows[] = {
	    {"added", ASK,
	     BATCH("<resource uri='sip:jo@contoso.com'><context/></resource>"),
	     true},
	    {"content", "Application/MSRTC-adrl-categorylist+xml; x=y",
	     BATCH("<resource uri='x'>\r\n<context><contextData>x"
		   "</contextData></context></resource>"),
	     true},
	    {"second", ASK, BATCH("<resource/><resource><context/></resource>"),
	     true},
	    {"not added", ASK, BATCH("<resource uri='sip:jo@contoso.com'/>"),
	     false},
	    {"elsewhere", ASK, BATCH("<resource/><context/>"), false},
	    {"deeper", ASK, BATCH("<resource><x><context/></x></resource>"),
	     false},
	    {"other root", ASK, "<x><resource><context/></resource></x>",
	     false},
	    {"no type", "", BATCH("<resource><context/></resource>"), false},
	    {"other type", PIDF, BATCH("<resource><context/></resource>"),
	     false},
	    {"doctype", ASK,
	     "<!DOCTYPE x>" BATCH("<resource><context/></resource>"), false},
	    {"cut", ASK, "<batchSub><resource><context/></resource>", false},
	    {"nothing", ASK, "", false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		test_note(rows[i].name);
		CHECK_INT(sb_presence_added(sb_str_of(rows[i].type),
					    guard(sb_str_of(rows[i].body))),
			  rows[i].want);
	}
	test_note(NULL);
}
