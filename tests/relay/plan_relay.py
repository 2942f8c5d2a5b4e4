"""relay forward, run, inside and vsock-proxy: addresses and plans, and what goes wrong with them."""

import contextlib
import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .ends import (Server, answer_at_the_end, ask, at, dial, dial_when_there, echo, free_port, is_refused, say_hello)
from .lib import (ASAN, DEADLINE_S, DONE, ENV, FILE, REFUSED, SHIPPED, TOP, USAGE, VERSION, Relay, check, enclave, folder, run, same, test,
                  wait_for)

BYTES = random.Random(16).randbytes(300_000)
READY, FAULT = 1, 2
REPORT = struct.Struct("IIi128s128s")  # vsock/inside.h


@contextmanager
def relay(*words: object, code: int = DONE, **how: object) -> Iterator[Relay]:
    """Runs until SIGTERM, which is at the end of the block, and ends as it should."""
    r = Relay(*words, **how)
    try:
        r.wait_err(": ready\n")
        yield r
    except BaseException:
        r.kill()
        raise
    r.process.terminate()
    r.end().is_(code)


# --- forward ---------------------------------------------------------------------

@test
def connections_go_from_one_kind_to_another() -> None:
    """Each kind of address listens and is dialled; the end of the question is not that of the answer."""
    port = free_port()
    for kind in ("dir", "mux", "cid"):
        with enclave(kind) as e, Server(answer_at_the_end) as tcp, Server(answer_at_the_end, e.path / "server") as unix:
            e.on(80, answer_at_the_end)
            vsock = e.path if kind == "cid" else None
            outside, inside = at(e, 80), at(e, 81).replace("vsock:16:", "vsock:")
            for listen, target in ((f"tcp:127.0.0.1:{port}", outside), (f"unix:{e.path}/listen", outside),
                                   (inside, f"tcp:127.0.0.1:{tcp.port}"), (inside, f"unix:{e.path}/server"),
                                   (f"tcp:[::1]:{port}", f"tcp:localhost:{tcp.port}")):
                with relay("forward", listen, target, vsock=vsock):
                    same(ask(dial(listen, vsock), BYTES), b"all: " + BYTES, f"{listen} to {target}")
            check(unix.count == 1 and tcp.count == 2, "other connections than those")


@test
def what_is_shipped_looks_names_up_in_its_sandbox() -> None:
    """With musl and seccomp, where the forward is that of the binary which is installed."""
    port = free_port()
    with Server(echo) as s, relay("forward", f"tcp:127.0.0.1:{port}", f"tcp:localhost:{s.port}", program=SHIPPED) as r:
        for _ in range(3):
            same(ask(dial(f"tcp:127.0.0.1:{port}"), BYTES), BYTES, "the echo")
        check("killed" not in r.err, r.err)


@test
def a_lookup_that_fails_is_the_failure_of_its_connections() -> None:
    """And of no other; AWS's vsock-proxy ends."""
    for program in (ASAN, SHIPPED):
        with folder() as path, Server(say_hello) as s:
            plan = path / "plan"
            plan.write_text(f"forward = unix:{path}/bad tcp:no-such-name.invalid:80\n"
                            f"forward = unix:{path}/good tcp:localhost:{s.port}\n")
            with relay("run", plan, program=program) as r:
                for _ in range(2):
                    check(is_refused(f"unix:{path}/bad"), "not refused")
                    same(ask(dial(f"unix:{path}/good"), b""), b"hello\n", "the other forward")
                # Without a server of names it may be the one or the other; musl tries for 10 s.
                r.wait_err("relay: tcp:no-such-name.invalid:80: ")
                check("its lookup got no answer" in r.err or "there is no such name" in r.err or "took too long" in r.err, r.err)


