"""The link to the parent: log, status, control, report, by their bytes (docs/link.md)."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import time
from pathlib import Path

from .lib import DEADLINE_S, IS_ROOT, Failure, Jail, Parent, Skip, Tree, check, same, soon, status, test

LOG, STATUS, CONTROL, REPORT = 17001, 17000, 17003, 9001
NOTE = re.compile(rb"init: log: from byte (\d+) of (\d+), (\d+) lost, boot ([0-9a-f]{8})\n")
END = re.compile(rb"init: log: end at byte (\d+)\n")
FOREVER = "sleep 600000"
WAIT = "while [ ! -e /run/go ]; do sleep 0.01; done; "  # for read_from_the_start()


def tools() -> Tree:
    files = Tree()
    files.file("bin/busybox", Path("/bin/busybox").read_bytes(), 0o755)
    for name in ("sh", "sleep", "cat", "yes", "head", "tr", "kill"):
        files.link(f"bin/{name}", "busybox")
    return files


def sh(script: str, config: str, **more) -> Jail:
    return Jail("/bin/sh", "-c", script, files=tools(), config=config, **more)


def read_all(j: Jail, s: socket.socket) -> bytes:
    """All up to its end; the jail goes on meanwhile."""
    s.setblocking(False)
    data, ended = b"", False

    def more() -> bool:
        nonlocal data, ended
        try:
            while piece := s.recv(1 << 20):
                data += piece
            ended = True
        except ConnectionResetError:  # its process was killed
            ended = True
        except BlockingIOError:
            pass
        return ended

    j.wait(more, "the end of a connection")
    return data


def read_until(j: Jail, s: socket.socket, *what: bytes) -> bytes:
    """What comes until it has all of WHAT."""
    s.setblocking(False)
    data = b""

    def more() -> bool:
        nonlocal data
        try:
            while piece := s.recv(65536):
                data += piece
            raise Failure(f"its end after {data!r}")
        except BlockingIOError:
            return all(w in data for w in what)

    j.wait(more, f"{what!r} on a connection")
    return data


def text_of(stream: bytes) -> tuple[dict[int, bytes], int]:
    """The pieces of numbered text in a log stream by where they begin, and its end; each note is consistent."""
    pieces: dict[int, bytes] = {}
    at = known = 0
    check(NOTE.match(stream), f"no note first: {stream[:80]!r}")
    for line in stream.splitlines(keepends=True):
        if m := NOTE.fullmatch(line):
            first, total, lost = map(int, m.groups()[:3])
            check(first <= total, "a place behind the end")
            if first - known == lost - 1:  # a newline before the note, which is none of the text
                pieces[at] = pieces[at][:-1]
                known -= 1
            same(first - known, lost, "the lost bytes")
            at = known = first
            pieces[at] = b""
        elif m := END.fullmatch(line):
            same(int(m[1]), known, "the end")
            return pieces, known
        else:
            pieces[at] += line
            known += len(line)
    raise Failure(f"no end: {stream[-80:]!r}")


def read_from_the_start(j: Jail, port: int = LOG) -> bytes:
    """All that PORT says, by a connection that has begun when the application, which waits for /run/go, goes on."""
    s = reader_from_the_start(j, port)
    touch(j, "/run/go")
    return read_all(j, s)


def reader_from_the_start(j: Jail, port: int = LOG) -> socket.socket:
    """A connection to PORT that has begun, of an application that waits for /run/go."""
    s = j.connect(port)
    s.setblocking(False)

    def has_begun() -> bool:
        try:
            return s.recv(1, socket.MSG_PEEK) != b""
        except BlockingIOError:
            return False

    j.wait(has_begun, "the first word of a connection")
    return s


def lines_of(stream: bytes, name: str = "main") -> list[bytes]:
    return [line for piece in text_of(stream)[0].values() for line in piece.splitlines()
            if line.startswith(name.encode())]


def command(j: Jail, text: bytes, port: int = CONTROL) -> bytes:
    with j.connect(port, first=text) as s:  # which has five seconds for it from when it is taken
        return read_all(j, s)


def report(j: Jail) -> tuple[dict, bytes]:
    """The next report: its line, and the bytes behind it."""
    j.wait(lambda: j.incoming, "a report")
    port, s = j.incoming.pop(0)
    same(port, REPORT, "the port")
    data = read_all(j, s)
    s.close()
    if not data:  # of one that was overtaken
        return report(j)
    line, words = data.split(b"\n", 1)
    record = json.loads(line)
    check(len(line) < 1000 and line.isascii(), f"{line!r}")
    same(record["log_bytes"], len(words), "the length of the last words")
    return record, words


def helper_of(j: Jail) -> int:
    """The link's process: the child of PID 1 that stays the init."""
    found: list[int] = []

    def alone() -> bool:
        try:
            found[:] = [p for p in j.children() if os.readlink(f"/proc/{p}/exe").split()[0].endswith("init")]
        except OSError:  # one of them has ended
            return False
        return len(found) == 1
    j.wait(alone, "one helper")
    return found[0]


