"""/enclave-init.conf and /nsm: what runs and how, PCRs, the device's owner and mode, the tool."""

import hashlib
import os
import signal
import stat

from .boot_ns import ENDED, SLEEP, STARTED
from .lib import DEFAULT_PATH, IS_ROOT, Jail, Skip, Tree, app, check, same, soon, strings, test

TOOL = "/run/enclave/bin/nsm"


def digest(name: bytes, content: bytes) -> str:
    """The 48 bytes that nsm/nsmc.h says, as hex."""
    return hashlib.sha384(b"enclave-init measurement 1\0" + len(name).to_bytes(8, "big") + name
                          + len(content).to_bytes(8, "big") + content).hexdigest()


def requests(j: Jail) -> list[str]:
    return [r.removeprefix("nsm ") for r in j.record_lines() if r.startswith("nsm ")]


# --- the file ---

@test
def config_faults_stop_with_line_and_column() -> None:
    """And with the nearest key where there is no such; nothing of the image has run, nor the NSM."""
    for config, fault in (
            ("# x\n\nnsm-mod = 0\n", "line 3, column 1: no such key, the nearest is nsm-mode"),
            ("pcr-extend = 16 data a b\nnsm-mode = 8\n", "line 2, column 12: not an octal number"),
            ("pcr-lock = 16\npcr-extend = 16 data a b",
             "line 2, column 14: this PCR is locked further up"),
            ("pcr-lock = 16 15\n", "line 1, column 15: not a PCR from 16 to 31"),
            ("nsm-owner = 1\n\tnsm-owner = 2\n", "line 2, column 2: this key is there already"),
            ("pcr-lock = 16\0\n", "line 1, column 14: a control character"),
            ("# " + "x" * 65536, "longer than 64 KiB")):
        with Jail("/bin/act", config=config) as j:
            j.expect_stop(3, "spec", f"/enclave-init.conf: {fault}")
            check("nsm GetRandom" not in j.record_lines(), "the NSM was asked")
    with Jail("/bin/act", change=lambda _, image: image.dir("enclave-init.conf")) as j:
        j.expect_stop(3, "spec", "/enclave-init.conf: Is a directory")
    with Jail("/bin/act", change=lambda _, image: image.link("enclave-init.conf", "gone")) as j:
        j.expect_stop(3, "spec", "/enclave-init.conf: No such file or directory")


@test
def config_of_the_image_is_read() -> None:
    """Where the ramdisk has none; its links stay in the image, its faults have its name."""
    for name, link in (("etc/enclave-init.conf", ""), ("srv/c", "../../../srv/c"), ("srv/c", "/srv/c")):
        files = Tree()
        files.file(name, "workdir = /bin\n")
        if link:
            files.link("etc/enclave-init.conf", link)
        with Jail(*SLEEP, files=files) as j:
            j.started()
            same(os.readlink(f"/proc/{j.app}/cwd"), "/bin", "the folder")
    with Jail(*SLEEP, files=files, config="# it is this one\n") as j:
        j.started()
        same(os.readlink(f"/proc/{j.app}/cwd"), "/", "the folder")

    wrong, out, links = Tree(), Tree(), Tree()
    wrong.file("etc/enclave-init.conf", "x = 1\n")
    out.link("etc/enclave-init.conf", "../../outside.conf")
    links.link("etc/enclave-init.conf", "enclave-init.conf")
    for files, fault in ((wrong, "line 1, column 1: no such key, the nearest is dns"),
                         (out, "No such file or directory"), (links, "Symbolic link loop")):
        with Jail("/bin/act", files=files, boot_files={"outside.conf": b"workdir = /bin\n"}) as j:
            j.expect_stop(3, "spec", f"/etc/enclave-init.conf: {fault}")


