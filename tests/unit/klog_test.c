#include "init/klog.h"

#include "tests/unit/check.h"

static const char vmstat[] = "nr_free_pages 1234\n"
			     "oom_kill_disable 7\n"
			     "xoom_kill 8\n"
			     "oom_kill 42\n"
			     "drop_slab 0\n"
			     "last 18446744073709551615";

TEST(counters_are_found_by_their_whole_name)
{
	CHECK_INT(klog_counter(vmstat, "oom_kill"), 42);
	CHECK_INT(klog_counter(vmstat, "nr_free_pages"), 1234);
	CHECK_INT(klog_counter(vmstat, "drop_slab"), 0);
	CHECK(klog_counter(vmstat, "last") == 18446744073709551615UL);
}

TEST(counters_that_are_not_there_are_zero)
{
	CHECK_INT(klog_counter(vmstat, "oom"), 0);
	CHECK_INT(klog_counter(vmstat, "kill"), 0);
	CHECK_INT(klog_counter(vmstat, "oom_kills"), 0);
	CHECK_INT(klog_counter("", "oom_kill"), 0);
	CHECK_INT(klog_counter("\n\n\n", "oom_kill"), 0);
	CHECK_INT(klog_counter("oom_kill", "oom_kill"), 0);
	CHECK_INT(klog_counter("oom_kill\n5", "oom_kill"), 0);
	CHECK_INT(klog_counter("oom_kill x", "oom_kill"), 0);
	CHECK_INT(klog_counter("oom_kill -5", "oom_kill"), 0);
}

TEST(a_text_cut_anywhere_ends)
{
	char cut[sizeof(vmstat)];

	for (size_t len = 0; len < sizeof(vmstat); len++) {
		memcpy(cut, vmstat, len);
		cut[len] = '\0';
		CHECK(klog_counter(cut, "oom_kill") <= 42);
	}
}

CHECK_MAIN("klog")
