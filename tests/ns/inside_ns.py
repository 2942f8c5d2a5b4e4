"""PID 1's side of relay: a stand-in that keeps the contract of vsock/inside.h, or breaks it."""

import os
import signal
import subprocess
import tempfile
from pathlib import Path

from .lib import BUILD, DEADLINE_S, VERSION, Jail, Tree, app, check, same, status, strings, test
from .link_ns import lines_of, read_from_the_start, text_of, touch

READY = "forward = ready\n"
FOREVER = ("/bin/act", "sleep", "600000")


def jail(config: str, *cmd: str, place: str = "ramdisk", **more) -> Jail:
    """With the stand-in where PLACE says: in the boot ramdisk, in the image, or nowhere."""
    files = more.pop("files", Tree())
    if place == "image":
        files.file("usr/bin/enclave-relay", app("standin"), 0o755)
    boot = {"relay": app("standin")} if place == "ramdisk" else {}
    return Jail(*(cmd or FOREVER), config=config, boot_files=boot, files=files, **more)


def running(j: Jail) -> Jail:
    """The application runs, and the heartbeat is through."""
    j.wait(lambda: j.parent.received, "a heartbeat")
    return j


def relays(j: Jail) -> list[int]:
    """PID 1's children that are the stand-in, and none of its workers."""
    found = []
    for pid in j.children():
        try:
            if strings(pid, "cmdline")[:2] == ["relay", "inside"] and os.getsid(pid) == pid:
                found.append(pid)
        except (FileNotFoundError, ProcessLookupError):  # it has ended
            pass
    return found


def relay_of(j: Jail) -> int:
    found: list[int] = []

    def is_there() -> bool:
        found[:] = relays(j)
        return len(found) == 1
    j.wait(is_there, "one relay")
    return found[0]


# --- without it ---

@test
def without_its_keys_there_is_no_relay() -> None:
    """The program lies there, and nothing looks at it."""
    with jail("umask = 022\n") as j:
        running(j)
        j.wait(lambda: len(j.children()) == 1, "the application alone")
        check(not [line for line in j.log() if "relay" in line], "it is spoken of")


@test
def without_the_program_the_boot_stops() -> None:
    """In step 8, with the two places where it was looked for; nothing of the image has run."""
    with jail("forward = ready\n", "/bin/act", "say", "ran", place="") as j:
        j.expect_stop(8, "spawn", "relay: neither in the boot ramdisk (/relay) nor in the image (/usr/bin/enclave-relay)")
        same(j.facts("say"), [], "the application has run")


@test
def what_is_no_program_stops_the_boot() -> None:
    """Neither a text nor a folder in its place is taken for missing."""
    with Jail(*FOREVER, config=READY, boot_files={"relay": b"no program\n"}) as j:
        j.expect_stop(8, "spawn", "relay: Exec format error")
    with Jail(*FOREVER, config=READY, boot_files={"relay/file": b""}) as j:
        j.expect_stop(8, "spawn", "relay: Is a directory")


# --- the start ---

@test
def it_gets_what_was_agreed_on() -> None:
    """Arguments, descriptors, the plan with the numbers of the lines, and sealed memory, from both places."""
    config = ("# a comment\n"
              "umask = 027\n"
              "forward = facts\n"
              "\n"
              "egress =  127.0.0.1:3128\n"
              "forward = plan\n"
              "forward = ready\n"
              "[other]\ncommand = /bin/act sleep 600000\n")
    plan = "||forward = facts||egress = 127.0.0.1:3128|forward = plan|forward = ready|"
    for place in ("ramdisk", "image"):
        with jail(config, place=place) as j:
            running(j)
            j.expect(argv=f"relay|inside|--version={VERSION}|", variables="0", blocked="0", leads="1", uid="0", nonblock="11",
                     fds="6")  # two are the jail's
            j.expect(**{"plan-writes": "0", "program-seals": "15"})
            check(int(j.fact("plan-seals")) & 15 == 15, "the plan is not sealed")  # since 6.3 also against execution
            j.wait_said(plan)
            same(os.readlink(f"/proc/{relay_of(j)}/exe"), "/memfd:relay (deleted)", "its program")
            same(status(relay_of(j), "PPid"), str(j.init), "its parent")


