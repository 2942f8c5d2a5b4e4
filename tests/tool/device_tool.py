"""Requests to the NSM: describe, random, attest; and what becomes of its errors."""

import base64
import errno
import os

from .lib import DONE, MUSL, NO_NSM, NSM, check, device, equal, test

DOCUMENT = bytes(range(256)) * 20


@test
def the_nsm_is_described() -> None:
    """For people and for programs alike."""
    with device() as d:
        text = dict(line.split(":", 1) for line in d.run("describe").is_(DONE, "").text.splitlines())
        equal({k: v.strip() for k, v in text.items()},
              {"module_id": "i-07e25f3bada361dec-enc0181d3dff86da785", "version": "1.0.7",
               "digest": "SHA384", "max_pcrs": "32", "locked_pcrs": "0-15", "debug mode": "no"}, "text")
        d.run("pcr", "lock", 17, 31, 30).is_(DONE)
        check("locked_pcrs:  0-15, 17, 30-31\n" in d.run("describe").text, "ranges of locked PCRs")
        equal(d.run("describe", "--json").is_(DONE).json,
              {"version_major": 1, "version_minor": 0, "version_patch": 7,
               "module_id": "i-07e25f3bada361dec-enc0181d3dff86da785", "max_pcrs": 32,
               "locked_pcrs": [*range(16), 17, 30, 31], "digest": "SHA384", "debug": False}, "JSON")
        state = bytearray(d.state.read_bytes())
        state[1:49] = bytes(48)
        d.state.write_bytes(state)
        check("debug mode:   yes\n" in d.run("describe").text, "debug mode")
        equal(d.run("describe", "--json").json["debug"], True, "debug mode")
        # Where it is not locked, as of a bare emulated device, nobody knows.
        for value in (bytes(48), b"\1" * 48):
            state[:49] = b"\0" + value
            d.state.write_bytes(state)
            check("debug mode:   unknown\n" in d.run("describe").is_(DONE, "").text, "debug mode of an unlocked PCR0")
            equal(d.run("describe", "--json").is_(DONE, "").json["debug"], None, "debug mode of an unlocked PCR0")


@test
def random_bytes_come_in_any_number() -> None:
    """As hex, JSON or as they are."""
    with device() as d:
        for n in (1, 255, 256, 257, 4095, 4096, 4097, 20000):
            # A request gives 256; one of the tool's blocks begins anew.
            wanted = b"".join(bytes(i % 256 for i in range(min(4096, n - at))) for at in range(0, n, 4096))
            d.run("random", n).is_(DONE, "", wanted.hex() + "\n")
            d.run("random", n, "--out", "-", program=MUSL).is_(DONE, "", wanted)
            equal(d.run("random", n, "--json").is_(DONE).json, {"random": wanted.hex()}, "JSON")
            d.run("random", n, "--out", d.path / "r").is_(DONE, "", b"")
            equal((d.path / "r").read_bytes(), wanted, "the file")
            equal((d.path / "r").stat().st_mode & 0o777, 0o600, "its mode")


def cbor_bytes(data: bytes) -> bytes:
    n = len(data)
    return (bytes([0x40 + n]) if n < 24 else bytes([0x58, n]) if n < 256 else b"\x59" + n.to_bytes(2, "big")) + data


def attestation(user_data: bytes | None, nonce: bytes | None, public_key: bytes | None) -> bytes:
    def item(v: bytes | None) -> bytes:
        return b"\xf6" if v is None else cbor_bytes(v)
    return (b"\xa1\x6bAttestation\xa3\x69user_data" + item(user_data) + b"\x65nonce" + item(nonce) +
            b"\x6apublic_key" + item(public_key))


