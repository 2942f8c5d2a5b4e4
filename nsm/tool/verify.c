#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nsm/nsmc.h"
#include "nsm/tool/code.h"
#include "nsm/tool/commands.h"
#include "nsm/tool/input.h"
#include "nsm/tool/opts.h"
#include "nsm/tool/output.h"

enum { AHEAD_S = 60, EMULATED = -1 /* QEMU's algorithm */ };

/* The command line, and the bytes that its policy points into. */
struct verify {
	const char *path, *root_path;
	struct nsmc_policy policy;
	struct blob root, nonce, user_data, public_key;
	uint8_t pcr[NSMC_PCR_COUNT][NSMC_PCR_SIZE];
	bool time_given, ahead_given, json;
};

static int read_pcr(struct tool *t, const struct opts *o, struct verify *v)
{
	const char *equals = strchr(o->value, '=');
	size_t len = equals ? (size_t)(equals - o->value) : 0;
	struct nsmc_expect *expect;
	struct blob b = { 0 };
	char number[4] = "";
	uint64_t n;
	int r;

	if (len > 0 && len < sizeof(number))
		memcpy(number, o->value, len);
	if (code_number(number, NSMC_PCR_COUNT - 1, &n) < 0)
		return tool_usage(t, o->name,
				  "it must be N=BYTES, N from 0 to %d",
				  NSMC_PCR_COUNT - 1);
	expect = &v->policy.pcr[n];
	if (expect->kind != NSMC_ANY)
		return tool_usage(t, o->name, "PCR%d given twice", (int)n);
	r = input_bytes(t, o->name, equals + 1, NSMC_PCR_SIZE, NSMC_PCR_SIZE,
			&b);
	if (r)
		return r;
	memcpy(v->pcr[n], b.data, b.len);
	blob_free(&b);
	expect->kind = NSMC_EQUAL;
	expect->value = (struct nsmc_bytes){ v->pcr[n], NSMC_PCR_SIZE };
	return 0;
}

static int read_time(const struct tool *t, const struct opts *o,
		     struct verify *v)
{
	v->time_given = true;
	if (strcmp(o->value, "document") == 0) {
		v->policy.time_of_document = true;
		return 0;
	}
	if (code_time(o->value, &v->policy.time_s) < 0)
		return tool_usage(t, o->name,
				  "it must be a time (2026-11-24T09:33:04Z), "
				  "seconds since 1970, or document");
	return 0;
}

static int read_seconds(const struct tool *t, const struct opts *o,
			uint32_t min, uint32_t *ret)
{
	uint64_t n;
	int r = input_number(t, o->name, o->value, min, UINT32_MAX, &n);

	if (r == 0)
		*ret = (uint32_t)n;
	return r;
}

static int expect_bytes(struct tool *t, const struct opts *o, struct blob *b,
			struct nsmc_expect *ret)
{
	int r;

	if (ret->kind == NSMC_MISSING)
		return tool_usage(t, o->name, "it excludes --no-%s",
				  o->name + 2);
	r = input_bytes(t, o->name, o->value, 0, NSMC_FIELD_MAX, b);
	if (r == 0)
		*ret = (struct nsmc_expect){ NSMC_EQUAL, blob_view(b) };
	return r;
}

static int expect_none(const struct tool *t, const struct opts *o,
		       struct nsmc_expect *ret)
{
	if (ret->kind == NSMC_EQUAL)
		return tool_usage(t, o->name, "it excludes --%s",
				  o->name + sizeof("--no-") - 1);
	ret->kind = NSMC_MISSING;
	return 0;
}

