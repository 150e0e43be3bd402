/*
 * watch_state.h: what the watch engine remembers.
 * SPDX-License-Identifier: MIT
 *
 * Shape:   a usage is one subscription in one dialog, or on its way to one: a
 *          watch (ours) or a sub (theirs). It stands in the table of its pair
 *          (contact, user); of a pair there may be several. Whom a dialog is
 *          with stands in a block of its own, struct sb_peer.
 *          What many have in common (names, Contacts, route entries, states)
 *          is a struct sb_shared with a count of its users.
 * Memory:  only through sb_w_alloc() and sb_w_free(), which count.
 * Units:   stamps: tenths of a second of now_ms, rounded up; enough for 13
 *          years. What is stamped with a wait is never too early.
 */
#ifndef SB_WATCH_STATE_H
#define SB_WATCH_STATE_H

#include "pace.h"
#include "sip_text.h"
#include "table.h"
#include "watch.h"
#include "wheel.h"

enum {
	SB_PENDING_MAX = 16384,	  /* SUBSCRIBEs that wait for the plugin */
	SB_WATCH_DOMAINS_MAX = 256, /* with SUBSCRIBEs that wait */
	SB_WATCH_ROWS_MAX = 10000,  /* rows of one list */
	SB_WATCH_NAME_MAX = 256,    /* bytes of a display name */
	SB_WATCH_NOTE_MAX = 1024,
	SB_WATCH_REASON_MAX = 512,
	SB_WATCH_EPID_MAX = 64,
	SB_PACKED_MAX = 64,	    /* hex digits of a field that is packed */
	SB_TIMER_N_MS = 32000,	    /* RFC 6665: no NOTIFY, no subscription */
	SB_EXPIRES_MIN = 60,	    /* seconds that Lync may ask for */
	SB_EXPIRES_MAX = 604800,    /* seconds that we believe */
	SB_WATCH_BYTES_MAX = 1 << 30, /* then nothing new: who sends long
					 routes must not fill us up */
	SB_ID_HEX = 16,		    /* digits of a Call-ID or tag of ours */
};

/* Which struct a timer sits in. */
enum sb_watch_timer_kind {
	SB_WT_WATCH,
	SB_WT_SUB,
	SB_WT_PENDING,
	SB_WT_DOMAIN,
};

/* A text that is stored once, however many have it. NULL is the empty one. */
struct sb_shared {
	struct sb_link by_text; /* first */
	uint32_t refs, n;
	char p[];
};

/* Their half of a dialog. Behind ref: the fields of enum sb_peer_field, each
 * with its length, and how it is packed, in two bytes before it. */
struct sb_peer {
	uint32_t bytes;	  /* of the block */
	uint32_t routes;  /* entries in ref */
	struct sb_shared *target; /* their Contact */
	struct sb_shared *ref[];  /* route entries up to their ">" */
};

enum sb_peer_field {
	SB_PEER_CALL_ID, /* theirs; empty: derived from serial */
	SB_PEER_TAG,
	SB_PEER_EPID,
	SB_PEER_LOCAL,  /* URIs as they spell them, where that differs */
	SB_PEER_REMOTE,
	SB_PEER_TAILS,  /* what follows ">" in each route entry, ended by LF */
	SB_PEER_N
};

enum sb_usage_state {
	/* watch */
	SB_US_QUEUED, /* waits for its turn */
	SB_US_ASKING, /* first SUBSCRIBE has no response */
	SB_US_UP,
	SB_US_WAIT,   /* tries again later */
	SB_US_LEAVING,
	/* sub */
	SB_US_OFFERED, /* waits for the plugin */
	SB_US_LIVE,
	SB_US_LAST,    /* its final NOTIFY waits for the one that is out */
};

