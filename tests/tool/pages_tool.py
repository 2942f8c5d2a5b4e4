"""The man pages and the completion."""

import base64
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from interop import ca
from lang.lib import install

from .lib import BUILD, DEADLINE_S, MUSL, SHIPPED, TOP, Skip, check, device, equal, folder, names, test
from .usage_tool import COMMANDS

COMPLETION = TOP / "nsm/nsm.bash-completion"
CONF_PAGE = TOP / "init/enclave-init.conf.5"
PAGES = (TOP / "nsm/nsm.1", TOP / "nsm/libnsmc.3", TOP / "init/enclave-init.8", CONF_PAGE, TOP / "rootfs/pack/mkeif.1")


def complete(line: str, cwd: Path | None = None) -> list[str]:
    """What the function offers for the last word of "nsm LINE"."""
    script = f"""
        . {COMPLETION}
        COMP_LINE="nsm $1" COMP_POINT=$((${{#1}} + 4))
        _nsm nsm "${{1##*[ =]}}" x
        printf '%s\\n' "${{COMPREPLY[@]}}" """
    p = subprocess.run(["bash", "-uc", script, "bash", line], capture_output=True, text=True, cwd=cwd, timeout=DEADLINE_S,
                       check=False)
    check(p.returncode == 0 and not p.stderr, f"{line}: {p.returncode} {p.stderr}")
    return p.stdout.split()


