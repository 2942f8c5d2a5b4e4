#include "nsm/api/routes/keys.h"

#include <errno.h>
#include <string.h>

static const char alias[] = "alias/";

/* What is behind the last '/' of an ARN, ":key/ID". */
static const char *id_of(const struct spec_key *key)
{
	const char *at = strrchr(key->arn, '/');

	return at ? at + 1 : "";
}

static int find_id(const struct spec *s, const char *id,
		   const struct spec_key **ret)
{
	const struct spec_key *found = NULL;

	for (size_t i = 0; i < s->keys; i++) {
		if (strcmp(id_of(&s->key[i]), id) != 0)
			continue;
		/* Two names of one key are no doubt about which. */
		if (found && strcmp(found->arn, s->key[i].arn) != 0)
			return -ENOTUNIQ;
		if (!found)
			found = &s->key[i];
	}
	if (!found)
		return -ENOENT;
	*ret = found;
	return 0;
}

int keys_find(const struct spec *s, const char *key_id,
	      const struct spec_key **ret)
{
	const struct spec_key *found = conf_find_key(s, key_id, strlen(key_id));

	if (!found && strncmp(key_id, alias, sizeof(alias) - 1) == 0) {
		const char *name = key_id + sizeof(alias) - 1;

		found = conf_find_key(s, name, strlen(name));
		/* "alias/" before an ARN means nothing. */
		if (found && strcmp(found->name, name) != 0)
			found = NULL;
	}
	if (!found)
		return find_id(s, key_id, ret);
	*ret = found;
	return 0;
}

static const char *value_of(const struct spec_key *key, const char *name)
{
	for (size_t i = 0; i < key->pairs; i++)
		if (strcmp(key->pair[i].name, name) == 0)
			return key->pair[i].value;
	return NULL;
}

static bool is_same_context(const struct spec_key *a, const struct spec_key *b)
{
	if (a->pairs != b->pairs)
		return false;
	for (size_t i = 0; i < a->pairs; i++) {
		const char *value = value_of(b, a->pair[i].name);

		if (!value || strcmp(value, a->pair[i].value) != 0)
			return false;
	}
	return true;
}

int keys_default(const struct spec *s, const struct spec_key **ret)
{
	if (s->keys == 0)
		return -ENOENT;
	for (size_t i = 1; i < s->keys; i++)
		if (!is_same_context(&s->key[0], &s->key[i]))
			return -ENOTUNIQ;
	*ret = &s->key[0];
	return 0;
}

int keys_bind(const struct spec_key *key, const struct kmsc_pair *pairs,
	      size_t count, struct keys_context *ret, const char **reterr_name)
{
	struct keys_context out = { .count = count };

	if (count > KMSC_CONTEXT_MAX)
		return -E2BIG;
	for (size_t i = 0; i < count; i++) {
		const char *pinned = value_of(key, pairs[i].name);

		if (pinned && strcmp(pinned, pairs[i].value) != 0) {
			*reterr_name = pairs[i].name;
			return -EEXIST;
		}
		out.pair[i] = pairs[i];
	}
	for (size_t i = 0; i < key->pairs; i++) {
		const struct spec_pair *p = &key->pair[i];
		bool is_there = false;

		for (size_t k = 0; k < count && !is_there; k++)
			is_there = strcmp(pairs[k].name, p->name) == 0;
		if (is_there)
			continue;
		if (out.count == KMSC_CONTEXT_MAX)
			return -E2BIG;
		out.pair[out.count++] = (struct kmsc_pair){ .name = p->name,
							    .value = p->value };
	}
	*ret = out;
	return 0;
}
