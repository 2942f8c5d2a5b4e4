#include "rootfs/pack/ramdisk/rewrite.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/ramdisk/gzip.h"

enum {
	CHUNK = 1 << 16,
	HEAD = 110, /* bytes of a header, with its magic: */
	MAGIC = 6,
	FIELD = 8, /* bytes of each of its fields */
	INO = 0,
	MODE = 1,
	SIZE = 6,
	CHECK = 12,
	BLOCK = 512,
};

/* In the place of the bytes from AT to END of a part. */
struct edit {
	uint32_t part;
	uint64_t at, end;
	enum { EDIT_FILE, EDIT_NEW, EDIT_TRAILER } kind;
	size_t member;		       /* of the listing */
	const struct content *content; /* NULL: none */
};

struct rewrite {
	struct content ramdisk;
	struct spool spool;
	struct listing l; /* as it was, and the new members behind it */
	size_t old_count; /* of its members */
	const struct rewrite_file *files;
	size_t count;
	struct edit *edits; /* in order */
	size_t edit_count;
	const char *compression;
	char *others[REWRITE_FILES_MAX]; /* names of FILES; NULL: none */
	uint32_t next_ino;
	size_t trailer; /* 1 + the one that new members go before; 0: none */

	/* While writing. */
	rewrite_sink *sink;
	void *ctx;
	uint64_t written;  /* of the section */
	struct gzip *gzip; /* NULL: it is not compressed */
	uint64_t place;	   /* in the part's bytes */
	uint64_t skip; /* zeros that the part begins with, and are written */
	uint8_t chunk[CHUNK];
};

static int out_of_memory(struct fault *reterr)
{
	return fault_system(reterr, ENOMEM, "a ramdisk");
}

/* --- finding ------------------------------------------------------------------ */

static int add_edit(struct rewrite *r, const struct edit *e,
		    struct fault *reterr)
{
	struct edit *grown =
		reallocarray(r->edits, r->edit_count + 1, sizeof(*grown));

	if (!grown)
		return out_of_memory(reterr);
	r->edits = grown;
	r->edits[r->edit_count++] = *e;
	return 0;
}

static int edit_file(struct rewrite *r, size_t member,
		     const struct rewrite_file *f, struct fault *reterr)
{
	struct member *m = &r->l.members[member];
	const struct edit e = {
		.part = m->part,
		.at = m->at,
		.end = m->end,
		.kind = EDIT_FILE,
		.member = member,
		.content = &f->content,
	};

	if (f->content.len > UINT32_MAX)
		return fault_refuse(reterr,
				    "%s: %llu bytes, a ramdisk takes files of "
				    "up to 4294967295",
				    f->path,
				    (unsigned long long)f->content.len);
	m->mode = S_IFREG | f->mode;
	m->size = f->content.len;
	return add_edit(r, &e, reterr);
}

/* A new member in front of the last trailer. */
static int add_member(struct rewrite *r, const char *path, size_t len,
		      uint32_t mode, const struct rewrite_file *f,
		      struct fault *reterr)
{
	struct listing *l = &r->l;
	const struct member *like = &l->members[r->old_count - 1];
	const struct trailer *t = r->trailer ? &l->trailers[r->trailer - 1] :
					       NULL;
	uint64_t at = t ? t->at : like->end;
	struct member m = {
		.mode = mode,
		.nlink = S_ISDIR(mode) ? 2 : 1,
		.mtime = like->mtime,
		.dev_major = like->dev_major,
		.dev_minor = like->dev_minor,
		.ino = r->next_ino++,
		.size = f ? f->content.len : 0,
		.content = { .fd = -1 },
		.archive = t ? like->archive : l->archives - 1,
		.part = t ? t->part : like->part,
		.at = at,
		.body = at,
		.end = at,
	};
	const struct edit e = {
		.part = m.part,
		.at = at,
		.end = at,
		.kind = EDIT_NEW,
		.member = l->count,
		.content = f ? &f->content : NULL,
	};

