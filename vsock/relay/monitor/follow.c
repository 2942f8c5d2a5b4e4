#include "vsock/relay/monitor/follow.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "vsock/io.h"
#include "vsock/relay/base/print.h"
#include "vsock/relay/base/tool.h"
#include "vsock/relay/monitor/channel.h"
#include "vsock/relay/monitor/log.h"
#include "vsock/relay/monitor/report.h"
#include "vsock/relay/monitor/statuses.h"
#include "vsock/relay/monitor/wait.h"

enum {
	REPORTS_MAX = 8,
	OTHERS_MAX = 4, /* of these, reports of other CIDs; more are closed */
	READS_MAX = 16, /* of one kind in one turn */
	TICK_MS = 50,	/* between two judgements, where time counts */
	PATIENCE_MS = 5000, /* after which it is said that nothing answers */
	/*
	 * The longest that last words wait for the end of the log's connection, which brings
	 * the same. The enclave waits for 2 s in all. And how long the connections of log and
	 * status may be silent after the report before nothing more is expected of them.
	 */
	HOLD_MS = 1000,
	RETRY_MS = 500, /* for the log after the end is known */
	/* For the report after that; and where the status, or an earlier one, says that it comes. */
	REPORT_MS = 1500,
	SECOND_REPORT_MS = 5000,
	NO_WORD_MS = 3000, /* for how it ended after the log's end */
};

struct follow {
	const struct follow_options *options;
	struct statuses statuses;
	struct channel channel; /* the log's */
	struct log log;
	struct link_listener listener, log_listener;
	struct report reports[REPORTS_MAX];
	struct report *words; /* whose last words are being read; or NULL */
	bool has_final, has_reported;
	struct status final;
	char summary[SHOW_SUMMARY_MAX]; /* the last one shown */
	bool is_told;			/* that nothing answers */
	bool had_report;
	/* Of the enclave that is followed, 0: not known yet; and of the one before. */
	uint32_t boot, boot_before;
	int64_t begin_ms, up_ms, heard_ms, final_ms, end_ms;
	/*
	 * When this turn began to look what has come. It is judged by this time: whoever looks and then
	 * has no processor for a while takes nothing for late that came meanwhile.
	 */
	int64_t turn_ms;
};

/* True for what the next enclave sends, while how this one has ended is known already. */
static bool is_next(const struct follow *f, uint32_t boot)
{
	return f->has_final && boot && f->boot && boot != f->boot &&
	       boot != f->boot_before;
}

/* True for what is not of the enclave that is followed, but of the next or the one before. */
static bool is_another(const struct follow *f, uint32_t boot)
{
	return is_next(f, boot) || (boot && boot == f->boot_before);
}

/* Something has come with BOOT, and is not another's: that enclave is followed. */
static void follow_boot(struct follow *f, uint32_t boot)
{
	if (boot == 0 || boot == f->boot || boot == f->boot_before)
		return;
	if (f->boot) {
		f->boot_before = f->boot;
		f->summary[0] = '\0';
		f->had_report = f->has_reported = false;
		show_other(&f->options->show, boot);
	}
	f->boot = boot;
}

static void emit(void *context, const struct log_event *e)
{
	struct follow *f = context;

	if (is_next(f, f->log.boot))
		return;
	follow_boot(f, f->log.boot);
	/* That is said now, or was when a status or a report said it. */
	if (e->kind == LOG_RESTART && e->from && e->to && e->from != e->to)
		return;
	if (e->kind == LOG_END)
		f->end_ms = io_now_ms();
	show_log(&f->options->show, e);
}

static bool is_log_there(const struct follow *f)
{
	return f->channel.link.fd >= 0 && !f->log.has_ended;
}

static void learn(struct follow *f, const struct status *status)
{
	if (!status_is_final(status) || f->has_final)
		return;
	f->has_final = true;
	f->final = *status;
	f->final_ms = io_now_ms();
	f->statuses.channel.is_over = true;
}

