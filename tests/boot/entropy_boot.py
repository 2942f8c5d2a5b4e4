"""3: entropy."""

from .console_boot import prepared
from .lib import boot, check, image, same, test


@test()
def without_the_step_there_is_no_entropy():
    """The control: the machine of the conformance tests' scene `dry`, where it is ready, answers EAGAIN before init's step."""
    b = prepared()
    same(b.all("shim")[-1], "getrandom: EAGAIN", "the shim")
    b.expect(getrandom="ready")


@test()
def without_nsm_the_boot_stops():
    """A machine without an NSM stops, and nothing of the image runs."""
    b = boot(image(kernel="builtin"), mode="microvm", nsm=False)
    b.expect_stop(5, "init: entropy: /dev/nsm: ")
    check(not b.facts, "something of the image ran")


@test()
def with_a_failing_nsm_the_boot_stops():
    """So does one whose NSM knows no GetRandom."""
    b = boot(image(shim=True), append="shim_broken_nsm")
    b.expect_stop(5, "init: entropy: /dev/nsm: ")
    check("getrandom" not in b.facts, "something of the image ran")


@test()
def without_the_nsm_driver_the_boot_stops():
    """So does a kernel whose driver is a module that the image lacks."""
    b = boot(image(modules={}))
    b.expect_stop(5, "init: entropy: /dev/nsm: ")
