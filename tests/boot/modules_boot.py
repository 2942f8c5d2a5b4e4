"""2: kernel modules."""

import re

from machine import kernel_dir

from .lib import Boot, boot, check, image, kernel_file, same, shared, test
from .parent import LINKED, listened
from .root_boot import beside_the_root, without_pids
from .scenes import of_scene
from .spec_boot import with_little


def depends(module: bytes) -> list[str]:
    """The modules that this one needs."""
    found = re.search(rb"\0depends=([^\0]*)\0", b"\0" + module)
    return found[1].decode().split(",") if found and found[1] else []


def load_order(kernel: str, *wanted: str) -> list[str]:
    """WANTED with what they need, each after its needs."""
    folder, order = kernel_dir(kernel), []

    def visit(name: str) -> None:
        path = next(p for p in folder.glob("*.ko") if p.stem.replace("-", "_") == name)
        if path.name in order:
            return
        for need in depends(path.read_bytes()):
            visit(need)
        order.append(path.name)

    for name in wanted:
        visit(name)
    return order


DEVICES = "/sys/module/virtio_mmio/parameters/device"


@shared
def modular() -> Boot:
    """virtio-mmio, vsock and the NSM by a list that names each module twice."""
    order = load_order("modular", "virtio_mmio", "vmw_vsock_virtio_transport", "nsm")
    return boot(image("/bin/probe", "file", DEVICES, kernel="modular",
                      modules={n: kernel_file("modular", n) for n in order}, load_order=order * 2),
                # QEMU names its devices behind this one.
                append="virtio-mmio.device=512@0xfeb00a00:10 init_debug")


@test()
def virtio_and_vsock_as_modules():
    """virtio-mmio, vsock and the NSM by modules_load_order; - and _ of parameters are alike."""
    order = load_order("modular", "virtio_mmio", "vmw_vsock_virtio_transport", "nsm")
    check(len(order) > 3, f"the kernel has few modules: {order}")
    b = modular()
    for address in ("0xfeb00a00", "0xfeb00c00", "0xfeb00e00"):
        check(address in b.fact(DEVICES), f"the module has no {address}: {b.fact(DEVICES)}")
    b.expect_heartbeat()
    loaded = [line.split(": ")[2] for line in b.log if ": loaded" in line]
    same(loaded, order + order[:-1], "the modules, and again those that are there already, but for the driver whose device is there")


@shared
def without_a_command() -> Boot:
    """An image whose /cmd is empty, and without a driver in its kernel: the boot stops before modules are loaded and the link begins."""
    order = load_order("modular", "virtio_mmio", "vmw_vsock_virtio_transport", "nsm")
    return listened(image(raw_cmd=b"", config=LINKED, kernel="modular", modules={n: kernel_file("modular", n) for n in order},
                          load_order=order))


@test()
def a_stop_before_the_modules_is_told():
    """A stop in an earlier step loads them all the same: the parent is reached through them."""
    without_a_command().expect_stop(3, "init: spec: /cmd: ")


@test()
def a_last_line_of_the_list_may_be_cut():
    """The list's last line needs no newline, blank lines are skipped, absent files are fine."""
    b = beside_the_root()
    b.expect_end("/bin/act", "exited with code 0")
    same(len(b.log), 2, "lines of log")
    b.expect_heartbeat()


@test()
def a_module_twice_is_fine():
    """A module that is loaded already (EEXIST) is fine, the NSM's or another."""
    b = modular()
    b.expect_end("/bin/probe", "exited with code 0")
    b.expect_heartbeat()


@test()
def a_driver_built_in_needs_no_module():
    """Nothing to load is fine where the kernel has the driver built in."""
    b = with_little()
    b.expect_end("/bin/probe", "exited with code 0")
    same(len(b.log), 2, "lines of log")
    b.expect_heartbeat()


@test()
def a_module_of_a_driver_built_in_is_fine():
    """/nsm.ko is there, and the driver is in the kernel as well."""
    b = without_pids()
    b.expect_end("/bin/probe", "exited with code 0")
    b.expect_heartbeat()


@test()
def a_module_that_fails_stops_with_its_name():
    """One that does not load stops the boot with its name and errno."""
    b = of_scene("bad_module")
    b.expect_stop(4, "init: modules: nsm.ko: Exec format error")
    check(not b.facts, "something of the image ran")


@test()
def a_module_of_the_list_that_fails_stops_with_its_name():
    """Of several, the one that failed is named; what came before it is loaded."""
    b = boot(image(boot_files={"bad.ko": b"\x7fELF"}, load_order=["nsm.ko", "bad.ko"]))
    b.expect_stop(4, "init: modules: bad.ko: Exec format error")
