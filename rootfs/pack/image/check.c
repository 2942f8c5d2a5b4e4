#include "rootfs/pack/image/check.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "init/spec/config.h"
#include "init/spec/executable.h"
#include "init/spec/seccomp.h"
#include "init/spec/spec.h"
#include "init/spec/user.h"
#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/tree.h"
#include "rootfs/pack/image/app.h"
#include "rootfs/pack/image/elf.h"
#include "rootfs/pack/image/image.h"

/* One service of an image, the application or another. */
struct run {
	const struct config_service *service;
	const char *program, *workdir, *path;
	enum eif_arch arch;
	const struct user *user; /* NULL: root, who may all */
	const char *user_name;
	bool is_asked; /* the program, by an option */
	bool hand_over;
};

static int check_runs(struct image *image, const struct run *run,
		      const char *name, const struct tree_node *node,
		      unsigned depth, struct fault *reterr);

/* What init makes or mounts is not in the image. */
static bool is_made_at_boot(const char *path)
{
	static const char *const dirs[] = { "/run/", "/proc/", "/dev/",
					    "/sys/" };

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		if (strncmp(path, dirs[i], strlen(dirs[i])) == 0)
			return true;
	return false;
}

static bool is_program(const struct tree_node *node)
{
	return node && S_ISREG(node->inode->mode) && (node->inode->mode & 0111);
}

/* --- what a user may ------------------------------------------------------------ */

/* WHAT: 4 to read, 1 to execute or enter. */
static bool may(const struct user *u, const struct tree_inode *inode,
		unsigned what)
{
	if (!u)
		return true;
	if (u->uid == inode->uid)
		return inode->mode >> 6 & what;
	for (size_t i = 0; i < u->group_count; i++)
		if (u->groups[i] == inode->gid)
			return inode->mode >> 3 & what;
	return inode->mode & what;
}

static bool may_enter(const void *ctx, const struct tree_inode *dir)
{
	return may(ctx, dir, 1);
}

/* What PATH leads to for the user; *RET_CLOSED as tree_find_as has it. */
static struct tree_node *find(struct image *image, const struct run *run,
			      const char *path, struct tree_node **ret_closed)
{
	const struct tree_access as = { may_enter, run->user };

	return tree_find_as(image->tree, path, &as, ret_closed);
}

/* NODE is why NAME cannot be run, or used, by the user, who may not DO it. */
static int refuse_user(const struct run *run, const char *name,
		       const struct tree_node *node, const char *doing,
		       struct fault *reterr)
{
	const struct tree_inode *inode = node->inode;
	char *path = tree_path(node);

	if (!path)
		return fault_system(reterr, ENOMEM, "%s", name);
	(void)fault_refuse(reterr,
			   "%s: user %s may not %s /%s, which is %04o of %u:%u",
			   name, run->user_name, doing, path,
			   inode->mode & 07777, inode->uid, inode->gid);
	free(path);
	return -1;
}

/* --- programs ------------------------------------------------------------------- */

/* PATH, from the working directory. */
static char *absolute(const struct run *run, const char *path)
{
	char *ret;

	if (path[0] == '/')
		return strdup(path);
	return asprintf(&ret, "%s/%s", run->workdir, path) < 0 ? NULL : ret;
}

/* What a service's PATH is in the end, but for an environment-file of its own. */
static const char *path_variable(const struct image *image,
				 const struct config_service *s)
{
	const char *path = spec_getenv(s->variables, s->variable_count, "PATH");

	if (!path)
		path = spec_getenv(image->env.items, image->env.count, "PATH");
	return path ? path : EXECUTABLE_PATH;
}

/* What a search along PATH has met. */
struct check_found {
	struct tree_node *node;	  /* the program, or what is none; or NULL */
	struct tree_node *closed; /* a folder that kept the user out, or NULL */
	bool elsewhere; /* where there is neither, it may yet come to be */
};

/* A search, one path after the other. */
struct check_search {
	struct image *image;
	const struct run *run;
	struct check_found *found;
	bool no_memory;
};

static int look(void *ctx, const char *name)
{
	struct check_search *s = ctx;
	struct check_found *found = s->found;
	struct tree_node *node, *closed;
	char *path = absolute(s->run, name);

	if (!path) {
		s->no_memory = true;
		return -ENOMEM;
	}
	if (is_made_at_boot(path))
		found->elsewhere = true;
	node = find(s->image, s->run, path, &closed);
	/* One that is not there is not missed. */
	if (closed && !found->closed && tree_find(s->image->tree, path, true))
		found->closed = closed;
	free(path);
	if (is_program(node) && may(s->run->user, node->inode, 1)) {
		found->node = node;
		return 0;
	}
	if (node && (!found->node || is_program(node)))
		found->node = node;
	return node || closed ? -EACCES : -ENOENT;
}

