/*
 * sipbridge.h: send and receive instant messages as a federated partner of a
 * Lync / Skype for Business Access Edge.
 * SPDX-License-Identifier: MIT
 *
 * Purpose: the library's user hands in what an XMPP contact said and takes out
 *          what a Lync user said. That a worker process of its own speaks SIP
 *          (Sofia-SIP) behind a socket pair, is watched, and comes back when it
 *          dies, is the library's secret.
 * Shape:   one struct sb_bridge per bridge_fqdn; one worker process each.
 * Process: the caller's thread only; no call blocks. The worker is started
 *          with posix_spawn; a process that forks without exec after sb_open
 *          must not use the bridge in the child.
 * Fate:    every sb_send of SB_REQ_MESSAGE that returned SB_OK is followed by
 *          exactly one SB_EV_OUTCOME with its id, also when the worker dies
 *          (SB_FAILED, status 503, local, token "bridge-died") and at
 *          sb_close (the caller drains sb_next before).
 *          Every SB_EV_OFFER and SB_EV_MESSAGE, and SB_EV_SUBSCRIBE with an
 *          id, wants exactly one SB_REQ_ANSWER with its id; one that is
 *          missing is answered 504 by the worker after SB_ANSWER_TIMEOUT_MS.
 *          Watches, subscriptions and the presence told to them die with the
 *          worker; SB_EV_WORKER 0 says it for all of them, and after the next
 *          1 the caller says SB_REQ_WATCH again for what it wants. A list
 *          asked for always has its end.
 * Units:   times in milliseconds of a monotonic clock, passed in as now_ms.
 * Limits:  SB_* below; what exceeds one is refused with SB_ETOOBIG or
 *          SB_EFULL, never cut and never dropped silently.
 * Source:  design/architecture.md 1, 3, 4; RFC 7572, 7573.
 */
#ifndef SIPBRIDGE_H
#define SIPBRIDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "str.h"

#define SB_TEXT_MAX 16384	   /* bytes of a message's text, UTF-8 */
#define SB_URI_MAX 1100		   /* bytes of a SIP URI: sip:user@host */
#define SB_FIELD_MAX 1100	   /* bytes of every other text field */
#define SB_FRAME_MAX 65536	   /* bytes of one frame on the channel */
#define SB_INFLIGHT_MAX 8192	   /* messages without an outcome */
#define SB_DOMAINS_MAX 64	   /* SIP domains of one bridge */
#define SB_LISTEN_MAX 8		   /* addresses of one bridge */
#define SB_ANSWER_TIMEOUT_MS 30000 /* an event that nobody answers */
#define SB_WATCH_DUE_MS 60000	   /* after SB_WATCH_DUE without a word */

/* 0 or one of these; stable token by sb_err_name(). */
enum sb_err {
	SB_OK = 0,
	SB_EINVAL = -1,	   /* misuse: a field is missing or out of range */
	SB_ETOOBIG = -100, /* a field exceeds its limit */
	SB_EBADTEXT = -101, /* not UTF-8, or control characters in a header */
	SB_EFULL = -300,   /* SB_INFLIGHT_MAX or the channel's buffer is full */
	SB_ENOMEM = -301,
	SB_EDOWN = -302,   /* no worker at the moment; it is restarted */
	SB_EPROTO = -303,  /* the channel's other side broke the protocol */
	SB_ESYS = -304,	   /* a system call failed: errno tells */
};

/* "ok", "invalid", "too-big", "bad-text", "full", "no-memory", "bridge-down",
 * "protocol", "system". Static storage. */
const char *sb_err_name(int err);

/* ------------------------------------------------------------ settings -- */

/* One SIP domain served (a Prosody host) and the Access Edge in front of it. */
struct sb_domain {
	struct sb_str name;	/* contoso.com */
	struct sb_str edge;	/* FQDN that its certificate must carry */
	struct sb_str address;	/* IP to connect to; empty: not yet resolved,
				   requests fail at once with 503 */
	uint16_t port;		/* usually 5061 */
};

