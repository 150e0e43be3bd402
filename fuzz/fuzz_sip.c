/*
 * fuzz_sip.c: whole SIP messages, from the bytes behind TLS to the plugin.
 * SPDX-License-Identifier: MIT
 *
 * Input: what the Edge says on its connection; or, between lines that begin
 * with @, several steps:
 *
 *	@s		it says what follows up to the next @ line
 *	@r		it answers a request of ours with what follows
 *	@w 30		30 seconds pass
 *	@a 486		the plugin answers so from now on; 0: not at all
 *	@p m ...	the plugin says: m message (what follows), t typing,
 *			e the end, w watch, u unwatch, j reject, p presence
 *
 * In a message, $T is the To tag that we gave last, $F and $I are From's tag
 * and the Call-ID of our last request.
 */
#include "fuzz.h"
#include "sofia_rig.h"

enum {
	STEPS_MAX = 32,
	BYTES_MAX = 1 << 17,
	WAIT_MAX = 200, /* seconds */
};

static struct sb_str names(struct sb_str in)
{
	static char buf[BYTES_MAX];
	struct sb_str out = {buf, 0}, name;

	for (size_t i = 0; i < in.n; i++) {
		char next = i + 1 < in.n ? in.p[i + 1] : '\0';

		name = (struct sb_str){in.p + i, 1};
		if (in.p[i] == '$' && next && strchr("TFI", next)) {
			name = next == 'T' ? rig_to_tag() :
			       next == 'F' ? rig_from_tag() : rig_call_id();
			i++;
		}
		if (out.n + name.n > sizeof(buf))
			break;
		if (name.n)
			memcpy(buf + out.n, name.p, name.n);
		out.n += name.n;
	}
	return out;
}

static int number(struct sb_str s, int max)
{
	int n = 0;

	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] >= '0' && s.p[i] <= '9' && n <= max)
			n = n * 10 + s.p[i] - '0';
	return n < max ? n : max;
}

static void plugin(struct sb_str line, struct sb_str text)
{
	struct sb_request r = {
		.contact = SB_STR("sip:romeo@fabrikam.com"),
		.user = SB_STR("sip:lena@contoso.com"),
		.flags = SB_F_NOTES | SB_F_VERIFIED,
		.typing = SB_TYPING_ACTIVE,
		.presence = SB_PR_BUSY,
		.text = text,
	};
	static const struct {
		char letter;
		enum sb_request_type type;
	} types[] = {
		{'m', SB_REQ_MESSAGE}, {'t', SB_REQ_TYPING},
		{'e', SB_REQ_END},     {'w', SB_REQ_WATCH},
		{'u', SB_REQ_UNWATCH}, {'j', SB_REQ_REJECT},
		{'p', SB_REQ_PRESENCE},
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (line.n >= 4 && line.p[3] == types[i].letter)
			r.type = types[i].type;
	if (r.type)
		rig_plugin(&r);
}

static void step(struct sb_str line, struct sb_str text)
{
	int status;

	switch (line.n > 1 ? line.p[1] : '\0') {
	case 's':
		rig_hear(names(text));
		break;
	case 'r':
		rig_answer(names(text));
		break;
	case 'w':
		rig_wait(1000u * (unsigned)number(line, WAIT_MAX));
		break;
	case 'a':
		status = number(line, 699);
		rig_plugin_answers(status == 200 || status >= 400 ? status : 0);
		break;
	case 'p':
		plugin(line, text);
		break;
	default:
		break;
	}
}

/* Up to the next line that begins with @. */
static struct sb_str part(struct sb_str *rest)
{
	const char *at = memmem(rest->p, rest->n, "\n@", 2);
	struct sb_str head = *rest;

	if (!at) {
		*rest = SB_NOSTR;
		return head;
	}
	head.n = (size_t)(at - rest->p) + 1;
	*rest = (struct sb_str){at + 1, rest->n - head.n};
	return head;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct sb_str rest = {(const char *)data, n}, text;
	unsigned steps = 0;

	if (n == 0 || n > BYTES_MAX)
		return 0;
	rig_begin();
	if (*rest.p != '@')
		rig_hear(part(&rest));
	while (rest.n && ++steps <= STEPS_MAX) {
		text = part(&rest);
		step(fuzz_cut(&text, '\n'), text);
	}
	rig_end();
	return 0;
}
