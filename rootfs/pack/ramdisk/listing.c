#include "rootfs/pack/ramdisk/listing.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/hash.h"

enum {
	CHUNK = 1 << 16,
	HEAD = 110, /* bytes of a member's header */
	MAGIC = 6,
	FIELDS = 13, /* of eight hexadecimal digits each */
	ARCHIVES_MAX = 1 << 16,
};

/* Bytes in their order: those of the section, or what a compressed part of it has. */
struct listing_source {
	const struct content *c;
	struct spool *keep; /* for what was compressed, or NULL */
	uint64_t kept;	    /* where in it this begins */
	uint64_t skew;	    /* bytes before this: the kernel aligns by all */
	bool hashes;
	uint64_t next;		/* of C, the first that was not read yet */
	struct archive *filter; /* NULL: plain */
	const uint8_t *data;	/* read, and not used yet */
	size_t len;
	uint64_t at;	 /* of the first of them, in this source */
	uint64_t within; /* where C's compressed part begins */
	uint64_t before; /* bytes that were unpacked before it */
	struct fault read_fault;
	bool read_failed;
	size_t room; /* no more than C has: an overrun is found by tools */
	uint8_t chunk[];
};

/* --- bytes --- */

/* The caller frees it; NULL without memory. */
static struct listing_source *new_source(const struct content *c)
{
	size_t room = c->len < CHUNK ? (size_t)c->len : CHUNK;
	struct listing_source *s = calloc(1, sizeof(*s) + room);

	if (!s)
		return NULL;
	s->c = c;
	s->room = room;
	return s;
}

static int refuse(const struct listing_source *s, uint64_t at, const char *what,
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

static ssize_t read_chunk(struct listing_source *s, struct fault *reterr)
{
	uint64_t left = s->c->len - s->next;
	size_t n = left < s->room ? (size_t)left : s->room;

	if (content_read(s->c, s->next, s->chunk, n, reterr) < 0)
		return -1;
	s->next += n;
	return (ssize_t)n;
}

static la_ssize_t read_for_filter(struct archive *a, void *client,
				  const void **ret)
{
	struct listing_source *s = client;
	ssize_t n = read_chunk(s, &s->read_fault);

	if (n < 0) {
		s->read_failed = true;
		archive_set_error(a, EIO, "read");
		return ARCHIVE_FATAL;
	}
	*ret = s->chunk;
	return n;
}

static int filter_failed(struct listing_source *s, struct fault *reterr)
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
static int fill(struct listing_source *s, struct fault *reterr)
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
		if (s->keep && spool_append(s->keep, data, s->len, reterr) < 0)
			return -1;
	}
	return 1;
}

static void use(struct listing_source *s, size_t n)
{
	s->data += n;
	s->len -= n;
	s->at += n;
}

/* Skips LEN bytes, those that were not read yet unread. */
static int skip(struct listing_source *s, uint64_t len, struct fault *reterr)
{
	size_t n = s->len < len ? s->len : (size_t)len;

	use(s, n);
	len -= n;
	if (len == 0)
		return 0;
	if (len > s->c->len - s->next) {
		s->at += s->c->len - s->next;
		return refuse(s, s->at, "the archive is cut short", reterr);
	}
	s->next += len;
	s->at += len;
	return 0;
}

/* LEN bytes to TO (NULL: nowhere), and into HASH (NULL: none). */
static int take(struct listing_source *s, void *to, uint64_t len,
		struct hash *hash, struct fault *reterr)
{
	uint8_t *end = to;
	size_t n;
	int r;

	if (!s->filter && !to && !hash)
		return skip(s, len, reterr);
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
		use(s, n);
		len -= n;
	}
	return 0;
}

static int align(struct listing_source *s, struct fault *reterr)
{
	return take(s, NULL, -(s->skew + s->at) & 3, NULL, reterr);
}

/* How many zeros DATA begins with: eight at a time, as some ramdisks are padded to mebibytes. */
static size_t count_zeros(const uint8_t *data, size_t len)
{
	uint64_t eight;
	size_t n = 0;

	for (; len - n >= sizeof(eight); n += sizeof(eight)) {
		memcpy(&eight, data + n, sizeof(eight));
		if (eight)
			break;
	}
	while (n < len && !data[n])
		n++;
	return n;
}

