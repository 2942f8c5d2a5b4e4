#include "nsm/kms/credentials/source.h"

#include <string.h>
#include <strings.h>

/* Splits the first word of the LEN characters at *AT off. */
static size_t take_word(const char **at, size_t *len, const char **ret_word)
{
	size_t n = 0;

	while (*len && **at == ' ') {
		++*at;
		--*len;
	}
	*ret_word = *at;
	while (n < *len && (*at)[n] != ' ')
		n++;
	*at += n;
	*len -= n;
	return n;
}

static bool is_word(const char *word, size_t len, const char *text)
{
	return len == strlen(text) && memcmp(word, text, len) == 0;
}

static bool is_role_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || (c && strchr("_+=,.@-", c));
}

static const char *read_role(const char *word, size_t len, struct source *ret)
{
	if (len > SOURCE_ROLE_MAX)
		return "the name of a role has up to 64 characters";
	for (size_t i = 0; i < len; i++)
		if (!is_role_char(word[i]))
			return "the name of a role has letters, digits and _+=,.@- only";
	ret->name = word;
	ret->name_len = len;
	return NULL;
}

/* What HTTP is spoken to: an address that is dialled. */
static const char *read_peer(const char *word, size_t len, struct source *ret)
{
	const char *why =
		address_read(word, len, ADDRESS_SINGLE, &ret->address);

	if (why)
		return why;
	if (ret->address.kind == ADDRESS_DIR ||
	    ret->address.kind == ADDRESS_MUX)
		return "it is at vsock:, tcp: or unix:";
	return NULL;
}

static const char *read_imds(const char *at, size_t len, struct source *ret)
{
	const char *word, *why;
	size_t n = take_word(&at, &len, &word);

	if (n == 0)
		return "imds needs an address: imds vsock:3:8002";
	why = read_peer(word, n, ret);
	if (why)
		return why;
	ret->kind = SOURCE_IMDS;
	n = take_word(&at, &len, &word);
	why = read_role(word, n, ret);
	if (!why && take_word(&at, &len, &word))
		why = "imds has an address and a role at most";
	return why;
}

static bool is_of_url(char c)
{
	return c > ' ' && c <= '~' && !strchr("\"<>\\^`{|}#", c);
}

static const char *read_path(const char *word, size_t len, struct source *ret)
{
	if (len == 0 || word[0] != '/')
		return "the path of an endpoint begins with a slash";
	for (size_t i = 0; i < len; i++)
		if (!is_of_url(word[i]))
			return "the path of an endpoint has a character that needs an escape";
	ret->name = word;
	ret->name_len = len;
	return NULL;
}

/* Plain HTTP carries secrets: nowhere but to this machine, and to what AWS has beside it. */
static bool may_be_plain(const struct address *a)
{
	static const uint8_t ecs[] = { 169, 254, 170, 2 },
			     eks[] = { 169, 254, 170, 23 },
			     loopback6[16] = { [15] = 1 },
			     eks6[16] = { 0xfd, 0, 0x0e, 0xc2, [15] = 0x23 };

	if (a->is_v6)
		return memcmp(a->ip, loopback6, 16) == 0 ||
		       memcmp(a->ip, eks6, 16) == 0;
	return a->ip[0] == 127 || memcmp(a->ip, ecs, 4) == 0 ||
	       memcmp(a->ip, eks, 4) == 0;
}

/* HOST[:PORT] as a tcp: address. */
static const char *read_host(const char *host, size_t len, struct source *ret)
{
	static const char local[] = "localhost";
	char text[ADDRESS_TEXT];
	const char *colon = memrchr(host, ':', len), *port = ":80", *why;
	size_t host_len = len, port_len = 3;

	if (len == 0 || len > ADDRESS_NAME_MAX)
		return "the URL of an endpoint has no host";
	if (colon && !memchr(colon, ']', (size_t)(host + len - colon))) {
		host_len = (size_t)(colon - host);
		port = colon;
		port_len = len - host_len;
	}
	if (host_len == sizeof(local) - 1 &&
	    strncasecmp(host, local, host_len) == 0) {
		host = "127.0.0.1";
		host_len = 9;
	}
	memcpy(text, "tcp:", 4);
	memcpy(text + 4, host, host_len);
	memcpy(text + 4 + host_len, port, port_len);
	why = address_read(text, 4 + host_len + port_len, ADDRESS_SINGLE,
			   &ret->address);
	if (why)
		return why;
	/* No name of it points into TEXT. */
	if (ret->address.kind != ADDRESS_TCP || !may_be_plain(&ret->address))
		return "the URL of an endpoint has localhost, a loopback address, 169.254.170.2, 169.254.170.23 or [fd00:ec2::23]";
	return NULL;
}