def children(pid: int, name: str) -> list[int]:
    """The processes of NAME that PID has started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            text = stat.read_text()
            if f"({name})" in text and int(text.rpartition(")")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
    return found


@test
def the_process_of_lookups_may_be_killed() -> None:
    """It starts again; connections that are there go on, and those that wait for a name get it."""
    for program in (ASAN, SHIPPED):
        port = free_port()
        with Server(echo) as s, relay("forward", f"tcp:127.0.0.1:{port}", f"tcp:localhost:{s.port}", program=program) as r:
            with dial(f"tcp:127.0.0.1:{port}") as first:
                for n in range(3):
                    first.sendall(b"%d" % n)
                    same(first.recv(1), b"%d" % n, "the connection that is there")
                    (pid,) = children(r.process.pid, "lookups")
                    os.kill(pid, signal.SIGKILL)
                    same(ask(dial(f"tcp:127.0.0.1:{port}"), BYTES), BYTES, "one that needs a name")
                    # The one that was killed is a child, too, until it is waited for.
                    wait_for(lambda pid=pid: children(r.process.pid, "lookups") not in ([], [pid]), "the next process of lookups")
            check(r.err.count("lookups: killed by signal 9") == 3, r.err)


@test
def the_n_th_port_goes_to_the_n_th() -> None:
    """Of two ranges; from one port to a range connections go in turn."""
    with folder() as path, contextlib.ExitStack() as stack:
        for port in (7, 8, 9):
            stack.enter_context(Server(lambda s, port=port: s.sendall(b"%d" % port), path / f"{port}.listen"))
        with relay("forward", f"dir:{path}:17-19", f"dir:{path}:7-9", "--workers=1"):
            same([ask(dial(f"dir:{path}:{port}"), b"") for port in (17, 18, 19)], [b"7", b"8", b"9"], "pairs")
        with relay("forward", f"unix:{path}/one", f"dir:{path}:7-9", "--workers=1"):
            same(sorted(ask(dial(f"unix:{path}/one"), b"") for _ in range(6)), [b"7", b"7", b"8", b"8", b"9", b"9"], "turns")


@test
def a_forward_that_cannot_be_is_misuse() -> None:
    """Code 2, and what is wrong with which word."""
    for words, why in (([], "from where, and to which target?"),
                       (["tcp:127.0.0.1:80"], "from where, and to which target?"),
                       (["tcp:127.0.0.1:80", "vsock:80"], "vsock:80: it needs the enclave's CID: vsock:CID:PORT"),
                       (["tcp:localhost:80", "vsock:16:80"], "tcp:localhost:80: it must be an address, as names are not looked up here"),
                       (["tcp:127.0.0.1:80", "tcp:127.0.0.1:80"], "what its target does comes back to it"),
                       (["tcp:127.0.0.1:1-3", "vsock:16:1-4"], "its two ranges of ports differ in length"),
                       (["vsock:1", "unix:/a", "unix:/b"], "an argument too many"),
                       (["vsock:1", "unix:/a", "--max=0"], "--max: 0: max is a number of connections from 1 to 1048576"),
                       (["vsock:1", "unix:/a", "--buffer", "1K"], "--buffer: 1K: buffer is a size from 64K to 64M"),
                       (["vsock:1", "unix:/a", "--half-close=often"], "half-close is yes or no"),
                       (["vsock:1", "unix:/a", "--proxy", "v1"], "proxy is v2"),
                       (["vsock:1", "unix:/a", "--idle=" + "9" * 80], "--idle: the value is too long"),
                       (["vsock:1", "unix:/a", "--workers=65"], "--workers: 65: no number from 1 to 64"),
                       (["tcp:1.1.1.1:1", "unix:/a", "--buffer=64K"], "buffer= is for vsock, which neither end is")):
        done = run("forward", *words).is_(USAGE, why)
        check(done.err.startswith("relay: forward: "), done.err)


@test
def an_address_that_is_taken_is_code_5() -> None:
    """Named, with the line where there is one; a kernel without vsock is named as such."""
    with folder() as path, Server(echo) as s:
        taken = f"tcp:127.0.0.1:{s.port}"
        run("forward", taken, "vsock:16:80").is_(FILE, f"relay: forward: {taken}: Address already in use")
        plan = path / "plan"
        plan.write_text(f"# first\nforward = unix:{path}/a vsock:16:80\nforward = {taken} vsock:16:80\n")
        run("run", plan).is_(FILE, f"relay: run: {plan}: line 3: {taken}: Address already in use")
        check(not (path / "a").exists(), "a socket was left over")
        run("forward", "vsock:80", taken).is_(FILE, "vsock:80: Address family not supported by protocol; the kernel has no vsock")
        run("forward", f"unix:{path}/none/a", taken).is_(FILE, "No such file or directory")


@test
def the_device_of_vsock_is_not_needed() -> None:
    """A pod has /dev/nitro_enclaves and no /dev/vsock, by which other programs learn their own CID."""
    check(b"/dev/vsock" not in SHIPPED.read_bytes(), "relay names it")


# --- run ---------------------------------------------------------------------

@test
def a_file_has_all_forwards() -> None:
    """And SIGTERM, SIGINT and SIGHUP end them, without sockets or processes left over."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        with folder() as path, Server(say_hello) as s:
            plan = "".join(f"forward = unix:{path}/{n} tcp:127.0.0.1:{s.port}\n" for n in range(64)) + "forward-workers = 3\n"
            (path / "plan").write_text(plan)
            r = Relay("run", path / "plan", start_new_session=True)
            r.wait_err(": ready\n")
            open_one = dial(f"unix:{path}/63")
            same(ask(dial(f"unix:{path}/0"), b""), b"hello\n", "the first")
            r.process.send_signal(number)
            r.end().is_(DONE)
            same(sorted(p.name for p in path.iterdir()), ["plan"], "left over")
            with contextlib.suppress(ProcessLookupError):
                os.killpg(r.process.pid, 0)
                check(False, "a process is left over")
            open_one.close()


