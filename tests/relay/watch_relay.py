"""relay watch and relay log: an enclave is followed to its end, whatever happens to the connections."""

import contextlib
import os
import random
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from .lib import (ASAN, DEADLINE_S, DONE, EXITED, FATAL, FILE, LOG, LOST, SHIPPED, STATUS, Enclave, Log, Relay,
                  Skip, check, enclave, folder, in_time, line, run, same, soon, test, wait_for)

KINDS = ("dir", "mux")
SO_SNDBUFFORCE = 32


def text_of(n: int, size: int = 20) -> bytes:
    """N lines, each other than the rest."""
    return b"".join(b"main: %05d %s\n" % (i, b"x" * (i % size)) for i in range(n))


@test
def the_end_is_that_of_the_application() -> None:
    """Exit codes 0 to 255, 128 + n, 125; the log is on stdout and all else on stderr; with both kinds of sockets."""
    ends = (({**EXITED, "code": 0}, 0, "exited with code 0 (main)"), (EXITED, 3, "exited with code 3 (main)"),
            ({**EXITED, "code": 255}, 255, "code 255"), ({**EXITED, "code": 137, "service": "worker"}, 137, "(worker)"),
            ({"status": "signaled", "signal": 9, "name": "SIGKILL", "service": "main", "oom": True}, 137,
             "killed by signal 9, SIGKILL (main), out of memory"),
            ({"status": "signaled", "signal": 15, "name": "SIGTERM", "restarts": 2}, 143, "SIGTERM, 2 restarts"),
            ({"status": "fatal", "error": "spawn: /bin/app: not found", "step": 8}, FATAL,
             "the boot failed in step 8: spawn: /bin/app: not found"))
    for kind in KINDS:
        for members, code, err in ends:
            with enclave(kind) as e:
                e.with_log().with_status()
                e.log.write("main: hello\nmain! oh\n")
                e.report_path().mkdir()  # no report is waited for
                r = Relay("watch", e.target, program=SHIPPED)
                r.wait_out(b"oh\n").wait_err("running, ready")
                e.log.write("init: end\n")
                e.end(**members)
                done = r.end().is_(code, err, b"main: hello\nmain! oh\ninit: end\n")
                check(err in done.err.splitlines()[-1], f"the end is not the last line: {done.err}")


@test
def nothing_but_the_port_is_sent() -> None:
    """CONNECT and the port, and not a byte behind it before the answer, or ever."""
    with enclave("mux") as e:
        late: list[bytes] = []  # of each connection: there may be several

        def serve(conn: socket.socket) -> None:
            conn.settimeout(0.2)
            try:
                late.append(conn.recv(10))
            except TimeoutError:
                late.append(b"")
            conn.sendall(line(**EXITED))
        e.on(STATUS, serve)
        run("watch", e.target).is_(3)
        same(set(late), {b""}, "what was sent to the status port")
        check(set(e.asked) <= {b"CONNECT 17000\n", b"CONNECT 17001\n"}, f"asked: {e.asked}")


@test(seconds=3)
def each_line_comes_once_over_reconnects() -> None:
    """Connections that are cut at any byte: stdout is the log, and stderr says nothing of a gap."""
    for seed, kind in enumerate(KINDS):
        numbers = random.Random(seed)
        text = text_of(400)
        with enclave(kind) as e:
            e.boot = e.log.boot = "0a1b2c3d" if kind == "mux" else ""
            e.with_status()
            e.log.write(text)
            tries = iter([numbers.randrange(len(text)) for _ in range(12)])
            e.on(LOG, lambda conn: e.log.serve(conn, next(tries, None)))
            r = Relay("watch", e.target).wait_out(text[-30:])
            e.end(**EXITED)
            done = r.end().is_(3, out=text)
            check("missing" not in done.err, done.err)


@test
def what_was_overwritten_is_reported() -> None:
    """Before the first connection and between two; in text on stderr, in JSON as an object between the lines."""
    for json in (False, True):
        with enclave() as e:
            e.with_log(size=100).with_status()
            e.log.write(b"main: %s\n" % (b"a" * 200))
            e.log.write("main: 1\n")
            r = Relay("watch", e.target, *["--json"] * json).wait_out("main: 1" if not json else '"text":"1"')
            e.off(LOG)
            first = e.log.total()
            e.cut()
            e.log.write(b"".join(b"main: %04d\n" % i for i in range(50)))
            e.on(LOG, e.log.serve)
            r.wait_out("0049")
            lost = e.log.first - first
            e.end(**EXITED)
            done = r.end().is_(3)
            if json:
                gaps = [o for o in done.objects if o["type"] == "gap"]
                same(gaps[-1], {"type": "gap", "from_byte": first, "bytes": lost}, "the gap")
                same(gaps[0]["from_byte"], 0, "the first gap")
                same([o["text"] for o in done.objects if o["type"] == "log"][-1], "0049", "the last line")
            else:
                check(f"{lost} bytes of the log are missing: {first} to {e.log.first - 1}" in done.err, done.err)


