#ifndef INIT_TELL_H
#define INIT_TELL_H

#include <stdint.h>

#include "init/helper.h"

/* In a helper: sends its report to PID 1, once: NEWS in its own stage STAGE, 0 or -errno. */
void tell_news(const struct helper_job *job, enum helper_news news,
	       uint8_t stage, int error);

#endif
