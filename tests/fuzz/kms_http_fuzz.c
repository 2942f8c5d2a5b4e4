/* An answer of HTTP: the same, however it is divided; and never more than there is room for. */

#include <stdlib.h>
#include <string.h>

#include "nsm/kms/wire/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BODY = 512 };

struct seen {
	int result;
	enum http_fault fault;
	unsigned status;
	size_t used, body_len;
	char body[BODY];
	struct http_wanted wanted[2];
};

static void require(bool truth)
{
	if (!truth)
		abort();
}

static void read_by(const char *text, size_t len, size_t step, struct seen *s)
{
	struct http_answer a;
	size_t n;

	memset(s, 0, sizeof(*s));
	s->wanted[0].name = "x-amzn-requestid";
	s->wanted[1].name = "content-type";
	http_answer_begin(&a, s->wanted, 2, s->body, BODY);
	while (s->used < len && s->result == 0) {
		n = len - s->used < step ? len - s->used : step;
		s->result = http_answer_feed(&a, text + s->used, n, &n);
		if (s->result >= 0)
			s->used += n;
	}
	if (s->result == 0)
		s->result = http_answer_eof(&a);
	s->fault = a.fault;
	s->status = a.status;
	s->body_len = a.body_len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t steps[] = { 1, 2, 17 };
	static struct seen whole, parts;
	char *copy = malloc(size + 1);

	require(copy);
	memcpy(copy, data, size);
	read_by(copy, size, size + 1, &whole);
	require(whole.result == 1 || whole.result == -1);
	require((whole.result == 1) == (whole.fault == HTTP_FAULT_NONE));
	require(whole.fault < HTTP_FAULT_COUNT);
	require(whole.body_len <= BODY && whole.used <= size);
	if (whole.result == 1)
		require(whole.status >= 200 && whole.status <= 599);
	for (size_t i = 0; i < 2; i++)
		for (const char *c = whole.wanted[i].value; *c; c++)
			require(*c >= ' ' && *c <= '~');
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		read_by(copy, size, steps[i], &parts);
		require(parts.result == whole.result);
		/* Of two faults the pieces may show another one first. */
		if (whole.result < 0)
			continue;
		require(parts.status == whole.status &&
			parts.used == whole.used &&
			parts.body_len == whole.body_len);
		require(memcmp(parts.body, whole.body, whole.body_len) == 0);
		require(memcmp(parts.wanted, whole.wanted,
			       sizeof(whole.wanted)) == 0);
	}
	free(copy);
	return 0;
}
