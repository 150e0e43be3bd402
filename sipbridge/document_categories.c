/*
 * document_categories.c: application/msrtc-event-categories+xml, what Lync's
 * own clients speak; see presence.h. Of all categories state, note and
 * contactCard are read.
 * SPDX-License-Identifier: MIT
 *
 * Source: lync-sip.md 3.4.3, 3.5.
 */
#include <limits.h>

#include "field.h"
#include "presence_priv.h"

enum { REMOVED = 1, PARTIAL, AGGREGATE }; /* the higher rank wins */

/* The number says the state; the activity's token refines it in its range. */
static enum sb_presence state_of(int availability, enum sb_presence token)
{
	static const struct {
		int below;
		enum sb_presence presence;
	} ranges[] = {
	    {3000, SB_PR_OFFLINE}, /* nothing known */
	    {4500, SB_PR_AVAILABLE}, {6000, SB_PR_IDLE}, {7500, SB_PR_BUSY},
	    {9000, SB_PR_BUSY_IDLE}, {12000, SB_PR_DND}, {15000, SB_PR_BRB},
	    {18000, SB_PR_AWAY},
	};
	enum sb_presence p = SB_PR_OFFLINE;

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (availability < ranges[i].below) {
			p = ranges[i].presence;
			break;
		}
	if (token == SB_PR_DND && (p == SB_PR_BUSY || p == SB_PR_BUSY_IDLE))
		return SB_PR_DND;
	if (token == SB_PR_OFF_WORK && p == SB_PR_AWAY)
		return SB_PR_OFF_WORK;
	return p;
}

static enum sb_presence token_of(struct sb_str token)
{
	if (sb_str_caseeq(token, SB_STR("out-of-office")) ||
	    sb_str_caseeq(token, SB_STR("off-work")))
		return SB_PR_OFF_WORK;
	if (sb_str_caseeq(token, SB_STR("urgent-interruptions-only")))
		return SB_PR_DND;
	return SB_PR_UNKNOWN;
}

/* ----------------------------------------------------------------- time -- */

static bool digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Only "2024-05-02T09:30:00.000Z", with or without fraction and Z, has an
 * order that bytes tell. */
static struct sb_moment moment(struct sb_str s)
{
	static const char shape[] = "0000-00-00T00:00:00";
	struct sb_moment m = {{0}, 0};
	size_t i = 0;

	s = sb_trim(s);
	if (s.n > 0 && s.p[s.n - 1] == 'Z')
		s.n--;
	if (s.n < sizeof(shape) - 1 || s.n > SB_MOMENT_MAX)
		return m;
	for (; i < sizeof(shape) - 1; i++)
		if (shape[i] == '0' ? !digit(s.p[i]) : s.p[i] != shape[i])
			return m;
	if (i < s.n && s.p[i++] != '.')
		return m;
	for (; i < s.n; i++)
		if (!digit(s.p[i]))
			return m;
	memcpy(m.p, s.p, s.n);
	m.n = s.n;
	return m;
}

static bool before(const struct sb_moment *a, const struct sb_moment *b)
{
	size_t n = a->n < b->n ? a->n : b->n;
	int order = memcmp(a->p, b->p, n);

	return order < 0 || (order == 0 && a->n < b->n);
}

/* -------------------------------------------------------------- reading -- */

static enum sb_category kind_of(struct sb_str name)
{
	if (sb_str_eq(name, SB_STR("state")))
		return SB_CAT_STATE;
	if (sb_str_eq(name, SB_STR("note")))
		return SB_CAT_NOTE;
	if (sb_str_eq(name, SB_STR("contactCard")))
		return SB_CAT_CARD;
	return SB_CAT_OTHER;
}

