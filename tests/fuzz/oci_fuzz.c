/*
 * Images of others. The first byte says what the rest is: a layer, applied to a
 * tree that has a little of everything (its checksums set right, or it would be
 * little more than a test of them); or an index, a manifest, a configuration, or
 * docker save's manifest.json. Whatever the tree is then, it is one: names in
 * order, counts of names right, nothing too long.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/json.h"
#include "rootfs/pack/base/tree.h"
#include "rootfs/pack/image/digest.h"
#include "rootfs/pack/image/docker.h"
#include "rootfs/pack/image/layer.h"
#include "rootfs/pack/image/load.h"
#include "rootfs/pack/image/manifest.h"
#include "rootfs/pack/image/oci.h"
#include "rootfs/pack/image/origin.h"
#include "rootfs/pack/image/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct image_options options = { .arch = "x86_64" };

static void require(bool truth)
{
	if (!truth)
		abort();
}

/* Contents in memory. */
static struct content content_of(const void *data, size_t len)
{
	struct content c = { .fd = memfd_create("fuzz", MFD_CLOEXEC),
			     .len = len };

	require(c.fd >= 0);
	require(pwrite(c.fd, data, len, 0) == (ssize_t)len);
	return c;
}

/* A fault has words, and a line of them. */
static void check_fault(int r, const struct fault *f)
{
	if (r == 0)
		return;
	require(r == -1 && f->text[0]);
	for (const char *p = f->text; *p; p++)
		require((unsigned char)*p >= ' ' && *p != 0x7f);
}

static void put(struct tree *t, const char *dir, const char *name,
		uint32_t mode, const char *target)
{
	char copy[64];
	struct tree_inode inode = { .mode = mode, .content = { .fd = -1 } };
	struct tree_node *node;
	struct fault f;

	if (target) {
		require(strlen(target) < sizeof(copy));
		memcpy(copy, target, strlen(target) + 1);
		inode.target = copy;
	}
	require(tree_make_dirs(t, dir, 1, &node, &f) == 0);
	require(tree_put(t, node, name, &inode, 1, NULL, &f) == 0);
}

static void count_names(const struct tree_node *dir, bool clear)
{
	for (size_t i = 0; i < dir->count; i++) {
		const struct tree_node *node = dir->children[i];

		if (clear)
			node->inode->written = 0;
		else
			node->inode->written++;
		count_names(node, clear);
	}
}

/* In the spool, or in the layer where it lies. */
static void check_content(const struct content *c, const struct spool *spool)
{
	struct stat st;

	require(fstat(c->fd, &st) == 0 && st.st_size >= 0);
	require(c->offset + c->len <= (uint64_t)st.st_size);
	require(c->fd != spool->fd || c->offset + c->len <= spool->len);
}

static void check_dir(const struct tree_node *dir, const struct spool *spool)
{
	require(S_ISDIR(dir->inode->mode) || dir->count == 0);
	require(!dir->stale && dir->count <= dir->room + (dir->room == 0));
	for (size_t i = 0; i < dir->count; i++) {
		const struct tree_node *node = dir->children[i];
		const struct tree_inode *inode = node->inode;
		char *path = tree_path(node);

		require(path && strlen(path) == node->path_len);
		require(node->path_len <= TREE_PATH_MAX - TREE_PREFIX_MAX);
		free(path);
		require(node->parent == dir && node->name[0]);
		require(!strchr(node->name, '/') && strcmp(node->name, "..") &&
			strcmp(node->name, "."));
		require(i == 0 ||
			strcmp(dir->children[i - 1]->name, node->name) < 0);
		require(tree_child(dir, node->name) == node);
		require(inode->nlink == inode->written);
		require(!S_ISLNK(inode->mode) == !inode->target);
		if (S_ISREG(inode->mode) && inode->content.fd >= 0)
			check_content(&inode->content, spool);
		check_dir(node, spool);
	}
}

