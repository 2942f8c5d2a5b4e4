#include "init/start.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "init/boot.h"
#include "init/exec.h"
#include "init/klog.h"
#include "init/report.h"
#include "init/spec/seccomp.h"
#include "init/supervise.h"

/* --- objects: what is not the application's is named --- */

static bool is_main(size_t i)
{
	return i == 0;
}

static int fail(struct boot *b, size_t i, const char *object,
		const char *reason)
{
	struct text t;

	if (is_main(i))
		return boot_fail(b, object, reason);
	text_clear(&t);
	text_add(&t, b->config->services[i].supervision.name);
	text_add(&t, ": ");
	text_add(&t, object);
	return boot_fail(b, text_string(&t), reason);
}

/* --- before anything runs --- */

static int fail_filter(struct boot *b, size_t i, int r, const char *call)
{
	struct text object, t;

	text_clear(&object);
	text_add(&object, "seccomp ");
	text_add(&object, b->config->services[i].seccomp);
	text_clear(&t);
	text_add(&t, seccomp_error_text(r == -EFBIG ? -SECCOMP_E_SIZE : r));
	text_add(&t, call);
	return fail(b, i, text_string(&object), text_string(&t));
}

static int read_filter(struct boot *b, size_t i)
{
	const char *path = b->config->services[i].seccomp, *call = "";
	struct file *f = &b->filters[i];
	int r;

	if (!path)
		return 0;
	r = file_read(AT_FDCWD, path, SECCOMP_FILE_MAX, f);
	if (r == 0)
		r = seccomp_check(f->data, f->len, seccomp_own_arch(),
				  b->config->hand_over, &call);
	return r < 0 ? fail_filter(b, i, r, call) : 0;
}

/* Who cannot be found is told by its start, which knows all of it. */
static void find_user(struct boot *b, size_t i)
{
	const struct config_service *c = &b->config->services[i];
	struct member *m = &b->supervise.members[i];

	m->has_user = c->user;
	m->uid = getuid(); /* a container may have another than root */
	if (!c->user)
		return;
	m->uid = (uid_t)-1;
	if (names_resolve(&b->names, c->user, c->group, &b->user) == 0)
		m->uid = b->user.uid;
}

static bool needs_names(const struct config *c)
{
	for (size_t i = 0; i < c->service_count; i++)
		if (c->services[i].user || c->services[i].group ||
		    c->services[i].supplementary_groups.count > 0)
			return true;
	return false;
}

static int prepare(struct boot *b)
{
	const char *key;
	int r;

	if (!needs_names(b->config))
		names_free(&b->names);
	else if (boot_read_names(b) < 0)
		return -1;
	for (size_t i = 0; i < b->config->service_count; i++) {
		if (read_filter(b, i) < 0)
			return -1;
		find_user(b, i);
		r = supervise_prepare(&b->supervise, i, b->config,
				      b->in_container ? -1 : b->cgroup_version,
				      &key);
		if (r < 0)
			return fail(b, i, key, strerror(-r));
	}
	return 0;
}

/* --- a start --- */

static void fill_job(const struct boot *b, size_t i, struct exec_job *ret)
{
	const struct member *m = &b->supervise.members[i];

	*ret = (struct exec_job){
		.service = &b->config->services[i],
		.is_main = is_main(i),
		.names = &b->names,
		.filter = b->filters[i].data ? &b->filters[i] : NULL,
		.app_argv = b->app_argv,
		.app_argc = b->app_argc,
		.app_envp = b->app_envp,
		.app_envc = b->app_envc,
		.notify_variable = m->socket.fd >= 0 ? m->socket.variable :
						       NULL,
		.proxy = b->in_container ? NULL : config_proxy(b->config),
		.console = b->in_container ? NULL : "/dev/console",
		.folder_fd = is_main(i) && b->in_container ? b->folder_fd : -1,
		.proc_fd = b->proc_fd,
		.in_container = b->in_container,
		.report_fd = -1,
		.log_fds = { link_stream(&b->link, i, 1),
			     link_stream(&b->link, i, 2) },
	};
}

static _Noreturn void start_child(void *ctx, size_t i, int report_fd,
				  bool is_in_cgroup)
{
	const struct boot *b = ctx;
	const struct cgroup *g = &b->supervise.members[i].cgroup;
	struct exec_job job;

	fill_job(b, i, &job);
	job.report_fd = report_fd;
	if (g->fds[0] >= 0 && !is_in_cgroup)
		job.cgroup = g;
	exec_service(&job);
}

static void runs(void *ctx, size_t i)
{
	const struct boot *b = ctx;

	if (is_main(i) && b->in_container)
		return; /* there it has the terminal for itself */
	log_line(boot_steps[b->step].name, b->supervise.members[i].program,
		 "started by enclave-init " ENCLAVE_INIT_VERSION);
}

static const char *first_word(const struct boot *b, size_t i)
{
	const char *word = b->config->services[i].command.first;

	return word ? word : b->app_argv[0];
}

static void failed(void *ctx, size_t i, const struct exec_report *report,
		   int status)
{
	struct boot *b = ctx;
	struct text t;

	if (is_main(i))
		b->start_error = report ? report->error : -ECHILD;
	if (!report) {
		text_clear(&t);
		text_add(&t, "its process ended before exec, ");
		report_status(status, false, &t);
		(void)fail(b, i, first_word(b, i), text_string(&t));
		return;
	}
	if (*report->object == '\0') { /* there was no child to say it */
		(void)fail(b, i, first_word(b, i), report->reason);
		return;
	}
	if (report->may_be_cut && boot_check_initramfs(b) < 0)
		return;
	(void)boot_fail(b, report->object, report->reason);
}

static void stopped(void *ctx, const char *name, const char *reason)
{
	struct boot *b = ctx;
	const char *program = b->supervise.members[0].program;

	if (b->supervise.count == 1)
		name = *program ? program : first_word(b, 0);
	(void)boot_fail(b, name, reason);
}

static int hand_over(struct boot *b)
{
	struct exec_report report = { 0 };
	struct exec_job job;

	fill_job(b, 0, &job);
	/* Before it: there is no PID 1 of ours to say it afterwards. */
	if (!b->in_container)
		log_line(
			boot_steps[b->step].name, first_word(b, 0),
			"process 1 from here on, by enclave-init " ENCLAVE_INIT_VERSION);
	/* What is kept of the log would be lost with this program. */
	if (!log_flush())
		boot_drain_log(b);
	exec_hand_over(&job, &report);
	failed(b, 0, &report, 0);
	return -1;
}

int start_services(struct boot *b)
{
	supervise_init(&b->supervise, b->config, &b->loop, &b->children,
		       b->proc_fd);
	b->supervise.ctx = b;
	b->supervise.start = start_child;
	b->supervise.runs = runs;
	b->supervise.failed = failed;
	b->supervise.stop = stopped;
	if (b->in_container) /* what the machine has seen before is not ours */
		b->supervise.oom_kills = klog_oom_kills(b->proc_fd);
	if (prepare(b) < 0)
		return -1;
	if (b->config->hand_over)
		return hand_over(b);
	return supervise_start(&b->supervise);
}

void start_forget(struct boot *b)
{
	file_free(&b->cmd);
	file_free(&b->env);
	file_free(&b->vectors);
	b->config = NULL;
	file_free(&b->config_memory);
	file_free(&b->config_text);
	names_free(&b->names);
	for (size_t i = 0; i < CONFIG_SERVICES_MAX; i++)
		file_free(&b->filters[i]);
}
