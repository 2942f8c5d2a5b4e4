/*
 * Plans, of the enclave if the first byte is even. Whatever the text is, what is read points into
 * it, has ports that there are, and reads the same after it was written; what is refused
 * has a sentence and a line of the text.
 */

#include <stdlib.h>
#include <string.h>

#include "vsock/relay/plan/conflict.h"
#include "vsock/relay/plan/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *text;
static size_t text_len;

static void require(bool truth)
{
	if (!truth)
		abort();
}

static void check_part(const char *at, size_t len)
{
	require(at >= text && len <= text_len &&
		at - text <= (ptrdiff_t)(text_len - len));
}

static void check_address(const struct address *a, unsigned flags)
{
	char written[ADDRESS_TEXT], again[ADDRESS_TEXT];
	struct address b;

	if (a->kind != ADDRESS_TCP && a->kind != ADDRESS_VSOCK)
		check_part(a->name, a->name_len);
	if (a->kind != ADDRESS_UNIX)
		require(a->port > 0 && address_ports(a) <= ADDRESS_RANGE_MAX);
	address_text(a, written);
	if (strchr(written, '?'))
		return;
	require(!address_read(written, strlen(written), flags, &b));
	address_text(&b, again);
	require(strcmp(written, again) == 0);
	require(a->kind == ADDRESS_NAME || address_overlaps(a, &b));
}

static void check_values(const struct plan_values *v)
{
	require(v->count <= PLAN_LINES_MAX);
	for (size_t i = 0; i < v->count; i++)
		check_part(v->at[i].at, v->at[i].len);
}

static void check_ends(const struct plan_ends *ends)
{
	require(ends->count <= PLAN_ENDS_MAX);
	for (size_t i = 0; i < ends->count; i++) {
		check_address(&ends->at[i].listen, ADDRESS_LISTENS);
		check_part(ends->at[i].options.at, ends->at[i].options.len);
	}
}

static void check_plan(const struct plan *p)
{
	unsigned flags = p->side == PLAN_INSIDE ? ADDRESS_INSIDE : 0;

	require(p->routes <= PLAN_ROUTES_MAX);
	for (size_t i = 0; i < p->routes; i++) {
		check_address(&p->route[i].listen, flags | ADDRESS_LISTENS);
		check_address(&p->route[i].target, flags);
	}
	if (p->egress.listen.kind != ADDRESS_NONE)
		check_address(&p->egress.listen, flags | ADDRESS_LISTENS);
	if (p->egress.line)
		check_address(&p->egress.target, flags);
	check_values(&p->egress.allow);
	check_values(&p->egress.deny);
	check_values(&p->egress.names);
	check_values(&p->dns.allow);
	if (p->dns.line)
		check_address(&p->dns.target, flags);
	if (p->tap.line)
		check_address(&p->tap.target, flags);
	require(p->tap.accepts <= PLAN_ACCEPTS_MAX);
	check_ends(&p->exits);
	check_ends(&p->resolvers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct conflict_port taken[] = { { 17000,
							"status-port" } };
	static struct plan p;
	struct plan_fault f = { .line = 0 };
	/* Of just that size: the sanitizer sees what is one too many. */
	char *copy = malloc(size + !size);

	require(copy);
	memset(&p, 0, sizeof(p));
	if (size > 0) {
		text = copy;
		text_len = size - 1;
		memcpy(copy, data + 1, text_len);
		if (plan_read(text, text_len,
			      data[0] % 2 ? PLAN_PARENT : PLAN_INSIDE, &p,
			      &f) == 0) {
			check_plan(&p);
			(void)conflict_taken(&p, taken, 1, &f);
		} else {
			require(f.words[0]);
			require(memchr(f.words, '\0', sizeof(f.words)));
			require(f.line <= size);
		}
	}
	free(copy);
	return 0;
}
