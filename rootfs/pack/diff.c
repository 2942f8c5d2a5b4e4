#include "rootfs/pack/diff.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rootfs/pack/commands.h"
#include "rootfs/pack/escape.h"
#include "rootfs/pack/fault.h"
#include "rootfs/pack/json.h"
#include "rootfs/pack/kernel.h"
#include "rootfs/pack/measure.h"
#include "rootfs/pack/metadata.h"
#include "rootfs/pack/sign.h"

enum {
	SIDES = 2,
	CMDLINE_SHOWN_MAX = 1 << 16, /* bytes */
};

struct side {
	struct eif eif;
	struct eif_pcrs pcrs;
	struct sign_info sign; /* where PCR8 is */
	uint8_t hashes[EIF_SECTIONS_MAX][EIF_HASH];
};

static const struct option options[] = { { 0 } };

/* --- reading --- */

static int read_signature(struct side *s, struct fault *reterr)
{
	const struct eif_section *section = eif_find(&s->eif, EIF_SIGNATURE);
	char *text;
	int r;

	if (!section)
		return 0;
	if (content_slurp(&section->data, EIF_SIGNATURE_MAX, "signature", &text,
			  reterr) < 0)
		return fault_prefix(reterr, "%s", s->eif.path);
	r = sign_parse((const uint8_t *)text, (size_t)section->data.len,
		       s->pcrs.pcr0, time(NULL), &s->sign, reterr);
	free(text);
	if (r < 0)
		return fault_prefix(reterr,
				    "%s: section %zu (signature) at offset "
				    "%" PRIu64,
				    s->eif.path,
				    (size_t)(section - s->eif.sections),
				    section->offset);
	s->pcrs.has_pcr8 = true;
	memcpy(s->pcrs.pcr8, s->sign.pcr8, EIF_HASH);
	return 0;
}

static int open_side(const char *path, struct side *s, struct fault *reterr)
{
	if (eif_open(path, &s->eif, reterr) < 0)
		return -1;
	if (eif_check_crc(&s->eif, reterr) < 0 ||
	    eif_measure(&s->eif, &s->pcrs, reterr) < 0 ||
	    read_signature(s, reterr) < 0)
		goto fail;
	for (size_t i = 0; i < s->eif.count; i++)
		if (measure_content(&s->eif.sections[i].data, s->hashes[i],
				    reterr) < 0) {
			(void)fault_prefix(reterr, "%s: section %zu", path, i);
			goto fail;
		}
	return 0;
fail:
	eif_close(&s->eif);
	return -1;
}

/* The index of the section that is the Nth of TYPE, or -1. */
static int find(const struct side *s, enum eif_type type, unsigned n)
{
	for (size_t i = 0; i < s->eif.count; i++)
		if (s->eif.sections[i].type == type && n-- == 0)
			return (int)i;
	return -1;
}

static bool is_same(const struct side sides[SIDES], int a, int b)
{
	return memcmp(sides[0].hashes[a], sides[1].hashes[b], EIF_HASH) == 0;
}

/* --- measurements --- */

static void print_hash(const uint8_t hash[EIF_HASH])
{
	for (size_t i = 0; i < EIF_HASH; i++)
		(void)printf("%02x", hash[i]);
	(void)putchar('\n');
}

static bool diff_pcr(int number, const uint8_t *a, const uint8_t *b)
{
	if (!a && !b)
		return false;
	if (a && b && memcmp(a, b, EIF_HASH) == 0) {
		(void)printf("PCR%d: the same\n", number);
		return false;
	}
	(void)printf("PCR%d: differs\n", number);
	for (int i = 0; i < SIDES; i++) {
		const uint8_t *pcr = i ? b : a;

		(void)printf("  %c: ", "AB"[i]);
		if (pcr)
			print_hash(pcr);
		else
			(void)puts("none: not signed");
	}
	return true;
}

static bool diff_pcrs(const struct eif_pcrs *a, const struct eif_pcrs *b)
{
	bool differs = diff_pcr(0, a->pcr0, b->pcr0);

	differs |= diff_pcr(1, a->pcr1, b->pcr1);
	differs |= diff_pcr(2, a->pcr2, b->pcr2);
	differs |= diff_pcr(8, a->has_pcr8 ? a->pcr8 : NULL,
			    b->has_pcr8 ? b->pcr8 : NULL);
	return differs;
}

/* --- what made them --- */

