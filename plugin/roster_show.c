/*
 * roster_show.c: rows for people, and why something is as it is.
 * SPDX-License-Identifier: MIT
 */
#include "roster_priv.h"

static size_t bits(uint32_t v)
{
	size_t n = 0;

	for (; v; v &= v - 1)
		n++;
	return n;
}

void lg_pair_row(struct lg_row *row, const struct lg_pair *p)
{
	const struct lg_slot *best = lg_slot_best(p);

	*row = (struct lg_row){
		.contact = lg_name_text(p->contact),
		.user = lg_name_text(p->user),
		.in = (enum lg_in)p->in,
		.out = (enum lg_out)p->out,
		.user_presence = lg_pair_has(p, LG_F_SHOWN)
					 ? (enum sb_presence)p->presence
					 : SB_PR_OFFLINE,
		.contact_presence = lg_presence_of_show(
			best ? (enum lg_show)best->show : LG_SHOW_UNAVAILABLE),
		.resources = bits(p->slots),
		.watching = lg_pair_has(p, LG_F_WATCHING),
		.sleeps = lg_pair_has(p, LG_F_SLEEPS),
		.stale = lg_pair_has(p, LG_F_STALE),
		.subscribed = lg_pair_has(p, LG_F_LYNC),
		.watch = (enum sb_watch_state)p->watch,
		.status = p->status,
		.listed_day = p->listed,
		.asked_day = p->asked,
	};
}

size_t lg_roster_rows(const struct lg_roster *r, size_t *cursor,
		      struct lg_row *v, size_t max)
{
	size_t n = 0, in_chain;
	struct sb_link *l;

	while (*cursor <= r->pairs.mask) {
		in_chain = 0;
		for (l = r->pairs.chain[*cursor]; l; l = l->next)
			in_chain++;
		/* A chain that is longer than max is shown in part. */
		if (n > 0 && in_chain > max - n)
			break;
		for (l = r->pairs.chain[*cursor]; l && n < max; l = l->next) {
			struct lg_pair *p = (struct lg_pair *)l;

			lg_pair_touch((struct lg_roster *)r, p);
			lg_pair_row(&v[n++], p);
		}
		++*cursor;
		if (n == max)
			break;
	}
	return n;
}

/* ----------------------------------------------------------------- why -- */

struct why {
	const char *token, *remedy;
};

/* Of an error that concerns the partner, the user or the address. */
static struct why of_err(int err)
{
	struct why why = {lg_err_name(err), "none"};

	if (err == LG_ENOTPARTNER)
		why.remedy = "add-partner";
	else if (err == LG_EDISABLED || err == LG_EUNUSABLE)
		why.remedy = "repair-settings";
	else if (err == LG_EUSER)
		why.remedy = "grant-policy";
	else if (err == LG_EUNLISTED)
		why.remedy = "user-adds-contact";
	else if (err == LG_ERECIPIENTS || err == LG_EQUARANTINED)
		why.remedy = "wait";
	return why;
}

static struct why sees_user(const struct lg_roster *r,
			    const struct lg_explanation *e, int err)
{
	const struct lg_row *row = &e->row;

	if (err)
		return of_err(err);
	if (!e->known || row->in == LG_IN_NONE)
		return (struct why){"not-subscribed", "contact-subscribes"};
	if (!r->up)
		return (struct why){"bridge-down", "wait"};
	if (row->sleeps)
		return (struct why){"dormant", "contact-appears"};
	if (row->watch == SB_WATCH_FAILING)
		return (struct why){"failing", "wait"};
	if (row->in == LG_IN_PENDING || row->watch != SB_WATCH_ACTIVE)
		return (struct why){"waiting", "wait"};
	return (struct why){"active", "none"};
}

static struct why sees_contact(const struct lg_explanation *e, int err)
{
	const struct lg_row *row = &e->row;

	if (err && err != LG_EUNLISTED)
		return of_err(err);
	if (!e->known || row->out == LG_OUT_NONE)
		return (struct why){"not-subscribed", "user-adds-contact"};
	if (row->out == LG_OUT_ASKED)
		return (struct why){"asked", "contact-approves"};
	if (row->out == LG_OUT_DENIED)
		return (struct why){"denied", "user-adds-contact"};
	if (!row->subscribed)
		return (struct why){"no-watcher", "user-appears"};
	if (row->resources == 0)
		return (struct why){"offline", "contact-appears"};
	return (struct why){"active", "none"};
}

static struct why messages(const struct lg_explanation *e, int err, int limit)
{
	if (err && err != LG_EUNLISTED)
		return of_err(err);
	if (limit)
		return of_err(limit);
	if (err)
		return (struct why){"reply-only", "user-adds-contact"};
	if (e->partner && e->partner->type == LG_PUBLIC_UNVERIFIED)
		return (struct why){"listed", "none"};
	return (struct why){"allowed", "none"};
}

static void explain(struct lg_explanation *e, const struct lg_roster *r,
		    const struct lg_settings *s, const struct lg_ends *ends,
		    uint64_t now)
{
	struct lg_verdict v;
	struct why why;
	int limit = LG_OK;

	lg_roster_judge(&v, s, ends->contact, ends->user, e->listed);
	e->partner = v.d.partner;
	e->policy = v.d.policy;
	if (v.d.partner) {
		e->quarantine = lg_budget_quarantine(r, v.d.partner, now);
		limit = lg_budget_peek(r, s, v.d.partner, ends->user, now);
	}
	why = sees_user(r, e, v.err);
	e->sees_user = why.token;
	e->sees_user_remedy = why.remedy;
	why = sees_contact(e, v.err);
	e->sees_contact = why.token;
	e->sees_contact_remedy = why.remedy;
	why = messages(e, v.err, limit);
	e->messages = why.token;
	e->messages_remedy = why.remedy;
}

int lg_roster_explain(struct lg_explanation *e, struct lg_roster *r,
		      const struct lg_settings *s, struct sb_str contact,
		      struct sb_str user, uint64_t now)
{
	struct lg_ends ends;
	struct lg_pair *p;
	int err = lg_ends_of(&ends, contact, user);

	if (err)
		return err;
	*e = (struct lg_explanation){.known = false};
	p = lg_pair_find(r, &ends);
	if (p) {
		e->known = true;
		lg_pair_row(&e->row, p);
		e->listed = lg_pair_listed(p, s, now, &e->listed_left);
		if (!e->listed)
			e->listed_left = 0;
	}
	explain(e, r, s, &ends, now);
	return LG_OK;
}
