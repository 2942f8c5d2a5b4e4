#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nsm/nsmc.h"
#include "nsm/opts.h"
#include "nsm/tool/commands.h"
#include "nsm/tool/input.h"
#include "nsm/tool/json.h"
#include "nsm/tool/out_file.h"

/* --- printing --- */

static struct nsmc_bytes value_of(const struct nsmc_pcr *pcr)
{
	return (struct nsmc_bytes){ pcr->value, pcr->len };
}

/* With the names of DescribePCR's answer. */
static void pcr_json(struct out *out, unsigned index,
		     const struct nsmc_pcr *pcr)
{
	json_open(out, NULL, '{');
	json_number(out, "index", index);
	json_bool(out, "lock", pcr->locked);
	json_hex(out, "data", value_of(pcr));
	json_close(out, '}');
}

/* Prints one PCR: its value, as --pcr of nsm verify takes it. */
static int print_pcr(const struct tool *t, bool json, unsigned index,
		     const struct nsmc_pcr *pcr)
{
	struct out out;

	(void)out_open(t, &out, NULL, 0, false);
	if (json)
		pcr_json(&out, index, pcr);
	else
		out_hex(&out, pcr->value, pcr->len);
	out_text(&out, "\n");
	return out_commit(t, &out);
}

static void pcr_line(struct out *out, unsigned index,
		     const struct nsmc_pcr *pcr)
{
	out_text(out, "PCR");
	out_number(out, index);
	out_text(out, index < 10 ? "   " : "  ");
	out_text(out, pcr->locked ? "locked    " : "unlocked  ");
	out_hex(out, pcr->value, pcr->len);
	out_text(out, "\n");
}

static int print_pcrs(const struct tool *t, bool json, const uint8_t *index,
		      const struct nsmc_pcr *pcr, size_t count)
{
	struct out out;

	(void)out_open(t, &out, NULL, 0, false);
	if (json) {
		json_open(&out, NULL, '{');
		json_open(&out, "pcrs", '[');
	}
	for (size_t i = 0; i < count; i++) {
		if (json)
			pcr_json(&out, index[i], &pcr[i]);
		else
			pcr_line(&out, index[i], &pcr[i]);
	}
	if (json)
		out_text(&out, "]}\n");
	return out_commit(t, &out);
}

static int fail_pcr(const struct tool *t, unsigned index, int r)
{
	char name[16];

	(void)snprintf(name, sizeof(name), "PCR%u", index);
	return tool_fail_nsm(t, name, r);
}

static int read_index(const struct tool *t, const char *word, uint8_t *ret)
{
	uint64_t n;
	int r = input_number(t, "INDEX", word, 0, NSMC_PCR_COUNT - 1, &n);

	if (r == 0)
		*ret = (uint8_t)n;
	return r;
}

/* --- list, get --- */

static int run_list(struct tool *t, struct opts *o)
{
	struct nsmc_description d;
	struct nsmc_pcr pcr[NSMC_PCR_COUNT] = { 0 };
	uint8_t index[NSMC_PCR_COUNT];
	unsigned count = NSMC_PCR_COUNT, i = 0;
	bool json = false;
	int id, fd, r;

	while ((id = opts_next(o)) != OPT_END) {
		if (id == OPT_BAD)
			return TOOL_USAGE;
		if (id == OPT_ARGUMENT)
			return opts_too_many(o);
		json = true;
	}
	r = tool_open(t, &fd);
	if (r)
		return r;
	r = nsmc_describe(fd, &d);
	if (r < 0) {
		r = tool_fail_nsm(t, NULL, r);
		goto out;
	}
	if (d.max_pcrs < count)
		count = d.max_pcrs;
	for (i = 0; i < count; i++) {
		index[i] = (uint8_t)i;
		r = nsmc_describe_pcr(fd, index[i], &pcr[i]);
		if (r < 0) {
			r = fail_pcr(t, i, r);
			goto out;
		}
	}
	r = print_pcrs(t, json, index, pcr, count);
out:
	(void)close(fd);
	return r;
}

const struct command pcr_list_command = {
	.name = "pcr list",
	.does = "all PCRs, and which are locked",
	.help = "usage: nsm pcr list [--json]\n"
		"\n"
		"Prints all PCRs, a line each: its number, locked or unlocked, its value as hex.\n"
		"\n"
		"  --json   one JSON object: \"pcrs\" is an array of index, lock and data (hex)\n",
	.opts = (const struct opt[]){ { "--json", OPT_FLAG, 'j' }, { 0 } },
	.run = run_list,
};

