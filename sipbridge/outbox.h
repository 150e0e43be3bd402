/*
 * outbox.h: the worker's events on their way to Prosody.
 * SPDX-License-Identifier: MIT
 *
 * Purpose: put events into the channel by what they are worth. Outcomes that
 *          nobody waits for (delivered: the sender is told nothing) are held
 *          back for a moment and go together, since each write wakes Prosody;
 *          what is owed to nobody is left out when Prosody is far behind; and
 *          the more it is behind, the less is begun that makes others.
 * Limits:  bytes of events that Prosody has not read, below; an event beyond
 *          what the channel takes is an error, and the end of the worker.
 * Thread:  the worker's only one.
 */
#ifndef SB_OUTBOX_H
#define SB_OUTBOX_H

#include "channel.h"
#include "sip_text.h"

/* Bytes. Above them there is no: */
#define SB_OUTBOX_SLOW (512u << 10)   /* new subscription of ours */
#define SB_OUTBOX_BEHIND (1u << 20)   /* reading of Prosody's requests */
#define SB_OUTBOX_BUSY (SB_CHANNEL_OUT_MAX / 2) /* new request of Lync */
#define SB_OUTBOX_FULL (SB_CHANNEL_OUT_MAX / 4 * 3) /* event that is not owed */

#define SB_OUTBOX_HOLD_MS 5	       /* at most, from the first one on */
#define SB_OUTBOX_HOLD_BYTES (16u << 10) /* so many go at once */

struct sb_outbox {
	struct sb_channel *channel; /* borrowed */
	bool urgent;	  /* something in the channel is to be told at once */
	uint64_t held_ms; /* since when something is held back; 0: nothing is */
	/* since it was told last */
	unsigned int refused, dropped; /* requests of Lync; events */
	uint64_t told_ms;
};

void sb_outbox_init(struct sb_outbox *o, struct sb_channel *channel);

/* SB_OK: it will be told, or nobody needs it. SB_EFULL, SB_ENOMEM: it is lost.
 * One whose text may not cross is told without its texts. */
int sb_outbox_put(struct sb_outbox *o, const struct sb_event *ev);
void sb_outbox_pong(struct sb_outbox *o); /* the answer to a ping */

bool sb_outbox_above(const struct sb_outbox *o, size_t bytes);

/* May Lync's request be taken? Else it is refused, and counted. presence: it is
 * about subscriptions. */
bool sb_outbox_admits(struct sb_outbox *o, const struct sb_sip_in *m,
		      bool presence);
/* How many were refused, as soon as there is one, then from time to time. As
 * sb_outbox_put. */
int sb_outbox_tell_busy(struct sb_outbox *o, uint64_t now_ms);

/* ms for which what is there may wait for more; 0: flush. */
uint32_t sb_outbox_held(const struct sb_outbox *o, uint64_t now_ms);
int sb_outbox_flush(struct sb_outbox *o); /* as sb_channel_flush */

#endif
