#ifndef INIT_SPEC_CONFIG_H
#define INIT_SPEC_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "init/spec/codes.h"

/*
 * From the bytes of enclave-init.conf to what they ask for. Pure: no file, no
 * allocation, the text is cut up in place.
 *
 * A line is `key = value`, blank, a comment, whose first character is #, or
 * `[name]`, which begins a service. Blanks (spaces and tabs) around key and value
 * do not count, a # in a value is one; the last newline may be missing. Keys before
 * the first section are the application's and the enclave's, those of a section its
 * service's. They are in config_keys.c, what they mean in enclave-init.conf(5).
 *
 * Quotes are there for command, environment and sysctl alone, whose values are
 * words with blanks between them. A word may stand in double quotes; in these \\ \"
 * \n \t \r and \xHH stand for a backslash, a quote, newline, tab, carriage return
 * and the byte with that number, which is not 0. Outside of quotes a backslash is
 * itself, and a quote an error.
 */

enum {
	CONFIG_FILE_MAX = 1 << 16, /* bytes of the file */
	CONFIG_SERVICES_MAX = 16,  /* the application is one of them */
	CONFIG_EXTENDS_MAX = 64,   /* times pcr-extend */
	CONFIG_NAME_MAX = 255,	   /* of an extension, a user, a group */
	CONFIG_SECTION_MAX = 31,   /* bytes of a service's name */
	CONFIG_PATH_MAX = 4095,	   /* bytes of a path */
	CONFIG_PART_MAX = 255,	   /* bytes between two slashes of it */
	CONFIG_PCR_FIRST = 16,	   /* 0 to 15 are the hypervisor's */
	CONFIG_PCR_LAST = 31,
	CONFIG_VARIABLES_MAX = 1024, /* of environment, all lines together */
	CONFIG_LIMITS = 16,	     /* RLIM_NLIMITS */
	CONFIG_GROUPS_MAX = 32,	     /* words of supplementary-groups */
	CONFIG_HOSTS_MAX = 64,	     /* add-host */
	CONFIG_DNS_MAX = 3,	     /* as many as resolvers take */
	CONFIG_TMPFS_MAX = 16,
	CONFIG_SYSCTLS_MAX = 64,
	CONFIG_RELAYED_MAX = 256,     /* lines of relay's keys */
	CONFIG_HEARTBEAT_PORT = 9000, /* nitro-cli's */
	CONFIG_STATUS_PORT = 17000,   /* enclaver's, as the next */
	CONFIG_LOG_PORT = 17001,
	CONFIG_CONTROL_PORT = 17003,
	CONFIG_REPORT_PORT = 9001,
	CONFIG_LOG_READERS_MAX = 64,
	CONFIG_MS_MAX = 7 * 24 * 3600 * 1000, /* a week */
};

struct config_extend {
	const char *name;
	const char *value; /* the content, or the file that has it */
	uint8_t pcr;
	bool is_file;
};

struct config_number {
	bool is_set;
	int32_t value;
};

/* Words one behind the other, each with its NUL. */
struct config_words {
	char *first; /* NULL: not said */
	size_t count;
};

/* As struct rlimit; CONFIG_INFINITY is RLIM_INFINITY. */
#define CONFIG_INFINITY UINT64_MAX
struct config_limit {
	uint64_t soft, hard;
};

struct config_limits {
	uint32_t set;			       /* bit N: of[N] */
	struct config_limit of[CONFIG_LIMITS]; /* by RLIMIT_... */
};

/* What a process gives up and is bounded by, in the form in which init/confine takes it. */
struct config_confine {
	struct config_number umask, nice, oom_score_adjust;
	bool no_new_privileges;
	bool no_vsock; /* vsock = none */
	bool bounding_is_set;
	uint64_t bounding, ambient; /* bit N: capability N */
	uint32_t securebits;	    /* SECBIT_... of capabilities(7) */
};

struct config_host {
	const char *name, *address;
};

struct config_tmpfs {
	const char *path;
	const char *data;    /* for mount(2): "size=64m,mode=1777"; "" */
	unsigned long flags; /* MS_NOSUID and MS_NODEV; MS_NOEXEC, MS_RDONLY */
};

struct config_sysctl {
	const char *name; /* a path below /proc/sys, "net/core/somaxconn" */
	const char *value;
	bool may_fail; /* a - before the name */
};

/* A line that relay reads: of its keys PID 1 knows no more than the names. */
struct config_relayed {
	const char *key, *value;
	size_t line;
};

