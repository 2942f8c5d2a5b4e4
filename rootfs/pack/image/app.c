#include "rootfs/pack/image/app.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "init/spec/config.h"
#include "init/spec/spec.h"
#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/tree.h"
#include "vsock/relay/plan/advice.h"
#include "vsock/relay/plan/conflict.h"
#include "vsock/relay/plan/plan.h"

enum {
	STRING_MAX =
		32 * 4096, /* linux/binfmts.h: MAX_ARG_STRLEN, with the NUL */
	NAME_SHOWN = 100,
};

/* In the image. */
static const char conf_name[] = "enclave-init.conf";

static int add(struct buffer *b, const char *text, struct fault *reterr)
{
	return buffer_add(b, text, strlen(text), reterr);
}

/* A word of the configuration, in quotes. */
static int add_quoted(struct buffer *b, const char *word, struct fault *reterr)
{
	char text[8];

	if (add(b, "\"", reterr) < 0)
		return -1;
	for (; *word; word++) {
		unsigned char c = (unsigned char)*word;

		if (c == '\n')
			(void)snprintf(text, sizeof(text), "\\n");
		else if (c == '\\' || c == '"')
			(void)snprintf(text, sizeof(text), "\\%c", c);
		else if (c < ' ' || c == 0x7f)
			(void)snprintf(text, sizeof(text), "\\x%02x", c);
		else
			(void)snprintf(text, sizeof(text), "%c", c);
		if (add(b, text, reterr) < 0)
			return -1;
	}
	return add(b, "\"", reterr);
}

/* --- /cmd and /env --- */

static bool has_newline(const struct strings *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (strchr(s->items[i], '\n'))
			return true;
	return false;
}

/* Is it short enough for execve(2), which says E2BIG of all? */
static int check_length(const char *what, const char *string, int shown,
			struct fault *reterr)
{
	const size_t len = strlen(string);

	return len < STRING_MAX ?
		       0 :
		       fault_refuse(reterr,
				    "%s%.*s: %zu bytes; a program "
				    "can be given %d in one",
				    what, shown, string, len, STRING_MAX - 1);
}

static int add_command(struct app *app, const struct strings *args,
		       struct fault *reterr)
{
	bool quoted = has_newline(args);
	struct buffer *b = quoted ? &app->conf : &app->cmd;

	for (size_t i = 0; i < args->count; i++)
		if (check_length("command: ", args->items[i], NAME_SHOWN,
				 reterr) < 0)
			return -1;
	if (quoted && add(b, "command =", reterr) < 0)
		return -1;
	for (size_t i = 0; i < args->count; i++) {
		int r = quoted ? add(b, " ", reterr) < 0 ?
				 -1 :
				 add_quoted(b, args->items[i], reterr) :
				 add(b, args->items[i], reterr);

		if (r < 0 || (!quoted && add(b, "\n", reterr) < 0))
			return -1;
	}
	app->needs_conf |= quoted;
	return quoted ? add(b, "\n", reterr) : 0;
}

static int add_variable(struct app *app, const char *entry,
			struct fault *reterr)
{
	const char *equals = strchr(entry, '=');

	if (!equals || equals == entry)
		return fault_refuse(reterr, "environment: %s: not NAME=VALUE",
				    entry);
	if (check_length("environment: ", entry,
			 equals - entry < NAME_SHOWN ? (int)(equals - entry) :
						       NAME_SHOWN,
			 reterr) < 0)
		return -1;
	if (!strchr(entry, '\n'))
		return add(&app->env, entry, reterr) < 0 ?
			       -1 :
			       add(&app->env, "\n", reterr);
	app->needs_conf = true;
	if (add(&app->conf, "environment = ", reterr) < 0 ||
	    add_quoted(&app->conf, entry, reterr) < 0)
		return -1;
	return add(&app->conf, "\n", reterr);
}

/* --- /enclave-init.conf --- */

/* As relay will read it; the text is *RET_TEXT's to free. */
static int read_plan(const struct config *c, struct plan *ret, char **ret_text,
		     struct plan_fault *bad)
{
	const size_t len = config_relay_size(c);

	*ret_text = malloc(len + 1);
	if (!*ret_text)
		return -ENOMEM;
	config_relay_text(c, *ret_text);
	return plan_read(*ret_text, len, PLAN_INSIDE, ret, bad);
}

