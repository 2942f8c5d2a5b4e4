#include "init/process.h"

#include <fcntl.h>
#include <stdint.h>
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

/* The number that TEXT begins with, as the kernel writes one; 0 if there is none. */
static uint32_t number(const char *text)
{
	uint32_t n = 0;

	for (; *text >= '0' && *text <= '9'; text++)
		n = 10 * n + (uint32_t)(*text - '0');
	return n;
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
		.pid = (pid_t)number(name),
		.parent = (pid_t)number(find(buf, "PPid:\t")),
		.session = (pid_t)number(find(buf, "NSsid:\t")), /* since 4.1 */
		.tracer = (pid_t)number(find(buf, "TracerPid:\t")),
		.uid = number(find(buf, "Uid:\t")),
		.is_dead = *find(buf, "State:\t") == 'Z',
	};
	return true;
}
