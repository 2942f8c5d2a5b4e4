/* What connects and what is connected to: flow/dial and flow/listener, over loopback. */

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "tests/unit/check.h"
#include "vsock/relay/flow/dial.h"
#include "vsock/relay/flow/listener.h"
#include "vsock/relay/flow/tally.h"

static struct loop loop;
static char dir[64];

/* What a link leads to that takes the place of a socket as soon as this is there; or empty. */
static char target[128];

int rename(const char *from, const char *to)
{
	long r = syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);

	if (r == 0 && target[0]) {
		REQUIRE(unlink(to) == 0);
		REQUIRE(symlink(target, to) == 0);
	}
	return (int)r;
}

struct outcome {
	int fd, calls;
};

static void on_dialled(void *ctx, int fd)
{
	struct outcome *o = ctx;

	o->fd = fd;
	o->calls++;
}

static struct address read_address(const char *format, ...)
{
	static char texts[16][256];
	static unsigned n;
	struct address a = { 0 };
	char *text = texts[n++ % 16];
	const char *why;
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(texts[0]), format, ap);
	va_end(ap);
	why = address_read(text, strlen(text), 0, &a);
	if (why)
		(void)CHECK_FAIL("%s: %s", text, why);
	return a;
}

static int dial_within(const struct address *a, int timeout_ms)
{
	struct outcome o = { 0 };
	struct dial d;

	dial_start(&d, &loop, a, 0, timeout_ms, on_dialled, &o);
	CHECK_INT(o.calls, 0);
	while (o.calls == 0)
		REQUIRE(loop_turn(&loop) == 0);
	CHECK_INT(o.calls, 1);
	CHECK_INT(loop.timers, 0);
	return o.fd;
}

static int dial(const struct address *a)
{
	return dial_within(a, 100000);
}

static void set_up(void)
{
	REQUIRE(loop_open(&loop, 600) == 0);
	(void)strcpy(dir, "/tmp/flow-XXXXXX");
	REQUIRE(mkdtemp(dir) != NULL);
}

static void tear_down(void)
{
	char command[128];

	CHECK_INT(loop.timers, 0);
	loop_close(&loop);
	(void)snprintf(command, sizeof(command), "rm -r %s", dir);
	CHECK_INT(system(command), 0);
}

/* A socket of AF_UNIX that listens; it takes nothing by itself. */
static int listen_unix(const char *name, int backlog)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)snprintf(un.sun_path, sizeof(un.sun_path), "%s/%s", dir, name);
	REQUIRE(bind(fd, (struct sockaddr *)&un, sizeof(un)) == 0);
	REQUIRE(listen(fd, backlog) == 0);
	return fd;
}

static void ignore(struct timer *t)
{
	(void)t;
}

static void turns(int n)
{
	for (; n > 0; n--) {
		struct timer t = { .due = ignore };

		loop_timer(&loop, &t, 0);
		REQUIRE(loop_turn(&loop) == 0);
		loop_untimer(&loop, &t);
	}
}

/* --- dial --------------------------------------------------------------------------- */

TEST(what_does_not_listen_is_told)
{
	struct address a;
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	set_up();
	/* Bound and not listening: nobody else can take it. */
	REQUIRE(bind(fd, (struct sockaddr *)&in, len) == 0);
	REQUIRE(getsockname(fd, (struct sockaddr *)&in, &len) == 0);
	a = read_address("tcp:127.0.0.1:%u", ntohs(in.sin_port));
	CHECK_INT(dial(&a), -ECONNREFUSED);
	a = read_address("unix:%s/none", dir);
	CHECK_INT(dial(&a), -ECONNRESET);
	a = read_address("dir:%s:80", dir);
	CHECK_INT(dial(&a), -ECONNRESET);
	a = read_address("mux:%s/v.sock:80", dir);
	CHECK_INT(dial(&a), -ECONNRESET);
	a = read_address("vsock:16:80"); /* of the seam, which has none here */
	CHECK_INT(dial(&a), -EAFNOSUPPORT);
	a = read_address("tcp:no-address:80");
	CHECK_INT(a.kind, ADDRESS_NAME);
	CHECK_INT(dial(&a), -EINVAL);
	tear_down();
}

