#include "nsm/compat/nsm.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "nsm/dev.h"
#include "nsm/nsmc.h"
#include "nsm/wire.h"

/* The layout that programs were compiled with. */
_Static_assert(sizeof(struct NsmDescription) == 252, "as AWS's");
_Static_assert(offsetof(struct NsmDescription, module_id_len) == 108,
	       "as AWS's");
_Static_assert(offsetof(struct NsmDescription, locked_pcrs) == 114, "as AWS's");
_Static_assert(offsetof(struct NsmDescription, digest) == 248, "as AWS's");
_Static_assert(NSMC_E_INTERNAL_ERROR - NSMC_E_INVALID_ARGUMENT ==
		       ERROR_CODE_INTERNAL_ERROR - ERROR_CODE_INVALID_ARGUMENT,
	       "both are in the NSM's order");

struct answer {
	size_t len;
	uint8_t bytes[DEV_RESPONSE_MAX];
};

/* A good answer, but to another request. */
static bool is_other_answer(const struct answer *a)
{
	struct nsmc_description description;
	struct nsmc_bytes bytes;
	struct nsmc_pcr pcr;

	return wire_read_lock_pcr(a->bytes, a->len) == 0 ||
	       wire_read_lock_pcrs(a->bytes, a->len) == 0 ||
	       wire_read_pcr(a->bytes, a->len, &pcr) == 0 ||
	       wire_read_extend(a->bytes, a->len, &pcr) == 0 ||
	       wire_read_random(a->bytes, a->len, &bytes) == 0 ||
	       wire_read_attest(a->bytes, a->len, &bytes) == 0 ||
	       wire_read_describe(a->bytes, a->len, &description) == 0;
}

/* Turns R, the result of reading A, into AWS's number. */
static enum ErrorCode code_of(int r, const struct answer *a)
{
	if (r == 0)
		return ERROR_CODE_SUCCESS;
	if (r <= -NSMC_E_INVALID_ARGUMENT && r >= -NSMC_E_INTERNAL_ERROR)
		return (enum ErrorCode)(ERROR_CODE_INVALID_ARGUMENT - r -
					NSMC_E_INVALID_ARGUMENT);
	if (r == -EMSGSIZE)
		return ERROR_CODE_INPUT_TOO_LARGE;
	if (r == -NSMC_E_MALFORMED && a && is_other_answer(a))
		return ERROR_CODE_INVALID_RESPONSE;
	return ERROR_CODE_INTERNAL_ERROR;
}

/* Sends the request REQ of LEN bytes; LEN is 0 if it did not fit. */
static enum ErrorCode exchange(int fd, const uint8_t *req, size_t len,
			       struct answer *ret)
{
	int r = len == 0 ? -EMSGSIZE :
			   dev_exchange(fd, req, len, ret->bytes, &ret->len);

	return code_of(r, NULL);
}

/* No NSM has more PCRs, and QEMU's accepts their numbers in one byte only. */
static bool is_index(uint16_t index)
{
	return index <= UINT8_MAX;
}

static enum ErrorCode give(const uint8_t *from, size_t len, uint8_t *to,
			   uint32_t *to_len)
{
	if (!to) {
		*to_len = 0;
		return ERROR_CODE_BUFFER_TOO_SMALL;
	}
	if (*to_len < len) {
		memcpy(to, from, *to_len);
		return ERROR_CODE_BUFFER_TOO_SMALL;
	}
	memcpy(to, from, len);
	*to_len = (uint32_t)len;
	return ERROR_CODE_SUCCESS;
}

int32_t nsm_lib_init(void)
{
	int fd = dev_open();

	return fd < 0 ? -1 : fd;
}

void nsm_lib_exit(int32_t fd)
{
	(void)close(fd);
}

enum ErrorCode nsm_extend_pcr(int32_t fd, uint16_t index, const uint8_t *data,
			      uint32_t data_len, uint8_t *pcr_data,
			      uint32_t *pcr_data_len)
{
	uint8_t req[DEV_REQUEST_MAX];
	struct nsmc_pcr pcr;
	struct answer a;
	enum ErrorCode e;
	int r;

	if (!data)
		return ERROR_CODE_INVALID_ARGUMENT;
	if (!is_index(index))
		return ERROR_CODE_INVALID_INDEX;
	e = exchange(fd, req,
		     wire_extend_pcr(req, sizeof(req), (uint8_t)index,
				     (struct nsmc_bytes){ data, data_len }),
		     &a);
	if (e != ERROR_CODE_SUCCESS)
		return e;
	r = wire_read_extend(a.bytes, a.len, &pcr);
	return r < 0 ? code_of(r, &a) :
		       give(pcr.value, pcr.len, pcr_data, pcr_data_len);
}

enum ErrorCode nsm_describe_pcr(int32_t fd, uint16_t index, bool *lock,
				uint8_t *data, uint32_t *data_len)
{
	uint8_t req[WIRE_REQUEST_CAP];
	struct nsmc_pcr pcr;
	struct answer a;
	enum ErrorCode e;
	int r;

	if (!is_index(index))
		return ERROR_CODE_INVALID_INDEX;
	e = exchange(fd, req, wire_describe_pcr(req, (uint8_t)index), &a);
	if (e != ERROR_CODE_SUCCESS)
		return e;
	r = wire_read_pcr(a.bytes, a.len, &pcr);
	if (r < 0)
		return code_of(r, &a);
	*lock = pcr.locked;
	return give(pcr.value, pcr.len, data, data_len);
}

