/*
 * lint.h: reading the administrator's values and saying what is wrong.
 * SPDX-License-Identifier: MIT
 *
 * Purpose: each table of the configuration is an array of struct lg_key; one
 *          loop reads it, refuses unknown keys with a suggestion, and leaves
 *          the default where a value is not valid.
 * Shape:   used while lg_settings_load runs; not elsewhere.
 * Errors:  problems go to the settings' list; l->oom tells that memory ran
 *          out, after which everything is a no-op.
 */
#ifndef LG_LINT_H
#define LG_LINT_H

#include "settings.h"

#define LG_PATH_MAX 1024

struct lg_lint {
	struct lg_settings *s;
	const char *partner;	 /* whose settings are read, or NULL */
	const char *first_error; /* text of the first error; may be reset */
	bool oom;
	size_t path_n;
	char path[LG_PATH_MAX]; /* of the value being read */
};

struct lg_key;

/* Read v, which is valid or a problem, into *dest. */
typedef void lg_read_fn(struct lg_lint *l, void *dest,
			const struct lg_value *v, const struct lg_key *key);

struct lg_key {
	const char *name;
	lg_read_fn *read;
	size_t at;	 /* offset of dest in the table's struct */
	uint32_t min;
	uint32_t max;
	const char *const *words; /* ends with NULL */
	bool secret; /* no problem shows the value, also of a misspelt key */
};

/* Go down to a key, by name or as it stands in the table; the result is for
 * lg_lint_leave. */
size_t lg_lint_name(struct lg_lint *l, const char *name);
size_t lg_lint_entry(struct lg_lint *l, const struct lg_entry *e);
void lg_lint_leave(struct lg_lint *l, size_t mark);

/* A problem at the current path. v: the value to show, or NULL. remedy: what
 * to write instead, or NULL. */
void lg_lint_error(struct lg_lint *l, const struct lg_value *v,
		   const char *remedy, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void lg_lint_warn(struct lg_lint *l, const struct lg_value *v,
		  const char *remedy, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* A text in the settings' arena; "" and l->oom when memory is out. */
const char *lg_lint_text(struct lg_lint *l, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* A copy in the settings' arena. */
struct sb_str lg_lint_dup(struct lg_lint *l, struct sb_str s);

/* v is a table with names for keys (form: how one is written), or a problem. */
bool lg_lint_is_table(struct lg_lint *l, const struct lg_value *v,
		      const char *form);

/* v is a list, or a problem. */
bool lg_lint_is_list(struct lg_lint *l, const struct lg_value *v,
		     const char *form);

/* Read table v, which is one, by keys into dest. */
void lg_lint_table(struct lg_lint *l, void *dest, const struct lg_value *v,
		   const struct lg_key *keys, size_t keys_n);

/* Each direction has a stream of its own: a warning about a limit of one. */
void lg_lint_two_streams(struct lg_lint *l, const char *key, uint32_t limit);

/* "required", "optional" or "not_supported" */
const char *lg_lint_words(struct lg_lint *l, const char *const *words);

/* The i-th word of a list of any kind. */
typedef const char *lg_nth_fn(const void *list, size_t i);

/* Which of the n words of list s was meant to be, or NULL. */
const char *lg_nearest(struct sb_str s, lg_nth_fn *nth, const void *list,
		       size_t n);

/* Readers: dest is what the name says. */
lg_read_fn lg_read_bool;     /* bool */
lg_read_fn lg_read_count;    /* uint32_t, min..max */
lg_read_fn lg_read_time;     /* uint32_t ms from seconds, min..max in ms */
lg_read_fn lg_read_word;     /* int: index of words */
lg_read_fn lg_read_choice;   /* struct sb_str: one of words */
lg_read_fn lg_read_text;     /* struct sb_str, at most max bytes */
lg_read_fn lg_read_path;     /* struct sb_str */
lg_read_fn lg_read_ip;	     /* struct sb_str */
lg_read_fn lg_read_fqdn;     /* struct sb_str, A-labels */
lg_read_fn lg_read_endpoint; /* struct lg_endpoint; min: the usual port; max:
			       not 0 if it may be an address */

/* The options whose tables have files of their own; dest is the whole struct
 * lg_settings. */
lg_read_fn lg_read_partners;	/* settings_partners.c */
lg_read_fn lg_read_policies;	/* settings_access.c */
lg_read_fn lg_read_sites;
lg_read_fn lg_read_grants;
lg_read_fn lg_read_listen;	/* settings_bridge.c */
lg_read_fn lg_read_certificate;
lg_read_fn lg_read_memory;
lg_read_fn lg_read_rate;
lg_read_fn lg_read_sandbox;
lg_read_fn lg_read_wire;

/* After all options: what Prosody's own leave of the partners' methods
 * (settings_prosody.c). */
void lg_apply_prosody(struct lg_lint *l, const struct lg_value *options);

/* Port behind the last ':' of an address; 0 when it is none. */
uint16_t lg_port(struct sb_str text);

#endif
