"""relay against the init itself: what the two make of docs/link.md together."""

import os
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from relay import lib as relay
from relay.enclaver import EnclaverParent

from .lib import DEADLINE_S, Jail, Parent, check, same, test
from .link_ns import CONTROL, LOG, REPORT, STATUS, WAIT, helper_of, read_all, read_from_the_start, sh, started

KEYS = "log = listen\nstatus = full\nreport = on\ncontrol = stop SIGHUP\n"


def copy(from_: socket.socket, to: socket.socket) -> None:
    with suppress(OSError):
        while data := from_.recv(65536):
            to.sendall(data)
        to.shutdown(socket.SHUT_WR)


class Bridge:
    """The ports of a jail as sockets of a directory, and its reports to the one there."""

    def __init__(self, j: Jail, path: Path) -> None:
        self.jail, self.path, self.target = j, path, f"dir:{path}"
        self.listeners: dict[int, socket.socket] = {}
        for port in (LOG, STATUS, CONTROL):
            s = self.listeners[port] = socket.socket(socket.AF_UNIX)
            s.bind(str(path / f"{port}.listen"))
            s.listen()
            s.setblocking(False)
        self.pairs: list[socket.socket] = []

    def turn(self) -> None:
        """Hands over what has come."""
        for port, s in self.listeners.items():
            with suppress(BlockingIOError):
                conn, _ = s.accept()
                if port in self.jail.ports:
                    with suppress(OSError):
                        socket.send_fds(self.jail.ports[port], [(3).to_bytes(4, "little")], [conn.fileno()])
                conn.close()
        while self.jail.incoming:
            _, end = self.jail.incoming.pop(0)
            parent = socket.socket(socket.AF_UNIX)
            self.pairs += [end, parent]
            try:
                parent.connect(str(self.path / f"{REPORT}.sock"))
            except OSError:  # nobody takes reports
                end.close()
                continue
            for pair in ((end, parent), (parent, end)):
                threading.Thread(target=copy, args=pair, daemon=True).start()

    def wait(self, condition: Callable[[], object], what: str) -> None:
        """The jail may be the first to end, before relay has said all."""
        end = time.monotonic() + DEADLINE_S
        while not condition():
            check(time.monotonic() < end, f"waited in vain: {what}")
            self.jail.poll()
            self.turn()

    def close(self) -> None:
        for s in (*self.listeners.values(), *self.pairs):
            s.close()


@contextmanager
def bridge(script: str, config: str = KEYS) -> Iterator[Bridge]:
    with tempfile.TemporaryDirectory(prefix="relay-ns-") as name, \
            sh(script, config, parent=Parent()) as j:
        j.parent.serves = {REPORT}
        b = Bridge(j, Path(name))
        try:
            yield b
        finally:
            b.close()


FOREVER = "while :; do sleep 0.1; done"


def run(b: Bridge, *words: object) -> relay.Done:
    r = relay.Relay(*words)
    b.wait(lambda: r.process.poll() is not None, f"the end of relay {r.words}")
    return r.end()


@test
def stop_and_watch_agree_with_the_init() -> None:
    """The application's lines, its code, PID 1's own lines, and the report, in text and in JSON."""
    for json in (False, True):
        with bridge(f"trap 'echo bye; exit 7' TERM; echo out; echo err >&2; {FOREVER}") as b:
            r = relay.Relay("watch", b.target, *["--json"] * json)
            b.wait(lambda: b"out" in r.out and b"err" in r.out and "ready" in r.err + r.out.decode(),
                   "lines and status")
            run(b, "stop", b.target).is_(relay.DONE, "", b"")
            b.wait(lambda: r.process.poll() is not None, "the end of relay watch")
            done = r.end().is_(7)
            if json:
                reports = [o["record"] for o in done.objects if o["type"] == "report"]
                same(reports[-1]["status"], "exited", "the report")
                lines = [(o["service"], o["stream"], o["text"]) for o in done.objects if o["type"] == "log"]
            else:
                check("exited with code 7" in done.err and "missing" not in done.err, done.err)
                lines = [(name, "stdout" if mark == ":" else "stderr", text) for name, mark, text in (
                    (line[:4], line[4], line[6:]) for line in done.lines)]
            for line in (("main", "stdout", "out"), ("main", "stderr", "err"), ("main", "stdout", "bye")):
                same(lines.count(line), 1, f"{line} in {lines}")
            check(any(name == "init" and text.startswith("spawn: /bin/sh: started by")
                      for name, _, text in lines), f"{lines}")


