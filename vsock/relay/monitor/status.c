#include "vsock/relay/monitor/status.h"

#include <signal.h>
#include <string.h>

#include "vsock/relay/base/tool.h"
#include "vsock/relay/base/value.h"

static const struct {
	char name[10];
	uint8_t signal;
} signals[] = {
	{ "SIGHUP", SIGHUP },	{ "SIGINT", SIGINT },	{ "SIGQUIT", SIGQUIT },
	{ "SIGILL", SIGILL },	{ "SIGTRAP", SIGTRAP }, { "SIGABRT", SIGABRT },
	{ "SIGBUS", SIGBUS },	{ "SIGFPE", SIGFPE },	{ "SIGKILL", SIGKILL },
	{ "SIGUSR1", SIGUSR1 }, { "SIGSEGV", SIGSEGV }, { "SIGUSR2", SIGUSR2 },
	{ "SIGPIPE", SIGPIPE }, { "SIGALRM", SIGALRM }, { "SIGTERM", SIGTERM },
	{ "SIGXCPU", SIGXCPU }, { "SIGXFSZ", SIGXFSZ }, { "SIGSYS", SIGSYS },
};

static const cJSON *get(const cJSON *object, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(object, key);
}

/* The integer under KEY; false where there is none from MIN to MAX. */
static bool get_number(const cJSON *object, const char *key, double min,
		       double max, int64_t *ret)
{
	const cJSON *item = get(object, key);
	double d;

	if (!cJSON_IsNumber(item))
		return false;
	d = item->valuedouble;
	if (!(d >= min && d <= max) || (double)(int64_t)d != d)
		return false;
	*ret = (int64_t)d;
	return true;
}

/* A count: 0 where there is none that makes sense. */
static uint64_t get_count(const cJSON *object, const char *key)
{
	const double max = (double)(1ULL << 53);
	int64_t n = 0;

	(void)get_number(object, key, 0, max, &n);
	return (uint64_t)n;
}

static bool is_true(const cJSON *object, const char *key)
{
	return cJSON_IsTrue(get(object, key));
}

static void get_text(const cJSON *object, const char *key, char *ret,
		     size_t cap)
{
	const char *text = cJSON_GetStringValue(get(object, key));

	ret[0] = '\0';
	if (text) {
		strncat(ret, text, cap - 1);
	}
}

static uint32_t get_boot(const cJSON *object)
{
	const char *text = cJSON_GetStringValue(get(object, "boot"));

	return text ? value_boot(text, strlen(text)) : 0;
}

static enum status_report get_report(const cJSON *object)
{
	const cJSON *item = get(object, "report");

	if (!cJSON_IsBool(item))
		return STATUS_REPORT_UNSAID;
	return cJSON_IsTrue(item) ? STATUS_REPORT_COMES : STATUS_REPORT_NONE;
}

static const char *read_exited(const cJSON *json, struct status *s)
{
	int64_t n;

	if (!get_number(json, "code", 0, 255, &n))
		return "it has no exit code";
	s->code = (int)n;
	return NULL;
}

/* A number and its name; enclaver has the name alone, as "signal". */
static const char *read_signaled(const cJSON *json, struct status *s)
{
	int64_t n = 0;

	get_text(json, "name", s->name, sizeof(s->name));
	if (get_number(json, "signal", 1, 64, &n)) {
		s->signal = (int)n;
		return NULL;
	}
	get_text(json, "signal", s->name, sizeof(s->name));
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (strcmp(s->name, signals[i].name) == 0)
			s->signal = signals[i].signal;
	return s->name[0] ? NULL : "it has no signal";
}

static void read_services(const cJSON *json, struct status *s)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, get(json, "services"))
	{
		struct status_service *to = s->services + s->count;

		if (s->count == STATUS_SERVICES_MAX)
			break;
		get_text(item, "name", to->name, sizeof(to->name));
		get_text(item, "state", to->state, sizeof(to->state));
		get_text(item, "text", to->text, sizeof(to->text));
		to->pid = -1;
		(void)get_number(item, "pid", 1, INT32_MAX, &to->pid);
		to->restarts = get_count(item, "restarts");
		s->count++;
	}
}

static const char *read_object(const cJSON *json, struct status *s)
{
	const char *status = cJSON_GetStringValue(get(json, "status"));
	const char *why = NULL;

	memset(s, 0, sizeof(*s));
	if (!status)
		return "it has no status";
	if (strcmp(status, "running") == 0) {
		s->kind = STATUS_RUNNING;
		s->has_ready = cJSON_IsBool(get(json, "ready"));
		s->is_ready = is_true(json, "ready");
	} else if (strcmp(status, "exited") == 0) {
		s->kind = STATUS_EXITED;
		why = read_exited(json, s);
	} else if (strcmp(status, "signaled") == 0) {
		s->kind = STATUS_SIGNALED;
		why = read_signaled(json, s);
	} else if (strcmp(status, "fatal") == 0) {
		s->kind = STATUS_FATAL;
		get_text(json, "error", s->error, sizeof(s->error));
		s->step = get_count(json, "step");
	} else {
		return "it has a status that is not known";
	}
	get_text(json, "service", s->service, sizeof(s->service));
	s->is_oom = is_true(json, "oom");
	s->has_uptime = cJSON_IsNumber(get(json, "uptime_ms"));
	s->uptime_ms = get_count(json, "uptime_ms");
	s->restarts = get_count(json, "restarts");
	s->boot = get_boot(json);
	s->report = get_report(json);
	s->log_bytes = get_count(json, "log_bytes");
	s->lost_bytes = get_count(json, "lost_bytes");
	read_services(json, s);
	return why;
}

/* cJSON's own limit is a thousand, by as many calls of a function. */
static const char *check_text(const char *line, size_t len)
{
	bool is_quoted = false;
	size_t depth = 0;

	for (size_t i = 0; i < len; i++) {
		char c = line[i];

		if (c < ' ' || c > '~')
			return "it is not printable ASCII";
		if (is_quoted && c == '\\')
			i++;
		else if (c == '"')
			is_quoted = !is_quoted;
		else if (!is_quoted && (c == '{' || c == '['))
			depth++;
		else if (!is_quoted && (c == '}' || c == ']'))
			depth -= depth > 0;
		if (depth > STATUS_DEPTH_MAX)
			return "it is too deep";
	}
	return NULL;
}

const char *status_read(const char *line, size_t len, struct status *ret,
			cJSON **ret_json)
{
	static const char no_object[] = "it is no object of JSON";
	const char *why = check_text(line, len), *end = NULL;
	cJSON *json;

	if (why)
		return why;
	json = cJSON_ParseWithLengthOpts(line, len, &end, false);
	while (json && end < line + len && *end == ' ')
		end++;
	if (!cJSON_IsObject(json) || end != line + len) {
		cJSON_Delete(json);
		return no_object;
	}
	why = read_object(json, ret);
	if (why || !ret_json)
		cJSON_Delete(json);
	else
		*ret_json = json;
	return why;
}

bool status_is_final(const struct status *s)
{
	return s->kind != STATUS_RUNNING;
}

int status_exit_code(const struct status *s)
{
	switch (s->kind) {
	case STATUS_EXITED:
		return s->code;
	case STATUS_SIGNALED:
		return TOOL_SIGNAL + s->signal;
	case STATUS_FATAL:
		return TOOL_FATAL;
	case STATUS_RUNNING:
		break;
	}
	return TOOL_DONE;
}
