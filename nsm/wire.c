#include "nsm/wire.h"

#include <cbor/callbacks.h>
#include <cbor/encoding.h>
#include <cbor/streaming.h>
#include <errno.h>
#include <string.h>

static const char *const error_names[] = {
	[WIRE_E_INVALID_ARGUMENT - WIRE_E_FIRST] = "InvalidArgument",
	[WIRE_E_INVALID_INDEX - WIRE_E_FIRST] = "InvalidIndex",
	[WIRE_E_INVALID_RESPONSE - WIRE_E_FIRST] = "InvalidResponse",
	[WIRE_E_READ_ONLY_INDEX - WIRE_E_FIRST] = "ReadOnlyIndex",
	[WIRE_E_INVALID_OPERATION - WIRE_E_FIRST] = "InvalidOperation",
	[WIRE_E_BUFFER_TOO_SMALL - WIRE_E_FIRST] = "BufferTooSmall",
	[WIRE_E_INPUT_TOO_LARGE - WIRE_E_FIRST] = "InputTooLarge",
	[WIRE_E_INTERNAL_ERROR - WIRE_E_FIRST] = "InternalError",
	[WIRE_E_UNKNOWN - WIRE_E_FIRST] = "an error without a known name",
};

const char *wire_error_text(int r)
{
	int code = -r;

	if (code <= WIRE_E_FIRST || code >= WIRE_E_END)
		return NULL;
	return error_names[code - WIRE_E_FIRST];
}

/* --- requests --- */

static size_t put_text(uint8_t *buf, const char *s)
{
	size_t len = strlen(s);
	size_t head = cbor_encode_string_start(len, buf, WIRE_REQUEST_CAP);

	memcpy(buf + head, s, len);
	return head + len;
}

size_t wire_get_random(uint8_t *buf)
{
	return put_text(buf, "GetRandom");
}

size_t wire_describe_pcr(uint8_t *buf, uint8_t index)
{
	size_t n = cbor_encode_map_start(1, buf, WIRE_REQUEST_CAP);

	n += put_text(buf + n, "DescribePCR");
	n += cbor_encode_map_start(1, buf + n, WIRE_REQUEST_CAP - n);
	n += put_text(buf + n, "index");
	n += cbor_encode_uint8(index, buf + n, WIRE_REQUEST_CAP - n);
	return n;
}

/* --- answers --- */

enum item_type {
	ITEM_OTHER, /* what no answer holds: tags, floats, indefinite lengths */
	ITEM_UINT,
	ITEM_BYTES,
	ITEM_TEXT,
	ITEM_ARRAY,
	ITEM_MAP,
	ITEM_BOOL,
	ITEM_NULL,
};

struct item {
	enum item_type type;
	uint64_t value;	     /* the number, the truth, or how many follow */
	const uint8_t *data; /* of bytes and text */
	size_t len;
};

struct reader {
	const uint8_t *at;
	size_t left;
};

static void set(void *ctx, enum item_type type, uint64_t value)
{
	struct item *i = ctx;

	i->type = type;
	i->value = value;
}

static void set_string(void *ctx, enum item_type type, cbor_data data,
		       uint64_t len)
{
	struct item *i = ctx;

	i->type = type;
	i->data = data;
	i->len = (size_t)len;
}

static void on_uint8(void *ctx, uint8_t v)
{
	set(ctx, ITEM_UINT, v);
}

static void on_uint16(void *ctx, uint16_t v)
{
	set(ctx, ITEM_UINT, v);
}

static void on_uint32(void *ctx, uint32_t v)
{
	set(ctx, ITEM_UINT, v);
}

static void on_uint64(void *ctx, uint64_t v)
{
	set(ctx, ITEM_UINT, v);
}

static void on_bytes(void *ctx, cbor_data data, uint64_t len)
{
	set_string(ctx, ITEM_BYTES, data, len);
}

static void on_text(void *ctx, cbor_data data, uint64_t len)
{
	set_string(ctx, ITEM_TEXT, data, len);
}

static void on_array(void *ctx, uint64_t n)
{
	set(ctx, ITEM_ARRAY, n);
}

static void on_map(void *ctx, uint64_t n)
{
	set(ctx, ITEM_MAP, n);
}

static void on_bool(void *ctx, bool v)
{
	set(ctx, ITEM_BOOL, v);
}

static void on_null(void *ctx)
{
	set(ctx, ITEM_NULL, 0);
}

static void other_u8(void *ctx, uint8_t v)
{
	(void)v;
	set(ctx, ITEM_OTHER, 0);
}

static void other_u16(void *ctx, uint16_t v)
{
	(void)v;
	set(ctx, ITEM_OTHER, 0);
}

static void other_u32(void *ctx, uint32_t v)
{
	(void)v;
	set(ctx, ITEM_OTHER, 0);
}

static void other_u64(void *ctx, uint64_t v)
{
	(void)v;
	set(ctx, ITEM_OTHER, 0);
}

static void other_float(void *ctx, float v)
{
	(void)v;
	set(ctx, ITEM_OTHER, 0);
}

static void other_double(void *ctx, double v)
{
	(void)v;
	set(ctx, ITEM_OTHER, 0);
}

static void other(void *ctx)
{
	set(ctx, ITEM_OTHER, 0);
}

