/* The reader of attestation documents: QEMU's, AWS's forms, and bad fields. */

#include "nsm/nsmc.h"

#include <errno.h>

#include "nsm/verify.h"
#include "tests/unit/data.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define MODULE_ID "i-07e25f3bada361dec-enc0181d3dff86da785"

/* --- documents, written by hand --- */

struct writer {
	uint8_t at[1 << 15];
	size_t len;
};

static void put(struct writer *w, const void *bytes, size_t len)
{
	REQUIRE(len <= sizeof(w->at) - w->len);
	memcpy(w->at + w->len, bytes, len);
	w->len += len;
}

static void put_head(struct writer *w, unsigned major, uint64_t n)
{
	uint8_t head[9] = { (uint8_t)(major << 5 | 27) };
	size_t len = n < 24 ? 0 : n < 256 ? 1 : n < 65536 ? 2 : 8;

	if (len < 8)
		head[0] = (uint8_t)(major << 5 | (len ? 23 + len : n));
	for (size_t i = 0; i < len; i++)
		head[1 + i] = (uint8_t)(n >> 8 * (len - 1 - i));
	put(w, head, 1 + len);
}

static void put_bytes(struct writer *w, const void *bytes, size_t len)
{
	put_head(w, 2, len);
	put(w, bytes, len);
}

static void put_text(struct writer *w, const char *text)
{
	put_head(w, 3, strlen(text));
	put(w, text, strlen(text));
}

static void put_fill(struct writer *w, uint8_t fill, size_t len)
{
	uint8_t bytes[4096];

	REQUIRE(len <= sizeof(bytes));
	memset(bytes, fill, len);
	put_bytes(w, bytes, len);
}

/* Hexadecimal; "[N]" is N bytes ab. */
static void put_hex(struct writer *w, const char *text)
{
	while (*text) {
		unsigned byte;
		char *end;

		if (*text == ' ') {
			text++;
		} else if (*text == '[') {
			unsigned long n = strtoul(text + 1, &end, 10);

			REQUIRE(*end == ']');
			for (; n > 0; n--)
				put(w, "\xab", 1);
			text = end + 1;
		} else {
			REQUIRE(sscanf(text, "%2x", &byte) == 1);
			put(w, &(uint8_t){ (uint8_t)byte }, 1);
			text += 2;
		}
	}
}

/* What a document is made of. */
struct plan {
	bool qemu; /* its header, signature and zeros for certificates */
	bool open; /* the payload is a map without a length, as since 2025 */
	const char *module_id;
	unsigned pcrs;
	const char *field, *value; /* in place of that field's: hexadecimal,
					"" leaves it out */
	const char *more;	   /* pairs after the nine, hexadecimal */
	unsigned more_count;
};

static bool is_replaced(struct writer *w, const struct plan *p, const char *k)
{
	bool own = p->field && strcmp(p->field, k) == 0;

	if (own && *p->value == '\0')
		return true;
	put_text(w, k);
	if (own)
		put_hex(w, p->value);
	return own;
}

static void put_payload(struct writer *w, const struct plan *p)
{
	static const uint8_t timestamp[] = { 0x1b, 0x00, 0x00, 0x01, 0x81,
					     0xd3, 0xe0, 0x51, 0x94 };
	static const char *const cabundle[] = { "doc/root.der", "doc/ca1.der",
						"doc/ca2.der", "doc/ca3.der" };
	struct data d;

	if (p->open)
		put_hex(w, "bf");
	else
		put_head(w, 5,
			 9 + p->more_count -
				 (p->field && *p->value == '\0' ? 1 : 0));
	if (!is_replaced(w, p, "module_id"))
		put_text(w, p->module_id);
	if (!is_replaced(w, p, "digest"))
		put_text(w, "SHA384");
	if (!is_replaced(w, p, "timestamp"))
		put(w, timestamp, sizeof(timestamp));
	if (!is_replaced(w, p, "pcrs")) {
		put_head(w, 5, p->pcrs);
		for (unsigned i = 0; i < p->pcrs; i++) {
			put_head(w, 0, i);
			put_fill(w, (uint8_t)i, 48);
		}
	}
	if (!is_replaced(w, p, "certificate")) {
		if (p->qemu) {
			put_fill(w, 0, 64);
		} else {
			d = data_load("doc/leaf.der");
			put_bytes(w, d.bytes, d.len);
			free(d.bytes);
		}
	}
	if (!is_replaced(w, p, "cabundle")) {
		put_head(w, 4, p->qemu ? 1 : COUNT(cabundle));
		for (size_t i = 0; !p->qemu && i < COUNT(cabundle); i++) {
			d = data_load(cabundle[i]);
			put_bytes(w, d.bytes, d.len);
			free(d.bytes);
		}
		if (p->qemu)
			put_fill(w, 0, 64);
	}
	if (!is_replaced(w, p, "public_key")) {
		if (p->qemu)
			put_hex(w, "f6");
		else
			put_fill(w, 'p', 800);
	}
	if (!is_replaced(w, p, "user_data")) {
		if (p->qemu)
			put_hex(w, "f6");
		else
			put_fill(w, 'u', 32);
	}
	if (!is_replaced(w, p, "nonce"))
		put_hex(w, "f6");
	if (p->more)
		put_hex(w, p->more);
	if (p->open)
		put_hex(w, "ff");
}

/* In memory of just its size. */
static struct data make(const struct plan *p)
{
	static struct writer payload, w;

	payload.len = 0;
	put_payload(&payload, p);
	w.len = 0;
	put_hex(&w, p->qemu ? "84 43 a10120 a0" : "84 44 a1013822 a0");
	put_bytes(&w, payload.at, payload.len);
	if (p->qemu)
		put_fill(&w, 0, 64);
	else
		put_fill(&w, 's', 96);
	return data_copy(w.at, w.len);
}

static const struct plan as_aws = { .module_id = MODULE_ID, .pcrs = 16 };
static const struct plan as_aws_open = { .open = true,
					 .module_id = MODULE_ID,
					 .pcrs = 16 };
