"""Who may ask the local API for what: users, groups, keys, and what is refused on loopback."""

import os
import shutil
import socket
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path

from .lib import (ASAN, DEADLINE_S, MUSL, Api, Nsm, Skip, api, as_user, check, folder, free_port, head_of, read_answer, same, sleeps, test,
                  wait_for)

EXTEND = ("POST", "/v1/pcrs/16/extend", {"data": "YQ=="})


def statuses(a: Api, *asked: tuple) -> list[int]:
    return [a.ask(*q).status for q in asked]


@test
def rules_name_users_and_groups() -> None:
    """allow = SUBJECT user=... group=...: by uid, by gid and by further groups; whom no rule names is 403."""
    with api("allow = random user=4001 group=4002", "socket-mode = 0666") as a:
        asked = ("GET", "/v1/random")
        for uid, gid, groups, status in ((4001, 4009, [], 200), (4009, 4002, [], 200), (4009, 4009, [5000, 4002], 200),
                                         (4009, 4009, list(range(5000, 5060)) + [4002], 200), (4009, 4009, [5000], 403),
                                         (4002, 4001, [4001], 403), (0, 0, [], 403)):
            got = as_user(uid, gid, groups, lambda: [a.ask(*asked).status, a.ask("GET", "/v1/describe").status])
            same(got, [status, 200], f"random and describe for {uid}, {gid}, {groups}")
        same(as_user(4009, 4009, [], lambda: a.ask(*asked).json["error"]["code"]), "not_allowed", "the code")


@test
def what_changes_the_enclave_needs_a_rule() -> None:
    """Without rules extend, lock, credentials and ready are 403 for all, root too; with `any` they are there, and other subjects stay."""
    asked = (EXTEND, ("POST", "/v1/pcrs/16/lock"), ("POST", "/v1/pcrs/lock", {"indexes": [16]}), ("GET", "/v1/credentials"),
             ("POST", "/v1/ready", {"socket": "x"}))
    with api() as a:
        same(statuses(a, *asked), [403] * 5, "without rules")
        same(a.nsm.count("ExtendPCR") + a.nsm.count("LockPCR"), 0, "calls of the NSM")
    with api("allow = extend any") as a:
        same(statuses(a, *asked), [200, 200, 200, 403, 403], "with extend")


@test
def the_socket_has_its_mode_and_group() -> None:
    """socket-mode and socket-group hold before anybody can connect, and the kernel keeps others out."""
    with api("socket-mode = 0620", "socket-group = 4242") as a:
        st = a.socket.stat()
        same((st.st_mode & 0o777, st.st_gid), (0o620, 4242), "mode and group")

        def attempt() -> str:
            try:
                return str(a.ask("GET", "/v1/health").status)
            except OSError as e:
                return type(e).__name__
        same(as_user(4001, 4001, [], attempt), "PermissionError", "another user")
        same(as_user(4001, 4001, [4242], attempt), "200", "one of the group")


REFUSED = {
    "another host": {"Host": "example.com"}, "a rebound name": {"Host": "attacker.example:{port}"},
    "a name that ends like one": {"Host": "a.localhost"}, "one that begins like one": {"Host": "localhost.example.com"},
    "an address that begins like one": {"Host": "127.0.0.1.example.com"}, "nip.io": {"Host": "127.0.0.1.nip.io"},
    "0.0.0.0": {"Host": "0.0.0.0:{port}"}, "another address": {"Host": "169.254.169.254"}, "a hex address": {"Host": "0x7f000001"},
    "a number": {"Host": "2130706433"}, "a short address": {"Host": "127.1"}, "octal": {"Host": "0177.0.0.1"},
    "a mapped address": {"Host": "[::ffff:127.0.0.1]"}, "an empty one": {"Host": ""}, "a user": {"Host": "localhost@example.com"},
    "a port that is none": {"Host": "localhost:x"}, "a long port": {"Host": "localhost:111111111"}, "a dot": {"Host": "localhost."},
    "two hosts in one": {"Host": "localhost, example.com"},
    "a browser's origin": {"Origin": "http://example.com"}, "null": {"Origin": "null"}, "its own origin": {"Origin": "http://localhost:{port}"},
    "fetch metadata": {"Sec-Fetch-Site": "same-origin"}, "more of them": {"Sec-Fetch-Mode": "navigate"},
    "a proxy's client": {"X-Forwarded-For": "10.0.0.1"}, "its host": {"X-Forwarded-Host": "localhost"}, "its scheme": {"X-Forwarded-Proto": "http"},
    "the standard's": {"Forwarded": "for=10.0.0.1"}, "the proxy's name": {"Via": "1.1 proxy"}, "nginx's": {"X-Real-IP": "10.0.0.1"},
}


