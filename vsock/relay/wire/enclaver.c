#include "vsock/relay/wire/enclaver.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "vsock/relay/base/value.h"
#include "vsock/relay/plan/words.h"

enum { HEADER = 2, MESSAGE_MAX = 200 };

/* JSON that is being read. */
struct text {
	const char *at, *end;
};

/* The length of the frame at BYTES, or 0, or -1; its JSON is *RET. */
static int read_frame(const uint8_t *bytes, size_t len, struct text *ret)
{
	size_t body;

	if (len < HEADER)
		return 0;
	body = (size_t)(bytes[0] | bytes[1] << 8);
	if (body > ENCLAVER_FRAME_MAX - HEADER)
		return -1;
	if (len < HEADER + body)
		return 0;
	ret->at = (const char *)bytes + HEADER;
	ret->end = ret->at + body;
	return (int)(HEADER + body);
}

static void skip_blanks(struct text *t)
{
	while (t->at < t->end && (*t->at == ' ' || *t->at == '\t' ||
				  *t->at == '\n' || *t->at == '\r'))
		t->at++;
}

/* Steps over C and blanks around it. */
static bool takes(struct text *t, char c)
{
	skip_blanks(t);
	if (t->at == t->end || *t->at != c)
		return false;
	t->at++;
	skip_blanks(t);
	return true;
}

/* A string; one with escapes is none that means anything here, so they stay as they are. */
static bool read_string(struct text *t, struct text *ret)
{
	skip_blanks(t);
	if (t->at == t->end || *t->at != '"')
		return false;
	ret->at = ++t->at;
	for (; t->at < t->end; t->at++) {
		if ((unsigned char)*t->at < ' ')
			return false;
		if (*t->at == '"') {
			ret->end = t->at++;
			skip_blanks(t);
			return true;
		}
		if (*t->at == '\\' && ++t->at == t->end)
			return false;
	}
	return false;
}

static bool is_text(struct text t, const char *word)
{
	size_t len = (size_t)(t.end - t.at);

	return len == strlen(word) && memcmp(t.at, word, len) == 0;
}

/* A string, number or word, of which the value does not matter. */
static bool skip_value(struct text *t)
{
	struct text s;
	const char *begin = t->at;

	if (t->at < t->end && *t->at == '"')
		return read_string(t, &s);
	while (t->at < t->end &&
	       ((*t->at >= '0' && *t->at <= '9') ||
		(*t->at >= 'a' && *t->at <= 'z') || *t->at == '-' ||
		*t->at == '+' || *t->at == '.' || *t->at == 'E'))
		t->at++;
	return t->at > begin;
}

static bool read_port(struct text *t, uint16_t *ret)
{
	uint64_t n;

	if (!value_number_at(&t->at, t->end, UINT16_MAX, &n) || n == 0)
		return false;
	*ret = (uint16_t)n;
	return true;
}

static bool read_host(struct text *t, struct host *ret)
{
	struct text s;

	return read_string(t, &s) &&
	       !host_read(s.at, (size_t)(s.end - s.at), ret);
}

/* NAME: VALUE; each of the two that count once. */
static bool read_member(struct text *t, bool has[2], struct host *ret,
			uint16_t *ret_port)
{
	struct text name;

	if (!read_string(t, &name) || !takes(t, ':'))
		return false;
	if (is_text(name, "host")) {
		if (has[0])
			return false;
		has[0] = true;
		return read_host(t, ret);
	}
	if (is_text(name, "port")) {
		if (has[1])
			return false;
		has[1] = true;
		return read_port(t, ret_port);
	}
	return skip_value(t);
}

int enclaver_read_request(const uint8_t *bytes, size_t len, struct host *ret,
			  uint16_t *ret_port)
{
	struct text t = { NULL, NULL };
	bool has[2] = { false, false };
	int whole = read_frame(bytes, len, &t);

	if (whole <= 0)
		return whole;
	if (!takes(&t, '{'))
		return -1;
	do {
		if (!read_member(&t, has, ret, ret_port))
			return -1;
	} while (takes(&t, ','));
	if (!takes(&t, '}') || t.at != t.end || !has[0] || !has[1])
		return -1;
	return whole;
}

/* The number behind "os_code": in T, wherever that is. */
static int find_code(struct text t)
{
	static const char member[] = "\"os_code\"";
	uint64_t n;

	t.at = memmem(t.at, (size_t)(t.end - t.at), member, strlen(member));
	if (!t.at)
		return EIO;
	t.at += strlen(member);
	if (!takes(&t, ':') || !value_number_at(&t.at, t.end, 4095, &n) ||
	    n == 0)
		return EIO;
	return (int)n;
}

int enclaver_read_answer(const uint8_t *bytes, size_t len, int *ret)
{
	struct text t = { NULL, NULL }, s, all;
	int whole = read_frame(bytes, len, &t);

	if (whole <= 0)
		return whole;
	all = t;
	skip_blanks(&t);
	if (read_string(&t, &s) && t.at == t.end && is_text(s, "Ok"))
		*ret = 0;
	else
		*ret = find_code(all);
	return whole;
}

/* Puts the length before the JSON, which has a NUL, at RET + HEADER. */
static size_t end_frame(uint8_t ret[ENCLAVER_WRITE_MAX])
{
	size_t len = strlen((char *)ret + HEADER);

	ret[0] = (uint8_t)len;
	ret[1] = (uint8_t)(len >> 8);
	return HEADER + len;
}

/* Without brackets, as Rust's resolver wants it. */
size_t enclaver_write_request(const struct host *host, uint16_t port,
			      uint8_t ret[ENCLAVER_WRITE_MAX])
{
	char name[HOST_TEXT], *json = (char *)ret + HEADER;
	size_t cap = ENCLAVER_WRITE_MAX - HEADER, skip = 0, len;

	host_text(host, name);
	len = strlen(name);
	if (host->kind == HOST_V6) {
		skip = 1;
		len -= 2;
	}
	words_set(json, cap, "{\"host\":\"", name + skip, len, "\",\"port\":");
	words_add_number(json, cap, port);
	words_add(json, cap, "}");
	return end_frame(ret);
}

size_t enclaver_write_answer(int error, const char *message,
			     uint8_t ret[ENCLAVER_WRITE_MAX])
{
	char *json = (char *)ret + HEADER;
	size_t cap = ENCLAVER_WRITE_MAX - HEADER, len;

	if (error == 0) {
		words_set(json, cap, "\"Ok\"", NULL, 0, NULL);
		return end_frame(ret);
	}
	words_set(json, cap, "{\"Err\":{\"os_code\":", NULL, 0, NULL);
	words_add_number(json, cap, (uint64_t)error);
	words_add(json, cap, ",\"message\":\"");
	len = strcspn(message, "\"\\");
	words_add_bytes(json, cap, message,
			len < MESSAGE_MAX ? len : MESSAGE_MAX);
	words_add(json, cap, "\"}}");
	return end_frame(ret);
}
