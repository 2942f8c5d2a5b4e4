#include "vsock/relay/monitor/channel.h"

#include <errno.h>

#include "vsock/io.h"
#include "vsock/relay/monitor/wait.h"

void channel_open(struct channel *c, const struct target *address,
		  uint32_t port)
{
	*c = (struct channel){ .address = address,
			       .port = port,
			       .link.fd = -1,
			       .delay_ms = CHANNEL_DELAY_MIN_MS };
}

/* The next attempt comes after a while, which doubles. */
static void rest(struct channel *c)
{
	link_close(&c->link);
	c->is_up = false;
	c->due_ms = io_now_ms() + c->delay_ms;
	c->delay_ms *= 2;
	if (c->delay_ms > CHANNEL_DELAY_MAX_MS)
		c->delay_ms = CHANNEL_DELAY_MAX_MS;
}

bool channel_connect(struct channel *c)
{
	if (c->is_over || c->link.fd >= 0 || io_now_ms() < c->due_ms)
		return false;
	c->error = -link_connect(&c->link, c->address, c->port);
	if (c->error) {
		c->link.fd = -1;
		rest(c);
		return false;
	}
	c->due_ms = io_now_ms() + CHANNEL_FIRST_MS;
	return true;
}

void channel_take(struct channel *c, const struct link *link)
{
	c->link = *link;
	c->due_ms = io_now_ms() + CHANNEL_FIRST_MS;
}

int channel_read(struct channel *c, void *buf, size_t len)
{
	/* Before it is looked: what has come by then is not late, however late this process is. */
	int64_t now = io_now_ms();
	int n;

	if (c->link.fd < 0)
		return -EAGAIN;
	n = link_read(&c->link, buf, len);
	if (n > 0) {
		c->is_up = c->was_up = true;
		c->delay_ms = CHANNEL_DELAY_MIN_MS;
		return n;
	}
	if (n == -EAGAIN && (c->is_up || now < c->due_ms))
		return n;
	/* Some listeners take connections for an enclave that is not there. */
	rest(c);
	return 0;
}

bool channel_is_hopeless(const struct channel *c)
{
	return c->error == ENAMETOOLONG || c->error == EACCES ||
	       c->error == EPERM || c->error == EAFNOSUPPORT;
}

void channel_wait(const struct channel *c, struct wait *w)
{
	link_wait(&c->link, w);
	if (!c->is_up && !c->is_over)
		wait_until(w, c->due_ms);
}

void channel_close(struct channel *c)
{
	link_close(&c->link);
	c->is_up = false;
	c->is_over = true;
}
