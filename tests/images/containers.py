"""Container images for tests, made without a registry; `write` beside this file lists them, and writes one."""

import hashlib
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import wheels
from suite import TOP, Skip, built

from .debian import INITS_RECIPE, PYTHON_RECIPE, SERVERS_RECIPE, cached, less, root
from .oci import OCI, TIME, Layer, Layout, single, tagged

BUSYBOX = Path("/bin/busybox")  # of busybox-static

IMAGES: dict[str, Callable[[Path], None]] = {}


def image(function: Callable[[Path], None]) -> Callable[[Path], None]:
    """@image: one of the function's name, which writes it to a folder that is not there yet."""
    IMAGES[function.__name__] = function
    return function


def write_image(name: str, path: Path) -> None:
    """Writes the image NAME to PATH, which is not there yet."""
    try:
        IMAGES[name](path)
    except FileNotFoundError as e:
        raise Skip(str(e)) from None


PASSWD = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:50:An application:/srv:/bin/sh\n"
GROUP = "root:x:0:\nstaff:x:50:\nvideo:x:44:app\nextra:x:3000000:root,app\n"

# What Boot of tests/boot/lib.py reads.
TELL = r"""#!/bin/sh
# What the image's configuration makes of a process.
echo "@uid=$(busybox id -u)"
echo "@gid=$(busybox id -g)"
echo "@groups=$(busybox id -G)"
echo "@cwd=[$(busybox pwd)]"
for a; do echo "@arg=[$a]"; done
busybox env | busybox sort | while IFS= read -r line; do echo "@env=[$line]"; done
for n in 0 1 2 8; do echo "@pcr$n=$(/run/enclave/bin/nsm pcr get $n)"; done
"""

SHELL = {
    "Entrypoint": ["/bin/sh", "/usr/bin/tell"],
    "Cmd": ["two words", "a 'quote' and a \"quote\"", "$HOME\\n", "-"],
    "Env": ["PATH=/usr/bin:/bin", "GREETING=h\u00e9llo w\u00f6rld", "EMPTY=", "EQUALS=a=b=c", "SPACES=  two  "],
    "WorkingDir": "/srv/work dir",
    "User": "app",
    "StopSignal": "SIGQUIT",
    "ExposedPorts": {"80/tcp": {}},
    "Labels": {"one": "two"},
}

LONG_NAME = "n" * 250                                          # more than ustar's 100 bytes
LONG_PATH = "/".join(["long"] + ["p" * 60 + str(i) for i in range(5)]) + "/file"  # more than its 255


