#include "nsm/es384.h"

#include <stddef.h>
#include <string.h>

/*
 * Numbers of 384 bits in limbs, the least significant first: of 64 bits if the
 * compiler can multiply those, else of 32. L writes 64 bits of a constant for
 * either.
 */
#ifdef __SIZEOF_INT128__
typedef uint64_t limb;
__extension__ typedef unsigned __int128 two_limbs;
#define L(high, low) ((uint64_t)(high) << 32 | (low))
#else
typedef uint32_t limb;
typedef uint64_t two_limbs;
#define L(high, low) (low), (high)
#endif

/*
 * The loops of a multiplication are unrolled: nearly all the time is spent
 * there, and it costs 3 KiB.
 */
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define UNROLL _Pragma("GCC unroll 12")
#else
#define UNROLL
#endif

enum {
	BYTES = 48,
	BITS = 384,
	LIMB_BITS = 8 * sizeof(limb),
	LIMBS = BITS / LIMB_BITS,
};

struct number {
	limb v[LIMBS];
};

/*
 * A modulus, an odd M. Numbers are kept as x * 2^384 mod M (P. Montgomery,
 * "Modular multiplication without trial division", 1985).
 */
struct modulus {
	struct number m;
	struct number one;	  /* 2^384 mod M */
	struct number squared;	  /* 2^768 mod M */
	uint64_t negated_inverse; /* -1/M modulo 2^64 */
};

/* The field, 2^384 - 2^128 - 2^96 + 2^32 - 1: SP 800-186, 3.2.1.4. */
static const struct modulus field = {
	.m = { { L(0x00000000, 0xffffffff), L(0xffffffff, 0x00000000),
		 L(0xffffffff, 0xfffffffe), L(0xffffffff, 0xffffffff),
		 L(0xffffffff, 0xffffffff), L(0xffffffff, 0xffffffff) } },
	.one = { { L(0xffffffff, 0x00000001), L(0x00000000, 0xffffffff),
		   L(0x00000000, 0x00000001), L(0x00000000, 0x00000000),
		   L(0x00000000, 0x00000000), L(0x00000000, 0x00000000) } },
	.squared = { { L(0xfffffffe, 0x00000001), L(0x00000002, 0x00000000),
		       L(0xfffffffe, 0x00000000), L(0x00000002, 0x00000000),
		       L(0x00000000, 0x00000001), L(0x00000000, 0x00000000) } },
	.negated_inverse = UINT64_C(0x0000000100000001),
};

/* The order of the base point. */
static const struct modulus order = {
	.m = { { L(0xecec196a, 0xccc52973), L(0x581a0db2, 0x48b0a77a),
		 L(0xc7634d81, 0xf4372ddf), L(0xffffffff, 0xffffffff),
		 L(0xffffffff, 0xffffffff), L(0xffffffff, 0xffffffff) } },
	.one = { { L(0x1313e695, 0x333ad68d), L(0xa7e5f24d, 0xb74f5885),
		   L(0x389cb27e, 0x0bc8d220), L(0x00000000, 0x00000000),
		   L(0x00000000, 0x00000000), L(0x00000000, 0x00000000) } },
	.squared = { { L(0x2d319b24, 0x19b409a9), L(0xff3d81e5, 0xdf1aa419),
		       L(0xbc3e483a, 0xfcb82947), L(0xd40d4917, 0x4aab1cc5),
		       L(0x3fb05b7a, 0x28266895), L(0x0c84ee01, 0x2b39bf21) } },
	.negated_inverse = UINT64_C(0x6ed46089e88fdc45),
};

/* The curve's b and the base point, in the field's form. */
static const struct number curve_b = {
	{ L(0x08118871, 0x9d412dcc), L(0xf729add8, 0x7a4c32ec),
	  L(0x77f2209b, 0x1920022e), L(0xe3374bee, 0x94938ae2),
	  L(0xb62b21f4, 0x1f022094), L(0xcd08114b, 0x604fbff9) }
};
static const struct number base_x = {
	{ L(0x3dd07566, 0x49c0b528), L(0x20e378e2, 0xa0d6ce38),
	  L(0x879c3afc, 0x541b4d6e), L(0x64548684, 0x59a30eff),
	  L(0x812ff723, 0x614ede2b), L(0x4d3aadc2, 0x299e1513) }
};
static const struct number base_y = {
	{ L(0x23043dad, 0x4b03a4fe), L(0xa1bfa8bf, 0x7bb4a9ac),
	  L(0x8bade756, 0x2e83b050), L(0xc6c35219, 0x68f4ffd9),
	  L(0xdd800226, 0x3969a840), L(0x2b78abc2, 0x5a15c5e9) }
};

/* --- numbers --- */

