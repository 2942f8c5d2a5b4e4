#include "rootfs/pack/command/describe.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "rootfs/pack/base/civil.h"
#include "rootfs/pack/base/escape.h"
#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/json.h"
#include "rootfs/pack/base/json_print.h"
#include "rootfs/pack/command/command.h"
#include "rootfs/pack/eif/measure.h"
#include "rootfs/pack/eif/metadata.h"
#include "rootfs/pack/ramdisk/kernel.h"
#include "rootfs/pack/ramdisk/unpack.h"

enum {
	O_JSON = 1,
	O_FILES,
	CMDLINE_SHOWN_MAX = 1 << 16, /* bytes */
};

static const struct option options[] = {
	{ "json", no_argument, NULL, O_JSON },
	{ "files", no_argument, NULL, O_FILES },
	{ "eif-path", required_argument, NULL, COMMAND_ARGUMENT },
	{ 0 },
};

/* --- finding --- */

static int section_fault(const struct eif_section *s, const struct eif *eif,
			 struct fault *reterr)
{
	return fault_prefix(reterr, "%s: section %zu (%s) at offset %" PRIu64,
			    eif->path, (size_t)(s - eif->sections),
			    eif_type_name(s->type), s->offset);
}

static int read_signature(const struct eif_section *s, struct description *d,
			  struct fault *reterr)
{
	char *text;
	int r;

	if (content_slurp(&s->data, EIF_SIGNATURE_MAX, "signature", &text,
			  reterr) < 0)
		return -1;
	r = signature_parse((const uint8_t *)text, (size_t)s->data.len,
			    d->pcrs.pcr0, time(NULL), &d->sign, reterr);
	free(text);
	if (r < 0)
		return -1;
	d->has_sign_info = true;
	d->pcrs.has_pcr8 = true;
	memcpy(d->pcrs.pcr8, d->sign.pcr8, EIF_HASH);
	if (!d->sign.is_valid)
		return fault_refuse(reterr, "the signature is not this "
					    "certificate's of this image");
	if (!d->sign.is_cert_in_time)
		return fault_refuse(reterr,
				    "the certificate is valid from %s to %s, "
				    "not now: run-enclave refuses the image",
				    d->sign.from, d->sign.to);
	return 0;
}

static int read_metadata(const struct eif_section *s, struct description *d,
			 struct fault *reterr)
{
	size_t len = (size_t)s->data.len;
	char *text;
	int r = -1;

	if (content_slurp(&s->data, METADATA_MAX, "metadata", &text, reterr) <
	    0)
		return -1;
	r = json_parse(text, len, &d->metadata, reterr);
	free(text);
	return r;
}

/* What is wrong is said, and the rest is looked at nevertheless. */
static int tell(const struct command *c, const struct fault *f, int code)
{
	int now = command_fail(c, f);

	return code == EXIT_FILE ? code : now;
}

static int examine(const struct command *c, struct description *d, int code)
{
	const struct eif_section *s;
	struct fault f;

	if (eif_check_crc(&d->eif, &f) < 0)
		code = tell(c, &f, code);
	if (eif_check_table(&d->eif, &f) < 0)
		code = tell(c, &f, code);
	s = eif_find(&d->eif, EIF_SIGNATURE);
	d->is_signed = s != NULL;
	if (s && read_signature(s, d, &f) < 0) {
		(void)section_fault(s, &d->eif, &f);
		code = tell(c, &f, code);
	}
	s = eif_find(&d->eif, EIF_METADATA);
	if (s && read_metadata(s, d, &f) < 0) {
		(void)section_fault(s, &d->eif, &f);
		code = tell(c, &f, code);
	}
	return code;
}

static int open_image(const char *path, struct description *d,
		      struct fault *reterr)
{
	if (eif_open(path, &d->eif, reterr) < 0)
		return -1;
	for (size_t i = 0; i < d->eif.count; i++) {
		const struct eif_section *s = &d->eif.sections[i];

		if (measure_content(&s->data, d->hashes[i], reterr) < 0) {
			(void)section_fault(s, &d->eif, reterr);
			goto fail;
		}
	}
	if (eif_measure(&d->eif, &d->pcrs, reterr) == 0)
		return 0;
fail:
	eif_close(&d->eif);
	return -1;
}

