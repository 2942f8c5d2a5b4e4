/*
 * Image files: read, measured and written. The images that are read here are made
 * by hand, with a CRC of this file's own; the measurements are Python's hashlib's.
 */

#include "rootfs/pack/eif/eif.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "rootfs/pack/base/fault.h"
#include "tests/unit/check.h"
#include "tests/unit/temp.h"

enum {
	IMAGE_CAP = 8192,
	AT_VERSION = 4,
	AT_FLAGS = 6,
	AT_MEM = 8,
	AT_CPUS = 16,
	AT_RESERVED = 24,
	AT_COUNT = 26,
	AT_OFFSETS = 28,
	AT_SIZES = 284,
	AT_UNUSED = 540,
	AT_CRC = 544,
	PCR_HEX = 2 * EIF_HASH,
};

static struct fault fault;

/* --- an image by hand --- */

struct image {
	uint8_t bytes[IMAGE_CAP];
	size_t len, count;
};

static void put(struct image *m, size_t at, uint64_t value, size_t size)
{
	for (size_t i = 0; i < size; i++)
		m->bytes[at + i] = (uint8_t)(value >> (8 * (size - 1 - i)));
}

/* Bit by bit, as the polynomial says. */
static uint32_t crc_of(const struct image *m)
{
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < m->len; i++) {
		if (i >= AT_CRC && i < EIF_HEADER)
			continue;
		crc ^= m->bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

static void start(struct image *m, unsigned version)
{
	memset(m, 0, sizeof(*m));
	memcpy(m->bytes, ".eif", 4);
	put(m, AT_VERSION, version, 2);
	put(m, AT_MEM, 1 << 30, 8);
	put(m, AT_CPUS, 2, 8);
	m->len = EIF_HEADER;
}

static void add(struct image *m, unsigned type, const char *data)
{
	size_t len = strlen(data);

	REQUIRE(m->len + EIF_SECTION_HEADER + len <= IMAGE_CAP);
	if (m->count < EIF_SECTIONS_MAX) {
		put(m, AT_OFFSETS + 8 * m->count, m->len, 8);
		put(m, AT_SIZES + 8 * m->count, len, 8);
	}
	put(m, AT_COUNT, ++m->count, 2);
	put(m, m->len, type, 2);
	put(m, m->len + 4, len, 8);
	memcpy(m->bytes + m->len + EIF_SECTION_HEADER, data, len);
	m->len += EIF_SECTION_HEADER + len;
}

static void finish(struct image *m)
{
	put(m, AT_CRC, crc_of(m), 4);
}

static const char kernel[] = "kernel", cmdline[] = "console=ttyS0",
		  metadata[] = "{}", one[] = "ramdisk one",
		  two[] = "ramdisk two", three[] = "and three";

/* As nitro-cli orders it. */
static void start_usual(struct image *m)
{
	start(m, 4);
	add(m, EIF_KERNEL, kernel);
	add(m, EIF_CMDLINE, cmdline);
	add(m, EIF_METADATA, metadata);
	add(m, EIF_RAMDISK, one);
	add(m, EIF_RAMDISK, two);
}

static int read_image(const struct image *m, struct eif *ret)
{
	temp_file("x.eif", m->bytes, m->len, 0600);
	memset(&fault, 0, sizeof(fault));
	return eif_open("x.eif", ret, &fault);
}

static void check_refused(const struct image *m, const char *words)
{
	struct eif eif;

	if (!CHECK_INT(read_image(m, &eif), -1)) {
		eif_close(&eif);
		CHECK_FAIL("that was for: %s", words);
		return;
	}
	CHECK_INT(fault.kind, FAULT_REFUSED);
	CHECK_STR(fault.text, words);
	CHECK_INT(eif.fd, -1);
}

static void to_hex(const uint8_t hash[EIF_HASH], char text[PCR_HEX + 1])
{
	for (int i = 0; i < EIF_HASH; i++)
		(void)snprintf(text + 2 * i, 3, "%02x", hash[i]);
}

static void check_hash(const uint8_t hash[EIF_HASH], const char *wanted)
{
	char text[PCR_HEX + 1];

	to_hex(hash, text);
	CHECK_STR(text, wanted);
}

static void check_pcrs(const struct image *m, const char *pcr0,
		       const char *pcr1, const char *pcr2)
{
	struct eif_pcrs pcrs;
	struct eif eif;

	REQUIRE(read_image(m, &eif) == 0);
	REQUIRE(eif_measure(&eif, &pcrs, &fault) == 0);
	check_hash(pcrs.pcr0, pcr0);
	check_hash(pcrs.pcr1, pcr1);
	check_hash(pcrs.pcr2, pcr2);
	CHECK(!pcrs.has_pcr8);
	eif_close(&eif);
}

/* --- reading --- */

TEST(reads_what_header_and_sections_say)
{
	struct image m;
	struct eif eif;
	char data[20];

	temp_enter();
	start_usual(&m);
	put(&m, AT_FLAGS, 1, 2);
	put(&m, AT_MEM, 0x123456789, 8);
	put(&m, AT_CPUS, 7, 8);
	finish(&m);
	REQUIRE(read_image(&m, &eif) == 0);
	CHECK_INT(eif.version, 4);
	CHECK_INT(eif.flags, 1);
	CHECK_INT(eif.arch, EIF_AARCH64);
	CHECK_INT(eif.default_mem, 0x123456789);
	CHECK_INT(eif.default_cpus, 7);
	CHECK_INT(eif.len, m.len);
	CHECK_INT(eif.crc, crc_of(&m));
	CHECK_INT(eif.crc_computed, eif.crc);
	CHECK_INT(eif_check_crc(&eif, &fault), 0);
	CHECK_INT(eif.count, 5);
	CHECK_INT(eif.sections[3].type, EIF_RAMDISK);
	CHECK_INT(eif.sections[3].offset, 548 + 18 + 25 + 14);
	CHECK_INT(eif.sections[3].data.offset, 548 + 18 + 25 + 14 + 12);
	CHECK_INT(eif.sections[3].data.len, 11);
	CHECK(eif_find(&eif, EIF_RAMDISK) == &eif.sections[3]);
	CHECK(eif_find(&eif, EIF_SIGNATURE) == NULL);
	REQUIRE(content_read(&eif.sections[4].data, 0, data, 11, &fault) == 0);
	CHECK_MEM(data, two, 11);
	eif_close(&eif);
	CHECK_INT(eif.fd, -1);
	temp_leave();
}

TEST(every_prefix_is_refused)
{
	struct image m;
	struct eif eif;

	temp_enter();
	start_usual(&m);
	finish(&m);
	for (size_t whole = m.len; m.len-- > 0;) {
		if (!CHECK_INT(read_image(&m, &eif), -1))
			CHECK_FAIL("%zu of %zu bytes", m.len, whole);
		CHECK_INT(fault.kind, FAULT_REFUSED);
		CHECK(strncmp(fault.text, "x.eif: ", 7) == 0);
		if (m.len == 0)
			break;
	}
	temp_leave();
}

TEST(every_changed_byte_is_noticed)
{
	struct image m, changed;
	struct eif eif;

	temp_enter();
	start_usual(&m);
	finish(&m);
	for (size_t i = 0; i < m.len; i++) {
		changed = m;
		changed.bytes[i] ^= (uint8_t)(1 << i % 8);
		if (read_image(&changed, &eif) < 0)
			continue;
		if (!CHECK_INT(eif_check_crc(&eif, &fault), -1))
			CHECK_FAIL("byte %zu", i);
		CHECK_INT(fault.kind, FAULT_REFUSED);
		eif_close(&eif);
	}
	temp_leave();
}

TEST(a_wrong_crc_is_the_callers_to_judge)
{
	struct image m;
	struct eif eif;

	temp_enter();
	start_usual(&m);
	put(&m, AT_CRC, 0x01020304, 4);
	REQUIRE(read_image(&m, &eif) == 0);
	CHECK_INT(eif.crc, 0x01020304);
	CHECK_INT(eif.crc_computed, crc_of(&m));
	CHECK_INT(eif_check_crc(&eif, &fault), -1);
	CHECK(strstr(fault.text, "x.eif: offset 544: the CRC is 01020304, "));
	eif_close(&eif);
	temp_leave();
}

TEST(a_header_that_lies_is_refused)
{
	static const struct {
		size_t at, size;
		uint64_t value;
		const char *words;
	} lies[] = {
		{ 0, 4, 0x2e656967, "x.eif: offset 0: no EIF's magic" },
		{ AT_VERSION, 2, 1,
		  "x.eif: offset 4: version 1, known are 2 to 4" },
		{ AT_VERSION, 2, 5,
		  "x.eif: offset 4: version 5, known are 2 to 4" },
		{ AT_FLAGS, 2, 2, "x.eif: offset 6: unknown flags 0x0002" },
		{ AT_RESERVED, 2, 1, "x.eif: offset 24: reserved, but not 0" },
		{ AT_UNUSED, 4, 1, "x.eif: offset 540: unused, but not 0" },
		{ AT_COUNT, 2, 1,
		  "x.eif: offset 26: 1 sections, there are 2 to 32" },
		{ AT_COUNT, 2, 33,
		  "x.eif: offset 26: 33 sections, there are 2 to 32" },
		{ AT_COUNT, 2, 0xffff,
		  "x.eif: offset 26: 65535 sections, there are 2 to 32" },
		{ AT_COUNT, 2, 4,
		  "x.eif: section 4: in the table, beyond the 4 sections" },
		{ AT_COUNT, 2, 6,
		  "x.eif: section 5: at offset 0, not behind the one before, "
		  "651" },
		{ AT_OFFSETS, 8, 547,
		  "x.eif: section 0: at offset 547, not behind the one before, "
		  "548" },
		{ AT_OFFSETS, 8, UINT64_MAX,
		  "x.eif: section 0: at offset 18446744073709551615, not "
		  "behind the one before, 548" },
		{ AT_OFFSETS + 8, 8, 548,
		  "x.eif: section 1: at offset 548, not behind the one before, "
		  "566" },
		{ AT_OFFSETS + 8, 8, 567,
		  "x.eif: section 1: at offset 567, not behind the one before, "
		  "566" },
		{ AT_SIZES, 8, 7,
		  "x.eif: section 0 (kernel) at offset 548: its size is not "
		  "that of the table" },
		{ 548, 2, 0, "x.eif: section 0 at offset 548: unknown type 0" },
		{ 548, 2, 6, "x.eif: section 0 at offset 548: unknown type 6" },
		{ 550, 2, 1,
		  "x.eif: section 0 (kernel) at offset 548: unknown flags" },
		{ 552, 8, 5,
		  "x.eif: section 0 (kernel) at offset 548: its size is not "
		  "that of the table" },
		{ AT_CRC + 4, 2, EIF_CMDLINE,
		  "x.eif: section 1 (cmdline) at offset 566: there is one "
		  "already" },
	};
	struct image m;

	temp_enter();
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		start_usual(&m);
		put(&m, lies[i].at, lies[i].value, lies[i].size);
		finish(&m);
		check_refused(&m, lies[i].words);
	}
	temp_leave();
}

