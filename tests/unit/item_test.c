/* CBOR items: open and definite lengths, what is passed over, what is written. */

#include "nsm/item.h"

#include <errno.h>

#include "tests/unit/data.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Hexadecimal with blanks, in memory of just its size. */
static struct data hex(const char *text)
{
	struct data d = data_copy(text, strlen(text));
	unsigned byte;

	d.len = 0;
	for (; *text; text++) {
		if (*text == ' ')
			continue;
		REQUIRE(sscanf(text, "%2x", &byte) == 1);
		d.bytes[d.len++] = (uint8_t)byte;
		text++;
	}
	d.bytes = realloc(d.bytes, d.len ? d.len : 1);
	REQUIRE(d.bytes);
	return d;
}

static struct item_reader reader(struct data d)
{
	return (struct item_reader){ .at = d.bytes, .left = d.len };
}

/* --- one item --- */

TEST(each_type_is_read)
{
	static const struct {
		const char *hex;
		enum item_type type;
		uint64_t value;
		size_t len;
		bool open;
	} rows[] = {
		{ "00", ITEM_UINT, 0, 0, false },
		{ "17", ITEM_UINT, 23, 0, false },
		{ "18 18", ITEM_UINT, 24, 0, false },
		{ "18 00", ITEM_UINT, 0, 0, false },
		{ "19 0100", ITEM_UINT, 256, 0, false },
		{ "1a 00010000", ITEM_UINT, 65536, 0, false },
		{ "1b ffffffffffffffff", ITEM_UINT, UINT64_MAX, 0, false },
		{ "20", ITEM_NEGATIVE, 0, 0, false },
		{ "38 22", ITEM_NEGATIVE, 34, 0, false },
		{ "39 0100", ITEM_NEGATIVE, 256, 0, false },
		{ "3b ffffffffffffffff", ITEM_NEGATIVE, UINT64_MAX, 0, false },
		{ "40", ITEM_BYTES, 0, 0, false },
		{ "43 010203", ITEM_BYTES, 0, 3, false },
		{ "58 02 0102", ITEM_BYTES, 0, 2, false },
		{ "60", ITEM_TEXT, 0, 0, false },
		{ "5b 0000000000000001 00", ITEM_BYTES, 0, 1, false },
		{ "61 ff", ITEM_TEXT, 0, 1, false }, /* not looked at */
		{ "80", ITEM_ARRAY, 0, 0, false },
		{ "83", ITEM_ARRAY, 3, 0, false },
		{ "9b ffffffffffffffff", ITEM_ARRAY, UINT64_MAX, 0, false },
		{ "9f", ITEM_ARRAY, 0, 0, true },
		{ "a0", ITEM_MAP, 0, 0, false },
		{ "b8 20", ITEM_MAP, 32, 0, false },
		{ "bf", ITEM_MAP, 0, 0, true },
		{ "c0", ITEM_TAG, 0, 0, false },
		{ "d2", ITEM_TAG, 18, 0, false },
		{ "d7", ITEM_TAG, 23, 0, false },
		{ "d8 12", ITEM_TAG, 18, 0, false },
		{ "d9 d9f7", ITEM_TAG, 55799, 0, false },
		{ "f4", ITEM_BOOL, 0, 0, false },
		{ "f5", ITEM_BOOL, 1, 0, false },
		{ "f6", ITEM_NULL, 0, 0, false },
		{ "f7", ITEM_SIMPLE, 0, 0, false },
		{ "f9 3c00", ITEM_SIMPLE, 0, 0, false },
		{ "fa 3f800000", ITEM_SIMPLE, 0, 0, false },
		{ "fb 3ff0000000000000", ITEM_SIMPLE, 0, 0, false },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct data d = hex(rows[i].hex);
		struct item_reader r = reader(d);
		struct item item;

		CHECK_INT(item_next(&r, &item), 0);
		CHECK_INT(r.left, 0);
		CHECK_INT(item.type, rows[i].type);
		CHECK_INT(item.value, rows[i].value);
		CHECK_INT(item.len, rows[i].len);
		CHECK_INT(item.open, rows[i].open);
		if (item.len > 0)
			CHECK(item.data == d.bytes + d.len - item.len);
		/* Cut anywhere it is short, and the reader stays. */
		for (size_t n = 0; n < d.len; n++) {
			struct data cut = data_copy(d.bytes, n);

			r = reader(cut);
			CHECK_INT(item_next(&r, &item), -ENODATA);
			CHECK(r.left == n && r.at == cut.bytes);
			free(cut.bytes);
		}
		free(d.bytes);
	}
}

