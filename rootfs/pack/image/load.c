#include "rootfs/pack/image/load.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/tree.h"
#include "rootfs/pack/image/image.h"

enum { PATH_SHOWN = 400, NOTES_MAX = 100 };

const char *load_go_arch(const char *arch)
{
	return strcmp(arch, "aarch64") == 0 ? "arm64" : "amd64";
}

bool load_is_arch(const char *said, const char *go_arch)
{
	static const struct {
		const char *other, *name;
	} others[] = {
		{ "x86_64", "amd64" },
		{ "x86-64", "amd64" },
		{ "aarch64", "arm64" },
		{ "arm64/v8", "arm64" },
	};

	if (!said)
		return false;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (strcasecmp(said, others[i].other) == 0)
			said = others[i].name;
	return strcasecmp(said, go_arch) == 0;
}

bool load_is_tag(const char *name, const char *tag)
{
	const size_t len = strlen(name), tag_len = strlen(tag);

	if (tag_len == 0 || tag_len > len ||
	    strcmp(name + len - tag_len, tag) != 0)
		return false;
	return tag_len == len || name[len - tag_len - 1] == '/' ||
	       name[len - tag_len - 1] == ':';
}

int load_check_size(const struct loader *l, uint64_t size, struct fault *reterr)
{
	if (size <= LOAD_FILE_MAX || l->options->large_files)
		return 0;
	return fault_refuse(reterr,
			    "%llu bytes: a ramdisk's files have less than "
			    "4 GiB; --squashfs carries larger ones",
			    (unsigned long long)size);
}

int load_note(struct loader *l, struct fault *reterr, const char *format, ...)
{
	struct fault clean;
	va_list args;
	char *text;
	int n;

	if (l->image->notes.count >= NOTES_MAX) {
		l->more_notes++;
		return 0;
	}
	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	if (n < 0)
		return fault_system(reterr, ENOMEM, "notes");
	(void)fault_refuse(&clean, "%s", text);
	free(text);
	return strings_add(&l->image->notes, clean.text, reterr);
}

int load_at(struct fault *f, const char *path)
{
	const size_t len = strlen(path);

	if (len <= PATH_SHOWN)
		return fault_prefix(f, "%s", path);
	return fault_prefix(f, "%.*s... (%zu bytes)", PATH_SHOWN, path, len);
}

uint32_t load_le32(const uint8_t *at)
{
	return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
	       (uint32_t)at[3] << 24;
}

/*
 * linux/capability.h: vfs_cap_data. Version 3 names the root that it is for, a rootless
 * builder's; in an enclave there is one root, whose form is version 2.
 */
static int keep_capability(struct loader *l, const char *path,
			   const uint8_t *value, size_t len,
			   struct tree_inode *inode, struct fault *reterr)
{
	const uint32_t magic = len >= 4 ? load_le32(value) : 0;
	const uint32_t version = magic & VFS_CAP_REVISION_MASK;
	size_t kept = len;

	if (magic & VFS_CAP_FLAGS_MASK & ~(uint32_t)VFS_CAP_FLAGS_EFFECTIVE ||
	    !((version == VFS_CAP_REVISION_1 && len == XATTR_CAPS_SZ_1) ||
	      (version == VFS_CAP_REVISION_2 && len == XATTR_CAPS_SZ_2) ||
	      (version == VFS_CAP_REVISION_3 && len == XATTR_CAPS_SZ_3)))
		return fault_refuse(reterr,
				    "file capabilities that are none: %zu "
				    "bytes that begin with 0x%08x",
				    len, magic);
	if (version == VFS_CAP_REVISION_3) {
		const uint32_t root = load_le32(value + XATTR_CAPS_SZ_2);

		kept = XATTR_CAPS_SZ_2;
		if (root != 0 &&
		    load_note(l, reterr,
			      "%.*s: its file capabilities are for the root "
			      "that is user %u outside; they become root's",
			      PATH_SHOWN, path, root) < 0)
			return -1;
	}
	memcpy(inode->capability, value, kept);
	if (version == VFS_CAP_REVISION_3)
		inode->capability[3] = VFS_CAP_REVISION_2 >> 24;
	inode->capability_len = (uint8_t)kept;
	return 0;
}

int load_xattr(struct loader *l, const char *path, const char *name,
	       const void *value, size_t len, struct tree_inode *inode,
	       struct fault *reterr)
{
	const bool is_capability = strcmp(name, "security.capability") == 0;
	struct dropped *d = &l->dropped;
	size_t i;

	if (is_capability && !l->options->drop_capabilities) {
		if (l->options->keep_capabilities)
			return keep_capability(l, path, value, len, inode,
					       reterr);
		return fault_refuse(reterr,
				    "has file capabilities, which a ramdisk "
				    "cannot carry; --squashfs can, "
				    "--drop-capabilities takes it without "
				    "them");
	}
	/* Each by its path, within reason. */
	if (is_capability && l->image->notes.count < NOTES_MAX)
		return load_note(l, reterr,
				 "%.*s: its file capabilities are dropped",
				 PATH_SHOWN, path);
	for (i = 0; i < d->count; i++)
		if (strcmp(d->names[i], name) == 0)
			break;
	if (i == LOAD_DROPPED_MAX) {
		d->others++;
		return 0;
	}
	if (i == d->count) {
		d->names[i] = strdup(name);
		if (!d->names[i])
			return fault_system(reterr, ENOMEM, "names");
		d->count++;
	}
	d->counts[i]++;
	return 0;
}

int load_note_dropped(struct loader *l, struct fault *reterr)
{
	const struct dropped *d = &l->dropped;
	char more[64];

	for (size_t i = 0; i < d->count; i++)
		if (load_note(l, reterr,
			      "the extended attribute %s of %zu file%s is "
			      "dropped: an image has none",
			      d->names[i], d->counts[i],
			      d->counts[i] == 1 ? "" : "s") < 0)
			return -1;
	if (d->others &&
	    load_note(l, reterr, "%zu more extended attributes are dropped",
		      d->others) < 0)
		return -1;
	if (l->more_notes == 0)
		return 0;
	(void)snprintf(more, sizeof(more), "%zu more notes are not shown",
		       l->more_notes);
	return strings_add(&l->image->notes, more, reterr);
}
