#include "vsock/relay/plan/conflict.h"

#include <errno.h>
#include <string.h>

#include "vsock/relay/plan/words.h"

enum {
	DNS_PORT = 53,
	/* egress and dns-forward, which listens once */
	PLACES_MAX = PLAN_ROUTES_MAX + 2 * PLAN_ENDS_MAX + 2,
};

/* Where a line listens, and what it dials for who connects there. */
struct place {
	const struct address *listen, *target; /* TARGET may be NULL */
	const char *key;
	unsigned line;
};

struct places {
	size_t count;
	struct place at[PLACES_MAX];
};

static void add(struct places *all, const struct address *listen,
		const struct address *target, const char *key, unsigned line)
{
	all->at[all->count++] = (struct place){ listen, target, key, line };
}

static void add_ends(struct places *all, const struct plan_ends *ends,
		     const char *key)
{
	for (size_t i = 0; i < ends->count; i++)
		add(all, &ends->at[i].listen, NULL, key,
		    ends->at[i].options.line);
}

static void collect(const struct plan *p, struct places *all)
{
	static const struct address dns = { .kind = ADDRESS_TCP,
					    .port = DNS_PORT,
					    .last = DNS_PORT,
					    .ip = { 127, 0, 0, 1 } };

	all->count = 0;
	for (size_t i = 0; i < p->routes; i++)
		add(all, &p->route[i].listen, &p->route[i].target, "forward",
		    p->route[i].line);
	if (p->egress.listen.kind != ADDRESS_NONE)
		add(all, &p->egress.listen, &p->egress.target, "egress",
		    p->egress.line);
	if (p->dns.line)
		add(all, &dns, &p->dns.target, "dns-forward", p->dns.line);
	add_ends(all, &p->exits, "exit");
	add_ends(all, &p->resolvers, "dns");
}

static int fail_pair(struct plan_fault *f, const struct place *a,
		     const struct place *b)
{
	char text[ADDRESS_TEXT];

	address_text(a->listen, text);
	f->line = a->line;
	words_set(f->words, sizeof(f->words), a->key, "", 0, ": ");
	words_add(f->words, sizeof(f->words), text);
	words_add(f->words, sizeof(f->words), ": ");
	words_add(f->words, sizeof(f->words), b->key);
	words_add(f->words, sizeof(f->words), " of line ");
	words_add_number(f->words, sizeof(f->words), b->line);
	words_add(f->words, sizeof(f->words), " listens there, too");
	return -EINVAL;
}

/*
 * Does who dials A reach what listens at B, of the same machine? vsock leads to another one, and
 * so do dir: and mux:.
 */
static bool reaches(const struct address *a, const struct address *b)
{
	return (a->kind == ADDRESS_TCP || a->kind == ADDRESS_UNIX) &&
	       address_overlaps(a, b);
}

/* The place that PLACE dials; NULL: none of these. */
static const struct place *next_of(const struct places *all,
				   const struct place *place)
{
	for (size_t i = 0; place->target && i < all->count; i++)
		if (reaches(place->target, all->at[i].listen))
			return &all->at[i];
	return NULL;
}

static bool comes_back(const struct places *all, const struct place *begin)
{
	const struct place *at = next_of(all, begin);

	/* A loop that BEGIN leads to and is not part of ends by the count. */
	for (size_t i = 0; at && at != begin && i < all->count; i++)
		at = next_of(all, at);
	return at == begin;
}

int conflict_find(const struct plan *p, struct plan_fault *reterr)
{
	struct places all;

	collect(p, &all);
	for (size_t i = 1; i < all.count; i++)
		for (size_t n = 0; n < i; n++)
			if (address_overlaps(all.at[i].listen,
					     all.at[n].listen))
				return fail_pair(reterr, &all.at[i],
						 &all.at[n]);
	for (size_t i = 0; i < all.count; i++) {
		if (!comes_back(&all, &all.at[i]))
			continue;
		reterr->line = all.at[i].line;
		words_set(reterr->words, sizeof(reterr->words), all.at[i].key,
			  "", 0, ": what its target does comes back to it");
		return -EINVAL;
	}
	return 0;
}

int conflict_taken(const struct plan *p, const struct conflict_port *taken,
		   size_t count, struct plan_fault *reterr)
{
	struct places all;
	struct address port = { .kind = ADDRESS_VSOCK };

	collect(p, &all);
	for (size_t i = 0; i < all.count; i++)
		for (size_t n = 0; n < count; n++) {
			port.port = port.last = taken[n].port;
			if (!address_overlaps(all.at[i].listen, &port))
				continue;
			reterr->line = all.at[i].line;
			words_set(reterr->words, sizeof(reterr->words),
				  all.at[i].key, "", 0, ": vsock port ");
			words_add_number(reterr->words, sizeof(reterr->words),
					 taken[n].port);
			words_add(reterr->words, sizeof(reterr->words),
				  " is that of ");
			words_add(reterr->words, sizeof(reterr->words),
				  taken[n].by);
			return -EINVAL;
		}
	return 0;
}
