#include "init/container.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init/boot.h"
#include "init/console.h"
#include "init/inputs.h"
#include "init/log.h"
#include "init/power.h"
#include "init/spec/config.h"
#include "init/start.h"
#include "init/supervise.h"

enum {
	EXIT_FAULT = 125, /* of ours, as docker has it */
	EXIT_CANNOT = 126,
	EXIT_MISSING = 127,
	EXIT_SIGNAL = 128,
};

extern char **environ;

bool container_is_one(void)
{
	struct stat st;

	return getpid() == 1 && stat("/proc/self/ns/pid", &st) == 0 &&
	       st.st_ino != POWER_INITIAL_PID_NS;
}

static size_t count(char *const *words)
{
	size_t n = 0;

	while (words[n])
		n++;
	return n;
}

static int exit_code(const struct service *who)
{
	return WIFEXITED(who->status) ? WEXITSTATUS(who->status) :
					EXIT_SIGNAL + WTERMSIG(who->status);
}

/* Of a start that failed: the application's own, where it ran and has ended. */
static int failed_code(const struct boot *b)
{
	const struct service *app = &b->supervise.members[0].service;
	int code = exit_code(app);

	if (b->start_error < 0)
		return b->start_error == -ENOENT ? EXIT_MISSING : EXIT_CANNOT;
	if (app->state == SERVICE_ENDED && (app->has_started || app->is_told) &&
	    (code != 0 || app->is_told))
		return code;
	return EXIT_FAULT;
}

/* The words on the command line stand for the configuration's command. */
static int take_command(struct boot *b, char **argv)
{
	if (*argv && strcmp(*argv, "--") == 0)
		argv++;
	if (*argv) {
		b->config->services[0].command = (struct config_words){ 0 };
		b->app_argv = argv;
		b->app_argc = count(argv);
	} else if (!b->config->services[0].command.first) {
		return boot_fail(b, "--container",
				 "neither a program nor a configuration "
				 "with a command");
	}
	b->app_envp = environ;
	b->app_envc = count(environ);
	return 0;
}

/*
 * Whoever runs the container has the other end of descriptor 2, and may not read it: a
 * description of our own alone does not block.
 */
static int open_log(void)
{
	int fd = open("/proc/self/fd/2",
		      O_WRONLY | O_APPEND | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	return fd > 2 ? fd : (int)syscall(SYS_fcntl, 2, F_DUPFD_CLOEXEC, 3);
}

/* What it has said is to be seen. */
static int leave(struct boot *b, int code)
{
	boot_drain_log(b);
	return code;
}

/* What PID 1 leaves is killed with its end. */
static int end(struct boot *b, int code)
{
	supervise_stop(&b->supervise);
	return leave(b, code);
}

int container_run(struct boot *b, char **argv)
{
	int r;

	b->step = BOOT_SPEC;
	b->in_container = true;
	loop_block_signals();
	(void)console_open_stdio(); /* or a pipe of ours would be one of them */
	/* Its console is whoever runs it, not the machine's. */
	log_open(open_log());
	b->proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = boot_open_loop(b);
	if (r < 0) {
		(void)boot_fail(b, "signalfd", strerror(-r));
		return EXIT_FAULT;
	}
	/* The configuration is the root's, and PID 1 keeps no folder busy. */
	b->folder_fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	(void)!chdir("/");
	if (inputs_read_config(b) < 0 || take_command(b, argv) < 0)
		return leave(b, EXIT_FAULT);
	b->step = BOOT_SPAWN;
	if (start_services(b) < 0) /* its code is from before it is stopped */
		return end(b, failed_code(b));
	if (supervise_is_final(&b->supervise)) {
		close(b->folder_fd);
		start_forget(b);
	}
	b->step = BOOT_SUPERVISE;
	supervise_run(&b->supervise);
	r = exit_code(&supervise_who(&b->supervise)->service);
	return end(b, r);
}
