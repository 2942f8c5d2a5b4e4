#ifndef ROOTFS_PACK_RAMDISK_RAMDISK_H
#define ROOTFS_PACK_RAMDISK_RAMDISK_H

#include <stdbool.h>
#include <stdint.h>

#include "rootfs/pack/base/spool.h"

struct eif;
struct eif_writer;
struct fault;
struct image;
struct app;
struct tree;

/*
 * The two ramdisks, as nitro-cli lays them out: what init needs, of which PCR1 is,
 * and the application, of which PCR2 is.
 */

struct ramdisk_options {
	bool gzip;
	const char
		*squashfs; /* what the image is squashed by; NULL: it is not */
	bool keep_times;
	uint32_t mtime;
};

/* Refuses a PATH that no file of a ramdisk can have, as wrong usage. */
int ramdisk_check_path(const char *path, struct fault *reterr);

/*
 * A file of the boot ramdisk. PATH is where it goes, and no other file does; C stays the
 * caller's.
 */
int ramdisk_add_file(struct tree *boot, const char *path, uint32_t mode,
		     const struct content *c, struct fault *reterr);

/* Writes the boot ramdisk as the next section. */
int ramdisk_write_boot(struct eif_writer *w, struct tree *boot,
		       const struct ramdisk_options *o, struct fault *reterr);

/* The application's; IMAGE gets the mount points that it lacks, and its numbers are used. */
int ramdisk_write_app(struct eif_writer *w, struct image *image,
		      const struct app *app, const struct ramdisk_options *o,
		      struct fault *reterr);

#endif
