/*
 * sofia_write.c: struct sb_sip_out to Sofia's messages.
 * SPDX-License-Identifier: MIT
 */
#include <stdarg.h>
#include <stdio.h>

#include "content.h"
#include "sofia_message.h"
#include "version.h"

enum { HEADERS_ROOM = 3072 }; /* bytes: more go out in two pieces */

/* A message being built: the first error sticks. */
struct draft {
	msg_t *msg;
	sip_t *sip;
	su_home_t *home;
	int err;
};

static bool clean(struct sb_str v)
{
	size_t i;

	for (i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

static char *text(struct draft *d, struct sb_str v)
{
	char *p;

	if (d->err)
		return NULL;
	if (!clean(v)) {
		d->err = SB_EBADTEXT;
		return NULL;
	}
	p = su_strndup(d->home, v.n ? v.p : "", (isize_t)v.n);
	if (!p)
		d->err = SB_ENOMEM;
	return p;
}

static void put(struct draft *d, void *header)
{
	if (d->err)
		return;
	if (!header
	    || msg_header_insert(d->msg, (msg_pub_t *)d->sip,
				 (msg_header_t *)header) < 0)
		d->err = SB_ENOMEM;
}

/* A header of literal text: no parser sees it. */
static void put_text(struct draft *d, const char *name, struct sb_str value)
{
	char *v = text(d, value);
	sip_unknown_t *u;

	if (!v)
		return;
	u = (sip_unknown_t *)msg_header_alloc(d->home, sip_unknown_class, 0);
	if (!u) {
		d->err = SB_ENOMEM;
		return;
	}
	u->un_name = name;
	u->un_value = v;
	put(d, u);
}

static void put_format(struct draft *d, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void put_format(struct draft *d, const char *name, const char *fmt, ...)
{
	char buf[3072];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(buf)) {
		if (!d->err)
			d->err = SB_ETOOBIG;
		return;
	}
	put_text(d, name, (struct sb_str){buf, (size_t)n});
}

/*
 * A URI whose text Sofia keeps as it is: everything behind the scheme stands
 * in the host, where nothing looks at it, because requests are routed by the
 * route URL that edge.c passes and never by their own.
 */
static int literal_url(struct draft *d, url_t *url, struct sb_str uri)
{
	size_t i;

	if (uri.n < 5 || strncasecmp(uri.p, "sip:", 4) != 0
	    || uri.n > SB_FIELD_MAX)
		return SB_EBADTEXT;
	for (i = 0; i < uri.n; i++)
		if ((unsigned char)uri.p[i] <= 0x20 || uri.p[i] == '<'
		    || uri.p[i] == '>' || uri.p[i] == '"')
			return SB_EBADTEXT;
	*url = (url_t){.url_type = url_sip};
	url->url_scheme = "sip";
	url->url_host = text(d, (struct sb_str){uri.p + 4, uri.n - 4});
	return d->err;
}

/* "name" with quotes and escapes; an empty one still asks for brackets. */
static const char *quoted(struct draft *d, struct sb_str name)
{
	char buf[2 * SB_FIELD_MAX + 3];
	size_t i, n = 0;

	if (name.n == 0 || name.n > SB_FIELD_MAX)
		return "";
	buf[n++] = '"';
	for (i = 0; i < name.n; i++) {
		if (name.p[i] == '"' || name.p[i] == '\\')
			buf[n++] = '\\';
		buf[n++] = name.p[i];
	}
	buf[n++] = '"';
	return text(d, (struct sb_str){buf, n});
}

static bool is_token(struct sb_str v)
{
	size_t i;

	for (i = 0; i < v.n; i++) {
		char c = v.p[i];

		if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z')
		      || (c >= 'a' && c <= 'z')
		      || (c && strchr("-.!%*_+`'~", c))))
			return false;
	}
	return true;
}

static void set_party(struct draft *d, sip_addr_t *a, const struct sb_party *p)
{
	char param[SB_FIELD_MAX + 8];

	if (!a) {
		if (!d->err)
			d->err = SB_ENOMEM;
		return;
	}
	a->a_display = quoted(d, p->display);
	if (!is_token(p->tag) || !is_token(p->epid)
	    || p->tag.n > SB_FIELD_MAX || p->epid.n > 64) {
		if (!d->err)
			d->err = SB_EBADTEXT;
		return;
	}
	if (p->tag.n) {
		snprintf(param, sizeof(param), "tag=%.*s", SB_FMT(p->tag));
		sip_from_add_param(d->home, a, su_strdup(d->home, param));
	}
	if (p->epid.n) {
		snprintf(param, sizeof(param), "epid=%.*s", SB_FMT(p->epid));
		sip_from_add_param(d->home, a, su_strdup(d->home, param));
	}
}

/* user@ part of "sip:user@host" for our Contact. */
static struct sb_str user_of(struct sb_str uri)
{
	const char *at = uri.n > 4 ? memchr(uri.p, '@', uri.n) : NULL;

