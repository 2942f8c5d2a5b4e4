#ifndef VSOCK_RELAY_WIRE_DNS_H
#define VSOCK_RELAY_WIRE_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Messages of DNS (RFC 1035, 6891), as somebody passes them on who looks at the question and
 * leaves the records alone. Pure.
 */

enum {
	DNS_HEADER = 12,
	DNS_QUERY_MAX =
		1232, /* bytes of a query; of real ones 512 are enough */
	DNS_MESSAGE_MAX = 65535,
	DNS_ERROR_MAX = 290, /* what dns_error writes at most */
	DNS_UDP_MIN = 512,
	DNS_UDP_MAX = 65507, /* the most that IPv4 has room for */
	DNS_TEXT = 254,	     /* a name as text, with its NUL */
};

enum dns_rcode {
	DNS_NOERROR = 0,
	DNS_FORMERR = 1,
	DNS_SERVFAIL = 2,
	DNS_NXDOMAIN = 3,
	DNS_NOTIMP = 4,
	DNS_REFUSED = 5,
};

/* Why there is no better answer, for whom EDNS tells it (RFC 8914). */
enum dns_why {
	DNS_WHY_NONE = -1,
	DNS_WHY_OTHER = 0,
	DNS_WHY_PROHIBITED = 18,
	DNS_WHY_UNREACHABLE = 22,
};

enum {
	DNS_CLASS_IN = 1,
	DNS_TYPE_IXFR = 251,
	DNS_TYPE_AXFR = 252,
};

struct dns_query {
	size_t question; /* where header and question end; 0: it has none that can be read */
	uint16_t id;
	uint16_t type, class;
	bool has_opt;
	uint16_t udp_size; /* of an answer by UDP, DNS_UDP_MIN at least */
	/*
	 * In lower case, without a dot at its end; empty for the root. Characters other than
	 * letters, digits, - and _, which no rule can name, are '?', also a dot in a label.
	 */
	char name[DNS_TEXT];
};

/*
 * Reads the LEN bytes at M. Returns 0; or an enum dns_rcode that is to be answered with
 * dns_error; or -EBADMSG for what is no query at all and gets no answer.
 */
int dns_query_read(const uint8_t *m, size_t len, struct dns_query *ret);

/*
 * The same for who answers at once what cannot be asked further: returns the length of that
 * answer, which is in ERROR, in place of the code.
 */
int dns_query_take(const uint8_t *m, size_t len, struct dns_query *ret,
		   uint8_t error[DNS_ERROR_MAX]);

/* Reads and changes the number of a message, which has at least two bytes. */
uint16_t dns_id(const uint8_t *m);
void dns_set_id(uint8_t *m, uint16_t id);

/*
 * Writes the answer RCODE to Q, which dns_query_read has read of M. Returns its length.
 */
size_t dns_error(const uint8_t *m, const struct dns_query *q,
		 enum dns_rcode rcode, enum dns_why why,
		 uint8_t ret[DNS_ERROR_MAX]);

/*
 * True if ANSWER has the number of QUERY, and its question byte for byte: also the case of
 * letters, which a client may have chosen at random. Both are as they were sent; QUERY has
 * been read to Q. An error may come without any question.
 */
bool dns_is_answer(const uint8_t *answer, size_t len, const uint8_t *query,
		   const struct dns_query *q);

/*
 * Checks the sections of ANSWER: each record is whole, each name of the types whose names
 * may be compressed ends, and its pointers lead backwards. Returns the length up to the end of
 * the last record, or 0 if that is not so.
 */
size_t dns_check(const uint8_t *answer, size_t len);

/*
 * Makes ANSWER, for which dns_check has returned LEN, no longer than MAX, which is DNS_UDP_MIN
 * or more: keeps header, question, as many records of the first section as fit, and OPT; says so by TC. Returns
 * the new length.
 */
size_t dns_cut(uint8_t *answer, size_t len, size_t max);

/* Of ANSWER, of DNS_HEADER bytes or more: whether it is cut, and what it says. */
bool dns_is_cut(const uint8_t *answer);
enum dns_rcode dns_rcode_of(const uint8_t *answer);

#endif
