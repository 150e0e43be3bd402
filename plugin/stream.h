/*
 * stream.h: what may happen on an s2s stream of a partner.
 * SPDX-License-Identifier: MIT
 *
 * Purpose: a partner's settings come down to a set of methods (struct
 *          lg_partner.methods): SASL EXTERNAL with a valid certificate over
 *          TLS, dialback over TLS, dialback in clear text. A stream is good
 *          when the method that authenticated it is in that set; all phases
 *          before are there for early and clear errors, and ask the same
 *          question of what could still come.
 * Shape:   pure; allocates nothing; below 200 ns (make bench).
 * Thread:  any, while the settings stand.
 * Source:  "Negotiation settings for XMPP federated partners" (Lync Server
 *          2013); RFC 6120 5, 6, 13.7; XEP-0178; XEP-0220.
 */
#ifndef LG_STREAM_H
#define LG_STREAM_H

#include "policy.h"

enum lg_phase {
	LG_PH_ROUTE,	     /* out: a stream is wanted (not made yet) */
	LG_PH_FEATURES,	     /* in: what to offer; out: what was offered */
	LG_PH_LEGACY,	     /* out: the peer speaks no XMPP 1.0 */
	LG_PH_STARTTLS,	     /* in: the peer asks for TLS */
	LG_PH_CERTIFICATE,   /* the peer's certificate has been seen */
	LG_PH_SASL,	     /* in: <auth/>; out: it has failed */
	LG_PH_DIALBACK,	     /* in: db:result; out: the answer to ours */
	LG_PH_AUTHENTICATED, /* the last word; mechanism says how */
	LG_PH_STANDING,	     /* later: does it still hold? */
};

enum lg_certificate {
	LG_CERT_UNKNOWN, /* not looked at: no TLS yet */
	LG_CERT_VALID,	 /* chain and identity */
	LG_CERT_MISSING,
	LG_CERT_EXPIRED,
	LG_CERT_NOT_YET,
	LG_CERT_SELF_SIGNED,
	LG_CERT_UNTRUSTED,  /* its issuer, or for any other reason */
	LG_CERT_WRONG_NAME, /* good chain, another domain */
};

enum lg_mechanism {
	LG_MECH_NONE,
	LG_MECH_EXTERNAL,
	LG_MECH_DIALBACK,
	LG_MECH_OTHER,
};

/* "route", ...; "unknown", "valid", ...; "none", ...; each ends with NULL. */
extern const char *const lg_phase_names[];
extern const char *const lg_certificate_names[];
extern const char *const lg_mechanism_names[];
extern const char *const lg_step_names[];

struct lg_stream_facts {
	enum lg_direction direction;
	enum lg_phase phase;
	struct sb_str remote; /* domain; empty: it has not said */
	bool own;	/* remote is a gateway's domain of this Prosody */
	bool secure;	/* TLS is up */
	bool authenticated;
	bool asked;	/* out, LG_PH_DIALBACK: our key was sent */
	bool starttls;	/* out, LG_PH_FEATURES: the peer offers it */
	bool insists;	/* out, LG_PH_FEATURES: with <required/> */
	bool external;	/* out, LG_PH_FEATURES: the peer offers it */
	enum lg_certificate certificate;
	enum lg_mechanism mechanism; /* LG_PH_SASL and after */
	enum lg_method way; /* out: the best method this stream may try */
	uint32_t streams;	  /* authenticated ones of all partners, */
	uint32_t partner_streams; /* of this one; without this stream */
};

/* What an incoming stream is offered (bits). */
enum lg_offer {
	LG_OFFER_STARTTLS = 1,
	LG_OFFER_REQUIRED = 2, /* with <required/> */
	LG_OFFER_EXTERNAL = 4,
	LG_OFFER_DIALBACK = 8,
};

/* How an outgoing stream goes on. */
enum lg_step {
	LG_STEP_NONE,
	LG_STEP_STARTTLS,
	LG_STEP_EXTERNAL,
	LG_STEP_DIALBACK, /* on what it is: TLS or clear text */
};

struct lg_stream_decision {
	const struct lg_partner *partner; /* as far as found, or NULL */
	unsigned offers;    /* in, LG_PH_FEATURES */
	enum lg_step step;  /* out, LG_PH_FEATURES, LG_PH_LEGACY */
	int method; /* enum lg_method once authenticated, else -1 */
};

/*
 * LG_OK and *d, or why not (error.h: policy, streams). Without remote only an
 * incoming stream before its authentication is possible.
 */
int lg_stream_may(struct lg_stream_decision *d, const struct lg_settings *s,
		  const struct lg_stream_facts *f);

/* How far an outgoing stream came before it ended. */
enum lg_stage {
	LG_STAGE_CONNECT,  /* no answer to our stream header */
	LG_STAGE_OPEN,	   /* clear text, nothing begun */
	LG_STAGE_TLS,	   /* STARTTLS refused, or the handshake failed */
	LG_STAGE_SECURE,   /* TLS is up, nothing begun */
	LG_STAGE_SASL,	   /* EXTERNAL begun or refused */
	LG_STAGE_DIALBACK, /* our key is sent */
	LG_STAGE_REFUSED,  /* our key was called invalid, or an error */
	LG_STAGE_DONE,	   /* authenticated */
};

/* "connect", "open", ...; ends with NULL. */
extern const char *const lg_stage_names[];

/*
 * The method to try next (enum lg_method, always in methods and after way), or
 * -1: none, or what ended the stream was no matter of the method. condition:
 * of the stream error that the peer sent, or empty.
 */
int lg_stream_next(unsigned methods, enum lg_method way, bool secure,
		   enum lg_stage stage, struct sb_str condition);

/* Ages in seconds; LG_NEVER: not at all. */
struct lg_stream_age {
	bool authenticated;
	uint32_t since;	 /* it was opened */
	uint32_t stanza; /* the last stanza on it (or since) */
	uint32_t heard;	 /* the peer was last heard (or since) */
	uint32_t asked;	 /* we last asked it for a sign of life */
	bool expired;	 /* its certificate, which authenticated it */
};
#define LG_NEVER UINT32_MAX

enum lg_care {
	LG_CARE_NONE,
	LG_CARE_ASK,   /* for a sign of life: XEP-0199, white space */
	LG_CARE_CLOSE, /* err says why */
};

/* "none", "ask", "close"; ends with NULL. */
extern const char *const lg_care_names[];

/* What a stream of p (NULL only before authentication) needs now. *err:
 * LG_EESTABLISH, LG_EINACTIVE, LG_EDEAD, LG_ECERTLAPSED. */
enum lg_care lg_stream_care(int *err, const struct lg_gateway *g,
			    const struct lg_partner *p,
			    const struct lg_stream_age *age);

enum lg_origin {
	LG_ORIGIN_STREAM, /* s2s */
	LG_ORIGIN_BOUNCE, /* Prosody's own error about a stanza of ours */
	LG_ORIGIN_CLIENT,
	LG_ORIGIN_HOST, /* a host or component of this Prosody */
	LG_ORIGIN_OTHER,
};

/* "stream", "bounce", ...; ends with NULL. */
extern const char *const lg_origin_names[];

struct lg_stanza_facts {
	enum lg_origin origin;
	struct sb_str remote; /* domain of its sender */
	bool own;	      /* as above */
	bool is_error;	      /* of type error */
	int method; /* of the stream, for remote and this host; -1: not
		       authenticated for both */
};

/* May a stanza come in? LG_OK, or why not. Asked for each one. */
int lg_stanza_may(const struct lg_settings *s,
		  const struct lg_stanza_facts *f);

#endif
