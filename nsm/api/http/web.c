#include "nsm/api/http/web.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "nsm/nsmc.h"
#include "nsm/utf8.h"

enum { MESSAGE_MAX = 1024 };
_Static_assert(WEB_ERROR_MAX > 6 * MESSAGE_MAX + 512, "escaped, and the code");

/* --- the request --- */

const char *web_header(const struct web *w, const char *name)
{
	for (size_t i = 0; i < w->lines; i++)
		if (strcmp(w->line[i].name, name) == 0)
			return w->line[i].value;
	return NULL;
}

bool web_is_type(const struct web *w, const char *type)
{
	const char *value = web_header(w, "content-type");
	size_t len = strlen(type);

	return value && strncasecmp(value, type, len) == 0 &&
	       (value[len] == '\0' || value[len] == ';' || value[len] == ' ' ||
		value[len] == '\t');
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Up to END, percent-decoded. Returns the length or -errno. */
static int decode(const char *from, const char *end, char *to, size_t cap)
{
	size_t len = 0;
	int high, low;

	for (; from < end; from++) {
		char c = *from == '+' ? ' ' : *from;

		if (c == '%') {
			high = end - from > 2 ? hex_digit(from[1]) : -1;
			low = high < 0 ? -1 : hex_digit(from[2]);
			if (low < 0 || (high == 0 && low == 0))
				return -EINVAL;
			c = (char)(high << 4 | low);
			from += 2;
		}
		if (len + 1 >= cap)
			return -ENOSPC;
		to[len++] = c;
	}
	to[len] = '\0';
	return (int)len;
}

int web_query(const struct web *w, const char *name, char *ret, size_t cap)
{
	const char *at = w->query, *end, *found = NULL, *found_end = NULL;
	size_t len = strlen(name);

	for (; *at; at = *end ? end + 1 : end) {
		end = strchr(at, '&');
		if (!end)
			end = at + strlen(at);
		if ((size_t)(end - at) < len || memcmp(at, name, len) != 0 ||
		    (at + len != end && at[len] != '='))
			continue;
		if (found)
			return -EINVAL;
		found = at + len == end ? end : at + len + 1;
		found_end = end;
	}
	return found ? decode(found, found_end, ret, cap) : -ENOENT;
}

bool web_after(const struct web *w, const char *prefix, const char **ret)
{
	size_t len = strlen(prefix);

	if (strncmp(w->path, prefix, len) != 0)
		return false;
	*ret = w->path + len;
	return true;
}

/* --- answers --- */

void web_answer(struct web *w, int status, const char *type, const void *body,
		size_t len)
{
	w->reply(w, status, type, "", body, len);
}

void web_answer_with(struct web *w, int status, const char *type,
		     const char *lines, const void *body, size_t len)
{
	w->reply(w, status, type, lines, body, len);
}

static size_t add(char *to, size_t at, const char *text)
{
	size_t len = strlen(text);

	memcpy(to + at, text, len);
	return at + len;
}

/* At most 6 bytes for each. */
static size_t add_escaped(char *to, size_t at, const char *text)
{
	static const char hex[] = "0123456789abcdef";
	size_t left = strlen(text), n;

	for (; left; text += n, left -= n) {
		int32_t c = utf8_decode(text, left, &n);

		if (c < 0) {
			to[at++] = '?';
		} else if (c == '"' || c == '\\') {
			to[at++] = '\\';
			to[at++] = (char)c;
		} else if (c < ' ' || c == 0x7f) {
			at = add(to, at, "\\u00");
			to[at++] = hex[c >> 4];
			to[at++] = hex[c & 15];
		} else {
			memcpy(to + at, text, n);
			at += n;
		}
	}
	return at;
}

size_t web_error_body(char ret[WEB_ERROR_MAX], const char *code,
		      const char *message)
{
	size_t at = add(ret, 0, "{\"error\":{\"code\":\"");

	at = add_escaped(ret, at, code);
	at = add(ret, at, "\",\"message\":\"");
	at = add_escaped(ret, at, message);
	return add(ret, at, "\"}}\n");
}

void web_error(struct web *w, int status, const char *code, const char *format,
	       ...)
{
	char message[MESSAGE_MAX], body[WEB_ERROR_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(message, sizeof(message), format, args); // NOLINT
	va_end(args);
	web_answer(w, status, "application/json", body,
		   web_error_body(body, code, message));
}

void web_refuse(struct web *w, int status, const char *code,
		const char *message)
{
	if (w->route && w->route->refuse)
		w->route->refuse(w, status, code, message);
	else
		web_error(w, status, code, "%s", message);
}

int web_status_of(int r)
{
	switch (-r) {
	case NSMC_E_READ_ONLY_INDEX:
		return 409;
	case NSMC_E_INVALID_ARGUMENT:
	case NSMC_E_INVALID_INDEX:
	case NSMC_E_INPUT_TOO_LARGE:
	case EINVAL:
	case EMSGSIZE:
		return 400;
	case ENOENT:
	case ENXIO:
	case ENODEV:
	case EACCES:
	case EPERM:
	case EBUSY:
	case ENOMEM:
	case EAGAIN:
		return 503;
	case ETIMEDOUT:
		return 504;
	default:
		return 502;
	}
}

static const char *system_code(int e)
{
	switch (e) {
	case ENOENT:
	case ENXIO:
	case ENODEV:
		return "no_nsm";
	case EACCES:
	case EPERM:
		return "nsm_not_permitted";
	case ETIMEDOUT:
		return "timeout";
	case ENOMEM:
		return "no_memory";
	default:
		return "nsm_failed";
	}
}

const char *web_code_of(int r)
{
	const char *name = nsmc_error_name(r);

	return name && strncmp(name, "NSM", 3) == 0 ? name : system_code(-r);
}

void web_error_nsm(struct web *w, int r)
{
	web_error(w, web_status_of(r), web_code_of(r), "%s",
		  nsmc_error_text(r));
}
