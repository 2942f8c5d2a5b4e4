"""Programs, modules and kernels of little more than headers, for what reads them and runs none."""

import struct

MACHINES = {"x86_64": 62, "aarch64": 183}  # ELF's numbers
ET_REL, ET_DYN = 1, 3
VERSION = "6.1.99"


def elf(arch: str = "x86_64", interpreter: str = "", more: bytes = b"", kind: int = ET_DYN) -> bytes:
    """An ELF file for ARCH with an interpreter, and MORE behind it all."""
    path = interpreter.encode() + b"\0"
    phdrs = 2 if interpreter else 1
    at = 64 + 56 * phdrs
    head = struct.pack("<4s5B7xHHIQQQIHHHHHH", b"\x7fELF", 2, 1, 1, 0, 0, kind, MACHINES[arch], 1, at, 64, 0,
                       0, 64, 56, phdrs, 0, 0, 0)
    body = struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, at + len(path), at + len(path), 4096)
    if interpreter:
        body += struct.pack("<IIQQQQQQ", 3, 4, at, at, at, len(path), len(path), 1)
    return head + body + path + more


def module(arch: str = "x86_64", version: str = VERSION) -> bytes:
    """What passes for a kernel's module."""
    return elf(arch, more=f"vermagic={version} SMP\0".encode() + b"text" * 999, kind=ET_REL)


def kernel(arch: str = "x86_64", version: str = VERSION) -> bytes:
    """What passes for a kernel: a bzImage, or arm64's Image."""
    head = bytearray(0x300)
    if arch == "x86_64":
        head[0x1fe:0x200] = b"\x55\xaa"
        head[0x202:0x206] = b"HdrS"
        head[0x20e:0x210] = (0x100).to_bytes(2, "little")  # where the version is, from 0x200 on
        head[0x236] = 1
        text = f"{version} (by hand)"
    else:
        head[0x38:0x3c] = b"ARM\x64"
        text = f"Linux version {version} (by hand)"
    return bytes(head) + text.encode().ljust(0x100, b"\0")
