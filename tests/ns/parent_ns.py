"""The heartbeat: what the parent gets, when, and what becomes of a parent that fails."""

import os
import signal
from pathlib import Path

from .lib import Jail, Parent, check, same, soon, strings, test

SLEEP = ("/bin/act", "sleep", "600000")


def warned(reason: str, parent: Parent) -> None:
    """The application is none the worse; init says REASON once."""
    with Jail(*SLEEP, parent=parent) as j:
        j.wait(lambda: any("heartbeat" in line for line in j.log()), "a warning")
        j.wait(lambda: len(j.children()) == 1, "the heartbeat's child is gone")
        os.kill(j.init, signal.SIGTERM)
        j.restarted()
        same(j.log()[1:], [f"init: heartbeat: CID 3 port 9000: {reason}",
                           "init: end: /bin/act: killed by SIGTERM"], "the log")


@test
def a_heartbeat_is_b7_once() -> None:
    """To CID 3, port 9000, one connection, one byte."""
    with Jail(*SLEEP) as j:
        j.started()
        os.kill(j.init, signal.SIGTERM)
        j.restarted()
        same(j.parent.received, [0xB7], "the parent received")
        same([a.split()[:2] for a in j.parent.attempts], [["3", "9000"]], "the attempts")


@test
def a_heartbeat_comes_after_exec() -> None:
    """When the parent hears of it the application is the program it should be."""
    with Jail(*SLEEP, parent=Parent(hold=True)) as j:
        j.wait(lambda: j.parent.attempts, "an attempt")
        names = {Path(f"/proc/{p}/cmdline").read_bytes().split(b"\0")[0] for p in j.children()}
        check(b"/bin/act" in names, f"the application does not run, but {names}")


@test
def a_heartbeat_comes_although_the_application_is_gone() -> None:
    """The end of the machine waits for it."""
    with Jail("/bin/act", "exit", "3", parent=Parent(hold=True)) as j:
        j.wait(lambda: j.parent.attempts, "an attempt")
        j.wait(lambda: len(j.children()) == 1, "the application is gone")
        j.release()
        j.expect_end("/bin/act", "exited with code 3")
        same(j.parent.received, [0xB7], "the parent received")


@test
def a_heartbeat_that_is_killed_is_said() -> None:
    """And started again: nitro-cli would wait in vain."""
    with Jail(*SLEEP, parent=Parent(hold=True)) as j:
        j.wait(lambda: j.parent.attempts, "an attempt")
        j.wait(lambda: len(j.children()) == 2, "the application and the heartbeat's child")
        beat, = (p for p in j.children() if "600000" not in strings(p, "cmdline"))
        os.kill(beat, signal.SIGKILL)
        j.wait(lambda: beat not in j.children(), "the heartbeat's child is gone")
        j.wait(lambda: len(j.parent.attempts) == 2, "another try")
        j.release(0)
        j.wait(lambda: j.parent.received, "a heartbeat")
        os.kill(j.init, signal.SIGTERM)
        j.restarted()
        same(j.parent.received, [183], "the parent received")
        same(j.log()[1:], ["init: heartbeat: CID 3 port 9000: its process was killed before it "
                           "was through", "init: end: /bin/act: killed by SIGTERM"], "the log")


@test
def a_heartbeat_is_not_what_term_ends() -> None:
    """TERM and the grace of the end pass it by."""
    with Jail("/bin/act", "leave-polite", parent=Parent(hold=True)) as j:
        j.wait(lambda: j.parent.attempts, "an attempt")
        j.wait_said("@polite=TERM")
        j.release()
        j.expect_end("/bin/act", "exited with code 0")
        same(j.parent.received, [0xB7], "the parent received")


@test
def a_parent_that_is_late_is_tried_again() -> None:
    """Refused, unreachable, timed out: each some times, then it listens."""
    for error in (104, 19, 110, 101):
        with Jail(*SLEEP, parent=Parent(refuse=4, error=error)) as j:
            j.started().wait_said("started by enclave-init")
            same(len(j.parent.attempts), 5, "attempts")
            same(len(j.log()), 1, "lines")


@test
def a_parent_that_echoes_another_byte_is_a_warning() -> None:
    """And no second attempt."""
    parent = Parent(echo=b"\xb6")
    warned("the parent answered with another byte", parent)
    same(len(parent.attempts), 1, "attempts")


@test
def a_parent_that_closes_is_a_warning() -> None:
    """The byte taken, nothing given back."""
    warned("sent, but not answered: Connection reset by peer", Parent(echo=None))


@test
def a_kernel_without_vsock_is_a_warning_at_once() -> None:
    """There is nothing to wait for."""
    parent = Parent(refuse=-1, error=97)
    warned("no connection: Address family not supported by protocol", parent)
    same(len(parent.attempts), 1, "attempts")


def tried_in_vain(parent: Parent, reason: str) -> float:
    """How long the machine of an application that ends at once is kept by PARENT, of which init says REASON."""
    with Jail("/bin/act", parent=parent) as j:
        j.expect_end("/bin/act", "exited with code 0")
        j.expect_said(f"init: heartbeat: CID 3 port 9000: {reason}")
        check(j.seconds > 9.5, f"it took {j.seconds:.1f} s")
        return j.seconds


@test(10)
def a_parent_that_is_absent_is_a_warning_after_ten_seconds() -> None:
    """The machine ends, and not before all attempts."""
    soon(lambda: tried_in_vain(Parent(refuse=-1), "no connection: Connection reset by peer"), 15, "an absent parent")


@test(10)
def a_parent_that_is_silent_is_a_warning_after_ten_seconds() -> None:
    """The same for an echo that never comes."""
    soon(lambda: tried_in_vain(Parent(echo=None, close=False), "sent, but not answered: Operation timed out"), 15,
         "a silent parent")


@test
def a_negative_heartbeat_waits_for_the_parent_to_take_it() -> None:
    """The machine does not end under a byte that is on its way."""
    with Jail("/bin/nosuch", parent=Parent(echo=None, close=False)) as j:
        j.wait(lambda: j.parent.received, "the byte")
        check(j.code is None, "it waits")
        j.expect_stop(8, "spawn", "/bin/nosuch: not found")
