/*
 * session_table.c: conversations and dialogs: made, found, forgotten.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>

#include "session_priv.h"

struct sb_str sb_conv_contact(const struct sb_conv *c)
{
	return (struct sb_str){c->names, c->contact_n};
}

struct sb_str sb_conv_user(const struct sb_conv *c)
{
	return (struct sb_str){c->names + c->contact_n, c->user_n};
}

bool sb_conv_is(const struct sb_conv *c, struct sb_str contact,
		struct sb_str user)
{
	return sb_str_caseeq(sb_conv_contact(c), contact) &&
	       sb_str_caseeq(sb_conv_user(c), user);
}

struct sb_conv *sb_conv_find(const struct sb_sessions *s, struct sb_str contact,
			     struct sb_str user)
{
	struct sb_link *l;

	if (contact.n > SB_URI_MAX || user.n > SB_URI_MAX)
		return NULL;
	l = sb_table_find(&s->convs, sb_pair_hash(&s->key, contact, user));
	for (; l; l = sb_table_again(l)) {
		struct sb_conv *c = (struct sb_conv *)l; /* first member */

		if (sb_conv_is(c, contact, user))
			return c;
	}
	return NULL;
}

struct sb_conv *sb_conv_get(struct sb_sessions *s, struct sb_str contact,
			    struct sb_str user)
{
	struct sb_conv *c = sb_conv_find(s, contact, user);

	if (c || s->convs.n >= SB_SESSIONS_MAX || contact.n > SB_URI_MAX ||
	    user.n > SB_URI_MAX)
		return c;
	c = calloc(1, sizeof(*c) + contact.n + user.n);
	if (!c)
		return NULL;
	c->t.kind = SB_T_CONV;
	c->tail = &c->head;
	c->opened_ms = c->used_ms = s->now;
	c->contact_n = (uint16_t)contact.n;
	c->user_n = (uint16_t)user.n;
	memcpy(c->names, contact.p, contact.n);
	memcpy(c->names + contact.n, user.p, user.n);
	sb_table_add(&s->convs, &c->by_pair,
		     sb_pair_hash(&s->key, contact, user));
	return c;
}

bool sb_conv_idle(const struct sb_conv *c)
{
	return !c->dialogs && !c->head && !c->out && !c->held &&
	       !c->unanswered;
}

void sb_conv_free(struct sb_sessions *s, struct sb_conv *c)
{
	sb_table_remove(&s->convs, &c->by_pair);
	sb_wheel_clear(&s->wheel, &c->t);
	free(c->resource);
	free(c->display);
	free(c->thread);
	free(c->early_mid);
	free(c);
}

/* ------------------------------------------------------------- dialogs -- */

static size_t field_start(const struct sb_dialog *d, enum sb_dialog_field f)
{
	return f ? d->end[f - 1] : 0;
}

struct sb_str sb_dialog_field(const struct sb_dialog *d, enum sb_dialog_field f)
{
	size_t start = field_start(d, f);

	return (struct sb_str){d->blob + start, d->end[f] - start};
}

static int pack(struct sb_dialog *d, const struct sb_str f[SB_DF_N])
{
	size_t n = 0, at = 0;
	char *blob;

	for (int i = 0; i < SB_DF_N; i++)
		n += f[i].n;
	if (n > UINT16_MAX)
		return SB_ETOOBIG;
	blob = malloc(n ? n : 1);
	if (!blob)
		return SB_ENOMEM;
	for (int i = 0; i < SB_DF_N; i++) {
		if (f[i].n)
			memcpy(blob + at, f[i].p, f[i].n);
		at += f[i].n;
		d->end[i] = (uint16_t)at;
	}
	free(d->blob);
	d->blob = blob;
	return SB_OK;
}

int sb_dialog_update(struct sb_dialog *d, const struct sb_str f[SB_DF_N])
{
	struct sb_str all[SB_DF_N];

	for (enum sb_dialog_field i = SB_DF_CALL_ID; i < SB_DF_N; i++)
		all[i] = i > SB_DF_LOCAL_TAG && f[i].p ? f[i] :
			 sb_dialog_field(d, i);
	return pack(d, all);
}

