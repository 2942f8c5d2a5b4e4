#include "vsock/record.h"

#include <string.h>

#include "nsm/utf8.h"

/* Bytes of the line; what does not fit is counted and not written. */
struct json {
	char *out;
	size_t cap;
	size_t len;
};

static void add_bytes(struct json *j, const char *s, size_t len)
{
	if (j->len <= j->cap && len <= j->cap - j->len)
		memcpy(j->out + j->len, s, len);
	j->len += len;
}

static void add(struct json *j, const char *s)
{
	add_bytes(j, s, strlen(s));
}

static void add_number(struct json *j, uint64_t n)
{
	char digits[20];
	size_t i = sizeof(digits);

	do
		digits[--i] = (char)('0' + n % 10);
	while (n /= 10);
	add_bytes(j, digits + i, sizeof(digits) - i);
}

static void add_signed(struct json *j, int32_t n)
{
	if (n < 0)
		add(j, "-");
	add_number(j, n < 0 ? (uint64_t) - (int64_t)n : (uint64_t)n);
}

/* --- strings --- */

static size_t put_unit(char *to, uint32_t unit)
{
	static const char digits[16] = "0123456789abcdef";

	to[0] = '\\';
	to[1] = 'u';
	for (int i = 0; i < 4; i++)
		to[2 + i] = digits[unit >> (12 - 4 * i) & 15];
	return 6;
}

/* The character C, or -1, as it is within a string; returns its bytes, up to 12. */
static size_t put_char(char *to, int32_t c)
{
	size_t n;

	if (c < 0)
		return put_unit(to, 0xfffd);
	if (c == '"' || c == '\\') {
		to[0] = '\\';
		to[1] = (char)c;
		return 2;
	}
	if (c >= ' ' && c < 0x7f) {
		to[0] = (char)c;
		return 1;
	}
	if (c < 0x10000)
		return put_unit(to, (uint32_t)c);
	c -= 0x10000;
	n = put_unit(to, 0xd800 | (uint32_t)c >> 10);
	return n + put_unit(to + n, 0xdc00 | (c & 0x3ff));
}

/* The string S in CAP bytes, in quotes; of its characters LIMIT bytes at most. */
static void add_string(struct json *j, const char *s, size_t cap, size_t limit)
{
	size_t left = strnlen(s, cap), written = 0, n, used;
	char to[12];

	add(j, "\"");
	for (; left > 0; s += used, left -= used) {
		n = put_char(to, utf8_decode(s, left, &used));
		if (n > limit - written)
			break;
		add_bytes(j, to, n);
		written += n;
	}
	add(j, "\"");
}

#define ADD_STRING(j, s) add_string((j), (s), sizeof(s), SIZE_MAX)

/* --- lines --- */

static void add_status(struct json *j, const struct record *r,
		       size_t error_limit)
{
	switch (r->status) {
	case RECORD_RUNNING:
		add(j, "{\"status\":\"running\",\"ready\":");
		add(j, r->ready ? "true" : "false");
		break;
	case RECORD_EXITED:
		add(j, "{\"status\":\"exited\",\"code\":");
		add_signed(j, r->code);
		break;
	case RECORD_SIGNALED:
		add(j, "{\"status\":\"signaled\",\"signal\":");
		add_signed(j, r->signal);
		add(j, ",\"name\":");
		ADD_STRING(j, r->name);
		break;
	case RECORD_FATAL:
	default:
		add(j, "{\"status\":\"fatal\",\"error\":");
		add_string(j, r->error, sizeof(r->error), error_limit);
		if (r->step == 0)
			break;
		add(j, ",\"step\":");
		add_number(j, r->step);
		break;
	}
}

/* All of R but the brace at its end. */
static void add_record(struct json *j, const struct record *r,
		       size_t error_limit)
{
	add_status(j, r, error_limit);
	if (r->service[0] != '\0') {
		add(j, ",\"service\":");
		ADD_STRING(j, r->service);
	}
	if (r->status == RECORD_EXITED || r->status == RECORD_SIGNALED)
		add(j, r->oom ? ",\"oom\":true" : ",\"oom\":false");
	add(j, ",\"uptime_ms\":");
	add_number(j, r->uptime_ms);
	add(j, ",\"restarts\":");
	add_number(j, r->restarts);
	if (r->boot[0] != '\0') {
		add(j, ",\"boot\":");
		ADD_STRING(j, r->boot);
	}
	if (r->says_report)
		add(j, r->report ? ",\"report\":true" : ",\"report\":false");
	if (!r->has_log)
		return;
	add(j, ",\"log_bytes\":");
	add_number(j, r->log_bytes);
	add(j, ",\"lost_bytes\":");
	add_number(j, r->lost_bytes);
}

/* The same in no more than LIMIT bytes. False: not even without the error. */
static bool add_limited(struct json *j, const struct record *r, size_t limit)
{
	struct json measure = { 0 };

	add_record(&measure, r, 0);
	if (measure.len > limit)
		return false;
	add_record(j, r, limit - measure.len);
	return true;
}

size_t record_write(const struct record *r, char *out, size_t cap)
{
	struct json j = { .out = out, .cap = cap };
	static const char end[] = "}\n";
	size_t limit = cap < RECORD_MAX ? cap : RECORD_MAX;

	if (limit < strlen(end) || !add_limited(&j, r, limit - strlen(end)))
		return 0;
	add(&j, end);
	return j.len;
}

static void add_service(struct json *j, const struct record_service *s,
			bool with_text)
{
	add(j, "{\"name\":");
	ADD_STRING(j, s->name);
	add(j, ",\"state\":");
	ADD_STRING(j, s->state);
	add(j, ",\"restarts\":");
	add_number(j, s->restarts);
	if (s->pid > 0) {
		add(j, ",\"pid\":");
		add_signed(j, s->pid);
	}
	if (with_text && s->text[0] != '\0') {
		add(j, ",\"text\":");
		ADD_STRING(j, s->text);
	}
	add(j, "}");
}

/* KEPT of the COUNT services at S, the first TEXTS of them with their text. */
static void add_services(struct json *j, const struct record_service *s,
			 size_t count, size_t kept, size_t texts)
{
	add(j, ",\"services\":[");
	for (size_t i = 0; i < kept; i++) {
		if (i > 0)
			add(j, ",");
		add_service(j, &s[i], i < texts);
	}
	add(j, "]");
	if (kept < count) {
		add(j, ",\"omitted\":");
		add_number(j, count - kept);
	}
	add(j, "}\n");
}

static bool services_fit(const struct record_service *s, size_t count,
			 size_t kept, size_t texts, size_t room)
{
	struct json measure = { 0 };

	add_services(&measure, s, count, kept, texts);
	return measure.len <= room;
}

size_t record_write_full(const struct record *r, const struct record_service *s,
			 size_t count, char *out, size_t cap)
{
	struct json j = { .out = out, .cap = cap };
	size_t limit = cap < RECORD_FULL_MAX ? cap : RECORD_FULL_MAX;
	size_t kept = count, texts = count, least;
	struct json measure = { 0 };

	add_services(&measure, s, count, 0, 0);
	least = measure.len;
	if (limit < least ||
	    !add_limited(&j, r,
			 limit - least < RECORD_MAX ? limit - least :
						      RECORD_MAX))
		return 0;
	while (texts > 0 && !services_fit(s, count, kept, texts, limit - j.len))
		texts--;
	while (kept > 0 && !services_fit(s, count, kept, texts, limit - j.len))
		kept--;
	add_services(&j, s, count, kept, texts);
	return j.len;
}