@test
def a_reader_that_was_overtaken_says_so() -> None:
    """A note within a connection, after a newline that is no text, or without one."""
    for newline in (b"", b"\n"):
        with enclave() as e:
            e.says(LOG, b"init: log: from byte 0 of 8, 0 lost\nmain: 1\nmain: ab" + b"\n" +
                   b"init: log: from byte 50 of 58, 34 lost\nmain: 2\n" + newline +
                   b"init: log: from byte 90 of 98, 32 lost\nmain: 3\ninit: log: end at byte 98\n")
            done = run("log", e.target, "--follow").is_(DONE, out=b"main: 1\nmain: ab\nmain: 2\nmain: 3\n")
            check("34 bytes of the log are missing: 16 to 49" in done.err and "32 bytes" in done.err, done.err)


@test
def a_terminal_is_not_steered() -> None:
    """Text that the enclave has not escaped is escaped; text that it has is as it was."""
    with enclave() as e:
        e.with_log().with_status(status="running", ready=True)
        e.log.write("main: \x1b[2J\x9b\x07\b\r\x00 caf\u00e9 \u202e \ttab \\x1b \\\\\n".encode() + b"main: \xff\xc3\xa9\xc3\n")
        e.end(status="fatal", error="\x1b]0;x\x07\u202e", step=3)
        for words in (("watch", e.target), ("log", e.target), ("log", e.target, "--follow")):
            done = run(*words)
            same(done.out, b"main: \\x1b[2J\\xc2\\x9b\\x07\\x08\\x0d\\x00 caf\xc3\xa9 \\xe2\\x80\\xae \ttab \\x1b \\\\\n"
                 b"main: \\xff\xc3\xa9\\xc3\n", f"stdout of {words}")
            check(not set("\x1b\x07\u202e\x9b") & set(done.err), repr(done.err))
        texts = [o["text"] for o in run("log", e.target, "--json").objects]
        same(texts, ["\x1b[2J\x9b\x07\b\r\x00 caf\u00e9 \u202e \ttab \\x1b \\\\", "\\xff\u00e9\\xc3"], "texts in JSON")
        raw = run("watch", e.target, "--json").out
        check(b"\x1b" not in raw and "\u202e".encode() not in raw and b"\\u001b" in raw, repr(raw))


@test
def json_has_an_object_a_line() -> None:
    """Lines with service, stream and text; each status; the report, and no words of it twice."""
    with enclave() as e:
        e.with_log().with_status(status="running", ready=False)
        e.log.write("init: spawn: /bin/app: started\nmain: out\nmain! err\nmain+ more\nworker-2: w\nno name\n")
        r = Relay("watch", e.target, "--json").wait_out("no name").wait_out('"ready":false')
        e.raw_status(rb'{"status":"running","ready":true,"text":"\u202e","big":1e999,"n":12345678901,"f":0.5}')
        r.wait_out('"ready":true')
        check(e.end_with_report(b"main+ more\nworker-2: w\nno name\n", e.log.total() - 31, **EXITED), "the report was not taken")
        done = r.end().is_(3, "")
        by: dict[str, list[dict]] = {}
        for o in done.objects:
            by.setdefault(o.pop("type"), []).append(o)
        same([tuple(o.values()) for o in by["log"]],
             [("init", "init", "spawn: /bin/app: started"), ("main", "stdout", "out"), ("main", "stderr", "err"),
              ("main", "more", "more"), ("worker-2", "stdout", "w"), (None, None, "no name")], "the lines")
        records = [o["record"] for o in by["status"]]
        same(records[1], {"status": "running", "ready": True, "text": "\u202e", "big": None, "n": 12345678901, "f": 0.5},
             "the second status")
        same([o["record"]["status"] for o in by["status"]], ["running", "running", "exited"], "the statuses")
        same(by["report"], [{"record": {**EXITED, "log_bytes": 31, "lost_bytes": e.log.total() - 31}}], "the report")


