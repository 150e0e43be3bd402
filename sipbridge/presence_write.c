/*
 * presence_write.c: our contacts' presence as documents for Lync, and what we
 * ask for; see presence.h.
 * SPDX-License-Identifier: MIT
 *
 * Source: lync-sip.md 3.2-3.5.
 */
#include <time.h>

#include "content.h"
#include "field.h"
#include "presence_priv.h"

/* ----------------------------------------------------------------- text -- */

struct sb_str sb_presence_tidy(char *buf, size_t n, bool one_line)
{
	size_t out = 0;

	while (n > 0 && !sb_utf8_valid((struct sb_str){buf, n}))
		n--;
	n = sb_text_clean(buf, n);
	for (size_t i = 0; i < n; i++) {
		if (buf[i] == 0x7f)
			continue;
		buf[out++] = one_line && (buf[i] == '\n' || buf[i] == '\t')
				 ? ' '
				 : buf[i];
	}
	return sb_trim((struct sb_str){buf, out});
}

/* Text of ours into buf of n bytes, as the reader would give it back. */
static int text_of(struct sb_str *text, char *buf, size_t n, struct sb_str s,
		   bool one_line)
{
	if (!sb_utf8_valid(s))
		return SB_EBADTEXT;
	s = sb_trim(s);
	if (s.n > n)
		s.n = n;
	if (s.n > 0)
		memcpy(buf, s.p, s.n);
	*text = sb_presence_tidy(buf, s.n, one_line);
	return 0;
}

/* A URI cannot be repaired: no controls, nothing that XML forbids. */
static int uri_check(struct sb_str uri)
{
	char copy[SB_URI_MAX];

	if (uri.n == 0)
		return SB_EINVAL;
	if (uri.n > SB_URI_MAX)
		return SB_ETOOBIG;
	for (size_t i = 0; i < uri.n; i++)
		if ((unsigned char)uri.p[i] <= 0x20 || uri.p[i] == 0x7f)
			return SB_EBADTEXT;
	memcpy(copy, uri.p, uri.n);
	return sb_utf8_valid(uri) && sb_text_clean(copy, uri.n) == uri.n
		   ? 0
		   : SB_EBADTEXT;
}

static void add(struct sb_out *o, const char *markup)
{
	sb_out_add(o, sb_str_of(markup));
}

/* -------------------------------------------------------------- writing -- */

/* How each state is told. */
static const struct way {
	int availability;	/* categories */
	int activity;		/* msrtc.pidf; 0: offline */
	const char *basic;	/* PIDF */
	const char *word;	/* PIDF's activity, or "" */
	const char *refinement; /* categories' <activity/>, or "" */
} ways[] = {
    [SB_PR_UNKNOWN] = {18500, 0, "closed", "", ""},
    [SB_PR_OFFLINE] = {18500, 0, "closed", "", ""},
    [SB_PR_AVAILABLE] = {3500, 400, "open", "", ""},
    [SB_PR_IDLE] = {5000, 200, "open", "away", ""},
    [SB_PR_BUSY] = {6500, 600, "open", "busy", ""},
    [SB_PR_BUSY_IDLE] = {7500, 600, "open", "busy", ""},
    [SB_PR_DND] = {9500, 600, "open", "busy",
		   "<activity token=\"urgent-interruptions-only\" "
		   "minAvailability=\"9000\" maxAvailability=\"11999\"/>"},
    [SB_PR_BRB] = {12500, 300, "open", "away", ""},
    [SB_PR_AWAY] = {15500, 100, "open", "away", ""},
    [SB_PR_OFF_WORK] = {15500, 100, "open", "away",
			"<activity token=\"off-work\" "
			"minAvailability=\"15000\" "
			"maxAvailability=\"17999\"/>"},
};

/* What a document is made of: checked, tidy. */
struct draft {
	const struct way *way;
	struct sb_str uri, note, display;
	char time[SB_MOMENT_MAX]; /* attribute's value, or "" */
	char note_buf[SB_NOTE_MAX], display_buf[SB_NAME_MAX];
};

