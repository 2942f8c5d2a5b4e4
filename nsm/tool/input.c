#include "nsm/tool/input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nsm/tool/code.h"
#include "nsm/tool/tool.h"

enum {
	FIRST_CAP = 4096,
	CONTENT_MAX = 64 << 20, /* of what must be in memory to be measured */
	CERTIFICATE_FILE_MAX = 65536,
};

static int no_memory(const struct tool *t)
{
	return tool_fail(t, TOOL_FILE, NULL, "%s", strerror(ENOMEM));
}

/* Like realloc, but leaves no copy behind. */
static uint8_t *grow(uint8_t *data, size_t len, size_t cap)
{
	uint8_t *bigger = malloc(cap);

	if (bigger && data)
		memcpy(bigger, data, len);
	if (data)
		explicit_bzero(data, len);
	free(data);
	return bigger;
}

static int read_all(const struct tool *t, const char *path, int fd, size_t max,
		    struct blob *ret)
{
	uint8_t *data = NULL;
	size_t len = 0, cap = 0;
	ssize_t n;
	int r = 0;

	for (;;) {
		if (len == cap) {
			cap = cap ? cap * 2 : FIRST_CAP;
			data = grow(data, len, cap);
			if (!data)
				return no_memory(t);
		}
		n = read(fd, data + len, cap - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
		if (len > max)
			break;
	}
	if (n < 0)
		r = tool_fail_file(t, path, "stdin", errno);
	else if (len > max)
		r = INPUT_LONG;
	*ret = (struct blob){ data, len };
	if (r)
		blob_free(ret);
	return r;
}

/* Opens PATH as *RET; stdin's own descriptor for "-". */
static int open_input(struct tool *t, const char *path, int *ret)
{
	int fd = STDIN_FILENO;

	if (strcmp(path, "-") == 0) {
		if (t->stdin_taken)
			return tool_usage(t, "stdin", "it can be read once");
		t->stdin_taken = true;
	} else {
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		if (fd < 0)
			return tool_fail_file(t, path, NULL, errno);
	}
	*ret = fd;
	return 0;
}

static void close_input(int fd)
{
	if (fd != STDIN_FILENO)
		(void)close(fd);
}

int input_file(struct tool *t, const char *path, size_t max, struct blob *ret)
{
	int fd, r;

	r = open_input(t, path, &fd);
	if (r)
		return r;
	r = read_all(t, path, fd, max, ret);
	close_input(fd);
	return r;
}

/* Returns the file that ARG names, "-" for stdin, or NULL. */
static const char *file_of(const char *arg)
{
	if (strcmp(arg, "-") == 0)
		return arg;
	return arg[0] == '@' ? arg + 1 : NULL;
}

static const char *after(const char *s, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(s, prefix, len) == 0 ? s + len : NULL;
}

/* An argument of the command line, not a file. */
static int decode(const struct tool *t, const char *what, const char *arg,
		  struct blob *ret)
{
	const char *text = after(arg, "text:"), *base64 = after(arg, "base64:");
	const char *hex = after(arg, "hex:");
	const char *from = text ? text : base64 ? base64 : hex ? hex : arg;
	size_t len = strlen(from);
	struct blob b = { malloc(len + 1), len };
	int r = 0;

