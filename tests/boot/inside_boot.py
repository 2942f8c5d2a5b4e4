"""relay as PID 1 starts it, over real vsock; and vsock = none."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from . import parent
from .aws_boot import aws_ramdisks
from .handover_boot import missing
from .lib import DEADLINE_S, TOP, Boot, Skip, Tree, boot, built, check, image, running, same, shared, test

RELAY = {"relay": (built("relay"), 0o755)} if (TOP / "build/x86_64/relay").exists() else {}
PORT = 8080  # of the enclave, for its parent
GO_ON = (8081, 8082)  # as well: the script waits there for a connection
PAGE = b"<p>over vsock\n" * 5000
NO_FAMILY, NO_CALL = 97, 38


def tools() -> Tree:
    files = Tree()
    files.file("bin/busybox", Path("/bin/busybox").read_bytes(), 0o755)
    for name in ("cat", "env", "grep", "head", "httpd", "kill", "nc", "sh", "sleep", "tr", "wc", "wget"):
        files.link(f"bin/{name}", "busybox")
    files.file("www/page", PAGE)
    return files


# --- the parent --------------------------------------------------------------

@dataclass
class Outside:
    """What the parent's programs had."""
    folder: Path
    got: dict[str, bytes] = field(default_factory=dict)
    over: threading.Event = field(default_factory=threading.Event)

    def connect(self, port: int) -> socket.socket:
        """To a port of the enclave, as soon as it is there."""
        while not self.over.is_set():
            s = socket.socket(socket.AF_UNIX)
            with contextlib.suppress(OSError):
                s.connect(str(self.folder / f"{port}.listen"))
                return s
            s.close()
            time.sleep(0.05)
        raise ConnectionError("the enclave has ended")

    def go_on(self, port: int, has_gone_on: threading.Event) -> None:
        """A connection to PORT, until one has been answered, or its answer lost and the script has gone on."""
        while not self.over.is_set() and not has_gone_on.is_set():
            with contextlib.suppress(OSError), self.connect(port) as s:
                if s.recv(100):
                    return
            time.sleep(0.05)

    def get(self, name: str, port: int = PORT) -> None:
        """The page, by HTTP, again until it is there: relay listens before the application does."""
        while not self.over.is_set() and not self.got.get(name, b"").endswith(PAGE):
            with contextlib.suppress(OSError), self.connect(port) as s:
                s.sendall(b"GET /page HTTP/1.0\r\n\r\n")
                data = b""
                # Up to its last byte: the emulator does not pass the end of one direction on.
                while not data.endswith(PAGE) and (piece := s.recv(1 << 16)):
                    data += piece
                self.got[name] = data
            time.sleep(0.05)


@contextmanager
def outside(*work: Callable[[Outside], None]) -> Iterator[Outside]:
    """Each of WORK in a thread of its own, beside the boot."""
    with parent.folder() as folder:
        o = Outside(folder)
        threads = [threading.Thread(target=w, args=(o,), daemon=True) for w in work]
        for t in threads:
            t.start()
        try:
            yield o
        finally:
            o.over.set()
            for t in threads:
                t.join(DEADLINE_S)


# --- forwards ----------------------------------------------------------------

