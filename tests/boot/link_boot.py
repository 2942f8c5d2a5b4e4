"""The link to the parent over real vsock: docs/link.md. Of what an enclave says, tests/ns has more."""

import os
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from images.containers import libraries
from machine import emulator

from . import parent
from .aws_boot import aws_ramdisks
from .lib import DEADLINE_S, Boot, Skip, Tree, boot, built, check, image, running, same, shared, test
from .modules_boot import without_a_command
from .parent import LINKED, listened
from .spec_boot import not_found

WAITS = "@waits=stop"  # a line of the application that waits for its end


def expect_end(b: Boot, words: list[str], **record) -> None:
    """The end's report, and the last status, have RECORD; the last words end with WORDS."""
    last, said = b.heard.report
    same({key: last.get(key) for key in record}, record, f"the report {last}")
    same([line for line in said if not line.startswith("init: ")][-len(words):] if words else [], words, f"the last words {said}")
    if b.heard.status:  # of a boot that stops before there is a link there is none
        last = b.heard.statuses[-1]
        same({key: last.get(key) for key in record}, record, f"the status {last}")


# --- 6.12, x86-64 ------------------------------------------------------------

def tools(*words: str) -> Tree:
    """Busybox by its names, and the programs of this machine that are among WORDS."""
    files = Tree()
    files.file("bin/busybox", Path("/bin/busybox").read_bytes(), 0o755)
    for name in ("cat", "grep", "head", "sed", "sh", "sleep", "sort", "tail", "tr", "wc", "yes"):
        files.link(f"bin/{name}", "busybox")
    for word in words:
        program = Path("/usr/bin") / word
        if not program.exists():
            raise Skip(f"no {program}")
        files.file(f"bin/{word}", program.read_bytes(), 0o755)
        for library in libraries(program):
            files.file(str(library)[1:], library.resolve().read_bytes(), 0o755)
    return files


# The one process beside PID 1 that stays the init.
LINK = """
link() { for p in /proc/[0-9]*; do read -r name <$p/comm && [ "$name" = init ] && [ $p != /proc/1 ] && echo $p; done; }
while set -- $(link); [ $# -ne 1 ]; do sleep 0.05; done
"""
# Much is logged while it is traced, and read, which the parent may begin late; then the application crashes.
CRASH = LINK + r"""
strace -f -p ${1#/proc/} -o /run/trace -e trace=write,writev,sendto,sendmsg,sendmmsg,sendfile,splice,io_uring_enter 2>/run/said &
while ! grep -q attached /run/said; do sleep 0.01; done
while ! grep -q 'main: waits' /run/trace; do echo waits; sleep 0.05; done
yes 0123456789012345678901234567890123456789012345678901234567890 | head -c 3000000
echo
# Of what it has not read yet it reads as much as the log holds.
while [ $(grep -c ' = [0-9]' /run/trace) -lt 40 ]; do sleep 0.05; done
kill $!
wait $!
echo "@writes=$(grep -c ' = [0-9]' /run/trace)"
echo "@largest=$(sed -n 's/.* = \([0-9]*\)$/\1/p' /run/trace | sort -n | tail -n 1)"
echo "@calls=$(sed -n 's/^[0-9]* *\([a-z_0-9]*\)(.*/\1/p' /run/trace | sort -u | tr '\n' ' ')"
exec /bin/act put serving put-error 'panic: index out of range' segv
"""


@shared
def panics() -> Boot:
    """An application that crashes in production mode, after much output."""
    files = tools("strace")
    files.file("script", CRASH.encode())
    b = listened(image("/bin/sh", "/script", files=files, config=LINKED + "log-size = 2M\n"))
    b.facts = dict(line.removeprefix("main: @").split("=", 1) for line in b.heard.report[1] if line.startswith("main: @"))
    return b


@test(12)
def a_crash_is_reported_with_its_last_words():
    """SIGSEGV by number and name, and what was written before, streams told apart; also if nobody has read the log."""
    b = panics()
    words = [line for line in b.heard.report[1] if line.startswith("main")]
    same(sorted(words[-2:]), ["main! panic: index out of range", "main: serving"], "the last words")
    expect_end(b, [], status="signaled", signal=11, name="SIGSEGV",
               service="main", oom=False, restarts=0)


@test()
def the_console_of_production_has_only_inits_lines():
    """PID 1's, and nothing that the services have written to the log."""
    b = panics()
    same([line.split(" started")[0] for line in b.log], ["init: spawn: /bin/sh:", "init: end: /bin/sh: killed by SIGSEGV"], "init's")
    check("serving" not in b.result.text and "panic" not in b.result.text and "0123" not in b.result.text, b.result.text[-1000:])


