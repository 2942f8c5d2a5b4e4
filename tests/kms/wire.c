/*
 * nsm/kms/wire for tests in Python: a job a line on stdin, its answer a line on stdout. Words are
 * separated by a blank and in hexadecimal but for the first, "-" for an empty one:
 *
 *   sign METHOD PATH ID SECRET REGION SERVICE BODY COUNT [NAME VALUE]...  -> CANONICAL TO-SIGN AUTHORIZATION
 *   json TEXT                                 -> the same value as it is written
 *   base64 TEXT                               -> bytes
 *   http STEP TEXT                            -> "STATUS USED HAS-LENGTH" BODY REQUEST-ID
 *   host FLAGS REGION                         -> partition host
 *   amz | rfc3339 SECONDS                     -> text
 *   from-amz | from-rfc3339 TEXT              -> seconds
 *   verdict STATUS BODY                       -> ACTION CODE, aws_code, message
 *   request OPERATION DIALECT DOCUMENT TEXT   -> AWS's JSON
 *   table                                     -> all rows of the operations, a line of JSON
 *
 * "! WORDS" if it is refused. Numbers stand as they are.
 */
#include <errno.h>
#include <inttypes.h>
#include <mbedtls/sha256.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "nsm/kms/wire/base64.h"
#include "nsm/kms/wire/endpoint.h"
#include "nsm/kms/wire/http.h"
#include "nsm/kms/wire/instant.h"
#include "nsm/kms/wire/json.h"
#include "nsm/kms/wire/operations.h"
#include "nsm/kms/wire/sigv4.h"
#include "nsm/kms/wire/verdict.h"

enum { WORDS_MAX = 200, OUT_MAX = 1 << 20 };

static char out[OUT_MAX];

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "wire: %s\n", what);
	exit(2);
}

static void *need(void *p)
{
	if (!p)
		die("no memory");
	return p;
}

/* A text that a word stands for: on the heap of its length, so that no byte behind it is read. */
struct word {
	char *at;
	size_t len;
};

static struct word next_word(void)
{
	const char *w = strtok(NULL, " \n");
	struct word r = { need(malloc(1)), 0 };

	if (!w)
		die("a word is missing");
	if (strcmp(w, "-") != 0) {
		r.len = strlen(w) / 2;
		r.at = need(realloc(r.at, r.len + 1));
	}
	for (size_t i = 0; i < r.len; i++)
		if (sscanf(w + 2 * i, "%2hhx", (unsigned char *)r.at + i) != 1)
			die("no hexadecimal");
	r.at[r.len] = '\0';
	return r;
}

static const char *plain(void)
{
	const char *w = strtok(NULL, " \n");

	if (!w)
		die("a word is missing");
	return w;
}

static void print(const void *at, size_t len)
{
	const uint8_t *bytes = at;

	for (size_t i = 0; i < len; i++)
		printf("%02x", bytes[i]);
	printf(len ? " " : "- ");
}

static void print_text(const char *text)
{
	print(text, strlen(text));
}

static void refused(int r, const char *more)
{
	printf("! %d %s", r, more);
}

/* --- jobs --- */

static void sign(void)
{
	static struct http_field fields[WORDS_MAX];
	static char authorization[SIGV4_AUTHORIZATION_SIZE];
	struct sigv4_request request = { .fields = fields };
	struct sigv4_key key;
	char to_sign[SIGV4_TO_SIGN_SIZE] = "";
	const char *date = "";
	struct word body;
	uint8_t hash[32];
	size_t len;
	int r;

	request.method = next_word().at;
	request.path = next_word().at;
	key.access_key_id = next_word().at;
	key.secret_access_key = next_word().at;
	key.region = next_word().at;
	key.service = next_word().at;
	body = next_word();
	request.body = body.at;
	request.body_len = body.len;
	request.count = strtoul(plain(), NULL, 10);
	if (request.count > WORDS_MAX)
		die("too many fields");
	for (size_t i = 0; i < request.count; i++) {
		fields[i].name = next_word().at;
		fields[i].value = next_word().at;
		if (strcasecmp(fields[i].name, "x-amz-date") == 0)
			date = fields[i].value;
	}
	r = sigv4_sign(&request, &key, authorization);
	if (r < 0 || sigv4_canonical(&request, out, &len) < 0) {
		refused(r, "");
		return;
	}
	(void)mbedtls_sha256((const uint8_t *)out, len, hash, 0);
	if (sigv4_to_sign(date, &key, hash, to_sign) < 0)
		die("signed, but there is nothing to sign");
	print(out, len);
	print_text(to_sign);
	print_text(authorization);
}

