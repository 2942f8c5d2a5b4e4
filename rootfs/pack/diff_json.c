#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "rootfs/pack/describe.h"
#include "rootfs/pack/diff.h"
#include "rootfs/pack/escape.h"

/* Where in the value we are: as many keys as it is deep. */
struct place {
	const struct place *above;
	const char *key;
};

static void print_place(const struct place *p)
{
	if (!p)
		return;
	print_place(p->above);
	(void)putchar('.');
	escape_print(stdout, p->key, strlen(p->key));
}

static void print_value(char side, const cJSON *value)
{
	(void)printf("    %c: ", side);
	if (value)
		describe_print_value(stdout, value, 2);
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

static size_t diff_at(const struct place *above, const cJSON *a, const cJSON *b)
{
	size_t count = 0;

	if (!cJSON_IsObject(a) || !cJSON_IsObject(b)) {
		if (a && b && is_same(a, b))
			return 0;
		(void)printf("  ");
		print_place(above);
		(void)putchar('\n');
		print_value('A', a);
		print_value('B', b);
		return 1;
	}
	for (a = a->child, b = b->child; a || b;) {
		int order = !a ? 1 : !b ? -1 : strcmp(a->string, b->string);
		const struct place p = { above,
					 order <= 0 ? a->string : b->string };

		count += diff_at(&p, order <= 0 ? a : NULL,
				 order >= 0 ? b : NULL);
		if (order <= 0)
			a = a->next;
		if (order >= 0)
			b = b->next;
	}
	return count;
}

bool diff_json(cJSON *a, cJSON *b, size_t *ret)
{
	if ((a && !describe_sort(a)) || (b && !describe_sort(b)))
		return false;
	*ret = diff_at(NULL, a, b);
	return true;
}
