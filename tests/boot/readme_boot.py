"""
The commands of README.md and of the guides, run one after another as a reader would. In these documents a
command stands in a block of sh, what it prints in an indented block, and anything else in a block of its own kind
(text, ini).
"""

import os
import re
import shutil
import socket
import subprocess
import tempfile
from contextlib import nullcontext
from pathlib import Path

from images.debian import cached, less, outside
from ports import free_port

from .guest import programs
from .lib import TOP, Failure, Skip, check, enclave, lock, once, same, test

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
INDENTED = re.compile(r"(?:^ {4}.*\n)+", re.MULTILINE)
# What must not stand outside a block of sh, where nobody would run it.
COMMAND = re.compile(r"^\s*(?:\w+=\S+ )*(make|scripts/|build/|tests/|mkeif|nsm|init --|unshare|buildah|tar) ", re.MULTILINE)
# Commands that are not run here, and why. A pattern that fits nothing is a failure.
NOT_RUN = {
    "README.md": {r"make test .*": "this is one of its tests"},
    "docs/first-enclave.md": {},
    "docs/container.md": {},
    "docs/forward.md": {},
    "docs/kms.md": {},
    "docs/when-it-does-not-start.md": {},
    "docs/releasing.md": {r"make repro": "tests/dist has it", r"make dist": "tests/dist has it",
                          r"\(cd build/dist .*": "tests/dist has it"},
    "docs/numbers.md": {},
    "docs/design.md": {},
}
SECONDS = 600  # of an enclave
# What runs of that which mmdebstrap makes in first-enclave.md: it is copied into two layers, compressed, packed, measured, and
# unpacked by an emulated processor.
PROGRAMS = ("usr/bin/python3*", "usr/bin/curl", "usr/bin/sh", "usr/sbin/useradd")


def commands(document: str, text: str) -> str:
    """TEXT's, as one script, without those that are not run."""
    script = "".join(body for kind, body in FENCE.findall(text) if kind == "sh")
    for pattern in NOT_RUN.get(document, {}):
        script, times = re.subn(rf"^{pattern}\n", "", script, flags=re.MULTILINE)
        same(times, 1, f"{document}: commands like '{pattern}'")
    return script


def printed(document: str, text: str) -> list[str]:
    """The lines that TEXT says its commands print."""
    rest = FENCE.sub("", text)
    lines = [line[4:] for block in INDENTED.findall(rest) for line in block.splitlines()]
    for line in lines:
        check(not COMMAND.match(line), f"{document}: a command outside a block of sh: {line}")
    return lines


def pattern(line: str) -> str:
    """LINE as a regular expression in which numbers and dates are any."""
    parts = re.split(r"(\[\d\d/\w+/\d+ [\d:]+\]|\d+(?:\.\d+)*)", line)
    return "".join(re.escape(part) if at % 2 == 0 else r"\[[^]]*\]" if part[0] == "[" else r"\d+(?:\.\d+)*"
                   for at, part in enumerate(parts))


def without(script: str, begin: str) -> tuple[str, str]:
    """SCRIPT without its one command that begins like BEGIN, and that command."""
    lines = re.findall(rf"^{begin}(?:.*\\\n)*.*\n", script, re.MULTILINE)
    same(len(lines), 1, f"commands like '{begin}'")
    return script.replace(lines[0], ""), lines[0].strip()


def run(script: str, folder: Path, **variables: str) -> str:
    """What SCRIPT prints, with FOLDER in place of build/ for what it makes itself; a command that fails is a failure."""
    # Whatever is wrong with an enclave, it ends.
    script = re.sub(r"^(scripts/run-enclave \S+\.eif)", rf"\1 --timeout {SECONDS}", script, flags=re.MULTILINE)
    script = re.sub(r"\bbuild/(?!x86_64|emulator|mkeif)", f"{folder}/", script)
    # Two makes in one tree would be in each other's way.
    with lock("make") if "make " in script else nullcontext():
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=TOP, env={**os.environ, **variables},
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False)
    said = done.stdout.replace(f"{folder}/", "build/").replace("\r\n", "\n")
    same(done.returncode, 0, f"the commands said {said[-3000:]}; code")
    return said


