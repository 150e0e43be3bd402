/*
 * watch_self.c: the contact's presence: kept as one text that its subs share,
 * and written as the document that a watcher reads.
 * SPDX-License-Identifier: MIT
 *
 * The text: presence, with NOTES if its note may be told; two bytes of length
 * of the display name; display name; note.
 */
#include <stdio.h>

#include "watch_priv.h"

enum { NOTES = 0x80, HEAD = 3 };

/* At most max bytes, no half character. */
static struct sb_str cut(struct sb_str s, size_t max)
{
	if (s.n > max)
		s.n = max;
	while (s.n && !sb_utf8_valid(s))
		s.n--;
	return s;
}

struct sb_str sb_self_pack(struct sb_watches *w, const struct sb_request *r)
{
	bool notes = r->flags & SB_F_NOTES;
	struct sb_str display = sb_line(w->text + HEAD, SB_WATCH_NAME_MAX,
					r->display);
	struct sb_str note = notes ? cut(r->text, SB_WATCH_NOTE_MAX) : SB_NOSTR;

	w->text[0] = (char)((unsigned)r->presence | (notes ? NOTES : 0u));
	w->text[1] = (char)(display.n >> 8);
	w->text[2] = (char)(display.n & 0xff);
	if (note.n)
		memcpy(w->text + HEAD + display.n, note.p, note.n);
	return (struct sb_str){w->text, HEAD + display.n + note.n};
}

enum sb_presence sb_self_presence(const struct sb_shared *self)
{
	return self ? (enum sb_presence)((unsigned char)self->p[0] & ~NOTES) :
		      SB_PR_UNKNOWN;
}

bool sb_self_notes(const struct sb_shared *self)
{
	return self && (unsigned char)self->p[0] & NOTES;
}

struct sb_str sb_self_display(const struct sb_shared *self)
{
	const unsigned char *p = self ? (const unsigned char *)self->p : NULL;

	return p ? (struct sb_str){self->p + HEAD,
				   (size_t)p[1] << 8 | p[2]} : SB_NOSTR;
}

static struct sb_str self_note(const struct sb_shared *self)
{
	size_t at = HEAD + sb_self_display(self).n;

	return self ? (struct sb_str){self->p + at, self->n - at} : SB_NOSTR;
}

void sb_self_fill(struct sb_watches *w, struct sb_sip_out *o,
		  struct sb_str contact, const struct sb_shared *self,
		  enum sb_presence_format f)
{
	struct sb_presence_self doc = {
		.uri = contact,
		.presence = sb_self_presence(self), /* UNKNOWN: closed */
		.display = sb_self_display(self),
		.note = self_note(self),
		.time = w->unix_at_zero ? w->unix_at_zero + w->now / 1000 : 0,
	};
	int n = sb_presence_write(w->text, sizeof(w->text), f, &doc);

	if (n < 0) {
		doc.display = doc.note = SB_NOSTR;
		n = sb_presence_write(w->text, sizeof(w->text), f, &doc);
	}
	o->local.display = sb_self_display(self);
	if (n <= 0)
		return; /* an empty body: nothing is known */
	o->content_type = sb_str_of(sb_presence_type(f));
	o->body = (struct sb_str){w->text, (size_t)n};
}

struct sb_str sb_state_active(struct sb_watches *w, uint64_t seconds)
{
	int n = snprintf(w->head, sizeof(w->head), "active;expires=%llu",
			 (unsigned long long)seconds);

	return (struct sb_str){w->head, (size_t)n};
}
