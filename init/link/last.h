#ifndef INIT_LINK_LAST_H
#define INIT_LINK_LAST_H

struct helper_job;

/*
 * The helper that sends one report: a line of JSON and, if it is the last one
 * (JOB->byte), the last words, after it has drained what is left in the pipes. Returns the
 * exit code.
 */
int last_run(const struct helper_job *job);

#endif
