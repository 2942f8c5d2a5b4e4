/*
 * Calls of libkmsc as it is shipped, with a look at the clock around its parts (-Wl,--wrap):
 *
 *   bench_kms CALLS fresh|kept CONNECT CA KEY CIPHERTEXT ID SECRET   (CA, CIPHERTEXT: files)
 *
 * fresh: a recipient key for each call, as the tool makes it; kept: one for all, as a service
 * has it. It prints lines "PART WALL CPU", microseconds a call, of which CPU is this process' own,
 * then "median WALL", "peak KIB" and "rss KIB".
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "nsm/dev.h"
#include "nsm/kms/call/request.h"
#include "nsm/kms/kmsc.h"
#include "nsm/kms/net/exchange.h"

enum { CALLS_MAX = 10000 };

enum part {
	KEY,
	NSM,
	CONNECT,
	HANDSHAKE,
	SIGN,
	SEND,
	RECEIVE,
	OPEN,
	CALL,
	PARTS
};

static const char *const names[] = { "key",	  "nsm",  "connect",
				     "handshake", "sign", "send",
				     "receive",	  "open", "call" };

struct spent {
	int64_t wall, cpu;
};

static struct spent spent[PARTS];
static int64_t calls[CALLS_MAX];

static int64_t ns(clockid_t clock)
{
	struct timespec t;

	(void)clock_gettime(clock, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static struct spent now(void)
{
	return (struct spent){ ns(CLOCK_MONOTONIC),
			       ns(CLOCK_PROCESS_CPUTIME_ID) };
}

static void add(enum part part, struct spent since)
{
	struct spent n = now();

	spent[part].wall += n.wall - since.wall;
	spent[part].cpu += n.cpu - since.cpu;
}

/* A part that has another one in it. */
static void take(enum part part, struct spent inner, enum part of)
{
	spent[part].wall -= spent[of].wall - inner.wall;
	spent[part].cpu -= spent[of].cpu - inner.cpu;
}

/* --- around the parts --- */

#define WRAP(type, name, ...)            \
	type __real_##name(__VA_ARGS__); \
	type __wrap_##name(__VA_ARGS__); \
	type __wrap_##name(__VA_ARGS__)

#define TIMED(part, call)                   \
	__extension__({                     \
		struct spent s_ = now();    \
		__typeof__(call) r_ = call; \
		add(part, s_);              \
		r_;                         \
	})

WRAP(int, dev_exchange, int fd, const void *req, size_t len, void *resp,
     size_t *ret_len)
{
	return TIMED(NSM, __real_dev_exchange(fd, req, len, resp, ret_len));
}

WRAP(int, nsmc_recipient_attest, int fd, unsigned bits, struct nsmc_bytes data,
     struct nsmc_bytes nonce, void *buf, size_t cap, size_t *ret_len,
     struct nsmc_recipient **ret)
{
	struct spent inner = spent[NSM];
	int r = TIMED(KEY,
		      __real_nsmc_recipient_attest(fd, bits, data, nonce, buf,
						   cap, ret_len, ret));

	take(KEY, inner, NSM);
	return r;
}

WRAP(int, tls_connect, const struct tls_setup *setup, int fd, int64_t deadline,
     struct tls **ret, char *words)
{
	struct spent inner = spent[NSM];
	int r = TIMED(HANDSHAKE,
		      __real_tls_connect(setup, fd, deadline, ret, words));

	take(HANDSHAKE, inner, NSM);
	return r;
}

WRAP(int, exchange_open, struct exchange *e, const struct address *to,
     const struct tls_setup *setup, int64_t deadline, struct exchange_fault *f)
{
	struct spent tls = spent[HANDSHAKE], inner = spent[NSM];
	int r = TIMED(CONNECT, __real_exchange_open(e, to, setup, deadline, f));

	take(CONNECT, tls, HANDSHAKE);
	take(CONNECT, inner, NSM);
	return r;
}

WRAP(int, exchange_send, struct exchange *e, const void *buf, size_t len,
     int64_t deadline, struct exchange_fault *f)
{
	return TIMED(SEND, __real_exchange_send(e, buf, len, deadline, f));
}

WRAP(int, exchange_receive, struct exchange *e, struct http_answer *a,
     int64_t deadline, struct exchange_fault *f)
{
	return TIMED(RECEIVE, __real_exchange_receive(e, a, deadline, f));
}