@test
def config_that_asks_for_nothing_changes_nothing() -> None:
    """Missing, empty, of comments, of the largest size: but that the device is not open to all."""
    for config in (None, "", "# nothing\n", "#" + "x" * 65535):
        with Jail("/bin/probe", config=config, options=("-n",)) as j:
            j.restarted()
            same(requests(j), ["open", "GetRandom"], "what the NSM was asked")
            mode = "100666" if config is None else "100600"
            check(f"/dev/nsm {mode} 0:0" in j.facts("path"), f"/dev/nsm: {j.facts('path')}")
            check(not any("/run/enclave" in p for p in j.facts("path")), "/run/enclave is there")
            same(len(j.log()), 2, "lines of log")


# --- what runs ---

@test
def command_of_the_configuration_wins() -> None:
    """Over /cmd, which may be missing or wrong; newlines, quotes and empty words arrive."""
    config = 'command = /bin/act sleep 600000 "two\\nlines" "" "a \\"b\\" \\\\ \\xc3\\xa4" \\n'
    for image in ({"raw_cmd": b"/bin/nosuch\nx\n"}, {"no_cmd": True}, {"raw_cmd": b""},
                  {"raw_cmd": b"a\0b"}):
        with Jail(config=config, **image) as j:
            j.started()
            same(strings(j.app, "cmdline"),
                 [*SLEEP, "two\nlines", "", 'a "b" \\ \u00e4', "\\n"], "the arguments")
    with Jail(config='command = act say "x y"', env=("PATH=/sbin:/bin",)) as j:
        j.expect_end("/bin/act", "exited with code 0")
        j.expect(say="x y")
    with Jail(config="workdir = /", no_cmd=True) as j:
        j.expect_stop(3, "spec", "/cmd: No such file or directory")


@test
def environment_of_the_configuration_is_added() -> None:
    """Behind /env's; a name that is in both has the configuration's value, once."""
    config = ('environment = "A=two\\nlines" C=\n'
              'environment = PATH=/bin\n')
    with Jail(*SLEEP, env=("A=1", "AB=2", "C=3", "A=4", "D=5"), config=config) as j:
        j.started()
        same(strings(j.app, "environ"),
             ["AB=2", "D=5", "A=two\nlines", "C=", "PATH=/bin", "HOME=/"], "the environment")
    with Jail(*SLEEP, env=None, config=config) as j:
        j.started()
        same(strings(j.app, "environ"), ["A=two\nlines", "C=", "PATH=/bin", "HOME=/"],
             "the environment")
    many = "".join(f"environment = V{i}=x\n" for i in range(1024))
    with Jail(*SLEEP, env=("V7=y", "KEPT=z"), config=many) as j:
        j.started()
        same(strings(j.app, "environ"), ["KEPT=z", *(f"V{i}=x" for i in range(1024)),
                                         f"PATH={DEFAULT_PATH}", "HOME=/"], "the environment")


@test
def words_that_make_no_sense_stop() -> None:
    """A quote that does not end, an escape that is none, a variable that is there already."""
    for config, fault in (
            ('command = a "b\n', "line 1, column 13: no closing quote"),
            ('command = "a\\x00"\n', "line 1, column 13: a NUL byte"),
            ('command = "\\e"\n',
             'line 1, column 12: not one of \\\\ \\" \\n \\t \\r \\xHH'),
            ('command = "" a\n', "line 1, column 11: it names no program"),
            ("environment = A=1\nenvironment = A=1\n",
             "line 2, column 15: this variable is there already"),
            ("workdir = srv\n", "line 1, column 11: not an absolute path"),
            ("user = a:b:c\n", "line 1, column 10: neither USER nor USER:GROUP"),
            ("stop-signal = SIGFOO\n", "line 1, column 15: no such signal"),
            ("cmd = a\n", "line 1, column 1: no such key, the nearest is command")):
        with Jail("/bin/act", config=config) as j:
            j.expect_stop(3, "spec", f"/enclave-init.conf: {fault}")


# --- where it runs ---