	if (l->count - r->old_count == REWRITE_MEMBERS_MAX)
		return fault_refuse(reterr, "%s: too many new folders", path);
	if (f && f->content.len > UINT32_MAX)
		return fault_refuse(reterr,
				    "%s: %llu bytes, a ramdisk takes files of "
				    "up to 4294967295",
				    path, (unsigned long long)f->content.len);
	m.path = strndup(path, len);
	if (!m.path)
		return out_of_memory(reterr);
	/* The listing has room for them. */
	l->members[l->count++] = m;
	return add_edit(r, &e, reterr);
}

static bool is_new(const struct rewrite *r, const char *path, size_t len)
{
	for (size_t i = r->old_count; i < r->l.count; i++)
		if (strncmp(r->l.members[i].path, path, len) == 0 &&
		    r->l.members[i].path[len] == '\0')
			return true;
	return false;
}

/* The folders above PATH that are not there. */
static int add_folders(struct rewrite *r, const struct unpacked *old,
		       const char *path, struct fault *reterr)
{
	const struct unpacked_file *f;
	const char *slash = path;
	char *above;

	while ((slash = strchr(slash, '/'))) {
		size_t len = (size_t)(slash++ - path);

		if (is_new(r, path, len))
			continue;
		above = strndup(path, len);
		if (!above)
			return out_of_memory(reterr);
		f = unpack_find(old, above);
		free(above);
		if (f && !S_ISDIR(f->mode))
			return fault_refuse(reterr,
					    "%s: what should be its folder is "
					    "none",
					    path);
		if (!f &&
		    add_member(r, path, len, S_IFDIR | 0755, NULL, reterr) < 0)
			return -1;
	}
	return 0;
}

/* The hard links of FOUND get its new content as well. */
static int find_others(const struct unpacked *old,
		       const struct unpacked_file *found, char **ret,
		       struct fault *reterr)
{
	bool good = true;
	FILE *to = NULL;
	size_t len;

	for (size_t i = 0; i < old->count; i++) {
		const struct unpacked_file *f = &old->files[i];

		if (f == found || !S_ISREG(f->mode) ||
		    f->member != found->member)
			continue;
		if (to)
			good = fputs(", ", to) >= 0;
		else
			to = open_memstream(ret, &len);
		good = good && to && fputs(f->path, to) >= 0;
		if (!good)
			break;
	}
	if (to && fclose(to) != 0)
		good = false;
	return good ? 0 : out_of_memory(reterr);
}

static int find_file(struct rewrite *r, const struct unpacked *old,
		     const struct rewrite_file *f, struct fault *reterr)
{
	const struct unpacked_file *found = unpack_find(old, f->path);

	if (found && S_ISREG(found->mode)) {
		if (found->nlink > 1 &&
		    find_others(old, found, &r->others[f - r->files], reterr) <
			    0)
			return -1;
		return edit_file(r, found->member, f, reterr);
	}
	if (found && S_ISDIR(found->mode))
		return fault_refuse(reterr, "%s: a folder is there", f->path);
	if (add_folders(r, old, f->path, reterr) < 0)
		return -1;
	return add_member(r, f->path, strlen(f->path), S_IFREG | f->mode, f,
			  reterr);
}

/* Where new members go, and their numbers: the trailer's on, if it is counted. */
static void find_end(struct rewrite *r)
{
	const struct listing *l = &r->l;
	size_t n = l->trailer_count;

	r->trailer = n && l->trailers[n - 1].before == l->count ? n : 0;
	if (r->trailer && l->trailers[n - 1].ino) {
		r->next_ino = l->trailers[n - 1].ino;
		return;
	}
	for (size_t i = 0; i < l->count; i++)
		if (l->members[i].ino >= r->next_ino)
			r->next_ino = l->members[i].ino + 1;
}

static int compare_edits(const void *a, const void *b)
{
	const struct edit *x = a, *y = b;

	if (x->part != y->part)
		return (x->part > y->part) - (x->part < y->part);
	if (x->at != y->at)
		return (x->at > y->at) - (x->at < y->at);
	if (x->kind != y->kind) /* trailers last */
		return (x->kind > y->kind) - (x->kind < y->kind);
	return (x->member > y->member) - (x->member < y->member);
}

