/*
 * fuzz_channel.c: a stream of bytes as the other side of the channel sends it.
 * SPDX-License-Identifier: MIT
 *
 * What is accepted has one encoding: the bytes that came.
 */
#include <stdlib.h>

#include "../sipbridge/channel_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static char again[SB_FRAME_HEAD + SB_FRAME_MAX];
	struct sb_str s = {(const char *)data, n};
	struct sb_frame f;
	size_t used;

	while (sb_frame_decode(&f, &used, s) == 1) {
		if (used > s.n ||
		    sb_frame_encode(NULL, f.kind, &f.hello) != used)
			abort();
		sb_frame_encode(again, f.kind, &f.hello);
		if (memcmp(again, s.p, used) != 0)
			abort();
		s.p += used;
		s.n -= used;
	}
	return 0;
}
