"""4: a squashfs for /rootfs, with a tmpfs over it."""

import struct
import subprocess
import tempfile
from pathlib import Path
from stat import S_ISDIR, S_ISLNK

from images.oci import Layer

from .aws_boot import aws_ramdisks
from .lib import Boot, Tree, boot, built, check, image, kernel_file, same, shared, test
from .modules_boot import load_order
from .pcr_boot import measure, pcr

NAME = "rootfs.squashfs"
FILE = "init: modules: /rootfs.squashfs: "
# What setcap cap_net_bind_service=ep leaves (linux/capability.h, version 2).
BIND_SERVICE = struct.pack("<5I", 0x02000001, 1 << 10, 0, 0, 0)
LAYERS = "lowerdir=/squash/lower,upperdir=/squash/upper,workdir=/squash/work"


def tar(tree: Tree) -> bytes:
    """TREE for another program to read; what has capability in its name has one."""
    layer = Layer()
    layer.dir("./", 0o751, uid=3, gid=4)
    for name in sorted(tree.entries):
        e = tree.entries[name]
        more = {"uid": e.uid, "gid": e.gid}
        if "capability" in name:
            more["pax_headers"] = {"SCHILY.xattr.security.capability": BIND_SERVICE.decode("latin-1")}
        if S_ISDIR(e.mode):
            layer.dir(name, e.mode & 0o7777, **more)
        elif S_ISLNK(e.mode):
            layer.link(name, e.data.decode(), **more)
        else:
            layer.file(name, e.data, e.mode & 0o7777, **more)
    return layer.bytes()


def squashed(tree: Tree, compressor: str = "zstd") -> bytes:
    for name in ("dev", "proc", "run", "sys", "tmp"):
        tree.dir(name)
    with tempfile.TemporaryDirectory(prefix="squash-boot-") as folder:
        path = Path(folder, NAME)
        # The level that takes least: the kernel reads all alike.
        level = [] if compressor == "xz" else ["-X", "level=1"]
        subprocess.run(["tar2sqfs", "-q", "-c", compressor, *level, path], input=tar(tree), check=True,
                       stdout=subprocess.DEVNULL)
        return path.read_bytes()


def files(arch: str = "x86_64") -> Tree:
    tree = Tree()
    for name in ("probe", "act"):
        tree.file(f"bin/{name}", built(f"apps/{name}", arch), 0o755)
    return tree


def squash_image(*cmd: str, squash: bytes | None = None, boot_files: dict | None = None, **options: object):
    """An image with no /rootfs but a squashfs."""
    made = {NAME: squashed(files()) if squash is None else squash}
    return image(*cmd, rootfs=False, boot_files=made | (boot_files or {}), **options)


def expect_layers(b: Boot) -> None:
    """The root is the overlay, and of what it is made of no mount is seen."""
    kind, options, own = b.mount("/")
    same(kind, "overlay", "the root's type")
    check("rw" in options and not options & {"nosuid", "nodev", "noexec"}, f"options {options}")
    check(LAYERS in own, f"the root's own options: {own}")
    same([m for m in b.all("mount") if "squash" in m.split(" ")[0] or " squashfs " in m], [], "layers")
    same(b.path("/"), "040751 3:4", "the root")
    for gone in ("/init", "/rootfs"):
        same(b.path(gone), "No such file or directory", gone)


def expect_writes(b: Boot, *more: str) -> None:
    """A new file is there, one of the image can be changed and removed. MORE: what was read after that."""
    same(b.all("read"), ["of the image", *more], "what was read")
    b.expect(write="ok", chmod="ok", unlink="ok")


ACTS = ("read", "/etc/app", "change", "/etc/app", "make", "/etc/new", "await", "/etc/new", "exec", "/bin/probe")


@shared
def plain() -> Boot:
    """With a configuration beside the squashfs, and one in it, which is not read then."""
    tree = files()
    tree.file("etc/app", "of the image\n")
    tree.file("etc/enclave-init.conf", "umask = 077\n")
    return boot(squash_image("/bin/act", "pcr", "16", *ACTS, squash=squashed(tree),
                             config="pcr-extend = 16 file app /etc/app\npcr-lock = 16\numask = 027\n"))


@test()
def a_squashfs_is_the_root():
    """It boots, the root can be written to, and its layers are no mounts of the application's."""
    b = plain()
    expect_layers(b)
    expect_writes(b)
    b.expect_end("/bin/act", "exited with code 0")
    b.expect_heartbeat()
    same(len(b.log), 2, "lines of log")


@shared
def by_gzip() -> Boot:
    """A program with the set-user-ID bit, and one with a capability, on the kernel with all drivers built in."""
    tree = files()
    tree.file("etc/passwd", "app:x:1000:1001::/:\n")
    tree.file("bin/setuid", built("apps/probe"), 0o4755)
    tree.file("bin/capability", built("apps/probe"), 0o755)
    return boot(squash_image(no_cmd=True, squash=squashed(tree, "gzip"), kernel="builtin",
                             config="command = /bin/setuid\nuser = app\nend = all\n[two]\ncommand = /bin/capability\nuser = app\n"))


