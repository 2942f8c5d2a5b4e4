"""init --container and --check: as in a plain container, by unshare; what the suites of other container inits look at."""

import fcntl
import os
import pty
import re
import select
import shlex
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .lib import BUILD, DEADLINE_S, IS_ROOT, TOP, Skip, check, children, name_of, same, soon, status, test

INIT = BUILD / "init"
VERSION = (TOP / "VERSION").read_text().strip()
UNSHARE = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc"]
CONTAINER = [str(INIT), "--container", "--"]


def run(*words: object, **how: object) -> subprocess.CompletedProcess:
    """init in a PID namespace of its own."""
    return subprocess.run([*UNSHARE, str(INIT), *map(str, words)], capture_output=True, text=True, check=False,
                          timeout=DEADLINE_S, **how)


def contained(*words: object, **how: object) -> subprocess.CompletedProcess:
    return run("--container", "--", *words, **how)


@contextmanager
def act(*words: object) -> Iterator[Path]:
    """A folder with act."""
    with tempfile.TemporaryDirectory() as tmp:
        copy("act", Path(tmp) / "act")
        yield Path(tmp)


def copy(name: str, path: Path) -> None:
    """The application NAME to PATH. Not by ourselves: what another test forks meanwhile would hold it open for writing."""
    subprocess.run(["cp", BUILD / "apps" / name, path], check=True)