@test
def how_it_ended_is_said_last() -> None:
    """After the last line of the log, which came later than the status, where both go to one terminal."""
    with enclave() as e, tempfile.TemporaryFile() as both:
        e.with_log().with_status(**EXITED)
        e.log.write(text_of(1000))
        r = Relay("watch", e.target, stdout=both, err=open(both.fileno(), "wb", closefd=False))
        e.end(**EXITED)
        r.end().is_(3)
        both.seek(0)
        check(both.read().endswith(text_of(1000)[-30:] + b"relay: watch: %b: exited with code 3 (main)\n"
                                   % e.target.encode()), "the order")


@test
def a_status_is_said_when_it_changes() -> None:
    """Text of services that changes is none."""
    with enclave() as e:
        e.with_status(status="running", ready=False, service="main", restarts=0)
        r = Relay("watch", e.target).wait_err("running, not ready yet")
        for i in range(5):
            e.status(status="running", ready=False, restarts=0, uptime_ms=i)
        e.status(status="running", ready=True, restarts=0)
        e.status(status="running", ready=True, restarts=1)
        r.wait_err("running, ready, 1 restart\n")
        e.end(**EXITED)
        done = r.end().is_(3, out=b"")
        same([text.split(": ")[-1] for text in done.err.splitlines()],
             ["running, not ready yet", "running, ready", "running, ready, 1 restart",
              "exited with code 3 (main)"], "stderr")


@test
def many_statuses_at_once_are_said_at_once() -> None:
    """More than one turn reads: nothing else has to come for the rest."""
    with enclave() as e:
        e.with_log().with_status(status="running", ready=True, restarts=0)
        e.log.write("main: there\n")
        r = Relay("watch", e.target, "--json").wait_out('"restarts":0').wait_out("there")
        with r.stopped():
            for i in range(1, 61):
                e.status(status="running", ready=True, restarts=i)
            wait_for(e.is_told, "the last one, which is sent")
        r.wait_out('"restarts":60')
        e.end(**EXITED)
        r.end().is_(3, "")


# --- the report ----------------------------------------------------------------------

@test
def a_report_alone_tells_the_end() -> None:
    """No status and no log: the code is the report's, and its last words are printed, after what is missing."""
    for kind in KINDS:
        with enclave(kind) as e:
            r = Relay("watch", e.target)
            check(e.report(status="running", ready=False), "the first report was not taken")
            r.wait_err("running, not ready yet")
            check(e.report(b"main: last\nmain! words\n", 500, **EXITED), "the report was not taken")
            done = r.end().is_(3, "500 bytes of the log are missing", b"main: last\nmain! words\n")
            check("exited with code 3" in done.err, done.err)
            check(not e.report_path().exists(), "the socket is left")


@test
def a_report_is_waited_for_as_the_status_says() -> None:
    """None that it excludes; one that it promises longer than one of which it says nothing."""
    def are_waited_for() -> bool:
        with enclave() as unsaid, enclave() as none, enclave() as comes:
            enclaves = ((unsaid, {}), (none, {"report": False}), (comes, {"report": True}))
            running = [Relay("watch", e.with_log().with_status().target, "--json").wait_out("running") for e, _ in enclaves]
            for e, said in enclaves:
                e.end(**EXITED, **said)
            running[1].end().is_(3, "")
            first = running[0].process.poll() is None
            running[0].end().is_(3, "")
            second = running[2].process.poll() is None
            with contextlib.suppress(OSError):  # of one that has not waited
                comes.send_report(**EXITED).close()
            last = running[2].end().is_(3, "").objects[-1]["type"]
            return first and second and last == "report"
    in_time(are_waited_for, "one that is not said to come is waited for, and longer for one that is")


@test
def no_status_before_a_report_is_missing() -> None:
    """The end among them, though one turn reads 16 and the report is there; if it reads them all, the report comes last."""
    for n in (20, 100):
        with enclave() as e:
            e.with_status(status="running", ready=True, restarts=0)
            r = Relay("watch", e.target, "--json").wait_out("running")
            wait_for(e.report_path().exists, "the socket")
            members = {**EXITED, "restarts": n}
            with r.stopped():
                for i in range(1, n):
                    e.status(status="running", ready=True, restarts=i)
                e.end(**members)
                sent = e.send_report(**members)
            with sent:
                same(sent.recv(1), b"", "the answer")
            objects = r.end().is_(3, "").objects
            same([o["record"]["restarts"] for o in objects if o["type"] == "status"], [*range(n + 1)], "the statuses")
            same([o["type"] for o in objects if o["type"] != "status"], ["report"], "the rest")
            check(n > 20 or objects[-1]["type"] == "report", "the report comes before what was sent before it")