@test
def the_ramdisks_program_comes_before_the_images() -> None:
    """That of the image is not looked at."""
    files = Tree()
    files.file("usr/bin/enclave-relay", b"no program\n", 0o755)
    with jail(READY, files=files) as j:
        running(j)
        relay_of(j)


@test
def the_image_may_have_it_behind_a_link() -> None:
    """A link is followed as the application would."""
    files = Tree()
    files.file("opt/relay", app("standin"), 0o755)
    files.link("usr/bin/enclave-relay", "/opt/relay")
    with jail(READY, place="", files=files) as j:
        running(j)
        relay_of(j)


@test(10)
def nothing_of_the_image_runs_before_it_is_ready() -> None:
    """A relay that says nothing stops the boot after 10 seconds."""
    with jail("forward = worker\nforward = silent\n", "/bin/act", "say", "ran") as j:
        j.expect_stop(8, "spawn", "relay: it says nothing")
        same(j.facts("say"), [], "the application has run")
        check(j.seconds >= 10, f"after {j.seconds:.1f} s")


@test
def a_fault_stops_the_boot_in_its_words() -> None:
    """The line, the object, the reason and the error, as far as they are there, bounded and printable."""
    for config, wanted in (
        ("\nforward = fault 7 98 tcp:127.0.0.1:80 it_listens_already\n",
         "line 7: tcp:127.0.0.1:80: it_listens_already: Address in use"),
        ("forward = fault 0 0 egress no such thing\n", "egress: no such thing"),
        ("forward = fault 3 2 forward\n", "line 3: forward: No such file or directory"),
        (f"forward = fault 1 0 {'o' * 190} {'r' * 300}\n", f"line 1: {'o' * 128}: {'r' * 128}"),
        ("forward = fault 1 0 a\x1bb\n".replace("\x1b", "\t") + "", "line 1: a: b"),
    ):
        with jail(config) as j:
            j.expect_stop(8, "spawn", wanted)


@test
def an_end_without_a_word_stops_the_boot() -> None:
    """How it ended is told; a message of another size is no word."""
    with jail("forward = exit 3\n") as j:
        j.expect_stop(8, "spawn", "relay: exited with code 3")
    with jail("forward = bytes 5\nforward = exit 0\n") as j:
        j.expect_stop(8, "spawn", "relay: exited with code 0")
    with jail("forward = bytes 5000\nforward = exit 1\n") as j:
        j.expect_stop(8, "spawn", "relay: exited with code 1")


@test
def a_program_that_is_missing_ends_it_as_well() -> None:
    """The boot fails after it is ready: it is gone before the machine is."""
    with jail(READY + "forward = end\n", "/bin/missing") as j:
        j.expect_stop(8, "spawn", "/bin/missing: not found")
        same(j.facts("end"), ["seen"], "its end")


# --- later ---

@test
def one_that_is_killed_is_started_again() -> None:
    """Its workers, who hold its ports, are killed before."""
    with jail("forward = worker\n" + READY) as j:
        running(j)
        for _ in range(3):
            first = relay_of(j)
            count = j.text.count("killed by SIGKILL, started again")
            os.kill(first, signal.SIGKILL)
            j.wait(lambda: j.text.count("killed by SIGKILL, started again") > count, "it is told")  # noqa: B023
            j.wait(lambda: relays(j) not in ([], [first]), "the next one")  # noqa: B023
        check("Address in use" not in j.text, "the last one's worker lived")
        check("init: relay: its process: killed by SIGKILL, started again" in j.log(), "the line")


@test(10)
def one_that_cannot_start_again_is_tried_on() -> None:
    """A pause doubles; the application is not touched."""
    with jail("forward = once ready\nforward = once ready\nforward = end\n", "/bin/act", "sleep", "600000") as j:
        running(j)
        os.kill(relay_of(j), signal.SIGKILL)
        j.wait_said("relay: relay: it says nothing")
        j.wait(lambda: "killed by SIGKILL, started again" in j.text.split("it says nothing")[1], "another start")
        check(j.code is None, "the enclave has ended")


