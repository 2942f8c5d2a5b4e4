"""5 and 6: the root and its file systems."""

from .lib import Boot, Tree, boot, built, check, image, kernel_file, same, shared, test
from .scenes import of_scene
from .spec_boot import with_little

TOOL = "/run/enclave/bin/nsm"
LARGE = 8 << 20  # bytes


def odd_files() -> Tree:
    """What images have where init mounts something."""
    tree = Tree()
    tree.file("run/keep/file", "kept", 0o640, uid=12, gid=34)
    tree.link("run/link", "keep/file")
    tree.dir("tmp/group", 0o2770, uid=5, gid=6)
    tree.file("tmp/group/tool", "x", 0o4755, uid=7, gid=8)
    tree.link("etc/resolv.conf", "/run/resolvconf/resolv.conf")
    return tree


@shared
def ordinary() -> Boot:
    """nitro-cli's image, the usual kernel."""
    return boot(image("/bin/probe", "file", "/run/keep/file", files=odd_files()))


def expect_file_systems(b: Boot) -> None:
    """What an application finds of mounts, modes and links, whatever the kernel."""
    for point, kind, has, lacks in (
            ("/dev", "devtmpfs", {"nosuid"}, {"nodev"}),
            ("/dev/pts", "devpts", {"nosuid", "noexec"}, {"nodev"}),
            ("/dev/shm", "tmpfs", {"nosuid", "nodev"}, set()),
            ("/dev/mqueue", "mqueue", {"nosuid", "nodev", "noexec"}, set()),
            ("/proc", "proc", {"nosuid", "nodev", "noexec"}, set()),
            ("/sys", "sysfs", {"nosuid", "nodev", "noexec"}, set()),
            ("/run", "tmpfs", {"nosuid", "nodev"}, set()),
            ("/tmp", "tmpfs", {"nosuid", "nodev"}, {"noexec"})):
        found, options, _ = b.mount(point)
        same(found, kind, f"the type of {point}")
        check(has <= options and not lacks & options, f"the options of {point}: {options}")
    own = set(b.mount("/dev/pts")[2].split(","))
    check({"gid=5", "mode=620", "ptmxmode=666"} <= own, f"devpts: {own}")
    for path, mode in (("/", "040755"), ("/dev", "040755"), ("/dev/shm", "041777"),
                       ("/run", "040755"), ("/tmp", "041777")):
        same(b.path(path), f"{mode} 0:0", path)
    for path, target in (("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"),
                         ("stdout", "/proc/self/fd/1"), ("stderr", "/proc/self/fd/2")):
        same(b.path(f"/dev/{path}"), f"-> {target}", f"/dev/{path}")
    b.expect(shm="ok", mqueue="ok", tmp_exec="ok", pty="/dev/pts/0 0620 1000:5", done="yes")
    same(len(b.log), 2, "lines of log")


@test()
def file_systems_are_those_of_a_container():
    """/dev, /dev/pts, /dev/shm, /dev/mqueue, /proc, /sys, /run, /tmp and the links in /dev."""
    expect_file_systems(ordinary())


@test()
def missing_mount_points_are_made():
    """All that is there, too, where the image has no mount points, as of monzo's builder or Nix."""
    expect_file_systems(of_scene("bare"))


@test()
def run_and_tmp_of_the_image_are_kept():
    """What the image had in /run and /tmp is in the new tmpfs, with owner and mode."""
    b = ordinary()
    for path, wanted in (("/run/keep", "040755 0:0"), ("/run/keep/file", "100640 12:34"),
                         ("/run/link", "-> keep/file"), ("/tmp/group", "042770 5:6"),
                         ("/tmp/group/tool", "104755 7:8")):
        same(b.path(path), wanted, path)
    same(b.all("/run/keep/file"), ["[kept]"], "the file")


@test()
def resolv_conf_and_hosts_are_readable():
    """A dangling /etc/resolv.conf is made readable; hosts and the host name know localhost."""
    b = ordinary()
    check(b.fact("resolv_conf").startswith("["), f"resolv.conf: {b.fact('resolv_conf')}")
    check("127.0.0.1" in b.fact("hosts") and "localhost" in b.fact("hosts"), "no localhost")
    b.expect(hostname="localhost")


@test()
def loopback_is_up():
    """lo is up with 127.0.0.1 and ::1, and TCP works over both."""
    b = ordinary()
    same([a for a in b.all("addr") if a.startswith("lo ")], ["lo up 127.0.0.1", "lo up ::1"], "lo")
    b.expect(tcp4="ok", tcp6="ok")


@test()
def many_files_may_be_open():
    """The hard limit of open files is at least 65536."""
    check(int(ordinary().fact("nofile").split()[1]) >= 65536, ordinary().fact("nofile"))


@test()
def cgroups_are_v2():
    """/sys/fs/cgroup is v2 where its controllers name cpu, memory and pids."""
    b = ordinary()
    kind, options, _ = b.mount("/sys/fs/cgroup")
    same(kind, "cgroup2", "the type")
    check({"nosuid", "nodev", "noexec"} <= options, f"options: {options}")
    controllers = set(b.fact("controllers").strip("[]\n").replace("\\x0a", "").split())
    check({"cpu", "memory", "pids"} <= controllers, f"controllers: {controllers}")


