/*
 * error.h: what can go wrong in the plugin's core, as numbers and words.
 * SPDX-License-Identifier: MIT
 *
 * Groups: misuse -1.., what a peer sent -100.., policy -200.., resources
 *         -300... The token of each is stable: logs, metrics, tests and Lua
 *         depend on it.
 */
#ifndef LG_ERROR_H
#define LG_ERROR_H

enum lg_err {
	LG_OK = 0,
	LG_EINVAL = -1,

	LG_EBADJID = -100,  /* not a JID that can have a SIP address */
	LG_EBADURI = -101,  /* not a SIP URI that can have a JID */
	LG_ENOTSIP = -102,  /* sips:, tel:, a telephone number, ... */
	LG_ENOUSER = -103,  /* an address of a server, not of a user */
	LG_ETOOLONG = -104, /* a part is longer than its limit */
	LG_EBADDOMAIN = -105, /* not a domain name */
	LG_ENOTERROR = -106, /* a status that is no error: below 300 */

	LG_ENOTPARTNER = -200, /* domain is not on the list */
	LG_EDISABLED = -201,   /* partner's settings have an error */
	LG_ENOTOURS = -202,    /* Lync user of another domain */
	LG_EUSER = -203,       /* external access policy says no */
	LG_EUNUSABLE = -204,   /* host's settings have an error */
	LG_ECLAIMED = -205,    /* another partner has this domain */

	LG_ENOMEM = -300,
};

/* Stable token ("not-a-partner") and a text for people. Static storage;
 * "unknown" for a number that is not in the list. */
const char *lg_err_name(int err);
const char *lg_err_text(int err);

#endif