@test
def workdir_is_the_applications() -> None:
    """Relative names are looked up there, in PATH too; PID 1 does not stay."""
    files = Tree()
    files.file("srv/my app/run", app("act"), 0o755)
    files.file("srv/my app/bin/tool", app("act"), 0o755)
    files.link("srv/link", "/srv/my app")
    arguments = ("sleep", "600000")
    for workdir, name, env in (("/srv/my app", "./run", ()), ("/srv/link", "./run", ()),
                               ("/srv//my app/.", "run", ("PATH=:/bin",)),
                               ("/srv/my app/", "tool", ("PATH=/bin:bin",)),
                               ("/srv/my app", "bin/tool", ())):
        with Jail(name, *arguments, files=files, env=env, config=f"workdir = {workdir}") as j:
            j.started()
            same(os.readlink(f"/proc/{j.app}/cwd"), "/srv/my app", f"the folder of {workdir}")
            same(os.readlink(f"/proc/{j.init}/cwd"), "/", "PID 1's")
            same(strings(j.app, "cmdline"), [name, *arguments], "the arguments")


@test
def workdir_that_is_none_stops() -> None:
    """It is missing, a file, a link to nothing; nor is it one of the boot ramdisk."""
    files = Tree()
    files.file("file", "x")
    files.link("gone", "nowhere")
    for path, fault in (("/nosuch", "No such file or directory"), ("/file", "Not a directory"),
                        ("/gone", "No such file or directory"),
                        ("/rootfs", "No such file or directory"),
                        ("/" + "x" * 256, "Filename too long")):
        with Jail("/bin/act", files=files, config=f"workdir = {path}") as j:
            j.expect_stop(8, "spawn", f"workdir {path}: {fault}")
    with Jail("./act", files=files, config="workdir = /file/..") as j:
        j.expect_stop(8, "spawn", "workdir /file/..: Not a directory")
    with Jail("./nosuch", config="workdir = /bin") as j:
        j.expect_stop(8, "spawn", "./nosuch: not found")


# --- as whom ---

PASSWD = ("root:x:0:0:root:/root:/bin/sh\n# comment\n:x:3:3::/:\nbad:x:y:3::/:\n"
          "app:x:1000:1001:An App:/home/app:/bin/sh\nnohome:x:1002:1003\n")
GROUP = "root:x:0:\napps:x:1001:\none:x:2001:app\ntwo:x:2002:other,app\nthree:x:2003:apps"


def people() -> Tree:
    files = Tree()
    files.file("etc/passwd", PASSWD)
    files.file("etc/group", GROUP)
    return files


def identity(j: Jail) -> str:
    """What the kernel says of the application: uid, gid, groups, HOME."""
    uids, gids = j.fact("self.Uid").split("\\x09"), j.fact("self.Gid").split("\\x09")
    same((len(set(uids)), len(set(gids))), (1, 1), "IDs real, effective, saved and of files")
    home = [e for e in j.facts("env") if e.startswith("[HOME=")]
    same(len(home), 1, "times HOME")
    return f"{uids[0]}:{gids[0]} {j.fact('self.Groups').strip()} {home[0][6:-1]}"


@test
def user_is_looked_up_in_the_image() -> None:
    """Names and numbers, as container runtimes do; HOME is the user's."""
    if not IS_ROOT:
        raise Skip("needs to be root for other users")
    for user, wanted in (("app", "1000:1001 1001 2001 2002 /home/app"),
                         ("1000", "1000:1001 1001 2001 2002 /home/app"),
                         ("app:two", "1000:2002 2002 /home/app"),
                         ("app:0", "1000:0 0 /home/app"), ("nohome", "1002:1003 1003 /"),
                         ("4711", "4711:0 0 /"), ("4711:apps", "4711:1001 1001 /"),
                         ("4711:4712", "4711:4712 4712 /"), ("root", "0:0 0 /root"),
                         ("0", "0:0 0 /root")):
        with Jail("/bin/probe", files=people(), config=f"user = {user}") as j:
            j.restarted()
            same(identity(j), wanted, user)
            check(j.log()[-2:] == [STARTED.replace("act", "probe"), ENDED.replace("act", "probe")],
                  f"{j.log()}")
    with Jail("/bin/probe", files=people(), config="user = app", env=("HOME=/mine",)) as j:
        j.restarted()
        same(identity(j), "1000:1001 1001 2001 2002 /mine", "HOME of /env")
    with Jail("/bin/probe", config="user = 7") as j:
        j.restarted()
        same(identity(j), "7:0 0 /", "a number without files")
    with Jail("/bin/probe", files=people()) as j:
        j.restarted()
        same(j.fact("self.Uid").split("\\x09")[0], "0", "without a user")


