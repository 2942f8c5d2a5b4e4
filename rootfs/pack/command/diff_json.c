#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rootfs/pack/base/escape.h"
#include "rootfs/pack/base/json_print.h"
#include "rootfs/pack/command/describe.h"
#include "rootfs/pack/command/diff.h"
#include "rootfs/pack/command/emit.h"

/* Where in the value we are: as many keys as it is deep. */
struct diff_place {
	const struct diff_place *above;
	const char *key;
};

static void print_place(const struct diff_place *p)
{
	if (!p)
		return;
	print_place(p->above);
	(void)putchar('.');
	escape_print(stdout, p->key, strlen(p->key));
}

/* The same, for the caller to free; NULL without memory. */
static char *make_place(const struct diff_place *p)
{
	char *above, *text;

	if (!p)
		return strdup("");
	above = make_place(p->above);
	if (!above)
		return NULL;
	if (asprintf(&text, "%s.%s", above, p->key) < 0)
		text = NULL;
	free(above);
	return text;
}

static bool emit_one(struct emit *e, const struct diff_place *at,
		     const cJSON *a, const cJSON *b)
{
	char *place = make_place(at);

	if (!place)
		return false;
	emit_open(e, NULL, '{');
	emit_string(e, "Key", place);
	if (a)
		emit_value(e, "A", a);
	if (b)
		emit_value(e, "B", b);
	emit_close(e, '{');
	free(place);
	return true;
}

static void print_value(char side, const cJSON *value)
{
	(void)printf("    %c: ", side);
	if (value)
		json_print_value(stdout, value, 2);
	else
		(void)printf("none");
	(void)putchar('\n');
}

/* Both sorted: cJSON_Compare takes twice as long for each level. */
static bool is_same(const cJSON *a, const cJSON *b)
{
	if ((a->type & 0xff) != (b->type & 0xff))
		return false;
	if (cJSON_IsString(a))
		return strcmp(a->valuestring, b->valuestring) == 0;
	if (cJSON_IsNumber(a))
		return a->valuedouble == b->valuedouble;
	for (a = a->child, b = b->child; a && b; a = a->next, b = b->next)
		if ((a->string && strcmp(a->string, b->string) != 0) ||
		    !is_same(a, b))
			return false;
	return !a && !b;
}

static bool diff_at(struct emit *e, const struct diff_place *above,
		    const cJSON *a, const cJSON *b, size_t *count)
{
	if (!cJSON_IsObject(a) || !cJSON_IsObject(b)) {
		if (a && b && is_same(a, b))
			return true;
		++*count;
		if (e)
			return emit_one(e, above, a, b);
		(void)printf("  ");
		print_place(above);
		(void)putchar('\n');
		print_value('A', a);
		print_value('B', b);
		return true;
	}
	for (a = a->child, b = b->child; a || b;) {
		int order = !a ? 1 : !b ? -1 : strcmp(a->string, b->string);
		const struct diff_place p = { above, order <= 0 ? a->string :
								  b->string };

		if (!diff_at(e, &p, order <= 0 ? a : NULL,
			     order >= 0 ? b : NULL, count))
			return false;
		if (order <= 0)
			a = a->next;
		if (order >= 0)
			b = b->next;
	}
	return true;
}

bool diff_json(struct emit *e, cJSON *a, cJSON *b, size_t *ret)
{
	if ((a && !describe_sort(a)) || (b && !describe_sort(b)))
		return false;
	*ret = 0;
	return diff_at(e, NULL, a, b, ret);
}
