/*
 * negotiation.h: Lync's table of negotiation settings, as data.
 * SPDX-License-Identifier: MIT
 *
 * Purpose: what TLS, SASL and dialback settings of a partner mean: 18
 *          combinations, 13 valid (7 of them with a warning), 5 not.
 * Shape:   pure, static storage.
 * Source:  "Negotiation settings for XMPP federated partners", Lync Server
 *          2013 documentation; texts are exact.
 */
#ifndef LG_NEGOTIATION_H
#define LG_NEGOTIATION_H

#include <stdbool.h>
#include <stddef.h>

enum lg_need {
	LG_REQUIRED = 0,
	LG_OPTIONAL = 1,
	LG_NOT_SUPPORTED = 2,
};

enum lg_method {
	LG_SASL_TLS = 0,     /* SASL over TLS */
	LG_TLS_DIALBACK = 1, /* dialback on an encrypted stream */
	LG_TCP_DIALBACK = 2, /* dialback in clear text */
};

#define LG_METHODS_MAX 3
#define LG_ROWS 18

struct lg_negotiation {
	int row; /* 1..18 */
	enum lg_need tls;
	enum lg_need sasl;
	bool dialback;
	bool valid;
	bool warning;	   /* the note is a warning */
	size_t methods_n;  /* 0 when not valid */
	enum lg_method methods[LG_METHODS_MAX]; /* the preferred one first */
	const char *note;  /* or NULL */
	const char *error; /* why it is not valid, or NULL */
};

/* The row of three settings; never NULL. */
const struct lg_negotiation *lg_negotiation(enum lg_need tls,
					    enum lg_need sasl, bool dialback);

/* "sasl-tls", "tls-dialback", "tcp-dialback"; ends with NULL. In the order of
 * enum lg_method. */
extern const char *const lg_method_names[];

/* "required", "optional", "not_supported"; ends with NULL. In the order of
 * enum lg_need. */
extern const char *const lg_need_names[];

#endif
