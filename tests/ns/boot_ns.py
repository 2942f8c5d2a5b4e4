"""From the boot ramdisk to the application: what to run, modules, entropy, root, mounts."""

import os
import re
import stat
from pathlib import Path

from .lib import (BUILD, DEFAULT_PATH, IS_ROOT, MOUNT_POINTS, VERSION, Jail, Parent, Skip, Tree, check, same,
                 status, test)

STARTED = f"init: spawn: /bin/act: started by enclave-init {VERSION}"
ENDED = "init: end: /bin/act: exited with code 0"

SLEEP = ("/bin/act", "sleep", "600000")


@test
def a_jail_keeps_the_machine_out_of_reach() -> None:
    """What these tests rest on: namespaces, an ordinary user, few capabilities, the filter."""
    with Jail("/bin/act", "sleep", "600000") as j:
        j.started()
        for space in ("user", "pid", "mnt", "uts", "ipc", "net"):
            check(os.readlink(f"/proc/{j.init}/ns/{space}") != os.readlink(f"/proc/self/ns/{space}"),
                  f"a {space} namespace of its own")
        check("0" not in status(j.init, "Uid").split(), "PID 1 is root outside")
        for name, number in (("SYS_MODULE", 16), ("SYS_RAWIO", 17), ("SYS_TIME", 25),
                             ("MKNOD", 27), ("SYSLOG", 34)):
            check(not int(status(j.init, "CapEff"), 16) >> number & 1, f"it has CAP_{name}")
        same(status(j.app, "Seccomp"), "2", "the filter of the application")
    with Jail(options=("-t",)) as j:
        j.end()
        same((j.code, j.text), (0, ""), "what is denied")


@test
def a_boot_says_two_lines() -> None:
    """Quiet by default: one line when the application starts, one when it ends."""
    with Jail("/bin/act") as j:
        j.restarted()
        j.expect_log(STARTED, ENDED)


@test
def steps_come_in_their_order() -> None:
    """Modules, entropy credited, then the application and the heartbeat, last the restart."""
    with Jail("/bin/act") as j:
        j.restarted()
        same(j.record_lines(), ["module /nsm.ko ''", "nsm open", "nsm GetRandom",
                                "pool 256 bytes, 0 to 255", "connect 3 9000", "reboot"], "the record")


@test
def init_debug_shows_each_step_with_its_time() -> None:
    """The bare word init_debug among the arguments, wherever it stands."""
    names = ["console", "spec", "modules", "entropy", "root", "mounts", "spawn", "heartbeat",
             "supervise"]
    with Jail("/bin/act", words=("nomodules", "init_debug", "x")) as j:
        j.restarted()
        done = [m[1] for line in j.log() if (m := re.fullmatch(
            r"init: (\w+): done \(\d+\.\d{3} ms\)", line))]
        same([d for d in done if d != "start"], names, "the steps")
    with Jail("/bin/act", words=("init_debug=1", "xinit_debug")) as j:
        j.restarted()
        j.expect_log(STARTED, ENDED)


@test
def init_is_only_for_pid_1() -> None:
    """Run as anybody else it refuses and does nothing; only --version is for everybody."""
    files = Tree()
    files.file("bin/init", (BUILD / "init").read_bytes(), 0o755)
    for words in ((), ("--versions",), ("--version", "x")):
        with Jail("/bin/init", *words, files=files) as j:
            j.expect_end("/bin/init", "exited with code 2")
            check("(PID 1) and does nothing elsewhere; see enclave-init(8)\n" in j.text, j.text)
    with Jail("/bin/init", "--version", files=files) as j:
        j.expect_end("/bin/init", "exited with code 0")
        # init's own lines may come in between.
        same(re.sub("init: .*\n", "", j.text), f"enclave-init {VERSION}\n", "what it says")


# --- what to run ---

def cmd_fault(raw_cmd: bytes | None, fault: str, **image) -> None:
    with Jail(raw_cmd=raw_cmd, no_cmd=raw_cmd is None, **image) as j:
        j.expect_stop(3, "spec", fault)