static struct number from_bytes(const uint8_t bytes[BYTES])
{
	struct number n = { { 0 } };

	for (size_t i = 0; i < BYTES; i++)
		n.v[i / sizeof(limb)] |= (limb)bytes[BYTES - 1 - i]
					 << 8 * (i % sizeof(limb));
	return n;
}

static bool is_zero(const struct number *a)
{
	limb any = 0;

	for (size_t i = 0; i < LIMBS; i++)
		any |= a->v[i];
	return any == 0;
}

static bool is_equal(const struct number *a, const struct number *b)
{
	return memcmp(a->v, b->v, sizeof(a->v)) == 0;
}

static bool is_less(const struct number *a, const struct number *b)
{
	for (size_t i = LIMBS; i-- > 0;)
		if (a->v[i] != b->v[i])
			return a->v[i] < b->v[i];
	return false;
}

/* A + B; returns the carry out of 384 bits. */
static limb add(struct number *ret, const struct number *a,
		const struct number *b)
{
	two_limbs sum = 0;

	for (size_t i = 0; i < LIMBS; i++) {
		sum += (two_limbs)a->v[i] + b->v[i];
		ret->v[i] = (limb)sum;
		sum >>= LIMB_BITS;
	}
	return (limb)sum;
}

/* A - B; returns 1 if that is below 0, and the result is 2^384 too large. */
static limb subtract(struct number *ret, const struct number *a,
		     const struct number *b)
{
	two_limbs difference;
	limb borrow = 0;

	for (size_t i = 0; i < LIMBS; i++) {
		difference = (two_limbs)a->v[i] - b->v[i] - borrow;
		ret->v[i] = (limb)difference;
		borrow = (limb)(difference >> LIMB_BITS) & 1;
	}
	return borrow;
}

/* --- modulo M: arguments and results are below M --- */

static void mod_add(struct number *ret, const struct number *a,
		    const struct number *b, const struct modulus *m)
{
	limb over = add(ret, a, b);

	if (over || !is_less(ret, &m->m))
		(void)subtract(ret, ret, &m->m);
}

static void mod_subtract(struct number *ret, const struct number *a,
			 const struct number *b, const struct modulus *m)
{
	if (subtract(ret, a, b))
		(void)add(ret, ret, &m->m);
}

/*
 * A * B / 2^384 mod M, one limb of B after the other ("CIOS" of Koc, Acar and
 * Kaliski, "Analyzing and comparing Montgomery multiplication algorithms",
 * 1996). T stays below 2 * M.
 */
static void mod_multiply(struct number *ret, const struct number *a,
			 const struct number *b, const struct modulus *m)
{
	limb t[LIMBS + 1] = { 0 }, over, q;
	two_limbs sum;
	struct number low;

	UNROLL
	for (size_t i = 0; i < LIMBS; i++) {
		sum = 0;
		UNROLL
		for (size_t j = 0; j < LIMBS; j++) {
			sum += (two_limbs)a->v[j] * b->v[i] + t[j];
			t[j] = (limb)sum;
			sum >>= LIMB_BITS;
		}
		sum += t[LIMBS];
		t[LIMBS] = (limb)sum;
		over = (limb)(sum >> LIMB_BITS);

		/*
		 * This multiple makes the lowest limb 0, which is then shifted
		 * out.
		 */
		q = (limb)(t[0] * (limb)m->negated_inverse);
		sum = (two_limbs)q * m->m.v[0] + t[0];
		sum >>= LIMB_BITS;
		UNROLL
		for (size_t j = 1; j < LIMBS; j++) {
			sum += (two_limbs)q * m->m.v[j] + t[j];
			t[j - 1] = (limb)sum;
			sum >>= LIMB_BITS;
		}
		sum += t[LIMBS];
		t[LIMBS - 1] = (limb)sum;
		t[LIMBS] = over + (limb)(sum >> LIMB_BITS);
	}
	memcpy(low.v, t, sizeof(low.v));
	if (t[LIMBS] || !is_less(&low, &m->m))
		(void)subtract(&low, &low, &m->m);
	*ret = low;
}

static void mod_square(struct number *ret, const struct number *a,
		       const struct modulus *m)
{
	mod_multiply(ret, a, a, m);
}

/*
 * Converts to the form of M. A product with a number that is not in that form
 * is not in it either.
 */
static void mod_enter(struct number *ret, const struct number *a,
		      const struct modulus *m)
{
	mod_multiply(ret, a, &m->squared, m);
}

/* 1 / A, by Fermat: A^(M - 2), M being prime. */
static void mod_invert(struct number *ret, const struct number *a,
		       const struct modulus *m)
{
	static const struct number two = { { 2 } };
	struct number exponent, result = m->one;

	(void)subtract(&exponent, &m->m, &two);
	for (size_t i = BITS; i-- > 0;) {
		mod_square(&result, &result, m);
		if (exponent.v[i / LIMB_BITS] >> i % LIMB_BITS & 1)
			mod_multiply(&result, &result, a, m);
	}
	*ret = result;
}

