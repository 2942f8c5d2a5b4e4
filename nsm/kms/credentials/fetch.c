#include "nsm/kms/credentials/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nsm/kms/credentials/credential.h"
#include "nsm/kms/credentials/metadata.h"
#include "nsm/kms/credentials/reason.h"
#include "nsm/kms/credentials/setclient.h"
#include "nsm/kms/credentials/shape.h"
#include "nsm/kms/net/exchange.h"
#include "vsock/io.h"

enum {
	BODY_MAX = 32768,
	PAUSE_MS =
		100, /* before the second try; twice as long before the third */
	SHOWN_MAX = 200, /* characters of a path in a message */
};

/* --- files and descriptors --- */

static int wait_readable(int fd, int64_t deadline_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int64_t left;
	int n;

	do {
		left = deadline_ms - io_now_ms();
		n = poll(&p, 1, left < 0 ? 0 : (int)left);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n ? 0 : -KMSC_E_TIMEOUT;
}

/* Reads FD to its end into BUF of CAP bytes; -EFBIG. */
static int read_all(int fd, char *buf, size_t cap, int64_t deadline_ms,
		    size_t *ret_len)
{
	size_t len = 0;
	ssize_t n;
	int r;

	for (;;) {
		if (len == cap)
			return -EFBIG;
		r = wait_readable(fd, deadline_ms);
		if (r < 0)
			return r;
		n = read(fd, buf + len, cap - len);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	*ret_len = len;
	return 0;
}

static int fetch_open(int fd, const char *what, int64_t deadline_ms,
		      struct kmsc_credentials *ret, char words[KMSC_WORDS_SIZE])
{
	char why[KMSC_WORDS_SIZE] = "", *buf = malloc(SHAPE_TEXT_MAX + 1);
	size_t len = 0;
	int r;

	if (!buf)
		return -ENOMEM;
	r = read_all(fd, buf, SHAPE_TEXT_MAX + 1, deadline_ms, &len);
	if (r == -EFBIG)
		r = reason(words, -KMSC_E_CREDENTIALS,
			   "%s: it is longer than %d bytes", what,
			   SHAPE_TEXT_MAX);
	else if (r == -KMSC_E_TIMEOUT)
		(void)reason(words, r, "%s: its end does not come", what);
	else if (r < 0)
		(void)reason(words, r, "%s: %s", what, strerror(-r));
	else if (len == 0)
		r = reason(words, -KMSC_E_NO_CREDENTIALS, "%s: it is empty",
			   what);
	else {
		r = shape_read(buf, len, ret, why);
		if (r < 0)
			(void)reason(words, r, "%s: %.300s", what, why);
	}
	explicit_bzero(buf, SHAPE_TEXT_MAX + 1);
	free(buf);
	return r;
}

static int fetch_file(const struct source *s, int64_t deadline_ms,
		      struct kmsc_credentials *ret, char words[KMSC_WORDS_SIZE])
{
	char path[SOURCE_TEXT_MAX + 1], shown[SHOWN_MAX + 1];
	int fd, r;

	memcpy(path, s->name, s->name_len);
	path[s->name_len] = '\0';
	(void)snprintf(shown, sizeof(shown), "%.*s", SHOWN_MAX, path);
	/* A pipe without a writer must not be waited for. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		r = errno;
		return reason(words, r == ENOENT ? -KMSC_E_NO_CREDENTIALS : -r,
			      "%s: %s", shown, strerror(r));
	}
	r = fetch_open(fd, shown, deadline_ms, ret, words);
	close(fd);
	return r;
}

/* --- by HTTP --- */

/* One exchange of M's: what metadata_answer returns. -EAGAIN: it may be tried again. */
static int ask(struct metadata *m, const struct address *to,
	       int64_t deadline_ms, struct kmsc_credentials *ret,
	       char words[KMSC_WORDS_SIZE])
{
	char request[METADATA_REQUEST_CAP], *body = malloc(BODY_MAX);
	struct exchange_fault fault = { 0 };
	struct http_answer answer;
	size_t len;
	int r;

	if (!body)
		return -ENOMEM;
	r = metadata_request(m, request, &len);
	if (r < 0) {
		(void)reason(words, r, "the request cannot be written");
		goto out;
	}
	http_answer_begin(&answer, NULL, 0, body, BODY_MAX);
	r = exchange_plain(to, request, len, &answer, deadline_ms, &fault);
	if (r < 0) {
		(void)reason(words, r, "%s", fault.words);
		if (r == -KMSC_E_CONNECT || r == -KMSC_E_CLOSED ||
		    r == -KMSC_E_TIMEOUT)
			r = -EAGAIN;
	} else {
		r = metadata_answer(m, answer.status, body, answer.body_len,
				    ret, words);
	}
out:
	explicit_bzero(request, sizeof(request));
	explicit_bzero(body, BODY_MAX);
	free(body);
	return r;
}

/* All of M's exchanges, each tried a few times. Trouble that does not pass is a failure to connect. */
static int converse(struct metadata *m, const struct source *s,
		    int64_t deadline_ms, struct kmsc_credentials *ret,
		    char words[KMSC_WORDS_SIZE])
{
	int64_t until, pause_ms = PAUSE_MS, now;
	int r = 1;

	for (int tries = 0; r == 1 || r == -EAGAIN;) {
		now = io_now_ms();
		if (r == -EAGAIN) {
			if (++tries == FETCH_TRIES ||
			    now + pause_ms >= deadline_ms)
				return -KMSC_E_CONNECT;
			(void)poll(NULL, 0, (int)pause_ms);
			pause_ms *= 2;
			now = io_now_ms();
		}
		until = now + FETCH_TIMEOUT_MS;
		r = ask(m, &s->address,
			until < deadline_ms ? until : deadline_ms, ret, words);
	}
	return r;
}

/* Names the source before the reason, which has its address already if there is no way to it. */
static int name_source(int r, const char *kind, const struct address *a,
		       char words[KMSC_WORDS_SIZE])
{
	char at[ADDRESS_TEXT];

	if (r >= 0)
		return r;
	address_text(a, at);
	if (!words[0])
		return reason(words, r, "%s %s", kind, at);
	if (strncmp(words, at, strlen(at)) == 0)
		return reason(words, r, "%s %s", kind, words);
	return reason(words, r, "%s %s: %s", kind, at, words);
}

static int fetch_imds(const struct source *s, int64_t deadline_ms,
		      struct kmsc_credentials *ret, char words[KMSC_WORDS_SIZE])
{
	struct metadata m;
	int r = metadata_begin(&m, s->name, s->name_len);

	if (r == 0)
		r = converse(&m, s, deadline_ms, ret, words);
	metadata_wipe(&m);
	return name_source(r, "imds", &s->address, words);
}

/* --- a container's endpoint --- */

/* The token for it: a file's, which is read anew since it changes, or the variable's. */
static int read_authorization(char token[METADATA_AUTHORIZATION_MAX + 2],
			      int64_t deadline_ms, char words[KMSC_WORDS_SIZE])
{
	const char *path = getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	const char *text = getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN");
	size_t len = 0;
	int fd, r;

	token[0] = '\0';
	if (!path || !*path) {
		if (!text)
			return 0;
		len = strlen(text);
		if (len > METADATA_AUTHORIZATION_MAX)
			return reason(
				words, -KMSC_E_CREDENTIALS,
				"AWS_CONTAINER_AUTHORIZATION_TOKEN is too long");
		memcpy(token, text, len + 1);
		return 0;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	r = fd < 0 ? -errno :
		     read_all(fd, token, METADATA_AUTHORIZATION_MAX + 1,
			      deadline_ms, &len);
	if (fd >= 0)
		close(fd);
	if (r < 0)
		return reason(
			words, -KMSC_E_CREDENTIALS,
			"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE %.200s: %s",
			path,
			r == -KMSC_E_TIMEOUT ? "its end does not come" :
					       strerror(-r));
	if (memchr(token, '\0', len))
		return reason(
			words, -KMSC_E_CREDENTIALS,
			"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE %.200s: there is a NUL in it",
			path);
	while (len && (token[len - 1] == '\n' || token[len - 1] == '\r'))
		len--;
	token[len] = '\0';
	return 0;
}

static int begin_container(struct metadata *m, const struct source *s,
			   int64_t deadline_ms, char words[KMSC_WORDS_SIZE])
{
	char token[METADATA_AUTHORIZATION_MAX + 2];
	const char *host = s->host_len ? s->host : "localhost";
	size_t host_len = s->host_len ? s->host_len : strlen(host);
	int r = read_authorization(token, deadline_ms, words);

	if (r == 0 && !http_is_field("Authorization", token))
		r = reason(
			words, -KMSC_E_CREDENTIALS,
			"the authorization token has characters that no header has");
	if (r == 0) {
		r = metadata_begin_container(m, s->name, s->name_len, host,
					     host_len, token[0] ? token : NULL);
		if (r < 0)
			(void)reason(words, r, "it is too long");
	}
	explicit_bzero(token, sizeof(token));
	return r;
}

static int fetch_container(const struct source *s, int64_t deadline_ms,
			   struct kmsc_credentials *ret,
			   char words[KMSC_WORDS_SIZE])
{
	struct metadata m = { 0 };
	int r = begin_container(&m, s, deadline_ms, words);

	if (r == 0)
		r = converse(&m, s, deadline_ms, ret, words);
	metadata_wipe(&m);
	return name_source(r, "container", &s->address, words);
}

/* --- the environment --- */

static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value ? value : "";
}

static int fetch_endpoint(int64_t deadline_ms, struct kmsc_credentials *ret,
			  char words[KMSC_WORDS_SIZE])
{
	static const char ecs[] = "http://169.254.170.2";
	const char *relative =
		variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	const char *full = variable("AWS_CONTAINER_CREDENTIALS_FULL_URI");
	char url[SOURCE_TEXT_MAX + sizeof(ecs)];
	struct source s;
	const char *name = *relative ?
				   "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI" :
				   "AWS_CONTAINER_CREDENTIALS_FULL_URI",
		   *why;
	int n;

	if (!*relative && !*full)
		return reason(
			words, -KMSC_E_NO_CREDENTIALS,
			"neither AWS_ACCESS_KEY_ID nor AWS_CONTAINER_CREDENTIALS_FULL_URI is set");
	n = snprintf(url, sizeof(url), "%s%s", *relative ? ecs : "",
		     *relative ? relative : full);
	if (n < 0 || (size_t)n >= sizeof(url))
		return reason(words, -KMSC_E_CREDENTIALS, "%s is too long",
			      name);
	why = source_read_url(url, (size_t)n, &s);
	if (why)
		return reason(words, -KMSC_E_CREDENTIALS, "%s: %s", name, why);
	return fetch_container(&s, deadline_ms, ret, words);
}

static int fetch_environment(int64_t deadline_ms, struct kmsc_credentials *ret,
			     char words[KMSC_WORDS_SIZE])
{
	const char *id = variable("AWS_ACCESS_KEY_ID");
	const char *secret = variable("AWS_SECRET_ACCESS_KEY");
	const char *token = variable("AWS_SESSION_TOKEN"), *why;

	if (!*id && !*secret)
		return fetch_endpoint(deadline_ms, ret, words);
	why = credential_set(ret, id, strlen(id), secret, strlen(secret), token,
			     strlen(token), 0);
	return why ? reason(words, -KMSC_E_CREDENTIALS,
			    "of the environment's AWS_...: %s", why) :
		     0;
}

int fetch_credentials(const struct source *s, int64_t deadline_ms,
		      struct kmsc_credentials *ret, char words[KMSC_WORDS_SIZE])
{
	char what[16];

	switch (s->kind) {
	case SOURCE_FILE:
		return fetch_file(s, deadline_ms, ret, words);
	case SOURCE_FD:
		(void)snprintf(what, sizeof(what), s->fd ? "fd:%d" : "stdin",
			       s->fd);
		return fetch_open(s->fd, what, deadline_ms, ret, words);
	case SOURCE_ENVIRONMENT:
		return fetch_environment(deadline_ms, ret, words);
	case SOURCE_IMDS:
		return fetch_imds(s, deadline_ms, ret, words);
	case SOURCE_CONTAINER:
		return fetch_container(s, deadline_ms, ret, words);
	case SOURCE_SETCLIENT:
		return setclient_wait(&s->address, deadline_ms, ret, words);
	case SOURCE_NONE:
		break;
	}
	return reason(words, -EINVAL,
		      "this source is not one that is asked for credentials");
}
