/*
 * negotiation.c: Lync's table of negotiation settings, as data.
 * SPDX-License-Identifier: MIT
 */
#include "negotiation.h"

#define DIALBACK_IDLE \
	"Dialback will not operate if both SASL and TLS are required."
#define MAY_FAIL \
	"SASL requires TLS. Allowing TLS to be optional may result in " \
	"failed session negotiations."
#define NO_TLS \
	"Because SASL requires TLS, and TLS is not available, SASL/TLS " \
	"cannot succeed. TCP Dialback is set to false, and cannot be used."
#define NEITHER "SASL or Dialback must be enabled."
#define TLS_ONLY "Configuration allows for TLS Dialback."
#define EITHER \
	"Based on negotiation choices of the other end point, TCP or TLS " \
	"Dialback will be accepted."
#define TCP_ONLY "TCP Dialback is the only negotiation method available"

#define ROW(n, t, s, d) .row = n, .tls = LG_##t, .sasl = LG_##s, .dialback = d
#define M(n, ...) .valid = true, .methods_n = n, .methods = {__VA_ARGS__}
#define NOTE(text) .note = text
#define WARNING(text) .note = text, .warning = true
#define INVALID(text) .error = text

static const struct lg_negotiation rows[LG_ROWS] = {
	{ROW(1, REQUIRED, REQUIRED, true), M(1, LG_SASL_TLS),
	 WARNING(DIALBACK_IDLE)},
	{ROW(2, REQUIRED, REQUIRED, false), M(1, LG_SASL_TLS)},
	{ROW(3, OPTIONAL, REQUIRED, true),
	 M(3, LG_SASL_TLS, LG_TLS_DIALBACK, LG_TCP_DIALBACK),
	 WARNING(MAY_FAIL)},
	{ROW(4, OPTIONAL, REQUIRED, false), M(1, LG_SASL_TLS),
	 WARNING(MAY_FAIL)},
	{ROW(5, NOT_SUPPORTED, REQUIRED, true), M(1, LG_TCP_DIALBACK),
	 WARNING(MAY_FAIL)},
	{ROW(6, NOT_SUPPORTED, REQUIRED, false), INVALID(NO_TLS)},
	{ROW(7, REQUIRED, OPTIONAL, true),
	 M(2, LG_SASL_TLS, LG_TLS_DIALBACK)},
	{ROW(8, REQUIRED, OPTIONAL, false), M(1, LG_SASL_TLS)},
	{ROW(9, OPTIONAL, OPTIONAL, true),
	 M(3, LG_SASL_TLS, LG_TLS_DIALBACK, LG_TCP_DIALBACK),
	 WARNING(MAY_FAIL)},
	{ROW(10, OPTIONAL, OPTIONAL, false), M(1, LG_SASL_TLS),
	 WARNING(MAY_FAIL)},
	{ROW(11, NOT_SUPPORTED, OPTIONAL, true), M(1, LG_TCP_DIALBACK),
	 WARNING(MAY_FAIL)},
	{ROW(12, NOT_SUPPORTED, OPTIONAL, false), INVALID(MAY_FAIL)},
	{ROW(13, REQUIRED, NOT_SUPPORTED, true), M(1, LG_TLS_DIALBACK),
	 NOTE(TLS_ONLY)},
	{ROW(14, REQUIRED, NOT_SUPPORTED, false), INVALID(NEITHER)},
	{ROW(15, OPTIONAL, NOT_SUPPORTED, true),
	 M(2, LG_TLS_DIALBACK, LG_TCP_DIALBACK), NOTE(EITHER)},
	{ROW(16, OPTIONAL, NOT_SUPPORTED, false), INVALID(NEITHER)},
	{ROW(17, NOT_SUPPORTED, NOT_SUPPORTED, true), M(1, LG_TCP_DIALBACK),
	 NOTE(TCP_ONLY)},
	{ROW(18, NOT_SUPPORTED, NOT_SUPPORTED, false), INVALID(NEITHER)},
};

const char *const lg_need_names[] = {"required", "optional", "not_supported",
				     NULL};
const char *const lg_method_names[] = {"sasl-tls", "tls-dialback",
				       "tcp-dialback", NULL};

const struct lg_negotiation *lg_negotiation(enum lg_need tls,
					    enum lg_need sasl, bool dialback)
{
	return &rows[(int)sasl * 6 + (int)tls * 2 + (dialback ? 0 : 1)];
}
