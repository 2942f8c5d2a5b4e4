#include "vsock/relay/wire/dns.h"

#include <errno.h>
#include <string.h>

enum {
	QR = 0x80, /* of byte 2 */
	OPCODE = 0x78,
	AA = 0x04,
	TC = 0x02,
	RD = 0x01,
	RA = 0x80, /* of byte 3 */
	CD = 0x10,
	RCODE = 0x0f,
	NAME_MAX_WIRE = 255,
	LABEL_MAX = 63,
	POINTER = 0xc0,
	HOPS_MAX = 127, /* no name has more labels */
	RECORD = 10,	/* type, class, TTL and length */
	SECTIONS = 4,
	TYPE_OPT = 41,
	OPT_LEN = 11, /* without options */
	OPTION_EDE = 15,
};

static uint16_t get(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void put(uint8_t *at, size_t n)
{
	at[0] = (uint8_t)(n >> 8);
	at[1] = (uint8_t)n;
}

/* The number of records in SECTION; 0: of questions. */
static size_t count(const uint8_t *m, size_t section)
{
	return get(m + 4 + 2 * section);
}

uint16_t dns_id(const uint8_t *m)
{
	return get(m);
}

void dns_set_id(uint8_t *m, uint16_t id)
{
	put(m, id);
}

/*
 * Follows the name at AT. Returns where what comes after it is, or 0 if it is none. Each
 * pointer leads to before the part that it ends, and that part is over before this one
 * begins: so there is an end, and a name needs nothing of what comes later.
 */
static size_t skip_name(const uint8_t *m, size_t len, size_t at)
{
	size_t start = at, end = 0, total = 0, n;

	for (unsigned hops = 0; at < len;) {
		n = m[at];
		if ((n & POINTER) == POINTER) {
			if (at + 1 >= len || ++hops > HOPS_MAX)
				return 0;
			if (!end)
				end = at + 2;
			n = (n & ~(size_t)POINTER) << 8 | m[at + 1];
			if (n < DNS_HEADER || n >= start)
				return 0;
			len = start;
			at = start = n;
			continue;
		}
		if (n > LABEL_MAX || (total += n + 1) > NAME_MAX_WIRE)
			return 0;
		at += n + 1;
		if (n == 0)
			return end ? end : at;
	}
	return 0;
}

/* Writes the name at AT as text, with a '?' for each character that no rule has. */
static void write_text(const uint8_t *m, size_t at, char ret[DNS_TEXT])
{
	size_t len = 0, n;

	for (; (n = m[at]) != 0; at += n + 1) {
		if (len > 0)
			ret[len++] = '.';
		for (size_t i = 1; i <= n; i++) {
			uint8_t c = m[at + i];

			if (c >= 'A' && c <= 'Z')
				c = (uint8_t)(c - 'A' + 'a');
			if (!(c >= 'a' && c <= 'z') &&
			    !(c >= '0' && c <= '9') && c != '-' && c != '_')
				c = '?';
			ret[len++] = (char)c;
		}
	}
	ret[len] = '\0';
}

/* What a record's data has before its first name, and how many names there are. */
static void names_of(uint16_t type, size_t *ret_before, unsigned *ret_names)
{
	static const struct {
		uint8_t type, before, names;
	} table[] = {
		{ 2, 0, 1 },  /* NS */
		{ 5, 0, 1 },  /* CNAME */
		{ 6, 0, 2 },  /* SOA */
		{ 12, 0, 1 }, /* PTR */
		{ 14, 0, 2 }, /* MINFO */
		{ 15, 2, 1 }, /* MX */
		{ 33, 6, 1 }, /* SRV */
		{ 39, 0, 1 }, /* DNAME */
	};

	*ret_before = 0;
	*ret_names = 0;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (table[i].type != type)
			continue;
		*ret_before = table[i].before;
		*ret_names = table[i].names;
	}
}

struct record {
	size_t start, end;
	uint16_t type, class;
	bool is_root;
};

/* Reads the record at AT. Names within its data end within it. */
static bool read_record(const uint8_t *m, size_t len, size_t at,
			struct record *ret)
{
	size_t data = skip_name(m, len, at), before;
	unsigned names;

	if (!data || len - data < RECORD)
		return false;
	ret->start = at;
	ret->is_root = m[at] == 0;
	ret->type = get(m + data);
	ret->class = get(m + data + 2);
	ret->end = data + RECORD + get(m + data + 8);
	if (ret->end > len)
		return false;
	data += RECORD;
	names_of(ret->type, &before, &names);
	/* Updates have records without data; answers do not, but it does no harm. */
	if (data == ret->end)
		return true;
	for (data += before; names > 0; names--) {
		data = data < ret->end ? skip_name(m, ret->end, data) : 0;
		if (!data)
			return false;
	}
	return data <= ret->end;
}

static size_t skip_question(const uint8_t *m, size_t len)
{
	size_t at = skip_name(m, len, DNS_HEADER);

	return at && len - at >= 4 ? at + 4 : 0;
}

static uint16_t clamp(uint16_t udp_size)
{
	if (udp_size < DNS_UDP_MIN)
		return DNS_UDP_MIN;
	return udp_size > DNS_UDP_MAX ? DNS_UDP_MAX : udp_size;
}

/* Of another name it would not be found again where it is moved to. */
static bool is_opt(const struct record *r, size_t section)
{
	return r->type == TYPE_OPT && r->is_root && section == SECTIONS - 1;
}

