/*
 * Ramdisks from anybody: read, unpacked as the kernel does it, alone and over themselves,
 * and with another init put into them. What is left makes a tree; a new init is found where
 * it should be, all else is as before, and putting it there again changes no byte.
 *
 * An input is a ramdisk; or, since few changes of a byte leave one, behind a '#' six bytes
 * for each member of one, with few names and numbers.
 */

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/ramdisk/listing.h"
#include "rootfs/pack/ramdisk/rewrite.h"
#include "rootfs/pack/ramdisk/unpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RECORD = 6, RAMDISK_MAX = 1 << 20 };

static void require(bool truth)
{
	if (!truth)
		abort();
}

static bool is_text(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	return true;
}

/* --- a ramdisk of records --- */

struct output {
	uint8_t *data;
	size_t len;
};

static void put(struct output *o, const void *data, size_t len)
{
	require(o->len + len + 4 <= RAMDISK_MAX);
	memcpy(o->data + o->len, data, len);
	o->len += len;
}

static void align(struct output *o)
{
	put(o, "\0\0\0", -o->len & 3);
}

/* By hand: snprintf took a seventh of all the fuzzer's time. */
static void put_hex(struct output *o, unsigned n)
{
	char text[8];

	for (int i = 7; i >= 0; i--, n >>= 4)
		text[i] = "0123456789abcdef"[n & 15];
	put(o, text, sizeof(text));
}

static void put_member(struct output *o, const char *name, unsigned mode,
		       unsigned ino, unsigned nlink, unsigned dev,
		       const void *body, size_t len)
{
	const unsigned fields[] = {
		ino,   mode, ino % 3,	    nlink % 5,
		nlink, 1,    (unsigned)len, dev >> 4,
		0,     1,    dev & 15,	    (unsigned)strlen(name) + 1,
		0,
	};

	put(o, "070701", 6);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		put_hex(o, fields[i]);
	put(o, name, strlen(name) + 1);
	align(o);
	put(o, body, len);
	align(o);
}

static void make_ramdisk(const uint8_t *data, size_t size, struct output *o)
{
	static const char *const names[] = {
		"a",	  "b",
		"c",	  "init",
		"d/a",	  "d",
		"d/b",	  "d/init",
		"../a",	  ".",
		"d/../a", "a/b",
		"init/",  "d/",
		"a//b/c", "./d/./a",
		"dev/a",  "/b",
		"etc/b",  "etc",
		"d/..",	  "TRAILER!!!/x",
	};
	static const char *const targets[] = { "a", "d",   "../d",  "/",
					       ".", "d/b", "/init", "b" };
	static const unsigned types[] = { S_IFREG, S_IFREG, S_IFREG, S_IFDIR,
					  S_IFDIR, S_IFLNK, S_IFCHR, S_IFIFO };
	static const uint8_t zeros[512];

	for (; size >= RECORD; data += RECORD, size -= RECORD) {
		const char *name =
			names[data[0] % (sizeof(names) / sizeof(names[0]))];
		unsigned type = types[data[1] % 8];
		const char *target = targets[data[5] % 8];

		if (data[0] == 255) {
			put_member(o, LISTING_TRAILER, 0, 0, 1, 0, "", 0);
			put(o, zeros, -o->len & 511);
			continue;
		}
		if (type == S_IFLNK)
			put_member(o, name, type | 0777, data[2], data[3] % 4,
				   data[4], target, strlen(target));
		else
			put_member(o, name, type | (data[1] >> 3) * 021U,
				   data[2], data[3] % 4, data[4], "abcdefgh",
				   type == S_IFREG ? data[5] % 8 : 0);
	}
	put_member(o, LISTING_TRAILER, 0, 0, 1, 0, "", 0);
}

/* --- what is left of it --- */

static const struct unpacked_file *find_above(const struct unpacked *r,
					      const char *path)
{
	char *above = strdup(path), *slash = strrchr(above, '/');
	const struct unpacked_file *f = NULL;

	if (slash) {
		*slash = '\0';
		f = unpack_find(r, above);
	}
	free(above);
	return f;
}

static void check_unpacked(const struct unpacked *r, const struct listing *l,
			   unsigned ramdisk)
{
	require(r->count <= 4 * l->count + 4);
	for (size_t i = 0; i < r->count; i++) {
		const struct unpacked_file *f = &r->files[i], *above;
		size_t len = strlen(f->path);

		require(len > 0 && f->path[0] != '/' &&
			f->path[len - 1] != '/' && !strstr(f->path, "//"));
		require(unpack_find(r, f->path) == f);
		require(!f->target == !S_ISLNK(f->mode));
		require(f->nlink > 0);
		require(f->ramdisk <= ramdisk || f->ramdisk == UINT32_MAX);
		if (f->ramdisk == ramdisk)
			require(f->member < l->count);
		require(f->link <= i + 1);
		if (f->link)
			require(r->files[f->link - 1].link == f->link);
		above = find_above(r, f->path);
		require(!above || S_ISDIR(above->mode));
	}
	for (size_t i = 0; i < r->warning_count; i++)
		require(r->warnings[i][0]);
}

