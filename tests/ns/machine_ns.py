"""Step 7 as the configuration wants it: file systems, names, /dev/nsm, sysctls; where it is read from; the heartbeat."""

import os
import re
import stat
from pathlib import Path

from .lib import Jail, Parent, Tree, app, check, same, test

SLEEP = ("/bin/act", "sleep", "600000")


def mounts(j: Jail) -> dict[str, tuple[str, str, str]]:
    """Type, options and the file system's own of what the application sees, by its point."""
    found = {}
    for line in Path(f"/proc/{j.app}/mountinfo").read_text().splitlines():
        left, right = line.split(" - ")
        point, options = left.split()[4:6]
        kind, _, own = right.split(" ", 2)
        found[point] = (kind, options, own)
    return found


def read(j: Jail, path: str) -> str:
    return Path(f"/proc/{j.app}/root{path}").read_text()


def image_with(name: str, text: bytes, *links: tuple[str, str]) -> Tree:
    files = Tree()
    files.file(name, text)
    for link, target in links:
        files.link(link, target)
    return files


# --- where it is read from ---

@test
def the_images_own_configuration_is_read() -> None:
    """/etc/enclave-init.conf, which the one beside /cmd stands for as a whole."""
    files = image_with("etc/enclave-init.conf", b"umask = 027\nenvironment = A=own\n")
    with Jail("/bin/act", "env", "A", *SLEEP[1:], files=files) as j:
        j.started()
        j.expect(env__A="own")
    with Jail("/bin/act", "env", "A", *SLEEP[1:], files=files, config="umask = 077\n") as j:
        j.started()
        j.expect(env__A="(unset)")
    with Jail("/bin/act", files=image_with("etc/enclave-init.conf", b"\n umsk = 1\n")) as j:
        j.expect_stop(3, "spec", "/etc/enclave-init.conf: line 2, column 2: no such key, the nearest is umask")


@test
def no_link_leads_out_of_the_image() -> None:
    """Absolute and climbing ones stay below /rootfs; loops, fifos and folders are errors with the file's name."""
    good = b"environment = A=linked\n"
    for target in ("/opt/conf", "../opt/conf", "../../../../opt/conf", "/../opt/./conf", "hop/conf"):
        files = image_with("opt/conf", good, ("etc/enclave-init.conf", target), ("etc/hop", "/opt"))
        with Jail("/bin/act", "env", "A", *SLEEP[1:], files=files) as j:
            j.started()
            j.expect(env__A="linked")
    # In the ramdisk's root, not in the image's: a link to nothing is a file that is missing.
    for target in ("/cmd", "../../cmd", "../../../cmd", "nowhere"):
        with Jail("/bin/act", files=image_with("x", b"", ("etc/enclave-init.conf", target))) as j:
            j.expect_stop(3, "spec", "/etc/enclave-init.conf: No such file or directory")
    with Jail(*SLEEP, files=image_with("etc", b"no folder")) as j:
        j.started()
    for link, target, fault in (("etc/enclave-init.conf", "enclave-init.conf", "Symbolic link loop"),
                                ("etc/enclave-init.conf", "/etc", "Is a directory")):
        with Jail("/bin/act", files=image_with("etc/x", b"", (link, target))) as j:
            j.expect_stop(3, "spec", f"/etc/enclave-init.conf: {fault}")


# --- file systems ---

@test
def sizes_of_the_usual_ones() -> None:
    """tmp-size, run-size, shm-size; what is not said is bounded by what is free."""
    with Jail(*SLEEP, config="tmp-size = 3m\nrun-size = 5M\nshm-size = 7m\n") as j:
        j.started()
        found = mounts(j)
        for point, kib in (("/tmp", 3072), ("/run", 5120), ("/dev/shm", 7168)):
            check(f"size={kib}k" in found[point][2], f"{point}: {found[point]}")
            check("mode=" not in found[point][2] or point == "/run", f"{found[point]}")
    with Jail(*SLEEP) as j:
        j.started()
        found = mounts(j)
        size = {p: int(re.search(r"size=(\d+)k,nr_inodes=\d+", found[p][2])[1]) for p in ("/tmp", "/run", "/dev/shm")}
        for point, ratio in (("/tmp", 4), ("/dev/shm", 3)):
            check(abs(size[point] - ratio * size["/run"]) <= 40, f"{size}")


@test
def more_file_systems_in_memory() -> None:
    """tmpfs: made with its folders, empty, closed as docker's are, unless it says otherwise."""
    files = image_with("var/cache/old", b"x")
    with Jail(*SLEEP, files=files, config="tmpfs = /var/cache\ntmpfs = /a/b/c:size=1m,mode=0700,exec,suid,uid=5\n") as j:
        j.started()
        found = mounts(j)
        same((found["/var/cache"][0], set(found["/var/cache"][1].split(",")) >= {"nosuid", "nodev", "noexec"}),
             ("tmpfs", True), "/var/cache")
        check("noexec" not in found["/a/b/c"][1] and "size=1024k" in found["/a/b/c"][2] and "mode=700" in found["/a/b/c"][2],
              f"{found['/a/b/c']}")
        same(os.listdir(f"/proc/{j.app}/root/var/cache"), [], "what is in it")
    with Jail(*SLEEP, files=image_with("file", b"x"), config="tmpfs = /file\n") as j:
        j.expect_stop(7, "mounts", "/file: Not a directory")


