/*
 * roster_pair.c: the memory of the roster: pairs, names, texts, lists.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>

#include "roster_priv.h"

void *lg_roster_alloc(struct lg_roster *r, size_t n)
{
	void *p;

	if (r->limits.bytes &&
	    (r->bytes > r->limits.bytes || n > r->limits.bytes - r->bytes))
		return NULL;
	p = calloc(1, n);
	if (p)
		r->bytes += n;
	return p;
}

void lg_roster_release(struct lg_roster *r, void *p, size_t n)
{
	if (!p)
		return;
	r->bytes -= n;
	free(p);
}

/* ----------------------------------------------------------------- text -- */

struct sb_str lg_text_get(const struct lg_text *t)
{
	return t ? (struct sb_str){t->p, t->n} : SB_NOSTR;
}

struct sb_str lg_text_cut(struct sb_str s, size_t max)
{
	if (s.n <= max)
		return s;
	s.n = max;
	while (s.n > 0 && ((unsigned char)s.p[s.n] & 0xc0) == 0x80)
		s.n--;
	return s;
}

static void text_free(struct lg_roster *r, struct lg_text *t)
{
	if (t)
		lg_roster_release(r, t, sizeof(*t) + t->n);
}

bool lg_text_set(struct lg_roster *r, struct lg_text **at, struct sb_str s,
		 size_t max)
{
	struct lg_text *t = NULL;

	s = lg_text_cut(s, max < UINT16_MAX ? max : UINT16_MAX);
	if (sb_str_eq(lg_text_get(*at), s))
		return false;
	if (s.n > 0)
		t = lg_roster_alloc(r, sizeof(*t) + s.n);
	if (t) {
		t->n = (uint16_t)s.n;
		memcpy(t->p, s.p, s.n);
	}
	text_free(r, *at);
	*at = t;
	return true;
}

/* ---------------------------------------------------------------- names -- */

struct sb_str lg_name_text(const struct lg_name *name)
{
	return (struct sb_str){name->p, name->n};
}

int lg_ends_of(struct lg_ends *e, struct sb_str contact, struct sb_str user)
{
	struct lg_jid jid;
	int err = lg_jid_split(&jid, contact);

	if (!err)
		err = lg_jid_canon(&e->contact, e->contact_buf,
				   sizeof(e->contact_buf), contact);
	if (!err)
		err = lg_jid_canon(&e->user, e->user_buf, sizeof(e->user_buf),
				   user);
	if (err)
		return err;
	e->resource = jid.resource;
	return jid.local.p ? LG_OK : LG_EBADJID;
}

static struct lg_name *name_find(const struct lg_roster *r,
				 const struct sb_table *t, struct sb_str text,
				 uint64_t hash)
{
	struct sb_link *l;

	(void)r;
	for (l = sb_table_find(t, hash); l; l = sb_table_again(l)) {
		struct lg_name *name = (struct lg_name *)l;

		if (sb_str_eq(lg_name_text(name), text))
			return name;
	}
	return NULL;
}

static struct lg_name *name_new(struct lg_roster *r, struct sb_table *t,
				struct sb_str text, uint64_t hash)
{
	struct lg_name *name = lg_roster_alloc(r, sizeof(*name) + text.n);

	if (!name)
		return NULL;
	name->n = (uint16_t)text.n;
	memcpy(name->p, text.p, text.n);
	sb_table_add(t, &name->link, hash);
	return name;
}

static void name_free(struct lg_roster *r, struct sb_table *t,
		      struct lg_name *name)
{
	sb_table_remove(t, &name->link);
	text_free(r, name->display);
	lg_roster_release(r, name, sizeof(*name) + name->n);
}

void lg_user_drop(struct lg_roster *r, struct lg_name *user)
{
	if (user->pairs == 0 && !user->dirty && user != r->saving)
		name_free(r, &r->users, user);
}

