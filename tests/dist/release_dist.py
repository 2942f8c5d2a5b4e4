"""scripts/dist: the tarballs of a release, and the SBOM in them."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import tarfile
from functools import cache
from pathlib import Path

from .lib import ARCHES, TOP, VERSION, built, check, folder, once, run, same, test

EPOCH = "1700000000"
DOC = "share/doc/enclave-init"
PROGRAMS = {"bin/nsm", "bin/kms", "bin/enclave-api", "bin/mkeif", "bin/enclave-relay", "lib/enclave-init/{arch}/init"}
COMPAT = "lib/enclave-init/compat"
LICENCES = (("musl", "COPYRIGHT"), ("libcbor", "LICENSE.md"), ("mbedtls", "LICENSE"), ("zlib", "LICENSE"),
            ("bzip2", "LICENSE"), ("lz4", "lib/LICENSE"), ("zstd", "LICENSE"), ("xz", "COPYING.0BSD"),
            ("libarchive", "COPYING"), ("libarchive", "libarchive/archive_read_support_filter_compress.c"),
            ("cjson", "LICENSE"), ("yyjson", "LICENSE"), ("llhttp", "COPYING"), ("openssl", "LICENSE.txt"), ("p11-kit", "COPYING"))
FILES = PROGRAMS | {
    "include/nsmc.h", "lib/libnsmc.a", f"lib/libnsmc.so.0.{VERSION}", "lib/pkgconfig/libnsmc.pc",
    f"{COMPAT}/include/nsm.h", f"{COMPAT}/lib/libnsm.a", f"{COMPAT}/lib/libnsm.so.0", "share/bash-completion/completions/nsm",
    "share/bash-completion/completions/mkeif", "share/man/man1/nsm.1", "share/man/man1/mkeif.1",
    "share/bash-completion/completions/enclave-relay", "share/man/man1/enclave-relay.1",
    "include/kmsc.h", "lib/libkmsc.a", "lib/pkgconfig/libkmsc.pc", "share/bash-completion/completions/kms",
    "share/enclave-init/openapi.yaml", "share/man/man1/kms.1", "share/man/man3/libkmsc.3", "share/man/man5/enclave-api.conf.5",
    "share/man/man8/enclave-api.8",
    "share/man/man3/libnsmc.3", "share/man/man8/enclave-init.8", "share/man/man5/enclave-init.conf.5",
    *(f"{DOC}/{n}" for n in ("README.md", "CHANGELOG.md", "SECURITY.md", "LICENSE", "NOTICE", "VERSION",
                             "enclave-init.spdx.json")),
    *(f"{DOC}/licenses/{name}-{Path(file).name}" for name, file in LICENCES)}
LINKS = {"lib/libnsmc.so": "libnsmc.so.0", "lib/libnsmc.so.0": f"libnsmc.so.0.{VERSION}",
         f"{COMPAT}/lib/libnsm.so": "libnsm.so.0", "lib/enclave-init/{arch}/relay": "../../../bin/enclave-relay"}
BUILT = ("init", "nsm", "relay", "kms", "api", "mkeif", "libnsmc.a", "libnsmc.so.0", "libkmsc.a", "kmsc.h", "compat/lib/libnsm.a", "compat/lib/libnsm.so.0")
LOCK = {name: rest for name, *rest in (line.split() for line in (TOP / "scripts/deps.lock").read_text().splitlines()
                                       if not line.startswith("#"))}


def dist(out: Path, script: Path = TOP / "scripts/dist", epoch: str | None = EPOCH, env: dict | None = None,
         **how: object) -> subprocess.CompletedProcess:
    for arch in ARCHES:
        for name in BUILT:
            built(name, arch)
    return run(script, out, env={"SOURCE_DATE_EPOCH": epoch, **(env or {})}, **how)


def make_release(out: Path) -> None:
    done = dist(out)
    same((done.returncode, done.stderr), (0, ""), "scripts/dist")
    same(done.stdout, (out / "SHA256SUMS").read_text(), "what it prints")


@cache
def release() -> dict[str, bytes]:
    """Its files; made once a run."""
    return {p.name: p.read_bytes() for p in once("release", make_release).iterdir()}


def name_of(arch: str) -> str:
    return f"enclave-init-{VERSION}-{arch}"


def unpack(tmp: Path, arch: str) -> Path:
    for name, data in release().items():
        (tmp / name).write_bytes(data)
    done = run("tar", "-xzf", tmp / f"{name_of(arch)}.tar.gz", cwd=tmp)
    same((done.returncode, done.stderr), (0, ""), "tar")
    return tmp / name_of(arch)


@test(seconds=4)
def a_release_is_complete():
    """Both tarballs have programs, libraries, pages, documents, licences and SBOM, and nothing else."""
    same(set(release()), {"SHA256SUMS", *(f"{name_of(a)}.tar.gz" for a in ARCHES)}, "the files of a release")
    docs = {f"{DOC}/docs/{p.name}" for p in (TOP / "docs").glob("*.md")}
    for arch in ARCHES:
        with folder() as tmp:
            tree = unpack(tmp, arch)
            found = {p.relative_to(tree).as_posix() for p in tree.rglob("*") if p.is_file() and not p.is_symlink()}
            same(found, {n.format(arch=arch) for n in FILES} | docs, arch)
            links = {p.relative_to(tree).as_posix(): os.readlink(p) for p in tree.rglob("*") if p.is_symlink()}
            same(links, {n.format(arch=arch): to for n, to in LINKS.items()}, f"{arch}: the links")
            for name, source in (("bin/nsm", built("nsm", arch)), ("lib/libnsmc.a", built("libnsmc.a", arch)),
                                 ("lib/libnsmc.so", built("libnsmc.so.0", arch)),
                                 (f"{COMPAT}/lib/libnsm.a", built("compat/lib/libnsm.a", arch)),
                                 (f"{COMPAT}/lib/libnsm.so", built("compat/lib/libnsm.so.0", arch)),
                                 (f"{COMPAT}/include/nsm.h", TOP / "nsm/compat/nsm.h"),
                                 (f"lib/enclave-init/{arch}/init", built("init", arch)), ("include/nsmc.h", TOP / "nsm/nsmc.h")):
                check((tree / name).read_bytes() == source.read_bytes(), f"{arch}: {name} is another")


@test
def members_depend_on_nothing_here():
    """Sorted, of owner 0, with the commit's time and modes that no umask makes; and gzip has neither name nor time."""
    for arch in ARCHES:
        with folder() as tmp:
            unpack(tmp, arch)
            path = tmp / f"{name_of(arch)}.tar.gz"
            head = path.read_bytes()[:10]
            same((head[3], head[4:8]), (0, bytes(4)), "gzip's flags and time")
            with tarfile.open(path) as tar:
                members = tar.getmembers()
            names = [m.name for m in members]
            same(names, sorted(names, key=lambda n: n.split("/")), "the order")
            for m in members:
                same((m.uid, m.gid, m.uname, m.gname, m.mtime), (0, 0, "", "", int(EPOCH)), m.name)
                if m.issym():
                    name = m.name.partition("/")[2].replace(f"enclave-init/{arch}/", "enclave-init/{arch}/")
                    same(m.linkname, LINKS.get(name), m.name)
                    continue
                program = m.name.partition("/")[2] in {n.format(arch=arch) for n in PROGRAMS}
                same(oct(m.mode), "0o755" if m.isdir() or program else "0o644", m.name)


