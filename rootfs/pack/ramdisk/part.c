#include "rootfs/pack/ramdisk/part.h"

#include <errno.h>
#include <unistd.h>

#include "rootfs/pack/base/fault.h"

int part_open_path(struct part *f, const char *path, struct fault *reterr)
{
	if (content_open(path, &f->content, reterr) < 0)
		return -1;
	return fstat(f->content.fd, &f->st) < 0 ?
		       fault_system(reterr, errno, "%s", path) :
		       0;
}

int part_open(struct part *f, struct fault *reterr)
{
	if (part_open_path(f, f->path, reterr) == 0)
		return 0;
	return f->option ? fault_prefix(reterr, "%s", f->option) : -1;
}

/* What was compressed is a copy. */
int part_check_same(const struct part *f, struct fault *reterr)
{
	if (f->content.fd < 0 || f->is_spooled)
		return 0;
	return content_check_same(f->content.fd, &f->st, f->path, reterr);
}

int part_list_check_same(const struct part_list *list, struct fault *reterr)
{
	for (size_t i = 0; i < list->count; i++)
		if (part_check_same(&list->items[i], reterr) < 0)
			return -1;
	return 0;
}

int part_add(struct part_list *list, const char *path, const char *option,
	     struct fault *reterr)
{
	if (list->count == PART_FILES_MAX)
		return fault_usage(reterr, "%s: more than %d of them", option,
				   PART_FILES_MAX);
	list->items[list->count++] = (struct part){ .option = option,
						    .path = path,
						    .content = { .fd = -1 } };
	return 0;
}

void part_close(struct part *f)
{
	if (f->content.fd >= 0 && !f->is_spooled)
		close(f->content.fd);
}

void part_list_close(struct part_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		part_close(&list->items[i]);
}
