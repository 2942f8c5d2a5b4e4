#include "nsm/tool/output.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "nsm/tool/code.h"
#include "nsm/tool/tool.h"

enum { LABEL_WIDTH = 14, TEMP_TRIES = 100, NOREPLACE = 1, TEMPS = 2 };

/* The temporary files that exist: a key's and its public key's. */
static const char *volatile temps[TEMPS];

static void clean_and_end(int signo)
{
	for (size_t i = 0; i < TEMPS; i++)
		if (temps[i])
			(void)unlink(temps[i]);
	/* Ends as if there were no handler: when this one returns. */
	(void)signal(signo, SIG_DFL);
	(void)raise(signo);
}

void out_clean_on_signals(void)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };
	struct sigaction action = { .sa_handler = clean_and_end }, old;

	(void)sigfillset(&action.sa_mask);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		/*
		 * A signal that was ignored from the start (nohup) stays
		 * ignored.
		 */
		if (sigaction(signals[i], NULL, &old) == 0 &&
		    old.sa_handler != SIG_IGN)
			(void)sigaction(signals[i], &action, NULL);
}

/* Notes that TEMP exists, or, with GONE, no longer does. */
static void note_temp(const char *temp, bool gone)
{
	for (size_t i = 0; i < TEMPS; i++) {
		if (temps[i] != (gone ? temp : NULL))
			continue;
		temps[i] = gone ? NULL : temp;
		return;
	}
}

void out_fd(struct out *o, int fd)
{
	o->fd = fd;
	o->error = 0;
	o->exclusive = o->renames = false;
	o->path[0] = o->temp[0] = '\0';
	o->len = 0;
}

/* Allocates a name beside PATH. */
static int temp_name(struct out *o, int number)
{
	const char *slash = strrchr(o->path, '/');
	int dir = slash ? (int)(slash - o->path) + 1 : 0;
	int n = snprintf(o->temp, sizeof(o->temp), "%.*s.nsm.%d.%d", dir,
			 o->path, (int)getpid(), number);

	return n < (int)sizeof(o->temp) ? 0 : -ENAMETOOLONG;
}

/*
 * Creates TEMP, which must not exist; no signal comes between that and its
 * note.
 */
static int create(const char *temp, mode_t mode)
{
	sigset_t all, old;
	int fd;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, &old);
	fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0)
		fd = -errno;
	else
		note_temp(temp, false);
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	return fd;
}

static int open_temp(struct out *o, mode_t mode)
{
	int r;

	for (int i = 0; i < TEMP_TRIES; i++) {
		r = temp_name(o, i);
		if (r < 0)
			return r;
		o->fd = create(o->temp, mode);
		if (o->fd != -EEXIST)
			break;
	}
	if (o->fd < 0)
		return o->fd;
	o->renames = true;
	return 0;
}

static int open_path(struct out *o, const char *path, mode_t mode,
		     bool exclusive)
{
	struct stat st;
	char *real;

	if (strlen(path) >= sizeof(o->path))
		return -ENAMETOOLONG;
	memcpy(o->path, path, strlen(path) + 1);
	o->exclusive = exclusive;
	if (stat(path, &st) < 0) {
		/*
		 * Only the creator of a dangling link knows what it should
		 * name.
		 */
		if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode))
			return -ENOLINK;
		return open_temp(o, mode);
	}
	/*
	 * What must be new must not exist; nor may it be a pipe, whose reader
	 * may be anyone.
	 */
	if (exclusive)
		return -EEXIST;
	if (!S_ISREG(st.st_mode)) {
		/* A device or a pipe; a directory fails here. */
		o->fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
		return o->fd < 0 ? -errno : 0;
	}
	/* The file that a link names is the one to replace, not the link. */
	real = realpath(path, NULL);
	if (!real)
		return -errno;
	memcpy(o->path, real, strlen(real) + 1);
	free(real);
	return open_temp(o, mode);
}

int out_open(const struct tool *t, struct out *o, const char *path, mode_t mode,
	     bool exclusive)
{
	int r;

	out_fd(o, -1);
	if (!path || strcmp(path, "-") == 0) {
		o->fd = STDOUT_FILENO;
		return 0;
	}
	r = open_path(o, path, mode, exclusive);
	if (r == -ENOLINK)
		return tool_fail(t, TOOL_FILE, path,
				 "it is a symbolic link to nothing");
	return r < 0 ? tool_fail_file(t, path, NULL, -r) : 0;
}

