/*
 * A program with libkmsc as it is installed: library ADDRESS CA KEY CIPHERTEXT. The document of its key
 * comes from descriptor 4, after the key went to 3: a length of two bytes and as many.
 */

#include <kmsc.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int fetch(void *ctx, struct nsmc_bytes public_key, uint32_t timeout_ms,
		 void *buf, size_t cap, size_t *ret_len)
{
	unsigned char head[2] = { (unsigned char)(public_key.len >> 8),
				  (unsigned char)public_key.len };
	size_t len, at = 0;
	ssize_t n;

	(void)ctx;
	(void)timeout_ms;
	if (write(3, head, 2) != 2 ||
	    write(3, public_key.data, public_key.len) !=
		    (ssize_t)public_key.len ||
	    read(4, head, 2) != 2)
		return -5;
	len = (size_t)head[0] << 8 | head[1];
	while (at < len && len <= cap) {
		n = read(4, (char *)buf + at, len - at);
		if (n <= 0)
			return -5;
		at += (size_t)n;
	}
	*ret_len = at;
	return at == len ? 0 : -5;
}

static size_t slurp(const char *name, void *buf, size_t cap)
{
	FILE *f = fopen(name, "rb");
	size_t n = f ? fread(buf, 1, cap, f) : 0;

	if (f)
		(void)fclose(f);
	return n;
}

static int fail(const char *what, int r)
{
	fprintf(stderr, "%s: %s\n", what, kmsc_error_text(r));
	return 1;
}

static int call(struct kmsc_client *client, const char *key,
		struct nsmc_bytes ciphertext)
{
	struct kmsc_pair context = { "app", "orders" };
	struct kmsc_request request;
	struct kmsc_answer *answer;
	struct kmsc_error error;
	char text[KMSC_ERROR_LINE_SIZE];
	int r;

	memset(&request, 0, sizeof(request));
	request.operation = KMSC_DECRYPT;
	request.key_arn = key;
	request.ciphertext = ciphertext;
	request.context = &context;
	request.context_count = 1;
	r = kmsc_call(client, &request, &answer, &error);
	if (r < 0) {
		(void)kmsc_error_print(&error, text, sizeof(text));
		fprintf(stderr, "%s\n", text);
		return 1;
	}
	(void)fwrite(answer->plaintext.data, 1, answer->plaintext.len, stdout);
	kmsc_answer_free(answer);
	return 0;
}

int main(int argc, char **argv)
{
	static unsigned char ca[KMSC_CA_MAX], blob[KMSC_CIPHERTEXT_MAX];
	struct nsmc_recipient *key;
	struct kmsc_client *client;
	size_t len;
	int r;

	if (argc != 5)
		return 2;
	r = kmsc_client_new(&client);
	if (r == 0)
		r = nsmc_recipient_new(NSMC_KERNEL_RANDOM, 2048, &key);
	if (r < 0)
		return fail("begin", r);
	r = kmsc_client_attester(client, fetch, NULL, key);
	if (r == 0)
		r = kmsc_client_connect(client, argv[1]);
	len = slurp(argv[2], ca, sizeof(ca));
	if (r == 0)
		r = kmsc_client_ca(client, ca, len);
	if (r == 0)
		r = kmsc_client_source(client, "environment", NULL);
	len = slurp(argv[4], blob, sizeof(blob));
	r = r < 0 ? fail("client", r) :
		    call(client, argv[3], NSMC_BYTES(blob, len));
	kmsc_client_free(client);
	nsmc_recipient_free(key);
	return r;
}
