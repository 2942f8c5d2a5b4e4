#include "nsm/api/routes/body.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "nsm/tool/code.h"

bool body_refuse(struct job *j, const char *name, const char *must)
{
	job_error(j, 400, "bad_request", "%s: it must be %s", name, must);
	return false;
}

const struct json *body_object(struct job *j)
{
	const struct web *w = j->web;
	size_t cap = json_room(w->body_len);
	struct json_fault fault = { .what = "" };
	const struct json *value = NULL;
	void *room;

	if (web_header(w, "content-type") &&
	    !web_is_type(w, "application/json")) {
		job_error(j, 415, "media_type",
			  "Content-Type must be application/json");
		return NULL;
	}
	room = malloc(cap);
	if (!room) {
		job_error(j, 503, "no_memory", "there is no memory");
		return NULL;
	}
	if (json_read((const char *)w->body, w->body_len, room, cap, &value,
		      &fault) < 0) {
		job_error(j, 400, "bad_json", "the body, at byte %zu: %s",
			  fault.at, fault.what);
		return NULL;
	}
	if (json_kind(value) != JSON_OBJECT) {
		job_error(j, 400, "bad_json", "the body must be an object");
		return NULL;
	}
	return value;
}

bool body_has_only(struct job *j, const struct json *object,
		   const char *const *names)
{
	struct json_walk walk = { .of = object };
	struct json_text name;
	const struct json *value;

	while (json_next(&walk, &name, &value)) {
		const char *const *n = names;

		while (*n && strcmp(*n, name.at) != 0)
			n++;
		if (*n)
			continue;
		job_error(j, 400, "bad_request",
			  "%.64s: there is no such member", name.at);
		return false;
	}
	return true;
}

bool body_bytes(struct job *j, const struct json *object, const char *name,
		size_t min, size_t max, struct nsmc_bytes *ret)
{
	uint8_t *to = malloc(max + 1);
	size_t len = 0;
	int r;

	*ret = NSMC_ABSENT;
	if (!to) {
		job_error(j, 503, "no_memory", "there is no memory");
		return false;
	}
	r = json_member_bytes(object, name, min, max, to, &len);
	if (r < 0) {
		job_error(j, 400, "bad_request",
			  "%s: it must be base64 of %zu to %zu bytes", name,
			  min, max);
		return false;
	}
	if (r > 0)
		*ret = NSMC_BYTES(to, len);
	return true;
}

bool body_hex(struct job *j, const char *what, const char *text, size_t len,
	      size_t min, size_t max, struct nsmc_bytes *ret)
{
	uint8_t *to = malloc(len / 2 + 1);
	size_t n = 0;

	if (!to || code_from_hex(text, len, to, &n) < 0 || n < min || n > max) {
		job_error(j, 400, "bad_request",
			  "%s: it must be hex of %zu to %zu bytes", what, min,
			  max);
		return false;
	}
	*ret = NSMC_BYTES(to, n);
	return true;
}

bool body_number(struct job *j, const struct json *object, const char *name,
		 uint64_t max, bool *ret_is, uint64_t *ret)
{
	int r = json_member_number(object, name, 0, max, ret);

	*ret_is = r > 0;
	if (r >= 0)
		return true;
	job_error(j, 400, "bad_request",
		  "%s: it must be a number from 0 to %llu", name,
		  (unsigned long long)max);
	return false;
}

bool body_flag(struct job *j, const struct json *object, const char *name,
	       bool *ret)
{
	*ret = false;
	return json_member_bool(object, name, ret) >= 0 ||
	       body_refuse(j, name, "true or false");
}

/* --- answers --- */

struct json_out *body_begin(void)
{
	static char buf[WEB_ANSWER_MAX];
	static struct json_out out;

	/* A byte stays for the newline. */
	json_out_begin(&out, buf, sizeof(buf) - 1);
	return &out;
}

void body_end_with(struct job *j, int status, struct json_out *out)
{
	size_t len = 0;

	if (json_out_end(out, &len) < 0) {
		job_error(j, 500, "too_long", "the answer is too long");
		return;
	}
	out->at[len] = '\n';
	job_answer(j, status, "application/json", out->at, len + 1);
}

void body_end(struct job *j, struct json_out *out)
{
	body_end_with(j, 200, out);
}

void body_put_hex(struct json_out *out, const char *name,
		  struct nsmc_bytes bytes)
{
	static const char digits[] = "0123456789abcdef";
	char *text = bytes.data ? malloc(2 * bytes.len + 1) : NULL;

	if (!text) {
		json_put_null(out, name);
		return;
	}
	for (size_t i = 0; i < bytes.len; i++) {
		text[2 * i] = digits[bytes.data[i] >> 4];
		text[2 * i + 1] = digits[bytes.data[i] & 15];
	}
	json_put_text_of(out, name, text, 2 * bytes.len);
	free(text);
}

void body_put_bytes(struct json_out *out, const char *name,
		    struct nsmc_bytes bytes)
{
	if (bytes.data)
		json_put_bytes(out, name, bytes.data, bytes.len);
	else
		json_put_null(out, name);
}

void body_put_debug(struct json_out *out, enum nsmc_debug debug)
{
	if (debug == NSMC_DEBUG_UNKNOWN)
		json_put_null(out, "debug");
	else
		json_put_bool(out, "debug", debug == NSMC_DEBUG_YES);
}

void body_put_set(struct json_out *out, const char *name, uint32_t set)
{
	json_put_array(out, name);
	for (unsigned i = 0; i < 32; i++)
		if (set >> i & 1)
			json_put_number(out, NULL, i);
	json_put_array_end(out);
}
