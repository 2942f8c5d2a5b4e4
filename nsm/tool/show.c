#include "nsm/tool/show.h"

#include <stdio.h>
#include <string.h>

#include "nsm/nsmc.h"
#include "nsm/opts.h"
#include "nsm/tool/code.h"
#include "nsm/tool/commands.h"
#include "nsm/tool/document.h"
#include "nsm/tool/input.h"
#include "nsm/tool/json.h"
#include "nsm/tool/out_file.h"
#include "nsm/tool/x509.h"

void show_time(struct out *o, uint64_t ms)
{
	char text[CODE_TIME_CAP];

	code_time_text(ms, text);
	out_number(o, ms);
	if (text[0]) {
		out_text(o, " (");
		out_text(o, text);
		out_text(o, ")");
	}
}

const char *show_debug_text(enum nsmc_debug debug)
{
	return debug == NSMC_DEBUG_YES ? "yes" :
	       debug == NSMC_DEBUG_NO  ? "no" :
					 "unknown";
}

void show_debug_json(struct out *o, enum nsmc_debug debug)
{
	if (debug == NSMC_DEBUG_UNKNOWN)
		json_string(o, "debug", NULL);
	else
		json_bool(o, "debug", debug == NSMC_DEBUG_YES);
}

static const char *kind_text(const struct nsmc_doc *doc)
{
	return doc->kind == NSMC_KIND_NITROTPM ? "nitrotpm" : "enclave";
}

static bool is_plain(struct nsmc_bytes b)
{
	for (size_t i = 0; i < b.len; i++)
		if (b.data[i] < 0x20 || b.data[i] >= 0x7f)
			return false;
	return b.len > 0;
}

/* "5 bytes: 68656c6c6f, that is "hello"" */
static void show_bytes(struct out *o, const char *label, struct nsmc_bytes b)
{
	out_label(o, label);
	if (!b.data) {
		out_text(o, "absent\n");
		return;
	}
	out_number(o, b.len);
	out_text(o, b.len == 1 ? " byte" : " bytes");
	if (b.len > 0) {
		out_text(o, ": ");
		out_hex(o, b.data, b.len);
	}
	if (is_plain(b)) {
		out_text(o, " = \"");
		out_bytes(o, b.data, b.len);
		out_text(o, "\"");
	}
	out_text(o, "\n");
}

static void show_certificate(struct out *o, const char *label,
			     struct nsmc_bytes der)
{
	uint8_t hash[NSMC_PCR_SIZE];
	struct x509 info;

	out_label(o, label);
	out_number(o, der.len);
	if (der.len < sizeof(hash)) {
		out_text(o, " bytes: no certificate\n");
		return;
	}
	/* SHA384(first 48 bytes || the others) is the fingerprint. */
	memcpy(hash, der.data, sizeof(hash));
	nsmc_predict(hash, der.data + sizeof(hash), der.len - sizeof(hash));
	out_text(o, " bytes, SHA-384 ");
	out_hex(o, hash, sizeof(hash));
	out_text(o, "\n");
	if (!x509_read(der, &info))
		return;
	out_label(o, " valid");
	out_text(o, info.from);
	out_text(o, " to ");
	out_text(o, info.to);
	out_text(o, "\n");
	if (!info.name.data)
		return;
	out_label(o, " name");
	out_safe(o, info.name.data, info.name.len);
	out_text(o, "\n");
}

