/*
 * stream_rig.c: questions about streams, and their answers in words.
 * SPDX-License-Identifier: MIT
 */
#include "stream_rig.h"

#include <stdio.h>

#include "../plugin/error.h"
#include "test.h"

bool stream_load(struct lg_settings *s)
{
	return CHECK_INT(value_load_rows(s), LG_OK) && CHECK(s->usable) &&
	       CHECK_INT(s->partners.n, LG_ROWS);
}

const char *stream_ask(struct lg_stream_decision *d,
		       const struct lg_settings *s,
		       const struct lg_stream_facts *f)
{
	int err = lg_stream_may(d, s, f);

	return err ? lg_err_name(err) : "ok";
}

const char *stream_words(const struct lg_settings *s,
			 const struct lg_stream_facts *f)
{
	static char out[64];
	struct lg_stream_decision d;
	const char *token = stream_ask(&d, s, f);

	if (strcmp(token, "ok") != 0)
		return token;
	if (f->direction == LG_OUT)
		return lg_step_names[d.step];
	snprintf(out, sizeof(out), "%s%s%s%s",
		 d.offers & LG_OFFER_STARTTLS ? " starttls" : "",
		 d.offers & LG_OFFER_REQUIRED ? " required" : "",
		 d.offers & LG_OFFER_EXTERNAL ? " external" : "",
		 d.offers & LG_OFFER_DIALBACK ? " dialback" : "");
	return out + (out[0] == ' ');
}

void stream_note_row(int row)
{
	static char note[16];

	snprintf(note, sizeof(note), "row %d", row);
	test_note(note);
}
