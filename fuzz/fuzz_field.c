/*
 * fuzz_field.c: header values: lists, parameters, diagnostics, base64, UTF-8.
 * SPDX-License-Identifier: MIT
 *
 * Input: the value.
 */
#include <stdint.h>
#include <stdlib.h>

#include "../sipbridge/content.h"
#include "../sipbridge/field.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void need(bool ok)
{
	if (!ok)
		abort();
}

static void lists(struct sb_str s)
{
	struct sb_str item = SB_NOSTR, name = SB_NOSTR, rest = s;
	size_t bytes = 0;

	while (sb_list_next(&rest, &item) > 0) {
		need(item.n > 0 && item.p >= s.p &&
		     item.p + item.n <= s.p + s.n);
		bytes += item.n;
	}
	need(bytes <= s.n && rest.n == 0);
	(void)sb_token_listed(s, SB_STR("ms-text-format"));
	sb_media_split(s, &item, &rest);
	while (sb_param_next(&rest, &name, &item) > 0)
		need(name.n + item.n <= s.n);
	need(rest.n == 0);
}

static void diagnostics(struct sb_str s)
{
	char *buf = malloc(s.n + 1), *out = malloc(s.n * 2 + 32);
	struct sb_str reason, again;
	int code, rc;

	need(buf && out);
	rc = sb_diagnostics_read(s, &code, &reason, buf, s.n);
	need(rc <= 0 && rc != SB_ETOOBIG);
	if (rc == 0) {
		need(sb_utf8_valid(reason));
		rc = sb_diagnostics_write(out, s.n * 2 + 32, code, reason);
		need(rc > 0);
		need(sb_diagnostics_read((struct sb_str){out, (size_t)rc},
					 &code, &again, buf, s.n) == 0);
	}
	rc = sb_diagnostics_write(out, s.n * 2 + 32, 1, s);
	need(rc > 0 || rc == SB_EBADTEXT);
	for (int i = 0; i < rc; i++)
		need((unsigned char)out[i] >= 0x20);
	free(buf);
	free(out);
}

static void base64(struct sb_str s)
{
	char *plain = malloc(s.n + 1), *out = malloc(s.n * 2 + 4);
	size_t len = 0;
	int rc;

	need(plain && out);
	(void)sb_base64_read(plain, s.n, &len, s);
	rc = sb_base64_write(out, s.n * 2 + 4, s);
	need(rc >= 0);
	need(sb_base64_read(plain, s.n, &len,
			    (struct sb_str){out, (size_t)rc}) == 0);
	need(sb_str_eq(s, (struct sb_str){plain, len}));
	if (sb_utf8_valid(s)) {
		len = sb_text_clean(plain, len);
		need(sb_utf8_valid((struct sb_str){plain, len}));
		need(sb_text_clean(plain, len) == len);
	}
	free(plain);
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct sb_str s = {(const char *)data, n};

	lists(s);
	diagnostics(s);
	base64(s);
	return 0;
}