@test(seconds=10)
def who_looks_late_takes_nothing_for_silence() -> None:
    """After the report a second of silence is the end. Here each look takes longer than that, and what has come is read all the same."""
    if not shutil.which("strace") or os.geteuid() != 0:
        raise Skip("it takes strace, and root")
    with enclave() as e:
        e.with_log().with_status(status="running", ready=True, restarts=0)
        e.log.write("main: there\n")
        r = Relay("watch", e.target, "--json", program=SHIPPED).wait_out('"restarts":0').wait_out("there")
        members = {**EXITED, "restarts": 60}
        with r.stopped():
            for i in range(1, 60):
                e.status(status="running", ready=True, restarts=i)
            e.status(**members)  # and the connections stay
            wait_for(e.is_told, "the last one, which is sent")
            e.send_report(**members).close()
            slow = subprocess.Popen(["strace", "-o", "/dev/null", "-p", str(r.process.pid), "-e", "trace=recvfrom", "-e",
                                     "inject=recvfrom:delay_exit=1100000"], stderr=subprocess.PIPE)
            check(b"attached" in (said := slow.stderr.readline()), f"strace: {said!r}")
        objects = r.end().is_(3, "").objects
        slow.communicate()
        same([o["record"]["restarts"] for o in objects if o["type"] == "status"], [*range(61)], "the statuses")


@test
def a_report_without_last_words_cuts_no_log_off() -> None:
    """report-log = 0: the log's connection brings the rest, which is more than one turn reads."""
    def serve(conn: socket.socket) -> None:
        """All of it lies in the socket before the report comes: relay does not wait for a log that is silent for a second."""
        conn.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 32 << 20)
        e.log.serve(conn)
    if os.geteuid() != 0:
        raise Skip("only root may have so much in a socket")
    with enclave() as e:
        e.with_log(size=4 << 20).with_status()
        e.on(LOG, serve)
        r = Relay("watch", e.target).wait_err("running")
        wait_for(lambda: e.by_port.get(LOG), "the log's connection")
        text = text_of(100_000)
        with r.stopped():
            e.log.write(text)
            e.end(**EXITED)
            wait_for(lambda: e.served[LOG], "the log's end")
            sent = e.send_report(lost=len(text), **EXITED)
        with sent:
            same(sent.recv(1), b"", "the answer")
        r.end().is_(3, out=text)


@test
def last_words_come_once() -> None:
    """The log's connection was cut: the report has what is missing, and no line twice."""
    with enclave() as e:
        e.with_log().with_status()
        text = text_of(50)
        e.log.write(text)
        r = Relay("watch", e.target).wait_out(text[-20:])
        served = e.log.serve
        e.on(LOG, lambda conn: None)
        e.cut()
        e.log.write("main: the end\nmain! really\n")
        check(e.report(text[-33:] + b"main: the end\nmain! really\n", len(text) - 33, **EXITED), "not taken")
        done = r.end().is_(3, out=text + b"main: the end\nmain! really\n")
        check("missing" not in done.err and served, done.err)


@test
def last_words_wait_for_the_logs_connection() -> None:
    """It brings the same and more; the report is taken all the same."""
    def is_whole() -> bool:
        text, has_come = text_of(50), threading.Event()

        def serve(conn: socket.socket) -> None:
            conn.sendall(b"init: log: from byte 0 of %d, 0 lost\n" % len(text) + text[:100])
            has_come.wait(DEADLINE_S)
            time.sleep(0.2)
            conn.sendall(text[100:] + b"init: log: end at byte %d\n" % len(text))
        with enclave() as e:
            e.on(LOG, serve)
            r = Relay("watch", e.target, "--json").wait_out('"main"')
            with e.send_report(text[-40:], len(text) - 40, **EXITED) as s:
                r.wait_out('"report"')
                has_come.set()
                same(s.recv(1), b"", "the answer")
            done = r.end().is_(3)
            lines = [o["text"] for o in done.objects if o["type"] == "log"]
            return "missing" not in done.err and lines == [text_.removeprefix("main: ") for text_ in text.decode().splitlines()]
    in_time(is_whole, "the log is whole")


