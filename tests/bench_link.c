/*
 * bench_link: what the log costs on this machine: ring.c, line.c and record.c as shipped.
 * Lines "NAME NUMBER" for tests/bench: GB/s (1e9 bytes of what a service writes) for all but
 * record, which is nanoseconds for a line.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "vsock/line.h"
#include "vsock/record.h"
#include "vsock/ring.h"

/* The best of many short rounds: what else the machine does falls on few of them. */
enum {
	ROUNDS = 20,
	ROUND_BYTES = 1 << 24,
	RING_BYTES = 1 << 17, /* the default of log-size */
	CHUNK = 1 << 16,      /* a pipe's */
	APP_BYTES = 1 << 29,
};

static char text[CHUNK];
static char out[CHUNK + 2 * LINE_ROOM];
static void *mem;
static struct ring ring;
static struct line line;

static int64_t now_ns(clockid_t clock)
{
	struct timespec t;

	(void)clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static _Noreturn void fail(const char *what)
{
	perror(what);
	exit(1);
}

/* Fills the text with lines of LEN bytes, made of WORD. */
static void set_text(const char *word, size_t len)
{
	size_t n = strlen(word);

	for (size_t i = 0; i < CHUNK; i++)
		text[i] = i % len == len - 1 ? '\n' : word[i % len % n];
}

/* --- what is measured; each takes the text once --- */

static void to_ring(const char *s, size_t len)
{
	ring_write(&ring, s, len);
}

static void by_64(void)
{
	for (size_t i = 0; i < CHUNK; i += 64)
		to_ring(text + i, 64);
}

static void by_4k(void)
{
	for (size_t i = 0; i < CHUNK; i += 4096)
		to_ring(text + i, 4096);
}

static void by_64k(void)
{
	to_ring(text, CHUNK);
}

static void from_ring(void)
{
	uint64_t pos = ring_head(&ring) - CHUNK, lost;

	if (ring_read(&ring, &pos, out, CHUNK, &lost) != CHUNK)
		fail("ring_read");
}

static void to_lines(void)
{
	size_t done = 0, n;

	while (done < CHUNK)
		done += line_write(&line, text + done, CHUNK - done, out,
				   sizeof(out), &n);
}

static void log_bytes(const char *s, size_t len)
{
	size_t n;

	for (size_t done = 0; done < len;) {
		done += line_write(&line, s + done, len - done, out,
				   sizeof(out), &n);
		to_ring(out, n);
	}
}

static void to_both(void)
{
	log_bytes(text, CHUNK);
}

static void rate(const char *name, void (*run)(void))
{
	int64_t best = INT64_MAX;

	for (int i = 0; i < ROUNDS; i++) {
		int64_t ns = now_ns(CLOCK_PROCESS_CPUTIME_ID);

		for (int n = 0; n < ROUND_BYTES / CHUNK; n++)
			run();
		ns = now_ns(CLOCK_PROCESS_CPUTIME_ID) - ns;
		if (ns < best)
			best = ns;
	}
	printf("%s %.2f\n", name, (double)ROUND_BYTES / (double)best);
}

/* --- an application's output --- */

/* Lines of 100 bytes, as stdio writes them: 4 KiB at a time. */
static void write_lines(int fd)
{
	char buf[4096], number[32];
	size_t len = 0;

	for (int i = 0; i < APP_BYTES / 100; i++) {
		(void)snprintf(number, sizeof(number), "%08d", i);
		for (size_t n = 0; n < 100;) {
			size_t some = sizeof(buf) - len;

			if (some > 100 - n)
				some = 100 - n;
			memcpy(buf + len, text + n, some);
			if (n == 0 && some > 8)
				memcpy(buf + len, number, 8);
			len += some;
			n += some;
			if (len == sizeof(buf)) {
				if (write(fd, buf, len) != (ssize_t)len)
					fail("write");
				len = 0;
			}
		}
	}
}

/* An application that does nothing else: 4 KiB of the same. */
static void write_blocks(int fd)
{
	for (int i = 0; i < APP_BYTES / 4096; i++)
		if (write(fd, text, 4096) != 4096)
			fail("write");
}

/* Reads all of FD, with LOG into the ring. */
static void drain(int fd, int with_log)
{
	static char buf[CHUNK];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		if (with_log)
			log_bytes(buf, (size_t)n);
}

/* Of two tries the better one, in GB/s of wall clock. MODE: 0 /dev/null, 1 a pipe, 2 the log. */
static void application(const char *name, void (*app)(int), int mode)
{
	double best = 0;

	for (int i = 0; i < 2; i++) {
		int fds[2] = { -1, open("/dev/null", O_WRONLY | O_CLOEXEC) };
		int64_t ns = now_ns(CLOCK_MONOTONIC);
		int status;
		pid_t pid;
		double gbs;

		if (mode > 0 && (close(fds[1]) < 0 || pipe(fds) < 0))
			fail("pipe");
		pid = fork();
		if (pid < 0)
			fail("fork");
		if (pid == 0) {
			app(fds[1]);
			_exit(0);
		}
		close(fds[1]);
		if (mode > 0)
			drain(fds[0], mode == 2);
		if (waitpid(pid, &status, 0) != pid || status != 0)
			fail("the application");
		ns = now_ns(CLOCK_MONOTONIC) - ns;
		if (mode > 0)
			close(fds[0]);
		gbs = (double)APP_BYTES / (double)ns;
		if (gbs > best)
			best = gbs;
	}
	printf("%s %.2f\n", name, best);
}

static void records(void)
{
	static const struct record r = {
		.status = RECORD_SIGNALED,
		.signal = 9,
		.name = "SIGKILL",
		.service = "main",
		.oom = true,
		.uptime_ms = 12345678,
		.has_log = true,
		.log_bytes = 4096,
	};
	int64_t ns = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	size_t n = 0;

	for (int i = 0; i < 100000; i++)
		n += record_write(&r, out, sizeof(out));
	ns = now_ns(CLOCK_PROCESS_CPUTIME_ID) - ns;
	printf("record %.0f\n", n ? (double)ns / 100000 : 0);
}

/* As an application: lines to descriptor 1, and what that took to the file PATH. */
static int be_application(const char *path)
{
	int64_t ns = now_ns(CLOCK_MONOTONIC);
	FILE *f;

	write_lines(1);
	ns = now_ns(CLOCK_MONOTONIC) - ns;
	f = fopen(path, "w");
	if (!f)
		return 1;
	(void)fprintf(f, "%d %lld\n", APP_BYTES, (long long)ns);
	return fclose(f) != 0;
}

int main(int argc, char **argv)
{
	static const char ascii[] =
		"the quick brown fox jumps over a lazy dog ";
	static const char greek[] = "\xce\xb1\xce\xb2\xce\xb3 ";

	set_text(ascii, 100);
	if (argc == 3 && strcmp(argv[1], "--application") == 0)
		return be_application(argv[2]);
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	mem = mmap(NULL, RING_HEADER_BYTES + RING_BYTES, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED ||
	    ring_init(&ring, mem, RING_HEADER_BYTES + RING_BYTES) < 0)
		fail("mmap");
	set_text(ascii, 100);
	rate("ring-64", by_64);
	rate("ring-4k", by_4k);
	rate("ring-64k", by_64k);
	rate("ring-read", from_ring);
	line_init(&line, "main", 0, 1);
	rate("line-100", to_lines);
	rate("both-100", to_both);
	set_text(ascii, 20);
	rate("line-20", to_lines);
	set_text(ascii, 1000);
	rate("line-1000", to_lines);
	set_text(greek, 101);
	rate("line-utf8", to_lines);
	set_text("\x01", 100);
	rate("line-escaped", to_lines);
	line_init(&line, "main", 0, 0);
	set_text(ascii, 100);
	rate("line-raw", to_lines);
	line_init(&line, "main", 0, 1);
	application("lines-null", write_lines, 0);
	application("lines-pipe", write_lines, 1);
	application("lines-log", write_lines, 2);
	application("blocks-null", write_blocks, 0);
	application("blocks-pipe", write_blocks, 1);
	application("blocks-log", write_blocks, 2);
	records();
	return 0;
}
