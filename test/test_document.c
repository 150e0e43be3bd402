/*
 * test_document.c: XML of a peer: limits, refusals, typing, imdn.
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>

#include "../sipbridge/content.h"
#include "../sipbridge/document.h"
#include "../sipbridge/field.h"
#include "cases.h"
#include "guard.h"
#include "test.h"

/* --------------------------------------------------------------- reader -- */

static char trace[4096];
static struct sb_out traced;

static void trace_open(void *arg, const struct sb_element *e)
{
	(void)arg;
	sb_out_add(&traced, SB_STR("<"));
	sb_out_add(&traced, e->name);
	sb_out_number(&traced, (int)e->depth);
	sb_out_add(&traced, sb_element_attr(e, SB_STR("a")));
	sb_out_add(&traced, SB_STR(">"));
}

static void trace_text(void *arg, unsigned depth, struct sb_str piece)
{
	(void)arg;
	(void)depth;
	sb_out_add(&traced, piece);
}

static void trace_close(void *arg, unsigned depth, struct sb_str name)
{
	(void)arg;
	(void)name;
	sb_out_add(&traced, SB_STR("/"));
	sb_out_number(&traced, (int)depth);
}

static const struct sb_document_ops tracer = {trace_open, trace_text,
					      trace_close};

static int read_xml(struct sb_str body)
{
	traced = (struct sb_out){trace, sizeof(trace), 0, false};
	return sb_document_read(guard(body), &tracer, NULL);
}

TEST(document_events)
{
	CHECK_INT(read_xml(SB_STR("<?xml version=\"1.0\" encoding=\"UTF-16\"?>"
				  "<r xmlns:n='u'><n:x n:a='1&amp;&#x42;&lt;'/>"
				  "t&gt;<![CDATA[<c>]]>\xc3\xbc</r>\r\n")),
		  0);
	CHECK_SB(((struct sb_str){trace, traced.len}),
		 "<r1><x21&B<>/2t><c>\xc3\xbc/1");
}

struct bad {
	const char *name;
	struct sb_str body;
	int want;
};

static const struct bad bad[] = {
    {"empty", {"", 0}, SB_EBADTEXT},
    {"space", {" ", 1}, SB_EBADTEXT},
    {"doctype", {"<!DOCTYPE r><r/>", 16}, SB_EBADTEXT},
    {"lower doctype", {"<!doctype r><r/>", 16}, SB_EBADTEXT},
    {"comment", {"<r><!-- --></r>", 15}, SB_EBADTEXT},
    {"comment before", {"<!-- --><r/>", 12}, SB_EBADTEXT},
    {"comment after", {"<r/><!-- -->", 12}, SB_EBADTEXT},
    {"instruction", {"<r><?x y?></r>", 14}, SB_EBADTEXT},
    {"entity", {"<r>&e;</r>", 10}, SB_EBADTEXT},
    {"entity in value", {"<r a='&e;'/>", 12}, SB_EBADTEXT},
    {"invalid utf-8", {"<r>\xff</r>", 8}, SB_EBADTEXT},
    {"overlong", {"<r>\xc0\xaf</r>", 9}, SB_EBADTEXT},
    {"U+FFFE", {"<r>\xef\xbf\xbe</r>", 10}, SB_EBADTEXT},
    {"NUL", {"<r>\0</r>", 8}, SB_EBADTEXT},
    {"NUL at the end", {"<r></r>\0", 8}, SB_EBADTEXT},
    {"character 1", {"<r>&#1;</r>", 11}, SB_EBADTEXT},
    {"surrogate", {"<r>&#xD800;</r>", 15}, SB_EBADTEXT},
    {"utf-16", {"\xff\xfe<\0r\0/\0>\0", 10}, SB_EBADTEXT},
    {"utf-16 no mark", {"<\0r\0/\0>\0", 8}, SB_EBADTEXT},
    {"two roots", {"<r/><r/>", 8}, SB_EBADTEXT},
    {"open", {"<r>", 3}, SB_EBADTEXT},
    {"crossed", {"<r><a></r></a>", 14}, SB_EBADTEXT},
    {"same attribute", {"<r a='1' a='2'/>", 16}, SB_EBADTEXT},
    {"no prefix", {"<n:r/>", 6}, 0}, /* an error of namespaces only */
};

