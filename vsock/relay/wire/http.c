#include "vsock/relay/wire/http.h"

#include <llhttp.h>
#include <string.h>
#include <strings.h>

#include "vsock/relay/base/value.h"
#include "vsock/relay/plan/words.h"

const char http_connected[] = "HTTP/1.1 200 Connection established\r\n\r\n";

_Static_assert(sizeof(llhttp_t) <= sizeof(((struct http_body *)0)->state),
	       "it has room for the parser");

static const char bad_head[] = "the head is not well-formed";

/* --- reading, with llhttp --- */

/* What its callbacks fill in. */
struct scan {
	struct http_piece url, reason;
	struct http_headers *headers;
	bool has_value; /* of the last header */
	bool has_too_many;
	bool is_over;
};

static void extend(struct http_piece *p, const char *at, size_t len)
{
	if (p->len == 0)
		p->at = at;
	p->len += len;
}

static int on_url(llhttp_t *t, const char *at, size_t len)
{
	struct scan *s = t->data;

	extend(&s->url, at, len);
	return 0;
}

static int on_status(llhttp_t *t, const char *at, size_t len)
{
	struct scan *s = t->data;

	extend(&s->reason, at, len);
	return 0;
}

static int on_name(llhttp_t *t, const char *at, size_t len)
{
	struct scan *s = t->data;

	/* A trailer of the body: it passes as it is. */
	if (!s->headers)
		return 0;
	if (s->headers->count == 0 || s->has_value) {
		if (s->headers->count == HTTP_HEADERS_MAX) {
			s->has_too_many = true;
			return HPE_USER;
		}
		s->headers->at[s->headers->count++] =
			(struct http_header){ .name = { at, 0 } };
		s->has_value = false;
	}
	extend(&s->headers->at[s->headers->count - 1].name, at, len);
	return 0;
}

static int on_value(llhttp_t *t, const char *at, size_t len)
{
	struct scan *s = t->data;

	if (!s->headers || s->headers->count == 0)
		return 0;
	extend(&s->headers->at[s->headers->count - 1].value, at, len);
	s->has_value = true;
	return 0;
}

static int on_value_complete(llhttp_t *t)
{
	struct scan *s = t->data;

	s->has_value = true;
	return 0;
}

/* The bytes behind it are of another message. */
static int on_complete(llhttp_t *t)
{
	struct scan *s = t->data;

	s->is_over = true;
	return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
	.on_url = on_url,
	.on_status = on_status,
	.on_header_field = on_name,
	.on_header_value = on_value,
	.on_header_value_complete = on_value_complete,
	.on_message_complete = on_complete,
};

/* The body of an answer is not looked at. */
static int skip_body(llhttp_t *t)
{
	(void)t;
	return 1;
}

static const llhttp_settings_t response_settings = {
	.on_status = on_status,
	.on_header_field = on_name,
	.on_header_value = on_value,
	.on_header_value_complete = on_value_complete,
	.on_headers_complete = skip_body,
	.on_message_complete = on_complete,
};

/* Feeds the whole head. False: it is none, or not one alone. */
static bool scan(llhttp_t *t, struct scan *s, const char *head, size_t len)
{
	llhttp_errno_t e;

	/* Of control characters llhttp lets some pass in a reason. */
	for (size_t i = 0; i < len; i++)
		if (((unsigned char)head[i] < ' ' &&
		     !strchr("\t\r\n", head[i])) ||
		    head[i] == '\0')
			return false;
	t->data = s;
	e = llhttp_execute(t, head, len);
	t->data = NULL;
	if (e == HPE_OK)
		return true;
	return e == HPE_PAUSED && s->is_over &&
	       llhttp_get_error_pos(t) == head + len;
}

long http_head_len(const char *bytes, size_t len, size_t seen)
{
	size_t from = seen > 3 ? seen - 3 : 0;
	size_t most = len < HTTP_HEAD_MAX ? len : HTTP_HEAD_MAX;
	const char *end;

	if (from >= most)
		return len >= HTTP_HEAD_MAX ? -1 : 0;
	end = memmem(bytes + from, most - from, "\r\n\r\n", 4);
	if (end)
		return end - bytes + 4;
	if (len >= HTTP_HEAD_MAX ||
	    memmem(bytes + from, most - from, "\n\n", 2))
		return -1;
	return 0;
}

