/*
 * sofia_names.h: no host name is ever looked up in the worker.
 * SPDX-License-Identifier: MIT
 */
#ifndef SB_SOFIA_NAMES_H
#define SB_SOFIA_NAMES_H

#include <stdbool.h>

/* Refers to the object so that the linker takes it; true if it is in force. */
bool sb_names_are_numbers(void);

#endif
