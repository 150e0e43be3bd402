/*
 * fuzz_document.c: XML bodies: the reader's limits, typing, imdn.
 * SPDX-License-Identifier: MIT
 *
 * Input: the body.
 */
#include <stdint.h>
#include <stdlib.h>

#include "../sipbridge/content.h"
#include "../sipbridge/document.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct seen {
	unsigned depth;
	unsigned elements;
};

static void need(bool ok)
{
	if (!ok)
		abort();
}

static void on_open(void *arg, const struct sb_element *e)
{
	struct seen *s = arg;

	need(e->depth == s->depth + 1 && e->depth <= SB_DOCUMENT_DEPTH);
	need(e->attrs_n <= SB_DOCUMENT_ATTRS);
	need(++s->elements <= SB_DOCUMENT_ELEMENTS);
	need(sb_utf8_valid(e->name));
	need(sb_utf8_valid(sb_element_attr(e, SB_STR("a"))));
	s->depth++;
}

static void on_text(void *arg, unsigned depth, struct sb_str piece)
{
	struct seen *s = arg;

	need(depth == s->depth && piece.n > 0);
}

static void on_close(void *arg, unsigned depth, struct sb_str name)
{
	struct seen *s = arg;

	(void)name;
	need(depth == s->depth--);
}

static void imdn(struct sb_str body)
{
	static char buf[8192];
	static struct sb_imdn m, back;
	int rc;

	if (sb_imdn_read(body, &m) < 0)
		return;
	need(m.message_id.n > 0 && m.status >= 100 && m.status <= 699);
	rc = sb_imdn_write(buf, sizeof(buf), m.message_id, m.recipient,
			   m.status);
	need(rc > 0);
	need(sb_imdn_read((struct sb_str){buf, (size_t)rc}, &back) == 0);
	need(sb_str_eq(m.message_id, back.message_id));
	need(sb_str_eq(m.recipient, back.recipient));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const struct sb_document_ops ops = {on_open, on_text, on_close};
	struct sb_str body = {(const char *)data, n};
	struct seen seen = {0, 0};
	enum sb_typing t;

	if (sb_document_read(body, &ops, &seen) == 0)
		need(seen.depth == 0 && seen.elements > 0);
	/* one reader for each input: parsing is what takes the time */
	if (n % 3 == 0)
		(void)sb_typing_read(SB_STR("application/xml"), body, &t);
	else if (n % 3 == 1)
		(void)sb_typing_read(SB_STR("application/im-iscomposing+xml"),
				     body, &t);
	else
		imdn(body);
	return 0;
}
