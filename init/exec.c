#include "init/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "init/confine.h"
#include "init/names.h"
#include "init/program.h"
#include "init/report.h"
#include "init/spec/config.h"
#include "init/spec/spec.h"
#include "init/spec/user.h"
#include "init/stdio.h"
#include "init/vector.h"
#include "rootfs/cgroup.h"
#include "rootfs/file.h"

enum {
	EXIT_CANNOT = 126,
	EXIT_MISSING = 127,
};

/* One start. */
struct start {
	const struct exec_job *job;
	struct exec_report *report; /* why it failed */
	struct file text;	    /* of environment-file */
	struct file memory;	    /* of VECTOR */
	struct vector vector;
	bool has_user; /* false: as the kernel started us, USER is not set */
	/* Large: what is seldom used lies behind what always is. */
	struct program program; /* as root finds it */
	struct program own;	/* as the user finds it */
	struct user user;
};

/*
 * A process makes one start. Of these 30 KB what is used is filled in. Not on the stack,
 * whose frames are probed page by page: here a page that is not used is none.
 */
static struct start only_start;

/* --- reports --- */

/* Appends S to the string TO of CAP bytes, cut if it is too long. */
static void append(char *to, size_t cap, const char *s)
{
	size_t len = strlen(to), more = strnlen(s, cap - 1 - len);

	memcpy(to + len, s, more);
	to[len + more] = '\0';
}

static void fill_report(const struct exec_job *job, enum exec_kind kind,
			const char *object, const char *reason,
			struct exec_report *ret)
{
	*ret = (struct exec_report){ .kind = (uint8_t)kind };
	if (!job->is_main) {
		append(ret->object, sizeof(ret->object),
		       job->service->supervision.name);
		append(ret->object, sizeof(ret->object), ": ");
	}
	append(ret->object, sizeof(ret->object), object);
	append(ret->reason, sizeof(ret->reason), reason);
}

/* If PID 1 cannot be told, the program must not run. */
static void send_report(const struct exec_job *job, const struct exec_report *r)
{
	if (write(job->report_fd, r, sizeof(*r)) != sizeof(*r))
		_exit(EXIT_CANNOT);
}

static int fail(struct start *s, const char *object, const char *reason)
{
	fill_report(s->job, EXEC_FAILED, object, reason, s->report);
	return -1;
}

static int fail_named(struct start *s, const char *key, const char *value,
		      const char *reason)
{
	struct text t;

	text_clear(&t);
	text_add(&t, key);
	text_add(&t, " ");
	text_add(&t, value);
	return fail(s, text_string(&t), reason);
}

/* What the kernel did not unpack is missing as well. */
static int fail_lookup(struct start *s, const char *key, const char *value,
		       const char *reason)
{
	fail_named(s, key, value, reason);
	s->report->may_be_cut = true;
	return -1;
}

/* The program OBJECT was not started because of -errno R. */
static int fail_program(struct start *s, int r, const char *object,
			struct text *reason)
{
	fail(s, object, text_string(reason));
	s->report->may_be_cut = true;
	s->report->error = r;
	return -1;
}

/* STEP, which has no words of its own. */
static int fail_step(struct start *s, int r, const char *step)
{
	struct text t;

	text_clear(&t);
	text_add(&t, step);
	text_add(&t, ": ");
	text_add(&t, strerror(-r));
	return fail_program(s, r, s->program.path, &t);
}

/* --- who and where --- */

/* First of all: what this child needs counts, too. */
static int enter_cgroup(struct start *s)
{
	int r = s->job->cgroup ? cgroup_enter(s->job->cgroup) : 0;

	return r < 0 ? fail(s, "control group", strerror(-r)) : 0;
}

