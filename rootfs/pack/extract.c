#include "rootfs/pack/commands.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rootfs/pack/eif.h"
#include "rootfs/pack/fault.h"

enum {
	NAME_CAP = 32,
	CHUNK = 1 << 16,
	O_OUTPUT = 1,
};

static const struct option options[] = {
	{ "output", required_argument, NULL, O_OUTPUT },
	{ "eif-path", required_argument, NULL, COMMAND_ARGUMENT },
	{ 0 },
};

/* Where the sections go, and what was made there. */
struct output {
	const char *path;
	int fd; /* -1: not open */
	bool is_made;
	size_t count;
	char names[EIF_SECTIONS_MAX][NAME_CAP];
};

static int check_empty(const struct output *o, struct fault *reterr)
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

static int open_output(struct output *o, struct fault *reterr)
{
	if (mkdir(o->path, 0777) == 0)
		o->is_made = true;
	else if (errno != EEXIST)
		return fault_system(reterr, errno, "%s", o->path);
	o->fd = open(o->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (o->fd < 0)
		return fault_system(reterr, errno, "%s", o->path);
	return o->is_made ? 0 : check_empty(o, reterr);
}

static void remove_output(struct output *o)
{
	for (size_t i = 0; i < o->count; i++)
		(void)unlinkat(o->fd, o->names[i], 0);
	if (o->is_made)
		(void)rmdir(o->path);
}

static int write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/* One that is made here: never what is there already, nor behind a link. */
static int write_section(struct output *o, const struct content *c,
			 const char *name, struct fault *reterr)
{
	static char chunk[CHUNK];
	int fd = openat(o->fd, name,
			O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			0666);
	size_t n;

	if (fd < 0)
		return fault_system(reterr, errno, "%s/%s", o->path, name);
	(void)snprintf(o->names[o->count++], NAME_CAP, "%s", name);
	for (uint64_t at = 0; at < c->len; at += n) {
		n = c->len - at < CHUNK ? (size_t)(c->len - at) : CHUNK;
		if (content_read(c, at, chunk, n, reterr) < 0)
			goto fail;
		if (write_all(fd, chunk, n) < 0) {
			(void)fault_system(reterr, errno, "%s/%s", o->path,
					   name);
			goto fail;
		}
	}
	if (close(fd) == 0)
		return 0;
	return fault_system(reterr, errno, "%s/%s", o->path, name);
fail:
	close(fd);
	return -1;
}

static int write_sections(const struct eif *eif, struct output *o,
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

static int extract(const char *path, struct output *o, struct fault *reterr)
{
	struct eif eif;
	int r = -1;

	if (eif_open(path, &eif, reterr) < 0)
		return -1;
	if (eif_check_crc(&eif, reterr) < 0)
		goto out;
	if (open_output(o, reterr) < 0 || write_sections(&eif, o, reterr) < 0)
		remove_output(o);
	else
		r = 0;
out:
	if (o->fd >= 0)
		close(o->fd);
	eif_close(&eif);
	return r;
}

static int run(const struct command *c, int argc, char **argv)
{
	struct output o = { .fd = -1 };
	struct fault fault;
	int option;

	while ((option = command_option(c, argc, argv, options)) >= 0) {
		if (option == '?')
			return EXIT_USAGE;
		if (o.path)
			return command_usage(c, "--output: twice");
		o.path = optarg;
	}
	if (!command_arguments(c, argc, argv, 1, "the image"))
		return EXIT_USAGE;
	if (!o.path)
		return command_usage(c, "--output is missing");
	if (extract(argv[optind], &o, &fault) < 0)
		return command_fail(c, &fault);
	for (size_t i = 0; i < o.count; i++)
		(void)puts(o.names[i]);
	return command_end(c, EXIT_DONE);
}

const struct command command_extract = {
	.name = "extract",
	.does = "the sections of an image as files",
	.help = "usage: mkeif extract X.eif --output DIR\n"
		"Writes kernel, cmdline, metadata.json, ramdisk-0, ramdisk-1, ... and signature\n"
		"to DIR, which is made, or is there and empty. Prints their names. mkeif build\n"
		"makes the same image of them:\n"
		"  mkeif build --kernel DIR/kernel --cmdline @DIR/cmdline \\\n"
		"      --metadata-section DIR/metadata.json --ramdisk DIR/ramdisk-0 \\\n"
		"      --ramdisk DIR/ramdisk-1 --output same.eif\n",
	.options = options,
	.run = run,
};
