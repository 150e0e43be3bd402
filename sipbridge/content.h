/*
 * content.h: what stands inside SIP messages of an IM session: SDP, text,
 * typing, delivery notifications, and the header values that carry text.
 * SPDX-License-Identifier: MIT
 *
 * Purpose: turn bytes of a peer into text and facts, and ours into bytes.
 *          Nothing here knows a session, a socket or a clock.
 * Owner:   all input is borrowed for the call; results point into the input or
 *          into the caller's buffer, as said at each.
 * Errors:  int: 0 (or a length > 0 where said), or a negative enum sb_err.
 *          Out-parameters are written on success only, buffers always.
 * Limits:  bodies SB_SIP_BODY_MAX, texts SB_TEXT_MAX; time linear in the input.
 * Thread:  any; no state is kept.
 * Source:  lync-sip.md 1.7, 2.2-2.8; RFC 3261, 3994, 4566, 4648.
 */
#ifndef SB_CONTENT_H
#define SB_CONTENT_H

#include "wire.h"

/* ----------------------------------------------------------------- SDP -- */

enum sb_sdp_kind {
	SB_SDP_NONE = 0, /* no body */
	SB_SDP_IM,	 /* one m= line, message or x-ms-message, over sip */
	SB_SDP_OTHER,	 /* anything else: 488 */
};

struct sb_sdp {
	enum sb_sdp_kind kind;
	struct sb_str media; /* IM: "message" or "x-ms-message", in the body */
	bool imdn; /* IM: accept-types lists application/ms-imdn+xml */
};

/*
 * Look at an offer or an answer: a bounded textual scan, no SDP parser.
 * Errors: SB_EBADTEXT (application/sdp without v=0 first, or with a NUL, or
 * with a line that is not "x=..."), SB_ETOOBIG.
 */
int sb_sdp_offer(struct sb_str content_type, struct sb_str body,
		 struct sb_sdp *out);

struct sb_sdp_self {
	struct sb_str media;   /* empty: "message" */
	struct sb_str uri;     /* answer: own SIP URI; empty: "null" (offer) */
	struct sb_str address; /* IP literal, or empty: 0.0.0.0 */
};

/*
 * Write our SDP. Returns its length (no NUL is written).
 * Errors: SB_EINVAL (a field would break its line), SB_ETOOBIG.
 */
int sb_sdp_write(char *buf, size_t n, const struct sb_sdp_self *self);

/* ------------------------------------------------------- MESSAGE bodies -- */

enum sb_content {
	SB_CONTENT_TEXT = 1,
	SB_CONTENT_TYPING,
	SB_CONTENT_IMDN,	/* read it with sb_imdn_read */
	SB_CONTENT_UNSUPPORTED, /* 415, with SB_ACCEPT */
	SB_CONTENT_BAD,		/* 400: not what its Content-Type says */
	SB_CONTENT_TOO_BIG,	/* 413 */
	SB_CONTENT_NO_MEMORY,	/* 500 */
};

#define SB_ACCEPT "text/plain, text/html" /* what MESSAGE may carry */

/*
 * Read a MESSAGE body. TEXT: buf holds *len bytes of valid UTF-8 (maybe none):
 * text/plain, or text/html reduced to text; line ends are LF, characters that
 * XML forbids are removed, a leading byte order mark too. TYPING: *typing.
 * n: at most SB_TEXT_MAX are used; a text that does not fit is TOO_BIG. An
 * empty type is text/plain (RFC 3261 has no default; RFC 2045 has).
 */
enum sb_content sb_content_read(struct sb_str type, struct sb_str body,
				char *buf, size_t n, size_t *len,
				enum sb_typing *typing);

/*
 * The C library has a character set's tables in a file, which is opened when
 * they are needed first and stays open. To be called before the process may
 * open files no more.
 */
void sb_content_prepare(void);

/*
 * Text of an ms-text-format value: type; charset; [msgr;] ms-body=base64. As
 * TEXT above.
 * Errors: SB_EINVAL (other type, or no ms-body), SB_EBADTEXT, SB_ETOOBIG,
 * SB_ENOMEM.
 */
int sb_first_message_read(struct sb_str header, char *buf, size_t n,
			  size_t *len);

/* The value for our INVITE. Returns its length (no NUL).
 * Errors: SB_EBADTEXT (not UTF-8), SB_ETOOBIG. */
