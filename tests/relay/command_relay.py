"""relay status, stop and listen; the command line, the manual page and the completion."""

import contextlib
import re
import shutil
import socket
import subprocess
import threading
import time

from .enclaver import EnclaverParent
from .lib import (ASAN, CONTROL, DONE, EXITED, FATAL, FILE, LOST, REFUSED, SHIPPED, STATUS, TOP, USAGE,
                  VERSION, Enclave, Relay, Skip, check, enclave, folder, in_time, line, run, same, test,
                  wait_for)

COMMANDS = ("watch", "log", "status", "stop", "listen", "forward", "dns", "egress", "run", "inside", "vsock-proxy")
PAGE = TOP / "vsock/relay/enclave-relay.1"
COMPLETION = TOP / "vsock/relay/enclave-relay.bash-completion"
FULL = {"status": "running", "ready": True, "service": "main", "uptime_ms": 8123, "restarts": 1, "services": [
    {"name": "main", "state": "running", "pid": 12, "restarts": 0, "text": "serving \u202e"},
    {"name": "a-long-name", "state": "backoff", "restarts": 1}]}


# --- status ---------------------------------------------------------------------------

@test
def status_is_a_table_or_the_object() -> None:
    """Services where there are some."""
    for kind in ("dir", "mux"):
        with enclave(kind) as e:
            e.with_status(**FULL)
            run("status", e.target).is_(DONE, "", "".join(text + "\n" for text in (
                "status    running, ready, 1 restart", "uptime    8.123 s", "",
                "SERVICE      STATE     PID     RESTARTS  STATUS",
                "main         running   12      0         serving \\xe2\\x80\\xae",
                "a-long-name  backoff   -       1")).encode())
            same(run("status", e.target, "--json", program=SHIPPED).is_(DONE, "").objects, [FULL], "the object")


@test
def the_boot_is_said() -> None:
    """A row of the table; behind each report, since CIDs are used again."""
    with enclave() as e:
        e.boot = "0a1b2c3d"
        e.with_status()
        same(run("status", e.target).is_(DONE, "").lines, ["status    running, ready", "boot      0a1b2c3d"], "the table")
        r = Relay("listen", e.target, "--once")
        for e.boot in ("0a1b2c3d", "0000000f"):
            check(e.report(status="running", ready=True), "not taken")
        check(e.report(**EXITED), "not taken")
        same(r.end().is_(3, "").lines, [f"{e.target}: running, ready, boot 0a1b2c3d", f"{e.target}: running, ready, boot 0000000f",
                                        f"{e.target}: exited with code 3 (main), boot 0000000f"], "the reports")


@test
def a_status_that_is_none_is_refused() -> None:
    """Code 1, and the reason."""
    with enclave() as e:
        for raw, why in ((b"hello\n", "it is no object of JSON"), (b"\x1b\n", "it is not printable"),
                         (b"{}\n", "it has no status"), (b"x" * 40000, "it is too long"),
                         (b'{"status":"exited","code":900}\n', "it has no exit code")):
            e.says(STATUS, raw)
            run("status", e.target).is_(REFUSED, f"the answer is no status: {why}", b"")


# --- stop -----------------------------------------------------------------------------

@test
def stop_waits_for_the_end() -> None:
    """The status says it; 0, whatever the application's code is."""
    for kind in ("dir", "mux"):
        with enclave(kind) as e:
            e.with_status().with_control(stop="ok")
            r = Relay("stop", e.target, program=SHIPPED)
            # What has been told that there is a status does not go by the port.
            wait_for(lambda: e.served[CONTROL] and e.is_told(), "the answer, and a status")
            time.sleep(0.05)  # less only tests less
            check(r.process.poll() is None, "it has not waited")
            e.end(**EXITED)
            r.end().is_(DONE, "", b"")
            same(e.commands, ["stop"], "the commands")


@test
def stop_without_status_waits_until_the_port_is_gone() -> None:
    """No other sign is there."""
    with enclave() as e:
        e.with_control(stop="ok")
        r = Relay("stop", e.target)
        wait_for(lambda: e.served[CONTROL], "the answer that was sent")
        e.go()
        r.end().is_(DONE, "")


@test
def a_stop_that_is_refused_is_1() -> None:
    """With the enclave's reason, or whatever it says."""
    for answer, err in (("no: not allowed by the configuration", "stop is refused: not allowed by the configuration"),
                        ("what?", "stop is answered by: what?"), ("no: \x1b[2J", "\\x1b[2J"), ("", "answered by: ")):
        with enclave() as e:
            e.with_status().with_control(stop=answer)
            run("stop", e.target).is_(REFUSED, err)


