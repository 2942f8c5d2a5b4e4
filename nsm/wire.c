#include "nsm/wire.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "nsm/item.h"

/* Linux's, EHWPOISON; elsewhere there are fewer, in the same range. */
enum { ERRNO_LAST = 133 };

#define TEXT_CASE(code, text) \
	case code:            \
		return text;

/* Not a table: its pointers would take three times these bytes in PID 1. */
static const char *text_of(int code)
{
	switch (code) {
		WIRE_ERRORS(TEXT_CASE)
	default:
		return NULL;
	}
}

const char *wire_error_text(int r)
{
	/* There is no -INT_MIN. */
	const char *text = r > INT_MIN ? text_of(-r) : NULL;

	if (text)
		return text;
	/*
	 * For other numbers glibc's strerror returns a text that the next call
	 * frees.
	 */
	return r < 0 && r >= -ERRNO_LAST ? strerror(-r) : "an unknown error";
}

/* --- requests --- */

static void put_bytes(struct item_writer *w, const char *key,
		      struct nsmc_bytes b)
{
	item_put_text(w, key);
	if (b.data)
		item_put_bytes(w, b.data, b.len);
	else
		item_put_null(w);
}

static void put_variant(struct item_writer *w, const char *name, size_t fields)
{
	item_put_map(w, 1);
	item_put_text(w, name);
	item_put_map(w, fields);
}

static size_t written(const struct item_writer *w)
{
	return w->is_full ? 0 : w->len;
}

static size_t request_word(uint8_t *buf, const char *name)
{
	struct item_writer w = { .data = buf, .cap = WIRE_REQUEST_CAP };

	item_put_text(&w, name);
	return written(&w);
}

static size_t request_number(uint8_t *buf, const char *name, const char *key,
			     uint8_t n)
{
	struct item_writer w = { .data = buf, .cap = WIRE_REQUEST_CAP };

	put_variant(&w, name, 1);
	item_put_text(&w, key);
	item_put_uint(&w, n);
	return written(&w);
}

size_t wire_describe(uint8_t *buf)
{
	return request_word(buf, "DescribeNSM");
}

size_t wire_get_random(uint8_t *buf)
{
	return request_word(buf, "GetRandom");
}

size_t wire_describe_pcr(uint8_t *buf, uint8_t index)
{
	return request_number(buf, "DescribePCR", "index", index);
}

size_t wire_lock_pcr(uint8_t *buf, uint8_t index)
{
	return request_number(buf, "LockPCR", "index", index);
}

size_t wire_lock_pcrs(uint8_t *buf, uint8_t end)
{
	return request_number(buf, "LockPCRs", "range", end);
}

size_t wire_extend_pcr(uint8_t *buf, size_t cap, uint8_t index,
		       struct nsmc_bytes data)
{
	struct item_writer w = { .data = buf, .cap = cap };

	put_variant(&w, "ExtendPCR", 2);
	item_put_text(&w, "index");
	item_put_uint(&w, index);
	put_bytes(&w, "data", data);
	return written(&w);
}

size_t wire_attest(uint8_t *buf, size_t cap, struct nsmc_bytes user_data,
		   struct nsmc_bytes nonce, struct nsmc_bytes public_key)
{
	struct item_writer w = { .data = buf, .cap = cap };

	put_variant(&w, "Attestation", 3);
	put_bytes(&w, "user_data", user_data);
	put_bytes(&w, "nonce", nonce);
	put_bytes(&w, "public_key", public_key);
	return written(&w);
}

/* --- answers --- */

/* A field that a reader looks for, and where it found it. */
struct wire_field {
	const char *name;
	struct item item;
	struct item_reader content; /* of an array: what is in it */
	struct item_list list;
	enum item_type type;
	bool found;
};

/* Another element of LIST must follow. */
static int expect_more(struct item_reader *r, struct item_list *list)
{
	int e = item_more(r, list);

	return e < 0 ? e : e == 0 ? -EBADMSG : 0;
}

/* No other may: LIST must end here. */
static int expect_end(struct item_reader *r, struct item_list *list)
{
	int e = item_more(r, list);

	return e < 0 ? e : e > 0 ? -EBADMSG : 0;
}

