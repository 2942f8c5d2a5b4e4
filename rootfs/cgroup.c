#include "rootfs/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rootfs/file.h"
#include "rootfs/number.h"
#include "rootfs/tree.h"

enum {
	FILE_MAX = 16384, /* the kernel's longer lists */
	READ_SIZE = 512,  /* keeps PID 1's stack small */
	MOUNT_FLAGS = MS_NOSUID | MS_NODEV | MS_NOEXEC,
};

static const char top[] = "/sys/fs/cgroup";

static bool has_word(const char *text, size_t len, const char *word)
{
	size_t n = strlen(word), i, start = 0;

	for (i = 0; i <= len; i++) {
		if (i < len && text[i] != ' ' && text[i] != '\n')
			continue;
		if (i - start == n && memcmp(text + start, word, n) == 0)
			return true;
		start = i + 1;
	}
	return false;
}

bool cgroup_has_controllers(const char *text, size_t len)
{
	return has_word(text, len, "cpu") && has_word(text, len, "memory") &&
	       has_word(text, len, "pids");
}

char *cgroup_next_v1(char **at)
{
	char *line, *end, *name_end, *p;

	while (**at) {
		line = *at;
		end = strchrnul(line, '\n');
		*at = *end ? end + 1 : end;
		*end = '\0';
		name_end = strchr(line, '\t');
		p = strrchr(line, '\t');
		if (line[0] == '#' || !name_end || name_end == line ||
		    strcmp(p + 1, "1") != 0)
			continue;
		*name_end = '\0';
		return line;
	}
	return NULL;
}

/* The first bytes of a short file of the kernel's. Their number or -errno. */
static ssize_t read_short(int dirfd, const char *name, char buf[READ_SIZE])
{
	return file_read_start(openat(dirfd, name, O_RDONLY | O_CLOEXEC), buf,
			       READ_SIZE);
}

static int mount_v2(void)
{
	char controllers[READ_SIZE];
	ssize_t n;

	/*
	 * nsdelegate: a process that mounts it in a namespace of its own
	 * controls only the groups of that namespace.
	 */
	if (mount("cgroup2", top, "cgroup2", MOUNT_FLAGS, "nsdelegate") < 0)
		return -errno;
	n = read_short(AT_FDCWD, "/sys/fs/cgroup/cgroup.controllers",
		       controllers);
	if (n > 0 && cgroup_has_controllers(controllers, (size_t)n))
		return 0;
	/* Version 1 has its controllers, or the kernel is too old (4.14). */
	if (umount2(top, 0) < 0)
		return -errno;
	return -ENODEV;
}

static int mount_v1(void)
{
	struct file f = { 0 };
	char *at, *name, path[sizeof(top) + NAME_MAX + 1];
	int mounted = 0, r;
	size_t len;

	r = file_read(AT_FDCWD, "/proc/cgroups", FILE_MAX, &f);
	if (r < 0)
		return r;
	if (mount("tmpfs", top, "tmpfs", MOUNT_FLAGS, "mode=0755") < 0) {
		r = -errno;
		goto out;
	}
	memcpy(path, top, sizeof(top));
	path[sizeof(top) - 1] = '/';
	at = f.data;
	while ((name = cgroup_next_v1(&at))) {
		len = strlen(name);
		if (len > NAME_MAX)
			continue;
		memcpy(path + sizeof(top), name, len + 1);
		if (mkdir(path, 0755) < 0)
			continue;
		/*
		 * Listed as enabled, and yet missing from version 1: so it is
		 * on kernels without MEMCG_V1 and CPUSETS_V1.
		 */
		if (mount("cgroup", path, "cgroup", MOUNT_FLAGS, name) < 0)
			(void)rmdir(path);
		else
			mounted++;
	}
	if (mounted == 0)
		(void)umount2(top, 0);
	r = mounted;
out:
	file_free(&f);
	return r;
}

