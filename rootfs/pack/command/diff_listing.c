#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "rootfs/pack/base/escape.h"
#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/tree.h"
#include "rootfs/pack/command/describe.h"
#include "rootfs/pack/command/diff.h"
#include "rootfs/pack/command/emit.h"

/* A ramdisk's files in the order of their names. */
struct diff_names {
	const struct unpacked *r;
	const struct unpacked_file **items;
	const char **first; /* of hard links, by file.link: the first name */
};

static int compare_names(const void *a, const void *b)
{
	const struct unpacked_file *x = *(const struct unpacked_file *const *)a;
	const struct unpacked_file *y = *(const struct unpacked_file *const *)b;

	return strcmp(x->path, y->path);
}

static int out_of_memory(struct fault *reterr)
{
	return fault_system(reterr, ENOMEM, "a ramdisk's names");
}

static int make_names(const struct unpacked *r, struct diff_names *ret,
		      struct fault *reterr)
{
	ret->r = r;
	ret->items = calloc(r->count + 1, sizeof(*ret->items));
	ret->first = calloc(r->count + 1, sizeof(*ret->first));
	if (!ret->items || !ret->first)
		return out_of_memory(reterr);
	for (size_t i = 0; i < r->count; i++)
		ret->items[i] = &r->files[i];
	qsort(ret->items, r->count, sizeof(*ret->items), compare_names);
	for (size_t i = 0; i < r->count; i++) {
		const struct unpacked_file *f = ret->items[i];

		if (f->link && !ret->first[f->link])
			ret->first[f->link] = f->path;
	}
	return 0;
}

static void free_names(struct diff_names *n)
{
	free(n->items);
	free(n->first);
}

/* --- printing --- */

static void print_text(const char *text)
{
	escape_print(stdout, text, strlen(text));
}

static bool is_device(const struct unpacked_file *f)
{
	return S_ISCHR(f->mode) || S_ISBLK(f->mode);
}

static void print_file(char side, const struct diff_names *n,
		       const struct unpacked_file *f)
{
	const char *first = n->first[f->link];

	(void)printf("    %c: %s, mode %04o, owner %u:%u", side,
		     tree_type_name(f->mode), f->mode & 07777, f->uid, f->gid);
	if (is_device(f))
		(void)printf(", device %u:%u", f->rdev_major, f->rdev_minor);
	if (f->target) {
		(void)printf(", to ");
		print_text(f->target);
	}
	if (first && strcmp(first, f->path) != 0) {
		(void)printf(", hard link of ");
		print_text(first);
	}
	if (S_ISREG(f->mode)) {
		(void)printf(", %" PRIu64 " bytes, SHA-384 ", f->size);
		for (size_t i = 0; i < EIF_HASH; i++)
			(void)printf("%02x", f->hash[i]);
	}
	(void)putchar('\n');
}

/* --- files --- */

static const char *const properties[] = {
	"type", "mode", "owner", "device", "target", "hard links", "content",
};

enum {
	TYPE = 1,
	MODE = 2,
	OWNER = 4,
	DEVICE = 8,
	TARGET = 16,
	LINKS = 32,
	CONTENT = 64,
	COUNT = sizeof(properties) / sizeof(properties[0]),
};

static bool is_same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static unsigned compare_files(const struct diff_names *a,
			      const struct unpacked_file *x,
			      const struct diff_names *b,
			      const struct unpacked_file *y)
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

/* X, Y: NULL where the side has no such file. */
static void emit_difference(struct emit *e, unsigned what,
			    const struct diff_names *a,
			    const struct unpacked_file *x,
			    const struct diff_names *b,
			    const struct unpacked_file *y)
{
	emit_open(e, NULL, '{');
	/* cppcheck-suppress nullPointerRedundantCheck ; one of both is there */
	emit_string(e, "Path", x ? x->path : y->path);
	emit_open(e, "Differs", '[');
	for (size_t i = 0; i < COUNT; i++)
		if (what & 1U << i)
			emit_string(e, NULL, properties[i]);
	emit_close(e, '[');
	if (x)
		describe_emit_file(e, "A", a->r, x);
	if (y)
		describe_emit_file(e, "B", b->r, y);
	emit_close(e, '{');
}

static void print_difference(unsigned what, const struct diff_names *a,
			     const struct unpacked_file *x,
			     const struct diff_names *b,
			     const struct unpacked_file *y)
{
	const char *comma = "";

	if (x && y)
		(void)printf("  differs: ");
	else
		(void)printf("  only in %c: ", x ? 'A' : 'B');
	/* cppcheck-suppress nullPointerRedundantCheck ; one of both is there */
	print_text(x ? x->path : y->path);
	for (size_t i = 0; i < COUNT; i++) {
		if (!(what & 1U << i))
			continue;
		(void)printf("%s%s", *comma ? comma : " (", properties[i]);
		comma = ", ";
	}
	(void)puts(what ? ")" : "");
	if (x)
		print_file('A', a, x);
	if (y)
		print_file('B', b, y);
}