static int run_get(struct tool *t, struct opts *o)
{
	bool json = false, given = false;
	struct nsmc_pcr pcr;
	uint8_t index = 0;
	int id, fd, r;

	while ((id = opts_next(o)) != OPT_END) {
		switch (id) {
		case 'j':
			json = true;
			break;
		case OPT_ARGUMENT:
			if (given)
				return opts_too_many(o);
			r = read_index(t, o->value, &index);
			if (r)
				return r;
			given = true;
			break;
		default:
			return TOOL_USAGE;
		}
	}
	if (!given)
		return tool_usage(t, NULL, "which PCR?");
	r = tool_open(t, &fd);
	if (r)
		return r;
	r = nsmc_describe_pcr(fd, index, &pcr);
	(void)close(fd);
	return r < 0 ? fail_pcr(t, index, r) : print_pcr(t, json, index, &pcr);
}

const struct command pcr_get_command = {
	.name = "pcr get",
	.does = "the value of one PCR",
	.help = "usage: nsm pcr get INDEX [--json]\n"
		"\n"
		"Prints the value of PCR INDEX (0 to 31) as hex.\n"
		"\n"
		"  --json   one JSON object: index, lock and data (hex)\n",
	.opts = (const struct opt[]){ { "--json", OPT_FLAG, 'j' }, { 0 } },
	.run = run_get,
};

/* --- extend, predict --- */

/* The values that a PCR is extended with, in order. */
struct extensions {
	struct blob *list;
	size_t count;
	const char *name; /* the name for the next data, if one was given */
};

/* Room for one value for each remaining argument. */
static int extensions_init(const struct tool *t, const struct opts *o,
			   struct extensions *ret)
{
	size_t words = 1;

	for (char **p = o->next; *p; p++)
		words++;
	*ret = (struct extensions){ .list = calloc(words, sizeof(*ret->list)) };
	if (!ret->list)
		return tool_fail_nsm(t, NULL, -ENOMEM);
	return 0;
}

static void extensions_free(struct extensions *e)
{
	for (size_t i = 0; i < e->count; i++)
		blob_free(&e->list[i]);
	free(e->list);
}

static int add(struct tool *t, struct extensions *e, const char *what,
	       const char *arg)
{
	struct blob *b = &e->list[e->count];
	int r;

	if (!e->name) {
		r = input_bytes(t, what, arg, 0, NSMC_EXTEND_MAX, b);
	} else {
		b->data = malloc(NSMC_PCR_SIZE);
		if (!b->data)
			return tool_fail_nsm(t, NULL, -ENOMEM);
		b->len = NSMC_PCR_SIZE;
		r = input_measured(t, what, e->name, arg, b->data);
		if (r)
			blob_free(b);
	}
	e->name = NULL;
	if (r == 0)
		e->count++;
	return r;
}

/*
 * Takes one option or argument of those that both commands have; any other ID
 * is OPT_BAD, which was reported.
 */
static int add_word(struct tool *t, struct opts *o, struct extensions *e,
		    int id)
{
	switch (id) {
	case OPT_ARGUMENT:
		return add(t, e, "DATA", o->value);
	case 'd':
		return add(t, e, o->name, o->value);
	case 'n':
		if (e->name)
			return tool_usage(t, o->name,
					  "the name before has no data");
		e->name = o->value;
		return 0;
	default:
		return TOOL_USAGE;
	}
}

static int check_end(const struct tool *t, const struct extensions *e)
{
	if (e->name)
		return tool_usage(t, "--name", "data must follow");
	if (e->count == 0)
		return tool_usage(t, NULL, "with which data?");
	return 0;
}

static int run_extend(struct tool *t, struct opts *o)
{
	bool json = false, given = false;
	struct extensions e;
	struct nsmc_pcr pcr = { 0 };
	uint8_t index = 0;
	int id, fd, r;

	r = extensions_init(t, o, &e);
	if (r)
		return r;
	/* Everything is read before anything is done that cannot be undone. */
	while (r == 0 && (id = opts_next(o)) != OPT_END) {
		if (id == 'j') {
			json = true;
		} else if (id == OPT_ARGUMENT && !given) {
			r = read_index(t, o->value, &index);
			given = true;
		} else {
			r = add_word(t, o, &e, id);
		}
	}
	if (r == 0 && !given)
		r = tool_usage(t, NULL, "which PCR?");
	if (r == 0)
		r = check_end(t, &e);
	if (r == 0)
		r = tool_open(t, &fd);
	if (r)
		goto out;
	for (size_t i = 0; i < e.count && r == 0; i++)
		r = nsmc_extend_pcr_checked(fd, index, e.list[i].data,
					    e.list[i].len, &pcr);
	(void)close(fd);
	r = r < 0 ? fail_pcr(t, index, r) : print_pcr(t, json, index, &pcr);
out:
	extensions_free(&e);
	return r;
}

