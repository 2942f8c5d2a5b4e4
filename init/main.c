#include <string.h>
#include <unistd.h>

#include "init/boot.h"
#include "init/relro.h"

const char boot_version[] = ENCLAVE_INIT_VERSION;

static void say(int fd, const char *s)
{
	(void)!write(fd, s, strlen(s));
}

/* Started by hand, or by mistake: nothing here may touch the machine. */
static int refuse(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		say(1, "enclave-init " ENCLAVE_INIT_VERSION "\n");
		return 0;
	}
	say(2, "init: start: this is the first process of a Nitro Enclave "
	       "(PID 1) and does nothing elsewhere; see enclave-init(8)\n");
	return 2;
}

int main(int argc, char **argv)
{
	static struct boot b;
	const struct boot_step *step;

	if (getpid() != 1)
		return refuse(argc, argv);

	relro_apply();
	b.proc_fd = -1;
	b.nsm_fd = -1;
	b.tool_fd = -1;
	b.argv = (const char *const *)argv;
	for (b.step = BOOT_START; b.step < BOOT_STEPS_END; b.step++) {
		step = &boot_steps[b.step];
		if (step->run(&b) == 0)
			log_debug(step->name, NULL, "done");
		else if (step->policy == BOOT_STOP)
			boot_stop(&b);
	}
	boot_end(&b);
}
