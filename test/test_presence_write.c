/*
 * test_presence_write.c: presence documents chosen and written, and read back.
 * SPDX-License-Identifier: MIT
 */
#include "../sipbridge/content.h"
#include "../sipbridge/presence.h"
#include "guard.h"
#include "test.h"

enum { TIME = 1935613800 }; /* 2031-05-03T22:30:00Z */

static char buf[SB_PRESENCE_MAX];

static const enum sb_presence_format formats[] = {SB_PF_PIDF, SB_PF_MSRTC,
						  SB_PF_CATEGORIES};

enum { FORMATS = sizeof(formats) / sizeof(formats[0]) };

/* ------------------------------------------------------------- choosing -- */

#define LYNC                                                               \
	"application/msrtc-event-categories+xml, application/xpidf+xml, "  \
	"text/xml+msrtc.pidf, application/pidf+xml, "                      \
	"application/rlmi+xml, multipart/related"

TEST(presence_choose)
{
	static const struct {
		const char *accept;
		enum sb_presence_format plain, notes;
	} rows[] = {
	    {"", SB_PF_PIDF, SB_PF_PIDF},
	    {" \t", SB_PF_PIDF, SB_PF_PIDF},
	    {LYNC, SB_PF_PIDF, SB_PF_CATEGORIES},
	    {"application/xpidf+xml, text/xml+msrtc.pidf, "
	     "application/pidf+xml",
	     SB_PF_PIDF, SB_PF_PIDF},
	    {"text/xml+msrtc.pidf", SB_PF_MSRTC, SB_PF_MSRTC},
	    {"application/msrtc-event-categories+xml", SB_PF_CATEGORIES,
	     SB_PF_CATEGORIES},
	    {"application/msrtc-event-categories+xml, text/xml+msrtc.pidf",
	     SB_PF_MSRTC, SB_PF_CATEGORIES},
	    {"Application/PIDF+XML;q=0.3;x=\"a,b\",,", SB_PF_PIDF, SB_PF_PIDF},
	    {"application/pidf+xml;q=0.000, text/xml+msrtc.pidf;q=0.1",
	     SB_PF_MSRTC, SB_PF_MSRTC},
	    {"application/pidf+xml;q=0", SB_PF_NONE, SB_PF_NONE},
	    {"application/pidf+xml; Q = \"0\"", SB_PF_NONE, SB_PF_NONE},
	    {"application/pidf+xml;q=", SB_PF_PIDF, SB_PF_PIDF},
	    {"*/*", SB_PF_PIDF, SB_PF_PIDF},
	    {"application/*;q=0.1", SB_PF_PIDF, SB_PF_PIDF},
	    {"*/*;q=0", SB_PF_NONE, SB_PF_NONE},
	    {"application/xpidf+xml", SB_PF_NONE, SB_PF_NONE},
	    {"application/pidf+xmlx", SB_PF_NONE, SB_PF_NONE},
	    {"application/pidf", SB_PF_NONE, SB_PF_NONE},
	    {",", SB_PF_NONE, SB_PF_NONE},
	    {"application/pidf+xml, \"", SB_PF_PIDF, SB_PF_PIDF},
	    {"\", application/pidf+xml", SB_PF_NONE, SB_PF_NONE},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sb_str accept = sb_str_of(rows[i].accept);

		test_note(rows[i].accept);
		CHECK_INT(sb_presence_choose(guard(accept), false),
			  rows[i].plain);
		CHECK_INT(sb_presence_choose(guard(accept), true),
			  rows[i].notes);
	}
	test_note(NULL);
	CHECK_STR(sb_presence_type(SB_PF_NONE), "");
	CHECK_STR(sb_presence_type(SB_PF_PIDF), "application/pidf+xml");
	CHECK_STR(sb_presence_type(SB_PF_MSRTC), "text/xml+msrtc.pidf");
	CHECK_STR(sb_presence_type(SB_PF_CATEGORIES),
		  "application/msrtc-event-categories+xml");
}

/* --------------------------------------------------------------- shapes -- */

static struct sb_presence_self self_of(enum sb_presence p)
{
	return (struct sb_presence_self){SB_STR("sip:ada@fabrikam.com"), p,
					 SB_NOSTR, SB_NOSTR, 0};
}

