#include "rootfs/pack/command/build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/json.h"
#include "rootfs/pack/base/output.h"
#include "rootfs/pack/base/tree.h"
#include "rootfs/pack/command/inputs.h"
#include "rootfs/pack/command/sign_options.h"
#include "rootfs/pack/eif/eif.h"
#include "rootfs/pack/eif/metadata.h"
#include "rootfs/pack/image/app.h"
#include "rootfs/pack/image/image.h"
#include "rootfs/pack/ramdisk/gzip.h"
#include "rootfs/pack/ramdisk/squashfs.h"
#include "rootfs/pack/sign/signature.h"

static int out_of_memory(struct fault *reterr)
{
	return fault_system(reterr, ENOMEM, "build");
}

/* --- the image --- */

/* A file of text, without a NUL, with which others would end it. */
static int read_text(const char *option, const char *path, size_t max,
		     char **ret, struct fault *reterr)
{
	size_t len;

	if (content_slurp_path(path, max, ret, &len, reterr) < 0)
		return fault_prefix(reterr, "%s", option);
	if (strlen(*ret) == len)
		return 0;
	len = strlen(*ret);
	free(*ret);
	*ret = NULL;
	return fault_refuse(reterr, "%s: %s: a NUL byte at offset %zu", option,
			    path, len);
}

static int read_section(const char *path, char **ret, struct fault *reterr)
{
	cJSON *parsed;

	if (read_text("--metadata-section", path, METADATA_MAX, ret, reterr) <
	    0)
		return -1;
	if (json_parse(*ret, strlen(*ret), &parsed, reterr) < 0)
		return fault_prefix(reterr, "--metadata-section: %s", path);
	cJSON_Delete(parsed);
	return 0;
}

static int write_metadata(const struct build *b, const struct image *image,
			  struct eif_writer *w, struct fault *reterr)
{
	struct metadata m = {
		.name = b->name,
		.version = b->version,
		.kernel_version = b->parts.kernel.version,
		.tool_version = ENCLAVE_INIT_VERSION,
		.image_name = image->name,
		.image_config = image->config,
		.custom_path = b->custom,
		.inputs = b->inputs,
	};
	char *custom = NULL, *text = NULL;
	uint32_t time;
	int r = -1;

	if (b->metadata) {
		if (read_section(b->metadata, &text, reterr) < 0)
			goto out;
	} else {
		if (parts_find_time(&time, reterr) < 0 ||
		    (b->custom &&
		     read_text("--metadata", b->custom, METADATA_CUSTOM_MAX,
			       &custom, reterr) < 0))
			goto out;
		m.time = time;
		m.custom = custom;
		if (metadata_make(&m, &text, reterr) < 0)
			goto out;
	}
	r = eif_writer_add_bytes(w, EIF_METADATA, text, strlen(text), reterr);
out:
	free(custom);
	free(text);
	return r;
}

/* Flags of the header, in any base; none if it is not said. */
static int set_flags(const struct build *b, struct eif_writer *w,
		     struct fault *reterr)
{
	unsigned long flags;
	char *end;

	if (!b->flags)
		return 0;
	errno = 0;
	flags = strtoul(b->flags, &end, 0);
	if (errno || *end || *b->flags < '0' || *b->flags > '9' ||
	    flags > UINT16_MAX)
		return fault_usage(reterr, "--flags: %s: no flags, as 0x0240",
				   b->flags);
	if (eif_writer_set_flags(w, (unsigned)flags, reterr) < 0)
		return fault_prefix(reterr, "--flags");
	return 0;
}

/* --- what it is made of --- */

static bool add_string(cJSON *to, const char *key, const char *text)
{
	return !text || cJSON_AddStringToObject(to, key, text);
}

static bool add_strings(cJSON *to, const char *key, const struct strings *list)
{
	cJSON *array;

	if (list->count == 0)
		return true;
	array = cJSON_AddArrayToObject(to, key);
	for (size_t i = 0; array && i < list->count; i++)
		if (!cJSON_AddItemToArray(array,
					  cJSON_CreateString(list->items[i])))
			return false;
	return array;
}

