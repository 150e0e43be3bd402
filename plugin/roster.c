/*
 * roster.c: who watches whom: the table, and who may see what.
 * SPDX-License-Identifier: MIT
 */
#include "roster.h"

#include <stdlib.h>

#include "roster_priv.h"

static int tables_init(struct lg_roster *r)
{
	if (sb_table_init(&r->pairs) || sb_table_init(&r->contacts) ||
	    sb_table_init(&r->users) || sb_table_init(&r->budgets))
		return LG_ENOMEM;
	return LG_OK;
}

int lg_roster_new(struct lg_roster **rp, const struct lg_roster_limits *limits,
		  uint64_t now)
{
	struct lg_roster *r = calloc(1, sizeof(*r));

	if (!r)
		return LG_ENOMEM;
	r->limits = *limits;
	if (!r->limits.pairs)
		r->limits.pairs = LG_ROSTER_PAIRS;
	r->bytes = sizeof(*r);
	memcpy(r->key.k, limits->key, sizeof(r->key.k));
	r->todo_end = &r->todo_first;
	r->dirty_end = &r->dirty_first;
	r->probed.end = &r->probed.first;
	r->stale.end = &r->stale.first;
	r->gen = 1;
	r->hour = now / 3600;
	/* What was told in an earlier life is as unsure as after a loss. */
	r->lost_at = now;
	r->lost_due = now + LG_ROSTER_STALE_WAIT;
	if (tables_init(r)) {
		lg_roster_free(r);
		return LG_ENOMEM;
	}
	*rp = r;
	return LG_OK;
}

static void free_all(struct lg_roster *r)
{
	for (size_t i = 0; i <= r->pairs.mask; i++) {
		while (r->pairs.chain[i])
			lg_pair_free(r, (struct lg_pair *)r->pairs.chain[i]);
	}
	r->saving = NULL;
	for (size_t i = 0; i <= r->users.mask; i++) {
		while (r->users.chain[i]) {
			struct lg_name *user =
				(struct lg_name *)r->users.chain[i];

			user->dirty = false;
			lg_user_drop(r, user);
		}
	}
	lg_budgets_free(r);
}

void lg_roster_free(struct lg_roster *r)
{
	if (!r)
		return;
	if (r->budgets.chain)
		free_all(r);
	sb_table_fini(&r->pairs);
	sb_table_fini(&r->contacts);
	sb_table_fini(&r->users);
	sb_table_fini(&r->budgets);
	free(r);
}

int lg_roster_load(struct lg_roster *r, struct sb_str contact,
		   struct sb_str user, struct sb_str record, uint64_t now)
{
	struct lg_pair read = {.gen = 0}, *p;
	struct lg_ends e;
	int err = lg_record_read(&read, record);

	(void)now;
	if (!err)
		err = lg_ends_of(&e, contact, user);
	if (!err && !lg_pair_kept(&read))
		err = LG_EINVAL;
	if (!err)
		err = lg_pair_get(&p, r, &e);
	if (err)
		return err;
	p->in = read.in;
	p->out = read.out;
	p->listed = read.listed;
	p->asked = read.asked;
	if (p->out == LG_OUT_ASKED)
		p->flags |= LG_F_LOST;
	/* It may have been shown as available before we were there. */
	if (p->in == LG_IN_ACTIVE)
		p->flags |= LG_F_SHOWN | LG_F_STALE;
	if (r->up)
		lg_pair_todo(r, p, LG_T_SYNC);
	return LG_OK;
}

/* -------------------------------------------------------------- judging -- */

bool lg_pair_listed(const struct lg_pair *p, const struct lg_settings *s,
		    uint64_t now, uint32_t *left)
{
	uint32_t days = s->gateway.contact_authorization_days;
	uint16_t day = lg_day(now);

	*left = days;
	if (lg_pair_has(p, LG_F_LYNC))
		return true;
	if (!p->listed)
		return false;
	/* The clock was set back. */
	if (p->listed > day)
		return true;
	if ((uint32_t)(day - p->listed) > days)
		return false;
	*left = days - (uint32_t)(day - p->listed);
	return true;
}

void lg_roster_judge(struct lg_verdict *v, const struct lg_settings *s,
		     struct sb_str contact, struct sb_str user, bool listed)
{
	struct lg_facts f = {
		.direction = LG_IN,
		.kind = LG_PRESENCE,
		.contact = contact,
		.user = user,
		.listed = listed,
	};

	v->err = lg_may(&v->d, s, &f);
	if (!v->err && v->d.reply_only)
		v->err = LG_EUNLISTED;
	v->sees = !v->err;
	v->verified = v->d.verified;
	v->notes = v->d.partner && v->d.partner->type == LG_FEDERATED;
	v->reach = v->sees || v->err == LG_EUSER || v->err == LG_EUNLISTED;
}

void lg_pair_judge(struct lg_verdict *v, const struct lg_settings *s,
		   const struct lg_pair *p, uint64_t now)
{
	uint32_t left;

	lg_roster_judge(v, s, lg_name_text(p->contact), lg_name_text(p->user),
			lg_pair_listed(p, s, now, &left));
}

bool lg_pair_wants(const struct lg_pair *p, const struct lg_verdict *v)
{
	return p->in != LG_IN_NONE && v->sees && !lg_pair_has(p, LG_F_SLEEPS);
}

bool lg_pair_unsynced(const struct lg_pair *p, const struct lg_verdict *v)
{
	bool watching = lg_pair_has(p, LG_F_WATCHING);

	if (!lg_pair_wants(p, v))
		return watching;
	return !watching || lg_pair_has(p, LG_F_NOTES) != v->notes ||
	       lg_pair_has(p, LG_F_VERIFIED) != v->verified;
}

