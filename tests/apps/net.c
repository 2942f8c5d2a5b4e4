/*
 * Uses the network of an enclave: "net NAME IP PORT" asks 127.0.0.1:53 for NAME until it has an answer, reads
 * all that PORT of IP sends, once it sends something, and prints both, one "@key=value" a line.
 */

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { SECONDS = 240 };

static int dial(int type, const char *ip, unsigned port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)port) };
	struct timeval t = { .tv_sec = 1 };
	int fd = socket(AF_INET, type, 0);

	if (fd < 0 || inet_pton(AF_INET, ip, &to.sin_addr) != 1)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0)
		return fd;
	(void)close(fd);
	return -1;
}

static size_t write_query(const char *name, uint8_t ret[300])
{
	uint8_t *length = ret + 12, *at = ret + 13;

	memset(ret, 0, 300);
	ret[2] = 1;
	ret[5] = 1;
	for (; *name; name++) {
		if (*name == '.') {
			length = at++;
			continue;
		}
		*at++ = (uint8_t)*name;
		++*length;
	}
	at[2] = 1;
	at[4] = 1;
	return (size_t)(at + 5 - ret);
}

/* The code of the answer, or -1. */
static int resolve(const char *name, uint8_t ret[512], ssize_t *ret_len)
{
	uint8_t query[300];
	size_t len = write_query(name, query);
	int fd = dial(SOCK_DGRAM, "127.0.0.1", 53);

	if (fd < 0)
		return -1;
	(void)send(fd, query, len, 0);
	*ret_len = recv(fd, ret, 512, 0);
	(void)close(fd);
	return *ret_len < 12 ? -1 : ret[3] & 15;
}

static void show_name(const char *name)
{
	uint8_t m[512];
	ssize_t len = 0;
	int code = -1;

	for (int i = 0; i < SECONDS && code != 0 && code != 3; i++) {
		code = resolve(name, m, &len);
		if (code == 2)
			(void)sleep(1);
	}
	printf("@code=%d\n", code);
	if (code == 0 && len >= 4)
		printf("@address=%u.%u.%u.%u\n", m[len - 4], m[len - 3],
		       m[len - 2], m[len - 1]);
}

/* A sum that depends on each byte and its place; false if there was no byte. */
static bool show_stream(int fd)
{
	static uint8_t buf[32768];
	uint32_t sum = 1, more = 0;
	uint64_t total = 0;
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0 || (n < 0 && total))
		for (ssize_t i = 0; i < n; i++, total++) {
			sum = (sum + buf[i]) % 65521;
			more = (more + sum) % 65521;
		}
	if (total)
		printf("@bytes=%llu\n@adler=%u\n", (unsigned long long)total,
		       more << 16 | sum);
	(void)close(fd);
	return total;
}

int main(int argc, char **argv)
{
	bool is_read = false;
	int fd;

	if (argc != 4)
		return 2;
	show_name(argv[1]);
	/* Who is between may end a connection that it could not lead on in time. */
	for (int i = 0; i < SECONDS && !is_read; i++) {
		fd = dial(SOCK_STREAM, argv[2], (unsigned)atoi(argv[3]));
		is_read = fd >= 0 && show_stream(fd);
		if (!is_read)
			(void)sleep(1);
	}
	return !is_read;
}
