/*
 * An application that needs random numbers, and asks for them first of all; then it looks
 * at where they come from. Facts are "@key=value" lines.
 * With the argument "nsm" it asks the NSM, as one process and as many.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/random.h>

#include "nsm/nsmc.h"

enum {
	BYTES = 32,
	USER = 1000,
	ASKERS = 16,
	PCR_FREE = 16, /* the first that is the application's */
};

__attribute__((format(printf, 2, 3))) static void fact(const char *key,
						       const char *format, ...)
{
	char value[256];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(value, sizeof(value), format, ap);
	va_end(ap);
	printf("@%s=%s\n", key, value);
	fflush(stdout);
}

static const char *words(bool good)
{
	return good ? "ok" : strerror(errno);
}

/* --- the kernel's numbers --- */

static void tell_drawn(const unsigned char *bytes, ssize_t n)
{
	char hex[2 * BYTES + 1];

	for (int i = 0; i < BYTES; i++)
		(void)sprintf(hex + 2 * i, "%02x", bytes[i]);
	fact("getrandom", "%s", n == BYTES ? "ready" : strerror(errno));
	fact("drawn", "%s", n == BYTES ? hex : "nothing");
}

/* Whether it gives something, which may be less; HOW is O_NONBLOCK: at once. */
static bool gives(const char *path, int how)
{
	unsigned char bytes[BYTES];
	int fd = open(path, O_RDONLY | O_CLOEXEC | how);
	bool good = fd >= 0 && read(fd, bytes, sizeof(bytes)) > 0;

	if (fd >= 0)
		close(fd);
	return good;
}

/* As attestation libraries do at their start: numbers of the NSM into the kernel. */
static bool seeds(void)
{
	struct {
		int bits, size;
		uint8_t data[BYTES];
	} seed = { 8 * BYTES, BYTES, { 0 } };
	int fd = open("/dev/random", O_RDWR | O_CLOEXEC);
	bool good = fd >= 0 && ioctl(fd, (int)RNDADDENTROPY, &seed) == 0;

	if (fd >= 0)
		close(fd);
	return good;
}

static void tell_source(void)
{
	char text[64] = "";
	int fd = open("/sys/class/misc/hw_random/rng_current",
		      O_RDONLY | O_CLOEXEC),
	    left = -1;

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		(void)snprintf(text, sizeof(text), "%s", strerror(errno));
	text[strcspn(text, "\n")] = '\0';
	fact("source", "%s", text);
	if (fd >= 0)
		close(fd);
	fd = open("/dev/random", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, (int)RNDGETENTCNT, &left) < 0)
		fact("entropy", "%s", strerror(errno));
	else
		fact("entropy", "%d", left);
	if (fd >= 0)
		close(fd);
}

/* --- the NSM's --- */

/* Whether a document comes that has the nonce. */
static int attest(const char *nonce)
{
	static uint8_t document[NSMC_DOCUMENT_MAX];
	const struct nsmc_bytes none = { NULL, 0 },
				given = { (const uint8_t *)nonce,
					  strlen(nonce) };
	size_t len = 0;
	int fd = nsmc_open(), r;

	if (fd < 0)
		return fd;
	r = nsmc_attest(fd, none, given, none, document, sizeof(document),
			&len);
	close(fd);
	if (r < 0)
		return r;
	return memmem(document, len, nonce, strlen(nonce)) ? 0 : -ENOMSG;
}

/* Many processes at once, every second a user's. */
static void ask_together(void)
{
	int go[2], status, good = 0;
	char nonce[16], byte;

	if (pipe2(go, O_CLOEXEC) < 0)
		return;
	for (int i = 0; i < ASKERS; i++) {
		if (fork() != 0)
			continue;
		(void)snprintf(nonce, sizeof(nonce), "nonce of %d", i);
		close(go[1]);
		if (i % 2 == 1 && (setgid(USER) < 0 || setuid(USER) < 0))
			_exit(1);
		(void)!read(go[0], &byte, 1); /* the end, for all at once */
		_exit(attest(nonce) < 0);
	}
	close(go[0]);
	close(go[1]);
	while (wait(&status) > 0)
		good += status == 0;
	fact("together", "%d", good);
}

/* What of the application's PCRs is not as the machine's start left it. */
static void tell_pcrs(int fd)
{
	static const uint8_t zero[NSMC_PCR_SIZE_MAX];
	struct nsmc_pcr pcr;
	char all[200] = "", one[16];

	for (uint8_t i = PCR_FREE; i < NSMC_PCR_COUNT; i++) {
		if (nsmc_describe_pcr(fd, i, &pcr) < 0)
			(void)snprintf(one, sizeof(one), "%d? ", i);
		else if (pcr.locked || memcmp(pcr.value, zero, pcr.len) != 0)
			(void)snprintf(one, sizeof(one), "%d ", i);
		else
			continue;
		strncat(all, one, sizeof(all) - strlen(all) - 1);
	}
	fact("changed", "[%s]", all);
}

static void tell_extended(int fd)
{
	static const uint8_t one[] = { 1 };
	struct nsmc_pcr pcr;
	int r = nsmc_extend_pcr_checked(fd, PCR_FREE, one, sizeof(one), &pcr);

	fact("extend", "%s", r < 0 ? nsmc_error_text(r) : "ok");
	r = nsmc_lock_pcr_checked(fd, PCR_FREE, &pcr);
	fact("lock", "%s", r < 0 ? nsmc_error_text(r) : "ok");
}

/* What was open before anything here was. */
static void tell_inherited(void)
{
	char path[32], target[128];
	ssize_t n;

	for (int fd = 0; fd < 256; fd++) {
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		n = readlink(path, target, sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = '\0';
		fact("inherited", "%d %s", fd, target);
	}
}

static void ask_nsm(void)
{
	struct nsmc_description d;
	int fd, r;

	tell_inherited();
	fd = nsmc_open();
	r = fd < 0 ? fd : nsmc_describe(fd, &d);
	fact("nsm", "%s", r < 0 ? nsmc_error_text(r) : d.digest);
	if (fd >= 0) {
		tell_pcrs(fd);
		r = attest("the nonce of one");
		fact("attested", "%s", r < 0 ? nsmc_error_text(r) : "ok");
		tell_extended(fd);
		close(fd);
	}
	ask_together();
}

int main(int argc, char **argv)
{
	unsigned char bytes[BYTES];
	ssize_t n = getrandom(bytes, sizeof(bytes), GRND_NONBLOCK);

	if (argc < 2 || strcmp(argv[1], "nsm") != 0) {
		tell_drawn(bytes, n);
		tell_source();
		fact("random", "%s", words(gives("/dev/random", O_NONBLOCK)));
		fact("hwrng", "%s", words(gives("/dev/hwrng", 0)));
		fact("seed", "%s", words(seeds()));
	} else {
		ask_nsm();
	}
	fact("done", "yes");
	return 0;
}
