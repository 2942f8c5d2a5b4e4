#ifndef ROOTFS_PACK_EIF_EIF_FORMAT_H
#define ROOTFS_PACK_EIF_EIF_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include "rootfs/pack/eif/eif.h"

/* An EIF's bytes, big endian: of eif.c and eif_writer.c alone. */

#define EIF_MAGIC ".eif"

enum {
	EIF_VERSION_MIN = 2, /* the first with a CRC */
	EIF_VERSION_METADATA = 4,
	EIF_SECTIONS_MIN = 2,
	EIF_FLAG_AARCH64 = 1,
	EIF_FLAG_PCIE = 1 << 6, /* of Bottlerocket's images: with these the */
	EIF_FLAG_PCIE_VIRTIO = 1 << 9, /* root is a block device */
	EIF_FLAGS_MORE = EIF_FLAG_PCIE | EIF_FLAG_PCIE_VIRTIO,
	EIF_DEFAULT_MEM = 1 << 30, /* bytes; what nitro-cli writes */
	EIF_DEFAULT_CPUS = 2,
};

struct eif_head {
	char magic[4];
	uint16_t version, flags;
	uint64_t default_mem, default_cpus;
	uint16_t reserved, num_sections;
	uint64_t offsets[EIF_SECTIONS_MAX]; /* of the sections' headers */
	uint64_t sizes[EIF_SECTIONS_MAX];   /* without these */
	uint32_t unused, crc;
} __attribute__((packed));
_Static_assert(sizeof(struct eif_head) == EIF_HEADER, "");

struct eif_section_head {
	uint16_t type, flags;
	uint64_t size;
} __attribute__((packed));
_Static_assert(sizeof(struct eif_section_head) == EIF_SECTION_HEADER, "");

/* Refuses a wrong number or order of SECTIONS, whose types are known. */
int eif_check_sections(const char *path, unsigned version,
		       const struct eif_section *sections, size_t count,
		       struct fault *reterr);

#endif