@test()
def cgroups_are_v2_on_a_kernel_without_v1():
    """So it is on today's kernels, whose memory and cpuset have no v1 (AWS's init panics)."""
    b = with_little()
    same(b.mount("/sys/fs/cgroup")[0], "cgroup2", "the type")
    same(len(b.log), 2, "lines of log")


@shared
def odd() -> Boot:
    """
    Files and links of the image where init mounts something, and the tool beside it; v2 has no memory controller; and neither
    reboot(2) nor sysrq restarts the machine.
    """
    tree = Tree()
    tree.file("tmp", "a file")
    tree.link("sys", "nowhere")
    tree.file("etc/hosts", "10.0.0.1 other\n")
    tree.link("run/enclave", "/etc")
    tree.file("etc/bin/nsm", "the image's")
    return boot(image("/bin/act", "read", "/etc/bin/nsm", "run", "/bin/probe", "exit", "2", files=tree, shim=True,
                      boot_files={"nsm": built("apps/act")}, mount_points=("dev", "proc")),
                append="cgroup_disable=memory shim_no_reboot shim_no_sysrq panic=1", panics=True)


@test()
def cgroups_are_v1_where_v2_lacks_a_controller():
    """v1 controllers, each in its folder, where v2 has no memory controller."""
    b = odd()
    same(b.mount("/sys/fs/cgroup")[0], "tmpfs", "the type")
    for name in ("cpuset", "cpu", "pids", "freezer", "devices"):
        same(b.mount(f"/sys/fs/cgroup/{name}")[0], "cgroup", name)
    check(not any("/memory " in m for m in b.all("mount")), "memory is mounted")


@shared
def without_pids() -> Boot:
    """A kernel with no controller of pids at all, with the NSM's driver in it, and an image with the module as well."""
    return boot(image("/bin/probe", kernel="builtin", modules={"nsm.ko": kernel_file("module", "nsm.ko")}),
                append="cgroup_disable=pids")


@test()
def missing_v1_controllers_do_not_matter():
    """A v1 controller that the kernel lists and has not is left out, without a word."""
    b = without_pids()
    same(b.mount("/sys/fs/cgroup")[0], "tmpfs", "the type")
    mounted = {m.split(" ")[0].rsplit("/", 1)[1] for m in b.all("mount")
               if m.startswith("/sys/fs/cgroup/")}
    check({"cpu", "freezer"} <= mounted and not {"memory", "cpuset", "pids"} & mounted,
          f"controllers: {mounted}")
    same(len(b.log), 2, "lines of log")


@test()
def odd_image_boots():
    """A file for a mount point costs a warning, not the boot; a dangling link makes way."""
    b = odd()
    b.expect(done="yes", resolv_conf="No such file or directory", hosts="[10.0.0.1 other\\x0a]")
    b.expect_said("init: mounts: /tmp: Not a directory")
    check(not any("/sys" in line for line in b.log), f"{b.log}")
    b.expect_heartbeat()


@test()
def what_cannot_be_done_without_stops():
    """An image in which /dev cannot be mounted stops, with the mount's name."""
    tree = Tree()
    tree.file("dev", "a file")
    b = boot(image(files=tree, mount_points=("proc",)))
    b.expect_stop(7, "init: mounts: /dev: Not a directory")


@test()
def an_image_without_rootfs_stops():
    """A missing /rootfs stops the boot."""
    of_scene("no_root").expect_stop(6, "init: root: /rootfs: No such file or directory")


@shared
def beside_the_root() -> Boot:
    """Something large beside /rootfs, as large a tool, and a list of modules whose last line has no end."""
    tool = built("apps/probe")
    return boot(image("/bin/act", "escape", "exec", TOOL,
                      boot_files={"big": b"\1" * LARGE, "nsm": tool + bytes(LARGE - len(tool)),
                                  "modules_load_order": b"gone.ko\n\nnsm.ko"}))


@test()
def no_chroot_leads_out():
    """The root is really moved: neither a second chroot nor setns leads to the boot ramdisk."""
    b = beside_the_root()
    b.expect(by_chroot="in", by_setns="in")


@test()
def memory_of_the_boot_files_is_given_back():
    """What lay beside /rootfs takes no memory any more, and is not to be seen."""
    b = beside_the_root()
    for path in ("/init", "/rootfs"):
        same(b.path(path), "No such file or directory", path)
    shmem = int(b.fact("mem.Shmem").split()[0])
    check(shmem - (LARGE >> 10) < 4096, f"{shmem} KiB of files in memory, {LARGE >> 10} of them the tool's")


@test()
def a_truncated_initramfs_is_recognised():
    """An image that does not fit into the memory says so, and what to do."""
    b = of_scene("little_memory")
    b.expect_stop(3, "init: spec: initramfs: ", "Initramfs unpacking failed", "raise --memory")


@test(5)
def an_image_out_of_inodes_is_recognised():
    """The kernel leaves the rest out without a word; /cmd may be whole."""
    b = of_scene("no_inodes")
    b.expect_stop(3, "init: spec: initramfs: ", "no inode is left", "raise --memory")
