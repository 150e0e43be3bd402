/*
 * roster_words.c: words of the roster, and presence of one side as the other
 * says it.
 * SPDX-License-Identifier: MIT
 */
#include "roster.h"

const char *const lg_in_names[] = {"none", "pending", "active", NULL};
const char *const lg_out_names[] = {"none", "asked", "granted", "denied",
				    NULL};
const char *const lg_show_names[] = {"chat", "available", "dnd", "away",
				     "xa",   "unavailable", NULL};
const char *const lg_presence_names[] = {
	"unknown",   "offline", "available", "idle", "busy",
	"busy-idle", "dnd",	"brb",	     "away", "off-work", NULL};
const char *const lg_watch_names[] = {"none",	 "active", "refused",
				      "failing", "ended",  "due", NULL};
const char *const lg_stanza_names[] = {
	"available",   "unavailable",  "subscribe", "subscribed",
	"unsubscribe", "unsubscribed", "probe",	    "error",  NULL};
const char *const lg_fx_names[LG_FX_KINDS] = {
	[LG_FX_WATCH] = "watch",
	[LG_FX_UNWATCH] = "unwatch",
	[LG_FX_TELL] = "presence",
	[LG_FX_REJECT] = "reject",
	[LG_FX_ANSWER] = "answer",
	[LG_FX_SUBSCRIBE] = "subscribe",
	[LG_FX_SUBSCRIBED] = "subscribed",
	[LG_FX_UNSUBSCRIBE] = "unsubscribe",
	[LG_FX_UNSUBSCRIBED] = "unsubscribed",
	[LG_FX_PROBE] = "probe",
	[LG_FX_PRESENCE] = "presence",
	[LG_FX_ERROR] = "error",
};

enum lg_show lg_show_of_presence(enum sb_presence presence)
{
	static const unsigned char shows[] = {
		[SB_PR_UNKNOWN] = LG_SHOW_UNAVAILABLE,
		[SB_PR_OFFLINE] = LG_SHOW_UNAVAILABLE,
		[SB_PR_AVAILABLE] = LG_SHOW_NONE,
		[SB_PR_IDLE] = LG_SHOW_AWAY,
		[SB_PR_BUSY] = LG_SHOW_DND,
		[SB_PR_BUSY_IDLE] = LG_SHOW_DND,
		[SB_PR_DND] = LG_SHOW_DND,
		[SB_PR_BRB] = LG_SHOW_AWAY,
		[SB_PR_AWAY] = LG_SHOW_AWAY,
		[SB_PR_OFF_WORK] = LG_SHOW_XA,
	};

	if ((size_t)presence >= sizeof(shows))
		return LG_SHOW_UNAVAILABLE;
	return (enum lg_show)shows[presence];
}

enum sb_presence lg_presence_of_show(enum lg_show show)
{
	static const unsigned char presences[] = {
		[LG_SHOW_CHAT] = SB_PR_AVAILABLE,
		[LG_SHOW_NONE] = SB_PR_AVAILABLE,
		[LG_SHOW_DND] = SB_PR_DND,
		[LG_SHOW_AWAY] = SB_PR_AWAY,
		[LG_SHOW_XA] = SB_PR_AWAY,
		[LG_SHOW_UNAVAILABLE] = SB_PR_OFFLINE,
	};

	if ((size_t)show >= sizeof(presences))
		return SB_PR_OFFLINE;
	return (enum sb_presence)presences[show];
}

enum lg_show lg_show_find(struct sb_str text)
{
	static const enum lg_show shows[] = {LG_SHOW_CHAT, LG_SHOW_DND,
					     LG_SHOW_AWAY, LG_SHOW_XA};
	size_t i;

	for (i = 0; i < sizeof(shows) / sizeof(shows[0]); i++) {
		if (sb_str_eq(text, sb_str_of(lg_show_names[shows[i]])))
			return shows[i];
	}
	return LG_SHOW_NONE;
}
