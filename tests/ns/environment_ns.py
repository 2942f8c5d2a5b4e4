"""What the application finds around it: lo, devices, names, settings of the kernel."""

import ctypes
import os
import re
import signal
import subprocess
from pathlib import Path

from .lib import DEADLINE_S, IS_ROOT, Jail, Tree, check, same, test

SLEEP = ("/bin/act", "sleep", "600000")
BUSYBOX = Path("/bin/busybox")


def scripted(script: str, name: str = "bin/entrypoint.sh") -> Tree:
    """An image with busybox, whose tools have their names, and SCRIPT."""
    files = Tree()
    files.file("bin/busybox", BUSYBOX.read_bytes(), 0o755)
    for tool in ("sh", "cat", "cp", "echo", "hostname", "ifconfig", "ifup", "ip", "ls", "mkdir", "mount", "nc", "ping", "stat", "stty",
                 "test", "touch"):
        files.link(f"bin/{tool}", "busybox")
    files.file(name, script, 0o755)
    return files


# --- lo ---

# What well-known enclaves begin with, that AWS's init leaves lo down for.
ENTRYPOINTS = {
    # OpenSecretCloud/opensecret, entrypoint.sh at 0af28a7
    "opensecret": "set -e\nip addr add 127.0.0.1/8 dev lo\nip link set dev lo up\necho 127.0.0.8 api.resend.com >>/etc/hosts\n"
                  "ip addr show\nip route\ncat /etc/hosts\n",
    # marlinprotocol/oyster-monorepo, enclaves/blue/setup.sh at 0ecc91a, without the bridge, which the kernel may lack
    "oyster": 'set -e\nip addr add 127.0.0.1/8 dev lo\nip link set lo up\necho "127.0.0.1 localhost" > /etc/hosts\n'
              "ip link\nip addr\nip route\ncat /etc/hosts\n",
    # the same, sdks/docker-enclave/setup.sh at 0385aec
    "oyster-docker": "set -e\nip=10.0.0.5\nifconfig lo $ip mtu 9001\nip addr add $ip dev lo\nip addr\nip route add default dev lo src $ip\n",
    # MystenLabs/nautilus and its copies, run.sh
    "nautilus": "set -e\nbusybox ip addr add 127.0.0.1/32 dev lo\nbusybox ip link set dev lo up\n",
    # brave/nitriding-daemon, configureLoIface of system_linux.go at 0faeec8: netlink, any error is the end
    "nitriding": "set -e\nip addr add 127.0.0.1/8 scope global dev lo\nip link set lo up\n",
    "ifconfig": "set -e\nifconfig lo 127.0.0.1 up\nifconfig lo 127.0.0.1 netmask 255.0.0.0 up\n",
    # Alpine's and Debian's networking: by busybox, `ip addr add 127.0.0.1/8 dev lo`
    "ifup": "set -e\nmkdir -p /etc/network /var/run\necho 'iface lo inet loopback' >/etc/network/interfaces\n"
            "touch /var/run/ifstate\nifup lo\n",
}


@test
def entrypoints_that_set_lo_up_run() -> None:
    """Under set -e: who adds 127.0.0.1/8 or /32 by ip, netlink or ifconfig need not know that it is there."""
    for name, lines in ENTRYPOINTS.items():
        with Jail("/bin/sh", "/bin/entrypoint.sh", files=scripted(lines)) as j:
            j.expect_end("/bin/sh", "exited with code 0")
            check("RTNETLINK" not in j.text, f"{name}: {j.text}")


def in_net(j: Jail, *command: str) -> subprocess.CompletedProcess[str]:
    """A program of the machine in the jail's network."""
    return subprocess.run(["nsenter", "-t", str(j.init), "-U", "-n", *([] if IS_ROOT else ["--preserve-credentials"]), *command],
                          capture_output=True, text=True, check=False, timeout=DEADLINE_S)


ANSWERS = """
import socket
for address in ("127.0.0.1", "127.0.0.53", "127.5.5.5", "127.255.255.254", "::1"):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for kind in socket.SOCK_STREAM, socket.SOCK_DGRAM:
        with socket.socket(family, kind) as s, socket.socket(family, kind) as c:
            s.bind((address, 0))
            if kind == socket.SOCK_STREAM:
                s.listen()
            c.connect(s.getsockname())
            assert c.getsockname()[0] == ("::1" if family == socket.AF_INET6 else "127.0.0.1"), c.getsockname()
"""