/* Skips zeros: the byte behind them, or -1 at the end, -2 on failure. */
static int skip_zeros(struct listing_source *s, struct fault *reterr)
{
	int r;

	while ((r = fill(s, reterr)) > 0) {
		use(s, count_zeros(s->data, s->len));
		if (s->len)
			return *s->data;
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

/* LEN bytes, which are a text; zeros behind it are what some writers align by. */
static int take_text(struct listing_source *s, size_t len, char **ret,
		     struct fault *reterr)
{
	uint64_t at = s->at;
	char *text = malloc(len + 1);
	size_t end;

	if (!text)
		return fault_system(reterr, ENOMEM, "a ramdisk's names");
	if (take(s, text, len, NULL, reterr) < 0) {
		free(text);
		return -1;
	}
	text[len] = '\0';
	end = strlen(text);
	while (len > end && text[len - 1] == '\0')
		len--;
	if (end != len || len == 0) {
		free(text);
		return refuse(s, at,
			      len ? "a NUL in a name" : "a name of no bytes",
			      reterr);
	}
	*ret = text;
	return 0;
}

/* ITEMS with room for one more of SIZE bytes, or NULL, and they are as they were. */
static void *grow(void *items, size_t count, size_t *room, size_t size,
		  struct fault *reterr)
{
	size_t more = *room ? *room * 2 : 64;
	void *grown;

	if (count < *room)
		return items;
	grown = reallocarray(items, more, size);
	if (grown)
		*room = more;
	else
		(void)fault_system(reterr, ENOMEM, "a ramdisk's names");
	return grown;
}

static int add(struct listing *l, struct member *m, struct fault *reterr)
{
	struct member *grown =
		grow(l->members, l->count, &l->room, sizeof(*m), reterr);

	if (!grown)
		return -1;
	l->members = grown;
	l->members[l->count++] = *m;
	*m = (struct member){ 0 };
	return 0;
}

static int add_trailer(struct listing *l, const struct member *m,
		       struct fault *reterr)
{
	struct trailer *grown = grow(l->trailers, l->trailer_count,
				     &l->trailer_room, sizeof(*grown), reterr);

	if (!grown)
		return -1;
	l->trailers = grown;
	l->trailers[l->trailer_count++] = (struct trailer){
		.part = m->part,
		.ino = m->ino,
		.at = m->at,
		.end = m->body,
		.before = l->count,
	};
	return 0;
}

static int add_part(struct listing *l, uint64_t from, const char *method,
		    struct fault *reterr)
{
	struct listing_part *grown = grow(
		l->parts, l->part_count, &l->part_room, sizeof(*grown), reterr);

	if (!grown)
		return -1;
	l->parts = grown;
	l->parts[l->part_count++] = (struct listing_part){
		.from = from,
		.method = method,
		.content = { .fd = -1 },
	};
	return 0;
}

static struct listing_part *last_part(struct listing *l)
{
	return &l->parts[l->part_count - 1];
}

/* Where S is in the bytes of its part. */
static uint64_t place(const struct listing_source *s, struct listing *l)
{
	return s->filter ? s->at : s->at - last_part(l)->from;
}

static int take_content(struct listing_source *s, struct member *m,
			uint32_t sum, bool has_sum, struct fault *reterr)
{
	struct hash hash;
	uint64_t at = s->at;
	uint32_t got = 0;
	int r = 0;

	if (!s->filter)
		m->content = (struct content){ s->c->fd, s->c->offset + at,
					       m->size };
	else if (s->keep)
		m->content =
			(struct content){ s->keep->fd, s->kept + at, m->size };
	/* Whether names share a content is to be told even so. */
	if (!s->hashes && m->nlink < 2 && !has_sum)
		return take(s, NULL, m->size, NULL, reterr);
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
	return r;
}

/* What is behind a name, by its type. */
static int take_body(struct listing_source *s, struct member *m, uint32_t sum,
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

/* The next member of an archive: 1; 0: its trailer. */
static int take_member(struct listing_source *s, struct listing *l,
		       struct fault *reterr)
{
	uint8_t head[HEAD];
	uint32_t f[FIELDS];
	struct member m = { .content = { .fd = -1 } };
	uint64_t at = s->at, from = place(s, l);
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
	m.mode = f[1] & 0xffff; /* umode_t */
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
	m.part = (uint32_t)(l->part_count - 1);
	m.at = from;
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
	m.body = place(s, l);
	is_last = strcmp(m.path, LISTING_TRAILER) == 0;
	if (is_last && m.size > 0) {
		(void)refuse(s, at, "a trailer with a content", reterr);
		goto out;
	}
	if (is_last) {
		r = add_trailer(l, &m, reterr);
		goto out;
	}
	if (take_body(s, &m, f[12], has_sum, reterr) < 0 ||
	    align(s, reterr) < 0) {
		(void)fault_prefix(reterr, "%s", m.path);
		goto out;
	}
	m.end = place(s, l);
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

/* --- a ramdisk --- */

/* The kernel takes zeros between members, too, and no trailer at the end of all. */
static int take_next(struct listing_source *s, struct listing *l, bool *is_open,
		     struct fault *reterr)
{
	int r = take_member(s, l, reterr);

	if (r < 0)
		return -1;
	*is_open = r > 0;
	if (r == 0 && ++l->archives == ARCHIVES_MAX)
		return refuse(s, s->at, "too many archives", reterr);
	return 0;
}

/*
 * All archives up to the end: 0; 1 where a byte is none of them, which begins
 * something compressed in a plain source.
 */
static int take_archives(struct listing_source *s, struct listing *l,
			 struct listing_state *state, struct fault *reterr)
{
	bool is_open = false;
	int c;

	for (;;) {
		/* It looks for a header before it has seen one. */
		if (s->filter && !state->has_begun) {
			c = fill(s, reterr);
			c = c > 0 ? *s->data : c - 1;
			if (c == 0 || c == -1)
				return refuse(s, s->at,
					      "no archive, which must come "
					      "first",
					      reterr);
		} else {
			c = skip_zeros(s, reterr);
		}
		if (c < 0)
			break;
		if (state->is_plain && (s->skew + s->at) & 3)
			return refuse(s, s->at,
				      "the padding behind an archive does not "
				      "end at a multiple of 4",
				      reterr);
		if (c != '0' || (s->skew + s->at) & 3) {
			if (!s->filter && c == '0')
				return refuse(s, s->at,
					      "an archive that does not begin "
					      "at a multiple of 4",
					      reterr);
			if (!s->filter)
				break;
			return refuse(s, s->at, "no archive", reterr);
		}
		if (take_next(s, l, &is_open, reterr) < 0)
			return -1;
		state->has_begun = true;
		state->is_plain = true;
	}
	if (is_open)
		l->archives++;
	return c == -2 ? -1 : c == -1 ? 0 : 1;
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

static int open_filter(struct listing_source *s, size_t method,
		       struct fault *reterr)
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
			   const struct listing_how *how,
			   struct listing_state *state, struct listing *l,
			   uint64_t *ret_end, struct fault *reterr)
{
	enum { COUNT = sizeof(methods) / sizeof(methods[0]) };
	struct listing_source *s;
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
	/* Each costs a reader. */
	if (++l->compressed > LISTING_PARTS_MAX)
		return fault_refuse(reterr,
				    "offset %llu: more than %d compressed "
				    "parts",
				    (unsigned long long)(c->offset + at),
				    LISTING_PARTS_MAX);
	if (add_part(l, at, methods[i].name, reterr) < 0)
		return -1;
	s = new_source(c);
	if (!s)
		return fault_system(reterr, ENOMEM, "a ramdisk");
	s->keep = how->keep;
	s->kept = s->keep ? s->keep->len : 0;
	s->hashes = !how->without_hashes;
	s->next = s->within = at;
	s->before = l->unpacked;
	state->is_plain = false;
	r = open_filter(s, i, reterr);
	if (r == 0 && !state->has_begun)
		r = refuse(s, 0, "no archive, which must come first", reterr);
	if (r > 0)
		r = take_archives(s, l, state, reterr);
	if (r < 0)
		goto out;
	state->is_plain = false;
	*ret_end = (uint64_t)archive_filter_bytes(s->filter, -1) + at;
	l->unpacked += s->at;
	if (!l->compression || strcmp(l->compression, methods[i].name) == 0)
		l->compression = methods[i].name;
	else
		l->compression = "mixed";
	if (s->keep)
		last_part(l)->content = spool_content(s->keep, s->kept);
	last_part(l)->to = *ret_end;
	if (*ret_end <= at || *ret_end > c->len)
		r = fault_refuse(reterr, "offset %llu: it has no end",
				 (unsigned long long)(c->offset + at));
out:
	archive_read_free(s->filter);
	free(s);
	return r;
}

static int read_all(const struct content *c, const struct listing_how *how,
		    struct listing_state *state, struct listing *l,
		    struct fault *reterr)
{
	struct listing_source *s = new_source(c);
	uint64_t end = 0;
	uint32_t before;
	int r;

	if (!s)
		return fault_system(reterr, ENOMEM, "a ramdisk");
	s->hashes = !how->without_hashes;
	s->skew = state->at;
	for (;;) {
		uint64_t from = s->at;

		before = l->archives;
		r = add_part(l, from, NULL, reterr);
		if (r < 0)
			break;
		r = take_archives(s, l, state, reterr);
		if (r >= 0 && l->archives > before)
			l->compression = l->compression ? "mixed" : "none";
		l->unpacked += s->at - from;
		last_part(l)->to = s->at;
		last_part(l)->content = (struct content){ c->fd,
							  c->offset + from,
							  s->at - from };
		if (r <= 0)
			break;
		r = take_compressed(c, s->at, how, state, l, &end, reterr);
		if (r < 0)
			break;
		s->at = s->next = end;
		s->len = 0;
	}
	free(s);
	return r;
}

int listing_read(const struct content *c, const struct listing_how *how,
		 struct listing *ret, struct fault *reterr)
{
	struct listing_state state = { 0 };
	int r;

	memset(ret, 0, sizeof(*ret));
	if (how->state)
		state = *how->state;
	r = read_all(c, how, &state, ret, reterr);
	if (how->state) {
		/* Behind a fault the next one is looked at as if it were none. */
		state.at += c->len;
		if (r < 0)
			state = (struct listing_state){ state.at & ~UINT64_C(3),
							true, false };
		*how->state = state;
	}
	if (r == 0 && !ret->compression)
		ret->compression = "none";
	return r;
}

int listing_read_section(const struct eif *eif, size_t index,
			 const struct listing_how *how, struct listing *ret,
			 struct fault *reterr)
{
	const struct eif_section *s = &eif->sections[index];

	if (listing_read(&s->data, how, ret, reterr) == 0)
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
	free(l->trailers);
	free(l->parts);
	memset(l, 0, sizeof(*l));
}
