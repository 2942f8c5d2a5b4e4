#include "rootfs/pack/commands.h"

#include <errno.h>

#include "rootfs/pack/eif.h"
#include "rootfs/pack/fault.h"
#include "rootfs/pack/parts.h"
#include "rootfs/pack/pcrs.h"
#include "rootfs/pack/ramdisk.h"
#include "rootfs/pack/sign.h"
#include "rootfs/pack/sign_options.h"
#include "rootfs/pack/tree.h"

enum { O_INIT = 1, O_BOOT_FILE, O_OUTPUT };

static const struct option options[] = {
	{ "init", required_argument, NULL, O_INIT },
	{ "boot-file", required_argument, NULL, O_BOOT_FILE },
	{ "output", required_argument, NULL, O_OUTPUT },
	SIGN_OPTIONS,
	{ "eif-path", required_argument, NULL, COMMAND_ARGUMENT },
	{ 0 },
};

struct ask {
	const char *path, *output;
	struct sign_key_source sign;
	struct parts parts;
	struct ramdisk_options ramdisk;
};

static int take_option(struct ask *a, int option, struct fault *reterr)
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
	default:
		return sign_options_take(&a->sign, option, optarg, reterr) < 0 ?
			       -1 :
			       0;
	}
}

/* The first ramdisk anew, all else as it is but for a signature, which was of that. */
static int write_sections(struct ask *a, const struct eif *eif,
			  struct tree *boot, struct eif_writer *w,
			  struct fault *reterr)
{
	const struct eif_section *first = eif_find(eif, EIF_RAMDISK);

	eif_writer_like(w, eif);
	for (size_t i = 0; i < eif->count; i++) {
		const struct eif_section *s = &eif->sections[i];

		if (s == first) {
			if (parts_write_boot(&a->parts, boot, &a->ramdisk, w,
					     reterr) < 0)
				return -1;
		} else if (s->type != EIF_SIGNATURE &&
			   eif_writer_add(w, s->type, &s->data, reterr) < 0) {
			return fault_prefix(reterr, "%s", eif->path);
		}
	}
	return 0;
}

static int set_init(struct ask *a, const struct eif *eif,
		    const struct sign_key *key, struct eif_pcrs *ret,
		    struct fault *reterr)
{
	const struct eif_section *first = eif_find(eif, EIF_RAMDISK);
	struct spool spool = SPOOL_NONE;
	struct tree *boot = tree_new();
	struct eif_writer *w = NULL;
	int r = -1;

	if (!boot) {
		(void)fault_system(reterr, ENOMEM, "%s", a->path);
		goto out;
	}
	if (!first) {
		(void)fault_refuse(reterr, "%s: no ramdisk", a->path);
		goto out;
	}
	a->parts.eif_arch = eif->arch;
	if (parts_find_init(&a->parts, reterr) < 0 ||
	    spool_open(&spool, reterr) < 0 ||
	    ramdisk_load(eif, (size_t)(first - eif->sections), &spool, boot,
			 reterr) < 0)
		goto out;
	if (!tree_child(tree_root(boot), "init")) {
		(void)fault_refuse(reterr, "%s: no init in the first ramdisk",
				   a->path);
		goto out;
	}
	if (eif_writer_open(a->output, eif->arch, &w, reterr) < 0)
		goto out;
	if (write_sections(a, eif, boot, w, reterr) < 0 ||
	    sign_write(key, w, ret, reterr) < 0)
		eif_writer_abort(w);
	else
		r = eif_writer_finish(w, reterr);
out:
	spool_close(&spool);
	tree_free(boot);
	return r;
}

/* The image is open until the end: it may be the one that is replaced. */
static int open_and_set(const struct command *c, struct ask *a,
			struct eif_pcrs *ret, struct fault *reterr)
{
	struct sign_key *key = NULL;
	struct eif eif;
	int r = -1;

	if (parts_find_time(&a->ramdisk.mtime, reterr) < 0 ||
	    eif_open(a->path, &eif, reterr) < 0)
		return -1;
	if (eif_check_crc(&eif, reterr) < 0)
		goto out;
	if (sign_options_load(c, &a->sign, &key, reterr) < 0)
		goto out;
	r = set_init(a, &eif, key, ret, reterr);
	if (r == 0 && !key && eif_find(&eif, EIF_SIGNATURE))
		command_note(c,
			     "%s: the signature is left out, it was of the "
			     "image as it was: see --sign-key",
			     a->output);
out:
	sign_key_free(key);
	eif_close(&eif);
	return r;
}

static int run(const struct command *c, int argc, char **argv)
{
	struct ask a = { .parts = PARTS_NONE };
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
	parts_close(&a.parts);
	return code;
}

const struct command command_set_init = {
	.name = "set-init",
	.does = "another init for an image",
	.help = "usage: mkeif set-init X.eif --output Y.eif [OPTION]...\n"
		"Y.eif is X.eif with another init; both may be the same file. Kernel, command\n"
		"line, metadata and the application stay, a signature does not. Prints the\n"
		"measurements: PCR2 is the same, PCR0 and PCR1 are not.\n"
		"  --init FILE                the init; default: enclave-init\n"
		"  --boot-file DEST=FILE[:MODE]  another file beside it\n"
		"It is signed anew, as mkeif sign does it, by\n" SIGN_OPTIONS_HELP,
	.options = options,
	.run = run,
};