@test
def a_report_port_that_is_taken_is_said_once() -> None:
    """The rest goes on; a socket that is left over is no other program."""
    with enclave() as e:
        e.with_status()
        first = Relay("watch", e.target).wait_err("running")
        wait_for(e.report_path().exists, "the first one's socket")
        second = Relay("watch", e.target).wait_err("running")
        e.end(**EXITED)
        done = second.end().is_(3, "no report is taken at port 9001: another program listens there")
        same(done.err.count("9001"), 1, "times")
        check("9001" not in first.end().is_(3).err, "the first one had no port")
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(str(e.report_path()))
        check("9001" not in run("watch", e.target).is_(3).err, "a socket that was left over")


@test
def a_report_of_another_cid_is_taken_and_named() -> None:
    """It is not this enclave's end; its last words are not this enclave's."""
    with folder() as path:
        e, other = Enclave(path, "cid", 16), Enclave(path, "cid", 17)
        e.with_log().with_status()
        e.log.write("main: mine\n")
        r = Relay("watch", "16", vsock=path).wait_out("mine").wait_err("running")
        check(other.report(b"main: other\n", **{**EXITED, "code": 5}), "not taken")
        r.wait_err("a report of CID 17 arrived here: exited with code 5 (main)")
        check(e.end_with_report(b"main: mine\n", **EXITED), "not taken")
        r.end().is_(3, "16: exited with code 3", b"main: mine\n")
        e.go()


@test
def reports_of_other_cids_put_no_end_off() -> None:
    """The status's connection stays open and is silent for a second, and the reports come more often than that."""
    with folder() as path:
        e, other = Enclave(path, "cid", 16), Enclave(path, "cid", 17)
        e.with_status()
        r = Relay("watch", "16", "--lost", "5m", vsock=path).wait_err("running")
        check(other.report(b"main: other\n", **EXITED), "not taken")
        e.status(**EXITED)
        check(e.report(**EXITED), "not taken")

        def has_ended() -> bool:
            with contextlib.suppress(OSError), other.send_report(b"main: other\n", **EXITED) as s:
                s.recv(1)
            return r.process.poll() is not None
        wait_for(has_ended, "the end")
        r.end().is_(3, "a report of CID 17 arrived here")
        e.go()


@test
def a_signal_leaves_no_socket() -> None:
    """TERM ends it as by default."""
    with enclave() as e:
        e.with_status()
        r = Relay("watch", e.target).wait_err("running")
        wait_for(e.report_path().exists, "the socket")
        r.process.terminate()
        r.end().is_(-15)
        check(not e.report_path().exists(), "the socket is left")


@test
def reports_of_no_sense_change_nothing() -> None:
    """Cut, too long, no JSON, silent; then a good one counts."""
    with enclave() as e:
        r = Relay("watch", e.target)
        for raw in (b"", b"{}\n", b"half", b"\0" * 10, b"x" * 70000 + b"\n", b'{"status":"exited","code":7}'):
            try:
                e.report(raw=raw)
            except OSError:
                pass
        r.wait_err("its line is too long").wait_err("it has no status").wait_err("cut off")
        check(e.report(b"main: x\n", **EXITED), "not taken")
        r.end().is_(3, out=b"main: x\n")


@test
def last_words_that_are_cut_off_end_it_all_the_same() -> None:
    """Fewer bytes than were promised, 2^53 of them: what came is printed."""
    with enclave() as e:
        r = Relay("watch", e.target)
        e.report(raw=line(**EXITED, log_bytes=1 << 53, lost_bytes=1 << 53) + b"main: x\nmain: y")
        r.end().is_(3, "a report was cut off in its last words", b"main: x\nmain: y\n")


# --- nothing, or nothing more --------------------------------------------------------

@test
def nothing_that_answers_is_124() -> None:
    """Ports without a listener, that close at once, or that say nothing."""
    with enclave() as e:
        run("watch", e.target, "--wait", "100ms").is_(LOST, "nothing answers at ports 17000 and 17001", b"")
        run("log", e.target, "--wait", "100ms").is_(LOST, "nothing answers at port 17001", b"")
        e.says(STATUS, b"")
        e.says(LOG, b"", stays=True)
        run("watch", e.target, "--wait", "200ms").is_(LOST, "nothing answers", b"")
    with enclave("mux") as e:
        run("watch", e.target, "--wait", "100ms").is_(LOST, "nothing answers")
        e.on(STATUS, lambda conn: None)
        run("status", e.target, "--wait", "100ms").is_(LOST, "nothing answers")


