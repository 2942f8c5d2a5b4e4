"""
What the suites in Python share: checks, the list of tests, and running them. A suite is a folder with
files GROUP_SUITE.py, lib.py for what they share, and run, which calls main().
"""

import argparse
import importlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

TOP = Path(__file__).resolve().parents[1]
TRIES = 25  # of what has to be quick
TAIL = 30  # lines shown of what a failing test saw
_printing = Lock()


class Failure(Exception):
    """The behaviour is not there."""


class Skip(Exception):
    """It cannot be tried here."""


@dataclass
class Test:
    group: str  # of a file GROUP_SUITE.py
    name: str
    run: Callable[[], None]
    seconds: int
    alone: bool


TESTS: list[Test] = []


def test(seconds: int | Callable[[], None] = 1, alone: bool = False):
    """
    @test, or @test(...): a test of the function's name. SECONDS: about what it takes, the longest go first.
    ALONE: when all others have ended.
    """
    def register(function: Callable[[], None], seconds: int = 1) -> Callable[[], None]:
        assert function.__doc__, f"{function.__name__} says no behaviour"
        group = function.__module__.rpartition("_")[0]
        TESTS.append(Test(group, function.__name__, function, seconds, alone))
        return function
    if callable(seconds):
        return register(seconds)
    return lambda function: register(function, seconds)


def check(good: object, what: str) -> None:
    if not good:
        raise Failure(what)


def same(got: object, wanted: object, what: str) -> None:
    check(got == wanted, f"{what}: {got!r}, not {wanted!r}")


def soon(attempt: Callable[[], float], seconds: float, what: str) -> None:
    """
    WHAT takes less than SECONDS, which ATTEMPT says of one try. A busy machine makes some tries slow, a wait that should
    not be there makes all of them slow, one that is there now and then makes some slow on any machine: one try has to be
    quick, and no more than half of the tries may be slow while the machine is idle. Slow ones are told.
    """
    took, unexcused = [], 0
    while len(took) < TRIES:
        took.append(attempt())
        unexcused += took[-1] >= seconds and not busy()
        if min(took) < seconds and 2 * unexcused <= len(took):
            if slow := sum(t >= seconds for t in took):
                with _printing:
                    print(f"# {slow} slow tries of {len(took)}, {seconds:.1f} s and more: {what}", flush=True)
            return
    raise Failure(f"{what}: {sum(t >= seconds for t in took)} of {len(took)} tries took {seconds:.1f} s and more, the quickest "
                  f"{min(took):.1f} s; the machine was idle at {unexcused} of these")


def busy() -> bool:
    """Whether there is more to run than processors: for a minute, or now."""
    processors = os.cpu_count() or 1
    running = int(Path("/proc/loadavg").read_text().split()[3].split("/")[0])
    return os.getloadavg()[0] >= processors or running > processors


def _run(test: Test, shown: str, log: Path, verbose: bool, around: Callable[[], AbstractContextManager]) -> bool:
    """Runs it, prints how it went, and leaves what a failing one saw in LOG."""
    start = time.monotonic()
    state, reason, story = "ok", "", ""
    try:
        with around():
            test.run()
    except Skip as e:
        state, reason = "skip", f": {e}"
    except Exception as e:
        state, reason, story = "not ok", f": {e}", "\n".join(getattr(e, "__notes__", []))
        if not isinstance(e, Failure):
            reason = f": a fault of the test: {traceback.format_exception_only(e)[0].strip()}"
            story = traceback.format_exc()
    took = f" # {time.monotonic() - start:.1f} s" if verbose else ""
    first, *rest = reason.splitlines() or [""]
    with _printing:
        print(f"{state} {shown}{first}{took}")
        for line in rest:
            print(f"#   {line}")
        log.unlink(missing_ok=True)
        if story:
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_text(story)
            for line in story.splitlines()[-TAIL:]:
                print(f"#   {line}")
            print(f"#   all of it: {log.relative_to(TOP)}")
        sys.stdout.flush()
    return state != "not ok"


def _chosen(tests: list[Test], names: set[str]) -> Iterator[Test]:
    for t in tests:
        if not names or names & {t.name, t.group, f"{t.group}/{t.name}"}:
            yield t


def main(here: Path, what: str, jobs: int = 0, grouped: bool = False, cannot: Callable[[], str] = str,
         around: Callable[[], AbstractContextManager] = nullcontext) -> int:
    """
    The tests in the folder HERE, of which WHAT says what they are. JOBS: how many at a time, else as many as
    there are processors. GROUPED: names are shown as GROUP/NAME. CANNOT: why none of them can be run, or
    nothing. AROUND: what surrounds each test; the notes that it adds to an exception are what the test saw.
    """
    suite = here.name
    # Ignored by what a shell without job control starts in the background, and then by all that is tested.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    p = argparse.ArgumentParser(
        description=f"{what.strip()} Prints 1..N, then 'ok {suite}/NAME' or 'not ok {suite}/NAME: reason'. "
                    f"What a failing test saw is in build/{suite}/NAME.log.")
    p.add_argument("-j", type=int, default=jobs or os.cpu_count() or 1, metavar="N", help="tests at a time")
    p.add_argument("-v", action="store_true", help="show the time of each test")
    p.add_argument("-l", action="store_true", help="list the tests")
    p.add_argument("names", nargs="*", metavar="NAME", help="a test's, with its group or without, or a group's")
    args = p.parse_args()

    for path in sorted(here.glob(f"*_{suite}.py")):
        importlib.import_module(path.stem)
    names = {n.removeprefix(f"{suite}/") for n in args.names}
    if unknown := [n for n in sorted(names) if not [*_chosen(TESTS, {n})]]:
        p.error(f"no such test: {' '.join(unknown)}")
    tests = [*_chosen(TESTS, names)]

    def name(t: Test) -> str:
        return f"{t.group}/{t.name}" if grouped else t.name

    def run(t: Test) -> bool:
        log = TOP / "build" / suite / f"{name(t).replace('/', '-')}.log"
        return _run(t, f"{suite}/{name(t)}", log, args.v, around)

    if args.l:
        for t in tests:
            print(f"{name(t)}: {' '.join((t.run.__doc__ or '').split())}")
        return 0
    if why := cannot():
        print(f"skip {suite}: {why}")
        return 0
    print(f"1..{len(tests)}", flush=True)
    longest_first = sorted(tests, key=lambda t: -t.seconds)
    with ThreadPoolExecutor(args.j) as pool:
        good = list(pool.map(run, (t for t in longest_first if not t.alone)))
    good += [run(t) for t in tests if t.alone]
    return 0 if all(good) else 1
