#include "rootfs/pack/eif/eif.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/progress.h"
#include "rootfs/pack/eif/eif_format.h"
#include "rootfs/pack/eif/measure.h"

enum { BUFFER = 1 << 18 };

const char *eif_arch_name(enum eif_arch arch)
{
	return arch == EIF_X86_64 ? "x86_64" : "aarch64";
}

const char *eif_type_name(enum eif_type type)
{
	switch (type) {
	case EIF_KERNEL:
		return "kernel";
	case EIF_CMDLINE:
		return "cmdline";
	case EIF_RAMDISK:
		return "ramdisk";
	case EIF_SIGNATURE:
		return "signature";
	case EIF_METADATA:
		return "metadata";
	}
	return "unknown";
}

const char *eif_flag_name(unsigned flags, unsigned n)
{
	static const struct {
		unsigned flag;
		const char *name;
	} names[] = {
		{ EIF_FLAG_PCIE, "PCIE" },
		{ EIF_FLAG_PCIE_VIRTIO, "PCIE_VIRTIO" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (flags & names[i].flag && n-- == 0)
			return names[i].name;
	return NULL;
}

/* --- checks --- */

static int refuse_section(const char *path, const struct eif_section *s,
			  size_t i, const char *what, struct fault *reterr)
{
	return fault_refuse(reterr, "%s: section %zu (%s) at offset %llu: %s",
			    path, i, eif_type_name(s->type),
			    (unsigned long long)s->offset, what);
}

static int check_head(const struct eif_head *h, struct eif *eif,
		      struct fault *reterr)
{
	const char *path = eif->path;

	if (memcmp(h->magic, EIF_MAGIC, sizeof(h->magic)) != 0)
		return fault_refuse(reterr, "%s: offset 0: no EIF's magic",
				    path);
	eif->version = be16toh(h->version);
	eif->flags = be16toh(h->flags);
	eif->arch = eif->flags & EIF_FLAG_AARCH64 ? EIF_AARCH64 : EIF_X86_64;
	eif->default_mem = be64toh(h->default_mem);
	eif->default_cpus = be64toh(h->default_cpus);
	eif->crc = be32toh(h->crc);
	eif->count = be16toh(h->num_sections);
	if (eif->version < EIF_VERSION_MIN || eif->version > EIF_VERSION)
		return fault_refuse(reterr,
				    "%s: offset 4: version %u, known are %d to "
				    "%d",
				    path, eif->version, EIF_VERSION_MIN,
				    EIF_VERSION);
	if (eif->flags & ~(EIF_FLAG_AARCH64 | EIF_FLAGS_MORE))
		return fault_refuse(reterr,
				    "%s: offset 6: unknown flags 0x%04x", path,
				    eif->flags);
	if (h->reserved)
		return fault_refuse(reterr,
				    "%s: offset 24: reserved, but not 0", path);
	if (h->unused)
		return fault_refuse(reterr, "%s: offset 540: unused, but not 0",
				    path);
	if (eif->count < EIF_SECTIONS_MIN || eif->count > EIF_SECTIONS_MAX)
		return fault_refuse(reterr,
				    "%s: offset 26: %zu sections, there are %d "
				    "to %d",
				    path, eif->count, EIF_SECTIONS_MIN,
				    EIF_SECTIONS_MAX);
	for (size_t i = eif->count; i < EIF_SECTIONS_MAX; i++)
		if (h->offsets[i] || h->sizes[i])
			return fault_refuse(reterr,
					    "%s: section %zu: in the table, "
					    "beyond the %zu sections",
					    path, i, eif->count);
	return 0;
}

static int read_section(const struct content *file, const struct eif_head *h,
			size_t i, uint64_t expected, struct eif *eif,
			struct fault *reterr)
{
	struct eif_section *s = &eif->sections[i];
	uint64_t size = be64toh(h->sizes[i]);
	struct eif_section_head head;
	unsigned type;

	s->offset = be64toh(h->offsets[i]);
	if (s->offset != expected)
		return fault_refuse(reterr,
				    "%s: section %zu: at offset %llu, not "
				    "behind the one before, %llu",
				    eif->path, i, (unsigned long long)s->offset,
				    (unsigned long long)expected);
	if (file->len - s->offset < sizeof(head))
		return fault_refuse(reterr,
				    "%s: section %zu at offset %llu: the file "
				    "ends before, at %llu",
				    eif->path, i, (unsigned long long)s->offset,
				    (unsigned long long)file->len);
	if (content_read(file, s->offset, &head, sizeof(head), reterr) < 0)
		return fault_prefix(reterr, "%s", eif->path);
	type = be16toh(head.type);
	if (type < EIF_KERNEL || type > EIF_METADATA)
		return fault_refuse(reterr,
				    "%s: section %zu at offset %llu: unknown "
				    "type %u",
				    eif->path, i, (unsigned long long)s->offset,
				    type);
	s->type = (enum eif_type)type;
	if (head.flags)
		return refuse_section(eif->path, s, i, "unknown flags", reterr);
	if (type == EIF_SIGNATURE) {
		eif->signature_size = size;
		size = be64toh(head.size);
	}
	if (be64toh(head.size) != size)
		return refuse_section(eif->path, s, i,
				      "its size is not that of the table",
				      reterr);
	if (size > file->len - s->offset - sizeof(head))
		return refuse_section(eif->path, s, i,
				      "it ends beyond the file", reterr);
	s->data = (struct content){
		.fd = file->fd,
		.offset = s->offset + sizeof(head),
		.len = size,
	};
	return 0;
}

int eif_check_sections(const char *path, unsigned version,
		       const struct eif_section *sections, size_t count,
		       struct fault *reterr)
{
	unsigned counts[EIF_METADATA + 1] = { 0 };

	for (size_t i = 0; i < count; i++) {
		const struct eif_section *s = &sections[i];

		if (counts[s->type]++ && s->type != EIF_RAMDISK)
			return refuse_section(path, s, i,
					      "there is one already", reterr);
		if (s->type == EIF_RAMDISK && !counts[EIF_KERNEL])
			return refuse_section(path, s, i, "before the kernel",
					      reterr);
		if (s->type == EIF_SIGNATURE && i + 1 != count)
			return refuse_section(path, s, i, "not the last",
					      reterr);
		if (s->type == EIF_SIGNATURE && s->data.len > EIF_SIGNATURE_MAX)
			return refuse_section(
				path, s, i, "longer than 32768 bytes", reterr);
	}
	if (!counts[EIF_KERNEL] || !counts[EIF_CMDLINE])
		return fault_refuse(reterr, "%s: no %s section", path,
				    counts[EIF_KERNEL] ? "cmdline" : "kernel");
	if (!counts[EIF_METADATA] && version >= EIF_VERSION_METADATA)
		return fault_refuse(reterr,
				    "%s: no metadata section, which version %u "
				    "has",
				    path, version);
	return 0;
}

static int compute_crc(const struct content *file, const struct eif_head *h,
		       uint32_t *ret, struct fault *reterr)
{
	static uint8_t buffer[BUFFER];
	unsigned long crc = crc32(0, Z_NULL, 0);
	uint64_t at = sizeof(*h);
	size_t n;

	crc = crc32(crc, (const uint8_t *)h, offsetof(struct eif_head, crc));
	progress_begin("image", file->len);
	while (at < file->len) {
		n = file->len - at < BUFFER ? (size_t)(file->len - at) : BUFFER;
		progress_add(n);
		if (content_read(file, at, buffer, n, reterr) < 0)
			return -1;
		crc = crc32(crc, buffer, (uInt)n);
		at += n;
	}
	progress_clear();
	*ret = (uint32_t)crc;
	return 0;
}

static int read_all(const struct content *file, struct eif *eif,
		    struct fault *reterr)
{
	struct eif_head head;
	uint64_t at = sizeof(head);

	if (file->len < sizeof(head))
		return fault_refuse(reterr,
				    "%s: %llu bytes, an EIF's header has %zu",
				    eif->path, (unsigned long long)file->len,
				    sizeof(head));
	if (content_read(file, 0, &head, sizeof(head), reterr) < 0)
		return fault_prefix(reterr, "%s", eif->path);
	if (check_head(&head, eif, reterr) < 0)
		return -1;
	for (size_t i = 0; i < eif->count; i++) {
		if (read_section(file, &head, i, at, eif, reterr) < 0)
			return -1;
		at = eif->sections[i].data.offset + eif->sections[i].data.len;
	}
	if (at != file->len)
		return fault_refuse(reterr,
				    "%s: offset %llu: %llu bytes behind the "
				    "last section",
				    eif->path, (unsigned long long)at,
				    (unsigned long long)(file->len - at));
	if (eif_check_sections(eif->path, eif->version, eif->sections,
			       eif->count, reterr) < 0)
		return -1;
	if (compute_crc(file, &head, &eif->crc_computed, reterr) < 0)
		return fault_prefix(reterr, "%s", eif->path);
	return 0;
}

int eif_open(const char *path, struct eif *ret, struct fault *reterr)
{
	struct content file;

	memset(ret, 0, sizeof(*ret));
	ret->path = path;
	ret->fd = -1;
	if (content_open(path, &file, reterr) < 0)
		return -1;
	ret->fd = file.fd;
	ret->len = file.len;
	if (fstat(ret->fd, &ret->st) < 0) {
		(void)fault_system(reterr, errno, "%s", path);
		eif_close(ret);
		return -1;
	}
	if (read_all(&file, ret, reterr) == 0)
		return 0;
	eif_close(ret);
	return -1;
}

int eif_check_crc(const struct eif *eif, struct fault *reterr)
{
	if (eif->crc == eif->crc_computed)
		return 0;
	return fault_refuse(reterr,
			    "%s: offset 544: the CRC is %08x, but the file's "
			    "is %08x: it was damaged or changed",
			    eif->path, eif->crc, eif->crc_computed);
}

int eif_check_same(const struct eif *eif, struct fault *reterr)
{
	return content_check_same(eif->fd, &eif->st, eif->path, reterr);
}

int eif_check_table(const struct eif *eif, struct fault *reterr)
{
	const struct eif_section *s = eif_find(eif, EIF_SIGNATURE);

	if (!s || s->data.len == eif->signature_size)
		return 0;
	return refuse_section(eif->path, s, (size_t)(s - eif->sections),
			      "its size is not that of the table, as AWS's "
			      "tools leave it when they sign anew",
			      reterr);
}

void eif_close(struct eif *eif)
{
	if (eif->fd >= 0)
		close(eif->fd);
	eif->fd = -1;
}

const struct eif_section *eif_find(const struct eif *eif, enum eif_type type)
{
	for (size_t i = 0; i < eif->count; i++)
		if (eif->sections[i].type == type)
			return &eif->sections[i];
	return NULL;
}

int eif_measure(const struct eif *eif, struct eif_pcrs *ret,
		struct fault *reterr)
{
	struct measure m;
	int r = -1;

	if (measure_begin(&m, reterr) < 0)
		goto out;
	for (size_t i = 0; i < eif->count; i++) {
		const struct eif_section *s = &eif->sections[i];
		uint64_t at = 0;
		size_t n;

		progress_begin(eif_type_name(s->type), s->data.len);
		if (measure_section(&m, s->type, reterr) < 0)
			goto out;
		while (at < s->data.len) {
			n = s->data.len - at < MEASURE_BLOCK ?
				    (size_t)(s->data.len - at) :
				    MEASURE_BLOCK;
			if (content_read(&s->data, at, measure_block(&m), n,
					 reterr) < 0) {
				(void)fault_prefix(reterr, "%s", eif->path);
				goto out;
			}
			measure_add(&m, n);
			progress_add(n);
			at += n;
		}
	}
	if (eif_check_same(eif, reterr) < 0)
		goto out;
	r = measure_pcrs(&m, ret, reterr);
out:
	progress_clear();
	measure_end(&m);
	return r;
}
