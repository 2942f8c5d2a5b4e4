#include "rootfs/pack/command/command.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/slurp.h"
#include "rootfs/pack/eif/eif.h"
#include "rootfs/pack/eif/measure.h"
#include "rootfs/pack/eif/pcrs.h"
#include "rootfs/pack/sign/signature.h"

enum { O_ROLE = 1, O_INSTANCE, O_CERT, O_POLICY, O_JSON, O_ONE_CERT, O_INPUT };

enum { INPUT_MAX = 64 << 20 }; /* bytes of --input */

static const struct option options[] = {
	{ "role", required_argument, NULL, O_ROLE },
	{ "instance", required_argument, NULL, O_INSTANCE },
	{ "cert", required_argument, NULL, O_CERT },
	{ "policy", no_argument, NULL, O_POLICY },
	{ "json", no_argument, NULL, O_JSON },
	/* nitro-cli's, with what it prints. */
	{ "signing-certificate", required_argument, NULL, O_ONE_CERT },
	{ "input", required_argument, NULL, O_INPUT },
	{ "eif-path", required_argument, NULL, COMMAND_ARGUMENT },
	{ 0 },
};

struct pcr_ask {
	const char *path, *role, *instance, *cert; /* NULL: not said */
	const char *input; /* nitro-cli's: of any file */
	bool policy, json, as_nitro_cli;
};

/* --- what may be a slip --- */

/* The hypervisor takes these as they are, and so do we: an emulator has others. */
static void look_at(const struct command *c, const struct pcr_ask *a)
{
	const char *id = a->instance;

	if (a->role &&
	    (strncmp(a->role, "arn:", 4) != 0 || !strstr(a->role, ":iam::") ||
	     !strstr(a->role, ":role/")))
		command_note(c,
			     "--role: %s: not like a role's ARN, "
			     "arn:aws:iam::ACCOUNT:role/NAME",
			     a->role);
	if (id && (strncmp(id, "i-", 2) != 0 ||
		   strspn(id + 2, "0123456789abcdef") != strlen(id + 2) ||
		   (strlen(id) != 10 && strlen(id) != 19)))
		command_note(c,
			     "--instance: %s: not like an instance's ID, "
			     "i-1234567890abcdef0",
			     id);
}

/* What will be measured, and not be started. */
static void look_at_signature(const struct command *c, const char *path,
			      const struct cert_info *i)
{
	if (!i->is_valid)
		command_note(c,
			     "%s: the signature is not of this image: no "
			     "enclave would start",
			     path);
	if (!i->is_cert_in_time)
		command_note(c,
			     "%s: the certificate is valid from %s to %s: no "
			     "enclave would start now",
			     path, i->from, i->to);
}

/* The certificate of --cert: it can be measured at any time, and used at some. */
static void look_at_cert(const struct command *c, const char *path,
			 const struct cert_info *i)
{
	if (!i->is_cert_in_time)
		command_note(c,
			     "%s: the certificate is valid from %s to %s: it "
			     "signs no image now, and no enclave would start",
			     path, i->from, i->to);
}

/* --- the measurements --- */

static int measure_image(const struct command *c, const struct pcr_ask *a,
			 struct eif_pcrs *ret, struct fault *reterr)
{
	struct cert_info info;
	struct eif eif;
	int r = -1;

	if (eif_open(a->path, &eif, reterr) < 0)
		return -1;
	if (eif_check_crc(&eif, reterr) < 0 ||
	    eif_measure(&eif, ret, reterr) < 0)
		goto out;
	/* With --cert it is as if that signature were not there. */
	if (!a->cert) {
		if (signature_read(&eif, time(NULL), ret, &info, reterr) < 0)
			goto out;
		if (ret->has_pcr8)
			look_at_signature(c, a->path, &info);
	}
	r = 0;
out:
	eif_close(&eif);
	return r;
}

static int pcr(const struct command *c, const struct pcr_ask *a,
	       struct fault *reterr)
{
	uint8_t role[EIF_HASH], instance[EIF_HASH];
	struct cert_info cert;
	struct eif_pcrs image = { 0 };
	struct pcrs pcrs = { 0 };

	if (a->path) {
		if (measure_image(c, a, &image, reterr) < 0)
			return -1;
		pcrs = pcrs_of_image(&image);
	}
	look_at(c, a);
	if (a->role) {
		if (measure_extend(a->role, strlen(a->role), role, reterr) < 0)
			return -1;
		pcrs.of[3] = role;
	}
	if (a->instance) {
		if (measure_extend(a->instance, strlen(a->instance), instance,
				   reterr) < 0)
			return -1;
		pcrs.of[4] = instance;
	}
	if (a->cert) {
		if (signature_cert_info(a->cert, time(NULL), &cert, reterr) < 0)
			return -1;
		look_at_cert(c, a->cert, &cert);
		pcrs.of[8] = cert.pcr8;
	}
	if (a->policy)
		pcrs_print_policy(&pcrs);
	else if (a->json)
		pcrs_print_measurements(&pcrs);
	else
		pcrs_print_text(&pcrs);
	return 0;
}