/* --- text --- */

static void print_hash(const uint8_t hash[EIF_HASH])
{
	for (size_t i = 0; i < EIF_HASH; i++)
		(void)printf("%02x", hash[i]);
	(void)putchar('\n');
}

static void print_head(const struct eif *eif)
{
	const char *flag;

	escape_print(stdout, eif->path, strlen(eif->path));
	(void)printf("\n"
		     "  version       %u\n"
		     "  flags         0x%04x (%s",
		     eif->version, eif->flags, eif_arch_name(eif->arch));
	for (unsigned n = 0; (flag = eif_flag_name(eif->flags, n)); n++)
		(void)printf(", %s", flag);
	(void)printf("%s)\n"
		     "  default_mem   %" PRIu64 "\n"
		     "  default_cpus  %" PRIu64 "\n"
		     "  size          %" PRIu64 "\n"
		     "  CRC           %08x",
		     eif_flag_name(eif->flags, 0) ? "; in no PCR" : "",
		     eif->default_mem, eif->default_cpus, eif->len, eif->crc);
	if (eif->crc == eif->crc_computed)
		(void)puts(" (computed: the same)");
	else
		(void)printf(" (computed: %08x, WRONG)\n", eif->crc_computed);
}

static void print_sections(const struct description *d)
{
	(void)printf("\n%zu sections\n"
		     "   # type          offset       size  SHA-384\n",
		     d->eif.count);
	for (size_t i = 0; i < d->eif.count; i++) {
		const struct eif_section *s = &d->eif.sections[i];

		(void)printf("  %2zu %-9s %10" PRIu64 " %10" PRIu64 "  ", i,
			     eif_type_name(s->type), s->offset, s->data.len);
		print_hash(d->hashes[i]);
	}
}

static int print_boot(const struct eif *eif, struct fault *reterr)
{
	const struct eif_section *kernel = eif_find(eif, EIF_KERNEL);
	const struct eif_section *cmdline = eif_find(eif, EIF_CMDLINE);
	struct content shown = cmdline->data;
	struct fault ignored;
	struct kernel k;
	char *text;

	(void)printf("\nBoot\n");
	/* Another loader may take what we do not know. */
	if (kernel_inspect("", &kernel->data, &k, &ignored) == 0)
		(void)printf("  kernel   %s, %s\n", eif_arch_name(k.arch),
			     *k.version ? k.version : "of an unknown version");
	if (shown.len > CMDLINE_SHOWN_MAX)
		shown.len = CMDLINE_SHOWN_MAX;
	if (content_slurp(&shown, CMDLINE_SHOWN_MAX, "cmdline", &text, reterr) <
	    0)
		return section_fault(cmdline, eif, reterr);
	(void)printf("  cmdline  ");
	escape_print(stdout, text, (size_t)shown.len);
	(void)puts(shown.len < cmdline->data.len ? "..." : "");
	free(text);
	return 0;
}

static void print_measurements(const struct eif_pcrs *pcrs)
{
	const uint8_t *const values[] = { pcrs->pcr0, pcrs->pcr1, pcrs->pcr2 };

	(void)printf(
		"\nMeasurements (SHA-384), and what they are extended with\n");
	for (int i = 0; i < 3; i++) {
		(void)printf("  PCR%d  ", i);
		print_hash(values[i]);
		(void)printf("        ");
		print_hash(pcrs->contents[i]);
	}
	if (pcrs->has_pcr8) {
		(void)printf("  PCR8  ");
		print_hash(pcrs->pcr8);
	}
}

/* TEXT is escaped, where it is a certificate's: as openssl does it. */
static void print_line(const char *name, const char *text)
{
	(void)printf("  %-12s  %s\n", name, text);
}

static void print_signature(const struct description *d)
{
	const struct cert_info *s = &d->sign;

	(void)printf("\nSignature\n");
	if (!d->is_signed) {
		(void)puts("  none");
		return;
	}
	if (!d->has_sign_info) {
		(void)puts("  cannot be read");
		return;
	}
	print_line("of PCR0", s->is_valid ? "right" : "WRONG");
	print_line("subject", s->subject);
	print_line("issuer", s->issuer);
	print_line("algorithm", s->algorithm);
	print_line("valid from", s->from);
	print_line("valid to", s->to);
	if (!s->is_cert_in_time)
		print_line("now", "NOT VALID");
}

