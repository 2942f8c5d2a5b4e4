#include "init/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "init/boot.h"
#include "init/config.h"
#include "init/log.h"
#include "init/report.h"
#include "init/seccomp.h"
#include "init/spawn.h"
#include "init/spec.h"

enum {
	VARIABLES_MORE = 8, /* PATH, HOME, USER, ..., NULL */
	VARIABLE_MAX = 64,
	ARG_PAGES = 32, /* of one argument: the kernel's MAX_ARG_STRLEN */
	NAME_SHOWN = 64,
};

/* What one start is made of. */
struct launch {
	struct boot *boot;
	const struct config_service *service;
	struct program *program;
	const struct user *user; /* NULL: root, as the kernel started us */
	struct file vectors;	 /* memory of argv and envp */
	struct file variables;	 /* the lines of environment-file */
	struct file filter;	 /* of seccomp */
	char **argv, **envp;
	size_t envc;
	char watchdog[VARIABLE_MAX]; /* WATCHDOG_USEC=... */
};

/* Why it is not started; what is not the application's is named. */
static int fail(const struct launch *l, const char *object, const char *reason)
{
	struct text t;

	if (l->service == l->boot->config->services)
		return boot_fail(l->boot, object, reason);
	text_clear(&t);
	text_add(&t, l->service->name);
	text_add(&t, ": ");
	text_add(&t, object);
	return boot_fail(l->boot, text_string(&t), reason);
}

static int fail_named(const struct launch *l, const char *key,
		      const char *value, const char *reason)
{
	struct text t;

	text_clear(&t);
	text_add(&t, key);
	text_add(&t, " ");
	text_add(&t, value);
	return fail(l, text_string(&t), reason);
}

/* --- whose and where --- */

/* Without that file there are no names, which a number does not need. */
static int read_names(const struct launch *l, const char *path,
		      struct file *ret)
{
	int r = file_read(AT_FDCWD, path, USER_FILE_MAX, ret);

	if (r == 0 || r == -ENOENT || r == -ENOTDIR)
		return 0;
	return fail(l, path, r == -EFBIG ? "longer than 1 MiB" : strerror(-r));
}

static int fail_user(const struct launch *l, int r, const char *who,
		     bool file_is_there)
{
	bool group = r == -USER_E_GROUP;
	struct text reason;

	if (boot_check_initramfs(l->boot) < 0)
		return -1;
	text_clear(&reason);
	switch (-r) {
	case USER_E_MANY:
		text_add(&reason, "in more than 63 groups of " USER_GROUP);
		break;
	case USER_E_HOME:
		text_add(&reason, "a home longer than 4095 bytes");
		break;
	default:
		text_add(&reason, file_is_there ? "not in " : "there is no ");
		text_add(&reason, group ? USER_GROUP : USER_PASSWD);
		break;
	}
	return fail_named(l, group ? "group" : "user", who,
			  text_string(&reason));
}

/* Whom it runs as. Root is whom the kernel started, unless groups are named. */
static int find_user(struct launch *l)
{
	const struct config_service *s = l->service;
	const char *user = s->user ? s->user : "0", *word;
	struct file passwd = { 0 }, group = { 0 };
	struct user_file groups;
	int r;

	if (!s->user && !s->group && s->supplementary_groups.count == 0)
		return 0;
	r = read_names(l, USER_PASSWD, &passwd);
	if (r == 0)
		r = read_names(l, USER_GROUP, &group);
	if (r < 0)
		goto out;
	groups = (struct user_file){ group.data, group.len };
	r = user_resolve(user, s->group,
			 (struct user_file){ passwd.data, passwd.len }, groups,
			 &l->boot->user);
	if (r < 0) {
		r = fail_user(l, r, r == -USER_E_GROUP ? s->group : user,
			      r == -USER_E_GROUP ? group.data : passwd.data);
		goto out;
	}
	r = user_add_groups(s->supplementary_groups.first,
			    s->supplementary_groups.count, groups,
			    &l->boot->user, &word);
	if (r < 0)
		r = fail_user(l, r, r == -USER_E_GROUP ? word : user,
			      group.data);
	else
		l->user = &l->boot->user;
out:
	file_free(&passwd);
	file_free(&group);
	return r;
}

static int enter_workdir(const struct launch *l)
{
	int r;

	if (chdir(l->service->workdir) == 0)
		return 0;
	r = -errno;
	if (boot_check_initramfs(l->boot) < 0)
		return -1;
	return fail_named(l, "workdir", l->service->workdir, strerror(-r));
}

/* --- arguments and environment --- */

static int fail_env_file(const struct launch *l, int r, size_t line)
{
	struct text t;

	text_clear(&t);
	report_spec(r, line, &t);
	return fail_named(l, "environment-file", l->service->environment_file,
			  text_string(&t));
}

