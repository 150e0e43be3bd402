/*
 * outbox.c: what is told at once, together, or not at all.
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <time.h>

#include "outbox.h"

#define BUSY_LOG_MS 10000 /* between two lines about it */

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

void sb_outbox_init(struct sb_outbox *o, struct sb_channel *channel)
{
	*o = (struct sb_outbox){.channel = channel};
}

bool sb_outbox_above(const struct sb_outbox *o, size_t bytes)
{
	return sb_channel_pending(o->channel) > bytes;
}

/* Nothing goes wrong without it. */
static bool not_owed(const struct sb_event *ev)
{
	return ev->type == SB_EV_LOG || ev->type == SB_EV_REFUSED ||
	       ev->type == SB_EV_TYPING || ev->type == SB_EV_ENDED;
}

/* What remains of an event when a text in it may not cross: it still tells the
 * fate (an offer or a message without answer gets 504). */
static struct sb_event bare_of(const struct sb_event *ev)
{
	if (ev->type != SB_EV_OUTCOME)
		return (struct sb_event){
			.type = SB_EV_LOG, .status = 3,
			.text = SB_STR("an event held what may not cross the "
				       "channel")};
	return (struct sb_event){
		.type = ev->type, .id = ev->id, .status = ev->status,
		.outcome = ev->outcome, .local = ev->local,
		.token = SB_STR("bad-text"),
	};
}

static int put(struct sb_outbox *o, const struct sb_event *ev)
{
	int err = sb_channel_put_event(o->channel, ev);
	struct sb_event bare;

	if (err != SB_EINVAL && err != SB_ETOOBIG && err != SB_EBADTEXT)
		return err;
	bare = bare_of(ev);
	return sb_channel_put_event(o->channel, &bare);
}

int sb_outbox_put(struct sb_outbox *o, const struct sb_event *ev)
{
	struct sb_event quiet;

	if (not_owed(ev) && sb_outbox_above(o, SB_OUTBOX_FULL)) {
		o->dropped++;
		return SB_OK;
	}
	if (ev->type != SB_EV_OUTCOME || ev->outcome != SB_DELIVERED) {
		o->urgent = true;
		return put(o, ev);
	}
	quiet = *ev;
	quiet.at_us = now_us();
	if (!o->held_ms)
		o->held_ms = quiet.at_us / 1000;
	return put(o, &quiet);
}

void sb_outbox_pong(struct sb_outbox *o)
{
	o->urgent = true;
	(void)sb_channel_put_ping(o->channel, true);
}

/* What begins something is refused first; then also what would be told in a
 * dialog. What ends one, or tells what became of a message, never is. */
static bool admitted(const struct sb_outbox *o, const struct sb_sip_in *m,
		     bool presence)
{
	if (!sb_outbox_above(o, SB_OUTBOX_BUSY) || m->method == SB_M_BYE ||
	    m->method == SB_M_OPTIONS)
		return true;
	return m->to.tag.n && (!sb_outbox_above(o, SB_OUTBOX_FULL) ||
			       (m->method != SB_M_MESSAGE && !presence));
}

bool sb_outbox_admits(struct sb_outbox *o, const struct sb_sip_in *m,
		      bool presence)
{
	bool yes = admitted(o, m, presence);

	if (!yes)
		o->refused++;
	return yes;
}

int sb_outbox_tell_busy(struct sb_outbox *o, uint64_t now_ms)
{
	struct sb_event ev = {
		.type = SB_EV_REFUSED, .status = 503, .local = true,
		.token = SB_STR("prosody-busy"), .pending = o->refused,
	};
	char reason[200];

	if ((!o->refused && !o->dropped) ||
	    sb_outbox_above(o, SB_OUTBOX_FULL) ||
	    (o->told_ms && now_ms - o->told_ms < BUSY_LOG_MS))
		return SB_OK;
	snprintf(reason, sizeof(reason), "Prosody does not keep up with what "
		 "Lync sends (refused=%u dropped=%u waiting=%zu)", o->refused,
		 o->dropped, sb_channel_pending(o->channel));
	ev.reason = sb_str_of(reason);
	o->refused = o->dropped = 0;
	o->told_ms = now_ms;
	return sb_outbox_put(o, &ev);
}

uint32_t sb_outbox_held(const struct sb_outbox *o, uint64_t now_ms)
{
	uint64_t due = o->held_ms + SB_OUTBOX_HOLD_MS;

	/* Without held_ms it is what the socket did not take. */
	if (!o->held_ms || o->urgent || now_ms >= due ||
	    sb_outbox_above(o, SB_OUTBOX_HOLD_BYTES))
		return 0;
	return (uint32_t)(due - now_ms);
}

int sb_outbox_flush(struct sb_outbox *o)
{
	int err = sb_channel_flush(o->channel);

	o->held_ms = 0;
	/* What the socket left is not held back by what comes behind it. */
	o->urgent = sb_channel_pending(o->channel) > 0;
	return err;
}
