"""The application: how it is started, what it finds, and PID 1 beside it."""

import os
import signal
from pathlib import Path

from images import stubs

from .lib import (DEFAULT_PATH, IS_ROOT, Jail, Tree, app, check, oom_kills, same, status, strings,
                 test)

SLEEP = ("/bin/act", "sleep", "600000")


# --- what it finds ---

@test
def function_tables_are_read_only() -> None:
    """PT_GNU_RELRO takes effect, which musl leaves to its dynamic loader."""
    with Jail(*SLEEP) as j:
        j.started()
        maps = [line.split() for line in Path(f"/proc/{j.init}/maps").read_text().splitlines()]
        own = [m[1] for m in maps if len(m) > 5 and "/init" in m[5]]
        check("r--p" in own and "rw-p" in own and "rwxp" not in own, f"mapped as {maps}")


@test
def environment_is_the_images_and_no_more() -> None:
    """With PATH and HOME; none of the kernel's words, which PID 1 got."""
    with Jail(*SLEEP, env=("A=1", "B=two words", "A=3", "EMPTY=")) as j:
        j.started()
        same(strings(j.app, "environ"), ["A=1", "B=two words", "A=3", "EMPTY=",
                                         f"PATH={DEFAULT_PATH}", "HOME=/"], "the environment")
    files = Tree()
    files.dir("root", 0o700)
    with Jail(*SLEEP, env=(), files=files) as j:
        j.started()
        same(strings(j.app, "environ"), [f"PATH={DEFAULT_PATH}", "HOME=/root"], "the environment")
    with Jail(*SLEEP, env=("HOME=/x", "PATH=/y"), files=files) as j:
        j.started()
        same(strings(j.app, "environ"), ["HOME=/x", "PATH=/y"], "the environment")


@test
def arguments_are_those_of_cmd() -> None:
    """Empty ones too; none of the kernel's words."""
    with Jail(*SLEEP, "", "two words", "", words=("nomodules", "single")) as j:
        j.started()
        same(strings(j.app, "cmdline"), [*SLEEP, "", "two words", ""], "the arguments")


@test
def descriptors_are_three() -> None:
    """None of PID 1's own, and none of those that it was started with."""
    for options in ((), ("-e", "close_range")):
        with Jail(*SLEEP, options=options) as j:
            j.started()
            check(len(os.listdir(f"/proc/{j.init}/fd")) > 4, "PID 1 has stray descriptors")
            same(sorted(os.listdir(f"/proc/{j.app}/fd")), ["0", "1", "2"], "the descriptors")


@test
def signals_are_default_and_unblocked() -> None:
    """Also where PID 1 was started with all of them ignored and blocked."""
    for options in ((), ("-i",)):
        with Jail(*SLEEP, options=options) as j:
            j.started()
            for key in ("SigBlk", "SigIgn", "SigCgt", "SigPnd", "ShdPnd"):
                same(int(status(j.app, key), 16), 0, key)


@test
def ignored_children_are_reaped_all_the_same() -> None:
    """SIGCHLD ignored by whoever started PID 1 costs neither the exit code nor a zombie."""
    with Jail("/bin/act", "orphans", "300", "exit", "9", options=("-i",)) as j:
        j.expect_end("/bin/act", "exited with code 9")
        j.expect(left="0")


@test
def session_and_terminal_are_its_own() -> None:
    """It leads a session; the console's, in its foreground, where the configuration says so and that is a terminal."""
    with Jail() as j:
        j.restarted()
        pid = j.fact("pid")
        j.expect(sid=pid, pgid=pid, foreground="-1", tty="No such device or address", ttyname="/dev/console", ppid="1",
                 umask="022", cwd="/")
    with Jail(config="terminal = yes\n") as j:
        j.restarted()
        pid = j.fact("pid")
        j.expect(sid=pid, pgid=pid, foreground=pid, tty="ok", ttyname="/dev/console")
    with Jail(config="terminal = yes\n", console=False) as j:
        j.restarted()
        check(j.fact("tty") != "ok", "a terminal without a console")
        j.expect(sid=j.fact("pid"), pgid=j.fact("pid"))


@test
def pid_1_never_has_a_terminal() -> None:
    """Its console is not its controlling terminal, nor that of the heartbeat."""
    with Jail(*SLEEP) as j:
        j.started()
        stat = Path(f"/proc/{j.init}/stat").read_text().rpartition(")")[2].split()
        same(stat[4], "0", "the terminal of PID 1")


@test
def standard_descriptors_are_open_whatever_was_given() -> None:
    """Started without 0 to 2: the console, or /dev/null where there is none."""
    with Jail(options=("-0",)) as j:
        j.restarted()
        same([f.split(" ")[0] for f in j.facts("fd")], ["0", "1", "2"], "the descriptors")
        same(j.log()[-1], "init: end: /bin/probe: exited with code 0", "the last line")
    for console, device in ((True, None), (False, os.stat("/dev/null").st_rdev)):
        with Jail(*SLEEP, options=("-0",), console=console) as j:
            j.started()
            same({os.stat(f"/proc/{j.app}/fd/{n}").st_rdev for n in range(3)},
                 {device or j.tty_device}, "the descriptors' device")
            os.kill(j.init, signal.SIGTERM)
            j.restarted()


