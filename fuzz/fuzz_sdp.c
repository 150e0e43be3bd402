/*
 * fuzz_sdp.c: offers, and our SDP made of anything.
 * SPDX-License-Identifier: MIT
 *
 * Input: the body of an application/sdp; also two fields for our own.
 */
#include <stdint.h>
#include <stdlib.h>

#include "../sipbridge/content.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void need(bool ok)
{
	if (!ok)
		abort();
}

static void offer(struct sb_str body)
{
	struct sb_sdp sdp = {SB_SDP_NONE, SB_NOSTR, false};
	int rc = sb_sdp_offer(SB_STR("application/sdp"), body, &sdp);

	need(rc == 0 || rc == SB_EBADTEXT || rc == SB_ETOOBIG);
	need((sdp.kind == SB_SDP_IM) == (sdp.media.n > 0));
	if (sdp.media.n > 0)
		need(sdp.media.p >= body.p &&
		     sdp.media.p + sdp.media.n <= body.p + body.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static char buf[1024];
	struct sb_str all = {(const char *)data, n};
	struct sb_sdp_self self = {.uri = {all.p, n / 2},
				   .address = {all.p + n / 2, n - n / 2}};
	struct sb_sdp sdp = {SB_SDP_NONE, SB_NOSTR, false};
	int rc;

	offer(all);
	rc = sb_sdp_write(buf, sizeof(buf), &self);
	if (rc > 0) {
		need(sb_sdp_offer(SB_STR("application/sdp"),
				  (struct sb_str){buf, (size_t)rc}, &sdp) == 0);
		need(sdp.kind == SB_SDP_IM);
	}
	return 0;
}
