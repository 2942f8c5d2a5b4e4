/*
 * Groups are plain directories here, below a tmpfs that a mount namespace has at
 * /sys/fs/cgroup: what is written where. tests/boot has the kernel's.
 */

#include "rootfs/cgroup.h"

#include <errno.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "tests/unit/check.h"
#include "tests/unit/temp.h"

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

/* --- the group of a service --- */

static const struct cgroup_limits none, all = { 1 << 20, 20, 50 };

static void enter(void)
{
	temp_unshare();
	REQUIRE(mount("tmp", "/sys/fs/cgroup", "tmpfs", 0, NULL) == 0);
	REQUIRE(chdir("/sys/fs/cgroup") == 0);
}

/* The group DIR, with the files NAMES that the kernel would make, by blanks. */
static void fake(const char *dir, const char *names)
{
	char path[128], text[128], *at = NULL;

	REQUIRE(mkdir(dir, 0755) == 0);
	(void)snprintf(text, sizeof(text), "%s", names);
	for (char *name = strtok_r(text, " ", &at); name;
	     name = strtok_r(NULL, " ", &at)) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
		temp_text(path, "", 0644);
	}
}

static const char *content(const char *path)
{
	static char text[256];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	if (fd < 0)
		return NULL;
	close(fd);
	return text;
}

static int count_fds(const struct cgroup *g)
{
	int n = 0;

	for (int i = 0; i < CGROUP_FDS; i++)
		n += g->fds[i] >= 0;
	return n;
}

TEST(without_control_groups_a_limit_is_refused)
{
	const struct cgroup_limits limits = { .pids_max = 3 };
	struct cgroup g = { .version = 7 };
	const char *key = "";

	CHECK_INT(cgroup_make(0, "web", &none, &g, &key), 0);
	CHECK_INT(g.version, 0);
	CHECK_INT(count_fds(&g), 0);
	CHECK_INT(cgroup_enter(&g), 0);
	CHECK_INT(cgroup_kill(&g, 0), 0);
	CHECK_INT(cgroup_renew(&g), 0);
	CHECK(cgroup_is_empty(&g));
	CHECK_STR(key, "");
	CHECK_INT(cgroup_make(0, "web", &limits, &g, &key), -EOPNOTSUPP);
	CHECK_STR(key, "pids-max");
}

TEST(version_2_has_one_directory_and_the_controllers_of_its_limits)
{
	const struct cgroup_limits memory = { .memory_max = UINT64_MAX };
	const char *key = "";
	struct cgroup g;

	enter();
	fake("web.service", "cgroup.procs");
	CHECK_INT(cgroup_make(2, "web", &none, &g, &key), 0);
	CHECK_INT(g.version, 2);
	CHECK_INT(count_fds(&g), 1);
	CHECK(fcntl(g.fds[0], F_GETFD) & FD_CLOEXEC);
	CHECK_INT(cgroup_enter(&g), 0);
	CHECK_STR(content("web.service/cgroup.procs"), "0");

	temp_text("cgroup.subtree_control", "", 0644);
	fake("db.service", "cgroup.procs memory.max pids.max cpu.weight");
	CHECK_INT(cgroup_make(2, "db", &memory, &g, &key), 0);
	CHECK_STR(content("cgroup.subtree_control"), "+memory");
	CHECK_STR(content("db.service/memory.max"), "18446744073709551615");
	CHECK_STR(content("db.service/pids.max"), "");
	CHECK_INT(cgroup_make(2, "db", &all, &g, &key), 0);
	CHECK_STR(content("db.service/pids.max"), "20");
	CHECK_STR(content("db.service/cpu.weight"), "50");
	CHECK_STR(key, "");
}

