#include "rootfs/pack/parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "rootfs/pack/fault.h"
#include "rootfs/pack/ramdisk.h"
#include "rootfs/pack/spec.h"
#include "rootfs/pack/tree.h"

enum {
	CMDLINE_MAX = 2047, /* bytes: COMMAND_LINE_SIZE of both, and a NUL */
	TEXT_MAX = 1 << 20, /* bytes of a file of text that an option names */
};

/* What nitro-cli's own images have. */
static const char *const cmdlines[] = {
	[EIF_X86_64] = "reboot=k panic=30 pci=off nomodules console=ttyS0 "
		       "i8042.noaux i8042.nomux i8042.nopnp i8042.dumbkbd "
		       "random.trust_cpu=on",
	[EIF_AARCH64] = "reboot=k panic=30 pci=off nomodules console=ttyS0 "
			"random.trust_cpu=on root=/dev/ram0",
};

/* --- files --- */

int part_open(struct part *f, struct fault *reterr)
{
	return content_open(f->path, &f->content, reterr);
}

int part_add(struct part_list *list, const char *path, const char *option,
	     struct fault *reterr)
{
	if (list->count == PARTS_FILES_MAX)
		return fault_usage(reterr, "%s: more than %d of them", option,
				   PARTS_FILES_MAX);
	list->items[list->count++] =
		(struct part){ .path = path, .content = { .fd = -1 } };
	return 0;
}

static void close_part(struct part *f)
{
	if (f->content.fd >= 0)
		close(f->content.fd);
}

void part_list_close(struct part_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		close_part(&list->items[i]);
}

/* A path below a folder, for the caller to free. */
static char *below(const char *dir, const char *name)
{
	char *path;

	return asprintf(&path, "%s/%s", dir, name) < 0 ? NULL : path;
}

/* --- kernel, command line, init --- */

static int find_arch(struct parts *p, struct fault *reterr)
{
	struct utsname uts;
	const char *name = p->arch;

	if (!name && p->has_ramdisks)
		return 0; /* the kernel's */
	if (!name && uname(&uts) < 0)
		return fault_system(reterr, errno, "uname");
	if (!name)
		name = uts.machine;
	p->eif_arch = strcmp(name, "aarch64") == 0 ||
				      strcmp(name, "arm64") == 0 ?
			      EIF_AARCH64 :
			      EIF_X86_64;
	if (p->eif_arch == EIF_X86_64 && strcmp(name, "x86_64") != 0 &&
	    strcmp(name, "amd64") != 0)
		return fault_usage(reterr,
				   "--arch: %s: neither x86_64 nor "
				   "aarch64",
				   name);
	return 0;
}

static int out_of_memory(struct fault *reterr)
{
	return fault_system(reterr, ENOMEM, "build");
}

/* For who has no kernel yet, the newcomer among others. */
static int no_kernel(const struct parts *p, struct fault *reterr)
{
	const char *arch = eif_arch_name(p->eif_arch);
	const bool is_emulated = p->eif_arch == EIF_X86_64;

	return fault_usage(
		reterr,
		"--kernel or --blobs is missing: an image holds the Linux "
		"kernel that the enclave boots, and its nsm.ko. On an "
		"instance: --blobs /usr/share/nitro_enclaves/blobs, of the "
		"package aws-nitro-enclaves-cli-devel. Elsewhere: blobs/%s of "
		"github.com/aws/aws-nitro-enclaves-cli%s",
		arch,
		is_emulated ? ". To try images without an instance: `make "
			      "run` in the sources of enclave-init, then "
			      "--blobs build/emulator" :
			      "");
}

/* What is not given is in the folder of nitro-cli's blobs. */
static int find_kernel(struct parts *p, struct fault *reterr)
{
	static const char *const names[] = {
		[EIF_X86_64] = "bzImage",
		[EIF_AARCH64] = "Image",
	};
	const char *dir = p->blobs ? p->blobs : getenv("NITRO_CLI_BLOBS");

	if (p->kernel_file.path && p->blobs)
		return fault_usage(reterr,
				   "--blobs is where the kernel and its "
				   "module are: without --kernel");
	if (p->kernel_file.path)
		return 0;
	if (!dir || *dir == '\0')
		return no_kernel(p, reterr);
	p->own[0] = below(dir, names[p->eif_arch]);
	p->own[1] = below(dir, "nsm.ko");
	p->own[2] = below(dir, "cmdline");
	if (!p->own[0] || !p->own[1] || !p->own[2])
		return out_of_memory(reterr);
	p->kernel_file.path = p->own[0];
	if (!p->has_ramdisks && p->modules.count == 0 &&
	    access(p->own[1], F_OK) == 0 &&
	    part_add(&p->modules, p->own[1], "--module", reterr) < 0)
		return -1;
	return 0;
}

