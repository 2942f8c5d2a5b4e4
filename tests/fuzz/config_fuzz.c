/*
 * /enclave-init.conf. What is read lies in the text, each string with its end, none
 * over another, and within the limits; what is refused is refused somewhere in it.
 */

#include <stdlib.h>
#include <string.h>

#include "init/spec/capability.h"
#include "init/spec/config.h"

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

static void check_words(const char *text, size_t len,
			const struct config_words *w)
{
	const char *word = w->first;

	require(!word == (w->count == 0));
	for (size_t i = 0; i < w->count; i++)
		word += inside(text, len, word, len) + 1;
}

static void check_variables(const char *text, size_t len,
			    const struct config *c,
			    const struct config_service *s)
{
	require(s->variables >= c->variables &&
		s->variables + s->variable_count <=
			c->variables + c->variable_count);
	for (size_t i = 0; i < s->variable_count; i++) {
		const char *v = s->variables[i];

		inside(text, len, v, len);
		require(*v != '=' && strchr(v, '='));
		for (size_t j = 0; j < i && i < 64; j++)
			require(strncmp(v, s->variables[j],
					(size_t)(strchr(v, '=') - v) + 1) != 0);
	}
}

static void check_path(const char *text, size_t len, const char *path)
{
	if (!path)
		return;
	inside(text, len, path, CONFIG_PATH_MAX);
	require(*path == '/');
}

static void check_name(const char *text, size_t len, const char *name)
{
	if (name)
		require(inside(text, len, name, CONFIG_NAME_MAX) > 0);
}

static void check_service(const char *text, size_t len, const struct config *c,
			  const struct config_service *s)
{
	require(s == c->services || s->command.count > 0);
	require(!s->command.first || *s->command.first);
	check_words(text, len, &s->command);
	check_words(text, len, &s->supplementary_groups);
	require(s->supplementary_groups.count <= CONFIG_GROUPS_MAX);
	check_variables(text, len, c, s);
	check_path(text, len, s->workdir);
	check_path(text, len, s->environment_file);
	check_path(text, len, s->seccomp);
	check_name(text, len, s->user);
	check_name(text, len, s->group);
	require(s->supervision.stop_signal >= 0 &&
		s->supervision.stop_signal <= 64);
	require(s->confine.umask.value >= 0 && s->confine.umask.value <= 0777);
	require(s->confine.nice.value >= -20 && s->confine.nice.value <= 19);
	for (int i = 0; i < CONFIG_LIMITS; i++)
		require(s->limits.of[i].soft <= s->limits.of[i].hard);
	require(s->confine.bounding >> CAPABILITY_COUNT == 0);
	require(s->supervision.after >> c->service_count == 0);
	require(s->memory_max == 0 || s->memory_max >= 65536);
	require(s->memory_max < CONFIG_INFINITY);
	require(s->pids_max <= 4194304 && s->cpu_weight <= 10000);
	require(s->supervision.kill_mode <= CONFIG_KILL_PROCESS);
	require(s->protect_kernel <= CONFIG_PROTECT_NO);
	require(!s->confine.ambient || !(s->confine.securebits & 64));
	require(s->supervision.ready_timeout_ms > 0 &&
		s->supervision.ready_timeout_ms <= CONFIG_MS_MAX);
}

/* Each line of the text for relay is a line of the configuration, or empty. */
static void check_relayed(const char *text, size_t len, const struct config *c)
{
	const size_t size = config_relay_size(c);
	char *made = malloc(size + 1), *at = made;

	require(made && c->relayed_count <= CONFIG_RELAYED_MAX);
	require((size == 0) == (c->relayed_count == 0) &&
		!c->hand_over + !size);
	config_relay_text(c, made);
	for (size_t i = 0, line = 1; i < c->relayed_count; i++, line++) {
		const struct config_relayed *l = &c->relayed[i];
		size_t n = inside(text, len, l->value, len);

		for (; line < l->line; line++)
			require(*at++ == '\n');
		require(n > 0 && !strchr(l->value, '\n'));
		require(memcmp(at, l->key, strlen(l->key)) == 0);
		at += strlen(l->key) + 3 + n;
		require(*at++ == '\n');
	}
	require(at == made + size);
	free(made);
}

static void check(const char *text, size_t len, const struct config *c)
{
	require(c->is_there);
	require(c->service_count >= 1 &&
		c->service_count <= CONFIG_SERVICES_MAX);
	require(c->variable_count <= CONFIG_VARIABLES_MAX);
	for (size_t i = 0; i < c->service_count; i++)
		check_service(text, len, c, &c->services[i]);

	require(!c->hand_over ||
		(c->service_count == 1 && !c->services[0].user &&
		 c->heartbeat.mode != CONFIG_HEARTBEAT_STRICT));

	require(c->extend_count <= CONFIG_EXTENDS_MAX);
	for (size_t i = 0; i < c->extend_count; i++) {
		const struct config_extend *e = &c->extends[i];

		require(e->pcr >= CONFIG_PCR_FIRST &&
			e->pcr <= CONFIG_PCR_LAST);
		require(inside(text, len, e->name, CONFIG_NAME_MAX) > 0);
		inside(text, len, e->value, e->is_file ? CONFIG_PATH_MAX : len);
	}
	require((c->locks & 0xffff) == 0);
	require(c->nsm_mode.value >= 0 && c->nsm_mode.value <= 0777);
	check_name(text, len, c->nsm_owner);
	check_name(text, len, c->nsm_group);

	require(c->host_count <= CONFIG_HOSTS_MAX);
	for (size_t i = 0; i < c->host_count; i++) {
		require(inside(text, len, c->hosts[i].name, 253) > 0);
		require(inside(text, len, c->hosts[i].address, 64) > 0);
	}
	check_relayed(text, len, c);
	require(c->tmpfs_count <= CONFIG_TMPFS_MAX);
	for (size_t i = 0; i < c->tmpfs_count; i++) {
		check_path(text, len, c->tmpfs[i].path);
		if (*c->tmpfs[i].data)
			inside(text, len, c->tmpfs[i].data, len);
	}
	require(c->sysctl_count <= CONFIG_SYSCTLS_MAX);
	for (size_t i = 0; i < c->sysctl_count; i++) {
		const char *name = c->sysctls[i].name;

		require(inside(text, len, name, CONFIG_PATH_MAX) > 0);
		require(*name != '/' && !strstr(name, "/../") &&
			strncmp(name, "../", 3) != 0);
		inside(text, len, c->sysctls[i].value, len);
	}
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
		require(fault.nearest || r != -CONFIG_E_UNKNOWN);
	}
	free(c);
	free(text);
	return 0;
}
