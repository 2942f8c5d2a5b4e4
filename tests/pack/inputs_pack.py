"""What is measured comes from arguments and files alone, all of it is told, and can be demanded."""

import gzip
import hashlib
import json
import lzma
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from images.keys import key_pair
from images.oci import Layout, zstd
from images.stubs import module

from .lib import (DONE, FILE, REFUSED, TOP, USAGE, VERSION, Done, Eif, built, check, cpio_read, fake_kernel, folder, layout,
                 names, run, same, test)

TRIM = "reboot=k  panic=30\tpci=off"


def small(path: Path, arch: str = "x86_64") -> list[object]:
    """What boots an image that is not booted."""
    return ["--kernel", fake_kernel(path / "kernel", arch), "--init", built("init", "x86_64")]


def pcrs(done: Done) -> dict[str, str]:
    return done.is_(DONE).json["Measurements"]


def sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


# --- the environment ---------------------------------------------------------

@test(seconds=4)
def the_environment_is_not_measured() -> None:
    """Locale, time zone, SOURCE_DATE_EPOCH, TMPDIR, umask, POSIXLY_CORRECT: the same PCRs. Also of a squashfs."""
    hostile = {"SOURCE_DATE_EPOCH": "1700000001", "LC_ALL": "de_DE.UTF-8", "LANG": "tr_TR.UTF-8", "TZ": "Asia/Kolkata",
               "POSIXLY_CORRECT": "1", "HOME": "/nonexistent", "COLUMNS": "1", "GZIP": "-9", "XZ_OPT": "-9", "ZSTD_CLEVEL": "19"}
    with folder() as path:
        (path / "tmp").mkdir()
        for options in ((), ("--squashfs",), ("--compress", "gzip")):
            words = ["build", "--image", layout("nopasswd"), *small(path), *options, "--output"]
            plain = pcrs(run(*words, path / "x.eif"))
            other = pcrs(run(*words, path / "y.eif", env={**hostile, "TMPDIR": str(path / "tmp")},
                             before=("sh", "-c", 'umask 0077; exec "$0" "$@"')))
            same(other, plain, f"the measurements with {options}")
        times = [json.loads(Eif.load(path / f"{n}.eif").metadata)["BuildMetadata"]["BuildTime"] for n in "xy"]
        same(times, ["1970-01-01T00:00:00+00:00", "2023-11-14T22:13:21+00:00"], "BuildTime")


@test
def a_kernel_is_not_the_environments() -> None:
    """NITRO_CLI_BLOBS is not followed, but named; with --blobs or --kernel nobody looks at it."""
    with folder() as path:
        words = ("build", "--image", layout("nopasswd"), "--output", path / "x.eif")
        env = {"NITRO_CLI_BLOBS": "/opt/my blobs"}
        run(*words, env=env).is_(USAGE, "--kernel or --blobs is missing", "--blobs /opt/my blobs, which NITRO_CLI_BLOBS names")
        plain = pcrs(run(*words, *small(path)))
        same(pcrs(run(*words, *small(path), env=env)), plain, "with --kernel")


@test
def the_architecture_is_the_kernels() -> None:
    """Not this machine's; --arch says which of a folder with two kernels, and has to be the kernel's."""
    with folder() as path:
        (path / "ramdisk").write_bytes(b"0" * 512)
        words = ("build", "--ramdisk", path / "ramdisk", "--output", path / "x.eif")
        (path / "blobs").mkdir()
        for arch, name in (("aarch64", "Image"), ("x86_64", "bzImage")):
            fake_kernel(path / "blobs" / name, arch)
            if arch == "aarch64":
                run(*words, "--blobs", path / "blobs").is_(DONE)
                same(Eif.load(path / "x.eif").arch, arch, "the architecture")
            run(*words, "--kernel", path / "blobs" / name).is_(DONE)
            same(Eif.load(path / "x.eif").arch, arch, "the architecture")
        run(*words, "--blobs", path / "blobs").is_(USAGE, "both a bzImage and an Image: see --arch")
        run(*words, "--blobs", path / "blobs", "--arch", "arm64").is_(DONE)
        same(Eif.load(path / "x.eif").arch, "aarch64", "the architecture")
        run(*words, "--kernel", path / "blobs/Image", "--arch", "amd64").is_(REFUSED, "a kernel for aarch64, and x86_64 is")