static void diff_kernel(const struct side sides[SIDES])
{
	int at[SIDES] = { find(&sides[0], EIF_KERNEL, 0),
			  find(&sides[1], EIF_KERNEL, 0) };
	struct fault ignored;
	struct kernel k;

	if (is_same(sides, at[0], at[1]))
		return;
	(void)printf("kernel (PCR0, PCR1): differs\n");
	for (int i = 0; i < SIDES; i++) {
		const struct content *c = &sides[i].eif.sections[at[i]].data;
		bool known = kernel_inspect("", c, &k, &ignored) == 0;

		(void)printf("  %c: %s, %" PRIu64 " bytes, SHA-384 ", "AB"[i],
			     known && *k.version ? k.version :
						   "of an unknown version",
			     c->len);
		print_hash(sides[i].hashes[at[i]]);
	}
}

static int diff_cmdline(const struct side sides[SIDES], struct fault *reterr)
{
	int at[SIDES] = { find(&sides[0], EIF_CMDLINE, 0),
			  find(&sides[1], EIF_CMDLINE, 0) };

	if (is_same(sides, at[0], at[1]))
		return 0;
	(void)printf("cmdline (PCR0, PCR1): differs\n");
	for (int i = 0; i < SIDES; i++) {
		struct content c = sides[i].eif.sections[at[i]].data;
		uint64_t len = c.len;
		char *text;

		if (len > CMDLINE_SHOWN_MAX)
			c.len = CMDLINE_SHOWN_MAX;
		if (content_slurp(&c, CMDLINE_SHOWN_MAX, "cmdline", &text,
				  reterr) < 0)
			return fault_prefix(reterr, "%s", sides[i].eif.path);
		(void)printf("  %c: ", "AB"[i]);
		escape_print(stdout, text, (size_t)c.len);
		(void)puts(c.len < len ? "..." : "");
		free(text);
	}
	return 0;
}

static int diff_one_ramdisk(const struct side sides[SIDES], int a, int b,
			    struct fault *reterr)
{
	struct listing l[SIDES] = { 0 };
	int r = -1;

	if (listing_read_section(&sides[0].eif, (size_t)a, NULL, &l[0],
				 reterr) == 0 &&
	    listing_read_section(&sides[1].eif, (size_t)b, NULL, &l[1],
				 reterr) == 0)
		r = diff_listings(&l[0], &l[1], reterr);
	listing_free(&l[0]);
	listing_free(&l[1]);
	return r;
}

/* All of them, even where one cannot be read; the last fault is given. */
static int diff_ramdisks(const struct command *c,
			 const struct side sides[SIDES])
{
	struct fault f;
	int code = EXIT_DONE, a, b;

	for (unsigned n = 0;; n++) {
		a = find(&sides[0], EIF_RAMDISK, n);
		b = find(&sides[1], EIF_RAMDISK, n);
		if (a < 0 && b < 0)
			return code;
		if (a >= 0 && b >= 0 && is_same(sides, a, b))
			continue;
		(void)printf("ramdisk %u (PCR0, PCR%d): ", n, n ? 2 : 1);
		if (a < 0 || b < 0) {
			(void)printf("only in %c, SHA-384 ", "AB"[a < 0]);
			print_hash(a < 0 ? sides[1].hashes[b] :
					   sides[0].hashes[a]);
			continue;
		}
		(void)printf("differs\n");
		if (diff_one_ramdisk(sides, a, b, &f) < 0)
			code = command_fail(c, &f);
	}
}

static void diff_signature(const struct side sides[SIDES])
{
	int a = find(&sides[0], EIF_SIGNATURE, 0);
	int b = find(&sides[1], EIF_SIGNATURE, 0);

	if ((a < 0 && b < 0) || (a >= 0 && b >= 0 && is_same(sides, a, b)))
		return;
	if (a >= 0 && b >= 0 &&
	    memcmp(sides[0].pcrs.pcr8, sides[1].pcrs.pcr8, EIF_HASH) == 0) {
		(void)puts("signature (not measured): differs, the certificate "
			   "is the same");
		return;
	}
	(void)puts("certificate (PCR8): differs");
	for (int i = 0; i < SIDES; i++) {
		const struct sign_info *s = &sides[i].sign;

		(void)printf("  %c: ", "AB"[i]);
		if ((i ? b : a) < 0) {
			(void)puts("none");
			continue;
		}
		escape_print(stdout, s->subject, strlen(s->subject));
		(void)printf(", issued by ");
		escape_print(stdout, s->issuer, strlen(s->issuer));
		(void)printf(", %s to %s\n", s->from, s->to);
	}
}

/* --- what is not measured --- */

static void diff_number(const char *name, const char *format, uint64_t a,
			uint64_t b)
{
	if (a == b)
		return;
	(void)printf("%s (not measured): A ", name);
	(void)printf(strcmp(format, "x") == 0 ? "0x%04" PRIx64 : "%" PRIu64, a);
	(void)printf(", B ");
	(void)printf(strcmp(format, "x") == 0 ? "0x%04" PRIx64 : "%" PRIu64, b);
	(void)putchar('\n');
}