/* What lync-sip.md marks as uncertain is a switch here (see docs/wire.md). */
struct sb_wire {
	struct sb_str verification_header; /* "Name: value" with one %s, which
					      becomes verified|unverified;
					      empty: send none */
	bool record_route;	     /* own Record-Route in dialogs (1.6) */
	bool first_message_in_invite; /* ms-text-format in our INVITE (2.4) */
	bool accept_pager_message;   /* MESSAGE outside a dialog (2.9) */
	struct sb_str imdn_method;   /* INFO or MESSAGE: late failures (2.6) */
	uint32_t first_message_wait_ms; /* embedded text is delivered after this
					   without MESSAGE (2.4); 0: never */
	uint32_t answer_wait_ms; /* a 200 is held so long for an early bounce */
	uint32_t invite_timeout_ms;
	uint32_t message_timeout_ms;
	uint32_t imdn_wait_ms;	     /* after 202, before "accepted" is final */
	uint32_t session_idle_ms;    /* then BYE */
	uint32_t typing_interval_ms; /* at most one composing to Lync a time */
	uint32_t typing_timeout_ms;  /* Lync's composing ends after this */
	uint32_t options_interval_ms; /* OPTIONS per Edge connection; 0: none */
	uint32_t watch_expires_ms;   /* Expires of our SUBSCRIBEs */
	uint32_t offer_expires_ms;   /* of theirs, unless they say less */
	uint32_t notify_interval_ms; /* between two NOTIFYs of a dialog */
	uint32_t watch_rate; /* new SUBSCRIBEs per second to one Edge; 0: any */
	/* With SB_F_NOTES the document that has notes is */
	bool ask_categories;  /* asked for */
	bool tell_categories; /* written, where the watcher lists it */
};

struct sb_config {
	struct sb_str worker;	   /* path of the worker's executable */
	struct sb_str bridge_fqdn; /* our name: Via, Contact, Record-Route */
	struct sb_str listen[SB_LISTEN_MAX]; /* IP:port, [IP6]:port, *:port */
	size_t listen_n;	   /* 0: outbound only is refused (SB_EINVAL) */
	struct sb_str certificate; /* PEM, leaf first, then the chain */
	struct sb_str key;	   /* PEM, without passphrase */
	struct sb_str cafile;	   /* PEM; empty: the system's CAs */
	struct sb_str crlfile;	   /* PEM; empty: no revocation check */
	struct sb_str min_tls;	   /* "1.2" (default when empty) or "1.3" */
	struct sb_domain domains[SB_DOMAINS_MAX];
	size_t domains_n;
	uint32_t rate;	/* requests/s to one Edge, 0: unlimited */
	uint32_t burst; /* requests at once when rate is set; 0: rate */
	bool sandbox;	 /* the worker gives up what it does not need */
	uint32_t memory; /* MiB of address space of the worker; 0: any */
	struct sb_wire wire;
};

/* Defaults of everything that has one; the rest empty. */
void sb_config_init(struct sb_config *c);

/* ------------------------------------------------------------ requests -- */

enum sb_request_type {
	SB_REQ_MESSAGE = 1, /* contact says text to user -> SB_EV_OUTCOME */
	SB_REQ_TYPING,	    /* contact's chat state; no outcome */
	SB_REQ_END,	    /* contact has left the conversation (<gone/>): BYE
			       after what is queued; no outcome */
	SB_REQ_ANSWER,	    /* to SB_EV_OFFER or SB_EV_MESSAGE, by id. For a
			       message also later: a bounce after its 200 is
			       told to Lync as IMDN; then contact and user
			       must be the event's, else it is ignored */
	SB_REQ_SESSIONS,    /* -> SB_EV_SESSION*, SB_EV_SESSIONS_END */
	SB_REQ_WATCH,	    /* contact wants user's presence -> SB_EV_WATCH,
			       SB_EV_STATE. Again: goes on after SB_WATCH_DUE,
			       with these flags and display */
	SB_REQ_UNWATCH,	    /* no more -> SB_EV_WATCH, ENDED */
	SB_REQ_PRESENCE,    /* contact's presence, text is its note, for all
			       subscriptions of user; kept for those to come */
	SB_REQ_REJECT,	    /* end user's subscriptions to contact */
	SB_REQ_WATCHES,	    /* -> SB_EV_WATCH_ROW*, SB_EV_WATCHES_END */
};

enum sb_presence {
	SB_PR_UNKNOWN = 0, /* nothing known */
	SB_PR_OFFLINE,
	SB_PR_AVAILABLE,
	SB_PR_IDLE, /* available, idle */
	SB_PR_BUSY,
	SB_PR_BUSY_IDLE,
	SB_PR_DND,
	SB_PR_BRB, /* be right back */
	SB_PR_AWAY,
	SB_PR_OFF_WORK, /* for long; out of office */
};

enum sb_watch_state {
	SB_WATCH_NONE = 0,
	SB_WATCH_ACTIVE,  /* Lync has accepted it */
	SB_WATCH_REFUSED, /* for good: 403, 404, 410, 489, 603, 604, or NOTIFY
			     terminated with rejected, noresource, invariant */
	SB_WATCH_FAILING, /* for now: tried again after 10 s, 1, 5, 15, 60 min
			     and so on */
	SB_WATCH_ENDED,	  /* after UNWATCH */
	SB_WATCH_DUE,	  /* a refresh is due: WATCH, or UNWATCH; without a
			     word it goes on after SB_WATCH_DUE_MS */
};

