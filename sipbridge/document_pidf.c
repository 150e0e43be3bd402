/*
 * document_pidf.c: PIDF as Lync writes it: basic, the activity of the draft
 * before RFC 4480 inside <status>, display-name of CIPID; see presence.h.
 * Notes and RFC 4480's <person> are ignored, as Lync itself does.
 * SPDX-License-Identifier: MIT
 *
 * Source: lync-sip.md 3.4.1, 3.5; RFC 3863.
 */
#include "presence_priv.h"

/* What an open tuple's activity makes of it; a word that is not known leaves
 * it available. */
static enum sb_presence word_state(struct sb_str word)
{
	static const struct {
		const char *word;
		enum sb_presence presence;
	} known[] = {
	    {"away", SB_PR_AWAY},	  {"out-to-lunch", SB_PR_AWAY},
	    {"be-right-back", SB_PR_BRB}, {"permanent-absence", SB_PR_AWAY},
	    {"busy", SB_PR_BUSY},	  {"on-the-phone", SB_PR_BUSY},
	    {"meeting", SB_PR_BUSY},	  {"appointment", SB_PR_BUSY},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (sb_str_caseeq(word, sb_str_of(known[i].word)))
			return known[i].presence;
	return SB_PR_UNKNOWN;
}

static void pidf_open(void *arg, const struct sb_element *e)
{
	struct sb_presence_reader *r = arg;
	struct sb_pidf *p = &r->as.pidf;

	switch (e->depth) {
	case 1:
		r->root_ok = sb_named(e, SB_STR("presence"));
		break;
	case 2:
		*p = (struct sb_pidf){.tuple = sb_named(e, SB_STR("tuple"))};
		break;
	case 3:
		p->status = p->tuple && sb_named(e, SB_STR("status"));
		break;
	case 4:
		p->activities = p->status && sb_named(e, SB_STR("activities"));
		if (p->status && sb_named(e, SB_STR("basic")))
			sb_gather_from(r, &r->word, e);
		break;
	case 5:
		if (p->activities && sb_named(e, SB_STR("activity")))
			sb_gather_from(r, &r->word, e);
		break;
	default:
		break;
	}
	if (sb_named(e, SB_STR("display-name")) && r->name.len == 0 &&
	    (e->depth == 2 || (e->depth == 3 && p->tuple)))
		sb_gather_from(r, &r->name, e);
}

static void pidf_word(struct sb_pidf *p, unsigned depth, struct sb_str word)
{
	if (depth == 5) {
		if (p->activity == SB_PR_UNKNOWN)
			p->activity = word_state(word);
		return;
	}
	if (sb_str_caseeq(word, SB_STR("open")))
		p->open = true;
	if (sb_str_caseeq(word, SB_STR("closed")))
		p->closed = true;
}

/* Who says both is shown as what tells less. */
static enum sb_presence tuple_state(const struct sb_pidf *p)
{
	if (p->closed)
		return SB_PR_OFFLINE;
	if (!p->open)
		return SB_PR_UNKNOWN;
	return p->activity != SB_PR_UNKNOWN ? p->activity : SB_PR_AVAILABLE;
}

/* enum sb_presence goes down from AVAILABLE to OFF_WORK. */
static enum sb_presence most_available(enum sb_presence a, enum sb_presence b)
{
	if (a <= SB_PR_OFFLINE || b <= SB_PR_OFFLINE)
		return a > b ? a : b;
	return a < b ? a : b;
}

static void pidf_close(void *arg, unsigned depth, struct sb_str name)
{
	struct sb_presence_reader *r = arg;
	struct sb_pidf *p = &r->as.pidf;

	(void)name;
	if (sb_gather_end(r, depth) == &r->word)
		pidf_word(p, depth, sb_gather_word(&r->word));
	if (depth != 2 || !p->tuple)
		return;
	r->presence = most_available(r->presence, tuple_state(p));
	p->tuple = false;
}

const struct sb_document_ops sb_pidf_ops = {pidf_open, sb_presence_on_text,
					    pidf_close};
