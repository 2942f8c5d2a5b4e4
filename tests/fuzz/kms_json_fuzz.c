/* JSON, in the memory that the header promises is enough; what was read is written and read again. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "nsm/kms/wire/base64.h"
#include "nsm/kms/wire/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
	if (!truth)
		abort();
}

/* Whatever is asked of a value, it answers. */
static void ask(const struct json *value)
{
	struct json_walk w = { .of = value };
	const struct json *member;
	struct json_text name, text;
	uint8_t bytes[32];
	const char *s;
	uint64_t n;
	size_t len, count = 0;
	bool is;

	while (json_next(&w, &name, &member)) {
		count++;
		if (json_kind(value) == JSON_OBJECT &&
		    strlen(name.at) == name.len)
			require(json_member(value, name.at) == member ||
				(json_kind(member) == JSON_NULL &&
				 !json_member(value, name.at)));
		if (json_text(member, &text) == 0)
			require(text.at[text.len] == '\0');
		(void)json_number(member, &n);
		(void)json_bool(member, &is);
	}
	require(count == json_count(value));
	if (json_member_text(value, "a", 1, 8, &s) == 1)
		require(strlen(s) >= 1 && strlen(s) <= 8);
	if (json_member_bytes(value, "b", 1, sizeof(bytes), bytes, &len) == 1)
		require(len >= 1 && len <= sizeof(bytes));
	if (json_member_number(value, "n", 1, 9, &n) == 1)
		require(n >= 1 && n <= 9);
}

/* Reads and writes it; returns the new text. */
static char *again(const char *text, size_t len, size_t *ret_len)
{
	char *room = malloc(json_room(len)), *to = malloc(6 * len + 16);
	const struct json *value;
	struct json_fault fault = { "", 0 };
	struct json_out out;
	int r;

	require(room && to);
	r = json_read(text, len, room, json_room(len), &value, &fault);
	require(r == 0 || r == -EINVAL);
	if (r < 0) {
		require(fault.what[0] && fault.at <= len);
		free(to);
		to = NULL;
	} else {
		ask(value);
		json_out_begin(&out, to, 6 * len + 16);
		json_put_value(&out, NULL, value);
		require(json_out_end(&out, ret_len) == 0);
	}
	free(room);
	return to;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *bytes = malloc(size + 3);
	char *copy = malloc(size + 1), *one, *two;
	size_t len, len_two;

	require(copy && bytes);
	memcpy(copy, data, size);
	if (base64_read(copy, size, bytes, &len) == 0) {
		char *text = malloc(size + 1);

		require(text && base64_len(len) == size);
		base64_write(bytes, len, text);
		require(memcmp(text, copy, size) == 0);
		free(text);
	}
	one = again(copy, size, &len);
	if (one && len <= JSON_TEXT_MAX) {
		two = again(one, len, &len_two);
		require(two && len == len_two && memcmp(one, two, len) == 0);
		free(two);
	}
	free(one);
	free(copy);
	free(bytes);
	return 0;
}