@test()
def the_log_over_vsock_is_numbered():
    """Each note says what is missing, to the byte, of what a reader takes more slowly than it is written."""
    at = None
    for line in panics().heard.log.splitlines(keepends=True):
        if note := re.fullmatch(rb"init: log: from byte (\d+) of (\d+), (\d+) lost, boot [0-9a-f]{8}\n", line):
            first, total, lost = map(int, note.groups())
            check(at is None or first - at in (lost, lost - 1), f"{line!r} at byte {at}")  # a newline of its own before it
            at = first
        elif end := re.fullmatch(rb"init: log: end at byte (\d+)\n", line):
            same(int(end[1]), at, "the end")
        else:
            at += len(line)
    check(at, "no note")


@test()
def no_packet_is_larger_than_32_kib():
    """Of 3 MB that a reader takes: no call of the link's process wrote more, and none went by another call."""
    facts = panics().facts
    same(facts["largest"], "32768", "the largest")
    check(int(facts["writes"]) >= 30, f"{facts['writes']} writes")
    check(set(facts["calls"].split()) <= {"sendto", "write"}, facts["calls"])


@shared
def out_of_memory() -> Boot:
    """An application that the kernel kills, in debug mode."""
    return listened(image("/bin/act", "put", "eating", "eat", config=LINKED, kernel="builtin", shim=True), mode="microvm",
                    memory=128, append="shim_lock_pcr0")


@test(3)
def an_oom_kill_is_reported_as_such():
    """SIGKILL, and that it was for memory; the link's own process has outlived it."""
    b = out_of_memory()
    expect_end(b, ["main: eating"], status="signaled", signal=9, name="SIGKILL", service="main", oom=True)
    check(not b.said("init: link: its process"), f"{b.log}")


@test()
def the_console_of_debug_mode_has_the_log():
    """In debug mode, where PCR0 is zero, the console shows what the parent may read."""
    check("main: eating" in out_of_memory().result.text, out_of_memory().result.text)


@test(3)
def a_program_that_is_not_there_is_reported():
    """fatal, with the step and the reason of the log, after the negative heartbeat."""
    b = not_found()
    why = "spawn: nginx\x1b[31m\rinit: end: faked: not found, PATH searched: /opt/a:/opt/b"
    line = "init: " + why.replace("\x1b", "?").replace("\r", "?")  # in the record JSON escapes them
    expect_end(b, [], status="fatal", step=8, error=why)
    b.expect_stop(8, line)
    check(line in b.heard.report[1], f"{b.heard.report}")


@test(3)
def a_boot_that_stops_early_is_reported():
    """Step 3, spec: the configuration is read, so that the parent learns the reason."""
    b = without_a_command()
    b.expect_stop(3)
    expect_end(b, [], status="fatal", step=3)
    reason = next(line for line in b.log if line.startswith("init: spec: "))
    same(b.heard.report[0]["error"], reason.removeprefix("init: "), "the reason")


# --- two guests: an enclave, and its parent at CID 3 -------------------------

# What the link's process is; whether it wakes up without output; then the application waits for its parent, which stops it.
ENCLAVE = LINK + r"""
echo "@score=$(cat $1/oom_score_adj)"
sed -n 's/^\(Uid\|VmRSS\|RssAnon\|CapEff\|Seccomp\|NoNewPrivs\):[[:space:]]*/@helper.\1=/p' $1/status
sed -n 's/^\(VmRSS\|RssAnon\):[[:space:]]*/@pid1.\1=/p' /proc/1/status
turns() { grep -h ctxt /proc/1/status $1/status; }
tries=0
while a=$(turns $1); sleep 1; [ "$a" != "$(turns $1)" ] && [ $tries -lt 20 ]; do tries=$((tries + 1)); done
echo "@woken=$tries"
/bin/act dial 1:17001 dial 1:17000 dial 1:17003
exec /bin/act until-term stop exit 7
"""
# It begins first, so that the enclave's first report finds a guest with a driver, as what it connects to later does: of what comes
# before that the backend now and then loses all. What of the log is a fact is shown on the parent's console, and the end.
PARENT = r"""
/bin/relay listen --from 4 >/tmp/first &
listen=$!
while /bin/act dial 1:9001 | grep -q reset; do sleep 0.05; done
echo "@listens=yes"
while ! grep -q running /tmp/first; do sleep 0.3; done
kill $listen
wait $listen
/bin/relay watch 4 >/tmp/log 2>/tmp/status &
watch=$!
while ! grep -q '@waits=stop' /tmp/log && kill -0 $watch; do sleep 0.3; done
/bin/relay status 4 | sed 's/^/@status=/'
/bin/relay stop 4 --wait 240s --timeout 240s
echo "@stop=$?"
wait $watch
echo "@watch=$?"
sed -n 's/^main: @/@/p' /tmp/log
sed 's/^/@said=/' /tmp/status
"""


