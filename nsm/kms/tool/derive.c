#include "nsm/kms/tool/commands.h"
#include "nsm/kms/tool/material.h"
#include "nsm/kms/tool/perform.h"
#include "nsm/kms/tool/settings.h"

static int run(struct tool *t, struct opts *o)
{
	struct settings set = { .request.operation =
					KMSC_DERIVE_SHARED_SECRET };
	int r = settings_read(t, o, 0, &set);

	if (r == 0 && !set.public_key)
		r = tool_usage(t, NULL,
			       "--public-key is needed: the other side's");
	if (r == 0)
		r = material_public_key(t, set.public_key, &set.input);
	set.request.public_key = blob_view(&set.input);
	return perform_end(t, &set, r);
}

const struct command derive_command = {
	.name = "derive-shared-secret",
	.does = "ECDH of a key pair in KMS and a public key",
	.help = "usage: kms derive-shared-secret --key ARN --public-key KEY [OPTION]...\n"
		"\n"
		"Has KMS derive the secret that its key pair shares with the owner of another one\n"
		"on the same curve, and writes it to stdout: raw bytes, to be put through a key\n"
		"derivation function before they are used.\n"
		"\n"
		"  --key ARN            the key pair's full ARN; the answer must name it, too\n"
		"  --any-key            any key may answer: the parent can choose it\n"
		"  --public-key KEY     the other one's: file, PEM or DER; -: stdin; base64:TEXT\n"
		"  --algorithm NAME     ECDH, which is the only one\n"
		"  --grant-token TOKEN  may come again\n"
		"  --dry-run            only whether KMS would do it\n"
		"  --out FILE           the secret goes to FILE (mode 0600); - is stdout\n"
		"  --base64             as a line of base64\n"
		"  --force              to a terminal, too\n"
		"  --json               one JSON object, bytes in base64; errors, too\n"
		"\n"
		"kms help options has those of every command: region, connection, credentials.\n",
	.opts =
		(const struct opt[]){
			SETTINGS_OF_ALL,
			SETTINGS_OF_KEYS,
			{ "--public-key", OPT_VALUE, SETTINGS_PUBLIC_KEY },
			{ "--algorithm", OPT_VALUE, SETTINGS_ALGORITHM },
			{ 0 } },
	.run = run,
};
