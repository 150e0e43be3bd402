/*
 * roster_limit.c: what the contacts of one partner may ask of Lync.
 * SPDX-License-Identifier: MIT
 *
 * Lync's Edge slows down, and then blocks, a peer that addresses many users or
 * mostly fails (reliability.md F8): one partner shall not bring that upon all.
 */
#include "roster_priv.h"

static struct lg_budget *find(const struct lg_roster *r, struct sb_str domain,
			      uint64_t hash)
{
	struct sb_link *l;

	for (l = sb_table_find(&r->budgets, hash); l; l = sb_table_again(l)) {
		struct lg_budget *b = (struct lg_budget *)l;

		if (sb_str_eq((struct sb_str){b->domain, b->n}, domain))
			return b;
	}
	return NULL;
}

static struct lg_budget *peek(const struct lg_roster *r,
			      const struct lg_partner *partner)
{
	struct sb_str domain = partner->ascii;

	return find(r, domain, sb_hash(&r->key, domain.p, domain.n));
}

static struct lg_budget *get(struct lg_roster *r,
			     const struct lg_partner *partner)
{
	struct sb_str domain = partner->ascii;
	struct lg_budget *b = peek(r, partner);

	if (b || domain.n > UINT8_MAX)
		return b;
	b = lg_roster_alloc(r, sizeof(*b) + domain.n);
	if (!b)
		return NULL;
	b->n = (uint8_t)domain.n;
	memcpy(b->domain, domain.p, domain.n);
	sb_table_add(&r->budgets, &b->link,
		     sb_hash(&r->key, domain.p, domain.n));
	return b;
}

static void users_free(struct lg_roster *r, struct lg_budget *b)
{
	lg_roster_release(r, b->users,
			  b->users_size * sizeof(b->users[0]));
	b->users = NULL;
	b->users_n = 0;
	b->users_size = 0;
}

static void turn(struct lg_roster *r, struct lg_budget *b, uint64_t now)
{
	if (b->hour == now / 3600)
		return;
	b->hour = now / 3600;
	b->subscriptions = 0;
	users_free(r, b);
}

static uint64_t *place(uint64_t *users, uint32_t size, uint64_t hash)
{
	uint32_t i = (uint32_t)hash & (size - 1);

	while (users[i] && users[i] != hash)
		i = (i + 1) & (size - 1);
	return &users[i];
}

static int grow(struct lg_roster *r, struct lg_budget *b)
{
	uint32_t size = b->users_size ? b->users_size * 2 : 16, i;
	uint64_t *users = lg_roster_alloc(r, size * sizeof(users[0]));

	if (!users)
		return LG_ENOMEM;
	for (i = 0; i < b->users_size; i++) {
		if (b->users[i])
			*place(users, size, b->users[i]) = b->users[i];
	}
	lg_roster_release(r, b->users, b->users_size * sizeof(users[0]));
	b->users = users;
	b->users_size = size;
	return LG_OK;
}

static uint64_t user_hash(const struct lg_roster *r, struct sb_str user)
{
	uint64_t hash = sb_hash(&r->key, user.p, user.n);

	return hash ? hash : 1; /* 0 is a free place */
}

/* A clock that was set back does not prolong it. */
static bool quarantined(const struct lg_budget *b, uint64_t now)
{
	return b->until > now && b->until - now <= LG_ROSTER_QUARANTINE;
}

/* Is there room for this user? add: and take it. */
static int address(struct lg_roster *r, struct lg_budget *b, uint32_t limit,
		   struct sb_str user, bool add)
{
	uint64_t hash = user_hash(r, user);

	if (b->users_size && *place(b->users, b->users_size, hash))
		return LG_OK;
	if (b->users_n >= limit)
		return LG_ERECIPIENTS;
	if (!add)
		return LG_OK;
	if (b->users_n >= b->users_size / 2 && grow(r, b))
		return LG_ENOMEM;
	*place(b->users, b->users_size, hash) = hash;
	b->users_n++;
	return LG_OK;
}

static int may(struct lg_budget **bp, struct lg_roster *r,
	       const struct lg_settings *s, const struct lg_partner *partner,
	       struct sb_str user, uint64_t now)
{
	struct lg_budget *b = get(r, partner);

	if (!b)
		return LG_ENOMEM;
	turn(r, b, now);
	*bp = b;
	if (quarantined(b, now))
		return LG_EQUARANTINED;
	return address(r, b, s->gateway.partner_recipient_limit, user, false);
}

int lg_budget_subscribe(struct lg_roster *r, const struct lg_settings *s,
			const struct lg_partner *partner, struct sb_str user,
			uint64_t now)
{
	struct lg_budget *b;
	int err = may(&b, r, s, partner, user, now);

	if (!err &&
	    b->subscriptions >= s->gateway.partner_subscription_limit)
		err = LG_ESUBSCRIPTIONS;
	if (!err)
		err = address(r, b, s->gateway.partner_recipient_limit, user,
			      true);
	if (!err)
		b->subscriptions++;
	return err;
}