/* What was asked for and changes what is measured: before it is put into the image. */
static cJSON *make_arguments(const struct build *b)
{
	cJSON *to = cJSON_CreateObject();
	bool good =
		to && add_strings(to, "Entrypoint", &b->entrypoint) &&
		add_strings(to, "Cmd", &b->cmd) &&
		add_strings(to, "Env", &b->env) &&
		add_string(to, "User", b->user) &&
		add_string(to, "WorkingDir", b->workdir) &&
		add_string(to, "StopSignal", b->stop_signal) &&
		add_string(to, "Mtime", b->mtime) &&
		add_string(to, "Compress", b->ramdisk.gzip ? "gzip" : NULL) &&
		add_string(to, "Squashfs", b->ramdisk.squashfs) &&
		(!b->ramdisk.keep_times ||
		 cJSON_AddTrueToObject(to, "KeepTimes")) &&
		add_string(to, "Owner",
			   build_options_is_keep(b->owner) ? "keep" : NULL) &&
		(!b->drop_capabilities ||
		 cJSON_AddTrueToObject(to, "DropCapabilities"));

	if (good)
		return to;
	cJSON_Delete(to);
	return NULL;
}

/* ARGUMENTS become a part of it. */
static int make_inputs(struct build *b, const struct image *image,
		       cJSON *arguments, const char *tar2sqfs,
		       struct fault *reterr)
{
	cJSON *tools;

	if (inputs_make(&b->parts, b->image ? image : NULL, &b->ramdisks,
			&b->inputs, reterr) < 0) {
		cJSON_Delete(arguments);
		return -1;
	}
	if (!cJSON_AddItemToObject(b->inputs, "Arguments", arguments)) {
		cJSON_Delete(arguments);
		return out_of_memory(reterr);
	}
	if (b->config && !add_string(b->inputs, "Config", b->config_digest))
		return out_of_memory(reterr);
	tools = cJSON_AddObjectToObject(b->inputs, "Tools");
	if (!tools || !add_string(tools, "mkeif", ENCLAVE_INIT_VERSION) ||
	    !add_string(tools, "zlib",
			b->ramdisk.gzip ? gzip_zlib_version() : NULL) ||
	    !add_string(tools, "tar2sqfs", tar2sqfs))
		return out_of_memory(reterr);
	return 0;
}

/* --- the image, written --- */

/*
 * The kernel reads all ramdisks as one, BEFORE bytes of which come before F, and wants each
 * plain archive at a multiple of four, also behind what is compressed.
 */
static int check_ramdisk(const struct part *f, uint64_t before, bool is_last,
			 struct fault *reterr)
{
	char head[6] = { 0 };
	size_t n = f->content.len < 6 ? (size_t)f->content.len : 6;

	if (content_read(&f->content, 0, head, n, reterr) < 0)
		return fault_prefix(reterr, "%s", f->path);
	if (before % 4 && memcmp(head, "0707", 4) == 0)
		return fault_refuse(reterr,
				    "%s: behind %llu bytes, not a multiple of "
				    "4: the kernel would lose this ramdisk",
				    f->path, (unsigned long long)before);
	if (!is_last && f->content.len % 4 && memcmp(head, "0707", 4) == 0)
		return fault_refuse(reterr,
				    "%s: %llu bytes, not a multiple of 4: the "
				    "kernel would lose the ramdisks behind it",
				    f->path,
				    (unsigned long long)f->content.len);
	return 0;
}

static int open_ramdisks(struct build *b, struct fault *reterr)
{
	uint64_t before = 0;

	for (size_t i = 0; i < b->ramdisks.count; i++) {
		struct part *f = &b->ramdisks.items[i];

		if (part_open(f, reterr) < 0 ||
		    check_ramdisk(f, before, i + 1 == b->ramdisks.count,
				  reterr) < 0)
			return -1;
		before += f->content.len;
	}
	return 0;
}

static int write_ramdisks(struct build *b, struct eif_writer *w,
			  struct fault *reterr)
{
	for (size_t i = 0; i < b->ramdisks.count; i++) {
		struct part *f = &b->ramdisks.items[i];

		if (eif_writer_add(w, EIF_RAMDISK, &f->content, reterr) < 0)
			return fault_prefix(reterr, "%s", f->path);
	}
	return 0;
}

static int check_same(const struct build *b, struct fault *reterr)
{
	for (size_t i = 0; i < b->ramdisks.count; i++)
		if (part_check_same(&b->ramdisks.items[i], reterr) < 0)
			return -1;
	return parts_check_same(&b->parts, reterr);
}