/* As AWS's tools leave it; whose size it is, the section says. */
TEST(the_table_may_be_wrong_of_a_signature_alone)
{
	struct image m;
	struct eif eif;

	temp_enter();
	start_usual(&m);
	add(&m, EIF_SIGNATURE, "signed anew");
	finish(&m);
	REQUIRE(read_image(&m, &eif) == 0);
	CHECK_INT(eif_check_table(&eif, &fault), 0);
	eif_close(&eif);

	put(&m, AT_SIZES + 8 * 5, 6, 8);
	finish(&m);
	REQUIRE(read_image(&m, &eif) == 0);
	CHECK_INT(eif_find(&eif, EIF_SIGNATURE)->data.len, 11);
	CHECK_INT(eif_check_crc(&eif, &fault), 0);
	CHECK_INT(eif_check_table(&eif, &fault), -1);
	CHECK_INT(fault.kind, FAULT_REFUSED);
	CHECK_STR(fault.text,
		  "x.eif: section 5 (signature) at offset 651: its size is "
		  "not that of the table, as AWS's tools leave it when they "
		  "sign anew");
	eif_close(&eif);

	/* The file still ends where the section does. */
	put(&m, m.len - 11 - 8, 12, 8);
	finish(&m);
	check_refused(&m, "x.eif: section 5 (signature) at offset 651: it "
			  "ends beyond the file");
	temp_leave();
}

