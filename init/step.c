#include "init/step.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "init/boot.h"
#include "init/clock/steer.h"
#include "init/console.h"
#include "init/inputs.h"
#include "init/machine.h"
#include "init/modules.h"
#include "init/parent.h"
#include "init/pcr.h"
#include "init/start.h"
#include "nsm/entropy.h"
#include "nsm/nsmc.h"
#include "nsm/wire.h"
#include "rootfs/bind.h"
#include "rootfs/mounts.h"
#include "rootfs/squash.h"
#include "rootfs/switch.h"
#include "vsock/heartbeat.h"
#include "vsock/io.h"

static void warn(const struct boot *b, const char *object, const char *reason)
{
	log_line(boot_steps[b->step].name, object, reason);
}

int step_start(struct boot *b)
{
	bool debug = false;

	loop_block_signals();
	(void)umask(022);
	(void)!chdir("/");
	/* The kernel makes an argument of a word it does not know. */
	for (size_t i = 1; b->argv[0] && b->argv[i]; i++)
		if (strcmp(b->argv[i], "init_debug") == 0)
			debug = true;
	log_set_debug(debug);
	/* Nobody would see why it failed: that is the next step's to say. */
	(void)boot_open_loop(b);
	return 0;
}

int step_console(struct boot *b)
{
	int dev = mounts_early_dev();
	int proc = mounts_early_proc();
	int stdio = console_open_stdio();
	int signals = 0;

	log_open(console_open_log());
	b->proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	b->children.proc_fd = b->proc_fd;
	if (b->loop.signal_fd < 0)
		signals = loop_open(&b->loop, b->in_container);
	if (signals < 0)
		warn(b, "signalfd", strerror(-signals));
	if (dev < 0)
		warn(b, "/dev", strerror(-dev));
	if (proc < 0)
		warn(b, "/proc", strerror(-proc));
	if (stdio < 0)
		return boot_fail(b, "/dev/console", strerror(-stdio));
	return 0;
}

int step_spec(struct boot *b)
{
	/* First: the application may be cut short where /cmd is not. */
	if (switch_ramdisk_lacks_inodes())
		return boot_fail(b, "initramfs",
				 "no inode is left, the image is cut short: "
				 "raise --memory");
	/* nitro-cli's and mkeif's images end with /env, others begin with it. */
	if ((switch_ramdisk_is_full() ||
	     switch_ramdisk_ends_with("/rootfs", "/env")) &&
	    boot_check_initramfs(b) < 0)
		return -1;
	return inputs_read(b);
}

