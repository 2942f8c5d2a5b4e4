#include "init/vector.h"

#include <string.h>

#include "init/spec/config.h"
#include "init/spec/executable.h"
#include "init/spec/spec.h"
#include "init/spec/user.h"
#include "init/text.h"

enum {
	DEFAULTS =
		8, /* PATH, HOME, SHELL, ..., and NULL: that many at the most */
	NAME_SHOWN = 64,
};

static size_t count_args(const struct vector_source *s)
{
	const struct config_words *command = &s->service->command;

	return command->first ? command->count : s->app_argc;
}

size_t vector_size(const struct vector_source *s)
{
	size_t args = 1 + count_args(s) + 1; /* a spare slot, NULL */
	size_t variables = s->app_envc + s->service->variable_count +
			   spec_count_lines(s->text, s->text_len) + DEFAULTS +
			   (s->proxy ? VECTOR_PROXIES : 0);

	/* Each of these is bounded where it is read: the sum cannot overflow. */
	return (args + variables) * sizeof(char *);
}

static void fill_argv(const struct vector_source *s, char **argv)
{
	const size_t count = count_args(s);
	char *word = s->service->command.first;

	for (size_t i = 0; i < count; i++) {
		argv[i] = word ? word : s->app_argv[i];
		if (word)
			word += strlen(word) + 1;
	}
	argv[count] = NULL;
}

/* Sets VARIABLE, which is NAME=VALUE, unless the image has another. */
static void add_default(struct vector *v, const char *name, char *variable)
{
	if (!spec_getenv(v->envp, v->envc, name))
		v->envp[v->envc++] = variable;
}

/* Adds what a login would say of the user. */
static void add_user(struct vector *v, struct user *u)
{
	add_default(v, "SHELL", u->shell);
	if (u->name[sizeof("USER=") - 1] == '\0')
		return;
	add_default(v, "USER", u->name);
	add_default(v, "LOGNAME", u->log_name);
}

static void add_defaults(const struct vector_source *s, struct vector *v)
{
	static char path[] = "PATH=" EXECUTABLE_PATH;
	static char home[] = "HOME=/", root_home[] = "HOME=/root";

	add_default(v, "PATH", path);
	add_default(v, "HOME",
		    s->user	     ? s->user->home :
		    s->root_has_home ? root_home :
				       home);
	if (s->user)
		add_user(v, s->user);
}

/* Which of the two cases counts programs do not agree on: who has one has both. */
static void add_proxies(const struct vector_source *s, struct vector *v)
{
	static const char names[][12] = { "http_proxy",	 "HTTP_PROXY",
					  "https_proxy", "HTTPS_PROXY",
					  "no_proxy",	 "NO_PROXY" };
	const size_t none = 4;
	const char *value;
	struct text t;
	bool has = false;

	for (size_t i = 0; i < VECTOR_PROXIES; i++) {
		if (i % 2 == 0)
			has = spec_getenv(v->envp, v->envc, names[i]) ||
			      spec_getenv(v->envp, v->envc, names[i + 1]);
		value = i < none ? s->proxy : "localhost,127.0.0.1";
		text_clear(&t);
		text_add(&t, names[i]);
		text_add(&t, i < none ? "=http://" : "=");
		text_add(&t, value);
		if (has || t.len >= VECTOR_PROXY_MAX)
			continue;
		memcpy(v->proxies[i], text_string(&t), t.len + 1);
		v->envp[v->envc++] = v->proxies[i];
	}
}

/* For a service that reports how it is, as sd_notify(3) does. */
static void add_notify(const struct vector_source *s, struct vector *v)
{
	const uint32_t ms = s->service->supervision.watchdog_ms;
	struct text t;

	if (!s->notify_variable)
		return;
	v->envc = spec_setenv(v->envp, v->envc, s->notify_variable);
	if (ms == 0)
		return;
	text_clear(&t);
	text_add(&t, "WATCHDOG_USEC=");
	text_add_number(&t, (long long)ms * 1000);
	memcpy(v->watchdog, t.buf, t.len);
	v->watchdog[t.len] = '\0';
	v->envc = spec_setenv(v->envp, v->envc, v->watchdog);
}

int vector_fill(const struct vector_source *s, void *memory, struct vector *ret,
		size_t *reterr_line)
{
	const struct config_service *service = s->service;
	int r = 0;

	ret->argv = (char **)memory + 1;
	ret->argv[-1] = NULL;
	fill_argv(s, ret->argv);

	ret->envp = ret->argv + count_args(s) + 1;
	ret->envc = s->app_envc;
	for (size_t i = 0; i < s->app_envc; i++)
		ret->envp[i] = s->app_envp[i];
	if (s->text)
		r = spec_parse_env_file(s->text, s->text_len, ret->envp,
					&ret->envc, reterr_line);
	if (r < 0)
		return r;
	for (size_t i = 0; i < service->variable_count; i++)
		ret->envc = spec_setenv(ret->envp, ret->envc,
					service->variables[i]);
	add_defaults(s, ret);
	if (s->proxy)
		add_proxies(s, ret);
	add_notify(s, ret);
	ret->envp[ret->envc] = NULL;
	return 0;
}

/* --- what execve refuses --- */

static size_t name_len(const char *variable)
{
	size_t len = strcspn(variable, "=");

	return len < NAME_SHOWN ? len : NAME_SHOWN;
}

/* Adds to *SUM; true if one of STRINGS is more than MAX bytes, named to T. */
static bool find_long(char *const *strings, bool are_variables, size_t max,
		      size_t *sum, struct text *t)
{
	size_t len;

	for (size_t i = 0; strings[i]; i++) {
		len = strlen(strings[i]) + 1;
		*sum += len + sizeof(char *);
		if (len <= max)
			continue;
		text_add(t, are_variables ? ": variable " : ": argument ");
		if (are_variables)
			text_add_bytes(t, strings[i], name_len(strings[i]));
		else
			text_add_number(t, (long long)i);
		text_add(t, " has ");
		text_add_number(t, (long long)len - 1);
		text_add(t, " bytes, ");
		text_add_number(t, (long long)max - 1);
		text_add(t, " at most");
		return true;
	}
	return false;
}

void vector_explain_size(const struct vector *v, size_t page, struct text *t)
{
	const size_t max = VECTOR_ARG_PAGES * page;
	size_t sum = 0;

	if (find_long(v->argv, false, max, &sum, t) ||
	    find_long(v->envp, true, max, &sum, t))
		return;
	text_add(t, ": arguments and variables have ");
	text_add_number(t, (long long)sum);
	text_add(t, " bytes");
}
