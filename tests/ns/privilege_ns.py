"""Who a process is and what it may do: the keys of users, groups, limits and privileges, as /proc shows them."""

import struct
from pathlib import Path

from .lib import IS_ROOT, Jail, Skip, Tree, check, same, status, strings, test

SLEEP = ("/bin/act", "sleep", "600000")
PEOPLE = {"etc/passwd": b"root:x:0:0:root:/root:/bin/sh\napp:x:1000:50:App:/home/app:/bin/act\n",
          "etc/group": b"root:x:0:\nstaff:x:50:\nvideo:x:44:app\naudio:x:45:\n"}


def people() -> Tree:
    files = Tree()
    for name, text in PEOPLE.items():
        files.file(name, text)
    return files


def number(pid: int, key: str) -> list[int]:
    """Those of the namespace: the jail's users may be others outside."""
    return [int(n) % 100000 for n in status(pid, key).split()]


def need_root() -> None:
    if not IS_ROOT:
        raise Skip("needs to be root for other users")


# --- users and groups ---

@test
def a_user_has_what_a_login_gives() -> None:
    """USER, LOGNAME, SHELL, HOME, where the image does not say them."""
    need_root()
    with Jail(*SLEEP, env=("LOGNAME=mine",), files=people(), config="user = app\n") as j:
        j.started()
        found = dict(v.split("=", 1) for v in strings(j.app, "environ"))
        same({k: found.get(k) for k in ("HOME", "USER", "LOGNAME", "SHELL")},
             {"HOME": "/home/app", "USER": "app", "LOGNAME": "mine", "SHELL": "/bin/act"}, "the environment")
    with Jail(*SLEEP, files=people(), config="user = 77\n") as j:
        j.started()
        found = dict(v.split("=", 1) for v in strings(j.app, "environ"))
        check("USER" not in found and "LOGNAME" not in found, f"{found}")
        same((found["HOME"], found["SHELL"]), ("/", "/bin/sh"), "of a number")


@test
def a_group_stands_for_the_users() -> None:
    """group alone is root's group; with a user it is the only one."""
    need_root()
    for config, uid, gid, groups in (("user = app\n", 1000, 50, [44, 50]), ("user = app\ngroup = audio\n", 1000, 45, [45]),
                                     ("group = 45\n", 0, 45, [45])):
        with Jail(*SLEEP, files=people(), config=config) as j:
            j.started()
            same((number(j.app, "Uid")[0], number(j.app, "Gid")[0], sorted(number(j.app, "Groups"))), (uid, gid, groups), config)


@test
def supplementary_groups_are_added() -> None:
    """By name and number, once each, to those of /etc/group; root has them, too."""
    need_root()
    for config, groups in (("user = app\nsupplementary-groups = audio 45 99\n", [44, 45, 50, 99]),
                           ("supplementary-groups = video\n", [0, 44])):
        with Jail(*SLEEP, files=people(), config=config) as j:
            j.started()
            same(sorted(number(j.app, "Groups")), groups, config)
    with Jail(*SLEEP, files=people(), config="supplementary-groups = video nosuch\n") as j:
        j.expect_stop(8, "spawn", "group nosuch: not in /etc/group")


# --- limits ---

@test
def limits_are_set() -> None:
    """Each of them, soft and hard, lowered: as /proc shows them."""
    names = {"as": "Max address space", "core": "Max core file size", "cpu": "Max cpu time", "data": "Max data size",
             "fsize": "Max file size", "locks": "Max file locks", "memlock": "Max locked memory",
             "msgqueue": "Max msgqueue size", "nice": "Max nice priority", "nofile": "Max open files",
             "nproc": "Max processes", "rss": "Max resident set", "rtprio": "Max realtime priority",
             "rttime": "Max realtime timeout", "sigpending": "Max pending signals", "stack": "Max stack size"}
    values = {**dict.fromkeys(names, 500), "as": 10**9, "data": 10**8, "fsize": 10**6, "stack": 10**6, "nice": 0, "rtprio": 0}
    config = "".join(f"limit-{n} = {values[n]}\n" for n in names if n != "nofile")
    with Jail(*SLEEP, config=config + "limit-nofile = 55:66\n") as j:
        j.wait(lambda: j.parent.received or j.code is not None, "a heartbeat")
        check(j.parent.received == [0xb7], j.text)
        j.started()
        lines = Path(f"/proc/{j.app}/limits").read_text().splitlines()
        for key, name in names.items():
            words = next(line for line in lines if line.startswith(name))[len(name):].split()
            same(words[:2], ["55", "66"] if key == "nofile" else [str(values[key])] * 2, key)


@test
def nice_oom_score_and_umask_are_set() -> None:
    """And what is not said is as it was."""
    with Jail(*SLEEP, config="nice = 5\noom-score-adjust = 500\numask = 027\n[x]\ncommand = act sleep 600000\n") as j:
        j.wait(lambda: j.parent.received, "a heartbeat")
        j.wait(lambda: len(j.children()) == 2, "the heartbeat's child is gone")
        main, x = sorted(j.children(), key=lambda p: -int(Path(f"/proc/{p}/oom_score_adj").read_text()))
        for pid, nice, score, umask in ((main, 5, 500, "0027"), (x, 0, 0, "0022")):
            same(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[16], str(nice), "nice")
            same(int(Path(f"/proc/{pid}/oom_score_adj").read_text()), score, "the score")
            same(status(pid, "Umask"), umask, "umask")


