#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "rootfs/pack/base/civil.h"
#include "rootfs/pack/base/tree.h"
#include "rootfs/pack/command/describe.h"
#include "rootfs/pack/command/emit.h"

/* --- the form of serde_json --- */

struct sorted_item {
	cJSON *item;
	size_t at; /* a key that is there twice keeps its order */
};

static int compare_keys(const void *a, const void *b)
{
	const struct sorted_item *x = a, *y = b;
	int r = strcmp(x->item->string, y->item->string);

	return r ? r : (x->at > y->at) - (x->at < y->at);
}

bool describe_sort(cJSON *value)
{
	size_t count = (size_t)cJSON_GetArraySize(value), n = 0;
	struct sorted_item *children;
	cJSON *child;

	cJSON_ArrayForEach(child, value)
	{
		if (!describe_sort(child))
			return false;
	}
	if (!cJSON_IsObject(value) || count == 0)
		return true;
	children = calloc(count, sizeof(*children));
	if (!children)
		return false;
	for (; value->child; n++) {
		children[n].item =
			cJSON_DetachItemViaPointer(value, value->child);
		children[n].at = n;
	}
	qsort(children, count, sizeof(*children), compare_keys);
	for (size_t i = 0; i < count; i++)
		(void)cJSON_AddItemToArray(value, children[i].item);
	free(children);
	return true;
}

static bool add_hex(cJSON *to, const char *key, const uint8_t hash[EIF_HASH])
{
	char text[2 * EIF_HASH + 1];

	for (size_t i = 0; i < EIF_HASH; i++)
		(void)snprintf(text + 2 * i, 3, "%02x", hash[i]);
	return cJSON_AddStringToObject(to, key, text) != NULL;
}

static bool add_measurements(cJSON *to, const struct eif_pcrs *pcrs)
{
	cJSON *m = cJSON_AddObjectToObject(to, "Measurements");

	return m &&
	       cJSON_AddStringToObject(m, "HashAlgorithm", "Sha384 { ... }") &&
	       add_hex(m, "PCR0", pcrs->pcr0) &&
	       add_hex(m, "PCR1", pcrs->pcr1) &&
	       add_hex(m, "PCR2", pcrs->pcr2) &&
	       (!pcrs->has_pcr8 || add_hex(m, "PCR8", pcrs->pcr8));
}

/* --- the certificate --- */

static bool add_issuer(cJSON *to, const struct cert_info *s)
{
	cJSON *names = cJSON_AddObjectToObject(to, "IssuerName");

	if (!names)
		return false;
	for (size_t i = 0; i < s->issuer_part_count; i++) {
		const struct cert_part *part = &s->issuer_parts[i];

		if (!cJSON_AddStringToObject(names, part->key, part->value))
			return false;
	}
	return describe_sort(names);
}

/* "Nov 24 13:20:24 2026 GMT" */
static bool add_time(cJSON *to, const char *key, int64_t seconds)
{
	char text[CIVIL_CAP];

	(void)civil_text(seconds, CIVIL_OPENSSL, text);
	return cJSON_AddStringToObject(to, key, text) != NULL;
}

static bool add_certificate(cJSON *to, const struct cert_info *s)
{
	cJSON *c = cJSON_AddObjectToObject(to, "SigningCertificate");
	char text[3 * CERT_SIGNATURE_MAX + 1] = "";

	if (!c || !add_issuer(c, s))
		return false;
	for (size_t i = 0; i < s->cert_signature_len; i++)
		(void)snprintf(text + 3 * i, 4, "%02X%s", s->cert_signature[i],
			       i + 1 < s->cert_signature_len ? ":" : "");
	return cJSON_AddStringToObject(c, "Algorithm", s->algorithm) &&
	       add_time(c, "NotBefore", s->not_before) &&
	       add_time(c, "NotAfter", s->not_after) &&
	       cJSON_AddStringToObject(c, "Signature", text);
}

/* --- metadata --- */

static bool add_copy(cJSON *to, const char *key, const cJSON *value)
{
	cJSON *copy = cJSON_Duplicate(value, true);

	if (copy && describe_sort(copy) && cJSON_AddItemToObject(to, key, copy))
		return true;
	cJSON_Delete(copy);
	return false;
}

