#include <string.h>
#include <unistd.h>

#include "nsm/nsmc.h"
#include "nsm/opts.h"
#include "nsm/tool/commands.h"
#include "nsm/tool/input.h"
#include "nsm/tool/json.h"
#include "nsm/tool/out_file.h"
#include "nsm/tool/show.h"

static void describe_text(struct out *out, const struct nsmc_description *d,
			  enum nsmc_debug debug)
{
	out_label(out, "module_id");
	out_safe(out, d->module_id, strlen(d->module_id));
	out_text(out, "\n");
	out_label(out, "version");
	out_number(out, d->version_major);
	out_text(out, ".");
	out_number(out, d->version_minor);
	out_text(out, ".");
	out_number(out, d->version_patch);
	out_text(out, "\n");
	out_label(out, "digest");
	out_safe(out, d->digest, strlen(d->digest));
	out_text(out, "\n");
	out_label(out, "max_pcrs");
	out_number(out, d->max_pcrs);
	out_text(out, "\n");
	out_label(out, "locked_pcrs");
	out_ranges(out, d->locked_pcrs);
	out_text(out, "\n");
	out_label(out, "debug mode");
	out_text(out, show_debug_text(debug));
	out_text(out, "\n");
}

static void describe_json(struct out *out, const struct nsmc_description *d,
			  enum nsmc_debug debug)
{
	json_open(out, NULL, '{');
	json_number(out, "version_major", d->version_major);
	json_number(out, "version_minor", d->version_minor);
	json_number(out, "version_patch", d->version_patch);
	json_string(out, "module_id", d->module_id);
	json_number(out, "max_pcrs", d->max_pcrs);
	json_open(out, "locked_pcrs", '[');
	for (unsigned i = 0; i < 32; i++)
		if (d->locked_pcrs >> i & 1)
			json_number(out, NULL, i);
	json_close(out, ']');
	json_string(out, "digest", d->digest);
	show_debug_json(out, debug);
	json_close(out, '}');
	out_text(out, "\n");
}

static int run_describe(struct tool *t, struct opts *o)
{
	struct nsmc_description d;
	enum nsmc_debug debug;
	bool json = false;
	struct out out;
	int id, fd, r;

	while ((id = opts_next(o)) != OPT_END) {
		if (id == OPT_BAD)
			return TOOL_USAGE;
		if (id == OPT_ARGUMENT)
			return opts_too_many(o);
		json = true;
	}
	r = tool_open(t, &fd);
	if (r)
		return r;
	r = nsmc_describe(fd, &d);
	if (r == 0)
		r = nsmc_get_debug(fd, &debug);
	(void)close(fd);
	if (r < 0)
		return tool_fail_nsm(t, NULL, r);
	(void)out_open(t, &out, NULL, 0, false);
	if (json)
		describe_json(&out, &d, debug);
	else
		describe_text(&out, &d, debug);
	return out_commit(t, &out);
}

const struct command device_describe_command = {
	.name = "describe",
	.does = "what the NSM says of itself",
	.help = "usage: nsm describe [--json]\n"
		"\n"
		"Prints the module's id and version, its digest, how many PCRs it has and\n"
		"which are locked, and whether the enclave is in debug mode (PCR0 locked and\n"
		"zero; unknown where it is not locked).\n"
		"\n"
		"  --json   one JSON object\n",
	.opts = (const struct opt[]){ { "--json", OPT_FLAG, 'j' }, { 0 } },
	.run = run_describe,
};

enum { RANDOM_MAX = 1 << 30 };

static int give_random(const struct tool *t, int fd, struct out *out,
		       uint64_t count, bool binary)
{
	uint8_t buf[4096];
	size_t n;
	int r = 0;

	while (count > 0 && r == 0 && !out->error) {
		n = count < sizeof(buf) ? (size_t)count : sizeof(buf);
		r = nsmc_get_random(fd, buf, n);
		if (r < 0) {
			r = tool_fail_nsm(t, NULL, r);
			break;
		}
		if (binary)
			out_bytes(out, buf, n);
		else
			out_hex(out, buf, n);
		count -= n;
	}
	explicit_bzero(buf, sizeof(buf));
	return r;
}

static int run_random(struct tool *t, struct opts *o)
{
	const char *path = NULL;
	bool json = false;
	uint64_t count = 0;
	struct out out;
	int id, fd, r;

	while ((id = opts_next(o)) != OPT_END) {
		switch (id) {
		case 'j':
			json = true;
			break;
		case 'o':
			path = o->value;
			break;
		case OPT_ARGUMENT:
			if (count > 0)
				return opts_too_many(o);
			r = input_number(t, "N", o->value, 1, RANDOM_MAX,
					 &count);
			if (r)
				return r;
			break;
		default:
			return TOOL_USAGE;
		}
	}
	if (count == 0)
		return tool_usage(t, NULL, "how many bytes?");
	if (json && path)
		return tool_usage(t, NULL, "--json and --out exclude another");
	r = tool_open(t, &fd);
	if (r)
		return r;
	r = out_open(t, &out, path, 0600, false);
	if (r)
		goto out;
	if (json) {
		json_open(&out, NULL, '{');
		json_key(&out, "random");
		out_text(&out, "\"");
	}
	r = give_random(t, fd, &out, count, path);
	if (r) {
		out_abort(&out);
		goto out;
	}
	if (json)
		out_text(&out, "\"}");
	if (!path)
		out_text(&out, "\n");
	r = out_commit(t, &out);
out:
	(void)close(fd);
	return r;
}

