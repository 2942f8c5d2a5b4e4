#include "rootfs/cgroup.h"

#include "tests/unit/check.h"

static bool enough(const char *text)
{
	return cgroup_has_controllers(text, strlen(text));
}

TEST(version_2_needs_cpu_memory_and_pids)
{
	CHECK(enough("cpuset cpu io memory hugetlb pids rdma misc\n"));
	CHECK(enough("pids memory cpu"));
	CHECK(enough("cpu memory pids\n"));
	CHECK(!enough(""));
	CHECK(!enough("\n"));
	CHECK(!enough("cpu memory\n"));
	CHECK(!enough("memory pids\n"));
	CHECK(!enough("io rdma\n"));
}

TEST(controllers_are_whole_words)
{
	CHECK(!enough("cpuset memory pids\n"));
	CHECK(!enough("xcpu memory pids\n"));
	CHECK(!enough("cpu memory pidss\n"));
	CHECK(!enough("cpu,memory,pids\n"));
	CHECK(enough("  cpu   memory\npids  "));
}

TEST(a_list_cut_anywhere_is_not_overread)
{
	static const char good[] = "cpu memory pids";

	for (size_t len = 0; len < sizeof(good); len++) {
		char *cut = malloc(len ? len : 1);

		REQUIRE(cut);
		memcpy(cut, good, len);
		CHECK_INT(cgroup_has_controllers(cut, len),
			  len >= sizeof(good) - 1);
		free(cut);
	}
}

/* The enabled ones of TEXT, with commas. */
static const char *enabled(const char *text)
{
	static char names[256];
	char buf[512], *at = buf, *name;

	(void)snprintf(buf, sizeof(buf), "%s", text);
	names[0] = '\0';
	while ((name = cgroup_next_v1(&at))) {
		strcat(names, name);
		strcat(names, ",");
	}
	CHECK(*at == '\0');
	CHECK(!cgroup_next_v1(&at));
	return names;
}

#define TITLE "#subsys_name\thierarchy\tnum_cgroups\tenabled\n"

TEST(version_1_has_the_enabled_controllers)
{
	CHECK_STR(enabled(TITLE "cpuset\t2\t1\t1\ncpu\t3\t1\t1\n"
				"memory\t0\t1\t0\npids\t4\t12\t1\n"),
		  "cpuset,cpu,pids,");
	CHECK_STR(enabled(TITLE), "");
	CHECK_STR(enabled(""), "");
	CHECK_STR(enabled("cpu\t3\t1\t1"), "cpu,"); /* no last newline */
}

TEST(version_1_lines_of_another_form_are_passed_over)
{
	CHECK_STR(enabled("\n\ncpu\n\t1\t1\t1\ncpu 1 1 1\nx\t1\t1\t11\n"
			  "y\t1\t1\t\nz\t1\n"),
		  "z,");
}

CHECK_MAIN("cgroup")