static int read_option(struct tool *t, const struct opts *o, struct verify *v,
		       int id)
{
	struct nsmc_policy *p = &v->policy;

	switch (id) {
	case 'p':
		return read_pcr(t, o, v);
	case 'n':
		return expect_bytes(t, o, &v->nonce, &p->nonce);
	case 'u':
		return expect_bytes(t, o, &v->user_data, &p->user_data);
	case 'k':
		return expect_bytes(t, o, &v->public_key, &p->public_key);
	case 'N':
		return expect_none(t, o, &p->nonce);
	case 'U':
		return expect_none(t, o, &p->user_data);
	case 'K':
		return expect_none(t, o, &p->public_key);
	case 'r':
		v->root_path = o->value;
		return 0;
	case 't':
		return read_time(t, o, v);
	case 'a':
		p->age_asked = true;
		return read_seconds(t, o, 0, &p->max_age_s);
	case 'h':
		v->ahead_given = true;
		return read_seconds(t, o, 1, &p->max_ahead_s);
	case 'd':
		p->allow_debug = true;
		return 0;
	case 'j':
		v->json = true;
		return 0;
	case OPT_ARGUMENT:
		if (v->path)
			return opts_too_many(o);
		v->path = o->value;
		return 0;
	default:
		return TOOL_USAGE;
	}
}

static int read_verify(struct tool *t, struct opts *o, struct verify *v)
{
	struct timespec now;
	int id, r = 0;

	while (r == 0 && (id = opts_next(o)) != OPT_END)
		r = read_option(t, o, v, id);
	if (r)
		return r;
	if (!v->path)
		return tool_usage(t, NULL, "which document?");
	if (v->ahead_given && !v->policy.age_asked)
		return tool_usage(t, "--max-ahead", "it needs --max-age");
	if (v->policy.age_asked && v->policy.time_of_document)
		return tool_usage(t, "--max-age",
				  "it excludes --time document");
	if (!v->ahead_given)
		v->policy.max_ahead_s = AHEAD_S;
	if (!v->time_given) {
		(void)clock_gettime(CLOCK_REALTIME, &now);
		v->policy.time_s = now.tv_sec;
	}
	return 0;
}

/* The time of which the validity is. */
static uint64_t time_of(const struct verify *v, const struct nsmc_doc *doc)
{
	return v->policy.time_of_document ? doc->timestamp_ms :
					    (uint64_t)v->policy.time_s * 1000;
}

static uint32_t pcrs_of(const struct nsmc_doc *doc)
{
	uint32_t set = 0;

	for (unsigned i = 0; i < NSMC_PCR_COUNT; i++)
		if (doc->pcr[i].data)
			set |= UINT32_C(1) << i;
	return set;
}

/* PCRs have lines of their own. */
static void checks_text(struct out *out, const char *label, unsigned set)
{
	const char *between = "";

	out_label(out, label);
	set &= NSMC_CHECK_ALL & ~(unsigned)NSMC_CHECK_PCRS;
	for (unsigned bit = 1; bit & NSMC_CHECK_ALL; bit <<= 1) {
		if (!(set & bit))
			continue;
		out_text(out, between);
		out_text(out, nsmc_check_text((enum nsmc_check)bit));
		between = ", ";
	}
	out_text(out, set ? "\n" : "nothing\n");
}

static void good_text(struct out *out, const struct verify *v,
		      const struct nsmc_doc *doc,
		      const struct nsmc_report *report)
{
	char at[CODE_TIME_CAP];

	out_label(out, "verified");
	out_text(out, report->debug ? "yes, of an enclave in DEBUG MODE\n" :
				      "yes\n");
	checks_text(out, "checked", report->checked);
	out_label(out, "checked PCRs");
	out_ranges(out, report->pcrs_checked);
	out_text(out, "\n");
	checks_text(out, "not checked", ~report->checked);
	out_label(out, "other PCRs");
	out_ranges(out, pcrs_of(doc) & ~report->pcrs_checked);
	out_text(out, "\n");
	out_label(out, "module_id");
	out_safe(out, doc->module_id.data, doc->module_id.len);
	out_text(out, "\n");
	out_label(out, "timestamp");
	show_time(out, doc->timestamp_ms);
	out_text(out, "\n");
	code_time_text(time_of(v, doc), at);
	out_label(out, "valid at");
	out_text(out, at);
	out_text(out,
		 v->policy.time_of_document ? ", the document's own\n" : "\n");
}

