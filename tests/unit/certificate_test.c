/*
 * The reader of certificates: AWS's own, and certificates made here, each with one
 * deviation from DER or from what an NSM's may be.
 */

#include "nsm/certificate.h"

#include <time.h>

#include "tests/unit/authority.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const files[] = { "doc/root.der", "doc/ca1.der",
				     "doc/ca2.der", "doc/ca3.der",
				     "doc/leaf.der" };

static int read_bytes(const uint8_t *bytes, size_t len, struct certificate *ret)
{
	return certificate_read(NSMC_BYTES(bytes, len), ret);
}

/* B is absent, or lies in OUTER. */
static void check_inside(struct nsmc_bytes b, struct nsmc_bytes outer)
{
	if (!b.data) {
		CHECK_INT(b.len, 0);
		return;
	}
	CHECK(b.data >= outer.data && b.len <= outer.len &&
	      b.data + b.len <= outer.data + outer.len);
}

static void check_views(const struct certificate *c)
{
	const struct nsmc_bytes point = { c->point, CERTIFICATE_POINT };

	check_inside(c->tbs, c->der);
	check_inside(c->serial, c->tbs);
	check_inside(c->issuer, c->tbs);
	check_inside(c->subject, c->tbs);
	check_inside(point, c->tbs);
	check_inside(c->key_id, c->tbs);
	check_inside(c->authority_key_id, c->tbs);
	check_inside(c->authority_issuer, c->tbs);
	check_inside(c->authority_serial, c->tbs);
	CHECK(c->path_len >= -1);
	CHECK(c->usage == 0 || c->has_usage);
}

/* --- AWS's --- */

TEST(awss_certificates_are_read)
{
	/* openssl x509 -text */
	static const struct {
		bool is_ca;
		int path_len;
		unsigned usage;
		int64_t not_before, not_after;
		size_t tbs_len, serial_len, key_id_len, authority_len;
	} rows[] = {
		{ true, -1, 0x61, 1572269285, 2519044085, 410, 17, 20, 0 },
		{ true, 2, 0x61, 1657058865, 1658790465, 584, 16, 20, 20 },
		{ true, 1, 0x61, 1657088713, 1657592712, 671, 17, 20, 20 },
		{ true, 0, 0x20, 1657101679, 1657188079, 521, 21, 0, 0 },
		{ false, -1, 0x03, 1657117099, 1657127902, 517, 16, 0, 0 },
	};
	struct nsmc_bytes subject = { NULL, 0 };

	for (size_t i = 0; i < COUNT(files); i++) {
		struct data d = data_load(files[i]);
		struct certificate c;

		REQUIRE(read_bytes(d.bytes, d.len, &c) == 0);
		check_views(&c);
		CHECK(c.der.data == d.bytes && c.der.len == d.len);
		CHECK(c.tbs.data == d.bytes + 4);
		CHECK_INT(c.tbs.len, rows[i].tbs_len);
		CHECK_INT(c.serial.len, rows[i].serial_len);
		CHECK_INT(c.is_ca, rows[i].is_ca);
		CHECK_INT(c.path_len, rows[i].path_len);
		CHECK(c.has_usage && !c.has_purpose && c.has_signature);
		CHECK_INT(c.usage, rows[i].usage);
		CHECK_INT(c.not_before, rows[i].not_before);
		CHECK_INT(c.not_after, rows[i].not_after);
		CHECK_INT(c.key_id.len, rows[i].key_id_len);
		CHECK_INT(c.authority_key_id.len, rows[i].authority_len);
		CHECK(!c.authority_issuer.data && !c.authority_serial.data);
		CHECK_INT(c.point[0], 4);
		/* Each was issued by the one before; the root by itself. */
		if (i == 0)
			subject = c.subject;
		CHECK_INT(c.issuer.len, subject.len);
		CHECK_MEM(c.issuer.data, subject.data, subject.len);
		subject = c.subject;
	}
}

TEST(the_signature_is_its_two_numbers)
{
	struct data d = data_load("doc/root.der");
	struct certificate c;

	REQUIRE(read_bytes(d.bytes, d.len, &c) == 0);
	/* r and s have a zero in front of their 48 bytes there. */
	CHECK_MEM(c.signature, d.bytes + 533 - 48 - 51, 48);
	CHECK_MEM(c.signature + 48, d.bytes + 533 - 48, 48);
	CHECK_INT(c.signature[0], 0xa3);
	CHECK_INT(c.signature[48], 0xa2);
	free(d.bytes);
}

TEST(every_prefix_is_no_certificate_and_so_is_more)
{
	struct certificate c, before;

	memset(&c, 0x5a, sizeof(c));
	before = c;
	for (size_t i = 0; i < COUNT(files); i++) {
		struct data d = data_load(files[i]), longer;

		for (size_t n = 0; n < d.len; n++) {
			struct data cut = data_copy(d.bytes, n);

			CHECK_INT(read_bytes(cut.bytes, n, &c),
				  -NSMC_E_CERT_FORM);
			free(cut.bytes);
		}
		longer = (struct data){ calloc(1, 2 * d.len), d.len };
		REQUIRE(longer.bytes);
		memcpy(longer.bytes, d.bytes, d.len);
		CHECK_INT(read_bytes(longer.bytes, d.len + 1, &c),
			  -NSMC_E_CERT_FORM);
		CHECK_INT(read_bytes(longer.bytes, d.len + 2, &c),
			  -NSMC_E_CERT_FORM);
		/* Two of them. */
		memcpy(longer.bytes + d.len, d.bytes, d.len);
		CHECK_INT(read_bytes(longer.bytes, 2 * d.len, &c),
			  -NSMC_E_CERT_FORM);
		free(longer.bytes);
		free(d.bytes);
	}
	CHECK_INT(read_bytes(NULL, 0, &c), -NSMC_E_CERT_FORM);
	/* Set on success only. */
	CHECK_MEM(&c, &before, sizeof(c));
}