static void print_metadata(const cJSON *metadata)
{
	(void)printf("\nMetadata (not measured)\n");
	if (!metadata) {
		(void)puts("  none");
		return;
	}
	(void)printf("  ");
	json_print_value(stdout, metadata, 1);
	(void)putchar('\n');
}

/* --- files, as ls -l has them --- */

static void print_mode(uint32_t mode)
{
	static const char types[] = "?pc?d?b?-?l?s???";
	char text[11];

	text[0] = types[(mode & S_IFMT) >> 12];
	for (int i = 0; i < 9; i++)
		text[1 + i] = (char)(mode & (0400U >> i) ? "rwx"[i % 3] : '-');
	if (mode & S_ISUID)
		text[3] = mode & S_IXUSR ? 's' : 'S';
	if (mode & S_ISGID)
		text[6] = mode & S_IXGRP ? 's' : 'S';
	if (mode & S_ISVTX)
		text[9] = mode & S_IXOTH ? 't' : 'T';
	text[10] = '\0';
	(void)printf("  %s", text);
}

static void print_file(const struct unpacked *r, const struct unpacked_file *f)
{
	char when[CIVIL_CAP], device[32];
	const char *first;

	print_mode(f->mode);
	(void)printf(" %3u %5u %5u", f->nlink, f->uid, f->gid);
	if (S_ISCHR(f->mode) || S_ISBLK(f->mode)) {
		(void)snprintf(device, sizeof(device), "%u, %u", f->rdev_major,
			       f->rdev_minor);
		(void)printf(" %10s", device);
	} else {
		(void)printf(" %10" PRIu64,
			     f->target ? strlen(f->target) : f->size);
	}
	(void)civil_text(f->mtime, CIVIL_MINUTE, when);
	(void)printf(" %s ", when);
	escape_print(stdout, f->path, strlen(f->path));
	if (f->target) {
		(void)fputs(" -> ", stdout);
		escape_print(stdout, f->target, strlen(f->target));
	}
	if (f->link && r->files + f->link - 1 != f) {
		first = r->files[f->link - 1].path;
		(void)fputs(" link to ", stdout);
		escape_print(stdout, first, strlen(first));
	}
	(void)putchar('\n');
}

static void print_warnings(const struct unpacked *r)
{
	for (size_t i = 0; i < r->warning_count; i++) {
		(void)fputs("  warning: ", stdout);
		escape_print(stdout, r->warnings[i], strlen(r->warnings[i]));
		(void)putchar('\n');
	}
	if (r->more_warnings)
		(void)printf("  warning: and %zu more\n", r->more_warnings);
}

static void print_files(const struct description *d)
{
	for (size_t i = 0; i < d->ramdisk_count; i++) {
		const struct description_ramdisk *rd = &d->ramdisks[i];

		(void)printf("\nRamdisk %zu (section %zu)", i, rd->section);
		if (rd->fault) {
			(void)printf(": cannot be read\n");
			continue;
		}
		(void)printf(": %zu names, %u archive%s, compression: %s\n",
			     rd->unpacked.count, rd->archives,
			     rd->archives == 1 ? "" : "s", rd->compression);
		for (size_t n = 0; n < rd->unpacked.count; n++)
			print_file(&rd->unpacked, &rd->unpacked.files[n]);
		print_warnings(&rd->unpacked);
	}
}

static int read_ramdisk(struct description *d, size_t section, struct unpack *u,
			struct listing_state *state, struct fault *reterr)
{
	struct description_ramdisk *rd = &d->ramdisks[d->ramdisk_count++];
	const struct listing_how how = {
		.without_hashes = !d->has_files,
		.state = state,
	};
	struct listing l;
	int r;

