/*
 * Configurations of the local API: whatever the text is, all that is read points into it and is as its limits say; what is
 * refused has a sentence and a line of the text.
 */

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "nsm/api/spec/conf.h"
#include "nsm/api/spec/loopback.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *text;
static size_t text_len;

static void require(bool truth)
{
	if (!truth)
		abort();
}

static void check_text(const char *at)
{
	require(at >= text && at <= text + text_len);
	require(memchr(at, '\0', text_len + 1 - (size_t)(at - text)) != NULL);
}

static void check_loopback(const struct spec_loopback *l)
{
	char ip[INET6_ADDRSTRLEN], host[80];

	require(l->port > 0);
	require(inet_ntop(l->is_v6 ? AF_INET6 : AF_INET, l->ip, ip,
			  sizeof(ip)) != NULL);
	require(l->is_v6 ? strcmp(ip, "::1") == 0 :
			   strncmp(ip, "127.", 4) == 0);
	strcpy(host, l->is_v6 ? "[::1]" : ip);
	require(loopback_is_host(host, strlen(host)));
}

static void check_keys(const struct spec *s)
{
	require(s->keys <= SPEC_KEYS_MAX && (s->keys == 0 || s->region));
	for (size_t i = 0; i < s->keys; i++) {
		const struct spec_key *k = &s->key[i];

		check_text(k->name);
		check_text(k->arn);
		require(strncmp(k->arn, "arn:aws", 7) == 0);
		require(!strstr(k->arn, "alias/"));
		require(conf_find_key(s, k->name, strlen(k->name)) == k);
		require(conf_find_key(s, k->arn, strlen(k->arn)) == k);
		require(k->pairs <= SPEC_CONTEXT_MAX);
		for (size_t p = 0; p < k->pairs; p++) {
			check_text(k->pair[p].name);
			check_text(k->pair[p].value);
			require(*k->pair[p].name && *k->pair[p].value);
		}
	}
}

static void check(const struct spec *s)
{
	check_keys(s);
	require(s->listens <= SPEC_LISTENS_MAX &&
		s->compats <= SPEC_COMPATS_MAX && s->allows <= SPEC_ALLOWS_MAX);
	for (size_t i = 0; i < s->listens; i++)
		check_loopback(&s->listen[i]);
	for (size_t i = 0; i < s->compats; i++) {
		require(s->compat[i].dialect > SPEC_OWN &&
			s->compat[i].dialect < SPEC_DIALECTS);
		check_loopback(&s->compat[i].at);
	}
	for (size_t i = 0; i < s->allows; i++) {
		require(s->allow[i].subject < SPEC_SUBJECTS);
		if (s->allow[i].who != SPEC_WHO_ANY)
			check_text(s->allow[i].name);
	}
	require(s->kms_workers >= 1 && s->kms_workers <= SPEC_WORKERS_MAX);
	require(s->socket[0] == '/' && s->notify_dir[0] == '/');
	require(!s->region || s->credentials);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct spec spec;
	struct spec_fault fault = { .line = UINT32_MAX };
	char *copy = malloc(size + 1);
	unsigned lines = 1;

	if (!copy)
		return 0;
	memcpy(copy, data, size);
	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n';
	text = copy;
	text_len = size;
	if (conf_read(copy, size, &spec, &fault) == 0) {
		check(&spec);
	} else {
		require(fault.line <= lines && fault.words[0]);
		for (const char *c = fault.words; *c; c++)
			require(*c >= ' ' && *c <= '~');
	}
	free(copy);
	return 0;
}
