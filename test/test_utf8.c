/*
 * test_utf8.c: UTF-8 and what XML forbids.
 * SPDX-License-Identifier: MIT
 */
#include <stdio.h>

#include "../sipbridge/content.h"
#include "guard.h"
#include "test.h"

static bool valid(struct sb_str s)
{
	return sb_utf8_valid(guard(s));
}

TEST(utf8_valid)
{
	CHECK(sb_utf8_valid(SB_NOSTR));
	CHECK(valid(SB_STR("a\0\x7f")));
	CHECK(valid(SB_STR("\xc2\x80\xdf\xbf")));
	CHECK(
	    valid(SB_STR("\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf")));
	CHECK(valid(SB_STR("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf")));
}

TEST(utf8_invalid)
{
	static const struct sb_str bad[] = {
	    {"\x80", 1},
	    {"\xbf", 1},
	    {"\xc0\x80", 2},
	    {"\xc1\xbf", 2},
	    {"\xc2", 1},
	    {"\xc2\x41", 2},
	    {"\xe0\x9f\xbf", 3},
	    {"\xe1\x80", 2},
	    {"\xe1\x80\x41", 3},
	    {"\xed\xa0\x80", 3},
	    {"\xed\xbf\xbf", 3},
	    {"\xf0\x8f\xbf\xbf", 4},
	    {"\xf1\x80\x80", 3},
	    {"\xf1\x80\x80\x41", 4},
	    {"\xf1\x80\x41\x80", 4},
	    {"\xf4\x90\x80\x80", 4},
	    {"\xf5\x80\x80\x80", 4},
	    {"\xff", 1},
	    {"\xfe\xff", 2},
	};
	char note[32];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(note, sizeof(note), "row %zu", i);
		test_note(note);
		CHECK(!valid(bad[i]));
	}
	test_note(NULL);
}

/* Every code point of two and three bytes against the definition. */
TEST(utf8_three_bytes_all)
{
	size_t wrong = 0;

	for (unsigned c = 0x80; c <= 0xffff; c++) {
		char b[3] = {(char)(0xe0 | c >> 12),
			     (char)(0x80 | (c >> 6 & 63)),
			     (char)(0x80 | (c & 63))};
		bool want = c >= 0x800 && (c < 0xd800 || c > 0xdfff);

		wrong += sb_utf8_valid((struct sb_str){b, 3}) != want;
	}
	CHECK_INT(wrong, 0);
}

static struct sb_str clean(struct sb_str s)
{
	char *p = guard_room(s.n);

	if (s.n > 0)
		memcpy(p, s.p, s.n);
	return (struct sb_str){p, sb_text_clean(p, s.n)};
}

TEST(utf8_clean)
{
	CHECK_SB(clean(SB_NOSTR), "");
	CHECK_SB(clean(SB_STR("a\tb\nc")), "a\tb\nc");
	CHECK_SB(clean(SB_STR("\r\n\r\r\n\n\r")), "\n\n\n\n\n");
	CHECK_SB(clean(SB_STR("\0\x01\x08\x0b\x0c\x0e\x1f|\x7f")), "|\x7f");
	CHECK_SB(clean(SB_STR("\xef\xbf\xbe\xef\xbf\xbf\xef\xbf\xbd")),
		 "\xef\xbf\xbd");
	CHECK_SB(clean(SB_STR("\xef\xbf")), "\xef\xbf");
	CHECK_SB(clean(SB_STR("\xf0\x9f\x98\x80\xc3\xbc")),
		 "\xf0\x9f\x98\x80\xc3\xbc");
}
