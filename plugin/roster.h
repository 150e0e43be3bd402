/*
 * roster.h: who watches whom between XMPP contacts and Lync users, and what
 * each side is told about it.
 * SPDX-License-Identifier: MIT
 *
 * Purpose: the state machine of each pair (contact, Lync user): subscription
 *          and authorisation both ways, the Lync user's contact list, what the
 *          one was told of the other; trust, access policies and limits are
 *          asked here for everything that presence does.
 * Shape:   one struct per host, made for a million pairs: about 150 bytes a
 *          pair, names (each is there once) and tables included. No I/O, no
 *          clock, no randomness. Inputs change pairs; lg_roster_next gives
 *          what is to be said, one effect a call, made from the state of that
 *          moment: whatever changes faster than it is drained is said once,
 *          as it is last, and nothing is said that the settings of that moment
 *          forbid. The few effects that answer an input come in struct
 *          lg_effects, and are to be carried out before the others.
 * Names:   addresses go in as JIDs in any spelling (a resource of the contact
 *          is its resource, a user's is ignored) and come out as lg_jid_canon
 *          writes them: A-labels, lower case.
 * Units:   now is seconds since 1970. A clock that is set back or forth delays
 *          or hastens what is due, no more.
 * Limits:  LG_ROSTER_*, struct lg_roster_limits, and the settings'
 *          contact_authorization_days, partner_*_limit.
 * Owner:   the roster owns its memory; text of effects is the roster's (valid
 *          until its next call) or the input's. Settings are borrowed for the
 *          call.
 * Errors:  LG_ENOMEM and LG_EFULL leave everything as it was before; the peer
 *          is told to try again later.
 * Thread:  the caller's only.
 * Source:  product.md 3, 4, 6; interworking.md A11, F1..F40; RFC 6121 section
 *          3, 4, A.2, A.3; RFC 8048; lync-sip.md 3.5, 4.4; reliability.md T8,
 *          T15. docs/core.md has the decisions.
 */
#ifndef LG_ROSTER_H
#define LG_ROSTER_H

#include "../sipbridge/sipbridge.h"
#include "address.h"
#include "policy.h"

#define LG_ROSTER_PAIRS 1200000	  /* pairs, when the limits say 0 */
#define LG_ROSTER_RESOURCES 16	  /* of one contact that one user sees */
#define LG_ROSTER_SLOTS 32	  /* different ones of one contact */
#define LG_ROSTER_NOTE 1024	  /* bytes; longer ones are cut */
#define LG_ROSTER_DISPLAY 256	  /* bytes; longer ones are cut */
#define LG_ROSTER_PROBE_WAIT 30	  /* s for an answer before a refresh (A11) */
#define LG_ROSTER_STALE_WAIT 60	  /* s that what was shown may be unsure */
#define LG_ROSTER_STALE_MAX 600	  /* the same after a loss of the worker, when
				     the watches are renewed at watch_rate */
#define LG_ROSTER_OUTCOMES 50	  /* last ones that the breaker looks at */
#define LG_ROSTER_QUARANTINE 600  /* s, when more than half of them failed */
#define LG_ROSTER_STEP 1000	  /* pairs that lg_roster_tick looks at */
#define LG_RECORD_MAX 32	  /* bytes of a record with its NUL */

/* The contact's subscription to the user's presence. */
enum lg_in {
	LG_IN_NONE,
	LG_IN_PENDING, /* asked; Lync has not answered */
	LG_IN_ACTIVE,
};

/* The user's subscription to the contact's presence. */
enum lg_out {
	LG_OUT_NONE,
	LG_OUT_ASKED,	/* we sent "subscribe" */
	LG_OUT_GRANTED, /* the contact sent "subscribed" */
	LG_OUT_DENIED,	/* the contact sent "unsubscribed" */
};

/* <show/> of XMPP; ordered, the most available first, the last is none. */
enum lg_show {
	LG_SHOW_CHAT,
	LG_SHOW_NONE, /* available */
	LG_SHOW_DND,
	LG_SHOW_AWAY,
	LG_SHOW_XA,
	LG_SHOW_UNAVAILABLE,
};