/* What relay listens on must not be what init listens on for the parent. */
static int check_ports(const struct config_link *l, const struct plan *plan,
		       struct plan_fault *bad)
{
	struct conflict_port taken[3];
	size_t n = 0;

	if (l->log == CONFIG_LOG_LISTEN)
		taken[n++] = (struct conflict_port){ l->log_port, "log-port" };
	if (l->status != CONFIG_STATUS_OFF)
		taken[n++] =
			(struct conflict_port){ l->status_port, "status-port" };
	if (config_has_control(l))
		taken[n++] = (struct conflict_port){ l->control_port,
						     "control-port" };
	return conflict_taken(plan, taken, n, bad);
}

static int check_relayed(const struct config *c, const char *path,
			 struct fault *reterr)
{
	struct plan_fault bad = { 0 };
	struct plan *plan;
	char *text = NULL;
	int r;

	if (c->relayed_count == 0)
		return 0;
	plan = calloc(1, sizeof(*plan));
	r = plan ? read_plan(c, plan, &text, &bad) : -ENOMEM;
	if (r == 0)
		r = check_ports(&c->link, plan, &bad);
	free(plan);
	free(text);
	if (r == -ENOMEM)
		return fault_system(reterr, ENOMEM, "%s", path);
	if (r == 0)
		return 0;
	return bad.line ? fault_refuse(reterr, "%s: line %u: %s", path,
				       bad.line, bad.words) :
			  fault_refuse(reterr, "%s: %s", path, bad.words);
}

struct advice {
	const char *path;
	void (*give)(void *ctx, const char *words);
	void *ctx;
};

static void give_advice(void *ctx, const struct plan_fault *f)
{
	const struct advice *a = ctx;
	char *words;

	if (asprintf(&words, "%s: line %u: %s", a->path, f->line, f->words) < 0)
		return;
	a->give(a->ctx, words);
	free(words);
}

void app_advise(const struct app *app, uint64_t memory,
		void (*give)(void *ctx, const char *words), void *ctx)
{
	struct advice a = { conf_name, give, ctx };
	struct plan *plan = calloc(1, sizeof(*plan));
	struct plan_fault bad;
	char *text = NULL;

	if (plan && read_plan(app->config, plan, &text, &bad) == 0)
		advice_give(plan, memory, give_advice, &a);
	free(plan);
	free(text);
}

static int parse_conf(const char *text, const char *path, struct config *ret,
		      char **ret_text, struct fault *reterr)
{
	struct config_fault where = { 0 };
	size_t len = strlen(text);
	char *copy;
	int r;

	if (len > CONFIG_FILE_MAX)
		return fault_refuse(reterr, "%s: longer than %d bytes", path,
				    CONFIG_FILE_MAX);
	copy = strdup(text);
	if (!copy)
		return fault_system(reterr, ENOMEM, "%s", path);
	r = config_parse(copy, len, ret, &where);
	if (r < 0) {
		free(copy);
		return fault_refuse(reterr, "%s: line %zu, column %zu: %s%s%s",
				    path, where.line, where.column,
				    config_error_text(r),
				    where.nearest ? ", the nearest is " : "",
				    where.nearest ? where.nearest : "");
	}
	if (check_relayed(ret, path, reterr) < 0) {
		free(copy);
		return -1;
	}
	*ret_text = copy;
	return 0;
}

/* Whether init will take VALUE, all of it, for KEY: it is the image's, not of a file. */
static int check_value(const char *key, const char *value, const char *line,
		       struct config *scratch, struct fault *reterr)
{
	struct config_fault where = { 0 };
	size_t len = strlen(value);
	char *text;
	int r;

	if (strchr(value, '\n'))
		return fault_refuse(reterr, "%s %s: a newline in it", key,
				    value);
	text = strdup(line);
	if (!text)
		return fault_system(reterr, ENOMEM, "%s", key);
	r = config_parse(text, strlen(text), scratch, &where);
	free(text);
	if (r < 0)
		return fault_refuse(reterr, "%s %s: %s", key, value,
				    config_error_text(r));
	if (len > 0 &&
	    (strchr(" \t", value[0]) || strchr(" \t", value[len - 1])))
		return fault_refuse(reterr, "%s '%s': blanks around it", key,
				    value);
	return 0;
}