@test
def a_stop_that_takes_too_long_is_124() -> None:
    """So is one that nothing answers."""
    with enclave() as e:
        e.with_status().with_control(stop="ok")
        run("stop", e.target, "--timeout", "200ms").is_(LOST, "it has not ended yet")
        e.on(CONTROL, lambda conn: None)
        run("stop", e.target, "--wait", "100ms").is_(LOST, "nothing answers at port 17003")
        e.on(CONTROL, lambda conn: conn.recv(10) and conn.sendall(b"x" * 1000))
        run("stop", e.target, "--wait", "100ms").is_(LOST, "port 17003: Message too long")
    with enclave("mux") as e:
        e.with_status()
        run("stop", e.target, "--wait", "100ms").is_(LOST, "nothing answers at port 17003")


@test
def a_signal_is_sent_by_its_name() -> None:
    """In the form of the enclave, once, and the end is not waited for."""
    with enclave() as e:
        e.with_control(SIGHUP="ok")
        for name in ("HUP", "SIGHUP", "hup"):
            run("stop", e.target, "--signal", name).is_(DONE, "", b"")
        run("stop", e.target, "--signal", "TERM").is_(REFUSED, "SIGTERM is refused: not allowed")
        same(e.commands, ["SIGHUP", "SIGHUP", "SIGHUP", "SIGTERM"], "the commands")


# --- listen ---------------------------------------------------------------------------

@test
def listen_prints_the_reports_of_many() -> None:
    """At the same time and one after another, each with where it is from; words stand after their report."""
    with folder() as path:
        for name in ("a", "b"):
            (path / name).mkdir()
        enclaves = [Enclave(path / "a", "dir"), Enclave(path / "b", "mux")]
        r = Relay("listen", *(e.target for e in enclaves))
        done = []
        threads = [threading.Thread(target=lambda e=e, i=i: done.append(e.report(
            b"main: %d\n" % i * 100, **{**EXITED, "code": i}))) for i in range(20) for e in enclaves]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        check(done == [True] * 40, f"taken: {done}")
        out = r.kill().out.decode().splitlines()
        for e in enclaves:
            for i in range(20):
                same(out.count(f"{e.target}: exited with code {i} (main)"), 1, f"report {i}")
                same(out.count(f"{e.target}: main: {i}"), 100, f"the words of {i}")
                first = out.index(f"{e.target}: exited with code {i} (main)")
                check(first < out.index(f"{e.target}: main: {i}"), "the order")
            e.go()


@test
def reports_have_the_cid_that_they_came_from() -> None:
    """On vsock; with --from others are closed unread."""
    with folder() as path:
        enclaves = [Enclave(path, "cid", cid) for cid in (16, 17)]
        r = Relay("listen", vsock=path)
        for e in enclaves:
            check(e.report(b"main: %d\n" % e.cid, **EXITED), "not taken")
        r.wait_out("17: main: 17\n")
        same(r.kill().out, b"16: exited with code 3 (main)\n16: main: 16\n"
             b"17: exited with code 3 (main)\n17: main: 17\n", "stdout")
        (path / "9001").unlink()
        r = Relay("listen", "--from", "17", "--once", "--json", vsock=path)
        for e in enclaves:
            with contextlib.suppress(OSError):
                e.report(**{**EXITED, "code": e.cid})
        done = r.end().is_(17, "")
        same([o["from"] for o in done.objects], ["17"], "where they are from")
        (path / "9001").unlink()
        taken = Relay("listen", vsock=path)
        wait_for((path / "9001").exists, "the socket")
        run("listen", vsock=path).is_(FILE, "vsock: port 9001: another program listens there")
        taken.kill()
    for words in (("watch",), ("log",), ("status",), ("stop", "--wait=100ms")):
        run(*words, "16").is_(FILE, "Address family not supported")
    run("listen").is_(FILE, "Address family not supported")


@test
def once_ends_with_the_applications_code() -> None:
    """A first report of readiness is not the end; with JSON, too."""
    for members, code in ((EXITED, 3), ({"status": "signaled", "signal": 9}, 137),
                          ({"status": "fatal", "error": "x"}, FATAL), ({**EXITED, "code": 0}, 0)):
        with enclave() as e:
            r = Relay("listen", e.target, "--once", "--json", "--report", "77")
            wait_for(e.report_path(77).exists, "the socket")
            e.report_path(77).rename(e.report_path())
            check(e.report(status="running", ready=True), "not taken")
            check(e.report(b"main: x\nhalf", **members), "not taken")
            objects = r.end().is_(code, "").objects
            same([o["type"] for o in objects], ["report", "report", "log", "log"], "the objects")
            words = {"type": "log", "from": e.target}
            same(objects[2:], [{**words, "service": "main", "stream": "stdout", "text": "x"},
                               {**words, "service": None, "stream": None, "text": "half"}], "words")


