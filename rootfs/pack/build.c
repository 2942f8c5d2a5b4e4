#include "rootfs/pack/commands.h"

static int run(const struct command *c, int argc, char **argv)
{
	static const struct option options[] = { { 0 } };

	return command_option(c, argc, argv, options) == '?' ?
		       EXIT_USAGE :
		       command_usage(c, "nothing to build yet");
}

const struct command command_build = {
	.name = "build",
	.does = "an image from a container image or a folder",
	.help = "usage: mkeif build --output X.eif\n",
	.run = run,
};
