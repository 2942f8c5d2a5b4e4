/*
 * The verifier, for tests that are not in C: a job a line on stdin, WORD=VALUE
 * with blanks between; an answer a line on stdout:
 *
 *   ERROR object=NAME checked=FORM,CHAIN pcrs=HEX debug=0
 *
 * where ERROR is "ok" or the constant without NSMC_E_. Paths hold no blanks.
 *
 * doc=FILE        the document; cut=N: its first N bytes; flip=N: bit N of it
 * root=FILE       DER; without: AWS's
 * time=SECONDS    or of_document=1
 * age=S ahead=S   the window; debug=1: debug mode is fine
 * pcrN=, nonce=, user_data=, public_key=
 *                 HEX that must be there, or "missing"
 * raw=1           only the verdict; else the single steps are held against it
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
	NAME(POLICY),
	NAME(DEBUG),
	NAME(ABSENT),
	NAME(PRESENT),
	NAME(OTHER),
	NAME(TOO_OLD),
	NAME(IN_FUTURE),
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

/* What the policy points at, freed after the job. */
static uint8_t *values[64];
static size_t value_count;

static void expect(struct nsmc_expect *e, const char *text)
{
	size_t len = strlen(text) / 2;
	uint8_t *data;

	if (strcmp(text, "missing") == 0) {
		e->kind = NSMC_MISSING;
		return;
	}
	/* One more: empty is not absent. */
	data = malloc(len + 1);
	if (!data || value_count == sizeof(values) / sizeof(values[0]))
		die("no memory", text);
	values[value_count++] = data;
	for (size_t i = 0; i < len; i++)
		if (sscanf(text + 2 * i, "%2hhx", &data[i]) != 1)
			die("no hexadecimal", text);
	*e = (struct nsmc_expect){ NSMC_EQUAL, { data, len } };
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

/* The steps one by one end as the whole did, with the same object. */
static bool is_same_by_steps(const uint8_t *buf, size_t len,
			     const struct nsmc_policy *p, int whole,
			     const struct nsmc_doc *whole_doc,
			     const struct nsmc_report *report)
{
	struct nsmc_object object = { "" };
	struct nsmc_report policy = { 0 };
	struct nsmc_doc doc;
	int64_t time_s = p->time_s;
	int r;

	doc = (struct nsmc_doc){ 0 };
	r = nsmc_doc_parse(buf, len, &doc, &object);
	/* What makes no sense is said before anything is looked at. */
	if (whole == -NSMC_E_POLICY)
		return r < 0 ||
		       (nsmc_doc_check_policy(&doc, p, &policy) == whole &&
			strcmp(policy.object.name, report->object.name) == 0);
	/* The whole gives the document out if it can be read, true or not. */
	if (memcmp(&doc, whole_doc, sizeof(doc)) != 0)
		return false;
	if (r == 0) {
		if (!is_all_inside(&doc, buf, len))
			return false;
		if (p->time_of_document)
			time_s = (int64_t)(doc.timestamp_ms / 1000);
		r = nsmc_doc_check_form(&doc, &object);
	}
	if (r == 0)
		r = nsmc_doc_check_chain(&doc, p->root, time_s, &object);
	if (r == 0)
		r = nsmc_doc_check_signature(&doc, &object);
	if (r == 0) {
		r = nsmc_doc_check_policy(&doc, p, &policy);
		object = policy.object;
		if ((report->checked & policy.checked) != policy.checked ||
		    report->pcrs_checked != policy.pcrs_checked ||
		    report->debug != policy.debug)
			return false;
	}
	return r == whole &&
	       (r == 0 || strcmp(object.name, report->object.name) == 0);
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
	printf(" pcrs=%x debug=%d\n", report->pcrs_checked, report->debug);
}

static void job(char *line)
{
	static struct file doc, root;
	struct nsmc_policy p = { 0 };
	/* What is not set must not look like success. */
	struct nsmc_report report = { .checked = ~0u, .pcrs_checked = ~0u };
	struct nsmc_doc read = { 0 };
	size_t cut = SIZE_MAX, flip = SIZE_MAX, len;
	bool raw = false;
	char *value, *rest = NULL;
	uint8_t *buf;
	int r;

	for (char *w = strtok_r(line, " \n", &rest); w;
	     w = strtok_r(NULL, " \n", &rest)) {
		value = strchr(w, '=');
		if (!value)
			die("no value", w);
		*value++ = '\0';
		if (strcmp(w, "doc") == 0) {
			load(&doc, value);
		} else if (strcmp(w, "root") == 0) {
			load(&root, value);
			p.root = (struct nsmc_bytes){ root.data, root.len };
		} else if (strcmp(w, "cut") == 0) {
			cut = number(value);
		} else if (strcmp(w, "flip") == 0) {
			flip = number(value);
		} else if (strcmp(w, "time") == 0) {
			p.time_s = *value == '-' ? -(int64_t)number(value + 1) :
						   (int64_t)number(value);
		} else if (strcmp(w, "of_document") == 0) {
			p.time_of_document = number(value);
		} else if (strcmp(w, "age") == 0) {
			p.age_asked = true;
			p.max_age_s = (uint32_t)number(value);
		} else if (strcmp(w, "ahead") == 0) {
			p.max_ahead_s = (uint32_t)number(value);
		} else if (strcmp(w, "debug") == 0) {
			p.allow_debug = number(value);
		} else if (strcmp(w, "raw") == 0) {
			raw = number(value);
		} else if (strcmp(w, "nonce") == 0) {
			expect(&p.nonce, value);
		} else if (strcmp(w, "user_data") == 0) {
			expect(&p.user_data, value);
		} else if (strcmp(w, "public_key") == 0) {
			expect(&p.public_key, value);
		} else if (strncmp(w, "pcr", 3) == 0 && number(w + 3) < 32) {
			expect(&p.pcr[number(w + 3)], value);
		} else {
			die("no such word", w);
		}
	}
	/* In memory of just its size: ASan sees each byte that is too far. */
	len = cut < doc.len ? cut : doc.len;
	buf = malloc(len ? len : 1);
	if (!buf)
		die("no memory", doc.name);
	memcpy(buf, doc.data, len);
	if (flip / 8 < len)
		buf[flip / 8] ^= (uint8_t)(1 << flip % 8);

	r = nsmc_doc_verify(buf, len, &p, &read, &report);
	answer(r, &report);
	if (!raw && !is_same_by_steps(buf, len, &p, r, &read, &report))
		die("the single steps end otherwise", doc.name);
	if ((r == 0) != (report.object.name[0] == '\0') && r == 0)
		die("an object without an error", report.object.name);
	free(buf);
	while (value_count)
		free(values[--value_count]);
	fflush(stdout);
}

int main(void)
{
	static char line[1 << 16];

	while (fgets(line, sizeof(line), stdin))
		job(line);
	return 0;
}