@test
def all_of_127_answers_before_and_after() -> None:
    """Bound, connected to and from 127.0.0.1; an address that is added can be taken away; lo down and up is the kernel's again."""
    with Jail(*SLEEP) as j:
        j.started()
        for command in ((), ("add", "127.0.0.1/8"), ("add", "127.0.0.1/32"), ("del", "127.0.0.1/8"), ("del", "127.0.0.1/32"),
                        ("replace", "127.0.0.1/8")):
            if command:
                done = in_net(j, "ip", "addr", *command, "dev", "lo")
                same((done.returncode, done.stderr), (0, ""), f"ip addr {command}")
            done = in_net(j, "python3", "-c", ANSWERS)
            same((done.returncode, done.stderr), (0, ""), f"after {command}")
        done = in_net(j, "ip", "addr", "add", "127.0.0.1/8", "dev", "lo")
        check(done.returncode == 2, f"the second time: {done}")
        in_net(j, "ip", "link", "set", "lo", "down")
        in_net(j, "ip", "link", "set", "lo", "up")
        done = in_net(j, "python3", "-c", ANSWERS)
        same((done.returncode, done.stderr), (0, ""), "after down and up")


@test
def lo_shows_one_address_of_each_kind() -> None:
    """127.0.0.1 on the host's scope and ::1; no route but of this machine's own addresses."""
    with Jail(*SLEEP) as j:
        j.started()
        found = [line.split()[:4] for line in in_net(j, "ip", "-o", "-4", "addr", "show", "dev", "lo").stdout.splitlines()]
        same(found, [["1:", "lo", "inet", "127.0.0.1/31"]], "ip addr")
        same(in_net(j, "ip", "route").stdout, "", "the main table")
        routes = sorted(line.strip() for line in in_net(j, "ip", "route", "show", "table", "local").stdout.splitlines())
        same(routes, ["local 127.0.0.0/31 dev lo proto kernel scope host src 127.0.0.1",
                      "local 127.0.0.0/8 dev lo proto static scope host src 127.0.0.1",
                      "local 127.0.0.1 dev lo proto kernel scope host src 127.0.0.1"], "the local table")


# --- devices and settings of the kernel ---

@test
def devices_are_open_as_udev_has_them() -> None:
    """/dev/vsock, whence a user learns the CID, and /dev/net/tun: 0666, whatever the NSM's is; devices = root leaves them."""
    for config, mode in ((None, "666"), ("", "666"), ("devices = open\n", "666"), ("devices = root\n", "600")):
        with Jail("/bin/sh", "-c", "stat -c '@%n=%a %u %g' /dev/vsock /dev/net/tun", files=scripted(""), config=config, options=("-n",)) as j:
            j.expect_end("/bin/sh", "exited with code 0")
            same([j.fact("/dev/vsock"), j.fact("/dev/net/tun")], [f"{mode} 0 0"] * 2, f"with {config!r}")
    with Jail("/bin/act") as j:
        j.restarted()
        same([line for line in j.log() if "/dev" in line], [], "where there are none")


@test
def settings_of_the_kernel_are_a_distributions() -> None:
    """Ports for every user, without a configuration too; what the configuration says of the same setting counts."""
    name = "/proc/sys/net/ipv4/ip_unprivileged_port_start"
    for config, wanted in ((None, "0"), ("", "0"), ("sysctl = net.ipv4.ip_unprivileged_port_start=500\n", "500")):
        with Jail("/bin/probe", "file", name, config=config) as j:
            j.restarted()
            same(j.facts(name), [f"[{wanted}\\x0a]"], f"the first port with {config!r}")


# --- names ---

@test
def the_host_knows_its_name() -> None:
    """hostname resolves to 127.0.0.1, behind what is there; the name of many parts is the canonical one."""
    ours = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
    for config, image, wanted in (
            ("hostname = web\n", None, f"{ours}127.0.0.1\tweb\n"),
            ("hostname = web.example.com\n", None, f"{ours}127.0.0.1\tweb.example.com web\n"),
            ("hostname = web\n", "10.0.0.1 x", "10.0.0.1 x\n127.0.0.1\tweb\n"),
            ("hostname = web\n", "# web\n10.0.0.1 webx # web\nweb y\n", "# web\n10.0.0.1 webx # web\nweb y\n127.0.0.1\tweb\n"),
            ("hostname = web\n", "10.0.0.1\tx WEB\r\n", "10.0.0.1\tx WEB\r\n"),
            ("hostname = web\nadd-host = web:10.0.0.9\n", "1.1.1.1 x\n", "1.1.1.1 x\n10.0.0.9\tweb\n"),
            ("hostname = localhost\n", None, ours), ("", None, ours), (None, "1.1.1.1 x", "1.1.1.1 x")):
        files = scripted("")
        if image is not None:
            files.file("etc/hosts", image)
        with Jail("/bin/sh", "-c", "hostname -f; /bin/act sleep 600000", files=files, config=config) as j:
            j.started()
            same(Path(f"/proc/{j.app}/root/etc/hosts").read_bytes().decode(), wanted, f"{config!r} over {image!r}")
            if config and "hostname = web" in config and image != "10.0.0.1\tx WEB\r\n":
                j.wait_said("web.example.com\n" if "example" in config else "web\n")