/* Table and section agree, but the file is another. */
TEST(a_size_beyond_the_file_is_refused)
{
	static const uint64_t sizes[] = {
		12, 4096, INT64_MAX, UINT64_MAX - EIF_HEADER, UINT64_MAX,
	};
	struct image m;
	size_t last;

	temp_enter();
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		start_usual(&m);
		last = m.len - strlen(two) - EIF_SECTION_HEADER;
		put(&m, AT_SIZES + 8 * 4, sizes[i], 8);
		put(&m, last + 4, sizes[i], 8);
		finish(&m);
		check_refused(&m, "x.eif: section 4 (ramdisk) at offset 628: "
				  "it ends beyond the file");
	}
	temp_leave();
}

TEST(bytes_behind_the_last_section_are_refused)
{
	struct image m;

	temp_enter();
	start_usual(&m);
	m.len++;
	finish(&m);
	check_refused(&m, "x.eif: offset 651: 1 bytes behind the last section");
	temp_leave();
}

TEST(sections_that_must_be_there_once_are)
{
	static const struct {
		unsigned version, types[5];
		const char *words; /* NULL: it is fine */
	} cases[] = {
		{ 4, { 1, 2, 5 }, NULL },
		{ 4, { 2, 5, 1, 3 }, NULL },
		{ 4, { 1, 2, 3, 5, 4 }, NULL },
		{ 3, { 1, 2, 3, 4 }, NULL },
		{ 2, { 1, 2 }, NULL },
		{ 4,
		  { 1, 2 },
		  "x.eif: no metadata section, which version 4 has" },
		{ 4, { 1, 5 }, "x.eif: no cmdline section" },
		{ 4, { 2, 5 }, "x.eif: no kernel section" },
		{ 4,
		  { 2, 3, 1, 5 },
		  "x.eif: section 1 (ramdisk) at offset 561: before the "
		  "kernel" },
		{ 4,
		  { 1, 2, 5, 1 },
		  "x.eif: section 3 (kernel) at offset 587: there is one "
		  "already" },
		{ 4,
		  { 1, 2, 5, 5 },
		  "x.eif: section 3 (metadata) at offset 587: there is one "
		  "already" },
		{ 4,
		  { 1, 2, 5, 4, 4 },
		  "x.eif: section 3 (signature) at offset 587: not the last" },
		{ 4,
		  { 1, 2, 4, 5 },
		  "x.eif: section 2 (signature) at offset 574: not the last" },
	};
	struct image m;
	struct eif eif;

	temp_enter();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		start(&m, cases[i].version);
		for (int j = 0; j < 5 && cases[i].types[j]; j++)
			add(&m, cases[i].types[j], "x");
		finish(&m);
		if (cases[i].words) {
			check_refused(&m, cases[i].words);
			continue;
		}
		if (read_image(&m, &eif) < 0)
			CHECK_FAIL("case %zu: %s", i, fault.text);
		eif_close(&eif);
	}
	temp_leave();
}

