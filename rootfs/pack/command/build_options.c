#include "rootfs/pack/command/build.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/command/sign_options.h"
#include "rootfs/pack/ramdisk/squashfs.h"

enum {
	O_IMAGE = 1,
	O_OUTPUT,
	O_ARCH,
	O_TAG,
	O_ENTRYPOINT,
	O_CMD,
	O_ENV,
	O_USER,
	O_WORKDIR,
	O_STOP_SIGNAL,
	O_CONFIG,
	O_BLOBS,
	O_KERNEL,
	O_MODULE,
	O_CMDLINE,
	O_INIT,
	O_RELAY,
	O_BOOT_FILE,
	O_IMAGE_FILE,
	O_NAME,
	O_IMAGE_VERSION,
	O_METADATA,
	O_METADATA_SECTION,
	O_FLAGS,
	O_RAMDISK,
	O_COMPRESS,
	O_SQUASHFS,
	O_KEEP_TIMES,
	O_DROP_CAPABILITIES,
	O_OWNER,
	O_MTIME,
	O_CMDLINE_SECTION,
	O_DEFAULT_MEM,
	O_DEFAULT_CPUS,
	O_DOCKER_URI,
	O_JSON,
	O_KERNEL_CONFIG,
};

const struct option build_options[] = {
	{ "image", required_argument, NULL, O_IMAGE },
	{ "output", required_argument, NULL, O_OUTPUT },
	{ "arch", required_argument, NULL, O_ARCH },
	{ "tag", required_argument, NULL, O_TAG },
	{ "entrypoint", required_argument, COMMAND_REPEATS, O_ENTRYPOINT },
	{ "cmd", required_argument, COMMAND_REPEATS, O_CMD },
	{ "env", required_argument, COMMAND_REPEATS, O_ENV },
	{ "user", required_argument, NULL, O_USER },
	{ "workdir", required_argument, NULL, O_WORKDIR },
	{ "stop-signal", required_argument, NULL, O_STOP_SIGNAL },
	{ "config", required_argument, NULL, O_CONFIG },
	{ "blobs", required_argument, NULL, O_BLOBS },
	{ "kernel", required_argument, NULL, O_KERNEL },
	{ "module", required_argument, COMMAND_REPEATS, O_MODULE },
	{ "cmdline", required_argument, NULL, O_CMDLINE },
	{ "init", required_argument, NULL, O_INIT },
	{ "relay", required_argument, NULL, O_RELAY },
	{ "boot-file", required_argument, COMMAND_REPEATS, O_BOOT_FILE },
	{ "file", required_argument, COMMAND_REPEATS, O_IMAGE_FILE },
	{ "name", required_argument, NULL, O_NAME },
	{ "image-version", required_argument, NULL, O_IMAGE_VERSION },
	{ "metadata", required_argument, NULL, O_METADATA },
	{ "metadata-section", required_argument, NULL, O_METADATA_SECTION },
	{ "flags", required_argument, NULL, O_FLAGS },
	{ "ramdisk", required_argument, COMMAND_REPEATS, O_RAMDISK },
	{ "compress", required_argument, NULL, O_COMPRESS },
	{ "squashfs", optional_argument, NULL, O_SQUASHFS },
	{ "keep-times", no_argument, NULL, O_KEEP_TIMES },
	{ "drop-capabilities", no_argument, NULL, O_DROP_CAPABILITIES },
	{ "owner", required_argument, NULL, O_OWNER },
	{ "mtime", required_argument, NULL, O_MTIME },
	{ "cmdline-section", required_argument, NULL, O_CMDLINE_SECTION },
	{ "default-mem", required_argument, NULL, O_DEFAULT_MEM },
	{ "default-cpus", required_argument, NULL, O_DEFAULT_CPUS },
	{ "docker-uri", required_argument, NULL, O_DOCKER_URI },
	{ "json", no_argument, NULL, O_JSON },
	{ "kernel_config", required_argument, NULL, O_KERNEL_CONFIG },
	PCRS_EXPECT_OPTIONS,
	SIGN_OPTIONS,
	/* nitro-cli's names. */
	{ "output-file", required_argument, NULL, O_OUTPUT },
	{ "version", required_argument, NULL, O_IMAGE_VERSION },
	{ 0 },
};