int cgroup_mount(void)
{
	int r;

	/* sysfs has this directory only if the kernel has control groups. */
	if (access(top, F_OK) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (mount_v2() == 0)
		return 2;
	r = mount_v1();
	if (r == -ENOENT)
		return 0;
	return r > 0 ? 1 : r;
}

/* --- the group of a service --- */

enum {
	HIERARCHY_MAX =
		12, /* bytes of a controller's name in the tables below */
	PATH_SIZE = sizeof(top) + HIERARCHY_MAX + CGROUP_NAME_MAX + 16,
	PID_LIMIT = 4 << 20, /* PID_MAX_LIMIT, include/linux/threads.h */
	WEIGHT_DEFAULT = 100,
	SHARES_DEFAULT = 1024, /* of cpu.shares, with the bounds below */
	SHARES_MIN = 2,
	SHARES_MAX = 1 << 18,
};

enum { LIMIT_MEMORY, LIMIT_PIDS, LIMIT_CPU, LIMITS };

/* The keys of the configuration, and their files in either version. */
static const struct {
	char key[12], controller[8], v2[12], v1[24];
} limit_rows[LIMITS] = {
	[LIMIT_MEMORY] = { "memory-max", "memory", "memory.max",
			   "memory.limit_in_bytes" },
	[LIMIT_PIDS] = { "pids-max", "pids", "pids.max", "pids.max" },
	[LIMIT_CPU] = { "cpu-weight", "cpu", "cpu.weight", "cpu.shares" },
};

void cgroup_none(struct cgroup *g)
{
	g->version = 0;
	for (size_t i = 0; i < CGROUP_FDS; i++)
		g->fds[i] = -1;
}

static void close_all(struct cgroup *g)
{
	for (size_t i = 0; i < CGROUP_FDS; i++)
		if (g->fds[i] >= 0)
			close(g->fds[i]);
	cgroup_none(g);
}

static int write_text(int dirfd, const char *name, const char *text)
{
	return file_put_text(openat(dirfd, name, O_WRONLY | O_CLOEXEC), text);
}

static int write_number(int dirfd, const char *name, uint64_t n)
{
	char text[NUMBER_SIZE];

	(void)number_put(text, n);
	return write_text(dirfd, name, text);
}

/*
 * Makes the group NAME below the top, or in HIERARCHY of it if that is not "",
 * and adds it to G. Returns its descriptor, which belongs to G, or -errno:
 * -EOPNOTSUPP if there is no such hierarchy.
 */
static int add_group(struct cgroup *g, const char *hierarchy, const char *name)
{
	char path[PATH_SIZE], *p = path;
	size_t i = 0;
	int fd;

	p = mempcpy(p, top, sizeof(top) - 1);
	*p++ = '/';
	if (*hierarchy) {
		p = mempcpy(p, hierarchy, strlen(hierarchy));
		*p++ = '/';
	}
	p = mempcpy(p, name, strlen(name));
	memcpy(p, ".service", sizeof(".service"));
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return errno == ENOENT ? -EOPNOTSUPP : -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (g->fds[i] >= 0) /* there is always room for it */
		i++;
	g->fds[i] = fd;
	return fd;
}

enum { V1_PIDS, V1_FREEZER };

/*
 * Adds a hierarchy that lists all processes of the group; one of them has to.
 * Returns which: V1_PIDS, V1_FREEZER, another, or -errno.
 */
static int add_list_v1(struct cgroup *g, const char *name)
{
	/*
	 * Not cpuset: a group there takes no process until it has processors.
	 */
	static const char names[][HIERARCHY_MAX] = {
		[V1_PIDS] = "pids",
		[V1_FREEZER] = "freezer",
		"memory",
		"cpu",
		"cpuacct",
		"devices",
		"blkio",
		"net_cls",
		"perf_event",
	};
	int r = -EOPNOTSUPP;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		r = add_group(g, names[i], name);
		if (r >= 0)
			return (int)i;
		if (r != -EOPNOTSUPP)
			break;
	}
	return r;
}

/* LIST is the hierarchy of the first descriptor. */
static int set_limit_v1(struct cgroup *g, const char *name, int list,
			size_t limit, uint64_t value)
{
	int fd;

	if (limit == LIMIT_PIDS)
		fd = list == V1_PIDS ? g->fds[0] : -EOPNOTSUPP;
	else
		fd = add_group(g, limit_rows[limit].controller, name);
	if (fd < 0)
		return fd;
	if (limit == LIMIT_CPU) {
		value = value * SHARES_DEFAULT / WEIGHT_DEFAULT;
		if (value < SHARES_MIN)
			value = SHARES_MIN;
		if (value > SHARES_MAX)
			value = SHARES_MAX;
	}
	return write_number(fd, limit_rows[limit].v1, value);
}

static int set_limit_v2(const struct cgroup *g, size_t limit, uint64_t value)
{
	static const char control[] = "/sys/fs/cgroup/cgroup.subtree_control";
	char text[1 + sizeof(limit_rows[0].controller)] = "+";
	int r;

	memcpy(text + 1, limit_rows[limit].controller,
	       sizeof(limit_rows[limit].controller));
	r = write_text(AT_FDCWD, control, text);
	if (r == -EINVAL || r == -ENOENT) /* no such controller */
		r = -EOPNOTSUPP;
	return r < 0 ? r : write_number(g->fds[0], limit_rows[limit].v2, value);
}