class Running:
    """init over SCRIPT of sh, until it has said "ready"."""

    def __init__(self, script: str, start: Sequence[str] = CONTAINER) -> None:
        self.process = subprocess.Popen([*UNSHARE, *start, "sh", "-c", script], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.said = ""
        self.wait("ready")

    def wait(self, text: str) -> None:
        end = time.monotonic() + DEADLINE_S
        while text not in self.said:
            check(time.monotonic() < end, f"not said: {text}, but {self.said!r}")
            if select.select([self.process.stdout], [], [], 0.1)[0]:
                data = os.read(self.process.stdout.fileno(), 4096).decode()
                self.said += data
                check(data or text in self.said, f"it has ended: {self.said!r}")

    @property
    def init(self) -> int:
        return children(self.process.pid)[0]

    def wait_exec(self, name: str) -> None:
        """The application has become the program NAME."""
        end = time.monotonic() + DEADLINE_S
        while status(children(self.init)[0], "Name") != name:
            check(time.monotonic() < end, f"it is no {name}")
            time.sleep(0.005)

    def wait_end(self) -> None:
        """All that it said is here."""
        while data := os.read(self.process.stdout.fileno(), 4096):
            self.said += data.decode()

    def code(self) -> int:
        self.process.wait(DEADLINE_S)
        return self.process.returncode

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stdin.close()


# --- exit codes ---

@test
def codes_are_passed_on() -> None:
    """A code is the same, a signal 128 and its number; what cannot be run is 126 or 127, and said."""
    for script, code in (("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -9 $$", 137), ("kill -15 $$", 143), ("kill -11 $$", 139)):
        done = contained("sh", "-c", script)
        same((done.returncode, done.stdout, done.stderr), (code, "", ""), script)
    done = contained("nosuch")
    same(done.returncode, 127, "not found")
    check("init: spawn: nosuch: not found, PATH searched: " in done.stderr, done.stderr)
    done = contained("/etc/passwd")
    same(done.returncode, 126, "not executable")
    check("init: spawn: /etc/passwd: not an executable file" in done.stderr, done.stderr)


@test
def arguments_and_environment_are_passed_on() -> None:
    """Empty ones, too; with and without --; descriptors 0 to 2 are the container's."""
    env = {"PATH": os.environ["PATH"], "A": "b c"}
    for words in (("--container", "--"), ("--container",)):
        done = run(*words, "sh", "-c", 'printf "[%s]" "$@" "$A" "$(cat)"', "sh", "", "x y", env=env, input="in")
        same((done.returncode, done.stdout), (0, "[][x y][b c][in]"), f"{words}: {done.stderr}")
    done = run("--container")
    same(done.returncode, 125, "nothing to run")
    check("neither a program nor a configuration" in done.stderr, done.stderr)


@test
def codes_that_are_like_its_own_are_the_applications() -> None:
    """125 to 127 and those above 128 are passed on like all others, and nothing is said."""
    for code in (1, 2, 32, 64, 124, 125, 126, 127, 128, 129, 143, 254):
        done = contained("sh", "-c", f"exit {code}")
        same((done.returncode, done.stderr), (code, ""), f"exit {code}")


# --- what it starts with ---

# As somebody would who starts it with signals ignored, others blocked, and a descriptor too many.
UNTIDY = [sys.executable, "-c", "import os, signal, sys\n"
          "for s in (signal.SIGCHLD, signal.SIGTTOU, signal.SIGSEGV, signal.SIGINT): signal.signal(s, signal.SIG_IGN)\n"
          "signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTTIN, signal.SIGILL, signal.SIGTERM, signal.SIGUSR1))\n"
          "os.dup2(0, 9)\n"
          "os.execv(sys.argv[1], sys.argv[1:])", *CONTAINER]


def untidy(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run([*UNSHARE, *UNTIDY, *words], capture_output=True, text=True, check=False, timeout=DEADLINE_S,
                          stdin=subprocess.DEVNULL)


@test
def signals_are_default_and_unblocked_in_a_container() -> None:
    """However it was started, as in an enclave; with children ignored the code is still the application's."""
    done = untidy("cat", "/proc/self/status")
    same(done.returncode, 0, done.stderr)
    masks = dict(line.split(":\t", 1) for line in done.stdout.splitlines() if line.startswith("Sig"))
    same({k: int(masks[k], 16) for k in ("SigBlk", "SigIgn", "SigCgt")}, {"SigBlk": 0, "SigIgn": 0, "SigCgt": 0}, "signals")
    same(untidy("sh", "-c", "exit 9").returncode, 9, "the code")


@test
def descriptors_are_three_in_a_container() -> None:
    """None of init's own, none of those that it was started with."""
    with Running("echo ready; exec sleep 1000", UNTIDY) as r:
        r.wait_exec("sleep")
        end = time.monotonic() + DEADLINE_S  # its own loader has a file open at first
        while (found := sorted(os.listdir(f"/proc/{children(r.init)[0]}/fd"))) != ["0", "1", "2"]:
            check(time.monotonic() < end, f"the descriptors: {found}")
            time.sleep(0.01)


@test
def the_folder_is_the_containers() -> None:
    """The application begins where the container does."""
    for folder in ("/", "/usr"):
        same(contained("pwd", "-P", cwd=folder).stdout, f"{folder}\n", "the folder")


@test
def without_a_terminal_its_session_is_its_own() -> None:
    """It leads a session, and a group, which signals go to."""
    same(contained("sh", "-c", 'ps -o pid=,pgid=,sid= -p $$ | { read a b c; echo $((a == b && b == c)); }').stdout, "1\n",
         "leads both")


# --- signals ---

LISTENER = """
import signal
heard = [s for s in range(1, 65) if s not in (9, 17, 19, 32, 33)]
signal.pthread_sigmask(signal.SIG_BLOCK, heard)
print("ready", flush=True)
while True:
    print(f"got {int(signal.sigwait(heard))}.", flush=True)
"""


def listener() -> "Running":
    return Running(f"exec {sys.executable} -c {shlex.quote(LISTENER)}")


@test
def real_time_signals_are_handed_on() -> None:
    """Below 35 they are the C library's own."""
    with listener() as r:
        for s in range(35, 65):
            os.kill(r.init, s)
            r.wait(f"got {s}.")


@test
def faults_of_init_are_not_handed_on() -> None:
    """What means a fault or its terminal, and deaths of children; it does not end or stop of them, either."""
    with listener() as r:
        for s in (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP, signal.SIGABRT, signal.SIGSYS,
                  signal.SIGTTIN, signal.SIGTTOU, signal.SIGCHLD):
            os.kill(r.init, s)
        os.kill(r.init, 64)  # the last of all that are pending, at both of them
        r.wait("got 64.\n")
        same(r.said.split("\n")[1:-1], ["got 64."], "handed on")


@test
def signals_do_not_reach_a_child_of_the_application() -> None:
    """They go to the application alone, as docker's do; its end is the child's."""
    child = LISTENER.replace("ready", "listens")
    with Running(f"{sys.executable} -c {shlex.quote(child)} & trap 'echo mine; exit 6' USR1; echo ready; "
                 "while :; do sleep 0.05; done") as r:
        r.wait("listens")
        os.kill(r.init, signal.SIGUSR1)
        same(r.code(), 6, "the code")
        r.wait_end()
        check("mine" in r.said and "got" not in r.said, r.said)


@test
def signals_do_not_reach_who_left_the_group() -> None:
    """A session of its own is not told; the end of the container is its end."""
    child = LISTENER.replace("ready", "listens")
    with Running(f"setsid {sys.executable} -c {shlex.quote(child)} & trap 'echo mine; exit 6' USR1; echo ready; "
                 "while :; do sleep 0.05; done") as r:
        r.wait("listens")
        pids = [p for p in children(children(r.init)[0]) if name_of(p).startswith("python")]
        os.kill(r.init, signal.SIGUSR1)
        same(r.code(), 6, "the code")
        r.wait_end()
        check("mine" in r.said and "got" not in r.said, r.said)
        same([Path(f"/proc/{p}").exists() for p in pids], [False], "the other session")


@test
def a_signal_that_kills_it_is_the_code() -> None:
    """TERM, USR1, USR2, HUP, QUIT, INT, ALRM and a real-time one, sent to init."""
    for s in (15, 10, 12, 1, 3, 2, 14, 64):
        with Running("echo ready; exec sleep 1000") as r:
            r.wait_exec("sleep")
            os.kill(r.init, s)
            same(r.code(), 128 + s, f"the code after {s}")


@test
def signals_are_handed_on() -> None:
    """All but those that mean a fault of init's own, or its terminal."""
    names = [s for s in signal.valid_signals() if s not in (
        signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD, signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE,
        signal.SIGTRAP, signal.SIGABRT, signal.SIGSYS, signal.SIGTTIN, signal.SIGTTOU, signal.SIGTSTP) and s < 32]
    traps = "".join(f"trap 'echo got {int(s)}.' {int(s)}; " for s in names)
    with Running(f"{traps} echo ready; while :; do sleep 0.05; done") as r:
        for s in names:
            os.kill(r.init, s)
            r.wait(f"got {int(s)}.")


@test
def the_code_after_a_signal_is_the_applications() -> None:
    """Who handles TERM ends with its own code, who does not with 143."""
    with Running("trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done") as r:
        os.kill(r.init, signal.SIGTERM)
        same(r.code(), 9, "the code")
    with Running("echo ready; exec sleep 1000") as r:
        os.kill(r.init, signal.SIGTERM)
        same(r.code(), 143, "the code")


@test
def a_stopped_application_goes_on() -> None:
    """Its stop is no end; CONT is handed on."""
    with Running("trap 'echo alive' USR1; echo ready; while :; do sleep 0.05; done") as r:
        shell = children(r.init)[0]
        os.kill(shell, signal.SIGSTOP)
        os.kill(r.init, signal.SIGUSR1)
        os.kill(r.init, signal.SIGCONT)
        r.wait("alive")


# --- reaping ---

@test
def orphans_are_reaped_and_do_not_end_it() -> None:
    """A thousand of them, while the application runs; their codes are nobody's."""
    with Running("for i in $(seq 200); do (sleep 0.01 & sh -c 'exit 3' &) ; done; echo ready; read x; exit 5") as r:
        end = time.monotonic() + DEADLINE_S
        while len(children(r.init)) > 1:
            check(time.monotonic() < end, f"children: {children(r.init)}")
            time.sleep(0.01)
        check(r.process.poll() is None or r.code() == 5, "it has ended")


@test
def what_is_left_does_not_keep_the_container() -> None:
    """The application's end is the end, whoever ignores TERM."""
    def left() -> float:
        began = time.monotonic()
        done = contained("sh", "-c", "trap '' TERM; sleep 1000 & exit 4")
        same(done.returncode, 4, "the code")
        return time.monotonic() - began
    # Less than the 10 s that a service has to stop.
    soon(left, 5, "the end")


# --- the terminal ---

class Terminal:
    """init over SCRIPT of sh, or COMMAND, on a terminal of its own, which is read by wait()."""

    def __init__(self, script: str = "", command: Sequence[str] = ()) -> None:
        command = command or [*UNSHARE, *CONTAINER, "sh", "-c", script]
        self.said = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvp(command[0], command)

    def read(self) -> bool:
        """Whether there may be more."""
        if not select.select([self.fd], [], [], 0.1)[0]:
            return True
        try:
            data = os.read(self.fd, 4096)
        except OSError:  # EIO: the last of the other side is gone
            data = b""
        self.said += data
        return data != b""

    def wait(self, text: bytes) -> None:
        end = time.monotonic() + DEADLINE_S
        while text not in self.said:
            check(time.monotonic() < end, f"not said: {text!r}, but {self.said!r}")
            check(self.read() or text in self.said, f"it has ended: {self.said!r}")

    def type(self, data: bytes) -> None:
        os.write(self.fd, data)

    def code(self) -> int:
        end = time.monotonic() + DEADLINE_S
        while self.read():
            check(time.monotonic() < end, f"it has not ended: {self.said!r}")
        pid, self.pid = self.pid, 0
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


@test
def the_terminal_is_the_applications() -> None:
    """Its group is in the foreground: Control-C reaches it."""
    with Terminal("trap 'echo interrupted; exit 6' INT; ps -o tpgid=,pgid= -p $$ | "
                  "awk '{ print ($1 == $2) ? \"front\" : \"back\" }'; echo ready; while :; do sleep 0.05; done") as t:
        t.wait(b"ready")
        check(b"front" in t.said, f"{t.said!r}")
        t.type(b"\x03")
        t.wait(b"interrupted")
        same(t.code(), 6, "the code")


@test
def the_terminal_may_be_refused() -> None:
    """terminal = no: a session of its own, which no terminal controls; yes is the default."""
    for key, controlled in (("", True), ("terminal = yes\n", True), ("terminal = no\n", False)):
        with root(f"command = probe\n{key}") as (path, command):
            copy("probe", path / "bin/probe")
            with Terminal(command=command) as t:
                t.code()
                facts = dict(re.findall(rb"@(\w+)=(-?\d+)\r", t.said))
                same(facts[b"sid"] == facts[b"pid"], not controlled, f"a session with {key!r}")
                same(facts[b"foreground"] == facts[b"pid"], controlled, f"the foreground with {key!r}")


@test
def control_c_and_control_backslash_end_what_they_end() -> None:
    """Who does not handle them dies of them: 130 and 131."""
    for key, code in ((b"\x03", 130), (b"\x1c", 131)):
        with Terminal("ulimit -c 0; echo ready; exec cat") as t:
            t.wait(b"ready")
            t.type(key)
            same(t.code(), code, f"the code after {key!r}")


@test
def a_shell_has_job_control() -> None:
    """It stops a job with Control-Z, takes it back, and its exit is the container's."""
    with Terminal("PS1='shell> ' exec bash --norc --noediting -i") as t:
        t.wait(b"shell> ")
        check(b"no job control" not in t.said, f"{t.said!r}")
        t.type(b"sh -c 'echo be''gan; read x; echo got-$x'\n")
        t.wait(b"began")
        t.type(b"\x1a")
        t.wait(b"Stopped")
        t.type(b"fg\n")
        t.type(b"word\n")
        t.wait(b"got-word")
        t.type(b"exit 7\n")
        same(t.code(), 7, "the code")


@test
def what_is_typed_is_read_and_answered() -> None:
    """Up to the end of input."""
    with Terminal("stty -echo; echo ready; tac; echo end") as t:
        t.wait(b"ready")
        t.type(b"1\n2\n3\n\x04")
        t.wait(b"end\r\n")
        same(t.said.replace(b"\r", b""), b"ready\n3\n2\n1\nend\n", "said")
        same(t.code(), 0, "the code")


@test
def the_size_of_the_terminal_reaches_it() -> None:
    """A window that is another size is told by WINCH."""
    with Terminal("trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.05; done") as t:
        t.wait(b"ready")
        fcntl.ioctl(t.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 77, 0, 0))
        t.wait(b"33 77")
        same(t.code(), 0, "the code")


# --- the folder ---

@test
def the_application_begins_where_init_did() -> None:
    """In the folder of the container, found from there, started again there; init itself keeps none busy."""
    with act() as path:
        # Its own is through with that a moment after it has begun.
        done = contained("timeout", DEADLINE_S, "sh", "-c", "readlink /proc/self/cwd; while ls -l /proc/1/cwd /proc/1/fd | "
                         'grep -q -- "-> $0"; do sleep 0.01; done; readlink /proc/1/cwd', path, cwd=path)
        same(done.stdout, f"{path}\n/\n", done.stderr)
        done = contained("./act", "say", "found", cwd=path)
        same((done.returncode, done.stdout), (0, "@say=found\n"), done.stderr)


# --- the configuration ---

@contextmanager
def root(conf: str) -> Iterator[tuple[Path, list[str]]]:
    """A root with busybox, act, init and a configuration, and what to run in it."""
    with tempfile.TemporaryDirectory() as tmp:
        path = Path(tmp)
        for name in ("bin", "etc", "proc", "run", "tmp", "srv", "dev"):
            (path / name).mkdir()
        # By cp, as in copy().
        subprocess.run(["cp", BUILD / "apps/act", INIT, path / "bin"], check=True)
        (path / "dev/null").touch()  # to be mounted on
        (path / "enclave-init.conf").write_text(conf)
        (path / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")
        yield path, ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount", "--kill-child", "--",
                     "sh", "-c", '/bin/mount -t proc proc "$0/proc" && /bin/mount --bind /dev/null "$0/dev/null" && exec /usr/sbin/chroot "$0" "$@"', str(path), "/bin/init", "--container"]


@test
def the_configuration_is_the_enclaves() -> None:
    """Command, folder, environment, services, limits; a command on the line stands for the file's."""
    conf = ("command = act env A start main exit 3\nworkdir = /srv\nenvironment = A=conf\nafter = db\numask = 077\n"
            "[db]\ncommand = act start db notify READY=1 until-term db\nready = notify\n")
    with root(conf) as (path, command):
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=DEADLINE_S, env={"PATH": "/bin"})
        same(done.returncode, 3, f"{done.stdout}{done.stderr}")
        check("@env.A=conf" in done.stdout, done.stdout)
        starts = [line.split()[0] for line in done.stdout.splitlines() if line.startswith("@start=")]
        same(starts, ["@start=db", "@start=main"], "the order")
        check("@stopped=db Terminated" in done.stdout, done.stdout)
        done = subprocess.run([*command, "act", "exit", "8"], capture_output=True, text=True, check=False, timeout=DEADLINE_S,
                              env={"PATH": "/bin"})
        same(done.returncode, 8, f"{done.stdout}{done.stderr}")
    with root("umsk = 077\n") as (path, command):
        done = subprocess.run([*command, "act"], capture_output=True, text=True, check=False, timeout=DEADLINE_S)
        same(done.returncode, 125, done.stderr)
        check("line 1, column 1: no such key, the nearest is umask" in done.stderr, done.stderr)


