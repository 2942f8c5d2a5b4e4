"""What namespaces cannot show of the configuration's keys: the kernel's locks, the ramdisk as root, the real /dev/nsm."""

from lib import boot, built, check, image, same, test

EVERYTHING = """\
user = 1000
hostname = everything
sysctl = net.ipv4.ip_forward=1 kernel.sysrq=1
ptrace-scope = 2
kexec-load-disabled = yes
modules-disabled = yes
read-only = yes
tmp-size = 8m
"""


@test
def the_kernel_is_locked() -> None:
    """modules-disabled, kexec-load-disabled, ptrace-scope, sysctls of the machine; the root is read-only."""
    b = boot(image("/bin/act", "sysctls", "make", "/file", config=EVERYTHING))
    b.expect_heartbeat()
    b.expect(sysctls="1 64", locks="1 1 2")
    b.expect_end("/bin/act", "exited with code 0")


@test
def without_the_keys_the_kernel_is_open() -> None:
    """What locks it is not on by itself."""
    b = boot(image("/bin/act", "sysctls", config="hostname = x\n"))
    modules, kexec, scope = b.fact("locks").split()
    same((modules, kexec), ("0", "0"), "locks")
    check(scope in ("0", "1", "-1"), f"ptrace_scope {scope}")


@test
def the_ramdisk_may_stay_the_root() -> None:
    """root = stay: the application lies beside /init, as in images of some builders; the usual mounts are there."""
    eif = image("/app", rootfs=False, config="root = stay\n", boot_files={"app": (built("apps/probe"), 0o755)})
    b = boot(eif)
    b.expect_heartbeat()
    b.expect_end("/app", "exited with code 0")
    for point in ("/proc", "/tmp", "/run", "/sys"):
        b.mount(point)
