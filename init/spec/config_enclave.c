#include "init/spec/config_key.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/mount.h>

enum {
	HOST_MAX = 253, /* bytes of a host's name */
	UTS_NAME_MAX = 64,
};

static int read_pcr(const char *s, uint8_t *ret)
{
	uint32_t n;
	int r = config_read_u32(s, 10, CONFIG_PCR_LAST, &n);

	if (r == -CONFIG_E_LARGE || (r == 0 && n < CONFIG_PCR_FIRST))
		return -CONFIG_E_PCR;
	if (r == 0)
		*ret = (uint8_t)n;
	return r;
}

int config_read_extend(const struct config_key *key, struct config_rest *rest,
		       struct config_reader *r)
{
	struct config *c = r->config;
	struct config_extend *e = &c->extends[c->extend_count];
	const char *kind;
	int error;

	(void)key;
	config_next_word(rest);
	if (c->extend_count == CONFIG_EXTENDS_MAX)
		return -CONFIG_E_MANY;
	error = read_pcr(rest->word, &e->pcr);
	if (error < 0)
		return error;
	if (c->locks >> e->pcr & 1)
		return -CONFIG_E_LOCKED;

	kind = config_next_word(rest);
	e->is_file = strcmp(kind, "file") == 0;
	if (*kind == '\0')
		return -CONFIG_E_MISSING;
	if (!e->is_file && strcmp(kind, "data") != 0)
		return -CONFIG_E_KIND;

	e->name = config_next_word(rest);
	if (*e->name == '\0')
		return -CONFIG_E_MISSING;
	if (strlen(e->name) > CONFIG_NAME_MAX)
		return -CONFIG_E_NAME;

	e->value = config_next_line(rest);
	c->extend_count++;
	return e->is_file ? config_check_path(e->value) : 0;
}

int config_read_locks(const struct config_key *key, struct config_rest *rest,
		      struct config_reader *r)
{
	uint8_t first = 0, last;
	char *word, *dash;
	int e;

	(void)key;
	do {
		word = config_next_word(rest);
		dash = strchr(word, '-');
		if (dash)
			*dash = '\0';
		e = read_pcr(word, &first);
		last = first;
		if (e == 0 && dash)
			e = read_pcr(dash + 1, &last);
		if (e < 0)
			return e;
		if (first > last)
			return -CONFIG_E_BACKWARDS;
		for (; first <= last; first++)
			r->config->locks |= 1U << first;
	} while (*rest->at);
	return 0;
}

/* With strict, a missing answer stops the application: a supervisor has to do that. */
int config_read_heartbeat(const struct config_key *key,
			  struct config_rest *rest, struct config_reader *r)
{
	int e = config_read_choice(key, rest, r);

	if (e == 0 && r->config->heartbeat.mode == CONFIG_HEARTBEAT_STRICT)
		config_note_supervised(r);
	return e;
}

static bool is_host(const char *s, size_t max)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"0123456789-._";
	size_t len = strlen(s);

	return len > 0 && len <= max && strspn(s, allowed) == len &&
	       *s != '-' && *s != '.';
}

static int check_host(const char *s)
{
	return is_host(s, HOST_MAX) ? 0 : -CONFIG_E_HOST;
}

static int check_address(const char *s)
{
	unsigned char address[16];

	return inet_pton(AF_INET, s, address) == 1 ||
			       inet_pton(AF_INET6, s, address) == 1 ?
		       0 :
		       -CONFIG_E_ADDRESS;
}

int config_read_hostname(const struct config_key *key, struct config_rest *rest,
			 struct config_reader *r)
{
	(void)key;
	r->config->hostname = config_next_word(rest);
	return is_host(rest->word, UTS_NAME_MAX) ? 0 : -CONFIG_E_HOST;
}

/* NAME:ADDRESS, as docker has it; the address may be in brackets. */
static int add_host(struct config *c, struct config_rest *rest)
{
	char *colon, *address;
	size_t len;

	colon = strchr(config_next_word(rest), ':');
	if (!colon)
		return -CONFIG_E_ADDRESS;
	*colon = '\0';
	if (check_host(rest->word) < 0)
		return -CONFIG_E_HOST;
	if (c->host_count == CONFIG_HOSTS_MAX)
		return -CONFIG_E_FULL;
	c->hosts[c->host_count].name = rest->word;
	address = colon + 1;
	len = strlen(address);
	if (*address == '[' && address[len - 1] == ']') {
		address[len - 1] = '\0';
		address++;
	}
	rest->word = address;
	c->hosts[c->host_count++].address = address;
	return check_address(address);
}

int config_read_hosts(const struct config_key *key, struct config_rest *rest,
		      struct config_reader *r)
{
	int e;

	(void)key;
	do
		e = add_host(r->config, rest);
	while (e == 0 && *rest->at);
	return e;
}

int config_read_dns(const struct config_key *key, struct config_rest *rest,
		    struct config_reader *r)
{
	struct config *c = r->config;

	(void)key;
	do {
		config_next_word(rest);
		if (check_address(rest->word) < 0)
			return -CONFIG_E_ADDRESS;
		if (c->dns_count == CONFIG_DNS_MAX)
			return -CONFIG_E_FULL;
		c->dns[c->dns_count++] = rest->word;
	} while (*rest->at);
	return 0;
}

int config_read_line_text(const struct config_key *key,
			  struct config_rest *rest, struct config_reader *r)
{
	*(const char **)config_field(key, r) = config_next_line(rest);
	return 0;
}

