/*
 * sofia_world.h: clock, chance and TLS around the worker in its box.
 * SPDX-License-Identifier: MIT
 *
 * What begins with __wrap_ the linker puts in place of what it names.
 */
#ifndef FUZZ_SOFIA_WORLD_H
#define FUZZ_SOFIA_WORLD_H

#include "../sipbridge/sofia_message.h"

extern uint64_t world_ms;   /* monotonic; moved by hand, for Sofia too */
extern bool world_inside;   /* else the clock is the machine's */
extern uint64_t world_seed; /* of getrandom() */
extern int world_served_fd; /* the connection that Sofia took last */

void world_start(void);

/* Parts of struct sb_edge: edge.h knows it only by name. */
nta_agent_t *world_agent(const struct sb_edge *e);
const struct sb_self *world_self(const struct sb_edge *e);
void world_go_on(struct sb_edge *e); /* after sb_edge_stop */

int __real_su_root_step(su_root_t *root, su_duration_t ms);
int __wrap_su_root_step(su_root_t *root, su_duration_t ms);

#endif