@test
def reports_that_are_none_stop_nobody() -> None:
    """Of a hundred silent connections the old ones make room for those that say something."""
    with enclave() as e:
        r = Relay("listen", e.target, "--once")
        wait_for(e.report_path().exists, "the socket")
        silent = []
        for _ in range(100):
            s = socket.socket(socket.AF_UNIX)
            s.connect(str(e.report_path()))
            silent.append(s)
        for raw in (b"", b"x\n", b"x" * 40000, line(status="running", log_bytes=100, lost_bytes=0) + b"main: few\n"):
            try:
                e.report(raw=raw)
            except OSError:
                pass
        check(e.report(**EXITED), "not taken")
        done = r.end().is_(3, "its last words were cut off: 90 bytes are missing")
        for why in ("a report is ignored: it is no object of JSON", "its line is too long"):
            check(why in done.err, done.err)
        for s in silent:
            s.close()


@test
def one_enclave_does_not_keep_the_others_out() -> None:
    """With reports whose last words do not come, as many as there are places: the other's is taken while they wait."""
    def is_taken_at_once(*words: str) -> bool:
        """Those whose words do not come are sent away after 10 s, which a busy machine may need for all of this."""
        with folder() as path, contextlib.ExitStack() as held:
            e, other = Enclave(path, "cid", 16), Enclave(path, "cid", 17)
            r = Relay(*words, vsock=path)
            wait_for(e.report_path().exists, "the socket")
            first: socket.socket | None = None
            for i in range(70):
                s = held.enter_context(socket.socket(socket.AF_UNIX))
                s.bind(str(path / f"17-held-{i}"))
                s.connect(str(other.report_path()))
                with contextlib.suppress(OSError):
                    s.sendall(line(status="running", ready=True, log_bytes=8, lost_bytes=0))
                first = first or s
            check(e.report(status="running", ready=True), "not taken")
            first.setblocking(False)
            is_held = False
            try:
                first.recv(1)
            except BlockingIOError:
                is_held = True
            r.kill()
            return is_held
    for words in (("listen",), ("watch", "16")):
        in_time(lambda words=words: is_taken_at_once(*words), f"{words}: it is taken before the first of the others has gone")


@test
def a_port_that_is_taken_is_code_5() -> None:
    """And one that cannot be."""
    with enclave() as e:
        first = Relay("listen", e.target)
        wait_for(e.report_path().exists, "the socket")
        run("listen", e.target).is_(FILE, "port 9001: another program listens there")
        first.kill()
        run("listen", "dir:/nonexistent").is_(FILE, "No such file or directory")
        for words in (("listen",), ("watch",), ("log",), ("status",), ("stop", "--wait=100ms")):
            run(*words, "dir:" + "x" * 110).is_(FILE, "ile name too long", b"")


# --- the command line --------------------------------------------------------------------

@test
def misuse_is_code_2() -> None:
    """One line that names what is wrong."""
    for words, err in (
            ("", "which command?"), ("frob", "no command frob"), ("wacth", "did you mean watch?"),
            ("--json watch", "options follow a command"), ("help x", "no command x"),
            ("watch", "watch: which enclave? (see relay watch --help)"),
            ("watch 16 17", "17: an argument too many"), ("watch x", "x: it must be a CID, mux:PATH or"),
            ("watch 0", "that CID is the hypervisor's"), ("watch -1", "no option -1"),
            ("watch mux:", "a path must follow"), ("watch 16 --frob", "no option --frob"),
            ("watch 16 --wait 5x", "--wait: 5x: no time"), ("log 16 --lost", "--lost: needs a value"),
            ("status 16 --status-port 4294967295", "no port"), ("status", "which enclave?"),
            ("stop 16 --signal a.b", "--signal: a.b: no name of a signal"), ("stop", "which enclave?"),
            ("listen 16", "--from names a CID"), ("listen --from 0", "0: no CID"),
            ("listen dir:x --from 16", "targets have no CID")):
        done = run(*words.split()).is_(USAGE, err, b"")
        check(done.err.startswith("relay: ") and done.err.count("\n") == 1, done.err)