/* Words, each ending with NULL: "none", "pending", "active"; "none", "asked",
 * "granted", "denied"; "chat", "available", ..., "unavailable"; of enum
 * sb_presence "unknown", "offline", ..., of enum sb_watch_state "none",
 * "active", ... */
extern const char *const lg_in_names[];
extern const char *const lg_out_names[];
extern const char *const lg_show_names[];
extern const char *const lg_presence_names[];
extern const char *const lg_watch_names[];

/* The mapping of lync-sip.md 3.5, either way; an unknown <show/> is none. */
enum lg_show lg_show_of_presence(enum sb_presence presence);
enum sb_presence lg_presence_of_show(enum lg_show show);
enum lg_show lg_show_find(struct sb_str text);

/* ------------------------------------------------------------- effects -- */

enum lg_fx_kind {
	/* for the bridge */
	LG_FX_WATCH = 1, /* flags, display: SB_REQ_WATCH */
	LG_FX_UNWATCH,
	LG_FX_TELL,   /* presence, note, lang, flags, display:
			 SB_REQ_PRESENCE */
	LG_FX_REJECT, /* err: why */
	LG_FX_ANSWER, /* id, status, diag, flags; err: why, or LG_OK */
	/* stanzas from the user to the contact */
	LG_FX_SUBSCRIBE, /* display: of the user */
	LG_FX_SUBSCRIBED,
	LG_FX_UNSUBSCRIBE,
	LG_FX_UNSUBSCRIBED, /* err, status: why, for the log */
	LG_FX_PROBE,
	LG_FX_PRESENCE, /* show, presence, note, display */
	LG_FX_ERROR,	/* err: lg_refusal says type and condition */
	LG_FX_KINDS,
};

/* "watch", "unwatch", "presence", ...; index enum lg_fx_kind. */
extern const char *const lg_fx_names[];

/* The stanza of this kind goes to the contact (else: to the bridge). */
static inline bool lg_fx_stanza(enum lg_fx_kind kind)
{
	return kind >= LG_FX_SUBSCRIBE;
}

struct lg_effect {
	enum lg_fx_kind kind;
	struct sb_str contact; /* bare */
	struct sb_str user;
	enum sb_presence presence;
	enum lg_show show;
	struct sb_str note;    /* or empty */
	struct sb_str lang;    /* of the note, or empty */
	struct sb_str display; /* or empty */
	uint32_t flags;	       /* SB_F_* */
	uint64_t id;
	int status;
	int diag;
	int err; /* enum lg_err */
};

/* The addresses of an input in one spelling. Do not copy. */
struct lg_ends {
	struct sb_str contact, user;
	struct sb_str resource; /* of the contact; borrowed from the input */
	char contact_buf[LG_JID_MAX], user_buf[LG_JID_MAX];
};

#define LG_EFFECTS_MAX 4
struct lg_effects {
	size_t n;
	struct lg_effect v[LG_EFFECTS_MAX];
	struct lg_ends ends; /* v points here */
};

/* -------------------------------------------------------------- inputs -- */

struct lg_roster;

struct lg_roster_limits {
	size_t pairs;	 /* 0: LG_ROSTER_PAIRS */
	size_t bytes;	 /* of memory; 0: no limit */
	uint64_t key[2]; /* random: of the hashes */
};

/* Errors: LG_ENOMEM. The worker counts as not ready until an event says that
 * it is. */
int lg_roster_new(struct lg_roster **rp, const struct lg_roster_limits *limits,
		  uint64_t now);
void lg_roster_free(struct lg_roster *r);

/*
 * A pair as it was saved. What both had been told is unsure then: nothing is
 * said before the worker is ready, and no subscription is asked for twice. A
 * pair that is there already gets this state.
 * Errors: LG_EINVAL (not a record), LG_EBADJID, LG_ETOOLONG, LG_EFULL,
 * LG_ENOMEM.
 */
int lg_roster_load(struct lg_roster *r, struct sb_str contact,
		   struct sb_str user, struct sb_str record, uint64_t now);

