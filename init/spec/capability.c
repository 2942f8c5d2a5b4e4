#include "init/spec/capability.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

/* In the order of their numbers, each with its NUL: pointers would be relocations. */
static const char names[] =
	"CHOWN\0DAC_OVERRIDE\0DAC_READ_SEARCH\0FOWNER\0FSETID\0KILL\0SETGID\0"
	"SETUID\0SETPCAP\0LINUX_IMMUTABLE\0NET_BIND_SERVICE\0NET_BROADCAST\0"
	"NET_ADMIN\0NET_RAW\0IPC_LOCK\0IPC_OWNER\0SYS_MODULE\0SYS_RAWIO\0"
	"SYS_CHROOT\0SYS_PTRACE\0SYS_PACCT\0SYS_ADMIN\0SYS_BOOT\0SYS_NICE\0"
	"SYS_RESOURCE\0SYS_TIME\0SYS_TTY_CONFIG\0MKNOD\0LEASE\0AUDIT_WRITE\0"
	"AUDIT_CONTROL\0SETFCAP\0MAC_OVERRIDE\0MAC_ADMIN\0SYSLOG\0WAKE_ALARM\0"
	"BLOCK_SUSPEND\0AUDIT_READ\0PERFMON\0BPF\0CHECKPOINT_RESTORE\0";

int capability_number(const char *name)
{
	int number = 0;

	if (strncasecmp(name, "CAP_", 4) == 0)
		name += 4;
	for (const char *at = names; *at; at += strlen(at) + 1, number++)
		if (strcasecmp(name, at) == 0)
			return number;
	return -1;
}

const char *capability_name(int number)
{
	const char *at = names;

	if (number < 0)
		return NULL;
	for (; *at && number > 0; number--)
		at += strlen(at) + 1;
	return *at ? at : NULL;
}