static void show_text(struct out *o, const struct nsmc_doc *doc)
{
	char label[24];

	out_label(o, "algorithm");
	if (doc->algorithm == NSMC_ALGORITHM_ES384) {
		out_text(o, "-35 (ES384)\n");
	} else {
		(void)snprintf(label, sizeof(label), "%lld",
			       (long long)doc->algorithm);
		out_text(o, label);
		out_text(o, " (not ES384)\n");
	}
	out_label(o, "kind");
	out_text(o, kind_text(doc));
	out_text(o, "\n");
	out_label(o, "module_id");
	out_safe(o, doc->module_id.data, doc->module_id.len);
	out_text(o, "\n");
	out_label(o, "digest");
	out_safe(o, doc->digest.data, doc->digest.len);
	out_text(o, "\n");
	out_label(o, "timestamp");
	show_time(o, doc->timestamp_ms);
	out_text(o, "\n");
	out_label(o, "debug mode");
	out_text(o, show_debug_text(nsmc_doc_debug(doc)));
	out_text(o, "\n");
	for (unsigned i = 0; i < NSMC_PCR_COUNT; i++) {
		if (!doc->pcr[i].data)
			continue;
		(void)snprintf(label, sizeof(label), "PCR%u", i);
		out_label(o, label);
		out_hex(o, doc->pcr[i].data, doc->pcr[i].len);
		out_text(o, "\n");
	}
	show_certificate(o, "certificate", doc->certificate);
	for (size_t i = 0; i < doc->cabundle_count; i++) {
		(void)snprintf(label, sizeof(label), "cabundle[%u]",
			       (unsigned)i);
		show_certificate(o, label, doc->cabundle[i]);
	}
	show_bytes(o, "public_key", doc->public_key);
	show_bytes(o, "user_data", doc->user_data);
	show_bytes(o, "nonce", doc->nonce);
	show_bytes(o, "signature", doc->signature);
}

void show_json(struct out *o, const char *key, const struct nsmc_doc *doc)
{
	char number[4];

	json_open(o, key, '{');
	json_signed(o, "algorithm", doc->algorithm);
	json_string(o, "kind", kind_text(doc));
	json_text(o, "module_id", doc->module_id);
	json_text(o, "digest", doc->digest);
	json_number(o, "timestamp", doc->timestamp_ms);
	show_debug_json(o, nsmc_doc_debug(doc));
	json_open(o, "pcrs", '{');
	for (unsigned i = 0; i < NSMC_PCR_COUNT; i++) {
		if (!doc->pcr[i].data)
			continue;
		(void)snprintf(number, sizeof(number), "%u", i);
		json_hex(o, number, doc->pcr[i]);
	}
	json_close(o, '}');
	json_base64(o, "certificate", doc->certificate);
	json_open(o, "cabundle", '[');
	for (size_t i = 0; i < doc->cabundle_count; i++)
		json_base64(o, NULL, doc->cabundle[i]);
	json_close(o, ']');
	json_base64(o, "public_key", doc->public_key);
	json_base64(o, "user_data", doc->user_data);
	json_base64(o, "nonce", doc->nonce);
	json_base64(o, "signature", doc->signature);
	json_close(o, '}');
}

static int run_show(struct tool *t, struct opts *o)
{
	const char *path = NULL;
	struct nsmc_object object;
	struct blob b = { 0 };
	struct nsmc_doc doc;
	struct out out;
	bool json = false;
	int id, code, r;

	while ((id = opts_next(o)) != OPT_END) {
		switch (id) {
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
	if (!path)
		return tool_usage(t, NULL, "which document?");
	r = document_read(t, path, json, &b);
	if (r)
		return r;
	r = nsmc_doc_parse(b.data, b.len, &doc, &object);
	if (r < 0) {
		code = tool_fail_refused(t, object.name, r, "");
		r = json ? document_refuse(t, r, NULL, object.name) : code;
		goto out;
	}
	(void)out_open(t, &out, NULL, 0, false);
	if (json) {
		show_json(&out, NULL, &doc);
		out_text(&out, "\n");
	} else {
		show_text(&out, &doc);
	}
	r = out_commit(t, &out);
out:
	blob_free(&b);
	return r;
}

const struct command show_command = {
	.name = "show",
	.does = "what a document says, true or not",
	.help = "usage: nsm show DOC [--json]\n"
		"\n"
		"Prints every field of the attestation document in the file DOC (- is stdin;\n"
		"binary, hex, base64, armoured or quoted). Nothing of it is verified, as nsm\n"
		"verify does.\n"
		"\n"
		"Certificates are shown as their length, SHA-384 (what openssl x509 -fingerprint\n"
		"-sha384 prints), validity and common name.\n"
		"\n"
		"  --json   one JSON object: PCRs are hex, other bytes base64 (certificates\n"
		"           as DER), absent fields null; of what is no document see nsm(1)\n",
	.opts = (const struct opt[]){ { "--json", OPT_FLAG, 'j' }, { 0 } },
	.run = run_show,
};