static int add_line(struct app *app, const char *key, const char *value,
		    struct config *scratch, struct fault *reterr)
{
	size_t from = app->conf.len;

	if (strings_add(&app->only_conf, key, reterr) < 0 ||
	    add(&app->conf, key, reterr) < 0 ||
	    add(&app->conf, " = ", reterr) < 0 ||
	    add(&app->conf, value, reterr) < 0 ||
	    add(&app->conf, "\n", reterr) < 0)
		return -1;
	return check_value(key, value, app->conf.data + from, scratch, reterr);
}

/* The same as what init does without being told. */
static bool is_root_user(const char *user)
{
	return strcmp(user, "root") == 0 || strcmp(user, "0") == 0 ||
	       strcmp(user, "root:root") == 0 || strcmp(user, "0:0") == 0;
}

/* What CONF says; defaults if it is NULL. */
static int read_conf(const char *conf, const char *path, struct config *ret,
		     char **ret_text, struct fault *reterr)
{
	if (conf)
		return parse_conf(conf, path, ret, ret_text, reterr);
	config_defaults(ret);
	return 0;
}

static int join(const struct image *image, struct strings *ret,
		struct fault *reterr)
{
	const struct strings *parts[] = { &image->entrypoint, &image->cmd };

	for (size_t i = 0; i < 2; i++)
		for (size_t n = 0; n < parts[i]->count; n++)
			if (strings_add(ret, parts[i]->items[n], reterr) < 0)
				return -1;
	return 0;
}

static int check_limits(const struct buffer *b, const char *what,
			struct fault *reterr)
{
	if (b->len > SPEC_FILE_MAX)
		return fault_refuse(reterr, "%s: %zu bytes, init takes %d",
				    what, b->len, SPEC_FILE_MAX);
	if (spec_count_lines(b->data, b->len) > SPEC_ENTRIES_MAX)
		return fault_refuse(reterr, "%s: more than %d lines", what,
				    SPEC_ENTRIES_MAX);
	return 0;
}

/* What init will run. */
static int find_program(struct app *app, const struct strings *args,
			struct fault *reterr)
{
	const char *first = app->config->services[0].command.first;

	app->program = strdup(first ? first : args->items[0]);
	return app->program ? 0 : fault_system(reterr, ENOMEM, "command");
}

/* init passes a byte order mark over at the start of a file alone. */
static const char *without_mark(const char *conf)
{
	static const char mark[] = "\xef\xbb\xbf";

	return strncmp(conf, mark, strlen(mark)) == 0 ? conf + strlen(mark) :
							conf;
}

/* An option that would have no effect, for a key of the configuration. */
static int check_asked(const struct app_asked *asked,
		       const struct config_service *s, const char *conf_path,
		       struct fault *reterr)
{
	const struct {
		const char *option, *value, *key;
		bool is_there;
	} rows[] = {
		{ "--user", asked->user, "user", s->user },
		{ "--workdir", asked->workdir, "workdir", s->workdir },
		{ "--stop-signal", asked->stop_signal, "stop-signal",
		  s->supervision.stop_signal },
		{ "--entrypoint, --cmd", asked->command ? "" : NULL, "command",
		  s->command.first },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].value && rows[i].is_there)
			return fault_refuse(
				reterr,
				"%s%s%s: %s has %s, which counts: change it "
				"there, or name another file by --config",
				rows[i].option, *rows[i].value ? " " : "",
				rows[i].value, conf_path, rows[i].key);
	return 0;
}

/*
 * What the image or an option says and a program that is process 1 itself cannot have. A
 * stop signal of the image is only dropped: images with an init of their own have one
 * for docker stop, and an enclave is stopped by nothing.
 */
static int check_hand_over(const struct image *image,
			   const struct app_asked *asked, const char *conf_path,
			   struct fault *reterr)
{
	if (asked->stop_signal)
		return fault_refuse(reterr,
				    "--stop-signal %s: %s has hand-over, with "
				    "which nothing sends it",
				    asked->stop_signal, conf_path);
	if (image->user && !is_root_user(image->user))
		return fault_refuse(
			reterr,
			"%s %s: %s has hand-over, which executes the program "
			"as process 1 and so as root%s",
			asked->user ? "--user" : "USER", image->user, conf_path,
			asked->user ? "" :
				      ": --user root takes the image's place");
	return 0;
}

