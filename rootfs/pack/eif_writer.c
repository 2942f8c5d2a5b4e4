#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "rootfs/pack/eif.h"
#include "rootfs/pack/eif_format.h"
#include "rootfs/pack/fault.h"
#include "rootfs/pack/measure.h"

struct eif_writer {
	char *path;
	char *temporary; /* a name beside it; NULL: the file has none (yet) */
	int fd;
	enum eif_arch arch;
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

static int write_at(struct eif_writer *w, const void *data, size_t len,
		    uint64_t offset, struct fault *reterr)
{
	const char *at = data;
	ssize_t n;

	while (len > 0) {
		n = pwrite(w->fd, at, len, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault_system(reterr, errno, "%s", w->path);
		at += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

static int append(struct eif_writer *w, const void *data, size_t len,
		  struct fault *reterr)
{
	if (write_at(w, data, len, w->len, reterr) < 0)
		return -1;
	w->len += len;
	return 0;
}

/* Without a name, where that can be: whoever is killed then leaves nothing. */
static int open_temporary(struct eif_writer *w, struct fault *reterr)
{
	const char *slash = strrchr(w->path, '/');
	char *dir = slash ? strndup(w->path, (size_t)(slash - w->path) + 1) :
			    strdup(".");

	if (!dir)
		return fault_system(reterr, ENOMEM, "%s", w->path);
	w->fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0644);
	free(dir);
	if (w->fd >= 0)
		return 0;
	if (asprintf(&w->temporary, "%s.XXXXXX", w->path) < 0) {
		w->temporary = NULL;
		return fault_system(reterr, ENOMEM, "%s", w->path);
	}
	w->fd = mkostemp(w->temporary, O_CLOEXEC);
	if (w->fd >= 0)
		return 0;
	(void)fault_system(reterr, errno, "%s", w->path);
	free(w->temporary);
	w->temporary = NULL;
	return -1;
}

/* Gives the file a name beside the one that it is to have: link(2) replaces none. */
static int name_temporary(struct eif_writer *w, struct fault *reterr)
{
	enum { TIMES = 100 };
	bool exists;
	char fd[40];
	int r = -1;

	if (w->temporary)
		return 0;
	(void)snprintf(fd, sizeof(fd), "/proc/self/fd/%d", w->fd);
	for (int i = 0; i < TIMES; i++) {
		if (asprintf(&w->temporary, "%s.%d.%d", w->path, (int)getpid(),
			     i) < 0) {
			w->temporary = NULL;
			return fault_system(reterr, ENOMEM, "%s", w->path);
		}
		if (linkat(AT_FDCWD, fd, AT_FDCWD, w->temporary,
			   AT_SYMLINK_FOLLOW) == 0)
			return 0;
		r = fault_system(reterr, errno, "%s", w->path);
		exists = errno == EEXIST;
		free(w->temporary);
		w->temporary = NULL;
		if (!exists)
			break;
	}
	return r;
}

int eif_writer_open(const char *path, enum eif_arch arch,
		    struct eif_writer **ret, struct fault *reterr)
{
	static const struct eif_head none;
	struct eif_writer *w = calloc(1, sizeof(*w));
	struct stat st;

	if (!w)
		return fault_system(reterr, ENOMEM, "%s", path);
	w->fd = -1;
	w->arch = arch;
	w->default_mem = EIF_DEFAULT_MEM;
	w->default_cpus = EIF_DEFAULT_CPUS;
	if (measure_begin(&w->measure, reterr) < 0)
		goto fail;
	w->path = strdup(path);
	if (!w->path) {
		(void)fault_system(reterr, ENOMEM, "%s", path);
		goto fail;
	}
	/* To be replaced by a file; a device or a pipe it would be for good. */
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		(void)fault_refuse(reterr, "%s: there, and no regular file",
				   path);
		goto fail;
	}
	if (open_temporary(w, reterr) < 0)
		goto fail;
	if (append(w, &none, sizeof(none), reterr) < 0)
		goto fail;
	*ret = w;
	return 0;
fail:
	eif_writer_abort(w);
	return -1;
}

void eif_writer_like(struct eif_writer *w, const struct eif *from)
{
	w->default_mem = from->default_mem;
	w->default_cpus = from->default_cpus;
}

int eif_writer_begin(struct eif_writer *w, enum eif_type type,
		     struct fault *reterr)
{
	static const struct eif_section_head none;
	struct eif_section *s;

	if (w->count == EIF_SECTIONS_MAX)
		return fault_refuse(reterr, "%s: more than %d sections",
				    w->path, EIF_SECTIONS_MAX);
	s = &w->sections[w->count];
	*s = (struct eif_section){ .type = type, .offset = w->len };
	w->crc = crc32(0, Z_NULL, 0);
	w->block = measure_block(&w->measure);
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
				    w->path, EIF_SIGNATURE_MAX);
	crc = crc32(crc, (const uint8_t *)&head, sizeof(head));
	w->crcs[w->count] = crc32_combine(crc, w->crc, (z_off_t)s->data.len);
	w->count++;
	return write_at(w, &head, sizeof(head), s->offset, reterr);
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
		.flags = htobe16(w->arch == EIF_AARCH64 ? EIF_FLAG_AARCH64 : 0),
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
	return write_at(w, &head, sizeof(head), 0, reterr);
}

/* Here a file system over the network says that there was no room. */
static int close_file(struct eif_writer *w)
{
	int fd = w->fd;

	w->fd = -1;
	return close(fd);
}

int eif_writer_finish(struct eif_writer *w, struct fault *reterr)
{
	int r = -1;

	if (eif_check_sections(w->path, EIF_VERSION, w->sections, w->count,
			       reterr) < 0 ||
	    write_head(w, reterr) < 0 || name_temporary(w, reterr) < 0)
		goto out;
	if (ftruncate(w->fd, (off_t)w->len) < 0) {
		(void)fault_system(reterr, errno, "%s", w->path);
		goto out;
	}
	if (fchmod(w->fd, 0644) < 0 || close_file(w) < 0 ||
	    rename(w->temporary, w->path) < 0) {
		(void)fault_system(reterr, errno, "%s", w->path);
		goto out;
	}
	free(w->temporary);
	w->temporary = NULL;
	r = 0;
out:
	eif_writer_abort(w);
	return r;
}

void eif_writer_abort(struct eif_writer *w)
{
	if (!w)
		return;
	if (w->fd >= 0)
		close(w->fd);
	if (w->temporary)
		(void)unlink(w->temporary);
	measure_end(&w->measure);
	free(w->temporary);
	free(w->path);
	free(w);
}
