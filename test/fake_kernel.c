/*
 * fake_kernel.c: run a command on a kernel that lacks something: for what the
 * sandbox does then.
 * SPDX-License-Identifier: MIT
 *
 * Use: fake-kernel landlock|seccomp|restrict ... -- COMMAND...
 *      fake-kernel only FILE -- COMMAND...
 *      landlock: no Landlock; seccomp: no filters; restrict: Landlock is there
 *      and fails. only: the system calls named in FILE, as in a service with
 *      SystemCallFilter= and MemoryDenyWriteExecute=.
 */
#include <errno.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define LANDLOCK_CREATE 444
#define LANDLOCK_RESTRICT 446

static int forbid(scmp_filter_ctx f, const char *what)
{
	const struct scmp_arg_cmp set = SCMP_CMP(0, SCMP_CMP_EQ,
						 PR_SET_SECCOMP);
	int err;

	if (strcmp(what, "landlock") == 0)
		return seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS),
					LANDLOCK_CREATE, 0);
	if (strcmp(what, "restrict") == 0)
		return seccomp_rule_add(f, SCMP_ACT_ERRNO(E2BIG),
					LANDLOCK_RESTRICT, 0);
	if (strcmp(what, "seccomp") != 0)
		return -EINVAL;
	err = seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(seccomp),
			       0);
	if (!err)
		err = seccomp_rule_add_array(f, SCMP_ACT_ERRNO(EINVAL),
					     SCMP_SYS(prctl), 1, &set);
	return err;
}

/* Memory that can be written or could be is not executed. */
static int forbid_code(scmp_filter_ctx f)
{
	const struct scmp_arg_cmp both = SCMP_CMP(2, SCMP_CMP_MASKED_EQ,
						  PROT_WRITE | PROT_EXEC,
						  PROT_WRITE | PROT_EXEC);
	const struct scmp_arg_cmp later = SCMP_CMP(2, SCMP_CMP_MASKED_EQ,
						   PROT_EXEC, PROT_EXEC);
	int err = seccomp_rule_add_array(f, SCMP_ACT_ERRNO(EPERM),
					 SCMP_SYS(mmap), 1, &both);

	return err ? err : seccomp_rule_add_array(f, SCMP_ACT_ERRNO(EPERM),
						  SCMP_SYS(mprotect), 1,
						  &later);
}

/* All but those named in the file are refused. */
static int only(scmp_filter_ctx f, const char *path)
{
	static bool named[1024];
	FILE *list = fopen(path, "r");
	char name[100];
	int nr, err = list ? 0 : -errno;

	while (list && fscanf(list, "%99s", name) == 1) {
		nr = seccomp_syscall_resolve_name(name);
		if (nr >= 0 && nr < 1024)
			named[nr] = true;
	}
	if (list)
		fclose(list);
	for (nr = 0; nr < 1024 && !err; nr++)
		if (!named[nr])
			err = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), nr, 0);
	return err ? err : forbid_code(f);
}

int main(int argc, char **argv)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
	int i, err = f ? 0 : -ENOMEM;

	for (i = 1; i < argc && strcmp(argv[i], "--") != 0 && !err; i++) {
		if (strcmp(argv[i], "only") == 0 && i + 1 < argc)
			err = only(f, argv[++i]);
		else
			err = forbid(f, argv[i]);
	}
	if (!err)
		err = seccomp_load(f);
	if (err || i >= argc - 1) {
		fprintf(stderr, "fake-kernel: %s\n",
			strerror(err ? -err : EINVAL));
		return 2;
	}
	execvp(argv[i + 1], argv + i + 1);
	perror(argv[i + 1]);
	return 2;
}