static const struct plan as_qemu = { .qemu = true,
				     .module_id = "i-234-enc5678",
				     .pcrs = 16 };

static void check_bytes(struct nsmc_bytes got, const void *wanted, size_t len)
{
	if (CHECK_INT(got.len, len))
		CHECK_MEM(got.data, wanted, len);
}

static void check_error(struct data d, int error, const char *object)
{
	struct nsmc_object got = { "" };
	struct nsmc_doc doc, before;

	memset(&doc, 0x5a, sizeof(doc));
	before = doc;
	CHECK_INT(nsmc_doc_parse(d.bytes, d.len, &doc, &got), -error);
	CHECK_STR(got.name, object);
	/* Set on success only. */
	CHECK_MEM(&doc, &before, sizeof(doc));
	CHECK_INT(nsmc_doc_parse(d.bytes, d.len, &doc, NULL), -error);
}

/* --- good ones --- */

TEST(qemus_document_is_read)
{
	struct data d = make(&as_qemu);
	struct nsmc_object object = { "untouched" };
	struct certificate leaf = { 0 };
	struct nsmc_doc doc;
	uint8_t zero[64] = { 0 };

	CHECK_INT(d.len, 1139);
	REQUIRE(nsmc_doc_parse(d.bytes, d.len, &doc, &object) == 0);
	CHECK_STR(object.name, "untouched");
	CHECK_INT(doc.algorithm, -1);
	check_bytes(doc.protected_header, "\xa1\x01\x20", 3);
	CHECK(doc.payload.data == d.bytes + 9);
	CHECK_INT(doc.payload.len, 1064);
	check_bytes(doc.signature, zero, 64);
	check_bytes(doc.module_id, "i-234-enc5678", 13);
	check_bytes(doc.digest, "SHA384", 6);
	CHECK_INT(doc.timestamp_ms, INT64_C(1657117102484));
	for (unsigned i = 0; i < NSMC_PCR_COUNT; i++) {
		CHECK_INT(doc.pcr[i].data != NULL, i < 16);
		CHECK_INT(doc.pcr[i].len, i < 16 ? 48 : 0);
		if (doc.pcr[i].data)
			CHECK(doc.pcr[i].data[0] == i &&
			      doc.pcr[i].data[47] == i);
	}
	check_bytes(doc.certificate, zero, 64);
	CHECK_INT(doc.cabundle_count, 1);
	check_bytes(doc.cabundle[0], zero, 64);
	CHECK(!doc.public_key.data && !doc.user_data.data && !doc.nonce.data);
	CHECK_INT(doc.kind, NSMC_KIND_ENCLAVE);
	/* PCR0 is zero here: in QEMU it is not. */
	CHECK_INT(nsmc_doc_debug(&doc), NSMC_DEBUG_YES);
	/* Verified it is not. */
	CHECK_INT(verify_form(&doc, &object), -NSMC_E_ALGORITHM);
	CHECK_INT(verify_signature(&doc, &leaf, &object), -NSMC_E_ALGORITHM);
	doc.algorithm = -35;
	CHECK_INT(verify_form(&doc, &object), -NSMC_E_SIGNATURE_LENGTH);
	CHECK_INT(verify_signature(&doc, &leaf, &object),
		  -NSMC_E_SIGNATURE_LENGTH);
	CHECK_STR(object.name, "signature");
	free(d.bytes);

	d = make(&(struct plan){
		.qemu = true, .module_id = MODULE_ID, .pcrs = 18 });
	CHECK_INT(d.len, 1268);
	REQUIRE(nsmc_doc_parse(d.bytes, d.len, &doc, NULL) == 0);
	CHECK_INT(doc.payload.len, 1193);
	CHECK(doc.pcr[17].data && !doc.pcr[18].data);
	free(d.bytes);
}

static void check_aws(const struct plan *plan, size_t len)
{
	struct data d = make(plan), certificate = data_load("doc/leaf.der"),
		    ca3 = data_load("doc/ca3.der");
	const struct nsmc_bytes root = nsmc_aws_root();
	struct verify_chain by = { .roots = &root, .root_count = 1 };
	struct certificate leaf;
	struct nsmc_doc doc;

	CHECK_INT(d.len, len);
	REQUIRE(nsmc_doc_parse(d.bytes, d.len, &doc, NULL) == 0);
	CHECK_INT(doc.algorithm, -35);
	CHECK_INT(doc.kind, NSMC_KIND_ENCLAVE);
	CHECK(doc.payload.data == d.bytes + 10);
	CHECK_INT(doc.payload.len, len - 108);
	CHECK(doc.certificate.data == doc.payload.data + 907 + 12 + 3);
	check_bytes(doc.module_id, MODULE_ID, 39);
	check_bytes(doc.certificate, certificate.bytes, certificate.len);
	CHECK_INT(doc.cabundle_count, 4);
	check_bytes(doc.cabundle[3], ca3.bytes, ca3.len);
	CHECK_INT(doc.public_key.len, 800);
	CHECK_INT(doc.user_data.len, 32);
	CHECK(doc.user_data.data && doc.user_data.data[0] == 'u');
	CHECK(!doc.nonce.data);
	CHECK_INT(verify_form(&doc, NULL), 0);
	/* Its chain is the real one, its signature is not. */
	by.time_s = (int64_t)(doc.timestamp_ms / 1000);
	REQUIRE(verify_chain(&doc, &by, &leaf, NULL) == 0);
	CHECK_INT(verify_signature(&doc, &leaf, NULL), -NSMC_E_SIGNATURE);
	free(ca3.bytes);
	free(certificate.bytes);
	free(d.bytes);
}

TEST(aws_forms_are_read)
{
	/* The sizes of the real one; of an open map, one byte more. */
	check_aws(&as_aws, 5232);
	check_aws(&as_aws_open, 5233);
}

