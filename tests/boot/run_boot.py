"""7: run and supervise."""

from lib import boot, check, image, same, test
from root_boot import ordinary


@test()
def application_has_a_session_of_its_own():
    """A session, its process group in the foreground, the console as controlling terminal."""
    b = ordinary()
    pid = b.fact("pid")
    check(pid != "1", "it is PID 1")
    b.expect(ppid="1", sid=pid, pgid=pid, foreground=pid, tty="ok", cwd="/", umask="022")


@test()
def terminal_has_its_name():
    """ttyname works: the console that the application has is the one of its own /dev."""
    ordinary().expect(ttyname="/dev/console")


@test()
def application_starts_clean():
    """No stray descriptors, nothing blocked, ignored or caught, and no privilege lost."""
    b = ordinary()
    same([fd.split()[0] for fd in b.all("fd")], ["0", "1", "2"], "descriptors")
    b.expect(self__SigBlk="0" * 16, self__SigIgn="0" * 16, self__SigCgt="0" * 16,
             self__Seccomp="0")


@test()
def init_is_small():
    """PID 1 takes at most 200 KiB while the application runs, in one thread."""
    b = ordinary()
    rss = int(b.fact("pid1.Rss").split()[0])
    check(rss <= 200, f"Rss of {rss} KiB")
    b.expect(pid1__Threads="1", zombies="0")


@test()
def init_holds_the_console_apart():
    """The log's descriptor is PID 1's own: non-blocking, close-on-exec, no controlling terminal."""
    b = ordinary()
    own = [fd.split()[1:] for fd in b.all("pid1.fd") if int(fd.split()[0]) > 2]
    check(own and all("cloexec" in flags for flags in own), f"descriptors: {b.all('pid1.fd')}")
    check(["cloexec", "nonblock"] in own, f"descriptors: {b.all('pid1.fd')}")
    b.expect(pid1__tty="0")


@test(15)
def orphans_are_reaped():
    """Ten thousand orphans in bursts: no zombie is left."""
    b = boot(image("/bin/act", "orphans", "10000"), memory=1024)
    b.expect(left="0")
    b.expect_end("/bin/act", "exited with code 0")


@test(6)
def idle_costs_nothing():
    """With nothing to do PID 1 is not woken once."""
    b = boot(image("/bin/act", "idle"))
    b.expect(others="0", wakeups="0")


@test(6)
def signals_to_init_reach_the_group():
    """TERM, INT, HUP, QUIT, USR1, USR2 and WINCH reach the process group; no deadline starts."""
    b = boot(image("/bin/act", "signals", "exit", "5"))
    wanted = sorted(["HUP", "INT", "QUIT", "USR1", "USR2", "TERM", "WINCH"])
    same(sorted(b.all("app")), wanted, "signals of the application")
    same(sorted(b.all("child")), wanted, "signals of its child")
    b.expect(after="alive")
    b.expect_end("/bin/act", "exited with code 5")


@test()
def a_child_that_dies_before_exec_is_told():
    """End-of-file without the byte is a child that died first, not a success."""
    b = boot(image("/bin/probe", shim=True), append="shim_kill_setsid")
    b.expect_stop(8, "init: spawn: /bin/probe: ", "ended before exec", "SIGSYS")


@test()
def an_argument_list_too_long_is_told():
    """execve's own errno comes back."""
    b = boot(image("/bin/probe", "x" * (200 << 10)))
    b.expect_stop(8, "init: spawn: /bin/probe: Argument list too long")


@test()
def measurements_are_the_packers():
    """PCR0-2 as the NSM has them are those that pack-eif prints."""
    eif = image("/bin/act", "pcrs")
    b = boot(eif)
    for name, value in eif.measurements().items():
        same(b.fact(name.lower()), value, name)