/* --- what headers mean --- */

static bool is_word(struct http_piece p, const char *word)
{
	return p.len == strlen(word) && strncasecmp(p.at, word, p.len) == 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void trim(struct http_piece *p)
{
	while (p->len > 0 && is_blank(p->at[0])) {
		p->at++;
		p->len--;
	}
	while (p->len > 0 && is_blank(p->at[p->len - 1]))
		p->len--;
}

/* Takes the next word of a list with commas. False: there is none. */
static bool next_token(struct http_piece *list, struct http_piece *ret)
{
	const char *comma;

	while (list->len > 0) {
		comma = memchr(list->at, ',', list->len);
		*ret = (struct http_piece){ list->at,
					    comma ? (size_t)(comma - list->at) :
						    list->len };
		list->at += ret->len + (comma ? 1 : 0);
		list->len -= ret->len + (comma ? 1 : 0);
		trim(ret);
		if (ret->len > 0)
			return true;
	}
	return false;
}

/* Does a Connection header name it? */
static bool is_named(const struct http_headers *h, struct http_piece name)
{
	struct http_piece list, token;

	for (size_t i = 0; i < h->count; i++) {
		if (!is_word(h->at[i].name, "connection"))
			continue;
		list = h->at[i].value;
		while (next_token(&list, &token))
			if (token.len == name.len &&
			    strncasecmp(token.at, name.at, name.len) == 0)
				return true;
	}
	return false;
}

/* What the message is; it goes on whatever Connection says. */
static bool is_framing(struct http_piece name)
{
	return is_word(name, "host") || is_word(name, "content-length") ||
	       is_word(name, "transfer-encoding") || is_word(name, "trailer");
}

/* Is it between two neighbours? */
static bool is_hop(const struct http_headers *h, struct http_piece name)
{
	static const char *const hops[] = {
		"connection",
		"keep-alive",
		"te",
		"upgrade",
		"proxy-connection",
		"proxy-authorization",
		"proxy-authenticate",
		"proxy-authentication-info",
	};

	if (is_framing(name))
		return false;
	for (size_t i = 0; i < sizeof(hops) / sizeof(hops[0]); i++)
		if (is_word(name, hops[i]))
			return true;
	return is_named(h, name);
}

/* What others may frame in another way. */
static const char *check_framing(const struct http_headers *h)
{
	unsigned lengths = 0, codings = 0, hosts = 0;

	for (size_t i = 0; i < h->count; i++) {
		struct http_piece name = h->at[i].name, value = h->at[i].value;

		if (is_word(name, "content-length"))
			lengths++;
		if (is_word(name, "host"))
			hosts++;
		if (is_word(name, "transfer-encoding")) {
			codings++;
			if (!is_word(value, "chunked"))
				return "its Transfer-Encoding is not chunked";
		}
		if (is_framing(name) && !is_word(name, "trailer") &&
		    is_named(h, name))
			return "Connection names a header of the message itself";
	}
	if (lengths + codings > 1)
		return "it has more than one length";
	return hosts > 1 ? "it has more than one Host" : NULL;
}

/* --- requests --- */

/* HOST:PORT, or HOST where PORT is no 0. */
static const char *read_authority(struct http_piece a, uint16_t port,
				  struct http_request *ret)
{
	const char *end = a.at + a.len, *colon = NULL, *why;
	uint64_t n = port;

	if (a.len > 0 && a.at[0] == '[') {
		const char *close = memchr(a.at, ']', a.len);

		if (close && close + 1 < end)
			colon = close + 1;
	} else {
		colon = memchr(a.at, ':', a.len);
	}
	if (!colon && port == 0)
		return "its port is missing";
	if (colon) {
		const char *at = colon + 1;

		if (*colon != ':' ||
		    !value_number_at(&at, end, UINT16_MAX, &n) || at != end ||
		    n == 0)
			return "its port must be a number from 1 to 65535";
		a.len = (size_t)(colon - a.at);
	}
	ret->port = (uint16_t)n;
	why = host_read(a.at, a.len, &ret->host);
	return why ? "its host is neither a name nor an address" : NULL;
}

static const char *read_absolute(struct http_piece url,
				 struct http_request *ret)
{
	static const char scheme[] = "http://";
	struct http_piece a = url;

	if (url.len < strlen(scheme) ||
	    strncasecmp(url.at, scheme, strlen(scheme)) != 0)
		return "this is a proxy: it takes CONNECT HOST:PORT and http://HOST/...";
	a.at += strlen(scheme);
	a.len -= strlen(scheme);
	if (memchr(a.at, '#', a.len))
		return "a fragment is not sent";
	for (size_t i = 0; i < a.len; i++)
		if (a.at[i] == '/' || a.at[i] == '?') {
			ret->path = (struct http_piece){ a.at + i, a.len - i };
			a.len = i;
			break;
		}
	return read_authority(a, 80, ret);
}

int http_request_read(const char *head, size_t len, struct http_request *ret,
		      const char **reterr)
{
	struct scan s = { .headers = &ret->headers };
	const char *blank = memchr(head, ' ', len);
	llhttp_t t;

	*ret = (struct http_request){ .body = { .is_over = false } };
	llhttp_init(&t, HTTP_REQUEST, &settings);
	*reterr = bad_head;
	/* Lines before it llhttp would skip. */
	if (!blank || head[0] < 'A' || head[0] > 'Z' ||
	    !scan(&t, &s, head, len)) {
		if (s.has_too_many)
			*reterr = "it has more than 100 headers";
		return s.has_too_many ? 431 : 400;
	}
	ret->minor = llhttp_get_http_minor(&t);
	if (llhttp_get_http_major(&t) == 0)
		return 400;
	if (llhttp_get_http_major(&t) != 1 || ret->minor > 1) {
		*reterr = "this is a proxy of HTTP/1.0 and HTTP/1.1";
		return 505;
	}
	if (s.url.at != blank + 1)
		return 400;
	ret->method = (struct http_piece){ head, (size_t)(blank - head) };
	ret->is_connect = llhttp_get_method(&t) == HTTP_CONNECT;
	*reterr = ret->is_connect ? read_authority(s.url, 0, ret) :
				    read_absolute(s.url, ret);
	if (!*reterr)
		*reterr = check_framing(&ret->headers);
	if (*reterr)
		return 400;
	/* The settings stay; what else points anywhere is of this head. */
	memcpy(ret->body.state, &t, sizeof(t));
	ret->body.is_over = s.is_over;
	return 0;
}

long http_body_pass(struct http_body *b, const char *bytes, size_t len)
{
	struct scan s = { .headers = NULL };
	llhttp_errno_t e;
	llhttp_t t;

	if (b->is_over || len == 0)
		return 0;
	memcpy(&t, b->state, sizeof(t));
	t.data = &s;
	e = llhttp_execute(&t, bytes, len);
	t.data = NULL;
	memcpy(b->state, &t, sizeof(t));
	if (e == HPE_OK)
		return (long)len;
	if (e != HPE_PAUSED || !s.is_over)
		return -1;
	b->is_over = true;
	return llhttp_get_error_pos(&t) - bytes;
}

int http_response_read(const char *head, size_t len, struct http_response *ret)
{
	struct scan s = { .headers = &ret->headers };
	llhttp_t t;

	*ret = (struct http_response){ .status = 0 };
	llhttp_init(&t, HTTP_RESPONSE, &response_settings);
	/* Servers do both, and the client has to know how to read it. */
	llhttp_set_lenient_chunked_length(&t, 1);
	if (!scan(&t, &s, head, len) || llhttp_get_http_major(&t) != 1)
		return -1;
	ret->minor = llhttp_get_http_minor(&t);
	ret->status = (unsigned)llhttp_get_status_code(&t);
	ret->reason = s.reason;
	return ret->status >= 100 && ret->status <= 999 ? 0 : -1;
}

/* --- writing --- */

struct out {
	char *at;
	size_t len, cap;
};

static void put(struct out *o, const char *at, size_t len)
{
	if (len > o->cap - o->len)
		len = o->cap - o->len;
	if (len == 0)
		return;
	memcpy(o->at + o->len, at, len);
	o->len += len;
}

static void put_text(struct out *o, const char *text)
{
	put(o, text, strlen(text));
}

static void put_headers(struct out *o, const struct http_headers *h,
			bool is_request)
{
	for (size_t i = 0; i < h->count; i++) {
		struct http_piece name = h->at[i].name;

		if (is_hop(h, name) || (is_request && is_word(name, "host")))
			continue;
		put(o, name.at, name.len);
		put_text(o, ": ");
		put(o, h->at[i].value.at, h->at[i].value.len);
		put_text(o, "\r\n");
	}
}

static const char *version(unsigned minor)
{
	return minor == 0 ? "HTTP/1.0" : "HTTP/1.1";
}

size_t http_request_rewrite(const struct http_request *r,
			    char ret[HTTP_REWRITE_MAX])
{
	struct out o = { .at = ret, .cap = HTTP_REWRITE_MAX };
	char host[HOST_PORT_TEXT];

	if (r->port == 80)
		host_text(&r->host, host);
	else
		host_port_text(&r->host, r->port, host);
	put(&o, r->method.at, r->method.len);
	put_text(&o, " ");
	if (r->path.len == 0 && is_word(r->method, "options"))
		put_text(&o, "*");
	else if (r->path.len == 0 || r->path.at[0] != '/')
		put_text(&o, "/");
	put(&o, r->path.at, r->path.len);
	put_text(&o, " ");
	put_text(&o, version(r->minor));
	put_text(&o, "\r\nHost: ");
	put_text(&o, host);
	put_text(&o, "\r\n");
	put_headers(&o, &r->headers, true);
	put_text(&o, "Connection: close\r\n\r\n");
	return o.len;
}

size_t http_response_rewrite(const struct http_response *r, bool is_last,
			     char ret[HTTP_REWRITE_MAX])
{
	struct out o = { .at = ret, .cap = HTTP_REWRITE_MAX };
	char status[8] = "";

	put_text(&o, version(r->minor));
	words_add(status, sizeof(status), " ");
	words_add_number(status, sizeof(status), r->status);
	words_add(status, sizeof(status), " ");
	put_text(&o, status);
	put(&o, r->reason.at, r->reason.len);
	put_text(&o, "\r\n");
	put_headers(&o, &r->headers, false);
	put_text(&o, is_last ? "Connection: close\r\n\r\n" : "\r\n");
	return o.len;
}

size_t http_connect_write(const struct host *host, uint16_t port,
			  char ret[HTTP_ANSWER_MAX])
{
	struct out o = { .at = ret, .cap = HTTP_ANSWER_MAX };
	char to[HOST_PORT_TEXT];

	host_port_text(host, port, to);
	put_text(&o, "CONNECT ");
	put_text(&o, to);
	put_text(&o, " HTTP/1.1\r\nHost: ");
	put_text(&o, to);
	put_text(&o, "\r\n\r\n");
	return o.len;
}

/* Clients that show no body show the reason. */
size_t http_answer_write(unsigned status, const char *text,
			 char ret[HTTP_ANSWER_MAX])
{
	struct out o = { .at = ret, .cap = HTTP_ANSWER_MAX };
	size_t text_len = strnlen(text, HTTP_TEXT_MAX);
	char number[24] = "";

	put_text(&o, "HTTP/1.1 ");
	words_add_number(number, sizeof(number), status);
	put_text(&o, number);
	put_text(&o, " ");
	put(&o, text, text_len);
	put_text(&o, "\r\nContent-Type: text/plain\r\nConnection: close\r\n"
		     "Content-Length: ");
	number[0] = '\0';
	words_add_number(number, sizeof(number), text_len + 1);
	put_text(&o, number);
	put_text(&o, "\r\n\r\n");
	put(&o, text, text_len);
	put_text(&o, "\n");
	return o.len;
}
