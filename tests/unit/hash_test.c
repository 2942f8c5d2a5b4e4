#include "rootfs/pack/base/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "rootfs/pack/base/fault.h"
#include "temp.h"

static struct fault fault;

/* FIPS 180-4's example, "abc". */
static const struct {
	enum hash_kind kind;
	const char *hex;
} vectors[] = {
	{ HASH_SHA256,
	  "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
	{ HASH_SHA384,
	  "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
	  "8086072ba1e7cc2358baeca134c825a7" },
	{ HASH_SHA512,
	  "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
	  "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f" },
};

enum { VECTORS = sizeof(vectors) / sizeof(vectors[0]) };

static void finish(struct hash *h, const char *hex)
{
	const enum hash_kind kind = h->kind;
	char text[2 * HASH_MAX + 1];
	uint8_t hash[HASH_MAX];

	REQUIRE(hash_end(h, hash, &fault) == 0);
	for (size_t i = 0; i < hash_len(kind); i++)
		(void)snprintf(text + 2 * i, 3, "%02x", hash[i]);
	CHECK_STR(text, hex);
}

static void check_vectors(void)
{
	for (size_t i = 0; i < VECTORS; i++) {
		struct hash h = HASH_NONE, copy;

		REQUIRE(hash_begin(&h, vectors[i].kind, &fault) == 0);
		hash_add(&h, "a", 1);
		REQUIRE(hash_copy(&h, &copy, &fault) == 0);
		hash_add(&h, "", 0);
		hash_add(&h, "bc", 2);
		finish(&h, vectors[i].hex);
		hash_add(&copy, "bc", 2);
		finish(&copy, vectors[i].hex);
		hash_free(&h);
	}
}

TEST(hashes_are_those_of_the_standard)
{
	check_vectors();
}

TEST(openssls_configuration_changes_no_hash)
{
	static const char none[] = "openssl_conf = a\n[a]\nproviders = b\n"
				   "alg_section = c\n[b]\nbase = d\n"
				   "[c]\ndefault_properties = fips=yes\n"
				   "[d]\nactivate = 1\n";

	temp_enter();
	temp_file("openssl.cnf", none, sizeof(none) - 1, 0600);
	REQUIRE(setenv("OPENSSL_CONF", "openssl.cnf", 1) == 0);
	REQUIRE(setenv("OPENSSL_MODULES", "nowhere", 1) == 0);
	check_vectors();
	temp_leave();
}

CHECK_MAIN("hash")
