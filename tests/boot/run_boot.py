"""7: run and supervise; and the runner that boots any image."""

import json
import os
import pickle
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

import cbor2
from images.eifs import signature
from images.keys import key_pair
from machine import emulator
from suite import tool

from .aws_boot import AWS_PCR0, aws_image, aws_ramdisks, ran, ran_with_ours, run_enclave
from .console_boot import usual, usual_image
from .lib import DEADLINE_S, TOP, Boot, Tree, boot, built, check, enclave, image, once, same, shared, test
from .root_boot import ordinary
from .scenes import of_scene


@test()
def application_has_a_session_of_its_own():
    """A session and a process group, which no terminal controls."""
    b = ordinary()
    pid = b.fact("pid")
    check(pid != "1", "it is PID 1")
    b.expect(ppid="1", sid=pid, pgid=pid, foreground="-1", tty="No such device or address", cwd="/", umask="022")


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
    """PID 1 takes at most 188 KiB beside its stack while the application runs, in one thread."""
    b = ordinary()
    rss, stack = (int(b.fact(f"pid1.{key}").split()[0]) for key in ("Rss", "stack"))
    check(0 < stack <= 20 and rss - stack <= 188, f"Rss of {rss} KiB, {stack} of them the stack")
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
    """Two thousand orphans in bursts: no zombie is left. Ten thousand are of tests/ns."""
    b = of_scene("orphans")
    b.expect(bursts_left="0")
    b.expect_end("/bin/duty", "exited with code 0")


@shared
def idle_and_told() -> Boot:
    """An application that waits, and then has PID 1 get signals."""
    return boot(image("/bin/act", "idle", "signals", "exit", "5"))


@test(6)
def idle_costs_nothing():
    """With nothing to do PID 1 is not woken once."""
    b = idle_and_told()
    b.expect(others="0", wakeups="0")


@test(6)
def signals_to_init_reach_the_application():
    """TERM, INT, HUP, QUIT, USR1, USR2 and WINCH reach its process alone; no deadline starts."""
    b = idle_and_told()
    wanted = sorted(["HUP", "INT", "QUIT", "USR1", "USR2", "TERM", "WINCH"])
    same(sorted(b.all("app")), wanted, "signals of the application")
    same(b.all("child"), [], "signals of its child")
    b.expect(after="alive")
    b.expect_end("/bin/act", "exited with code 5")


@test()
def a_child_that_dies_before_exec_is_told():
    """End-of-file without the byte is a child that died first, not a success."""
    b = boot(image("/bin/probe", shim=True), append="shim_kill_setsid")
    b.expect_stop(8, "init: spawn: /bin/probe: ", "ended before exec", "SIGSYS")


@test()
def an_argument_list_too_long_is_told():
    """execve's own errno comes back, and which argument it is."""
    of_scene("long_argument").expect_stop(
        8, "init: spawn: /bin/act: Argument list too long: argument 3 has 200000 bytes, 131071 at most")


@test()
def measurements_are_the_packers():
    """PCR0-2 as the NSM has them are those that run-enclave prints."""
    b = usual()
    for name, value in usual_image().measurements().items():
        same(b.fact(name.lower()), value, name)


# --- signed images, run-enclave ----------------------------------------------

def signed(eif: enclave.Eif, folder: Path) -> tuple[enclave.Eif, bytes]:
    """The image with a signature section as AWS's builder writes it, and the certificate's DER."""
    key, cert = key_pair(folder)
    return replace(eif, signature=signature(folder, eif, key, cert)), tool("openssl", "x509", "-in", cert, "-outform", "DER")


@test()
def pcr8_is_the_signing_certificate():
    """Of a signed image the NSM has the PCR8 that is computed here, and the other three are as without."""
    plain, eif = (one.measurements() for one in large_images())
    same(sorted(eif), ["PCR0", "PCR1", "PCR2", "PCR8"], "the measurements")
    same({n: v for n, v in eif.items() if n != "PCR8"}, plain, "but for the signature")
    for measurements, (_, said) in ((eif, signed_ran()), (plain | {"PCR8": "0" * 96}, plain_ran())):
        found = pcrs_in(said)
        same({name: found.get(name) for name in measurements}, measurements, "the NSM's")


