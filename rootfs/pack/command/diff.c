#include "rootfs/pack/command/diff.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rootfs/pack/base/escape.h"
#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/json.h"
#include "rootfs/pack/command/command.h"
#include "rootfs/pack/command/emit.h"
#include "rootfs/pack/eif/measure.h"
#include "rootfs/pack/eif/metadata.h"
#include "rootfs/pack/ramdisk/kernel.h"
#include "rootfs/pack/sign/signature.h"

enum {
	SIDES = 2,
	CMDLINE_SHOWN_MAX = 1 << 16, /* bytes */
};

struct side {
	struct eif eif;
	struct eif_pcrs pcrs;
	struct cert_info sign; /* where PCR8 is */
	uint8_t hashes[EIF_SECTIONS_MAX][EIF_HASH];
};

enum { O_JSON = 1 };

static const struct option options[] = {
	{ "json", no_argument, NULL, O_JSON },
	{ 0 },
};

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
	r = signature_parse((const uint8_t *)text, (size_t)section->data.len,
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

static void print_side(int side)
{
	(void)printf("  %c: ", "AB"[side]);
}

static const char *const sides_keys[SIDES] = { "A", "B" };

static bool diff_pcr(struct emit *e, int number, const uint8_t *a,
		     const uint8_t *b)
{
	bool same = a && b && memcmp(a, b, EIF_HASH) == 0;
	char key[8];

	if (!a && !b)
		return false;
	(void)snprintf(key, sizeof(key), "PCR%d", number);
	if (e) {
		emit_open(e, key, '{');
		emit_bool(e, "Equal", same);
	} else {
		(void)printf("%s: %s\n", key, same ? "the same" : "differs");
	}
	for (int i = 0; i < SIDES; i++) {
		const uint8_t *pcr = i ? b : a;

		if (e && pcr) {
			emit_hash(e, sides_keys[i], pcr);
		} else if (e) {
			emit_null(e, sides_keys[i]);
		} else if (!same) {
			print_side(i);
			if (pcr)
				print_hash(pcr);
			else
				(void)puts("none: not signed");
		}
	}
	if (e)
		emit_close(e, '{');
	return !same;
}

static bool diff_pcrs(struct emit *e, const struct eif_pcrs *a,
		      const struct eif_pcrs *b)
{
	bool differs;

	if (e)
		emit_open(e, "Measurements", '{');
	differs = diff_pcr(e, 0, a->pcr0, b->pcr0);
	differs |= diff_pcr(e, 1, a->pcr1, b->pcr1);
	differs |= diff_pcr(e, 2, a->pcr2, b->pcr2);
	differs |= diff_pcr(e, 8, a->has_pcr8 ? a->pcr8 : NULL,
			    b->has_pcr8 ? b->pcr8 : NULL);
	if (e)
		emit_close(e, '{');
	return differs;
}

/* --- what made them --- */

static void diff_kernel(struct emit *e, const struct side sides[SIDES])
{
	int at[SIDES] = { find(&sides[0], EIF_KERNEL, 0),
			  find(&sides[1], EIF_KERNEL, 0) };
	struct fault ignored;
	struct kernel k;

	if (is_same(sides, at[0], at[1]))
		return;
	if (e)
		emit_open(e, "Kernel", '{');
	else
		(void)printf("kernel (PCR0, PCR1): differs\n");
	for (int i = 0; i < SIDES; i++) {
		const struct content *c = &sides[i].eif.sections[at[i]].data;
		const uint8_t *hash = sides[i].hashes[at[i]];
		bool known = kernel_inspect("", c, &k, &ignored) == 0 &&
			     *k.version;

		if (e) {
			emit_open(e, sides_keys[i], '{');
			if (known)
				emit_string(e, "Version", k.version);
			emit_number(e, "Size", c->len);
			emit_hash(e, "Sha384", hash);
			emit_close(e, '{');
			continue;
		}
		print_side(i);
		(void)printf("%s, %" PRIu64 " bytes, SHA-384 ",
			     known ? k.version : "of an unknown version",
			     c->len);
		print_hash(hash);
	}
	if (e)
		emit_close(e, '{');
}

static int diff_cmdline(struct emit *e, const struct side sides[SIDES],
			struct fault *reterr)
{
	int at[SIDES] = { find(&sides[0], EIF_CMDLINE, 0),
			  find(&sides[1], EIF_CMDLINE, 0) };
	int r = 0;

	if (is_same(sides, at[0], at[1]))
		return 0;
	if (e)
		emit_open(e, "Cmdline", '{');
	else
		(void)printf("cmdline (PCR0, PCR1): differs\n");
	for (int i = 0; i < SIDES && r == 0; i++) {
		struct content c = sides[i].eif.sections[at[i]].data;
		uint64_t len = c.len;
		char *text;

		if (len > CMDLINE_SHOWN_MAX)
			c.len = CMDLINE_SHOWN_MAX;
		if (content_slurp(&c, CMDLINE_SHOWN_MAX, "cmdline", &text,
				  reterr) < 0) {
			r = fault_prefix(reterr, "%s", sides[i].eif.path);
			break;
		}
		if (e) {
			emit_string(e, sides_keys[i], text);
		} else {
			print_side(i);
			escape_print(stdout, text, (size_t)c.len);
			(void)puts(c.len < len ? "..." : "");
		}
		free(text);
	}
	if (e)
		emit_close(e, '{');
	return r;
}

/* --- ramdisks --- */

/* Both images' ramdisks, in the order in which the kernel unpacks them. */
struct ramdisks {
	const struct side *sides;
	unsigned number;
	int at[SIDES]; /* the sections; -1: none */
	bool same_bytes;
	bool is_read[SIDES];
	struct diff_ramdisk now[SIDES];
	struct unpack *u[SIDES];
	struct listing_state state[SIDES];
};

static int begin_ramdisks(struct ramdisks *r, const struct side *sides,
			  struct fault *reterr)
{
	memset(r, 0, sizeof(*r));
	r->sides = sides;
	for (int i = 0; i < SIDES; i++) {
		r->u[i] = unpack_new();
		if (!r->u[i])
			return fault_system(reterr, ENOMEM, "diff");
	}
	return 0;
}

static void drop_ramdisk(struct ramdisks *r)
{
	for (int i = 0; i < SIDES; i++) {
		listing_free(&r->now[i].listing);
		unpack_free_files(&r->now[i].unpacked);
	}
}

static void end_ramdisks(struct ramdisks *r)
{
	drop_ramdisk(r);
	for (int i = 0; i < SIDES; i++)
		unpack_free(r->u[i]);
}

/* Ramdisk N of both; false: there is none. */
static bool find_ramdisk(struct ramdisks *r, unsigned n)
{
	drop_ramdisk(r);
	r->number = n;
	for (int i = 0; i < SIDES; i++)
		r->at[i] = find(&r->sides[i], EIF_RAMDISK, n);
	r->same_bytes = r->at[0] >= 0 && r->at[1] >= 0 &&
			is_same(r->sides, r->at[0], r->at[1]);
	return r->at[0] >= 0 || r->at[1] >= 0;
}

static int read_ramdisk(struct ramdisks *r, int side, bool hashes,
			struct fault *reterr)
{
	const struct eif *eif = &r->sides[side].eif;
	const struct listing_how how = {
		.without_hashes = !hashes,
		.state = &r->state[side],
	};
	struct diff_ramdisk *now = &r->now[side];
	size_t at = (size_t)r->at[side];

	r->is_read[side] = false;
	if (listing_read_section(eif, at, &how, &now->listing, reterr) < 0) {
		unpack_skip(r->u[side]);
		return -1;
	}
	if (unpack_ramdisk(r->u[side], &now->listing, &now->unpacked, reterr) <
	    0)
		return fault_prefix(reterr, "%s: section %zu (ramdisk)",
				    eif->path, at);
	r->is_read[side] = true;
	return 0;
}

/*
 * Ramdisks of the same bytes need not be hashed, nor reported, unless what is before them
 * has the kernel leave something else of them: *RET_MOVED, a bit for each. *RET_HASHES: hash them
 * all, as files have contents of another ramdisk.
 */
static int look_ahead(const struct side sides[SIDES], uint32_t *ret_moved,
		      bool *ret_hashes, struct fault *reterr)
{
	struct fault ignored;
	struct ramdisks r;
	bool same;
	int ret = -1;

	*ret_moved = 0;
	*ret_hashes = false;
	if (begin_ramdisks(&r, sides, reterr) < 0)
		goto out;
	for (unsigned n = 0; find_ramdisk(&r, n); n++) {
		bool good = true;

		for (int i = 0; i < SIDES; i++)
			if (r.at[i] >= 0 &&
			    read_ramdisk(&r, i, false, &ignored) < 0)
				good = false;
		if (!good || r.at[0] < 0 || r.at[1] < 0)
			continue;
		same = diff_is_same(&r.now[0].unpacked, &r.now[1].unpacked, n,
				    ret_hashes);
		if (r.same_bytes && !same) {
			*ret_moved |= UINT32_C(1) << n;
			*ret_hashes = true;
		}
	}
	ret = 0;
out:
	end_ramdisks(&r);
	return ret;
}

static void begin_report(struct emit *e, const struct ramdisks *r)
{
	bool both = r->at[0] >= 0 && r->at[1] >= 0;
	int side = r->at[0] < 0;
	const uint8_t *hash = r->sides[side].hashes[r->at[side]];

	if (e) {
		emit_open(e, NULL, '{');
		emit_number(e, "Number", r->number);
		emit_bool(e, "SameBytes", r->same_bytes);
		if (!both) {
			emit_string(e, "OnlyIn", sides_keys[side]);
			emit_hash(e, "Sha384", hash);
		}
		return;
	}
	(void)printf("ramdisk %u (PCR0, PCR%d): ", r->number,
		     r->number ? 2 : 1);
	if (!both) {
		(void)printf("only in %c, SHA-384 ", "AB"[side]);
		print_hash(hash);
		return;
	}
	(void)puts(r->same_bytes ? "the same, but by what is before it the "
				   "kernel leaves something else of it" :
				   "differs");
}

static int report_ramdisk(struct emit *e, const struct ramdisks *r,
			  struct fault *reterr)
{
	int ret = 0;

	begin_report(e, r);
	if (r->is_read[0] && r->is_read[1])
		ret = diff_ramdisk(e, &r->now[0], &r->now[1], r->same_bytes,
				   reterr);
	else if (r->at[0] < 0 || r->at[1] < 0)
		ret = diff_warnings(e,
				    r->is_read[0] ? &r->now[0].unpacked : NULL,
				    r->is_read[1] ? &r->now[1].unpacked : NULL,
				    reterr);
	if (e)
		emit_close(e, '{');
	return ret;
}

/* All of them, even where one cannot be read. */
static int diff_ramdisks(const struct command *c, struct emit *e,
			 const struct side sides[SIDES], struct fault *reterr)
{
	uint32_t moved;
	struct ramdisks r;
	bool hashes, differs = false;
	int ret = 0;

	memset(&r, 0, sizeof(r));
	r.sides = sides;
	for (unsigned n = 0; find_ramdisk(&r, n); n++)
		differs |= !r.same_bytes;
	if (!differs)
		return 0;
	if (look_ahead(sides, &moved, &hashes, reterr) < 0 ||
	    begin_ramdisks(&r, sides, reterr) < 0) {
		ret = -1;
		goto out;
	}
	if (e)
		emit_open(e, "Ramdisks", '[');
	for (unsigned n = 0; find_ramdisk(&r, n); n++) {
		bool is_told = !r.same_bytes || moved & UINT32_C(1) << n;

		for (int i = 0; i < SIDES; i++) {
			r.is_read[i] = false;
			if (r.at[i] < 0 ||
			    read_ramdisk(&r, i, hashes || is_told, reterr) == 0)
				continue;
			if (is_told) {
				(void)command_fail(c, reterr);
				ret = -2;
			}
		}
		if (is_told && report_ramdisk(e, &r, reterr) < 0) {
			(void)command_fail(c, reterr);
			ret = -2;
		}
	}
	if (e)
		emit_close(e, '[');
out:
	end_ramdisks(&r);
	return ret;
}

static void report_certificate(struct emit *e, const struct cert_info *s,
			       int side)
{
	if (!e) {
		print_side(side);
		if (!s) {
			(void)puts("none");
			return;
		}
		escape_print(stdout, s->subject, strlen(s->subject));
		(void)printf(", issued by ");
		escape_print(stdout, s->issuer, strlen(s->issuer));
		(void)printf(", %s to %s\n", s->from, s->to);
		return;
	}
	if (!s) {
		emit_null(e, sides_keys[side]);
		return;
	}
	emit_open(e, sides_keys[side], '{');
	emit_string(e, "Subject", s->subject);
	emit_string(e, "Issuer", s->issuer);
	emit_string(e, "NotBefore", s->from);
	emit_string(e, "NotAfter", s->to);
	emit_close(e, '{');
}

static void diff_signature(struct emit *e, const struct side sides[SIDES])
{
	int a = find(&sides[0], EIF_SIGNATURE, 0);
	int b = find(&sides[1], EIF_SIGNATURE, 0);

	if ((a < 0 && b < 0) || (a >= 0 && b >= 0 && is_same(sides, a, b)))
		return;
	if (a >= 0 && b >= 0 &&
	    memcmp(sides[0].pcrs.pcr8, sides[1].pcrs.pcr8, EIF_HASH) == 0) {
		if (e)
			emit_string(e, "Signature", "differs");
		else
			(void)puts("signature (not measured): differs, the "
				   "certificate is the same");
		return;
	}
	if (e)
		emit_open(e, "Certificate", '{');
	else
		(void)puts("certificate (PCR8): differs");
	report_certificate(e, a < 0 ? NULL : &sides[0].sign, 0);
	report_certificate(e, b < 0 ? NULL : &sides[1].sign, 1);
	if (e)
		emit_close(e, '{');
}

/* --- what is not measured --- */

static void diff_number(struct emit *e, const char *name, const char *key,
			bool is_hex, uint64_t a, uint64_t b)
{
	if (a == b)
		return;
	if (e) {
		emit_open(e, key, '{');
		emit_number(e, "A", a);
		emit_number(e, "B", b);
		emit_close(e, '{');
		return;
	}
	(void)printf("%s (not measured): A ", name);
	(void)printf(is_hex ? "0x%04" PRIx64 : "%" PRIu64, a);
	(void)printf(", B ");
	(void)printf(is_hex ? "0x%04" PRIx64 : "%" PRIu64, b);
	(void)putchar('\n');
}

static void diff_head(struct emit *e, const struct eif *a, const struct eif *b)
{
	bool same = a->count == b->count;

	diff_number(e, "version", "Version", false, a->version, b->version);
	diff_number(e, "flags", "Flags", true, a->flags, b->flags);
	diff_number(e, "default_mem", "DefaultMem", false, a->default_mem,
		    b->default_mem);
	diff_number(e, "default_cpus", "DefaultCpus", false, a->default_cpus,
		    b->default_cpus);
	for (size_t i = 0; same && i < a->count; i++)
		same = a->sections[i].type == b->sections[i].type;
	if (same)
		return;
	if (e)
		emit_open(e, "Sections", '{');
	else
		(void)puts("sections: others, or in another order");
	for (int side = 0; side < SIDES; side++) {
		const struct eif *eif = side ? b : a;

		if (e)
			emit_open(e, sides_keys[side], '[');
		else
			(void)printf("  %c:", "AB"[side]);
		for (size_t i = 0; i < eif->count; i++) {
			const char *name = eif_type_name(eif->sections[i].type);

			if (e)
				emit_string(e, NULL, name);
			else
				(void)printf(" %s", name);
		}
		if (e)
			emit_close(e, '[');
		else
			(void)putchar('\n');
	}
	if (e)
		emit_close(e, '{');
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

/* What cannot be read as JSON differs, and no more is known. */
static int diff_metadata(const struct command *c, struct emit *e,
			 const struct side sides[SIDES], struct fault *reterr)
{
	int at[SIDES] = { find(&sides[0], EIF_METADATA, 0),
			  find(&sides[1], EIF_METADATA, 0) };
	cJSON *json[SIDES] = { NULL, NULL };
	bool bad = false;
	size_t count;
	int r = 0;

	if ((at[0] < 0 && at[1] < 0) ||
	    (at[0] >= 0 && at[1] >= 0 && is_same(sides, at[0], at[1])))
		return 0;
	if (e)
		emit_open(e, "Metadata", '[');
	else
		(void)puts("metadata (not measured): differs");
	for (int i = 0; i < SIDES; i++) {
		if (read_metadata(&sides[i], at[i], &json[i], reterr) == 0)
			continue;
		command_note(c, "%s", reterr->text);
		bad = true;
	}
	if (!bad && !diff_json(e, json[0], json[1], &count))
		r = fault_system(reterr, ENOMEM, "metadata");
	else if (!bad && count == 0 && !e)
		(void)puts("  only in its form");
	if (e)
		emit_close(e, '[');
	cJSON_Delete(json[0]);
	cJSON_Delete(json[1]);
	return r;
}

/* --- the command --- */

/* As diff(1) and cmp(1) have them. */
enum { EXIT_EQUAL = 0, EXIT_DIFFERS = 1, EXIT_TROUBLE = 2 };

static int trouble(const struct command *c, const struct fault *f)
{
	(void)command_fail(c, f);
	return EXIT_TROUBLE;
}

/* All that can be told, even where something cannot. */
static int diff(const struct command *c, struct emit *e,
		const struct side sides[SIDES])
{
	struct fault f;
	int code, r;

	if (e)
		emit_open(e, NULL, '{');
	code = diff_pcrs(e, &sides[0].pcrs, &sides[1].pcrs) ? EXIT_DIFFERS :
							      EXIT_EQUAL;
	diff_kernel(e, sides);
	if (diff_cmdline(e, sides, &f) < 0)
		code = trouble(c, &f);
	r = diff_ramdisks(c, e, sides, &f);
	if (r == -1)
		code = trouble(c, &f);
	else if (r < 0) /* it is told */
		code = EXIT_TROUBLE;
	diff_signature(e, sides);
	diff_head(e, &sides[0].eif, &sides[1].eif);
	if (diff_metadata(c, e, sides, &f) < 0)
		code = trouble(c, &f);
	if (e)
		emit_close(e, '{');
	return code;
}

static int run(const struct command *c, int argc, char **argv)
{
	struct emit emit = { .to = stdout };
	bool json = false;
	struct side *sides;
	struct fault fault;
	int option, code = EXIT_TROUBLE;

	while ((option = command_option(c, argc, argv, options)) >= 0) {
		if (option == '?')
			return EXIT_USAGE;
		json = true;
	}
	if (!command_arguments(c, argc, argv, SIDES, "an image"))
		return EXIT_USAGE;
	sides = calloc(SIDES, sizeof(*sides));
	if (!sides) {
		(void)fault_system(&fault, ENOMEM, "diff");
		return trouble(c, &fault);
	}
	if (open_side(argv[optind], &sides[0], &fault) < 0) {
		code = trouble(c, &fault);
		goto out;
	}
	if (open_side(argv[optind + 1], &sides[1], &fault) < 0)
		code = trouble(c, &fault);
	else
		code = diff(c, json ? &emit : NULL, sides);
	if (command_end(c, EXIT_DONE) != EXIT_DONE)
		code = EXIT_TROUBLE;
	eif_close(&sides[0].eif);
	eif_close(&sides[1].eif);
out:
	free(sides);
	return code;
}

const struct command diff_command = {
	.name = "diff",
	.does = "which measurements of two images differ, and why",
	.help = "usage: mkeif diff A.eif B.eif [--json]\n"
		"Says which of PCR0, 1, 2 and 8 differ, and what made them: kernel, command\n"
		"line, each ramdisk's files as the kernel leaves them, the certificate. Where no\n"
		"file differs it says what of the archive does. What is not measured comes last.\n"
		"  --json  the same as JSON\n"
		"The exit code is that of diff and cmp: 0 where the PCRs are equal, 1 where they\n"
		"differ, 2 where there was trouble.\n",
	.options = options,
	.run = run,
};