@shared
def both_ways() -> Boot:
    """A server inside that the parent reads from, and a program that has asked one of the parent's; .got is what each of these had."""
    script = r"""
    echo hello | nc 127.0.0.1 7000 >/run/got; echo "@bytes=$(wc -c </run/got)"
    relay() { for p in /proc/[0-9]*; do read -r n <$p/comm && [ "$n" = memfd:relay ] && grep -q '^PPid:.1$' $p/status && echo ${p#/proc/}; done; }
    first=$(relay)
    echo "@relay=$(tr '\0' ' ' </proc/$first/cmdline)"
    echo "@score=$(cat /proc/$first/oom_score_adj)"
    for fd in /proc/$first/fd/*; do echo "@fd=${fd##*/}"; done
    for what in Uid Gid CapEff CapBnd NoNewPrivs Seccomp; do echo "@$what=$(grep "^$what:" /proc/$first/status | tr '\t' ' ')"; done
    httpd -p 127.0.0.1:80 -h /www
    nc -l -p 81 -e cat /www/go
    kill -9 $first
    until [ -n "$(relay)" ] && [ "$(relay)" != "$first" ]; do sleep 0.1; done
    echo "@again=1"
    nc -l -p 82 -e cat /www/go
    """
    config = (f"forward = vsock:{PORT} tcp:127.0.0.1:80\nforward = vsock:{GO_ON[0]} tcp:127.0.0.1:81\n"
              f"forward = vsock:{GO_ON[1]} tcp:127.0.0.1:82\nforward = tcp:127.0.0.1:7000 vsock:5000\n")
    files = tools()
    files.file("script", script.encode())
    files.file("www/go", b"go on\n")
    eif = image("/bin/sh", "/script", files=files, config=config, boot_files=RELAY)

    again, listens = threading.Event(), threading.Event()

    def reader(o: Outside) -> None:
        o.get("first")
        o.go_on(GO_ON[0], again)
        while not again.wait(0.1) and not o.over.is_set():
            pass
        o.get("later")
        o.go_on(GO_ON[1], o.over)

    def server(o: Outside) -> None:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(o.folder / "5000.sock"))
            listener.listen()
            listens.set()
            listener.settimeout(0.1)
            while not o.over.is_set():
                with contextlib.suppress(TimeoutError):
                    conn, _ = listener.accept()
                    with conn:
                        conn.settimeout(DEADLINE_S)
                        asked = b""
                        while not asked.endswith(b"\n") and (piece := conn.recv(100)):
                            asked += piece
                        o.got["asked"] = asked
                        conn.sendall(PAGE)

    with outside(reader, server) as o:
        check(listens.wait(DEADLINE_S), "the server outside does not listen")
        b = boot(eif, folder=o.folder, ports=(PORT, *GO_ON), on_line=lambda _, text: again.set() if "@again=1" in text else None)
    b.got = o.got
    return b


@test()
def the_parent_reaches_a_server_inside():
    """A page of busybox's httpd, whole, before and after relay was killed; PID 1 says so, and sleeps otherwise."""
    b = both_ways()
    for name in ("first", "later"):
        check(b.got.get(name, b"").endswith(PAGE), f"{name}: {b.got.get(name, b'')[:100]!r}")
    b.expect(again="1", score="-500")
    check(b.fact("relay").startswith("relay inside --version="), b.fact("relay"))
    b.expect_said("init: relay: its process: killed by SIGKILL, started again")
    for what, wanted in (("Uid", "65530"), ("Gid", "65530")):
        same(b.fact(what).split()[1:], [wanted] * 4, what)
    same([b.fact(w).split()[1] for w in ("CapEff", "NoNewPrivs", "Seccomp")], ["0" * 16, "1", "2"], "privileges")
    b.expect_end("/bin/sh", "exited with code 0")


@test()
def a_program_inside_reaches_the_parent():
    """Out by a port of loopback: what the parent's server sends comes whole, and its end, too."""
    b = both_ways()
    same(b.got.get("asked"), b"hello\n", "what it asked")
    b.expect(bytes=str(len(PAGE)))


ANSWER = PAGE * 16  # much more than a socket of vsock holds


@shared
def answered() -> Boot:
    """An application that answers and ends at once, in an image with a relay of its own; .got is what its parent had."""
    config = f"forward = vsock:{PORT} tcp:127.0.0.1:80\n"
    files = tools()
    files.file("www/answer", ANSWER)
    files.file("usr/bin/enclave-relay", built("relay"), 0o755)
    eif = image("/bin/sh", "-c", "nc -l -p 80 -e cat /www/answer", files=files, config=config)

    def reader(o: Outside) -> None:
        while not o.over.is_set() and not o.got.get("answer"):
            with contextlib.suppress(OSError), o.connect(PORT) as s:
                data = b""
                with contextlib.suppress(ConnectionResetError):
                    while piece := s.recv(1 << 16):
                        data += piece
                o.got["answer"] = data

    with outside(reader) as o:
        b = boot(eif, folder=o.folder, ports=(PORT,))
    b.got = o.got
    return b


@test(3)
def the_last_answer_arrives():
    """Its parent has the whole answer."""
    answered().expect_end("/bin/sh", "exited with code 0")
    same(len(answered().got.get("answer", b"")), len(ANSWER), "the bytes")


# --- egress ------------------------------------------------------------------