static bool diff_files(struct emit *e, const struct diff_names *a,
		       const struct diff_names *b)
{
	size_t i = 0, j = 0;
	bool differs = false;

	if (e)
		emit_open(e, "Files", '[');
	while (i < a->r->count || j < b->r->count) {
		const struct unpacked_file *x = i < a->r->count ? a->items[i] :
								  NULL;
		const struct unpacked_file *y = j < b->r->count ? b->items[j] :
								  NULL;
		int order = !x ? 1 : !y ? -1 : strcmp(x->path, y->path);
		unsigned what = 0;

		i += order <= 0;
		j += order >= 0;
		if (order < 0)
			y = NULL;
		else if (order > 0)
			x = NULL;
		else
			what = compare_files(a, x, b, y);
		if (x && y && what == 0)
			continue;
		differs = true;
		if (e)
			emit_difference(e, what, a, x, b, y);
		else
			print_difference(what, a, x, b, y);
	}
	if (e)
		emit_close(e, '[');
	return differs;
}

bool diff_is_same(const struct unpacked *a, const struct unpacked *b,
		  unsigned ramdisk, bool *ret_foreign)
{
	bool same = a->count == b->count;

	for (size_t i = 0; same && i < a->count; i++) {
		const struct unpacked_file *x = &a->files[i], *y = &b->files[i];

		same = strcmp(x->path, y->path) == 0 && x->mode == y->mode &&
		       x->uid == y->uid && x->gid == y->gid &&
		       x->rdev_major == y->rdev_major &&
		       x->rdev_minor == y->rdev_minor && x->link == y->link &&
		       x->ramdisk == y->ramdisk && x->member == y->member &&
		       is_same_text(x->target, y->target);
	}
	for (size_t i = 0; i < a->count; i++)
		*ret_foreign |= S_ISREG(a->files[i].mode) &&
				a->files[i].ramdisk != ramdisk;
	for (size_t i = 0; i < b->count; i++)
		*ret_foreign |= S_ISREG(b->files[i].mode) &&
				b->files[i].ramdisk != ramdisk;
	return same;
}

/* --- the same files --- */

static int compare_members(const void *a, const void *b)
{
	const struct member *x = *(const struct member *const *)a;
	const struct member *y = *(const struct member *const *)b;
	int r = strcmp(x->path, y->path);

	/* Both are in one array. */
	return r ? r : (x > y) - (x < y);
}

static const struct member **sort_members(const struct listing *l)
{
	const struct member **items = calloc(l->count + 1, sizeof(*items));

	if (!items)
		return NULL;
	for (size_t i = 0; i < l->count; i++)
		items[i] = &l->members[i];
	qsort(items, l->count, sizeof(struct member *), compare_members);
	return items;
}

static bool is_same_order(const struct listing *a, const struct listing *b)
{
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->members[i].path, b->members[i].path) != 0)
			return false;
	return true;
}

/* What of the archives is reported. */
struct report {
	struct emit *e;
	bool said;
};

static void report_two(struct report *r, const char *what, const char *key,
		       uint64_t a, uint64_t b, const char *behind)
{
	if (a == b)
		return;
	r->said = true;
	if (!r->e) {
		(void)printf("    %s: %" PRIu64 ", %" PRIu64 "%s\n", what, a, b,
			     behind);
		return;
	}
	emit_open(r->e, key, '{');
	emit_number(r->e, "A", a);
	emit_number(r->e, "B", b);
	emit_close(r->e, '{');
}

static void report_count(struct report *r, const char *what, const char *key,
			 size_t count)
{
	if (count == 0)
		return;
	r->said = true;
	if (r->e)
		emit_number(r->e, key, count);
	else
		(void)printf("    %s, of %zu names\n", what, count);
}

static void report_words(struct report *r, const char *words, const char *key)
{
	r->said = true;
	if (r->e)
		emit_bool(r->e, key, true);
	else
		(void)printf("    %s\n", words);
}

static void compare_headers(struct report *r, const struct member **a,
			    const struct member **b, size_t count)
{
	size_t times = 0, inodes = 0, devices = 0, links = 0, archives = 0;

	for (size_t i = 0; i < count; i++) {
		const struct member *m = a[i], *n = b[i];

		times += m->mtime != n->mtime;
		inodes += m->ino != n->ino;
		devices += m->dev_major != n->dev_major ||
			   m->dev_minor != n->dev_minor ||
			   m->rdev_major != n->rdev_major ||
			   m->rdev_minor != n->rdev_minor;
		links += m->nlink != n->nlink;
		archives += m->archive != n->archive;
	}
	report_count(r, "times", "Times", times);
	report_count(r, "inode numbers", "Inodes", inodes);
	report_count(r, "device numbers", "Devices", devices);
	report_count(r, "link counts", "LinkCounts", links);
	report_count(r, "which archive has them", "WhichArchive", archives);
}