def touch(j: Jail, path: str) -> None:
    """Makes a file inside, as root inside; the parent hears what comes of it meanwhile."""
    with subprocess.Popen(["nsenter", "-t", str(j.init), "-U", "-m", "-r", "/bin/act", "make", path]) as p:
        end = time.monotonic() + DEADLINE_S
        while p.poll() is None:
            check(time.monotonic() < end, f"{path} is not made")
            j.poll()
    same(p.returncode, 0, f"the code of who makes {path}")


def final_report(j: Jail) -> tuple[dict, bytes]:
    """The last report; the first one, that all is ready, may be overtaken by it."""
    while (found := report(j))[0].get("status") == "running":
        pass
    return found


def started(j: Jail) -> None:
    """The application runs, and the heartbeat is through."""
    j.wait(lambda: j.parent.received, "a heartbeat")


# --- log ---

@test
def without_a_configuration_there_is_nothing() -> None:
    """No port, no process, no pipe: the application has the console."""
    for config in (None, "log = off\nstatus = off\nreport = off\ncontrol = none\ncontrol-local = no\nlog-port = 5\n"):
        with Jail("/bin/act", "onto", "/dev/stdout", "say", "here", *FOREVER.split(), config=config) as j:
            j.started()
            j.wait_said("@say=here")
            same(len(j.children()), 1, "children of PID 1")
            same(j.ports, {}, "ports")
            check(os.readlink(f"/proc/{j.app}/fd/1").startswith("/dev/"), "the application's output")
            pipes = [f for n in os.listdir(f"/proc/{j.init}/fd") if (f := os.readlink(f"/proc/{j.init}/fd/{n}")).startswith("pipe:")]
            same(len(pipes), 1, "pipes of PID 1, with that of the record")


@test
def lines_come_with_their_service_and_stream() -> None:
    """Both streams, PID 1's lines, control bytes escaped, a line without a newline; then the end."""
    script = (WAIT + r"printf 'one\n\033[31mred\r\n'; echo two >&2; printf 'tab\there \200\n'; printf last; "
              "while [ ! -e /run/w-1 ]; do sleep 0.01; done; exit 3")
    config = "log = listen\n[w]\ncommand = /bin/act put mine count /run/w sleep 600000\nafter = main\n"
    with sh(script, config) as j:
        stream = read_from_the_start(j)
        j.expect_end("/bin/sh", "exited with code 3")
        same(sorted(lines_of(stream)), sorted([b"main: one", rb"main: \x1b[31mred", b"main! two", rb"main: tab" b"\t" rb"here \x80",
                                               b"main: last"]), "the lines")
        same(lines_of(stream, "w"), [b"w: mine"], "the service's")
        check(any(line.startswith(b"init: spawn: /bin/sh: started by ") for line in lines_of(stream, "init")), "PID 1's line")
        check("@" not in j.text and "mine" not in j.text, "the console shows the log, and it is not debug mode")


@test
def raw_lines_are_as_they_were() -> None:
    """log-escape = no: only the name before them is ours."""
    with sh(WAIT + r"printf '\033[1m\200\n'; exit 0", "log = listen\nlog-escape = no\n") as j:
        same(lines_of(read_from_the_start(j)), [b"main: \x1b[1m\x80"], "the line")


@test
def long_lines_go_on_in_the_next() -> None:
    """4096 bytes a line; the rest has a + behind the name, and nothing is lost."""
    with sh(WAIT + "head -c 9000 /dev/zero | tr '\\0' x; echo", "log = listen\n") as j:
        found = lines_of(read_from_the_start(j))
        same([line[:6] for line in found], [b"main: ", b"main+ ", b"main+ "], "the prefixes")
        same([len(line) - 6 for line in found], [4096, 4096, 808], "their lengths")


