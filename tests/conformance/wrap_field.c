/* Mistakes that images of the field are hurt by. */

#include <net/if.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "init/confine.h"
#include "rootfs/loopback.h"
#include "tests/conformance/mutant.h"

enum { NUMBERS = 64 };

static bool has_number(const char *name, int number)
{
	char word[16];

	(void)snprintf(word, sizeof(word), "%d", number);
	return mutant_is(name, word);
}

/*
 * Just before the application is executed: "start-ignoring SIGNAL", "start-blocking
 * SIGNAL", "start-without-capability NUMBER", "start-with-read-only PATH", / or /run.
 */
WRAP(confine_finish);
int __wrap_confine_finish(const struct confine *c, enum confine_stage *stage)
{
	static const char *const paths[] = { "/", "/run" };
	sigset_t set;

	(void)sigemptyset(&set);
	for (int i = 0; i < NUMBERS; i++) {
		if (has_number("start-ignoring", i))
			(void)signal(i, SIG_IGN);
		if (has_number("start-blocking", i))
			(void)sigaddset(&set, i);
		if (has_number("start-without-capability", i))
			(void)prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
	}
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (mutant_is("start-with-read-only", paths[i]))
			(void)mount(NULL, paths[i], NULL,
				    MS_REMOUNT | MS_BIND | MS_RDONLY, NULL);
	return __real_confine_finish(c, stage);
}

/* "lo-is-narrow": it has 127.0.0.1/32, and no other address of its network. */
WRAP(loopback_up);
int __wrap_loopback_up(void)
{
	const struct sockaddr_in mask = { .sin_family = AF_INET,
					  .sin_addr.s_addr = UINT32_MAX };
	struct ifreq req = { .ifr_name = "lo" };
	int fd;

	if (!mutant_is("lo-is-narrow", NULL))
		return __real_loopback_up();
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	req.ifr_flags = IFF_UP | IFF_RUNNING;
	(void)ioctl(fd, SIOCSIFFLAGS, &req);
	memcpy(&req.ifr_netmask, &mask, sizeof(mask));
	(void)ioctl(fd, SIOCSIFNETMASK, &req);
	close(fd);
	return 0;
}
