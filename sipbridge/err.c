/*
 * err.c: names of the errors, and the settings' defaults.
 * SPDX-License-Identifier: MIT
 */
#include "sipbridge.h"

const char *sb_err_name(int err)
{
	switch (err) {
	case SB_OK:
		return "ok";
	case SB_EINVAL:
		return "invalid";
	case SB_ETOOBIG:
		return "too-big";
	case SB_EBADTEXT:
		return "bad-text";
	case SB_EFULL:
		return "full";
	case SB_ENOMEM:
		return "no-memory";
	case SB_EDOWN:
		return "bridge-down";
	case SB_EPROTO:
		return "protocol";
	case SB_ESYS:
		return "system";
	default:
		return "unknown";
	}
}

void sb_config_init(struct sb_config *c)
{
	*c = (struct sb_config){
		.min_tls = SB_STR("1.2"),
		.sandbox = true,
		.memory = 2048,
		.wire = {
			.verification_header = SB_STR(
				"ms-asserted-verification-level: "
				"ms-source-verified-user=%s"),
			.record_route = true,
			.first_message_in_invite = false,
			.accept_pager_message = true,
			.imdn_method = SB_STR("INFO"),
			.first_message_wait_ms = 5000,
			.answer_wait_ms = 300,
			.invite_timeout_ms = 180000,
			.message_timeout_ms = 60000,
			.imdn_wait_ms = 300000,
			.session_idle_ms = 900000,
			.typing_interval_ms = 5000,
			.typing_timeout_ms = 30000,
			.options_interval_ms = 60000,
			.watch_expires_ms = 28800000,
			.offer_expires_ms = 3600000,
			.notify_interval_ms = 5000,
			.watch_rate = 20,
			.ask_categories = true,
			.tell_categories = true,
		},
	};
}
