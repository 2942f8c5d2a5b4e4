"""OCI layouts and their layers, written by Python's tarfile: byte for byte the same each time."""

import bz2
import gzip
import hashlib
import io
import json
import lzma
import os
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

TIME = 1700000000  # of all files: neither now nor 1970
OCI = "application/vnd.oci.image."
GO_ARCH = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]

# --- layers ------------------------------------------------------------------


class Layer:
    """A tar archive, member by member; FORMAT is one of tarfile's."""

    def __init__(self, format: int = tarfile.PAX_FORMAT) -> None:
        self._raw = io.BytesIO()
        self._tar = tarfile.open(fileobj=self._raw, mode="w", format=format)

    def add(self, name: str, kind: bytes, mode: int, data: bytes = b"", **fields: object) -> None:
        """FIELDS are those of a TarInfo: uid, gid, linkname, devmajor, devminor, mtime, pax_headers, size."""
        info = tarfile.TarInfo(name)
        info.type, info.mode, info.size, info.mtime = kind, mode, len(data), TIME
        for key, value in fields.items():
            setattr(info, key, value)
        self._tar.addfile(info, io.BytesIO(data) if data else None)

    def dir(self, name: str, mode: int = 0o755, **fields: object) -> None:
        self.add(name, tarfile.DIRTYPE, mode, **fields)

    def file(self, name: str, data: bytes | str | Path, mode: int = 0o644, **fields: object) -> None:
        if isinstance(data, Path):
            data = data.read_bytes()
        self.add(name, tarfile.REGTYPE, mode, data.encode() if isinstance(data, str) else data, **fields)

    def link(self, name: str, target: str, **fields: object) -> None:
        self.add(name, tarfile.SYMTYPE, 0o777, linkname=target, **fields)

    def hard(self, name: str, other: str, mode: int = 0o644, **fields: object) -> None:
        self.add(name, tarfile.LNKTYPE, mode, linkname=other, **fields)

    def node(self, name: str, major: int, minor: int, mode: int = 0o666, kind: bytes = tarfile.CHRTYPE) -> None:
        self.add(name, kind, mode, devmajor=major, devminor=minor)

    def without(self, name: str) -> None:
        """Hides what layers below have there."""
        folder, _, last = name.rpartition("/")
        self.file(f"{folder}/.wh.{last}" if folder else f".wh.{last}", b"", 0o600)

    def without_all_in(self, folder: str) -> None:
        self.file(f"{folder}/.wh..wh..opq", b"", 0o600)

    def bytes(self) -> bytes:
        if not self._tar.closed:
            self._tar.close()
        return self._raw.getvalue()


# All of them by the quickest level: what unpacks it does not know.

def gzipped(data: bytes) -> bytes:
    return gzip.compress(data, 1, mtime=0)


def xz(data: bytes) -> bytes:
    return lzma.compress(data, preset=0)


def bzip2(data: bytes) -> bytes:
    return bz2.compress(data, 1)


def zstd(data: bytes) -> bytes:
    return subprocess.run(["zstd", "-q", "-c", "-1"], input=data, stdout=subprocess.PIPE, check=True).stdout


# Bytes in a block of zstd, where it repeats one byte or has all of them.
ZSTD_BLOCK = 1 << 17


def zstd_bomb(first: bytes, zeros: int) -> bytes:
    """FIRST, which is one block, and at least so many ZEROS: four bytes for each block of them."""
    assert len(first) <= ZSTD_BLOCK

    def block(kind: int, size: int, last: bool = False) -> bytes:
        return (size << 3 | kind << 1 | last).to_bytes(3, "little")

    raw, repeated = 0, 1
    head = b"\x28\xb5\x2f\xfd" + b"\0" + bytes([7 << 3])  # a window of 128 KiB
    return (head + block(raw, len(first)) + first + (block(repeated, ZSTD_BLOCK) + b"\0") * (zeros // ZSTD_BLOCK)
            + block(repeated, ZSTD_BLOCK, last=True) + b"\0")


PACKED: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": (OCI + "layer.v1.tar+gzip", gzipped),
    "zstd": (OCI + "layer.v1.tar+zstd", zstd),
    "plain": (OCI + "layer.v1.tar", bytes),
    "xz": (OCI + "layer.v1.tar+xz", xz),
    "bzip2": (OCI + "layer.v1.tar+bzip2", bzip2),
}

# --- layouts -----------------------------------------------------------------


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def configuration(layers: list[bytes], config: dict, arch: str = GO_ARCH) -> dict:
    """What has to be in the configuration of an image of LAYERS."""
    return {"architecture": arch, "os": "linux", "config": config,
            "rootfs": {"type": "layers", "diff_ids": [digest(data) for data in layers]}}


class Layout:
    """An OCI image layout in a folder: the one that is there, or a new one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not (path / "index.json").exists():
            (path / "blobs/sha256").mkdir(parents=True)
            (path / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')

    def blob(self, data: bytes, kind: str) -> dict:
        """Its descriptor."""
        self.blob_path(digest(data)).write_bytes(data)
        return {"mediaType": kind, "digest": digest(data), "size": len(data)}

    def blob_path(self, name: str) -> Path:
        return self.path / "blobs" / name.replace(":", "/")

    def json(self, content: dict, kind: str) -> dict:
        return self.blob(json.dumps(content, indent=1, sort_keys=True).encode(), kind)

    def read(self, descriptor: dict) -> dict:
        """The document that DESCRIPTOR is of."""
        return json.loads(self.blob_path(descriptor["digest"]).read_text())

    @property
    def manifests(self) -> list[dict]:
        """The descriptors in the index."""
        return json.loads((self.path / "index.json").read_text())["manifests"]

    def manifest(self, config: dict, layers: list[dict], **more: object) -> dict:
        """The descriptor of a manifest with the configuration CONFIG and these LAYERS' descriptors."""
        about = self.json(config, OCI + "config.v1+json")
        return self.json({"schemaVersion": 2, "config": about, "layers": layers, **more}, OCI + "manifest.v1+json")

    def image(self, layers: list[bytes], config: dict, packed: str = "gzip", arch: str = GO_ARCH) -> dict:
        """The descriptor of a manifest."""
        kind, pack = PACKED[packed]
        return self.manifest({"created": "2023-11-14T22:13:20Z", "history": [{"created_by": "tests"} for _ in layers],
                              **configuration(layers, config, arch)},
                             [self.blob(pack(data), kind) for data in layers], mediaType=OCI + "manifest.v1+json")

    def index(self, *manifests: dict) -> None:
        (self.path / "index.json").write_text(json.dumps(
            {"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": list(manifests)}))


def tagged(descriptor: dict, tag: str = "latest", **more: object) -> dict:
    return {**descriptor, "annotations": {OCI.replace("application/vnd.oci", "org.opencontainers")
                                          + "ref.name": tag}, **more}


def single(path: Path, layers: list[Layer], config: dict, packed: str = "gzip") -> None:
    """A layout of one image, with the tag latest."""
    layout = Layout(path)
    layout.index(tagged(layout.image([one.bytes() for one in layers], config, packed)))