@test
def a_reader_that_comes_late_is_told_what_is_lost() -> None:
    """A ring that was overtaken says from which byte it has text, and how many are lost."""
    script = "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; echo done; exec sleep 600000"
    with sh(script, "log = listen\nlog-size = 4K\ncontrol = stop\n") as j:
        s = j.connect(LOG)
        first = read_until(j, s, b"main: done\n")
        s.close()
        late = j.connect(LOG)
        same(command(j, b"stop\n"), b"ok\n", "the answer")
        pieces, end = text_of(read_all(j, late))
        at, text = min(pieces.items())
        check(at > 30000 and len(text) <= 4200, f"from {at}, {len(text)} bytes")
        at, text = max(pieces.items())
        same(at + len(text), end, "the end")
        check(text.startswith(b"main: line "), f"not at a line's begin: {text[:30]!r}")
        # The same bytes have the same numbers on both connections.
        check(first.endswith(b"main: done\n"), "the first reader has seen the last line")


@test
def a_reader_that_stops_keeps_nobody_waiting() -> None:
    """Not the application, nor another reader; it is told how much it has missed."""
    script = WAIT + "i=0; while [ $i -lt 60000 ]; do echo line $i; i=$((i+1)); done; echo done; exec sleep 600000"
    with sh(script, "log = listen\nlog-size = 64K\ncontrol = stop\n") as j:
        stuck, s = reader_from_the_start(j), reader_from_the_start(j)
        touch(j, "/run/go")
        seen = read_until(j, s, b"main: done\n")
        check(seen.startswith(b"init: log: from byte 0 of "), "the reader that reads")
        same(command(j, b"stop\n"), b"ok\n", "the answer")
        s.close()
        pieces, end = text_of(read_all(j, stuck))
        j.restarted()
        check(len(pieces) >= 2, "it has missed nothing?")
        check(sum(map(len, pieces.values())) < end, "it has all")
        check(b"main: done\n" in pieces[max(pieces)], "not the end")


@test
def nobody_reads_and_nobody_waits() -> None:
    """16 MB without a reader; then the newest lines are there."""
    with sh("yes 0123456789012345678901234567890123456789012345678901234567890 | head -c 16000000; echo; echo done; : >/run/done; "
            "exec sleep 600000", "log = listen\nstatus = brief\n") as j:
        started(j)
        j.wait(lambda: Path(f"/proc/{j.init}/root/run/done").exists(), "all is written")
        s = j.connect(LOG)
        data = read_until(j, s, b"main: done\n")
        check(int(NOTE.match(data)[1]) > 15000000, f"{data[:60]!r}")


@test
def readers_beyond_the_limit_are_refused() -> None:
    """log-readers at a time; a place that is free again is taken by the next."""
    with sh("echo here; exec sleep 600000", "log = listen\nlog-readers = 1\n") as j:
        first = j.connect(LOG)
        read_until(j, first, b"main: here\n")
        same(read_all(j, j.connect(LOG)), b"", "the second gets")
        first.close()

        def again() -> bool:
            with j.connect(LOG) as s:
                j.poll()
                return s.recv(100) != b""
        j.wait(again, "a place for the next")


@test
def what_readers_write_is_nobodys() -> None:
    """It is dropped; after 4096 bytes the connection is closed. One that shuts its side down reads on."""
    with sh("echo here; exec sleep 600000", "log = listen\nstatus = brief\n") as j:
        for port in (LOG, STATUS):
            s = j.connect(port)
            s.sendall(b"hello\n")
            s.shutdown(socket.SHUT_WR)
            read_until(j, s, b"main")
            s.close()
            s = j.connect(port)
            s.setblocking(False)

            def flood(s: socket.socket = s) -> bool:
                try:
                    s.send(b"x" * 4096)
                    while s.recv(4096):
                        pass
                    return True
                except BlockingIOError:
                    return False
                except (BrokenPipeError, ConnectionResetError):
                    return True
            j.wait(flood, f"port {port} closes on a flood")
        s = j.connect(STATUS)
        read_until(j, s, b"main")


