#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vsock/io.h"
#include "vsock/relay/base/commands.h"
#include "vsock/relay/base/options.h"
#include "vsock/relay/base/print.h"
#include "vsock/relay/base/value.h"
#include "vsock/relay/monitor/lines.h"
#include "vsock/relay/monitor/log.h"
#include "vsock/relay/monitor/report.h"
#include "vsock/relay/monitor/show.h"
#include "vsock/relay/monitor/wait.h"

enum {
	REPORT = 'r',
	FROM = 'c',
	ONCE = 'o',
	JSON = 'j',

	TARGETS_MAX = 32,
	REPORTS_MAX = 64, /* at once; others wait */
	SHARE_MAX = 8,	  /* of one CID; more are closed */
	READS_MAX = 16,
	REST_MS =
		100, /* for a listener that failed, or where places are taken */
};

_Static_assert((int)TARGETS_MAX <= (int)LINK_LISTENERS_MAX, "each has one");
_Static_assert(TARGETS_MAX + REPORTS_MAX <= WAIT_MAX, "each has one");

/* A report that is arriving. */
struct arrival {
	struct report report;
	struct show show;
	char cid[16];
	struct lines lines;
	char text[LOG_LINE_MAX];
};

struct listen {
	struct show show;
	struct target targets[TARGETS_MAX];
	struct link_listener listeners[TARGETS_MAX];
	size_t count;
	uint32_t port;
	uint32_t from; /* 0: all */
	bool is_once;
	int64_t rest_until_ms;
	struct arrival *arrivals; /* REPORTS_MAX of them */
};

static int read_target(const struct opts *opts, struct listen *l)
{
	struct target a = { 0 };
	int r;

	if (l->count == TARGETS_MAX)
		return tool_usage(opts->tool, opts->value, "%d targets at most",
				  TARGETS_MAX);
	r = options_target(opts, &a);
	if (r == 0 && a.kind == TARGET_CID)
		return tool_usage(opts->tool, opts->value,
				  "--from names a CID; a target is mux:PATH or "
				  "dir:PATH");
	if (r == 0)
		l->targets[l->count++] = a;
	return r;
}

static int read_option(const struct opts *opts, int id, struct listen *l)
{
	uint64_t cid = 0;

	switch (id) {
	case OPT_ARGUMENT:
		return read_target(opts, l);
	case REPORT:
		return options_port(opts, &l->port);
	case FROM:
		if (!value_number(opts->value, UINT32_MAX - 1, &cid) ||
		    cid == 0)
			return tool_usage(opts->tool, opts->name, "%s: no CID",
					  opts->value);
		l->from = (uint32_t)cid;
		return 0;
	case ONCE:
		l->is_once = true;
		return 0;
	case JSON:
		l->show.is_json = true;
		return 0;
	default:
		return TOOL_USAGE;
	}
}

/* A place for a report; NULL: there is none now. */
static struct arrival *find_place(const struct listen *l)
{
	struct arrival *stale = NULL;

	for (int i = 0; i < REPORTS_MAX; i++) {
		if (l->arrivals[i].report.state == REPORT_FREE)
			return &l->arrivals[i];
		if (report_is_stale(&l->arrivals[i].report))
			stale = &l->arrivals[i];
	}
	return stale;
}

/* False: that CID has so many places that it could keep others out. */
static bool has_share(const struct listen *l, uint32_t cid)
{
	int n = 0;

	for (int i = 0; i < REPORTS_MAX; i++) {
		const struct report *r = &l->arrivals[i].report;

		n += r->state != REPORT_FREE && r->cid == cid &&
		     !report_is_stale(r);
	}
	return cid == 0 || n < SHARE_MAX;
}

static void take(struct listen *l, struct arrival *a, const struct link *link,
		 uint32_t cid, const char *where)
{
	report_close(&a->report);
	report_open(&a->report, link, cid);
	a->show = l->show;
	a->show.where = where;
	if (cid) {
		(void)snprintf(a->cid, sizeof(a->cid), "%u", cid);
		a->show.where = a->cid;
	}
	lines_open(&a->lines, a->text, sizeof(a->text));
}

static void accept_from(struct listen *l, size_t i)
{
	struct arrival *a;
	struct link link;
	uint32_t cid;
	int r;

	while ((a = find_place(l))) {
		r = link_accept(&l->listeners[i], &link, &cid);
		if (r < 0) {
			/* Out of descriptors, say: it would end each sleep. */
			if (r != -EAGAIN)
				l->rest_until_ms = io_now_ms() + REST_MS;
			return;
		}
		if ((l->from && cid != l->from) || !has_share(l, cid))
			link_close(&link);
		else
			take(l, a, &link, cid, l->targets[i].text);
	}
}

static void show_piece(const struct arrival *a, const char *text, size_t len,
		       bool is_part)
{
	struct log_event e = {
		.kind = LOG_LINE, .text = text, .len = len, .is_part = is_part
	};

	show_log(&a->show, &e);
}

static void show_words(struct arrival *a, const char *bytes, size_t len)
{
	struct lines_piece p;
	bool is_piece;
	size_t n;

	for (; len > 0; bytes += n, len -= n) {
		n = lines_take(&a->lines, bytes, len, &is_piece, &p);
		if (is_piece)
			show_piece(a, p.text, p.len, !p.is_first);
	}
}

static void show_cut(const struct arrival *a)
{
	if (a->report.state == REPORT_LINE)
		tool_remark(a->show.tool, a->show.where,
			    "a report was cut off");
	else
		tool_remark(a->show.tool, a->show.where,
			    "its last words were cut off: %" PRIu64
			    " bytes are missing",
			    a->report.left);
}

