#include <errno.h>
#include <string.h>

#include "nsm/nsmc.h"
#include "nsm/tool/code.h"
#include "nsm/tool/input.h"
#include "nsm/tool/tool.h"

enum { MESSAGE_MAX = 65536 /* bytes of a document or message as text */ };

/* A part of the text. */
struct text {
	const char *at;
	size_t len;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void strip(struct text *t)
{
	for (; t->len > 0 && is_blank(t->at[0]); t->at++)
		t->len--;
	while (t->len > 0 && is_blank(t->at[t->len - 1]))
		t->len--;
}

static bool begins(const struct text *t, const char *with)
{
	size_t len = strlen(with);

	return t->len >= len && memcmp(t->at, with, len) == 0;
}

/*
 * Finds what is between the lines of PEM (RFC 7468), whatever label they have:
 * writers agree on none for documents. False: there is no end.
 */
static bool take_armour(struct text *t)
{
	static const char end[] = "-----END";
	const char *body = memchr(t->at, '\n', t->len), *to;
	size_t left;

	if (!body)
		return false;
	left = t->len - (size_t)(body - t->at);
	to = memmem(body, left, end, sizeof(end) - 1);
	if (!to)
		return false;
	*t = (struct text){ body, (size_t)(to - body) };
	strip(t);
	return true;
}

/*
 * Finds what is between quotes, for a value that was copied out of JSON or a
 * program.
 */
static bool take_quotes(struct text *t)
{
	if (t->len < 2 || t->at[t->len - 1] != t->at[0])
		return false;
	t->at++;
	t->len -= 2;
	strip(t);
	return true;
}

/* JSON writers may escape a slash, and break lines by \n: undone in place. */
static size_t unescape(char *to, const struct text *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->len; i++) {
		if (t->at[i] != '\\' || i + 1 == t->len) {
			to[n++] = t->at[i];
			continue;
		}
		i++;
		if (t->at[i] == 'n' || t->at[i] == 'r')
			to[n++] = '\n';
		else
			to[n++] = t->at[i];
	}
	return n;
}

enum form {
	BINARY,
	HEX,
	BASE64,
};

/*
 * A document begins with the bytes 84 or d2, an NSM's answer with a1, or, where
 * they are of indefinite length, with 9f and bf; a CMS begins with 30. Their hex
 * begins with 8, d, a, 9, b and 3, or with 0x, their base64 with h, 0, o, n, v and
 * M. No binary CMS has 0x78 bytes.
 */
static enum form form_of(enum input_kind kind, const struct text *t)
{
	static const char *const hex[] = { "8dDaA9bB", "3" };
	static const char *const base64[] = { "h0onv", "M" };

	if (begins(t, "0x") || begins(t, "0X"))
		return HEX;
	if (t->at[0] && strchr(hex[kind], t->at[0]))
		return HEX;
	return t->at[0] && strchr(base64[kind], t->at[0]) ? BASE64 : BINARY;
}

static bool is_text(const struct text *t)
{
	for (size_t i = 0; i < t->len; i++)
		if (!is_blank(t->at[i]) && (t->at[i] < ' ' || t->at[i] > '~'))
			return false;
	return true;
}

/*
 * Decodes B in place: no byte is written before it was read. Returns NULL, or
 * why it cannot.
 */
static const char *decode(enum input_kind kind, struct blob *b)
{
	struct text t = { (char *)b->data, b->len };
	bool wrapped = false;
	enum form form;
	int r = 0;

	/* Some editors write this. */
	if (begins(&t, "\xef\xbb\xbf"))
		t = (struct text){ t.at + 3, t.len - 3 };
	strip(&t);
	if (begins(&t, "-----BEGIN")) {
		if (!take_armour(&t))
			return "it begins like PEM, but has no end";
		wrapped = true;
	} else if (begins(&t, "\"") || begins(&t, "'")) {
		if (!take_quotes(&t))
			return "it begins with a quote, but does not end so";
		t.len = unescape((char *)b->data, &t);
		t.at = (char *)b->data;
		strip(&t);
		wrapped = true;
	}
	if (t.len == 0)
		return "it is empty";
	form = form_of(kind, &t);
	if (form == HEX)
		r = code_from_hex(t.at, t.len, b->data, &b->len);
	else if (form == BASE64)
		r = code_from_base64(t.at, t.len, b->data, &b->len);
	if (r < 0)
		return form == HEX ?
			       "it begins like hex, but is not all of that" :
			       "it begins like base64, but is not all of that";
	if (form != BINARY)
		return NULL;
	if (wrapped || is_text(&t))
		return kind == INPUT_CMS ?
			       "it is text, but not a CiphertextForRecipient in "
			       "hex or base64" :
			       "it is text, but not a document in hex or base64";
	return NULL;
}

/* Only the document of an NSM's whole answer is needed. */
static void unwrap(struct blob *b)
{
	struct nsmc_bytes doc;

	if (nsmc_doc_of_answer(b->data, b->len, &doc) < 0)
		return;
	memmove(b->data, doc.data, doc.len);
	b->len = doc.len;
}

int input_message(struct tool *t, enum input_kind kind, const char *path,
		  struct blob *ret)
{
	const char *name = strcmp(path, "-") == 0 ? "stdin" : path;
	struct blob b = { 0 };
	const char *why;
	size_t full;
	int r;

	r = input_file(t, path, MESSAGE_MAX, &b);
	if (r == INPUT_LONG)
		return tool_fail(t, TOOL_REFUSED, name,
				 "%s has not more than 64 KiB",
				 kind == INPUT_CMS ?
					 "a CiphertextForRecipient" :
					 "a document");
	if (r)
		return r;
	full = b.len;
	why = decode(kind, &b);
	if (why) {
		b.len = full;
		blob_free(&b);
		return tool_fail(t, TOOL_REFUSED, name, "%s", why);
	}
	if (kind == INPUT_DOCUMENT)
		unwrap(&b);
	*ret = b;
	return 0;
}
