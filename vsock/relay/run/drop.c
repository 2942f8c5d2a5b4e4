#include "vsock/relay/run/drop.h"

#include <errno.h>
#include <grp.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vsock/inside.h"

/* linux/capability.h */
enum { CAPABILITY_V3 = 0x20080522, CAPABILITIES = 64 };

/* No program that is executed has any again. */
static int drop_bounding(void)
{
	for (unsigned long c = 0; c < CAPABILITIES; c++)
		if (prctl(PR_CAPBSET_DROP, c, 0, 0, 0) < 0)
			return errno == EINVAL ? 0 : -errno; /* the last + 1 */
	return 0;
}

static int clear_sets(void)
{
	static const struct {
		uint32_t version;
		int pid;
	} head = { CAPABILITY_V3, 0 };
	static const uint32_t none[6];

	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return syscall(SYS_capset, &head, none) < 0 ? -errno : 0;
}

static int change_user(void)
{
	int r;

	/* Started by a user: it has nothing to give away. */
	if (geteuid() != 0)
		return clear_sets();
	r = drop_bounding();
	if (r < 0)
		return r;
	if (setgroups(0, NULL) < 0 ||
	    setresgid(INSIDE_USER, INSIDE_USER, INSIDE_USER) < 0 ||
	    setresuid(INSIDE_USER, INSIDE_USER, INSIDE_USER) < 0)
		return -errno;
	return clear_sets();
}

int drop_privileges(enum plan_side side)
{
	int r = side == PLAN_INSIDE ? change_user() : 0;

	if (r < 0)
		return r;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
	return 0;
}
