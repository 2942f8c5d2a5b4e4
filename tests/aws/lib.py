"""What is needed to run an unmodified nitro-cli, and its images, each built once."""

import atexit
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import enclave  # noqa: F401
from enclave import Eif  # noqa: F401
from suite import TOP, Failure, check, same, test  # noqa: F401

ARCH = os.uname().machine
KERNEL = {"x86_64": "bzImage", "aarch64": "Image"}.get(ARCH, "")
INSTALLED = Path(os.environ.get("NITRO_CLI_BLOBS") or "/usr/share/nitro_enclaves/blobs")
MKEIF, INIT, HELLO = TOP / "build/mkeif", TOP / f"build/{ARCH}/init", TOP / f"build/{ARCH}/hello"
DOCKER = Path("/var/run/docker.sock")
DEADLINE_S = 600

IMAGES = {  # a Dockerfile, and what the hello application says in an enclave of it
    "cmd": ("FROM scratch\nCOPY hello /bin/hello\nENV HELLO=by-cmd\nCMD [\"/bin/hello\"]\n", ("by-cmd", "user 0")),
    "conf": ("FROM scratch\nCOPY hello /bin/hello\nCOPY enclave-init.conf passwd /etc/\nENV HELLO=by-conf\n"
             "ENTRYPOINT [\"/bin/hello\"]\nUSER app\nWORKDIR /etc\n", ("by-conf", "user 1234")),
}
CONF = "command = /bin/hello\nuser = app\nworkdir = /etc\n"


def missing() -> str:
    """Why nitro-cli cannot be tried here, or nothing."""
    wanted = [INSTALLED / name for name in (KERNEL, f"{KERNEL}.config", "nsm.ko", "linuxkit", "init", "cmdline")]
    lacking = [name for name in ("nitro-cli", "buildah", "podman") if not shutil.which(name)]
    if "podman" in lacking and DOCKER.exists() and shutil.which("docker"):
        lacking.remove("podman")
    if lacking:
        return f"no {', no '.join(lacking)}"
    if gone := [str(p) for p in wanted if not p.is_file()]:
        return f"no {', no '.join(gone)}"
    return ""


_stopping = False


def stop(*_: object) -> None:
    """Ends the tests upon a signal, with what runs, so that what atexit has is done at once."""
    global _stopping
    _stopping = True
    for task in Path("/proc/self/task").iterdir():
        for pid in (task / "children").read_text().split():
            os.kill(int(pid), signal.SIGKILL)
    sys.exit(143)


def said(*words: object, env: dict[str, str] | None = None, **how: object) -> str:
    """What a command that has to succeed prints."""
    check(not _stopping, "stopped by a signal")
    p = subprocess.run([str(w) for w in words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       text=True, check=False, timeout=DEADLINE_S, env={**os.environ, **(env or {})}, **how)
    check(p.returncode == 0, f"{' '.join(str(w) for w in words)}: code {p.returncode}: {p.stderr[-2000:]}{p.stdout[-500:]}")
    return p.stdout


@functools.cache
def scratch() -> Path:
    """A folder for images, storage and logs; gone at the end."""
    path = Path(tempfile.mkdtemp(prefix="nitro-cli-", dir="/tmp"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    (path / "storage.conf").write_text(f'[storage]\ndriver = "vfs"\ngraphroot = "{path}/images"\nrunroot = "{path}/run"\n')
    for name in ("logs", "artifacts", "context"):
        (path / name).mkdir()
    return path


def storage() -> dict[str, str]:
    return {"CONTAINERS_STORAGE_CONF": str(scratch() / "storage.conf"), "STORAGE_DRIVER": "vfs", "BUILDAH_ISOLATION": "chroot"}


@functools.cache
def daemon() -> dict[str, str]:
    """Variables by which nitro-cli and linuxkit find the images: podman over the scratch storage, or Docker."""
    if not shutil.which("podman"):
        return {}
    socket = scratch() / "podman.sock"
    child = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "podman", "system", "service", "--time=0", f"unix://{socket}"],
                             env={**os.environ, **storage()}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=(scratch() / "podman.log").open("wb"))
    atexit.register(child.kill)
    end = time.monotonic() + DEADLINE_S
    while not socket.exists():
        check(child.poll() is None and time.monotonic() < end, f"podman: {(scratch() / 'podman.log').read_text()}")
        time.sleep(0.05)
    return {"DOCKER_HOST": f"unix://{socket}"}


@functools.cache
def container(name: str) -> str:
    """The name by which nitro-cli finds the container image NAME, built by buildah."""
    context = scratch() / "context" / name
    context.mkdir()
    (context / "Dockerfile").write_text(IMAGES[name][0])
    (context / "enclave-init.conf").write_text(CONF)
    (context / "passwd").write_text("root:x:0:0::/:\napp:x:1234:1234::/:\n")
    shutil.copy(HELLO, context / "hello")
    tag = f"localhost/enclave-init-test-{name}:latest"
    said("buildah", "build", "--tag", tag, context, env=storage())
    if not daemon():
        atexit.register(subprocess.run, ["docker", "image", "rm", "--force", tag], stdout=subprocess.DEVNULL,
                        stderr=subprocess.DEVNULL, check=False)
        said("buildah", "push", tag, f"docker-daemon:{tag}", env=storage())
    return tag


@functools.cache
def blobs(whose: str) -> Path:
    """nitro-cli's own folder, or the one that make blobs makes of it."""
    if whose == "aws":
        return INSTALLED
    path = scratch() / "blobs"
    said(TOP / "scripts/blobs", "--arch", ARCH, "--init", INIT, "--from", INSTALLED, path)
    return path


@functools.cache
def built(name: str, whose: str) -> tuple[Path, dict[str, str]]:
    """An image by nitro-cli with that init, and the measurements that it printed."""
    path = scratch() / f"{name}-{whose}.eif"
    out = said("nitro-cli", "build-enclave", "--docker-uri", container(name), "--output-file", path, env={
        **storage(), **daemon(), "NITRO_CLI_BLOBS": str(blobs(whose)), "NITRO_CLI_LOGS_PATH": str(scratch() / "logs"),
        "NITRO_CLI_ARTIFACTS": str(scratch() / "artifacts")})
    return path, pcrs(out)


def pcrs(text: str) -> dict[str, str]:
    """Those of the JSON object in TEXT, whatever else it says."""
    found = json.loads(text[text.index("{"):text.rindex("}") + 1])["Measurements"]
    return {k: v for k, v in found.items() if k.startswith("PCR")}
