"""libkmsc.a as others link it, with glibc and musl, and its page."""

import os
import re
import shutil
import subprocess
import threading
from pathlib import Path

from .client_kms import test
from .lib import ACCESS, BUILD, DEADLINE_S, PLAIN_ENV, SECRET, TOP, Skip, World, check, folder, same, world

HERE = Path(__file__).parent
PAGE = TOP / "nsm/kms/libkmsc.3"
HEADER = re.sub(r"/\*.*?\*/", "", (TOP / "nsm/kms/kmsc.h").read_text(), flags=re.S)
STRICT = ("-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O2")


def compiled(out: Path, *words: object) -> None:
    """By a compiler that has nothing to say."""
    p = subprocess.run([*map(str, words), "-o", out], capture_output=True, text=True, check=False)
    same((p.returncode, p.stdout + p.stderr), (0, ""), f"{words[0]} {out.name}")


def programs(path: Path) -> dict[str, Path]:
    """library.c, by each C library that is here."""
    lib = BUILD / "libkmsc.a"
    if not lib.exists():
        raise Skip(f"no {lib.relative_to(TOP)}")
    include = path / "include"
    include.mkdir()
    shutil.copy(BUILD / "kmsc.h", include)
    shutil.copy(TOP / "nsm/nsmc.h", include)
    flags = (*STRICT, f"-I{include}")
    source, deps = HERE / "library.c", BUILD / "keys/deps"
    compiled(path / "glibc", "gcc", "-std=gnu11", *flags, source, lib)
    compiled(path / "c++", "g++", *flags, "-x", "c++", source, "-x", "none", lib)
    musl = deps / "musl/lib"
    compiled(path / "musl", "gcc", "-std=gnu11", *flags, "-nostdlib", "-static-pie", "-nostdinc", "-isystem", deps / "musl/include",
             "-isystem", deps / "cc", musl / "rcrt1.o", musl / "crti.o", source, lib, musl / "libc.a", deps / "libgcc.a",
             musl / "crtn.o")
    return {name: path / name for name in ("glibc", "c++", "musl")}


def with_documents(w: World, program: Path, **env: str) -> subprocess.CompletedProcess:
    """The program's call; the documents are the NSM's, through two pipes."""
    key_r, key_w = os.pipe()
    doc_r, doc_w = os.pipe()

    def attest() -> None:
        with os.fdopen(key_r, "rb") as keys, os.fdopen(doc_w, "wb") as documents:
            while head := keys.read(2):
                made = w.nsm.document(public_key=keys.read(int.from_bytes(head, "big")))
                documents.write(len(made).to_bytes(2, "big") + made)
                documents.flush()

    def pipes() -> None:
        os.dup2(os.dup(key_w), 63)
        os.dup2(doc_r, 4)
        os.dup2(63, 3)
        os.close(63)

    t = threading.Thread(target=attest)
    p = subprocess.Popen([program, w.address, w.kms.ca, w.key.arn, w.secret_file], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         preexec_fn=pipes, pass_fds=(3, 4), env={**PLAIN_ENV, **env})
    os.close(key_w)
    os.close(doc_r)
    t.start()
    out, err = p.communicate(timeout=DEADLINE_S)
    t.join()
    return subprocess.CompletedProcess(p.args, p.returncode, out, err)


@test(seconds=4)
def programs_of_both_c_libraries_call_kms():
    """C with glibc and with musl, C++: the secret, and what an error says; credentials from the environment, names looked up."""
    with folder() as path, world() as w:
        for name, program in programs(path).items():
            keys = {"AWS_ACCESS_KEY_ID": ACCESS[0], "AWS_SECRET_ACCESS_KEY": ACCESS[1]}
            p = with_documents(w, program, **keys)
            same((p.returncode, p.stdout, p.stderr), (0, SECRET, b""), name)
            p = with_documents(w, program)
            check(p.returncode == 1 and p.stdout == b"" and b"credentials" in p.stderr, f"{name}: {p.stderr!r}")
            w.key.policy, before = {"Version": "2012-10-17", "Statement": []}, w.key.policy
            p = with_documents(w, program, **keys)
            check(p.stderr.startswith(b"KMS denies access: AccessDeniedException: ") and w.nsm.pcr(0).hex().encode() in p.stderr,
                  f"{name}: {p.stderr!r}")
            w.key.policy = before


@test
def the_page_has_every_function_and_error():
    """Functions with their arguments as they are declared, each described; every error by its number."""
    declared = {}
    for name, args in re.findall(r"\b(kmsc_[a-z0-9_]+)\(([^)]*)\);", HEADER):
        declared[name] = [" ".join(a.split()) for a in args.split(",")]
    page = PAGE.read_text()
    synopsis, text = page[page.index(".Sh SYNOPSIS"):page.index(".Sh DESCRIPTION")], page[page.index(".Sh DESCRIPTION"):]
    shown = {}
    for name, args in re.findall(r"^\.Fn (kmsc_\w+) (.*)$", synopsis, re.M):
        shown[name] = re.findall(r'"([^"]*)"', args)
    for name, body in re.findall(r"^\.Fo (kmsc_\w+)\n(.*?)^\.Fc$", synopsis, re.M | re.S):
        shown[name] = re.findall(r'^\.Fa "([^"]*)"$', body, re.M)
    same(shown, declared, "the functions")
    for name in declared:
        check(name.endswith("_fn") or re.search(rf"\bFn {name}\b", text), f"{name} is not described")
    numbers = {name: int(n) for name, n in re.findall(r"\b(KMSC_E_\w+) = (\d+)", HEADER)}
    listed: list[int] = []
    for head, line in re.findall(r"^\.It Dv (KMSC_E_.*)\n(.*)$", page, re.M):
        these = [numbers[name] for name in re.findall(r"KMSC_E_\w+", head)]
        shown_numbers = [int(n) for n in re.findall(r"\b6\d\d\d\b", line.split(":")[0])]
        same(shown_numbers, these if len(these) < 3 else [these[0], these[-1]], f"the numbers of {head}")
        listed += these
    same(sorted(listed), sorted(numbers.values()), "the errors")


@test
def the_page_is_clean_and_its_example_compiles():
    """mandoc has nothing to say about it, its lines fit a terminal; the example is C and C++ without a warning."""
    page = PAGE.read_text()
    same([line for line in page.splitlines() if len(line.encode()) > 80], [], "long lines")
    if shutil.which("mandoc"):
        p = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", PAGE], capture_output=True, text=True, check=False)
        same([line for line in (p.stdout + p.stderr).splitlines() if "mandoc.db" not in line], [], "mandoc")
    code = page.partition('.\\" example: begin\n.Bd -literal\n')[2].partition(".Ed\n")[0].replace("\\e", "\\")
    with folder() as path:
        (path / "x.c").write_text(
            code.replace("int get_secret(", "int get_secret(const char *, struct nsmc_bytes, int (*)(struct nsmc_bytes));\nint get_secret("))
        shutil.copy(BUILD / "kmsc.h", path)
        shutil.copy(TOP / "nsm/nsmc.h", path)
        for compiler in (("gcc", "-std=c11"), ("g++", "-x", "c++")):
            words = [w for w in STRICT if not (compiler[0] == "g++" and w == "-Wextra")]  # { 0 } is C's way
            compiled(path / "x.o", *compiler, *words, "-D_GNU_SOURCE", f"-I{path}", "-c", path / "x.c")