/* Where the zeros behind trailer T end. */
static uint64_t find_zeros_end(const struct rewrite *r, size_t t)
{
	const struct listing *l = &r->l;
	const struct trailer *now = &l->trailers[t];
	const struct listing_part *p = &l->parts[now->part];
	uint64_t end = p->content.len;

	if (t + 1 < l->trailer_count && l->trailers[t + 1].part == now->part)
		end = l->trailers[t + 1].at;
	if (now->before < r->old_count &&
	    l->members[now->before].part == now->part &&
	    l->members[now->before].at < end)
		end = l->members[now->before].at;
	return end;
}

/* The trailers behind what changes, whose padding may. */
static int add_trailers(struct rewrite *r, struct fault *reterr)
{
	size_t count = r->edit_count;
	bool is_behind;

	for (size_t t = 0; t < r->l.trailer_count; t++) {
		const struct trailer *now = &r->l.trailers[t];
		uint64_t from = t && now[-1].part == now->part ? now[-1].end :
								 0;

		is_behind = false;
		for (size_t i = 0; i < count; i++)
			is_behind |= r->edits[i].part == now->part &&
				     r->edits[i].at >= from &&
				     r->edits[i].at <= now->at;
		if (is_behind &&
		    add_edit(r,
			     &(struct edit){ .part = now->part,
					     .at = now->at,
					     .end = find_zeros_end(r, t),
					     .kind = EDIT_TRAILER,
					     .member = t },
			     reterr) < 0)
			return -1;
	}
	qsort(r->edits, r->edit_count, sizeof(*r->edits), compare_edits);
	return 0;
}

/* --- checking ----------------------------------------------------------------- */

static bool is_same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool is_wanted(const struct rewrite *r, const char *path)
{
	for (size_t i = 0; i < r->count; i++)
		if (strcmp(r->files[i].path, path) == 0)
			return true;
	return false;
}

/* F was there, and is to be yet; of hard links of a wanted file the mode may be another. */
static int check_old(const struct unpacked *now, size_t *at,
		     const struct unpacked_file *f, struct fault *reterr)
{
	const struct unpacked_file *g;

	/* They come in the same order. */
	while (*at < now->count && strcmp(now->files[*at].path, f->path) != 0)
		++*at;
	if (*at == now->count)
		return fault_refuse(reterr, "%s: would be lost", f->path);
	g = &now->files[(*at)++];
	if (((f->mode ^ g->mode) & (f->link ? S_IFMT : UINT32_MAX)) ||
	    f->uid != g->uid || f->gid != g->gid ||
	    f->rdev_major != g->rdev_major || f->rdev_minor != g->rdev_minor ||
	    (S_ISREG(f->mode) && f->member != g->member) ||
	    (!S_ISDIR(f->mode) && f->nlink != g->nlink) ||
	    !is_same_text(f->target, g->target))
		return fault_refuse(reterr, "%s: would be another", f->path);
	return 0;
}

/* What the kernel finds now, against what it found. */
static int check(const struct rewrite *r, const struct unpacked *old,
		 const struct unpacked *now, struct fault *reterr)
{
	size_t at = 0;

	for (size_t i = 0; i < r->count; i++) {
		const struct rewrite_file *f = &r->files[i];
		const struct unpacked_file *g = unpack_find(now, f->path);

		if (!g || g->mode != (S_IFREG | f->mode) ||
		    g->size != f->content.len)
			return fault_refuse(reterr,
					    "%s: cannot be put there: the "
					    "ramdisk's other members have the "
					    "kernel make something else of it",
					    f->path);
	}
	for (size_t i = 0; i < old->count; i++) {
		if (is_wanted(r, old->files[i].path))
			continue;
		if (check_old(now, &at, &old->files[i], reterr) < 0)
			return -1;
	}
	return 0;
}

/* --- reading ------------------------------------------------------------------- */

static int make_room(struct listing *l, struct fault *reterr)
{
	struct member *grown = reallocarray(
		l->members, l->count + REWRITE_MEMBERS_MAX, sizeof(*grown));

	if (!grown)
		return out_of_memory(reterr);
	l->members = grown;
	l->room = l->count + REWRITE_MEMBERS_MAX;
	return 0;
}

