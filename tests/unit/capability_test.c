#include "init/spec/capability.h"

#include <linux/capability.h>

#include "tests/unit/check.h"

/* The kernel's header is what we did not write. */
TEST(names_have_the_kernels_numbers)
{
	static const struct {
		const char *name;
		int number;
	} some[] = {
		{ "CAP_CHOWN", CAP_CHOWN },
		{ "CAP_SETPCAP", CAP_SETPCAP },
		{ "CAP_NET_BIND_SERVICE", CAP_NET_BIND_SERVICE },
		{ "CAP_NET_RAW", CAP_NET_RAW },
		{ "CAP_SYS_ADMIN", CAP_SYS_ADMIN },
		{ "CAP_SYS_TIME", CAP_SYS_TIME },
		{ "CAP_MKNOD", CAP_MKNOD },
		{ "CAP_SETFCAP", CAP_SETFCAP },
		{ "CAP_SYSLOG", CAP_SYSLOG },
		{ "CAP_AUDIT_READ", CAP_AUDIT_READ },
		{ "CAP_CHECKPOINT_RESTORE", CAP_CHECKPOINT_RESTORE },
	};

	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
		CHECK_INT(capability_number(some[i].name), some[i].number);
		CHECK_STR(capability_name(some[i].number), some[i].name + 4);
	}
	for (int i = 0; i < CAPABILITY_COUNT; i++)
		CHECK_INT(capability_number(capability_name(i)), i);
	CHECK(!capability_name(CAPABILITY_COUNT) && !capability_name(-1));
	CHECK_INT(CAPABILITY_COUNT, CAP_LAST_CAP + 1);
}

TEST(names_may_lack_the_prefix_and_be_of_either_case)
{
	CHECK_INT(capability_number("net_raw"), CAP_NET_RAW);
	CHECK_INT(capability_number("cap_Net_Raw"), CAP_NET_RAW);
	CHECK_INT(capability_number("CAP_"), -1);
	CHECK_INT(capability_number(""), -1);
	CHECK_INT(capability_number("CAP_CAP_CHOWN"), -1);
	CHECK_INT(capability_number("CAP_CHOWNS"), -1);
	CHECK_INT(capability_number("13"), -1);
}

CHECK_MAIN("capabilities")
