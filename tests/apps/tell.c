/*
 * An application of container images: tells what it was given, one "@key=value" a
 * line, and PCRs 0, 1, 2 and 8 as the NSM has them. What is not printable is \xNN.
 * Behind "--exec" stands a program to go on with; behind "--until" the number of a signal
 * to wait for, once PID 1 has been asked to end.
 */

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static void fact(const char *key, const char *value)
{
	printf("@%s=[", key);
	for (const char *p = value; *p; p++)
		if (*p >= ' ' && *p <= '~' && *p != '\\')
			putchar(*p);
		else
			printf("\\x%02x", (unsigned char)*p);
	printf("]\n");
}

static void show_ids(void)
{
	gid_t groups[64];
	int n = getgroups(64, groups);

	printf("@uid=%u\n@gid=%u\n@groups=", getuid(), getgid());
	for (int i = 0; i < n; i++)
		printf("%s%u", i ? " " : "", groups[i]);
	printf("\n");
}

/* The answer to {"DescribePCR": {"index": N}} ends in, or holds, 58 30 and the value. */
static void show_pcr(int fd, unsigned n)
{
	static const uint8_t head[] = "\xa1\x6b"
				      "DescribePCR\xa1\x65"
				      "index";
	uint8_t request[sizeof(head)], answer[12288];
	struct {
		uint64_t req, req_len, resp, resp_len;
	} raw = { (uintptr_t)request, sizeof(request), (uintptr_t)answer,
		  sizeof(answer) };
	const uint8_t *value;

	memcpy(request, head, sizeof(head) - 1);
	request[sizeof(head) - 1] = (uint8_t)n;
	if (ioctl(fd, (int)_IOC(_IOC_READ | _IOC_WRITE, 0x0A, 0, 32), &raw) < 0)
		return;
	value = memmem(answer, raw.resp_len,
		       "\x64"
		       "data\x58\x30",
		       7);
	if (!value || raw.resp_len - (size_t)(value - answer) < 7 + 48)
		return;
	printf("@pcr%u=", n);
	for (int i = 0; i < 48; i++)
		printf("%02x", value[7 + i]);
	printf("\n");
}

static void show_pcrs(void)
{
	int fd = open("/dev/nsm", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return;
	show_pcr(fd, 0);
	show_pcr(fd, 1);
	show_pcr(fd, 2);
	show_pcr(fd, 8);
	close(fd);
}

static int wait_for(int number)
{
	int got = 0;
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	if (kill(1, SIGTERM) < 0)
		return 1;
	(void)sigwait(&all, &got);
	printf("@signal=%d\n", got);
	return got != number;
}

int main(int argc, char **argv)
{
	char cwd[PATH_MAX];
	int next = 0;

	for (int i = 0; i < argc; i++) {
		fact("arg", argv[i]);
		if (next == 0 && strncmp(argv[i], "--", 2) == 0)
			next = i;
	}
	for (char **e = environ; *e; e++)
		fact("env", *e);
	fact("cwd", getcwd(cwd, sizeof(cwd)) ? cwd : "?");
	show_ids();
	show_pcrs();
	fflush(stdout);
	if (next == 0 || next + 1 == argc)
		return 0;
	if (strcmp(argv[next], "--exec") == 0)
		execv(argv[next + 1], argv + next + 1);
	else if (strcmp(argv[next], "--until") == 0)
		return wait_for(atoi(argv[next + 1]));
	return 2;
}
