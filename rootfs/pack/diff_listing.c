#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "rootfs/pack/diff.h"
#include "rootfs/pack/escape.h"
#include "rootfs/pack/fault.h"

/* A listing's names in order, each once: the last of it, which is what remains. */
struct names {
	const struct listing *l;
	const struct member **items;
	size_t count;
	const char **first; /* of hard links, by member.link: the first name */
};

static int compare_names(const void *a, const void *b)
{
	const struct member *x = *(const struct member *const *)a;
	const struct member *y = *(const struct member *const *)b;
	int r = strcmp(x->path, y->path);

	/* Both are in one array. */
	return r ? r : (x > y) - (x < y);
}

static int make_names(const struct listing *l, struct names *ret,
		      struct fault *reterr)
{
	size_t count = 0;

	ret->l = l;
	ret->items = calloc(l->count + 1, sizeof(*ret->items));
	ret->first = calloc(l->count + 1, sizeof(*ret->first));
	if (!ret->items || !ret->first)
		return fault_system(reterr, ENOMEM, "a ramdisk's names");
	for (size_t i = 0; i < l->count; i++)
		ret->items[i] = &l->members[i];
	qsort(ret->items, l->count, sizeof(*ret->items), compare_names);
	for (size_t i = 0; i < l->count; i++) {
		const struct member *m = ret->items[i];

		if (i + 1 < l->count &&
		    strcmp(m->path, ret->items[i + 1]->path) == 0)
			continue;
		ret->items[count++] = m;
		if (!ret->first[m->link])
			ret->first[m->link] = m->path;
	}
	ret->first[0] = NULL;
	ret->count = count;
	return 0;
}

static void free_names(struct names *n)
{
	free(n->items);
	free(n->first);
}

/* --- printing --- */

static void print_text(const char *text)
{
	escape_print(stdout, text, strlen(text));
}

static const char *type_name(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "file";
	case S_IFDIR:
		return "folder";
	case S_IFLNK:
		return "link";
	case S_IFCHR:
		return "character device";
	case S_IFBLK:
		return "block device";
	case S_IFIFO:
		return "FIFO";
	default:
		return "socket";
	}
}

static bool is_device(const struct member *m)
{
	return S_ISCHR(m->mode) || S_ISBLK(m->mode);
}

static void print_member(char side, const struct names *n,
			 const struct member *m)
{
	const char *first = n->first[m->link];

	(void)printf("    %c: %s, mode %04o, owner %u:%u", side,
		     type_name(m->mode), m->mode & 07777, m->uid, m->gid);
	if (is_device(m))
		(void)printf(", device %u:%u", m->rdev_major, m->rdev_minor);
	if (m->target) {
		(void)printf(", to ");
		print_text(m->target);
	}
	if (first && strcmp(first, m->path) != 0) {
		(void)printf(", hard link of ");
		print_text(first);
	}
	if (S_ISREG(m->mode)) {
		(void)printf(", %" PRIu64 " bytes, SHA-384 ", m->size);
		for (size_t i = 0; i < EIF_HASH; i++)
			(void)printf("%02x", m->hash[i]);
	}
	(void)putchar('\n');
}

static void print_only(char side, const struct names *n, const struct member *m)
{
	(void)printf("  only in %c: ", side);
	print_text(m->path);
	(void)putchar('\n');
	print_member(side, n, m);
}

/* --- files --- */

enum {
	TYPE = 1,
	MODE = 2,
	OWNER = 4,
	DEVICE = 8,
	TARGET = 16,
	LINKS = 32,
	CONTENT = 64
};

static bool is_same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static unsigned compare_members(const struct names *a, const struct member *x,
				const struct names *b, const struct member *y)
{
	unsigned r = 0;

	if ((x->mode ^ y->mode) & S_IFMT)
		r |= TYPE;
	if ((x->mode ^ y->mode) & 07777)
		r |= MODE;
	if (x->uid != y->uid || x->gid != y->gid)
		r |= OWNER;
	if (r & TYPE)
		return r;
	if (is_device(x) &&
	    (x->rdev_major != y->rdev_major || x->rdev_minor != y->rdev_minor))
		r |= DEVICE;
	if (!is_same_text(x->target, y->target))
		r |= TARGET;
	if (!is_same_text(a->first[x->link], b->first[y->link]))
		r |= LINKS;
	if (S_ISREG(x->mode) && memcmp(x->hash, y->hash, EIF_HASH) != 0)
		r |= CONTENT;
	return r;
}