class Readline:
    """An interactive bash with the completion, at a terminal of its own."""

    def __init__(self, cwd: Path, hold: Path) -> None:
        self.line, self.seen = hold / "line", b""
        self.end = time.monotonic() + DEADLINE_S
        (hold / "rc").write_text(f"""
            PS1=
            . {COMPLETION}
            save() {{ printf %s "$READLINE_LINE" >{self.line}.new; mv {self.line}.new {self.line}; READLINE_LINE=; }}
            bind -x '"\\C-g": save'
            : >{hold}/ready\n""")
        # No rc files of the machine.
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(cwd)
            os.execve("/bin/bash", ["bash", "--noprofile", "--rcfile", str(hold / "rc"), "-i"],
                      {"PATH": "/usr/bin:/bin", "TERM": "dumb", "HOME": str(hold), "LC_ALL": "C.UTF-8",
                       "INPUTRC": "/dev/null"})
        self.wait((hold / "ready").exists)

    def wait(self, condition: Callable[[], bool]) -> None:
        while not condition():
            check(time.monotonic() < self.end, f"bash does not answer: {self.seen!r}")
            if select.select([self.fd], [], [], 0.02)[0]:
                self.seen += os.read(self.fd, 4096)

    def tab(self, typed: str) -> str:
        """The line, after TAB was typed at its end."""
        os.write(self.fd, typed.encode() + b"\t\x07")
        self.wait(self.line.exists)
        line = self.line.read_text()
        self.line.unlink()
        return line

    def close(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


@test
def words_are_completed() -> None:
    """Commands, options of the command, values, files."""
    subprocess.run(["bash", "-n", COMPLETION], check=True)
    with folder() as path:
        (path / "doc.bin").touch()
        (path / "dir").mkdir()
        for line, wanted in (
                ("ver", ["verify"]), ("p", ["pcr"]), ("pcr ", ["list", "get", "extend", "lock", "predict", "--help"]),
                ("pcr pre", ["predict"]), ("recipient o", ["open"]), ("recipient a", ["attest"]), ("pcr lock --b", ["--below"]),
                ("recipient attest --out k --d", ["--document"]), ("recipient attest --document do", ["doc.bin"]),
                ("recipient attest --nonce @do", ["@doc.bin"]), ("recipient open --on", ["--once"]),
                ("verify --any", ["--any-age", "--any-image"]), ("verify --leeway ", []), ("verify --ni", ["--nitrotpm"]),
                ("verify --no", ["--nonce", "--no-nonce", "--no-user-data", "--no-public-key"]),
                ("verify do", ["doc.bin"]), ("verify doc.bin --root d", ["doc.bin", "dir"]),
                ("verify --root=do", ["doc.bin"]), ("attest --nonce @do", ["@doc.bin"]),
                ("attest --out do", ["doc.bin"]), ("verify --time ", ["document"]), ("verify --time=", ["document"]),
                ("recipient new --bits 3", ["3072"]), ("random --j", ["--json"]), ("@do", []),
                ("describe do", []), ("attest --nonce do", []), ("frob ", [])):
            equal(sorted(complete(line, path)), sorted(wanted), f"completion of {line}")
        check({"describe", "random", "pcr", "attest", "verify", "show", "recipient", "--help", "--version"} <=
              set(complete("")), "the commands")


@test
def readline_keeps_the_at() -> None:
    """Without it the word would be other bytes. In a bash as people use it, quotes and blanks and all."""
    with folder() as path, folder() as hold:
        for name in ("good.bin", "my file", "cafe", "a:b", "x=y", "dir/in", "ünï"):
            (path / name).parent.mkdir(exist_ok=True)
            (path / name).touch()
        shell = Readline(path, hold)
        try:
            for before, typed, wanted in (
                    ("pcr predict --name config ", "@caf", "@cafe "), ("attest ", "--nonce=@goo", "--nonce=@good.bin "),
                    ("verify X --pcr ", "0=@goo", "0=@good.bin "), ("verify X ", "--pcr=0=@goo", "--pcr=0=@good.bin "),
                    ("attest --nonce ", "@my", r"@my\ file "), ("attest --nonce ", r"@my\ f", r"@my\ file "),
                    ("attest --nonce ", '"@my', '"@my file" '), ("attest --nonce ", "'@my f", "'@my file' "),
                    ("attest ", '--nonce="@my', '--nonce="@my file" '), ("verify X --pcr ", "'0=@goo", "'0=@good.bin' "),
                    ("attest --nonce ", "@di", "@dir/"), ("attest --nonce ", "@dir/i", "@dir/in "),
                    ("attest --nonce ", "@a", "@a:b "), ("attest --nonce ", "@a:", "@a:b "),
                    ("attest --nonce ", "@x=", "@x=y "), ("attest --nonce ", "@ün", "@ünï "),
                    ("attest --nonce ", "@none", "@none"), ("verify ", "goo", "good.bin "),
                    ("verify ", "my", r"my\ file "), ("verify ", "--root=goo", "--root=good.bin "),
                    ("verify X --time ", "d", "document "), ("", "ver", "verify ")):
                equal(shell.tab(f"nsm {before}{typed}"), f"nsm {before}{wanted}", f"after {before}{typed}")
            equal(shell.tab("echo a; nsm verify X --pcr 0=@goo"), "echo a; nsm verify X --pcr 0=@good.bin ", "a second command")
        finally:
            shell.close()


@test
def every_option_is_completed_for_its_command() -> None:
    """Those of each command's help, and no others."""
    for c in COMMANDS:
        text = subprocess.run([MUSL, *c.split(), "--help"], capture_output=True, text=True, check=True).stdout
        usage, *_ = text.split("\n\n")
        text = usage + "\n".join(line for line in text.splitlines() if line.startswith("  "))
        text = text.replace("see nsm recipient new --help", "")
        options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text))
        equal(set(complete(f"{c} --")) - {"--help"}, options, c)


@test
def the_man_pages_are_clean() -> None:
    """mandoc and groff have nothing to say about them."""
    for name in ("mandoc", "groff"):
        if not shutil.which(name):
            raise Skip(f"no {name}")
    for page in PAGES:
        # Pages of this project that are not installed, and mandoc's own index.
        p = subprocess.run(["mandoc", "-T", "lint", page], capture_output=True, text=True, check=False)
        said = [line for line in (p.stdout + p.stderr).splitlines()
                if "referenced manual not found" not in line and "mandoc.db" not in line]
        equal(said, [], "mandoc")
        p = subprocess.run(["groff", "-mandoc", "-T", "utf8", "-wall", "-z", page], capture_output=True, text=True, check=False)
        equal(p.stderr, "", "groff")


@test
def the_page_of_the_configuration_has_every_key() -> None:
    """Those of init/spec/config_keys.c and config_relay.c, each described once, and no others."""
    code = (TOP / "init/spec/config_keys.c").read_text()
    keys = re.findall(r'KEY\("([a-z-]+)"', code)
    check(len(keys) > 60, f"{len(keys)} keys in the code")
    relayed = re.findall(r'\{ "([a-z-]+)", (?:true|false) \}', (TOP / "init/spec/config_relay.c").read_text())
    check(len(relayed) == 19, f"{len(relayed)} keys of relay")
    keys = sorted(keys + relayed)
    page = CONF_PAGE.read_text()
    shown = re.findall(r"^\.It Cm ([a-z-]+) No =", page, re.M)
    names = [n for line in re.findall(r"^\.Cm (limit-.*)$", page, re.M) for n in re.findall(r"limit-\w+", line)]
    equal(sorted(set(shown) | set(names)), keys, "the keys")
    equal(len(names), 16, "limits")


