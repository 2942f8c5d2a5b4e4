#include "rootfs/pack/command/build.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "init/spec/config.h"
#include "init/spec/user.h"
#include "nsm/api/spec/conf.h"
#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/tree.h"
#include "rootfs/pack/image/app.h"
#include "rootfs/pack/image/check.h"
#include "rootfs/pack/image/image.h"
#include "rootfs/pack/image/place.h"

enum { DATABASE_MAX = 1 << 20 /* bytes of /etc/passwd */ };

static const char default_conf[] = "/etc/enclave-api.conf";

/* A service that runs the local API, and the configuration that it reads; or NULL. */
static const char *conf_of(const struct config_service *s)
{
	const char *program = s->command.first, *slash, *argument;

	if (!program)
		return NULL;
	slash = strrchr(program, '/');
	if (strcmp(slash ? slash + 1 : program, "enclave-api") != 0)
		return NULL;
	if (s->command.count < 2)
		return default_conf;
	argument = program + strlen(program) + 1;
	return *argument == '-' ? NULL : argument;
}

/* It may be made, or mounted, before the service starts. */
static bool is_of_boot(const char *path)
{
	return strncmp(path, "/run/", 5) == 0 || strncmp(path, "/tmp/", 5) == 0;
}

static int read_file(const struct image *image, const char *path, size_t max,
		     const char *what, char **ret, size_t *ret_len,
		     struct fault *reterr)
{
	const struct tree_node *n = tree_find(image->tree, path, true);

	if (!n || !S_ISREG(n->inode->mode))
		return fault_refuse(reterr, "%s: %s is not in the image", what,
				    path);
	*ret_len = (size_t)n->inode->content.len;
	return content_slurp(&n->inode->content, max, path, ret, reterr);
}

/* True if NAME is a number, or has a line in TEXT. */
static bool is_known(const char *text, const char *name)
{
	const size_t len = strlen(name);

	if (strspn(name, "0123456789") == len)
		return true;
	for (; text; text = strchr(text, '\n')) {
		text += *text == '\n';
		if (strncmp(text, name, len) == 0 && text[len] == ':')
			return true;
	}
	return false;
}

static int check_name(const struct image *image, const char *path,
		      unsigned line, bool is_group, const char *name,
		      struct fault *reterr)
{
	const char *database = is_group ? "/etc/group" : "/etc/passwd";
	char *text = NULL;
	size_t len;
	bool known;

	if (is_known(NULL, name))
		return 0;
	if (read_file(image, database, DATABASE_MAX, path, &text, &len,
		      reterr) < 0)
		return -1;
	known = is_known(text, name);
	free(text);
	if (known)
		return 0;
	return line ? fault_refuse(reterr, "%s: line %u: %s is not in %s", path,
				   line, name, database) :
		      fault_refuse(reterr, "%s: socket-group: %s is not in %s",
				   path, name, database);
}

/* True: PATH is a file of the image, or made at boot. */
static bool has_file(const struct image *image, const char *path)
{
	const struct tree_node *n;

	if (is_of_boot(path))
		return true;
	n = tree_find(image->tree, path, true);
	return n && S_ISREG(n->inode->mode);
}

/* What it names is there: users, groups, files of certificates and secrets. */
static int check_named(const struct image *image, const char *path,
		       const struct spec *s, struct fault *reterr)
{
	for (size_t i = 0; i < s->allows; i++)
		if (s->allow[i].who != SPEC_WHO_ANY &&
		    check_name(image, path, s->allow[i].line,
			       s->allow[i].who == SPEC_WHO_GROUP,
			       s->allow[i].name, reterr) < 0)
			return -1;
	if (s->socket_group &&
	    check_name(image, path, 0, true, s->socket_group, reterr) < 0)
		return -1;
	if (s->ca && !has_file(image, s->ca))
		return fault_refuse(reterr, "%s: ca: %s is not in the image",
				    path, s->ca);
	for (size_t i = 0; i < s->secrets; i++)
		if (!has_file(image, s->secret[i].path))
			return fault_refuse(
				reterr,
				"%s: line %u: secret: %s is not in the image",
				path, s->secret[i].line, s->secret[i].path);
	return 0;
}

/* --- the socket --- */

static bool has(const struct config_service *s, unsigned capability)
{
	return s->confine.ambient >> capability & 1;
}

static bool is_member(const struct user *u, uint32_t gid)
{
	for (size_t i = 0; i < u->group_count; i++)
		if (u->groups[i] == gid)
			return true;
	return false;
}

/* The directory of the socket of SPEC. */
static void dir_of(const struct spec *spec, char ret[SPEC_SOCKET_MAX + 1])
{
	int len = (int)(strrchr(spec->socket, '/') - spec->socket);

	(void)snprintf(ret, SPEC_SOCKET_MAX + 1, "%.*s", len ? len : 1,
		       spec->socket);
}

/* Whether what is made in the socket's directory has the group GID by that, with no chown. */
static bool hands_on(const struct image *image, const struct config *config,
		     const struct spec *spec, uint32_t gid)
{
	char dir[SPEC_SOCKET_MAX + 1];
	struct place_dir p;

	dir_of(spec, dir);
	p = place_of(image, config, dir);
	return p.state == PLACE_THERE && p.mode & S_ISGID && p.gid == gid;
}