def shell_layers(busybox: Path | bytes = BUSYBOX) -> list[Layer]:
    base = Layer(tarfile.PAX_FORMAT)
    for name in ("usr", "usr/bin", "etc", "srv", "data", "gone", "gone/dir", "covered", "covered/below", "run"):
        base.dir(name)
    base.dir("root", 0o700)
    base.dir("tmp", 0o1777)
    base.link("bin", "usr/bin")
    base.file("usr/bin/busybox", busybox, 0o755)
    base.hard("usr/bin/sh", "usr/bin/busybox", 0o755)
    base.file("etc/passwd", PASSWD)
    base.file("etc/group", GROUP)
    base.file("etc/hostname", "old\n")
    base.file("data/three", "three names\n", 0o640, uid=1000, gid=50)
    base.hard("data/two", "data/three")
    base.hard("data/one", "data/three")
    for name in ("gone/file", "gone/dir/file", "gone/stays", "covered/old", "covered/below/old", "data/a-file"):
        base.file(name, f"{name} of the first layer\n")
    base.dir("data/a-folder")
    base.file("data/a-folder/file", "below what becomes a file\n")
    base.link("data/absolute", "/etc/passwd")
    base.link("data/relative", "../etc/passwd")
    base.link("data/outside", "../../../../../../etc/shadow")
    base.link("data/nowhere", "no/such/file")
    base.link("data/long-link", "t" * 1000)
    base.file("data/" + LONG_NAME, "a long name\n")
    folder = ""
    for part in LONG_PATH.split("/")[:-1]:
        folder = f"{folder}/{part}" if folder else part
        base.dir(folder)
    base.file(LONG_PATH, "a long path\n")
    base.file("data/\u00fcn\u00efcode \u540d\u524d \u263a", "a name in UTF-8\n")
    base.file("data/of-many", "an owner\n", uid=3000000, gid=4000000)
    base.file("data/time", "a time with a fraction\n", mtime=TIME - 0.25)
    base.file("data/extra", "an attribute\n", pax_headers={"SCHILY.xattr.user.note": "of a file"})

    second = Layer(tarfile.GNU_FORMAT)
    second.file("bin/tell", TELL, 0o755)  # by way of the link bin
    second.without("gone/file")
    second.without("gone/dir")
    second.without_all_in("covered")
    second.file("covered/new", "of the second layer\n")
    second.file("data/two", "no longer one of three\n", 0o600)
    second.hard("data/late", "data/one")
    second.without("data/a-file")
    second.dir("data/a-file", 0o750)
    second.file("data/a-file/inside", "what was a file is a folder\n")
    second.file("data/a-folder", "what was a folder is a file\n")
    second.node("data/null", 1, 3)
    second.node("data/disk", 259, 70000, 0o660, tarfile.BLKTYPE)
    second.add("data/fifo", tarfile.FIFOTYPE, 0o622)
    second.file("data/\udcff\udcfe", "a name that is not UTF-8\n")
    second.file("data/" + "g" * 200, "a long name of another kind\n")
    second.dir("etc", 0o751)

    third = Layer(tarfile.USTAR_FORMAT)
    third.file("etc/hostname", "new\n")
    third.file("data/setuid", "4755\n", 0o4755)
    third.file("data/setgid", "2755\n", 0o2755, gid=50)
    third.file("data/nothing", "0000\n", 0)
    third.dir("data/closed", 0)
    third.dir("data/sticky", 0o3777, uid=1000)
    third.file("data/empty", b"")
    third.file("data/odd", bytes(range(256)) * 37 + b"\0\0\1")
    third.file("./data/dotted", "a name that begins with a dot\n")
    return [base, second, third]


@image
def shell(path: Path) -> None:
    """A shell script as Entrypoint, arguments in Cmd, and all that layers can hold."""
    single(path, shell_layers(), SHELL)


@image
def shell_zstd(path: Path) -> None:
    """The same, with layers by zstd."""
    single(path, shell_layers(), SHELL, "zstd")


@image
def shell_plain(path: Path) -> None:
    """The same, with layers that are not compressed."""
    single(path, shell_layers(), SHELL, "plain")


CMD = {"Cmd": ["/tell"]}  # of an image with a static layer


def static_layer(*folders: str) -> Layer:
    """One static program and nothing else."""
    layer = Layer()
    layer.file("tell", built("apps/tell"), 0o755)
    for name in folders:
        layer.dir(name)
    return layer


@image
def nopasswd(path: Path) -> None:
    """No /etc, a program alone; a user by number, with a group of its own."""
    single(path, [static_layer()], {"Entrypoint": ["/tell"], "Env": ["A=1"], "User": "1234:5678"})


@image
def tmplink(path: Path) -> None:
    """/tmp is a link to var/tmp, and a mount point is a file's neighbour."""
    layer = static_layer("var", "run")
    layer.dir("var/tmp", 0o1777)
    layer.link("tmp", "var/tmp")
    single(path, [layer], {"Cmd": ["/tell", "tmp"], "WorkingDir": "/tmp"})


@image
def multiline(path: Path) -> None:
    """Newlines in a variable and in an argument, and a signal that stops it."""
    single(path, [static_layer()], {
        "Entrypoint": ["/tell", "an argument\nof two lines", "back\\slash \"quoted\"\ttab\r", "--until", "10"],
        "Env": ["KEY=-----BEGIN-----\nAAAA\n-----END-----\n", "PLAIN=one line"], "StopSignal": "10"})


@image
def cmdonly(path: Path) -> None:
    """A Cmd without a slash, found by PATH; no working directory yet."""
    single(path, [static_layer()], {"Cmd": ["tell", "found"], "Env": ["PATH=/nowhere:/"],
                                    "WorkingDir": "/made/for/it"})