/* As tmpfs takes it: digits and k, m, g, t or %. */
static int check_size(const char *s, size_t len)
{
	size_t digits = strspn(s, "0123456789");

	if (digits == 0 || digits > 15 || digits > len || *s == '0')
		return -CONFIG_E_SIZE;
	if (digits == len)
		return 0;
	return digits + 1 == len && strchr("kKmMgGtT%", s[digits]) ?
		       0 :
		       -CONFIG_E_SIZE;
}

int config_read_size(const struct config_key *key, struct config_rest *rest,
		     struct config_reader *r)
{
	*(const char **)config_field(key, r) = config_next_word(rest);
	return check_size(rest->word, strlen(rest->word));
}

static bool has_prefix(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* One of mount(8)'s for a tmpfs; 1: it is for the file system itself. */
static int tmpfs_option(const char *o, size_t len, unsigned long *flags)
{
	static const struct {
		char name[8];
		unsigned flag;
		bool on;
	} words[] = {
		{ "ro", MS_RDONLY, true },	 { "rw", MS_RDONLY, false },
		{ "noexec", MS_NOEXEC, true },	 { "exec", MS_NOEXEC, false },
		{ "nosuid", MS_NOSUID, true },	 { "suid", MS_NOSUID, false },
		{ "nodev", MS_NODEV, true },	 { "dev", MS_NODEV, false },
		{ "noatime", MS_NOATIME, true },
	};
	const char *value = o;
	size_t digits;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strlen(words[i].name) == len &&
		    memcmp(o, words[i].name, len) == 0) {
			*flags = words[i].on ?
					 *flags | words[i].flag :
					 *flags & ~(unsigned long)words[i].flag;
			return 0;
		}
	if (has_prefix(o, "size="))
		return check_size(o + 5, len - 5) < 0 ? -CONFIG_E_SIZE : 1;
	if (has_prefix(o, "mode=")) {
		value = o + 5;
		digits = strspn(value, "01234567");
		return digits > 0 && digits <= 5 && digits == len - 5 ?
			       1 :
			       -CONFIG_E_OCTAL;
	}
	if (has_prefix(o, "uid=") || has_prefix(o, "gid="))
		value = o + 4;
	else if (has_prefix(o, "nr_inodes="))
		value = o + 10;
	digits = strspn(value, "0123456789");
	if (value == o || digits == 0 || digits > 9 ||
	    digits != len - (size_t)(value - o))
		return -CONFIG_E_TMPFS;
	return 1;
}

/* PATH or PATH:OPTION,OPTION... as docker's --tmpfs. */
int config_read_tmpfs(const struct config_key *key, struct config_rest *rest,
		      struct config_reader *r)
{
	struct config_tmpfs *t = &r->config->tmpfs[r->config->tmpfs_count];
	char *path = config_next_line(rest), *colon = strchr(path, ':'), *to;
	size_t len;
	int e;

	(void)key;
	if (r->config->tmpfs_count == CONFIG_TMPFS_MAX)
		return -CONFIG_E_FULL;
	*t = (struct config_tmpfs){
		.path = path,
		.data = "",
		.flags = MS_NOSUID | MS_NODEV | MS_NOEXEC,
	};
	if (colon)
		*colon = '\0';
	e = config_check_path(path);
	if (e < 0)
		return e;
	r->config->tmpfs_count++;
	if (!colon)
		return 0;
	/* What is the file system's is moved together. */
	rest->word = colon + 1;
	t->data = to = rest->word;
	for (char *at = rest->word;; at += len + 1) {
		bool last;

		len = (size_t)(strchrnul(at, ',') - at);
		last = at[len] == '\0';
		rest->word = at;
		e = tmpfs_option(at, len, &t->flags);
		if (e < 0)
			return e;
		if (e > 0) {
			if (to > t->data)
				*to++ = ',';
			memmove(to, at, len);
			to += len;
		}
		if (last)
			break;
	}
	*to = '\0';
	return 0;
}

/* With dots or slashes; where dots come first, a slash is a dot of a name. */
static int check_sysctl(char *name)
{
	char *first = name + strcspn(name, "./");
	bool dots = *first == '.';
	size_t part = 0;

	for (char *s = name;; s++) {
		if (dots && *s == '.')
			*s = '/';
		else if (dots && *s == '/')
			*s = '.';
		if (*s == '/' || *s == '\0') {
			if (part == 0 || (part == 1 && s[-1] == '.') ||
			    (part == 2 && s[-1] == '.' && s[-2] == '.'))
				return -CONFIG_E_SYSCTL;
			part = 0;
			if (*s == '\0')
				return 0;
		} else {
			part++;
		}
	}
}

static int add_sysctl(struct config *c, char *word)
{
	struct config_sysctl *s = &c->sysctls[c->sysctl_count];
	char *equals = strchr(word, '=');

	if (c->sysctl_count == CONFIG_SYSCTLS_MAX)
		return -CONFIG_E_FULL;
	if (!equals || strlen(word) > CONFIG_PATH_MAX)
		return -CONFIG_E_SYSCTL;
	*equals = '\0';
	s->may_fail = *word == '-';
	s->name = word + s->may_fail;
	s->value = equals + 1;
	c->sysctl_count++;
	return check_sysctl(word + s->may_fail);
}

int config_read_sysctls(const struct config_key *key, struct config_rest *rest,
			struct config_reader *r)
{
	char *to = rest->at, *word;
	int e;

	(void)key;
	do {
		word = to;
		e = config_next_item(rest, &to);
		if (e == 0)
			e = add_sysctl(r->config, word);
		if (e < 0)
			return e;
	} while (*rest->at);
	return 0;
}
