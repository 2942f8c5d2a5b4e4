#include "init/program.h"

#include <elf.h>

#include "init/text.h"
#include "tests/unit/temp.h"

#ifdef __x86_64__
enum { OWN = EM_X86_64, OTHER = EM_AARCH64 };
#define OWN_NAME "x86-64"
#define OTHER_NAME "aarch64"
#else
enum { OWN = EM_AARCH64, OTHER = EM_X86_64 };
#define OWN_NAME "aarch64"
#define OTHER_NAME "x86-64"
#endif

/* --- kinds --- */

#define KIND(bytes) executable_kind_of((bytes), sizeof(bytes) - 1)

TEST(kinds_are_told_by_the_first_bytes)
{
	CHECK_INT(KIND("\177ELF\2\1\1"), EXECUTABLE_ELF);
	CHECK_INT(KIND("\177ELF"), EXECUTABLE_ELF);
	CHECK_INT(KIND("#!/bin/sh\n"), EXECUTABLE_SCRIPT);
	CHECK_INT(KIND("#!sh"), EXECUTABLE_SCRIPT);
	CHECK_INT(KIND("echo hello\n"), EXECUTABLE_TEXT);
	CHECK_INT(KIND("# no interpreter\n"), EXECUTABLE_TEXT);
	CHECK_INT(KIND("#!"), EXECUTABLE_TEXT);
	CHECK_INT(KIND("#! \t\necho\n"), EXECUTABLE_TEXT);
	CHECK_INT(KIND("\xef\xbb\xbf#!/bin/sh\n"), EXECUTABLE_TEXT);
	CHECK_INT(KIND(""), EXECUTABLE_TEXT);
	CHECK_INT(KIND("\177EL"), EXECUTABLE_TEXT);
	CHECK_INT(KIND("#"), EXECUTABLE_TEXT);
	CHECK_INT(KIND("\0"), EXECUTABLE_OTHER);
	CHECK_INT(KIND("MZ\0\0"), EXECUTABLE_OTHER);
	CHECK_INT(KIND("text\0"), EXECUTABLE_OTHER);
}

TEST(kinds_look_at_256_bytes)
{
	char head[300];

	memset(head, 'x', sizeof(head));
	head[256] = '\0';
	CHECK_INT(executable_kind_of(head, sizeof(head)), EXECUTABLE_TEXT);
	head[255] = '\0';
	CHECK_INT(executable_kind_of(head, sizeof(head)), EXECUTABLE_OTHER);
	CHECK_INT(executable_kind_of(head, 255), EXECUTABLE_TEXT);
}

/* --- finding --- */

static void enter_with_programs(void)
{
	temp_enter();
	REQUIRE(mkdir("a", 0755) == 0 && mkdir("b", 0755) == 0 &&
		mkdir("b/dir", 0755) == 0 && mkdir("a/both", 0755) == 0);
	temp_text("a/first", "#!/bin/sh\n", 0755);
	temp_text("b/first", "text", 0755);
	temp_text("b/second", "\177ELF", 0755);
	temp_text("a/plain", "text", 0644);
	temp_text("b/both", "text", 0755);
	temp_text("here", "bin\0ary", 0755);
	temp_file("zero", "a\0b", 3, 0711);
}

static void check_find(const char *name, const char *search, int r,
		       const char *path, enum executable_kind kind)
{
	struct program *p = malloc(sizeof(*p));

	REQUIRE(p);
	if (CHECK_INT(program_find(name, search, p), r) && r == 0) {
		CHECK_STR(p->path, path);
		CHECK_INT(p->kind, kind);
	}
	free(p);
}

TEST(path_is_searched_in_its_order)
{
	enter_with_programs();
	check_find("first", "a:b", 0, "a/first", EXECUTABLE_SCRIPT);
	check_find("first", "b:a", 0, "b/first", EXECUTABLE_TEXT);
	check_find("second", "a:b", 0, "b/second", EXECUTABLE_ELF);
	check_find("second", "nowhere:a:zero:b", 0, "b/second", EXECUTABLE_ELF);
	check_find("second", "a", -ENOENT, NULL, 0);
	temp_leave();
}

TEST(an_empty_part_of_path_is_the_working_directory)
{
	enter_with_programs();
	check_find("here", "", 0, "here", EXECUTABLE_TEXT);
	check_find("zero", ":a", 0, "zero", EXECUTABLE_OTHER);
	check_find("here", "a:", 0, "here", EXECUTABLE_TEXT);
	check_find("here", "a::b", 0, "here", EXECUTABLE_TEXT);
	check_find("here", "a:b", -ENOENT, NULL, 0);
	temp_leave();
}

