"""
ECDSA on P-384, with limbs of 64 bits and of 32, against OpenSSL's by python3-cryptography: signatures that
OpenSSL makes, and such as nobody would make, calculated backwards from where the verifier has to come out.
"""

import random
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (Prehashed, decode_dss_signature,
                                                             encode_dss_signature)

from . import lib
from .ca import ORDER

PROGRAMS = ("es384", "es384_32")
# SP 800-186, 3.2.1.4: y^2 = x^3 - 3 * x + B modulo FIELD.
FIELD = 2**384 - 2**128 - 2**96 + 2**32 - 1
B = int("b3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875a"
        "c656398d8a2ed19d2a85c8edd3ec2aef", 16)
TOP = 2**384 - 1
CURVE = ec.SECP384R1()
PREHASHED = ec.ECDSA(Prehashed(hashes.SHA384()))


# --- points ------------------------------------------------------------------

Point = tuple[int, int] | None  # None: at infinity


def plus(a: Point, b: Point) -> Point:
    if a is None or b is None:
        return b if a is None else a
    if a[0] == b[0]:
        if (a[1] + b[1]) % FIELD == 0:
            return None
        slope = (3 * a[0] * a[0] - 3) * pow(2 * a[1], -1, FIELD)
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, FIELD)
    x = (slope * slope - a[0] - b[0]) % FIELD
    return x, (slope * (a[0] - x) - a[1]) % FIELD


def minus(a: Point) -> Point:
    return a and (a[0], -a[1] % FIELD)


def times(k: int, a: Point) -> Point:
    out = None
    for bit in bin(k % ORDER)[2:]:
        out = plus(out, out)
        if bit == "1":
            out = plus(out, a)
    return out


def of_base(k: int) -> Point:
    """K times the base point, by OpenSSL, which is faster."""
    if k % ORDER == 0:
        return None
    numbers = ec.derive_private_key(k % ORDER, CURVE).public_key().public_numbers()
    return numbers.x, numbers.y