TEST(absent_empty_and_present_are_three_things)
{
	const char *const fields[] = { "user_data", "nonce", "public_key" };
	const char *const values[] = { "", "f6", "40", "41 00" };

	for (size_t n = 0; n < 2 * COUNT(fields) * COUNT(values); n++) {
		size_t i = n / 2 % COUNT(fields), k = n / 2 / COUNT(fields);
		struct data d = make(&(struct plan){ .open = n % 2,
						     .module_id = "i",
						     .pcrs = 1,
						     .field = fields[i],
						     .value = values[k] });
		const struct nsmc_bytes *b;
		struct nsmc_doc doc;

		REQUIRE(nsmc_doc_parse(d.bytes, d.len, &doc, NULL) == 0);
		b = i == 0 ? &doc.user_data :
		    i == 1 ? &doc.nonce :
			     &doc.public_key;
		CHECK_INT(b->data != NULL, k >= 2);
		CHECK_INT(b->len, k == 3);
		free(d.bytes);
	}
}

TEST(unknown_keys_are_passed_over)
{
	const char *const more[] = {
		"61 78 00",
		"61 78 f6",
		"60 a1 01 02",
		"61 78 d8 2a 84 01 20 c1 fb 3ff0000000000000 f7",
		"61 78 82 81 81 80 a1 61 61 d2 40",
		"61 78 bf ff",
		"61 78 9f 01 bf 61 61 9f ff ff 02 ff",
		"61 78 82 9f ff bf 01 02 ff",
		"65 4e6f6e6365 41 01",	 /* "Nonce" */
		"64 6e6f6e63 41 01",	 /* "nonc" */
		"66 6e6f6e636500 41 01", /* "nonce\0" */
	};

	for (size_t i = 0; i < 2 * COUNT(more); i++) {
		struct data d = make(&(struct plan){ .open = i % 2,
						     .module_id = "i",
						     .pcrs = 1,
						     .more = more[i / 2],
						     .more_count = 1 });
		struct nsmc_doc doc;

		CHECK_INT(nsmc_doc_parse(d.bytes, d.len, &doc, NULL), 0);
		CHECK(!doc.nonce.data);
		free(d.bytes);
	}
}

#define PCR7_AND_9 "07 58 30 [48] 09 58 30 [48]"

TEST(lists_and_maps_may_be_open)
{
	static const struct {
		const char *field, *value;
		size_t pcrs, certificates;
	} rows[] = {
		{ "pcrs", "bf ff", 0, 4 },
		{ "pcrs", "bf " PCR7_AND_9 "ff", 2, 4 },
		{ "cabundle", "9f 41 01 ff", 1, 1 },
		{ "cabundle", "9f 42 0102 41 03 ff", 1, 2 },
		{ "cabundle",
		  "9f 4100 4100 4100 4100 4100 4100 4100 4100 "
		  "4100 4100 4100 4100 4100 4100 4100 59 0400 [1024] ff",
		  1, 16 },
	};

	for (size_t i = 0; i < 2 * COUNT(rows); i++) {
		struct data d =
			make(&(struct plan){ .open = i % 2,
					     .module_id = "i",
					     .pcrs = 1,
					     .field = rows[i / 2].field,
					     .value = rows[i / 2].value });
		struct nsmc_doc doc;
		size_t pcrs = 0;

		REQUIRE(nsmc_doc_parse(d.bytes, d.len, &doc, NULL) == 0);
		for (size_t k = 0; k < NSMC_PCR_COUNT; k++)
			pcrs += doc.pcr[k].data != NULL;
		CHECK_INT(pcrs, rows[i / 2].pcrs);
		CHECK_INT(doc.cabundle_count, rows[i / 2].certificates);
		free(d.bytes);
	}
}

/* A document of these bytes in place of what is before and after its payload. */
static struct data make_around(const char *before, const char *after)
{
	static struct writer payload, w;

	payload.len = 0;
	put_payload(&payload, &as_aws_open);
	w.len = 0;
	put_hex(&w, before);
	put_bytes(&w, payload.at, payload.len);
	put_fill(&w, 's', 96);
	put_hex(&w, after);
	return data_copy(w.at, w.len);
}

TEST(the_structure_may_be_open)
{
	static const char *const good[][2] = {
		{ "84 44 a1013822 a0", "" },
		{ "d2 84 44 a1013822 a0", "" },
		{ "d8 12 84 44 a1013822 a0", "" },
		{ "84 44 a1013822 bf ff", "" },
		{ "9f 44 a1013822 a0", "ff" },
		{ "d2 9f 44 a1013822 bf ff", "ff" },
		{ "84 45 bf013822ff a0", "" },
		{ "9f 45 bf013822ff bf ff", "ff" },
	};
	static const struct {
		const char *before, *after;
		int error;
		const char *object;
	} bad[] = {
		{ "9f 44 a1013822 a0", "", NSMC_E_DOC_CUT, "document" },
		{ "9f 44 a1013822 a0", "ffff", NSMC_E_DOC_TRAILING,
		  "document" },
		{ "9f 44 a1013822 a0", "00 ff", NSMC_E_DOC_COSE, "document" },
		{ "84 44 a1013822 a0", "ff", NSMC_E_DOC_TRAILING, "document" },
		{ "85 44 a1013822 a0", "ff", NSMC_E_DOC_COSE, "document" },
		{ "84 ff 44 a1013822 a0", "", NSMC_E_DOC_CBOR,
		  "protected header" },
		{ "9f ff 44 a1013822 a0", "", NSMC_E_DOC_COSE,
		  "protected header" },
		{ "9f 44 a1013822 ff", "", NSMC_E_DOC_COSE,
		  "unprotected header" },
		{ "9f 44 a1013822 a0 ff", "", NSMC_E_DOC_COSE, "payload" },
		{ "84 44 a1013822 bf", "", NSMC_E_DOC_COSE,
		  "unprotected header" },
		{ "84 44 a1013822 bf 01 26 ff", "", NSMC_E_DOC_COSE,
		  "unprotected header" },
		{ "84 44 a1013822 bf 01 ff", "", NSMC_E_DOC_COSE,
		  "unprotected header" },
		{ "84 44 a1013822 9f ff", "", NSMC_E_DOC_COSE,
		  "unprotected header" },
		{ "84 44 bf013822 a0", "", NSMC_E_DOC_CBOR,
		  "protected header" },
		{ "84 46 bf013822ffff a0", "", NSMC_E_DOC_TRAILING,
		  "protected header" },
		{ "84 45 a1013822ff a0", "", NSMC_E_DOC_TRAILING,
		  "protected header" },
		{ "84 43 bf01ff a0", "", NSMC_E_DOC_CBOR, "protected header" },
		{ "84 42 bfff a0", "", NSMC_E_DOC_COSE, "protected header" },
		{ "84 49 bf013822013822ff a0", "", NSMC_E_DOC_COSE,
		  "protected header" },
		{ "84 48 bf013822013822ff a0", "", NSMC_E_DOC_COSE,
		  "protected header" },
		{ "84 44 9f0138ff a0", "", NSMC_E_DOC_COSE,
		  "protected header" },
		{ "84 5f 44 a1013822 ff a0", "", NSMC_E_DOC_CBOR,
		  "protected header" },
	};

	for (size_t i = 0; i < COUNT(good); i++) {
		struct data d = make_around(good[i][0], good[i][1]);
		struct nsmc_doc doc;

		CHECK_INT(nsmc_doc_parse(d.bytes, d.len, &doc, NULL), 0);
		CHECK_INT(doc.algorithm, -35);
		CHECK_INT(doc.cabundle_count, 4);
		for (size_t n = 0; n < d.len; n++) {
			struct data cut = data_copy(d.bytes, n);

			CHECK_INT(nsmc_doc_parse(cut.bytes, n, &doc, NULL),
				  -NSMC_E_DOC_CUT);
			free(cut.bytes);
		}
		free(d.bytes);
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct data d = make_around(bad[i].before, bad[i].after);

		check_error(d, bad[i].error, bad[i].object);
		free(d.bytes);
	}
}

