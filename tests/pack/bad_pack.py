"""What mkeif build refuses: it says what and where, leaves no file, and what was there."""

import json
import os
import py_compile
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

from images.containers import CMD, DEEP_MAX, deep_layer, static_layer
from images.keys import expired, key_pair
from images.oci import OCI, PACKED, Layer, Layout, digest, single, tagged, zstd, zstd_bomb

from .lib import (ASAN, DONE, FILE, MKEIF, REFUSED, TOP, USAGE, Eif, boot_options, build, built, check, copied, folder, kernels,
                 layout, make, names, ramdisk, run, same, test, tool)

OLD = b"what was there\n"


def expect_refused(path: Path, code: int, err: tuple[str, ...], *options: object, program: Path = ASAN) -> str:
    """
    CODE, with the parts ERR in what is said, and nothing else changes: no output, no rest beside it; an output that
    was there stays. PATH is the test's folder. The latter is tried with the program that is installed, which starts twenty
    times as fast as the one with sanitizers. What was said is returned.
    """
    out = path / "output"
    out.mkdir(exist_ok=True)
    said = ""
    for old, by in ((None, program), (OLD, MKEIF)):
        if old:
            (out / "x.eif").write_bytes(old)
        done = run("build", "--output", out / "x.eif", *options, program=by).is_(code, *err)
        same(names(out), {"x.eif"} if old else set(), f"what is beside the output of {done.command}")
        check(not old or (out / "x.eif").read_bytes() == old, f"the old output changed: {done.story}")
        said = done.err
    (out / "x.eif").unlink()
    return said


def expect_bad_image(path: Path, *err: str, code: int = REFUSED, options: tuple = ()) -> str:
    return expect_refused(path, code, err, *boot_options(), "--image", path / "image", *options)


def change_json(layout_path: Path, change: Callable[[dict, dict, Layout], None]) -> None:
    """Writes manifest and configuration anew, as CHANGE has changed them, with right digests."""
    l = Layout(layout_path)
    manifest = l.read(l.manifests[0])
    config = l.read(manifest["config"])
    change(manifest, config, l)
    if manifest["config"]["mediaType"].startswith(OCI):
        manifest["config"] = l.json(config, manifest["config"]["mediaType"])
    l.index(tagged(l.json(manifest, OCI + "manifest.v1+json")))


def layer_digest(layout_path: Path) -> str:
    l = Layout(layout_path)
    return l.read(l.manifests[0])["layers"][0]["digest"]


def raw_image(path: Path, tar: bytes, packed: str = "gzip") -> None:
    """An image of one layer with these bytes."""
    l = Layout(path)
    l.index(tagged(l.image([tar], CMD, packed)))


# --- layouts -----------------------------------------------------------------

@test
def no_image_is_said() -> None:
    """Nothing there, an empty folder with --cmd that is not there, a file that is no archive."""
    with folder() as path:
        expect_bad_image(path, f"{path}/image", ": No such file or directory", code=FILE)
        (path / "image").mkdir()
        expect_bad_image(path, "/tell", options=("--cmd", "/tell"))
        (path / "image").rmdir()
        (path / "image").write_bytes(b"neither tar nor layout" * 100)
        expect_bad_image(path, "image")