/* In the listing the new members stand in front of the trailer, too. */
static void move_trailer(struct rewrite *r)
{
	if (r->trailer)
		r->l.trailers[r->trailer - 1].before = r->l.count;
}

/* Of parts that change, those compressed by what we cannot write have to be the last. */
static int check_parts(struct rewrite *r, struct fault *reterr)
{
	const struct listing *l = &r->l;

	for (size_t i = 0; i < r->edit_count; i++) {
		const char *method = l->parts[r->edits[i].part].method;

		if (!method)
			continue;
		r->compression = method;
		if (strcmp(method, "gzip") != 0 &&
		    l->members[r->old_count - 1].part != r->edits[i].part)
			return fault_refuse(reterr,
					    "compressed by %s, with more "
					    "behind it: only gzip can be "
					    "written there",
					    method);
	}
	return 0;
}

/* A member is of one file. */
static int check_edits(const struct rewrite *r, struct fault *reterr)
{
	for (size_t i = 0; i < r->edit_count; i++)
		for (size_t j = 0; j < i; j++)
			if (r->edits[i].member == r->edits[j].member)
				return fault_refuse(
					reterr,
					"%s: a hard link of another file "
					"that is to be replaced",
					r->l.members[r->edits[i].member].path);
	return 0;
}

static int prepare(struct rewrite *r, struct unpack *u, struct unpacked *old,
		   struct unpacked *now, struct listing_state *state,
		   struct fault *reterr)
{
	const struct listing_how how = {
		.keep = &r->spool,
		.without_hashes = true,
		.state = state,
	};
	struct unpack *first = unpack_new();
	int ret = -1;

	if (!first)
		return out_of_memory(reterr);
	if (spool_open(&r->spool, reterr) < 0 ||
	    listing_read(&r->ramdisk, &how, &r->l, reterr) < 0 ||
	    unpack_ramdisk(first, &r->l, old, reterr) < 0)
		goto out;
	r->old_count = r->l.count;
	if (r->old_count == 0) {
		(void)fault_refuse(reterr, "an empty ramdisk");
		goto out;
	}
	find_end(r);
	if (make_room(&r->l, reterr) < 0)
		goto out;
	for (size_t i = 0; i < r->count; i++)
		if (find_file(r, old, &r->files[i], reterr) < 0)
			goto out;
	if (check_edits(r, reterr) < 0 || add_trailers(r, reterr) < 0 ||
	    check_parts(r, reterr) < 0)
		goto out;
	move_trailer(r);
	if (unpack_ramdisk(u, &r->l, now, reterr) < 0)
		goto out;
	ret = check(r, old, now, reterr);
out:
	unpack_free(first);
	return ret;
}

int rewrite_open(const struct content *ramdisk,
		 const struct rewrite_file *files, size_t count,
		 struct unpack *u, struct listing_state *state,
		 struct rewrite **ret, struct fault *reterr)
{
	struct rewrite *r = calloc(1, sizeof(*r));
	struct unpacked old = { 0 }, now = { 0 };
	int result;

	if (!r)
		return out_of_memory(reterr);
	r->ramdisk = *ramdisk;
	r->files = files;
	r->count = count;
	r->spool = SPOOL_NONE;
	result = prepare(r, u, &old, &now, state, reterr);
	unpack_free_files(&old);
	unpack_free_files(&now);
	if (result < 0)
		rewrite_free(r);
	else
		*ret = r;
	return result;
}

const char *rewrite_compression(const struct rewrite *r)
{
	return r->compression;
}

const char *rewrite_others(const struct rewrite *r, size_t i)
{
	return r->others[i];
}

void rewrite_free(struct rewrite *r)
{
	if (!r)
		return;
	gzip_free(r->gzip);
	for (size_t i = 0; i < REWRITE_FILES_MAX; i++)
		free(r->others[i]);
	listing_free(&r->l);
	spool_close(&r->spool);
	free(r->edits);
	free(r);
}

/* --- writing -------------------------------------------------------------------- */

static int to_section(void *ctx, const void *data, size_t len,
		      struct fault *reterr)
{
	struct rewrite *r = ctx;

	r->written += len;
	return r->sink(r->ctx, data, len, reterr);
}

