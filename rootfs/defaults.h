#ifndef ROOTFS_DEFAULTS_H
#define ROOTFS_DEFAULTS_H

#include <stddef.h>

/*
 * What a distribution's udev and sysctl.d, or a container runtime, would have
 * set up in the kernel, beside the mounts: two tables, applied in order.
 */

/* Devices that every user may open, if the kernel has them. */
struct defaults_device {
	char path[16];
};
extern const struct defaults_device defaults_devices[];
extern const size_t defaults_device_count;

/* Sysctls, by their names below /proc/sys, if the kernel has them. */
struct defaults_sysctl {
	char name[40];
	char value[16];
};
extern const struct defaults_sysctl defaults_sysctls[];
extern const size_t defaults_sysctl_count;

/* Each applies one row. Returns 0, also if the kernel lacks it, or -errno. */
int defaults_open_device(const struct defaults_device *row);
int defaults_set_sysctl(const struct defaults_sysctl *row);

#endif
