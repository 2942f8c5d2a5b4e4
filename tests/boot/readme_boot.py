"""README.md's way from a Dockerfile to an enclave, its commands one by one."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from lib import TOP, Skip, check, enclave, same, test

sys.path.append(str(TOP / "tests/pack"))
import images  # noqa: E402

HEAD = "\n## From Dockerfile to enclave in five minutes\n"
SECONDS = 600  # of the enclave


def commands() -> str:
    """The section's, in one script."""
    text = (TOP / "README.md").read_text()
    check("after `make run`:" in text.split(HEAD)[1].split("```sh")[0], "what makes build/emulator")
    same(text.count(HEAD), 1, "sections of that name")
    section = text.split(HEAD)[1].split("\n## ")[0]
    return "".join(re.findall(r"^```sh\n(.*?)^```$", section, re.DOTALL | re.MULTILINE))


def without(script: str, pattern: str) -> tuple[str, str]:
    """SCRIPT without its one command that begins like PATTERN, and that command."""
    lines = re.findall(rf"^{pattern}(?:.*\\\n)*.*\n", script, re.MULTILINE)
    same(len(lines), 1, f"commands like '{pattern}'")
    return script.replace(lines[0], ""), lines[0].strip()


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
    """README's section word by word; packages are installed before, and Debian's folder is kept."""
    if os.geteuid():
        raise Skip("not root")
    if not shutil.which("buildah"):
        raise Skip("no buildah")
    script, install = without(commands(), "apt-get install")
    same(install, "apt-get install -y buildah mmdebstrap", "what is installed")
    script, debian = without(script, "mmdebstrap")

    def fill(path: Path) -> None:
        done = subprocess.run(["bash", "-c", debian.replace("build/five", str(path))], stderr=subprocess.PIPE, text=True,
                              check=False)
        if done.returncode:
            raise RuntimeError(f"mmdebstrap: {done.stderr[-1000:]}")
    # Whatever is wrong with the enclave, it ends.
    same(script.count("--memory 1024\n"), 1, "commands that boot")
    script = script.replace("--memory 1024\n", f"--memory 1024 --timeout {SECONDS}\n")
    subprocess.run(["make", "-s", "emulator"], cwd=TOP, check=True)  # as make run does
    kept = images.cached("readme-debian", fill, "debian.tar", debian)

    with tempfile.TemporaryDirectory(prefix="readme-") as folder:
        five, storage = Path(folder, "five"), Path(folder, "storage.conf")
        storage.write_text(f'[storage]\ndriver = "vfs"\ngraphroot = "{folder}/images"\nrunroot = "{folder}/run"\n')
        five.mkdir()
        (five / "debian.tar").hardlink_to(kept / "debian.tar") if os.stat(kept).st_dev == os.stat(five).st_dev else \
            shutil.copy(kept / "debian.tar", five)
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", script.replace("build/five", str(five))], cwd=TOP,
                              env={**os.environ, "CONTAINERS_STORAGE_CONF": str(storage), "TMPDIR": folder},
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False)
        said = done.stdout
        if not done.returncode:
            nothing_is_lost(five)
    same(done.returncode, 0, f"the commands said {said[-3000:]}; code")
    for line in ("init: spawn: /usr/bin/python3: started by enclave-init", "parent: heartbeat after", '"GET / HTTP/1.1" 200',
                 "init: spawn: check: /usr/bin/curl: started by enclave-init", "Served in an enclave",
                 "init: end: check: exited with code 0"):
        check(line in said, f"'{line}' is not in {said[-3000:]}")
