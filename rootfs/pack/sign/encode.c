#include "rootfs/pack/sign/encode.h"

#include <cbor/encoding.h>
#include <string.h>

static void wrote(struct encode *e, size_t n)
{
	e->len += n;
	if (n == 0)
		e->is_full = true;
}

static void put(struct encode *e, const void *data, size_t len)
{
	if (len > e->cap - e->len) {
		e->is_full = true;
		return;
	}
	if (len > 0)
		memcpy(e->data + e->len, data, len);
	e->len += len;
}

void encode_uint(struct encode *e, uint64_t v)
{
	wrote(e, cbor_encode_uint(v, e->data + e->len, e->cap - e->len));
}

void encode_negative(struct encode *e, uint64_t v)
{
	wrote(e, cbor_encode_negint(v, e->data + e->len, e->cap - e->len));
}

void encode_array(struct encode *e, size_t count)
{
	wrote(e, cbor_encode_array_start(count, e->data + e->len,
					 e->cap - e->len));
}

void encode_map(struct encode *e, size_t pairs)
{
	wrote(e,
	      cbor_encode_map_start(pairs, e->data + e->len, e->cap - e->len));
}

void encode_text(struct encode *e, const char *s)
{
	wrote(e, cbor_encode_string_start(strlen(s), e->data + e->len,
					  e->cap - e->len));
	put(e, s, strlen(s));
}

void encode_bytes(struct encode *e, const void *data, size_t len)
{
	wrote(e, cbor_encode_bytestring_start(len, e->data + e->len,
					      e->cap - e->len));
	put(e, data, len);
}

void encode_integers(struct encode *e, const uint8_t *data, size_t len)
{
	encode_array(e, len);
	for (size_t i = 0; i < len; i++)
		encode_uint(e, data[i]);
}