static int open_kernel(struct parts *p, struct fault *reterr)
{
	if (part_open(&p->kernel_file, reterr) < 0 ||
	    kernel_inspect(p->kernel_file.path, &p->kernel_file.content,
			   &p->kernel, reterr) < 0)
		return -1;
	if (!p->arch && p->has_ramdisks)
		p->eif_arch = p->kernel.arch;
	if (p->kernel.arch != p->eif_arch)
		return fault_refuse(reterr,
				    "%s: a kernel for %s, and %s is "
				    "asked for: see --arch",
				    p->kernel_file.path,
				    eif_arch_name(p->kernel.arch),
				    eif_arch_name(p->eif_arch));
	return 0;
}

/* An option's TEXT, or @FILE; without the newline at the end of the file. */
int parts_read_text(const char *option, char **ret, struct fault *reterr)
{
	size_t len, end;
	char *text;

	if (*option != '@') {
		*ret = strdup(option);
		return *ret ? 0 : out_of_memory(reterr);
	}
	if (content_slurp_path(option + 1, TEXT_MAX, &text, &len, reterr) < 0)
		return -1;
	end = strlen(text);
	if (end != len) {
		free(text);
		return fault_refuse(reterr, "%s: a NUL byte at offset %zu",
				    option + 1, end);
	}
	if (len > 0 && text[len - 1] == '\n')
		text[len - 1] = '\0';
	*ret = text;
	return 0;
}

static int make_cmdline(struct parts *p, struct fault *reterr)
{
	const char *text = p->cmdline_option, *blob = p->own[2];
	char *at = NULL, *cmdline;
	int r;

	if (!text && blob && access(blob, F_OK) == 0) {
		if (asprintf(&at, "@%s", blob) < 0)
			return out_of_memory(reterr);
		text = at;
	}
	r = parts_read_text(text ? text : cmdlines[p->eif_arch], &cmdline,
			    reterr);
	free(at);
	if (r < 0)
		return -1;
	for (size_t i = 0; cmdline[i]; i++)
		if (cmdline[i] < ' ' || cmdline[i] > '~') {
			free(cmdline);
			return fault_refuse(reterr,
					    "command line: offset %zu: not a "
					    "printable ASCII character",
					    i);
		}
	if (strlen(cmdline) > CMDLINE_MAX) {
		free(cmdline);
		return fault_refuse(reterr,
				    "command line: longer than %d bytes",
				    CMDLINE_MAX);
	}
	p->cmdline = cmdline;
	return 0;
}

/* Beside mkeif, as it is built; or as it is installed. */
static int find_init(struct parts *p, struct fault *reterr)
{
	static const char *const where[] = { "", "/../lib/enclave-init" };
	char exe[4096];
	ssize_t n;
	char *slash;

	if (p->init_file.path)
		return 0;
	n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	if (n >= 0)
		exe[n] = '\0';
	else if (!realpath((const char *)getauxval(AT_EXECFN), exe))
		return fault_system(reterr, errno, "mkeif");
	slash = strrchr(exe, '/');
	if (slash)
		*slash = '\0';
	for (size_t i = 0; i < sizeof(where) / sizeof(where[0]); i++) {
		free(p->own[3]);
		if (asprintf(&p->own[3], "%s%s/%s/init", exe, where[i],
			     eif_arch_name(p->eif_arch)) < 0) {
			p->own[3] = NULL;
			return out_of_memory(reterr);
		}
		if (access(p->own[3], F_OK) == 0) {
			p->init_file.path = p->own[3];
			return 0;
		}
	}
	return fault_refuse(reterr,
			    "no init for %s is beside mkeif (%s): build it, or "
			    "name one by --init",
			    eif_arch_name(p->eif_arch), p->own[3]);
}

static int open_init(struct parts *p, struct fault *reterr)
{
	char loader[KERNEL_LOADER_MAX];
	uint64_t at;
	int r;

	if (part_open(&p->init_file, reterr) < 0 ||
	    kernel_check_program(p->init_file.path, &p->init_file.content,
				 p->eif_arch, reterr) < 0 ||
	    kernel_find_loader(p->init_file.path, &p->init_file.content, loader,
			       reterr) < 0)
		return -1;
	if (*loader)
		return fault_refuse(reterr,
				    "%s: an init has to be static, this one "
				    "asks for %s",
				    p->init_file.path, loader);
	/* Ours reads that file, and so has its name. */
	r = kernel_search(&p->init_file.content, "enclave-init.conf", &at,
			  reterr);
	if (r < 0)
		return fault_prefix(reterr, "%s", p->init_file.path);
	p->init_is_ours = r > 0;
	return 0;
}

/* --- the boot ramdisk --- */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static int add_modules(struct parts *p, struct tree *boot, struct spool *spool,
		       struct fault *reterr)
{
	struct buffer order = { 0 };
	uint64_t from = spool->len;
	struct content c;
	const char *name;
	int r = -1;

