/*
 * refusal.c: what each side is told when something is refused.
 * SPDX-License-Identifier: MIT
 */
#include "refusal.h"

#include <stddef.h>

#include "error.h"

#define POLICY "policy-violation"
#define NOT_AUTHORIZED "not-authorized"
#define TOO_MANY "resource-constraint"
#define LATER "temporary-auth-failure"
#define TIMEOUT "remote-server-timeout"

static const struct {
	int err;
	struct lg_refusal refusal;
} refusals[] = {
	{LG_EBADJID,
	 {"improper-addressing", "invalid-authzid", "modify",
	  "jid-malformed"}},
	{LG_ENOTPARTNER, {POLICY, NOT_AUTHORIZED, "cancel", "not-allowed"}},
	{LG_EDISABLED, {POLICY, NOT_AUTHORIZED, "cancel", "not-allowed"}},
	{LG_ELOOP, {POLICY, NOT_AUTHORIZED, "cancel", "not-allowed"}},
	{LG_EUNUSABLE,
	 {POLICY, NOT_AUTHORIZED, "cancel", "service-unavailable"}},
	{LG_ENOTOURS, {POLICY, NOT_AUTHORIZED, "cancel", "item-not-found"}},
	{LG_EUSER, {POLICY, NOT_AUTHORIZED, "auth", "forbidden"}},
	{LG_EUNLISTED, {POLICY, NOT_AUTHORIZED, "auth", "forbidden"}},
	{LG_EUNMARKED, {NOT_AUTHORIZED, NOT_AUTHORIZED, "cancel", POLICY}},
	{LG_EBADORIGIN, {POLICY, NOT_AUTHORIZED, "cancel", "not-allowed"}},

	{LG_ETLSREQUIRED, {POLICY, "encryption-required", "cancel", POLICY}},
	{LG_ENOTLS, {POLICY, "invalid-mechanism", "cancel", POLICY}},
	{LG_ESASLREQUIRED,
	 {"unsupported-feature", NOT_AUTHORIZED, "cancel", POLICY}},
	{LG_ENODIALBACK,
	 {"unsupported-feature", NOT_AUTHORIZED, "cancel", POLICY}},
	{LG_ENOSASL, {POLICY, "invalid-mechanism", "cancel", POLICY}},
	{LG_ENOEXTERNAL,
	 {"unsupported-feature", NOT_AUTHORIZED, "cancel", POLICY}},
	{LG_ESASLFAILED, {NULL, NOT_AUTHORIZED, "wait", TIMEOUT}},
	{LG_ETLSFAILED, {POLICY, NOT_AUTHORIZED, "wait", TIMEOUT}},
	{LG_EMECHANISM, {POLICY, "invalid-mechanism", "cancel", POLICY}},
	{LG_ECERTMISSING, {NOT_AUTHORIZED, NOT_AUTHORIZED, "cancel", POLICY}},
	{LG_ECERTEXPIRED, {NOT_AUTHORIZED, NOT_AUTHORIZED, "cancel", POLICY}},
	{LG_ECERTNOTYET, {NOT_AUTHORIZED, NOT_AUTHORIZED, "cancel", POLICY}},
	{LG_ECERTSELF, {NOT_AUTHORIZED, NOT_AUTHORIZED, "cancel", POLICY}},
	{LG_ECERTUNTRUSTED,
	 {NOT_AUTHORIZED, NOT_AUTHORIZED, "cancel", POLICY}},
	{LG_ECERTNAME, {NOT_AUTHORIZED, NOT_AUTHORIZED, "cancel", POLICY}},
	{LG_ECERTLAPSED, {"reset", NOT_AUTHORIZED, "wait", TIMEOUT}},
	{LG_EVERSION,
	 {"unsupported-version", NOT_AUTHORIZED, "cancel", POLICY}},
	{LG_EOTHERHOST, {NOT_AUTHORIZED, NOT_AUTHORIZED, "cancel", POLICY}},
	{LG_EUNSOLICITED, {NOT_AUTHORIZED, NOT_AUTHORIZED, "cancel", POLICY}},
	{LG_ETLSLATE, {POLICY, NOT_AUTHORIZED, "cancel", POLICY}},
	{LG_EATTEMPTS, {POLICY, NOT_AUTHORIZED, "cancel", POLICY}},
	{LG_ENOIDENTITY,
	 {"improper-addressing", "invalid-authzid", "cancel", POLICY}},
	{LG_ELIMIT, {TOO_MANY, LATER, "wait", TOO_MANY}},
	{LG_EPARTNERLIMIT, {TOO_MANY, LATER, "wait", TOO_MANY}},
	{LG_EESTABLISH, {"connection-timeout", LATER, "wait", TIMEOUT}},
	/* Without an error: Prosody then still takes what is under way. */
	{LG_EDEAD, {NULL, LATER, "wait", TIMEOUT}},
	{LG_EINACTIVE, {NULL, LATER, "wait", TIMEOUT}},

	{LG_ENOMEM, {TOO_MANY, LATER, "wait", TOO_MANY}},
	{LG_EFULL, {TOO_MANY, LATER, "wait", TOO_MANY}},
	{LG_ESUBSCRIPTIONS, {TOO_MANY, LATER, "wait", TOO_MANY}},
	{LG_ERECIPIENTS, {TOO_MANY, LATER, "wait", TOO_MANY}},
	{LG_EQUARANTINED, {TOO_MANY, LATER, "wait", TOO_MANY}},
};

static const struct lg_refusal ours = {
	"internal-server-error", LATER, "cancel", "internal-server-error"};

const struct lg_refusal *lg_refusal(int err)
{
	size_t i;

	for (i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		if (refusals[i].err == err)
			return &refusals[i].refusal;
	}
	return &ours;
}
