#include "nsm/kms/tool/kmstool_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nsm/kms/credentials/reason.h"
#include "vsock/io.h"

static int trust_file(struct kmsc_client *client, const char *path,
		      char words[KMSC_WORDS_SIZE])
{
	char *buf = malloc(KMSC_CA_MAX + 1);
	ssize_t len;
	int r = 0;

	if (!buf)
		return reason(words, -1, "out of memory");
	len = io_read_file(path, 0, buf, KMSC_CA_MAX + 1);
	if (len < 0)
		r = reason(words, -1, "%.300s: %s", path, strerror((int)-len));
	else if (kmsc_client_ca(client, buf, (size_t)len) < 0)
		r = reason(words, -1, "%.300s: not certificates of authorities",
			   path);
	free(buf);
	return r;
}

static int set_connect(struct kmsc_client *client,
		       const struct kmstool_client_options *o,
		       char words[KMSC_WORDS_SIZE])
{
	char address[sizeof("vsock:4294967295:4294967295")];
	const char *to = o->connect ? o->connect : address;

	(void)snprintf(address, sizeof(address), "vsock:%u:%u", o->cid,
		       o->proxy_port);
	return kmsc_client_connect(client, to) < 0 ?
		       reason(words, -1, "%.300s: not an address", to) :
		       0;
}

static int set_up(struct kmsc_client *client,
		  const struct kmstool_client_options *o,
		  char words[KMSC_WORDS_SIZE])
{
	if (kmsc_client_region(client, o->region) < 0)
		return reason(words, -1, "%.100s: no region of KMS", o->region);
	if (o->endpoint && kmsc_client_endpoint(client, o->endpoint) < 0)
		return reason(words, -1, "%.300s: not HOST or HOST:PORT",
			      o->endpoint);
	if (o->ca && trust_file(client, o->ca, words) < 0)
		return -1;
	return set_connect(client, o, words);
}

static int take_nsm(struct kmsc_client *client, int *ret_nsm,
		    char words[KMSC_WORDS_SIZE])
{
	int fd = nsmc_open(), r;

	if (fd < 0)
		return reason(words, -1,
			      "there is no NSM: %s; is this an enclave?",
			      nsmc_error_text(fd));
	r = kmsc_client_nsm(client, fd);
	if (r < 0) {
		close(fd);
		return reason(words, -1, "%s", kmsc_error_text(r));
	}
	*ret_nsm = fd;
	return 0;
}

int kmstool_client_new(const struct kmstool_client_options *o,
		       struct kmsc_client **ret, int *ret_nsm,
		       char words[KMSC_WORDS_SIZE])
{
	struct kmsc_client *client;
	int r = kmsc_client_new(&client);

	if (r < 0)
		return reason(words, -1, "%s", kmsc_error_text(r));
	r = set_up(client, o, words);
	if (r == 0)
		r = take_nsm(client, ret_nsm, words);
	if (r < 0) {
		kmsc_client_free(client);
		return r;
	}
	*ret = client;
	return 0;
}

bool kmstool_client_has_environment(void)
{
	static const char *const names[] = {
		"AWS_ACCESS_KEY_ID",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
	};
	const char *value;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		value = getenv(names[i]);
		if (value && *value)
			return true;
	}
	return false;
}