@test
def sums_are_those_of_tarballs_and_inits():
    """sha256sum -c takes SHA256SUMS, where the tarballs are unpacked; it has each init's own hash."""
    with folder() as tmp:
        for arch in ARCHES:
            unpack(tmp, arch)
        done = run("sha256sum", "-c", "--strict", "SHA256SUMS", cwd=tmp)
        same((done.returncode, done.stdout.count(": OK\n")), (0, 4), f"sha256sum: {done.stdout}{done.stderr}")
        sums = dict(line.split("  ")[::-1] for line in (tmp / "SHA256SUMS").read_text().splitlines())
        for arch in ARCHES:
            same(sums[f"{name_of(arch)}/lib/enclave-init/{arch}/init"],
                 hashlib.sha256(built("init", arch).read_bytes()).hexdigest(), f"the hash of {arch}'s init")


@test(seconds=4)
def the_same_bytes_elsewhere():
    """With another umask, locale, time zone, temporary folder and GZIP, from another folder."""
    with folder() as tmp:
        (tmp / "a long name for temporary files").mkdir()
        done = dist(tmp / "out", umask=0o077, cwd=tmp, env={
            "LC_ALL": "C.UTF-8", "TZ": "Asia/Kathmandu", "TMPDIR": str(tmp / "a long name for temporary files"),
            "TAR_OPTIONS": "--format=pax", "GZIP": "-1"})
        same(done.returncode, 0, f"the status: {done.stderr}")
        for name, data in release().items():
            check((tmp / "out" / name).read_bytes() == data, f"{name} differs")


