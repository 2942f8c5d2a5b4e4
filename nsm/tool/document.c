#include "nsm/tool/document.h"

#include <stdio.h>

#include "nsm/tool/input.h"
#include "nsm/tool/json.h"
#include "nsm/tool/out_file.h"
#include "nsm/tool/tool.h"

/* Names for programs, in the order of the bits: they never change. */
void document_checks_json(struct out *out, const char *key, unsigned set)
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

void document_pcrs_json(struct out *out, const char *key, uint32_t set)
{
	json_open(out, key, '[');
	for (unsigned i = 0; i < NSMC_PCR_COUNT; i++)
		if (set >> i & 1)
			json_number(out, NULL, i);
	json_close(out, ']');
}

int document_refuse(const struct tool *t, int error, const char *text,
		    const char *object)
{
	struct nsmc_report report = { 0 };

	(void)snprintf(report.object.name, sizeof(report.object.name), "%s",
		       object);
	return document_refuse_report(t, error, text, &report);
}

int document_refuse_report(const struct tool *t, int error, const char *text,
			   const struct nsmc_report *report)
{
	struct out out;

	(void)out_open(t, &out, NULL, 0, false);
	json_open(&out, NULL, '{');
	json_bool(&out, "verified", false);
	json_refusal(&out, error, text, report->object.name);
	document_checks_json(&out, "checked", report->checked);
	document_pcrs_json(&out, "pcrs_checked", report->pcrs_checked);
	json_close(&out, '}');
	out_text(&out, "\n");
	return out_commit(t, &out) ? TOOL_FILE : TOOL_REFUSED;
}

int document_read(struct tool *t, const char *path, bool json, struct blob *ret)
{
	int r = input_message(t, INPUT_DOCUMENT, path, ret);

	return r == TOOL_REFUSED && json ?
		       document_refuse(t, -NSMC_E_DOC_CBOR, "it is no document",
				       "document") :
		       r;
}