@contextmanager
def siblings(*cids: int) -> Iterator[dict[int, Path]]:
    """One vsock backend for guests of these CIDs, which reach each other by them: its socket for each."""
    programs = emulator()
    with parent.folder() as folder:
        sockets = {cid: folder / f"{cid}.sock" for cid in cids}
        words = [w for cid, path in sockets.items() for w in ("--vm", f"guest-cid={cid},uds-path={folder}/{cid}.vm,socket={path}")]
        with running(programs["VHOST_VSOCK"], *words, at=tuple(sockets.values()), stdout=subprocess.DEVNULL,
                     env=os.environ | {"LD_PRELOAD": programs["VSOCK_PRELOAD"], "VSOCK_DIR": str(folder)}):
            yield sockets


@shared
def two_guests() -> Boot:
    """The boot of the parent, whose facts are those that the enclave has logged, too; .enclave is the enclave's."""
    inside = tools()
    inside.file("script", ENCLAVE.encode())
    outside = tools()
    outside.file("script", PARENT.encode())
    outside.file("bin/relay", built("relay"), 0o755)
    boots: list[Boot] = []
    listens = threading.Event()
    with siblings(3, 4) as sockets:
        def run() -> None:
            if listens.wait(DEADLINE_S):
                boots.append(boot(image("/bin/sh", "/script", files=inside, config=LINKED + "heartbeat = off\n"),
                                  backend=sockets[4]))
        thread = threading.Thread(target=run)
        thread.start()
        b = boot(image("/bin/sh", "/script", files=outside, config="heartbeat = off\n"), backend=sockets[3],
                 on_line=lambda _, text: listens.set() if "@listens=yes" in text else None)
        thread.join()
    check(boots, "the enclave has failed")
    b.enclave = boots[0]
    return b


@test(12)
def an_enclave_and_its_parent_speak_by_vsock():
    """relay at CID 3 reads the log of CID 4 to its end, stops it, and ends with the application's code."""
    b = two_guests()
    b.expect(stop="0", watch="7", waits="stop")
    b.enclave.expect_end("/bin/sh", "exited with code 7")
    b.enclave.expect_said("init: control: enclave: stop, asked for by the parent")
    same(b.all("said")[-1], "relay: watch: 4: exited with code 7 (main)", "its last word")


@test()
def only_the_parent_is_heard():
    """A process of the enclave, whose connections have CID 1, is not: no port says a word to it."""
    refused = ("nothing", "Connection reset by peer", "Transport endpoint is not connected")
    for line in two_guests().all("dial"):
        check(line.split(" ", 1)[1] in refused, f"{line}")
    same(len(two_guests().all("dial")), 3, "connections")


@test()
def the_links_process_has_no_privileges():
    """A user that is not root, no capabilities, no new ones, a filter; the OOM killer takes it late."""
    b = two_guests()
    b.expect(score="-500", helper__CapEff="0" * 16, helper__NoNewPrivs="1", helper__Seccomp="2")
    check("0" not in b.fact("helper.Uid").split(), b.fact("helper.Uid"))


@test()
def the_link_sleeps_while_nothing_is_logged():
    """Neither PID 1 nor the link's process wakes up in a second, with readers at all its ports."""
    b = two_guests()
    check(int(b.fact("woken")) < 20, "it woke up in each of 20 seconds")
    print(f"# Rss with the link: PID 1 {b.fact('pid1.VmRSS')} ({b.fact('pid1.RssAnon')} anonymous), its process "
          f"{b.fact('helper.VmRSS')} ({b.fact('helper.RssAnon')} anonymous)")


# --- 4.14, arm64, as AWS has it ----------------------------------------------

@shared
def stopped_on_4_14() -> Boot:
    """An application that its parent stops."""
    app = Tree()
    app.file("bin/act", built("apps/act", "aarch64"), 0o755)
    return listened(aws_ramdisks(app, "/bin/act", "put", "one", "put-error", "two", "until-term", "stop", "exit", "3",
                                 config=LINKED.encode()), stop=WAITS.encode())


@test(3)
def the_link_works_on_4_14():
    """Log, status, control and report: all of the log by one connection, each change, the answer, the code and last words."""
    b = stopped_on_4_14()
    same(b.heard.answers, [b"ok\n"], "the answer")
    b.expect_end("/bin/act", "exited with code 3")
    expect_end(b, ["main: @stopped=stop Terminated"], status="exited", code=3, service="main", oom=False)
    states = [(s["status"], s.get("ready")) for s in b.heard.statuses]
    check(("running", True) in states and states[-1][0] == "exited", f"{states}")
    first, *lines, last = b.heard.lines
    check(re.fullmatch("init: log: from byte 0 of [0-9]+, 0 lost, boot [0-9a-f]{8}", first), first)
    same(sorted(line for line in lines if line.startswith("main")),
         sorted(["main: one", "main! two", "main: @waits=stop", "main: @stopped=stop Terminated"]), "the lines")
    same(last, f"init: log: end at byte {sum(len(line) + 1 for line in lines)}", "the last line")
    check("main: one" not in b.result.text, "the console shows the log")
