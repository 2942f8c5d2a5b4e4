"""hand-over = yes: the application is process 1 itself, the heartbeat is a child's; and init --heartbeat."""

import os
import signal
from pathlib import Path

from .lib import DEFAULT_PATH, IS_ROOT, VERSION, Jail, Parent, Tree, app, check, same, status, strings, test

CONFIG = "hand-over = yes\n"
SLEEP = ("/bin/act", "sleep", "600000")
NOBODY = 65530  # whom init/helper.c becomes


def becomes(program: str) -> str:
    return f"init: spawn: {program}: process 1 from here on, by enclave-init {VERSION}"


def taken_over(j: Jail, program: str = "/bin/act") -> int:
    """PID 1, once it is PROGRAM and the heartbeat is through."""
    j.wait(lambda: j.parent.received, "a heartbeat")
    same(strings(j.init, "cmdline")[0], program, "process 1")
    return j.init


# --- the program ---

@test
def the_application_is_process_1() -> None:
    """With its words and variables, in no process of ours."""
    with Jail(*SLEEP, "two words", env=("A=1",), config=CONFIG) as j:
        pid = taken_over(j)
        same(status(pid, "NSpid").split()[-1], "1", "its number")
        same(strings(pid, "cmdline"), [*SLEEP, "two words"], "the arguments")
        same(strings(pid, "environ"), ["A=1", f"PATH={DEFAULT_PATH}", "HOME=/"], "the environment")
        j.wait(lambda: [status(c, "State")[0] for c in j.children()] in (["Z"], []), "the heartbeat's child is gone")
        j.expect_log(becomes("/bin/act"))
        same(j.parent.received, [0xB7], "the parent received")


@test
def what_the_boot_does_is_done() -> None:
    """It finds what an application finds, as process 1."""
    with Jail("/bin/probe", config=CONFIG, parent=Parent(hold=True)) as j:  # the heartbeat ends with it
        j.end()
        same(j.code, 0, "its own exit code")
        j.expect(pid="1", ppid="0", cwd="/", umask="022")
        check({"/proc proc", "/tmp tmpfs", "/run tmpfs", "/dev/pts devpts"} <=
              {" ".join(m.split()[:2]) for m in j.facts("mount")}, f"mounted: {j.facts('mount')}")


@test
def the_parent_hears_of_it_after_exec() -> None:
    """Not before process 1 is the program."""
    with Jail(*SLEEP, config=CONFIG, parent=Parent(hold=True)) as j:
        j.wait(lambda: j.parent.attempts, "an attempt")
        same(strings(j.init, "cmdline"), list(SLEEP), "process 1")
        j.release()
        taken_over(j)


@test
def nothing_of_ours_is_left() -> None:
    """No descriptor, no signal that is blocked, ignored or pending, no privilege less; with an old kernel as well."""
    for options in ((), ("-e", "close_range")):
        with Jail(*SLEEP, config=CONFIG, options=options) as j:
            pid = taken_over(j)
            same(sorted(os.listdir(f"/proc/{pid}/fd")), ["0", "1", "2"], "the descriptors")
            for key in ("SigBlk", "SigIgn", "SigCgt", "ShdPnd", "NoNewPrivs"):
                same(int(status(pid, key), 16), 0, key)
            for key in ("CapEff", "CapPrm"):
                same(status(pid, key), status(pid, "CapBnd"), key)
            same(status(pid, "Threads"), "1", "threads")
            same(Path(f"/proc/{pid}/oom_score_adj").read_text().strip(), "0", "the score")


@test
def ignored_signals_are_not_handed_down() -> None:
    """Of whoever started PID 1."""
    with Jail(*SLEEP, config=CONFIG, options=("-i",)) as j:
        same(int(status(taken_over(j), "SigIgn"), 16), 0, "ignored")


@test
def keys_of_its_execution_hold() -> None:
    """Folder, variables, limits, privileges."""
    config = (CONFIG + "command = \"/bin/act\" \"sleep\" \"600000\"\nworkdir = /bin\nenvironment = B=2\numask = 027\n"
              "limit-nofile = 100:200\nno-new-privileges = yes\ncapability-bounding-set = CAP_KILL CAP_SYS_ADMIN\n"
              "stdin = null\n")
    with Jail(no_cmd=True, config=config) as j:
        pid = taken_over(j)
        same(os.readlink(f"/proc/{pid}/cwd"), "/bin", "the folder")
        check("B=2" in strings(pid, "environ"), "the variable is missing")
        same(status(pid, "Umask"), "0027", "the mask")
        same(status(pid, "NoNewPrivs"), "1", "no-new-privileges")
        same(int(status(pid, "CapBnd"), 16), 1 << 5 | 1 << 21, "the bounding set")
        same(os.readlink(f"/proc/{pid}/fd/0"), "/dev/null", "descriptor 0")
        check("100                  200" in Path(f"/proc/{pid}/limits").read_text(), "the limit")


