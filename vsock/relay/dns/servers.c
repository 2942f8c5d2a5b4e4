#include "vsock/relay/dns/servers.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "vsock/io.h"
#include "vsock/relay/base/value.h"

enum {
	TEXT_MAX = 64, /* of an address */
	FILE_MAX = 8192,
	LOOK_MS = 1000,
};

static const char path[] = "/etc/resolv.conf";

/* Cuts :PORT off TEXT. False: it is none. */
static bool cut_port(char *text, char *colon, uint32_t *ret)
{
	uint64_t port;

	*colon = '\0';
	if (!value_number(colon + 1, 65535, &port) || port == 0)
		return false;
	*ret = (uint32_t)port;
	return *text;
}

static bool read_address(char *text, struct address *ret)
{
	char *end = strchr(text, ']'), *colon = strchr(text, ':');
	uint32_t port = SERVERS_PORT;

	if (*text == '[' && end) {
		if (end[1] &&
		    (end[1] != ':' || !cut_port(text, end + 1, &port)))
			return false;
		*end = '\0';
		text++;
	} else if (colon && !strchr(colon + 1, ':')) {
		if (!cut_port(text, colon, &port))
			return false;
	}
	*ret = (struct address){ .kind = ADDRESS_TCP,
				 .port = port,
				 .last = port };
	if (inet_pton(AF_INET, text, ret->ip) == 1)
		return !end;
	ret->is_v6 = true;
	return inet_pton(AF_INET6, text, ret->ip) == 1;
}

const char *servers_add(struct servers *s, const char *text, size_t len)
{
	char copy[TEXT_MAX];

	if (s->count == SERVERS_MAX)
		return "there are three already";
	if (len >= sizeof(copy))
		return "no address of a server";
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (!read_address(copy, &s->at[s->count]))
		return "no address of a server";
	s->count++;
	return NULL;
}

/* "nameserver ADDRESS", and whatever comes after that. */
static void read_line(struct servers *s, const char *line, size_t len)
{
	static const char key[] = "nameserver";
	const size_t key_len = sizeof(key) - 1;
	size_t n = 0;

	if (len <= key_len || memcmp(line, key, key_len) != 0)
		return;
	line += key_len;
	len -= key_len;
	if (*line != ' ' && *line != '\t')
		return;
	while (len > 0 && (*line == ' ' || *line == '\t')) {
		line++;
		len--;
	}
	while (n < len && !strchr(" \t\r#;", line[n]))
		n++;
	(void)servers_add(s, line, n);
}

static void read_all(struct servers *ret)
{
	char text[FILE_MAX];
	ssize_t n = io_read_file(path, O_NONBLOCK, text, sizeof(text));
	size_t len = n < 0 ? 0 : (size_t)n;
	const char *at = text, *end;

	ret->count = 0;
	while (len > 0) {
		end = memchr(at, '\n', len);
		read_line(ret, at, end ? (size_t)(end - at) : len);
		if (!end)
			break;
		len -= (size_t)(end + 1 - at);
		at = end + 1;
	}
	if (ret->count == 0)
		(void)servers_add(ret, "127.0.0.1", strlen("127.0.0.1"));
}

void servers_refresh(struct servers *s, int64_t now_ms)
{
	struct stat st = { 0 };
	int64_t file[sizeof(s->file) / sizeof(s->file[0])];

	if (s->count > 0 && now_ms < s->again_ms)
		return;
	s->again_ms = now_ms + LOOK_MS;
	(void)stat(path, &st);
	file[0] = (int64_t)st.st_ino;
	file[1] = st.st_size;
	file[2] = st.st_mtim.tv_sec;
	file[3] = st.st_mtim.tv_nsec;
	if (s->count > 0 && memcmp(file, s->file, sizeof(file)) == 0)
		return;
	memcpy(s->file, file, sizeof(file));
	read_all(s);
}
