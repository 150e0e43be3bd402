/*
 * fake_kernel.c: run a command on a kernel that lacks something: for what the
 * sandbox does then.
 * SPDX-License-Identifier: MIT
 *
 * Use: fake-kernel landlock|seccomp|restrict ... -- COMMAND...
 *      landlock: no Landlock; seccomp: no filters; restrict: Landlock is there
 *      and fails.
 */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
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

int main(int argc, char **argv)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
	int i, err = f ? 0 : -ENOMEM;

	for (i = 1; i < argc && strcmp(argv[i], "--") != 0 && !err; i++)
		err = forbid(f, argv[i]);
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