static void layer(const uint8_t *data, size_t size)
{
	static struct spool spool = { .fd = -1 };
	struct image image = { .spool = SPOOL_NONE };
	struct loader l = { .options = &options, .image = &image };
	struct layer layer = { .number = 2 };
	struct tree *t = tree_new();
	struct fault f;

	require(t);
	if (spool.fd < 0)
		spool.fd = memfd_create("spool", MFD_CLOEXEC);
	require(spool.fd >= 0 && ftruncate(spool.fd, 0) == 0);
	spool.len = 0;
	put(t, "usr/bin", "sh", S_IFREG | 0755, NULL);
	put(t, "", "bin", S_IFLNK | 0777, "usr/bin");
	put(t, "", "up", S_IFLNK | 0777, "../../bin/..");
	put(t, "", "a", S_IFREG | 0644, NULL);
	put(t, "d/e", "f", S_IFREG | 0644, NULL);
	layer.content = content_of(data, size);
	check_fault(layer_apply(&l, &layer, t, &spool, &f), &f);
	close(layer.content.fd);

	count_names(tree_root(t), true);
	count_names(tree_root(t), false);
	check_dir(tree_root(t), &spool);
	tree_free(t);
	for (size_t i = 0; i < l.dropped.count; i++)
		free(l.dropped.names[i]);
	image_free(&image);
}

/* Of each block that is a header by its magic. */
static void set_checksums(uint8_t *data, size_t size)
{
	char text[9];
	unsigned sum;

	for (; size >= 512; data += 512, size -= 512) {
		if (memcmp(data + 257, "ustar", 5) != 0)
			continue;
		memset(data + 148, ' ', 8);
		sum = 0;
		for (size_t i = 0; i < 512; i++)
			sum += data[i];
		(void)snprintf(text, sizeof(text), "%06o", sum);
		memcpy(data + 148, text, 7);
	}
}

/* The file NAME is all there is, besides what makes it a layout. */
static void source(const char *name, const uint8_t *data, size_t size,
		   int (*load)(struct loader *l, const struct origin *s,
			       const char *tag, struct fault *reterr))
{
	static const char version[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
	struct image image = { .spool = SPOOL_NONE, .tree = tree_new() };
	struct loader l = { .options = &options, .image = &image };
	struct tree_inode inode = { .mode = S_IFREG | 0644 };
	struct origin s = ORIGIN_NONE;
	struct content layout = content_of(version, sizeof(version) - 1);
	struct content c = content_of(data, size);
	struct fault f;

	s.tree = tree_new();
	require(s.tree && image.tree);
	inode.content = layout;
	require(tree_put(s.tree, tree_root(s.tree), "oci-layout", &inode, 1,
			 NULL, &f) == 0);
	inode.content = c;
	require(tree_put(s.tree, tree_root(s.tree), name, &inode, 1, NULL,
			 &f) == 0);
	check_fault(load(&l, &s, size % 2 ? "latest" : NULL, &f), &f);
	origin_close(&s);
	close(c.fd);
	close(layout.fd);
	image_free(&image);
}

static void manifest(const char *text, size_t len)
{
	struct manifest m;
	struct fault f;
	int r = manifest_parse(text, len, &m, &f);

	check_fault(r, &f);
	for (size_t i = 0; r == 0 && i < m.count; i++)
		require(digest_is_valid(m.layers[i].digest) &&
			!strstr(m.layers[i].path, ".."));
	manifest_free(&m);
}

static void settings(const char *text, size_t len)
{
	struct image image = { .spool = SPOOL_NONE };
	struct loader l = { .options = &options, .image = &image };
	struct strings diff_ids = { 0 };
	struct fault f;

	check_fault(settings_parse(&l, text, len, &diff_ids, &f), &f);
	for (size_t i = 0; i < image.notes.count; i++)
		for (const char *p = image.notes.items[i]; *p; p++)
			require((unsigned char)*p >= ' ');
	strings_free(&l.volumes);
	strings_free(&diff_ids);
	image_free(&image);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size == 0)
		return 0;
	text = malloc(size);
	require(text);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	switch (data[0]) {
	case 'i':
		source("index.json", data + 1, size - 1, oci_load);
		break;
	case 'd':
		source("manifest.json", data + 1, size - 1, docker_load);
		break;
	case 'm':
		manifest(text, size - 1);
		break;
	case 'c':
		settings(text, size - 1);
		break;
	case 't':
		set_checksums((uint8_t *)text, size - 1);
		layer((uint8_t *)text, size - 1);
		break;
	default:
		layer(data + 1, size - 1);
		break;
	}
	free(text);
	return 0;
}
