/*
 * client_life.c: the worker's life as the client sees it: start, heartbeat,
 * end, restart.
 * SPDX-License-Identifier: MIT
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "client_priv.h"

/* A clock that goes back has not moved. */
static uint64_t since(uint64_t now_ms, uint64_t then_ms)
{
	return now_ms > then_ms ? now_ms - then_ms : 0;
}

void sb_client_tell(struct sb_bridge *b, int status, const char *reason)
{
	b->tell = true;
	b->tell_status = status;
	snprintf(b->tell_reason, sizeof(b->tell_reason), "%s", reason);
}

void sb_client_flush(struct sb_bridge *b)
{
	struct epoll_event ee = {.events = EPOLLIN};
	bool want;

	if (!b->ch || b->deaf)
		return;
	/* What it has said before is still to be read: sb_next ends it. */
	if (sb_channel_flush(b->ch) != SB_OK) {
		b->deaf = true;
		return;
	}
	want = sb_channel_pending(b->ch) > 0;
	if (want == b->out_watched)
		return;
	if (want)
		ee.events |= EPOLLOUT;
	if (epoll_ctl(b->ep, EPOLL_CTL_MOD, sb_channel_fd(b->ch), &ee) == 0)
		b->out_watched = want;
}

/* ----------------------------------------------------------------- end -- */

static uint32_t restart_wait(unsigned deaths)
{
	uint32_t ms = SB_RESTART_MIN_MS;

	if (deaths <= 1)
		return 0;
	for (unsigned i = 2; i < deaths && ms < SB_RESTART_MAX_MS; i++)
		ms *= 2;
	return ms < SB_RESTART_MAX_MS ? ms : SB_RESTART_MAX_MS;
}

/* There is no process any more. */
static void worker_gone(struct sb_bridge *b, const char *why, uint64_t now_ms)
{
	if (b->state == SB_CL_REFUSED)
		return; /* told already, with the reason that matters */
	sb_client_tell(b, 0, why);
	if (b->state == SB_CL_ENDING) {
		b->state = SB_CL_ENDED;
		return;
	}
	if (b->state == SB_CL_READY &&
	    since(now_ms, b->started_ms) >= SB_HEALTHY_MS)
		b->deaths = 0;
	if (b->deaths < 32)
		b->deaths++;
	b->restart_ms = now_ms + restart_wait(b->deaths);
	b->state = SB_CL_STOPPED;
}

/* All that the worker had been given is owed an outcome now. Nothing older is
 * owed: sb_next gives it before it reads. */
static void lose_all(struct sb_bridge *b)
{
	for (int i = 0; i < SB_LISTS; i++) {
		b->lists_lost[i] += b->lists[i];
		b->lists[i] = 0;
	}
	if (b->ids.n == 0)
		return;
	free(b->lost);
	b->lost_at = 0;
	b->lost_n = sb_ids_take_all(&b->lost, &b->ids);
}

void sb_client_drop(struct sb_bridge *b, const char *why, uint32_t wait_ms,
		    uint64_t now_ms)
{
	struct epoll_event ee = {.events = EPOLLIN};

	b->killed = wait_ms == 0;
	if (b->killed)
		sb_worker_kill(&b->worker);
	epoll_ctl(b->ep, EPOLL_CTL_DEL, sb_channel_fd(b->ch), NULL);
	sb_channel_free(b->ch);
	b->ch = NULL;
	lose_all(b);
	snprintf(b->why, sizeof(b->why), "%s", why);
	b->kill_ms = now_ms + wait_ms;
	if (b->worker.pidfd >= 0)
		epoll_ctl(b->ep, EPOLL_CTL_ADD, b->worker.pidfd, &ee);
}