int cgroup_make(int version, const char *name,
		const struct cgroup_limits *limits, struct cgroup *ret,
		const char **reterr_key)
{
	const uint64_t values[LIMITS] = {
		[LIMIT_MEMORY] = limits->memory_max,
		[LIMIT_PIDS] = limits->pids_max,
		[LIMIT_CPU] = limits->cpu_weight,
	};
	const char *key = top;
	struct cgroup g;
	int list = 0, r;

	cgroup_none(&g);
	if (strlen(name) > CGROUP_NAME_MAX) {
		r = -ENAMETOOLONG;
		goto out;
	}
	r = version == 0 ? 0 :
	    version == 1 ? add_list_v1(&g, name) :
			   add_group(&g, "", name);
	/* Only controllers that list no processes: treat it as no group. */
	if (r == -EOPNOTSUPP)
		r = version = 0;
	if (r < 0)
		goto out;
	list = r;
	g.version = version;
	/* Used to freeze processes that are killed. A kernel may lack it. */
	if (version == 1 && list != V1_FREEZER)
		(void)add_group(&g, "freezer", name);
	r = 0;
	for (size_t i = 0; i < LIMITS && r == 0; i++) {
		if (values[i] == 0)
			continue;
		key = limit_rows[i].key;
		r = version == 0 ? -EOPNOTSUPP :
		    version == 1 ? set_limit_v1(&g, name, list, i, values[i]) :
				   set_limit_v2(&g, i, values[i]);
	}
out:
	if (r < 0) {
		close_all(&g);
		*reterr_key = key;
	} else {
		*ret = g;
		r = 0;
	}
	return r;
}

int cgroup_enter(const struct cgroup *g)
{
	int r = 0;

	for (size_t i = 0; i < CGROUP_FDS && r == 0; i++)
		if (g->fds[i] >= 0)
			r = write_text(g->fds[i], "cgroup.procs", "0");
	return r;
}

/* --- the processes in a group --- */

/* The processes that a walk finds, in the group and in those below. */
struct visit {
	void (*see)(struct visit *v, pid_t pid);
	int count; /* of processes */
	int error; /* the first, as -errno */
	int depth;
	/* of a kill */
	struct file seen; /* a bit for each pid */
	pid_t except;
	int fresh; /* processes that were not seen before */
};

static void visit_processes(struct visit *v, int dirfd)
{
	char buf[READ_SIZE];
	pid_t pid = 0;
	ssize_t n;
	int fd = openat(dirfd, "cgroup.procs", O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		v->error = v->error ? v->error : -errno;
		return;
	}
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		for (ssize_t i = 0; i < n; i++) {
			if (buf[i] >= '0' && buf[i] <= '9') {
				if (pid < PID_LIMIT)
					pid = 10 * pid + buf[i] - '0';
				continue;
			}
			/* 0 is a process outside of our PID namespace. */
			if (pid > 1 && pid < PID_LIMIT) {
				v->count++;
				v->see(v, pid);
			}
			pid = 0;
		}
	/* A threaded group has no list of processes, but an ancestor has. */
	if (n < 0 && errno != EOPNOTSUPP)
		v->error = v->error ? v->error : -errno;
	close(fd);
}

static void visit_group(struct visit *v, int dirfd);

static bool visit_entry(void *ctx, int dirfd, const char *name,
			int *first_error)
{
	struct visit *v = ctx;
	int fd;

	fd = openat(dirfd, name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) /* a file, most of the time */
		return false;
	if (v->depth == CGROUP_DEPTH_MAX) {
		*first_error = *first_error ? *first_error : -ENAMETOOLONG;
	} else {
		v->depth++;
		visit_group(v, fd);
		v->depth--;
	}
	close(fd);
	return false;
}

static void visit_group(struct visit *v, int dirfd)
{
	visit_processes(v, dirfd);
	tree_each(dirfd, visit_entry, v, &v->error);
}

static void see_nothing(struct visit *v, pid_t pid)
{
	(void)v;
	(void)pid;
}

/* Returns 1, 0, or -errno if the kernel does not say. */
static int is_populated(const struct cgroup *g)
{
	static const char line[] = "populated 0"; /* the first one */
	const size_t len = sizeof(line) - 1;
	struct visit v = { .see = see_nothing };
	char events[READ_SIZE];
	ssize_t n;

	n = read_short(g->fds[0], "cgroup.events", events);
	if (n >= 0)
		return (size_t)n < len || memcmp(events, line, len) != 0;
	visit_group(&v, g->fds[0]);
	return v.count > 0 ? 1 : v.error;
}

