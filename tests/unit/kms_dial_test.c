/* A name with several addresses. The resolver is the test's. */

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "check.h"
#include "nsm/kms/net/dial.h"
#include "vsock/io.h"

enum { ADDRESSES = 2, QUEUED_MAX = 16, LONG_MS = 120 * 1000 };

static struct sockaddr_in at[ADDRESSES];
static struct addrinfo found[ADDRESSES];

int getaddrinfo(const char *restrict name, const char *restrict port,
		const struct addrinfo *restrict hints,
		struct addrinfo **restrict ret)
{
	(void)port;
	(void)hints;
	CHECK(strcmp(name, "kms.test") == 0);
	for (size_t i = 0; i < ADDRESSES; i++)
		found[i] = (struct addrinfo){
			.ai_family = AF_INET,
			.ai_socktype = SOCK_STREAM,
			.ai_addr = (struct sockaddr *)&at[i],
			.ai_addrlen = sizeof(at[i]),
			.ai_next = i + 1 < ADDRESSES ? &found[i + 1] : NULL,
		};
	*ret = found;
	return 0;
}

void freeaddrinfo(struct addrinfo *all)
{
	CHECK(all == found);
}

static int bind_at(struct sockaddr_in *ret)
{
	socklen_t len = sizeof(*ret);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*ret = (struct sockaddr_in){ .sin_family = AF_INET };
	ret->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	REQUIRE(bind(fd, (struct sockaddr *)ret, len) == 0);
	REQUIRE(getsockname(fd, (struct sockaddr *)ret, &len) == 0);
	return fd;
}

static int listen_at(struct sockaddr_in *ret, int backlog)
{
	int fd = bind_at(ret);

	REQUIRE(listen(fd, backlog) == 0);
	return fd;
}

static int begin_to(const struct sockaddr_in *to)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	REQUIRE(fd >= 0);
	(void)connect(fd, (const struct sockaddr *)to, sizeof(*to));
	return fd;
}

static int dial(int64_t timeout_ms, char words[DIAL_WORDS_SIZE])
{
	static const char text[] = "tcp:kms.test:443";
	struct address a;

	REQUIRE(!address_read(text, strlen(text), ADDRESS_SINGLE, &a));
	return dial_connect(&a, io_now_ms() + timeout_ms, words);
}

TEST(an_address_that_does_not_answer_is_not_the_last)
{
	char words[DIAL_WORDS_SIZE] = "";
	int listeners[] = { listen_at(&at[0], 0), listen_at(&at[1], 8) };
	int queued[QUEUED_MAX], fd;

	/* Whose queue is full is silent to all others. */
	for (size_t i = 0; i < QUEUED_MAX; i++)
		queued[i] = begin_to(&at[0]);
	fd = dial(LONG_MS, words);
	CHECK(fd >= 0);
	if (fd >= 0)
		close(fd);
	/* The whole time is the whole time. */
	CHECK(dial(500, words) == -ETIMEDOUT);
	CHECK(strstr(words, "no answer in time"));
	for (size_t i = 0; i < QUEUED_MAX; i++)
		close(queued[i]);
	close(listeners[0]);
	close(listeners[1]);
}

TEST(the_last_address_says_why_not)
{
	char words[DIAL_WORDS_SIZE] = "";

	/* Nobody else gets a port that is bound. */
	for (size_t i = 0; i < ADDRESSES; i++)
		(void)bind_at(&at[i]);
	CHECK(dial(LONG_MS, words) == -ECONNREFUSED);
	CHECK(strstr(words, "nothing listens there"));
}

CHECK_MAIN("kms_dial")
