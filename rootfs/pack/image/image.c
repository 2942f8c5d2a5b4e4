#include "rootfs/pack/image/image.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/tree.h"

struct image_file {
	int fd;
	struct stat st; /* before it was hashed */
};

int image_keep_file(struct image *image, int fd)
{
	struct image_file f, *more;

	if (image->file_count == IMAGE_FILES_MAX || fstat(fd, &f.st) < 0)
		return -1;
	more = reallocarray(image->files, image->file_count + 1, sizeof(*more));
	if (!more)
		return -1;
	image->files = more;
	f.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (f.fd < 0)
		return -1;
	image->files[image->file_count++] = f;
	return f.fd;
}

int image_check_files(const struct image *image, struct fault *reterr)
{
	for (size_t i = 0; i < image->file_count; i++)
		if (content_check_same(image->files[i].fd, &image->files[i].st,
				       "a layer", reterr) < 0)
			return -1;
	return 0;
}

static void close_files(struct image *image)
{
	for (size_t i = 0; i < image->file_count; i++)
		close(image->files[i].fd);
	free(image->files);
}

void image_free(struct image *image)
{
	tree_free(image->tree);
	spool_close(&image->spool);
	close_files(image);
	strings_free(&image->entrypoint);
	strings_free(&image->cmd);
	strings_free(&image->env);
	strings_free(&image->notes);
	free(image->user);
	free(image->workdir);
	free(image->stop_signal);
	free(image->name);
	free(image->taken_for);
	free(image->config);
	free(image->manifest_digest);
	free(image->config_digest);
	strings_free(&image->diff_ids);
	*image = (struct image){ .spool = SPOOL_NONE };
}