const struct command pcr_extend_command = {
	.name = "pcr extend",
	.does = "extend a PCR",
	.help = "usage: nsm pcr extend INDEX [--name NAME] DATA... [--json]\n"
		"\n"
		"Extends PCR INDEX (0 to 31), reads it again, and prints its value as hex.\n"
		"\n"
		"  DATA             raw: new = SHA384(old || DATA), up to 4068 bytes\n"
		"  --name NAME DATA measured: a hash of NAME and DATA of any length goes in,\n"
		"                   as pcr-extend of init's configuration does it\n"
		"  --data DATA      the same as DATA\n"
		"  --json           one JSON object: index, lock and data (hex)\n"
		"\n"
		"DATA is HEX, hex:HEX, base64:BASE64, text:TEXT, @FILE or - for stdin. With\n"
		"several, the PCR is extended with each in order; a name is for the data after\n"
		"it alone. Nothing is extended if one of them cannot be read. Compare with\n"
		"nsm pcr predict; a PCR must be locked to be in documents: nsm pcr lock.\n",
	.opts = (const struct opt[]){ { "--name", OPT_MANY, 'n' },
				      { "--data", OPT_MANY, 'd' },
				      { "--json", OPT_FLAG, 'j' },
				      { 0 } },
	.run = run_extend,
};

static int run_predict(struct tool *t, struct opts *o)
{
	struct blob from = { 0 };
	struct extensions e;
	struct nsmc_pcr pcr = { .len = NSMC_PCR_SIZE };
	struct out out;
	bool json = false;
	int id, r;

	r = extensions_init(t, o, &e);
	if (r)
		return r;
	while (r == 0 && (id = opts_next(o)) != OPT_END) {
		if (id == 'j')
			json = true;
		else if (id == 'f')
			r = input_bytes(t, o->name, o->value, NSMC_PCR_SIZE,
					NSMC_PCR_SIZE, &from);
		else
			r = add_word(t, o, &e, id);
	}
	if (r == 0)
		r = check_end(t, &e);
	if (r)
		goto out;
	if (from.data)
		memcpy(pcr.value, from.data, from.len);
	for (size_t i = 0; i < e.count; i++)
		nsmc_predict(pcr.value, e.list[i].data, e.list[i].len);
	(void)out_open(t, &out, NULL, 0, false);
	if (json) {
		json_open(&out, NULL, '{');
		json_hex(&out, "data", value_of(&pcr));
		json_close(&out, '}');
	} else {
		out_hex(&out, pcr.value, pcr.len);
	}
	out_text(&out, "\n");
	r = out_commit(t, &out);
out:
	blob_free(&from);
	extensions_free(&e);
	return r;
}

const struct command pcr_predict_command = {
	.name = "pcr predict",
	.does = "what a PCR becomes by extensions, without an NSM",
	.help = "usage: nsm pcr predict [--from BYTES] {[--name NAME] DATA}... [--json]\n"
		"\n"
		"Computes what a PCR becomes when it is extended with each DATA in order, and\n"
		"prints it as hex. It needs no NSM.\n"
		"\n"
		"  --from BYTES     the 48 bytes that it holds before; zeros, if not given\n"
		"  DATA             raw: new = SHA384(old || DATA), up to 4068 bytes\n"
		"  --name NAME DATA measured: a hash of NAME and DATA of any length goes in\n"
		"  --data DATA      the same as DATA\n"
		"  --json           one JSON object: \"data\" is hex\n"
		"\n"
		"DATA is HEX, hex:HEX, base64:BASE64, text:TEXT, @FILE or - for stdin. The same\n"
		"words after nsm pcr extend INDEX give the same value, and so do these lines\n"
		"of init's configuration:\n"
		"\n"
		"  pcr-extend = 16 data NAME VALUE    --name NAME text:VALUE\n"
		"  pcr-extend = 16 file NAME PATH     --name NAME @PATH\n",
	.opts = (const struct opt[]){ { "--from", OPT_VALUE, 'f' },
				      { "--name", OPT_MANY, 'n' },
				      { "--data", OPT_MANY, 'd' },
				      { "--json", OPT_FLAG, 'j' },
				      { 0 } },
	.run = run_predict,
};

/* --- lock --- */

struct lock {
	uint8_t index[NSMC_PCR_COUNT];
	size_t count;
	bool below; /* all of them by one request */
	bool json;
};