def emulator() -> None:
    """Its kernel in build/emulator, as make run leaves it; made once, since another guide's make may take a minute."""
    def make(path: Path) -> None:
        with lock("make"):
            subprocess.run(["make", "-s", "emulator"], cwd=TOP, check=True)
        path.touch()

    once("readme-emulator", make)


def expect(document: str, lines: list[str], said: str) -> None:
    for line in lines:
        check(re.search(rf"^{pattern(line)}$", said, re.MULTILINE), f"{document}: '{line}' is not in {said[-3000:]}")


def follow(document: str) -> None:
    """All of it: the commands are run, and print what the document says."""
    text = (TOP / document).read_text()
    script, lines = commands(document, text), printed(document, text)
    emulator()
    with tempfile.TemporaryDirectory(prefix="readme-") as folder:
        said = run(script, Path(folder))
    expect(document, [re.sub(r"\bvm$", socket.gethostname(), line) for line in lines], said)


@test(seconds=10)
def readme_is_followed():
    """README's commands, make run among them."""
    follow("README.md")


@test(seconds=5)
def container_guide_is_followed():
    """docs/container.md: init --container without an enclave."""
    follow("docs/container.md")


@test(seconds=10)
def guide_to_failures_is_followed():
    """docs/when-it-does-not-start.md: a misspelt key, a program that is missing, a boot that stops."""
    follow("docs/when-it-does-not-start.md")


@test(seconds=40)
def guide_to_kms_is_followed():
    """docs/kms.md: boto3 in an enclave gets its secret, and an image that somebody changed AccessDenied."""
    follow("docs/kms.md")


@test
def no_guide_is_forgotten():
    """Commands stand in blocks of sh, in documents that a test follows; those that are not run are still there."""
    for document in NOT_RUN:
        text = (TOP / document).read_text()
        lines = printed(document, text)
        if document in ("docs/releasing.md", "docs/numbers.md", "docs/design.md"):
            same((commands(document, text), lines), ("", []), f"{document}: what no test runs")


@test
def examples_of_configurations_are_accepted():
    """Those of the guides, and of enclave-init.conf(5): by init --check, and those of the parent's file by relay."""
    page = (TOP / "init/enclave-init.conf.5").read_text().split("\n.Sh EXAMPLES\n")[1]
    examples = re.findall(r"^\.Bd [^\n]*\n(.*?)^\.Ed$", page, re.DOTALL | re.MULTILINE)
    examples += [body for name in NOT_RUN for kind, body in FENCE.findall((TOP / name).read_text()) if kind == "ini"]
    check(len(examples) >= 4, f"{len(examples)} examples")
    with tempfile.NamedTemporaryFile("w") as f:
        for example in examples:
            f.truncate(0)
            f.seek(0)
            f.write(example)
            f.flush()
            is_parents = example.startswith("# /etc/enclave-relay.conf\n")
            words = ["relay", "run", "--check"] if is_parents else ["init", "--check"]
            done = subprocess.run([TOP / "build/x86_64" / words[0], *words[1:], f.name], stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, check=False)
            same(done.returncode, 0, f"{example}: {done.stdout}; code")


@test
def a_broken_command_is_noticed():
    """What these tests are for: they fail where a command fails, or prints something else."""
    text = "```sh\nmkdir -p build/x\necho 'took 3 s' >build/x/y\n{}cat build/x/y\n```\n\n    took 5 s\n{}"

    def attempt(command: str, line: str) -> None:
        broken = text.format(command, line)
        with tempfile.TemporaryDirectory(prefix="readme-") as folder:
            said = run(commands("a guide", broken), Path(folder))
        expect("a guide", printed("a guide", broken), said)

    attempt("", "")
    for command, line in (("scripts/run-enclaev build/x/y\n", ""), ("", "    gave 5 s\n"), ("", "    make run\n")):
        try:
            attempt(command, line)
        except Failure:
            continue
        raise Failure(f"nobody noticed {command or line}")


