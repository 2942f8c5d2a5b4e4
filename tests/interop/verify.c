/*
 * The verifier, for tests that are not in C: a job a line on stdin, WORD=VALUE
 * with blanks between; an answer a line on stdout:
 *
 *   ERROR object=NAME checked=FORM,CHAIN pcrs=HEX debug=0
 *
 * where ERROR is "ok" or the constant without NSMC_E_. Paths hold no blanks.
 *
 * doc=FILE        the document; cut=N: its first N bytes; flip=N: bit N of it
 * root=FILE       DER, may come again; without: AWS's
 * time=SECONDS    or of_document=1
 * age=S leeway=S  the window (leeway=default: the library's; else 0 if not given)
 * pcrN=, nonce=, user_data=, public_key=
 *                 HEX that must be there, or "missing"
 * debug=1         debug mode is fine
 * kind=nitrotpm   of a NitroTPM
 * strict=1        neither any image nor any age will do
 * raw=1           only the verdict; else it is held against what else is known
 *
 * A setter that refuses its argument is told as POLICY, with the word as object.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nsm/nsmc.h"

static const struct {
	int code;
	const char *name;
} names[] = {
#define NAME(e)                \
	{                      \
		NSMC_E_##e, #e \
	}
	NAME(DOC_CUT),
	NAME(DOC_TRAILING),
	NAME(DOC_CBOR),
	NAME(DOC_COSE),
	NAME(DOC_TWICE),
	NAME(DOC_MISSING),
	NAME(DOC_TYPE),
	NAME(DOC_LENGTH),
	NAME(DOC_RANGE),
	NAME(ALGORITHM),
	NAME(SIGNATURE_LENGTH),
	NAME(DIGEST),
	NAME(ROOT),
	NAME(ROOT_OTHER),
	NAME(CERT_FORM),
	NAME(CERT_VERSION),
	NAME(CERT_ALGORITHM),
	NAME(CERT_KEY),
	NAME(CERT_ISSUER),
	NAME(CERT_SIGNATURE),
	NAME(CERT_NOT_YET),
	NAME(CERT_EXPIRED),
	NAME(CERT_NOT_CA),
	NAME(CERT_KEY_USAGE),
	NAME(CERT_PATH_LENGTH),
	NAME(CERT_IS_CA),
	NAME(CERT_EXTENSION),
	NAME(SIGNATURE),
	NAME(LEAF_TIME),
	NAME(POLICY),
	NAME(DEBUG),
	NAME(ABSENT),
	NAME(PRESENT),
	NAME(OTHER),
	NAME(TOO_OLD),
	NAME(IN_FUTURE),
	NAME(KIND),
};

static const char *name_of(int r)
{
	static char number[16];

	if (r == 0)
		return "ok";
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].code == -r)
			return names[i].name;
	snprintf(number, sizeof(number), "%d", r);
	return number;
}

__attribute__((noreturn)) static void die(const char *what, const char *of)
{
	fprintf(stderr, "verify: %s: %s\n", what, of);
	exit(2);
}

struct file {
	char name[512];
	uint8_t *data;
	size_t len;
};

/* The last file is kept: many jobs cut or flip the same one. */
static void load(struct file *f, const char *name)
{
	FILE *in;

	if (f->data && strcmp(f->name, name) == 0)
		return;
	free(f->data);
	in = fopen(name, "re");
	if (!in || strlen(name) >= sizeof(f->name))
		die("no file", name);
	strcpy(f->name, name);
	f->data = malloc(1 << 20);
	if (!f->data)
		die("no memory", name);
	f->len = fread(f->data, 1, 1 << 20, in);
	fclose(in);
}

static uint64_t number(const char *text)
{
	char *end;
	uint64_t n;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno || end == text || *end)
		die("no number", text);
	return n;
}

/* What went wrong in making a policy, and by which word. */
struct setting {
	int error;
	struct nsmc_object object;
};

static void note(struct setting *s, int r, const char *name)
{
	if (r == 0 || s->error)
		return;
	s->error = r == -EINVAL ? -NSMC_E_POLICY : r;
	snprintf(s->object.name, sizeof(s->object.name), "%s", name);
}

/*
 * HEX to a buffer of the heap, which is overwritten when the policy has it: it
 * must not be looked at any more.
 */
static uint8_t *bytes_of(const char *text, size_t *ret_len)
{
	size_t len = strlen(text) / 2;
	/* One more: empty is not absent. */
	uint8_t *data = malloc(len + 1);

	if (!data)
		die("no memory", text);
	for (size_t i = 0; i < len; i++)
		if (sscanf(text + 2 * i, "%2hhx", &data[i]) != 1)
			die("no hexadecimal", text);
	*ret_len = len;
	return data;
}

