#include "init/spec/config_key.h"

#include <string.h>

#include "nsm/near.h"

/* What they mean vsock/relay/plan/ knows. */
static const struct {
	char name[16];
	bool may_repeat;
} keys[] = {
	{ "dns-allow", true },
	{ "dns-forward", false },
	{ "egress", false },
	{ "egress-allow", true },
	{ "egress-deny", true },
	{ "egress-names", true },
	{ "egress-target", false },
	{ "egress-via", false },
	{ "forward", true },
	{ "forward-max", false },
	{ "forward-memory", false },
	{ "forward-workers", false },
	{ "tap", false },
	{ "tap-accept", true },
	{ "tap-address", false },
	{ "tap-framing", false },
	{ "tap-gateway", false },
	{ "tap-mac", false },
	{ "tap-mtu", false },
};

enum { KEYS = sizeof(keys) / sizeof(keys[0]) };

_Static_assert(KEYS <= 32, "a bit each for those that came");

const char *config_relay_nearest(const char *name, const char *best)
{
	size_t least = near_key(name, best), distance;

	for (size_t i = 0; i < KEYS; i++) {
		distance = near_key(name, keys[i].name);
		if (distance < least) {
			least = distance;
			best = keys[i].name;
		}
	}
	return best;
}

int config_read_relayed(const char *name, struct config_rest *rest,
			struct config_reader *r)
{
	struct config *c = r->config;
	size_t i = 0;

	while (i < KEYS && strcmp(name, keys[i].name) != 0)
		i++;
	if (i == KEYS)
		return -CONFIG_E_UNKNOWN;
	if (r->service != c->services)
		return -CONFIG_E_ENCLAVE;
	if (r->relayed >> i & 1 && !keys[i].may_repeat)
		return -CONFIG_E_TWICE;
	r->relayed |= 1U << i;
	if (*config_next_line(rest) == '\0')
		return -CONFIG_E_MISSING;
	if (c->relayed_count == CONFIG_RELAYED_MAX)
		return -CONFIG_E_FULL;
	c->relayed[c->relayed_count++] = (struct config_relayed){
		.key = keys[i].name, .value = rest->word, .line = r->line
	};
	config_note_supervised(r);
	return 0;
}

static const struct config_relayed *find(const struct config *c,
					 const char *key)
{
	for (size_t i = c->relayed_count; i > 0; i--)
		if (strcmp(c->relayed[i - 1].key, key) == 0)
			return &c->relayed[i - 1];
	return NULL;
}

const char *config_relay_value(const struct config *c, const char *key)
{
	const struct config_relayed *line = find(c, key);

	return line ? line->value : NULL;
}

int config_relay_check(const struct config_reader *r,
		       struct config_fault *where)
{
	const struct config *c = r->config;
	const struct config_relayed *resolver = find(c, "dns-forward");

	*where = (struct config_fault){ .column = 1 };
	if (resolver && c->dns_count > 0) {
		where->line = resolver->line;
		return -CONFIG_E_RESOLVER;
	}
	if (c->relayed_count == 0 || !config_keeps_log(&c->link))
		return 0;
	for (size_t i = 1; i < c->service_count; i++) {
		where->line = r->section_lines[i];
		if (strcmp(c->services[i].supervision.name, "relay") == 0)
			return -CONFIG_E_RELAY;
	}
	return 0;
}

/* --- what is passed on --- */

static const char equals[] = " = ";

size_t config_relay_size(const struct config *c)
{
	size_t n = 0, line = 0;

	for (size_t i = 0; i < c->relayed_count; i++) {
		n += strlen(c->relayed[i].key) + sizeof(equals) - 1 +
		     strlen(c->relayed[i].value);
		line = c->relayed[i].line;
	}
	return n + line;
}

void config_relay_text(const struct config *c, char *ret)
{
	size_t line = 1;

	for (size_t i = 0; i < c->relayed_count; i++) {
		const struct config_relayed *l = &c->relayed[i];

		for (; line < l->line; line++)
			*ret++ = '\n';
		ret = mempcpy(ret, l->key, strlen(l->key));
		ret = mempcpy(ret, equals, sizeof(equals) - 1);
		ret = mempcpy(ret, l->value, strlen(l->value));
		*ret++ = '\n';
		line++;
	}
}

const char *config_proxy(const struct config *c)
{
	static const char tcp[] = "tcp:";
	const char *value = config_relay_value(c, "egress");

	if (!value || c->no_egress_environment)
		return NULL;
	return strncmp(value, tcp, sizeof(tcp) - 1) == 0 ?
		       value + sizeof(tcp) - 1 :
		       value;
}

const char *config_resolver(const struct config *c)
{
	static const char gateway[] = "192.168.127.1"; /* gvproxy's */
	const struct config_relayed *own = find(c, "tap-gateway");

	if (find(c, "dns-forward"))
		return "127.0.0.1";
	if (c->dns_count > 0 || !find(c, "tap"))
		return NULL;
	return own ? own->value : gateway;
}

bool config_goes_around(const struct config *c, const struct config_service *s)
{
	return !s->confine.no_vsock &&
	       (find(c, "egress") || find(c, "egress-names") ||
		find(c, "dns-forward"));
}
