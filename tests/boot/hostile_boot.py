"""What an image's users may try against PID 1 where it takes a kernel of its own: on 6.12, and on AWS's 4.14."""

from collections.abc import Callable

from .aws_boot import aws_ramdisks
from .lib import Boot, Tree, boot, built, check, image, same, shared, test

FIRST = "environment = PATH=" + "/none:" * 600 + "/bin\n"  # a long way to the program
ALWAYS = "restart = always\nrestart-limit = 0\nrestart-delay = 1ms\nrestart-delay-max = 5ms\n"
BARE = "capability-bounding-set = none\nno-new-privileges = yes\n"


def files(arch: str, *programs: str) -> Tree:
    tree = Tree()
    for name in ("act", "hostile"):
        tree.file(f"bin/{name}", built(f"apps/{name}", arch), 0o755)
    for path in programs:
        tree.file(path, built("apps/act", arch), 0o755, uid=1234, gid=1234)
    tree.file("etc/passwd", "root:x:0:0::/root:/bin/sh\napp:x:1234:1234::/:/bin/sh\n")
    return tree


def on_6_12(config: str, *cmd: str, programs: tuple[str, ...] = (), **machine) -> Boot:
    return boot(image(*cmd, files=files("x86_64", *programs), config=config), **machine)


def on_4_14(config: str, *cmd: str, programs: tuple[str, ...] = (), **machine) -> Boot:
    machine["append"] = "panic=-1 " + machine.get("append", "")
    return boot(aws_ramdisks(files("aarch64", *programs), *cmd, config=config.encode()), **machine)


Kernel = Callable[..., Boot]


def shared_by_both(make: Callable[[Kernel], Boot]) -> Callable[[Kernel], Boot]:
    """One boot of each kernel that several tests look at."""
    boots = {}
    for kernel in (on_6_12, on_4_14):
        def made(kernel: Kernel = kernel) -> Boot:
            return make(kernel)
        made.__module__, made.__name__ = make.__module__, f"{make.__name__}_{kernel.__name__}"
        boots[kernel] = shared(made)
    return lambda kernel: boots[kernel]()


def both(seconds: int) -> Callable[[Callable[[Kernel], None]], None]:
    """A test on each of the two kernels; that of 4.14 has its name at the end."""
    def register(function: Callable[[Kernel], None]) -> None:
        for kernel, suffix in ((on_6_12, ""), (on_4_14, "_on_4_14")):
            def run(kernel: Kernel = kernel) -> None:
                function(kernel)
            run.__name__ = function.__name__ + suffix
            run.__doc__, run.__module__ = function.__doc__, function.__module__
            test(seconds)(run)
    return register


def restarts(b: Boot, name: str) -> list[str]:
    return [line for line in b.log if line.startswith(f"init: supervise: {name}: ") and "started again in" in line]


# --- starts that are held ---

@shared_by_both
def held(kernel: Kernel) -> Boot:
    """Starts that are held, one after the other, by a stop, by a lease, which 4.14 lacks where files are kept in memory, and by a FIFO."""
    leased = ("[leased]\ncommand = /srv/prog exit 1\nuser = app\nrestart = always\nrestart-limit = 0\nrestart-delay = 1s\n"
              "[leaser]\ncommand = /bin/hostile await /tmp/held lease /srv/prog\nuser = app\nafter = leased\n") if kernel is on_6_12 else ""
    b = kernel(f"[stopped]\ncommand = hostile sleep 600000\nuser = 1235\n{FIRST}{ALWAYS}"
               f"[stopper]\ncommand = /bin/hostile stop-others\nuser = 1235\nafter = stopped\n{leased}"
               f"[w]\ncommand = /bin/hostile await /tmp/made exit 1\n{ALWAYS}"
               f"[h]\ncommand = /bin/hostile await /tmp/go make-fifo /dev/null make /tmp/made sleep 600000\n{BARE}",
               "/bin/hostile", "await", "/tmp/held", *(("await", "/tmp/breaking") if leased else ()), "sleep", "500", "make", "/tmp/go",
               "await", "/tmp/made", "sleep", "500", "exit", "3", programs=("srv/prog",))
    b.expect_end("/bin/hostile", "exited with code 3")
    return b


