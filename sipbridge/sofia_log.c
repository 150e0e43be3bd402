/*
 * sofia_log.c: Sofia's own log lines, few and harmless.
 * SPDX-License-Identifier: MIT
 */
#include <stdarg.h>
#include <stdio.h>

#include "sofia_edge.h"

#define LINES_PER_SECOND 10

extern su_log_t tport_log[], nta_log[];

static struct {
	uint64_t second;
	unsigned int lines;
	bool emfile;
} limit;

static void logger(void *stream, char const *fmt, va_list ap)
{
	struct sb_edge *e = stream;
	uint64_t second = sb_edge_now() / 1000;
	char line[512];
	int n;

	n = vsnprintf(line, sizeof(line), fmt, ap);
	if (n <= 0)
		return;
	if (strstr(line, "Too many open files"))
		limit.emfile = true;
	if (second != limit.second) {
		limit.second = second;
		limit.lines = 0;
	}
	if (limit.lines++ >= LINES_PER_SECOND)
		return;
	line[strcspn(line, "\r\n")] = '\0';
	sb_edge_log(e, 0, "sofia: %s", line);
}

void sb_sofia_log_to(struct sb_edge *e)
{
	su_log_redirect(NULL, logger, e);
	sb_sofia_log_level(1);
}

void sb_sofia_log_level(unsigned int level)
{
	su_log_set_level(NULL, level);
	su_log_set_level(tport_log, level);
	su_log_set_level(nta_log, level);
}

bool sb_sofia_log_emfile(void)
{
	bool was = limit.emfile;

	limit.emfile = false;
	return was;
}
