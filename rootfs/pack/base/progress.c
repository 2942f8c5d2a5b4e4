#include "rootfs/pack/base/progress.h"

#include <stdbool.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { FIRST_MS = 1000, EACH_MS = 100, MB = 1000000 };

static struct {
	const char *what;
	uint64_t total, done;
	uint64_t next_ms; /* when to write the line; 0: nothing has begun yet */
	bool is_there;	  /* the line */
	bool is_hidden;
} state;

static uint64_t now(void)
{
	struct timespec t = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void progress_begin_at(const char *what, uint64_t total, uint64_t now_ms)
{
	state.what = what;
	state.total = total;
	state.done = 0;
	if (state.next_ms == 0)
		state.next_ms = now_ms + FIRST_MS;
}

void progress_begin(const char *what, uint64_t total)
{
	progress_begin_at(what, total, now());
}

void progress_add_at(uint64_t bytes, uint64_t now_ms)
{
	state.done += bytes;
	if (!state.what || now_ms < state.next_ms)
		return;
	state.next_ms = now_ms + EACH_MS;
	if (state.is_hidden || !isatty(STDERR_FILENO))
		return;
	(void)fprintf(stderr, "\rmkeif: %s: %llu", state.what,
		      (unsigned long long)(state.done / MB));
	if (state.total > 0)
		(void)fprintf(stderr, " of %llu",
			      (unsigned long long)(state.total / MB));
	(void)fprintf(stderr, " MB\033[K");
	(void)fflush(stderr);
	state.is_there = true;
}

void progress_add(uint64_t bytes)
{
	progress_add_at(bytes, now());
}

void progress_hide(void)
{
	state.is_hidden = true;
}

void progress_clear(void)
{
	if (!state.is_there)
		return;
	(void)fprintf(stderr, "\r\033[K");
	(void)fflush(stderr);
	state.is_there = false;
}
