#ifndef NSM_KMS_CALL_MOMENT_H
#define NSM_KMS_CALL_MOMENT_H

#include <stdint.h>

/*
 * The time by a document: its signed timestamp, advanced by CLOCK_BOOTTIME, which the parent
 * cannot set as it can the clock of the day.
 */
struct moment {
	int64_t then_ms; /* the timestamp, since 1970 */
	int64_t boot_ms; /* CLOCK_BOOTTIME when it was taken */
};

/* Begins at MS, a timestamp that was just signed. */
void moment_begin(struct moment *m, int64_t ms);

/* Milliseconds since 1970. */
int64_t moment_now_ms(const struct moment *m);

#endif