@test
def a_late_enclave_is_waited_for() -> None:
    """It is connected to once it is there."""
    with enclave() as e:
        r = Relay("watch", e.target)
        wait_for(e.report_path().exists, "the program's first turn")
        e.with_log().with_status()
        r.wait_err("running")
        e.end(**EXITED)
        r.end().is_(3)


@test
def a_connection_that_is_lost_for_good_is_124() -> None:
    """No status was final, and there is no report; what there was of a line is printed."""
    with enclave() as e:
        e.with_log().with_status()
        e.log.write("main: whole\nmain: half")
        r = Relay("watch", e.target, "--lost", "200ms").wait_out("whole").wait_err("running")
        e.says(STATUS, b"")
        e.says(LOG, b"")
        wait_for(lambda: len(e.connections) >= 2, "both connections")
        e.cut()
        r.end().is_(LOST, "the connection is lost", b"main: whole\nmain: half\n")


@test
def an_end_that_nobody_explains_is_124() -> None:
    """The log says that it has ended, and neither status nor report is there."""
    with enclave() as e:
        e.with_log()
        e.log.write("main: x\n")
        e.log.end()
        run("watch", e.target).is_(LOST, "nothing says how the enclave has", b"main: x\n")


@test
def an_end_is_not_waited_for_in_silence() -> None:
    """The status is final, and the connections stay open and say nothing."""
    with enclave() as e:
        e.with_log().with_status()
        e.log.write("main: x\n")
        r = Relay("watch", e.target, "--lost", "300ms").wait_out("main: x\n").wait_err("running")
        e.status(**EXITED)
        r.end().is_(3, out=b"main: x\n")


@test
def another_enclave_is_noticed() -> None:
    """At the same place, with a shorter log: its lines are no doubles."""
    with enclave() as e:
        e.with_log().with_status()
        e.log.write(text_of(20))
        r = Relay("watch", e.target).wait_out(text_of(20)[-20:])
        new = Log()
        new.write("main: new\n")
        e.log = new
        e.on(LOG, new.serve)
        wait_for(lambda: len(e.connections) >= 2, "the connections")
        e.cut()
        r.wait_out("main: new\n")
        e.end(**EXITED)
        r.end().is_(3, "the log begins again", text_of(20) + b"main: new\n")


@test
def another_boot_is_another_enclave() -> None:
    """At the same place, with a log that is longer already: all its lines come, it is said once, and the end is its own."""
    for first in ("log", "status", "report"):
        with enclave() as e:
            e.boot = "0a1b2c3d"
            e.with_log().with_status()
            e.log.write(text_of(20) + b"main: ha")
            r = Relay("watch", e.target).wait_out(text_of(20)).wait_err("running, ready")
            e.born("ffffffff")
            e.log.write(text_of(40))
            if first != "log":
                e.on(LOG, lambda conn: None)
            if first == "report":
                e.on(STATUS, lambda conn: None)
                check(e.report(status="running", ready=False), "not taken")
                r.wait_err("not ready yet")
                e.with_status()
            if first != "log":
                r.wait_err("this is another enclave: boot ffffffff")
                e.on(LOG, e.log.serve)
            r.wait_out(b"main: ha\n" + text_of(40))
            check(e.end_with_report(text_of(40)[-20:], len(text_of(40)) - 20, **EXITED), "not taken")
            done = r.end().is_(3, "this is another enclave: boot ffffffff", text_of(20) + b"main: ha\n" + text_of(40))
            same(done.err.count("another enclave"), 1, f"times in {done.err}")
            check("missing" not in done.err, done.err)


@test
def what_comes_after_the_end_is_the_next_enclaves() -> None:
    """Its log is not printed, and its report, which it may wait for, is taken and named."""
    with enclave() as e:
        e.boot = "0a1b2c3d"
        e.with_log().with_status()
        e.log.write("main: one\n")
        # The connection for the status stays, and lets it wait for the report so long.
        r = Relay("watch", e.target, "--json", "--lost", "5m").wait_out("one").wait_out("running")
        old = e.log
        e.status(**EXITED)
        r.wait_out("exited")
        e.boot = "ffffffff"
        e.with_log().log.write("main: other\n")
        e.cut(LOG)
        check(e.report(status="running", ready=False), "not taken")
        e.boot = "0a1b2c3d"
        check(e.report(b"main: one\nmain: two\n", 0, **EXITED), "not taken")
        old.end()
        done = r.end().is_(3, "a report of boot ffffffff arrived here: running, not ready yet")
        check(b"other" not in done.out, f"{done.out!r}")


