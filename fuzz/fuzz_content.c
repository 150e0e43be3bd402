/*
 * fuzz_content.c: MESSAGE bodies and embedded first messages, any type.
 * SPDX-License-Identifier: MIT
 *
 * Input: Content-Type, LF, body.
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

/* Text that leaves here goes into XML as it is. */
static void text_ok(char *buf, size_t len, size_t max)
{
	need(len <= max);
	need(sb_utf8_valid((struct sb_str){buf, len}));
	need(sb_text_clean(buf, len) == len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static char buf[SB_TEXT_MAX], header[2 * SB_TEXT_MAX];
	struct sb_str all = {(const char *)data, n}, type = all, body;
	const char *lf = n ? memchr(all.p, '\n', n) : NULL;
	enum sb_typing t = SB_TYPING_NONE;
	size_t len = 0;
	int rc;

	if (lf)
		type.n = (size_t)(lf - all.p);
	body = (struct sb_str){lf ? lf + 1 : NULL, lf ? n - type.n - 1 : 0};
	if (sb_content_read(type, body, buf, sizeof(buf), &len, &t) ==
	    SB_CONTENT_TEXT)
		text_ok(buf, len, sizeof(buf));
	if (sb_first_message_read(all, buf, sizeof(buf), &len) == 0)
		text_ok(buf, len, sizeof(buf));
	if (sb_typing_read(type, body, &t) == 0)
		need(t == SB_TYPING_ACTIVE || t == SB_TYPING_IDLE);
	rc = sb_first_message_write(header, sizeof(header), body);
	if (rc > 0) {
		need(sb_first_message_read((struct sb_str){header, (size_t)rc},
					   buf, sizeof(buf), &len) == 0);
		text_ok(buf, len, sizeof(buf));
	}
	return 0;
}
