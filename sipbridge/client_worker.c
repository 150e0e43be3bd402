/*
 * client_worker.c: the worker's process: start it, see it die, end it.
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client_worker.h"

enum { CHANNEL_FD = 3 };

/* --------------------------------------------------------------- start -- */

/* What makes Sofia-SIP write messages to files and terminals, and what is set
 * otherwise below. */
static bool unwanted(const char *var)
{
	static const char *const heads[] = {"TPORT_LOG=", "TPORT_DUMP",
					    "TPORT_CAPT=", "RES_OPTIONS="};
	const char *eq = strchr(var, '=');
	const char *end = "_DEBUG=";
	size_t n = eq ? (size_t)(eq - var) + 1 : 0, end_n = strlen(end);

	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		if (strncmp(var, heads[i], strlen(heads[i])) == 0)
			return true;
	}
	return n >= end_n && memcmp(eq + 1 - end_n, end, end_n) == 0;
}

/* The caller frees the array; its strings are the environment's. */
static char **worker_environment(void)
{
	static char resolver[] = "RES_OPTIONS=timeout:1 attempts:1";
	size_t n = 0, kept = 0;
	char **env;

	while (environ && environ[n])
		n++;
	env = calloc(n + 2, sizeof(*env));
	if (!env)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		if (!unwanted(environ[i]))
			env[kept++] = environ[i];
	}
	env[kept] = resolver;
	return env;
}

/* fd is above CHANNEL_FD. Standard error stays Prosody's, if it has one: what
 * a dying worker says belongs into the journal. */
static int file_actions(posix_spawn_file_actions_t *fa, int fd)
{
	int err = posix_spawn_file_actions_adddup2(fa, fd, CHANNEL_FD);
	int last = fcntl(2, F_GETFD) < 0 ? 2 : 1;

	for (int i = 0; i <= last && !err; i++)
		err = posix_spawn_file_actions_addopen(fa, i, "/dev/null",
						       O_RDWR, 0);
	if (!err)
		err = posix_spawn_file_actions_addclosefrom_np(
			fa, CHANNEL_FD + 1);
	return err;
}

static int attributes(posix_spawnattr_t *at)
{
	sigset_t all, none;
	int err;

	sigfillset(&all);
	sigemptyset(&none);
	err = posix_spawnattr_setsigdefault(at, &all);
	if (!err)
		err = posix_spawnattr_setsigmask(at, &none);
	if (!err)
		err = posix_spawnattr_setflags(
			at, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	return err;
}

static int spawn(pid_t *pid, const char *path, int fd, char **env)
{
	static char name[] = "sipbridge-worker";
	char *argv[] = {name, NULL};
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t at;
	int err = posix_spawn_file_actions_init(&fa);

	if (err)
		return err;
	err = posix_spawnattr_init(&at);
	if (err) {
		posix_spawn_file_actions_destroy(&fa);
		return err;
	}
	err = file_actions(&fa, fd);
	if (!err)
		err = attributes(&at);
	if (!err)
		err = posix_spawn(pid, path, &fa, &at, argv, env);
	posix_spawnattr_destroy(&at);
	posix_spawn_file_actions_destroy(&fa);
	return err;
}

int sb_worker_start(struct sb_worker *w, int *fd, const char *path)
{
	char **env = worker_environment();
	int pair[2], high, err;
	pid_t pid = 0;

	if (!env)
		return SB_ENOMEM;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		       pair) < 0) {
		free(env);
		return SB_ESYS;
	}
	/* Above 3, so that no file action overwrites it. */
	high = fcntl(pair[1], F_DUPFD_CLOEXEC, CHANNEL_FD + 1);
	err = high < 0 ? errno : spawn(&pid, path, high, env);
	free(env);
	close(pair[1]);
	if (high >= 0)
		close(high);
	if (err) {
		close(pair[0]);
		errno = err;
		return SB_ESYS;
	}
	*w = (struct sb_worker){pid, (int)syscall(SYS_pidfd_open, pid, 0)};
	*fd = pair[0];
	return SB_OK;
}

/* ----------------------------------------------------------------- end -- */

static void words(char *how, size_t n, int status)
{
	if (WIFSIGNALED(status))
		snprintf(how, n, "killed by signal %d", WTERMSIG(status));
	else
		snprintf(how, n, "exit status %d", WEXITSTATUS(status));
}

static bool reap(struct sb_worker *w, int flags, char *how, size_t how_n)
{
	int status;
	pid_t r;

	do {
		r = waitpid(w->pid, &status, flags);
	} while (r < 0 && errno == EINTR);
	if (r == 0)
		return false;
	/* Somebody else may have waited for it, or ignores SIGCHLD. */
	if (r < 0)
		snprintf(how, how_n, "ended");
	else
		words(how, how_n, status);
	if (w->pidfd >= 0)
		close(w->pidfd);
	*w = (struct sb_worker){0, -1};
	return true;
}

bool sb_worker_ended(struct sb_worker *w, char *how, size_t how_n)
{
	return reap(w, WNOHANG, how, how_n);
}

/* By pidfd where there is one: it cannot hit a stranger with the same pid. */
void sb_worker_kill(const struct sb_worker *w)
{
	if (w->pidfd < 0)
		kill(w->pid, SIGKILL);
	else
		(void)syscall(SYS_pidfd_send_signal, w->pidfd, SIGKILL, NULL,
			      0);
}

void sb_worker_end(struct sb_worker *w, int wait_ms)
{
	struct pollfd p = {w->pidfd, POLLIN, 0};
	char how[64];

	if (!w->pid)
		return;
	if (w->pidfd >= 0)
		(void)poll(&p, 1, wait_ms);
	if (reap(w, WNOHANG, how, sizeof(how)))
		return;
	sb_worker_kill(w);
	(void)reap(w, 0, how, sizeof(how));
}