	return at ? (struct sb_str){uri.p + 4, (size_t)(at - uri.p) - 4}
		  : SB_NOSTR;
}

/* The body as text that is still to be written: then it stands behind the
 * headers in one buffer, which has room for both, and goes out in one TLS
 * record with them. */
static void put_body(struct draft *d, struct sb_str body)
{
	sip_payload_t *p;

	if (d->err)
		return;
	if (!msg_buf_alloc(d->msg, (usize_t)(HEADERS_ROOM + body.n))) {
		d->err = SB_ENOMEM;
		return;
	}
	p = sip_payload_create(d->home, body.p, (isize_t)body.n);
	if (p) {
		p->pl_common->h_data = NULL;
		p->pl_common->h_len = 0;
	}
	put(d, p);
}

/* Headers that every message of ours has. */
static void put_common(struct draft *d, const struct sb_self *self,
		       const struct sb_sip_out *m)
{
	struct sb_str user = user_of(m->local.uri);
	char diag[1200];
	size_t i;
	int n;

	if (m->dialog_forming)
		put_format(d, "Contact", "<sip:%.*s%s%s:%u;transport=tls>",
			   SB_FMT(user), user.n ? "@" : "", self->fqdn,
			   self->port);
	put_format(d, "User-Agent", "lync-gateway/%s", LG_VERSION);
	if (m->diagnosed) {
		n = sb_diagnostics_write(diag, sizeof(diag), m->diag,
					 m->reason);
		if (n > 0)
			put_text(d, "ms-diagnostics-public",
				 (struct sb_str){diag, (size_t)n});
	}
	for (i = 0; i < m->extra_n; i++)
		put_text(d, m->extra[i].name, m->extra[i].value);
	if (m->content_type.n)
		put_text(d, "Content-Type", m->content_type);
	if (m->body.n)
		put_body(d, m->body);
}

/* "Name: value %s" of the settings. */
static void put_verification(struct draft *d, const struct sb_self *self,
			     bool verified)
{
	struct sb_str v = self->verification;
	const char *word = verified ? "verified" : "unverified";
	const char *colon = v.n ? memchr(v.p, ':', v.n) : NULL, *mark;
	struct sb_str name, before, after = SB_NOSTR;
	char *header;

	if (!colon)
		return;
	name = (struct sb_str){v.p, (size_t)(colon - v.p)};
	before = (struct sb_str){colon + 1, v.n - name.n - 1};
	while (before.n && *before.p == ' ')
		before.p++, before.n--;
	for (mark = before.p; mark + 1 < before.p + before.n; mark++)
		if (mark[0] == '%' && mark[1] == 's') {
			after.p = mark + 2;
			after.n = before.n - (size_t)(mark - before.p) - 2;
			before.n = (size_t)(mark - before.p);
			break;
		}
	header = text(d, name);
	if (header)
		put_format(d, header, "%.*s%s%.*s", SB_FMT(before),
			   after.p ? word : "", SB_FMT(after));
}

static void put_own_record_route(struct draft *d, const struct sb_self *self)
{
	if (self->record_route)
		put_format(d, "Record-Route", "<sip:%s:%u;transport=tls;lr>",
			   self->fqdn, self->port);
}

static const struct {
	enum sb_method ours;
	sip_method_t sofia;
	const char *name;
} methods[] = {
	{SB_M_INVITE, sip_method_invite, "INVITE"},
	{SB_M_ACK, sip_method_ack, "ACK"},
	{SB_M_BYE, sip_method_bye, "BYE"},
	{SB_M_MESSAGE, sip_method_message, "MESSAGE"},
	{SB_M_INFO, sip_method_info, "INFO"},
	{SB_M_OPTIONS, sip_method_options, "OPTIONS"},
	{SB_M_NOTIFY, sip_method_notify, "NOTIFY"},
	{SB_M_SUBSCRIBE, sip_method_subscribe, "SUBSCRIBE"},
};

static void put_request_line(struct draft *d, const struct sb_sip_out *m)
{
	sip_method_t method = sip_method_unknown;
	const char *name = NULL;
	url_t url;
	size_t i;

	for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (methods[i].ours == m->method) {
			method = methods[i].sofia;
			name = methods[i].name;
		}
	if (!name) {
		d->err = SB_EINVAL;
		return;
	}
	d->err = literal_url(d, &url, m->request_uri);
	if (d->err)
		return;
	put(d, sip_request_create(d->home, method, name, (url_string_t *)&url,
				  NULL));
	put(d, sip_cseq_create(d->home, m->cseq, method, name));
}

static int start(struct draft *d, msg_t *msg)
{
	*d = (struct draft){.msg = msg};
	if (!msg)
		return SB_ENOMEM;
	d->sip = sip_object(msg);
	d->home = msg_home(msg);
	return SB_OK;
}

