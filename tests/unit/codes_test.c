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
