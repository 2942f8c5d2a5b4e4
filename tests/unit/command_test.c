/* What a line to control means: every command, by the parent and inside, and what is none. */

#include "init/link/command.h"

#include "tests/unit/check.h"

static const struct config_link all_of_it = {
	.control_stop = true,
	.control_signals = UINT64_MAX,
	.control_local = true,
};

static struct link_state state;

static void set_up(bool is_ready)
{
	static const char names[][32] = { "main", "w",
					  "a-name-of-31-bytes-is-the-longe" };

	memset(&state, 0, sizeof(state));
	state.record.ready = is_ready;
	state.service_count = 3;
	for (size_t i = 0; i < 3; i++)
		memcpy(state.services[i].name, names[i], sizeof(names[i]));
}

static struct command parse(const char *line, size_t len, bool is_local,
			    const struct config_link *config)
{
	struct command c;
	/* Of just that length: one byte more is not read. */
	char *copy = malloc(len + !len);

	REQUIRE(copy);
	memcpy(copy, line, len);
	memset(&c, 0x55, sizeof(c));
	command_parse(copy, len, is_local, config, &state, &c);
	free(copy);
	return c;
}

static struct command parents(const char *line)
{
	return parse(line, strlen(line), false, &all_of_it);
}

static struct command locals(const char *line)
{
	return parse(line, strlen(line), true, &all_of_it);
}

static void check_refused(struct command c, const char *reason)
{
	if (CHECK_INT(c.kind, COMMAND_REFUSED))
		CHECK_STR(c.reason, reason);
}

static void check_order(struct command c, enum link_news news, bool is_local,
			unsigned service, int sig)
{
	const struct link_message wanted = { .news = (uint8_t)news,
					     .is_local = is_local,
					     .service = (uint8_t)service,
					     .signal = (uint8_t)sig };

	CHECK_INT(c.kind, COMMAND_ORDER);
	CHECK_MEM(&c.message, &wanted, sizeof(wanted));
}

/* --- the parent --- */

TEST(the_parent_stops_and_signals)
{
	set_up(true);
	check_order(parents("stop"), LINK_STOP, false, 0, 0);
	check_order(parents("SIGHUP"), LINK_SIGNAL, false, 0, SIGHUP);
	check_order(parents("hup"), LINK_SIGNAL, false, 0, SIGHUP);
	check_order(parents("10"), LINK_SIGNAL, false, 0, SIGUSR1);
	check_order(parents("RTMAX"), LINK_SIGNAL, false, 0, 64);
	check_order(parents("SIGRTMIN+2"), LINK_SIGNAL, false, 0, 36);
	check_order(parents("  stop  "), LINK_STOP, false, 0, 0);
	check_order(parents("stop\r"), LINK_STOP, false, 0, 0);
}

TEST(the_parent_does_what_control_has_and_no_more)
{
	const struct config_link none = { .control_local = true };
	const struct config_link one = { .control_signals = 1ULL
							    << (SIGHUP - 1) };
	const struct config_link stop = { .control_stop = true };

	set_up(true);
	check_refused(parse("stop", 4, false, &none), "stop is not in control");
	check_refused(parse("stop", 4, false, &one), "stop is not in control");
	for (int sig = 1; sig <= 64; sig++) {
		char text[4];
		size_t len = (size_t)sprintf(text, "%d", sig & 127);

		check_refused(parse(text, len, false, &none),
			      "this signal is not in control");
		check_refused(parse(text, len, false, &stop),
			      "this signal is not in control");
		if (sig == SIGHUP)
			check_order(parse(text, len, false, &one), LINK_SIGNAL,
				    false, 0, SIGHUP);
		else
			check_refused(parse(text, len, false, &one),
				      "this signal is not in control");
	}
}

TEST(the_parent_never_has_what_is_for_inside)
{
	static const char *const lines[] = {
		"status",    "stop w",	    "restart w", "signal w HUP",
		"log w",     "stop main",   "restart",	 "signal",
		"log",	     "reboot",	    "SIGHUP 1",	 "HUP main",
		"stop stop", "status full", "stop,",	 "sto",
		"stopp",     "SIG",	    "SIGFOO",	 "65",
		"-1",	     "0",	    "SIG1",	 "",
		" ",	     "\r",	    "Stop",	 "STATUS",
		"main",	     "w",
	};

	set_up(true);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (strcmp(lines[i], "Stop") != 0)
			check_refused(parents(lines[i]), "no such command");
	/* As configurations write signals, in any case: it is the one for stop(1). */
	check_refused(parse("STOP", 4, false, &(struct config_link){ 0 }),
		      "this signal is not in control");
}

TEST(no_signal_goes_to_what_has_not_been_started)
{
	set_up(true);
	state.service_count = 0;
	check_refused(parents("SIGHUP"), "nothing has been started yet");
	check_order(parents("stop"), LINK_STOP, false, 0, 0);
}