enum sb_typing {
	SB_TYPING_NONE = 0,
	SB_TYPING_ACTIVE = 1,	 /* composing */
	SB_TYPING_IDLE = 2,	 /* active, paused, inactive */
};

enum {
	SB_F_VERIFIED = 1,   /* the partner vouches for its users' identity */
	SB_F_REPLY_ONLY = 2, /* only inside a conversation that the Lync user
				opened; otherwise SB_FAILED, status 403, local,
				token "not-authorized" */
	SB_F_NOTES = 4, /* WATCH: status notes are wanted (else PIDF only);
			   PRESENCE: the note may be told */
};

/* All text is borrowed for the call. URIs: "sip:user@host", user escaped,
 * host in lower case, no parameters. Text fields carry no CR, LF or NUL
 * (SB_EBADTEXT); text may carry LF and TAB. */
struct sb_request {
	enum sb_request_type type;
	uint64_t id;		 /* ANSWER: of the event; else set by sb_send */
	struct sb_str contact;	 /* XMPP user */
	struct sb_str resource;	 /* contact's, for the way back; or empty */
	struct sb_str display;	 /* contact's name for From; or empty */
	struct sb_str user;	 /* Lync user */
	struct sb_str thread;	 /* or empty */
	struct sb_str subject;	 /* or empty */
	struct sb_str lang;	 /* or empty */
	struct sb_str text;	 /* MESSAGE */
	enum sb_typing typing;	 /* TYPING; MESSAGE ignores it */
	enum sb_presence presence; /* PRESENCE */
	uint32_t flags;		 /* SB_F_*; ANSWER: SB_F_VERIFIED only */
	int status;		 /* ANSWER: 200, or 400..699 */
	int diag;		 /* ANSWER: ms-diagnostics-public; 0: none */
	struct sb_str reason;	 /* ANSWER: text of the diagnostics */
};

/* -------------------------------------------------------------- events -- */

enum sb_event_type {
	SB_EV_OUTCOME = 1,  /* of a MESSAGE request */
	SB_EV_OFFER,	    /* a Lync user opens a conversation; answer it */
	SB_EV_MESSAGE,	    /* a Lync user says text; answer it */
	SB_EV_TYPING,	    /* a Lync user types, or has stopped */
	SB_EV_ENDED,	    /* a Lync user closed the conversation */
	SB_EV_EDGE,	    /* connection to a domain's Edge: up or down */
	SB_EV_WORKER,	    /* status: 1 ready: text is what sandbox it is in,
			       0 gone (restart follows),
			       -1 settings refused: reason tells, no restart
			       before the next sb_configure */
	SB_EV_LOG,	    /* a line for the log: status is the level 0 debug,
			       1 info, 2 warn, 3 error */
	SB_EV_SESSION,	    /* a row of the list asked for */
	SB_EV_SESSIONS_END,
	SB_EV_REFUSED,	    /* the worker refused a SIP request by itself:
			       token, reason; for log and counter */
	SB_EV_WATCH,	    /* contact's watch of user: watch says what, status,
			       diag, reason why */
	SB_EV_STATE,	    /* user's presence for contact; text is the note */
	SB_EV_SUBSCRIBE,    /* a Lync user subscribes to a contact. With an id:
			       answer it (200, or 4xx..6xx). Without: news of a
			       pair that has an answered dialog, or (again) a
			       refresh */
	SB_EV_UNSUBSCRIBED, /* the pair's last dialog is over; token
			       "unsubscribed", "expired", "lost", "rejected" */
	SB_EV_WATCH_ROW,    /* a row of the list asked for */
	SB_EV_WATCHES_END,
};

enum sb_outcome {
	SB_DELIVERED = 1, /* final 200: a receipt may be sent */
	SB_ACCEPTED = 2,  /* 202: on its way, no receipt */
	SB_FAILED = 3,
};