TEST(what_is_no_item_is_refused)
{
	static const char *const rows[] = {
		"ff",	    /* a break, in place of a value */
		"5f", "7f", /* strings in chunks */
		"1c", "1d", "1e",    "1f", "3c", "3f",
		"5c", "7d", "9c",    "be", "dc", "df", /* reserved */
		"e0", "f3", "f8 20", "fc", "fe", /* simple values of nobody */
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct data d = hex(rows[i]);
		struct item_reader r = reader(d);
		struct item item = { .value = 4711 };

		CHECK_INT(item_next(&r, &item), -EBADMSG);
		CHECK_INT(item.value, 4711);
		CHECK_INT(r.left, d.len);
		free(d.bytes);
	}
}

TEST(an_item_of_another_type_or_an_open_one_is_not_the_wanted)
{
	static const struct {
		const char *hex;
		enum item_type type;
		int r;
	} rows[] = {
		{ "82", ITEM_ARRAY, 0 },
		{ "9f", ITEM_ARRAY, -EBADMSG },
		{ "a1", ITEM_MAP, 0 },
		{ "bf", ITEM_MAP, -EBADMSG },
		{ "40", ITEM_BYTES, 0 },
		{ "60", ITEM_BYTES, -EBADMSG },
		{ "5f", ITEM_BYTES, -EBADMSG },
		{ "", ITEM_BYTES, -ENODATA },
		{ "41", ITEM_BYTES, -ENODATA },
		{ "f6", ITEM_BYTES, -EBADMSG },
		{ "c1 40", ITEM_BYTES, -EBADMSG },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct data d = hex(rows[i].hex);
		struct item_reader r = reader(d);
		struct item item = { .value = 4711 };

		CHECK_INT(item_next_of(&r, rows[i].type, &item), rows[i].r);
		if (rows[i].r < 0)
			CHECK_INT(item.value, 4711);
		free(d.bytes);
	}
}

TEST(texts_are_compared_whole)
{
	struct data d = hex("63 616263");
	struct item_reader r = reader(d);
	struct item item;

	REQUIRE(item_next(&r, &item) == 0);
	CHECK(item_is_text(&item, "abc"));
	CHECK(!item_is_text(&item, "ab") && !item_is_text(&item, "abcd") &&
	      !item_is_text(&item, "abd") && !item_is_text(&item, ""));
	item.type = ITEM_BYTES;
	CHECK(!item_is_text(&item, "abc"));
	free(d.bytes);
}

/* --- what is in arrays and maps --- */

/* Reads what is in an array or a map: how many there are, or the error. */
static int count_in(const char *text, enum item_type type, size_t *ret_left)
{
	struct data d = hex(text);
	struct item_reader r = reader(d);
	struct item_list list;
	struct item item;
	int e = item_enter(&r, type, &list), n = 0;

	while (e == 0 && (e = item_more(&r, &list)) > 0) {
		e = item_next(&r, &item);
		if (e == 0 && type == ITEM_MAP)
			e = item_next(&r, &item);
		n++;
	}
	*ret_left = r.left;
	free(d.bytes);
	return e < 0 ? e : n;
}