/* --- inside --- */

TEST(root_inside_commands_each_service)
{
	static const char *const longest = "a-name-of-31-bytes-is-the-longe";
	char line[64];

	set_up(true);
	CHECK_INT(locals("status").kind, COMMAND_STATUS);
	check_order(locals("stop"), LINK_STOP, true, 0, 0);
	check_order(locals("stop main"), LINK_STOP_SERVICE, true, 0, 0);
	check_order(locals("restart w"), LINK_RESTART_SERVICE, true, 1, 0);
	check_order(locals("signal w SIGHUP"), LINK_SIGNAL, true, 1, SIGHUP);
	check_order(locals("  signal   w   9  "), LINK_SIGNAL, true, 1, 9);
	CHECK_INT(locals("log w").kind, COMMAND_LOG);
	CHECK_INT(locals("log w").service, 1);
	(void)snprintf(line, sizeof(line), "stop %s", longest);
	check_order(locals(line), LINK_STOP_SERVICE, true, 2, 0);
}

TEST(what_is_no_command_inside_is_refused)
{
	set_up(true);
	check_refused(locals(""), "no such command");
	check_refused(locals("SIGHUP"), "no such command");
	check_refused(locals("restart"), "no such command");
	check_refused(locals("log"), "no such command");
	check_refused(locals("signal"), "no such command");
	check_refused(locals("signal w"), "no such command");
	check_refused(locals("start w"), "no such command");
	check_refused(locals("stop w now"), "no such command");
	check_refused(locals("log w w"), "no such command");
	check_refused(locals("stop a b c"), "no such command");
	check_refused(locals("signal w HUP HUP"), "no such command");
	check_refused(locals("signal w FOO"), "no such signal");
	check_refused(locals("signal w 0"), "no such signal");
	check_refused(locals("signal w 65"), "no such signal");
	check_refused(locals("signal w -1"), "no such signal");
	check_refused(locals("stop nobody"), "no such service");
	check_refused(locals("stop W"), "no such service");
	check_refused(locals("status w w"), "no such command");
	/* A begin, and a name with more behind it. */
	check_refused(locals("stop mai"), "no such service");
	check_refused(locals("stop mainx"), "no such service");
	check_refused(locals("stop a-name-of-31-bytes-is-the-longest"),
		      "no such service");
}

TEST(no_restart_before_all_have_been_ready)
{
	set_up(false);
	check_refused(locals("restart w"),
		      "not all services have been ready yet");
	check_order(locals("stop w"), LINK_STOP_SERVICE, true, 1, 0);
	check_order(locals("signal w 1"), LINK_SIGNAL, true, 1, 1);
	state.service_count = 0;
	check_refused(locals("restart w"), "no such service");
}

/* --- bytes --- */

TEST(lines_have_a_length)
{
	char line[80];

	set_up(true);
	for (size_t len = 0; len <= 66; len++) {
		memset(line, ' ', sizeof(line));
		if (len >= 4)
			memcpy(line + len - 4, "stop", 4);
		if (len > COMMAND_MAX)
			check_refused(parse(line, len, false, &all_of_it),
				      "longer than 64 bytes");
		else if (len >= 4)
			check_order(parse(line, len, false, &all_of_it),
				    LINK_STOP, false, 0, 0);
		else
			check_refused(parse(line, len, false, &all_of_it),
				      "no such command");
		/* A CR before the newline is none of it. */
		line[len] = '\r';
		CHECK_INT(parse(line, len + 1, true, &all_of_it).kind,
			  len >= 4 && len <= COMMAND_MAX ? COMMAND_ORDER :
							   COMMAND_REFUSED);
		memset(line, 'x', sizeof(line));
		check_refused(parse(line, len, len & 1, &all_of_it),
			      len > COMMAND_MAX ? "longer than 64 bytes" :
						  "no such command");
	}
}

TEST(no_other_byte_is_in_a_command)
{
	char line[] = "stop w";

	set_up(true);
	for (int byte = 0; byte < 256; byte++) {
		if (byte > ' ' && byte <= '~')
			continue;
		line[4] = (char)byte;
		if (byte == ' ')
			check_order(parse(line, 6, true, &all_of_it),
				    LINK_STOP_SERVICE, true, 1, 0);
		else
			check_refused(parse(line, 6, true, &all_of_it),
				      "no such command");
		/* At its end only a CR, and only one. */
		line[4] = ' ';
		if (byte == ' ')
			continue;
		check_refused(parse((char[]){ 's', 't', 'o', 'p', (char)byte,
					      (char)byte },
				    6, false, &all_of_it),
			      "no such command");
		check_refused(parse((char[]){ (char)byte, 's', 't', 'o', 'p' },
				    5, false, &all_of_it),
			      "no such command");
	}
}

CHECK_MAIN("command")
