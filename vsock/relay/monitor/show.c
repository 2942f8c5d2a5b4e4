#include "vsock/relay/monitor/show.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "vsock/relay/base/print.h"
#include "vsock/relay/base/tool.h"
#include "vsock/relay/monitor/json.h"
#include "vsock/relay/monitor/log.h"
#include "vsock/relay/monitor/status.h"

/* Opens an object of TYPE. */
static struct print *open_object(const struct show *s, const char *type)
{
	struct print *out = s->tool->out;

	print_text(out, "{\"type\":\"");
	print_text(out, type);
	print_text(out, "\"");
	if (s->is_one_of_many) {
		print_text(out, ",\"from\":");
		print_string(out, s->where, strlen(s->where));
	}
	return out;
}

static void json_line(const struct show *s, const struct log_event *e)
{
	static const char *const streams[] = {
		[LOG_NO_STREAM] = "null",    [LOG_OWN] = "\"init\"",
		[LOG_STDOUT] = "\"stdout\"", [LOG_STDERR] = "\"stderr\"",
		[LOG_MORE] = "\"more\"",
	};
	struct print *out = open_object(s, "log");
	enum log_stream stream = LOG_NO_STREAM;
	size_t name_len = 0, text = 0;

	if (!e->is_part)
		stream = log_split(e->text, e->len, &name_len, &text);
	print_text(out, ",\"service\":");
	if (stream == LOG_NO_STREAM)
		print_text(out, "null");
	else
		print_string(out, e->text, name_len);
	print_text(out, ",\"stream\":");
	print_text(out, streams[stream]);
	print_text(out, ",\"text\":");
	print_string(out, e->text + text, e->len - text);
	print_text(out, "}\n");
}

static void text_line(const struct show *s, const struct log_event *e)
{
	struct print *out = s->tool->out;

	if (s->is_one_of_many) {
		print_safe(out, s->where, strlen(s->where));
		print_text(out, ": ");
	}
	print_safe(out, e->text, e->len);
	print_text(out, "\n");
}

void show_other(const struct show *s, uint32_t boot)
{
	if (boot)
		tool_remark(s->tool, s->where,
			    "this is another enclave: boot %08" PRIx32, boot);
	else
		tool_remark(s->tool, s->where,
			    "this is another enclave: one without an id");
}

static void show_gap(const struct show *s, uint64_t from, uint64_t to)
{
	struct print *out;

	if (!s->is_json) {
		tool_remark(s->tool, s->where,
			    "%" PRIu64 " bytes of the log are missing: %" PRIu64
			    " to %" PRIu64,
			    to - from, from, to - 1);
		return;
	}
	out = open_object(s, "gap");
	print_text(out, ",\"from_byte\":");
	print_number(out, from);
	print_text(out, ",\"bytes\":");
	print_number(out, to - from);
	print_text(out, "}\n");
}

/* Without an id only a shorter log tells. */
static void show_restart(const struct show *s, uint64_t before, uint64_t boot)
{
	if (before != boot)
		show_other(s, (uint32_t)boot);
	else
		tool_remark(s->tool, s->where, "the log begins again%s",
			    boot ? "" : ": this is another enclave");
}

void show_log(const struct show *s, const struct log_event *e)
{
	switch (e->kind) {
	case LOG_LINE:
		if (s->is_json)
			json_line(s, e);
		else
			text_line(s, e);
		break;
	case LOG_GAP:
		show_gap(s, e->from, e->to);
		break;
	case LOG_RESTART:
		show_restart(s, e->from, e->to);
		break;
	case LOG_PLAIN:
		tool_remark(s->tool, s->where,
			    "the log does not say where it begins: after a "
			    "lost connection, lines may be missing or come "
			    "twice");
		break;
	case LOG_END:
		break;
	}
}

/* Appends to the CAP bytes at TO, of which *LEN are used. */
__attribute__((format(printf, 4, 5))) static void append(char *to, size_t cap,
							 size_t *len,
							 const char *format,
							 ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	/* In a run over several files clang-tidy no longer knows va_start. */
	n = vsnprintf(to + *len, cap - *len, format, ap); // NOLINT
	va_end(ap);
	if (n > 0)
		*len += (size_t)n;
	if (*len >= cap)
		*len = cap - 1;
}

static void append_end(const struct status *s, char *to, size_t *len)
{
	if (s->service[0])
		append(to, SHOW_SUMMARY_MAX, len, " (%s)", s->service);
	if (s->is_oom)
		append(to, SHOW_SUMMARY_MAX, len, ", out of memory");
}

