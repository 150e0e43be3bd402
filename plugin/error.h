/*
 * error.h: what can go wrong in the plugin's core, as numbers and words.
 * SPDX-License-Identifier: MIT
 *
 * Groups: misuse -1.., what a peer sent -100.., policy -200.., resources
 *         -300.., streams -400... The token of each is stable: logs, metrics,
 *         tests and Lua depend on it.
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
	LG_ELOOP = -206,       /* domain of a gateway of this Prosody */
	LG_EUNMARKED = -207,   /* its stream is not authenticated for us */
	LG_EBADORIGIN = -208,  /* a stanza from nobody's stream */
	LG_EUNLISTED = -209,   /* contact is on no contact list */

	LG_ENOMEM = -300,
	LG_EFULL = -301,	  /* the roster has all the pairs it may */
	LG_ESUBSCRIPTIONS = -302, /* partner's new subscriptions per hour */
	LG_ERECIPIENTS = -303,	  /* Lync users it addresses per hour */
	LG_EQUARANTINED = -304,	  /* most of what it sent has failed */

	LG_ETLSREQUIRED = -400,	   /* clear text, where TLS is needed */
	LG_ENOTLS = -401,	   /* TLS, where only clear text is allowed */
	LG_ESASLREQUIRED = -402,   /* dialback, where SASL is needed */
	LG_ENODIALBACK = -403,	   /* dialback, which is switched off */
	LG_ENOSASL = -404,	   /* SASL, where only dialback is allowed */
	LG_ENOEXTERNAL = -405,	   /* peer does not offer SASL EXTERNAL */
	LG_ESASLFAILED = -406,	   /* peer refused SASL EXTERNAL */
	LG_ETLSFAILED = -408,	   /* peer insists on TLS, which has failed */
	LG_EMECHANISM = -407,	   /* another mechanism than EXTERNAL */
	LG_ECERTMISSING = -410,	   /* peer's certificate: none */
	LG_ECERTEXPIRED = -411,	   /* its time is over, */
	LG_ECERTNOTYET = -412,	   /* or has not begun */
	LG_ECERTSELF = -413,	   /* nobody vouches for it, */
	LG_ECERTUNTRUSTED = -414,  /* or nobody whom we trust */
	LG_ECERTNAME = -415,	   /* it is another domain's */
	LG_ECERTLAPSED = -416,	   /* its time ended while the stream stood */
	LG_EVERSION = -420,	   /* peer does not speak XMPP 1.0 */
	LG_EUNSOLICITED = -421,	   /* an answer nobody asked for */
	LG_ETLSLATE = -422,	   /* STARTTLS after authentication */
	LG_EATTEMPTS = -423,	   /* too many refused attempts */
	LG_ENOIDENTITY = -424,	   /* peer has not said who it is */
	LG_ELIMIT = -430,	   /* streams of all partners */
	LG_EPARTNERLIMIT = -431,   /* streams of this partner */
	LG_EESTABLISH = -432,	   /* not authenticated in time */
	LG_EDEAD = -433,	   /* no sign of life */
	LG_EINACTIVE = -434,	   /* no stanza for long */
	LG_EOTHERHOST = -435,	   /* for a host that would not take it */
};

/* Stable token ("not-a-partner") and a text for people. Static storage;
 * "unknown" for a number that is not in the list. */
const char *lg_err_name(int err);
const char *lg_err_text(int err);

/* The number of a token; LG_OK when there is none. */
int lg_err_find(const char *name);

#endif
