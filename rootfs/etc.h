#ifndef ROOTFS_ETC_H
#define ROOTFS_ETC_H

#include <stddef.h>

/*
 * The small things that an application takes for granted. Each function returns
 * 0 or -errno, and changes nothing that the image brings in /etc, unless its
 * comment says otherwise.
 */

/* Makes /dev/fd, stdin, stdout, stderr, and a /dev/ptmx that all can use. */
int etc_dev_links(void);

/* Sets the host name. */
int etc_hostname(const char *name);

/* Writes VALUE to NAME below /proc/sys, a path with slashes. */
int etc_sysctl(const char *name, const char *value);

/* Makes the missing directories that PATH, an absolute path, lies in. */
void etc_make_parents(const char *path);

/* Writes /etc/hosts for localhost if it is missing or empty. */
int etc_hosts(void);

/*
 * Adds a last line to /etc/hosts with 127.0.0.1 for NAME, of 64 bytes at most,
 * and for the part of NAME before a dot, unless another line has NAME. A link
 * is not followed: -ELOOP.
 */
int etc_host_name(const char *name);

/*
 * Adds a last line to /etc/hosts: ADDRESS and NAME. A link is not followed:
 * -ELOOP.
 */
int etc_add_host(const char *address, const char *name);

/*
 * Makes /etc/mtab, a link to the list of mounts, if it is missing: programs of
 * the time before mountinfo know no other name of it, getmntent(3).
 */
int etc_mtab(void);

/* The content of /etc/resolv.conf; NULL and 0 for nothing. */
struct etc_resolver {
	const char *search;
	const char *const *servers;
	size_t server_count;
	const char *options;
};

/* Replaces /etc/resolv.conf, the image's or a link, by a new one. */
int etc_set_resolver(const struct etc_resolver *r);

/*
 * Makes a dangling link /etc/resolv.conf readable: linuxkit points it into
 * /run, which is empty. Its target becomes an empty file, which resolvers take
 * for "a server at 127.0.0.1".
 */
int etc_resolv_conf(void);

#endif