@test
def the_configuration_is_the_roots() -> None:
    """Wherever it is started: that of / is read and none of the folder, where the application begins each time."""
    conf = ("command = ./again cwd exit 3\nrestart = on-failure\nrestart-limit = 1\nrestart-delay = 1ms\nafter = db\n"
            "[db]\ncommand = act until-term db\nworkdir = /tmp\n")
    with root(conf) as (path, command):
        command[command.index("-c") + 1] = ('/bin/mount -t proc proc "$0/proc" && '
                                            'exec unshare --root "$0" --wd /srv -- "$@"')
        copy("act", path / "srv/again")
        (path / "srv/enclave-init.conf").write_text("command = /nosuch\n")
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=DEADLINE_S)
        same(done.returncode, 3, f"{done.stdout}{done.stderr}")
        same([line for line in done.stdout.splitlines() if line.startswith("@cwd=")], ["@cwd=/srv"] * 2, done.stdout)


@test
def a_containers_own_configuration_is_read() -> None:
    """/etc/enclave-init.conf, where /enclave-init.conf is not, and named where it is wrong."""
    env = {"PATH": "/bin"}
    with root("command = act exit 3\n") as (path, command):
        (path / "etc/enclave-init.conf").write_text("command = act exit 4\n")
        same(subprocess.run(command, capture_output=True, check=False, timeout=DEADLINE_S, env=env).returncode, 3, "the top's")
        (path / "enclave-init.conf").unlink()
        same(subprocess.run(command, capture_output=True, check=False, timeout=DEADLINE_S, env=env).returncode, 4, "the image's")
        (path / "etc/enclave-init.conf").write_text("\ncomand = act\n")
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=DEADLINE_S, env=env)
        same(done.returncode, 125, done.stderr)
        check("/etc/enclave-init.conf: line 2, column 1: no such key, the nearest is command" in done.stderr, done.stderr)


