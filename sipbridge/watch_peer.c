/*
 * watch_peer.c: the other half of a dialog: tag, target and route set, in as
 * few bytes as can be.
 * SPDX-License-Identifier: MIT
 *
 * A route entry is "<uri>" and what follows it. The URI with its ms-key-info
 * and signature is the same for all that came this way and is shared; behind
 * it stands what belongs to this dialog alone (ms-rrsig, tag).
 */
#include "watch_priv.h"

static size_t refs_end(size_t routes)
{
	return sizeof(struct sb_peer) + routes * sizeof(struct sb_shared *);
}

/* ---------------------------------------------------------------- fields -- */

/* How a field is kept, in the upper bits of its length. What is made of hex
 * digits of one case (Call-IDs, tags, epids) needs half the bytes. */
enum { AS_IS = 0, LOWER = 1, UPPER = 2, KIND = 14, LEN = (1 << KIND) - 1 };

static const char *const digits[] = {NULL, "0123456789abcdef",
				     "0123456789ABCDEF"};

static size_t kept(int kind, size_t n)
{
	return kind == AS_IS ? n : n / 2;
}

static int digit(int kind, char c)
{
	const char *at = c ? strchr(digits[kind], c) : NULL;

	return at ? (int)(at - digits[kind]) : -1;
}

static bool all_digits(int kind, struct sb_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (digit(kind, s.p[i]) < 0)
			return false;
	return true;
}

static int kind_of(struct sb_str s)
{
	if (!s.n || s.n % 2 || s.n > SB_PACKED_MAX)
		return AS_IS;
	return all_digits(LOWER, s) ? LOWER : all_digits(UPPER, s) ? UPPER :
	       AS_IS;
}

static char *put_field(char *at, struct sb_str s)
{
	int kind = kind_of(s);
	uint16_t head = (uint16_t)(s.n | (size_t)(unsigned)kind << KIND);

	memcpy(at, &head, sizeof(head));
	at += sizeof(head);
	if (kind == AS_IS) {
		if (s.n)
			memcpy(at, s.p, s.n);
		return at + s.n;
	}
	for (size_t i = 0; i < s.n; i += 2)
		*at++ = (char)(digit(kind, s.p[i]) << 4 |
			       digit(kind, s.p[i + 1]));
	return at;
}

static struct sb_str get_field(struct sb_watches *w, const struct sb_peer *p,
			       enum sb_peer_field f)
{
	const char *at = (const char *)p + refs_end(p->routes);
	uint16_t head;

	for (enum sb_peer_field i = SB_PEER_CALL_ID;; i++) {
		int kind;
		size_t n;

		memcpy(&head, at, sizeof(head));
		at += sizeof(head);
		kind = head >> KIND;
		n = head & LEN;
		if (i != f) {
			at += kept(kind, n);
			continue;
		}
		if (kind == AS_IS)
			return (struct sb_str){at, n};
		for (size_t k = 0; k < n; k++)
			w->field[f][k] = digits[kind][(unsigned char)at[k / 2]
						      >> (k % 2 ? 0 : 4) & 15];
		return (struct sb_str){w->field[f], n};
	}
}

struct sb_str sb_peer_field(struct sb_watches *w, const struct sb_usage *u,
			    enum sb_peer_field f)
{
	return u->peer ? get_field(w, u->peer, f) : SB_NOSTR;
}

/* ---------------------------------------------------------------- routes -- */

/* Where the URI of a route entry ends. */
static size_t head_len(struct sb_str entry)
{
	for (size_t i = entry.n; i > 0; i--)
		if (entry.p[i - 1] == '>')
			return i;
	return entry.n;
}

/* What follows the heads, in buf. */
static size_t put_tails(char *buf, const struct sb_str *entry, size_t n)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		size_t head = head_len(entry[i]);

		memcpy(buf + len, entry[i].p + head, entry[i].n - head);
		len += entry[i].n - head;
		buf[len++] = '\n';
	}
	return len;
}

static void peer_free(struct sb_watches *w, struct sb_peer *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->routes; i++)
		sb_unshare(w, &p->ref[i]);
	sb_unshare(w, &p->target);
	sb_w_free(w, p, p->bytes);
}

void sb_peer_drop(struct sb_watches *w, struct sb_usage *u)
{
	peer_free(w, u->peer);
	u->peer = NULL;
}

static struct sb_peer *pack(struct sb_watches *w, const struct sb_str *field,
			    struct sb_str target, const struct sb_str *entry,
			    size_t entries)
{
	size_t bytes = refs_end(entries);
	struct sb_peer *p;
	char *at;
	int err;

	for (size_t i = 0; i < SB_PEER_N; i++)
		bytes += sizeof(uint16_t) +
			 kept(kind_of(field[i]), field[i].n);
	p = sb_w_alloc(w, bytes);
	if (!p)
		return NULL;
	p->bytes = (uint32_t)bytes;
	p->routes = (uint32_t)entries;
	at = (char *)p + refs_end(entries);
	for (size_t i = 0; i < SB_PEER_N; i++)
		at = put_field(at, field[i]);
	err = sb_share(w, &p->target, target);
	for (size_t i = 0; i < entries && !err; i++)
		err = sb_share(w, &p->ref[i],
			(struct sb_str){entry[i].p, head_len(entry[i])});
	if (!err)
		return p;
	peer_free(w, p);
	return NULL;
}

int sb_peer_set(struct sb_watches *w, struct sb_usage *u,
		const struct sb_peer_facts *f)
{
	struct sb_str entry[SB_ROUTE_ENTRIES], field[SB_PEER_N];
	struct sb_peer *p;
	size_t n;
	int len = sb_route_set(w->routes, sizeof(w->routes), f->record_route,
			       f->record_route_n, f->reverse,
			       sb_text_str(w->fqdn));

	if (len < 0)
		return len;
	n = sb_route_split((struct sb_str){w->routes, (size_t)len}, entry,
			   SB_ROUTE_ENTRIES);
	memcpy(field, f->field, sizeof(field));
	field[SB_PEER_TAILS] = (struct sb_str){w->text,
					       put_tails(w->text, entry, n)};
	if (field[SB_PEER_EPID].n > SB_WATCH_EPID_MAX)
		field[SB_PEER_EPID] = SB_NOSTR;
	for (size_t i = 0; i < SB_PEER_N; i++)
		if (field[i].n > LEN)
			return SB_ETOOBIG;
	p = pack(w, field, f->target, entry, n);
	if (!p)
		return SB_ENOMEM;
	sb_peer_drop(w, u);
	u->peer = p;
	return SB_OK;
}

size_t sb_peer_routes(struct sb_watches *w, const struct sb_peer *p,
		      struct sb_str out[SB_ROUTE_ENTRIES])
{
	struct sb_str tail[SB_ROUTE_ENTRIES];
	size_t n, len = 0;

	if (!p)
		return 0;
	n = sb_route_split(get_field(w, p, SB_PEER_TAILS), tail,
			   SB_ROUTE_ENTRIES);
	for (size_t i = 0; i < n && i < p->routes; i++) {
		struct sb_str head = sb_shared_str(p->ref[i]);

		/* sb_route_set() found room for all of it once */
		if (head.n)
			memcpy(w->routes + len, head.p, head.n);
		if (tail[i].n)
			memcpy(w->routes + len + head.n, tail[i].p, tail[i].n);
		out[i] = (struct sb_str){w->routes + len, head.n + tail[i].n};
		len += out[i].n;
	}
	return n;
}