enum lg_stanza_kind {
	LG_P_AVAILABLE,
	LG_P_UNAVAILABLE,
	LG_P_SUBSCRIBE,
	LG_P_SUBSCRIBED,
	LG_P_UNSUBSCRIBE,
	LG_P_UNSUBSCRIBED,
	LG_P_PROBE,
	LG_P_ERROR,
};

/* "available", "unavailable", "subscribe", ...; ends with NULL. */
extern const char *const lg_stanza_names[];

/* A presence stanza, from a stream that is authenticated for its domain. */
struct lg_stanza {
	enum lg_stanza_kind kind;
	struct sb_str contact; /* its "from" */
	struct sb_str user;    /* its "to" */
	struct sb_str show;
	struct sb_str status; /* text */
	struct sb_str lang;   /* of the text */
	struct sb_str display; /* of the contact (<nick/>), or empty */
	int priority;
	bool wait; /* ERROR: of type "wait" */
};

/*
 * LG_OK: it was of use, or there was nothing to do; else why it was not (for
 * log and counter; what the contact is told is in fx): of lg_may,
 * LG_EUNLISTED, LG_EFULL, LG_ENOMEM, LG_ESUBSCRIPTIONS, LG_ERECIPIENTS,
 * LG_EQUARANTINED. Unknown and not allowed are refused alike. LG_EBADJID and
 * LG_ETOOLONG: nothing was done, and fx is empty.
 */
int lg_roster_stanza(struct lg_roster *r, const struct lg_settings *s,
		     const struct lg_stanza *st, uint64_t now,
		     struct lg_effects *fx);

/*
 * SB_EV_WATCH, STATE, SUBSCRIBE, UNSUBSCRIBED, WORKER; others are ignored.
 * contact and user are JIDs here. Errors as above; an SB_EV_SUBSCRIBE with an
 * id always has its LG_FX_ANSWER.
 */
int lg_roster_event(struct lg_roster *r, const struct lg_settings *s,
		    const struct sb_event *ev, uint64_t now,
		    struct lg_effects *fx);

/* Other settings than before: all pairs are judged anew, by and by. What is
 * not allowed any more is withdrawn; what contacts and users have agreed to
 * stays on record and comes back with the permission. */
void lg_roster_settings(struct lg_roster *r);

/* Do what is due, at most LG_ROSTER_STEP pairs of it. Seconds until the next
 * call is wanted, at most 3600; 0: when lg_roster_next has been drained. */
uint32_t lg_roster_tick(struct lg_roster *r, const struct lg_settings *s,
			uint64_t now);

/* Take the next effect: true and *fx. */
bool lg_roster_next(struct lg_roster *r, const struct lg_settings *s,
		    uint64_t now, struct lg_effect *fx);

/* The bridge did not take the last effect (full): lg_roster_next gives it
 * again, if it still holds. Before any other call; then wait a little. */
void lg_roster_again(struct lg_roster *r, const struct lg_effect *fx);

/* The administrator ends a pair's subscriptions: the contact's, the user's
 * (with the entry of the contact list), or both. False: no such pair. */
bool lg_roster_end(struct lg_roster *r, struct sb_str contact,
		   struct sb_str user, bool in, bool out);

/* ----------------------------------------------------- trust and limits -- */

/* The user has the contact on the contact list, as far as we were told: for
 * struct lg_facts. */
bool lg_roster_listed(const struct lg_roster *r, const struct lg_settings *s,
		      struct sb_str contact, struct sb_str user,
		      uint64_t now);

/*
 * May the contact's partner address this Lync user with something new: a
 * message, a subscription (which lg_roster_stanza asks itself)? Counts it.
 * LG_EQUARANTINED, LG_ERECIPIENTS, LG_ENOMEM; LG_ENOTPARTNER.
 */
int lg_roster_may_address(struct lg_roster *r, const struct lg_settings *s,
			  struct sb_str contact, struct sb_str user,
			  uint64_t now);

/*
 * What Lync answered to a message of the contact (watches are counted here
 * already): 2xx counts as success; 403, 404, 410, 484, 485, 489, 603 and 604
 * as failure; the rest says nothing about the sender. Not for what was decided
 * on our side. True: the partner is in quarantine from now on.
 */