@test
def what_the_container_forbids_is_a_warning() -> None:
    """Limits, score and nice value; it runs all the same."""
    conf = "command = act say ran\nlimit-nofile = 1000000000\nnice = -20\noom-score-adjust = -1000\n"
    with root(conf) as (path, command):
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=DEADLINE_S, env={"PATH": "/bin"})
        same(done.returncode, 0, f"{done.stdout}{done.stderr}")
        check("@say=ran" in done.stdout, done.stdout)
        check("init: spawn: limit-nofile: Operation not permitted" in done.stdout + done.stderr, done.stderr)


@test
def hand_over_makes_it_process_1_of_the_container() -> None:
    """What the container forbids is a warning here, too; what cannot be run has its code."""
    conf = "hand-over = yes\ncommand = act read /proc/1/comm exit 9\nlimit-nofile = 1000000000\n"
    with root(conf) as (path, command):
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=DEADLINE_S, env={"PATH": "/bin"})
        same((done.returncode, done.stdout), (9, "@read=act\n"), done.stderr)
        same(done.stderr, "init: spawn: limit-nofile: Operation not permitted\n", "said")
        (path / "enclave-init.conf").write_text("hand-over = yes\ncommand = /none\n")
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=DEADLINE_S, env={"PATH": "/bin"})
        same((done.returncode, done.stderr), (127, "init: spawn: /none: not found\n"), "a program that is missing")


