#ifndef ROOTFS_DEFAULTS_H
#define ROOTFS_DEFAULTS_H

#include <stddef.h>

/*
 * Beside the mounts, what a distribution's udev and sysctl.d, or a container
 * runtime, would have set in a kernel that nobody has set up: tables, in order.
 */

/* Devices that every user may open, where the kernel has them. */
struct defaults_device {
	char path[16];
};
extern const struct defaults_device defaults_devices[];
extern const size_t defaults_device_count;

/* Sysctls, by their names below /proc/sys, where the kernel has them. */
struct defaults_sysctl {
	char name[40];
	char value[16];
};
extern const struct defaults_sysctl defaults_sysctls[];
extern const size_t defaults_sysctl_count;

/* Each does one row: 0, also where there is no such thing, or -errno. */
int defaults_open_device(const struct defaults_device *row);
int defaults_set_sysctl(const struct defaults_sysctl *row);

#endif