	for (size_t i = 0; i < p->modules.count; i++) {
		struct part *f = &p->modules.items[i];

		name = base_name(f->path);
		if (part_open(f, reterr) < 0 ||
		    kernel_check_module(f->path, &f->content, &p->kernel,
					reterr) < 0 ||
		    ramdisk_add_file(boot, name, 0755, &f->content, reterr) <
			    0 ||
		    buffer_add(&order, name, strlen(name), reterr) < 0 ||
		    buffer_add(&order, "\n", 1, reterr) < 0)
			goto out;
	}
	/* nsm.ko alone is what every init loads. */
	if (order.len == 0 || strcmp(order.data, "nsm.ko\n") == 0) {
		r = 0;
		goto out;
	}
	if (spool_append(spool, order.data, order.len, reterr) < 0)
		goto out;
	c = spool_content(spool, from);
	r = ramdisk_add_file(boot, "modules_load_order", 0644, &c, reterr);
out:
	buffer_free(&order);
	return r;
}

/* SRC may have a colon where no octal number follows it. */
int parts_open_boot_file(struct part *f, char **ret_dest, uint32_t *ret_mode,
			 struct fault *reterr)
{
	char *text = strdup(f->path), *src, *colon, *end;
	unsigned long mode = 0755;
	int r = -1;

	if (!text)
		return out_of_memory(reterr);
	src = strchr(text, '=');
	if (!src || src == text || src[1] == '\0') {
		(void)fault_usage(reterr,
				  "--boot-file: %s: not DEST=FILE or "
				  "DEST=FILE:MODE",
				  text);
		goto out;
	}
	*src++ = '\0';
	colon = strrchr(src, ':');
	if (colon && colon[1] &&
	    strspn(colon + 1, "01234567") == strlen(colon + 1)) {
		mode = strtoul(colon + 1, &end, 8);
		if (mode > 07777) {
			(void)fault_usage(reterr, "--boot-file: %s: no mode",
					  colon + 1);
			goto out;
		}
		*colon = '\0';
	}
	if (content_open(src, &f->content, reterr) < 0)
		goto out;
	*ret_mode = (uint32_t)mode;
	*ret_dest = strdup(text + (*text == '/'));
	r = *ret_dest ? 0 : out_of_memory(reterr);
out:
	free(text);
	return r;
}

static int add_boot_file(struct part *f, struct tree *boot,
			 struct fault *reterr)
{
	uint32_t mode;
	char *dest;
	int r;

	if (parts_open_boot_file(f, &dest, &mode, reterr) < 0)
		return -1;
	r = ramdisk_add_file(boot, dest, mode, &f->content, reterr);
	free(dest);
	return r;
}

int parts_write_boot(struct parts *p, struct tree *boot,
		     const struct ramdisk_options *o, struct eif_writer *w,
		     struct fault *reterr)
{
	struct spool spool = SPOOL_NONE;
	int r = -1;

	if (spool_open(&spool, reterr) < 0 ||
	    ramdisk_add_file(boot, "init", 0755, &p->init_file.content,
			     reterr) < 0 ||
	    add_modules(p, boot, &spool, reterr) < 0)
		goto out;
	for (size_t i = 0; i < p->boot_files.count; i++)
		if (add_boot_file(&p->boot_files.items[i], boot, reterr) < 0)
			goto out;
	r = ramdisk_write_boot(w, boot, o, reterr);
out:
	spool_close(&spool);
	return r;
}

int parts_find_time(uint32_t *ret, struct fault *reterr)
{
	const char *text = getenv("SOURCE_DATE_EPOCH");
	char *end;
	long long n;

	*ret = 0;
	if (!text || *text == '\0')
		return 0;
	errno = 0;
	n = strtoll(text, &end, 10);
	if (errno || *end || *text < '0' || *text > '9' || n > UINT32_MAX)
		return fault_usage(reterr,
				   "SOURCE_DATE_EPOCH: %s: not seconds "
				   "from 0 to 4294967295",
				   text);
	*ret = (uint32_t)n;
	return 0;
}

int parts_find_init(struct parts *p, struct fault *reterr)
{
	return find_init(p, reterr) < 0 ? -1 : open_init(p, reterr);
}

int parts_find(struct parts *p, struct fault *reterr)
{
	if (find_arch(p, reterr) < 0 || find_kernel(p, reterr) < 0 ||
	    open_kernel(p, reterr) < 0 || make_cmdline(p, reterr) < 0)
		return -1;
	return p->has_ramdisks ? 0 : parts_find_init(p, reterr);
}

void parts_close(struct parts *p)
{
	part_list_close(&p->modules);
	part_list_close(&p->boot_files);
	close_part(&p->kernel_file);
	close_part(&p->init_file);
	free(p->cmdline);
	for (size_t i = 0; i < sizeof(p->own) / sizeof(p->own[0]); i++)
		free(p->own[i]);
}
