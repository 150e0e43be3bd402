/*
 * sip_answer.c: what a request may require, and the answers of the plugin.
 * SPDX-License-Identifier: MIT
 */
#include "content.h"
#include "sip_text.h"

/* What the Lync side may require of us (lync-sip.md 1.8). */
static bool supported(struct sb_str tag)
{
	return sb_str_caseeq(tag, SB_STR("timer")) ||
	       sb_str_caseeq(tag, SB_STR("histinfo"));
}

bool sb_require_ok(const struct sb_sip_in *m)
{
	struct sb_str rest = m->require, tag;
	int more;

	while ((more = sb_list_next(&rest, &tag)) == 1)
		if (!supported(tag))
			return false;
	return more == 0;
}

/* An option tag is an RFC 3261 token; what is not is not sent back. */
static bool token(struct sb_str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c <= ' ' || c >= 0x7f || strchr("()<>@,;:\\\"/[]?={}", c))
			return false;
	}
	return s.n > 0 && s.n < 64;
}

struct sb_str sb_require_unsupported(char *buf, size_t n,
				     const struct sb_sip_in *m)
{
	struct sb_str rest = m->require, tag, list = {buf, 0};

	while (sb_list_next(&rest, &tag) == 1) {
		if (supported(tag) || !token(tag) || list.n + tag.n + 2 > n)
			continue;
		if (list.n) {
			buf[list.n++] = ',';
			buf[list.n++] = ' ';
		}
		memcpy(buf + list.n, tag.p, tag.n);
		list.n += tag.n;
	}
	return list;
}

/* Diagnostics for a status whose answer brings none (lync-sip.md 2.10). */
static int default_diag(int status, const char **reason)
{
	switch (status) {
	case 403:
		*reason = "Not authorized";
		return 1002;
	case 404:
		*reason = "User does not exist";
		return 1003;
	case 480:
		*reason = "The remote user is offline";
		return 60001;
	case 504:
		*reason = "Temporarily cannot route";
		return 1007;
	default:
		*reason = "Refused by the XMPP side";
		return 60002;
	}
}

void sb_answer_fill(struct sb_sip_out *o, const struct sb_request *r)
{
	const char *reason;
	int diag;

	o->status = r->status >= 400 && r->status <= 699 ? r->status : 500;
	if (o->status == 408)
		o->status = 504; /* nobody may answer 408 (RFC 4320 4.2) */
	o->diagnosed = true;
	diag = default_diag(o->status, &reason);
	o->diag = r->diag ? r->diag : diag;
	o->reason = r->reason.n ? r->reason : sb_str_of(reason);
}