@test
def a_limit_that_cannot_be_had_stops() -> None:
    """By its key, before the program has run."""
    with Jail(*SLEEP, config="limit-nofile = 1000000000\n") as j:
        j.expect_stop(8, "spawn", "/bin/act: limit-nofile: Operation not permitted")


# --- where its input is from ---

@test
def stdin_and_terminal_are_the_applications() -> None:
    """The console by default, which controls it by configuration alone; null takes it away; a service has neither."""
    def tty(pid: int) -> int:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[4])
    for config, console, controlled in (("", True, False), ("terminal = no\n", True, False), ("terminal = yes\n", True, True),
                                        ("stdin = null\nterminal = yes\n", False, True),
                                        ("stdin = null\nstdout = null\nstderr = null\nterminal = yes\n", False, True)):
        with Jail(*SLEEP, config=config) as j:
            j.started()
            same(str(Path(f"/proc/{j.app}/fd/0").readlink()) != "/dev/null", console, f"standard input with {config!r}")
            same(tty(j.app) != 0, controlled, f"a terminal with {config!r}")
    with Jail(*SLEEP, config="[x]\ncommand = act ignore-term sleep 600000\n") as j:
        j.wait(lambda: j.parent.received, "a heartbeat")
        j.wait(lambda: len(j.children()) == 2, "the heartbeat's child is gone")
        x = next(p for p in j.children() if b"ignore" in Path(f"/proc/{p}/cmdline").read_bytes())
        same((str(Path(f"/proc/{x}/fd/0").readlink()), tty(x)), ("/dev/null", 0), "of the service")
    with Jail(*SLEEP, config="terminal = yes\n[x]\ncommand = act sleep 600000\nterminal = yes\n") as j:
        j.wait(lambda: j.parent.received, "a heartbeat")
        j.wait(lambda: len(j.children()) == 2, "the heartbeat's child is gone")
        same(sorted(tty(p) != 0 for p in j.children()), [False, True], "which of two has the terminal")


# --- privileges ---

@test
def capabilities_are_bounded_and_raised() -> None:
    """capability-bounding-set, ambient-capabilities, securebits: of a user, too."""
    need_root()
    bind = f"{1 << 10:016x}"
    with Jail(*SLEEP, files=people(), config="user = app\ncapability-bounding-set = CAP_NET_BIND_SERVICE\n"
              "ambient-capabilities = net_bind_service\n") as j:
        j.started()
        same([status(j.app, f"Cap{k}") for k in ("Bnd", "Amb", "Eff")], [bind] * 3, "capabilities")
    with Jail(*SLEEP, config="capability-bounding-set = none\n") as j:
        j.started()
        same([status(j.app, f"Cap{k}") for k in ("Bnd", "Eff")], ["0" * 16] * 2, "capabilities")
    with Jail(*SLEEP, config="securebits = noroot noroot-locked\n") as j:
        j.started()
        same(status(j.app, "CapEff"), "0" * 16, "capabilities")


@test
def new_privileges_may_be_refused() -> None:
    """no-new-privileges, which is not set without being asked for."""
    for config, value in (("", "0"), ("no-new-privileges = yes\n", "1"), ("no-new-privileges = no\n", "0")):
        with Jail(*SLEEP, config=config) as j:
            j.started()
            same(status(j.app, "NoNewPrivs"), value, config)


def bpf(*code: tuple[int, int, int, int]) -> bytes:
    return b"".join(struct.pack("<HBBI", *c) for c in code)


def forbid(*numbers: int, action: int = 0x50000 | 1) -> bytes:
    """A filter that has these calls fail."""
    n = len(numbers)
    return bpf((0x20, 0, 0, 0), *((0x15, n - i, 0, nr) for i, nr in enumerate(numbers)), (6, 0, 0, 0x7fff0000),
               (6, 0, 0, action))


@test
def a_filter_of_calls_is_set() -> None:
    """seccomp: the application has it, after all else was done; what is still needed may not be in it."""
    files = people()
    files.file("etc/filter", forbid(105, 157, 140))  # setuid, prctl, getpriority
    for config in ("", "user = app\n" if IS_ROOT else ""):
        with Jail(*SLEEP, files=files, config=f"{config}seccomp = /etc/filter\n") as j:
            j.started()
            same(status(j.app, "Seccomp"), "2", "a filter")
    for code, fault in ((forbid(59), "it forbids execve"), (forbid(1), "it forbids write"), (forbid(231), "it forbids exit_group"),
                        (b"", "not 1 to 4096 instructions of 8 bytes"), (b"x" * 9, "not 1 to 4096 instructions of 8 bytes"),
                        (b"x" * 40000, "not 1 to 4096 instructions of 8 bytes"), (b"x" * 16, "no filter that the kernel takes")):
        files.file("etc/filter", code)
        with Jail(*SLEEP, files=files, config="seccomp = /etc/filter\n") as j:
            j.expect_stop(8, "spawn", f"seccomp /etc/filter: {fault}")
    files.file("etc/filter", forbid(228))  # clock_gettime, by which PID 1 waits: with hand-over the filter is its own
    with Jail(*SLEEP, files=files, config="seccomp = /etc/filter\n") as j:
        j.started()
    with Jail(*SLEEP, files=files, config="hand-over = yes\nseccomp = /etc/filter\n") as j:
        j.expect_stop(8, "spawn", "seccomp /etc/filter: it forbids clock_gettime")
    with Jail(*SLEEP, config="seccomp = /etc/none\n") as j:
        j.expect_stop(8, "spawn", "seccomp /etc/none: No such file or directory")