/* Returns the exit code at the first final report's end, or -1. */
static int end_words(struct listen *l, struct arrival *a, int error)
{
	const struct status *s = &a->report.status;
	bool is_final = status_is_final(s);
	int code = status_exit_code(s);

	if (a->lines.len > 0)
		show_piece(a, a->lines.text, a->lines.len, a->lines.is_inside);
	if (error < 0)
		show_cut(a);
	/* By this the enclave knows that the report has arrived. */
	(void)print_flush(l->show.tool->out);
	report_close(&a->report);
	return l->is_once && is_final ? code : -1;
}

static int read_words(struct listen *l, struct arrival *a)
{
	char bytes[4096];
	int n = 0;

	for (int i = 0; i < READS_MAX; i++) {
		n = report_words(&a->report, bytes, sizeof(bytes));
		if (n == -EAGAIN)
			return -1;
		if (n <= 0)
			return end_words(l, a, n);
		show_words(a, bytes, (size_t)n);
	}
	return -1;
}

static int read_arrival(struct listen *l, struct arrival *a)
{
	const char *why = NULL;
	int r;

	if (a->report.state == REPORT_LINE) {
		r = report_line(&a->report, &why);
		if (r == -EAGAIN)
			return -1;
		if (r == -EPROTO)
			show_bad(&a->show, "report", why);
		else if (r < 0 && r != -ENODATA)
			show_cut(a);
		if (r < 0) {
			report_close(&a->report);
			return -1;
		}
		show_report(&a->show, &a->report.status, a->report.json);
	}
	return read_words(l, a);
}

static void sleep_until_news(const struct listen *l)
{
	static struct wait w;
	bool is_resting = io_now_ms() < l->rest_until_ms || !find_place(l);

	wait_begin(&w);
	if (is_resting)
		wait_until(&w, io_now_ms() + REST_MS);
	for (size_t i = 0; i < l->count && !is_resting; i++)
		wait_fd(&w, l->listeners[i].fd);
	for (int i = 0; i < REPORTS_MAX; i++)
		report_wait(&l->arrivals[i].report, &w);
	wait_turn(&w);
}

static int turns(struct listen *l)
{
	int code = -1;

	while (print_flush(l->show.tool->out) == 0) {
		sleep_until_news(l);
		for (size_t i = 0; i < l->count; i++)
			accept_from(l, i);
		for (int i = 0; i < REPORTS_MAX && code < 0; i++)
			if (l->arrivals[i].report.state != REPORT_FREE)
				code = read_arrival(l, &l->arrivals[i]);
		if (code >= 0)
			break;
	}
	return code;
}

static int open_listeners(struct listen *l)
{
	int r;

	if (l->count == 0)
		l->targets[l->count++] = (struct target){ .text = "vsock" };
	for (size_t i = 0; i < l->count; i++)
		l->listeners[i].fd = -1;
	for (size_t i = 0; i < l->count; i++) {
		r = link_listen(&l->listeners[i], &l->targets[i], l->port);
		if (r == 0)
			continue;
		l->listeners[i].fd = -1;
		return tool_fail(l->show.tool, TOOL_FILE, l->targets[i].text,
				 "port %u: %s", l->port, link_reason(r));
	}
	return 0;
}

static int run_listen(struct tool *t, struct opts *opts)
{
	static struct listen l;
	int id, r = 0;

	l = (struct listen){ .show = { .tool = t, .is_one_of_many = true },
			     .port = OPTIONS_REPORT_PORT };
	while (r == 0 && (id = opts_next(opts)) != OPT_END)
		r = read_option(opts, id, &l);
	if (r == 0 && l.from && l.count > 0)
		r = tool_usage(t, "--from", "targets have no CID");
	if (r)
		return r;
	l.arrivals = calloc(REPORTS_MAX, sizeof(*l.arrivals));
	if (!l.arrivals)
		return tool_fail(t, TOOL_FILE, NULL, "%s", strerror(ENOMEM));
	r = open_listeners(&l);
	if (r == 0)
		r = turns(&l);
	for (size_t i = 0; i < l.count; i++)
		link_unlisten(&l.listeners[i]);
	for (int i = 0; i < REPORTS_MAX; i++)
		report_close(&l.arrivals[i].report);
	free(l.arrivals);
	return tool_end(t, r);
}

static const struct opt listen_options[] = {
	{ "--report", OPT_VALUE, REPORT },
	{ "--from", OPT_VALUE, FROM },
	{ "--once", OPT_FLAG, ONCE },
	{ "--json", OPT_FLAG, JSON },
	{ 0 },
};

const struct command listen_command = {
	.name = "listen",
	.does = "take the reports of enclaves",
	.help = "usage: relay listen [TARGET]... [--report PORT] [OPTION]...\n"
		"\n"
		"Takes the reports of any number of enclaves, and prints each with the CID that\n"
		"it came from, and after it the last words of the enclave. A TARGET is mux:PATH\n"
		"or dir:PATH; without one it listens on this machine's vsock.\n"
		"\n"
		"  --report PORT   9001\n"
		"  --from CID      only reports of that enclave\n"
		"  --once          end after the first report of an end\n"
		"  --json          one JSON object a line: report, log\n"
		"\n"
		"Exit codes: 5 the system failed, 2 wrong usage; with --once the application's,\n"
		"128 + N if signal N has ended it, 125 if the boot failed.\n",
	.opts = listen_options,
	.run = run_listen,
};
