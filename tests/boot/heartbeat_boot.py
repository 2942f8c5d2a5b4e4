"""8: the heartbeat."""

import re

from .console_boot import usual
from .lib import Boot, boot, check, image, same, soon, test
from .scenes import of_scene
from .spec_boot import debugged


def warned(b: Boot) -> bool:
    return any(line.startswith("init: heartbeat: ") for line in b.log)


def restarted_at(b: Boot) -> float:
    """By the machine's own clock, which a busy machine does not make late."""
    restart = re.search(r"\[ *([\d.]+)\] reboot: Restarting system", b.result.text)
    check(restart, "the kernel said no restart")
    return float(restart[1])


def events(b: Boot, name: str) -> list[dict]:
    return [e for e in b.result.parent if e["event"] == name]


@test()
def heartbeat_follows_exec():
    """One connection with 0xB7, answered, and no other; without a word in the log."""
    b = usual()
    same([e["byte"] for e in b.result.parent if "byte" in e], ["b7", "b7"], "bytes")
    same(len(events(b, "connected")), 1, "connections")
    same(len(b.log), 2, "lines of log")


@test(8)
def heartbeat_comes_when_the_application_is_gone():
    """An application that ends at once was started all the same: the machine's end waits."""
    b = of_scene("short")
    b.expect_heartbeat()
    same(len(events(b, "answered")), 1, "answers")
    check(not warned(b), f"{b.log}")
    b.expect_end("/bin/act", "exited with code 0")


@test(10)
def a_late_parent_is_waited_for():
    """Connect errors are tried again while PID 1 goes on; the application does not wait."""
    b = of_scene("late")
    b.expect_heartbeat()
    check(not warned(b), f"{b.log}")
    b = debugged()
    b.expect_heartbeat()
    at = b.result.text.find
    check(0 < at("@say=large") < at("init: heartbeat: CID 3 port 9000: answered"), f"the application waited: {b.result.text[-2000:]}")


@test(15)
def an_absent_parent_is_a_warning():
    """After ten seconds there is a warning; the application that ended is told after it."""
    boots = iter([of_scene("absent")])

    def tried() -> float:
        b = next(boots, None) or boot(image("/bin/act", "say", "through", "sleep", "300", "exit", "0"), parent=("--absent",))
        same(b.result.received, [], "the parent received")
        check(warned(b), f"no warning: {b.log}")
        b.expect_end("/bin/act", "exited with code 0")
        check(restarted_at(b) > 10, f"the machine ended {restarted_at(b):.1f} s after its start")
        return b.result.when("init: end:") - b.result.when("@say=through")
    soon(tried, 20, "the attempts")


@test(15)
def a_silent_parent_is_a_warning():
    """An answer that does not come is a warning, and a second connection is not made."""
    b = of_scene("silent")
    check(warned(b), f"no warning: {b.log}")
    b.expect_end("/bin/act", "exited with code 0")
    same(len(events(b, "connected")), 1, "connections")


@test()
def a_wrong_answer_is_a_warning():
    """So is another byte."""
    b = of_scene("wrong_byte")
    check(warned(b), f"no warning: {b.log}")
    b.expect_end("/bin/act", "exited with code 0")
    same(len(events(b, "connected")), 1, "connections")


@test(5)
def a_reset_is_a_warning():
    """So is a parent that closes before it reads."""
    b = of_scene("reset")
    check(warned(b), f"no warning: {b.log}")
    b.expect_end("/bin/act", "exited with code 0")


@test(32)
def a_stop_with_an_absent_parent_ends():
    """A boot that stops does not wait for ever for a parent to tell it to."""
    b = of_scene("nobody")
    b.expect_said("init: spawn: /bin/script: its interpreter /usr/bin/python3 cannot be run: No such file or directory")
    same(b.result.received, [], "the parent received")


@test(35)
def debug_mode_holds_the_console():
    """In debug mode a stop sends the positive heartbeat, says why, and holds the console 30 s."""
    def hold() -> float:
        b = boot(image("/bin/none", kernel="builtin", shim=True), mode="microvm",
                 append="shim_lock_pcr0")
        same(b.all("shim")[-1:], ["lock: LockPCR"], "the shim")
        b.expect_heartbeat()
        b.expect_said("init: spawn: /bin/none: not found")
        check(restarted_at(b) > 30, f"the machine ended {restarted_at(b):.1f} s after its start")
        is_early = b.result.when("init: spawn: /bin/none") < b.result.seconds - 25  # unless it is read late
        return b.result.seconds - b.result.heartbeat() if is_early else float("inf")
    soon(hold, 45, "the console's hold, the reason before it")


@test()
def measured_zero_without_lock_is_no_debug_mode():
    """A PCR0 of zero that is not locked is a bare emulator, where a stop is told as such."""
    b = boot(image("/bin/none", kernel="builtin"), mode="microvm")
    b.expect_stop(8, "init: spawn: /bin/none: not found")