/* --- NitroTPM --- */

TEST(a_nitrotpms_document_is_told_apart)
{
	static const struct {
		const char *pcrs; /* a map */
		size_t count;
	} good[] = {
		{ "a0", 0 },
		{ "a1 00 58 30 [48]", 1 },
		{ "a1 17 58 30 [48]", 1 },
		{ "bf " PCR7_AND_9 "ff", 2 },
		{ "a2 " PCR7_AND_9, 2 },
	};
	char more[800];

	for (size_t i = 0; i < 2 * COUNT(good); i++) {
		struct nsmc_doc doc;
		struct data d;
		size_t n = 0;

		(void)snprintf(more, sizeof(more),
			       "6d 6e6974726f74706d5f70637273 %s",
			       good[i / 2].pcrs);
		d = make(&(struct plan){ .open = i % 2,
					 .module_id = "i-0-tpm0",
					 .field = "pcrs",
					 .value = "",
					 .more = more,
					 .more_count = 1 });
		REQUIRE(nsmc_doc_parse(d.bytes, d.len, &doc, NULL) == 0);
		CHECK_INT(doc.kind, NSMC_KIND_NITROTPM);
		for (size_t k = 0; k < NSMC_PCR_COUNT; k++)
			n += doc.pcr[k].data != NULL;
		CHECK_INT(n, good[i / 2].count);
		/* No mode of it measures nothing, whatever PCR0 is. */
		CHECK_INT(nsmc_doc_debug(&doc), NSMC_DEBUG_UNKNOWN);
		free(d.bytes);
	}
}

TEST(a_nitrotpms_pcrs_have_errors_of_their_own)
{
	static const struct {
		const char *pcrs;
		int error;
		const char *object;
	} bad[] = {
		{ "a1 18 18 58 30 [48]", NSMC_E_DOC_RANGE, "nitrotpm_pcrs" },
		{ "bf 18 18 58 30 [48] ff", NSMC_E_DOC_RANGE, "nitrotpm_pcrs" },
		{ "a1 18 1f 58 30 [48]", NSMC_E_DOC_RANGE, "nitrotpm_pcrs" },
		{ "b8 19", NSMC_E_DOC_RANGE, "nitrotpm_pcrs" },
		{ "f6", NSMC_E_DOC_MISSING, "nitrotpm_pcrs" },
		{ "80", NSMC_E_DOC_TYPE, "nitrotpm_pcrs" },
		{ "a1 17 40", NSMC_E_DOC_LENGTH, "PCR23" },
		{ "a2 07 58 30 [48] 07 58 30 [48]", NSMC_E_DOC_TWICE, "PCR7" },
		{ "bf 07 58 30 [48] 07 58 30 [48] ff", NSMC_E_DOC_TWICE,
		  "PCR7" },
		{ "bf 07 ff", NSMC_E_DOC_CBOR, "PCR7" },
	};
	char more[800];
	struct data d;

	for (size_t i = 0; i < 2 * COUNT(bad); i++) {
		(void)snprintf(more, sizeof(more),
			       "6d 6e6974726f74706d5f70637273 %s",
			       bad[i / 2].pcrs);
		d = make(&(struct plan){ .open = i % 2,
					 .module_id = "i",
					 .field = "pcrs",
					 .value = "",
					 .more = more,
					 .more_count = 1 });
		check_error(d, bad[i / 2].error, bad[i / 2].object);
		free(d.bytes);
	}
	/* Both kinds of PCRs, and one of them twice. */
	for (size_t i = 0; i < 4; i++) {
		d = make(&(struct plan){
			.open = i % 2,
			.module_id = "i",
			.pcrs = 1,
			.field = i < 2 ? NULL : "pcrs",
			.value = i < 2 ? NULL : "",
			.more = i < 2 ? "6d 6e6974726f74706d5f70637273 a0" :
					"6d 6e6974726f74706d5f70637273 a0"
					"6d 6e6974726f74706d5f70637273 a0",
			.more_count = i < 2 ? 1 : 2 });
		check_error(d, NSMC_E_DOC_TWICE, "nitrotpm_pcrs");
		free(d.bytes);
	}
}

/* --- a device's answer --- */