enum config_stdin { CONFIG_STDIN_CONSOLE, CONFIG_STDIN_NULL };
enum config_output { CONFIG_OUTPUT_INHERIT, CONFIG_OUTPUT_NULL };
enum config_restart {
	CONFIG_RESTART_NEVER,
	CONFIG_RESTART_ON_FAILURE, /* a signal, a code but 0, the watchdog */
	CONFIG_RESTART_ALWAYS,
};
enum config_ready { CONFIG_READY_EXEC, CONFIG_READY_NOTIFY };
/* Whom signals reach, and what is killed in the end. */
enum config_kill_mode {
	CONFIG_KILL_MIXED, /* the main process; in the end all of the service */
	CONFIG_KILL_GROUP, /* its process group; in the end all */
	CONFIG_KILL_PROCESS, /* the main process and no other */
};
/* Whether /proc/sys, /proc/sysrq-trigger and /sys are read-only. */
enum config_protect {
	CONFIG_PROTECT_AUTO, /* if root is confined: config_protects_kernel */
	CONFIG_PROTECT_YES,
	CONFIG_PROTECT_NO,
};
enum config_end { CONFIG_END_MAIN, CONFIG_END_ANY, CONFIG_END_ALL };
enum config_heartbeat {
	CONFIG_HEARTBEAT_ON,
	CONFIG_HEARTBEAT_STRICT, /* without an answer the boot stops */
	CONFIG_HEARTBEAT_OFF,
};
struct config_beat {
	enum config_heartbeat mode;
	uint32_t port;
};

enum config_log { CONFIG_LOG_OFF, CONFIG_LOG_LISTEN, CONFIG_LOG_CONNECT };
enum config_report {
	CONFIG_REPORT_OFF,
	CONFIG_REPORT_ON,
	CONFIG_REPORT_STRICT, /* the parent must have taken one before a start */
};
enum config_status {
	CONFIG_STATUS_OFF,
	CONFIG_STATUS_BRIEF,
	CONFIG_STATUS_FULL
};

/* What the enclave says to its parent, and hears of it: docs/link.md. Nothing points elsewhere. */
struct config_link {
	enum config_log log;
	enum config_report report;
	enum config_status status;
	bool control_stop, control_local;
	bool log_is_raw;	  /* log-escape = no */
	uint64_t control_signals; /* bit N - 1: the parent may send signal N */
	uint32_t log_port, report_port, status_port, control_port;
	uint32_t log_readers;
	uint64_t log_size, log_rate,
		report_log; /* bytes; of a second; 0: none */
};

/* What PID 1 needs of a service for as long as it supervises it. Nothing points elsewhere. */
struct config_supervision {
	char name[CONFIG_SECTION_MAX + 1]; /* "main" for the application */
	enum config_restart restart;
	uint32_t restart_delay_ms;     /* before the first, then doubled */
	uint32_t restart_delay_max_ms; /* up to this */
	uint32_t restart_limit;	       /* in a row; 0: none */
	int stop_signal;	       /* 0: not said, SIGTERM */
	struct config_number stop_timeout_ms;
	enum config_kill_mode kill_mode;
	uint32_t after; /* bit N: services[N] are ready before it starts */
	enum config_ready ready;
	uint32_t ready_timeout_ms;
	uint32_t watchdog_ms; /* 0: none */
};

/* What runs, and how. */
struct config_service {
	struct config_words command; /* a section has one */
	char **variables;	     /* NAME=VALUE, no name twice */
	size_t variable_count;
	const char *environment_file;	/* in the image, or NULL */
	bool environment_file_may_lack; /* a - before it */
	const char *workdir;		/* absolute, or NULL */
	const char *user, *group;	/* names or numbers; NULL: not said */
	struct config_words supplementary_groups; /* names or numbers */
	enum config_stdin standard_input;
	enum config_output standard_output, standard_error;
	bool terminal;	      /* the console controls it */
	bool terminal_is_set; /* else a container's is its application's */
	bool stdout_is_unlogged, stderr_is_unlogged; /* log-stdout = no */

	struct config_confine confine;
	struct config_limits limits;
	const char *seccomp; /* the file of the filter, or NULL */
	enum config_protect protect_kernel;

	uint64_t memory_max; /* bytes; 0: not said, as with the other two */
	uint32_t pids_max, cpu_weight;

	struct config_supervision supervision;
};

/*
 * The arrays hold nothing behind their counts, and lie so that a short configuration
 * touches few pages: what most have is from service_count to services[0].
 */
struct config {
	struct config_extend extends[CONFIG_EXTENDS_MAX]; /* in this order */
	struct config_host hosts[CONFIG_HOSTS_MAX];
	struct config_sysctl sysctls[CONFIG_SYSCTLS_MAX];  /* in this order */
	struct config_tmpfs tmpfs[CONFIG_TMPFS_MAX];	   /* in this order */
	struct config_relayed relayed[CONFIG_RELAYED_MAX]; /* in this order */

