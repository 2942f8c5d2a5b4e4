#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "init/beat.h"
#include "init/boot.h"
#include "init/check.h"
#include "init/container.h"
#include "init/end.h"
#include "init/relro.h"
#include "init/spec/config_key.h"
#include "init/step.h"

static void say(int fd, const char *s)
{
	(void)!write(fd, s, strlen(s));
}

static const char help[] =
	"usage: init --check FILE [ROOT]    whether FILE is a configuration\n"
	"       init --container [--] [PROGRAM ARGUMENT...]\n"
	"       init --heartbeat [PORT]    tell the parent that the enclave runs\n"
	"       init --version\n"
	"In an enclave it is the first process; see enclave-init(8).\n";

/* For an image whose first process is another: whoever starts it may look at its code. */
static int send_heartbeat(const char *port)
{
	uint32_t number = CONFIG_HEARTBEAT_PORT;

	if (port && (config_read_u32(port, 10, INT32_MAX, &number) < 0 ||
		     number == 0)) {
		say(2, "init: heartbeat: PORT is a number from 1 to "
		       "2147483647\n");
		return 2;
	}
	return beat_by_hand(number);
}

/* Started by hand, or by mistake: nothing here may touch the machine. */
static int run_elsewhere(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "";

	if (argc == 2 && strcmp(word, "--version") == 0) {
		say(1, "enclave-init " ENCLAVE_INIT_VERSION "\n");
		return 0;
	}
	if (argc == 2 && strcmp(word, "--help") == 0) {
		say(1, help);
		return 0;
	}
	if ((argc == 2 || argc == 3) && strcmp(word, "--heartbeat") == 0)
		return send_heartbeat(argv[2]);
	if ((argc == 3 || argc == 4) && strcmp(word, "--check") == 0)
		return check_config(argv[2], argv[3]);
	if (argc > 1 && strcmp(word, "--container") == 0)
		say(2, "init: container: this is not the first process of a "
		       "container (PID 1 of a PID namespace, with /proc)\n");
	else
		say(2, "init: start: this is the first process of a Nitro "
		       "Enclave (PID 1) and does nothing elsewhere; see "
		       "enclave-init(8)\n");
	return 2;
}

/* Each returns 0, or -1 with the fault logged. */
static int (*const run[BOOT_STEPS_END])(struct boot *b) = {
	[BOOT_START] = step_start,	   [BOOT_CONSOLE] = step_console,
	[BOOT_SPEC] = step_spec,	   [BOOT_MODULES] = step_modules,
	[BOOT_ENTROPY] = step_entropy,	   [BOOT_ROOT] = step_root,
	[BOOT_MOUNTS] = step_mounts,	   [BOOT_SPAWN] = step_spawn,
	[BOOT_HEARTBEAT] = step_heartbeat, [BOOT_SUPERVISE] = step_supervise,
};

int main(int argc, char **argv)
{
	static struct boot b;
	const struct boot_step *step;
	bool in_container = container_is_one();

	relro_apply();
	b.proc_fd = -1;
	b.nsm_fd = -1;
	b.tool_fd = -1;
	b.clock.channel = -1;
	b.loop.signal_fd = -1;
	b.argv = (const char *const *)argv;
	if (in_container && argc > 1 && strcmp(argv[1], "--container") == 0)
		return container_run(&b, argv + 2);
	/* A container's first command may be one that needs no enclave. */
	if (getpid() != 1 || (in_container && argc > 1 && argv[1][0] == '-'))
		return run_elsewhere(argc, argv);

	for (b.step = BOOT_START; b.step < BOOT_STEPS_END; b.step++) {
		step = &boot_steps[b.step];
		if (run[b.step](&b) == 0)
			log_debug(step->name, NULL, "done");
		else if (step->policy == BOOT_STOP)
			end_failed(&b);
	}
	/* Services may still be told of: there is no step behind this one. */
	b.step = BOOT_SUPERVISE;
	end_machine(&b);
}
