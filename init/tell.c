#include "init/tell.h"

#include <sys/socket.h>

void tell_news(const struct helper_job *job, enum helper_news news,
	       uint8_t stage, int error)
{
	const struct helper_report report = { .news = (uint8_t)news,
					      .stage = stage,
					      .error = error };

	(void)send(job->channel, &report, sizeof(report), MSG_NOSIGNAL);
}
