#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nsm/nsmc.h"
#include "nsm/tool/code.h"
#include "nsm/tool/commands.h"
#include "nsm/tool/input.h"
#include "nsm/tool/opts.h"
#include "nsm/tool/output.h"

enum {
	KEY_FILE_MAX = 16384,
	PEM_LINE = 48, /* bytes in a line of 64 characters */
};

static bool is_stdout(const char *path)
{
	return !path || strcmp(path, "-") == 0;
}

/* --- new --- */

/* PATH's folder, and its name in it. */
static bool place_of(const char *path, struct stat *ret, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX];
	int n;

	*ret_name = slash ? slash + 1 : path;
	n = snprintf(dir, sizeof(dir), "%.*s.", (int)(*ret_name - path), path);
	return n < (int)sizeof(dir) && stat(dir, ret) == 0;
}

/* Whether A and B are one file, or would be. */
static bool same_file(const char *a, const char *b)
{
	const char *name_a, *name_b;
	struct stat st_a, st_b;

	if (stat(a, &st_a) == 0 && stat(b, &st_b) == 0)
		return S_ISREG(st_a.st_mode) && st_a.st_dev == st_b.st_dev &&
		       st_a.st_ino == st_b.st_ino;
	return place_of(a, &st_a, &name_a) && place_of(b, &st_b, &name_b) &&
	       st_a.st_dev == st_b.st_dev && st_a.st_ino == st_b.st_ino &&
	       strcmp(name_a, name_b) == 0;
}

struct new_key {
	const char *path, *public_path;
	uint64_t bits;
	bool force, no_nsm, json;
};

static int read_new(const struct tool *t, struct opts *o, struct new_key *k)
{
	int id, r = 0;

	while (r == 0 && (id = opts_next(o)) != OPT_END) {
		switch (id) {
		case 'b':
			if (code_number(o->value, 4096, &k->bits) < 0 ||
			    (k->bits != 2048 && k->bits != 3072 &&
			     k->bits != 4096))
				r = tool_usage(t, o->name,
					       "it must be 2048, 3072 or 4096");
			break;
		case 'o':
			k->path = o->value;
			break;
		case 'p':
			k->public_path = o->value;
			break;
		case 'f':
			k->force = true;
			break;
		case 'n':
			k->no_nsm = true;
			break;
		case 'j':
			k->json = true;
			break;
		case OPT_ARGUMENT:
			r = opts_too_many(o);
			break;
		default:
			r = TOOL_USAGE;
		}
	}
	if (r == 0 && !k->path)
		r = tool_usage(t, NULL, "--out is needed: where the key goes");
	if (r == 0 && k->json && k->public_path)
		r = tool_usage(t, NULL,
			       "--json and --public-out exclude another");
	if (r == 0 && is_stdout(k->path) && is_stdout(k->public_path))
		r = tool_usage(t, "--out",
			       "the key on stdout needs --public-out FILE");
	if (r == 0 && k->public_path && !is_stdout(k->path) &&
	    !is_stdout(k->public_path) && same_file(k->path, k->public_path))
		r = tool_usage(t, "--public-out",
			       "it is the same file as --out");
	return r;
}

/* A line of base64, or of JSON with it under KEY. */
static void print_base64(struct out *out, bool json, const char *key,
			 const uint8_t *data, size_t len)
{
	if (json) {
		json_open(out, NULL, '{');
		json_base64(out, key, (struct nsmc_bytes){ data, len });
		json_close(out, '}');
	} else {
		out_base64(out, data, len);
	}
	out_text(out, "\n");
}

static void write_pem(struct out *out, const uint8_t *der, size_t len)
{
	size_t n;

	out_text(out, "-----BEGIN RSA PRIVATE KEY-----\n");
	for (size_t at = 0; at < len; at += n) {
		n = len - at < PEM_LINE ? len - at : PEM_LINE;
		out_base64(out, der + at, n);
		out_text(out, "\n");
	}
	out_text(out, "-----END RSA PRIVATE KEY-----\n");
}

