#include "init/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "init/boot.h"
#include "init/console.h"
#include "init/log.h"
#include "init/names.h"
#include "init/spec/config.h"
#include "init/spec/user.h"
#include "rootfs/bind.h"
#include "rootfs/cgroup.h"
#include "rootfs/defaults.h"
#include "rootfs/etc.h"
#include "rootfs/loopback.h"
#include "rootfs/mounts.h"
#include "rootfs/protect.h"

enum {
	NOFILE_MIN = 65536,
	MODE_OPEN = 0666,
	MODE_GROUP = 0660,
	MODE_OWNER = 0600,
	SPARE_MIN = 1 << 20, /* less memory than that is none to be shared */
};

static void warn(const struct boot *b, const char *object, const char *reason)
{
	log_line(boot_steps[b->step].name, object, reason);
}

static int fail_named(struct boot *b, const char *key, const char *value,
		      const char *reason)
{
	struct text t;

	text_clear(&t);
	text_add(&t, key);
	text_add(&t, " ");
	text_add(&t, value);
	return boot_fail(b, text_string(&t), reason);
}

/* --- file systems --- */

static int mount_row(struct boot *b, const struct mount_row *row)
{
	bool mounted = false;
	int r = mounts_mount(row, &mounted);

	if (r == 0)
		return 0;
	if (!mounted && row->policy == MOUNT_STOP)
		return boot_fail(b, row->target, strerror(-r));
	if (row->policy != MOUNT_OPTIONAL || r != -ENODEV)
		warn(b, row->target, strerror(-r));
	return 0;
}

/* The size that the configuration says of the file system at TARGET, or NULL. */
static const char *size_of(const struct config *c, const char *target)
{
	if (strcmp(target, "/tmp") == 0)
		return c->tmp_size;
	if (strcmp(target, "/run") == 0)
		return c->run_size;
	return strcmp(target, "/dev/shm") == 0 ? c->shm_size : NULL;
}

/*
 * ROW with the SIZE that the configuration says, without which the boot stops, or
 * with its share of the SPARE memory if that is NULL.
 */
static int mount_sized(struct boot *b, const struct mount_row *row,
		       const char *size, uint64_t spare)
{
	struct mount_row sized = *row;
	char bounded[MOUNTS_DATA_MAX];
	struct text t;

	if (size) {
		text_clear(&t);
		text_add(&t, row->data);
		text_add(&t, ",size=");
		text_add(&t, size);
		sized.data = text_string(&t);
		sized.policy = MOUNT_STOP;
	} else {
		sized.data = mounts_bounded(
			row->data, spare / 100 * row->percent, bounded);
	}
	return mount_row(b, &sized);
}

static int mount_all(struct boot *b)
{
	const struct mount_row *row;
	const char *size;
	uint64_t spare;
	int r = 0;

	spare = mounts_spare();
	for (size_t i = 0; i < mounts_count && r == 0; i++) {
		row = &mounts_table[i];
		size = size_of(b->config, row->target);
		/* A size of 0 would be none. */
		if (size || (row->percent > 0 && spare >= SPARE_MIN))
			r = mount_sized(b, row, size, spare);
		else
			r = mount_row(b, row);
	}
	return r;
}

static int mount_more(struct boot *b)
{
	const struct config *c = b->config;

	for (size_t i = 0; i < c->tmpfs_count; i++) {
		const struct mount_row row = {
			.target = c->tmpfs[i].path,
			.type = "tmpfs",
			.data = c->tmpfs[i].data,
			.flags = c->tmpfs[i].flags,
			.policy = MOUNT_STOP,
		};

		etc_make_parents(row.target);
		if (mount_row(b, &row) < 0)
			return -1;
	}
	return 0;
}

/* --- /dev/nsm --- */

/* Who may use it, besides root. */
struct access {
	uid_t owner;
	gid_t group;
	int mode;
};

/*
 * The group "nsm" of the image, else the application's, where the configuration
 * names none. A group 0 that nobody asked for is no permission: it is also what a
 * number without a line in /etc/passwd has. Then the application's user alone.
 */
static void default_access(struct boot *b, struct access *a)
{
	const struct names *n = &b->names;
	const struct config *c = b->config;
	const struct config_service *app = &c->services[0];

	/* A user that is not there is reported when it is to run. */
	if (names_resolve(n, "0", "nsm", &b->user) < 0 &&
	    names_resolve(n, app->user ? app->user : "0", app->group,
			  &b->user) < 0)
		return;
	a->group = b->user.gid;
	if (a->group != 0 || c->nsm_mode.is_set)
		return;
	a->mode = MODE_OWNER;
	if (!c->nsm_owner)
		a->owner = b->user.uid;
}