static int refuse_no_command(const struct image *image, struct fault *reterr)
{
	const bool has_dockerfile = tree_find(image->tree, "/Dockerfile", true);

	if (!image->taken_for)
		return fault_refuse(reterr,
				    "the image says neither entrypoint nor "
				    "command: --cmd does");
	return fault_refuse(reterr,
			    "%s has no entrypoint: --cmd PROGRAM, or take an "
			    "image, as docker save writes it%s",
			    image->taken_for,
			    has_dockerfile ? "; mkeif builds no Dockerfile" :
					     "");
}

int app_make(const struct image *image, const struct app_asked *asked,
	     const char *conf, const char *conf_path, bool conf_is_read,
	     struct app *ret, struct fault *reterr)
{
	struct config *user = NULL, *all = NULL;
	char *user_text = NULL;
	struct strings args = { 0 };
	struct app app = { 0 };
	int r = -1;

	user = calloc(1, sizeof(*user));
	all = calloc(1, sizeof(*all));
	if (!user || !all) {
		(void)fault_system(reterr, ENOMEM, "configuration");
		goto out;
	}
	if (read_conf(conf, conf_path, user, &user_text, reterr) < 0)
		goto out;
	if (conf &&
	    (check_asked(asked, &user->services[0], conf_path, reterr) < 0 ||
	     (user->hand_over &&
	      check_hand_over(image, asked, conf_path, reterr) < 0)))
		goto out;

	if (image->workdir && strcmp(image->workdir, "/") != 0 &&
	    !user->services[0].workdir &&
	    add_line(&app, "workdir", image->workdir, all, reterr) < 0)
		goto out;
	if (image->user && !is_root_user(image->user) &&
	    !user->services[0].user &&
	    add_line(&app, "user", image->user, all, reterr) < 0)
		goto out;
	if (image->stop_signal && !user->services[0].supervision.stop_signal &&
	    !user->hand_over &&
	    add_line(&app, "stop-signal", image->stop_signal, all, reterr) < 0)
		goto out;
	if (!user->services[0].command.first) {
		if (join(image, &args, reterr) < 0)
			goto out;
		if (args.count == 0) {
			(void)refuse_no_command(image, reterr);
			goto out;
		}
		if (args.items[0][0] == '\0') {
			(void)fault_refuse(reterr,
					   "the image's command begins with an "
					   "empty argument: no program");
			goto out;
		}
		if (add_command(&app, &args, reterr) < 0)
			goto out;
		app.program_is_asked = asked->command;
	}
	for (size_t i = 0; i < image->env.count; i++)
		if (add_variable(&app, image->env.items[i], reterr) < 0)
			goto out;
	if (conf && (app.conf.len > 0 || !conf_is_read) &&
	    add(&app.conf, without_mark(conf), reterr) < 0)
		goto out;
	app.config = all;
	all = NULL;
	if (app.conf.len > 0) {
		conf = app.conf.data;
		conf_path = conf_name;
	}
	if (read_conf(conf, conf_path, app.config, &app.config_text, reterr) <
	    0)
		goto out;
	if (check_limits(&app.cmd, "cmd", reterr) < 0 ||
	    check_limits(&app.env, "env", reterr) < 0 ||
	    find_program(&app, &args, reterr) < 0)
		goto out;
	*ret = app;
	app = (struct app){ 0 };
	r = 0;
out:
	app_free(&app);
	strings_free(&args);
	free(user);
	free(all);
	free(user_text);
	return r;
}

void app_free(struct app *app)
{
	buffer_free(&app->cmd);
	buffer_free(&app->env);
	buffer_free(&app->conf);
	strings_free(&app->only_conf);
	free(app->config);
	free(app->config_text);
	free(app->program);
}

int app_check_conf(const char *text, size_t len, const char *path,
		   struct fault *reterr)
{
	struct config *config;
	char *copy = NULL;
	int r;

	if (strlen(text) != len)
		return fault_refuse(reterr, "%s: a NUL byte at offset %zu",
				    path, strlen(text));
	config = calloc(1, sizeof(*config));
	if (!config)
		return fault_system(reterr, ENOMEM, "%s", path);
	r = parse_conf(text, path, config, &copy, reterr);
	free(config);
	free(copy);
	return r;
}
