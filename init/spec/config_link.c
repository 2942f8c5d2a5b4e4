#include "init/spec/config_key.h"

#include <string.h>

#include "init/spec/signal.h"

enum {
	LOG_SIZE = 128 * 1024,
	LOG_READERS = 4,
	REPORT_LOG = 4096,
};

void config_link_defaults(struct config_link *ret)
{
	ret->log_port = CONFIG_LOG_PORT;
	ret->status_port = CONFIG_STATUS_PORT;
	ret->control_port = CONFIG_CONTROL_PORT;
	ret->report_port = CONFIG_REPORT_PORT;
	ret->log_readers = LOG_READERS;
	ret->log_size = LOG_SIZE;
	ret->report_log = REPORT_LOG;
}

/* What is turned on needs a PID 1 that stays. */
int config_read_link(const struct config_key *key, struct config_rest *rest,
		     struct config_reader *r)
{
	const unsigned char *field = config_field(key, r);
	/* The second word of a bool, or a word of an enum: never more than a byte. */
	int e = *config_key_words(key) == 'n' ?
			config_read_bool(key, rest, r) :
			config_read_choice(key, rest, r);

	if (e == 0 && *field != 0)
		config_note_supervised(r);
	return e;
}

int config_read_link_number(const struct config_key *key,
			    struct config_rest *rest, struct config_reader *r)
{
	r->link_line = r->line;
	return config_read_plain(key, rest, r);
}

int config_read_link_bytes(const struct config_key *key,
			   struct config_rest *rest, struct config_reader *r)
{
	const uint64_t *field = config_field(key, r);
	int e;

	r->link_line = r->line;
	e = config_read_bytes(key, rest, r);
	return e == 0 && *field > (uint64_t)key->max ? -CONFIG_E_LARGE : e;
}

/* `none`, or `stop` and signals in any order. */
int config_read_control(const struct config_key *key, struct config_rest *rest,
			struct config_reader *r)
{
	struct config_link *l = &r->config->link;
	bool is_first = true;
	int sig;

	(void)key;
	do {
		config_next_word(rest);
		if (is_first && strcmp(rest->word, "none") == 0)
			return 0;
		is_first = false;
		sig = signal_number(rest->word);
		if (strcmp(rest->word, "stop") == 0)
			l->control_stop = true;
		else if (sig > 0)
			l->control_signals |= (uint64_t)1 << (sig - 1);
		else
			return -CONFIG_E_CONTROL_WORD;
	} while (*rest->at);
	config_note_supervised(r);
	return 0;
}

int config_read_terminal(const struct config_key *key, struct config_rest *rest,
			 struct config_reader *r)
{
	r->service->terminal_is_set = true;
	return config_read_bool(key, rest, r);
}

bool config_keeps_log(const struct config_link *l)
{
	return l->log != CONFIG_LOG_OFF ||
	       (l->report != CONFIG_REPORT_OFF && l->report_log > 0);
}

bool config_has_control(const struct config_link *l)
{
	return l->control_stop || l->control_signals != 0;
}

bool config_logs(const struct config *c, const struct config_service *s, int fd)
{
	if (!config_keeps_log(&c->link) || s->terminal)
		return false;
	if (fd == 1)
		return !s->stdout_is_unlogged &&
		       s->standard_output == CONFIG_OUTPUT_INHERIT;
	return !s->stderr_is_unlogged &&
	       s->standard_error == CONFIG_OUTPUT_INHERIT;
}

static bool ports_clash(const struct config_link *l)
{
	const uint32_t ports[] = {
		l->log == CONFIG_LOG_LISTEN ? l->log_port : 0,
		l->status != CONFIG_STATUS_OFF ? l->status_port : 0,
		config_has_control(l) ? l->control_port : 0,
	};
	const size_t count = sizeof(ports) / sizeof(ports[0]);

	for (size_t i = 0; i < count; i++)
		for (size_t k = i + 1; k < count; k++)
			if (ports[i] != 0 && ports[i] == ports[k])
				return true;
	return false;
}

int config_link_check(const struct config_reader *r, struct config_fault *where)
{
	const struct config *c = r->config;
	const struct config_link *l = &c->link;

	*where = (struct config_fault){ .line = r->link_line, .column = 1 };
	if (ports_clash(l))
		return -CONFIG_E_PORT;
	if (!config_keeps_log(l))
		return 0;
	if (l->report != CONFIG_REPORT_OFF && l->report_log > l->log_size)
		return -CONFIG_E_REPORT_LOG;
	for (size_t i = 1; i < c->service_count; i++) {
		where->line = r->section_lines[i];
		if (strcmp(c->services[i].supervision.name, "init") == 0)
			return -CONFIG_E_INIT;
	}
	return 0;
}
