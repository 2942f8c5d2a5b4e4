#include "rootfs/pack/command/emit.h"

#include <inttypes.h>

#include "rootfs/pack/base/json_print.h"
#include "rootfs/pack/eif/eif.h"

static void begin(struct emit *e, const char *key)
{
	if (e->has_one)
		(void)fputc(',', e->to);
	if (e->depth > 0)
		(void)fprintf(e->to, "\n%*s", 2 * e->depth, "");
	e->has_one = true;
	if (!key)
		return;
	json_print_string(e->to, key);
	(void)fputs(": ", e->to);
}

void emit_open(struct emit *e, const char *key, char kind)
{
	begin(e, key);
	(void)fputc(kind, e->to);
	e->depth++;
	e->has_one = false;
}

void emit_close(struct emit *e, char kind)
{
	e->depth--;
	if (e->has_one)
		(void)fprintf(e->to, "\n%*s", 2 * e->depth, "");
	(void)fputc(kind == '{' ? '}' : ']', e->to);
	e->has_one = true;
	if (e->depth == 0)
		(void)fputc('\n', e->to);
}

void emit_value(struct emit *e, const char *key, const cJSON *value)
{
	begin(e, key);
	json_print_value(e->to, value, e->depth);
}

void emit_string(struct emit *e, const char *key, const char *text)
{
	begin(e, key);
	json_print_string(e->to, text);
}

void emit_number(struct emit *e, const char *key, uint64_t n)
{
	begin(e, key);
	(void)fprintf(e->to, "%" PRIu64, n);
}

void emit_bool(struct emit *e, const char *key, bool truth)
{
	begin(e, key);
	(void)fputs(truth ? "true" : "false", e->to);
}

void emit_null(struct emit *e, const char *key)
{
	begin(e, key);
	(void)fputs("null", e->to);
}

void emit_hash(struct emit *e, const char *key, const uint8_t *hash)
{
	begin(e, key);
	(void)fputc('"', e->to);
	for (size_t i = 0; i < EIF_HASH; i++)
		(void)fprintf(e->to, "%02x", hash[i]);
	(void)fputc('"', e->to);
}
