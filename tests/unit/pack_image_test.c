/* Images as others wrote them: layers, layouts, archives, folders, configurations. */

#include "rootfs/pack/image/image.h"

#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <zlib.h>

#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/json.h"
#include "rootfs/pack/base/tree.h"
#include "rootfs/pack/image/digest.h"
#include "rootfs/pack/image/layer.h"
#include "rootfs/pack/image/load.h"
#include "tests/unit/temp.h"

static struct fault fault;

/* --- archives, made by hand ------------------------------------------------------- */

enum { BLOCK = 512 };

struct tar {
	uint8_t data[1 << 17];
	size_t len;
};

/* What an entry has besides its name; zeros are what is usual. */
struct entry {
	char type;
	const char *link, *content;
	unsigned mode, uid, major, minor;
};

/* Zeros before it, a NUL behind. */
static void octal(char *field, size_t digits, size_t value)
{
	field[digits] = '\0';
	for (; digits--; value /= 8)
		field[digits] = (char)('0' + value % 8);
}

static void tar_add(struct tar *t, const char *name, struct entry e)
{
	const char *content = e.content ? e.content : "";
	char *h = (char *)t->data + t->len;
	size_t size = strlen(content);
	unsigned sum = 0;

	REQUIRE(t->len + BLOCK * 3 + size < sizeof(t->data));
	memset(h, 0, BLOCK);
	memcpy(h, name, strlen(name) < 100 ? strlen(name) : 100);
	octal(h + 100, 7, e.mode ? e.mode : 0644);
	octal(h + 108, 7, e.uid);
	octal(h + 116, 7, 0);
	octal(h + 124, 11, size);
	octal(h + 136, 11, 9);
	h[156] = e.type ? e.type : '0';
	if (e.link)
		memcpy(h + 157, e.link, strlen(e.link));
	memcpy(h + 257, "ustar\00000", 8);
	octal(h + 329, 7, e.major);
	octal(h + 337, 7, e.minor);
	memset(h + 148, ' ', 8);
	for (size_t i = 0; i < BLOCK; i++)
		sum += (unsigned char)h[i];
	octal(h + 148, 6, sum);
	h[154] = '\0';
	t->len += BLOCK;
	memcpy(t->data + t->len, content, size);
	t->len += size;
	while (t->len % BLOCK)
		t->data[t->len++] = 0;
}

static void tar_end(struct tar *t)
{
	memset(t->data + t->len, 0, (size_t)BLOCK * 2);
	t->len += (size_t)BLOCK * 2;
}

#define FILE_(t, name, text) tar_add(t, name, (struct entry){ .content = text })
#define DIR_(t, name) \
	tar_add(t, name, (struct entry){ .type = '5', .mode = 0755 })
#define LINK_(t, name, to) \
	tar_add(t, name, (struct entry){ .type = '2', .link = to })
#define HARD_(t, name, to) \
	tar_add(t, name, (struct entry){ .type = '1', .link = to })

/* A pax header before the next entry: KEY=VALUE. */
static void tar_pax(struct tar *t, const char *key, const char *value)
{
	char text[4000];
	size_t len = strlen(key) + strlen(value) + 3, digits = 1;

	while ((size_t)snprintf(NULL, 0, "%zu", len + digits) > digits)
		digits++;
	(void)snprintf(text, sizeof(text), "%zu %s=%s\n", len + digits, key,
		       value);
	tar_add(t, "pax", (struct entry){ .type = 'x', .content = text });
}

/* --- trees ------------------------------------------------------------------------- */

/* The loader of one test. */
static struct image image;
static struct image_options options;
static struct loader loader;

static void start(void)
{
	options = (struct image_options){ .arch = "x86_64" };
	image = (struct image){ .spool = SPOOL_NONE, .tree = tree_new() };
	loader = (struct loader){ .options = &options, .image = &image };
	REQUIRE(image.tree);
	REQUIRE(spool_open(&image.spool, &fault) == 0);
}

static void finish(void)
{
	for (size_t i = 0; i < loader.dropped.count; i++)
		free(loader.dropped.names[i]);
	image_free(&image);
}

static int apply(struct tar *t, unsigned number, const char *diff_id)
{
	struct layer layer = { .number = number, .diff_id = diff_id };
	int r;

	tar_end(t);
	/* Another file each time: contents stay in the one before. */
	(void)unlink("layer");
	temp_file("layer", t->data, t->len, 0600);
	REQUIRE(content_open("layer", &layer.content, &fault) == 0);
	r = layer_apply(&loader, &layer, image.tree, &image.spool, &fault);
	close(layer.content.fd);
	t->len = 0;
	return r;
}

static struct tree_node *node_at(const char *path)
{
	return tree_find(image.tree, path, false);
}

static void check_content(int line, const char *path, const char *wanted)
{
	struct tree_node *node = node_at(path);
	char *text;

	if (!check_true(__FILE__, line, path, node != NULL))
		return;
	REQUIRE(content_slurp(&node->inode->content, 1 << 20, path, &text,
			      &fault) == 0);
	(void)check_str(__FILE__, line, path, text, wanted);
	free(text);
}

