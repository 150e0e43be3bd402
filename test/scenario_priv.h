/*
 * scenario_priv.h: what the files scenario*.c share.
 * SPDX-License-Identifier: MIT
 */
#ifndef SCENARIO_PRIV_H
#define SCENARIO_PRIV_H

#include "sim.h"

enum { SCN_WORDS_MAX = 40, SCN_NAMES_MAX = 512 };

#define SCN_CONTACT "sip:ada@chat.example"
#define SCN_USER "sip:lena@corp.example"

/* What a NAME stands for. */
struct scn_name {
	char name[32];
	uint64_t ref;	      /* cookie, txn or event id */
	struct sim_item *it;  /* engine's request or event */
	bool invite;	      /* it made a dialog: the next fields */
	char call_id[80], ours[80], theirs[80];
	uint32_t cseq;	      /* of Lync, last used */
	struct sb_str contact, user; /* in pair */
	char pair[512];
};

struct scn {
	struct sim *m;
	struct scn_name names[SCN_NAMES_MAX];
	size_t names_n;
	char *word[SCN_WORDS_MAX];
	size_t n;
	char *why;
	size_t why_n;
	bool failed;
	char pidf[1024];
	bool watch; /* SUBSCRIBE and NOTIFY have an Event */
};

/* scenario_words.c */
void scn_fail(struct scn *r, const char *what, const char *detail);
void scn_split(struct scn *r, char *line);
/* Value of KEY=, or NULL; and with a fallback. */
const char *scn_opt(const struct scn *r, const char *key);
struct sb_str scn_str(const struct scn *r, const char *key,
		      const char *fallback);
bool scn_flag(const struct scn *r, const char *word);
struct scn_name *scn_name_add(struct scn *r, const char *name);
struct scn_name *scn_name(struct scn *r, const char *name);

/* scenario_lync.c, scenario_check.c: lines of these verbs. */
void scn_lync(struct scn *r);
void scn_reply(struct scn *r);
void scn_expect(struct scn *r);
void scn_count(struct scn *r);

#endif