@test
def user_or_group_that_is_unknown_stops() -> None:
    """With the name and the file; a file that a number does not need may be missing."""
    for config, fault in (("user = nobody", "user nobody: not in /etc/passwd"),
                          ("user = bad", "user bad: not in /etc/passwd"),
                          ("user = nobody:0", "user nobody: not in /etc/passwd"),
                          ("user = app:app", "group app: not in /etc/group")):
        with Jail("/bin/act", files=people(), config=config) as j:
            j.expect_stop(8, "spawn", fault)
    for config, fault in (("user = app", "user app: there is no /etc/passwd"),
                          ("user = 0:apps", "group apps: there is no /etc/group")):
        with Jail("/bin/act", config=config) as j:
            j.expect_stop(8, "spawn", fault)
    for name in "passwd", "group":
        files = people()
        del files.entries[f"etc/{name}"]
        files.dir(f"etc/{name}")
        with Jail("/bin/act", files=files, config="user = 0:0") as j:
            j.expect_stop(7, "mounts", f"/etc/{name}: Is a directory")
        files = people()
        files.file(f"etc/{name}", "#" + "x" * (1 << 20))
        with Jail("/bin/act", files=files, config="user = 0:0") as j:
            j.expect_stop(7, "mounts", f"/etc/{name}: longer than 1 MiB")
    files = people()
    files.file("etc/group", "".join(f"g{i}:x:{i + 5000}:app\n" for i in range(64)))
    with Jail("/bin/act", files=files, config="user = app") as j:
        j.expect_stop(8, "spawn", "user app: in more than 63 groups of /etc/group")
    files.file("etc/passwd", f"app:x:1:1::/{'h' * 4095}:\n")
    with Jail("/bin/act", files=files, config="user = app:1") as j:
        j.expect_stop(8, "spawn", "user app: a home longer than 4095 bytes")


@test
def user_that_cannot_be_stops() -> None:
    """The kernel refuses, or the program is not that user's to run."""
    with Jail("/bin/act", config="user = 4294967294") as j:
        j.restarted()
        check(j.log()[-1] == "init: end: boot: stopped in step 8, spawn", f"{j.log()}")
        check(j.log()[-2].startswith("init: spawn: /bin/act: it cannot become user 4294967294: "),
              f"{j.log()}")
    if not IS_ROOT:
        return
    files = people()
    files.file("bin/private", app("act"), 0o700)
    with Jail("/bin/private", files=files, config="user = app") as j:
        j.expect_stop(8, "spawn", "/bin/private: Permission denied, as user app")
    with Jail("/bin/private", files=files, config="user = root") as j:
        j.expect_end("/bin/private", "exited with code 0")


@test
def user_may_use_run_as_the_image_has_it() -> None:
    """Its owner and mode are the image's; those of /tmp are not, which builders make 0755."""
    if not IS_ROOT:
        raise Skip("needs to be root for other users")
    files = people()
    files.dir("run", 0o1770, uid=1000, gid=1001)
    files.dir("tmp", 0o700)
    with Jail("/bin/probe", files=files, config="user = app", mount_points=("dev", "proc", "sys")) as j:
        j.restarted()
        check("/run 041770 1000:1001" in j.facts("path"),
              f"{[p for p in j.facts('path') if p.startswith('/run ')]}")
        check("/tmp 041777 0:0" in j.facts("path"), "the mode of /tmp")


@test
def user_may_listen_on_every_port() -> None:
    """As in a container: ports below 1024 are no privilege."""
    if not IS_ROOT:
        raise Skip("needs to be root for other users")
    with Jail("/bin/act", "listen", "80", files=people(), config="user = app") as j:
        j.restarted()
        j.expect(listen80="ok")


