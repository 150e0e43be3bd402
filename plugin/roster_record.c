/*
 * roster_record.c: what is saved of a pair, as text.
 * SPDX-License-Identifier: MIT
 *
 * "ag 20743 20740": how the contact's subscription stands (-, p, a) and the
 * user's (-, a, g, d), the day when the contact was last seen on the contact
 * list, and the day when it was last asked; days since 1970, 0 is never.
 */
#include <stdio.h>

#include "roster_priv.h"

static const char in_letters[] = "-pa", out_letters[] = "-agd";

void lg_record_write(char record[LG_RECORD_MAX], const struct lg_pair *p)
{
	snprintf(record, LG_RECORD_MAX, "%c%c %u %u", in_letters[p->in],
		 out_letters[p->out], (unsigned)p->listed, (unsigned)p->asked);
}

static bool letter(uint8_t *out, struct sb_str *s, const char *letters)
{
	const char *at = s->n && s->p[0] ? strchr(letters, s->p[0]) : NULL;

	if (!at)
		return false;
	*out = (uint8_t)(at - letters);
	s->p++;
	s->n--;
	return true;
}

static bool number(uint16_t *out, struct sb_str *s)
{
	uint32_t n = 0;
	size_t i;

	if (s->n < 2 || s->p[0] != ' ')
		return false;
	for (i = 1; i < s->n && s->p[i] != ' '; i++) {
		if (s->p[i] < '0' || s->p[i] > '9')
			return false;
		n = n * 10 + (uint32_t)(s->p[i] - '0');
		if (n > UINT16_MAX)
			return false;
	}
	if (i == 1)
		return false;
	*out = (uint16_t)n;
	s->p += i;
	s->n -= i;
	return true;
}

int lg_record_read(struct lg_pair *p, struct sb_str record)
{
	struct lg_pair read = {.gen = 0};

	if (!letter(&read.in, &record, in_letters) ||
	    !letter(&read.out, &record, out_letters) ||
	    !number(&read.listed, &record) || !number(&read.asked, &record) ||
	    record.n > 0)
		return LG_EINVAL;
	p->in = read.in;
	p->out = read.out;
	p->listed = read.listed;
	p->asked = read.asked;
	return LG_OK;
}
