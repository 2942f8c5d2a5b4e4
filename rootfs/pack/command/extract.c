#include "rootfs/pack/command/command.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rootfs/pack/base/cleanup.h"
#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/output.h"
#include "rootfs/pack/eif/eif.h"
#include "rootfs/pack/eif/eif_format.h"

enum {
	NAME_CAP = 32,
	CHUNK = 1 << 16,
	O_OUTPUT = 1,
	O_JSON,
};

static const struct option options[] = {
	{ "output", required_argument, NULL, O_OUTPUT },
	{ "json", no_argument, NULL, O_JSON },
	{ "eif-path", required_argument, NULL, COMMAND_ARGUMENT },
	{ 0 },
};

/* Where the sections go, and what was made there. */
struct extract_dir {
	const char *path;
	int fd; /* -1: not open */
	bool is_made;
	unsigned flags; /* of the image's header, but for the architecture */
	size_t count;
	char names[EIF_SECTIONS_MAX][NAME_CAP];
	int dir_slot, slots[EIF_SECTIONS_MAX]; /* of what a signal removes */
};

static int check_empty(const struct extract_dir *o, struct fault *reterr)
{
	int fd = fcntl(o->fd, F_DUPFD_CLOEXEC, 0), r = 0;
	struct dirent *e;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir) {
		int error = errno;

		if (fd >= 0)
			close(fd);
		return fault_system(reterr, error, "%s", o->path);
	}
	while (errno = 0, (e = readdir(dir)) != NULL) {
		if (strcmp(e->d_name, ".") != 0 &&
		    strcmp(e->d_name, "..") != 0) {
			r = fault_refuse(reterr, "%s: not empty: %s", o->path,
					 e->d_name);
			break;
		}
	}
	if (!e && errno)
		r = fault_system(reterr, errno, "%s", o->path);
	closedir(dir);
	return r;
}

