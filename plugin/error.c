/*
 * error.c: tokens and texts of enum lg_err.
 * SPDX-License-Identifier: MIT
 */
#include "error.h"

#include <stddef.h>
#include <string.h>

static const struct {
	int err;
	const char *name;
	const char *text;
} errs[] = {
	{LG_OK, "ok", "no error"},
	{LG_EINVAL, "invalid", "wrong use of a function"},
	{LG_EBADJID, "bad-jid", "not a valid JID"},
	{LG_EBADURI, "bad-uri", "not a valid SIP URI"},
	{LG_ENOTSIP, "not-sip", "not an address of the scheme sip:"},
	{LG_ENOUSER, "no-user", "the address has no user part"},
	{LG_ETOOLONG, "too-long", "the address is too long"},
	{LG_EBADDOMAIN, "bad-domain", "not a valid domain name"},
	{LG_ENOTERROR, "not-an-error", "the status is not an error"},
	{LG_ENOTPARTNER, "not-a-partner",
	 "this domain is not a federated partner"},
	{LG_EDISABLED, "partner-disabled",
	 "the partner is disabled because its settings have an error"},
	{LG_ENOTOURS, "not-our-domain",
	 "the Lync user's domain is not served by this host"},
	{LG_EUSER, "user-not-enabled",
	 "the external access policy does not let this Lync user use XMPP"},
	{LG_EUNUSABLE, "no-settings",
	 "the settings of this host have an error"},
	{LG_ECLAIMED, "domain-claimed", "another partner has this domain"},
	{LG_ELOOP, "loop", "this domain is served by the gateway itself"},
	{LG_EUNMARKED, "not-authenticated-for-us",
	 "the stream was not authenticated for this domain"},
	{LG_EBADORIGIN, "bad-origin",
	 "stanzas of this origin are not accepted"},
	{LG_EUNLISTED, "not-on-contact-list",
	 "the Lync user has not added this contact"},
	{LG_ETLSREQUIRED, "tls-required", "TLS is required but was not used"},
	{LG_ENOTLS, "tls-not-supported",
	 "TLS is not to be used with this partner"},
	{LG_ESASLREQUIRED, "sasl-required",
	 "SASL EXTERNAL is required, dialback is not enough"},
	{LG_ENODIALBACK, "dialback-not-supported",
	 "dialback is not supported for this partner"},
	{LG_ENOSASL, "sasl-not-supported",
	 "SASL is not supported for this partner"},
	{LG_ENOEXTERNAL, "sasl-not-offered",
	 "SASL EXTERNAL is required but was not offered"},
	{LG_ESASLFAILED, "sasl-failed", "SASL EXTERNAL was refused"},
	{LG_ETLSFAILED, "tls-failed",
	 "the partner requires TLS, which has failed"},
	{LG_EMECHANISM, "bad-mechanism", "the only mechanism is EXTERNAL"},
	{LG_ECERTMISSING, "certificate-missing",
	 "a certificate is required, there is none"},
	{LG_ECERTEXPIRED, "certificate-expired",
	 "the certificate has expired"},
	{LG_ECERTNOTYET, "certificate-not-yet-valid",
	 "the certificate is not valid yet"},
	{LG_ECERTSELF, "certificate-self-signed",
	 "the certificate is self-signed"},
	{LG_ECERTUNTRUSTED, "certificate-untrusted",
	 "the certificate is not trusted"},
	{LG_ECERTNAME, "certificate-wrong-name",
	 "the certificate is not valid for this domain"},
	{LG_ECERTLAPSED, "certificate-lapsed",
	 "the certificate has expired since"},
	{LG_EVERSION, "version-too-old", "XMPP 1.0 is required"},
	{LG_EUNSOLICITED, "unsolicited-answer",
	 "an answer that nobody asked for"},
	{LG_ETLSLATE, "tls-too-late",
	 "STARTTLS comes before authentication"},
	{LG_EATTEMPTS, "too-many-attempts",
	 "too many refused attempts to authenticate"},
	{LG_ENOIDENTITY, "no-identity", "the stream has no domain"},
	{LG_ELIMIT, "connection-limit", "there are too many streams"},
	{LG_EPARTNERLIMIT, "partner-connection-limit",
	 "there are too many streams of this partner"},
	{LG_EESTABLISH, "establishment-timeout",
	 "the stream was not established in time"},
	{LG_EDEAD, "keep-alive-timeout", "there was no sign of life"},
	{LG_EOTHERHOST, "other-host",
	 "this stream is for the gateway's domain alone"},
	{LG_EINACTIVE, "inactive", "there was no stanza for a long time"},
	{LG_ENOMEM, "no-memory", "out of memory"},
	{LG_EFULL, "roster-full", "there are too many subscriptions"},
	{LG_ESUBSCRIPTIONS, "subscription-limit",
	 "too many new subscriptions of this partner in this hour"},
	{LG_ERECIPIENTS, "recipient-limit",
	 "this partner has addressed too many Lync users in this hour"},
	{LG_EQUARANTINED, "partner-quarantined",
	 "most of what this partner sent lately has failed"},
};

const char *lg_err_name(int err)
{
	size_t i;

	for (i = 0; i < sizeof(errs) / sizeof(errs[0]); i++) {
		if (errs[i].err == err)
			return errs[i].name;
	}
	return "unknown";
}

const char *lg_err_text(int err)
{
	size_t i;

	for (i = 0; i < sizeof(errs) / sizeof(errs[0]); i++) {
		if (errs[i].err == err)
			return errs[i].text;
	}
	return "unknown error";
}

int lg_err_find(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(errs) / sizeof(errs[0]); i++) {
		if (strcmp(errs[i].name, name) == 0)
			return errs[i].err;
	}
	return LG_OK;
}
