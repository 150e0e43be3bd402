/*
 * session_state.h: what the session engine remembers.
 * SPDX-License-Identifier: MIT
 *
 * Shape:   conversation (pair) -> dialogs, queue, held outcomes; client
 *          transactions by cookie; server transactions by txn and event id.
 *          Each struct stands in the tables that it has a sb_link for, and has
 *          one timer for all that it waits for.
 * Limits:  the first enum, and session.h.
 */
#ifndef SB_SESSION_STATE_H
#define SB_SESSION_STATE_H

#include "session.h"
#include "sip_text.h"
#include "table.h"
#include "wheel.h"

enum {
	SB_UNANSWERED_PER_PAIR = 64,
	SB_UNANSWERED_MAX = 16384,
	SB_LATE_MAX = 8192,	   /* answered messages that may yet bounce */
	SB_LATE_MS = 300000,	   /* how long they may */
	SB_HELD_PER_PAIR = 64,	   /* 202 that wait for an IMDN */
	SB_ROWS_MAX = 10000,	   /* rows of one list of sessions */
	SB_DISPLAY_MAX = 256,
	SB_REASON_MAX = 512,
	SB_STRAY_MAX = 32,	   /* forked 2xx remembered */
	SB_TAG_HEX = 16, SB_CALL_ID_HEX = 32,
	SB_CONVERSATION_ID_BYTES = 22,
};

/* Which struct a timer sits in. */
enum sb_timer_kind { SB_T_CONV, SB_T_DIALOG, SB_T_STXN, SB_T_HELD };

/* ------------------------------------------------------------ messages -- */

enum sb_msg_kind { SB_MSG_TEXT, SB_MSG_IMDN };

struct sb_msg {
	struct sb_msg *next;
	struct sb_dialog *d; /* IMDN: the only dialog it may go to */
	uint64_t id;	     /* TEXT: of the outcome */
	enum sb_msg_kind kind;
	bool reply_only;
	bool resent; /* a dead dialog refused it once */
	uint32_t text_n;
	uint16_t subject_n, lang_n;
	char data[]; /* text, subject, lang */
};

/* A message that was answered 202: its outcome waits for an IMDN. */
struct sb_held {
	struct sb_held *next;
	struct sb_timer t;
	struct sb_conv *c;
	uint64_t id;
	size_t mid_n;
	char mid[];
};

/* -------------------------------------------------------- conversation -- */

struct sb_conv {
	struct sb_link by_pair;
	struct sb_timer t;
	struct sb_dialog *dialogs;   /* newest established first */
	struct sb_msg *head, **tail; /* waiting, not the one that is out */
	struct sb_ctxn *out;	     /* MESSAGE or INFO without a response */
	struct sb_held *held;
	struct sb_text *resource, *display, *thread;
	struct sb_text *early_mid; /* IMDN that came before its 202 */
	uint64_t opened_ms, used_ms;
	uint64_t out_due;	/* then the MESSAGE or INFO has failed; 0: no */
	uint64_t typing_in_due; /* then Lync's composing has ended */
	uint64_t typing_out_due; /* then composing may go to Lync */
	uint64_t composing_ms;	/* when the last one went */
	int early_status;
	uint16_t contact_n, user_n;
	uint16_t queued;     /* TEXT in the queue */
	uint16_t held_n;
	uint16_t unanswered; /* server transactions, and events without one */
	uint8_t typing_in;   /* enum sb_typing: what the plugin was told */
	uint8_t typing_out;  /* what Lync was told */
	uint8_t typing_want; /* what Lync should be told */
	bool composed;	     /* composing_ms holds */
	bool verified;
	bool ending;	     /* BYE when the queue is empty */
	bool thread_derived;
	char names[]; /* contact, user */
};

/* -------------------------------------------------------------- dialog -- */

enum sb_dialog_state {
	SB_D_CALLING,	/* our INVITE has no final response */
	SB_D_CANCELLED, /* and is not wanted any more */
	SB_D_OFFERED,	/* their INVITE waits for the plugin */
	SB_D_ANSWERED,	/* 200 said, no ACK yet */
	SB_D_UP,
};