@test
def what_is_wrong_with_a_file_has_its_line() -> None:
    """Code 2, whether it is only checked or run; nothing to do is wrong, too."""
    with folder() as path:
        for text, why in (("\nforwards = a b", "line 2: no key forwards; the keys are forward forward-workers forward-memory forward-max exit "
                           "dns"),
                          ("egress = 127.0.0.1:80", "line 1: egress is a key of the enclave's file"),
                          ("forward = vsock:80 tcp:a..b:80", "line 1: forward: tcp:a..b:80: it is neither an address nor a name"),
                          ("forward = unix:/a unix:/b\nforward = unix:/a unix:/b",
                           "line 2: forward: unix:/a: forward of line 1 listens there, too"),
                          ("forward = vsock:80 unix:/\x1b[2J\x07", "line 1: the line has a control character")):
            (path / "plan").write_text(text)
            for more in ((), ("--check",)):
                run("run", path / "plan", *more).is_(USAGE, f"relay: run: {path}/plan: {why}")
        (path / "plan").write_text("# nothing\n")
        for more in ((), ("--check",)):
            run("run", path / "plan", *more).is_(USAGE, "there is nothing to do")
        (path / "plan").write_text("#" * (256 << 10 | 1))
        run("run", path / "plan").is_(FILE, "File too large")
        run("run", path / "none").is_(FILE, f"{path}/none: No such file or directory")
        run("run", path).is_(FILE, "Is a directory")
        run("run").is_(USAGE, "which file?")


