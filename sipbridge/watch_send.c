/*
 * watch_send.c: requests of ours: names of a dialog, addresses, and who waits
 * for which response.
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>

#include "watch_priv.h"

#define OURS (UINT64_C(1) << 63) /* sb_watches_own() */

enum { CALL_ID, TAG, OTHER_TAG };

/* A name that needs no memory: nobody but us can tell the next one. */
static struct sb_str name(struct sb_watches *w, int which, uint32_t serial)
{
	static const char digit[] = "0123456789abcdef";
	uint64_t h = sb_hash_u64(&w->names,
				 (uint64_t)(unsigned)which << 32 | serial);

	for (int i = 0; i < SB_ID_HEX; i++, h <<= 4)
		w->id[which][i] = digit[h >> 60];
	return (struct sb_str){w->id[which], SB_ID_HEX};
}

struct sb_str sb_usage_tag(struct sb_watches *w, const struct sb_usage *u)
{
	return name(w, TAG, u->serial);
}

struct sb_str sb_usage_call_id(struct sb_watches *w, const struct sb_usage *u)
{
	return u->is_watch ? name(w, CALL_ID, u->serial) :
			     sb_peer_field(w, u, SB_PEER_CALL_ID);
}

void sb_add_header(struct sb_sip_out *o, const char *key, struct sb_str value)
{
	if (o->extra_n < SB_EXTRA_MAX)
		o->extra[o->extra_n++] = (struct sb_header){key, value};
}

struct sb_str sb_digits(struct sb_watches *w, int i, uint64_t n)
{
	int len = snprintf(w->number[i], sizeof(w->number[i]), "%llu",
			   (unsigned long long)n);

	return (struct sb_str){w->number[i], (size_t)len};
}

bool sb_ends_usage(int status)
{
	switch (status) {
	case 404:
	case 405:
	case 408:
	case 410:
	case 416:
	case 480:
	case 481:
	case 482:
	case 483:
	case 484:
	case 485:
	case 489:
	case 501:
	case 504:
	case 604:
		return true;
	default:
		return false;
	}
}

/* ------------------------------------------------------------- cookies -- */

/* One request of a usage is out at a time, so its number tells which. */
static uint64_t cookie_of(const struct sb_usage *u)
{
	return OURS | (u->is_watch ? OURS >> 1 : 0) |
	       (uint64_t)(u->cseq & 0x3fffffff) << 32 | u->serial;
}

struct sb_asked *sb_asked_find(const struct sb_watches *w, uint64_t cookie)
{
	struct sb_link *l = sb_table_find(&w->asked,
					  sb_hash_u64(&w->key, cookie));

	for (; l; l = sb_table_again(l)) {
		struct sb_asked *a = (struct sb_asked *)l; /* first member */

		if (a->cookie == cookie)
			return a;
	}
	return NULL;
}

static struct sb_asked *asked_new(struct sb_watches *w, uint64_t cookie,
				  struct sb_usage *u)
{
	struct sb_asked *a = sb_w_alloc(w, sizeof(*a));

	if (!a)
		return NULL;
	a->cookie = cookie;
	a->u = u;
	sb_table_add(&w->asked, &a->by_cookie, sb_hash_u64(&w->key, cookie));
	return a;
}

void sb_asked_free(struct sb_watches *w, struct sb_asked *a)
{
	sb_table_remove(&w->asked, &a->by_cookie);
	sb_w_free(w, a, sizeof(*a));
}

void sb_usage_orphan(struct sb_watches *w, struct sb_usage *u)
{
	struct sb_asked *a = u->busy ? sb_asked_find(w, cookie_of(u)) : NULL;

	if (a)
		a->u = NULL;
	u->busy = false;
}

/* ------------------------------------------------------------ requests -- */

/* As they spell it, if that is another way than ours. */
static struct sb_str uri_of(struct sb_watches *w, const struct sb_usage *u,
			    enum sb_peer_field f, const struct sb_shared *plain)
{
	struct sb_str uri = sb_peer_field(w, u, f);

	if (!uri.n)
		uri = sb_shared_str(plain);
	return uri;
}

uint64_t sb_watch_later(struct sb_watches *w)
{
	enum { WAIT_MS = 1000, STEP_MS = 2 };

	w->later_ms += STEP_MS;
	if (w->later_ms < w->now + WAIT_MS)
		w->later_ms = w->now + WAIT_MS;
	return w->later_ms;
}

int sb_usage_request(struct sb_watches *w, struct sb_usage *u,
		     struct sb_sip_out *o)
{
	struct sb_str routes[SB_ROUTE_ENTRIES];
	struct sb_asked *a;
	int err;

	u->cseq++;
	a = asked_new(w, cookie_of(u), u);
	if (!a)
		return SB_ENOMEM;
	o->domain = sb_uri_host(sb_usage_user(u));
	o->local.uri = uri_of(w, u, SB_PEER_LOCAL, u->contact);
	o->local.tag = sb_usage_tag(w, u);
	o->remote.uri = uri_of(w, u, SB_PEER_REMOTE, u->user);
	o->remote.tag = sb_peer_field(w, u, SB_PEER_TAG);
	o->remote.epid = sb_peer_field(w, u, SB_PEER_EPID);
	o->call_id = sb_usage_call_id(w, u);
	o->cseq = u->cseq;
	o->request_uri = u->peer ? sb_shared_str(u->peer->target) :
				   sb_usage_user(u);
	o->routes_n = sb_peer_routes(w, u->peer, routes);
	o->routes = routes;
	o->verified = u->verified;
	o->dialog_forming = true; /* both want our Contact (RFC 6665 8.1) */
	err = w->ops->request(w->arg, a->cookie, o);
	if (err)
		sb_asked_free(w, a);
	else
		u->busy = true;
	return err;
}

void sb_lone_request(struct sb_watches *w, struct sb_sip_out *o)
{
	struct sb_usage u = {.serial = ++w->serial, .cseq = 1};
	struct sb_asked *a = asked_new(w, cookie_of(&u), NULL);

	if (!a)
		return;
	o->cseq = 1;
	o->dialog_forming = true;
	if (w->ops->request(w->arg, a->cookie, o))
		sb_asked_free(w, a);
}
