/*
 * replay.c: main() of a target without libFuzzer: its corpus, file by file.
 * SPDX-License-Identifier: MIT
 *
 *	build/fuzz/fuzz_html fuzz/corpus/fuzz_html [FILE...]
 *
 * A child goes through the files; where it dies, that file has failed, and
 * another child goes on behind it.
 */
#include <ftw.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz.h"

enum {
	FILES_MAX = 10000,
	BYTES_MAX = 1 << 20,
	SECONDS_MAX = 60, /* of the wall's clock: no machine is that busy */
};

static char *files[FILES_MAX];
static size_t files_n;

static int found(const char *path, const struct stat *st, int type,
		 struct FTW *at)
{
	(void)st, (void)at;
	if (type != FTW_F || files_n == FILES_MAX)
		return 0;
	files[files_n] = strdup(path);
	return files[files_n++] ? 0 : -1;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A copy of just its size: a read behind it is a finding. */
static void one(const char *path)
{
	static uint8_t room[BYTES_MAX];
	FILE *f = fopen(path, "rb");
	size_t n = f ? fread(room, 1, sizeof(room), f) : 0;
	uint8_t *data = malloc(n ? n : 1);

	if (!f || !data || ferror(f)) {
		perror(path);
		_exit(1);
	}
	fclose(f);
	memcpy(data, room, n);
	alarm(SECONDS_MAX);
	(void)LLVMFuzzerTestOneInput(data, n);
	alarm(0);
	free(data);
}

/* From file i on; returns the first that failed, or files_n. */
static size_t child(size_t i, volatile size_t *at, int *status)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		for (*at = i; *at < files_n; ++*at)
			one(files[*at]);
		exit(0);
	}
	if (pid < 0 || waitpid(pid, status, 0) != pid) {
		perror("replay");
		exit(2);
	}
	return *status == 0 ? files_n : *at;
}

int main(int argc, char **argv)
{
	size_t failed = 0, i = 0, *at;
	int status = 0;

	at = mmap(NULL, sizeof(*at), PROT_READ | PROT_WRITE,
		  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		return 2;
	for (int k = 1; k < argc; k++)
		if (nftw(argv[k], found, 16, FTW_PHYS) != 0) {
			perror(argv[k]);
			return 2;
		}
	qsort(files, files_n, sizeof(files[0]), by_name);
	while (i < files_n) {
		i = child(i, at, &status);
		if (status == 0)
			break;
		failed++;
		if (i == files_n) { /* at its very end */
			printf("FAIL %s (status %d)\n", argv[0], status);
			break;
		}
		printf("FAIL %s %s (%s %d)\n", argv[0], files[i],
		       WIFSIGNALED(status) ? "signal" : "status",
		       WIFSIGNALED(status) ? WTERMSIG(status)
					   : WEXITSTATUS(status));
		i++;
	}
	printf("%zu passed, %zu failed\n",
	       files_n > failed ? files_n - failed : 0, failed);
	return failed || !files_n ? 1 : 0;
}
