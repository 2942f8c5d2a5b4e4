#include "nsm/kms/tool/kmstool_cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "nsm/kms/credentials/provider.h"
#include "nsm/kms/kmsc.h"
#include "nsm/kms/tool/kmstool_client.h"
#include "nsm/kms/tool/kmstool_words.h"
#include "nsm/kms/wire/base64.h"
#include "nsm/kms/wire/endpoint.h"

enum { MISUSE = 1, FAILED = 255, OUTPUT_LABELS = 128, NAME_SHOWN = 40 };

/* Bits of the commands that have an option. */
enum {
	DECRYPT = 1,
	GENKEY = 2,
	GENRANDOM = 4,
	GENKEYPAIR = 8,
	DERIVESECRET = 16,
	WITH_KEY = DECRYPT | GENKEY | GENKEYPAIR | DERIVESECRET,
	WITH_CONTEXT = DECRYPT | GENKEY | GENKEYPAIR,
	ALL = 31,
};

enum option {
	REGION,
	PROXY_PORT,
	ID,
	SECRET,
	TOKEN,
	CIPHERTEXT,
	KEY,
	ALGORITHM,
	SPEC,
	LENGTH,
	CONTEXT,
	PUBLIC_KEY,
	ENDPOINT,
	CID,
	CONNECT,
	CA,
	CREDENTIALS,
	HELP,
	OPTIONS,
};

static const struct {
	const char *name;
	char letter; /* 0: there is none */
	int commands;
	const char *value, *does;
} options[OPTIONS] = {
	[REGION] = { "region", 'r', ALL, "REGION",
		     "of KMS; us-east-1 by default" },
	[PROXY_PORT] = { "proxy-port", 'x', ALL, "PORT",
			 "of the parent's vsock-proxy; 8000 by default" },
	[ID] = { "aws-access-key-id", 'k', ALL, "ID",
		 "of credentials; else --credentials or the environment" },
	[SECRET] = { "aws-secret-access-key", 's', ALL, "KEY",
		     "of the same; other processes see it" },
	[TOKEN] = { "aws-session-token", 't', ALL, "TOKEN",
		    "of the same, if they are temporary" },
	[CIPHERTEXT] = { "ciphertext", 'c', DECRYPT, "BASE64",
			 "what is decrypted" },
	[KEY] = { "key-id", 'K', WITH_KEY, "KEY",
		  "the key; its full ARN pins it: no other may answer" },
	[ALGORITHM] = { "encryption-algorithm", 'a', DECRYPT, "NAME",
			"SYMMETRIC_DEFAULT, RSAES_OAEP_SHA_1, RSAES_OAEP_SHA_256" },
	[SPEC] = { "key-spec", 'p', GENKEY | GENKEYPAIR, "SPEC",
		   "AES-256 or AES-128; of a pair RSA_2048, ECC_NIST_P256 ..." },
	[LENGTH] = { "length", 'l', GENRANDOM, "BYTES",
		     "how many random bytes: 1 to 1024" },
	[CONTEXT] = { "encryption-context", 'e', WITH_CONTEXT, "NAME=VALUE",
		      "of the encryption context; may be repeated" },
	[PUBLIC_KEY] = { "public-key", 0, DERIVESECRET, "BASE64",
			 "of the other side, as DER" },
	[ENDPOINT] = { "endpoint", 0, ALL, "HOST[:PORT]",
		       "of KMS instead of the region's own" },
	[CID] = { "cid", 0, ALL, "CID", "of vsock-proxy; 3 by default" },
	[CONNECT] = { "connect", 0, ALL, "ADDRESS",
		      "instead of the port, as vsock:3:8000" },
	[CA] = { "ca", 0, ALL, "FILE",
		 "trust these certificates instead of Amazon's" },
	[CREDENTIALS] = { "credentials", 0, ALL, "SOURCE",
			  "a file, fd:N, environment, imds ADDRESS ..." },
	[HELP] = { "help", 'h', ALL, NULL, "this text" },
};

