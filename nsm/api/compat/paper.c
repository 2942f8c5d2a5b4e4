#include "nsm/api/compat/paper.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "nsm/kms/wire/base64.h"

enum { WORDS_MAX = 512 };

static const char plain[] = "text/plain; charset=utf-8";

const struct json *paper_object(struct job *j)
{
	static uint8_t room[4 * WEB_BODY_MAX + 98304];
	const struct json *value = NULL;
	struct json_fault fault;

	if (json_read((const char *)j->web->body, j->web->body_len, room,
		      sizeof(room), &value, &fault) < 0) {
		paper_say(j, 400, "%s at byte %zu", fault.what, fault.at);
		return NULL;
	}
	if (json_kind(value) != JSON_OBJECT) {
		paper_say(j, 400, "invalid type: expected an object");
		return NULL;
	}
	return value;
}

int paper_attest(struct job *j, const struct paper *p, struct nsmc_bytes *ret)
{
	static uint8_t document[NSMC_DOCUMENT_MAX];
	size_t len = 0;
	int r;

	if (!job_may_attest(p->user_data)) {
		paper_say(
			j, 403,
			"user data that begin with \"enclave-init/\" are the runtime's");
		return -EACCES;
	}
	r = nsmc_attest(j->nsm, p->user_data, p->nonce, p->public_key, document,
			sizeof(document), &len);
	if (r == 0)
		*ret = NSMC_BYTES(document, len);
	return r;
}

void paper_say(struct job *j, int status, const char *format, ...)
{
	char words[WORDS_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(words, sizeof(words), format, args); // NOLINT
	va_end(args);
	job_answer(j, status, plain, words, strlen(words));
}

void paper_tell(struct web *w, int status, const char *words)
{
	web_answer(w, status, plain, words, strlen(words));
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int paper_hex(const char *text, uint8_t *to, size_t cap, size_t *ret_len)
{
	size_t len = 0;

	for (; text[0]; text += 2) {
		int high = digit(text[0]);
		int low = high < 0 ? -1 : digit(text[1]);

		if (low < 0)
			return -EINVAL;
		if (len == cap)
			return -ENOSPC;
		to[len++] = (uint8_t)(high << 4 | low);
	}
	*ret_len = len;
	return 0;
}

/* --- PEM --- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The label of the line "-----WORD LABEL-----" at AT, up to END; *AT is behind it then. */
static int read_line(const char **at, const char *end, const char *word,
		     const char **ret_label, size_t *ret_len)
{
	static const char dashes[] = "-----";
	const size_t five = sizeof(dashes) - 1, len = strlen(word);
	const char *label = *at + five + len, *stop;

	if ((size_t)(end - *at) < 2 * five + len ||
	    memcmp(*at, dashes, five) != 0 ||
	    memcmp(*at + five, word, len) != 0)
		return -EINVAL;
	stop = memmem(label, (size_t)(end - label), dashes, five);
	if (!stop || memchr(label, '\n', (size_t)(stop - label)))
		return -EINVAL;
	*ret_label = label;
	*ret_len = (size_t)(stop - label);
	*at = stop + five;
	return 0;
}

int paper_pem(const char *text, size_t len, uint8_t *to, size_t *ret_len)
{
	const char *at = text, *end = text + len, *label, *label_end;
	size_t label_len, end_len, n = 0;

	while (end > at && is_blank(end[-1]))
		end--;
	while (at < end && is_blank(*at))
		at++;
	if (read_line(&at, end, "BEGIN ", &label, &label_len) < 0)
		return -EINVAL;
	/* The base64 goes to TO first, without its lines. */
	for (; at < end && *at != '-'; at++)
		if (!is_blank(*at))
			to[n++] = (uint8_t)*at;
	if (read_line(&at, end, "END ", &label_end, &end_len) < 0 ||
	    at != end || end_len != label_len ||
	    memcmp(label, label_end, label_len) != 0)
		return -EINVAL;
	return base64_read((const char *)to, n, to, ret_len);
}

int paper_base64(const char *text, size_t len, uint8_t *to, size_t *ret_len)
{
	const size_t over = len % 4, whole = len - over;
	char last[] = "====";
	size_t n = 0, more = 0;

	if (over == 1 || (over && memchr(text, '=', len)))
		return -EINVAL;
	if (base64_read(text, whole, to, &n) < 0)
		return -EINVAL;
	if (over) {
		memcpy(last, text + whole, over);
		if (base64_read(last, 4, to + n, &more) < 0)
			return -EINVAL;
	}
	*ret_len = n + more;
	return 0;
}
