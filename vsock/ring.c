#include "vsock/ring.h"

#include <errno.h>
#include <string.h>

enum { RING_MAGIC = 0x52494e47 };

/*
 * HEAD is the position behind the last byte that is whole. CLAIM is the position
 * up to which a writer has begun to write: the bytes that are a ring's size before
 * it may be overwritten already. CLAIM is stored before the first byte and HEAD
 * after the last one, so CLAIM is HEAD or more whenever the writer is killed. It
 * never decreases, since what a killed writer has destroyed stays destroyed.
 */
struct ring_shared {
	uint32_t magic;
	uint32_t zero;
	uint64_t size;
	uint64_t head; /* by __atomic_... alone, as the next one */
	uint64_t claim;
	uint8_t spare[RING_HEADER_BYTES - 32];
};

_Static_assert(sizeof(struct ring_shared) == RING_HEADER_BYTES, "no padding");
_Static_assert(__atomic_always_lock_free(sizeof(uint64_t), 0),
	       "processes share the memory, and no lock");

static int set(struct ring *r, void *mem, size_t len)
{
	if ((uintptr_t)mem % _Alignof(struct ring_shared) != 0 ||
	    len < RING_HEADER_BYTES + RING_SIZE_MIN)
		return -EINVAL;
	r->shared = mem;
	r->data = (uint8_t *)mem + RING_HEADER_BYTES;
	r->size = len - RING_HEADER_BYTES;
	return 0;
}

int ring_init(struct ring *r, void *mem, size_t len)
{
	int e = set(r, mem, len);

	if (e < 0)
		return e;
	memset(r->shared, 0, sizeof(*r->shared));
	r->shared->magic = RING_MAGIC;
	r->shared->size = r->size;
	return 0;
}

int ring_open(struct ring *r, void *mem, size_t len)
{
	uint64_t before, claim, after;
	int e = set(r, mem, len);

	if (e < 0)
		return e;
	if (r->shared->magic != RING_MAGIC || r->shared->size != r->size)
		return -EBADMSG;
	/* A writer may be at work: the claim was between these two heads, or near. */
	before = ring_head(r);
	claim = __atomic_load_n(&r->shared->claim, __ATOMIC_ACQUIRE);
	after = ring_head(r);
	if (claim < before || after > INT64_MAX ||
	    (claim > after && claim - after > r->size))
		return -EBADMSG;
	return 0;
}

/* The position of the oldest byte that a writer up to CLAIM leaves. */
static uint64_t oldest(const struct ring *r, uint64_t claim)
{
	return claim > r->size ? claim - r->size : 0;
}

/* LEN, no more than the ring's size, bytes to POS. */
static void put(struct ring *r, uint64_t pos, const uint8_t *from, size_t len)
{
	uint64_t at = pos % r->size, room = r->size - at;

	if (len <= room) {
		memcpy(r->data + at, from, len);
		return;
	}
	memcpy(r->data + at, from, room);
	memcpy(r->data, from + room, len - room);
}

/* LEN, no more than the ring's size, bytes from POS. */
static void get(const struct ring *r, uint64_t pos, uint8_t *to, size_t len)
{
	uint64_t at = pos % r->size, room = r->size - at;

	if (len <= room) {
		memcpy(to, r->data + at, len);
		return;
	}
	memcpy(to, r->data + at, room);
	memcpy(to + room, r->data, len - room);
}

void ring_write(struct ring *r, const void *bytes, size_t len)
{
	struct ring_shared *s = r->shared;
	uint64_t head = __atomic_load_n(&s->head, __ATOMIC_RELAXED);
	const uint8_t *from = bytes;
	size_t n;

	for (; len > 0; len -= n) {
		n = r->size / RING_PIECES;
		if (n > len)
			n = len;
		if (head + n > __atomic_load_n(&s->claim, __ATOMIC_RELAXED))
			__atomic_store_n(&s->claim, head + n, __ATOMIC_RELAXED);
		/* A reader that sees one of these bytes also sees the claim. */
		__atomic_thread_fence(__ATOMIC_RELEASE);
		put(r, head, from, n);
		head += n;
		from += n;
		__atomic_store_n(&s->head, head, __ATOMIC_RELEASE);
	}
}

uint64_t ring_head(const struct ring *r)
{
	return __atomic_load_n(&r->shared->head, __ATOMIC_ACQUIRE);
}

uint64_t ring_tail(const struct ring *r)
{
	uint64_t head = ring_head(r);
	uint64_t claim = __atomic_load_n(&r->shared->claim, __ATOMIC_RELAXED);
	uint64_t tail = oldest(r, claim > head ? claim : head);

	/* Everything is gone if a damaged claim, or a writer that is ahead, says so. */
	return tail < head ? tail : head;
}

size_t ring_read(const struct ring *r, uint64_t *pos, void *buf, size_t len,
		 uint64_t *ret_lost)
{
	uint64_t tail = ring_tail(r), head, from = *pos, lost;

	/* The tail first: at the head's time it can only be further. */
	head = ring_head(r);
	*ret_lost = 0;
	if (from > head) {
		*pos = head;
		return 0;
	}
	if (from < tail) {
		*ret_lost = tail - from;
		from = tail;
	}
	if (len > head - from)
		len = head - from;
	if (len > r->size)
		len = r->size;
	get(r, from, buf, len);
	/*
	 * What the writer has claimed while the bytes were copied may be its new bytes
	 * in part: the bytes from the new tail on are whole.
	 */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	tail = oldest(r, __atomic_load_n(&r->shared->claim, __ATOMIC_RELAXED));
	if (tail > from) {
		lost = tail - from;
		if (lost > len)
			lost = len;
		memmove(buf, (uint8_t *)buf + lost, len - lost);
		*ret_lost += lost;
		from += lost;
		len -= lost;
	}
	*pos = from + len;
	return len;
}

/* The position behind the first newline in [POS, END), or END. */
static uint64_t after_newline(const struct ring *r, uint64_t pos, uint64_t end)
{
	while (pos < end) {
		uint64_t at = pos % r->size, n = r->size - at;
		const uint8_t *found;

		if (n > end - pos)
			n = end - pos;
		found = memchr(r->data + at, '\n', n);
		if (found)
			return pos + (uint64_t)(found - (r->data + at)) + 1;
		pos += n;
	}
	return end;
}

uint64_t ring_tail_from_line(const struct ring *r, size_t len)
{
	uint64_t tail = ring_tail(r), head = ring_head(r), from, line;
	int i;

	/* Not all of the ring: what is overwritten next is no part of last words. */
	if (head - tail > r->size)
		tail = head - r->size;
	if (len >= head - tail) {
		from = tail;
		if (from == 0)
			return 0;
		line = after_newline(r, from, head);
	} else {
		from = head - len;
		/* The byte before it says whether a line begins just there. */
		line = after_newline(r, from - 1, head);
	}
	if (line < head || from == head)
		return line;
	for (i = 0;
	     i < 3 && from < head && (r->data[from % r->size] & 0xc0) == 0x80;
	     i++)
		from++;
	return from;
}