/* "16" or "16-18", as in pcr-lock of init's configuration. */
static int add_range(const struct tool *t, const char *word, struct lock *l)
{
	const char *hyphen = strchr(word, '-');
	size_t len = hyphen ? (size_t)(hyphen - word) : 0;
	char first[4] = "";
	uint8_t from = 0, to;
	int r;

	/* A text that is too long is no index either. */
	if (hyphen && len < sizeof(first))
		memcpy(first, word, len);
	r = read_index(t, hyphen ? first : word, &from);
	to = from;
	if (r == 0 && hyphen)
		r = read_index(t, hyphen + 1, &to);
	if (r)
		return r;
	if (to < from)
		return tool_usage(t, word, "the range ends before it begins");
	for (; from <= to; from++) {
		if (l->count == NSMC_PCR_COUNT)
			return tool_usage(t, word, "an argument too many");
		l->index[l->count++] = from;
	}
	return 0;
}

static int read_lock(struct tool *t, struct opts *o, struct lock *l)
{
	uint64_t end;
	int id, r = 0;

	while (r == 0 && (id = opts_next(o)) != OPT_END) {
		switch (id) {
		case 'j':
			l->json = true;
			break;
		case 'b':
			if (l->count > 0)
				return tool_usage(
					t, o->name,
					"it excludes INDEX arguments");
			r = input_number(t, o->name, o->value, 1,
					 NSMC_PCR_COUNT, &end);
			l->below = true;
			for (; r == 0 && l->count < end; l->count++)
				l->index[l->count] = (uint8_t)l->count;
			break;
		case OPT_ARGUMENT:
			if (l->below)
				return tool_usage(
					t, "--below",
					"it excludes INDEX arguments");
			r = add_range(t, o->value, l);
			break;
		default:
			r = TOOL_USAGE;
		}
	}
	if (r == 0 && l->count == 0)
		r = tool_usage(t, NULL, "which PCRs?");
	return r;
}

/* Locks all by one request, then prints them as they are. */
static int lock_below(const struct tool *t, int fd, const struct lock *l,
		      struct nsmc_pcr pcr[NSMC_PCR_COUNT])
{
	char name[16];
	int r;

	r = nsmc_lock_pcrs_below_checked(fd, (uint8_t)l->count);
	if (r < 0) {
		(void)snprintf(name, sizeof(name), "PCR0-%u",
			       (unsigned)l->count - 1);
		return tool_fail_nsm(t, name, r);
	}
	for (size_t i = 0; i < l->count; i++) {
		r = nsmc_describe_pcr(fd, l->index[i], &pcr[i]);
		if (r < 0)
			return fail_pcr(t, l->index[i], r);
	}
	return 0;
}

static int run_lock(struct tool *t, struct opts *o)
{
	struct nsmc_pcr pcr[NSMC_PCR_COUNT] = { 0 };
	struct lock l = { .count = 0 };
	int fd, r;

	r = read_lock(t, o, &l);
	if (r == 0)
		r = tool_open(t, &fd);
	if (r)
		return r;
	if (l.below) {
		r = lock_below(t, fd, &l, pcr);
	} else {
		for (size_t i = 0; i < l.count && r == 0; i++) {
			r = nsmc_lock_pcr_checked(fd, l.index[i], &pcr[i]);
			if (r < 0)
				r = fail_pcr(t, l.index[i], r);
		}
	}
	(void)close(fd);
	return r ? r : print_pcrs(t, l.json, l.index, pcr, l.count);
}

const struct command pcr_lock_command = {
	.name = "pcr lock",
	.does = "lock PCRs until the enclave ends",
	.help = "usage: nsm pcr lock {INDEX | INDEX-INDEX}... [--json]\n"
		"       nsm pcr lock --below END [--json]\n"
		"\n"
		"Locks PCRs until the enclave ends: they can no longer be extended, and are in\n"
		"attestation documents. Each is read again; prints a line for each as nsm pcr\n"
		"list does. One that was locked already is fine.\n"
		"\n"
		"  INDEX         these PCRs, 0 to 31; 16-18 is 16, 17 and 18\n"
		"  --below END   the PCRs 0 to END - 1: 18 locks 16 and 17 (END is 1 to 32)\n"
		"  --json        one JSON object: \"pcrs\" is an array of index, lock and data\n",
	.opts = (const struct opt[]){ { "--below", OPT_VALUE, 'b' },
				      { "--json", OPT_FLAG, 'j' },
				      { 0 } },
	.run = run_lock,
};
