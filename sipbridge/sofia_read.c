/*
 * sofia_read.c: Sofia's messages to struct sb_sip_in.
 * SPDX-License-Identifier: MIT
 */
#include <limits.h>

#include "sofia_message.h"

/* Room in the scratch space, or NULL (and full is set). */
static char *take(struct sb_scratch *s, size_t n)
{
	char *p;

	if (s->full || n > sizeof(s->buf) - s->used) {
		s->full = true;
		return NULL;
	}
	p = s->buf + s->used;
	s->used += n;
	return p;
}

static struct sb_str copy(struct sb_scratch *s, const char *p, size_t n)
{
	char *to = take(s, n);

	if (!to)
		return SB_NOSTR;
	if (n)
		memcpy(to, p, n);
	return (struct sb_str){to, n};
}

/* The value of a header as it came: without name, unfolded, trimmed. Headers
 * after the first of one comma-separated line have no text of their own. */
static struct sb_str raw_value(struct sb_scratch *s, const void *header)
{
	const msg_common_t *h = header;
	struct sb_str v;
	const char *p, *colon;
	size_t n, i;
	char *to;

	if (!h || !h->h_data || h->h_len == 0)
		return SB_NOSTR;
	p = h->h_data;
	n = h->h_len;
	colon = memchr(p, ':', n);
	if (!colon)
		return SB_NOSTR;
	n -= (size_t)(colon - p) + 1;
	p = colon + 1;
	while (n && strchr(" \t\r\n", p[n - 1]))
		n--;
	while (n && strchr(" \t\r\n", *p))
		p++, n--;
	v = copy(s, p, n);
	to = (char *)(uintptr_t)v.p;
	for (i = 0; i < v.n; i++)
		if (to[i] == '\r' || to[i] == '\n')
			to[i] = ' ';
	return v;
}

/* Raw value, or what Sofia makes of it when the message was made by itself. */
static struct sb_str any_value(struct sb_scratch *s, const void *header)
{
	struct sb_str v = raw_value(s, header);
	char buf[2048];
	issize_t n;

	if (v.n || !header)
		return v;
	n = msg_header_field_e(buf, sizeof(buf),
			       (const msg_header_t *)header, 0);
	if (n <= 0 || (size_t)n >= sizeof(buf))
		return SB_NOSTR;
	return copy(s, buf, (size_t)n);
}

