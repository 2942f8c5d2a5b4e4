#include "rootfs/pack/command/command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/output.h"
#include "rootfs/pack/command/sign_options.h"
#include "rootfs/pack/eif/eif.h"
#include "rootfs/pack/eif/pcrs.h"
#include "rootfs/pack/ramdisk/gzip.h"
#include "rootfs/pack/ramdisk/parts.h"
#include "rootfs/pack/ramdisk/ramdisk.h"
#include "rootfs/pack/ramdisk/rewrite.h"
#include "rootfs/pack/sign/signature.h"

enum { O_INIT = 1, O_BOOT_FILE, O_OUTPUT, O_JSON };

static const struct option options[] = {
	{ "init", required_argument, NULL, O_INIT },
	{ "boot-file", required_argument, COMMAND_REPEATS, O_BOOT_FILE },
	{ "output", required_argument, NULL, O_OUTPUT },
	{ "json", no_argument, NULL, O_JSON },
	PCRS_EXPECT_OPTIONS,
	SIGN_OPTIONS,
	{ "eif-path", required_argument, NULL, COMMAND_ARGUMENT },
	{ 0 },
};

static const struct command_hint hints[] = {
	COMMAND_HINT_OUTPUT,
	SIGN_OPTIONS_HINTS,
	{ 0 },
};

struct set_init_ask {
	const char *path, *output;
	struct sign_key_source sign;
	struct pcrs_expected expected;
	struct parts parts;
	struct rewrite_file files[REWRITE_FILES_MAX];
	char *paths[REWRITE_FILES_MAX]; /* theirs, but for init's */
	size_t count;
};

static int take_option(struct set_init_ask *a, int option, struct fault *reterr)
{
	switch (option) {
	case O_INIT:
		a->parts.init_file.path = optarg;
		return 0;
	case O_BOOT_FILE:
		return part_add(&a->parts.boot_files, optarg, "--boot-file",
				reterr);
	case O_OUTPUT:
		a->output = optarg;
		return 0;
	case O_JSON:
		return 0; /* it is JSON in any case */
	default:
		if (pcrs_expect_take(&a->expected, option, optarg, reterr) < 0)
			return -1;
		return sign_options_take(&a->sign, option, optarg, reterr) < 0 ?
			       -1 :
			       0;
	}
}

_Static_assert((int)PART_FILES_MAX < (int)REWRITE_FILES_MAX, "");

static int add_file(struct set_init_ask *a, const char *path, uint32_t mode,
		    const struct content *c, struct fault *reterr)
{
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->files[i].path, path) == 0)
			return fault_usage(
				reterr, "%s: twice in the boot ramdisk", path);
	a->files[a->count++] = (struct rewrite_file){ path, mode, *c };
	return 0;
}

/* Init, and the boot files. */
static int find_files(struct set_init_ask *a, struct fault *reterr)
{
	struct part_list *list = &a->parts.boot_files;
	uint32_t mode;

	if (parts_find_init(&a->parts, reterr) < 0 ||
	    add_file(a, "init", 0755, &a->parts.init_file.content, reterr) < 0)
		return -1;
	for (size_t i = 0; i < list->count; i++) {
		char **path = &a->paths[i];

		if (parts_open_boot_file(&a->parts, &list->items[i], path,
					 &mode, reterr) < 0 ||
		    ramdisk_check_path(*path, reterr) < 0 ||
		    add_file(a, *path, mode, &list->items[i].content, reterr) <
			    0)
			return -1;
	}
	return 0;
}

static int to_eif(void *ctx, const void *data, size_t len, struct fault *reterr)
{
	return eif_writer_write(ctx, data, len, reterr);
}

/* The first ramdisk with its new files, all else as it is but for a signature, which was of
 * that. */
static int write_sections(struct rewrite *r, const struct eif *eif,
			  struct eif_writer *w, struct fault *reterr)
{
	const struct eif_section *first = eif_find(eif, EIF_RAMDISK);

	eif_writer_like(w, eif);
	for (size_t i = 0; i < eif->count; i++) {
		const struct eif_section *s = &eif->sections[i];

		if (s == first) {
			if (eif_writer_begin(w, s->type, reterr) < 0 ||
			    rewrite_write(r, to_eif, w, reterr) < 0 ||
			    eif_writer_end(w, reterr) < 0)
				return -1;
		} else if (s->type != EIF_SIGNATURE &&
			   eif_writer_add(w, s->type, &s->data, reterr) < 0) {
			return fault_prefix(reterr, "%s", eif->path);
		}
	}
	return 0;
}