@test
def user_finds_the_program_that_is_the_users_to_run() -> None:
    """In PATH, past folders and files that are root's alone; a path is what it is."""
    if not IS_ROOT:
        raise Skip("needs to be root for other users")
    files = people()
    files.dir("root", 0o700)
    files.file("root/bin/tool", app("act"), 0o755)
    files.file("sbin/tool", app("act"), 0o700)
    files.file("usr/bin/tool", app("act"), 0o755)
    files.file("usr/bin/only", app("act"), 0o750, gid=2002)
    path = "PATH=/root/bin:/sbin:/usr/bin"
    for user, name, found in (("app", "tool", "/usr/bin/tool"), ("root", "tool", "/root/bin/tool"),
                              ("app", "only", "/usr/bin/only")):
        with Jail(name, files=files, env=(path,), config=f"user = {user}") as j:
            j.expect_end(found, "exited with code 0")
    with Jail("tool", files=files, env=("PATH=/root/bin:/sbin",), config="user = app") as j:
        j.expect_stop(8, "spawn", "/root/bin/tool: Permission denied, as user app")
    with Jail("only", files=files, env=(path,), config="user = app:apps") as j:
        j.expect_stop(8, "spawn", "/usr/bin/only: Permission denied, as user app")
    with Jail("none", files=files, env=(path,), config="user = app") as j:
        j.expect_stop(8, "spawn", "none: not found, PATH searched: /root/bin:/sbin:/usr/bin")


# --- how it is asked to stop ---

@test
def stop_signal_stands_for_term() -> None:
    """What PID 1 is told by TERM; other signals are themselves."""
    for text, sent, wanted in (("SIGQUIT", signal.SIGTERM, "killed by SIGQUIT"),
                               ("int", signal.SIGTERM, "killed by SIGINT"),
                               ("SIGRTMIN+3", signal.SIGTERM, "killed by signal 37"),
                               ("9", signal.SIGTERM, "killed by SIGKILL"),
                               ("SIGQUIT", signal.SIGUSR1, "killed by SIGUSR1"),
                               ("SIGQUIT", signal.SIGINT, "killed by SIGINT")):
        with Jail(*SLEEP, config=f"stop-signal = {text}") as j:
            j.started()
            os.kill(j.init, sent)
            j.restarted()
            # A machine that has run out of memory before says so of a KILL.
            check(j.log()[-1] in (f"init: end: /bin/act: {wanted}",
                                  "init: end: /bin/act: killed: out of memory"), f"{j.log()}")


@test
def stop_signal_is_the_groups_at_the_end() -> None:
    """What is left of the application's group gets it, all get TERM; without it TERM alone."""
    def polite() -> float:
        with Jail("/bin/act", "leave-polite", "leave-in-group", config="stop-signal = QUIT") as j:
            j.expect_end("/bin/act", "exited with code 0")
            if j.seconds > 1.9:  # what they did not do within two seconds they did not do at all
                return j.seconds
            same(j.facts("group"), ["QUIT", "TERM"], "the group got")
            same(j.facts("polite"), ["TERM"], "the other got")
            return j.seconds
    soon(polite, 1.9, "the end of a group that obeys the signal")

    def term_alone() -> float:
        with Jail("/bin/act", "leave-in-group") as j:
            j.expect_end("/bin/act", "exited with code 0")
            if j.seconds < 1.9:
                same(j.facts("group"), ["TERM"], "the group got")
            return j.seconds
    soon(term_alone, 1.9, "the end of a group without the signal")


# --- PCRs ---