@test
def the_time_is_given_or_the_commits():
    """SOURCE_DATE_EPOCH, else the commit's time; without either, or with nonsense, nothing is made."""
    with folder() as tmp:
        for epoch, env, said in (("yesterday", {}, "SOURCE_DATE_EPOCH: 'yesterday' is not a number of seconds"),
                                 (None, {"GIT_DIR": "/none"}, "neither SOURCE_DATE_EPOCH nor a commit says what time it is")):
            done = dist(tmp / "out", epoch=epoch, env=env)
            same((done.returncode, done.stderr), (1, f"dist: {said}\n"), "the run")
            check(not (tmp / "out").exists(), "something was made")
        commit = run("git", "log", "-1", "--format=%ct", cwd=TOP)
        if commit.returncode == 0:
            (tmp / "bin").mkdir()
            # To compress a release takes three seconds, all but a tenth of it.
            (tmp / "bin/gzip").write_text(f'#!/bin/sh\n[ "$1" != -n9 ] || exec cat\nexec {shutil.which("gzip")} "$@"\n')
            (tmp / "bin/gzip").chmod(0o755)
            env = {"PATH": f"{tmp / 'bin'}:{os.environ['PATH']}"}
            same(dist(tmp / "out", epoch=None, env=env).returncode, 0, "the status")
            with tarfile.open(tmp / "out" / f"{name_of('x86_64')}.tar.gz") as tar:
                same({m.mtime for m in tar.getmembers()}, {int(commit.stdout)}, "the times")


@test
def what_is_not_built_is_named():
    """Nothing is made of half a build, and what was there before stays."""
    with folder() as tmp:
        shutil.copytree(TOP / "scripts", tmp / "scripts")
        shutil.copy(TOP / "VERSION", tmp / "VERSION")
        (tmp / "out").mkdir()
        (tmp / "out/SHA256SUMS").write_text("old")
        for n, missing in enumerate(BUILT):
            missing = f"build/x86_64/{missing}"
            for name in BUILT[:n]:
                (tmp / "build/x86_64" / name).parent.mkdir(parents=True, exist_ok=True)
                (tmp / "build/x86_64" / name).write_text("x")
            done = dist(tmp / "out", tmp / "scripts/dist")
            same((done.returncode, done.stderr), (1, f"dist: {missing}: not built\n"), "the run")
            same([p.name for p in (tmp / "out").iterdir()], ["SHA256SUMS"], "what is there")


@test
def licences_are_those_of_the_pinned_sources():
    """Each library's own text, byte for byte, out of the tarball with the hash of the lock."""
    cache_dir = run("bash", "-c", ". scripts/lib.sh; echo $CACHE", cwd=TOP).stdout.strip()
    with folder() as tmp:
        tree = unpack(tmp, "aarch64")
        for name, file in LICENCES:
            version, _, sha256, _, source, *_ = LOCK[name]
            path = Path(cache_dir, "sources", sha256, source)
            same(hashlib.sha256(path.read_bytes()).hexdigest(), sha256, f"the hash of {source}")
            with tarfile.open(path) as tar:
                text = tar.extractfile(next(m for m in tar if m.name.partition("/")[2] == file)).read()
            same((tree / DOC / "licenses" / f"{name}-{Path(file).name}").read_bytes(), text, f"{name}'s licence")


