/*
 * sandbox.h: what the worker gives up, so that whoever takes it over with a
 * peer's bytes has little.
 * SPDX-License-Identifier: MIT
 *
 * Purpose: the worker's own process, for good: nothing here can be undone.
 * Steps:   sb_sandbox_limit() before the first settings are carried out: no
 *          core dump, no file written, no process, no privilege but that to
 *          bind low ports, memory as much as allowed.
 *          sb_sandbox_close() when it listens and has read its files: the last
 *          privilege, files but those of its certificates, ports but those of
 *          the Access Edges (Landlock), system calls but those it makes
 *          (seccomp). Peers' bytes come after that.
 * Absent:  a kernel without Landlock or seccomp is no error: the rest holds,
 *          and sb_sandbox_words() tells. What is there and fails is one.
 * Not in:  builds with sanitizers and under valgrind, which do what the filter
 *          forbids: sb_sandbox_hindrance().
 */
#ifndef SANDBOX_H
#define SANDBOX_H

#include "sipbridge.h"

enum {
	SB_SANDBOX_PLACES = 8,	/* files and folders to read */
	SB_SANDBOX_FOLDERS = 24, /* they lie in */
	SB_SANDBOX_PATH = 4096,
};

/* What the worker may go on to do. Texts and array: the caller's. */
struct sb_sandbox_needs {
	const char *place[SB_SANDBOX_PLACES]; /* of a file, its folder */
	size_t places;
	uint16_t port[SB_DOMAINS_MAX]; /* to connect to */
	size_t ports;
};

struct sb_sandbox {
	bool limited, closed;
	int landlock;  /* its version; 0: this kernel offers none */
	bool calls;    /* system calls are filtered */
	uint16_t port[SB_DOMAINS_MAX];
	size_t ports;
	char *folder[SB_SANDBOX_FOLDERS]; /* real paths */
	size_t folders;
};

/* Why there can be no sandbox here, or NULL. */
const char *sb_sandbox_hindrance(void);

/* Bytes of address space, 0: any. Without a sandbox, too. Errors: SB_ESYS with
 * why. */
int sb_sandbox_memory(uint64_t bytes, char *why, size_t n);

/* Once; later calls do nothing. Errors: SB_ESYS with why: then the process is
 * not fit to go on. */
int sb_sandbox_limit(struct sb_sandbox *s, char *why, size_t n);
int sb_sandbox_close(struct sb_sandbox *s, const struct sb_sandbox_needs *needs,
		     char *why, size_t n);

/* Could a process with this sandbox do what is needed? A file that is not
 * there does not count. */
bool sb_sandbox_covers(const struct sb_sandbox *s,
		       const struct sb_sandbox_needs *needs);

/* "no privileges, system calls filtered, files and ports by Landlock 4";
 * whole: nothing is missing. */
void sb_sandbox_words(const struct sb_sandbox *s, char *buf, size_t n,
		      bool *whole);

/* sandbox_files.c: Landlock's version, 0: none; the rules, for good. */
int sb_sandbox_landlock(void);
int sb_sandbox_files(struct sb_sandbox *s, const struct sb_sandbox_needs *needs,
		     char *why, size_t n);

/* sandbox_calls.c: does the kernel filter system calls? Do it, for good. */
bool sb_sandbox_seccomp(void);
int sb_sandbox_calls(char *why, size_t n);

#endif
