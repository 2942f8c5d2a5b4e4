#include "rootfs/pack/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "rootfs/pack/fault.h"
#include "rootfs/pack/hash.h"

enum {
	CHUNK = 1 << 16,
	HEAD = 110, /* bytes of a member's header */
	MAGIC = 6,
	FIELDS = 13, /* of eight hexadecimal digits each */
	ARCHIVES_MAX = 1 << 16,
};

/* Bytes in their order: those of the section, or what a compressed part of it has. */
struct source {
	const struct content *c;
	struct spool *keep;	/* for contents, or NULL */
	uint64_t next;		/* of C, the first that was not read yet */
	struct archive *filter; /* NULL: plain */
	const uint8_t *data;	/* read, and not used yet */
	size_t len;
	uint64_t at;	 /* of the first of them, in this source */
	uint64_t within; /* where C's compressed part begins */
	uint64_t before; /* bytes that were unpacked before it */
	struct fault read_fault;
	bool read_failed;
	uint8_t chunk[CHUNK];
};

/* --- bytes --- */

static int refuse(const struct source *s, uint64_t at, const char *what,
		  struct fault *reterr)
{
	if (s->filter)
		return fault_refuse(
			reterr,
			"offset %llu of what is compressed at "
			"offset %llu: %s",
			(unsigned long long)at,
			(unsigned long long)(s->c->offset + s->within), what);
	return fault_refuse(reterr, "offset %llu: %s",
			    (unsigned long long)(s->c->offset + at), what);
}

static ssize_t read_chunk(struct source *s, struct fault *reterr)
{
	uint64_t left = s->c->len - s->next;
	size_t n = left < CHUNK ? (size_t)left : CHUNK;

	if (content_read(s->c, s->next, s->chunk, n, reterr) < 0)
		return -1;
	s->next += n;
	return (ssize_t)n;
}

static la_ssize_t read_for_filter(struct archive *a, void *client,
				  const void **ret)
{
	struct source *s = client;
	ssize_t n = read_chunk(s, &s->read_fault);

	if (n < 0) {
		s->read_failed = true;
		archive_set_error(a, EIO, "read");
		return ARCHIVE_FATAL;
	}
	*ret = s->chunk;
	return n;
}

static int filter_failed(struct source *s, struct fault *reterr)
{
	if (s->read_failed) {
		*reterr = s->read_fault;
		return -1;
	}
	return fault_refuse(reterr, "offset %llu: cannot be unpacked: %s",
			    (unsigned long long)(s->c->offset + s->within),
			    archive_error_string(s->filter) ?: "no reason");
}

/* At least one byte in DATA: 1; 0 at the end. */
static int fill(struct source *s, struct fault *reterr)
{
	const void *data;
	la_int64_t offset;
	ssize_t n;
	int r;

	while (s->len == 0) {
		if (!s->filter) {
			n = read_chunk(s, reterr);
			if (n <= 0)
				return (int)n;
			s->data = s->chunk;
			s->len = (size_t)n;
			return 1;
		}
		r = archive_read_data_block(s->filter, &data, &s->len, &offset);
		if (r == ARCHIVE_EOF) {
			s->len = 0;
			return 0;
		}
		if (r != ARCHIVE_OK)
			return filter_failed(s, reterr);
		if (spool_check_unpacked(s->c->len, s->before + s->at + s->len,
					 reterr) < 0)
			return fault_prefix(
				reterr, "offset %llu",
				(unsigned long long)(s->c->offset + s->within));
		s->data = data;
	}
	return 1;
}

static void use(struct source *s, size_t n)
{
	s->data += n;
	s->len -= n;
	s->at += n;
}

/*
 * LEN bytes to TO (NULL: nowhere), and into HASH (NULL: none), if that is the content
 * of a file.
 */
static int take(struct source *s, void *to, uint64_t len, struct hash *hash,
		struct fault *reterr)
{
	uint8_t *end = to;
	size_t n;
	int r;