TEST(a_queue_that_is_full_is_waited_for_until_the_deadline)
{
	struct outcome o = { 0 };
	struct address a;
	struct dial d;
	int listener, fd;

	set_up();
	a = read_address("unix:%s/full", dir);
	listener = listen_unix("full", 0);
	CHECK(dial(&a) >= 0);
	CHECK_INT(dial_within(&a, 50), -ETIMEDOUT);
	dial_start(&d, &loop, &a, 0, 100000, on_dialled, &o);
	REQUIRE(loop_turn(&loop) == 0);
	CHECK_INT(o.calls, 0);
	fd = accept(listener, NULL, NULL);
	while (o.calls == 0)
		REQUIRE(loop_turn(&loop) == 0);
	CHECK(fd >= 0 && o.fd >= 0);
	tear_down();
}

/* A monitor in a process: it reads the question and sends ANSWER, byte by byte or at once. */
static pid_t start_monitor(const char *answer, bool by_bytes)
{
	static const char wanted[] = "CONNECT 4242\n";
	int listener = listen_unix("v.sock", 8), fd;
	pid_t pid = fork();
	char got[64] = "";

	if (pid) {
		close(listener);
		return pid;
	}
	fd = accept(listener, NULL, NULL);
	for (size_t i = 0; i < sizeof(wanted) - 1; i++)
		if (read(fd, got + i, 1) != 1)
			_exit(1);
	for (; *answer; answer += by_bytes ? 1 : strlen(answer)) {
		(void)!write(fd, answer, by_bytes ? 1 : strlen(answer));
		if (by_bytes)
			(void)usleep(1000);
	}
	_exit(strcmp(got, wanted) != 0);
}

static int dial_monitor(const char *answer, bool by_bytes)
{
	struct address a = read_address("mux:%s/v.sock:4242", dir);
	pid_t pid = start_monitor(answer, by_bytes);
	int fd = dial(&a), status;
	char path[128];

	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK_INT(status, 0);
	(void)snprintf(path, sizeof(path), "%s/v.sock", dir);
	CHECK_INT(unlink(path), 0);
	return fd;
}

TEST(nothing_is_lost_of_what_follows_a_monitors_answer)
{
	char got[64] = "";
	int fd;

	set_up();
	for (int by_bytes = 0; by_bytes < 2; by_bytes++) {
		fd = dial_monitor("OK 1073741824\nand then some", by_bytes);
		REQUIRE(fd >= 0);
		CHECK_INT(recv(fd, got, sizeof(got), MSG_WAITALL), 13);
		CHECK_STR(got, "and then some");
	}
	tear_down();
}

TEST(an_answer_that_is_none_is_no_connection)
{
	static const char *const bad[] = { "OL 1\n", "\n", "O\n", "OK1\n",
					   "HTTP/1.1 400 No\r\n" };
	char longest[200] = "OK ";

	set_up();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_INT(dial_monitor(bad[i], false), -EPROTO);
	(void)memset(longest + 3, '1', sizeof(longest) - 4);
	CHECK_INT(dial_monitor(longest, false), -EPROTO);
	CHECK_INT(dial_monitor("", false), -ECONNRESET);
	CHECK_INT(dial_monitor("OK 107", false), -ECONNRESET);
	tear_down();
}

TEST(a_monitor_that_does_not_answer_is_left_at_the_deadline)
{
	struct address a;

	set_up();
	(void)listen_unix("v.sock", 8);
	a = read_address("mux:%s/v.sock:4242", dir);
	CHECK_INT(dial_within(&a, 30), -ETIMEDOUT);
	tear_down();
}

TEST(what_is_cancelled_is_not_told)
{
	struct outcome o = { 0 };
	struct dial d = { 0 };
	struct address silent, none, full;

	set_up();
	dial_cancel(&d);
	(void)listen_unix("v.sock", 8);
	(void)listen_unix("full", 0);
	full = read_address("unix:%s/full", dir);
	CHECK(dial(&full) >= 0);
	silent = read_address("mux:%s/v.sock:4242", dir);
	none = read_address("unix:%s/none", dir);
	for (int i = 0; i < 5; i++) {
		const struct address *to[] = { &silent, &full, &silent, &full,
					       &none };

		dial_start(&d, &loop, to[i], 0, 100000, on_dialled, &o);
		if (i < 2)
			turns(2);
		dial_cancel(&d);
		CHECK_INT(d.source.fd, -1);
	}
	turns(2);
	CHECK_INT(o.calls, 0);
	tear_down();
}