TEST(every_byte_may_be_any_other)
{
	for (size_t i = 0; i < COUNT(files); i++) {
		struct data d = data_load(files[i]);

		for (size_t at = 0; at < d.len; at++) {
			uint8_t was = d.bytes[at];

			for (int by = 1 + (int)(at % CHECK_SOME_ON_MUSL);
			     by < 256; by += CHECK_SOME_ON_MUSL) {
				struct certificate c;
				int r;

				d.bytes[at] = (uint8_t)(was ^ by);
				r = read_bytes(d.bytes, d.len, &c);
				if (r == 0)
					check_views(&c);
				else
					CHECK(r == -NSMC_E_CERT_FORM ||
					      r == -NSMC_E_CERT_VERSION ||
					      r == -NSMC_E_CERT_ALGORITHM ||
					      r == -NSMC_E_CERT_KEY ||
					      r == -NSMC_E_CERT_EXTENSION);
			}
			d.bytes[at] = was;
		}
		free(d.bytes);
	}
}

/* --- certificates made here --- */

/* Reads the certificate of PLAN, in memory of its size; *RET holds no views. */
static int read_plan(const struct cert *plan, struct certificate *ret)
{
	static struct out o;
	struct certificate c = { 0 };
	struct data d;
	int r;

	cert_make(plan, &o);
	d = out_data(&o);
	r = read_bytes(d.bytes, d.len, &c);
	if (r == 0) {
		check_views(&c);
		/* One byte more or less is none in any case. */
		CHECK_INT(read_bytes(d.bytes, d.len - 1, &c),
			  -NSMC_E_CERT_FORM);
	}
	free(d.bytes);
	if (ret)
		*ret = c;
	return r;
}

/* What each row gives, in the words of its certificate. */
struct row {
	struct cert cert;
	int error; /* 0: it is read */
};

static void check_rows(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int r = read_plan(&rows[i].cert, NULL);

		if (r != -rows[i].error)
			CHECK_FAIL("row %zu is %s, not %s", i,
				   r ? nsmc_error_name(r) : "read",
				   rows[i].error ?
					   nsmc_error_name(-rows[i].error) :
					   "read");
	}
}

#define FORM NSMC_E_CERT_FORM
#define EXTENSION NSMC_E_CERT_EXTENSION
#define KEY NSMC_E_CERT_KEY
#define ALGORITHM NSMC_E_CERT_ALGORITHM
#define VERSION NSMC_E_CERT_VERSION

TEST(what_is_made_here_is_read)
{
	struct certificate c;

	CHECK_INT(read_plan(&(struct cert){ .extensions = CA_TRUE USAGE_CA },
			    &c),
		  0);
	CHECK(c.is_ca && c.path_len == -1 && c.usage == 0x60);
	CHECK_INT(read_plan(&(struct cert){ .extensions = CA_FALSE USAGE_LEAF },
			    &c),
		  0);
	CHECK(!c.is_ca && c.path_len == -1 && c.usage == 0x03);
	CHECK_INT(c.not_before, certificate_time(2020, 1, 1, 0, 0, 0));
	CHECK_INT(c.not_after, certificate_time(2049, 12, 31, 23, 59, 59));
	/* Without extensions it says nothing. */
	CHECK_INT(read_plan(&(struct cert){ 0 }, &c), 0);
	CHECK(!c.is_ca && c.path_len == -1 && !c.has_usage && c.usage == 0 &&
	      !c.has_purpose && !c.key_id.data && !c.authority_key_id.data);
}

TEST(versions_and_serials_are_der)
{
	static const struct row rows[] = {
		{ { .version = "" }, VERSION }, /* 1 */
		{ { .version = "a003 020100" }, VERSION },
		{ { .version = "a003 020101" }, VERSION },
		{ { .version = "a003 020103" }, VERSION },
		{ { .version = "a003 0201ff" }, VERSION },
		{ { .version = "a004 02020002" }, FORM },
		{ { .version = "a004 02020102" }, VERSION },
		{ { .version = "a006 020102 020102" }, FORM },
		{ { .version = "a002 0200" }, FORM },
		{ { .version = "a000" }, FORM },
		{ { .version = "a003 0a0102" }, FORM },
		{ { .version = "a103 020102" }, FORM },
		{ { .version = "8003 020102" }, FORM },
		{ { .version = "a08103 020102" }, FORM },

		{ { .serial = "0214 [20]" }, 0 },
		{ { .serial = "0202 0080" }, 0 },
		{ { .serial = "" }, FORM },
		{ { .serial = "0200" }, FORM },
		{ { .serial = "0202 0001" }, FORM },
		{ { .serial = "0202 007f" }, FORM },
		{ { .serial = "0202 ff80" }, FORM },
		{ { .serial = "028101 01" }, FORM },
		{ { .serial = "02820001 01" }, FORM },
		{ { .serial = "0401 01" }, FORM },
	};

	check_rows(rows, COUNT(rows));
}

TEST(algorithms_are_ecdsa_with_sha384_both_times)
{
	static const struct row rows[] = {
		{ { .algorithm = "300a 06082a8648ce3d040302" }, ALGORITHM },
		{ { .outer = "300a 06082a8648ce3d040302" }, ALGORITHM },
		{ { .algorithm = "300a 06082a8648ce3d040304" }, ALGORITHM },
		/* NULL parameters, as RSA's have. */
		{ { .algorithm = "300c 06082a8648ce3d040303 0500" },
		  ALGORITHM },
		{ { .outer = "300c 06082a8648ce3d040303 0500" }, ALGORITHM },
		{ { .algorithm = "300d 06092a864886f70d01010c 0500" },
		  ALGORITHM },
		{ { .algorithm = "3000" }, ALGORITHM },
		{ { .algorithm = "310a 06082a8648ce3d040303" }, ALGORITHM },
		{ { .algorithm = "" }, ALGORITHM },
		{ { .outer = "" }, ALGORITHM },
		{ { .algorithm = "300a 06082a8648ce3d0403ff" }, FORM },
	};

	check_rows(rows, COUNT(rows));
}

