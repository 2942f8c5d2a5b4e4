#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/output.h"
#include "rootfs/pack/base/progress.h"
#include "rootfs/pack/eif/eif.h"
#include "rootfs/pack/eif/eif_format.h"
#include "rootfs/pack/eif/measure.h"

struct eif_writer {
	struct output *output;
	enum eif_arch arch;
	unsigned flags; /* but for the architecture's */
	uint64_t default_mem, default_cpus;
	uint64_t len;
	size_t count; /* of sections that are done */
	struct eif_section sections[EIF_SECTIONS_MAX];
	unsigned long crcs[EIF_SECTIONS_MAX]; /* header and data */
	unsigned long crc; /* of the data of the one at work */
	struct measure measure;
	uint8_t *block; /* of the section, to be hashed and written at once */
	size_t used;
};

static int append(struct eif_writer *w, const void *data, size_t len,
		  struct fault *reterr)
{
	if (output_write_at(w->output, data, len, w->len, reterr) < 0)
		return -1;
	w->len += len;
	return 0;
}

int eif_writer_open(const char *path, enum eif_arch arch,
		    struct eif_writer **ret, struct fault *reterr)
{
	struct output *o;

	if (output_open(path, &o, reterr) < 0)
		return -1;
	return eif_writer_open_output(o, arch, ret, reterr);
}

int eif_writer_open_output(struct output *o, enum eif_arch arch,
			   struct eif_writer **ret, struct fault *reterr)
{
	static const struct eif_head none;
	struct eif_writer *w = calloc(1, sizeof(*w));

	if (!w) {
		(void)fault_system(reterr, ENOMEM, "%s", output_path(o));
		output_abort(o);
		return -1;
	}
	w->output = o;
	w->arch = arch;
	w->default_mem = EIF_DEFAULT_MEM;
	w->default_cpus = EIF_DEFAULT_CPUS;
	if (measure_begin(&w->measure, reterr) < 0 ||
	    append(w, &none, sizeof(none), reterr) < 0) {
		eif_writer_abort(w);
		return -1;
	}
	*ret = w;
	return 0;
}

void eif_writer_like(struct eif_writer *w, const struct eif *from)
{
	w->default_mem = from->default_mem;
	w->default_cpus = from->default_cpus;
	w->flags = from->flags & EIF_FLAGS_MORE;
}

int eif_writer_set_flags(struct eif_writer *w, unsigned flags,
			 struct fault *reterr)
{
	if (flags & ~(unsigned)EIF_FLAGS_MORE)
		return fault_usage(reterr,
				   "flags 0x%04x: known are PCIE, 0x%04x, and "
				   "PCIE_VIRTIO, 0x%04x",
				   flags, EIF_FLAG_PCIE, EIF_FLAG_PCIE_VIRTIO);
	w->flags = flags;
	return 0;
}

void eif_writer_defaults(struct eif_writer *w, const uint64_t *mem,
			 const uint64_t *cpus)
{
	if (mem)
		w->default_mem = *mem;
	if (cpus)
		w->default_cpus = *cpus;
}

int eif_writer_begin(struct eif_writer *w, enum eif_type type,
		     struct fault *reterr)
{
	static const struct eif_section_head none;
	struct eif_section *s;

	if (w->count == EIF_SECTIONS_MAX)
		return fault_refuse(reterr, "%s: more than %d sections",
				    output_path(w->output), EIF_SECTIONS_MAX);
	s = &w->sections[w->count];
	*s = (struct eif_section){ .type = type, .offset = w->len };
	w->crc = crc32(0, Z_NULL, 0);
	w->block = measure_block(&w->measure);
	progress_begin(eif_type_name(type), 0);
	if (measure_section(&w->measure, type, reterr) < 0)
		return -1;
	return append(w, &none, sizeof(none), reterr);
}

/* What has come is hashed and written; there is room in the block again. */
static int flush(struct eif_writer *w, struct fault *reterr)
{
	const size_t len = w->used;

	w->used = 0;
	if (len == 0)
		return 0;
	w->crc = crc32_z(w->crc, w->block, len);
	w->sections[w->count].data.len += len;
	measure_add(&w->measure, len);
	progress_add(len);
	/* Of zeros there is a hole, and no block on the disk. */
	if (w->block[0] == 0 && memcmp(w->block, w->block + 1, len - 1) == 0)
		w->len += len;
	else if (append(w, w->block, len, reterr) < 0)
		return -1;
	w->block = measure_block(&w->measure);
	return 0;
}

