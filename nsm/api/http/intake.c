#include "nsm/api/http/intake.h"

#include <llhttp.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(llhttp_t) <= INTAKE_PARSER, "it has room for the parser");

enum { BODY_FIRST = 4096 };

static llhttp_t *parser_of(struct intake *in)
{
	return (llhttp_t *)(void *)in->parser.bytes;
}

/* Returns what ends llhttp's reading. */
static int refuse(struct intake *in, int status, const char *code,
		  const char *why)
{
	if (!in->status) {
		in->status = status;
		in->code = code;
		in->why = why;
	}
	return HPE_USER;
}

static int bad(struct intake *in, const char *why)
{
	return refuse(in, 400, "bad_request", why);
}

/* --- texts: one after the other, each with its NUL --- */

static int add_text(struct intake *in, const char *at, size_t len)
{
	/* One byte stays for the NUL. */
	if (len >= sizeof(in->text) - in->text_len)
		return refuse(in, 431, "head_too_large",
			      "the head has more than 16 KiB");
	if (!in->word)
		in->word = in->text + in->text_len;
	memcpy(in->text + in->text_len, at, len);
	in->text_len += len;
	return 0;
}

static char *end_text(struct intake *in)
{
	char *word = in->word ? in->word : in->text + in->text_len;

	in->text[in->text_len++] = '\0';
	in->word = NULL;
	return word;
}

static bool is_visible(const char *s)
{
	for (; *s; s++)
		if (*s <= ' ' || *s > '~')
			return false;
	return true;
}

static int on_url(llhttp_t *t, const char *at, size_t len)
{
	return add_text(t->data, at, len);
}

static int on_url_complete(llhttp_t *t)
{
	struct intake *in = t->data;
	char *path = end_text(in), *query;

	if (path[0] != '/' || !is_visible(path) || strchr(path, '#'))
		return bad(in, "the target is no path");
	query = strchr(path, '?');
	in->web.path = path;
	in->web.query = query ? query + 1 : "";
	if (query)
		*query = '\0';
	return 0;
}

static int on_name(llhttp_t *t, const char *at, size_t len)
{
	struct intake *in = t->data;

	if (in->is_head_done)
		return bad(in, "trailers are not taken");
	if (in->web.lines == WEB_HEADERS_MAX)
		return refuse(in, 431, "head_too_large",
			      "the head has more than 100 lines");
	return add_text(in, at, len);
}