static int find_program(struct image *image, const struct run *run,
			struct check_found *ret, struct fault *reterr)
{
	struct check_search s = { .image = image, .run = run, .found = ret };
	char path[PATH_MAX];

	*ret = (struct check_found){ 0 };
	/* A file of variables may say another PATH. */
	ret->elsewhere = run->service->environment_file != NULL;
	(void)executable_find(run->program, run->path, look, &s, path);
	return s.no_memory ? fault_system(reterr, ENOMEM, "%s", run->program) :
			     0;
}

/*
 * INTERPRETER, an absolute path, runs NAME, and is executable for the user. *RET is NULL
 * where it may yet come to be.
 */
static int find_interpreter(struct image *image, const struct run *run,
			    const char *name, const char *interpreter,
			    struct tree_node **ret, struct fault *reterr)
{
	struct tree_node *node, *closed;

	*ret = NULL;
	if (is_made_at_boot(interpreter))
		return 0;
	node = find(image, run, interpreter, &closed);
	if (closed)
		return refuse_user(run, name, closed, "enter", reterr);
	if (!node)
		return fault_refuse(
			reterr, "%s: its interpreter %s is not in the image",
			name, interpreter);
	if (!is_program(node))
		return fault_refuse(reterr,
				    "%s: its interpreter %s is no executable "
				    "file",
				    name, interpreter);
	if (!may(run->user, node->inode, 1))
		return refuse_user(run, name, node, "execute", reterr);
	*ret = node;
	return 0;
}

/* PATH is the interpreter of NAME, a script or a text. */
static int check_interpreter(struct image *image, const struct run *run,
			     const char *name, const char *path, unsigned depth,
			     struct fault *reterr)
{
	char *interpreter = absolute(run, path);
	struct tree_node *node;
	int r;

	if (!interpreter)
		return fault_system(reterr, ENOMEM, "%s", name);
	r = find_interpreter(image, run, name, interpreter, &node, reterr);
	if (r == 0 && node)
		r = check_runs(image, run, interpreter, node, depth + 1,
			       reterr);
	free(interpreter);
	return r;
}

/* The loader of NAME, an ELF file, is one itself, and the kernel looks for no other. */
static int check_loader(struct image *image, const struct run *run,
			const char *name, const char *path,
			struct fault *reterr)
{
	char *loader = absolute(run, path);
	struct tree_node *node;
	int r;

	if (!loader)
		return fault_system(reterr, ENOMEM, "%s", name);
	r = find_interpreter(image, run, name, loader, &node, reterr);
	if (r == 0 && node)
		r = elf_check_program(loader, &node->inode->content, run->arch,
				      reterr);
	free(loader);
	return r;
}

static int check_elf(struct image *image, const struct run *run,
		     const char *name, const struct content *c,
		     struct fault *reterr)
{
	char loader[PATH_MAX];

	if (elf_check_program(name, c, run->arch, reterr) < 0 ||
	    elf_find_loader(name, c, loader, reterr) < 0)
		return -1;
	return *loader ? check_loader(image, run, name, loader, reterr) : 0;
}

/*
 * NODE is executed under NAME: an ELF file for the architecture, with its loader; a script,
 * with its interpreter, which reads it; or a text, which is the shell's. Of what else it
 * wants nothing is known.
 */
static int check_runs(struct image *image, const struct run *run,
		      const char *name, const struct tree_node *node,
		      unsigned depth, struct fault *reterr)
{
	const struct content *c = &node->inode->content;
	char head[EXECUTABLE_HEAD_MAX], interpreter[EXECUTABLE_HEAD_MAX];
	size_t len = c->len < sizeof(head) ? (size_t)c->len : sizeof(head);
	enum executable_kind kind;

	if (depth > EXECUTABLE_SCRIPTS_MAX)
		return fault_refuse(reterr,
				    "%s: more than %d scripts, each the "
				    "interpreter of another",
				    name, EXECUTABLE_SCRIPTS_MAX);
	if (content_read(c, 0, head, len, reterr) < 0)
		return fault_prefix(reterr, "%s", name);
	kind = executable_kind_of(head, len);
	if (kind == EXECUTABLE_ELF)
		return check_elf(image, run, name, c, reterr);
	/* The kernel takes no text for an interpreter, and init none for the shell. */
	if (kind == EXECUTABLE_OTHER || (kind == EXECUTABLE_TEXT && depth > 0))
		return fault_refuse(reterr,
				    "%s: neither a program nor a script", name);
	if (!may(run->user, node->inode, 4))
		return refuse_user(run, name, node, "read", reterr);
	if (!executable_interpreter(head, len, interpreter))
		memcpy(interpreter, EXECUTABLE_SHELL, sizeof(EXECUTABLE_SHELL));
	return check_interpreter(image, run, name, interpreter, depth, reterr);
}