/* A refused one stays for an hour, so that one can ask why. */
bool lg_pair_of_use(const struct lg_pair *p)
{
	return lg_pair_kept(p) || lg_pair_has(p, LG_F_WATCHING | LG_F_LYNC) ||
	       p->watch == SB_WATCH_REFUSED;
}

bool lg_pair_holds(const struct lg_roster *r, const struct lg_pair *p,
		   const struct lg_verdict *v)
{
	if (p->in != LG_IN_ACTIVE || !lg_pair_wants(p, v))
		return false;
	if (lg_pair_has(p, LG_F_STALE))
		return true;
	return !lg_pair_has(p, LG_F_SHOWN) && p->presence == SB_PR_UNKNOWN &&
	       r->up && p->watch != SB_WATCH_FAILING;
}

enum sb_presence lg_pair_visible(const struct lg_pair *p,
				 const struct lg_verdict *v)
{
	if (p->in != LG_IN_ACTIVE || !v->sees || lg_pair_has(p, LG_F_SLEEPS))
		return SB_PR_OFFLINE;
	return (enum sb_presence)p->presence;
}

void lg_pair_seen(struct lg_roster *r, struct lg_pair *p)
{
	if (lg_pair_has(p, LG_F_PROBED)) {
		lg_pair_unwait(r, p);
		lg_pair_clear(r, p, LG_F_PROBED);
		lg_pair_todo(r, p, LG_T_GOON);
	}
	if (lg_pair_has(p, LG_F_SLEEPS)) {
		lg_pair_clear(r, p, LG_F_SLEEPS);
		lg_pair_todo(r, p, LG_T_SYNC);
	}
}

bool lg_roster_listed(const struct lg_roster *r, const struct lg_settings *s,
		      struct sb_str contact, struct sb_str user,
		      uint64_t now)
{
	struct lg_ends e;
	struct lg_pair *p;
	uint32_t left;

	if (lg_ends_of(&e, contact, user))
		return false;
	/* Touching is no change that anybody could see. */
	p = lg_pair_find((struct lg_roster *)r, &e);
	return p && lg_pair_listed(p, s, now, &left);
}

bool lg_roster_end(struct lg_roster *r, struct sb_str contact,
		   struct sb_str user, bool in, bool out)
{
	struct lg_ends e;
	struct lg_pair *p;

	if (lg_ends_of(&e, contact, user))
		return false;
	p = lg_pair_find(r, &e);
	if (!p)
		return false;
	if (in && p->in != LG_IN_NONE) {
		p->in = LG_IN_NONE;
		lg_pair_todo(r, p, LG_T_SYNC | LG_T_SHOW | LG_T_UNSUBSCRIBED);
	}
	if (out) {
		if (p->out == LG_OUT_ASKED || p->out == LG_OUT_GRANTED)
			lg_pair_todo(r, p, LG_T_UNSUBSCRIBE);
		p->out = LG_OUT_NONE;
		p->listed = 0;
		p->asked = 0;
		lg_slot_drop(r, p, SB_NOSTR);
		lg_pair_todo(r, p, LG_T_SYNC | LG_T_REJECT);
	}
	lg_pair_dirty(r, p);
	return true;
}

/* --------------------------------------------------- saving and showing -- */

bool lg_roster_dirty_next(struct lg_roster *r, struct sb_str *user)
{
	struct lg_name *saved = r->saving, *next = r->dirty_first;

	r->saving = NULL;
	if (saved)
		lg_user_drop(r, saved);
	if (!next)
		return false;
	r->dirty_first = next->u.user.dirty_next;
	if (!r->dirty_first)
		r->dirty_end = &r->dirty_first;
	next->dirty = false;
	r->dirty--;
	r->saving = next;
	*user = lg_name_text(next);
	return true;
}

int lg_roster_dirty_again(struct lg_roster *r, struct sb_str user)
{
	char buf[LG_JID_MAX];
	struct lg_name *name;
	int err = lg_jid_canon(&user, buf, sizeof(buf), user);

	if (!err)
		err = lg_user_get(&name, r, user);
	if (!err)
		lg_user_dirty(r, name);
	return err;
}

bool lg_roster_pair_of(struct lg_roster *r, struct sb_str user,
		       const void **cursor, struct sb_str *contact,
		       char record[LG_RECORD_MAX])
{
	const struct lg_pair *p = *cursor;
	char buf[LG_JID_MAX];
	struct lg_name *name;

	if (p) {
		p = p->user_next;
	}
	else {
		if (lg_jid_canon(&user, buf, sizeof(buf), user))
			return false;
		name = lg_user_find(r, user);
		p = name ? name->u.user.first : NULL;
	}
	while (p && !lg_pair_kept(p))
		p = p->user_next;
	if (!p)
		return false;
	*cursor = p;
	*contact = lg_name_text(p->contact);
	lg_record_write(record, p);
	return true;
}

static size_t table_bytes(const struct sb_table *t)
{
	return (t->mask + 1) * sizeof(t->chain[0]);
}

void lg_roster_count(const struct lg_roster *r, uint64_t now,
		     struct lg_roster_count *c)
{
	*c = (struct lg_roster_count){
		.pairs = r->pairs.n,
		.contacts = r->contacts.n,
		.users = r->users.n,
		.active = r->active,
		.subscribed = r->subscribed,
		.waiting = r->waiting,
		.dirty = r->dirty,
		.partners = r->budgets.n,
		.quarantined = lg_budgets_quarantined(r, now),
		.table_bytes = table_bytes(&r->pairs) +
			       table_bytes(&r->contacts) +
			       table_bytes(&r->users) +
			       table_bytes(&r->budgets),
	};
	c->bytes = r->bytes + c->table_bytes;
}
