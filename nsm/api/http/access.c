#include "nsm/api/http/access.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nsm/api/spec/loopback.h"

/* Numbers of the rules, as they stand in the configuration. */
static struct {
	const struct spec *spec;
	uint32_t id[SPEC_ALLOWS_MAX];
} access_;

static bool is_number(const char *text, uint32_t *ret)
{
	char *end;
	unsigned long long n;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno || *end || n >= UINT32_MAX)
		return false;
	*ret = (uint32_t)n;
	return true;
}

int access_group(const char *name, gid_t *ret)
{
	const struct group *g;

	if (is_number(name, ret))
		return 0;
	g = getgrnam(name);
	if (!g)
		return -ENOENT;
	*ret = g->gr_gid;
	return 0;
}

static int find_user(const char *name, uid_t *ret)
{
	const struct passwd *p;

	if (is_number(name, ret))
		return 0;
	p = getpwnam(name);
	if (!p)
		return -ENOENT;
	*ret = p->pw_uid;
	return 0;
}

int access_open(const struct spec *spec, struct spec_fault *reterr)
{
	access_.spec = spec;
	for (size_t i = 0; i < spec->allows; i++) {
		const struct spec_allow *a = &spec->allow[i];
		int r = 0;

		if (a->who == SPEC_WHO_USER)
			r = find_user(a->name, &access_.id[i]);
		else if (a->who == SPEC_WHO_GROUP)
			r = access_group(a->name, &access_.id[i]);
		if (r < 0) {
			reterr->line = a->line;
			(void)snprintf(reterr->words, sizeof(reterr->words),
				       "allow %s: there is no such %s", a->name,
				       a->who == SPEC_WHO_USER ? "user" :
								 "group");
			return r;
		}
	}
	return 0;
}

static bool is_in_group(const struct web_peer *p, gid_t gid)
{
	if (p->gid == gid)
		return true;
	for (size_t i = 0; i < p->group_count; i++)
		if (p->groups[i] == gid)
			return true;
	return false;
}

static bool is_meant(const struct web_peer *p, size_t rule)
{
	switch (access_.spec->allow[rule].who) {
	case SPEC_WHO_USER:
		return p->is_known && p->uid == access_.id[rule];
	case SPEC_WHO_GROUP:
		return p->is_known && is_in_group(p, access_.id[rule]);
	case SPEC_WHO_ANY:
	default:
		return true;
	}
}

/* Rules for SUBJECT and KEY, NULL being those without a key. Returns whether there are any. */
static bool look(const struct web_peer *p, enum spec_subject subject,
		 const struct spec_key *key, bool *ret_may)
{
	bool has_rules = false;

	*ret_may = false;
	for (size_t i = 0; i < access_.spec->allows; i++) {
		const struct spec_allow *a = &access_.spec->allow[i];

		if (a->subject != subject || a->key != key)
			continue;
		has_rules = true;
		*ret_may = *ret_may || is_meant(p, i);
	}
	return has_rules;
}

/* Without a rule: what changes the enclave, or gives credentials away, is for nobody. */
static bool is_open(enum spec_subject subject)
{
	return subject != SPEC_EXTEND && subject != SPEC_CREDENTIALS &&
	       subject != SPEC_READY;
}

bool access_may(const struct web_peer *peer, enum spec_subject subject)
{
	const struct spec *s = access_.spec;
	bool may;

	if (!look(peer, subject, NULL, &may))
		may = is_open(subject);
	for (size_t i = 0; !may && subject == SPEC_KMS && i < s->keys; i++)
		may = look(peer, subject, &s->key[i], &may) && may;
	return may;
}

bool access_may_use_key(const struct web_peer *peer, const struct spec_key *key)
{
	bool may;

	if (look(peer, SPEC_KMS, key, &may) || look(peer, SPEC_KMS, NULL, &may))
		return may;
	return is_open(SPEC_KMS);
}

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

const char *access_refuses(const struct web *w)
{
	static const char *const names[] = { "origin", "forwarded", "via",
					     "x-real-ip" };
	const char *host = web_header(w, "host");

	if (!host || !loopback_is_host(host, strlen(host)))
		return "Host does not name this machine's loopback";
	for (size_t i = 0; i < w->lines; i++) {
		const char *name = w->line[i].name;

		if (begins(name, "sec-fetch-"))
			return "a browser has made the request (Sec-Fetch-...)";
		if (begins(name, "x-forwarded-"))
			return "a proxy has passed it on (X-Forwarded-...)";
		for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++)
			if (strcmp(name, names[n]) == 0)
				return n == 0 ?
					       "a browser has made the request "
					       "(Origin)" :
					       "a proxy has passed it on";
	}
	return NULL;
}