@test
def what_is_not_of_this_machine_is_refused_on_loopback() -> None:
    """On loopback a Host that is no loopback name, and what browsers and proxies add, are 403 for every path; on the socket they are not."""
    port = free_port()
    with api(f"listen = 127.0.0.1:{port}") as a:
        for host in ("localhost", "LOCALHOST", f"localhost:{port}", "127.0.0.1", f"127.0.0.1:{port}", "127.9.9.9", "[::1]", f"[::1]:{port}"):
            a.ask("GET", "/v1/random", headers={"Host": host}, port=port).is_(200)
        for what, headers in REFUSED.items():
            headers = {k: v.replace("{port}", str(port)) for k, v in headers.items()}
            for path in ("/v1/random", "/v1/health", "/nothing"):
                got = a.ask("GET", path, headers=headers, port=port)
                check(got.status == 403 and got.json["error"]["code"] == "not_local", f"{what}: {got}")
        a.send(b"GET /v1/health HTTP/1.0\r\n\r\n", port).is_(403, "not_local")
        a.ask("GET", "/v1/random", headers={"Host": "example.com", "Via": "x"}).is_(200)


@test
def on_loopback_nobody_is_known() -> None:
    """Rules of users and groups never hold on loopback, `any` does; the socket's rules are untouched."""
    port = free_port()
    with api(f"listen = 127.0.0.1:{port}", f"allow = random user={os.geteuid()} group={os.getegid()}", "allow = pcrs any") as a:
        same([a.ask("GET", p, port=port).status for p in ("/v1/random", "/v1/pcrs/0", "/v1/describe")], [403, 200, 200], "on loopback")
        same([a.ask("GET", p).status for p in ("/v1/random", "/v1/pcrs/0", "/v1/describe")], [200] * 3, "on the socket")
        check("loopback" in a.ask("GET", "/v1/random", port=port).json["error"]["message"], "the words")


@test
def it_listens_where_it_should_and_nowhere_else() -> None:
    """Sockets of the process: the UNIX socket, the loopback addresses of the configuration, and no other."""
    port, six = free_port(), free_port()
    with api(f"listen = 127.0.0.1:{port}", f"listen = [::1]:{six}") as a:
        out = subprocess.run(["ss", "-ltnpH"], capture_output=True, text=True, check=True).stdout
        mine = sorted(line.split()[3] for line in out.splitlines() if f"pid={a.process.pid}," in line)
        same(mine, sorted([f"127.0.0.1:{port}", f"[::1]:{six}"]), "where it listens")
        with socket.create_connection(("::1", six)) as s:
            s.sendall(head_of("GET", "/v1/health", {"Host": f"[::1]:{six}"}))
            check(s.recv(100).startswith(b"HTTP/1.1 200 "), "an answer on ::1")


def refused_start(a: Api, user: int, *lines: str) -> str:
    """What a start beside A with LINES as USER says, which fails."""
    program, conf = a.path / "enclave-api", a.path / "refused.conf"
    if not program.exists():
        shutil.copy(ASAN, program)  # another user may not get to the original
    conf.write_text("\n".join(lines) + "\n")
    p = subprocess.run([program, conf], env={**os.environ, "KMS_NSM": str(a.nsm.path)}, capture_output=True, text=True, check=False,
                       user=user, group=user, extra_groups=[], timeout=DEADLINE_S)
    same(p.returncode, 5, f"its code: {p.stderr}")
    return p.stderr


@test
def a_start_that_is_not_allowed_is_explained() -> None:
    """The lines to add, with the user's numbers: no NSM, the default, a directory of root, one that is missing, a group of others."""
    if os.geteuid() != 0:
        raise Skip("only root can be another user")
    with api() as a:
        path = a.path
        same(refused_start(a, 900), "enclave-api: /dev/nsm: Permission denied: nsm-group in enclave-init.conf must be a group of this user, "
             "900\n", "what it says without the NSM")
        a.nsm.path.parent.chmod(0o755)
        a.nsm.path.chmod(0o666)
        (path / "own").mkdir()
        os.chown(path / "own", 900, 900)
        mend = "user 900 needs a directory of its own: tmpfs = {}:uid=900,gid=900,mode=0755 in enclave-init.conf, and socket = {}\n"
        missing, closed = path / "missing/a.sock", path / "a.sock"
        for socket_path, words in (
                (closed, f"{closed}: Permission denied: {mend.format('/run/api', '/run/api/api.sock')}"),
                (missing, f"{missing}: No such file or directory: {mend.format(path / 'missing', missing)}")):
            same(refused_start(a, 900, f"socket = {socket_path}"), f"enclave-api: {words}", "what it says")
        if not Path("/run/api").exists():
            default = "/run/api/api.sock"
            same(refused_start(a, 900), f"enclave-api: {default}: No such file or directory: {mend.format('/run/api', default)}", "the default")
        own = path / "own/a.sock"
        same(refused_start(a, 900, f"socket = {own}", "socket-group = 901"), f"enclave-api: {own}: socket-group 901: user 900 is not in "
             "that group: it needs the group in /etc/group, or by supplementary-groups\n", "what it says")
        same(os.listdir(path / "own"), [], "what is left")


