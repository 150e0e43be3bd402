/*
 * sip_load.c: SIP messages taken apart, line by line.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>
#include <string.h>

#include "load.h"
#include "sip_load.h"

static bool is(const char *line, const char *end, const char *name,
	       struct sip_span *value)
{
	size_t n = strlen(name);

	if ((size_t)(end - line) <= n || strncasecmp(line, name, n) ||
	    line[n] != ':')
		return false;
	for (line += n + 1; line < end && *line == ' '; line++)
		;
	*value = (struct sip_span){line, (int)(end - line)};
	return true;
}

static void add(struct sip_span *list, int *n, const char *line,
		const char *end)
{
	if (*n == SIP_LINES)
		load_die("too many lines of a kind");
	list[(*n)++] = (struct sip_span){line, (int)(end - line)};
}

static void read_line(struct sip_message *m, const char *line, const char *end)
{
	struct sip_span v;

	if (is(line, end, "Via", &v))
		add(m->via, &m->via_n, line, end);
	else if (is(line, end, "Record-Route", &v))
		add(m->route, &m->route_n, line, end);
	else if (is(line, end, "From", &v))
		m->from = v;
	else if (is(line, end, "To", &v))
		m->to = v;
	else if (is(line, end, "Call-ID", &v))
		m->call_id = v;
	else if (is(line, end, "CSeq", &v))
		m->cseq = v;
	else if (is(line, end, "Contact", &v))
		m->contact = v;
	else if (is(line, end, "Expires", &v))
		m->expires = strtol(v.p, NULL, 10);
	else if (is(line, end, "Content-Length", &v))
		m->body_n = strtoul(v.p, NULL, 10);
	else if (is(line, end, "Subscription-State", &v))
		m->terminated = !strncasecmp(v.p, "terminated", 10);
}

size_t sip_read(struct sip_message *m, const char *p, size_t n)
{
	const char *end = memmem(p, n, "\r\n\r\n", 4), *line = p;

	*m = (struct sip_message){.expires = -1};
	if (!end)
		return 0;
	for (;;) {
		const char *stop = memmem(line, (size_t)(end + 2 - line),
					  "\r\n", 2);

		if (line == p)
			m->line = (struct sip_span){line, (int)(stop - line)};
		else
			read_line(m, line, stop);
		if (stop == end)
			break;
		line = stop + 2;
	}
	end += 4;
	if ((size_t)(p + n - end) < m->body_n)
		return 0;
	m->body = (struct sip_span){end, (int)m->body_n};
	if (!m->from.p || !m->to.p || !m->call_id.p || !m->cseq.p)
		load_die("not SIP: %.*s", m->line.n, m->line.p);
	return (size_t)(end - p) + m->body_n;
}

bool sip_has(struct sip_span s, const char *what)
{
	return s.n && memmem(s.p, (size_t)s.n, what, strlen(what));
}

struct sip_span sip_tag_of(struct sip_span v)
{
	const char *p = memmem(v.p, (size_t)v.n, ";tag=", 5), *e;

	if (!p)
		return (struct sip_span){"", 0};
	for (e = p += 5; e < v.p + v.n && *e != ';'; e++)
		;
	return (struct sip_span){p, (int)(e - p)};
}

uint32_t sip_hash(struct sip_span s, uint32_t h)
{
	for (int i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * 16777619u;
	return load_mix(h);
}
