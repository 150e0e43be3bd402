/*
 * error.c: tokens and texts of enum lg_err.
 * SPDX-License-Identifier: MIT
 */
#include "error.h"

#include <stddef.h>

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
	 "the domain is not an allowed XMPP partner"},
	{LG_EDISABLED, "partner-disabled",
	 "the partner is disabled because its settings have an error"},
	{LG_ENOTOURS, "not-our-domain",
	 "the Lync user's domain is not served by this host"},
	{LG_EUSER, "user-not-enabled",
	 "the external access policy does not let this Lync user use XMPP"},
	{LG_EUNUSABLE, "no-settings",
	 "the settings of this host have an error"},
	{LG_ECLAIMED, "domain-claimed", "another partner has this domain"},
	{LG_ENOMEM, "no-memory", "out of memory"},
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