/* "sip:user@host", host in lower case; 0, or 400/416. */
static int read_uri(struct sb_str *out, struct sb_scratch *s, const url_t *u)
{
	size_t user, host, i;
	char *p;

	if (!u)
		return 400;
	if (u->url_type != url_sip)
		return 416;
	if (!u->url_user || !u->url_user[0] || !u->url_host || !u->url_host[0])
		return 400;
	user = strlen(u->url_user);
	host = strlen(u->url_host);
	if (4 + user + 1 + host > SB_URI_MAX)
		return 413;
	p = take(s, 4 + user + 1 + host);
	if (!p)
		return 413;
	memcpy(p, "sip:", 4);
	memcpy(p + 4, u->url_user, user);
	p[4 + user] = '@';
	for (i = 0; i < host; i++) {
		char c = u->url_host[i];

		p[5 + user + i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
	}
	*out = (struct sb_str){p, 5 + user + host};
	return 0;
}

/* A display name without its quotes, escapes and control characters. */
static struct sb_str read_display(struct sb_scratch *s, const char *d)
{
	size_t n = d ? strlen(d) : 0, i = 0, len = 0;
	char *p = n ? take(s, n) : NULL;

	if (!p)
		return SB_NOSTR;
	if (n >= 2 && d[0] == '"' && d[n - 1] == '"')
		i = 1, n--;
	for (; i < n; i++) {
		if (d[i] == '\\' && i + 1 < n)
			i++;
		if ((unsigned char)d[i] >= 0x20 && d[i] != 0x7f)
			p[len++] = d[i];
	}
	if (len > SB_FIELD_MAX)
		len = 0; /* a name of a kilobyte is none */
	return (struct sb_str){p, len};
}

static int read_party(struct sb_party *p, struct sb_scratch *s,
		      const sip_addr_t *a)
{
	int status;

	if (!a)
		return 400;
	status = read_uri(&p->uri, s, a->a_url);
	if (status)
		return status;
	p->display = read_display(s, a->a_display);
	p->tag = sb_str_of(a->a_tag);
	p->epid = sb_str_of(msg_params_find(a->a_params, "epid="));
	return 0;
}

/* The URI between the brackets of the first Contact, as it came. */
static struct sb_str read_contact(struct sb_scratch *s, const sip_contact_t *c)
{
	struct sb_str v = any_value(s, c);
	const char *open, *close;
	size_t i;

	open = v.n ? memchr(v.p, '<', v.n) : NULL;
	if (open) {
		open++;
		close = memchr(open, '>', v.n - (size_t)(open - v.p));
		if (!close)
			return SB_NOSTR;
		return (struct sb_str){open, (size_t)(close - open)};
	}
	for (i = 0; i < v.n && !strchr(";, \t", v.p[i]); i++)
		;
	return (struct sb_str){v.p, i};
}

/* All lines of a list header as one list. */
static struct sb_str read_list(struct sb_scratch *s, const msg_list_t *l)
{
	size_t start = s->used, i;
	struct sb_str all = {s->buf + start, 0};

	for (; l; l = (const msg_list_t *)l->k_next)
		for (i = 0; l->k_items && l->k_items[i]; i++) {
			if (s->used > start)
				copy(s, ", ", 2);
			copy(s, l->k_items[i], strlen(l->k_items[i]));
		}
	if (s->full)
		return SB_NOSTR;
	all.n = s->used - start;
	return all;
}

static int read_record_route(struct sb_sip_in *in, struct sb_scratch *s,
			     const sip_record_route_t *rr)
{
	size_t bytes = 0;

	for (; rr; rr = rr->r_next) {
		struct sb_str v = raw_value(s, rr);

		if (v.n == 0)
			continue;
		bytes += v.n;
		if (in->record_route_n == SB_ROUTES_MAX
		    || bytes > SB_ROUTE_BYTES)
			return 413;
		in->record_route[in->record_route_n++] = v;
	}
	return 0;
}

/* The headers of that name which the stack could not read, or which stood
 * there twice: the first of h, for the next give its sh_next. */
static const sip_header_t *unread(const sip_header_t *h, const char *name)
{
	const char *n;

	for (; h; h = h->sh_next) {
		n = h->sh_class == sip_error_class ? h->sh_error->er_name
						   : h->sh_class->hc_name;
		if (n && strcasecmp(n, name) == 0)
			return h;
	}
	return NULL;
}

/* All lines as one, also those that the stack could not read. */
static struct sb_str read_accept(struct sb_scratch *s, const sip_t *sip)
{
	const sip_header_t *bad = (const sip_header_t *)sip->sip_error;
	const sip_accept_t *a = sip->sip_accept;
	size_t start = s->used;
	struct sb_str v;

	while (a || (bad = unread(bad, "Accept"))) {
		size_t before = s->used;

		if (before > start)
			copy(s, ", ", 2);
		v = raw_value(s, a ? (const void *)a : bad);
		if (v.n == 0) /* behind another on one line */
			s->used = before;
		if (a)
			a = a->ac_next;
		else
			bad = bad->sh_next;
	}
	if (s->full)
		return SB_NOSTR;
	return (struct sb_str){s->buf + start, s->used - start};
}

/* The package: in lower case, without parameters. */
static struct sb_str read_event(struct sb_scratch *s, const sip_event_t *o)
{
	const char *type = o && o->o_type ? o->o_type : "";
	struct sb_str v = copy(s, type, strlen(type));
	char *to = (char *)(uintptr_t)v.p;

	for (size_t i = 0; i < v.n; i++)
		if (to[i] >= 'A' && to[i] <= 'Z')
			to[i] = (char)(to[i] + ('a' - 'A'));
	return v;
}

static int seconds(uint64_t n)
{
	return n < INT_MAX ? (int)n : INT_MAX;
}

/* What subscriptions need. */
static void read_subscription(struct sb_sip_in *in, struct sb_scratch *s,
			      const sip_t *sip)
{
	const void *state = sip->sip_subscription_state;

	in->event = read_event(s, sip->sip_event);
	if (!state)
		state = unread((const sip_header_t *)sip->sip_error,
			       "Subscription-State");
	in->subscription_state = raw_value(s, state);
	in->accept = read_accept(s, sip);
	in->expires = -1;
	if (sip->sip_expires && !sip->sip_expires->ex_date)
		in->expires = seconds(sip->sip_expires->ex_delta);
	if (sip->sip_min_expires)
		in->min_expires = seconds(sip->sip_min_expires->me_delta);
}

static void read_unknown(struct sb_sip_in *in, const sip_unknown_t *u)
{
	struct sb_str internal = SB_NOSTR;

	for (; u; u = u->un_next) {
		const char *name = u->un_name;
		struct sb_str v = sb_str_of(u->un_value);

		if (!name)
			continue;
		if (strcasecmp(name, "Ms-Conversation-ID") == 0)
			in->conversation_id = v;
		else if (strcasecmp(name, "ms-text-format") == 0
			 && in->first_message.n == 0)
			in->first_message = v;
		else if (strcasecmp(name, "EndPoints") == 0)
			in->endpoints = v;
		else if (strcasecmp(name, "Message-Id") == 0)
			in->message_id = v;
		else if (strcasecmp(name, "ms-diagnostics-public") == 0)
			in->diagnostics = v;
		else if (strcasecmp(name, "ms-diagnostics") == 0)
			internal = v;
	}
	if (in->diagnostics.n == 0)
		in->diagnostics = internal;
}

static enum sb_method read_method(sip_method_t m)
{
	static const struct {
		sip_method_t sofia;
		enum sb_method ours;
	} table[] = {
		{sip_method_invite, SB_M_INVITE},
		{sip_method_ack, SB_M_ACK},
		{sip_method_cancel, SB_M_CANCEL},
		{sip_method_bye, SB_M_BYE},
		{sip_method_message, SB_M_MESSAGE},
		{sip_method_info, SB_M_INFO},
		{sip_method_update, SB_M_UPDATE},
		{sip_method_options, SB_M_OPTIONS},
		{sip_method_notify, SB_M_NOTIFY},
		{sip_method_subscribe, SB_M_SUBSCRIBE},
		{sip_method_refer, SB_M_REFER},
	};
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].sofia == m)
			return table[i].ours;
	return SB_M_OTHER;
}

