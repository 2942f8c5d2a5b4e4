/*
 * Most of what a call of KMS takes of a processor is the search for the primes of its key, and a test of what a client
 * refuses looks at anything but these. With $KMS_NEAR_PRIMES mbedTLS makes its keys of 2048 bits as ever, but from these
 * two primes, in turn. Each of them is drawn all the same, so that the program's own generator fails as it would.
 */

#include <mbedtls/bignum.h>
#include <stdbool.h>
#include <stdlib.h>

enum { PRIME_BITS = 1024 };

typedef int random_fn(void *ctx, unsigned char *buf, size_t len);

int __real_mbedtls_mpi_gen_prime(mbedtls_mpi *prime, size_t bits, int flags,
				 random_fn *f_rng, void *p_rng);
int __wrap_mbedtls_mpi_gen_prime(mbedtls_mpi *prime, size_t bits, int flags,
				 random_fn *f_rng, void *p_rng);

/* Of a key that openssl has made. */
static const char p[] =
	"E3FFBE22EE84C18314C5676113E3E92822007449244A21ED3F15D6066F9DD798"
	"D999DE33F180C96E6AB14FD3380CF596398202C19F78B294DA59077383FC7196"
	"9CF0BF837506237ABC6ACA2BDFB3EFC4AA931904F5626B0D9D6C2FA37D71D90F"
	"D5B21EB5B88D9971C71CAFD85FA417ABC013954E824C46CB0C47DC9B048F4345";
static const char q[] =
	"C6A463BC31D0AF99B97E0E72C16953626FB55739D9B1168DCAE1829BC448003B"
	"767195458DA8CFF3B28EC2D4D72D974B50E506A0FEFFBFBFD2EC377F3D9136E9"
	"C591B5598AC6399FC1EFA62FEDEADD55CA1FE094DBCCB295D46FAC7783A2DA9D"
	"4BBF771F09F4ACE70ABD271B99C281541363F7BF533A8105CD8105AEED7DBF95";

int __wrap_mbedtls_mpi_gen_prime(mbedtls_mpi *prime, size_t bits, int flags,
				 random_fn *f_rng, void *p_rng)
{
	static _Thread_local bool second;
	const char *wanted = getenv("KMS_NEAR_PRIMES");
	int r;

	if (!wanted || !*wanted || bits != PRIME_BITS)
		return __real_mbedtls_mpi_gen_prime(prime, bits, flags, f_rng,
						    p_rng);
	r = mbedtls_mpi_fill_random(prime, PRIME_BITS / 8, f_rng, p_rng);
	if (r != 0)
		return r;
	r = mbedtls_mpi_read_string(prime, 16, second ? q : p);
	second = !second;
	return r;
}