@test
def each_line_comes_once_when_the_helper_is_killed() -> None:
    """PID 1 starts it again, and the numbers of the log go on."""
    with bridge(f"i=0; while [ $i -lt 300 ]; do echo line $i; i=$((i+1)); sleep 0.01; done; {FOREVER}",
                KEYS + "log-size = 64K\n") as b:
        r = relay.Relay("watch", b.target)
        for n in (20, 100, 200):
            b.wait(lambda n=n: b"line %d\n" % n in r.out, f"line {n}")
            os.kill(helper_of(b.jail), signal.SIGKILL)
        b.wait(lambda: b"line 299\n" in r.out, "the last line")
        run(b, "stop", b.target, "--timeout", "100s").is_(relay.DONE)
        b.wait(lambda: r.process.poll() is not None, "the end of relay watch")
        done = r.end().is_(143, "SIGTERM")
        lines = [line for line in done.lines if line.startswith("main: line")]
        same(lines, [f"main: line {i}" for i in range(300)], "the lines")
        check("missing" not in done.err, done.err)


@test
def the_next_enclave_at_the_same_place_is_another() -> None:
    """Its log is longer already when it is connected to: all of it comes, and it is said once."""
    with tempfile.TemporaryDirectory(prefix="relay-ns-") as name:
        path = Path(name)
        with sh(f"echo first; {FOREVER}", KEYS, parent=Parent()) as j:
            b = Bridge(j, path)
            r = relay.Relay("watch", b.target, "--lost", "1h")
            b.wait(lambda: b"main: first\n" in r.out and "ready" in r.err, "its line")
        with sh(f"i=0; while [ $i -lt 200 ]; do echo line $i; i=$((i+1)); done; : >/run/done; {FOREVER}",
                KEYS, parent=Parent()) as j:
            started(j)
            j.wait(lambda: Path(f"/proc/{j.init}/root/run/done").exists(), "its lines")
            b.jail = j
            b.wait(lambda: b"line 199\n" in r.out, "the last line")
            run(b, "stop", b.target, "--timeout", "100s").is_(relay.DONE)
            b.wait(lambda: r.process.poll() is not None, "the end of relay watch")
            done = r.end().is_(143, "SIGTERM")
            lines = [line for line in done.lines if line.startswith("main: ")]
            same(lines, ["main: first", *(f"main: line {i}" for i in range(200))], "the lines")
            same(done.err.count("this is another enclave: boot "), 1, f"times in {done.err}")
            check("missing" not in done.err, done.err)
            b.close()


@test
def status_and_control_agree_with_the_init() -> None:
    """The table has the services; a signal that the configuration does not name is refused."""
    with bridge(f"trap 'echo hup' HUP; echo trapped; {FOREVER}", KEYS + "[w]\ncommand = /bin/sleep 600000\n") as b:
        b.wait(lambda: b.jail.parent.received, "the heartbeat")
        table: list[str] = []

        def is_ready() -> bool:
            table[:] = run(b, "status", b.target).is_(relay.DONE, "").lines
            return table[0] == "status    running, ready"
        b.wait(is_ready, "a first line that says so")
        same([line.split()[:2] for line in table[4:]],
             [["SERVICE", "STATE"], ["main", "running"], ["w", "running"]], "services")
        b.wait(lambda: b"main: trapped" in run(b, "log", b.target).is_(relay.DONE, "").out, "the trap")
        run(b, "stop", b.target, "--signal", "HUP").is_(relay.DONE, "")
        run(b, "stop", b.target, "--signal", "TERM").is_(relay.REFUSED, "SIGTERM is refused")
        b.wait(lambda: b"main: hup" in run(b, "log", b.target).is_(relay.DONE, "").out, "the signal")


@test
def enclavers_parent_understands_the_init() -> None:
    """Its status lines, from running to the end, brief and full; and reports, of which a failed boot is one."""
    for script, end in (("exit 3", (3, None)), ("kill -KILL $$", (None, 9))):
        for how in ("brief", "full"):
            with sh(WAIT + script, f"status = {how}\n", parent=Parent()) as j:
                parent = EnclaverParent().feed(read_from_the_start(j, STATUS))
                check(parent.is_running and parent.has_ended and not parent.errors, f"{parent.errors}")
                same((parent.code, parent.signal), end, f"{script}, {how}")
    with Jail("/bin/none", config="report = on\n", parent=Parent()) as j:
        j.parent.serves = {REPORT}
        j.wait(lambda: j.incoming, "a report")
        data = read_all(j, j.incoming.pop(0)[1])
        parent = EnclaverParent().feed(data.split(b"\n")[0] + b"\n")
        check(parent.has_ended and "/bin/none" in (parent.error or ""), f"{data!r}")