def layer_of_many() -> Layer:
    layer = static_layer("files")
    for folder in range(50):
        layer.dir(f"files/{folder:03}")
        for n in range(100):
            layer.file(f"files/{folder:03}/{n:02}", f"{folder} {n}\n")
    return layer


@image
def many(path: Path) -> None:
    """5,000 small files."""
    single(path, [layer_of_many()], CMD)


@image
def blocks(path: Path) -> None:
    """A file of several blocks of a squashfs, each of them another and quickly compressed."""
    layer = static_layer()
    layer.file("blocks", b"".join(hashlib.sha256(bytes([n])).digest() * 4096 for n in range(6)) + b"end")
    single(path, [layer], CMD)


CAPABILITY = b"\1\0\0\2" + (1 << 10).to_bytes(4, "little") + bytes(12)


@image
def capabilities(path: Path) -> None:
    """A file with security.capability, which a plain ramdisk cannot carry."""
    layer = static_layer()
    # cap_net_bind_service+ep; in a PAX header bytes are bytes.
    value = CAPABILITY.decode("utf-8", "surrogateescape")
    layer.file("server", built("apps/tell"), 0o755, pax_headers={"SCHILY.xattr.security.capability": value})
    single(path, [layer], {"Cmd": ["/server"]})


@image
def multiarch(path: Path) -> None:
    """An index, in an index, of images for amd64 and arm64, whose programs differ."""
    layout = Layout(path)
    manifests = []
    for name, arch in (("x86_64", "amd64"), ("aarch64", "arm64")):
        layer = Layer()
        program = TOP / "build" / name / "apps/tell"
        if program.exists():
            layer.file("tell", program, 0o755)
        else:
            layer.file("tell", "#!/tell.sh\n", 0o755)
        layer.file("arch", f"{arch}\n")
        one = layout.image([layer.bytes()], {"Cmd": ["/tell", arch]}, arch=arch)
        manifests.append({**one, "platform": {"architecture": arch, "os": "linux"}})
    inner = layout.json({"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": manifests},
                        OCI + "index.v1+json")
    layout.index(tagged(inner))


@image
def tags(path: Path) -> None:
    """Two images with tags of their own."""
    layout = Layout(path)
    layout.index(*(tagged(layout.image([static_layer(name).bytes()], {"Cmd": ["/tell", name]}), name)
                   for name in ("one", "two")))


DEEP_MAX = 4095 - 8  # "rootfs/" and a byte


def deep_layer(length: int) -> Layer:
    """A file whose path has LENGTH bytes."""
    layer = static_layer()
    name = ""
    while length - len(name) > 255:
        name += "d" * min(199, length - len(name) - 2) + "/"
        layer.dir(name.rstrip("/"))
    layer.file(name + "f" * (length - len(name)), f"{length}\n")
    return layer


@image
def deep(path: Path) -> None:
    """A path as long as can be."""
    single(path, [deep_layer(DEEP_MAX)], CMD)


@image
def many_and_deep(path: Path) -> None:
    """Both, in layers of their own."""
    single(path, [layer_of_many(), deep_layer(DEEP_MAX)], CMD)


@image
def too_deep(path: Path) -> None:
    """A path a byte longer."""
    single(path, [deep_layer(DEEP_MAX + 1)], CMD)


# --- those of programs that others made --------------------------------------

def libraries(program: Path) -> list[Path]:
    """What the dynamic loader takes for PROGRAM, and itself."""
    said = subprocess.run(["ldd", program], stdout=subprocess.PIPE, text=True, check=True).stdout
    return [Path(p) for p in sorted(set(re.findall(r"(?:^|\s)(/\S+) \(0x", said)))]


def program_layer(program: Path, name: str) -> Layer:
    layer = static_layer("etc", "usr", "usr/bin")
    layer.file("etc/passwd", PASSWD)
    layer.file("etc/group", GROUP)
    layer.file(f"usr/bin/{name}", program, 0o755)
    made = {"etc", "usr", "usr/bin"}
    for library in libraries(program):
        folder = ""
        for part in library.parts[1:-1]:
            folder = f"{folder}/{part}" if folder else part
            if folder not in made:
                layer.dir(folder)
                made.add(folder)
        layer.file(str(library)[1:], library.resolve(), 0o755)
    return layer