TEST(a_document_is_found_in_an_answer)
{
	static const struct {
		const char *before, *after;
		int error;
	} rows[] = {
		{ "a1 6b 4174746573746174696f6e a1 68 646f63756d656e74", "",
		  0 },
		{ "bf 6b 4174746573746174696f6e bf 68 646f63756d656e74", "ffff",
		  0 },
		{ "a1 6b 4174746573746174696f6e bf 68 646f63756d656e74", "ff",
		  0 },
		{ "bf 6b 4174746573746174696f6e a1 68 646f63756d656e74", "",
		  NSMC_E_TRUNCATED },
		{ "a1 6b 4174746573746174696f6e a1 68 646f63756d656e74", "ff",
		  NSMC_E_MALFORMED },
		{ "a1 6b 4174746573746174696f6e a1 68 646f63756d656e54", "",
		  NSMC_E_MALFORMED },
		{ "", "", NSMC_E_MALFORMED }, /* the bare document */
	};
	static struct writer w;

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct data doc = make(&as_aws_open), d;
		struct nsmc_bytes got = { NULL, 77 };
		struct nsmc_doc parsed;
		int r;

		w.len = 0;
		put_hex(&w, rows[i].before);
		if (i + 1 < COUNT(rows))
			put_bytes(&w, doc.bytes, doc.len);
		else
			put(&w, doc.bytes, doc.len);
		put_hex(&w, rows[i].after);
		d = data_copy(w.at, w.len);
		r = nsmc_doc_of_answer(d.bytes, d.len, &got);
		CHECK_INT(r, -rows[i].error);
		if (r == 0) {
			check_bytes(got, doc.bytes, doc.len);
			CHECK(got.data > d.bytes &&
			      got.data + got.len <= d.bytes + d.len);
			CHECK_INT(nsmc_doc_parse(got.data, got.len, &parsed,
						 NULL),
				  0);
			for (size_t n = 0; n < d.len; n++)
				CHECK_INT(nsmc_doc_of_answer(d.bytes, n, &got),
					  -NSMC_E_TRUNCATED);
		} else {
			CHECK_INT(got.len, 77);
		}
		free(d.bytes);
		free(doc.bytes);
	}
	CHECK_INT(nsmc_doc_of_answer("", 0, &(struct nsmc_bytes){ 0 }),
		  -NSMC_E_TRUNCATED);
	/* A refusal is that. */
	CHECK_INT(nsmc_doc_of_answer("\xa1\x65"
				     "Error\x6dInternalError",
				     21, &(struct nsmc_bytes){ 0 }),
		  -NSMC_E_INTERNAL_ERROR);
}

/* --- bad ones --- */

TEST(every_prefix_is_cut)
{
	const struct plan *const plans[] = { &as_aws, &as_aws_open, &as_qemu };

	for (size_t i = 0; i < COUNT(plans); i++) {
		struct data d = make(plans[i]);

		for (size_t n = 0; n < d.len; n++) {
			struct data cut = data_copy(d.bytes, n);
			struct nsmc_doc doc;

			CHECK_INT(nsmc_doc_parse(cut.bytes, n, &doc, NULL),
				  -NSMC_E_DOC_CUT);
			free(cut.bytes);
		}
		free(d.bytes);
	}
}

static void check_any_byte(const struct plan *plan)
{
	struct data d = make(plan);
	struct nsmc_doc doc;

	for (size_t i = 0; i < d.len; i++) {
		uint8_t was = d.bytes[i];

		for (unsigned v = 0; v < 256; v += i < 200 ? 1 : 37) {
			int r;

			d.bytes[i] = (uint8_t)v;
			r = nsmc_doc_parse(d.bytes, d.len, &doc, NULL);
			CHECK(r == 0 ||
			      (r <= -NSMC_E_DOC_CUT && r >= -NSMC_E_DOC_RANGE));
		}
		d.bytes[i] = was;
	}
	free(d.bytes);
}

TEST(any_byte_may_be_any_other_in_a_document)
{
	struct plan open = as_qemu;

	check_any_byte(&as_qemu);
	open.open = true;
	check_any_byte(&open);
}