@test
def times_are_asked_for() -> None:
    """--mtime is that of all files, and measured."""
    with folder() as path:
        words = ("build", "--image", layout("nopasswd"), *small(path), "--output", path / "x.eif")
        plain = pcrs(run(*words))
        dated = pcrs(run(*words, "--mtime", "1700000001"))
        same({e.mtime for r in Eif.load(path / "x.eif").ramdisks for e in cpio_read(r)}, {1700000001}, "times")
        same([n for n in plain if plain[n] != dated[n]], ["PCR0", "PCR1", "PCR2"], "what differs")
        for value in ("", "-1", "1.5", "4294967296", "now", "0x10"):
            run(*words, "--mtime", value).is_(USAGE, "--mtime: ", "not seconds from 0 to 4294967295")


# --- the command line of the kernel ------------------------------------------

@test
def a_command_line_of_blobs_is_trimmed_as_nitro_cli_does() -> None:
    """Blanks at both ends, newlines and CRLF among them; those within stay. Of @FILE one newline only."""
    with folder() as path:
        (path / "ramdisk").write_bytes(b"0" * 512)
        (path / "blobs").mkdir()
        fake_kernel(path / "blobs/bzImage")
        words = ("build", "--ramdisk", path / "ramdisk", "--output", path / "x.eif")
        for text in (TRIM, f" {TRIM}", f"{TRIM} ", f"{TRIM}\n", f"{TRIM}\n\n", f"{TRIM}\r\n", f"\n\t{TRIM} \x0b\x0c\r\n"):
            (path / "blobs/cmdline").write_bytes(text.encode())
            run(*words, "--blobs", path / "blobs").is_(DONE)
            same(Eif.load(path / "x.eif").cmdline, TRIM, f"of {text!r}")
        for data, why in ((b"a\0b", "a NUL byte"), (b"caf\xc3\xa9", "not a printable ASCII"), (b"x" * 2048, "longer than 2047")):
            (path / "blobs/cmdline").write_bytes(data)
            run(*words, "--blobs", path / "blobs").is_(REFUSED, why)


@test
def what_is_extracted_is_built_again() -> None:
    """The same PCRs and the same header, whatever the command line is; what no file has is said."""
    lines = (b"console=ttyS0", b"console=ttyS0\n", b"console=ttyS0\n\n", b" two  blanks ", b"a\r\n", b"", b"\xff\x00\x01", b"x" * 5000)
    for mem, cpus in ((1 << 30, 2), (512 << 20, 4)):
        for line in lines:
            with folder() as path:
                eif = Eif(fake_kernel(path / "kernel").read_bytes(), "x", [b"0" * 512, b"1" * 512])
                (path / "x.eif").write_bytes(eif.pack())
                (path / "line").write_bytes(line)
                (path / "r0").write_bytes(b"0" * 512)
                (path / "r1").write_bytes(b"1" * 512)
                made = pcrs(run("build", "--kernel", path / "kernel", "--cmdline-section", path / "line", "--ramdisk", path / "r0",
                                "--ramdisk", path / "r1", "--default-mem", mem, "--default-cpus", cpus, "--output", path / "a.eif"))
                done = run("extract", path / "a.eif", "--output", path / "parts").is_(DONE)
                same("--default-mem 536870912 --default-cpus 4" in done.err, cpus == 4, f"what extract says: {done.err}")
                parts = path / "parts"
                same((parts / "cmdline").read_bytes(), line, "the section")
                again = pcrs(run("build", "--kernel", parts / "kernel", "--cmdline-section", parts / "cmdline",
                                 "--metadata-section", parts / "metadata.json", "--ramdisk", parts / "ramdisk-0", "--ramdisk",
                                 parts / "ramdisk-1", "--default-mem", mem, "--default-cpus", cpus, "--output", path / "b.eif"))
                same(again, made, f"the measurements with {line!r}")
                same((path / "b.eif").read_bytes(), (path / "a.eif").read_bytes(), "the image")
    with folder() as path:
        words = ("build", *small(path), "--image", layout("nopasswd"), "--output", path / "x.eif")
        run(*words, "--cmdline", "x", "--cmdline-section", path / "kernel").is_(USAGE, "either --cmdline or --cmdline-section")
        for value in ("", "-1", "2G", "18446744073709551616"):
            run(*words, "--default-mem", value).is_(USAGE, "--default-mem: ", "not a number")


