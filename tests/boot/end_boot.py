"""9: the end."""

from .console_boot import prepared
from .handover_boot import by_hand
from .heartbeat_boot import restarted_at
from .lib import Boot, boot, check, image, same, test
from .root_boot import odd
from .scenes import of_scene


@test()
def a_signal_is_named():
    """A crash is told by its signal."""
    of_scene("end_by_a_crash").expect_end("/bin/sh", "killed by SIGSEGV")


@test(8)
def lack_of_memory_is_named():
    """The kernel's OOM killer is named."""
    of_scene("end_for_memory").expect_end("/bin/act", "killed: out of memory")


@test(8)
def lack_of_memory_of_another_is_not_the_applications():
    """An application killed by hand after the kernel killed its child for memory."""
    b = of_scene("end_by_kill")
    b.expect(child="9")
    b.expect_end("/bin/act", "killed by SIGKILL")


def seconds_to_end(b: Boot) -> float:
    """From @at= of the application to the restart, by the machine's own clock."""
    return restarted_at(b) - float(b.fact("at"))


@test(5)
def leftovers_get_term_and_no_grace_that_nobody_needs():
    """All that is left gets TERM, and the machine ends when all have obeyed."""
    b = boot(image("/bin/act", "leave-polite", "sleep", "500", "at", "exit", "6"), icount=True)
    b.expect(polite="TERM")
    b.expect_end("/bin/act", "exited with code 6")
    check(seconds_to_end(b) < 1, f"{seconds_to_end(b):.2f} s")


@test(6)
def stubborn_leftovers_are_killed_after_the_grace():
    """What ignores TERM, or is stopped, is killed after 2 s."""
    b = boot(image("/bin/act", "leave-stubborn", "leave-stopped", "leave-polite", "sleep", "500",
                   "at", "exit", "6"), icount=True)
    b.expect(polite="TERM", stubborn="TERM")
    b.expect_end("/bin/act", "exited with code 6")
    check(1.9 < seconds_to_end(b) < 3, f"{seconds_to_end(b):.2f} s")


@test()
def refused_reboot_falls_back_to_sysrq():
    """Where reboot(2) fails, sysrq restarts the machine."""
    b = prepared()
    b.expect_said("init: end: /bin/act: exited with code 0", "init: end: reboot: Operation not permitted")
    same(b.result.ended, "restarted", "the machine")


@test()
def refused_sysrq_falls_back_to_panic():
    """Where sysrq is not to be had either, PID 1 exits, and the panic restarts the machine."""
    b = odd()
    b.expect_said("init: end: /bin/act: exited with code 2")
    check(b.result.panicked, "no panic")
    same(b.result.ended, "restarted", "the machine")


@test()
def init_started_by_mistake_does_nothing():
    """Where it is not PID 1 init refuses and touches nothing."""
    b = by_hand()
    b.expect(mistake="2", shutdown="yes")
