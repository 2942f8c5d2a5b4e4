#include "init/process.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "init/text.h"
#include "rootfs/file.h"

enum { STATUS_BYTES = 2048 }; /* of the file, which has more */

/* The text behind KEY, which begins a line of TEXT and ends in a tab; or "". */
static const char *find(const char *text, const char *key)
{
	const size_t len = strlen(key);

	while (text && strncmp(text, key, len) != 0) {
		text = strchr(text, '\n');
		if (text)
			text++;
	}
	return text ? text + len : "";
}

bool process_look(int proc_fd, const char *name, struct process *ret)
{
	char buf[STATUS_BYTES];
	struct text path;
	ssize_t n;
	int fd;

	text_clear(&path);
	text_add(&path, name);
	text_add(&path, "/status");
	fd = openat(proc_fd, text_string(&path), O_RDONLY | O_CLOEXEC);
	n = file_read_start(fd, buf, sizeof(buf) - 1);
	if (n <= 0)
		return false;
	buf[n] = '\0';
	*ret = (struct process){
		.pid = atoi(name),
		.parent = atoi(find(buf, "PPid:\t")),
		.session = atoi(find(buf, "NSsid:\t")), /* since 4.1 */
		.tracer = atoi(find(buf, "TracerPid:\t")),
		.uid = (uid_t)atol(find(buf, "Uid:\t")),
		.is_dead = *find(buf, "State:\t") == 'Z',
	};
	return true;
}