@test
def cmd_that_names_nothing_stops_the_boot() -> None:
    """/cmd missing, empty, with an empty first line, with a NUL byte, too long."""
    cmd_fault(None, "/cmd: No such file or directory")
    cmd_fault(b"", "/cmd: empty: it names no program")
    cmd_fault(b"\n/bin/act\n", "/cmd: the first line is empty: it names no program")
    cmd_fault(b"/bin/act\na\0b\n", "/cmd: line 2: a NUL byte")
    cmd_fault(b"/bin/act\n" + b"\n" * 65536, "/cmd: line 65537: more than 65536 lines")
    cmd_fault(b"/bin/act\n" + b"x" * (1 << 20), "/cmd: longer than 1 MiB")


@test
def cmd_of_the_largest_size_is_read() -> None:
    """64 Ki lines are no fault of /cmd (the kernel itself takes that many arguments)."""
    with Jail(raw_cmd=b"/bin/act\nexit\n3\n" + b"x\n" * 65533) as j:
        j.expect_end("/bin/act", "exited with code 3")


@test
def env_may_be_missing_or_empty() -> None:
    """Neither is a fault; a final newline may be missing in both files."""
    for env in (None, b"", b"A=1"):
        with Jail(raw_cmd=b"/bin/act", env=env) as j:
            j.restarted()
            j.expect_log(STARTED, ENDED)
    # Without a HOME it is root's directory, where there is one.
    files = Tree()
    files.file("root/.profile", "")
    for more, home in ((files, "/root"), (None, "/")):
        with Jail("probe", env=None, files=more) as j:
            j.restarted()
            same(sorted(j.facts("env")), [f"[HOME={home}]", f"[PATH={DEFAULT_PATH}]"], "the environment")


@test
def env_lines_without_a_name_are_skipped_and_told() -> None:
    """The warning holds the line's number, and no text, which may be a key's; the others count."""
    with Jail(env=b"A=1\nmulti\nline\n=x\n\nB=2\n") as j:
        j.restarted()
        for n in (2, 3, 4, 5):
            j.expect_said(f"init: spec: /env: line {n} is not NAME=VALUE, skipped")
        check(not [line for line in j.log() if "multi" in line], f"{j.log()}")
        same(j.facts("env")[:2], ["[A=1]", "[B=2]"], "the environment")


@test
def env_that_is_too_long_stops_the_boot() -> None:
    """1 MiB, 64 Ki lines."""
    with Jail(env=b"A=1\n" * 65537) as j:
        j.expect_stop(3, "spec", "/env: more than 65536 lines")
    with Jail(env=b"A=" + b"x" * (1 << 20)) as j:
        j.expect_stop(3, "spec", "/env: longer than 1 MiB")


# --- modules ---

@test
def modules_are_loaded_in_the_order_of_the_list() -> None:
    """modules_load_order instead of nsm.ko; what it names and is not there is passed over."""
    with Jail("/bin/act", modules={"lib/b.ko": b"b", "a.ko": b"a", "nsm.ko": b"n"},
              load_order=["lib/b.ko", "absent.ko", "a.ko"]) as j:
        j.restarted()
        same(j.record_lines()[:2], ["module /lib/b.ko ''", "module /a.ko ''"], "the record")
        j.expect_log(STARTED, ENDED)


@test
def modules_may_be_absent_or_there_already() -> None:
    """No nsm.ko; EEXIST; EBUSY of a driver that is built in."""
    with Jail("/bin/act", modules={}) as j:
        j.restarted()
        same(j.record_lines()[0], "nsm open", "the record")
    for error in (17, 16):
        with Jail("/bin/act", MODULE_ERRNO=error) as j:
            j.restarted()
            j.expect_log(STARTED, ENDED)


@test
def modules_that_fail_stop_the_boot() -> None:
    """With the file's name and errno."""
    with Jail("/bin/act", MODULE_ERRNO=8) as j:
        j.expect_stop(4, "modules", "nsm.ko: Exec format error")
    with Jail("/bin/act", MODULE_ERRNO=1, modules={"x/y.ko": b"", "z.ko": b""},
              load_order=["x/y.ko", "z.ko"]) as j:
        j.expect_stop(4, "modules", "x/y.ko: Operation not permitted")
        # The parent may be reached by a later one only.
        same([r for r in j.record_lines() if "module" in r],
             ["module /x/y.ko ''", "module /z.ko ''"], "the record")


@test
def a_symbol_that_is_missing_is_no_absent_module() -> None:
    """finit_module says ENOENT for it."""
    with Jail("/bin/act", MODULE_ERRNO=2) as j:
        j.expect_stop(4, "modules", "nsm.ko: No such file or directory")