#define CHECK_CONTENT(path, wanted) check_content(__LINE__, path, wanted)

/* Applies what T has to a fresh tree, and wants words that end in WANTED. */
static void check_refused(int line, struct tar *t, const char *wanted)
{
	size_t len = strlen(wanted), got;

	start();
	(void)check_int(__FILE__, line, "the layer", apply(t, 1, NULL), -1);
	got = strlen(fault.text);
	(void)check_str(__FILE__, line, "the fault",
			fault.text + (got > len ? got - len : 0), wanted);
	finish();
}

#define CHECK_REFUSED(t, wanted) check_refused(__LINE__, t, wanted)

static struct tar tar;

TEST(a_layer_of_every_kind)
{
	temp_enter();
	start();
	tar_add(&tar, "./",
		(struct entry){ .type = '5', .mode = 0711, .uid = 3 });
	tar_add(&tar, "bin/x",
		(struct entry){ .content = "text", .mode = 04755, .uid = 7 });
	LINK_(&tar, "/abs//./link", "../x");
	HARD_(&tar, "hard", "./bin/x");
	tar_add(&tar, "dev",
		(struct entry){ .type = '3', .major = 5, .minor = 1 });
	tar_add(&tar, "pipe", (struct entry){ .type = '6' });
	REQUIRE(apply(&tar, 1, NULL) == 0);
	CHECK_INT(tree_root(image.tree)->inode->mode, S_IFDIR | 0711);
	CHECK_INT(tree_root(image.tree)->inode->uid, 3);
	CHECK_INT(node_at("bin")->inode->mode, S_IFDIR | 0755);
	CHECK_INT(node_at("bin/x")->inode->mode, S_IFREG | 04755);
	CHECK_INT(node_at("bin/x")->inode->uid, 7);
	CHECK_INT(node_at("bin/x")->inode->mtime, 9);
	CHECK_INT(node_at("bin/x")->inode->nlink, 2);
	CHECK(node_at("bin/x")->inode == node_at("hard")->inode);
	CHECK_CONTENT("hard", "text");
	CHECK_STR(node_at("abs/link")->inode->target, "../x");
	CHECK_INT(node_at("dev")->inode->mode, S_IFCHR | 0644);
	CHECK_INT(node_at("dev")->inode->rdev_major, 5);
	CHECK_INT(node_at("dev")->inode->rdev_minor, 1);
	CHECK_INT(node_at("pipe")->inode->mode, S_IFIFO | 0644);
	finish();
	temp_leave();
}

TEST(layers_lie_on_one_another)
{
	temp_enter();
	start();
	DIR_(&tar, "usr/bin");
	LINK_(&tar, "bin", "usr/bin");
	FILE_(&tar, "bin/sh", "shell");
	FILE_(&tar, "etc/a", "a");
	FILE_(&tar, "etc/b", "b");
	FILE_(&tar, "opt/old", "old");
	FILE_(&tar, "var/old", "old");
	REQUIRE(apply(&tar, 1, NULL) == 0);
	HARD_(&tar, "sh", "bin/sh");
	FILE_(&tar, "bin/new", "new");
	FILE_(&tar, "etc/.wh.a", "");
	FILE_(&tar, "etc/.wh.none", "");
	FILE_(&tar, "no/such/.wh.folder", "");
	FILE_(&tar, "opt/new", "new");
	FILE_(&tar, "opt/.wh..wh..opq", "");
	FILE_(&tar, "var/.wh..wh..opq", "");
	FILE_(&tar, ".wh..wh.aufs", "");
	FILE_(&tar, ".wh..wh.plnk/1", "");
	FILE_(&tar, "twice", "first");
	FILE_(&tar, "twice", "second");
	REQUIRE(apply(&tar, 2, NULL) == 0);
	FILE_(&tar, "bin/sh", "other");
	FILE_(&tar, "bin/.wh.new", "");
	REQUIRE(apply(&tar, 3, NULL) == 0);
	CHECK_CONTENT("usr/bin/sh", "other");
	CHECK_CONTENT("sh", "shell");
	CHECK(!node_at("usr/bin/new"));
	CHECK_STR(node_at("bin")->inode->target, "usr/bin");
	CHECK(!node_at("etc/a"));
	CHECK_CONTENT("etc/b", "b");
	CHECK(!node_at("opt/old"));
	CHECK_CONTENT("opt/new", "new");
	CHECK(node_at("var") && !node_at("var/old"));
	CHECK(!node_at(".wh..wh.aufs") && !node_at(".wh..wh.plnk"));
	CHECK(!node_at("no"));
	CHECK_CONTENT("twice", "second");
	finish();
	temp_leave();
}

TEST(nothing_leads_outside)
{
	temp_enter();
	start();
	LINK_(&tar, "out", "../../../../etc");
	LINK_(&tar, "abs", "/");
	FILE_(&tar, "out/passwd", "ours");
	FILE_(&tar, "abs/x", "x");
	REQUIRE(apply(&tar, 1, NULL) == 0);
	CHECK_CONTENT("etc/passwd", "ours");
	CHECK_CONTENT("x", "x");
	finish();

	FILE_(&tar, "a/../b", "");
	CHECK_REFUSED(&tar, "a/../b: \"..\" in a path");
	HARD_(&tar, "a", "../etc/passwd");
	CHECK_REFUSED(&tar,
		      "a: a hard link to ../etc/passwd: \"..\" in a path");
	LINK_(&tar, "loop", "loop");
	FILE_(&tar, "loop/x", "");
	CHECK_REFUSED(&tar, "loop/x: links that lead nowhere: loop");
	temp_leave();
}