@test
def a_directory_that_is_missing_is_made() -> None:
    """Below /run, by root; elsewhere a path that is wrong is an error."""
    if not os.access("/run", os.W_OK):
        raise Skip("only root may write to /run")
    with api() as a, tempfile.TemporaryDirectory(prefix="api-", dir="/run") as name:
        path, conf = Path(name), a.path / "other.conf"
        conf.write_text(f"socket = {path}/new/api.sock\nnotify-dir = {a.path}\n")
        b = Api.__new__(Api)
        b.__dict__.update(a.__dict__)
        b.socket = path / "new/api.sock"
        b.process = subprocess.Popen([ASAN, conf], env={**os.environ, "KMS_NSM": str(a.nsm.path), "NOTIFY_SOCKET": str(a.path / "notify")})
        try:
            b.wait().ask("GET", "/v1/health").is_(200)
            b.end()
        finally:
            b.process.kill()
            b.process.wait()


@test
def a_socket_in_use_is_not_taken() -> None:
    """A second one on the same socket ends and leaves the first one alone; what a killed one has left is replaced."""
    with api() as a:
        p = subprocess.run([ASAN, a.conf], env={**os.environ, "KMS_NSM": str(a.nsm.path)}, capture_output=True, text=True, check=False)
        check(p.returncode == 5 and "Address already in use" in p.stderr, f"the second one: {p}")
        a.ask("GET", "/v1/health").is_(200)
        a.process.kill()
        a.process.wait()
        check(a.socket.exists(), "the socket is left")
        b = Api.__new__(Api)
        b.__dict__.update(a.__dict__)
        b.process = subprocess.Popen([ASAN, a.conf], env={**os.environ, "KMS_NSM": str(a.nsm.path), "NOTIFY_SOCKET": str(a.path / "notify")})
        try:
            b.wait().ask("GET", "/v1/health").is_(200)
            b.end()
        finally:
            b.process.kill()
            b.process.wait()


@test(seconds=5)
def nobody_is_kept_out_by_those_who_send_nothing() -> None:
    """One program holds all that loopback and its user may have, without a request or with half of one: another user is served."""
    port = free_port()
    with api("socket-mode = 0666", f"listen = 127.0.0.1:{port}") as a, ExitStack() as stack:
        files = Path(f"/proc/{a.process.pid}/fd")
        wait_for(lambda: sleeps(a.process.pid), "the socket by which it said that it is ready to be closed")
        before, held = len(list(files.iterdir())), []
        for p in (port, None):  # the oldest, which make room for others, are those of loopback
            held += [stack.enter_context(a.connect(p)) for _ in range(32)]
            wait_for(lambda: len(list(files.iterdir())) >= before + len(held), "all to be taken")  # noqa: B023
        for s in held[::2]:
            s.sendall(b"GET /v1/health HTTP/1.1\r\n")
        same(as_user(4001, 4001, [], lambda: [a.ask("GET", "/v1/health").status for _ in range(3)]), [200] * 3, "another user's answers")
        with a.connect() as s:
            read_answer(s).is_(429, "too_many_connections")  # as before: it is its own


@test
def what_is_no_socket_is_left_alone() -> None:
    """A file, a directory or a symbolic link where the socket is to be ends the start, and stays; so does a group that is not there, by its name."""
    with folder() as path, Nsm() as nsm:
        at, conf = path / "sock", path / "conf"

        def start(more: str = "") -> str:
            conf.write_text(f"socket = {at}\n{more}\n")
            p = subprocess.run([ASAN, conf], env={**os.environ, "KMS_NSM": str(nsm.path)}, capture_output=True, text=True, check=False,
                               timeout=DEADLINE_S)
            same(p.returncode, 5, f"the code ({p.stderr})")
            return p.stderr

        at.write_text("precious")
        check("File exists" in start(), "what it says of a file")
        same(at.read_text(), "precious", "the file")
        at.unlink()
        at.symlink_to(conf)
        check("File exists" in start() and at.is_symlink(), "a symbolic link")
        at.unlink()
        at.mkdir()
        check("File exists" in start(), "a directory")
        at.rmdir()
        check("socket-group nobody-here: there is no such group" in start("socket-group = nobody-here"), "a group")


@test
def the_filters_let_all_routes_through() -> None:
    """The shipped objects with their filters of system calls answer each route."""
    port = free_port()
    with api("allow = extend any", "allow = ready any", f"listen = 127.0.0.1:{port}", program=MUSL) as a:
        for q in (("GET", "/v1/describe"), ("GET", "/v1/random?bytes=65536"), ("POST", "/v1/attestation", {}), ("GET", "/v1/pcrs"), EXTEND,
                  ("POST", "/v1/pcrs/lock", {"indexes": [16]}), ("POST", "/v1/ready", {"socket": f"{a.path}/notify"})):
            a.ask(*q).is_(200)
        a.ask("GET", "/v1/random", port=port).is_(200)
        same(a.ask("POST", "/v1/verify", {"document": "hA==", "any_image": True, "any_age": True}).status, 422, "verify")
        wait_for(lambda: a.ask("GET", "/v1/health").status == 200, "health")
