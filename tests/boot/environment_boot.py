"""7: what the application finds around it: lo, devices, names, settings of the kernel; by busybox, as entrypoints have it."""

from pathlib import Path

from .aws_boot import aws_image, aws_ramdisks
from .lib import Boot, Tree, boot, built, check, enclave, image, same, shared, test
from .root_boot import expect_file_systems

TOOLS = ("dd", "df", "grep", "sh", "cat", "hostname", "ip", "ifconfig", "ls", "nc", "ping", "stat", "stty", "id")

LOOK = """
set -e
for f in net/ipv4/ip_unprivileged_port_start net/ipv4/ping_group_range net/unix/max_dgram_qlen fs/protected_symlinks \
    fs/protected_hardlinks fs/protected_fifos fs/protected_regular; do
	if [ -e /proc/sys/$f ]; then echo "@$f="$(cat /proc/sys/$f); else echo "@$f=none"; fi
done
for f in /dev/vsock /dev/net/tun /dev/console; do
	if [ -e $f ]; then stat -c '@%n=%a %u:%g' $f; else echo "@$f=none"; fi
done
"""
LOOPBACK = """
set -e
ip addr add 127.0.0.1/8 dev lo
ip addr add 127.0.0.1/32 dev lo
ip link set dev lo up
ifconfig lo 127.0.0.1 up
ip route get 127.5.5.5 | head -1 | sed 's/^/@route=/'
"""
SETTINGS = {"net/ipv4/ip_unprivileged_port_start": "0", "net/ipv4/ping_group_range": "0 2147483647", "net/unix/max_dgram_qlen": "512",
            "fs/protected_symlinks": "1", "fs/protected_hardlinks": "1", "fs/protected_fifos": "1", "fs/protected_regular": "2"}


LOCKED = """\
sysctl = net.ipv4.ip_forward=1 kernel.sysrq=1
ptrace-scope = 2
kexec-load-disabled = yes
modules-disabled = yes
read-only = yes
tmp-size = 8m
"""


def tools() -> Tree:
    files = Tree()
    files.file("bin/busybox", Path("/bin/busybox").read_bytes(), 0o4755)  # ping of its own does not need that
    for tool in (*TOOLS, "head", "sed"):
        files.link(f"bin/{tool}", "busybox")
    files.file("etc/passwd", "root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/:\n")
    files.file("etc/group", "root:x:0:\napp:x:1000:\n")
    return files


def expect_lo(b: Boot) -> None:
    check(b.fact("route").startswith("local 127.5.5.5 dev lo ") and "src 127.0.0.1" in b.fact("route"), b.fact("route"))


@shared
def unconfigured() -> Boot:
    """An entrypoint that looks around and sets lo up, and what it starts, which looks at the kernel's locks."""
    files = tools()
    files.file("look.sh", LOOK + LOOPBACK + "exec /bin/act sysctls\n")
    return boot(image("/bin/sh", "/look.sh", files=files))


@test()
def settings_devices_and_lo_are_usual():
    """Without a configuration: sysctls of a distribution, devices as udev's, and an entrypoint that sets lo up itself."""
    b = unconfigured()
    b.expect_end("/bin/sh", "exited with code 0")
    same({k: b.fact(k) for k in SETTINGS}, SETTINGS, "sysctls")
    for device in ("/dev/vsock", "/dev/net/tun"):
        check(b.fact(device) in ("666 0:0", "none"), f"{device}: {b.fact(device)}")
    same(b.fact("/dev/vsock"), "666 0:0", "/dev/vsock")
    expect_lo(b)
    same(len(b.log), 2, "lines of log")


@shared
def unconfigured_on_4_14() -> Boot:
    """The same on AWS's kernel, behind the probe, and what tests/apps/attest.c does with the NSM."""
    app = Tree()
    for e in enclave.cpio_read(aws_image().ramdisks[1]):
        if e.name.startswith("rootfs/"):
            app.add(e.name.removeprefix("rootfs/"), e.mode, e.data, e.uid, e.gid, e.rdev)
    for name in ("attest", "probe"):
        app.file(f"bin/{name}", built(f"apps/{name}", "aarch64"), 0o755)
    app.file("look.sh", "/bin/probe && /bin/attest x y || exit 1\n" + LOOK + LOOPBACK)
    return boot(aws_ramdisks(app, "/bin/sh", "/look.sh"), append="panic=-1")