@test
def a_module_that_is_a_fifo_hangs_nothing() -> None:
    """It is opened without waiting for somebody who writes."""
    with Jail("/bin/act", MODULE_ERRNO=22, modules={},
              change=lambda boot, _: boot.add("nsm.ko", stat.S_IFIFO | 0o644)) as j:
        j.expect_stop(4, "modules", "nsm.ko: Invalid argument")


# --- entropy ---

@test
def entropy_is_no_option() -> None:
    """No NSM, one that fails, refuses, is cut short, and a pool that refuses: all stop."""
    cases = ({"NSM_OPEN_ERRNO": 2}, "No such file or directory"), \
        ({"NSM_OPEN_ERRNO": 6}, "No such device or address"), \
        ({"NSM_ERRNO": 5}, "I/O error"), \
        ({"NSM_REFUSAL": "InternalError"}, "InternalError"), \
        ({"NSM_REFUSAL": "Whatever"}, "an error without a known name"), \
        ({"NSM_CUT": 100}, "the NSM's answer is cut short"), \
        ({"POOL_ERRNO": 1}, "Operation not permitted")
    for seams, reason in cases:
        device = "/dev/urandom" if "POOL_ERRNO" in seams else "/dev/nsm"
        with Jail("/bin/act", **seams) as j:
            j.expect_stop(5, "entropy", f"{device}: {reason}")


@test
def a_dead_nsm_is_asked_once() -> None:
    """An answer that never comes takes the driver 120 s; the parent waits 180."""
    with Jail("/bin/act", NSM_ERRNO=110) as j:
        j.expect_stop(5, "entropy", "/dev/nsm: Operation timed out")
        same([r for r in j.record_lines() if "DescribePCR" in r], [], "asked for debug mode")


# --- root and mounts ---

@test
def rootfs_may_be_a_link() -> None:
    """What it leads to is not deleted with the rest of the ramdisk."""
    def move(_: Tree, image: Tree) -> None:
        moved = {}
        for name, e in image.entries.items():
            if name == "rootfs" or name.startswith("rootfs/"):
                name = e.name = "app" + name[len("rootfs"):]
            moved[name] = e
        image.entries = moved
        image.link("rootfs", "app")

    with Jail("/bin/act", change=move) as j:
        j.expect_end("/bin/act", "exited with code 0")


@test
def tmp_may_be_a_link_to_the_root() -> None:
    """Nothing of the image is taken for what /tmp had."""
    files = Tree()
    files.link("tmp", "/")
    for name in ("srv", "var/empty", "home/user"):
        files.dir(name)
    with Jail(*SLEEP, files=files, mount_points=("dev", "run", "sys", "var", "proc")) as j:
        j.started()
        root = Path(f"/proc/{j.init}/root")
        for name in ("srv", "var/empty", "home/user"):
            check((root / name).is_dir(), f"{name} is gone")


@test
def a_mount_point_may_be_a_link_to_nothing() -> None:
    """It is made as if it was missing."""
    files = Tree()
    files.link("run", "/nowhere/run")
    files.link("tmp", "gone")
    with Jail(*SLEEP, files=files, mount_points=("dev", "proc", "sys")) as j:
        j.started()
        check(not any("/run" in line or "/tmp" in line for line in j.log()), f"{j.log()}")


@test
def root_is_rootfs_for_good() -> None:
    """No chroot and no way over PID 1's mount namespace leads out."""
    with Jail("/bin/act", "escape") as j:
        j.restarted()
        j.expect(by_chroot="in", by_setns="in")


@test
def a_squashfs_that_is_none_is_told() -> None:
    """Cut short in its header, or empty; or of other bytes: a stop, before it is tried."""
    head = b"hsqs".ljust(40, b"\0") + (4096).to_bytes(8, "little") + bytes(48)
    for data, why in ((head, "it is cut short"), (head[:95], "it is cut short"), (b"", "it is cut short"),
                      (b"no squashfs" * 100, "not a squashfs")):
        with Jail("/bin/act", rootfs=False, boot_files={"rootfs.squashfs": data}) as j:
            j.expect_stop(4, "modules", f"/rootfs.squashfs: {why}")


@test
def root_that_is_missing_stops_the_boot() -> None:
    """An image without /rootfs."""
    with Jail("/bin/act", rootfs=False) as j:
        j.expect_stop(6, "root", "/rootfs: No such file or directory")


