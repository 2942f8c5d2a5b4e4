/*
 * A report of any content is one line of JSON in ASCII, no longer than its limit and
 * its room; so is a full status.
 */

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "vsock/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
	if (!truth)
		abort();
}

/* --- a reader of JSON that knows no more than it must --- */

struct reader {
	const char *at, *end;
};

static char next(struct reader *r)
{
	require(r->at < r->end);
	return *r->at++;
}

static void expect(struct reader *r, const char *s)
{
	for (; *s; s++)
		require(next(r) == *s);
}

static unsigned hex4(struct reader *r)
{
	unsigned v = 0;

	for (int i = 0; i < 4; i++) {
		char c = next(r);

		require((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'));
		v = v << 4 | (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	return v;
}

static void read_escape(struct reader *r)
{
	char c = next(r);
	unsigned v;

	if (c == '"' || c == '\\')
		return;
	require(c == 'u');
	v = hex4(r);
	require(v < 0xdc00 || v > 0xdfff);
	if (v >= 0xd800 && v <= 0xdbff) {
		expect(r, "\\u");
		v = hex4(r);
		require(v >= 0xdc00 && v <= 0xdfff);
	}
}

static void read_string(struct reader *r)
{
	char c;

	expect(r, "\"");
	while ((c = next(r)) != '"') {
		require(c >= ' ' && c < 0x7f);
		if (c == '\\')
			read_escape(r);
	}
}

static void read_value(struct reader *r);

static void read_list(struct reader *r, char close, bool has_keys)
{
	char c = next(r);

	if (r->at < r->end && *r->at == close) {
		r->at++;
		return;
	}
	do {
		if (has_keys) {
			read_string(r);
			expect(r, ":");
		}
		read_value(r);
	} while ((c = next(r)) == ',');
	require(c == close);
}

static void read_number(struct reader *r)
{
	const char *begin;

	if (*r->at == '-')
		r->at++;
	for (begin = r->at; r->at < r->end && *r->at >= '0' && *r->at <= '9';)
		r->at++;
	require(r->at > begin && (*begin != '0' || r->at == begin + 1));
}

static void read_value(struct reader *r)
{
	require(r->at < r->end);
	if (*r->at == '{')
		read_list(r, '}', true);
	else if (*r->at == '[')
		read_list(r, ']', false);
	else if (*r->at == '"')
		read_string(r);
	else if (*r->at == 't')
		expect(r, "true");
	else if (*r->at == 'f')
		expect(r, "false");
	else
		read_number(r);
}

static void check(const char *line, size_t len, size_t cap, size_t max)
{
	struct reader r = { .at = line, .end = line + len };

	require(len <= cap && len <= max);
	if (len == 0) {
		require(cap < RECORD_MAX);
		return;
	}
	expect(&r, "{\"status\":\"");
	r.at = line;
	read_value(&r);
	expect(&r, "\n");
	require(r.at == r.end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct record r;
	struct record_service s[RECORD_SERVICES_MAX] = { 0 };
	size_t cap, count, n;
	char *out;

	if (size < sizeof(r) + 3)
		return 0;
	count = data[0] % (RECORD_SERVICES_MAX + 1);
	cap = (size_t)data[1] << 8 | data[2];
	memcpy(&r, data + 3, sizeof(r));
	/* A bool of another value is the fault of the one who wrote it. */
	r.ready = data[3 + offsetof(struct record, ready)] & 1;
	r.oom = data[3 + offsetof(struct record, oom)] & 1;
	r.says_report = data[3 + offsetof(struct record, says_report)] & 1;
	r.report = data[3 + offsetof(struct record, report)] & 1;
	r.has_log = data[3 + offsetof(struct record, has_log)] & 1;
	r.status %= RECORD_FATAL + 1;
	data += sizeof(r) + 3;
	size -= sizeof(r) + 3;
	memcpy(s, data, size < sizeof(s) ? size : sizeof(s));

	out = malloc(cap + !cap);
	require(out);
	n = record_write(&r, out, cap);
	check(out, n, cap, RECORD_MAX);
	n = record_write_full(&r, s, count, out, cap);
	check(out, n, cap, RECORD_FULL_MAX);
	free(out);
	return 0;
}
