/*
 * channel.c: the descriptor between plugin and worker, and its two buffers.
 * SPDX-License-Identifier: MIT
 *
 * Many frames go through one read or write. Buffers grow when they must and
 * are given back when they have become empty again.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "channel_codec.h"
#include "check.h"
#include "version.h"

enum {
	IN_FIRST = 16 << 10,	/* bytes of the in buffer to begin with */
	IN_MAX = 256 << 10,	/* holds more than one frame of any size */
	OUT_FIRST = 4 << 10,
	OUT_KEEP = 64 << 10,	/* more is given back when it is empty */
	OUTCOME_MAX = 16 << 10,	/* bytes: an event without text */
	OUT_RESERVE = 4 << 10,	/* beyond SB_CHANNEL_OUT_MAX: for pings,
				   hello, shutdown */
};

_Static_assert(IN_MAX > SB_FRAME_HEAD + SB_FRAME_MAX, "in buffer");

/* What is alive is p[at .. n). */
struct buf {
	char *p;
	size_t at, n, cap;
};

struct sb_channel {
	int fd;
	bool more;	/* the last fill got something: there may be more */
	bool drained;	/* it was less than there was room for */
	struct buf in, out;
};

/* ------------------------------------------------------------- buffers -- */

/* Room for want bytes behind what is alive. */
static int reserve(struct buf *b, size_t want, size_t first)
{
	size_t live = b->n - b->at, cap = b->cap ? b->cap : first;
	char *p;

	if (b->cap - b->n >= want)
		return SB_OK;
	if (b->at) {
		memmove(b->p, b->p + b->at, live);
		b->at = 0;
		b->n = live;
	}
	while (cap - live < want)
		cap *= 2;
	if (cap == b->cap)
		return SB_OK;
	p = realloc(b->p, cap);
	if (!p)
		return SB_ENOMEM;
	b->p = p;
	b->cap = cap;
	return SB_OK;
}

static void take(struct buf *b, size_t n, size_t keep)
{
	b->at += n;
	if (b->at < b->n)
		return;
	b->at = b->n = 0;
	if (b->cap > keep) {
		free(b->p);
		b->p = NULL;
		b->cap = 0;
	}
}

int sb_channel_new(struct sb_channel **cp, int take_fd)
{
	struct sb_channel *c = calloc(1, sizeof(*c));

	if (!c)
		return SB_ENOMEM;
	c->fd = take_fd;
	*cp = c;
	return SB_OK;
}

void sb_channel_free(struct sb_channel *c)
{
	if (!c)
		return;
	close(c->fd);
	free(c->in.p);
	free(c->out.p);
	free(c);
}

int sb_channel_fd(const struct sb_channel *c)
{
	return c->fd;
}

/* ----------------------------------------------------------------- out -- */

/* Room for n bytes more, at *to; they count when commit() says so. */
static int room(char **to, struct sb_channel *c, size_t n, size_t max)
{
	size_t live = c->out.n - c->out.at;
	int r;

	if (live > max || max - live < n)
		return SB_EFULL;
	r = reserve(&c->out, n, OUT_FIRST);
	if (r == SB_OK)
		*to = c->out.p + c->out.n;
	return r;
}

static size_t most(enum sb_frame_kind kind, const void *what)
{
	const struct sb_event *ev = what;

	if (kind == SB_FRAME_EVENT && ev->type == SB_EV_OUTCOME)
		return SB_CHANNEL_OUT_MAX +
		       (size_t)SB_INFLIGHT_MAX * OUTCOME_MAX;
	/* Settings are large: they would take the room of the next ping. */
	if (kind == SB_FRAME_REQUEST || kind == SB_FRAME_EVENT ||
	    kind == SB_FRAME_CONFIG)
		return SB_CHANNEL_OUT_MAX;
	return SB_CHANNEL_OUT_MAX + OUT_RESERVE;
}

