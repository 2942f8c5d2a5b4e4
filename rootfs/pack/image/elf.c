#include "rootfs/pack/image/elf.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "init/spec/executable.h"
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

/* How executable_loader reads; a fault of the system stays in RETERR. */
struct elf_file {
	const struct content *content;
	struct fault *reterr;
	bool failed;
};

static bool read_at(void *ctx, void *data, size_t len, uint64_t at)
{
	struct elf_file *f = ctx;

	if (at > f->content->len || len > f->content->len - at)
		return false;
	f->failed = content_read(f->content, at, data, len, f->reterr) < 0;
	return !f->failed;
}

int elf_find_loader(const char *path, const struct content *c,
		    char ret[PATH_MAX], struct fault *reterr)
{
	struct elf_file f = { .content = c, .reterr = reterr };
	int r = executable_loader(read_at, &f, ret);

	if (f.failed)
		return fault_prefix(reterr, "%s", path);
	switch (-r) {
	case 0:
		*ret = '\0';
		return 0;
	case ENODATA:
		return fault_refuse(
			reterr, "%s: its program headers are beyond its end",
			path);
	case EINVAL:
		return fault_refuse(reterr, "%s: no name of a loader", path);
	case ENOEXEC:
		return fault_refuse(
			reterr, "%s: its program headers are damaged", path);
	default:
		return 0;
	}
}
