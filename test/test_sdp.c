/*
 * test_sdp.c: which offers are IM, and what we say ourselves.
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>

#include "../sipbridge/content.h"
#include "../sipbridge/wire.h"
#include "cases.h"
#include "guard.h"
#include "test.h"

static const char offer[] = "v=0\r\no=- 0 0 IN IP4 192.0.2.10\r\ns=session\r\n"
			    "c=IN IP4 192.0.2.10\r\nt=0 0\r\n"
			    "m=message 5060 sip null\r\n"
			    "a=accept-types:text/plain text/html\r\n";

static const char *kind_name(enum sb_sdp_kind kind)
{
	switch (kind) {
	case SB_SDP_NONE:
		return "none";
	case SB_SDP_IM:
		return "im";
	case SB_SDP_OTHER:
		return "other";
	}
	return "?";
}

static void case_run(const struct test_case *c)
{
	struct sb_sdp sdp = {SB_SDP_NONE, SB_NOSTR, false};
	int rc = sb_sdp_offer(c->header, guard(c->body), &sdp);
	char got[128];

	if (rc < 0)
		snprintf(got, sizeof(got), "%s", sb_err_name(rc));
	else
		snprintf(got, sizeof(got), "%s%s%.*s%s", kind_name(sdp.kind),
			 sdp.media.n ? " " : "", SB_FMT(sdp.media),
			 sdp.imdn ? " imdn" : "");
	CHECK_INT(rc < 0, c->error);
	CHECK_SBSB(sb_str_of(got), c->want);
}

TEST(sdp_cases)
{
	CHECK(cases_run("sdp", case_run) >= 25);
}

static void prefix(struct sb_str s)
{
	struct sb_sdp sdp = {SB_SDP_NONE, SB_NOSTR, false};
	int rc = sb_sdp_offer(SB_STR("application/sdp"), s, &sdp);

	CHECK(rc == 0 || rc == SB_EBADTEXT);
	CHECK((sdp.kind == SB_SDP_IM) == (sdp.media.n > 0));
}

TEST(sdp_prefixes)
{
	guard_prefixes(SB_STR(offer), prefix);
}

TEST(sdp_media_points_into_body)
{
	struct sb_str body = SB_STR(offer);
	struct sb_sdp sdp;

	REQUIRE(sb_sdp_offer(SB_STR("application/SDP; x=y"), body, &sdp) == 0);
	CHECK(sdp.media.p == strstr(body.p, "message"));
}

TEST(sdp_limits)
{
	static char big[SB_SIP_BODY_MAX + 1];
	struct sb_sdp sdp = {SB_SDP_NONE, SB_NOSTR, false};
	size_t i = 0;

	CHECK_INT(sb_sdp_offer(SB_STR("application/sdp"),
			       (struct sb_str){big, sizeof(big)}, &sdp),
		  SB_ETOOBIG);
	/* 64 KiB of lines, of which one is the media */
	memcpy(big, "v=0\n", 4);
	for (i = 4; i + 4 <= SB_SIP_BODY_MAX; i += 4)
		memcpy(big + i, "a=x\n", 4);
	memcpy(big + 32768, "m=message 5060 sip null\na=\n\n", 24);
	CHECK_INT(sb_sdp_offer(SB_STR("application/sdp"),
			       guard((struct sb_str){big, i}), &sdp),
		  0);
	CHECK_INT(sdp.kind, SB_SDP_IM);
}

static struct sb_str written(struct sb_sdp_self self)
{
	static char buf[512];
	int n = sb_sdp_write(buf, sizeof(buf), &self);

	if (n < 0)
		return sb_str_of(sb_err_name(n));
	return (struct sb_str){buf, (size_t)n};
}

TEST(sdp_write)
{
	struct sb_sdp_self self = {.address = SB_STR("192.0.2.10")};

	CHECK_SB(written(self), offer);
	self = (struct sb_sdp_self){SB_STR("x-ms-message"),
				    SB_STR("sip:ada@chat.example"),
				    SB_STR("2001:db8::1")};
	CHECK_SB(written(self),
		 "v=0\r\no=- 0 0 IN IP6 2001:db8::1\r\ns=session\r\n"
		 "c=IN IP6 2001:db8::1\r\nt=0 0\r\n"
		 "m=x-ms-message 5060 sip sip:ada@chat.example\r\n"
		 "a=accept-types:text/plain text/html\r\n");
	self = (struct sb_sdp_self){.media = SB_NOSTR};
	CHECK(strstr(written(self).p, "IN IP4 0.0.0.0\r\n") != NULL);
}

TEST(sdp_write_refused)
{
	struct sb_sdp_self self = {.uri = SB_STR("sip:a@b\r\nm=audio")};
	char buf[64];

	CHECK_SB(written(self), "invalid");
	self = (struct sb_sdp_self){.media = SB_STR("a b")};
	CHECK_SB(written(self), "invalid");
	self = (struct sb_sdp_self){.address = SB_STR("host.example")};
	CHECK_SB(written(self), "invalid");
	self = (struct sb_sdp_self){.address = SB_STR("1.2.3.4\0")};
	CHECK_SB(written(self), "invalid");
	self = (struct sb_sdp_self){.address = SB_NOSTR};
	for (size_t n = 0; n < sizeof(buf); n++)
		CHECK_INT(sb_sdp_write(guard_room(n), n, &self), SB_ETOOBIG);
}

TEST(sdp_write_is_an_offer)
{
	struct sb_sdp_self self = {.uri = SB_STR("sip:ada@chat.example")};
	struct sb_sdp sdp = {SB_SDP_NONE, SB_NOSTR, false};

	CHECK_INT(sb_sdp_offer(SB_STR("application/sdp"), written(self), &sdp),
		  0);
	CHECK_INT(sdp.kind, SB_SDP_IM);
	CHECK_SB(sdp.media, "message");
	CHECK(!sdp.imdn);
}
