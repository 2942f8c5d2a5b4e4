#include "init/container.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init/boot.h"
#include "init/config.h"
#include "init/log.h"
#include "init/power.h"
#include "init/super.h"

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

static int exit_code(const struct super_service *who)
{
	return WIFEXITED(who->status) ? WEXITSTATUS(who->status) :
					EXIT_SIGNAL + WTERMSIG(who->status);
}

/* Of a start that failed: the application's own, where it ran and has ended. */
static int failed_code(const struct boot *b)
{
	const struct super_service *app = &b->super.services[0];
	int code = exit_code(app);

	if (b->start_error < 0)
		return b->start_error == -ENOENT ? EXIT_MISSING : EXIT_CANNOT;
	if (app->state == SUPER_ENDED && (code != 0 || app->is_told))
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

int container_run(struct boot *b, char **argv)
{
	int code;

	b->step = BOOT_SPEC;
	b->in_container = true;
	super_block_signals();
	/* Its console is whoever runs it, not the machine's. */
	log_open((int)syscall(SYS_fcntl, 2, F_DUPFD_CLOEXEC, 3));
	/* The configuration is the root's, and PID 1 keeps no folder busy. */
	b->folder_fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	(void)!chdir("/");
	if (boot_read_config(b) < 0 || take_command(b, argv) < 0)
		return EXIT_FAULT;
	b->step = BOOT_SPAWN;
	if (boot_start_services(b) < 0) {
		code = failed_code(b); /* before it is stopped for others */
		super_stop(&b->super);
		return code;
	}
	if (super_is_final(&b->super))
		close(b->folder_fd);
	b->step = BOOT_SUPERVISE;
	super_run(&b->super);
	super_stop(&b->super);
	return exit_code(super_who(&b->super));
}
