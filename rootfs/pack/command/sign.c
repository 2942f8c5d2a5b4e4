#include "rootfs/pack/command/command.h"

#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/output.h"
#include "rootfs/pack/command/sign_options.h"
#include "rootfs/pack/eif/eif.h"
#include "rootfs/pack/eif/pcrs.h"
#include "rootfs/pack/sign/signature.h"

enum { O_OUTPUT = 1, O_JSON };

static const struct option options[] = {
	SIGN_OPTIONS,
	{ "output", required_argument, NULL, O_OUTPUT },
	{ "json", no_argument, NULL, O_JSON },
	PCRS_EXPECT_OPTIONS,
	{ "eif-path", required_argument, NULL, COMMAND_ARGUMENT },
	{ 0 },
};

static const struct command_hint hints[] = {
	COMMAND_HINT_OUTPUT,
	SIGN_OPTIONS_HINTS,
	{ 0 },
};

struct sign_ask {
	const char *path, *output;
	struct sign_key_source sign;
	struct pcrs_expected expected;
};

/* All sections but a signature, which is then the last one. */
static int write_signed(const struct eif *eif, const struct sign_key *key,
			struct eif_writer *w, struct eif_pcrs *pcrs,
			struct fault *reterr)
{
	eif_writer_like(w, eif);
	for (size_t i = 0; i < eif->count; i++) {
		const struct eif_section *s = &eif->sections[i];

		if (s->type != EIF_SIGNATURE &&
		    eif_writer_add(w, s->type, &s->data, reterr) < 0)
			return fault_prefix(reterr, "%s", eif->path);
	}
	return signature_write(key, w, pcrs, reterr);
}

/* The image is open until the end: it may be the one that is replaced. */
static int sign(const struct command *c, const struct sign_ask *a,
		struct eif_pcrs *ret, struct fault *reterr)
{
	struct sign_key *key = NULL;
	struct output *output;
	struct eif_writer *w;
	struct eif eif;
	int r = -1;

	if (output_open(a->output, &output, reterr) < 0)
		return -1;
	if (sign_options_check_output(&a->sign, output, reterr) < 0 ||
	    sign_options_load(c, &a->sign, &key, reterr) < 0) {
		output_abort(output);
		return -1;
	}
	if (eif_open(a->path, &eif, reterr) < 0) {
		output_abort(output);
		sign_key_free(key);
		return -1;
	}
	if (eif_check_crc(&eif, reterr) < 0) {
		output_abort(output);
		goto out;
	}
	if (eif_writer_open_output(output, eif.arch, &w, reterr) < 0)
		goto out;
	if (write_signed(&eif, key, w, ret, reterr) < 0 ||
	    eif_check_same(&eif, reterr) < 0 ||
	    pcrs_expect_check(&a->expected, ret, reterr) < 0)
		eif_writer_abort(w);
	else
		r = eif_writer_finish(w, reterr);
out:
	eif_close(&eif);
	sign_key_free(key);
	return r;
}

static int run(const struct command *c, int argc, char **argv)
{
	struct eif_pcrs pcrs = { 0 };
	struct fault fault;
	struct sign_ask a = { 0 };
	int option;

	while ((option = command_option(c, argc, argv, options)) >= 0) {
		if (option == '?')
			return EXIT_USAGE;
		if (option == O_OUTPUT)
			a.output = optarg;
		else if (option == O_JSON)
			continue; /* it is JSON in any case */
		else if (pcrs_expect_take(&a.expected, option, optarg, &fault) <
				 0 ||
			 sign_options_take(&a.sign, option, optarg, &fault) < 0)
			return command_fail(c, &fault);
	}
	if (!command_arguments(c, argc, argv, 1, "the image"))
		return EXIT_USAGE;
	a.path = argv[optind];
	/* sign-eif has no other file. */
	if (!a.output && command_is_nitro_cli(c, argv))
		a.output = a.path;
	if (!a.sign.key || !a.sign.cert || !a.output)
		return command_usage(c, "%s is missing",
				     !a.sign.key  ? "--sign-key" :
				     !a.sign.cert ? "--sign-cert" :
						    "--output");
	if (sign(c, &a, &pcrs, &fault) < 0)
		return command_fail(c, &fault);
	pcrs_print_json(&pcrs);
	return command_end(c, EXIT_DONE);
}

const struct command sign_command = {
	.name = "sign",
	.nitro_cli = "sign-eif",
	.does = "signs an image, or signs it anew",
	.help = "usage: mkeif sign X.eif --sign-key KEY --sign-cert FILE --output Y.eif\n"
		"Y.eif is X.eif with a signature of its PCR0, instead of one that it has; both\n"
		"may be the same file. Prints the measurements, as JSON (--json, too).\n" SIGN_OPTIONS_HELP
		"  --expect-pcr0 HEX          or -pcr1, -pcr2, -pcr8: or it is not written\n",
	.options = options,
	.hints = hints,
	.run = run,
};
