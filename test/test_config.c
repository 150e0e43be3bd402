/*
 * test_config.c: the owned copy of the settings, config.h.
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>

#include "../sipbridge/config.h"
#include "test.h"

TEST(config_copy_owns_every_text)
{
	struct sb_config c, *copy = NULL;
	char name[SB_DOMAINS_MAX][32];
	size_t i;

	sb_config_init(&c);
	c.bridge_fqdn = sb_str_of("xmpp.contoso.com");
	c.listen[0] = sb_str_of("127.0.0.1:5061");
	c.listen_n = 1;
	c.certificate = sb_str_of("cert.pem");
	c.key = sb_str_of("key.pem");
	for (i = 0; i < SB_DOMAINS_MAX; i++) {
		snprintf(name[i], sizeof(name[i]), "d%zu.example", i);
		c.domains[i].name = sb_str_of(name[i]);
		c.domains[i].edge = sb_str_of(name[i]);
		c.domains[i].port = (uint16_t)(5061 + i);
	}
	c.domains_n = SB_DOMAINS_MAX;
	REQUIRE(sb_config_dup(&copy, &c) == SB_OK);
	memset(name, 'x', sizeof(name));
	CHECK_SB(copy->bridge_fqdn, "xmpp.contoso.com");
	CHECK_STR(copy->key.p, "key.pem"); /* NUL-terminated as well */
	CHECK_SB(copy->domains[63].edge, "d63.example");
	CHECK_INT(copy->domains[63].port, 5124);
	CHECK(sb_config_domain(copy, SB_STR("D7.EXAMPLE"))
	      == &copy->domains[7]);
	CHECK(sb_config_domain(copy, SB_STR("d64.example")) == NULL);
	CHECK(copy->wire.record_route == c.wire.record_route);
	CHECK_INT(copy->wire.watch_expires_ms, 28800000);
	CHECK_INT(copy->wire.offer_expires_ms, 3600000);
	CHECK_INT(copy->wire.notify_interval_ms, 5000);
	CHECK_INT(copy->wire.watch_rate, 20);
	CHECK(copy->wire.ask_categories);
	CHECK(copy->wire.tell_categories);
	sb_config_free(copy);
}

TEST(config_copy_refuses_counts_out_of_range)
{
	struct sb_config c, *copy = NULL;

	sb_config_init(&c);
	c.domains_n = SB_DOMAINS_MAX + 1;
	CHECK_INT(sb_config_dup(&copy, &c), SB_EINVAL);
	CHECK(copy == NULL);
}
