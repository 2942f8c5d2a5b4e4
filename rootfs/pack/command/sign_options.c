#include "rootfs/pack/command/sign_options.h"

#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/output.h"
#include "rootfs/pack/base/slurp.h"
#include "rootfs/pack/command/command.h"

int sign_options_take(struct sign_key_source *to, int option, const char *value,
		      struct fault *reterr)
{
	const struct {
		int option;
		const char **to;
	} all[] = {
		{ SIGN_OPTIONS_KEY, &to->key },
		{ SIGN_OPTIONS_CERT, &to->cert },
		{ SIGN_OPTIONS_PASS, &to->pass },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (all[i].option != option)
			continue;
		*all[i].to = value;
		return slurp_claim(value, reterr) < 0 ? -1 : 1;
	}
	return 0;
}

int sign_options_check(const struct sign_key_source *from, struct fault *reterr)
{
	if (!from->key != !from->cert)
		return fault_usage(reterr, "--sign-key and --sign-cert go "
					   "together");
	if (from->pass && !from->key)
		return fault_usage(reterr, "--sign-key-pass-file is for "
					   "--sign-key");
	return 0;
}

int sign_options_check_output(const struct sign_key_source *from,
			      const struct output *output, struct fault *reterr)
{
	if (output_check_input(output, "the key", from->key, reterr) < 0 ||
	    output_check_input(output, "the certificate", from->cert, reterr) <
		    0)
		return -1;
	return output_check_input(output, "the passphrase", from->pass, reterr);
}

/* No key goes to a collector of core dumps. */
static void refuse_dumps(void)
{
	static const struct rlimit none = { 0, 0 };

	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	(void)setrlimit(RLIMIT_CORE, &none);
}

int sign_options_load(const struct command *c,
		      const struct sign_key_source *from, struct sign_key **ret,
		      struct fault *reterr)
{
	const char *note;

	if (!from->key)
		return 0;
	refuse_dumps();
	if (sign_key_load(from, ret, reterr) < 0)
		return -1;
	for (size_t i = 0; (note = sign_key_note(*ret, i)); i++)
		command_note(c, "%s", note);
	return 0;
}