static const struct json *read_json(struct word text, struct json_fault *fault)
{
	const struct json *value = NULL;
	void *room = need(malloc(json_room(text.len)));
	int r = json_read(text.at, text.len, room, json_room(text.len), &value,
			  fault);

	if (r < 0 && r != -EINVAL)
		die("json_room is not room enough");
	return value;
}

static void json(void)
{
	struct json_fault fault = { "", 0 };
	const struct json *value = read_json(next_word(), &fault);
	struct json_out o;
	size_t len;

	if (!value) {
		refused(-EINVAL, fault.what);
		return;
	}
	json_out_begin(&o, out, sizeof(out));
	json_put_value(&o, NULL, value);
	if (json_out_end(&o, &len) < 0)
		die("what was read is not written");
	print(out, len);
}

static void base64(void)
{
	struct word text = next_word();
	size_t len;

	if (base64_read(text.at, text.len, (uint8_t *)out, &len) < 0)
		refused(-EINVAL, "");
	else
		print(out, len);
}

static void http(void)
{
	struct http_wanted wanted = { .name = "x-amzn-requestid" };
	size_t step = strtoul(plain(), NULL, 10), used = 0, n = 0;
	struct word text = next_word();
	struct http_answer a;
	int r = 0;

	http_answer_begin(&a, &wanted, 1, out, HTTP_BODY_MAX);
	for (; used < text.len && r == 0; used += n) {
		size_t some = text.len - used < step ? text.len - used : step;
		char *piece = need(malloc(some));

		memcpy(piece, text.at + used, some);
		r = http_answer_feed(&a, piece, some, &n);
		free(piece);
		if (r < 0)
			break;
	}
	if (r == 0)
		r = http_answer_eof(&a);
	if (r < 0) {
		refused(-(int)a.fault, http_fault_text(a.fault));
		return;
	}
	printf("%u %zu %d ", a.status, used, a.has_length);
	print(a.body, a.body_len);
	print_text(wanted.value);
}

static void host(void)
{
	unsigned flags = (unsigned)strtoul(plain(), NULL, 10);
	const char *region = next_word().at;
	char name[ENDPOINT_HOST_MAX + 1];
	int r = endpoint_host(region, flags, name);

	if (r < 0)
		refused(r, "");
	else
		printf("%s %s", endpoint_partition(region), name);
}

static void to_text(int (*write)(int64_t, char *))
{
	char text[64];
	int r = write(strtoll(plain(), NULL, 10), text);

	if (r < 0)
		refused(r, "");
	else
		printf("%s", text);
}

static void from_text(int (*read)(const char *, int64_t *))
{
	int64_t s;
	int r = read(next_word().at, &s);

	if (r < 0)
		refused(r, "");
	else
		printf("%" PRId64, s);
}

static void verdict(void)
{
	static char room[VERDICT_ROOM];
	unsigned status = (unsigned)strtoul(plain(), NULL, 10);
	struct word body = next_word();
	struct verdict v;

	verdict_read(status, NULL, body.at, body.len, room, sizeof(room), &v);
	printf("%d %d ", v.action, v.code);
	print_text(v.aws_code);
	print_text(v.message);
}