TEST(version_1_has_a_directory_in_each_hierarchy_that_is_needed)
{
	const char *key = "";
	struct cgroup g;

	enter();
	REQUIRE(mkdir("pids", 0755) == 0 && mkdir("freezer", 0755) == 0 &&
		mkdir("memory", 0755) == 0 && mkdir("cpu", 0755) == 0 &&
		mkdir("blkio", 0755) == 0);
	fake("pids/web.service", "cgroup.procs pids.max");
	fake("freezer/web.service", "cgroup.procs");
	CHECK_INT(cgroup_make(1, "web", &none, &g, &key), 0);
	CHECK_INT(g.version, 1);
	CHECK_INT(count_fds(&g), 2);
	CHECK_INT(cgroup_enter(&g), 0);
	CHECK_STR(content("pids/web.service/cgroup.procs"), "0");
	CHECK_STR(content("freezer/web.service/cgroup.procs"), "0");
	CHECK_STR(content("pids/web.service/pids.max"), "");
	CHECK(access("memory/web.service", F_OK) < 0);
	CHECK(access("blkio/web.service", F_OK) < 0);

	fake("memory/web.service", "cgroup.procs memory.limit_in_bytes");
	fake("cpu/web.service", "cgroup.procs cpu.shares");
	CHECK_INT(cgroup_make(1, "web", &all, &g, &key), 0);
	CHECK_INT(count_fds(&g), 4);
	CHECK_STR(content("memory/web.service/memory.limit_in_bytes"),
		  "1048576");
	CHECK_STR(content("pids/web.service/pids.max"), "20");
	CHECK_STR(content("cpu/web.service/cpu.shares"), "512");
	CHECK_INT(cgroup_enter(&g), 0);
	CHECK_STR(content("cpu/web.service/cgroup.procs"), "0");
	CHECK_STR(key, "");
}

TEST(the_weight_becomes_shares_that_the_kernel_takes)
{
	static const struct {
		uint32_t weight;
		const char *shares;
	} rows[] = {
		{ 1, "10" },
		{ 100, "1024" },
		{ 10000, "102400" },
		{ 30000, "262144" },
		{ UINT32_MAX, "262144" },
	};
	const char *key = "";
	struct cgroup g;

	enter();
	REQUIRE(mkdir("cpu", 0755) == 0);
	fake("cpu/web.service", "cgroup.procs cpu.shares");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct cgroup_limits l = { .cpu_weight = rows[i].weight };

		temp_text("cpu/web.service/cpu.shares", "", 0644);
		CHECK_INT(cgroup_make(1, "web", &l, &g, &key), 0);
		CHECK_STR(content("cpu/web.service/cpu.shares"),
			  rows[i].shares);
	}
}

TEST(another_hierarchy_lists_processes_where_pids_is_missing)
{
	const struct cgroup_limits limits = { .pids_max = 3 };
	const char *key = "";
	struct cgroup g;

	enter();
	/* None at all: as if there were no control groups. */
	CHECK_INT(cgroup_make(1, "web", &none, &g, &key), 0);
	CHECK_INT(g.version, 0);
	CHECK_INT(cgroup_make(1, "web", &limits, &g, &key), -EOPNOTSUPP);
	CHECK_STR(key, "pids-max");

	REQUIRE(mkdir("devices", 0755) == 0);
	CHECK_INT(cgroup_make(1, "web", &none, &g, &key), 0);
	CHECK_INT(count_fds(&g), 1);
	CHECK(access("devices/web.service", F_OK) == 0);
	REQUIRE(mkdir("freezer", 0755) == 0);
	CHECK_INT(cgroup_make(1, "web", &none, &g, &key), 0);
	CHECK_INT(count_fds(&g), 1);
	CHECK(access("freezer/web.service", F_OK) == 0);
	CHECK_INT(cgroup_make(1, "web", &limits, &g, &key), -EOPNOTSUPP);
	CHECK_STR(key, "pids-max");
}