static const struct {
	const char *name;
	int bit;
	const char *does;
	const char *failed; /* as AWS's has it */
} commands[] = {
	{ "decrypt", DECRYPT, "decrypts a ciphertext",
	  "Could not decrypt ciphertext" },
	{ "genkey", GENKEY, "makes a data key, encrypted by a key of KMS",
	  "Could not generate data key" },
	{ "genrandom", GENRANDOM, "gets random bytes of KMS",
	  "Could not generate random bytes" },
	{ "genkeypair", GENKEYPAIR, "makes a pair of keys",
	  "Could not generate data key pair" },
	{ "derivesecret", DERIVESECRET, "agrees on a secret (ECDH)",
	  "Could not derive shared secret" },
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

struct call {
	const char *program;
	size_t command;
	bool is_bare; /* AWS's of 2020 to 2023: no command, and no label */
	char *values[OPTIONS];
	struct kmsc_pair context[KMSC_CONTEXT_MAX];
	size_t context_count;
	uint32_t proxy_port, cid, length;
	/* Decoded: the ciphertext or the public key. */
	uint8_t bytes[KMSC_PUBLIC_KEY_MAX];
	size_t bytes_len;
};

__attribute__((format(printf, 2, 3))) static int misuse(const struct call *c,
							const char *format, ...)
{
	va_list args;

	va_start(args, format);
	kmstool_words(c->program, format, args);
	va_end(args);
	return MISUSE;
}

/* --- help --- */

static int show_commands(const struct call *c)
{
	(void)fprintf(stderr, "usage: %s COMMAND [OPTION]...\n\n", c->program);
	for (size_t i = 0; i < COMMANDS; i++)
		(void)fprintf(stderr, "    %-13s %s\n", commands[i].name,
			      commands[i].does);
	(void)fprintf(stderr, "\n%s COMMAND --help has the options.\n",
		      c->program);
	return MISUSE;
}

static int show_options(const struct call *c)
{
	int bit = commands[c->command].bit;
	char left[64];

	(void)fprintf(stderr, "usage: %s %s [OPTION]...\n\n", c->program,
		      commands[c->command].name);
	for (size_t i = 0; i < OPTIONS; i++) {
		if (!(options[i].commands & bit))
			continue;
		(void)snprintf(left, sizeof(left), "--%s %s", options[i].name,
			       options[i].value ? options[i].value : "");
		(void)fprintf(stderr, "    %-33s %s\n", left, options[i].does);
	}
	return MISUSE;
}

/* --- the command line --- */

/*
 * The option that WORD is, OPTIONS if none, and *RET_VALUE what is after its '='. As with
 * AWS's, of a word with one '-' the first letter counts alone.
 */
static size_t find_option(char *word, char **ret_value)
{
	size_t i = 0, n;

	*ret_value = NULL;
	if (word[0] != '-')
		return OPTIONS;
	if (word[1] != '-') {
		while (i < OPTIONS &&
		       !(word[1] && options[i].letter == word[1]))
			i++;
		return i;
	}
	n = strcspn(word + 2, "=");
	while (i < OPTIONS && !(strlen(options[i].name) == n &&
				memcmp(options[i].name, word + 2, n) == 0))
		i++;
	if (word[2 + n] && i < OPTIONS && options[i].value)
		*ret_value = word + 2 + n + 1;
	else if (word[2 + n])
		return OPTIONS;
	return i;
}

/* Of WORD only what can be an option's name: what follows may be a secret. */
static int unknown_option(const struct call *c, const char *word)
{
	size_t len = strcspn(word, "=");

	if (word[0] != '-')
		(void)misuse(c, "A word that belongs to no option");
	else if (word[1] != '-')
		(void)misuse(c, "Unknown option: %.2s", word);
	else
		(void)misuse(c, "Unknown option: %.*s",
			     len < NAME_SHOWN ? (int)len : NAME_SHOWN, word);
	return show_options(c);
}

static int add_context(struct call *c, char *value)
{
	char *equals = strchr(value, '=');

	if (!equals || equals == value)
		return misuse(c,
			      "--encryption-context must be NAME=VALUE, not %s",
			      value);
	if (c->context_count == KMSC_CONTEXT_MAX)
		return misuse(c, "--encryption-context comes too often");
	*equals = '\0';
	c->context[c->context_count].name = value;
	c->context[c->context_count++].value = equals + 1;
	return 0;
}

static int take_options(struct call *c, int argc, char **argv)
{
	char *value;
	size_t o;
	int r;

	for (int i = c->is_bare ? 1 : 2; i < argc; i++) {
		o = find_option(argv[i], &value);
		if (o == OPTIONS)
			return unknown_option(c, argv[i]);
		if (o == HELP)
			return show_options(c);
		if (!value && ++i == argc)
			return misuse(c, "--%s needs a value", options[o].name);
		if (!value)
			value = argv[i];
		/* AWS's ignores what another command has, but for decrypt. */
		if (!(options[o].commands & commands[c->command].bit) &&
		    commands[c->command].bit == DECRYPT) {
			(void)misuse(c, "Unknown option: --%s",
				     options[o].name);
			return show_options(c);
		}
		c->values[o] = value;
		r = o == CONTEXT ? add_context(c, value) : 0;
		if (r)
			return r;
	}
	return 0;
}

static bool read_number(const char *text, uint32_t *ret)
{
	uint64_t n = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		n = n * 10 + (uint64_t)(*text - '0');
		if (n > UINT32_MAX)
			return false;
	}
	*ret = (uint32_t)n;
	return true;
}