def neighbours(text: str) -> set[tuple[str, str]]:
    """Words of TEXT that stand side by side, with no number, path or NAME between them."""
    pieces = re.split(r"[^A-Za-z '-]+|\b[A-Z]{2,}\w*\b|\S*[0-9/]\S*", text)
    return {pair for piece in pieces for pair in zip(piece.split(), piece.split()[1:])}


@test
def the_diagnostics_are_what_init_says() -> None:
    """Each line that enclave-init.8 explains is put together of texts in the code, or of an errno's."""
    code = "".join(path.read_text() for folder_ in ("init", "nsm", "rootfs", "vsock") for path in (TOP / folder_).rglob("*.[ch]")
                   if not {"pack", "tool"} & set(path.parts))
    code = re.sub(r'"\s*\n\s*"', "", code)  # a literal in two lines
    texts = {pair for literal in re.findall(r'"((?:[^"\\\n]|\\.)*)"', code) for pair in neighbours(literal.replace("\\0", "/ "))}
    texts |= {pair for number in range(1, 134) for pair in neighbours(os.strerror(number))} | neighbours("Symbolic link loop") | neighbours("Address in use")
    lines = re.findall(r'^\.It "init: \w+: (.*)"$', (TOP / "init/enclave-init.8").read_text(), re.M)
    check(len(lines) > 30, f"{len(lines)} diagnostics")
    examples = re.compile(r"\b(app|pcr-extend|execve)\b")
    unknown = [line for line in lines if neighbours(examples.sub("0", line)) - texts]
    equal(unknown, [], "lines that init does not write")


@test
def the_man_page_has_every_function_and_error() -> None:
    """libnsmc.3 names the functions of nsmc.h, with their arguments as they are declared."""
    header = re.sub(r"/\*.*?\*/", "", (TOP / "nsm/nsmc.h").read_text(), flags=re.S)
    declared = {}
    for name, args in re.findall(r"\b(nsmc_[a-z0-9_]+)\(([^)]*)\);", header):
        declared[name] = [" ".join(a.split()) for a in args.split(",")]
    page = (TOP / "nsm/libnsmc.3").read_text()
    synopsis = page[page.index(".Sh SYNOPSIS"):page.index(".Sh DESCRIPTION")]
    shown = {}
    for name, args in re.findall(r"^\.Fn (nsmc_\w+) (.*)$", synopsis, re.M):
        shown[name] = re.findall(r'"([^"]*)"', args) or args.split()
    for name, body in re.findall(r"^\.Fo (nsmc_\w+)\n(.*?)^\.Fc$", synopsis, re.M | re.S):
        shown[name] = re.findall(r'^\.Fa "([^"]*)"$', body, re.M)
    equal(shown, declared, "the functions")
    text = page[page.index(".Sh DESCRIPTION"):]
    for name in declared:
        check(re.search(rf"\bFn {name}\b", text), f"{name} is not described")


@test
def the_man_page_has_every_error_by_its_number() -> None:
    """The list of libnsmc.3 has each of nsmc.h once, those between two names too, and no other."""
    numbers = {name: int(n) for name, n in re.findall(r"\b(NSMC_E_\w+) = (\d+)", (TOP / "nsm/nsmc.h").read_text())}
    check(len(numbers) > 60, f"{len(numbers)} errors in nsmc.h")
    page = (TOP / "nsm/libnsmc.3").read_text()
    listed: list[int] = []
    for head, text in re.findall(r"^\.It Dv (NSMC_E_.*)\n(.*)$", page, re.M):
        found = [numbers[name] for name in re.findall(r"NSMC_E_\w+", head)]
        these = list(range(found[0], found[-1] + 1)) if " No to " in head else found
        shown = [int(n) for n in re.findall(r"\b5\d\d\d\b", text.split(":")[0])]
        equal(shown, these if len(these) < 3 else [these[0], these[-1]], f"the numbers of {head}")
        listed += these
    equal(sorted(listed), sorted(numbers.values()), "the errors")


