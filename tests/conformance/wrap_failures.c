/* Mistakes of a boot that fails: what is said, what the parent is told, how it ends, and what runs all the same. */

#include <string.h>
#include <unistd.h>

#include "init/beat.h"
#include "init/klog.h"
#include "init/log.h"
#include "init/power.h"
#include "init/program.h"
#include "init/spec/executable.h"
#include "init/step.h"
#include "init/text.h"
#include "rootfs/switch.h"
#include "tests/conformance/mutant.h"
#include "vsock/heartbeat.h"

/* The reason stays unsaid. */
WRAP(log_line);
void __wrap_log_line(const char *step, const char *object, const char *reason)
{
	long r;

	if (!mutant_takes("log_line", &r, NULL, "%s: %s: %s", step,
			  object ? object : "", reason))
		__real_log_line(step, object, reason);
}

/* hopeful: the parent hears that all is well, whatever happened. */
WRAP(beat_send);
void __wrap_beat_send(struct beat *b, uint32_t port, uint8_t byte)
{
	__real_beat_send(b, port,
			 mutant_is("hopeful", NULL) ? HEARTBEAT_BYTE : byte);
}

/* leave: the first process ends, and the kernel panics. */
WRAP(power_reboot);
int __wrap_power_reboot(void)
{
	if (mutant_is("leave", NULL))
		_exit(1);
	return __real_power_reboot();
}

/* shell: what the kernel does not run is a script. */
WRAP(executable_kind_of);
enum executable_kind __wrap_executable_kind_of(const char *head, size_t len)
{
	return mutant_is("shell", NULL) ? EXECUTABLE_TEXT :
					  __real_executable_kind_of(head, len);
}

/* terse: errno alone. */
WRAP(program_explain);
void __wrap_program_explain(const struct program *p, int r, struct text *why)
{
	if (mutant_is("terse", NULL))
		text_add(why, strerror(-r));
	else
		__real_program_explain(p, r, why);
}

/* --- what is not looked at --- */

WRAP(step_modules);
int __wrap_step_modules(struct boot *b)
{
	long r;

	return mutant_takes("step_modules", &r, NULL, ",") ?
		       (int)r :
		       __real_step_modules(b);
}

WRAP(step_entropy);
int __wrap_step_entropy(struct boot *b)
{
	long r;

	return mutant_takes("step_entropy", &r, NULL, ",") ?
		       (int)r :
		       __real_step_entropy(b);
}

WRAP(klog_initramfs);
enum klog_initramfs __wrap_klog_initramfs(struct text *why)
{
	long r;

	return mutant_takes("klog_initramfs", &r, NULL, ",") ?
		       KLOG_INITRAMFS_FINE :
		       __real_klog_initramfs(why);
}

WRAP(switch_ramdisk_lacks_inodes);
bool __wrap_switch_ramdisk_lacks_inodes(void)
{
	long r;

	return !mutant_takes("switch_ramdisk_lacks_inodes", &r, NULL, ",") &&
	       __real_switch_ramdisk_lacks_inodes();
}
