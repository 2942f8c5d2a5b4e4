"""Enclave images by hand, for the tests that read them."""

import json
import struct
import subprocess
import zlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import enclave
import machine
from enclave import Eif, Entry
from suite import Skip, tool

FIRST = enclave.HEADER.size  # the offset of the first section
FILE, DIR, LINK, CHAR, FIFO = 0o100000, 0o040000, 0o120000, 0o020000, 0o010000
CRC = 544  # its offset


def aws_image() -> Path:
    """AWS's own image, for arm64."""
    try:
        path = machine.aws_image()
    except subprocess.CalledProcessError:
        raise Skip("scripts/emulator has no arm64 machine") from None
    if not path.exists():
        raise Skip("no image of AWS's")
    return path


METADATA = {
    "ImageName": "small", "ImageVersion": "2",
    "BuildMetadata": {"BuildTime": "2024-02-03T04:05:06+00:00", "BuildTool": "by-hand", "BuildToolVersion": "3",
                      "OperatingSystem": "Linux", "KernelVersion": "6.1"},
    "DockerInfo": {"b": [1, -2, 2.5, True, None, {}, []], "a": {"z": "\u00e4\n\"\\", "y": 12345678901}},
    "CustomMetadata": None,
}

BOOT = [Entry("dev", DIR | 0o755), Entry("init", FILE | 0o755, b"I" * 70000), Entry("nsm.ko", FILE | 0o755, b"M")]
APP = [
    Entry("rootfs", DIR | 0o755),
    Entry("rootfs/bin", DIR | 0o755),
    Entry("rootfs/bin/one", FILE | 0o4755, b"program", uid=7, gid=8, mtime=1000000000),
    Entry("rootfs/bin/two", LINK | 0o777, b"one"),
    Entry("rootfs/first", FILE | 0o644, b"", ino=900, nlink=2),
    Entry("rootfs/null", CHAR | 0o666, rdev=(1, 3)),
    Entry("rootfs/pipe", FIFO | 0o600),
    Entry("rootfs/second", FILE | 0o644, b"shared", ino=900, nlink=2),
    Entry("rootfs/tmp", DIR | 0o1777),
    Entry("cmd", FILE | 0o644, b"/bin/one\n"),
]


def cpio(entries: Iterable[Entry]) -> bytes:
    return enclave.cpio_write([replace(e) for e in entries])


def metadata(**changed: object) -> bytes:
    return json.dumps({**METADATA, **changed}, ensure_ascii=False).encode()


def small(**changed: object) -> Eif:
    """An image with a bit of all; its kernel is none."""
    return Eif(**{"kernel": bytes(range(256)) * 4, "cmdline": "console=ttyS0 quiet", "metadata": metadata(),
                  "ramdisks": [cpio(BOOT), cpio(APP)], **changed})


def app(entries: Iterable[Entry]) -> Eif:
    return small(ramdisks=[cpio(BOOT), cpio(entries)])


def write(path: Path, eif: Eif | bytes | bytearray) -> Path:
    path.write_bytes(eif.pack() if isinstance(eif, Eif) else eif)
    return path


def with_crc(raw: bytes | bytearray) -> bytes:
    """RAW with the checksum that it should have."""
    crc = zlib.crc32(raw[FIRST:], zlib.crc32(raw[:CRC]))
    return bytes(raw[:CRC]) + struct.pack(">I", crc) + bytes(raw[FIRST:])


def put(raw: bytes | bytearray, at: int, form: str, *values: object) -> bytes:
    """RAW with VALUES of FORM, struct's, at AT; the checksum is right."""
    data = bytearray(raw)
    struct.pack_into(form, data, at, *values)
    return with_crc(data)


def sections(raw: bytes) -> list[tuple[int, int, int]]:
    """Of each section: its type, the offset of its header, its size."""
    fields = enclave.HEADER.unpack_from(raw)
    count, offsets, sizes = fields[6], fields[7:39], fields[39:71]
    return [(enclave.SECTION.unpack_from(raw, offsets[i])[0], offsets[i], sizes[i]) for i in range(count)]


def certificate(path: Path, name: str = "signer", curve: str = "secp384r1", days: str = "30",
                subject: str = "/C=DE/O=One, Two/CN=signer \u00e4") -> tuple[Path, Path]:
    """A key and a certificate of its own, by openssl."""
    key, cert = path / f"{name}.key", path / f"{name}.pem"
    tool("openssl", "ecparam", "-name", curve, "-genkey", "-noout", "-out", key)
    tool("openssl", "req", "-new", "-x509", "-utf8", "-key", key, "-sha384", "-days", days, "-subj", subject, "-out",
         cert)
    return key, cert


def expired(path: Path) -> tuple[Path, Path]:
    """One whose time is over."""
    key, cert = certificate(path, "expired")
    request = path / "expired.csr"
    tool("openssl", "req", "-new", "-utf8", "-key", key, "-subj", "/CN=expired", "-out", request)
    (path / "index.txt").write_text("")
    (path / "serial").write_text("01\n")
    (path / "ca.cnf").write_text(
        f"[ca]\ndefault_ca = a\n[a]\ndatabase = {path}/index.txt\nserial = {path}/serial\nnew_certs_dir = {path}\n"
        "policy = p\ndefault_md = sha384\nrand_serial = no\n[p]\ncommonName = supplied\n")
    tool("openssl", "ca", "-batch", "-config", path / "ca.cnf", "-selfsign", "-keyfile", key, "-in", request, "-out",
         cert, "-notext", "-startdate", "20200101000000Z", "-enddate", "20200201000000Z")
    return key, cert