static int write_image(struct build *b, struct image *image,
		       const struct app *app, const struct sign_key *key,
		       struct output *output, struct eif_pcrs *ret,
		       struct fault *reterr)
{
	struct eif_writer *w = NULL;
	struct tree *boot = tree_new();

	if (!boot) {
		output_abort(output);
		return out_of_memory(reterr);
	}
	if (eif_writer_open_output(output, b->parts.eif_arch, &w, reterr) < 0 ||
	    set_flags(b, w, reterr) < 0)
		goto fail;
	eif_writer_defaults(w, b->default_mem ? &b->mem : NULL,
			    b->default_cpus ? &b->cpus : NULL);
	if (eif_writer_add(w, EIF_KERNEL, &b->parts.kernel_file.content,
			   reterr) < 0 ||
	    eif_writer_add_bytes(w, EIF_CMDLINE, b->parts.cmdline,
				 b->parts.cmdline_len, reterr) < 0 ||
	    write_metadata(b, image, w, reterr) < 0)
		goto fail;
	if (b->image ? parts_write_boot(&b->parts, boot, &b->ramdisk, w,
					reterr) < 0 ||
			       ramdisk_write_app(w, image, app, &b->ramdisk,
						 reterr) < 0 :
		       write_ramdisks(b, w, reterr) < 0)
		goto fail;
	if (check_same(b, reterr) < 0 ||
	    signature_write(key, w, ret, reterr) < 0 ||
	    pcrs_expect_check(&b->expected, ret, reterr) < 0)
		goto fail;
	tree_free(boot);
	return eif_writer_finish(w, reterr);
fail:
	tree_free(boot);
	eif_writer_abort(w);
	return -1;
}

/* What is not looked at when the image is loaded. */
static int check_output(const struct build *b, const struct output *output,
			struct fault *reterr)
{
	const char *const metadata = b->metadata ? b->metadata : b->custom;

	if (parts_check_output(&b->parts, output, reterr) < 0 ||
	    sign_options_check_output(&b->sign, output, reterr) < 0 ||
	    output_check_input(output, "the metadata", metadata, reterr) < 0 ||
	    output_check_input(output, "the configuration", b->config, reterr) <
		    0)
		return -1;
	for (size_t i = 0; i < b->ramdisks.count; i++)
		if (output_check_input(output, "a ramdisk",
				       b->ramdisks.items[i].path, reterr) < 0)
			return -1;
	return 0;
}

static int build(const struct command *c, struct build *b, struct eif_pcrs *ret,
		 struct fault *reterr)
{
	char version[SQUASHFS_VERSION_MAX];
	cJSON *arguments = NULL;
	struct sign_key *key = NULL;
	struct image image = { .spool = SPOOL_NONE };
	struct app app = { 0 };
	struct output *output;
	int r = -1;

	if (output_open(b->output, &output, reterr) < 0)
		return -1;
	/* What is quickly seen to be wrong comes first. */
	b->parts.has_ramdisks = !b->image;
	if (build_options_numbers(b, reterr) < 0 ||
	    parts_find(&b->parts, reterr) < 0)
		goto out;
	if (b->image ? parts_open_boot(&b->parts, reterr) < 0 :
		       open_ramdisks(b, reterr) < 0)
		goto out;
	if (check_output(b, output, reterr) < 0)
		goto out;
	if (b->parts.blobs_are_installed)
		command_note(c, "kernel and module are those of %s",
			     b->parts.blobs);
	if (b->kernel_config)
		command_note(c,
			     "--kernel_config is not read: the kernel says its "
			     "version itself");
	arguments = make_arguments(b);
	if (!arguments) {
		(void)out_of_memory(reterr);
		goto out;
	}
	/* Before another program is run. */
	if (sign_options_load(c, &b->sign, &key, reterr) < 0)
		goto out;
	if (b->ramdisk.squashfs && squashfs_version(version, reterr) < 0)
		goto out;
	if (b->image && build_load_app(c, b, output, &image, &app, reterr) < 0)
		goto out;
	if (b->image && build_find_relay(c, b, &image, &app, reterr) < 0)
		goto out;
	if (b->image && b->parts.modules.count == 0)
		command_note(c, "no --module: a kernel without its own NSM "
				"driver will not get beyond init's step 5");
	if (b->ramdisk.gzip)
		command_note(c,
			     "ramdisks compressed by zlib %s: another one "
			     "may give other PCRs",
			     gzip_zlib_version());
	if (b->ramdisk.squashfs)
		command_note(c,
			     "a squashfs (%s) by tar2sqfs %s: another one may "
			     "give other PCRs",
			     b->ramdisk.squashfs, version);
	if (make_inputs(b, &image, arguments,
			b->ramdisk.squashfs ? version : NULL, reterr) < 0) {
		arguments = NULL;
		goto out;
	}
	arguments = NULL;
	r = write_image(b, &image, &app, key, output, ret, reterr);
	output = NULL;
out:
	output_abort(output);
	cJSON_Delete(arguments);
	app_free(&app);
	image_free(&image);
	sign_key_free(key);
	return r;
}

