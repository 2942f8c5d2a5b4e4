#include "init/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "init/boot.h"
#include "init/report.h"
#include "rootfs/file.h"
#include "vsock/inside.h"
#include "vsock/io.h"

enum {
	PROGRAM_MAX = 64 << 20,
	MEMFD_NOEXEC = 0x8, /* MFD_NOEXEC_SEAL and MFD_EXEC, of Linux 6.3 */
	MEMFD_EXEC = 0x10,
};

/* --- what it is made of --- */

static int open_memory(bool is_program)
{
	const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	int fd = memfd_create("relay",
			      flags | (is_program ? MEMFD_EXEC : MEMFD_NOEXEC));

	if (fd < 0)
		fd = memfd_create("relay", flags);
	return fd < 0 ? -errno : fd;
}

/* No process, root's neither, can write to it from here on. Takes FD over. */
static int seal(int fd, int r)
{
	if (r >= 0 && syscall(SYS_fcntl, fd, F_ADD_SEALS,
			      F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW |
				      F_SEAL_WRITE) < 0)
		r = -errno;
	if (r >= 0)
		return fd;
	close(fd);
	return r;
}

/* Takes FROM over. */
static int copy(int from)
{
	int to = open_memory(true);
	ssize_t n = 1;
	size_t all = 0;

	while (to >= 0 && n > 0 && all < PROGRAM_MAX) {
		n = sendfile(to, from, NULL, PROGRAM_MAX - all);
		all += n > 0 ? (size_t)n : 0;
	}
	if (to >= 0)
		to = seal(to, n < 0 ? -errno : n > 0 ? -EFBIG : 0);
	close(from);
	return to;
}

int relay_plan(const struct config *c)
{
	struct file text;
	int r = file_alloc(config_relay_size(c), &text), fd;

	if (r < 0)
		return r;
	fd = open_memory(false);
	if (fd >= 0) {
		text.len = config_relay_size(c);
		config_relay_text(c, text.data);
		errno = EIO;
		if (write(fd, text.data, text.len) != (ssize_t)text.len)
			r = -errno;
		fd = seal(fd, r);
	}
	file_free(&text);
	return fd;
}