static int put(struct rewrite *r, const void *data, size_t len,
	       struct fault *reterr)
{
	r->place += len;
	return r->gzip ? gzip_write(r->gzip, data, len, reterr) :
			 to_section(r, data, len, reterr);
}

static int put_zeros(struct rewrite *r, uint64_t len, struct fault *reterr)
{
	static const char zeros[BLOCK];

	while (len > 0) {
		size_t n = len < BLOCK ? (size_t)len : BLOCK;

		if (put(r, zeros, n, reterr) < 0)
			return -1;
		len -= n;
	}
	return 0;
}

static int put_content(struct rewrite *r, const struct content *c, uint64_t at,
		       uint64_t len, struct fault *reterr)
{
	while (len > 0) {
		size_t n = len < CHUNK ? (size_t)len : CHUNK;

		if (content_read(c, at, r->chunk, n, reterr) < 0 ||
		    put(r, r->chunk, n, reterr) < 0)
			return -1;
		at += n;
		len -= n;
	}
	return 0;
}

static void set_field(char *head, int field, uint32_t value)
{
	char text[FIELD + 1];

	(void)snprintf(text, sizeof(text), "%08x", value);
	memcpy(head + MAGIC + FIELD * field, text, FIELD);
}

static int add_up(struct rewrite *r, const struct content *c, uint32_t *ret,
		  struct fault *reterr)
{
	uint32_t sum = 0;
	uint64_t at = 0;

	while (at < c->len) {
		size_t n = c->len - at < CHUNK ? (size_t)(c->len - at) : CHUNK;

		if (content_read(c, at, r->chunk, n, reterr) < 0)
			return -1;
		for (size_t i = 0; i < n; i++)
			sum += r->chunk[i];
		at += n;
	}
	*ret = sum;
	return 0;
}

static int put_body(struct rewrite *r, const struct content *c,
		    struct fault *reterr)
{
	if (!c)
		return 0;
	if (put_content(r, c, 0, c->len, reterr) < 0)
		return -1;
	return put_zeros(r, -c->len & 3, reterr);
}

static int put_file(struct rewrite *r, const struct edit *e,
		    struct fault *reterr)
{
	const struct member *m = &r->l.members[e->member];
	const struct content *bytes = &r->l.parts[e->part].content;
	char head[HEAD + 1] = "";
	uint32_t sum;

	if (content_read(bytes, m->at, head, HEAD, reterr) < 0)
		return -1;
	set_field(head, MODE, m->mode);
	set_field(head, SIZE, (uint32_t)m->size);
	if (memcmp(head, "070702", MAGIC) == 0) {
		if (add_up(r, e->content, &sum, reterr) < 0)
			return -1;
		set_field(head, CHECK, sum);
	}
	if (put(r, head, HEAD, reterr) < 0 ||
	    put_content(r, bytes, m->at + HEAD, m->body - m->at - HEAD,
			reterr) < 0)
		return -1;
	return put_body(r, e->content, reterr);
}

static int put_new(struct rewrite *r, const struct edit *e,
		   struct fault *reterr)
{
	const struct member *m = &r->l.members[e->member];
	size_t len = strlen(m->path) + 1;
	char head[HEAD + 1];

	(void)snprintf(head, sizeof(head),
		       "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x"
		       "%08x",
		       m->ino, m->mode, m->uid, m->gid, m->nlink, m->mtime,
		       (uint32_t)m->size, m->dev_major, m->dev_minor, 0, 0,
		       (unsigned)len, 0);
	if (put(r, head, HEAD, reterr) < 0 ||
	    put(r, m->path, len, reterr) < 0 ||
	    put_zeros(r, -(HEAD + len) & 3, reterr) < 0)
		return -1;
	return put_body(r, e->content, reterr);
}

static int put_trailer(struct rewrite *r, const struct edit *e,
		       struct fault *reterr)
{
	const struct trailer *t = &r->l.trailers[e->member];
	const struct listing_part *p = &r->l.parts[e->part];
	uint64_t before = p->method ? 0 : p->from, zeros = e->end - t->end;
	bool is_last = e->member + 1 == r->trailer;
	char head[HEAD + 1] = "";