TEST(each_field_has_its_errors)
{
	static const struct {
		const char *field, *value;
		int error;
		const char *object;
	} rows[] = {
		{ "module_id", "", NSMC_E_DOC_MISSING, NULL },
		{ "module_id", "f6", NSMC_E_DOC_MISSING, NULL },
		{ "module_id", "60", NSMC_E_DOC_LENGTH, NULL },
		{ "module_id", "41 61", NSMC_E_DOC_TYPE, NULL },
		{ "module_id", "7f 61 61 ff", NSMC_E_DOC_CBOR, NULL },
		{ "digest", "", NSMC_E_DOC_MISSING, NULL },
		{ "digest", "f6", NSMC_E_DOC_MISSING, NULL },
		{ "digest", "60", NSMC_E_DOC_LENGTH, NULL },
		{ "digest", "46 534841333834", NSMC_E_DOC_TYPE, NULL },
		{ "timestamp", "", NSMC_E_DOC_MISSING, NULL },
		{ "timestamp", "f6", NSMC_E_DOC_MISSING, NULL },
		{ "timestamp", "00", NSMC_E_DOC_RANGE, NULL },
		{ "timestamp", "1b 4000000000000000", NSMC_E_DOC_RANGE, NULL },
		{ "timestamp", "1b ffffffffffffffff", NSMC_E_DOC_RANGE, NULL },
		{ "timestamp", "20", NSMC_E_DOC_TYPE, NULL },
		{ "timestamp", "61 31", NSMC_E_DOC_TYPE, NULL },
		{ "timestamp", "fb 4278000000000000", NSMC_E_DOC_TYPE, NULL },
		{ "timestamp", "c1 01", NSMC_E_DOC_TYPE, NULL },
		{ "pcrs", "", NSMC_E_DOC_MISSING, NULL },
		{ "pcrs", "f6", NSMC_E_DOC_MISSING, NULL },
		{ "pcrs", "80", NSMC_E_DOC_TYPE, NULL },
		{ "pcrs", "bf 07 58 30 [48] 09 ff", NSMC_E_DOC_CBOR, "PCR9" },
		{ "pcrs", "bf 07 58 30 [48] 07 58 30 [48] ff", NSMC_E_DOC_TWICE,
		  "PCR7" },
		{ "pcrs", "bf 18 20 58 30 [48] ff", NSMC_E_DOC_RANGE, NULL },
		{ "pcrs", "a1 ff", NSMC_E_DOC_CBOR, NULL },
		{ "pcrs", "a1 07 ff", NSMC_E_DOC_CBOR, "PCR7" },
		{ "pcrs", "9f ff", NSMC_E_DOC_TYPE, NULL },
		{ "pcrs", "a1 07 5f 58 30 [48] ff", NSMC_E_DOC_CBOR, "PCR7" },
		{ "pcrs", "b8 21", NSMC_E_DOC_RANGE, NULL },
		{ "pcrs", "bb 0000000100000001 00 58 30 [48]", NSMC_E_DOC_RANGE,
		  NULL },
		{ "pcrs", "a1 18 20 58 30 [48]", NSMC_E_DOC_RANGE, NULL },
		{ "pcrs", "a1 19 0100 58 30 [48]", NSMC_E_DOC_RANGE, NULL },
		{ "pcrs", "a1 1b 0000000100000000 58 30 [48]", NSMC_E_DOC_RANGE,
		  NULL },
		{ "pcrs", "a1 20 58 30 [48]", NSMC_E_DOC_TYPE, NULL },
		{ "pcrs", "a1 61 30 58 30 [48]", NSMC_E_DOC_TYPE, NULL },
		{ "pcrs", "a1 07 58 1f [31]", NSMC_E_DOC_LENGTH, "PCR7" },
		{ "pcrs", "a1 07 58 21 [33]", NSMC_E_DOC_LENGTH, "PCR7" },
		{ "pcrs", "a1 07 58 31 [49]", NSMC_E_DOC_LENGTH, "PCR7" },
		{ "pcrs", "a1 07 58 41 [65]", NSMC_E_DOC_LENGTH, "PCR7" },
		{ "pcrs", "a1 18 1f 40", NSMC_E_DOC_LENGTH, "PCR31" },
		{ "pcrs", "a1 07 f6", NSMC_E_DOC_TYPE, "PCR7" },
		{ "pcrs", "a1 07 78 30 [48]", NSMC_E_DOC_TYPE, "PCR7" },
		{ "pcrs", "a2 07 58 30 [48] 07 58 30 [48]", NSMC_E_DOC_TWICE,
		  "PCR7" },
		{ "pcrs", "a2 07 58 30 [48] 18 07 58 30 [48]", NSMC_E_DOC_TWICE,
		  "PCR7" },
		{ "certificate", "", NSMC_E_DOC_MISSING, NULL },
		{ "certificate", "f6", NSMC_E_DOC_MISSING, NULL },
		{ "certificate", "40", NSMC_E_DOC_LENGTH, NULL },
		{ "certificate", "59 0401 [1025]", NSMC_E_DOC_LENGTH, NULL },
		{ "certificate", "61 61", NSMC_E_DOC_TYPE, NULL },
		{ "cabundle", "", NSMC_E_DOC_MISSING, NULL },
		{ "cabundle", "f6", NSMC_E_DOC_MISSING, NULL },
		{ "cabundle", "80", NSMC_E_DOC_RANGE, NULL },
		{ "cabundle", "41 01", NSMC_E_DOC_TYPE, NULL },
		{ "cabundle",
		  "91 4100 4100 4100 4100 4100 4100 4100 4100 4100 "
		  "4100 4100 4100 4100 4100 4100 4100 4100",
		  NSMC_E_DOC_RANGE, NULL },
		{ "cabundle", "9b 0000000100000001 4100", NSMC_E_DOC_RANGE,
		  NULL },
		{ "cabundle", "9f ff", NSMC_E_DOC_RANGE, NULL },
		{ "cabundle",
		  "9f 4100 4100 4100 4100 4100 4100 4100 4100 4100 "
		  "4100 4100 4100 4100 4100 4100 4100 4100 ff",
		  NSMC_E_DOC_RANGE, NULL },
		{ "cabundle", "81 ff", NSMC_E_DOC_CBOR, "cabundle[0]" },
		{ "cabundle", "9f 5f 41 01 ff ff", NSMC_E_DOC_CBOR,
		  "cabundle[0]" },
		{ "cabundle", "9f 41 01 40 ff", NSMC_E_DOC_LENGTH,
		  "cabundle[1]" },
		{ "cabundle", "bf ff", NSMC_E_DOC_TYPE, NULL },
		{ "cabundle", "82 41 01 f6", NSMC_E_DOC_MISSING,
		  "cabundle[1]" },
		{ "cabundle", "82 41 01 40", NSMC_E_DOC_LENGTH, "cabundle[1]" },
		{ "cabundle", "82 41 01 61 61", NSMC_E_DOC_TYPE,
		  "cabundle[1]" },
		{ "cabundle", "81 59 0401 [1025]", NSMC_E_DOC_LENGTH,
		  "cabundle[0]" },
		{ "public_key", "59 0401 [1025]", NSMC_E_DOC_LENGTH, NULL },
		{ "public_key", "61 61", NSMC_E_DOC_TYPE, NULL },
		{ "public_key", "ff", NSMC_E_DOC_CBOR, NULL },
		{ "public_key", "9f ff", NSMC_E_DOC_TYPE, NULL },
		{ "user_data", "59 0401 [1025]", NSMC_E_DOC_LENGTH, NULL },
		{ "user_data", "f7", NSMC_E_DOC_TYPE, NULL },
		{ "user_data", "5f 41 01 ff", NSMC_E_DOC_CBOR, NULL },
		{ "nonce", "59 0401 [1025]", NSMC_E_DOC_LENGTH, NULL },
		{ "nonce", "00", NSMC_E_DOC_TYPE, NULL },
		{ "nonce", "c2 41 01", NSMC_E_DOC_TYPE, NULL },
	};

	for (size_t n = 0; n < 2 * COUNT(rows); n++) {
		size_t i = n / 2;
		struct data d = make(&(struct plan){ .open = n % 2,
						     .module_id = "i",
						     .pcrs = 1,
						     .field = rows[i].field,
						     .value = rows[i].value });

		check_error(d, rows[i].error,
			    rows[i].object ? rows[i].object : rows[i].field);
		free(d.bytes);
	}
}

