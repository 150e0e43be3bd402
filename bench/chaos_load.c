/*
 * chaos_load.c: the ledger of a load partner under chaos.
 * SPDX-License-Identifier: MIT
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "chaos_load.h"

static const char MAGIC[8] = "chaos1\n";

static double real_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

uint32_t chaos_now(const struct chaos *c)
{
	return (uint32_t)((real_time() - c->head->zero) * 1000);
}

static void map(struct chaos *c, const char *path, size_t convs, size_t each)
{
	size_t n = convs * each, size = sizeof(struct chaos_head) +
		   n * (sizeof(*c->sent) + sizeof(*c->seen));
	int fd = open(path, O_RDWR | O_CREAT, 0644);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) ||
	    (st.st_size == 0 && ftruncate(fd, (off_t)size)) ||
	    (st.st_size != 0 && (size_t)st.st_size != size))
		load_die("ledger %s cannot be used", path);
	c->head = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (c->head == MAP_FAILED)
		load_die("ledger %s cannot be mapped", path);
	close(fd);
	c->sent = (void *)(c->head + 1);
	c->seen = (void *)(c->sent + n);
}

/* Where each conversation goes on: everything of an earlier life that has no
 * outcome is waited for no longer. */
static void resume(struct chaos *c)
{
	struct chaos_head *h = c->head;

	for (uint32_t i = 1; i < h->lines; i++)
		chaos_line_end(c, (uint16_t)i, CHAOS_KILLED);
	for (uint32_t conv = 0; conv < h->convs; conv++) {
		struct chaos_sent *s = c->sent + (size_t)conv * h->each;
		uint32_t n = 0;

		while (n < h->each && s[n].at) {
			s[n].gone |= !s[n].fates;
			n++;
		}
		c->base[conv] = c->next[conv] = n;
	}
}

void chaos_open(struct chaos *c, char **argv)
{
	size_t convs = strtoul(load_option(argv, "convs", NULL), NULL, 10);
	size_t each = strtoul(load_option(argv, "each", NULL), NULL, 10);
	struct chaos_head *h;

	map(c, load_option(argv, "ledger", NULL), convs, each);
	h = c->head;
	c->base = calloc(convs, sizeof(*c->base));
	c->next = calloc(convs, sizeof(*c->next));
	if (!c->base || !c->next)
		load_die("no memory");
	if (memcmp(h->magic, MAGIC, sizeof(MAGIC))) {
		memcpy(h->magic, MAGIC, sizeof(MAGIC));
		h->convs = (uint32_t)convs;
		h->each = (uint32_t)each;
		h->lines = h->tokens = 1;
		h->zero = strtod(load_option(argv, "zero", NULL), NULL);
	}
	h->lives++;
	resume(c);
}

uint16_t chaos_line_open(struct chaos *c, int direction, size_t partner)
{
	struct chaos_head *h = c->head;

	if (h->lines == CHAOS_LINES)
		load_die("too many connections for the ledger");
	h->line[h->lines] = (struct chaos_line){
		.open = chaos_now(c), .direction = (uint16_t)direction,
		.partner = (uint16_t)partner};
	return (uint16_t)h->lines++;
}

void chaos_line_end(struct chaos *c, uint16_t line, int how)
{
	struct chaos_line *l = &c->head->line[line];

	if (!line || l->how)
		return;
	l->end = chaos_now(c);
	l->how = (uint16_t)how;
}

static struct chaos_sent *entry(struct chaos *c, uint32_t conv, uint32_t n)
{
	if (conv >= c->head->convs || n >= c->head->each)
		return NULL;
	return &c->sent[(size_t)conv * c->head->each + n];
}

static uint8_t token_of(struct chaos_head *h, const char *token)
{
	uint32_t i;

	for (i = 1; i < h->tokens; i++)
		if (!strncmp(h->token[i], token, CHAOS_TOKEN - 1))
			return (uint8_t)i;
	if (i == CHAOS_TOKENS)
		return CHAOS_TOKENS - 1;
	snprintf(h->token[i], CHAOS_TOKEN, "%s", token);
	h->tokens++;
	return (uint8_t)i;
}

static bool waits(const struct chaos_sent *s)
{
	return !s->fates && !s->gone;
}

/* Room in the conversation's window? One message without an outcome, as a lost
 * receipt leaves it, does not hold up those behind it. */
static bool may(struct chaos *c, uint32_t conv)
{
	struct chaos_sent *s = c->sent + (size_t)conv * c->head->each;
	uint32_t open = 0;

	while (c->base[conv] < c->next[conv] && !waits(&s[c->base[conv]]))
		c->base[conv]++;
	if (c->next[conv] == c->head->each ||
	    c->next[conv] - c->base[conv] >= CHAOS_SPAN)
		return false;
	for (uint32_t n = c->base[conv]; n < c->next[conv]; n++)
		open += waits(&s[n]);
	return open < CHAOS_WINDOW;
}