TEST(what_is_no_executable_file_is_passed_over)
{
	enter_with_programs();
	check_find("both", "a:b", 0, "b/both", EXECUTABLE_TEXT);
	/* and remembered */
	check_find("plain", "a:b", -EACCES, NULL, 0);
	check_find("dir", "a:b", -EACCES, NULL, 0);
	temp_leave();
}

TEST(a_name_with_a_slash_is_not_searched)
{
	char path[PATH_MAX];

	enter_with_programs();
	check_find("b/second", "a", 0, "b/second", EXECUTABLE_ELF);
	check_find("./here", "a", 0, "./here", EXECUTABLE_TEXT);
	(void)snprintf(path, sizeof(path), "%s/b/second", temp_path);
	check_find(path, "a", 0, path, EXECUTABLE_ELF);
	check_find("a/second", "b", -ENOENT, NULL, 0);
	check_find("a/plain", "", -EACCES, NULL, 0);
	check_find("./b", "", -EACCES, NULL, 0);
	check_find("here/x", "", -ENOTDIR, NULL, 0);
	temp_leave();
}

TEST(names_too_long_are_refused)
{
	char name[PATH_MAX + 1], search[PATH_MAX + 8];

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	check_find(name, "", -ENOENT, NULL, 0);
	name[0] = '/';
	check_find(name, "", -ENAMETOOLONG, NULL, 0);
	/* A directory too long hides none of the others. */
	enter_with_programs();
	memset(search, 'd', PATH_MAX);
	strcpy(search + PATH_MAX, ":b");
	check_find("second", search, 0, "b/second", EXECUTABLE_ELF);
	for (size_t len = PATH_MAX - 10; len < PATH_MAX; len++) {
		search[len] = '\0';
		check_find("second", search, -ENOENT, NULL, 0);
	}
	temp_leave();
}

/* --- explaining --- */

static void elf(const char *path, int machine, const char *interpreter)
{
	struct {
		Elf64_Ehdr eh;
		Elf64_Phdr ph[2];
		char interp[64];
	} f = {
		.eh = { .e_ident = ELFMAG,
			.e_type = ET_DYN,
			.e_machine = (Elf64_Half)machine,
			.e_phoff = sizeof(Elf64_Ehdr),
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = 2 },
		.ph = { { .p_type = PT_LOAD },
			{ .p_type = PT_INTERP,
			  .p_offset = sizeof(Elf64_Ehdr) +
				      2 * sizeof(Elf64_Phdr) } },
	};

	f.eh.e_ident[EI_CLASS] = ELFCLASS64;
	f.eh.e_ident[EI_DATA] = ELFDATA2LSB;
	if (interpreter) {
		(void)snprintf(f.interp, sizeof(f.interp), "%s", interpreter);
		f.ph[1].p_filesz = strlen(interpreter) + 1;
	} else {
		f.eh.e_phnum = 1;
	}
	temp_file(path, &f, sizeof(f), 0755);
}

static void check_why(const char *path, int r, const char *wanted)
{
	struct program *p = malloc(sizeof(*p));
	struct text why;

	REQUIRE(p);
	REQUIRE(program_find(path, "", p) == 0);
	text_clear(&why);
	program_explain(p, r, &why);
	CHECK_STR(text_string(&why), wanted);
	free(p);
}

TEST(another_architecture_is_named)
{
	temp_enter();
	elf("./p", OTHER, NULL);
	check_why("./p", -ENOEXEC,
		  "an ELF file for " OTHER_NAME ", this machine is " OWN_NAME);
	elf("./p", EM_RISCV, NULL);
	check_why("./p", -ENOEXEC,
		  "an ELF file for riscv, this machine is " OWN_NAME);
	elf("./p", 4711, NULL);
	check_why(
		"./p", -ENOEXEC,
		"an ELF file for machine type 4711, this machine is " OWN_NAME);
	/* big-endian, as s390's is */
	temp_file("./p", "\177ELF\2\2\1\0\0\0\0\0\0\0\0\0\0\3\0\26", 20, 0755);
	check_why("./p", -ENOEXEC,
		  "an ELF file for s390, this machine is " OWN_NAME);
	temp_leave();
}

TEST(a_damaged_program_is_said)
{
	temp_enter();
	elf("./p", OWN, NULL);
	check_why("./p", -ENOEXEC, "a damaged ELF file");
	temp_file("./p", "\177ELF\2\1", 6, 0755);
	check_why("./p", -ENOEXEC, "a damaged ELF file");
	temp_file("./p", "bin\0ary", 7, 0755);
	check_why("./p", -ENOEXEC,
		  "neither a program nor a script (binary data, no ELF "
		  "header)");
	temp_leave();
}