@test
def what_is_unpacked_works():
    """The programs say their version; pkg-config finds the library where it lies, also after the folder moved."""
    arch = os.uname().machine
    with folder() as tmp:
        (tmp / "elsewhere").mkdir()
        tree = unpack(tmp, arch).rename(tmp / "elsewhere/x")
        for program in ("nsm", "kms", "enclave-api", "mkeif", "enclave-relay"):
            same(run(tree / "bin" / program, "--version").stdout.split()[-1:], [VERSION], f"{program}'s version")
        found = {"PKG_CONFIG_PATH": str(tree / "lib/pkgconfig")}
        for library in ("libnsmc", "libkmsc"):
            same(run("pkg-config", "--modversion", library, env=found).stdout.strip(), VERSION, "pkg-config")
            for variable, wanted in (("libdir", "lib"), ("includedir", "include")):
                said = run("pkg-config", f"--variable={variable}", library, env=found).stdout.strip()
                same(Path(said).resolve(), (tree / wanted).resolve(), variable)


def linked(tmp: Path, code: str, *flags: object) -> Path:
    """A program of CODE."""
    (tmp / "a.c").write_text(code)
    done = run("gcc", "-Wall", "-Wextra", "-Werror", "-o", tmp / "a", tmp / "a.c", *flags)
    same((done.returncode, done.stdout + done.stderr), (0, ""), "gcc")
    return tmp / "a"


def needed(program: Path) -> list[str]:
    return re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "-dW", program).stdout)


@test
def programs_link_with_what_is_unpacked():
    """With the flags of pkg-config they run by LD_LIBRARY_PATH and name the soname; with the archive they run alone."""
    code = "#include <nsmc.h>\n#include <stdio.h>\nint main(void) { return puts(nsmc_error_text(-5301)) < 0; }\n"
    said = "the enclave is in debug mode\n"
    with folder() as tmp:
        tree = unpack(tmp, os.uname().machine)
        flags = run("pkg-config", "--cflags", "--libs", "libnsmc",
                    env={"PKG_CONFIG_PATH": str(tree / "lib/pkgconfig")}).stdout.split()
        program = linked(tmp, code, *flags)
        check("libnsmc.so.0" in needed(program), f"it needs {needed(program)}")
        same(run(program, env={"LD_LIBRARY_PATH": str(tree / "lib")}).stdout, said, "the program")
        archive = [f if f != "-lnsmc" else "-l:libnsmc.a" for f in flags]
        program = linked(tmp, code, *archive)
        check("libnsmc.so.0" not in needed(program), f"it needs {needed(program)}")
        same(run(program, env={"LD_LIBRARY_PATH": None}).stdout, said, "the program with the archive")
        program = linked(tmp, code, "-static", *archive)
        same((needed(program), run(program).stdout), ([], said), "the static program")
        # The client of KMS has both headers' functions.
        code = code.replace("<nsmc.h>", "<kmsc.h>").replace("< 0; }", "< 0 || puts(kmsc_error_text(-6061)) < 0; }")
        flags = run("pkg-config", "--cflags", "--libs", "libkmsc",
                    env={"PKG_CONFIG_PATH": str(tree / "lib/pkgconfig")}).stdout.split()
        program = linked(tmp, code, *flags)
        done = run(program)
        check(done.stdout.startswith(said) and done.stdout.count("\n") == 2 and "libkmsc" not in " ".join(needed(program)),
              f"{done.stdout} {needed(program)}")


@test
def programs_of_aws_link_with_what_is_unpacked():
    """compat is a prefix for those who look for AWS's nsm.h and libnsm, shared and as an archive."""
    code = ("#include <nsm.h>\nint main(void) { size_t n = 1; uint8_t b;\n"
            "return nsm_get_random(-1, &b, &n) == ERROR_CODE_INVALID_ARGUMENT ? nsm_lib_init() + 1 : 9; }\n")
    with folder() as tmp:
        prefix = unpack(tmp, os.uname().machine) / COMPAT
        flags = (f"-I{prefix}/include", f"-L{prefix}/lib")
        program = linked(tmp, code, *flags, "-lnsm")
        check("libnsm.so.0" in needed(program), f"it needs {needed(program)}")
        check(run(program, env={"LD_LIBRARY_PATH": str(prefix / "lib")}).returncode != 9, "the program")
        program = linked(tmp, code, *flags, "-static", "-lnsm")
        same(needed(program), [], "what the static one needs")
        check(run(program).returncode != 9, "the static program")
        # Nobody gets it by accident.
        tree = prefix.parents[2]
        check(not (tree / "include/nsm.h").exists() and not [*(tree / "lib").glob("libnsm.*")], "it is among ours, too")


