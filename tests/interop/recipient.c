/*
 * KMS's recipient, for tests that are not in C: a job a line on stdin, an answer
 * a line on stdout. Paths hold no blanks.
 *
 *   new BITS KEY SPKI   a new key, by the kernel's random bytes: PKCS#1 to the
 *                       file KEY, the public key to SPKI
 *   public KEY SPKI     the public key of KEY
 *   open KEY CMS        answers "ok HEX"
 *   cut KEY CMS         opens all prefixes that are shorter: all must be cut
 *
 * The answer is "ok", or "OBJECT: what nsmc_error_text says".
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nsm/nsmc.h"

enum { WORDS = 4, LINE_MAX_ = 4096, FILE_MAX = 1 << 14 };

static size_t load(const char *path, uint8_t buf[FILE_MAX])
{
	FILE *f = fopen(path, "re");
	size_t n;

	if (!f) {
		perror(path);
		exit(2);
	}
	n = fread(buf, 1, FILE_MAX, f);
	(void)fclose(f);
	return n;
}

static void store(const char *path, const uint8_t *buf, size_t len)
{
	FILE *f = fopen(path, "we");

	if (!f || fwrite(buf, 1, len, f) != len || fclose(f) != 0) {
		perror(path);
		exit(2);
	}
}

static int import(const char *path, struct nsmc_recipient **ret)
{
	uint8_t key[FILE_MAX];

	return nsmc_recipient_import(key, load(path, key), ret);
}

static int store_public(const struct nsmc_recipient *recipient,
			const char *path)
{
	uint8_t spki[NSMC_RECIPIENT_SPKI_MAX];
	size_t len = 0;
	int r = nsmc_recipient_public_key(recipient, spki, sizeof(spki), &len);

	if (r == 0)
		store(path, spki, len);
	return r;
}

static int do_new(char *const *words)
{
	unsigned bits = (unsigned)strtoul(words[1], NULL, 10);
	struct nsmc_recipient *recipient = NULL;
	uint8_t key[NSMC_RECIPIENT_KEY_MAX];
	size_t len = 0;
	int r = nsmc_recipient_new(NSMC_KERNEL_RANDOM, bits, &recipient);

	if (r == 0)
		r = nsmc_recipient_export(recipient, key, sizeof(key), &len);
	if (r == 0) {
		store(words[2], key, len);
		r = store_public(recipient, words[3]);
	}
	nsmc_recipient_free(recipient);
	return r;
}

static int do_public(char *const *words)
{
	struct nsmc_recipient *recipient = NULL;
	int r = import(words[1], &recipient);

	if (r == 0)
		r = store_public(recipient, words[2]);
	nsmc_recipient_free(recipient);
	return r;
}

/* A copy of just that length, so that ASan sees who reads more. */
static int open_copy(struct nsmc_recipient *recipient, const uint8_t *cms,
		     size_t len, uint8_t *buf, size_t *ret_len,
		     struct nsmc_object *object)
{
	uint8_t *copy = malloc(len ? len : 1);
	int r;

	if (!copy)
		return -ENOMEM;
	memcpy(copy, cms, len);
	r = nsmc_recipient_open(recipient, copy, len, buf, FILE_MAX, ret_len,
				object);
	free(copy);
	return r;
}

static int do_open(char *const *words, struct nsmc_object *object, char *hex)
{
	struct nsmc_recipient *recipient = NULL;
	uint8_t cms[FILE_MAX], buf[FILE_MAX];
	size_t len = 0;
	int r = import(words[1], &recipient);

	if (r == 0)
		r = open_copy(recipient, cms, load(words[2], cms), buf, &len,
			      object);
	for (size_t i = 0; r == 0 && i < len; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", buf[i]);
	nsmc_recipient_free(recipient);
	return r;
}

static int do_cut(char *const *words, struct nsmc_object *object)
{
	struct nsmc_recipient *recipient = NULL;
	uint8_t cms[FILE_MAX], buf[FILE_MAX];
	size_t len = load(words[2], cms), n;
	int r = import(words[1], &recipient);

	if (r < 0)
		return r;
	r = -NSMC_E_CMS_CUT;
	while (r == -NSMC_E_CMS_CUT && len-- > 0)
		r = open_copy(recipient, cms, len, buf, &n, object);
	nsmc_recipient_free(recipient);
	if (r == 0)
		(void)snprintf(object->name, sizeof(object->name), "%zu", len);
	return r == -NSMC_E_CMS_CUT ? 0 : r < 0 ? r : -EBADMSG;
}

int main(void)
{
	static char line[LINE_MAX_], hex[2 * FILE_MAX + 1];
	char *words[WORDS];

	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	while (fgets(line, sizeof(line), stdin)) {
		struct nsmc_object object = { "" };
		size_t n = 0;
		char *rest = line;
		int r;

		while (n < WORDS && (words[n] = strtok_r(rest, " \n", &rest)))
			n++;
		hex[0] = '\0';
		if (n == 4 && strcmp(words[0], "new") == 0)
			r = do_new(words);
		else if (n == 3 && strcmp(words[0], "public") == 0)
			r = do_public(words);
		else if (n == 3 && strcmp(words[0], "open") == 0)
			r = do_open(words, &object, hex);
		else if (n == 3 && strcmp(words[0], "cut") == 0)
			r = do_cut(words, &object);
		else
			return 2;
		if (r == 0)
			printf("ok%s%s\n", *hex ? " " : "", hex);
		else
			printf("%s: %s\n", object.name, nsmc_error_text(r));
	}
	return 0;
}