TEST(layers_that_are_refused)
{
	char name[300];

	temp_enter();
	FILE_(&tar, "a", "");
	FILE_(&tar, "a/b", "");
	CHECK_REFUSED(&tar, "a/b: not a folder: a");
	HARD_(&tar, "a", "b");
	CHECK_REFUSED(&tar, "a: a hard link to b, which is not there");
	DIR_(&tar, "d");
	HARD_(&tar, "a", "d");
	CHECK_REFUSED(&tar, "a: a hard link to a folder");
	FILE_(&tar, "a", "");
	HARD_(&tar, "a", "a");
	CHECK_REFUSED(&tar,
		      "a hard link to itself, or to what it would replace");
	FILE_(&tar, ".wh.", "");
	CHECK_REFUSED(&tar, ".wh.: a whiteout of no name");
	FILE_(&tar, ".wh..", "");
	CHECK_REFUSED(&tar, ".wh..: a whiteout of no name");
	FILE_(&tar, ".wh...", "");
	CHECK_REFUSED(&tar, ".wh...: a whiteout of no name");
	FILE_(&tar, ".wh.a/b", "");
	CHECK_REFUSED(&tar, ".wh.a/b: below a whiteout");
	tar_add(&tar, "a", (struct entry){ .type = '3', .major = 4096 });
	CHECK_REFUSED(&tar, "a: device 4096:0: there is none");
	tar_pax(&tar, "uid", "4294967296");
	FILE_(&tar, "a", "");
	CHECK_REFUSED(&tar, "a: owner 4294967296:0: the highest is 4294967294");
	tar_pax(&tar, "GNU.sparse.size", "4294967296");
	FILE_(&tar, "a", "");
	CHECK_REFUSED(&tar,
		      "a: 4294967296 bytes: a ramdisk's files have less than "
		      "4 GiB; --squashfs carries larger ones");
	FILE_(&tar, "a/", "what would be read as a header");
	CHECK_REFUSED(&tar, "a/: a folder with a content");
	tar_pax(&tar, "path", "\xc3\xa9/");
	FILE_(&tar, "a", "where libarchive warns of the name, too");
	CHECK_REFUSED(&tar, "\xc3\xa9/: a folder with a content");
	memset(name, 'n', sizeof(name));
	name[256] = '\0';
	tar_pax(&tar, "path", name);
	FILE_(&tar, "a", "");
	CHECK_REFUSED(&tar, ": a name of more than 255 bytes");
	tar_add(&tar, "pax",
		(struct entry){ .type = 'x', .content = "99 uid=1\n" });
	FILE_(&tar, "a", "");
	CHECK_REFUSED(&tar, "Ignoring malformed pax extended attribute");
	FILE_(&tar, "a", "");
	tar.data[0] = 'b'; /* the checksum is for another name */
	CHECK_REFUSED(&tar, "neither tar nor tar by gzip, zstd, xz or bzip2");
	FILE_(&tar, "a", "");
	FILE_(&tar, "b", "");
	tar.data[BLOCK] = 'c';
	CHECK_REFUSED(&tar, "Damaged tar archive");
	temp_leave();
}

/* The words of a fault are there also where the path would take all the room. */
TEST(a_long_path_leaves_room_for_the_words)
{
	char path[3500];

	temp_enter();
	for (size_t i = 0; i < sizeof(path); i++)
		path[i] = i % 100 ? 'p' : '/';
	path[sizeof(path) - 1] = '\0';
	tar_pax(&tar, "path", path);
	tar_add(&tar, "a", (struct entry){ .type = '3', .major = 4096 });
	CHECK_REFUSED(&tar, "... (3499 bytes): device 4096:0: there is none");
	temp_leave();
}

/* In whatever locale: nobody sets one. */
TEST(names_are_bytes)
{
	const char *const locales[] = { "C", "C.UTF-8", "en_US.UTF-8" };
	const char *const names[] = { "\xc3\xa9", "e\xcc\x81", "\xff\xfe",
				      "\xe6\x97\xa5\xe6\x9c\xac" };

	temp_enter();
	for (size_t i = 0; i < 3; i++) {
		REQUIRE(setenv("LC_ALL", locales[i], 1) == 0);
		start();
		for (size_t j = 0; j < 4; j++) {
			tar_pax(&tar, "path", names[j]);
			FILE_(&tar, "x", names[j]);
		}
		tar_pax(&tar, "linkpath", names[0]);
		LINK_(&tar, "link", "x");
		tar_pax(&tar, "linkpath", names[2]);
		HARD_(&tar, "hard", "x");
		FILE_(&tar, "plain-\xc3\xa9", "x");
		if (!CHECK(apply(&tar, 1, NULL) == 0))
			CHECK_STR(fault.text, "");
		for (size_t j = 0; j < 4; j++)
			CHECK_CONTENT(names[j], names[j]);
		CHECK_STR(node_at("link")->inode->target, names[0]);
		CHECK_CONTENT("hard", names[2]);
		CHECK_CONTENT("plain-\xc3\xa9", "x");
		finish();
	}
	temp_leave();
}

