/* Mistakes with /cmd, /env, PATH and modules. */

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "init/module.h"
#include "init/program.h"
#include "init/spec/spec.h"
#include "rootfs/file.h"
#include "tests/conformance/mutant.h"

/* --- the files ------------------------------------------------------------------ */

/* Without what follows the last newline. */
static size_t whole_lines(const char *text, size_t len)
{
	while (len > 0 && text[len - 1] != '\n')
		len--;
	return len;
}

/* Up to the first line that has no C in it. */
static size_t lines_with(const char *text, size_t len, char c)
{
	size_t at = 0;

	while (at < len) {
		const char *newline = memchr(text + at, '\n', len - at);
		size_t n = newline ? (size_t)(newline - text) - at : len - at;

		if (!memchr(text + at, c, n))
			return at;
		at += n + (newline != NULL);
	}
	return len;
}

WRAP(spec_parse_cmd);
int __wrap_spec_parse_cmd(char *text, size_t len, char **argv,
			  size_t *ret_count, size_t *reterr_line)
{
	if (mutant_is("cmd-needs-a-last-newline", NULL))
		len = whole_lines(text, len);
	return __real_spec_parse_cmd(text, len, argv, ret_count, reterr_line);
}

static void tell_skipped(void *ctx, size_t line, const char *text)
{
	(void)ctx;
	(void)dprintf(2, "line %zu is skipped: %s\n", line, text);
}

WRAP(spec_parse_env);
int __wrap_spec_parse_env(char *text, size_t len, char **envp,
			  size_t *ret_count, spec_skip_fn *skipped, void *ctx)
{
	if (mutant_is("env-is-not-empty", NULL) && len == 0)
		return -SPEC_E_EMPTY;
	if (mutant_is("shows-lines-of-env", NULL))
		skipped = tell_skipped;
	if (mutant_is("env-ends-at-a-line-without-=", NULL))
		len = lines_with(text, len, '=');
	return __real_spec_parse_env(text, len, envp, ret_count, skipped, ctx);
}

WRAP(file_read);
int __wrap_file_read(int dirfd, const char *name, size_t max, struct file *ret)
{
	int r = __real_file_read(dirfd, name, max, ret);

	if (r < 0 || strcmp(name, "modules_load_order") != 0)
		return r;
	if (mutant_is("order-needs-a-last-newline", NULL))
		ret->len = whole_lines(ret->data, ret->len);
	if (mutant_is("order-ends-at-a-blank-line", NULL))
		ret->len = lines_with(ret->data, ret->len, '.');
	ret->data[ret->len] = '\0';
	return 0;
}

WRAP(module_insert);
int __wrap_module_insert(int fd, const char *params)
{
	int r = __real_module_insert(fd, params);

	if (mutant_is("no-module-twice", NULL) && (r == -EBUSY || r == -EEXIST))
		return -EPERM;
	return r;
}

/* --- where the program is ------------------------------------------------------- */

/* The first file of that name, whether it may be executed or not. */
static bool is_first_executable(const char *name, const char *search)
{
	char path[512];
	struct stat st;

	for (const char *end; *search; search = end + (*end == ':')) {
		end = strchrnul(search, ':');
		(void)snprintf(path, sizeof(path), "%.*s/%s",
			       (int)(end - search), search, name);
		if (lstat(path, &st) == 0)
			return S_ISREG(st.st_mode) && access(path, X_OK) == 0;
	}
	return false;
}

WRAP(program_find);
int __wrap_program_find(const char *name, const char *search,
			struct program *ret)
{
	const char *word = mutant_word("search");

	if (!strchr(name, '/')) {
		if (mutant_is("search-nothing", NULL))
			return -ENOENT;
		if (mutant_is("search-takes-the-first", NULL) &&
		    !is_first_executable(name, search))
			return -EACCES;
	}
	return __real_program_find(name, word ? word : search, ret);
}

/* --- what the program is given -------------------------------------------------- */

enum { SLOTS = 1 << 16 };

static size_t count(char *const *strings)
{
	size_t n = 0;

	while (strings[n])
		n++;
	return n;
}

static char **copy(char *const *strings)
{
	char **all = calloc(SLOTS, sizeof(char *));

	for (size_t i = 0; strings[i] && i + 1 < SLOTS; i++)
		all[i] = strdup(strings[i]);
	return all;
}

static void drop(char **at)
{
	do
		at[0] = at[1];
	while (*at++);
}

static void trim(char *s)
{
	size_t len = strlen(s), blanks = strspn(s, " \t");

	memmove(s, s + blanks, len - blanks + 1);
	len -= blanks;
	while (len > 0 && isblank((unsigned char)s[len - 1]))
		s[--len] = '\0';
}

