#ifndef INIT_BEATING_H
#define INIT_BEATING_H

struct helper_job;

/* HELPER_BEAT, the process of init/beat: returns the exit code, which is 0 if the parent has answered. */
int beating_run(const struct helper_job *job);

#endif