TEST(document_refused)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		test_note(bad[i].name);
		CHECK_INT(read_xml(bad[i].body), bad[i].want);
	}
	test_note(NULL);
}

/* head, n times unit with %d counting, tail */
static struct sb_str repeated(const char *head, const char *unit, size_t n,
			      const char *tail)
{
	static char buf[SB_SIP_BODY_MAX * 2];
	struct sb_out o = {buf, sizeof(buf), 0, false};

	sb_out_add(&o, sb_str_of(head));
	for (size_t i = 0; i < n; i++) {
		const char *hash = strchr(unit, '#');

		if (!hash) {
			sb_out_add(&o, sb_str_of(unit));
			continue;
		}
		sb_out_add(&o, (struct sb_str){unit, (size_t)(hash - unit)});
		sb_out_number(&o, (int)i);
		sb_out_add(&o, sb_str_of(hash + 1));
	}
	sb_out_add(&o, sb_str_of(tail));
	CHECK(!o.full);
	return (struct sb_str){buf, o.len};
}

static int nested(size_t n)
{
	char tail[256];
	size_t used = 0;

	for (size_t i = 0; i < n; i++, used += 4)
		memcpy(tail + used, "</a>", 5);
	return read_xml(repeated("", "<a>", n, tail));
}

TEST(document_limits)
{
	CHECK_INT(nested(32), 0);
	CHECK_INT(nested(33), SB_ETOOBIG);
	CHECK_INT(read_xml(repeated("<r ", "a#='' ", 64, "/>")), 0);
	CHECK_INT(read_xml(repeated("<r ", "a#='' ", 65, "/>")), SB_ETOOBIG);
	CHECK_INT(read_xml(repeated("<r ", "a# = ' ' ", 64, "/>")), 0);
	CHECK_INT(read_xml(repeated("<r x='' ", "xmlns:a#='u' ", 64, "/>")),
		  SB_ETOOBIG);
	CHECK_INT(read_xml(repeated("<r>", "<a/>", 1999, "</r>")), 0);
	CHECK_INT(read_xml(repeated("<r>", "<a/>", 2000, "</r>")), SB_ETOOBIG);
	CHECK_INT(read_xml(repeated("<r>", "x", 65536 - 7, "</r>")), 0);
	CHECK_INT(read_xml(repeated("<r>", "x", 65536 - 6, "</r>")),
		  SB_ETOOBIG);
}

TEST(document_tag_of_many_words)
{
	CHECK(!sb_markup_ok(repeated("<r ", "a#='' ", 5000, "/>")));
	CHECK(!sb_markup_ok(repeated("<r ", "a# ", 5000, ">")));
	CHECK(!sb_markup_ok(repeated("<r a='>' ", "a#=\">\" ", 5000, ">")));
	CHECK(!sb_markup_ok(repeated("<r ", "a#=''", 5000, ">")));
	CHECK(sb_markup_ok(repeated("<r ", "a#='' ", 64, "/>")));
	CHECK(sb_markup_ok(repeated("<r a='", "a b= ", 5000, "'/>")));
	CHECK(sb_markup_ok(repeated("1 < 2 ", "a b= ", 5000, "")));
}

static void prefix(struct sb_str s)
{
	static const char whole[] = "</r>";
	bool ended = s.n >= 4 && memcmp(s.p + s.n - 4, whole, 4) == 0;

	traced = (struct sb_out){trace, sizeof(trace), 0, false};
	CHECK_INT(sb_document_read(s, &tracer, NULL), ended ? 0 : SB_EBADTEXT);
}

TEST(document_prefixes)
{
	guard_prefixes(SB_STR("<?xml version='1.0'?><r xmlns='u' a=\"&lt;\">"
			      "<n:x xmlns:n='v'>&#65;\xe2\x82\xac</n:x>"
			      "<![CDATA[]]]></r>"),
		       prefix);
}