/* The sections after the question: all records must be whole, and OPT is one at most. */
static bool read_opt(const uint8_t *m, size_t len, struct dns_query *q)
{
	struct record r = { .end = q->question };

	for (size_t s = 1; s < SECTIONS; s++) {
		for (size_t n = count(m, s); n > 0; n--) {
			if (!read_record(m, len, r.end, &r))
				return false;
			if (r.type != TYPE_OPT)
				continue;
			if (q->has_opt || !is_opt(&r, s))
				return false;
			q->has_opt = true;
			q->udp_size = clamp(r.class);
		}
	}
	return r.end == len;
}

int dns_query_read(const uint8_t *m, size_t len, struct dns_query *ret)
{
	size_t question;

	*ret = (struct dns_query){ .udp_size = DNS_UDP_MIN };
	if (len < DNS_HEADER || m[2] & QR)
		return -EBADMSG;
	ret->id = dns_id(m);
	if (m[2] & OPCODE)
		return DNS_NOTIMP;
	if (count(m, 0) != 1 || len > DNS_QUERY_MAX)
		return DNS_FORMERR;
	question = skip_question(m, len);
	if (!question)
		return DNS_FORMERR;
	ret->question = question;
	ret->type = get(m + question - 4);
	ret->class = get(m + question - 2);
	write_text(m, DNS_HEADER, ret->name);
	if (count(m, 1) != 0 || !read_opt(m, len, ret))
		return DNS_FORMERR;
	return 0;
}

size_t dns_error(const uint8_t *m, const struct dns_query *q,
		 enum dns_rcode rcode, enum dns_why why,
		 uint8_t ret[DNS_ERROR_MAX])
{
	size_t len = q->question ? q->question : DNS_HEADER;
	uint8_t *opt = ret + len;

	_Static_assert(DNS_HEADER + NAME_MAX_WIRE + 4 + OPT_LEN + 6 <=
			       DNS_ERROR_MAX,
		       "room for question, OPT and reason");
	memcpy(ret, m, len);
	memset(ret + 4, 0, DNS_HEADER - 4);
	ret[2] = (uint8_t)(QR | (m[2] & (OPCODE | RD)));
	ret[3] = (uint8_t)(RA | (m[3] & CD) | rcode);
	ret[5] = q->question != 0;
	if (!q->has_opt)
		return len;
	ret[11] = 1;
	memset(opt, 0, OPT_LEN);
	put(opt + 1, TYPE_OPT);
	put(opt + 3, DNS_QUERY_MAX);
	if (why == DNS_WHY_NONE)
		return len + OPT_LEN;
	put(opt + 9, 6);
	put(opt + 11, OPTION_EDE);
	put(opt + 13, 2);
	put(opt + 15, (size_t)why);
	return len + OPT_LEN + 6;
}

int dns_query_take(const uint8_t *m, size_t len, struct dns_query *ret,
		   uint8_t error[DNS_ERROR_MAX])
{
	int r = dns_query_read(m, len, ret);

	return r > 0 ? (int)dns_error(m, ret, (enum dns_rcode)r, DNS_WHY_NONE,
				      error) :
		       r;
}

bool dns_is_answer(const uint8_t *answer, size_t len, const uint8_t *query,
		   const struct dns_query *q)
{
	if (len < DNS_HEADER || !(answer[2] & QR) || answer[2] & OPCODE ||
	    dns_id(answer) != dns_id(query))
		return false;
	if (count(answer, 0) == 0)
		return answer[3] & RCODE;
	return count(answer, 0) == 1 && len >= q->question &&
	       memcmp(answer + DNS_HEADER, query + DNS_HEADER,
		      q->question - DNS_HEADER) == 0;
}

size_t dns_check(const uint8_t *answer, size_t len)
{
	struct record r = { .end = DNS_HEADER };

	if (len < DNS_HEADER || count(answer, 0) > 1)
		return 0;
	if (count(answer, 0) == 1)
		r.end = skip_question(answer, len);
	if (!r.end)
		return 0;
	for (size_t s = 1; s < SECTIONS; s++)
		for (size_t n = count(answer, s); n > 0; n--)
			if (!read_record(answer, len, r.end, &r))
				return 0;
	return r.end;
}

/* Finds OPT, which may stand among the records of the last section. */
static struct record find_opt(const uint8_t *m, size_t len, size_t at)
{
	struct record r = { .end = at };

	for (size_t s = 1; s < SECTIONS; s++)
		for (size_t n = count(m, s); n > 0; n--)
			if (!read_record(m, len, r.end, &r) || is_opt(&r, s))
				return r;
	return (struct record){ 0 };
}

size_t dns_cut(uint8_t *answer, size_t len, size_t max)
{
	size_t at = DNS_HEADER, opt_len, kept = 0;
	struct record opt, r;

	if (len <= max)
		return len;
	if (count(answer, 0) == 1)
		at = skip_question(answer, len);
	opt = find_opt(answer, len, at);
	opt_len = opt.end - opt.start;
	/* An OPT of which the options leave no room goes, too. */
	if (at + opt_len > max)
		opt_len = 0;
	for (size_t n = count(answer, 1); n > 0; n--, kept++) {
		if (!read_record(answer, len, at, &r) || r.end + opt_len > max)
			break;
		at = r.end;
	}
	memmove(answer + at, answer + opt.start, opt_len);
	answer[2] |= TC;
	put(answer + 6, kept);
	put(answer + 8, 0);
	put(answer + 10, opt_len != 0);
	return at + opt_len;
}

bool dns_is_cut(const uint8_t *answer)
{
	return answer[2] & TC;
}

enum dns_rcode dns_rcode_of(const uint8_t *answer)
{
	return (enum dns_rcode)(answer[3] & RCODE);
}
