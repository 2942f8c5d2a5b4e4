#include "init/spec/signal.h"

#include "tests/unit/check.h"

TEST(names_are_those_of_the_header)
{
	static const struct {
		const char *name;
		int signal;
	} want[] = {
		{ "HUP", SIGHUP },   { "INT", SIGINT },
		{ "QUIT", SIGQUIT }, { "ILL", SIGILL },
		{ "TRAP", SIGTRAP }, { "ABRT", SIGABRT },
		{ "BUS", SIGBUS },   { "FPE", SIGFPE },
		{ "KILL", SIGKILL }, { "USR1", SIGUSR1 },
		{ "SEGV", SIGSEGV }, { "USR2", SIGUSR2 },
		{ "PIPE", SIGPIPE }, { "ALRM", SIGALRM },
		{ "TERM", SIGTERM }, { "STKFLT", 16 },
		{ "CHLD", SIGCHLD }, { "CONT", SIGCONT },
		{ "STOP", SIGSTOP }, { "TSTP", SIGTSTP },
		{ "TTIN", SIGTTIN }, { "TTOU", SIGTTOU },
		{ "URG", SIGURG },   { "XCPU", SIGXCPU },
		{ "XFSZ", SIGXFSZ }, { "VTALRM", SIGVTALRM },
		{ "PROF", SIGPROF }, { "WINCH", SIGWINCH },
		{ "IO", SIGIO },     { "PWR", SIGPWR },
		{ "SYS", SIGSYS },
	};
	char text[16];

	CHECK_INT(sizeof(want) / sizeof(want[0]), 31);
	for (int i = 0; i < 31; i++) {
		CHECK_INT(want[i].signal, i + 1);
		CHECK_INT(signal_number(want[i].name), i + 1);
		CHECK_STR(signal_name(i + 1), want[i].name);
		(void)snprintf(text, sizeof(text), "SIG%s", want[i].name);
		CHECK_INT(signal_number(text), i + 1);
	}
	CHECK_INT(signal_number("sigterm"), SIGTERM);
	CHECK_INT(signal_number("Term"), SIGTERM);
	CHECK_INT(signal_number("CLD"), SIGCHLD);
	CHECK_INT(signal_number("SIGIOT"), SIGABRT);
	CHECK_INT(signal_number("POLL"), SIGIO);
}

TEST(numbers_are_1_to_64)
{
	char text[16];

	for (int i = 1; i <= 64; i++) {
		(void)snprintf(text, sizeof(text), "%d", i);
		CHECK_INT(signal_number(text), i);
	}
	CHECK_INT(signal_number("009"), 9);
	CHECK(!signal_name(0) && !signal_name(-1) && !signal_name(32) &&
	      !signal_name(64));
}

TEST(real_time_ones_are_counted_from_34_and_64)
{
	CHECK_INT(signal_number("RTMIN"), 34);
	CHECK_INT(signal_number("SIGRTMIN+3"), 37);
	CHECK_INT(signal_number("rtmin+0"), 34);
	CHECK_INT(signal_number("RTMIN+30"), 64);
	CHECK_INT(signal_number("RTMAX"), 64);
	CHECK_INT(signal_number("SIGRTMAX-14"), 50);
	CHECK_INT(signal_number("RTMAX-30"), 34);
#ifdef __GLIBC__
	CHECK_INT(signal_number("RTMIN"), SIGRTMIN);
	CHECK_INT(signal_number("RTMAX"), SIGRTMAX);
#endif
}

TEST(all_else_is_none)
{
	static const char *const bad[] = {
		"",
		"0",
		"65",
		"-1",
		"+1",
		"1x",
		"SIG",
		"SIG9",
		"TER",
		"TERMS",
		"SIGSIGTERM",
		"RTMIN-1",
		"RTMIN+31",
		"RTMIN+",
		"RTMIN3",
		"RTMAX+1",
		"RTMAX-31",
		"RTMAX-",
		"RTMAX-x",
		"RTMIN+1+",
		" TERM",
		"99999999999999999999999",
		"RTMIN+4294967297",
		"RTMIN++1",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (!CHECK_INT(signal_number(bad[i]), 0))
			CHECK_STR(bad[i], "none");
}

CHECK_MAIN("signal")