static void expect_pcr(struct nsmc_policy *p, unsigned n, const char *text,
		       struct setting *s)
{
	char name[8];
	uint8_t *data;
	size_t len;

	snprintf(name, sizeof(name), "PCR%u", n);
	if (strcmp(text, "missing") == 0) {
		note(s, nsmc_policy_pcr_absent(p, n), name);
		return;
	}
	data = bytes_of(text, &len);
	note(s, nsmc_policy_pcr(p, n, data, len), name);
	memset(data, 0xa5, len);
	free(data);
}

static void expect_field(struct nsmc_policy *p, enum nsmc_field field,
			 const char *name, const char *text, struct setting *s)
{
	uint8_t *data;
	size_t len;

	if (strcmp(text, "missing") == 0) {
		note(s, nsmc_policy_field_absent(p, field), name);
		return;
	}
	data = bytes_of(text, &len);
	note(s, nsmc_policy_field(p, field, data, len), name);
	memset(data, 0xa5, len);
	free(data);
}

/* Whether B lies within the LEN bytes of BUF. */
static bool is_inside(struct nsmc_bytes b, const uint8_t *buf, size_t len)
{
	return !b.data || (b.data >= buf && b.len <= len &&
			   (size_t)(b.data - buf) <= len - b.len);
}

static bool is_all_inside(const struct nsmc_doc *d, const uint8_t *buf,
			  size_t len)
{
	const struct nsmc_bytes *const all[] = {
		&d->protected_header, &d->payload,   &d->signature,
		&d->module_id,	      &d->digest,    &d->certificate,
		&d->public_key,	      &d->user_data, &d->nonce,
	};
	bool good = d->cabundle_count <= NSMC_CABUNDLE_MAX;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		good = good && is_inside(*all[i], buf, len);
	for (size_t i = 0; i < NSMC_PCR_COUNT; i++)
		good = good && is_inside(d->pcr[i], buf, len);
	for (size_t i = 0; good && i < d->cabundle_count; i++)
		good = is_inside(d->cabundle[i], buf, len);
	return good;
}

static bool is_same_report(const struct nsmc_report *a,
			   const struct nsmc_report *b)
{
	return a->checked == b->checked && a->pcrs_checked == b->pcrs_checked &&
	       a->debug == b->debug &&
	       strcmp(a->object.name, b->object.name) == 0;
}

/*
 * With a cache it ends as without, whether that knows the links or not; what may
 * be NULL may be; nothing is given out of a refused document, and of a good one
 * just what it says.
 */
static bool is_consistent(const uint8_t *buf, size_t len,
			  const struct nsmc_policy *p, int r,
			  const struct nsmc_doc *doc,
			  const struct nsmc_report *report)
{
	/* Shared by all jobs: of its three links some are always in use. */
	static struct nsmc_cache *small, *large;
	static const struct nsmc_doc none;
	struct nsmc_object object;
	struct nsmc_report again;
	struct nsmc_doc parsed;

	if ((!small && nsmc_cache_new(3, &small) < 0) ||
	    (!large && nsmc_cache_new(4096, &large) < 0))
		die("no memory", "cache");
	for (int i = 0; i < 4; i++) {
		memset(&again, 0xa5, sizeof(again));
		if (nsmc_doc_verify(buf, len, p, i % 2 ? small : large, NULL,
				    &again) != r ||
		    !is_same_report(&again, report))
			return false;
	}
	if (nsmc_doc_verify(buf, len, p, NULL, NULL, NULL) != r)
		return false;
	if (r < 0)
		return memcmp(doc, &none, sizeof(none)) == 0;
	return nsmc_doc_parse(buf, len, &parsed, &object) == 0 &&
	       memcmp(doc, &parsed, sizeof(parsed)) == 0 &&
	       is_all_inside(doc, buf, len);
}

static void answer(int r, const struct nsmc_report *report)
{
	const char *comma = "";

	printf("%s object=%s checked=", name_of(r), report->object.name);
	for (unsigned bit = 1; bit < NSMC_CHECK_ALL; bit <<= 1)
		if (report->checked & bit) {
			const char *text =
				nsmc_check_text((enum nsmc_check)bit);

			printf("%s", comma);
			for (; text && *text; text++)
				putchar(*text == ' ' ? '_' : *text);
			comma = ",";
		}
	printf(" pcrs=%x debug=%d\n", report->pcrs_checked,
	       report->debug == NSMC_DEBUG_YES);
}