int sb_first_message_write(char *buf, size_t n, struct sb_str text);

/* --------------------------------------------------- typing and receipts -- */

#define SB_TYPING_TYPE "application/xml" /* Content-Type of sb_typing_write */
#define SB_IMDN_TYPE   "application/ms-imdn+xml"

/*
 * KeyboardActivity (application/xml) or isComposing
 * (application/im-iscomposing+xml).
 * Errors: SB_EINVAL (another type, another document, another state: an INFO
 * to answer and ignore), SB_EBADTEXT (not XML, or XML we refuse), SB_ETOOBIG.
 */
int sb_typing_read(struct sb_str type, struct sb_str body, enum sb_typing *t);

/* KeyboardActivity; NONE is written as idle. Returns the length (no NUL), or
 * SB_ETOOBIG. */
int sb_typing_write(char *buf, size_t n, enum sb_typing t);

#define SB_MESSAGE_ID_MAX 256 /* bytes of a Message-Id */

/* A late delivery notification. Do not copy: the texts point into buf. */
struct sb_imdn {
	struct sb_str message_id; /* never empty */
	struct sb_str recipient;  /* URI, or empty */
	int status;		  /* 100..699; of several recipients the one
				     with the highest */
	char buf[SB_MESSAGE_ID_MAX + SB_URI_MAX];
};

/* Errors: SB_EINVAL (no imdn, no message-id, no numeric status), SB_EBADTEXT
 * (as sb_typing_read, or a control character in a field), SB_ETOOBIG. */
int sb_imdn_read(struct sb_str body, struct sb_imdn *out);

/* Returns the length (no NUL). Errors: SB_EINVAL (empty message_id, status not
 * 100..699), SB_EBADTEXT, SB_ETOOBIG. */
int sb_imdn_write(char *buf, size_t n, struct sb_str message_id,
		  struct sb_str recipient, int status);

/* -------------------------------------------------------- header values -- */

/*
 * ms-diagnostics, ms-diagnostics-public (`code;reason="text"...`) and Warning
 * (`code agent "text"`). *reason points into buf: unescaped, one line, valid
 * UTF-8; empty when there is none or when it is not UTF-8.
 * n >= header.n is always enough.
 * Errors: SB_EINVAL (no code 0..999999 in front), SB_EBADTEXT (a quoted string
 * without an end), SB_ETOOBIG.
 */
int sb_diagnostics_read(struct sb_str header, int *code, struct sb_str *reason,
			char *buf, size_t n);

/* `code;reason="text"`, escaped; control characters become spaces; an empty
 * reason gives the code alone. Returns the length (no NUL). Errors: SB_EINVAL
 * (code not 0..999999), SB_EBADTEXT (not UTF-8), SB_ETOOBIG. */
int sb_diagnostics_write(char *buf, size_t n, int code, struct sb_str reason);

/* Is the option tag in the comma-separated list? ASCII case-insensitive. */
bool sb_token_listed(struct sb_str list, struct sb_str token);

/*
 * Take the next element off a comma-separated header value: 1 and *item, byte
 * for byte without white space around it, or 0 at the end. Commas in quoted
 * strings and in <...> do not split; empty elements are skipped.
 * Errors: SB_EBADTEXT (a quote or bracket without an end); then *rest is empty.
 */
int sb_list_next(struct sb_str *rest, struct sb_str *item);

/* Base64 of RFC 4648, standard alphabet, no line breaks. Padding may be left
 * off as a whole (Microsoft does); bits left over must be 0.
 * Errors: SB_EBADTEXT, SB_ETOOBIG. */
int sb_base64_read(char *buf, size_t n, size_t *len, struct sb_str in);

/* With padding. Returns the length (no NUL), or SB_ETOOBIG. */
int sb_base64_write(char *buf, size_t n, struct sb_str in);

/* ----------------------------------------------------------------- UTF-8 -- */

/* Well-formed per RFC 3629: no surrogates, no overlong forms, <= U+10FFFF. */
bool sb_utf8_valid(struct sb_str s);

/* In place, valid UTF-8 in and out: remove what XML 1.0 forbids (C0 controls
 * but TAB and LF, U+FFFE, U+FFFF), make CRLF and CR an LF. Returns the new
 * length. */
size_t sb_text_clean(char *buf, size_t n);

#endif
