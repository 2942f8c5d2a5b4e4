#include "rootfs/pack/command/build.h"

#include "init/spec/config.h"
#include "rootfs/pack/base/tree.h"
#include "rootfs/pack/image/app.h"
#include "rootfs/pack/image/image.h"
#include "vsock/inside.h"

/* A proxy with a list of names keeps nobody who may go around it. */
static void note_vsock(const struct command *c, const struct config *config)
{
	const struct config_service *s = config->services;

	for (size_t i = 0; i < config->service_count; i++, s++)
		if (config_goes_around(config, s))
			command_note(c,
				     "vsock: %s may open its own sockets to "
				     "the parent, past egress and "
				     "dns-forward: vsock = none forbids it",
				     s->supervision.name);
}

static void give(void *ctx, const char *words)
{
	command_note(ctx, "%s", words);
}

int build_find_relay(const struct command *c, struct build *b,
		     const struct image *image, const struct app *app,
		     struct fault *reterr)
{
	const bool is_asked = b->parts.relay_file.path;

	if (app->config->relayed_count == 0) {
		if (is_asked)
			command_note(c, "--relay is left out: nothing in the "
					"configuration needs it");
		return 0;
	}
	note_vsock(c, app->config);
	app_advise(app, b->mem, give, (void *)(uintptr_t)c);
	if (parts_has_boot_file(&b->parts, &INSIDE_RAMDISK_PATH[1]) ||
	    (!is_asked && tree_find(image->tree, INSIDE_IMAGE_PATH, true)))
		return 0;
	return parts_find_relay(&b->parts, reterr);
}