@test
def other_cids_are_refused() -> None:
    """Another enclave, or a process of this one: neither reads nor commands. The parent is 3, or where it is the host, 2."""
    with sh(f"exec {FOREVER}", "log = listen\nstatus = full\ncontrol = stop\n") as j:
        started(j)
        for port in (LOG, STATUS, CONTROL):
            for cid in (0, 1, 4, 16, 0xffffffff):
                s = j.connect(port, cid)
                with s:
                    try:
                        s.sendall(b"stop\n")
                    except BrokenPipeError:
                        pass
                    try:
                        same(read_all(j, s), b"", f"CID {cid} on port {port}")
                    except ConnectionResetError:
                        pass
        for cid in (2, 3):
            read_until(j, j.connect(STATUS, cid), b"running")


@test
def the_log_is_called_home() -> None:
    """log = connect: again and again, and after a break at most what may have been lost comes again."""
    parent = Parent()
    with sh("i=0; while :; do echo line $i; i=$((i+1)); sleep 0.01; done", "log = connect\n", parent=parent) as j:
        started(j)
        parent.serves.add(LOG)
        j.wait(lambda: j.incoming, "a connection")
        _, s = j.incoming.pop(0)
        first = read_until(j, s, b"main: line 9\n")
        check(first.startswith(b"init: log: from byte 0 of "), f"{first[:50]!r}")
        last = int(re.findall(rb"main: line (\d+)\n", first)[-1])
        s.close()
        j.wait(lambda: j.incoming, "another connection")
        _, s = j.incoming.pop(0)
        data = read_until(j, s, b"main: line %d\n" % (last + 20))
        check(NOTE.match(data), "no note")
        check(b"main: line %d\n" % (last + 1) in data, "a gap")


@test
def log_rate_bounds_what_is_sent() -> None:
    """What is beyond it is overtaken and told, and the application does not wait."""
    script = WAIT + "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done; echo done; exec sleep 600000"
    with sh(script, "log = listen\nlog-size = 8K\nlog-rate = 10K\ncontrol = stop\n") as j:
        s = reader_from_the_start(j)
        touch(j, "/run/go")
        data = read_until(j, s, b"main: done\n")
        check(len(NOTE.findall(data)) > 1, "nothing was left out")
        check(len(data) < 150000, f"{len(data)} bytes")


@test
def dev_stdout_opens_for_every_user() -> None:
    """The pipes are the service's user's; what PID 1 keeps of them no start shares."""
    if not IS_ROOT:
        raise Skip("needs several users")
    files = tools()
    files.file("etc/passwd", "root:x:0:0::/:\napp:x:1000:1000::/:\n")
    with Jail("/bin/sh", "-c", WAIT + "echo out >/dev/stdout; echo err >/dev/stderr; exit 0", files=files,
              config="user = app\nlog = listen\n") as j:
        same(sorted(lines_of(read_from_the_start(j))), [b"main! err", b"main: out"], "the lines")


@test
def streams_stay_away_by_configuration() -> None:
    """log-stderr = no and terminal = yes keep the console; stdout = null is nowhere."""
    config = ("log = listen\nlog-stderr = no\n[t]\ncommand = /bin/sh -c \"echo @t=console; exec sleep 1d\"\nterminal = yes\n"
              "[n]\ncommand = /bin/sh -c \"echo nowhere; exec sleep 1d\"\nstdout = null\n")
    with sh(f"echo logged; echo @main=console >&2; {WAIT}exit 0", config) as j:
        j.expect(t="console", main="console")
        stream = read_from_the_start(j)
        j.restarted()
        j.expect(t="console", main="console")
        same(lines_of(stream), [b"main: logged"], "the lines")
        same(lines_of(stream, "t") + lines_of(stream, "n"), [], "of the others")


@test
def a_helper_that_is_killed_loses_nothing() -> None:
    """Ring, pipes and an open line are intact; the next one goes on, and it is logged."""
    with sh("echo before; printf 'half '; while [ ! -e /run/go ]; do sleep 0.02; done; echo after; exec sleep 1d",
            "log = listen\n[w]\ncommand = /bin/act await /run/killed make /run/go sleep 600000\n") as j:
        read_until(j, j.connect(LOG), b"main: before\n")
        started(j)
        helper = helper_of(j)
        j.ports.clear()
        os.kill(helper, signal.SIGSTOP)
        touch(j, "/run/killed")
        j.wait(lambda: Path(f"/proc/{j.init}/root/run/go").exists(), "the application goes on meanwhile")
        os.kill(helper, signal.SIGKILL)
        j.wait_said("init: link: its process: killed by SIGKILL, started again")
        data = read_until(j, j.connect(LOG), b"after\n", b"init: link: its process: killed by SIGKILL")
        check(b"main: before\n" in data and data.count(b"half ") == 1, f"{data!r}")