static bool has_same_names(const struct member **a, const struct member **b,
			   size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(a[i]->path, b[i]->path) != 0)
			return false;
	return true;
}

static int diff_archives(struct emit *e, const struct listing *a,
			 const struct listing *b, struct fault *reterr)
{
	struct report r = { .e = e };
	const struct member **x = sort_members(a), **y = sort_members(b);
	int ret = -1;

	if (!x || !y) {
		(void)out_of_memory(reterr);
		goto out;
	}
	if (e)
		emit_open(e, "Archives", '{');
	else
		(void)puts("  no file differs, but the archives do:");
	if (strcmp(a->compression, b->compression) != 0) {
		r.said = true;
		if (e) {
			emit_open(e, "Compression", '{');
			emit_string(e, "A", a->compression);
			emit_string(e, "B", b->compression);
			emit_close(e, '{');
		} else {
			(void)printf("    compression: %s, %s\n",
				     a->compression, b->compression);
		}
	}
	report_two(&r, "archives", "Count", a->archives, b->archives, "");
	report_two(&r, "members", "Members", a->count, b->count, "");
	if (a->count == b->count) {
		if (!has_same_names(x, y, a->count))
			report_words(&r, "how names are written", "Names");
		else if (!is_same_order(a, b))
			report_words(&r, "order of names", "Order");
		compare_headers(&r, x, y, a->count);
	}
	report_two(&r, "padding", "Unpacked", a->unpacked, b->unpacked,
		   " bytes without compression");
	if (!r.said)
		report_words(&r,
			     strcmp(a->compression, "none") == 0 ?
				     "padding, or how headers and names are "
				     "written" :
				     "how they are compressed, padding, or how "
				     "headers and names are written",
			     "Form");
	if (e)
		emit_close(e, '{');
	ret = 0;
out:
	free(x);
	free(y);
	return ret;
}

/* --- warnings --- */

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static const char **sort_warnings(const struct unpacked *r)
{
	size_t count = r ? r->warning_count : 0;
	const char **items = calloc(count + 1, sizeof(*items));

	if (!items)
		return NULL;
	for (size_t i = 0; i < count; i++)
		items[i] = r->warnings[i];
	qsort(items, count, sizeof(char *), compare_texts);
	return items;
}

static void report_warning(struct emit *e, char side, const char *text)
{
	if (e) {
		emit_open(e, NULL, '{');
		emit_string(e, "In", (char[]){ side, '\0' });
		emit_string(e, "Text", text);
		emit_close(e, '{');
		return;
	}
	(void)printf("  warning, in %c: ", side);
	print_text(text);
	(void)putchar('\n');
}

int diff_warnings(struct emit *e, const struct unpacked *a,
		  const struct unpacked *b, struct fault *reterr)
{
	const char **x = sort_warnings(a), **y = sort_warnings(b);
	const char **at = x, **to = y;
	int order;

	if (!x || !y) {
		free(x);
		free(y);
		return out_of_memory(reterr);
	}
	if (e)
		emit_open(e, "Warnings", '[');
	for (; *at || *to; at += order <= 0, to += order >= 0) {
		order = !*at ? 1 : !*to ? -1 : strcmp(*at, *to);
		if (order < 0)
			report_warning(e, 'A', *at);
		if (order > 0)
			report_warning(e, 'B', *to);
	}
	if (a && a->more_warnings)
		report_warning(e, 'A', "and more");
	if (b && b->more_warnings)
		report_warning(e, 'B', "and more");
	if (e)
		emit_close(e, '[');
	free(x);
	free(y);
	return 0;
}

int diff_ramdisk(struct emit *e, const struct diff_ramdisk *a,
		 const struct diff_ramdisk *b, bool same_bytes,
		 struct fault *reterr)
{
	struct diff_names x = { 0 }, y = { 0 };
	int r = -1;

	if (make_names(&a->unpacked, &x, reterr) < 0 ||
	    make_names(&b->unpacked, &y, reterr) < 0)
		goto out;
	if (!diff_files(e, &x, &y) && !same_bytes &&
	    diff_archives(e, &a->listing, &b->listing, reterr) < 0)
		goto out;
	r = diff_warnings(e, &a->unpacked, &b->unpacked, reterr);
out:
	free_names(&x);
	free_names(&y);
	return r;
}
