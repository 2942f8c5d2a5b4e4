/* The reader of attestation documents: QEMU's, AWS's form, and bad fields. */

#include "nsm/nsmc.h"

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

	put_head(w, 5,
		 9 + p->more_count - (p->field && *p->value == '\0' ? 1 : 0));
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
	/* PCR0 is zero here: in QEMU it is not. */
	CHECK(nsmc_doc_is_debug(&doc));
	/* Verified it is not. */
	CHECK_INT(nsmc_doc_check_form(&doc, &object), -NSMC_E_ALGORITHM);
	CHECK_INT(nsmc_doc_check_signature(&doc, &object), -NSMC_E_ALGORITHM);
	doc.algorithm = -35;
	CHECK_INT(nsmc_doc_check_form(&doc, &object), -NSMC_E_SIGNATURE_LENGTH);
	CHECK_INT(nsmc_doc_check_signature(&doc, &object),
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

TEST(aws_form_is_read)
{
	struct data d = make(&as_aws), leaf = data_load("doc/leaf.der"),
		    ca3 = data_load("doc/ca3.der");
	struct nsmc_doc doc;

	/* The sizes of the real one. */
	CHECK_INT(d.len, 5232);
	REQUIRE(nsmc_doc_parse(d.bytes, d.len, &doc, NULL) == 0);
	CHECK_INT(doc.algorithm, -35);
	CHECK(doc.payload.data == d.bytes + 10);
	CHECK_INT(doc.payload.len, 5124);
	CHECK(doc.certificate.data == doc.payload.data + 907 + 12 + 3);
	check_bytes(doc.module_id, MODULE_ID, 39);
	check_bytes(doc.certificate, leaf.bytes, leaf.len);
	CHECK_INT(doc.cabundle_count, 4);
	check_bytes(doc.cabundle[3], ca3.bytes, ca3.len);
	CHECK_INT(doc.public_key.len, 800);
	CHECK_INT(doc.user_data.len, 32);
	CHECK(doc.user_data.data && doc.user_data.data[0] == 'u');
	CHECK(!doc.nonce.data);
	CHECK_INT(nsmc_doc_check_form(&doc, NULL), 0);
	/* Its chain is the real one, its signature is not. */
	CHECK_INT(nsmc_doc_check_chain(&doc, nsmc_aws_root(),
				       (int64_t)(doc.timestamp_ms / 1000),
				       NULL),
		  0);
	CHECK_INT(nsmc_doc_check_signature(&doc, NULL), -NSMC_E_SIGNATURE);
	free(ca3.bytes);
	free(leaf.bytes);
	free(d.bytes);
}

TEST(absent_empty_and_present_are_three_things)
{
	const char *const fields[] = { "user_data", "nonce" };
	const char *const values[] = { "", "f6", "40", "41 00" };

	for (size_t i = 0; i < COUNT(fields); i++)
		for (size_t k = 0; k < COUNT(values); k++) {
			struct data d =
				make(&(struct plan){ .module_id = "i",
						     .pcrs = 1,
						     .field = fields[i],
						     .value = values[k] });
			const struct nsmc_bytes *b;
			struct nsmc_doc doc;

			REQUIRE(nsmc_doc_parse(d.bytes, d.len, &doc, NULL) ==
				0);
			b = i == 0 ? &doc.user_data : &doc.nonce;
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
		"65 4e6f6e6365 41 01",	 /* "Nonce" */
		"64 6e6f6e63 41 01",	 /* "nonc" */
		"66 6e6f6e636500 41 01", /* "nonce\0" */
	};

	for (size_t i = 0; i < COUNT(more); i++) {
		struct data d = make(&(struct plan){ .module_id = "i",
						     .pcrs = 1,
						     .more = more[i],
						     .more_count = 1 });
		struct nsmc_doc doc;

		CHECK_INT(nsmc_doc_parse(d.bytes, d.len, &doc, NULL), 0);
		CHECK(!doc.nonce.data);
		free(d.bytes);
	}
}

/* --- bad ones --- */

TEST(every_prefix_is_cut)
{
	const struct plan *const plans[] = { &as_aws, &as_qemu };

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

TEST(any_byte_may_be_any_other_in_a_document)
{
	struct data d = make(&as_qemu);
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
		{ "pcrs", "bf 00 58 30 [48] ff", NSMC_E_DOC_CBOR, NULL },
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
		{ "cabundle", "9f 41 01 ff", NSMC_E_DOC_CBOR, NULL },
		{ "cabundle", "82 41 01 f6", NSMC_E_DOC_MISSING,
		  "cabundle[1]" },
		{ "cabundle", "82 41 01 40", NSMC_E_DOC_LENGTH, "cabundle[1]" },
		{ "cabundle", "82 41 01 61 61", NSMC_E_DOC_TYPE,
		  "cabundle[1]" },
		{ "cabundle", "81 59 0401 [1025]", NSMC_E_DOC_LENGTH,
		  "cabundle[0]" },
		{ "public_key", "40", NSMC_E_DOC_LENGTH, NULL },
		{ "public_key", "59 0401 [1025]", NSMC_E_DOC_LENGTH, NULL },
		{ "public_key", "61 61", NSMC_E_DOC_TYPE, NULL },
		{ "user_data", "59 0401 [1025]", NSMC_E_DOC_LENGTH, NULL },
		{ "user_data", "f7", NSMC_E_DOC_TYPE, NULL },
		{ "user_data", "5f 41 01 ff", NSMC_E_DOC_CBOR, NULL },
		{ "nonce", "59 0401 [1025]", NSMC_E_DOC_LENGTH, NULL },
		{ "nonce", "00", NSMC_E_DOC_TYPE, NULL },
		{ "nonce", "c2 41 01", NSMC_E_DOC_TYPE, NULL },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct data d = make(&(struct plan){ .module_id = "i",
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
		d = make(&(struct plan){ .module_id = "i",
					 .pcrs = 1,
					 .more = hex,
					 .more_count = 1 });
		check_error(d, NSMC_E_DOC_TWICE, fields[i]);
		free(d.bytes);
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
		{ "9f", NSMC_E_DOC_CBOR, "document" },
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
		{ "84 44 a1013822 a0 42 bfff 40", NSMC_E_DOC_CBOR, "payload" },
		{ "84 44 a1013822 a0 46 a1 646e6f6e63 40", NSMC_E_DOC_CBOR,
		  "payload" },
	};
	static struct writer w;

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

TEST(debug_mode_is_pcr0_there_and_zero)
{
	uint8_t value[NSMC_PCR_SIZE] = { 0 };
	struct nsmc_doc doc = { 0 };

	CHECK(!nsmc_doc_is_debug(&doc));
	doc.pcr[1] = (struct nsmc_bytes){ value, sizeof(value) };
	CHECK(!nsmc_doc_is_debug(&doc));
	doc.pcr[0] = doc.pcr[1];
	CHECK(nsmc_doc_is_debug(&doc));
	value[47] = 1;
	CHECK(!nsmc_doc_is_debug(&doc));
	value[47] = 0;
	value[0] = 0x80;
	CHECK(!nsmc_doc_is_debug(&doc));
}

CHECK_MAIN("doc")
