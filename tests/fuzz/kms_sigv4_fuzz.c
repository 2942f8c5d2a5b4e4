/*
 * What is signed: lines METHOD, PATH, ID, SECRET, REGION, SERVICE, then NAME:VALUE, then a blank line
 * and the body. What is taken has one canonical form, and nothing in it is more than it should be.
 */

#include <stdlib.h>
#include <string.h>

#include "nsm/kms/wire/sigv4.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
	if (!truth)
		abort();
}

/* The next line, without its end; "" at the end. */
static char *next_line(char **at)
{
	char *line = *at, *end = strchr(line, '\n');

	*at = end ? end + 1 : line + strlen(line);
	if (end)
		*end = '\0';
	return line;
}

static size_t count(const char *text, size_t len, char c)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += text[i] == c;
	return n;
}

static void check(const struct sigv4_request *r, const struct sigv4_key *k)
{
	static char canonical[SIGV4_CANONICAL_MAX];
	char value[SIGV4_AUTHORIZATION_SIZE], again[SIGV4_AUTHORIZATION_SIZE];
	size_t len, names;
	int e = sigv4_canonical(r, canonical, &len);

	if (e < 0) {
		require(sigv4_sign(r, k, value) < 0);
		return;
	}
	require(len <= SIGV4_CANONICAL_MAX);
	for (size_t i = 0; i < len; i++)
		require(canonical[i] == '\n' ||
			(canonical[i] >= ' ' && canonical[i] <= '~'));
	/* A line for each name, and five others. */
	names = count(canonical, len, '\n') - 5;
	require(names >= 2 && names <= r->count);
	if (sigv4_sign(r, k, value) < 0)
		return;
	require(http_is_field("Authorization", value));
	require(count(value, strlen(value), ',') == 2);
	require(count(value, strlen(value), ';') + 1 == names);
	require(sigv4_sign(r, k, again) == 0 && strcmp(value, again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct http_field fields[SIGV4_FIELDS_MAX + 1];
	struct sigv4_request r = { .fields = fields };
	struct sigv4_key k;
	char *copy = malloc(size + 1), *at = copy, *line, *colon;

	require(copy);
	memcpy(copy, data, size);
	copy[size] = '\0';
	r.method = next_line(&at);
	r.path = next_line(&at);
	k.access_key_id = next_line(&at);
	k.secret_access_key = next_line(&at);
	k.region = next_line(&at);
	k.service = next_line(&at);
	while (r.count <= SIGV4_FIELDS_MAX && *(line = next_line(&at))) {
		colon = strchr(line, ':');
		if (colon)
			*colon = '\0';
		fields[r.count++] =
			(struct http_field){ line, colon ? colon + 1 : "" };
	}
	r.body = at;
	r.body_len = strlen(at);
	check(&r, &k);
	free(copy);
	return 0;
}
