#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "nsm/nsmc.h"
#include "nsm/opts.h"
#include "nsm/tool/code.h"
#include "nsm/tool/commands.h"
#include "nsm/tool/document.h"
#include "nsm/tool/input.h"
#include "nsm/tool/json.h"
#include "nsm/tool/out_file.h"
#include "nsm/tool/show.h"

enum { EMULATED = -1 /* QEMU's algorithm */ };

/* The command line. */
struct verify {
	const char *path;
	struct nsmc_policy *policy;
	uint32_t pcrs; /* bit N: PCR N was given */
	/*
	 * For each field, by enum nsmc_field: a value, or that it must be
	 * absent.
	 */
	bool given[NSMC_FIELD_PUBLIC_KEY + 1],
		absent[NSMC_FIELD_PUBLIC_KEY + 1];
	bool has_nonce, any_image, any_age;
	bool time_given, time_of_document, has_age, json;
	int64_t time_s;
};

/* A setter refused what was checked before: a fault of this program. */
static int fail_set(const struct tool *t, const struct opts *o, int r)
{
	return r < 0 ? tool_fail(t, TOOL_FILE, o->name, "%s",
				 nsmc_error_text(r)) :
		       0;
}

static int read_pcr(struct tool *t, const struct opts *o, struct verify *v)
{
	const char *equals = strchr(o->value, '=');
	size_t len = equals ? (size_t)(equals - o->value) : 0;
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
	if (v->pcrs >> n & 1)
		return tool_usage(t, o->name, "PCR%d given twice", (int)n);
	r = input_bytes(t, o->name, equals + 1, NSMC_PCR_SIZE, NSMC_PCR_SIZE,
			&b);
	if (r)
		return r;
	v->pcrs |= UINT32_C(1) << n;
	r = nsmc_policy_pcr(v->policy, (unsigned)n, b.data, b.len);
	blob_free(&b);
	return fail_set(t, o, r);
}

static int read_time(const struct tool *t, const struct opts *o,
		     struct verify *v)
{
	v->time_given = true;
	if (strcmp(o->value, "document") == 0) {
		v->time_of_document = true;
		return 0;
	}
	if (code_time(o->value, &v->time_s) < 0)
		return tool_usage(t, o->name,
				  "it must be a time (2026-11-24T09:33:04Z), "
				  "seconds since 1970, or document");
	return 0;
}

static int read_seconds(const struct tool *t, const struct opts *o,
			uint32_t max, uint32_t *ret)
{
	uint64_t n = 0;
	int r = input_number(t, o->name, o->value, 0, max, &n);

	*ret = (uint32_t)n;
	return r;
}

static int expect_bytes(struct tool *t, const struct opts *o, struct verify *v,
			enum nsmc_field field)
{
	struct blob b = { 0 };
	int r;

	if (v->absent[field])
		return tool_usage(t, o->name, "it excludes --no-%s",
				  o->name + 2);
	r = input_bytes(t, o->name, o->value, 0, NSMC_FIELD_MAX, &b);
	if (r)
		return r;
	v->given[field] = true;
	v->has_nonce = v->has_nonce || (field == NSMC_FIELD_NONCE && b.len > 0);
	r = nsmc_policy_field(v->policy, field, b.data, b.len);
	blob_free(&b);
	return fail_set(t, o, r);
}

static int expect_none(const struct tool *t, const struct opts *o,
		       struct verify *v, enum nsmc_field field)
{
	if (v->given[field])
		return tool_usage(t, o->name, "it excludes --%s",
				  o->name + sizeof("--no-") - 1);
	v->absent[field] = true;
	return fail_set(t, o, nsmc_policy_field_absent(v->policy, field));
}

/* Adds another root; a file that is no certificate is refused. */
static int read_root(struct tool *t, const struct opts *o, struct verify *v)
{
	struct blob b = { 0 };
	int r = input_certificate(t, o->value, &b);

	if (r == TOOL_REFUSED)
		return v->json ?
			       document_refuse(t, -NSMC_E_ROOT,
					       "it is no certificate", "root") :
			       r;
	if (r)
		return r;
	r = nsmc_policy_root(v->policy, b.data, b.len);
	blob_free(&b);
	if (r == -ENOSPC)
		return tool_usage(t, o->name, "more than %d", NSMC_ROOTS_MAX);
	if (r == 0)
		return 0;
	r = tool_fail_refused(t, o->value, r, "");
	return v->json ? document_refuse(t, -NSMC_E_ROOT, NULL, "root") : r;
}

