#include "nsm/nsmc.h"

#include <errno.h>
#include <string.h>

#include "nsm/item.h"
#include "nsm/object.h"
#include "nsm/wire.h"

enum {
	TAG_COSE_SIGN1 = 18,
	COSE_ALGORITHM = 1, /* the header's key */
};

/* Translates the reader's errors into those of the interface. */
static int doc_error(int e)
{
	return e == -ENODATA ? -NSMC_E_DOC_CUT :
	       e == -EBADMSG ? -NSMC_E_DOC_CBOR :
			       e;
}

static int next(struct item_reader *r, struct item *ret)
{
	return doc_error(item_next(r, ret));
}

/* Takes the next item, which must be of TYPE; ERROR if it is not. */
static int next_of(struct item_reader *r, enum item_type type, int error,
		   struct item *ret)
{
	int e = next(r, ret);

	if (e < 0)
		return e;
	return ret->type == type ? 0 : error;
}

/*
 * The content of a byte string that was read whole cannot be truncated: it was
 * written so.
 */
static int inner_error(int e)
{
	return e == -NSMC_E_DOC_CUT ? -NSMC_E_DOC_CBOR : e;
}

/* Does another element of LIST follow at R? 1, 0 or an error. */
static int more(struct item_reader *r, struct item_list *list)
{
	return doc_error(item_more(r, list));
}

/* Enters the next array or map; *RET is unset on an error. */
static int enter(struct item_reader *r, enum item_type type, int error,
		 struct item_list *ret)
{
	struct item item;
	int e = next_of(r, type, error, &item);

	if (e == 0)
		*ret = item_list(&item);
	return e;
}

/* --- the header --- */

/*
 * For COSE's structures. WANTED is 1: another element of LIST must follow; 0:
 * none may.
 */
static int expect(struct item_reader *r, struct item_list *list, int wanted)
{
	int e = more(r, list);

	if (e < 0)
		return e;
	return e == wanted ? 0 : -NSMC_E_DOC_COSE;
}

static int read_header(const struct item *header, int64_t *ret_algorithm)
{
	struct item_reader r = { .at = header->data, .left = header->len };
	struct item key, algorithm;
	struct item_list map;
	int e;

	/* COSE's encoding of an empty one. */
	if (header->len == 0)
		return -NSMC_E_DOC_COSE;
	e = enter(&r, ITEM_MAP, -NSMC_E_DOC_COSE, &map);
	if (e == 0 && !map.open && map.left != 1)
		e = -NSMC_E_DOC_COSE;
	if (e == 0)
		e = expect(&r, &map, 1);
	if (e == 0)
		e = next_of(&r, ITEM_UINT, -NSMC_E_DOC_COSE, &key);
	if (e == 0 && key.value != COSE_ALGORITHM)
		e = -NSMC_E_DOC_COSE;
	if (e == 0)
		e = next(&r, &algorithm);
	if (e == 0)
		e = expect(&r, &map, 0);
	if (e < 0)
		return inner_error(e);
	if ((algorithm.type != ITEM_UINT && algorithm.type != ITEM_NEGATIVE) ||
	    algorithm.value > INT64_MAX)
		return -NSMC_E_DOC_COSE;
	if (r.left > 0)
		return -NSMC_E_DOC_TRAILING;
	*ret_algorithm = algorithm.type == ITEM_UINT ?
				 (int64_t)algorithm.value :
				 -1 - (int64_t)algorithm.value;
	return 0;
}

/* --- the fields of the payload --- */

/*
 * Reads a value at R into the object that CTX points to; LIMIT bounds its
 * bytes.
 */
typedef int field_fn(struct item_reader *r, size_t limit, void *ctx,
		     struct nsmc_object *object);

static int bytes_of(const struct item *i, enum item_type type, size_t limit,
		    struct nsmc_bytes *ret)
{
	if (i->type != type)
		return i->type == ITEM_NULL ? -NSMC_E_DOC_MISSING :
					      -NSMC_E_DOC_TYPE;
	if (i->len == 0 || i->len > limit)
		return -NSMC_E_DOC_LENGTH;
	*ret = (struct nsmc_bytes){ i->data, i->len };
	return 0;
}

static int read_text(struct item_reader *r, size_t limit, void *ctx,
		     struct nsmc_object *object)
{
	struct item i;
	int e = next(r, &i);

	(void)object;
	return e < 0 ? e : bytes_of(&i, ITEM_TEXT, limit, ctx);
}