TEST(lists_end_by_count_or_by_break)
{
	static const struct {
		const char *hex;
		enum item_type type;
		int r;
		size_t left;
	} rows[] = {
		{ "80", ITEM_ARRAY, 0, 0 },
		{ "80 01", ITEM_ARRAY, 0, 1 },
		{ "83 01 02 03 04", ITEM_ARRAY, 3, 1 },
		{ "9f ff", ITEM_ARRAY, 0, 0 },
		{ "9f 01 02 03 ff", ITEM_ARRAY, 3, 0 },
		{ "9f 01 ff ff", ITEM_ARRAY, 1, 1 }, /* the second stays */
		{ "a0", ITEM_MAP, 0, 0 },
		{ "a1 01 02 03", ITEM_MAP, 1, 1 },
		{ "bf ff", ITEM_MAP, 0, 0 },
		{ "bf 01 02 03 04 ff", ITEM_MAP, 2, 0 },

		{ "bf 01 ff", ITEM_MAP, -EBADMSG, 1 }, /* odd */
		{ "bf 01 02 03 ff", ITEM_MAP, -EBADMSG, 1 },
		{ "82 01 ff", ITEM_ARRAY, -EBADMSG, 1 }, /* in a definite one */
		{ "a1 ff", ITEM_MAP, -EBADMSG, 1 },
		{ "9f", ITEM_ARRAY, -ENODATA, 0 }, /* no break */
		{ "9f 01", ITEM_ARRAY, -ENODATA, 0 },
		{ "bf 01 02", ITEM_MAP, -ENODATA, 0 },
		{ "82 01", ITEM_ARRAY, -ENODATA, 0 },
		{ "bf ff", ITEM_ARRAY, -EBADMSG, 1 },
		{ "9f ff", ITEM_MAP, -EBADMSG, 1 },
		{ "40", ITEM_MAP, -EBADMSG, 0 },
		{ "", ITEM_MAP, -ENODATA, 0 },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t left;

		CHECK_INT(count_in(rows[i].hex, rows[i].type, &left),
			  rows[i].r);
		CHECK_INT(left, rows[i].left);
	}
}

TEST(a_list_that_has_ended_stays_at_its_end)
{
	struct data d = hex("81 01 ff");
	struct item_reader r = reader(d);
	struct item_list list;
	struct item item;

	REQUIRE(item_enter(&r, ITEM_ARRAY, &list) == 0);
	CHECK(!list.open && list.left == 1);
	CHECK_INT(item_more(&r, &list), 1);
	CHECK_INT(item_next(&r, &item), 0);
	/* The break behind it is nobody's. */
	CHECK_INT(item_more(&r, &list), 0);
	CHECK_INT(item_more(&r, &list), 0);
	CHECK_INT(r.left, 1);
	free(d.bytes);
}

/* --- passing over --- */

static int skip(const char *text, size_t *ret_left)
{
	struct data d = hex(text);
	struct item_reader r = reader(d);
	int e = item_skip(&r);

	*ret_left = r.left;
	free(d.bytes);
	return e;
}

TEST(open_and_definite_items_are_passed_over)
{
	static const struct {
		const char *hex;
		size_t left;
	} rows[] = {
		{ "00", 0 },
		{ "00 00", 1 },
		{ "43 010203 ff", 1 },
		{ "9f ff", 0 },
		{ "bf ff", 0 },
		{ "9f ff ff", 1 },
		{ "9f 01 02 03 ff 04", 1 },
		{ "bf 01 02 03 04 ff", 0 },
		{ "82 9f ff bf ff", 0 },
		{ "9f 80 a0 81 00 a1 00 00 ff", 0 },
		{ "bf 82 01 02 a1 01 02 ff", 0 },
		{ "bf 01 9f ff 9f ff 01 ff", 0 },
		{ "9f bf 61 61 9f 01 ff ff 81 9f ff ff 00", 1 },
		{ "a2 9f ff bf ff bf ff 9f ff", 0 },
		{ "c1 9f ff", 0 },
		{ "9f c1 c2 01 ff", 0 },
		{ "bf c1 01 c2 02 ff", 0 },
		{ "d8 2a 84 01 20 c1 fb 3ff0000000000000 f7", 0 },
		{ "bf 41 ff 61 ff ff", 0 }, /* ff inside of strings */
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct data d = hex(rows[i].hex);
		size_t left, whole = d.len - rows[i].left;

		CHECK_INT(skip(rows[i].hex, &left), 0);
		CHECK_INT(left, rows[i].left);
		for (size_t n = 0; n < whole; n++) {
			struct data cut = data_copy(d.bytes, n);
			struct item_reader r = reader(cut);

			CHECK_INT(item_skip(&r), -ENODATA);
			free(cut.bytes);
		}
		free(d.bytes);
	}
}