static void close_build(struct build *b)
{
	strings_free(&b->entrypoint);
	strings_free(&b->cmd);
	strings_free(&b->env);
	part_list_close(&b->ramdisks);
	free(b->docker_image);
	cJSON_Delete(b->inputs);
	parts_close(&b->parts);
}

static int print_result(const struct command *c, struct build *b,
			const struct eif_pcrs *pcrs)
{
	cJSON *all;

	if (!b->json) {
		pcrs_print_json(pcrs);
		return EXIT_DONE;
	}
	all = pcrs_json(pcrs);
	if (all && cJSON_AddItemToObject(all, "BuildInputs", b->inputs))
		b->inputs = NULL;
	return command_print_json(c, all);
}

static int run(const struct command *c, int argc, char **argv)
{
	struct build b = { .parts = PARTS_NONE };
	struct eif_pcrs pcrs = { 0 };
	struct fault fault;
	int option, code = EXIT_DONE;

	while ((option = command_option(c, argc, argv, build_options)) >= 0) {
		if (option == '?') {
			code = EXIT_USAGE;
			goto out;
		}
		if (build_options_take(&b, option, &fault) < 0) {
			code = command_fail(c, &fault);
			goto out;
		}
	}
	if (!command_arguments(c, argc, argv, 0, "")) {
		code = EXIT_USAGE;
		goto out;
	}
	if (build_options_check(&b, &fault) < 0 ||
	    build(c, &b, &pcrs, &fault) < 0) {
		code = command_fail(c, &fault);
		goto out;
	}
	code = command_end(c, print_result(c, &b, &pcrs));
out:
	close_build(&b);
	return code;
}

const struct command build_command = {
	.name = "build",
	.nitro_cli = "build-enclave",
	.does = "an image from a container image or a folder",
	.help = "usage: mkeif build --image SRC --output X.eif [OPTION]...\n"
		"       mkeif build --ramdisk FILE... --kernel FILE --output X.eif [OPTION]...\n"
		"SRC: an OCI layout or docker save archive, a folder or archive of a root file\n"
		"system, -, docker://NAME and what else skopeo knows; by name oci:, oci-archive:,\n"
		"docker-archive:, dir:, rootfs:, and @sha256:... behind. Its options:\n"
		"  --arch ARCH, --tag TAG             which of several (the kernel's ARCH)\n"
		"  --entrypoint ARG, --cmd ARG        one argument each time\n"
		"  --env NAME=VALUE, --user USER[:GROUP], --workdir DIR, --stop-signal SIGNAL\n"
		"  --config FILE                      the configuration, not the image's\n"
		"  --file DEST=FILE[:MODE]            another file of the image, such as kms\n"
		"  --keep-times, --mtime SECONDS, --drop-capabilities   of its files\n"
		"  --owner root|keep                  whose a folder's files become (root)\n"
		"What boots it:\n"
		"  --blobs DIR                        kernel: nitro-cli's blobs or build/emulator\n"
		"  --kernel FILE, --module FILE, --cmdline TEXT|@FILE, --cmdline-section FILE\n"
		"  --init FILE, --relay FILE, --boot-file DEST=FILE[:MODE]\n"
		"The file:  --default-mem N, --default-cpus N\n"
		"  --name NAME, --image-version TEXT, --metadata FILE, --metadata-section FILE\n"
		"  --flags NUMBER (0x0240), --compress none|gzip, --squashfs[=zstd|gzip|xz]\n" SIGN_OPTIONS_HELP
		"  --expect-pcr0 HEX                  or -pcr1, -pcr2, -pcr8: or it is not made\n"
		"Prints the measurements; with --json all inputs. --docker-uri: as nitro-cli.\n",
	.options = build_options,
	.hints = build_options_hints,
	.run = run,
};
