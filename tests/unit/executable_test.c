/*
 * One root with programs that run and such that do not: in a chroot, where init looks for
 * them and the kernel executes them, and as the tree of an image, which mkeif checks. The
 * three must agree.
 */

#include "init/spec/executable.h"

#include <elf.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "init/program.h"
#include "init/spec/config.h"
#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/tree.h"
#include "rootfs/pack/image/app.h"
#include "rootfs/pack/image/check.h"
#include "tests/unit/temp.h"

#ifdef __x86_64__
enum { OWN = EM_X86_64, OTHER = EM_AARCH64 };
#define ARCH EIF_X86_64
#else
enum { OWN = EM_AARCH64, OTHER = EM_X86_64 };
#define ARCH EIF_AARCH64
#endif

enum { PHDRS = 80, VADDR = 0x400000 };

static struct image image;
static struct fault fault;

/* --- the root -------------------------------------------------------------------- */

static struct tree_node *folder_of(const char *path)
{
	char dir[100];
	struct tree_node *ret;

	(void)snprintf(dir, sizeof(dir), "%s", path);
	*strrchr(dir, '/') = '\0';
	if (*dir == '\0')
		return tree_root(image.tree);
	(void)mkdir(dir + 1, 0755);
	REQUIRE(tree_make_dirs(image.tree, dir, 1, &ret, &fault) == 0);
	return ret;
}

static void add(const char *path, const void *data, size_t len, mode_t mode)
{
	struct tree_inode inode = { .mode = S_IFREG | mode };
	struct tree_node *folder = folder_of(path);

	inode.content.fd = memfd_create("content", MFD_CLOEXEC);
	inode.content.len = len;
	REQUIRE(inode.content.fd >= 0 &&
		pwrite(inode.content.fd, data, len, 0) == (ssize_t)len);
	REQUIRE(tree_put(image.tree, folder, strrchr(path, '/') + 1, &inode, 1,
			 NULL, &fault) == 0);
	temp_file(path + 1, data, len, mode);
}

static void add_text(const char *path, const char *text)
{
	add(path, text, strlen(text), 0755);
}

/* A program that is loaded as a whole; what it does once it runs is all the same. */
struct elf {
	Elf64_Ehdr eh;
	Elf64_Phdr ph[PHDRS];
	char loader[32];
};

static struct elf elf_of(unsigned type, const char *loader, size_t loader_len)
{
	const uint64_t at = type == ET_EXEC ? VADDR : 0;
	struct elf e = {
		.eh = { .e_ident = ELFMAG,
			.e_type = (Elf64_Half)type,
			.e_machine = OWN,
			.e_version = EV_CURRENT,
			.e_entry = at,
			.e_phoff = offsetof(struct elf, ph),
			.e_ehsize = sizeof(Elf64_Ehdr),
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = 2 },
		.ph = { { .p_type = PT_LOAD,
			  .p_flags = PF_R | PF_X,
			  .p_vaddr = at,
			  .p_filesz = sizeof(e),
			  .p_memsz = sizeof(e),
			  .p_align = 0x10000 },
			{ .p_type = PT_INTERP,
			  .p_offset = offsetof(struct elf, loader),
			  .p_filesz = loader_len } },
	};

	memcpy(e.eh.e_ident, ELFMAG, SELFMAG);
	e.eh.e_ident[EI_CLASS] = ELFCLASS64;
	e.eh.e_ident[EI_DATA] = ELFDATA2LSB;
	e.eh.e_ident[EI_VERSION] = EV_CURRENT;
	if (loader)
		memcpy(e.loader, loader, loader_len);
	else
		e.eh.e_phnum = 1;
	return e;
}

static void add_elf(const char *path, struct elf e)
{
	add(path, &e, sizeof(e), 0755);
}

#define STATIC elf_of(ET_EXEC, NULL, 0)
#define DYNAMIC(loader) elf_of(ET_EXEC, (loader), sizeof(loader))

