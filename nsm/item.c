#include "nsm/item.h"

#include <cbor/callbacks.h>
#include <cbor/encoding.h>
#include <cbor/streaming.h>
#include <errno.h>
#include <string.h>

/*
 * First bytes (RFC 8949, 3): the tags 0 to 23, and the break that ends an
 * indefinite length.
 */
enum { TAG_FIRST = 0xc0, TAG_LAST = 0xd7, BREAK = 0xff };

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

	/* On 32 bits libcbor truncates a length that does not fit. */
	i->type = len > SIZE_MAX ? ITEM_OTHER : type;
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

static void on_open_array(void *ctx)
{
	struct item *i = ctx;

	i->type = ITEM_ARRAY;
	i->open = true;
}

static void on_open_map(void *ctx)
{
	struct item *i = ctx;

	i->type = ITEM_MAP;
	i->open = true;
}

static void on_bool(void *ctx, bool v)
{
	set(ctx, ITEM_BOOL, v);
}

static void on_null(void *ctx)
{
	set(ctx, ITEM_NULL, 0);
}

static void on_negative8(void *ctx, uint8_t v)
{
	set(ctx, ITEM_NEGATIVE, v);
}

static void on_negative16(void *ctx, uint16_t v)
{
	set(ctx, ITEM_NEGATIVE, v);
}

static void on_negative32(void *ctx, uint32_t v)
{
	set(ctx, ITEM_NEGATIVE, v);
}

static void on_negative64(void *ctx, uint64_t v)
{
	set(ctx, ITEM_NEGATIVE, v);
}

static void on_tag(void *ctx, uint64_t v)
{
	set(ctx, ITEM_TAG, v);
}

static void on_float(void *ctx, float v)
{
	(void)v;
	set(ctx, ITEM_SIMPLE, 0);
}

static void on_double(void *ctx, double v)
{
	(void)v;
	set(ctx, ITEM_SIMPLE, 0);
}

static void on_undefined(void *ctx)
{
	set(ctx, ITEM_SIMPLE, 0);
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
	.negint8 = on_negative8,
	.negint16 = on_negative16,
	.negint32 = on_negative32,
	.negint64 = on_negative64,
	.byte_string = on_bytes,
	.byte_string_start = other,
	.string = on_text,
	.string_start = other,
	.array_start = on_array,
	.indef_array_start = on_open_array,
	.map_start = on_map,
	.indef_map_start = on_open_map,
	.tag = on_tag,
	.float2 = on_float,
	.float4 = on_float,
	.float8 = on_double,
	.null = on_null,
	.undefined = on_undefined,
	.boolean = on_bool,
	.indef_break = other,
};

