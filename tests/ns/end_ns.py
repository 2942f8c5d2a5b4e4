"""The end: leftovers, the last line on whatever console, the restart."""

import math
import os
import signal

from .lib import Jail, check, in_time, same, soon, test

EXITED = "exited with code 0"


@test
def leftovers_that_obey_cost_no_grace() -> None:
    """TERM, and the machine ends as soon as they are gone."""
    def polite() -> float:
        with Jail("/bin/act", "leave-polite") as j:
            j.wait(lambda: j.facts("polite") or j.code is not None, "a word of it, or its end, if it had no time for one")
            began = j.seconds
            j.expect_end("/bin/act", EXITED)
            return j.seconds - began if j.facts("polite") else math.inf
    soon(polite, 1.5, "the end after the last is gone")


@test
def leftovers_that_do_not_are_killed_after_the_grace() -> None:
    """One that takes no notice of TERM, one that is stopped."""
    def left(how: str) -> float:
        with Jail("/bin/act", how) as j:
            j.expect_end("/bin/act", EXITED)
            check(1.9 < j.seconds, f"{how}: it took {j.seconds:.1f} s")
            return j.seconds
    for how in ("leave-stubborn", "leave-stopped"):
        # A KILL that fails would be waited for, 2 s more.
        soon(lambda how=how: left(how), 3.7, how)


@test
def log_lines_are_one_a_message() -> None:
    """Whatever the image's text holds: control characters, any length."""
    for name, said in ((b"evil\x1b[2J\x07\rinit: end: act: fake", "evil?[2J??init: end: act: fake"),
                       (b"\xffA\x7f", "\ufffdA?")):
        with Jail(raw_cmd=name, env=b"PATH=" + b"x" * 3000) as j:
            j.restarted()
            lines = [line for line in j.log() if line.startswith(f"init: spawn: {said}: not found, PATH searched: xxx")]
            same([len(line) for line in lines], [1023], "the length of the long line")
            for line in j.text.splitlines():
                check(line.startswith("init: ") and "\x1b" not in line, f"a line {line!r}")


@test
def console_that_is_stopped_is_freed_for_the_last_line() -> None:
    """The application stops the terminal and ends."""
    def stopped() -> float:
        with Jail("/bin/act", "stop-console") as j:
            j.expect_end("/bin/act", EXITED)
            return j.seconds
    soon(stopped, 1.8, "the end, which waits for nobody")


@test
def console_that_is_flooded_still_gets_the_last_line() -> None:
    """Full when the application ends, read only then."""
    def is_read_in_time() -> bool:
        with Jail("/bin/act", "fill-console", drain=False) as j:
            j.wait(lambda: j.parent.received, "a heartbeat")
            j.wait(lambda: j.code is not None or not j.children(), "the application is gone")
            if j.code is not None:  # two seconds later
                return False
            j.drain = True
            j.restarted()
            return j.log()[-1:] == [f"init: end: /bin/act: {EXITED}"]
    in_time(is_read_in_time, "the last line of a console that is read again")


@test
def console_that_nobody_reads_holds_nothing_up() -> None:
    """Full for ever, or stopped and full: the machine ends all the same."""
    def unread(how: tuple[str, ...]) -> float:
        with Jail("/bin/act", *how, drain=False) as j:
            j.wait(lambda: j.code is not None, "the end")
            check(j.seconds > 2, f"it took {j.seconds:.1f} s")
            same(j.code, -signal.SIGHUP, "the end of PID 1")
            return j.seconds
    for how in (("fill-console",), ("fill-console", "stop-console")):
        # The last line is waited for once, 2 s.
        soon(lambda how=how: unread(how), 3.9, " ".join(how))


@test
def console_that_a_leftover_floods_still_gets_the_last_line() -> None:
    """It writes until it is killed."""
    with Jail("/bin/act", "flood-behind") as j:
        j.expect_end("/bin/act", EXITED)


@test
def console_that_is_gone_is_no_fault() -> None:
    """Hung up, which ends whom it controls; every write fails from then on."""
    for config in ("terminal = yes\n", ""):
        with Jail("/bin/act", "sleep", "600000", config=config) as j:
            j.started()
            os.close(j.console)
            j.console = -1
            if not config:
                os.kill(j.app, signal.SIGTERM)
            j.restarted()


@test
def restart_that_fails_has_two_more_ways() -> None:
    """sysrq of the machine's own /proc, then the exit that panics; both are said."""
    with Jail("/bin/act", REBOOT_ERRNO=1) as j:
        j.end()
        same(j.record_lines()[-3:], ["reboot", "sysrq in /proc", "panic"], "the record")
        same(j.code, 1, "the exit of PID 1")
        j.expect_said("init: end: reboot: Operation not permitted",
                      "init: end: sysrq-trigger: Permission denied")