@test
def the_example_compiles_and_runs() -> None:
    """As the page has it, with the library as it is installed; here there is no NSM."""
    code = marked("example", PAGES[1])
    # The other one, with what a program has around it.
    kms = ("#define _DEFAULT_SOURCE\n#include <nsmc.h>\n#include <string.h>\n"
           "int ask_kms(const uint8_t *, size_t, uint8_t *, size_t, size_t *);\nvoid use(const uint8_t *, size_t);\n"
           f"int get_secret(int);\n{marked('kms', PAGES[1])}")
    with folder() as path:
        install(path, "PREFIX=/usr")
        for name in ("bin/nsm", "include/nsmc.h", "lib/libnsmc.a", "lib/libnsmc.so", "lib/libnsmc.so.0", "share/man/man1/nsm.1",
                     "share/man/man3/libnsmc.3", "share/bash-completion/completions/nsm"):
            check((path / "usr" / name).is_file(), f"{name} is not installed")
        equal((path / "usr/bin/nsm").read_bytes(), (BUILD / "nsm").read_bytes(), "the tool that is installed")
        (path / "x.c").write_text(code)
        (path / "kms.c").write_text(kms)
        lib = path / "usr/lib"
        # C++ takes it as it is. -lnsmc is the shared library, where there is one.
        for compiler in (("gcc",), ("g++", "-x", "c++")):
            compile_ = [*compiler, "-Wall", "-Wextra", "-Werror", "-pedantic", "-O2", f"-I{path}/usr/include"]
            subprocess.run([*compile_, "-c", "-o", path / "kms.o", path / "kms.c"], check=True)
            for by in ("-lnsmc", "-l:libnsmc.a"):
                subprocess.run([*compile_, "-o", path / "x", path / "x.c", f"-L{lib}", by], check=True)
                if Path("/dev/nsm").exists():
                    continue
                p = subprocess.run([path / "x"], capture_output=True, text=True, check=False, env={"LD_LIBRARY_PATH": str(lib)})
                equal((p.returncode, p.stderr), (1, "/dev/nsm: No such file or directory\n"), f"the example, {compiler[0]} {by}")


@test
def the_examples_of_the_man_page_work() -> None:
    """Its commands, but for those of others, do what they say over an NSM that is a file."""
    with device(b"document") as d:
        (d.path / "nsm").symlink_to(MUSL)
        (d.path / "app.conf").write_text("key = value\n")
        script = """
            set -euo pipefail
            PATH=.:$PATH
            nsm attest --user-data text:hello >/dev/null
            nsm attest --nonce "$NONCE" --out doc.bin
            nsm pcr extend 16 --name app.conf @app.conf >/dev/null
            nsm pcr lock 16 >/dev/null
            [ "$(nsm pcr get 16)" = "$(nsm pcr predict --name app.conf @app.conf)" ]
        """
        p = subprocess.run(["bash", "-c", script], cwd=d.path, capture_output=True, text=True, check=False,
                           env={"PATH": "/usr/bin:/bin", "NONCE": "00ff" * 16, "NSM_STATE": str(d.state),
                                "NSM_DOCUMENT": str(d.path / "document")})
        equal((p.returncode, p.stderr), (0, ""), "the examples")


# Takes the place of aws: what it is given, and a message for the key of the document.
AWS = """#!/bin/sh
printf '%s\\n' "$@" >words
base64 -w0 message
"""


