/*
 * channel_fields.h: what a struct of the library consists of.
 * SPDX-License-Identifier: MIT
 *
 * Purpose: one table per struct; encoding, decoding and checking all follow
 *          it, so that a field's limit stands in one place.
 * Shape:   a field's tag on the channel is its index in the table plus 1. A
 *          field that is zero or empty is not sent.
 * Thread:  any; the tables are constant.
 */
#ifndef SB_CHANNEL_FIELDS_H
#define SB_CHANNEL_FIELDS_H

#include "sipbridge.h"

#define SB_FIELDS_MAX 40 /* fields of one struct */

enum sb_field_type {
	SB_T_STR,
	SB_T_BOOL,
	SB_T_U16,
	SB_T_INT, /* int or enum: the same size here */
	SB_T_U32,
	SB_T_U64,
	SB_T_LIST, /* array of structs with a count of type size_t */
};

enum sb_text_class {
	SB_TXT_LINE, /* UTF-8 without C0 controls and DEL */
	SB_TXT_TEXT, /* UTF-8 of XML characters; LF and TAB are fine, CR not */
	SB_TXT_URI,  /* empty, or sip:user@host as sipbridge.h says */
};

/* Fields for people are made to fit by the sender (cut at a character, '?'
 * for what may not cross) instead of being refused. */
enum {
	SB_SOFT_PEOPLE = 1,
	SB_SOFT_LOG = 2, /* in an SB_EV_LOG only */
};

struct sb_fields;

struct sb_field {
	enum sb_field_type type;
	enum sb_text_class text;       /* STR */
	unsigned soft;		       /* STR: SB_SOFT_*, 0: never */
	size_t at;		       /* offset in the struct */
	size_t max;		       /* STR: bytes; LIST: elements */
	int64_t lo, hi;		       /* INT, U16, U32: range */
	size_t count_at;	       /* LIST: offset of the count */
	const struct sb_fields *elem;  /* LIST */
};

struct sb_fields {
	const struct sb_field *field;
	size_t n;
	size_t size; /* of the struct */
};

extern const struct sb_fields sb_fields_hello; /* struct sb_str */
extern const struct sb_fields sb_fields_config;
extern const struct sb_fields sb_fields_request;
extern const struct sb_fields sb_fields_event;

#endif