static int read_env_file(struct launch *l)
{
	const struct config_service *s = l->service;
	int r;

	if (!s->environment_file)
		return 0;
	r = file_read(AT_FDCWD, s->environment_file, SPEC_FILE_MAX,
		      &l->variables);
	if (r == -ENOENT && s->environment_file_may_lack)
		return 0;
	return r < 0 ? fail_env_file(l, r, 0) : 0;
}

/* One piece of memory: a spare slot, the arguments, the environment. */
static int alloc_vectors(struct launch *l, size_t args)
{
	const struct boot *b = l->boot;
	size_t vars = b->app_envc + l->service->variable_count +
		      spec_count_lines(l->variables.data, l->variables.len) +
		      VARIABLES_MORE;
	int r = file_alloc((1 + args + 1 + vars) * sizeof(char *), &l->vectors);

	if (r < 0)
		return fail(l, "memory", strerror(-r));
	l->argv = (char **)(void *)l->vectors.data + 1;
	l->envp = l->argv + args + 1;
	return 0;
}

static void fill_argv(const struct launch *l, size_t args)
{
	char *word = l->service->command.first;

	if (!word)
		memcpy(l->argv, l->boot->app_argv, args * sizeof(char *));
	for (size_t i = 0; word && i < args; i++) {
		l->argv[i] = word;
		word += strlen(word) + 1;
	}
	l->argv[args] = NULL;
}

static void add_variable(struct launch *l, char *variable)
{
	l->envp[l->envc++] = variable;
}

/* Of NAME=VALUE, unless the image has another. */
static void add_default(struct launch *l, const char *name, char *variable)
{
	if (!spec_getenv(l->envp, l->envc, name))
		add_variable(l, variable);
}

/* What every program may count on, unless the image says otherwise. */
static void add_defaults(struct launch *l)
{
	static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:"
			     "/usr/bin:/sbin:/bin";
	static char home[] = "HOME=/", root_home[] = "HOME=/root";
	struct stat st;

	add_default(l, "PATH", path);
	if (!spec_getenv(l->envp, l->envc, "HOME"))
		add_variable(l, l->service->user ? l->boot->user.home :
				stat("/root", &st) == 0 && S_ISDIR(st.st_mode) ?
						   root_home :
						   home);
}

/* What a login would say of a user. */
static void add_user(struct launch *l)
{
	struct user *u = &l->boot->user;

	if (!l->service->user)
		return;
	add_default(l, "SHELL", u->shell);
	if (u->name[sizeof("USER=") - 1] == '\0')
		return;
	add_default(l, "USER", u->name);
	add_default(l, "LOGNAME", u->log_name);
}

/* For one that tells how it is, as sd_notify(3) has it. */
static void add_notify(struct launch *l)
{
	const struct config_service *s = l->service;
	struct text t;

	if (s->ready != CONFIG_READY_NOTIFY)
		return;
	l->envc =
		spec_setenv(l->envp, l->envc,
			    (char *)(uintptr_t)l->boot->super.notify_variable);
	if (s->watchdog_ms == 0)
		return;
	text_clear(&t);
	text_add(&t, "WATCHDOG_USEC=");
	text_add_number(&t, (long long)s->watchdog_ms * 1000);
	memcpy(l->watchdog, t.buf, t.len);
	l->watchdog[t.len] = '\0';
	l->envc = spec_setenv(l->envp, l->envc, l->watchdog);
}

/* Those of the image, of the service's file, of the configuration, ours. */
static int fill_envp(struct launch *l)
{
	const struct config_service *s = l->service;
	size_t line = 0;
	int r = 0;

	l->envc = l->boot->app_envc;
	memcpy(l->envp, l->boot->app_envp, l->envc * sizeof(char *));
	if (l->variables.data)
		r = spec_parse_env_file(l->variables.data, l->variables.len,
					l->envp, &l->envc, &line);
	if (r < 0)
		return fail_env_file(l, r, line);
	for (size_t i = 0; i < s->variable_count; i++)
		l->envc = spec_setenv(l->envp, l->envc, s->variables[i]);
	add_defaults(l);
	add_user(l);
	add_notify(l);
	l->envp[l->envc] = NULL;
	return 0;
}

static int fill_vectors(struct launch *l)
{
	size_t args = l->service->command.first ? l->service->command.count :
						  l->boot->app_argc;

	if (read_env_file(l) < 0 || alloc_vectors(l, args) < 0)
		return -1;
	fill_argv(l, args);
	return fill_envp(l);
}

/* --- the program --- */

static int read_filter(struct launch *l)
{
	const char *call = "";
	struct text t;
	int r;

	if (!l->service->seccomp)
		return 0;
	r = file_read(AT_FDCWD, l->service->seccomp, SECCOMP_FILE_MAX,
		      &l->filter);
	if (r == 0)
		r = seccomp_check(l->filter.data, l->filter.len,
				  seccomp_own_arch(), &call);
	if (r == 0)
		return 0;
	text_clear(&t);
	text_add(&t, seccomp_error_text(r == -EFBIG ? -SECCOMP_E_SIZE : r));
	text_add(&t, call);
	return fail_named(l, "seccomp", l->service->seccomp, text_string(&t));
}