TEST(holes_are_zeros)
{
	struct tree_node *node;
	char *text;

	temp_enter();
	start();
	tar_add(&tar, "pax",
		(struct entry){ .type = 'x',
				.content =
					"24 GNU.sparse.size=9000\n"
					"32 GNU.sparse.map=4000,3,8000,2\n" });
	FILE_(&tar, "sparse", "abcde");
	REQUIRE(apply(&tar, 1, NULL) == 0);
	node = node_at("sparse");
	REQUIRE(node);
	CHECK_INT(node->inode->content.len, 9000);
	REQUIRE(content_slurp(&node->inode->content, 9000, "", &text, &fault) ==
		0);
	CHECK_MEM(text + 4000, "abc", 3);
	CHECK_MEM(text + 8000, "de", 3);
	CHECK_INT(text[3999] | text[4003] | text[8999], 0);
	free(text);
	finish();
	temp_leave();
}

TEST(attributes_that_a_ramdisk_has_not)
{
	temp_enter();
	tar_pax(&tar, "SCHILY.xattr.security.capability", "\x01\x02");
	FILE_(&tar, "ping", "");
	CHECK_REFUSED(
		&tar,
		"ping: has file capabilities, which a ramdisk cannot "
		"carry; --squashfs can, --drop-capabilities takes it without them");
	start();
	options.drop_capabilities = true;
	tar_pax(&tar, "SCHILY.xattr.security.capability", "\x01\x02");
	FILE_(&tar, "pi\nng", "");
	tar_pax(&tar, "SCHILY.xattr.user.x", "1");
	FILE_(&tar, "a", "");
	tar_pax(&tar, "SCHILY.xattr.user.x", "1");
	FILE_(&tar, "b", "");
	REQUIRE(apply(&tar, 1, NULL) == 0);
	REQUIRE(image.notes.count == 1);
	CHECK_STR(image.notes.items[0],
		  "pi\\x0ang: its file capabilities are dropped");
	REQUIRE(loader.dropped.count == 1);
	CHECK_STR(loader.dropped.names[0], "user.x");
	CHECK_INT(loader.dropped.counts[0], 2);
	finish();
	temp_leave();
}

/* Every prefix of a layer is refused, or is a layer of fewer files. */
TEST(a_layer_cut_anywhere)
{
	struct layer layer = { .number = 1 };
	size_t whole;

	temp_enter();
	FILE_(&tar, "a", "text");
	tar_pax(&tar, "path", "b");
	FILE_(&tar, "x", "more");
	whole = tar.len;
	for (size_t len = 0; len<whole; len += len % BLOCK> 8 ? 61 : 1) {
		bool at_end = len == 0 || len == (size_t)BLOCK * 2;
		int r;

		start();
		temp_file("layer", tar.data, len, 0600);
		REQUIRE(content_open("layer", &layer.content, &fault) == 0);
		r = layer_apply(&loader, &layer, image.tree, &image.spool,
				&fault);
		close(layer.content.fd);
		/* The last block's padding may be short. */
		if (r != (at_end ? 0 : -1))
			CHECK_FAIL("%d for %zu bytes", r, len);
		finish();
	}
	temp_leave();
}

/* --- layouts ------------------------------------------------------------------------ */

#define TYPE_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define TYPE_LAYER "application/vnd.oci.image.layer.v1.tar"

static void digest_of(const void *data, size_t len, char ret[DIGEST_TEXT_MAX])
{
	struct digest *d;

	REQUIRE(digest_new("sha256:", &d, &fault) == 0);
	digest_add(d, data, len);
	REQUIRE(digest_finish(d, ret, &fault) == 0);
	digest_free(d);
}

/* A blob; its descriptor's members but for the type, as JSON. */
static const char *blob(const void *data, size_t len)
{
	static char words[4][300];
	static unsigned turn;
	char digest[DIGEST_TEXT_MAX], path[200];

	digest_of(data, len, digest);
	(void)snprintf(path, sizeof(path), "oci/blobs/sha256/%s", digest + 7);
	temp_file(path, data, len, 0600);
	turn = (turn + 1) % 4;
	(void)snprintf(words[turn], sizeof(words[0]),
		       "\"digest\":\"%s\",\"size\":%zu", digest, len);
	return words[turn];
}

/* What a layout is made of, each to be replaced. */
struct parts {
	const char *arch, *diff_id, *settings, *layer_type, *layer, *platform;
	const char *index; /* the whole of it */
};