/* The user's keys stand among the others. */
static bool add_custom(cJSON *to, const cJSON *custom)
{
	cJSON *copy, *child;
	bool good;

	if (cJSON_IsNull(custom))
		return true;
	if (!cJSON_IsObject(custom))
		return add_copy(to, "CustomMetadata", custom);
	copy = cJSON_Duplicate(custom, true);
	if (!copy)
		return false;
	good = describe_sort(copy);
	while (good && copy->child) {
		child = cJSON_DetachItemViaPointer(copy, copy->child);
		good = cJSON_AddItemToArray(to, child);
	}
	cJSON_Delete(copy);
	return good;
}

static const char *const build_keys[] = { "BuildTime", "BuildTool",
					  "BuildToolVersion", "OperatingSystem",
					  "KernelVersion" };
enum { BUILD_KEYS = sizeof(build_keys) / sizeof(build_keys[0]) };

/* What nitro-cli's reader would miss. */
static const char *missing_key(const cJSON *m, const cJSON *build)
{
	if (!cJSON_IsString(cJSON_GetObjectItemCaseSensitive(m, "ImageName")))
		return "ImageName";
	if (!cJSON_IsString(
		    cJSON_GetObjectItemCaseSensitive(m, "ImageVersion")))
		return "ImageVersion";
	if (!cJSON_IsObject(build))
		return "BuildMetadata";
	for (size_t i = 0; i < BUILD_KEYS; i++)
		if (!cJSON_IsString(cJSON_GetObjectItemCaseSensitive(
			    build, build_keys[i])))
			return build_keys[i];
	if (!cJSON_GetObjectItemCaseSensitive(m, "DockerInfo"))
		return "DockerInfo";
	if (!cJSON_GetObjectItemCaseSensitive(m, "CustomMetadata"))
		return "CustomMetadata";
	return NULL;
}

static bool add_metadata(cJSON *to, const cJSON *m, const char **ret_key)
{
	const cJSON *build =
		cJSON_GetObjectItemCaseSensitive(m, "BuildMetadata");
	cJSON *group;

	*ret_key = missing_key(m, build);
	if (*ret_key)
		return true;
	if (!add_copy(to, "ImageName",
		      cJSON_GetObjectItemCaseSensitive(m, "ImageName")) ||
	    !add_copy(to, "ImageVersion",
		      cJSON_GetObjectItemCaseSensitive(m, "ImageVersion")))
		return false;
	group = cJSON_AddObjectToObject(to, "Metadata");
	if (!group)
		return false;
	for (size_t i = 0; i < BUILD_KEYS; i++)
		if (!add_copy(group, build_keys[i],
			      cJSON_GetObjectItemCaseSensitive(build,
							       build_keys[i])))
			return false;
	return add_copy(group, "DockerInfo",
			cJSON_GetObjectItemCaseSensitive(m, "DockerInfo")) &&
	       add_custom(group, cJSON_GetObjectItemCaseSensitive(
					 m, "CustomMetadata"));
}

/* --- ramdisks --- */

void describe_emit_file(struct emit *e, const char *key,
			const struct unpacked *r, const struct unpacked_file *f)
{
	char mode[16];

	(void)snprintf(mode, sizeof(mode), "%04o", f->mode & 07777);
	emit_open(e, key, '{');
	emit_string(e, "Path", f->path);
	emit_string(e, "Type", tree_type_name(f->mode));
	emit_string(e, "Mode", mode);
	emit_number(e, "Uid", f->uid);
	emit_number(e, "Gid", f->gid);
	emit_number(e, "Links", f->nlink);
	emit_number(e, "Time", f->mtime);
	if (f->target)
		emit_string(e, "Target", f->target);
	if (f->link && r->files + f->link - 1 != f)
		emit_string(e, "HardLinkOf", r->files[f->link - 1].path);
	if (S_ISCHR(f->mode) || S_ISBLK(f->mode)) {
		emit_open(e, "Device", '[');
		emit_number(e, NULL, f->rdev_major);
		emit_number(e, NULL, f->rdev_minor);
		emit_close(e, '[');
	}
	if (S_ISREG(f->mode)) {
		emit_number(e, "Size", f->size);
		emit_hash(e, "Sha384", f->hash);
	}
	emit_close(e, '{');
}

