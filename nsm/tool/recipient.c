#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nsm/nsmc.h"
#include "nsm/opts.h"
#include "nsm/tool/code.h"
#include "nsm/tool/commands.h"
#include "nsm/tool/input.h"
#include "nsm/tool/json.h"
#include "nsm/tool/out_file.h"
#include "nsm/utf8.h"

enum {
	KEY_FILE_MAX = 16384,
	PEM_LINE = 48, /* bytes in a line of 64 characters */
};
static bool is_stdout(const char *path)
{
	return !path || strcmp(path, "-") == 0;
}

/* --- new --- */

/* Splits PATH into its directory and its name there. */
static bool place_of(const char *path, struct stat *ret, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX];
	int n;

	*ret_name = slash ? slash + 1 : path;
	n = snprintf(dir, sizeof(dir), "%.*s.", (int)(*ret_name - path), path);
	return n < (int)sizeof(dir) && stat(dir, ret) == 0;
}

/* True if A and B are one file, or would be. */
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
	/*
	 * For a document made with the key; PUBLIC_PATH is then the document's.
	 */
	bool attests;
	struct blob user_data, nonce;
};

static int check_new(const struct tool *t, const struct new_key *k)
{
	const char *other = k->attests ? "--document" : "--public-out";

	if (!k->path)
		return tool_usage(t, NULL,
				  "--out is needed: where the key goes");
	if (k->json && k->public_path)
		return tool_usage(t, NULL, "--json and %s exclude another",
				  other);
	if (is_stdout(k->path) && is_stdout(k->public_path))
		return tool_usage(t, "--out", "the key on stdout needs %s FILE",
				  other);
	if (k->public_path && !is_stdout(k->path) &&
	    !is_stdout(k->public_path) && same_file(k->path, k->public_path))
		return tool_usage(t, other, "it is the same file as --out");
	return 0;
}

static int read_new(struct tool *t, struct opts *o, struct new_key *k)
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
		case 'u':
			r = input_bytes(t, o->name, o->value, 0, NSMC_FIELD_MAX,
					&k->user_data);
			break;
		case 'c':
			r = input_bytes(t, o->name, o->value, 0, NSMC_FIELD_MAX,
					&k->nonce);
			break;
		case OPT_ARGUMENT:
			r = opts_too_many(o);
			break;
		default:
			r = TOOL_USAGE;
		}
	}
	return r ? r : check_new(t, k);
}

/* Prints a line of base64, or of JSON with it under KEY. */
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

/* SHOWN is the public key, or the document with it. */
static int write_new(const struct tool *t, const struct new_key *k,
		     const struct nsmc_recipient *recipient,
		     struct nsmc_bytes shown, struct out *key,
		     struct out *public)
{
	uint8_t der[NSMC_RECIPIENT_KEY_MAX];
	size_t der_len;
	int r;

	r = nsmc_recipient_export(recipient, der, sizeof(der), &der_len);
	if (r < 0) {
		r = tool_fail_nsm(t, NULL, r);
		goto out;
	}
	write_pem(key, der, der_len);
	if (k->public_path)
		out_bytes(public, shown.data, shown.len);
	else
		print_base64(public, k->json,
			     k->attests ? "document" : "public_key", shown.data,
			     shown.len);
	/*
	 * In this order, so that after a failure there is no key without a
	 * public part.
	 */
	r = out_commit(t, public);
	if (r == 0)
		r = out_commit(t, key);
out:
	explicit_bzero(der, sizeof(der));
	return r;
}

static int make_new(const struct new_key *k, int fd, void *buf, size_t cap,
		    size_t *ret_len, struct nsmc_recipient **ret)
{
	int r;

	if (k->attests)
		return nsmc_recipient_attest(fd, (unsigned)k->bits,
					     blob_view(&k->user_data),
					     blob_view(&k->nonce), buf, cap,
					     ret_len, ret);
	r = nsmc_recipient_new(k->no_nsm ? NSMC_KERNEL_RANDOM : fd,
			       (unsigned)k->bits, ret);
	return r < 0 ? r : nsmc_recipient_public_key(*ret, buf, cap, ret_len);
}

static int run_key(struct tool *t, struct opts *o, bool attests)
{
	struct nsmc_recipient *recipient = NULL;
	struct new_key k = { .bits = 2048, .attests = attests };
	uint8_t shown[NSMC_DOCUMENT_MAX];
	struct out key, public;
	size_t len = 0;
	int fd = -1, r;

	tool_refuse_dumps();
	out_fd(&key, -1);
	out_fd(&public, -1);
	r = read_new(t, o, &k);
	if (r == 0 && !k.no_nsm)
		r = tool_open(t, &fd);
	/* Before the key, which takes time to make. */
	if (r == 0)
		r = out_open(t, &key, k.path, 0600, !k.force);
	if (r == 0)
		r = out_open(t, &public, k.public_path, 0666, false);
	if (r)
		goto out;
	r = make_new(&k, fd, shown, sizeof(shown), &len, &recipient);
	if (r < 0 && fd < 0)
		r = tool_fail(t, TOOL_FILE, NULL, "%s", nsmc_error_text(r));
	else if (r < 0)
		r = tool_fail_nsm(t, NULL, r);
	else
		r = write_new(t, &k, recipient,
			      (struct nsmc_bytes){ shown, len }, &key, &public);
out:
	out_abort(&key);
	out_abort(&public);
	nsmc_recipient_free(recipient);
	blob_free(&k.user_data);
	blob_free(&k.nonce);
	if (fd >= 0)
		(void)close(fd);
	return r;
}