# --- what it was made of -----------------------------------------------------

@test
def all_inputs_are_told() -> None:
    """By --json and in the metadata the same, without a path: digests of what went in, and what was asked for."""
    with folder() as path:
        (path / "nsm.ko").write_bytes(module())
        (path / "extra").write_text("extra")
        (path / "conf").write_text("hostname = x\n")
        image = layout("nopasswd")
        done = run("build", "--image", image, *small(path), "--module", path / "nsm.ko", "--boot-file", f"lib/x={path}/extra:0640",
                   "--config", path / "conf", "--env", "A=1", "--compress", "gzip", "--output", path / "x.eif", "--json")
        inputs = done.is_(DONE).json["BuildInputs"]
        manifest = (l := Layout(image)).manifests[0]
        about = l.read(manifest)["config"]
        config = l.read(about)
        eif = Eif.load(path / "x.eif")
        zlib = inputs["Tools"].pop("zlib")
        same(inputs, {
            "Architecture": "x86_64", "Kernel": sha256(eif.kernel), "CommandLine": sha256(eif.cmdline.encode()),
            "Init": sha256(built("init", "x86_64").read_bytes()),
            "Modules": [{"Name": "nsm.ko", "Mode": "0755", "Digest": sha256(module())}],
            "BootFiles": [{"Name": "lib/x", "Mode": "0640", "Digest": sha256(b"extra")}],
            "Layers": config["rootfs"]["diff_ids"], "Manifest": manifest["digest"], "Configuration": about["digest"],
            "Config": sha256(b"hostname = x\n"), "Arguments": {"Env": ["A=1"], "Compress": "gzip"},
            "Tools": {"mkeif": VERSION}}, "the inputs")
        check(zlib, "no version of zlib")
        inputs["Tools"]["zlib"] = zlib
        metadata = json.loads(eif.metadata)
        same(metadata["BuildInputs"], inputs, "the metadata's")
        same([*metadata][:5], ["ImageName", "ImageVersion", "BuildMetadata", "DockerInfo", "CustomMetadata"], "nitro-cli's members")
        check(str(path) not in eif.metadata.decode(), "a path in the metadata")
        same(json.loads(run("describe", path / "x.eif", "--json").is_(DONE).out)["Metadata"].get("BuildInputs"), None,
             "describe --json, which is nitro-cli's")


@test
def measurements_are_demanded() -> None:
    """--expect-pcrN of build, sign and set-init: another one is shown beside it, and nothing is written; letters of any case."""
    with folder() as path:
        key, cert = key_pair(path)
        signed = ("--sign-key", key, "--sign-cert", cert)
        base = ("build", "--image", layout("nopasswd"), *small(path))
        run(*base, "--output", path / "x.eif").is_(DONE)
        for words in (base, ("sign", path / "x.eif"), ("set-init", path / "x.eif", "--init", built("init", "x86_64"))):
            right = pcrs(run(*words, *signed, "--output", path / "good.eif"))
            for n in (0, 1, 2, 8):
                good = right[f"PCR{n}"].upper()
                run(*words, *signed, "--output", path / "y.eif", f"--expect-pcr{n}", good).is_(DONE)
                (path / "y.eif").unlink()
                wrong = good[:-1] + ("0" if good[-1] != "0" else "1")
                run(*words, *signed, "--output", path / "y.eif", f"--expect-pcr{n}={wrong}").is_(
                    REFUSED, f"PCR{n} is {good.lower()}, and {wrong} is expected: nothing is written")
                check("y.eif" not in names(path), "an output")
            run(*words, *signed, "--output", path / "y.eif", "--expect-pcr0", "00ff").is_(USAGE, "--expect-pcr0: 00ff: not 96 hex")
        run(*base, "--output", path / "y.eif", "--expect-pcr8", "0" * 96).is_(REFUSED, "no PCR8: the image is not signed")
        check("y.eif" not in names(path), "an output")