static struct sb_str written(enum sb_presence_format f,
			     const struct sb_presence_self *self)
{
	int n = sb_presence_write(buf, sizeof(buf), f, self);

	CHECK(n > 0);
	return (struct sb_str){buf, n > 0 ? (size_t)n : 0};
}

#define PIDF_HEAD                                                          \
	"<?xml version=\"1.0\" encoding=\"utf-8\"?>"                       \
	"<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" "                 \
	"xmlns:ep=\"urn:ietf:params:xml:ns:pidf:status:rpid-status\" "     \
	"xmlns:et=\"urn:ietf:params:xml:ns:pidf:rpid-tuple\" "             \
	"xmlns:ci=\"urn:ietf:params:xml:ns:pidf:cipid\" "                  \
	"entity=\"sip:ada@fabrikam.com\"><tuple id=\"0\"><status><basic>"

TEST(presence_write_pidf)
{
	struct sb_presence_self self = self_of(SB_PR_DND);

	self.note = SB_STR("not in this format");
	self.display = SB_STR("Ada & Co");
	CHECK_SB(written(SB_PF_PIDF, &self),
		 PIDF_HEAD "open</basic><ep:activities><ep:activity>busy"
			   "</ep:activity></ep:activities></status></tuple>"
			   "<ci:display-name>Ada &amp; Co</ci:display-name>"
			   "</presence>");
	self = self_of(SB_PR_AVAILABLE);
	CHECK_SB(written(SB_PF_PIDF, &self),
		 PIDF_HEAD "open</basic></status></tuple></presence>");
	self = self_of(SB_PR_UNKNOWN);
	CHECK_SB(written(SB_PF_PIDF, &self),
		 PIDF_HEAD "closed</basic></status></tuple></presence>");
}

TEST(presence_write_msrtc)
{
	struct sb_presence_self self = self_of(SB_PR_BRB);

	self.display = SB_STR("\"Ada\"");
	CHECK_SB(written(SB_PF_MSRTC, &self),
		 "<presentity uri=\"ada@fabrikam.com\" "
		 "xmlns=\"http://schemas.microsoft.com/2002/09/sip/presence\">"
		 "<availability aggregate=\"300\" description=\"\"/>"
		 "<activity aggregate=\"300\" description=\"\"/>"
		 "<displayName displayName=\"&quot;Ada&quot;\"/><userInfo/>"
		 "</presentity>");
	self = self_of(SB_PR_OFFLINE);
	CHECK_SB(written(SB_PF_MSRTC, &self),
		 "<presentity uri=\"ada@fabrikam.com\" "
		 "xmlns=\"http://schemas.microsoft.com/2002/09/sip/presence\">"
		 "<availability aggregate=\"0\" description=\"\"/>"
		 "<activity aggregate=\"0\" description=\"\"/><userInfo/>"
		 "</presentity>");
}

#define MS  "http://schemas.microsoft.com/2006/09/sip/"
#define AT  " publishTime=\"2031-05-03T22:30:00.000Z\""
#define OFF " render=\"false\" capture=\"false\"/>"

/* state, note and contactCard with that time, services. */
#define WHOLE(time, state, note, card, availability)                        \
	"<categories xmlns=\"" MS "categories\" "                           \
	"uri=\"sip:ada@fabrikam.com\">"                                     \
	"<category name=\"state\" instance=\"1\"" time                      \
	" container=\"100\" version=\"1\" expireType=\"user\">"             \
	"<state xmlns=\"" MS "state\" "                                     \
	"xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" "          \
	"xsi:type=\"aggregateState\"><availability>" availability           \
	"</availability>" state "<endpointLocation/></state></category>"    \
	"<category name=\"note\" instance=\"0\"" time                       \
	" container=\"100\" version=\"1\" expireType=\"static\">"           \
	"<note xmlns=\"" MS "note\">" note "</note></category>" card        \
	"<category name=\"services\" instance=\"0\"" time                   \
	" container=\"100\" version=\"1\" expireType=\"user\">"             \
	"<services xmlns=\"" MS "service\">"                                \
	"<service uri=\"sip:ada@fabrikam.com\"><capabilities>"              \
	"<text render=\"true\" capture=\"true\" "                           \
	"deviceAvailability=\"" availability "\"/><gifInk" OFF "<isfInk" OFF \
	"<applicationSharing" OFF "<voice" OFF "<video" OFF                 \
	"<contentPowerPoint" OFF                                            \
	"</capabilities></service></services></category></categories>"

