/*
 * sofia_names.h: no host name is ever looked up in the worker, and it connects
 * to nobody but the Access Edges.
 * SPDX-License-Identifier: MIT
 */
#ifndef SB_SOFIA_NAMES_H
#define SB_SOFIA_NAMES_H

#include "sofia_tls.h"

/* Refers to the object so that the linker takes it; true if it is in force. */
bool sb_names_are_numbers(void);

/* Whom the process may connect to over IP; before the first call nobody. The
 * list must stay valid until the next call. */
void sb_names_peers(const struct sb_tls_peer *list, size_t n);

#endif
