#include "init/spec/config_key.h"

#include <string.h>
#include <sys/resource.h>

enum {
	MODE_MAX = 0777,
	PORT_MAX = 0x7fffffff,
	RESTARTS_MAX = 1000000,
	MEMORY_MIN = 65536, /* no program starts in less */
	PIDS_MAX = 4194304, /* PID_MAX_LIMIT of a 64-bit kernel */
	WEIGHT_MAX = 10000, /* of cpu.weight */
	LOG_SIZE_MIN = 4096,
	LOG_SIZE_MAX = 1 << 26,
	LOG_RATE_MIN = 1024,
	REPORT_LOG_MAX = 1 << 20,
};

/* clang-format off */
/* The words of choices, each with its NUL. */
#define WORDS(W) \
	W(NO_YES, "no\0yes") \
	W(OPEN_ROOT, "open\0root") \
	W(YES_NO, "yes\0no") \
	W(MAIN_ANY_ALL, "main\0any\0all") \
	W(REQUIRED_OPTIONAL, "required\0optional") \
	W(ON_STRICT_OFF, "on\0strict\0off") \
	W(MIXED_GROUP_PROCESS, "mixed\0group\0process") \
	W(OFF_LISTEN_CONNECT, "off\0listen\0connect") \
	W(GROUP_OPEN, "group\0open") \
	W(AUTO_YES_NO, "auto\0yes\0no") \
	W(EXEC_NOTIFY, "exec\0notify") \
	W(OFF_ON_STRICT, "off\0on\0strict") \
	W(NEVER_ON_FAILURE_ALWAYS, "never\0on-failure\0always") \
	W(ROOTFS_STAY, "rootfs\0stay") \
	W(OFF_BRIEF_FULL, "off\0brief\0full") \
	W(INHERIT_NULL, "inherit\0null") \
	W(CONSOLE_NULL, "console\0null") \
	W(PTP_OFF, "ptp\0off") \
	W(OPEN_NONE, "open\0none")

#define WORDS_ROOM(code, text) char code[sizeof(text "\0")];
#define WORDS_TEXT(code, text) text "\0",
#define READ_CODE(code, name) READ_##code,
#define READ_FN(code, name) config_read_##name,
/* clang-format on */

struct choices {
	char NONE[1];
	WORDS(WORDS_ROOM)
};
static const struct choices choices = { "", WORDS(WORDS_TEXT) };

enum { CONFIG_READERS(READ_CODE) };
static config_read_fn *const readers[] = { CONFIG_READERS(READ_FN) };

#define OF_SERVICE(f) \
	.of_service = true, .field = offsetof(struct config_service, f)
/* Needs a PID 1 that stays, too. */
#define OF_SUPERVISION(f) .supervised = true, OF_SERVICE(supervision.f)
#define OF_ENCLAVE(f) .field = offsetof(struct config, f)
#define OF_LINK(f) OF_ENCLAVE(link.f)
#define LINK_PORT(f)                                                \
	.read = READ_LINK_NUMBER, OF_LINK(f), .base = 10, .min = 1, \
	.max = PORT_MAX
#define CHOICE(code) .words = offsetof(struct choices, code)
#define LIMIT(number) .read = READ_LIMIT, .of_service = true, .max = (number)