TEST(what_is_no_file_is_refused_at_once)
{
	struct eif eif;

	temp_enter();
	REQUIRE(mkfifo("fifo", 0600) == 0 && mkdir("dir", 0700) == 0);
	CHECK_INT(eif_open("fifo", &eif, &fault), -1);
	CHECK_STR(fault.text, "fifo: not a regular file");
	CHECK_INT(eif_open("dir", &eif, &fault), -1);
	CHECK_STR(fault.text, "dir: not a regular file");
	CHECK_INT(eif_open("none", &eif, &fault), -1);
	CHECK_INT(fault.kind, FAULT_SYSTEM);
	CHECK_STR(fault.text, "none: No such file or directory");
	temp_leave();
}

/* --- measuring --- */

static const char pcr2_of_nothing[] =
	"21b9efbc184807662e966d34f390821309eeac6802309798826296bf3e8bec7c"
	"10edb30948c90ba67310f7b964fc500a";
static const char pcr0_of_three[] =
	"c04b1c83847a8bb759986eb8a8c5390dec0b9b1002406a86d1d1c16e865d7116"
	"c57dc87869262b1ee2f1b78e9095660d";
static const char pcr1_of_one[] =
	"f41590e1ea607dc0dd2cf80a65f4812bd41314da19ce74b90a9f96b6f497d495"
	"c71d0a0b1ad254e8e11df592d1250ba7";
static const char pcr2_of_three[] =
	"1412684fa548de833dc45764d64b28d0e3590faaee21d70503be7f057a807e3c"
	"4c5d843cb8b677cdbbb95c26e09d4dc8";

TEST(measures_all_boot_and_application)
{
	struct image m;

	temp_enter();
	start_usual(&m);
	add(&m, EIF_RAMDISK, three);
	finish(&m);
	check_pcrs(&m, pcr0_of_three, pcr1_of_one, pcr2_of_three);
	temp_leave();
}