static void make_layout(struct parts p)
{
	char digest[DIGEST_TEXT_MAX], text[2000], manifest[2000];
	const char *layer, *config;

	(void)mkdir("oci", 0755);
	(void)mkdir("oci/blobs", 0755);
	(void)mkdir("oci/blobs/sha256", 0755);
	temp_text("oci/oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}", 0600);
	tar.len = 0;
	FILE_(&tar, "etc/name", "value");
	tar_end(&tar);
	digest_of(tar.data, tar.len, digest);
	layer = p.layer ? p.layer : blob(tar.data, tar.len);
	(void)snprintf(
		text, sizeof(text),
		"{\"architecture\":\"%s\",\"os\":\"linux\",\"config\":{%s},"
		"\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"%s\"]}}",
		p.arch ? p.arch : "amd64", p.settings ? p.settings : "",
		p.diff_id ? p.diff_id : digest);
	config = blob(text, strlen(text));
	(void)snprintf(manifest, sizeof(manifest),
		       "{\"schemaVersion\":2,\"config\":{\"mediaType\":"
		       "\"application/vnd.oci.image.config.v1+json\",%s},"
		       "\"layers\":[{\"mediaType\":\"%s\",%s}]}",
		       config, p.layer_type ? p.layer_type : TYPE_LAYER, layer);
	(void)snprintf(text, sizeof(text),
		       "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":"
		       "\"" TYPE_MANIFEST "\",%s%s,\"annotations\":{\"org."
		       "opencontainers.image.ref.name\":\"latest\"}}]}",
		       blob(manifest, strlen(manifest)),
		       p.platform ? p.platform : "");
	temp_text("oci/index.json", p.index ? p.index : text, 0600);
	tar.len = 0;
}

static int load(const char *src, const char *tag)
{
	options = (struct image_options){ .arch = "x86_64", .tag = tag };
	fault.text[0] = '\0';
	return image_load(src, &options, &image, &fault);
}

static void check_layout(int line, struct parts p, const char *wanted)
{
	size_t len = strlen(wanted), got;

	make_layout(p);
	(void)check_int(__FILE__, line, "the layout", load("oci", NULL), -1);
	got = strlen(fault.text);
	(void)check_str(__FILE__, line, "the fault",
			fault.text + (got > len ? got - len : 0), wanted);
	(void)check_int(__FILE__, line, "the kind", fault.kind, FAULT_REFUSED);
	image_free(&image);
}

#define CHECK_LAYOUT(wanted, ...) \
	check_layout(__LINE__, (struct parts){ __VA_ARGS__ }, wanted)

TEST(a_layout_by_its_path_name_and_tag)
{
	const char *const srcs[] = { "oci", "./oci/", "oci:oci",
				     "oci:oci:latest" };

	temp_enter();
	make_layout((struct parts){ .settings = "\"Env\":[\"A=b\"]" });
	for (size_t i = 0; i < 4; i++) {
		if (!CHECK(load(srcs[i], i == 0 ? "latest" : NULL) == 0))
			CHECK_STR(fault.text, "");
		CHECK_CONTENT("etc/name", "value");
		CHECK_STR(image.name, "latest");
		CHECK(image.config && strstr(image.config, "A=b"));
		image_free(&image);
	}
	CHECK_INT(load("oci:oci:other", NULL), -1);
	CHECK_STR(fault.text, "oci:oci:other, taken for an OCI layout: no "
			      "image has the tag other: latest");
	image_free(&image);
	CHECK_INT(load("oci:oci:latest", "other"), -1);
	CHECK_INT(fault.kind, FAULT_USAGE);
	image_free(&image);
	CHECK_INT(load("nowhere", NULL), -1);
	CHECK_INT(fault.kind, FAULT_SYSTEM);
	image_free(&image);
	temp_leave();
}

TEST(settings_reach_the_image)
{
	temp_enter();
	make_layout((struct parts){
		.settings =
			"\"Entrypoint\":[\"a\",\"b\"],\"Cmd\":[\"c d\"],"
			"\"Env\":[\"A=b\",\"C=\"],\"User\":\"1:2\","
			"\"WorkingDir\":\"/w\",\"StopSignal\":\"SIGQUIT\","
			"\"Healthcheck\":{\"Test\":[\"CMD\",\"x\"]},"
			"\"Volumes\":{\"/v\\n\":{}},\"ExposedPorts\":{\"80\":{}},"
			"\"Shell\":[\"sh\"],\"OnBuild\":[\"RUN x\"]" });
	REQUIRE(load("oci", NULL) == 0);
	REQUIRE(image.entrypoint.count == 2 && image.cmd.count == 1 &&
		image.env.count == 2 && image.notes.count == 5);
	CHECK_STR(image.entrypoint.items[1], "b");
	CHECK_STR(image.cmd.items[0], "c d");
	CHECK_STR(image.env.items[1], "C=");
	CHECK_STR(image.user, "1:2");
	CHECK_STR(image.workdir, "/w");
	CHECK_STR(image.stop_signal, "SIGQUIT");
	CHECK_STR(image.notes.items[0],
		  "HEALTHCHECK is ignored: an enclave's init does not run it");
	/* It is made when the layers are there. */
	CHECK(strncmp(image.notes.items[4], "VOLUME /v\\x0a is", 16) == 0);
	CHECK(tree_find(image.tree, "/v\n", false));
	image_free(&image);

	make_layout((struct parts){
		.settings = "\"Entrypoint\":null,\"Cmd\":null,\"User\":\"\","
			    "\"Healthcheck\":{\"Test\":[\"NONE\"]},"
			    "\"Volumes\":{}" });
	REQUIRE(load("oci", NULL) == 0);
	CHECK(!image.user && !image.entrypoint.count && !image.notes.count);
	image_free(&image);
	temp_leave();
}

