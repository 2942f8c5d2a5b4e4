#include "init/beating.h"

#include "init/tell.h"
#include "vsock/heartbeat.h"

int beating_run(const struct helper_job *job)
{
	enum heartbeat_stage stage = HEARTBEAT_CONNECT;
	int r;

	if (job->byte == HEARTBEAT_BYTE)
		r = heartbeat_positive(job->port, &stage);
	else
		r = heartbeat_negative(job->port, job->byte, &stage);
	tell_news(job, r < 0 ? HELPER_FAULT : HELPER_DONE, (uint8_t)stage, r);
	return r < 0;
}
