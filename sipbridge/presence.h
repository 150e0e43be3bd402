/*
 * presence.h: presence documents that Lync writes and reads.
 * SPDX-License-Identifier: MIT
 *
 * Purpose: bytes of a peer into facts, ours into bytes: PIDF as Lync speaks it,
 *          text/xml+msrtc.pidf, application/msrtc-event-categories+xml.
 * Owner:   input is borrowed; results point into the caller's struct or buffer.
 * Errors:  int: 0 (or a length where said), or a negative enum sb_err.
 * Limits:  SB_SIP_BODY_MAX, SB_DOCUMENT_*; note SB_NOTE_MAX, name SB_NAME_MAX
 *          bytes: what is longer is cut at a character.
 * Thread:  any; no state is kept.
 * Source:  lync-sip.md 3.1, 3.4, 3.5; RFC 3863, 3856.
 */
#ifndef SB_PRESENCE_H
#define SB_PRESENCE_H

#include "wire.h"

#define SB_NOTE_MAX 1024
#define SB_NAME_MAX 256
#define SB_PRESENCE_MAX 24576 /* bytes of whatever is written here */

enum sb_presence_format {
	SB_PF_NONE = 0, /* the Accept header has none that we speak */
	SB_PF_PIDF,
	SB_PF_MSRTC,
	SB_PF_CATEGORIES,
};

/* Their Content-Types; "" for NONE. */
const char *sb_presence_type(enum sb_presence_format f);

/*
 * Which document a watcher gets: with notes categories if listed, else PIDF,
 * else msrtc.pidf, else categories. An absent Accept header means PIDF
 * (RFC 3856 6.7).
 */
enum sb_presence_format sb_presence_choose(struct sb_str accept, bool notes);

/* What a document says. Do not copy: texts point into buf, are valid UTF-8 and
 * carry no control characters (note: but LF and TAB). */
struct sb_presence_doc {
	enum sb_presence presence; /* UNKNOWN: it says nothing about it */
	bool has_note; /* the document speaks of a note, maybe an empty one */
	struct sb_str note;
	struct sb_str display;	   /* or empty */
	char buf[SB_NOTE_MAX + SB_NAME_MAX];
};

/*
 * Read a NOTIFY's body by its Content-Type. An empty body is UNKNOWN. entity
 * and uri are not compared: the dialog says whose it is.
 * Errors: SB_EINVAL (a type that we do not speak: 415), SB_EBADTEXT (not what
 * its type says), SB_ETOOBIG, SB_ENOMEM.
 */
int sb_presence_read(struct sb_presence_doc *out, struct sb_str type,
		     struct sb_str body);

struct sb_presence_self {
	struct sb_str uri;     /* sip:user@host */
	enum sb_presence presence;
	struct sb_str note;    /* categories only; empty: has none */
	struct sb_str display; /* or empty */
	uint64_t time;	       /* seconds since 1970: publishTime; 0: leave it
				  out */
};

/*
 * Write a document. UNKNOWN is written as offline; what a format cannot say
 * becomes what is nearest (DND in PIDF: busy). Control characters of note and
 * display are removed. Returns its length (no NUL).
 * Errors: SB_EINVAL (NONE, no uri), SB_EBADTEXT (not UTF-8, a URI with spaces
 * or controls), SB_ETOOBIG.
 */
int sb_presence_write(char *buf, size_t n, enum sb_presence_format f,
		      const struct sb_presence_self *self);

/* Does a SUBSCRIBE's body (application/msrtc-adrl-categorylist+xml) say that
 * the contact was just added (<context> for a resource)? False for what cannot
 * be read. */
bool sb_presence_added(struct sb_str type, struct sb_str body);

/* The body that asks a Lync server for the categories of user: state, note,
 * contactCard; and tells her, once, that contact has added her. Returns its
 * length (no NUL), or SB_EINVAL (no URI), SB_EBADTEXT, SB_ETOOBIG. */
int sb_presence_ask(char *buf, size_t n, struct sb_str contact,
		    struct sb_str user);
#define SB_PRESENCE_ASK_TYPE "application/msrtc-adrl-categorylist+xml"

#endif