int lg_roster_may_address(struct lg_roster *r, const struct lg_settings *s,
			  struct sb_str contact, struct sb_str user,
			  uint64_t now)
{
	const struct lg_partner *partner;
	struct lg_budget *b;
	struct lg_ends e;
	struct lg_jid jid;
	int err = lg_ends_of(&e, contact, user);

	if (!err)
		err = lg_jid_split(&jid, e.contact);
	if (err)
		return err;
	partner = lg_partners_find(&s->partners, jid.domain);
	if (!partner)
		return LG_ENOTPARTNER;
	err = may(&b, r, s, partner, e.user, now);
	if (err)
		return err;
	return address(r, b, s->gateway.partner_recipient_limit, e.user, true);
}

int lg_budget_peek(const struct lg_roster *r, const struct lg_settings *s,
		   const struct lg_partner *partner, struct sb_str user,
		   uint64_t now)
{
	struct lg_budget *b = peek(r, partner);

	if (!b)
		return LG_OK;
	if (quarantined(b, now))
		return LG_EQUARANTINED;
	if (b->hour != now / 3600)
		return LG_OK;
	/* Without adding it changes nothing. */
	return address((struct lg_roster *)r, b,
		       s->gateway.partner_recipient_limit, user, false);
}

/* ------------------------------------------------------------- breaker -- */

/* 1: failed, 0: went well, -1: says nothing about the sender. */
static int failed(int status)
{
	switch (status) {
	case 403:
	case 404:
	case 410:
	case 484:
	case 485:
	case 489:
	case 603:
	case 604:
		return 1;
	default:
		return status >= 200 && status < 300 ? 0 : -1;
	}
}

static unsigned failures(uint64_t outcomes)
{
	unsigned n = 0;

	for (; outcomes; outcomes &= outcomes - 1)
		n++;
	return n;
}

bool lg_budget_outcome(struct lg_roster *r, const struct lg_partner *partner,
		       int status, uint64_t now)
{
	struct lg_budget *b;
	int bad = failed(status);

	if (bad < 0)
		return false;
	b = get(r, partner);
	if (!b)
		return false;
	turn(r, b, now);
	b->outcomes = (b->outcomes << 1 | (uint64_t)bad) &
		      ((UINT64_C(1) << LG_ROSTER_OUTCOMES) - 1);
	if (b->outcomes_n < LG_ROSTER_OUTCOMES)
		b->outcomes_n++;
	if (b->outcomes_n < LG_ROSTER_OUTCOMES ||
	    failures(b->outcomes) * 2 <= LG_ROSTER_OUTCOMES)
		return false;
	b->outcomes = 0;
	b->outcomes_n = 0;
	b->until = now + LG_ROSTER_QUARANTINE;
	return true;
}

bool lg_roster_outcome(struct lg_roster *r, const struct lg_settings *s,
		       struct sb_str contact, int status, uint64_t now)
{
	const struct lg_partner *partner;
	struct lg_jid jid;

	if (lg_jid_split(&jid, contact))
		return false;
	partner = lg_partners_find(&s->partners, jid.domain);
	return partner && lg_budget_outcome(r, partner, status, now);
}

uint32_t lg_budget_quarantine(const struct lg_roster *r,
			      const struct lg_partner *partner, uint64_t now)
{
	const struct lg_budget *b = peek(r, partner);

	return b && quarantined(b, now) ? (uint32_t)(b->until - now) : 0;
}

/* ---------------------------------------------------------------- memory -- */

static void drop(struct lg_roster *r, struct lg_budget *b)
{
	users_free(r, b);
	sb_table_remove(&r->budgets, &b->link);
	lg_roster_release(r, b, sizeof(*b) + b->n);
}

/* Each hour: what the last one counted is of no use any more. */
void lg_budgets_care(struct lg_roster *r, uint64_t now)
{
	for (size_t i = 0; i <= r->budgets.mask; i++) {
		struct sb_link *l, *next;

		for (l = r->budgets.chain[i]; l; l = next) {
			struct lg_budget *b = (struct lg_budget *)l;

			next = l->next;
			if (b->hour == now / 3600)
				continue;
			if (b->hour + 1 == now / 3600 || quarantined(b, now))
				users_free(r, b);
			else
				drop(r, b);
		}
	}
}

void lg_budgets_free(struct lg_roster *r)
{
	for (size_t i = 0; i <= r->budgets.mask; i++) {
		while (r->budgets.chain[i])
			drop(r, (struct lg_budget *)r->budgets.chain[i]);
	}
}

size_t lg_budgets_quarantined(const struct lg_roster *r, uint64_t now)
{
	size_t n = 0;

	for (size_t i = 0; i <= r->budgets.mask; i++) {
		for (struct sb_link *l = r->budgets.chain[i]; l; l = l->next)
			n += quarantined((struct lg_budget *)l, now);
	}
	return n;
}