@test
def the_helper_has_nothing_to_lose() -> None:
    """Its own user, no capabilities, no new privileges, a filter, not dumpable, protected from the OOM killer, no NSM."""
    with sh(f"exec {FOREVER}", "log = listen\nstatus = full\ncontrol = stop\n") as j:
        started(j)
        helper = helper_of(j)
        j.wait(lambda: status(helper, "Seccomp") == "2", "a filter")
        same(int(status(helper, "CapEff"), 16) | int(status(helper, "CapPrm"), 16), 0, "capabilities")
        same(status(helper, "NoNewPrivs"), "1", "no_new_privs")
        names = [os.readlink(f"/proc/{helper}/fd/{n}") for n in os.listdir(f"/proc/{helper}/fd")]
        check(not any("nsm" in n for n in names), f"{names}")
        if IS_ROOT:
            check(status(helper, "Uid").split()[0] != status(j.init, "Uid").split()[0], "its user")


# --- status ---

@test
def status_tells_each_change() -> None:
    """brief: running, then ready, then how it ended; nothing twice."""
    with Jail("/bin/act", "await", "/run/go", "notify", "READY=1", "await", "/run/end", "exit", "3",
              config="status = brief\nready = notify\n") as j:
        s = j.connect(STATUS)
        first = read_until(j, s, b"\n")
        touch(j, "/run/go")
        first += read_until(j, s, b"true")
        touch(j, "/run/end")
        lines = [json.loads(line) for line in (first + read_all(j, s)).splitlines()]
        j.restarted()
        for line in lines:
            check(isinstance(line.pop("uptime_ms"), int), "its time")
        same(len({line.pop("boot") for line in lines}), 1, "ids of the boot")
        same({line.pop("report") for line in lines}, {False}, "reports that come")
        same(lines, [{"status": "running", "ready": False, "service": "main", "restarts": 0},
                     {"status": "running", "ready": True, "service": "main", "restarts": 0},
                     {"status": "exited", "code": 3, "service": "main", "oom": False, "restarts": 0}], "the lines")


@test
def each_boot_has_an_id() -> None:
    """The same in the notes, in brief and full status, inside and in the reports; the next boot has another."""
    boots = set()
    for how in ("brief", "full"):
        parent = Parent()
        parent.serves.add(REPORT)
        with Jail("/bin/act", *shlex.split(f"ask status await /run/end {FOREVER}"), parent=parent,
                  config=f"log = listen\nlog-stdout = no\nstatus = {how}\nreport = on\ncontrol = stop\ncontrol-local = yes\n") as j:
            found = {report(j)[0]["boot"]}
            found.add(NOTE.match(read_until(j, j.connect(LOG), b"\n"))[4].decode())
            state = json.loads(read_until(j, j.connect(STATUS), b"\n").split(b"\n")[0])
            found.add(state["boot"])
            check(state["report"] is True, "a report comes")
            j.wait(lambda: j.facts("answer"), "an answer")
            found.add(json.loads(j.facts("answer")[0])["boot"])
            same(command(j, b"stop\n"), b"ok\n", "the answer")
            found.add(final_report(j)[0]["boot"])
            same(len(found), 1, f"ids: {found}")
            check(re.fullmatch("[0-9a-f]{8}", min(found)), f"{found}")
            boots |= found
    same(len(boots), 2, "boots")


@test
def status_names_signals() -> None:
    """A signal by number and by name."""
    with sh(WAIT + "kill -9 $$", "status = brief\n") as j:
        last = json.loads(read_from_the_start(j, STATUS).splitlines()[-1])
        same((last["status"], last["signal"], last["name"]), ("signaled", 9, "SIGKILL"), "the last line")


