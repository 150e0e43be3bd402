/*
 * sandbox_files.c: Landlock: read the folders of the certificates, connect to
 * the ports of the Access Edges, and nothing else of files and ports.
 * SPDX-License-Identifier: MIT
 *
 * Of a file its folder is allowed, that of its name and that of what the name
 * leads to: a renewed certificate is another file of the same name, or a link
 * to another file (certbot). One that leads elsewhere some day is not covered,
 * and the worker gives way to another one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox.h"

/* As in linux/landlock.h of newer kernels than Debian 12's. */
enum {
	FS_WRITES_AND_EXECUTE = 0x1ff3, /* version 1, but reading */
	FS_READ_FILE = 1 << 2,
	FS_READ_FOLDER = 1 << 3,
	FS_REFER = 1 << 13,	/* 2 */
	FS_TRUNCATE = 1 << 14,	/* 3 */
	FS_IOCTL_DEV = 1 << 15, /* 5 */
	NET_CONNECT_TCP = 1 << 1, /* 4 */
	RULE_PATH = 1,
	RULE_PORT = 2,
	ASK_VERSION = 1,
};

#define RANDOM_DEVICE "/dev/urandom" /* Sofia's, where it has not been opened */

struct ruleset {
	uint64_t fs, net;
};

struct path_rule {
	uint64_t allowed;
	int32_t parent;
} __attribute__((packed));

struct port_rule {
	uint64_t allowed, port;
};

/* The same numbers on all architectures. */
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

int sb_sandbox_landlock(void)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0,
			       ASK_VERSION);

	return version > 0 ? (int)version : 0;
}

static struct ruleset handled(int version)
{
	struct ruleset r = {FS_WRITES_AND_EXECUTE | FS_READ_FILE |
			    FS_READ_FOLDER, 0};

	if (version >= 2)
		r.fs |= FS_REFER;
	if (version >= 3)
		r.fs |= FS_TRUNCATE;
	if (version >= 5)
		r.fs |= FS_IOCTL_DEV;
	if (version >= 4)
		r.net = NET_CONNECT_TCP;
	return r;
}

/* ------------------------------------------------------------- folders -- */

/* Of a file, or the folder itself; real is PATH_MAX long. false: not there. */
static bool folder_of(char *real, const char *place)
{
	char *slash;
	struct stat st;

	if (!realpath(place, real) || stat(real, &st) < 0)
		return false;
	if (S_ISDIR(st.st_mode))
		return true;
	slash = strrchr(real, '/');
	slash[slash == real ? 1 : 0] = '\0';
	return true;
}

/* Of the name, which may be a link. */
static bool folder_of_name(char *real, const char *place)
{
	char name[SB_SANDBOX_PATH];
	char *slash;

	snprintf(name, sizeof(name), "%s", place);
	slash = strrchr(name, '/');
	if (!slash)
		return false;
	slash[slash == name ? 1 : 0] = '\0';
	return realpath(name, real) != NULL;
}

static bool within(const char *path, const char *folder)
{
	size_t n = strlen(folder);

	if (strncmp(path, folder, n) != 0)
		return false;
	return n == 1 || path[n] == '\0' || path[n] == '/';
}

static bool known(const struct sb_sandbox *s, const char *folder)
{
	for (size_t i = 0; i < s->folders; i++)
		if (within(folder, s->folder[i]))
			return true;
	return false;
}

static int remember(struct sb_sandbox *s, const char *folder)
{
	if (known(s, folder))
		return SB_OK;
	if (s->folders == SB_SANDBOX_FOLDERS) {
		errno = ENOSPC;
		return SB_ETOOBIG;
	}
	s->folder[s->folders] = strdup(folder);
	if (!s->folder[s->folders])
		return SB_ENOMEM;
	s->folders++;
	return SB_OK;
}

static int find_folders(struct sb_sandbox *s,
			const struct sb_sandbox_needs *needs)
{
	char real[SB_SANDBOX_PATH];
	int err = SB_OK;

	for (size_t i = 0; i < needs->places && !err; i++) {
		if (!folder_of(real, needs->place[i]))
			continue;
		err = remember(s, real);
		if (!err && folder_of_name(real, needs->place[i]))
			err = remember(s, real);
	}
	return err;
}

bool sb_sandbox_covers(const struct sb_sandbox *s,
		       const struct sb_sandbox_needs *needs)
{
	char real[SB_SANDBOX_PATH];
	size_t i, j;

	if (!s->closed || !s->landlock)
		return true;
	for (i = 0; i < needs->places; i++)
		if (folder_of(real, needs->place[i]) && !known(s, real))
			return false;
	if (s->landlock < 4)
		return true;
	for (i = 0; i < needs->ports; i++) {
		for (j = 0; j < s->ports; j++)
			if (s->port[j] == needs->port[i])
				break;
		if (j == s->ports)
			return false;
	}
	return true;
}

/* --------------------------------------------------------------- rules -- */

static int allow_path(int rules, const char *path, uint64_t what)
{
	struct path_rule r = {what, open(path, O_PATH | O_CLOEXEC)};
	long err;

	if (r.parent < 0)
		return -1;
	err = syscall(SYS_landlock_add_rule, rules, RULE_PATH, &r, 0);
	close(r.parent);
	return err < 0 ? -1 : 0;
}

static int allow_ports(struct sb_sandbox *s, int rules,
		       const struct sb_sandbox_needs *needs)
{
	for (size_t i = 0; i < needs->ports; i++) {
		struct port_rule r = {NET_CONNECT_TCP, needs->port[i]};

		s->port[s->ports++] = needs->port[i];
		if (syscall(SYS_landlock_add_rule, rules, RULE_PORT, &r, 0) < 0)
			return -1;
	}
	return 0;
}

static int allow(struct sb_sandbox *s, int rules,
		 const struct sb_sandbox_needs *needs)
{
	for (size_t i = 0; i < s->folders; i++)
		if (allow_path(rules, s->folder[i],
			       FS_READ_FILE | FS_READ_FOLDER) < 0)
			return -1;
	if (allow_path(rules, RANDOM_DEVICE, FS_READ_FILE) < 0 &&
	    errno != ENOENT)
		return -1;
	return s->landlock >= 4 ? allow_ports(s, rules, needs) : 0;
}

int sb_sandbox_files(struct sb_sandbox *s, const struct sb_sandbox_needs *needs,
		     char *why, size_t n)
{
	struct ruleset r = handled(s->landlock);
	size_t size = s->landlock >= 4 ? sizeof(r) : sizeof(r.fs);
	int rules, err = SB_ESYS;

	snprintf(why, n, "Landlock");
	if (find_folders(s, needs) != SB_OK)
		return SB_ESYS;
	rules = (int)syscall(SYS_landlock_create_ruleset, &r, size, 0);
	if (rules < 0)
		return SB_ESYS;
	if (allow(s, rules, needs) == 0 &&
	    syscall(SYS_landlock_restrict_self, rules, 0) == 0)
		err = SB_OK;
	close(rules);
	return err;
}