TEST(one_ramdisk_is_the_boots)
{
	struct image m;

	temp_enter();
	start(&m, 4);
	add(&m, EIF_KERNEL, kernel);
	add(&m, EIF_CMDLINE, cmdline);
	add(&m, EIF_RAMDISK, one);
	add(&m, EIF_METADATA, metadata);
	finish(&m);
	check_pcrs(&m, pcr1_of_one, pcr1_of_one, pcr2_of_nothing);
	temp_leave();
}

TEST(metadata_and_signature_are_not_measured)
{
	struct image m;

	temp_enter();
	start(&m, 4);
	add(&m, EIF_KERNEL, kernel);
	add(&m, EIF_CMDLINE, cmdline);
	add(&m, EIF_RAMDISK, one);
	add(&m, EIF_RAMDISK, two);
	add(&m, EIF_METADATA, "anything at all");
	add(&m, EIF_RAMDISK, three);
	add(&m, EIF_SIGNATURE, "anything");
	finish(&m);
	check_pcrs(&m, pcr0_of_three, pcr1_of_one, pcr2_of_three);
	temp_leave();
}

/* As AWS's reader does: in the order of the file. */
TEST(a_late_command_line_is_measured_where_it_stands)
{
	static const char pcr1[] =
		"7ac7b1b6bfb7fc51f1504827b94dc8bbaf41c0cd70271fbac00dad3b99f057fc"
		"236800fc7bd98c11848f928036662028";
	static const char pcr2[] =
		"e4aa71171f38ba020cd855a55adcc355c3cac15fd2defc18200a13e993a2d7d6"
		"1a93a014efe79239cd8cb21308c4a3dd";
	struct image m;

	temp_enter();
	start(&m, 4);
	add(&m, EIF_METADATA, metadata);
	add(&m, EIF_KERNEL, kernel);
	add(&m, EIF_RAMDISK, one);
	add(&m, EIF_RAMDISK, two);
	add(&m, EIF_CMDLINE, cmdline);
	finish(&m);
	check_pcrs(
		&m,
		"7ed25da25289895a8b80d38eafb8ff4d262a481b632bc1b4838b39a06cc0"
		"76f5ee1e1687a0ae54ba0a290af89b83069a",
		pcr1, pcr2);

	start(&m, 4);
	add(&m, EIF_METADATA, metadata);
	add(&m, EIF_KERNEL, kernel);
	add(&m, EIF_RAMDISK, one);
	add(&m, EIF_CMDLINE, cmdline);
	add(&m, EIF_RAMDISK, two);
	finish(&m);
	check_pcrs(
		&m,
		"c6d6f22193be7baed2717b660476c85fe7c0b99c0b681126308bb918083c"
		"73a873cc239527259e2009ad92fdb513899f",
		pcr1, pcr2);
	temp_leave();
}

/* --- writing --- */

static struct eif_writer *open_writer(enum eif_arch arch)
{
	struct eif_writer *w = NULL;

	REQUIRE(eif_writer_open("y.eif", arch, &w, &fault) == 0);
	return w;
}

static void write_text(struct eif_writer *w, enum eif_type type,
		       const char *text)
{
	REQUIRE(eif_writer_add_bytes(w, type, text, strlen(text), &fault) == 0);
}

static void write_usual(struct eif_writer *w)
{
	write_text(w, EIF_KERNEL, kernel);
	write_text(w, EIF_CMDLINE, cmdline);
	write_text(w, EIF_METADATA, metadata);
	write_text(w, EIF_RAMDISK, one);
	write_text(w, EIF_RAMDISK, two);
}

static void check_file(const char *path, const struct image *m)
{
	char bytes[IMAGE_CAP];
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	REQUIRE(fd >= 0);
	CHECK_INT(read(fd, bytes, sizeof(bytes)), m->len);
	CHECK_MEM(bytes, m->bytes, m->len);
	close(fd);
}

/* How many names there are in the test's directory. */
static int names(void)
{
	FILE *list = popen("ls -A | wc -l", "r");
	int n = -1;

	REQUIRE(list && fscanf(list, "%d", &n) == 1);
	(void)pclose(list);
	return n;
}

TEST(writes_the_bytes_of_the_format)
{
	struct eif_writer *w;
	struct image m;

	temp_enter();
	for (int arch = EIF_X86_64; arch <= EIF_AARCH64; arch++) {
		start_usual(&m);
		put(&m, AT_FLAGS, (uint64_t)arch, 2);
		finish(&m);
		w = open_writer((enum eif_arch)arch);
		write_usual(w);
		REQUIRE(eif_writer_finish(w, &fault) == 0);
		check_file("y.eif", &m);
	}
	CHECK_INT(names(), 1);
	temp_leave();
}

