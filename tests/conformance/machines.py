"""The machines on which scenes are tried: kernels of scripts/emulator, AWS's own, or one that the user gives."""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import enclave
from enclave import CMDLINES, Eif
from machine import aws_image, kernel_dir


class KernelError(Exception):
    """KERNEL= or EIF= that cannot be used."""


@dataclass(frozen=True)
class Kernel:
    """What an image has of its kernel, and what a table says of it."""
    name: str
    arch: str
    says: str
    image: bytes = field(repr=False)
    cmdline: str = ""
    modules: dict[str, bytes] = field(default_factory=dict, repr=False)  # beside /init
    order: tuple[str, ...] | None = None  # modules_load_order
    append: str = ""
    busybox: Path | None = None

    @property
    def sort(self) -> str:
        """Which of SAYS it is like, by where the NSM's driver is."""
        return "modular" if self.order else "module" if "nsm.ko" in self.modules else "builtin"


SAYS = {
    "module": "Linux 6.12, x86-64: nsm.ko, control groups of both versions",
    "builtin": "Linux 6.12, x86-64: the NSM built in, no memory and cpuset of version 1",
    "unified": "Linux 6.12, x86-64: nsm.ko, no control groups of version 1",
    "modular": "Linux 6.12, x86-64: virtio, vsock and the NSM as modules, by modules_load_order",
    "aws": "Linux 4.14.256, arm64: AWS's kernel and nsm.ko",
}
# What a module needs goes before it.
MODULAR = ("virtio_ring", "virtio", "virtio_mmio", "vmw_vsock_virtio_transport_common", "vmw_vsock_virtio_transport",
           "rng-core", "nsm")


@cache
def kernel(name: str) -> Kernel:
    """The machine NAME, one of SAYS."""
    if name == "aws":
        return _of_eif("aws", SAYS["aws"], Eif.load(aws_image()))
    folder = kernel_dir("module" if name == "unified" else name)
    modules, order = {}, None
    if name in ("module", "unified"):
        modules = {"nsm.ko": (folder / "nsm.ko").read_bytes()}
    elif name == "modular":
        found = {p.stem.replace("-", "_"): p for p in folder.glob("*.ko")}
        paths = [found[m.replace("-", "_")] for m in MODULAR if m.replace("-", "_") in found]
        modules, order = {p.name: p.read_bytes() for p in paths}, tuple(p.name for p in paths)
    return Kernel(name, "x86_64", SAYS[name], (folder / "bzImage").read_bytes(), CMDLINES["x86_64"], modules, order,
                  "cgroup_no_v1=all" if name == "unified" else "")


def given(path: Path, is_eif: bool) -> Kernel:
    """What the user gives: an EIF's kernel, command line and modules, or those of a folder as nitro-cli's blobs."""
    if is_eif:
        try:
            eif = Eif.load(path)
        except OSError as e:
            raise KernelError(f"EIF={path}: {e.strerror}") from None
        except enclave.ImageError as e:
            raise KernelError(f"EIF={path}: {str(e).removeprefix(f'{path}: ')}") from None
        return _of_eif("given", f"the kernel of {path.name}", eif)
    for name, arch in (("bzImage", "x86_64"), ("Image", "aarch64")):
        if (path / name).is_file():
            cmdline = path / "cmdline"
            module = path / "nsm.ko"
            return Kernel("given", arch, f"the kernel of {path}", (path / name).read_bytes(),
                          cmdline.read_text().strip() if cmdline.is_file() else CMDLINES[arch],
                          {"nsm.ko": module.read_bytes()} if module.is_file() else {})
    raise KernelError(f"KERNEL={path}: neither a bzImage nor an Image is there")


def _of_eif(name: str, says: str, eif: Eif) -> Kernel:
    entries = enclave.cpio_read(eif.ramdisks[0]) if eif.ramdisks else []
    found = {e.name.strip("./"): e.data for e in entries}
    modules = {n: d for n, d in found.items() if n.endswith(".ko")}
    order = found.get("modules_load_order")
    return Kernel(name, eif.arch, says, eif.kernel, eif.cmdline, modules, tuple(order.decode().split()) if order else None)