/*
 * In text a status is shown when its summary has changed; a report may be the same. How the
 * enclave has ended is shown last, after its last lines.
 */
static void show(struct follow *f, const struct status *status,
		 const cJSON *json, bool is_report)
{
	const struct show *s = &f->options->show;
	char summary[SHOW_SUMMARY_MAX];

	if (s->is_json && is_report) {
		show_report(s, status, json);
		return;
	}
	if (!s->is_json && status_is_final(status))
		return;
	show_summary(status, summary);
	if (!s->is_json && strcmp(summary, f->summary) == 0)
		return;
	memcpy(f->summary, summary, sizeof(summary));
	show_status(s, status, json);
}

static void read_statuses(struct follow *f)
{
	static struct status status;
	enum statuses_result r;
	const char *why;
	cJSON *json = NULL;

	for (int i = 0; f->options->has_status && i < READS_MAX; i++) {
		r = statuses_next(&f->statuses, &status, &json, &why);
		if (r == STATUSES_NONE)
			break;
		f->heard_ms = io_now_ms();
		if (r == STATUSES_BAD) {
			show_bad(&f->options->show, "status", why);
			continue;
		}
		if (!is_another(f, status.boot)) {
			follow_boot(f, status.boot);
			show(f, &status, json, false);
			learn(f, &status);
		}
		cJSON_Delete(json);
	}
}

static bool is_from(const struct follow *f, uint32_t cid)
{
	const struct target *a = &f->options->address;

	return a->kind != TARGET_CID || cid == a->cid;
}

/* Takes the connection that the enclave makes for its log, others' none. */
static bool take_log(struct follow *f)
{
	struct channel *c = &f->channel;
	struct link link;
	uint32_t cid;

	while (!c->is_over && c->link.fd < 0 &&
	       link_accept(&f->log_listener, &link, &cid) == 0) {
		if (is_from(f, cid))
			channel_take(c, &link);
		else
			link_close(&link);
	}
	return c->link.fd >= 0;
}

static bool connect_log(struct follow *f)
{
	if (f->options->is_log_taken)
		return f->channel.link.fd < 0 && take_log(f);
	return channel_connect(&f->channel);
}

static void read_log(struct follow *f)
{
	static char bytes[32768];
	int n;

	if (connect_log(f))
		log_connect(&f->log);
	for (int i = 0; i < READS_MAX; i++) {
		n = channel_read(&f->channel, bytes, sizeof(bytes));
		if (n == -EAGAIN)
			break;
		if (n == 0) {
			log_cut(&f->log);
			break;
		}
		f->heard_ms = io_now_ms();
		log_read(&f->log, bytes, (size_t)n);
	}
	if (is_next(f, f->log.boot))
		channel_close(&f->channel);
}

/* --- reports --- */

/* A place for a report; NULL: there is none now. */
static struct report *find_place(struct follow *f)
{
	struct report *stale = NULL;

	for (int i = 0; i < REPORTS_MAX; i++) {
		if (f->reports[i].state == REPORT_FREE)
			return &f->reports[i];
		if (report_is_stale(&f->reports[i]))
			stale = &f->reports[i];
	}
	return stale;
}

/* Others must not keep the report of the enclave that is followed out. */
static bool is_crowded(const struct follow *f)
{
	int n = 0;

	for (int i = 0; i < REPORTS_MAX; i++) {
		const struct report *r = &f->reports[i];

		n += r->state != REPORT_FREE && !is_from(f, r->cid) &&
		     !report_is_stale(r);
	}
	return n >= OTHERS_MAX;
}

static void accept_reports(struct follow *f)
{
	struct report *place;
	struct link link;
	uint32_t cid;

	while (f->listener.fd >= 0 && (place = find_place(f))) {
		if (link_accept(&f->listener, &link, &cid) < 0)
			break;
		if (!is_from(f, cid) && is_crowded(f)) {
			link_close(&link);
			continue;
		}
		report_close(place);
		report_open(place, &link, cid);
	}
}

