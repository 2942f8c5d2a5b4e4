#include "tests/faults/callers.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
	WORDS = 1024, /* of the stack that are searched */
	SHOWN = 8,    /* functions */
};

static struct {
	const uint8_t *data;
	size_t len;
	uint64_t base; /* the address that the program was loaded at */
	const Elf64_Sym *symbols;
	size_t symbol_count;
	const char *names;
	uint64_t names_len;
} program;

/* --- the program --- */

static const void *at(uint64_t offset, uint64_t len)
{
	return offset <= program.len && len <= program.len - offset ?
		       program.data + offset :
		       NULL;
}

/* The address of the program headers in memory. */
static uint64_t read_phdr(pid_t pid)
{
	Elf64_auxv_t aux;
	uint64_t found = 0;
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/auxv", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && read(fd, &aux, sizeof(aux)) == (ssize_t)sizeof(aux))
		if (aux.a_type == AT_PHDR)
			found = aux.a_un.a_val;
	if (fd >= 0)
		close(fd);
	return found;
}

static int find_symbols(const Elf64_Ehdr *head)
{
	const Elf64_Shdr *s =
		at(head->e_shoff, head->e_shnum * sizeof(Elf64_Shdr));

	for (size_t i = 0; s && i < head->e_shnum; i++) {
		if (s[i].sh_type != SHT_SYMTAB || s[i].sh_link >= head->e_shnum)
			continue;
		program.symbols = at(s[i].sh_offset, s[i].sh_size);
		program.symbol_count = s[i].sh_size / sizeof(Elf64_Sym);
		program.names_len = s[s[i].sh_link].sh_size;
		program.names =
			at(s[s[i].sh_link].sh_offset, program.names_len);
		if (program.symbols && program.names)
			return 0;
	}
	program.symbol_count = 0;
	return -ENODATA;
}

int callers_open(pid_t pid)
{
	const Elf64_Ehdr *head;
	struct stat st;
	char path[64];
	void *data;
	int fd, r;

	(void)snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = fstat(fd, &st) < 0 ? -errno : 0;
	data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (r < 0 || data == MAP_FAILED)
		return -ENOMEM;
	program.data = data;
	program.len = (size_t)st.st_size;
	head = at(0, sizeof(*head));
	if (!head || memcmp(head->e_ident, ELFMAG, SELFMAG) != 0)
		return -ENOEXEC;
	/* The first segment has the file's begin, at address 0. */
	program.base = read_phdr(pid) - head->e_phoff;
	return find_symbols(head);
}

static const Elf64_Sym *find_function(uint64_t address)
{
	for (size_t i = 0; i < program.symbol_count; i++) {
		const Elf64_Sym *s = &program.symbols[i];

		if (ELF64_ST_TYPE(s->st_info) == STT_FUNC &&
		    address - program.base - s->st_value < s->st_size)
			return s;
	}
	return NULL;
}

/* Whether a function begins at ADDRESS, of that NAME if it is not NULL. */
static bool begins(uint64_t address, const char *name)
{
	for (size_t i = 0; i < program.symbol_count; i++) {
		const Elf64_Sym *s = &program.symbols[i];

		if (s->st_value == address - program.base &&
		    s->st_name < program.names_len &&
		    (!name || strcmp(program.names + s->st_name, name) == 0))
			return true;
	}
	return false;
}

/* --- calls --- */

#ifdef __x86_64__
/* The function that the call before ADDRESS calls; 0: no call, or by pointer. */
static uint64_t called_before(uint64_t address)
{
	const uint8_t *code = at(address - program.base - 5, 5);
	int32_t distance;

	if (!code || code[0] != 0xe8)
		return 0;
	memcpy(&distance, code + 1, sizeof(distance));
	return address + (uint64_t)(int64_t)distance;
}
#else
static uint64_t called_before(uint64_t address)
{
	const uint8_t *code = at(address - program.base - 4, 4);
	uint32_t op;

	if (!code)
		return 0;
	memcpy(&op, code, sizeof(op));
	if (op >> 26 != 0x25) /* bl */
		return 0;
	/* 26 bits with a sign count instructions. */
	return address - 4 + (uint64_t)((int64_t)((int32_t)(op << 6) >> 6) * 4);
}
#endif

/* Reads the words of the stack. Returns how many there are. */
static size_t read_stack(pid_t pid, uint64_t sp, uint64_t *words)
{
	struct iovec to = { words, WORDS * sizeof(*words) };
	struct iovec from = { (void *)(uintptr_t)sp, to.iov_len };
	ssize_t n = -1;

	/* The stack may end sooner. */
	for (; from.iov_len > 0 && n < 0; from.iov_len /= 2)
		n = process_vm_readv(pid, &to, 1, &from, 1, 0);
	return n < 0 ? 0 : (size_t)n / sizeof(*words);
}

uint64_t callers_site(pid_t pid, uint64_t sp, const char *name,
		      const char *other)
{
	uint64_t words[WORDS];
	size_t n = read_stack(pid, sp, words);

	for (size_t i = 0; i < n; i++) {
		uint64_t target = called_before(words[i]);

		if (target && (begins(target, name) || begins(target, other)))
			return words[i] - program.base;
	}
	return 0;
}

/* --- what is shown --- */

static size_t add(char *text, size_t cap, size_t len, uint64_t address)
{
	const Elf64_Sym *s = find_function(address);
	const char *between = len > 0 ? " < " : "";
	int n;

	if (s && s->st_name < program.names_len)
		n = snprintf(text + len, cap - len, "%s%s", between,
			     program.names + s->st_name);
	else
		n = snprintf(text + len, cap - len, "%s0x%llx", between,
			     (unsigned long long)(address - program.base));
	return n < 0 || (size_t)n >= cap - len ? cap - 1 : len + (size_t)n;
}

/*
 * The next return address of WORDS from I on: the first after a call of the function
 * at START; or, since some functions jump to others, the first after any call.
 */
static size_t find_caller(const uint64_t *words, size_t count, size_t i,
			  uint64_t start)
{
	size_t other = count;

	for (; i < count; i++) {
		uint64_t target = called_before(words[i]);

		if (target && target == start)
			return i;
		if (other == count && target && begins(target, NULL))
			other = i;
	}
	return other;
}

void callers_show(pid_t pid, uint64_t pc, uint64_t sp, char *text, size_t cap)
{
	uint64_t words[WORDS];
	size_t n = read_stack(pid, sp, words);
	size_t len = add(text, cap, 0, pc);
	size_t i = 0;

	for (int shown = 1; shown < SHOWN; shown++) {
		const Elf64_Sym *s = find_function(pc);

		i = find_caller(words, n, i,
				s ? program.base + s->st_value : 0);
		if (i == n)
			return;
		pc = words[i++];
		len = add(text, cap, len, pc);
	}
}
