#include "nsm/near.h"

#include <string.h>

#include "tests/unit/check.h"

TEST(slips_are_characters_more_less_or_others)
{
	CHECK_INT(near_slips("status", "status"), 0);
	CHECK_INT(near_slips("statu", "status"), 1);
	CHECK_INT(near_slips("staatus", "status"), 1);
	CHECK_INT(near_slips("statsu", "status"), 2);
	CHECK_INT(near_slips("Status", "status"), 1);
	CHECK_INT(near_slips("", "status"), 6);
	CHECK_INT(near_slips("status", ""), 6);
	CHECK_INT(near_slips("kitten", "sitting"), 3);
}

/* Both may be as long as they like: a name that has no row is another word. */
TEST(a_name_that_is_too_long_is_not_near)
{
	char name[NEAR_NAME_MAX + 2], word[4000];

	memset(name, 'a', sizeof(name));
	name[NEAR_NAME_MAX] = '\0';
	CHECK_INT(near_slips(name, name), 0);
	name[NEAR_NAME_MAX] = 'a';
	name[NEAR_NAME_MAX + 1] = '\0';
	CHECK_INT(near_slips(name, name), NEAR_SLIPS);
	memset(word, 'a', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	CHECK_INT(near_slips(word, "a"), sizeof(word) - 2);
}

TEST(what_was_left_out_of_a_key_counts_less_than_what_is_foreign_to_it)
{
	CHECK_INT(near_key("nsm-mode", "nsm-mode"), 0);
	CHECK_INT(near_key("NSM-Mode", "nsm-mode"), 0);
	CHECK_INT(near_key("mode", "nsm-mode"), 4);
	CHECK_INT(near_key("nsm-mode", "mode"), 8);
	CHECK_INT(near_key("cmd", "command"), 4);
	CHECK(near_key("cmd", "command") < near_key("cmd", "umask"));
	CHECK_INT(near_key("", "dns"), 3);
	CHECK_INT(near_key("dns", ""), 6);
}

TEST(the_rest_of_a_key_that_is_too_long_does_not_count)
{
	char key[41], same[41];

	memset(key, 'k', 40);
	key[40] = '\0';
	memcpy(same, key, sizeof(key));
	same[35] = 'x';
	CHECK_INT(near_key(key, same), 0);
	CHECK_INT(near_key(same, key), 0);
}

CHECK_MAIN("near")