static int check_program(struct image *image, const struct run *run,
			 struct fault *reterr)
{
	struct check_found found;

	if (find_program(image, run, &found, reterr) < 0)
		return -1;
	if (is_program(found.node) && may(run->user, found.node->inode, 1))
		return check_runs(image, run, run->program, found.node, 0,
				  reterr);
	if (found.elsewhere && !found.node)
		return 0;
	if (is_program(found.node))
		return refuse_user(run, run->program, found.node, "execute",
				   reterr);
	if (found.closed)
		return refuse_user(run, run->program, found.closed, "enter",
				   reterr);
	if (found.node)
		return fault_refuse(reterr, "%s: not an executable file",
				    run->program);
	return fault_refuse(reterr, "%s: not in the image%s%s%s", run->program,
			    strchr(run->program, '/') ? "" : ", in PATH ",
			    strchr(run->program, '/') ? "" : run->path,
			    run->is_asked && strpbrk(run->program, " \t") ?
				    "; one --cmd for each argument" :
				    "");
}

static int check_workdir(struct image *image, const struct run *run,
			 const char *path, struct fault *reterr)
{
	struct tree_node *node, *closed;

	if (!path || is_made_at_boot(path))
		return 0;
	node = tree_find(image->tree, path, true);
	if (!node && tree_make_dirs(image->tree, path, 1, &node, reterr) < 0)
		return -1;
	if (!S_ISDIR(node->inode->mode))
		return fault_refuse(reterr,
				    "working directory %s: not a folder", path);
	(void)find(image, run, path, &closed);
	if (!closed && !may(run->user, node->inode, 1))
		closed = node;
	if (!closed)
		return 0;
	(void)refuse_user(run, path, closed, "enter", reterr);
	return fault_prefix(reterr, "working directory");
}

/* A file that init or the service reads when it starts. */
static int check_file(const struct image *image, const char *key,
		      const char *path, struct fault *reterr)
{
	const struct tree_node *node;

	if (!path || is_made_at_boot(path))
		return 0;
	node = tree_find(image->tree, path, true);
	if (!node)
		return fault_refuse(reterr, "%s %s: not in the image", key,
				    path);
	if (!S_ISREG(node->inode->mode))
		return fault_refuse(reterr, "%s %s: not a file", key, path);
	return 0;
}

/* A file of the image as init will read it; nothing where there is none. */
static int slurp(const struct image *image, const char *path, char **own,
		 struct user_file *ret, struct fault *reterr)
{
	struct tree_node *node = tree_find(image->tree, path, true);

	if (!node || !S_ISREG(node->inode->mode))
		return 0;
	if (content_slurp(&node->inode->content, USER_FILE_MAX, path, own,
			  reterr) < 0)
		return -1;
	*ret = (struct user_file){
		.data = *own,
		.len = node->inode->content.len,
	};
	return 0;
}

/* The image's /etc/passwd and /etc/group. */
struct check_names {
	char *passwd_text, *groups_text;
	struct user_file passwd, groups;
	struct user *user; /* room for one */
};

static int read_names(const struct image *image, struct check_names *ret,
		      struct fault *reterr)
{
	ret->user = calloc(1, sizeof(*ret->user));
	if (!ret->user)
		return fault_system(reterr, ENOMEM, "user");
	if (slurp(image, USER_PASSWD, &ret->passwd_text, &ret->passwd, reterr) <
	    0)
		return -1;
	return slurp(image, USER_GROUP, &ret->groups_text, &ret->groups,
		     reterr);
}

static void free_names(struct check_names *names)
{
	free(names->passwd_text);
	free(names->groups_text);
	free(names->user);
}

static int check_user(const struct check_names *names, const char *user,
		      const char *group, struct fault *reterr)
{
	int r = user_resolve(user, group, names->passwd, names->groups,
			     names->user);

	switch (-r) {
	case 0:
		return 0;
	case USER_E_USER:
		return fault_refuse(reterr, "user %s: not in the image's %s",
				    user, USER_PASSWD);
	case USER_E_GROUP:
		return fault_refuse(reterr, "group %s: not in the image's %s",
				    group, USER_GROUP);
	case USER_E_MANY:
		return fault_refuse(reterr,
				    "user %s: of more than %d groups in "
				    "the image's %s",
				    user, USER_GROUPS_MAX, USER_GROUP);
	default:
		return fault_refuse(reterr, "user %s: cannot be found out",
				    user);
	}
}