TEST(names_are_not_empty)
{
	static const struct row rows[] = {
		{ { .issuer_name = "3000" }, FORM },
		{ { .subject_name = "3000" }, FORM },
		{ { .issuer_name = "3002 3100" }, FORM },
		{ { .subject_name = "300f 310b 3009 0603550406 13025553 3100" },
		  FORM },
		{ { .issuer_name = "300b 3009 0603550406 13025553" }, FORM },
		{ { .subject_name = "310d 310b 3009 0603550406 13025553" },
		  FORM },
		{ { .subject_name = "" }, FORM },
		/* An attribute is an OID and one value. */
		{ { .subject_name = "3009 3107 3005 0603550406" }, FORM },
		{ { .subject_name = "300f 310d 300b 0603550406 13025553 0500" },
		  FORM },
		{ { .subject_name = "300d 310b 3009 0403550406 13025553" },
		  FORM },
		{ { .subject_name = "300d 310b 3109 0603550406 13025553" },
		  FORM },
		{ { .subject_name = "300b 3109 0603550406 13025553" }, FORM },
		{ { .subject_name = "300f 310d 3009 0603550406 13025553 0500" },
		  FORM },
		{ { .subject_name = "3018 3116 3009 0603550406 13025553 "
				    "3009 0603550403 13025553" },
		  0 },
		{ { .subject_name = "300d 310b 3009 0603550406 13025553" }, 0 },
	};

	check_rows(rows, COUNT(rows));
}

/* --- dates --- */

/* Seconds since 1970 by the C library. */
static int64_t at(int year, int month, int day, int hour, int minute,
		  int second)
{
	struct tm tm = { .tm_year = year - 1900,
			 .tm_mon = month - 1,
			 .tm_mday = day,
			 .tm_hour = hour,
			 .tm_min = minute,
			 .tm_sec = second };

	return timegm(&tm);
}

/* A validity of this beginning, with its tag, and a good end. */
static int read_date(uint8_t tag, const char *text, int64_t *ret)
{
	char validity[200];
	struct certificate c;
	size_t n;
	int r;

	n = (size_t)snprintf(validity, sizeof(validity), "%02x%02zx", tag,
			     strlen(text));
	for (const char *s = text; *s; s++)
		n += (size_t)snprintf(validity + n, sizeof(validity) - n,
				      "%02x", (uint8_t)*s);
	/* 20991231235959Z */
	(void)snprintf(validity + n, sizeof(validity) - n,
		       "180f 32303939313233313233353935395a");
	r = read_plan(&(struct cert){ .validity = validity }, &c);
	*ret = c.not_before;
	return r;
}

