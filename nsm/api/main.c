#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "nsm/api/base/loop.h"
#include "nsm/api/base/notify.h"
#include "nsm/api/base/sandbox.h"
#include "nsm/api/compat/coco.h"
#include "nsm/api/http/access.h"
#include "nsm/api/http/connection.h"
#include "nsm/api/http/listener.h"
#include "nsm/api/jobs/jobs.h"
#include "nsm/api/spec/conf.h"
#include "nsm/api/tables.h"
#include "vsock/io.h"

enum {
	DONE = 0,
	BAD_CONFIG = 1,
	USAGE = 2,
	FAILED = 5,
	END_MS = 2000, /* for answers that are under way */
};

static const char usage[] =
	"usage: enclave-api [CONFIGURATION]\n"
	"       enclave-api --check CONFIGURATION\n"
	"       enclave-api --routes\n"
	"       enclave-api --version\n"
	"\n"
	"Attestation, random bytes, PCRs and KMS for the programs of an enclave, by\n"
	"HTTP on a UNIX socket. CONFIGURATION is /etc/enclave-api.conf if none is given.\n";

static struct spec spec;
static char text[SPEC_TEXT_MAX + 2];
static struct loop loop;

static int say(const struct spec_fault *f)
{
	if (f->line)
		(void)fprintf(stderr, "enclave-api: line %u: %s\n", f->line,
			      f->words);
	else
		(void)fprintf(stderr, "enclave-api: %s\n", f->words);
	return BAD_CONFIG;
}

static int read_spec(const char *path)
{
	struct spec_fault fault = { 0 };
	ssize_t len = io_read_file(path, 0, text, SPEC_TEXT_MAX + 1);

	if (len < 0) {
		(void)fprintf(stderr, "enclave-api: %s: %s\n", path,
			      strerror((int)-len));
		return BAD_CONFIG;
	}
	return conf_read(text, (size_t)len, &spec, &fault) < 0 ? say(&fault) :
								 DONE;
}

/* --- the end --- */

static struct timer last_timer;
static int64_t end_ms;

static void on_last(struct timer *t)
{
	if (connection_end() || loop_now_ms(&loop) >= end_ms)
		loop_stop(&loop);
	else
		loop_timer(&loop, t, loop_now_ms(&loop) + 20);
}

static void on_signal(struct watch *w, uint32_t events)
{
	struct signalfd_siginfo info;

	(void)events;
	if (read(w->fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (info.ssi_signo == SIGCHLD) {
		jobs_reap();
		return;
	}
	listener_close();
	last_timer.due = on_last;
	end_ms = loop_now_ms(&loop) + END_MS;
	loop_timer(&loop, &last_timer, loop_now_ms(&loop));
}

static int open_signals(struct watch *w)
{
	sigset_t set;

	(void)signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	w->ready = on_signal;
	w->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return w->fd < 0 ? -errno : loop_add(&loop, w, EPOLLIN);
}

/* --- the beginning --- */

static void on_jobs_ready(void)
{
	const char *name = getenv("NOTIFY_SOCKET");
	int r;

	if (!name || !*name)
		return;
	r = notify_send(name, "READY=1");
	if (r < 0)
		(void)fprintf(stderr, "enclave-api: NOTIFY_SOCKET: %s\n",
			      strerror(-r));
}

/* What neither it nor its children ever need. */
static int confine(void)
{
	const struct rlimit none = { 0, 0 };
	struct rlimit files;
	int r;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return -errno;
	/* Less is for who has set it: where there are none left, clients wait. */
	if (files.rlim_max > JOBS_FILES_MAX)
		files.rlim_max = JOBS_FILES_MAX;
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_CORE, &none) < 0 ||
	    setrlimit(RLIMIT_NOFILE, &files) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	r = sandbox_enter(SANDBOX_SERVES);
	if (r != -EINVAL && r != -ENOSYS)
		return r;
	/* That is no reason not to serve. */
	(void)fprintf(
		stderr,
		"enclave-api: this kernel has no filters of system calls\n");
	return 0;
}

static int serve(void)
{
	static struct watch signals;
	struct spec_fault fault = { 0 };
	int r = loop_open(&loop);

	if (r == 0)
		r = open_signals(&signals);
	if (r < 0) {
		(void)fprintf(stderr, "enclave-api: %s\n", strerror(-r));
		return FAILED;
	}
	if (access_open(&spec, &fault) < 0)
		return say(&fault);
	connection_open(&loop, tables_all);
	if (coco_open(&spec, &fault) < 0 ||
	    jobs_open(&loop, &spec, on_jobs_ready, &fault) < 0 ||
	    listener_open(&loop, &spec, &fault) < 0) {
		(void)say(&fault);
		return FAILED;
	}
	loop_guard(&loop);
	r = confine();
	if (r == 0)
		r = loop_run(&loop);
	listener_close();
	jobs_close();
	if (r < 0)
		(void)fprintf(stderr, "enclave-api: %s\n", strerror(-r));
	return r < 0 ? FAILED : DONE;
}

static int print_routes(void)
{
	static const char *const methods[] = {
		[WEB_GET] = "GET", [WEB_POST] = "POST", [WEB_PUT] = "PUT"
	};

	for (const struct web_route *const *t = tables_all; *t; t++)
		for (const struct web_route *r = *t; r->path; r++)
			(void)printf("%s %s %s %s\n",
				     conf_dialect_text(r->dialect),
				     methods[r->method], r->path,
				     conf_subject_text(r->subject));
	return fflush(stdout) == 0 ? DONE : FAILED;
}

int main(int argc, char **argv)
{
	const char *path = "/etc/enclave-api.conf";
	int r;

	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		(void)puts("enclave-api " ENCLAVE_INIT_VERSION);
		return DONE;
	}
	if (argc == 2 && strcmp(argv[1], "--routes") == 0)
		return print_routes();
	if (argc == 2 &&
	    (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		(void)fputs(usage, stdout);
		return DONE;
	}
	if (argc == 3 && strcmp(argv[1], "--check") == 0)
		return read_spec(argv[2]);
	if (argc > 2 || (argc == 2 && argv[1][0] == '-')) {
		(void)fputs(usage, stderr);
		return USAGE;
	}
	if (argc == 2)
		path = argv[1];
	(void)prctl(PR_SET_DUMPABLE, 0);
	r = read_spec(path);
	return r ? r : serve();
}
