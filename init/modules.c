#include "init/modules.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "init/module.h"
#include "rootfs/file.h"

static char fold(char c)
{
	return c == '-' ? '_' : c;
}

static bool same_name(const char *a, const char *b, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (fold(a[i]) != fold(b[i]))
			return false;
	return true;
}

/* The end of the word at AT: a blank outside quotes, as the kernel parses. */
static const char *word_end(const char *at)
{
	bool quoted = false;

	for (; *at; at++) {
		if (*at == '"')
			quoted = !quoted;
		else if (!quoted && (*at == ' ' || *at == '\t' || *at == '\n'))
			break;
	}
	return at;
}

/* The module's name in FILE: without folders, up to the first dot. */
static const char *module_name(const char *file, size_t *ret_len)
{
	const char *slash = strrchr(file, '/');
	const char *name = slash ? slash + 1 : file;
	const char *dot = strchrnul(name, '.');

	*ret_len = (size_t)(dot - name);
	return name;
}

void modules_params(const char *cmdline, const char *file, char *params)
{
	size_t name_len, len, at = 0;
	const char *name = module_name(file, &name_len);
	const char *word = cmdline, *end, *param;

	for (; *word; word = end) {
		end = word_end(word);
		if (end == word) { /* a blank */
			end++;
			continue;
		}
		if ((size_t)(end - word) < name_len + 2 ||
		    word[name_len] != '.' || !same_name(word, name, name_len))
			continue;
		param = word + name_len + 1;
		len = (size_t)(end - param);
		if (at + len + 2 > MODULES_PARAMS_MAX)
			break;
		if (at > 0)
			params[at++] = ' ';
		memcpy(params + at, param, len);
		at += len;
	}
	params[at] = '\0';
}

/*
 * The NSM's driver is built in: its file, of another kernel perhaps, would only
 * take time to fail.
 */
static bool is_built_in(const char *file)
{
	size_t len;
	const char *name = module_name(file, &len);

	return len == strlen("nsm") && memcmp(name, "nsm", len) == 0 &&
	       access("/dev/nsm", F_OK) == 0;
}

/* Read for the first module that is loaded. Without /proc there are no parameters. */
static const char *read_cmdline(struct file *cmdline)
{
	if (!cmdline->data)
		(void)file_read(AT_FDCWD, "/proc/cmdline", MODULES_PARAMS_MAX,
				cmdline);
	return cmdline->data ? cmdline->data : "";
}

static int load(const char *file, struct file *cmdline, modules_told_fn *told,
		void *ctx)
{
	char params[MODULES_PARAMS_MAX];
	int fd, r;

	if (is_built_in(file))
		return 0;
	/* Not to hang on what is a fifo. */
	fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0) {
		r = -errno;
	} else {
		modules_params(read_cmdline(cmdline), file, params);
		r = module_insert(fd, params);
		close(fd);
	}
	/* Loaded before, a driver of that name built in, no modules at all.
	 * Not -ENOENT: here it is a symbol that is missing. */
	if (r == -EEXIST || r == -EBUSY || r == -ENOSYS)
		r = 0;
	told(ctx, file, r);
	return r;
}

/* Takes the next line with something on it off *AT; NULL at the end. */
static char *next_file(char **at)
{
	char *line, *end;

	while (**at) {
		line = *at;
		end = strchrnul(line, '\n');
		*at = *end ? end + 1 : end;
		while (end > line && (end[-1] == ' ' || end[-1] == '\r'))
			end--;
		*end = '\0';
		if (end > line)
			return line;
	}
	return NULL;
}

int modules_load(modules_told_fn *told, void *ctx)
{
	static const char order_file[] = "modules_load_order";
	struct file order = { 0 }, cmdline = { 0 };
	char *at, *file;
	int r, e;

	r = file_read(AT_FDCWD, order_file, MODULES_ORDER_MAX, &order);
	if (r == -ENOENT) {
		r = load("nsm.ko", &cmdline, told, ctx);
		goto out;
	}
	if (r < 0) {
		told(ctx, order_file, r);
		goto out;
	}
	at = order.data;
	while ((file = next_file(&at))) {
		e = load(file, &cmdline, told, ctx);
		if (r == 0)
			r = e;
	}
out:
	file_free(&order);
	file_free(&cmdline);
	return r;
}