static void write_pidf(struct sb_out *o, const struct draft *d)
{
	add(o, "<?xml version=\"1.0\" encoding=\"utf-8\"?>"
	       "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" "
	       "xmlns:ep=\"urn:ietf:params:xml:ns:pidf:status:rpid-status\" "
	       "xmlns:et=\"urn:ietf:params:xml:ns:pidf:rpid-tuple\" "
	       "xmlns:ci=\"urn:ietf:params:xml:ns:pidf:cipid\" entity=\"");
	sb_out_xml(o, d->uri);
	add(o, "\"><tuple id=\"0\"><status><basic>");
	add(o, d->way->basic);
	add(o, "</basic>");
	if (d->way->word[0]) {
		add(o, "<ep:activities><ep:activity>");
		add(o, d->way->word);
		add(o, "</ep:activity></ep:activities>");
	}
	add(o, "</status></tuple>");
	if (d->display.n > 0) {
		add(o, "<ci:display-name>");
		sb_out_xml(o, d->display);
		add(o, "</ci:display-name>");
	}
	add(o, "</presence>");
}

static void write_msrtc(struct sb_out *o, const struct draft *d)
{
	struct sb_str uri = d->uri;

	if (uri.n > 4 &&
	    sb_str_caseeq((struct sb_str){uri.p, 4}, SB_STR("sip:"))) {
		uri.p += 4;
		uri.n -= 4;
	}
	add(o, "<presentity uri=\"");
	sb_out_xml(o, uri);
	add(o, "\" xmlns=\"http://schemas.microsoft.com/2002/09/sip/presence\">"
	       "<availability aggregate=\"");
	sb_out_number(o, d->way->activity > 0 ? 300 : 0);
	add(o, "\" description=\"\"/><activity aggregate=\"");
	sb_out_number(o, d->way->activity);
	add(o, "\" description=\"\"/>");
	if (d->display.n > 0) {
		add(o, "<displayName displayName=\"");
		sb_out_xml(o, d->display);
		add(o, "\"/>");
	}
	add(o, "<userInfo/></presentity>");
}

static void category(struct sb_out *o, const struct draft *d, const char *head,
		     const char *tail)
{
	add(o, "<category name=");
	add(o, head);
	if (d->time[0]) {
		add(o, " publishTime=\"");
		add(o, d->time);
		add(o, "\"");
	}
	add(o, tail);
}

static void write_state(struct sb_out *o, const struct draft *d)
{
	category(o, d, "\"state\" instance=\"1\"",
		 " container=\"100\" version=\"1\" expireType=\"user\">"
		 "<state xmlns=\"http://schemas.microsoft.com/2006/09/sip/"
		 "state\" xmlns:xsi=\"http://www.w3.org/2001/"
		 "XMLSchema-instance\" xsi:type=\"aggregateState\">"
		 "<availability>");
	sb_out_number(o, d->way->availability);
	add(o, "</availability>");
	add(o, d->way->refinement);
	add(o, "<endpointLocation/></state></category>");
}

/* Also an empty one: without it a watcher goes on showing the last. */
static void write_note(struct sb_out *o, const struct draft *d)
{
	category(o, d, "\"note\" instance=\"0\"",
		 " container=\"100\" version=\"1\" expireType=\"static\">"
		 "<note xmlns=\"http://schemas.microsoft.com/2006/09/sip/"
		 "note\">");
	if (d->note.n > 0) {
		add(o, "<body type=\"personal\" uri=\"\">");
		sb_out_xml(o, d->note);
		add(o, "</body>");
	}
	add(o, "</note></category>");
}

static void write_card(struct sb_out *o, const struct draft *d)
{
	category(o, d, "\"contactCard\" instance=\"0\"",
		 " container=\"0\" version=\"1\" expireType=\"static\">"
		 "<contactCard xmlns=\"http://schemas.microsoft.com/2006/09/"
		 "sip/contactcard\"><identity><name><displayName>");
	sb_out_xml(o, d->display);
	add(o, "</displayName></name></identity></contactCard></category>");
}