@test
def libraries_are_of_their_architecture():
    """Each tarball's are the ones that were built for it."""
    for arch, machine in (("x86_64", "X86-64"), ("aarch64", "AArch64")):
        with folder() as tmp:
            tree = unpack(tmp, arch)
            for name in ("lib/libnsmc.so", "lib/libnsmc.a", f"{COMPAT}/lib/libnsm.so", f"{COMPAT}/lib/libnsm.a"):
                said = set(re.findall(r"Machine: +(.*)", run("readelf", "-hW", tree / name).stdout))
                check(len(said) == 1 and said.pop().endswith(machine), f"{arch}: {name}")


# --- the SBOM ----------------------------------------------------------------

def sbom(tree: Path) -> dict:
    return json.loads((tree / DOC / "enclave-init.spdx.json").read_text())


@test
def sbom_has_the_form_of_spdx():
    """Every member that SPDX 2.3 demands, identifiers that are unique, and no relationship that leads nowhere."""
    for arch in ARCHES:
        with folder() as tmp:
            s = sbom(unpack(tmp, arch))
        same((s["spdxVersion"], s["dataLicense"], s["SPDXID"], s["name"]),
             ("SPDX-2.3", "CC0-1.0", "SPDXRef-DOCUMENT", name_of(arch)), "the document")
        same(s["creationInfo"], {"created": "2023-11-14T22:13:20Z", "creators": [f"Tool: enclave-init-sbom-{VERSION}"]},
             "its creation")
        check(re.fullmatch(rf"https://spdx\.org/spdxdocs/{re.escape(name_of(arch))}-[0-9a-f]{{32}}",
                           s["documentNamespace"]), f"namespace {s['documentNamespace']}")
        ids = ["SPDXRef-DOCUMENT", *(x["SPDXID"] for x in s["packages"] + s["files"])]
        check(all(re.fullmatch(r"SPDXRef-[A-Za-z0-9.-]+", i) for i in ids), f"identifiers: {ids}")
        same(len(set(ids)), len(ids), "identifiers")
        for p in s["packages"]:
            missing = {"SPDXID", "name", "downloadLocation", "versionInfo", "licenseConcluded", "licenseDeclared",
                       "copyrightText", "filesAnalyzed"} - set(p)
            check(not missing and all(p[k] != "" for k in p), f"{p['name']}: {missing}")
            same(p["filesAnalyzed"], "packageVerificationCode" in p, f"{p['name']}: files analysed")
        for r in s["relationships"]:
            check({r["spdxElementId"], r["relatedSpdxElement"]} <= set(ids), f"{r} leads nowhere")
    same(len({s["documentNamespace"] for s in (sbom_of(a) for a in ARCHES)}), 2, "namespaces")


def sbom_of(arch: str) -> dict:
    with folder() as tmp:
        return sbom(unpack(tmp, arch))


@test
def sbom_has_the_files_with_their_hashes():
    """All but the SBOM itself, with SHA-1 and SHA-256, and the code that SPDX makes of them."""
    with folder() as tmp:
        tree = unpack(tmp, "x86_64")
        s = sbom(tree)
        paths = {f"./{p.relative_to(tree)}": p for p in tree.rglob("*") if p.is_file() and not p.is_symlink()}
        own = f"./{DOC}/enclave-init.spdx.json"
        same({f["fileName"] for f in s["files"]}, set(paths) - {own}, "the files")
        for f in s["files"]:
            data = paths[f["fileName"]].read_bytes()
            same({c["algorithm"]: c["checksumValue"] for c in f["checksums"]},
                 {"SHA1": hashlib.sha1(data).hexdigest(), "SHA256": hashlib.sha256(data).hexdigest()}, f["fileName"])
        ours = next(p for p in s["packages"] if p["name"] == "enclave-init")
        sums = sorted(hashlib.sha1(paths[n].read_bytes()).hexdigest() for n in set(paths) - {own})
        same(ours["packageVerificationCode"], {
            "packageVerificationCodeValue": hashlib.sha1("".join(sums).encode()).hexdigest(),
            "packageVerificationCodeExcludedFiles": [own]}, "the code")
        contained = {r["relatedSpdxElement"] for r in s["relationships"]
                     if (r["spdxElementId"], r["relationshipType"]) == (ours["SPDXID"], "CONTAINS")}
        same(contained, {f["SPDXID"] for f in s["files"]}, "what the package contains")