static void await_end(struct sb_bridge *b, uint64_t now_ms)
{
	char how[64], why[240];

	if (sb_worker_ended(&b->worker, how, sizeof(how))) {
		snprintf(why, sizeof(why), "%s (%s)", b->why, how);
		worker_gone(b, why, now_ms);
	}
	else if (!b->killed && now_ms >= b->kill_ms) {
		sb_worker_kill(&b->worker);
		b->killed = true;
	}
}

/* --------------------------------------------------------------- start -- */

int sb_client_send_config(struct sb_bridge *b)
{
	int r = sb_channel_put_config(b->ch, b->cfg);

	if (r == SB_OK)
		b->cfg_sent++;
	return r;
}

void sb_client_start(struct sb_bridge *b, uint64_t now_ms)
{
	struct epoll_event ee = {.events = EPOLLIN};
	char why[240];
	int fd;

	b->started_ms = b->heard_ms = now_ms;
	b->greeted = b->pinged = b->deaf = b->out_watched = false;
	b->cfg_sent = b->pongs = 0;
	b->state = SB_CL_STARTED;
	/* Only the program's name is long: it is cut. */
	if (sb_worker_start(&b->worker, &fd, b->cfg->worker.p) != SB_OK) {
		snprintf(why, sizeof(why), "cannot start %.150s: %.60s",
			 b->cfg->worker.p, strerror(errno));
		worker_gone(b, why, now_ms);
		return;
	}
	if (sb_channel_new(&b->ch, fd) != SB_OK) {
		close(fd);
		sb_worker_end(&b->worker, 0);
		worker_gone(b, "no memory for the channel", now_ms);
		return;
	}
	if (epoll_ctl(b->ep, EPOLL_CTL_ADD, fd, &ee) < 0 ||
	    sb_channel_put_hello(b->ch) != SB_OK ||
	    sb_client_send_config(b) != SB_OK)
		sb_client_drop(b, "cannot talk to the worker", 0, now_ms);
}

/* ---------------------------------------------------------------- time -- */

static void heartbeat(struct sb_bridge *b, uint64_t now_ms)
{
	if (b->pinged && since(now_ms, b->pinged_ms) >= SB_PONG_MS) {
		sb_client_drop(b, "the worker did not answer", 0, now_ms);
		return;
	}
	if (!b->pinged && since(now_ms, b->heard_ms) >= SB_PING_MS &&
	    sb_channel_put_ping(b->ch, false) == SB_OK) {
		b->pinged = true;
		b->pongs++;
		b->pinged_ms = now_ms;
	}
}

void sb_client_step(struct sb_bridge *b, uint64_t now_ms)
{
	if (b->ch)
		heartbeat(b, now_ms);
	if (!b->ch && b->worker.pid)
		await_end(b, now_ms);
	/* Also when sb_configure came meanwhile: one process at a time. */
	if (b->state == SB_CL_STOPPED && !b->worker.pid && !b->tell &&
	    now_ms >= b->restart_ms)
		sb_client_start(b, now_ms);
	sb_client_flush(b);
}

static int until(uint64_t now_ms, uint64_t due_ms)
{
	if (due_ms <= now_ms)
		return 0;
	if (due_ms - now_ms > SB_WAIT_MAX_MS)
		return SB_WAIT_MAX_MS;
	return (int)(due_ms - now_ms);
}

int sb_wait_ms(const struct sb_bridge *b, uint64_t now_ms)
{
	if (b->again || sb_client_owes(b))
		return 0;
	if (b->ch) {
		if (sb_channel_pending(b->ch) && !b->out_watched)
			return 0;
		return b->pinged ? until(now_ms, b->pinged_ms + SB_PONG_MS)
				 : until(now_ms, b->heard_ms + SB_PING_MS);
	}
	if (b->worker.pid && b->worker.pidfd < 0)
		return SB_REAP_POLL_MS;
	if (b->worker.pid)
		return b->killed ? -1 : until(now_ms, b->kill_ms);
	if (b->state == SB_CL_STOPPED)
		return until(now_ms, b->restart_ms);
	return -1;
}