@test
def signals_are_its_own() -> None:
    """What is sent to process 1 is for it to handle."""
    with Jail("/bin/act", "until-term", "it", config=CONFIG) as j:
        taken_over(j)
        j.wait_said("@waits=it")
        os.kill(j.init, signal.SIGTERM)
        j.end()
        same((j.code, j.fact("stopped")), (0, "it Terminated"), "its end")


@test
def it_may_restart_the_machine() -> None:
    """That is how it ends the enclave."""
    with Jail("/bin/act", "reboot", config=CONFIG, parent=Parent(hold=True)) as j:
        j.end()
        same(j.code, -signal.SIGHUP, "the end of PID 1")


# --- the heartbeat's child ---

@test
def the_one_that_is_left_gives_up_its_privileges() -> None:
    """Process 1 is another by then, and no worse off for it."""
    with Jail(*SLEEP, config=CONFIG, parent=Parent(hold=True)) as j:
        j.wait(lambda: j.parent.attempts, "an attempt")
        beat, = j.children()
        if IS_ROOT:  # nobody else has another user to give it
            same(status(beat, "CapEff"), "0" * 16, "its capabilities")
            check(status(beat, "Uid").endswith(str(NOBODY)), f"its user: {status(beat, 'Uid')}")
        same(status(beat, "NoNewPrivs"), "1", "no-new-privileges")
        j.release()
        taken_over(j)


@test
def the_heartbeat_may_be_off_or_go_elsewhere() -> None:
    """As without hand-over."""
    with Jail("/bin/act", "sleep", "500", config=CONFIG + "heartbeat = off\n") as j:
        j.end()
        same((j.code, j.parent.attempts), (0, []), "the end, and attempts")
    with Jail(*SLEEP, config=CONFIG + "heartbeat-port = 7000\n") as j:
        taken_over(j)
        same([a.split()[:2] for a in j.parent.attempts], [["3", "7000"]], "the attempts")


# --- stops ---

@test
def a_program_that_cannot_be_executed_is_a_stop() -> None:
    """Step 8, with a negative heartbeat, and all of PID 1 to end the machine with."""
    files = Tree()
    files.file("bin/plain", "no program", 0o644)
    files.file("bin/lost", "#!/bin/none\n", 0o755)
    files.file("bin/cut", app("act")[:200], 0o755)
    for cmd, fault in ((("/bin/none",), "/bin/none: not found"),
                       (("none",), f"none: not found, PATH searched: {DEFAULT_PATH}"),
                       (("/bin/plain",), "/bin/plain: not an executable file"),
                       (("/bin/lost",), "/bin/lost: its interpreter /bin/none cannot be run: No such file or directory"),
                       (("/bin/cut",), "/bin/cut: ")):
        with Jail(*cmd, config=CONFIG, files=files) as j:
            j.restarted()
            check(any(line.startswith(f"init: spawn: {fault}") for line in j.log()), f"not said: {fault}, but {j.log()}")
            same(j.log()[-1], "init: end: boot: stopped in step 8, spawn", "the last line")
            same(j.parent.received, [8], "the parent received")


@test
def a_stop_after_its_privileges_were_taken_ends_as_well() -> None:
    """They are the program's; what ends the machine needs none of them."""
    files = Tree()
    files.file("bin/lost", "#!/bin/none\n", 0o755)
    config = CONFIG + "no-new-privileges = yes\nlimit-nofile = 3:3\nlimit-nproc = 1:1\nworkdir = /bin\n"
    with Jail("/bin/lost", config=config, files=files) as j:
        j.expect_stop(8, "spawn", "/bin/lost: its interpreter /bin/none cannot be run: No such file or directory")
    with Jail("/bin/act", config=CONFIG + "workdir = /none\n") as j:
        j.expect_stop(8, "spawn", "workdir /none: No such file or directory")


@test
def a_parent_hears_of_a_stop_before_it_too() -> None:
    """The child that waits says which step failed, whatever it would have said."""
    with Jail(no_cmd=True, config=CONFIG) as j:
        j.expect_stop(3, "spec", "/cmd: No such file or directory")
