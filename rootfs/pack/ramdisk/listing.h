#ifndef ROOTFS_PACK_RAMDISK_LISTING_H
#define ROOTFS_PACK_RAMDISK_LISTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rootfs/pack/eif/eif.h"

struct fault;

/*
 * What is in a ramdisk, member by member: newc archives back to back with zeros
 * between, plain or compressed by what libarchive can undo. What the kernel makes of
 * the members is unpack.h's. Where the kernel would stop reading the ramdisk is refused.
 */

enum {
	LISTING_PATH_MAX = 4095, /* bytes of a path, and of a link's target */
	LISTING_MEMBERS_MAX = 1 << 21, /* in one ramdisk, */
	LISTING_BYTES_MAX = 1 << 28,   /* and their names and targets */
	LISTING_PARTS_MAX = 1 << 10,   /* compressed ones, in one ramdisk */
};

#define LISTING_TRAILER "TRAILER!!!"

struct member {
	char *path;   /* as the header has it */
	char *target; /* of a symbolic link, else NULL */
	uint32_t mode, uid, gid, mtime;
	uint64_t size;		/* of a regular file */
	uint8_t hash[EIF_HASH]; /* of its content, if that was asked for */
	struct content content; /* where that is; fd -1: not kept */
	uint32_t ino, nlink, dev_major, dev_minor, rdev_major, rdev_minor;
	uint32_t archive;	/* which in the ramdisk, from 0 */
	uint32_t part;		/* in this part's bytes: */
	uint64_t at, body, end; /* its header, its content, what is behind it */
};

/* The end of an archive. */
struct trailer {
	uint32_t part, ino;
	uint64_t at, end; /* in the part's bytes, as a member's */
	size_t before;	  /* the number of members in front of it */
};

/* Bytes of the ramdisk from FROM to TO that are plain, or compressed by one method. */
struct listing_part {
	uint64_t from, to;
	const char *method;	/* NULL: plain */
	struct content content; /* without compression; fd -1: not kept */
};

struct listing {
	struct member *members; /* in the ramdisk's order */
	size_t count, room;
	struct trailer *trailers;
	size_t trailer_count, trailer_room;
	struct listing_part *parts; /* in order, and all of the ramdisk */
	size_t part_count, part_room, compressed;
	size_t bytes;		 /* of names and targets */
	uint32_t archives;	 /* the last one may have no trailer */
	const char *compression; /* "none", "gzip", ..., "mixed" */
	uint64_t unpacked;	 /* bytes, without compression */
};

/*
 * Where the kernel is in the ramdisks of an image, which it reads as one; zeros are the
 * begin. For reading one after another.
 */
struct listing_state {
	uint64_t at;	/* bytes before */
	bool has_begun; /* there was an archive, */
	bool is_plain; /* and nothing but zeros behind the last, which was plain */
};

struct listing_how {
	struct spool *
		keep; /* gets what was compressed; NULL: contents of that are lost */
	bool without_hashes;
	struct listing_state *state; /* NULL: this ramdisk is the first */
};

/* Also after a failure LISTING is for listing_free(). */
int listing_read(const struct content *c, const struct listing_how *how,
		 struct listing *ret, struct fault *reterr);

/* The same for a section of an image, which the fault names. */
int listing_read_section(const struct eif *eif, size_t index,
			 const struct listing_how *how, struct listing *ret,
			 struct fault *reterr);
void listing_free(struct listing *l);

#endif