static int write_new(const struct tool *t, const struct new_key *k,
		     const struct nsmc_recipient *recipient, struct out *key,
		     struct out *public)
{
	uint8_t der[NSMC_RECIPIENT_KEY_MAX], spki[NSMC_RECIPIENT_SPKI_MAX];
	size_t der_len, spki_len;
	int r;

	r = nsmc_recipient_public_key(recipient, spki, sizeof(spki), &spki_len);
	if (r == 0)
		r = nsmc_recipient_export(recipient, der, sizeof(der),
					  &der_len);
	if (r < 0) {
		r = tool_fail_nsm(t, NULL, r);
		goto out;
	}
	write_pem(key, der, der_len);
	if (k->public_path)
		out_bytes(public, spki, spki_len);
	else
		print_base64(public, k->json, "public_key", spki, spki_len);
	/* In this order: where one fails there is no key that nobody knows. */
	r = out_commit(t, public);
	if (r == 0)
		r = out_commit(t, key);
out:
	explicit_bzero(der, sizeof(der));
	return r;
}

static int run_new(struct tool *t, struct opts *o)
{
	struct nsmc_recipient *recipient = NULL;
	struct new_key k = { .bits = 2048 };
	struct out key, public;
	int fd = -1, r;

	out_fd(&key, -1);
	out_fd(&public, -1);
	r = read_new(t, o, &k);
	if (r == 0 && !k.no_nsm)
		r = tool_open(t, &fd);
	/* First: a key takes its time. */
	if (r == 0)
		r = out_open(t, &key, k.path, 0600, !k.force);
	if (r == 0)
		r = out_open(t, &public, k.public_path, 0666, false);
	if (r)
		goto out;
	r = nsmc_recipient_new(fd, (unsigned)k.bits, &recipient);
	if (r < 0 && fd < 0)
		r = tool_fail(t, TOOL_FILE, NULL, "%s", nsmc_error_text(r));
	else if (r < 0)
		r = tool_fail_nsm(t, NULL, r);
	else
		r = write_new(t, &k, recipient, &key, &public);
out:
	out_abort(&key);
	out_abort(&public);
	nsmc_recipient_free(recipient);
	if (fd >= 0)
		(void)close(fd);
	return r;
}

const struct command command_recipient_new = {
	.name = "recipient new",
	.does = "a key that KMS can encrypt for",
	.help = "usage: nsm recipient new --out KEY [--public-out FILE] [--bits N]\n"
		"                         [--force] [--no-nsm] [--json]\n"
		"\n"
		"Makes an RSA key from random bytes of the NSM. The private key goes to the file\n"
		"KEY (PEM, mode 0600), the public key (DER SubjectPublicKeyInfo) to stdout as\n"
		"base64. The public key goes into a document: nsm attest --public-key; what KMS\n"
		"answers to that document is opened by nsm recipient open --key KEY.\n"
		"\n"
		"  --out KEY          the private key; it must not exist; - is stdout\n"
		"  --public-out FILE  the public key as it is, DER, instead of base64\n"
		"  --bits N           2048 (what KMS's clients use), 3072 or 4096\n"
		"  --force            replaces KEY if it exists\n"
		"  --no-nsm           the kernel's random bytes: for trials outside an enclave\n"
		"  --json             one JSON object: \"public_key\" is base64\n",
	.opts = (const struct opt[]){ { "--out", OPT_VALUE, 'o' },
				      { "--public-out", OPT_VALUE, 'p' },
				      { "--bits", OPT_VALUE, 'b' },
				      { "--force", OPT_FLAG, 'f' },
				      { "--no-nsm", OPT_FLAG, 'n' },
				      { "--json", OPT_FLAG, 'j' },
				      { 0 } },
	.run = run_new,
};

/* --- open --- */

static int read_key(struct tool *t, const char *path,
		    struct nsmc_recipient **ret)
{
	const char *name = strcmp(path, "-") == 0 ? "stdin" : path;
	struct blob b = { 0 };
	int r;