@test
def pcrs_are_extended_in_order_then_locked() -> None:
    """Each by reading it before and after; of a file, its content below /rootfs."""
    content = bytes(range(256)) * 100 + b"x"
    files = Tree()
    files.file("etc/app/conf", content, 0o600)
    files.file("empty", "")
    config = ("pcr-extend = 17 data version 1.2 of today \n"
              "pcr-extend = 16 file conf /etc/app/conf\n"
              "pcr-extend = 17 data nothing\n"
              "pcr-extend = 31 file version /empty\n"
              "pcr-lock = 31 16-18")
    with Jail("/bin/act", config=config, files=files) as j:
        j.restarted()
        done = [f"DescribePCR {n}\nExtendPCR {n} {d}\nDescribePCR {n}".split("\n") for n, d in (
            (17, digest(b"version", b"1.2 of today")), (16, digest(b"conf", content)),
            (17, digest(b"nothing", b"")), (31, digest(b"version", b"")))]
        done += [[f"DescribePCR {n}", f"LockPCR {n}", f"DescribePCR {n}"]
                 for n in (16, 17, 18, 31)]
        same(requests(j), ["open", "GetRandom", *(r for d in done for r in d)], "the requests")
        j.expect_log(STARTED, ENDED)
        check(j.record_lines().index("pool 256 bytes, 0 to 255") <
              j.record_lines().index("nsm DescribePCR 17"), "the pool is seeded first")


@test
def pcrs_are_told_in_debug_mode() -> None:
    """With init_debug: what was extended and what the PCR holds then."""
    value = hashlib.sha384(bytes(48) + bytes.fromhex(digest(b"n", b"v"))).hexdigest()
    with Jail("/bin/act", config="pcr-extend = 20 data n v\npcr-lock = 20", words=("init_debug",)) as j:
        j.restarted()
        for text in (f"init: entropy: PCR20: extended with n: {value} (",
                     f"init: entropy: PCR20: locked: {value} ("):
            check(any(line.startswith(text) for line in j.log()), f"no {text}")


@test
def pcrs_extended_and_left_open_are_a_warning() -> None:
    """It is in no document, and open to the application."""
    with Jail("/bin/act", config="pcr-extend = 16 data n v\npcr-extend = 17 data n v\n"
                                 "pcr-lock = 16") as j:
        j.restarted()
        j.expect_log("init: entropy: PCR17: extended, but not locked: no document attests it",
                     STARTED, ENDED)


@test
def pcrs_that_do_not_take_stop_the_boot() -> None:
    """Locked already, an extension or a lock that is only said to be, one that changes a PCR."""
    config = "pcr-extend = 16 data first x\npcr-extend = 17 data second x\npcr-lock = 16 17\n"
    for word, fault in (
            ("PCR_READ_ONLY", "second: not extended: ReadOnlyIndex"),
            ("PCR_STAYS", "second: not extended: the PCR does not hold what its extension gives"),
            ("PCR_ANSWERS_LIE",
             "second: not extended: the PCR does not hold what its extension gives"),
            ("PCR_STAYS_OPEN", "not locked: the PCR is not locked, or changed while it was"),
            ("PCR_LOCK_CHANGES", "not locked: the PCR is not locked, or changed while it was")):
        with Jail("/bin/act", config=config, **{word: 17}) as j:
            j.expect_stop(5, "entropy", f"PCR17: {fault}")


@test
def pcrs_locked_already_may_be_locked() -> None:
    """Who locks alone asks for no more."""
    with Jail("/bin/act", config="pcr-lock = 17", PCR_READ_ONLY=17) as j:
        j.restarted()
        j.expect_log(STARTED, ENDED)
        same(requests(j)[2:], ["DescribePCR 17", "DescribePCR 17"], "the requests")


@test
def nsm_that_fails_over_a_pcr_stops_the_boot() -> None:
    """At each of the requests; a dead one is not asked whether this is debug mode."""
    config = "pcr-extend = 16 data n x\npcr-lock = 16\n"
    for at, said in (2, "n: not extended"), (3, "n: not extended"), (4, "n: not extended"), \
            (5, "not locked"), (6, "not locked"), (7, "not locked"):
        with Jail("/bin/act", config=config, NSM_FAULTS_FROM=at, NSM_REFUSAL="InternalError") as j:
            j.expect_stop(5, "entropy", f"PCR16: {said}: InternalError")
    with Jail("/bin/act", config=config, NSM_FAULTS_FROM=3, NSM_CUT=1) as j:
        j.expect_stop(5, "entropy", "PCR16: n: not extended: the NSM's answer is cut short")
    with Jail("/bin/act", config=config, NSM_FAULTS_FROM=4, NSM_ERRNO=110) as j:
        j.expect_stop(5, "entropy", "PCR16: n: not extended: Operation timed out")
        same(requests(j)[-1], "DescribePCR 16", "the last that the NSM was asked")


