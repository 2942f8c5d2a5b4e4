#include "init/modules.h"

#include "init/module.h"
#include "tests/unit/temp.h"

/* --- parameters --- */

static void check_params(const char *cmdline, const char *file,
			 const char *wanted)
{
	char *params = malloc(MODULES_PARAMS_MAX);

	REQUIRE(params);
	memset(params, 'x', MODULES_PARAMS_MAX);
	modules_params(cmdline, file, params);
	CHECK_STR(params, wanted);
	free(params);
}

TEST(parameters_are_those_of_the_module)
{
	check_params("console=ttyS0 nsm.debug=1 quiet\n", "nsm.ko", "debug=1");
	check_params("nsm.a=1 other.b=2 nsm.c=3", "nsm.ko", "a=1 c=3");
	check_params("nsm.flag", "nsm.ko", "flag");
	check_params("a=nsm.b=1 quiet", "nsm.ko", "");
	check_params("", "nsm.ko", "");
	check_params("\n", "nsm.ko", "");
	check_params("  \t nsm.a=1 \t nsm.b=2 \n", "nsm.ko", "a=1 b=2");
}

TEST(the_name_is_the_files_without_folder_and_ending)
{
	check_params("virtio_mmio.device=4K@0xd0000000:5", "virtio_mmio.ko",
		     "device=4K@0xd0000000:5");
	check_params("m.a=1", "/lib/modules/x.y/m.ko", "a=1");
	check_params("m.a=1", "m", "a=1");
	check_params("m.a=1", "m.ko.xz", "a=1");
	check_params("m.a=1", "lib/", "");
}

TEST(dashes_and_underscores_are_alike)
{
	check_params("virtio-mmio.device=1", "virtio_mmio.ko", "device=1");
	check_params("virtio_mmio.device=1", "virtio-mmio.ko", "device=1");
	check_params("a-b_c.d-e=f-g", "a_b-c.ko", "d-e=f-g");
}

TEST(similar_names_are_told_apart)
{
	check_params("nsm2.a=1 ns.b=2 xnsm.c=3 nsmx=4 nsm=5", "nsm.ko", "");
	check_params("nsm.a.b=1", "nsm.ko", "a.b=1");
	check_params("nsm.", "nsm.ko", "");
	check_params("nsm", "nsm.ko", "");
	check_params("NSM.a=1", "nsm.ko", "");
}

TEST(quotes_keep_blanks_together)
{
	check_params("nsm.a=\"1 2\" nsm.b=3", "nsm.ko", "a=\"1 2\" b=3");
	check_params("x=\"nsm.a=1 nsm.b=2\" nsm.c=3", "nsm.ko", "c=3");
	check_params("nsm.a=\"1 2", "nsm.ko", "a=\"1 2");
}

TEST(parameters_never_outgrow_their_buffer)
{
	char cmdline[3 * MODULES_PARAMS_MAX];
	size_t len, at;

	for (len = MODULES_PARAMS_MAX - 8; len < MODULES_PARAMS_MAX + 8;
	     len++) {
		char *params = malloc(MODULES_PARAMS_MAX);

		REQUIRE(params);
		at = (size_t)sprintf(cmdline, "m.a=1 m.");
		memset(cmdline + at, 'v', len);
		cmdline[at + len] = '\0';
		modules_params(cmdline, "m.ko", params);
		CHECK(strncmp(params, "a=1", 3) == 0);
		/* Whole or not at all. */
		CHECK(strlen(params) == 3 || strlen(params) == 4 + len);
		free(params);
	}
}

/* --- loading --- */

static struct {
	char calls[512]; /* "params;..." */
	int results[8], n;
} seam;

static char told_text[1024];

int module_insert(int fd, const char *params)
{
	char content[64] = "";

	CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	CHECK(read(fd, content, sizeof(content) - 1) >= 0);
	strcat(seam.calls, content);
	strcat(seam.calls, "(");
	strcat(seam.calls, params);
	strcat(seam.calls, ");");
	return seam.results[seam.n++];
}

static void told(void *ctx, const char *file, int r)
{
	char one[128];

	CHECK(ctx == &seam);
	(void)snprintf(one, sizeof(one), "%s=%d;", file, r);
	strcat(told_text, one);
}

static void check_load(int r, const char *calls, const char *what_was_told)
{
	CHECK_INT(modules_load(told, &seam), r);
	CHECK_STR(seam.calls, calls);
	CHECK_STR(told_text, what_was_told);
	temp_leave();
}

TEST(without_a_list_it_is_nsm_ko)
{
	temp_enter();
	temp_text("nsm.ko", "NSM", 0644);
	check_load(0, "NSM();", "nsm.ko=0;");
}

TEST(nothing_there_is_fine)
{
	temp_enter();
	check_load(0, "", "");
}

TEST(the_list_is_loaded_in_its_order)
{
	temp_enter();
	REQUIRE(mkdir("lib", 0755) == 0);
	temp_text("nsm.ko", "NSM", 0644);
	temp_text("lib/b.ko", "B", 0644);
	temp_text("a.ko", "A", 0644);
	temp_text("modules_load_order",
		  "lib/b.ko\n\n  \r\na.ko \r\nabsent.ko\nnsm.ko", 0644);
	check_load(0, "B();A();NSM();", "lib/b.ko=0;a.ko=0;nsm.ko=0;");
}

TEST(an_empty_list_loads_nothing)
{
	temp_enter();
	temp_text("nsm.ko", "NSM", 0644);
	temp_text("modules_load_order", "", 0644);
	check_load(0, "", "");
}

TEST(loaded_before_and_built_in_are_fine)
{
	temp_enter();
	temp_text("a.ko", "A", 0644);
	temp_text("b.ko", "B", 0644);
	temp_text("modules_load_order", "a.ko\nb.ko\n", 0644);
	seam.results[0] = -EEXIST;
	seam.results[1] = -EBUSY;
	check_load(0, "A();B();", "a.ko=0;b.ko=0;");
}

TEST(one_that_fails_does_not_keep_the_others_back)
{
	temp_enter();
	temp_text("a.ko", "A", 0644);
	temp_text("b.ko", "B", 0644);
	temp_text("c.ko", "C", 0644);
	temp_text("modules_load_order", "a.ko\nb.ko\nc.ko\n", 0644);
	seam.results[1] = -ENOEXEC;
	check_load(-ENOEXEC, "A();B();C();", "a.ko=0;b.ko=-8;c.ko=0;");
}

TEST(a_list_that_cannot_be_read_is_an_error)
{
	char *text = malloc(MODULES_ORDER_MAX + 1);

	REQUIRE(text);
	memset(text, '\n', MODULES_ORDER_MAX + 1);
	temp_enter();
	temp_file("modules_load_order", text, MODULES_ORDER_MAX + 1, 0644);
	free(text);
	check_load(-EFBIG, "", "modules_load_order=-27;");

	told_text[0] = '\0';
	temp_enter();
	REQUIRE(mkdir("modules_load_order", 0755) == 0);
	check_load(-EISDIR, "", "modules_load_order=-21;");
}

CHECK_MAIN("modules")
