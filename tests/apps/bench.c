/*
 * The application of the benchmarks. Its first act is a line in the kernel's
 * log, whose time stands beside "Run /init"; then it tells PID 1's memory.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(void)
{
	static const char first[] = "bench: first write\n";
	static char text[4096];
	int kmsg = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	const char *rss;
	ssize_t n;
	int fd;

	if (kmsg < 0 || write(kmsg, first, sizeof(first) - 1) < 0)
		return 1;

	fd = open("/proc/1/smaps_rollup", O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return 2;
	rss = strstr(text, "Rss:");
	if (!rss)
		return 3;
	if (dprintf(kmsg, "bench: pid1 %.*s\n", (int)strcspn(rss, "\n"), rss) <
	    0)
		return 4;
	return 0;
}