@test
def what_is_measured_is_the_file_itself() -> None:
    """No link on the way or at its end, no folder, no fifo, no absent file."""
    files = Tree()
    files.file("srv/real/conf", "x")
    files.link("srv/conf", "real/conf")
    files.link("srv/link", "real")
    files.link("srv/up", "..")
    files.link("srv/out", "/cmd")
    files.dir("srv/folder")
    files.add("srv/fifo", stat.S_IFIFO | 0o644)
    link, config = "a symbolic link, which is not followed", "pcr-extend = 16 file n "
    for path, fault in (("/srv/conf", link), ("/srv/link/conf", link), ("/srv/up/srv/real/conf", link),
                        ("/srv/out", link), ("/srv/folder", "Is a directory"),
                        ("/srv/fifo", "not a regular file"),
                        ("/srv/none", "No such file or directory"),
                        ("/cmd", "No such file or directory"),
                        ("/srv/real/conf/x", "Not a directory")):
        with Jail("/bin/act", files=files, config=config + path) as j:
            j.expect_stop(5, "entropy", f"PCR16: n: {path}: {fault}")
            same([r for r in requests(j) if "Extend" in r], [], "extensions")
    path = "/srv" + "/x" * 2000
    with Jail("/bin/act", files=files, config=config + path) as j:
        j.expect_stop(5, "entropy", f"PCR16: n: {path[:512]}: No such file or directory")
    with Jail("/bin/act", rootfs=False, config=config + "/x") as j:
        j.expect_stop(5, "entropy", "PCR16: n: /x: No such file or directory")


# --- /dev/nsm ---

@test
def device_gets_owner_group_and_mode() -> None:
    """Each alone, and all; what is not named is root's, with 0660, or 0600 for a group 0 that nobody named."""
    cases = [("nsm-mode = 0640", "100640 0:0"), ("nsm-mode = 0", "100000 0:0")]
    if IS_ROOT:
        cases += [("nsm-owner = 12", "100600 12:0"), ("nsm-group = 34", "100660 0:34"),
                  ("nsm-owner = 12\nnsm-group = 34\nnsm-mode = 660", "100660 12:34")]
    for config, wanted in cases:
        with Jail("/bin/probe", config=config, options=("-n",)) as j:
            j.restarted()
            check(f"/dev/nsm {wanted}" in j.facts("path"),
                  f"{config!r}: {[p for p in j.facts('path') if 'nsm' in p]}")
            same(requests(j), ["open", "GetRandom"], "what the NSM was asked")
            same(len(j.log()), 2, "lines of log")


@test
def device_that_stays_open_stops_the_boot() -> None:
    """No such node, and a user that the kernel refuses."""
    with Jail("/bin/act", config="nsm-mode = 0600\n") as j:
        j.expect_stop(7, "mounts", "/dev/nsm: No such file or directory")
    with Jail("/bin/act", config="nsm-owner = 4294967294\n", options=("-n",)) as j:
        j.expect_stop(7, "mounts", "/dev/nsm: Invalid argument")


# --- the tool ---

@test
def tool_is_mounted_read_only() -> None:
    """/nsm of the boot ramdisk, whatever its mode there: root's, 0555, for all to run."""
    with Jail("/bin/act", "exec", TOOL, boot_files={"nsm": app("probe")}) as j:
        j.restarted()
        j.expect(done="yes")
        paths = {p.split(" ")[0]: p.split(" ", 1)[1] for p in j.facts("path")}
        same([paths[p] for p in ("/run/enclave", "/run/enclave/bin", TOOL)],
             ["040755 0:0", "040755 0:0", "100555 0:0"], "modes")
        mounts = [m.split(" ") for m in j.facts("mount") if m.startswith(f"{TOOL} ")]
        same(len(mounts), 1, "mounts")
        check({"ro", "nosuid", "nodev"} <= set(mounts[0][2].split(",")), f"{mounts[0]}")
        j.expect_log(STARTED, ENDED)
    with Jail("/bin/act", "change", TOOL, boot_files={"nsm": app("probe")}) as j:
        j.restarted()
        j.expect(write="Read-only file system", chmod="Read-only file system",
                 unlink="Resource busy")