TEST(a_missing_interpreter_is_named)
{
	static const char no_ld[] =
		"its interpreter /no/such/ld.so cannot be run: No such file or "
		"directory";
	static const char no_sh[] =
		"its interpreter /no/such/sh cannot be run: No such file or "
		"directory";

	temp_enter();
	elf("./p", OWN, "/no/such/ld.so");
	check_why("./p", -ENOENT, no_ld);
	temp_text("./p", "#!/no/such/sh\n", 0755);
	check_why("./p", -ENOENT, no_sh);
	temp_text("./p", "#! \t /no/such/sh -e -u\n", 0755);
	check_why("./p", -ENOENT, no_sh);
	temp_text("./p", "#!/no/such/sh", 0755); /* no newline */
	check_why("./p", -ENOENT, no_sh);
	temp_text("./p", "#!/etc\n", 0755);
	check_why("./p", -EACCES,
		  "its interpreter /etc cannot be run: Permission denied");
	/* As from Windows: the carriage return belongs to the name. */
	temp_text("./p", "#!/bin/sh\r\n", 0755);
	check_why("./p", -ENOENT,
		  "its interpreter /bin/sh\r cannot be run: No such file or "
		  "directory (a carriage return at its end)");
	temp_leave();
}

TEST(an_interpreter_that_misses_its_own_is_named)
{
	temp_enter();
	elf("./sh", OWN, "/no/such/ld.so");
	temp_text("./p", "#!./sh -e\n", 0755);
	check_why("./p", -ENOENT,
		  "its interpreter ./sh needs /no/such/ld.so: No such file or "
		  "directory");
	/* A script may be one's interpreter, as s6's with-contenv is. */
	temp_text("./q", "#!./p\n", 0755);
	check_why("./q", -ENOENT,
		  "its interpreter ./sh needs /no/such/ld.so: No such file or "
		  "directory");
	temp_text("./p", "#!/no/such/sh -e\n", 0755);
	check_why("./q", -ENOENT,
		  "its interpreter ./p needs /no/such/sh: No such file or "
		  "directory");
	temp_text("./q", "#!./q\n", 0755);
	check_why("./q", -ENOEXEC, "Exec format error");
	temp_text("./p", "#!./sh -e\n", 0755);
	/* One that is neither program nor anything is no fault of ours. */
	temp_file("./sh", "\177ELF", 4, 0755);
	check_why("./p", -ENOENT, "No such file or directory");
	temp_leave();
}

TEST(what_has_no_fault_of_its_own_is_errno)
{
	temp_enter();
	elf("./p", OWN, NULL);
	check_why("./p", -ENOENT, "No such file or directory");
	check_why("./p", -EACCES, "Permission denied");
	elf("./p", OWN, "/bin/sh");
	check_why("./p", -ENOMEM, strerror(ENOMEM));
	temp_text("./p", "#!/bin/sh\n", 0755);
	check_why("./p", -E2BIG, strerror(E2BIG));
	temp_text("./p", "#!\n", 0755);
	check_why("./p", -ENOENT, "No such file or directory");
	temp_text("./p", "echo\n", 0755);
	check_why("./p", -E2BIG, strerror(E2BIG));
	temp_leave();
}

/* Tables of ELF headers that lead anywhere. */
TEST(hostile_headers_are_survived)
{
	unsigned char f[200];
	int fd;

	temp_enter();
	elf("./p", OWN, "/no/such/ld.so");
	fd = open("./p", O_RDWR | O_CLOEXEC);
	REQUIRE(fd >= 0 && read(fd, f, sizeof(f)) == (ssize_t)sizeof(f));
	for (size_t at = 4; at < sizeof(f) && at < 64 + 2 * 56; at++) {
		static const unsigned char values[] = { 0, 1, 0x7f, 0x80,
							0xff };

		for (size_t v = 0; v < sizeof(values); v++) {
			static struct program p;
			unsigned char kept = f[at];
			struct text why;

			f[at] = values[v];
			CHECK(pwrite(fd, f, sizeof(f), 0) > 0);
			strcpy(p.path, "./p");
			program_look(&p);
			text_clear(&why);
			program_explain(&p, -ENOENT, &why);
			CHECK(why.len > 0);
			f[at] = kept;
		}
	}
	close(fd);
	temp_leave();
}

CHECK_MAIN("program")