TEST(presence_write_categories)
{
	struct sb_presence_self self = self_of(SB_PR_DND);

	self.note = SB_STR("1 < 2");
	self.display = SB_STR("Ada Lark");
	self.time = TIME;
	CHECK_SB(written(SB_PF_CATEGORIES, &self),
		 WHOLE(AT,
		       "<activity token=\"urgent-interruptions-only\" "
		       "minAvailability=\"9000\" maxAvailability=\"11999\"/>",
		       "<body type=\"personal\" uri=\"\">1 &lt; 2</body>",
		       "<category name=\"contactCard\" instance=\"0\"" AT
		       " container=\"0\" version=\"1\" expireType=\"static\">"
		       "<contactCard xmlns=\"" MS "contactcard\"><identity>"
		       "<name><displayName>Ada Lark</displayName></name>"
		       "</identity></contactCard></category>",
		       "9500"));
	self = self_of(SB_PR_IDLE);
	CHECK_SB(written(SB_PF_CATEGORIES, &self),
		 WHOLE("", "", "", "", "5000"));
}

TEST(presence_write_times)
{
	struct sb_presence_self self = self_of(SB_PR_AVAILABLE);
	static const struct {
		uint64_t time;
		const char *want;
	} rows[] = {
	    {1, "\"1970-01-01T00:00:01.000Z\""},
	    {951782400, "\"2000-02-29T00:00:00.000Z\""},
	    {253402300799, "\"9999-12-31T23:59:59.000Z\""},
	    {253402300800, NULL},
	    {UINT64_MAX, NULL},
	    {0, NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sb_str s;
		const char *at;

		self.time = rows[i].time;
		s = written(SB_PF_CATEGORIES, &self);
		REQUIRE(s.n < sizeof(buf));
		buf[s.n] = '\0';
		at = strstr(buf, "publishTime=");
		CHECK_INT(!at, !rows[i].want);
		if (at && rows[i].want)
			CHECK_SB(((struct sb_str){at + 12,
						  strlen(rows[i].want)}),
				 rows[i].want);
	}
}

/* ---------------------------------------------------------- round trips -- */

static enum sb_presence nearest(enum sb_presence_format f, enum sb_presence p)
{
	if (p == SB_PR_UNKNOWN)
		return SB_PR_OFFLINE;
	if (f == SB_PF_CATEGORIES)
		return p;
	if (p == SB_PR_BUSY_IDLE || p == SB_PR_DND)
		return SB_PR_BUSY;
	if (p == SB_PR_OFF_WORK)
		return SB_PR_AWAY;
	if (f == SB_PF_PIDF && (p == SB_PR_IDLE || p == SB_PR_BRB))
		return SB_PR_AWAY;
	return p;
}

static void round_trip(enum sb_presence_format f, enum sb_presence p,
		       struct sb_str note, struct sb_str display)
{
	static struct sb_presence_doc d;
	struct sb_presence_self self = self_of(p);
	struct sb_str s;

	self.note = note;
	self.display = display;
	self.time = TIME;
	s = written(f, &self);
	CHECK(sb_utf8_valid(s));
	if (!CHECK_INT(sb_presence_read(&d, sb_str_of(sb_presence_type(f)),
					guard(s)),
		       0))
		return;
	CHECK_INT(d.presence, nearest(f, p));
	CHECK_SBSB(d.display, display);
	CHECK_INT(d.has_note, f == SB_PF_CATEGORIES);
	CHECK_SBSB(d.note, f == SB_PF_CATEGORIES ? note : SB_NOSTR);
}

TEST(presence_round_trips)
{
	for (size_t i = 0; i < FORMATS; i++)
		for (int p = SB_PR_UNKNOWN; p <= SB_PR_OFF_WORK; p++) {
			enum sb_presence state = (enum sb_presence)p;

			test_note(sb_presence_type(formats[i]));
			round_trip(formats[i], state, SB_NOSTR, SB_NOSTR);
			round_trip(formats[i], state, SB_STR("at the fair"),
				   SB_STR("Ada Lark"));
		}
	test_note(NULL);
}

static struct sb_str many(char *to, const char *unit, size_t n)
{
	size_t unit_n = strlen(unit);

	for (size_t i = 0; i < n; i++)
		memcpy(to + i * unit_n, unit, unit_n);
	return (struct sb_str){to, n * unit_n};
}

TEST(presence_round_trip_texts)
{
	char note[SB_NOTE_MAX], name[SB_NAME_MAX];

	for (size_t i = 0; i < FORMATS; i++) {
		test_note(sb_presence_type(formats[i]));
		round_trip(formats[i], SB_PR_AWAY,
			   SB_STR("<b>\"1\" & '2' ]]> &amp; &#60;\n\tnext"),
			   SB_STR("<&>\"' ]]>  \xe2\x82\xac \xf0\x9f\x90\xa6"));
		round_trip(formats[i], SB_PR_AWAY,
			   many(note, "\xe2\x82\xac", 341),
			   many(name, "\xc3\xa9", 128));
		round_trip(formats[i], SB_PR_AWAY, many(note, "&", SB_NOTE_MAX),
			   many(name, "'", SB_NAME_MAX));
	}
	test_note(NULL);
}

static int written_and_read(struct sb_presence_doc *d,
			    const struct sb_presence_self *self)
{
	struct sb_str s = written(SB_PF_CATEGORIES, self);

	return sb_presence_read(
	    d, sb_str_of(sb_presence_type(SB_PF_CATEGORIES)), guard(s));
}

/* What is said about texts that cannot stay as they are. */
TEST(presence_write_tidies)
{
	static struct sb_presence_doc d;
	static char note[3 * SB_NOTE_MAX];
	struct sb_presence_self self = self_of(SB_PR_AWAY);

	self.note = SB_STR(" \x01one\r\ntwo\rthree\x7f\x1b[31m\xef\xbf\xbe \n");
	self.display = SB_STR("\tAda\nLark\x07 \x08");
	REQUIRE(written_and_read(&d, &self) == 0);
	CHECK_SB(d.note, "one\ntwo\nthree[31m");
	CHECK_SB(d.display, "Ada Lark");
	note[0] = 'x';
	many(note + 1, "\xe2\x82\xac", SB_NOTE_MAX - 1);
	self.note = (struct sb_str){note, 1 + 3 * (SB_NOTE_MAX - 1)};
	self.display = SB_STR("\x01\x02");
	REQUIRE(written_and_read(&d, &self) == 0);
	CHECK_INT(d.note.n, SB_NOTE_MAX);
	CHECK(sb_utf8_valid(d.note));
	CHECK_INT(d.display.n, 0);
	many(note, " ", SB_NOTE_MAX);
	memcpy(note + SB_NOTE_MAX, "late", 4);
	self.note = (struct sb_str){note, SB_NOTE_MAX + 4};
	REQUIRE(written_and_read(&d, &self) == 0);
	CHECK_SB(d.note, "late");
}

TEST(presence_write_refuses)
{
	static char uri[SB_URI_MAX + 1];
	static const struct {
		const char *name;
		struct sb_str uri, note, display;
		int want;
	} rows[] = {
	    {"no uri", {"", 0}, {"", 0}, {"", 0}, SB_EINVAL},
	    {"space", {"sip:a b@c.d", 11}, {"", 0}, {"", 0}, SB_EBADTEXT},
	    {"line", {"sip:a@c.d\n", 10}, {"", 0}, {"", 0}, SB_EBADTEXT},
	    {"NUL", {"sip:a@c.d\0", 10}, {"", 0}, {"", 0}, SB_EBADTEXT},
	    {"DEL", {"sip:a@c.d\x7f", 10}, {"", 0}, {"", 0}, SB_EBADTEXT},
	    {"latin1", {"sip:\xe9@c.d", 9}, {"", 0}, {"", 0}, SB_EBADTEXT},
	    {"U+FFFF", {"sip:\xef\xbf\xbf@c.d", 11}, {"", 0}, {"", 0},
	     SB_EBADTEXT},
	    {"note", {"sip:a@c.d", 9}, {"\xff", 1}, {"", 0}, SB_EBADTEXT},
	    {"note far", {"sip:a@c.d", 9}, {"a\xc3", 2}, {"", 0}, SB_EBADTEXT},
	    {"name", {"sip:a@c.d", 9}, {"", 0}, {"\xed\xa0\x80", 3},
	     SB_EBADTEXT},
	};
	struct sb_presence_self self = self_of(SB_PR_AWAY);

	for (size_t f = 0; f < FORMATS; f++)
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			test_note(rows[i].name);
			self.uri = rows[i].uri;
			self.note = rows[i].note;
			self.display = rows[i].display;
			CHECK_INT(sb_presence_write(buf, sizeof(buf),
						    formats[f], &self),
				  rows[i].want);
		}
	test_note(NULL);
	self = self_of(SB_PR_AWAY);
	CHECK_INT(sb_presence_write(buf, sizeof(buf), SB_PF_NONE, &self),
		  SB_EINVAL);
	self.presence = (enum sb_presence)(SB_PR_OFF_WORK + 1);
	CHECK_INT(sb_presence_write(buf, sizeof(buf), SB_PF_PIDF, &self),
		  SB_EINVAL);
	self = self_of(SB_PR_AWAY);
	memset(uri, 'u', sizeof(uri));
	self.uri = (struct sb_str){uri, SB_URI_MAX};
	CHECK(sb_presence_write(buf, sizeof(buf), SB_PF_PIDF, &self) > 0);
	self.uri.n++;
	CHECK_INT(sb_presence_write(buf, sizeof(buf), SB_PF_PIDF, &self),
		  SB_ETOOBIG);
}