bool cgroup_is_empty(const struct cgroup *g)
{
	return g->version == 0 || is_populated(g) == 0;
}

/* --- killing a group --- */

static void kill_one(struct visit *v, pid_t pid)
{
	char *byte = v->seen.data ? v->seen.data + pid / 8 : NULL;

	if (pid == v->except)
		return;
	/*
	 * Without memory for the bits each pass takes every process for a new
	 * one.
	 */
	if (!byte || !(*byte & 1 << pid % 8))
		v->fresh++;
	if (byte)
		*byte = (char)(*byte | 1 << pid % 8);
	(void)kill(pid, SIGKILL);
}

/* Version 1 has the first file, version 2 since Linux 5.2 the second. */
static void set_frozen(const struct cgroup *g, bool frozen)
{
	for (size_t i = 0; i < CGROUP_FDS; i++) {
		if (g->fds[i] < 0)
			continue;
		(void)write_text(g->fds[i], "freezer.state",
				 frozen ? "FROZEN" : "THAWED");
		(void)write_text(g->fds[i], "cgroup.freeze",
				 frozen ? "1" : "0");
	}
}

/*
 * A process that has SIGKILL starts no other. So once a pass finds only
 * processes that have it, none is left out. The freezer keeps a chain of forks
 * from running ahead of the passes; frozen processes die when they are thawed.
 */
static int kill_by_passes(const struct cgroup *g, pid_t except)
{
	struct visit v = { .see = kill_one, .except = except };
	int found = 0, passes = 0;

	(void)file_alloc(PID_LIMIT / 8, &v.seen);
	/*
	 * Do not freeze if that interrupts system calls of the spared process.
	 */
	if (except == 0)
		set_frozen(g, true);
	do {
		v.fresh = 0;
		v.error = 0;
		visit_group(&v, g->fds[0]);
		found += v.fresh;
	} while (v.fresh > 0 && ++passes < CGROUP_PASSES_MAX);
	if (except == 0)
		set_frozen(g, false);
	file_free(&v.seen);
	if (v.fresh > 0)
		return -EAGAIN;
	return v.error < 0 ? v.error : found;
}

int cgroup_kill(const struct cgroup *g, pid_t except)
{
	struct visit v = { .see = see_nothing };
	int r;

	if (g->version == 0)
		return 0;
	if (except != 0)
		return kill_by_passes(g, except);
	r = is_populated(g);
	if (r == 0)
		return 0;
	visit_processes(&v, g->fds[0]);
	if (write_text(g->fds[0], "cgroup.kill", "1") < 0)
		return kill_by_passes(g, except);
	return v.count > 0 ? v.count : 1;
}

/* --- entering a group again --- */

static bool remove_entry(void *ctx, int dirfd, const char *name,
			 int *first_error)
{
	int fd, *depth = ctx, down = *depth + 1;

	fd = openat(dirfd, name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (*depth < CGROUP_DEPTH_MAX)
		tree_each(fd, remove_entry, &down, first_error);
	close(fd);
	if (unlinkat(dirfd, name, AT_REMOVEDIR) == 0)
		return true;
	*first_error = *first_error ? *first_error : -errno;
	return false;
}

/* A group that passes controllers on to others takes no process itself. */
static int disable_controllers(int dirfd)
{
	static const char control[] = "cgroup.subtree_control";
	char text[1 + NAME_MAX + 1] = "-";
	struct file f = { 0 };
	char *word, *at = NULL;
	size_t len;
	int r;

	r = file_read(dirfd, control, FILE_MAX, &f);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	for (word = strtok_r(f.data, " \n", &at); word && r == 0;
	     word = strtok_r(NULL, " \n", &at)) {
		len = strlen(word);
		if (len > NAME_MAX)
			continue;
		memcpy(text + 1, word, len + 1);
		r = write_text(dirfd, control, text);
	}
	file_free(&f);
	return r;
}

int cgroup_renew(const struct cgroup *g)
{
	int depth = 0, first_error = 0, r;

	set_frozen(g, false);
	for (size_t i = 0; i < CGROUP_FDS; i++) {
		if (g->fds[i] < 0)
			continue;
		tree_each(g->fds[i], remove_entry, &depth, &first_error);
		r = disable_controllers(g->fds[i]);
		if (r < 0 && first_error == 0)
			first_error = r;
	}
	return first_error;
}
