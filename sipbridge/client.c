/*
 * client.c: the library's face: requests to a worker that may die at any time.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "check.h"
#include "client_priv.h"
#include "version.h"

/* ------------------------------------------------------------ settings -- */

int sb_open(struct sb_bridge **bp, const struct sb_config *c, uint64_t now_ms)
{
	struct sb_bridge *b;
	int err = sb_check_config(c);

	if (err)
		return err;
	b = calloc(1, sizeof(*b));
	if (!b)
		return SB_ENOMEM;
	b->worker.pidfd = -1;
	b->ep = epoll_create1(EPOLL_CLOEXEC);
	if (b->ep < 0) {
		free(b);
		return SB_ESYS;
	}
	err = sb_config_dup(&b->cfg, c);
	if (err) {
		sb_close(b);
		return err;
	}
	sb_client_start(b, now_ms);
	sb_client_flush(b);
	*bp = b;
	return SB_OK;
}

static bool same_place(const struct sb_config *a, const struct sb_config *b)
{
	if (!sb_str_caseeq(a->bridge_fqdn, b->bridge_fqdn) ||
	    a->listen_n != b->listen_n || a->sandbox != b->sandbox ||
	    a->memory != b->memory)
		return false;
	for (size_t i = 0; i < a->listen_n; i++) {
		if (!sb_str_eq(a->listen[i], b->listen[i]))
			return false;
	}
	return true;
}

int sb_configure(struct sb_bridge *b, const struct sb_config *c,
		 uint64_t now_ms)
{
	struct sb_config *before = b->cfg, *copy;
	int err = sb_check_config(c);

	if (err)
		return err;
	if (!same_place(b->cfg, c))
		return SB_EINVAL;
	err = sb_config_dup(&copy, c);
	if (err)
		return err;
	b->cfg = copy;
	if (b->ch)
		err = sb_client_send_config(b);
	if (err) {
		b->cfg = before;
		sb_config_free(copy);
		return err;
	}
	/* Keep what is known to work, for a restart after a refusal. */
	if (!b->good && b->state == SB_CL_READY)
		b->good = before;
	else
		sb_config_free(before);
	if (b->state == SB_CL_REFUSED) {
		b->state = b->ch ? SB_CL_STARTED : SB_CL_STOPPED;
		b->restart_ms = now_ms;
	}
	sb_client_flush(b);
	return SB_OK;
}

/* What the worker says about settings. Those that were good before come back
 * when the new ones are refused: a worker that runs has kept them, one that has
 * just been started gets them. */
static void settings_answer(struct sb_bridge *b, int status)
{
	struct sb_config *other = b->good;

	if (b->cfg_sent)
		b->cfg_sent--;
	if (b->state == SB_CL_STARTED)
		b->state = status > 0 ? SB_CL_READY : SB_CL_REFUSED;
	if (b->cfg_sent || !b->good)
		return;
	if (status <= 0) {
		other = b->cfg;
		b->cfg = b->good;
		if (b->state == SB_CL_REFUSED &&
		    sb_client_send_config(b) == SB_OK)
			b->state = SB_CL_STARTED;
	}
	sb_config_free(other);
	b->good = NULL;
}

/* ------------------------------------------------------------ requests -- */

int sb_send(struct sb_bridge *b, const struct sb_request *r, uint64_t *id,
	    uint64_t now_ms)
{
	bool outcome = r->type == SB_REQ_MESSAGE;
	struct sb_request copy = *r;
	int err;

	(void)now_ms;
	if (outcome)
		copy.id = b->next_id + 1;
	if (!b->ch || b->deaf ||
	    (b->state != SB_CL_STARTED && b->state != SB_CL_READY)) {
		err = sb_check_request(&copy);
		return err ? err : SB_EDOWN;
	}
	if (outcome) {
		err = sb_ids_add(&b->ids, copy.id);
		if (err)
			return err;
	}
	err = sb_channel_put_request(b->ch, &copy);
	if (err) {
		if (outcome)
			sb_ids_remove(&b->ids, copy.id);
		return err;
	}
	if (outcome)
		b->next_id = copy.id;
	if (r->type == SB_REQ_SESSIONS)
		b->lists[SB_LIST_SESSIONS]++;
	else if (r->type == SB_REQ_WATCHES)
		b->lists[SB_LIST_WATCHES]++;
	if (id)
		*id = copy.id;
	if (sb_channel_pending(b->ch) >= SB_FLUSH_BYTES)
		sb_client_flush(b);
	return SB_OK;
}

/* -------------------------------------------------------------- events -- */

static const enum sb_event_type list_end[SB_LISTS] = {
	[SB_LIST_SESSIONS] = SB_EV_SESSIONS_END,
	[SB_LIST_WATCHES] = SB_EV_WATCHES_END,
};

/* The end of a list whose worker died; false: none. */
static bool lost_list(struct sb_bridge *b, struct sb_event *ev)
{
	for (int i = 0; i < SB_LISTS; i++) {
		if (b->lists_lost[i] == 0)
			continue;
		b->lists_lost[i]--;
		ev->type = list_end[i];
		return true;
	}
	return false;
}

bool sb_client_owes(const struct sb_bridge *b)
{
	return b->tell || b->lost_at < b->lost_n ||
	       b->lists_lost[SB_LIST_SESSIONS] ||
	       b->lists_lost[SB_LIST_WATCHES];
}

