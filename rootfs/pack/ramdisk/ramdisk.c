#include "rootfs/pack/ramdisk/ramdisk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/tree.h"
#include "rootfs/pack/eif/eif.h"
#include "rootfs/pack/image/app.h"
#include "rootfs/pack/image/image.h"
#include "rootfs/pack/ramdisk/cpio.h"
#include "rootfs/pack/ramdisk/gzip.h"
#include "rootfs/pack/ramdisk/squashfs.h"

enum { LAYER = 1 };

int ramdisk_check_path(const char *path, struct fault *reterr)
{
	static const char trailer[] = "TRAILER!!!";
	const char *end;
	size_t len;

	/* That name alone ends the archive, also a folder's. */
	len = sizeof(trailer) - 1;
	if (strncmp(path, trailer, len) == 0 &&
	    (path[len] == '/' || path[len] == '\0'))
		return fault_usage(reterr, "%s: no name for a file here", path);
	for (const char *at = path;; at = end + 1) {
		end = strchrnul(at, '/');
		len = (size_t)(end - at);
		if (len == 0 || (len == 1 && at[0] == '.') ||
		    (len == 2 && at[0] == '.' && at[1] == '.'))
			return fault_usage(reterr,
					   "%s: not a plain path in a ramdisk",
					   path);
		if (*end == '\0')
			return 0;
	}
}

int ramdisk_add_file(struct tree *boot, const char *path, uint32_t mode,
		     const struct content *c, struct fault *reterr)
{
	const struct tree_inode in = {
		.mode = S_IFREG | mode,
		.content = *c,
	};
	const char *name = strrchr(path, '/');
	struct tree_node *dir = tree_root(boot), *there;
	char *parent = NULL;
	int r = -1;

	if (ramdisk_check_path(path, reterr) < 0)
		return -1;
	if (name) {
		parent = strndup(path, (size_t)(name - path));
		if (!parent)
			return fault_system(reterr, ENOMEM, "%s", path);
		if (tree_make_dirs(boot, parent, LAYER, &dir, reterr) < 0)
			goto out;
	}
	name = name ? name + 1 : path;
	there = tree_child(dir, name);
	if (there) {
		(void)fault_usage(reterr, "%s: twice in the boot ramdisk",
				  path);
		goto out;
	}
	r = tree_put(boot, dir, name, &in, LAYER, NULL, reterr);
out:
	free(parent);
	return r;
}

static int to_eif(void *ctx, const void *data, size_t len, struct fault *reterr)
{
	return eif_writer_write(ctx, data, len, reterr);
}

/* The image, if there is one: FIRST, or it all below rootfs. Then what TREE has. */
static int write_ramdisk(struct eif_writer *w, struct tree *image,
			 struct tree *first, struct tree *tree,
			 const struct ramdisk_options *o, struct fault *reterr)
{
	struct gzip *gzip = NULL;
	struct cpio_writer c = {
		.sink = to_eif,
		.ctx = w,
		.keep_times = o->keep_times,
		.mtime = o->mtime,
	};
	int r = -1;

	if (eif_writer_begin(w, EIF_RAMDISK, reterr) < 0)
		return -1;
	if (o->gzip) {
		if (gzip_open(to_eif, w, &gzip, reterr) < 0)
			return -1;
		c.sink = gzip_write;
		c.ctx = gzip;
	}
	if (image && cpio_write_tree(&c, image, "rootfs", reterr) < 0)
		goto out;
	c.keep_times = false;
	if ((first && cpio_write_tree(&c, first, "", reterr) < 0) ||
	    cpio_write_tree(&c, tree, "", reterr) < 0 ||
	    cpio_write_end(&c, reterr) < 0 ||
	    (gzip && gzip_end(gzip, reterr) < 0))
		goto out;
	r = eif_writer_end(w, reterr);
out:
	gzip_free(gzip);
	return r;
}

int ramdisk_write_boot(struct eif_writer *w, struct tree *boot,
		       const struct ramdisk_options *o, struct fault *reterr)
{
	if (tree_make_dirs(boot, "dev", LAYER, NULL, reterr) < 0)
		return -1;
	return write_ramdisk(w, NULL, NULL, boot, o, reterr);
}

/* Nothing is put over what the image has there, be it a link. */
static int add_mount_points(struct tree *t, struct fault *reterr)
{
	static const char names[][5] = { "dev", "proc", "run",
					 "sys", "tmp",	"var" };
	const struct tree_inode dir = { .mode = S_IFDIR | 0755 };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!tree_child(tree_root(t), names[i]) &&
		    tree_put(t, tree_root(t), names[i], &dir, 1, NULL, reterr) <
			    0)
			return -1;
	return 0;
}

/* Behind rootfs: of an image that is cut short they are missing, whoever looks. */
static int add_text(struct tree *t, struct spool *spool, const char *name,
		    const struct buffer *b, struct fault *reterr)
{
	struct tree_inode in = { .mode = S_IFREG | 0644 };
	uint64_t from = spool->len;

	if (b->len > 0 && spool_append(spool, b->data, b->len, reterr) < 0)
		return -1;
	in.content = spool_content(spool, from);
	return tree_put(t, tree_root(t), name, &in, 1, NULL, reterr);
}

/* IMAGE as one file of TREE, whose content is in SPOOL. */
static int squash(struct tree *image, struct tree *tree, struct spool *spool,
		  const struct ramdisk_options *o, struct fault *reterr)
{
	const struct squashfs_options s = {
		.compressor = o->squashfs,
		.keep_times = o->keep_times,
		.mtime = o->mtime,
	};
	struct tree_inode in = { .mode = S_IFREG | 0600 };

	if (squashfs_write(image, &s, spool, reterr) < 0)
		return -1;
	in.content = spool_content(spool, 0);
	return tree_put(tree, tree_root(tree), "rootfs.squashfs", &in, 1, NULL,
			reterr);
}

int ramdisk_write_app(struct eif_writer *w, struct image *image,
		      const struct app *app, const struct ramdisk_options *o,
		      struct fault *reterr)
{
	struct spool spool = SPOOL_NONE, squashed = SPOOL_NONE;
	struct tree *texts = tree_new(), *first = tree_new();
	int r = -1;

	if (!texts || !first) {
		(void)fault_system(reterr, ENOMEM, "ramdisk");
		goto out;
	}
	if (spool_open(&spool, reterr) < 0 ||
	    (o->squashfs && spool_open(&squashed, reterr) < 0))
		goto out;
	if ((app->cmd.len > 0 &&
	     add_text(texts, &spool, "cmd", &app->cmd, reterr) < 0) ||
	    add_text(texts, &spool, "env", &app->env, reterr) < 0 ||
	    (app->conf.len > 0 && add_text(texts, &spool, "enclave-init.conf",
					   &app->conf, reterr) < 0))
		goto out;
	if (add_mount_points(image->tree, reterr) < 0)
		goto out;
	if (o->squashfs && squash(image->tree, first, &squashed, o, reterr) < 0)
		goto out;
	r = write_ramdisk(w, o->squashfs ? NULL : image->tree, first, texts, o,
			  reterr);
	if (r == 0)
		r = image_check_files(image, reterr);
out:
	spool_close(&squashed);
	spool_close(&spool);
	tree_free(first);
	tree_free(texts);
	return r;
}
