/*
 * Rules, and the hosts that they are for. Lines: the first is what is allowed, the second
 * what is denied, the third names with addresses, the others hosts that are asked for.
 */

#include <stdlib.h>
#include <string.h>

#include "vsock/relay/plan/hosts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
	if (!truth)
		abort();
}

static bool is_same(const struct host *a, const struct host *b)
{
	return a->kind == b->kind && a->len == b->len &&
	       memcmp(a->name, b->name, a->len) == 0 &&
	       memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

/* What was read is read again as the same, and has nothing that a name has not. */
static void check_host(const struct host *h)
{
	char text[HOST_TEXT];
	struct host again;

	host_text(h, text);
	require(!host_read(text, strlen(text), &again));
	require(is_same(h, &again));
	require(strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-_.:[]") ==
		strlen(text));
	require(h->kind != HOST_NAME || (h->len > 0 && h->len <= HOST_MAX));
}

static void check_rule(const struct rule *rule, const struct host *h)
{
	switch ((enum rule_kind)rule->kind) {
	case RULE_V4:
		require(h->kind == HOST_V4);
		return;
	case RULE_V6:
		require(h->kind == HOST_V6);
		return;
	case RULE_NAME:
		require(h->kind == HOST_NAME && h->len == rule->name_len);
		return;
	case RULE_ONE:
	case RULE_DEEP:
		require(h->kind == HOST_NAME &&
			h->len > (size_t)rule->name_len + 1);
		return;
	case RULE_ANY:
		require(h->kind == HOST_NAME);
		return;
	}
}

static struct rules allow, deny;

static void check_names(const char *text, size_t len)
{
	static struct plan_values lines;
	static struct hosts hosts;
	struct plan_fault fault;

	lines.count = 1;
	lines.at[0] = (struct plan_value){ text, len, 1 };
	if (hosts_read(&lines, &allow, &deny, &hosts, &fault) < 0) {
		require(fault.line == 1 && strlen(fault.words) > 0);
		return;
	}
	for (size_t i = 0; i < hosts.pairs; i++) {
		const struct plan_value *name;
		const struct rule *rule;
		struct host h;

		require(hosts.pair[i].name < hosts.names);
		name = &hosts.name[hosts.pair[i].name];
		require(!host_read(name->at, name->len, &h));
		require(rules_judge(&allow, &deny, &h, hosts.pair[i].port,
				    &rule) == RULES_ALLOWED);
	}
}

static void ask(const char *text, size_t len)
{
	const struct rule *rule;
	enum rules_verdict v;
	struct host h;

	if (host_read(text, len, &h))
		return;
	check_host(&h);
	v = rules_judge(&allow, &deny, &h, 443, &rule);
	require((v == RULES_UNKNOWN) == !rule);
	if (rule)
		check_rule(rule, &h);
	require(v != RULES_DENIED || rules_find(&deny, &h, RULES_ANY_PORT));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size + !size);
	const char *bad, *text = copy;

	require(copy);
	memcpy(copy, data, size);
	rules_open(&allow, RULES_PORT);
	rules_open(&deny, RULES_ANY_PORT);
	for (int line = 0; size > 0; line++) {
		const char *end = memchr(text, '\n', size);
		size_t len = end ? (size_t)(end - text) : size, bad_len;

		if (line == 0)
			(void)rules_add(&allow, text, len, &bad, &bad_len);
		else if (line == 1)
			(void)rules_add(&deny, text, len, &bad, &bad_len);
		else if (line == 2)
			check_names(text, len);
		else
			ask(text, len);
		text += len + (end ? 1 : 0);
		size -= len + (end ? 1 : 0);
	}
	free(copy);
	return 0;
}