@test
def full_status_has_the_services() -> None:
    """Their states, restarts and STATUS= texts."""
    config = ("status = full\ncontrol = stop\n[w]\ncommand = act notify READY=1;STATUS=warm \"sleep\" 600000\nready = notify\n"
              "[again]\ncommand = /bin/sh -c \"sleep 0.2; exit 1\"\nrestart = always\nrestart-delay = 10ms\nrestart-limit = 0\n")
    with sh(f"exec {FOREVER}", config) as j:
        s, services, data = j.connect(STATUS), [], b""

        def are_there() -> bool:
            """What w says and the restarts of the other come in any order."""
            nonlocal data
            *lines, data = (data + read_until(j, s, b"\n")).split(b"\n")
            services[:] = json.loads(lines[-1])["services"]
            return len(services) > 2 and services[1].get("text") == "warm" and services[2]["restarts"] >= 2
        j.wait(are_there, "what w says, and two restarts")
        same([x["name"] for x in services], ["main", "w", "again"], "the services")
        w = services[1]
        same((w["state"], w["restarts"]), ("running", 0), "w")
        check(w["pid"] > 0, "its pid")


@test
def a_boot_that_stops_is_fatal() -> None:
    """On the status port and in the report: step and reason, quotes escaped."""
    parent = Parent()
    parent.serves.add(REPORT)
    config = "status = brief\nreport = on\nafter = w\n[w]\ncommand = /bin/act await /run/go notify READY=1 sleep 600000\nready = notify\n"
    with Jail("/no/such\"program", config=config, parent=parent) as j:
        last = json.loads(read_from_the_start(j, STATUS).splitlines()[-1])
        same((last["status"], last["step"], last["error"]), ("fatal", 8, 'spawn: /no/such"program: not found'), "status")
        record, _ = report(j)
        same((record["status"], record["step"], record["error"]), (last["status"], 8, last["error"]), "the report")
        j.expect_stop(8, "spawn", '/no/such"program: not found')


# --- control ---

@test
def stop_ends_as_the_configuration_says() -> None:
    """Stop signals and grace; a second one changes nothing; what is not listed is refused."""
    config = ("control = stop SIGUSR1\nstop-signal = SIGINT\nstop-timeout = 10m\nstatus = brief\n"
              "[w]\ncommand = act until-term w\n")
    with sh("trap 'echo @usr1=1' USR1; trap 'echo @int=1; while [ ! -e /run/go ]; do sleep 0.05; done; exit 7' INT; "
            "echo @trapped=1; while :; do sleep 0.05; done", config) as j:
        started(j)
        j.wait_said("@trapped=1")
        same(command(j, b"SIGHUP\n"), b"no: this signal is not in control\n", "HUP")
        same(command(j, b"restart w\n"), b"no: no such command\n", "restart")
        same(command(j, b"usr1\r\n"), b"ok\n", "USR1")
        j.wait_said("@usr1=1")
        s = j.connect(STATUS)
        same(command(j, b"stop\n"), b"ok\n", "stop")
        j.wait_said("@int=1")
        same(command(j, b"stop\n"), b"ok\n", "a second stop")
        touch(j, "/run/go")
        last = json.loads(read_all(j, s).splitlines()[-1])
        same((last["status"], last["code"]), ("exited", 7), "the end")
        j.expect_end("/bin/sh", "exited with code 7")
        same(j.log().count("init: control: enclave: stop, asked for by the parent"), 1, "lines of the stop")
        j.expect(int="1")


@test
def what_is_no_command_does_nothing() -> None:
    """Half a line, no newline, 10 MB, control bytes, nothing: an answer or an end, and it serves on."""
    with sh(f"exec {FOREVER}", "control = stop\nstatus = brief\n") as j:
        same(command(j, b"\n"), b"no: no such command\n", "an empty line")
        same(command(j, b"stop\0\n"), b"no: no such command\n", "a NUL")
        same(command(j, b"stop now\n"), b"no: no such command\n", "two words")
        same(command(j, b"STOP\n"), b"no: this signal is not in control\n", "upper case")
        s = j.connect(CONTROL)
        s.sendall(b"sto")
        s.close()
        for s in [j.connect(CONTROL) for _ in range(8)]:  # more than there are places
            try:
                s.sendall(b"x" * 100)
            except (BrokenPipeError, ConnectionResetError):
                pass
        s = j.connect(CONTROL)
        s.setblocking(False)

        def flood() -> bool:
            try:
                while s.send(b"y" * 65536):
                    pass
            except BlockingIOError:
                return False
            except (BrokenPipeError, ConnectionResetError):
                return True
        j.wait(flood, "an end of 10 MB")
        read_until(j, j.connect(STATUS), b"running")
        j.wait(lambda: command(j, b"stop\n") == b"ok\n", "a command that is one")
        j.restarted()