static void contact_drop(struct lg_roster *r, struct lg_name *contact)
{
	if (contact->pairs == 0)
		name_free(r, &r->contacts, contact);
}

struct lg_name *lg_user_find(const struct lg_roster *r, struct sb_str user)
{
	return name_find(r, &r->users, user, sb_hash(&r->key, user.p, user.n));
}

int lg_user_get(struct lg_name **np, struct lg_roster *r, struct sb_str user)
{
	uint64_t hash = sb_hash(&r->key, user.p, user.n);
	struct lg_name *name = name_find(r, &r->users, user, hash);

	if (!name)
		name = name_new(r, &r->users, user, hash);
	if (!name)
		return LG_ENOMEM;
	*np = name;
	return LG_OK;
}

/* ---------------------------------------------------------------- pairs -- */

static uint64_t pair_hash(const struct lg_roster *r, uint64_t contact,
			  uint64_t user)
{
	uint64_t both[2] = {contact, user};

	return sb_hash(&r->key, both, sizeof(both));
}

static struct lg_pair *pair_find(struct lg_roster *r, const struct lg_ends *e,
				 uint64_t contact, uint64_t user)
{
	struct sb_link *l = sb_table_find(&r->pairs,
					  pair_hash(r, contact, user));

	for (; l; l = sb_table_again(l)) {
		struct lg_pair *p = (struct lg_pair *)l;

		if (sb_str_eq(lg_name_text(p->contact), e->contact) &&
		    sb_str_eq(lg_name_text(p->user), e->user)) {
			lg_pair_touch(r, p);
			return p;
		}
	}
	return NULL;
}

struct lg_pair *lg_pair_find(struct lg_roster *r, const struct lg_ends *e)
{
	return pair_find(r, e, sb_hash(&r->key, e->contact.p, e->contact.n),
			 sb_hash(&r->key, e->user.p, e->user.n));
}

static void pair_link(struct lg_roster *r, struct lg_pair *p,
		      struct lg_name *contact, struct lg_name *user)
{
	p->gen = r->gen;
	p->contact = contact;
	p->user = user;
	contact->pairs++;
	user->pairs++;
	p->user_next = user->u.user.first;
	p->user_at = &user->u.user.first;
	if (p->user_next)
		p->user_next->user_at = &p->user_next;
	user->u.user.first = p;
	sb_table_add(&r->pairs, &p->link,
		     pair_hash(r, contact->link.hash, user->link.hash));
}

int lg_pair_get(struct lg_pair **pp, struct lg_roster *r,
		const struct lg_ends *e)
{
	uint64_t hash = sb_hash(&r->key, e->contact.p, e->contact.n);
	struct lg_name *contact = NULL, *user = NULL;
	struct lg_pair *p;

	p = pair_find(r, e, hash, sb_hash(&r->key, e->user.p, e->user.n));
	if (p) {
		*pp = p;
		return LG_OK;
	}
	if (r->pairs.n >= r->limits.pairs)
		return LG_EFULL;
	p = lg_roster_alloc(r, sizeof(*p));
	contact = name_find(r, &r->contacts, e->contact, hash);
	if (!contact)
		contact = name_new(r, &r->contacts, e->contact, hash);
	if (!p || !contact || lg_user_get(&user, r, e->user))
		goto fail;
	pair_link(r, p, contact, user);
	*pp = p;
	return LG_OK;
fail:
	lg_roster_release(r, p, sizeof(*p));
	if (contact)
		contact_drop(r, contact);
	return LG_ENOMEM;
}

void lg_pair_free(struct lg_roster *r, struct lg_pair *p)
{
	lg_pair_unwait(r, p);
	lg_pair_clear(r, p, LG_F_WATCHING | LG_F_LYNC);
	lg_slot_drop(r, p, SB_NOSTR);
	text_free(r, p->note);
	*p->user_at = p->user_next;
	if (p->user_next)
		p->user_next->user_at = p->user_at;
	sb_table_remove(&r->pairs, &p->link);
	p->contact->pairs--;
	p->user->pairs--;
	contact_drop(r, p->contact);
	lg_user_drop(r, p->user);
	lg_roster_release(r, p, sizeof(*p));
}