@test()
def what_is_allowed_is_reached_by_proxy_and_by_name():
    """By relay egress of the parent: with http_proxy, which is set, and without, by /etc/hosts; another name is refused."""
    name = socket.gethostname()
    try:
        address = socket.gethostbyname(name)
    except OSError:
        raise Skip(f"{name} has no address") from None
    with socket.create_server((address, 0)) as listener:
        port = listener.getsockname()[1]

        def server(o: Outside) -> None:
            listener.settimeout(0.1)
            while not o.over.is_set():
                with contextlib.suppress(OSError):
                    conn, _ = listener.accept()
                    with conn:
                        conn.settimeout(DEADLINE_S)
                        o.got["asked"] = o.got.get("asked", b"") + b"\n"  # behind what another connection has sent
                        while not o.got["asked"].endswith(b"\r\n\r\n") and (piece := conn.recv(1000)):
                            o.got["asked"] += piece
                        conn.sendall(b"HTTP/1.0 200 OK\r\n\r\nit is here\n")

        script = f"""
        echo "@proxy=$http_proxy $HTTPS_PROXY"
        echo "@allowed=$(wget -q -O - http://{name}:{port}/a)"
        echo "@other=$(wget -q -O - http://other.example/a 2>&1)"
        unset http_proxy HTTP_PROXY
        echo "@direct=$(wget -q -O - http://{name}:{port}/b)"
        echo "@hosts=$(grep {name} /etc/hosts | tr '\t' ' ')"
        """
        files = tools()
        files.file("script", script.encode())
        config = (f"egress = 127.0.0.1:3128\negress-allow = {name}:{port}\n"
                  f"egress-names = {name}:{port}\nvsock = none\n")
        eif = image("/bin/sh", "/script", files=files, config=config, boot_files=RELAY)
        with outside(server) as o, \
                running(TOP / "build/x86_64/relay", "egress", f"dir:{o.folder}:17002", "--allow", address, at=(o.folder / "17002.sock",)):
            b = boot(eif, folder=o.folder)
    b.expect(proxy="http://127.0.0.1:3128 http://127.0.0.1:3128", allowed="it is here", direct="it is here",
             hosts=f"127.90.0.1 {name}")
    check("403" in b.fact("other"), b.fact("other"))
    same(o.got["asked"].count(b"GET "), 2, f"{o.got['asked']!r}")


# --- what stops the boot -----------------------------------------------------

@test()
def a_boot_without_relay_stops():
    """In step 8, which the parent is told; nothing of the image runs."""
    b = boot(image("/bin/act", "say", "ran", config="forward = vsock:1 tcp:127.0.0.1:80\n"))
    b.expect_stop(8, "spawn: relay: neither in the boot ramdisk (/relay) nor in the image (/usr/bin/enclave-relay)")
    same(b.all("say"), [], "the application has run")


@test()
def a_port_that_is_taken_stops_the_boot():
    """The line and the address are named: here the log listens there first."""
    b = boot(image("/bin/act", "say", "ran", boot_files=RELAY,
                   config="log = listen\nlog-port = 7\n\nforward = vsock:7 tcp:127.0.0.1:80\n"))
    b.expect_stop(8, "init: spawn: line 4: vsock:7: Address in use")
    same(b.all("say"), [], "the application has run")


@test()
def a_bad_line_stops_the_boot():
    """In relay's words, with the line of the configuration."""
    b = boot(image("/bin/act", "say", "ran", boot_files=RELAY, config="umask = 022\nforward = vsock:7 tcp:example.com:80\n"))
    b.expect_stop(8, "init: spawn: line 2: forward: tcp:example.com:80: it must be an address")


@shared
def stays() -> Boot:
    """root = stay: the application and relay lie beside /init, as in images of some builders."""
    return boot(image("/act", "say", "ran", "exec", "/app", rootfs=False, config=f"root = stay\nforward = vsock:{PORT} tcp:127.0.0.1:80\n",
                      boot_files={**RELAY, "act": (built("apps/act"), 0o755), "app": (built("apps/probe"), 0o755)}))


@test()
def an_image_may_have_its_own():
    """At /usr/bin/enclave-relay, as images of nitro-cli have it; with root = stay in either place."""
    answered().expect_end("/bin/sh", "exited with code 0")
    check(answered().got.get("answer"), "it has forwarded nothing")
    stays().expect(say="ran")
    b = boot(image("/act", "say", "ran", config=f"root = stay\nforward = vsock:{PORT} tcp:127.0.0.1:80\n",
                   boot_files={"usr/bin/enclave-relay": RELAY["relay"], "act": (built("apps/act"), 0o755)}))
    b.expect(say="ran")


