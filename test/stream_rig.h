/*
 * stream_rig.h: questions about streams, and their answers in words.
 * SPDX-License-Identifier: MIT
 */
#ifndef STREAM_RIG_H
#define STREAM_RIG_H

#include "../plugin/stream.h"
#include "value_rig.h"

/* Partners "row1.example" to "row18.example"; false: a check has failed. */
bool stream_load(struct lg_settings *s);

/* Of lg_stream_may: "ok" or the token. */
const char *stream_ask(struct lg_stream_decision *d,
		       const struct lg_settings *s,
		       const struct lg_stream_facts *f);

/* The same, with what is offered ("starttls required", in that order) or the
 * step in place of "ok". Overwritten by the next call. */
const char *stream_words(const struct lg_settings *s,
			 const struct lg_stream_facts *f);

/* test_note "row 5". */
void stream_note_row(int row);

#endif
