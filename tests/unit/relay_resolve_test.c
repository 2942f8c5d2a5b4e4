/* Names that are looked up by children, for all workers: relay's resolve and lookup. */

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "tests/unit/check.h"
#include "vsock/relay/flow/lookup.h"
#include "vsock/relay/flow/loop.h"
#include "vsock/relay/flow/resolve.h"

enum { ASKED_MAX = 64, MANY = 20 };

/* Shared with the children. */
struct seen {
	atomic_int lookups, family, may_go;
};

static struct seen *seen;
static struct loop loop;
static struct plan plan;

static struct {
	struct resolve resolve;
	int calls, error;
	size_t count;
	struct resolve_ip ips[RESOLVE_IPS];
} asked[ASKED_MAX];

/* The C library's, in a child: what a name begins with says what becomes of it. */
int getaddrinfo(const char *name, const char *service,
		const struct addrinfo *hints, struct addrinfo **ret)
{
	static struct sockaddr_in v4[MANY];
	static struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	static struct addrinfo list[MANY + 1];
	int count = strncmp(name, "many", 4) == 0 ? MANY : 1;

	(void)service;
	atomic_fetch_add(&seen->lookups, 1);
	atomic_store(&seen->family, hints->ai_family);
	while (!atomic_load(&seen->may_go))
		(void)usleep(1000);
	if (strncmp(name, "none", 4) == 0)
		return EAI_NONAME;
	if (strncmp(name, "again", 5) == 0)
		return EAI_AGAIN;
	if (strncmp(name, "crash", 5) == 0)
		_exit(1);
	v6.sin6_addr.s6_addr[15] = 1;
	list[0] = (struct addrinfo){ .ai_family = AF_INET6,
				     .ai_addr = (struct sockaddr *)&v6,
				     .ai_next = &list[1] };
	for (int i = 0; i < count; i++) {
		v4[i].sin_family = AF_INET;
		v4[i].sin_addr.s_addr = htonl(0x7f000001 + (uint32_t)i);
		list[i + 1] = (struct addrinfo){
			.ai_family = AF_INET,
			.ai_addr = (struct sockaddr *)&v4[i],
			.ai_next = i + 1 < count ? &list[i + 2] : NULL
		};
	}
	*ret = list;
	return 0;
}

static void on_done(void *ctx, int error, const struct resolve_ip *ips,
		    size_t count)
{
	size_t i = (size_t)(uintptr_t)ctx;

	asked[i].calls++;
	asked[i].error = error;
	asked[i].count = count;
	if (count > 0 && CHECK(count <= RESOLVE_IPS))
		memcpy(asked[i].ips, ips, count * sizeof(*ips));
}

static void ask_for(uint32_t owner, size_t i, const char *name)
{
	asked[i].calls = 0;
	asked[i].error = 1;
	resolve_start(&asked[i].resolve, &loop, name, strlen(name), RESOLVE_ANY,
		      owner, on_done, (void *)(uintptr_t)i);
	CHECK_INT(asked[i].calls, 0);
}

static void ask(size_t i, const char *name)
{
	ask_for(0, i, name);
}

static void on_tick(struct timer *t)
{
	(void)t;
}

/* A turn of a loop that does not sleep until something is late. */
static void turn(void)
{
	static struct timer tick = { .due = on_tick };

	loop_timer(&loop, &tick, loop_now_ms(&loop) + 1);
	REQUIRE(loop_turn(&loop) == 0);
	loop_untimer(&loop, &tick);
}

static void wait_for(size_t i)
{
	while (asked[i].calls == 0)
		REQUIRE(loop_turn(&loop) == 0);
	CHECK_INT(asked[i].calls, 1);
}

/* A child tells the loop nothing of its beginning. */
static void wait_for_lookup(void)
{
	while (atomic_load(&seen->lookups) == 0)
		turn();
}

/* Both ends in this process; only the children are others. */
static void begin(void)
{
	const struct service_work work = { .plan = &plan, .loop = &loop };
	struct service_fault fault;

	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	REQUIRE(seen != MAP_FAILED);
	atomic_store(&seen->may_go, 1);
	plan.side = PLAN_PARENT;
	plan.workers = 1;
	REQUIRE(loop_open(&loop, 2048) == 0);
	REQUIRE(lookup_service.bind(&plan, &fault) == 0);
	REQUIRE(lookup_service.start(&work) == 0);
	REQUIRE(resolve_service.start(&work) == 0);
}

TEST(addresses_come_in_the_order_of_the_library)
{
	begin();
	ask(0, "many.example");
	wait_for(0);
	CHECK_INT(asked[0].error, 0);
	CHECK_INT(asked[0].count, RESOLVE_IPS);
	CHECK(asked[0].ips[0].is_v6 && asked[0].ips[0].ip[15] == 1);
	CHECK(!asked[0].ips[1].is_v6 && asked[0].ips[1].ip[0] == 127);
	CHECK_INT(asked[0].ips[5].ip[3], 5);
	CHECK_INT(atomic_load(&seen->family), AF_UNSPEC);
}

