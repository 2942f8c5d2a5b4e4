"""3: entropy."""

from .lib import boot, check, image, test

# Nothing but init's own step readies the kernel's generator.
DRY = "random.trust_cpu=off random.trust_bootloader=off rng_core.default_quality=0"


@test()
def without_the_step_there_is_no_entropy():
    """The control: the machine of the conformance tests' scene `dry`, where it is ready, answers EAGAIN without init's step."""
    b = boot(image(shim=True), cpu="qemu64", append=f"{DRY} shim_entropy", ends=False)
    b.expect(getrandom="EAGAIN")


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
