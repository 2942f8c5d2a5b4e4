"""Outcomes of a boot with a fault, and what the fault tests use of the other suites."""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from suite import TOP

HERE = Path(__file__).resolve().parent
INJECT = TOP / "build/host/inject"


# The steps of the boot by their numbers, which the parent is told.
STEPS = {"start": 1, "console": 2, "spec": 3, "modules": 4, "entropy": 5, "root": 6, "mounts": 7,
         "spawn": 8, "heartbeat": 9, "supervise": 10}

NOTHING = re.compile("(?!)")

# --- outcomes ---
# quiet: the application ran, the heartbeat was positive, nothing more was said than without the fault.
# warn:  the same, with lines more.
# untold: the same, but there was no heartbeat.
# late:  stop, but the application had begun.
# mute:  stop, with a message, but no process could be had to tell the parent.
# stop:  a message, the step's number for the parent, a restart; the application did not run.
# missed: there was no such call in this boot.
# What is none of these is a finding, as is another outcome than the policy's.


@dataclass
class Outcome:
    kind: str  # quiet, warn, untold, late, mute, stop, missed or finding
    said: list[str] = field(default_factory=list)  # what was not said without the fault
    log: tuple[str, ...] = ()  # all that was
    why: str = ""  # of a finding
    story: str = ""
    blocking: dict[str, str] = field(default_factory=dict)  # calls that could block PID 1, and from where


@dataclass(frozen=True)
class Seen:
    """What is left of a boot."""
    log: tuple[str, ...]  # init's own lines
    ran: bool  # the application spoke
    bytes: tuple[int, ...]  # what the parent received
    ended: str  # "restart", or what else became of it
    may: tuple[str, ...] = ()  # what each that ran found itself to be allowed
    heard: tuple[str, ...] = ()  # lines of services that a reader of the log got
    is_cut: bool = False  # it did not get to the end
    words: tuple[str, ...] | None = None  # those in the last report, if there was one


def more(log: Iterable[str], clean: Iterable[str]) -> list[str]:
    """The lines of LOG that CLEAN does not have."""
    return [*(Counter(log) - Counter(clean)).elements()]


def mute(seen: Seen, said: list[str]) -> bool:
    """A stop that says why it told nobody."""
    return not seen.ran and any(": fork: " in line for line in said) and seen.log[-1].startswith(
        "init: end: boot: stopped in step ")


def judge(seen: Seen, clean: Seen, silent: bool = False, ignored: re.Pattern = NOTHING) -> Outcome:
    """
    What SEEN is, beside CLEAN, the same boot without a fault. SILENT: the fault is one of writing, lines may be
    missing. That there are more lines of which IGNORED is the begin says nothing.
    """
    said = more(seen.log, clean.log)
    news = [line for line in said if not ignored.match(line)]

    def finding(why: str) -> Outcome:
        return Outcome("finding", said, seen.log, why)

    if seen.ended != "restart":
        return finding(seen.ended)
    if more(seen.may, clean.may):
        return finding(f"it ran with other privileges: {more(seen.may, clean.may)}")
    if more(seen.heard, clean.heard):
        return finding(f"lines of the log that nobody wrote: {more(seen.heard, clean.heard)}")
    if seen.ran and seen.words != clean.words and not any(line.startswith("init: report: ") for line in seen.log):
        return finding(f"the last words are {seen.words}")
    if seen.ran and not seen.is_cut and more(clean.heard, seen.heard):
        return finding(f"lines are missing in the log: {more(clean.heard, seen.heard)}")
    if seen.ran and seen.bytes == (0xB7,):
        last = [line for line in seen.log if not line.startswith("init: end: reboot: ")][-1:]
        if not silent and last != [*clean.log[-1:]]:
            return finding("another last line")
        return Outcome("warn" if news else "quiet", said, seen.log)
    if seen.ran and not seen.bytes and news:
        return Outcome("untold", said, seen.log)
    if not seen.bytes and mute(seen, said):
        return Outcome("mute", said, seen.log)
    if not seen.bytes:
        return finding("the parent was told nothing")
    if len(seen.bytes) > 1:
        return finding(f"the parent was told {seen.bytes}")
    if seen.bytes == (0xB7,):
        return finding("a positive heartbeat without an application")
    step = seen.bytes[0]
    name = next((n for n, number in STEPS.items() if number == step), "?")
    if seen.log[-1:] != (f"init: end: boot: stopped in step {step}, {name}",):
        return finding("the last line is not that of the step that the parent was told")
    if not any(line.startswith(f"init: {name}: ") and line.count(": ") >= 3 for line in seen.log):
        return finding("it stopped without a reason")
    return Outcome("late" if seen.ran else "stop", said, seen.log)


def in_parallel(run: Callable, items: list, jobs: int = 0) -> list:
    with ThreadPoolExecutor(jobs or 2 * (os.cpu_count() or 1)) as pool:
        return [*pool.map(run, items)]


def spread(items: list, count: int) -> list:
    """COUNT of them, the same each time, from all parts of the list."""
    return [items[i * len(items) // count] for i in range(min(count, len(items)))]
