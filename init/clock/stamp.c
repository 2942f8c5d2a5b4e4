#include "init/clock/stamp.h"

#include <errno.h>

#include "nsm/item.h"

/* COSE_Sign1: an array, tagged or not, whose third item is the payload. */
static int find_payload(struct item_reader *r, struct item *ret)
{
	struct item i;
	int e = item_next(r, &i);

	if (e == 0 && i.type == ITEM_TAG)
		e = item_next(r, &i);
	if (e < 0)
		return e;
	if (i.type != ITEM_ARRAY || (!i.open && i.value != 4))
		return -EBADMSG;
	e = item_skip(r);
	if (e == 0)
		e = item_skip(r);
	return e < 0 ? e : item_next_of(r, ITEM_BYTES, ret);
}

int stamp_read(const void *doc, size_t len, uint64_t *ret_ms)
{
	struct item_reader r = { .at = doc, .left = len };
	struct item payload, i;
	struct item_list map;
	int e = find_payload(&r, &payload);

	if (e < 0)
		return e;
	r = (struct item_reader){ .at = payload.data, .left = payload.len };
	e = item_enter(&r, ITEM_MAP, &map);
	/* Each pair takes two bytes at least: this ends. */
	while (e == 0 && (e = item_more(&r, &map)) > 0) {
		e = item_next(&r, &i);
		if (e == 0 && item_is_text(&i, "timestamp")) {
			e = item_next_of(&r, ITEM_UINT, &i);
			if (e == 0)
				*ret_ms = i.value;
			return e;
		}
		if (e == 0)
			e = item_skip(&r);
	}
	return e < 0 ? e : -EBADMSG;
}