static bool is_same(const struct unpacked_file *a,
		    const struct unpacked_file *b)
{
	return ((a->mode ^ b->mode) & (a->link ? S_IFMT : UINT32_MAX)) == 0 &&
	       a->uid == b->uid && a->gid == b->gid &&
	       (S_ISDIR(a->mode) || a->nlink == b->nlink) &&
	       (!a->target || strcmp(a->target, b->target) == 0);
}

static int slurp_sink(void *ctx, const void *data, size_t len,
		      struct fault *reterr)
{
	(void)reterr;
	require(write(*(int *)ctx, data, len) == (ssize_t)len);
	return 0;
}

/* A new ramdisk of C in *RET, whose fd is the caller's; false: it is refused. */
static bool rewrite(const struct content *c, const struct rewrite_file *files,
		    size_t count, struct content *ret)
{
	struct listing_state state = { 0 };
	struct unpack *u = unpack_new();
	struct rewrite *r;
	struct fault fault;
	bool good;

	require(u != NULL);
	good = rewrite_open(c, files, count, u, &state, &r, &fault) == 0;
	unpack_free(u);
	if (!good) {
		require(fault.kind == FAULT_REFUSED && is_text(fault.text));
		return false;
	}
	*ret = (struct content){ .fd = memfd_create("new", MFD_CLOEXEC) };
	require(ret->fd >= 0);
	require(rewrite_write(r, slurp_sink, &ret->fd, &fault) == 0);
	ret->len = (uint64_t)lseek(ret->fd, 0, SEEK_END);
	rewrite_free(r);
	return true;
}

static void check_rewritten(const struct content *was,
			    const struct unpacked *old,
			    const struct rewrite_file *files, size_t count)
{
	const struct listing_how how = { 0 };
	struct content new, again;
	struct unpacked now;
	struct listing l;
	struct unpack *u;
	struct fault fault;
	void *a, *b;

	if (!rewrite(was, files, count, &new))
		return;
	require(listing_read(&new, &how, &l, &fault) == 0);
	u = unpack_new();
	require(u && unpack_ramdisk(u, &l, &now, &fault) == 0);
	for (size_t i = 0; i < count; i++) {
		const struct unpacked_file *f =
			unpack_find(&now, files[i].path);

		require(f && f->mode == (S_IFREG | files[i].mode) &&
			f->size == files[i].content.len);
	}
	for (size_t i = 0; i < old->count; i++) {
		const struct unpacked_file *f = &old->files[i];
		const struct unpacked_file *g = unpack_find(&now, f->path);

		if (strcmp(f->path, files[0].path) != 0 &&
		    strcmp(f->path, files[1].path) != 0)
			require(g && is_same(f, g));
	}
	unpack_free(u);
	unpack_free_files(&now);
	listing_free(&l);
	require(rewrite(&new, files, count, &again) && again.len == new.len);
	a = mmap(NULL, new.len, PROT_READ, MAP_SHARED, new.fd, 0);
	b = mmap(NULL, new.len, PROT_READ, MAP_SHARED, again.fd, 0);
	require(a != MAP_FAILED && b != MAP_FAILED);
	require(memcmp(a, b, new.len) == 0);
	(void)munmap(a, new.len);
	(void)munmap(b, new.len);
	close(new.fd);
	close(again.fd);
}

static void check_ramdisk(const struct content *c, const struct content *init)
{
	const struct rewrite_file files[] = {
		{ "init", 0755, *init },
		{ "etc/b", 0640, { init->fd, 0, 3 } },
	};
	const struct listing_how how = { 0 };
	struct unpacked first, second;
	struct listing l;
	struct fault fault;
	struct unpack *u;

	if (listing_read(c, &how, &l, &fault) < 0) {
		require(is_text(fault.text));
		listing_free(&l);
		return;
	}
	u = unpack_new();
	require(u != NULL);
	if (unpack_ramdisk(u, &l, &first, &fault) == 0) {
		check_unpacked(&first, &l, 0);
		check_rewritten(c, &first, files, 2);
		if (unpack_ramdisk(u, &l, &second, &fault) == 0)
			check_unpacked(&second, &l, 1);
		unpack_free_files(&second);
	}
	unpack_free_files(&first);
	unpack_free(u);
	listing_free(&l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct output o;
	static int init = -1;
	int fd = memfd_create("ramdisk", MFD_CLOEXEC);

	if (!o.data) {
		o.data = malloc(RAMDISK_MAX);
		init = memfd_create("init", MFD_CLOEXEC);
		require(o.data && init >= 0 && write(init, "new init", 8) == 8);
	}
	require(fd >= 0);
	if (size > 0 && data[0] == '#') {
		o.len = 0;
		make_ramdisk(data + 1, size > 3000 ? 3000 : size - 1, &o);
		data = o.data;
		size = o.len;
	}
	require(write(fd, data, size) == (ssize_t)size);
	check_ramdisk(&(struct content){ fd, 0, size },
		      &(struct content){ init, 0, 8 });
	close(fd);
	return 0;
}