@test
def sbom_has_the_libraries_of_the_lock():
    """Version, source and SHA-256 as in deps.lock, the licence, and which program has them inside."""
    licences = {"musl": "MIT", "libcbor": "MIT", "mbedtls": "Apache-2.0", "zlib": "Zlib", "bzip2": "bzip2-1.0.6",
                "lz4": "BSD-2-Clause", "zstd": "BSD-3-Clause", "xz": "0BSD",
                "libarchive": "BSD-2-Clause AND BSD-3-Clause", "cjson": "MIT", "openssl": "Apache-2.0",
                "p11-kit": "BSD-3-Clause", "llhttp": "MIT", "yyjson": "MIT",
                "libgcc": "GPL-3.0-or-later WITH GCC-exception-3.1"}
    shared = f"libnsmc.so.0.{VERSION}"
    keys, relay = {"kms", "enclave-api"}, "enclave-relay"
    programs = {"init", "nsm", "mkeif"} | keys
    inside = {"musl": programs | {relay}, "cjson": {relay, "mkeif"}, "llhttp": {relay, "libkmsc.a"} | keys,
              "yyjson": {"libkmsc.a"} | keys,
              "libcbor": programs | {"libnsmc.a", shared, "libkmsc.a", "libnsm.a", "libnsm.so.0"},
              "mbedtls": programs | {"libnsmc.a", shared, "libkmsc.a"}, "libgcc": {"nsm", relay, "mkeif"} | keys}
    for arch in ARCHES:
        s = sbom_of(arch)
        packages = {p["name"]: p for p in s["packages"]}
        same(set(packages), {"enclave-init", *licences}, "the packages")
        files = {f["SPDXID"]: Path(f["fileName"]).name for f in s["files"]}
        for name, licence in licences.items():
            p = packages[name]
            same((p["licenseConcluded"], p["licenseDeclared"]), (licence, licence), f"{name}'s licence")
            users = {files[r["spdxElementId"]] for r in s["relationships"]
                     if r["relationshipType"] == "STATIC_LINK" and r["relatedSpdxElement"] == p["SPDXID"]}
            same(users, inside.get(name, {"mkeif"}), f"what has {name} inside")
            if name in LOCK:
                version, url, sha256, *_ = LOCK[name]
                same((p["versionInfo"], p["downloadLocation"], p["checksums"]),
                     (version, "NOASSERTION" if url == "-" else url, [{"algorithm": "SHA256", "checksumValue": sha256}]), name)


@test
def sbom_knows_every_library_of_the_lock():
    """A library that is added to the lock has to be described before there is a release."""
    with folder() as tmp:
        (tmp / "scripts").mkdir()
        for name in ("scripts/sbom", "scripts/deps.lock", "VERSION"):
            shutil.copy(TOP / name, tmp / name)
        words = (tmp / "scripts/sbom", "x86_64", tmp, tmp / "out.json")
        same(run(*words, env={"SOURCE_DATE_EPOCH": EPOCH}).returncode, 0, "the status")
        with (tmp / "scripts/deps.lock").open("a") as lock:
            lock.write("libnew 1.0 https://example.org/libnew.tar.gz 00 libnew libnew.orig.tar.gz\n")
        done = run(*words, env={"SOURCE_DATE_EPOCH": EPOCH})
        same((done.returncode, done.stderr), (1, "sbom: deps.lock has libnew: say in scripts/sbom what it is and "
                                                 "where it is used\n"), "the run")
