"""AWS's own image, and the runner."""

import json
import os
import pickle
import re
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache

from images import eifs
from machine import nsm_root

from .lib import DEADLINE_S, TOP, Tree, built, check, enclave, once, same, test

# What the formula gives for the image as AWS built it.
AWS_PCR0 = ("bb284bdbdb58acc5378b549b0f8aa74663f306dd7f37fe612c2f255ed957d074"
            "7ebe5f4e1e521aba45703be7fbb44478")


def aws_image() -> enclave.Eif:
    return enclave.Eif.load(eifs.aws_image())


def aws_ramdisks(app: Tree, *cmd: str, config: bytes | None = None,
                 boot_files: dict[str, bytes] | None = None) -> enclave.Eif:
    """AWS's kernel and nsm.ko, our init with BOOT_FILES, and APP, which runs CMD, with that configuration."""
    eif = aws_image()
    module = next(e.data for e in enclave.cpio_read(eif.ramdisks[0]) if e.name == "nsm.ko")
    ramdisks = [enclave.boot_ramdisk(built("init", "aarch64"), {"nsm.ko": module} | (boot_files or {})),
                enclave.app_ramdisk(app, enclave.lines(cmd), b"", config=config)]
    return replace(eif, ramdisks=[r.cpio() for r in ramdisks])


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


def ran(name: str, run: Callable[[], tuple[dict, str]]) -> tuple[dict, str]:
    """What RUN has from run-enclave, once for all tests."""
    return pickle.loads(once(f"boots/run-enclave-{name}", lambda path: path.write_bytes(pickle.dumps(run()))).read_bytes())


@cache
def ran_with_ours() -> tuple[dict, str]:
    """AWS's image with our init in the place of AWS's."""
    built("init", "aarch64")
    return ran("aws", lambda: run_enclave(aws_image(), "--init", TOP / "build/aarch64/init", "--cmdline-append", "quiet"))


@test(8)
def awss_image_boots_our_init():
    """AWS's arm64 image on AWS's 4.14 kernel and nsm.ko, with our init in place of AWS's."""
    same(aws_image().measurements()["PCR0"], AWS_PCR0, "PCR0")
    _, said = ran_with_ours()
    # Not the HELLO of its /env, which its script does not print.
    check("Hello (from a nitro enclave!)" in said, f"no hello: {said}")
    log = re.findall("init: .*", said)
    same(len(log), 2, f"lines of log: {log}")
    same(log[1], "init: end: /bin/hello.sh: exited with code 0", "the last line")
    same(re.findall("parent: (.*) after ", said), ["heartbeat"], "the parent received")


@test(6)
def run_enclave_shows_console_and_parent():
    """run-enclave boots an image, shows both sides, ends with the enclave, and has its document verified."""
    built("init"), built("hello"), built("nsm"), built("relay")
    done = subprocess.run([TOP / "scripts/run-enclave", "--hello", "--timeout", str(DEADLINE_S)], cwd=TOP, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    same(done.returncode, 0, f"the status ({done.stdout[-500:]})")
    for text in ('"PCR0": "', "Hello from the enclave side!", "parent: heartbeat after ",
                 "init: end: /bin/hello: exited with code 0", "the enclave ended after ",
                 "main: Hello from the enclave side!", "run-enclave: parent: running, ready",
                 "run-enclave: parent: exited with code 0 (main)", f"signed: nsm verify --root {nsm_root()}", "$ build/x86_64/nsm verify build/hello.doc"):
        check(text in done.stdout, f"no '{text}' in: {done.stdout[-1500:]}")
    check(re.search("^verified: +yes$", done.stdout, re.MULTILINE), done.stdout[-1500:])
