/*
 * sofia_rig.h: the worker in a box, for the target of whole SIP messages.
 * SPDX-License-Identifier: MIT
 *
 * Purpose: what a peer says after TLS goes where it goes in the worker:
 *          Sofia's transport and transactions, our guards and engines, the
 *          channel. TLS is left out: the connection is TCP on loopback, and is
 *          taken for one of sip.contoso.com, contoso.com's Edge.
 * Clock:   stands still until it is moved, for Sofia too.
 * Others:  requests of ours are built as always, but not sent: they wait for
 *          an answer out of the input. The plugin answers what it is asked.
 * Checks:  each event can cross the channel and is about a user of the Edge's
 *          own domain; each message of ours is one that Sofia can read; the
 *          worker goes on; in the end nothing is left.
 */
#ifndef FUZZ_SOFIA_RIG_H
#define FUZZ_SOFIA_RIG_H

#include "../sipbridge/sipbridge.h"

void rig_begin(void);
void rig_end(void);

/* Bytes on the connection of the Edge. */
void rig_hear(struct sb_str bytes);
/* An answer to the oldest request of ours that it fits. */
void rig_answer(struct sb_str bytes);
/* Let time pass. */
void rig_wait(uint32_t ms);
/* What the plugin says, if it is sound; from now on it answers so (0: no). */
void rig_plugin(const struct sb_request *r);
void rig_plugin_answers(int status);

/* Names of dialogs, for inputs that go on with one: the last To tag that we
 * gave in an answer; of our last request From's tag and Call-ID. */
struct sb_str rig_to_tag(void);
struct sb_str rig_from_tag(void);
struct sb_str rig_call_id(void);

#endif