@test(8)
def settings_and_lo_on_4_14():
    """The same on AWS's kernel, into which AWS has put the newer settings."""
    b = unconfigured_on_4_14()
    b.expect_end("/bin/sh", "exited with code 0")
    same({k: b.fact(k) for k in SETTINGS}, SETTINGS, "sysctls")
    same(b.fact("/dev/vsock"), "666 0:0", "/dev/vsock")
    expect_lo(b)
    same(len(b.log), 2, "lines of log")


@test()
def file_systems_on_4_14():
    """On AWS's 4.14 kernel, too: file systems, v1 control groups, loopback, entropy."""
    b = unconfigured_on_4_14()
    check(b.fact("kernel").startswith("4.14."), b.fact("kernel"))
    expect_file_systems(b)
    for name in ("memory", "cpu", "pids", "cpuset"):
        same(b.mount(f"/sys/fs/cgroup/{name}")[0], "cgroup", name)
    same([a for a in b.all("addr") if a.startswith("lo ")], ["lo up 127.0.0.1", "lo up ::1"], "lo")
    b.expect(getrandom="ready", hostname="localhost", tty="No such device or address", foreground="-1")


# Whether the device opens.
LOOK_AT_NSM = "(exec 3<>/dev/nsm) && echo @nsm=open"


@shared
def unprivileged() -> Boot:
    """A user without privileges looks around, with init's debug log, where the configuration locks what it can."""
    look = ("ping -c 1 127.0.0.1 >/run/x 2>&1 || ping -c 1 127.0.0.1; echo @name=$(hostname -f); ping -c 1 web | sed -n 's/^PING/@ping=/p'; "
            f"(exec 3</dev/vsock) && echo @vsock=open; id | sed 's/^/@id=/'; {LOOK_AT_NSM}; (: >/file) 2>&1 | sed 's/.*: /@file=/'; exec act sysctls")
    return boot(image("/bin/sh", "-c", look, files=tools(), config=f"""\
user = app
no-new-privileges = yes
hostname = web.example.com
{LOCKED}"""), append="init_debug")


@test()
def users_ping_and_learn_the_cid():
    """A user without privileges: ping of localhost and of the host's name, which is canonical; the CID of /dev/vsock."""
    b = unprivileged()
    b.expect_end("/bin/sh", "exited with code 0")
    b.expect(name="web.example.com", vsock="open")
    check(b.fact("ping").strip().startswith("web (127.0.0.1)"), b.fact("ping"))
    check("uid=1000" in b.fact("id"), b.fact("id"))


@shared
def of_two_users() -> Boot:
    """Root, whose application then turns the clock, and a user without a line in /etc/passwd look whether the NSM opens."""
    files = tools()
    files.file("bin/clock", built("apps/clock"), 0o755)
    look = "if (exec 3<>/dev/nsm); then echo @$0=open; else echo @$0=closed; fi"
    return boot(image("/bin/sh", files=files, config=f"""end = all
command = /bin/sh -c "{look}; exec clock" main
[w]
user = 1234
command = /bin/sh -c "{look}; id | sed 's/^/@id=/'" w
"""))


@test()
def group_0_is_no_permission_to_attest():
    """A user without a line in /etc/passwd has group 0, and cannot open the device of root's application."""
    b = of_two_users()
    b.expect(main="open", w="closed")
    check(b.fact("id").startswith("uid=1234 gid=0"), b.fact("id"))


@test()
def who_may_attest_is_logged():
    """In debug mode of the log: the application's user where its group is 0, who can open it then."""
    def booted(config: str) -> Boot:
        return boot(image("/bin/sh", "-c", LOOK_AT_NSM, files=tools(), config=config), append="init_debug")

    for b, who in ((booted("user = 1234\n"), "user 1234"), (unprivileged(), "user 0 and group 1000"),
                   (booted("user = 1234\nnsm = open\n"), "everybody")):
        b.expect(nsm="open")
        b.expect_said(f"mounts: /dev/nsm: open to {who}")