static int on_name_complete(llhttp_t *t)
{
	struct intake *in = t->data;
	char *name = end_text(in);

	for (char *c = name; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c |= 0x20;
	in->web.line[in->web.lines].name = name;
	return 0;
}

static int on_value(llhttp_t *t, const char *at, size_t len)
{
	return add_text(t->data, at, len);
}

static int on_value_complete(llhttp_t *t)
{
	struct intake *in = t->data;
	char *value = end_text(in), *end = value + strlen(value);

	if (end + 1 != in->text + in->text_len)
		return bad(in, "a NUL is in a header");
	for (const char *c = value; *c; c++)
		if (((unsigned char)*c < ' ' && *c != '\t') || *c == 0x7f)
			return bad(in, "a control character is in a header");
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = '\0';
	while (*value == ' ' || *value == '\t')
		value++;
	in->web.line[in->web.lines++].value = value;
	return 0;
}

/* --- the whole head --- */

static enum web_method method_of(uint8_t method)
{
	switch (method) {
	case HTTP_GET:
	case HTTP_HEAD:
		return WEB_GET;
	case HTTP_POST:
		return WEB_POST;
	case HTTP_PUT:
		return WEB_PUT;
	default:
		return WEB_OTHER;
	}
}

/* The only one of this name; NULL: none. Two are refused. */
static const char *only(struct intake *in, const char *name, int *ret)
{
	const char *found = NULL;

	for (size_t i = 0; i < in->web.lines; i++) {
		if (strcmp(in->web.line[i].name, name) != 0)
			continue;
		if (found)
			*ret = bad(in, "a header is there twice");
		found = in->web.line[i].value;
	}
	return found;
}

static int check_lines(struct intake *in, const llhttp_t *t)
{
	const char *host, *expect;
	int r = 0;

	host = only(in, "host", &r);
	expect = only(in, "expect", &r);
	(void)only(in, "content-type", &r);
	(void)only(in, "x-amz-target", &r);
	if (r)
		return r;
	if (!host && t->http_minor == 1)
		return bad(in, "there is no header Host");
	if (expect && strcasecmp(expect, "100-continue") != 0)
		return refuse(in, 417, "expectation",
			      "only 100-continue is known in Expect");
	in->has_body = t->flags & F_CHUNKED ||
		       (t->flags & F_CONTENT_LENGTH && t->content_length > 0);
	in->wants_continue = expect && in->has_body && t->http_minor == 1;
	return 0;
}

static int on_head_complete(llhttp_t *t)
{
	struct intake *in = t->data;
	int r;

	if (t->http_major != 1 || t->http_minor > 1)
		return refuse(in, 505, "version", "only HTTP/1.1 is spoken");
	in->web.method = method_of(t->method);
	in->is_head = t->method == HTTP_HEAD;
	in->keeps_alive = llhttp_should_keep_alive(t);
	r = check_lines(in, t);
	if (r)
		return r;
	if (t->flags & F_CONTENT_LENGTH && t->content_length > WEB_BODY_MAX)
		return refuse(in, 413, "body_too_large",
			      "the body has more than 64 KiB");
	in->is_head_done = true;
	in->state = INTAKE_HEAD;
	return HPE_PAUSED;
}

/* --- the body --- */

static int make_room(struct intake *in, size_t want)
{
	size_t cap = in->body_cap ? in->body_cap : BODY_FIRST;
	uint8_t *body;

	if (want > WEB_BODY_MAX)
		return refuse(in, 413, "body_too_large",
			      "the body has more than 64 KiB");
	while (cap < want)
		cap *= 2;
	if (cap == in->body_cap)
		return 0;
	body = malloc(cap + 1);
	if (!body)
		return refuse(in, 503, "no_memory", "there is no memory");
	if (in->web.body_len)
		memcpy(body, in->body, in->web.body_len);
	if (in->body)
		explicit_bzero(in->body, in->body_cap + 1);
	free(in->body);
	in->body = body;
	in->body_cap = cap;
	return 0;
}

static int on_body(llhttp_t *t, const char *at, size_t len)
{
	struct intake *in = t->data;
	int r = make_room(in, in->web.body_len + len);

	if (r)
		return r;
	memcpy(in->body + in->web.body_len, at, len);
	in->web.body_len += len;
	in->web.body = in->body;
	return 0;
}

static int on_complete(llhttp_t *t)
{
	struct intake *in = t->data;

	if (in->body)
		in->body[in->web.body_len] = '\0';
	in->state = INTAKE_DONE;
	return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
	.on_url = on_url,
	.on_url_complete = on_url_complete,
	.on_header_field = on_name,
	.on_header_field_complete = on_name_complete,
	.on_header_value = on_value,
	.on_header_value_complete = on_value_complete,
	.on_headers_complete = on_head_complete,
	.on_body = on_body,
	.on_message_complete = on_complete,
};

/* --- feeding --- */

void intake_reset(struct intake *in)
{
	if (in->body)
		explicit_bzero(in->body, in->body_cap + 1);
	free(in->body);
	/* What others may see of it, such as tokens in headers. */
	explicit_bzero(in->text, in->text_len);
	memset(in, 0, offsetof(struct intake, text));
	in->web.path = in->web.query = in->web.origin = "";
	in->web.body = (const uint8_t *)"";
	llhttp_init(parser_of(in), HTTP_REQUEST, &settings);
}

/* How many of LEN bytes may be fed at once, so that no bound is passed unseen. 0: none. */
static size_t allowance(struct intake *in, size_t len)
{
	size_t left = in->is_head_done ? INTAKE_BODY_RAW_MAX - in->body_bytes :
					 WEB_HEAD_MAX - in->head_bytes;

	if (len > 0 && left == 0)
		(void)(in->is_head_done ?
			       refuse(in, 413, "body_too_large",
				      "its chunks are too small") :
			       refuse(in, 431, "head_too_large",
				      "the head has more than 16 KiB"));
	return len < left ? len : left;
}

static enum intake_state failed(struct intake *in, const llhttp_t *t)
{
	if (!in->status)
		(void)bad(in, t->reason ? t->reason : "it is no HTTP");
	return in->state = INTAKE_BAD;
}

enum intake_state intake_feed(struct intake *in, const void *bytes, size_t len,
			      size_t *ret_used)
{
	llhttp_t *t = parser_of(in);
	const char *at = bytes ? bytes : "", *to;
	bool was_head = !in->is_head_done;
	llhttp_errno_t e;

	*ret_used = 0;
	if (in->state == INTAKE_BAD || in->state == INTAKE_DONE)
		return in->state;
	if (in->state == INTAKE_HEAD)
		llhttp_resume(t);
	in->state = INTAKE_MORE;
	len = allowance(in, len);
	if (in->status)
		return failed(in, t);
	in->has_begun = in->has_begun || len > 0;
	t->data = in;
	e = llhttp_execute(t, at, len);
	t->data = NULL;
	/* With a header Upgrade, which is not followed, llhttp stops by another name. */
	if (e == HPE_PAUSED_UPGRADE && in->state == INTAKE_DONE)
		e = HPE_PAUSED;
	if (e != HPE_OK && e != HPE_PAUSED)
		return failed(in, t);
	to = e == HPE_PAUSED ? llhttp_get_error_pos(t) : at + len;
	*ret_used = to ? (size_t)(to - at) : 0;
	*(was_head ? &in->head_bytes : &in->body_bytes) += (uint32_t)*ret_used;
	return in->state;
}