TEST(a_section_may_come_in_pieces_and_from_files)
{
	struct eif_writer *w;
	struct content c;
	struct image m;

	temp_enter();
	start_usual(&m);
	finish(&m);
	temp_text("ramdisk", "behind which is ramdisk one, and more", 0600);
	REQUIRE(content_open("ramdisk", &c, &fault) == 0);
	c.offset = 16;
	c.len = strlen(one);
	w = open_writer(EIF_X86_64);
	REQUIRE(eif_writer_begin(w, EIF_KERNEL, &fault) == 0);
	REQUIRE(eif_writer_write(w, "ker", 3, &fault) == 0);
	REQUIRE(eif_writer_write(w, "", 0, &fault) == 0);
	REQUIRE(eif_writer_write(w, "nel", 3, &fault) == 0);
	REQUIRE(eif_writer_end(w, &fault) == 0);
	write_text(w, EIF_CMDLINE, cmdline);
	write_text(w, EIF_METADATA, metadata);
	REQUIRE(eif_writer_add(w, EIF_RAMDISK, &c, &fault) == 0);
	write_text(w, EIF_RAMDISK, two);
	REQUIRE(eif_writer_finish(w, &fault) == 0);
	check_file("y.eif", &m);
	close(c.fd);
	temp_leave();
}

/* More than fits a buffer, of the writer and of the reader. */
TEST(large_sections_are_written_read_and_measured)
{
	enum { LARGE = 3000001 };
	char *large = malloc(LARGE);
	struct eif_pcrs written, read;
	struct eif_writer *w;
	struct content c;
	struct eif eif;

	temp_enter();
	for (size_t i = 0; i < LARGE; i++)
		large[i] = (char)(i * 7 + i / 251);
	temp_file("ramdisk", large, LARGE, 0600);
	w = open_writer(EIF_X86_64);
	write_text(w, EIF_KERNEL, kernel);
	write_text(w, EIF_CMDLINE, cmdline);
	write_text(w, EIF_METADATA, metadata);
	REQUIRE(content_open("ramdisk", &c, &fault) == 0);
	REQUIRE(eif_writer_add(w, EIF_RAMDISK, &c, &fault) == 0);
	REQUIRE(eif_writer_add(w, EIF_RAMDISK, &c, &fault) == 0);
	REQUIRE(eif_writer_add_bytes(w, EIF_RAMDISK, large, LARGE, &fault) ==
		0);
	REQUIRE(eif_writer_measure(w, &written, &fault) == 0);
	REQUIRE(eif_writer_finish(w, &fault) == 0);

	REQUIRE(eif_open("y.eif", &eif, &fault) == 0);
	CHECK_INT(eif_check_crc(&eif, &fault), 0);
	REQUIRE(eif_measure(&eif, &read, &fault) == 0);
	check_hash(
		read.pcr0,
		"a531df37c8cf5cfe6bea2d3104cf758ae380b4665cc351446b0cf6263561"
		"e62618859891f9c34906698b434078858ab3");
	check_hash(
		read.pcr1,
		"0b1dd428f38d7249400157deb595f2db58152480d28a2c49ead148f6884f"
		"05b91f243040dd34328f0be84c0b9f1b6f0b");
	check_hash(
		read.pcr2,
		"bd3143933ebb3eea7ae67980cc27c1c4fb4e0bb37f2d47e20bdfb148f25b"
		"649486f4b621d633ec83bcbb10fa09d81400");
	CHECK_MEM(&written, &read, sizeof(read));
	eif_close(&eif);
	close(c.fd);
	free(large);
	temp_leave();
}

TEST(measures_what_was_written_so_far)
{
	struct eif_writer *w;
	struct eif_pcrs pcrs;

	temp_enter();
	w = open_writer(EIF_X86_64);
	write_text(w, EIF_KERNEL, kernel);
	write_text(w, EIF_CMDLINE, cmdline);
	write_text(w, EIF_RAMDISK, one);
	REQUIRE(eif_writer_measure(w, &pcrs, &fault) == 0);
	check_hash(pcrs.pcr0, pcr1_of_one);
	check_hash(pcrs.pcr1, pcr1_of_one);
	check_hash(pcrs.pcr2, pcr2_of_nothing);
	write_text(w, EIF_RAMDISK, two);
	write_text(w, EIF_RAMDISK, three);
	REQUIRE(eif_writer_measure(w, &pcrs, &fault) == 0);
	check_hash(pcrs.pcr0, pcr0_of_three);
	check_hash(pcrs.pcr1, pcr1_of_one);
	check_hash(pcrs.pcr2, pcr2_of_three);
	eif_writer_abort(w);
	temp_leave();
}

