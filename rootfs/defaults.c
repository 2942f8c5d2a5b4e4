#include "rootfs/defaults.h"

#include <errno.h>
#include <sys/types.h>

#include "rootfs/etc.h"
#include "rootfs/file.h"

enum { MODE_OPEN = 0666 };

/* Modes of udev's 50-udev-default.rules; the kernel makes them root's. */
const struct defaults_device defaults_devices[] = {
	{ "/dev/vsock" },
	{ "/dev/net/tun" },
};

const size_t defaults_device_count =
	sizeof(defaults_devices) / sizeof(defaults_devices[0]);

const struct defaults_sysctl defaults_sysctls[] = {
	/* as container runtimes: users may serve, ping */
	{ "net/ipv4/ip_unprivileged_port_start", "0" }, /* since 4.11 */
	{ "net/ipv4/ping_group_range", "0 2147483647" },
	/* as systemd's sysctl.d: makes a shared /tmp safe */
	{ "fs/protected_symlinks", "1" },
	{ "fs/protected_hardlinks", "1" },
	{ "fs/protected_fifos", "1" }, /* since 4.19, as the next */
	{ "fs/protected_regular", "2" },
	{ "net/unix/max_dgram_qlen", "512" },
};

const size_t defaults_sysctl_count =
	sizeof(defaults_sysctls) / sizeof(defaults_sysctls[0]);

static int unless_missing(int r)
{
	return r == -ENOENT || r == -ENOTDIR ? 0 : r;
}

int defaults_open_device(const struct defaults_device *row)
{
	return unless_missing(
		file_set_access(row->path, (uid_t)-1, (gid_t)-1, MODE_OPEN));
}

int defaults_set_sysctl(const struct defaults_sysctl *row)
{
	return unless_missing(etc_sysctl(row->name, row->value));
}