@test
def pipes_and_files_are_the_users() -> None:
    """As runc has it: what is root's on 0 to 2 becomes the user's, so that /dev/stdout opens; /dev/null stays root's."""
    if not IS_ROOT:
        raise Skip("needs to be root for other users")
    conf = "command = act onto /dev/stdout say opened\nuser = 1234\n"
    with root(conf) as (path, command):
        for name in ("stdin", "stdout", "stderr"):
            (path / "dev" / name).symlink_to(f"/proc/self/fd/{'stdin stdout stderr'.split().index(name)}")
        command = [word for word in command if word not in ("--user", "--map-root-user")]
        path.chmod(0o755)
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=DEADLINE_S,
                              env={"PATH": "/bin"})
        same((done.returncode, done.stdout), (0, "@say=opened\n"), done.stderr)
        same(os.stat("/dev/null").st_uid, 0, "the owner of /dev/null")
        out, other = path / "tmp/out", path / "tmp/other"
        for file, owner in ((out, 1234), (other, 77)):
            file.touch(0o600)
            if owner == 77:
                os.chown(file, owner, 77)
            with file.open("w") as f:
                done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=f, stderr=subprocess.PIPE, text=True, check=False,
                                      timeout=DEADLINE_S, env={"PATH": "/bin"})
            st = file.stat()
            same((st.st_uid, st.st_mode & 0o7777), (owner, 0o600), f"{file.name}: {done.stderr}")
        same(out.read_text(), "@say=opened\n", "the file")