/* SB_PRESENCE_MAX is enough for the longest texts, all of them escaped. */
TEST(presence_write_longest)
{
	static char uri[SB_URI_MAX], note[SB_NOTE_MAX], name[SB_NAME_MAX];
	struct sb_presence_self self = {many(uri, "'", SB_URI_MAX), SB_PR_DND,
					many(note, "'", SB_NOTE_MAX),
					many(name, "'", SB_NAME_MAX), TIME};
	struct sb_str s = written(SB_PF_CATEGORIES, &self);

	CHECK(s.n > sizeof(buf) - 4096);
	CHECK(sb_presence_ask(buf, sizeof(buf), self.uri, self.uri) > 0);
}

/* A document is whole or not there. */
TEST(presence_write_room)
{
	struct sb_presence_self self = self_of(SB_PR_DND);

	self.note = SB_STR("& <");
	self.display = SB_STR("'Ada'");
	self.time = TIME;
	for (size_t f = 0; f < FORMATS; f++) {
		size_t n = written(formats[f], &self).n;

		for (size_t i = 0; i < n; i++)
			CHECK_INT(sb_presence_write(guard_room(i), i,
						    formats[f], &self),
				  SB_ETOOBIG);
		CHECK_INT(sb_presence_write(guard_room(n), n, formats[f],
					    &self),
			  n);
	}
}