@image
def go(path: Path) -> None:
    """A program in Go: umoci."""
    single(path, [program_layer(Path(shutil.which("umoci") or "umoci"), "umoci")],
           {"Entrypoint": ["/tell", "--exec", "/usr/bin/umoci"], "Cmd": ["--version"], "User": "1000:50",
            "Env": ["HOME=/tmp"]})


@image
def rust(path: Path) -> None:
    """A program in Rust: the emulator's vsock device."""
    said = subprocess.run([TOP / "scripts/emulator", "--env", "x86_64"], stdout=subprocess.PIPE, text=True,
                          check=True).stdout
    program = Path(dict(line.split("=", 1) for line in said.splitlines())["VHOST_VSOCK"])
    single(path, [program_layer(program, "vhost-device-vsock")],
           {"Entrypoint": ["/tell", "--exec", "/usr/bin/vhost-device-vsock"], "Cmd": ["--version"],
            "WorkingDir": "/usr"})


PYTHON = "usr/bin/python3*"

SERVER = r'''
import asyncio, os, subprocess, sys

async def answer(reader, writer):
    line = await reader.readline()
    writer.write(b"you said " + line)
    await writer.drain()
    writer.close()

async def main():
    server = await asyncio.start_server(answer, "127.0.0.1", 8080)
    async with server:
        reader, writer = await asyncio.open_connection("127.0.0.1", 8080)
        writer.write(b"hello\n")
        print("@served=[%s]" % (await reader.readline()).decode().strip())
        writer.close()

print("@uid=%d" % os.getuid())
print("@gid=%d" % os.getgid())
print("@groups=%s" % " ".join(map(str, os.getgroups())))
print("@cwd=[%s]" % os.getcwd())
for a in sys.argv:
    print("@arg=[%s]" % a)
for k, v in sorted(os.environ.items()):
    print("@env=[%s=%s]" % (k, v))
for n in (0, 1, 2, 8):
    print("@pcr%d=%s" % (n, subprocess.check_output(["/run/enclave/bin/nsm", "pcr", "get", str(n)], text=True).strip()))
asyncio.run(main())
'''


@image
def python(path: Path) -> None:
    """Debian's python3-minimal and an asyncio server; the user by name."""
    server = Layer()
    server.dir("srv")
    server.file("srv/server.py", SERVER)
    server.file("etc/passwd", PASSWD)
    server.file("etc/group", GROUP)
    base = less(root("debian-python", PYTHON_RECIPE), (PYTHON,)).read_bytes()
    layout = Layout(path)
    layout.index(tagged(layout.image([base, server.bytes()], {
        "Entrypoint": ["python3", "-u"], "Cmd": ["/srv/server.py", "an argument"], "WorkingDir": "/srv",
        "User": "app:video", "Env": ["PATH=/usr/bin:/bin", "LANG=C.UTF-8"], "StopSignal": "SIGINT"})))


# --- servers of Debian, as a Dockerfile's apt-get would bring them -----------

# One installation with all packages, whose scripts have run: users are made, PostgreSQL has a cluster. Each
# image has some of it, and files of its own.
PYTHON_PARTS = ("usr/lib/python3.11", "usr/lib/python3", "usr/share/python3")
NGINX_PARTS = ("etc/nginx", "var/lib/nginx", "var/log/nginx", "usr/share/nginx")
POSTGRES_PARTS = ("usr/lib/postgresql", "usr/share/postgresql", "usr/share/postgresql-common", "var/lib/postgresql",
                  "etc/postgresql", "etc/postgresql-common", "run/postgresql", "var/log/postgresql", "usr/share/zoneinfo")
CURL, NGINX_PROGRAM, POSTGRES_PROGRAM = "usr/bin/curl", "usr/sbin/nginx", "usr/lib/postgresql/15/bin/postgres"


def server(path: Path, layer: Layer, config: dict, programs: tuple[str, ...], *others: tuple[str, ...]) -> None:
    """LAYER over Debian's servers, of which PROGRAMS stay, without what is the OTHERS'."""
    base = less(root("debian-servers", SERVERS_RECIPE), programs, sum(others, ())).read_bytes()
    layout = Layout(path)
    layout.index(tagged(layout.image([base, layer.bytes()], config, "plain")))