@test
def a_manager_is_told_that_all_is_ready() -> None:
    """READY=1 when connections are taken, STOPPING=1 at the end; a manager that is not there is said, and nothing else happens."""
    with folder() as path, Server(say_hello) as server, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path / "notify"))
        manager.settimeout(DEADLINE_S)
        words = ("forward", f"unix:{path}/a", f"tcp:127.0.0.1:{server.port}")
        for program in (ASAN, SHIPPED):
            p = subprocess.Popen([program, *words], env={**ENV, "NOTIFY_SOCKET": str(path / "notify")}, stderr=subprocess.PIPE)
            same(manager.recv(64), b"READY=1", "at the begin")
            same(ask(dial(f"unix:{path}/a"), b""), b"hello\n", "a connection")
            p.terminate()
            same(manager.recv(64), b"STOPPING=1", "at the end")
            same((p.communicate()[1], p.returncode), (b"relay: forward: ready\n", DONE), "how it ended")
        p = subprocess.Popen([ASAN, *words], env={**ENV, "NOTIFY_SOCKET": "/no/manager"}, stderr=subprocess.PIPE)
        same(ask(dial_when_there(f"unix:{path}/a"), b""), b"hello\n", "a connection")
        p.terminate()
        err = p.communicate()[1].decode()
        same(p.returncode, DONE, "the code")
        check("NOTIFY_SOCKET: /no/manager: No such file or directory" in err, err)


# --- inside ---------------------------------------------------------------------

class Inside:
    """relay inside, as PID 1 starts it: the lines at descriptor 0, and a socket for its report at 3."""

    def __init__(self, path: Path, plan: str, *words: str, version: str = VERSION, program: Path = ASAN, vsock: bool = True,
                 stderr: int = subprocess.PIPE) -> None:
        (path / "plan").write_text(plan)
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(DEADLINE_S)
        path.chmod(0o777)  # it becomes another user
        env = {"RELAY_VSOCK": str(path)} if vsock else {}
        with theirs, (path / "plan").open("rb") as lines:
            self.process = subprocess.Popen(
                ["bash", "-c", f'exec "$0" "$@" 3<&{theirs.fileno()} {theirs.fileno()}<&-', program, "inside", *(words or [f"--version={version}"])],
                stdin=lines, stderr=stderr, pass_fds=[theirs.fileno()], env={**env, "ASAN_OPTIONS": "detect_leaks=0"})

    def report(self) -> tuple[int, int, int, str, str]:
        message = self.socket.recv(4096)
        same(len(message), REPORT.size, "the length of the report")
        news, number, error, what, why = REPORT.unpack(message)
        return news, number, error, what.split(b"\0")[0].decode(), why.split(b"\0")[0].decode()

    def end(self) -> tuple[int, str]:
        self.process.terminate()
        err = self.process.communicate(timeout=DEADLINE_S)[1].decode()
        self.socket.close()
        return self.process.returncode, err


@test
def the_enclaves_end_reports_that_it_is_ready() -> None:
    """Once, when connections are taken; from the parent to a program, and from a program to the parent."""
    with folder() as path, Server(answer_at_the_end) as program, Server(answer_at_the_end, path / "3.8000") as parent:
        port = free_port()
        r = Inside(path, f"\n\nforward = vsock:80 tcp:127.0.0.1:{program.port}\n\nforward = tcp:127.0.0.1:{port} vsock:8000\n")
        same(r.report(), (READY, 0, 0, "", ""), "the report")
        s = socket.socket(socket.AF_UNIX)
        s.bind(f"{path}/3-in")
        (path / "3-in").chmod(0o777)
        s.connect(f"{path}/80")
        same(ask(s, BYTES), b"all: " + BYTES, "from the parent")
        same(ask(dial(f"tcp:127.0.0.1:{port}"), BYTES), b"all: " + BYTES, "to the parent")
        same(parent.count, 1, "connections to the parent")
        same(r.end(), (DONE, ""), "the end")


