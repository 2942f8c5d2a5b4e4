#include "init/program.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "init/text.h"
#include "rootfs/file.h"

#if defined(__x86_64__)
#define OWN_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define OWN_MACHINE EM_AARCH64
#else
#error "an architecture that no enclave has"
#endif

static const struct {
	int machine;
	char name[8];
} machines[] = {
	{ EM_X86_64, "x86-64" }, { EM_AARCH64, "aarch64" },
	{ EM_386, "i386" },	 { EM_ARM, "arm" },
	{ EM_RISCV, "riscv" },	 { EM_PPC64, "ppc64" },
	{ EM_S390, "s390" },
};

static int check(void *ctx, const char *path)
{
	struct stat st;

	(void)ctx;
	if (stat(path, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EACCES;
	return access(path, X_OK) < 0 ? -errno : 0;
}

static const char *machine_name(int machine)
{
	for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++)
		if (machines[i].machine == machine)
			return machines[i].name;
	return NULL;
}

static bool read_at(void *ctx, void *data, size_t len, uint64_t at)
{
	return pread(*(int *)ctx, data, len, (off_t)at) == (ssize_t)len;
}

/* The loader of the ELF file PATH. False also if it is damaged: exec says that. */
static bool find_loader(const char *path, char *ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), r;

	if (fd < 0)
		return false;
	r = executable_loader(read_at, &fd, ret);
	close(fd);
	return r > 0;
}

/* What PATH, of that kind, needs another file for: its name, or false. */
static bool find_interpreter(const char *path, enum executable_kind kind,
			     const char *head, size_t len, char *ret)
{
	switch (kind) {
	case EXECUTABLE_SCRIPT:
		return executable_interpreter(head, len, ret);
	case EXECUTABLE_ELF:
		return find_loader(path, ret);
	case EXECUTABLE_TEXT:
		memcpy(ret, EXECUTABLE_SHELL, sizeof(EXECUTABLE_SHELL));
		return true;
	case EXECUTABLE_OTHER:
		break;
	}
	return false;
}

/* The interpreter of PATH, if that is a script: here the kernel needs its #!. */
static bool find_script_interpreter(const char *path, char *ret)
{
	char head[EXECUTABLE_HEAD_MAX];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = file_read_start(fd, head, sizeof(head));

	return n > 0 && executable_interpreter(head, (size_t)n, ret);
}

/* Fills in what is missing of what P needs. */
static void look_for_interpreter(struct program *p, const char *head,
				 size_t len)
{
	p->missing = 0;
	p->misses_loader = false;
	if (!find_interpreter(p->path, p->kind, head, len, p->interpreter))
		return;
	p->missing = check(NULL, p->interpreter);
	for (size_t n = 1; n < EXECUTABLE_SCRIPTS_MAX && p->missing == 0 &&
			   p->kind == EXECUTABLE_SCRIPT &&
			   find_script_interpreter(p->interpreter, p->loader);
	     n++) {
		p->missing = check(NULL, p->loader);
		p->misses_loader = p->missing < 0;
		if (p->missing == 0)
			memcpy(p->interpreter, p->loader,
			       sizeof(p->interpreter));
	}
	if (p->missing < 0 || !find_loader(p->interpreter, p->loader))
		return;
	p->missing = check(NULL, p->loader);
	p->misses_loader = p->missing < 0;
}

void program_look(struct program *p)
{
	char head[EXECUTABLE_HEAD_MAX];
	int fd = open(p->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = file_read_start(fd, head, sizeof(head));
	size_t len = n < 0 ? 0 : (size_t)n;

	p->kind = n < 0 ? EXECUTABLE_OTHER : executable_kind_of(head, len);
	p->machine = executable_machine(head, len);
	look_for_interpreter(p, head, len);
}

int program_find(const char *name, const char *search, struct program *ret)
{
	int r = executable_find(name, search, check, NULL, ret->path);

	if (r == 0)
		program_look(ret);
	return r;
}

static void explain_machine(int machine, struct text *why)
{
	const char *name = machine_name(machine);

	if (machine == OWN_MACHINE || machine == EM_NONE) {
		text_add(why, "a damaged ELF file");
		return;
	}
	text_add(why, "an ELF file for ");
	if (name) {
		text_add(why, name);
	} else {
		text_add(why, "machine type ");
		text_add_number(why, machine);
	}
	text_add(why, ", this machine is ");
	text_add(why, machine_name(OWN_MACHINE));
}

/* A console does not show it. */
static void explain_return(const char *file, struct text *why)
{
	size_t len = strlen(file);

	if (len > 0 && file[len - 1] == '\r')
		text_add(why, " (a carriage return at its end)");
}

void program_explain(const struct program *p, int r, struct text *why)
{
	const char *missing = p->misses_loader ? p->loader : p->interpreter;

	if (r == -ENOEXEC && p->kind == EXECUTABLE_ELF) {
		explain_machine(p->machine, why);
		return;
	}
	if (r == -ENOEXEC && p->kind == EXECUTABLE_OTHER) {
		text_add(why, "neither a program nor a script "
			      "(binary data, no ELF header)");
		return;
	}

	/* The file itself was found and executable a moment ago. */
	if (p->missing < 0) {
		r = p->missing;
		text_add(why, "its interpreter ");
		text_add(why, p->interpreter);
		if (p->misses_loader) {
			text_add(why, " needs ");
			text_add(why, p->loader);
		} else {
			text_add(why, " cannot be run");
		}
		text_add(why, ": ");
	}
	text_add(why, strerror(-r));
	if (p->missing < 0)
		explain_return(missing, why);
}