@both(10)
def a_stopped_start_holds_nobody(kernel: Kernel) -> None:
    """A start that another process of its user has stopped before exec: another user's end is noticed all the same."""
    check(held(kernel).all("held"), "nothing was held")


@both(10)
def a_leftover_of_root_without_capabilities_holds_nobody(kernel: Kernel) -> None:
    """It is dead before the next start, or what it stops is."""
    b = traced(kernel)
    b.expect_end("/bin/hostile", "exited with code 3")


@test(60)
def a_leased_program_holds_nobody() -> None:
    """Its execution waits 45 s, and PID 1 does not. 4.14 has no such leases where files are kept in memory."""
    b = held(on_6_12)
    # It ends and is started again until the lease is there; the start that this holds is the last one.
    console = [line for _, line in b.result.console]
    at = next(n for n, line in enumerate(console) if "@breaking=/srv/prog" in line)
    again = [n for n, line in enumerate(console) if any(said in line for said in restarts(b, "leased"))]
    check(again and again[-1] < at, f"starts that had failed meanwhile: {console}")


@both(10)
def a_fifo_for_dev_null_holds_nobody(kernel: Kernel) -> None:
    """Root without capabilities may put one there; a start that opens it hangs, and PID 1 does not."""
    same(held(kernel).all("fifo"), ["/dev/null ok"], "the FIFO")


# --- user 0 without capabilities (5) ---

TRIES = ("try-write /proc/sys/kernel/core_pattern try-write /proc/sys/kernel/modprobe try-write /proc/sysrq-trigger "
         "try-mkdir /sys/fs/cgroup/x try-mkdir /sys/fs/cgroup/pids/x try-chmod /sys/fs/cgroup try-write /sys/kernel/uevent_helper")
REFUSED = ("Read-only file system", "Permission denied", "No such file or directory")


# Without a capability, with all but one, without root's; then with none and all open, with all, with all and nothing open.
CLOSED = (BARE, "capability-bounding-set = ~sys_admin\n", "securebits = noroot noroot-locked\n")
OPENED = ("protect-kernel = no\n" + BARE, "", "protect-kernel = yes\n")
KEYS = (*CLOSED, *OPENED)


@shared_by_both
def tried(kernel: Kernel) -> Boot:
    """Services without capabilities try to freeze PID 1 and to have core dumps run a program; then those with KEYS do what TRIES has."""
    config = ("[freezer]\ncommand = /bin/hostile freeze-init fresh-proc make /tmp/frozen sleep 600000\n" + BARE +
              "[core]\ncommand = /bin/hostile await /tmp/frozen put \"/proc/sys/kernel/core_pattern=|/bin/hostile make /tmp/kernel\" crash "
              "make /tmp/crashed sleep 600000\n" + BARE)
    before = "await /tmp/crashed "
    for i, key in enumerate(KEYS):
        config += f"[x{i}]\ncommand = /bin/hostile {before}{TRIES} make /tmp/tried{i} sleep 600000\n{key}"
        before = f"await /tmp/tried{i} "
    b = kernel(config, "/bin/hostile", "await", "/tmp/crashed", "sleep", "1000", "try-open", "/tmp/kernel", *before.split(), "exit", "3")
    b.expect_end("/bin/hostile", "exited with code 3")
    return b


