/*
 * sofia_start_line.c: a message may begin behind line ends (RFC 3261 7.5).
 * SPDX-License-Identifier: MIT
 *
 * Sofia skips white space in front of a start line, but where it copies the
 * line (MSG_DO_EXTRACT_COPY, which keeps headers as they came) it copies from
 * before the white space: the line begins with that and lacks as many bytes at
 * its end. A keep-alive and a request in one record then were "not SIP", and
 * the connection was closed. So the functions that parse start lines take the
 * place of Sofia's, and give those what was received.
 */
#include <dlfcn.h>

#include "sofia_message.h"

static issize_t parse(msg_parse_f *by, su_home_t *home, msg_header_t *h,
		      char *s, isize_t n)
{
	const char *p = h->sh_common->h_data;
	size_t len = h->sh_common->h_len, k = strspn(s, " \t\r\n");

	if (!by)
		return -1;
	if (k == 0 || !p || len <= k)
		return by(home, h, s, n);
	while (len > k && strchr("\r\n", p[len - 1]))
		len--;
	s = su_strndup(home, p + k, (isize_t)(len - k));
	return s ? by(home, h, s, (isize_t)(len - k)) : -1;
}

__attribute__((visibility("default"))) issize_t
sip_request_d(su_home_t *home, msg_header_t *h, char *s, isize_t n)
{
	static msg_parse_f *real;

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "sip_request_d");
	return parse(real, home, h, s, n);
}

__attribute__((visibility("default"))) issize_t
sip_status_d(su_home_t *home, msg_header_t *h, char *s, isize_t n)
{
	static msg_parse_f *real;

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "sip_status_d");
	return parse(real, home, h, s, n);
}

bool sb_start_lines_are_ours(void)
{
	return sip_request_class->hc_parse == sip_request_d &&
	       sip_status_class->hc_parse == sip_status_d;
}
