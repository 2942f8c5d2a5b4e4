/*
 * Image files from anybody. What is read lies in the file and covers it; what the
 * reader takes the writer writes, with the same measurements. What is shown of ramdisks,
 * metadata and signatures holds nothing that a terminal would obey.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/json_print.h"
#include "rootfs/pack/command/describe.h"
#include "rootfs/pack/eif/eif.h"
#include "rootfs/pack/ramdisk/listing.h"
#include "rootfs/pack/sign/signature.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
	if (!truth)
		abort();
}

static void check_sections(const struct eif *eif)
{
	uint64_t at = EIF_HEADER;
	unsigned kernels = 0;

	require(eif->count >= 2 && eif->count <= EIF_SECTIONS_MAX);
	for (size_t i = 0; i < eif->count; i++) {
		const struct eif_section *s = &eif->sections[i];

		require(s->type >= EIF_KERNEL && s->type <= EIF_METADATA);
		require(s->offset == at);
		require(s->data.offset == at + EIF_SECTION_HEADER);
		at = s->data.offset + s->data.len;
		require(at > s->offset && at <= eif->len);
		kernels += s->type == EIF_KERNEL;
	}
	require(at == eif->len);
	require(kernels == 1);
}

/* An image of version 4 that is right is written as it is. */
static void check_copy(const struct eif *eif, const struct eif_pcrs *pcrs)
{
	char name[64], *was, *is;
	struct eif_writer *w;
	struct eif_pcrs copied;
	struct fault fault;
	struct eif copy;

	if (eif->version != EIF_VERSION || eif->crc != eif->crc_computed ||
	    eif_check_table(eif, &fault) < 0)
		return;
	(void)snprintf(name, sizeof(name), "/dev/shm/eif-fuzz.%d",
		       (int)getpid());
	require(eif_writer_open(name, eif->arch, &w, &fault) == 0);
	eif_writer_like(w, eif);
	for (size_t i = 0; i < eif->count; i++)
		require(eif_writer_add(w, eif->sections[i].type,
				       &eif->sections[i].data, &fault) == 0);
	require(eif_writer_measure(w, &copied, &fault) == 0);
	require(memcmp(&copied, pcrs, sizeof(copied)) == 0);
	require(eif_writer_finish(w, &fault) == 0);
	require(eif_open(name, &copy, &fault) == 0);
	(void)unlink(name);
	require(copy.len == eif->len);
	was = mmap(NULL, eif->len, PROT_READ, MAP_SHARED, eif->fd, 0);
	is = mmap(NULL, copy.len, PROT_READ, MAP_SHARED, copy.fd, 0);
	require(was != MAP_FAILED && is != MAP_FAILED);
	require(memcmp(was, is, eif->len) == 0);
	(void)munmap(was, eif->len);
	(void)munmap(is, copy.len);
	eif_close(&copy);
}

static bool is_text(const char *text, size_t cap)
{
	if (strnlen(text, cap) == cap)
		return false;
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	return true;
}

static void check_signature(const uint8_t *data, size_t len,
			    const uint8_t pcr0[EIF_HASH])
{
	static struct cert_info info;
	struct fault fault;

	if (signature_parse(data, len, pcr0, 1764000000, &info, &fault) < 0) {
		require(is_text(fault.text, sizeof(fault.text)));
		return;
	}
	require(is_text(info.issuer, sizeof(info.issuer)));
	require(is_text(info.subject, sizeof(info.subject)));
	require(is_text(info.from, sizeof(info.from)));
	require(is_text(info.to, sizeof(info.to)));
	require(is_text(info.algorithm, sizeof(info.algorithm)));
	require(info.cert_signature_len <= CERT_SIGNATURE_MAX);
}

static void check_member(const struct listing *l, const struct member *m)
{
	size_t len = strlen(m->path);

	require(len > 0 && len <= LISTING_PATH_MAX);
	require(strcmp(m->path, LISTING_TRAILER) != 0);
	require(!m->target == !S_ISLNK(m->mode));
	require(!m->target ||
		(*m->target && strlen(m->target) <= LISTING_PATH_MAX));
	require(m->archive <= l->archives);
	require(m->part < l->part_count);
	require(m->at < m->body && m->body <= m->end);
}

static void check_listing(const struct content *c)
{
	const struct listing_how how = { 0 };
	struct listing l;
	struct fault fault;

	if (listing_read(c, &how, &l, &fault) < 0)
		require(is_text(fault.text, sizeof(fault.text)));
	else
		require(l.count == 0 ||
			l.members[l.count - 1].archive < l.archives);
	for (size_t i = 0; i < l.count; i++)
		check_member(&l, &l.members[i]);
	listing_free(&l);
}

static void check_metadata(const char *text, size_t len)
{
	cJSON *value = cJSON_ParseWithLength(text, len);
	static char shown[1 << 20]; /* deep values are not shown to the end */
	FILE *to;
	long n;

	if (!value)
		return;
	to = fmemopen(shown, sizeof(shown), "w");
	require(to != NULL);
	json_print_value(to, value, 1);
	(void)fflush(to);
	n = ftell(to);
	(void)fclose(to);
	require(n > 0);
	for (long i = 0; i < n && i < (long)sizeof(shown) - 1; i++)
		require((unsigned char)shown[i] >= ' ' || shown[i] == '\n');
	cJSON_Delete(value);
}

static void check_section(const struct eif_section *s,
			  const uint8_t pcr0[EIF_HASH])
{
	struct fault fault;
	char *text;

	if (s->type == EIF_RAMDISK) {
		check_listing(&s->data);
		return;
	}
	if (s->type != EIF_SIGNATURE && s->type != EIF_METADATA)
		return;
	require(content_slurp(&s->data, 1 << 20, "x", &text, &fault) == 0);
	if (s->type == EIF_SIGNATURE)
		check_signature((const uint8_t *)text, s->data.len, pcr0);
	else
		check_metadata(text, s->data.len);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t pcr0[EIF_HASH];
	struct eif_pcrs pcrs;
	struct fault fault;
	char path[40];
	struct eif eif;
	int fd;

	/* Sections by themselves, too: few changes leave an image one. */
	check_signature(data, size, pcr0);
	check_metadata((const char *)data, size);

	fd = memfd_create("eif", MFD_CLOEXEC);
	require(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	check_listing(&(struct content){ .fd = fd, .len = size });
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (eif_open(path, &eif, &fault) < 0) {
		require(fault.kind == FAULT_REFUSED);
		require(is_text(fault.text, sizeof(fault.text)));
		goto out;
	}
	require(eif.len == size);
	check_sections(&eif);
	require(eif_measure(&eif, &pcrs, &fault) == 0);
	check_copy(&eif, &pcrs);
	for (size_t i = 0; i < eif.count; i++)
		check_section(&eif.sections[i], pcrs.pcr0);
	eif_close(&eif);
out:
	close(fd);
	return 0;
}