/* clang-format off */
/* Each with its name, in alphabetical order. */
#define KEYS(KEY) \
	KEY("add-host", .read = READ_HOSTS, .may_repeat = true) \
	KEY("after", .read = READ_AFTER, .of_service = true) \
	KEY("ambient-capabilities", .read = READ_AMBIENT, .of_service = true) \
	KEY("capability-bounding-set", .read = READ_BOUNDING, .of_service = true) \
	KEY("command", .read = READ_COMMAND, .of_service = true) \
	KEY("control", .read = READ_CONTROL) \
	KEY("control-local", .read = READ_LINK, OF_LINK(control_local), \
	    CHOICE(NO_YES)) \
	KEY("control-port", LINK_PORT(control_port)) \
	KEY("cpu-weight", .read = READ_PLAIN, OF_SERVICE(cpu_weight), \
	    .supervised = true, .base = 10, .min = 1, .max = WEIGHT_MAX) \
	KEY("devices", .read = READ_BOOL, OF_ENCLAVE(devices_are_closed), \
	    CHOICE(OPEN_ROOT)) \
	KEY("dns", .read = READ_DNS, .may_repeat = true) \
	KEY("dns-option", .read = READ_LINE_TEXT, OF_ENCLAVE(dns_option)) \
	KEY("dns-search", .read = READ_LINE_TEXT, OF_ENCLAVE(dns_search)) \
	KEY("egress-environment", .read = READ_BOOL, \
	    OF_ENCLAVE(no_egress_environment), CHOICE(YES_NO)) \
	KEY("end", .read = READ_CHOICE, OF_ENCLAVE(end), CHOICE(MAIN_ANY_ALL)) \
	KEY("entropy", .read = READ_BOOL, OF_ENCLAVE(entropy_is_optional), \
	    CHOICE(REQUIRED_OPTIONAL)) \
	KEY("environment", .read = READ_ENVIRONMENT, .of_service = true, \
	    .may_repeat = true) \
	KEY("environment-file", .read = READ_ENVIRONMENT_FILE, \
	    OF_SERVICE(environment_file)) \
	KEY("group", .read = READ_GROUP, .of_service = true, .supervised = true) \
	KEY("hand-over", .read = READ_BOOL, OF_ENCLAVE(hand_over), CHOICE(NO_YES)) \
	KEY("heartbeat", .read = READ_HEARTBEAT, OF_ENCLAVE(heartbeat.mode), \
	    CHOICE(ON_STRICT_OFF)) \
	KEY("heartbeat-port", .read = READ_PLAIN, OF_ENCLAVE(heartbeat.port), \
	    .base = 10, .min = 1, .max = PORT_MAX) \
	KEY("hostname", .read = READ_HOSTNAME) \
	KEY("kexec-load-disabled", .read = READ_BOOL, \
	    OF_ENCLAVE(kexec_load_disabled), CHOICE(NO_YES)) \
	KEY("kill-mode", .read = READ_CHOICE, OF_SUPERVISION(kill_mode), \
	    CHOICE(MIXED_GROUP_PROCESS)) \
	KEY("limit-as", LIMIT(RLIMIT_AS)) \
	KEY("limit-core", LIMIT(RLIMIT_CORE)) \
	KEY("limit-cpu", LIMIT(RLIMIT_CPU)) \
	KEY("limit-data", LIMIT(RLIMIT_DATA)) \
	KEY("limit-fsize", LIMIT(RLIMIT_FSIZE)) \
	KEY("limit-locks", LIMIT(RLIMIT_LOCKS)) \
	KEY("limit-memlock", LIMIT(RLIMIT_MEMLOCK)) \
	KEY("limit-msgqueue", LIMIT(RLIMIT_MSGQUEUE)) \
	KEY("limit-nice", LIMIT(RLIMIT_NICE)) \
	KEY("limit-nofile", LIMIT(RLIMIT_NOFILE)) \
	KEY("limit-nproc", LIMIT(RLIMIT_NPROC)) \
	KEY("limit-rss", LIMIT(RLIMIT_RSS)) \
	KEY("limit-rtprio", LIMIT(RLIMIT_RTPRIO)) \
	KEY("limit-rttime", LIMIT(RLIMIT_RTTIME)) \
	KEY("limit-sigpending", LIMIT(RLIMIT_SIGPENDING)) \
	KEY("limit-stack", LIMIT(RLIMIT_STACK)) \
	KEY("log", .read = READ_LINK, OF_LINK(log), CHOICE(OFF_LISTEN_CONNECT)) \
	KEY("log-escape", .read = READ_BOOL, OF_LINK(log_is_raw), CHOICE(YES_NO)) \
	KEY("log-port", LINK_PORT(log_port)) \
	KEY("log-rate", .read = READ_BYTES, OF_LINK(log_rate), .min = LOG_RATE_MIN) \
	KEY("log-readers", .read = READ_PLAIN, OF_LINK(log_readers), .base = 10, \
	    .min = 1, .max = CONFIG_LOG_READERS_MAX) \
	KEY("log-size", .read = READ_LINK_BYTES, OF_LINK(log_size), \
	    .min = LOG_SIZE_MIN, .max = LOG_SIZE_MAX) \
	KEY("log-stderr", .read = READ_BOOL, OF_SERVICE(stderr_is_unlogged), \
	    CHOICE(YES_NO)) \
	KEY("log-stdout", .read = READ_BOOL, OF_SERVICE(stdout_is_unlogged), \
	    CHOICE(YES_NO)) \
	KEY("memory-max", .read = READ_BYTES, OF_SERVICE(memory_max), \
	    .supervised = true, .min = MEMORY_MIN) \
	KEY("modules-disabled", .read = READ_BOOL, OF_ENCLAVE(modules_disabled), \
	    CHOICE(NO_YES)) \
	KEY("nice", .read = READ_NUMBER, OF_SERVICE(confine.nice), .base = 10, \
	    .min = -20, .max = 19) \
	KEY("no-new-privileges", .read = READ_BOOL, \
	    OF_SERVICE(confine.no_new_privileges), CHOICE(NO_YES)) \
	KEY("nsm", .read = READ_BOOL, OF_ENCLAVE(nsm_is_open), CHOICE(GROUP_OPEN)) \
	KEY("nsm-group", .read = READ_WHO, OF_ENCLAVE(nsm_group)) \
	KEY("nsm-mode", .read = READ_NUMBER, OF_ENCLAVE(nsm_mode), .base = 8, \
	    .max = MODE_MAX) \
	KEY("nsm-owner", .read = READ_WHO, OF_ENCLAVE(nsm_owner)) \
	KEY("nsm-tool", .read = READ_BOOL, OF_ENCLAVE(no_nsm_tool), CHOICE(YES_NO)) \
	KEY("oom-score-adjust", .read = READ_NUMBER, \
	    OF_SERVICE(confine.oom_score_adjust), .base = 10, .min = -1000, \
	    .max = 1000) \
	KEY("pcr-extend", .read = READ_EXTEND, .may_repeat = true) \
	KEY("pcr-lock", .read = READ_LOCKS, .may_repeat = true) \
	KEY("pids-max", .read = READ_PLAIN, OF_SERVICE(pids_max), \
	    .supervised = true, .base = 10, .min = 1, .max = PIDS_MAX) \
	KEY("protect-kernel", .read = READ_CHOICE, OF_SERVICE(protect_kernel), \
	    CHOICE(AUTO_YES_NO)) \
	KEY("ptrace-scope", .read = READ_NUMBER, OF_ENCLAVE(ptrace_scope), \
	    .base = 10, .max = 3) \
	KEY("read-only", .read = READ_BOOL, OF_ENCLAVE(read_only), CHOICE(NO_YES)) \
	KEY("ready", .read = READ_CHOICE, OF_SUPERVISION(ready), \
	    CHOICE(EXEC_NOTIFY)) \
	KEY("ready-timeout", .read = READ_TIME, OF_SUPERVISION(ready_timeout_ms), \
	    .min = 1) \
	KEY("report", .read = READ_LINK, OF_LINK(report), CHOICE(OFF_ON_STRICT)) \
	KEY("report-log", .read = READ_LINK_BYTES, OF_LINK(report_log), \
	    .max = REPORT_LOG_MAX) \
	KEY("report-port", LINK_PORT(report_port)) \
	KEY("restart", .read = READ_CHOICE, OF_SUPERVISION(restart), \
	    CHOICE(NEVER_ON_FAILURE_ALWAYS)) \
	KEY("restart-delay", .read = READ_TIME, OF_SUPERVISION(restart_delay_ms), \
	    .min = 1) \
	KEY("restart-delay-max", .read = READ_TIME, \
	    OF_SUPERVISION(restart_delay_max_ms), .min = 1) \
	KEY("restart-limit", .read = READ_PLAIN, OF_SUPERVISION(restart_limit), \
	    .base = 10, .max = RESTARTS_MAX) \
	KEY("root", .read = READ_BOOL, OF_ENCLAVE(stay), CHOICE(ROOTFS_STAY)) \
	KEY("run-size", .read = READ_SIZE, OF_ENCLAVE(run_size)) \
	KEY("seccomp", .read = READ_PATH, OF_SERVICE(seccomp)) \
	KEY("securebits", .read = READ_SECUREBITS, .of_service = true) \
	KEY("shm-size", .read = READ_SIZE, OF_ENCLAVE(shm_size)) \
	KEY("status", .read = READ_LINK, OF_LINK(status), CHOICE(OFF_BRIEF_FULL)) \
	KEY("status-port", LINK_PORT(status_port)) \
	KEY("stderr", .read = READ_CHOICE, OF_SERVICE(standard_error), \
	    CHOICE(INHERIT_NULL)) \
	KEY("stdin", .read = READ_CHOICE, OF_SERVICE(standard_input), \
	    CHOICE(CONSOLE_NULL)) \
	KEY("stdout", .read = READ_CHOICE, OF_SERVICE(standard_output), \
	    CHOICE(INHERIT_NULL)) \
	KEY("stop-signal", .read = READ_SIGNAL, .of_service = true, \
	    .supervised = true) \
	KEY("stop-timeout", .read = READ_TIMEOUT, OF_SUPERVISION(stop_timeout_ms)) \
	KEY("supplementary-groups", .read = READ_GROUPS, \
	    OF_SERVICE(supplementary_groups), .supervised = true) \
	KEY("sysctl", .read = READ_SYSCTLS, .may_repeat = true) \
	KEY("terminal", .read = READ_TERMINAL, OF_SERVICE(terminal), CHOICE(NO_YES)) \
	KEY("time", .read = READ_BOOL, OF_ENCLAVE(no_time), CHOICE(PTP_OFF)) \
	KEY("tmp-size", .read = READ_SIZE, OF_ENCLAVE(tmp_size)) \
	KEY("tmpfs", .read = READ_TMPFS, .may_repeat = true) \
	KEY("umask", .read = READ_NUMBER, OF_SERVICE(confine.umask), .base = 8, \
	    .max = MODE_MAX) \
	KEY("user", .read = READ_USER, .of_service = true, .supervised = true) \
	KEY("vsock", .read = READ_BOOL, OF_SERVICE(confine.no_vsock), \
	    CHOICE(OPEN_NONE)) \
	KEY("watchdog", .read = READ_TIME, OF_SUPERVISION(watchdog_ms), .min = 1) \
	KEY("workdir", .read = READ_PATH, OF_SERVICE(workdir))

#define KEY_NAME(name, ...) name "\0"
#define KEY_ROW(name, ...) { __VA_ARGS__ },
/* clang-format on */

const char config_key_names[] = KEYS(KEY_NAME);
const struct config_key config_keys[] = { KEYS(KEY_ROW) };

const size_t config_key_count = sizeof(config_keys) / sizeof(config_keys[0]);

int config_read(const struct config_key *key, struct config_rest *rest,
		struct config_reader *r)
{
	return readers[key->read](key, rest, r);
}

const char *config_key_words(const struct config_key *key)
{
	return (const char *)&choices + key->words;
}

const char *config_limit_key(int number)
{
	const char *name = config_key_names;
	size_t i = 0;

	for (;
	     config_keys[i].read != READ_LIMIT || config_keys[i].max != number;
	     i++)
		name += strlen(name) + 1;
	return name;
}

_Static_assert(sizeof(config_keys) / sizeof(config_keys[0]) <= 128,
	       "a bit each for those that came");
_Static_assert((int)RLIM_NLIMITS == CONFIG_LIMITS &&
		       RLIM_INFINITY == CONFIG_INFINITY,
	       "limits are those of the kernel");