# --- TERM, and what it means ---

def told_to_end(conf: str, ready: str, *signals: int, alone: bool = False) -> tuple[int, str]:
    """The code of a container that got SIGNALS once READY was said, if ALONE by the last process, one after the other; and all it said."""
    with root(conf) as (_, command):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={"PATH": "/bin"})
        try:
            said, end = b"", time.monotonic() + DEADLINE_S
            while ready.encode() not in said:
                check(time.monotonic() < end, f"not said: {ready}, but {said!r}")
                if select.select([process.stdout], [], [], 0.1)[0]:
                    data = os.read(process.stdout.fileno(), 4096)
                    check(data, f"it has ended: {said!r}")
                    said += data
            init = children(process.pid)[0]
            while alone and len(children(init)) != 1:
                check(time.monotonic() < end, f"children: {children(init)}")
                time.sleep(0.005)
            for s in signals:
                os.kill(init, s)
            rest, _ = process.communicate(timeout=DEADLINE_S / 2)
        finally:
            process.kill()
            process.wait()
        return process.returncode, (said + rest).decode()


@test
def who_is_told_to_end_does_not_start() -> None:
    """TERM before the application runs: it never does; what runs is stopped, at once."""
    conf = "command = act say ran\nafter = db\n{}[db]\ncommand = act until-term db\nready = notify\n"
    for more in ("", "end = all\n", "end = any\n"):
        code, said = told_to_end(conf.format(more), "@waits=db", signal.SIGTERM)
        same(code, 143, said)
        check("@say=ran" not in said and "@stopped=db Terminated" in said, said)


