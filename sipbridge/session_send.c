/*
 * session_send.c: requests inside a dialog: route set, target, tags, CSeq.
 * SPDX-License-Identifier: MIT
 */
#include "session_priv.h"

/* Fill in what the dialog knows. routes: room for SB_ROUTE_ENTRIES. */
static void address(const struct sb_dialog *d, struct sb_sip_out *o,
		    struct sb_str *routes)
{
	o->domain = sb_uri_host(sb_conv_user(d->c));
	o->request_uri = sb_dialog_field(d, SB_DF_TARGET);
	o->local.uri = sb_dialog_field(d, SB_DF_LOCAL_URI);
	o->local.tag = sb_dialog_field(d, SB_DF_LOCAL_TAG);
	o->local.display = sb_text_str(d->c->display);
	o->remote.uri = sb_dialog_field(d, SB_DF_REMOTE_URI);
	o->remote.tag = sb_dialog_field(d, SB_DF_REMOTE_TAG);
	o->remote.epid = sb_dialog_field(d, SB_DF_REMOTE_EPID);
	o->call_id = sb_dialog_field(d, SB_DF_CALL_ID);
	o->routes_n = sb_route_split(sb_dialog_field(d, SB_DF_ROUTES), routes,
				     SB_ROUTE_ENTRIES);
	o->routes = routes;
	o->verified = d->c->verified;
}

int sb_send_in_dialog(struct sb_sessions *s, struct sb_dialog *d,
		      enum sb_ctxn_kind kind, struct sb_sip_out *o,
		      struct sb_ctxn **tp)
{
	struct sb_str routes[SB_ROUTE_ENTRIES];
	struct sb_ctxn *t = sb_ctxn_new(s, kind, d->c, d);
	int err;

	if (!t)
		return SB_ENOMEM;
	address(d, o, routes);
	o->cseq = ++d->cseq;
	err = s->ops->request(s->arg, t->cookie, o);
	if (err) {
		sb_ctxn_free(s, t);
		return err;
	}
	*tp = t;
	return SB_OK;
}

/* Only our own INVITEs are ACKed here; theirs is number 1 (no re-INVITE). */
void sb_send_ack(struct sb_sessions *s, struct sb_dialog *d)
{
	struct sb_str routes[SB_ROUTE_ENTRIES];
	struct sb_sip_out o = {.method = SB_M_ACK, .cseq = 1};

	address(d, &o, routes);
	s->ops->request(s->arg, 0, &o);
}

static void bye(struct sb_sessions *s, struct sb_dialog *d)
{
	struct sb_sip_out o = {.method = SB_M_BYE};
	struct sb_ctxn *t;

	if (sb_send_in_dialog(s, d, SB_C_BYE, &o, &t))
		return;
	t->c = NULL; /* nobody waits for its response */
	t->d = NULL;
}

void sb_dialog_close(struct sb_sessions *s, struct sb_dialog *d)
{
	switch ((enum sb_dialog_state)d->state) {
	case SB_D_CALLING:
		d->state = SB_D_CANCELLED;
		d->due = 0;
		sb_dialog_timer(s, d);
		s->ops->cancel(s->arg, d->invite->cookie);
		return;
	case SB_D_ANSWERED: /* no BYE before the ACK (RFC 3261 15) */
		d->bye_soon = true;
		return;
	case SB_D_UP:
		bye(s, d);
		sb_dialog_free(s, d);
		return;
	case SB_D_OFFERED:
	case SB_D_CANCELLED:
		return;
	}
}

/* A 2xx made a dialog: everything to end it stands in the 2xx itself. */
void sb_send_stray(struct sb_sessions *s, const struct sb_sip_in *m)
{
	struct sb_str routes[SB_ROUTE_ENTRIES];
	uint64_t hash = sb_hash(&s->key, m->call_id.p, m->call_id.n) ^
			sb_hash(&s->key, m->to.tag.p, m->to.tag.n);
	struct sb_sip_out o = {.method = SB_M_ACK};
	struct sb_ctxn *t;
	int n;

	n = sb_route_set(s->text, sizeof(s->text), m->record_route,
			 m->record_route_n, true, sb_text_str(s->fqdn));
	if (n < 0)
		n = 0;
	o.domain = m->domain;
	o.request_uri = m->contact.n ? m->contact : m->to.uri;
	o.local = m->from;
	o.remote = m->to;
	o.call_id = m->call_id;
	o.cseq = m->cseq;
	o.routes_n = sb_route_split((struct sb_str){s->text, (size_t)n},
				    routes, SB_ROUTE_ENTRIES);
	o.routes = routes;
	s->ops->request(s->arg, 0, &o);
	for (int i = 0; i < SB_STRAY_MAX; i++)
		if (s->stray[i] == hash)
			return; /* only its 2xx came once more */
	s->stray[s->stray_at++ % SB_STRAY_MAX] = hash;
	t = sb_ctxn_new(s, SB_C_BYE, NULL, NULL);
	if (!t)
		return;
	o.method = SB_M_BYE;
	o.cseq++;
	if (s->ops->request(s->arg, t->cookie, &o))
		sb_ctxn_free(s, t);
}