static void diff_head(const struct eif *a, const struct eif *b)
{
	bool same = a->count == b->count;

	diff_number("version", "", a->version, b->version);
	diff_number("flags", "x", a->flags, b->flags);
	diff_number("default_mem", "", a->default_mem, b->default_mem);
	diff_number("default_cpus", "", a->default_cpus, b->default_cpus);
	for (size_t i = 0; same && i < a->count; i++)
		same = a->sections[i].type == b->sections[i].type;
	if (same)
		return;
	(void)puts("sections: others, or in another order");
	for (int side = 0; side < SIDES; side++) {
		const struct eif *eif = side ? b : a;

		(void)printf("  %c:", "AB"[side]);
		for (size_t i = 0; i < eif->count; i++)
			(void)printf(" %s",
				     eif_type_name(eif->sections[i].type));
		(void)putchar('\n');
	}
}

static int read_metadata(const struct side *s, int at, cJSON **ret,
			 struct fault *reterr)
{
	const struct content *c;
	char *text;
	int r = -1;

	if (at < 0)
		return 0;
	c = &s->eif.sections[at].data;
	if (content_slurp(c, METADATA_MAX, "metadata", &text, reterr) == 0) {
		r = json_parse(text, (size_t)c->len, ret, reterr);
		free(text);
	}
	if (r < 0)
		return fault_prefix(reterr,
				    "%s: section %d (metadata) at offset "
				    "%" PRIu64,
				    s->eif.path, at,
				    s->eif.sections[at].offset);
	return 0;
}

static int diff_metadata(const struct command *c,
			 const struct side sides[SIDES])
{
	int at[SIDES] = { find(&sides[0], EIF_METADATA, 0),
			  find(&sides[1], EIF_METADATA, 0) };
	cJSON *json[SIDES] = { NULL, NULL };
	int code = EXIT_DONE;
	struct fault f;
	bool bad = false;
	size_t count;

	if ((at[0] < 0 && at[1] < 0) ||
	    (at[0] >= 0 && at[1] >= 0 && is_same(sides, at[0], at[1])))
		return code;
	(void)puts("metadata (not measured): differs");
	for (int i = 0; i < SIDES; i++) {
		if (read_metadata(&sides[i], at[i], &json[i], &f) == 0)
			continue;
		command_note(c, "%s", f.text);
		bad = true;
	}
	if (!bad && !diff_json(json[0], json[1], &count)) {
		(void)fault_system(&f, ENOMEM, "metadata");
		code = command_fail(c, &f);
	} else if (!bad && count == 0) {
		(void)puts("  only in its form");
	}
	cJSON_Delete(json[0]);
	cJSON_Delete(json[1]);
	return code;
}

/* --- the command --- */

static int diff(const struct command *c, const struct side sides[SIDES])
{
	struct fault f;
	bool differs = diff_pcrs(&sides[0].pcrs, &sides[1].pcrs);
	int code = differs ? EXIT_REFUSED : EXIT_DONE, r;

	diff_kernel(sides);
	if (diff_cmdline(sides, &f) < 0)
		code = command_fail(c, &f);
	r = diff_ramdisks(c, sides);
	if (r > code)
		code = r;
	diff_signature(sides);
	diff_head(&sides[0].eif, &sides[1].eif);
	r = diff_metadata(c, sides);
	return r > code ? r : code;
}

static int run(const struct command *c, int argc, char **argv)
{
	struct side *sides;
	struct fault fault;
	int code = EXIT_USAGE;

	if (command_option(c, argc, argv, options) >= 0 ||
	    !command_arguments(c, argc, argv, SIDES, "an image"))
		return EXIT_USAGE;
	sides = calloc(SIDES, sizeof(*sides));
	if (!sides) {
		(void)fault_system(&fault, ENOMEM, "diff");
		return command_fail(c, &fault);
	}
	if (open_side(argv[optind], &sides[0], &fault) < 0) {
		code = command_fail(c, &fault);
		goto out;
	}
	if (open_side(argv[optind + 1], &sides[1], &fault) < 0)
		code = command_fail(c, &fault);
	else
		code = command_end(c, diff(c, sides));
	eif_close(&sides[0].eif);
	eif_close(&sides[1].eif);
out:
	free(sides);
	return code;
}

const struct command command_diff = {
	.name = "diff",
	.does = "which measurements of two images differ, and why",
	.help = "usage: mkeif diff A.eif B.eif\n"
		"Says which of PCR0, 1, 2 and 8 differ, and what made them: kernel, command\n"
		"line, each ramdisk's files, the certificate. Where no file differs it says\n"
		"what of the archive does. What is not measured comes last.\n"
		"The exit code is 0 where the PCRs are equal, and 1 where they are not.\n",
	.options = options,
	.run = run,
};
