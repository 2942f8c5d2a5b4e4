"""Where mkeif writes to: what is there, links, signals, file systems and machines that lack something, standard output."""

import os
import pty
import signal
import stat
import subprocess
import tarfile
from pathlib import Path
from shutil import copy2

from images import eifs
from images.keys import key_pair
from suite import Skip

from .lib import (ASAN, DEADLINE_S, DONE, FILE, MKEIF, PLAIN_ENV, REFUSED, USAGE, Eif, built, check, copied, fake_kernel, folder,
                 layout, names, preloading, run, same, test, tool)
from .sign_pack import writer

# An older overlayfs, NFS, FUSE: no file without a name.
NO_TMPFILE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/types.h>

#define REFUSE(name, arguments, ...) \
	int name arguments \
	{ \
		va_list list; \
		mode_t mode; \
		va_start(list, flags); \
		mode = va_arg(list, mode_t); \
		va_end(list); \
		if ((flags & O_TMPFILE) == O_TMPFILE) { \
			errno = EOPNOTSUPP; \
			return -1; \
		} \
		return ((int (*) arguments)dlsym(RTLD_NEXT, #name))(__VA_ARGS__, flags, mode); \
	}

REFUSE(open, (const char *path, int flags, ...), path)
REFUSE(open64, (const char *path, int flags, ...), path)
REFUSE(openat, (int dir, const char *path, int flags, ...), dir, path)
REFUSE(openat64, (int dir, const char *path, int flags, ...), dir, path)
"""


def no_tmpfile(path: Path) -> dict[str, str]:
    """The environment of a machine without O_TMPFILE."""
    (path / "no.c").write_text(NO_TMPFILE)
    tool("gcc", "-shared", "-fPIC", "-O1", "-o", path / "no.so", path / "no.c", "-ldl")
    return preloading(path / "no.so")


def image(path: Path) -> tuple[object, ...]:
    return ("--arch", "x86_64", "--kernel", fake_kernel(path / "kernel"), "--image", layout("nopasswd"))


def ramdisks(path: Path) -> tuple[object, ...]:
    """The least that makes an image."""
    (path / "r").write_bytes(b"\0" * 512)
    return ("--kernel", fake_kernel(path / "kernel"), "--ramdisk", path / "r")


@test
def the_folder_is_looked_for_before_the_image() -> None:
    """No folder for the output is said, not what else is wrong: it would have taken the whole build to get there."""
    with folder() as path:
        (path / "file").write_text("x")
        (path / "dir").mkdir()
        for output, code, err in (("none/x.eif", FILE, "none/x.eif: No such file"), ("file/x.eif", FILE, "Not a directory"),
                                  ("dir", REFUSED, "exists and is not a regular file"), ("dir/", REFUSED, "exists and is not a regular file"), ("", FILE, "")):
            to = f"{path}/{output}" if output else ""
            run("build", "--output", to, "--arch", "x86_64", "--kernel", "missing", "--image", "missing").is_(code, err)
            run("sign", "missing", "--sign-key", "missing", "--sign-cert", "missing", "--output", to).is_(code, err)
            run("set-init", "missing", "--output", to).is_(code, err)
        same(names(path / "dir"), set(), "what is left")


@test
def refusals_name_the_option() -> None:
    """Of the file that cannot be read or written, each that names one."""
    with folder() as path:
        key, cert = key_pair(path)
        made = ("--output", path / "x.eif")
        kernel = ("--kernel", fake_kernel(path / "bzImage"))
        image = (*made, *kernel, "--image", layout("nopasswd"))
        sign = ("--sign-key", key, "--sign-cert", cert)
        gone = f"{path}/gone"
        for words, err in (
                (("--output", path, "--image", path, *kernel), f"--output: {path}: exists and is not a regular file"),
                ((*made, "--image", path, "--kernel", path), f"--kernel: {path}: not a regular file"),
                ((*made, "--image", path, "--blobs", gone), f"--blobs: {gone}/bzImage: No such file or directory"),
                ((*image, "--init", gone), f"--init: {gone}: No such file or directory"),
                ((*image, "--module", gone), f"--module: {gone}: No such file or directory"),
                ((*image, "--boot-file", f"nsm={gone}"), f"--boot-file: {gone}: No such file or directory"),
                ((*made, *kernel, "--ramdisk", gone), f"--ramdisk: {gone}: No such file or directory"),
                ((*image, "--config", gone), f"--config: {gone}: No such file or directory"),
                ((*image, "--cmdline", f"@{gone}"), f"--cmdline: {gone}: No such file or directory"),
                ((*image, "--cmdline-section", gone), f"--cmdline-section: {gone}: No such file or directory"),
                ((*image, "--metadata", gone), f"--metadata: {gone}: No such file or directory"),
                ((*image, "--metadata-section", gone), f"--metadata-section: {gone}: No such file or directory"),
                ((*image, "--sign-key", gone, "--sign-cert", cert), f"--sign-key: {gone}: No such file or directory"),
                ((*image, "--sign-key", key, "--sign-cert", gone), f"--sign-cert: {gone}: No such file or directory"),
                ((*image, *sign, "--sign-key-pass-file", gone), f"--sign-key-pass-file: {gone}: No such file or directory")):
            done = run("build", *words)
            check(done.code in (REFUSED, FILE) and done.err.endswith(f"mkeif: build: {err}\n"), done.story)


@test
def a_folder_without_the_kernel_of_the_architecture_is_named() -> None:
    """As the emulator's, for arm64."""
    with folder() as path:
        fake_kernel(path / "bzImage")
        run("build", "--output", path / "x.eif", "--image", layout("nopasswd"), "--blobs", path, "--arch", "arm64").is_(
            REFUSED, f"--blobs: {path}: no Image, the kernel for arm64, in it; a bzImage, as the emulator's, is for x86-64 only")


@test(seconds=3)
def a_link_stays_and_what_it_leads_to_is_replaced() -> None:
    """As a compiler's output does; a dangling one is refused, and one to a folder."""
    with folder() as path:
        (path / "dir").mkdir()
        (path / "dir/real.eif").write_text("old")
        for name, to in (("link.eif", "dir/next"), ("dir/next", "real.eif"), ("dangling", "none.eif"), ("folder", "dir")):
            (path / name).symlink_to(to)
        run("build", "--output", path / "link.eif", *ramdisks(path)).is_(DONE)
        same(os.readlink(path / "link.eif"), "dir/next", "the link")
        same(os.readlink(path / "dir/next"), "real.eif", "the link behind it")
        Eif.load(path / "dir/real.eif")
        same(names(path / "dir"), {"next", "real.eif"}, "what is there")
        run("build", "--output", path / "dangling", *ramdisks(path)).is_(REFUSED, "dangling: dangling symbolic link")
        run("build", "--output", path / "folder", *ramdisks(path)).is_(REFUSED, "exists and is not a regular file")


@test(seconds=3)
def an_image_has_the_mode_of_the_umask() -> None:
    """Whether the file has a name while it is written or not."""
    with folder() as path:
        for env in ({}, no_tmpfile(path)):
            for umask, mode in ((0o022, 0o644), (0o077, 0o600), (0o002, 0o664)):
                run("build", "--output", path / "x.eif", *ramdisks(path), env=env, umask=umask).is_(DONE)
                same(stat.S_IMODE((path / "x.eif").stat().st_mode), mode, f"mode by umask {umask:03o}")


@test(seconds=5)
def a_signal_leaves_nothing() -> None:
    """Also where a file must have a name: it waits for a key in a pipe, the output has begun."""
    with folder() as path:
        env = no_tmpfile(path)
        (path / "out").mkdir()
        os.mkfifo(path / "key")
        words = ["build", "--output", path / "out/x.eif", *ramdisks(path), "--sign-key", path / "key", "--sign-cert", path / "key"]
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            p = subprocess.Popen([ASAN, *map(str, words)], env={**PLAIN_ENV, **env}, stderr=subprocess.DEVNULL)
            try:
                # It opens the key after its output.
                with writer(path / "key"):
                    check(len(names(path / "out")) == 1, "no file with a name: the test tests nothing")
                    p.send_signal(number)
                    same(p.wait(DEADLINE_S), -number, "how it ended")
            finally:
                p.kill()
                p.wait()
            same(names(path / "out"), set(), f"what is left by signal {number}")


ENDS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT}


@test
def signals_are_for_the_thread_that_removes_files() -> None:
    """Its handler blocks the others while it does; a second signal to a thread of the hashes would end all before."""
    with folder() as path:
        (path / "large").write_bytes(bytes(4 << 20))
        words = ["build", *ramdisks(path), "--ramdisk", path / "large", "--output", "-"]
        p = subprocess.Popen([MKEIF, *map(str, words)], env=PLAIN_ENV, bufsize=0, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL)
        tasks = Path(f"/proc/{p.pid}/task")
        try:
            # They end when all is written, which a pipe does not hold.
            same(len(p.stdout.read(1)), 1, "bytes of the image")
            threads = names(tasks) - {str(p.pid)}
            same(len(threads), 2, "threads of the hashes")
            for task in threads:
                mask = int((tasks / task / "status").read_text().split("SigBlk:")[1].split()[0], 16)
                same({n for n in ENDS if mask >> n - 1 & 1}, ENDS, "what a thread of the hashes blocks")
        finally:
            p.kill()
            p.stdout.close()
            p.wait()


@test(seconds=3)
def a_failure_leaves_nothing_that_has_a_name() -> None:
    """The second of two files that are read is not there, and the output is a file with a name."""
    with folder() as path:
        (path / "out").mkdir()
        run("build", "--output", path / "out/x.eif", "--kernel", fake_kernel(path / "kernel"), "--ramdisk", path / "none",
            env=no_tmpfile(path)).is_(FILE, "none: No such file")
        same(names(path / "out"), set(), "what is left")


@test(seconds=5)
def an_image_is_on_the_disk_before_it_has_its_name() -> None:
    """fsync of the file, then its name, then fsync of the folder."""
    try:
        tool("strace", "-V")
    except FileNotFoundError:
        raise Skip("no strace") from None
    with folder() as path:
        tool("strace", "-f", "-o", path / "trace", "-e", "trace=fsync,rename,renameat,renameat2", MKEIF, "build", "--output",
             path / "x.eif", *ramdisks(path), env=PLAIN_ENV)
        calls = [line.split("(")[0].split()[-1] for line in (path / "trace").read_text().splitlines() if "(" in line]
        same([c.replace("renameat2", "renameat") for c in calls if c in ("fsync", "renameat", "renameat2")],
             ["fsync", "renameat", "fsync"], "calls")


@test(seconds=5)
def no_proc_is_needed() -> None:
    """In a namespace whose /proc is empty, by root alone. The init is found beside the program all the same."""
    if os.geteuid():
        raise Skip("not root")
    with folder() as path:
        run("build", "--output", path / "a.eif", *image(path), "--squashfs").is_(DONE)
        words = " ".join(f"'{w}'" for w in (MKEIF, "build", "--output", path / "b.eif", *image(path), "--squashfs"))
        run("-m", "sh", "-c", f"mount -t tmpfs none /proc && exec {words}", program=Path("/usr/bin/unshare"),
            env={"TMPDIR": str(path)}).is_(DONE)
        check((path / "a.eif").read_bytes() == (path / "b.eif").read_bytes(), "another image")
        same(names(path), {"a.eif", "b.eif", "kernel"}, "what is left")


@test(seconds=5)
def standard_output_is_an_output() -> None:
    """The file alone goes there, by a pipe, and what is printed to standard error; a full one is an error."""
    with folder() as path:
        for program in (MKEIF, ASAN):
            run("build", "--output", path / "x.eif", *ramdisks(path), program=program).is_(DONE)
            p = subprocess.run([program, "build", "--output", "-", *map(str, ramdisks(path))], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env=PLAIN_ENV)
            same(p.returncode, DONE, "code")
            check(p.stdout == (path / "x.eif").read_bytes(), "not the file's bytes")
            check(b'"PCR0"' in p.stderr, "no measurements on standard error")
        with open("/dev/full", "wb") as full:
            p = subprocess.run([MKEIF, "build", "--output", "-", *map(str, ramdisks(path))], stdout=full,
                               stderr=subprocess.PIPE, env=PLAIN_ENV)
            same(p.returncode, FILE, "code of a full one")
            check(b"standard output: No space" in p.stderr, "not said")


@test
def a_terminal_gets_no_image() -> None:
    """--output - is refused there, as gzip refuses it."""
    with folder() as path:
        ours, theirs = pty.openpty()
        p = subprocess.run([MKEIF, "build", "--output", "-", *map(str, ramdisks(path))], stdout=theirs, stderr=subprocess.PIPE,
                           env=PLAIN_ENV)
        os.close(theirs)
        os.close(ours)
        same(p.returncode, USAGE, "code")
        check(b"is a terminal" in p.stderr, "not said")


@test(seconds=3)
def zeros_take_no_room() -> None:
    """A ramdisk of 64 MB that is nearly nothing but zeros: the image has holes where it has them."""
    with folder() as path:
        with open(path / "r", "wb") as f:
            f.truncate(64 << 20)
        run("build", "--output", path / "x.eif", "--kernel", fake_kernel(path / "kernel"), "--ramdisk", path / "r").is_(DONE)
        st = (path / "x.eif").stat()
        check(st.st_size > 64 << 20, "too short")
        check(st.st_blocks * 512 < 8 << 20, f"{st.st_blocks * 512} bytes on the disk")
        with open(path / "x.eif", "rb") as f:
            f.seek(-(32 << 20), os.SEEK_END)
            check(not any(f.read(1 << 20)), "not zeros")


@test(seconds=3)
def an_output_in_the_images_folder_is_refused() -> None:
    """Each image would have the one before in it, and where a file must have a name, what there is of itself."""
    with folder() as path:
        root = path / "app"
        (root / "bin").mkdir(parents=True)
        (root / "bin/tell").write_bytes(built("init", "x86_64").read_bytes())
        (root / "bin/tell").chmod(0o755)
        (path / "link").symlink_to(root / "bin/linked.eif")
        (root / "bin/linked.eif").write_text("old")
        (path / "app2").symlink_to(root)
        options = ("--arch", "x86_64", "--kernel", fake_kernel(path / "kernel"), "--init", built("init", "x86_64"),
                   "--cmd", "/bin/tell", "--image")
        before = {p: p.stat().st_mtime_ns for p in root.rglob("*") if p.is_file()}
        for env in ({}, no_tmpfile(path)):
            for image_, cwd, output in ((root, path, root / "app.eif"), (".", root, "app.eif"), (root, path, path / "app2/bin/x.eif"),
                                        (f"rootfs:{root}", path, root / "bin/x.eif"),
                                        (root, path, path / "link")):
                run("build", *options, image_, "--output", output, env=env, cwd=cwd).is_(
                    REFUSED, f"--output lies in the image's folder: {output}")
            same({p: p.stat().st_mtime_ns for p in root.rglob("*") if p.is_file()}, before, "the folder")
            run("build", *options, root, "--output", path / "app.eif", env=env).is_(DONE)


@test(seconds=5)
def an_output_that_is_an_input_is_refused() -> None:
    """It would be lost: a key, a kernel, the image's archive. An image that is signed, or gets another init, may be its
    own output. A link to an input is the input."""
    with folder() as path:
        init = copy2(built("init", "x86_64"), path / "init")
        source, layers = path / "r.tar", copied("nopasswd", path / "layers")
        with tarfile.open(source, "w") as tar:
            tar.add(init, "init")
        key, cert = key_pair(path)
        for name, text in (("cmdline", "quiet"), ("meta", "{}"), ("config", "umask = 077\n"), ("pass", "secret\n")):
            (path / name).write_text(text)
        files = {"--kernel": fake_kernel(path / "kernel"), "--init": init, "--cmd": "/init", "--image": source,
                 "--config": path / "config", "--metadata": path / "meta", "--cmdline-section": path / "cmdline",
                 "--sign-key": key, "--sign-cert": cert, "--sign-key-pass-file": path / "pass"}
        ramdisk = {"--kernel": files["--kernel"], "--ramdisk": path / "r", "--metadata-section": path / "meta"}
        (path / "r").write_bytes(b"\0" * 512)
        blobs_ = sorted((layers / "blobs/sha256").iterdir())
        boot = {**files, "--boot-file": f"b={path}/r:0644", "--cmdline": f"@{path}/cmdline"}
        del boot["--cmdline-section"]
        blobs = path / "blobs"
        blobs.mkdir()
        for name in ("kernel", "cmdline"):
            copy2(path / name, blobs / {"kernel": "bzImage"}.get(name, name))
        eif = eifs.write(path / "x.eif", eifs.small())
        (path / "link").symlink_to(key)

        def refused(what: str, output: Path, command: str, words: dict, *more: object, **how: object) -> None:
            before = output.read_bytes()
            run(command, *(w for pair in words.items() for w in pair), *more, "--output", output, **how).is_(
                REFUSED, f"{output}: the output would take the place of {what}")
            same(output.read_bytes(), before, f"the file, which is {what}")

        for option, what in (("--kernel", "the kernel"), ("--init", "the init"), ("--image", "the image"),
                             ("--config", "the configuration"), ("--metadata", "the metadata"),
                             ("--cmdline-section", "the command line"), ("--sign-key", "the key"),
                             ("--sign-cert", "the certificate"), ("--sign-key-pass-file", "the passphrase")):
            # The key, which has no passphrase, is read before the image.
            refused(what, files[option], "build", {k: v for k, v in files.items() if option != "--image" or "sign" not in k})
        refused("a boot file", path / "r", "build", boot)
        refused("the command line", path / "cmdline", "build", boot)
        refused("a ramdisk", path / "r", "build", ramdisk)
        refused("the metadata", path / "meta", "build", ramdisk)
        rest = {"--init": init, "--image": source}
        refused("the kernel", blobs / "bzImage", "build", {"--blobs": blobs, **rest})
        refused("the command line", blobs / "cmdline", "build", {"--blobs": blobs, **rest})
        for name in (layers / "index.json", *blobs_):
            refused("a file of the image", name, "build", {"--kernel": files["--kernel"], "--init": init, "--image": layers})

        signing = {"--sign-key": key, "--sign-cert": cert}
        refused("the key", key, "sign", signing, eif)
        refused("the key", path / "link", "sign", signing, eif)
        refused("the certificate", cert, "sign", signing, eif)
        with open(key, "rb") as f:
            refused("the key", key, "sign", {**signing, "--sign-key": f"fd:{f.fileno()}"}, eif, pass_fds=(f.fileno(),))
        refused("the key", key, "set-init", {"--init": init, **signing}, eif)
        refused("the init", init, "set-init", {"--init": init}, eif)
        refused("a boot file", path / "r", "set-init", {"--init": init, "--boot-file": f"b={path}/r"}, eif)
        run("sign", eif, "--sign-key", key, "--sign-cert", cert, "--output", eif).is_(DONE)
        run("set-init", eif, "--init", init, "--output", eif).is_(DONE)


# Changes a byte of a file, whose size and time stay, before the call that is named: between the first reading and the
# second. The header is 548 bytes.
CHANGER = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void change(const char *call)
{
	static int done;
	struct timespec times[2];
	struct stat st;
	char c;
	int fd;

	if (done || strcmp(getenv("CHANGE_AT"), call) != 0)
		return;
	done = 1;
	fd = open(getenv("CHANGE"), O_RDWR);
	if (fd < 0 || fstat(fd, &st) < 0 || pread(fd, &c, 1, st.st_size - 2) != 1)
		abort();
	c ^= 1;
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	if (syscall(SYS_pwrite64, fd, &c, 1, st.st_size - 2) != 1 || futimens(fd, times) < 0)
		abort();
	close(fd);
}

ssize_t pwrite64(int fd, const void *data, size_t len, off_t at)
{
	if (len == 548)
		change("write");
	return syscall(SYS_pwrite64, fd, data, len, at);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
	return pwrite64(fd, data, len, at);
}

int mkdir(const char *path, mode_t mode)
{
	change("mkdir");
	return syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}
"""


def changing(path: Path, file: Path, call: str = "write") -> dict[str, str]:
    """The environment in which FILE changes before that call."""
    if not (path / "changer.so").exists():
        (path / "changer.c").write_text(CHANGER)
        tool("gcc", "-shared", "-fPIC", "-O1", "-o", path / "changer.so", path / "changer.c", "-ldl")
    return preloading(path / "changer.so", CHANGE=file, CHANGE_AT=call)


@test(seconds=3)
def an_image_that_changes_after_its_crc_was_checked_is_refused() -> None:
    """It is read twice, and only the first reading meets the CRC: what is written would have a good one again."""
    with folder() as path:
        key, cert = key_pair(path)
        eif = eifs.write(path / "x.eif", eifs.small())
        init = built("init", "x86_64")
        for words, output in ((("sign", eif, "--sign-key", key, "--sign-cert", cert), path / "y.eif"),
                              (("set-init", eif, "--init", init), path / "y.eif"),
                              (("sign", eif, "--sign-key", key, "--sign-cert", cert), eif),
                              (("extract", eif), path / "parts")):
            eifs.write(eif, eifs.small())
            env = changing(path, eif, "mkdir" if words[0] == "extract" else "write")
            run(*words, "--output", output, env=env).is_(REFUSED, f"{eif}: changed while it was read")
            check(not (path / "y.eif").exists() and not (path / "parts").exists(), "there is an output")


@test(seconds=3)
def a_file_that_changes_after_it_was_hashed_is_refused() -> None:
    """BuildInputs has the digest of the first reading, and the image what the second finds."""
    with folder() as path:
        for name in ("init", "file"):
            copy2(built("init", "x86_64"), path / name)
        (path / "r").write_bytes(b"\0" * 512)
        kernel = fake_kernel(path / "kernel")
        plain = ("--kernel", kernel, "--ramdisk", path / "r")
        whole = ("--kernel", kernel, "--init", path / "init", "--boot-file", f"b={path}/file", "--image", layout("nopasswd"))
        eif = eifs.write(path / "x.eif", eifs.small())
        set_init = ("set-init", eif, "--init", path / "init", "--boot-file", f"b={path}/file")
        for file, words in ((kernel, ("build", *plain)), (path / "r", ("build", *plain)), (kernel, ("build", *whole)),
                            (path / "init", ("build", *whole)), (path / "file", ("build", *whole)),
                            (path / "init", set_init), (path / "file", set_init)):
            run(*words, "--output", path / "y.eif", env=changing(path, file)).is_(
                REFUSED, f"{file}: changed while it was read")
            check(not (path / "y.eif").exists(), "there is an output")