@test()
def signature_sections_that_are_none_are_refused():
    """Cut anywhere, of other types, without a certificate: an error that says so, and never another one."""
    with tempfile.TemporaryDirectory() as tmp:
        eif, der = signed(image("/bin/act"), Path(tmp))
        other = signed(eif, Path(tmp))[0]
    same(enclave.signing_certificate(eif.signature), der, "the certificate")
    pem, second = (bytes(cbor2.loads(x.signature)[0]["signing_certificate"]) for x in (eif, other))
    twice = cbor2.dumps([{"signing_certificate": list(pem + second), "signature": []}])
    same(enclave.signing_certificate(twice), der, "the first of two")
    same(enclave.signing_certificate(cbor2.dumps([{"signing_certificate": pem}])), der, "a byte string")
    bad = [eif.signature[:n] for n in (*range(0, len(eif.signature) - 1, 7), len(eif.signature) - 1)]
    bad += [b"\x81" * 100000, b"\x9b" + b"\xff" * 8, b"\xbf\xff", b"\x5b" + b"\xff" * 8,
            *(cbor2.dumps(x) for x in ([], {}, 7, [7], [{}], [{"signing_certificate": 7}], [{(1, 2): 3}],
                                       [{"signing_certificate": [256]}], [{"signing_certificate": list(b"text")}],
                                       [{"signing_certificate": list(pem[:300])}],
                                       [{"signing_certificate": list(pem.replace(b"\nM", b"\n*M", 1))}], None, -1))]
    for section in bad:
        try:
            enclave.signing_certificate(section)
        except enclave.ImageError as e:
            check(str(e).startswith("the signature section: "), str(e))
        else:
            check(False, f"taken: {section[:60].hex()}")


KERNEL_LINE = r"^\[ *\d+\.\d+\] "


LITTLE, ENOUGH = 64, 72  # MiB for an image of 17 MB


@cache
def large_images() -> tuple[enclave.Eif, enclave.Eif]:
    """One, and the same, signed."""
    def make(path: Path) -> None:
        large = Tree()
        large.file("large", bytes(13 << 20))
        plain = image("/bin/act", "pcrs", "pcr", "8", files=large)
        with tempfile.TemporaryDirectory() as tmp:
            path.write_bytes(pickle.dumps((plain, signed(plain, Path(tmp))[0])))

    return pickle.loads(once("boots/large-images", make).read_bytes())


@cache
def plain_ran() -> tuple[dict, str]:
    return ran("plain", lambda: run_enclave(large_images()[0], "--memory", LITTLE, "--unsigned", "--kernel"))


@cache
def signed_ran() -> tuple[dict, str]:
    """Where KVM is asked for, and its guests stand still."""
    def run() -> tuple[dict, str]:
        with tempfile.TemporaryDirectory() as tmp:
            qemu = Path(tmp) / "qemu"
            qemu.write_text(f"""#!/bin/sh
case "$*" in *"-accel kvm"*) exec sleep 600 ;; esac
exec {emulator()["QEMU_X86_64"]} "$@"
""")
            qemu.chmod(0o755)
            return run_enclave(large_images()[1], "--memory", ENOUGH, env={"ENCLAVE_INIT_KVM": "1", "QEMU_X86_64": str(qemu)})

    return ran("signed", run)


def pcrs_in(said: str) -> dict[str, str]:
    """What the application has printed of PCRs, by the names of the measurements."""
    return {f"PCR{n}": value for n, value in re.findall(r"^@pcr(\d+)=(.*)$", said, re.MULTILINE)}


@test(8)
def run_enclave_prints_measurements_as_nitro_cli():
    """The object that nitro-cli build-enclave prints, PCR8 of a signed image in it, and only there."""
    plain, signed_one = large_images()
    for eif, (printed, rest), kernel, documents in ((plain, plain_ran(), True, "documents are QEMU's, not signed"),
                                                    (signed_one, signed_ran(), False, "documents are signed: nsm verify --root /")):
        same(bool(re.search(KERNEL_LINE, rest, re.MULTILINE)), kernel, "the kernel's lines")
        same(printed, {"Measurements": {"HashAlgorithm": "Sha384 { ... }", **eif.measurements()}}, "it printed")
        same("PCR8" in printed["Measurements"], bool(eif.signature), "PCR8")
        check("parent: heartbeat after " in rest and documents in rest, rest)


@test()
def run_enclave_tells_of_little_memory():
    """Four times the image, as nitro-cli wants: an image that hardly fits is not mistaken for a bad one."""
    for memory, (_, rest), told in ((LITTLE, plain_ran(), True), (ENOUGH, signed_ran(), False)):
        same("nitro-cli would want --memory " in rest, told, f"with {memory} MiB: {rest[:400]}")


@test(6)
def run_enclave_boots_arm64():
    """AWS's image with AWS's init, with ours in its place, and an image of ours on AWS's kernel."""
    aws = aws_image()
    printed, rest = run_enclave(aws)
    same(printed["Measurements"]["PCR0"], AWS_PCR0, "PCR0")
    check("Hello (from a nitro enclave!)" in rest and "init: " not in rest, rest)
    printed, rest = ran_with_ours()
    same(printed["Measurements"]["PCR2"], aws.measurements()["PCR2"], "PCR2")
    check(printed["Measurements"]["PCR1"] != aws.measurements()["PCR1"], "PCR1 is the old one")
    check("init: end: /bin/hello.sh: exited with code 0" in rest, rest)
    app = Tree()
    app.file("bin/hello", built("hello", "aarch64"), 0o755)
    _, rest = run_enclave(aws_ramdisks(app, "/bin/hello"))
    for text in ("Hello", "init: end: /bin/hello: exited with code 0", "parent: heartbeat after "):
        check(text in rest, f"no '{text}' in: {rest}")