static int open_output(struct extract_dir *o, struct fault *reterr)
{
	bool is_made = true;

	if (mkdir(o->path, 0777) == 0)
		o->dir_slot = cleanup_add(AT_FDCWD, o->path, AT_REMOVEDIR);
	else if (errno != EEXIST)
		return fault_system(reterr, errno, "%s", o->path);
	else
		is_made = false;
	o->is_made = is_made;
	o->fd = open(o->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (o->fd < 0)
		return fault_system(reterr, errno, "%s", o->path);
	return o->is_made ? 0 : check_empty(o, reterr);
}

/* No signal removes it any more. */
static void keep_output(struct extract_dir *o)
{
	for (size_t i = 0; i < o->count; i++)
		cleanup_drop(o->slots[i]);
	cleanup_drop(o->dir_slot);
	o->dir_slot = -1;
}

static void remove_output(struct extract_dir *o)
{
	for (size_t i = 0; i < o->count; i++)
		(void)unlinkat(o->fd, o->names[i], 0);
	if (o->is_made)
		(void)rmdir(o->path);
	keep_output(o);
}

/* One that is made here: never what is there already, nor behind a link. */
static int write_section(struct extract_dir *o, const struct content *c,
			 const char *name, struct fault *reterr)
{
	static char chunk[CHUNK];
	int fd = openat(o->fd, name,
			O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			0666);
	size_t n;
	int r;

	if (fd < 0)
		return fault_system(reterr, errno, "%s/%s", o->path, name);
	(void)snprintf(o->names[o->count], NAME_CAP, "%s", name);
	o->slots[o->count] = cleanup_add(o->fd, o->names[o->count], 0);
	o->count++;
	for (uint64_t at = 0; at < c->len; at += n) {
		n = c->len - at < CHUNK ? (size_t)(c->len - at) : CHUNK;
		if (content_read(c, at, chunk, n, reterr) < 0)
			goto fail;
		r = output_write(fd, chunk, n);
		if (r < 0)
			goto system;
	}
	r = output_sync(fd);
	if (r < 0)
		goto system;
	if (close(fd) == 0)
		return 0;
	return fault_system(reterr, errno, "%s/%s", o->path, name);
system:
	(void)fault_system(reterr, -r, "%s/%s", o->path, name);
fail:
	close(fd);
	return -1;
}

static int write_sections(const struct eif *eif, struct extract_dir *o,
			  struct fault *reterr)
{
	unsigned ramdisks = 0;
	char name[NAME_CAP];

	for (size_t i = 0; i < eif->count; i++) {
		const struct eif_section *s = &eif->sections[i];

		if (s->type == EIF_RAMDISK)
			(void)snprintf(name, sizeof(name), "ramdisk-%u",
				       ramdisks++);
		else
			(void)snprintf(name, sizeof(name), "%s%s",
				       eif_type_name(s->type),
				       s->type == EIF_METADATA ? ".json" : "");
		if (write_section(o, &s->data, name, reterr) < 0)
			return -1;
	}
	return 0;
}

static int sync_output(const struct extract_dir *o, struct fault *reterr)
{
	int r = output_sync(o->fd);

	return r < 0 ? fault_system(reterr, -r, "%s", o->path) : 0;
}

/* What no file holds, and build is to be told. */
static void say_header(const struct command *c, const struct eif *eif)
{
	if (eif->default_mem != EIF_DEFAULT_MEM ||
	    eif->default_cpus != EIF_DEFAULT_CPUS)
		command_note(c,
			     "%s: its header has other defaults: build it with "
			     "--default-mem %llu --default-cpus %llu",
			     eif->path, (unsigned long long)eif->default_mem,
			     (unsigned long long)eif->default_cpus);
	if (eif_find(eif, EIF_SIGNATURE))
		command_note(c,
			     "%s: build leaves the signature out: see "
			     "--sign-key",
			     eif->path);
}

static int extract(const struct command *c, const char *path,
		   struct extract_dir *o, struct fault *reterr)
{
	struct eif eif;
	int r = -1;

	if (eif_open(path, &eif, reterr) < 0)
		return -1;
	if (eif_flag_name(eif.flags, 0))
		o->flags = eif.flags & ~1U; /* EIF_FLAG_AARCH64 */
	if (eif_check_crc(&eif, reterr) < 0)
		goto out;
	if (open_output(o, reterr) < 0 || write_sections(&eif, o, reterr) < 0 ||
	    eif_check_same(&eif, reterr) < 0 || sync_output(o, reterr) < 0)
		remove_output(o);
	else
		r = 0;
	if (r == 0)
		say_header(c, &eif);
out:
	eif_close(&eif);
	return r;
}

static int print_names(const struct command *c, const struct extract_dir *o,
		       bool json)
{
	cJSON *all, *list;

	for (size_t i = 0; !json && i < o->count; i++)
		(void)puts(o->names[i]);
	if (!json)
		return EXIT_DONE;
	all = cJSON_CreateObject();
	list = cJSON_AddArrayToObject(all, "Files");
	for (size_t i = 0; list && i < o->count; i++)
		if (!cJSON_AddItemToArray(list,
					  cJSON_CreateString(o->names[i])))
			list = NULL;
	if (!list) {
		cJSON_Delete(all);
		all = NULL;
	}
	return command_print_json(c, all);
}

static int run(const struct command *c, int argc, char **argv)
{
	struct extract_dir o = { .fd = -1, .dir_slot = -1 };
	struct fault fault;
	bool json = false;
	int option, code;

	while ((option = command_option(c, argc, argv, options)) >= 0) {
		if (option == '?')
			return EXIT_USAGE;
		if (option == O_JSON) {
			json = true;
			continue;
		}
		o.path = optarg;
	}
	if (!command_arguments(c, argc, argv, 1, "the image"))
		return EXIT_USAGE;
	if (!o.path)
		return command_usage(c, "--output is missing");
	if (strcmp(o.path, "-") == 0)
		return command_usage(c, "--output -: sections go to a folder; "
					"one that is named - is ./-");
	if (extract(c, argv[optind], &o, &fault) < 0) {
		code = command_fail(c, &fault);
		goto out;
	}
	if (o.flags)
		command_note(c,
			     "%s: the header's flags are in none of these "
			     "files: mkeif build --flags 0x%04x",
			     argv[optind], o.flags);
	code = command_end(c, print_names(c, &o, json));
	if (code != EXIT_DONE)
		remove_output(&o);
out:
	keep_output(&o);
	if (o.fd >= 0)
		close(o.fd);
	return code;
}

const struct command extract_command = {
	.name = "extract",
	.does = "the sections of an image as files",
	.help = "usage: mkeif extract X.eif --output DIR\n"
		"Writes kernel, cmdline, metadata.json, ramdisk-0, ramdisk-1, ... and signature\n"
		"to DIR, which is made, or is there and empty. Prints their names, as an object\n"
		"with --json. mkeif build makes the same image of them, but for what it says:\n"
		"  mkeif build --kernel DIR/kernel --cmdline-section DIR/cmdline \\\n"
		"      --metadata-section DIR/metadata.json --ramdisk DIR/ramdisk-0 \\\n"
		"      --ramdisk DIR/ramdisk-1 --output same.eif\n",
	.options = options,
	.run = run,
};