/*
 * It is of another enclave, which may not start without a parent that takes it: all of it
 * is read, and its first line shown.
 */
static void show_foreign(const struct follow *f, const struct report *r)
{
	const struct tool *t = f->options->show.tool;
	char text[SHOW_SUMMARY_MAX];

	show_summary(&r->status, text);
	if (is_from(f, r->cid))
		tool_remark(t, f->options->show.where,
			    "a report of boot %08" PRIx32 " arrived here: %s",
			    r->status.boot, text);
	else
		tool_remark(t, NULL, "a report of CID %u arrived here: %s",
			    r->cid, text);
}

/* False also for what the next enclave at the same place sends. */
static bool is_ours(const struct follow *f, const struct report *r)
{
	return is_from(f, r->cid) &&
	       (r->state != REPORT_WORDS || !is_another(f, r->status.boot));
}

static void show_trouble(const struct follow *f, const struct report *r,
			 int error, const char *why)
{
	if (error == -EPROTO)
		show_bad(&f->options->show, "report", why);
	else if (error != -ENODATA)
		tool_remark(f->options->show.tool, f->options->show.where,
			    "a report was cut off%s",
			    r->state == REPORT_WORDS ? " in its last words" :
						       "");
}

static void read_report_line(struct follow *f, struct report *r)
{
	const char *why = NULL;
	int e = report_line(r, &why);

	if (e == -EAGAIN)
		return;
	if (e < 0) {
		show_trouble(f, r, e, why);
		report_close(r);
		return;
	}
	/* Of another it is no news of ours: the end is not put off. */
	if (!is_ours(f, r)) {
		show_foreign(f, r);
		return;
	}
	f->heard_ms = io_now_ms();
	/* The enclave sent these before: they may have come since they were last looked for. */
	read_statuses(f);
	follow_boot(f, r->status.boot);
	f->had_report = true;
	show(f, &r->status, r->json, true);
	learn(f, &r->status);
}

/* The log's connection has brought what it will. */
static void begin_words(struct follow *f, struct report *r)
{
	read_log(f);
	channel_close(&f->channel);
	log_cut(&f->log);
	log_words(&f->log, r->status.boot, r->status.lost_bytes,
		  r->status.lost_bytes + r->status.log_bytes);
	f->words = r;
}

/* The log's connection has brought all that R's enclave had to say. */
static bool has_log_of(const struct follow *f, const struct report *r)
{
	return f->log.has_ended && f->log.boot == r->status.boot;
}

static void read_words(struct follow *f, struct report *r)
{
	bool is_new = is_ours(f, r) && status_is_final(&r->status);
	char bytes[4096];
	int n;

	if (is_new && r->left > 0 && !f->words && !f->has_reported &&
	    !has_log_of(f, r)) {
		if (f->channel.is_up &&
		    f->turn_ms < r->due_ms - REPORT_SILENCE_MS + HOLD_MS)
			return;
		begin_words(f, r);
	}
	for (int i = 0; i < READS_MAX; i++) {
		n = report_words(r, bytes, sizeof(bytes));
		if (n == -EAGAIN)
			return;
		if (n <= 0)
			break;
		if (is_ours(f, r))
			f->heard_ms = io_now_ms();
		if (r == f->words)
			log_read(&f->log, bytes, (size_t)n);
	}
	if (n > 0)
		return;
	if (n < 0)
		show_trouble(f, r, n, NULL);
	if (r == f->words)
		log_cut(&f->log);
	if (r == f->words)
		f->words = NULL;
	f->has_reported = f->has_reported || is_new;
	report_close(r);
}

static void read_reports(struct follow *f)
{
	accept_reports(f);
	for (int i = 0; i < REPORTS_MAX; i++) {
		struct report *r = &f->reports[i];

		if (r->state == REPORT_LINE)
			read_report_line(f, r);
		if (r->state == REPORT_WORDS)
			read_words(f, r);
	}
}