@test
def the_root_may_be_read_only() -> None:
    """read-only: what is in memory is not; mount points and files of ours were made before."""
    with Jail("/bin/act", "make", "/file", "make", "/tmp/file", "make", "/run/file", "make", "/c/file", *SLEEP[1:],
              config="read-only = yes\ntmpfs = /c\nadd-host = db:10.0.0.1\n") as j:
        j.started()
        check("ro" in mounts(j)["/"][1].split(","), f"{mounts(j)['/']}")
        j.wait(lambda: Path(f"/proc/{j.app}/root/c/file").exists(), "the last of the files")
        there = [p for p in ("/file", "/tmp/file", "/run/file", "/c/file") if Path(f"/proc/{j.app}/root{p}").exists()]
        same(there, ["/tmp/file", "/run/file", "/c/file"], "files that could be made")
        check("10.0.0.1\tdb\n" in read(j, "/etc/hosts"), read(j, "/etc/hosts"))
    with Jail("/bin/act", "make", "/file", *SLEEP[1:], config="read-only = no\n") as j:
        j.started()
        j.wait(lambda: Path(f"/proc/{j.app}/root/file").exists(), "a file in the root")


# --- names and addresses ---

@test
def the_host_has_a_name() -> None:
    """hostname, localhost without it."""
    for config, name in (("hostname = app-1.example\n", "app-1.example"), ("", "localhost")):
        with Jail("/bin/probe", config=config) as j:
            j.restarted()
            same(j.fact("hostname"), name, "the name")


@test
def hosts_are_added_to_the_images() -> None:
    """add-host: behind what the image has, or what we write where it has none."""
    with Jail(*SLEEP, files=image_with("etc/hosts", b"127.0.0.1 localhost mine"), config="add-host = a:10.0.0.1 b:fe80::1\n") as j:
        j.started()
        same(read(j, "/etc/hosts"), "127.0.0.1 localhost mine\n10.0.0.1\ta\nfe80::1\tb\n", "/etc/hosts")
    with Jail(*SLEEP, files=image_with("etc/hosts", b"1.2.3.4 a\n"), config="add-host = b:10.0.0.1\n") as j:
        j.started()
        same(read(j, "/etc/hosts"), "1.2.3.4 a\n10.0.0.1\tb\n", "/etc/hosts")
    with Jail(*SLEEP, config="add-host = a:10.0.0.1\n") as j:
        j.started()
        text = read(j, "/etc/hosts")
        check(text.startswith("127.0.0.1\tlocalhost\n") and text.endswith("\n10.0.0.1\ta\n"), text)
    fifo = Tree()
    fifo.add("etc/hosts", stat.S_IFIFO | 0o644)
    with Jail(*SLEEP, files=fifo, config="add-host = a:10.0.0.1\n") as j:
        j.expect_stop(7, "mounts", "/etc/hosts: Invalid argument")
    with Jail(*SLEEP, files=image_with("x", b"", ("etc/hosts", "/x")), config="add-host = a:10.0.0.1\n") as j:
        j.expect_stop(7, "mounts", "/etc/hosts: Symbolic link loop")


@test
def resolvers_are_what_the_configuration_says() -> None:
    """dns, dns-search, dns-option: a new file, in the place of the image's or of a dangling link."""
    config = "dns = 127.0.0.1 ::1\ndns-search = a.example b\ndns-option = ndots:2 edns0\n"
    wanted = "search a.example b\nnameserver 127.0.0.1\nnameserver ::1\noptions ndots:2 edns0\n"
    for files in (image_with("etc/resolv.conf", b"nameserver 9.9.9.9\n"),
                  image_with("x", b"", ("etc/resolv.conf", "/run/resolvconf/resolv.conf")), Tree()):
        with Jail(*SLEEP, files=files, config=config) as j:
            j.started()
            same(read(j, "/etc/resolv.conf"), wanted, "/etc/resolv.conf")
    with Jail(*SLEEP, files=image_with("etc/resolv.conf", b"nameserver 9.9.9.9\n"), config="hostname = x\n") as j:
        j.started()
        same(read(j, "/etc/resolv.conf"), "nameserver 9.9.9.9\n", "the image's")


# --- /dev/nsm ---

