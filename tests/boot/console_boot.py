"""1: console and log."""

import re
import time

from machine import JAM_SECONDS

from .lib import VERSION, Boot, Eif, boot, check, image, same, shared, test
from .scenes import code_of, of_scene
from .spec_boot import debugged, not_found, with_little


@shared
def usual() -> Boot:
    """An application that says something, and the measurements and PCRs that it finds."""
    return boot(usual_image())


def usual_image() -> Eif:
    return image("/bin/act", "say", "hello", "pcrs", "pcr", "16", "pcr", "31", "extend", "16", "sleep", "500", "exec", "/bin/probe")


@test()
def log_is_two_lines():
    """By default init says its version when the application starts, how it ended, and no more."""
    b = usual()
    same(b.log, [f"init: spawn: /bin/act: started by enclave-init {VERSION}",
                 "init: end: /bin/act: exited with code 0"], "the log")
    b.expect(say="hello")
    b.expect_heartbeat()


@test()
def init_debug_shows_each_step():
    """The bare word init_debug shows each step with the time since start."""
    b = debugged()
    for step in ("console", "spec", "modules", "entropy", "root", "mounts", "spawn",
                 "heartbeat"):
        check(any(re.match(rf"init: {step}: .*\d ms", line) for line in b.log),
              f"no line of {step} with a time: {b.log}")
    times = [float(m[1]) for line in b.log if (m := re.search(r"([\d.]+) ms", line))]
    same(times, sorted(times), "the times")


@test()
def init_debug_is_a_word_of_its_own():
    """Neither init_debug=1 nor a longer word switches it on."""
    same(len(with_little().log), 2, "lines of log")


# Nothing but init's own step readies the kernel's generator.
DRY = "random.trust_cpu=off random.trust_bootloader=off rng_core.default_quality=0"


@shared
def prepared() -> Boot:
    """
    PCR16 is locked and the kernel's generator looked at before init, which begins without /dev and descriptors, and cannot
    reboot.
    """
    return boot(image("/bin/act", "pcr", "16", "exec", "/bin/probe", shim=True, config="pcr-lock = 16\n"), cpu="qemu64",
                append=f"{DRY} shim_lock_pcr16 shim_entropy shim_no_reboot shim_bare")


@test()
def stdio_is_opened_without_dev_and_descriptors():
    """fds 0-2 are the console's though the image has no /dev and PID 1 starts with none open."""
    b = prepared()
    same([fd.split()[0] for fd in b.all("fd")], ["0", "1", "2"], "descriptors")
    b.expect(ttyname="/dev/console", done="yes")
    b.expect_said("init: end: /bin/act: exited with code 0")


@test()
def without_console_stdio_is_null():
    """On a machine without a console the application runs, fds 0-2 being /dev/null."""
    eif = image("/bin/act", "onto", "/dev/ttyS0", "exec", "/bin/probe")
    eif.cmdline = eif.cmdline.replace("console=ttyS0", "console=hvc0")
    b = boot(eif, ends=False)
    same(b.result.ended, "restarted", "the machine")
    for fd in (b.all("fd")[0], b.all("fd")[2]):
        check(fd.endswith("/null"), f"descriptor {fd}")
    b.expect(done="yes")
    b.expect_heartbeat()


@test(5)
def stopped_console_does_not_block():
    """An application that stops the terminal neither blocks PID 1 nor swallows the last line."""
    b = of_scene("end_with_a_stopped_console")
    b.expect_end("/bin/duty", f"exited with code {code_of('end_with_a_stopped_console')}")
    b.expect_heartbeat()


@shared
def flooded() -> Boot:
    """An application that floods a slow console until its end."""
    return boot(image("/bin/act", "flood", "128", "exit", "8"), on_line=lambda _, line: time.sleep(0.003))


@test(8)
def slow_console_gets_the_last_line():
    """The machine restarts when the line has left it, not when it is queued."""
    text = flooded().result.text
    check(0 < text.find("init: end: /bin/act: exited with code 8") < text.find("reboot: Restarting"),
          "the last line came late or not at all")


@test(5)
def flooded_console_loses_no_last_line():
    """Nor does one that floods the terminal until its end."""
    flooded().expect_end("/bin/act", "exited with code 8")


@test(10)
def full_console_does_not_block():
    """A console that takes nothing any more does not keep the machine from its end."""
    b = boot(image("/bin/act", "say", "full", "flood-behind", "sleep", "1500", "exit", "8"),
             ends=False, jam="@say=full")
    same(b.result.ended, "restarted", "the machine")
    check(b.result.seconds < JAM_SECONDS, "PID 1 waited for the console")


@test(8)
def flood_by_a_leftover_does_not_block():
    """Nor a process that floods the terminal while the machine ends, and ignores TERM."""
    b = of_scene("end_in_a_flood")
    check(any(f"end: /bin/duty: exited with code {code_of('end_in_a_flood')}" in line for line in b.log),
          f"the last line: {b.log}")


@test()
def text_of_the_image_makes_no_second_line():
    """Control characters of the image's text do not reach the log."""
    not_found().expect_stop(8, "init: spawn: nginx?[31m?init: end: faked: not found")
