#include "rootfs/pack/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "init/user.h"
#include "rootfs/pack/fault.h"
#include "rootfs/pack/image.h"
#include "rootfs/pack/kernel.h"
#include "rootfs/pack/spec.h"
#include "rootfs/pack/tree.h"

/* What init searches where the image says nothing. */
static const char default_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:"
				   "/usr/bin:/sbin:/bin";

enum {
	HEAD_MAX = 256, /* bytes that the kernel looks at */
	SCRIPTS_MAX = 5,
};

static int check_runs(struct image *image, const char *name,
		      const struct tree_node *node, enum eif_arch arch,
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

/* NAME below DIR, which is LEN bytes, from the working directory. */
static char *path_of(const struct spec *spec, const char *dir, size_t len,
		     const char *name)
{
	const char *cwd = spec->workdir ? spec->workdir : "";
	char *path;
	int n;

	if (name[0] == '/')
		return strdup(name);
	if (len > 0 && dir[0] == '/')
		cwd = "";
	n = asprintf(&path, "%s%s%.*s/%s", cwd, *cwd ? "/" : "", (int)len, dir,
		     name);
	return n < 0 ? NULL : path;
}

static const char *path_variable(const struct image *image)
{
	for (size_t i = 0; i < image->env.count; i++)
		if (strncmp(image->env.items[i], "PATH=", 5) == 0)
			return image->env.items[i] + 5;
	return default_path;
}

/* Sets *RET to the node, or NULL; *RET_ELSEWHERE where it may yet come to be. */
static int find_program(struct image *image, const struct spec *spec,
			const struct tree_node **ret, bool *ret_elsewhere,
			struct fault *reterr)
{
	const char *dirs = strchr(spec->program, '/') ? "" :
							path_variable(image);
	const char *end;
	struct tree_node *node;
	char *path;

	*ret = NULL;
	*ret_elsewhere = false;
	for (;; dirs = end + 1) {
		end = strchrnul(dirs, ':');
		path = path_of(spec, dirs, (size_t)(end - dirs), spec->program);
		if (!path)
			return fault_system(reterr, ENOMEM, "%s",
					    spec->program);
		if (is_made_at_boot(path))
			*ret_elsewhere = true;
		node = tree_find(image->tree, path, true);
		free(path);
		if (node && (!*ret || is_program(node)))
			*ret = node;
		if (is_program(node) || *end == '\0')
			return 0;
	}
}

/* What NAME, a program, is run by, which is one itself. */
static int check_interpreter(struct image *image, const char *name,
			     const char *interpreter, enum eif_arch arch,
			     unsigned depth, struct fault *reterr)
{
	const struct tree_node *node;

	if (is_made_at_boot(interpreter))
		return 0;
	node = tree_find(image->tree, interpreter, true);
	if (!node)
		return fault_refuse(
			reterr, "%s: its interpreter %s is not in the image",
			name, interpreter);
	if (!is_program(node))
		return fault_refuse(reterr,
				    "%s: its interpreter %s is no executable "
				    "file",
				    name, interpreter);
	return check_runs(image, interpreter, node, arch, depth + 1, reterr);
}

/* As the kernel has it: blanks around the first word behind the mark. */
static int check_script(struct image *image, const char *name, char *line,
			enum eif_arch arch, unsigned depth,
			struct fault *reterr)
{
	line[strcspn(line, "\n")] = '\0';
	line += 2 + strspn(line + 2, " \t");
	line[strcspn(line, " \t")] = '\0';
	if (*line != '/') /* of the working directory, or nothing */
		return 0;
	return check_interpreter(image, name, line, arch, depth, reterr);
}

/*
 * NODE is executed under NAME: an ELF file for ARCH, with its loader; a script, with
 * its interpreter; or a text, which is the shell's. Of what else it wants nothing is known.
 */
static int check_runs(struct image *image, const char *name,
		      const struct tree_node *node, enum eif_arch arch,
		      unsigned depth, struct fault *reterr)
{
	const struct content *c = &node->inode->content;
	char head[HEAD_MAX + 1] = { 0 }, loader[KERNEL_LOADER_MAX];
	size_t len = c->len < HEAD_MAX ? (size_t)c->len : HEAD_MAX;

	if (depth > SCRIPTS_MAX)
		return fault_refuse(reterr,
				    "%s: more than %d scripts, each the "
				    "interpreter of another",
				    name, SCRIPTS_MAX);
	if (content_read(c, 0, head, len, reterr) < 0)
		return fault_prefix(reterr, "%s", name);
	if (memcmp(head, "#!", 2) == 0)
		return check_script(image, name, head, arch, depth, reterr);
	if (memcmp(head, "\177ELF", 4) != 0)
		return memchr(head, '\0', len) ?
			       0 :
			       check_interpreter(image, name, "/bin/sh", arch,
						 depth, reterr);
	if (kernel_check_program(name, c, arch, reterr) < 0 ||
	    kernel_find_loader(name, c, loader, reterr) < 0)
		return -1;
	return *loader ? check_interpreter(image, name, loader, arch, depth,
					   reterr) :
			 0;
}

static int check_program(struct image *image, const struct spec *spec,
			 enum eif_arch arch, struct fault *reterr)
{
	const struct tree_node *node;
	bool elsewhere;

	if (find_program(image, spec, &node, &elsewhere, reterr) < 0)
		return -1;
	if (!node && elsewhere)
		return 0;
	if (!node)
		return fault_refuse(
			reterr, "%s: not in the image%s%s", spec->program,
			strchr(spec->program, '/') ? "" : ", in PATH ",
			strchr(spec->program, '/') ? "" : path_variable(image));
	if (!is_program(node))
		return fault_refuse(reterr, "%s: not an executable file",
				    spec->program);
	return check_runs(image, spec->program, node, arch, 0, reterr);
}

static int check_workdir(struct image *image, const struct spec *spec,
			 struct fault *reterr)
{
	struct tree_node *node;

	if (!spec->workdir || is_made_at_boot(spec->workdir))
		return 0;
	node = tree_find(image->tree, spec->workdir, true);
	if (!node)
		return tree_make_dirs(image->tree, spec->workdir, 1, &node,
				      reterr);
	if (!S_ISDIR(node->inode->mode))
		return fault_refuse(reterr,
				    "working directory %s: not a folder",
				    spec->workdir);
	return 0;
}

/* A file of the image as init will read it; nothing where there is none. */
static int slurp(struct image *image, const char *path, char **own,
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

static int check_user(struct image *image, const struct spec *spec,
		      struct fault *reterr)
{
	struct user_file passwd = { 0 }, groups = { 0 };
	char *passwd_text = NULL, *groups_text = NULL, *name, *group;
	struct user *user = calloc(1, sizeof(*user));
	int r = -1;

	name = strdup(spec->user);
	if (!user || !name) {
		(void)fault_system(reterr, ENOMEM, "user");
		goto out;
	}
	group = strchr(name, ':');
	if (group)
		*group++ = '\0';
	if (slurp(image, USER_PASSWD, &passwd_text, &passwd, reterr) < 0 ||
	    slurp(image, USER_GROUP, &groups_text, &groups, reterr) < 0)
		goto out;
	r = user_resolve(name, group, passwd, groups, user);
	switch (-r) {
	case 0:
		break;
	case USER_E_USER:
		r = fault_refuse(reterr, "user %s: not in the image's %s", name,
				 USER_PASSWD);
		break;
	case USER_E_GROUP:
		r = fault_refuse(reterr, "group %s: not in the image's %s",
				 group, USER_GROUP);
		break;
	case USER_E_MANY:
		r = fault_refuse(reterr,
				 "user %s: of more than %d groups in "
				 "the image's %s",
				 name, USER_GROUPS_MAX, USER_GROUP);
		break;
	default:
		r = fault_refuse(reterr, "user %s: cannot be found out", name);
		break;
	}
out:
	free(passwd_text);
	free(groups_text);
	free(name);
	free(user);
	return r;
}

int check_image(struct image *image, const struct spec *spec,
		enum eif_arch arch, struct fault *reterr)
{
	if (check_workdir(image, spec, reterr) < 0 ||
	    check_program(image, spec, arch, reterr) < 0)
		return -1;
	return spec->user ? check_user(image, spec, reterr) : 0;
}