# --- vsock = none ------------------------------------------------------------

def ways(b: Boot, prefix: str = "") -> dict[str, int]:
    names = ("socket", "datagram", "wide", "pair", "ring", "unix", "inet", "unix-pair", "x32-socket", "i386-socket", "i386-pair",
             "i386-socketcall", "i386-ring", "i386-unix")
    return {n: int(b.fact(prefix + n)) for n in names if prefix + n in b.facts}


def expect_none(b: Boot, prefix: str = "") -> None:
    found = ways(b, prefix)
    for name in ("socket", "datagram", "wide", "pair"):
        same(found[name], NO_FAMILY, prefix + name)
    same(found["ring"], NO_CALL, prefix + "ring")
    same([found[n] for n in ("unix", "inet", "unix-pair")], [0, 0, 0], prefix + "others")


@shared
def without() -> Boot:
    """An application without vsock, and its child; a service that may have it, and one of a user without it."""
    files = tools()
    files.file("bin/family", built("apps/family"), 0o755)
    return boot(image(no_cmd=True, files=files, config="""\
command = /bin/family
vsock = none
end = all
[open]
command = /bin/family open-
vsock = open
[user]
command = /bin/sh -c "act privileges; family user-"
vsock = none
user = 77
"""))


@test()
def vsock_none_refuses_each_way():
    """socket, socketpair, half a register, io_uring, x32 and 32-bit calls, in the application and in its child."""
    for prefix in ("", "child-"):
        b = without()
        expect_none(b, prefix)
        found = ways(b, prefix)
        check(found["x32-socket"] in (NO_CALL, NO_FAMILY), f"x32: {found}")
        if f"{prefix}i386-signal" not in b.facts:
            same({n: found[n] for n in found if n.startswith("i386")},
                 {"i386-socket": NO_FAMILY, "i386-pair": NO_FAMILY, "i386-socketcall": NO_CALL, "i386-ring": NO_CALL, "i386-unix": 0},
                 "32-bit calls")
    without().expect_end("/bin/family", "exited with code 0")
    without().expect_heartbeat()


@test()
def vsock_open_is_as_before():
    """Without the key a process may have a socket of vsock: the test above tells something."""
    found = ways(without(), "open-")
    same((found["socket"], found["ring"] in (14, NO_CALL)), (0, True), f"{found}")


@test()
def vsock_none_of_a_user_and_with_another_filter():
    """A user gets no-new-privileges by it; hand-over has it as process 1; others of the image keep vsock."""
    b = without()
    expect_none(b, "user-")
    check("NoNewPrivs:\t1" in b.fact("privileges").replace("\\x09", "\t"), b.fact("privileges"))
    files = tools()
    files.file("bin/family", built("apps/family"), 0o755)
    b = boot(image(no_cmd=True, files=files, config="command = /bin/sh -c \"family; act idle reboot\"\nvsock = none\nhand-over = yes\n"),
             ends=False)
    expect_none(b)
    b.expect_heartbeat()
    missing().expect_stop(8, "init: spawn: /sbin/init: not found")


@shared
def on_4_14() -> Boot:
    """On AWS's kernel for arm64: an application without vsock, beside relay, which has it."""
    app = Tree()
    for name in ("act", "family"):
        app.file(f"bin/{name}", built(f"apps/{name}", "aarch64"), 0o755)
    return boot(aws_ramdisks(app, "/bin/act", "say", "ran", "exec", "/bin/family",
                             config=f"vsock = none\nforward = vsock:{PORT} tcp:127.0.0.1:80\n".encode(),
                             boot_files={"relay": built("relay", "aarch64")}), append="panic=-1")


@test(8)
def vsock_none_on_4_14():
    """AWS's kernel for arm64."""
    b = on_4_14()
    for prefix in ("", "child-"):
        expect_none(b, prefix)
    b.expect_end("/bin/act", "exited with code 0")
    b.expect_heartbeat()


@test(8)
def relay_runs_on_4_14():
    """On AWS's kernel for arm64 program and plan are sealed memory, too, and relay binds its port: the boot goes on."""
    b = on_4_14()
    b.expect(say="ran")
    b.expect_end("/bin/act", "exited with code 0")