static int read_bytes(struct item_reader *r, size_t limit, void *ctx,
		      struct nsmc_object *object)
{
	struct item i;
	int e = next(r, &i);

	(void)object;
	return e < 0 ? e : bytes_of(&i, ITEM_BYTES, limit, ctx);
}

/* May be null, which means absent, or empty. */
static int read_optional(struct item_reader *r, size_t limit, void *ctx,
			 struct nsmc_object *object)
{
	struct nsmc_bytes *ret = ctx;
	struct item i;
	int e = next(r, &i);

	(void)object;
	if (e < 0 || i.type == ITEM_NULL)
		return e;
	if (i.type != ITEM_BYTES)
		return -NSMC_E_DOC_TYPE;
	if (i.len > limit)
		return -NSMC_E_DOC_LENGTH;
	*ret = (struct nsmc_bytes){ i.data, i.len };
	return 0;
}

static int read_timestamp(struct item_reader *r, size_t limit, void *ctx,
			  struct nsmc_object *object)
{
	uint64_t *ret = ctx;
	struct item i;
	int e = next(r, &i);

	(void)object;
	(void)limit;
	if (e < 0)
		return e;
	if (i.type != ITEM_UINT)
		return i.type == ITEM_NULL ? -NSMC_E_DOC_MISSING :
					     -NSMC_E_DOC_TYPE;
	/* Bounded so that no sum with a window of seconds overflows. */
	if (i.value == 0 || i.value > INT64_MAX / 2)
		return -NSMC_E_DOC_RANGE;
	*ret = i.value;
	return 0;
}

static int read_pcr(struct item_reader *r, size_t limit,
		    struct nsmc_bytes *pcrs, struct nsmc_object *object)
{
	struct item index, value;
	int e = next_of(r, ITEM_UINT, -NSMC_E_DOC_TYPE, &index);

	if (e < 0)
		return e;
	if (index.value >= limit)
		return -NSMC_E_DOC_RANGE;
	object_set_number(object, "PCR", (unsigned)index.value, "");
	if (pcrs[index.value].data)
		return -NSMC_E_DOC_TWICE;
	e = next_of(r, ITEM_BYTES, -NSMC_E_DOC_TYPE, &value);
	if (e < 0)
		return e;
	/* SHA-256, SHA-384, SHA-512 */
	if (value.len != 32 && value.len != 48 && value.len != 64)
		return -NSMC_E_DOC_LENGTH;
	pcrs[index.value] = (struct nsmc_bytes){ value.data, value.len };
	return 0;
}

/* Enters the next array or map, of a field that must not be null. */
static int enter_field(struct item_reader *r, enum item_type type,
		       struct item_list *ret)
{
	struct item i;
	int e = next(r, &i);

	if (e < 0)
		return e;
	if (i.type != type)
		return i.type == ITEM_NULL ? -NSMC_E_DOC_MISSING :
					     -NSMC_E_DOC_TYPE;
	*ret = item_list(&i);
	return 0;
}

/*
 * At most LIMIT. Without any entry the document is not believed: a bare
 * emulated device locks no PCR.
 */
static int read_pcrs(struct item_reader *r, size_t limit, void *ctx,
		     struct nsmc_object *object)
{
	struct item_list map;
	struct nsmc_object whole = *object;
	int e = enter_field(r, ITEM_MAP, &map);

	if (e == 0 && !map.open && map.left > limit)
		return -NSMC_E_DOC_RANGE;
	while (e == 0 && (e = more(r, &map)) > 0) {
		*object = whole;
		e = read_pcr(r, limit, ctx, object);
	}
	return e;
}

static int read_cabundle(struct item_reader *r, size_t limit, void *ctx,
			 struct nsmc_object *object)
{
	struct nsmc_doc *doc = ctx;
	struct item_list array;
	size_t n = 0;
	int e = enter_field(r, ITEM_ARRAY, &array);

	if (e == 0 && !array.open &&
	    (array.left == 0 || array.left > NSMC_CABUNDLE_MAX))
		return -NSMC_E_DOC_RANGE;
	while (e == 0 && (e = more(r, &array)) > 0) {
		if (n == NSMC_CABUNDLE_MAX) {
			object_set(object, "cabundle");
			return -NSMC_E_DOC_RANGE;
		}
		object_set_number(object, "cabundle[", (unsigned)n, "]");
		e = read_bytes(r, limit, &doc->cabundle[n++], object);
	}
	if (e < 0)
		return e;
	if (n == 0)
		return -NSMC_E_DOC_RANGE;
	doc->cabundle_count = n;
	return 0;
}