@test
def a_stop_before_all_are_ready_fails_the_boot() -> None:
    """The parent gets the step's number."""
    with Jail("/bin/act", *FOREVER.split(), config="control = stop\nready = notify\n") as j:
        same(command(j, b"stop\n"), b"ok\n", "the answer")
        j.expect_stop(8, "spawn", "/bin/act: the end was asked for before all were ready")


LOCAL = """control-local = yes
log = listen
log-stdout = no
[w]
command = /bin/act put one put-error two count /run/w sleep 600000
[x]
command = /bin/act count /run/x exit 0
"""


@test
def the_socket_inside_is_for_roots_processes() -> None:
    """status, restart, stop, signal, log: for user 0, and for no other."""
    ask = "ask"
    script = " ".join(f"{ask} '{line}'" for line in (
        "status", "log w", "log main", "restart nobody", "reboot", "signal w FOO", "stop w", "restart w now"))
    with Jail("/bin/act", *shlex.split(f"await /run/w-1 {script} {FOREVER}"), config=LOCAL) as j:
        j.wait(lambda: len(j.facts("answer")) == 8, "the answers")
        answers = j.facts("answer")
        state = json.loads(answers[0])
        same([x["name"] for x in state["services"]], ["main", "w", "x"], "status")
        same(sorted(answers[1].split("|")), ["w! two", "w: one"], "its last lines")
        same(answers[2:], ["", "no: no such service", "no: no such command", "no: no such signal", "ok", "no: no such command"],
             "the answers")
        j.wait_said("init: control: w: stop, asked for in the enclave")


@test
def a_service_is_restarted_from_inside() -> None:
    """Whatever its restart says, also once it has ended; stop is for good."""
    ask = "ask"
    steps = (f"await /run/w-1 {ask} 'restart w' await /run/w-2 {ask} 'stop w' {ask} 'restart x' "
             f"await /run/x-2 {ask} 'restart w' await /run/w-3 {ask} 'stop' {FOREVER}")
    with Jail("/bin/act", *shlex.split(steps), config=LOCAL) as j:
        j.restarted()
        same(j.facts("answer")[:4], ["ok"] * 4, "the answers, but for the last, which may come too late to be shown")
        j.expect_said("init: control: enclave: stop, asked for in the enclave")


@test
def no_other_user_commands() -> None:
    """The socket is mode 0600, and asks whom it speaks to."""
    if not IS_ROOT:
        raise Skip("needs several users")
    with Jail("/bin/act", *shlex.split(f"await /run/w-1 {FOREVER}"),
              config=LOCAL + "[u]\nuser = 77\nlog-stdout = no\ncommand = /bin/act ask status sleep 600000\n") as j:
        j.wait(lambda: j.facts("answer"), "an answer")
        same(j.facts("answer"), ["Permission denied"], "the answer")


# --- report ---

@test
def the_report_has_the_last_words() -> None:
    """The end by code or signal, and whole lines, though nobody ever read the log and no port is open."""
    for script, wanted, how in (("echo out; echo err >&2; exit 3", {"status": "exited", "code": 3}, "exited with code 3"),
                                ("echo out; echo err >&2; kill -11 $$", {"status": "signaled", "signal": 11, "name": "SIGSEGV"},
                                 "killed by SIGSEGV")):
        parent = Parent()
        parent.serves.add(REPORT)
        with sh(script, "report = on\n", parent=parent) as j:
            record, words = final_report(j)
            same({k: record[k] for k in wanted}, wanted, "the report")
            same(sorted(line for line in words.splitlines() if line.startswith(b"main")), [b"main! err", b"main: out"], "the last words")
            same(record["lost_bytes"], 0, "lost")
            j.expect_end("/bin/sh", how)
            same(j.ports, {}, "ports")


