/*
 * load.h: what the load partners of bench/scale.lua share: TLS connections,
 * one event loop, a control connection, and who watches whom.
 * SPDX-License-Identifier: MIT
 *
 * Shape:   one thread, epoll. Whatever arrives is offered to on_data, which
 *          takes what it can and leaves the rest. Errors of the load's own
 *          machinery end the program with a message: a measurement with a
 *          broken instrument is none.
 * Pairs:   pair i of n is user i / 12 with the (i % 12)-th of its contacts; a
 *          contact has about three users, as in test_roster_scale.c.
 */
#ifndef LOAD_H
#define LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOAD_NAME_MAX 128
#define LOAD_PER_USER 12
#define LOAD_NOBODY SIZE_MAX

struct load_conn {
	struct load *load;
	struct load_conn *next;
	int fd;
	void *ssl; /* NULL: no TLS yet */
	bool server, connecting, handshaking, gone, full, held;
	char *in, *out;
	size_t in_n, out_at, out_n, out_size;
	/* Take from `in` and say how much of it. */
	size_t (*on_data)(struct load_conn *c);
	void (*on_open)(struct load_conn *c); /* connected, and after TLS */
	void (*on_close)(struct load_conn *c);
	void *arg;
	int step; /* the protocol's own */
};

struct load {
	int epoll;
	void *client, *server; /* SSL_CTX */
	struct load_conn *conns;
	double now; /* seconds, monotonic */
	char **argv;
	bool end;
	int tick_ms; /* 0: 5 */
	/* of the configuration */
	size_t pairs, users, contacts, partners;
	const char *user_domain, *contact_domain;
	/* A line of the control connection; answers by load_say(). */
	void (*on_command)(struct load *l, struct load_conn *control,
			   const char *line);
	void (*on_tick)(struct load *l); /* about each tick_ms */
	void *arg;
};

/* "key=value" of the command line; `otherwise` may be NULL: then it must be
 * there. */
const char *load_option(char **argv, const char *key, const char *otherwise);

/* Options: cert, key, cafile, pairs, partners, user_domain, contact_domain,
 * control ("ip:port"). */
void load_start(struct load *l, char **argv);
void load_run(struct load *l);

/* The files of certificate and key are others now. */
void load_renew(struct load *l);

/* Each accepted connection is made ready by `accept`. */
void load_listen(struct load *l, const char *at,
		 void (*accept)(struct load_conn *c));
struct load_conn *load_connect(struct load *l, const char *from,
			       const char *to);
/* name: whom the client expects, for SNI; a client only. */
void load_tls(struct load_conn *c, bool server, const char *name);
void load_write(struct load_conn *c, const char *p, size_t n);
__attribute__((format(printf, 2, 3)))
void load_say(struct load_conn *c, const char *fmt, ...);
void load_close(struct load_conn *c);
/* So that the other side is told of a connection that is none (RST). */
void load_reset(struct load_conn *c);
/* Read no more from it, until told otherwise. */
void load_hold(struct load_conn *c, bool held);
/* So much waits to be sent that nothing should be added. */
bool load_slow(const struct load_conn *c);
__attribute__((noreturn, format(printf, 1, 2)))
void load_die(const char *fmt, ...);

/* Numbers of a pair, and its two addresses ("name@domain"). */
size_t load_user_of(const struct load *l, size_t pair);
size_t load_contact_of(const struct load *l, size_t pair);
void load_user(const struct load *l, char name[LOAD_NAME_MAX], size_t user);
void load_contact(const struct load *l, char name[LOAD_NAME_MAX],
		  size_t contact);
/* The pair of two addresses, or LOAD_NOBODY. */
size_t load_pair(const struct load *l, const char *contact, const char *user);
/* A number for another one. */
uint32_t load_mix(uint32_t v);

/* Work that is done at a rate: so many of the pairs, in their order. */
struct load_work {
	size_t next, end;
	double rate, since; /* per second; 0: as fast as it goes */
	size_t done;
	size_t window;	    /* without an answer at the same time */
};
void load_work_set(struct load_work *w, struct load *l, size_t from, size_t to,
		   double rate);
/* One more may be begun now. */
bool load_work_take(struct load_work *w, const struct load *l,
		    size_t unanswered, size_t *i);

#endif
