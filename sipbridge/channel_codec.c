/*
 * channel_codec.c: structs to frames and back, led by the tables of fields.
 * SPDX-License-Identifier: MIT
 *
 * All sizes are known before a byte is written: an encoder runs twice, first
 * with no place to write to. So a frame never has to be taken back.
 */
#include "channel_codec.h"
#include "check.h"

enum { TAG_HEAD = 5 }; /* u8 tag, u32 length */

/* -------------------------------------------------------------- little -- */

static void put_le(char *to, uint64_t v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = (char)(v >> (8 * i) & 0xff);
}

static uint64_t get_le(const char *from, size_t n)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++)
		v |= (uint64_t)(unsigned char)from[i] << (8 * i);
	return v;
}

/* Bytes of a number on the channel; 0 for what is not a number. */
static size_t width(enum sb_field_type t)
{
	switch (t) {
	case SB_T_BOOL:
		return 1;
	case SB_T_U16:
		return 2;
	case SB_T_INT:
	case SB_T_U32:
		return 4;
	case SB_T_U64:
		return 8;
	case SB_T_STR:
	case SB_T_LIST:
		break;
	}
	return 0;
}

static uint64_t load(const void *at, enum sb_field_type t)
{
	uint64_t v = 0;
	uint32_t v4;
	uint16_t v2;
	bool b;

	if (t == SB_T_BOOL) {
		memcpy(&b, at, sizeof(b));
		return b;
	}
	if (t == SB_T_U16) {
		memcpy(&v2, at, sizeof(v2));
		return v2;
	}
	if (t == SB_T_U64) {
		memcpy(&v, at, sizeof(v));
		return v;
	}
	memcpy(&v4, at, sizeof(v4));
	return v4;
}

static void store(void *at, enum sb_field_type t, uint64_t v)
{
	uint32_t v4 = (uint32_t)v;
	uint16_t v2 = (uint16_t)v;
	bool b = v != 0;

	if (t == SB_T_BOOL)
		memcpy(at, &b, sizeof(b));
	else if (t == SB_T_U16)
		memcpy(at, &v2, sizeof(v2));
	else if (t == SB_T_U64)
		memcpy(at, &v, sizeof(v));
	else
		memcpy(at, &v4, sizeof(v4));
}

/* -------------------------------------------------------------- encode -- */

/* to NULL: count only. */
struct writer {
	char *to;
	size_t n;
};

static void write_le(struct writer *w, uint64_t v, size_t n)
{
	if (w->to)
		put_le(w->to + w->n, v, n);
	w->n += n;
}

static void write_tag(struct writer *w, size_t index, size_t len)
{
	write_le(w, index + 1, 1);
	write_le(w, len, 4);
}

/* Text for people is cut at a character and cleaned on its way; whatever else
 * is too long or unclean has been refused before. */
static void write_str(struct writer *w, const struct sb_field *f, size_t index,
		      struct sb_str s)
{
	size_t n = s.n;

	if (f->soft && n > f->max) {
		n = f->max;
		while (n && ((unsigned char)s.p[n] & 0xc0) == 0x80)
			n--;
	}
	if (n == 0)
		return;
	write_tag(w, index, n);
	if (w->to)
		memcpy(w->to + w->n, s.p, n);
	if (w->to && f->soft) {
		for (size_t i = 0, len; i < n; i += len ? len : 1) {
			len = sb_check_char(w->to + w->n + i, n - i, f->text);
			if (len == 0)
				w->to[w->n + i] = '?';
		}
	}
	w->n += n;
}

static void write_fields(struct writer *w, const struct sb_fields *t,
			 const char *s);

static void write_list(struct writer *w, const struct sb_field *f, size_t index,
		       const char *s)
{
	size_t n;

	memcpy(&n, s + f->count_at, sizeof(n));
	for (size_t i = 0; i < n; i++) {
		const char *e = s + f->at + i * f->elem->size;
		struct writer count = {NULL, 0};

		write_fields(&count, f->elem, e);
		write_tag(w, index, count.n);
		write_fields(w, f->elem, e);
	}
}

static void write_fields(struct writer *w, const struct sb_fields *t,
			 const char *s)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct sb_field *f = &t->field[i];
		struct sb_str str;
		uint64_t v;

		if (f->type == SB_T_STR) {
			memcpy(&str, s + f->at, sizeof(str));
			write_str(w, f, i, str);
		}
		else if (f->type == SB_T_LIST)
			write_list(w, f, i, s);
		else if ((v = load(s + f->at, f->type)) != 0) {
			write_tag(w, i, width(f->type));
			write_le(w, v, width(f->type));
		}
	}
}

/* The fields of a kind of frame; NULL: none. */
static const struct sb_fields *fields_of(enum sb_frame_kind kind)
{
	switch (kind) {
	case SB_FRAME_HELLO:
		return &sb_fields_hello;
	case SB_FRAME_CONFIG:
		return &sb_fields_config;
	case SB_FRAME_REQUEST:
		return &sb_fields_request;
	case SB_FRAME_EVENT:
		return &sb_fields_event;
	case SB_FRAME_NONE:
	case SB_FRAME_PING:
	case SB_FRAME_PONG:
	case SB_FRAME_SHUTDOWN:
		break;
	}
	return NULL;
}