@test
def all_are_ready_is_reported() -> None:
    """Once, without words; then the end that was asked for."""
    parent = Parent()
    parent.serves.add(REPORT)
    with sh(f"exec {FOREVER}", "report = on\ncontrol = stop\n", parent=parent) as j:
        record, words = report(j)
        same((record["status"], record["ready"], words), ("running", True, b""), "the first report")
        same(command(j, b"stop\n"), b"ok\n", "the answer")
        record, words = report(j)
        same((record["status"], record["signal"]), ("signaled", 15), "the second")
        j.restarted()


@test
def last_words_are_bounded() -> None:
    """report-log bytes at most, from a line's begin; none with 0, and then no pipe."""
    def are_last(words: bytes) -> bool:
        # PID 1 writes its line about the start when it hears of it, which may be after all that the service has written.
        mine = [line for line in words.splitlines(keepends=True) if not line.startswith(b"init: spawn: ")]
        wanted = [b"main: line %d\n" % n for n in range(1000 - len(mine), 1000)]
        return 0 < len(words) <= 100 and len(mine) > 1 and mine == wanted

    for size, check_words in (("100", are_last), ("0", lambda w: w == b"")):
        parent = Parent()
        parent.serves.add(REPORT)
        with sh("i=0; while [ $i -lt 1000 ]; do echo line $i; i=$((i+1)); done", f"report = on\nreport-log = {size}\n", parent=parent) as j:
            record, words = final_report(j)
            check(check_words(words), f"{size}: {words!r}")
            same(record["lost_bytes"] > 0, size != "0", "lost")
            j.restarted()


@test
def a_parent_that_does_not_close_costs_two_seconds() -> None:
    """And it is logged; one that is not there, too."""
    for serves in (True, False):
        parent = Parent()
        if serves:
            parent.serves.add(REPORT)
        with sh("exit 0", "report = on\n", parent=parent) as j:  # whose connections nobody reads
            j.restarted()
            check(any(line.startswith("init: report: not delivered: ") for line in j.log()), f"{j.log()}")


@test
def a_parent_that_closes_without_reading_is_not_waited_for() -> None:
    """A socket that is closed with bytes unread is a reset."""
    parent = Parent()
    parent.serves.add(REPORT)
    with Jail("/bin/act", "await", "/run/end", "exit", "3", config="report = on\n", parent=parent) as j:
        report(j)  # that all are ready
        touch(j, "/run/end")
        j.wait(lambda: j.incoming, "the last report")
        j.incoming.pop(0)[1].close()
        j.expect_end("/bin/act", "exited with code 3")


def end_beside_a_first_report() -> float:
    """From the application's end to the last report, while the parent holds the first one."""
    parent = Parent()
    parent.serves.add(REPORT)
    with Jail("/bin/act", "await", "/run/end", "exit", "3", config="report = on\n", parent=parent) as j:
        started(j)
        j.wait(lambda: j.incoming, "a first report")
        held = j.incoming.pop(0)
        began = time.monotonic()
        touch(j, "/run/end")
        record, _ = report(j)
        took = time.monotonic() - began
        same(record["code"], 3, "the code")
        held[1].close()
        j.restarted()
        return took


@test
def a_first_report_that_nobody_takes_does_not_delay_the_end() -> None:
    """Its process is none that the end waits for."""
    soon(end_beside_a_first_report, 1.9, "the end")


@test
def a_strict_report_comes_before_the_start() -> None:
    """Nothing of the image runs before the parent has taken it."""
    parent = Parent()
    parent.serves.add(REPORT)
    with sh("echo @ran=1; exec sleep 1d", "report = strict\nlog-stdout = no\n", parent=parent) as j:
        j.wait(lambda: j.incoming, "a report")
        check("@ran" not in j.text, "the application runs already")
        record, _ = report(j)
        same((record["status"], record["ready"]), ("running", False), "the first report")
        j.wait_said("@ran=1")


@test
def a_port_that_is_taken_stops_the_boot() -> None:
    """By its key; nothing has run."""
    for key, port in (("log = listen", LOG), ("status = full", STATUS), ("control = stop", CONTROL)):
        parent = Parent()
        parent.taken.add(port)
        with Jail("/bin/act", "say", "ran", config=key + "\n", parent=parent) as j:
            j.expect_stop(8, "spawn", f"{key.split()[0]}-port {port}: Address in use")
            check("@say" not in j.text, "it ran")