int eif_writer_write(struct eif_writer *w, const void *data, size_t len,
		     struct fault *reterr)
{
	const uint8_t *at = data;

	while (len > 0) {
		size_t n = MEASURE_BLOCK - w->used;

		if (n > len)
			n = len;
		memcpy(w->block + w->used, at, n);
		w->used += n;
		at += n;
		len -= n;
		if (w->used == MEASURE_BLOCK && flush(w, reterr) < 0)
			return -1;
	}
	return 0;
}

int eif_writer_end(struct eif_writer *w, struct fault *reterr)
{
	const struct eif_section *s = &w->sections[w->count];
	struct eif_section_head head = { .type = htobe16((uint16_t)s->type) };
	unsigned long crc = crc32(0, Z_NULL, 0);

	if (flush(w, reterr) < 0)
		return -1;
	head.size = htobe64(s->data.len);
	if (s->type == EIF_SIGNATURE && s->data.len > EIF_SIGNATURE_MAX)
		return fault_refuse(reterr,
				    "%s: a signature section of more than %d "
				    "bytes: the certificate is too long",
				    output_path(w->output), EIF_SIGNATURE_MAX);
	crc = crc32(crc, (const uint8_t *)&head, sizeof(head));
	w->crcs[w->count] = crc32_combine(crc, w->crc, (z_off_t)s->data.len);
	w->count++;
	return output_write_at(w->output, &head, sizeof(head), s->offset,
			       reterr);
}

int eif_writer_add(struct eif_writer *w, enum eif_type type,
		   const struct content *c, struct fault *reterr)
{
	uint64_t at = 0;
	size_t n;

	if (eif_writer_begin(w, type, reterr) < 0)
		return -1;
	while (at < c->len) {
		n = c->len - at < MEASURE_BLOCK ? (size_t)(c->len - at) :
						  MEASURE_BLOCK;
		if (content_read(c, at, w->block, n, reterr) < 0)
			return -1;
		w->used = n;
		if (flush(w, reterr) < 0)
			return -1;
		at += n;
	}
	return eif_writer_end(w, reterr);
}

int eif_writer_add_bytes(struct eif_writer *w, enum eif_type type,
			 const void *data, size_t len, struct fault *reterr)
{
	if (eif_writer_begin(w, type, reterr) < 0 ||
	    eif_writer_write(w, data, len, reterr) < 0)
		return -1;
	return eif_writer_end(w, reterr);
}

int eif_writer_measure(struct eif_writer *w, struct eif_pcrs *ret,
		       struct fault *reterr)
{
	return measure_pcrs(&w->measure, ret, reterr);
}

static int write_head(struct eif_writer *w, struct fault *reterr)
{
	struct eif_head head = {
		.version = htobe16(EIF_VERSION),
		.flags = htobe16(
			(uint16_t)(w->flags |
				   (w->arch == EIF_AARCH64 ? EIF_FLAG_AARCH64 :
							     0U))),
		.default_mem = htobe64(w->default_mem),
		.default_cpus = htobe64(w->default_cpus),
		.num_sections = htobe16((uint16_t)w->count),
	};
	unsigned long crc = crc32(0, Z_NULL, 0);

	memcpy(head.magic, EIF_MAGIC, sizeof(head.magic));
	for (size_t i = 0; i < w->count; i++) {
		head.offsets[i] = htobe64(w->sections[i].offset);
		head.sizes[i] = htobe64(w->sections[i].data.len);
	}
	crc = crc32(crc, (const uint8_t *)&head,
		    offsetof(struct eif_head, crc));
	for (size_t i = 0; i < w->count; i++)
		crc = crc32_combine(crc, w->crcs[i],
				    (z_off_t)(EIF_SECTION_HEADER +
					      w->sections[i].data.len));
	head.crc = htobe32((uint32_t)crc);
	return output_write_at(w->output, &head, sizeof(head), 0, reterr);
}

int eif_writer_finish(struct eif_writer *w, struct fault *reterr)
{
	int r = -1;

	progress_clear();
	if (eif_check_sections(output_path(w->output), EIF_VERSION, w->sections,
			       w->count, reterr) < 0 ||
	    write_head(w, reterr) < 0)
		goto out;
	r = output_finish(w->output, w->len, reterr);
	w->output = NULL;
out:
	eif_writer_abort(w);
	return r;
}

void eif_writer_abort(struct eif_writer *w)
{
	if (!w)
		return;
	output_abort(w->output);
	measure_end(&w->measure);
	free(w);
}
