#include "nsm/nsm.h"

#include <errno.h>
#include <string.h>

#include "nsm/dev.h"
#include "nsm/wire.h"

int nsm_open(void)
{
	return nsm_dev_open();
}

const char *nsm_error_text(int r)
{
	const char *text = wire_error_text(r);

	if (text)
		return text;
	if (r == -ENODATA)
		return "the NSM's answer is cut short";
	if (r == -EBADMSG)
		return "the NSM's answer is malformed";
	return strerror(-r);
}

int nsm_get_random(int fd, uint8_t *buf, size_t len)
{
	uint8_t req[WIRE_REQUEST_CAP], resp[NSM_RESPONSE_MAX];
	size_t req_len = wire_get_random(req), resp_len = 0, n, done = 0;
	const uint8_t *data;
	int r = 0;

	while (done < len) {
		r = nsm_dev_exchange(fd, req, req_len, resp, &resp_len);
		if (r == 0)
			r = wire_read_random(resp, resp_len, &data, &n);
		if (r < 0)
			break;
		if (n > len - done)
			n = len - done;
		memcpy(buf + done, data, n);
		done += n;
	}
	explicit_bzero(resp, sizeof(resp));
	if (r < 0)
		explicit_bzero(buf, done);
	return r;
}

int nsm_is_debug(int fd, bool *ret_debug)
{
	uint8_t req[WIRE_REQUEST_CAP], resp[NSM_RESPONSE_MAX];
	const uint8_t *data;
	size_t resp_len, n, i;
	bool locked, zero = true;
	int r;

	r = nsm_dev_exchange(fd, req, wire_describe_pcr(req, 0), resp,
			     &resp_len);
	if (r == 0)
		r = wire_read_pcr(resp, resp_len, &locked, &data, &n);
	if (r < 0)
		return r;
	for (i = 0; i < n; i++)
		zero = zero && data[i] == 0;
	*ret_debug = locked && zero;
	return 0;
}
