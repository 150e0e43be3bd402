/*
 * xml_load.h: as much of XML streams as a load partner reads.
 * SPDX-License-Identifier: MIT
 */
#ifndef XML_LOAD_H
#define XML_LOAD_H

#include <stdbool.h>
#include <stddef.h>

#include "load.h"

struct element {
	const char *p;
	size_t n, head; /* head: up to the first ">" */
	char name[32], type[24], from[LOAD_NAME_MAX], to[LOAD_NAME_MAX];
};

/* The element at p, up to its end; false: not whole yet. A stream's header is
 * one, too. What is not what Prosody writes ends the program. */
bool xml_element(struct element *e, const char *p, const char *end);
/* Empty if it is not there. */
void xml_attribute(char *to, size_t n, const struct element *e,
		   const char *name);
bool xml_holds(const struct element *e, const char *what);

#endif
