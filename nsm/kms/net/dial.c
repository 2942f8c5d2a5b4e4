#include "nsm/kms/net/dial.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vsock/io.h"
#include "vsock/sock.h"

static int time_left(int64_t deadline_ms)
{
	int64_t left = deadline_ms - io_now_ms();

	if (left <= 0)
		return 0;
	return left < DIAL_TIMEOUT_MS ? (int)left : DIAL_TIMEOUT_MS;
}

/* Until the connection of FD is decided: then what it came to is known. */
static int wait_decided(int fd, int64_t deadline_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int n;

	do
		n = poll(&p, 1, time_left(deadline_ms));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n == 0 ? -ETIMEDOUT : 0;
}

static int connected(int fd)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return -errno;
	return -error;
}

static int connect_socket(const void *to, socklen_t len, int64_t deadline_ms)
{
	sa_family_t family;
	int fd, r = 0;

	memcpy(&family, to, sizeof(family));
	fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* Fails for UNIX sockets; TCP's is quicker with it, no more. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 },
			 sizeof(int));
	if (connect(fd, to, len) < 0) {
		r = -errno;
		if (r == -EINPROGRESS || r == -EINTR)
			r = wait_decided(fd, deadline_ms);
		if (r == 0)
			r = connected(fd);
	}
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

static int connect_vsock(const struct address *a, int64_t deadline_ms)
{
	uint32_t cid = a->cid == ADDRESS_CID_ANY ? SOCK_CID_PARENT : a->cid;
	int fd = sock_connect_begin(cid, a->port), r;

	if (fd < 0)
		return fd;
	r = wait_decided(fd, deadline_ms);
	if (r == 0)
		r = sock_connect_end(fd);
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

static int connect_tcp(const struct address *a, int64_t deadline_ms)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)a->port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
				   .sin6_port = htons((uint16_t)a->port) };

	if (a->is_v6) {
		memcpy(&v6.sin6_addr, a->ip, sizeof(v6.sin6_addr));
		return connect_socket(&v6, sizeof(v6), deadline_ms);
	}
	memcpy(&v4.sin_addr, a->ip, sizeof(v4.sin_addr));
	return connect_socket(&v4, sizeof(v4), deadline_ms);
}

static int connect_unix(const struct address *a, int64_t deadline_ms)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	_Static_assert(ADDRESS_PATH_MAX < sizeof(un.sun_path), "with its NUL");
	if (a->name_len > ADDRESS_PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(un.sun_path, a->name, a->name_len);
	return connect_socket(&un, sizeof(un), deadline_ms);
}

/* Each of the name's addresses in turn. *RETERR_LOOKUP: the resolver's error. */
static int connect_name(const struct address *a, int64_t deadline_ms,
			const char **reterr_lookup)
{
	const struct addrinfo hints = { .ai_family = AF_UNSPEC,
					.ai_socktype = SOCK_STREAM,
					.ai_flags = AI_NUMERICSERV };
	char name[ADDRESS_NAME_MAX + 1] = "", port[8];
	struct addrinfo *all = NULL, *i;
	int r;

	if (a->name_len > ADDRESS_NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(name, a->name, a->name_len);
	(void)snprintf(port, sizeof(port), "%u", a->port & 0xffff);
	r = getaddrinfo(name, port, &hints, &all);
	if (r != 0) {
		*reterr_lookup = gai_strerror(r);
		return -EHOSTUNREACH;
	}
	r = -ETIMEDOUT; /* the lookup has taken all of it */
	for (i = all; i && r < 0 && time_left(deadline_ms) > 0; i = i->ai_next)
		r = connect_socket(i->ai_addr, i->ai_addrlen, deadline_ms);
	freeaddrinfo(all);
	return r;
}

/* What may be the reason, to the best of what an enclave can know. */
static const char *reason(const struct address *a, int r)
{
	if (a->kind == ADDRESS_VSOCK) {
		switch (-r) {
		case ECONNRESET:
		case ETIMEDOUT:
			return "no answer from vsock-proxy: is it running, are its workers taken?";
		case ENODEV:
			return "there is no way to that CID: is this an enclave?";
		case EAFNOSUPPORT:
			return "this kernel has no vsock: is this an enclave?";
		default:
			return NULL;
		}
	}
	if (r == -ECONNREFUSED || r == -ENOENT)
		return "nothing listens there";
	if (r == -ETIMEDOUT)
		return "no answer in time";
	return NULL;
}

static void explain(const struct address *a, int r, const char *lookup,
		    char *words)
{
	const char *why = lookup ? lookup : reason(a, r);
	char text[ADDRESS_TEXT];

	address_text(a, text);
	(void)snprintf(words, DIAL_WORDS_SIZE, "%s: %s%s%s%s", text,
		       why ? why : "", why && !lookup ? " (" : "",
		       lookup ? "" : strerror(-r), why && !lookup ? ")" : "");
}

int dial_connect(const struct address *a, int64_t deadline_ms,
		 char reterr_words[DIAL_WORDS_SIZE])
{
	const char *lookup = NULL;
	bool is_late = time_left(deadline_ms) == 0;
	int r;

	switch (is_late ? ADDRESS_NONE : a->kind) {
	case ADDRESS_VSOCK:
		r = connect_vsock(a, deadline_ms);
		break;
	case ADDRESS_TCP:
		r = connect_tcp(a, deadline_ms);
		break;
	case ADDRESS_NAME:
		r = connect_name(a, deadline_ms, &lookup);
		break;
	case ADDRESS_UNIX:
		r = connect_unix(a, deadline_ms);
		break;
	case ADDRESS_NONE:
	case ADDRESS_DIR:
	case ADDRESS_MUX:
	default:
		r = is_late ? -ETIMEDOUT : -EINVAL;
		break;
	}
	if (is_late)
		(void)snprintf(reterr_words, DIAL_WORDS_SIZE,
			       "there was no time left to connect");
	else if (r < 0)
		explain(a, r, lookup, reterr_words);
	return r;
}