static void emit_ramdisks(struct emit *e, const struct description *d)
{
	emit_open(e, "Ramdisks", '[');
	for (size_t i = 0; i < d->ramdisk_count; i++) {
		const struct description_ramdisk *rd = &d->ramdisks[i];

		emit_open(e, NULL, '{');
		emit_number(e, "Section", rd->section);
		if (!rd->fault) {
			emit_number(e, "Archives", rd->archives);
			emit_string(e, "Compression", rd->compression);
			emit_open(e, "Files", '[');
			for (size_t n = 0; n < rd->unpacked.count; n++)
				describe_emit_file(e, NULL, &rd->unpacked,
						   &rd->unpacked.files[n]);
			emit_close(e, '[');
		}
		emit_close(e, '{');
	}
	emit_close(e, '[');
}

__attribute__((format(printf, 2, 3))) static bool add_text(cJSON *list,
							   const char *format,
							   ...)
{
	cJSON *item = NULL;
	va_list args;
	char *text;
	int n;

	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	if (n >= 0) {
		item = cJSON_CreateString(text);
		free(text);
	}
	return item && cJSON_AddItemToArray(list, item);
}

/* Those that nitro-cli's images do not have. */
static bool add_flags(cJSON *all, unsigned flags)
{
	const char *name;
	cJSON *list;

	if (!eif_flag_name(flags, 0))
		return true;
	list = cJSON_AddArrayToObject(all, "Flags");
	for (unsigned n = 0; list && (name = eif_flag_name(flags, n)); n++)
		if (!add_text(list, "%s", name))
			return false;
	return list != NULL;
}

static bool add_warnings(cJSON *all, const struct description *d)
{
	cJSON *list = cJSON_CreateArray();
	bool good = list != NULL;

	for (size_t i = 0; good && i < d->ramdisk_count; i++) {
		const struct description_ramdisk *rd = &d->ramdisks[i];

		if (rd->fault)
			good = add_text(list, "ramdisk %zu: cannot be read: %s",
					i, rd->fault);
		for (size_t n = 0; good && n < rd->unpacked.warning_count; n++)
			good = add_text(list, "ramdisk %zu: %s", i,
					rd->unpacked.warnings[n]);
		if (good && rd->unpacked.more_warnings)
			good = add_text(list, "ramdisk %zu: and %zu more", i,
					rd->unpacked.more_warnings);
	}
	if (good && list->child)
		return cJSON_AddItemToObject(all, "Warnings", list);
	cJSON_Delete(list);
	return good;
}

bool describe_print_json(const struct description *d, const char **ret_key)
{
	cJSON *all = cJSON_CreateObject();
	struct emit e = { .to = stdout };
	const cJSON *child;
	bool good;

	*ret_key = NULL;
	good = all &&
	       cJSON_AddNumberToObject(all, "EifVersion", d->eif.version) &&
	       add_measurements(all, &d->pcrs) &&
	       cJSON_AddBoolToObject(all, "IsSigned", d->is_signed) &&
	       (!d->has_sign_info || add_certificate(all, &d->sign)) &&
	       cJSON_AddBoolToObject(all, "CheckCRC",
				     d->eif.crc == d->eif.crc_computed) &&
	       (!d->is_signed ||
		cJSON_AddBoolToObject(all, "SignatureCheck",
				      d->has_sign_info && d->sign.is_valid)) &&
	       (!d->metadata || add_metadata(all, d->metadata, ret_key)) &&
	       add_flags(all, d->eif.flags) && add_warnings(all, d);
	if (good) {
		emit_open(&e, NULL, '{');
		cJSON_ArrayForEach(child, all)
		{
			emit_value(&e, child->string, child);
		}
		if (d->has_files)
			emit_ramdisks(&e, d);
		emit_close(&e, '{');
	}
	cJSON_Delete(all);
	return good;
}
