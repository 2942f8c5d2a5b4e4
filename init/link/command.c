#include "init/link/command.h"

#include <string.h>

#include "init/spec/signal.h"

enum { WORDS_MAX = 3 };

struct words {
	size_t count;
	char *of[WORDS_MAX];
	char text[COMMAND_MAX + 1];
};

static void refuse(struct command *c, const char *reason)
{
	*c = (struct command){ .kind = COMMAND_REFUSED, .reason = reason };
}

/* False: control bytes, or more words than any command has. */
static bool split(const char *line, size_t len, struct words *ret)
{
	bool in_word = false;

	ret->count = 0;
	for (size_t i = 0; i < len; i++) {
		char c = line[i];

		ret->text[i] = c == ' ' ? '\0' : c;
		if ((unsigned char)c < ' ' || (unsigned char)c > '~')
			return false;
		if (c != ' ' && !in_word) {
			if (ret->count == WORDS_MAX)
				return false;
			ret->of[ret->count++] = ret->text + i;
		}
		in_word = c != ' ';
	}
	ret->text[len] = '\0';
	return ret->count > 0;
}

static void order(struct command *c, enum link_news news, bool is_local,
		  size_t service, int signal)
{
	*c = (struct command){
		.kind = COMMAND_ORDER,
		.service = service,
		.message = { .news = (uint8_t)news,
			     .is_local = is_local,
			     .service = (uint8_t)service,
			     .signal = (uint8_t)signal },
	};
}

static void parse_parents(const struct words *w,
			  const struct config_link *config, bool has_services,
			  struct command *c)
{
	int sig = w->count == 1 ? signal_number(w->of[0]) : 0;

	if (w->count == 1 && strcmp(w->of[0], "stop") == 0) {
		if (config->control_stop)
			order(c, LINK_STOP, false, 0, 0);
		else
			refuse(c, "stop is not in control");
	} else if (sig > 0) {
		if (!(config->control_signals >> (sig - 1) & 1))
			refuse(c, "this signal is not in control");
		else if (!has_services)
			refuse(c, "nothing has been started yet");
		else
			order(c, LINK_SIGNAL, false, 0, sig);
	} else {
		refuse(c, "no such command");
	}
}

static bool find_service(const struct link_state *s, const char *name,
			 size_t *ret)
{
	for (*ret = 0; *ret < s->service_count; ++*ret)
		if (strncmp(s->services[*ret].name, name,
			    sizeof(s->services[*ret].name)) == 0)
			return true;
	return false;
}

static void parse_of_service(const struct words *w, bool has_begun,
			     struct command *c, size_t i)
{
	const char *verb = w->of[0];
	int sig = w->count == 3 ? signal_number(w->of[2]) : 0;

	if (w->count == 2 && strcmp(verb, "stop") == 0)
		order(c, LINK_STOP_SERVICE, true, i, 0);
	else if (w->count == 2 && strcmp(verb, "restart") == 0 && !has_begun)
		refuse(c, "not all services have been ready yet");
	else if (w->count == 2 && strcmp(verb, "restart") == 0)
		order(c, LINK_RESTART_SERVICE, true, i, 0);
	else if (w->count == 2 && strcmp(verb, "log") == 0)
		*c = (struct command){ .kind = COMMAND_LOG, .service = i };
	else if (w->count == 3 && strcmp(verb, "signal") == 0 && sig > 0)
		order(c, LINK_SIGNAL, true, i, sig);
	else if (w->count == 3 && strcmp(verb, "signal") == 0)
		refuse(c, "no such signal");
	else
		refuse(c, "no such command");
}

static void parse_local(const struct words *w, const struct link_state *state,
			struct command *c)
{
	size_t i;

	if (w->count == 1 && strcmp(w->of[0], "status") == 0)
		*c = (struct command){ .kind = COMMAND_STATUS };
	else if (w->count == 1 && strcmp(w->of[0], "stop") == 0)
		order(c, LINK_STOP, true, 0, 0);
	else if (w->count == 1)
		refuse(c, "no such command");
	else if (!find_service(state, w->of[1], &i))
		refuse(c, "no such service");
	else
		parse_of_service(w, state->record.ready, c, i);
}

void command_parse(const char *line, size_t len, bool is_local,
		   const struct config_link *config,
		   const struct link_state *state, struct command *ret)
{
	struct words w;

	if (len > 0 && line[len - 1] == '\r')
		len--;
	if (len > COMMAND_MAX)
		refuse(ret, "longer than 64 bytes");
	else if (!split(line, len, &w))
		refuse(ret, "no such command");
	else if (is_local)
		parse_local(&w, state, ret);
	else
		parse_parents(&w, config, state->service_count > 0, ret);
}