ASYNCIO = r'''
"""Answers who it is; /crash ends it with a failure."""
import asyncio, os, socket

async def answer(reader, writer):
    path = (await reader.readline()).split()[1].decode()
    while (await reader.readline()).strip():
        pass
    peer = writer.get_extra_info("peername")[0]
    body = f"@{path[1:]}=pid {os.getpid()} uid {os.getuid()} to {peer}\n"
    writer.write(f"HTTP/1.0 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
    await writer.drain()
    writer.close()
    if path == "/crash":
        os._exit(3)

async def main():
    server = await asyncio.start_server(answer, ["127.0.0.1", "::1"], 8080)
    if name := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.sendto(b"READY=1\nSTATUS=serving", name.replace("@", "\0", 1))
    print("@serving=%d" % os.getpid(), flush=True)
    await server.serve_forever()

asyncio.run(main())
'''

# The second server, after the crash, is waited for by curl.
ASYNCIO_CONF = """\
end = any
ready = notify
restart = on-failure
restart-delay = 200ms

[checker]
command = curl -sS --max-time 20 --retry 99 --retry-delay 1 --retry-all-errors http://127.0.0.1:8080/v4 \
http://[::1]:8080/v6 http://localhost:8080/crash http://localhost:8080/again
after = main
user = nobody
"""


@image
def asyncio(path: Path) -> None:
    """Python's asyncio as a server on 127.0.0.1 and ::1, which says that it is ready; curl beside it."""
    layer = Layer()
    layer.file("srv/server.py", ASYNCIO)
    layer.file("etc/enclave-init.conf", ASYNCIO_CONF)
    server(path, layer, {"Entrypoint": ["python3"], "Cmd": ["/srv/server.py"], "WorkingDir": "/srv", "User": "www-data",
                         "Env": ["PATH=/usr/bin:/bin", "LANG=C.UTF-8"]}, (PYTHON, CURL), NGINX_PARTS, POSTGRES_PARTS)


NGINX = """\
daemon off;
pid /tmp/nginx.pid;
error_log stderr;
events {}
http {
	access_log /dev/stdout;
	server {
		listen 80;
		listen [::]:80;
		location / { root /srv; }
	}
}
"""

# Port 80 without any privilege, as in a container.
NGINX_CONF = """\
end = any
no-new-privileges = yes
capability-bounding-set = none
stop-signal = SIGQUIT

[checker]
command = curl -sS --max-time 20 --retry 99 --retry-delay 1 --retry-connrefused -w "\\n@code=%{http_code}\\n" \
http://127.0.0.1/v4 http://[::1]/v6 http://localhost/closed
after = main
user = nobody
""".replace(" \\\n", " ")


@image
def nginx(path: Path) -> None:
    """nginx-light on port 80 as www-data, without any privilege; curl beside it."""
    layer = Layer()
    layer.file("srv/v4", "@v4=a page\n", 0o400, uid=33, gid=33)
    layer.file("srv/v6", "@v6=a page\n")
    layer.file("srv/closed", "of root\n", 0o600)
    layer.file("etc/nginx/nginx.conf", NGINX)
    for name in ("body", "proxy", "fastcgi", "uwsgi", "scgi"):
        layer.dir(f"var/lib/nginx/{name}", 0o700, uid=33, gid=33)
    layer.file("etc/enclave-init.conf", NGINX_CONF)
    server(path, layer, {"Cmd": ["nginx", "-e", "stderr"], "User": "www-data"}, (NGINX_PROGRAM, CURL), PYTHON_PARTS, POSTGRES_PARTS)


# Two processes and shared memory for a sum, whatever it costs.
POSTGRES_CONF = r"""
after = postgres
command = psql -h localhost -v ON_ERROR_STOP=1 -P pager=off -Atq \
-c "create table t as select n, n * n as square from generate_series(1, 10000) n" \
-c "select '@sum=' || sum(square) from t" \
-c "set force_parallel_mode = on" \
-c "explain (analyze, costs off, timing off, summary off) select sum(square) from t" \
-c "select '@who=' || current_user || ' from ' || host(inet_client_addr())" \
-c "select '@shm=' || setting from pg_settings where name = 'dynamic_shared_memory_type'"
shm-size = 64M

[postgres]
command = /usr/lib/postgresql/15/bin/postgres -D /var/lib/postgresql/15/main \
-c config_file=/etc/postgresql/15/main/postgresql.conf
user = postgres
ready = notify
stop-signal = SIGINT
""".replace(" \\\n", " ")

