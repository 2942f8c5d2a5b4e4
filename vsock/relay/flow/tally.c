#include "vsock/relay/flow/tally.h"

#include <sys/mman.h>

enum { MINUTE_MS = 60000 };

/* Of one worker, which alone writes it. */
struct row {
	_Alignas(64) uint64_t memory;
	uint64_t counts[TALLY_COLUMNS][TALLY_WHATS];
};

/* Shared by all; a page that nobody has reached costs nothing. */
struct shared {
	struct row rows[TALLY_WORKERS];
	int64_t said_ms[TALLY_COLUMNS][TALLY_LINES]; /* 0: never */
};

static struct row *rows;
static struct shared *shared;
static unsigned columns = TALLY_ALL + 1, workers = 1, own;
static uint32_t most;

static bool make_rows(void)
{
	void *at;

	if (rows)
		return true;
	at = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE,
		  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		return false;
	shared = at;
	rows = shared->rows;
	return true;
}

unsigned tally_new(void)
{
	return columns < TALLY_COLUMNS && make_rows() ? columns++ : 0;
}

void tally_limit(unsigned count, uint32_t max)
{
	workers = count < TALLY_WORKERS ? count : TALLY_WORKERS;
	most = max;
}

static uint64_t get(const uint64_t *n)
{
	return __atomic_load_n(n, __ATOMIC_RELAXED);
}

/* There is one writer, which needs no locked instruction. */
static void add(uint64_t *n, uint64_t more)
{
	__atomic_store_n(n, get(n) + more, __ATOMIC_RELAXED);
}

void tally_join(unsigned worker)
{
	own = worker < TALLY_WORKERS ? worker : TALLY_WORKERS - 1;
}

void tally_forget(unsigned worker)
{
	struct row *r;

	if (!rows || worker >= TALLY_WORKERS)
		return;
	r = &rows[worker];
	__atomic_store_n(&r->memory, 0, __ATOMIC_RELAXED);
	for (unsigned c = 0; c < columns; c++)
		__atomic_store_n(&r->counts[c][TALLY_NOW], 0, __ATOMIC_RELAXED);
}

bool tally_has_place(unsigned column, uint32_t max)
{
	return (!max || tally_sum(column, TALLY_NOW) < max) &&
	       (!most || tally_sum(TALLY_ALL, TALLY_NOW) < most);
}

void tally_enter(unsigned column)
{
	tally_add(column, TALLY_NOW, 1);
	tally_add(column, TALLY_TOTAL, 1);
	tally_add(TALLY_ALL, TALLY_NOW, 1);
	tally_add(TALLY_ALL, TALLY_TOTAL, 1);
}

void tally_leave(unsigned column)
{
	tally_add(column, TALLY_NOW, UINT64_MAX);
	tally_add(TALLY_ALL, TALLY_NOW, UINT64_MAX);
}

void tally_add(unsigned column, enum tally_what what, uint64_t n)
{
	if (rows && column < TALLY_COLUMNS)
		add(&rows[own].counts[column][what], n);
}

uint64_t tally_sum(unsigned column, enum tally_what what)
{
	uint64_t sum = 0;

	for (unsigned w = 0; rows && w < workers; w++)
		sum += get(&rows[w].counts[column][what]);
	return sum;
}

uint64_t tally_moved(void)
{
	uint64_t sum = 0;

	for (unsigned c = 0; c < columns; c++)
		sum += tally_sum(c, TALLY_IN) + tally_sum(c, TALLY_OUT);
	return sum;
}

bool tally_may_say(unsigned column, enum tally_line line, int64_t now_ms)
{
	int64_t *at;
	int64_t last;

	if (!shared || column >= TALLY_COLUMNS)
		return true;
	at = &shared->said_ms[column][line];
	last = __atomic_load_n(at, __ATOMIC_RELAXED);
	if (last && now_ms - last < MINUTE_MS)
		return false;
	__atomic_store_n(at, now_ms, __ATOMIC_RELAXED);
	return true;
}

void tally_memory(int64_t more)
{
	/* Where no listener has made them, others have none either. */
	if (make_rows())
		add(&rows[own].memory, (uint64_t)more);
}

uint64_t tally_memory_sum(void)
{
	uint64_t sum = 0;

	for (unsigned w = 0; rows && w < workers; w++)
		sum += get(&rows[w].memory);
	return sum;
}