static int check_length(struct call *c)
{
	const char *text = c->values[LENGTH];

	if (!text)
		return misuse(c, "--length must be set");
	if (!read_number(text, &c->length))
		return misuse(c, "--length must be a number, not %s", text);
	if (c->length == 0)
		return misuse(c, "--length must be greater than 0");
	if (c->length > KMSC_RANDOM_MAX)
		return misuse(c, "--length must be smaller or equal to 1024");
	return 0;
}

static int check_spec(struct call *c)
{
	char *text = c->values[SPEC];

	if (!text)
		return misuse(c, "--key-spec must be set");
	if (commands[c->command].bit == GENKEYPAIR)
		return 0;
	if (strcmp(text, "AES-256") != 0 && strcmp(text, "AES-128") != 0 &&
	    strcmp(text, "AES_256") != 0 && strcmp(text, "AES_128") != 0) {
		(void)misuse(c, "Unknown key spec: %s", text);
		return show_options(c);
	}
	text[3] = '_';
	return 0;
}

static int check_ports(struct call *c)
{
	c->proxy_port = 8000;
	c->cid = 3;
	if (c->values[PROXY_PORT] &&
	    !read_number(c->values[PROXY_PORT], &c->proxy_port))
		return misuse(c, "--proxy-port must be a number, not %s",
			      c->values[PROXY_PORT]);
	if (c->values[CID] && !read_number(c->values[CID], &c->cid))
		return misuse(c, "--cid must be a number, not %s",
			      c->values[CID]);
	return 0;
}

/* What flags leave open, others may have: a flag alone is a mistake. */
static int check_credentials(struct call *c)
{
	bool some = c->values[ID] || c->values[SECRET] || c->values[TOKEN];

	if (some && c->values[CREDENTIALS])
		return misuse(c,
			      "--credentials and --aws-... exclude each other");
	if (!some &&
	    (c->values[CREDENTIALS] || kmstool_client_has_environment()))
		return 0;
	if (!c->values[ID])
		return misuse(c, "--aws-access-key-id must be set");
	if (!c->values[SECRET])
		return misuse(c, "--aws-secret-access-key must be set");
	return 0;
}