size_t sb_frame_encode(char *to, enum sb_frame_kind kind, const void *what)
{
	const struct sb_fields *t = fields_of(kind);
	struct writer w = {to, SB_FRAME_HEAD};

	write_le(&w, kind, 1);
	if (t)
		write_fields(&w, t, what);
	if (to)
		put_le(to, w.n - SB_FRAME_HEAD, SB_FRAME_HEAD);
	return w.n;
}

/* -------------------------------------------------------------- decode -- */

/* Fields of *f that have no value yet in *to, which is all zero. */
static int read_fields(void *to, const struct sb_fields *t,
		       struct sb_str bytes);

static int read_list(char *to, const struct sb_field *f, struct sb_str bytes)
{
	size_t n;

	memcpy(&n, to + f->count_at, sizeof(n));
	if (n >= f->max)
		return SB_EPROTO;
	if (read_fields(to + f->at + n * f->elem->size, f->elem, bytes) !=
	    SB_OK)
		return SB_EPROTO;
	n++;
	memcpy(to + f->count_at, &n, sizeof(n));
	return SB_OK;
}

/* Numbers have exactly their width, and nothing is sent that is the default:
 * each struct has one encoding. */
static int read_field(char *to, const struct sb_field *f, struct sb_str bytes)
{
	uint64_t v;

	if (f->type == SB_T_LIST)
		return read_list(to, f, bytes);
	if (bytes.n == 0)
		return SB_EPROTO;
	if (f->type == SB_T_STR) {
		memcpy(to + f->at, &bytes, sizeof(bytes));
		return SB_OK;
	}
	if (bytes.n != width(f->type))
		return SB_EPROTO;
	v = get_le(bytes.p, bytes.n);
	if (v == 0 || (f->type == SB_T_BOOL && v != 1))
		return SB_EPROTO;
	store(to + f->at, f->type, v);
	return SB_OK;
}

static int read_fields(void *to, const struct sb_fields *t,
		       struct sb_str bytes)
{
	size_t i = 0, last = 0; /* tags ascend; only a list's may repeat */

	while (i < bytes.n) {
		const struct sb_field *f;
		size_t tag, len;

		if (bytes.n - i < TAG_HEAD)
			return SB_EPROTO;
		tag = (unsigned char)bytes.p[i];
		len = (size_t)get_le(bytes.p + i + 1, 4);
		i += TAG_HEAD;
		if (tag == 0 || tag > t->n || len > bytes.n - i)
			return SB_EPROTO;
		f = &t->field[tag - 1];
		if (tag < last || (tag == last && f->type != SB_T_LIST))
			return SB_EPROTO;
		if (read_field(to, f, (struct sb_str){bytes.p + i, len}) !=
		    SB_OK)
			return SB_EPROTO;
		last = tag;
		i += len;
	}
	return SB_OK;
}

static int read_body(struct sb_frame *f, enum sb_frame_kind kind,
		     struct sb_str body)
{
	const struct sb_fields *t = fields_of(kind);
	int r = SB_OK;

	if (!t && body.n)
		return SB_EPROTO;
	/* All members of the union start where .hello does. */
	if (t) {
		memset(&f->hello, 0, t->size);
		r = read_fields(&f->hello, t, body);
	}
	if (r != SB_OK)
		return r;
	f->kind = kind;
	if (kind == SB_FRAME_CONFIG)
		r = sb_check_config(&f->config);
	else if (kind == SB_FRAME_REQUEST)
		r = sb_check_request(&f->request);
	else if (kind == SB_FRAME_EVENT)
		r = sb_check_event(&f->event, 0);
	else if (kind == SB_FRAME_HELLO)
		r = sb_check_fields(&sb_fields_hello, &f->hello, 0);
	return r == SB_OK ? SB_OK : SB_EPROTO;
}

int sb_frame_decode(struct sb_frame *f, size_t *used, struct sb_str bytes)
{
	unsigned char kind;
	size_t n;

	if (bytes.n < SB_FRAME_HEAD)
		return 0;
	n = (size_t)get_le(bytes.p, SB_FRAME_HEAD);
	if (n == 0 || n > SB_FRAME_MAX)
		return SB_EPROTO;
	if (bytes.n - SB_FRAME_HEAD < n)
		return 0;
	kind = (unsigned char)bytes.p[SB_FRAME_HEAD];
	if (kind == SB_FRAME_NONE || kind > SB_FRAME_SHUTDOWN)
		return SB_EPROTO;
	bytes.p += SB_FRAME_HEAD + 1;
	bytes.n = n - 1;
	if (read_body(f, kind, bytes) != SB_OK)
		return SB_EPROTO;
	*used = SB_FRAME_HEAD + n;
	return 1;
}
