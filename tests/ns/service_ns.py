"""Services beside the application: order, readiness, restarts, watchdog, the end."""

import os
import re
import signal
from pathlib import Path

from .lib import IS_ROOT, TOP, Jail, Parent, Skip, Tree, app, check, in_time, same, status, test

VERSION = (TOP / "VERSION").read_text().strip()
SLEEP = "sleep 600000"


def starts(j: Jail, name: str) -> list[int]:
    """When it was started, in ms."""
    return [int(s.split()[2]) for s in j.facts("start") if s.split()[0] == name]


def order(j: Jail) -> list[str]:
    return [s.split()[0] for s in j.facts("start")]


def line(name: str, how: str) -> str:
    return f"init: supervise: {name}: {how}"


# --- order and readiness ---

@test
def services_start_in_the_order_they_need() -> None:
    """After who is ready, else in the file's order; one heartbeat when all are."""
    config = ("after = b\n[a]\ncommand = act start a sleep 600000\nafter = main\n"
              "[b]\ncommand = act start b await /run/go notify READY=1 sleep 600000\nready = notify\n"
              "[c]\ncommand = act start c make /run/go sleep 600000\n")
    with Jail("/bin/act", "start", "main", "await", "/run/starts-a", "exit", "3", config=config) as j:
        j.expect_end("/bin/act", "exited with code 3")
        found = order(j)
        same(sorted(found), ["a", "b", "c", "main"], "who was started")
        check(found.index("main") > found.index("c"), f"main waits for b, and b for c: {found}")
        spawned = [line.split(": ")[2] for line in j.log() if line.startswith("init: spawn: ")]
        same(spawned[-2:], ["/bin/act", "a"], "the last, which comes after main")
        same(j.parent.received, [0xb7], "the parent received")
        j.expect_said(f"init: spawn: b: /bin/act: started by enclave-init {VERSION}")


@test
def heartbeat_waits_until_all_are_ready() -> None:
    """By READY=1 of the service or of a child of it, of the application too."""
    config = "ready = notify\n"
    with Jail("/bin/act", "await", "/run/go", "notify-child", "STATUS=up;READY=1", *SLEEP.split(), config=config) as j:
        j.wait_said("started by enclave-init")
        for _ in range(20):
            j.poll()
        same(j.parent.received, [], "a heartbeat before READY=1")
    with Jail("/bin/act", "notify-child", "STATUS=up;READY=1", *SLEEP.split(), config=config) as j:
        j.started()
        same(j.parent.received, [0xb7], "the parent received")


@test
def who_ends_before_it_is_ready_stops_the_boot() -> None:
    """With the negative heartbeat, its last status and how it ended."""
    with Jail("/bin/act", "notify", "STATUS=half way", "barrier", "exit", "4", config="ready = notify\n") as j:
        j.expect_stop(8, "spawn", "/bin/act: ended before it was ready, exited with code 4, its last status: half way")
    with Jail("/bin/act", *SLEEP.split(), config="[db]\ncommand = /bin/act exit 0\nready = notify\nrestart = always\n") as j:
        j.expect_stop(8, "spawn", "db: ended before it was ready, exited with code 0")
    with Jail("/bin/act", "exit", "5", config="[db]\ncommand = /bin/act sleep 600000\nready = notify\n") as j:
        j.expect_stop(8, "spawn", "main: ended before all were ready, exited with code 5")


@test(10)
def who_is_late_stops_the_boot() -> None:
    """ready-timeout; EXTEND_TIMEOUT_USEC puts it off."""
    late = "/bin/act: not ready within 3 s"

    def says_status() -> bool:
        with Jail("/bin/act", "notify", "STATUS=slow", "sleep", "600000", config="ready = notify\nready-timeout = 3s\n") as j:
            j.restarted()
            if f"init: spawn: {late}" in j.log():  # it had no time to say it
                return False
            j.expect_stop(8, "spawn", f"{late}, its last status: slow")
            return True

    def is_put_off() -> bool:
        with Jail("/bin/act", "notify", "EXTEND_TIMEOUT_USEC=600000000", "sleep", "3500", "notify", "READY=1", *SLEEP.split(),
                  config="ready = notify\nready-timeout = 3s\n") as j:
            j.wait(lambda: j.parent.received, "a heartbeat, or none")
            if j.parent.received == [8]:
                j.expect_stop(8, "spawn", late)
                return False
            j.started()
            return True

    in_time(says_status, "the status of who is late is told")
    in_time(is_put_off, "its deadline is put off")


