/*
 * settings_bridge.c: the options lync_bridge_*.
 * SPDX-License-Identifier: MIT
 */
#include <arpa/inet.h>
#include <stddef.h>

#include "lint.h"
#include "text.h"

#define HEADER_MAX 200 /* bytes of verification_header */
#define RATE_MAX 100000
#define MEMORY_MIN 128	   /* MiB */
#define MEMORY_MAX 1048576

#define AT(field) .at = offsetof(struct lg_bridge, field)
#define WIRE(field) .at = offsetof(struct sb_wire, field)

static const char *const tls_versions[] = {"1.2", "1.3", NULL};
static const char *const imdn_methods[] = {"INFO", "MESSAGE", NULL};

/* "IP:port", "[IP6]:port" or "*:port" */
static bool listen_ok(struct sb_str s)
{
	unsigned char bytes[sizeof(struct in6_addr)];
	struct sb_str port = s;
	char host[64];

	while (port.n > 0 && port.p[port.n - 1] != ':')
		port.n--;
	if (port.n < 2 || port.n - 1 >= sizeof(host))
		return false;
	memcpy(host, s.p, port.n - 1);
	host[port.n - 1] = '\0';
	if (memchr(host, '\0', port.n - 1) ||
	    lg_port((struct sb_str){s.p + port.n, s.n - port.n}) == 0)
		return false;
	if (host[0] == '[' && host[port.n - 2] == ']') {
		host[port.n - 2] = '\0';
		return inet_pton(AF_INET6, host + 1, bytes) == 1;
	}
	return strcmp(host, "*") == 0 || inet_pton(AF_INET, host, bytes) == 1;
}

void lg_read_listen(struct lg_lint *l, void *dest, const struct lg_value *v,
		    const struct lg_key *key)
{
	struct lg_bridge *b = &((struct lg_settings *)dest)->bridge;
	const struct lg_value *item;
	size_t i, mark;

	(void)key;
	if (!lg_lint_is_list(l, v, "{ \"*:5061\" }"))
		return;
	if (v->u.table.n == 0 || v->u.table.n > SB_LISTEN_MAX) {
		lg_lint_error(l, v, lg_lint_text(l, "write 1 to %d addresses",
						 SB_LISTEN_MAX),
			      "a list of %zu", v->u.table.n);
		return;
	}
	b->listen_n = v->u.table.n;
	for (i = 0; i < v->u.table.n; i++) {
		item = &v->u.table.entries[i].value;
		mark = lg_lint_entry(l, &v->u.table.entries[i]);
		if (item->type == LG_V_STRING && listen_ok(item->u.string))
			b->listen[i] = lg_lint_dup(l, item->u.string);
		else
			lg_lint_error(l, item, "write \"*:5061\", "
				      "\"192.0.2.10:5061\" or "
				      "\"[2001:db8::10]:5061\"",
				      "not an address and port");
		lg_lint_leave(l, mark);
	}
}

void lg_read_certificate(struct lg_lint *l, void *dest,
			 const struct lg_value *v, const struct lg_key *key)
{
	static const struct lg_key keys[] = {
		{"certificate", lg_read_path, AT(certificate)},
		{"key", lg_read_path, AT(key)},
		{"cafile", lg_read_path, AT(cafile)},
		{"crlfile", lg_read_path, AT(crlfile)},
		{"min_tls", lg_read_choice, AT(min_tls),
		 .words = tls_versions},
	};
	bool has_certificate, has_key;
	size_t mark;

	(void)key;
	if (!lg_lint_is_table(l, v, "{ certificate = \"...\", key = \"...\" }"))
		return;
	lg_lint_table(l, &((struct lg_settings *)dest)->bridge, v, keys,
		      sizeof(keys) / sizeof(keys[0]));
	has_certificate = lg_value_get(v, "certificate") != NULL;
	has_key = lg_value_get(v, "key") != NULL;
	if (has_certificate == has_key)
		return;
	mark = lg_lint_name(l, has_key ? "certificate" : "key");
	lg_lint_error(l, NULL, "write both, or neither", "missing");
	lg_lint_leave(l, mark);
}

/* A number, or { rate = number, burst = number }. */
void lg_read_rate(struct lg_lint *l, void *dest, const struct lg_value *v,
		  const struct lg_key *key)
{
	static const struct lg_key keys[] = {
		{"rate", lg_read_count, AT(rate), 0, RATE_MAX},
		{"burst", lg_read_count, AT(burst), 0, RATE_MAX},
	};
	struct lg_bridge *b = &((struct lg_settings *)dest)->bridge;

	(void)key;
	if (v->type == LG_V_TABLE)
		lg_lint_table(l, b, v, keys, sizeof(keys) / sizeof(keys[0]));
	else
		lg_read_count(l, &b->rate, v, &keys[0]);
	if (b->burst == 0)
		b->burst = b->rate;
}

