/*
 * document_msrtc.c: text/xml+msrtc.pidf, the presence document of LCS 2005;
 * see presence.h. Its namespace has two spellings and is not looked at.
 * SPDX-License-Identifier: MIT
 *
 * Source: lync-sip.md 3.4.2.
 */
#include "field.h"
#include "presence_priv.h"

enum { AGGREGATE_MAX = 999, AVAILABLE_FROM = 200 };

static enum sb_presence aggregate_state(int availability, int activity)
{
	static const struct {
		int below;
		enum sb_presence presence;
	} classes[] = {
	    {100, SB_PR_AVAILABLE}, /* no information, also -1 */
	    {200, SB_PR_AWAY},	    /* away; from 150 out to lunch */
	    {300, SB_PR_IDLE},	    {400, SB_PR_BRB},
	    {500, SB_PR_AVAILABLE}, /* active */
	    {700, SB_PR_BUSY},	    /* in a session; from 600 busy */
	    {800, SB_PR_AWAY},
	};

	if (availability < 0)
		return SB_PR_UNKNOWN;
	if (availability < AVAILABLE_FROM)
		return SB_PR_OFFLINE;
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (activity < classes[i].below)
			return classes[i].presence;
	return SB_PR_AVAILABLE;
}

static void top(struct sb_presence_reader *r, const struct sb_element *e)
{
	struct sb_msrtc *m = &r->as.msrtc;
	int number = sb_number(sb_trim(sb_element_attr(e, SB_STR("aggregate"))),
			       AGGREGATE_MAX);

	m->devices = sb_named(e, SB_STR("devices"));
	if (sb_named(e, SB_STR("availability")) && m->availability < 0)
		m->availability = number;
	if (sb_named(e, SB_STR("activity")) && m->activity < 0)
		m->activity = number;
	if (sb_named(e, SB_STR("displayName")) && r->name.len == 0)
		sb_gather_add(&r->name,
			      sb_element_attr(e, SB_STR("displayName")));
}

static void msrtc_open(void *arg, const struct sb_element *e)
{
	struct sb_presence_reader *r = arg;
	struct sb_msrtc *m = &r->as.msrtc;
	struct sb_str note;

	switch (e->depth) {
	case 1:
		r->root_ok = sb_named(e, SB_STR("presentity"));
		m->availability = m->activity = -1;
		break;
	case 2:
		top(r, e);
		break;
	case 3:
		m->device = m->devices && sb_named(e, SB_STR("devicePresence"));
		break;
	case 4:
		if (!m->device || !sb_named(e, SB_STR("activity")))
			break;
		note = sb_element_attr(e, SB_STR("note"));
		if (note.p)
			r->has_note = true;
		if (r->note.len == 0)
			sb_gather_add(&r->note, note);
		break;
	default:
		break;
	}
}

static void msrtc_close(void *arg, unsigned depth, struct sb_str name)
{
	struct sb_presence_reader *r = arg;
	const struct sb_msrtc *m = &r->as.msrtc;

	(void)name;
	if (depth == 1)
		r->presence = aggregate_state(m->availability, m->activity);
}

const struct sb_document_ops sb_msrtc_ops = {msrtc_open, NULL, msrtc_close};