# --- finding and executing it ---

def spawn_fault(fault: str, *cmd: str, files: Tree | None = None, **jail) -> None:
    with Jail(*cmd, files=files, **jail) as j:
        j.expect_stop(8, "spawn", fault)


@test
def program_is_searched_in_the_images_path() -> None:
    """PATH of /env, else the default; a name with a slash as it stands."""
    files = Tree()
    files.file("opt/tool", app("probe"), 0o755)
    files.file("usr/local/sbin/tool", app("act"), 0o755)
    with Jail("tool", "nothing", env=("PATH=/bin:/opt",), files=files) as j:
        j.expect_end("/opt/tool", "exited with code 0")
    with Jail("tool", "exit", "4", files=files) as j:
        j.expect_end("/usr/local/sbin/tool", "exited with code 4")
    with Jail("opt/tool", "nothing", files=files) as j:
        j.expect_end("opt/tool", "exited with code 0")
    files = Tree()
    files.link("usr/local/bin/act", "/bin/act")  # before /bin, where it is, too
    with Jail("act", files=files) as j:
        j.expect_end("/usr/local/bin/act", "exited with code 0")


@test
def program_that_is_not_there_is_named_with_the_path() -> None:
    """Not found, not executable, a directory."""
    files = Tree()
    files.file("bin/plain", "text", 0o644)
    spawn_fault(f"nosuch: not found, PATH searched: {DEFAULT_PATH}", "nosuch")
    spawn_fault("nosuch: not found, PATH searched: /a:/b", "nosuch", env=("PATH=/a:/b",))
    spawn_fault("/bin/nosuch: not found", "/bin/nosuch")
    spawn_fault("/bin/plain: not an executable file", "/bin/plain", files=files)
    spawn_fault(f"plain: not an executable file, PATH searched: {DEFAULT_PATH}", "plain",
                files=files)
    spawn_fault("/bin: not an executable file", "/bin")


@test
def program_whose_interpreter_is_missing_is_said() -> None:
    """A script's, and that of a text, which is the shell."""
    files = Tree()
    files.file("script", "#!/usr/bin/nosuch -e\n", 0o755)
    files.file("text", "echo hello\n", 0o755)
    spawn_fault("/script: its interpreter /usr/bin/nosuch cannot be run: "
                "No such file or directory", "/script", files=files)
    spawn_fault("/text: its interpreter /bin/sh cannot be run: No such file or directory", "/text",
                files=files)
    # A dynamic program's is its loader; blanks behind #! do not count, nor does what follows.
    files.file("python", "#! /usr/bin/python3 -u\n", 0o755)
    files.file("app", stubs.elf(os.uname().machine, interpreter="/lib/ld-musl.so.1"), 0o755)
    spawn_fault("/python: its interpreter /usr/bin/python3 cannot be run: No such file or directory", "/python", files=files)
    spawn_fault("/app: its interpreter /lib/ld-musl.so.1 cannot be run: No such file or directory", "/app", files=files)


@test
def program_that_is_no_program_is_said() -> None:
    """Another architecture's; bytes that are neither program nor text: no shell gets them."""
    files = Tree()
    files.file("bin/sh", app("probe"), 0o755)
    elf = bytearray(app("act")[:4096])
    elf[18:20] = (243).to_bytes(2, "little")
    files.file("riscv", bytes(elf), 0o755)
    files.file("binary", b"text\0", 0o755)
    name = "aarch64" if os.uname().machine == "aarch64" else "x86-64"
    spawn_fault(f"/riscv: an ELF file for riscv, this machine is {name}", "/riscv", files=files)
    # A NUL at the end of the 256 bytes that are looked at; a program of the other architecture, of AWS's sort.
    files.file("data", b"a" * 255 + b"\0" + b"b" * 100, 0o755)
    other = "x86_64" if name == "aarch64" else "aarch64"
    files.file("app", stubs.elf(other), 0o755)
    spawn_fault("/data: neither a program nor a script (binary data, no ELF header)", "/data", files=files)
    spawn_fault(f"/app: an ELF file for {'x86-64' if other == 'x86_64' else other}, this machine is {name}", "/app", files=files)
    spawn_fault("/binary: neither a program nor a script (binary data, no ELF header)", "/binary",
                files=files)


@test
def program_that_is_a_text_is_the_shells() -> None:
    """No #!: /bin/sh runs it, with its arguments, as execvp(3) has it."""
    files = Tree()
    files.file("bin/sh", app("probe"), 0o755)
    files.file("hello", "echo hello\n", 0o755)
    with Jail("/hello", "a b", "", files=files) as j:
        j.expect_end("/hello", "exited with code 0")
        same(j.facts("arg"), ["[/bin/sh]", "[/hello]", "[a b]", "[]"], "the arguments")