static int run_new(struct tool *t, struct opts *o)
{
	return run_key(t, o, false);
}

static int run_attest(struct tool *t, struct opts *o)
{
	return run_key(t, o, true);
}

const struct command recipient_new_command = {
	.name = "recipient new",
	.does = "a key that KMS can encrypt for",
	.help = "usage: nsm recipient new --out KEY [--public-out FILE] [--bits N]\n"
		"                         [--force] [--no-nsm] [--json]\n"
		"\n"
		"Makes an RSA key from random bytes of the NSM. The private key goes to the file\n"
		"KEY (PEM, mode 0600), the public key (DER SubjectPublicKeyInfo) to stdout as\n"
		"base64. The public key goes into a document: nsm attest --public-key, or both by\n"
		"one command: nsm recipient attest. What KMS answers to that document is opened\n"
		"by nsm recipient open --key KEY. A key is for one request.\n"
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

const struct command recipient_attest_command = {
	.name = "recipient attest",
	.does = "a key, and a document that shows it to KMS",
	.help = "usage: nsm recipient attest --out KEY [--document FILE] [--user-data BYTES]\n"
		"                            [--nonce BYTES] [--bits N] [--force] [--json]\n"
		"\n"
		"Makes an RSA key as nsm recipient new does, for one request to KMS, and prints\n"
		"an attestation document with its public key as base64: what KMS takes as\n"
		"AttestationDocument. nsm recipient open --key KEY --once opens KMS's answer.\n"
		"\n"
		"  --out KEY          the private key (PEM, mode 0600); it must not exist; - is\n"
		"                     stdout\n"
		"  --document FILE    the document as it is, instead of base64; - is stdout\n"
		"  --user-data BYTES  what the application says, up to 1024 bytes\n"
		"  --nonce BYTES      what the verifier asked for; KMS asks for none\n"
		"  --bits N           2048 (what KMS's clients use), 3072 or 4096\n"
		"  --force            replaces KEY if it exists\n"
		"  --json             one JSON object: \"document\" is base64\n",
	.opts = (const struct opt[]){ { "--out", OPT_VALUE, 'o' },
				      { "--document", OPT_VALUE, 'p' },
				      { "--user-data", OPT_VALUE, 'u' },
				      { "--nonce", OPT_VALUE, 'c' },
				      { "--bits", OPT_VALUE, 'b' },
				      { "--force", OPT_FLAG, 'f' },
				      { "--json", OPT_FLAG, 'j' },
				      { 0 } },
	.run = run_attest,
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

struct opening {
	const char *key, *path, *to;
	bool json, once;
};

/* Prints the JSON object for the refusal R; TEXT is for it, or NULL. */
static int refuse_open(const struct tool *t, const struct opening *w, int r,
		       const char *text, const char *object, int code)
{
	struct out out;

	if (!w->json || code != TOOL_REFUSED)
		return code;
	(void)out_open(t, &out, NULL, 0, false);
	json_open(&out, NULL, '{');
	json_bool(&out, "opened", false);
	json_refusal(&out, r, text, object);
	json_close(&out, '}');
	out_text(&out, "\n");
	return out_commit(t, &out) ? TOOL_FILE : TOOL_REFUSED;
}

/* True if anything in it might control a terminal. */
static bool is_printable(const uint8_t *data, size_t len)
{
	size_t n;
	int32_t c;

	for (; len > 0; data += n, len -= n) {
		c = utf8_decode(data, len, &n);
		if (!utf8_is_safe(c) && c != '\n' && c != '\t')
			return false;
	}
	return true;
}

static bool is_terminal(const struct opening *w)
{
	return !w->json && !w->to && isatty(STDOUT_FILENO);
}

static int write_plain(const struct tool *t, const struct opening *w,
		       const struct blob *plain, size_t len, struct out *out)
{
	if (is_terminal(w) && !is_printable(plain->data, len))
		return tool_usage(t, "stdout",
				  "bytes that are no text do not go to a "
				  "terminal: --out FILE, or - to insist");
	if (w->json)
		print_base64(out, true, "plaintext", plain->data, len);
	else
		out_bytes(out, plain->data, len);
	return out_commit(t, out);
}

static int open_message(const struct tool *t, const struct opening *w,
			struct nsmc_recipient *recipient,
			const struct blob *cms, struct out *out)
{
	struct nsmc_object object = { "" };
	struct blob plain = { 0 };
	const char *name;
	size_t len = 0;
	int r;

	if (cms->len > NSMC_CMS_MAX) {
		r = tool_fail(t, TOOL_REFUSED, "cms", "more than %d bytes",
			      NSMC_CMS_MAX);
		return refuse_open(t, w, -NSMC_E_CMS_LENGTH,
				   "it has more bytes than KMS's answers",
				   "cms", r);
	}
	plain = (struct blob){ malloc(cms->len + 1), cms->len + 1 };
	if (!plain.data)
		return tool_fail_refused(t, NULL, -ENOMEM, "");
	r = nsmc_recipient_open(recipient, cms->data, cms->len, plain.data,
				plain.len, &len, &object);
	/* Without an object the error is about the whole message. */
	name = object.name[0] ? object.name : "cms";
	if (r < 0)
		r = refuse_open(t, w, r, NULL, name,
				tool_fail_refused(t, name, r, ""));
	else
		r = write_plain(t, w, &plain, len, out);
	blob_free(&plain);
	return r;
}

static int read_open(const struct tool *t, struct opts *o, struct opening *w)
{
	int id;

	while ((id = opts_next(o)) != OPT_END) {
		switch (id) {
		case 'k':
			w->key = o->value;
			break;
		case 'o':
			w->to = o->value;
			break;
		case 'j':
			w->json = true;
			break;
		case '1':
			w->once = true;
			break;
		case OPT_ARGUMENT:
			if (w->path)
				return opts_too_many(o);
			w->path = o->value;
			break;
		default:
			return TOOL_USAGE;
		}
	}
	if (!w->key)
		return tool_usage(t, NULL, "--key is needed");
	if (w->json && w->to)
		return tool_usage(t, NULL, "--json and --out exclude another");
	if (w->once && strcmp(w->key, "-") == 0)
		return tool_usage(t, "--once", "it needs the key in a file");
	/*
	 * The plaintext may turn out to be one that may not go to a terminal,
	 * and the key would be gone.
	 */
	if (w->once && is_terminal(w))
		return tool_usage(t, "--once",
				  "not to a terminal: --out FILE, or - to "
				  "insist");
	return 0;
}

/*
 * Removes the file that PATH leads to, not a link on the way; refuses a pipe,
 * and a name in /dev that stands for one.
 */
static int remove_key(const struct tool *t, const char *path)
{
	char *real = realpath(path, NULL);
	struct stat st;
	int r = 0;

	if (real && stat(real, &st) == 0 && !S_ISREG(st.st_mode))
		r = tool_usage(t, "--once", "it needs the key in a file");
	else if (!real || unlink(real) < 0)
		r = tool_fail_file(t, path, NULL, errno);
	free(real);
	return r;
}

static int run_open(struct tool *t, struct opts *o)
{
	struct nsmc_recipient *recipient = NULL;
	struct opening w = { 0 };
	struct blob cms = { 0 };
	struct out out;
	int r;

	tool_refuse_dumps();
	out_fd(&out, -1);
	r = read_open(t, o, &w);
	if (r || !w.key)
		return r ? r : TOOL_USAGE;
	r = read_key(t, w.key, &recipient);
	if (r)
		return refuse_open(t, &w, -NSMC_E_KEY, NULL, "key", r);
	r = input_message(t, INPUT_CMS, w.path ? w.path : "-", &cms);
	if (r)
		r = refuse_open(t, &w, -NSMC_E_CMS_FORM, NULL, "cms", r);
	/* If the plaintext cannot be written, the key is not used up. */
	else
		r = out_open(t, &out, w.to, 0600, false);
	if (r)
		goto out;
	/*
	 * First remove the file: whatever happens now, this was the one
	 * attempt.
	 */
	if (w.once)
		r = remove_key(t, w.key);
	if (r == 0)
		r = open_message(t, &w, recipient, &cms, &out);
out:
	out_abort(&out);
	blob_free(&cms);
	nsmc_recipient_free(recipient);
	return r;
}

const struct command recipient_open_command = {
	.name = "recipient open",
	.does = "decrypt what KMS encrypted for it",
	.help = "usage: nsm recipient open --key KEY [CMS] [--once] [--out FILE] [--json]\n"
		"\n"
		"Decrypts a CiphertextForRecipient of KMS (a CMS EnvelopedData; binary, hex or\n"
		"base64), in the file CMS or on stdin, and writes the plaintext to stdout.\n"
		"\n"
		"  --key KEY    the private key of nsm recipient new; PEM or DER, PKCS#1 or\n"
		"               PKCS#8; - is stdin\n"
		"  --once       removes the file KEY before the message is decrypted\n"
		"  --out FILE   the plaintext goes to FILE (mode 0600); - is stdout\n"
		"  --json       one JSON object: \"plaintext\" is base64; also where it is refused\n"
		"\n"
		"Code 1: the message is malformed, for another key, or does not decrypt. Whoever\n"
		"may have many messages opened by one key learns what is in another: use --once.\n",
	.opts = (const struct opt[]){ { "--key", OPT_VALUE, 'k' },
				      { "--once", OPT_FLAG, '1' },
				      { "--out", OPT_VALUE, 'o' },
				      { "--json", OPT_FLAG, 'j' },
				      { 0 } },
	.run = run_open,
};
