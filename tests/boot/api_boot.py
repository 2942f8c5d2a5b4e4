"""
The local API in an enclave, in images that mkeif made: it alone may open /dev/nsm, programs with users of their own ask it by
its socket, and the documents that they get hold before whoever is outside.
"""

import base64
import json
import stat
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from machine import kernel_dir, nsm_root

from .aws_boot import aws_image
from .documents import verified
from .guest import programs
from .lib import TOP, Boot, Eif, Tree, boot, built, check, enclave, same, shared, test

MKEIF = TOP / "build/mkeif"
API, APP, STRANGER = 900, 1000, 1001
SOCKET = "/run/api/api.sock"
NONCE = b"of whoever verifies"
PASSWD = f"root:x:0:0::/:\napi:x:{API}:{API}::/:\napp:x:{APP}:{APP}::/:\nstranger:x:{STRANGER}:{STRANGER}::/:\n"
GROUP = f"root:x:0:\napi:x:{API}:\napp:x:{APP}:\nstranger:x:{STRANGER}:\n"
INIT_CONF = f"""\
command = {{command}}
user = app
after = api stranger
nsm = group
nsm-group = api
tmpfs = /run/api:uid={API},gid={API},mode=0755

[api]
command = /usr/bin/enclave-api
user = api
ready = notify

[stranger]
command = {{stranger}}
user = stranger
after = api
{{more}}"""
API_CONF = f"""\
socket = {SOCKET}
socket-mode = 0666
allow = attestation user=app
allow = describe user=app user=stranger
"""
ATTEST = json.dumps({"nonce": base64.b64encode(NONCE).decode(), "user_data": base64.b64encode(b"hello").decode()})
ASKS = ("GET", "/v1/describe", "", "GET", "/v1/random?bytes=16", "", "POST", "/v1/attestation", ATTEST, "GET", "/v1/pcrs/0", "",
        "GET", "/v1/health", "", "POST", "/v1/attestation", "{}}")


def words(*args: str) -> str:
    """As a line of enclave-init.conf."""
    return " ".join('"' + a.replace("\\", "\\\\").replace('"', '\\"') + '"' for a in args)