@test
def the_code_of_a_start_that_failed_is_the_applications() -> None:
    """If it has one; being told to end while it starts counts as its end."""
    code, said = told_to_end("command = act until-term main exit 6\nready = notify\n", "@waits=main", signal.SIGTERM)
    same(code, 6, said)
    for text, code in (("act exit 7\n", 7), ("act exit 0\n", 125), ("act kill-self 9\n", 137)):
        with root(f"command = {text}ready = notify\n") as (_, command):
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=DEADLINE_S, env={"PATH": "/bin"})
            same(done.returncode, code, f"{done.stdout}{done.stderr}")


@test
def term_ends_a_container_whatever_its_end_is() -> None:
    """end = all: others are not waited for once the application was told to end, nor when it had ended before."""
    conf = "command = act {}\nend = all\n[x]\ncommand = act until-term x\nafter = main\n"
    code, said = told_to_end(conf.format("sleep 600000"), "@waits=x", signal.SIGTERM)
    same(code, 143, said)
    check("@stopped=x Terminated" in said, said)
    code, said = told_to_end(conf.format("exit 5"), "@waits=x", signal.SIGTERM, alone=True)
    same(code, 5, said)
    check("@stopped=x Terminated" in said, said)


@test
def who_left_its_group_is_told_all_the_same() -> None:
    """With a terminal it leads no session, and may."""
    script = ("import os, time\nif os.fork() == 0:\n os.setpgid(0, 0); time.sleep(1000)\n"
              "child = int(open('/proc/self/task/%d/children' % os.getpid()).read())\n"
              "os.setpgid(child, child); os.setpgid(0, child); print('ready', flush=True); time.sleep(1000)")
    pid, fd = pty.fork()
    if pid == 0:
        os.execvp(UNSHARE[0], [*UNSHARE, str(INIT), "--container", "--", "python3", "-c", script])
    said, end = b"", time.monotonic() + DEADLINE_S
    try:
        while b"ready" not in said:
            check(time.monotonic() < end, f"{said!r}")
            if select.select([fd], [], [], 0.1)[0]:
                said += os.read(fd, 4096)
        os.kill(children(pid)[0], signal.SIGTERM)
        while (ended := os.waitpid(pid, os.WNOHANG))[0] == 0:
            check(time.monotonic() < end, "it does not end")
            select.select([], [], [], 0.02)
        same(os.waitstatus_to_exitcode(ended[1]), 143, "the code")
    finally:
        os.close(fd)