static void category_open(struct sb_categories *c, const struct sb_element *e)
{
	c->kind = SB_CAT_OTHER;
	if (sb_named(e, SB_STR("category")))
		c->kind = kind_of(sb_element_attr(e, SB_STR("name")));
	c->content = c->known = c->aggregate = false;
	c->availability = -1;
	c->token = SB_PR_UNKNOWN;
	c->time = moment(sb_element_attr(e, SB_STR("publishTime")));
	c->body = (struct sb_gather){c->body_buf, SB_NOTE_MAX, 0, false};
}

static void content_open(struct sb_categories *c, const struct sb_element *e)
{
	struct sb_str type;
	const char *colon;

	c->content = true;
	c->known = c->kind != SB_CAT_OTHER && kind_of(e->name) == c->kind;
	if (!c->known || c->kind != SB_CAT_STATE)
		return;
	type = sb_trim(sb_element_attr(e, SB_STR("type")));
	colon = type.n ? memchr(type.p, ':', type.n) : NULL;
	if (colon) {
		type.n -= (size_t)(colon + 1 - type.p);
		type.p = colon + 1;
	}
	c->aggregate = sb_str_eq(type, SB_STR("aggregateState"));
}

static void item_open(struct sb_presence_reader *r, const struct sb_element *e)
{
	struct sb_categories *c = &r->as.categories;

	if (c->kind == SB_CAT_STATE && e->depth == 4) {
		if (sb_named(e, SB_STR("availability")))
			sb_gather_from(r, &r->word, e);
		if (sb_named(e, SB_STR("activity")) &&
		    c->token == SB_PR_UNKNOWN)
			c->token = token_of(
			    sb_trim(sb_element_attr(e, SB_STR("token"))));
	}
	if (c->kind == SB_CAT_NOTE && e->depth == 4 && c->body.len == 0 &&
	    sb_named(e, SB_STR("body")))
		sb_gather_from(r, &c->body, e);
	if (c->kind == SB_CAT_CARD && r->name.len == 0 &&
	    sb_named(e, SB_STR("displayName")))
		sb_gather_from(r, &r->name, e);
}

static void categories_open(void *arg, const struct sb_element *e)
{
	struct sb_presence_reader *r = arg;
	struct sb_categories *c = &r->as.categories;

	if (e->depth == 1)
		r->root_ok = sb_named(e, SB_STR("categories"));
	else if (e->depth == 2)
		category_open(c, e);
	else if (e->depth == 3)
		content_open(c, e);
	else if (c->known)
		item_open(r, e);
}

/* A category with nothing in it: the state is no longer published. */
static void state_end(struct sb_presence_reader *r)
{
	struct sb_categories *c = &r->as.categories;
	int rank = !c->content ? REMOVED : c->aggregate ? AGGREGATE : PARTIAL;

	if (c->content && c->availability < 0)
		return;
	if (rank < c->rank ||
	    (rank == c->rank && before(&c->time, &c->state_time)))
		return;
	c->rank = rank;
	c->state_time = c->time;
	r->presence =
	    c->content ? state_of(c->availability, c->token) : SB_PR_OFFLINE;
}

/* The newest note counts, also when it is none: then a note was removed. */
static void note_end(struct sb_presence_reader *r)
{
	struct sb_categories *c = &r->as.categories;

	if (r->has_note && before(&c->time, &c->note_time))
		return;
	r->has_note = true;
	c->note_time = c->time;
	r->note.len = 0;
	sb_gather_add(&r->note, (struct sb_str){c->body.p, c->body.len});
}

static void categories_close(void *arg, unsigned depth, struct sb_str name)
{
	struct sb_presence_reader *r = arg;
	struct sb_categories *c = &r->as.categories;

	(void)name;
	if (sb_gather_end(r, depth) == &r->word && c->availability < 0)
		c->availability = sb_number(sb_gather_word(&r->word), INT_MAX);
	if (depth != 2)
		return;
	if (c->kind == SB_CAT_STATE)
		state_end(r);
	if (c->kind == SB_CAT_NOTE)
		note_end(r);
}

const struct sb_document_ops sb_categories_ops = {
    categories_open, sb_presence_on_text, categories_close};
