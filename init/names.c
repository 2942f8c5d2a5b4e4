#include "init/names.h"

#include <errno.h>
#include <fcntl.h>

static int read_one(const char *path, struct file *ret,
		    const char **reterr_path)
{
	int r = file_read(AT_FDCWD, path, USER_FILE_MAX, ret);

	/* Without the file there are no names, which a number does not need. One that
	 * cannot be read may have any. */
	if (r == 0 || r == -ENOENT || r == -ENOTDIR)
		return 0;
	*reterr_path = path;
	return r;
}

int names_read(struct names *n, const char **reterr_path)
{
	struct names read = { .is_read = true };
	int r;

	if (n->is_read)
		return 0;
	r = read_one(USER_PASSWD, &read.passwd, reterr_path);
	if (r == 0)
		r = read_one(USER_GROUP, &read.group, reterr_path);
	if (r < 0)
		names_free(&read);
	else
		*n = read;
	return r;
}

void names_free(struct names *n)
{
	file_free(&n->passwd);
	file_free(&n->group);
	n->is_read = false;
}

static struct user_file view(const struct file *f)
{
	return (struct user_file){ f->data, f->len };
}

int names_resolve(const struct names *n, const char *user, const char *group,
		  struct user *ret)
{
	return user_resolve(user, group, view(&n->passwd), view(&n->group),
			    ret);
}

int names_add_groups(const struct names *n, const char *words, size_t count,
		     struct user *u, const char **reterr_word)
{
	return user_add_groups(words, count, view(&n->group), u, reterr_word);
}