	r = input_file(t, path, KEY_FILE_MAX, &b);
	if (r == INPUT_LONG)
		return tool_fail_refused(t, name, -NSMC_E_KEY, "");
	if (r)
		return r;
	r = nsmc_recipient_import(b.data, b.len, ret);
	if (r == 0)
		goto out;
	if (b.len == 0)
		r = tool_fail(t, TOOL_REFUSED, name, "it is empty");
	else
		r = tool_fail_refused(t, name, r,
				      /* PKCS#8's and PKCS#1's PEM */
				      memmem(b.data, b.len, "ENCRYPTED", 9) ?
					      " without a password" :
					      "");
out:
	blob_free(&b);
	return r;
}

static int open_message(const struct tool *t,
			const struct nsmc_recipient *recipient,
			const struct blob *cms, const char *path, bool json)
{
	struct nsmc_object object = { "" };
	struct blob plain = { 0 };
	struct out out;
	size_t len = 0;
	int r;

	if (cms->len > NSMC_CMS_MAX)
		return tool_fail(t, TOOL_REFUSED, "cms", "more than %d bytes",
				 NSMC_CMS_MAX);
	plain = (struct blob){ malloc(cms->len + 1), cms->len + 1 };
	if (!plain.data)
		return tool_fail_refused(t, NULL, -ENOMEM, "");
	r = nsmc_recipient_open(recipient, cms->data, cms->len, plain.data,
				plain.len, &len, &object);
	if (r < 0) {
		/* Without an object it is about all of it. */
		r = tool_fail_refused(t, object.name[0] ? object.name : "cms",
				      r, "");
		goto out;
	}
	r = out_open(t, &out, path, 0600, false);
	if (r)
		goto out;
	if (json)
		print_base64(&out, true, "plaintext", plain.data, len);
	else
		out_bytes(&out, plain.data, len);
	r = out_commit(t, &out);
out:
	blob_free(&plain);
	return r;
}

static int run_open(struct tool *t, struct opts *o)
{
	const char *key = NULL, *path = NULL, *to = NULL;
	struct nsmc_recipient *recipient = NULL;
	struct blob cms = { 0 };
	bool json = false;
	int id, r;

	while ((id = opts_next(o)) != OPT_END) {
		switch (id) {
		case 'k':
			key = o->value;
			break;
		case 'o':
			to = o->value;
			break;
		case 'j':
			json = true;
			break;
		case OPT_ARGUMENT:
			if (path)
				return opts_too_many(o);
			path = o->value;
			break;
		default:
			return TOOL_USAGE;
		}
	}
	if (!key)
		return tool_usage(t, NULL, "--key is needed");
	if (json && to)
		return tool_usage(t, NULL, "--json and --out exclude another");
	r = read_key(t, key, &recipient);
	if (r == 0)
		r = input_message(t, INPUT_CMS, path ? path : "-", &cms);
	if (r == 0)
		r = open_message(t, recipient, &cms, to, json);
	blob_free(&cms);
	nsmc_recipient_free(recipient);
	return r;
}

const struct command command_recipient_open = {
	.name = "recipient open",
	.does = "decrypt what KMS encrypted for it",
	.help = "usage: nsm recipient open --key KEY [CMS] [--out FILE] [--json]\n"
		"\n"
		"Decrypts a CiphertextForRecipient of KMS (a CMS EnvelopedData; binary, hex or\n"
		"base64), in the file CMS or on stdin, and writes the plaintext to stdout.\n"
		"\n"
		"  --key KEY    the private key of nsm recipient new; PEM or DER, PKCS#1 or\n"
		"               PKCS#8; - is stdin\n"
		"  --out FILE   the plaintext goes to FILE (mode 0600)\n"
		"  --json       one JSON object: \"plaintext\" is base64\n"
		"\n"
		"Code 1: the message is malformed, for another key, or does not decrypt.\n",
	.opts = (const struct opt[]){ { "--key", OPT_VALUE, 'k' },
				      { "--out", OPT_VALUE, 'o' },
				      { "--json", OPT_FLAG, 'j' },
				      { 0 } },
	.run = run_open,
};
