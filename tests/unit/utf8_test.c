#include "nsm/utf8.h"

#include "tests/unit/check.h"

static void check_decode(const char *bytes, size_t len, int32_t c, size_t n)
{
	char *copy = malloc(len);
	size_t got;

	REQUIRE(copy);
	memcpy(copy, bytes, len);
	if (!CHECK_INT(utf8_decode(copy, len, &got), c) || !CHECK_INT(got, n))
		CHECK_FAIL("of %02x %02x", (uint8_t)bytes[0],
			   len > 1 ? (uint8_t)bytes[1] : 0);
	free(copy);
}

#define DECODES(bytes, c) \
	check_decode(bytes, sizeof(bytes) - 1, c, sizeof(bytes) - 1)
#define REFUSED(bytes) check_decode(bytes, sizeof(bytes) - 1, -1, 1)

TEST(the_first_and_last_of_each_length)
{
	DECODES("\x00", 0);
	DECODES("\x7f", 0x7f);
	DECODES("\xc2\x80", 0x80);
	DECODES("\xdf\xbf", 0x7ff);
	DECODES("\xe0\xa0\x80", 0x800);
	DECODES("\xed\x9f\xbf", 0xd7ff);
	DECODES("\xee\x80\x80", 0xe000);
	DECODES("\xef\xbf\xbf", 0xffff);
	DECODES("\xf0\x90\x80\x80", 0x10000);
	DECODES("\xf4\x8f\xbf\xbf", 0x10ffff);
	check_decode("\xc3\xbc!", 3, 0xfc, 2);
}

TEST(what_is_no_utf8_is_one_byte)
{
	REFUSED("\x80");
	REFUSED("\xbf\x80");
	REFUSED("\xc1\xbf"); /* longer than needed */
	REFUSED("\xe0\x9f\xbf");
	REFUSED("\xf0\x8f\xbf\xbf");
	REFUSED("\xed\xa0\x80"); /* surrogates */
	REFUSED("\xed\xbf\xbf");
	REFUSED("\xf4\x90\x80\x80"); /* beyond the last */
	REFUSED("\xf8\x88\x80\x80\x80");
	REFUSED("\xff");
	REFUSED("\xc3"); /* cut short */
	REFUSED("\xe2\x80");
	REFUSED("\xf0\x9f\x94");
	REFUSED("\xc3(");
	REFUSED("\xe2\x80(");
}

TEST(what_a_terminal_acts_on_is_not_safe)
{
	static const int32_t first_and_last[][2] = {
		{ 0x00, 0x1f },	    { 0x7f, 0x9f },	{ 0x061c, 0x061c },
		{ 0x200b, 0x200f }, { 0x2028, 0x202e }, { 0x2060, 0x206f },
		{ 0xfeff, 0xfeff },
	};
	size_t at = 0;

	for (int32_t c = 0; c <= 0x10ffff; c++) {
		while (at < sizeof(first_and_last) /
				       sizeof(first_and_last[0]) &&
		       c > first_and_last[at][1])
			at++;
		if (utf8_is_safe(c) !=
		    (at == sizeof(first_and_last) / sizeof(first_and_last[0]) ||
		     c < first_and_last[at][0]))
			CHECK_FAIL("U+%04X", (unsigned)c);
	}
	CHECK(!utf8_is_safe(-1));
}

CHECK_MAIN("utf8")