void show_summary(const struct status *s, char ret[SHOW_SUMMARY_MAX])
{
	size_t len = 0;

	switch (s->kind) {
	case STATUS_RUNNING:
		append(ret, SHOW_SUMMARY_MAX, &len, "running");
		if (s->has_ready)
			append(ret, SHOW_SUMMARY_MAX, &len,
			       s->is_ready ? ", ready" : ", not ready yet");
		break;
	case STATUS_EXITED:
		append(ret, SHOW_SUMMARY_MAX, &len, "exited with code %d",
		       s->code);
		append_end(s, ret, &len);
		break;
	case STATUS_SIGNALED:
		append(ret, SHOW_SUMMARY_MAX, &len, "killed by signal %d",
		       s->signal);
		if (s->name[0])
			append(ret, SHOW_SUMMARY_MAX, &len, ", %s", s->name);
		append_end(s, ret, &len);
		break;
	case STATUS_FATAL:
		append(ret, SHOW_SUMMARY_MAX, &len, "the boot failed");
		if (s->step)
			append(ret, SHOW_SUMMARY_MAX, &len, " in step %" PRIu64,
			       s->step);
		append(ret, SHOW_SUMMARY_MAX, &len, ": %s", s->error);
		break;
	}
	if (s->restarts)
		append(ret, SHOW_SUMMARY_MAX, &len, ", %" PRIu64 " restart%s",
		       s->restarts, s->restarts == 1 ? "" : "s");
}

static void show_record(const struct show *s, const char *type,
			const cJSON *json)
{
	struct print *out = open_object(s, type);

	print_text(out, ",\"record\":");
	json_value(out, json);
	print_text(out, "}\n");
}

void show_status(const struct show *s, const struct status *status,
		 const cJSON *json)
{
	char text[SHOW_SUMMARY_MAX];

	if (s->is_json) {
		show_record(s, "status", json);
		return;
	}
	show_summary(status, text);
	tool_remark(s->tool, s->where, "%s", text);
}

void show_report(const struct show *s, const struct status *status,
		 const cJSON *json)
{
	char text[SHOW_SUMMARY_MAX];
	struct print *out = s->tool->out;

	if (s->is_json) {
		show_record(s, "report", json);
		return;
	}
	show_summary(status, text);
	print_safe(out, s->where, strlen(s->where));
	print_text(out, ": ");
	print_safe(out, text, strlen(text));
	/* Which reports are of one enclave: CIDs are used again. */
	if (status->boot) {
		(void)snprintf(text, sizeof(text), ", boot %08" PRIx32,
			       status->boot);
		print_text(out, text);
	}
	print_text(out, "\n");
}

void show_bad(const struct show *s, const char *of, const char *why)
{
	tool_remark(s->tool, s->where, "a %s is ignored: %s", of, why);
}

static void show_row(struct print *out, const char *name, const char *value)
{
	size_t len = strlen(name);

	print_text(out, name);
	do
		print_text(out, " ");
	while (++len < 10);
	print_safe(out, value, strlen(value));
	print_text(out, "\n");
}

/* A cell; characters beyond ASCII make it look shorter than it is, and no worse. */
static void show_cell(struct print *out, const char *text, size_t width)
{
	size_t len = strlen(text);

	print_safe(out, text, len);
	do
		print_text(out, " ");
	while (++len < width);
}

static size_t widest(const struct status *s)
{
	size_t width = sizeof("SERVICE") + 1, len;

	for (size_t i = 0; i < s->count; i++) {
		len = strlen(s->services[i].name) + 2;
		if (len > width)
			width = len;
	}
	return width;
}

static void show_services(struct print *out, const struct status *s)
{
	size_t width = widest(s);
	char number[24];

	print_text(out, "\n");
	show_cell(out, "SERVICE", width);
	print_text(out, "STATE     PID     RESTARTS  STATUS\n");
	for (size_t i = 0; i < s->count; i++) {
		const struct status_service *of = s->services + i;

		show_cell(out, of->name, width);
		show_cell(out, of->state, 10);
		(void)snprintf(number, sizeof(number), "%" PRId64, of->pid);
		show_cell(out, of->pid < 0 ? "-" : number, 8);
		(void)snprintf(number, sizeof(number), "%" PRIu64,
			       of->restarts);
		if (of->text[0]) {
			show_cell(out, number, 10);
			print_safe(out, of->text, strlen(of->text));
		} else {
			print_text(out, number);
		}
		print_text(out, "\n");
	}
}

void show_table(const struct show *s, const struct status *status)
{
	struct print *out = s->tool->out;
	char text[SHOW_SUMMARY_MAX];
	uint64_t ms = status->uptime_ms;

	show_summary(status, text);
	show_row(out, "status", text);
	if (status->has_uptime) {
		(void)snprintf(text, sizeof(text), "%" PRIu64 ".%03d s",
			       ms / 1000, (int)(ms % 1000));
		show_row(out, "uptime", text);
	}
	if (status->boot) {
		(void)snprintf(text, sizeof(text), "%08" PRIx32, status->boot);
		show_row(out, "boot", text);
	}
	if (status->count > 0)
		show_services(out, status);
}