@test
def an_id_that_is_none_is_no_id() -> None:
    """In a note it makes a line of it; in a status it is not looked at."""
    for boot in ("", "0a1b2c3", "0a1b2c3d4", "0A1B2C3D", "0a1b2c3g", "00000000", "\x1b[2J    "):
        with enclave() as e:
            e.report_path().mkdir()  # no report is waited for
            note = f"init: log: from byte 0 of 8, 0 lost, boot {boot}\n"
            e.says(LOG, note.encode() + b"main: a\n")
            e.says(STATUS, line(status="running", boot=boot) + line(**EXITED, boot="x" * 9000))
            done = run("watch", e.target).is_(3, "does not say where it begins")
            check("another enclave" not in done.err, done.err)
            check("boot" not in "".join(run("status", e.target).lines), "the table has it")


@test
def a_log_that_dials_is_taken() -> None:
    """log = connect: each line once over its connections; another CID's is not read."""
    for kind in ("dir", "mux", "cid"):
        with folder() as path:
            e, other = Enclave(path, kind), Enclave(path, "cid", 17)
            text = text_of(100)
            e.log.write(text)
            e.log.end()
            other.log.write("main: other\n")
            other.log.end()
            e.with_status()
            r = Relay("watch", e.target, "--take-log", vsock=path).wait_err("running")
            if kind == "cid":
                other.dial_log()
            for most in (1, 500, 700, None):
                e.dial_log(most)
            # Half a second after the last status no further connection is taken.
            r.wait_out(text[-30:])
            e.end(**EXITED)
            r.end().is_(3, out=text)
            e.report_path(LOG).unlink(missing_ok=True)
            r = Relay("log", e.target, "--take-log", "--wait", "5m", vsock=path)
            threading.Thread(target=e.dial_log, daemon=True).start()
            r.end().is_(DONE, "", text)
            e.go()


@test
def a_log_without_notes_is_followed() -> None:
    """As enclaver's odyn has it: bytes."""
    with enclave() as e:
        e.says(LOG, b"plain\ntext")
        run("log", e.target).is_(DONE, "does not say where it begins", b"plain\ntext\n")


@test
def stdout_that_fails_is_code_5() -> None:
    """A full device, a closed pipe, none."""
    with enclave() as e:
        e.with_log().with_status()
        e.log.write(text_of(10))
        for words in (("log", e.target), ("status", e.target), ("watch", e.target), ("--help",)):
            with open("/dev/full", "wb") as full:
                done = run(*words, stdout=full)
                done.is_(FILE, "stdout: No space left on device")


# --- a hostile enclave -----------------------------------------------------------------

HOSTILE_LOG = (b"x" * 10_000_000, b"\0" * 1_000_000 + b"\n", b"\n" * 500_000,
               b"init: log: from byte 9223372036854775807 of 9223372036854775807, 9223372036854775807 lost\nmain: x\n" * 1000,
               b"init: log: from byte 0 of 1, 0 lost\n" * 100_000,
               b"init: log: from byte 99999999999999999999 of 5, 1 lost\n" * 1000,
               b"init: log: end at byte 9223372036854775807\n" * 1000)
HOSTILE_STATUS = (b"x" * 10_000_000, b"[" * 1_000_000 + b"\n", b"{" * 30_000 + b"\n",
                  b'{"status":"running","a":[' + b"1," * 15_000 + b"1]}\n" * 3, b"\0\n" * 10_000,
                  b'{"status":"running","uptime_ms":1e308}\n' * 1000)


def peak_kib(r: Relay) -> int:
    """The most memory that the program had, which sleeps now."""
    return int(re.search(r"VmHWM:\s*(\d+) kB", Path(f"/proc/{r.process.pid}/status").read_text())[1])


@test(seconds=4)
def memory_is_bounded_whatever_comes() -> None:
    """Lines without end, 10 MB of JSON, NULs, notes of no sense: less than 4 MiB, and no crash."""
    for log, status in zip(HOSTILE_LOG, (*HOSTILE_STATUS, b"half")):
        for words in ((), ("--json",)):
            with enclave() as e, open("/dev/null", "wb") as nowhere:
                e.says(LOG, log + b"\n")
                # Once the log's last byte is read, and this, the program sleeps.
                e.says(STATUS, status + b"\n" + line(status="running", ready=False), stays=True)
                r = Relay("watch", e.target, *words, program=SHIPPED if not words else ASAN, stdout=nowhere)
                wait_for(lambda: e.served[LOG] > 1 or r.process.poll() is not None, "the log's second connection")
                if not words:
                    kib = peak_kib(r)
                    check(kib < 4096, f"{kib} KiB: {log[:40]!r} {status[:40]!r}")
                r.kill().is_(-9)


