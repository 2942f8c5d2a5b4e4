#include "nsm/kms/wire/http.h"

#include <errno.h>
#include <llhttp.h>
#include <string.h>
#include <strings.h>

_Static_assert(sizeof(llhttp_t) <=
		       sizeof(((struct http_answer *)0)->state.parser),
	       "it has room for the parser");

/* --- requests --- */

/* RFC 9110, 5.6.2. */
static bool is_token(const char *s)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	if (!*s)
		return false;
	for (; *s; s++)
		if (!((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
		      (*s >= '0' && *s <= '9') || strchr(others, *s)))
			return false;
	return true;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

bool http_is_field(const char *name, const char *value)
{
	size_t len = strlen(value);

	if (!is_token(name) ||
	    (len > 0 && (is_blank(value[0]) || is_blank(value[len - 1]))))
		return false;
	for (; *value; value++)
		if ((*value < ' ' && *value != '\t') || *value > '~')
			return false;
	return true;
}

struct text {
	char *at;
	size_t len, cap;
	bool is_full;
};

static void put(struct text *t, const char *s)
{
	size_t len = strlen(s);

	if (t->is_full || len > t->cap - t->len) {
		t->is_full = true;
		return;
	}
	memcpy(t->at + t->len, s, len);
	t->len += len;
}

static void put_field(struct text *t, const char *name, const char *value)
{
	put(t, name);
	put(t, ": ");
	put(t, value);
	put(t, "\r\n");
}

static void put_length(struct text *t, size_t n)
{
	char digits[24];
	size_t at = sizeof(digits) - 1;

	digits[at] = '\0';
	do
		digits[--at] = (char)('0' + n % 10);
	while (n /= 10);
	put_field(t, "Content-Length", digits + at);
}

static bool is_path(const char *s)
{
	if (*s != '/')
		return false;
	for (; *s; s++)
		if (*s <= ' ' || *s > '~' || *s == '#')
			return false;
	return true;
}

/* What http_request_head writes, and what would change where a message ends. */
static bool is_framing(const char *name)
{
	static const char *const names[] = {
		"content-length", "connection", "transfer-encoding",
		"upgrade",	  "expect",	"te",
		"trailer",	  "keep-alive"
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcasecmp(name, names[i]) == 0)
			return true;
	return false;
}

int http_request_head(const struct http_request *r, char *buf, size_t cap,
		      size_t *ret_len)
{
	struct text t = { .at = buf, .cap = cap };
	size_t hosts = 0;

	if (!is_token(r->method) || !is_path(r->path))
		return -EINVAL;
	put(&t, r->method);
	put(&t, " ");
	put(&t, r->path);
	put(&t, " HTTP/1.1\r\n");
	for (size_t i = 0; i < r->count; i++) {
		const struct http_field *f = &r->fields[i];

		if (!http_is_field(f->name, f->value) || is_framing(f->name))
			return -EINVAL;
		hosts += strcasecmp(f->name, "host") == 0;
		put_field(&t, f->name, f->value);
	}
	if (hosts != 1)
		return -EINVAL;
	if (r->has_body)
		put_length(&t, r->body_len);
	put(&t, "Connection: close\r\n\r\n");
	if (t.is_full)
		return -ENOSPC;
	*ret_len = t.len;
	return 0;
}

/* --- answers --- */

const char *http_fault_text(enum http_fault fault)
{
	static const char *const texts[] = {
		[HTTP_FAULT_NONE] = "no error",
		[HTTP_FAULT_FORM] = "it is no well-formed answer of HTTP/1",
		[HTTP_FAULT_HEAD_TOO_LONG] = "its head is too long",
		[HTTP_FAULT_TOO_MANY_LINES] = "it has too many headers",
		[HTTP_FAULT_BODY_TOO_LONG] = "its body is too long",
		[HTTP_FAULT_LENGTHS] = "it has more than one length",
		[HTTP_FAULT_CODING] = "its Transfer-Encoding is not chunked",
		[HTTP_FAULT_STATUS] = "its status is none that was asked for",
		[HTTP_FAULT_TOO_MANY_BYTES] = "it is too long",
		[HTTP_FAULT_CUT] = "the connection ended before it",
	};

	return (unsigned)fault < HTTP_FAULT_COUNT ? texts[fault] : "no error";
}

static int refuse(struct http_answer *a, enum http_fault fault)
{
	if (a->fault == HTTP_FAULT_NONE)
		a->fault = fault;
	return HPE_USER;
}

/* RFC 9112 has tabs, but no other control characters. */
static bool has_control(const char *at, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (((unsigned char)at[i] < ' ' && at[i] != '\t') ||
		    at[i] == 0x7f)
			return true;
	return false;
}

static int on_reason(llhttp_t *t, const char *at, size_t len)
{
	return has_control(at, len) ? refuse(t->data, HTTP_FAULT_FORM) : 0;
}

/* Trailers count, too; before them llhttp_execute's slices keep the bound. */
static int count_bytes(struct http_answer *a, size_t len)
{
	if (!a->state.is_head_over)
		return 0;
	a->state.head_bytes += len;
	return a->state.head_bytes > HTTP_HEAD_MAX ?
		       refuse(a, HTTP_FAULT_HEAD_TOO_LONG) :
		       0;
}

static int on_name(llhttp_t *t, const char *at, size_t len)
{
	struct http_answer *a = t->data;
	size_t room = sizeof(a->state.name) - 1;

	for (size_t i = 0; i < len && a->state.name_len + i < room; i++) {
		char c = at[i];

		if (c >= 'A' && c <= 'Z')
			c = (char)(c + ('a' - 'A'));
		a->state.name[a->state.name_len + i] = c;
	}
	a->state.name_len += len;
	return count_bytes(a, len);
}

static bool is_named(const struct http_answer *a, const char *name)
{
	return a->state.name_len == strlen(name) &&
	       a->state.name_len < sizeof(a->state.name) &&
	       memcmp(a->state.name, name, a->state.name_len) == 0;
}

static int on_name_complete(llhttp_t *t)
{
	struct http_answer *a = t->data;

	if (++a->state.lines > HTTP_LINES_MAX)
		return refuse(a, HTTP_FAULT_TOO_MANY_LINES);
	a->state.at = NULL;
	a->state.value_len = 0;
	if (a->state.is_head_over)
		return 0;
	if (is_named(a, "content-length"))
		a->state.lengths++;
	if (is_named(a, "transfer-encoding"))
		a->state.codings++;
	if (a->state.lengths + a->state.codings > 1)
		return refuse(a, HTTP_FAULT_LENGTHS);
	for (size_t i = 0; i < a->wanted_count; i++)
		if (!a->wanted[i].is_there && is_named(a, a->wanted[i].name))
			a->state.at = &a->wanted[i];
	return 0;
}

/* Appends to what TO of CAP bytes has already of the value. False: it is cut. */
static bool append(struct http_answer *a, char *to, size_t cap, const char *at,
		   size_t len)
{
	size_t done = a->state.value_len < cap - 1 ? a->state.value_len :
						     cap - 1;
	size_t n = len < cap - 1 - done ? len : cap - 1 - done;

	for (size_t i = 0; i < n; i++)
		to[done + i] = at[i] == '\t'		  ? ' ' :
			       at[i] < ' ' || at[i] > '~' ? '?' :
							    at[i];
	to[done + n] = '\0';
	return n == len;
}

static int on_value(llhttp_t *t, const char *at, size_t len)
{
	struct http_answer *a = t->data;

	if (has_control(at, len))
		return refuse(a, HTTP_FAULT_FORM);
	if (a->state.at &&
	    !append(a, a->state.at->value, HTTP_VALUE_SIZE, at, len))
		a->state.at->is_cut = true;
	if (!a->state.is_head_over && is_named(a, "transfer-encoding") &&
	    !append(a, a->state.coding, sizeof(a->state.coding), at, len))
		return refuse(a, HTTP_FAULT_CODING);
	a->state.value_len += len;
	return count_bytes(a, len);
}

static void trim(char *s)
{
	size_t len = strlen(s);

	while (len > 0 && is_blank(s[len - 1]))
		s[--len] = '\0';
}

static int on_value_complete(llhttp_t *t)
{
	struct http_answer *a = t->data;

	if (a->state.at) {
		trim(a->state.at->value);
		a->state.at->is_there = true;
	}
	a->state.at = NULL;
	a->state.name_len = 0;
	return 0;
}

/* Those that never have a body. */
static bool is_bare(unsigned status)
{
	return status < 200 || status == 204 || status == 304;
}

static int on_head(llhttp_t *t)
{
	struct http_answer *a = t->data;
	unsigned status = (unsigned)llhttp_get_status_code(t);

	a->state.is_head_over = true;
	trim(a->state.coding);
	if (llhttp_get_http_major(t) != 1 || llhttp_get_http_minor(t) > 1)
		return refuse(a, HTTP_FAULT_FORM);
	if (status < 100 || status == 101 || status > 599)
		return refuse(a, HTTP_FAULT_STATUS);
	if (a->state.codings > 0 &&
	    (strcasecmp(a->state.coding, "chunked") != 0 ||
	     llhttp_get_http_minor(t) == 0))
		return refuse(a, HTTP_FAULT_CODING);
	if (is_bare(status) && status != 304 &&
	    (a->state.codings > 0 || t->content_length > 0))
		return refuse(a, HTTP_FAULT_LENGTHS);
	if (is_bare(status))
		return 1;
	if (a->state.lengths > 0 && t->content_length > a->body_cap)
		return refuse(a, HTTP_FAULT_BODY_TOO_LONG);
	return 0;
}

static int on_body(llhttp_t *t, const char *at, size_t len)
{
	struct http_answer *a = t->data;

	if (len > a->body_cap - a->body_len)
		return refuse(a, HTTP_FAULT_BODY_TOO_LONG);
	memcpy(a->body + a->body_len, at, len);
	a->body_len += len;
	return 0;
}

/* What follows is of another message. */
static int on_complete(llhttp_t *t)
{
	struct http_answer *a = t->data;

	a->state.is_whole = true;
	return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
	.on_status = on_reason,
	.on_header_field = on_name,
	.on_header_field_complete = on_name_complete,
	.on_header_value = on_value,
	.on_header_value_complete = on_value_complete,
	.on_headers_complete = on_head,
	.on_body = on_body,
	.on_message_complete = on_complete,
};

/* Begins a message: the first, or the one after an interim one. */
static void begin_message(struct http_answer *a)
{
	llhttp_t t;

	llhttp_init(&t, HTTP_RESPONSE, &settings);
	memcpy(a->state.parser, &t, sizeof(t));
	a->state.lengths = a->state.codings = 0;
	a->state.coding[0] = '\0';
	a->state.name_len = 0;
	a->state.is_at_start = true;
	a->state.is_head_over = a->state.is_whole = false;
	for (size_t i = 0; i < a->wanted_count; i++) {
		a->wanted[i].is_there = a->wanted[i].is_cut = false;
		a->wanted[i].value[0] = '\0';
	}
}

void http_answer_begin(struct http_answer *a, struct http_wanted *wanted,
		       size_t wanted_count, char *body, size_t cap)
{
	*a = (struct http_answer){
		.wanted = wanted,
		.wanted_count = wanted_count,
		.body = body,
		.body_cap = cap < HTTP_BODY_MAX ? cap : HTTP_BODY_MAX,
	};
	begin_message(a);
}

/* Bytes that may be taken at once: of a head no more than its bound. */
static size_t slice(const struct http_answer *a, size_t len)
{
	size_t room = HTTP_HEAD_MAX - a->state.head_bytes;

	return a->state.is_head_over || len < room ? len : room;
}

/* Feeds one slice; returns how many bytes were of the message. */
static size_t feed(struct http_answer *a, const char *bytes, size_t len)
{
	bool was_head = !a->state.is_head_over;
	llhttp_errno_t e;
	llhttp_t t;

	memcpy(&t, a->state.parser, sizeof(t));
	t.data = a;
	e = llhttp_execute(&t, bytes, len);
	if (e == HPE_PAUSED && a->state.is_whole)
		len = (size_t)(llhttp_get_error_pos(&t) - bytes);
	else if (e != HPE_OK)
		(void)refuse(a, HTTP_FAULT_FORM);
	a->status = a->state.is_head_over ?
			    (unsigned)llhttp_get_status_code(&t) :
			    0;
	memcpy(a->state.parser, &t, sizeof(t));
	a->state.bytes += len;
	if (was_head)
		a->state.head_bytes += len;
	if (!a->state.is_head_over && a->state.head_bytes >= HTTP_HEAD_MAX)
		(void)refuse(a, HTTP_FAULT_HEAD_TOO_LONG);
	if (a->state.bytes > HTTP_BYTES_MAX)
		(void)refuse(a, HTTP_FAULT_TOO_MANY_BYTES);
	return len;
}

int http_answer_feed(struct http_answer *a, const char *bytes, size_t len,
		     size_t *ret_used)
{
	size_t used = 0;

	while (used < len && a->fault == HTTP_FAULT_NONE) {
		/* Blank lines before it llhttp would skip. */
		if (a->state.is_at_start && bytes[used] != 'H') {
			(void)refuse(a, HTTP_FAULT_FORM);
			break;
		}
		a->state.is_at_start = false;
		used += feed(a, bytes + used, slice(a, len - used));
		if (a->fault != HTTP_FAULT_NONE || !a->state.is_whole)
			continue;
		if (a->status >= 200) {
			a->has_length = true;
			*ret_used = used;
			return 1;
		}
		begin_message(a);
	}
	if (a->fault != HTTP_FAULT_NONE)
		return -1;
	*ret_used = used;
	return 0;
}

int http_answer_eof(struct http_answer *a)
{
	llhttp_errno_t e;
	llhttp_t t;

	if (a->fault != HTTP_FAULT_NONE)
		return -1;
	if (a->state.is_whole)
		return 1;
	memcpy(&t, a->state.parser, sizeof(t));
	t.data = a;
	e = a->state.is_head_over ? llhttp_finish(&t) : HPE_INVALID_EOF_STATE;
	if (!a->state.is_whole || (e != HPE_OK && e != HPE_PAUSED)) {
		(void)refuse(a, HTTP_FAULT_CUT);
		return -1;
	}
	return 1;
}