struct sb_usage {
	struct sb_link by_pair; /* first */
	union {
		struct sb_timer t;
		struct { /* QUEUED */
			struct sb_usage *next, **at;
			struct sb_watch_domain *domain;
		} q;
		struct sb_pending *offer; /* OFFERED */
	};
	struct sb_shared *contact, *user;
	struct sb_peer *peer; /* NULL: no dialog yet */
	uint32_t serial; /* what Call-ID, tag and cookies are derived from */
	uint32_t cseq, remote_cseq;
	uint32_t opened; /* stamp: when this dialog was asked for */
	uint32_t notified; /* stamp: last NOTIFY */
	uint32_t expires; /* stamp: end of the subscription */
	uint8_t state;
	bool is_watch : 1;
	bool busy : 1;	  /* a request of ours has no response */
	bool heard : 1;	  /* cseq_known: remote_cseq holds */
	bool verified : 1;
	bool notes : 1;	  /* watch: wanted */
};

struct sb_watch {
	struct sb_usage u; /* first */
	struct sb_shared *display; /* contact's name */
	struct sb_shared *note;	   /* of the user, in this dialog */
	uint32_t next; /* stamp: UP: when to refresh; WAIT: when to try;
			  LEAVING: when to forget it */
	uint32_t min_expires; /* seconds, of a 423; 0: none */
	uint16_t status;   /* why FAILING was told last */
	uint8_t presence;  /* of the user */
	uint8_t tries;	   /* failures in a row */
	bool told : 1;	   /* the first outcome */
	bool failing : 1;  /* FAILING was the last word */
	bool active : 1;   /* ACTIVE was told, in this dialog */
	bool due : 1;	   /* DUE was told */
	bool plain : 1;	   /* they refuse categories */
	bool too_brief : 1; /* a 423 was obeyed, in this dialog */
	bool owed : 1;	   /* LEAVING: ENDED */
	bool bye : 1;	   /* LEAVING: SUBSCRIBE Expires 0 has been sent */
};

struct sb_sub {
	struct sb_usage u; /* first */
	struct sb_shared *self; /* contact's state: sb_self_pack() */
	uint32_t hold;	   /* stamp: no NOTIFY before */
	uint8_t plain : 3; /* enum sb_presence_format: without notes */
	uint8_t rich : 3;  /* with notes */
	uint8_t fails;	   /* NOTIFYs in a row */
	uint8_t why;	   /* LAST: enum sb_sub_end */
	bool dirty : 1;	   /* there is something to tell */
	bool urgent : 1;   /* and a SUBSCRIBE asked for it */
	bool richly : 1;   /* categories were used: they stay */
};

/* A SUBSCRIBE that waits for the plugin's answer. */
struct sb_pending {
	struct sb_link by_id; /* first */
	struct sb_timer t;
	struct sb_sub *s;
	uint64_t id, txn;
	uint32_t cseq;
	uint32_t expires; /* seconds to grant */
};

/* A request of ours without a response. */
struct sb_asked {
	struct sb_link by_cookie; /* first */
	uint64_t cookie;
	struct sb_usage *u; /* NULL: nobody waits for it */
};

/* A SIP domain whose Edge gets SUBSCRIBEs one after the other. */
struct sb_watch_domain {
	struct sb_watch_domain *next;
	struct sb_timer t;
	struct sb_pace pace;
	struct sb_usage *head, **tail;
	size_t n; /* bytes of the name */
	char name[];
};

struct sb_watches {
	const struct sb_wire_ops *ops;
	void *arg;
	struct sb_text *fqdn;
	struct sb_wire wire; /* without its texts */
	bool closed;
	uint64_t now;
	uint64_t unix_at_zero;
	uint64_t later_ms;   /* last of sb_watch_later() */
	uint64_t event_id;   /* last used */
	uint32_t serial;     /* last used */
	struct sb_hash_key key, names; /* of tables; of Call-IDs and tags */
	struct sb_wheel wheel;
	struct sb_table watches, subs, offers, asked, shared;
	struct sb_watch_domain *domains;
	size_t domains_n, waiting, leaving, bytes;
	char field[SB_PEER_N][SB_PACKED_MAX]; /* scratch */
	char id[3][SB_ID_HEX]; /* scratch: Call-ID, tag, another tag */
	char number[4][32];    /* scratch: header values */
	char head[256];	       /* scratch: Subscription-State */
	char line[SB_WATCH_REASON_MAX]; /* scratch: text of an event */
	char routes[SB_ROUTE_BYTES + 2 * SB_ROUTE_ENTRIES]; /* scratch */
	char text[SB_SIP_BODY_MAX]; /* scratch: a body or a header */
};

#endif
