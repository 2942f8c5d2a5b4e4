"""
Enclave images: cpio ramdisks, EIF files and their measurements. The tests judge mkeif by this module,
which shares no code with it.
"""

import base64
import gzip
import hashlib
import json
import os
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from stat import S_IFBLK, S_IFCHR, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG

ARCHES = ("x86_64", "aarch64")  # by the EIF's architecture flag
CMDLINES = {  # what nitro-cli writes
    "x86_64": "reboot=k panic=30 pci=off nomodules console=ttyS0 i8042.noaux i8042.nomux "
              "i8042.nopnp i8042.dumbkbd random.trust_cpu=on",
    "aarch64": "reboot=k panic=30 pci=off nomodules console=ttyS0 random.trust_cpu=on "
               "root=/dev/ram0",
}
MOUNT_POINTS = ("dev", "run", "sys", "var", "proc", "tmp")


class ImageError(Exception):
    """A file that is not what it should be."""


# --- cpio, the "newc" form: the kernel's initramfs ---------------------------

@dataclass
class Entry:
    """One member of a cpio archive. ino 0: the writer numbers it."""
    name: str
    mode: int
    data: bytes = b""
    uid: int = 0
    gid: int = 0
    rdev: tuple[int, int] = (0, 0)
    mtime: int = 0
    ino: int = 0
    nlink: int = 0
    dev: tuple[int, int] = (0, 0)


TRAILER = Entry("TRAILER!!!", 0, nlink=1)


def cpio_write(entries: Iterable[Entry], trailer: Entry = TRAILER) -> bytes:
    """The archive of these entries in this order, and of TRAILER, padded to 512 bytes."""
    out = bytearray()

    def member(e: Entry, ino: int) -> None:
        name = os.fsencode(e.name) + b"\0"
        nlink = e.nlink or (2 if S_IFMT(e.mode) == S_IFDIR else 1)
        fields = (ino, e.mode, e.uid, e.gid, nlink, e.mtime, len(e.data), *e.dev, *e.rdev,
                  len(name), 0)
        out.extend(b"070701" + b"".join(b"%08x" % f for f in fields) + name)
        out.extend(bytes(-len(out) % 4))
        out.extend(e.data)
        out.extend(bytes(-len(out) % 4))

    for n, e in enumerate(entries, 721):
        member(e, e.ino or n)
    member(trailer, trailer.ino)
    out.extend(bytes(-len(out) % 512))
    return bytes(out)


def cpio_read(data: bytes) -> list[Entry]:
    """The entries of an archive, gzip'ed or not."""
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    entries, at = [], 0
    while at + 110 <= len(data):
        if data[at:at + 6] != b"070701":
            raise ImageError(f"not a newc cpio archive at byte {at}")
        (ino, mode, uid, gid, nlink, mtime, size, dmaj, dmin, rmaj, rmin, namesize, _) = (
            int(data[at + 6 + 8 * i:at + 14 + 8 * i], 16) for i in range(13))
        name = os.fsdecode(data[at + 110:at + 110 + namesize - 1])
        at += (110 + namesize + 3) & ~3
        if name == TRAILER.name:
            return entries
        entries.append(Entry(name, mode, data[at:at + size], uid, gid, (rmaj, rmin), mtime,
                             ino, nlink, (dmaj, dmin)))
        at += (size + 3) & ~3
    raise ImageError("a cpio archive without its end")