static int find_access(struct boot *b, struct access *ret)
{
	const struct names *n = &b->names;
	const struct config *c = b->config;
	struct access a = {
		.mode = c->nsm_mode.is_set ? (int)c->nsm_mode.value :
			c->nsm_is_open	   ? MODE_OPEN :
					     MODE_GROUP,
	};

	if (c->nsm_owner) {
		if (names_resolve(n, c->nsm_owner, NULL, &b->user) < 0)
			return fail_named(b, "nsm-owner", c->nsm_owner,
					  "not in " USER_PASSWD);
		a.owner = b->user.uid;
	}
	if (c->nsm_group) {
		if (names_resolve(n, "0", c->nsm_group, &b->user) < 0)
			return fail_named(b, "nsm-group", c->nsm_group,
					  "not in " USER_GROUP);
		a.group = b->user.gid;
	} else if (!c->nsm_is_open) {
		default_access(b, &a);
	}
	*ret = a;
	return 0;
}

/* "user 0 and group 50" */
static void tell_access(const struct boot *b, const struct access *a)
{
	struct text t;

	text_clear(&t);
	text_add(&t, "open to ");
	if (a->mode & 06) {
		text_add(&t, "everybody");
	} else {
		text_add(&t, "user ");
		text_add_number(&t, a->owner);
		if (a->mode & 060) {
			text_add(&t, " and group ");
			text_add_number(&t, a->group);
		}
	}
	log_debug(boot_steps[b->step].name, "/dev/nsm", text_string(&t));
}

/* The node is of devtmpfs, and so the one that the application sees. */
static int set_nsm_access(struct boot *b)
{
	const struct config *c = b->config;
	struct access a;
	int r;

	/* An image that says nothing has what AWS's init leaves. */
	if (!c->is_there)
		return 0;
	if (boot_read_names(b) < 0 || find_access(b, &a) < 0)
		return -1;
	r = file_set_access("/dev/nsm", a.owner, a.group, a.mode);
	/* Where there is none, nothing is open to anybody. */
	if (r == -ENOENT && !c->nsm_owner && !c->nsm_group &&
	    !c->nsm_mode.is_set)
		return 0;
	if (r < 0)
		return boot_fail(b, "/dev/nsm", strerror(-r));
	tell_access(b, &a);
	return 0;
}

static void try(struct boot *b, const char *object, int r)
{
	if (r < 0)
		warn(b, object, strerror(-r));
}

/* As on other machines; the NSM's device, which they do not have, is above. */
static void open_devices(struct boot *b)
{
	if (b->config->devices_are_closed)
		return;
	for (size_t i = 0; i < defaults_device_count; i++)
		try(b, defaults_devices[i].path,
		    defaults_open_device(&defaults_devices[i]));
}

static void put_tool(struct boot *b)
{
	static const char path[] = "/run/enclave/bin/nsm";
	int r;

	if (b->tool_fd < 0)
		return;
	r = bind_put(b->tool_fd, path);
	if (r < 0)
		warn(b, path, strerror(-r));
	close(b->tool_fd);
	b->tool_fd = -1;
}

/* --- names and addresses --- */

static int add_hosts(struct boot *b)
{
	const struct config *c = b->config;
	int r = 0;

	for (size_t i = 0; i < c->host_count && r == 0; i++)
		r = etc_add_host(c->hosts[i].address, c->hosts[i].name);
	if (r == 0)
		r = relay_add_hosts(c, etc_add_host);
	return r < 0 ? boot_fail(b, "/etc/hosts", strerror(-r)) : 0;
}

static int set_resolver(struct boot *b)
{
	const struct config *c = b->config;
	const char *const own = config_resolver(c);
	const struct etc_resolver resolver = {
		.search = c->dns_search,
		.servers = own ? &own : c->dns,
		.server_count = own ? 1 : c->dns_count,
		.options = c->dns_option,
	};
	int r;

	if (resolver.server_count == 0 && !c->dns_search && !c->dns_option)
		return 0;
	r = etc_set_resolver(&resolver);
	return r < 0 ? boot_fail(b, "/etc/resolv.conf", strerror(-r)) : 0;
}