	rd->section = section;
	r = listing_read_section(&d->eif, section, &how, &l, reterr);
	if (r == 0) {
		rd->archives = l.archives;
		rd->compression = l.compression;
		r = unpack_ramdisk(u, &l, &rd->unpacked, reterr);
		if (r < 0)
			(void)fault_prefix(reterr, "%s: section %zu (ramdisk)",
					   d->eif.path, section);
	} else {
		unpack_skip(u);
	}
	listing_free(&l);
	if (r < 0)
		rd->fault = strdup(reterr->text);
	return r;
}

/* All of them in one root; without a file's hash where it is not to be shown. */
static int read_ramdisks(const struct command *c, struct description *d,
			 int code)
{
	struct listing_state state = { 0 };
	struct unpack *u = unpack_new();
	struct fault f;

	if (!u) {
		(void)fault_system(&f, ENOMEM, "%s", d->eif.path);
		return tell(c, &f, code);
	}
	for (size_t i = 0; i < d->eif.count; i++) {
		if (d->eif.sections[i].type != EIF_RAMDISK)
			continue;
		/* That one cannot be read is a warning if nobody asks for its files. */
		if (read_ramdisk(d, i, u, &state, &f) < 0 && d->has_files)
			code = tell(c, &f, code);
	}
	unpack_free(u);
	return code;
}

static void free_ramdisks(struct description *d)
{
	for (size_t i = 0; i < d->ramdisk_count; i++) {
		free(d->ramdisks[i].fault);
		unpack_free_files(&d->ramdisks[i].unpacked);
	}
}

/* --- the command --- */

static int print_text(const struct command *c, const struct description *d,
		      int code)
{
	struct fault f;

	print_head(&d->eif);
	print_sections(d);
	if (print_boot(&d->eif, &f) < 0)
		code = tell(c, &f, code);
	print_measurements(&d->pcrs);
	print_signature(d);
	print_metadata(d->metadata);
	if (d->has_files)
		print_files(d);
	return code;
}

static int print_json(const struct command *c, const struct description *d,
		      int code)
{
	const char *key;
	struct fault f;

	if (!describe_print_json(d, &key)) {
		(void)fault_system(&f, ENOMEM, "%s", d->eif.path);
		return tell(c, &f, code);
	}
	if (!key)
		return code;
	(void)fault_refuse(&f, "%s: not as nitro-cli wants it", key);
	(void)section_fault(eif_find(&d->eif, EIF_METADATA), &d->eif, &f);
	return tell(c, &f, code);
}

static int run(const struct command *c, int argc, char **argv)
{
	struct description *d = NULL;
	bool json = command_is_nitro_cli(c, argv), files = false;
	int option, code = EXIT_DONE;
	struct fault fault;

	while ((option = command_option(c, argc, argv, options)) >= 0) {
		if (option == '?')
			return EXIT_USAGE;
		json = json || option == O_JSON;
		files = files || option == O_FILES;
	}
	if (!command_arguments(c, argc, argv, 1, "the image"))
		return EXIT_USAGE;
	d = calloc(1, sizeof(*d));
	if (!d) {
		(void)fault_system(&fault, ENOMEM, "describe");
		return command_fail(c, &fault);
	}
	if (open_image(argv[optind], d, &fault) < 0) {
		free(d);
		return command_fail(c, &fault);
	}
	d->has_files = files;
	code = examine(c, d, code);
	if (json || files)
		code = read_ramdisks(c, d, code);
	code = json ? print_json(c, d, code) : print_text(c, d, code);
	free_ramdisks(d);
	cJSON_Delete(d->metadata);
	eif_close(&d->eif);
	free(d);
	return command_end(c, code);
}

const struct command describe_command = {
	.name = "describe",
	.nitro_cli = "describe-eif",
	.does = "header, sections, measurements, signature, files of an image",
	.help = "usage: mkeif describe X.eif [--json] [--files]\n"
		"  --json   what nitro-cli describe-eif prints; Warnings, if there are any\n"
		"  --files  the ramdisks' files, too, as the kernel leaves them; warnings where a\n"
		"           member of a ramdisk is left out, replaced, or goes elsewhere\n"
		"A wrong checksum, signature or metadata is said on stderr, the rest is\n"
		"described, and the exit code is 1.\n",
	.options = options,
	.run = run,
};