def nothing_is_lost(five: Path) -> None:
    """What nitro-cli drops is in the configuration, and nothing of the machine that built is in the image."""
    dockerfile, conf = ((five / name).read_text() for name in ("Dockerfile", "enclave-init.conf"))
    for word, key in (("USER", "user"), ("WORKDIR", "workdir")):
        value = re.search(rf"^{word} (.*)$", dockerfile, re.MULTILINE)[1]
        check(f"\n{key} = {value}\n" in "\n" + conf.split("[")[0], f"no {key} = {value} in {conf}")
    files = [e for r in enclave.Eif.load(five / "five.eif").ramdisks for e in enclave.cpio_read(r)]
    check([e for e in files if e.name == "rootfs/etc/passwd" and e.data], "no rootfs/etc/passwd in the image")
    for name in ("rootfs/etc/resolv.conf", "rootfs/etc/hostname"):
        same([e.data for e in files if e.name == name and e.data], [], name)


@test(seconds=40)
def from_dockerfile_to_enclave():
    """docs/first-enclave.md; its packages are installed before, and Debian's files are kept."""
    if os.geteuid():
        raise Skip("not root")
    if not shutil.which("buildah"):
        raise Skip("no buildah")
    document = "docs/first-enclave.md"
    text = (TOP / document).read_text()
    script, install = without(commands(document, text), "apt-get install")
    same(install, "apt-get install -y buildah mmdebstrap", "what is installed")
    script, debian = without(script, "mmdebstrap")

    def fill(path: Path) -> None:
        done = subprocess.run(["bash", "-c", debian.replace("build/five", str(path))], stderr=subprocess.PIPE, text=True,
                              env=outside(), check=False)
        if done.returncode:
            raise RuntimeError(f"mmdebstrap: {done.stderr[-1000:]}")

    emulator()
    archive = less(cached("readme-debian", fill, "debian.tar", debian) / "debian.tar", PROGRAMS)

    with tempfile.TemporaryDirectory(prefix="readme-") as folder:
        five, storage = Path(folder, "five"), Path(folder, "storage.conf")
        storage.write_text(f'[storage]\ndriver = "vfs"\ngraphroot = "{folder}/images"\nrunroot = "{folder}/run"\n')
        five.mkdir()
        shutil.copy(archive, five)
        said = run(script, Path(folder), CONTAINERS_STORAGE_CONF=str(storage), TMPDIR=folder)
        nothing_is_lost(five)
    expect(document, printed(document, text), said)


@test(seconds=10)
def guide_to_connections_is_followed():
    """docs/forward.md: a web server in an enclave, reached from this machine; one outside, reached from an enclave."""
    document = "docs/forward.md"
    text = (TOP / document).read_text()
    script = commands(document, text)
    emulator()
    ports = [str(free_port()) for _ in range(2)]
    with tempfile.TemporaryDirectory(prefix="readme-") as folder:
        busybox = Path(folder, "busybox")
        busybox.write_bytes(programs("busybox-static").entries["bin/busybox"].data)
        busybox.chmod(0o755)
        for of_readers, of_tests in (("cp /bin/busybox", f"cp {busybox}"), ("8080", ports[0]), ("9000", ports[1])):
            check(of_readers in script, f"no '{of_readers}'")
            script = script.replace(of_readers, of_tests)
        # What a command that fails leaves would hold the output open.
        script = "trap 'kill $(jobs -p) 2>/dev/null || :' EXIT\n" + script
        said = run(script, Path(folder), ENCLAVE_INIT_RUN=f"{folder}/enclaves")
    expect(document, printed(document, text), said)
