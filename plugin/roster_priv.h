/*
 * roster_priv.h: what the files of the roster share, and nobody else.
 * SPDX-License-Identifier: MIT
 *
 * A pair has flags (what the outside was told, as far as we know) and a set of
 * things to do; with any it stands in the queue, which lg_roster_next drains.
 * Nothing in the queue has memory of its own, so that saying something never
 * fails. A pair is freed only when it leaves the queue, a user only when it
 * leaves the list of those to be saved.
 *
 * When the worker dies everything that the bridge knew is gone: r->gen goes up,
 * and lg_pair_touch, which every way to a pair goes through, takes the flags
 * back.
 */
#ifndef LG_ROSTER_PRIV_H
#define LG_ROSTER_PRIV_H

#include "../sipbridge/table.h"
#include "error.h"
#include "roster.h"

struct lg_text {
	uint16_t n;
	char p[];
};

/* A presence of a contact, seen by the users whose pair has its bit. */
struct lg_slot {
	struct lg_slot *next; /* the youngest first */
	uint32_t refs;	      /* pairs */
	uint8_t bit;
	uint8_t show; /* enum lg_show */
	int8_t priority;
	uint8_t lang_n;
	uint16_t resource_n;
	uint16_t status_n;
	char text[]; /* resource, status, lang */
};

/* A contact or a user. */
struct lg_name {
	struct sb_link link;
	struct lg_text *display; /* or NULL */
	union {
		struct lg_slot *slots; /* of a contact */
		struct {	       /* of a user */
			struct lg_pair *first;
			struct lg_name *dirty_next;
		} user;
	} u;
	uint32_t pairs;
	uint16_t n;
	bool dirty;
	char p[];
};

enum lg_flag {
	LG_F_WATCHING = 1 << 0, /* the bridge was told to watch, */
	LG_F_VERIFIED = 1 << 1, /* with this flag, */
	LG_F_NOTES = 1 << 2,	/* and this */
	LG_F_SLEEPS = 1 << 3,	/* it is not to, until the contact is seen */
	LG_F_LYNC = 1 << 4,	/* Lync subscribes to the contact */
	LG_F_SHOWN = 1 << 5,	/* the contact takes the user for available, */
	LG_F_NOTED = 1 << 6,	/* and knows the note */
	LG_F_STALE = 1 << 7,	/* that is unsure */
	LG_F_PROBED = 1 << 8,	/* we wait for an answer to our probe */
	LG_F_HEARD = 1 << 9,	/* the contact's state is known */
	LG_F_ASKS = 1 << 10,	/* the contact wants an answer to its probe,
				   which may be "unavailable" */
	LG_F_TOLD_NOTES = 1 << 11, /* Lync was told the contact's note */
	LG_F_QUEUED = 1 << 12,
	LG_F_LOST = 1 << 13, /* our question to the contact may be lost */
};

/* In the order in which they are done. */
enum lg_todo {
	LG_T_SYNC = 1 << 0, /* watch, or not */
	LG_T_GOON = 1 << 1, /* say WATCH again */
	LG_T_SUBSCRIBED = 1 << 2,
	LG_T_SHOW = 1 << 3, /* the user's presence to the contact */
	LG_T_UNSUBSCRIBED = 1 << 4,
	LG_T_UNSUBSCRIBE = 1 << 5,
	LG_T_SUBSCRIBE = 1 << 6,
	LG_T_PROBE = 1 << 7,
	LG_T_TELL = 1 << 8, /* the contact's presence to Lync */
	LG_T_REJECT = 1 << 9,
};

struct lg_pair {
	struct sb_link link;
	struct lg_name *contact;
	struct lg_name *user;
	struct lg_pair *user_next, **user_at; /* of the same user */
	struct lg_pair *wait_next, **wait_at; /* in a list of waiting ones */
	struct lg_pair *todo_next;
	struct lg_text *note; /* user's, or NULL */
	uint32_t due;	      /* end of the wait, s */
	uint32_t slots;	      /* bits of the contact's slots */
	uint16_t gen;
	uint16_t flags;
	uint16_t todo;
	uint16_t listed; /* day, 0: never */
	uint16_t asked;	 /* day */
	uint16_t status; /* of the watch */
	uint8_t watch;	 /* enum sb_watch_state */
	uint8_t in, out; /* enum lg_in, lg_out */
	uint8_t presence; /* enum sb_presence: of the user */
};

