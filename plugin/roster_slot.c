/*
 * roster_slot.c: a contact's resources, as each Lync user may see them.
 * SPDX-License-Identifier: MIT
 *
 * A presence stanza is for its addressee alone (interworking.md A8), but most
 * say the same to everybody: the contact has each different presence once, and
 * each pair a bit for those that were addressed to its user.
 */
#include "roster_priv.h"

static size_t slot_size(const struct lg_slot *slot)
{
	return sizeof(*slot) + slot->resource_n + slot->status_n +
	       slot->lang_n;
}

static struct sb_str resource_of(const struct lg_slot *slot)
{
	return (struct sb_str){slot->text, slot->resource_n};
}

struct sb_str lg_slot_status(const struct lg_slot *slot)
{
	return (struct sb_str){slot->text + slot->resource_n, slot->status_n};
}

struct sb_str lg_slot_lang(const struct lg_slot *slot)
{
	return (struct sb_str){slot->text + slot->resource_n + slot->status_n,
			       slot->lang_n};
}

static uint32_t bit_of(const struct lg_slot *slot)
{
	return UINT32_C(1) << slot->bit;
}

/* The pair does not see it any more. */
static void leave(struct lg_roster *r, struct lg_pair *p,
		  struct lg_slot *slot)
{
	struct lg_slot **at = &p->contact->u.slots;

	p->slots &= ~bit_of(slot);
	if (--slot->refs > 0)
		return;
	while (*at != slot)
		at = &(*at)->next;
	*at = slot->next;
	lg_roster_release(r, slot, slot_size(slot));
}

/* What a stanza says, cut to what is kept. */
struct said {
	struct sb_str resource, status, lang;
	uint8_t show;
	int8_t priority;
};

static bool same(const struct lg_slot *slot, const struct said *said)
{
	return slot->show == said->show && slot->priority == said->priority &&
	       sb_str_eq(resource_of(slot), said->resource) &&
	       sb_str_eq(lg_slot_status(slot), said->status) &&
	       sb_str_eq(lg_slot_lang(slot), said->lang);
}

static struct lg_slot *slot_new(struct lg_roster *r, struct lg_name *contact,
				const struct said *said)
{
	struct lg_slot *slot;
	uint32_t used = 0;
	uint8_t bit = 0;

	for (slot = contact->u.slots; slot; slot = slot->next)
		used |= bit_of(slot);
	while (bit < LG_ROSTER_SLOTS && used >> bit & 1)
		bit++;
	if (bit == LG_ROSTER_SLOTS)
		return NULL;
	slot = lg_roster_alloc(r, sizeof(*slot) + said->resource.n +
					  said->status.n + said->lang.n);
	if (!slot)
		return NULL;
	slot->bit = bit;
	slot->show = said->show;
	slot->priority = said->priority;
	slot->resource_n = (uint16_t)said->resource.n;
	slot->status_n = (uint16_t)said->status.n;
	slot->lang_n = (uint8_t)said->lang.n;
	if (said->resource.n)
		memcpy(slot->text, said->resource.p, said->resource.n);
	if (said->status.n)
		memcpy(slot->text + said->resource.n, said->status.p,
		       said->status.n);
	if (said->lang.n)
		memcpy(slot->text + said->resource.n + said->status.n,
		       said->lang.p, said->lang.n);
	slot->next = contact->u.slots;
	contact->u.slots = slot;
	return slot;
}

static size_t bits(uint32_t v)
{
	size_t n = 0;

	for (; v; v &= v - 1)
		n++;
	return n;
}

bool lg_slot_put(struct lg_roster *r, struct lg_pair *p,
		 struct sb_str resource, const struct lg_stanza *st)
{
	struct said said = {
		.resource = lg_text_cut(resource, LG_PART_MAX),
		.status = lg_text_cut(st->status, LG_ROSTER_NOTE),
		.lang = st->lang.n <= 64 ? st->lang : SB_NOSTR,
		.show = (uint8_t)lg_show_find(st->show),
		.priority = (int8_t)(st->priority < 127 ? st->priority : 127),
	};
	const struct lg_slot *best = lg_slot_best(p);
	struct lg_slot *slot, *old = NULL, *found = NULL;
	bool changed;

	for (slot = p->contact->u.slots; slot; slot = slot->next) {
		if (same(slot, &said))
			found = slot;
		if (p->slots & bit_of(slot) &&
		    sb_str_eq(resource_of(slot), said.resource))
			old = slot;
	}
	if (found && found == old)
		return false;
	if (!old && bits(p->slots) >= LG_ROSTER_RESOURCES)
		return false;
	changed = old && best == old;
	/* The old one makes room for the new one. */
	if (old)
		leave(r, p, old);
	if (!found)
		found = slot_new(r, p->contact, &said);
	if (!found)
		return changed;
	found->refs++;
	p->slots |= bit_of(found);
	return changed || lg_slot_best(p) == found;
}

bool lg_slot_drop(struct lg_roster *r, struct lg_pair *p,
		  struct sb_str resource)
{
	const struct lg_slot *best = lg_slot_best(p);
	struct lg_slot *slot, *next;
	bool changed = false;

	if (!p->slots)
		return false;
	for (slot = p->contact->u.slots; slot; slot = next) {
		next = slot->next;
		if (!(p->slots & bit_of(slot)) ||
		    (resource.n && !sb_str_eq(resource_of(slot), resource)))
			continue;
		if (slot == best)
			changed = true;
		leave(r, p, slot);
	}
	return changed;
}

/* The priority decides, as it does for messages; then the show; then who has
 * spoken last. */
const struct lg_slot *lg_slot_best(const struct lg_pair *p)
{
	const struct lg_slot *slot, *best = NULL;

	if (!p->slots)
		return NULL;
	for (slot = p->contact->u.slots; slot; slot = slot->next) {
		if (!(p->slots & bit_of(slot)))
			continue;
		if (!best || slot->priority > best->priority ||
		    (slot->priority == best->priority &&
		     slot->show < best->show))
			best = slot;
	}
	return best;
}