static int check_files(const struct set_init_ask *a, const struct eif *eif,
		       size_t section, const struct unpacked *r,
		       struct fault *reterr)
{
	for (size_t i = 0; i < a->count; i++)
		if (unpack_find(r, a->files[i].path))
			return fault_refuse(
				reterr,
				"%s: section %zu (ramdisk): it has the kernel "
				"put another %s in the place of the first "
				"ramdisk's",
				eif->path, section, a->files[i].path);
	return 0;
}

/* The other ramdisks are unpacked over the first one. */
static int check_others(const struct command *c, const struct set_init_ask *a,
			const struct eif *eif, struct unpack *u,
			struct listing_state *state, struct fault *reterr)
{
	const struct eif_section *first = eif_find(eif, EIF_RAMDISK);
	const struct listing_how how = {
		.without_hashes = true,
		.state = state,
	};

	for (size_t i = 0; i < eif->count; i++) {
		struct unpacked found = { 0 };
		struct listing l = { 0 };
		int r = 0;

		if (eif->sections[i].type != EIF_RAMDISK ||
		    &eif->sections[i] == first)
			continue;
		if (listing_read_section(eif, i, &how, &l, reterr) < 0) {
			command_note(c, "%s", reterr->text);
			unpack_skip(u);
		} else if (unpack_ramdisk(u, &l, &found, reterr) < 0) {
			r = fault_prefix(reterr, "%s: section %zu (ramdisk)",
					 eif->path, i);
		} else {
			r = check_files(a, eif, i, &found, reterr);
		}
		unpack_free_files(&found);
		listing_free(&l);
		if (r < 0)
			return -1;
	}
	return 0;
}

/* What is not as nitro-cli would write it. */
static void tell_compression(const struct command *c,
			     const struct set_init_ask *a, const char *method)
{
	if (!method)
		return;
	if (strcmp(method, "gzip") == 0)
		command_note(c,
			     "%s: the first ramdisk is compressed anew by zlib "
			     "%s: another gzip gives other bytes, and so "
			     "another PCR0 and PCR1",
			     a->output, gzip_zlib_version());
	else
		command_note(c,
			     "%s: the first ramdisk was compressed by %s, and "
			     "is written without compression",
			     a->output, method);
}

static void tell_others(const struct command *c, const struct set_init_ask *a,
			const struct rewrite *r)
{
	for (size_t i = 0; i < a->count; i++)
		if (rewrite_others(r, i))
			command_note(c,
				     "%s: %s has other names (hard links), "
				     "which are replaced with it: %s",
				     a->output, a->files[i].path,
				     rewrite_others(r, i));
}

static int read_first(const struct command *c, const struct set_init_ask *a,
		      const struct eif *eif, struct rewrite **ret,
		      struct fault *reterr)
{
	const struct eif_section *first = eif_find(eif, EIF_RAMDISK);
	struct listing_state state = { 0 };
	struct unpack *u = unpack_new();
	int r = -1;

	if (!u)
		return fault_system(reterr, ENOMEM, "%s", a->path);
	if (rewrite_open(&first->data, a->files, a->count, u, &state, ret,
			 reterr) < 0)
		(void)fault_prefix(reterr, "%s: section %zu (ramdisk)", a->path,
				   (size_t)(first - eif->sections));
	else
		r = check_others(c, a, eif, u, &state, reterr);
	unpack_free(u);
	return r;
}

/* An image without an init is none that this command is for. */
static int check_init(const struct set_init_ask *a, const struct eif *eif,
		      struct fault *reterr)
{
	const struct eif_section *first = eif_find(eif, EIF_RAMDISK);
	const struct listing_how how = { .without_hashes = true };
	struct unpack *u = unpack_new();
	struct unpacked found = { 0 };
	struct listing l = { 0 };
	int r = -1;

	if (!u)
		return fault_system(reterr, ENOMEM, "%s", a->path);
	if (listing_read_section(eif, (size_t)(first - eif->sections), &how, &l,
				 reterr) < 0)
		goto out;
	if (unpack_ramdisk(u, &l, &found, reterr) < 0)
		(void)fault_prefix(reterr, "%s", a->path);
	else if (!unpack_find(&found, "init"))
		(void)fault_refuse(reterr, "%s: no init in the first ramdisk",
				   a->path);
	else
		r = 0;
out:
	unpack_free_files(&found);
	listing_free(&l);
	unpack_free(u);
	return r;
}

static int set_init(const struct command *c, struct set_init_ask *a,
		    const struct eif *eif, const struct sign_key *key,
		    struct output **output, struct eif_pcrs *ret,
		    struct fault *reterr)
{
	struct rewrite *rewrite = NULL;
	struct eif_writer *w = NULL;
	int r = -1;