static int read_refusal(struct item_reader *r, struct item_list *outer)
{
	struct item name;
	int e = item_next_of(r, ITEM_TEXT, &name);
	int code;

	if (e == 0)
		e = expect_end(r, outer);
	if (e < 0)
		return e;
	if (r->left > 0)
		return -EBADMSG;
	for (code = NSMC_E_INVALID_ARGUMENT; code < NSMC_E_UNKNOWN; code++)
		if (item_is_text(&name, text_of(code)))
			return -code;
	return -NSMC_E_UNKNOWN;
}

/*
 * Reads an answer {NAME: {fields}} up to the fields, whose map is *RET_FIELDS;
 * the outer map is *RET_OUTER.
 */
static int open_answer(struct item_reader *r, const char *name,
		       struct item_list *ret_outer,
		       struct item_list *ret_fields)
{
	struct item item;
	int e;

	e = item_enter(r, ITEM_MAP, ret_outer);
	if (e == 0 && !ret_outer->open && ret_outer->left != 1)
		e = -EBADMSG;
	if (e == 0)
		e = expect_more(r, ret_outer);
	if (e == 0)
		e = item_next_of(r, ITEM_TEXT, &item);
	if (e < 0)
		return e;
	if (item_is_text(&item, "Error"))
		return read_refusal(r, ret_outer);
	if (!item_is_text(&item, name))
		return -EBADMSG;
	return item_enter(r, ITEM_MAP, ret_fields);
}

static int read_field(struct item_reader *r, struct wire_field *f)
{
	int e;

	if (f->found)
		return -EBADMSG;
	f->found = true;
	if (f->type != ITEM_ARRAY)
		return item_next_of(r, f->type, &f->item);

	f->content = *r;
	e = item_enter(&f->content, ITEM_ARRAY, &f->list);
	return e < 0 ? e : item_skip(r);
}

static int read_variant(struct item_reader *r, const char *name,
			struct wire_field *want, size_t n_want)
{
	struct item_list outer, fields;
	struct item key;
	size_t i;
	int e;

	e = open_answer(r, name, &outer, &fields);
	if (e < 0)
		return e;
	while ((e = item_more(r, &fields)) > 0) {
		e = item_next_of(r, ITEM_TEXT, &key);
		if (e < 0)
			return e;
		for (i = 0; i < n_want; i++)
			if (item_is_text(&key, want[i].name))
				break;
		e = i < n_want ? read_field(r, &want[i]) : item_skip(r);
		if (e < 0)
			return e;
	}
	if (e == 0)
		e = expect_end(r, &outer);
	if (e < 0)
		return e;
	for (i = 0; i < n_want; i++)
		if (!want[i].found)
			return -EBADMSG;
	return r->left == 0 ? 0 : -EBADMSG;
}

/* Translates the reader's errors into those of the interface. */
static int answer_error(int e)
{
	return e == -ENODATA ? -NSMC_E_TRUNCATED :
	       e == -EBADMSG ? -NSMC_E_MALFORMED :
			       e;
}

static int read_fields(const uint8_t *buf, size_t len, const char *name,
		       struct wire_field *want, size_t n_want)
{
	struct item_reader r = { .at = buf, .left = len };

	return answer_error(read_variant(&r, name, want, n_want));
}

/* Reads the answer NAME, of which only the field KEY, bytes, matters. */
static int read_bytes(const uint8_t *buf, size_t len, const char *name,
		      const char *key, struct nsmc_bytes *ret)
{
	struct wire_field f = { .name = key, .type = ITEM_BYTES };
	int r = read_fields(buf, len, name, &f, 1);

	if (r < 0)
		return r;
	if (f.item.len == 0)
		return -NSMC_E_MALFORMED;
	*ret = (struct nsmc_bytes){ f.item.data, f.item.len };
	return 0;
}

int wire_read_random(const uint8_t *buf, size_t len, struct nsmc_bytes *ret)
{
	return read_bytes(buf, len, "GetRandom", "random", ret);
}

int wire_read_attest(const uint8_t *buf, size_t len, struct nsmc_bytes *ret)
{
	return read_bytes(buf, len, "Attestation", "document", ret);
}

static int set_pcr(const uint8_t *data, size_t len, bool locked,
		   struct nsmc_pcr *ret)
{
	if (len == 0 || len > NSMC_PCR_SIZE_MAX)
		return -NSMC_E_MALFORMED;
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->value, data, len);
	ret->len = len;
	ret->locked = locked;
	return 0;
}