static void set(struct nsmc_policy *p, const char *w, const char *value,
		struct setting *s)
{
	static struct file root;
	int64_t t;

	if (strcmp(w, "root") == 0) {
		load(&root, value);
		note(s, nsmc_policy_root(p, root.data, root.len), "root");
	} else if (strcmp(w, "time") == 0) {
		t = *value == '-' ? -(int64_t)number(value + 1) :
				    (int64_t)number(value);
		note(s, nsmc_policy_time(p, t), "time");
	} else if (strcmp(w, "of_document") == 0) {
		nsmc_policy_time_of_document(p);
	} else if (strcmp(w, "age") == 0) {
		note(s, nsmc_policy_max_age(p, (uint32_t)number(value)), "age");
	} else if (strcmp(w, "leeway") == 0 && strcmp(value, "default") == 0) {
		note(s, nsmc_policy_leeway(p, NSMC_LEEWAY_DEFAULT_S), "leeway");
	} else if (strcmp(w, "leeway") == 0) {
		note(s, nsmc_policy_leeway(p, (uint32_t)number(value)),
		     "leeway");
	} else if (strcmp(w, "debug") == 0) {
		nsmc_policy_allow_debug(p);
	} else if (strcmp(w, "kind") == 0) {
		note(s, nsmc_policy_kind(p, NSMC_KIND_NITROTPM), "kind");
	} else if (strcmp(w, "nonce") == 0) {
		expect_field(p, NSMC_FIELD_NONCE, w, value, s);
	} else if (strcmp(w, "user_data") == 0) {
		expect_field(p, NSMC_FIELD_USER_DATA, w, value, s);
	} else if (strcmp(w, "public_key") == 0) {
		expect_field(p, NSMC_FIELD_PUBLIC_KEY, w, value, s);
	} else if (strncmp(w, "pcr", 3) == 0 && number(w + 3) < 32) {
		expect_pcr(p, (unsigned)number(w + 3), value, s);
	} else {
		die("no such word", w);
	}
}

static void job(char *line)
{
	static struct file doc;
	struct nsmc_policy *p;
	struct setting setting = { 0 };
	/* What is not set must not look like success. */
	struct nsmc_report report = { .checked = ~0u, .pcrs_checked = ~0u };
	struct nsmc_doc read;
	size_t cut = SIZE_MAX, flip = SIZE_MAX, len;
	bool raw = false, strict = false;
	char *value, *rest = NULL;
	uint8_t *buf;
	int r;

	memset(&read, 0xa5, sizeof(read));
	if (nsmc_policy_new(&p) < 0 || nsmc_policy_leeway(p, 0) < 0)
		die("no memory", "policy");
	for (char *w = strtok_r(line, " \n", &rest); w;
	     w = strtok_r(NULL, " \n", &rest)) {
		value = strchr(w, '=');
		if (!value)
			die("no value", w);
		*value++ = '\0';
		if (strcmp(w, "doc") == 0)
			load(&doc, value);
		else if (strcmp(w, "cut") == 0)
			cut = number(value);
		else if (strcmp(w, "flip") == 0)
			flip = number(value);
		else if (strcmp(w, "raw") == 0)
			raw = number(value);
		else if (strcmp(w, "strict") == 0)
			strict = number(value);
		else
			set(p, w, value, &setting);
	}
	if (!strict) {
		nsmc_policy_any_image(p);
		nsmc_policy_any_age(p);
	}
	if (setting.error) {
		report = (struct nsmc_report){ .object = setting.object };
		answer(setting.error, &report);
		goto out;
	}
	/* In memory of just its size: ASan sees each byte that is too far. */
	len = cut < doc.len ? cut : doc.len;
	buf = malloc(len ? len : 1);
	if (!buf)
		die("no memory", doc.name);
	memcpy(buf, doc.data, len);
	if (flip / 8 < len)
		buf[flip / 8] ^= (uint8_t)(1 << flip % 8);

	r = nsmc_doc_verify(buf, len, p, NULL, &read, &report);
	answer(r, &report);
	if (!raw && !is_consistent(buf, len, p, r, &read, &report))
		die("once more it ends otherwise", doc.name);
	if (r == 0 && report.object.name[0])
		die("an object without an error", report.object.name);
	free(buf);
out:
	nsmc_policy_free(p);
	fflush(stdout);
}

int main(void)
{
	static char line[1 << 16];

	while (fgets(line, sizeof(line), stdin))
		job(line);
	return 0;
}
