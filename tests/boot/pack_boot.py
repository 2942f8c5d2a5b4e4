"""Images that mkeif made: their measurements are the NSM's, and the application is as the image says."""

import json
import subprocess
import tempfile
from pathlib import Path

from images.containers import SHELL, write_image
from images.keys import key_pair
from machine import kernel_dir

from .aws_boot import aws_image
from .lib import TOP, Boot, Eif, boot, built, check, enclave, same, shared, test

MKEIF = TOP / "build/mkeif"
TOOL = ("--boot-file", f"nsm={TOP / 'build/x86_64/nsm'}")


def packed(name: str, *options: object) -> tuple[Eif, dict[str, str]]:
    """The image of images/containers.py as an EIF, and the measurements that mkeif printed."""
    with tempfile.TemporaryDirectory(prefix="pack-boot-") as folder:
        path, kernel = Path(folder), kernel_dir()
        write_image(name, path / "image")
        done = subprocess.run(
            [MKEIF, "build", "--arch", "x86_64", "--image", path / "image", "--kernel", kernel / "bzImage", "--module",
             kernel / "nsm.ko", "--init", TOP / "build/x86_64/init", "--output", path / "x.eif", *options],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        check(done.returncode == 0, f"mkeif: {done.stderr}")
        return Eif.load(path / "x.eif"), json.loads(done.stdout)["Measurements"]


def booted(name: str, *options: object, **machine: object) -> tuple[Boot, dict[str, str]]:
    """Boots it with the tool nsm; the NSM's measurements are those that mkeif printed."""
    eif, said = packed(name, *options, *TOOL)
    b = boot(eif, **machine)
    for n in (0, 1, 2):
        same(b.fact(f"pcr{n}"), said[f"PCR{n}"], f"PCR{n} of {name}")
    same(b.fact("pcr8"), said.get("PCR8", "0" * 96), f"PCR8 of {name}")
    b.expect_heartbeat()
    return b, said


def args(*words: str) -> list[str]:
    return [f"[{w}]" for w in words]


@test(seconds=10)
def a_shell_script_gets_what_the_image_says():
    """Entrypoint and Cmd joined, Env, a user by name with all groups, a folder that was missing; compressed."""
    b, _ = booted("shell", "--compress", "gzip")
    b.expect(uid="1000", gid="50", cwd="[/srv/work dir]")
    same(set(b.fact("groups").split()), {"50", "44", "3000000"}, "groups")
    same(b.all("arg"), args(*SHELL["Cmd"]), "arguments")
    same(set(args(*SHELL["Env"])) - set(b.all("env")), set(), "variables that are lacking")


@test(seconds=20)
def a_squashfs_runs_as_a_ramdisk_does():
    """The same shell script with the same user and folder; the NSM measured what mkeif said; a capability of a file."""
    b, _ = booted("shell", "--squashfs")
    b.expect(uid="1000", gid="50", cwd="[/srv/work dir]")
    same(b.all("arg"), args(*SHELL["Cmd"]), "arguments")
    b, _ = booted("capabilities", "--squashfs=gzip", "--user", "7:8")
    b.expect(uid="7", gid="8")


@test(seconds=10)
def a_program_alone_runs_as_numbers():
    """An image of one file: user and group by number, no others; signed."""
    with tempfile.TemporaryDirectory(prefix="pack-boot-") as folder:
        key, cert = key_pair(Path(folder))
        b, said = booted("nopasswd", "--sign-key", key, "--sign-cert", cert)
    check("PCR8" in said, "no PCR8")
    b.expect(uid="1234", gid="5678", cwd="[/]")
    same(b.all("arg"), args("/tell"), "arguments")
    check("[A=1]" in b.all("env"), f"A is not in {b.all('env')}")


@test(seconds=10)
def newlines_and_the_stop_signal_arrive():
    """In an argument and a variable, as they were; the signal is sent when PID 1 is asked to end."""
    b, _ = booted("multiline")
    same(b.all("arg"), args("/tell", r"an argument\x0aof two lines", r'back\x5cslash "quoted"\x09tab\x0d', "--until", "10"),
         "arguments")
    check(r"[KEY=-----BEGIN-----\x0aAAAA\x0a-----END-----\x0a]" in b.all("env"), f"KEY is not in {b.all('env')}")
    check("[PLAIN=one line]" in b.all("env"), f"PLAIN is not in {b.all('env')}")
    b.expect(signal="10")


@test(seconds=10)
def a_linked_tmp_is_a_folder():
    """/tmp, a link in the image, is one to work in."""
    b, _ = booted("tmplink")
    same(b.all("arg"), args("/tell", "tmp"), "arguments")
    check(b.fact("cwd") in ("[/tmp]", "[/var/tmp]"), f"cwd {b.fact('cwd')}")


@test(seconds=10)
def a_command_is_found_by_path():
    """Without Entrypoint and without a slash, in a working directory that was made."""
    b, _ = booted("cmdonly")
    same(b.all("arg"), args("tell", "found"), "arguments")
    b.expect(cwd="[/made/for/it]")


@test(seconds=30)
def go_and_rust_run():
    """Programs of others with their libraries, in the folder and as the user that the image says."""
    b, _ = booted("go")
    b.expect(uid="1000", gid="50")
    check("umoci version" in b.result.text, "umoci said no version")
    b, _ = booted("rust")
    b.expect(uid="0", gid="0", cwd="[/usr]")
    check("vhost-device-vsock 0" in b.result.text, "vhost-device-vsock said no version")


@test(seconds=40)
def python_serves():
    """Debian's Python: an asyncio server on localhost, a user by name."""
    b, _ = booted("python", memory=1024)
    b.expect(uid="1000", gid="44", served="[you said hello]", cwd="[/srv]")
    same(b.all("arg"), args("/srv/server.py", "an argument"), "arguments")
    check("[LANG=C.UTF-8]" in b.all("env"), f"LANG is not in {b.all('env')}")


# --- Debian's servers, with services and no script -----------------------------

def served(name: str) -> Boot:
    """Boots it; all was ready before the parent was told, and it ended in order."""
    b = boot(packed(name, *TOOL)[0], memory=1024)
    b.expect_heartbeat()
    return b


@test(seconds=20)
def asyncio_serves_and_is_started_again():
    """Python's asyncio says that it is ready; curl beside it has it crash, and is served by the next one."""
    b = served("asyncio")
    (v4,), (v6,), (crash,), (again,) = (b.all(k) for k in ("v4", "v6", "crash", "again"))
    pids = b.all("serving")
    same(len(set(pids)), 2, f"servers in {pids}")
    same(v4, f"pid {pids[0]} uid 33 to 127.0.0.1", "by IPv4")
    same(v6, f"pid {pids[0]} uid 33 to ::1", "by IPv6")
    check(crash.startswith(f"pid {pids[0]} "), crash)
    check(again.startswith(f"pid {pids[1]} uid 33 "), again)
    b.expect_said("main: exited with code 3, started again in 200 ms (1 of 5)")
    b.expect_end("checker", "exited with code 0")


@test(seconds=10)
def nginx_serves_as_its_user():
    """nginx as www-data without any privilege: port 80, /dev/stdout, and what is root's stays closed."""
    b = served("nginx")
    b.expect(v4="a page", v6="a page")
    same(b.all("code"), ["200", "200", "403"], "codes")
    check('"GET /v4 HTTP/1.1" 200' in b.result.text, "no line in the log of accesses")
    b.expect_end("checker", "exited with code 0")


@test(seconds=20)
def postgres_works_for_another_user():
    """PostgreSQL, which sends READY=1 itself, before psql as somebody else; two processes share memory."""
    b = served("postgres")
    b.expect(sum="333383335000", who="app from ::1", shm="posix")
    check("Workers Launched: 2" in b.result.text or "Workers Launched: 1" in b.result.text, "no parallel worker")
    check("ready to accept connections" in b.result.text, "PostgreSQL did not say that it was ready")
    at = b.result.text.index
    check(at("ready to accept connections") < at("psql: started"), "psql was started before PostgreSQL was ready")
    check("database system is shut down" in b.result.text, "PostgreSQL was not stopped in order")
    b.expect_end("/usr/bin/psql", "exited with code 0")


@test(seconds=20)
def many_and_deep_paths_are_unpacked():
    """5,000 files; a path as long as can be."""
    booted("many_and_deep")


@test(seconds=10)
def an_arm64_image_runs():
    """With AWS's 4.14 kernel, its module and our cross-built init. That machine measures nothing."""
    aws = aws_image()
    with tempfile.TemporaryDirectory(prefix="pack-boot-") as folder:
        path = Path(folder)
        (path / "Image").write_bytes(aws.kernel)
        (path / "nsm.ko").write_bytes({e.name: e.data for e in enclave.cpio_read(aws.ramdisks[0])}["nsm.ko"])
        (path / "cmdline").write_text(aws.cmdline + "\n")
        (path / "root/bin").mkdir(parents=True)
        (path / "root/bin/tell").write_bytes(built("apps/tell", "aarch64"))
        (path / "root/bin/tell").chmod(0o755)
        built("init", "aarch64")  # the default, beside mkeif
        done = subprocess.run(
            [MKEIF, "build", "--arch", "aarch64", "--image", path / "root", "--blobs", path, "--cmd", "tell", "--cmd", "a b",
             "--env", "X=1", "--user", "7:8", "--workdir", "/srv/app", "--output", path / "x.eif"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
        check(done.returncode == 0, f"mkeif: {done.stderr}")
        b = boot(Eif.load(path / "x.eif"), append="panic=-1")
    b.expect_heartbeat()
    b.expect(uid="7", gid="8", cwd="[/srv/app]")
    same(b.all("arg"), args("tell", "a b"), "arguments")
    check("[X=1]" in b.all("env"), f"X is not in {b.all('env')}")