@test
def a_log_that_takes_nothing_keeps_nobody_waiting() -> None:
    """A console that is stopped, say: lines are lost, and connections of a worker that has written one go on, as does a new worker."""
    reads, writes = os.pipe()
    os.set_blocking(writes, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writes, bytes(4096))
    port, refused = free_port(), free_port()
    with folder() as path, Server(echo) as s, os.fdopen(reads), os.fdopen(writes):
        plan = f"forward-workers = 1\nforward = tcp:127.0.0.1:{refused} tcp:127.0.0.1:1\nforward = tcp:127.0.0.1:{port} tcp:127.0.0.1:{s.port}\n"
        r = Inside(path, plan, stderr=writes)
        same(r.report(), (READY, 0, 0, "", ""), "the report")
        check(is_refused(f"tcp:127.0.0.1:{refused}"), "not refused")
        same(ask(dial(f"tcp:127.0.0.1:{port}"), BYTES), BYTES, "the echo")
        (worker,) = children(r.process.pid, "relay")
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: children(r.process.pid, "relay") not in ([], [worker]), "a new worker")
        same(ask(dial(f"tcp:127.0.0.1:{port}"), BYTES), BYTES, "the echo")
        r.process.terminate()
        same(r.process.wait(DEADLINE_S), DONE, "the end")
        r.socket.close()


@test
def workers_cannot_speak_to_the_first_process_of_the_enclave() -> None:
    """What reads the bytes of peers does not have the socket of the report, by which it could send PID 1 descriptors that linger."""
    with folder() as path, Server(echo) as s:
        r = Inside(path, f"forward-workers = 2\nforward = tcp:127.0.0.1:{free_port()} tcp:127.0.0.1:{s.port}\n")
        same(r.report(), (READY, 0, 0, "", ""), "the report")
        for pid in children(r.process.pid, "relay"):
            open_now = {}
            for fd in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(FileNotFoundError):  # the pipe by which it has said that it has started
                    open_now[int(fd.name)] = os.readlink(fd)
            theirs = os.readlink(f"/proc/{r.process.pid}/fd/3")
            check(theirs not in open_now.values(), f"the socket: {open_now}")
        same(r.end(), (DONE, ""), "the end")


@test
def at_the_end_what_was_written_is_passed_on() -> None:
    """SIGTERM after a program has written all and closed: a slow parent gets it to the last byte. One that nobody uses ends at once."""
    size, written = 8 << 20, threading.Event()

    def flood(conn: socket.socket) -> None:
        conn.sendall(bytes(size))
        conn.shutdown(socket.SHUT_WR)
        written.set()

    def got() -> int:
        """The bytes that came; where the machine is busy nothing may move for too long."""
        written.clear()
        with folder() as path, Server(flood) as program:
            r = Inside(path, f"forward = vsock:80 tcp:127.0.0.1:{program.port}\n")
            same(r.report()[0], READY, "the report")
            with socket.socket(socket.AF_UNIX) as s:
                s.bind(f"{path}/3-in")
                (path / "3-in").chmod(0o777)
                s.connect(f"{path}/80")
                s.settimeout(DEADLINE_S)
                total, ended = 0, False
                with contextlib.suppress(ConnectionResetError):
                    while piece := s.recv(1 << 16):
                        total += len(piece)
                        time.sleep(0.002)
                        if written.is_set() and not ended:
                            ended = True
                            r.process.terminate()
            same(r.end()[0], DONE, "the end")
            return total

    check(any(got() == size for _ in range(10)), "it is cut each time")


@test
def other_cids_than_the_parents_are_turned_away() -> None:
    """Nothing of them gets to a program."""
    with folder() as path, Server(say_hello) as program:
        r = Inside(path, f"forward = vsock:80 tcp:127.0.0.1:{program.port}\n")
        same(r.report()[0], READY, "the report")
        for cid in (16, 4, 1):
            check(is_refused("vsock:80", path, cid), f"CID {cid} was taken")
        for cid in (2, 3):
            same(ask(dial("vsock:80", path, cid), b""), b"hello\n", f"CID {cid}")
        same(program.count, 2, "connections")
        r.end()


