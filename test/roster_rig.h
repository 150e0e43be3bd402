/*
 * roster_rig.h: a roster, settings, a clock, and what it says as words.
 * SPDX-License-Identifier: MIT
 *
 * Shape:  the host is contoso.com; partners are fed.example (federated),
 *         ver.example (public_verified), unv.example (public_unverified) and
 *         bad.example (disabled); eve@contoso.com may not use XMPP.
 * Words:  effects in their order, separated by a blank: "watch", "watch+vn"
 *         (verified, notes), "unwatch", "tell=away", "tell=away[note]",
 *         "reject", "answer=200", "subscribe", "subscribed", "probe",
 *         "show=dnd", "show=dnd[note]", "unsubscribed", "error=token".
 */
#ifndef ROSTER_RIG_H
#define ROSTER_RIG_H

#include "../plugin/roster.h"
#include "test.h"
#include "value_rig.h"

#define RIG_NOW UINT64_C(1790000000) /* a Monday in September 2026 */
#define RIG_DAY 86400

struct ros {
	struct lg_settings s;
	struct lg_roster *r;
	uint64_t now;
	struct lg_effects fx;
	char words[4096];
	const char *contact, *user; /* of the calls below */
	int err;	 /* of the last one */
	bool flags;	 /* show +vn of watches, tells and answers */
};

/* How the settings differ from those above. */
struct ros_change {
	const char *fed_type; /* of fed.example; "": it is no partner */
	bool nobody;	      /* the global policy: nobody may */
	int days, subscriptions, recipients; /* limits; 0: default */
};

/* False: a check has failed. contact romeo@fed.example, user
 * bob@contoso.com; the worker is ready. */
bool ros_init(struct ros *g);
/* And the contact watches the user, who is available, with a note. */
bool ros_begin(struct ros *g);
bool ros_init_limits(struct ros *g, struct lg_roster_limits limits);
void ros_fini(struct ros *g);
bool ros_settings(struct ros *g, struct ros_change change);

/* Each does it and returns what was said. */
const char *ros_stanza(struct ros *g, enum lg_stanza_kind kind);
const char *ros_available(struct ros *g, const char *resource,
			  const char *show, int priority, const char *status);
const char *ros_gone(struct ros *g, const char *resource);
const char *ros_watch(struct ros *g, enum sb_watch_state watch, int status);
const char *ros_state(struct ros *g, enum sb_presence presence,
		      const char *note);
const char *ros_subscribe(struct ros *g, uint64_t id, bool added);
const char *ros_unsubscribed(struct ros *g, const char *token);
const char *ros_worker(struct ros *g, int status);
const char *ros_load(struct ros *g, const char *record);
/* The clock goes on, with all that is due on the way. */
const char *ros_after(struct ros *g, uint64_t seconds);
const char *ros_reload(struct ros *g); /* after ros_settings */

/* The pair's record; "": none. */
const char *ros_record(struct ros *g);

/* Save everything, and begin with a new roster; the worker is new, too. What
 * was saved must be what is there. */
const char *ros_restart(struct ros *g);

/* One input without draining; and the draining. */
void ros_feed(struct ros *g, const struct lg_stanza *st);
void ros_feed_event(struct ros *g, const struct sb_event *ev);
const char *ros_drain(struct ros *g);

#endif