# Without a password over lo.
POSTGRES_HBA = "local all all peer\nhost all app 127.0.0.1/32 trust\nhost all app ::1/128 trust\n"


@image
def postgres(path: Path) -> None:
    """PostgreSQL with Debian's cluster and user, which says that it is ready; psql as another user is the application."""
    layer = Layer()
    layer.dir("run/postgresql", 0o2775, uid=100, gid=102)  # mmdebstrap empties /run, docker would not
    layer.file("etc/postgresql/15/main/pg_hba.conf", POSTGRES_HBA, 0o644)
    layer.file("etc/enclave-init.conf", POSTGRES_CONF)
    server(path, layer, {"Entrypoint": ["psql"], "User": "app"}, (POSTGRES_PROGRAM, "usr/bin/psql"), PYTHON_PARTS, NGINX_PARTS)


# --- inits of Debian, which insist on being process 1 ------------------------

# What each of them runs as its service.
SERVICE = """\
#!/bin/busybox sh
echo "@pid1=$(busybox cat /proc/1/comm)"
echo "@uid=$(busybox id -u)"
echo "@env=[$A]"
echo "@service=$0"
"""

APP_SERVICE = """\
[Unit]
Description=the application
SuccessAction=reboot

[Service]
Type=oneshot
ExecStart=/srv/app
User=app
StandardOutput=tty

[Install]
WantedBy=multi-user.target
"""


