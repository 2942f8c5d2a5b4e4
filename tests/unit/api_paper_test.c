#include "nsm/api/compat/paper.h"

#include <errno.h>

#include "check.h"

static uint8_t out[4096];
static size_t len;

static int pem(const char *text)
{
	return paper_pem(text, strlen(text), out, &len);
}

static bool is_abc(void)
{
	return len == 3 && memcmp(out, "ABC", 3) == 0;
}

#define BEGIN "-----BEGIN PUBLIC KEY-----"
#define END "-----END PUBLIC KEY-----"

TEST(one_block_of_pem_is_read)
{
	CHECK(pem(BEGIN "\nQUJD\n" END "\n") == 0 && is_abc());
	CHECK(pem(BEGIN "\r\nQU\r\nJD\r\n" END) == 0 && is_abc());
	CHECK(pem("\n " BEGIN "\nQUJD\n" END "\n\n") == 0 && is_abc());
	CHECK(pem("-----BEGIN X-----\nQUJD\n-----END X-----") == 0 && is_abc());
}

TEST(what_is_not_one_block_is_refused)
{
	CHECK(pem("") == -EINVAL);
	CHECK(pem("QUJD") == -EINVAL);
	CHECK(pem("-----") == -EINVAL);
	CHECK(pem("-----BEGIN ") == -EINVAL);
	CHECK(pem(BEGIN) == -EINVAL);
	CHECK(pem(BEGIN "\nQUJD\n") == -EINVAL);
	CHECK(pem(BEGIN "\nQUJD\n-----END RSA KEY-----") == -EINVAL);
	CHECK(pem(BEGIN "\nQUJD\n" END BEGIN "\nQUJD\n" END) == -EINVAL);
	CHECK(pem(BEGIN "\nQUJ\n" END) == -EINVAL);
	CHECK(pem(BEGIN "\nQU.D\n" END) == -EINVAL);
	CHECK(pem("x" BEGIN "\nQUJD\n" END) == -EINVAL);
	CHECK(pem(BEGIN "\nQUJD\n" END "x") == -EINVAL);
	CHECK(pem("-----BEGIN A\nB-----\nQUJD\n-----END A\nB-----") == -EINVAL);
}

TEST(every_prefix_of_pem_is_refused)
{
	static const char whole[] = BEGIN "\nQUJD\n" END;

	for (size_t i = 0; i < sizeof(whole) - 1; i++) {
		char *copy = malloc(i ? i : 1);

		CHECK(copy != NULL);
		memcpy(copy, whole, i);
		CHECK(paper_pem(copy, i, out, &len) == -EINVAL);
		free(copy);
	}
}

static int base64(const char *text)
{
	return paper_base64(text, strlen(text), out, &len);
}

TEST(base64_needs_no_padding)
{
	CHECK(base64("QUJD") == 0 && is_abc());
	CHECK(base64("QUI=") == 0 && len == 2);
	CHECK(base64("QUI") == 0 && len == 2 && memcmp(out, "AB", 2) == 0);
	CHECK(base64("QUJDQQ") == 0 && len == 4 && memcmp(out, "ABCA", 4) == 0);
	CHECK(base64("") == 0 && len == 0);
	CHECK(base64("Q") == -EINVAL);
	CHECK(base64("QUJDQ") == -EINVAL);
	CHECK(base64("QUI=QQ") == -EINVAL);
	CHECK(base64("QUI=Q") == -EINVAL);
	CHECK(base64("Q=") == -EINVAL);
	CHECK(base64("QQ=") == -EINVAL);
	CHECK(base64("QUJ D") == -EINVAL);
}

TEST(hex_is_of_either_case_and_nothing_else)
{
	CHECK(paper_hex("00aBFf", out, 3, &len) == 0 && len == 3);
	CHECK(memcmp(out, "\x00\xab\xff", 3) == 0);
	CHECK(paper_hex("", out, 0, &len) == 0 && len == 0);
	CHECK(paper_hex("00aBFf", out, 2, &len) == -ENOSPC);
	CHECK(paper_hex("0", out, 3, &len) == -EINVAL);
	CHECK(paper_hex("0x00", out, 3, &len) == -EINVAL);
	CHECK(paper_hex("00 11", out, 3, &len) == -EINVAL);
	CHECK(paper_hex("0g", out, 3, &len) == -EINVAL);
	CHECK(paper_hex("::", out, 3, &len) == -EINVAL);
}

CHECK_MAIN("api_paper")