@test
def mounts_that_are_needed_stop_the_boot() -> None:
    """No /dev to be had."""
    with Jail("/bin/act", options=("-D",)) as j:
        j.restarted()
        check("init: mounts: /dev: Operation not permitted\n" in j.text, "not said")
        same(j.log(), ["init: end: boot: stopped in step 7, mounts"], "the log")
        same(j.parent.received, [7], "the parent received")


@test
def mounts_are_as_an_application_knows_them() -> None:
    """Type, flags and mode of each; the mount points are made where they are missing."""
    for points in (MOUNT_POINTS, ("dev", "proc", "sys")):
        with Jail(mount_points=points) as j:
            j.restarted()
            mounts = {m.split(" ")[0]: m.split(" ")[1:3] for m in j.facts("mount")}
            paths = {p.split(" ")[0]: p.split(" ")[1] for p in j.facts("path")}
            for point, kind, flags, mode in (
                    ("/proc", "proc", "nosuid,nodev,noexec", "040555"),
                    ("/dev/pts", "devpts", "nosuid,noexec", "040755"),
                    ("/dev/shm", "tmpfs", "nosuid,nodev", "041777"),
                    ("/dev/mqueue", "mqueue", "nosuid,nodev,noexec", "041777"),
                    ("/run", "tmpfs", "nosuid,nodev", "040755"),
                    ("/tmp", "tmpfs", "nosuid,nodev", "041777")):
                if point == "/dev/pts" and not IS_ROOT:
                    continue
                same(mounts.get(point), [kind, f"rw,{flags},relatime"], point)
                same(paths[point], mode, f"the mode of {point}")
            check("/sys" in mounts, "/sys is mounted")
            j.expect(hostname="localhost", tcp4="ok", tcp6="ok", tmp_exec="ok", shm="ok",
                     mqueue="ok")
            check({"lo up 127.0.0.1", "lo up ::1"} <= set(j.facts("addr")), "lo is up")
            for link, to in (("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"),
                             ("stdout", "/proc/self/fd/1"), ("stderr", "/proc/self/fd/2")):
                check(f"/dev/{link} -> {to}" in j.facts("path"), f"/dev/{link}")


@test
def mounts_the_application_can_live_without_are_warnings() -> None:
    """A file where a mount point should be: said, and the boot goes on."""
    files = Tree()
    files.file("run", "no directory")
    files.file("tmp", "no directory")
    with Jail("/bin/act", files=files, mount_points=("dev", "proc", "sys")) as j:
        j.restarted()
        j.expect_log("init: mounts: /run: Not a directory", "init: mounts: /tmp: Not a directory",
                     STARTED, ENDED)


@test
def run_and_tmp_of_the_image_are_carried_over() -> None:
    """With owner, mode, links and what is below; the mounts keep their own modes."""
    if not IS_ROOT:
        raise Skip("the users of an image are mapped for root only")
    files = Tree()
    files.dir("run/app", 0o2750, uid=11, gid=12)
    files.file("run/app/pid", "42\n", 0o640, uid=11, gid=13)
    files.file("run/tool", b"#!", 0o4755)
    files.link("run/link", "/somewhere")
    files.dir("tmp/deep/er", 0o1777)
    files.file("tmp/deep/er/file", "x" * 100000, 0o600, uid=1000, gid=1000)
    with Jail("/bin/probe", "file", "/run/app/pid", files=files) as j:
        j.restarted()
        below = {p for p in j.facts("path") if re.match("/(run|tmp)/", p) and "/.probe" not in p}
        same(below, {"/run/app 042750 11:12", "/run/app/pid 100640 11:13",
                     "/run/tool 104755 0:0", "/run/link -> /somewhere", "/tmp/deep 040755 0:0",
                     "/tmp/deep/er 041777 0:0", "/tmp/deep/er/file 100600 1000:1000"}, "carried")
        same(j.fact("/run/app/pid"), r"[42\x0a]", "the content")
        check("/run 040755 0:0" in j.facts("path"), "the mode of /run")
        check("/tmp 041777 0:0" in j.facts("path"), "the mode of /tmp")


# --- /etc ---