WRAP(int, request_head, const struct request_signed *r, char *buf, size_t cap,
     size_t *ret_len)
{
	return TIMED(SIGN, __real_request_head(r, buf, cap, ret_len));
}

WRAP(int, nsmc_recipient_open, struct nsmc_recipient *r, const void *cms,
     size_t len, void *buf, size_t cap, size_t *ret_len,
     struct nsmc_object *object)
{
	return TIMED(OPEN, __real_nsmc_recipient_open(r, cms, len, buf, cap,
						      ret_len, object));
}

/* --- calls --- */

__attribute__((noreturn)) static void die(const char *what, int r)
{
	fprintf(stderr, "bench_kms: %s: %s\n", what, kmsc_error_text(r));
	exit(1);
}

static void must(const char *what, int r)
{
	if (r < 0)
		die(what, r);
}

static struct nsmc_bytes slurp(const char *name)
{
	uint8_t *data = malloc(KMSC_CA_MAX);
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	ssize_t n = data && fd >= 0 ? read(fd, data, KMSC_CA_MAX) : -1;

	if (n < 0)
		die(name, -1);
	close(fd);
	return NSMC_BYTES(data, (size_t)n);
}

static int attest(void *ctx, struct nsmc_bytes public_key, uint32_t timeout_ms,
		  void *buf, size_t cap, size_t *ret_len)
{
	(void)timeout_ms;
	return nsmc_attest(*(int *)ctx, NSMC_ABSENT, NSMC_ABSENT, public_key,
			   buf, cap, ret_len);
}

static void call(struct kmsc_client *c, const struct kmsc_request *r)
{
	struct kmsc_answer *a;
	struct kmsc_error e;
	char words[KMSC_ERROR_LINE_SIZE];

	if (kmsc_call(c, r, &a, &e) < 0) {
		(void)kmsc_error_print(&e, words, sizeof(words));
		fprintf(stderr, "bench_kms: %s\n", words);
		exit(1);
	}
	kmsc_answer_free(a);
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static void print_memory(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[200];
	long kib;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmHWM: %ld", &kib) == 1)
			printf("peak %ld\n", kib);
		else if (sscanf(line, "VmRSS: %ld", &kib) == 1)
			printf("rss %ld\n", kib);
	if (f)
		(void)fclose(f);
}

static void report(size_t count)
{
	for (size_t i = 0; i < PARTS; i++)
		printf("%s %lld %lld\n", names[i],
		       (long long)spent[i].wall / 1000 / (long long)count,
		       (long long)spent[i].cpu / 1000 / (long long)count);
	qsort(calls, count, sizeof(calls[0]), compare);
	printf("median %lld\n", (long long)calls[count / 2] / 1000);
	print_memory();
}

int main(int argc, char **argv)
{
	struct kmsc_request r = { .operation = KMSC_DECRYPT };
	struct kmsc_pair context = { "app", "orders" };
	struct nsmc_recipient *kept = NULL;
	struct kmsc_client *c;
	struct nsmc_bytes ca;
	size_t count;
	int nsm;

	if (argc != 9)
		die("it takes eight words", 0);
	count = strtoul(argv[1], NULL, 10);
	nsm = nsmc_open();
	must("the NSM", nsm);
	must("a client", kmsc_client_new(&c));
	must(argv[3], kmsc_client_connect(c, argv[3]));
	ca = slurp(argv[4]);
	must(argv[4], kmsc_client_ca(c, ca.data, ca.len));
	must("keys", kmsc_client_keys(c, argv[7], argv[8], NULL));
	if (strcmp(argv[2], "kept") == 0) {
		must("a key", nsmc_recipient_new(nsm, 2048, &kept));
		must("an attester",
		     kmsc_client_attester(c, attest, &nsm, kept));
	} else {
		must("the NSM", kmsc_client_nsm(c, nsm));
	}
	r.key_arn = argv[5];
	r.ciphertext = slurp(argv[6]);
	r.context = &context;
	r.context_count = 1;
	call(c, &r); /* what is done once */
	memset(spent, 0, sizeof(spent));
	for (size_t i = 0; i < count && i < CALLS_MAX; i++) {
		struct spent since = now();

		call(c, &r);
		add(CALL, since);
		calls[i] = now().wall - since.wall;
	}
	report(count < CALLS_MAX ? count : CALLS_MAX);
	kmsc_client_free(c);
	nsmc_recipient_free(kept);
	return 0;
}
