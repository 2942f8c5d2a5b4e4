/* What is said to IMDS and to a container's endpoint. */

#include <errno.h>

#include "check.h"
#include "nsm/kms/credentials/metadata.h"

#define GOOD                                           \
	"{\"Code\":\"Success\",\"AccessKeyId\":\"A\"," \
	"\"SecretAccessKey\":\"s\",\"Token\":\"t\"}"

static struct metadata m;
static struct kmsc_credentials got;
static char words[KMSC_WORDS_SIZE];

static void expect_request(const char *text)
{
	char buf[METADATA_REQUEST_CAP];
	size_t len = 0;

	CHECK_INT(metadata_request(&m, buf, &len), 0);
	buf[len < sizeof(buf) ? len : 0] = '\0';
	CHECK_STR(buf, text);
}

static int answer(unsigned status, const char *body)
{
	words[0] = '\0';
	return metadata_answer(&m, status, body, strlen(body), &got, words);
}

TEST(imds_is_asked_for_a_token_a_role_and_its_credentials)
{
	CHECK_INT(metadata_begin(&m, NULL, 0), 0);
	expect_request("PUT /latest/api/token HTTP/1.1\r\n"
		       "Host: 169.254.169.254\r\n"
		       "User-Agent: libkmsc\r\n"
		       "X-aws-ec2-metadata-token-ttl-seconds: 21600\r\n"
		       "Content-Length: 0\r\n"
		       "Connection: close\r\n\r\n");
	CHECK_INT(answer(200, "AQAEAtoken=="), 1);
	expect_request(
		"GET /latest/meta-data/iam/security-credentials/ HTTP/1.1\r\n"
		"Host: 169.254.169.254\r\n"
		"User-Agent: libkmsc\r\n"
		"X-aws-ec2-metadata-token: AQAEAtoken==\r\n"
		"Connection: close\r\n\r\n");
	CHECK_INT(answer(200, "my-role\nanother"), 1);
	expect_request(
		"GET /latest/meta-data/iam/security-credentials/my-role HTTP/1.1\r\n"
		"Host: 169.254.169.254\r\n"
		"User-Agent: libkmsc\r\n"
		"X-aws-ec2-metadata-token: AQAEAtoken==\r\n"
		"Connection: close\r\n\r\n");
	CHECK_INT(answer(200, GOOD), 0);
	CHECK_STR(got.access_key_id, "A");
	CHECK_STR(got.session_token, "t");
}

TEST(a_role_that_is_known_is_not_asked_for)
{
	CHECK_INT(metadata_begin(&m, "roleX", 4), 0);
	CHECK_INT(answer(200, "t\n"), 1);
	expect_request(
		"GET /latest/meta-data/iam/security-credentials/role HTTP/1.1\r\n"
		"Host: 169.254.169.254\r\n"
		"User-Agent: libkmsc\r\n"
		"X-aws-ec2-metadata-token: t\r\n"
		"Connection: close\r\n\r\n");
	CHECK_INT(answer(404, "<html>"), -KMSC_E_NO_CREDENTIALS);
	CHECK_STR(words, "IMDS knows no role role (404)");
}

TEST(a_token_that_has_ended_is_asked_for_again_once)
{
	CHECK_INT(metadata_begin(&m, NULL, 0), 0);
	CHECK_INT(answer(200, "old"), 1);
	CHECK_INT(answer(200, "r"), 1);
	CHECK_INT(answer(401, ""), 1);
	CHECK_INT(m.step, METADATA_TOKEN);
	CHECK_STR(m.token, "");
	CHECK_INT(answer(200, "new"), 1);
	CHECK_INT(m.step, METADATA_CREDENTIALS);
	CHECK_INT(answer(401, ""), -KMSC_E_NO_CREDENTIALS);
}