def init(path: Path, layer: Layer, programs: tuple[str, ...], unread: tuple[str, ...], *command: str) -> None:
    """LAYER over Debian's inits, of which PROGRAMS stay, without what is UNREAD; COMMAND becomes process 1."""
    base = less(root("debian-inits", INITS_RECIPE), programs, ("usr/share", "usr/lib/*/gconv", *unread)).read_bytes()
    layer.file("bin/busybox", BUSYBOX, 0o755)
    layer.link("bin/sh", "busybox")
    layer.file("srv/app", SERVICE, 0o755)
    layer.file("etc/passwd", PASSWD)
    layer.file("etc/group", GROUP)
    layer.file("etc/enclave-init.conf", "hand-over = yes\n")
    layout = Layout(path)
    layout.index(tagged(layout.image([base, layer.bytes()], {
        "Entrypoint": list(command), "Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "A=of the image"]}, "plain")))


@image
def systemd(path: Path) -> None:
    """systemd as process 1: its basic system, a unit with a user, and a restart once that has succeeded."""
    layer = Layer()
    layer.file("etc/systemd/system/app.service", APP_SERVICE)
    layer.link("etc/systemd/system/multi-user.target.wants/app.service", "../app.service")
    layer.link("etc/systemd/system/default.target", "/lib/systemd/system/multi-user.target")
    layer.file("etc/machine-id", "0123456789abcdef0123456789abcdef\n")  # or it asks the console who it is
    layer.link("etc/systemd/system/serial-getty@ttyS0.service", "/dev/null")  # or it waits for udev
    init(path, layer, ("bin/*", "sbin/*"), (), "/lib/systemd/systemd")


SYSTEMD = ("*/systemd", "*/udev")  # what the others do without


@image
def s6(path: Path) -> None:
    """s6-svscan as process 1, one service, and a script that restarts the machine in its place."""
    layer = Layer()
    # 125: it is not started again, which s6-supervise else does a second later.
    layer.file("srv/s6/app/run", "#!/bin/sh\nexec chpst -u app /srv/app\n", 0o755)
    layer.file("srv/s6/app/finish", "#!/bin/sh\ns6-svscanctl -t /srv/s6\nexit 125\n", 0o755)
    layer.file("srv/s6/.s6-svscan/finish", "#!/bin/sh\necho @finish=$$\nexec busybox reboot -f\n", 0o755)
    init(path, layer, ("bin/s6-*", "usr/bin/s6-*", "usr/bin/chpst"), SYSTEMD, "s6-svscan", "/srv/s6")


@image
def runit(path: Path) -> None:
    """runit as process 1: its three stages, one service."""
    layer = Layer()
    layer.file("etc/runit/1", "#!/bin/sh\necho @stage=1\n", 0o755)
    layer.file("etc/runit/2", "#!/bin/sh\necho @stage=2\nexec runsvdir -P /srv/runit\n", 0o755)
    layer.file("etc/runit/3", "#!/bin/sh\necho @stage=3\n", 0o755)
    layer.file("srv/runit/app/run", "#!/bin/sh\nexec chpst -u app /srv/app\n", 0o755)
    # Not through before the machine is: runsv starts the service again a second later.
    layer.file("srv/runit/app/finish", "#!/bin/sh\n/lib/runit/runit-init 6\nkill -STOP $$\n", 0o755)
    init(path, layer, ("sbin/runit*", "usr/bin/runsv*", "usr/bin/chpst"), SYSTEMD, "/sbin/runit")


# --- a program with the AWS SDK -------------------------------------------------------

# All that boto3's client of KMS reads of botocore's data, which has 400 services.
BOTO3_DATA = ("kms", "_retry.json", "endpoints.json", "partitions.json", "sdk-default-configuration.json")

DECRYPTS = r'''
"""Decrypts what is in SECRET by the key in KEY, as anywhere else: it knows nothing of enclaves."""
import base64, os, sys
import boto3
from botocore.exceptions import ClientError

try:
    answer = boto3.client("kms").decrypt(
        KeyId=os.environ["KEY"], CiphertextBlob=base64.b64decode(os.environ["SECRET"]), EncryptionContext={"app": "orders"})
except ClientError as e:
    sys.exit(f"{e.response['Error']['Code']}: {e.response['Error']['Message']}")
print("decrypted:", answer["Plaintext"].decode(), flush=True)
'''


def boto3_layer() -> Path:
    """
    A directory with boto3 of tests/wheels.lock, with the data of KMS alone, compiled as Python itself is below it, and in the place
    of its sources: an emulator is slow at that.
    """
    packages = wheels.folder("boto3")

    def fill(path: Path) -> None:
        lib = path / "usr/lib/python3/dist-packages"
        shutil.copytree(packages, lib, ignore=lambda at, names: [
            n for n in names if n == "__pycache__" or n.endswith(".dist-info") or
            (Path(at) == packages / "botocore/data" and n not in BOTO3_DATA) or (Path(at) == packages / "boto3" and n == "examples")])
        subprocess.run(["/usr/bin/python3", "-m", "compileall", "-q", "-b", "--invalidation-mode", "unchecked-hash", "-s", path, "-p", "/",
                        lib], stdout=subprocess.DEVNULL, check=True)
        for source in lib.rglob("*.py"):
            source.unlink()

    return cached("boto3", fill, "usr", [packages.name, BOTO3_DATA, "without sources"])


def add_tree(layer: Layer, root: Path) -> None:
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        layer.dir(name) if path.is_dir() else layer.file(name, path)


@image
def boto3(path: Path) -> None:
    """Debian's python3-minimal and a program that has boto3 decrypt $SECRET by the key $KEY."""
    write_boto3(path, ())


def write_boto3(path: Path, env: tuple[str, ...]) -> None:
    """The same with ENV besides."""
    layer = Layer()
    add_tree(layer, boto3_layer())
    layer.dir("srv")
    layer.file("srv/decrypts.py", DECRYPTS)
    layer.file("etc/passwd", PASSWD + "api:x:900:900:The local API:/:/bin/false\n")
    layer.file("etc/group", GROUP + "api:x:900:\n")
    layout = Layout(path)
    base = less(root("debian-python", PYTHON_RECIPE), (PYTHON,)).read_bytes()
    layout.index(tagged(layout.image([base, layer.bytes()], {
        "Entrypoint": ["python3", "-u", "/srv/decrypts.py"], "User": "app",
        "Env": ["PATH=/usr/bin:/bin", "LANG=C.UTF-8", *env]}, "plain")))