static int fail_user(struct start *s, int r, const char *who)
{
	const struct names *n = s->job->names;
	bool is_group = r == -USER_E_GROUP;
	bool is_there = is_group ? n->group.data : n->passwd.data;
	struct text reason;

	text_clear(&reason);
	switch (-r) {
	case USER_E_MANY:
		text_add(&reason, "in more than 63 groups of " USER_GROUP);
		break;
	case USER_E_HOME:
		text_add(&reason, "a home longer than 4095 bytes");
		break;
	default:
		text_add(&reason, is_there ? "not in " : "there is no ");
		text_add(&reason, is_group ? USER_GROUP : USER_PASSWD);
		break;
	}
	return fail_lookup(s, is_group ? "group" : "user", who,
			   text_string(&reason));
}

/* Without user or group keys we stay root, as the kernel started us. */
static int find_user(struct start *s)
{
	const struct config_service *service = s->job->service;
	const char *user = service->user ? service->user : "0", *word;
	int r;

	if (!service->user && !service->group &&
	    service->supplementary_groups.count == 0)
		return 0;
	r = names_resolve(s->job->names, user, service->group, &s->user);
	if (r < 0)
		return fail_user(s, r,
				 r == -USER_E_GROUP ? service->group : user);
	r = names_add_groups(s->job->names, service->supplementary_groups.first,
			     service->supplementary_groups.count, &s->user,
			     &word);
	if (r < 0)
		return fail_user(s, r, r == -USER_E_GROUP ? word : user);
	s->has_user = true;
	return 0;
}

static int enter_folder(struct start *s)
{
	const struct exec_job *job = s->job;

	if (!job->service->workdir) {
		if (job->is_main && job->folder_fd >= 0)
			(void)!fchdir(job->folder_fd);
		return 0;
	}
	if (chdir(job->service->workdir) == 0)
		return 0;
	return fail_lookup(s, "workdir", job->service->workdir,
			   strerror(errno));
}

/* --- arguments and environment --- */

static int fail_text(struct start *s, int r, size_t line)
{
	struct text t;

	text_clear(&t);
	if (r == -EWOULDBLOCK)
		text_add(&t, "a process holds a lease on it");
	else if (r == -ELOOP)
		text_add(&t, "a symbolic link that is not root's, or a loop");
	else
		report_spec(r, line, &t);
	fail_named(s, "environment-file", s->job->service->environment_file,
		   text_string(&t));
	s->report->may_be_cut = r == -ENOENT;
	return -1;
}

/*
 * As root, past what a service may have put there: no link of a user leads to a file
 * that the user may not read, and nothing that is no file is waited for.
 */
static int read_trusted(const char *path, struct file *ret)
{
	int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), fd, r;

	if (root < 0)
		return -errno;
	fd = file_open_trusted(root, path);
	close(root);
	if (fd < 0)
		return fd == -ENOLINK ? -ENOENT : fd;
	r = file_read_fd(fd, SPEC_FILE_MAX, ret);
	close(fd);
	return r;
}

static int read_text(struct start *s)
{
	const struct config_service *service = s->job->service;
	int r;

	if (!service->environment_file)
		return 0;
	r = read_trusted(service->environment_file, &s->text);
	if (r == -ENOENT && service->environment_file_may_lack)
		return 0;
	return r < 0 ? fail_text(s, r, 0) : 0;
}

static bool is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int make_vector(struct start *s)
{
	const struct exec_job *job = s->job;
	struct vector_source source = {
		.service = job->service,
		.app_argv = job->app_argv,
		.app_argc = job->app_argc,
		.app_envp = job->app_envp,
		.app_envc = job->app_envc,
		.user = job->service->user ? &s->user : NULL,
		.notify_variable = (char *)(uintptr_t)job->notify_variable,
		.proxy = job->proxy,
	};
	size_t line = 0;
	int r;

	if (read_text(s) < 0)
		return -1;
	source.text = s->text.data;
	source.text_len = s->text.len;
	source.root_has_home = !source.user && is_directory("/root");
	r = file_alloc(vector_size(&source), &s->memory);
	if (r < 0)
		return fail(s, "memory", strerror(-r));
	r = vector_fill(&source, s->memory.data, &s->vector, &line);
	return r < 0 ? fail_text(s, r, line) : 0;
}