int wire_read_pcr(const uint8_t *buf, size_t len, struct nsmc_pcr *ret)
{
	struct wire_field want[] = {
		{ .name = "lock", .type = ITEM_BOOL },
		{ .name = "data", .type = ITEM_BYTES },
	};
	int r = read_fields(buf, len, "DescribePCR", want, 2);

	if (r < 0)
		return r;
	return set_pcr(want[1].item.data, want[1].item.len,
		       want[0].item.value != 0, ret);
}

int wire_read_extend(const uint8_t *buf, size_t len, struct nsmc_pcr *ret)
{
	struct nsmc_bytes data;
	int r = read_bytes(buf, len, "ExtendPCR", "data", &data);

	return r < 0 ? r : set_pcr(data.data, data.len, false, ret);
}

/* A bare word, or otherwise a refusal. */
static int read_word(const uint8_t *buf, size_t len, const char *name)
{
	struct item_reader r = { .at = buf, .left = len };
	struct item_list outer, fields;
	struct item item;
	int e;

	if (len > 0 && buf[0] >> 5 == 5) { /* a map */
		e = open_answer(&r, name, &outer, &fields);
		return answer_error(e < 0 ? e : -EBADMSG);
	}
	e = item_next_of(&r, ITEM_TEXT, &item);
	if (e == 0 && (!item_is_text(&item, name) || r.left > 0))
		e = -EBADMSG;
	return answer_error(e);
}

int wire_read_lock_pcr(const uint8_t *buf, size_t len)
{
	return read_word(buf, len, "LockPCR");
}

int wire_read_lock_pcrs(const uint8_t *buf, size_t len)
{
	return read_word(buf, len, "LockPCRs");
}

/* --- the description of the NSM --- */

static void set_text(char *to, size_t cap, const struct item *from)
{
	size_t i;

	for (i = 0; i < from->len && i < cap - 1; i++)
		to[i] = from->data[i] > ' ' && from->data[i] < 0x7f ?
				(char)from->data[i] :
				'?';
	to[i] = '\0';
}

static int set_locked(struct wire_field *f, uint32_t *ret)
{
	struct item index;
	uint32_t locked = 0;
	int e;

	while ((e = item_more(&f->content, &f->list)) > 0) {
		e = item_next_of(&f->content, ITEM_UINT, &index);
		if (e < 0)
			return e;
		if (index.value < NSMC_PCR_COUNT)
			locked |= UINT32_C(1) << index.value;
	}
	if (e == 0)
		*ret = locked;
	return e;
}

int wire_read_describe(const uint8_t *buf, size_t len,
		       struct nsmc_description *ret)
{
	enum { MAJOR, MINOR, PATCH, MAX_PCRS, LOCKED, ID, DIGEST, FIELDS };
	struct wire_field want[FIELDS] = {
		[MAJOR] = { .name = "version_major", .type = ITEM_UINT },
		[MINOR] = { .name = "version_minor", .type = ITEM_UINT },
		[PATCH] = { .name = "version_patch", .type = ITEM_UINT },
		[MAX_PCRS] = { .name = "max_pcrs", .type = ITEM_UINT },
		[LOCKED] = { .name = "locked_pcrs", .type = ITEM_ARRAY },
		[ID] = { .name = "module_id", .type = ITEM_TEXT },
		[DIGEST] = { .name = "digest", .type = ITEM_TEXT },
	};
	struct nsmc_description d = { 0 };
	int i, r = read_fields(buf, len, "DescribeNSM", want, FIELDS);

	if (r < 0)
		return r;
	for (i = MAJOR; i <= MAX_PCRS; i++)
		if (want[i].item.value > UINT16_MAX)
			return -NSMC_E_MALFORMED;
	r = set_locked(&want[LOCKED], &d.locked_pcrs);
	if (r < 0)
		return answer_error(r);
	if (want[DIGEST].item.len >= sizeof(d.digest))
		return -NSMC_E_MALFORMED;
	d.version_major = (uint16_t)want[MAJOR].item.value;
	d.version_minor = (uint16_t)want[MINOR].item.value;
	d.version_patch = (uint16_t)want[PATCH].item.value;
	d.max_pcrs = (uint16_t)want[MAX_PCRS].item.value;
	set_text(d.module_id, sizeof(d.module_id), &want[ID].item);
	set_text(d.digest, sizeof(d.digest), &want[DIGEST].item);
	*ret = d;
	return 0;
}
