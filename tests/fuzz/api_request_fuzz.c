/*
 * Bytes of a connection, of which the first says how they are cut: requests are the same however they are cut, within their
 * bounds, with texts that end and have no control characters; and what looks at them later stays within them, too.
 */

#include <stdlib.h>
#include <string.h>

#include "nsm/api/http/access.h"
#include "nsm/api/http/intake.h"
#include "nsm/api/http/router.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { REQUESTS_MAX = 64 };

static void require(bool truth)
{
	if (!truth)
		abort();
}

static const struct web_route routes[] = {
	{ .method = WEB_GET, .path = "/v1/health" },
	{ .method = WEB_GET, .path = "/v1/pcrs/{n}" },
	{ .method = WEB_POST, .path = "/v1/pcrs/{n}/extend" },
	{ .method = WEB_GET, .path = "/a/*" },
	{ .path = NULL },
};
static const struct web_route *const tables[] = { routes, NULL };

static uint64_t mix(uint64_t hash, const void *data, size_t len)
{
	const uint8_t *at = data;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
	return (hash ^ len) * UINT64_C(0x100000001b3);
}

static uint64_t mix_text(uint64_t hash, const char *text)
{
	require(strlen(text) <= WEB_HEAD_MAX);
	for (const char *c = text; *c; c++)
		require((*c >= ' ' || *c == '\t' || *c < 0) && *c != 0x7f);
	return mix(hash, text, strlen(text));
}

/* What routes do with it. */
static uint64_t look(uint64_t hash, const struct web *w)
{
	char allow[ROUTER_ALLOW], value[64];
	const char *rest;
	int status = 0, n;

	hash = mix_text(hash, w->path);
	hash = mix_text(hash, w->query);
	require(w->path[0] == '/' && w->lines <= WEB_HEADERS_MAX);
	for (size_t i = 0; i < w->lines; i++) {
		hash = mix_text(hash, w->line[i].name);
		hash = mix_text(hash, w->line[i].value);
	}
	require(w->body_len <= WEB_BODY_MAX);
	hash = mix(hash, w->body, w->body_len);
	if (!router_find(tables, w, &status, allow))
		require(status == 404 || status == 405);
	n = web_query(w, "bytes", value, sizeof(value));
	require(n < (int)sizeof(value) &&
		(n < 0 || strlen(value) == (size_t)n));
	(void)web_after(w, "/v1/", &rest);
	(void)web_is_type(w, "application/json");
	(void)access_refuses(w);
	return hash;
}

/* All requests of DATA, fed by CUT bytes at most: what they are. */
static uint64_t read_all(struct intake *in, const uint8_t *data, size_t size,
			 size_t cut)
{
	uint64_t hash = 14695981039346656037U;
	enum intake_state s = INTAKE_MORE;
	int count = 0;
	size_t used;

	intake_reset(in);
	while ((size > 0 || s == INTAKE_HEAD) && s != INTAKE_BAD &&
	       count < REQUESTS_MAX) {
		size_t n = s == INTAKE_HEAD ? 0 : size < cut ? size : cut;

		s = intake_feed(in, data, n, &used);
		require(used <= n);
		data += used;
		size -= used;
		if (s != INTAKE_DONE)
			continue;
		hash = look(hash, &in->web);
		count++;
		intake_reset(in);
		s = INTAKE_MORE;
	}
	if (s == INTAKE_BAD) {
		require(in->status >= 400 && in->code && in->why);
		/* Of two faults it may be the one or the other. */
		hash = mix(hash, &s, sizeof(s));
	}
	intake_reset(in);
	return hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct intake in;
	uint64_t whole;

	if (size == 0)
		return 0;
	whole = read_all(&in, data + 1, size - 1, SIZE_MAX);
	require(read_all(&in, data + 1, size - 1, data[0] + 1U) == whole);
	return 0;
}
