/*
 * /etc/passwd and /etc/group of an image, in the form "USER[:GROUP]\0passwd\0group".
 * What comes out is within the limits, and what its names and numbers allow.
 */

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "init/spec/user.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
	if (!truth)
		abort();
}

/* Takes what comes before the next NUL, or all, as a copy of just that size. */
static char *take(const uint8_t **data, size_t *size, size_t *ret_len)
{
	const uint8_t *stop = *size ? memchr(*data, '\0', *size) : NULL;
	size_t len = stop ? (size_t)(stop - *data) : *size;
	char *copy = malloc(len + 1);

	require(copy);
	memcpy(copy, *data, len);
	copy[len] = '\0';
	*data += len;
	*size -= len;
	if (stop) {
		(*data)++;
		(*size)--;
	}
	*ret_len = len;
	return copy;
}

static struct user_file exact(const char *text, size_t len)
{
	struct user_file f = { malloc(len ? len : 1), len };

	require(f.data);
	memcpy((char *)(uintptr_t)f.data, text, len);
	return f;
}

static void check(const char *user, const char *group, const struct user *u)
{
	bool is_number = user[strspn(user, "0123456789")] == '\0';

	require(u->uid <= USER_ID_MAX && u->gid <= USER_ID_MAX);
	if (is_number && *user)
		require(u->uid == strtoull(user, NULL, 10));
	require(u->group_count >= 1 && u->group_count <= USER_GROUPS_MAX);
	require(u->groups[0] == u->gid);
	require(!group || u->group_count == 1);
	for (size_t i = 1; i < u->group_count; i++)
		require(u->groups[i] <= USER_ID_MAX && u->groups[i] != u->gid);
	require(strnlen(u->home, sizeof(u->home)) < sizeof(u->home));
	require(strncmp(u->home, "HOME=", 5) == 0 && u->home[5]);
	require(!strchr(u->home, '\n') && !strchr(u->home, ':'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t len, passwd_len, group_len;
	char *user = take(&data, &size, &len), *group = strchr(user, ':');
	char *passwd = take(&data, &size, &passwd_len);
	char *groups = take(&data, &size, &group_len);
	struct user_file p = exact(passwd, passwd_len);
	struct user_file g = exact(groups, group_len);
	struct user *u = malloc(sizeof(*u));
	int r;

	require(u);
	memset(u, 0xaa, sizeof(*u));
	if (group)
		*group++ = '\0';
	r = user_resolve(user, group, p, g, u);
	if (r == 0)
		check(user, group, u);
	else
		require(r <= -USER_E_USER && r >= -USER_E_HOME);
	free(u);
	free((char *)(uintptr_t)p.data);
	free((char *)(uintptr_t)g.data);
	free(user);
	free(passwd);
	free(groups);
	return 0;
}
