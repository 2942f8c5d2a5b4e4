#include "rootfs/pack/base/cleanup.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

static struct {
	volatile sig_atomic_t used;
	int dirfd, flags;
	const char *name;
} slots[CLEANUP_MAX];

static pid_t owner;

/* A child that has not executed its program yet has these names, too, but not the right. */
static void on_signal(int number)
{
	for (size_t i = CLEANUP_MAX; getpid() == owner && i-- > 0;)
		if (slots[i].used)
			(void)unlinkat(slots[i].dirfd, slots[i].name,
				       slots[i].flags);
	/* Its disposition is the default one again: it ends us on return. */
	(void)raise(number);
}

static void catch (void)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct sigaction was,
		is = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };

	owner = getpid();
	(void)sigfillset(&is.sa_mask);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (sigaction(ends[i], NULL, &was) == 0 &&
		    was.sa_handler == SIG_DFL)
			(void)sigaction(ends[i], &is, NULL);
}

int cleanup_add(int dirfd, const char *name, int flags)
{
	static bool catches;

	for (int i = 0; i < CLEANUP_MAX; i++) {
		if (slots[i].used)
			continue;
		slots[i].dirfd = dirfd;
		slots[i].flags = flags;
		slots[i].name = name;
		slots[i].used = 1;
		if (!catches)
			catch ();
		catches = true;
		return i;
	}
	return -1;
}

void cleanup_drop(int slot)
{
	if (slot >= 0)
		slots[slot].used = 0;
}