static int read_option(struct tool *t, const struct opts *o, struct verify *v,
		       int id)
{
	uint32_t n;
	int r;

	switch (id) {
	case 'p':
		return read_pcr(t, o, v);
	case 'n':
		return expect_bytes(t, o, v, NSMC_FIELD_NONCE);
	case 'u':
		return expect_bytes(t, o, v, NSMC_FIELD_USER_DATA);
	case 'k':
		return expect_bytes(t, o, v, NSMC_FIELD_PUBLIC_KEY);
	case 'N':
		return expect_none(t, o, v, NSMC_FIELD_NONCE);
	case 'U':
		return expect_none(t, o, v, NSMC_FIELD_USER_DATA);
	case 'K':
		return expect_none(t, o, v, NSMC_FIELD_PUBLIC_KEY);
	case 't':
		return read_time(t, o, v);
	case 'a':
		v->has_age = true;
		r = read_seconds(t, o, UINT32_MAX, &n);
		return r ? r :
			   fail_set(t, o, nsmc_policy_max_age(v->policy, n));
	case 'l':
		r = read_seconds(t, o, NSMC_LEEWAY_MAX_S, &n);
		return r ? r : fail_set(t, o, nsmc_policy_leeway(v->policy, n));
	case 'i':
		v->any_image = true;
		nsmc_policy_any_image(v->policy);
		return 0;
	case 'A':
		v->any_age = true;
		nsmc_policy_any_age(v->policy);
		return 0;
	case 'T':
		return fail_set(
			t, o, nsmc_policy_kind(v->policy, NSMC_KIND_NITROTPM));
	case 'd':
		nsmc_policy_allow_debug(v->policy);
		return 0;
	case 'r': /* read after all others */
	case 'j':
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

/*
 * A command line that pins nothing is misuse: the library would refuse it, too.
 */
static int check_sense(const struct tool *t, const struct verify *v)
{
	if (!v->path)
		return tool_usage(t, NULL, "which document?");
	if (v->has_age && v->time_of_document)
		return tool_usage(t, "--max-age",
				  "it excludes --time document");
	if (v->pcrs == 0 && !v->any_image)
		return tool_usage(
			t, NULL,
			"of which image? --pcr N=BYTES, or --any-image: "
			"anybody's");
	if (!v->has_nonce && !v->has_age && !v->any_age && !v->time_of_document)
		return tool_usage(
			t, NULL,
			"how new? --nonce BYTES or --max-age SECONDS; "
			"--time document for a stored one; or "
			"--any-age: a replayed one, too");
	return 0;
}

static int read_verify(struct tool *t, struct opts *o, struct verify *v)
{
	struct opts again = *o;
	struct timespec now;
	int id, r = 0;

	/* Wherever --json stands, refusals are printed as JSON, too. */
	for (char **word = o->next; *word && strcmp(*word, "--") != 0; word++)
		v->json = v->json || strcmp(*word, "--json") == 0;
	while (r == 0 && (id = opts_next(o)) != OPT_END)
		r = read_option(t, o, v, id);
	if (r == 0)
		r = check_sense(t, v);
	while (r == 0 && (id = opts_next(&again)) != OPT_END)
		if (id == 'r')
			r = read_root(t, &again, v);
	if (r)
		return r;
	if (v->time_of_document) {
		nsmc_policy_time_of_document(v->policy);
		return 0;
	}
	if (!v->time_given) {
		(void)clock_gettime(CLOCK_REALTIME, &now);
		v->time_s = now.tv_sec;
	}
	r = nsmc_policy_time(v->policy, v->time_s);
	return r < 0 ? tool_fail(t, TOOL_FILE, "--time", "%s",
				 nsmc_error_text(r)) :
		       0;
}

/* The time at which the certificates must be valid, in milliseconds. */
static uint64_t time_of(const struct verify *v, const struct nsmc_doc *doc)
{
	return v->time_of_document ? doc->timestamp_ms :
				     (uint64_t)v->time_s * 1000;
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
	out_text(out, report->debug == NSMC_DEBUG_YES ?
			      "yes, of an enclave in DEBUG MODE\n" :
		      doc->kind == NSMC_KIND_NITROTPM ?
			      "yes, of a NitroTPM, not of an enclave\n" :
		      report->debug == NSMC_DEBUG_UNKNOWN ?
			      "yes, but whether in debug mode is unknown\n" :
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
	out_text(out, v->time_of_document ? ", the document's own\n" : "\n");
}

static void good_json(struct out *out, const struct verify *v,
		      const struct nsmc_doc *doc,
		      const struct nsmc_report *report)
{
	json_open(out, NULL, '{');
	json_bool(out, "verified", true);
	show_debug_json(out, report->debug);
	document_checks_json(out, "checked", report->checked);
	document_pcrs_json(out, "pcrs_checked", report->pcrs_checked);
	document_checks_json(out, "not_checked", ~report->checked);
	document_pcrs_json(out, "pcrs_not_checked",
			   pcrs_of(doc) & ~report->pcrs_checked);
	json_number(out, "time", time_of(v, doc) / 1000);
	json_bool(out, "time_of_document", v->time_of_document);
	show_json(out, "document", doc);
	json_close(out, '}');
	out_text(out, "\n");
}

/* Suggests a reason for R, an error of the document in B. */
static const char *hint_of(const struct verify *v, const struct blob *b, int r)
{
	struct nsmc_doc doc;

	if (r == -NSMC_E_CERT_NOT_YET && !v->time_given)
		return " (is this clock slow? see --leeway, and --time)";
	if (r == -NSMC_E_CERT_EXPIRED && !v->time_given)
		return " (a stored document? see --time)";
	if (r == -NSMC_E_IN_FUTURE)
		return " (is this clock slow? see --leeway)";
	if (r == -NSMC_E_KIND)
		return " (see --nitrotpm)";
	if (r == -NSMC_E_ALGORITHM &&
	    nsmc_doc_parse(b->data, b->len, &doc, NULL) == 0 &&
	    doc.algorithm == EMULATED)
		return " (an emulator's? QEMU alone does not sign)";
	return "";
}

static int verify(const struct tool *t, const struct verify *v,
		  const struct blob *b)
{
	struct nsmc_report report;
	struct nsmc_doc doc;
	struct out out;
	int r, code;

	r = nsmc_doc_verify(b->data, b->len, v->policy, NULL, &doc, &report);
	if (r < 0) {
		code = tool_fail_refused(t, report.object.name, r,
					 hint_of(v, b, r));
		/* If the system failed, nothing is known of the document. */
		return v->json && code == TOOL_REFUSED ?
			       document_refuse_report(t, r, NULL, &report) :
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
	struct verify v = { 0 };
	struct blob b = { 0 };
	int r;

	if (nsmc_policy_new(&v.policy) < 0)
		return tool_fail_refused(t, NULL, -ENOMEM, "");
	r = read_verify(t, o, &v);
	if (r == 0)
		r = document_read(t, v.path, v.json, &b);
	if (r == 0)
		r = verify(t, &v, &b);
	blob_free(&b);
	nsmc_policy_free(v.policy);
	return r;
}

const struct command verify_command = {
	.name = "verify",
	.does = "whether a document is true, and as expected",
	.help = "usage: nsm verify DOC [OPTION]...\n"
		"\n"
		"Verifies the attestation document in the file DOC (- is stdin; binary, hex,\n"
		"base64, armoured or quoted): form, certificates up to AWS's root, signature, no\n"
		"debug mode, and what options ask for: an image and how new it is must be among\n"
		"that. Prints what was checked and what was not. Code 1: refused.\n"
		"\n"
		"  --pcr N=BYTES       PCR N is there, and is this; again for others\n"
		"  --any-image         in place of --pcr: any image, that is anybody's\n"
		"  --nonce BYTES       the nonce is this       --no-nonce        it is absent\n"
		"  --max-age SECONDS   the document is no older (not with --time document)\n"
		"  --any-age           in place of both: of any age, a replayed one too\n"
		"  --user-data BYTES   the user data are this  --no-user-data    absent\n"
		"  --public-key BYTES  the public key is this  --no-public-key   absent\n"
		"  --time TIME         instead of now: 2026-11-24T09:33:04Z, seconds since 1970,\n"
		"                      or document: its own timestamp (for stored documents)\n"
		"  --leeway SECONDS    how slow this clock may be; 5, if not given\n"
		"  --root FILE         trust this root, DER or PEM, not AWS's; again for others\n"
		"  --nitrotpm          it is of an instance's NitroTPM, not of an enclave\n"
		"  --allow-debug       debug mode is fine: the PCRs then say nothing\n"
		"  --json              one JSON object, also where it is refused\n"
		"\n"
		"BYTES are HEX, hex:HEX, base64:BASE64, text:TEXT, @FILE or - for stdin.\n",
	.opts = (const struct opt[]){ { "--pcr", OPT_MANY, 'p' },
				      { "--nonce", OPT_VALUE, 'n' },
				      { "--no-nonce", OPT_FLAG, 'N' },
				      { "--user-data", OPT_VALUE, 'u' },
				      { "--no-user-data", OPT_FLAG, 'U' },
				      { "--public-key", OPT_VALUE, 'k' },
				      { "--no-public-key", OPT_FLAG, 'K' },
				      { "--root", OPT_MANY, 'r' },
				      { "--time", OPT_VALUE, 't' },
				      { "--max-age", OPT_VALUE, 'a' },
				      { "--leeway", OPT_VALUE, 'l' },
				      { "--any-image", OPT_FLAG, 'i' },
				      { "--any-age", OPT_FLAG, 'A' },
				      { "--nitrotpm", OPT_FLAG, 'T' },
				      { "--allow-debug", OPT_FLAG, 'd' },
				      { "--json", OPT_FLAG, 'j' },
				      { 0 } },
	.run = run_verify,
};
