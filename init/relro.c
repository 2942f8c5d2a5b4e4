#include "init/relro.h"

#include <elf.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>

/* Where the linker puts the start of the program: address 0 of the file. */
extern const char __ehdr_start[] __attribute__((visibility("hidden")));

void relro_apply(void)
{
	const Elf64_Phdr *ph = (const void *)getauxval(AT_PHDR);
	size_t n = getauxval(AT_PHNUM), page = getauxval(AT_PAGESZ);
	uintptr_t base = (uintptr_t)__ehdr_start, from, to;

	for (size_t i = 0; i < n; i++) {
		if (ph[i].p_type != PT_GNU_RELRO)
			continue;
		/* Whole pages only; the rest is shared with what is written. */
		from = (base + ph[i].p_vaddr) & -page;
		to = (base + ph[i].p_vaddr + ph[i].p_memsz) & -page;
		if (to > from)
			(void)mprotect((void *)from, to - from, PROT_READ);
	}
}
