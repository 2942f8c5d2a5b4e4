#ifndef ROOTFS_CGROUP_H
#define ROOTFS_CGROUP_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Mounts the control groups below /sys/fs/cgroup: version 2 if its
 * controllers name cpu, memory and pids, else a tmpfs with one directory for
 * each version 1 controller that the kernel has, else nothing. Returns the
 * version, 0 where there is none, or -errno.
 */
int cgroup_mount(void);

/*
 * Whether TEXT of LEN bytes, a cgroup.controllers file, names all that a
 * container needs. Pure.
 */
bool cgroup_has_controllers(const char *text, size_t len);

/*
 * Takes the next enabled controller's name from *AT, text of /proc/cgroups
 * (subsys_name, hierarchy, num_cgroups, enabled, by tabs; # comments) that ends
 * in NUL; makes it a string in place. NULL at the end. Pure.
 */
char *cgroup_next_v1(char **at);

#endif
