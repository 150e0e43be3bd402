/*
 * document.h: XML and HTML bodies of a peer, behind limits.
 * SPDX-License-Identifier: MIT
 *
 * Purpose: the only door to libxml2: no network, no DOCTYPE, no entities but
 *          XML's five, no comments, no processing instructions, UTF-8 only
 *          (whatever the XML declaration claims).
 * Shape:   events in document order; names are local names.
 * Owner:   text of an event is valid during the event.
 * Errors:  SB_EBADTEXT (not well-formed, not UTF-8, or something refused),
 *          SB_ETOOBIG (a limit), SB_ENOMEM. Events before the error have
 *          been delivered: use what they said only after 0.
 * Limits:  below; time linear in the body.
 */
#ifndef SB_DOCUMENT_H
#define SB_DOCUMENT_H

#include "wire.h"

#define SB_DOCUMENT_DEPTH    32	  /* elements open at once */
#define SB_DOCUMENT_ATTRS    64	  /* attributes and xmlns of one element */
#define SB_DOCUMENT_ELEMENTS 2000 /* elements of a document */
#define SB_HTML_DEPTH	     256  /* elements open at once in HTML */
#define SB_MARKUP_WORDS	     512  /* words inside one tag: see sb_markup_ok */

struct sb_element {
	struct sb_str name;
	unsigned depth;	   /* of the root: 1 */
	const void *attrs; /* for sb_element_attr */
	int attrs_n;
};

/* NULL for what is not wanted. Text arrives in pieces. */
struct sb_document_ops {
	void (*open)(void *arg, const struct sb_element *e);
	void (*text)(void *arg, unsigned depth, struct sb_str piece);
	void (*close)(void *arg, unsigned depth, struct sb_str name);
};

int sb_document_read(struct sb_str body, const struct sb_document_ops *ops,
		     void *arg);

/*
 * Is there memory to parse n bytes: copies of the input, a table of names?
 * Asked before each use of libxml2, which does not always survive that its
 * memory ends in the middle.
 */
#define SB_DOCUMENT_ROOM(n) (131072 + (size_t)32 * (n)) /* bytes */
bool sb_document_room(size_t n);

/* Value of the attribute with that local name; SB_NOSTR when it is absent. */
struct sb_str sb_element_attr(const struct sb_element *e, struct sb_str name);

/* Text of one element, collected from its pieces into memory of the owner. */
struct sb_piece {
	char *p;
	size_t n;
	size_t len;
	bool full; /* something did not fit */
};

void sb_piece_add(struct sb_piece *t, struct sb_str s);
/* What was collected, without white space around it. */
struct sb_str sb_piece_text(const struct sb_piece *t);

/*
 * Are all tags short enough? libxml2 compares each attribute of a tag with all
 * others, so a tag of 60 KiB would cost time by its square.
 */
bool sb_markup_ok(struct sb_str body);

/*
 * Reduce HTML (valid UTF-8 without what XML forbids) to text: tags go, block
 * elements and <br> become line ends, white space is collapsed outside <pre>,
 * title, script, style and the like are dropped. Writes at most n bytes.
 * Errors: SB_ETOOBIG (the text does not fit, or a limit), SB_ENOMEM.
 */
int sb_html_text(struct sb_str html, char *buf, size_t n, size_t *len);

#endif
