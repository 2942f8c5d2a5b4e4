#include "init/report.h"

#include "init/text.h"
#include "tests/unit/check.h"

static void check_status(int status, bool oom, const char *wanted)
{
	struct text t;

	text_clear(&t);
	report_status(status, oom, &t);
	CHECK_STR(text_string(&t), wanted);
}

static int exited(int code)
{
	return code << 8;
}

TEST(exit_codes_are_said)
{
	char wanted[64];

	for (int code = 0; code <= 255; code++) {
		(void)snprintf(wanted, sizeof(wanted), "exited with code %d",
			       code);
		check_status(exited(code), false, wanted);
		check_status(exited(code), true, wanted);
	}
}

TEST(signals_have_their_names)
{
	static const struct {
		int number;
		const char *name;
	} signals[] = {
		{ SIGHUP, "HUP" },	 { SIGINT, "INT" },
		{ SIGQUIT, "QUIT" },	 { SIGILL, "ILL" },
		{ SIGTRAP, "TRAP" },	 { SIGABRT, "ABRT" },
		{ SIGBUS, "BUS" },	 { SIGFPE, "FPE" },
		{ SIGKILL, "KILL" },	 { SIGUSR1, "USR1" },
		{ SIGSEGV, "SEGV" },	 { SIGUSR2, "USR2" },
		{ SIGPIPE, "PIPE" },	 { SIGALRM, "ALRM" },
		{ SIGTERM, "TERM" },	 { SIGSTKFLT, "STKFLT" },
		{ SIGXCPU, "XCPU" },	 { SIGXFSZ, "XFSZ" },
		{ SIGVTALRM, "VTALRM" }, { SIGPROF, "PROF" },
		{ SIGIO, "IO" },	 { SIGPWR, "PWR" },
		{ SIGSYS, "SYS" },
	};
	char wanted[64];

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		(void)snprintf(wanted, sizeof(wanted), "killed by SIG%s",
			       signals[i].name);
		check_status(signals[i].number, false, wanted);
		check_status(signals[i].number | 0x80, false,
			     wanted); /* core */
	}
	for (int sig = 1; sig < 32; sig++) {
		struct text t;

		text_clear(&t);
		report_status(sig, false, &t);
		CHECK(strncmp(text_string(&t), "killed by SIG", 13) == 0);
	}
}

TEST(signals_without_a_name_are_numbers)
{
	check_status(32, false, "killed by signal 32");
	check_status(34, false, "killed by signal 34");
	check_status(64, false, "killed by signal 64");
}

TEST(out_of_memory_is_a_kill)
{
	check_status(SIGKILL, true, "killed: out of memory");
	check_status(SIGTERM, true, "killed by SIGTERM");
	check_status(SIGSEGV | 0x80, true, "killed by SIGSEGV");
}

CHECK_MAIN("report")
