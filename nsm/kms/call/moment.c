#include "nsm/kms/call/moment.h"

#include <time.h>

static int64_t boot_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_BOOTTIME, &t); /* cannot fail */
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void moment_begin(struct moment *m, int64_t ms)
{
	*m = (struct moment){ .then_ms = ms, .boot_ms = boot_ms() };
}

int64_t moment_now_ms(const struct moment *m)
{
	return m->then_ms + boot_ms() - m->boot_ms;
}