void lg_pair_forget(struct lg_roster *r, struct lg_pair *p)
{
	p->presence = SB_PR_UNKNOWN;
	lg_text_set(r, &p->note, SB_NOSTR, 0);
	lg_pair_clear(r, p, LG_F_STALE);
}

/* ------------------------------------------------------- flags and lists -- */

void lg_pair_touch(struct lg_roster *r, struct lg_pair *p)
{
	if (p->gen == r->gen)
		return;
	p->gen = r->gen;
	lg_pair_unwait(r, p);
	/* Not lg_pair_clear: they are not counted any more. */
	p->flags &= (uint16_t) ~(LG_F_WATCHING | LG_F_LYNC | LG_F_PROBED |
				 LG_F_STALE | LG_F_TOLD_NOTES);
	p->watch = SB_WATCH_NONE;
	if (lg_pair_has(p, LG_F_SHOWN))
		p->flags |= LG_F_STALE;
}

void lg_pair_todo(struct lg_roster *r, struct lg_pair *p, unsigned todo)
{
	if (todo & LG_T_SUBSCRIBED)
		p->todo &= (uint16_t)~LG_T_UNSUBSCRIBED;
	if (todo & LG_T_UNSUBSCRIBED)
		p->todo &= (uint16_t)~LG_T_SUBSCRIBED;
	p->todo |= (uint16_t)todo;
	if (lg_pair_has(p, LG_F_QUEUED))
		return;
	p->flags |= LG_F_QUEUED;
	p->todo_next = NULL;
	*r->todo_end = p;
	r->todo_end = &p->todo_next;
	r->waiting++;
}

void lg_pair_set(struct lg_roster *r, struct lg_pair *p, unsigned flags)
{
	unsigned news = flags & ~(unsigned)p->flags;

	r->active += (news & LG_F_WATCHING) != 0;
	r->subscribed += (news & LG_F_LYNC) != 0;
	p->flags |= (uint16_t)flags;
}

void lg_pair_clear(struct lg_roster *r, struct lg_pair *p, unsigned flags)
{
	unsigned olds = flags & p->flags;

	/* Of another generation they are not counted. */
	if (p->gen == r->gen) {
		r->active -= (olds & LG_F_WATCHING) != 0;
		r->subscribed -= (olds & LG_F_LYNC) != 0;
	}
	p->flags &= (uint16_t)~flags;
}

void lg_pair_wait(struct lg_roster *r, struct lg_pair *p,
		  struct lg_wait *list, uint64_t due)
{
	lg_pair_unwait(r, p);
	p->due = (uint32_t)due;
	p->wait_next = NULL;
	p->wait_at = list->end;
	*list->end = p;
	list->end = &p->wait_next;
}

void lg_pair_unwait(struct lg_roster *r, struct lg_pair *p)
{
	if (!p->wait_at)
		return;
	*p->wait_at = p->wait_next;
	if (p->wait_next)
		p->wait_next->wait_at = p->wait_at;
	else if (r->probed.end == &p->wait_next)
		r->probed.end = p->wait_at;
	else
		r->stale.end = p->wait_at;
	p->wait_at = NULL;
	p->wait_next = NULL;
}

void lg_user_dirty(struct lg_roster *r, struct lg_name *user)
{
	if (user->dirty)
		return;
	user->dirty = true;
	user->u.user.dirty_next = NULL;
	*r->dirty_end = user;
	r->dirty_end = &user->u.user.dirty_next;
	r->dirty++;
}

void lg_pair_dirty(struct lg_roster *r, struct lg_pair *p)
{
	lg_user_dirty(r, p->user);
}
