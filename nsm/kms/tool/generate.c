#include "nsm/kms/tool/commands.h"
#include "nsm/kms/tool/perform.h"
#include "nsm/kms/tool/settings.h"

static int run(struct tool *t, struct opts *o, enum kmsc_operation operation)
{
	struct settings set = { .request.operation = operation };
	int r = settings_read(t, o, 0, &set);

	/* What a key is made for decides nothing here: 256 bits are what everybody takes. */
	if (operation == KMSC_GENERATE_DATA_KEY && !set.request.key_spec &&
	    !set.request.number_of_bytes)
		set.request.key_spec = "AES_256";
	return perform_end(t, &set, r);
}

static int run_data_key(struct tool *t, struct opts *o)
{
	return run(t, o, KMSC_GENERATE_DATA_KEY);
}

static int run_pair(struct tool *t, struct opts *o)
{
	return run(t, o, KMSC_GENERATE_DATA_KEY_PAIR);
}

static int run_random(struct tool *t, struct opts *o)
{
	return run(t, o, KMSC_GENERATE_RANDOM);
}

const struct command generate_data_key_command = {
	.name = "generate-data-key",
	.does = "a key, and the same encrypted by a key of KMS",
	.help = "usage: kms generate-data-key --key ARN --out FILE [OPTION]...\n"
		"\n"
		"Makes a key for data. It goes to FILE (mode 0600), and as KMS encrypted it to\n"
		"stdout, as base64: keep that with the data; kms decrypt gets the key back.\n"
		"\n"
		"  --key ARN              the full ARN of KMS's key; the answer must name it, too\n"
		"  --any-key              any key may answer: the parent can choose it\n"
		"  --key-spec NAME        AES_256 (if nothing is said) or AES_128\n"
		"  --bytes N              or this many bytes, 1 to 1024\n"
		"  --context NAME=VALUE   a member of the encryption context; may come again\n"
		"  --grant-token TOKEN    may come again\n"
		"  --dry-run              only whether KMS would do it\n"
		"  --out FILE             the key; - is stdout\n"
		"  --ciphertext-out FILE  the encrypted key, bytes instead of base64; - is stdout\n"
		"  --base64               the key as a line of base64\n"
		"  --force                the key to a terminal, too\n"
		"  --json                 one JSON object instead, bytes in base64; errors, too\n"
		"\n"
		"kms help options has those of every command: region, connection, credentials.\n",
	.opts =
		(const struct opt[]){
			SETTINGS_OF_ALL,
			SETTINGS_OF_KEYS,
			{ "--context", OPT_MANY, SETTINGS_CONTEXT },
			{ "--key-spec", OPT_VALUE, SETTINGS_SPEC },
			{ "--bytes", OPT_VALUE, SETTINGS_BYTES },
			{ "--ciphertext-out", OPT_VALUE,
			  SETTINGS_CIPHERTEXT_OUT },
			{ 0 } },
	.run = run_data_key,
};

const struct command generate_pair_command = {
	.name = "generate-data-key-pair",
	.does = "a key pair, whose private key KMS also encrypts",
	.help = "usage: kms generate-data-key-pair --key ARN --key-spec NAME --out FILE\n"
		"           --ciphertext-out FILE [OPTION]...\n"
		"\n"
		"Makes a key pair. The private key (DER, PKCS#8) goes to --out, and as\n"
		"KMS encrypted it to the other; the public key (DER) to stdout, as base64.\n"
		"\n"
		"  --key ARN              the full ARN of KMS's key; the answer must name it, too\n"
		"  --any-key              any key may answer: the parent can choose it\n"
		"  --key-spec NAME        RSA_2048, ECC_NIST_P256 ...: kms(1) lists them\n"
		"  --context NAME=VALUE   a member of the encryption context; may come again\n"
		"  --grant-token TOKEN    may come again\n"
		"  --dry-run              only whether KMS would do it\n"
		"  --out FILE             the private key (mode 0600); - is stdout\n"
		"  --ciphertext-out FILE  the same, encrypted; - is stdout\n"
		"  --public-out FILE      the public key, its bytes instead of base64\n"
		"  --base64               the private key as a line of base64\n"
		"  --json                 one JSON object instead, bytes in base64; errors, too\n"
		"\n"
		"kms help options has those of every command: region, connection, credentials.\n",
	.opts =
		(const struct opt[]){
			SETTINGS_OF_ALL,
			SETTINGS_OF_KEYS,
			{ "--context", OPT_MANY, SETTINGS_CONTEXT },
			{ "--key-spec", OPT_VALUE, SETTINGS_SPEC },
			{ "--ciphertext-out", OPT_VALUE,
			  SETTINGS_CIPHERTEXT_OUT },
			{ "--public-out", OPT_VALUE, SETTINGS_PUBLIC_OUT },
			{ 0 } },
	.run = run_pair,
};

const struct command generate_random_command = {
	.name = "generate-random",
	.does = "random bytes of KMS's",
	.help = "usage: kms generate-random --bytes N [OPTION]...\n"
		"\n"
		"Writes N random bytes of KMS's to stdout. nsm random has some nearer by.\n"
		"\n"
		"  --bytes N       1 to 1024\n"
		"  --key-store ID  the custom key store whose generator is meant\n"
		"  --out FILE      the bytes go to FILE (mode 0600); - is stdout\n"
		"  --base64        as a line of base64\n"
		"  --force         to a terminal, too\n"
		"  --json          one JSON object, \"plaintext\" in base64; errors, too\n"
		"\n"
		"kms help options has those of every command: region, connection, credentials.\n",
	.opts = (const struct opt[]){ SETTINGS_OF_ALL,
				      { "--bytes", OPT_VALUE, SETTINGS_BYTES },
				      { "--key-store", OPT_VALUE,
					SETTINGS_STORE },
				      { 0 } },
	.run = run_random,
};
