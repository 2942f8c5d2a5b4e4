/*
 * Preloaded into QEMU, whose Nitro Secure Module signs nothing: puts a signed
 * attestation document, as AWS's NSM gives it, in the place of QEMU's.
 *
 * QEMU calls libcbor to serialise each answer into the guest's buffer, and the
 * dynamic linker resolves that call to the function here. An answer with a
 * document is rewritten; all others, and the parts that libcbor serialises on
 * the way, stay as they are. The document's content is QEMU's, except for the
 * timestamp, which QEMU rounds to a second, and the certificates.
 *
 *   NSM_PRELOAD_ROOT   the directory of root.pem and root.key
 *   NSM_PRELOAD_FORM   open (default): the payload is a map of indefinite
 *                      length, as AWS writes it since 2025; definite: as before
 *
 * If a document cannot be signed, stderr says why, once, and the guest gets
 * QEMU's. If the signed document does not fit the guest's buffer, QEMU is given
 * libcbor's result for an item that does not fit, 0, and answers InputTooLarge.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nsm-chain.h"

enum {
	ANSWER_MAX = 12288, /* the driver's buffer */
	PCRS = 32,
	CERTS_MAX = 16,
};

enum major { UINT, NEGATIVE, BYTES, TEXT, ARRAY, MAP, TAG, SIMPLE };

enum { NONE = 0xf6, OPEN_MAP = 0xbf, BREAK = 0xff };

/* --- CBOR, as much as an attestation document has --- */

struct in {
	const uint8_t *at, *end;
};

/* Reads the head of an item of that type, of definite length. */
static bool read_head(struct in *in, enum major major, uint64_t *ret)
{
	unsigned info, size;
	uint64_t n = 0;

	if (in->at == in->end || *in->at >> 5 != (int)major)
		return false;
	info = *in->at++ & 31;
	if (info < 24) {
		*ret = info;
		return true;
	}
	size = 1U << (info - 24);
	if (info > 27 || (size_t)(in->end - in->at) < size)
		return false;
	while (size-- > 0)
		n = n << 8 | *in->at++;
	*ret = n;
	return true;
}

static bool read_string(struct in *in, enum major major, struct in *ret)
{
	uint64_t len;

	if (!read_head(in, major, &len) || len > (size_t)(in->end - in->at))
		return false;
	*ret = (struct in){ in->at, in->at + len };
	in->at += len;
	return true;
}

/* Reads exactly this. */
static bool read_literal(struct in *in, const void *bytes, size_t len)
{
	if ((size_t)(in->end - in->at) < len || memcmp(in->at, bytes, len) != 0)
		return false;
	in->at += len;
	return true;
}

static bool read_key(struct in *in, const char *key)
{
	struct in text;

	return read_string(in, TEXT, &text) &&
	       read_literal(&text, key, strlen(key)) && text.at == text.end;
}

/* Writing past CAP only counts: LEN is then more than CAP. */
struct out {
	uint8_t *data;
	size_t cap, len;
};

static void write_bytes(struct out *out, const void *bytes, size_t len)
{
	if (out->len <= out->cap && len <= out->cap - out->len)
		memcpy(out->data + out->len, bytes, len);
	out->len += len;
}

static void write_byte(struct out *out, unsigned byte)
{
	write_bytes(out, &(uint8_t){ (uint8_t)byte }, 1);
}

/* Writes a head whose number takes SIZE bytes after the first. */
static void write_wide_head(struct out *out, enum major major, uint64_t n,
			    unsigned size)
{
	const unsigned info[] = { [1] = 24, [2] = 25, [4] = 26, [8] = 27 };

	write_byte(out, (unsigned)major << 5 | info[size]);
	while (size-- > 0)
		write_byte(out, n >> 8 * size & 0xff);
}

static void write_head(struct out *out, enum major major, uint64_t n)
{
	if (n < 24)
		write_byte(out, (unsigned)major << 5 | (unsigned)n);
	else
		write_wide_head(out, major, n,
				n <= 0xff	? 1 :
				n <= 0xffff	? 2 :
				n <= 0xffffffff ? 4 :
						  8);
}

static void write_string(struct out *out, enum major major, const void *bytes,
			 size_t len)
{
	write_head(out, major, len);
	write_bytes(out, bytes, len);
}

/* --- QEMU's document --- */

static bool read_text(struct in *in)
{
	struct in text;

	return read_string(in, TEXT, &text) && text.at < text.end;
}

static bool read_uint(struct in *in)
{
	uint64_t n;

	return read_head(in, UINT, &n);
}

static bool read_octets(struct in *in)
{
	struct in bytes;

	return read_string(in, BYTES, &bytes);
}

