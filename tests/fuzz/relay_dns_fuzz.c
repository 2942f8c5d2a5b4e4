/*
 * A query and its answer: 16 bits with the length of the query, the query, the answer.
 * Whatever they are, what relay makes of them can be read by itself, and is no longer than
 * who asked takes.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vsock/relay/wire/dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
	if (!truth)
		abort();
}

/* Of just that size: the sanitizer sees what is one too many. */
static uint8_t *copy(const uint8_t *bytes, size_t len)
{
	uint8_t *p = malloc(len + !len);

	require(p);
	memcpy(p, bytes, len);
	return p;
}

static void check_error(const uint8_t *query, const struct dns_query *q,
			enum dns_rcode rcode, enum dns_why why)
{
	uint8_t text[DNS_ERROR_MAX];
	size_t len = dns_error(query, q, rcode, why, text);

	require(len >= DNS_HEADER && len <= sizeof(text));
	require(dns_check(text, len) == len);
	require((text[3] & 15U) == rcode && !dns_is_cut(text));
	if (q->question)
		require(dns_is_answer(text, len, query, q));
}

static void check_query(const uint8_t *query, size_t len, int r,
			const struct dns_query *q)
{
	require(memchr(q->name, '\0', sizeof(q->name)));
	require(q->udp_size >= DNS_UDP_MIN && q->udp_size <= DNS_UDP_MAX);
	require(q->question <= len);
	require(r == 0 || r == DNS_FORMERR || r == DNS_NOTIMP);
	require(r != 0 || (q->question && len <= DNS_QUERY_MAX));
	check_error(query, q, DNS_SERVFAIL, DNS_WHY_UNREACHABLE);
	check_error(query, q, DNS_NXDOMAIN, DNS_WHY_NONE);
}

static void check_cut(const uint8_t *answer, size_t len, size_t max)
{
	uint8_t *text = copy(answer, len);
	size_t cut = dns_cut(text, len, max);

	require(cut <= max && cut <= len);
	if (cut == len)
		require(memcmp(text, answer, len) == 0);
	else
		require(dns_is_cut(text) && dns_check(text, cut) == cut);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *query, *answer;
	struct dns_query q;
	size_t n, len;
	int r;

	if (size < 2)
		return 0;
	n = (size_t)data[0] << 8 | data[1];
	data += 2;
	size -= 2;
	n = n < size ? n : size;
	query = copy(data, n);
	answer = copy(data + n, size - n);
	r = dns_query_read(query, n, &q);
	if (r != -EBADMSG)
		check_query(query, n, r, &q);
	len = dns_check(answer, size - n);
	require(len <= size - n);
	if (r == 0)
		(void)dns_is_answer(answer, size - n, query, &q);
	if (len) {
		check_cut(answer, len, DNS_UDP_MIN);
		check_cut(answer, len, len > DNS_UDP_MIN ? len - 1 : len);
	}
	free(answer);
	free(query);
	return 0;
}