static bool is_reading_report(const struct follow *f)
{
	for (int i = 0; i < REPORTS_MAX; i++)
		if (f->reports[i].state != REPORT_FREE &&
		    is_ours(f, &f->reports[i]))
			return true;
	return false;
}

/* --- the end --- */

/* How long a report may take after the end, as far as anything says. */
static int64_t report_ms(const struct follow *f)
{
	if (f->listener.fd < 0 || f->final.report == STATUS_REPORT_NONE)
		return 0;
	return f->had_report || f->final.report == STATUS_REPORT_COMES ?
		       SECOND_REPORT_MS :
		       REPORT_MS;
}

/*
 * The report has come, before which the enclave has sent the rest of its log and of its
 * status: true once that has been read.
 */
static bool is_rest_read(struct follow *f, int64_t now)
{
	f->channel.is_over = true;
	if (now - f->heard_ms >= HOLD_MS)
		return true;
	return !f->statuses.channel.is_up &&
	       (!f->channel.is_up || f->log.has_ended);
}

/* The end is known: true once nothing more of it is to be waited for. */
static bool is_complete(struct follow *f, int64_t now)
{
	bool is_log_over;

	if (now - f->heard_ms >= f->options->lost_ms)
		return true;
	if (is_reading_report(f))
		return false;
	if (f->has_reported)
		return is_rest_read(f, now);
	if (now - f->final_ms >= RETRY_MS || f->log.has_ended)
		f->channel.is_over = true;
	is_log_over = f->channel.is_over && !is_log_there(f);
	if (!is_log_over || f->statuses.channel.link.fd >= 0)
		return false;
	return now - f->heard_ms >= report_ms(f);
}

static int lose(const struct follow *f, const char *why)
{
	return tool_fail(f->options->show.tool, TOOL_LOST,
			 f->options->show.where, "%s", why);
}

static void ports(const struct follow *f, char ret[64])
{
	const struct follow_options *o = f->options;

	if (o->has_status)
		(void)snprintf(ret, 64, "ports %u and %u", o->status_port,
			       o->log_port);
	else
		(void)snprintf(ret, 64, "port %u", o->log_port);
}

/* Nothing has come yet. */
static int judge_silence(struct follow *f, int64_t now)
{
	const struct follow_options *o = f->options;
	int64_t passed = now - f->begin_ms;
	char text[64];

	if (channel_is_hopeless(&f->channel))
		return tool_fail(o->show.tool, TOOL_FILE, o->show.where, "%s",
				 strerror(f->channel.error));
	ports(f, text);
	if (o->wait_ms >= 0 && passed >= o->wait_ms)
		return tool_fail(o->show.tool, TOOL_LOST, o->show.where,
				 "nothing answers at %s", text);
	if (passed >= PATIENCE_MS && !f->is_told) {
		f->is_told = true;
		tool_remark(o->show.tool, o->show.where,
			    "nothing answers yet at %s", text);
	}
	return -1;
}

/* The log alone is followed. */
static int judge_log(struct follow *f, int64_t now)
{
	const struct follow_options *o = f->options;

	if (f->log.has_ended ||
	    (o->is_until_current && log_is_current(&f->log)))
		return TOOL_DONE;
	if (o->is_until_current && f->log.is_plain && !f->channel.is_up)
		return TOOL_DONE;
	if (o->is_until_current && f->channel.is_up &&
	    now - f->heard_ms >= o->lost_ms)
		return lose(f, "the log stands still before its end");
	return -1;
}