void relay_take(struct boot *b)
{
	int root, fd;

	if (b->config->relayed_count == 0)
		return;
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	fd = file_open_below(root, INSIDE_RAMDISK_PATH);
	if (fd == -ENOENT && !b->config->stay) {
		close(root);
		root = open("/rootfs", O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	if (fd == -ENOENT)
		fd = file_open_in_root(root, INSIDE_IMAGE_PATH);
	close(root);
	b->relay.fds[RELAYING_PROGRAM] = fd < 0 ? fd : copy(fd);
}

/* --- egress-names --- */

struct name {
	const char *at;
	size_t len;
};

/* Those that came so far; a name of one that is there already is none. */
struct names_seen {
	size_t count;
	struct name names[INSIDE_NAMES_MAX + 1]; /* and one that is looked at */
};

static bool is_new(const struct names_seen *seen, const struct name *name)
{
	for (size_t i = 0; i < seen->count; i++)
		if (seen->names[i].len == name->len &&
		    strncasecmp(seen->names[i].at, name->at, name->len) == 0)
			return false;
	return name->len > 0 && name->len <= INSIDE_NAME_MAX &&
	       seen->count < INSIDE_NAMES_MAX;
}

static int add_host(const struct name *name, uint32_t address,
		    int (*add)(const char *address, const char *name))
{
	struct text host, t;

	text_clear(&t);
	for (int shift = 24; shift >= 0; shift -= 8) {
		text_add_number(&t, address >> shift & 255);
		text_add(&t, shift > 0 ? "." : "");
	}
	text_clear(&host);
	text_add_bytes(&host, name->at, name->len);
	return add(text_string(&t), text_string(&host));
}

/* What is wrong with a name stops the boot in step 8, which says so. */
static int add_line(struct names_seen *seen, const char *at,
		    int (*add)(const char *address, const char *name))
{
	static const char blanks[] = " \t";
	size_t len;
	int r = 0;

	for (; r == 0 && *(at += strspn(at, blanks)); at += len) {
		struct name *name = &seen->names[seen->count];

		len = strcspn(at, blanks);
		*name = (struct name){ at, inside_name_len(at, len) };
		if (!is_new(seen, name))
			continue;
		r = add_host(name, inside_name_address((unsigned)seen->count),
			     add);
		seen->count++;
	}
	return r;
}

int relay_add_hosts(const struct config *c,
		    int (*add)(const char *address, const char *name))
{
	struct names_seen seen;
	int r = 0;

	seen.count = 0;
	for (size_t i = 0; i < c->relayed_count && r == 0; i++)
		if (strcmp(c->relayed[i].key, "egress-names") == 0)
			r = add_line(&seen, c->relayed[i].value, add);
	return r;
}

/* --- its report --- */

static void add_string(struct text *t, const char *s, size_t max)
{
	text_add_bytes(t, s, strnlen(s, max));
}

/* The first time it is the boot that fails. */
static void fail(struct boot *b, const char *object, const char *reason)
{
	if (b->relay.phase == RELAY_STARTS) {
		b->relay.phase = RELAY_FAILED;
		(void)boot_fail(b, object, reason);
	} else if (b->relay.phase == RELAY_RUNS) {
		log_line("relay", object, reason);
	}
}

static void fail_report(struct boot *b, const struct inside_report *m)
{
	struct text object, reason;

	text_clear(&object);
	if (m->line > 0) {
		text_add(&object, "line ");
		text_add_number(&object, m->line);
		text_add(&object, *m->object ? ": " : "");
	}
	add_string(&object, m->object, sizeof(m->object));
	text_clear(&reason);
	add_string(&reason, m->reason, sizeof(m->reason));
	if (m->error > 0) {
		text_add(&reason, reason.len > 0 ? ": " : "");
		text_add(&reason, strerror(m->error));
	}
	fail(b, text_string(&object), text_string(&reason));
}

static void become_ready(struct relay *y)
{
	y->is_ready = true;
	y->due_ms = 0;
	y->ready_ms = io_now_ms();
	if (y->phase == RELAY_STARTS)
		y->phase = RELAY_RUNS;
}

/* One message is all that it has to say. */
static void take_report(void *ctx)
{
	struct boot *b = ctx;
	struct relay *y = &b->relay;
	struct inside_report m;
	/* Of a longer one its length is told. */
	ssize_t n = recv(y->helper.channel, &m, sizeof(m),
			 MSG_DONTWAIT | MSG_TRUNC);

	if (n < 0)
		return; /* not there yet */
	loop_forget(&b->loop, y->helper.channel);
	if (n != (ssize_t)sizeof(m))
		return; /* its death comes, or its deadline */
	if (m.news == INSIDE_READY)
		become_ready(y);
	else if (m.news == INSIDE_FAULT)
		fail_report(b, &m);
}

/* --- its process --- */

static void start(struct boot *b);

static void try_later(struct relay *y)
{
	const int64_t now_ms = io_now_ms();

	if (y->is_ready && now_ms - y->ready_ms >= RELAY_STABLE_MS)
		y->pause_ms = 0;
	y->is_ready = false;
	y->pause_ms = y->pause_ms == 0 ? RELAY_PAUSE_MS : 2 * y->pause_ms;
	if (y->pause_ms > RELAY_PAUSE_MAX_MS)
		y->pause_ms = RELAY_PAUSE_MAX_MS;
	y->due_ms = now_ms + y->pause_ms;
}

static void kill_all(const struct relay *y)
{
	helper_kill(&y->helper);
	if (y->group > 0) /* its workers, which hold its ports */
		(void)kill(-y->group, SIGKILL);
}

static void died(void *ctx, struct helper *h)
{
	struct boot *b = ctx;
	struct relay *y = &b->relay;
	struct text t;

	if (!y->is_ready)
		take_report(b);
	loop_forget(&b->loop, h->channel);
	kill_all(y);
	y->group = 0;
	text_clear(&t);
	report_status(h->status, false, &t);
	if (y->phase == RELAY_RUNS)
		text_add(&t, ", started again");
	fail(b, y->phase == RELAY_RUNS ? "its process" : "relay",
	     text_string(&t));
	if (y->phase == RELAY_RUNS)
		try_later(y);
}

static void start(struct boot *b)
{
	struct relay *y = &b->relay;
	struct helper_job job = { .keep = y->fds, .keep_count = RELAYING_FDS };
	int r = helper_start(&y->helper, HELPER_RELAY, &job, &b->children, died,
			     b);

	y->due_ms = io_now_ms() + INSIDE_DEADLINE_MS;
	if (r == 0) {
		y->group = y->helper.pid;
		r = loop_watch(&b->loop, y->helper.channel, take_report, b);
		if (r == 0)
			return;
		helper_kill(&y->helper);
	}
	fail(b, "relay", strerror(-r));
}

static int64_t next_deadline(const void *ctx)
{
	return ((const struct boot *)ctx)->relay.due_ms;
}

static void due(void *ctx, int64_t now_ms)
{
	struct boot *b = ctx;
	struct relay *y = &b->relay;

	if (y->due_ms == 0 || y->due_ms > now_ms)
		return;
	y->due_ms = 0;
	if (y->helper.pid == 0) {
		start(b);
		return;
	}
	fail(b, "relay", "it says nothing");
	kill_all(y); /* which is told, and so it is started again */
}

static bool has_begun(void *ctx)
{
	const struct relay *y = ctx;

	return y->phase != RELAY_STARTS;
}

static bool is_gone(void *ctx)
{
	const struct relay *y = ctx;

	return y->helper.pid == 0;
}

static int fail_missing(struct boot *b, int r)
{
	static const char places[] =
		"neither in the boot ramdisk (" INSIDE_RAMDISK_PATH
		") nor in the image (" INSIDE_IMAGE_PATH ")";

	return boot_fail(b, "relay", r == -ENOENT ? places : strerror(-r));
}

int relay_start(struct boot *b)
{
	struct relay *y = &b->relay;

	if (b->config->relayed_count == 0)
		return 0;
	if (y->fds[RELAYING_PROGRAM] < 0)
		return fail_missing(b, y->fds[RELAYING_PROGRAM]);
	y->fds[RELAYING_PLAN] = relay_plan(b->config);
	if (y->fds[RELAYING_PLAN] < 0)
		return boot_fail(b, "relay", strerror(-y->fds[RELAYING_PLAN]));
	y->fds[RELAYING_LOG] =
		link_stream(&b->link, b->config->service_count, 1);
	y->phase = RELAY_STARTS;
	loop_add_clock(&b->loop, (struct loop_clock){ next_deadline, due, b });
	start(b);
	(void)loop_until(&b->loop, has_begun, y, -1);
	return y->phase == RELAY_RUNS ? 0 : -1;
}

void relay_end(struct boot *b)
{
	struct relay *y = &b->relay;

	if (y->phase == RELAY_OFF)
		return;
	y->phase = RELAY_ENDS;
	y->due_ms = 0;
	if (y->helper.pid == 0)
		return;
	(void)kill(y->helper.pid, SIGTERM);
	(void)shutdown(y->helper.channel, SHUT_WR);
	(void)loop_until(&b->loop, is_gone, y, io_now_ms() + INSIDE_END_MS);
	kill_all(y);
}
