#ifndef ROOTFS_PACK_IMAGE_ELF_H
#define ROOTFS_PACK_IMAGE_ELF_H

#include <limits.h>

#include "rootfs/pack/eif/eif.h"

struct content;
struct fault;

/* What an ELF file, PATH in faults, says of itself. */

/* Refuses what is no program, or no kernel module, of ARCH. */
int elf_check_program(const char *path, const struct content *c,
		      enum eif_arch arch, struct fault *reterr);
int elf_check_module(const char *path, const struct content *c,
		     enum eif_arch arch, struct fault *reterr);

/* The loader (PT_INTERP) that a program asks for, "" where it is static. */
int elf_find_loader(const char *path, const struct content *c,
		    char ret[PATH_MAX], struct fault *reterr);

#endif