static int read_start(struct sb_sip_in *in, struct sb_scratch *s,
		      const sip_t *sip)
{
	in->method = read_method(sip->sip_cseq->cs_method);
	in->method_name = sb_str_of(sip->sip_cseq->cs_method_name);
	in->cseq = sip->sip_cseq->cs_seq;
	in->call_id = sb_str_of(sip->sip_call_id->i_id);
	if (in->call_id.n > SB_FIELD_MAX || in->method_name.n > 64)
		return 413;
	if (sip->sip_status) {
		in->status = sip->sip_status->st_status;
		in->phrase = sb_str_of(sip->sip_status->st_phrase);
		return 0;
	}
	return read_uri(&in->request_uri, s, sip->sip_request->rq_url);
}

static void read_body(struct sb_sip_in *in, struct sb_scratch *s,
		      const sip_t *sip)
{
	in->content_type = any_value(s, sip->sip_content_type);
	if (sip->sip_payload)
		in->body = (struct sb_str){sip->sip_payload->pl_data,
					   sip->sip_payload->pl_len};
}

static bool too_long(const struct sb_sip_in *in)
{
	return in->from.tag.n > SB_FIELD_MAX || in->to.tag.n > SB_FIELD_MAX
	       || in->contact.n > SB_FIELD_MAX || in->subject.n > SB_FIELD_MAX
	       || in->content_type.n > SB_FIELD_MAX
	       || in->conversation_id.n > SB_FIELD_MAX
	       || in->event.n > SB_FIELD_MAX
	       || in->subscription_state.n > SB_FIELD_MAX
	       || in->accept.n > SB_ROUTE_BYTES
	       || in->body.n > SB_SIP_BODY_MAX;
}

