#include "init/spec/codes.h"

#include <errno.h>

#include "init/spec/config.h"
#include "init/spec/seccomp.h"
#include "init/spec/spec.h"
#include "tests/unit/check.h"

#define SPEC_TEXT(code, text) CHECK_STR(spec_error_text(-(code)), text);
#define CONFIG_TEXT(code, text) CHECK_STR(config_error_text(-(code)), text);
#define SECCOMP_TEXT(code, text) CHECK_STR(seccomp_error_text(-(code)), text);

TEST(each_code_has_its_own_text){ SPEC_ERRORS(SPEC_TEXT)
					  CONFIG_ERRORS(CONFIG_TEXT)
						  SECCOMP_ERRORS(SECCOMP_TEXT) }

/* Those that man pages, guides and people's scripts have. */
TEST(known_texts_stay_as_they_are)
{
	static const struct {
		const char *(*text_of)(int r);
		int code;
		const char *text;
	} known[] = {
		{ spec_error_text, SPEC_E_EMPTY, "empty: it names no program" },
		{ spec_error_text, SPEC_E_VARIABLE, "not NAME=VALUE" },
		{ config_error_text, CONFIG_E_UNKNOWN, "no such key" },
		{ config_error_text, CONFIG_E_TWICE,
		  "this key is there already" },
		{ config_error_text, CONFIG_E_MISSING, "a value is missing" },
		{ config_error_text, CONFIG_E_CHOICE, "no such word here" },
		{ config_error_text, CONFIG_E_TIME,
		  "not a time like 500ms, 10s, 5m" },
		{ config_error_text, CONFIG_E_SERVICE, "no such service" },
		{ config_error_text, CONFIG_E_AMBIENT,
		  "ambient-capabilities with no-cap-ambient-raise in securebits" },
		{ config_error_text, CONFIG_E_HAND_OVER,
		  "hand-over leaves no supervisor for this" },
		{ seccomp_error_text, SECCOMP_E_SIZE,
		  "not 1 to 4096 instructions of 8 bytes" },
		{ seccomp_error_text, SECCOMP_E_FORBIDS, "it forbids " },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		CHECK_STR(known[i].text_of(-known[i].code), known[i].text);
}

TEST(codes_of_two_lists_never_meet)
{
	CHECK_INT(SPEC_E_EMPTY, 6000);
	CHECK_INT(SPEC_E_VARIABLES, 6005);
	CHECK_INT(CONFIG_E_CONTROL, 6100);
	CHECK_INT(CONFIG_E_HAND_OVER, 6150);
	CHECK_INT(SECCOMP_E_SIZE, 6300);
}

TEST(other_numbers_are_the_systems)
{
	CHECK_STR(spec_error_text(-ENOENT), strerror(ENOENT));
	CHECK_STR(config_error_text(-ENOENT), strerror(ENOENT));
	CHECK_STR(seccomp_error_text(-ENOENT), strerror(ENOENT));
}

TEST(numbers_beside_a_list_are_none_of_it)
{
	static const char texts[] = "one\0two\0";

	CHECK_STR(codes_text(texts, 7, -8), "one");
	CHECK_STR(codes_text(texts, 7, -9), "two");
	CHECK_STR(codes_text(texts, 7, -7), strerror(7));
	CHECK_STR(codes_text(texts, 7, -10), strerror(10));
	CHECK_STR(codes_text(texts, 7, 0), strerror(0));
}

CHECK_MAIN("codes")
