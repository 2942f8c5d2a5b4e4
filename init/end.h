#ifndef INIT_END_H
#define INIT_END_H

struct boot;

enum { END_HOLD_MS = 30000 };

/*
 * Ends a boot that failed in B->step: ends what runs, tells the parent by a negative
 * heartbeat, or, in debug mode, by a positive one, since nitro-cli attaches its console
 * only then, and holds the console for END_HOLD_MS.
 */
_Noreturn void end_failed(struct boot *b);

/* The end after the application's: the rest is stopped, the machine restarted. */
_Noreturn void end_machine(struct boot *b);

#endif
