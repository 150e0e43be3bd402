/*
 * heard.h: which conversations have just been heard of.
 * SPDX-License-Identifier: MIT
 *
 * Purpose: a contact's messages say again and again whether its client shows
 *          chat states (XEP-0085); Lua keeps that, and is told once a minute
 *          and whenever it changes. Forgetting costs nothing but telling again.
 * Shape:   LG_HEARD_SLOTS words of 8 bytes, each for the conversation that came
 *          last there. Hashes are under a random key: who writes cannot choose
 *          them.
 * Thread:  the caller's.
 */
#ifndef LG_HEARD_H
#define LG_HEARD_H

#include <stdbool.h>
#include <stdint.h>

#include "../sipbridge/str.h"
#include "../sipbridge/table.h"

enum { LG_HEARD_SLOTS = 1024 };

/* Zero it, but for the key, to begin. */
struct lg_heard {
	struct sb_hash_key key;
	uint64_t epoch;
	uint64_t slot[LG_HEARD_SLOTS];
};

/* Was this heard before, in the same epoch? It is from now on. epoch: a number
 * that is another one whenever what Lua knows may be gone. */
bool lg_heard_again(struct lg_heard *h, uint64_t epoch, struct sb_str user,
		    struct sb_str contact, bool state);

#endif