/* An event that the client itself owes; false: none. */
static bool own_event(struct sb_bridge *b, struct sb_event *ev)
{
	*ev = (struct sb_event){.type = SB_EV_OUTCOME};
	if (b->lost_at < b->lost_n) {
		ev->id = b->lost[b->lost_at++];
		ev->outcome = SB_FAILED;
		ev->local = true;
		ev->status = 503;
		ev->token = SB_STR("bridge-died");
		ev->reason = SB_STR("The bridge to Lync ended before the "
				    "outcome was known: the message may or "
				    "may not have arrived");
		return true;
	}
	if (lost_list(b, ev))
		return true;
	if (b->tell) {
		b->tell = false;
		ev->type = SB_EV_WORKER;
		ev->status = b->tell_status;
		ev->reason = sb_str_of(b->tell_reason);
		return true;
	}
	free(b->lost);
	b->lost = NULL;
	b->lost_n = b->lost_at = 0;
	return false;
}

/* Is the worker's event one for the caller? */
static bool wanted(struct sb_bridge *b, const struct sb_event *ev)
{
	if (ev->type == SB_EV_OUTCOME && !sb_ids_remove(&b->ids, ev->id)) {
		b->stray++;
		return false;
	}
	for (int i = 0; i < SB_LISTS; i++) {
		if (ev->type != list_end[i])
			continue;
		if (b->lists[i] == 0)
			return false;
		b->lists[i]--;
	}
	if (ev->type == SB_EV_WORKER) {
		if (ev->status == 0)
			return false; /* told when it is really gone */
		settings_answer(b, ev->status);
	}
	return true;
}

static int greet(struct sb_bridge *b, const struct sb_frame *f)
{
	if (f->kind != SB_FRAME_HELLO)
		return SB_EPROTO;
	b->greeted = true;
	if (sb_str_eq(f->hello, SB_STR(LG_VERSION)))
		return 0;
	if (b->state != SB_CL_ENDING) {
		b->state = SB_CL_REFUSED;
		sb_client_tell(b, -1, "the worker is of another build than "
				      "the plugin (" LG_VERSION "): restart "
				      "Prosody after an upgrade");
	}
	return SB_EPROTO;
}

/* One frame; 1: *ev, 0: go on, negative: the worker is broken. */
static int take_frame(struct sb_bridge *b, const struct sb_frame *f,
		      struct sb_event *ev)
{
	b->pinged = false;
	if (!b->greeted)
		return greet(b, f);
	if (f->kind == SB_FRAME_PONG)
		return b->pongs && b->pongs-- ? 0 : SB_EPROTO;
	if (f->kind != SB_FRAME_EVENT)
		return SB_EPROTO;
	if (!wanted(b, &f->event))
		return 0;
	*ev = f->event;
	return 1;
}

/* The next event that stands in the channel: 1, 0: none, negative: broken. */
static int read_event(struct sb_bridge *b, struct sb_event *ev,
		      uint64_t now_ms)
{
	struct sb_frame f;
	int got, err;

	for (unsigned i = 0; i < SB_IGNORED_MAX; i++) {
		got = sb_channel_get(b->ch, &f);
		if (got < 0)
			return got;
		if (got == 1) {
			b->heard_ms = now_ms;
			got = take_frame(b, &f, ev);
			if (got)
				return got;
			continue;
		}
		if (sb_channel_drained(b->ch) && !b->deaf)
			return 0; /* what comes later, the descriptor tells */
		err = sb_channel_fill(b->ch);
		if (err)
			return err;
		if (!sb_channel_more(b->ch))
			return b->deaf ? SB_EDOWN : 0;
	}
	b->again = true; /* the descriptor may not tell */
	return 0;
}

int sb_next(struct sb_bridge *b, struct sb_event *ev, uint64_t now_ms)
{
	b->again = false;
	for (;;) {
		int got = 0;

		if (own_event(b, ev))
			return 1;
		if (b->ch)
			got = read_event(b, ev, now_ms);
		if (got == 1 || got == SB_ENOMEM)
			return got;
		if (got == SB_EDOWN)
			sb_client_drop(b, "the worker ended", SB_END_WAIT_MS,
				       now_ms);
		else if (got < 0)
			sb_client_drop(b, "the worker broke the protocol", 0,
				       now_ms);
		sb_client_step(b, now_ms);
		if (!sb_client_owes(b))
			return 0;
	}
}

int sb_fd(const struct sb_bridge *b)
{
	return b->ep;
}

int sb_worker_pid(const struct sb_bridge *b)
{
	return b->ch ? (int)b->worker.pid : 0;
}

size_t sb_inflight(const struct sb_bridge *b)
{
	return b->ids.n + (b->lost_n - b->lost_at);
}

/* ----------------------------------------------------------------- end -- */

void sb_shutdown(struct sb_bridge *b, uint64_t now_ms)
{
	if (b->state == SB_CL_ENDING || b->state == SB_CL_ENDED)
		return;
	b->state = SB_CL_ENDING;
	if (b->ch && sb_channel_put_shutdown(b->ch) != SB_OK)
		sb_client_drop(b, "the worker could not be told to end", 0,
			       now_ms);
	sb_client_flush(b);
	if (!b->ch && !b->worker.pid) {
		b->state = SB_CL_ENDED;
		sb_client_tell(b, 0, "there was no worker");
	}
}

void sb_close(struct sb_bridge *b)
{
	if (!b)
		return;
	sb_channel_free(b->ch); /* by which it knows */
	sb_worker_end(&b->worker, SB_END_WAIT_MS);
	close(b->ep);
	sb_config_free(b->cfg);
	sb_config_free(b->good);
	sb_ids_fini(&b->ids);
	free(b->lost);
	free(b);
}