int item_next(struct item_reader *r, struct item *ret)
{
	struct cbor_decoder_result d;
	struct item item = { .type = ITEM_OTHER };

	/*
	 * libcbor reports an error for most tags of one byte, which it calls
	 * unassigned.
	 */
	if (r->left > 0 && r->at[0] >= TAG_FIRST && r->at[0] <= TAG_LAST) {
		*ret = (struct item){ .type = ITEM_TAG,
				      .value = r->at[0] - TAG_FIRST };
		r->at++;
		r->left--;
		return 0;
	}
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

int item_next_of(struct item_reader *r, enum item_type type, struct item *ret)
{
	struct item item;
	int e = item_next(r, &item);

	if (e < 0)
		return e;
	if (item.type != type || item.open)
		return -EBADMSG;
	*ret = item;
	return 0;
}

struct item_list item_list(const struct item *i)
{
	return (struct item_list){ .left = i->value, .open = i->open };
}

int item_enter(struct item_reader *r, enum item_type type,
	       struct item_list *ret)
{
	struct item item;
	int e = item_next(r, &item);

	if (e < 0)
		return e;
	if (item.type != type)
		return -EBADMSG;
	*ret = item_list(&item);
	return 0;
}

/* 1: a break was next, and was taken from R; 0: something else is next. */
static int take_break(struct item_reader *r)
{
	if (r->left == 0)
		return -ENODATA;
	if (r->at[0] != BREAK)
		return 0;
	r->at++;
	r->left--;
	return 1;
}

int item_more(struct item_reader *r, struct item_list *list)
{
	int e;

	if (list->open) {
		e = take_break(r);
		return e < 0 ? e : !e;
	}
	if (list->left == 0)
		return 0;
	list->left--;
	return 1;
}

/*
 * The state of an open array or map that is being skipped: what surrounds it,
 * and whether one of its keys waits for a value, before which a break is an
 * error.
 */
struct around {
	uint64_t wanted;
	bool is_map, has_key;
};

/*
 * Items that definite lengths require are counted, not nested, so these may be
 * nested to any depth; only open ones need an entry each. Each item takes at
 * least one byte, so this ends.
 */
int item_skip(struct item_reader *r)
{
	struct around open[ITEM_OPEN_MAX], *in;
	uint64_t wanted = 1;
	struct item item;
	size_t depth = 0;
	int e;

	for (;;) {
		if (wanted == 0) {
			if (depth == 0)
				return 0;
			in = &open[depth - 1];
			e = take_break(r);
			if (e < 0)
				return e;
			if (e > 0 && in->has_key)
				return -EBADMSG;
			if (e > 0) {
				wanted = in->wanted;
				depth--;
				continue;
			}
			in->has_key = in->is_map && !in->has_key;
			wanted = 1;
		}
		e = item_next(r, &item);
		if (e < 0)
			return e;
		wanted--;
		if (item.type == ITEM_TAG)
			wanted++;
		if (item.type != ITEM_ARRAY && item.type != ITEM_MAP)
			continue;
		if (item.open) {
			if (depth == ITEM_OPEN_MAX)
				return -EBADMSG;
			open[depth++] = (struct around){
				.wanted = wanted,
				.is_map = item.type == ITEM_MAP,
			};
			wanted = 0;
			continue;
		}
		if (item.value > r->left)
			return -ENODATA;
		wanted += item.type == ITEM_MAP ? 2 * item.value : item.value;
	}
}

bool item_is_text(const struct item *i, const char *s)
{
	return i->type == ITEM_TEXT && i->len == strlen(s) &&
	       memcmp(i->data, s, i->len) == 0;
}

/* --- writing --- */

static size_t room(const struct item_writer *w)
{
	return w->is_full ? 0 : w->cap - w->len;
}

/* An encoder of libcbor's wrote N bytes: 0 if there was no room. */
static void wrote(struct item_writer *w, size_t n)
{
	w->len += n;
	w->is_full = w->is_full || n == 0;
}

static void put(struct item_writer *w, const void *data, size_t len)
{
	if (len > room(w)) {
		w->is_full = true;
		return;
	}
	if (len > 0)
		memcpy(w->data + w->len, data, len);
	w->len += len;
}

void item_put_uint(struct item_writer *w, uint64_t value)
{
	wrote(w, cbor_encode_uint(value, w->data + w->len, room(w)));
}

void item_put_negative(struct item_writer *w, uint64_t value)
{
	wrote(w, cbor_encode_negint(value, w->data + w->len, room(w)));
}

void item_put_null(struct item_writer *w)
{
	wrote(w, cbor_encode_null(w->data + w->len, room(w)));
}

void item_put_bytes_head(struct item_writer *w, size_t len)
{
	wrote(w, cbor_encode_bytestring_start(len, w->data + w->len, room(w)));
}

void item_put_bytes(struct item_writer *w, const void *data, size_t len)
{
	item_put_bytes_head(w, len);
	put(w, data, len);
}

void item_put_text(struct item_writer *w, const char *s)
{
	wrote(w,
	      cbor_encode_string_start(strlen(s), w->data + w->len, room(w)));
	put(w, s, strlen(s));
}

void item_put_array(struct item_writer *w, size_t count)
{
	wrote(w, cbor_encode_array_start(count, w->data + w->len, room(w)));
}

void item_put_map(struct item_writer *w, size_t count)
{
	wrote(w, cbor_encode_map_start(count, w->data + w->len, room(w)));
}

void item_put_integers(struct item_writer *w, const uint8_t *data, size_t len)
{
	item_put_array(w, len);
	for (size_t i = 0; i < len; i++)
		item_put_uint(w, data[i]);
}
