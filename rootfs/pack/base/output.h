#ifndef ROOTFS_PACK_BASE_OUTPUT_H
#define ROOTFS_PACK_BASE_OUTPUT_H

#include <stddef.h>
#include <stdint.h>

struct fault;
struct stat;

/*
 * A file that is there whole or not at all: it has no name, or a temporary one that goes
 * with a signal, until it takes the place of PATH. It has the mode of the umask, and is on the disk
 * before its name is. A link is followed: what it leads to is replaced.
 * PATH "-" is standard output, to which nothing but the file goes from then on: what is
 * printed goes to standard error.
 */
struct output;

/* Opens the folder and the file: what cannot be written is seen before any work. */
int output_open(const char *path, struct output **ret, struct fault *reterr);

/*
 * Refuses FOLDER, of whose files an image is made, where PATH's name is in it: the next
 * image would have this one in it.
 */
int output_check_folder(const struct output *o, const struct stat *folder,
			struct fault *reterr);

/*
 * Refuses an input, WHAT, that PATH's file is: it would be lost. ST is that of an open
 * one; the other takes its name, or NULL.
 */
int output_check_file(const struct output *o, const char *what,
		      const struct stat *st, struct fault *reterr);
int output_check_input(const struct output *o, const char *what,
		       const char *input, struct fault *reterr);

/* PATH, for messages. */
const char *output_path(const struct output *o);

int output_write_at(struct output *o, const void *data, size_t len,
		    uint64_t offset, struct fault *reterr);

/* LEN bytes long, PATH's name is on the disk. Frees O, also on failure. */
int output_finish(struct output *o, uint64_t len, struct fault *reterr);

/* Frees O; PATH is what it was. Nothing for NULL. */
void output_abort(struct output *o);

/* Writes all of it to FD, which may be a pipe. -errno on failure. */
int output_write(int fd, const void *data, size_t len);

/* Waits until what FD is, file or folder, is on the disk. -errno on failure. */
int output_sync(int fd);

#endif