const struct command device_random_command = {
	.name = "random",
	.does = "random bytes of the NSM",
	.help = "usage: nsm random N [--out FILE] [--json]\n"
		"\n"
		"Prints N random bytes (1 to 1073741824) of the NSM as hex.\n"
		"\n"
		"  --out FILE   writes them as they are to FILE (mode 0600); - is stdout\n"
		"  --json       one JSON object: \"random\" is hex\n",
	.opts = (const struct opt[]){ { "--out", OPT_VALUE, 'o' },
				      { "--json", OPT_FLAG, 'j' },
				      { 0 } },
	.run = run_random,
};

struct attest {
	struct blob user_data, nonce, public_key;
	const char *path;
	bool json;
};

static int read_attest(struct tool *t, struct opts *o, struct attest *a)
{
	int id, r = 0;

	while (r == 0 && (id = opts_next(o)) != OPT_END) {
		switch (id) {
		case 'u':
			r = input_bytes(t, o->name, o->value, 0, NSMC_FIELD_MAX,
					&a->user_data);
			break;
		case 'n':
			r = input_bytes(t, o->name, o->value, 0, NSMC_FIELD_MAX,
					&a->nonce);
			break;
		case 'p':
			/* Some verifiers refuse an empty one. */
			r = input_bytes(t, o->name, o->value, 1, NSMC_FIELD_MAX,
					&a->public_key);
			break;
		case 'o':
			a->path = o->value;
			break;
		case 'j':
			a->json = true;
			break;
		case OPT_ARGUMENT:
			r = opts_too_many(o);
			break;
		default:
			r = TOOL_USAGE;
		}
	}
	if (r == 0 && a->json && a->path)
		r = tool_usage(t, NULL, "--json and --out exclude another");
	return r;
}

static int run_attest(struct tool *t, struct opts *o)
{
	uint8_t doc[NSMC_DOCUMENT_MAX];
	struct attest a = { 0 };
	struct nsmc_bytes view;
	struct out out;
	size_t len;
	int fd = -1, r;

	r = read_attest(t, o, &a);
	if (r == 0)
		r = tool_open(t, &fd);
	if (r)
		goto out;
	r = nsmc_attest(fd, blob_view(&a.user_data), blob_view(&a.nonce),
			blob_view(&a.public_key), doc, sizeof(doc), &len);
	if (r < 0) {
		r = tool_fail_nsm(t, NULL, r);
		goto out;
	}
	r = out_open(t, &out, a.path, 0666, false);
	if (r)
		goto out;
	view = (struct nsmc_bytes){ doc, len };
	if (a.path) {
		out_bytes(&out, doc, len);
	} else if (a.json) {
		json_open(&out, NULL, '{');
		json_base64(&out, "document", view);
		json_close(&out, '}');
	} else {
		out_base64(&out, doc, len);
	}
	if (!a.path)
		out_text(&out, "\n");
	r = out_commit(t, &out);
out:
	blob_free(&a.user_data);
	blob_free(&a.nonce);
	blob_free(&a.public_key);
	if (fd >= 0)
		(void)close(fd);
	return r;
}

const struct command device_attest_command = {
	.name = "attest",
	.does = "an attestation document",
	.help = "usage: nsm attest [--user-data BYTES] [--nonce BYTES] [--public-key BYTES]\n"
		"                  [--out FILE] [--json]\n"
		"\n"
		"Prints an attestation document over the locked PCRs, signed by the NSM, as\n"
		"base64: what KMS takes as AttestationDocument.\n"
		"\n"
		"  --user-data BYTES    what you say yourself, up to 1024\n"
		"  --nonce BYTES        what the verifier asked for, up to 1024\n"
		"  --public-key BYTES   1 to 1024; KMS wants an RSA key as DER\n"
		"                       SubjectPublicKeyInfo: see nsm recipient new --help\n"
		"  --out FILE           writes the document as it is to FILE; - is stdout\n"
		"  --json               one JSON object: \"document\" is base64\n"
		"\n"
		"BYTES are HEX, hex:HEX, base64:BASE64, text:TEXT, @FILE or - for stdin. What is\n"
		"not given is absent; '' is there, and empty. Some verifiers refuse more than 512\n"
		"bytes of user data or nonce.\n",
	.opts = (const struct opt[]){ { "--user-data", OPT_VALUE, 'u' },
				      { "--nonce", OPT_VALUE, 'n' },
				      { "--public-key", OPT_VALUE, 'p' },
				      { "--out", OPT_VALUE, 'o' },
				      { "--json", OPT_FLAG, 'j' },
				      { 0 } },
	.run = run_attest,
};