/* Whether the API may have its socket in DIR: it makes one that is missing below /run. *RET_MISSING: DIR is. */
static bool may_bind(const struct image *image, const struct config *config,
		     const struct user *u, char *dir, bool *ret_missing)
{
	struct place_dir p = place_of(image, config, dir);
	char *slash = strrchr(dir, '/');

	*ret_missing = p.state == PLACE_MISSING;
	if (*ret_missing && strncmp(dir, "/run/", 5) == 0) {
		*slash = '\0';
		p = place_of(image, config, dir);
		*slash = '/';
	}
	return p.state == PLACE_UNKNOWN || place_is_open(&p, u);
}

/* A service that starts earlier may yet make the directory: it is a note, with the API's own words. */
static void note_directory(const struct command *c, const struct image *image,
			   const struct config *config, const struct user *u,
			   const char *path, const struct spec *spec)
{
	const char *socket = spec->socket;
	char dir[SPEC_SOCKET_MAX + 1];
	bool is_missing;
	int len;

	dir_of(spec, dir);
	if (may_bind(image, config, u, dir, &is_missing))
		return;
	if (!is_missing)
		socket = SPEC_SOCKET;
	len = (int)(strrchr(socket, '/') - socket);
	command_note(
		c,
		"%s: socket %s: user %u needs a directory of its own: tmpfs = %.*s:uid=%u,gid=%u,mode=0755 in enclave-init.conf, and socket = %s",
		path, spec->socket, u->uid, len, socket, u->uid, u->gid,
		socket);
}

/* The service's user can make the socket, and give it to the group. */
static int check_socket(const struct command *c, const struct image *image,
			const struct config *config,
			const struct config_service *s, const char *path,
			const struct spec *spec, struct fault *reterr)
{
	struct user *u = calloc(1, sizeof(*u));
	uint32_t gid = 0;
	int r;

	if (!u)
		return fault_system(reterr, ENOMEM, "%s", path);
	r = check_resolve(image, s, spec->socket_group, u, &gid, reterr);
	if (r < 0)
		(void)fault_prefix(reterr, "%s", path);
	else if (u->uid != 0 && spec->socket_group && !has(s, CAP_CHOWN) &&
		 !is_member(u, gid) && !hands_on(image, config, spec, gid))
		r = fault_refuse(
			reterr,
			"%s: socket-group %s: user %s is not in that group: it "
			"needs the group in " USER_GROUP
			", or by supplementary-groups",
			path, spec->socket_group, s->user);
	else if (u->uid != 0 && !has(s, CAP_DAC_OVERRIDE))
		note_directory(c, image, config, u, path, spec);
	free(u);
	return r;
}

static int check_conf(const struct command *c, const struct image *image,
		      const struct config *config,
		      const struct config_service *s, const char *path,
		      struct fault *reterr)
{
	struct spec_fault bad = { 0 };
	struct spec *spec;
	char *text = NULL;
	size_t len = 0;
	int r = -1;

	if (read_file(image, path, SPEC_TEXT_MAX, "enclave-api", &text, &len,
		      reterr) < 0)
		return -1;
	spec = calloc(1, sizeof(*spec));
	if (!spec)
		(void)fault_system(reterr, ENOMEM, "%s", path);
	else if (conf_read(text, len, spec, &bad) == 0)
		r = check_named(image, path, spec, reterr) < 0 ?
			    -1 :
			    check_socket(c, image, config, s, path, spec,
					 reterr);
	else if (bad.line)
		(void)fault_refuse(reterr, "%s: line %u: %s", path, bad.line,
				   bad.words);
	else
		(void)fault_refuse(reterr, "%s: %s", path, bad.words);
	free(spec);
	free(text);
	return r;
}

static bool has_group(const struct image *image, const char *name)
{
	struct fault none;
	char *text = NULL;
	size_t len;
	bool has;

	if (read_file(image, "/etc/group", DATABASE_MAX, "", &text, &len,
		      &none) < 0)
		return false;
	has = is_known(text, name);
	free(text);
	return has;
}

/* Who may open the NSM past the rules of enclave-api, which runs beside the application or is it. */
static void note_nsm(const struct command *c, const struct image *image,
		     const struct config *config, bool is_beside)
{
	if (config->nsm_is_open)
		command_note(c, "nsm = open: every process may ask the NSM, "
				"past enclave-api");
	else if (is_beside && !config->nsm_group && !has_group(image, "nsm"))
		command_note(c,
			     "no nsm-group: the application's group may ask "
			     "the NSM, past enclave-api; name enclave-api's");
}

int build_check_api(const struct command *c, const struct image *image,
		    const struct app *app, struct fault *reterr)
{
	const struct config *config = app->config;
	const char *path;

	for (size_t i = 0; i < config->service_count; i++) {
		const struct config_service *s = &config->services[i];

		path = conf_of(s);
		if (!path)
			continue;
		if (!is_of_boot(path) &&
		    check_conf(c, image, config, s, path, reterr) < 0)
			return -1;
		if (s->supervision.ready == CONFIG_READY_EXEC)
			command_note(c,
				     "%s: without ready = notify others start "
				     "before enclave-api answers",
				     s->supervision.name);
		note_nsm(c, image, config, i > 0);
	}
	return 0;
}