/* Words for programs, in the order of the bits: they stay as they are. */
static void checks_json(struct out *out, const char *key, unsigned set)
{
	static const char *const words[] = {
		"form", "chain", "validity",  "signature",  "debug",
		"pcrs", "nonce", "user_data", "public_key", "age",
	};
	enum { WORDS = sizeof(words) / sizeof(words[0]) };

	_Static_assert(NSMC_CHECK_ALL == (1 << WORDS) - 1, "a word each");
	json_open(out, key, '[');
	for (unsigned i = 0; i < WORDS; i++)
		if (set >> i & 1)
			json_string(out, NULL, words[i]);
	json_close(out, ']');
}

static void pcrs_json(struct out *out, const char *key, uint32_t set)
{
	json_open(out, key, '[');
	for (unsigned i = 0; i < NSMC_PCR_COUNT; i++)
		if (set >> i & 1)
			json_number(out, NULL, i);
	json_close(out, ']');
}

static void good_json(struct out *out, const struct verify *v,
		      const struct nsmc_doc *doc,
		      const struct nsmc_report *report)
{
	json_open(out, NULL, '{');
	json_bool(out, "verified", true);
	json_bool(out, "debug", report->debug);
	checks_json(out, "checked", report->checked);
	pcrs_json(out, "pcrs_checked", report->pcrs_checked);
	checks_json(out, "not_checked", ~report->checked);
	pcrs_json(out, "pcrs_not_checked",
		  pcrs_of(doc) & ~report->pcrs_checked);
	json_number(out, "time", time_of(v, doc) / 1000);
	json_bool(out, "time_of_document", v->policy.time_of_document);
	show_json(out, "document", doc);
	json_close(out, '}');
	out_text(out, "\n");
}

int refuse_json(const struct tool *t, int error, const char *text,
		const struct nsmc_report *report)
{
	struct out out;

	(void)out_open(t, &out, NULL, 0, false);
	json_open(&out, NULL, '{');
	json_bool(&out, "verified", false);
	json_string(&out, "code", nsmc_error_name(error));
	json_string(&out, "error", text ? text : nsmc_error_text(error));
	json_string(&out, "object", report->object.name);
	checks_json(&out, "checked", report->checked);
	pcrs_json(&out, "pcrs_checked", report->pcrs_checked);
	json_close(&out, '}');
	out_text(&out, "\n");
	return out_commit(t, &out) ? TOOL_FILE : TOOL_REFUSED;
}

/* The root's file, then the document's. */
static int read_files(struct tool *t, struct verify *v, struct blob *ret)
{
	static const struct nsmc_report root = { .object = { "root" } };
	static const struct nsmc_report document = { .object = { "document" } };
	int r = 0;

	if (v->root_path)
		r = input_certificate(t, v->root_path, &v->root);
	v->policy.root = blob_view(&v->root);
	if (r == TOOL_REFUSED && v->json)
		return refuse_json(t, -NSMC_E_ROOT, "it is no certificate",
				   &root);
	if (r)
		return r;
	r = input_message(t, INPUT_DOCUMENT, v->path, ret);
	if (r == TOOL_REFUSED && v->json)
		return refuse_json(t, -NSMC_E_DOC_CBOR, "it is no document",
				   &document);
	return r;
}

/* What may be the reason for R, an error of DOC. */
static const char *hint_of(const struct verify *v, const struct nsmc_doc *doc,
			   int r)
{
	if (!v->time_given &&
	    (r == -NSMC_E_CERT_EXPIRED || r == -NSMC_E_CERT_NOT_YET))
		return " (a stored document? see --time)";
	if (r == -NSMC_E_ALGORITHM && doc->algorithm == EMULATED)
		return " (an emulator's? QEMU does not sign)";
	return "";
}

