/*
 * presence.c: the presence documents' names, and which one a watcher gets; see
 * presence.h.
 * SPDX-License-Identifier: MIT
 *
 * Source: lync-sip.md 3.1; RFC 3856 6.7.
 */
#include "presence.h"
#include "content.h"
#include "field.h"

const char *sb_presence_type(enum sb_presence_format f)
{
	switch (f) {
	case SB_PF_PIDF:
		return "application/pidf+xml";
	case SB_PF_MSRTC:
		return "text/xml+msrtc.pidf";
	case SB_PF_CATEGORIES:
		return "application/msrtc-event-categories+xml";
	case SB_PF_NONE:
		break;
	}
	return "";
}

/* q=0 says: anything but this. */
static bool refused(struct sb_str params)
{
	struct sb_str q;

	if (sb_param_find(params, SB_STR("q"), &q) <= 0 || q.n == 0)
		return false;
	for (size_t i = 0; i < q.n; i++)
		if (q.p[i] != '0' && q.p[i] != '.')
			return false;
	return true;
}

enum sb_presence_format sb_presence_choose(struct sb_str accept, bool notes)
{
	bool listed[SB_PF_CATEGORIES + 1] = {false};
	struct sb_str item, media, params;

	if (sb_trim(accept).n == 0)
		return SB_PF_PIDF;
	while (sb_list_next(&accept, &item) > 0) {
		sb_media_split(item, &media, &params);
		if (refused(params))
			continue;
		for (int f = SB_PF_PIDF; f <= SB_PF_CATEGORIES; f++)
			if (sb_str_caseeq(media,
					  sb_str_of(sb_presence_type(
					      (enum sb_presence_format)f))))
				listed[f] = true;
		if (sb_str_eq(media, SB_STR("*/*")) ||
		    sb_str_caseeq(media, SB_STR("application/*")))
			listed[SB_PF_PIDF] = true;
	}
	if (notes && listed[SB_PF_CATEGORIES])
		return SB_PF_CATEGORIES;
	for (int f = SB_PF_PIDF; f <= SB_PF_CATEGORIES; f++)
		if (listed[f])
			return (enum sb_presence_format)f;
	return SB_PF_NONE;
}