TEST(keeps_memory_and_cpus_of_another_image)
{
	struct eif_writer *w;
	struct image m;
	struct eif eif;

	temp_enter();
	start_usual(&m);
	put(&m, AT_MEM, 0x1122334455667788, 8);
	put(&m, AT_CPUS, 0x99, 8);
	finish(&m);
	REQUIRE(read_image(&m, &eif) == 0);
	w = open_writer(EIF_X86_64);
	eif_writer_like(w, &eif);
	write_usual(w);
	REQUIRE(eif_writer_finish(w, &fault) == 0);
	check_file("y.eif", &m);
	eif_close(&eif);
	temp_leave();
}

TEST(nothing_is_there_until_the_end)
{
	struct eif_writer *w;

	temp_enter();
	w = open_writer(EIF_X86_64);
	write_usual(w);
	CHECK_INT(access("y.eif", F_OK), -1);
	eif_writer_abort(w);
	CHECK_INT(names(), 0);
	eif_writer_abort(NULL);

	/* The name is not in the way of another's file. */
	temp_text("y.eif", "what was there", 0600);
	w = open_writer(EIF_X86_64);
	write_usual(w);
	CHECK_INT(names(), 1);
	eif_writer_abort(w);
	CHECK_INT(names(), 1);
	temp_leave();
}

TEST(the_mode_is_that_of_the_umask)
{
	static const mode_t masks[] = { 0, 022, 077, 0777 };
	struct eif_writer *w;
	struct stat st;

	temp_enter();
	for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
		(void)umask(masks[i]);
		w = open_writer(EIF_X86_64);
		write_usual(w);
		REQUIRE(eif_writer_finish(w, &fault) == 0);
		REQUIRE(stat("y.eif", &st) == 0);
		CHECK_INT(st.st_mode, S_IFREG | (0666 & ~masks[i]));
		CHECK_INT(st.st_nlink, 1);
	}
	temp_leave();
}

TEST(what_eif_open_refuses_is_not_written)
{
	struct eif_writer *w;

	temp_enter();
	w = open_writer(EIF_X86_64);
	write_text(w, EIF_KERNEL, kernel);
	write_text(w, EIF_CMDLINE, cmdline);
	CHECK_INT(eif_writer_finish(w, &fault), -1);
	CHECK_STR(fault.text,
		  "y.eif: no metadata section, which version 4 has");

	w = open_writer(EIF_X86_64);
	write_usual(w);
	write_text(w, EIF_KERNEL, kernel);
	CHECK_INT(eif_writer_finish(w, &fault), -1);
	CHECK_STR(fault.text, "y.eif: section 5 (kernel) at offset 651: there "
			      "is one already");
	CHECK_INT(names(), 0);
	temp_leave();
}

TEST(a_signature_has_at_most_32768_bytes)
{
	static char bytes[EIF_SIGNATURE_MAX + 1];
	struct eif_writer *w;
	struct eif eif;

	temp_enter();
	w = open_writer(EIF_X86_64);
	write_usual(w);
	REQUIRE(eif_writer_add_bytes(w, EIF_SIGNATURE, bytes, sizeof(bytes) - 1,
				     &fault) == 0);
	REQUIRE(eif_writer_finish(w, &fault) == 0);
	REQUIRE(eif_open("y.eif", &eif, &fault) == 0);
	CHECK_INT(eif_find(&eif, EIF_SIGNATURE)->data.len, 32768);
	eif_close(&eif);

	w = open_writer(EIF_X86_64);
	write_usual(w);
	CHECK_INT(eif_writer_add_bytes(w, EIF_SIGNATURE, bytes, sizeof(bytes),
				       &fault),
		  -1);
	CHECK_INT(fault.kind, FAULT_REFUSED);
	eif_writer_abort(w);
	temp_leave();
}