TEST(breaks_out_of_place_are_refused)
{
	static const char *const rows[] = {
		"ff",
		"81 ff",
		"82 01 ff",
		"a1 ff",
		"a1 01 ff",
		"9f 81 ff ff",
		"9f a1 01 ff ff",
		"bf 01 ff", /* a key without its value */
		"bf 01 02 03 ff",
		"bf 9f ff ff",
		"bf 80 ff",
		"bf bf ff ff",
		"bf 01 02 9f 01 02 03 ff ff",
		"c1 ff",
		"9f c1 ff",
		"bf c1 ff",
		"bf 01 c1 ff",
		"82 9f ff ff",
		"5f 41 00 ff",
		"7f ff",
		"9f 5f 41 00 ff ff",
		"bf 7f 61 61 ff 01 ff",
		"9f 1c ff",
		"81 9f bf 01 ff ff",
	};
	size_t left;

	for (size_t i = 0; i < COUNT(rows); i++)
		if (skip(rows[i], &left) != -EBADMSG)
			CHECK_FAIL("%s is %d", rows[i], skip(rows[i], &left));
}

TEST(counts_that_no_bytes_can_hold_are_cut)
{
	size_t left;

	CHECK_INT(skip("9b ffffffffffffffff 00", &left), -ENODATA);
	CHECK_INT(skip("bb ffffffffffffffff 00", &left), -ENODATA);
	CHECK_INT(skip("bb 8000000000000000 00 00", &left), -ENODATA);
	CHECK_INT(skip("9f bb 7fffffffffffffff 00 00 ff", &left), -ENODATA);
	CHECK_INT(skip("82 9b 0000000000000003 00 00", &left), -ENODATA);
}

/* N times HEAD, then MIDDLE once, then N times TAIL. */
static int skip_nested(size_t n, const char *head, uint8_t middle,
		       const char *tail)
{
	size_t h = strlen(head), t = strlen(tail), len = 0;
	struct data d = { .bytes = malloc(n * (h + t) + 1) };
	struct item_reader r;
	int e;

	REQUIRE(d.bytes);
	for (size_t i = 0; i < n; i++, len += h)
		memcpy(d.bytes + len, head, h);
	d.bytes[len++] = middle;
	for (size_t i = 0; i < n; i++, len += t)
		memcpy(d.bytes + len, tail, t);
	d.len = len;
	r = reader(d);
	e = item_skip(&r);
	if (e == 0)
		CHECK_INT(r.left, 0);
	free(d.bytes);
	return e;
}

TEST(open_ones_lie_in_each_other_up_to_a_limit)
{
	CHECK_INT(ITEM_OPEN_MAX, 32);
	CHECK_INT(skip_nested(ITEM_OPEN_MAX, "\x9f", 0x01, "\xff"), 0);
	CHECK_INT(skip_nested(ITEM_OPEN_MAX + 1, "\x9f", 0x01, "\xff"),
		  -EBADMSG);
	CHECK_INT(skip_nested(ITEM_OPEN_MAX, "\xbf\x01", 0x02, "\xff"), 0);
	CHECK_INT(skip_nested(ITEM_OPEN_MAX + 1, "\xbf\x01", 0x02, "\xff"),
		  -EBADMSG);
	/* Definite ones between them, and tags, count nothing. */
	CHECK_INT(skip_nested(ITEM_OPEN_MAX, "\x81\xc1\x9f\x81", 0x01, "\xff"),
		  0);
	CHECK_INT(skip_nested(ITEM_OPEN_MAX + 1, "\x81\xc1\x9f\x81", 0x01,
			      "\xff"),
		  -EBADMSG);
	/* These may be as deep as they like. */
	CHECK_INT(skip_nested(100000, "\x81", 0x01, ""), 0);
	CHECK_INT(skip_nested(100000, "\xc1", 0x01, ""), 0);
	CHECK_INT(skip_nested(100000, "\x82\x01", 0x01, ""), 0);
}

TEST(open_ones_after_each_other_have_no_limit)
{
	struct data d = { .bytes = malloc(4002), .len = 4002 };
	struct item_reader r;

	REQUIRE(d.bytes);
	d.bytes[0] = 0x9f;
	for (size_t i = 0; i < 2000; i++)
		memcpy(d.bytes + 1 + 2 * i, i % 2 ? "\x9f\xff" : "\xbf\xff", 2);
	d.bytes[4001] = 0xff;
	r = reader(d);
	CHECK_INT(item_skip(&r), 0);
	CHECK_INT(r.left, 0);
	free(d.bytes);
}

/* --- against what wrote it --- */

static uint64_t state;

static unsigned pick(unsigned n)
{
	state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (unsigned)(state >> 33) % n;
}