TEST(dates_are_of_seconds_and_of_utc)
{
	static const struct {
		const char *text;
		int year, month, day, hour, minute, second; /* 0: refused */
	} rows[] = {
		{ "220706141819Z", 2022, 7, 6, 14, 18, 19 },
		{ "500101000000Z", 1950, 1, 1, 0, 0, 0 },
		{ "491231235959Z", 2049, 12, 31, 23, 59, 59 },
		{ "000229235959Z", 2000, 2, 29, 23, 59, 59 },
		{ "240229000000Z", 2024, 2, 29, 0, 0, 0 },
		{ "20500101000000Z", 2050, 1, 1, 0, 0, 0 },
		{ "20000229120000Z", 2000, 2, 29, 12, 0, 0 },
		{ "21000228235959Z", 2100, 2, 28, 23, 59, 59 },
		{ "24000229000000Z", 2400, 2, 29, 0, 0, 0 },
		{ "99991231235959Z", 9999, 12, 31, 23, 59, 59 },
		{ "19491231235959Z", 1949, 12, 31, 23, 59, 59 },

		/* No zone, another, no seconds, fractions (RFC 5280). */
		{ .text = "220706141819" },
		{ .text = "2207061418Z" },
		{ .text = "220706141819z" },
		{ .text = "220706141819+" },
		{ .text = "220706141819+0000" },
		{ .text = "220706141819-0000" },
		{ .text = "20220706141819" },
		{ .text = "202207061418Z" },
		{ .text = "20220706141819.0Z" },
		{ .text = "20220706141819+0000" },
		{ .text = "2022070614Z" },
		{ .text = "" },
		{ .text = "Z" },
		/* Days that are none. */
		{ .text = "220230000000Z" },
		{ .text = "220229000000Z" },
		{ .text = "240230000000Z" },
		{ .text = "220431000000Z" },
		{ .text = "220631000000Z" },
		{ .text = "220931000000Z" },
		{ .text = "221131000000Z" },
		{ .text = "220132000000Z" },
		{ .text = "220100000000Z" },
		{ .text = "220001000000Z" },
		{ .text = "221301000000Z" },
		{ .text = "19000229000000Z" },
		{ .text = "21000229000000Z" },
		{ .text = "20000230000000Z" },
		/* Hours, minutes and seconds that are none. */
		{ .text = "220706240000Z" },
		{ .text = "220706236000Z" },
		{ .text = "220706235960Z" },
		/* What is no digit. */
		{ .text = " 20706141819Z" },
		{ .text = "2207061418 9Z" },
		{ .text = "22070614181:Z" },
		{ .text = "2207061/1819Z" },
		{ .text = "+2220706141819Z" },
		{ .text = "2022-0706141819" },
		{ .text = "x0220706141819Z" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		bool utc = strlen(rows[i].text) <= 13;
		int64_t got, wanted = at(rows[i].year, rows[i].month,
					 rows[i].day, rows[i].hour,
					 rows[i].minute, rows[i].second);
		int r = read_date(utc ? 0x17 : 0x18, rows[i].text, &got);

		if (r != (rows[i].year ? 0 : -FORM) ||
		    (r == 0 && got != wanted))
			CHECK_FAIL("%s is %d, %jd", rows[i].text, r,
				   (intmax_t)got);
		/* Under the other tag, its length is wrong. */
		CHECK_INT(read_date(utc ? 0x18 : 0x17, rows[i].text, &got),
			  -FORM);
	}
}

#define BEGIN_2022 "170d 3232303730363134313831395a"

TEST(a_validity_is_two_dates)
{
	static const struct row rows[] = {
		{ { .validity = BEGIN_2022 BEGIN_2022 }, 0 },
		{ { .validity = BEGIN_2022 }, FORM },
		{ { .validity = "" }, FORM },
		{ { .validity = BEGIN_2022 BEGIN_2022 BEGIN_2022 }, FORM },
		{ { .validity = BEGIN_2022 BEGIN_2022 "0500" }, FORM },
		{ { .validity = "130d 3232303730363134313831395a" BEGIN_2022 },
		  FORM },
		{ { .validity =
			    "17810d 3232303730363134313831395a" BEGIN_2022 },
		  FORM },
	};

	check_rows(rows, COUNT(rows));
}

TEST(times_are_the_c_librarys)
{
	static const int days[] = { 31, 29, 31, 30, 31, 30,
				    31, 31, 30, 31, 30, 31 };

	CHECK_INT(certificate_time(1970, 1, 1, 0, 0, 0), 0);
	CHECK_INT(certificate_time(1969, 12, 31, 23, 59, 59), -1);
	CHECK_INT(certificate_time(2000, 2, 29, 12, 0, 0), 951825600);
	CHECK_INT(certificate_time(2000, 3, 1, 0, 0, 0), 951868800);
	CHECK_INT(certificate_time(2022, 7, 6, 14, 18, 22), 1657117102);
	CHECK_INT(certificate_time(2038, 1, 19, 3, 14, 8), INT64_C(2147483648));
	CHECK_INT(certificate_time(2049, 12, 31, 23, 59, 59),
		  INT64_C(2524607999));
	CHECK_INT(certificate_time(2050, 1, 1, 0, 0, 0), INT64_C(2524608000));
	CHECK_INT(certificate_time(2100, 3, 1, 0, 0, 0), INT64_C(4107542400));
	CHECK_INT(certificate_time(9999, 12, 31, 23, 59, 59),
		  INT64_C(253402300799));
	for (int year = 1900; year <= 2405; year++)
		for (int month = 1; month <= 12; month++)
			for (int day = 1; day <= days[month - 1]; day += 4) {
				int h = day % 24, m = (year + day) % 60,
				    s = (year + month + day) % 60;

				if (month == 2 && day == 29)
					continue; /* timegm makes March of it */
				CHECK_INT(certificate_time(year, month, day, h,
							   m, s),
					  at(year, month, day, h, m, s));
			}
	for (int year = 1904; year <= 2400; year += 4)
		if (year % 100 || year % 400 == 0)
			CHECK_INT(certificate_time(year, 2, 29, 1, 2, 3),
				  at(year, 2, 29, 1, 2, 3));
}

/* --- keys --- */

/* The group's base point (SEC 2, 2.5.1), and its inverse's y, which is even. */
#define BASE_X                                              \
	"aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b98 " \
	"59f741e082542a385502f25dbf55296c3a545e3872760ab7"
#define BASE_Y                                              \
	"3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147c " \
	"e9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f"
#define INVERSE_Y                                           \
	"c9e821b569d9d390a26167406d6d23d6070be242d765eb83 " \
	"1625ceec4a0f473ef59f4e30e2817e6285bce2846f15f1a0"
#define BASE "04" BASE_X BASE_Y

TEST(keys_are_uncompressed_points_of_p384_by_name)
{
	static const struct row rows[] = {
		/* As it should be. */
		{ { .spki = "3076 3010 06072a8648ce3d0201 06052b81040022 "
			    "0362 00 " BASE },
		  0 },
		{ { .spki = "3076 3010 06072a8648ce3d0201 06052b81040022 "
			    "0362 00 04" BASE_X INVERSE_Y },
		  0 },
		/* Beside the curve, beyond the field. */
		{ { .spki = "3076 3010 06072a8648ce3d0201 06052b81040022 "
			    "0362 00 04 [96]" },
		  KEY },
		{ { .spki = "3076 3010 06072a8648ce3d0201 06052b81040022 "
			    "0362 00 04" BASE_Y BASE_X },
		  KEY },
		{ { .spki = "3076 3010 06072a8648ce3d0201 06052b81040022 "
			    "0362 00 04" BASE_X
			    "ffffffffffffffffffffffffffffffffffffffffffffffff"
			    "ffffffffffffffffffffffffffffffffffffffffffffffff" },
		  KEY },
		/* Compressed, both ways; hybrid; infinity. */
		{ { .spki = "3046 3010 06072a8648ce3d0201 06052b81040022 "
			    "0332 00 02" BASE_X },
		  KEY },
		{ { .spki = "3046 3010 06072a8648ce3d0201 06052b81040022 "
			    "0332 00 03" BASE_X },
		  KEY },
		{ { .spki = "3076 3010 06072a8648ce3d0201 06052b81040022 "
			    "0362 00 07" BASE_X BASE_Y },
		  KEY },
		{ { .spki = "3016 3010 06072a8648ce3d0201 06052b81040022 "
			    "0302 00 00" },
		  KEY },
		/* A byte less, a byte more. */
		{ { .spki = "3075 3010 06072a8648ce3d0201 06052b81040022 "
			    "0361 00 04 [95]" },
		  KEY },
		{ { .spki = "3077 3010 06072a8648ce3d0201 06052b81040022 "
			    "0363 00 " BASE "00" },
		  KEY },
		/* Bits that do not count, which are zero and are not. */
		{ { .spki = "3076 3010 06072a8648ce3d0201 06052b81040022 "
			    "0362 01 04" BASE_X INVERSE_Y },
		  KEY },
		{ { .spki = "3076 3010 06072a8648ce3d0201 06052b81040022 "
			    "0362 01 " BASE },
		  FORM },
		/* P-256, secp256k1; no curve; NULL; a curve by its numbers. */
		{ { .spki = "3059 3013 06072a8648ce3d0201 "
			    "06082a8648ce3d030107 0342 00 04 [64]" },
		  KEY },
		{ { .spki = "3076 3010 06072a8648ce3d0201 06052b8104000a "
			    "0362 00 " BASE },
		  KEY },
		{ { .spki = "306f 3009 06072a8648ce3d0201 0362 00 04 [96]" },
		  KEY },
		{ { .spki = "3071 300b 06072a8648ce3d0201 0500 "
			    "0362 00 " BASE },
		  KEY },
		{ { .spki = "3075 300f 06072a8648ce3d0201 3004 02020101 "
			    "0362 00 " BASE },
		  KEY },
		/* RSA; an EC key that only agrees (id-ecDH). */
		{ { .spki = "301b 300d 06092a864886f70d010101 0500 "
			    "030a 00 3007 020200ab 020103" },
		  KEY },
		{ { .spki = "3074 300e 06052b8104010c 06052b81040022 "
			    "0362 00 " BASE },
		  KEY },
		/* Something behind it, or behind the curve. */
		{ { .spki = "3078 3010 06072a8648ce3d0201 06052b81040022 "
			    "0362 00 " BASE " 0500" },
		  KEY },
		{ { .spki = "3078 3012 06072a8648ce3d0201 06052b81040022 0500 "
			    "0362 00 " BASE },
		  KEY },
		{ { .spki = "3000" }, KEY },
		{ { .spki = "" }, KEY },
		/* A length in more bytes than it takes. */
		{ { .spki = "308176 3010 06072a8648ce3d0201 06052b81040022 "
			    "0362 00 " BASE },
		  FORM },
	};

	check_rows(rows, COUNT(rows));
}

/* --- extensions --- */

enum { EXTENSION_HEX_MAX = 600 };

/*
 * One extension in hexadecimal: HEAD is its OID and, if it is critical, that; VALUE
 * is what the OCTET STRING holds.
 */
static const char *extension(char hex[EXTENSION_HEX_MAX], const char *head,
			     const char *value)
{
	static struct out o;
	size_t from;

	o.len = 0;
	out_hex(&o, head);
	from = o.len;
	out_hex(&o, value);
	out_wrap(&o, from, 0x04);
	out_wrap(&o, 0, 0x30);
	REQUIRE(2 * o.len < EXTENSION_HEX_MAX);
	for (size_t i = 0; i < o.len; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", o.at[i]);
	return hex;
}

/* Reads a certificate with this extension alone. */
static int read_extension(const char *head, const char *value,
			  struct certificate *ret)
{
	char hex[EXTENSION_HEX_MAX];
	const struct cert cert = { .extensions = extension(hex, head, value) };

	return read_plan(&cert, ret);
}

static void check_bad_values(const char *head, const char *const *values,
			     size_t n)
{
	struct certificate c;

	for (size_t i = 0; i < n; i++) {
		int r = read_extension(head, values[i], &c);

		if (r != -EXTENSION)
			CHECK_FAIL("%s %s is %d", head, values[i], r);
	}
}

#define CRITICAL " 0101ff"
#define KEY_ID_OID "0603551d0e"
#define USAGE_OID "0603551d0f"
#define CONSTRAINTS_OID "0603551d13"
#define AUTHORITY_OID "0603551d23"
#define PURPOSE_OID "0603551d25"
#define POLICIES_OID "0603551d20"
#define NETSCAPE_OID "0609 6086480186f8420101" /* nsCertType */
#define UNKNOWN_OID "0603 2a0304"

TEST(basic_constraints_say_what_is_written)
{
	static const struct {
		const char *value;
		bool is_ca;
		int64_t path_len;
	} good[] = {
		{ "3000", false, -1 },
		{ "3003 0101ff", true, -1 },
		{ "3006 0101ff 020100", true, 0 },
		{ "3006 0101ff 02017f", true, 127 },
		{ "3007 0101ff 02020080", true, 128 },
		{ "3009 0101ff 02047fffffff", true, INT32_MAX },
		/* mbedTLS takes this for an authority without a limit. */
		{ "3003 020101", false, 1 },
		{ "3003 020100", false, 0 },
	};
	/* Longer numbers than that are no small ones. */
	static const char *const huge[] = {
		"300a 0101ff 0205 0100000000",
		"300b 0101ff 0206 010000000001",
		"300e 0101ff 0209 00ffffffffffffffff",
		"3010 0101ff 020b 0100000000000000000000",
	};
	static const char *const bad[] = {
		"3003 010100", /* a default is left out */
		"3006 010100 020100",
		"3003 010101", /* BOOLEAN is 00 or ff */
		"3003 01017f",
		"3002 0100",
		"3004 0102ffff",
		"3006 0101ff 0201ff",	/* negative */
		"3007 0101ff 02020001", /* in two bytes */
		"3007 0101ff 0202007f",
		"3005 0101ff 0200",
		"3006 020100 0101ff", /* the other order */
		"3009 0101ff 020100 020100",
		"3006 0101ff 0101ff",
		"3005 0101ff 0500",
		"3000 00", /* bytes behind it */
		"3000 0500",
		"3103 0101ff",	 /* a SET */
		"308103 0101ff", /* lengths */
		"30820003 0101ff",
		"3080 0101ff 0000",
		"3004 018101ff",
		"0101ff",
		"3003 0101", /* cut */
		"30",
		"",
	};
	struct certificate c;

	for (size_t i = 0; i < COUNT(good); i++) {
		CHECK_INT(read_extension(CONSTRAINTS_OID CRITICAL,
					 good[i].value, &c),
			  0);
		CHECK_INT(c.is_ca, good[i].is_ca);
		CHECK_INT(c.path_len, good[i].path_len);
	}
	for (size_t i = 0; i < COUNT(huge); i++) {
		CHECK_INT(read_extension(CONSTRAINTS_OID CRITICAL, huge[i], &c),
			  0);
		CHECK(c.is_ca && c.path_len >= INT32_MAX);
	}
	check_bad_values(CONSTRAINTS_OID CRITICAL, bad, COUNT(bad));
	check_bad_values(CONSTRAINTS_OID, bad, COUNT(bad));
}

TEST(key_usages_are_bits)
{
	static const struct {
		const char *value;
		unsigned usage;
	} good[] = {
		{ "03020780", 1u << 0 }, { "03020520", 1u << 2 },
		{ "03020204", 1u << 5 }, { "03020106", 3u << 5 },
		{ "03020001", 1u << 7 }, { "0303070080", 1u << 8 },
		{ "030206c0", 3u << 0 }, { "030100", 0 },
		{ "03050000000001", 0 }, /* beyond those that there are */
	};
	static const char *const bad[] = {
		"03020107", /* bits that do not count */
		"03020781", "03020880",	  "0302ff80",	"030101", "0300",
		"",	    "0302010600", /* a byte behind it */
		"04020106", "23020106",	  "0381020106", "030206", "02020106",
	};
	struct certificate c;

	for (size_t i = 0; i < COUNT(good); i++) {
		CHECK_INT(read_extension(USAGE_OID CRITICAL, good[i].value, &c),
			  0);
		CHECK(c.has_usage);
		CHECK_INT(c.usage, good[i].usage);
	}
	check_bad_values(USAGE_OID CRITICAL, bad, COUNT(bad));
	check_bad_values(USAGE_OID, bad, COUNT(bad));
	CHECK_INT(CERTIFICATE_DIGITAL_SIGNATURE, 1u << 0);
	CHECK_INT(CERTIFICATE_KEY_CERT_SIGN, 1u << 5);
}

/* [4] of GeneralName around a Name of one CN. */
#define DIRECTORY "a40d 300b 3109 3007 0603550403 0c00"

TEST(key_identifiers_are_read)
{
	static const char *const bad_key[] = {
		"",	    "0402abab00",   "0402ab",
		"0302abab", "30040402abab", "048102abab",
	};
	static const char *const bad_authority[] = {
		"",
		"3003 8001ab 00",
		"3003 820107", /* a serial without its issuer, or the reverse */
		"3011 a10f" DIRECTORY,
		"3017 820107 8001ab a10f" DIRECTORY,
		"3017 a10f" DIRECTORY "820107 8001ab", /* the other order */
		"3005 a100 820107",		       /* no name */
		"3006 8001ab 8001ab",
		"3004 a0028000",
		"3103 8001ab",
		"0401ab",
		"308103 8001ab",
		"301a 8001ab a10f" DIRECTORY "820107 830107",
	};
	struct certificate c;

	CHECK_INT(read_extension(KEY_ID_OID, "0402abab", &c), 0);
	CHECK_INT(c.key_id.len, 2);
	CHECK(!c.authority_key_id.data);
	check_bad_values(KEY_ID_OID, bad_key, COUNT(bad_key));

	CHECK_INT(read_extension(AUTHORITY_OID, "3003 8001ab", &c), 0);
	CHECK_INT(c.authority_key_id.len, 1);
	CHECK(!c.authority_issuer.data && !c.authority_serial.data);
	CHECK_INT(read_extension(AUTHORITY_OID, "3000", &c), 0);
	CHECK(!c.authority_key_id.data);
	CHECK_INT(read_extension(AUTHORITY_OID,
				 "3017 8001ab a10f" DIRECTORY "820107", &c),
		  0);
	CHECK_INT(c.authority_key_id.len, 1);
	CHECK_INT(c.authority_issuer.len, 13);
	CHECK_INT(c.authority_serial.len, 1);
	check_bad_values(AUTHORITY_OID, bad_authority, COUNT(bad_authority));
}

TEST(purposes_are_seen)
{
	struct certificate c;

	CHECK_INT(read_extension(PURPOSE_OID, "300a 06082b06010505070302", &c),
		  0);
	CHECK(c.has_purpose);
	CHECK_INT(read_extension(PURPOSE_OID CRITICAL,
				 "300a 06082b06010505070302", &c),
		  0);
	CHECK(c.has_purpose);
	/* anyExtendedKeyUsage */
	CHECK_INT(read_extension(PURPOSE_OID, "3006 0604551d2500", &c), 0);
	CHECK(c.has_purpose);
}

TEST(what_is_critical_and_not_looked_at_is_refused)
{
	static const struct {
		const char *oid, *value;
	} rows[] = {
		{ UNKNOWN_OID, "0500" },
		{ NETSCAPE_OID, "03020640" },		    /* sslServer */
		{ POLICIES_OID, "3008 3006 0604551d2000" }, /* anyPolicy */
		{ "0603551d1f", "3000" },   /* CRL distribution points */
		{ "0603551d1b", "020101" }, /* a delta CRL's base */
		{ "0603551d11", "3007 8205 612e636f6d" }, /* other names */
		{ "0603551d12", "3007 8205 612e636f6d" },
		{ "0603551d21", "3000" }, /* policy mappings */
		{ "0603551d10", "3000" }, /* the private key's period */
		{ "0602551d", "0500" },	  /* shorter and longer OIDs */
		{ "0604551d1300", "3003 0101ff" },
		{ "0604551d0f00", "03020106" },
		{ "0603551e13", "3003 0101ff" },
	};
	char head[60];
	struct certificate c;

	for (size_t i = 0; i < COUNT(rows); i++) {
		CHECK_INT(read_extension(rows[i].oid, rows[i].value, &c), 0);
		CHECK(!c.is_ca && !c.has_usage && !c.has_purpose);
		(void)snprintf(head, sizeof(head), "%s 0101ff", rows[i].oid);
		CHECK_INT(read_extension(head, rows[i].value, &c), -EXTENSION);
	}
	/* What is not critical may hold anything. */
	CHECK_INT(read_extension(UNKNOWN_OID, "", &c), 0);
	CHECK_INT(read_extension(UNKNOWN_OID, "ff 30 80 00", &c), 0);
}

TEST(constraints_of_names_and_policies_are_refused)
{
	/* name constraints, policy constraints, inhibit anyPolicy */
	static const char *const oids[] = { "0603551d1e", "0603551d24",
					    "0603551d36" };
	static const char *const values[] = { "3000", "020100" };
	char head[60];
	struct certificate c;

	for (size_t i = 0; i < COUNT(oids); i++)
		for (size_t k = 0; k < COUNT(values); k++) {
			CHECK_INT(read_extension(oids[i], values[k], &c),
				  -EXTENSION);
			(void)snprintf(head, sizeof(head), "%s 0101ff",
				       oids[i]);
			CHECK_INT(read_extension(head, values[k], &c),
				  -EXTENSION);
		}
}

TEST(an_extension_comes_once)
{
	static const char *const heads[] = {
		KEY_ID_OID,  USAGE_OID,	   CONSTRAINTS_OID, AUTHORITY_OID,
		PURPOSE_OID, POLICIES_OID, NETSCAPE_OID,    UNKNOWN_OID,
	};
	static const char *const values[] = {
		"0402abab", "03020106", "3000",	    "3000",
		"3000",	    "3000",	"03020640", "0500",
	};

	for (size_t i = 0; i < COUNT(heads); i++) {
		char one[EXTENSION_HEX_MAX], other[EXTENSION_HEX_MAX];
		char both[3 * EXTENSION_HEX_MAX];

		(void)extension(one, heads[i], values[i]);
		(void)extension(other, "0603 2a0399", "0500");
		(void)snprintf(both, sizeof(both), "%s%s", one, other);
		/* 2.10... would be longer: the OID above is cut by its bit 8. */
		CHECK_INT(read_plan(&(struct cert){ .extensions = both }, NULL),
			  -FORM);
		(void)extension(other, "0603 2a0309", "0500");
		(void)snprintf(both, sizeof(both), "%s%s", one, other);
		CHECK_INT(read_plan(&(struct cert){ .extensions = both }, NULL),
			  0);
		(void)snprintf(both, sizeof(both), "%s%s", one, one);
		CHECK_INT(read_plan(&(struct cert){ .extensions = both }, NULL),
			  -EXTENSION);
		/* With something between them. */
		(void)snprintf(both, sizeof(both), "%s%s%s", one, other, one);
		CHECK_INT(read_plan(&(struct cert){ .extensions = both }, NULL),
			  -EXTENSION);
	}
}

TEST(there_are_so_many_extensions_and_no_more)
{
	char list[(CERTIFICATE_EXTENSIONS_MAX + 1) * 40] = "";
	size_t len = 0;

	for (unsigned i = 0; i <= CERTIFICATE_EXTENSIONS_MAX; i++) {
		CHECK_INT(read_plan(&(struct cert){ .extensions = i ? list :
								      NULL },
				    NULL),
			  0);
		len += (size_t)snprintf(list + len, sizeof(list) - len,
					"3009 0603 2a03%02x 04020500 ", i);
	}
	CHECK_INT(read_plan(&(struct cert){ .extensions = list }, NULL),
		  -EXTENSION);
}

TEST(extensions_are_der)
{
	static const struct row rows[] = {
		{ { .extensions = "3009 " UNKNOWN_OID "04020500" }, 0 },
		{ { .extensions = "300c " UNKNOWN_OID "0101ff 04020500" },
		  EXTENSION },
		/* critical: FALSE written out, TRUE as 1 */
		{ { .extensions = "300c " UNKNOWN_OID "010100 04020500" },
		  EXTENSION },
		{ { .extensions = "300c " UNKNOWN_OID "010101 04020500" },
		  FORM },
		{ { .extensions = "300c " CONSTRAINTS_OID "010100 04023000" },
		  EXTENSION },
		{ { .extensions = "300c " CONSTRAINTS_OID "010101 04023000" },
		  FORM },
		/* no value, two, something behind it, another type */
		{ { .extensions = "3005 " UNKNOWN_OID }, EXTENSION },
		{ { .extensions = "3008 " UNKNOWN_OID "0101ff" }, EXTENSION },
		{ { .extensions = "300d " UNKNOWN_OID "04020500 04020500" },
		  EXTENSION },
		{ { .extensions = "300b " UNKNOWN_OID "04020500 0500" },
		  EXTENSION },
		{ { .extensions = "3009 " UNKNOWN_OID "0c020500" }, EXTENSION },
		{ { .extensions = "3009 " UNKNOWN_OID "24020500" }, EXTENSION },
		{ { .extensions = "3004 04020500" }, EXTENSION },
		{ { .extensions = "3006 0600 04020500" }, FORM },
		{ { .extensions = "3109 " UNKNOWN_OID "04020500" }, EXTENSION },
		{ { .extensions = UNKNOWN_OID "04020500" }, EXTENSION },
		{ { .extensions = "" }, EXTENSION }, /* an empty list */
		/* what is around them */
		{ { .tail = "" }, 0 },
		{ { .tail = "a302 3000" }, EXTENSION },
		{ { .tail = "a300" }, EXTENSION },
		{ { .tail = "a30d 300b 3009 " UNKNOWN_OID "04020500" }, 0 },
		{ { .tail = "a30f 300b 3009 " UNKNOWN_OID "04020500 0500" },
		  EXTENSION },
		{ { .tail = "a30d 310b 3009 " UNKNOWN_OID "04020500" },
		  EXTENSION },
		{ { .tail = "a30d 300b 3009 " UNKNOWN_OID "04020500 0500" },
		  FORM },
		{ { .tail = "a30d 300b 3009 " UNKNOWN_OID "04020500"
			    "a30d 300b 3009 " UNKNOWN_OID "04020500" },
		  FORM },
		{ { .tail = "830d 300b 3009 " UNKNOWN_OID "04020500" }, FORM },
		/* unique identifiers, of 1988 */
		{ { .tail = "8102 0007" }, FORM },
		{ { .tail = "8202 0007" }, FORM },
		{ { .tail = "8102 0007 a30d 300b 3009 " UNKNOWN_OID
			    "04020500" },
		  FORM },
	};

	check_rows(rows, COUNT(rows));
}

/* --- the whole, and its signature --- */

TEST(signatures_that_are_none_are_told)
{
	static const struct {
		const char *signature; /* a BIT STRING */
		bool has;
	} rows[] = {
		{ "0309 00 3006 020101 020102", true },
		{ "030b 00 3008 020200ff 02020080", true },
		{ "0309 01 3006 020101 020102", false }, /* a bit less */
		{ "0309 00 3006 0201ff 020102", false }, /* negative */
		{ "0309 00 3006 020101 0201ff", false },
		{ "030a 00 3007 02020001 020102", false }, /* in two bytes */
		{ "0308 00 3005 0200 020102", false },
		{ "0306 00 3003 020101", false },
		{ "030c 00 3009 020101 020102 020103", false },
		{ "030a 00 3006 020101 020102 00", false },
		{ "0309 00 3106 020101 020102", false },
		{ "030a 00 308106 020101 020102", false },
		{ "030b 00 3080 020101 020102 0000", false },
		{ "0309 00 3006 040101 020102", false },
		{ "0301 00", false },
		{ "0339 00 3036 0231 01 [48] 020102", false }, /* 49 bytes */
		{ "0339 00 3036 0231 00 [48] 020102", true },
		{ "0363 00 3060 0230 01 [47] 022c 01 [43]", true },
	};
	struct certificate c;

	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct cert plan = { .signature = rows[i].signature };
		int r = read_plan(&plan, &c);

		if (r != 0 || c.has_signature != rows[i].has)
			CHECK_FAIL("%s is %d, %d", rows[i].signature, r,
				   c.has_signature);
		if (r != 0 || i > 1)
			continue;
		/* Right-aligned, without the zero in front. */
		CHECK_INT(c.signature[47], i == 0 ? 0x01 : 0xff);
		CHECK_INT(c.signature[95], i == 0 ? 0x02 : 0x80);
		CHECK_INT(c.signature[46] | c.signature[94] | c.signature[0] |
				  c.signature[48],
			  0);
	}
}

TEST(the_whole_is_der)
{
	static const struct row rows[] = {
		{ { .signature = "" }, FORM },
		{ { .signature = "0300" }, FORM },
		{ { .signature = "0301 08" }, FORM },
		{ { .signature = "0301 01" }, FORM },
		{ { .signature = "0302 01 01" }, FORM },
		{ { .signature = "0409 00 3006 020101 020102" }, FORM },
		{ { .signature = "038109 00 3006 020101 020102" }, FORM },
		{ { .after_outer = "0500" }, FORM },
		{ { .after_outer = "0302 00 01" }, FORM },
		{ { .after_outer = "00" }, FORM },
		/* A tag of more bytes than one, and no end. */
		{ { .subject_name = "300f 310d 300b 0603550406 1f0402abab" },
		  FORM },
		{ { .subject_name = "3080 310b 3009 0603550406 13025553 0000" },
		  FORM },
		/* A BOOLEAN, an INTEGER and a BIT STRING where DER is bad. */
		{ { .subject_name = "300c 310a 3008 0603550406 010101" },
		  FORM },
		{ { .subject_name = "300d 310b 3009 0603550406 02020001" },
		  FORM },
		{ { .subject_name = "300d 310b 3009 0603550406 03020701" },
		  FORM },
	};

	check_rows(rows, COUNT(rows));
}

/* The name's value: N sequences in each other. */
static int read_nested(size_t n)
{
	static struct out o;
	char hex[400];
	size_t len = 0;

	o.len = 0;
	for (size_t i = 0; i < n; i++)
		out_wrap(&o, 0, 0x30);
	for (size_t i = 0; i < o.len; i++)
		len += (size_t)snprintf(hex + len, sizeof(hex) - len, "%02x",
					o.at[i]);
	o.len = 0;
	out_hex(&o, "0603550403");
	out_hex(&o, hex);
	out_wrap(&o, 0, 0x30);
	out_wrap(&o, 0, 0x31);
	out_wrap(&o, 0, 0x30);
	len = 0;
	for (size_t i = 0; i < o.len; i++)
		len += (size_t)snprintf(hex + len, sizeof(hex) - len, "%02x",
					o.at[i]);
	return read_plan(&(struct cert){ .subject_name = hex }, NULL);
}

TEST(nesting_has_an_end)
{
	/* The certificate, TBS and the name take five. */
	for (size_t n = 1; n < 40; n++)
		CHECK_INT(read_nested(n), n <= 11 ? 0 : -FORM);
}

TEST(lengths_are_the_shortest)
{
	static struct out o;
	static const uint8_t heads[][6] = {
		{ 0x30, 0x83, 0x00, 0x00, 0x00, 5 }, /* three bytes */
		{ 0x30, 0x84, 0x00, 0x00, 0x00, 6 },
		{ 0x30, 0x80, 0x00, 0x00, 0x00, 2 }, /* none */
		{ 0x30, 0xff, 0x00, 0x00, 0x00, 2 },
		{ 0x31, 0x82, 0x00, 0x00, 0x00, 4 }, /* a SET */
		{ 0x10, 0x82, 0x00, 0x00, 0x00, 4 }, /* primitive */
	};
	struct certificate c;
	uint8_t bytes[1000];
	size_t body, head;

	cert_make(&(struct cert){ .extensions = CA_FALSE USAGE_LEAF }, &o);
	REQUIRE(o.at[1] == 0x82);
	body = o.len - 4;
	CHECK_INT(read_bytes(o.at, o.len, &c), 0);
	for (size_t i = 0; i < COUNT(heads); i++) {
		head = heads[i][5];
		memcpy(bytes, heads[i], head);
		if (head == 4)
			memcpy(bytes + 2, o.at + 2, 2);
		else if (head > 4)
			memcpy(bytes + head - 2, o.at + 2, 2);
		memcpy(bytes + head, o.at + 4, body);
		CHECK_INT(read_bytes(bytes, head + body, &c), -FORM);
	}
}

CHECK_MAIN("certificate")