enum sb_dialog_field {
	SB_DF_CALL_ID,
	SB_DF_LOCAL_TAG,
	SB_DF_LOCAL_URI,
	SB_DF_REMOTE_URI,
	SB_DF_REMOTE_TAG,
	SB_DF_REMOTE_EPID,
	SB_DF_TARGET, /* their Contact */
	SB_DF_ROUTES, /* entries, each ended by LF */
	SB_DF_N
};

/* The text of their INVITE (lync-sip.md 2.4). */
enum sb_first {
	SB_FIRST_NONE,
	SB_FIRST_WAIT, /* no MESSAGE yet; text in first */
	SB_FIRST_SAID, /* delivered; a MESSAGE of first_hash is the same */
};

struct sb_dialog {
	struct sb_link by_id; /* Call-ID and local tag */
	struct sb_timer t;
	struct sb_conv *c;
	struct sb_dialog *next;
	struct sb_ctxn *invite; /* CALLING, CANCELLED */
	struct sb_stxn *txns;	/* server transactions and late records */
	struct sb_text *first;
	char *blob; /* the fields, one after the other */
	uint64_t used_ms;
	uint64_t due; /* CALLING: give up; UP: say first; 0: no */
	uint64_t first_hash;
	uint64_t embedded; /* id of the message in our INVITE, or 0 */
	uint32_t cseq, remote_cseq;
	uint16_t end[SB_DF_N]; /* of each field in blob */
	uint8_t state;
	uint8_t first_state;
	bool cseq_known; /* remote_cseq holds */
	bool by_lync;
	bool retried;  /* 52035 was answered with a new id once */
	bool imdn;     /* they read application/ms-imdn+xml */
	bool x_media;  /* m=x-ms-message */
	bool bye_soon; /* when the ACK is there */
};

/* -------------------------------------------------------- transactions -- */

enum sb_ctxn_kind { SB_C_INVITE, SB_C_MESSAGE, SB_C_INFO, SB_C_BYE };

struct sb_ctxn {
	struct sb_link by_cookie;
	uint64_t cookie;
	struct sb_conv *c;   /* NULL: nobody waits for it */
	struct sb_dialog *d; /* NULL: gone */
	struct sb_msg *msg;  /* MESSAGE: owned */
	enum sb_ctxn_kind kind;
};

enum sb_stxn_kind {
	SB_S_OFFER,
	SB_S_MESSAGE,
	SB_S_FIRST, /* event of the text in an INVITE: no transaction */
	SB_S_AGAIN, /* re-INVITE */
};

enum sb_stxn_state {
	SB_S_WAIT, /* for the plugin's answer */
	SB_S_HOLD, /* it said 200: maybe a bounce comes */
	SB_S_ACK,  /* INVITE answered 200 */
	SB_S_LATE, /* MESSAGE answered 200: a bounce becomes an IMDN */
};

struct sb_stxn {
	struct sb_link by_txn, by_id;
	struct sb_timer t;
	struct sb_conv *c;   /* WAIT, HOLD; else NULL */
	struct sb_dialog *d; /* NULL: none, or gone */
	struct sb_stxn *next, **at; /* in d->txns */
	struct sb_stxn *late_next, **late_at;
	uint64_t txn, id; /* 0: not in that table */
	uint32_t cseq;
	uint8_t kind, state;
};

struct sb_sessions {
	const struct sb_wire_ops *ops;
	void *arg;
	struct sb_text *fqdn, *address;
	struct sb_wire wire; /* without its texts */
	bool imdn_message;   /* IMDN by MESSAGE, else INFO */
	bool closed;	     /* shut down */
	uint64_t now;
	uint64_t cookie, event_id; /* last used */
	struct sb_hash_key key;
	struct sb_wheel wheel;
	struct sb_table convs, dialogs, ctxns, stxns, events;
	struct sb_stxn *late, **late_end; /* oldest first */
	size_t late_n;
	size_t queued; /* TEXT messages without an outcome */
	size_t unanswered;
	uint64_t stray[SB_STRAY_MAX]; /* hashes of forked 2xx said BYE to */
	unsigned stray_at;
	char text[SB_SIP_BODY_MAX]; /* scratch: a body or a text */
	char scratch[SB_FIELD_MAX * 4]; /* scratch: header values */
};

#endif