/* First in, first out; all of a list wait equally long. */
struct lg_wait {
	struct lg_pair *first, **end;
};

/* Reasons to look at every pair. */
enum lg_sweep {
	LG_SWEEP_SYNC = 1,  /* worker ready, settings changed */
	LG_SWEEP_STALE = 2, /* what is unsure since the loss is too old */
	LG_SWEEP_CARE = 4,  /* each hour: what has lapsed */
};

struct lg_budget {
	struct sb_link link;
	uint64_t outcomes; /* bit: failed; the last one is bit 0 */
	uint64_t until;	   /* end of the quarantine, or 0 */
	uint64_t hour;
	uint64_t *users; /* hashes, a hash table; NULL: none */
	uint32_t users_n;
	uint32_t users_size; /* a power of two */
	uint32_t subscriptions;
	uint8_t outcomes_n;
	uint8_t n;
	char domain[];
};

struct lg_roster {
	struct lg_roster_limits limits;
	size_t bytes;
	struct sb_table pairs, contacts, users, budgets;
	struct sb_hash_key key;
	size_t active, subscribed, waiting, dirty;
	struct lg_pair *todo_first, **todo_end;
	struct lg_name *dirty_first, **dirty_end;
	struct lg_name *saving; /* given by lg_roster_dirty_next */
	struct lg_wait probed, stale;
	bool up;
	uint16_t gen;
	uint64_t lost_at;  /* the worker, with all watches; 0: not */
	uint64_t lost_due; /* end of the doubt that this made */
	uint64_t hour;
	unsigned sweep; /* enum lg_sweep */
	size_t sweep_at, sweep_mask;
};

/* ------------------------------------------------ memory (roster_pair.c) -- */

void *lg_roster_alloc(struct lg_roster *r, size_t n);
void lg_roster_release(struct lg_roster *r, void *p, size_t n);

/* *at becomes a copy of s, cut at a character to max bytes; empty: NULL. When
 * memory is out it becomes NULL too. True: it is another text now. */
bool lg_text_set(struct lg_roster *r, struct lg_text **at, struct sb_str s,
		 size_t max);
struct sb_str lg_text_get(const struct lg_text *t);
struct sb_str lg_text_cut(struct sb_str s, size_t max);
struct sb_str lg_name_text(const struct lg_name *name);

/* LG_EBADJID, LG_ETOOLONG. */
int lg_ends_of(struct lg_ends *e, struct sb_str contact, struct sb_str user);

/* NULL when there is none. */
struct lg_pair *lg_pair_find(struct lg_roster *r, const struct lg_ends *e);
struct lg_name *lg_user_find(const struct lg_roster *r, struct sb_str user);

/* Find or make. LG_EFULL, LG_ENOMEM. */
int lg_pair_get(struct lg_pair **pp, struct lg_roster *r,
		const struct lg_ends *e);
int lg_user_get(struct lg_name **np, struct lg_roster *r, struct sb_str user);
void lg_pair_free(struct lg_roster *r, struct lg_pair *p);
void lg_user_drop(struct lg_roster *r, struct lg_name *user);

/* What was told before the worker died holds no more. */
void lg_pair_touch(struct lg_roster *r, struct lg_pair *p);
void lg_pair_todo(struct lg_roster *r, struct lg_pair *p, unsigned todo);
void lg_pair_set(struct lg_roster *r, struct lg_pair *p, unsigned flags);
void lg_pair_clear(struct lg_roster *r, struct lg_pair *p, unsigned flags);
void lg_pair_wait(struct lg_roster *r, struct lg_pair *p,
		  struct lg_wait *list, uint64_t due);
void lg_pair_unwait(struct lg_roster *r, struct lg_pair *p);
void lg_pair_dirty(struct lg_roster *r, struct lg_pair *p);
void lg_user_dirty(struct lg_roster *r, struct lg_name *user);

/* Nothing is known of the user, for this contact. */
void lg_pair_forget(struct lg_roster *r, struct lg_pair *p);

static inline bool lg_pair_has(const struct lg_pair *p, unsigned flags)
{
	return (p->flags & flags) != 0;
}

/* To be saved: it is on record. */
static inline bool lg_pair_kept(const struct lg_pair *p)
{
	return p->in != LG_IN_NONE || p->out != LG_OUT_NONE || p->listed;
}

