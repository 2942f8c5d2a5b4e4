#include "nsm/api/jobs/job.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "nsm/nsmc.h"

static int send_all(int fd, const void *data, size_t len)
{
	const char *at = data;
	ssize_t n;

	while (len > 0) {
		n = send(fd, at, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

static int receive_all(int fd, void *data, size_t len)
{
	char *at = data;
	ssize_t n;

	while (len > 0) {
		n = recv(fd, at, len, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ECONNRESET;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

void job_answer_with(struct job *j, int status, const char *type,
		     const char *lines, const void *body, size_t len)
{
	struct job_frame f = {
		.wish = JOB_ANSWERS,
		.has_failed_opening = j->has_failed_opening,
		.status = status,
		.type_len = (uint32_t)strlen(type),
		.lines_len = (uint32_t)strlen(lines),
		.body_len = (uint32_t)len,
	};

	if (j->is_answered || f.type_len > JOB_TYPE_MAX ||
	    f.lines_len > WEB_MORE_MAX || len > WEB_ANSWER_MAX)
		return;
	j->is_answered = true;
	/* A parent that is gone wants no answer. */
	if (send_all(j->out, &f, sizeof(f)) < 0 ||
	    send_all(j->out, type, f.type_len) < 0 ||
	    send_all(j->out, lines, f.lines_len) < 0)
		return;
	(void)send_all(j->out, body, len);
}

void job_answer(struct job *j, int status, const char *type, const void *body,
		size_t len)
{
	job_answer_with(j, status, type, "", body, len);
}

void job_error(struct job *j, int status, const char *code, const char *format,
	       ...)
{
	char message[1024], body[WEB_ERROR_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(message, sizeof(message), format, args); // NOLINT
	va_end(args);
	job_answer(j, status, "application/json", body,
		   web_error_body(body, code, message));
}

void job_error_nsm(struct job *j, int r)
{
	job_error(j, web_status_of(r), web_code_of(r), "%s",
		  nsmc_error_text(r));
}

bool job_may_attest(struct nsmc_bytes user_data)
{
	static const char tag[] = "enclave-init/";

	return user_data.len < sizeof(tag) - 1 ||
	       memcmp(user_data.data, tag, sizeof(tag) - 1) != 0;
}

int job_ask(struct job *j, enum job_wish wish, uint32_t about, void *buf,
	    size_t cap, size_t *ret_len)
{
	struct job_frame f = { .wish = wish, .about = about };
	struct job_gift gift = { .error = 0 };
	int r = send_all(j->out, &f, sizeof(f));

	if (r == 0)
		r = receive_all(j->out, &gift, sizeof(gift));
	if (r < 0)
		return r;
	if (gift.error)
		return gift.error;
	if (gift.len > cap)
		return -ENOBUFS;
	r = receive_all(j->out, buf, gift.len);
	if (r == 0)
		*ret_len = gift.len;
	return r;
}
