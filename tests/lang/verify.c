/*
 * verify DOC ROOT TIME NONCE PCR0, the same program in each language: ROOT is a
 * file, or - for AWS's; NONCE and PCR0 are hexadecimal. Says in one line what
 * the library says: the error's name or "good", what it is about or "-", the
 * report's two masks and its debug, and the module_id or "-".
 *
 * This one compiles as C++ as well.
 */
#include <nsmc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint8_t doc_bytes[NSMC_DOCUMENT_MAX], root[NSMC_CERTIFICATE_MAX];

static size_t slurp(const char *name, uint8_t *to, size_t cap)
{
	FILE *f = fopen(name, "rb");
	size_t n = f ? fread(to, 1, cap, f) : 0;

	if (!f) {
		perror(name);
		exit(2);
	}
	(void)fclose(f);
	return n;
}

static size_t from_hex(const char *hex, uint8_t *to, size_t cap)
{
	size_t n = 0;
	unsigned byte;

	while (n < cap && sscanf(hex + 2 * n, "%2x", &byte) == 1)
		to[n++] = (uint8_t)byte;
	return n;
}

/* A step of the preparation, none of which fails. */
static void must(int r, const char *what)
{
	if (r == 0)
		return;
	fprintf(stderr, "%s: %s\n", what, nsmc_error_text(r));
	exit(2);
}

int main(int argc, char **argv)
{
	struct nsmc_policy *policy;
	struct nsmc_report report;
	struct nsmc_doc doc;
	uint8_t bytes[NSMC_FIELD_MAX];
	size_t len;
	int r;

	if (argc != 6)
		return 2;
	must(nsmc_policy_new(&policy), "policy");
	if (strcmp(argv[2], "-") != 0)
		must(nsmc_policy_root(policy, root,
				      slurp(argv[2], root, sizeof(root))),
		     "root");
	must(nsmc_policy_time(policy, atoll(argv[3])), "time");
	must(nsmc_policy_field(policy, NSMC_FIELD_NONCE, bytes,
			       from_hex(argv[4], bytes, sizeof(bytes))),
	     "nonce");
	must(nsmc_policy_pcr(policy, 0, bytes,
			     from_hex(argv[5], bytes, sizeof(bytes))),
	     "PCR0");
	len = slurp(argv[1], doc_bytes, sizeof(doc_bytes));
	r = nsmc_doc_verify(doc_bytes, len, policy, NULL, &doc, &report);
	printf("%s %s %x %x %d %.*s\n", r == 0 ? "good" : nsmc_error_name(r),
	       report.object.name[0] ? report.object.name : "-", report.checked,
	       report.pcrs_checked, (int)report.debug,
	       doc.module_id.data ? (int)doc.module_id.len : 1,
	       doc.module_id.data ? (const char *)doc.module_id.data : "-");
	nsmc_policy_free(policy);
	return r == 0 ? 0 : 1;
}
