#ifndef ROOTFS_PACK_EIF_EIF_H
#define ROOTFS_PACK_EIF_EIF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "rootfs/pack/base/spool.h"

struct fault;
struct output;

/* Enclave image files: FACTS of the format in aws-nitro-enclaves-image-format's
 * src/defs (version 4). All integers are big endian. */

enum {
	EIF_VERSION = 4,
	EIF_SECTIONS_MAX = 32,
	EIF_HEADER = 548,	 /* bytes */
	EIF_SECTION_HEADER = 12, /* bytes */
	EIF_SIGNATURE_MAX = 32768,
	EIF_HASH = 48, /* bytes of SHA-384 */
};

enum eif_type {
	EIF_KERNEL = 1,
	EIF_CMDLINE,
	EIF_RAMDISK,
	EIF_SIGNATURE,
	EIF_METADATA,
};

/*
 * The flags that are known beside the architecture's: the Nth one that is in FLAGS by
 * name, "PCIE", or NULL. They are in no PCR.
 */
const char *eif_flag_name(unsigned flags, unsigned n);

enum eif_arch { EIF_X86_64, EIF_AARCH64 };

/* "x86_64", "aarch64". */
const char *eif_arch_name(enum eif_arch arch);

/* "kernel", "cmdline", ... */
const char *eif_type_name(enum eif_type type);

struct eif_section {
	enum eif_type type;
	uint64_t offset; /* in the file, of its header */
	struct content data;
};

struct eif {
	const char *path; /* the caller's */
	int fd;
	struct stat st; /* before it was read */
	uint64_t len;
	uint16_t version, flags;
	enum eif_arch arch;
	uint64_t default_mem, default_cpus;
	uint32_t crc, crc_computed;
	size_t count;
	struct eif_section sections[EIF_SECTIONS_MAX];
	uint64_t signature_size; /* of the signature, as the table has it */
};

/*
 * Opens and checks an image: magic, version, counts, each section within the file and
 * behind the last, the sections that must be there. A wrong CRC is left to the caller (crc is not
 * crc_computed then): describe wants to say more than that.
 */
int eif_open(const char *path, struct eif *ret, struct fault *reterr);
void eif_close(struct eif *eif);

/* Refuses an image with a wrong CRC. */
int eif_check_crc(const struct eif *eif, struct fault *reterr);

/* Refuses an image that was written to since eif_open, which alone looks at its CRC. */
int eif_check_same(const struct eif *eif, struct fault *reterr);

/*
 * Refuses an image whose table has another size for the signature. AWS's tools write
 * that where they replace one of another length, and do not mind; QEMU does.
 */
int eif_check_table(const struct eif *eif, struct fault *reterr);

/* The first section of that type, or NULL. */
const struct eif_section *eif_find(const struct eif *eif, enum eif_type type);

struct eif_pcrs {
	uint8_t pcr0[EIF_HASH], pcr1[EIF_HASH], pcr2[EIF_HASH], pcr8[EIF_HASH];
	bool has_pcr8;		       /* signed */
	uint8_t contents[3][EIF_HASH]; /* what extends PCR0, 1 and 2 */
};

int eif_measure(const struct eif *eif, struct eif_pcrs *ret,
		struct fault *reterr);

/* --- writing --- */

/*
 * Writes an image in the order of its sections, to an output (output.h), which
 * becomes PATH at the end, or never was. Hashes and CRC are taken on the way: each byte is
 * read once, and nothing but a buffer is in memory.
 */
struct eif_writer;

int eif_writer_open(const char *path, enum eif_arch arch,
		    struct eif_writer **ret, struct fault *reterr);
/* The same to O, which is the writer's from then on, also on failure. */
int eif_writer_open_output(struct output *o, enum eif_arch arch,
			   struct eif_writer **ret, struct fault *reterr);
/* The header's memory, CPUs and flags shall be those of FROM, not nitro-cli's. */
void eif_writer_like(struct eif_writer *w, const struct eif *from);

/* These flags, too. Refuses what is not known, and the architecture's, as wrong usage. */
int eif_writer_set_flags(struct eif_writer *w, unsigned flags,
			 struct fault *reterr);

/* Or these, where they are not NULL. */
void eif_writer_defaults(struct eif_writer *w, const uint64_t *mem,
			 const uint64_t *cpus);

int eif_writer_begin(struct eif_writer *w, enum eif_type type,
		     struct fault *reterr);
int eif_writer_write(struct eif_writer *w, const void *data, size_t len,
		     struct fault *reterr);
int eif_writer_end(struct eif_writer *w, struct fault *reterr);

/* A whole section from what lies in a file or in memory. */
int eif_writer_add(struct eif_writer *w, enum eif_type type,
		   const struct content *c, struct fault *reterr);
int eif_writer_add_bytes(struct eif_writer *w, enum eif_type type,
			 const void *data, size_t len, struct fault *reterr);

/* PCR0, 1 and 2 of what was written so far; a signature is of PCR0. */
int eif_writer_measure(struct eif_writer *w, struct eif_pcrs *ret,
		       struct fault *reterr);

/*
 * Puts the file in place and frees W, which is done with also on failure. What
 * eif_open would refuse for its sections is refused here.
 */
int eif_writer_finish(struct eif_writer *w, struct fault *reterr);

/* Frees W and removes what was written. Nothing for NULL. */
void eif_writer_abort(struct eif_writer *w);

#endif
