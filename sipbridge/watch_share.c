/*
 * watch_share.c: memory that is counted, and texts that are stored once.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>

#include "watch_priv.h"

void *sb_w_alloc(struct sb_watches *w, size_t n)
{
	void *p = calloc(1, n);

	if (p)
		w->bytes += n;
	return p;
}

void sb_w_free(struct sb_watches *w, void *p, size_t n)
{
	if (!p)
		return;
	w->bytes -= n;
	free(p);
}

struct sb_str sb_shared_str(const struct sb_shared *sh)
{
	return sh ? (struct sb_str){sh->p, sh->n} : SB_NOSTR;
}

static size_t size(size_t n)
{
	return sizeof(struct sb_shared) + n;
}

static struct sb_shared *find(const struct sb_watches *w, struct sb_str s,
			      uint64_t hash)
{
	struct sb_link *l = sb_table_find(&w->shared, hash);

	for (; l; l = sb_table_again(l)) {
		struct sb_shared *sh = (struct sb_shared *)l; /* first */

		if (sb_str_eq(sb_shared_str(sh), s))
			return sh;
	}
	return NULL;
}

static struct sb_shared *get(struct sb_watches *w, struct sb_str s)
{
	uint64_t hash = sb_hash(&w->key, s.p, s.n);
	struct sb_shared *sh = find(w, s, hash);

	if (!sh) {
		sh = sb_w_alloc(w, size(s.n));
		if (!sh)
			return NULL;
		sh->n = (uint32_t)s.n;
		memcpy(sh->p, s.p, s.n);
		sb_table_add(&w->shared, &sh->by_text, hash);
	}
	sh->refs++;
	return sh;
}

void sb_unshare(struct sb_watches *w, struct sb_shared **at)
{
	struct sb_shared *sh = *at;

	*at = NULL;
	if (!sh || --sh->refs)
		return;
	sb_table_remove(&w->shared, &sh->by_text);
	sb_w_free(w, sh, size(sh->n));
}

int sb_share(struct sb_watches *w, struct sb_shared **at, struct sb_str s)
{
	struct sb_shared *sh = NULL;

	if (sb_str_eq(sb_shared_str(*at), s))
		return SB_OK;
	if (s.n > UINT16_MAX)
		return SB_ETOOBIG;
	if (s.n) {
		sh = get(w, s);
		if (!sh)
			return SB_ENOMEM;
	}
	sb_unshare(w, at);
	*at = sh;
	return SB_OK;
}