@test
def a_service_that_cannot_start_stops_the_boot() -> None:
    """Its program, user, folder or file of variables is not there: it is named."""
    for config, fault in (
            ("[x]\ncommand = nosuch\nenvironment = PATH=/srv\n", "x: nosuch: not found, PATH searched: /srv"),
            ("[x]\ncommand = /bin/act\nworkdir = /nosuch\n", "x: workdir /nosuch: No such file or directory"),
            ("[x]\ncommand = /bin/act\nenvironment-file = /none\n",
             "x: environment-file /none: No such file or directory"),
            ("[x]\ncommand = /bin/act\nuser = nobody\n", "x: user nobody: there is no /etc/passwd")):
        with Jail("/bin/act", *SLEEP.split(), config=config) as j:
            j.expect_stop(8, "spawn", fault)


@test
def a_boot_that_stops_starts_nothing_again() -> None:
    """Nor does it say so of who ends meanwhile."""
    config = "ready = notify\nready-timeout = 300ms\n[x]\ncommand = act until-term x\nrestart = always\n"
    with Jail("/bin/act", *SLEEP.split(), config=config) as j:
        j.expect_stop(8, "spawn", "main: not ready within 300 ms")
        check("started again" not in j.text, j.text)
    # x is ready before the application starts: it must not be told to end before it handles that.
    config = ("ready = notify\nready-timeout = 300ms\nafter = x\n"
              "[x]\ncommand = act notify READY=1 until-term x exit 1\nready = notify\nrestart = always\n")
    with Jail("/bin/act", *SLEEP.split(), config=config, parent=Parent(hold=True)) as j:
        j.wait(lambda: j.parent.attempts, "the negative heartbeat")
        j.expect_said(line("x", "exited with code 1"))  # before the parent is told
        j.release(0)
        j.expect_stop(8, "spawn", "main: not ready within 300 ms")
        check("started again" not in j.text, j.text)


# --- who may tell ---

@test
def messages_of_others_are_not_heard() -> None:
    """One that does not tell has no socket, and each that does has its own, whose name nobody can list."""
    config = "ready = notify\n[x]\ncommand = /bin/act env NOTIFY_SOCKET start x sleep 600000\n[y]\ncommand = /bin/act env NOTIFY_SOCKET notify READY=1 sleep 600000\nready = notify\n"
    with Jail("/bin/act", "env", "NOTIFY_SOCKET", "notify", "READY=1", *SLEEP.split(), config=config) as j:
        j.wait(lambda: j.parent.received, "a heartbeat")
        j.wait(lambda: len(j.facts("env.NOTIFY_SOCKET")) == 3, "what all three say")
        names = j.facts("env.NOTIFY_SOCKET")
        same(len({n for n in names if re.fullmatch("/run/enclave/notify/[0-9a-f]{32}", n)}), 2, f"sockets: {names}")
        folder = Path(f"/proc/{j.init}/root/run/enclave/notify")
        same([f"{folder.stat().st_mode & 0o7777:o}", len(list(folder.iterdir()))], ["711", 2], "the folder")
        shown = Path(f"/proc/{j.init}/net/unix").read_text()
        check(not any(n.rsplit("/")[-1] in shown for n in names if n), f"a name is shown: {shown}")


@test
def who_left_the_session_is_heard() -> None:
    """A daemon, or whatever `su -c` and setsid run, has the variable, and that is enough."""
    with Jail("/bin/act", "notify-outsider", "READY=1", *SLEEP.split(), config="ready = notify\n") as j:
        j.started()
        j.wait(lambda: j.facts("barrier"), "the barrier")
        same(j.facts("barrier"), ["passed"], "its descriptors are let go of")


@test
def descriptors_are_closed_and_floods_do_no_harm() -> None:
    """A barrier is passed behind a thousand messages, and long and odd ones are none."""
    with Jail("/bin/act", "notify", "x" * 8000, "notify", ";;=;READY;READY=10;WATCHDOG_USEC=-1;STATUS=;=", "flood-notify",
              "1000", "barrier", "notify", "READY=1", "barrier", *SLEEP.split(), config="ready = notify\n") as j:
        j.started()
        j.wait(lambda: j.facts("barrier") == ["passed", "passed"], "the barriers")
        open_ones = sorted(map(int, os.listdir(f"/proc/{j.init}/fd")))
        pipes = [n for n in open_ones if n > 2 and descriptor(j.init, n).startswith("pipe:")]
        same(len(pipes), 1, "pipes that PID 1 holds, of which one is the test's")