/* --- listener ----------------------------------------------------------------------- */

static struct listener listener;
static int taken[512];
static uint32_t indices[512];
static struct origin origins[512];
static unsigned taken_count;

static void on_accepted(void *ctx, int fd, const struct listener_arrival *a)
{
	CHECK(ctx == &listener);
	taken[taken_count] = fd;
	indices[taken_count] = a->index;
	origins[taken_count++] = a->from;
}

static void start_at(const struct address *a, uint32_t max)
{
	REQUIRE(listener_bind(&listener, a, 0, max) == 0);
	REQUIRE(listener_start(&listener, &loop, on_accepted, &listener) == 0);
}

static int connect_unix(const char *name)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)snprintf(un.sun_path, sizeof(un.sun_path), "%s/%s", dir, name);
	CHECK_INT(connect(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	return fd;
}

static bool exists(const char *name)
{
	char path[128];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	return lstat(path, &st) == 0;
}

TEST(each_port_of_a_range_has_a_socket)
{
	struct address a;
	int fd;

	set_up();
	a = read_address("dir:%s:100-149", dir);
	start_at(&a, 0);
	CHECK_INT(listener.count, 50);
	fd = connect_unix("117.sock");
	turns(2);
	CHECK_INT(taken_count, 1);
	CHECK_INT(indices[0], 17);
	CHECK_INT(origins[0].kind, ORIGIN_OTHER);
	close(fd);
	listener_left(&listener);
	/* One of them is taken: no other is left over. */
	listener_close(&listener);
	CHECK(!exists("100.sock") && !exists("149.sock"));
	fd = listen_unix("130.sock", 1);
	CHECK_INT(listener_bind(&listener, &a, 0, 0), -EADDRINUSE);
	CHECK(!exists("100.sock") && exists("130.sock"));
	/* Left over, it is replaced. */
	close(fd);
	start_at(&a, 0);
	fd = connect_unix("130.sock");
	turns(2);
	CHECK_INT(taken_count, 2);
	listener_left(&listener);
	listener_close_all();
	CHECK(!exists("130.sock"));
	tear_down();
}

TEST(who_has_connected_is_told)
{
	struct sockaddr_in6 six = { 0 };
	socklen_t len = sizeof(six);
	struct address a;
	struct origin to;

	set_up();
	/* The kernel chooses the port: address_read takes no 0. */
	a = read_address("tcp:[::1]:1");
	a.port = a.last = 0;
	start_at(&a, 0);
	REQUIRE(getsockname(listener.sockets[0].source.fd,
			    (struct sockaddr *)&six, &len) == 0);
	a.port = a.last = ntohs(six.sin6_port);
	CHECK(dial(&a) >= 0);
	turns(2);
	REQUIRE(taken_count == 1);
	CHECK_INT(origins[0].kind, ORIGIN_V6);
	CHECK_INT(origins[0].ip[15], 1);
	CHECK(origins[0].port != 0);
	listener_end_of(taken[0], &to);
	CHECK_INT(to.kind, ORIGIN_V6);
	CHECK_INT(to.port, a.port);
	CHECK_INT(listener_bind(&(struct listener){ 0 }, &a, 0, 0),
		  -EADDRINUSE);
	listener_left(&listener);
	listener_close(&listener);
	tear_down();
}

TEST(at_its_limit_it_rests_until_one_has_left)
{
	struct address a;

	set_up();
	a = read_address("unix:%s/listen", dir);
	start_at(&a, 3);
	for (int i = 0; i < 5; i++)
		(void)connect_unix("listen");
	turns(5);
	CHECK_INT(taken_count, 3);
	CHECK(listener.is_resting);
	listener_left(&listener);
	CHECK(!listener.is_resting);
	turns(5);
	CHECK_INT(taken_count, 4);
	CHECK(listener.is_resting);
	for (int i = 0; i < 3; i++)
		listener_left(&listener);
	turns(5);
	CHECK_INT(taken_count, 5);
	CHECK_INT(tally_sum(listener.column, TALLY_NOW), 1);
	CHECK_INT(tally_sum(listener.column, TALLY_TOTAL), 5);
	listener_left(&listener);
	listener_close(&listener);
	tear_down();
}

TEST(what_others_have_left_is_seen_after_a_while)
{
	struct address a;
	unsigned other;

	set_up();
	tally_limit(2, 2);
	other = tally_new();
	a = read_address("unix:%s/listen", dir);
	start_at(&a, 0);
	/* As if another worker had them. */
	tally_join(1);
	tally_enter(other);
	tally_enter(other);
	tally_join(0);
	(void)connect_unix("listen");
	turns(3);
	CHECK_INT(taken_count, 0);
	CHECK(listener.is_resting);
	tally_forget(1);
	while (taken_count == 0)
		REQUIRE(loop_turn(&loop) == 0);
	listener_left(&listener);
	listener_close(&listener);
	tear_down();
}

TEST(without_descriptors_it_rests_and_does_not_spin)
{
	struct rlimit limit, none;
	struct address a;
	int turns_taken = 0, spare;

	set_up();
	a = read_address("unix:%s/listen", dir);
	start_at(&a, 0);
	(void)connect_unix("listen");
	spare = connect_unix("listen");
	REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	none = limit;
	none.rlim_cur = (rlim_t)spare + 1;
	REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
	turns(1);
	CHECK_INT(taken_count, 0);
	CHECK(listener.is_resting);
	/* Three times it looks again, and sleeps in between. */
	for (int i = 0; i < 3; i++) {
		while (!listener.is_resting)
			turns(1);
		REQUIRE(loop_turn(&loop) == 0);
		turns_taken++;
	}
	CHECK_INT(taken_count, 0);
	REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	while (taken_count < 2)
		REQUIRE(loop_turn(&loop) == 0);
	listener_left(&listener);
	listener_left(&listener);
	listener_close(&listener);
	tear_down();
}

TEST(a_socket_that_another_worker_has_shut_down_does_not_spin)
{
	struct address a;
	int64_t end_ms;

	set_up();
	a = read_address("unix:%s/listen", dir);
	start_at(&a, 0);
	REQUIRE(shutdown(listener.sockets[0].source.fd, SHUT_RDWR) == 0);
	end_ms = loop_now_ms(&loop) + 300;
	for (int n = 0; loop_now_ms(&loop) < end_ms; n++) {
		REQUIRE(n < 20);
		REQUIRE(loop_turn(&loop) == 0);
	}
	listener_close(&listener);
	tear_down();
}

TEST(inside_a_socket_is_for_all_and_no_other_file_becomes_so)
{
	struct address a;
	struct stat st;
	char path[128];

	set_up();
	listener_set_inside();
	(void)umask(077);
	a = read_address("unix:%s/socket", dir);
	(void)snprintf(path, sizeof(path), "%s/socket", dir);
	REQUIRE(listener_bind(&listener, &a, 0, 0) == 0);
	CHECK_INT(stat(path, &st), 0);
	CHECK_INT(st.st_mode & 07777, 0666);
	listener_close(&listener);
	/* Who owns the directory puts a link there. */
	(void)snprintf(target, sizeof(target), "%s/file", dir);
	close(open(target, O_CREAT | O_WRONLY, 0600));
	REQUIRE(listener_bind(&listener, &a, 0, 0) == 0);
	CHECK_INT(lstat(path, &st), 0);
	CHECK(S_ISLNK(st.st_mode));
	CHECK_INT(stat(target, &st), 0);
	CHECK_INT(st.st_mode & 07777, 0600);
	CHECK_INT(umask(0), 077);
	listener_close(&listener);
	tear_down();
}

TEST(a_file_that_is_no_socket_stays)
{
	struct address a;
	char path[128];

	set_up();
	a = read_address("unix:%s/file", dir);
	(void)snprintf(path, sizeof(path), "%s/file", dir);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	CHECK_INT(listener_bind(&listener, &a, 0, 0), -EEXIST);
	CHECK(exists("file"));
	tear_down();
}

CHECK_MAIN("flow_ends")