TEST(layouts_that_are_refused)
{
	static const char nul[] =
		"sha256:0000000000000000000000000000000000000000000000000000000000"
		"000000";
	char text[400];

	temp_enter();
	CHECK_LAYOUT(": the image is for arm64, not amd64; if that is wrong, "
		     "--arch x86_64 stands for it",
		     .arch = "arm64");
	CHECK_LAYOUT("no image for linux/amd64: linux/arm64",
		     .platform = ",\"platform\":{\"os\":\"linux\","
				 "\"architecture\":\"arm64\"}");
	CHECK_LAYOUT(nul, .diff_id = nul);
	CHECK_LAYOUT("rootfs: not a digest by sha256 or sha512: md5:00",
		     .diff_id = "md5:00");
	CHECK_LAYOUT("layer 1: is of an unknown type: text/plain",
		     .layer_type = "text/plain");
	CHECK_LAYOUT("layer 1: is encrypted: " TYPE_LAYER "+gzip+encrypted",
		     .layer_type = TYPE_LAYER "+gzip+encrypted");
	CHECK_LAYOUT("not a digest by sha256 or sha512: "
		     "sha256:../../../../etc/passwd",
		     .layer = "\"digest\":\"sha256:../../../../etc/passwd\","
			      "\"size\":1");
	CHECK_LAYOUT("layer 1: \"size\" is no number",
		     .layer = "\"digest\":\"\",\"size\":\"1\"");
	(void)snprintf(text, sizeof(text), "\"digest\":\"%s\",\"size\":1", nul);
	CHECK_LAYOUT(": not there", .layer = text);
	CHECK_LAYOUT(" is not part of the image, but to be fetched from "
		     "elsewhere",
		     .layer = text,
		     .layer_type =
			     "application/"
			     "vnd.oci.image.layer.nondistributable.v1.tar");
	CHECK_LAYOUT(": config: \"Env\" is no array",
		     .settings = "\"Env\":\"x\"");
	CHECK_LAYOUT(": config: \"User\" is there twice, as \"User\" and as "
		     "\"uSER\"",
		     .settings = "\"User\":\"0\",\"uSER\":\"1\"");
	CHECK_LAYOUT(": config: \"User\" is there twice",
		     .settings = "\"User\":\"0\",\"User\":\"1\"");
	CHECK_LAYOUT("index.json: not JSON at byte 1", .index = "{");
	CHECK_LAYOUT("index.json: no \"schemaVersion\"", .index = "{}");
	CHECK_LAYOUT("index.json: JSON: a NUL at byte 2",
		     .index = "{\"\\u0000\":1}");
	CHECK_LAYOUT("no image for linux/amd64: there is none",
		     .index = "{\"schemaVersion\":2,\"manifests\":[]}");
	temp_leave();
}

/* A byte of a blob, and its length. */
TEST(blobs_are_what_their_digest_says)
{
	char digest[DIGEST_TEXT_MAX], path[200];

	temp_enter();
	make_layout((struct parts){ 0 });
	FILE_(&tar, "etc/name", "value");
	tar_end(&tar);
	digest_of(tar.data, tar.len, digest);
	(void)snprintf(path, sizeof(path), "oci/blobs/sha256/%s", digest + 7);
	tar.data[tar.len - 1] ^= 1;
	temp_file(path, tar.data, tar.len, 0600);
	CHECK_INT(load("oci", NULL), -1);
	CHECK(strstr(fault.text, ": its digest is sha256:"));
	image_free(&image);
	temp_file(path, tar.data, tar.len - 1, 0600);
	CHECK_INT(load("oci", NULL), -1);
	CHECK(strstr(fault.text, ": 2047 bytes, not 2048"));
	image_free(&image);
	temp_leave();
}

/* --- choosing from an index ----------------------------------------------------------- */

/* The manifest's digest ends in its number; none of them is there. */
static const char *candidate(unsigned number, const char *platform,
			     const char *annotations)
{
	static char words[8][500];

	(void)snprintf(words[number % 8], sizeof(words[0]),
		       "{\"mediaType\":\"" TYPE_MANIFEST "\",\"size\":1,"
		       "\"digest\":\"sha256:%064u\",\"platform\":{%s},"
		       "\"annotations\":{%s}}",
		       number, platform, annotations);
	return words[number % 8];
}

static void check_choice(int line, const char *tag, const char *a,
			 const char *b, const char *wanted)
{
	char index[2000];

	(void)snprintf(index, sizeof(index),
		       "{\"schemaVersion\":2,\"manifests\":[%s,%s]}", a, b);
	make_layout((struct parts){ .index = index });
	(void)check_int(__FILE__, line, "the index", load("oci", tag), -1);
	if (!strstr(fault.text, wanted))
		(void)check_str(__FILE__, line, "the fault", fault.text,
				wanted);
	image_free(&image);
}

