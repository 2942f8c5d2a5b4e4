/*
 * An application of libnsmc.a: all seven requests, what they give as "@key=value".
 * Arguments: user_data and nonce as text, "-" for absent. Extends PCR16 with
 * "abc" as it is and PCR17 with the measurement of "config": "abc", locks them.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "nsm/nsmc.h"

static int failed;

static void said(const char *what, int r)
{
	printf("@%s=%s\n", what, r < 0 ? nsmc_error_text(r) : "ok");
	failed |= r < 0;
}

static void show(const char *key, const uint8_t *data, size_t len)
{
	printf("@%s=", key);
	for (size_t i = 0; i < len; i++)
		printf("%02x", data[i]);
	printf("\n");
}

static struct nsmc_bytes argument(int argc, char **argv, int i)
{
	struct nsmc_bytes b = { NULL, 0 };

	if (i < argc && strcmp(argv[i], "-") != 0) {
		b.data = (const uint8_t *)argv[i];
		b.len = strlen(argv[i]);
	}
	return b;
}

static void show_pcr(int fd, uint8_t index)
{
	struct nsmc_pcr pcr;
	char key[16];
	int r = nsmc_describe_pcr(fd, index, &pcr);

	if (r < 0) {
		said("describe_pcr", r);
		return;
	}
	(void)snprintf(key, sizeof(key), "pcr%u%s", index,
		       pcr.locked ? ".locked" : "");
	show(key, pcr.value, pcr.len);
}

int main(int argc, char **argv)
{
	static uint8_t doc[NSMC_DOCUMENT_MAX], random[1000];
	const struct nsmc_bytes none = { NULL, 0 };
	struct nsmc_description d;
	uint8_t digest[NSMC_PCR_SIZE];
	size_t len;
	int fd = nsmc_open(), r;

	said("open", fd);
	if (fd < 0)
		return 1;
	r = nsmc_describe(fd, &d);
	said("describe", r);
	if (r == 0)
		printf("@module=%s %s %u.%u.%u %u %08x\n", d.module_id,
		       d.digest, d.version_major, d.version_minor,
		       d.version_patch, d.max_pcrs, d.locked_pcrs);
	said("random", nsmc_get_random(fd, random, sizeof(random)));
	show("random.bytes", random, sizeof(random));

	said("extend", nsmc_extend_pcr_checked(fd, 16, "abc", 3, NULL));
	nsmc_measure("config", 6, "abc", 3, digest);
	said("measure",
	     nsmc_extend_pcr_checked(fd, 17, digest, sizeof(digest), NULL));
	said("lock", nsmc_lock_pcr_checked(fd, 16, NULL));
	said("lock.below", nsmc_lock_pcrs_below(fd, 18));
	for (uint8_t i = 0; i < NSMC_PCR_COUNT; i++)
		show_pcr(fd, i);
	/* What must not work any more. */
	printf("@again=%s | %s | %s | %s\n",
	       nsmc_error_text(nsmc_extend_pcr(fd, 17, "x", 1, NULL)),
	       nsmc_error_text(nsmc_lock_pcr(fd, 16)),
	       nsmc_error_text(nsmc_lock_pcr(fd, 32)),
	       nsmc_error_text(nsmc_lock_pcrs_below(fd, 33)));

	r = nsmc_attest(fd, argument(argc, argv, 1), argument(argc, argv, 2),
			none, doc, sizeof(doc), &len);
	said("attest", r);
	if (r == 0)
		show("document", doc, len);
	return failed;
}
