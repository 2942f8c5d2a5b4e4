"""What namespaces cannot show of the configuration's keys: the kernel's locks, the ramdisk as root, file systems that are full."""

from .environment_boot import tools, unconfigured, unprivileged
from .inside_boot import stays
from .lib import Boot, Tree, boot, built, check, image, same, test
from .squash_boot import squash_image, squashed


@test
def the_kernel_is_locked() -> None:
    """modules-disabled, kexec-load-disabled, ptrace-scope, sysctls of the machine; the root is read-only."""
    b = unprivileged()
    b.expect_heartbeat()
    b.expect(sysctls="1 64", locks="1 1 2", file="Read-only file system")
    b.expect_end("/bin/sh", "exited with code 0")


@test
def without_the_keys_the_kernel_is_open() -> None:
    """What locks it is not on by itself."""
    b = unconfigured()
    modules, kexec, scope = b.fact("locks").split()
    same((modules, kexec), ("0", "0"), "locks")
    check(scope in ("0", "1", "-1"), f"ptrace_scope {scope}")


@test
def the_ramdisk_may_stay_the_root() -> None:
    """root = stay: the application lies beside /init, as in images of some builders; the usual mounts are there."""
    b = stays()
    b.expect_heartbeat()
    b.expect_end("/act", "exited with code 0")
    b.expect(done="yes")
    for point in ("/proc", "/tmp", "/run", "/sys"):
        b.mount(point)


# Data until there is no room, then files without any, in each; the root's too where that has a bound.
FILL = """\
for d in %s; do
	echo "@$d="$(df -k $d | sed -n '2s/[^ ]* *\\([0-9]*\\).*/\\1/p')
	dd if=/dev/zero of=$d/data bs=64k 2>&1 | grep -c 'No space'
	i=0; while echo >$d/$i; do i=$((i + 1)); done 2>/dev/null
	true >$d/data
	hostile fill-folder 10000000:$d/more
	dd if=/dev/zero of=$d/data bs=64k 2>/dev/null
done
echo @total=$(sed -n 's/MemTotal: *//p' /proc/meminfo)
echo @left=$(sed -n 's/MemAvailable: *//p' /proc/meminfo)
"""


def filler(folders: str) -> Tree:
    """The script /fill.sh, which fills FOLDERS, and what it runs."""
    files = tools()
    files.file("bin/hostile", built("apps/hostile"), 0o755)
    files.file("fill.sh", FILL % folders)
    return files


def expect_room(b: Boot) -> None:
    """All of them full, there is memory left, and nobody was killed for want of it."""
    b.expect_end("/bin/sh", "exited with code 0")
    left, total = int(b.fact("left").split()[0]), int(b.fact("total").split()[0])
    check(left > total // 20, f"{left} of {total} KiB left")
    for word in ("Out of memory", "oom", "OOM"):
        check(word not in b.result.text, word)


@test(10)
def full_file_systems_leave_memory() -> None:
    """/tmp, /dev/shm and /run, filled with data and with files, in a small machine."""
    b = boot(image("/bin/sh", "/fill.sh", files=filler("/tmp /dev/shm /run")), memory=128)
    expect_room(b)
    tmp, shm, run = (int(b.fact(p)) for p in ("/tmp", "/dev/shm", "/run"))
    check(abs(tmp - 4 * run) <= 40 and abs(shm - 3 * run) <= 40, f"{tmp} {shm} {run}")


@test(10)
def a_full_squashfs_leaves_memory() -> None:
    """The same with what is written over a squashfs, which has a bound of its own."""
    expect_room(boot(squash_image("/bin/sh", "/fill.sh", squash=squashed(filler("/ /tmp /dev/shm /run"))), memory=128))
