/*
 * test_sandbox.c: what a process in the sandbox can do and what not: each try
 * in a child of its own.
 * SPDX-License-Identifier: MIT
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../sipbridge/sandbox.h"
#include "test.h"

#define PORT 5061
#define DIED 1000 /* and the signal; else an errno */

static char folder[64]; /* of certificates */

static char *in(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void write_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	CHECK(fd >= 0 && write(fd, "x", 1) == 1);
	close(fd);
}

static struct sb_sandbox_needs needs(const char *place)
{
	return (struct sb_sandbox_needs){.place = {place}, .places = 1,
					 .port = {PORT}, .ports = 1};
}

/* ---------------------------------------------------------------- tries -- */

static int errno_of(long result)
{
	return result < 0 ? errno : 0;
}

static int reads(const char *path)
{
	char c;
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		return errno;
	return read(fd, &c, 1) == 1 ? 0 : EIO;
}

static int calls(unsigned int port)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0)
		return errno;
	/* not our own connect(), which asks the settings */
	return errno_of(syscall(SYS_connect, fd, &to, sizeof(to)));
}

static int try_exec(void)
{
	return errno_of(execl("/bin/true", "true", (char *)NULL));
}

static int try_fork(void)
{
	return errno_of(fork());
}

static int try_trace(void)
{
	return errno_of(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
}

static int try_write(void)
{
	return errno_of(open(in("cert.pem"), O_WRONLY));
}

static int try_create(void)
{
	return errno_of(open(in("new"), O_RDONLY | O_CREAT, 0600));
}

static int try_truncate(void)
{
	return errno_of(truncate(in("cert.pem"), 0));
}

static int try_remove(void)
{
	return errno_of(unlink(in("cert.pem")));
}

static int try_read(void)
{
	return reads(in("cert.pem"));
}

/* As certbot leaves it: link and archive. */
static int try_read_link(void)
{
	return reads(in("link.pem"));
}

static int try_read_elsewhere(void)
{
	return reads("/etc/passwd");
}

static int try_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? errno : 0;
}

static int try_code_later(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return E2BIG;
	return errno_of(mprotect(p, 4096, PROT_READ | PROT_EXEC));
}

