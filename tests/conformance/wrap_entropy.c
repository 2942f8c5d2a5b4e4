/*
 * Mistakes with random numbers and the Nitro Secure Module, made when all is mounted:
 *
 *   closes PATH      a device that is for everybody is root's
 *   removes PATH     it is not there
 *   extends PCR
 *   drops NUMBER     a capability that no later process has
 *
 * And before that "credits nothing": the numbers of the NSM are mixed into the kernel's, as
 * by a write to /dev/urandom.
 */

#include <fcntl.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "init/step.h"
#include "nsm/nsmc.h"
#include "nsm/pool.h"
#include "tests/conformance/mutant.h"

static void close_device(const char *path)
{
	if (mutant_is("closes", path))
		(void)syscall(SYS_fchmodat, AT_FDCWD, path, 0600);
}

static void extend_pcr(const char *word)
{
	static const uint8_t one[] = { 1 };
	int fd = nsmc_open();

	(void)nsmc_extend_pcr(fd, (uint8_t)atoi(word), one, sizeof(one), NULL);
	close(fd);
}

WRAP(step_mounts);
int __wrap_step_mounts(struct boot *b)
{
	const char *extended = mutant_word("extends"),
		   *dropped = mutant_word("drops"),
		   *removed = mutant_word("removes");
	int r = __real_step_mounts(b);

	close_device("/dev/nsm");
	if (removed)
		(void)syscall(SYS_unlinkat, AT_FDCWD, removed, 0);
	if (extended)
		extend_pcr(extended);
	if (dropped)
		(void)prctl(PR_CAPBSET_DROP, atol(dropped), 0, 0, 0);
	return r;
}

WRAP(pool_credit);
int __wrap_pool_credit(const uint8_t *buf, size_t len)
{
	int fd;

	if (!mutant_is("credits nothing", NULL))
		return __real_pool_credit(buf, len);
	fd = open("/dev/urandom", O_WRONLY | O_CLOEXEC);
	(void)!write(fd, buf, len);
	close(fd);
	return 0;
}