/* Text points into the bridge and is valid until the next sb_next/sb_close. */
struct sb_event {
	enum sb_event_type type;
	uint64_t id;		/* OUTCOME: of the request; OFFER, MESSAGE: for
				   the answer */
	struct sb_str contact;	/* sip:user@host of the XMPP user */
	struct sb_str resource; /* the contact's resource that spoke last, or
				   empty */
	struct sb_str user;	/* sip:user@host of the Lync user */
	struct sb_str display;	/* Lync user's display name, control characters
				   removed; or empty */
	struct sb_str thread;	/* of the conversation; or empty */
	struct sb_str subject;	/* or empty */
	struct sb_str lang;	/* or empty */
	struct sb_str text;	/* MESSAGE: UTF-8; LOG: the line */
	struct sb_str domain;	/* EDGE: SIP domain; REFUSED: From's domain */
	enum sb_typing typing;	/* TYPING */
	enum sb_outcome outcome;
	enum sb_presence presence; /* STATE, WATCH_ROW */
	enum sb_watch_state watch; /* WATCH, WATCH_ROW */
	bool added;    /* SUBSCRIBE: the user has just added the contact */
	bool again;    /* SUBSCRIBE: a refresh */
	bool incoming; /* WATCH_ROW: user watches contact */
	bool local;		/* status was made here, no peer said it */
	int status;		/* OUTCOME: SIP status; EDGE: 1 up, 0 down;
				   SESSION, WATCH_ROW: dialogs */
	int diag;		/* OUTCOME: ms-diagnostics(-public), or 0 */
	int retry_after;	/* OUTCOME: seconds, 0: not said */
	struct sb_str token;	/* stable word: why (SB_TOKENS in docs) */
	struct sb_str reason;	/* text for people */
	uint64_t age_ms;	/* SESSION, WATCH_ROW: since opened */
	uint64_t at_us;		/* OUTCOME, delivered: when that was known, on
				   CLOCK_MONOTONIC; 0: just now. It may be told
				   a few milliseconds later */
	uint64_t idle_ms;	/* SESSION: since last used; WATCH_ROW: since
				   the last NOTIFY */
	uint32_t pending;	/* SESSION: messages queued; WATCH_ROW: seconds
				   until refresh or expiry; REFUSED: how many,
				   0: one */
};

/* --------------------------------------------------------------- calls -- */

struct sb_bridge;

/*
 * Start a bridge. *bp is written on SB_OK only; the caller owns it and frees
 * it with sb_close. The worker starts at once; a worker that fails to start is
 * an event, not an error here.
 * Errors: SB_EINVAL (a required setting is missing), SB_ETOOBIG, SB_ENOMEM,
 * SB_ESYS (no socket pair, no epoll: errno tells).
 */
int sb_open(struct sb_bridge **bp, const struct sb_config *c, uint64_t now_ms);

/*
 * Give new settings to a running bridge: domains, rates, switches and
 * certificates change without dropping a connection or a session; listen,
 * bridge_fqdn, sandbox and memory cannot change (SB_EINVAL: close and open).
 */
int sb_configure(struct sb_bridge *b, const struct sb_config *c,
		 uint64_t now_ms);

/*
 * Queue a request. For SB_REQ_MESSAGE *id becomes the id of its outcome; id may
 * be NULL for others.
 * Errors: SB_EINVAL, SB_ETOOBIG, SB_EBADTEXT, SB_EFULL, SB_EDOWN, SB_ENOMEM;
 * on an error nothing was queued and no outcome follows.
 */
int sb_send(struct sb_bridge *b, const struct sb_request *r, uint64_t *id,
	    uint64_t now_ms);

/* Descriptor to wait for: readable when sb_next may have something (an epoll
 * descriptor of the bridge's own: it stays the same over worker restarts). */
int sb_fd(const struct sb_bridge *b);

/*
 * Take the next event: 1 and *ev, 0 when there is none now, or SB_ENOMEM.
 * Does the bridge's work: reads, writes what is queued, sees a dead worker,
 * restarts it when due. Call until 0 whenever sb_fd is readable, after a batch
 * of sb_send (it flushes), and when sb_wait_ms is over.
 */
int sb_next(struct sb_bridge *b, struct sb_event *ev, uint64_t now_ms);

/* Milliseconds until sb_next wants to be called although nothing is readable
 * (restart due, heartbeat); -1: never. */
int sb_wait_ms(const struct sb_bridge *b, uint64_t now_ms);

/* Process id of the worker, 0 when there is none. For tests and status. */
int sb_worker_pid(const struct sb_bridge *b);

/* Messages without an outcome yet. */
size_t sb_inflight(const struct sb_bridge *b);

/*
 * Ask the worker to say goodbye (BYE in every dialog) and to end. Events go on
 * until SB_EV_WORKER 0; the caller waits for it, at most as long as it likes,
 * and then calls sb_close.
 */
void sb_shutdown(struct sb_bridge *b, uint64_t now_ms);

/* End the worker (closing the channel; SIGKILL after a second call of
 * waitpid finds it alive) and free the bridge. NULL is fine. Outcomes of
 * messages in flight are lost unless sb_next was drained after sb_shutdown. */
void sb_close(struct sb_bridge *b);

#endif