@test
def the_device_is_the_applications_groups() -> None:
    """With a configuration 0660: of the group nsm, else of the application's, but 0600 for group 0; open as without one; names, too."""
    files = Tree()
    files.file("etc/passwd", b"root:x:0:0::/:\napp:x:1000:50::/:\n")
    files.file("etc/group", b"root:x:0:\nstaff:x:50:\ntss:x:59:\n")
    with_nsm = Tree()
    with_nsm.entries.update(files.entries)
    with_nsm.file("etc/group", b"root:x:0:\nstaff:x:50:\nnsm:x:77:\n")
    for config, tree, wanted in ((None, files, "100666 0:0"), ("", files, "100600 0:0"), ("user = app\n", files, "100660 0:50"),
                                 ("user = app:tss\n", files, "100660 0:59"), ("user = app:0\n", files, "100600 1000:0"),
                                 ("user = 1000\n", Tree(), "100600 1000:0"), ("nsm-group = 0\n", files, "100660 0:0"), ("user = app\n", with_nsm, "100660 0:77"),
                                 ("nsm = open\nuser = app\n", files, "100666 0:0"),
                                 ("nsm-group = tss\n", files, "100660 0:59"), ("nsm-owner = app\nnsm-mode = 0600\n", files, "100600 1000:0"),
                                 ("nsm-group = 12\nnsm = open\n", files, "100666 0:12")):
        with Jail("/bin/probe", files=tree, config=config, options=("-n",)) as j:
            j.restarted()
            check(f"/dev/nsm {wanted}" in j.facts("path"), f"{config!r}: {[p for p in j.facts('path') if 'nsm' in p]}")
    for config, fault in (("nsm-group = nosuch\n", "nsm-group nosuch: not in /etc/group"),
                          ("nsm-owner = nosuch\n", "nsm-owner nosuch: not in /etc/passwd")):
        with Jail("/bin/probe", files=files, config=config, options=("-n",)) as j:
            j.expect_stop(7, "mounts", fault)


@test
def the_tool_may_be_left_out() -> None:
    """nsm-tool = no: /nsm of the boot ramdisk is not mounted."""
    for config, there in (("nsm-tool = no\n", False), ("nsm-tool = yes\n", True)):
        with Jail(*SLEEP, boot_files={"nsm": app("act")}, config=config) as j:
            j.started()
            same(Path(f"/proc/{j.app}/root/run/enclave/bin/nsm").exists(), there, config)


# --- the kernel ---

@test
def sysctls_are_written_in_order() -> None:
    """Those of this namespace; one that is not there stops, unless it may fail, which is said."""
    with Jail("/bin/act", "sysctls", *SLEEP[1:], config="sysctl = net.ipv4.ip_forward=1 net/ipv4/ip_default_ttl=33\nsysctl = -net.no.such=1\n") as j:
        j.started()
        j.expect_said("init: mounts: net/no/such: No such file or directory")
        j.wait_said("@sysctls=1 33")
    with Jail(*SLEEP, config="sysctl = net.no.such=1\n") as j:
        j.expect_stop(7, "mounts", "sysctl net/no/such: No such file or directory")
    with Jail(*SLEEP, config="sysctl = net.ipv4.ip_forward=many\n") as j:
        j.expect_stop(7, "mounts", "sysctl net/ipv4/ip_forward: Invalid argument")


# --- what the boot needs ---

@test
def entropy_may_be_optional() -> None:
    """Then its lack is a warning; PCRs that were asked for are not."""
    with Jail(*SLEEP, config="entropy = optional\n", NSM_OPEN_ERRNO=2) as j:
        j.started()
        j.expect_said("init: entropy: /dev/nsm: No such file or directory")
    with Jail(*SLEEP, config="entropy = required\n", NSM_OPEN_ERRNO=2) as j:
        j.expect_stop(5, "entropy", "/dev/nsm: No such file or directory")
    with Jail("/bin/act", config="entropy = optional\npcr-lock = 16\n", NSM_ERRNO=110) as j:
        j.restarted()
        same(j.parent.received, [5], "the parent received")
        same([r for r in j.record_lines() if "PCR" in r], [], "what a dead NSM was asked again")
    with Jail(*SLEEP, config="entropy = optional\npcr-lock = 16\n", NSM_OPEN_ERRNO=2) as j:
        j.restarted()
        same((j.log()[-1], j.parent.received), ("init: end: boot: stopped in step 5, entropy", [5]), "the end")


@test
def the_heartbeat_is_as_it_is_asked_for() -> None:
    """off: none, not even for a stop; strict: without an answer it stops; another port."""
    with Jail("/bin/act", "say", "ran", config="heartbeat = off\n") as j:
        j.expect_end("/bin/act", "exited with code 0")
        same((j.parent.received, j.parent.attempts), ([], []), "heartbeats")
    with Jail("/nosuch", config="heartbeat = off\n") as j:
        j.restarted()
        same(j.parent.attempts, [], "heartbeats of a stop")
    with Jail(*SLEEP, config="heartbeat-port = 9123\n") as j:
        j.started()
        same(j.parent.attempts, ["3 9123 10000"], "where it went")
    with Jail(*SLEEP, config="heartbeat = strict\n", parent=Parent(echo=b"x")) as j:
        j.restarted()
        j.expect_said("init: heartbeat: heartbeat = strict: the parent has not answered")
        same(j.log()[-1], "init: end: boot: stopped in step 9, heartbeat", "the last line")
    with Jail("/bin/act", "say", "ran", *SLEEP[1:], config="heartbeat = strict\n") as j:
        j.started()