@test()
def run_enclave_names_the_file_that_is_not_there():
    """In words, without Python's, and how it ends is in --help."""
    def said(*words: str, code: int) -> str:
        done = subprocess.run([TOP / "scripts/run-enclave", *words], text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False, cwd="/")
        same(done.returncode, code, f"{words}: {done.stdout[-500:]}")
        return done.stdout
    same(said("nope.eif", code=1), "run-enclave: nope.eif: no such file\n", "of a file")
    same(said("/proc", code=1), "run-enclave: /proc: Is a directory\n", "of a folder")
    check("by Ctrl-C, or after --timeout" in " ".join(said("--help", code=0).split()), "--help")


@test()
def a_kvm_that_runs_no_guest_is_not_used():
    """Asked for, tried, and QEMU emulates, whether /dev/kvm is missing or its guests stand still; with firmware of ours."""
    _, rest = signed_ran()
    check("emulator: no guest runs by KVM here, so QEMU emulates the processor: " in rest, rest)
    check("parent: heartbeat after " in rest, rest)


# --- scripts/enclave ---------------------------------------------------------

LINK = "log = listen\nstatus = full\nreport = on\ncontrol = stop\n"
RUN = ["EnclaveName", "EnclaveID", "ProcessID", "EnclaveCID", "NumberOfCPUs", "CPUIDs", "MemoryMiB"]


class Laptop:
    """The verbs, for enclaves whose directories are in FOLDER."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def call(self, *words: object, code: int = 0) -> subprocess.CompletedProcess:
        done = subprocess.run([TOP / "scripts/enclave", *map(str, words)], text=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, timeout=DEADLINE_S,
                              env={**os.environ, "ENCLAVE_INIT_RUN": str(self.folder)})
        same(done.returncode, code, f"{words}: {done.stdout[-500:]} {done.stderr[-500:]}; code")
        return done

    def said(self, *words: object) -> object:
        return json.loads(self.call(*words).stdout)

    def listed(self) -> dict[str, dict]:
        return {e["EnclaveName"]: e for e in self.said("describe-enclaves")}


@contextmanager
def laptop() -> Iterator[Laptop]:
    with tempfile.TemporaryDirectory(prefix="ei-", dir="/tmp") as folder:
        l = Laptop(Path(folder, "run"))
        try:
            yield l
        finally:
            l.call("terminate-enclave", "--all")


@test(8)
def enclaves_run_beside_each_other():
    """nitro-cli's verbs and its JSON: run --detach, describe-enclaves, console, stop, watch, terminate-enclave."""
    eif = image("/bin/act", "put", "serving", "until-term", "stop", "exit", "7", config=LINK)
    with laptop() as l, tempfile.TemporaryDirectory() as tmp:
        path = Path(tmp, "srv.eif")
        path.write_bytes(eif.pack())
        first = l.said("run", path, "--detach", "--timeout", DEADLINE_S)
        second = l.said("run-enclave", "--eif-path", path, "--cpu-count", 2, "--memory", 256, "--detach", "--timeout", DEADLINE_S)
        for e in (first, second):
            same(list(e), RUN, "members")
        same([first["EnclaveName"], second["EnclaveName"]], ["srv", "srv_1"], "names")
        same([first["EnclaveCID"], second["EnclaveCID"]], [16, 17], "CIDs")
        same([second["NumberOfCPUs"], second["CPUIDs"], second["MemoryMiB"]], [2, [0, 1], 256], "what it has")
        check(re.fullmatch("i-[0-9a-f]{17}-enc[0-9a-f]{16}", first["EnclaveID"]), first["EnclaveID"])

        found = l.said("describe-enclaves")
        same([e["EnclaveID"] for e in found], [first["EnclaveID"], second["EnclaveID"]], "what runs")
        same(list(found[0]), [*RUN, "State", "Flags", "Measurements", "Directory"], "members")
        same([found[0]["State"], found[0]["Flags"]], ["RUNNING", "NONE"], "its state")
        same(found[0]["Measurements"]["PCR0"], eif.measurements()["PCR0"], "PCR0")

        # The heartbeat may overtake what was said before it.
        console = ("console", "srv", "--disconnect-timeout", 0.1)
        shown = wait_for(lambda: l.call(*console).stdout, lambda text: "init: spawn: /bin/act: started by " in text)
        check("init: spawn: /bin/act: started by " in shown and not re.search(KERNEL_LINE, shown, re.MULTILINE), shown)
        shown = l.call("console", "--kernel", "--enclave-id", first["EnclaveID"], "--disconnect-timeout", 0.1).stdout
        check(re.search(KERNEL_LINE, shown, re.MULTILINE), shown)
        check("name one of the enclaves: srv srv_1" in l.call("stop", code=1).stderr, "two are one too many")

        watch = subprocess.Popen([TOP / "scripts/enclave", "watch", "srv_1"], text=True, stdout=subprocess.PIPE,
                                 env={**os.environ, "ENCLAVE_INIT_RUN": str(l.folder)})
        check(any("main: @waits=stop" in line for line in watch.stdout), "the log has no line")
        l.call("stop", "--enclave-name", "srv_1")
        watch.communicate()
        same(watch.returncode, 7, "the code of watch")
        same(list(l.listed()), ["srv"], "what runs after the stop")

        # One whose process was killed is not there any more, and leaves nothing.
        os.kill(first["ProcessID"], signal.SIGKILL)
        # It ends at once; its lock, and the programs that have its directory, soon.
        same(wait_for(lambda: (l.listed(), [p.name for p in l.folder.iterdir()]), lambda found: found == ({}, ["lock"])), ({}, ["lock"]),
             "what runs and what is left after a kill")


