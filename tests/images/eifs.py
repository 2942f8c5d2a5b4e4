"""Enclave images by hand, for the tests that read them."""

import json
import struct
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
    except RuntimeError:
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


def integers(data: bytes) -> bytes:
    """A CBOR array of them."""
    out = b"\x99" + struct.pack(">H", len(data)) if len(data) > 255 else b"\x98" + bytes([len(data)])
    return out + b"".join(bytes([b]) if b < 24 else b"\x18" + bytes([b]) for b in data)


def signature(path: Path, eif: Eif, key: Path, cert: Path) -> bytes:
    """A signature section of PCR0, ES384, signed by openssl, in the frame of AWS's tools."""
    pcr0 = bytes.fromhex(eif.measurements()["PCR0"])
    payload = b"\xa2\x6eregister_index\x00\x6eregister_value" + integers(pcr0)
    protected = b"\xa1\x01\x38\x22"
    head = b"\x58" + bytes([len(payload)]) if len(payload) < 256 else b"\x59" + struct.pack(">H", len(payload))
    message = path / "message"
    message.write_bytes(b"\x84\x6aSignature1\x44" + protected + b"\x40" + head + payload)
    der = tool("openssl", "dgst", "-sha384", "-sign", key, message)
    at, numbers = 2, []
    for _ in range(2):
        size = der[at + 1]
        numbers.append(int.from_bytes(der[at + 2:at + 2 + size], "big").to_bytes(48, "big"))
        at += 2 + size
    cose = b"\x84\x44" + protected + b"\xa0" + head + payload + b"\x58\x60" + b"".join(numbers)
    return (b"\x81\xa2\x73signing_certificate" + integers(cert.read_bytes()) + b"\x69signature" + integers(cose))