/* --- the program --- */

static const char *search_path(const struct start *s)
{
	return spec_getenv(s->vector.envp, s->vector.envc, "PATH");
}

static int find_program(struct start *s)
{
	const char *name = s->vector.argv[0], *search = search_path(s);
	int r = program_find(name, search, &s->program);
	struct text t;

	if (r == 0)
		return 0;
	text_clear(&t);
	text_add(&t, r == -ENOENT ? "not found" :
		     r == -EACCES ? "not an executable file" :
				    strerror(-r));
	if (!strchr(name, '/')) {
		text_add(&t, ", PATH searched: ");
		text_add(&t, search);
	}
	return fail_program(s, r, name, &t);
}

/*
 * Looks a name without a slash up once more, as the user that we have become, who
 * may not get at all that root does. If the user finds nothing, what root has found
 * stays: its exec says why. So does the same program, at which root has looked
 * before limits on open files, too.
 */
static void find_as_user(struct start *s)
{
	const char *name = s->vector.argv[0];

	if (!s->has_user || s->user.uid == 0 || strchr(name, '/') ||
	    program_find(name, search_path(s), &s->own) < 0)
		return;
	if (strcmp(s->own.path, s->program.path) != 0)
		s->program = s->own;
}

/* All that is looked up as root. */
static int prepare(struct start *s)
{
	if (find_user(s) < 0 || enter_folder(s) < 0 || make_vector(s) < 0)
		return -1;
	return find_program(s);
}

/* --- signals --- */

static void default_signals(sigset_t *ret_mask)
{
	/*
	 * The kernel's own struct, all of it zero: SIG_DFL, no flags, no mask.
	 * libc's sigaction refuses its internal signals, which whoever ran us
	 * may have had ignored.
	 */
	static const unsigned long dfl[4];
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		(void)syscall(SYS_rt_sigaction, sig, dfl, NULL, NSIG / 8);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, ret_mask);
}

/* --- privileges, and the end --- */

static struct confine confine_of(const struct start *s)
{
	const struct config_service *service = s->job->service;
	const struct file *filter = s->job->filter;

	return (struct confine){
		.asked = service->confine,
		.limits = &service->limits,
		.has_ids = s->has_user,
		.uid = s->has_user ? s->user.uid : 0,
		.gid = s->has_user ? s->user.gid : 0,
		.groups = s->user.groups,
		.group_count = s->has_user ? s->user.group_count : 0,
		.undumpable = true,
		/* A container's runtime has done it, and took our right to. */
		.protect_kernel = s->job->in_container ?
					  service->protect_kernel ==
						  CONFIG_PROTECT_YES :
					  config_protects_kernel(service),
		.filter = filter ? filter->data : NULL,
		.filter_len = filter ? filter->len : 0,
	};
}

/* confine_warn_fn */
static void warn(void *ctx, enum confine_stage stage, int r)
{
	const struct exec_job *job = ctx;
	struct exec_report report;
	struct text t;

	text_clear(&t);
	confine_name_stage(stage, &t);
	fill_report(job, EXEC_WARNED, text_string(&t), strerror(-r), &report);
	send_report(job, &report);
}

/* The same where PID 1 itself becomes the program. */
static void warn_here(void *ctx, enum confine_stage stage, int r)
{
	struct text t;

	(void)ctx;
	text_clear(&t);
	confine_name_stage(stage, &t);
	log_line("spawn", text_string(&t), strerror(-r));
}

static int fail_confine(struct start *s, int r, enum confine_stage stage)
{
	const char *user = s->job->service->user;
	struct text t;

	text_clear(&t);
	if (stage == CONFINE_USER) {
		text_add(&t, "it cannot become user ");
		text_add(&t, user ? user : "root");
	} else {
		confine_name_stage(stage, &t);
	}
	return fail_step(s, r, text_string(&t));
}