/* Returns the exit code, or -1: it goes on. */
static int judge(struct follow *f)
{
	const struct follow_options *o = f->options;
	bool is_up = f->channel.is_up || f->statuses.channel.is_up;
	bool was_up = f->channel.was_up || f->statuses.channel.was_up;
	int64_t now = f->turn_ms;
	int code = -1;

	if (is_up)
		f->up_ms = now;
	if (!o->has_status)
		code = judge_log(f, now);
	else if (f->has_final)
		return is_complete(f, now) ? status_exit_code(&f->final) : -1;
	else if (f->log.has_ended && now - f->end_ms >= NO_WORD_MS &&
		 !f->statuses.channel.is_up)
		return lose(f, "the log has ended, and nothing says how "
			       "the enclave has");
	if (code >= 0)
		return code;
	if (!was_up && !f->had_report)
		return judge_silence(f, now);
	if (was_up && !is_up && now - f->up_ms >= o->lost_ms)
		return lose(f, "the connection is lost");
	return -1;
}

static void sleep_until_news(struct follow *f)
{
	static struct wait w;
	bool is_up = f->channel.is_up || f->statuses.channel.is_up;

	wait_begin(&w);
	channel_wait(&f->channel, &w);
	if (f->options->has_status)
		channel_wait(&f->statuses.channel, &w);
	if (f->options->has_status && statuses_has_more(&f->statuses))
		wait_until(&w, 0);
	if (f->channel.link.fd < 0)
		wait_fd(&w, f->log_listener.fd);
	if (find_place(f))
		wait_fd(&w, f->listener.fd);
	else
		wait_until(&w, io_now_ms() + TICK_MS);
	for (int i = 0; i < REPORTS_MAX; i++) {
		struct report *r = &f->reports[i];

		/* What is held back would end each sleep. */
		if (r->state != REPORT_WORDS || r == f->words ||
		    !f->channel.is_up || !is_ours(f, r))
			report_wait(r, &w);
	}
	if (f->has_final || f->log.has_ended || is_reading_report(f) ||
	    !is_up || f->options->is_until_current)
		wait_until(&w, io_now_ms() + TICK_MS);
	wait_turn(&w);
}

/* Without the log's there is nothing to follow; returns 0 or the exit code. */
static int open_listeners(struct follow *f)
{
	const struct follow_options *o = f->options;
	int r;

	f->listener.fd = f->log_listener.fd = -1;
	if (o->is_log_taken) {
		r = link_listen(&f->log_listener, &o->address, o->log_port);
		if (r < 0) {
			f->log_listener.fd = -1;
			return tool_fail(o->show.tool, TOOL_FILE, o->show.where,
					 "port %u: %s", o->log_port,
					 link_reason(r));
		}
	}
	if (!o->has_report)
		return 0;
	r = link_listen(&f->listener, &o->address, o->report_port);
	if (r == 0)
		return 0;
	f->listener.fd = -1;
	tool_remark(o->show.tool, o->show.where,
		    "no report is taken at port %u: %s", o->report_port,
		    link_reason(r));
	return 0;
}

static int turns(struct follow *f)
{
	struct print *out = f->options->show.tool->out;
	int code;

	for (;;) {
		f->turn_ms = io_now_ms();
		read_statuses(f);
		read_log(f);
		read_reports(f);
		code = judge(f);
		if (code >= 0 || print_flush(out) < 0)
			return code;
		sleep_until_news(f);
	}
}

int follow_run(const struct follow_options *o)
{
	static struct follow f;
	int code;

	f.options = o;
	statuses_open(&f.statuses, &o->address, o->status_port);
	channel_open(&f.channel, &o->address, o->log_port);
	log_open(&f.log, emit, &f);
	f.begin_ms = f.up_ms = f.heard_ms = io_now_ms();
	code = open_listeners(&f);
	if (code == 0)
		code = turns(&f);
	log_finish(&f.log);
	if (f.has_final && !o->show.is_json)
		show_status(&o->show, &f.final, NULL);
	for (int i = 0; i < REPORTS_MAX; i++)
		report_close(&f.reports[i]);
	link_unlisten(&f.listener);
	link_unlisten(&f.log_listener);
	channel_close(&f.channel);
	channel_close(&f.statuses.channel);
	return tool_end(o->show.tool, code);
}
