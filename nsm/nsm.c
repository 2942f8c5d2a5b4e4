#include "nsm/nsmc.h"

#include <errno.h>
#include <string.h>

#include "nsm/dev.h"
#include "nsm/wire.h"

/*
 * Not initialised, in spite of the build's flags: clearing it costs more than a
 * call.
 */
#define BUFFER __attribute__((uninitialized))

_Static_assert((int)NSMC_DOCUMENT_MAX == (int)DEV_RESPONSE_MAX,
	       "a document comes in one answer");

int nsmc_open(void)
{
	return dev_open();
}

int nsmc_describe(int fd, struct nsmc_description *ret)
{
	BUFFER uint8_t resp[DEV_RESPONSE_MAX];
	uint8_t req[WIRE_REQUEST_CAP];
	size_t len;
	int r;

	r = dev_exchange(fd, req, wire_describe(req), resp, &len);
	return r < 0 ? r : wire_read_describe(resp, len, ret);
}

int nsmc_get_random(int fd, void *buf, size_t len)
{
	BUFFER uint8_t resp[DEV_RESPONSE_MAX];
	uint8_t req[WIRE_REQUEST_CAP];
	size_t req_len = wire_get_random(req), resp_len = 0, used = 0, done = 0;
	struct nsmc_bytes random;
	uint8_t *to = buf;
	int r = 0;

	while (done < len) {
		r = dev_exchange(fd, req, req_len, resp, &resp_len);
		if (r == 0)
			r = wire_read_random(resp, resp_len, &random);
		if (r < 0)
			break;
		/*
		 * The whole buffer is wiped at the end, also after shorter
		 * answers.
		 */
		used = resp_len > used ? resp_len : used;
		if (random.len > len - done)
			random.len = len - done;
		memcpy(to + done, random.data, random.len);
		done += random.len;
	}
	explicit_bzero(resp, r < 0 ? sizeof(resp) : used);
	if (r < 0)
		explicit_bzero(buf, done);
	return r;
}

int nsmc_describe_pcr(int fd, uint8_t index, struct nsmc_pcr *ret)
{
	BUFFER uint8_t resp[DEV_RESPONSE_MAX];
	uint8_t req[WIRE_REQUEST_CAP];
	size_t len;
	int r;

	r = dev_exchange(fd, req, wire_describe_pcr(req, index), resp, &len);
	return r < 0 ? r : wire_read_pcr(resp, len, ret);
}

int nsmc_extend_pcr(int fd, uint8_t index, const void *data, size_t len,
		    struct nsmc_pcr *ret)
{
	struct nsmc_bytes bytes = { data ? data : "", len };
	BUFFER uint8_t req[DEV_REQUEST_MAX], resp[DEV_RESPONSE_MAX];
	struct nsmc_pcr pcr;
	size_t n;
	int r;

	if (!data && len > 0)
		return -EINVAL;
	if (len > NSMC_EXTEND_MAX)
		return -EMSGSIZE;
	n = wire_extend_pcr(req, sizeof(req), index, bytes);
	r = dev_exchange(fd, req, n, resp, &n);
	if (r == 0)
		r = wire_read_extend(resp, n, &pcr);
	if (r == 0 && ret)
		*ret = pcr;
	return r;
}

int nsmc_lock_pcr(int fd, uint8_t index)
{
	BUFFER uint8_t resp[DEV_RESPONSE_MAX];
	uint8_t req[WIRE_REQUEST_CAP];
	size_t len;
	int r;

	r = dev_exchange(fd, req, wire_lock_pcr(req, index), resp, &len);
	return r < 0 ? r : wire_read_lock_pcr(resp, len);
}

int nsmc_lock_pcrs_below(int fd, uint8_t end)
{
	BUFFER uint8_t resp[DEV_RESPONSE_MAX];
	uint8_t req[WIRE_REQUEST_CAP];
	size_t len;
	int r;

	r = dev_exchange(fd, req, wire_lock_pcrs(req, end), resp, &len);
	return r < 0 ? r : wire_read_lock_pcrs(resp, len);
}

/* A NULL pointer with a length is a caller's mistake, not an absent field. */
static bool is_lost(struct nsmc_bytes b)
{
	return !b.data && b.len > 0;
}

int nsmc_attest(int fd, struct nsmc_bytes user_data, struct nsmc_bytes nonce,
		struct nsmc_bytes public_key, void *buf, size_t cap,
		size_t *ret_len)
{
	BUFFER uint8_t req[DEV_REQUEST_MAX], resp[DEV_RESPONSE_MAX];
	struct nsmc_bytes doc;
	size_t n;
	int r;

	if (is_lost(user_data) || is_lost(nonce) || is_lost(public_key))
		return -EINVAL;
	n = wire_attest(req, sizeof(req), user_data, nonce, public_key);
	if (n == 0)
		return -EMSGSIZE;
	r = dev_exchange(fd, req, n, resp, &n);
	if (r == 0)
		r = wire_read_attest(resp, n, &doc);
	if (r < 0)
		return r;
	if (doc.len > cap)
		return -ENOBUFS;
	memcpy(buf, doc.data, doc.len);
	*ret_len = doc.len;
	return 0;
}

int nsmc_get_debug(int fd, enum nsmc_debug *ret)
{
	static const uint8_t zero[NSMC_PCR_SIZE_MAX];
	struct nsmc_pcr pcr;
	int r = nsmc_describe_pcr(fd, 0, &pcr);

	if (r < 0)
		return r;
	*ret = !pcr.locked			     ? NSMC_DEBUG_UNKNOWN :
	       memcmp(pcr.value, zero, pcr.len) == 0 ? NSMC_DEBUG_YES :
						       NSMC_DEBUG_NO;
	return 0;
}
