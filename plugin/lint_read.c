/*
 * lint_read.c: values of one kind: numbers, words, names, addresses.
 * SPDX-License-Identifier: MIT
 */
#include <arpa/inet.h>
#include <math.h>
#include <stdio.h>

#include "domain.h"
#include "lint.h"
#include "text.h"

#define TEXT_MAX 1024 /* bytes, where the key says nothing */
#define IP_MAX 64     /* bytes of an address as text */

void lg_read_bool(struct lg_lint *l, void *dest, const struct lg_value *v,
		  const struct lg_key *key)
{
	(void)key;
	if (v->type == LG_V_BOOL)
		*(bool *)dest = v->u.boolean;
	else
		lg_lint_error(l, v, "write true or false", "not a boolean");
}

/* Any number; integers and floats are the same to an administrator. */
static bool as_number(double *d, const struct lg_value *v)
{
	if (v->type == LG_V_INTEGER)
		*d = (double)v->u.integer;
	else if (v->type == LG_V_NUMBER)
		*d = v->u.number;
	else
		return false;
	return true;
}

void lg_read_count(struct lg_lint *l, void *dest, const struct lg_value *v,
		   const struct lg_key *key)
{
	const char *remedy;
	double d = 0;

	remedy = lg_lint_text(l, "write a whole number from %u to %u",
			      key->min, key->max);
	if (!as_number(&d, v))
		lg_lint_error(l, v, remedy, "not a number");
	else if (!(d >= key->min && d <= key->max))
		lg_lint_error(l, v, remedy, "out of range");
	else if (d != floor(d))
		lg_lint_error(l, v, remedy, "not a whole number");
	else
		*(uint32_t *)dest = (uint32_t)d;
}

void lg_read_time(struct lg_lint *l, void *dest, const struct lg_value *v,
		  const struct lg_key *key)
{
	const char *remedy;
	double d = 0;

	remedy = lg_lint_text(l, "write seconds from %g to %g",
			      key->min / 1000.0, key->max / 1000.0);
	if (!as_number(&d, v))
		lg_lint_error(l, v, remedy, "not a number");
	else if (!(d * 1000 >= key->min && d * 1000 <= key->max))
		lg_lint_error(l, v, remedy, "out of range");
	else
		*(uint32_t *)dest = (uint32_t)(d * 1000 + 0.5);
}

/* The index of one of key's words, or -1 and a problem. */
static int word(struct lg_lint *l, const struct lg_value *v,
		const struct lg_key *key)
{
	const char *remedy;
	int i;

	for (i = 0; v->type == LG_V_STRING && key->words[i]; i++) {
		if (sb_str_eq(v->u.string, sb_str_of(key->words[i])))
			return i;
	}
	remedy = lg_lint_text(l, "write %s", lg_lint_words(l, key->words));
	lg_lint_error(l, v, remedy, v->type == LG_V_STRING
					    ? "not a valid value"
					    : "not a string");
	return -1;
}

void lg_read_word(struct lg_lint *l, void *dest, const struct lg_value *v,
		  const struct lg_key *key)
{
	int i = word(l, v, key);

	if (i >= 0)
		*(int *)dest = i;
}

void lg_read_choice(struct lg_lint *l, void *dest, const struct lg_value *v,
		    const struct lg_key *key)
{
	int i = word(l, v, key);

	if (i >= 0)
		*(struct sb_str *)dest = sb_str_of(key->words[i]);
}

static bool is_string(struct lg_lint *l, const struct lg_value *v,
		      const char *remedy)
{
	if (v->type == LG_V_STRING)
		return true;
	lg_lint_error(l, v, remedy, "not a string");
	return false;
}

void lg_read_text(struct lg_lint *l, void *dest, const struct lg_value *v,
		  const struct lg_key *key)
{
	size_t max = key->max ? key->max : TEXT_MAX;

	if (!is_string(l, v, "write text in quotes"))
		return;
	if (v->u.string.n > max) {
		lg_lint_error(l, v, lg_lint_text(l, "write at most %zu bytes",
						 max), "too long");
		return;
	}
	if (!lg_text_ok(v->u.string)) {
		lg_lint_error(l, v, "write one line of UTF-8",
			      "has control characters or is not UTF-8");
		return;
	}
	*(struct sb_str *)dest = lg_lint_dup(l, v->u.string);
}

void lg_read_path(struct lg_lint *l, void *dest, const struct lg_value *v,
		  const struct lg_key *key)
{
	if (v->type == LG_V_STRING && v->u.string.n == 0) {
		lg_lint_error(l, v, "write a file's name", "empty");
		return;
	}
	lg_read_text(l, dest, v, key);
}