TEST(longest_fields_are_read)
{
	static const struct {
		const char *field, *value;
	} rows[] = {
		{ "certificate", "59 0400 [1024]" },
		{ "cabundle", "90 4100 4100 4100 4100 4100 4100 4100 4100 4100 "
			      "4100 4100 4100 4100 4100 4100 59 0400 [1024]" },
		{ "public_key", "59 0400 [1024]" },
		{ "public_key", "41 00" },
		{ "public_key", "40" },
		{ "user_data", "59 0400 [1024]" },
		{ "nonce", "59 0400 [1024]" },
		{ "timestamp", "01" },
		{ "timestamp", "1b 3fffffffffffffff" },
		{ "pcrs", "a0" },
		{ "pcrs", "a1 18 1f 58 40 [64]" },
		{ "pcrs", "a1 00 58 20 [32]" },
		{ "pcrs", "a1 1b 000000000000001f 58 30 [48]" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct data d = make(&(struct plan){ .module_id = "i",
						     .pcrs = 1,
						     .field = rows[i].field,
						     .value = rows[i].value });
		struct nsmc_doc doc;

		CHECK_INT(nsmc_doc_parse(d.bytes, d.len, &doc, NULL), 0);
		free(d.bytes);
	}
}

TEST(each_field_comes_once)
{
	static const char *const fields[] = {
		"module_id",   "digest",   "timestamp",	 "pcrs",      "nonce",
		"certificate", "cabundle", "public_key", "user_data",
	};
	static struct writer w;

	for (size_t i = 0; i < COUNT(fields); i++) {
		char hex[64] = "";
		struct data d;

		w.len = 0;
		put_text(&w, fields[i]);
		for (size_t k = 0; k < w.len; k++)
			snprintf(hex + 2 * k, 3, "%02x", w.at[k]);
		strcat(hex, "f6");
		for (int open = 0; open < 2; open++) {
			d = make(&(struct plan){ .open = open,
						 .module_id = "i",
						 .pcrs = 1,
						 .more = hex,
						 .more_count = 1 });
			check_error(d, NSMC_E_DOC_TWICE, fields[i]);
			free(d.bytes);
		}
	}
}

TEST(what_is_no_document_is_refused)
{
	static const struct {
		const char *hex;
		int error;
		const char *object;
	} rows[] = {
		{ "", NSMC_E_DOC_CUT, "document" },
		{ "d2", NSMC_E_DOC_CUT, "document" },
		{ "d2 84", NSMC_E_DOC_CUT, "protected header" },
		{ "d2 d2 84", NSMC_E_DOC_COSE, "document" },
		{ "d1 84", NSMC_E_DOC_COSE, "document" },
		{ "83", NSMC_E_DOC_COSE, "document" },
		{ "85", NSMC_E_DOC_COSE, "document" },
		{ "a4", NSMC_E_DOC_COSE, "document" },
		{ "9f", NSMC_E_DOC_CUT, "protected header" },
		{ "9f ff", NSMC_E_DOC_COSE, "protected header" },
		{ "bf", NSMC_E_DOC_COSE, "document" },
		{ "1c", NSMC_E_DOC_CBOR, "document" },
		{ "ff", NSMC_E_DOC_CBOR, "document" },
		{ "84 a1013822", NSMC_E_DOC_COSE, "protected header" },
		{ "84 40", NSMC_E_DOC_COSE, "protected header" },
		{ "84 41 a0", NSMC_E_DOC_COSE, "protected header" },
		{ "84 47 a2 01 3822 01 3822", NSMC_E_DOC_COSE,
		  "protected header" },
		{ "84 44 a1 02 3822", NSMC_E_DOC_COSE, "protected header" },
		{ "84 44 a1 20 3822", NSMC_E_DOC_COSE, "protected header" },
		{ "84 44 a1 01 6161", NSMC_E_DOC_COSE, "protected header" },
		{ "84 4b a1 01 3b ffffffffffffffff", NSMC_E_DOC_COSE,
		  "protected header" },
		{ "84 42 a1 01", NSMC_E_DOC_CBOR, "protected header" },
		{ "84 45 a1 01 3822 00", NSMC_E_DOC_TRAILING,
		  "protected header" },
		{ "84 44 a1013822 a1 01 3822", NSMC_E_DOC_COSE,
		  "unprotected header" },
		{ "84 44 a1013822 80", NSMC_E_DOC_COSE, "unprotected header" },
		{ "84 44 a1013822 a0 f6", NSMC_E_DOC_COSE, "payload" },
		{ "84 44 a1013822 a0 a0", NSMC_E_DOC_COSE, "payload" },
		{ "84 44 a1013822 a0 41 a0 f6", NSMC_E_DOC_COSE, "signature" },
		{ "84 44 a1013822 a0 41 a0 40 00", NSMC_E_DOC_TRAILING,
		  "document" },
		{ "84 44 a1013822 a0 40 40", NSMC_E_DOC_LENGTH, "payload" },
		{ "84 44 a1013822 a0 41 a0 40", NSMC_E_DOC_MISSING,
		  "module_id" },
		{ "84 44 a1013822 a0 41 80 40", NSMC_E_DOC_TYPE, "payload" },
		{ "84 44 a1013822 a0 42 a000 40", NSMC_E_DOC_TRAILING,
		  "payload" },
		{ "84 44 a1013822 a0 42 a100 40", NSMC_E_DOC_TYPE, "payload" },
		{ "84 44 a1013822 a0 41 a1 40", NSMC_E_DOC_CBOR, "payload" },
		{ "84 44 a1013822 a0 42 bfff 40", NSMC_E_DOC_MISSING,
		  "module_id" },
		{ "84 44 a1013822 a0 41 bf 40", NSMC_E_DOC_CBOR, "payload" },
		{ "84 44 a1013822 a0 43 bfffff 40", NSMC_E_DOC_TRAILING,
		  "payload" },
		{ "84 44 a1013822 a0 42 a0ff 40", NSMC_E_DOC_TRAILING,
		  "payload" },
		{ "84 44 a1013822 a0 42 a1ff 40", NSMC_E_DOC_CBOR, "payload" },
		{ "84 44 a1013822 a0 44 bf6178ff 40", NSMC_E_DOC_CBOR,
		  "payload" },
		{ "84 44 a1013822 a0 46 bf617800ff00 40", NSMC_E_DOC_TRAILING,
		  "payload" },
		{ "84 44 a1013822 a0 46 bf6178009fff 40", NSMC_E_DOC_TYPE,
		  "payload" },
		{ "84 44 a1013822 a0 46 bf6178bf00ff 40", NSMC_E_DOC_CBOR,
		  "payload" },
		{ "84 44 a1013822 a0 47 bf7f6178ff00ff 40", NSMC_E_DOC_CBOR,
		  "payload" },
		{ "84 44 a1013822 a0 46 bf61785f40ff 40", NSMC_E_DOC_CBOR,
		  "payload" },
		{ "84 44 a1013822 a0 42 9fff 40", NSMC_E_DOC_TYPE, "payload" },
		{ "84 44 a1013822 a0 46 a1 646e6f6e63 40", NSMC_E_DOC_CBOR,
		  "payload" },
	};
	static struct writer w;
	struct nsmc_bytes none = { NULL, 77 };
	struct nsmc_doc doc;

	/* A pointer that was lost. */
	CHECK_INT(nsmc_doc_parse(NULL, 32, &doc, NULL), -EINVAL);
	CHECK_INT(nsmc_doc_of_answer(NULL, 32, &none), -EINVAL);
	CHECK_INT(none.len, 77);
	CHECK_INT(nsmc_doc_parse(NULL, 0, &doc, NULL), -NSMC_E_DOC_CUT);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct data d;

		w.len = 0;
		put_hex(&w, rows[i].hex);
		d = data_copy(w.at, w.len);
		check_error(d, rows[i].error, rows[i].object);
		free(d.bytes);
	}
}