static void module_told(void *ctx, const char *file, int r)
{
	struct boot *b = ctx;

	if (r < 0 && b->fault_reason.len > 0) /* the first is the reason */
		warn(b, file, strerror(-r));
	else if (r < 0)
		(void)boot_fail(b, file, strerror(-r));
	else
		log_debug(boot_steps[b->step].name, file, "loaded");
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

/* As the application would see it: through links of the image. */
static bool is_in_root(const char *path)
{
	int root = open("/rootfs", O_PATH | O_DIRECTORY | O_CLOEXEC), fd;

	if (root < 0)
		return false;
	fd = file_open_in_root(root, path);
	close(root);
	if (fd >= 0)
		close(fd);
	return fd >= 0 || (fd != -ENOENT && fd != -ENOTDIR);
}

/* Here: what it takes may be modules, and PCRs measure what is in it. */
static int mount_squash(struct boot *b)
{
	static const char file[] = "/rootfs.squashfs";
	struct squash_fault fault;
	int r = squash_mount(file, "/rootfs", &fault);

	if (r == -ENOENT && fault.stage == SQUASH_FILE)
		return 0;
	if (r < 0)
		return fail_squash(b, file, r, &fault);
	/* It was not there to be read; to run without it would be wrong. */
	if (!b->config->is_there && is_in_root("/etc/enclave-init.conf"))
		return boot_fail(b, "/etc/enclave-init.conf",
				 "in a squashfs it is not read: /enclave-init"
				 ".conf is");
	return 0;
}

int step_modules(struct boot *b)
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

int step_entropy(struct boot *b)
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

int step_root(struct boot *b)
{
	int r;

	b->tool_fd = b->config->no_nsm_tool ? -ENOENT : bind_take("/nsm");
	if (b->tool_fd < 0 && b->tool_fd != -ENOENT)
		warn(b, "/nsm", strerror(-b->tool_fd));
	relay_take(b);
	if (b->config->stay)
		return 0;
	r = switch_root("/rootfs", b->tool_fd < 0 ? NULL : "nsm");
	return r < 0 ? boot_fail(b, "/rootfs", strerror(-r)) : 0;
}

/* Where there was no early /proc it is that of the mounts. */
static void find_proc(struct boot *b)
{
	struct stat st;

	if (b->proc_fd >= 0 &&
	    fstatat(b->proc_fd, "self", &st, AT_SYMLINK_NOFOLLOW) == 0)
		return;
	if (b->proc_fd >= 0)
		close(b->proc_fd);
	b->proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	b->children.proc_fd = b->proc_fd;
}

int step_mounts(struct boot *b)
{
	int r = machine_set_up(b);

	find_proc(b);
	return r;
}

/* If it dies it is not started again: who kills everything meant it. */
static void clock_gone(void *ctx, struct helper *h)
{
	(void)ctx;
	(void)h;
}

static void start_clock(struct boot *b, struct helper_job *job)
{
	int r = helper_start(&b->clock, HELPER_CLOCK, job, &b->children,
			     clock_gone, NULL);
	struct text t;

	if (r == 0)
		return;
	text_clear(&t);
	text_add(&t, "not followed: ");
	text_add(&t, strerror(-r));
	log_line("time", "/dev/ptp0", text_string(&t));
}

/*
 * Gives back the stack that the boot has used below here, some pages of a memory that
 * PID 1 would keep for good, and each fork would copy the entries of.
 */
static void forget_stack(void)
{
	enum { STACK = 128 * 1024 }; /* what the kernel maps at first */
	const uintptr_t page = (uintptr_t)getpagesize();
	/* This frame's page and the one below, for what is called from here. */
	const uintptr_t end =
		((uintptr_t)__builtin_frame_address(0) & -page) - page;

	(void)madvise((void *)(end - STACK), STACK, MADV_DONTNEED);
}

int step_spawn(struct boot *b)
{
	struct helper_job job = { .nsm_fd = b->nsm_fd };
	int r;

	forget_stack();
	job.device_fd = b->config->no_time ? -1 : steer_step();
	if (b->heartbeat.mode != CONFIG_HEARTBEAT_OFF)
		beat_prepare(&b->beat, boot_beat_port(b));
	if (!b->config->hand_over) /* it would be the next program's */
		child_yield(&b->children, true);
	r = parent_start(b);
	if (r == 0)
		r = relay_start(b);
	if (r == 0)
		r = start_services(b);
	if (r == 0 && job.device_fd >= 0)
		start_clock(b, &job);
	if (job.device_fd >= 0)
		close(job.device_fd);
	if (r < 0)
		return r;
	/* Whoever may restart a service needs what starts it. */
	if (supervise_is_final(&b->supervise) &&
	    !b->link.work.config.control_local)
		start_forget(b);
	close(b->nsm_fd);
	b->nsm_fd = -1;
	return 0;
}

static bool is_answered(void *ctx)
{
	const struct boot *b = ctx;

	return beat_is_over(&b->beat);
}

int step_heartbeat(struct boot *b)
{
	parent_tell_ready(b);
	if (b->heartbeat.mode == CONFIG_HEARTBEAT_OFF)
		return 0;
	beat_send(&b->beat, boot_beat_port(b), HEARTBEAT_BYTE);
	if (b->heartbeat.mode != CONFIG_HEARTBEAT_STRICT)
		return 0;
	(void)loop_until(&b->loop, is_answered, b, io_now_ms() + BEAT_MAX_MS);
	if (b->beat.state == BEAT_ANSWERED)
		return 0;
	return boot_fail(b, "heartbeat = strict",
			 "the parent has not answered");
}

int step_supervise(struct boot *b)
{
	child_yield(&b->children, false);
	supervise_run(&b->supervise);
	return 0;
}