	while (len > 0) {
		r = fill(s, reterr);
		if (r < 0)
			return -1;
		if (r == 0)
			return refuse(s, s->at, "the archive is cut short",
				      reterr);
		n = s->len < len ? s->len : (size_t)len;
		if (end) {
			memcpy(end, s->data, n);
			end += n;
		}
		if (hash)
			hash_add(hash, s->data, n);
		if (hash && s->keep &&
		    spool_append(s->keep, s->data, n, reterr) < 0)
			return -1;
		use(s, n);
		len -= n;
	}
	return 0;
}

static int align(struct source *s, struct fault *reterr)
{
	return take(s, NULL, -s->at & 3, NULL, reterr);
}

/* Skips zeros: the byte behind them, or -1 at the end, -2 on failure. */
static int skip_zeros(struct source *s, struct fault *reterr)
{
	uint8_t first;
	int r;

	while ((r = fill(s, reterr)) > 0) {
		first = *s->data;
		if (first)
			return first;
		use(s, 1);
	}
	return r < 0 ? -2 : -1;
}

/* --- one member --- */

static bool read_hex(const uint8_t *from, uint32_t *ret)
{
	uint32_t n = 0;

	for (int i = 0; i < 8; i++) {
		unsigned c = from[i] | 0x20;

		if (from[i] >= '0' && from[i] <= '9')
			n = n << 4 | (uint32_t)(from[i] - '0');
		else if (c >= 'a' && c <= 'f')
			n = n << 4 | (c - 'a' + 10);
		else
			return false;
	}
	*ret = n;
	return true;
}

/* "./a//b/" is "a/b", and "/" is ".". */
static void normalise(char *path)
{
	const char *from = path;
	char *to = path;

	while (*from) {
		size_t n = strcspn(from, "/");

		if (n > 0 && !(n == 1 && *from == '.')) {
			if (to > path)
				*to++ = '/';
			memmove(to, from, n);
			to += n;
		}
		from += n + (from[n] == '/');
	}
	if (to == path)
		*to++ = '.';
	*to = '\0';
}

/* LEN bytes, which are a text without a NUL. */
static int take_text(struct source *s, size_t len, char **ret,
		     struct fault *reterr)
{
	uint64_t at = s->at;
	char *text = malloc(len + 1);

	if (!text)
		return fault_system(reterr, ENOMEM, "a ramdisk's names");
	if (take(s, text, len, NULL, reterr) < 0) {
		free(text);
		return -1;
	}
	text[len] = '\0';
	if (strlen(text) != len) {
		free(text);
		return refuse(s, at, "a NUL in a name", reterr);
	}
	*ret = text;
	return 0;
}

static int add(struct listing *l, struct member *m, struct fault *reterr)
{
	size_t room = l->room ? l->room * 2 : 64;
	struct member *grown;

	if (l->count == l->room) {
		grown = reallocarray(l->members, room, sizeof(*grown));
		if (!grown)
			return fault_system(reterr, ENOMEM,
					    "a ramdisk's names");
		l->members = grown;
		l->room = room;
	}
	l->members[l->count++] = *m;
	*m = (struct member){ 0 };
	return 0;
}

static int take_content(struct source *s, struct member *m, uint32_t sum,
			bool has_sum, struct fault *reterr)
{
	struct hash hash;
	uint64_t at = s->at, from = s->keep ? s->keep->len : 0;
	uint32_t got = 0;
	int r = 0;

	if (hash_begin(&hash, HASH_SHA384, reterr) < 0)
		return -1;
	if (!has_sum) {
		r = take(s, NULL, m->size, &hash, reterr);
	} else {
		for (uint64_t left = m->size; left > 0 && r == 0;) {
			uint8_t some[512];
			size_t n = left < sizeof(some) ? (size_t)left :
							 sizeof(some);

			r = take(s, some, n, &hash, reterr);
			for (size_t i = 0; i < n && r == 0; i++)
				got += some[i];
			left -= n;
		}
		if (r == 0 && got != sum)
			r = refuse(s, at, "a wrong checksum", reterr);
	}
	if (r == 0)
		r = hash_end(&hash, m->hash, reterr);
	hash_free(&hash);
	if (s->keep)
		m->content = spool_content(s->keep, from);
	return r;
}