static int check_options(struct call *c)
{
	int bit = commands[c->command].bit, r = check_credentials(c);

	if (r == 0 && bit == DECRYPT && !c->values[CIPHERTEXT])
		r = misuse(c, "--ciphertext must be set");
	if (r == 0 && bit != DECRYPT && (bit & WITH_KEY) && !c->values[KEY])
		r = misuse(c, "--key-id must be set");
	if (r == 0 && (bit & (GENKEY | GENKEYPAIR)))
		r = check_spec(c);
	if (r == 0 && bit == GENRANDOM)
		r = check_length(c);
	if (r == 0 && bit == DERIVESECRET && !c->values[PUBLIC_KEY])
		r = misuse(c, "--public-key must be set");
	return r ? r : check_ports(c);
}

/* --- the call --- */

__attribute__((format(printf, 2, 3))) static int failed(const struct call *c,
							const char *format, ...)
{
	va_list args;

	(void)misuse(c, "%s", commands[c->command].failed);
	va_start(args, format);
	kmstool_words(c->program, format, args);
	va_end(args);
	return FAILED;
}

static int decode(struct call *c, enum option o)
{
	const char *text = c->values[o] ? c->values[o] : "";
	size_t len = strlen(text);

	if (len > base64_len(o == CIPHERTEXT ? KMSC_CIPHERTEXT_MAX :
					       KMSC_PUBLIC_KEY_MAX))
		return failed(c, "--%s is too long", options[o].name);
	if (base64_read(text, len, c->bytes, &c->bytes_len) < 0)
		return failed(c, "--%s is not a base64 string",
			      options[o].name);
	return 0;
}

static int fill_request(struct call *c, struct kmsc_request *q)
{
	int bit = commands[c->command].bit;

	q->context = c->context;
	q->context_count = c->context_count;
	if (bit & WITH_KEY)
		q->key_arn = c->values[KEY];
	q->any_key = !q->key_arn || !endpoint_is_key_arn(q->key_arn);
	switch (bit) {
	case DECRYPT:
		q->operation = KMSC_DECRYPT;
		q->encryption_algorithm = c->values[ALGORITHM];
		break;
	case GENKEY:
		q->operation = KMSC_GENERATE_DATA_KEY;
		q->key_spec = c->values[SPEC];
		return 0;
	case GENKEYPAIR:
		q->operation = KMSC_GENERATE_DATA_KEY_PAIR;
		q->key_spec = c->values[SPEC];
		return 0;
	case GENRANDOM:
		q->operation = KMSC_GENERATE_RANDOM;
		q->number_of_bytes = c->length;
		q->any_key = false;
		return 0;
	default:
		q->operation = KMSC_DERIVE_SHARED_SECRET;
	}
	if (decode(c, bit == DECRYPT ? CIPHERTEXT : PUBLIC_KEY))
		return FAILED;
	if (bit == DECRYPT)
		q->ciphertext = NSMC_BYTES(c->bytes, c->bytes_len);
	else
		q->public_key = NSMC_BYTES(c->bytes, c->bytes_len);
	return 0;
}

static size_t put_line(char *to, const char *label, struct nsmc_bytes b)
{
	size_t len = strlen(label);

	memcpy(to, label, len);
	base64_write(b.data, b.len, to + len);
	len += base64_len(b.len);
	to[len++] = '\n';
	return len;
}