#define CHECK_CHOICE(tag, a, b, wanted) \
	check_choice(__LINE__, tag, a, b, wanted)

#define AMD64 "\"os\":\"linux\",\"architecture\":\"amd64\""
#define ARM64 "\"os\":\"linux\",\"architecture\":\"arm64\""
#define UNKNOWN "\"os\":\"unknown\",\"architecture\":\"unknown\""
#define TAG(tag) "\"org.opencontainers.image.ref.name\":\"" tag "\""

TEST(one_of_an_index_is_chosen)
{
	temp_enter();
	CHECK_CHOICE(NULL, candidate(1, ARM64, ""), candidate(2, AMD64, ""),
		     "002: not there");
	CHECK_CHOICE(NULL, candidate(1, AMD64, ""), candidate(2, UNKNOWN, ""),
		     "001: not there");
	CHECK_CHOICE(NULL, candidate(1, AMD64, ""),
		     candidate(2, AMD64,
			       "\"vnd.docker.reference.type\":"
			       "\"attestation-manifest\""),
		     "001: not there");
	CHECK_CHOICE(NULL, candidate(1, AMD64 ",\"variant\":\"v3\"", ""),
		     candidate(2, AMD64, ""), "002: not there");
	CHECK_CHOICE(NULL, candidate(1, AMD64, TAG("a")),
		     candidate(2, AMD64, TAG("b")),
		     "several images for linux/amd64, of which one is to be "
		     "named by its tag: a, b");
	CHECK_CHOICE("b", candidate(1, AMD64, TAG("a")),
		     candidate(2, AMD64, TAG("b")), "002: not there");
	CHECK_CHOICE("c", candidate(1, AMD64, TAG("a")),
		     candidate(2, AMD64, TAG("b")),
		     "no image has the tag c: a, b");
	CHECK_CHOICE(NULL, candidate(1, AMD64, TAG("a")),
		     candidate(1, AMD64, TAG("b")), "001: not there");
	CHECK_CHOICE(NULL, candidate(1, ARM64, ""),
		     candidate(2, "\"os\":\"windows\"", ""),
		     "no image for linux/amd64: linux/arm64, windows/?");
	temp_leave();
}

/* --- archives --------------------------------------------------------------------------- */

/* docker save's older form: a layer is a link to another's. */
static void make_docker(void)
{
	static struct tar layer;
	static char text[3000];
	char digest[DIGEST_TEXT_MAX];

	layer.len = 0;
	FILE_(&layer, "etc/name", "value");
	tar_end(&layer);
	digest_of(layer.data, layer.len, digest);
	(void)snprintf(text, sizeof(text),
		       "{\"architecture\":\"amd64\",\"rootfs\":{\"type\":"
		       "\"layers\",\"diff_ids\":[\"%s\",\"%s\"]}}",
		       digest, digest);
	tar.len = 0;
	FILE_(&tar, "config.json", text);
	FILE_(&tar, "manifest.json",
	      "[{\"Config\":\"config.json\",\"RepoTags\":[\"a:1\",\"b:2\"],"
	      "\"Layers\":[\"1/layer.tar\",\"2/layer.tar\"]}]");
	/* There are NULs in it: put there afterwards. */
	memset(text, 'x', layer.len);
	text[layer.len] = '\0';
	tar_add(&tar, "1/layer.tar", (struct entry){ .content = text });
	memcpy(tar.data + tar.len - layer.len, layer.data, layer.len);
	LINK_(&tar, "2/layer.tar", "../1/layer.tar");
	tar_end(&tar);
}

TEST(docker_save_archives)
{
	temp_enter();
	make_docker();
	temp_file("save.tar", tar.data, tar.len, 0600);
	if (!CHECK(load("save.tar", NULL) == 0))
		CHECK_STR(fault.text, "");
	CHECK_CONTENT("etc/name", "value");
	CHECK_STR(image.name, "a:1");
	image_free(&image);
	CHECK_INT(load("docker-archive:save.tar:b:2", NULL), 0);
	image_free(&image);
	CHECK_INT(load("save.tar", "2"), 0);
	image_free(&image);
	CHECK_INT(load("save.tar", "3"), -1);
	CHECK_STR(fault.text,
		  "save.tar, taken for a docker save archive: manifest.json: "
		  "no image has the tag 3: a:1, b:2");
	image_free(&image);
	CHECK_INT(load("oci-archive:save.tar", NULL), -1);
	image_free(&image);
	temp_leave();
}

TEST(archives_may_be_compressed)
{
	static uint8_t packed[sizeof(tar.data)];
	z_stream z = { 0 };

	temp_enter();
	make_docker();
	REQUIRE(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8,
			     Z_DEFAULT_STRATEGY) == Z_OK);
	z.next_in = tar.data;
	z.avail_in = (unsigned)tar.len;
	z.next_out = packed;
	z.avail_out = sizeof(packed);
	REQUIRE(deflate(&z, Z_FINISH) == Z_STREAM_END);
	temp_file("save.tgz", packed, z.total_out, 0600);
	REQUIRE(deflateEnd(&z) == Z_OK);
	if (!CHECK(load("save.tgz", NULL) == 0))
		CHECK_STR(fault.text, "");
	CHECK_CONTENT("etc/name", "value");
	image_free(&image);
	/* Cut off: no archive of fewer files. */
	REQUIRE(truncate("save.tgz", 60) == 0);
	CHECK_INT(load("save.tgz", NULL), -1);
	CHECK_STR(fault.text,
		  "save.tgz, taken for an archive: truncated gzip input");
	image_free(&image);
	temp_text("text", "no archive", 0600);
	CHECK_INT(load("text", NULL), -1);
	CHECK_STR(fault.text, "text, taken for an archive: neither tar nor "
			      "tar by gzip, zstd, xz or bzip2");
	image_free(&image);
	temp_leave();
}

