"""What an image's users and its parent may try against PID 1; tests/apps/hostile.c does it."""

import fcntl
import os
import select
import signal
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .container_ns import root
from .lib import BUILD, DEADLINE_S, IS_ROOT, Jail, Parent, Skip, Tree, app, check, children, in_time, same, status, test
from .service_ns import left_alone

INIT = BUILD / "init"
SLEEP = ("/bin/act", "sleep", "600000")
FIRST = "environment = PATH=" + "/none:" * 600 + "/bin\n"  # a long way to the program
ALWAYS = "restart = always\nrestart-limit = 0\nrestart-delay = 1ms\nrestart-delay-max = 5ms\n"


def need_root() -> None:
    if not IS_ROOT:
        raise Skip("needs to be root for other users")


def files(**more: bytes) -> Tree:
    tree = Tree()
    tree.file("bin/hostile", app("hostile"), 0o755)
    tree.file("etc/passwd", "root:x:0:0::/root:/bin/sh\napp:x:1234:1234::/:/bin/sh\n")
    tree.file("etc/group", "root:x:0:\napp:x:1234:\n")
    for name, data in more.items():
        tree.file(name, data)
    return tree


def below(pid: int) -> Iterator[int]:
    """The descendants of PID."""
    for child in children(pid):
        yield child
        yield from below(child)