@test
def damaged_blobs_are_named() -> None:
    """Missing, changed, longer or shorter than said: by digest."""
    def missing(blob: Path) -> None:
        blob.unlink()

    def changed(blob: Path) -> None:
        data = bytearray(blob.read_bytes())
        data[len(data) // 2] ^= 1
        blob.write_bytes(data)

    def longer(blob: Path) -> None:
        blob.write_bytes(blob.read_bytes() + b"\0")

    def shorter(blob: Path) -> None:
        blob.write_bytes(blob.read_bytes()[:-100])

    for damage in (missing, changed, longer, shorter):
        for which in ("layer", "config", "manifest"):
            with folder() as path:
                l = Layout(copied("nopasswd", path / "image"))
                manifest = l.read(l.manifests[0])
                name = {"layer": manifest["layers"][0], "config": manifest["config"], "manifest": l.manifests[0]}[which]["digest"]
                damage(l.blob_path(name))
                expect_bad_image(path, name.split(":")[1])


@test
def layers_that_are_not_what_the_configuration_says_are_refused() -> None:
    """A blob that is the manifest's, with other content than diff_ids says."""
    def change(manifest: dict, config: dict, l: Layout) -> None:
        config["rootfs"]["diff_ids"][0] = digest(b"another")

    with folder() as path:
        change_json(copied("nopasswd", path / "image"), change)
        expect_bad_image(path, "layer 1", "d")

    def fewer(manifest: dict, config: dict, l: Layout) -> None:
        config["rootfs"]["diff_ids"] = []

    with folder() as path:
        change_json(copied("nopasswd", path / "image"), fewer)
        expect_bad_image(path, "layer")


@test
def unknown_kinds_are_named() -> None:
    """Of a layer, of a configuration (an artifact, not an image), of a manifest."""
    def layer(manifest: dict, config: dict, l: Layout) -> None:
        manifest["layers"][0]["mediaType"] = "application/vnd.other.layer"

    def artifact(manifest: dict, config: dict, l: Layout) -> None:
        manifest["config"]["mediaType"] = "application/vnd.other.config"

    for change in (layer, artifact):
        with folder() as path:
            change_json(copied("nopasswd", path / "image"), change)
            expect_bad_image(path, "application/vnd.other.")


@test
def another_architecture_is_named() -> None:
    """An image for arm64 alone, by its index or its configuration; a program for arm64 in an image that says amd64."""
    boots = [o for o in boot_options() if o not in ("--arch", "x86_64")]
    if os.uname().machine == "x86_64":
        with folder() as path:
            l = Layout(path / "image")
            one = l.image([static_layer().bytes()], CMD, arch="arm64")
            l.index(tagged({**one, "platform": {"architecture": "arm64", "os": "linux"}}))
            expect_refused(path, REFUSED, ("no image for linux/amd64: linux/arm64",), *boots, "--image", path / "image")
        with folder() as path:
            change_json(copied("nopasswd", path / "image"), lambda m, c, l: c.update(architecture="arm64"))
            expect_refused(path, REFUSED, ("the image is for arm64, not amd64", "--arch"), *boots, "--image", path / "image")
    with folder() as path:
        layer = Layer()
        layer.file("tell", built("apps/tell", "aarch64"), 0o755)
        single(path / "image", [layer], CMD)
        expect_bad_image(path, "/tell: not for x86_64")
        change_json(path / "image", lambda m, c, l: c.update(architecture="arm64"))
        expect_bad_image(path, "/tell: not for x86_64")


# --- layers ------------------------------------------------------------------

@test
def long_names_leave_the_reason() -> None:
    """In a path of ours, in what an image says; and of many notes the first hundred are told."""
    with folder() as path:
        deep = path / "/".join(["d" * 200] * 19)
        done = run("describe", deep / "x.eif", program=ASAN).is_(FILE, f"mkeif: describe: {path}/ddd", ": No such file or dir")
        check(len(done.err) < 2200, done.story)
    with folder() as path:
        (path / "manifest.json").write_text(json.dumps([{"Config": "\u00e4" * 5000, "Layers": []}]))
        tool("tar", "-cf", path / "image", "-C", path, "manifest.json")
        expect_bad_image(path, "\u00e4...", "\u00e4: not there")
    with folder() as path:
        config = {**CMD, "ExposedPorts": {"!" + "\x1b" * 5000: {}, **{f"{i}/tcp": {} for i in range(300)}}}
        single(path / "image", [static_layer()], config)
        lines = build(path / "x.eif", "--image", path / "image", program=ASAN).is_(DONE).err.splitlines()
        same(len(lines), 101, "notes")
        check(lines[0].startswith("mkeif: build: note: EXPOSE !\\x1b") and "is ignored: an enclave has no network" in lines[0], lines[0])
        same(lines[-1], "mkeif: build: note: 201 more notes are not shown", "the last note")


@test
def broken_archives_are_told() -> None:
    """Cut off, sizes that lie, a checksum that is wrong, a layer that is no archive."""
    tar = static_layer().bytes()
    size = tar[124:136]
    lying = tar.replace(size, b"77777777777\0", 1)
    summed = lying[:148] + b"%06o\0 " % (sum(lying[:148] + b" " * 8 + lying[156:512])) + lying[512:]
    for data in (tar[:700], tar[:len(tar) // 2], summed, lying, b"\1" * 5000):
        with folder() as path:
            raw_image(path / "image", data)
            expect_bad_image(path, "layer 1", layer_digest(path / "image").split(":")[1])
    # The compressed stream cut off, with a digest that fits.
    for packed in ("gzip", "zstd"):
        with folder() as path:
            l = Layout(path / "image")
            kind, pack = PACKED[packed]
            short = pack(tar)[:-50]

            def change(manifest: dict, config: dict, l: Layout) -> None:
                manifest["layers"] = [l.blob(short, kind)]

            l.index(tagged(l.image([tar], CMD, packed)))
            change_json(path / "image", change)
            expect_bad_image(path, "layer 1")


@test
def a_layer_has_one_end() -> None:
    """Behind one block of zeros there are only zeros: Go's tar refuses it, libarchive ends there without what follows. Behind
    two, a tar's end, every reader has done. What is behind the end of gzip and zstd is part of the blob, and no reader's."""
    first, second = Layer(tarfile.USTAR_FORMAT), Layer(tarfile.USTAR_FORMAT)
    first.file("tell", built("apps/tell"), 0o755)
    second.file("etc/shadow", "secret\n")
    whole = first.bytes()
    end = -(-len(whole.rstrip(b"\0")) // 512) * 512
    for packed in ("plain", "gzip", "zstd"):
        for behind in (second.bytes(), b"x", bytes(100000) + b"x" + bytes(411)):
            with folder() as path:
                raw_image(path / "image", whole[:end] + bytes(1024) + behind, packed)
                files = ramdisk(make(path / "x.eif", "--image", path / "image"))
                check("rootfs/tell" in files and "rootfs/etc" not in files, f"what is behind the end: {sorted(files)}")
        for tar in (whole[:end] + bytes(512) + second.bytes(), whole[:end] + bytes(512) + b"x" + bytes(511)):
            with folder() as path:
                raw_image(path / "image", tar, packed)
                expect_bad_image(path, "layer 1", "more than zeros behind the tar's end")
    for packed, behind in (("gzip", b"x" * 20), ("gzip", bytes(20)), ("gzip", b"\x1f\x8b"), ("zstd", b"x" * 20), ("xz", b"x" * 20),
                           ("bzip2", b"x" * 20)):
        with folder() as path:
            l = Layout(path / "image")
            kind, pack = PACKED[packed]

            def change(manifest: dict, config: dict, l: Layout) -> None:
                manifest["layers"] = [l.blob(pack(whole) + behind, kind)]

            l.index(tagged(l.image([whole], CMD, packed)))
            change_json(path / "image", change)
            expect_bad_image(path, "layer 1")


@test
def an_owner_that_is_nobodys_is_refused() -> None:
    """4294967295 is -1 to chown(2), which would leave the file root's."""
    for uid, gid in ((0xffffffff, 0), (0, 0xffffffff), (1 << 32, 0)):
        with folder() as path:
            layer = static_layer()
            layer.file("x", "", uid=uid, gid=gid)
            single(path / "image", [layer], CMD)
            expect_bad_image(path, f"x: owner {uid}:{gid}: the highest is 4294967294")


@test
def nothing_is_written_outside() -> None:
    """Names with .., absolute ones, and links that lead out: refused, or within the image."""
    def dots(layer: Layer, victim: Path) -> None:
        layer.file(f"../../../../../../../..{victim}", "new\n")

    def inner_dots(layer: Layer, victim: Path) -> None:
        layer.file(f"a/../../../../../../../../..{victim}", "new\n")

    def hard_link(layer: Layer, victim: Path) -> None:
        layer.hard("x", f"../../../../../../../..{victim}")

    def missing_hard_link(layer: Layer, victim: Path) -> None:
        layer.hard("x", str(victim))

    for bad in (dots, inner_dots, hard_link, missing_hard_link):
        with folder() as path:
            victim = path / "victim"
            victim.write_text("old\n")
            layer = static_layer()
            bad(layer, victim)
            single(path / "image", [layer], CMD)
            expect_bad_image(path, "layer 1")
            same(victim.read_text(), "old\n", f"a file outside, by {bad.__name__}")

    with folder() as path:
        victim = path / "victim"
        victim.mkdir()
        layer = static_layer()
        layer.link("away", str(victim))
        layer.file("away/file", "new\n")
        layer.file(f"{victim}/absolute", "new\n")
        layer.link("up", "../../../../../../../../.." + str(victim))
        layer.file("up/up", "new\n")
        single(path / "image", [layer], CMD)
        run("build", "--output", path / "x.eif", *boot_options(), "--image", path / "image", program=ASAN).is_(DONE)
        same(names(victim), set(), "a folder outside")


@test(seconds=3)
def a_bomb_goes_no_further_than_its_memory() -> None:
    """Zeros by the thousandfold, behind the end of the archive or as a file: no more memory for it."""
    with folder() as path:
        layer = static_layer()
        layer.add("zeros", tarfile.REGTYPE, 0o644, bytes(16 << 20))
        raw_image(path / "image", layer.bytes() + bytes(64 << 20))
        done = run("-c", 'ulimit -v 65536; exec "$@"', "sh", MKEIF, "build", "--output", path / "x.eif", *boot_options(),
                   "--image", path / "image", program=Path("/bin/sh"))
        check(done.code in (DONE, REFUSED), done.story)


@test
def a_bomb_is_told_from_an_image() -> None:
    """More than 1 GiB and 4096 times the layer: zeros behind the archive by zstd, files that are a hole."""
    packed = zstd(static_layer().bytes()) + zstd_bomb(b"", 1200000000)
    with folder() as path:
        def change(manifest: dict, config: dict, l: Layout) -> None:
            manifest["layers"] = [l.blob(packed, PACKED["zstd"][0])]

        raw_image(path / "image", static_layer().bytes())
        change_json(path / "image", change)
        # Once, since it unpacks a GiB of them.
        build(path / "x.eif", "--image", path / "image").is_(
            REFUSED, "layer 1", f": {len(packed)} bytes unpack to more than 4096 times")
        same(names(path), {"image"}, "files")
    with folder() as path:
        layer = static_layer()
        for i in range(40):
            layer.file(f"hole{i}", "x", pax_headers={"GNU.sparse.size": "4000000000", "GNU.sparse.map": "0,1"})
        single(path / "image", [layer], CMD)
        expect_bad_image(path, "layer 1", ": hole0: ", "4096 times")


@test
def links_that_lead_on_and_on_end() -> None:
    """A chain of 250 long links, for many files or many whiteouts: a small image would take days."""
    def layer(put: Callable[[Layer, int], None]) -> Layer:
        layer = static_layer("a", "last")
        for i in range(250):
            # "." is the cheapest step, of which this takes the most; with a name it is four times as long.
            steps = "a/../" * 800 if i % 10 == 0 else "./" * 2000
            layer.link(f"l{i}", steps + (f"l{i + 1}" if i < 249 else "last"))
        for i in range(500):
            put(layer, i)
        return layer

    for put in (lambda layer, i: layer.file(f"l0/{i}", ""), lambda layer, i: layer.without(f"l0/{i}")):
        with folder() as path:
            single(path / "image", [layer(put)], CMD)
            # Once: to find that out takes most of a second.
            done = build(path / "x.eif", "--image", path / "image").is_(REFUSED, "layer 1", "links in paths lead on and on")
            check("not there" not in done.err, done.err)
            same(names(path), {"image"}, "files")


@test
def a_path_that_is_too_long_is_refused() -> None:
    """A path that is too long; the reason is said, too."""
    with folder() as path:
        layer = deep_layer(DEEP_MAX + 1)
        single(path / "image", [layer], CMD)
        expect_bad_image(path, "layer 1", "more than 4087 bytes")


@test(seconds=2)
def a_file_of_4_gib_is_refused() -> None:
    """By its name and before it is read."""
    with folder() as path:
        (path / "image").mkdir()
        (path / "image/tell").write_bytes(built("apps/tell").read_bytes())
        (path / "image/tell").chmod(0o755)
        with open(path / "image/large", "wb") as f:
            f.truncate(4 << 30)
        expect_bad_image(path, "large", "4", options=("--cmd", "/tell"))


# --- configurations ----------------------------------------------------------

@test
def what_cannot_run_is_refused() -> None:
    """Program, user, group, working directory, signal: each is named."""
    for options, err in (
            (("--entrypoint", "/no/such"), ("/no/such", "not in the image\n")),
            (("--entrypoint", "/bin/hello -v"), ("/bin/hello -v: not in the image; one --cmd for each argument\n",)),
            (("--entrypoint", "nosuch"), ("nosuch", "PATH", "/usr/bin:/bin")),
            (("--entrypoint", "/etc/passwd"), ("/etc/passwd", "not an executable")),
            (("--entrypoint", "/etc"), ("/etc", "not an executable")),
            (("--user", "nobody"), ("nobody", "/etc/passwd")),
            (("--user", "app:nogroup"), ("nogroup", "/etc/group")),
            (("--workdir", "/etc/passwd"), ("/etc/passwd", "not a folder")),
            (("--workdir", "relative"), ("relative",)),
            (("--stop-signal", "SIGNONE"), ("SIGNONE",))):
        with folder() as path:
            copied("shell", path / "image")
            expect_bad_image(path, *err, options=options)
    with folder() as path:
        single(path / "image", [static_layer()], {"Env": ["A=1"]})
        expect_bad_image(path, "neither entrypoint nor command")
    with folder() as path:
        single(path / "image", [static_layer()], {"Cmd": ["/tell"], "User": "app"})
        expect_bad_image(path, "app", "/etc/passwd")


@test
def what_would_run_the_program_is_looked_for() -> None:
    """A script's interpreter, an ELF file's loader, the shell of a text; links and scripts of scripts are followed."""
    with folder() as path:
        programs = path / "image/bin"
        programs.mkdir(parents=True)
        for name, data in (("py", b"#! /usr/bin/python3 -u\nprint()\n"), ("crlf", b"#!/bin/own\r\n"),
                           ("text", b"echo hi\n"), ("dynamic", Path(sys.executable).resolve().read_bytes()),
                           ("second", b"#!/bin/py\n"), ("cut", built("apps/tell", "x86_64").read_bytes()[:64])):
            (programs / name).write_bytes(data)
            (programs / name).chmod(0o755)
        for number in range(7):
            (programs / f"r{number}").write_text(f"#!/bin/r{number + 1}\n")
            (programs / f"r{number}").chmod(0o755)
        (programs / "own").write_bytes(built("apps/tell", "x86_64").read_bytes())
        for name, err in (("py", "py: its interpreter /usr/bin/python3 is not in the image"),
                          ("crlf", "its interpreter /bin/own\\x0d is not"),
                          ("text", "text: its interpreter /bin/sh is not"),
                          ("dynamic", "dynamic: its interpreter /lib64/ld-linux-x86-64.so.2 is not"),
                          ("second", "/bin/py: its interpreter /usr/bin/python3 is not"),
                          ("cut", "cut: its program headers are beyond its end"),
                          ("r0", "more than 5 scripts")):
            expect_bad_image(path, err, options=("--cmd", name))
        (programs / "sh").symlink_to("/bin/own")
        expect_bad_image(path, "text: its interpreter /bin/sh is no executable", options=("--cmd", "text"))
        (programs / "own").chmod(0o755)
        make(path / "x.eif", "--image", path / "image", "--cmd", "text")


# --- what boots it -----------------------------------------------------------

@test
def kernels_and_modules_have_to_fit() -> None:
    """No kernel, none at all, one of another kind, a module of another kernel."""
    with folder() as path:
        image = ("--image", layout("nopasswd"), "--init", built("init", "x86_64"))
        good = kernels()
        expect_refused(path, FILE, ("none: No such file",), *image, "--kernel", path / "none", "--module", good / "nsm.ko")
        (path / "text").write_text("no kernel\n" * 1000)
        expect_refused(path, REFUSED, ("text",), *image, "--kernel", path / "text")
        expect_refused(path, REFUSED, ("text",), *image, "--kernel", good / "bzImage", "--module", path / "text")
        module = (good / "nsm.ko").read_bytes()
        at = module.index(b"vermagic=") + len(b"vermagic=")
        (path / "other.ko").write_bytes(module[:at] + b"9" + module[at + 1:])
        expect_refused(path, REFUSED, ("other.ko", "kernel"), *image, "--kernel", good / "bzImage", "--module", path / "other.ko")
        expect_refused(path, REFUSED, ("text",), "--image", layout("nopasswd"), "--kernel", good / "bzImage",
                       "--module", good / "nsm.ko", "--init", path / "text")
        expect_refused(path, REFUSED, ("an init has to be static",), "--image", layout("nopasswd"), "--kernel",
                       good / "bzImage", "--init", Path(sys.executable).resolve())
        expect_refused(path, USAGE, ("without --kernel",), *image, "--kernel", good / "bzImage", "--blobs", good)
        run("build", *image, "--kernel", good / "bzImage", "--output", path / "x.eif").is_(DONE, "no --module: ")


@test
def a_resolv_conf_of_the_builder_is_mentioned() -> None:
    """A file with something in it: not an empty one, as container tools leave it, nor a link."""
    with folder() as path:
        for n, (content, said) in enumerate((("nameserver 192.0.2.1\n", True), ("", False), (None, False))):
            layer = static_layer()
            if content is None:
                layer.link("etc/resolv.conf", "/run/resolv.conf")
            else:
                layer.file("etc/resolv.conf", content)
            single(path / str(n), [layer], CMD)
            done = build(path / f"{n}.eif", "--image", path / str(n)).is_(DONE)
            same("/etc/resolv.conf of the image is measured" in done.err, said, f"a note for {content!r}")


@test
def modules_that_python_would_compile_again_are_counted() -> None:
    """A .pyc of which the image's times are true and the enclave's are not; none that goes by a hash, nor one that nothing reads."""
    with folder() as path:
        source, compiled = path / "m.py", path / "m.pyc"
        source.write_text("x = 1\n")
        os.utime(source, (1000, 1000))

        def module(mode: str, size: int = 0) -> bytes:
            py_compile.compile(str(source), str(compiled), doraise=True, invalidation_mode=getattr(py_compile.PycInvalidationMode, mode))
            data = compiled.read_bytes()
            return data[:12] + size.to_bytes(4, "little") + data[16:] if size else data

        stale = module("TIMESTAMP")
        plain, opt = "a.cpython-311.pyc", "b.cpython-311.opt-1.pyc"
        cases = (("as pip and Debian leave them", (plain, opt), stale, 1000, [], "2"), ("times are kept", (plain,), stale, 1000, ["--keep-times"], ""),
                 ("all have its source's time", (plain,), stale, 1000, ["--mtime", "1000"], ""), ("stale already", (plain,), stale, 1001, [], ""),
                 ("of another size", (plain,), module("TIMESTAMP", 7), 1000, [], ""), ("unchecked", (plain,), module("UNCHECKED_HASH"), 1000, [], ""),
                 ("checked by a hash", (plain,), module("CHECKED_HASH"), 1000, [], ""), ("cut off", (plain,), stale[:15], 1000, [], ""),
                 ("of a Python before 3.7", (plain,), stale[:4] + stale[8:], 1000, [], ""), ("without a source", (), stale, 1000, [], ""))
        for n, (what, names_of, data, time, options, count) in enumerate(cases):
            layer = static_layer()
            for name in names_of:
                layer.file(f"opt/{name.partition('.')[0]}.py", source, mtime=time)
                layer.file(f"opt/__pycache__/{name}", data)
            layer.file("opt/__pycache__/gone.cpython-311.pyc", data)
            layer.file("opt/sourceless.pyc", data)
            single(path / str(n), [layer], CMD)
            done = build(path / f"{n}.eif", "--image", path / str(n), *options).is_(DONE)
            same("".join(re.findall(r"since (\d+) \.pyc files", done.err)), count, what)


@test
def a_newcomer_is_told_where_a_kernel_is() -> None:
    """Neither --kernel nor --blobs nor NITRO_CLI_BLOBS: what is missing, and three places that have it; one that is there will do."""
    with folder() as path:
        image = ("--image", layout("nopasswd"), "--output", path / "x.eif")
        for blobs in ("", None):
            env = {} if blobs is None else {"NITRO_CLI_BLOBS": blobs}
            run("build", *image, "--arch", "x86_64", env=env).is_(
                USAGE, "--kernel or --blobs is missing: an image holds the Linux kernel", "/usr/share/nitro_enclaves/blobs",
                "blobs/x86_64 of github.com/aws/aws-nitro-enclaves-cli", "`make run`", "--blobs build/emulator")
        other = run("build", *image, "--arch", "aarch64").is_(USAGE, "blobs/aarch64 of github.com")
        same("build/emulator" in other.err, False, "a kernel for another architecture")
        same((path / "x.eif").exists(), False, "a file")
        subprocess.run([TOP / "scripts/emulator", "--blobs", path / "emulator", "run"], check=True)
        same(sorted(p.name for p in (path / "emulator").iterdir()), ["bzImage", "nsm.ko"], "the emulator's folder")
        refused = subprocess.run([TOP / "scripts/emulator", "--blobs", path / "arm64", "aarch64"], stderr=subprocess.PIPE, text=True,
                                 env={**os.environ, "ENCLAVE_INIT_CACHE": str(path / "cache")}, check=False)
        same((refused.returncode, refused.stderr), (1, "emulator: --blobs: the kernel is one for x86_64\n"), "a kernel for another architecture")
        same((path / "cache").exists(), False, "anything built for it")
        done = run("build", *image, "--init", built("init", "x86_64"), "--blobs", path / "emulator").is_(DONE)
        same("no --module" in done.err, False, "a note of a missing driver")
        # Other modules come before the folder's nsm.ko, not in its place.
        (path / "virtio.ko").write_bytes((path / "emulator/nsm.ko").read_bytes())
        run("build", *image, "--init", built("init", "x86_64"), "--blobs", path / "emulator", "--module", path / "virtio.ko").is_(DONE)
        same(ramdisk(Eif.load(path / "x.eif"), 0)["modules_load_order"].data.split(), [b"virtio.ko", b"nsm.ko"], "modules")


@test
def another_init_is_not_asked_for_what_it_does_not_know() -> None:
    """A configuration, an argument or a variable with a newline: refused. User, folder and signal are lost, which is said."""
    with folder() as path:
        boots = [built("hello", "x86_64") if o == built("init", "x86_64") else o for o in boot_options()]
        image = ("--image", layout("nopasswd"), *boots)
        (path / "conf").write_text("pcr-lock = 16\n")
        expect_refused(path, REFUSED, ("hello: not enclave-init: it would not read --config",), *image, "--config",
                       path / "conf")
        expect_refused(path, REFUSED, ("cannot take an argument",), *image, "--cmd", "/tell", "--cmd", "a\nb")
        expect_refused(path, REFUSED, ("cannot take an argument",), *image, "--env", "A=1\n2")
        run("build", *image, "--workdir", "/x", "--stop-signal", "INT", "--output", path / "x.eif").is_(
            DONE, "the image's workdir has no effect", "the image's user has no effect", "stop-signal has no effect")


@test(seconds=2)
def more_sections_than_a_file_has_are_refused() -> None:
    """32 are all; kernel, command line and metadata are three of them."""
    with folder() as path:
        (path / "r").write_bytes(built("init").read_bytes()[:512])
        many = ["--ramdisk", path / "r"]
        kernel = ["--kernel", kernels() / "bzImage"]
        expect_refused(path, REFUSED, ("32",), *kernel, *many * 30)
        build_options = ["build", "--output", path / "x.eif", *kernel, *many * 29]
        run(*build_options, program=ASAN).is_(DONE)


@test(seconds=2)
def certificates_have_to_be_valid_now() -> None:
    """Expired; not the key's; a key that is none."""
    with folder() as path:
        image = (*boot_options(), "--image", layout("nopasswd"))
        key, cert = key_pair(path)
        _, other = key_pair(path, name="other")
        old_key, old = expired(path)
        for wrong_key, wrong, said in ((old_key, old, old), (key, other, other), (cert, cert, cert)):
            expect_refused(path, REFUSED, (said.name,), *image, "--sign-key", wrong_key, "--sign-cert", wrong)
        expect_refused(path, USAGE, ("--sign-cert",), *image, "--sign-key", key)
        run("build", "--output", path / "x.eif", *image, "--sign-key", key, "--sign-cert", cert, program=ASAN).is_(DONE)


# --- outputs -----------------------------------------------------------------

@test
def an_output_that_cannot_be_written_is_told() -> None:
    """No such folder; a full disk, where nothing is left."""
    with folder() as path:
        image = (*boot_options(), "--image", layout("nopasswd"))
        run("build", "--output", path / "none/x.eif", *image).is_(FILE, "none/x.eif")
        run("-c", 'trap "" XFSZ; ulimit -f 1000; exec "$@"', "sh", MKEIF, "build", "--output", path / "x.eif", *image,
            program=Path("/bin/sh")).is_(FILE, "File too large")
        same(names(path), set(), "what is left")


@test
def what_goes_wrong_halfway_leaves_nothing() -> None:
    """Metadata that is no JSON object, the second of two ramdisks: seen when the output is begun."""
    with folder() as path:
        for text in ("no JSON", "[1]", '"text"'):
            (path / "text").write_text(text)
            expect_refused(path, REFUSED, ("text: not a JSON object",), *boot_options(), "--image", layout("nopasswd"),
                           "--metadata", path / "text")
        (path / "r").write_bytes(bytes(512))
        expect_refused(path, FILE, ("missing: No such file",), "--kernel", kernels() / "bzImage", "--ramdisk", path / "r",
                       "--ramdisk", path / "missing")


@test
def metadata_that_others_could_not_read_are_refused() -> None:
    """serde_json takes less than cJSON: in --metadata, in an image's configuration, in a name."""
    bad = ((b'{"a": "\xff"}', "not UTF-8"), (b'{"a": "\t"}', "control character at byte 7"), (b'{"a": 01}', "no number at byte 6"),
           (b'{"a": 1.}', "no number"), (b'{"a": [-]}', "no number"), (b'{"a": 1e999}', "no number"), (b'{"a": 1e}', "no number"),
           (b'{"a":' * 64 + b"1" + b"}" * 64, "deep"))
    with folder() as path:
        image = ("--image", layout("nopasswd"))
        for data, err in bad:
            (path / "custom").write_bytes(data)
            expect_refused(path, REFUSED, (err,), *boot_options(), *image, "--metadata", path / "custom")
        expect_refused(path, REFUSED, ("metadata: JSON: not UTF-8",), *boot_options(), *image, "--name", b"\xff".decode(
            errors="surrogateescape"))
        (path / "custom").write_text('{"a": [0, -0.5, 1E-2, 18446744073709551615, 1e300, "01 1e999 \\t", "\u00e4"]}')
        build(path / "x.eif", *image, "--metadata", path / "custom", program=ASAN).is_(DONE)
        run("describe", "--json", path / "x.eif", program=ASAN).is_(DONE)
    with folder() as path:
        raw_image(path / "image", static_layer().bytes())
        l = Layout.__new__(Layout)
        l.path = path / "image"
        manifest = l.read(l.manifests[0])
        config = l.read(manifest["config"])
        config["config"]["Labels"] = {"a": "X"}
        manifest["config"] = l.blob(json.dumps(config).encode().replace(b'"X"', b'"\xff"'), manifest["config"]["mediaType"])
        l.index(tagged(l.json(manifest, OCI + "manifest.v1+json")))
        expect_bad_image(path, manifest["config"]["digest"].split(":")[1] + ": JSON: not UTF-8")


@test
def what_skopeo_copied_goes_in_any_case() -> None:
    """skopeo fails, is not there, or mkeif is killed while it works, or after it, by whatever signal."""
    def skopeo(path: Path, script: str, *options: object) -> tuple[int, str]:
        (path / "bin").mkdir(exist_ok=True)
        (path / "tmp").mkdir(exist_ok=True)
        (path / "bin/skopeo").write_text(f'#!/bin/sh\nfor to; do :; done\nto=${{to#oci:}}\nmkdir $to/blobs\n{script}\n')
        (path / "bin/skopeo").chmod(0o755)
        done = build(path / "x.eif", "--image", "docker://none.invalid/x", *options, program=ASAN,
                     env={"PATH": f"{path}/bin:{os.environ['PATH']}", "TMPDIR": str(path / "tmp")})
        same(names(path / "tmp"), set(), f"what is left: {done.story}")
        return done.code, done.err

    with folder() as path:
        for name, number in (("TERM", 15), ("INT", 2), ("HUP", 1), ("KILL", 9)):
            same(skopeo(path, f"kill -{name} $PPID; exec sleep 60")[0], -number, name)
        code, err = skopeo(path, "exit 3")
        check(code == FILE and "skopeo could not copy it (code 3)" in err, err)
        code, err = skopeo(path, "kill -9 $$")
        check(code == FILE and "skopeo was killed by signal 9" in err, err)
        # What it gives is no image; and a process that it leaves behind holds up nothing.
        code, err = skopeo(path, "sleep 60 2>/dev/null & exit 0")
        check(code == REFUSED and "oci-layout: not there" in err, err)