/* --- points --- */

/* (X / Z^2, Y / Z^3), in the field's form; Z is 0: the point at infinity. */
struct point {
	struct number x, y, z;
};

static void multiply(struct number *ret, const struct number *a,
		     const struct number *b)
{
	mod_multiply(ret, a, b, &field);
}

static void square(struct number *ret, const struct number *a)
{
	mod_square(ret, a, &field);
}

static void plus(struct number *ret, const struct number *a,
		 const struct number *b)
{
	mod_add(ret, a, b, &field);
}

static void minus(struct number *ret, const struct number *a,
		  const struct number *b)
{
	mod_subtract(ret, a, b, &field);
}

/*
 * 2 * P, for a = -3: "dbl-2001-b" of the Explicit-Formulas Database. Infinity
 * stays there. No point of this curve has order 2.
 */
static void point_double(struct point *p)
{
	struct number delta, gamma, beta, alpha, t;

	square(&delta, &p->z);
	square(&gamma, &p->y);
	multiply(&beta, &p->x, &gamma);
	/* alpha = 3 * (x - delta) * (x + delta) */
	minus(&t, &p->x, &delta);
	plus(&alpha, &p->x, &delta);
	multiply(&t, &t, &alpha);
	plus(&alpha, &t, &t);
	plus(&alpha, &alpha, &t);
	/* z = (y + z)^2 - gamma - delta */
	plus(&t, &p->y, &p->z);
	square(&t, &t);
	minus(&t, &t, &gamma);
	minus(&p->z, &t, &delta);
	/* x = alpha^2 - 8 * beta */
	plus(&beta, &beta, &beta);
	plus(&beta, &beta, &beta); /* 4 * beta */
	plus(&t, &beta, &beta);
	square(&p->x, &alpha);
	minus(&p->x, &p->x, &t);
	/* y = alpha * (4 * beta - x) - 8 * gamma^2 */
	minus(&t, &beta, &p->x);
	multiply(&t, &alpha, &t);
	square(&gamma, &gamma);
	plus(&gamma, &gamma, &gamma);
	plus(&gamma, &gamma, &gamma);
	plus(&gamma, &gamma, &gamma);
	minus(&p->y, &t, &gamma);
}

/* P + Q: "add-1998-cmo-2", with the cases that it leaves out. */
static void point_add(struct point *p, const struct point *q)
{
	struct number z1z1, z2z2, u1, u2, s1, s2, h, r, hh, hhh, v;

	if (is_zero(&q->z))
		return;
	if (is_zero(&p->z)) {
		*p = *q;
		return;
	}
	square(&z1z1, &p->z);
	square(&z2z2, &q->z);
	multiply(&u1, &p->x, &z2z2);
	multiply(&u2, &q->x, &z1z1);
	multiply(&s1, &p->y, &q->z);
	multiply(&s1, &s1, &z2z2);
	multiply(&s2, &q->y, &p->z);
	multiply(&s2, &s2, &z1z1);
	minus(&h, &u2, &u1);
	minus(&r, &s2, &s1);
	if (is_zero(&h)) {
		/* The same point, or its opposite. */
		if (is_zero(&r))
			point_double(p);
		else
			memset(p, 0, sizeof(*p));
		return;
	}
	square(&hh, &h);
	multiply(&hhh, &h, &hh);
	multiply(&v, &u1, &hh);
	/* z = z1 * z2 * h */
	multiply(&p->z, &p->z, &q->z);
	multiply(&p->z, &p->z, &h);
	/* x = r^2 - hhh - 2 * v */
	square(&p->x, &r);
	minus(&p->x, &p->x, &hhh);
	minus(&p->x, &p->x, &v);
	minus(&p->x, &p->x, &v);
	/* y = r * (v - x) - s1 * hhh */
	minus(&v, &v, &p->x);
	multiply(&v, &r, &v);
	multiply(&s1, &s1, &hhh);
	minus(&p->y, &v, &s1);
}

/* --- sums of multiples --- */

/*
 * Digits of a number to the base 2, odd from -15 to 15, or 0; of any WINDOW
 * neighbouring digits at most one is not 0 (the "width-w NAF" of Hankerson,
 * Menezes and Vanstone, "Guide to Elliptic Curve Cryptography", 3.35).
 */
enum { WINDOW = 5, ODD = 1 << (WINDOW - 2), DIGITS = BITS + 1 };

static int bit(const struct number *k, size_t i)
{
	return i < BITS ? (int)(k->v[i / LIMB_BITS] >> i % LIMB_BITS & 1) : 0;
}

