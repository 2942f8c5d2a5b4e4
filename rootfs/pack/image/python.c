#include "rootfs/pack/image/python.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "rootfs/pack/base/content.h"
#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/tree.h"
#include "rootfs/pack/image/load.h"

enum {
	HEADER = 16, /* bytes: magic number, flags, time, size; little-endian */
	FLAGS_AT = 4,
	TIME_AT = 8,
	SIZE_AT = 12,
};

static bool ends_with(const char *s, const char *end)
{
	size_t len = strlen(s), end_len = strlen(end);

	return len > end_len && strcmp(s + len - end_len, end) == 0;
}

/* x.py beside the folder of x.cpython-311.opt-1.pyc, or NULL. */
static const struct tree_node *source_of(const struct tree_node *compiled)
{
	char name[NAME_MAX + sizeof(".py")];
	const struct tree_node *ret;

	snprintf(name, sizeof(name), "%.*s.py",
		 (int)strcspn(compiled->name, "."), compiled->name);
	ret = tree_child(compiled->parent->parent, name);
	return ret && S_ISREG(ret->inode->mode) ? ret : NULL;
}

static int count_one(const struct tree_node *compiled, uint32_t mtime,
		     size_t *ret, struct fault *reterr)
{
	const struct content *c = &compiled->inode->content;
	const struct tree_node *source = source_of(compiled);
	uint8_t header[HEADER];

	if (!source || c->len < HEADER)
		return 0;
	if (content_read(c, 0, header, HEADER, reterr) < 0)
		return fault_prefix(reterr, "%s", compiled->name);
	/* With a flag it goes by a hash of the source, or by nothing. */
	if (memcmp(header + 2, "\r\n", 2) == 0 &&
	    load_le32(header + FLAGS_AT) == 0 &&
	    load_le32(header + TIME_AT) == (uint32_t)source->inode->mtime &&
	    load_le32(header + SIZE_AT) ==
		    (uint32_t)source->inode->content.len &&
	    load_le32(header + TIME_AT) != mtime)
		++*ret;
	return 0;
}

int python_count_stale(const struct tree_node *dir, uint32_t mtime, size_t *ret,
		       struct fault *reterr)
{
	const bool is_cache = dir->parent &&
			      strcmp(dir->name, "__pycache__") == 0;
	int r = 0;

	for (size_t i = 0; i < dir->count && r == 0; i++) {
		const struct tree_node *n = dir->children[i];

		if (S_ISDIR(n->inode->mode))
			r = python_count_stale(n, mtime, ret, reterr);
		else if (is_cache && S_ISREG(n->inode->mode) &&
			 ends_with(n->name, ".pyc"))
			r = count_one(n, mtime, ret, reterr);
	}
	return r;
}