const struct command_hint build_options_hints[] = {
	COMMAND_HINT_OUTPUT,
	SIGN_OPTIONS_HINTS,
	{ "add", COMMAND_HINT("file") },
	{ "copy", COMMAND_HINT("file") },
	{ "command", COMMAND_HINT("cmd") },
	{ "docker-dir",
	  "mkeif builds no Dockerfile: docker build -t NAME DIR, or buildah, and "
	  "then --docker-uri NAME, or --image" },
	{ "build-time", "BuildTime is SOURCE_DATE_EPOCH" },
	{ "pcrs_output", "mkeif pcr X.eif prints them" },
	{ "build-tool", "the metadata name mkeif" },
	{ "build-tool-version", "the metadata name mkeif" },
	{ "img-os", "the kernel says it, or --metadata-section" },
	{ "img-kernel", "the kernel says it, or --metadata-section" },
	{ "algo", "hypervisors measure by SHA-384 alone" },
	{ 0 },
};

static int take_compress(struct build *b, const char *value,
			 struct fault *reterr)
{
	b->ramdisk.gzip = strcmp(value, "gzip") == 0;
	if (b->ramdisk.gzip || strcmp(value, "none") == 0)
		return 0;
	return fault_usage(reterr, "--compress: %s: neither none nor gzip",
			   value);
}

/* VALUE may be NULL. */
static int take_squashfs(struct build *b, const char *value,
			 struct fault *reterr)
{
	const char *const *name = squashfs_compressors;

	while (value && *name && strcmp(*name, value) != 0)
		name++;
	if (!*name)
		return fault_usage(reterr,
				   "--squashfs: %s: none of zstd, gzip, xz",
				   value);
	b->ramdisk.squashfs = *name;
	return 0;
}

static int take_owner(struct build *b, const char *value, struct fault *reterr)
{
	b->owner = value;
	if (strcmp(value, "keep") == 0 || strcmp(value, "root") == 0)
		return 0;
	return fault_usage(reterr, "--owner: %s: neither root nor keep", value);
}

bool build_options_is_keep(const char *owner)
{
	return owner && strcmp(owner, "keep") == 0;
}

int build_options_take(struct build *b, int option, struct fault *reterr)
{
	/* Those that are a string, once. */
	const struct {
		int option;
		const char **to;
	} strings[] = {
		{ O_IMAGE, &b->image },
		{ O_OUTPUT, &b->output },
		{ O_ARCH, &b->parts.arch },
		{ O_TAG, &b->tag },
		{ O_USER, &b->user },
		{ O_WORKDIR, &b->workdir },
		{ O_CONFIG, &b->config },
		{ O_STOP_SIGNAL, &b->stop_signal },
		{ O_BLOBS, &b->parts.blobs },
		{ O_KERNEL, &b->parts.kernel_file.path },
		{ O_CMDLINE, &b->parts.cmdline_option },
		{ O_INIT, &b->parts.init_file.path },
		{ O_RELAY, &b->parts.relay_file.path },
		{ O_NAME, &b->name },
		{ O_IMAGE_VERSION, &b->version },
		{ O_METADATA, &b->custom },
		{ O_METADATA_SECTION, &b->metadata },
		{ O_FLAGS, &b->flags },
		{ O_MTIME, &b->mtime },
		{ O_CMDLINE_SECTION, &b->parts.cmdline_section },
		{ O_DEFAULT_MEM, &b->default_mem },
		{ O_DEFAULT_CPUS, &b->default_cpus },
		{ O_DOCKER_URI, &b->docker_uri },
		{ O_KERNEL_CONFIG, &b->kernel_config },
	};
	int r;

	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
		if (strings[i].option != option)
			continue;
		*strings[i].to = optarg;
		return 0;
	}
	r = sign_options_take(&b->sign, option, optarg, reterr);
	if (r == 0)
		r = pcrs_expect_take(&b->expected, option, optarg, reterr);
	if (r != 0)
		return r < 0 ? -1 : 0;
	switch (option) {
	case O_JSON:
		b->json = true;
		return 0;
	case O_ENTRYPOINT:
		return strings_add(&b->entrypoint, optarg, reterr);
	case O_CMD:
		return strings_add(&b->cmd, optarg, reterr);
	case O_ENV:
		return strings_add(&b->env, optarg, reterr);
	case O_MODULE:
		return part_add(&b->parts.modules, optarg, "--module", reterr);
	case O_BOOT_FILE:
		return part_add(&b->parts.boot_files, optarg, "--boot-file",
				reterr);
	case O_IMAGE_FILE:
		return part_add(&b->parts.files, optarg, "--file", reterr);
	case O_RAMDISK:
		return part_add(&b->ramdisks, optarg, "--ramdisk", reterr);
	case O_COMPRESS:
		return take_compress(b, optarg, reterr);
	case O_SQUASHFS:
		return take_squashfs(b, optarg, reterr);
	case O_OWNER:
		return take_owner(b, optarg, reterr);
	case O_KEEP_TIMES:
		b->ramdisk.keep_times = true;
		return 0;
	default:
		b->drop_capabilities = true;
		return 0;
	}
}