static int finish(struct draft *d, msg_t **mp)
{
	if (!d->err && sip_complete_message(d->msg) < 0)
		d->err = SB_ENOMEM;
	if (d->err) {
		msg_destroy(d->msg);
		return d->err;
	}
	*mp = d->msg;
	return SB_OK;
}

static void put_addresses(struct draft *d, const struct sb_sip_out *m)
{
	url_t url;
	char *id;

	if (!d->err)
		d->err = literal_url(d, &url, m->local.uri);
	if (!d->err) {
		sip_from_t *f = sip_from_create(d->home, (url_string_t *)&url);

		set_party(d, f, &m->local);
		put(d, f);
	}
	if (!d->err)
		d->err = literal_url(d, &url, m->remote.uri);
	if (!d->err) {
		sip_to_t *t = sip_to_create(d->home, (url_string_t *)&url);

		set_party(d, t, &m->remote);
		put(d, t);
	}
	id = text(d, m->call_id);
	if (id)
		put(d, sip_call_id_make(d->home, id));
}

int sb_sofia_request(msg_t **mp, nta_agent_t *agent, const struct sb_self *self,
		     const struct sb_sip_out *m)
{
	struct draft d;
	size_t i;
	int err = start(&d, nta_msg_create(agent, 0));

	if (err)
		return err;
	put_request_line(&d, m);
	put_addresses(&d, m);
	if (!d.err)
		put(&d, sip_max_forwards_make(d.home, "70"));
	for (i = 0; i < m->routes_n; i++)
		put_text(&d, "Route", m->routes[i]);
	if (m->dialog_forming) {
		put_own_record_route(&d, self);
		put_text(&d, "Allow", SB_STR(SB_ALLOW));
	}
	put_verification(&d, self, m->verified);
	put_common(&d, self, m);
	return finish(&d, mp);
}

int sb_sofia_cancel(msg_t **mp, nta_agent_t *agent, nta_outgoing_t *invite)
{
	msg_t *req = nta_outgoing_getrequest(invite);
	const sip_t *old = req ? sip_object(req) : NULL;
	sip_request_t *line;
	sip_via_t via;
	struct draft d;
	int err = start(&d, nta_msg_create(agent, 0));

	if (!err && (!old || !old->sip_via)) {
		msg_destroy(d.msg);
		err = SB_EINVAL;
	}
	if (err) {
		if (req)
			msg_destroy(req);
		return err;
	}
	line = sip_request_dup(d.home, old->sip_request);
	if (line) {
		line->rq_method = sip_method_cancel;
		line->rq_method_name = "CANCEL";
	}
	put(&d, line);
	via = *old->sip_via;
	via.v_next = NULL;
	put(&d, sip_via_dup(d.home, &via));
	put(&d, sip_max_forwards_dup(d.home, old->sip_max_forwards));
	put(&d, sip_from_dup(d.home, old->sip_from));
	put(&d, sip_to_dup(d.home, old->sip_to));
	put(&d, sip_call_id_dup(d.home, old->sip_call_id));
	put(&d, sip_cseq_create(d.home, old->sip_cseq->cs_seq,
				SIP_METHOD_CANCEL));
	msg_destroy(req);
	return finish(&d, mp);
}

/* The request's Record-Route lines, as they came, behind our own. */
static void put_record_route(struct draft *d, const struct sb_self *self,
			     nta_incoming_t *irq)
{
	struct sb_scratch *s = su_alloc(d->home, sizeof(*s));
	msg_t *req = nta_incoming_getrequest(irq);
	struct sb_sip_in in;
	size_t i;

	put_own_record_route(d, self);
	if (!s || !req)
		d->err = SB_ENOMEM;
	else if (sb_sofia_read(&in, s, req, sip_object(req)) == 0)
		for (i = 0; i < in.record_route_n; i++)
			put_text(d, "Record-Route", in.record_route[i]);
	if (req)
		msg_destroy(req);
	if (s)
		su_free(d->home, s);
}

int sb_sofia_response(msg_t **mp, nta_incoming_t *irq,
		      const struct sb_self *self, const struct sb_sip_out *m)
{
	struct draft d;
	char *tag;
	int err;

	d = (struct draft){.err = 0};
	err = start(&d, nta_incoming_create_response(
				irq, m->status, sip_status_phrase(m->status)));
	if (err)
		return err;
	if (m->local.tag.n && is_token(m->local.tag)) {
		tag = text(&d, m->local.tag);
		if (tag)
			nta_incoming_tag(irq, tag);
	}
	if (m->status > 100 && !d.sip->sip_to->a_tag) {
		const char *t = nta_incoming_tag(irq, NULL);

		if (!t || sip_to_tag(d.home, d.sip->sip_to, t) < 0)
			d.err = SB_ENOMEM;
	}
	if (m->dialog_forming && m->status < 300) {
		put_record_route(&d, self, irq);
		put_text(&d, "Allow", SB_STR(SB_ALLOW));
	}
	put_verification(&d, self, m->verified);
	put_common(&d, self, m);
	return finish(&d, mp);
}