/* --------------------------------------------------------------- typing -- */

#define KEYS	    "application/xml"
#define ISCOMPOSING "application/im-iscomposing+xml"

static int typing(const char *type, const char *body)
{
	enum sb_typing t = SB_TYPING_NONE;
	int rc = sb_typing_read(sb_str_of(type), guard(sb_str_of(body)), &t);

	CHECK((rc == 0) == (t != SB_TYPING_NONE));
	return rc < 0 ? rc : (int)t;
}

TEST(document_keyboard)
{
	CHECK_INT(typing(KEYS "; charset=utf-8",
			 "<?xml version=\"1.0\"?><KeyboardActivity>"
			 "<status status=\"type\"/></KeyboardActivity>"),
		  SB_TYPING_ACTIVE);
	CHECK_INT(typing("Application/XML", "<KeyboardActivity>\r\n<status "
					    "status='idle' />"
					    "</KeyboardActivity>"),
		  SB_TYPING_IDLE);
	CHECK_INT(typing(KEYS, "<KeyboardActivity><status status='x'/>"
			       "</KeyboardActivity>"),
		  SB_EINVAL);
	CHECK_INT(
	    typing(KEYS, "<KeyboardActivity><status/></KeyboardActivity>"),
	    SB_EINVAL);
	CHECK_INT(typing(KEYS, "<KeyboardActivity/>"), SB_EINVAL);
	CHECK_INT(typing(KEYS, "<other><status status='type'/></other>"),
		  SB_EINVAL);
	CHECK_INT(typing(KEYS,
			 "<KeyboardActivity><x><status status='type'/></x>"
			 "</KeyboardActivity>"),
		  SB_EINVAL);
	CHECK_INT(typing(KEYS, "<KeyboardActivity>"), SB_EBADTEXT);
	CHECK_INT(typing(KEYS, ""), SB_EBADTEXT);
	CHECK_INT(
	    typing("application/xml+conversationinfo", "<ConversationInfo/>"),
	    SB_EINVAL);
	CHECK_INT(typing("", "<KeyboardActivity><status status='type'/>"
			     "</KeyboardActivity>"),
		  SB_EINVAL);
}

TEST(document_iscomposing)
{
	CHECK_INT(typing(ISCOMPOSING, "<isComposing><state>active</state>"
				      "<state>idle</state></isComposing>"),
		  SB_TYPING_ACTIVE);
	CHECK_INT(typing(ISCOMPOSING, "<isComposing><state>idle</state>"
				      "</isComposing>"),
		  SB_TYPING_IDLE);
	CHECK_INT(typing(ISCOMPOSING, "<isComposing><state>pondering</state>"
				      "</isComposing>"),
		  SB_TYPING_IDLE);
	CHECK_INT(typing(ISCOMPOSING, "<isComposing><state/></isComposing>"),
		  SB_EINVAL);
	CHECK_INT(typing(ISCOMPOSING, "<isComposing><refresh>60</refresh>"
				      "</isComposing>"),
		  SB_EINVAL);
	CHECK_INT(typing(ISCOMPOSING,
			 "<KeyboardActivity><status status='type'/>"
			 "</KeyboardActivity>"),
		  SB_EINVAL);
	CHECK_INT(sb_typing_read(SB_STR(ISCOMPOSING),
				 repeated("<isComposing><state>", "a", 65,
					  "</state></isComposing>"),
				 &(enum sb_typing){SB_TYPING_NONE}),
		  SB_EINVAL);
}