@test
def a_line_without_end_keeps_nothing_waiting() -> None:
    """On the status port, as fast as it can be read: the log comes, and times count."""
    with enclave() as e:
        def flood(conn: socket.socket) -> None:
            while True:
                conn.sendall(b"x" * (1 << 20))
        e.with_log()
        e.log.write("main: x\n")
        e.on(STATUS, flood)
        r = Relay("watch", e.target, program=SHIPPED).wait_out("main: x\n")
        e.log.write("main: y\n")
        r.wait_out("main: y\n").kill()
        e.with_control(stop="ok")
        run("stop", e.target, "--timeout", "200ms", program=SHIPPED).is_(LOST, "it has not ended yet")


@test
def words_of_another_enclave_are_read_as_they_come() -> None:
    """Where nothing else happens: its last words come in two parts, and it gets its answer."""
    def take() -> float:
        with folder() as path:
            e, other = Enclave(path, "cid", 16), Enclave(path, "cid", 17)
            e.with_log().with_status()
            e.log.write("main: mine\n")
            r = Relay("watch", "16", vsock=path).wait_out("mine").wait_err("running")
            with socket.socket(socket.AF_UNIX) as s:
                s.bind(str(path / "17-x"))
                s.connect(str(other.report_path()))
                s.settimeout(DEADLINE_S)
                s.sendall(line(**EXITED, log_bytes=8, lost_bytes=0))
                r.wait_err("a report of CID 17 arrived here")
                began = time.monotonic()
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # they came too late
                    s.sendall(b"main: x\n")
                    same(s.recv(1), b"", "the answer")
            r.kill()
            e.go()
            return time.monotonic() - began
    soon(take, 9, "the answer")  # what has not come after 10 s is cut off


@test
def a_connection_that_is_not_decided_keeps_nothing_waiting() -> None:
    """To a CID: the log comes meanwhile, and it is tried again."""
    with folder() as path:
        e = Enclave(path, "cid")
        e.with_log().with_status()
        slow = path / f"16.{STATUS}.slow"
        slow.touch()
        r = Relay("watch", "16", vsock=path)
        for i in range(10):
            e.log.write(f"main: {i}\n")
            r.wait_out(f"main: {i}\n")
        check("running" not in r.err, "the status was connected to")
        slow.unlink()
        r.wait_err("running")
        e.end(**EXITED, report=False)
        r.end().is_(3)
        e.go()


@test
def a_status_that_is_none_is_skipped() -> None:
    """It is named, and the next one counts."""
    with enclave() as e:
        e.says(STATUS, b"x" * 100_000 + b"\nhello\n\x1b\n{}\n" + line(**EXITED))
        done = run("watch", e.target).is_(3, "a status is ignored: it is too long", b"")
        for why in ("it is no object of JSON", "it is not printable ASCII", "it has no status"):
            check(why in done.err, done.err)


# --- relay log ---------------------------------------------------------------------------

@test
def log_prints_what_there_is_now() -> None:
    """And no more, while the enclave runs on; over cuts too."""
    for kind in KINDS:
        with enclave(kind) as e:
            e.with_log()
            run("log", e.target).is_(DONE, "", b"")
            e.log.write("main: a\nmain: b\nmain: op")
            run("log", e.target, program=SHIPPED).is_(DONE, "", b"main: a\nmain: b\nmain: op\n")
            served, tries = e.log.serve, iter(range(3))
            e.on(LOG, lambda conn: served(conn, 10) if next(tries, None) is not None else served(conn))
            run("log", e.target).is_(DONE, "", b"main: a\nmain: b\nmain: op\n")


@test
def log_follows_to_the_end() -> None:
    """The exit code is 0, whatever the application's was."""
    with enclave() as e:
        e.with_log()
        e.log.write("main: a\n")
        r = Relay("log", e.target, "--follow").wait_out("main: a\n")
        e.log.write("main: b\n")
        r.wait_out("main: b\n")
        e.log.end()
        r.end().is_(DONE, "", b"main: a\nmain: b\n")


@test
def a_log_that_stands_still_is_124() -> None:
    """More was promised."""
    with enclave() as e:
        e.says(LOG, b"init: log: from byte 0 of 99, 0 lost\nmain: a\n", stays=True)
        run("log", e.target, "--lost", "100ms").is_(LOST, "stands still", b"main: a\n")