int sb_sofia_read(struct sb_sip_in *in, struct sb_scratch *s, const msg_t *msg,
		  const sip_t *sip)
{
	int status;

	(void)msg;
	*in = (struct sb_sip_in){.method = SB_M_OTHER, .expires = -1};
	s->used = 0;
	s->full = false;
	if (!sip || !sip->sip_cseq || !sip->sip_call_id || !sip->sip_from
	    || !sip->sip_to || (!sip->sip_request && !sip->sip_status))
		return 400;
	status = read_start(in, s, sip);
	if (!status)
		status = read_party(&in->from, s, sip->sip_from);
	if (!status)
		status = read_party(&in->to, s, sip->sip_to);
	if (!status)
		status = read_record_route(in, s, sip->sip_record_route);
	if (status)
		return status;
	in->contact = read_contact(s, sip->sip_contact);
	in->supported = read_list(s, sip->sip_supported);
	in->require = read_list(s, sip->sip_require);
	in->subject = any_value(s, sip->sip_subject);
	in->content_language = any_value(s, sip->sip_content_language);
	read_subscription(in, s, sip);
	read_unknown(in, sip->sip_unknown);
	if (in->diagnostics.n == 0)
		in->diagnostics = any_value(s, sip->sip_warning);
	if (sip->sip_retry_after && sip->sip_retry_after->af_delta < 86400)
		in->retry_after = (int)sip->sip_retry_after->af_delta;
	read_body(in, s, sip);
	return s->full || too_long(in) ? 413 : 0;
}

struct sb_str sb_sofia_host(struct sb_str uri)
{
	const char *at = uri.n ? memchr(uri.p, '@', uri.n) : NULL;

	if (!at)
		return SB_NOSTR;
	return (struct sb_str){at + 1, uri.n - (size_t)(at + 1 - uri.p)};
}

/* Bytes before the first char of `set`, of a quoted string: all of it. */
static size_t until(struct sb_str v, const char *set)
{
	bool quoted = false;
	size_t i;

	for (i = 0; i < v.n; i++) {
		if (quoted && v.p[i] == '\\')
			i++;
		else if (v.p[i] == '"')
			quoted = !quoted;
		else if (!quoted && v.p[i] && strchr(set, v.p[i]))
			return i;
	}
	return v.n;
}

static struct sb_str skip(struct sb_str v, size_t n)
{
	while (n < v.n && (v.p[n] == ' ' || v.p[n] == '\t'))
		n++;
	return (struct sb_str){v.p + n, v.n - n};
}

/* The next URI of a list of name-addr and addr-spec, moving on behind it. */
static struct sb_str next_uri(struct sb_str *v)
{
	struct sb_str uri;
	size_t n = until(*v, "<,");

	if (n < v->n && v->p[n] == '<') {
		*v = skip(*v, n + 1);
		uri = (struct sb_str){v->p, until(*v, ">")};
		*v = skip(*v, uri.n);
	}
	else {
		*v = skip(*v, 0);
		uri = (struct sb_str){v->p, until(*v, ",; \t")};
	}
	n = until(*v, ",");
	*v = n < v->n ? skip(*v, n + 1) : SB_NOSTR;
	return uri;
}

/* Of whom a URI is: the host of a sip: one; nothing of tel:, which is of no
 * domain; of anything else the whole text, which is no domain's name. */
static struct sb_str owner(struct sb_str uri)
{
	const char *at;
	size_t n;

	if (uri.n >= 4 && strncasecmp(uri.p, "tel:", 4) == 0)
		return SB_NOSTR;
	n = uri.n >= 4 && strncasecmp(uri.p, "sip:", 4) == 0    ? 4
	    : uri.n >= 5 && strncasecmp(uri.p, "sips:", 5) == 0 ? 5
								 : 0;
	if (!n)
		return uri;
	uri = (struct sb_str){uri.p + n, uri.n - n};
	at = uri.n ? memchr(uri.p, '@', uri.n) : NULL;
	n = at ? (size_t)(at - uri.p) + 1 : 0;
	uri = (struct sb_str){uri.p + n, uri.n - n};
	uri.n = until(uri, ";:?");
	return uri.n ? uri : SB_STR("?");
}

struct sb_str sb_sofia_foreign_identity(const sip_t *sip, struct sb_str domain)
{
	const sip_unknown_t *u;

	for (u = sip->sip_unknown; u; u = u->un_next) {
		struct sb_str v = skip(sb_str_of(u->un_value), 0), host;

		if (!u->un_name
		    || strcasecmp(u->un_name, "P-Asserted-Identity") != 0)
			continue;
		while (v.n) {
			host = owner(next_uri(&v));
			if (host.n && !sb_str_caseeq(host, domain))
				return host;
		}
	}
	return SB_NOSTR;
}