@test
def the_enclaves_end_reports_what_is_wrong() -> None:
    """With the line of the configuration, and an errno or a sentence; nothing else is said."""
    with folder() as path, Server(echo) as s:
        taken = f"tcp:127.0.0.1:{s.port}"
        for plan, version, report in (
                (f"\n\nforward = {taken} vsock:80\n", VERSION, (FAULT, 3, 98, taken, "")),
                ("\nforward = vsock:80 tcp:localhost:80\n", VERSION,
                 (FAULT, 2, 0, "", "forward: tcp:localhost:80: it must be an address, as an enclave looks up no names")),
                ("forward = vsock:80 unix:/a\n", "0.0.9", (FAULT, 0, 0, "relay", f"it is version {VERSION}, which is not init's")),
                ("forward = vsock:80 unix:/a\n" * 2, VERSION, (FAULT, 2, 0, "", "forward: vsock:80: forward of line 1 listens there, too"))):
            r = Inside(path, plan, version=version)
            same(r.report(), report, plan)
            r.process.wait(DEADLINE_S)
            same(r.end(), (FILE, ""), plan)
        r = Inside(path, "forward = vsock:80 unix:/a\n", vsock=False)
        same(r.report(), (FAULT, 1, 97, "vsock:80", ""), "without vsock")
        r.end()


@test
def the_enclaves_lines_are_checked_without_an_enclave() -> None:
    """As init --check does it: sentences with lines, and code 2 for what is wrong, 0 for what is hardly meant."""
    with folder() as path:
        for plan, words, code, err in (
                ("forward = vsock:80 unix:/a\n", (), DONE, ""),
                ("\nforward = vsock:80\n", (), USAGE,
                 "line 2: forward: vsock:80: it needs two addresses: where to listen, and the target\n"),
                ("\negress = 127.0.0.1:3128\n", (), DONE, "line 2: egress: without egress-allow nothing may be reached\n"),
                ("egress = 127.0.0.1:3128\negress-allow = a.example b.example\negress-deny = **.example\n", (), DONE,
                 "line 2: egress-allow: a.example: it allows nothing, as egress-deny denies all of it\n"
                 "line 2: egress-allow: b.example: it allows nothing, as egress-deny denies all of it\n"),
                ("forward = vsock:80 unix:/a\n", ("--memory=512M",), DONE,
                 "forward: connections may hold 1024 MiB, more than a quarter of 512 MiB: forward-max, max= and buffer= bound them\n"),
                ("forward = vsock:80 unix:/a max=512 \n", ("--memory=512M",), DONE, ""),
                ("forward = vsock:80 vsock:16:80\n", (), DONE,
                 "line 1: forward: vsock:16:80: an enclave reaches its parent alone, which is CID 3\n")):
            r = Inside(path, plan, "--check", *words)
            r.process.wait(DEADLINE_S)
            same(r.end(), (code, err), plan)