/* --- folders, and skopeo ------------------------------------------------------------------- */

TEST(a_plain_folder)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	temp_enter();
	REQUIRE(mkdir("f", 0755) == 0 && mkdir("f/sub", 0750) == 0);
	temp_text("f/sub/file", "text", 0711);
	temp_text("f/.wh.file", "kept", 0600);
	REQUIRE(link("f/sub/file", "f/linked") == 0);
	REQUIRE(symlink("/etc", "f/etc") == 0);
	REQUIRE(mkfifo("f/pipe", 0600) == 0);
	memcpy(name.sun_path, "f/sock", 7);
	REQUIRE(bind(fd, (struct sockaddr *)&name, sizeof(name)) == 0);
	close(fd);
	if (!CHECK(load("f", NULL) == 0))
		CHECK_STR(fault.text, "");
	CHECK_CONTENT("sub/file", "text");
	CHECK_CONTENT(".wh.file", "kept");
	CHECK_INT(node_at("sub/file")->inode->mode, S_IFREG | 0711);
	CHECK_INT(node_at("sub/file")->inode->uid, 0);
	CHECK(node_at("sub/file")->inode == node_at("linked")->inode);
	CHECK_INT(node_at("sub")->inode->mode, S_IFDIR | 0750);
	CHECK_STR(node_at("etc")->inode->target, "/etc");
	CHECK_INT(node_at("pipe")->inode->mode, S_IFIFO | 0600);
	CHECK_INT(tree_root(image.tree)->count, 5);
	REQUIRE(image.notes.count == 1);
	CHECK_STR(image.notes.items[0], "sock: a socket, left out");
	CHECK(!image.config);
	image_free(&image);
	CHECK_INT(load("f", "tag"), -1);
	CHECK_INT(fault.kind, FAULT_USAGE);
	image_free(&image);

	REQUIRE(truncate("f/linked", (off_t)1 << 32) == 0);
	CHECK_INT(load("f", NULL), -1);
	CHECK(strstr(fault.text, ": 4294967296 bytes: a ramdisk's files"));
	image_free(&image);
	temp_leave();
}

/* Nothing is left in TMPDIR, whatever skopeo did. */
static void check_tmp_empty(int line)
{
	(void)check_true(__FILE__, line, "TMPDIR is empty", rmdir("tmp") == 0);
	REQUIRE(mkdir("tmp", 0755) == 0);
}

TEST(other_transports_are_for_skopeo)
{
	char path[200];

	temp_enter();
	REQUIRE(mkdir("tmp", 0755) == 0 && mkdir("bin", 0755) == 0);
	(void)snprintf(path, sizeof(path), "%s/tmp", temp_path);
	REQUIRE(setenv("TMPDIR", path, 1) == 0);
	(void)snprintf(path, sizeof(path), "%s/bin", temp_path);
	REQUIRE(setenv("PATH", path, 1) == 0);
	CHECK_INT(load("docker://debian:12", NULL), -1);
	CHECK_STR(fault.text, "docker://debian:12, taken for an image that "
			      "skopeo copies: skopeo is needed for it and is "
			      "not installed");
	image_free(&image);
	check_tmp_empty(__LINE__);

	/* One that fails half way. */
	temp_text("bin/skopeo",
		  "#!/bin/sh\nfor to; do :; done\n"
		  "echo x >\"${to#oci:}/half\"\nexit 3\n",
		  0755);
	CHECK_INT(load("docker://debian:12", NULL), -1);
	CHECK(strstr(fault.text, "skopeo could not copy it (code 3)"));
	image_free(&image);
	check_tmp_empty(__LINE__);

	/* One that gives what is in oci, if it is asked rightly. */
	make_layout((struct parts){ 0 });
	(void)snprintf(
		path, sizeof(path),
		"#!/bin/sh\n[ \"${*%%oci:*}\" = \"copy --override-arch "
		"amd64 --override-os linux docker://debian:12 \" ] || exit 9\n"
		"for to; do :; done; /bin/cp -r oci/* \"${to#oci:}\"\n");
	temp_text("bin/skopeo", path, 0755);
	if (!CHECK(load("docker://debian:12", NULL) == 0))
		CHECK_STR(fault.text, "");
	CHECK_CONTENT("etc/name", "value");
	image_free(&image);
	check_tmp_empty(__LINE__);
	CHECK_INT(load("docker://debian:11", NULL), -1);
	image_free(&image);
	check_tmp_empty(__LINE__);
	temp_leave();
}

CHECK_MAIN("pack_image")