static bool is_ip(struct sb_str s, int family)
{
	char text[IP_MAX];
	unsigned char bytes[sizeof(struct in6_addr)];

	if (s.n == 0 || s.n >= sizeof(text) || memchr(s.p, '\0', s.n))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	return inet_pton(family, text, bytes) == 1;
}

void lg_read_ip(struct lg_lint *l, void *dest, const struct lg_value *v,
		const struct lg_key *key)
{
	const char *remedy =
		"write an address as in \"192.0.2.20\" or \"2001:db8::20\"";

	(void)key;
	if (!is_string(l, v, remedy))
		return;
	if (is_ip(v->u.string, AF_INET) || is_ip(v->u.string, AF_INET6))
		*(struct sb_str *)dest = lg_lint_dup(l, v->u.string);
	else
		lg_lint_error(l, v, remedy, "not an IP address");
}

/* An address, or what was meant for one: no top-level domain is a number. */
static bool ends_in_number(struct sb_str name)
{
	while (name.n && name.p[name.n - 1] >= '0' &&
	       name.p[name.n - 1] <= '9')
		name.n--;
	return name.n == 0 || name.p[name.n - 1] == '.';
}

/* A host's name as A-labels; an address is none. */
static bool is_host(struct sb_str *out, char buf[LG_DOMAIN_MAX],
		    struct sb_str s)
{
	struct sb_str name;

	if (lg_domain_ascii(&name, buf, s) || ends_in_number(name))
		return false;
	*out = name;
	return true;
}

void lg_read_fqdn(struct lg_lint *l, void *dest, const struct lg_value *v,
		  const struct lg_key *key)
{
	const char *remedy = "write a full name as in \"xmpp.contoso.com\"";
	char buf[LG_DOMAIN_MAX];
	struct sb_str name;

	(void)key;
	if (!is_string(l, v, remedy))
		return;
	if (is_host(&name, buf, v->u.string))
		*(struct sb_str *)dest = lg_lint_dup(l, name);
	else
		lg_lint_error(l, v, remedy, "not a host name");
}

uint16_t lg_port(struct sb_str text)
{
	unsigned port = 0;
	size_t i;

	if (text.n == 0 || text.n > 5)
		return 0;
	for (i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return 0;
		port = port * 10 + (unsigned)(text.p[i] - '0');
	}
	return port <= UINT16_MAX ? (uint16_t)port : 0;
}

/* Take ":port" or "" off what follows a host; 0: neither. */
static uint16_t port_after(struct sb_str rest, uint16_t usual)
{
	if (rest.n == 0)
		return usual;
	if (rest.p[0] != ':')
		return 0;
	return lg_port((struct sb_str){rest.p + 1, rest.n - 1});
}

/* Split "host", "host:port", "[address]:port"; the host is the first n bytes
 * of what is returned, without brackets. */
static struct sb_str split_port(struct sb_str text, struct sb_str *rest)
{
	bool bracket = text.n && text.p[0] == '[';
	const char *end = text.n ? memchr(text.p, bracket ? ']' : ':', text.n)
				 : NULL;
	struct sb_str host = {text.p, end ? (size_t)(end - text.p) : text.n};

	if (bracket && end) {
		host = (struct sb_str){text.p + 1, host.n - 1};
		end++;
	}
	*rest = end ? (struct sb_str){end, text.n - (size_t)(end - text.p)}
		    : SB_NOSTR;
	return host;
}

/* Was a port meant? In "https://sip.contoso.com" it was not. */
static bool means_port(struct sb_str rest)
{
	return rest.n < 2 || (rest.p[1] >= '0' && rest.p[1] <= '9');
}

void lg_read_endpoint(struct lg_lint *l, void *dest, const struct lg_value *v,
		      const struct lg_key *key)
{
	bool address_too = key->max != 0;
	struct sb_str host, name, rest;
	struct lg_endpoint e;
	const char *remedy;
	char buf[LG_DOMAIN_MAX];

	remedy = lg_lint_text(l, "write a full name%s, with a port if it is "
			      "not %u, as in \"%s\"",
			      address_too ? " or an address" : "", key->min,
			      key->words[0]);
	if (!is_string(l, v, remedy))
		return;
	host = split_port(v->u.string, &rest);
	e.port = port_after(rest, (uint16_t)key->min);
	if (address_too && (is_ip(host, AF_INET) || is_ip(host, AF_INET6))) {
		name = host;
	}
	else if (!is_host(&name, buf, host) || !means_port(rest)) {
		lg_lint_error(l, v, remedy, "not a host name");
		return;
	}
	if (e.port == 0) {
		lg_lint_error(l, v, "write a port from 1 to 65535",
			      "not a valid port");
		return;
	}
	e.host = lg_lint_dup(l, name);
	*(struct lg_endpoint *)dest = e;
}
