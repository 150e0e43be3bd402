/*
 * stream_load.h: XMPP streams between servers, for load partners: STARTTLS and
 * SASL EXTERNAL, ours and those that the other side opens to us.
 * SPDX-License-Identifier: MIT
 */
#ifndef STREAM_LOAD_H
#define STREAM_LOAD_H

#include "load.h"
#include "xml_load.h"

/* One that we open. */
struct stream {
	char own[LOAD_NAME_MAX], other[LOAD_NAME_MAX]; /* domains */
	struct load_conn *conn; /* NULL: none */
	void (*changed)(struct stream *s, bool is_up); /* may be NULL */
};

/* Of all streams, either way. */
extern void (*stream_on_stanza)(struct load_conn *c,
				const struct element *e);
/* One of theirs was authenticated; may be NULL. */
extern void (*stream_on_accepted)(struct load_conn *c);

void stream_open(struct stream *s, struct load *l, const char *from,
		 const char *to);
bool stream_is_up(const struct stream *s);
/* For load_listen(). */
void stream_accept(struct load_conn *c);

#endif