static void request(void)
{
	const struct operations_row *row = operations_by_name(plain());
	enum operations_dialect dialect =
		strcmp(plain(), "aws") == 0 ? OPERATIONS_AWS : OPERATIONS_LOWER;
	struct word document = next_word(), text = next_word();
	size_t cap = operations_room(text.len), len;
	struct operations_request read;
	struct operations_fault fault = { .member = "", .what = "" };
	int r;

	if (!row)
		die("no such operation");
	r = operations_read_request(row, dialect, text.at, text.len,
				    need(malloc(cap)), cap, &read, &fault);
	if (r == 0)
		r = operations_write_request(
			&read.request,
			document.len ? NSMC_BYTES((uint8_t *)document.at,
						  document.len) :
				       NSMC_ABSENT,
			out, sizeof(out), &len, &fault);
	if (r < 0) {
		refused(r, fault.member);
		printf("%s %s", fault.unknown, fault.what);
		return;
	}
	print(out, len);
}

/* --- the table --- */

static void members(struct json_out *o, const char *name,
		    const struct operations_member *m, size_t count)
{
	static const char *const types[] = { "text", "bytes",	"number",
					     "bool", "context", "texts",
					     "other" };

	json_put_array(o, name);
	for (size_t i = 0; i < count; i++) {
		json_put_object(o, NULL);
		json_put_text(o, "name", m[i].name);
		if (m[i].lower)
			json_put_text(o, "lower", m[i].lower);
		json_put_text(o, "type", types[m[i].type]);
		json_put_number(o, "flags", m[i].flags);
		json_put_number(o, "min", m[i].min);
		json_put_number(o, "max", m[i].max);
		json_put_bool(o, "has_slot", m[i].offset != OPERATIONS_NOWHERE);
		json_put_object_end(o);
	}
	json_put_array_end(o);
}

static void table(void)
{
	struct json_out o;
	size_t len;

	json_out_begin(&o, out, sizeof(out));
	json_put_array(&o, NULL);
	for (size_t i = 0; i < operations_count; i++) {
		const struct operations_row *row = &operations[i];

		json_put_object(&o, NULL);
		json_put_text(&o, "name", row->name);
		json_put_text(&o, "target", row->target);
		json_put_text(&o, "path", row->path);
		json_put_bool(&o, "is_attested", row->is_attested);
		members(&o, "request", row->request, row->request_count);
		members(&o, "answer", row->answer, row->answer_count);
		json_put_object_end(&o);
	}
	json_put_array_end(&o);
	if (json_out_end(&o, &len) < 0)
		die("the table is not written");
	printf("%.*s", (int)len, out);
}

/* --- which --- */

static void amz(void)
{
	to_text(instant_amz);
}

static void rfc3339(void)
{
	to_text(instant_rfc3339);
}

static void from_amz(void)
{
	from_text(instant_from_amz);
}

static void from_rfc3339(void)
{
	from_text(instant_from_rfc3339);
}

static const struct {
	const char *name;
	void (*run)(void);
} jobs[] = {
	{ "sign", sign },
	{ "json", json },
	{ "base64", base64 },
	{ "http", http },
	{ "host", host },
	{ "amz", amz },
	{ "rfc3339", rfc3339 },
	{ "from-amz", from_amz },
	{ "from-rfc3339", from_rfc3339 },
	{ "verdict", verdict },
	{ "request", request },
	{ "table", table },
};

static void do_job(char *line)
{
	const char *name = strtok(line, " \n");

	for (size_t i = 0; name && i < sizeof(jobs) / sizeof(jobs[0]); i++)
		if (strcmp(jobs[i].name, name) == 0) {
			jobs[i].run();
			return;
		}
	die("no such job");
}

/* Memory of a job goes with the process. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

int main(void)
{
	char *line = NULL;
	size_t cap = 0;

	while (getline(&line, &cap, stdin) > 0) {
		do_job(line);
		printf("\n");
	}
	free(line);
	return 0;
}
