#include "init/klog.h"

#include <errno.h>
#include <string.h>
#include <sys/klog.h>

#include "init/log.h"
#include "rootfs/file.h"

enum {
	SYSLOG_READ_ALL = 3, /* syslog(2) */
	KLOG_MAX = 1 << 18,  /* bytes, the newest */
	VMSTAT_MAX = 16384,
};

static int klog_read(struct file *ret)
{
	struct file f;
	int n, r = file_alloc(KLOG_MAX, &f);

	if (r < 0)
		return r;
	n = klogctl(SYSLOG_READ_ALL, f.data, KLOG_MAX);
	if (n < 0) {
		r = -errno;
		file_free(&f);
		return r;
	}
	f.len = (size_t)n;
	f.data[n] = '\0';
	*ret = f;
	return 0;
}

/* strstr, without the tables of libc's. */
static char *find(char *text, const char *what)
{
	size_t len = strlen(what);

	while ((text = strchr(text, *what)) && strncmp(text, what, len) != 0)
		text++;
	return text;
}

/*
 * What the kernel says of a ramdisk that it left a part of out, in init/initramfs.c and
 * lib/decompress_*.c. What else it says is mostly of bytes behind the last archive.
 */
static const char cuts[][12] = {
	"write error", "read error", "truncated", "corrupt", "compression",
};

enum klog_initramfs klog_initramfs(struct text *why)
{
	static const char said[] = "Initramfs unpacking failed";
	enum klog_initramfs r = KLOG_INITRAMFS_FINE;
	struct file f;
	char *at;

	if (klog_read(&f) < 0)
		return r;
	at = find(f.data, said);
	if (at) {
		*strchrnul(at, '\n') = '\0';
		text_add(why, at);
		r = KLOG_INITRAMFS_BAD;
		for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
			if (!find(at, cuts[i]))
				continue;
			text_add(why, i == 0 ? ": the image does not fit into "
					       "the memory: raise --memory" :
					       ": a ramdisk is damaged");
			r = KLOG_INITRAMFS_CUT;
			break;
		}
	}
	file_free(&f);
	return r;
}

unsigned long klog_counter(const char *text, const char *name)
{
	size_t len = strlen(name);
	unsigned long n = 0;

	while (*text && (strncmp(text, name, len) != 0 || text[len] != ' ')) {
		text = strchrnul(text, '\n');
		if (*text)
			text++;
	}
	if (!*text)
		return 0;
	for (text += len + 1; *text >= '0' && *text <= '9'; text++)
		n = n * 10 + (unsigned long)(*text - '0');
	return n;
}

unsigned long klog_oom_kills(int proc_fd)
{
	struct file f = { 0 };
	unsigned long kills = 0;

	if (file_read(proc_fd, "vmstat", VMSTAT_MAX, &f) == 0)
		kills = klog_counter(f.data, "oom_kill");
	file_free(&f);
	return kills;
}

bool klog_was_oom(pid_t pid)
{
	static const char killed[] = "Killed process ";
	struct file f = { 0 };
	struct text ours;
	bool oom;

	if (klog_read(&f) < 0)
		return true;
	text_clear(&ours);
	text_add(&ours, killed);
	text_add_number(&ours, pid);
	text_add(&ours, " (");
	oom = find(f.data, text_string(&ours)) || !find(f.data, killed);
	file_free(&f);
	return oom;
}