@test
def the_example_with_kms_uses_a_key_once() -> None:
    """The command of aws gets the document, its answer is opened into the file, and the key is gone; twice."""
    with device(b"document") as d:
        (d.path / "bin").mkdir()
        (d.path / "bin/aws").write_text(AWS.replace("base64", f"{sys.executable} make.py\nbase64"))
        (d.path / "bin/aws").chmod(0o755)
        (d.path / "bin/nsm").symlink_to(MUSL)
        (d.path / "make.py").write_text(
            f"import sys\nfrom pathlib import Path\nsys.path[:0] = {sys.path!r}\nfrom tool.recipient_tool import cms, private_of\n"
            "Path('message').write_bytes(cms(private_of(Path('key.pem')).public_key(), b'secret'))\n")
        script = marked("kms").replace("/run/", f"{d.path}/")
        # Python compiles to where it does for these tests, too, and not into the tree, which others may be copying.
        env = {"PATH": f"{d.path}/bin:/usr/bin:/bin", "NSM_STATE": str(d.state), "NSM_DOCUMENT": str(d.path / "document"),
               "PYTHONPYCACHEPREFIX": str(TOP / "build/python")}
        for _ in range(2):
            p = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=d.path, capture_output=True, text=True,
                               check=False, env=env, timeout=DEADLINE_S)
            equal((p.returncode, p.stdout, p.stderr), (0, "", ""), "the example")
            words = (d.path / "words").read_text().split("\n--recipient\n")[1].split("\n--query\n")[0]
            equal(json.loads(words), {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256",
                                      "AttestationDocument": base64.b64encode(b"document").decode()}, "what aws got")
            equal((d.path / "secret").read_bytes(), b"secret", "the plaintext")
            check("key.pem" not in names(d.path), "the key is there still")


def marked(what: str, of: Path = PAGES[0]) -> str:
    """The example of a page between its marks."""
    page = of.read_text()
    script = page[page.index(f'.\\" {what}: begin'):page.index(f'.\\" {what}: end')]
    return "".join(line + "\n" for line in script.splitlines() if not line.startswith(".")).replace("\\e", "\\")


def examples(page: Path) -> list[str]:
    """What stands between .Bd and .Ed in the EXAMPLES."""
    text = page.read_text()
    text = text[text.index(".Sh EXAMPLES"):text.index(".Sh SEE ALSO")]
    return [e.replace("\\e", "\\") for e in re.findall(r"^\.Bd [^\n]*\n(.*?)^\.Ed$", text, re.M | re.S)]


# Takes the place of jq: it is not on every machine that runs the tests.
JQ = """#!/usr/bin/python3
import json, sys
text = open(sys.argv[3]).read() if len(sys.argv) > 3 else sys.stdin.read()
value = json.loads(text) if text else None
for key in sys.argv[2].split(".")[1:] if text else ():
    value = value and value.get(key)
if text:
    print(value or "null")
"""


@test
def the_pipelines_of_the_man_page_fail_closed() -> None:
    """Those that take measurements of an image: that image is verified, another is not, nor is none."""
    scripts = [e for e in examples(PAGES[0]) if "nitro-cli" in e]
    equal(len(scripts), 2, "examples with nitro-cli")
    pcrs = {f"PCR{n}": ca.pcr_values()[n].hex() for n in range(3)}
    nsm = f'[ "$1" = verify ] && set -- "$@" --root root.der --time {ca.NOW}\nexec {MUSL} "$@"\n'
    nitro = '[ "$FAILS" ] && exit 1\ncat measurements\n'
    with folder() as path:
        (path / "doc.bin").write_bytes(ca.document(nonce=ca.octets(b"n")))
        (path / "root.der").write_bytes(ca.as_aws().ders[0])
        (path / "bin").mkdir()
        for name, text in (("nsm", f"#!/bin/sh\n{nsm}"), ("openssl", "#!/bin/sh\necho 6e\n"), ("jq", JQ),
                           ("nitro-cli", f"#!/bin/sh\n{nitro}")):
            (path / "bin" / name).write_text(text)
            (path / "bin" / name).chmod(0o755)
        for script in scripts:
            for measured, fails, good in ((pcrs, "", True), ({**pcrs, "PCR0": "11" * 48}, "", False), ({}, "", False),
                                          (pcrs, "1", False)):
                (path / "measurements").write_text(json.dumps({"Measurements": measured}))
                p = subprocess.run(["sh", "-c", script], cwd=path, capture_output=True, text=True, check=False,
                                   timeout=DEADLINE_S, env={"PATH": f"{path}/bin:/usr/bin:/bin", "FAILS": fails})
                equal(p.returncode == 0, good, f"{measured} {fails} {p.stdout}{p.stderr}: {script}")


@test
def a_message_of_openssl_opens_as_the_page_says() -> None:
    """The example that needs no KMS."""
    script = marked("trial")
    with folder() as path:
        (path / "nsm").symlink_to(SHIPPED)
        p = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=path, capture_output=True, check=False, timeout=DEADLINE_S,
                           env={"PATH": f"{path}:/usr/bin:/bin"})
        equal((p.returncode, p.stdout), (0, b"hello"), f"the example: {p.stderr!r}")