const char *source_read_url(const char *text, size_t len, struct source *ret)
{
	static const char scheme[] = "http://";
	size_t n = sizeof(scheme) - 1;
	struct source s = { .kind = SOURCE_CONTAINER, .fd = -1 };
	const char *slash, *why;

	if (len > SOURCE_TEXT_MAX)
		return "the URL of an endpoint has up to 2048 characters";
	if (len < n || strncasecmp(text, scheme, n) != 0)
		return "the URL of an endpoint begins with http://";
	s.host = text + n;
	slash = memchr(s.host, '/', len - n);
	s.host_len = slash ? (size_t)(slash - s.host) : len - n;
	why = read_host(s.host, s.host_len, &s);
	if (why)
		return why;
	why = slash ? read_path(slash, (size_t)(text + len - slash), &s) :
		      read_path("/", 1, &s);
	if (!why)
		*ret = s;
	return why;
}

static const char *read_container(const char *at, size_t len,
				  struct source *ret)
{
	const char *word, *why;
	size_t n = take_word(&at, &len, &word);

	if (n == 0)
		return "container needs a URL, or an address and a path";
	if (memmem(word, n, "://", 3)) {
		why = source_read_url(word, n, ret);
	} else {
		why = read_peer(word, n, ret);
		if (why)
			return why;
		ret->kind = SOURCE_CONTAINER;
		n = take_word(&at, &len, &word);
		why = read_path(word, n, ret);
	}
	if (!why && take_word(&at, &len, &word))
		why = "container has a URL, or an address and a path, at most";
	return why;
}

static const char *read_setclient(const char *at, size_t len,
				  struct source *ret)
{
	const char *word, *why;
	size_t n = take_word(&at, &len, &word);

	if (n == 0)
		return "setclient needs a port: setclient vsock:3000";
	why = address_read(word, n, ADDRESS_LISTENS | ADDRESS_SINGLE,
			   &ret->address);
	if (why)
		return why;
	if (ret->address.kind != ADDRESS_VSOCK)
		return "setclient listens at vsock:";
	ret->kind = SOURCE_SETCLIENT;
	return take_word(&at, &len, &word) ? "setclient has a port only" : NULL;
}

static const char *read_fd(const char *digits, size_t len, struct source *ret)
{
	int fd = 0;

	if (len == 0 || len > 4)
		return "fd: is followed by a descriptor's number";
	for (size_t i = 0; i < len; i++) {
		if (digits[i] < '0' || digits[i] > '9')
			return "fd: is followed by a descriptor's number";
		fd = fd * 10 + (digits[i] - '0');
	}
	if (fd > SOURCE_FD_MAX)
		return "fd: is followed by a descriptor's number, up to 1023";
	ret->kind = SOURCE_FD;
	ret->fd = fd;
	return NULL;
}

static const char *read_file(const char *text, size_t len, struct source *ret)
{
	if (memchr(text, '\0', len))
		return "a path has no NUL";
	ret->kind = SOURCE_FILE;
	ret->name = text;
	ret->name_len = len;
	return NULL;
}

static const char *read_any(const char *text, size_t len, struct source *ret)
{
	const char *at = text, *word;
	size_t n = take_word(&at, &len, &word);

	if (is_word(word, n, "imds"))
		return read_imds(at, len, ret);
	if (is_word(word, n, "container"))
		return read_container(at, len, ret);
	if (is_word(word, n, "setclient"))
		return read_setclient(at, len, ret);
	if (is_word(word, n, "file") && len > 1)
		return read_file(at + 1, len - 1, ret);
	if (len)
		return "it is none of PATH, fd:N, environment, imds ADDRESS, container URL, setclient ADDRESS";
	if (is_word(word, n, "-"))
		return read_fd("0", 1, ret);
	if (n >= 3 && memcmp(word, "fd:", 3) == 0)
		return read_fd(word + 3, n - 3, ret);
	if (!is_word(word, n, "environment"))
		return read_file(word, n, ret);
	ret->kind = SOURCE_ENVIRONMENT;
	return NULL;
}

const char *source_read(const char *text, size_t len, struct source *ret)
{
	struct source s = { .fd = -1 };
	const char *why;

	while (len && text[len - 1] == ' ')
		len--;
	if (len == 0)
		return "it is empty";
	if (len > SOURCE_TEXT_MAX)
		return "it is longer than 2048 characters";
	/* A path may have spaces in it; it is no word of ours then. */
	why = text[0] == '/' ? read_file(text, len, &s) :
			       read_any(text, len, &s);
	if (!why)
		*ret = s;
	return why;
}
