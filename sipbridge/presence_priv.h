/*
 * presence_priv.h: what the files that read and write presence documents
 * share; nobody else's business.
 * SPDX-License-Identifier: MIT
 *
 * Shape: one reader for each document; a format's two functions (open, close)
 *        say where text goes and what it meant.
 */
#ifndef SB_PRESENCE_PRIV_H
#define SB_PRESENCE_PRIV_H

#include "document.h"
#include "presence.h"

#define SB_WORD_MAX   64 /* bytes of a text that is a word or a number */
#define SB_MOMENT_MAX 32 /* bytes of a publishTime */

/*
 * In place: valid UTF-8, cut maybe within its last character, becomes whole
 * characters without controls, without what XML forbids and without white
 * space around it. one_line: no LF and TAB either. (presence_write.c)
 */
struct sb_str sb_presence_tidy(char *buf, size_t n, bool one_line);

/* Text being gathered; what does not fit is cut off, maybe within a
 * character. White space in front is left out. */
struct sb_gather {
	char *p;
	size_t n;
	size_t len;
	bool full;
};

void sb_gather_add(struct sb_gather *g, struct sb_str s);
/* A word, without white space around it; empty when it was cut off. */
struct sb_str sb_gather_word(const struct sb_gather *g);

/* A tuple of PIDF. */
struct sb_pidf {
	bool tuple, status, activities; /* which of these is open */
	bool open, closed;
	enum sb_presence activity;
};

struct sb_msrtc {
	int availability, activity; /* aggregates, -1: not said */
	bool devices, device;
};

enum sb_category { SB_CAT_OTHER, SB_CAT_STATE, SB_CAT_NOTE, SB_CAT_CARD };

/* A time to compare: UTC, without its Z; n 0: before all others. */
struct sb_moment {
	char p[SB_MOMENT_MAX];
	size_t n;
};

struct sb_categories {
	enum sb_category kind; /* of the category that is open */
	bool content;	       /* something stands in it */
	bool known;	       /* namely what belongs there */
	bool aggregate;
	int availability; /* -1: not said */
	enum sb_presence token;
	struct sb_moment time;
	struct sb_gather body;
	/* of what has won so far */
	int rank;
	struct sb_moment state_time, note_time;
	char body_buf[SB_NOTE_MAX];
};

struct sb_presence_reader {
	bool root_ok;
	enum sb_presence presence;
	bool has_note;
	struct sb_gather note, name; /* in the caller's memory */
	struct sb_gather word;
	struct sb_gather *now; /* where text goes, or NULL */
	unsigned depth;	       /* of the element whose text that is */
	union {
		struct sb_pidf pidf;
		struct sb_msrtc msrtc;
		struct sb_categories categories;
	} as;
	char word_buf[SB_WORD_MAX];
};

/* Gather the text of the element just opened, unless another's is. */
void sb_gather_from(struct sb_presence_reader *r, struct sb_gather *g,
		    const struct sb_element *e);
/* An element closes: what was gathered of it, or NULL. */
struct sb_gather *sb_gather_end(struct sb_presence_reader *r, unsigned depth);
void sb_presence_on_text(void *arg, unsigned depth, struct sb_str piece);

/* For sb_document_read with a reader, its format's part in `as` zero:
 * document_pidf.c, document_msrtc.c, document_categories.c. */
extern const struct sb_document_ops sb_pidf_ops;
extern const struct sb_document_ops sb_msrtc_ops;
extern const struct sb_document_ops sb_categories_ops;

static inline bool sb_named(const struct sb_element *e, struct sb_str name)
{
	return sb_str_eq(e->name, name);
}

#endif