def packed(arch: str, files: dict[str, bytes], command: str, stranger: str, more: str = "", api_conf: str = API_CONF,
           tree: Tree | None = None) -> Eif:
    """mkeif's image of a directory, with the kernel that this machine boots for ARCH."""
    with tempfile.TemporaryDirectory(prefix="api-boot-") as folder:
        path, root = Path(folder), Path(folder) / "root"
        root.mkdir()
        for name, entry in sorted((tree.entries if tree else {}).items()):
            to = root / name
            to.parent.mkdir(parents=True, exist_ok=True)
            if stat.S_ISDIR(entry.mode):
                to.mkdir(exist_ok=True)
            elif stat.S_ISLNK(entry.mode):
                to.symlink_to(entry.data.decode())
            else:
                to.write_bytes(entry.data)
                to.chmod(entry.mode & 0o7777)
        conf = INIT_CONF.format(command=command, stranger=stranger, more=more)
        for name, data in {"etc/passwd": PASSWD.encode(), "etc/group": GROUP.encode(), "etc/enclave-init.conf": conf.encode(),
                           "etc/enclave-api.conf": api_conf.encode(), "usr/bin/enclave-api": built("api", arch), **files}.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(data)
            (root / name).chmod(0o755 if data[:4] == b"\x7fELF" or data[:2] == b"#!" else 0o644)
        if arch == "x86_64":
            kernel = ("--kernel", kernel_dir() / "bzImage", "--module", kernel_dir() / "nsm.ko")
        else:
            aws = aws_image()
            (path / "Image").write_bytes(aws.kernel)
            (path / "nsm.ko").write_bytes({e.name: e.data for e in enclave.cpio_read(aws.ramdisks[0])}["nsm.ko"])
            (path / "cmdline").write_text(aws.cmdline + "\n")
            kernel = ("--blobs", path)
        built("init", arch)
        done = subprocess.run(
            [MKEIF, "build", "--arch", arch, "--image", root, *kernel, "--init", TOP / "build" / arch / "init",
             "--output", path / "x.eif"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
        check(done.returncode == 0, f"mkeif: {done.stderr}")
        return Eif.load(path / "x.eif")


def answers(b: Boot) -> dict[str, list[tuple[str, str]]]:
    """Status and body by what was asked for, in the order of the console."""
    out: dict[str, list[tuple[str, str]]] = {}
    for line in b.all("answer"):
        method, path, status, body = line.split(" ", 3)
        out.setdefault(f"{method} {path}", []).append((status, body))
    return out


# Asks by Debian's curl, and then as its arguments say.
CURL = f"""#!/bin/sh
body='{ATTEST}'
echo "@curl=$(curl -sS --unix-socket {SOCKET} -H 'Content-Type: application/json' -d "$body" -o /tmp/doc \\
    -w '%{{http_code}} %{{content_type}}' http://localhost/v1/attestation)"
echo "@document=$(base64 -w 0 /tmp/doc)"
echo "@none=$(curl -sS --unix-socket {SOCKET} -w '%{{http_code}}' http://localhost/v1/none | tr '\\n' ' ')"
if (: <>/dev/nsm) 2>/dev/null; then echo @device=open; else echo @device=refused; fi
exec "$@"
"""


@cache
def asking(arch: str) -> Eif:
    """Its application asks for one thing after the other, on x86-64 by curl before that."""
    files, tree, before = {"bin/ask": built("apps/ask", arch)}, Tree(), ()
    if arch == "x86_64":
        files["bin/curls"], before = CURL.encode(), ("/bin/curls",)
        tree = programs("curl", "busybox-static")
        for name in ("sh", "tr", "base64"):
            tree.link(f"bin/{name}", "busybox")
    stranger = words("/bin/ask", SOCKET, "POST", "/v1/attestation", ATTEST, "GET", "/v1/describe", "")
    return packed(arch, files, words(*before, "/bin/ask", SOCKET, *ASKS), stranger, tree=tree)


@shared
def on_x86() -> Boot:
    b = boot(asking("x86_64"))
    b.expect_end("/bin/curls", "exited with code 0")
    return b


@shared
def on_arm() -> Boot:
    b = boot(asking("aarch64"), append="panic=-1")
    b.expect_end("/bin/ask", "exited with code 0")
    return b


def expect_served(b: Boot, has_pcrs: bool) -> None:
    same(set(b.all("uid")), {str(APP), str(STRANGER)}, "users")
    same(b.all("nsm"), ["Permission denied"] * 2, "/dev/nsm for others than the API")
    found = answers(b)
    same([s for s, _ in found["GET /v1/describe"]], ["200", "200"], "describe")
    same([s for s, _ in found["GET /v1/health"]], ["200"], "health")
    same([s for s, _ in found["GET /v1/random?bytes=16"]], ["200"], "random")
    # The stranger comes before the application, which waits for it; the last one is no JSON.
    same([s for s, _ in found["POST /v1/attestation"]], ["403", "200", "400"], "attestation")
    document = base64.b64decode(json.loads(found["POST /v1/attestation"][1][1])["document"])
    fields = verified(document, nsm_root()).fields
    same((fields["nonce"], fields["user_data"]), (NONCE, b"hello"), "what was asked for")
    (status, body), = found["GET /v1/pcrs/0"]
    pcr0 = asking("x86_64").measurements()["PCR0"] if has_pcrs else bytes(48).hex()
    same((status, json.loads(body)["data"]), ("200", pcr0), "PCR0")
    same({n: p.hex() for n, p in fields["pcrs"].items() if n == 0}, {0: pcr0} if has_pcrs else {}, "PCR0 of the document")
    b.expect_heartbeat()


@test(seconds=8)
def programs_ask_the_api_and_not_the_device():
    """Linux 6: the application gets documents that hold outside, another user is refused, and nobody but the API opens /dev/nsm."""
    expect_served(on_x86(), has_pcrs=True)


@test(seconds=10)
def programs_ask_the_api_on_awss_kernel():
    """The same on AWS's 4.14 for arm64, whose machine measures nothing."""
    expect_served(on_arm(), has_pcrs=False)


@test(seconds=0)
def curl_is_a_client():
    """Debian's curl by --unix-socket, as the application's user: a raw document in a file, and an error in JSON."""
    b = on_x86()
    same(b.fact("curl"), "200 application/cbor", "status and type")
    fields = verified(base64.b64decode(b.fact("document")), nsm_root()).fields
    same((fields["nonce"], fields["pcrs"][0].hex()), (NONCE, asking("x86_64").measurements()["PCR0"]), "nonce and PCR0")
    check(b.fact("none").endswith(" 404") and '"code"' in b.fact("none"), b.fact("none"))
    same(b.fact("device"), "refused", "/dev/nsm")