	size_t service_count; /* 1 at least */
	size_t extend_count, host_count, sysctl_count, tmpfs_count, dns_count,
		variable_count, relayed_count;
	bool is_there;	/* there is a file: more is closed then */
	bool hand_over; /* the application is executed as PID 1 */
	enum config_end end;
	struct config_beat heartbeat;
	struct config_link link;
	bool entropy_is_optional;
	bool stay;    /* root = stay: the boot ramdisk is the root */
	bool no_time; /* time = off */
	bool no_nsm_tool;
	bool no_egress_environment;
	uint32_t locks; /* bit N: PCR N, after the extensions */

	bool devices_are_closed; /* devices = root */
	bool nsm_is_open;	 /* nsm = open */
	const char *nsm_owner,
		*nsm_group; /* names or numbers; NULL: not said */
	struct config_number nsm_mode;

	const char *hostname; /* NULL: not said */
	const char *dns[CONFIG_DNS_MAX];
	const char *dns_search, *dns_option; /* blanks between words, or NULL */
	const char *tmp_size, *run_size,
		*shm_size; /* as tmpfs takes it, or NULL */
	bool read_only;
	bool modules_disabled, kexec_load_disabled;
	struct config_number ptrace_scope;

	struct config_service services[CONFIG_SERVICES_MAX]; /* [0]: main */
	char *variables[CONFIG_VARIABLES_MAX]; /* of all services */
};

/* Each code and its text, which config_error_text returns. */
/* clang-format off */
#define CONFIG_ERRORS(ERROR) \
	ERROR(CONFIG_E_CONTROL, "a control character") /* or a NUL byte */ \
	ERROR(CONFIG_E_NO_KEY, "no key before '='") \
	ERROR(CONFIG_E_NO_EQUALS, "no '=' after a key") \
	ERROR(CONFIG_E_UNKNOWN, "no such key") /* the nearest is reported */ \
	ERROR(CONFIG_E_TWICE, "this key is there already") \
	ERROR(CONFIG_E_MISSING, "a value is missing") \
	ERROR(CONFIG_E_MORE, "the value should end here") \
	ERROR(CONFIG_E_NUMBER, "not a decimal number") \
	ERROR(CONFIG_E_OCTAL, "not an octal number") \
	ERROR(CONFIG_E_LARGE, "too large") \
	ERROR(CONFIG_E_PCR, "not a PCR from 16 to 31") \
	ERROR(CONFIG_E_BACKWARDS, "the range ends before it begins") \
	ERROR(CONFIG_E_LOCKED, "this PCR is locked further up") \
	ERROR(CONFIG_E_KIND, "neither data nor file") \
	ERROR(CONFIG_E_NAME, "a name longer than 255 bytes") \
	ERROR(CONFIG_E_PATH, "not an absolute path without //, /./ and /../") \
	ERROR(CONFIG_E_PATH_LONG, "a path too long") \
	ERROR(CONFIG_E_MANY, "more than 64 extensions") \
	ERROR(CONFIG_E_RELATIVE, "not an absolute path") \
	ERROR(CONFIG_E_USER, "neither USER nor USER:GROUP") \
	ERROR(CONFIG_E_SIGNAL, "no such signal") \
	ERROR(CONFIG_E_QUOTE, "no closing quote") \
	ERROR(CONFIG_E_GLUED, "a quote in the middle of a word") \
	ERROR(CONFIG_E_ESCAPE, "not one of \\\\ \\\" \\n \\t \\r \\xHH") \
	ERROR(CONFIG_E_NUL, "a NUL byte") \
	ERROR(CONFIG_E_PROGRAM, "it names no program") \
	ERROR(CONFIG_E_VARIABLE, "not NAME=VALUE") \
	ERROR(CONFIG_E_AGAIN, "this variable is there already") \
	ERROR(CONFIG_E_VARIABLES, "more than 1024 variables") \
	ERROR(CONFIG_E_SMALL, "too small") \
	ERROR(CONFIG_E_CHOICE, "no such word here") /* the nearest is reported */ \
	ERROR(CONFIG_E_TIME, "not a time like 500ms, 10s, 5m") \
	ERROR(CONFIG_E_SIZE, "not a size like 64M") \
	ERROR(CONFIG_E_LIMIT, "not SOFT or SOFT:HARD, no larger than HARD") \
	ERROR(CONFIG_E_CAPABILITY, "no such capability") \
	ERROR(CONFIG_E_BOUNDING, \
	      "an ambient capability outside the bounding set") \
	ERROR(CONFIG_E_HOST, "not a host's name") \
	ERROR(CONFIG_E_ADDRESS, "not an address of IPv4 or IPv6") \
	ERROR(CONFIG_E_TMPFS, "no such option of a tmpfs") \
	ERROR(CONFIG_E_SYSCTL, "not NAME=VALUE with the name of a sysctl") \
	ERROR(CONFIG_E_FULL, "more of these than there is room for") \
	ERROR(CONFIG_E_SECTION, \
	      "not [name] of a-z 0-9 - _ . with 31 bytes at most") \
	ERROR(CONFIG_E_SECTIONS, "more than 15 services") \
	ERROR(CONFIG_E_SECOND, "this section is there already") \
	ERROR(CONFIG_E_ENCLAVE, \
	      "a key of the enclave, which belongs before the first section") \
	ERROR(CONFIG_E_COMMAND, "a service without command") \
	ERROR(CONFIG_E_SERVICE, "no such service") \
	ERROR(CONFIG_E_CYCLE, "it would wait for itself") \
	ERROR(CONFIG_E_WATCHDOG, "watchdog needs ready = notify") \
	ERROR(CONFIG_E_AMBIENT, \
	      "ambient-capabilities with no-cap-ambient-raise in securebits") \
	ERROR(CONFIG_E_HAND_OVER, "hand-over leaves no supervisor for this") \
	ERROR(CONFIG_E_CONTROL_WORD, "neither none, nor stop and signals") \
	ERROR(CONFIG_E_PORT, "two listen on one port") \
	ERROR(CONFIG_E_INIT, "in a log this is PID 1's name") \
	ERROR(CONFIG_E_REPORT_LOG, "report-log is larger than log-size") \
	ERROR(CONFIG_E_RELAY, "in a log this is relay's name") \
	ERROR(CONFIG_E_RESOLVER, "dns says who is asked, too")