@test
def resolv_conf_that_dangles_is_made_readable() -> None:
    """linuxkit's link into /run, absolute or relative."""
    for target in ("/run/resolvconf/resolv.conf", "../run/resolvconf/resolv.conf", "other/conf"):
        files = Tree()
        files.link("etc/resolv.conf", target)
        with Jail(files=files) as j:
            j.restarted()
            j.expect(resolv_conf="[]")
            check(f"/etc/resolv.conf -> {target}" in j.facts("path"), "it is a link still")
            same(len(j.log()), 2, "lines")


@test
def resolv_conf_of_the_image_stays() -> None:
    """A file, a link that leads somewhere, and none at all."""
    files = Tree()
    files.file("etc/resolv.conf", "nameserver 1.2.3.4\n")
    with Jail(files=files) as j:
        j.restarted()
        j.expect(resolv_conf=r"[nameserver 1.2.3.4\x0a]")
    files = Tree()
    files.link("etc/resolv.conf", "/run/conf")
    files.file("run/conf", "carried\n")
    with Jail(files=files) as j:
        j.restarted()
        j.expect(resolv_conf=r"[carried\x0a]")
    with Jail() as j:
        j.restarted()
        j.expect(resolv_conf="No such file or directory")


@test
def mtab_is_the_list_of_mounts() -> None:
    """A link, where the image has none; what the image has stays, a link to nothing as well."""
    look = ["/bin/probe", "file", "/etc/mtab"]
    with Jail(*look) as j:
        j.restarted()
        check(" /proc proc " in j.fact("/etc/mtab"), j.fact("/etc/mtab"))
        same(len(j.log()), 2, "lines")
    files = Tree()
    files.file("etc/mtab", "mine\n")
    with Jail(*look, files=files) as j:
        j.restarted()
        same(j.fact("/etc/mtab"), r"[mine\x0a]", "a file")
    files = Tree()
    files.link("etc/mtab", "/nowhere")
    with Jail(*look, files=files) as j:
        j.restarted()
        same(j.fact("/etc/mtab"), "No such file or directory", "a link to nothing")
        same(len(j.log()), 2, "lines")


@test
def hosts_names_localhost_unless_the_image_does() -> None:
    """Written where it is missing or empty; left alone otherwise."""
    ours = r"[127.0.0.1\x09localhost\x0a::1\x09localhost ip6-localhost ip6-loopback\x0a]"
    for files, wanted in ((Tree(), ours), (with_hosts(""), ours),
                          (with_hosts("10.0.0.1 x\n"), r"[10.0.0.1 x\x0a]")):
        with Jail(files=files) as j:
            j.restarted()
            j.expect(hosts=wanted)
    files = Tree()
    files.link("etc/hosts", "/nowhere")
    with Jail(files=files) as j:
        j.restarted()
        check("/etc/hosts -> /nowhere" in j.facts("path"), "the link is left alone")


def with_hosts(text: str) -> Tree:
    files = Tree()
    files.file("etc/hosts", text)
    return files


# --- steps and their numbers when the parent is told otherwise ---

@test
def a_stop_in_debug_mode_holds_the_console() -> None:
    """PCR0 locked and zero: the positive byte, the reason again, and no end yet."""
    with Jail(raw_cmd=b"", PCR_BYTE=0) as j:
        j.wait(lambda: j.log().count("init: spec: /cmd: empty: it names no program") == 2,
               "the reason a second time")
        same(j.parent.received, [0xB7], "the parent received")
        check(j.code is None, "it waits")
        check("module /nsm.ko ''" in j.record_lines(), "the modules are loaded for it")


@test
def a_stop_outside_debug_mode_is_a_negative_heartbeat() -> None:
    """PCR0 zero but not locked, a bare emulated device; PCR0 not zero."""
    for seams in ({"PCR_BYTE": 0, "PCR_LOCKED": 0}, {"PCR_BYTE": 1}):
        with Jail(raw_cmd=b"", **seams) as j:
            j.expect_stop(3, "spec", "/cmd: empty: it names no program")


@test
def a_stop_without_parent_still_restarts() -> None:
    """Nobody takes the negative heartbeat: said, and no obstacle."""
    with Jail(raw_cmd=b"", parent=Parent(refuse=-1, error=97)) as j:
        j.restarted()
        j.expect_log("init: spec: /cmd: empty: it names no program",
                     "init: heartbeat: CID 3 port 9000: no connection: "
                     "Address family not supported by protocol",
                     "init: end: boot: stopped in step 3, spec")
