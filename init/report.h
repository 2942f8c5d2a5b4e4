#ifndef INIT_REPORT_H
#define INIT_REPORT_H

#include <stdbool.h>
#include <stddef.h>

struct config_fault;
struct text;

/*
 * How a process ended, from its wait status STATUS, to T: "exited with code N",
 * "killed by SIGSEGV", or "killed: out of memory" if OOM and the signal is
 * SIGKILL. Pure.
 */
void report_status(int status, bool oom, struct text *t);

/*
 * What is wrong with a file that init/spec/spec.h reads, at LINE if that is not 0: the
 * words for -SPEC_E_... or -errno, R, to T. Pure.
 */
void report_spec(int r, size_t line, struct text *t);

/* The same for a configuration, -CONFIG_E_... or -errno, and where. Pure. */
void report_config(int r, const struct config_fault *fault, struct text *t);

#endif
