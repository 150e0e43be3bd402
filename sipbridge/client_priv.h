/*
 * client_priv.h: the insides of struct sb_bridge, for client*.c and tests.
 * SPDX-License-Identifier: MIT
 */
#ifndef SB_CLIENT_PRIV_H
#define SB_CLIENT_PRIV_H

#include "channel.h"
#include "client_ids.h"
#include "client_worker.h"
#include "config.h"

enum {
	SB_PING_MS = 5000,	/* silence before a ping */
	SB_PONG_MS = 10000,	/* silence after it: the worker hangs */
	SB_RESTART_MIN_MS = 250, /* back-off after the second death in a row */
	SB_RESTART_MAX_MS = 30000,
	SB_HEALTHY_MS = 60000,	/* after so long the count starts over */
	SB_END_WAIT_MS = 300,	/* for a worker's own end, then SIGKILL */
	SB_REAP_POLL_MS = 10,	/* where the kernel has no pidfd */
	SB_IGNORED_MAX = 4096,	/* frames without an event per sb_next */
	SB_FLUSH_BYTES = 65536, /* queued: sb_send writes by itself */
	SB_WAIT_MAX_MS = 60000,
};

enum sb_client_state {
	SB_CL_STOPPED,	/* no worker: restart when due */
	SB_CL_STARTED,	/* a process; requests queue behind the settings */
	SB_CL_READY,	/* settings taken */
	SB_CL_REFUSED,	/* settings not usable or another build: waits for
			   sb_configure */
	SB_CL_ENDING,	/* told to end */
	SB_CL_ENDED,
};

/* Lists that a worker may be asked for. */
enum { SB_LIST_SESSIONS, SB_LIST_WATCHES, SB_LISTS };

/*
 * A worker lives in two steps: while ch is there it is talked to; then, with
 * ch NULL and worker.pid set, its end is waited for. Only after that the next
 * one starts: it wants the same ports.
 */
struct sb_bridge {
	struct sb_config *cfg;	/* wanted */
	struct sb_config *good; /* last that was taken; NULL: cfg, or none */
	unsigned cfg_sent;	/* settings it has not said anything about */
	int ep;			/* epoll descriptor handed out */
	struct sb_worker worker;
	struct sb_channel *ch;
	bool out_watched;
	bool deaf;    /* it does not read any more */
	bool greeted; /* its hello came */
	bool again;   /* sb_next stopped although there was more */
	enum sb_client_state state;

	struct sb_ids ids; /* messages without an outcome */
	uint64_t next_id;
	uint64_t *lost; /* ids whose worker died: outcomes to give */
	size_t lost_n, lost_at;
	/* SB_REQ_SESSIONS and SB_REQ_WATCHES without an end */
	unsigned lists[SB_LISTS], lists_lost[SB_LISTS];
	uint64_t stray;		    /* outcomes of unknown ids: ignored */

	bool tell;	/* SB_EV_WORKER is owed, with tell_status */
	int tell_status;
	char tell_reason[256];
	char why[160];	/* of the end that is waited for */

	unsigned deaths;     /* in a row */
	uint64_t started_ms; /* the present worker */
	uint64_t restart_ms; /* STOPPED */
	uint64_t kill_ms;    /* its end is waited for, at most until then */
	bool killed;
	bool pinged;	     /* and nothing heard since */
	unsigned pongs;	     /* owed by the worker */
	uint64_t heard_ms;  /* any frame */
	uint64_t pinged_ms; /* when pinged */
};

/* client_life.c: from start to restart. */

/* Start a worker. What fails is an event later. */
void sb_client_start(struct sb_bridge *b, uint64_t now_ms);

/* Send cfg to the worker that runs. As sb_channel_put_config. */
int sb_client_send_config(struct sb_bridge *b);

/* Talk to this worker no more: what it has been given is lost; its end is
 * waited for at most wait_ms, then it is killed. why: for people. */
void sb_client_drop(struct sb_bridge *b, const char *why, uint32_t wait_ms,
		    uint64_t now_ms);

/* Do what is due: reap, restart, heartbeat, write. */
void sb_client_step(struct sb_bridge *b, uint64_t now_ms);

/* Write what the socket takes and wait for room when there is more. */
void sb_client_flush(struct sb_bridge *b);

/* Is anything owed to the caller that no worker has to say? */
bool sb_client_owes(const struct sb_bridge *b);

/* Owe the caller an SB_EV_WORKER. */
void sb_client_tell(struct sb_bridge *b, int status, const char *reason);

#endif