TEST(a_name_is_looked_up_once_for_all_who_ask)
{
	begin();
	atomic_store(&seen->may_go, 0);
	for (size_t i = 0; i < ASKED_MAX; i++)
		ask(i, i % 2 ? "ok.example" : "OK.example");
	wait_for_lookup();
	atomic_store(&seen->may_go, 1);
	for (size_t i = 0; i < ASKED_MAX; i++) {
		wait_for(i);
		CHECK_INT(asked[i].count, 2);
	}
	ask(0, "ok.example");
	wait_for(0);
	CHECK_INT(asked[0].error, 0);
	CHECK_INT(atomic_load(&seen->lookups), 1);
}

TEST(what_fails_is_looked_up_again)
{
	static const struct {
		const char *name;
		int error;
	} rows[] = { { "none.example", -ENOENT },
		     { "again.example", -EAGAIN },
		     { "crash.example", -EAGAIN } };

	begin();
	for (unsigned i = 0; i < 3; i++) {
		atomic_store(&seen->lookups, 0);
		for (size_t n = 0; n < 2; n++) {
			ask(n, rows[i].name);
			wait_for(n);
			CHECK_INT(asked[n].error, rows[i].error);
			CHECK_INT(asked[n].count, 0);
			CHECK(resolve_words(rows[i].error)[0]);
		}
		CHECK_INT(atomic_load(&seen->lookups), 2);
	}
}

TEST(a_name_too_many_at_once_is_refused)
{
	char name[32];

	begin();
	atomic_store(&seen->may_go, 0);
	for (size_t i = 0; i <= LOOKUP_CHILDREN; i++) {
		(void)snprintf(name, sizeof(name), "ok%zu.example", i);
		ask(i, name);
	}
	wait_for(LOOKUP_CHILDREN);
	CHECK_INT(asked[LOOKUP_CHILDREN].error, -ENOBUFS);
	atomic_store(&seen->may_go, 1);
	for (size_t i = 0; i < LOOKUP_CHILDREN; i++) {
		wait_for(i);
		CHECK_INT(asked[i].error, 0);
	}
	ask(0, name);
	wait_for(0);
	CHECK_INT(asked[0].error, 0);
}

TEST(an_owner_leaves_names_to_others)
{
	enum { SHARE = LOOKUP_CHILDREN_SHARE };
	char name[32];

	begin();
	atomic_store(&seen->may_go, 0);
	for (size_t i = 0; i <= SHARE; i++) {
		(void)snprintf(name, sizeof(name), "ok%zu.example", i);
		ask_for(16, i, name);
	}
	wait_for(SHARE);
	CHECK_INT(asked[SHARE].error, -ENOBUFS);
	/* What is looked up already may be asked for. */
	ask_for(16, SHARE, "ok0.example");
	ask_for(17, SHARE + 1, "other.example");
	ask(SHARE + 2, "another.example");
	atomic_store(&seen->may_go, 1);
	for (size_t i = 0; i <= SHARE + 2; i++) {
		wait_for(i);
		CHECK_INT(asked[i].error, 0);
	}
	CHECK_INT(atomic_load(&seen->lookups), SHARE + 2);
}

TEST(an_owner_leaves_places_to_others)
{
	static struct resolve many[LOOKUP_ASKERS_SHARE];
	size_t i;

	begin();
	atomic_store(&seen->may_go, 0);
	for (i = 0; i < LOOKUP_ASKERS_SHARE; i++) {
		resolve_start(&many[i], &loop, "ok.example", 10, RESOLVE_ANY,
			      16, on_done, (void *)0);
		turn();
	}
	CHECK_INT(asked[0].calls, 0);
	ask_for(16, 1, "ok.example");
	wait_for(1);
	CHECK_INT(asked[1].error, -ENOBUFS);
	ask_for(17, 2, "ok.example");
	atomic_store(&seen->may_go, 1);
	wait_for(2);
	CHECK_INT(asked[2].error, 0);
}

TEST(what_was_cancelled_is_not_called)
{
	begin();
	ask(0, "ok.example");
	ask(1, "ok.example");
	resolve_cancel(&asked[0].resolve);
	resolve_cancel(&asked[0].resolve);
	wait_for(1);
	CHECK_INT(asked[0].calls, 0);
	ask(0, "ok.example");
	wait_for(0);
}

TEST(a_family_may_be_asked_for)
{
	begin();
	resolve_prefer(RESOLVE_V4);
	ask(0, "ok.example");
	wait_for(0);
	CHECK_INT(atomic_load(&seen->family), AF_INET);
	/* Another question than that without a family. */
	resolve_prefer(RESOLVE_V6);
	ask(0, "ok.example");
	wait_for(0);
	CHECK_INT(atomic_load(&seen->family), AF_INET6);
	CHECK_INT(atomic_load(&seen->lookups), 2);
}

TEST(names_that_are_none_are_not_sent)
{
	char name[ADDRESS_NAME_MAX + 2];

	begin();
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	ask(0, name);
	wait_for(0);
	CHECK_INT(asked[0].error, -ENOENT);
	ask(0, "");
	wait_for(0);
	CHECK_INT(asked[0].error, -ENOENT);
	CHECK_INT(atomic_load(&seen->lookups), 0);
}

CHECK_MAIN("relay_resolve")
