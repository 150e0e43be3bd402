/*
 * wire.h: SIP as the session engine sees it, without a SIP stack.
 * SPDX-License-Identifier: MIT
 *
 * Purpose: the border between the engine (sessions, later watches: pure, on a
 *          clock that is passed in) and what carries it (sofia_*.c and edge.c
 *          on the wire, a script in the tests).
 * Shape:   a received message is one struct sb_sip_in; what the engine wants
 *          said is one struct sb_sip_out through struct sb_wire_ops.
 * Owner:   all text is borrowed for the duration of the call, both ways.
 * Thread:  the worker's only thread.
 * Source:  RFC 3261; lync-sip.md 1.4-1.7, 2.
 */
#ifndef SB_WIRE_H
#define SB_WIRE_H

#include "sipbridge.h"

#define SB_ROUTES_MAX 16      /* Record-Route lines of one message */
#define SB_ROUTE_BYTES 8192   /* all of them together */
#define SB_EXTRA_MAX 12	      /* additional headers of one message we send */
#define SB_SIP_BODY_MAX 65536 /* bytes of a body received */

/* What some method of ours takes: the value of Allow. */
#define SB_ALLOW                                                              \
	"INVITE, ACK, CANCEL, BYE, MESSAGE, INFO, UPDATE, OPTIONS, NOTIFY, "  \
	"SUBSCRIBE"

enum sb_method {
	SB_M_OTHER = 0,
	SB_M_INVITE,
	SB_M_ACK,
	SB_M_CANCEL,
	SB_M_BYE,
	SB_M_MESSAGE,
	SB_M_INFO,
	SB_M_UPDATE,
	SB_M_OPTIONS,
	SB_M_NOTIFY,
	SB_M_SUBSCRIBE,
	SB_M_REFER,
};

/* One party of a dialog. uri: "sip:user@host" as received, without brackets
 * and parameters of the header; tag, epid: values or empty. */
struct sb_party {
	struct sb_str uri;
	struct sb_str display; /* without quotes and escapes */
	struct sb_str tag;
	struct sb_str epid;
};

/* A request or response received, syntactically sound, from an authenticated
 * Edge connection; limits of SB_FIELD_MAX etc. have been enforced. */
struct sb_sip_in {
	enum sb_method method;	 /* of the request, also in a response */
	struct sb_str method_name;
	int status;		 /* response: 100..699; request: 0 */
	struct sb_str phrase;
	bool local;		 /* response of our own stack: time-out 408, no
				    connection 503 */
	bool repeated;		 /* response to what the stack has sent on two
				    connections: what it says of one copy is
				    not the fate of the other */
	struct sb_str domain;	 /* SIP domain (struct sb_domain name) that the
				    connection's Edge serves; From of a request
				    was checked against it; of an answer it is
				    the INVITE's, else empty */
	struct sb_str request_uri;
	struct sb_party from, to;
	struct sb_str call_id;
	uint32_t cseq;
	struct sb_str contact;	 /* URI in brackets, byte for byte */
	/* header values, byte for byte, in order; one may hold several,
	 * comma-separated */
	struct sb_str record_route[SB_ROUTES_MAX];
	size_t record_route_n;
	struct sb_str content_type; /* whole value */
	struct sb_str body;
	struct sb_str supported; /* all lines joined by ", " */
	struct sb_str require;	 /* likewise */
	struct sb_str subject;
	struct sb_str content_language;
	struct sb_str conversation_id;	  /* Ms-Conversation-ID */
	struct sb_str first_message;	  /* ms-text-format, whole value */
	struct sb_str endpoints;	  /* EndPoints */
	struct sb_str message_id;	  /* Message-Id, response 202 */
	struct sb_str diagnostics;	  /* ms-diagnostics-public, else
					     ms-diagnostics, else Warning */
	int retry_after;		  /* seconds, 0: none */
	/* SUBSCRIBE, NOTIFY and their responses */
	struct sb_str event;		  /* package in lower case, without
					     parameters */
	struct sb_str subscription_state; /* whole value */
	struct sb_str accept; /* all lines joined by ", "; at most
				 SB_ROUTE_BYTES */
	int expires;			  /* seconds, -1: not said */
	int min_expires;		  /* seconds, 0: not said */
};

struct sb_header {
	const char *name; /* ours, constant */
	struct sb_str value;
};

/* What the engine wants on the wire. The carrier adds Via, Max-Forwards,
 * Contact (of `local`'s user), own Record-Route, User-Agent, Allow, the
 * verification header and Content-Length. */
struct sb_sip_out {
	enum sb_method method;	/* request; in a response: ignored */
	int status;		/* response only */
	struct sb_str domain;	/* whose Edge it goes to */
	struct sb_str request_uri; /* byte for byte */
	struct sb_party local;	/* From of a request, To of a response (there
				   only tag matters: for a To that has none) */
	struct sb_party remote; /* To of a request */
	struct sb_str call_id;
	uint32_t cseq;
	const struct sb_str *routes; /* Route values, byte for byte, in order,
					one entry each; a response has none: its
					Record-Route are the request's */
	size_t routes_n;
	bool dialog_forming;	/* request or 2xx that needs Contact and
				   Record-Route */
	bool verified;		/* for the verification header */
	bool diagnosed;		/* diag and reason go out as
				   ms-diagnostics-public */
	int diag;
	struct sb_str reason;
	struct sb_str content_type;
	struct sb_str body;
	struct sb_header extra[SB_EXTRA_MAX];
	size_t extra_n;
};

struct sb_wire_ops {
	/* Start a client transaction. The carrier calls sb_sessions_response()
	 * with `cookie` for each response, the last one final; never from
	 * within this call. Returns SB_OK, or an error: then nothing was sent
	 * and no response follows. ACK has no response and no cookie. */
	int (*request)(void *arg, uint64_t cookie, const struct sb_sip_out *m);
	/* CANCEL the INVITE of that cookie; its final response still comes. */
	void (*cancel)(void *arg, uint64_t cookie);
	/* Answer the server transaction `txn` of sb_sessions_request(). After
	 * a final answer txn is gone, except an INVITE's until ACK or
	 * time-out. */
	void (*respond)(void *arg, uint64_t txn, const struct sb_sip_out *m);
	/* Hand an event to the plugin. */
	void (*event)(void *arg, const struct sb_event *ev);
	/* n random bytes. */
	void (*random)(void *arg, void *buf, size_t n);
	/* The plugin has more events before it than it takes at once: what
	 * nobody waits for and would make more of them waits. NULL: never. */
	bool (*slow)(void *arg);
};

#endif