/* clang-format on */

enum config_error_code {
	CONFIG_E_BEFORE = 6099,
	CONFIG_ERRORS(CODES_CODE) CONFIG_E_END
};

/* Where the text is wrong, both counted from 1, the column in bytes. */
struct config_fault {
	size_t line, column;
	const char *nearest; /* the key or word that was meant, or NULL */
};

/*
 * Whether S gets /proc/sys and the like read-only: as protect-kernel says, and with auto
 * where S could not remount them (no SYS_ADMIN in its bounding set) or where user 0 is
 * no more than an owner of files (noroot).
 */
bool config_protects_kernel(const struct config_service *s);

/* Whether the enclave keeps a log: for readers, for a report's last words, or both. */
bool config_keeps_log(const struct config_link *l);

/* Whether the parent may ask for anything. */
bool config_has_control(const struct config_link *l);

/* Whether descriptor FD, 1 or 2, of S is a pipe to that log. */
bool config_logs(const struct config *c, const struct config_service *s,
		 int fd);

/* The value of KEY, one of relay's: of its last line, or NULL. */
const char *config_relay_value(const struct config *c, const char *key);

/*
 * The lines for relay as a text: each `KEY = VALUE` with its own number, those between
 * are empty. How many bytes it has, and the text, which no NUL ends.
 */
size_t config_relay_size(const struct config *c);
void config_relay_text(const struct config *c, char *ret);

/* Where egress listens, if services are to be told by variables; or NULL. */
const char *config_proxy(const struct config *c);

/* Whom resolv.conf names because of relay's keys; or NULL. */
const char *config_resolver(const struct config *c);

/* Whether C limits what may be reached, and S could go around that by sockets of its own. */
bool config_goes_around(const struct config *c, const struct config_service *s);

/* What holds where there is no file. */
void config_defaults(struct config *ret);

/*
 * Reads TEXT of LEN bytes, with room for one byte more; a byte order mark at its start is
 * passed over. Returns 0 and what it
 * says, whose strings lie in TEXT, and defaults for all else; or -CONFIG_E_... and
 * where.
 */
int config_parse(char *text, size_t len, struct config *ret,
		 struct config_fault *reterr_fault);

/*
 * The first of WORDS that begins with a single quote, or NULL. The quote is an ordinary
 * character here, which somebody used to a shell may not expect.
 */
const char *config_find_quote(const struct config_words *words);

/* What to say of it. */
extern const char config_quote_hint[];

/* The words for one of these. Never NULL. */
const char *config_error_text(int r);

/* The key of the limit RLIMIT_... NUMBER, one below CONFIG_LIMITS. */
const char *config_limit_key(int number);

#endif