@test
def tool_leaves_no_descriptor() -> None:
    """Neither in the application nor in PID 1."""
    def fds(**image) -> list[int]:
        with Jail(*SLEEP, **image) as j:
            j.started()
            return [len(os.listdir(f"/proc/{pid}/fd")) for pid in (j.init, j.app)]

    same(fds(boot_files={"nsm": app("act")}), fds(), "descriptors")


@test
def tool_stands_over_what_the_image_has_there() -> None:
    """Folders of the image's /run are kept; a file of that name is covered."""
    files = Tree()
    files.file("run/enclave/bin/nsm", "of the image", 0o644)
    files.file("run/enclave/bin/other", "kept")
    with Jail("/bin/act", "exec", TOOL, files=files, boot_files={"nsm": app("probe")}) as j:
        j.restarted()
        j.expect(done="yes")
        check("/run/enclave/bin/other 100644 0:0" in j.facts("path"), "the other file")
        same(len(j.log()), 2, "lines of log")


@test
def tool_is_led_nowhere_by_links() -> None:
    """A link in the image's /run is not followed: a warning, and nothing is mounted."""
    loop = "Symbolic link loop"
    for link, target in (("run/enclave", "/etc"), ("run/enclave/bin", "/bin"),
                         ("run/enclave/bin", "/nowhere"), ("run/enclave/bin/nsm", "/bin/act"),
                         ("run/enclave/bin/nsm", "nowhere")):
        files = Tree()
        files.dir("etc")
        files.link(link, target)
        with Jail("/bin/probe", files=files, boot_files={"nsm": app("act")}) as j:
            j.restarted()
            j.expect_log(f"init: mounts: {TOOL}: {loop}", STARTED.replace("act", "probe"),
                         ENDED.replace("act", "probe"))
            check(f"/{link} -> {target}" in j.facts("path"), "the link is left alone")
            check(not any(m.split(" ")[0].endswith(("/nsm", "/act")) for m in j.facts("mount")),
                  "it is mounted")


@test
def tool_that_cannot_be_put_is_a_warning() -> None:
    """A file or folder in the way; /nsm that is no file."""
    for name, in_the_way, fault in (
            ("run/enclave", False, "Not a directory"), ("run/enclave/bin", False, "Not a directory"),
            ("run/enclave/bin/nsm", True, "Invalid argument")):
        files = Tree()
        files.dir(name) if in_the_way else files.file(name, "x")
        with Jail("/bin/act", files=files, boot_files={"nsm": app("act")}) as j:
            j.restarted()
            j.expect_log(f"init: mounts: {TOOL}: {fault}", STARTED, ENDED)
    for change, fault in ((lambda boot, _: boot.dir("nsm"), "Invalid argument"),
                          (lambda boot, _: boot.link("nsm", "init"), "Symbolic link loop")):
        with Jail("/bin/act", change=change) as j:
            j.restarted()
            j.expect_log(f"init: root: /nsm: {fault}", STARTED, ENDED)


@test
def tool_needs_no_run_of_the_image() -> None:
    """An image without mount points; one whose /run is a file."""
    with Jail("/bin/act", "exec", TOOL, boot_files={"nsm": app("probe")},
              mount_points=("dev", "proc", "sys")) as j:
        j.restarted()
        j.expect(done="yes")
    files = Tree()
    files.file("run", "no directory")
    with Jail("/bin/act", files=files, mount_points=("dev", "proc", "sys"),
              boot_files={"nsm": app("act")}) as j:
        j.restarted()
        j.expect_log("init: mounts: /run: Not a directory", f"init: mounts: {TOOL}: Not a directory",
                     STARTED, ENDED)
