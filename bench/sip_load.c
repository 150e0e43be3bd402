/*
 * sip_load.c: SIP messages taken apart, line by line.
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
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

size_t sip_take(struct load_conn *c,
		void (*take)(struct load_conn *c, const struct sip_message *m))
{
	struct sip_message m;
	size_t at = 0, n;

	for (;;) {
		while (at < c->in_n &&
		       (c->in[at] == '\r' || c->in[at] == '\n'))
			at++;
		n = sip_read(&m, c->in + at, c->in_n - at);
		if (!n)
			return at;
		take(c, &m);
		if (c->gone)
			return 0;
		at += n;
	}
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

int sip_routes(char *to, size_t n, const char *head, const char *edge,
	       const char *domain, struct sip_route r)
{
	char edge_route[700], pool[400], key[401];

	memset(key, 'a' + (int)(r.user % 4), sizeof(key) - 1);
	key[sizeof(key) - 1] = '\0';
	snprintf(edge_route, sizeof(edge_route), "%s: <sip:%s:5061;"
		 "transport=tls;lr;ms-key-info=%s;ms-route-sig=dmQ7xN2c1oP0aZ"
		 "kqbb92pV1s0QyT9mUe%u>;tag=%08X\r\n", head, edge, key,
		 r.user % 4, r.dialog);
	snprintf(pool, sizeof(pool), "%s: <sip:pool1.%s:5061;transport=tls;"
		 "opaque=state:F:Ci.R%x;lr;ms-route-sig=hb8Jm2s9Xw%08x>;"
		 "ms-rrsig=hbq0Rr11Tz;tag=%08X\r\n", head,
		 domain, r.user, load_mix(r.user),
		 load_mix(r.dialog));
	return snprintf(to, n, "%s%s", r.pool_first ? pool : edge_route,
			r.pool_first ? edge_route : pool);
}

int sip_answer_head(char *to, size_t room, const struct sip_message *m,
		    const char *status, const char *tag)
{
	int n = snprintf(to, room, "SIP/2.0 %s\r\n", status);

	for (int i = 0; i < m->via_n; i++)
		n += snprintf(to + n, room - (size_t)n, "%.*s\r\n",
			      m->via[i].n, m->via[i].p);
	n += snprintf(to + n, room - (size_t)n, "From: %.*s\r\n"
		      "To: %.*s", m->from.n, m->from.p, m->to.n, m->to.p);
	if (tag)
		n += snprintf(to + n, room - (size_t)n, ";tag=%s", tag);
	return n + snprintf(to + n, room - (size_t)n, "\r\nCall-ID: %.*s"
			    "\r\nCSeq: %.*s\r\n", m->call_id.n, m->call_id.p,
			    m->cseq.n, m->cseq.p);
}