def descriptor(pid: int, n: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/fd/{n}").readlink())
    except FileNotFoundError:
        return ""


# --- restarts ---

@test
def on_failure_starts_again_and_success_does_not() -> None:
    """restart: a code but 0 and a signal are failures; each is said with its count."""
    config = "restart = on-failure\nrestart-delay = 10ms\n"
    with Jail("/bin/act", "start", "main", "fail", "/run/n:2:7", "exit", "0", config=config) as j:
        j.expect_end("/bin/act", "exited with code 0")
        same(len(starts(j, "main")), 3, "starts")
        j.expect_said(line("main", "exited with code 7, started again in 10 ms (1 of 5)"),
                      line("main", "exited with code 7, started again in 20 ms (2 of 5)"))
        same(j.parent.received, [0xb7], "the parent received")
    with Jail("/bin/act", "start", "main", "kill-self", "9", config=config + "restart-limit = 1\n") as j:
        j.expect_end("/bin/act", "killed by SIGKILL")
        same(len(starts(j, "main")), 2, "starts")


@test
def always_starts_again_after_success() -> None:
    """And never does not, whatever happened."""
    with Jail("/bin/act", "await", "/run/done", config="[x]\ncommand = act start x fail /run/n:9:0 make /run/done sleep 600000\n"
              "restart = always\nrestart-delay = 1ms\nrestart-limit = 0\n") as j:
        j.expect_end("/bin/act", "exited with code 0")
        same(len(starts(j, "x")), 10, "starts")
        j.expect_said(line("x", "exited with code 0, started again in 256 ms (9)"))
    with Jail("/bin/act", *SLEEP.split(), config="[x]\ncommand = act start x exit 1\n") as j:
        j.wait_said(line("x", "exited with code 1"))
        os.kill(j.started().init, signal.SIGTERM)
        j.expect_end("/bin/act", "killed by SIGTERM")
        same(len(starts(j, "x")), 1, "starts")
        j.expect_said(line("x", "exited with code 1"))


@test
def the_delay_is_doubled_up_to_its_limit() -> None:
    """restart-delay, restart-delay-max: measured from the outside, no start comes too early."""
    config = "restart = always\nrestart-delay = 50ms\nrestart-delay-max = 150ms\nrestart-limit = 4\n"

    def is_doubled() -> bool:
        with Jail("/bin/act", "start", "main", "exit", "1", config=config) as j:
            j.expect_end("/bin/act", "exited with code 1")
            if sum("(1 of 4)" in said for said in j.log()) > 1:  # one ran for longer than the limit, and that begins anew
                return False
            times = starts(j, "main")
            gaps = [b - a for a, b in zip(times, times[1:])]
            same(len(gaps), 4, f"restarts in {j.log()}")
            check(all(g >= w for g, w in zip(gaps, (50, 100, 150, 150))), f"the gaps {gaps}")
            j.expect_said(line("main", "exited with code 1, started again in 150 ms (4 of 4)"),
                          line("main", "exited with code 1, not started again"))
            return True
    in_time(is_doubled, "who runs for less than 150 ms")


@test
def who_ran_long_begins_anew() -> None:
    """Longer than restart-delay-max: then it is no failure in a row."""
    config = "restart = always\nrestart-delay = 5ms\nrestart-delay-max = 20ms\nrestart-limit = 1\n"
    with Jail("/bin/act", "start", "main", "sleep", "60", "fail", "/run/n:3:1", "kill-self", "9", config=config
              + "end = any\n[x]\ncommand = act await /run/n sleep 600000\n") as j:
        j.wait(lambda: len(starts(j, "main")) >= 4, "four starts")


@test
def what_a_service_left_is_killed_before_its_next_start() -> None:
    """A child of it in its group is in nobody's way."""
    with Jail("/bin/act", "await", "/run/done", config="[x]\ncommand = act start x fail /run/a:1:1 make /run/done sleep 600000\n"
              "restart = always\n") as j:
        j.expect_end("/bin/act", "exited with code 0")
    with Jail("/bin/act", "start", "main", "leave-in-group", "exit", "1", config="restart = on-failure\nrestart-limit = 1\n") as j:
        j.restarted()
        same(len(starts(j, "main")), 2, "starts")


@test
def a_restart_that_fails_counts() -> None:
    """The program went away: said, tried again, and then it is the end of that service."""
    files = Tree()
    files.file("run/prog", app("act"), 0o755)
    with Jail("/bin/act", "await", "/run/go", config="end = any\n[x]\ncommand = /run/prog remove /run/prog exit 0\n"
              "after = main\nrestart = always\nrestart-delay = 1ms\nrestart-limit = 2\n", files=files) as j:
        j.restarted()
        j.expect_said(line("x", "exited with code 0, started again in 1 ms (1 of 2)"),
                      line("x", "could not be started, started again in 2 ms (2 of 2)"),
                      line("x", "could not be started, not started again"))
        # Its end may come before PID 1 has heard that the application's program runs.
        check(any(f"init: {step}: x: /run/prog: not found" in j.log() for step in ("spawn", "heartbeat", "supervise")), j.text)
        same(j.log()[-1], "init: end: x: exited with code 127", "the last line")


# --- watchdog ---

@test
def the_watchdog_ends_who_is_silent() -> None:
    """By SIGABRT, which is a failure; then by KILL; WATCHDOG_USEC says how long."""
    config = "ready = notify\nwatchdog = 2s\nrestart = on-failure\nrestart-delay = 1ms\nrestart-limit = 1\nstop-timeout = "
    with Jail("/bin/act", "start", "main", "env", "WATCHDOG_USEC", "notify", "READY=1", "until-term", "main", "exit", "0",
              config=config + "2m\n") as j:
        j.expect_end("/bin/act", "exited with code 0")
        same(j.facts("env.WATCHDOG_USEC"), ["2000000"] * 2, "the variable")
        same(j.facts("stopped"), ["main Aborted"] * 2, "signals")
        j.expect_said(line("main", "no sign of life for 2 s"))
    with Jail("/bin/act", "ignore-term", "notify", "READY=1", *SLEEP.split(), config=config + "100ms\n") as j:
        j.expect_end("/bin/act", "killed by SIGKILL")


def left_alone(what: str, *words: str, **how: object) -> None:
    """An application with a watchdog, which tells of itself by WHAT, ends by itself."""
    def is_so() -> bool:
        with Jail(*words, "exit", "6", **how) as j:
            j.restarted()
            if "no sign of life" in j.text:
                return False
            j.expect_end(words[0], "exited with code 6")
            return True
    in_time(is_so, what)


@test(10)
def who_tells_in_time_is_left_alone() -> None:
    """WATCHDOG=1 within the time, and one that is switched off by WATCHDOG_USEC=0."""
    config = "ready = notify\nwatchdog = 4s\n"
    beats = ("notify", "WATCHDOG=1", "sleep", "500") * 9

    left_alone("a sign of life in time", "/bin/act", "notify", "READY=1", *beats, config=config)
    with Jail("/bin/act", "notify", "READY=1;WATCHDOG_USEC=0", "sleep", "4500", "exit", "6", config=config) as j:
        j.expect_end("/bin/act", "exited with code 6")
    with Jail("/bin/act", "notify", "READY=1", "notify", "WATCHDOG=trigger", *SLEEP.split(), config="ready = notify\nwatchdog = 1h\n") as j:
        j.expect_end("/bin/act", "killed by SIGABRT")


# --- the end ---

@test
def the_end_is_the_applications_by_default() -> None:
    """end = main: services are stopped, in the opposite order, each by its signal."""
    config = ("[db]\ncommand = act start db until-term db\n[web]\ncommand = act start web until-term web\nafter = db\n"
              "stop-signal = USR1\n")
    with Jail("/bin/act", "await", "/run/starts-db", "await", "/run/starts-web", "exit", "2", config=config) as j:
        j.expect_end("/bin/act", "exited with code 2")
        same(j.facts("stopped"), ["web User defined signal 1", "db Terminated"], "the order of the end")
        j.expect_said(line("web", "exited with code 0"), line("db", "exited with code 0"))


@test
def any_end_may_be_the_end() -> None:
    """end = any: the last line says whose."""
    config = "end = any\n[x]\ncommand = act await /run/starts-main exit 9\n"
    with Jail("/bin/act", "start", "main", *SLEEP.split(), config=config) as j:
        j.expect_end("x", "exited with code 9")


@test
def the_end_may_wait_for_all() -> None:
    """end = all: the application's code is told, whoever is last."""
    config = "end = all\n[x]\ncommand = act sleep 300 start x exit 9\n"
    with Jail("/bin/act", "start", "main", "exit", "3", config=config) as j:
        j.expect_end("/bin/act", "exited with code 3")
        same(order(j), ["main", "x"], "both ran")


@test
def who_does_not_stop_is_killed_in_its_time() -> None:
    """stop-timeout, for services and for the application after a TERM that is handed on."""
    # Both are stopped at once. Without its key x would have ten seconds, and y would be the first.
    config = ("[x]\ncommand = act ignore-term make /run/x sleep 600000\nstop-timeout = 200ms\n"
              "[y]\ncommand = act ignore-term make /run/y sleep 600000\nstop-timeout = 2s\n")
    with Jail("/bin/act", "await", "/run/x", "await", "/run/y", "exit", "0", config=config) as j:
        j.expect_end("/bin/act", "exited with code 0")
        j.expect_said(line("x", "killed by SIGKILL"), line("y", "killed by SIGKILL"))
        same(j.log().index(line("x", "killed by SIGKILL")) < j.log().index(line("y", "killed by SIGKILL")), True, "x first")
    with Jail("/bin/act", "ignore-term", "say", "deaf", *SLEEP.split(), config="stop-timeout = 100ms\n") as j:
        j.started()
        j.wait_said("@say=deaf")
        os.kill(j.init, signal.SIGTERM)
        j.expect_end("/bin/act", "killed by SIGKILL")


# --- what each has ---

@test
def each_service_has_its_own_environment() -> None:
    """/env's, then its file's, then its own; nothing of another's; and the defaults."""
    files = Tree()
    files.file("etc/vars", b"# a comment\n\n  A=file\nB=x = y \r\nC=\n")
    config = ("environment = A=main\n"
              "[x]\ncommand = act env A env B env C env D env E env NOTIFY_SOCKET exit 0\nenvironment-file = /etc/vars\n"
              "environment = C=own\n"
              "[y]\ncommand = act env A exit 0\nenvironment-file = -/etc/none\n")
    with Jail("/bin/act", *SLEEP.split(), env=("A=env", "D=env"), config=config, files=files) as j:
        j.wait(lambda: len(j.facts("env.A")) == 2 and j.facts("env.NOTIFY_SOCKET"), "what both say")
        same(sorted(j.facts("env.A")), ["env", "file"], "A")
        j.expect(env__B="x = y ", env__C="own", env__D="env", env__E="(unset)", env__NOTIFY_SOCKET="(unset)")
    with Jail("/bin/act", "env", "NOTIFY_SOCKET", "notify", "READY=1", *SLEEP.split(), config="ready = notify\n") as j:
        j.started()
        check(j.fact("env.NOTIFY_SOCKET").startswith("/run/enclave/notify/"), j.text)
    for text, fault in ((b"A=1\n  B\n", "line 2: not NAME=VALUE"), (b"A B=1\n", "line 1: not NAME=VALUE"),
                        (b"A=\0\n", "line 1: a NUL byte")):
        files.file("etc/vars", text)
        with Jail("/bin/act", config="environment-file = /etc/vars\n", files=files) as j:
            j.expect_stop(8, "spawn", f"environment-file /etc/vars: {fault}")


@test
def each_service_has_its_own_user() -> None:
    """And its own folder; what is not said is root's and /."""
    if not IS_ROOT:
        raise Skip("needs to be root for other users")
    config = "user = 1000\n[x]\ncommand = /bin/act make /tmp/x sleep 600000\nworkdir = /etc\nuser = 7\nafter = main\n"
    files = Tree()
    files.dir("etc")
    with Jail("/bin/act", *SLEEP.split(), config=config, files=files) as j:
        j.wait(lambda: j.parent.received, "a heartbeat")
        j.wait(lambda: len(j.children()) == 2, "the heartbeat's child is gone")
        main, x = sorted(j.children(), key=lambda pid: len(Path(f"/proc/{pid}/cmdline").read_bytes()))
        same([int(status(p, "Uid").split()[0]) % 100000 for p in (main, x)], [1000, 7], "users")
        same([str(Path(f"/proc/{p}/cwd").readlink()) for p in (main, x)], ["/", "/etc"], "folders")


@test
def idle_services_cost_nothing() -> None:
    """No wakeup of PID 1 while nothing happens, with the socket for messages as well."""
    with Jail("/bin/act", "notify", "READY=1", *SLEEP.split(), config="ready = notify\n[x]\ncommand = act sleep 600000\n"
              "restart = always\n") as j:
        j.wait(lambda: j.parent.received, "a heartbeat")
        j.wait(lambda: len(j.children()) == 2, "the heartbeat's child is gone")
        before = status(j.asleep().init, "voluntary_ctxt_switches")
        for _ in range(50):
            j.poll()
        same(status(j.init, "voluntary_ctxt_switches"), before, "wakeups")