# --- odd files ---------------------------------------------------------------

@test
def modules_are_unpacked() -> None:
    """As distributions ship them, by gzip, xz and zstd: the same PCRs as of the module itself."""
    data = module()
    with folder() as path:
        words = ["build", "--image", layout("nopasswd"), *small(path), "--output", path / "x.eif", "--module"]
        (path / "nsm.ko").write_bytes(data)
        plain = pcrs(run(*words, path / "nsm.ko"))
        (path / "nsm.ko.gz").write_bytes(gzip.compress(data))
        (path / "nsm.ko.xz").write_bytes(lzma.compress(data, check=lzma.CHECK_CRC32))
        (path / "nsm.ko.zst").write_bytes(zstd(data))
        for kind in ("gz", "xz", "zst"):
            same(pcrs(run(*words, path / f"nsm.ko.{kind}")), plain, kind)
            packed = (path / f"nsm.ko.{kind}").read_bytes()
            (path / f"cut.ko.{kind}").write_bytes(packed[:len(packed) // 2])
            run(*words, path / f"cut.ko.{kind}").is_(REFUSED, f"cut.ko.{kind}: ")
        (path / "other.ko.xz").write_bytes(lzma.compress(module(version="5.10.1")))
        run(*words, path / "other.ko.xz").is_(REFUSED, "a module for the kernel 5.10.1, but the kernel is 6.1.99")
        (path / "none.ko.gz").write_bytes(gzip.compress(b"no module"))
        run(*words, path / "none.ko.gz").is_(REFUSED, "none.ko.gz: not an ELF file")


@test
def what_would_be_lost_is_refused() -> None:
    """A name that ends the archive, as a folder's too; a NUL, behind which nothing would be; a section that is no JSON."""
    with folder() as path:
        words = ("build", "--image", layout("nopasswd"), *small(path), "--output", path / "x.eif")
        (path / "f").write_text("x")
        for name in ("TRAILER!!!", "TRAILER!!!/x", "/TRAILER!!!/x"):
            run(*words, "--boot-file", f"{name}={path}/f").is_(USAGE, "TRAILER!!!", "no name for a file here")
        run(*words, "--boot-file", f"x/TRAILER!!!={path}/f").is_(DONE)
        (path / "x.eif").unlink()
        (path / "f").write_bytes(b'{"a":1}\0{"b":2}')
        run(*words, "--metadata", path / "f").is_(REFUSED, f"{path}/f: a NUL byte at offset 7")
        run(*words, "--metadata-section", path / "f").is_(REFUSED, f"{path}/f: a NUL byte at offset 7")
        (path / "f").write_bytes(b"not JSON")
        run(*words, "--metadata-section", path / "f").is_(REFUSED, f"{path}/f: ")
        check("x.eif" not in names(path), "an output")


# --- as people call nitro-cli ------------------------------------------------

# Stands for skopeo: says what it was asked for, and copies an OCI layout.
SKOPEO = """#!/bin/sh
for last; do before=$this this=$last; done
echo "$before" >>%s/asked
cp -r %s/. "${this#oci:}"
"""


@contextmanager
def machine(path: Path) -> Iterator[dict[str, str]]:
    """A skopeo of ours."""
    (path / "bin").mkdir()
    (path / "bin/skopeo").write_text(SKOPEO % (path, layout("nopasswd")))
    (path / "bin/skopeo").chmod(0o755)
    yield {"PATH": f"{path}/bin:/usr/bin:/bin"}


LINES = (TOP / "tests/pack/nitro_cli_lines.txt").read_text()


@test(seconds=3)
def command_lines_of_others_work() -> None:
    """As they stand but for the program's name and a kernel: the image of Docker's that they mean, and their output."""
    lines = [line for line in LINES.splitlines() if line and line[0] != "#"]
    check(len(lines) >= 12, "few lines")
    for line in lines:
        image, _, command = line.partition(" | ")
        with folder() as path, machine(path) as env:
            words = shlex.split(command)
            for name in ("key.pem", "cert.pem", "meta.json"):
                (path / name).touch()
            key, cert = key_pair(path)
            key.rename(path / "key.pem")
            cert.rename(path / "cert.pem")
            (path / "meta.json").write_text("{}")
            done = run(*words, *small(path), env=env, cwd=path)
            done.is_(DONE)
            same((path / "asked").read_text().strip(), f"docker-daemon:{image}", command)
            check("Measurements" in done.json, done.story)
            output = re.search(r"--output-file[ =]\"?([^ \"]+)", command)[1]
            check((path / output).is_file(), f"no {output}: {command}")


@test
def command_lines_of_eif_build_work() -> None:
    """As AWS's framework and StageX's images have them, but for what is not nitro-cli's; that is refused by what to do."""
    cmdline = ("reboot=k initrd=0x2000000,3228672 root=/dev/ram0 panic=1 pci=off nomodules console=ttyS0 i8042.noaux i8042.nomux "
               "i8042.nopnp i8042.dumbkbd nit.target=/run.sh")
    with folder() as path:
        fake_kernel(path / "bzImage")
        for name in ("rootfs.cpio", "init.cpio"):
            (path / name).write_bytes(b"0" * 512)
        (path / "linux.config").write_text("# Linux/x86 6.1.99 Kernel Configuration\n")
        # MystenLabs/nautilus, Containerfile, and its copies.
        nautilus = ("build", "--kernel", "bzImage", "--kernel_config", "linux.config", "--ramdisk", "rootfs.cpio", "--output",
                    "nitro.eif", "--cmdline", cmdline)
        run(*nautilus, cwd=path).is_(DONE, "--kernel_config is not read")
        same(Eif.load(path / "nitro.eif").cmdline, cmdline, "the command line")
        run(*nautilus, "--pcrs_output", "nitro.pcrs", cwd=path).is_(USAGE, "--pcrs_output: mkeif pcr X.eif prints them")
        # A framework on Amazon Linux 2023.
        framework = ("build", "--arch", "x86_64", "--cmdline", "reboot=k panic=30", "--kernel", "bzImage", "--kernel_config",
                     "linux.config", "--name", "app-builder-secure-enclaves-framework", "--output", "x.eif", "--ramdisk", "init.cpio",
                     "--ramdisk", "rootfs.cpio")
        run(*framework, cwd=path).is_(DONE)
        run(*framework, "--build-time", "1970-01-01T00:00:00Z", cwd=path).is_(USAGE, "--build-time: BuildTime is SOURCE_DATE_EPOCH")


@test
def names_of_docker_are_docker_daemons() -> None:
    """The tag is latest where there is none; what has a transport is --image's; a folder of a Dockerfile is not ours."""
    with folder() as path, machine(path) as env:
        words = ("build-enclave", *small(path), "--output-file", path / "x.eif", "--docker-uri")
        for name, asked in (("hello", "hello:latest"), ("hello:1.2", "hello:1.2"), ("r.example:5000/a/b", "r.example:5000/a/b:latest"),
                            ("a@sha256:" + "0" * 64, "a@sha256:" + "0" * 64), ("sha256:" + "1" * 64, "sha256:" + "1" * 64)):
            (path / "asked").unlink(missing_ok=True)
            run(*words, name, env=env).is_(DONE)
            same((path / "asked").read_text(), f"docker-daemon:{asked}\n", name)
        for name in ("", "docker://hello"):
            run(*words, name, env=env).is_(USAGE, "--docker-uri: ", "not a name of Docker's; --image takes all others")
        run(*words, "x", "--image", "y").is_(USAGE, "either --image or --docker-uri, not both")
        run("build-enclave", "--docker-dir", ".", "--docker-uri", "x").is_(USAGE, "--docker-dir: mkeif builds no Dockerfile")
    with folder() as path:
        run("build", *small(path), "--docker-uri", "x", "--output", path / "x.eif", env={"PATH": str(path)}).is_(FILE, "skopeo")


@test
def pcr_prints_what_nitro_clis_does() -> None:
    """PCR8 of a certificate and PCR of any file, each an object of one member."""
    with folder() as path:
        _, cert = key_pair(path)
        want = run("pcr", "--cert", cert).is_(DONE).text.split()
        same(run("pcr", "--signing-certificate", cert).is_(DONE).json, {want[0]: want[1]}, "PCR8")
        (path / "f").write_bytes(b"any file")
        same(run("pcr", "--input", path / "f").is_(DONE).json,
             {"PCR": hashlib.sha384(bytes(48) + b"any file").hexdigest()}, "PCR")
        run("pcr", "--input", path / "f", path / "f").is_(USAGE, "--input stands alone")


# --- the schema --------------------------------------------------------------

def expect(schema: dict, value: object, defs: dict, where: str = "$") -> None:
    """JSON Schema, as far as docs/mkeif.schema.json goes: $ref, type, enum, pattern, properties, required, items, oneOf."""
    if ref := schema.get("$ref"):
        schema = defs[ref.removeprefix("#/$defs/")]
    known = {"$ref", "type", "enum", "pattern", "properties", "required", "items", "additionalProperties", "description", "title",
             "patternProperties"}
    same(set(schema) - known, set(), f"words of the schema at {where}")
    kinds = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int}
    if kind := schema.get("type"):
        check(isinstance(value, kinds[kind]), f"{where}: {value!r} is no {kind}")
    if "enum" in schema:
        check(value in schema["enum"], f"{where}: {value!r}")
    if "pattern" in schema:
        check(re.search(schema["pattern"], value), f"{where}: {value!r}")
    if isinstance(value, dict):
        for key in schema.get("required", ()):
            check(key in value, f"{where}: no {key}")
        for key, item in value.items():
            if key in schema.get("properties", {}):
                expect(schema["properties"][key], item, defs, f"{where}.{key}")
            else:
                check(schema.get("additionalProperties", True), f"{where}: what is {key}?")
    if isinstance(value, list) and "items" in schema:
        for i, item in enumerate(value):
            expect(schema["items"], item, defs, f"{where}[{i}]")


@test
def all_json_is_as_the_schema_says() -> None:
    """build, pcr, sign, set-init, extract, describe and diff with --json; a slip in it is found."""
    schema = json.loads((TOP / "docs/mkeif.schema.json").read_text())
    defs = schema["$defs"]
    with folder() as path:
        key, cert = key_pair(path)
        signed = ("--sign-key", key, "--sign-cert", cert)
        (path / "nsm.ko").write_bytes(module())
        made = {
            "build": run("build", "--image", layout("nopasswd"), *small(path), "--module", path / "nsm.ko", "--squashfs",
                         "--mtime", "5", "--json", "--output", path / "x.eif"),
            "sign": run("sign", path / "x.eif", *signed, "--json", "--output", path / "y.eif"),
            "set-init": run("set-init", path / "x.eif", "--init", built("init", "x86_64"), "--json", "--output", path / "z.eif"),
            "pcr": run("pcr", path / "y.eif", "--role", "arn:aws:iam::123456789012:role/x", "--json"),
            "describe": run("describe", path / "y.eif", "--json"),
            "extract": run("extract", path / "y.eif", "--json", "--output", path / "parts"),
        }
        ramdisks = run("build", "--ramdisk", path / "parts/ramdisk-0", "--kernel", path / "kernel", "--json", "--output", path / "r.eif")
        files = run("describe", path / "x.eif", "--files", "--json")
        for name, done in (*made.items(), ("build", ramdisks), ("describe", files)):
            expect(defs[name], done.is_(DONE).json, defs, name)
        plain = run("build", "--image", layout("nopasswd"), *small(path), "--name", "other", "--cmd", "/bin/busybox", "--json",
                    "--output", path / "p.eif")
        plain.is_(DONE)
        for a, b, code in (("x", "x", 0), ("x", "z", 0), ("x", "y", 1), ("p", "y", 1), ("p", "r", 1)):
            done = run("diff", path / f"{a}.eif", path / f"{b}.eif", "--json")
            same((done.code, done.err), (code, ""), done.story)
            expect(defs["diff"], done.json, defs, f"diff {a} {b}")
        bad = made["build"].json
        bad["Measurements"]["PCR0"] += "0"
        try:
            expect(defs["build"], bad, defs)
        except Exception as e:  # noqa: BLE001: what check() raises
            check("PCR0" in str(e), f"{e}")
        else:
            check(False, "the schema takes anything")
    same(set(defs) - {"measurements", "inputs", "file", "digest", "hash", "entry"}, {*made, "diff"}, "commands of the schema")
