#include "init/boot.h"

#include <errno.h>
#include <string.h>

#include "init/klog.h"
#include "init/loop.h"
#include "vsock/io.h"

const struct boot_step boot_steps[BOOT_STEPS_END] = {
	[BOOT_START] = { "start", BOOT_STOP },
	[BOOT_CONSOLE] = { "console", BOOT_GO_ON },
	[BOOT_SPEC] = { "spec", BOOT_STOP },
	[BOOT_MODULES] = { "modules", BOOT_STOP },
	[BOOT_ENTROPY] = { "entropy", BOOT_STOP },
	[BOOT_ROOT] = { "root", BOOT_STOP },
	[BOOT_MOUNTS] = { "mounts", BOOT_STOP },
	[BOOT_SPAWN] = { "spawn", BOOT_STOP },
	[BOOT_HEARTBEAT] = { "heartbeat", BOOT_STOP },
	[BOOT_SUPERVISE] = { "supervise", BOOT_GO_ON },
};

int boot_open_loop(struct boot *b)
{
	loop_add_clock(&b->loop,
		       (struct loop_clock){ log_next, log_due, NULL });
	child_init(&b->children, &b->loop, b->proc_fd);
	beat_init(&b->beat, &b->loop, &b->children);
	return loop_open(&b->loop, b->in_container);
}

void boot_drain_log(struct boot *b)
{
	(void)loop_until(&b->loop, log_is_drained, NULL,
			 io_now_ms() + LOG_LAST_WAIT_MS);
}

/* They stay: /dev/nsm's owner and all services are looked up in them. */
int boot_read_names(struct boot *b)
{
	const char *path;
	int r = names_read(&b->names, &path);

	if (r == 0)
		return 0;
	return boot_fail(b, path,
			 r == -EFBIG ? "longer than 1 MiB" : strerror(-r));
}

uint32_t boot_beat_port(const struct boot *b)
{
	return b->heartbeat.port ? b->heartbeat.port : CONFIG_HEARTBEAT_PORT;
}

int boot_fail(struct boot *b, const char *object, const char *reason)
{
	text_clear(&b->fault_object);
	text_add(&b->fault_object, object);
	text_clear(&b->fault_reason);
	text_add(&b->fault_reason, reason);
	log_line(boot_steps[b->step].name, object, reason);
	return -1;
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
		log_line(boot_steps[b->step].name, "initramfs",
			 text_string(&t));
		break;
	case KLOG_INITRAMFS_FINE:
		break;
	}
	return 0;
}
