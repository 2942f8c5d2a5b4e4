#include "nsm/kms/tool/commands.h"
#include "nsm/kms/tool/material.h"
#include "nsm/kms/tool/perform.h"
#include "nsm/kms/tool/settings.h"

static int run(struct tool *t, struct opts *o)
{
	struct settings set = { .request.operation = KMSC_DECRYPT };
	int r = settings_read(t, o, 1, &set);

	if (r == 0)
		r = material_ciphertext(t, set.argument, &set.input);
	set.request.ciphertext = blob_view(&set.input);
	return perform_end(t, &set, r);
}

const struct command decrypt_command = {
	.name = "decrypt",
	.does = "what KMS encrypted becomes plaintext, here alone",
	.help = "usage: kms decrypt [CIPHERTEXT] --key ARN [OPTION]...\n"
		"\n"
		"Decrypts CIPHERTEXT (a file, bytes or base64; - or none: stdin; base64:TEXT) and\n"
		"writes the plaintext to stdout.\n"
		"\n"
		"  --key ARN             the full ARN of the key; the answer must name it, too\n"
		"  --any-key             any key may answer: the parent can choose it\n"
		"  --context NAME=VALUE  a member of the encryption context; may come again\n"
		"  --algorithm NAME      RSAES_OAEP_SHA_256 ..., for keys that are not symmetric\n"
		"  --grant-token TOKEN   may come again\n"
		"  --dry-run             only whether KMS would do it\n"
		"  --out FILE            the plaintext goes to FILE (mode 0600); - is stdout\n"
		"  --base64              as a line of base64\n"
		"  --force               to a terminal, too\n"
		"  --json                one JSON object, \"plaintext\" in base64; errors, too\n"
		"\n"
		"kms help options has those of every command: region, connection, credentials.\n",
	.opts =
		(const struct opt[]){
			SETTINGS_OF_ALL,
			SETTINGS_OF_KEYS,
			{ "--context", OPT_MANY, SETTINGS_CONTEXT },
			{ "--algorithm", OPT_VALUE, SETTINGS_ALGORITHM },
			{ 0 } },
	.run = run,
};
