#include "rootfs/pack/image/elf.h"

#include <elf.h>
#include <stdbool.h>
#include <string.h>

#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/spool.h"

static int check(const char *path, const struct content *c, enum eif_arch arch,
		 bool module, struct fault *reterr)
{
	Elf64_Ehdr head;
	unsigned machine = arch == EIF_X86_64 ? EM_X86_64 : EM_AARCH64;

	if (c->len < sizeof(head))
		return fault_refuse(reterr, "%s: not an ELF file", path);
	if (content_read(c, 0, &head, sizeof(head), reterr) < 0)
		return fault_prefix(reterr, "%s", path);
	if (memcmp(head.e_ident, ELFMAG, SELFMAG) != 0)
		return fault_refuse(reterr, "%s: not an ELF file", path);
	if (head.e_ident[EI_CLASS] != ELFCLASS64 || head.e_machine != machine)
		return fault_refuse(reterr, "%s: not for %s", path,
				    eif_arch_name(arch));
	if (module ? head.e_type != ET_REL :
		     head.e_type != ET_EXEC && head.e_type != ET_DYN)
		return fault_refuse(reterr, "%s: not a %s", path,
				    module ? "kernel module" : "program");
	return 0;
}

int elf_check_program(const char *path, const struct content *c,
		      enum eif_arch arch, struct fault *reterr)
{
	return check(path, c, arch, false, reterr);
}

int elf_check_module(const char *path, const struct content *c,
		     enum eif_arch arch, struct fault *reterr)
{
	return check(path, c, arch, true, reterr);
}

int elf_find_loader(const char *path, const struct content *c,
		    char ret[ELF_LOADER_MAX], struct fault *reterr)
{
	Elf64_Ehdr head;
	Elf64_Phdr part;

	*ret = '\0';
	if (content_read(c, 0, &head, sizeof(head), reterr) < 0)
		return fault_prefix(reterr, "%s", path);
	for (unsigned i = 0; i < head.e_phnum; i++) {
		uint64_t at = head.e_phoff + (uint64_t)i * sizeof(part);

		if (head.e_phoff > c->len ||
		    content_read(c, at, &part, sizeof(part), reterr) < 0)
			return fault_refuse(reterr,
					    "%s: its program headers are "
					    "beyond its end",
					    path);
		if (part.p_type != PT_INTERP)
			continue;
		if (part.p_filesz == 0 || part.p_filesz > ELF_LOADER_MAX ||
		    content_read(c, part.p_offset, ret, (size_t)part.p_filesz,
				 reterr) < 0 ||
		    ret[part.p_filesz - 1] != '\0')
			return fault_refuse(reterr, "%s: no name of a loader",
					    path);
		return 0;
	}
	return 0;
}