enum { FIELD_OPTIONAL, FIELD_REQUIRED, FIELD_PCRS };

/* By number: the two fields by which the kinds of documents differ. */
enum { PCRS = 3, NITROTPM_PCRS = 4 };

/* Of a TPM: TCG PC Client Platform TPM Profile, 4.6. */
enum { NITROTPM_PCR_COUNT = 24 };

static const struct doc_field {
	const char *name;
	field_fn *read;
	size_t limit;
	size_t offset;
	int presence;
} fields[] = {
	{ "module_id", read_text, NSMC_PAYLOAD_MAX,
	  offsetof(struct nsmc_doc, module_id), FIELD_REQUIRED },
	{ "digest", read_text, NSMC_PAYLOAD_MAX,
	  offsetof(struct nsmc_doc, digest), FIELD_REQUIRED },
	{ "timestamp", read_timestamp, 0,
	  offsetof(struct nsmc_doc, timestamp_ms), FIELD_REQUIRED },
	[PCRS] = { "pcrs", read_pcrs, NSMC_PCR_COUNT,
		   offsetof(struct nsmc_doc, pcr), FIELD_PCRS },
	[NITROTPM_PCRS] = { "nitrotpm_pcrs", read_pcrs, NITROTPM_PCR_COUNT,
			    offsetof(struct nsmc_doc, pcr), FIELD_PCRS },
	{ "certificate", read_bytes, NSMC_CERTIFICATE_MAX,
	  offsetof(struct nsmc_doc, certificate), FIELD_REQUIRED },
	{ "cabundle", read_cabundle, NSMC_CERTIFICATE_MAX, 0, FIELD_REQUIRED },
	{ "public_key", read_optional, NSMC_FIELD_MAX,
	  offsetof(struct nsmc_doc, public_key), FIELD_OPTIONAL },
	{ "user_data", read_optional, NSMC_FIELD_MAX,
	  offsetof(struct nsmc_doc, user_data), FIELD_OPTIONAL },
	{ "nonce", read_optional, NSMC_FIELD_MAX,
	  offsetof(struct nsmc_doc, nonce), FIELD_OPTIONAL },
};

enum { FIELDS = sizeof(fields) / sizeof(fields[0]) };

static int read_field(struct item_reader *r, struct nsmc_doc *doc,
		      unsigned *seen, struct nsmc_object *object)
{
	struct item key;
	size_t i;
	int e = next_of(r, ITEM_TEXT, -NSMC_E_DOC_TYPE, &key);

	object_set(object, "payload");
	if (e < 0)
		return e;
	for (i = 0; i < FIELDS; i++)
		if (item_is_text(&key, fields[i].name))
			break;
	if (i == FIELDS)
		return doc_error(item_skip(r));
	object_set(object, fields[i].name);
	/* Two sets of PCRs count as a duplicate field. */
	if (fields[i].presence == FIELD_PCRS ?
		    *seen & (1U << PCRS | 1U << NITROTPM_PCRS) :
		    *seen & 1U << i)
		return -NSMC_E_DOC_TWICE;
	*seen |= 1U << i;
	return fields[i].read(r, fields[i].limit,
			      (char *)doc + fields[i].offset, object);
}

static int check_presence(unsigned seen, struct nsmc_object *object)
{
	if (seen & 1U << NITROTPM_PCRS)
		seen |= 1U << PCRS;
	for (size_t i = 0; i < FIELDS; i++) {
		if (fields[i].presence == FIELD_OPTIONAL ||
		    i == NITROTPM_PCRS || seen & 1U << i)
			continue;
		object_set(object, fields[i].name);
		return -NSMC_E_DOC_MISSING;
	}
	return 0;
}