@test
def a_later_fault_is_a_line_of_the_log() -> None:
    """And relay is tried again and again; the enclave lives on."""
    with jail("forward = once ready\nforward = once say second\nforward = fault 2 13 tap\nforward = exit 2\n") as j:
        running(j)
        j.wait_said("init: relay: line 2: tap: Permission denied")
        j.wait(lambda: j.text.count("line 2: tap: Permission denied") >= 3, "it goes on")
        check(j.code is None, "the enclave has ended")


def has_no_wakeups(config: str) -> None:
    """PID 1 sleeps once the heartbeat's process is gone."""
    with jail(config, "/bin/act", "await", "/run/go", "wakeups") as j:
        running(j)
        j.wait(lambda: len(j.children()) == 2, "the application and relay alone")
        touch(j, "/run/go")
        same(j.fact("wakeups"), "0", "wakeups of PID 1")


@test(3)
def pid_1_sleeps_while_it_runs() -> None:
    """PID 1 has nothing to do for it."""
    has_no_wakeups(READY)


@test(3)
def what_it_says_later_wakes_nobody_twice() -> None:
    """A relay that floods its socket with more than was agreed on."""
    has_no_wakeups(READY + READY + READY)


# --- the end ---

@test
def it_ends_when_the_services_have() -> None:
    """It sees the end of its socket after the services, and exits."""
    with jail(READY + "forward = end\n", "/bin/act", "say", "ran") as j:
        j.restarted()
        same(j.facts("end"), ["seen"], "its end")
        check(j.text.index("@say=ran") < j.text.index("@end=seen"), "the order")


@test
def one_that_does_not_end_is_killed() -> None:
    """The enclave ends all the same."""
    with jail(READY, "/bin/act", "say", "ran") as j:
        j.restarted()
        j.expect_end("/bin/act", "exited with code 0")


# --- its log ---

@test
def it_has_a_stream_of_the_log() -> None:
    """Both its outputs are lines named relay, up to its last one."""
    config = "log = listen\nforward = say hello\n" + READY + "forward = end\n"
    with jail(config, "/bin/act", "await", "/run/go", "say", "ran") as j:
        stream = read_from_the_start(j)
        same(lines_of(stream, "relay"), [b"relay: hello", b"relay: @end=seen"], "its lines")
        check(lines_of(stream, "main") == [b"main: @say=ran"], f"{stream!r}")
        j.restarted()


@test
def a_flood_of_it_keeps_nobody_waiting() -> None:
    """What the log does not take is lost; the application starts and ends."""
    config = "log = listen\nforward = flood\n" + READY + "forward = flood\nforward = end\n"
    with jail(config, "/bin/act", "await", "/run/go", "say", "ran") as j:
        text_of(read_from_the_start(j))
        j.restarted()


# --- names, and whom to ask ---

@test
def names_have_addresses() -> None:
    """Each distinct name of egress-names has a line, after those of add-host."""
    config = ("egress-names = a.example:443 b.example:80,81 A.EXAMPLE:444\n"
              "add-host = own:1.2.3.4\n"
              "egress-names = c.example.:5432 \t b.example:1\n" + READY)
    with jail(config, "/bin/busybox", "cat", "/etc/hosts", files=busybox()) as j:
        j.restarted()
        lines = [line.split("\t") for line in j.text.splitlines() if "\t" in line]
        same(lines[-4:], [["1.2.3.4", "own"], ["127.90.0.1", "a.example"], ["127.90.0.2", "b.example"],
                          ["127.90.0.3", "c.example"]], "the lines")


@test
def there_are_256_names_at_most() -> None:
    """Names behind the last one have no line, and the addresses go over a byte."""
    config = "".join(f"egress-names = n{i}.example:1\n" for i in range(0, 60)) + \
        "egress-names = " + " ".join(f"n{i}.example:1" for i in range(50, 300)) + "\n" + READY
    with jail(config, "/bin/busybox", "cat", "/etc/hosts", files=busybox()) as j:
        j.restarted()
        lines = [line.split("\t") for line in j.text.splitlines() if line.startswith("127.90.")]
        same(lines, [[f"127.90.{i // 250}.{i % 250 + 1}", f"n{i}.example"] for i in range(256)], "the lines")


