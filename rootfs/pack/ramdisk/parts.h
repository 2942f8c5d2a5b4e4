#ifndef ROOTFS_PACK_RAMDISK_PARTS_H
#define ROOTFS_PACK_RAMDISK_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rootfs/pack/base/spool.h"
#include "rootfs/pack/eif/eif.h"
#include "rootfs/pack/ramdisk/kernel.h"
#include "rootfs/pack/ramdisk/part.h"

struct fault;
struct output;
struct ramdisk_options;
struct tree;

/* What boots an application: kernel, its command line and modules, init. */

struct parts {
	/* As asked for; NULL: not said. */
	const char *arch, *blobs, *cmdline_option, *cmdline_section;
	struct part kernel_file, init_file, relay_file;
	struct part_list modules;
	struct part_list boot_files; /* DEST=FILE[:MODE] */
	struct part_list files;	     /* the same, of the image */
	bool has_ramdisks; /* init is in a ramdisk that is there already */

	/* As found. */
	enum eif_arch eif_arch;
	struct kernel kernel;
	char *cmdline;
	size_t cmdline_len;
	bool init_is_ours;
	bool blobs_are_installed; /* and not said */
	struct spool spool;	  /* of modules that were compressed */
	bool boot_is_open;
	bool has_relay; /* parts_find_relay has found it */
	char *own[5];	/* paths that were made up here */
};

#define PARTS_NONE                                 \
	((struct parts){ .kernel_file = PART_NONE, \
			 .init_file = PART_NONE,   \
			 .relay_file = PART_NONE,  \
			 .spool = SPOOL_NONE })

/* Finds, opens and checks what is not in a ramdisk yet. */
int parts_find(struct parts *p, struct fault *reterr);
void parts_close(struct parts *p);

/* SOURCE_DATE_EPOCH, or 0 where it is not set: for BuildTime, which is not measured. */
int parts_find_time(uint32_t *ret, struct fault *reterr);

/* The seconds of a time that OPTION gives, which goes into what is measured. */
int parts_take_time(const char *option, const char *text, uint32_t *ret,
		    struct fault *reterr);

/* The init alone, for an image of P's architecture. */
int parts_find_init(struct parts *p, struct fault *reterr);

/* The same for relay, which goes beside the init from here on. */
int parts_find_relay(struct parts *p, struct fault *reterr);

/* Puts the files that were asked for, and opened, into TREE, that of the image. */
int parts_add_files(const struct parts *p, struct tree *tree,
		    struct fault *reterr);

/* Whether a boot file has that name. */
bool parts_has_boot_file(const struct parts *p, const char *name);

/* Opens and checks modules, boot files and files; parts_write_boot does so where it was not done. */
int parts_open_boot(struct parts *p, struct fault *reterr);

/* Refuses files, of those that were opened, that were written to since. */
int parts_check_same(const struct parts *p, struct fault *reterr);

/* Refuses an OUTPUT that is one of the files that were found. */
int parts_check_output(const struct parts *p, const struct output *output,
		       struct fault *reterr);

/* The name of a module in the boot ramdisk, of which *RET_LEN bytes count. */
const char *parts_module_name(const struct part *module, size_t *ret_len);

/* DEST and MODE of a boot file; DEST is the caller's to free. */
int parts_boot_file(const struct part *file, char **ret_dest,
		    unsigned *ret_mode, struct fault *reterr);

/*
 * DEST=FILE[:MODE] of F, whose file is opened: *RET_DEST, for the caller to free, is without a
 * slash before. A configuration of the init, which was found before, is checked.
 */
int parts_open_boot_file(const struct parts *p, struct part *f, char **ret_dest,
			 uint32_t *ret_mode, struct fault *reterr);

/*
 * Writes the boot ramdisk as the next section of W: init, relay, modules and boot files, in
 * place of what BOOT, which may be empty, has under their names.
 */
int parts_write_boot(struct parts *p, struct tree *boot,
		     const struct ramdisk_options *o, struct eif_writer *w,
		     struct fault *reterr);

/* An option's TEXT, or @FILE without its last newline, for the caller to free. */
int parts_read_text(const char *option, char **ret, struct fault *reterr);

#endif
