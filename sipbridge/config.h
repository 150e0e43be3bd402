/*
 * config.h: a copy of struct sb_config that owns its text.
 * SPDX-License-Identifier: MIT
 *
 * Purpose: the client keeps the settings for a worker that has to be started
 *          again, the worker keeps them while frames come and go.
 * Owner:   the caller; one block of memory, freed by sb_config_free.
 * Errors:  SB_ENOMEM. Thread: any.
 */
#ifndef SB_CONFIG_H
#define SB_CONFIG_H

#include "sipbridge.h"

int sb_config_dup(struct sb_config **cp, const struct sb_config *c);
void sb_config_free(struct sb_config *c); /* NULL is fine */

/* The domain of that name (case-insensitive), or NULL. */
const struct sb_domain *sb_config_domain(const struct sb_config *c,
					 struct sb_str name);

#endif