TEST(payload_has_at_most_16384_bytes)
{
	struct data d = make(&(struct plan){ .module_id = "i", .pcrs = 1 });
	struct nsmc_doc doc;
	size_t room;
	char hex[64];

	REQUIRE(nsmc_doc_parse(d.bytes, d.len, &doc, NULL) == 0);
	room = NSMC_PAYLOAD_MAX - doc.payload.len - 2 - 3;
	free(d.bytes);
	for (size_t more = 0; more < 2; more++) {
		snprintf(hex, sizeof(hex), "61 78 59 %04zx [%zu]", room + more,
			 room + more);
		d = make(&(struct plan){ .module_id = "i",
					 .pcrs = 1,
					 .more = hex,
					 .more_count = 1 });
		if (more) {
			check_error(d, NSMC_E_DOC_LENGTH, "payload");
		} else if (CHECK_INT(nsmc_doc_parse(d.bytes, d.len, &doc, NULL),
				     0)) {
			CHECK_INT(doc.payload.len, NSMC_PAYLOAD_MAX);
		}
		free(d.bytes);
	}
}

TEST(debug_mode_is_known_unknown_or_none)
{
	uint8_t value[NSMC_PCR_SIZE] = { 0 };
	const uint8_t one[NSMC_PCR_SIZE] = { 1 };
	struct nsmc_doc doc = { 0 };

	CHECK_INT(NSMC_DEBUG_UNKNOWN, 0);
	CHECK_INT(nsmc_doc_debug(&doc), NSMC_DEBUG_UNKNOWN);
	doc.pcr[0] = NSMC_BYTES(value, sizeof(value));
	CHECK_INT(nsmc_doc_debug(&doc), NSMC_DEBUG_YES);
	value[47] = 1;
	CHECK_INT(nsmc_doc_debug(&doc), NSMC_DEBUG_NO);
	value[47] = 0;
	value[0] = 0x80;
	CHECK_INT(nsmc_doc_debug(&doc), NSMC_DEBUG_NO);

	/* PCR0 is what counts if it is there. */
	doc.pcr[1] = doc.pcr[0];
	doc.pcr[0] = NSMC_BYTES(one, sizeof(one));
	value[0] = 0;
	CHECK_INT(nsmc_doc_debug(&doc), NSMC_DEBUG_NO);

	/* Without it PCR1 and PCR2 may tell of debug mode, never of none. */
	for (unsigned i = 1; i <= 2; i++) {
		doc = (struct nsmc_doc){ 0 };
		doc.pcr[i] = NSMC_BYTES(value, sizeof(value));
		CHECK_INT(nsmc_doc_debug(&doc), NSMC_DEBUG_YES);
		doc.pcr[3 - i] = NSMC_BYTES(one, sizeof(one));
		CHECK_INT(nsmc_doc_debug(&doc), NSMC_DEBUG_YES);
		doc.pcr[i] = NSMC_BYTES(one, sizeof(one));
		CHECK_INT(nsmc_doc_debug(&doc), NSMC_DEBUG_UNKNOWN);
	}
	/* The others are zero in production too. */
	doc = (struct nsmc_doc){ 0 };
	for (unsigned i = 3; i < NSMC_PCR_COUNT; i++)
		doc.pcr[i] = NSMC_BYTES(value, sizeof(value));
	CHECK_INT(nsmc_doc_debug(&doc), NSMC_DEBUG_UNKNOWN);

	/* A NitroTPM has no such mode. */
	for (unsigned i = 0; i < 3; i++)
		doc.pcr[i] = NSMC_BYTES(value, sizeof(value));
	CHECK_INT(nsmc_doc_debug(&doc), NSMC_DEBUG_YES);
	doc.kind = NSMC_KIND_NITROTPM;
	CHECK_INT(nsmc_doc_debug(&doc), NSMC_DEBUG_UNKNOWN);
}

CHECK_MAIN("doc")
