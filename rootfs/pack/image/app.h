#ifndef ROOTFS_PACK_IMAGE_APP_H
#define ROOTFS_PACK_IMAGE_APP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rootfs/pack/base/buffer.h"
#include "rootfs/pack/image/image.h"

struct config;
struct fault;

/* The texts at the top of the application's ramdisk, init/spec/spec.h and init/spec/config.h. */
struct app {
	struct buffer cmd; /* empty where only the configuration can carry it */
	struct buffer env;
	struct buffer conf; /* empty: not needed */
	bool needs_conf;    /* without it the wrong thing would run */
	struct strings
		only_conf; /* what of the image only the configuration has */
	/* What init will take it to say: the configuration, with defaults where there is
	 * none, and the application's program. */
	struct config *config;
	char *config_text; /* that its strings lie in */
	char *program;
	bool program_is_asked; /* an option says it */
};

/* Which of the image's values the user has given by options: NULL or false: not. */
struct app_asked {
	const char *user, *workdir, *stop_signal;
	bool command; /* --entrypoint or --cmd */
};

/*
 * Fills *RET with what IMAGE says: its entrypoint and command joined, its environment, and
 * in the configuration what these cannot carry, with CONF, a text of the user's or
 * the image's own, or NULL, behind, whose keys stand for the image's. The result is
 * parsed by init's own parser; CONF_PATH names CONF in its faults. CONF_IS_READ says
 * that init finds CONF by itself, so that there is no text where nothing is added. What is
 * ASKED for and CONF says, too, is refused: CONF would count. So is a user other than root
 * where CONF has hand-over, and a stop signal that is asked for; one of IMAGE is left out.
 */
int app_make(const struct image *image, const struct app_asked *asked,
	     const char *conf, const char *conf_path, bool conf_is_read,
	     struct app *ret, struct fault *reterr);
void app_free(struct app *app);

/*
 * Calls GIVE with each sentence on what of relay's lines works and is hardly meant. MEMORY is
 * the enclave's in bytes; 0: it is not known.
 */
void app_advise(const struct app *app, uint64_t memory,
		void (*give)(void *ctx, const char *words), void *ctx);

/* Whether init will take the LEN bytes at TEXT, behind which is a NUL, for a configuration; PATH names them. */
int app_check_conf(const char *text, size_t len, const char *path,
		   struct fault *reterr);

#endif