static bool read_octets_or_null(struct in *in)
{
	return read_literal(in, &(uint8_t){ NONE }, 1) || read_octets(in);
}

static bool read_pcrs(struct in *in)
{
	uint64_t count, index;

	if (!read_head(in, MAP, &count) || count > PCRS)
		return false;
	while (count-- > 0)
		if (!read_head(in, UINT, &index) || index >= PCRS ||
		    !read_octets(in))
			return false;
	return true;
}

static bool read_bundle(struct in *in)
{
	uint64_t count;

	if (!read_head(in, ARRAY, &count) || count > CERTS_MAX)
		return false;
	while (count-- > 0)
		if (!read_octets(in))
			return false;
	return true;
}

enum { MODULE_ID, TIMESTAMP = 2, CERTIFICATE = 4, CABUNDLE, FIELDS = 9 };

/* In the order in which AWS and QEMU write them. */
static const struct field {
	const char *key;
	bool (*read)(struct in *in);
} fields[FIELDS] = {
	[MODULE_ID] = { "module_id", read_text },
	[1] = { "digest", read_text },
	[TIMESTAMP] = { "timestamp", read_uint },
	[3] = { "pcrs", read_pcrs },
	[CERTIFICATE] = { "certificate", read_octets },
	[CABUNDLE] = { "cabundle", read_bundle },
	[6] = { "public_key", read_octets_or_null },
	[7] = { "user_data", read_octets_or_null },
	[8] = { "nonce", read_octets_or_null },
};

/* The values of the payload, encoded. */
struct payload {
	struct in value[FIELDS];
};

/* {"Attestation": {"document": ...}}, up to the head of that byte string. */
static const uint8_t prefix[] = "\xa1\x6b"
				"Attestation"
				"\xa1\x68"
				"document";
enum { PREFIX = sizeof(prefix) - 1 };

/* COSE_Sign1 by algorithm -1, no unprotected header; the payload comes next. */
static const uint8_t unsigned_head[] = { 0x84, 0x43, 0xa1, 0x01, 0x20, 0xa0 };

static bool read_payload(struct in *in, struct payload *ret)
{
	uint64_t count;

	if (!read_head(in, MAP, &count) || count != FIELDS)
		return false;
	for (size_t i = 0; i < FIELDS; i++) {
		if (!read_key(in, fields[i].key))
			return false;
		ret->value[i].at = in->at;
		if (!fields[i].read(in))
			return false;
		ret->value[i].end = in->at;
	}
	return in->at == in->end;
}

/* Reads an answer that begins with the prefix; no byte of it is left over. */
static bool read_answer(const uint8_t *bytes, size_t len, struct payload *ret)
{
	struct in in = { bytes + PREFIX, bytes + len }, document, body, no;

	return read_string(&in, BYTES, &document) && in.at == in.end &&
	       read_literal(&document, unsigned_head, sizeof(unsigned_head)) &&
	       read_string(&document, BYTES, &body) &&
	       read_string(&document, BYTES, &no) &&
	       document.at == document.end && read_payload(&body, ret);
}

/* --- The signed document --- */

static const uint8_t protected[] = { 0xa1, 0x01, 0x38, 0x22 }; /* ES384 */

static bool is_form(const char *name)
{
	const char *form = getenv("NSM_PRELOAD_FORM");

	return strcmp(form ? form : "open", name) == 0;
}

static void write_cert(struct out *out, const struct chain_cert *cert)
{
	write_string(out, BYTES, cert->der, cert->len);
}

static void write_field(struct out *out, const struct payload *p, size_t i,
			const struct chain *chain, const struct timespec *now)
{
	write_string(out, TEXT, fields[i].key, strlen(fields[i].key));
	switch (i) {
	case TIMESTAMP:
		write_wide_head(out, UINT,
				(uint64_t)now->tv_sec * 1000 +
					(uint64_t)now->tv_nsec / 1000000,
				8);
		break;
	case CERTIFICATE:
		write_cert(out, &chain->certs[CHAIN_LEAF]);
		break;
	case CABUNDLE:
		write_head(out, ARRAY, CHAIN_LEAF);
		for (int k = 0; k < CHAIN_LEAF; k++)
			write_cert(out, &chain->certs[k]);
		break;
	default:
		write_bytes(out, p->value[i].at,
			    (size_t)(p->value[i].end - p->value[i].at));
	}
}

static void write_payload(struct out *out, const struct payload *p,
			  const struct chain *chain, const struct timespec *now)
{
	bool open = is_form("open");

	if (open)
		write_byte(out, OPEN_MAP);
	else
		write_head(out, MAP, FIELDS);
	for (size_t i = 0; i < FIELDS; i++)
		write_field(out, p, i, chain, now);
	if (open)
		write_byte(out, BREAK);
}