static uint64_t dialog_hash(const struct sb_sessions *s, struct sb_str call_id,
			    struct sb_str tag)
{
	return sb_hash(&s->key, call_id.p, call_id.n) ^
	       sb_hash(&s->key, tag.p, tag.n);
}

struct sb_dialog *sb_dialog_new(struct sb_sessions *s, struct sb_conv *c,
				const struct sb_str f[SB_DF_N])
{
	struct sb_dialog *d = calloc(1, sizeof(*d)), **at = &c->dialogs;

	if (!d)
		return NULL;
	d->t.kind = SB_T_DIALOG;
	d->c = c;
	d->used_ms = s->now;
	if (pack(d, f)) {
		free(d);
		return NULL;
	}
	while (*at)
		at = &(*at)->next;
	*at = d;
	sb_table_add(&s->dialogs, &d->by_id,
		     dialog_hash(s, f[SB_DF_CALL_ID], f[SB_DF_LOCAL_TAG]));
	return d;
}

struct sb_dialog *sb_dialog_find(const struct sb_sessions *s,
				 struct sb_str call_id, struct sb_str tag)
{
	struct sb_link *l = sb_table_find(&s->dialogs,
					  dialog_hash(s, call_id, tag));

	for (; l; l = sb_table_again(l)) {
		struct sb_dialog *d = (struct sb_dialog *)l; /* first member */

		if (sb_str_eq(sb_dialog_field(d, SB_DF_CALL_ID), call_id) &&
		    sb_str_eq(sb_dialog_field(d, SB_DF_LOCAL_TAG), tag))
			return d;
	}
	return NULL;
}

static void dialog_unlink(struct sb_dialog *d)
{
	struct sb_dialog **at = &d->c->dialogs;

	while (*at != d)
		at = &(*at)->next;
	*at = d->next;
	d->next = NULL;
}

/* Notifications that could only go this way. */
static void drop_imdn(struct sb_sessions *s, struct sb_dialog *d)
{
	struct sb_conv *c = d->c;
	struct sb_msg **at = &c->head, *m;

	while ((m = *at)) {
		if (m->kind == SB_MSG_IMDN && m->d == d) {
			*at = m->next;
			sb_msg_free(s, m);
		}
		else
			at = &m->next;
	}
	c->tail = at;
}

void sb_dialog_free(struct sb_sessions *s, struct sb_dialog *d)
{
	struct sb_conv *c = d->c;
	struct sb_stxn *x, *next;

	for (x = d->txns; x; x = next) {
		next = x->next;
		if (x->state == SB_S_LATE || x->state == SB_S_ACK) {
			sb_stxn_free(s, x);
			continue;
		}
		x->d = NULL; /* it still gets its answer */
		x->at = NULL;
		x->next = NULL;
	}
	if (c->out && c->out->d == d)
		c->out->d = NULL;
	if (d->invite)
		d->invite->d = NULL;
	drop_imdn(s, d);
	dialog_unlink(d);
	sb_table_remove(&s->dialogs, &d->by_id);
	sb_wheel_clear(&s->wheel, &d->t);
	free(d->first);
	free(d->blob);
	free(d);
}

void sb_dialog_up(struct sb_sessions *s, struct sb_dialog *d)
{
	dialog_unlink(d);
	d->next = d->c->dialogs;
	d->c->dialogs = d;
	d->state = SB_D_UP;
	d->used_ms = s->now;
}

struct sb_dialog *sb_dialog_in(const struct sb_conv *c,
			       enum sb_dialog_state state)
{
	struct sb_dialog *d = c->dialogs;

	while (d && d->state != state)
		d = d->next;
	return d;
}

struct sb_dialog *sb_dialog_coming(const struct sb_conv *c)
{
	struct sb_dialog *d = c->dialogs;

	while (d && (d->state == SB_D_UP || d->state == SB_D_CANCELLED ||
		     d->bye_soon))
		d = d->next;
	return d;
}
