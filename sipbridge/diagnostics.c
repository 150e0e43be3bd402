/*
 * diagnostics.c: ms-diagnostics-public and its relatives, read and written.
 * SPDX-License-Identifier: MIT
 *
 * Source: lync-sip.md 1.7; RFC 3261 section 20.43 (Warning).
 */
#include "content.h"
#include "field.h"

enum { CODE_MAX = 999999 };

/* Where the reason stands, raw: a parameter, or the Warning's third word. */
static int find_reason(struct sb_str rest, struct sb_str *raw)
{
	struct sb_str name;
	int rc;

	*raw = SB_NOSTR;
	if (rest.n == 0)
		return 0;
	if (rest.p[0] != ';') {
		const char *quote = memchr(rest.p, '"', rest.n);

		if (quote)
			*raw = (struct sb_str){
			    quote, rest.n - (size_t)(quote - rest.p)};
		return 0;
	}
	while ((rc = sb_param_next(&rest, &name, raw)) > 0)
		if (sb_str_caseeq(name, SB_STR("reason")))
			return 0;
	*raw = SB_NOSTR;
	return rc;
}

/* One line for people: controls become spaces. */
static void one_line(char *buf, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)buf[i] < 0x20 || buf[i] == 0x7f)
			buf[i] = ' ';
}

int sb_diagnostics_read(struct sb_str header, int *code, struct sb_str *reason,
			char *buf, size_t n)
{
	struct sb_str raw, digits, rest;
	size_t len = 0;
	int number, rc;

	header = sb_trim(header);
	digits = (struct sb_str){header.p, 0};
	while (digits.n < header.n && header.p[digits.n] >= '0' &&
	       header.p[digits.n] <= '9')
		digits.n++;
	number = sb_number(digits, CODE_MAX);
	if (number < 0)
		return SB_EINVAL;
	rest = (struct sb_str){header.p + digits.n, header.n - digits.n};
	if (rest.n > 0 && rest.p[0] != ';' && rest.p[0] != ' ' &&
	    rest.p[0] != '\t')
		return SB_EINVAL;
	rest = sb_trim(rest);
	rc = find_reason(rest, &raw);
	if (rc == 0)
		rc = sb_unquote(raw, buf, n, &len);
	if (rc < 0)
		return rc;
	if (!sb_utf8_valid((struct sb_str){buf, len}))
		len = 0;
	len = sb_text_clean(buf, len);
	one_line(buf, len);
	*code = number;
	*reason = sb_trim((struct sb_str){buf, len});
	return 0;
}

int sb_diagnostics_write(char *buf, size_t n, int code, struct sb_str reason)
{
	struct sb_out o = {buf, n, 0, false};

	if (code < 0 || code > CODE_MAX)
		return SB_EINVAL;
	if (!sb_utf8_valid(reason))
		return SB_EBADTEXT;
	sb_out_number(&o, code);
	if (reason.n == 0)
		return sb_out_end(&o);
	sb_out_add(&o, SB_STR(";reason=\""));
	for (size_t i = 0; i < reason.n; i++) {
		char c = reason.p[i];

		if ((unsigned char)c < 0x20 || c == 0x7f)
			c = ' ';
		if (c == '"' || c == '\\')
			sb_out_add(&o, SB_STR("\\"));
		sb_out_add(&o, (struct sb_str){&c, 1});
	}
	sb_out_add(&o, SB_STR("\""));
	return sb_out_end(&o);
}