static const struct cbor_callbacks item_callbacks = {
	.uint8 = on_uint8,
	.uint16 = on_uint16,
	.uint32 = on_uint32,
	.uint64 = on_uint64,
	.negint8 = other_u8,
	.negint16 = other_u16,
	.negint32 = other_u32,
	.negint64 = other_u64,
	.byte_string = on_bytes,
	.byte_string_start = other,
	.string = on_text,
	.string_start = other,
	.array_start = on_array,
	.indef_array_start = other,
	.map_start = on_map,
	.indef_map_start = other,
	.tag = other_u64,
	.float2 = other_float,
	.float4 = other_float,
	.float8 = other_double,
	.null = on_null,
	.undefined = other,
	.boolean = on_bool,
	.indef_break = other,
};

static int next(struct reader *r, struct item *ret)
{
	struct cbor_decoder_result d;
	struct item item = { .type = ITEM_OTHER };

	d = cbor_stream_decode(r->at, r->left, &item_callbacks, &item);
	if (d.status == CBOR_DECODER_NEDATA)
		return -ENODATA;
	if (d.status != CBOR_DECODER_FINISHED || d.read > r->left ||
	    item.type == ITEM_OTHER)
		return -EBADMSG;
	r->at += d.read;
	r->left -= d.read;
	*ret = item;
	return 0;
}

static int next_of(struct reader *r, enum item_type type, struct item *ret)
{
	struct item item;
	int e = next(r, &item);

	if (e < 0)
		return e;
	if (item.type != type)
		return -EBADMSG;
	*ret = item;
	return 0;
}

/*
 * Passes over one value whole. What is open is counted, not nested: each
 * item takes at least one byte of the answer, so this ends.
 */
static int skip(struct reader *r)
{
	uint64_t open = 1;
	struct item item;
	int e;

	while (open > 0) {
		e = next(r, &item);
		if (e < 0)
			return e;
		open--;
		if (item.type != ITEM_ARRAY && item.type != ITEM_MAP)
			continue;
		if (item.value > r->left)
			return -ENODATA;
		open += item.type == ITEM_MAP ? 2 * item.value : item.value;
	}
	return 0;
}

static bool is_text(const struct item *i, const char *s)
{
	return i->type == ITEM_TEXT && i->len == strlen(s) &&
	       memcmp(i->data, s, i->len) == 0;
}

static int read_refusal(struct reader *r)
{
	struct item name;
	int e = next_of(r, ITEM_TEXT, &name);
	size_t i;

	if (e < 0)
		return e;
	for (i = 1; i < WIRE_E_UNKNOWN - WIRE_E_FIRST; i++)
		if (is_text(&name, error_names[i]))
			return -(int)(WIRE_E_FIRST + i);
	return -WIRE_E_UNKNOWN;
}

/*
 * Reads up to the fields of the answer VARIANT: {VARIANT: {fields}}. How many
 * fields follow goes to *RET_FIELDS.
 */
static int open_answer(struct reader *r, const char *variant,
		       uint64_t *ret_fields)
{
	struct item item;
	int e;

	e = next_of(r, ITEM_MAP, &item);
	if (e < 0)
		return e;
	if (item.value != 1)
		return -EBADMSG;
	e = next_of(r, ITEM_TEXT, &item);
	if (e < 0)
		return e;
	if (is_text(&item, "Error"))
		return read_refusal(r);
	if (!is_text(&item, variant))
		return -EBADMSG;
	e = next_of(r, ITEM_MAP, &item);
	if (e < 0)
		return e;
	*ret_fields = item.value;
	return 0;
}

/* The one field a reader looks for: its name, type, and where it goes. */
struct field {
	const char *name;
	enum item_type type;
	struct item item;
	bool found;
};

static int read_fields(const uint8_t *buf, size_t len, const char *variant,
		       struct field *want, size_t n_want)
{
	struct reader r = { .at = buf, .left = len };
	struct item key;
	uint64_t fields;
	size_t i;
	int e;

	e = open_answer(&r, variant, &fields);
	if (e < 0)
		return e;
	for (; fields > 0; fields--) {
		e = next_of(&r, ITEM_TEXT, &key);
		if (e < 0)
			return e;
		for (i = 0; i < n_want; i++)
			if (is_text(&key, want[i].name))
				break;
		if (i < n_want && want[i].found)
			return -EBADMSG;
		if (i < n_want) {
			e = next_of(&r, want[i].type, &want[i].item);
			want[i].found = true;
		} else {
			e = skip(&r);
		}
		if (e < 0)
			return e;
	}
	for (i = 0; i < n_want; i++)
		if (!want[i].found)
			return -EBADMSG;
	return r.left == 0 ? 0 : -EBADMSG;
}

int wire_read_random(const uint8_t *buf, size_t len, const uint8_t **ret_data,
		     size_t *ret_len)
{
	struct field random = { .name = "random", .type = ITEM_BYTES };
	int e = read_fields(buf, len, "GetRandom", &random, 1);

	if (e < 0)
		return e;
	if (random.item.len == 0)
		return -EBADMSG;
	*ret_data = random.item.data;
	*ret_len = random.item.len;
	return 0;
}

int wire_read_pcr(const uint8_t *buf, size_t len, bool *ret_locked,
		  const uint8_t **ret_data, size_t *ret_len)
{
	struct field want[] = {
		{ .name = "lock", .type = ITEM_BOOL },
		{ .name = "data", .type = ITEM_BYTES },
	};
	int e = read_fields(buf, len, "DescribePCR", want, 2);

	if (e < 0)
		return e;
	if (want[1].item.len == 0 || want[1].item.len > WIRE_PCR_MAX)
		return -EBADMSG;
	*ret_locked = want[0].item.value != 0;
	*ret_data = want[1].item.data;
	*ret_len = want[1].item.len;
	return 0;
}
