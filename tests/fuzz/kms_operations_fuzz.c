/*
 * Requests and answers by the tables. The first byte chooses: an operation, and what is read. What
 * was taken is written, and read as the same again.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "nsm/kms/wire/operations.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
	if (!truth)
		abort();
}

enum { BUF = 2 * OPERATIONS_BODY_MAX };

static char one[BUF], two[BUF];
static struct operations_fault fault;

static void check_fault(int r, int code)
{
	require(r == -code);
	require(fault.member && fault.what && fault.what[0]);
	require(strnlen(fault.unknown, sizeof(fault.unknown)) <
		sizeof(fault.unknown));
}

static void request(const struct operations_row *row,
		    enum operations_dialect dialect, const char *text,
		    size_t len)
{
	struct operations_request first, second;
	size_t len_one, len_two, cap = operations_room(len);
	char *room = malloc(cap), *more;
	int r = operations_read_request(row, dialect, text, len, room, cap,
					&first, &fault);

	if (r < 0) {
		check_fault(r, KMSC_E_REQUEST);
		free(room);
		return;
	}
	require(operations_check(&first.request, &fault) == 0);
	require(operations_write_request(&first.request, NSMC_ABSENT, one, BUF,
					 &len_one, &fault) == 0);
	if (len_one > OPERATIONS_BODY_MAX) {
		free(room);
		return;
	}
	more = malloc(operations_room(len_one));
	require(more &&
		operations_read_request(row, OPERATIONS_AWS, one, len_one, more,
					operations_room(len_one), &second,
					&fault) == 0);
	require(operations_write_request(&second.request, NSMC_ABSENT, two, BUF,
					 &len_two, &fault) == 0);
	require(len_one == len_two && memcmp(one, two, len_one) == 0);
	free(more);
	free(room);
}

static void answer(const struct operations_row *row, const char *text,
		   size_t len)
{
	struct operations_answer a;
	size_t cap = operations_room(len), len_one;
	char *room = malloc(cap);
	int r = operations_read_answer(row->operation, text, len, room, cap, &a,
				       &fault);

	require(room);
	if (r < 0)
		check_fault(r, KMSC_E_ANSWER);
	else
		require(operations_write_answer(row, OPERATIONS_LOWER,
						&a.answer, one, BUF,
						&len_one) == 0);
	free(room);
}

static void forward(const struct operations_row *row, const char *text,
		    size_t len)
{
	static const struct kmsc_pair pins[] = { { "app", "orders" } };
	static const struct operations_patch patches[] = {
		{ .member = "KeyId", .text = "arn" },
		{ .member = "EncryptionContext",
		  .context = pins,
		  .context_count = 1 },
	};
	size_t cap = json_room(len), len_one;
	char *room = malloc(cap), *more;
	const struct json *value;
	struct json_fault why;

	require(room);
	if (json_read(text, len, room, cap, &value, &why) == 0 &&
	    operations_check_forward(row, value, &fault) == 0) {
		require(operations_write_forward(row, value, patches, 2, one,
						 BUF, &len_one) == 0);
		more = malloc(json_room(len_one));
		require(more);
		/* Pairs and their number may have become too many. */
		if (json_read(one, len_one, more, json_room(len_one), &value,
			      &why) == 0 &&
		    operations_check_forward(row, value, &fault) < 0)
			require(strcmp(fault.member, "EncryptionContext") == 0);
		free(more);
	}
	free(room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct operations_row *row;
	char *copy;

	if (size == 0)
		return 0;
	row = &operations[data[0] % operations_count];
	copy = malloc(size);
	require(copy);
	memcpy(copy, data + 1, size - 1);
	if (!row->is_attested) {
		forward(row, copy, size - 1);
	} else {
		request(row, OPERATIONS_AWS, copy, size - 1);
		request(row, OPERATIONS_LOWER, copy, size - 1);
		answer(row, copy, size - 1);
	}
	free(copy);
	return 0;
}