static int put(struct sb_channel *c, enum sb_frame_kind kind, const void *what)
{
	size_t n = sb_frame_encode(NULL, kind, what), max = most(kind, what);
	char *to;
	int r;

	if (n > SB_FRAME_HEAD + SB_FRAME_MAX)
		return SB_ETOOBIG;
	r = room(&to, c, n, max);
	if (r != SB_OK)
		return r;
	c->out.n += sb_frame_encode(to, kind, what);
	return SB_OK;
}

int sb_channel_put_hello(struct sb_channel *c)
{
	struct sb_str version = SB_STR(LG_VERSION);

	return put(c, SB_FRAME_HELLO, &version);
}

int sb_channel_put_config(struct sb_channel *c, const struct sb_config *cfg)
{
	int r = sb_check_config(cfg);

	return r == SB_OK ? put(c, SB_FRAME_CONFIG, cfg) : r;
}

int sb_channel_put_request(struct sb_channel *c, const struct sb_request *r)
{
	int e = sb_check_request(r);

	return e == SB_OK ? put(c, SB_FRAME_REQUEST, r) : e;
}

int sb_channel_put_event(struct sb_channel *c, const struct sb_event *ev)
{
	unsigned soft = SB_SOFT_PEOPLE;
	int r;

	if (ev->type == SB_EV_LOG)
		soft |= SB_SOFT_LOG;
	r = sb_check_event(ev, soft);
	return r == SB_OK ? put(c, SB_FRAME_EVENT, ev) : r;
}

int sb_channel_put_ping(struct sb_channel *c, bool pong)
{
	return put(c, pong ? SB_FRAME_PONG : SB_FRAME_PING, NULL);
}

int sb_channel_put_shutdown(struct sb_channel *c)
{
	return put(c, SB_FRAME_SHUTDOWN, NULL);
}

int sb_channel_flush(struct sb_channel *c)
{
	while (c->out.at < c->out.n) {
		ssize_t n = send(c->fd, c->out.p + c->out.at,
				 c->out.n - c->out.at,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0)
			take(&c->out, (size_t)n, OUT_KEEP);
		else if (n == 0 || errno == EAGAIN || errno == EWOULDBLOCK ||
			 errno == ENOBUFS)
			return SB_OK;
		else if (errno != EINTR)
			return SB_EDOWN;
	}
	return SB_OK;
}

size_t sb_channel_pending(const struct sb_channel *c)
{
	return c->out.n - c->out.at;
}

/* ------------------------------------------------------------------ in -- */

/* Buffers that are full hold at least one whole frame: get comes first. */
int sb_channel_fill(struct sb_channel *c)
{
	struct buf *b = &c->in;
	size_t live = b->n - b->at;
	ssize_t n;

	c->more = c->drained = false;
	if (b->cap - live < IN_FIRST / 2 && live < IN_MAX / 2) {
		int r = reserve(b, b->cap ? b->cap : IN_FIRST, IN_FIRST);

		if (r != SB_OK)
			return r;
	}
	else if (b->at) {
		memmove(b->p, b->p + b->at, live);
		b->at = 0;
		b->n = live;
	}
	if (b->n == b->cap)
		return SB_OK;
	do {
		n = recv(c->fd, b->p + b->n, b->cap - b->n, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n > 0) {
		b->n += (size_t)n;
		c->more = true;
		c->drained = b->n < b->cap;
		return SB_OK;
	}
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return SB_OK;
	return SB_EDOWN;
}

bool sb_channel_more(const struct sb_channel *c)
{
	return c->more;
}

bool sb_channel_drained(struct sb_channel *c)
{
	bool drained = c->drained;

	c->drained = false;
	return drained;
}

int sb_channel_get(struct sb_channel *c, struct sb_frame *f)
{
	struct sb_str bytes = {c->in.p ? c->in.p + c->in.at : NULL,
			       c->in.n - c->in.at};
	size_t used;
	int r = sb_frame_decode(f, &used, bytes);

	/* The bytes stay: the frame's text points to them. */
	if (r == 1)
		c->in.at += used;
	return r;
}