/* MiB. Less than MEMORY_MIN no worker can start with. */
void lg_read_memory(struct lg_lint *l, void *dest, const struct lg_value *v,
		    const struct lg_key *key)
{
	static const struct lg_key range = {.min = MEMORY_MIN,
					    .max = MEMORY_MAX};

	(void)key;
	if (v->type == LG_V_INTEGER && v->u.integer == 0)
		*(uint32_t *)dest = 0;
	else
		lg_read_count(l, dest, v, &range);
}

void lg_read_sandbox(struct lg_lint *l, void *dest, const struct lg_value *v,
		     const struct lg_key *key)
{
	lg_read_bool(l, dest, v, key);
	if (v->type == LG_V_BOOL && !v->u.boolean)
		lg_lint_warn(l, v, "write true unless something of yours does "
			     "not work in it", "whoever takes the worker over "
			     "may do all that Prosody's user may");
}

/* "Name: value" with one %s and no other per cent sign. */
static bool header_ok(struct sb_str s)
{
	size_t i, percents = 0, name = 0;

	if (s.n > HEADER_MAX || !lg_text_ok(s))
		return false;
	while (name < s.n && (lg_alnum(s.p[name]) || s.p[name] == '-'))
		name++;
	if (name == 0 || s.n - name < 3 || s.p[name] != ':' ||
	    s.p[name + 1] != ' ')
		return false;
	for (i = name; i < s.n; i++) {
		if (s.p[i] != '%')
			continue;
		percents++;
		if (i + 1 >= s.n || s.p[i + 1] != 's')
			return false;
	}
	return percents == 1;
}

static void read_header(struct lg_lint *l, void *dest,
			const struct lg_value *v, const struct lg_key *key)
{
	struct sb_str *header = dest;

	(void)key;
	if (v->type == LG_V_BOOL && !v->u.boolean)
		*header = SB_NOSTR;
	else if (v->type == LG_V_STRING && header_ok(v->u.string))
		*header = lg_lint_dup(l, v->u.string);
	else
		lg_lint_error(l, v, "write \"Name: value\" with one %s, "
			      "or false", "not a header line");
}

void lg_read_wire(struct lg_lint *l, void *dest, const struct lg_value *v,
		  const struct lg_key *key)
{
	static const struct lg_key keys[] = {
		{"verification_header", read_header,
		 WIRE(verification_header)},
		{"record_route", lg_read_bool, WIRE(record_route)},
		{"first_message_in_invite", lg_read_bool,
		 WIRE(first_message_in_invite)},
		{"accept_pager_message", lg_read_bool,
		 WIRE(accept_pager_message)},
		{"imdn_method", lg_read_choice, WIRE(imdn_method),
		 .words = imdn_methods},
		{"first_message_wait", lg_read_time,
		 WIRE(first_message_wait_ms), 0, 60000},
		{"answer_wait", lg_read_time, WIRE(answer_wait_ms), 0, 10000},
		{"invite_timeout", lg_read_time, WIRE(invite_timeout_ms), 1000,
		 600000},
		{"message_timeout", lg_read_time, WIRE(message_timeout_ms),
		 1000, 600000},
		{"imdn_wait", lg_read_time, WIRE(imdn_wait_ms), 1000, 3600000},
		{"session_idle", lg_read_time, WIRE(session_idle_ms), 1000,
		 86400000},
		{"typing_interval", lg_read_time, WIRE(typing_interval_ms),
		 100, 600000},
		{"typing_timeout", lg_read_time, WIRE(typing_timeout_ms), 1000,
		 600000},
		{"options_interval", lg_read_time, WIRE(options_interval_ms),
		 0, 3600000},
		{"subscription_expires", lg_read_time, WIRE(offer_expires_ms),
		 60000, 86400000},
		{"notify_interval", lg_read_time, WIRE(notify_interval_ms),
		 100, 600000},
		{"watch_rate", lg_read_count, WIRE(watch_rate), 0, RATE_MAX},
		{"ask_categories", lg_read_bool, WIRE(ask_categories)},
		{"tell_categories", lg_read_bool, WIRE(tell_categories)},
	};

	(void)key;
	if (lg_lint_is_table(l, v, "{ session_idle = 900 }"))
		lg_lint_table(l, &((struct lg_settings *)dest)->bridge.wire, v,
			      keys, sizeof(keys) / sizeof(keys[0]));
}