static int check_groups(const struct check_names *names,
			const struct config_words *words, struct fault *reterr)
{
	const char *group = NULL;
	int r;

	if (words->count == 0)
		return 0;
	r = user_add_groups(words->first, words->count, names->groups,
			    names->user, &group);
	if (r == -USER_E_MANY)
		return fault_refuse(reterr, "group %s: more than %d groups",
				    group, USER_GROUPS_MAX);
	return r < 0 ? fault_refuse(reterr, "group %s: not in the image's %s",
				    group, USER_GROUP) :
		       0;
}

/* The filter of system calls, as init will look at it. */
static int check_filter(struct image *image, const struct run *run,
			const char *path, struct fault *reterr)
{
	const uint32_t arch = run->arch == EIF_X86_64 ? SECCOMP_X86_64 :
							SECCOMP_AARCH64;
	const struct tree_node *node;
	const char *call = "", *hint = NULL;
	struct fault note;
	char *code = NULL;
	size_t len;
	int r;

	if (!path || is_made_at_boot(path))
		return 0;
	if (check_file(image, "seccomp", path, reterr) < 0)
		return -1;
	node = tree_find(image->tree, path, true);
	if (content_slurp(&node->inode->content, SECCOMP_FILE_MAX, path, &code,
			  reterr) < 0)
		return -1;
	len = (size_t)node->inode->content.len;
	r = seccomp_check(code, len, arch, run->hand_over, &call);
	if (r == 0)
		hint = seccomp_hint(code, len, arch);
	free(code);
	if (r < 0)
		return fault_refuse(reterr, "seccomp %s: %s%s", path,
				    seccomp_error_text(r), call);
	if (!hint)
		return 0;
	(void)fault_refuse(&note, "seccomp %s: %s", path, hint);
	return strings_add(&image->notes, note.text, reterr);
}

/* Who S runs as, to NAMES->user. */
static int resolve(const struct check_names *names,
		   const struct config_service *s, struct fault *reterr)
{
	names->user->group_count = 0;
	if ((s->user || s->group) &&
	    check_user(names, s->user ? s->user : "0", s->group, reterr) < 0)
		return -1;
	return check_groups(names, &s->supplementary_groups, reterr);
}

int check_resolve(const struct image *image, const struct config_service *s,
		  const char *group, struct user *ret, uint32_t *ret_gid,
		  struct fault *reterr)
{
	struct check_names names = { 0 };
	int r = read_names(image, &names, reterr);

	if (r == 0 && group) {
		r = check_user(&names, "0", group, reterr);
		*ret_gid = names.user->gid;
	}
	if (r == 0)
		r = resolve(&names, s, reterr);
	if (r == 0)
		*ret = *names.user;
	free_names(&names);
	return r;
}

/* Capabilities that make modes no matter, and reach the program of a user. */
static bool passes_modes(const struct config_service *s)
{
	return s->confine.ambient >> CAP_DAC_OVERRIDE & 1;
}

static int check_service(struct image *image, const struct check_names *names,
			 struct run *run, struct fault *reterr)
{
	const struct config_service *s = run->service;

	run->user_name = s->user ? s->user : "0";
	if (resolve(names, s, reterr) < 0)
		return -1;
	if (s->user && names->user->uid != 0 && !passes_modes(s))
		run->user = names->user;
	if (check_workdir(image, run, s->workdir, reterr) < 0 ||
	    check_program(image, run, reterr) < 0)
		return -1;
	if (!s->environment_file_may_lack &&
	    check_file(image, "environment-file", s->environment_file, reterr) <
		    0)
		return -1;
	return check_filter(image, run, s->seccomp, reterr);
}

int check_image(struct image *image, const struct app *app, enum eif_arch arch,
		struct fault *reterr)
{
	const struct config *c = app->config;
	struct check_names names = { 0 };
	int r = read_names(image, &names, reterr);

	for (size_t i = 0; r == 0 && i < c->service_count; i++) {
		const struct config_service *s = &c->services[i];
		struct run run = {
			.service = s,
			.arch = arch,
			.is_asked = i == 0 && app->program_is_asked,
			.hand_over = c->hand_over,
			.program = i == 0 ? app->program : s->command.first,
			.workdir = s->workdir ? s->workdir : "",
			.path = path_variable(image, s),
		};

		r = check_service(image, &names, &run, reterr);
		if (r < 0 && i > 0)
			(void)fault_prefix(reterr, "service %s",
					   s->supervision.name);
	}
	if (r == 0 && c->nsm_owner)
		r = check_user(&names, c->nsm_owner, NULL, reterr);
	if (r == 0 && c->nsm_group)
		r = check_user(&names, "0", c->nsm_group, reterr);
	free_names(&names);
	return r;
}
