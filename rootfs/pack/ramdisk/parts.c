#include "rootfs/pack/ramdisk/parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/output.h"
#include "rootfs/pack/base/tree.h"
#include "rootfs/pack/image/app.h"
#include "rootfs/pack/image/elf.h"
#include "rootfs/pack/ramdisk/ramdisk.h"
#include "vsock/inside.h"

enum {
	CMDLINE_MAX = 2047,    /* bytes: COMMAND_LINE_SIZE of both, and a NUL */
	BOOT_MODE = 0755,      /* of a boot file, if it has none */
	FILES_LAYER = 1 << 30, /* after all layers of an image */
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

int parts_check_same(const struct parts *p, struct fault *reterr)
{
	if (part_check_same(&p->kernel_file, reterr) < 0 ||
	    part_check_same(&p->init_file, reterr) < 0 ||
	    (p->has_relay && part_check_same(&p->relay_file, reterr) < 0) ||
	    part_list_check_same(&p->modules, reterr) < 0)
		return -1;
	if (part_list_check_same(&p->boot_files, reterr) < 0)
		return -1;
	return part_list_check_same(&p->files, reterr);
}

/* A path below a folder, for the caller to free. */
static char *below(const char *dir, const char *name)
{
	char *path;

	return asprintf(&path, "%s/%s", dir, name) < 0 ? NULL : path;
}

/* --- kernel, command line, init --- */

static int take_arch(struct parts *p, struct fault *reterr)
{
	const char *name = p->arch;

	if (!name)
		return 0; /* the kernel's */
	if (strcmp(name, "x86_64") == 0 || strcmp(name, "amd64") == 0)
		p->eif_arch = EIF_X86_64;
	else if (strcmp(name, "aarch64") == 0 || strcmp(name, "arm64") == 0)
		p->eif_arch = EIF_AARCH64;
	else
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

static bool is_there(const char *path)
{
	return access(path, F_OK) == 0;
}

/* Where nitro-cli's package for developers has them. */
static const char installed[] = "/usr/share/nitro_enclaves/blobs";

/* No folder is named: the installed one, but what is measured is not the environment's. */
static int find_blobs(struct parts *p, struct fault *reterr)
{
	const char *of_nitro_cli = getenv("NITRO_CLI_BLOBS");

	if (of_nitro_cli && *of_nitro_cli)
		return fault_usage(reterr,
				   "--kernel or --blobs is missing; the "
				   "environment is not measured: say --blobs "
				   "%s, which NITRO_CLI_BLOBS names",
				   of_nitro_cli);
	if (!is_there(installed))
		return no_kernel(p, reterr);
	p->blobs = installed;
	p->blobs_are_installed = true;
	return 0;
}

static int choose_kernel(struct parts *p, struct fault *reterr)
{
	char *image = below(p->blobs, "Image");

	p->own[0] = below(p->blobs, "bzImage");
	if (!p->own[0] || !image) {
		free(image);
		return out_of_memory(reterr);
	}
	if (!p->arch && is_there(p->own[0]) && is_there(image)) {
		free(image);
		return fault_usage(reterr,
				   "%s: both a bzImage and an Image: see "
				   "--arch",
				   p->blobs);
	}
	if (p->arch && p->eif_arch == EIF_AARCH64 && is_there(p->own[0]) &&
	    !is_there(image)) {
		free(image);
		return fault_refuse(reterr,
				    "--blobs: %s: no Image, the kernel for "
				    "arm64, in it; a bzImage, as the "
				    "emulator's, is for x86-64 only",
				    p->blobs);
	}
	if (p->arch ? p->eif_arch == EIF_AARCH64 :
		      !is_there(p->own[0]) && is_there(image)) {
		free(p->own[0]);
		p->own[0] = image;
	} else {
		free(image);
	}
	p->kernel_file.option = "--blobs";
	p->kernel_file.path = p->own[0];
	return 0;
}

/* nsm.ko, compressed or not. */
static bool has_nsm(const struct parts *p)
{
	static const char name[] = "nsm.ko";

	for (size_t i = 0; i < p->modules.count; i++) {
		const char *path = p->modules.items[i].path;
		const char *slash = strrchr(path, '/');
		const char *base = slash ? slash + 1 : path;

		if (strncmp(base, name, sizeof(name) - 1) == 0 &&
		    strchr(".", base[sizeof(name) - 1]))
			return true;
	}
	return false;
}

/* What is not given is in the folder of nitro-cli's blobs. */
static int find_kernel(struct parts *p, struct fault *reterr)
{
	if (p->kernel_file.path && p->blobs)
		return fault_usage(reterr,
				   "--blobs is where the kernel and its "
				   "module are: without --kernel");
	p->kernel_file.option = "--kernel";
	if (p->kernel_file.path)
		return 0;
	if (!p->blobs && find_blobs(p, reterr) < 0)
		return -1;
	if (choose_kernel(p, reterr) < 0)
		return -1;
	p->own[1] = below(p->blobs, "nsm.ko");
	p->own[2] = below(p->blobs, "cmdline");
	if (!p->own[1] || !p->own[2])
		return out_of_memory(reterr);
	if (!p->has_ramdisks && !has_nsm(p) && is_there(p->own[1]) &&
	    part_add(&p->modules, p->own[1], "--blobs", reterr) < 0)
		return -1;
	return 0;
}

static int open_kernel(struct parts *p, struct fault *reterr)
{
	if (part_open(&p->kernel_file, reterr) < 0 ||
	    kernel_inspect(p->kernel_file.path, &p->kernel_file.content,
			   &p->kernel, reterr) < 0)
		return -1;
	if (!p->arch)
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
		return fault_prefix(reterr, "--cmdline");
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

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* As nitro-cli takes it, whose trim() has no other blanks in ASCII. */
static int read_blob_cmdline(const char *path, char **ret, struct fault *reterr)
{
	char *text, *begin;
	size_t len;

	if (content_slurp_path(path, TEXT_MAX, &text, &len, reterr) < 0)
		return -1;
	if (strlen(text) != len) {
		free(text);
		return fault_refuse(reterr, "%s: a NUL byte", path);
	}
	while (len > 0 && is_blank(text[len - 1]))
		text[--len] = '\0';
	begin = text;
	while (is_blank(*begin))
		begin++;
	*ret = strdup(begin);
	free(text);
	return *ret ? 0 : out_of_memory(reterr);
}

/* To the kernel all blanks are blanks; those of an option are most likely a slip. */
static int check_cmdline(const char *cmdline, bool with_blanks,
			 struct fault *reterr)
{
	for (size_t i = 0; cmdline[i]; i++)
		if ((cmdline[i] < ' ' || cmdline[i] > '~') &&
		    !(with_blanks && is_blank(cmdline[i])))
			return fault_refuse(reterr,
					    "command line: offset %zu: not a "
					    "printable ASCII character",
					    i);
	if (strlen(cmdline) > CMDLINE_MAX)
		return fault_refuse(reterr,
				    "command line: longer than %d bytes",
				    CMDLINE_MAX);
	return 0;
}

static int make_cmdline(struct parts *p, struct fault *reterr)
{
	const bool is_blob = !p->cmdline_option && p->own[2] &&
			     is_there(p->own[2]);

	if (p->cmdline_option && p->cmdline_section)
		return fault_usage(reterr, "either --cmdline or "
					   "--cmdline-section, not both");
	/* As it stands, whatever that is. */
	if (p->cmdline_section)
		return content_slurp_path(p->cmdline_section, TEXT_MAX,
					  &p->cmdline, &p->cmdline_len,
					  reterr) < 0 ?
			       fault_prefix(reterr, "--cmdline-section") :
			       0;
	if ((is_blob ?
		     read_blob_cmdline(p->own[2], &p->cmdline, reterr) :
		     parts_read_text(p->cmdline_option ? p->cmdline_option :
							 cmdlines[p->eif_arch],
				     &p->cmdline, reterr)) < 0)
		return -1;
	p->cmdline_len = strlen(p->cmdline);
	return check_cmdline(p->cmdline, is_blob, reterr);
}

/*
 * The program NAME beside mkeif, as it is built, or as it is installed, to *RET, the last
 * place that was looked at. Whether it is there, or -1.
 */
static int find_beside(const struct parts *p, const char *name, char **ret,
		       struct fault *reterr)
{
	static const char *const where[] = { "", "/../lib/enclave-init" };
	char exe[4096];
	ssize_t n;
	char *slash;

	n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	if (n >= 0)
		exe[n] = '\0';
	else if (!realpath((const char *)getauxval(AT_EXECFN), exe))
		return fault_system(reterr, errno, "mkeif");
	slash = strrchr(exe, '/');
	if (slash)
		*slash = '\0';
	for (size_t i = 0; i < sizeof(where) / sizeof(where[0]); i++) {
		free(*ret);
		if (asprintf(ret, "%s%s/%s/%s", exe, where[i],
			     eif_arch_name(p->eif_arch), name) < 0) {
			*ret = NULL;
			return out_of_memory(reterr);
		}
		if (access(*ret, F_OK) == 0)
			return 1;
	}
	return 0;
}

static int find_init(struct parts *p, struct fault *reterr)
{
	int r;

	if (p->init_file.path) {
		p->init_file.option = "--init";
		return 0;
	}
	r = find_beside(p, "init", &p->own[3], reterr);
	if (r < 0)
		return -1;
	if (r == 0)
		return fault_refuse(reterr,
				    "no init for %s is beside mkeif (%s): "
				    "build it, or name one by --init",
				    eif_arch_name(p->eif_arch), p->own[3]);
	p->init_file.path = p->own[3];
	return 0;
}

static int find_relay(struct parts *p, struct fault *reterr)
{
	int r;

	if (p->relay_file.path) {
		p->relay_file.option = "--relay";
		return 0;
	}
	r = find_beside(p, "relay", &p->own[4], reterr);
	if (r < 0)
		return -1;
	if (r == 0)
		return fault_refuse(reterr,
				    "the configuration needs relay, and none "
				    "for %s is beside mkeif (%s), nor is it "
				    "in the image as " INSIDE_IMAGE_PATH
				    ": build it, or name one by --relay",
				    eif_arch_name(p->eif_arch), p->own[4]);
	p->relay_file.path = p->own[4];
	return 0;
}

/* There is nothing that could load it when it is started. */
static int open_static(const struct parts *p, struct part *f, const char *what,
		       struct fault *reterr)
{
	char loader[PATH_MAX];

	if (part_open(f, reterr) < 0 ||
	    elf_check_program(f->path, &f->content, p->eif_arch, reterr) < 0 ||
	    elf_find_loader(f->path, &f->content, loader, reterr) < 0)
		return -1;
	if (*loader)
		return fault_refuse(reterr,
				    "%s: %s has to be static, this one "
				    "asks for %s",
				    f->path, what, loader);
	return 0;
}

static int open_init(struct parts *p, struct fault *reterr)
{
	uint64_t at;
	int r;

	if (open_static(p, &p->init_file, "an init", reterr) < 0)
		return -1;
	/* Ours reads that file, and so has its name. */
	r = kernel_search(&p->init_file.content, "enclave-init.conf", &at,
			  reterr);
	if (r < 0)
		return fault_prefix(reterr, "%s", p->init_file.path);
	p->init_is_ours = r > 0;
	return 0;
}

int parts_find_relay(struct parts *p, struct fault *reterr)
{
	if (find_relay(p, reterr) < 0 ||
	    open_static(p, &p->relay_file, "relay", reterr) < 0)
		return -1;
	p->has_relay = true;
	return 0;
}

/* --- the boot ramdisk --- */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

const char *parts_module_name(const struct part *module, size_t *ret_len)
{
	static const char *const packed[] = { ".gz", ".xz", ".zst" };
	const char *name = base_name(module->path);
	size_t len = strlen(name), n;

	for (size_t i = 0; i < sizeof(packed) / sizeof(packed[0]); i++) {
		n = strlen(packed[i]);
		if (len > n && strcmp(name + len - n, packed[i]) == 0) {
			len -= n;
			break;
		}
	}
	*ret_len = len;
	return name;
}

/* The part keeps the file, that it is closed. */
static int open_module(struct parts *p, struct part *f, struct fault *reterr)
{
	struct content c;

	if (part_open(f, reterr) < 0)
		return -1;
	c = f->content;
	if (kernel_unpack_module(f->path, &c, &p->spool, reterr) < 0 ||
	    kernel_check_module(f->path, &c, &p->kernel, reterr) < 0)
		return -1;
	if (c.fd != f->content.fd) {
		part_close(f);
		f->content = c;
		f->is_spooled = true;
	}
	return 0;
}

static int add_modules(struct parts *p, struct tree *boot, struct spool *spool,
		       struct fault *reterr)
{
	struct buffer order = { 0 };
	uint64_t from = spool->len;
	struct content c;
	const char *at;
	char *name;
	size_t len;
	int r = -1;

	for (size_t i = 0; i < p->modules.count; i++) {
		struct part *f = &p->modules.items[i];

		at = parts_module_name(f, &len);
		name = strndup(at, len);
		if (!name) {
			(void)out_of_memory(reterr);
			goto out;
		}
		r = ramdisk_add_file(boot, name, 0755, &f->content, reterr);
		free(name);
		if (r < 0 || buffer_add(&order, at, len, reterr) < 0 ||
		    buffer_add(&order, "\n", 1, reterr) < 0) {
			r = -1;
			goto out;
		}
	}
	/* nsm.ko alone is what every init loads. */
	r = 0;
	if (order.len == 0 || strcmp(order.data, "nsm.ko\n") == 0)
		goto out;
	r = -1;
	if (spool_append(spool, order.data, order.len, reterr) < 0)
		goto out;
	c = spool_content(spool, from);
	r = ramdisk_add_file(boot, "modules_load_order", 0644, &c, reterr);
out:
	buffer_free(&order);
	return r;
}

/* DEST=SRC[:MODE]; SRC may have a colon where no octal number follows it. */
static int split_boot_file(const struct part *f, char **ret_dest,
			   char **ret_src, unsigned *ret_mode,
			   struct fault *reterr)
{
	char *dest = strdup(f->path), *src, *colon, *end;
	unsigned long mode = BOOT_MODE;

	if (!dest)
		return out_of_memory(reterr);
	src = strchr(dest, '=');
	if (!src || src == dest || src[1] == '\0') {
		(void)fault_usage(reterr,
				  "%s: %s: not DEST=FILE or DEST=FILE:MODE",
				  f->option, dest);
		free(dest);
		return -1;
	}
	*src++ = '\0';
	colon = strrchr(src, ':');
	if (colon && colon[1] &&
	    strspn(colon + 1, "01234567") == strlen(colon + 1)) {
		mode = strtoul(colon + 1, &end, 8);
		if (mode > 07777) {
			(void)fault_usage(reterr, "%s: %s: no mode", f->option,
					  colon + 1);
			free(dest);
			return -1;
		}
		*colon = '\0';
	}
	if (*dest == '/')
		memmove(dest, dest + 1, strlen(dest));
	*ret_dest = dest;
	*ret_src = src;
	*ret_mode = (unsigned)mode;
	return 0;
}

int parts_boot_file(const struct part *file, char **ret_dest,
		    unsigned *ret_mode, struct fault *reterr)
{
	char *src;

	return split_boot_file(file, ret_dest, &src, ret_mode, reterr);
}

bool parts_has_boot_file(const struct parts *p, const char *name)
{
	const size_t len = strlen(name);
	const char *dest;

	for (size_t i = 0; i < p->boot_files.count; i++) {
		dest = p->boot_files.items[i].path;
		dest += *dest == '/';
		if (strncmp(dest, name, len) == 0 && dest[len] == '=')
			return true;
	}
	return false;
}

/* Our init prefers it to the image's own. */
static int check_conf(const struct parts *p, const struct content *c,
		      const char *dest, const char *src, struct fault *reterr)
{
	char *text;
	int r;

	if (!p->init_is_ours || strcmp(dest, "enclave-init.conf") != 0)
		return 0;
	if (content_slurp(c, TEXT_MAX, src, &text, reterr) < 0)
		return -1;
	r = app_check_conf(text, (size_t)c->len, src, reterr);
	free(text);
	return r;
}

int parts_open_boot_file(const struct parts *p, struct part *f, char **ret_dest,
			 uint32_t *ret_mode, struct fault *reterr)
{
	char *dest, *src;
	unsigned mode;
	int r;

	if (split_boot_file(f, &dest, &src, &mode, reterr) < 0)
		return -1;
	/* DEST is moved within its bytes: SRC is where it was. */
	r = part_open_path(f, src, reterr);
	if (r == 0)
		r = check_conf(p, &f->content, dest, src, reterr);
	if (r < 0) {
		free(dest);
		return fault_prefix(reterr, "%s", f->option);
	}
	*ret_dest = dest;
	*ret_mode = mode;
	return 0;
}

static int add_boot_file(struct part *f, struct tree *boot,
			 struct fault *reterr)
{
	unsigned mode;
	char *dest;
	int r;

	if (parts_boot_file(f, &dest, &mode, reterr) < 0)
		return -1;
	r = ramdisk_add_file(boot, dest, mode, &f->content, reterr);
	free(dest);
	return r;
}

static int open_files(const struct parts *p, struct part_list *list,
		      struct fault *reterr)
{
	uint32_t mode;

	for (size_t i = 0; i < list->count; i++) {
		char *dest = NULL;

		if (parts_open_boot_file(p, &list->items[i], &dest, &mode,
					 reterr) < 0)
			return -1;
		free(dest);
	}
	return 0;
}

int parts_open_boot(struct parts *p, struct fault *reterr)
{
	if (p->boot_is_open)
		return 0;
	if (p->modules.count && spool_open(&p->spool, reterr) < 0)
		return -1;
	for (size_t i = 0; i < p->modules.count; i++)
		if (open_module(p, &p->modules.items[i], reterr) < 0)
			return -1;
	if (open_files(p, &p->boot_files, reterr) < 0 ||
	    open_files(p, &p->files, reterr) < 0)
		return -1;
	p->boot_is_open = true;
	return 0;
}

/* In place of what is there, also at the end of a link. */
static int put_file(const struct part *f, struct tree *tree,
		    struct fault *reterr)
{
	struct tree_inode in = { .content = f->content };
	struct tree_node *dir = tree_root(tree);
	unsigned mode;
	char *dest, *name;
	int r = -1;

	if (parts_boot_file(f, &dest, &mode, reterr) < 0)
		return -1;
	in.mode = S_IFREG | mode;
	name = strrchr(dest, '/');
	if (ramdisk_check_path(dest, reterr) < 0)
		goto out;
	if (name) {
		*name = '\0';
		if (tree_make_dirs(tree, dest, FILES_LAYER, &dir, reterr) < 0)
			goto out;
	}
	r = tree_put(tree, dir, name ? name + 1 : dest, &in, FILES_LAYER, NULL,
		     reterr);
out:
	free(dest);
	return r < 0 ? fault_prefix(reterr, "%s", f->option) : 0;
}

int parts_add_files(const struct parts *p, struct tree *tree,
		    struct fault *reterr)
{
	for (size_t i = 0; i < p->files.count; i++)
		if (put_file(&p->files.items[i], tree, reterr) < 0)
			return -1;
	return 0;
}

int parts_write_boot(struct parts *p, struct tree *boot,
		     const struct ramdisk_options *o, struct eif_writer *w,
		     struct fault *reterr)
{
	struct spool spool = SPOOL_NONE;
	int r = -1;

	if (parts_open_boot(p, reterr) < 0 || spool_open(&spool, reterr) < 0 ||
	    ramdisk_add_file(boot, "init", 0755, &p->init_file.content,
			     reterr) < 0 ||
	    (p->has_relay &&
	     ramdisk_add_file(boot, "relay", 0755, &p->relay_file.content,
			      reterr) < 0) ||
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

static int check_boot_file(const struct part *f, const struct output *output,
			   struct fault *reterr)
{
	char *dest, *src;
	unsigned mode;
	int r;

	if (split_boot_file(f, &dest, &src, &mode, reterr) < 0)
		return -1;
	r = output_check_input(output, "a boot file", src, reterr);
	free(dest);
	return r;
}

int parts_check_output(const struct parts *p, const struct output *output,
		       struct fault *reterr)
{
	const char *option = p->cmdline_option;
	const struct {
		const char *what, *path;
	} files[] = {
		{ "the kernel", p->kernel_file.path },
		{ "the init", p->init_file.path },
		{ "relay", p->relay_file.path },
		{ "the command line", p->cmdline_section },
		{ "the command line",
		  option && *option == '@' ? option + 1 : NULL },
		{ "the command line", p->own[2] },
	};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (output_check_input(output, files[i].what, files[i].path,
				       reterr) < 0)
			return -1;
	for (size_t i = 0; i < p->modules.count; i++)
		if (output_check_input(output, "a module",
				       p->modules.items[i].path, reterr) < 0)
			return -1;
	for (size_t i = 0; i < p->boot_files.count; i++)
		if (check_boot_file(&p->boot_files.items[i], output, reterr) <
		    0)
			return -1;
	for (size_t i = 0; i < p->files.count; i++)
		if (check_boot_file(&p->files.items[i], output, reterr) < 0)
			return -1;
	return 0;
}

int parts_take_time(const char *option, const char *text, uint32_t *ret,
		    struct fault *reterr)
{
	char *end;
	long long n;

	errno = 0;
	n = strtoll(text, &end, 10);
	if (errno || *end || *text < '0' || *text > '9' || n > UINT32_MAX)
		return fault_usage(reterr,
				   "%s: %s: not seconds from 0 to 4294967295",
				   option, text);
	*ret = (uint32_t)n;
	return 0;
}

int parts_find_time(uint32_t *ret, struct fault *reterr)
{
	const char *text = getenv("SOURCE_DATE_EPOCH");

	*ret = 0;
	if (!text || *text == '\0')
		return 0;
	return parts_take_time("SOURCE_DATE_EPOCH", text, ret, reterr);
}

int parts_find_init(struct parts *p, struct fault *reterr)
{
	return find_init(p, reterr) < 0 ? -1 : open_init(p, reterr);
}

int parts_find(struct parts *p, struct fault *reterr)
{
	if (take_arch(p, reterr) < 0 || find_kernel(p, reterr) < 0 ||
	    open_kernel(p, reterr) < 0 || make_cmdline(p, reterr) < 0)
		return -1;
	return p->has_ramdisks ? 0 : parts_find_init(p, reterr);
}

void parts_close(struct parts *p)
{
	part_list_close(&p->modules);
	part_list_close(&p->boot_files);
	part_list_close(&p->files);
	part_close(&p->kernel_file);
	part_close(&p->init_file);
	part_close(&p->relay_file);
	spool_close(&p->spool);
	free(p->cmdline);
	for (size_t i = 0; i < sizeof(p->own) / sizeof(p->own[0]); i++)
		free(p->own[i]);
}