static int try_unix_socket(void)
{
	return errno_of(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int try_edge(void)
{
	return calls(PORT);
}

static int try_other_port(void)
{
	return calls(22);
}

static int try_listen(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return errno_of(listen(fd, 1));
}

static int try_signal(void)
{
	return errno_of(kill(getppid(), SIGTERM));
}

static int try_limits(void)
{
	struct rlimit r = {1, 1};

	return errno_of(setrlimit(RLIMIT_NOFILE, &r));
}

static int try_memory(void)
{
	char *volatile p = malloc(64u << 20);
	int err = p ? 0 : ENOMEM;

	free(p);
	return err;
}

static int try_abort(void)
{
	abort();
}

/* -------------------------------------------------------------- harness -- */

enum { ALWAYS, CALLS, FILES, PORTS };

static const struct {
	const char *name;
	int (*run)(void);
	int want;
	int by; /* what refuses it */
} tries[] = {
	{"exec", try_exec, DIED + SIGSYS, CALLS},
	{"fork", try_fork, DIED + SIGSYS, CALLS},
	{"trace", try_trace, DIED + SIGSYS, CALLS},
	{"write", try_write, EPERM, CALLS},
	{"create", try_create, EPERM, CALLS},
	{"truncate", try_truncate, ENOSYS, CALLS},
	{"remove", try_remove, ENOSYS, CALLS},
	{"read", try_read, 0, ALWAYS},
	{"read a link", try_read_link, 0, ALWAYS},
	{"read elsewhere", try_read_elsewhere, EACCES, FILES},
	{"code", try_code, EPERM, CALLS},
	{"code later", try_code_later, EPERM, CALLS},
	{"unix socket", try_unix_socket, EPERM, CALLS},
	{"edge", try_edge, ECONNREFUSED, ALWAYS},
	{"other port", try_other_port, EACCES, PORTS},
	{"listen", try_listen, ENOSYS, CALLS},
	{"signal", try_signal, ENOSYS, CALLS},
	{"limits", try_limits, ENOSYS, CALLS},
	{"memory", try_memory, 0, ALWAYS},
	{"abort", try_abort, DIED + SIGABRT, ALWAYS},
};

/* What became of it in a child in the sandbox, or outside of one. */
static int outcome(int (*run)(void), bool sandboxed)
{
	struct sb_sandbox s = {0};
	struct sb_sandbox_needs n = needs(in("link.pem"));
	char why[300];
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		alarm(60);
		if (sandboxed && (sb_sandbox_limit(&s, why, sizeof(why)) ||
				  sb_sandbox_close(&s, &n, why, sizeof(why)))) {
			puts(why);
			_exit(255);
		}
		_exit(run());
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFSIGNALED(status) ? DIED + WTERMSIG(status)
				   : WEXITSTATUS(status);
}

static bool offered(int by)
{
	return by == ALWAYS || (by == CALLS && sb_sandbox_seccomp()) ||
	       (by == FILES && sb_sandbox_landlock()) ||
	       (by == PORTS && sb_sandbox_landlock() >= 4);
}

static bool make_folder(void)
{
	snprintf(folder, sizeof(folder), "/tmp/lg-sandbox-XXXXXX");
	if (!mkdtemp(folder))
		return false;
	write_file(in("cert.pem"));
	mkdir(in("archive"), 0700);
	write_file(in("archive/cert2.pem"));
	return symlink("archive/cert2.pem", in("link.pem")) == 0;
}

static void remove_folder(void)
{
	unlink(in("new"));
	unlink(in("link.pem"));
	unlink(in("archive/cert2.pem"));
	rmdir(in("archive"));
	unlink(in("cert.pem"));
	rmdir(folder);
}

TEST(sandbox_tries)
{
	REQUIRE(make_folder());
	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		test_note(tries[i].name);
		if (!sb_sandbox_hindrance() && offered(tries[i].by))
			CHECK_INT(outcome(tries[i].run, true), tries[i].want);
	}
	/* Without it, nothing of that is refused. */
	test_note("without");
	CHECK_INT(outcome(try_exec, false), 0);
	CHECK_INT(outcome(try_write, false), 0);
	CHECK_INT(outcome(try_code, false), 0);
	CHECK_INT(outcome(try_read_elsewhere, false), 0);
	test_note(NULL);
	remove_folder();
}

static int try_memory_limit(void)
{
	char why[200];

	if (sb_sandbox_memory(48u << 20, why, sizeof(why)) != SB_OK)
		return EINVAL;
	return try_memory();
}

TEST(sandbox_memory)
{
	CHECK_INT(outcome(try_memory_limit, false),
		  sb_sandbox_hindrance() ? 0 : ENOMEM);
}

TEST(sandbox_covers)
{
	struct sb_sandbox s = {.closed = true, .landlock = 4, .port = {PORT},
			       .ports = 1, .folders = 1};
	struct sb_sandbox_needs n;
	char usr[] = "/us", root[] = "/";

	REQUIRE(make_folder());
	s.folder[0] = in("archive");
	n = needs("/nonexistent/cert.pem");
	CHECK(sb_sandbox_covers(&s, &n)); /* whoever reads it will say so */
	s.folder[0] = strdup(in("archive"));
	n = needs(strdup(in("link.pem")));
	CHECK(sb_sandbox_covers(&s, &n));
	n.port[0] = PORT + 1;
	CHECK(!sb_sandbox_covers(&s, &n));
	s.landlock = 3; /* knows no ports */
	CHECK(sb_sandbox_covers(&s, &n));
	free((char *)n.place[0]);
	n.place[0] = strdup(in("cert.pem"));
	CHECK(!sb_sandbox_covers(&s, &n));
	s.landlock = 0;
	CHECK(sb_sandbox_covers(&s, &n));
	free((char *)n.place[0]);
	free(s.folder[0]);
	/* A folder is no prefix of a name. */
	s = (struct sb_sandbox){.closed = true, .landlock = 1,
				.folder = {usr}, .folders = 1};
	n = needs("/usr");
	CHECK(!sb_sandbox_covers(&s, &n));
	s.folder[0] = root;
	CHECK(sb_sandbox_covers(&s, &n));
	remove_folder();
}

TEST(sandbox_words)
{
	struct sb_sandbox s = {.closed = true, .landlock = 4, .calls = true};
	char buf[200];
	bool whole;

	sb_sandbox_words(&s, buf, sizeof(buf), &whole);
	CHECK_STR(buf, "no privileges, system calls filtered, files and ports "
		  "by Landlock 4");
	CHECK(whole);
	s.landlock = 0;
	sb_sandbox_words(&s, buf, sizeof(buf), &whole);
	CHECK_STR(buf, "no privileges, system calls filtered, files not "
		  "restricted (no Landlock here)");
	CHECK(!whole);
	s = (struct sb_sandbox){.closed = true, .landlock = 2};
	sb_sandbox_words(&s, buf, sizeof(buf), &whole);
	CHECK_STR(buf, "no privileges, system calls not filtered (no seccomp "
		  "here), files by Landlock 2");
	CHECK(!whole);
}