static bool write_all(const char *buf, size_t len)
{
	ssize_t n;

	while (len) {
		n = write(STDOUT_FILENO, buf, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		buf += n;
		len -= (size_t)n;
	}
	return true;
}

static int print_answer(const struct call *c, const struct kmsc_answer *a)
{
	size_t cap = base64_len(a->ciphertext_blob.len) +
		     base64_len(a->plaintext.len) +
		     base64_len(a->public_key.len) + OUTPUT_LABELS;
	char *out = malloc(cap);
	size_t len = 0;
	bool is_done;

	if (!out)
		return failed(c, "out of memory");
	if (a->ciphertext_blob.data)
		len += put_line(out + len, "CIPHERTEXT: ", a->ciphertext_blob);
	len += put_line(out + len,
			c->is_bare ? "" : "PLAINTEXT: ", a->plaintext);
	len -= c->is_bare ? 1 : 0;
	if (a->public_key.data)
		len += put_line(out + len, "PUBLICKEY: ", a->public_key);
	is_done = write_all(out, len);
	explicit_bzero(out, cap);
	free(out);
	return is_done ? 0 : failed(c, "stdout: %s", strerror(errno));
}

static int run_call(struct call *c, struct kmsc_client *client)
{
	struct kmsc_request request = { 0 };
	struct kmsc_answer *answer;
	struct kmsc_error error = { 0 };
	char line[KMSC_ERROR_LINE_SIZE];
	int r = fill_request(c, &request);

	if (r)
		return r;
	if (kmsc_call(client, &request, &answer, &error) < 0) {
		(void)kmsc_error_print(&error, line, sizeof(line));
		return failed(c, "%s", line);
	}
	r = print_answer(c, answer);
	kmsc_answer_free(answer);
	return r;
}

static void wipe_argument(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
}

static int make_client(struct call *c, struct kmsc_client **ret,
		       struct provider **ret_provider, int *ret_nsm)
{
	struct kmstool_client_options o = {
		.region = c->values[REGION] ? c->values[REGION] : "us-east-1",
		.endpoint = c->values[ENDPOINT],
		.connect = c->values[CONNECT],
		.ca = c->values[CA],
		.cid = c->cid,
		.proxy_port = c->proxy_port,
	};
	char words[KMSC_WORDS_SIZE] = "", *token = c->values[TOKEN];
	const char *source = c->values[CREDENTIALS], *why;
	int r = 0;

	/* Before anything is opened: an fd:N is inherited, or none. */
	why = c->values[ID] ? NULL :
			      provider_new(source ? source : "environment",
					   ret_provider);
	if (why)
		return misuse(c, "--credentials: %s", why);
	if (kmstool_client_new(&o, ret, ret_nsm, words) < 0)
		return failed(c, "%s", words);
	if (c->values[ID])
		r = kmsc_client_keys(*ret, c->values[ID], c->values[SECRET],
				     token && *token ? token : NULL);
	if (r < 0)
		return failed(c, "--aws-...: %s", kmsc_error_text(r));
	/* They are where other users can read them for as long as it takes. */
	wipe_argument(c->values[ID]);
	wipe_argument(c->values[SECRET]);
	wipe_argument(c->values[TOKEN]);
	if (!c->values[ID])
		(void)kmsc_client_credentials(*ret, provider_give,
					      *ret_provider);
	return 0;
}

/* Finds the command: false: there is none. */
static bool find_command(struct call *c, int argc, char **argv)
{
	if (argc < 2 || strcmp(argv[1], "--help") == 0 ||
	    strcmp(argv[1], "-h") == 0)
		return false;
	c->is_bare = argv[1][0] == '-';
	if (c->is_bare)
		return true;
	while (c->command < COMMANDS &&
	       strcmp(argv[1], commands[c->command].name) != 0)
		c->command++;
	return c->command < COMMANDS;
}

int kmstool_cli(int argc, char **argv)
{
	struct call c = { .program = argv[0] };
	struct provider *provider = NULL;
	struct kmsc_client *client = NULL;
	int nsm = -1, r;

	(void)prctl(PR_SET_DUMPABLE, 0);
	if (!find_command(&c, argc, argv))
		return show_commands(&c);
	r = take_options(&c, argc, argv);
	if (r == 0)
		r = check_options(&c);
	if (r == 0)
		r = make_client(&c, &client, &provider, &nsm);
	if (r == 0)
		r = run_call(&c, client);
	kmsc_client_free(client);
	provider_free(provider);
	if (nsm >= 0)
		close(nsm);
	explicit_bzero(c.bytes, sizeof(c.bytes));
	return r;
}