static void to_digits(int8_t digits[DIGITS], const struct number *k)
{
	int carry = 0, digit;
	size_t i = 0;

	memset(digits, 0, DIGITS);
	while (i < DIGITS) {
		if (bit(k, i) == carry) { /* its bit is 0, with the carry */
			i++;
			continue;
		}
		digit = carry;
		for (size_t j = 0; j < WINDOW; j++)
			digit += bit(k, i + j) << j;
		carry = digit >= 1 << (WINDOW - 1);
		digits[i] = (int8_t)(digit - (carry << WINDOW));
		i += WINDOW;
	}
}

/* P, 3 * P, 5 * P, ... */
static void odd_multiples(struct point table[ODD], const struct point *p)
{
	struct point twice = *p;

	point_double(&twice);
	table[0] = *p;
	for (size_t i = 1; i < ODD; i++) {
		table[i] = table[i - 1];
		point_add(&table[i], &twice);
	}
}

static void add_digit(struct point *sum, const struct point table[ODD],
		      int digit)
{
	static const struct number zero = { { 0 } };
	struct point p;

	if (digit == 0)
		return;
	p = table[(digit < 0 ? -digit : digit) / 2];
	if (digit < 0)
		minus(&p.y, &zero, &p.y);
	point_add(sum, &p);
}

/* U * base point + V * Q, with shared doublings. */
static void sum_of_multiples(struct point *ret, const struct number *u,
			     const struct number *v, const struct point *q)
{
	const struct point base = { base_x, base_y, field.one };
	struct point of_base[ODD], of_q[ODD], sum = { .z = { { 0 } } };
	int8_t u_digits[DIGITS], v_digits[DIGITS];

	odd_multiples(of_base, &base);
	odd_multiples(of_q, q);
	to_digits(u_digits, u);
	to_digits(v_digits, v);
	for (size_t i = DIGITS; i-- > 0;) {
		point_double(&sum);
		add_digit(&sum, of_base, u_digits[i]);
		add_digit(&sum, of_q, v_digits[i]);
	}
	*ret = sum;
}

/* --- keys and signatures --- */

/* y^2 = x^3 - 3 * x + b, coordinates below the field's modulus. */
static bool read_key(const uint8_t bytes[ES384_POINT], struct point *ret)
{
	struct number x = from_bytes(bytes + 1),
		      y = from_bytes(bytes + 1 + BYTES);
	struct number left, right, t;

	if (bytes[0] != 0x04 || !is_less(&x, &field.m) ||
	    !is_less(&y, &field.m))
		return false;
	mod_enter(&ret->x, &x, &field);
	mod_enter(&ret->y, &y, &field);
	ret->z = field.one;
	square(&left, &ret->y);
	square(&right, &ret->x);
	multiply(&right, &right, &ret->x);
	plus(&t, &ret->x, &ret->x);
	plus(&t, &t, &ret->x);
	minus(&right, &right, &t);
	plus(&right, &right, &curve_b);
	return is_equal(&left, &right);
}

bool es384_is_key(const uint8_t point[ES384_POINT])
{
	struct point p;

	return read_key(point, &p);
}

/* True if the x of P, as a number, is R modulo the order. */
static bool has_x(const struct point *p, const struct number *r)
{
	struct number x = *r, zz, product;

	square(&zz, &p->z);
	/* A number below the field's modulus, which is larger than the order. */
	for (;;) {
		mod_enter(&product, &x, &field);
		multiply(&product, &product, &zz);
		if (is_equal(&product, &p->x))
			return true;
		if (add(&x, &x, &order.m) || !is_less(&x, &field.m))
			return false;
	}
}

bool es384_verify(const uint8_t hash[ES384_HASH],
		  const uint8_t sig[ES384_SIGNATURE],
		  const uint8_t point[ES384_POINT])
{
	struct number e = from_bytes(hash), r = from_bytes(sig);
	struct number s = from_bytes(sig + BYTES), w, u, v;
	struct point q, sum;

	if (!read_key(point, &q))
		return false;
	if (is_zero(&r) || !is_less(&r, &order.m) || is_zero(&s) ||
	    !is_less(&s, &order.m))
		return false;
	if (!is_less(&e, &order.m))
		(void)subtract(&e, &e, &order.m);

	/*
	 * u = e / s, v = r / s. E and R are not in Montgomery's form, so U and
	 * V are not either.
	 */
	mod_enter(&w, &s, &order);
	mod_invert(&w, &w, &order);
	mod_multiply(&u, &e, &w, &order);
	mod_multiply(&v, &r, &w, &order);
	sum_of_multiples(&sum, &u, &v, &q);
	return !is_zero(&sum.z) && has_x(&sum, &r);
}