	if (content_read(&p->content, t->at, head, HEAD, reterr) < 0)
		return -1;
	if (is_last && t->ino && r->l.count > r->old_count)
		set_field(head, INO, r->next_ino);
	if (put(r, head, HEAD, reterr) < 0 ||
	    put_content(r, &p->content, t->at + HEAD, t->end - t->at - HEAD,
			reterr) < 0)
		return -1;
	if (zeros < BLOCK && (before + e->end) % BLOCK == 0)
		zeros = -(p->method ? r->place : r->written) % BLOCK;
	return put_zeros(r, zeros, reterr);
}

static int put_edits(struct rewrite *r, uint32_t part, struct fault *reterr)
{
	const struct listing_part *p = &r->l.parts[part];
	uint64_t at = r->skip;
	int result = 0;

	for (size_t i = 0; i < r->edit_count; i++) {
		const struct edit *e = &r->edits[i];

		if (e->part != part)
			continue;
		if (put_content(r, &p->content, at, e->at - at, reterr) < 0)
			return -1;
		switch (e->kind) {
		case EDIT_FILE:
			result = put_file(r, e, reterr);
			break;
		case EDIT_NEW:
			result = put_new(r, e, reterr);
			break;
		case EDIT_TRAILER:
			result = put_trailer(r, e, reterr);
			break;
		}
		if (result < 0)
			return -1;
		at = e->end;
	}
	return put_content(r, &p->content, at, p->content.len - at, reterr);
}

static bool has_edits(const struct rewrite *r, uint32_t part)
{
	for (size_t i = 0; i < r->edit_count; i++)
		if (r->edits[i].part == part)
			return true;
	return false;
}

/* The zeros between PART, which is written, and the next: for the kernel that lies as it did. */
static int put_zeros_behind(struct rewrite *r, uint32_t part,
			    struct fault *reterr)
{
	const struct listing *l = &r->l;
	uint64_t zeros = l->parts[part + 1].content.len, end;

	for (size_t i = 0; i < r->old_count; i++)
		if (l->members[i].part == part + 1 && l->members[i].at < zeros)
			zeros = l->members[i].at;
	for (size_t i = 0; i < l->trailer_count; i++)
		if (l->trailers[i].part == part + 1 &&
		    l->trailers[i].at < zeros)
			zeros = l->trailers[i].at;
	r->skip = zeros;
	end = l->parts[part + 1].from + zeros;
	if (zeros < BLOCK && end % BLOCK == 0)
		return put_zeros(r, -r->written % BLOCK, reterr);
	/* What is plain now needs that in any case. */
	if (strcmp(l->parts[part].method, "gzip") != 0)
		end = 0;
	return put_zeros(r, (end - r->written) & 3, reterr);
}

static int put_part(struct rewrite *r, uint32_t part, struct fault *reterr)
{
	const struct listing_part *p = &r->l.parts[part];
	bool is_gzip = p->method && strcmp(p->method, "gzip") == 0;

	r->place = 0;
	if (!has_edits(r, part)) {
		uint64_t skip = r->skip;

		r->skip = 0;
		return put_content(r, &r->ramdisk, p->from + skip,
				   p->to - p->from - skip, reterr);
	}
	/* What becomes plain begins where an archive may, and nothing is behind it. */
	if (p->method && !is_gzip && put_zeros(r, -r->written & 3, reterr) < 0)
		return -1;
	r->place = 0;
	if (is_gzip && gzip_open(to_section, r, &r->gzip, reterr) < 0)
		return -1;
	if (put_edits(r, part, reterr) < 0)
		return -1;
	r->skip = 0;
	if (!p->method)
		return 0;
	if (is_gzip) {
		if (gzip_end(r->gzip, reterr) < 0)
			return -1;
		gzip_free(r->gzip);
		r->gzip = NULL;
	}
	return put_zeros_behind(r, part, reterr);
}

int rewrite_write(struct rewrite *r, rewrite_sink *sink, void *ctx,
		  struct fault *reterr)
{
	r->sink = sink;
	r->ctx = ctx;
	r->written = 0;
	r->skip = 0;
	for (uint32_t i = 0; i < r->l.part_count; i++)
		if (put_part(r, i, reterr) < 0)
			return -1;
	return 0;
}