def busybox() -> Tree:
    files = Tree()
    files.file("bin/busybox", Path("/bin/busybox").read_bytes(), 0o755)
    return files


@test
def resolvers_ask_relay_or_the_gateway() -> None:
    """resolv.conf by dns-forward, else dns, else the gateway of tap."""
    for config, wanted in (
        ("dns-forward = vsock:53\ndns-search = a b\n", ["search a b", "nameserver 127.0.0.1"]),
        ("tap = vsock:1024\n", ["nameserver 192.168.127.1"]),
        ("tap = vsock:1024\ntap-gateway = 10.0.0.1\n", ["nameserver 10.0.0.1"]),
        ("tap = vsock:1024\ndns = 1.2.3.4\n", ["nameserver 1.2.3.4"]),
        ("tap = vsock:1024\ndns-forward = vsock:53\n", ["nameserver 127.0.0.1"]),
    ):
        with jail(config + READY, "/bin/busybox", "cat", "/etc/resolv.conf", files=busybox()) as j:
            j.restarted()
            same([line for line in j.text.splitlines() if line.startswith(("search", "nameserver"))], wanted, config)


@test
def services_are_told_of_the_proxy() -> None:
    """Six variables, unless the key says no, or the service has one of a pair."""
    proxy = "http://127.0.0.1:3128"
    every = {"http_proxy": proxy, "HTTP_PROXY": proxy, "https_proxy": proxy, "HTTPS_PROXY": proxy,
             "no_proxy": "localhost,127.0.0.1", "NO_PROXY": "localhost,127.0.0.1"}
    for config, env, wanted in (
        ("egress = 127.0.0.1:3128\n", (), every),
        ("egress = tcp:127.0.0.1:3128\n", (), every),
        ("egress = 127.0.0.1:3128\negress-environment = no\n", (), {}),
        ("egress-names = a.example:1\n", (), {}),
        ("egress = 127.0.0.1:3128\nenvironment = HTTPS_PROXY=own\n", ("no_proxy=x",),
         {"http_proxy": proxy, "HTTP_PROXY": proxy, "HTTPS_PROXY": "own", "no_proxy": "x"}),
    ):
        with jail(config + READY, "/bin/busybox", "env", files=busybox(), env=env) as j:
            j.restarted()
            found = dict(line.split("=", 1) for line in j.text.splitlines() if "proxy=" in line.lower())
            same(found, wanted, config)


# --- init --check ---

def checked(init: Path, text: str) -> tuple[int, str]:
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as f:
        f.write(text)
        f.flush()
        done = subprocess.run([init, "--check", f.name], capture_output=True, text=True, check=False, timeout=DEADLINE_S)
        return done.returncode, (done.stdout + done.stderr).replace(f.name, "CONF")


@test
def check_asks_relay() -> None:
    """The one beside init: its words and its lines; where there is none that is said, and is no fault."""
    good, bad = "umask = 022\nforward = vsock:8080 tcp:127.0.0.1:80\n", "\n\nforward = vsock:8080 tcp:example.com:80\n"
    same(checked(BUILD / "init", good), (0, ""), "a good one")
    code, said = checked(BUILD / "init", bad)
    check(code == 1 and said.startswith("line 3: forward: tcp:example.com:80: "), f"{code} {said}")
    with tempfile.TemporaryDirectory() as name:
        subprocess.run(["cp", BUILD / "init", name], check=True)  # as container_ns.copy() does
        same(checked(Path(name) / "init", bad), (0, "CONF: relay: not found, so the lines for it were not checked\n"), "without relay")


@test
def check_names_who_goes_around() -> None:
    """Services with vsock open, where egress or dns-forward limits what may be reached."""
    limit = "egress = 127.0.0.1:3128\negress-allow = a.example\n"
    others = "[a]\ncommand = /a\n[b]\ncommand = /b\nvsock = none\n"
    code, said = checked(BUILD / "init", limit + others)
    same([line.split(": ")[1] for line in said.splitlines()], ["vsock main", "vsock a"], said)
    same(said.count("past egress and dns-forward: vsock = none forbids it\n"), 2, said)
    same((code, checked(BUILD / "init", limit + "vsock = none\n")), (0, (0, "")), "the codes")
