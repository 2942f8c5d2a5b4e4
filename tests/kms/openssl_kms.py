"""openssl s_server as the peer of the client's TLS: what a server that nobody here wrote may do within the protocol, and against it."""

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .client_kms import Called, call
from .fake_kms import FakeKms
from .lib import REGION, World, check, folder, free_port, same, test, wait_for
from .nsm import Nsm
from .pki import Pki

BODY = '{"__type":"NotFoundException","message":"said by s_server"}'
ANSWER = f"HTTP/1.1 400 Bad Request\nContent-Length: {len(BODY) + 2}\n\n{BODY}\n"  # -crlf makes its line ends


class Server:
    """What is written to its stdin it sends; a line of one letter is a command (R: renegotiate)."""

    def __init__(self, path: Path, *options: str, chain: str = "rsa") -> None:
        host = f"kms.{REGION}.amazonaws.com"
        pki = Pki(host, time.time())
        certs, key = pki.chain(chain)
        for name, data in (("certs", certs), ("key", key), ("ca", pki.bundle)):
            (path / name).write_bytes(data)
        self.port = free_port()
        self.process = subprocess.Popen(
            ["openssl", "s_server", "-accept", f"127.0.0.1:{self.port}", "-cert", path / "certs", "-cert_chain", path / "certs",
             "-key", path / "key", "-crlf", *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.said = b""
        threading.Thread(target=self._read, daemon=True).start()
        wait_for(lambda: b"ACCEPT" in self.said or self.process.poll() is not None, "s_server")
        check(self.process.poll() is None, f"s_server: {self.said!r}")

    def _read(self) -> None:
        assert self.process.stdout
        while data := self.process.stdout.read1(4096):
            self.said += data

    def type(self, text: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def server(*options: str, **how: str) -> Iterator[tuple[World, Server]]:
    with folder() as path, Nsm() as nsm, FakeKms(nsm.root.read_bytes()) as kms:
        s = Server(path, *options, **how)
        w = World(nsm, kms, path)
        try:
            yield w, s
        finally:
            s.end()


def ask(w: World, s: Server, meanwhile: object = None, **members: object) -> Called:
    """A call, during which MEANWHILE runs as soon as the request has come whole."""
    done: list[Called] = []
    members = {"attempts": 1, **members}
    t = threading.Thread(target=lambda: done.append(
        call(w, "GenerateRandom", bytes=8, region=REGION, connect=f"tcp:127.0.0.1:{s.port}", ca=w.path / "ca", **members)))
    t.start()
    if meanwhile:
        wait_for(lambda: b"AttestationDocument" in s.said and b'"}}' in s.said or not t.is_alive(), "the request")
        meanwhile()
    t.join()
    return done[0]


@test(seconds=3)
def s_server_gets_a_request_and_its_answer_is_read():
    """With each of the four suites, handshakes in pieces, RSA and ECDSA; its error is KMS's."""
    for options, chain in (((), "rsa"), (("-cipher", "ECDHE-RSA-AES256-GCM-SHA384"), "rsa"),
                           (("-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"), "ecdsa"),
                           (("-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384", "-named_curve", "secp384r1"), "ecdsa384"),
                           (("-max_send_frag", "512", "-split_send_frag", "256"), "rsa4096")):
        with server("-tls1_2", *options, chain=chain) as (w, s):
            a = ask(w, s, lambda: s.type(ANSWER))
            a.refused("KMSC_E_NOT_FOUND", "NotFoundException: said by s_server")
            check(b"X-Amz-Target: TrentService.GenerateRandom" in s.said, f"{options}: {s.said[-2000:]!r}")
            check(b"Host: kms.eu-west-1.amazonaws.com" in s.said, f"{options}: {s.said[-2000:]!r}")


@test
def renegotiation_is_refused():
    """A server that wants one before its answer gets an alert, and no second handshake; the call ends, with or without the answer."""
    with server("-tls1_2", "-legacy_renegotiation") as (w, s):
        def again() -> None:
            s.type("r\n")
            s.type(ANSWER)
        before = s.said.count(b"CIPHER is")
        a = ask(w, s, again, timeout=20000)
        check(a.value("code") in ("KMSC_E_NOT_FOUND", "KMSC_E_CLOSED", "KMSC_E_TLS", "KMSC_E_TIMEOUT"), a.story)
        a.refused(a.value("code"))
        check(s.said.count(b"CIPHER is") - before <= 1, f"handshakes: {s.said[-2000:]!r}")


@test(seconds=2)
def servers_without_what_is_offered_end_with_an_alert():
    """TLS 1.3 or 1.1 alone, other suites, signatures by SHA-1, other curves, another protocol: the words name the alert."""
    for options in (("-tls1_3",), ("-tls1_1", "-cipher", "ALL:@SECLEVEL=0"), ("-tls1_2", "-cipher", "AES128-GCM-SHA256"),
                    ("-tls1_2", "-cipher", "ECDHE-RSA-CHACHA20-POLY1305"), ("-tls1_2", "-sigalgs", "RSA+SHA1"),
                    ("-tls1_2", "-curves", "X25519"), ("-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256"),
                    ("-tls1_2", "-alpn", "h2")):
        with server(*options) as (w, s):
            a = ask(w, s)
            check(a.value("code") == "KMSC_E_TLS", f"{options}: {a.story}")
            a.refused("KMSC_E_TLS", "TLS failed: ")
            check("alert" in a.err or "TLS 1.2" in a.err, f"{options}: {a.story}")


@test
def a_certificate_of_ours_is_not_asked_for_in_vain():
    """A server that would like one gets none and goes on; one that must have one refuses."""
    with server("-tls1_2", "-verify", "1") as (w, s):
        ask(w, s, lambda: s.type(ANSWER)).refused("KMSC_E_NOT_FOUND")
    with server("-tls1_2", "-Verify", "1") as (w, s):
        a = ask(w, s)
        check(a.value("code") in ("KMSC_E_TLS", "KMSC_E_CLOSED"), a.story)
        same(a.out, "", "stdout")
