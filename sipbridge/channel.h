/*
 * channel.h: the frames between the plugin and its worker.
 * SPDX-License-Identifier: MIT
 *
 * Purpose: carry struct sb_config, sb_request and sb_event over a stream socket
 *          pair, many frames per read and write; each side checks every
 *          length, type and field of the other.
 * Shape:   frame = u32 length of what follows, u8 kind, then fields; field =
 *          u8 tag, u32 length, bytes. Integers little-endian. Unknown tags are
 *          SB_EPROTO: both sides come from one build (the first frame each way
 *          is a hello with the build's version).
 * Limits:  SB_FRAME_MAX per frame; the out buffer holds at most
 *          SB_CHANNEL_OUT_MAX bytes, then SB_EFULL. Outcomes are taken beyond
 *          it: there is one for each message, SB_INFLIGHT_MAX in all.
 * Errors:  SB_EPROTO is final: the worker exits, the client restarts it.
 * Thread:  the caller's.
 */
#ifndef SB_CHANNEL_H
#define SB_CHANNEL_H

#include "sipbridge.h"

#define SB_CHANNEL_OUT_MAX (8u << 20) /* bytes */

struct sb_channel; /* buffers over one non-blocking descriptor */

/* Takes fd (closed by _free). Errors: SB_ENOMEM. */
int sb_channel_new(struct sb_channel **cp, int take_fd);
void sb_channel_free(struct sb_channel *c);
int sb_channel_fd(const struct sb_channel *c);

/* Append a frame to the out buffer. Errors: SB_EFULL, SB_ETOOBIG, SB_ENOMEM,
 * and of check.h SB_EINVAL, SB_EBADTEXT. In an event the fields for people
 * (display, subject, reason, an SB_EV_LOG's text) are made to fit instead: cut
 * at a character, '?' for what may not cross. */
int sb_channel_put_hello(struct sb_channel *c);
int sb_channel_put_config(struct sb_channel *c, const struct sb_config *cfg);
int sb_channel_put_request(struct sb_channel *c, const struct sb_request *r);
int sb_channel_put_event(struct sb_channel *c, const struct sb_event *ev);
int sb_channel_put_ping(struct sb_channel *c, bool pong);
int sb_channel_put_shutdown(struct sb_channel *c);

/* Write what the socket takes. SB_OK (sb_channel_pending() tells the rest),
 * or SB_EDOWN when the other side is gone. */
int sb_channel_flush(struct sb_channel *c);
size_t sb_channel_pending(const struct sb_channel *c);

enum sb_frame_kind {
	SB_FRAME_NONE = 0,
	SB_FRAME_HELLO,
	SB_FRAME_CONFIG,
	SB_FRAME_REQUEST,
	SB_FRAME_EVENT,
	SB_FRAME_PING,
	SB_FRAME_PONG,
	SB_FRAME_SHUTDOWN,
};

/* Text points into the channel, valid until the next sb_channel_get/_fill. */
struct sb_frame {
	enum sb_frame_kind kind;
	union {
		struct sb_str hello; /* the other side's version */
		struct sb_config config;
		struct sb_request request;
		struct sb_event event;
	};
};

/* Read once what is there. SB_OK, SB_EDOWN at end of file, SB_ENOMEM. */
int sb_channel_fill(struct sb_channel *c);

/* The last fill got something: what it left, if anything, is still to read. */
bool sb_channel_more(const struct sb_channel *c);
/* It got all that there was: another one now would find nothing. Asked once:
 * then it is forgotten. */
bool sb_channel_drained(struct sb_channel *c);

/* Decode the next whole frame: 1 and *f, 0 when none is complete, SB_EPROTO. */
int sb_channel_get(struct sb_channel *c, struct sb_frame *f);

#endif