/* --------------------------------------------------------------- asking -- */

TEST(presence_ask)
{
	struct sb_str ada = SB_STR("sip:a&a@fabrikam.com"),
		      jo = SB_STR("sip:jo@contoso.com");
	int n = sb_presence_ask(buf, sizeof(buf), ada, jo);
	struct sb_str s = {buf, n > 0 ? (size_t)n : 0};

	CHECK_SB(s, "<batchSub xmlns=\"http://schemas.microsoft.com/2006/01/"
		    "sip/batch-subscribe\" uri=\"sip:a&amp;a@fabrikam.com\" "
		    "name=\"\"><action name=\"subscribe\" id=\"1\"><adhocList>"
		    "<resource uri=\"sip:jo@contoso.com\"><context/>"
		    "</resource></adhocList><categoryList xmlns=\"" MS
		    "categorylist\"><category name=\"contactCard\"/>"
		    "<category name=\"note\"/><category name=\"state\"/>"
		    "</categoryList></action></batchSub>");
	CHECK(sb_presence_added(SB_STR(SB_PRESENCE_ASK_TYPE), guard(s)));
	for (size_t i = 0; i < s.n; i++)
		CHECK_INT(sb_presence_ask(guard_room(i), i, ada, jo),
			  SB_ETOOBIG);
	CHECK_INT(sb_presence_ask(buf, sizeof(buf), SB_NOSTR, jo), SB_EINVAL);
	CHECK_INT(sb_presence_ask(buf, sizeof(buf), ada, SB_NOSTR), SB_EINVAL);
	CHECK_INT(sb_presence_ask(buf, sizeof(buf), SB_STR("sip:\"\n"), jo),
		  SB_EBADTEXT);
	CHECK_INT(sb_presence_ask(buf, sizeof(buf), ada, SB_STR("sip:\xff")),
		  SB_EBADTEXT);
}
