/*
 * sandbox_calls.c: seccomp: the system calls that the worker makes once it
 * listens.
 * SPDX-License-Identifier: MIT
 *
 * What nobody here has a use for but an intruder (another program, another
 * process, somebody else's memory) ends the worker; the kernel's audit says
 * so. Everything else that is not listed is answered ENOSYS, which every C
 * library has to live with (a newer one tries newer calls first), and where
 * the call is known and its arguments are not, EPERM.
 *
 * Names instead of numbers: libseccomp has those of each architecture, and
 * leaves out a call that this one has not.
 */
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/seccomp.h>

#include "sandbox.h"

#define TCGETS_ 0x5401	 /* fopen() asks whether it is a terminal */
#define FIONREAD_ 0x541b
#define FIONBIO_ 0x5421

static const char *const allowed[] = {
	/* connections, the channel */
	"accept", "accept4", "bind", "close", "connect", "epoll_create1",
	"epoll_ctl", "epoll_pwait", "epoll_pwait2", "epoll_wait", "fcntl",
	"getpeername", "getsockname", "getsockopt", "poll", "ppoll", "read",
	"readv", "recvfrom", "recvmsg", "sendmsg", "sendto", "setsockopt",
	"shutdown", "write", "writev",
	/* certificates */
	"access", "faccessat", "faccessat2", "fstat", "fstat64", "fstatat64",
	"getdents64", "lseek", "lstat", "newfstatat", "pread64", "readlink",
	"readlinkat", "stat", "statx",
	/* memory */
	"brk", "madvise", "mremap", "munmap",
	/* time, randomness, locks */
	"clock_getres", "clock_gettime", "clock_gettime64", "clock_nanosleep",
	"clock_nanosleep_time64", "futex", "futex_time64", "getrandom",
	"gettimeofday", "nanosleep", "ppoll_time64", "restart_syscall",
	"rseq", "sched_yield", "set_robust_list", "time",
	/* the process itself, and its end */
	"exit", "exit_group", "getcwd", "getegid", "geteuid", "getgid",
	"getpid", "getppid", "gettid", "getuid", "membarrier", "rt_sigaction",
	"rt_sigprocmask", "rt_sigreturn", "sched_getaffinity", "sigaltstack",
	"sysinfo", "uname",
};

static const char *const deadly[] = {
	"add_key", "bpf", "clone", "clone3", "execve", "execveat",
	"finit_module", "fork", "init_module", "io_uring_setup", "kcmp",
	"kexec_load", "keyctl", "mount", "move_mount", "perf_event_open",
	"pidfd_getfd", "pivot_root", "process_vm_readv", "process_vm_writev",
	"ptrace", "request_key", "setns", "umount2", "unshare", "userfaultfd",
	"vfork",
};

/* A call with one argument that counts: (argument & mask) == value. */
static const struct {
	const char *call;
	unsigned int arg;
	uint64_t mask, value;
	bool allow; /* or EPERM */
} with[] = {
	{"open", 1, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY, true},
	{"open", 1, O_ACCMODE, O_WRONLY, false},
	{"open", 1, O_ACCMODE, O_RDWR, false},
	{"openat", 2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY, true},
	{"openat", 2, O_ACCMODE, O_WRONLY, false},
	{"openat", 2, O_ACCMODE, O_RDWR, false},
	{"openat", 2, O_ACCMODE | O_CREAT, O_RDONLY | O_CREAT, false},
	{"openat", 2, O_ACCMODE | O_TRUNC, O_RDONLY | O_TRUNC, false},
	{"mmap", 2, PROT_EXEC, 0, true},
	{"mmap", 2, PROT_EXEC, PROT_EXEC, false},
	{"mmap2", 2, PROT_EXEC, 0, true},
	{"mmap2", 2, PROT_EXEC, PROT_EXEC, false},
	{"mprotect", 2, PROT_EXEC, 0, true},
	{"mprotect", 2, PROT_EXEC, PROT_EXEC, false},
	{"socket", 0, UINT32_MAX, AF_INET, true},
	{"socket", 0, UINT32_MAX, AF_INET6, true},
	{"socket", 0, UINT32_MAX, AF_UNIX, false},
	{"socket", 0, UINT32_MAX, AF_NETLINK, false},
	{"socket", 0, UINT32_MAX, AF_PACKET, false},
	{"ioctl", 1, UINT32_MAX, FIONREAD_, true},
	{"ioctl", 1, UINT32_MAX, FIONBIO_, true},
	{"ioctl", 1, UINT32_MAX, TCGETS_, true},
	/* limits may be asked for, not set */
	{"prlimit64", 2, UINT64_MAX, 0, true},
	{"getrlimit", 0, 0, 0, true},
};

bool sb_sandbox_seccomp(void)
{
	/* with no filter to read: a kernel that has none says EINVAL */
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL, 0, 0) < 0 &&
	       errno == EFAULT;
}

/* A name that libseccomp does not know is of a newer kernel than it is. */
static int add(scmp_filter_ctx f, uint32_t action, const char *name)
{
	int nr = seccomp_syscall_resolve_name(name);

	return nr == __NR_SCMP_ERROR ? 0 : seccomp_rule_add(f, action, nr, 0);
}

static int add_with(scmp_filter_ctx f, size_t i)
{
	int nr = seccomp_syscall_resolve_name(with[i].call);
	struct scmp_arg_cmp c = SCMP_CMP64(with[i].arg, SCMP_CMP_MASKED_EQ,
					   with[i].mask, with[i].value);

	if (nr == __NR_SCMP_ERROR)
		return 0;
	return seccomp_rule_add_array(f, with[i].allow ? SCMP_ACT_ALLOW
						       : SCMP_ACT_ERRNO(EPERM),
				      nr, 1, &c);
}

/* abort() sends a signal to itself; nobody else gets one. */
static int add_abort(scmp_filter_ctx f)
{
	struct scmp_arg_cmp self = SCMP_CMP64(0, SCMP_CMP_EQ,
					      (uint64_t)getpid());
	int err = seccomp_rule_add_array(f, SCMP_ACT_ALLOW,
					 SCMP_SYS(tgkill), 1, &self);

	return err ? err : seccomp_rule_add_array(f, SCMP_ACT_ALLOW,
						  SCMP_SYS(kill), 1, &self);
}

static int add_all(scmp_filter_ctx f)
{
	int err = add_abort(f);
	size_t i;

	for (i = 0; i < sizeof(allowed) / sizeof(allowed[0]) && !err; i++)
		err = add(f, SCMP_ACT_ALLOW, allowed[i]);
	for (i = 0; i < sizeof(deadly) / sizeof(deadly[0]) && !err; i++)
		err = add(f, SCMP_ACT_KILL_PROCESS, deadly[i]);
	for (i = 0; i < sizeof(with) / sizeof(with[0]) && !err; i++)
		err = add_with(f, i);
	return err;
}

int sb_sandbox_calls(char *why, size_t n)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	int err = f ? 0 : -ENOMEM;

	snprintf(why, n, "seccomp");
	if (!err)
		err = seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH,
				       SCMP_ACT_KILL_PROCESS);
	if (!err)
		err = add_all(f);
	if (!err) {
		/* the number that is called most is looked for first */
		(void)seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2);
		err = seccomp_load(f);
	}
	seccomp_release(f);
	errno = -err;
	return err ? SB_ESYS : SB_OK;
}
