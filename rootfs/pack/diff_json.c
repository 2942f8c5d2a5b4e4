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

static size_t diff_at(const struct place *above, const cJSON *a, const cJSON *b)
{
	const cJSON *child, *other;
	size_t count = 0;

	if (!cJSON_IsObject(a) || !cJSON_IsObject(b)) {
		if (a && b && cJSON_Compare(a, b, true))
			return 0;
		(void)printf("  ");
		print_place(above);
		(void)putchar('\n');
		print_value('A', a);
		print_value('B', b);
		return 1;
	}
	cJSON_ArrayForEach(child, a)
	{
		const struct place p = { above, child->string };

		other = cJSON_GetObjectItemCaseSensitive(b, child->string);
		count += diff_at(&p, child, other);
	}
	cJSON_ArrayForEach(child, b)
	{
		const struct place p = { above, child->string };

		if (!cJSON_GetObjectItemCaseSensitive(a, child->string))
			count += diff_at(&p, NULL, child);
	}
	return count;
}

size_t diff_json(const cJSON *a, const cJSON *b)
{
	return diff_at(NULL, a, b);
}