# --- elsewhere ---

@test
def outside_of_a_container_it_does_nothing() -> None:
    """Not as PID 1: --container is refused; --version and --help say what they should."""
    done = subprocess.run([INIT, "--container", "--", "true"], capture_output=True, text=True, check=False, timeout=DEADLINE_S)
    same(done.returncode, 2, done.stderr)
    check("not the first process of a container" in done.stderr, done.stderr)
    done = subprocess.run([INIT, "--version"], capture_output=True, text=True, check=False, timeout=DEADLINE_S)
    same((done.returncode, done.stdout), (0, f"enclave-init {VERSION}\n"), "the version")
    done = subprocess.run([INIT, "--help"], capture_output=True, text=True, check=False, timeout=DEADLINE_S)
    same(done.returncode, 0, "help")
    check("--check FILE" in done.stdout, done.stdout)


@test
def a_file_is_checked() -> None:
    """--check: silent and 0, or where and why and 1; with a root also what it names there."""
    with tempfile.TemporaryDirectory() as tmp:
        path = Path(tmp)
        allow, kill = b"\x06\0\0\0\0\0\xff\x7f", b"\x06\0\0\0\0\0\0\0"
        # The architecture, at 4: another than this machine's is killed.
        own = 0xC000003E if os.uname().machine == "x86_64" else 0xC00000B7
        (path / "filter").write_bytes(struct.pack("<HBBI", 0x20, 0, 0, 4) + struct.pack("<HBBI", 0x15, 0, 1, own) + allow + kill)
        (path / "blind").write_bytes(allow)
        (path / "no-filter").write_bytes(kill)
        (path / "vars").write_text("A=1\nB\n")
        for text, root_too, code, said in (
                ("nice = 3\n", False, 0, ""), ("", False, 0, ""),
                ("\nnise = 3\n", False, 1, "{}: line 2, column 1: no such key, the nearest is nice\n"),
                ("seccomp = /no-filter\n", False, 0, ""), ("seccomp = /filter\n", True, 0, ""),
                ("seccomp = /blind\n", False, 0, ""),
                ("seccomp = /blind\n", True, 0, "{}: seccomp /blind: it does not look at the architecture of a call: a kernel with "
                                                 "IA32_EMULATION or COMPAT takes 32-bit calls too, and the filter mistakes each for "
                                                 "the 64-bit call of its number\n"),
                ("ambient-capabilities = CAP_KILL\nsecurebits = no-cap-ambient-raise\n", False, 1,
                 "{}: line 1, column 1: ambient-capabilities with no-cap-ambient-raise in securebits\n"),
                ("hand-over = yes\n\nuser = app\n", False, 1,
                 "{}: line 3, column 1: hand-over leaves no supervisor for this\n"),
                ("seccomp = /no-filter\n", True, 1, "{}: seccomp /no-filter: it forbids execve\n"),
                ("seccomp = /none\n", True, 1, "{}: seccomp /none: No such file or directory\n"),
                ("environment-file = /vars\n", True, 1, "{}: environment-file /vars: not NAME=VALUE\n"),
                ("\ufeffnice = 3\n", False, 0, ""),
                ("command = sh -c 'echo hi'\n", False, 0, "{}: command 'echo: a single quote is a character of the word; double "
                                                          "quotes hold a word together\n"),
                ("environment-file = -/none\n", True, 0, "")):
            conf = path / "x.conf"
            conf.write_text(text)
            done = subprocess.run([INIT, "--check", conf, *([path] if root_too else [])], capture_output=True, text=True,
                                  check=False, timeout=DEADLINE_S)
            same((done.returncode, done.stdout, done.stderr), (code, "", said.format(conf)), text)
        done = subprocess.run([INIT, "--check", path / "gone"], capture_output=True, text=True, check=False, timeout=DEADLINE_S)
        same((done.returncode, done.stderr), (1, f"{path}/gone: No such file or directory\n"), "no file")