static void add_damaged(void)
{
	struct elf e = STATIC;

	e.eh.e_machine = OTHER;
	add_elf("/bin/other", e);
	add_elf("/bin/object", elf_of(ET_REL, NULL, 0));
	e = STATIC;
	add("/bin/cut", &e, sizeof(Elf64_Ehdr), 0755);
	add("/bin/magic", &e, SELFMAG, 0755);
	e.eh.e_phnum = 0;
	add_elf("/bin/no-headers", e);
	e.eh.e_phnum = PHDRS;
	e.eh.e_phoff = UINT64_MAX - 8;
	add_elf("/bin/far-headers", e);
	e = STATIC;
	e.eh.e_phentsize = 32;
	add_elf("/bin/odd-headers", e);
	add_elf("/bin/unended", elf_of(ET_EXEC, "/lib/ld", 7));
	add_elf("/bin/nameless", elf_of(ET_EXEC, "", 1));
	e = DYNAMIC("/lib/ld");
	e.ph[1].p_filesz = PATH_MAX + 1;
	add_elf("/bin/endless", e);
	e.ph[1].p_filesz = sizeof("/lib/ld");
	e.ph[1].p_offset = 1 << 20;
	add_elf("/bin/far-loader", e);
	/* More headers than are read at once. */
	e = DYNAMIC("/lib/none");
	e.ph[PHDRS - 1] = e.ph[1];
	for (size_t i = 1; i < PHDRS - 1; i++)
		e.ph[i].p_type = PT_NULL;
	e.eh.e_phnum = PHDRS;
	add_elf("/bin/many", e);
	memcpy(e.loader, "/lib/ld\0", sizeof("/lib/ld"));
	e.ph[PHDRS - 1].p_filesz = sizeof("/lib/ld");
	add_elf("/bin/many-good", e);
}

static void make_root(void)
{
	char path[32], text[32];

	REQUIRE((image.tree = tree_new()));
	add_elf("/bin/sh", STATIC);
	add_elf("/bin/true", STATIC);
	add_elf("/lib/ld", elf_of(ET_DYN, NULL, 0));
	add_text("/lib/text", "#!/bin/true\n");
	add_elf("/bin/dynamic", DYNAMIC("/lib/ld"));
	add_elf("/bin/relative-loader", DYNAMIC("lib/ld"));
	add_elf("/bin/lost", DYNAMIC("/lib/none"));
	add_elf("/bin/by-script", DYNAMIC("/lib/text"));
	add_damaged();

	add_text("/bin/text", "echo\n");
	add_text("/bin/empty", "");
	add("/bin/binary", "bin\0ary", 7, 0755);
	add("/bin/plain", "echo\n", 5, 0644);
	add_text("/bin/script", "#!/bin/true\n");
	add_text("/bin/open", "#!/bin/true");
	add_text("/bin/blank", "#! \t/bin/true -e -u\n");
	add_text("/bin/none", "#!\n");
	add_text("/bin/only-blank", "#! \t\n/bin/true\n");
	add_text("/bin/gone", "#!/bin/no\n");
	add_text("/bin/crlf", "#!/bin/true\r\n");
	add_text("/bin/of-folder", "#!/bin\n");
	add_text("/bin/of-plain", "#!/bin/plain\n");
	add_text("/bin/relative", "#!bin/true\n");
	add_text("/bin/relative-gone", "#!true\n");
	add_text("/bin/of-text", "#!/bin/text\n");
	add_text("/bin/of-binary", "#!/bin/binary\n");
	add_text("/bin/of-lost", "#!/bin/lost\n");
	add_text("/bin/of-other", "#!/bin/other\n");
	add_text("/bin/s1", "#!/bin/dynamic\n");
	for (int i = 2; i <= 7; i++) {
		(void)snprintf(path, sizeof(path), "/bin/s%d", i);
		(void)snprintf(text, sizeof(text), "#!/bin/s%d\n", i - 1);
		add_text(path, text);
	}
	add("/a/true", "bin", 3, 0644);
	add_text("/a/both", "#!/bin/no\n");
	add_text("/bin/both", "#!/bin/true\n");
	add_text("/a/folder/x", "");
	add_text("/bin/folder", "#!/bin/true\n");
}

/* --- who looks ------------------------------------------------------------------- */