@test(34)
def exec_that_never_comes_is_no_start() -> None:
    """A child that dies before exec, a session that is refused, no child at all."""
    spawn_fault("/bin/act: its process ended before exec, killed by SIGSYS", "/bin/act",
                options=("-k", "setsid"))
    spawn_fault("/bin/act: setsid: Operation not permitted", "/bin/act", options=("-e", "setsid"))
    with Jail("/bin/act", options=("-e", "fork")) as j:
        j.restarted()
        j.expect_log("init: heartbeat: CID 3 port 9000: fork: Operation not permitted",
                     "init: spawn: /bin/act: fork: Operation not permitted",
                     "init: heartbeat: CID 3 port 9000: fork: Operation not permitted",  # the negative one
                     "init: end: boot: stopped in step 8, spawn")


# --- how it ends ---

@test
def exit_codes_are_reported() -> None:
    """0 to 255."""
    for code in (0, 1, 2, 126, 127, 128, 255):
        with Jail("/bin/act", "exit", str(code)) as j:
            j.expect_end("/bin/act", f"exited with code {code}")


@test
def signals_that_kill_are_reported() -> None:
    """By name, those without one by number."""
    for number in (1, 2, 3, 4, 6, 7, 8, 10, 11, 12, 13, 14, 15, 31):
        name = signal.Signals(number).name
        with Jail("/bin/act", "kill-self", str(number)) as j:
            j.expect_end("/bin/act", f"killed by {name}")
    with Jail("/bin/act", "segv") as j:
        j.expect_end("/bin/act", "killed by SIGSEGV")
    with Jail("/bin/act", "kill-self", "40") as j:
        j.expect_end("/bin/act", "killed by signal 40")


@test
def kill_is_no_lack_of_memory() -> None:
    """SIGKILL, while the kernel has killed nobody."""
    with Jail("/bin/act", "kill-self", "9") as j:
        # A machine that has run out of memory before counts that, and its log is out of reach.
        how = "killed: out of memory" if oom_kills() else "killed by SIGKILL"
        j.expect_end("/bin/act", how)


# --- PID 1 beside it ---

@test
def orphans_are_reaped() -> None:
    """A storm of 10,000, no zombie left."""
    with Jail("/bin/act", "orphans", "10000") as j:
        j.expect_end("/bin/act", "exited with code 0")
        j.expect(left="0")


@test(alone=True)
def orphans_faster_than_reaping_do_not_keep_it() -> None:
    """Processes that fork and die for ever: PID 1 still ends them, and itself."""
    with Jail("/bin/act", "leave-chains", "60", "exit", "3") as j:
        j.expect_end("/bin/act", "exited with code 3")


@test(12)
def signals_reach_the_application_and_start_no_deadline() -> None:
    """All seven; a child in its group gets them with kill-mode = group alone; 3 s later it lives."""
    seven = {"HUP", "INT", "QUIT", "USR1", "USR2", "TERM", "WINCH"}
    for config, children in ((None, set()), ("kill-mode = mixed\n", set()), ("kill-mode = process\n", set()),
                             ("kill-mode = group\n", seven)):
        with Jail("/bin/act", "signals-to-group" if children else "signals", config=config) as j:
            j.expect_end("/bin/act", "exited with code 0")
            same(set(j.facts("app")), seven, "the application got")
            same(set(j.facts("child")), children, f"with {config!r} its child got")
            j.expect(after="alive")


@test
def signals_from_outside_end_what_they_end() -> None:
    """TERM sent to PID 1 is the application's; also where PID 1 was started with it ignored."""
    for options in ((), ("-i",)):
        with Jail(*SLEEP, options=options) as j:
            j.started()
            os.kill(j.init, signal.SIGTERM)
            j.expect_end("/bin/act", "killed by SIGTERM")


@test
def other_signals_do_nothing_to_pid_1() -> None:
    """Those that would stop, end or disturb another process."""
    with Jail(*SLEEP) as j:
        j.started()
        app_pid = j.app
        for name in ("ALRM", "PIPE", "TSTP", "TTIN", "TTOU", "CONT", "URG", "PWR", "VTALRM", "PROF",
                     "XCPU", "IO", "STKFLT", "RTMIN", "RTMAX", "CHLD"):
            os.kill(j.init, getattr(signal, f"SIG{name}"))
        os.kill(j.init, signal.SIGUSR2)  # the last: when it arrives the others have been
        j.expect_end("/bin/act", "killed by SIGUSR2")
        check(app_pid > 0, "it ran")


@test
def idle_costs_nothing() -> None:
    """PID 1 waits for signals without a timeout, and has no timer, thread or other child."""
    with Jail(*SLEEP) as j:
        j.started()
        pid, before = j.init, status(j.init, "voluntary_ctxt_switches")
        same(len(j.children()), 1, "children")
        same(status(pid, "Threads"), "1", "threads")
        same(Path(f"/proc/{pid}/timers").read_text(), "", "timers")
        if IS_ROOT:
            words = Path(f"/proc/{pid}/syscall").read_text().split()
            number = {"x86_64": "271", "aarch64": "73"}[os.uname().machine]
            same(words[0], number, "the system call, ppoll")
            same(words[3], "0x0", "its timeout")
        same(status(pid, "voluntary_ctxt_switches"), before, "wakeups")