TEST(what_fails_is_named_and_nothing_stays_open)
{
	static const char long_name[] = "thirty-two-bytes-are-one-too-many";
	const struct cgroup_limits memory = { .memory_max = 1 },
				   cpu = { .cpu_weight = 1 };
	struct cgroup g = { .version = 7 };
	const char *key = "";
	int next;

	enter();
	next = dup(0);
	close(next);
	CHECK_INT(cgroup_make(2, long_name, &none, &g, &key), -ENAMETOOLONG);
	CHECK_STR(key, "/sys/fs/cgroup");
	/* There is no such controller, or none that has the file. */
	CHECK_INT(cgroup_make(2, "web", &memory, &g, &key), -EOPNOTSUPP);
	CHECK_STR(key, "memory-max");
	temp_text("cgroup.subtree_control", "", 0644);
	CHECK_INT(cgroup_make(2, "web", &cpu, &g, &key), -ENOENT);
	CHECK_STR(key, "cpu-weight");
	REQUIRE(mkdir("pids", 0755) == 0);
	CHECK_INT(cgroup_make(1, "web", &cpu, &g, &key), -EOPNOTSUPP);
	CHECK_STR(key, "cpu-weight");
	temp_text("pids/file.service", "", 0644);
	CHECK_INT(cgroup_make(1, "file", &none, &g, &key), -ENOTDIR);
	CHECK_STR(key, "/sys/fs/cgroup");
	REQUIRE(symlink("/", "pids/link.service") == 0);
	CHECK(cgroup_make(1, "link", &none, &g, &key) < 0);
	CHECK_INT(g.version, 7);
	CHECK_INT(dup(0), next);
}

/* --- who is in it --- */

/* A group of VERSION with the directory "g", in a directory of the test's own. */
static struct cgroup group(int version, const char *names)
{
	struct cgroup g;