def wait_for(look: Callable[[], object], is_good: Callable[[object], bool]) -> object:
    """What LOOK says once that is good, or at the deadline."""
    end = time.monotonic() + DEADLINE_S
    while not is_good(seen := look()) and time.monotonic() < end:
        time.sleep(0.05)
    return seen


@test(4)
def terminate_enclave_ends_it_at_once():
    """nitro-cli's object, and nothing is left; the only one need not be named."""
    with laptop() as l, tempfile.TemporaryDirectory() as tmp:
        path = Path(tmp, "x.eif")
        path.write_bytes(image("/bin/act", "sleep", "1000000").pack())
        e = l.said("run", path, "--detach", "--enclave-name", "mine", "--enclave-cid", 100, "--timeout", DEADLINE_S)
        same([e["EnclaveName"], e["EnclaveCID"]], ["mine", 100], "as asked for")
        check("the CID 100 is another enclave's" in l.call("run", path, "--enclave-cid", 100, "--detach", code=1).stderr, "twice")
        done = l.call("terminate-enclave")
        same(json.loads(done.stdout), {"EnclaveName": "mine", "EnclaveID": e["EnclaveID"], "Terminated": True}, "it said")
        check(f"Successfully terminated enclave {e['EnclaveID']}." in done.stderr, done.stderr)
        same(l.said("describe-enclaves"), [], "what runs")


@test(3)
def a_detached_boot_that_stops_is_a_failure():
    """run --detach says why in init's words, prints no object, and leaves nothing."""
    with laptop() as l, tempfile.TemporaryDirectory() as tmp:
        path = Path(tmp, "x.eif")
        path.write_bytes(image("/bin/nope").pack())
        done = l.call("run", path, "--detach", "--timeout", DEADLINE_S, code=1)
        same(done.stdout, "", "its output")
        for text in (f"run-enclave: {path}: the parent received 08; init: spawn: /bin/nope: not found",
                     "init: end: boot: stopped in step 8, spawn"):
            check(text in done.stderr, done.stderr)
        same(l.said("describe-enclaves"), [], "what runs")


@test(3)
def bad_words_are_refused():
    """Before anything is booted, with an error that names them."""
    with laptop() as l:
        for words, code, text in ((("run",), 2, "name one image, or --hello"),
                                  (("run", "--hello", "--detach"), 2, "--detach does not go together with --hello"),
                                  (("run", "x.eif", "--memory", "0"), 2, "'0' is no number from 64"),
                                  (("run", "x.eif", "--enclave-name", ""), 2, "cannot be an enclave's name"),
                                  (("run", "/etc/passwd", "--detach"), 1, "not an EIF file"),
                                  (("stop",), 1, "enclave: no enclave runs"),
                                  (("terminate-enclave", "x"), 1, "enclave: no enclave of the name or ID 'x' runs"),
                                  (("console", "x", "--enclave-id", "y"), 1, "enclave: name the enclave once"),
                                  (("terminate-enclave", "--all", "x"), 1, "enclave: --all, or one enclave"),
                                  (("console", "--disconnect-timeout", "-1"), 2, "is no time in seconds"),
                                  (("list",), 2, "invalid choice: 'list'")):
            done = l.call(*words, code=code)
            check(text in done.stderr, f"{words}: {done.stderr}")
            same(done.stdout, "", f"{words}: its output")
