#ifndef ROOTFS_ETC_H
#define ROOTFS_ETC_H

#include <stddef.h>

/*
 * The small things that an application takes for granted. Each returns 0 or
 * -errno, and leaves alone what the image brings in /etc, unless it says
 * otherwise.
 */

/* /dev/fd, stdin, stdout, stderr; /dev/ptmx usable by all. */
int etc_dev_links(void);

/* Sets the host name. */
int etc_hostname(const char *name);

/* Writes VALUE to NAME below /proc/sys, whose parts have slashes between them. */
int etc_sysctl(const char *name, const char *value);

/* Makes the directories that the absolute PATH lies in, where they are missing. */
void etc_make_parents(const char *path);

/* Writes /etc/hosts for localhost where it is missing or empty. */
int etc_hosts(void);

/*
 * Has /etc/hosts say 127.0.0.1 for NAME, of 64 bytes at the most, and for what of
 * it stands before a dot: as a line behind what is there, unless NAME is. A link
 * is not followed: -ELOOP.
 */
int etc_host_name(const char *name);

/*
 * Adds a line to /etc/hosts that names ADDRESS NAME, after what is there. A link
 * is not followed: -ELOOP.
 */
int etc_add_host(const char *address, const char *name);

/* What /etc/resolv.conf says: NULL and 0 for nothing. */
struct etc_resolver {
	const char *search;
	const char *const *servers;
	size_t server_count;
	const char *options;
};

/* Writes /etc/resolv.conf anew, in the place of the image's or of a link. */
int etc_set_resolver(const struct etc_resolver *r);

/*
 * Makes an /etc/resolv.conf that is a link to nothing readable: linuxkit points
 * it into /run, which is empty. The file is empty, which resolvers take for
 * "a server at 127.0.0.1".
 */
int etc_resolv_conf(void);

#endif