@test
def attestations_carry_what_was_given() -> None:
    """Absent, empty and bytes are three things; every form of bytes; up to 1024 of each."""
    with device(DOCUMENT) as d:
        d.path.joinpath("data").write_bytes(b"\0\xff\n")
        full = bytes(range(256)) * 4
        for words, wanted in (
                ((), (None, None, None)),
                (("--nonce", ""), (None, b"", None)),
                (("--nonce", "00ff"), (None, b"\0\xff", None)),
                (("--nonce", "hex:00:FF"), (None, b"\0\xff", None)),
                (("--nonce", "hex:"), (None, b"", None)),
                (("--nonce", "0x00ff"), (None, b"\0\xff", None)),
                (("--nonce", "0X00:FF"), (None, b"\0\xff", None)),
                (("--nonce=base64:AP8"), (None, b"\0\xff", None)),
                (("--nonce=base64:-_8"), (None, b"\xfb\xff", None)),
                (("--nonce=base64:-_8="), (None, b"\xfb\xff", None)),
                (("--nonce=base64:"), (None, b"", None)),
                (("--nonce=base64:AP8K"), (None, b"\0\xff\n", None)),
                (("--nonce", "base64:AP8="), (None, b"\0\xff", None)),
                (("--user-data", "text:hex:ü"), ("hex:ü".encode(), None, None)),
                (("--user-data", "text:"), (b"", None, None)),
                (("--public-key", f"@{d.path}/data"), (None, None, b"\0\xff\n")),
                (("--public-key", "-"), (None, None, b"in\n")),
                (("--public-key", "@-"), (None, None, b"in\n")),
                (("--user-data", full.hex(), "--nonce", f"hex:{full.hex()}", "--public-key",
                  "base64:" + base64.b64encode(full).decode()), (full, full, full))):
            words = (words,) if isinstance(words, str) else words
            done = d.run("attest", *words, stdin=b"in\n").is_(DONE, "")
            equal(d.requests(), [attestation(*wanted)], f"the request of {done.command}")
            equal(done.text, base64.b64encode(DOCUMENT).decode() + "\n", "the document")


@test
def documents_come_as_base64_json_or_bytes() -> None:
    """Base64 in one line is what KMS wants."""
    with device(DOCUMENT) as d:
        text = base64.b64encode(DOCUMENT).decode()
        d.run("attest", program=MUSL).is_(DONE, "", text + "\n")
        equal(d.run("attest", "--json").is_(DONE).json, {"document": text}, "JSON")
        d.run("attest", "--out", "-").is_(DONE, "", DOCUMENT)
        d.run("attest", "--out", d.path / "doc").is_(DONE, "", b"")
        equal((d.path / "doc").read_bytes(), DOCUMENT, "the file")


@test
def bad_text_is_no_bytes() -> None:
    """Code 2, and the form is named."""
    with device(DOCUMENT) as d:
        for word, err in (("0", "not hex"), ("0g", "not hex"), ("hex:0", "that is not hex"), (":00", "not hex"),
                          ("0 0", "not hex"), ("0x0", "not hex"), ("0xx", "not hex"), ("00x0", "not hex"),
                          ("base64:A", "not base64"), ("base64:AAAAA", "not base64"),
                          ("base64:AA=", "not base64"), ("base64:A===", "not base64"), ("base64:AB==", "not base64"),
                          ("base64:AAB=", "not base64"), ("base64:AA==AA==", "not base64"),
                          ("base64:A.-A", "not base64"), ("base64:====", "not base64"), ("base64:==", "not base64"),
                          ("base64:AAAA==", "not base64"), ("TEXT:a", "not hex")):
            d.run("attest", f"--nonce={word}").is_(2, f"--nonce: that is {err.removeprefix('that is ')}", b"")
        equal(d.requests(), [], "what was asked")


@test
def the_nsms_refusal_is_told_in_its_words() -> None:
    """Code 4 for what the NSM or its driver says; 3 where it turns out that there is none."""
    with device() as d:
        for words in (("describe",), ("random", 8), ("attest",), ("pcr", "list"), ("pcr", "get", 0),
                      ("pcr", "extend", 16, "00"), ("pcr", "lock", 16), ("pcr", "lock", "--below", 3)):
            done = d.run(*words, env={"NSM_REFUSAL": "InvalidOperation"}).is_(NSM, out=b"")
            check("InvalidOperation" in done.err or "operation" in done.err.lower(), done.err)
            d.run(*words, env={"NSM_ERRNO": str(errno.ETIMEDOUT)}).is_(
                NSM, "imed out", b"")
            d.run(*words, env={"NSM_ERRNO": str(errno.ENXIO)}).is_(NO_NSM, "no NSM here", b"")
            d.run(*words, env={"NSM_OPEN_ERRNO": str(errno.EACCES)}).is_(
                NSM, f"/dev/nsm: {os.strerror(errno.EACCES)}", b"")
        equal([n for n in range(32) if d.locked(n)], [*range(16)], "locked")
