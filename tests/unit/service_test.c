#include "init/service.h"

#include "tests/unit/check.h"

TEST(delays_are_doubled_and_bounded)
{
	CHECK_INT(service_delay(100, 30000, 0), 100);
	CHECK_INT(service_delay(100, 30000, 1), 200);
	CHECK_INT(service_delay(100, 30000, 8), 25600);
	CHECK_INT(service_delay(100, 30000, 9), 30000);
	CHECK_INT(service_delay(100, 30000, 4000000000), 30000);
	CHECK_INT(service_delay(1, 604800000, 4000000000), 604800000);
	CHECK_INT(service_delay(500, 100, 0), 100);
	CHECK_INT(service_delay(1, 1, 7), 1);
}

CHECK_MAIN("service")
