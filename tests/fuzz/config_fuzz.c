/*
 * /enclave-init.conf. What is read lies in the text, each string with its end, none
 * over another, and within the limits; what is refused is refused somewhere in it.
 */

#include <stdlib.h>
#include <string.h>

#include "init/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
	if (!truth)
		abort();
}

/* S is a string of MAX bytes at most in the LEN + 1 bytes of TEXT. */
static size_t inside(const char *text, size_t len, const char *s, size_t max)
{
	const char *end;

	require(s >= text && s <= text + len);
	end = memchr(s, '\0', (size_t)(text + len + 1 - s));
	require(end && (size_t)(end - s) <= max);
	return (size_t)(end - s);
}

static void check_words(const char *text, size_t len, const struct config *c)
{
	const char *word = c->command;

	require(!word == (c->command_count == 0));
	for (size_t i = 0; i < c->command_count; i++) {
		size_t n = inside(text, len, word, len);

		require(i > 0 || n > 0);
		word += n + 1;
	}

	require(c->variable_count <= CONFIG_VARIABLES_MAX);
	for (size_t i = 0; i < c->variable_count; i++) {
		const char *v = c->variables[i];

		inside(text, len, v, len);
		require(*v != '=' && strchr(v, '='));
		for (size_t j = 0; j < i && i < 64; j++)
			require(strncmp(v, c->variables[j],
					(size_t)(strchr(v, '=') - v) + 1) != 0);
	}
}

static void check(const char *text, size_t len, const struct config *c)
{
	if (c->workdir) {
		inside(text, len, c->workdir, CONFIG_PATH_MAX);
		require(*c->workdir == '/');
	}
	if (c->user)
		require(inside(text, len, c->user, CONFIG_NAME_MAX) > 0);
	if (c->group) {
		require(c->user);
		require(inside(text, len, c->group, CONFIG_NAME_MAX) > 0);
	}
	require(c->stop_signal >= 0 && c->stop_signal <= 64);
	check_words(text, len, c);

	require(c->extend_count <= CONFIG_EXTENDS_MAX);
	for (size_t i = 0; i < c->extend_count; i++) {
		const struct config_extend *e = &c->extends[i];

		require(e->pcr >= CONFIG_PCR_FIRST &&
			e->pcr <= CONFIG_PCR_LAST);
		require(inside(text, len, e->name, CONFIG_NAME_MAX) > 0);
		inside(text, len, e->value, e->is_file ? CONFIG_PATH_MAX : len);
	}
	require((c->locks & 0xffff) == 0);
	require(c->nsm_mode.value <= 0777);
	require(c->nsm_owner.value <= CONFIG_ID_MAX);
	require(c->nsm_group.value <= CONFIG_ID_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Of just that size: the sanitizer sees what is one too many. */
	char *text = malloc(size + 1);
	struct config *c = malloc(sizeof(*c));
	struct config_fault fault = { 0 };
	int r;

	require(text && c);
	memcpy(text, data, size);
	text[size] = 'x';
	memset(c, 0xaa, sizeof(*c));
	r = config_parse(text, size, c, &fault);
	if (r == 0) {
		check(text, size, c);
	} else {
		require(r <= -CONFIG_E_CONTROL && r > -CONFIG_E_END);
		require(*config_error_text(r));
		require(fault.line >= 1 && fault.line <= size);
		require(fault.column >= 1 && fault.column <= size + 1);
		require(!fault.nearest == (r != -CONFIG_E_UNKNOWN));
	}
	free(c);
	free(text);
	return 0;
}