def tries(b: Boot) -> list[dict[str, str]]:
    """What TRIES came to in services with each of KEYS, one behind the other."""
    found: list[dict[str, str]] = [{} for _ in KEYS]
    for verb in ("write", "mkdir", "chmod"):
        each = TRIES.split().count(f"try-{verb}")
        same(len(b.all(verb)), len(KEYS) * each, f"times that a service tried to {verb}")
        for n, value in enumerate(b.all(verb)):
            path, came_of_it = value.split(" ", 1)
            found[n // each][f"{verb} {path}"] = came_of_it
    return found


@both(10)
def who_has_no_capability_cannot_change_the_kernel(kernel: Kernel) -> None:
    """capability-bounding-set and securebits, without a user: /proc/sys, sysrq and control groups are read-only for it."""
    for key, found in zip(CLOSED, tries(tried(kernel))[:3], strict=True):
        same(len(found), len(TRIES.split()) // 2, f"tries with {key!r}")
        check(all(value in REFUSED for value in found.values()), f"with {key!r}: {found}")
        check(found["write /proc/sys/kernel/core_pattern"] != REFUSED[2], f"{found}")


@both(10)
def protect_kernel_may_be_switched_off(kernel: Kernel) -> None:
    """protect-kernel = no opens it; who has all capabilities may anyhow, and protect-kernel = yes takes it from such a one."""
    for key, opened, found in zip(OPENED, (True, True, False), tries(tried(kernel))[3:], strict=True):
        same(found["write /proc/sys/kernel/core_pattern"] == "ok", opened, f"core_pattern with {key!r}: {found}")


@both(10)
def who_has_no_capability_cannot_freeze_pid_1(kernel: Kernel) -> None:
    """By /sys/fs/cgroup, and by mounts in a user name space of its own; nor reach /proc/sys by a fresh /proc."""
    b = tried(kernel)
    check(b.all("moved") and b.all("fresh"), "nothing was tried")
    check(not any(value.endswith(" ok") for value in b.all("moved")), f"PID 1 was moved: {b.all('moved')}")
    check("ok" not in b.all("fresh"), "a fresh /proc is open")
    b.expect_end("/bin/hostile", "exited with code 3")


@test(10)
def a_program_for_core_dumps_is_not_run() -> None:
    """The whole way: core_pattern, a crash, and a program that the kernel would run with all capabilities."""
    b = tried(on_6_12)
    same(b.all("open"), ["/tmp/kernel No such file or directory"], "what the kernel has run")


# --- the NSM (6) ---

@shared_by_both
def bounded(kernel: Kernel) -> Boot:
    """
    Services that leave processes, that reach their limits, and one of a user without a line that tries the NSM; at the end
    one that takes the console, and one that is started again meanwhile.
    """
    b = kernel("[w]\ncommand = /bin/hostile count /tmp/count leftover sleep 700000\nrestart = on-failure\nrestart-limit = 8\n"
               "restart-delay = 1ms\n"
               "[m]\ncommand = /bin/hostile allocate 40\nmemory-max = 16M\noom-score-adjust = 0\n"
               "[p]\ncommand = /bin/hostile fill-pids make /tmp/tried sleep 600000\npids-max = 20\nafter = m\n"
               "[n]\ncommand = /bin/hostile try-open /dev/nsm make /tmp/opened sleep 600000\nuser = 4321\n"
               "[x]\ncommand = /bin/hostile await /tmp/go take-console make /tmp/taken sleep 600000\n"
               "[r]\ncommand = /bin/hostile await /tmp/taken count /tmp/runs exit 7\nrestart = always\nrestart-limit = 2\nrestart-delay = 10ms\n",
               "/bin/hostile", "await", "/tmp/opened", "await-size", "/tmp/count:9", "await-few", "700000:1", "processes", "700000",
               "await", "/tmp/tried", "await-few", "40:0", "allocate", "20", "sleep", "500", "make", "/tmp/go", "await-size", "/tmp/runs:3",
               "await-few", "/tmp/runs:0", *("sleep", "100") * 3, "exit", "3", memory=192)
    b.expect_end("/bin/hostile", "exited with code 3")
    return b


@test(5)
def a_number_without_a_line_does_not_open_the_nsm() -> None:
    """Its group is 0, and the device's would be, too: then it is root's alone, with 0600."""
    b = bounded(on_6_12)
    same(b.all("open"), ["/dev/nsm Permission denied"], "the device")


# --- what services leave (9) ---

@both(10)
def a_service_leaves_nothing_over_restarts(kernel: Kernel) -> None:
    """Children in sessions of their own, of whatever user: no more after eight restarts than after one."""
    b = bounded(kernel)
    same(len(restarts(b, "w")), 8, "restarts")
    left = int(b.fact("processes").split()[1])
    check(left <= 1, f"{left} processes are left")


# --- traced services (12) ---

@shared_by_both
def traced(kernel: Kernel) -> Boot:
    """
    A service that another one traces and kills, and one whose leftover would trace its next start; then one of root without
    capabilities, whose leftover stops all that root starts. The application is another user's.
    """
    sysctl = "sysctl = kernel.yama.ptrace_scope=0\n" if kernel is on_6_12 else ""
    user = "user = app\numask = 0\nrestart = always\nrestart-delay = 1ms\n"
    return kernel(f"user = 77\n{sysctl}[w]\ncommand = /bin/hostile count /tmp/count sleep 800000\n{user}"
                  "[h]\ncommand = /bin/hostile trace-and-kill 800000\nuser = app\n"
                  f"[l]\ncommand = /bin/hostile count /tmp/starts once /tmp/left leftover trace-and-kill once\n{user}"
                  f"[r]\ncommand = hostile await /tmp/go once /tmp/root leftover stop-others\n{BARE}{FIRST}{ALWAYS}",
                  "/bin/hostile", "await-size", "/tmp/count:2", "await", "/tmp/left.again", "sleep", "1000", "make", "/tmp/go",
                  "await", "/tmp/root", "sleep", "3000", "exit", "3")


@both(10)
def a_traced_service_that_dies_is_started_again(kernel: Kernel) -> None:
    """Its tracer keeps it a zombie that waitpid does not show: a pidfd does, which 4.14 lacks."""
    b = traced(kernel)
    same(len(b.all("traced")), 1, "traced processes")
    same(len(restarts(b, "w")), 1, "its starts")
    b.expect_end("/bin/hostile", "exited with code 3")


@both(10)
def a_leftover_traces_nobody(kernel: Kernel) -> None:
    """It is dead before the next start of its service."""
    b = traced(kernel)
    same([file for file in b.all("again") if file == "/tmp/left"], ["/tmp/left"], "the next start")
    # The one of the service above: w is started again only if it was traced and killed.
    same(len(b.all("traced")), 1, "traced processes")


# --- memory, processes and processors (17) ---

MEMORY = 128  # MiB


@both(10)
def who_fills_file_systems_leaves_memory_for_others(kernel: Kernel) -> None:
    """A user may fill /tmp and /dev/shm to their ends, not the machine's memory."""
    b = kernel("end = any\n[x]\ncommand = /bin/hostile fill /tmp fill /dev/shm fill /run make /tmp/tried sleep 600000\nuser = app\n",
               "/bin/hostile", "await", "/tmp/tried", "allocate", "10", "exit", "3", memory=MEMORY)
    b.expect_end("/bin/hostile", "exited with code 3")
    same(b.all("allocated"), ["10"], "the memory that was left")
    filled = {v.split()[0]: int(v.split()[1]) for v in b.all("filled")}
    check(sum(filled.values()) < MEMORY * 1024 * 3 // 4, f"KiB: {filled}")


@both(10)
def limits_of_a_service_take_effect(kernel: Kernel) -> None:
    """memory-max, pids-max: of the service, children included, and nobody else's."""
    b = bounded(kernel)
    b.expect_said("init: supervise: m: killed: out of memory")
    same(b.all("allocated"), ["20"], "the memory that others had")
    check(b.fact("full") == "19 Resource temporarily unavailable", b.fact("full"))


@both(10)
def the_weight_of_a_service_takes_effect(kernel: Kernel) -> None:
    """cpu-weight: two loops on one processor, by their share."""
    # By a clock that goes by instructions, so that no pause of this machine is time of one of them.
    b = kernel("[a]\ncommand = /bin/hostile spin 0:light\ncpu-weight = 10\n[b]\ncommand = /bin/hostile spin 0:heavy\ncpu-weight = 1000\n",
               "/bin/hostile", "sleep", "300", "processes", "0:light", "processes", "0:heavy", "exit", "3", icount=True)
    light, heavy = (int(v.split()[2]) for v in b.all("processes"))
    check(heavy > 4 * light and heavy > 20, f"ticks: {light} and {heavy}")


# --- the console (18) ---

@both(10)
def who_takes_the_console_blocks_nobody(kernel: Kernel) -> None:
    """TIOCCONS by a terminal that nobody reads, and that is full: PID 1's lines come out all the same."""
    b = bounded(kernel)
    same(len(restarts(b, "r")), 2, "restarts that were said")
    b.expect_said("init: supervise: r: exited with code 7, not started again")
    b.expect_end("/bin/hostile", "exited with code 3")