static void unquote(char *s)
{
	char *to = s;

	for (; *s; s++)
		if (*s != '"' && *s != '\'')
			*to++ = *s;
	*to = '\0';
}

static void to_ascii(char *s)
{
	for (; *s; s++)
		if (*s & 0x80)
			*s = '?';
}

static void spoil_arguments(char **argv)
{
	const char *cut = mutant_word("cut-arguments");
	const char *most = mutant_word("most-arguments");

	for (char **a = argv + 1; argv[0] && *a;) {
		if (mutant_is("no-empty-arguments", NULL) && !**a) {
			drop(a);
			continue;
		}
		if (mutant_is("trim-arguments", NULL))
			trim(*a);
		if (mutant_is("unquote-arguments", NULL))
			unquote(*a);
		if (mutant_is("ascii-arguments", NULL))
			to_ascii(*a);
		if (cut && strlen(*a) > (size_t)atol(cut))
			(*a)[atol(cut)] = '\0';
		a++;
	}
	/* But the last is always there: another mistake is about it. */
	if (most && count(argv) > (size_t)atol(most)) {
		argv[atol(most) - 1] = argv[count(argv) - 1];
		argv[atol(most)] = NULL;
	}
}

/* Whether VARIABLE is called as the first word that follows NAME among the mistakes. */
static bool is_called(const char *variable, const char *name)
{
	const char *word = mutant_word(name);
	size_t len = word ? strcspn(word, "=") : 0;

	return word && strncmp(variable, word, len) == 0 &&
	       variable[len] == '=';
}

static bool is_name_of_shells(const char *variable)
{
	size_t len = strcspn(variable, "=");

	return strspn(variable, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_"
				"abcdefghijklmnopqrstuvwxyz0123456789") >= len;
}

static void spoil_variables(char **envp)
{
	const char *most = mutant_word("most-variables");
	char **e = envp;

	while (*e) {
		char *value = strchr(*e, '=') + 1;

		if ((mutant_is("no-empty-values", NULL) && !*value) ||
		    (mutant_is("names-of-shells", NULL) &&
		     !is_name_of_shells(*e)) ||
		    is_called(*e, "without")) {
			drop(e);
			continue;
		}
		if (is_called(*e, "set"))
			*e = strdup(mutant_word("set"));
		else if (mutant_is("values-end-at-=", NULL))
			value[strcspn(value, "=")] = '\0';
		if (mutant_is("trim-values", NULL))
			trim(value);
		e++;
	}
	if (most && e - envp > atol(most))
		envp[atol(most)] = NULL;
	/* What the kernel has given PID 1. */
	if (mutant_is("inherit", NULL))
		for (char **own = environ; *own; own++)
			*e++ = *own;
	*e = NULL;
}

static bool is_script(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char head[2] = "";

	if (fd >= 0) {
		(void)!read(fd, head, 2);
		close(fd);
	}
	return head[0] == '#' && head[1] == '!';
}

/* By /bin/sh, whatever it asks for. */
static void run_by_shell(const char *path, char **argv, char **envp)
{
	static char sh[] = "/bin/sh";

	memmove(argv + 1, argv, (count(argv) + 1) * sizeof(*argv));
	argv[0] = sh;
	argv[1] = strdup(path);
	(void)execve(sh, argv, envp);
}

WRAP(execve);
int __wrap_execve(const char *path, char *const *argv, char *const *envp)
{
	char **args, **vars;
	long r;

	if (mutant_takes("execve", &r, NULL, "%s,", path))
		return (int)r;
	mutant_inherits();
	args = copy(argv);
	vars = copy(envp);
	spoil_arguments(args);
	spoil_variables(vars);
	if (mutant_is("name-is-path", NULL))
		args[0] = strdup(path);
	if (mutant_is("folder-is-tmp", NULL))
		(void)chdir("/tmp");
	if (mutant_is("deletes-in-the-image", NULL))
		(void)unlink("/cmd");
	if (mutant_is("scripts-by-shell", NULL) && is_script(path))
		run_by_shell(path, args, vars);
	if (mutant_is("shell-gets-no-arguments", NULL) &&
	    strcmp(path, "/bin/sh") == 0 && args[0] && args[1])
		args[2] = NULL;
	return __real_execve(path, args, vars);
}

WRAP(access);
int __wrap_access(const char *path, int mode)
{
	long r;

	return mutant_takes("access", &r, NULL, "%s,", path) ?
		       (int)r :
		       __real_access(path, mode);
}