static void print_differs(unsigned what, const char *path)
{
	static const char *const words[] = {
		"type",	  "mode",	"owner",   "device",
		"target", "hard links", "content",
	};
	const char *comma = "";

	(void)printf("  differs: ");
	print_text(path);
	(void)printf(" (");
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!(what & 1U << i))
			continue;
		(void)printf("%s%s", comma, words[i]);
		comma = ", ";
	}
	(void)puts(")");
}

static bool diff_files(const struct names *a, const struct names *b)
{
	size_t i = 0, j = 0;
	bool differs = false;

	while (i < a->count || j < b->count) {
		const struct member *x = i < a->count ? a->items[i] : NULL;
		const struct member *y = j < b->count ? b->items[j] : NULL;
		int order = !x ? 1 : !y ? -1 : strcmp(x->path, y->path);
		unsigned what;

		i += order <= 0;
		j += order >= 0;
		if (order < 0) {
			print_only('A', a, x);
		} else if (order > 0) {
			print_only('B', b, y);
		} else {
			what = compare_members(a, x, b, y);
			if (what == 0)
				continue;
			print_differs(what, x->path);
			print_member('A', a, x);
			print_member('B', b, y);
		}
		differs = true;
	}
	return differs;
}

/* --- the same files --- */

static bool is_same_order(const struct listing *a, const struct listing *b)
{
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->members[i].path, b->members[i].path) != 0)
			return false;
	return true;
}

static bool print_count(const char *what, size_t count)
{
	if (count > 0)
		(void)printf("    %s, of %zu names\n", what, count);
	return count > 0;
}

/* Both have the same names. */
static void diff_archives(const struct names *a, const struct names *b)
{
	const struct listing *x = a->l, *y = b->l;
	size_t times = 0, inodes = 0, devices = 0, links = 0, archives = 0;
	bool said = false;

	(void)puts("  no file differs, but the archives do:");
	if (strcmp(x->compression, y->compression) != 0) {
		(void)printf("    compression: %s, %s\n", x->compression,
			     y->compression);
		said = true;
	}
	if (x->archives != y->archives) {
		(void)printf("    archives: %u, %u\n", x->archives,
			     y->archives);
		said = true;
	}
	if (x->count != y->count) {
		(void)printf("    names that are there twice: %zu, %zu\n",
			     x->count - a->count, y->count - b->count);
		said = true;
	} else if (!is_same_order(x, y)) {
		(void)puts("    order of names");
		said = true;
	}
	for (size_t i = 0; i < a->count; i++) {
		const struct member *m = a->items[i], *n = b->items[i];

		times += m->mtime != n->mtime;
		inodes += m->ino != n->ino;
		devices += m->dev_major != n->dev_major ||
			   m->dev_minor != n->dev_minor ||
			   m->rdev_major != n->rdev_major ||
			   m->rdev_minor != n->rdev_minor;
		links += m->nlink != n->nlink;
		archives += m->archive != n->archive;
	}
	said |= print_count("times", times);
	said |= print_count("inode numbers", inodes);
	said |= print_count("device numbers", devices);
	said |= print_count("link counts", links);
	said |= print_count("which archive has them", archives);
	if (x->unpacked != y->unpacked) {
		(void)printf("    padding: %" PRIu64 ", %" PRIu64
			     " bytes without compression\n",
			     x->unpacked, y->unpacked);
		said = true;
	}
	if (said)
		return;
	(void)puts(
		strcmp(x->compression, "none") == 0 ?
			"    padding, or how headers and names are written" :
			"    how they are compressed, padding, or how headers "
			"and names are written");
}

int diff_listings(const struct listing *a, const struct listing *b,
		  struct fault *reterr)
{
	struct names x = { 0 }, y = { 0 };
	int r = -1;

	if (make_names(a, &x, reterr) < 0 || make_names(b, &y, reterr) < 0)
		goto out;
	if (!diff_files(&x, &y))
		diff_archives(&x, &y);
	r = 0;
out:
	free_names(&x);
	free_names(&y);
	return r;
}
