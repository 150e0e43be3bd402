/*
 * document_html.c: HTML reduced to text through libxml2's HTML parser; see
 * document.h.
 * SPDX-License-Identifier: MIT
 *
 * The parser keeps time linear but for two cases, both cut off here: many
 * attributes in a tag (sb_markup_ok) and end tags that are searched in a deep
 * stack (SB_HTML_DEPTH).
 */
#include <libxml/HTMLparser.h>
#include <libxml/parserInternals.h>

#include "content.h"
#include "document.h"
#include "field.h"

struct writer {
	htmlParserCtxtPtr ctxt;
	struct sb_out out;
	unsigned open; /* elements open */
	unsigned drop; /* of these: whose content is not text for people */
	unsigned pre;  /* of these: <pre> */
	bool space;    /* white space is due before the next character */
	bool line;     /* a line end is due before the next character */
	bool failed;   /* a limit: the parser was stopped */
};

enum kind { INLINE, BLOCK, CELL, BREAK, PRE, DROP };

static enum kind kind_of(const xmlChar *name)
{
	static const struct {
		const char *name;
		enum kind kind;
	} kinds[] = {
	    {"br", BREAK},	   {"p", BLOCK},       {"div", BLOCK},
	    {"li", BLOCK},	   {"ul", BLOCK},      {"ol", BLOCK},
	    {"pre", PRE},	   {"h1", BLOCK},      {"h2", BLOCK},
	    {"h3", BLOCK},	   {"h4", BLOCK},      {"h5", BLOCK},
	    {"h6", BLOCK},	   {"hr", BLOCK},      {"tr", BLOCK},
	    {"table", BLOCK},	   {"dl", BLOCK},      {"dt", BLOCK},
	    {"dd", BLOCK},	   {"section", BLOCK}, {"article", BLOCK},
	    {"header", BLOCK},	   {"footer", BLOCK},  {"address", BLOCK},
	    {"blockquote", BLOCK}, {"body", BLOCK},    {"td", CELL},
	    {"th", CELL},	   {"script", DROP},   {"style", DROP},
	    {"title", DROP},	   {"template", DROP}, {"object", DROP},
	    {"applet", DROP},	   {"iframe", DROP},   {"svg", DROP},
	};
	struct sb_str s = sb_str_of((const char *)name);

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (sb_str_caseeq(s, sb_str_of(kinds[i].name)))
			return kinds[i].kind;
	return INLINE;
}

static void stop(struct writer *w)
{
	w->failed = true;
	xmlStopParser(w->ctxt);
}

static void put(struct writer *w, struct sb_str s)
{
	if (w->failed)
		return;
	sb_out_add(&w->out, s);
	if (w->out.full)
		stop(w);
}

static bool at_line_start(const struct writer *w)
{
	return w->out.len == 0 || w->out.p[w->out.len - 1] == '\n';
}

/* Write the line end or space that is due. */
static void settle(struct writer *w)
{
	if (w->line && !at_line_start(w))
		put(w, SB_STR("\n"));
	else if (w->space && !at_line_start(w))
		put(w, SB_STR(" "));
	w->line = false;
	w->space = false;
}

static void boundary(struct writer *w, enum kind kind)
{
	if (w->drop > 0)
		return;
	if (kind == BLOCK || kind == PRE)
		w->line = true;
	if (kind == CELL)
		w->space = true;
}

static void on_open(void *arg, const xmlChar *name, const xmlChar **attrs)
{
	struct writer *w = arg;
	enum kind kind = kind_of(name);

	(void)attrs;
	if (w->failed)
		return;
	if (++w->open > SB_HTML_DEPTH) {
		stop(w);
		return;
	}
	if (kind == BREAK && w->drop == 0) {
		w->space = false;
		settle(w);
		put(w, SB_STR("\n"));
	}
	boundary(w, kind);
	w->drop += kind == DROP;
	w->pre += kind == PRE;
}

static void on_close(void *arg, const xmlChar *name)
{
	struct writer *w = arg;
	enum kind kind = kind_of(name);

	if (w->open > 0)
		w->open--;
	if (kind == DROP && w->drop > 0)
		w->drop--;
	if (kind == PRE && w->pre > 0)
		w->pre--;
	boundary(w, kind);
}

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static void on_text(void *arg, const xmlChar *text, int n)
{
	struct writer *w = arg;
	const char *p = (const char *)text;
	size_t len = n > 0 ? (size_t)n : 0;

	if (w->drop > 0)
		return;
	for (size_t i = 0; i < len && !w->failed; i++) {
		if (blank(p[i]) && w->pre == 0) {
			w->space = true;
			continue;
		}
		settle(w);
		/* U+00A0 is how editors write several spaces */
		if ((unsigned char)p[i] == 0xc2 && i + 1 < len &&
		    (unsigned char)p[i + 1] == 0xa0) {
			put(w, SB_STR(" "));
			i++;
			continue;
		}
		put(w, (struct sb_str){p + i, 1});
	}
}

static const htmlSAXHandler handler = {
    .startElement = on_open,
    .endElement = on_close,
    .characters = on_text,
    .ignorableWhitespace = on_text, /* between inline elements, too */
    .cdataBlock = on_text,
};

int sb_html_text(struct sb_str html, char *buf, size_t n, size_t *len)
{
	struct writer w = {.out = {buf, n, 0, false}};
	xmlDocPtr doc;

	if (html.n > INT32_MAX || !sb_markup_ok(html))
		return SB_ETOOBIG;
	*len = 0;
	if (html.n == 0)
		return 0;
	if (!sb_document_room(html.n))
		return SB_ENOMEM;
	w.ctxt = htmlNewParserCtxt();
	if (!w.ctxt)
		return SB_ENOMEM;
	*w.ctxt->sax = handler;
	w.ctxt->userData = &w;
	doc = htmlCtxtReadMemory(w.ctxt, html.p, (int)html.n, NULL, "UTF-8",
				 HTML_PARSE_NONET | HTML_PARSE_NOERROR |
				     HTML_PARSE_NOWARNING |
				     HTML_PARSE_IGNORE_ENC);
	xmlFreeDoc(doc);
	htmlFreeParserCtxt(w.ctxt);
	if (w.failed)
		return SB_ETOOBIG;
	while (w.out.len > 0 && blank(buf[w.out.len - 1]))
		w.out.len--;
	*len = w.out.len;
	return 0;
}