def with_x(x: int) -> Point:
    """A point of that X; None: there is none."""
    square = (x**3 - 3 * x + B) % FIELD
    y = pow(square, (FIELD + 1) // 4, FIELD)  # a root, since FIELD is 3 modulo 4
    return (x, y) if y * y % FIELD == square else None


def from_x(x: int) -> Point:
    """The first point whose x is X or more."""
    while not (point := with_x(x)):
        x += 1
    return point


def with_y(y: int) -> Point:
    """A point of that Y, where there is just one: the root of a cubic, x^FIELD - x having all roots."""
    c = (B - y * y) % FIELD

    def product(a: tuple[int, int, int], b: tuple[int, int, int]) -> tuple[int, int, int]:
        """Modulo x^3 - 3 * x + c; the coefficients of 1, x and x^2."""
        n = [sum(a[i] * b[k - i] for i in range(3) if 0 <= k - i < 3) for k in range(5)]
        return (n[0] - c * n[3]) % FIELD, (n[1] + 3 * n[3] - c * n[4]) % FIELD, (n[2] + 3 * n[4]) % FIELD
    power = (1, 0, 0)
    for bit in bin(FIELD)[2:]:
        power = product(power, power)
        if bit == "1":
            power = product(power, (0, 1, 0))
    if power[2] == 0:
        return None
    one, zero = (n * pow(power[2], -1, FIELD) for n in (power[1] - 1, power[0]))
    # The rest of the cubic after division by x^2 + one * x + zero.
    x = (one * zero + c) * pow(zero + 3 - one * one, -1, FIELD) % FIELD
    return (x, y) if (x**3 - 3 * x + c) % FIELD == 0 else None


# --- cases -------------------------------------------------------------------

def b48(n: int) -> bytes:
    return n.to_bytes(48, "big")


def encoded(point: Point) -> bytes:
    assert point
    return b"\4" + b48(point[0]) + b48(point[1])


@dataclass
class Case:
    name: str
    key: bytes
    hash: bytes
    r: int
    s: int
    want: str = ""  # what it has to be; "": what OpenSSL says


def openssl(c: Case) -> str:
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(CURVE, c.key)
    except ValueError:
        return "no key"
    try:
        key.verify(encode_dss_signature(c.r, c.s), c.hash, PREHASHED)
    except InvalidSignature:
        return "bad"
    return "good"


def hold(cases: list[Case]) -> None:
    """Both programs say of CASES what OpenSSL says, and that is what it has to be."""
    jobs = "".join(f"{(c.hash + b48(c.r) + b48(c.s) + c.key).hex()}\n" for c in cases)

    def run(name: str) -> list[str]:
        program = lib.TOP / f"build/host/interop/{name}"
        if not program.exists():
            raise lib.Skip(f"no {program.relative_to(lib.TOP)}")
        done = subprocess.run([program], input=jobs, text=True, capture_output=True, timeout=300)
        lines = done.stdout.splitlines()
        lib.check(done.returncode == 0 and len(lines) == len(cases),
                  f"{name} broke at '{cases[min(len(lines), len(cases) - 1)].name}': {done.stderr}")
        return lines
    with ThreadPoolExecutor(2) as pool:
        answers = [*pool.map(run, PROGRAMS)]
    wrong = []
    for c, *said in zip(cases, *answers):
        right = openssl(c)
        if c.want and right != c.want:
            wrong.append(f"{c.name}: OpenSSL says {right}, not {c.want}")
        wrong += [f"{c.name}: {program} says {got}, OpenSSL {right}"
                  for program, got in zip(PROGRAMS, said) if got != right]
    lib.check(not wrong, f"{len(wrong)} of {len(cases)}: " + "; ".join(wrong[:20]))


def lead_to(name: str, key: Point, u: int, v: int, sum_: Point, want: str = "good", r: int = 0) -> Case:
    """
    The signature by which a verifier calculates U * base point + V * KEY, which is SUM_. R: what its x is held
    against, if not that.
    """
    r = r or (sum_[0] % ORDER if sum_ else 1)
    s = r * pow(v, -1, ORDER) % ORDER
    return Case(name, encoded(key), b48(u * s % ORDER), r, s, want)


def multiples(name: str, u: int, v: int, k: int, want: str = "") -> Case:
    """The same for the key K * base point. Infinity is no signature, whatever r is."""
    total = of_base(u + v * k)
    return lead_to(f"{name}: {u} * G + {v} * {k} * G", of_base(k), u, v, total, want or ("good" if total else "bad"))


class Random(random.Random):
    """The same in each run."""

    def number(self) -> int:
        return self.randrange(1, ORDER)

    def signature(self, hash_: bytes | None = None) -> Case:
        """By OpenSSL."""
        private = ec.derive_private_key(self.number(), CURVE)
        numbers = private.public_key().public_numbers()
        hash_ = self.randbytes(48) if hash_ is None else hash_
        return Case("made by OpenSSL", encoded((numbers.x, numbers.y)), hash_,
                    *decode_dss_signature(private.sign(hash_, PREHASHED)), "good")


def altered(c: Case, name: str, want: str = "", **what: object) -> Case:
    return Case(name, **{k: what.get(k, getattr(c, k)) for k in ("key", "hash", "r", "s")}, want=want)


# --- tests -------------------------------------------------------------------

@lib.test(3)
def a_signature_is_good_until_a_bit_is_flipped() -> None:
    """Of OpenSSL's signatures, with s and with -s; a bit of hash, r, s or key makes it bad."""
    noise, cases = Random(1), []
    for i in range(60):
        good = noise.signature()
        bit = noise.randrange(384)
        turned = b48(int.from_bytes(good.hash, "big") ^ 1 << bit)
        at = 1 + noise.randrange(96)
        key = good.key[:at] + bytes([good.key[at] ^ 1 << i % 8]) + good.key[at + 1:]
        cases += [
            good, altered(good, "-s", "good", s=ORDER - good.s),
            altered(good, f"bit {bit} of the hash", "bad", hash=turned),
            altered(good, f"bit {bit} of r", "bad", r=good.r ^ 1 << bit),
            altered(good, f"bit {bit} of s", "bad", s=good.s ^ 1 << bit),
            altered(good, f"a bit of byte {at} of the key", "no key", key=key),
            altered(good, "by another key", "bad", key=encoded(of_base(i + 1))),
            altered(good, "the opposite key", "bad", key=encoded(minus(
                (int.from_bytes(good.key[1:49], "big"), int.from_bytes(good.key[49:], "big"))))),
            altered(good, "r and s changed", "bad", r=good.s, s=good.r),
            altered(good, "-r", "bad", r=ORDER - good.r),
        ]
    hold(cases)


@lib.test
def numbers_out_of_range_are_no_signature() -> None:
    """r and s are 1 to the order - 1; what is equal modulo the order is not enough."""
    edges = (0, 1, 2, ORDER - 1, ORDER, ORDER + 1, FIELD - 1, FIELD, FIELD + 1, TOP)
    inside = range(1, ORDER)
    good = Random(2).signature()
    cases = [altered(good, f"r = {r:x}, s = {s:x}", "bad", r=r, s=s) for r in edges for s in edges]
    for e in edges:
        cases += [altered(good, f"r = {e:x}", "bad", r=e), altered(good, f"s = {e:x}", "bad", s=e)]
    # Signatures that are good but for a number that is the order too large: with R and s that are small.
    room = TOP - ORDER
    for i in range(8):
        v = Random(20 + i).number()
        point = from_x(room // 2 >> 7 * i)
        key = times(pow(v, -1, ORDER), plus(point, minus(of_base(i))))
        small_r = lead_to(f"a small r, {i}", key, i, v, point)
        # s = r / v: v is chosen, and so is what the key is.
        s = (room >> i) - i
        total = of_base(1000 + i)
        u, w = i + 1, total[0] * pow(s, -1, ORDER) % ORDER
        key = times(pow(w, -1, ORDER), plus(total, minus(of_base(u))))
        small_s = lead_to(f"a small s, {i}", key, u, w, total)
        assert small_r.r in inside and small_s.s == s and s in inside
        cases += [small_r, altered(small_r, f"r + order, {i}", "bad", r=small_r.r + ORDER),
                  small_s, altered(small_s, f"s + order, {i}", "bad", s=s + ORDER)]
    hold(cases)


@lib.test
def any_hash_counts_modulo_the_order() -> None:
    """0, the order, and what is above it: a number of 48 bytes."""
    noise, cases = Random(3), []
    numbers = [0, 1, 2, ORDER - 1, ORDER, ORDER + 1, FIELD - 1, FIELD, TOP - 1, TOP, 2**383, 2**383 - 1]
    numbers += [noise.randrange(ORDER, TOP) for _ in range(20)]
    for n in numbers:
        good = noise.signature(b48(n))
        cases.append(altered(good, f"the hash {n:x}", "good"))
        for other in (n + ORDER, n - ORDER):
            if 0 <= other <= TOP:
                cases.append(altered(good, f"{other:x} for the hash {n:x}", "good", hash=b48(other)))
        for other in (n + 1, n - 1, TOP - n):
            if 0 <= other <= TOP and (other - n) % ORDER:
                cases.append(altered(good, f"{other:x} for the hash {n:x}", "bad", hash=b48(other)))
    hold(cases)


@lib.test(4)
def any_sum_of_multiples_is_as_openssl_has_it() -> None:
    """u * base point + v * key, of few bits and many, runs of zeros and ones, with keys whose secret is known."""
    noise, cases = Random(4), []
    ones = [2**384 - 2**(384 - n) for n in (1, 5, 64, 100)] + [2**n - 1 for n in (4, 5, 6, 64, 65, 383)]
    special = [1, 2, 3, 15, 16, 17, 31, 32, ORDER - 1, ORDER - 2, ORDER - 16, ORDER // 2, ORDER // 2 + 1,
               *(n % ORDER for n in ones), *(2**n for n in (63, 64, 127, 128, 320, 382, 383))]
    for i in range(160):
        u, v, k = (noise.choice((noise.number(), noise.choice(special), noise.randrange(1, 256))) for _ in range(3))
        cases.append(multiples(f"sum {i}", 0 if i % 10 == 0 else u, v, k))
    cases += [multiples("special", u, v, 7) for u, v in zip(special, special[::-1])]
    cases += [multiples("only the key", 0, v, 1) for v in special]
    for c in cases[::4]:
        cases += [altered(c, f"{c.name}, but r + 1", "bad", r=c.r % (ORDER - 1) + 1),
                  altered(c, f"{c.name}, but another hash", "bad", hash=b48((int.from_bytes(c.hash, "big") + 1) % ORDER))]
    hold(cases)


@lib.test(3)
def equal_and_opposite_points_are_added_rightly() -> None:
    """A sum meets the point itself, its opposite or infinity: at each place, and as the last thing."""
    noise, cases = Random(5), []
    # All sums of small multiples: the verifier's tables hold 1 to 15, odd, of both points.
    for k in (1, -1, 2, -2, 3, -3, 5, -7, 15, -15, 16):
        for _ in range(20):
            u, v = noise.randrange(-33, 34), noise.choice((1, -1)) * noise.randrange(1, 34)
            cases.append(multiples("small", u, v, k))
        # Infinity, from any place on: then more.
        for shift in (0, 1, 7, 64, 200):
            more = noise.randrange(16) if shift > 5 else 0
            cases.append(multiples("infinity on the way", (-k << shift) + more, (1 << shift) + more, k))
            cases.append(multiples("equal on the way", (k << shift) + more, (1 << shift) + more, k))
    for i in range(30):
        k, v = noise.number(), noise.number()
        # The last digit of v to the base 2, -15 to 15, comes last: what was there before is the same, or
        # its opposite.
        digit = (v + 16) % 32 - 16 if v % 2 else 0
        cases += [multiples("a doubling at the end", (2 * digit - v) * k % ORDER, v, k),
                  multiples("u * base = v * key", v * k % ORDER, v, k),
                  multiples("u * base = -v * key", -v * k % ORDER, v, k, "bad")]
        # The same of u's, where v has none.
        u = noise.number() | 1
        v &= ~1
        digit = (u + 16) % 32 - 16
        k = (2 * digit - u) * pow(v, -1, ORDER) % ORDER
        cases.append(multiples("a doubling of the base at the end", u, v, k))
    # Infinity has no x: no r will do, and not 0 either.
    for r in (1, 2, ORDER - 1, noise.number()):
        cases.append(lead_to(f"infinity, r = {r:x}", of_base(5), -5 * 9 % ORDER, 9, None, "bad", r))
    hold(cases)


@lib.test(3)
def an_x_at_and_above_the_order_counts_modulo_it() -> None:
    """The field is larger than the order: an x of order + r has the signature's r, but no other x has."""
    noise, cases = Random(6), []

    def by_way_of(name: str, point: Point, **more: object) -> Case:
        """A signature that leads to POINT, of a key whose secret nobody knows."""
        # The inverse of V is small, which no verifier sees: Python's multiplication is the slow part.
        u, inverse = noise.number(), noise.randrange(2, 1 << 24)
        key = times(inverse, plus(point, minus(of_base(u))))
        return lead_to(name, key, u, pow(inverse, -1, ORDER), point, **more)
    gap = FIELD - ORDER
    for i, start in enumerate([ORDER + 1, FIELD - 40, *(noise.randrange(ORDER, FIELD - 100) for _ in range(14))]):
        point = from_x(start)
        assert ORDER < point[0] < FIELD
        cases += [by_way_of(f"x = order + {point[0] - ORDER:x}", point),
                  by_way_of(f"its opposite, {i}", minus(point)),
                  by_way_of(f"r is 1 off, {i}", point, r=point[0] - ORDER + 1, want="bad"),
                  by_way_of(f"r is x itself, {i}", point, r=point[0], want="bad")]
    for start in (1, 2, gap - 40, *(noise.randrange(gap) for _ in range(6))):
        point = from_x(start)
        cases.append(by_way_of(f"x = {point[0]:x}", point))
    # r, or r + order, is then above the field, and is x modulo the field: another number.
    for start in (1, 2**64, 2**127):
        point = from_x(start)
        cases += [by_way_of(f"r = {point[0]:x} + field", point, r=point[0] + FIELD, want="bad"),
                  by_way_of(f"r = {point[0]:x} + field - order", point, r=point[0] + gap, want="bad")]
    # r + order is then above 2^384, and is x modulo that.
    for start in (1, 2**64, 2**188):
        point = from_x(start)
        cases.append(by_way_of(f"r = {point[0]:x} + 2^384 - order", point, r=point[0] + 2**384 - ORDER, want="bad"))
    hold(cases)


@lib.test
def only_a_point_of_the_curve_is_a_key() -> None:
    """Coordinates below the field, the equation, the first byte: of points at the edges, too."""
    noise, cases = Random(7), []
    base = of_base(1)
    starts = [0, 1, 2, 2**64, 2**127, FIELD - 60, FIELD // 2, ORDER, 2**383, 2**128, 2**32 - 1]
    points = [base, minus(base), *(of_base(k) for k in (2, 3, 15, 16, ORDER - 2, noise.number()))]
    points += [q for start in starts for p in [from_x(start)] for q in (p, minus(p))]
    points += [p for x in range(FIELD - 10, FIELD) if (p := with_x(x))]
    for y in (*range(1, 5), *range(2**127, 2**127 + 4)):
        if p := with_y(y):
            points += [p, minus(p)]
    # As the library keeps them, times 2^384, the squares of these y are just 0 and more: calculated as just FIELD
    # and more, which 384 bits hold.
    for start in (1, 2**64, 2**128):
        at = start
        while not (root := pow(at * pow(2**384, -1, FIELD), (FIELD + 1) // 4, FIELD)) or \
                root * root * 2**384 % FIELD != at or not (point := with_y(root)):
            at += 1
        points += [point, minus(point)]
    for i, point in enumerate(points):
        u, v = noise.number(), noise.number()
        key = f"key {i}, x = {point[0]:x}"
        good = lead_to(key, point, u, v, plus(of_base(u), times(v, point)))
        at = encoded(point)
        cases += [good, altered(good, f"{key}, a bit of r", "bad", r=good.r ^ 2)]
        cases += [altered(good, f"{key}, first byte {first}", "no key", key=bytes([first]) + at[1:])
                  for first in (0, 1, 2, 3, 5, 6, 7, 0x84, 0xff)]
        x, y = point
        others = {"y + 1": (x, y + 1), "x + 1": (x + 1, y), "y = 0": (x, 0), "exchanged": (y, x),
                  "y of the twist": (x, FIELD // 2), "x = 0": (0, y), "x = field": (FIELD, y), "y = field": (x, FIELD),
                  "x = 2^384 - 1": (TOP, y), "y = 2^384 - 1": (x, TOP)}
        cases += [altered(good, f"{key}: {what}", "no key", key=encoded(p))
                  for what, p in others.items() if p != point and max(p) <= TOP]
        # The same points, their numbers larger by the field.
        cases += [altered(good, f"{key}, + field", "no key", key=encoded(p))
                  for p in ((x + FIELD, y), (x, y + FIELD)) if max(p) <= TOP]
    cases += [Case(f"all bytes {n}", bytes([4]) + bytes([n]) * 96, bytes(48), 1, 1, "no key") for n in (0, 1, 0xff)]
    hold(cases)
