#include "init/notify.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/unit/check.h"

static struct notify parse(const char *text, size_t len)
{
	struct notify n;
	char *copy = malloc(len + !len);

	/* Of just that size: the sanitizer sees what is one too many. */
	REQUIRE(copy);
	memcpy(copy, text, len);
	notify_parse(copy, len, &n);
	if (n.status)
		n.status = n.status_len == 0 ? "" :
					       strndup(n.status, n.status_len);
	free(copy);
	return n;
}

#define PARSE(text) parse((text), sizeof(text) - 1)

TEST(lines_are_understood_in_any_order)
{
	struct notify n =
		PARSE("STATUS=half = way\nREADY=1\nMAINPID=4\nSTOPPING=1\n"
		      "WATCHDOG=1\nWATCHDOG_USEC=20000000\nFDSTORE=1");

	CHECK(n.ready && n.stopping && n.watchdog && !n.watchdog_trigger);
	CHECK_STR(n.status, "half = way");
	CHECK(n.has_watchdog_usec && !n.has_extend_usec);
	CHECK_INT(n.watchdog_usec, 20000000);
	n = PARSE("EXTEND_TIMEOUT_USEC=5000000\nWATCHDOG=trigger\n");
	CHECK(n.has_extend_usec && n.watchdog_trigger && !n.watchdog);
	CHECK_INT(n.extend_usec, 5000000);
	n = PARSE("READY=1\n\n\n");
	CHECK(n.ready);
	n = PARSE("STATUS=");
	CHECK_STR(n.status, "");
}

TEST(what_is_not_exactly_that_is_nothing)
{
	static const char *const none[] = {
		"",
		"\n",
		"READY",
		"READY=",
		"READY=0",
		"READY=11",
		"READY=1 ",
		" READY=1",
		"XREADY=1",
		"ready=1",
		"READY =1",
		"STATUS",
		"WATCHDOG=2",
		"WATCHDOG=trigger2",
		"READY=1\r",
		"STOPPING=yes",
		"WATCHDOG_USEC=",
		"WATCHDOG_USEC=-1",
		"WATCHDOG_USEC=1s",
		"WATCHDOG_USEC=18446744073709551616",
		"EXTEND_TIMEOUT_USEC=99999999999999999999999",
	};

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		struct notify n = parse(none[i], strlen(none[i]));

		if (n.ready || n.stopping || n.watchdog || n.watchdog_trigger ||
		    n.has_watchdog_usec || n.has_extend_usec || n.status)
			CHECK_FAIL("understood: %s", none[i]);
	}
	CHECK(!PARSE("READY=1\0").ready);
	CHECK(PARSE("\0\nREADY=1").ready);
}

TEST(every_prefix_and_every_byte_is_taken)
{
	static const char whole[] =
		"READY=1\nSTATUS=x\nWATCHDOG_USEC=12\nSTOPPING=1";
	char text[sizeof(whole)];

	for (size_t len = 0; len < sizeof(whole); len++)
		(void)parse(whole, len);
	for (size_t at = 0; at < sizeof(whole) - 1; at++)
		for (int c = 0; c < 256; c++) {
			memcpy(text, whole, sizeof(whole));
			text[at] = (char)c;
			(void)parse(text, sizeof(whole) - 1);
		}
}

CHECK_MAIN("notify")
