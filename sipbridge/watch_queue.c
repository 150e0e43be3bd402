/*
 * watch_queue.c: who may subscribe when: one queue for each SIP domain, emptied
 * at watch_rate.
 * SPDX-License-Identifier: MIT
 */
#include "watch_priv.h"

enum {
	KEEP_MS = 2000, /* an empty domain: its pace must not be forgotten */
	FULL_MS = 100,	/* the Edge takes no more, or the plugin: then look
			   again */
	SLICE = 50	/* of a second; the loop does not look each ms */
};

/* Those of a slice may go together, for one at each look is not the rate. */
static uint32_t burst(uint32_t rate)
{
	return rate / SLICE + 1;
}

static size_t size(const struct sb_watch_domain *d)
{
	return sizeof(*d) + d->n;
}

static struct sb_watch_domain *domain_get(struct sb_watches *w,
					  struct sb_str name)
{
	struct sb_watch_domain *d;

	for (d = w->domains; d; d = d->next)
		if (sb_str_caseeq((struct sb_str){d->name, d->n}, name))
			return d;
	if (!name.n || w->domains_n >= SB_WATCH_DOMAINS_MAX)
		return NULL;
	d = sb_w_alloc(w, sizeof(*d) + name.n);
	if (!d)
		return NULL;
	d->n = name.n;
	memcpy(d->name, name.p, name.n);
	d->t.kind = SB_WT_DOMAIN;
	d->tail = &d->head;
	sb_pace_init(&d->pace, w->wire.watch_rate, burst(w->wire.watch_rate),
		     w->now);
	d->next = w->domains;
	w->domains = d;
	w->domains_n++;
	return d;
}

static void domain_free(struct sb_watches *w, struct sb_watch_domain *d)
{
	struct sb_watch_domain **at = &w->domains;

	while (*at != d)
		at = &(*at)->next;
	*at = d->next;
	w->domains_n--;
	sb_wheel_clear(&w->wheel, &d->t);
	sb_w_free(w, d, size(d));
}

bool sb_queue_add(struct sb_watches *w, struct sb_watch *x)
{
	struct sb_watch_domain *d =
		domain_get(w, sb_uri_host(sb_usage_user(&x->u)));

	if (!d)
		return false;
	sb_wheel_clear(&w->wheel, &x->u.t);
	x->u.state = SB_US_QUEUED;
	x->u.q.next = NULL;
	x->u.q.at = d->tail;
	x->u.q.domain = d;
	*d->tail = &x->u;
	d->tail = &x->u.q.next;
	w->waiting++;
	if (d->head == &x->u)
		sb_queue_run(w, d);
	return true;
}

/* Out of the queue; the place is a timer's again. */
void sb_queue_leave(struct sb_watches *w, struct sb_watch *x)
{
	struct sb_usage *u = &x->u;

	if (u->q.domain->tail == &u->q.next)
		u->q.domain->tail = u->q.at;
	*u->q.at = u->q.next;
	if (u->q.next)
		u->q.next->q.at = u->q.at;
	w->waiting--;
	u->state = SB_US_WAIT;
	sb_usage_untimed(u);
}

/* Back to where it was. */
static void queue_again(struct sb_watches *w, struct sb_watch_domain *d,
			struct sb_watch *x)
{
	struct sb_usage *u = &x->u;

	sb_wheel_clear(&w->wheel, &u->t);
	u->state = SB_US_QUEUED;
	u->q.next = d->head;
	u->q.at = &d->head;
	u->q.domain = d;
	if (d->head)
		d->head->q.at = &u->q.next;
	else
		d->tail = &u->q.next;
	d->head = u;
	w->waiting++;
}

/* Each makes two events or more. Begun while the plugin is behind, they would
 * keep those of others waiting: Lync's own SUBSCRIBEs above all, which are
 * answered 504 when it takes too long. */
static bool slow(const struct sb_watches *w)
{
	return w->ops->slow && w->ops->slow(w->arg);
}

void sb_queue_run(struct sb_watches *w, struct sb_watch_domain *d)
{
	while (d->head) {
		struct sb_watch *x = (struct sb_watch *)d->head;
		uint32_t wait = slow(w) ? FULL_MS :
				sb_pace_take(&d->pace, w->now);

		if (wait) {
			sb_wheel_set(&w->wheel, &d->t, w->now + wait);
			return;
		}
		sb_queue_leave(w, x);
		if (sb_watch_begin(w, x) == SB_EFULL) {
			queue_again(w, d, x);
			sb_wheel_set(&w->wheel, &d->t, w->now + FULL_MS);
			return;
		}
	}
	if (w->now - d->pace.last_ms >= KEEP_MS)
		domain_free(w, d);
	else
		sb_wheel_set(&w->wheel, &d->t, w->now + KEEP_MS);
}

void sb_queue_configure(struct sb_watches *w)
{
	struct sb_watch_domain *d;

	for (d = w->domains; d; d = d->next) {
		if (d->pace.rate == w->wire.watch_rate)
			continue;
		d->pace.rate = w->wire.watch_rate;
		d->pace.burst = burst(w->wire.watch_rate);
		sb_wheel_set(&w->wheel, &d->t, w->now); /* at the next tick */
	}
}

void sb_queue_free(struct sb_watches *w)
{
	while (w->domains)
		domain_free(w, w->domains);
}