/* As nitro-cli pcr prints one: its name is PCR where it is of any file. */
static int print_one(const struct command *c, const struct pcr_ask *a,
		     struct fault *reterr)
{
	char hex[2 * EIF_HASH + 1], *text;
	cJSON *one = cJSON_CreateObject();
	uint8_t hash[EIF_HASH];
	struct cert_info cert;
	size_t len;
	int r;

	if (a->input) {
		if (content_slurp_path(a->input, INPUT_MAX, &text, &len,
				       reterr) < 0)
			goto fail;
		r = measure_extend(text, len, hash, reterr);
		free(text);
		if (r < 0)
			goto fail;
	} else {
		if (signature_cert_info(a->cert, time(NULL), &cert, reterr) < 0)
			goto fail;
		look_at_cert(c, a->cert, &cert);
		memcpy(hash, cert.pcr8, EIF_HASH);
	}
	for (int i = 0; i < EIF_HASH; i++)
		(void)sprintf(hex + 2 * i, "%02x", hash[i]);
	if (!cJSON_AddStringToObject(one, a->input ? "PCR" : "PCR8", hex)) {
		(void)fault_system(reterr, ENOMEM, "JSON");
		goto fail;
	}
	return command_print_json(c, one);
fail:
	cJSON_Delete(one);
	return -1;
}

/* --- the command --- */

static void take_option(struct pcr_ask *a, int option)
{
	switch (option) {
	case O_ROLE:
		a->role = optarg;
		break;
	case O_INSTANCE:
		a->instance = optarg;
		break;
	case O_INPUT:
		a->input = optarg;
		break;
	case O_ONE_CERT:
		a->as_nitro_cli = true;
		a->cert = optarg;
		break;
	case O_CERT:
		a->cert = optarg;
		break;
	case O_POLICY:
		a->policy = true;
		break;
	case O_JSON:
		a->json = true;
		break;
	}
}

static int run(const struct command *c, int argc, char **argv)
{
	struct fault fault;
	struct pcr_ask a = { 0 };
	int option;

	while ((option = command_option(c, argc, argv, options)) >= 0) {
		if (option == '?')
			return EXIT_USAGE;
		if (option == O_ONE_CERT || option == O_CERT) {
			if (a.cert)
				return command_usage(
					c, "either --cert or "
					   "--signing-certificate, not both");
			if (slurp_claim(optarg, &fault) < 0)
				return command_fail(c, &fault);
		}
		take_option(&a, option);
	}
	if ((a.role && *a.role == '\0') || (a.instance && *a.instance == '\0'))
		return command_usage(c, "an empty value has no measurement");
	if (a.policy && a.json)
		return command_usage(c, "--policy and --json are two forms");
	if (a.input &&
	    (a.role || a.instance || a.cert || a.policy || optind < argc))
		return command_usage(c, "--input stands alone");
	if (a.input || (a.as_nitro_cli && optind == argc && !a.role &&
			!a.instance && !a.policy && !a.json)) {
		if (print_one(c, &a, &fault) < 0)
			return command_fail(c, &fault);
		return command_end(c, EXIT_DONE);
	}
	/* Each of these is measured without an image, too. */
	if ((optind < argc || !(a.role || a.instance || a.cert)) &&
	    !command_arguments(c, argc, argv, 1, "the image"))
		return EXIT_USAGE;
	a.path = argv[optind];
	if (pcr(c, &a, &fault) < 0)
		return command_fail(c, &fault);
	return command_end(c, EXIT_DONE);
}

const struct command pcr_command = {
	.name = "pcr",
	.does = "predicts an enclave's measurements; a KMS key's policy of them",
	.help = "usage: mkeif pcr [X.eif] [OPTION]...\n"
		"The measurements (PCRs) that an enclave of X.eif will have: PCR0, all of it;\n"
		"PCR1, kernel, command line and boot ramdisk; PCR2, the application; PCR8, the\n"
		"certificate of its signature.\n"
		"  --role ARN      PCR3: the IAM role of the parent instance\n"
		"  --instance ID   PCR4: the parent instance, i-...\n"
		"  --cert FILE     PCR8, if X.eif were signed with that certificate (PEM)\n"
		"  --policy        as a condition of a KMS key's policy, which wants all of them\n"
		"  --json          as nitro-cli prints measurements\n"
		"With one of the first three X.eif may be missing. In debug mode all PCRs are 0.\n",
	.options = options,
	.run = run,
};
