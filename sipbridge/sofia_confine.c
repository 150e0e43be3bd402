/*
 * sofia_confine.c: when the worker gives up what, and what it keeps for its
 * settings.
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>
#include <time.h>

#include "content.h"
#include "sofia_edge.h"

static struct sb_sandbox_needs needs_of(const struct sb_config *cfg)
{
	struct sb_sandbox_needs n = {.places = 0};

	n.places = sb_tls_places(cfg, n.place, SB_SANDBOX_PLACES);
	for (size_t i = 0; i < cfg->domains_n; i++)
		n.port[n.ports++] = cfg->domains[i].port;
	return n;
}

/* Before anything of the settings is carried out. */
int sb_confine_begin(struct sb_edge *e, const struct sb_config *cfg, char *why,
		     size_t n)
{
	struct sb_sandbox_needs needs = needs_of(cfg);
	int err;

	why[0] = '\0';
	if (!sb_sandbox_covers(&e->sandbox, &needs)) {
		sb_edge_log(e, 1, "replacing worker: the settings name files "
			    "or ports outside of its sandbox");
		return SB_EDOWN;
	}
	if (e->confined)
		return SB_OK;
	err = sb_sandbox_memory((uint64_t)cfg->memory << 20, why, n);
	if (!err && cfg->sandbox && !sb_sandbox_hindrance())
		err = sb_sandbox_limit(&e->sandbox, why, n);
	return err ? SB_EDOWN : SB_OK;
}

static void tell(struct sb_edge *e, const struct sb_config *cfg)
{
	const char *hindrance = sb_sandbox_hindrance();
	bool whole;

	snprintf(e->confinement, sizeof(e->confinement), "off");
	if (!cfg->sandbox)
		sb_edge_log(e, 2, "sandbox is off: lync_bridge_sandbox says "
			    "so");
	else if (hindrance)
		sb_edge_log(e, 2, "sandbox is off: this is %s", hindrance);
	else {
		sb_sandbox_words(&e->sandbox, e->confinement,
				 sizeof(e->confinement), &whole);
		if (whole)
			sb_edge_log(e, 1, "sandbox in force: %s",
				    e->confinement);
		else
			sb_edge_log(e, 2, "sandbox incomplete: %s",
				    e->confinement);
	}
	if (cfg->memory && !hindrance)
		snprintf(e->confinement + strlen(e->confinement),
			 sizeof(e->confinement) - strlen(e->confinement),
			 ", %u MiB of memory", cfg->memory);
}

/* When it listens, before it looks at what came. */
int sb_confine_end(struct sb_edge *e, const struct sb_config *cfg, char *why,
		   size_t n)
{
	struct sb_sandbox_needs needs = needs_of(cfg);
	int err = SB_OK;

	if (e->confined)
		return SB_OK;
	tzset(); /* reads a file, once */
	sb_content_prepare(); /* some more */
	if (cfg->sandbox && !sb_sandbox_hindrance())
		err = sb_sandbox_close(&e->sandbox, &needs, why, n);
	if (err)
		return SB_EDOWN;
	e->confined = true;
	tell(e, cfg);
	return SB_OK;
}

const char *sb_edge_confinement(const struct sb_edge *e)
{
	return e->confinement;
}
