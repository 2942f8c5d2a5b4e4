#include "nsm/tool/x509.h"

#include <stdio.h>
#include <string.h>

enum {
	INTEGER = 0x02,
	OID = 0x06,
	UTC_TIME = 0x17,
	GENERALIZED_TIME = 0x18,
	SEQUENCE = 0x30,
	SET = 0x31,
	EXPLICIT_0 = 0xa0,
};

/* Takes the next element from IN: its tag, and its content in *RET. */
static bool next(struct nsmc_bytes *in, uint8_t *ret_tag,
		 struct nsmc_bytes *ret)
{
	size_t head = 2, len;

	if (in->len < head)
		return false;
	len = in->data[1];
	/* Lengths of two bytes are enough for documents. */
	if (len == 0x81 || len == 0x82) {
		head += len - 0x80;
		if (in->len < head)
			return false;
		len = len == 0x81 ? in->data[2] :
				    (size_t)in->data[2] << 8 | in->data[3];
	} else if (len >= 0x80) {
		return false;
	}
	if (in->len - head < len)
		return false;
	*ret_tag = in->data[0];
	*ret = (struct nsmc_bytes){ in->data + head, len };
	in->data += head + len;
	in->len -= head + len;
	return true;
}

static bool next_of(struct nsmc_bytes *in, uint8_t tag, struct nsmc_bytes *ret)
{
	uint8_t found;

	return next(in, &found, ret) && found == tag;
}

/* "YYMMDDHHMMSSZ" or "YYYYMMDDHHMMSSZ": RFC 5280, 4.1.2.5 */
static bool read_time(struct nsmc_bytes *in, char ret[X509_TIME_CAP])
{
	struct nsmc_bytes t;
	const char *d;
	uint8_t tag;

	if (!next(in, &tag, &t) ||
	    !((tag == UTC_TIME && t.len == 13) ||
	      (tag == GENERALIZED_TIME && t.len == 15)) ||
	    t.data[t.len - 1] != 'Z')
		return false;
	for (size_t i = 0; i < t.len - 1; i++)
		if (t.data[i] < '0' || t.data[i] > '9')
			return false;
	d = (const char *)t.data + t.len - 11;
	(void)snprintf(ret, X509_TIME_CAP, "%s%.*s-%.2s-%.2sT%.2s:%.2s:%.2sZ",
		       tag != UTC_TIME	? "" :
		       t.data[0] >= '5' ? "19" :
					  "20",
		       (int)t.len - 11, (const char *)t.data, d, d + 2, d + 4,
		       d + 6, d + 8);
	return true;
}

/* The last common name, the most specific one. */
static bool read_name(struct nsmc_bytes subject, struct nsmc_bytes *ret)
{
	static const uint8_t common_name[] = { 0x55, 0x04, 0x03 };
	struct nsmc_bytes set, pair, oid, value;
	uint8_t tag;

	*ret = (struct nsmc_bytes){ NULL, 0 };
	while (subject.len > 0) {
		if (!next_of(&subject, SET, &set) ||
		    !next_of(&set, SEQUENCE, &pair) ||
		    !next_of(&pair, OID, &oid) || !next(&pair, &tag, &value))
			return false;
		if (oid.len == sizeof(common_name) &&
		    memcmp(oid.data, common_name, oid.len) == 0)
			*ret = value;
	}
	return true;
}

bool x509_read(struct nsmc_bytes der, struct x509 *ret)
{
	struct nsmc_bytes certificate, tbs, skipped, validity, subject;

	if (!next_of(&der, SEQUENCE, &certificate) ||
	    !next_of(&certificate, SEQUENCE, &tbs))
		return false;
	if (tbs.len > 0 && tbs.data[0] == EXPLICIT_0 &&
	    !next_of(&tbs, EXPLICIT_0, &skipped)) /* the version */
		return false;
	return next_of(&tbs, INTEGER, &skipped) &&  /* the serial number */
	       next_of(&tbs, SEQUENCE, &skipped) && /* the algorithm */
	       next_of(&tbs, SEQUENCE, &skipped) && /* the issuer */
	       next_of(&tbs, SEQUENCE, &validity) &&
	       read_time(&validity, ret->from) &&
	       read_time(&validity, ret->to) &&
	       next_of(&tbs, SEQUENCE, &subject) &&
	       read_name(subject, &ret->name);
}