bool chaos_take(struct chaos *c, const struct load *l,
		bool (*ready)(uint32_t conv), uint32_t *conv, uint32_t *n)
{
	double due = (l->now - c->since) * c->rate;

	if (!c->run || c->done >= due)
		return false;
	if (due - c->done > c->rate / 4) /* no outburst after a pause */
		c->done = due - c->rate / 4;
	for (uint32_t i = 0; i < c->head->convs; i++) {
		uint32_t at = c->turn++ % c->head->convs;

		if (!may(c, at) || !ready(at))
			continue;
		c->done++;
		*conv = at;
		*n = c->next[at]++;
		return true;
	}
	return false;
}

void chaos_sent(struct chaos *c, uint32_t conv, uint32_t n, uint16_t line)
{
	struct chaos_sent *s = entry(c, conv, n);

	if (!s)
		load_die("no place in the ledger for %u of %u", n, conv);
	s->seq = ++c->head->sent_seq;
	s->line = line;
	s->at = chaos_now(c) + 1; /* 0: not sent */
}

void chaos_fate(struct chaos *c, uint32_t conv, uint32_t n, uint16_t line,
		const char *token)
{
	struct chaos_sent *s = entry(c, conv, n);

	if (!s || !s->at) {
		fprintf(stderr, "outcome %s of a message that was never sent: "
			"%u of %u\n", token, n, conv);
		c->head->pad++;
		return;
	}
	if (!s->fates) {
		s->token = token_of(c->head, token);
		s->fate_at = chaos_now(c);
		s->fate_line = line;
	}
	else
		s->second = token_of(c->head, token);
	if (s->fates < UINT8_MAX)
		s->fates++;
}

bool chaos_refuses(uint32_t conv, uint32_t n)
{
	return (conv + n) % 20 == 1;
}

void chaos_seen(struct chaos *c, uint32_t conv, uint32_t n, uint16_t line)
{
	bool refused = chaos_refuses(conv, n);
	struct chaos_seen *s;

	if (conv >= c->head->convs || n >= c->head->each) {
		fprintf(stderr, "message that nobody sent: %u of %u\n", n,
			conv);
		c->head->pad++;
		return;
	}
	s = &c->seen[(size_t)conv * c->head->each + n];
	if (!s->count && !s->refused) {
		s->at = chaos_now(c);
		s->seq = ++c->head->seen_seq;
		s->line = line;
	}
	else
		fprintf(stderr, "again at %u on line %u: %u of %u, which came "
			"at %u on line %u\n", chaos_now(c), line, n, conv,
			s->at, s->line);
	if (refused ? s->refused < UINT8_MAX : s->count < UINT8_MAX)
		*(refused ? &s->refused : &s->count) += 1;
}

void chaos_give_up(struct chaos *c, uint32_t conv, uint32_t after,
		   uint32_t grace, const char *token)
{
	struct chaos_sent *s = c->sent + (size_t)conv * c->head->each;
	uint32_t now = chaos_now(c);

	for (uint32_t n = c->base[conv]; n < c->next[conv]; n++) {
		const struct chaos_line *l = &c->head->line[s[n].line];

		if (s[n].fates || s[n].gone || !s[n].at ||
		    (now < s[n].at + after &&
		     !(grace && l->how && now > l->end + grace)))
			continue;
		if (token)
			chaos_fate(c, conv, n, s[n].line, token);
		else
			s[n].gone = 1;
	}
}

void chaos_stats(const struct chaos *c, char *to, size_t size)
{
	const struct chaos_head *h = c->head;
	size_t n = (size_t)h->convs * h->each, sent = 0, fates = 0, open = 0;
	size_t seen = 0, all = 0;

	for (uint32_t conv = 0; conv < h->convs; conv++) {
		const struct chaos_sent *s = c->sent + (size_t)conv * h->each;

		all += c->next[conv];
		for (uint32_t i = c->base[conv]; i < c->next[conv]; i++)
			open += !s[i].fates && !s[i].gone;
	}
	sent = h->sent_seq;
	seen = h->seen_seq;
	fates = sent - open;
	snprintf(to, size, " total=%zu begun=%zu sent=%zu done=%zu open=%zu "
		 "seen=%zu strange=%u lives=%u", n, all, sent, fates, open,
		 seen, h->pad, h->lives);
}

bool chaos_command(struct chaos *c, struct load *l, const char *text)
{
	if (sscanf(text, "rate %lf", &c->rate) == 1 || !strcmp(text, "run")) {
		c->since = l->now;
		c->done = 0;
		c->run = true;
		return true;
	}
	if (!strcmp(text, "rest"))
		c->run = false;
	else if (!strcmp(text, "renew"))
		load_renew(l);
	else
		return false;
	return true;
}