TEST(document_typing_write)
{
	char buf[128];
	int n = sb_typing_write(buf, sizeof(buf), SB_TYPING_ACTIVE);

	REQUIRE(n > 0);
	CHECK_SB(((struct sb_str){buf, (size_t)n}),
		 "<?xml version=\"1.0\"?><KeyboardActivity><status "
		 "status=\"type\"/></KeyboardActivity>");
	for (int t = SB_TYPING_NONE; t <= SB_TYPING_IDLE; t++) {
		enum sb_typing back = SB_TYPING_NONE;

		n = sb_typing_write(buf, sizeof(buf), (enum sb_typing)t);
		REQUIRE(n > 0);
		CHECK_INT(sb_typing_read(SB_STR(SB_TYPING_TYPE),
					 (struct sb_str){buf, (size_t)n},
					 &back),
			  0);
		CHECK_INT(back, t == SB_TYPING_ACTIVE ? t : SB_TYPING_IDLE);
	}
	CHECK_INT(sb_typing_write(buf, (size_t)n - 1, SB_TYPING_IDLE),
		  SB_ETOOBIG);
}

/* ----------------------------------------------------------------- imdn -- */

static void imdn_case(const struct test_case *c)
{
	static struct sb_imdn m;
	char got[512];
	int rc = sb_imdn_read(guard(c->body), &m);

	if (rc < 0)
		snprintf(got, sizeof(got), "%s", sb_err_name(rc));
	else
		snprintf(got, sizeof(got), "%.*s %.*s %d", SB_FMT(m.message_id),
			 SB_FMT(m.recipient), m.status);
	CHECK_INT(rc < 0, c->error);
	CHECK_SBSB(sb_str_of(got), c->want);
}

TEST(document_imdn_cases)
{
	CHECK(cases_run("imdn", imdn_case) >= 14);
}

TEST(document_imdn_round_trip)
{
	struct sb_str id = SB_STR("a<b>&\"c' 1"), uri = SB_STR("sip:a&b@c.d");
	struct sb_imdn m;
	char buf[512];
	int n = sb_imdn_write(buf, sizeof(buf), id, uri, 488);

	REQUIRE(n > 0);
	REQUIRE(sb_imdn_read((struct sb_str){buf, (size_t)n}, &m) == 0);
	CHECK_SBSB(m.message_id, id);
	CHECK_SBSB(m.recipient, uri);
	CHECK_INT(m.status, 488);
	for (size_t i = 0; i < (size_t)n; i++)
		CHECK_INT(sb_imdn_write(guard_room(i), i, id, uri, 488),
			  SB_ETOOBIG);
}

TEST(document_imdn_write)
{
	char buf[256];
	int n = sb_imdn_write(buf, sizeof(buf), SB_STR("2"),
			      SB_STR("sip:lena@corp.example"), 408);

	REQUIRE(n > 0);
	CHECK_SB(((struct sb_str){buf, (size_t)n}),
		 "<imdn xmlns=\"urn:ietf:params:xml:ns:imdn\"><message-id>2"
		 "</message-id><recipient uri=\"sip:lena@corp.example\">"
		 "<status>408</status></recipient></imdn>");
	CHECK_INT(sb_imdn_write(buf, sizeof(buf), SB_NOSTR, SB_NOSTR, 200),
		  SB_EINVAL);
	CHECK_INT(sb_imdn_write(buf, sizeof(buf), SB_STR("1"), SB_NOSTR, 99),
		  SB_EINVAL);
	CHECK_INT(sb_imdn_write(buf, sizeof(buf), SB_STR("1"), SB_NOSTR, 700),
		  SB_EINVAL);
	CHECK_INT(sb_imdn_write(buf, sizeof(buf), SB_STR("1\n"), SB_NOSTR, 200),
		  SB_EBADTEXT);
	CHECK_INT(
	    sb_imdn_write(buf, sizeof(buf), SB_STR("\xff"), SB_NOSTR, 200),
	    SB_EBADTEXT);
}

static void imdn_prefix(struct sb_str s)
{
	static struct sb_imdn m;

	CHECK_INT(sb_imdn_read(s, &m),
		  s.n > 7 && memcmp(s.p + s.n - 7, "</imdn>", 7) == 0
		      ? 0
		      : SB_EBADTEXT);
}

TEST(document_imdn_prefixes)
{
	guard_prefixes(
	    SB_STR("<imdn><message-id>2</message-id><recipient uri='"
		   "sip:a@b'><status>408</status></recipient></imdn>"),
	    imdn_prefix);
}