enum ErrorCode nsm_lock_pcr(int32_t fd, uint16_t index)
{
	uint8_t req[WIRE_REQUEST_CAP];
	struct answer a;
	enum ErrorCode e;

	if (!is_index(index))
		return ERROR_CODE_INVALID_INDEX;
	e = exchange(fd, req, wire_lock_pcr(req, (uint8_t)index), &a);
	return e != ERROR_CODE_SUCCESS ?
		       e :
		       code_of(wire_read_lock_pcr(a.bytes, a.len), &a);
}

enum ErrorCode nsm_lock_pcrs(int32_t fd, uint16_t range)
{
	uint8_t req[WIRE_REQUEST_CAP];
	struct answer a;
	enum ErrorCode e;

	if (!is_index(range))
		return ERROR_CODE_INVALID_INDEX;
	e = exchange(fd, req, wire_lock_pcrs(req, (uint8_t)range), &a);
	return e != ERROR_CODE_SUCCESS ?
		       e :
		       code_of(wire_read_lock_pcrs(a.bytes, a.len), &a);
}

static bool read_digest(const char *name, enum Digest *ret)
{
	static const char *const names[] = { [DIGEST_SHA256] = "SHA256",
					     [DIGEST_SHA384] = "SHA384",
					     [DIGEST_SHA512] = "SHA512" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0) {
			*ret = (enum Digest)i;
			return true;
		}
	return false;
}

enum ErrorCode nsm_get_description(int32_t fd,
				   struct NsmDescription *nsm_description)
{
	struct NsmDescription *to = nsm_description;
	uint8_t req[WIRE_REQUEST_CAP];
	struct nsmc_description d;
	enum Digest digest;
	struct answer a;
	enum ErrorCode e;
	size_t len;
	int r;

	e = exchange(fd, req, wire_describe(req), &a);
	if (e != ERROR_CODE_SUCCESS)
		return e;
	r = wire_read_describe(a.bytes, a.len, &d);
	if (r < 0)
		return code_of(r, &a);
	if (!read_digest(d.digest, &digest))
		return ERROR_CODE_INTERNAL_ERROR;
	memset(to, 0, sizeof(*to));
	to->version_major = d.version_major;
	to->version_minor = d.version_minor;
	to->version_patch = d.version_patch;
	to->max_pcrs = d.max_pcrs;
	to->digest = digest;
	len = strlen(d.module_id);
	if (len > sizeof(to->module_id) - 1)
		len = sizeof(to->module_id) - 1;
	memcpy(to->module_id, d.module_id, len);
	to->module_id_len = (uint32_t)len;
	for (unsigned i = 0; i < NSMC_PCR_COUNT; i++)
		if (d.locked_pcrs >> i & 1)
			to->locked_pcrs[to->locked_pcrs_len++] = (uint16_t)i;
	return ERROR_CODE_SUCCESS;
}

/* NULL is absent, whatever the length. */
static struct nsmc_bytes field(const uint8_t *data, uint32_t len)
{
	return (struct nsmc_bytes){ data, data ? len : 0 };
}

enum ErrorCode nsm_get_attestation_doc(
	int32_t fd, const uint8_t *user_data, uint32_t user_data_len,
	const uint8_t *nonce_data, uint32_t nonce_len,
	const uint8_t *pub_key_data, uint32_t pub_key_len,
	uint8_t *att_doc_data, uint32_t *att_doc_len)
{
	uint8_t req[DEV_REQUEST_MAX];
	struct nsmc_bytes doc;
	struct answer a;
	enum ErrorCode e;
	int r;

	e = exchange(fd, req,
		     wire_attest(req, sizeof(req),
				 field(user_data, user_data_len),
				 field(nonce_data, nonce_len),
				 field(pub_key_data, pub_key_len)),
		     &a);
	if (e != ERROR_CODE_SUCCESS)
		return e;
	r = wire_read_attest(a.bytes, a.len, &doc);
	return r < 0 ? code_of(r, &a) :
		       give(doc.data, doc.len, att_doc_data, att_doc_len);
}

enum ErrorCode nsm_get_random(int32_t fd, uint8_t *buf, uintptr_t *buf_len)
{
	uint8_t req[WIRE_REQUEST_CAP];
	struct nsmc_bytes random;
	struct answer a;
	enum ErrorCode e;
	int r;

	if (fd < 0 || !buf || *buf_len == 0)
		return ERROR_CODE_INVALID_ARGUMENT;
	e = exchange(fd, req, wire_get_random(req), &a);
	if (e == ERROR_CODE_SUCCESS) {
		r = wire_read_random(a.bytes, a.len, &random);
		e = code_of(r, &a);
		if (r == 0) {
			if (random.len < *buf_len)
				*buf_len = random.len;
			memcpy(buf, random.data, *buf_len);
		}
	}
	explicit_bzero(&a, sizeof(a));
	return e;
}