/* Writes an item of any kind; at most DEPTH in each other. */
static size_t put_any(uint8_t *to, unsigned depth)
{
	static const uint8_t leaves[][4] = {
		{ 1, 0x00 },	   { 2, 0x18, 0xff }, { 1, 0x20 },
		{ 1, 0x40 },	   { 2, 0x41, 0xff }, { 3, 0x62, 0x9f, 0xbf },
		{ 1, 0xf6 },	   { 1, 0xf4 },	      { 1, 0xf7 },
		{ 3, 0xf9, 0, 0 },
	};
	unsigned kind = depth == 0 ? 0 : pick(7), n = pick(4);
	size_t len = 0;

	if (kind < 2) {
		const uint8_t *leaf = leaves[pick(COUNT(leaves))];

		memcpy(to, leaf + 1, leaf[0]);
		return leaf[0];
	}
	if (kind == 2) {
		to[len++] = (uint8_t)(0xc0 + pick(24));
		return len + put_any(to + len, depth - 1);
	}
	to[len++] = kind == 3 ? (uint8_t)(0x80 + n) :
		    kind == 4 ? 0x9f :
		    kind == 5 ? (uint8_t)(0xa0 + n) :
				0xbf;
	for (unsigned i = 0; i < (kind < 5 ? n : 2 * n); i++)
		len += put_any(to + len, depth - 1);
	if (kind == 4 || kind == 6)
		to[len++] = 0xff;
	return len;
}

TEST(whatever_is_written_is_passed_over_as_a_whole)
{
	static uint8_t buf[1 << 16];

	for (int i = 0; i < 3000; i++) {
		size_t len = put_any(buf, 5);
		struct data d = data_copy(buf, len);
		struct item_reader r = reader(d);

		if (!CHECK_INT(item_skip(&r), 0))
			return;
		CHECK_INT(r.left, 0);
		for (size_t n = 0; n < len && n < 64; n++) {
			r = (struct item_reader){ d.bytes, n };
			CHECK_INT(item_skip(&r), -ENODATA);
		}
		free(d.bytes);
	}
}

/* --- writing --- */

/* One of everything, and what it is in CBOR. */
static void put_all(struct item_writer *w)
{
	static const uint8_t bytes[] = { 0, 23, 24, 255 };

	item_put_map(w, 1);
	item_put_text(w, "");
	item_put_array(w, 24);
	item_put_uint(w, 23);
	item_put_uint(w, 24);
	item_put_uint(w, 255);
	item_put_uint(w, 256);
	item_put_uint(w, UINT64_MAX);
	item_put_negative(w, 0);
	item_put_negative(w, 34);
	item_put_null(w);
	item_put_bytes(w, NULL, 0);
	item_put_bytes(w, bytes, sizeof(bytes));
	item_put_text(w, "23 bytes of one text...");
	item_put_text(w, "24 bytes are a longer 1.");
	item_put_integers(w, bytes, sizeof(bytes));
}

static const char all[] =
	"a1 60 9818 17 1818 18ff 190100 1bffffffffffffffff 20 3822 f6 40 "
	"44 001718ff 77 3233206279746573206f66206f6e6520746578742e2e2e "
	"7818 3234206279746573206172652061206c6f6e67657220312e "
	"84 00 17 1818 18ff";

TEST(items_are_written_in_their_shortest_form)
{
	struct data want = hex(all);
	uint8_t buf[256];
	struct item_writer w = { .data = buf, .cap = sizeof(buf) };

	put_all(&w);
	CHECK(!w.is_full);
	if (CHECK_INT(w.len, want.len))
		CHECK_MEM(buf, want.bytes, want.len);
}

TEST(what_does_not_fit_is_left_out_to_the_end)
{
	struct data want = hex(all);

	for (size_t cap = 0; cap <= want.len; cap++) {
		struct data room = { malloc(cap ? cap : 1), cap };
		struct item_writer w = { .data = room.bytes, .cap = cap };

		REQUIRE(room.bytes);
		put_all(&w);
		CHECK(w.is_full == (cap < want.len));
		CHECK(w.len <= cap);
		CHECK_MEM(room.bytes, want.bytes, w.len);
		/* Not even what would fit. */
		if (w.is_full && w.len < cap) {
			size_t before = w.len;

			item_put_null(&w);
			CHECK_INT(w.len, before);
		}
		free(room.bytes);
	}
}

CHECK_MAIN("item")
