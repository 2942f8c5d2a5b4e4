#ifndef INIT_REPORT_H
#define INIT_REPORT_H

#include <stdbool.h>

struct text;

/*
 * How a process ended, from its wait status STATUS, to T: "exited with code N",
 * "killed by SIGSEGV", or "killed: out of memory" if OOM and the signal is
 * SIGKILL. Pure.
 */
void report_status(int status, bool oom, struct text *t);

#endif
