/*
 * document.c: XML bodies through libxml2, with everything off that a peer
 * could use; see document.h.
 * SPDX-License-Identifier: MIT
 */
#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <limits.h>
#include <stdlib.h>

#include "content.h"
#include "document.h"
#include "field.h"

struct reader {
	xmlParserCtxtPtr ctxt;
	const struct sb_document_ops *ops;
	void *arg;
	unsigned depth;
	unsigned elements;
	int err;
};

static struct sb_str text_of(const xmlChar *z)
{
	return sb_str_of((const char *)z);
}

static void refuse(struct reader *r, int err)
{
	if (r->err == 0)
		r->err = err;
	xmlStopParser(r->ctxt);
}

static void on_open(void *arg, const xmlChar *name, const xmlChar *prefix,
		    const xmlChar *uri, int ns_n, const xmlChar **ns,
		    int attrs_n, int defaulted_n, const xmlChar **attrs)
{
	struct reader *r = arg;
	struct sb_element e = {text_of(name), r->depth + 1, attrs, attrs_n};

	(void)prefix;
	(void)uri;
	(void)ns;
	(void)defaulted_n;
	if (r->err)
		return;
	if (r->depth == SB_DOCUMENT_DEPTH ||
	    r->elements == SB_DOCUMENT_ELEMENTS || ns_n > SB_DOCUMENT_ATTRS ||
	    attrs_n > SB_DOCUMENT_ATTRS - ns_n) {
		refuse(r, SB_ETOOBIG);
		return;
	}
	r->depth++;
	r->elements++;
	if (r->ops->open)
		r->ops->open(r->arg, &e);
}

static void on_close(void *arg, const xmlChar *name, const xmlChar *prefix,
		     const xmlChar *uri)
{
	struct reader *r = arg;

	(void)prefix;
	(void)uri;
	if (r->err || r->depth == 0)
		return;
	if (r->ops->close)
		r->ops->close(r->arg, r->depth, text_of(name));
	r->depth--;
}

static void on_text(void *arg, const xmlChar *s, int n)
{
	struct reader *r = arg;

	if (r->err == 0 && r->depth > 0 && n > 0 && r->ops->text)
		r->ops->text(r->arg, r->depth,
			     (struct sb_str){(const char *)s, (size_t)n});
}

/* has_declaration saw it before; should it ever not, nothing gets declared. */
static void on_doctype(void *arg, const xmlChar *name, const xmlChar *public_id,
		       const xmlChar *system_id)
{
	(void)name;
	(void)public_id;
	(void)system_id;
	refuse(arg, SB_EBADTEXT);
}

static void on_instruction(void *arg, const xmlChar *target,
			   const xmlChar *data)
{
	(void)target;
	(void)data;
	refuse(arg, SB_EBADTEXT);
}

static void on_reference(void *arg, const xmlChar *name)
{
	(void)name;
	refuse(arg, SB_EBADTEXT);
}

static const xmlSAXHandler handler = {
    .initialized = XML_SAX2_MAGIC,
    .startElementNs = on_open,
    .endElementNs = on_close,
    .characters = on_text,
    .ignorableWhitespace = on_text,
    .cdataBlock = on_text,
    .internalSubset = on_doctype,
    .processingInstruction = on_instruction,
    .reference = on_reference,
};

/*
 * Is there a "<!" that does not open a CDATA section? Comments and DOCTYPE are
 * refused before the parser sees them: with a handler for comments it copies
 * what it has of one for each "--" inside, which is quadratic. A CDATA section
 * with "<!" inside is refused too; nobody writes one.
 */
static bool has_declaration(struct sb_str s)
{
	static const char cdata[] = "![CDATA[";
	const char *p = s.p, *end = s.p + s.n;

	while ((p = memchr(p, '<', (size_t)(end - p)))) {
		size_t left = (size_t)(end - ++p);

		if (left > 0 && *p == '!' &&
		    (left < sizeof(cdata) - 1 ||
		     memcmp(p, cdata, sizeof(cdata) - 1) != 0))
			return true;
	}
	return false;
}

bool sb_document_room(size_t n)
{
	char *room = malloc(SB_DOCUMENT_ROOM(n));

	free(room);
	return room != NULL;
}

int sb_document_read(struct sb_str body, const struct sb_document_ops *ops,
		     void *arg)
{
	struct reader r = {NULL, ops, arg, 0, 0, 0};
	xmlDocPtr doc;

	if (body.n > SB_SIP_BODY_MAX || !sb_markup_ok(body))
		return SB_ETOOBIG;
	if (body.n == 0 || memchr(body.p, '\0', body.n) ||
	    !sb_utf8_valid(body) || has_declaration(body))
		return SB_EBADTEXT;
	if (!sb_document_room(body.n))
		return SB_ENOMEM;
	r.ctxt = xmlNewParserCtxt();
	if (!r.ctxt)
		return SB_ENOMEM;
	*r.ctxt->sax = handler;
	r.ctxt->userData = &r;
	/* NOENT only asks for plain attribute values: without it &amp; stays
	 * "&#38;" in them. There is nothing else to expand: on_doctype. */
	doc = xmlCtxtReadMemory(r.ctxt, body.p, (int)body.n, NULL, "UTF-8",
				XML_PARSE_NONET | XML_PARSE_NOENT |
				    XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	if (r.err == 0 && !r.ctxt->wellFormed)
		r.err = SB_EBADTEXT;
	xmlFreeDoc(doc);
	xmlFreeParserCtxt(r.ctxt);
	return r.err;
}

struct sb_str sb_element_attr(const struct sb_element *e, struct sb_str name)
{
	/* libxml2's rows of five: local name, prefix, URI, value, its end */
	const xmlChar *const *a = e->attrs;

	for (int i = 0; i < e->attrs_n; i++, a += 5)
		if (sb_str_eq(text_of(a[0]), name))
			return (struct sb_str){(const char *)a[3],
					       (size_t)(a[4] - a[3])};
	return SB_NOSTR;
}

void sb_piece_add(struct sb_piece *t, struct sb_str s)
{
	struct sb_out o = {t->p, t->n, t->len, t->full};

	sb_out_add(&o, s);
	t->len = o.len;
	t->full = o.full;
}

struct sb_str sb_piece_text(const struct sb_piece *t)
{
	return sb_trim((struct sb_str){t->p, t->len});
}

static bool letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
	       (unsigned char)c >= 0x80;
}

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Index after the attribute value that starts at i or after blanks there. */
static size_t value_end(struct sb_str s, size_t i)
{
	const char *end;

	while (i < s.n && blank(s.p[i]))
		i++;
	if (i == s.n || (s.p[i] != '"' && s.p[i] != '\''))
		return i;
	end = memchr(s.p + i + 1, s.p[i], s.n - i - 1);
	return end ? (size_t)(end - s.p) + 1 : s.n;
}

bool sb_markup_ok(struct sb_str s)
{
	size_t i = 0;

	while (i + 1 < s.n) {
		size_t words = 0;

		if (s.p[i] != '<' || !letter(s.p[i + 1])) {
			i++;
			continue;
		}
		i++;
		while (i < s.n && s.p[i] != '>') {
			if (s.p[i] == '=') {
				i = value_end(s, i + 1);
				words++;
				continue;
			}
			if (blank(s.p[i]) && i + 1 < s.n && !blank(s.p[i + 1]))
				words++;
			i++;
		}
		if (words > SB_MARKUP_WORDS)
			return false;
	}
	return true;
}