int out_flush(struct out *o)
{
	const char *from = o->buf;
	ssize_t n;

	while (o->len > 0 && !o->error) {
		n = write(o->fd, from, o->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			o->error = n < 0 ? errno : EIO;
			break;
		}
		from += n;
		o->len -= (size_t)n;
	}
	o->len = 0;
	return -o->error;
}

/* Never replaces a file, if that was asked for. */
static int rename_temp(const struct out *o)
{
	if (!o->exclusive)
		return rename(o->temp, o->path) < 0 ? -errno : 0;
	if (syscall(SYS_renameat2, AT_FDCWD, o->temp, AT_FDCWD, o->path,
		    NOREPLACE) == 0)
		return 0;
	/* For file systems and kernels without renameat2. */
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	if (link(o->temp, o->path) < 0)
		return -errno;
	(void)unlink(o->temp);
	return 0;
}

/*
 * Puts the name on the disk, too; a directory that cannot be opened is skipped.
 */
static void sync_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX];
	int fd, n;

	n = snprintf(dir, sizeof(dir), "%.*s.",
		     slash ? (int)(slash - path) + 1 : 0, path);
	if (n < 0 || n >= (int)sizeof(dir))
		return;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)fsync(fd);
	(void)close(fd);
}

int out_commit(const struct tool *t, struct out *o)
{
	int r = out_flush(o);

	/* A key that KMS knows must outlive a crash of this machine. */
	if (o->renames && r == 0 && fsync(o->fd) < 0)
		r = -errno;
	/* A network file system reports only here that it is full. */
	if (o->fd >= 0 && close(o->fd) < 0 && r == 0)
		r = -errno;
	o->fd = -1;
	if (o->renames && r == 0) {
		r = rename_temp(o);
		if (r == 0) {
			o->renames = false;
			note_temp(o->temp, true);
			sync_folder(o->path);
		}
	}
	out_abort(o);
	if (r == 0)
		return 0;
	/* The reader ended on purpose: head, or a pager. */
	if (r == -EPIPE)
		return TOOL_FILE;
	return tool_fail_file(t, o->path[0] ? o->path : "-", "stdout", -r);
}

void out_abort(struct out *o)
{
	if (o->fd > STDERR_FILENO)
		(void)close(o->fd);
	o->fd = -1;
	if (o->renames) {
		(void)unlink(o->temp);
		note_temp(o->temp, true);
	}
	o->renames = false;
	explicit_bzero(o->buf, sizeof(o->buf));
}

void out_bytes(struct out *o, const void *data, size_t len)
{
	const char *from = data;
	size_t n;

	while (len > 0 && !o->error) {
		if (o->len == sizeof(o->buf) && out_flush(o) < 0)
			return;
		n = sizeof(o->buf) - o->len;
		if (n > len)
			n = len;
		memcpy(o->buf + o->len, from, n);
		o->len += n;
		from += n;
		len -= n;
	}
}

void out_text(struct out *o, const char *text)
{
	out_bytes(o, text, strlen(text));
}

void out_number(struct out *o, uint64_t n)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + n % 10);
		n /= 10;
	} while (n > 0);
	out_bytes(o, digits + at, sizeof(digits) - at);
}

static void hex_byte(struct out *o, uint8_t byte)
{
	static const char digits[] = "0123456789abcdef";
	char two[2] = { digits[byte >> 4], digits[byte & 15] };

	out_bytes(o, two, 2);
}

void out_hex(struct out *o, const void *data, size_t len)
{
	const uint8_t *from = data;

	for (size_t i = 0; i < len; i++)
		hex_byte(o, from[i]);
}

void out_base64(struct out *o, const void *data, size_t len)
{
	const uint8_t *from = data;
	char four[4];

	for (size_t i = 0; i < len; i += 3) {
		code_base64(from + i, len - i, four);
		out_bytes(o, four, 4);
	}
}

void out_safe(struct out *o, const void *text, size_t len)
{
	const uint8_t *s = text;
	size_t n;
	int32_t c;

	for (; len > 0; s += n, len -= n) {
		c = code_utf8(s, len, &n);
		if (c >= 0 && c != '\\' && !code_is_control(c)) {
			out_bytes(o, s, n);
		} else if (c == '\\') {
			out_text(o, "\\\\");
		} else {
			for (size_t i = 0; i < n; i++) {
				out_text(o, "\\x");
				hex_byte(o, s[i]);
			}
		}
	}
}