def command(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except (FileNotFoundError, ProcessLookupError):
        return []


def find(pid: int, *words: str) -> list[int]:
    """The descendants of PID with WORDS among their arguments."""
    return [p for p in below(pid) if set(words) <= set(command(p))]


def main_of(j: Jail) -> int:
    """The process of SLEEP."""
    return found_one(j, "600000", "/bin/act")


def found_one(j: Jail, *words: str) -> int:
    """The process with WORDS; a list of children that is read while some of them end may lack others."""
    found: list[int] = []

    def is_one() -> bool:
        found[:] = find(j.init, *words)
        return len(found) == 1
    j.wait(is_one, f"one process with {words}")
    return found[0]


def inside(j: Jail, path: str) -> Path:
    """PATH of the jail, once its init is in its root."""
    j.wait(lambda: "started by enclave-init" in j.text, "the first start")
    return Path(f"/proc/{j.init}/root{path}")


def exists(j: Jail, path: str) -> bool:
    return inside(j, path).exists()


def ticks(pid: int) -> int:
    """Processor time of PID."""
    words = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(words[11]) + int(words[12])


def restarts(j: Jail, name: str) -> int:
    """How often the log says that NAME is started again."""
    return sum(line.startswith(f"init: supervise: {name}: ") and "started again in" in line for line in j.log())


# --- starts that are held (1) ---

def stopped_starts(main: str = "") -> Jail:
    """Service h stops and kills all of its user; it is w that is started again and again."""
    return Jail(*SLEEP, files=files(), config=f"{main}[w]\ncommand = hostile sleep 600000\nuser = app\n{FIRST}{ALWAYS}"
                "[h]\ncommand = /bin/hostile stop-others\nuser = app\nafter = w\n")


@test(20)
def a_stopped_start_holds_nobody() -> None:
    """A start that another process of its user has stopped before exec: another user's end is noticed all the same."""
    need_root()
    with stopped_starts() as j:
        j.wait(lambda: j.facts("held"), "a start that is stopped")
        before = restarts(j, "w")
        os.kill(main_of(j), signal.SIGKILL)
        j.expect_end("/bin/act", "killed by SIGKILL")
        same(restarts(j, "w"), before, "starts of w that failed meanwhile")


@test(20)
def a_stopped_start_does_not_keep_term_away() -> None:
    """TERM to PID 1 reaches the application while a start is held."""
    need_root()
    with stopped_starts() as j:
        j.wait(lambda: j.facts("held"), "a start that is stopped")
        os.kill(j.init, signal.SIGTERM)
        j.expect_end("/bin/act", "killed by SIGTERM")


@test(40)
def a_stopped_start_is_killed_in_its_time() -> None:
    """It counts as one that failed, and is tried again."""
    need_root()
    with stopped_starts() as j:
        j.wait(lambda: j.facts("held"), "a start that is stopped")
        before = restarts(j, "w")
        j.wait(lambda: restarts(j, "w") > before, "the next start")


@test(20)
def a_leftover_that_stops_its_successor_holds_nobody() -> None:
    """A process that the service left behind, in a session of its own; of a user, and of root without capabilities."""
    need_root()
    for who in ("user = app\n", "capability-bounding-set = none\nno-new-privileges = yes\n"):
        with Jail(*SLEEP, files=files(), config=f"user = 77\n[w]\ncommand = hostile once /tmp/left leftover stop-others\n{who}{FIRST}{ALWAYS}") as j:
            # It is dead before the next start, or stops that one.
            j.wait(lambda: j.facts("held") or j.facts("again"), "a start after the leftover's")
            os.kill(main_of(j), signal.SIGKILL)
            j.expect_end("/bin/act", "killed by SIGKILL")


@test(20)
def a_leased_program_holds_nobody() -> None:
    """Whoever owns the program holds a lease on it; its execution waits 45 s, and PID 1 does not."""
    need_root()
    tree = files()
    tree.file("srv/prog", app("act"), 0o755, uid=1234, gid=1234)
    with Jail(*SLEEP, files=tree, config="[w]\ncommand = /srv/prog exit 1\nuser = app\nrestart = always\nrestart-limit = 0\n"
              "restart-delay = 1s\n[h]\ncommand = /bin/hostile lease /srv/prog\nuser = app\nafter = w\n") as j:
        j.wait(lambda: j.facts("breaking"), "a start that waits for the lease")
        before = restarts(j, "w")
        os.kill(main_of(j), signal.SIGKILL)
        j.expect_end("/bin/act", "killed by SIGKILL")
        same(restarts(j, "w"), before, "starts of w that failed meanwhile")


@test(30)
def a_leased_start_is_killed_in_its_time() -> None:
    """Before the kernel breaks the lease, and it counts as one that failed."""
    need_root()
    tree = files()
    tree.file("srv/prog", app("act"), 0o755, uid=1234, gid=1234)
    with Jail(*SLEEP, files=tree, config="[w]\ncommand = /srv/prog exit 1\nuser = app\nrestart = always\nrestart-limit = 0\n"
              "restart-delay = 1s\n[h]\ncommand = /bin/hostile lease /srv/prog\nuser = app\nafter = w\n") as j:
        j.wait(lambda: j.facts("breaking"), "a start that waits for the lease")
        before = restarts(j, "w")
        j.wait(lambda: restarts(j, "w") > before, "the start that failed")
        check("Text file busy" not in j.text, "the kernel broke the lease first")


# --- messages (2, 11) ---

SIX = "".join(f"[s{i}]\ncommand = /bin/act sleep 900000\n" for i in range(6))


@test(20)
def a_message_of_who_is_gone_counts() -> None:
    """READY=1 of a child that has ended and was reaped, as of any one-shot notifier: each time, with six services beside."""
    for config in ("ready = notify\nready-timeout = 1m\n", "ready = notify\nready-timeout = 1m\n" + SIX):
        for _ in range(12):
            with Jail("/bin/hostile", "notify-gone", "READY=1", "sleep", "600000", files=files(), config=config) as j:
                j.wait(lambda: j.parent.received, "a heartbeat")
                same(j.parent.received, [0xb7], "the parent received")


@test(20)
def a_sign_of_life_of_who_is_gone_counts() -> None:
    """WATCHDOG=1 by one-shot helpers, each of its own session."""
    beats = ("notify-session", "WATCHDOG=1", "sleep", "400") * 14
    left_alone("a sign of life of who is gone", "/bin/hostile", "notify", "READY=1", *beats, files=files(),
               config="ready = notify\nwatchdog = 5s\n" + SIX)


@test(20)
def a_message_of_another_session_counts() -> None:
    """As dumb-init, su -c and daemons send it: a session of its own, and a user whom root became."""
    cases = [("notify-session", "READY=1")]
    if IS_ROOT:
        cases += [("notify-as", "1234:READY=1")]
    for words in cases:
        with Jail("/bin/hostile", *words, "sleep", "600000", files=files(), config="ready = notify\nready-timeout = 1m\n") as j:
            j.wait(lambda: j.parent.received, f"a heartbeat with {words}")
            same(j.parent.received, [0xb7], "the parent received")


@test(10)
def a_message_of_another_user_is_not_heard() -> None:
    """The socket is the service's and its user's: the kernel refuses all others."""
    need_root()
    config = ("[w]\ncommand = /bin/hostile put-socket /tmp/where await /tmp/other notify READY=1 sleep 600000\nuser = app\nready = notify\n"
              "[x]\ncommand = /bin/hostile notify-other /tmp/where:READY=1 make /tmp/other sleep 600000\nuser = 77\n")
    with Jail(*SLEEP, files=files(), config=config) as j:
        j.wait(lambda: j.facts("other"), "the attempt")
        same((j.fact("list"), j.fact("other")), ("Permission denied", "Permission denied"), "a list, and a message of another user")
        j.wait(lambda: j.parent.received, "a heartbeat")
    with Jail("/bin/act", "env", "NOTIFY_SOCKET", "notify", "READY=1", *SLEEP[1:], config="ready = notify\n", files=files()) as j:
        j.wait(lambda: j.facts("env.NOTIFY_SOCKET"), "the variable")
        check(j.fact("env.NOTIFY_SOCKET").startswith("/run/enclave/notify/"), j.fact("env.NOTIFY_SOCKET"))


@test(20)
def a_flood_of_strangers_costs_nothing() -> None:
    """Thirty processes of no service that tells, a descriptor a message: PID 1 takes no part of their time."""
    need_root()
    config = ("user = app\nready = notify\n[x]\ncommand = /bin/hostile flood-descriptors 30\nuser = 77\n")
    with Jail("/bin/hostile", "notify", "READY=1", "sleep", "600000", files=files(), config=config) as j:
        j.wait(lambda: j.parent.received, "a heartbeat")
        j.wait(lambda: len(find(j.init, "flood-descriptors")) == 30, "the flood")
        floods, first = find(j.init, "flood-descriptors"), ticks(j.init)
        began = sum(map(ticks, floods))
        j.wait(lambda: sum(map(ticks, floods)) > began + 100, "a second of the flood's time")
        check(ticks(j.init) - first < 10, f"PID 1 took {ticks(j.init) - first} ticks of the flood's 100")


@test(20)
def a_flood_of_its_own_does_not_keep_others_waiting() -> None:
    """A service may flood its own socket: another's end is noticed, and its own readiness as well."""
    config = "[x]\ncommand = /bin/hostile flood-descriptors 10\n"
    with Jail("/bin/hostile", "sleep", "500", "notify", "READY=1", "barrier", "sleep", "1000", "exit", "6", files=files(),
              config=config + "ready = notify\nready-timeout = 1h\n", env=()) as j:
        j.wait(lambda: j.facts("floods"), "the flood")
        j.wait(lambda: j.code is not None or "exited with code 6" in j.text, "the end")


# --- deadlines and what has arrived (3) ---

class LateParent(Parent):
    """Echoes when it is told to."""

    def __init__(self) -> None:
        super().__init__(echo=None, close=False)

    @staticmethod
    def echo_now(j: Jail) -> None:
        for s in j._connections:
            with suppress(OSError):  # who asked has waited long enough
                s.send(b"\xb7")


def watched(interval_ms: int, count: int, watchdog: str) -> str:
    return (f"[w]\ncommand = /bin/hostile notify READY=1 pings {interval_ms}:{count}:/tmp/enough\nready = notify\n"
            f"watchdog = {watchdog}\n")


@test(20)
def a_parent_that_answers_late_aborts_nobody() -> None:
    """heartbeat = strict: while the echo is waited for signs of life are heard."""
    def is_left_alone() -> bool:
        with Jail(*SLEEP, files=files(), config="heartbeat = strict\n" + watched(400, 8, "2s"), parent=LateParent()) as j:
            j.wait(lambda: j.parent.received, "the byte")
            # The parent has ten seconds, and w two from one sign to the next.
            j.wait(lambda: j.code is not None or exists(j, "/tmp/enough") or "no sign of life" in j.text, "eight signs of life")
            LateParent.echo_now(j)
            for _ in range(50):
                j.poll()
            if "no sign of life" in j.text or "init: heartbeat: " in j.text:
                return False
            os.kill(j.init, signal.SIGTERM)
            j.expect_end("/bin/act", "killed by SIGTERM")
            return True
    in_time(is_left_alone, "who tells its parent and is heard")


@test(10)
def a_parent_that_answers_late_does_not_keep_term_away() -> None:
    """heartbeat = strict: TERM is handed on while the echo is waited for."""
    with Jail("/bin/act", "until-term", "main", "exit", "3", files=files(), config="heartbeat = strict\n", parent=LateParent()) as j:
        j.wait(lambda: j.parent.received, "the byte")
        os.kill(j.init, signal.SIGTERM)
        j.wait(lambda: j.facts("stopped"), "the signal")
        check("init: heartbeat: " not in j.text, "the heartbeat had failed before")
        LateParent.echo_now(j)
        j.end()


def tty_of(j: Jail) -> str:
    number = bytearray(4)
    fcntl.ioctl(j.console, 0x80045430, number)  # TIOCGPTN
    return f"/dev/pts/{int.from_bytes(number, 'little')}"


@contextmanager
def terminal(j: Jail) -> Iterator[int]:
    """The console's other end."""
    fd = os.open(tty_of(j), os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        yield fd
    finally:
        os.close(fd)


def is_stopped(j: Jail) -> bool:
    """Whether the console takes nothing."""
    with terminal(j) as fd:
        return not select.select([], [fd], [], 0)[1]


@test(20)
def a_stopped_console_aborts_nobody() -> None:
    """A service of another user stops it, two others restart: signs of life are heard in time."""
    need_root()
    in_time(signs_of_life_come_through, "signs of life")


def signs_of_life_come_through() -> bool:
    config = (watched(100, 60, "4s") + "[x]\ncommand = /bin/hostile sleep 300 flow off make /tmp/stopped sleep 600000\nuser = 77\n"
              "stdout = inherit\n" + "".join(f"[r{i}]\ncommand = /bin/hostile await /tmp/stopped exit 1\n{ALWAYS}" for i in range(9)))
    with Jail(*SLEEP, files=files(), config=config) as j:
        j.wait_said("started by enclave-init")
        w = Path(f"/proc/{found_one(j, 'pings')}")
        j.wait(lambda: exists(j, "/tmp/stopped"), "a stopped console")
        j.wait(lambda: exists(j, "/tmp/enough") or not w.exists(), "sixty signs of life")
        with terminal(j) as fd:
            termios.tcflow(fd, termios.TCOON)
        for _ in range(100):
            j.poll()
        return "no sign of life" not in j.text


# --- the console (8) ---

@test(20)
def a_stopped_console_keeps_the_log() -> None:
    """What PID 1 said meanwhile comes when it goes on, in its order."""
    need_root()
    config = ("[x]\ncommand = /bin/hostile flow off make /tmp/stopped sleep 600000\nuser = 77\nafter = main\n"
              "[r]\ncommand = /bin/hostile await /tmp/stopped exit 1\nrestart = always\nrestart-limit = 5\nrestart-delay = 1ms\n"
              "[z]\ncommand = /bin/hostile await /tmp/stopped sleep 3000 make /tmp/over exit 3\n")
    with Jail(*SLEEP, files=files(), config=config) as j:
        j.wait(lambda: exists(j, "/tmp/over"), "the end of z")
        with terminal(j) as fd:
            termios.tcflow(fd, termios.TCOON)
        # The last of each, of which either may be the last of all on a busy machine.
        j.wait(lambda: {"init: supervise: z: exited with code 3", "init: supervise: r: exited with code 1, not started again"}
               <= {*j.log()}, "what was said last")
        wanted = [f"init: supervise: r: exited with code 1, started again in {2 ** i} ms ({i + 1} of 5)" for i in range(5)]
        said = [line for line in j.log() if line.startswith("init: supervise: r: exited")]
        same(said, [*wanted, "init: supervise: r: exited with code 1, not started again"], "the log")


@test(20)
def a_stopped_console_takes_no_time() -> None:
    """Restarts are about as quick as before, and lines that are lost are counted or said."""
    need_root()

    def rate(j: Jail, seconds: float) -> int:
        before, end = inside(j, "/tmp/count").stat().st_size, time.monotonic() + seconds
        while time.monotonic() < end:
            j.poll()
        return inside(j, "/tmp/count").stat().st_size - before

    config = ("[x]\ncommand = /bin/hostile await-signal flow off make /tmp/stopped sleep 600000\nuser = 77\n"
              f"[r]\ncommand = /bin/hostile count /tmp/count exit 1\n{ALWAYS}")
    with Jail(*SLEEP, files=files(), config=config) as j:
        j.wait(lambda: exists(j, "/tmp/count") and restarts(j, "r") > 20, "restarts")
        quick = rate(j, 1)
        os.kill(found_one(j, "await-signal"), signal.SIGUSR1)
        j.wait(lambda: exists(j, "/tmp/stopped"), "a stopped console")
        # What else this machine does may begin now.
        check(any(rate(j, 1) > quick / 4 for _ in range(10)), f"never a quarter of the restarts with a stopped console, {quick} before")
        with terminal(j) as fd:
            termios.tcflow(fd, termios.TCOON)
        j.wait(lambda: "lost" in j.text, "that lines were lost")


# --- the heartbeat (4) ---

@test(10)
def a_heartbeat_outlives_who_kills_all() -> None:
    """An application that kills what it can as it starts: the parent still gets its byte, and no other."""
    with Jail("/bin/hostile", "kill-all", "300", "sleep", "600000", files=files(), parent=Parent(hold=True)) as j:
        j.wait(lambda: j.facts("killed"), "the end of the killing")
        j.release()
        j.wait(lambda: j.parent.received, "a heartbeat")
        j.wait(lambda: len(j.children()) == 1, "the heartbeat's process is gone")
        check(set(j.parent.received) == {0xb7}, f"the parent received {j.parent.received}")
        check(not [line for line in j.log() if "heartbeat" in line and "end:" in line], j.text)


@test(10)
def a_heartbeat_needs_no_process_more() -> None:
    """The application takes all that there are before another service is ready."""
    if not IS_ROOT:
        raise Skip("needs to be root for a limit of the jail's own")
    config = "[w]\ncommand = /bin/hostile await /tmp/full notify READY=1 sleep 600000\nready = notify\n"
    with Jail("/bin/hostile", "fill-pids", "make", "/tmp/full", "sleep", "600000", files=files(), config=config,
              below=("/usr/bin/prlimit", "--nproc=60")) as j:
        j.wait(lambda: j.facts("full"), "no process more")
        check("Resource temporarily unavailable" in j.fact("full"), j.fact("full"))
        j.wait(lambda: j.parent.received or "init: heartbeat: " in j.text, "a heartbeat")
        same(j.parent.received, [0xb7], "the parent received")


@test(32)
def a_heartbeat_that_is_stopped_is_said() -> None:
    """Root may stop its process: PID 1 says so or starts it again, and the parent gets its byte."""
    with Jail(*SLEEP, files=files(), parent=Parent(hold=True)) as j:
        j.wait(lambda: j.parent.attempts, "an attempt")
        beat = [p for p in j.children() if "600000" not in command(p)]
        same(len(beat), 1, "the heartbeat's process")
        os.kill(beat[0], signal.SIGSTOP)
        j.release()
        j.wait(lambda: j.parent.received or "heartbeat" in j.text, "a heartbeat, or a word of it")


# --- the NSM (6) ---

@test(10)
def a_number_without_a_line_does_not_open_the_nsm() -> None:
    """Its group is 0, and the device's would be, too: then it is root's alone."""
    need_root()
    config = "[w]\ncommand = /bin/hostile try-open /dev/nsm sleep 600000\nuser = 4321\n"
    with Jail(*SLEEP, files=files(), config=config, options=("-n",)) as j:
        j.wait(lambda: j.facts("open"), "the attempt")
        same(j.fact("open"), "/dev/nsm Permission denied", "the device")
        mode = inside(j, "/dev/nsm").stat().st_mode & 0o777
        same(f"{mode:o}", "600", "its mode")
    with Jail("/bin/hostile", "try-open", "/dev/nsm", "sleep", "600000", files=files(), config="user = app\n", options=("-n",)) as j:
        j.wait(lambda: j.facts("open"), "the attempt")
        same(j.fact("open"), "/dev/nsm ok", "the device of a user with a group of its own")


# --- descriptors in messages (7) ---

@contextmanager
def container(conf: str, **how: object) -> Iterator[tuple[subprocess.Popen, Path]]:
    """init --container with CONF, hostile and, where the machine has it, FUSE."""
    with root(conf) as (path, words):
        subprocess.run(["cp", BUILD / "apps/hostile", path / "bin"], check=True)
        (path / "tmp/file").touch()
        (path / "tmp/folder/x").mkdir(parents=True)
        (path / "dev/fuse").touch()
        at = words.index("-c") + 1
        words[at] = '/bin/mount --bind /dev/fuse "$0/dev/fuse"; ' + words[at]
        process = subprocess.Popen(words, env={"PATH": "/bin"}, **{"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, **how})
        try:
            yield process, path
        finally:
            # What hangs in FUSE is free when its server is gone; unshare takes the rest with it.
            for pid in [*below(process.pid)]:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            process.kill()
            process.wait()
            for f in (process.stdout, process.stderr):
                if f:
                    f.close()


def read_until(process: subprocess.Popen, text: str, said: bytes = b"") -> bytes:
    end = time.monotonic() + DEADLINE_S
    while text.encode() not in said:
        check(time.monotonic() < end, f"not said: {text}, but {said.decode()}")
        if select.select([process.stdout], [], [], 0.1)[0]:
            data = os.read(process.stdout.fileno(), 4096)
            said += data
            check(data or text.encode() in said, f"it has ended: {said.decode()}")
    return said


def wait_code(process: subprocess.Popen) -> int:
    end = time.monotonic() + DEADLINE_S
    while process.poll() is None:
        check(time.monotonic() < end, "it does not end")
        if process.stdout and select.select([process.stdout], [], [], 0.05)[0]:
            os.read(process.stdout.fileno(), 4096)
    return process.returncode


@test(10)
def a_passed_file_whose_close_hangs_hangs_nobody() -> None:
    """FUSE: its server does not answer FLUSH. Messages go on, barriers are passed, TERM ends it."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        raise Skip("no /dev/fuse")
    conf = "command = hostile send-fuse /tmp/file sleep 300 notify READY=1 barrier sleep 600000\nready = notify\n"
    with container(conf) as (process, _):
        said = read_until(process, "@fuse=sent")
        init = children(process.pid)[0]
        read_until(process, "@barrier=passed\n", said)
        os.kill(init, signal.SIGTERM)
        same(wait_code(process), 128 + signal.SIGTERM, "the code")


@test(10)
def a_passed_socket_that_lingers_hangs_nobody() -> None:
    """SO_LINGER: an hour, for who closes it last."""
    with Jail("/bin/hostile", "send-lingering", "notify", "READY=1", "barrier", "exit", "6", files=files(), config="ready = notify\n") as j:
        j.expect_end("/bin/hostile", "exited with code 6")
        same(j.fact("barrier"), "passed", "a barrier behind it")


@test(33)
def a_folder_that_hangs_hangs_nobody() -> None:
    """FUSE: what a service needs to start again is never found. PID 1 does not look for it itself."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        raise Skip("no /dev/fuse")
    for key in ("environment-file = -/tmp/folder/vars", "workdir = /tmp/folder/x"):
        conf = (f"command = hostile sleep 300 hang-folder /tmp/folder make /tmp/hangs sleep 600000\n"
                f"[w]\ncommand = hostile await /tmp/hangs say again exit 1\n{key}\nrestart = always\nrestart-limit = 0\nrestart-delay = 1ms\n")
        with container(conf) as (process, _):
            said = read_until(process, "@hangs=")
            said = read_until(process, "@unanswered=1", said)
            os.kill(children(process.pid)[0], signal.SIGTERM)
            same(wait_code(process), 128 + signal.SIGTERM, f"the code with {key}")


# --- what services leave (9) ---

@test(10)
def a_service_leaves_nothing_over_restarts() -> None:
    """Children in sessions of their own: no more after eight restarts than after one."""
    need_root()
    config = ("[w]\ncommand = /bin/hostile leftover sleep 700000\nuser = app\nrestart = on-failure\nrestart-limit = 8\n"
              "restart-delay = 1ms\n")
    with Jail(*SLEEP, files=files(), config=config) as j:
        j.wait_said("init: supervise: w: exited with code 1, not started again")
        same(restarts(j, "w"), 8, "restarts")
        # Those of before were killed, but a busy machine may have had no time for their end.
        j.wait(lambda: len(find(j.init, "700000")) <= 1, "the end of what was killed")


# --- files of the image (10) ---

@test(10)
def variables_behind_a_users_link_are_refused() -> None:
    """environment-file in a folder of the service's user: its links lead root nowhere."""
    need_root()
    tree = files()
    tree.file("etc/secret", "SECRET=known\n", 0o600)
    tree.dir("srv/u", uid=1234, gid=1234)
    tree.add("srv/u/vars", 0o120777, b"/etc/secret", uid=1234, gid=1234)
    with Jail("/bin/hostile", "sleep", "600000", files=tree,
              config="[w]\ncommand = /bin/act env SECRET sleep 600000\nuser = app\nenvironment-file = /srv/u/vars\n") as j:
        j.wait(lambda: j.facts("env.SECRET") or j.code is not None, "a start, or a stop")
        check("known" not in j.facts("env.SECRET"), "the user has read the secret")
        j.restarted()
        check("init: spawn: w: environment-file /srv/u/vars: " in j.text, j.text)


@test(20)
def names_are_read_before_anything_runs() -> None:
    """A lease on /etc/passwd, a FIFO in its place: who is in it is started again all the same."""
    need_root()
    bare = "capability-bounding-set = none\nno-new-privileges = yes\n"
    for words in ("lease /etc/passwd", "make-fifo /etc/passwd make /tmp/leased sleep 600000"):
        config = (f"[w]\ncommand = /bin/hostile await /tmp/leased count /tmp/count exit 1\nuser = app\n{ALWAYS}"
                  f"[h]\ncommand = /bin/hostile {words}\n{bare}")
        with Jail(*SLEEP, files=files(), config=config) as j:
            j.wait(lambda: exists(j, "/tmp/leased"), "the trap")
            count = inside(j, "/tmp/count")
            j.wait(lambda: count.exists() and count.stat().st_size >= 5 or "could not be started" in j.text, "five starts")
            check("could not be started" not in j.text, "a start failed")
            os.kill(main_of(j), signal.SIGKILL)
            j.expect_end("/bin/act", "killed by SIGKILL")


# --- traced services (12) ---

@test(10)
def a_traced_service_that_dies_is_started_again() -> None:
    """Its tracer keeps it a zombie that waitpid does not show."""
    need_root()
    if status(1, "Name") and Path("/proc/sys/kernel/yama/ptrace_scope").exists() and \
            Path("/proc/sys/kernel/yama/ptrace_scope").read_text().strip() != "0":
        raise Skip("this kernel's Yama lets nobody trace")
    config = ("[w]\ncommand = /bin/act start w sleep 800000\nuser = app\nrestart = always\nrestart-delay = 1ms\numask = 0\n"
              "[h]\ncommand = /bin/hostile trace-and-kill 800000\nuser = app\n")
    with Jail(*SLEEP, files=files(), config=config) as j:
        j.wait(lambda: j.facts("traced"), "the killed process")
        j.wait(lambda: len(j.facts("start")) >= 2, "the next start")
    with Jail(*SLEEP, files=files(), config="end = any\n" + config.replace("always", "never")) as j:
        j.wait(lambda: j.facts("traced"), "the killed process")
        j.end()
        check(j.log()[-1].startswith("init: end: w: "), j.text)


# --- a container's log (13) ---

@test(10)
def a_full_pipe_of_the_log_blocks_nobody() -> None:
    """--container with standard error in a pipe that nobody empties: it reaps, and ends by TERM."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    conf = ("command = hostile say up await /tmp/go orphans 50 say through sleep 600000\nstdin = null\n"
            f"[r]\ncommand = hostile make /tmp/x exit 1\n{ALWAYS}")
    with container(conf, stderr=writer) as (process, path):
        os.close(writer)
        said = read_until(process, "@say=up")
        end = time.monotonic() + DEADLINE_S
        before = -1
        while (n := int.from_bytes(fcntl.ioctl(reader, termios.FIONREAD, b"\0" * 4), "little")) < 3900 or n != before:
            check(time.monotonic() < end, f"{n} bytes of log only")
            before = n
            time.sleep(0.2)
        (path / "tmp/go").touch()
        read_until(process, "@say=through", said)
        init = children(process.pid)[0]
        while dead := [p for p in children(init) if is_zombie(p)]:
            check(time.monotonic() < end, f"zombies: {dead}")
            time.sleep(0.05)
        os.kill(init, signal.SIGTERM)
        same(wait_code(process), 128 + signal.SIGTERM, "the code")
    os.close(reader)


def is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


# --- nice (14) ---

@test(10)
def nice_weighs_services_against_each_other() -> None:
    """Two loops on one processor, 0 and 19: by their share, whatever else this machine does."""
    config = "[a]\ncommand = /bin/hostile spin 0\n[b]\ncommand = /bin/hostile spin 0\nnice = 19\n"
    for _ in range(20):
        with Jail(*SLEEP, files=files(), config=config) as j:
            j.wait(lambda: len(j.facts("spins")) == 2, "two loops")
            by_nice = {int(Path(f"/proc/{p}/stat").read_text().rsplit(")", 1)[1].split()[16]): p for p in find(j.init, "spin")}
            same(sorted(by_nice), [0, 19], "the nice values")
            group = Path(f"/proc/{by_nice[19]}/autogroup")
            # Who lacks privileges outside may set one in a tenth of a second, all of the machine together.
            if group.exists() and "nice 19" not in group.read_text():
                continue
            first = {n: ticks(p) for n, p in by_nice.items()}
            j.wait(lambda: sum(ticks(p) - first[n] for n, p in by_nice.items()) > 150, "one and a half seconds of processor time")
            took = {n: ticks(p) - first[n] for n, p in by_nice.items()}
            check(took[0] > 4 * took[19], f"ticks by nice value: {took}")
            return
    check(False, "the session's group has no nice value")


# --- signals go to the main process ---

@test(10)
def stop_and_signals_are_the_main_process_alone() -> None:
    """A worker that handles no signal finishes its work for its master: TERM, a stop signal, and what is handed on."""
    for sent, config, name in ((signal.SIGTERM, "", "Terminated"), (signal.SIGTERM, "stop-signal = QUIT\n", "Quit"),
                               (signal.SIGHUP, "", "Hangup"), (signal.SIGUSR1, "kill-mode = mixed\n", "User defined signal 1")):
        with Jail("/bin/hostile", "master", "m", "exit", "5", files=files(), config=config) as j:
            j.started()
            j.wait(lambda: j.facts("master"), "the master")
            os.kill(j.init, sent)
            j.expect_end("/bin/hostile", "exited with code 5")
            same(j.fact("worker"), f"{name} finished", "the worker")


@test(10)
def a_stopped_services_worker_finishes() -> None:
    """At the end of the enclave the stop signal is the main process's; what is left is killed."""
    config = "[w]\ncommand = /bin/hostile master w exit 0\n"
    with Jail(*SLEEP, files=files(), config=config) as j:
        j.wait(lambda: j.facts("master"), "the master")
        j.wait(lambda: j.parent.received, "a heartbeat")
        os.kill(main_of(j), signal.SIGKILL)
        j.expect_end("/bin/act", "killed by SIGKILL")
        same(j.fact("worker"), "Terminated finished", "the worker")


@test(10)
def kill_mode_process_leaves_what_is_left() -> None:
    """Only the main process is killed: what it has left is there after a restart."""
    need_root()
    config = ("[w]\ncommand = /bin/hostile count /tmp/count leftover sleep 700000\nuser = app\nrestart = on-failure\nrestart-limit = 2\n"
              "restart-delay = 1ms\nkill-mode = process\n")
    with Jail(*SLEEP, files=files(), config=config) as j:
        j.wait_said("init: supervise: w: exited with code 1, not started again")
        same(len(find(j.init, "700000")), 3, "processes that are left")


@test(10)
def kill_mode_group_is_for_all_of_the_group() -> None:
    """The worker gets the signal, too."""
    with Jail("/bin/hostile", "master", "m", "exit", "5", files=files(), config="kill-mode = group\n") as j:
        j.started()
        j.wait(lambda: j.facts("master"), "the master")
        os.kill(j.init, signal.SIGTERM)
        j.expect_end("/bin/hostile", "exited with code 5")
        same(j.fact("worker"), "Terminated died", "the worker")


# --- a boot that fails (16) ---

@test(10)
def a_failed_boot_stops_services_before_it_tells() -> None:
    """Whoever hears the negative heartbeat knows that nothing serves any more."""
    config = "[w]\ncommand = /bin/hostile sleep 600000\nready = notify\nready-timeout = 500ms\n"
    with Jail("/bin/act", "ignore-term", "sleep", "600000", files=files(), config=config, parent=Parent(hold=True)) as j:
        j.wait(lambda: j.parent.attempts, "an attempt to tell")
        same(find(j.init, "600000"), [], "processes of the image")
        j.release()
        j.expect_stop(8, "spawn", "w: not ready within 500 ms")


@test(40)
def a_failed_boot_in_debug_mode_stops_services_before_its_hold() -> None:
    """The console is held for who reads it, and nothing runs meanwhile."""
    config = "[w]\ncommand = /bin/hostile sleep 600000\nready = notify\nready-timeout = 500ms\n"
    with Jail(*SLEEP, files=files(), config=config, PCR_LOCKED=1, PCR_BYTE=0) as j:
        j.wait_said("not ready within 500 ms")
        j.wait(lambda: j.parent.received, "the byte")
        same(find(j.init, "600000"), [], "processes of the image")


# --- the small ones (19) ---

@test(10)
def a_number_that_is_another_session_by_now_gets_no_signal() -> None:
    """A service that ended long ago, whose process number is taken: its stop signal is not for that."""
    config = ("[x]\ncommand = /bin/hostile put-pid /tmp/pid exit 0\nstop-signal = USR1\n")
    with Jail("/bin/hostile", "take-pid", "/tmp/pid", "sleep", "600000", files=files(), config=config) as j:
        j.wait(lambda: j.facts("taken") or j.facts("failed"), "the number")
        if failed := j.facts("failed"):
            raise Skip(failed[0])
        j.wait(lambda: j.parent.received, "a heartbeat")
        os.kill(next(p for p in j.children() if "take-pid" in command(p)), signal.SIGKILL)
        j.restarted()
        check("User defined signal 1" not in j.facts("innocent"), "the stop signal of another")


@test(10)
def the_folder_of_messages_is_no_link_of_the_image() -> None:
    """Nothing is made or removed behind a link that the image has there."""
    tree = files()
    tree.dir("srv/x")
    tree.file("srv/x/notify", "kept\n")
    tree.link("run/enclave", "/srv/x")
    with Jail("/bin/hostile", "notify", "READY=1", "sleep", "600000", files=tree, config="ready = notify\nready-timeout = 1m\n") as j:
        j.wait(lambda: j.parent.received or j.code is not None, "a heartbeat, or a stop")
        if j.code is None:
            check(inside(j, "/srv/x/notify").is_file(), "the file behind the link is gone")


@test(10)
def the_folder_of_messages_is_roots() -> None:
    """An image whose user owns /run/enclave: that user cannot put another socket in its place."""
    need_root()
    tree = files()
    tree.dir("run/enclave", uid=1234, gid=1234)
    with Jail("/bin/hostile", "notify", "READY=1", "sleep", "600000", files=tree, config="user = app\nready = notify\nready-timeout = 1m\n") as j:
        j.wait(lambda: j.parent.received, "a heartbeat")
        place = inside(j, "/run/enclave")
        owners = [(p.name, p.stat().st_uid % 100000) for p in (place, place / "notify")]
        check(all(uid == 0 for _, uid in owners), f"owners: {owners}")


@test(10)
def what_talks_to_the_parent_has_nothing() -> None:
    """No capability, no memory of PID 1's that others may read, no descriptor but its own; of a hold parent's time."""
    with Jail(*SLEEP, files=files(), config="environment = SECRET=known\n", parent=Parent(hold=True)) as j:
        j.wait(lambda: j.parent.attempts, "an attempt")
        beat = [p for p in j.children() if "600000" not in command(p)]
        same(len(beat), 1, "the heartbeat's process")
        same(status(beat[0], "CapEff"), "0" * 16, "its capabilities")
        same(status(beat[0], "NoNewPrivs"), "1", "new privileges")


@test
def privileges_that_cannot_be_are_refused() -> None:
    """ambient-capabilities with the bit that forbids them: by --check already."""
    conf = "capability-bounding-set = net_bind_service\nambient-capabilities = net_bind_service\nsecurebits = no-cap-ambient-raise\n"
    with root(conf) as (path, _):
        done = subprocess.run([INIT, "--check", path / "enclave-init.conf"], capture_output=True, text=True, check=False, timeout=DEADLINE_S)
        same(done.returncode, 1, f"the code; {done.stderr}")
        check("ambient" in done.stderr, done.stderr)
