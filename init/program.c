#include "init/program.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "init/log.h"

enum {
	HEAD_MAX = 256, /* as much as the kernel looks at */
	PHDRS_MAX = 64, /* more are not read for the interpreter */
};

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

/*
 * The word after #!, as the kernel takes it, to RET, which holds HEAD_MAX
 * bytes. False if there is none, which the kernel takes for no script.
 */
static bool script_interpreter(const char *head, size_t len, char *ret)
{
	size_t from = 2, to;

	if (len < 2 || head[0] != '#' || head[1] != '!')
		return false;
	while (from < len && (head[from] == ' ' || head[from] == '\t'))
		from++;
	for (to = from; to < len; to++)
		if (strchr(" \t\n", head[to])) /* the NUL as well */
			break;
	if (to == from)
		return false;
	memcpy(ret, head + from, to - from);
	ret[to - from] = '\0';
	return true;
}

enum program_kind program_kind_of(const char *head, size_t len)
{
	char interpreter[HEAD_MAX];

	if (len > HEAD_MAX)
		len = HEAD_MAX;
	if (len >= SELFMAG && memcmp(head, ELFMAG, SELFMAG) == 0)
		return PROGRAM_ELF;
	if (script_interpreter(head, len, interpreter))
		return PROGRAM_SCRIPT;
	return memchr(head, '\0', len) ? PROGRAM_OTHER : PROGRAM_TEXT;
}

/* Reads the start of PATH; its length, or -errno. */
static ssize_t read_head(const char *path, char *head)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, head, HEAD_MAX);
	if (n < 0)
		n = -errno;
	close(fd);
	return n;
}

static int check(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EACCES;
	return access(path, X_OK) < 0 ? -errno : 0;
}

/* Puts DIR of DIR_LEN bytes, a slash and NAME together. */
static int join(char *path, const char *dir, size_t dir_len, const char *name)
{
	size_t name_len = strlen(name);

	if (dir_len + 1 + name_len >= PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(path, dir, dir_len);
	if (dir_len > 0)
		path[dir_len++] = '/';
	memcpy(path + dir_len, name, name_len + 1);
	return 0;
}

static int search_dirs(const char *name, const char *search, char *path)
{
	int found = -ENOENT, r;
	const char *end;

	for (;; search = end + 1) {
		end = strchrnul(search, ':');
		r = join(path, search, (size_t)(end - search), name);
		if (r == 0)
			r = check(path);
		if (r == 0)
			return 0;
		/* As execvp: something without permission is remembered, any
		 * other fault of one directory is no reason to give up. */
		if (r == -EACCES)
			found = -EACCES;
		if (!*end)
			return found;
	}
}

static const char *machine_name(int machine)
{
	for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++)
		if (machines[i].machine == machine)
			return machines[i].name;
	return NULL;
}

/*
 * The machine that an ELF file is for. Both byte orders: what runs on another
 * machine may well be of the other one.
 */
static int elf_machine(const char *head, size_t len)
{
	const unsigned char *h = (const unsigned char *)head;

	if (len < 20)
		return EM_NONE;
	return h[EI_DATA] == ELFDATA2MSB ? h[18] << 8 | h[19] :
					   h[19] << 8 | h[18];
}

static bool read_at(int fd, void *data, size_t len, uint64_t at)
{
	return len > 0 && pread(fd, data, len, (off_t)at) == (ssize_t)len;
}

/* The interpreter that the open ELF file FD asks for, or false. */
static bool read_interpreter(int fd, char *ret, size_t cap)
{
	Elf64_Phdr ph[PHDRS_MAX];
	Elf64_Ehdr eh;
	size_t count;

	if (!read_at(fd, &eh, sizeof(eh), 0) ||
	    memcmp(eh.e_ident, ELFMAG, SELFMAG) != 0 ||
	    eh.e_phentsize != sizeof(ph[0]))
		return false;
	count = eh.e_phnum < PHDRS_MAX ? eh.e_phnum : PHDRS_MAX;
	if (!read_at(fd, ph, count * sizeof(ph[0]), eh.e_phoff))
		return false;
	for (size_t i = 0; i < count; i++) {
		if (ph[i].p_type != PT_INTERP)
			continue;
		if (ph[i].p_filesz > cap ||
		    !read_at(fd, ret, ph[i].p_filesz, ph[i].p_offset))
			return false;
		ret[ph[i].p_filesz - 1] = '\0';
		return true;
	}
	return false;
}

/* The same of the file PATH. */
static bool elf_interpreter(const char *path, char *ret, size_t cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	bool found;

	if (fd < 0)
		return false;
	found = read_interpreter(fd, ret, cap);
	close(fd);
	return found;
}

/* What PATH, of that kind, needs another file for: its name, or false. */
static bool find_interpreter(const char *path, enum program_kind kind,
			     const char *head, size_t len, char *ret)
{
	switch (kind) {
	case PROGRAM_SCRIPT:
		return script_interpreter(head, len, ret);
	case PROGRAM_ELF:
		return elf_interpreter(path, ret, PATH_MAX);
	case PROGRAM_TEXT:
		memcpy(ret, PROGRAM_SHELL, sizeof(PROGRAM_SHELL));
		return true;
	case PROGRAM_OTHER:
		break;
	}
	return false;
}

/* Fills in what is missing of what P needs. */
static void look_for_interpreter(struct program *p, const char *head,
				 size_t len)
{
	p->missing = 0;
	p->misses_loader = false;
	if (!find_interpreter(p->path, p->kind, head, len, p->interpreter))
		return;
	p->missing = check(p->interpreter);
	if (p->missing < 0 ||
	    !elf_interpreter(p->interpreter, p->loader, sizeof(p->loader)))
		return;
	p->missing = check(p->loader);
	p->misses_loader = p->missing < 0;
}

void program_look(struct program *p)
{
	char head[HEAD_MAX];
	ssize_t n = read_head(p->path, head);
	size_t len = n < 0 ? 0 : (size_t)n;

	p->kind = n < 0 ? PROGRAM_OTHER : program_kind_of(head, len);
	p->machine = elf_machine(head, len);
	look_for_interpreter(p, head, len);
}

int program_find(const char *name, const char *search, struct program *ret)
{
	int r;

	if (strchr(name, '/')) {
		r = join(ret->path, "", 0, name);
		if (r == 0)
			r = check(ret->path);
	} else {
		r = search_dirs(name, search, ret->path);
	}
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

void program_explain(const struct program *p, int r, struct text *why)
{
	if (r == -ENOEXEC && p->kind == PROGRAM_ELF) {
		explain_machine(p->machine, why);
		return;
	}
	if (r == -ENOEXEC && p->kind == PROGRAM_OTHER) {
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
}