static void write_services(struct sb_out *o, const struct draft *d)
{
	category(o, d, "\"services\" instance=\"0\"",
		 " container=\"100\" version=\"1\" expireType=\"user\">"
		 "<services xmlns=\"http://schemas.microsoft.com/2006/09/sip/"
		 "service\"><service uri=\"");
	sb_out_xml(o, d->uri);
	add(o, "\"><capabilities><text render=\"true\" capture=\"true\" "
	       "deviceAvailability=\"");
	sb_out_number(o, d->way->availability);
	add(o, "\"/><gifInk render=\"false\" capture=\"false\"/>"
	       "<isfInk render=\"false\" capture=\"false\"/>"
	       "<applicationSharing render=\"false\" capture=\"false\"/>"
	       "<voice render=\"false\" capture=\"false\"/>"
	       "<video render=\"false\" capture=\"false\"/>"
	       "<contentPowerPoint render=\"false\" capture=\"false\"/>"
	       "</capabilities></service></services></category>");
}

static void write_categories(struct sb_out *o, const struct draft *d)
{
	add(o, "<categories xmlns=\"http://schemas.microsoft.com/2006/09/sip/"
	       "categories\" uri=\"");
	sb_out_xml(o, d->uri);
	add(o, "\">");
	write_state(o, d);
	write_note(o, d);
	if (d->display.n > 0)
		write_card(o, d);
	write_services(o, d);
	add(o, "</categories>");
}

/* A time that has no four-digit year is left out. */
static void time_of(char *buf, size_t n, uint64_t seconds)
{
	static const uint64_t end = 253402300800; /* year 10000 */
	time_t t = (time_t)seconds;
	struct tm tm;

	if (seconds == 0 || seconds >= end || !gmtime_r(&t, &tm) ||
	    strftime(buf, n, "%Y-%m-%dT%H:%M:%S.000Z", &tm) == 0)
		buf[0] = '\0';
}

int sb_presence_write(char *buf, size_t n, enum sb_presence_format f,
		      const struct sb_presence_self *self)
{
	struct sb_out o = {buf, n, 0, false};
	struct draft d;
	int rc;

	if ((unsigned)self->presence >= sizeof(ways) / sizeof(ways[0]))
		return SB_EINVAL;
	d.way = &ways[self->presence];
	d.uri = self->uri;
	rc = uri_check(self->uri);
	if (rc == 0)
		rc = text_of(&d.note, d.note_buf, SB_NOTE_MAX, self->note,
			     false);
	if (rc == 0)
		rc = text_of(&d.display, d.display_buf, SB_NAME_MAX,
			     self->display, true);
	if (rc < 0)
		return rc;
	time_of(d.time, sizeof(d.time), self->time);
	switch (f) {
	case SB_PF_PIDF:
		write_pidf(&o, &d);
		break;
	case SB_PF_MSRTC:
		write_msrtc(&o, &d);
		break;
	case SB_PF_CATEGORIES:
		write_categories(&o, &d);
		break;
	case SB_PF_NONE:
	default:
		return SB_EINVAL;
	}
	return sb_out_end(&o);
}

/* --------------------------------------------------------------- asking -- */

int sb_presence_ask(char *buf, size_t n, struct sb_str contact,
		    struct sb_str user)
{
	struct sb_out o = {buf, n, 0, false};
	int rc = uri_check(contact);

	if (rc == 0)
		rc = uri_check(user);
	if (rc < 0)
		return rc;
	add(&o, "<batchSub xmlns=\"http://schemas.microsoft.com/2006/01/sip/"
		"batch-subscribe\" uri=\"");
	sb_out_xml(&o, contact);
	add(&o, "\" name=\"\"><action name=\"subscribe\" id=\"1\"><adhocList>"
		"<resource uri=\"");
	sb_out_xml(&o, user);
	/* <context/>: only then is the user told who has added her */
	add(&o, "\"><context/></resource></adhocList><categoryList "
		"xmlns=\"http://schemas.microsoft.com/2006/09/sip/"
		"categorylist\"><category name=\"contactCard\"/>"
		"<category name=\"note\"/><category name=\"state\"/>"
		"</categoryList></action></batchSub>");
	return sb_out_end(&o);
}
