#ifndef ROOTFS_PACK_RAMDISK_KERNEL_H
#define ROOTFS_PACK_RAMDISK_KERNEL_H

#include "rootfs/pack/eif/eif.h"

struct fault;

enum { KERNEL_VERSION_MAX = 128 };

/*
 * What a kernel says of itself. x86: Documentation/arch/x86/boot.rst, a bzImage with
 * a 64-bit entry; arm64: Documentation/arch/arm64/booting.rst, an Image that is not
 * compressed.
 */
struct kernel {
	enum eif_arch arch;
	char version[KERNEL_VERSION_MAX]; /* "6.12.95"; "" if it does not say */
};

int kernel_inspect(const char *path, const struct content *c,
		   struct kernel *ret, struct fault *reterr);

/* Refuses what is no module for K: of its architecture, and of its version where both say one. */
int kernel_check_module(const char *path, const struct content *c,
			const struct kernel *k, struct fault *reterr);

/*
 * Of a module as distributions ship it, compressed by gzip, xz or zstd: replaces *C by
 * what is in it, which SPOOL gets. Any other stays as it is.
 */
int kernel_unpack_module(const char *path, struct content *c,
			 struct spool *spool, struct fault *reterr);

/* Whether the bytes of TEXT are somewhere in C; where, in *RET_AT. 1, 0 or -1. */
int kernel_search(const struct content *c, const char *text, uint64_t *ret_at,
		  struct fault *reterr);

#endif
