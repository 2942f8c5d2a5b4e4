#include "init/boot.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "init/beat.h"
#include "init/config.h"
#include "init/console.h"
#include "init/klog.h"
#include "init/launch.h"
#include "init/machine.h"
#include "init/modules.h"
#include "init/pcr.h"
#include "init/power.h"
#include "init/report.h"
#include "init/spec.h"
#include "init/steer.h"
#include "nsm/entropy.h"
#include "nsm/nsmc.h"
#include "nsm/wire.h"
#include "rootfs/bind.h"
#include "rootfs/cgroup.h"
#include "rootfs/etc.h"
#include "rootfs/mounts.h"
#include "rootfs/squash.h"
#include "rootfs/switch.h"
#include "vsock/heartbeat.h"

enum {
	ENV_WARNINGS = 16, /* lines of /env that are shown, if skipped */
	SYNC_MS = 2000,
};

static const char *step_name(const struct boot *b)
{
	return boot_steps[b->step].name;
}

static void warn(const struct boot *b, const char *object, const char *reason)
{
	log_line(step_name(b), object, reason);
}

int boot_fail(struct boot *b, const char *object, const char *reason)
{
	text_clear(&b->fault_object);
	text_add(&b->fault_object, object);
	text_clear(&b->fault_reason);
	text_add(&b->fault_reason, reason);
	warn(b, object, reason);
	return -1;
}

/* --- the steps --- */

static int step_start(struct boot *b)
{
	bool debug = false;

	super_block_signals();
	(void)umask(022);
	(void)!chdir("/");
	/* The kernel makes an argument of a word it does not know. */
	for (size_t i = 1; b->argv[0] && b->argv[i]; i++)
		if (strcmp(b->argv[i], "init_debug") == 0)
			debug = true;
	log_set_debug(debug);
	return 0;
}

static int step_console(struct boot *b)
{
	int dev = mounts_early_dev();
	int proc = mounts_early_proc();
	int stdio = console_open_stdio();

	log_open(console_open_log());
	b->proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dev < 0)
		warn(b, "/dev", strerror(-dev));
	if (proc < 0)
		warn(b, "/proc", strerror(-proc));
	if (stdio < 0)
		return boot_fail(b, "/dev/console", strerror(-stdio));
	return 0;
}

static void warn_skipped(void *ctx, size_t line, const char *text)
{
	struct boot *b = ctx;
	struct text t;

	if (++b->env_skipped > ENV_WARNINGS)
		return;
	text_clear(&t);
	text_add(&t, "line ");
	text_add_number(&t, (long long)line);
	text_add(&t, " is not NAME=VALUE, skipped: ");
	text_add(&t, text);
	warn(b, "/env", text_string(&t));
}

static void warn_more_skipped(const struct boot *b)
{
	struct text t;

	text_clear(&t);
	text_add(&t, "skipped as well: ");
	text_add_number(&t, (long long)(b->env_skipped - ENV_WARNINGS));
	text_add(&t, " lines");
	warn(b, "/env", text_string(&t));
}

/* The kernel's log takes a third of the boot to read: asked only if need be. */
int boot_check_initramfs(struct boot *b)
{
	struct text t;

	if (b->initramfs_is_checked || b->in_container)
		return 0;
	b->initramfs_is_checked = true;
	text_clear(&t);
	switch (klog_initramfs(&t)) {
	case KLOG_INITRAMFS_CUT:
		return boot_fail(b, "initramfs", text_string(&t));
	case KLOG_INITRAMFS_BAD:
		warn(b, "initramfs", text_string(&t));
		break;
	case KLOG_INITRAMFS_FINE:
		break;
	}
	return 0;
}

static int fail_spec(struct boot *b, const char *file, int r, size_t line)
{
	struct text t;

	/* What is missing is most likely missing because of that. */
	if (boot_check_initramfs(b) < 0)
		return -1;
	text_clear(&t);
	report_spec(r, line, &t);
	return boot_fail(b, file, text_string(&t));
}

/* The configuration's command is there; /cmd then does not count. */
static bool has_command(const struct boot *b)
{
	return b->config->services[0].command.first;
}