static int fail_find(const struct launch *l, const char *search, int r)
{
	const char *name = l->argv[0];
	struct text t;

	if (boot_check_initramfs(l->boot) < 0)
		return -1;
	text_clear(&t);
	text_add(&t, r == -ENOENT ? "not found" :
		     r == -EACCES ? "not an executable file" :
				    strerror(-r));
	if (!strchr(name, '/')) {
		text_add(&t, ", PATH searched: ");
		text_add(&t, search);
	}
	return fail(l, name, text_string(&t));
}

static size_t name_len(const char *variable)
{
	size_t len = strcspn(variable, "=");

	return len < NAME_SHOWN ? len : NAME_SHOWN;
}

/* Adds to *SUM; whether one of STRINGS is more than execve takes, and which. */
static bool find_long(char *const *strings, bool are_variables, size_t *sum,
		      struct text *t)
{
	const size_t max = ARG_PAGES * (size_t)getpagesize();
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

/* What of the vectors is too long for execve, or how long they are. */
static void explain_size(const struct launch *l, struct text *t)
{
	size_t sum = 0;

	if (find_long(l->argv, false, &sum, t) ||
	    find_long(l->envp, true, &sum, t))
		return;
	text_add(t, ": arguments and variables have ");
	text_add_number(t, (long long)sum);
	text_add(t, " bytes");
}

static int fail_spawn(const struct launch *l, int r, enum spawn_stage stage,
		      int status)
{
	struct text t;

	if (boot_check_initramfs(l->boot) < 0)
		return -1;
	text_clear(&t);
	switch ((int)stage) {
	case SPAWN_EXEC:
		program_explain(l->program, r, &t);
		if (r == -E2BIG)
			explain_size(l, &t);
		if (r == -EACCES && l->service->user) {
			text_add(&t, ", as user ");
			text_add(&t, l->service->user);
		}
		break;
	case SPAWN_DIED:
		text_add(&t, "its process ended before exec, ");
		report_status(status, false, &t);
		break;
	case SPAWN_USER:
		text_add(&t, "it cannot become user ");
		text_add(&t, l->service->user ? l->service->user : "root");
		text_add(&t, ": ");
		text_add(&t, strerror(-r));
		break;
	default:
		spawn_name_stage(stage, &t);
		text_add(&t, ": ");
		text_add(&t, strerror(-r));
		break;
	}
	return fail(l, l->program->path, text_string(&t));
}

static pid_t run(struct launch *l)
{
	const char *search = spec_getenv(l->envp, l->envc, "PATH");
	const struct spawn_job job = {
		.program = l->program,
		.argv = l->argv,
		.envp = l->envp,
		.user = l->user,
		.service = l->service,
		.filter = l->filter.data,
		.filter_len = l->filter.len,
		.console = l->boot->in_container ? NULL : "/dev/console",
		.in_container = l->boot->in_container,
	};
	enum spawn_stage stage;
	int status = 0, r;
	pid_t pid;

	r = program_find(l->argv[0], search, l->program);
	l->boot->start_error = r;
	if (r < 0)
		return fail_find(l, search, r);
	if (l->user && l->user->uid != 0 && !strchr(l->argv[0], '/'))
		spawn_find(l->argv[0], search, l->user, l->program);
	r = spawn_program(&job, &pid, &stage, &status);
	l->boot->start_error = r;
	return r < 0 ? fail_spawn(l, r, stage, status) : pid;
}

static void tell(const struct launch *l)
{
	bool is_main = l->service == l->boot->config->services;
	struct text object, t;

	if (is_main && l->boot->in_container)
		return; /* there it has the terminal for itself */
	text_clear(&object);
	if (!is_main) {
		text_add(&object, l->service->name);
		text_add(&object, ": ");
	}
	text_add(&object, l->program->path);
	text_clear(&t);
	text_add(&t, "started by enclave-init ");
	text_add(&t, boot_version);
	log_line(boot_steps[l->boot->step].name, text_string(&object),
		 text_string(&t));
}

pid_t launch_service(void *ctx, size_t i)
{
	struct boot *b = ctx;
	struct program other = { .kind = PROGRAM_OTHER };
	struct launch l = {
		.boot = b,
		.service = &b->config->services[i],
		/* The application's is told at the end, too. */
		.program = i == 0 ? &b->program : &other,
	};
	pid_t pid = -1;

	if (find_user(&l) < 0)
		goto out;
	if (l.service->workdir) {
		if (enter_workdir(&l) < 0)
			goto out;
	} else if (i == 0 && b->in_container) {
		(void)!fchdir(b->folder_fd);
	}
	if (fill_vectors(&l) < 0 || read_filter(&l) < 0)
		goto out;
	pid = run(&l);
	if (pid > 0)
		tell(&l);
out:
	if (l.service->workdir || b->in_container)
		(void)!chdir("/"); /* it is the service's alone */
	file_free(&l.filter);
	file_free(&l.variables);
	file_free(&l.vectors);
	return pid;
}
