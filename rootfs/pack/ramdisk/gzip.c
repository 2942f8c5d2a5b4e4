#include "rootfs/pack/ramdisk/gzip.h"

#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

#include "rootfs/pack/base/fault.h"

enum {
	BUFFER = 1 << 16,
	LEVEL = 9,
	WINDOW_GZIP = 15 + 16, /* 32 KiB, and gzip's header */
	MEMORY = 8,
};

struct gzip {
	z_stream z;
	cpio_sink *sink;
	void *ctx;
	uint64_t len;
	unsigned char buffer[BUFFER];
};

int gzip_open(cpio_sink *sink, void *ctx, struct gzip **ret,
	      struct fault *reterr)
{
	struct gzip *g = calloc(1, sizeof(*g));

	if (!g)
		return fault_system(reterr, ENOMEM, "gzip");
	if (deflateInit2(&g->z, LEVEL, Z_DEFLATED, WINDOW_GZIP, MEMORY,
			 Z_DEFAULT_STRATEGY) != Z_OK) {
		free(g);
		return fault_system(reterr, ENOMEM, "gzip");
	}
	g->sink = sink;
	g->ctx = ctx;
	*ret = g;
	return 0;
}

static int run(struct gzip *g, int flush, struct fault *reterr)
{
	size_t n;
	int r;

	do {
		g->z.next_out = g->buffer;
		g->z.avail_out = BUFFER;
		r = deflate(&g->z, flush);
		n = BUFFER - g->z.avail_out;
		g->len += n;
		if (n > 0 && g->sink(g->ctx, g->buffer, n, reterr) < 0)
			return -1;
	} while (flush == Z_FINISH ? r == Z_OK : g->z.avail_out == 0);
	return 0;
}

int gzip_write(void *gzip, const void *data, size_t len, struct fault *reterr)
{
	struct gzip *g = gzip;
	const unsigned char *at = data;
	size_t n;

	while (len > 0) {
		n = len < BUFFER ? len : BUFFER;
		g->z.next_in = (z_const Bytef *)(uintptr_t)at;
		g->z.avail_in = (uInt)n;
		if (run(g, Z_NO_FLUSH, reterr) < 0)
			return -1;
		at += n;
		len -= n;
	}
	return 0;
}

int gzip_end(struct gzip *g, struct fault *reterr)
{
	static const char zeros[4];

	if (run(g, Z_FINISH, reterr) < 0)
		return -1;
	return g->len % 4 ? g->sink(g->ctx, zeros, 4 - g->len % 4, reterr) : 0;
}

void gzip_free(struct gzip *g)
{
	if (!g)
		return;
	(void)deflateEnd(&g->z);
	free(g);
}

const char *gzip_zlib_version(void)
{
	return zlibVersion();
}
