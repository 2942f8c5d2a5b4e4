#ifndef ROOTFS_PACK_COMMAND_BUILD_H
#define ROOTFS_PACK_COMMAND_BUILD_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "rootfs/pack/base/strings.h"
#include "rootfs/pack/command/command.h"
#include "rootfs/pack/eif/pcrs.h"
#include "rootfs/pack/image/digest.h"
#include "rootfs/pack/ramdisk/parts.h"
#include "rootfs/pack/ramdisk/ramdisk.h"
#include "rootfs/pack/sign/sign_key.h"

struct app;
struct fault;
struct image;
struct output;

/* What the files of the command build share. */

struct build {
	/* As asked for; NULL: not said. */
	const char *image, *output, *tag;
	const char *name, *version, *custom, *metadata, *flags, *config;
	const char *user, *workdir, *stop_signal;
	struct sign_key_source sign;
	struct strings entrypoint, cmd, env;
	struct parts parts;
	struct part_list ramdisks;
	struct ramdisk_options ramdisk;
	bool drop_capabilities;
	const char *owner; /* "root", "keep" */
	const char *docker_uri, *kernel_config, *mtime;
	const char *default_mem, *default_cpus;
	char *docker_image; /* --docker-uri for skopeo */
	uint64_t mem, cpus;
	bool json;
	struct pcrs_expected expected;
	char config_digest[DIGEST_TEXT_MAX]; /* of what was read */
	cJSON *inputs;
};

extern const struct option build_options[];
extern const struct command_hint build_options_hints[];

/* Takes OPTION, one of build_options, with its value in optarg. */
int build_options_take(struct build *b, int option, struct fault *reterr);

/* Checks them as a whole, after the last. */
int build_options_check(struct build *b, struct fault *reterr);

/* Reads those that are numbers. */
int build_options_numbers(struct build *b, struct fault *reterr);

/* Is OWNER, of --owner or NULL, "keep"? */
bool build_options_is_keep(const char *owner);

/*
 * Loads and checks the image and what it runs, with the values that options put in the
 * place of its own. Both are the caller's to free, also after a failure.
 */
int build_load_app(const struct command *c, struct build *b,
		   const struct output *output, struct image *image,
		   struct app *app, struct fault *reterr);

/*
 * Puts relay beside the init, if what APP says needs it and IMAGE has none, and tells what of
 * it works and is hardly meant. build_load_app has checked the rest.
 */
int build_find_relay(const struct command *c, struct build *b,
		     const struct image *image, const struct app *app,
		     struct fault *reterr);

/*
 * Refuses a configuration of the local API that the API would refuse, where a service of APP
 * runs it, and one that is not in IMAGE; check_image has looked for the program.
 */
int build_check_api(const struct command *c, const struct image *image,
		    const struct app *app, struct fault *reterr);

#endif