	temp_enter();
	cgroup_none(&g);
	fake("g", names);
	g.version = version;
	g.fds[0] = open("g", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	REQUIRE(g.fds[0] >= 0);
	return g;
}

static pid_t victim(void)
{
	pid_t pid = fork();

	REQUIRE(pid >= 0);
	if (pid == 0)
		for (;;)
			(void)pause();
	return pid;
}

static void list(const char *path, const pid_t *pids, size_t count)
{
	char text[1024] = "";

	for (size_t i = 0; i < count; i++)
		(void)snprintf(text + strlen(text), 16, "%d\n", pids[i]);
	temp_text(path, text, 0644);
}

/* Ends PID by SIGTERM, unless SIGKILL was there before. Returns whether it was. */
static bool was_killed(pid_t pid)
{
	int status = 0;

	(void)kill(pid, SIGTERM);
	CHECK_INT(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

TEST(all_are_killed_but_one)
{
	struct cgroup g = group(1, "cgroup.procs freezer.state");
	pid_t pids[40];

	for (size_t i = 0; i < 40; i++)
		pids[i] = victim();
	/* Longer than what is read at once. */
	list("g/cgroup.procs", pids, 40);
	CHECK_INT(cgroup_kill(&g, pids[39]), 39);
	CHECK_STR(content("g/freezer.state"), "");
	for (size_t i = 0; i < 40; i++)
		CHECK_INT(was_killed(pids[i]), i < 39);
	pids[0] = victim();
	list("g/cgroup.procs", pids, 1);
	CHECK_INT(cgroup_kill(&g, 0), 1);
	/* It was frozen, and is not any more. */
	CHECK_STR(content("g/freezer.state"), "THAWED");
	CHECK(was_killed(pids[0]));
	temp_leave();
}

TEST(nobody_is_killed_who_may_not_be)
{
	struct cgroup g = group(1, "cgroup.procs");
	pid_t pid = victim();

	/* 0 is ourselves to kill(2), 1 is PID 1. */
	temp_text("g/cgroup.procs", "0\n1\n99999999999999999999\n4194304\n\n",
		  0644);
	CHECK_INT(cgroup_kill(&g, 0), 0);
	CHECK(cgroup_is_empty(&g));
	CHECK(!was_killed(pid));
	temp_leave();
}

TEST(groups_below_are_walked_through)
{
	struct cgroup g = group(1, "cgroup.procs tasks");
	pid_t pids[3] = { victim(), victim(), victim() };
	char deep[128] = "g";

	fake("g/a", "cgroup.procs");
	fake("g/a/b", "cgroup.procs");
	CHECK(cgroup_is_empty(&g));
	list("g/a/b/cgroup.procs", pids, 1);
	CHECK(!cgroup_is_empty(&g));
	list("g/a/cgroup.procs", pids + 1, 1);
	list("g/cgroup.procs", pids + 2, 1);
	CHECK_INT(cgroup_kill(&g, 0), 3);
	for (size_t i = 0; i < 3; i++)
		CHECK(was_killed(pids[i]));
	/* But not for ever. */
	for (int i = 0; i <= CGROUP_DEPTH_MAX; i++) {
		strcat(deep, "/d");
		fake(deep, "cgroup.procs");
	}
	temp_text("g/cgroup.procs", "", 0644);
	temp_text("g/a/cgroup.procs", "", 0644);
	temp_text("g/a/b/cgroup.procs", "", 0644);
	CHECK_INT(cgroup_kill(&g, 0), -ENAMETOOLONG);
	CHECK(!cgroup_is_empty(&g));
	temp_leave();
}

TEST(version_2_is_asked_whether_somebody_is_there)
{
	struct cgroup g = group(2, "cgroup.procs cgroup.events cgroup.kill");
	pid_t pid = victim();

	temp_text("g/cgroup.events", "populated 0\nfrozen 0\n", 0644);
	CHECK(cgroup_is_empty(&g));
	CHECK_INT(cgroup_kill(&g, 0), 0);
	CHECK_STR(content("g/cgroup.kill"), "");
	temp_text("g/cgroup.events", "populated 1\nfrozen 0\n", 0644);
	CHECK(!cgroup_is_empty(&g));
	/* All may be in groups below. */
	CHECK_INT(cgroup_kill(&g, 0), 1);
	CHECK_STR(content("g/cgroup.kill"), "1");
	list("g/cgroup.procs", (pid_t[]){ pid, pid }, 2);
	CHECK_INT(cgroup_kill(&g, 0), 2);
	/* By the kernel alone: nobody could be left out. */
	CHECK(!was_killed(pid));
	temp_leave();
}

TEST(before_5_14_version_2_is_frozen_and_walked_through)
{
	struct cgroup g = group(2, "cgroup.procs cgroup.events cgroup.freeze");
	pid_t pid = victim();

	temp_text("g/cgroup.events", "populated 1\n", 0644);
	list("g/cgroup.procs", &pid, 1);
	CHECK_INT(cgroup_kill(&g, 0), 1);
	CHECK_STR(content("g/cgroup.freeze"), "0");
	CHECK(was_killed(pid));
	temp_leave();
}

TEST(a_group_that_cannot_be_read_is_not_empty)
{
	struct cgroup g = group(1, "tasks");

	CHECK(!cgroup_is_empty(&g));
	CHECK_INT(cgroup_kill(&g, 0), -ENOENT);
	CHECK_INT(cgroup_enter(&g), -ENOENT);
	temp_leave();
}

TEST(what_a_service_left_below_is_removed)
{
	struct cgroup g = group(2, "cgroup.subtree_control cgroup.freeze");

	fake("g/a", "");
	fake("g/a/b", "");
	temp_text("g/cgroup.subtree_control", "memory\n", 0644);
	CHECK_INT(cgroup_renew(&g), 0);
	CHECK(access("g/a", F_OK) < 0);
	CHECK_STR(content("g/cgroup.freeze"), "0");
	CHECK_STR(content("g/cgroup.subtree_control"), "-memory");
	/* One that somebody is in stays: this file stands for it. */
	fake("g/a", "process");
	CHECK_INT(cgroup_renew(&g), -ENOTEMPTY);
	temp_leave();
}

CHECK_MAIN("cgroup")
