"""TLS to KMS: which servers are believed, by which time, and what is said of the others. No request leaves before."""

import time

from .lib import PATIENT, SECRET, Dripping, Failure, check, run, same, soon, test, world
from .pki import BAD, GOOD, PATH_OF_ROOT

YEAR = 365 * 86400


def believed(**kms: object) -> None:
    with world(**kms) as w:
        w.decrypt().is_(0, out=SECRET)
        same(w.kms.names, [w.kms.host], "the names asked for")


def not_believed(name: str, connections: int | None = 1, **kms: object) -> str:
    """No request comes, whatever the client tries."""
    with world(**kms) as w:
        try:
            done = w.fails(name)
        except Failure as e:
            raise Failure(f"{kms}: {e}") from None
        same(w.kms.seen, [], "requests")
        if connections is not None:
            same(len(w.kms.connections), connections, "connections")
        return done.err


@test(seconds=4)
def every_shape_of_chain_is_believed():
    """RSA of 2048 and 4096 bits, P-256, P-384, a mixed one, cross-signed as ACM sends it, a wildcard, in another order."""
    for name in GOOD:
        believed(chain=name)


@test(seconds=2)
def a_cross_signed_chain_ends_at_each_root():
    """At root 1 if that is trusted, and at the one that has signed it if only that is."""
    believed(chain="five", roots=1)
    believed(chain="five", roots=5)


@test(seconds=2)
def another_root_alone_is_not_enough():
    """Of five roots the chain needs its own."""
    for number in PATH_OF_ROOT:
        if number != 1:
            not_believed("CERTIFICATE", chain="rsa", roots=number)


@test(seconds=3)
def every_bad_chain_is_refused():
    """Expired, not yet valid, of another name, root or use; MD5 and SHA-1; 1024 bits; an intermediate that is none, or absent."""
    words = {"expired": "expired", "not-yet": "not valid before", "wrong-name": "kms.eu-west-1.amazonaws.com",
             "name-in-cn-only": "kms.eu-west-1.amazonaws.com", "expired-intermediate": "expired"}
    for name in BAD:
        said = not_believed("CERTIFICATE", chain=name)
        check(words.get(name, "") in said, f"{name}: {said}")


@test
def amazons_roots_are_built_in():
    """Without --ca the root of a test is nobody's."""
    with world() as w:
        done = run("decrypt", *PATIENT, "--json", "--region", "eu-west-1", "--connect", w.address, "--credentials", w.credentials, "--key", w.key.arn,
                   w.secret_file, env=w.env)
        done.fails("CERTIFICATE")
        same(w.kms.seen, [], "requests")


@test(seconds=2)
def tls_1_2_is_spoken():
    """By its suites with forward secrecy and AEAD, on either curve, with or without ALPN, also if the server would rather have h2."""
    for how in ("1.2", "p384", "no-alpn", "h2"):
        believed(tls=how)


@test(seconds=2)
def older_and_weaker_tls_is_not():
    """TLS 1.0 and 1.1, no certificate at all, RSA without forward secrecy, CBC with SHA-1."""
    for how in ("1.0", "1.1", "anonymous", "static-rsa", "cbc"):
        not_believed("TLS", connections=None, tls=how)


@test(seconds=2)
def handshakes_that_break_are_told():
    """The end of the connection before or in the handshake, bytes that are no TLS, plain HTTP: what vsock-proxy makes of a dead server."""
    for fault, name in (("closed-at-once", "CLOSED"), ("reset-at-once", "CLOSED"), ("eof-in-handshake", "CLOSED"), ("garbage-in-handshake", "TLS"),
                         ("plain-http", "TLS"), ("closed-after-handshake", "CLOSED")):
        with world() as w:
            w.kms.always = fault
            done = w.decrypt("--json", "--attempts", 2)
            # A reset may come before connect has ended.
            is_early = fault == "reset-at-once" and done.error["code"] == "KMSC_E_CONNECT"
            done.fails("CONNECT" if is_early else name)


@test(seconds=4)
def silence_ends_with_the_calls_time():
    """A server, or a proxy whose workers are taken, that says nothing: before the handshake, after it, before or within an answer."""
    for fault in ("silent", "silent-after-handshake", "silent-before-answer", "silent-in-answer"):
        with world() as w:
            w.kms.always = fault
            soon(lambda w=w: w.fails("TIMEOUT", more=("--timeout", 2)).seconds, 60, f"a call of two seconds, {fault}")


@test(seconds=3)
def a_way_of_single_bytes_is_as_good():
    """Each byte of the handshake, the request and the answer arrives alone."""
    with world() as w, Dripping(w.kms.port) as way:
        w.decrypt(connect=f"tcp:127.0.0.1:{way.port}").is_(0, out=SECRET)


@test
def a_chain_that_is_too_long_is_refused():
    """Two hundred certificates: no memory is taken for them all."""
    with world() as w:
        pem, key = w.kms.pki.chain("rsa")
        leaf, middle = pem.split(b"-----END CERTIFICATE-----\n")[:2]
        end = b"-----END CERTIFICATE-----\n"
        (w.kms.path / "cert.pem").write_bytes(leaf + end + (middle + end) * 200)
        w.kms._context.load_cert_chain(w.kms.path / "cert.pem", w.kms.path / "key.pem")
        w.fails("TLS")
        same(w.kms.seen, [], "requests")


@test
def certificates_are_judged_by_the_nsms_time():
    """The machine's clock is a year behind the NSM's and KMS's; the NSM's is a year ahead of a certificate."""
    believed(now=lambda: time.time() + YEAR)
    believed(now=lambda: time.time() - YEAR)
    with world() as w:
        w.nsm.clock_off_s = YEAR
        w.fails("CERTIFICATE", "expired")
        same(w.kms.seen, [], "requests")


@test(seconds=2)
def endpoints_of_all_regions_are_named_right():
    """The name asked for by TLS, and the Host signed: regions of other partitions, FIPS, dual-stack, a VPC's."""
    for region, host, words in (
            ("us-east-1", "kms.us-east-1.amazonaws.com", ()), ("cn-north-1", "kms.cn-north-1.amazonaws.com.cn", ()),
            ("us-gov-west-1", "kms.us-gov-west-1.amazonaws.com", ()), ("eusc-de-east-1", "kms.eusc-de-east-1.amazonaws.eu", ()),
            ("us-east-2", "kms-fips.us-east-2.amazonaws.com", ("--fips",)), ("eu-west-1", "kms.eu-west-1.api.aws", ("--dual-stack",)),
            ("eu-west-1", "vpce-0a1.kms.eu-west-1.vpce.amazonaws.com", ("--endpoint", "vpce-0a1.kms.eu-west-1.vpce.amazonaws.com"))):
        with world(region=region, host=host) as w:
            w.key.arn = w.key.arn.replace("arn:aws:", "arn:aws-cn:" if region.startswith("cn-") else "arn:aws-us-gov:" if "gov" in region
                                          else "arn:aws-eusc:" if region.startswith("eusc") else "arn:aws:")
            w.kms.keys = {w.key.arn: w.key}
            w.secret_file.write_bytes(w.kms.encrypt(w.key, SECRET, {"app": "orders"}))
            w.decrypt(*words, region=region).is_(0, out=SECRET)
            same((w.kms.names, w.kms.seen[0].headers["host"]), ([host], host), "names")