static int read_payload(struct nsmc_doc *doc, struct nsmc_object *object)
{
	struct item_reader r = { .at = doc->payload.data,
				 .left = doc->payload.len };
	struct item_list map;
	unsigned seen = 0;
	int e;

	object_set(object, "payload");
	if (r.left == 0 || r.left > NSMC_PAYLOAD_MAX)
		return -NSMC_E_DOC_LENGTH;
	e = enter(&r, ITEM_MAP, -NSMC_E_DOC_TYPE, &map);
	while (e == 0 && (e = more(&r, &map)) > 0)
		e = read_field(&r, doc, &seen, object);
	if (e < 0)
		return inner_error(e);
	if (r.left > 0) {
		object_set(object, "payload");
		return -NSMC_E_DOC_TRAILING;
	}
	doc->kind = seen & 1U << NITROTPM_PCRS ? NSMC_KIND_NITROTPM :
						 NSMC_KIND_ENCLAVE;
	return check_presence(seen, object);
}

/* --- the whole --- */

/* Takes the next element, NAME, of the structure ARRAY; it must be of TYPE. */
static int next_element(struct item_reader *r, struct item_list *array,
			enum item_type type, const char *name, struct item *ret,
			struct nsmc_object *object)
{
	int e;

	object_set(object, name);
	e = expect(r, array, 1);
	return e < 0 ? e : next_of(r, type, -NSMC_E_DOC_COSE, ret);
}

/* RFC 9052, 4.2: [protected, unprotected, payload, signature], maybe tagged. */
static int read_cose(struct item_reader *r, struct nsmc_doc *doc,
		     struct nsmc_object *object)
{
	struct item_list array, map;
	struct item item;
	int e = next(r, &item);

	object_set(object, "document");
	if (e == 0 && item.type == ITEM_TAG) {
		if (item.value != TAG_COSE_SIGN1)
			return -NSMC_E_DOC_COSE;
		e = next(r, &item);
	}
	if (e < 0)
		return e;
	if (item.type != ITEM_ARRAY || (!item.open && item.value != 4))
		return -NSMC_E_DOC_COSE;
	array = item_list(&item);

	e = next_element(r, &array, ITEM_BYTES, "protected header", &item,
			 object);
	if (e == 0)
		e = read_header(&item, &doc->algorithm);
	if (e < 0)
		return e;
	doc->protected_header = (struct nsmc_bytes){ item.data, item.len };

	e = next_element(r, &array, ITEM_MAP, "unprotected header", &item,
			 object);
	if (e < 0)
		return e;
	map = item_list(&item);
	e = expect(r, &map, 0);
	if (e < 0)
		return e;

	e = next_element(r, &array, ITEM_BYTES, "payload", &item, object);
	if (e < 0)
		return e;
	doc->payload = (struct nsmc_bytes){ item.data, item.len };

	e = next_element(r, &array, ITEM_BYTES, "signature", &item, object);
	if (e < 0)
		return e;
	doc->signature = (struct nsmc_bytes){ item.data, item.len };
	object_set(object, "document");
	return expect(r, &array, 0);
}

int nsmc_doc_parse(const void *buf, size_t len, struct nsmc_doc *ret,
		   struct nsmc_object *reterr_object)
{
	struct item_reader r = { .at = buf, .left = len };
	struct nsmc_doc doc = { 0 };
	struct nsmc_object object;
	int e;

	if (!buf && len > 0)
		return -EINVAL;
	e = read_cose(&r, &doc, &object);
	if (e == 0 && r.left > 0) {
		object_set(&object, "document");
		e = -NSMC_E_DOC_TRAILING;
	}
	if (e == 0)
		e = read_payload(&doc, &object);
	if (e < 0) {
		if (reterr_object)
			*reterr_object = object;
		return e;
	}
	*ret = doc;
	return 0;
}

int nsmc_doc_of_answer(const void *buf, size_t len, struct nsmc_bytes *ret)
{
	return !buf && len > 0 ? -EINVAL : wire_read_attest(buf, len, ret);
}

static bool is_zero(struct nsmc_bytes pcr)
{
	for (size_t i = 0; i < pcr.len; i++)
		if (pcr.data[i] != 0)
			return false;
	return pcr.len > 0;
}

enum nsmc_debug nsmc_doc_debug(const struct nsmc_doc *doc)
{
	if (doc->kind != NSMC_KIND_ENCLAVE)
		return NSMC_DEBUG_UNKNOWN;
	if (doc->pcr[0].data)
		return is_zero(doc->pcr[0]) ? NSMC_DEBUG_YES : NSMC_DEBUG_NO;
	/* In production these measure at least a kernel; in debug mode nothing. */
	return is_zero(doc->pcr[1]) || is_zero(doc->pcr[2]) ?
		       NSMC_DEBUG_YES :
		       NSMC_DEBUG_UNKNOWN;
}