void out_label(struct out *o, const char *name)
{
	size_t len = strlen(name) + 1;

	out_text(o, name);
	out_text(o, ":");
	do
		out_text(o, " ");
	while (++len < LABEL_WIDTH);
}

void out_ranges(struct out *o, uint32_t set)
{
	const char *between = "";
	int last;

	for (int i = 0; i < 32; i = last + 1) {
		last = i;
		if (!(set >> i & 1))
			continue;
		while (last < 31 && set >> (last + 1) & 1)
			last++;
		out_text(o, between);
		out_number(o, (uint64_t)i);
		if (last > i) {
			out_text(o, "-");
			out_number(o, (uint64_t)last);
		}
		between = ", ";
	}
	if (!set)
		out_text(o, "none");
}

static void escape(struct out *o, uint32_t unit)
{
	out_text(o, "\\u");
	hex_byte(o, (uint8_t)(unit >> 8));
	hex_byte(o, (uint8_t)unit);
}

/* Everything but ASCII is escaped, so that no reader can stumble over it. */
static void quoted(struct out *o, const uint8_t *s, size_t len)
{
	size_t n;
	int32_t c;

	out_text(o, "\"");
	for (; len > 0; s += n, len -= n) {
		c = code_utf8(s, len, &n);
		if (c < 0)
			c = 0xfffd;
		if (c == '"' || c == '\\') {
			out_text(o, "\\");
			out_bytes(o, s, 1);
		} else if (c >= 0x20 && c < 0x7f) {
			out_bytes(o, s, 1);
		} else if (c < 0x10000) {
			escape(o, (uint32_t)c);
		} else {
			escape(o, 0xd7c0 + ((uint32_t)c >> 10));
			escape(o, 0xdc00 + ((uint32_t)c & 0x3ff));
		}
	}
	out_text(o, "\"");
}

void json_key(struct out *o, const char *key)
{
	char last = o->len > 0 ? o->buf[o->len - 1] : '{';

	/* A full buffer was flushed before something was added. */
	if (last != '{' && last != '[')
		out_text(o, ", ");
	if (key) {
		quoted(o, (const uint8_t *)key, strlen(key));
		out_text(o, ": ");
	}
}

void json_open(struct out *o, const char *key, char bracket)
{
	json_key(o, key);
	out_bytes(o, &bracket, 1);
}

void json_close(struct out *o, char bracket)
{
	out_bytes(o, &bracket, 1);
}

void json_text(struct out *o, const char *key, struct nsmc_bytes text)
{
	json_key(o, key);
	if (text.data)
		quoted(o, text.data, text.len);
	else
		out_text(o, "null");
}

void json_string(struct out *o, const char *key, const char *text)
{
	json_text(o, key,
		  (struct nsmc_bytes){ (const uint8_t *)text,
				       text ? strlen(text) : 0 });
}

void json_number(struct out *o, const char *key, uint64_t n)
{
	json_key(o, key);
	out_number(o, n);
}

void json_signed(struct out *o, const char *key, int64_t n)
{
	json_key(o, key);
	if (n < 0)
		out_text(o, "-");
	out_number(o, n < 0 ? 0 - (uint64_t)n : (uint64_t)n);
}

void json_bool(struct out *o, const char *key, bool b)
{
	json_key(o, key);
	out_text(o, b ? "true" : "false");
}

void json_hex(struct out *o, const char *key, struct nsmc_bytes bytes)
{
	json_key(o, key);
	if (!bytes.data) {
		out_text(o, "null");
		return;
	}
	out_text(o, "\"");
	out_hex(o, bytes.data, bytes.len);
	out_text(o, "\"");
}

void json_base64(struct out *o, const char *key, struct nsmc_bytes bytes)
{
	json_key(o, key);
	if (!bytes.data) {
		out_text(o, "null");
		return;
	}
	out_text(o, "\"");
	out_base64(o, bytes.data, bytes.len);
	out_text(o, "\"");
}

void refuse_json_why(struct out *o, int error, const char *text,
		     const char *object)
{
	json_string(o, "code", nsmc_error_name(error));
	json_string(o, "error", text ? text : nsmc_error_text(error));
	json_string(o, "object", object);
}