/* What is behind a name, by its type. */
static int take_body(struct source *s, struct member *m, uint32_t sum,
		     bool has_sum, struct fault *reterr)
{
	uint64_t at = s->at;

	switch (m->mode & S_IFMT) {
	case S_IFREG:
		return take_content(s, m, sum, has_sum, reterr);
	case S_IFLNK:
		if (m->size == 0 || m->size > LISTING_PATH_MAX)
			return refuse(s, at, "a link of no or too many bytes",
				      reterr);
		return take_text(s, (size_t)m->size, &m->target, reterr);
	case S_IFDIR:
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		if (m->size)
			return refuse(s, at, "a content, but not a file",
				      reterr);
		return 0;
	default:
		return refuse(s, at, "of an unknown type", reterr);
	}
}

/* The next member of an archive: 1; 0 behind its last. */
static int take_member(struct source *s, struct listing *l,
		       struct fault *reterr)
{
	uint8_t head[HEAD];
	uint32_t f[FIELDS];
	struct member m = { 0 };
	uint64_t at = s->at;
	bool has_sum, is_last;
	int r = -1;

	if (take(s, head, HEAD, NULL, reterr) < 0)
		return -1;
	has_sum = memcmp(head, "070702", MAGIC) == 0;
	if (!has_sum && memcmp(head, "070701", MAGIC) != 0)
		return refuse(s, at, "no header of a newc archive", reterr);
	for (size_t i = 0; i < FIELDS; i++)
		if (!read_hex(head + MAGIC + 8 * i, &f[i]))
			return refuse(s, at, "a header with no number", reterr);
	m.ino = f[0];
	m.mode = f[1];
	m.uid = f[2];
	m.gid = f[3];
	m.nlink = f[4];
	m.mtime = f[5];
	m.size = f[6];
	m.dev_major = f[7];
	m.dev_minor = f[8];
	m.rdev_major = f[9];
	m.rdev_minor = f[10];
	m.archive = l->archives;
	if (f[11] < 2 || f[11] > LISTING_PATH_MAX + 1)
		return refuse(s, at, "a name of no or too many bytes", reterr);
	if (take_text(s, f[11] - 1, &m.path, reterr) < 0)
		return -1;
	if (fill(s, reterr) <= 0 || *s->data) {
		(void)refuse(s, s->at, "a name without its end", reterr);
		goto out;
	}
	use(s, 1);
	if (align(s, reterr) < 0)
		goto out;
	is_last = strcmp(m.path, "TRAILER!!!") == 0;
	if (is_last && m.size > 0) {
		(void)refuse(s, at, "a trailer with a content", reterr);
		goto out;
	}
	if (is_last) {
		r = 0;
		goto out;
	}
	normalise(m.path);
	if (take_body(s, &m, f[12], has_sum, reterr) < 0 ||
	    align(s, reterr) < 0) {
		(void)fault_prefix(reterr, "%s", m.path);
		goto out;
	}
	l->bytes += strlen(m.path) + (m.target ? strlen(m.target) : 0);
	if (l->count == LISTING_MEMBERS_MAX || l->bytes > LISTING_BYTES_MAX) {
		(void)refuse(s, at, "too many names", reterr);
		goto out;
	}
	if (add(l, &m, reterr) < 0)
		goto out;
	r = 1;
out:
	free(m.path);
	free(m.target);
	return r;
}

/* --- hard links --- */

struct link {
	const struct member *of;
	size_t index;
};