@test
def hosts_that_cannot_be_written_are_a_warning() -> None:
    """A link and a folder: what was asked for is the name."""
    for kind, fault in (("link", "Symbolic link loop"), ("folder", "Is a directory")):
        files = Tree()
        if kind == "link":
            files.link("etc/hosts", "/x")
        else:
            files.file("etc/hosts/x", "")
        with Jail("/bin/probe", files=files, config="hostname = web\n") as j:
            j.restarted()
            same((j.fact("hostname"), f"init: mounts: hostname in /etc/hosts: {fault}" in j.log()), ("web", True), f"{kind}: {j.log()}")


# --- the console ---

def flags(pid: int, fd: int = 1) -> int:
    """Those of open(2), as /proc has them."""
    text = Path(f"/proc/{pid}/fdinfo/{fd}").read_text()
    return int(re.search(r"^flags:\t(\d+)$", text, re.M)[1], 8)


def two(j: Jail) -> tuple[int, int]:
    """The application and the service x, which has "nonblock" among its arguments."""
    j.wait(lambda: j.parent.received, "a heartbeat")
    j.wait(lambda: len(j.children()) == 2, "two services alone")
    return tuple(sorted(j.children(), key=lambda p: b"nonblock" in Path(f"/proc/{p}/cmdline").read_bytes()))


@test
def no_service_has_anothers_flags() -> None:
    """O_NONBLOCK that one sets on its output is not the other's, nor PID 1's."""
    with Jail(*SLEEP, config="[x]\ncommand = act nonblock sleep 600000\n") as j:
        main, x = two(j)
        j.wait(lambda: flags(x) & os.O_NONBLOCK, "x is not blocking")
        same([bool(flags(p) & os.O_NONBLOCK) for p in (main, j.init)], [False, False], "the application and PID 1")
        same({str(Path(f"/proc/{p}/fd/{n}").readlink()) for p in (main, x) for n in (1, 2)}, {"/dev/console"}, "what it is")


class Opens:
    """Whether PATH, under whatever name, is opened."""

    def __init__(self, path: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        in_open = 0x20
        check(self.fd >= 0 and libc.inotify_add_watch(self.fd, bytes(path), in_open) >= 0, f"inotify: {os.strerror(ctypes.get_errno())}")

    def any(self) -> bool:
        try:
            return bool(os.read(self.fd, 4096))
        except BlockingIOError:
            return False

    def __enter__(self) -> "Opens":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)


@test
def console_is_opened_by_those_who_have_it() -> None:
    """Not by a service whose descriptors are all null and which has no terminal; one descriptor is enough."""
    for config, wanted in (("stdin = null\nstdout = null\nstderr = null\n", False), ("stdout = null\nstderr = null\n", True),
                           ("stdin = null\nstderr = null\n", True), ("stdin = null\nstdout = null\n", True)):
        with Jail(*SLEEP, config=f"restart = always\nrestart-delay = 10ms\n{config}") as j:
            first = j.started().app
            with Opens(Path(f"/dev/pts/{os.minor(j.tty_device)}")) as opens:
                os.kill(first, signal.SIGKILL)
                j.wait(lambda: j.text.count("SIGKILL") == 1 and j.children() not in ([], [first]), "another start")
                another = Path(f"/proc/{j.app}")
                j.wait(lambda: b"sleep" in (another / "cmdline").read_bytes() and (another / "exe").readlink().name == "act", "exec")
                same(opens.any(), wanted, f"whether it opened the console, with {config!r}")


@test
def output_may_go_nowhere() -> None:
    """stdout and stderr, each alone: null is /dev/null, inherit the console; the log is not meant."""
    for config, wanted in (("stdout = null\n", ["console", "null", "console"]), ("stderr = null\n", ["console", "console", "null"]),
                           ("stdin = null\nstdout = null\nstderr = null\n", ["null"] * 3), ("stdout = inherit\n", ["console"] * 3)):
        with Jail(*SLEEP, config=config) as j:
            j.started()
            same([Path(f"/proc/{j.app}/fd/{n}").readlink().name for n in range(3)], wanted, config)
            j.wait_said("init: spawn: /bin/act: started by enclave-init")
    # Nobody reads: what would block does not.
    with Jail("/bin/act", "flood", "2048", config="stdout = null\nstderr = null\n", drain=False) as j:
        j.expect_end("/bin/act", "exited with code 0")


@test
def terminal_has_a_size() -> None:
    """24 lines of 80 where the machine says none; what it says stays."""
    for size, wanted in ((None, "24 80"), ((50, 132), "50 132")):
        with Jail("/bin/sh", "-c", "echo @size=$(stty size)", files=scripted(""), size=size) as j:
            j.expect_end("/bin/sh", "exited with code 0")
            same(j.fact("size"), wanted, f"of {size}")