/* Sig_structure (RFC 8152, 4.4). */
static void write_to_be_signed(struct out *out, const struct out *payload)
{
	write_head(out, ARRAY, 4);
	write_string(out, TEXT, "Signature1", 10);
	write_string(out, BYTES, protected, sizeof(protected));
	write_head(out, BYTES, 0);
	write_string(out, BYTES, payload->data, payload->len);
}

static void write_document(struct out *out, const struct out *payload,
			   const uint8_t signature[CHAIN_SIGNATURE])
{
	write_head(out, ARRAY, 4);
	write_string(out, BYTES, protected, sizeof(protected));
	write_head(out, MAP, 0);
	write_string(out, BYTES, payload->data, payload->len);
	write_string(out, BYTES, signature, CHAIN_SIGNATURE);
}

/* Copies the module ID out of P; false if it has a NUL or is too long. */
static bool copy_module_id(const struct payload *p, char *ret, size_t cap)
{
	struct in value = p->value[MODULE_ID], text;
	size_t len;

	if (!read_string(&value, TEXT, &text))
		return false;
	len = (size_t)(text.end - text.at);
	if (len >= cap || memchr(text.at, '\0', len))
		return false;
	memcpy(ret, text.at, len);
	ret[len] = '\0';
	return true;
}

static void report_once(const char *why)
{
	static bool reported;

	if (!reported)
		(void)fprintf(stderr,
			      "nsm-preload: %s; attestation documents stay "
			      "QEMU's, unsigned\n",
			      why);
	reported = true;
}

/*
 * Rewrites the answer of LEN bytes in BUF, which has room for CAP. Returns the
 * new length: LEN if the document stays, 0 if the signed one does not fit.
 */
static size_t rewrite(uint8_t *buf, size_t len, size_t cap)
{
	static uint8_t bytes[4][ANSWER_MAX];
	static struct chain chain;
	struct out payload = { bytes[0], ANSWER_MAX, 0 },
		   signs = { bytes[1], ANSWER_MAX, 0 },
		   document = { bytes[2], ANSWER_MAX, 0 },
		   answer = { bytes[3], ANSWER_MAX, 0 };
	const char *root = getenv("NSM_PRELOAD_ROOT");
	char module_id[CHAIN_ID_CAP];
	uint8_t signature[CHAIN_SIGNATURE];
	struct timespec now;
	struct payload p;

	if (!root || (!is_form("open") && !is_form("definite"))) {
		report_once("NSM_PRELOAD_ROOT must name a directory, and "
			    "NSM_PRELOAD_FORM be open or definite");
		return len;
	}
	if (!read_answer(buf, len, &p) ||
	    !copy_module_id(&p, module_id, sizeof(module_id))) {
		report_once("QEMU's document has another form than expected");
		return len;
	}
	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (!chain_refresh(&chain, root, module_id, now.tv_sec)) {
		report_once(chain.fault);
		return len;
	}

	write_payload(&payload, &p, &chain, &now);
	if (payload.len > payload.cap)
		return 0;
	write_to_be_signed(&signs, &payload);
	if (signs.len > signs.cap)
		return 0;
	if (!chain_sign(&chain, signs.data, signs.len, signature)) {
		report_once(chain.fault);
		return len;
	}
	write_document(&document, &payload, signature);
	if (document.len > document.cap)
		return 0;
	write_bytes(&answer, prefix, PREFIX);
	write_string(&answer, BYTES, document.data, document.len);
	if (answer.len > answer.cap || answer.len > cap)
		return 0;
	memcpy(buf, answer.data, answer.len);
	return answer.len;
}

struct cbor_item_t;

typedef size_t serialize_fn(const struct cbor_item_t *, unsigned char *,
			    size_t);

serialize_fn cbor_serialize __attribute__((visibility("default")));

/* Stands before libcbor's function, which calls it for each item in ITEM. */
size_t cbor_serialize(const struct cbor_item_t *item, unsigned char *buf,
		      size_t cap)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	serialize_fn *real =
		(serialize_fn *)(uintptr_t)dlsym(RTLD_NEXT, "cbor_serialize");
	size_t len = real ? real(item, buf, cap) : 0;

	if (len <= PREFIX || memcmp(buf, prefix, PREFIX) != 0)
		return len;
	/*
	 * QEMU's big lock has one device run at a time, as a rule in the main
	 * thread, without eventfds in that of the guest's processor.
	 */
	(void)pthread_mutex_lock(&lock);
	len = rewrite(buf, len, cap);
	(void)pthread_mutex_unlock(&lock);
	return len;
}
