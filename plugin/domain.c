/*
 * domain.c: domain names in one spelling; Punycode (RFC 3492).
 * SPDX-License-Identifier: MIT
 */
#include "domain.h"

#include <stdint.h>

#include "text.h"

#define LABEL_MAX 63
#define ASCII_MAX 253 /* RFC 1035: 255 octets on the wire */

/* Parameters of RFC 3492 section 5. */
enum {
	BASE = 36,
	TMIN = 1,
	TMAX = 26,
	SKEW = 38,
	DAMP = 700,
	BIAS = 72,
	FIRST = 0x80,
};

struct label {
	uint32_t cp[LABEL_MAX];
	size_t n;
};

static uint32_t adapt(uint32_t delta, uint32_t points, bool first)
{
	uint32_t k = 0;

	delta = first ? delta / DAMP : delta / 2;
	delta += delta / points;
	while (delta > ((BASE - TMIN) * TMAX) / 2) {
		delta /= BASE - TMIN;
		k += BASE;
	}
	return k + (BASE - TMIN + 1) * delta / (delta + SKEW);
}

static uint32_t threshold(uint32_t k, uint32_t bias)
{
	if (k <= bias)
		return TMIN;
	return k >= bias + TMAX ? TMAX : k - bias;
}

/* Write delta as a variable-length integer; the new length, or 0 when out
 * would exceed LABEL_MAX. */