/* The reader has the same limit, which no writer of ours would pass. */
TEST(a_longer_signature_is_not_read)
{
	static char bytes[EIF_SIGNATURE_MAX + 1];
	struct eif_writer *w;
	struct eif eif;
	int fd;

	temp_enter();
	w = open_writer(EIF_X86_64);
	write_text(w, EIF_KERNEL, kernel);
	write_text(w, EIF_CMDLINE, cmdline);
	write_text(w, EIF_METADATA, metadata);
	REQUIRE(eif_writer_add_bytes(w, EIF_RAMDISK, bytes, sizeof(bytes),
				     &fault) == 0);
	REQUIRE(eif_writer_finish(w, &fault) == 0);
	fd = open("y.eif", O_WRONLY | O_CLOEXEC);
	REQUIRE(fd >= 0 && pwrite(fd, "\0\4", 2, 548 + 18 + 25 + 14) == 2);
	close(fd);
	CHECK_INT(eif_open("y.eif", &eif, &fault), -1);
	CHECK_STR(fault.text, "y.eif: section 3 (signature) at offset 605: "
			      "longer than 32768 bytes");
	temp_leave();
}

TEST(thirty_two_sections_and_no_more)
{
	struct eif_writer *w;
	struct eif eif;

	temp_enter();
	w = open_writer(EIF_X86_64);
	write_usual(w);
	for (int i = 5; i < EIF_SECTIONS_MAX; i++)
		write_text(w, EIF_RAMDISK, three);
	CHECK_INT(eif_writer_begin(w, EIF_RAMDISK, &fault), -1);
	CHECK_STR(fault.text, "y.eif: more than 32 sections");
	REQUIRE(eif_writer_finish(w, &fault) == 0);
	REQUIRE(eif_open("y.eif", &eif, &fault) == 0);
	CHECK_INT(eif.count, 32);
	CHECK_INT(eif_check_crc(&eif, &fault), 0);
	eif_close(&eif);
	temp_leave();
}

TEST(a_full_disk_leaves_what_was_there)
{
	const struct rlimit limit = { 600, RLIM_INFINITY };
	const struct rlimit none = { RLIM_INFINITY, RLIM_INFINITY };
	static const char bytes[1000] = "not zeros alone, which take no room";
	struct eif_writer *w;
	char text[20] = "";
	int fd;

	temp_enter();
	temp_text("y.eif", "what was there", 0600);
	(void)signal(SIGXFSZ, SIG_IGN);
	w = open_writer(EIF_X86_64);
	REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	write_text(w, EIF_KERNEL, kernel);
	CHECK_INT(eif_writer_add_bytes(w, EIF_RAMDISK, bytes, sizeof(bytes),
				       &fault),
		  -1);
	CHECK_INT(fault.kind, FAULT_SYSTEM);
	CHECK_STR(fault.text, "y.eif: File too large");
	eif_writer_abort(w);
	REQUIRE(setrlimit(RLIMIT_FSIZE, &none) == 0);
	CHECK_INT(names(), 1);
	fd = open("y.eif", O_RDONLY | O_CLOEXEC);
	REQUIRE(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
	CHECK_STR(text, "what was there");
	close(fd);
	temp_leave();
}

/* A name that is taken at the last moment. */
TEST(what_cannot_be_put_in_place_is_removed)
{
	struct eif_writer *w;

	temp_enter();
	w = open_writer(EIF_X86_64);
	write_usual(w);
	REQUIRE(mkdir("y.eif", 0700) == 0);
	CHECK_INT(eif_writer_finish(w, &fault), -1);
	CHECK_INT(fault.kind, FAULT_SYSTEM);
	CHECK_STR(fault.text, "y.eif: Is a directory");
	CHECK_INT(names(), 1);
	temp_leave();
}

TEST(what_is_no_file_is_not_replaced)
{
	struct eif_writer *w;

	temp_enter();
	REQUIRE(mkfifo("fifo", 0600) == 0 && mkdir("dir", 0700) == 0);
	CHECK_INT(eif_writer_open("fifo", EIF_X86_64, &w, &fault), -1);
	CHECK_STR(fault.text,
		  "--output: fifo: exists and is not a regular file");
	CHECK_INT(eif_writer_open("dir", EIF_X86_64, &w, &fault), -1);
	CHECK_STR(fault.text,
		  "--output: dir: exists and is not a regular file");
	CHECK_INT(eif_writer_open("none/y.eif", EIF_X86_64, &w, &fault), -1);
	CHECK_INT(fault.kind, FAULT_SYSTEM);
	CHECK_STR(fault.text,
		  "--output: none/y.eif: No such file or directory");
	CHECK_INT(names(), 2);
	temp_leave();
}

CHECK_MAIN("eif")
