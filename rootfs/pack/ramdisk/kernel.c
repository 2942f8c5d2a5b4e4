#include "rootfs/pack/ramdisk/kernel.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/image/elf.h"

enum {
	HEAD = 0x240, /* bytes that tell a kernel */
	CHUNK = 1 << 16,
	MARK_MAX = 32,	       /* of what is searched */
	MODULE_MAX = 64 << 20, /* bytes of a module, unpacked */
};

int kernel_search(const struct content *c, const char *text, uint64_t *ret_at,
		  struct fault *reterr)
{
	static char chunk[CHUNK];
	size_t len = strlen(text), n;
	char *hit;

	for (uint64_t at = 0; at < c->len; at += CHUNK - MARK_MAX) {
		n = c->len - at < CHUNK ? (size_t)(c->len - at) : CHUNK;
		if (content_read(c, at, chunk, n, reterr) < 0)
			return -1;
		hit = memmem(chunk, n, text, len);
		if (hit) {
			*ret_at = at + (uint64_t)(hit - chunk);
			return 1;
		}
	}
	return 0;
}

/* The word at AT, up to a blank. */
static void read_word(const struct content *c, uint64_t at, char *word)
{
	struct fault ignored;
	uint64_t n;

	*word = '\0';
	if (at >= c->len)
		return;
	n = c->len - at;
	if (n > KERNEL_VERSION_MAX - 1)
		n = KERNEL_VERSION_MAX - 1;
	if (content_read(c, at, word, (size_t)n, &ignored) < 0)
		n = 0;
	word[n] = '\0';
	word[strcspn(word, " \t\n")] = '\0';
	for (char *s = word; *s; s++)
		if (*s < '!' || *s > '~')
			*s = '\0';
}

static unsigned le16(const uint8_t *p)
{
	return p[0] | (unsigned)p[1] << 8;
}

int kernel_inspect(const char *path, const struct content *c,
		   struct kernel *ret, struct fault *reterr)
{
	static const char banner[] = "Linux version ";
	uint8_t head[HEAD];
	uint64_t at;
	int r;

	memset(ret, 0, sizeof(*ret));
	if (c->len < HEAD)
		return fault_refuse(reterr, "%s: too short for a kernel", path);
	if (content_read(c, 0, head, HEAD, reterr) < 0)
		return fault_prefix(reterr, "%s", path);

	if (memcmp(head + 0x202, "HdrS", 4) == 0 &&
	    le16(head + 0x1fe) == 0xaa55) {
		if (!(le16(head + 0x236) & 1))
			return fault_refuse(
				reterr, "%s: a bzImage without a 64-bit entry",
				path);
		ret->arch = EIF_X86_64;
		if (le16(head + 0x20e))
			read_word(c, le16(head + 0x20e) + 0x200U, ret->version);
		return 0;
	}
	if (memcmp(head + 0x38, "ARM\x64", 4) == 0) {
		ret->arch = EIF_AARCH64;
		r = kernel_search(c, banner, &at, reterr);
		if (r < 0)
			return fault_prefix(reterr, "%s", path);
		if (r > 0)
			read_word(c, at + strlen(banner), ret->version);
		return 0;
	}
	if (head[0] == 0x1f && head[1] == 0x8b)
		return fault_refuse(
			reterr,
			"%s: a gzip'ed kernel; an enclave for arm64 "
			"wants the Image itself",
			path);
	return fault_refuse(reterr,
			    "%s: neither a bzImage for x86-64 nor an Image for "
			    "arm64",
			    path);
}

int kernel_check_module(const char *path, const struct content *c,
			const struct kernel *k, struct fault *reterr)
{
	static const char mark[] = "vermagic=";
	char version[KERNEL_VERSION_MAX];
	uint64_t at;
	int r;

	if (elf_check_module(path, c, k->arch, reterr) < 0)
		return -1;
	r = kernel_search(c, mark, &at, reterr);
	if (r < 0)
		return fault_prefix(reterr, "%s", path);
	if (r == 0 || k->version[0] == '\0')
		return 0;
	read_word(c, at + strlen(mark), version);
	if (strcmp(version, k->version) != 0)
		return fault_refuse(reterr,
				    "%s: a module for the kernel %s, but the "
				    "kernel is %s",
				    path, version, k->version);
	return 0;
}

static bool is_packed(const uint8_t head[6])
{
	return memcmp(head, "\x1f\x8b", 2) == 0 ||
	       memcmp(head,
		      "\xfd"
		      "7zXZ\0",
		      6) == 0 ||
	       memcmp(head, "\x28\xb5\x2f\xfd", 4) == 0;
}

/* All of what A gives; 0, or -1, with reterr if it is not A's fault. */
static int unpack(struct archive *a, struct spool *spool, bool *ret_is_ours,
		  struct fault *reterr)
{
	static char chunk[CHUNK];
	struct archive_entry *entry;
	uint64_t from = spool->len;
	la_ssize_t n;

	*ret_is_ours = false;
	if (archive_read_next_header(a, &entry) != ARCHIVE_OK)
		return -1;
	while ((n = archive_read_data(a, chunk, sizeof(chunk))) > 0) {
		*ret_is_ours = true;
		if (spool->len - from + (uint64_t)n > MODULE_MAX)
			return fault_refuse(reterr,
					    "a module of more than %d bytes",
					    MODULE_MAX);
		if (spool_append(spool, chunk, (size_t)n, reterr) < 0)
			return -1;
		*ret_is_ours = false;
	}
	return n < 0 ? -1 : 0;
}

int kernel_unpack_module(const char *path, struct content *c,
			 struct spool *spool, struct fault *reterr)
{
	uint8_t head[6];
	uint64_t from = spool->len;
	struct archive *a;
	bool is_ours = false;
	int r = -1;

	if (c->len < sizeof(head))
		return 0;
	if (content_read(c, 0, head, sizeof(head), reterr) < 0)
		return fault_prefix(reterr, "%s", path);
	if (!is_packed(head))
		return 0;
	a = archive_read_new();
	if (!a)
		return fault_system(reterr, ENOMEM, "%s", path);
	if (archive_read_support_filter_gzip(a) == ARCHIVE_OK &&
	    archive_read_support_filter_xz(a) == ARCHIVE_OK &&
	    archive_read_support_filter_zstd(a) == ARCHIVE_OK &&
	    archive_read_support_format_raw(a) == ARCHIVE_OK &&
	    archive_read_open_fd(a, c->fd, CHUNK) == ARCHIVE_OK)
		r = unpack(a, spool, &is_ours, reterr);
	if (r < 0 && is_ours)
		(void)fault_prefix(reterr, "%s", path);
	else if (r < 0)
		(void)fault_refuse(reterr, "%s: a compressed module: %s", path,
				   archive_error_string(a) ?
					   archive_error_string(a) :
					   "cannot be unpacked");
	else
		*c = spool_content(spool, from);
	(void)archive_read_free(a);
	return r;
}
