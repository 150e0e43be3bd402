/*
 * channel_codec.h: frames of the channel as bytes in memory.
 * SPDX-License-Identifier: MIT
 *
 * Purpose: encode and decode without I/O; channel.c adds the descriptor and
 *          the buffers, the tests and the fuzzer call it directly.
 * Shape:   see channel.h.
 * Thread:  any; nothing is kept.
 */
#ifndef SB_CHANNEL_CODEC_H
#define SB_CHANNEL_CODEC_H

#include "channel.h"

#define SB_FRAME_HEAD 4 /* bytes of the length in front of a frame */

/*
 * Size of a frame with its head: encode with to NULL, then again into that
 * many bytes. what: struct sb_str (HELLO), sb_config, sb_request or sb_event;
 * NULL for the other kinds. The caller has checked *what (check.h).
 */
size_t sb_frame_encode(char *to, enum sb_frame_kind kind, const void *what);

/*
 * The first frame of bytes: 1, *f and *used (bytes with the head); 0 when it
 * is incomplete; SB_EPROTO when it can never become one. The content has been
 * checked (check.h). Text points into bytes.
 */
int sb_frame_decode(struct sb_frame *f, size_t *used, struct sb_str bytes);

#endif