/* An image of the local Docker's, as nitro-cli takes it; without a tag it is the latest. */
static int take_docker_uri(struct build *b, struct fault *reterr)
{
	const char *name, *slash;

	if (!b->docker_uri)
		return 0;
	if (b->image)
		return fault_usage(reterr,
				   "either --image or --docker-uri, not both");
	if (*b->docker_uri == '\0' || strstr(b->docker_uri, "://"))
		return fault_usage(reterr,
				   "--docker-uri: %s: not a name of Docker's; "
				   "--image takes all others",
				   b->docker_uri);
	slash = strrchr(b->docker_uri, '/');
	name = slash ? slash + 1 : b->docker_uri;
	if (asprintf(&b->docker_image, "docker-daemon:%s%s", b->docker_uri,
		     strpbrk(name, ":@") ? "" : ":latest") < 0) {
		b->docker_image = NULL;
		return fault_system(reterr, ENOMEM, "build");
	}
	b->image = b->docker_image;
	return 0;
}

static int take_number(const char *option, const char *text, uint64_t *ret,
		       struct fault *reterr)
{
	char *end;

	if (!text)
		return 0;
	errno = 0;
	*ret = strtoull(text, &end, 10);
	if (errno || *end || *text < '0' || *text > '9')
		return fault_usage(reterr, "%s: %s: not a number", option,
				   text);
	return 0;
}

int build_options_check(struct build *b, struct fault *reterr)
{
	static const char *const of_image =
		"--ramdisk takes ramdisks as they are: without %s";

	if (take_docker_uri(b, reterr) < 0)
		return -1;
	if (!b->output)
		return fault_usage(reterr, "--output is missing");
	if (!b->image == (b->ramdisks.count == 0))
		return fault_usage(
			reterr,
			b->image ? "either --image or --ramdisk, not both" :
				   "--image or --ramdisk is missing: an OCI "
				   "layout, a docker save archive, a folder, "
				   "or docker://NAME of a registry");
	if (sign_options_check(&b->sign, reterr) < 0)
		return -1;
	if (b->metadata && (b->custom || b->name || b->version))
		return fault_usage(reterr, "--metadata-section is all of it: "
					   "without --metadata, --name, "
					   "--image-version");
	if (b->image)
		return 0;
	if (b->parts.init_file.path || b->parts.relay_file.path ||
	    b->parts.modules.count || b->parts.boot_files.count)
		return fault_usage(reterr, of_image,
				   "--init, --relay, --module, --boot-file");
	if (b->entrypoint.count || b->cmd.count || b->env.count || b->user ||
	    b->workdir || b->stop_signal || b->config || b->tag ||
	    b->parts.files.count || b->ramdisk.gzip || b->ramdisk.squashfs ||
	    b->ramdisk.keep_times || b->mtime || b->drop_capabilities ||
	    b->owner)
		return fault_usage(reterr, of_image, "options of the image");
	return 0;
}

int build_options_numbers(struct build *b, struct fault *reterr)
{
	if (b->mtime &&
	    parts_take_time("--mtime", b->mtime, &b->ramdisk.mtime, reterr) < 0)
		return -1;
	if (take_number("--default-mem", b->default_mem, &b->mem, reterr) < 0)
		return -1;
	return take_number("--default-cpus", b->default_cpus, &b->cpus, reterr);
}
