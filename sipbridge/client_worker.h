/*
 * client_worker.h: the worker's process: start it, see it die, end it.
 * SPDX-License-Identifier: MIT
 *
 * Purpose: posix_spawn and waitpid in one place. Only its own process is
 *          waited for, and no signal handler is set: Prosody's process is not
 *          ours.
 * Thread:  the caller's.
 */
#ifndef SB_CLIENT_WORKER_H
#define SB_CLIENT_WORKER_H

#include <sys/types.h>

#include "sipbridge.h"

struct sb_worker {
	pid_t pid; /* 0: none */
	int pidfd; /* readable when it has ended; -1: the kernel has none */
};

/*
 * Start path with one end of a new socket pair on its descriptor 3, no other
 * descriptor open but 0 to 2, signals as they are at boot, and an environment
 * in which nothing dumps messages and no name is looked up for long. *fd is
 * our end, non-blocking and closed on exec.
 * Errors: SB_ENOMEM; SB_ESYS (errno tells; also when path cannot be executed).
 */
int sb_worker_start(struct sb_worker *w, int *fd, const char *path);

/* Has it ended? Then *w is empty again and how says how, in words ("exit
 * status 1"). Does not wait. */
bool sb_worker_ended(struct sb_worker *w, char *how, size_t how_n);

/* SIGKILL; it is still to be waited for. */
void sb_worker_kill(const struct sb_worker *w);

/* It is gone when this returns: waits at most wait_ms, then kills. The only
 * call that may block. */
void sb_worker_end(struct sb_worker *w, int wait_ms);

#endif