bool lg_roster_outcome(struct lg_roster *r, const struct lg_settings *s,
		       struct sb_str contact, int status, uint64_t now);

/* -------------------------------------------------- saving and showing -- */

/*
 * A user whose pairs changed since it was given last (or, for a new roster,
 * ever); false: none. Save the records of lg_roster_pair_of, which may be
 * none: then nothing is to be kept of the user.
 */
bool lg_roster_dirty_next(struct lg_roster *r, struct sb_str *user);

/* Saving has failed: give this user again. LG_ENOMEM, LG_EBADJID. */
int lg_roster_dirty_again(struct lg_roster *r, struct sb_str user);

/*
 * The user's pairs that are to be saved: *cursor is NULL at first. False at
 * the end. Nothing else may be called meanwhile.
 */
bool lg_roster_pair_of(struct lg_roster *r, struct sb_str user,
		       const void **cursor, struct sb_str *contact,
		       char record[LG_RECORD_MAX]);

struct lg_row {
	struct sb_str contact;
	struct sb_str user;
	enum lg_in in;
	enum lg_out out;
	enum sb_presence user_presence;	   /* as the contact is told */
	enum sb_presence contact_presence; /* as the user is told */
	size_t resources; /* of the contact, that the user may see */
	bool watching;	  /* the bridge watches the user for the contact */
	bool sleeps;	  /* it does not, until the contact is seen again */
	bool stale;	  /* what the contact was told is unsure */
	bool subscribed;  /* Lync is subscribed to the contact now */
	enum sb_watch_state watch; /* last word about the watch */
	int status;		   /* its SIP status */
	uint32_t listed_day; /* days since 1970; 0: never */
	uint32_t asked_day;
};

/* Up to max rows into v; *cursor is 0 at first. Returns how many; 0: the end.
 * Pairs that come or go meanwhile may be missed. max >= 64. */
size_t lg_roster_rows(const struct lg_roster *r, size_t *cursor,
		      struct lg_row *v, size_t max);

struct lg_explanation {
	bool known;	   /* there is such a pair: row */
	struct lg_row row;
	const struct lg_partner *partner;	 /* or NULL */
	const struct lg_access_policy *policy; /* or NULL */
	bool listed;
	uint32_t listed_left; /* days until it is not */
	uint32_t quarantine;  /* seconds left */
	/* Tokens. The first one of each is a token of enum lg_err, or: of
	 * sees_user "not-subscribed", "dormant", "bridge-down", "waiting",
	 * "failing", "active"; of sees_contact "not-subscribed", "asked",
	 * "denied", "no-watcher", "offline", "active"; of messages "allowed",
	 * "listed", "reply-only". The second says what would change it:
	 * "none", "add-partner", "repair-settings", "grant-policy",
	 * "user-adds-contact", "contact-subscribes", "contact-approves",
	 * "contact-appears", "user-appears", "wait". */
	const char *sees_user, *sees_user_remedy;
	const char *sees_contact, *sees_contact_remedy;
	const char *messages, *messages_remedy;
};

/* Why the contact sees of the user what it sees, the user of the contact, and
 * whether the contact may write. LG_EBADJID, LG_ETOOLONG. */
int lg_roster_explain(struct lg_explanation *e, struct lg_roster *r,
		      const struct lg_settings *s, struct sb_str contact,
		      struct sb_str user, uint64_t now);

struct lg_roster_count {
	size_t pairs;
	size_t contacts;
	size_t users;
	size_t active;	    /* pairs that the bridge watches */
	size_t subscribed;  /* pairs that Lync is subscribed to */
	size_t waiting;	    /* pairs with something to say */
	size_t dirty;	    /* users to be saved */
	size_t partners;    /* with a count of what they addressed */
	size_t quarantined;
	size_t bytes;	    /* of all memory that the roster has */
	size_t table_bytes; /* of these: hash tables, which never shrink */
};
void lg_roster_count(const struct lg_roster *r, uint64_t now,
		     struct lg_roster_count *c);

#endif
