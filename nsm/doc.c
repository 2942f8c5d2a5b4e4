#include "nsm/nsmc.h"

#include <errno.h>
#include <string.h>

#include "nsm/item.h"
#include "nsm/object.h"

enum {
	TAG_COSE_SIGN1 = 18,
	COSE_ALGORITHM = 1, /* the header's key */
};

/* The reader's errors in the words of the interface. */
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

/* The next item, which must be of TYPE; ERROR if it is not. */
static int next_of(struct item_reader *r, enum item_type type, int error,
		   struct item *ret)
{
	int e = next(r, ret);

	if (e < 0)
		return e;
	return ret->type == type ? 0 : error;
}

/*
 * What is inside a byte string that was read whole cannot be cut short: it was
 * written so.
 */
static int inner_error(int e)
{
	return e == -NSMC_E_DOC_CUT ? -NSMC_E_DOC_CBOR : e;
}

/* --- the header --- */

static int read_header(const struct item *header, int64_t *ret_algorithm)
{
	struct item_reader r = { .at = header->data, .left = header->len };
	struct item map, key, algorithm;
	int e;

	/* COSE's way to say that it is empty. */
	if (header->len == 0)
		return -NSMC_E_DOC_COSE;
	e = next_of(&r, ITEM_MAP, -NSMC_E_DOC_COSE, &map);
	if (e == 0 && map.value != 1)
		e = -NSMC_E_DOC_COSE;
	if (e == 0)
		e = next_of(&r, ITEM_UINT, -NSMC_E_DOC_COSE, &key);
	if (e == 0 && key.value != COSE_ALGORITHM)
		e = -NSMC_E_DOC_COSE;
	if (e == 0)
		e = next(&r, &algorithm);
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

/* Reads a value at R into what CTX points to; LIMIT is the most bytes of it. */
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

/* May be null, which is absent, or empty. */
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

/* The same, but an empty key is none. */
static int read_public_key(struct item_reader *r, size_t limit, void *ctx,
			   struct nsmc_object *object)
{
	struct nsmc_bytes *ret = ctx;
	int e = read_optional(r, limit, ctx, object);

	return e == 0 && ret->data && ret->len == 0 ? -NSMC_E_DOC_LENGTH : e;
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
	/* So that no sum with a window of seconds overflows. */
	if (i.value == 0 || i.value > INT64_MAX / 2)
		return -NSMC_E_DOC_RANGE;
	*ret = i.value;
	return 0;
}

static int read_pcr(struct item_reader *r, struct nsmc_bytes *pcrs,
		    struct nsmc_object *object)
{
	struct item index, value;
	int e = next_of(r, ITEM_UINT, -NSMC_E_DOC_TYPE, &index);

	if (e < 0)
		return e;
	if (index.value >= NSMC_PCR_COUNT)
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

/* No entry at all: a bare emulated device locks none. Not to be believed. */
static int read_pcrs(struct item_reader *r, size_t limit, void *ctx,
		     struct nsmc_object *object)
{
	struct item map;
	int e = next(r, &map);

	if (e < 0)
		return e;
	if (map.type != ITEM_MAP)
		return map.type == ITEM_NULL ? -NSMC_E_DOC_MISSING :
					       -NSMC_E_DOC_TYPE;
	if (map.value > limit)
		return -NSMC_E_DOC_RANGE;
	for (; map.value > 0; map.value--) {
		object_set(object, "pcrs");
		e = read_pcr(r, ctx, object);
		if (e < 0)
			return e;
	}
	return 0;
}

static int read_cabundle(struct item_reader *r, size_t limit, void *ctx,
			 struct nsmc_object *object)
{
	struct nsmc_doc *doc = ctx;
	struct item array;
	int e = next(r, &array);

	if (e < 0)
		return e;
	if (array.type != ITEM_ARRAY)
		return array.type == ITEM_NULL ? -NSMC_E_DOC_MISSING :
						 -NSMC_E_DOC_TYPE;
	if (array.value == 0 || array.value > NSMC_CABUNDLE_MAX)
		return -NSMC_E_DOC_RANGE;
	for (size_t i = 0; i < array.value; i++) {
		object_set_number(object, "cabundle[", (unsigned)i, "]");
		e = read_bytes(r, limit, &doc->cabundle[i], object);
		if (e < 0)
			return e;
	}
	doc->cabundle_count = (size_t)array.value;
	return 0;
}

enum { FIELD_REQUIRED = 1 };

static const struct field {
	const char *name;
	field_fn *read;
	size_t limit;
	size_t offset;
	unsigned flags;
} fields[] = {
	{ "module_id", read_text, NSMC_PAYLOAD_MAX,
	  offsetof(struct nsmc_doc, module_id), FIELD_REQUIRED },
	{ "digest", read_text, NSMC_PAYLOAD_MAX,
	  offsetof(struct nsmc_doc, digest), FIELD_REQUIRED },
	{ "timestamp", read_timestamp, 0,
	  offsetof(struct nsmc_doc, timestamp_ms), FIELD_REQUIRED },
	{ "pcrs", read_pcrs, NSMC_PCR_COUNT, offsetof(struct nsmc_doc, pcr),
	  FIELD_REQUIRED },
	{ "certificate", read_bytes, NSMC_CERTIFICATE_MAX,
	  offsetof(struct nsmc_doc, certificate), FIELD_REQUIRED },
	{ "cabundle", read_cabundle, NSMC_CERTIFICATE_MAX, 0, FIELD_REQUIRED },
	{ "public_key", read_public_key, NSMC_FIELD_MAX,
	  offsetof(struct nsmc_doc, public_key), 0 },
	{ "user_data", read_optional, NSMC_FIELD_MAX,
	  offsetof(struct nsmc_doc, user_data), 0 },
	{ "nonce", read_optional, NSMC_FIELD_MAX,
	  offsetof(struct nsmc_doc, nonce), 0 },
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
	if (*seen & 1U << i)
		return -NSMC_E_DOC_TWICE;
	*seen |= 1U << i;
	return fields[i].read(r, fields[i].limit,
			      (char *)doc + fields[i].offset, object);
}

static int read_payload(struct nsmc_doc *doc, struct nsmc_object *object)
{
	struct item_reader r = { .at = doc->payload.data,
				 .left = doc->payload.len };
	struct item map;
	unsigned seen = 0;
	int e;

	object_set(object, "payload");
	if (r.left == 0 || r.left > NSMC_PAYLOAD_MAX)
		return -NSMC_E_DOC_LENGTH;
	e = next_of(&r, ITEM_MAP, -NSMC_E_DOC_TYPE, &map);
	for (; e == 0 && map.value > 0; map.value--)
		e = read_field(&r, doc, &seen, object);
	if (e < 0)
		return inner_error(e);
	if (r.left > 0) {
		object_set(object, "payload");
		return -NSMC_E_DOC_TRAILING;
	}
	for (size_t i = 0; i < FIELDS; i++)
		if (fields[i].flags & FIELD_REQUIRED && !(seen & 1U << i)) {
			object_set(object, fields[i].name);
			return -NSMC_E_DOC_MISSING;
		}
	return 0;
}

/* --- the whole --- */

/* RFC 8152, 4.2: [protected, unprotected, payload, signature], maybe tagged. */
static int read_cose(struct item_reader *r, struct nsmc_doc *doc,
		     struct nsmc_object *object)
{
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
	if (item.type != ITEM_ARRAY || item.value != 4)
		return -NSMC_E_DOC_COSE;

	object_set(object, "protected header");
	e = next_of(r, ITEM_BYTES, -NSMC_E_DOC_COSE, &item);
	if (e == 0)
		e = read_header(&item, &doc->algorithm);
	if (e < 0)
		return e;
	doc->protected_header = (struct nsmc_bytes){ item.data, item.len };

	object_set(object, "unprotected header");
	e = next_of(r, ITEM_MAP, -NSMC_E_DOC_COSE, &item);
	if (e == 0 && item.value != 0)
		e = -NSMC_E_DOC_COSE;
	if (e < 0)
		return e;

	object_set(object, "payload");
	e = next_of(r, ITEM_BYTES, -NSMC_E_DOC_COSE, &item);
	if (e < 0)
		return e;
	doc->payload = (struct nsmc_bytes){ item.data, item.len };

	object_set(object, "signature");
	e = next_of(r, ITEM_BYTES, -NSMC_E_DOC_COSE, &item);
	if (e < 0)
		return e;
	doc->signature = (struct nsmc_bytes){ item.data, item.len };
	return 0;
}

int nsmc_doc_parse(const void *buf, size_t len, struct nsmc_doc *ret,
		   struct nsmc_object *reterr_object)
{
	struct item_reader r = { .at = buf, .left = len };
	struct nsmc_doc doc = { 0 };
	struct nsmc_object object;
	int e;

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

bool nsmc_doc_is_debug(const struct nsmc_doc *doc)
{
	static const uint8_t zero[NSMC_PCR_SIZE_MAX];

	return doc->pcr[0].data && doc->pcr[0].len <= sizeof(zero) &&
	       memcmp(doc->pcr[0].data, zero, doc->pcr[0].len) == 0;
}