	if (!b.data)
		return no_memory(t);
	if (text)
		memcpy(b.data, from, len);
	else if (base64)
		r = code_from_base64(from, len, b.data, &b.len);
	else
		r = code_from_hex(from, len, b.data, &b.len);
	if (r == 0) {
		*ret = b;
		return 0;
	}
	b.len = len;
	blob_free(&b);
	if (base64)
		return tool_usage(t, what, "that is not base64");
	if (hex)
		return tool_usage(t, what, "that is not hex");
	return tool_usage(t, what,
			  "that is not hex; other forms: base64:..., text:..., "
			  "@FILE, - for stdin");
}

/* "1024 bytes at most" and similar texts. */
static int wrong_length(const struct tool *t, const char *what, size_t min,
			size_t max, const char *given)
{
	if (min == max)
		return tool_usage(t, what, "%s: it must be %zu", given, max);
	if (min > 0)
		return tool_usage(t, what, "%s: it must be %zu to %zu", given,
				  min, max);
	return tool_usage(t, what, "%s: at most %zu", given, max);
}

static int check_length(const struct tool *t, const char *what, size_t len,
			size_t min, size_t max)
{
	char given[32];

	if (len >= min && len <= max)
		return 0;
	(void)snprintf(given, sizeof(given), "%zu byte%s", len,
		       len == 1 ? "" : "s");
	return wrong_length(t, what, min, max, given);
}

int input_bytes(struct tool *t, const char *what, const char *arg, size_t min,
		size_t max, struct blob *ret)
{
	const char *file = file_of(arg);
	struct blob b = { 0 };
	int r;

	if (file)
		r = input_file(t, file, max, &b);
	else
		r = decode(t, what, arg, &b);
	if (r == INPUT_LONG)
		return wrong_length(t, what, min, max, "too many bytes");
	if (r == 0)
		r = check_length(t, what, b.len, min, max);
	if (r)
		blob_free(&b);
	else
		*ret = b;
	return r;
}

static int measure_file(struct tool *t, const char *what, const char *name,
			const char *path, uint8_t ret[NSMC_PCR_SIZE])
{
	struct blob b = { 0 };
	struct stat st;
	int fd, r;

	r = open_input(t, path, &fd);
	if (r)
		return r;
	if (fd != STDIN_FILENO && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		r = nsmc_measure_file(name, strlen(name), fd, ret);
		close_input(fd);
		if (r == -EAGAIN)
			return tool_fail(t, TOOL_FILE, path,
					 "its length changed meanwhile");
		return r < 0 ? tool_fail_file(t, path, NULL, -r) : 0;
	}
	r = read_all(t, path, fd, CONTENT_MAX, &b);
	close_input(fd);
	if (r == INPUT_LONG)
		return tool_usage(t, what,
				  "more than 64 MiB: that must be in a file");
	if (r == 0)
		nsmc_measure(name, strlen(name), b.data, b.len, ret);
	blob_free(&b);
	return r;
}

int input_measured(struct tool *t, const char *what, const char *name,
		   const char *arg, uint8_t ret[NSMC_PCR_SIZE])
{
	const char *file = file_of(arg);
	struct blob b = { 0 };
	int r;

	if (file)
		return measure_file(t, what, name, file, ret);
	r = decode(t, what, arg, &b);
	if (r == 0)
		nsmc_measure(name, strlen(name), b.data, b.len, ret);
	blob_free(&b);
	return r;
}

int input_certificate(struct tool *t, const char *path, struct blob *ret)
{
	static const char begin[] = "-----BEGIN CERTIFICATE-----";
	static const char end[] = "-----END CERTIFICATE-----";
	const char *name = strcmp(path, "-") == 0 ? "stdin" : path;
	struct blob b = { 0 };
	uint8_t *from, *to;
	size_t before;
	int r;

	r = input_file(t, path, CERTIFICATE_FILE_MAX, &b);
	if (r == INPUT_LONG)
		return tool_fail(t, TOOL_REFUSED, name,
				 "a certificate has not more than 64 KiB");
	if (r)
		return r;
	if (b.len == 0) {
		blob_free(&b);
		return tool_fail(t, TOOL_REFUSED, name, "it is empty");
	}
	from = memmem(b.data, b.len, begin, sizeof(begin) - 1);
	if (from) {
		from += sizeof(begin) - 1;
		before = (size_t)(from - b.data);
		to = memmem(from, b.len - before, end, sizeof(end) - 1);
		r = -EINVAL;
		if (to && !memmem(to, b.len - (size_t)(to - b.data), begin,
				  sizeof(begin) - 1))
			r = code_from_base64((char *)from, (size_t)(to - from),
					     b.data, &b.len);
		if (r < 0) {
			blob_free(&b);
			return tool_fail(t, TOOL_REFUSED, name,
					 "it is not PEM of one certificate");
		}
	}
	*ret = b;
	return 0;
}

int input_number(const struct tool *t, const char *what, const char *arg,
		 uint64_t min, uint64_t max, uint64_t *ret)
{
	uint64_t n;

	if (code_number(arg, UINT64_MAX, &n) < 0 || n < min || n > max)
		return tool_usage(t, what,
				  "it must be a number from %llu to %llu, "
				  "not '%s'",
				  (unsigned long long)min,
				  (unsigned long long)max, arg);
	*ret = n;
	return 0;
}
