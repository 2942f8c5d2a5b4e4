#include "init/spec/user.h"

#include <stdbool.h>
#include <string.h>

/* What is left of something; AT is NULL once there is nothing. */
struct span {
	const char *at, *end;
};

static struct span whole(struct user_file file)
{
	if (!file.data)
		return (struct span){ 0 };
	return (struct span){ file.data, file.data + file.len };
}

static size_t span_len(struct span s)
{
	return (size_t)(s.end - s.at);
}

static bool is_same(struct span a, struct span b)
{
	return span_len(a) == span_len(b) &&
	       memcmp(a.at, b.at, span_len(a)) == 0;
}

/* Takes what comes before the next SEPARATOR, or all. */
static bool next(struct span *rest, char separator, struct span *ret)
{
	const char *stop;

	if (!rest->at)
		return false;
	stop = memchr(rest->at, separator, span_len(*rest));
	*ret = (struct span){ rest->at, stop ? stop : rest->end };
	rest->at = stop ? stop + 1 : NULL;
	return true;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/*
 * Takes the next line that is no comment and has no NUL byte, without the blanks
 * around it: what runtimes pass over must not make a name or a member another.
 */
static bool next_line(struct span *rest, struct span *ret)
{
	while (next(rest, '\n', ret)) {
		while (span_len(*ret) > 0 && is_blank(*ret->at))
			ret->at++;
		while (span_len(*ret) > 0 && is_blank(ret->end[-1]))
			ret->end--;
		if (span_len(*ret) == 0 || *ret->at == '#' ||
		    memchr(ret->at, '\0', span_len(*ret)))
			continue;
		return true;
	}
	return false;
}

static bool read_id(struct span s, uint32_t *ret)
{
	uint64_t n = 0;

	if (span_len(s) == 0)
		return false;
	for (; s.at < s.end; s.at++) {
		if (*s.at < '0' || *s.at > '9')
			return false;
		n = n * 10 + (unsigned)(*s.at - '0');
		if (n > USER_ID_MAX)
			return false;
	}
	*ret = (uint32_t)n;
	return true;
}

/* A name, or the number it is, of the configuration. */
struct who {
	struct span name;
	uint32_t id;
	bool is_id;
};

static struct who who_of(const char *text)
{
	struct who w = { .name = { text, text + strlen(text) } };

	w.is_id = read_id(w.name, &w.id);
	return w;
}

static bool is_who(const struct who *w, struct span name, uint32_t id)
{
	return w->is_id ? id == w->id : is_same(w->name, name);
}

/* A line of either file: what is of use in it. */
struct user_entry {
	struct span name;
	uint32_t id;
	uint32_t gid;	  /* of a user */
	struct span last; /* a user's home, a group's members; may be empty */
	struct span shell;
};

/* name:password:uid:gid:comment:home:shell, the last three may be missing. */
static bool read_user(struct span line, struct user_entry *ret)
{
	struct user_entry e = { 0 };
	struct span skipped, id, gid;

	if (!next(&line, ':', &e.name) || span_len(e.name) == 0 ||
	    !next(&line, ':', &skipped) || !next(&line, ':', &id) ||
	    !read_id(id, &e.id) || !next(&line, ':', &gid) ||
	    !read_id(gid, &e.gid))
		return false;
	if (next(&line, ':', &skipped) && next(&line, ':', &e.last))
		(void)next(&line, ':', &e.shell);
	*ret = e;
	return true;
}

/* name:password:gid:member,member */
static bool read_group(struct span line, struct user_entry *ret)
{
	struct user_entry e = { 0 };
	struct span skipped, id;

	if (!next(&line, ':', &e.name) || span_len(e.name) == 0 ||
	    !next(&line, ':', &skipped) || !next(&line, ':', &id) ||
	    !read_id(id, &e.id))
		return false;
	(void)next(&line, ':', &e.last);
	*ret = e;
	return true;
}

static bool find(struct user_file file, const struct who *who,
		 bool (*parse)(struct span line, struct user_entry *ret),
		 struct user_entry *ret)
{
	struct span rest = whole(file), line;

	while (next_line(&rest, &line))
		if (parse(line, ret) && is_who(who, ret->name, ret->id))
			return true;
	return false;
}

static bool has_member(struct span members, struct span name)
{
	struct span member;

	while (next(&members, ',', &member))
		if (is_same(member, name))
			return true;
	return false;
}

static int add_group(uint32_t id, struct user *u)
{
	for (size_t i = 0; i < u->group_count; i++)
		if (u->groups[i] == id)
			return 0;
	if (u->group_count == USER_GROUPS_MAX)
		return -USER_E_MANY;
	u->groups[u->group_count++] = id;
	return 0;
}

static int add_groups(struct user_file file, struct span name, struct user *u)
{
	struct span rest = whole(file), line;
	struct user_entry e;
	int r = 0;

	while (r == 0 && next_line(&rest, &line))
		if (read_group(line, &e) && has_member(e.last, name))
			r = add_group(e.id, u);
	return r;
}

static int find_group(const char *group, struct user_file groups, uint32_t *ret)
{
	struct who who = who_of(group);
	struct user_entry e;

	if (!who.is_id && !find(groups, &who, read_group, &e))
		return -USER_E_GROUP;
	*ret = who.is_id ? who.id : e.id;
	return 0;
}

/* NAME= and VALUE, or OTHER where it is empty, to TO. */
static void set(char *to, const char *name, struct span value,
		const char *other)
{
	size_t len = strlen(name);

	if (!value.at || span_len(value) == 0)
		value = (struct span){ other, other + strlen(other) };
	memcpy(to, name, len);
	memcpy(to + len, value.at, span_len(value));
	to[len + span_len(value)] = '\0';
}

static int set_variables(const struct user_entry *e, struct user *u)
{
	struct span name = e->name;

	if (span_len(e->last) > USER_HOME_MAX ||
	    span_len(e->shell) > USER_HOME_MAX)
		return -USER_E_HOME;
	set(u->home, "HOME=", e->last, "/");
	set(u->shell, "SHELL=", e->shell, "/bin/sh");
	if (span_len(name) > USER_NAME_MAX)
		name = (struct span){ 0 };
	set(u->name, "USER=", name, "");
	set(u->log_name, "LOGNAME=", name, "");
	return 0;
}

int user_resolve(const char *user, const char *group, struct user_file passwd,
		 struct user_file groups, struct user *ret)
{
	struct who who = who_of(user);
	struct user_entry e = { 0 };
	bool is_known;
	int r;

	is_known = find(passwd, &who, read_user, &e);
	if (!is_known && !who.is_id)
		return -USER_E_USER;
	if (!is_known)
		e = (struct user_entry){ .id = who.id };
	ret->uid = e.id;
	ret->gid = e.gid;
	r = set_variables(&e, ret);
	if (r == 0 && group)
		r = find_group(group, groups, &ret->gid);
	if (r < 0)
		return r;
	/*
	 * The gid is among the groups, too: a set-group-ID program must not be
	 * able to drop out of it, past a mode that denies that group.
	 */
	ret->groups[0] = ret->gid;
	ret->group_count = 1;
	return group || !is_known ? 0 : add_groups(groups, e.name, ret);
}

int user_add_groups(const char *words, size_t count, struct user_file groups,
		    struct user *u, const char **reterr_word)
{
	uint32_t id = 0;
	int r;

	for (size_t i = 0; i < count; i++) {
		*reterr_word = words;
		r = find_group(words, groups, &id);
		if (r == 0)
			r = add_group(id, u);
		if (r < 0)
			return r;
		words += strlen(words) + 1;
	}
	return 0;
}