static int take_privileges(struct start *s, const struct confine *c,
			   confine_warn_fn *warn_or_null)
{
	enum confine_stage stage;
	int proc = s->job->proc_fd, r;

	if (proc < 0)
		proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	r = confine_begin(c, proc, warn_or_null, (void *)(uintptr_t)s->job,
			  &stage);
	if (r < 0)
		return fail_confine(s, r, stage);
	find_as_user(s);
	r = confine_finish(c, &stage);
	/* A container may have no right to a filter, and no vsock to keep from. */
	if (r < 0 && stage == CONFINE_VSOCK && warn_or_null) {
		struct confine rest = *c;

		warn_or_null((void *)(uintptr_t)s->job, stage, r);
		rest.asked.no_vsock = false;
		r = confine_finish(&rest, &stage);
	}
	return r < 0 ? fail_confine(s, r, stage) : 0;
}

/* Returns only with a failure. */
static int run_program(struct start *s)
{
	const struct program *p = &s->program;
	char **argv = s->vector.argv;
	const char *user = s->job->service->user;
	struct text t;
	int r;

	(void)execve(p->path, argv, s->vector.envp);
	r = -errno;
	if (r == -ENOEXEC && p->kind == EXECUTABLE_TEXT) {
		argv[-1] = (char[]){ EXECUTABLE_SHELL };
		argv[0] = (char *)(uintptr_t)p->path;
		(void)execve(EXECUTABLE_SHELL, argv - 1, s->vector.envp);
		r = -errno;
	}
	text_clear(&t);
	program_explain(p, r, &t);
	if (r == -E2BIG)
		vector_explain_size(&s->vector, (size_t)getpagesize(), &t);
	if (r == -EACCES && user) {
		text_add(&t, ", as user ");
		text_add(&t, user);
	}
	return fail_program(s, r, p->path, &t);
}

static int run_service(struct start *s)
{
	struct confine c;
	const char *step;
	sigset_t mask;
	int r;

	if (enter_cgroup(s) < 0 || prepare(s) < 0)
		return -1;
	r = stdio_take(s->job, &step);
	if (r < 0)
		return fail_step(s, r, step);
	stdio_close_others();
	default_signals(&mask);
	c = confine_of(s);
	if (s->has_user)
		stdio_give(s->job, s->user.uid);
	if (take_privileges(s, &c, s->job->in_container ? warn : NULL) < 0)
		return -1;
	fill_report(s->job, EXEC_ABOUT, s->program.path, "", s->report);
	send_report(s->job, s->report);
	return run_program(s);
}

static struct start *begin(const struct exec_job *job,
			   struct exec_report *report)
{
	struct start *s = &only_start;

	s->job = job;
	s->report = report;
	s->has_user = false;
	s->text = s->memory = (struct file){ 0 };
	return s;
}

_Noreturn void exec_service(const struct exec_job *job)
{
	static struct exec_report report;

	(void)run_service(begin(job, &report));
	send_report(job, &report);
	_exit(report.error == -ENOENT ? EXIT_MISSING : EXIT_CANNOT);
}

void exec_hand_over(const struct exec_job *job, struct exec_report *ret)
{
	struct start *s = begin(job, ret);
	struct confine c;
	const char *step;
	sigset_t mask;
	int r;

	if (prepare(s) < 0)
		goto out;
	r = stdio_take_nulls(job, &step);
	if (r < 0) {
		fail_step(s, r, step);
		goto out;
	}
	stdio_close_others();
	c = confine_of(s);
	/* PID 1 stays root, and ours again where exec fails. */
	c.has_ids = c.undumpable = false;
	if (take_privileges(s, &c, job->in_container ? warn_here : NULL) < 0)
		goto out;
	default_signals(&mask);
	(void)run_program(s);
	(void)sigprocmask(SIG_SETMASK, &mask, NULL);
out:
	file_free(&s->memory);
	file_free(&s->text);
}
