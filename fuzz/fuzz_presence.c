/*
 * fuzz_presence.c: presence documents of any type, and what is written of
 * them.
 * SPDX-License-Identifier: MIT
 *
 * Input: Content-Type, LF, body.
 */
#include <stdint.h>
#include <stdlib.h>

#include "../sipbridge/content.h"
#include "../sipbridge/presence.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void need(bool ok)
{
	if (!ok)
		abort();
}

static void line_ok(struct sb_str s, size_t max, bool one_line)
{
	need(s.n <= max && sb_utf8_valid(s));
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		need(c != 0x7f &&
		     (c >= ' ' || (!one_line && (c == '\n' || c == '\t'))));
	}
}

static void doc_ok(const struct sb_presence_doc *d)
{
	need((unsigned)d->presence <= SB_PR_OFF_WORK);
	need(d->has_note || d->note.n == 0);
	line_ok(d->note, SB_NOTE_MAX, false);
	line_ok(d->display, SB_NAME_MAX, true);
}

/* What was written is read as what was meant. */
static void round_trip(enum sb_presence_format f,
		       const struct sb_presence_self *self, bool exact)
{
	static char buf[SB_PRESENCE_MAX];
	static struct sb_presence_doc back;
	int rc = sb_presence_write(buf, sizeof(buf), f, self);

	if (rc < 0) {
		need(!exact && rc == SB_EBADTEXT); /* it always fits */
		return;
	}
	need(sb_presence_read(&back, sb_str_of(sb_presence_type(f)),
			      (struct sb_str){buf, (size_t)rc}) == 0);
	doc_ok(&back);
	need(back.presence != SB_PR_UNKNOWN);
	if (!exact)
		return;
	need(sb_str_eq(back.display, self->display));
	if (f != SB_PF_CATEGORIES)
		return;
	need(sb_str_eq(back.note, self->note));
	need(back.presence == self->presence ||
	     self->presence == SB_PR_UNKNOWN);
}

static void written_of(struct sb_str type, struct sb_str body)
{
	struct sb_presence_self raw = {SB_STR("sip:ada@fabrikam.com"),
				       SB_PR_BUSY, body, type, body.n};

	for (int f = SB_PF_PIDF; f <= SB_PF_CATEGORIES; f++)
		round_trip((enum sb_presence_format)f, &raw, false);
}

static void ask(struct sb_str contact, struct sb_str user)
{
	static char buf[SB_PRESENCE_MAX];
	int rc = sb_presence_ask(buf, sizeof(buf), contact, user);

	need(rc > 0 || contact.n + user.n > SB_URI_MAX || rc != SB_ETOOBIG);
	if (rc > 0)
		need(sb_presence_added(SB_STR(SB_PRESENCE_ASK_TYPE),
				       (struct sb_str){buf, (size_t)rc}));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct sb_presence_doc d;
	struct sb_str all = {(const char *)data, n}, type = all, body;
	struct sb_presence_self self;
	const char *lf = n ? memchr(all.p, '\n', n) : NULL;

	if (lf)
		type.n = (size_t)(lf - all.p);
	body = (struct sb_str){lf ? lf + 1 : NULL, lf ? n - type.n - 1 : 0};
	(void)sb_presence_choose(all, true);
	(void)sb_presence_added(type, body);
	if (sb_presence_read(&d, type, body) == 0) {
		doc_ok(&d);
		self = (struct sb_presence_self){SB_STR("sip:a@b.c"),
						 d.presence, d.note, d.display,
						 n};
		for (int f = SB_PF_PIDF; f <= SB_PF_CATEGORIES; f++)
			round_trip((enum sb_presence_format)f, &self, true);
		return 0;
	}
	written_of(type, body);
	ask(type, body);
	return 0;
}