static int compare(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

/* As the kernel tells them apart, and then as they lie. */
static int compare_links(const void *a, const void *b)
{
	const struct member *x = ((const struct link *)a)->of;
	const struct member *y = ((const struct link *)b)->of;

	return compare(x->archive, y->archive)		   ?:
		       compare(x->ino, y->ino)		   ?:
		       compare(x->dev_major, y->dev_major) ?:
		       compare(x->dev_minor, y->dev_minor) ?:
		       compare(x->mode & S_IFMT, y->mode & S_IFMT);
}

static int compare_links_in_order(const void *a, const void *b)
{
	return compare_links(a, b) ?:
				     compare(((const struct link *)a)->index,
					     ((const struct link *)b)->index);
}

/* The last one's owner, mode and time are those of all, and the last content. */
static void share(struct listing *l, const struct link *links, size_t count)
{
	const struct member *last = links[count - 1].of, *content = last;

	for (size_t i = 0; i < count; i++)
		if (links[i].of->size > 0)
			content = links[i].of;
	for (size_t i = 0; i < count; i++) {
		struct member *m = &l->members[links[i].index];

		m->link = (uint32_t)links[0].index + 1;
		m->mode = last->mode;
		m->uid = last->uid;
		m->gid = last->gid;
		m->mtime = last->mtime;
		m->size = content->size;
		m->content = content->content;
		memcpy(m->hash, content->hash, EIF_HASH);
	}
}

static int find_links(struct listing *l, struct fault *reterr)
{
	struct link *links = calloc(l->count ?: 1, sizeof(*links));
	size_t count = 0, n;

	if (!links)
		return fault_system(reterr, ENOMEM, "a ramdisk's names");
	for (size_t i = 0; i < l->count; i++)
		if (S_ISREG(l->members[i].mode) && l->members[i].nlink > 1)
			links[count++] = (struct link){ &l->members[i], i };
	qsort(links, count, sizeof(*links), compare_links_in_order);
	for (size_t i = 0; i < count; i += n) {
		for (n = 1; i + n < count; n++)
			if (compare_links(&links[i], &links[i + n]) != 0)
				break;
		if (n > 1)
			share(l, links + i, n);
	}
	free(links);
	return 0;
}

/* --- a ramdisk --- */

static int take_archive(struct source *s, struct listing *l,
			struct fault *reterr)
{
	int r;

	do
		r = take_member(s, l, reterr);
	while (r > 0);
	if (r < 0)
		return -1;
	if (++l->archives == ARCHIVES_MAX)
		return refuse(s, s->at, "too many archives", reterr);
	return 0;
}

/*
 * All archives up to the end: 0; 1 where a byte is none of them, which begins
 * something compressed in a plain source.
 */
static int take_archives(struct source *s, struct listing *l,
			 struct fault *reterr)
{
	bool behind_one = false;
	int c;

	while ((c = skip_zeros(s, reterr)) >= 0) {
		if (behind_one && s->at & 3)
			return refuse(s, s->at,
				      "the padding behind an archive does not "
				      "end at a multiple of 4",
				      reterr);
		if (c != '0' || s->at & 3) {
			if (!s->filter)
				return 1;
			return refuse(s, s->at, "no archive", reterr);
		}
		if (take_archive(s, l, reterr) < 0)
			return -1;
		behind_one = true;
	}
	return c == -1 ? 0 : -1;
}

static const struct {
	const char *name, *magic;
	size_t len;
	int (*enable)(struct archive *a);
} methods[] = {
	{ "gzip", "\x1f\x8b", 2, archive_read_support_filter_gzip },
	{ "bzip2", "BZh", 3, archive_read_support_filter_bzip2 },
	{ "lzma", "\x5d\0\0", 3, archive_read_support_filter_lzma },
	{ "xz", "\xfd\x37zXZ\0", 6, archive_read_support_filter_xz },
	{ "lz4", "\x02\x21\x4c\x18", 4, archive_read_support_filter_lz4 },
	{ "zstd", "\x28\xb5\x2f\xfd", 4, archive_read_support_filter_zstd },
};

static int open_filter(struct source *s, size_t method, struct fault *reterr)
{
	struct archive_entry *entry;
	int count;

	s->filter = archive_read_new();
	if (!s->filter)
		return fault_system(reterr, ENOMEM, "a ramdisk");
	/* A warning would mean that another program is run for it. */
	if (methods[method].enable(s->filter) != ARCHIVE_OK)
		return fault_refuse(
			reterr,
			"offset %llu: this libarchive cannot "
			"unpack %s",
			(unsigned long long)(s->c->offset + s->within),
			methods[method].name);
	if (archive_read_support_format_raw(s->filter) != ARCHIVE_OK ||
	    archive_read_support_format_empty(s->filter) != ARCHIVE_OK ||
	    archive_read_open(s->filter, s, NULL, read_for_filter, NULL) !=
		    ARCHIVE_OK)
		return filter_failed(s, reterr);
	switch (archive_read_next_header(s->filter, &entry)) {
	case ARCHIVE_OK:
		break;
	case ARCHIVE_EOF: /* compressed, and empty */
		return 0;
	default:
		return filter_failed(s, reterr);
	}
	/* With the one method, once, as the kernel does. */
	count = archive_filter_count(s->filter);
	if (count != 2)
		return fault_refuse(
			reterr, "offset %llu: %s %s",
			(unsigned long long)(s->c->offset + s->within),
			count < 2 ? "begins as, but is not" :
				    "compressed twice, by",
			methods[method].name);
	return 1;
}

/* What is compressed at AT of the section: where it ends, in *RET_END. */
static int take_compressed(const struct content *c, uint64_t at,
			   struct spool *keep, struct listing *l,
			   uint64_t *ret_end, struct fault *reterr)
{
	enum { COUNT = sizeof(methods) / sizeof(methods[0]) };
	struct source *s;
	uint8_t magic[6] = { 0 };
	size_t n = c->len - at < 6 ? (size_t)(c->len - at) : 6, i;
	int r = -1;

	if (content_read(c, at, magic, n, reterr) < 0)
		return -1;
	for (i = 0; i < COUNT; i++)
		if (memcmp(magic, methods[i].magic, methods[i].len) == 0)
			break;
	if (i == COUNT)
		return fault_refuse(reterr,
				    "offset %llu: neither a newc archive nor "
				    "compressed in a known way",
				    (unsigned long long)(c->offset + at));
	s = calloc(1, sizeof(*s));
	if (!s)
		return fault_system(reterr, ENOMEM, "a ramdisk");
	s->c = c;
	s->keep = keep;
	s->next = s->within = at;
	s->before = l->unpacked;
	r = open_filter(s, i, reterr);
	if (r > 0)
		r = take_archives(s, l, reterr);
	if (r < 0)
		goto out;
	*ret_end = (uint64_t)archive_filter_bytes(s->filter, -1) + at;
	l->unpacked += s->at;
	if (!l->compression || strcmp(l->compression, methods[i].name) == 0)
		l->compression = methods[i].name;
	else
		l->compression = "mixed";
	if (*ret_end <= at || *ret_end > c->len)
		r = fault_refuse(reterr, "offset %llu: it has no end",
				 (unsigned long long)(c->offset + at));
out:
	archive_read_free(s->filter);
	free(s);
	return r;
}

int listing_read(const struct content *c, struct spool *keep,
		 struct listing *ret, struct fault *reterr)
{
	struct source *s;
	uint64_t end = 0;
	uint32_t before;
	int r;

	memset(ret, 0, sizeof(*ret));
	s = calloc(1, sizeof(*s));
	if (!s)
		return fault_system(reterr, ENOMEM, "a ramdisk");
	s->c = c;
	s->keep = keep;
	for (;;) {
		uint64_t from = s->at;

		before = ret->archives;
		r = take_archives(s, ret, reterr);
		if (r >= 0 && ret->archives > before)
			ret->compression = ret->compression ? "mixed" : "none";
		ret->unpacked += s->at - from;
		if (r <= 0)
			break;
		r = take_compressed(c, s->at, keep, ret, &end, reterr);
		if (r < 0)
			break;
		s->at = s->next = end;
		s->len = 0;
	}
	free(s);
	if (r < 0)
		return -1;
	if (!ret->compression)
		ret->compression = "none";
	return find_links(ret, reterr);
}

int listing_read_section(const struct eif *eif, size_t index,
			 struct spool *keep, struct listing *ret,
			 struct fault *reterr)
{
	const struct eif_section *s = &eif->sections[index];

	if (listing_read(&s->data, keep, ret, reterr) == 0)
		return 0;
	return fault_prefix(reterr, "%s: section %zu (%s)", eif->path, index,
			    eif_type_name(s->type));
}

void listing_free(struct listing *l)
{
	for (size_t i = 0; i < l->count; i++) {
		free(l->members[i].path);
		free(l->members[i].target);
	}
	free(l->members);
	memset(l, 0, sizeof(*l));
}
