#ifndef INIT_SPEC_SIGNAL_H
#define INIT_SPEC_SIGNAL_H

/*
 * Linux's signals by name, those of x86-64 and arm64, which are the same. Pure.
 * Real-time ones are counted as libc, Docker and kill(1) do: the kernel's first
 * two are libc's own.
 */

enum {
	SIGNAL_MAX = 64,
	SIGNAL_RTMIN = 34,
	SIGNAL_RTMAX = 64,
};

/*
 * The number of the signal TEXT names: TERM or SIGTERM, RTMIN, RTMIN+N, RTMAX,
 * RTMAX-N with or without SIG, in either case, or a number; 0 for all else.
 */
int signal_number(const char *text);

/* The name of SIGNAL without SIG, or NULL: it has none, or is a real-time one. */
const char *signal_name(int signal);

#endif