static int verify(const struct tool *t, const struct verify *v,
		  const struct blob *b)
{
	struct nsmc_report report;
	struct nsmc_doc doc;
	struct out out;
	int r, code;

	r = nsmc_doc_verify(b->data, b->len, &v->policy, &doc, &report);
	if (r < 0) {
		/* Errors name the root's file. */
		code = tool_fail_refused(t,
					 r == -NSMC_E_ROOT && v->root_path ?
						 v->root_path :
						 report.object.name,
					 r, hint_of(v, &doc, r));
		/* Where the system failed nothing is known of the document. */
		return v->json && code == TOOL_REFUSED ?
			       refuse_json(t, r, NULL, &report) :
			       code;
	}
	(void)out_open(t, &out, NULL, 0, false);
	if (v->json)
		good_json(&out, v, &doc, &report);
	else
		good_text(&out, v, &doc, &report);
	return out_commit(t, &out);
}

static int run_verify(struct tool *t, struct opts *o)
{
	struct verify *v = calloc(1, sizeof(*v));
	struct blob b = { 0 };
	int r;

	if (!v)
		return tool_fail_refused(t, NULL, -ENOMEM, "");
	r = read_verify(t, o, v);
	if (r == 0)
		r = read_files(t, v, &b);
	if (r == 0)
		r = verify(t, v, &b);
	blob_free(&b);
	blob_free(&v->root);
	blob_free(&v->nonce);
	blob_free(&v->user_data);
	blob_free(&v->public_key);
	free(v);
	return r;
}

const struct command command_verify = {
	.name = "verify",
	.does = "whether a document is true, and as expected",
	.help = "usage: nsm verify DOC [OPTION]...\n"
		"\n"
		"Verifies the attestation document in the file DOC (- is stdin; binary, hex or\n"
		"base64): form, certificates up to AWS's root, signature, no debug mode; and what\n"
		"options ask for. Prints what was checked and what was not. Code 1: refused.\n"
		"\n"
		"  --pcr N=BYTES       PCR N is there, and is this; again for others\n"
		"  --nonce BYTES       the nonce is this       --no-nonce        it is absent\n"
		"  --user-data BYTES   the user data are this  --no-user-data    absent\n"
		"  --public-key BYTES  the public key is this  --no-public-key   absent\n"
		"  --max-age SECONDS   the document is no older (not with --time document)\n"
		"  --max-ahead SECONDS and no further ahead of this clock; 60, if not given\n"
		"  --time TIME         instead of now: 2026-11-24T09:33:04Z, seconds since 1970,\n"
		"                      or document: its own timestamp (for stored documents)\n"
		"  --root FILE         the root certificate, DER or PEM, instead of AWS's\n"
		"  --allow-debug       debug mode is fine: the PCRs then say nothing\n"
		"  --json              one JSON object, also where it is refused\n"
		"\n"
		"BYTES are HEX, hex:HEX, base64:BASE64, text:TEXT, @FILE or - for stdin. A nonce\n"
		"of your own, or --max-age, is what tells a new document from an old one.\n",
	.opts = (const struct opt[]){ { "--pcr", OPT_MANY, 'p' },
				      { "--nonce", OPT_VALUE, 'n' },
				      { "--no-nonce", OPT_FLAG, 'N' },
				      { "--user-data", OPT_VALUE, 'u' },
				      { "--no-user-data", OPT_FLAG, 'U' },
				      { "--public-key", OPT_VALUE, 'k' },
				      { "--no-public-key", OPT_FLAG, 'K' },
				      { "--root", OPT_VALUE, 'r' },
				      { "--time", OPT_VALUE, 't' },
				      { "--max-age", OPT_VALUE, 'a' },
				      { "--max-ahead", OPT_VALUE, 'h' },
				      { "--allow-debug", OPT_FLAG, 'd' },
				      { "--json", OPT_FLAG, 'j' },
				      { 0 } },
	.run = run_verify,
};