TEST(what_imds_refuses_is_explained)
{
	CHECK_INT(metadata_begin(&m, NULL, 0), 0);
	CHECK_INT(answer(403, ""), -KMSC_E_NO_CREDENTIALS);
	CHECK(strstr(words, "hop limit"));
	CHECK_INT(answer(404, ""), -KMSC_E_NO_CREDENTIALS);
	CHECK(strstr(words, "version 2"));
	CHECK_INT(answer(401, ""), -KMSC_E_NO_CREDENTIALS);
	CHECK_INT(answer(503, ""), -EAGAIN);
	CHECK_INT(answer(429, ""), -EAGAIN);
	CHECK_INT(answer(200, ""), -KMSC_E_CREDENTIALS);
	CHECK_INT(answer(200, "a\nb"), -KMSC_E_CREDENTIALS);
	CHECK_INT(answer(200, "tok"), 1);
	CHECK_INT(answer(404, ""), -KMSC_E_NO_CREDENTIALS);
	CHECK(strstr(words, "instance profile"));
	CHECK_INT(answer(200, ""), -KMSC_E_NO_CREDENTIALS);
	CHECK_INT(answer(200, "../../user-data"), -KMSC_E_CREDENTIALS);
	CHECK_INT(answer(200, "a role"), -KMSC_E_CREDENTIALS);
	CHECK_INT(answer(200, "role HTTP/1.1\r\nX: y"), -KMSC_E_CREDENTIALS);
	CHECK_INT(answer(200, "role\r\n"), 1);
	CHECK_STR(m.role, "role");
	CHECK_INT(answer(200, "{}"), -KMSC_E_CREDENTIALS);
	CHECK_STR(words, "credentials of IMDS: the access key id is empty");
	CHECK_INT(answer(200, "AWS_ACCESS_KEY_ID=a\nAWS_SECRET_ACCESS_KEY=b"),
		  -KMSC_E_CREDENTIALS);
}

TEST(an_endpoint_is_asked_with_its_token)
{
	CHECK_INT(metadata_begin_container(&m, "/v1/c?x=1", 9, "localhost:99",
					   12, "Bearer x"),
		  0);
	expect_request("GET /v1/c?x=1 HTTP/1.1\r\n"
		       "Host: localhost:99\r\n"
		       "User-Agent: libkmsc\r\n"
		       "Authorization: Bearer x\r\n"
		       "Connection: close\r\n\r\n");
	CHECK_INT(answer(401, ""), -KMSC_E_NO_CREDENTIALS);
	CHECK(strstr(words, "authorization"));
	CHECK_INT(answer(500, ""), -EAGAIN);
	CHECK_INT(answer(200, GOOD), 0);
	CHECK_INT(metadata_begin_container(&m, "/", 1, "h", 1, NULL), 0);
	expect_request("GET / HTTP/1.1\r\nHost: h\r\nUser-Agent: libkmsc\r\n"
		       "Connection: close\r\n\r\n");
}

TEST(no_part_of_a_request_can_begin_another_line)
{
	char buf[METADATA_REQUEST_CAP];
	size_t len;

	CHECK_INT(metadata_begin_container(&m, "/ HTTP/1.1\r\nX: y", 16, "h", 1,
					   NULL),
		  0);
	CHECK_INT(metadata_request(&m, buf, &len), -EINVAL);
	CHECK_INT(metadata_begin_container(&m, "/", 1, "h", 1, "a\r\nX: y"), 0);
	CHECK_INT(metadata_request(&m, buf, &len), -EINVAL);
	CHECK_INT(metadata_begin_container(&m, "/", 1, "h\nX: y", 6, NULL), 0);
	CHECK_INT(metadata_request(&m, buf, &len), -EINVAL);
}

TEST(nothing_is_left_of_a_wiped_one)
{
	static const struct metadata nothing;

	CHECK_INT(metadata_begin(&m, NULL, 0), 0);
	CHECK_INT(answer(200, "token"), 1);
	metadata_wipe(&m);
	CHECK_MEM(&m, &nothing, sizeof(m));
}

CHECK_MAIN("kms_metadata")