/* One piece of memory for both vectors, each with a NULL at its end. */
static int alloc_vectors(struct boot *b)
{
	size_t args = spec_count_lines(b->cmd.data, b->cmd.len);
	size_t vars = spec_count_lines(b->env.data, b->env.len);
	int r = file_alloc((args + vars + 2) * sizeof(char *), &b->vectors);

	if (r < 0)
		return r;
	b->app_argv = (char **)(void *)b->vectors.data;
	b->app_envp = b->app_argv + args + 1;
	return 0;
}

static int fail_config(struct boot *b, int r, const struct config_fault *fault)
{
	struct text t;

	if (boot_check_initramfs(b) < 0)
		return -1;
	text_clear(&t);
	report_config(r, fault, &t);
	return boot_fail(b, b->config_name, text_string(&t));
}

/*
 * Opens the configuration: what lies beside /cmd wins over the image's own. A link
 * to nothing is a file that is missing; no file at all is -ENOENT.
 */
static int open_config(struct boot *b)
{
	static const char own[] = "/enclave-init.conf",
			  image[] = "/etc/enclave-init.conf";
	struct stat st;
	int root, fd;

	b->config_name = own;
	if (lstat(own, &st) == 0 || errno != ENOENT) {
		fd = open(own, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		return fd < 0 ? errno == ENOENT ? -ENOLINK : -errno : fd;
	}
	b->config_name = image;
	root = open(b->in_container ? "/" : "/rootfs",
		    O_PATH | O_DIRECTORY | O_CLOEXEC);
	/* Step 6 says what is wrong with it, but of any other fault nothing. */
	if (root < 0)
		return errno == ENOENT || errno == ENOTDIR ? -ENOENT : -errno;
	fd = file_open_in_root(root, image);
	close(root);
	return fd == -ENOTDIR ? -ENOENT : fd;
}

int boot_read_config(struct boot *b)
{
	struct config_fault fault = { 0 };
	int fd, r;

	b->config_name = "memory"; /* until there is a file to blame */
	r = file_alloc(sizeof(*b->config), &b->config_memory);
	if (r < 0)
		return fail_config(b, r, &fault);
	b->config = (struct config *)(void *)b->config_memory.data;
	config_defaults(b->config);
	fd = open_config(b);
	if (fd == -ENOENT)
		r = 0;
	else if (fd < 0)
		r = fd == -ENOLINK ? -ENOENT : fd;
	else
		r = file_read_fd(fd, CONFIG_FILE_MAX, &b->config_text);
	if (fd >= 0 && r == 0)
		r = config_parse(b->config_text.data, b->config_text.len,
				 b->config, &fault);
	if (fd >= 0)
		close(fd);
	if (r < 0)
		return fail_config(b, r, &fault);
	/* What is needed when it is gone. */
	b->heartbeat = b->config->heartbeat;
	b->heartbeat_port = b->config->heartbeat_port;
	return 0;
}

static int step_spec(struct boot *b)
{
	size_t line = 0;
	int r;

	/* First: the application may be cut short where /cmd is not. */
	if (switch_ramdisk_lacks_inodes())
		return boot_fail(b, "initramfs",
				 "no inode is left, the image is cut short: "
				 "raise --memory");
	if (switch_ramdisk_is_full() && boot_check_initramfs(b) < 0)
		return -1;

	if (boot_read_config(b) < 0)
		return -1;
	r = has_command(b) ? 0 :
			     file_read(AT_FDCWD, "cmd", SPEC_FILE_MAX, &b->cmd);
	if (r < 0)
		return fail_spec(b, "/cmd", r, 0);
	r = file_read(AT_FDCWD, "env", SPEC_FILE_MAX, &b->env);
	if (r == -ENOENT) /* as good as an empty one */
		r = file_alloc(0, &b->env);
	if (r < 0)
		return fail_spec(b, "/env", r, 0);
	r = alloc_vectors(b);
	if (r < 0)
		return fail_spec(b, "/cmd", r, 0);

	if (!has_command(b))
		r = spec_parse_cmd(b->cmd.data, b->cmd.len, b->app_argv,
				   &b->app_argc, &line);
	if (r < 0)
		return fail_spec(b, "/cmd", r, line);
	r = spec_parse_env(b->env.data, b->env.len, b->app_envp, &b->app_envc,
			   warn_skipped, b);
	if (r < 0)
		return fail_spec(b, "/env", r, 0);
	if (b->env_skipped > ENV_WARNINGS)
		warn_more_skipped(b);
	return 0;
}

static void module_told(void *ctx, const char *file, int r)
{
	struct boot *b = ctx;

	if (r < 0 && b->fault_reason.len > 0) /* the first is the reason */
		warn(b, file, strerror(-r));
	else if (r < 0)
		(void)boot_fail(b, file, strerror(-r));
	else
		log_debug(step_name(b), file, "loaded");
}

static int fail_squash(struct boot *b, const char *file, int r,
		       const struct squash_fault *fault)
{
	bool lower = fault->stage == SQUASH_LOWER;
	struct text t;

	if (boot_check_initramfs(b) < 0)
		return -1;
	text_clear(&t);
	if (fault->stage == SQUASH_FILE) {
		text_add(&t, r == -ENODATA ? "it is cut short" :
			     r == -EBADMSG ? "not a squashfs" :
			     r == -ELOOP   ? "a symbolic link" :
			     r == -EINVAL  ? "not a regular file" :
					     strerror(-r));
		return boot_fail(b, file, text_string(&t));
	}
	text_add(&t, squash_stage_text(fault->stage));
	text_add(&t, ": ");
	/* mount(2) tells a type it does not know by ENODEV. */
	if (r == -ENODEV && lower)
		text_add(&t, "it has no squashfs");
	else if (r == -ENODEV && fault->stage == SQUASH_OVERLAY)
		text_add(&t, "the kernel has none");
	else
		text_add(&t, strerror(-r));
	if (r == -EINVAL && lower) {
		text_add(&t, ", as without the compressor ");
		text_add(&t, fault->compressor);
	}
	return boot_fail(b, file, text_string(&t));
}

/* Here: what it takes may be modules, and PCRs measure what is in it. */
static int mount_squash(struct boot *b)
{
	static const char file[] = "/rootfs.squashfs";
	struct squash_fault fault;
	int r = squash_mount(file, "/rootfs", &fault);

	struct stat st;

	if (r == -ENOENT && fault.stage == SQUASH_FILE)
		return 0;
	if (r < 0)
		return fail_squash(b, file, r, &fault);
	/* It was not there to be read; to run without it would be wrong. */
	if (!b->config->is_there &&
	    lstat("/rootfs/etc/enclave-init.conf", &st) == 0)
		return boot_fail(b, "/etc/enclave-init.conf",
				 "in a squashfs it is not read: /enclave-init"
				 ".conf is");
	return 0;
}

static int step_modules(struct boot *b)
{
	return modules_load(module_told, b) < 0 ? -1 : mount_squash(b);
}

static int apply_pcrs(struct boot *b)
{
	struct text object, reason;
	int r = pcr_apply(b->config, b->nsm_fd, &object, &reason);

	if (r == 0)
		return 0;
	b->nsm_is_dead = r == -ETIMEDOUT;
	return boot_fail(b, text_string(&object), text_string(&reason));
}

/* Optional: then it is a warning. */
static int fail_entropy(struct boot *b, const char *object, int r)
{
	if (!b->config->entropy_is_optional)
		return boot_fail(b, object, wire_error_text(r));
	warn(b, object, wire_error_text(r));
	return 0;
}

static int seed(struct boot *b)
{
	const char *device;
	int r;

	/* Stays open: a stop asks it once more, perhaps without a /dev. */
	b->nsm_fd = nsmc_open();
	if (b->nsm_fd < 0)
		return fail_entropy(b, "/dev/nsm", b->nsm_fd);
	r = entropy_seed(b->nsm_fd, &device);
	/* It took 120 s; the parent shall not wait for it once more. */
	b->nsm_is_dead = r == -ETIMEDOUT;
	return r < 0 ? fail_entropy(b, device, r) : 0;
}

static int step_entropy(struct boot *b)
{
	if (seed(b) < 0)
		return -1;
	if (b->config->extend_count == 0 && b->config->locks == 0)
		return 0;
	/* What is to be attested is not optional. */
	if (b->nsm_fd < 0)
		return boot_fail(b, "/dev/nsm", wire_error_text(b->nsm_fd));
	if (b->nsm_is_dead)
		return boot_fail(b, "/dev/nsm", wire_error_text(-ETIMEDOUT));
	return apply_pcrs(b);
}

static int step_root(struct boot *b)
{
	int r;

	b->tool_fd = b->config->no_nsm_tool ? -ENOENT : bind_take("/nsm");
	if (b->tool_fd < 0 && b->tool_fd != -ENOENT)
		warn(b, "/nsm", strerror(-b->tool_fd));
	if (b->config->stay)
		return 0;
	r = switch_root("/rootfs", b->tool_fd < 0 ? NULL : "nsm");
	return r < 0 ? boot_fail(b, "/rootfs", strerror(-r)) : 0;
}

static int step_mounts(struct boot *b)
{
	return machine_set_up(b);
}

/* Of a service: its name stands before the object. */
static void fail_service(void *ctx, const char *name, const char *reason)
{
	struct boot *b = ctx;

	(void)boot_fail(b, b->super.count > 1 ? name : b->program.path, reason);
}

/* What is needed to start something is given back where nothing will be. */
static void forget_spec(struct boot *b)
{
	file_free(&b->cmd);
	file_free(&b->env);
	file_free(&b->vectors);
	b->config = NULL;
	file_free(&b->config_memory);
	file_free(&b->config_text);
}

int boot_start_services(struct boot *b)
{
	int r;

	b->super.proc_fd = b->proc_fd;
	b->super.ctx = b;
	b->super.start = launch_service;
	b->super.fail = fail_service;
	b->super.hears_all = b->in_container;
	super_init(&b->super, b->config);
	r = super_start(&b->super);
	if (r < 0 && !b->super.boot_failed) /* -1 is EPERM as well */
		return boot_fail(b, "NOTIFY_SOCKET", strerror(-r));
	return r;
}

static int step_spawn(struct boot *b)
{
	int ptp_fd = b->config->no_time ? -1 : steer_step();

	if (boot_start_services(b) < 0)
		return -1;
	steer_start(ptp_fd, b->nsm_fd);
	if (super_is_final(&b->super))
		forget_spec(b);
	close(b->nsm_fd);
	b->nsm_fd = -1;
	return 0;
}

static void set_helper(struct boot *b, pid_t pid)
{
	b->super.helper = pid;
	b->super.helper_gone = false;
}

static int start_beat(struct boot *b, bool positive)
{
	uint32_t port = b->heartbeat_port ? b->heartbeat_port : HEARTBEAT_PORT;
	pid_t pid;

	if (b->heartbeat == CONFIG_HEARTBEAT_OFF)
		return 0;
	pid = positive ? beat_positive(port) :
			 beat_negative(port, (uint8_t)b->step);
	if (pid < 0) {
		warn(b, "fork", strerror((int)-pid));
		return -1;
	}
	set_helper(b, pid);
	return 0;
}

static int step_heartbeat(struct boot *b)
{
	int r = start_beat(b, true);

	if (b->heartbeat != CONFIG_HEARTBEAT_STRICT)
		return 0;
	if (r == 0)
		super_wait_helper(&b->super, BEAT_MAX_MS);
	if (r == 0 && b->super.helper_gone && b->super.helper_status == 0)
		return 0;
	return boot_fail(b, "heartbeat = strict",
			 "the parent has not answered");
}

static int step_supervise(struct boot *b)
{
	super_run(&b->super);
	return 0;
}

const struct boot_step boot_steps[BOOT_STEPS_END] = {
	[BOOT_START] = { "start", step_start, BOOT_STOP },
	[BOOT_CONSOLE] = { "console", step_console, BOOT_GO_ON },
	[BOOT_SPEC] = { "spec", step_spec, BOOT_STOP },
	[BOOT_MODULES] = { "modules", step_modules, BOOT_STOP },
	[BOOT_ENTROPY] = { "entropy", step_entropy, BOOT_STOP },
	[BOOT_ROOT] = { "root", step_root, BOOT_STOP },
	[BOOT_MOUNTS] = { "mounts", step_mounts, BOOT_STOP },
	[BOOT_SPAWN] = { "spawn", step_spawn, BOOT_STOP },
	[BOOT_HEARTBEAT] = { "heartbeat", step_heartbeat, BOOT_STOP },
	[BOOT_SUPERVISE] = { "supervise", step_supervise, BOOT_GO_ON },
};

/* --- the ends --- */

/* In a child: a file system that does not answer must not keep the machine. */
static void sync_disks(struct boot *b)
{
	pid_t pid = _Fork();

	if (pid == 0) {
		sync();
		_exit(0);
	}
	if (pid < 0)
		return;
	set_helper(b, pid);
	super_wait_helper(&b->super, SYNC_MS);
}

static _Noreturn void restart(struct boot *b)
{
	int r;

	r = power_reboot();
	log_last("end", "reboot", strerror(-r));
	r = power_sysrq(b->proc_fd);
	log_last("end", "sysrq-trigger", strerror(-r));
	power_panic(b->proc_fd);
}

static void ignore_module(void *ctx, const char *file, int r)
{
	(void)ctx;
	(void)file;
	(void)r;
}

static bool is_debug_mode(struct boot *b)
{
	enum nsmc_debug debug = NSMC_DEBUG_UNKNOWN;

	if (b->nsm_is_dead)
		return false;
	if (b->nsm_fd < 0)
		b->nsm_fd = nsmc_open();
	if (b->nsm_fd >= 0)
		(void)nsmc_get_debug(b->nsm_fd, &debug);
	return debug == NSMC_DEBUG_YES;
}

/* Waits, saying the reason again: a console may be attached late. */
static void hold_console(struct boot *b)
{
	enum { TIMES = 3 };
	static const struct timespec pause = { .tv_sec = BOOT_HOLD_MS / 1000 /
							 TIMES };

	for (int i = 0; i < TIMES; i++) {
		log_line(step_name(b), text_string(&b->fault_object),
			 text_string(&b->fault_reason));
		(void)nanosleep(&pause, NULL);
	}
}

/* Ends all processes, says the last line, and restarts. */
static _Noreturn void finish(struct boot *b, const char *object,
			     const char *reason)
{
	super_end(&b->super, BEAT_MAX_MS);
	/* It says itself what else went wrong. */
	if (b->super.helper_gone && WIFSIGNALED(b->super.helper_status))
		log_line("heartbeat", "CID 3 port 9000",
			 "its process was killed before it was through");
	sync_disks(b);
	log_last("end", object, reason);
	restart(b);
}

_Noreturn void boot_stop(struct boot *b)
{
	bool debug;
	struct text t;

	/* The parent and the NSM may both be reached only by a module. */
	if (b->step < BOOT_MODULES)
		(void)modules_load(ignore_module, NULL);
	debug = is_debug_mode(b);
	if (start_beat(b, debug) == 0)
		super_wait_helper(&b->super, BEAT_MAX_MS);
	if (debug)
		hold_console(b);

	text_clear(&t);
	text_add(&t, "stopped in step ");
	text_add_number(&t, b->step);
	text_add(&t, ", ");
	text_add(&t, step_name(b));
	finish(b, "boot", text_string(&t));
}

_Noreturn void boot_end(struct boot *b)
{
	const struct super_service *who = super_who(&b->super);
	bool oom;
	struct text t;

	oom = WIFSIGNALED(who->status) && WTERMSIG(who->status) == SIGKILL &&
	      klog_was_oom(b->proc_fd, who->group);
	text_clear(&t);
	report_status(who->status, oom, &t);
	finish(b, who == b->super.services ? b->program.path : who->name,
	       text_string(&t));
}
