#include "rootfs/pack/base/strings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rootfs/pack/base/fault.h"

int strings_add(struct strings *s, const char *item, struct fault *reterr)
{
	char **bigger, *copy;

	/* Room is for a power of two. */
	if ((s->count & (s->count - 1)) == 0) {
		bigger = reallocarray(s->items, s->count ? s->count * 2 : 1,
				      sizeof(char *));
		if (!bigger)
			return fault_system(reterr, ENOMEM, "strings");
		s->items = bigger;
	}
	copy = strdup(item);
	if (!copy)
		return fault_system(reterr, ENOMEM, "strings");
	s->items[s->count++] = copy;
	return 0;
}

int strings_set_variable(struct strings *s, const char *entry,
			 struct fault *reterr)
{
	const char *equals = strchr(entry, '=');
	const size_t len = equals ? (size_t)(equals - entry) + 1 : 0;
	char *copy;

	for (size_t i = 0; len > 0 && i < s->count; i++) {
		if (strncmp(s->items[i], entry, len) != 0)
			continue;
		copy = strdup(entry);
		if (!copy)
			return fault_system(reterr, ENOMEM, "%s", entry);
		free(s->items[i]);
		s->items[i] = copy;
		return 0;
	}
	return strings_add(s, entry, reterr);
}

/* Of a list, at its place there. */
struct variable {
	char *text;
	size_t name_len, at;
};

static int compare(const void *a, const void *b)
{
	const struct variable *x = a, *y = b;
	size_t len = x->name_len < y->name_len ? x->name_len : y->name_len;
	int r = memcmp(x->text, y->text, len);

	if (r == 0 && x->name_len != y->name_len)
		r = x->name_len < y->name_len ? -1 : 1;
	if (r == 0)
		r = x->at < y->at ? -1 : x->at > y->at;
	return r;
}

/* They are in order: of each name the first's place gets the last's text. */
static void merge(struct strings *s, const struct variable *sorted)
{
	size_t count = 0;

	for (size_t i = 0, first = 0; i < s->count; i++) {
		if (i == 0 || sorted[i].name_len != sorted[i - 1].name_len ||
		    memcmp(sorted[i].text, sorted[i - 1].text,
			   sorted[i].name_len) != 0) {
			first = i;
			continue;
		}
		free(s->items[sorted[first].at]);
		s->items[sorted[first].at] = sorted[i].text;
		s->items[sorted[i].at] = NULL;
	}
	for (size_t i = 0; i < s->count; i++)
		if (s->items[i])
			s->items[count++] = s->items[i];
	s->count = count;
}

int strings_merge_variables(struct strings *s, struct fault *reterr)
{
	struct variable *sorted = calloc(s->count + 1, sizeof(*sorted));

	if (!sorted)
		return fault_system(reterr, ENOMEM, "strings");
	for (size_t i = 0; i < s->count; i++)
		sorted[i] = (struct variable){
			.text = s->items[i],
			.name_len = strcspn(s->items[i], "="),
			.at = i,
		};
	qsort(sorted, s->count, sizeof(*sorted), compare);
	merge(s, sorted);
	free(sorted);
	return 0;
}

void strings_free(struct strings *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->items[i]);
	free(s->items);
	*s = (struct strings){ 0 };
}
