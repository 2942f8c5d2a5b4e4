#include "init/link/last.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "init/helper.h"
#include "init/link/shared.h"
#include "init/link/stream.h"
#include "init/tell.h"
#include "vsock/io.h"
#include "vsock/sock.h"

enum {
	WRITE_MAX = 32768, /* docs/link.md */
	PAUSE_MS = 50,	   /* between two tries to connect */
	HEARD_MAX = 4096,  /* bytes of a parent that should close */
	STAGE_CONNECT = 1,
	STAGE_SEND,
	STAGE_TAKEN, /* the parent has not closed */
};

static char buf[WRITE_MAX];

static bool open_log(const struct link_work *w, struct ring *ret)
{
	return w->memory && config_keeps_log(&w->config) &&
	       ring_open(ret, (char *)w->memory + LINK_RING_AT,
			 w->memory_len - LINK_RING_AT) == 0;
}

static void drain(const struct link_work *w, struct ring *ring)
{
	struct link_shared *s = w->memory;

	stream_repair(s, w->stream_count, ring);
	for (size_t i = 0; i < w->stream_count; i++)
		if (w->reads[i] >= 0)
			stream_end(s, i, w->reads[i], ring);
}

/* The parent may be slow to listen, and vsock knows no refusal. */
static int reach(const struct helper_job *job)
{
	static const struct timespec pause = { .tv_nsec = PAUSE_MS * 1000000L };
	int64_t left;
	int fd;

	for (;;) {
		left = job->until_ms - io_now_ms();
		if (left <= 0)
			return -ETIMEDOUT;
		fd = sock_connect(SOCK_CID_PARENT,
				  job->work->config.report_port, (int)left);
		if (fd >= 0 || fd == -EAFNOSUPPORT)
			return fd;
		(void)nanosleep(&pause, NULL);
	}
}

static int send_words(int fd, const struct ring *ring, uint64_t pos,
		      uint64_t left, int64_t until_ms)
{
	uint64_t lost;
	size_t n;
	int r = 0;

	while (left > 0 && r == 0) {
		n = ring_read(ring, &pos, buf,
			      left < sizeof(buf) ? (size_t)left : sizeof(buf),
			      &lost);
		if (n == 0)
			return -EIO; /* nobody writes: it is damaged */
		r = io_write_full(fd, buf, n, until_ms);
		left -= n;
	}
	return r;
}

/* The parent closes when it has it all. It has nothing to say, and may not go on for ever. */
static int wait_for_close(int fd, int64_t until_ms)
{
	uint8_t byte;
	int r = 0;

	for (int i = 0; i < HEARD_MAX && r == 0; i++)
		r = io_read_full(fd, &byte, 1, until_ms);
	return r == 0 ? -EPROTO : r == -ETIMEDOUT ? r : 0;
}

static int fail(const struct helper_job *job, int stage, int r)
{
	tell_news(job, HELPER_FAULT, (uint8_t)stage, r);
	return 1;
}

static int report(const struct helper_job *job, struct record *record,
		  const struct ring *ring)
{
	char line[RECORD_MAX];
	uint64_t head = ring ? ring_head(ring) : 0, pos = head;
	size_t len;
	int fd, r;

	if (ring && job->byte)
		pos = ring_tail_from_line(ring,
					  (size_t)job->work->config.report_log);
	memcpy(record->boot, job->work->boot, sizeof(record->boot));
	record->has_log = true;
	record->uptime_ms = (uint64_t)io_now_ms();
	record->log_bytes = head - pos;
	record->lost_bytes = pos;
	len = record_write(record, line, sizeof(line));
	fd = reach(job);
	if (fd < 0)
		return fail(job, STAGE_CONNECT, fd);
	r = io_write_full(fd, line, len, job->until_ms);
	if (r == 0 && record->log_bytes > 0)
		r = send_words(fd, ring, pos, record->log_bytes, job->until_ms);
	if (r < 0)
		return fail(job, STAGE_SEND, r);
	(void)shutdown(fd, SHUT_WR);
	r = wait_for_close(fd, job->until_ms);
	if (r < 0)
		return fail(job, STAGE_TAKEN, r);
	tell_news(job, HELPER_DONE, 0, 0);
	return 0;
}

int last_run(const struct helper_job *job)
{
	struct record record = *job->record;
	struct ring ring;
	bool has_log = open_log(job->work, &ring);

	if (has_log && job->byte)
		drain(job->work, &ring);
	return report(job, &record, has_log ? &ring : NULL);
}