/* --------------------------------------------------- judging (roster.c) -- */

static inline uint16_t lg_day(uint64_t now)
{
	uint64_t day = now / 86400;

	return day < UINT16_MAX ? (uint16_t)(day ? day : 1) : UINT16_MAX;
}

/* The contact list has it, until so many days from now. */
bool lg_pair_listed(const struct lg_pair *p, const struct lg_settings *s,
		    uint64_t now, uint32_t *left);

struct lg_verdict {
	int err;    /* of lg_may, or LG_OK */
	bool sees;  /* the contact may see the user */
	bool notes; /* and each the other's notes */
	bool verified;
	bool reach; /* a stanza may go to the contact */
	struct lg_decision d;
};
void lg_pair_judge(struct lg_verdict *v, const struct lg_settings *s,
		   const struct lg_pair *p, uint64_t now);
void lg_roster_judge(struct lg_verdict *v, const struct lg_settings *s,
		     struct sb_str contact, struct sb_str user, bool listed);

/* The bridge is to be told: to watch, with other flags, or not to watch. */
bool lg_pair_unsynced(const struct lg_pair *p, const struct lg_verdict *v);
bool lg_pair_wants(const struct lg_pair *p, const struct lg_verdict *v);

/* It has a reason to be there. */
bool lg_pair_of_use(const struct lg_pair *p);

/* What the contact was told stands until more is known. */
bool lg_pair_holds(const struct lg_roster *r, const struct lg_pair *p,
		   const struct lg_verdict *v);

/* What the contact has to know of the user now. */
enum sb_presence lg_pair_visible(const struct lg_pair *p,
				 const struct lg_verdict *v);

void lg_pair_row(struct lg_row *row, const struct lg_pair *p);

/* The contact has shown that it is there. */
void lg_pair_seen(struct lg_roster *r, struct lg_pair *p);

void lg_roster_sweep(struct lg_roster *r, unsigned why);

/* ------------------------------------------- resources (roster_slot.c) -- */

/* The contact's resource is as st says, for this user; without memory, or with
 * too many of them, it is unknown. True: Lync has to hear of it. */
bool lg_slot_put(struct lg_roster *r, struct lg_pair *p,
		 struct sb_str resource, const struct lg_stanza *st);
/* It is gone; an empty one: all are. */
bool lg_slot_drop(struct lg_roster *r, struct lg_pair *p,
		  struct sb_str resource);
const struct lg_slot *lg_slot_best(const struct lg_pair *p);
struct sb_str lg_slot_status(const struct lg_slot *slot);
struct sb_str lg_slot_lang(const struct lg_slot *slot);

/* ----------------------------------------------- limits (roster_limit.c) -- */

/* May this partner begin another subscription, and address the user? Counts
 * it. */
int lg_budget_subscribe(struct lg_roster *r, const struct lg_settings *s,
			const struct lg_partner *partner, struct sb_str user,
			uint64_t now);
bool lg_budget_outcome(struct lg_roster *r, const struct lg_partner *partner,
		       int status, uint64_t now);
uint32_t lg_budget_quarantine(const struct lg_roster *r,
			      const struct lg_partner *partner, uint64_t now);
/* LG_OK, or what lg_roster_may_address would say; counts nothing. */
int lg_budget_peek(const struct lg_roster *r, const struct lg_settings *s,
		   const struct lg_partner *partner, struct sb_str user,
		   uint64_t now);
void lg_budgets_care(struct lg_roster *r, uint64_t now);
void lg_budgets_free(struct lg_roster *r);
size_t lg_budgets_quarantined(const struct lg_roster *r, uint64_t now);

/* -------------------------------------------- records (roster_record.c) -- */

void lg_record_write(char record[LG_RECORD_MAX], const struct lg_pair *p);
/* Of p: in, out, listed, asked. LG_EINVAL. */
int lg_record_read(struct lg_pair *p, struct sb_str record);

/* --------------------------------------------- effects (roster_effect.c) -- */

void lg_fx_add(struct lg_effects *fx, struct lg_effect e);
/* What Lync is to know of the contact; false: nobody asks. */
bool lg_fx_tell(struct lg_effect *fx, struct lg_roster *r, struct lg_pair *p,
		const struct lg_verdict *v);

#endif
