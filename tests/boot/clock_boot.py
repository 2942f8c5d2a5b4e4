"""7 and on: the clock, on machines without the hypervisor's."""

import re

from machine import tsc_khz, uses_kvm

from .environment_boot import of_two_users
from .lib import Skip, check, same, test
from .run_boot import plain_ran
from .spec_boot import debugged


@test()
def the_guest_measures_no_timer():
    """
    It gets the rate of its time stamp counter, and does not try the timer: both fail where the machine is busy. Under KVM
    it knows them by itself, and is told nothing.
    """
    _, text = plain_ran()
    if uses_kvm("x86_64"):
        given = re.search(r"Command line: (.*)", text)
        check(given and "timer_check" not in given[1] and "tsc" not in given[1], f"the command line: {text[:2000]}")
        return
    if tsc_khz() == 0:
        raise Skip("no time stamp counter to be read here")
    given = re.search(r"Command line: .* no_timer_check tsc_early_khz=(\d+) tsc=reliable", text)
    check(given, f"the command line: {text[:2000]}")
    check(abs(int(given[1]) - tsc_khz()) < int(given[1]) / 100, f"{given[1]} kHz, not {tsc_khz()}")
    check("Calibrating delay loop (skipped)" in text and "Unable to calibrate" not in text, text[:4000])


@test()
def clock_without_a_device_is_not_talked_of() -> None:
    """QEMU without KVM has no /dev/ptp0: not even with init_debug is there a word of it."""
    b = debugged()
    b.expect_end("/bin/act", "exited with code 0")
    same([line for line in b.log if "time:" in line or "ptp" in line], [], "said of the clock")
    check(b.said("spawn: "), "nothing was said at all")


@test()
def clock_is_set_and_slewed_as_asked() -> None:
    """The kernel takes what init's calls say, whichever way; nanoseconds stay nobody's unit."""
    b = of_two_users()
    b.expect(open="No such file or directory", read="Invalid argument")
    steps = [tuple(map(int, s.split())) for s in b.all("step")]
    same(len(steps), 4, "steps")
    for (r, ms), wanted in zip(steps, (-1500, 2000, 315360000000, -315360000000)):
        same(r, 0, "a step's return")
        check(abs(ms - wanted) < 100, f"a step of {ms} ms, not {wanted}")
    same(b.all("slew"), ["0 32768000 0", "0 -80871 0"], "frequencies")