@test
def every_help_fits_a_screen() -> None:
    """24 lines of 80 columns; the page and the completion have each command and option."""
    page, completion = PAGE.read_text(), COMPLETION.read_text()
    for command in ("", *COMMANDS):
        words = command.split()
        text = run(*words, "--help").is_(DONE, "").out.decode()
        same(run("help", *words, program=SHIPPED).is_(DONE, "").out.decode(), text, f"help {command}")
        check(len(text.splitlines()) <= 24, f"{command}: {len(text.splitlines())} lines")
        check(max(map(len, text.splitlines())) <= 80, f"{command}: {max(map(len, text.splitlines()))} columns")
        check(text.startswith(" ".join(["usage: relay", *words])), text[:40])
        for option in set(re.findall(r"^  (--[a-z_0-9-]+)", text, re.M)):
            check(f"Fl -{option[2:]}" in page, f"the page does not name {option}")
            check(option in completion, f"the completion does not name {option}")
        check(re.search(rf"^\.Cm {command}$", page, re.M) or not command, f"the page does not name {command}")
    for program in (SHIPPED, ASAN):
        run("--version", program=program).is_(DONE, "", f"relay {VERSION}\n".encode())


def complete(text: str) -> list[str]:
    script = f"""
        . {COMPLETION}
        COMP_WORDS=(enclave-relay $1)
        [[ $1 != *' ' && $1 ]] || COMP_WORDS+=('')
        COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
        _enclave_relay enclave-relay "${{COMP_WORDS[COMP_CWORD]}}" x
        printf '%s\\n' "${{COMPREPLY[@]}}" """
    p = subprocess.run(["bash", "-uc", script, "bash", text], capture_output=True, text=True, check=False)
    check(p.returncode == 0 and not p.stderr, f"{text}: {p.returncode} {p.stderr}")
    return p.stdout.split()


@test
def words_are_completed() -> None:
    """Commands, and the options of each command's help, no others."""
    check({*COMMANDS, "help", "--help", "--version"} <= set(complete("")), "the commands")
    same(complete("wa"), ["watch"], "wa")
    for command in COMMANDS:
        text = run(command, "--help").out.decode()
        same(set(complete(f"{command} --")), {*re.findall(r"^  (--[a-z_0-9-]+)", text, re.M), "--help"}, command)
    same(complete("stop 16 --signal SIGH"), ["SIGHUP"], "a signal")
    same(complete("watch m"), ["mux:"], "a target")


@test
def the_page_is_clean() -> None:
    """mandoc and groff have nothing to say, and no line is longer than 80 bytes."""
    check(max(len(text) for text in PAGE.read_bytes().splitlines()) <= 80, "a long line")
    if not shutil.which("mandoc"):
        raise Skip("no mandoc")
    p = subprocess.run(["mandoc", "-T", "lint", PAGE], capture_output=True, text=True, check=False)
    same([text for text in (p.stdout + p.stderr).splitlines()
          if "referenced manual not found" not in text and "mandoc.db" not in text], [], "mandoc")


# --- enclaver's parent ----------------------------------------------------------------------

@test
def enclavers_parent_understands_the_status() -> None:
    """running, exited, signaled and fatal, as a stand-in of enclaver-run reads them from our port."""
    why = 'spawn: "/bin/app": not found'
    for members, end in ((EXITED, (3, None, None)),
                         ({"status": "signaled", "signal": 9, "name": "SIGKILL", "service": "main"}, (None, 9, None)),
                         ({"status": "fatal", "error": why, "step": 8}, (None, None, why))):
        parent = EnclaverParent()
        parent.feed(line(status="running", ready=False, service="main", uptime_ms=1, restarts=0))
        check(parent.is_running and not parent.has_ended, "running")
        parent.feed(line(**members)[:10])
        parent.feed(line(**members)[10:])
        check(parent.has_ended and not parent.errors, f"{parent.errors}")
        same((parent.code, parent.signal, parent.error), end, f"{members}")


@test
def enclavers_parent_has_its_defects() -> None:
    """A signal that is a name alone, and a line that is cut, are logged and not understood: it waits on."""
    parent = EnclaverParent()
    parent.feed(b'{ "status": "signaled", "signal": "SIGKILL" }\n')
    check(parent.errors and not parent.has_ended, "a name was understood")
    parent.feed(line(status="fatal", error="x" * 5000))
    check(not parent.has_ended, "a line of 5000 bytes was understood")