class Tree:
    """A file system to be; its archive depends on the content alone."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}

    def add(self, path: str, mode: int, data: bytes = b"", uid: int = 0, gid: int = 0,
            rdev: tuple[int, int] = (0, 0)) -> None:
        path = path.strip("/")
        parent = os.path.dirname(path)
        if parent and parent not in self.entries:
            self.dir(parent)
        self.entries[path] = Entry(path, mode, data, uid, gid, rdev)

    def dir(self, path: str, mode: int = 0o755, **owner: int) -> None:
        self.add(path, S_IFDIR | mode, **owner)

    def file(self, path: str, data: bytes | str, mode: int = 0o644, **owner: int) -> None:
        self.add(path, S_IFREG | mode, data.encode() if isinstance(data, str) else data, **owner)

    def link(self, path: str, target: str) -> None:
        self.add(path, S_IFLNK | 0o777, os.fsencode(target))

    def node(self, path: str, kind: str, major: int, minor: int, mode: int = 0o600) -> None:
        self.add(path, {"b": S_IFBLK, "c": S_IFCHR}[kind] | mode, rdev=(major, minor))

    def copy(self, source: Path, dest: str = "") -> None:
        """What lies below the folder SOURCE, owned by root, to DEST."""
        for path in sorted(source.rglob("*")):
            to = f"{dest}/{path.relative_to(source)}"
            st = path.lstat()
            if path.is_symlink():
                self.link(to, os.readlink(path))
            elif path.is_dir():
                self.dir(to, st.st_mode & 0o7777)
            elif path.is_file():
                self.file(to, path.read_bytes(), st.st_mode & 0o7777)
            else:
                raise ImageError(f"{path}: neither file, folder nor link")

    def cpio(self) -> bytes:
        return cpio_write(self.entries[name] for name in sorted(self.entries))


def boot_ramdisk(init: bytes, modules: dict[str, bytes] | None = None,
                 load_order: Iterable[str] | None = None,
                 files: dict[str, tuple[bytes, int]] | None = None) -> Tree:
    """
    Ramdisk 0 as nitro-cli builds it: /dev, /init, and the kernel modules. FILES, with their
    modes, lie beside them: "nsm", the tool.
    """
    tree = Tree()
    tree.dir("dev")
    tree.file("init", init, 0o755)
    for name, data in (modules or {}).items():
        tree.file(name, data, 0o755)
    if load_order is not None:
        tree.file("modules_load_order", "".join(f"{name}\n" for name in load_order))
    for name, (data, mode) in (files or {}).items():
        tree.file(name, data, mode)
    return tree


def app_ramdisk(rootfs: Tree | None, cmd: bytes | None, env: bytes | None,
                mount_points: Iterable[str] = MOUNT_POINTS, config: bytes | None = None) -> Tree:
    """Ramdisk 1 as nitro-cli builds it: the image below /rootfs, /cmd and /env; CONFIG is ours."""
    tree = Tree()
    tree.dir("rootfs")
    for name, e in (rootfs.entries if rootfs else {}).items():
        tree.add(f"rootfs/{name}", e.mode, e.data, e.uid, e.gid, e.rdev)
    for name in mount_points:
        tree.dir(f"rootfs/{name}")
    if cmd is not None:
        tree.file("cmd", cmd)
    if env is not None:
        tree.file("env", env)
    if config is not None:
        tree.file("enclave-init.conf", config)
    return tree


def lines(items: Iterable[str]) -> bytes:
    """/cmd and /env as nitro-cli writes them: one item a line."""
    return b"".join(os.fsencode(i) + b"\n" for i in items)


def elf_arch(data: bytes) -> str:
    """The architecture of an ELF program."""
    machine = int.from_bytes(data[18:20], "little") if data[:4] == b"\x7fELF" else 0
    try:
        return {62: "x86_64", 183: "aarch64"}[machine]
    except KeyError:
        raise ImageError("neither an x86-64 nor an arm64 ELF program") from None


# --- EIF ---------------------------------------------------------------------

def cbor_read(data: bytes, at: int = 0) -> tuple[object, int]:
    """The CBOR item at AT, of the sorts that a signature section has, and where it ends."""
    kind, size = data[at] >> 5, data[at] & 31
    at += 1
    if size >= 24:
        if size > 27:
            raise ImageError("CBOR of no definite length")
        n = 1 << size - 24
        if at + n > len(data):
            raise ImageError("a number longer than the section")
        size, at = int.from_bytes(data[at:at + n], "big"), at + n
    if kind == 0:
        return size, at
    if kind in (2, 3):
        if at + size > len(data):
            raise ImageError("a string longer than the section")
        return (data[at:at + size] if kind == 2 else data[at:at + size].decode()), at + size
    if kind not in (4, 5):
        raise ImageError(f"CBOR of major type {kind}")
    items = []
    for _ in range(size * (kind - 3)):
        item, at = cbor_read(data, at)
        items.append(item)
    return (items if kind == 4 else dict(zip(items[::2], items[1::2]))), at


def signing_certificate(section: bytes) -> bytes:
    """The DER of the certificate in a signature section: the first one of the PEM text."""
    try:
        signatures, _ = cbor_read(section)
        pem = bytes(signatures[0]["signing_certificate"])
        body = pem.split(b"-----BEGIN CERTIFICATE-----")[1].split(b"-----END CERTIFICATE-----")
        if len(body) < 2:
            raise ValueError("a PEM certificate without its end")
        return base64.b64decode(b"".join(body[0].split()), validate=True)
    except (ValueError, TypeError, LookupError, RecursionError, ImageError) as e:
        raise ImageError(f"the signature section: {e}") from None


KERNEL, CMDLINE, RAMDISK, SIGNATURE, METADATA = 1, 2, 3, 4, 5
HEADER = struct.Struct(">4sHHQQHH32Q32QII")  # the last field is the CRC of all the rest
SECTION = struct.Struct(">HHQ")


@dataclass
class Eif:
    """An enclave image file: its sections, and the measurements they give."""
    kernel: bytes
    cmdline: str
    ramdisks: list[bytes]
    arch: str = "x86_64"
    metadata: bytes = b""
    signature: bytes = b""

    def pack(self) -> bytes:
        metadata = self.metadata or json.dumps({
            "ImageName": "enclave", "ImageVersion": "1", "DockerInfo": {}, "CustomMetadata": None,
            "BuildMetadata": {"BuildTime": "1970-01-01T00:00:00+00:00", "BuildTool": "enclave.py",
                              "BuildToolVersion": "1", "OperatingSystem": "Linux",
                              "KernelVersion": "unknown"}}).encode()
        sections = [(KERNEL, self.kernel), (CMDLINE, self.cmdline.encode()), (METADATA, metadata)]
        sections += [(RAMDISK, r) for r in self.ramdisks]
        sections += [(SIGNATURE, self.signature)] if self.signature else []
        body, offsets, sizes = bytearray(), [0] * 32, [0] * 32
        for i, (kind, data) in enumerate(sections):
            offsets[i], sizes[i] = HEADER.size + len(body), len(data)
            body += SECTION.pack(kind, 0, len(data)) + data
        head = HEADER.pack(b".eif", 4, ARCHES.index(self.arch), 1 << 30, 2, 0, len(sections),
                           *offsets, *sizes, 0, 0)[:-4]
        return head + struct.pack(">I", zlib.crc32(body, zlib.crc32(head))) + body

    @classmethod
    def parse(cls, raw: bytes) -> "Eif":
        if len(raw) < HEADER.size or raw[:4] != b".eif":
            raise ImageError("not an EIF file")
        (_, _, flags, _, _, _, count, *rest) = HEADER.unpack_from(raw)
        if zlib.crc32(raw[HEADER.size:], zlib.crc32(raw[:HEADER.size - 4])) != rest[-1]:
            raise ImageError("the EIF's checksum is wrong")
        found: dict[int, list[bytes]] = {}
        for at in rest[:min(count, 32)]:
            if at + SECTION.size > len(raw):
                raise ImageError("the EIF is cut short")
            kind, _, size = SECTION.unpack_from(raw, at)
            data = raw[at + SECTION.size:at + SECTION.size + size]
            if len(data) != size:
                raise ImageError("the EIF is cut short")
            found.setdefault(kind, []).append(data)
        if KERNEL not in found or CMDLINE not in found:
            raise ImageError("an EIF without kernel or command line")
        return cls(found[KERNEL][0], found[CMDLINE][0].rstrip(b"\0").decode(),
                   found.get(RAMDISK, []), ARCHES[flags & 1],
                   found.get(METADATA, [b""])[0], found.get(SIGNATURE, [b""])[0])

    @classmethod
    def load(cls, path: str | Path) -> "Eif":
        try:
            return cls.parse(Path(path).read_bytes())
        except ImageError as e:
            raise ImageError(f"{path}: {e}") from None

    def measurements(self) -> dict[str, str]:
        """
        PCR0 (all), PCR1 (kernel, command line, boot ramdisk), PCR2 (the other ramdisks), and of a
        signed image PCR8 (the signing certificate). Verifies no signature.
        """
        boot = [self.kernel, self.cmdline.encode()]

        def pcr(parts: list[bytes]) -> str:
            content = hashlib.sha384(b"".join(parts)).digest()
            return hashlib.sha384(bytes(48) + content).hexdigest()

        pcrs = {"PCR0": pcr(boot + self.ramdisks), "PCR1": pcr(boot + self.ramdisks[:1]),
                "PCR2": pcr(self.ramdisks[1:])}
        return pcrs | ({"PCR8": pcr([signing_certificate(self.signature)])} if self.signature else {})

    def with_init(self, init: bytes) -> "Eif":
        """The same image, no longer signed, with another /init in its first ramdisk."""
        if not self.ramdisks:
            raise ImageError("an EIF without ramdisks")
        entries = cpio_read(self.ramdisks[0])
        old = next((e for e in entries if e.name.strip("./") == "init"), None)
        if old is None:
            raise ImageError("no /init in the first ramdisk")
        if elf_arch(init) != self.arch:
            raise ImageError(f"the init is not an {self.arch} program")
        old.data = init
        return replace(self, ramdisks=[cpio_write(entries), *self.ramdisks[1:]], signature=b"")

    def describe(self) -> dict:
        def show(e: Entry) -> str:
            link = " -> " + os.fsdecode(e.data) if S_IFMT(e.mode) == S_IFLNK else ""
            return f"{e.mode:06o} {e.uid}:{e.gid} {len(e.data)} {e.name}{link}"

        return {"Architecture": self.arch, "Cmdline": self.cmdline,
                "KernelSize": len(self.kernel), "Signed": bool(self.signature),
                "Metadata": json.loads(self.metadata or b"{}"),
                "Ramdisks": [[show(e) for e in cpio_read(r)] for r in self.ramdisks],
                "Measurements": measurements_json(self)["Measurements"]}


def measurements_json(eif: Eif) -> dict:
    """What nitro-cli prints after a build."""
    return {"Measurements": {"HashAlgorithm": "Sha384 { ... }", **eif.measurements()}}