	if (!eif_find(eif, EIF_RAMDISK))
		return fault_refuse(reterr, "%s: no ramdisk", a->path);
	a->parts.eif_arch = eif->arch;
	if (check_init(a, eif, reterr) < 0 || find_files(a, reterr) < 0 ||
	    parts_check_output(&a->parts, *output, reterr) < 0 ||
	    read_first(c, a, eif, &rewrite, reterr) < 0)
		goto out;
	r = eif_writer_open_output(*output, eif->arch, &w, reterr);
	*output = NULL;
	if (r < 0)
		goto out;
	r = -1;
	if (write_sections(rewrite, eif, w, reterr) < 0 ||
	    eif_check_same(eif, reterr) < 0 ||
	    parts_check_same(&a->parts, reterr) < 0 ||
	    signature_write(key, w, ret, reterr) < 0 ||
	    pcrs_expect_check(&a->expected, ret, reterr) < 0)
		eif_writer_abort(w);
	else
		r = eif_writer_finish(w, reterr);
	if (r == 0) {
		tell_compression(c, a, rewrite_compression(rewrite));
		tell_others(c, a, rewrite);
	}
out:
	rewrite_free(rewrite);
	return r;
}

/* The image is open until the end: it may be the one that is replaced. */
static int open_and_set(const struct command *c, struct set_init_ask *a,
			struct eif_pcrs *ret, struct fault *reterr)
{
	struct sign_key *key = NULL;
	struct output *output;
	struct eif eif;
	int r = -1;

	if (output_open(a->output, &output, reterr) < 0)
		return -1;
	if (eif_open(a->path, &eif, reterr) < 0) {
		output_abort(output);
		return -1;
	}
	if (eif_check_crc(&eif, reterr) < 0)
		goto out;
	if (sign_options_check_output(&a->sign, output, reterr) < 0 ||
	    sign_options_load(c, &a->sign, &key, reterr) < 0)
		goto out;
	r = set_init(c, a, &eif, key, &output, ret, reterr);
	if (r == 0 && !key && eif_find(&eif, EIF_SIGNATURE))
		command_note(c,
			     "%s: the signature is left out, it was of the "
			     "image as it was: see --sign-key",
			     a->output);
out:
	output_abort(output);
	sign_key_free(key);
	eif_close(&eif);
	return r;
}

static int run(const struct command *c, int argc, char **argv)
{
	struct set_init_ask a = { .parts = PARTS_NONE };
	struct eif_pcrs pcrs = { 0 };
	struct fault fault;
	int option, code = EXIT_USAGE;

	while ((option = command_option(c, argc, argv, options)) >= 0) {
		if (option == '?')
			goto out;
		if (take_option(&a, option, &fault) < 0) {
			code = command_fail(c, &fault);
			goto out;
		}
	}
	if (!command_arguments(c, argc, argv, 1, "the image"))
		goto out;
	a.path = argv[optind];
	if (!a.output) {
		(void)command_usage(c, "--output is missing");
		goto out;
	}
	if (sign_options_check(&a.sign, &fault) < 0 ||
	    open_and_set(c, &a, &pcrs, &fault) < 0) {
		code = command_fail(c, &fault);
		goto out;
	}
	pcrs_print_json(&pcrs);
	code = command_end(c, EXIT_DONE);
out:
	for (size_t i = 0; i < REWRITE_FILES_MAX; i++)
		free(a.paths[i]);
	parts_close(&a.parts);
	return code;
}

const struct command set_init_command = {
	.name = "set-init",
	.does = "another init for an image",
	.help = "usage: mkeif set-init X.eif --output Y.eif [OPTION]...\n"
		"Y.eif is X.eif with another init; both may be the same file. Kernel, command\n"
		"line, metadata, the application and all else of the boot ramdisk stay byte for\n"
		"byte, a signature does not. Prints the measurements: PCR2 is the same, PCR0 and\n"
		"PCR1 are those that nitro-cli gives with that init in its blobs.\n"
		"  --init FILE                the init; default: enclave-init\n"
		"  --boot-file DEST=FILE[:MODE]  another file beside it\n"
		"  --expect-pcr0 HEX          or -pcr1, -pcr2, -pcr8: or it is not written\n"
		"  --json                     the same: it prints JSON in any case\n"
		"It is signed anew, as mkeif sign does it, by\n" SIGN_OPTIONS_HELP,
	.options = options,
	.hints = hints,
	.run = run,
};
