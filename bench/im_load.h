/*
 * im_load.h: what im_load.c and its Access Edge (im_sip_load.c) share.
 * SPDX-License-Identifier: MIT
 */
#ifndef IM_LOAD_H
#define IM_LOAD_H

#include "load.h"
#include "sip_load.h"
#include "stream_load.h"

enum { ROOM = 8192, STREAMS = 4, TAG = 40, TARGET = 200, LATENCIES = 1 << 18 };

struct pair {
	uint32_t said, heard; /* of the job: texts */
	/* of the user's dialog */
	char tag[TAG], target[TARGET];
	uint32_t cseq;
	bool open, unanswered;
};

struct job {
	enum { NOTHING, X2S, S2X } kind;
	size_t count, window, next;
	double rate, since;
	bool full;
	struct stream *stream;
	char domain[LOAD_NAME_MAX];
};

struct count { /* of the job, but for the last line */
	size_t sent, arrived, answered, wrong, errors, failed;
	size_t pongs, dialogs, component, streams, connected;
};

/* Where something is connected to, and again when it is lost. */
struct way {
	char to[64], from[64];
	double again;
};

struct im {
	struct load load;
	struct stream streams[STREAMS];
	struct way ways[STREAMS], component_way;
	struct load_conn *bridge, *component;
	const char *fqdn, *bridge_fqdn;
	char secret[64], domain[LOAD_NAME_MAX];
	struct pair *pairs;
	struct job job;
	struct count n;
	uint32_t *took; /* ns / 16 of each that arrived */
	size_t took_n, branch;
	char error[600], text[2 * ROOM];
};

extern struct im im;

/* The next text of a pair, with its number and the time. */
void im_text(char *to, size_t n, struct pair *p);
/* The text of pair i has arrived. */
void im_arrived(size_t i, const char *p, size_t n);
/* What the command "error" shows. */
void im_trouble(const char *what, const char *p, size_t n);

void im_sip_accept(struct load_conn *c); /* for load_listen() */
void im_sip_connect(const char *to, const char *from);
void im_sip_invite(size_t i);
void im_sip_say(size_t i);

#endif