/* As the child of init does it: finds, executes, and hands a text to the shell. */
static bool init_runs(const char *name, const char *search)
{
	static struct program p;
	char *argv[] = { (char[]){ "sh" }, p.path, NULL }, *envp[] = { NULL };
	int fds[2], status, error = 0;
	pid_t pid;

	if (program_find(name, search, &p) < 0)
		return false;
	REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
	pid = fork();
	REQUIRE(pid >= 0);
	if (pid == 0) {
		(void)setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
		(void)execve(p.path, argv + 1, envp);
		error = errno;
		if (error == ENOEXEC && p.kind == EXECUTABLE_TEXT) {
			(void)execve(EXECUTABLE_SHELL, argv, envp);
			error = errno;
		}
		(void)!write(fds[1], &error, sizeof(error));
		_exit(127);
	}
	close(fds[1]);
	(void)!read(fds[0], &error, sizeof(error));
	close(fds[0]);
	(void)waitpid(pid, &status, 0);
	/* What init would say is missing was. */
	if (p.missing < 0)
		CHECK(error != 0);
	return error == 0;
}

static bool mkeif_takes(const char *name, const char *search)
{
	char path[200], program[100], *variables[] = { path };
	struct config *c = malloc(sizeof(*c));
	struct app app = { .config = c, .program = program };
	bool good;

	REQUIRE(c);
	config_defaults(c);
	(void)snprintf(program, sizeof(program), "%s", name);
	(void)snprintf(path, sizeof(path), "PATH=%s", search);
	image.env = (struct strings){ .items = variables, .count = 1 };
	good = check_image(&image, &app, ARCH, &fault) == 0;
	image.env = (struct strings){ 0 };
	free(c);
	return good;
}

/* --- the table ------------------------------------------------------------------- */

static const struct {
	const char *name;
	bool runs;
} cases[] = {
	{ "true", true },
	{ "dynamic", true },
	{ "relative-loader", true },
	{ "many-good", true },
	{ "lost", false },
	{ "by-script", false },
	{ "other", false },
	{ "object", false },
	{ "cut", false },
	{ "magic", false },
	{ "no-headers", false },
	{ "far-headers", false },
	{ "odd-headers", false },
	{ "unended", false },
	{ "nameless", false },
	{ "endless", false },
	{ "far-loader", false },
	{ "many", false },

	{ "text", true },
	{ "empty", true },
	{ "binary", false },
	{ "script", true },
	{ "open", true },
	{ "blank", true },
	{ "none", true },
	{ "only-blank", true },
	{ "gone", false },
	{ "crlf", false },
	{ "of-folder", false },
	{ "of-plain", false },
	{ "relative", true },
	{ "relative-gone", false },
	{ "of-text", false },
	{ "of-binary", false },
	{ "of-lost", false },
	{ "of-other", false },
	{ "s5", true },
	{ "s6", false },
	{ "s7", false },

	{ "plain", false },
	{ "nothing", false },
	{ "both", false }, /* the first in PATH */
	{ "folder", true },
	{ "/bin/true", true },
	{ "bin/true", true },
	{ "./bin/true", true },
	{ "/a/true", false },
	{ "/bin", false },
	{ "/bin/true/x", false },
	{ "a/folder", false },
};

static void enter_root(void)
{
	if (!temp_enter_root())
		REQUIRE(unshare(CLONE_NEWUSER) == 0 && chroot(".") == 0);
	make_root();
}

static void check_both(const char *name, const char *search, bool runs)
{
	if (init_runs(name, search) != runs)
		CHECK_FAIL("init: %s in %s", name, search);
	if (mkeif_takes(name, search) != runs)
		CHECK_FAIL("mkeif: %s in %s: %s", name, search, fault.text);
}

TEST(mkeif_refuses_what_init_refuses)
{
	enter_root();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_both(cases[i].name, "/none:/a:/bin", cases[i].runs);
	temp_leave_root();
}

TEST(an_empty_path_is_the_working_directory)
{
	enter_root();
	check_both("true", "", false);
	check_both("true", ":/bin", true);
	check_both("true", "bin", true);
	check_both("true", "/a:", false);
	check_both("true", "/a", false);
	temp_leave_root();
}

TEST(a_text_needs_a_shell)
{
	enter_root();
	REQUIRE(unlink("/bin/sh") == 0);
	tree_remove(image.tree, tree_find(image.tree, "/bin/sh", false));
	check_both("text", "/bin", false);
	check_both("empty", "/bin", false);
	check_both("none", "/bin", false);
	check_both("script", "/bin", true);
	add_text("/bin/sh", "#!/bin/true\n");
	check_both("text", "/bin", true);
	add_text("/bin/sh", "echo\n");
	check_both("text", "/bin", false);
	temp_leave_root();
}

CHECK_MAIN("executable")
