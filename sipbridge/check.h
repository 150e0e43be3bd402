/*
 * check.h: are a request, an event, the settings sound?
 * SPDX-License-Identifier: MIT
 *
 * Purpose: the one place that looks at lengths, ranges, UTF-8 and control
 *          characters of what crosses the channel; the sender asks before it
 *          sends, the receiver asks again.
 * Errors:  SB_OK; SB_EINVAL (a field is missing or out of range), SB_ETOOBIG
 *          (longer than its limit), SB_EBADTEXT (not what its class allows).
 * Thread:  any; nothing is kept.
 */
#ifndef SB_CHECK_H
#define SB_CHECK_H

#include "channel_fields.h"

int sb_check_request(const struct sb_request *r);

/* soft: SB_SOFT_* of fields that are made to fit later; 0: all must fit. */
int sb_check_event(const struct sb_event *ev, unsigned soft);

/* Also: what is required is there, switches have one of their values. */
int sb_check_config(const struct sb_config *c);

/* Lengths, ranges and text of one struct against its table. */
int sb_check_fields(const struct sb_fields *t, const void *s, unsigned soft);

/* Is the text of that class? Any length. */
bool sb_check_text(struct sb_str s, enum sb_text_class class);

/* Bytes of the character that starts at p, 1..4; 0 when it is not UTF-8 of an
 * XML character (XML 1.0, 2.2), or when the class does not allow it. n > 0. */
size_t sb_check_char(const char *p, size_t n, enum sb_text_class class);

#endif