static int set_hostname(struct boot *b)
{
	const char *name = b->config->hostname;
	int r = etc_hostname(name ? name : "localhost");

	if (r < 0 && name)
		return fail_named(b, "hostname", name, strerror(-r));
	if (r < 0)
		warn(b, "hostname", strerror(-r));
	return 0;
}

/* After the lines that were asked for, which may have it. */
static void name_host(struct boot *b)
{
	const char *name = b->config->hostname;

	if (name)
		try(b, "hostname in /etc/hosts", etc_host_name(name));
}

/* --- the kernel --- */

static void set_default_sysctls(struct boot *b)
{
	for (size_t i = 0; i < defaults_sysctl_count; i++)
		try(b, defaults_sysctls[i].name,
		    defaults_set_sysctl(&defaults_sysctls[i]));
}

static int set_sysctls(struct boot *b)
{
	const struct config *c = b->config;
	int r;

	for (size_t i = 0; i < c->sysctl_count; i++) {
		r = etc_sysctl(c->sysctls[i].name, c->sysctls[i].value);
		if (r < 0 && c->sysctls[i].may_fail)
			warn(b, c->sysctls[i].name, strerror(-r));
		else if (r < 0)
			return fail_named(b, "sysctl", c->sysctls[i].name,
					  strerror(-r));
	}
	return 0;
}

/* What cannot be undone comes last. */
static int lock_kernel(struct boot *b)
{
	const struct config *c = b->config;
	const char scope[] = { (char)('0' + c->ptrace_scope.value), '\0' };
	const struct {
		char key[20];
		char name[28];
		const char *value;
		bool wanted;
	} locks[] = {
		{ "ptrace-scope", "kernel/yama/ptrace_scope", scope,
		  c->ptrace_scope.is_set },
		{ "kexec-load-disabled", "kernel/kexec_load_disabled", "1",
		  c->kexec_load_disabled },
		{ "modules-disabled", "kernel/modules_disabled", "1",
		  c->modules_disabled },
	};
	int r;

	for (size_t i = 0; i < sizeof(locks) / sizeof(locks[0]); i++) {
		if (!locks[i].wanted)
			continue;
		r = etc_sysctl(locks[i].name, locks[i].value);
		/* What the kernel cannot do at all need not be forbidden. */
		if (r == -ENOENT && i > 0)
			continue;
		if (r < 0)
			return boot_fail(b, locks[i].key,
					 r == -ENOENT ? "the kernel has no "
							"Yama" :
							strerror(-r));
	}
	return 0;
}

static int make_read_only(struct boot *b)
{
	if (!b->config->read_only ||
	    mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) == 0)
		return 0;
	return boot_fail(b, "read-only", strerror(errno));
}

/* --- what warns --- */

static int raise_nofile(void)
{
	struct rlimit limit;

	/* musl's setrlimit brings what it takes to stop all threads. */
	if (prlimit(0, RLIMIT_NOFILE, NULL, &limit) < 0)
		return -errno;
	if (limit.rlim_max < NOFILE_MIN)
		limit.rlim_max = NOFILE_MIN;
	limit.rlim_cur = limit.rlim_max;
	return prlimit(0, RLIMIT_NOFILE, &limit, NULL) < 0 ? -errno : 0;
}

static void mount_cgroups(struct boot *b)
{
	int r = cgroup_mount();

	try(b, "/sys/fs/cgroup", r);
	b->cgroup_version = r < 0 ? 0 : r;
}

static void set_up_defaults(struct boot *b)
{
	try(b, "/dev", etc_dev_links());
	try(b, "/dev/console", console_reopen_stdio());
	try(b, "lo", loopback_up());
	try(b, "/etc/hosts", etc_hosts());
	try(b, "/etc/mtab", etc_mtab());
	try(b, "/etc/resolv.conf", etc_resolv_conf());
	try(b, "RLIMIT_NOFILE", raise_nofile());
	try(b, "setresgid", protect_limits());
}

int machine_set_up(struct boot *b)
{
	if (mount_all(b) < 0 || mount_more(b) < 0 || set_nsm_access(b) < 0)
		return -1;
	mount_cgroups(b);
	set_up_defaults(b);
	open_devices(b);
	set_default_sysctls(b);
	put_tool(b);
	if (set_hostname(b) < 0 || add_hosts(b) < 0)
		return -1;
	name_host(b);
	if (set_resolver(b) < 0 || set_sysctls(b) < 0 || lock_kernel(b) < 0)
		return -1;
	return make_read_only(b);
}