static size_t put_delta(char *out, size_t n, uint32_t delta, uint32_t bias)
{
	static const char digits[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	uint32_t q = delta, k, t;

	for (k = BASE;; k += BASE) {
		if (n >= LABEL_MAX)
			return 0;
		t = threshold(k, bias);
		if (q < t)
			break;
		out[n++] = digits[t + (q - t) % (BASE - t)];
		q = (q - t) / (BASE - t);
	}
	out[n++] = digits[q];
	return n;
}

static uint32_t smallest_from(const struct label *l, uint32_t least)
{
	uint32_t min = UINT32_MAX;
	size_t i;

	for (i = 0; i < l->n; i++) {
		if (l->cp[i] >= least && l->cp[i] < min)
			min = l->cp[i];
	}
	return min;
}

/* "xn--" and the Punycode of l; the length, or 0 when that exceeds LABEL_MAX.
 * At most 63 code points: delta stays below 2^27. */
static size_t encode(char out[LABEL_MAX], const struct label *l)
{
	uint32_t next = FIRST, delta = 0, bias = BIAS, m;
	size_t n = 4, done, basic, i;

	memcpy(out, "xn--", 4);
	for (i = 0; i < l->n; i++) {
		if (l->cp[i] >= FIRST)
			continue;
		if (n >= LABEL_MAX)
			return 0;
		out[n++] = (char)l->cp[i];
	}
	basic = done = n - 4;
	if (basic > 0) {
		if (n >= LABEL_MAX)
			return 0;
		out[n++] = '-';
	}
	while (done < l->n) {
		m = smallest_from(l, next);
		delta += (m - next) * (uint32_t)(done + 1);
		next = m;
		for (i = 0; i < l->n; i++) {
			if (l->cp[i] < next)
				delta++;
			if (l->cp[i] != next)
				continue;
			n = put_delta(out, n, delta, bias);
			if (n == 0)
				return 0;
			bias = adapt(delta, (uint32_t)done + 1, done == basic);
			delta = 0;
			done++;
		}
		delta++;
		next++;
	}
	return n;
}

static int digit(char c)
{
	if (c >= 'a' && c <= 'z')
		return c - 'a';
	return c >= '0' && c <= '9' ? c - '0' + 26 : -1;
}

/* Read one variable-length integer and add it to *i. */
static bool get_delta(uint32_t *i, const char **p, const char *end,
		      uint32_t bias)
{
	uint64_t sum = *i, w = 1;
	uint32_t k, t;
	int d;

	for (k = BASE;; k += BASE) {
		if (*p >= end)
			return false;
		d = digit(*(*p)++);
		if (d < 0)
			return false;
		sum += (uint64_t)d * w;
		if (sum > UINT32_MAX)
			return false;
		t = threshold(k, bias);
		if ((uint32_t)d < t)
			break;
		w *= BASE - t;
		if (w > UINT32_MAX)
			return false;
	}
	*i = (uint32_t)sum;
	return true;
}

/* The code points behind "xn--"; false when it is not Punycode. */
static bool decode(struct label *l, const char *p, size_t n)
{
	const char *end = p + n, *q = p;
	uint32_t next = FIRST, bias = BIAS, i = 0, old;
	size_t k;

	l->n = 0;
	for (k = n; k > 0 && p[k - 1] != '-'; k--)
		;
	if (k > 0) {
		for (; l->n < k - 1; l->n++)
			l->cp[l->n] = (unsigned char)p[l->n];
		q = p + k;
	}
	while (q < end) {
		old = i;
		if (l->n >= LABEL_MAX || !get_delta(&i, &q, end, bias))
			return false;
		bias = adapt(i - old, (uint32_t)l->n + 1, old == 0);
		next += i / (uint32_t)(l->n + 1);
		i %= (uint32_t)(l->n + 1);
		if (next > 0x10FFFF)
			return false;
		memmove(l->cp + i + 1, l->cp + i,
			(l->n - i) * sizeof(l->cp[0]));
		l->cp[i++] = next;
		l->n++;
	}
	return true;
}

/* May stand in a label, case apart. IDNA knows no punctuation and symbols; an
 * old implementation would turn some of them, and the full stops of other
 * scripts, into separators. */
static bool label_cp(uint32_t cp)
{
	if (cp < 0x80)
		return lg_alnum((char)cp) || cp == '-';
	if (cp >= 0x2000 && cp <= 0x2BFF)
		return false;
	return lg_cp_ok(cp) && cp != 0x3002 && cp != 0xFF61;
}

/* A label with letters beyond ASCII to an A-label. */
static int label_encode(size_t *n, char out[LABEL_MAX], struct sb_str in)
{
	struct label l;
	size_t i = 0, k;
	uint32_t cp;

	l.n = 0;
	while (i < in.n) {
		k = lg_utf8_get(&cp, in.p + i, in.n - i);
		if (k == 0 || !label_cp(cp))
			return LG_EBADDOMAIN;
		if (l.n >= LABEL_MAX)
			return LG_ETOOLONG;
		l.cp[l.n++] = lg_cp_fold(cp);
		i += k;
	}
	k = encode(out, &l);
	if (k == 0)
		return LG_ETOOLONG;
	*n = k;
	return LG_OK;
}

/* One label to lower-case ASCII; *n bytes in out. */
static int label_ascii(size_t *n, char out[LABEL_MAX], struct sb_str in)
{
	size_t i;

	if (in.n == 0 || in.p[0] == '-' || in.p[in.n - 1] == '-')
		return LG_EBADDOMAIN;
	for (i = 0; i < in.n; i++) {
		if (!lg_alnum(in.p[i]) && in.p[i] != '-')
			break;
		if (i >= LABEL_MAX)
			return LG_ETOOLONG;
		out[i] = lg_lower(in.p[i]);
	}
	if (i < in.n)
		return label_encode(n, out, in);
	*n = i;
	return LG_OK;
}

/* The U-label of an A-label, appended to out; 0 when it has none that maps
 * back to the same A-label, or when it does not fit. */
static size_t label_unicode(char *out, size_t room, struct sb_str in)
{
	char again[LABEL_MAX];
	struct label l;
	size_t i, n = 0;

	if (in.n < 5 || memcmp(in.p, "xn--", 4) != 0)
		return 0;
	if (!decode(&l, in.p + 4, in.n - 4) || l.n == 0)
		return 0;
	if (l.cp[0] == '-' || l.cp[l.n - 1] == '-')
		return 0;
	for (i = 0; i < l.n; i++) {
		if (!label_cp(l.cp[i]) || lg_cp_fold(l.cp[i]) != l.cp[i])
			return 0;
	}
	if (encode(again, &l) != in.n || memcmp(again, in.p, in.n) != 0)
		return 0;
	for (i = 0; i < l.n; i++) {
		if (room - n < LG_UTF8_MAX)
			return 0;
		n += lg_utf8_put(out + n, l.cp[i]);
	}
	return n;
}

/* Cut the next label off *rest; false when there is none. */
static bool next_label(struct sb_str *label, struct sb_str *rest)
{
	const char *dot;

	if (!rest->p)
		return false;
	dot = memchr(rest->p, '.', rest->n);
	label->p = rest->p;
	if (!dot) {
		label->n = rest->n;
		*rest = SB_NOSTR;
		return true;
	}
	label->n = (size_t)(dot - rest->p);
	rest->n -= label->n + 1;
	rest->p = dot + 1;
	return true;
}

int lg_domain_ascii(struct sb_str *out, char buf[LG_DOMAIN_MAX],
		    struct sb_str domain)
{
	struct sb_str rest = domain, label;
	char part[LABEL_MAX];
	size_t n = 0, k;
	int err;

	if (rest.n > 0 && rest.p[rest.n - 1] == '.')
		rest.n--;
	if (rest.n == 0)
		return LG_EBADDOMAIN;
	if (rest.n > LG_DOMAIN_MAX)
		return LG_ETOOLONG;
	while (next_label(&label, &rest)) {
		err = label_ascii(&k, part, label);
		if (err)
			return err;
		if (n + 1 + k > ASCII_MAX + (n == 0))
			return LG_ETOOLONG;
		if (n > 0)
			buf[n++] = '.';
		memcpy(buf + n, part, k);
		n += k;
	}
	*out = (struct sb_str){buf, n};
	return LG_OK;
}

int lg_domain_unicode(struct sb_str *out, char buf[LG_DOMAIN_MAX],
		      struct sb_str domain)
{
	char ascii[LG_DOMAIN_MAX];
	struct sb_str rest, label;
	size_t n = 0, k;
	int err;

	err = lg_domain_ascii(&rest, ascii, domain);
	if (err)
		return err;
	while (next_label(&label, &rest)) {
		if (n > 0 && n < LG_DOMAIN_MAX)
			buf[n++] = '.';
		k = label_unicode(buf + n, LG_DOMAIN_MAX - n, label);
		if (k == 0 && LG_DOMAIN_MAX - n >= label.n) {
			memcpy(buf + n, label.p, label.n);
			k = label.n;
		}
		if (k == 0) /* U-labels may take more room than A-labels */
			return lg_domain_ascii(out, buf, domain);
		n += k;
	}
	*out = (struct sb_str){buf, n};
	return LG_OK;
}
