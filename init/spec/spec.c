#include "init/spec/spec.h"

#include <stdbool.h>
#include <string.h>

const char *spec_error_text(int r)
{
	return codes_text(SPEC_ERRORS(CODES_TEXT), SPEC_E_BEFORE, r);
}

size_t spec_count_lines(const char *text, size_t len)
{
	size_t n = 0, i;

	for (i = 0; i < len; i++)
		if (text[i] == '\n')
			n++;
	if (len > 0 && text[len - 1] != '\n')
		n++;
	return n;
}

/*
 * Takes the next line off *AT, before END, makes it a string and tells its
 * length. *END must be writable.
 */
static char *next_line(char **at, char *end, size_t *ret_len)
{
	char *line = *at;
	char *newline = memchr(line, '\n', (size_t)(end - line));
	char *stop = newline ? newline : end;

	*stop = '\0';
	*at = newline ? newline + 1 : end;
	*ret_len = (size_t)(stop - line);
	return line;
}

int spec_parse_cmd(char *text, size_t len, char **argv, size_t *ret_count,
		   size_t *reterr_line)
{
	char *at = text, *end = text + len, *line;
	size_t n = 0, line_len;

	if (len == 0)
		return -SPEC_E_EMPTY;
	while (at < end) {
		if (n == SPEC_ENTRIES_MAX) {
			*reterr_line = n + 1;
			return -SPEC_E_TOO_MANY;
		}
		line = next_line(&at, end, &line_len);
		/* An argument that would silently end early. */
		if (strlen(line) != line_len) {
			*reterr_line = n + 1;
			return -SPEC_E_NUL;
		}
		argv[n++] = line;
	}
	if (argv[0][0] == '\0')
		return -SPEC_E_NO_PROGRAM;
	argv[n] = NULL;
	*ret_count = n;
	return 0;
}

int spec_parse_env(char *text, size_t len, char **envp, size_t *ret_count,
		   spec_skip_fn *skipped, void *ctx)
{
	char *at = text, *end = text + len, *line;
	size_t n = 0, number = 0, line_len;

	while (at < end) {
		if (number == SPEC_ENTRIES_MAX)
			return -SPEC_E_TOO_MANY;
		line = next_line(&at, end, &line_len);
		number++;
		if (line[0] != '=' && strchr(line, '=') &&
		    strlen(line) == line_len)
			envp[n++] = line;
		else
			skipped(ctx, number, line);
	}
	envp[n] = NULL;
	*ret_count = n;
	return 0;
}

size_t spec_setenv(char **envp, size_t count, char *entry)
{
	size_t len = (size_t)(strchrnul(entry, '=') - entry) + 1, n = 0;

	for (size_t i = 0; i < count; i++)
		if (strncmp(envp[i], entry, len) != 0)
			envp[n++] = envp[i];
	envp[n++] = entry;
	return n;
}

/* A name without blanks, and `=`. */
static bool is_variable(const char *s)
{
	size_t name = strcspn(s, "= \t");

	return name > 0 && s[name] == '=';
}

int spec_parse_env_file(char *text, size_t len, char **envp, size_t *count,
			size_t *reterr_line)
{
	char *at = text, *end = text + len, *line;
	size_t number = 0, variables = 0, line_len;

	/* A byte order mark is no part of a name, for docker neither. */
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		at += 3;
	while (at < end) {
		*reterr_line = ++number;
		if (number > SPEC_ENTRIES_MAX)
			return -SPEC_E_TOO_MANY;
		line = next_line(&at, end, &line_len);
		if (strlen(line) != line_len)
			return -SPEC_E_NUL;
		if (line_len > 0 && line[line_len - 1] == '\r')
			line[line_len - 1] = '\0';
		line += strspn(line, " \t");
		if (*line == '\0' || *line == '#')
			continue;
		if (!is_variable(line))
			return -SPEC_E_VARIABLE;
		if (++variables > SPEC_VARIABLES_MAX)
			return -SPEC_E_VARIABLES;
		*count = spec_setenv(envp, *count, line);
	}
	return 0;
}

const char *spec_getenv(char *const *envp, size_t count, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < count; i++)
		if (strncmp(envp[i], name, len) == 0 && envp[i][len] == '=')
			return envp[i] + len + 1;
	return NULL;
}
