"""7: run and supervise; and the runner that boots any image."""

import json
import os
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import cbor2
from images.eifs import signature
from images.keys import key_pair
from machine import emulator
from suite import tool

from .aws_boot import AWS_PCR0, aws_image, aws_ramdisks
from .lib import DEADLINE_S, TOP, Tree, boot, built, check, enclave, image, same, test
from .root_boot import ordinary


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
    """Two thousand orphans in bursts: no zombie is left. Ten thousand are of tests/ns."""
    b = boot(image("/bin/act", "orphans", "2000"))
    b.expect(left="0")
    b.expect_end("/bin/act", "exited with code 0")


@test(6)
def idle_costs_nothing():
    """With nothing to do PID 1 is not woken once."""
    b = boot(image("/bin/act", "idle"))
    b.expect(others="0", wakeups="0")


@test(6)
def signals_to_init_reach_the_application():
    """TERM, INT, HUP, QUIT, USR1, USR2 and WINCH reach its process alone; no deadline starts."""
    b = boot(image("/bin/act", "signals", "exit", "5"))
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
    b = boot(image("/bin/probe", "x" * (200 << 10)))
    b.expect_stop(8, "init: spawn: /bin/probe: Argument list too long: argument 1 has 204800 bytes, 131071 at most")


@test()
def measurements_are_the_packers():
    """PCR0-2 as the NSM has them are those that run-enclave prints."""
    eif = image("/bin/act", "pcrs")
    b = boot(eif)
    for name, value in eif.measurements().items():
        same(b.fact(name.lower()), value, name)


# --- signed images, run-enclave ----------------------------------------------

def signed(eif: enclave.Eif, folder: Path) -> tuple[enclave.Eif, bytes]:
    """The image with a signature section as AWS's builder writes it, and the certificate's DER."""
    key, cert = key_pair(folder)
    return replace(eif, signature=signature(folder, eif, key, cert)), tool("openssl", "x509", "-in", cert, "-outform", "DER")


@test()
def pcr8_is_the_signing_certificate():
    """Of a signed image the NSM has the PCR8 that is computed here, and the other three are as without."""
    plain = image("/bin/act", "pcrs", "pcr", "8")
    with tempfile.TemporaryDirectory() as tmp:
        eif, _ = signed(plain, Path(tmp))
    b = boot(eif)
    measurements = eif.measurements()
    same(sorted(measurements), ["PCR0", "PCR1", "PCR2", "PCR8"], "the measurements")
    same({n: v for n, v in measurements.items() if n != "PCR8"}, plain.measurements(), "but for the signature")
    for name, value in measurements.items():
        same(b.fact(name.lower()), value, name)


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
    bad = [eif.signature[:n] for n in range(0, 1500, 7)]
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


def run_enclave(eif: enclave.Eif, *words: object, env: dict[str, str] | None = None) -> tuple[dict, str]:
    """What it prints first, and all the rest."""
    with tempfile.NamedTemporaryFile(suffix=".eif") as f:
        f.write(eif.pack())
        f.flush()
        done = subprocess.run([TOP / "scripts/run-enclave", f.name, "--timeout", str(DEADLINE_S), *map(str, words)], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, env={**os.environ, **(env or {})})
    same(done.returncode, 0, f"the status ({done.stdout[-500:]})")
    first, end = json.JSONDecoder().raw_decode(done.stdout)
    return first, done.stdout[end:]


@test(4)
def run_enclave_prints_measurements_as_nitro_cli():
    """The object that nitro-cli build-enclave prints, PCR8 of a signed image in it, and only there."""
    plain = image("/bin/act")
    with tempfile.TemporaryDirectory() as tmp:
        for eif, options, documents in ((plain, ["--unsigned"], "documents are QEMU's, not signed"),
                                        (signed(plain, Path(tmp))[0], [], "documents are signed: nsm verify --root /")):
            printed, rest = run_enclave(eif, *options)
            same(printed, {"Measurements": {"HashAlgorithm": "Sha384 { ... }", **eif.measurements()}}, "it printed")
            same("PCR8" in printed["Measurements"], bool(eif.signature), "PCR8")
            check("parent: heartbeat after " in rest and documents in rest, rest)


@test(6)
def run_enclave_boots_arm64():
    """AWS's image with AWS's init, with ours in its place, and an image of ours on AWS's kernel."""
    aws = aws_image()
    printed, rest = run_enclave(aws)
    same(printed["Measurements"]["PCR0"], AWS_PCR0, "PCR0")
    check("Hello (from a nitro enclave!)" in rest and "init: " not in rest, rest)
    built("init", "aarch64")
    printed, rest = run_enclave(aws, "--init", TOP / "build/aarch64/init")
    same(printed["Measurements"]["PCR2"], aws.measurements()["PCR2"], "PCR2")
    check(printed["Measurements"]["PCR1"] != aws.measurements()["PCR1"], "PCR1 is the old one")
    check("init: end: /bin/hello.sh: exited with code 0" in rest, rest)
    app = Tree()
    app.file("bin/hello", built("hello", "aarch64"), 0o755)
    _, rest = run_enclave(aws_ramdisks(app, "/bin/hello"))
    for text in ("Hello", "init: end: /bin/hello: exited with code 0", "parent: heartbeat after "):
        check(text in rest, f"no '{text}' in: {rest}")


@test(4)
def run_enclave_tells_of_little_memory():
    """Four times the image, as nitro-cli wants: an image that hardly fits is not mistaken for a bad one."""
    large = Tree()
    large.file("large", bytes(40 << 20))
    eif = image("/bin/act", files=large)
    for memory, told in ((160, True), (256, False)):
        _, rest = run_enclave(eif, "--memory", memory)
        same("nitro-cli would want --memory " in rest, told, f"with {memory} MiB: {rest[:400]}")


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


@test(6)
def a_kvm_that_runs_no_guest_is_not_used():
    """Asked for, tried, and QEMU emulates, whether /dev/kvm is missing or its guests stand still; with firmware of ours."""
    with tempfile.TemporaryDirectory() as tmp:
        qemu = Path(tmp) / "qemu"
        qemu.write_text(f"""#!/bin/sh
case "$*" in *"-accel kvm"*) exec sleep 600 ;; esac
exec {emulator()["QEMU_X86_64"]} "$@"
""")
        qemu.chmod(0o755)
        _, rest = run_enclave(image("/bin/act"), env={"ENCLAVE_INIT_KVM": "1", "QEMU_X86_64": str(qemu)})
    check("emulator: no guest runs by KVM here, so QEMU emulates the processor: " in rest, rest)
    check("parent: heartbeat after " in rest, rest)