@test
def the_enclaves_lines_come_by_a_pipe_as_well() -> None:
    """relay inside --check <FILE, and as well what another program writes, in pieces."""
    for pieces, code, err in ((("forward = vsock:80 unix:/a\n", "\nforward = vsock", ":81\n"), USAGE,
                               "line 3: forward: vsock:81: it needs two addresses: where to listen, and the target\n"),
                              (("forward = vsock:80 unix:/a\n",), DONE, "")):
        p = subprocess.Popen([ASAN, "inside", "--check"], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        for piece in pieces:
            os.write(p.stdin.fileno(), piece.encode())
        said = p.communicate(timeout=DEADLINE_S)[1].decode()
        same((p.returncode, said), (code, err), pieces)


@test
def a_line_of_the_enclaves_log_has_one_name() -> None:
    """What init puts before each line of a service's log, relay leaves out; where nobody does, it is there."""
    words = "inside: this is for init, which names its version (see relay inside --help)\n"
    with tempfile.TemporaryFile("w+") as f:
        subprocess.run([ASAN, "inside"], stderr=f, check=False)
        f.seek(0)
        same(f.read(), f"relay: {words}", "in a file")
    p = subprocess.run([ASAN, "inside"], stderr=subprocess.PIPE, text=True, check=False)
    same((p.returncode, p.stderr), (USAGE, words), "in a pipe, which is the log")


# --- the guide ---------------------------------------------------------------------

@test
def the_guides_files_are_good() -> None:
    """Each block of docs/forward.md that is a file: of an enclave, of the parent, in a ConfigMap, and the unit."""
    guide = (TOP / "docs/forward.md").read_text()
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", guide, re.DOTALL | re.MULTILINE)
    inside = [body for kind, body in blocks if kind == "ini" and body.startswith("# /etc/enclave-init.conf\n")]
    parents = [body for kind, body in blocks if kind == "ini" and body.startswith("# /etc/enclave-relay.conf\n")]
    parents += [textwrap.dedent(body.partition("relay.conf: |\n")[2]) for kind, body in blocks if "relay.conf: |\n" in body]
    lists = [body for kind, body in blocks if kind == "yaml" and body.startswith("allowlist:\n")]
    same((len(inside), len(parents), len(lists)), (3, 2, 1), "files")
    with folder() as path:
        for text in inside:
            # What is init's, and not relay's.
            r = Inside(path, re.sub(r"^add-host .*$", "", text, flags=re.MULTILINE), "--check")
            r.process.wait(DEADLINE_S)
            same(r.end(), (DONE, ""), text)
        for text in parents:
            (path / "plan").write_text(text)
            run("run", "--check", path / "plan").is_(DONE, "")
        (path / "list").write_text(lists[0])
        # It has the host of the guide's command, and no other one: nothing is listened at.
        check("{address: kms.eu-west-1.amazonaws.com, port: 443}" in lists[0], lists[0])
        run("vsock-proxy", "--config", path / "list", 8000, "kms.us-east-1.amazonaws.com", 443).is_(1, "not allowed")
        if shutil.which("systemd-analyze"):
            unit = path / "enclave-relay.service"
            unit.write_text("".join(body for kind, body in blocks if kind == "systemd").replace("/usr/bin/enclave-relay", "/bin/true"))
            p = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
            same((p.returncode, p.stderr), (0, ""), "systemd-analyze")


# --- vsock-proxy ---------------------------------------------------------------------

@contextmanager
def allowlist(text: str) -> Iterator[tuple[Path, Path]]:
    """A file, and a link to relay by the name of vsock-proxy."""
    with folder() as path:
        (path / "list.yaml").write_text(text)
        (path / "vsock-proxy").symlink_to(ASAN)
        yield path, path / "list.yaml"


@test
def vsock_proxys_arguments_are_taken() -> None:
    """In all of their forms, wherever they stand, by a link and by name."""
    with Server(answer_at_the_end) as s, \
            allowlist(f"allowlist:\n- {{address: localhost, port: {s.port}}}\n- {{address: 127.0.0.1, port: {s.port}}}\n") as (path, config):
        for words in ([8000, "localhost", s.port, "--config", config],
                      ["--config", config, "-4", "-w", 2, 8000, "localhost", s.port],
                      ["-w8", 8000, "127.0.0.1", s.port, f"--config={config}", "--ipv4"],
                      ["--num_workers=20", f"--config={config}", 8000, "LOCALHOST.", s.port]):
            for program, first in ((path / "vsock-proxy", []), (ASAN, ["vsock-proxy"])):
                with relay(*first, *words, program=program, vsock=path):
                    same(ask(dial("vsock:8000", path), BYTES), b"all: " + BYTES, f"{words}")
        same(s.count, 8, "connections")
        for word in ("--version", "-V"):
            run(word, program=path / "vsock-proxy").is_(DONE, "", f"Vsock-TCP proxy of relay {VERSION}\n".encode())


@test
def vsock_proxys_words_and_codes_are_kept() -> None:
    """Of what scripts and people look for."""
    rest = ["127.0.0.1", 80]
    with allowlist("allowlist:\n- {address: 127.0.0.1, port: 80}\n- {address: 10.1.2.3, port: 443}\n") as (path, config):
        bad = path / "bad.yaml"
        c = ["--config", config]
        for words, code, err in (
                ([8000, "127.0.0.1", 81, *c], REFUSED, "Error at checking the allowlist: The given address and port are not allowed"),
                ([8000, "10.1.2.3", 80, *c], REFUSED, "The given address and port are not allowed"),
                ([8000, *rest, "--config", path / "none"], REFUSED, "Error at checking the allowlist: Could not open the file"),
                ([8000, *rest, "--config", bad], REFUSED, f"Error at checking the allowlist: {bad}: line 2: No port field or invalid type"),
                (["x", *rest, *c], REFUSED, "Local port is not valid"),
                ([8000, "127.0.0.1", 65616, *c], REFUSED, "Remote port is not valid"),
                ([8000, *rest, "-w", "x", *c], REFUSED, "Number of workers is not valid"),
                ([8000, *rest, "-w0", *c], REFUSED, "Number of workers must not be 0"),
                ([8000, *rest, "-4", "-6", *c], USAGE, "not beside the other of -4 and -6"),
                ([8000, *rest, "-6", *c], REFUSED, "it is not of the family that was asked for"),
                ([8000, "127.0.0.1", *c], USAGE, "LOCAL_PORT, REMOTE_HOST and REMOTE_PORT are needed"),
                ([8000, *rest, *c], REFUSED, "vsock:8000: Address family not supported by protocol")):
            bad.write_text("allowlist:\n- {address: 127.0.0.1}\n")
            run("vsock-proxy", *words).is_(code, err)
        # Theirs takes 65979 for 443.
        bad.write_text("allowlist:\n- {address: 127.0.0.1, port: 65979}\n")
        run("vsock-proxy", 8000, "127.0.0.1", 443, "--config", bad).is_(REFUSED, "line 2: a port is a number from 1 to 65535")


@test
def a_name_that_has_an_allowed_address_is_dialled_there() -> None:
    """As localhost for 127.0.0.1, and the other way round."""
    with Server(say_hello) as s:
        for allowed, host in (("127.0.0.1", "localhost"), ("localhost", "127.0.0.1")):
            with allowlist(f"allowlist:\n- {{address: {allowed}, port: {s.port}}}\n") as (path, config), \
                    relay("vsock-proxy", "-4", 8000, host, s.port, "--config", config, vsock=path):
                same(ask(dial("vsock:8000", path), b""), b"hello\n", host)


@test
def no_connection_hangs_behind_four_others() -> None:
    """The fifth of AWS's waits until one of the four ends, as does the N+1st with -w N."""
    with Server(echo) as s, allowlist(f"allowlist:\n- {{address: 127.0.0.1, port: {s.port}}}\n") as (path, config), \
            relay("vsock-proxy", 8000, "127.0.0.1", s.port, "-w", 1, "--config", config, vsock=path):
        open_ones = [dial("vsock:8000", path) for _ in range(20)]
        for n, c in enumerate(open_ones):
            c.sendall(b"%d" % n)
            same(c.recv(8), b"%d" % n, "the answer")
        for c in open_ones:
            c.close()


@test
def the_allowlist_of_aws_is_read() -> None:
    """Each of the endpoints of KMS in AWS's own file, in the form of that file; the last one is found."""
    regions = "us-east-1 eu-central-1 ap-southeast-7 us-gov-west-1 cn-north-1 cn-northwest-1".split()
    text = "allowlist:\n" + "".join(f"- {{address: kms{fips}.{region}.amazonaws.com, port: 443}}\n" for region in regions for fips in ("", "-fips"))
    with allowlist(text) as (path, config):
        for host in ("kms.us-east-1.amazonaws.com", "kms-fips.cn-northwest-1.amazonaws.com"):
            with relay("vsock-proxy", 8000, host, 443, "--config", config, vsock=path):
                pass
