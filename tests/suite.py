"""
What the suites in Python share and pytest does not have: the checks, @test, and what is made once for all workers.
conftest.py has pytest find and run the tests; what boots images without pytest (make faults, make soak) needs this file alone.
"""

import atexit
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
TRIES = 25  # of what has to be quick
RUN = "ENCLAVE_INIT_TEST_RUN"  # the directory of once(), which the workers inherit


class Failure(Exception):
    """The behaviour is not there."""


class Skip(Exception):
    """It cannot be tried here."""


@dataclass
class Test:
    run: Callable[[], None]
    seconds: int
    alone: bool


TESTS: list[Test] = []


def test(seconds: int | Callable[[], None] = 1, alone: bool = False):
    """
    @test, or @test(...): a test of the function's name. SECONDS: about what it takes, the longest go first.
    ALONE: it runs after all others, while none of them does.
    """
    def register(function: Callable[[], None], seconds: int = 1) -> Callable[[], None]:
        assert function.__doc__, f"{function.__name__} says no behaviour"
        TESTS.append(Test(function, seconds, alone))
        return function
    if callable(seconds):
        return register(seconds)
    return lambda function: register(function, seconds)


def check(good: object, what: str) -> None:
    if not good:
        raise Failure(what)


def same(got: object, wanted: object, what: str) -> None:
    if got != wanted:  # before it is put into words, since they can be as long as files
        raise Failure(f"{what}: {got!r}, not {wanted!r}")


def soon(attempt: Callable[[], float], seconds: float, what: str) -> None:
    """
    WHAT takes less than SECONDS, which ATTEMPT says of one try. A busy machine makes some tries slow, a wait that should
    not be there makes all of them slow, one that is there now and then makes some slow on any machine: one try has to be
    quick, and no more than half of the tries may be slow while the machine is idle. Slow ones are printed.
    """
    took, unexcused = [], 0
    while len(took) < TRIES:
        before = waited()
        took.append(attempt())
        unexcused += took[-1] >= seconds and not busy() and waited() - before < took[-1] / 20
        if min(took) < seconds and 2 * unexcused <= len(took):
            if slow := sum(t >= seconds for t in took):
                print(f"# {slow} slow tries of {len(took)}, {seconds:.1f} s and more: {what}")
            return
    raise Failure(f"{what}: {sum(t >= seconds for t in took)} of {len(took)} tries took {seconds:.1f} s and more, the quickest "
                  f"{min(took):.1f} s; the machine was idle at {unexcused} of these")


def busy() -> bool:
    """Whether there is more to run than processors: for a minute, or now."""
    processors = len(os.sched_getaffinity(0))
    running = int(Path("/proc/loadavg").read_text().split()[3].split("/")[0])
    return os.getloadavg()[0] >= processors or running > processors


def waited() -> float:
    """
    Seconds, since the machine's boot, in which something could have run and did not: for want of a processor, or of the share that
    a container has, which no load shows; and what the machine's own host took from its processors.
    """
    lost = 0.0
    with suppress(OSError):  # kernels without CONFIG_PSI
        lost = int(Path("/proc/pressure/cpu").read_text().partition("total=")[2].split()[0]) / 1e6
    return lost + int(Path("/proc/stat").read_text().split()[8]) / os.sysconf("SC_CLK_TCK")


def built(name: str, arch: str = os.uname().machine) -> Path:
    """A file of build/ARCH."""
    path = TOP / "build" / arch / name
    if not path.exists():
        raise Skip(f"no {path.relative_to(TOP)}")
    return path


def children(pid: int) -> list[int]:
    """Of the process's first thread, those included that have ended and were not waited for; none of one that has ended itself."""
    try:
        return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):  # before or while it was read
        return []


def tool(*words: object, **how: object) -> bytes:
    """What another program prints, which has to succeed."""
    p = subprocess.run([str(w) for w in words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, check=False, **how)
    if p.returncode:
        raise RuntimeError(f"{words[0]}: code {p.returncode}: {p.stderr.decode(errors='replace')[-2000:]}")
    return p.stdout


# --- between the workers -----------------------------------------------------

def run_directory() -> Path:
    """A directory of this run, the same for all its workers; who asks first removes it at the end."""
    if RUN not in os.environ:
        os.environ[RUN] = tempfile.mkdtemp(prefix="tests-")
        atexit.register(_remove, os.getpid(), os.environ[RUN])
    return Path(os.environ[RUN])


def _remove(owner: int, path: str) -> None:
    if os.getpid() == owner:  # and not one of its forks
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def lock(name: str, how: int = fcntl.LOCK_EX) -> Iterator[None]:
    """While no other worker has the lock NAME; with LOCK_SH, while none has it alone."""
    with (run_directory() / f"{name}.lock").open("a") as f:
        fcntl.flock(f, how)
        yield


def once(name: str, make: Callable[[Path], None]) -> Path:
    """The file or directory that MAKE makes at the path it gets, by whichever worker asks first. Nobody changes it."""
    path = run_directory() / name
    with lock(name.replace("/", "-")):
        if not path.exists():
            new = path.with_name(f"{path.name}.new")
            if new.is_dir():
                shutil.rmtree(new)
            path.parent.mkdir(parents=True, exist_ok=True)
            make(new)
            new.rename(path)
    return path
