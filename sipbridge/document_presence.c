/*
 * document_presence.c: presence documents of Lync become a state, a note and a
 * name; see presence.h. The formats are in document_pidf.c, document_msrtc.c
 * and document_categories.c.
 * SPDX-License-Identifier: MIT
 *
 * Source: lync-sip.md 3.2, 3.4.
 */
#include "content.h"
#include "field.h"
#include "presence_priv.h"

/* ------------------------------------------------------------ gathering -- */

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

void sb_gather_add(struct sb_gather *g, struct sb_str s)
{
	size_t room = g->n - g->len;

	while (g->len == 0 && s.n > 0 && blank(s.p[0])) {
		s.p++;
		s.n--;
	}
	if (s.n > room) {
		s.n = room;
		g->full = true;
	}
	if (s.n > 0)
		memcpy(g->p + g->len, s.p, s.n);
	g->len += s.n;
}

struct sb_str sb_gather_word(const struct sb_gather *g)
{
	return g->full ? SB_NOSTR : sb_trim((struct sb_str){g->p, g->len});
}

void sb_gather_from(struct sb_presence_reader *r, struct sb_gather *g,
		    const struct sb_element *e)
{
	if (r->now)
		return;
	if (g == &r->word) {
		g->len = 0;
		g->full = false;
	}
	r->now = g;
	r->depth = e->depth;
}

struct sb_gather *sb_gather_end(struct sb_presence_reader *r, unsigned depth)
{
	struct sb_gather *g = r->now;

	if (!g || depth != r->depth)
		return NULL;
	r->now = NULL;
	return g;
}

void sb_presence_on_text(void *arg, unsigned depth, struct sb_str piece)
{
	struct sb_presence_reader *r = arg;

	if (r->now && depth == r->depth)
		sb_gather_add(r->now, piece);
}

/* -------------------------------------------------------------- reading -- */

static const struct sb_document_ops *ops_of(struct sb_str type)
{
	static const struct {
		enum sb_presence_format format;
		const struct sb_document_ops *ops;
	} known[] = {
	    {SB_PF_PIDF, &sb_pidf_ops},
	    {SB_PF_MSRTC, &sb_msrtc_ops},
	    {SB_PF_CATEGORIES, &sb_categories_ops},
	};
	struct sb_str media, params;

	sb_media_split(type, &media, &params);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (sb_str_caseeq(media,
				  sb_str_of(sb_presence_type(known[i].format))))
			return known[i].ops;
	return NULL;
}

int sb_presence_read(struct sb_presence_doc *out, struct sb_str type,
		     struct sb_str body)
{
	struct sb_presence_reader r;
	const struct sb_document_ops *ops;
	int rc;

	memset(&r, 0, sizeof(r));
	r.note = (struct sb_gather){out->buf, SB_NOTE_MAX, 0, false};
	r.name =
	    (struct sb_gather){out->buf + SB_NOTE_MAX, SB_NAME_MAX, 0, false};
	r.word = (struct sb_gather){r.word_buf, SB_WORD_MAX, 0, false};
	body = sb_trim(body);
	if (body.n > 0) {
		ops = ops_of(type);
		if (!ops)
			return SB_EINVAL;
		rc = sb_document_read(body, ops, &r);
		if (rc < 0)
			return rc;
		if (!r.root_ok)
			return SB_EBADTEXT;
	}
	out->presence = r.presence;
	out->has_note = r.has_note;
	out->note = sb_presence_tidy(r.note.p, r.note.len, false);
	out->display = sb_presence_tidy(r.name.p, r.name.len, true);
	return 0;
}

/* ---------------------------------------------------------- just added -- */

struct batch {
	bool root_ok;
	unsigned resource; /* depth of the one that is open */
	bool added;
};

static void batch_open(void *arg, const struct sb_element *e)
{
	struct batch *b = arg;

	if (e->depth == 1)
		b->root_ok = sb_named(e, SB_STR("batchSub"));
	if (b->resource > 0) {
		if (e->depth == b->resource + 1 &&
		    sb_named(e, SB_STR("context")))
			b->added = true;
		return;
	}
	if (sb_named(e, SB_STR("resource")))
		b->resource = e->depth;
}

static void batch_close(void *arg, unsigned depth, struct sb_str name)
{
	struct batch *b = arg;

	(void)name;
	if (depth == b->resource)
		b->resource = 0;
}

bool sb_presence_added(struct sb_str type, struct sb_str body)
{
	static const struct sb_document_ops ops = {batch_open, NULL,
						   batch_close};
	struct batch b = {false, 0, false};
	struct sb_str media, params;

	sb_media_split(type, &media, &params);
	if (!sb_str_caseeq(media, SB_STR(SB_PRESENCE_ASK_TYPE)) ||
	    sb_document_read(sb_trim(body), &ops, &b) < 0)
		return false;
	return b.root_ok && b.added;
}