@test()
def gzip_is_read_too():
    """The compressor is the image's choice."""
    expect_layers(by_gzip())
    by_gzip().expect_heartbeat()


@test()
def set_id_and_capabilities_survive():
    """A program with the set-user-ID bit, and one with a capability, which a plain ramdisk cannot have."""
    b = by_gzip()
    same(sorted(uids.split("\\x09") for uids in b.all("self.Uid")), [["1000", "0", "0", "0"], ["1000"] * 4], "user IDs")
    check("0000000000000400" in b.all("self.CapPrm"), f"capabilities {b.all('self.CapPrm')}")


@test()
def pcrs_measure_what_is_in_it():
    """pcr-extend file finds the file in the squashfs, not in the ramdisk."""
    b = plain()
    b.expect(pcr16=pcr(measure(b"app", b"of the image\n")), lock16="yes")


@test()
def its_drivers_may_be_modules():
    """loop, squashfs and overlay by modules_load_order."""
    order = load_order("modular", "virtio_mmio", "vmw_vsock_virtio_transport", "nsm", "loop", "squashfs", "overlay")
    b = boot(squash_image("/bin/probe", kernel="modular", load_order=order,
                          modules={n: kernel_file("modular", n) for n in order}))
    expect_layers(b)
    b.expect_heartbeat()


def without(*lacking: str) -> Boot:
    """A boot with all modules but LACKING."""
    names = {"loop", "squashfs", "overlay"} - set(lacking)
    order = load_order("modular", "virtio_mmio", "vmw_vsock_virtio_transport", "nsm", *sorted(names))
    return boot(squash_image("/bin/probe", kernel="modular", load_order=order,
                             modules={n: kernel_file("modular", n) for n in order}))


@test(4)
def what_the_kernel_lacks_is_named():
    """A stop in step 4, with the driver's name; the modules before it reach the parent."""
    without("loop").expect_stop(4, FILE + "no loop device (/dev/loop-control): No such file or directory")
    without("squashfs").expect_stop(4, FILE + "the kernel cannot mount this squashfs: it has no squashfs")
    without("overlay").expect_stop(4, FILE + "the overlay over it: the kernel has none")
    boot(squash_image("/bin/probe", squash=squashed(files(), "xz"))).expect_stop(
        4, FILE + "the kernel cannot mount this squashfs: Invalid argument, as without the compressor xz")


@test()
def a_file_that_is_none_is_told():
    """A squashfs cut short. tests/ns has other places for the cut, and what is none at all."""
    good = squashed(files())
    boot(squash_image("/bin/probe", squash=good[:len(good) - 4096])).expect_stop(4, FILE + "it is cut short")


@test(2)
def a_configuration_in_it_is_not_passed_over():
    """Where there is none beside it: it would not be read, and so it stops the boot."""
    plain().expect(umask="027")
    tree = files()
    tree.file("etc/enclave-init.conf", "umask = 077\n")
    boot(squash_image("/bin/probe", squash=squashed(tree))).expect_stop(
        4, "init: modules: /etc/enclave-init.conf: in a squashfs it is not read: /enclave-init.conf is")
    tree = files()
    tree.link("etc", "/srv/etc")  # in the image's own root, not in the ramdisk's
    tree.file("srv/etc/enclave-init.conf", "umask = 077\n")
    boot(squash_image("/bin/probe", squash=squashed(tree))).expect_stop(
        4, "init: modules: /etc/enclave-init.conf: in a squashfs it is not read: /enclave-init.conf is")


@test(3)
def an_image_that_does_not_fit_is_named():
    """Too little memory for the ramdisk that the squashfs is in."""
    tree = files()
    tree.file("data", built("apps/probe") + Path("/dev/urandom").open("rb").read(36 << 20))
    # The name is sorted behind the image's other parts, and cmd and env before it.
    b = boot(squash_image("/bin/probe", squash=squashed(tree)), memory=96)
    check(b.said("raise --memory"), f"init said {b.log}")


def booted_on_4_14(compressor: str, *acts: str, config: bytes | None = None) -> Boot:
    tree = files("aarch64")
    tree.file("etc/app", "of the image\n")
    return boot(aws_ramdisks(Tree(), "/bin/act", *acts, boot_files={NAME: squashed(tree, compressor)}, config=config), append="panic=-1")


@shared
def handed_over_on_4_14() -> Boot:
    """A root by gzip, and an init of the image's, which restarts the machine."""
    return booted_on_4_14("gzip", *ACTS[:-2], "run", "/bin/probe", "read", "/proc/1/comm", "reap", "reboot", config=b"hand-over = yes\n")


@test(8)
def a_squashfs_on_4_14():
    """On AWS's arm64 kernel, zstd and gzip."""
    zstd = booted_on_4_14("zstd", *ACTS)
    zstd.expect_end("/bin/act", "exited with code 0")
    for b, more in ((zstd, ()), (handed_over_on_4_14(), ("act",))):
        check(b.fact("kernel").startswith("4.14."), b.fact("kernel"))
        expect_layers(b)
        expect_writes(b, *more)
        b.expect_heartbeat()
