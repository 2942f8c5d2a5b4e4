"""
Programs of Debian through two forwards, TCP to a socket and the socket to TCP, as an enclave's end and its parent's stand
one behind the other. Each compares what it got with what there was.
"""

import contextlib
import hashlib
import os
import random
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from suite import built

from .ends import free_port
from .lib import ASAN, DEADLINE_S, ENV, SHIPPED, Relay, Skip, check, folder, same, test, wait_for

NOISE = random.Random(11).randbytes(8 << 20)
POSTGRES = Path("/usr/lib/postgresql/15/bin")


def need(*programs: str) -> None:
    for name in programs:
        if not shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin:{POSTGRES}"):
            raise Skip(f"no {name}")


def tool(*words: object, given: bytes = b"", code: int = 0, **how: object) -> bytes:
    """What a program prints that ends with CODE."""
    p = subprocess.run(list(map(str, words)), input=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                       timeout=DEADLINE_S, **how)
    check(p.returncode == code, f"{' '.join(map(str, words))}: code {p.returncode}: {p.stderr[-1500:]!r} {p.stdout[-500:]!r}")
    return p.stdout


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5):
        return True
    return False


@contextmanager
def served(port: int, *command: object, is_up: Callable[[], bool] | None = None, **how: object) -> Iterator[subprocess.Popen]:
    """A server, once it takes connections at PORT, or is up."""
    p = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **how)
    try:
        wait_for(lambda: (is_up() if is_up else answers(port)) or p.poll() is not None, f"{command[0]} at port {port}")
        check(p.poll() is None, f"{command[0]} ended with {p.returncode}")
        yield p
    finally:
        p.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            p.wait(20)
        p.kill()
        p.wait()


@contextmanager
def forwarded(target: int, program: Path = ASAN, *options: str) -> Iterator[int]:
    """A port that leads to that one through two forwards."""
    port = free_port()
    with folder() as path:
        inner = Relay("forward", f"unix:{path}/between", f"tcp:127.0.0.1:{target}", *options, program=program)
        outer = Relay("forward", f"tcp:127.0.0.1:{port}", f"unix:{path}/between", *options, program=program)
        try:
            for r in (inner, outer):
                r.wait_err(": ready\n")
            yield port
        finally:
            for r in (outer, inner):
                r.process.terminate()
                done = r.end()
                check("Sanitizer" not in done.err and "runtime error" not in done.err, done.err)
                same(done.code, 0, f"the code of relay: {done.err}")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# --- HTTP ------------------------------------------------------------------------

NGINX = """
daemon off; master_process off; pid {path}/pid; error_log {path}/log;
events {{ }}
http {{
    access_log off; keepalive_requests 100000; client_max_body_size 64m;
    client_body_temp_path {path}/b; proxy_temp_path {path}/p; fastcgi_temp_path {path}/f; uwsgi_temp_path {path}/u; scgi_temp_path {path}/s;
    server {{
        listen 127.0.0.1:{port} {more};
        root {path}/www;
        location /put {{ dav_methods PUT; create_full_put_path on; }}
    }}
}}
"""


@contextmanager
def nginx(more: str = "") -> Iterator[tuple[int, Path]]:
    need("nginx", "curl")
    with folder() as path:
        port, www = free_port(), path / "www"
        (www / "put").mkdir(parents=True)
        for n in range(100):
            (www / f"{n}").write_bytes(NOISE[n * 1000:n * 2000])
        (www / "large").write_bytes(NOISE)
        (path / "conf").write_text(NGINX.format(path=path, port=port, more=more))
        path.chmod(0o755)
        with served(port, "/usr/sbin/nginx", "-c", path / "conf", "-e", path / "log"):
            yield port, www


@test(5)
def curl_and_nginx_keep_a_connection() -> None:
    """A hundred files by one connection of HTTP/1.1, by parallel ones and by HTTP/1.0, which ends each; a body of 8 MB there."""
    with nginx() as (target, www), forwarded(target) as port, folder() as path:
        url = f"http://127.0.0.1:{port}"
        for words in ((), ("--parallel", "--parallel-max", "20"), ("--http1.0",)):
            said = tool("curl", "-sS", *words, "-o", f"{path}/#1", f"{url}/[0-99]", "-w", "%{num_connects} ")
            if not words:
                same(sum(map(int, said.split())), 1, "connections of HTTP/1.1")
            for n in range(100):
                same(sha256((path / f"{n}").read_bytes()), sha256((www / f"{n}").read_bytes()), f"file {n} by {words}")
        same(sha256(tool("curl", "-sS", f"{url}/large")), sha256(NOISE), "8 MB")
        for name in ("100-continue", ""):
            same(sha256(tool("curl", "-sS", "-H", f"Expect: {name}", "--limit-rate", "20M", f"{url}/large")), sha256(NOISE), "8 MB slowly")


@test(3)
def h2load_and_nginx_speak_http_2() -> None:
    """Four connections with twenty streams each; all 2,000 answers come, with as many bytes as the files have."""
    need("h2load")
    with nginx("http2") as (target, www), forwarded(target) as port:
        said = tool("h2load", "-n", 2000, "-c", 4, "-m", 20, *(f"http://127.0.0.1:{port}/{n}" for n in range(100))).decode()
        check("2000 done, 2000 succeeded, 0 failed" in said, said)
        size = sum((www / f"{n}").stat().st_size for n in range(100)) * 20
        check(f"({size}) data" in said, f"{size} bytes in {said}")


# --- databases -------------------------------------------------------------------

@test(5)
def redis_cli_and_redis_server() -> None:
    """A pipeline of 20,000 commands, a value of 8 MB there and back, a subscription that waits, and what INFO counts."""
    need("redis-server", "redis-cli")
    with folder() as path:
        target = free_port()
        with served(target, "redis-server", "--port", target, "--bind", "127.0.0.1", "--save", "", "--dir", path), \
                forwarded(target) as port:
            def cli(*words: str, given: bytes = b"") -> bytes:
                return tool("redis-cli", "-p", port, *words, given=given)

            mass = b"".join(b"*3\r\n$3\r\nSET\r\n$6\r\nk%05d\r\n$6\r\nv%05d\r\n" % (n, n) for n in range(20000))
            check(b"errors: 0, replies: 20000" in cli("--pipe", given=mass), "the pipeline")
            same(cli("dbsize"), b"20000\n", "keys")
            same(cli("get", "k12345"), b"v12345\n", "a value")
            same(cli("-x", "set", "large", given=NOISE), b"OK\n", "the large one")
            same(sha256(cli("--raw", "get", "large")[:-1]), sha256(NOISE), "the large one")
            listener = subprocess.Popen(["redis-cli", "-p", str(port), "subscribe", "news"], stdout=subprocess.PIPE)
            try:
                same([listener.stdout.readline() for _ in range(3)], [b"subscribe\n", b"news\n", b"1\n"], "the subscription")
                same(cli("publish", "news", "hello"), b"1\n", "who hears")
                same([listener.stdout.readline() for _ in range(3)], [b"message\n", b"news\n", b"hello\n"], "the message")
            finally:
                listener.kill()
                listener.wait()
            check(b"requests per second" in tool("redis-benchmark", "-p", port, "-q", "-n", 5000, "-c", 50, "-P", 8, "-t", "set,get"),
                  "redis-benchmark")


@test(12)
def psql_and_pgbench_and_postgres() -> None:
    """pgbench with eight clients, each transaction by a new connection and by the same; the balances agree; COPY both ways."""
    need("pgbench", "initdb", "psql")
    as_user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.getuid() == 0 else []
    with folder() as path:
        path.chmod(0o777)
        target = free_port()
        tool(*as_user, POSTGRES / "initdb", "-D", path / "db", "-U", "app", "-A", "trust", "--no-sync", cwd=path)
        with served(target, *as_user, POSTGRES / "postgres", "-D", path / "db", "-p", target, "-k", path, "-c", "fsync=off",
                    "-c", "listen_addresses=127.0.0.1", cwd=path), forwarded(target) as port:
            at = ("-h", "127.0.0.1", "-p", str(port), "-U", "app")

            def sql(text: str, given: bytes = b"") -> str:
                return tool("psql", "-X", "-A", "-t", "-q", *at, "-c", text, "postgres", given=given).decode().strip()

            wait_for(lambda: subprocess.run(["psql", "-X", *at, "-c", "select 1", "postgres"], check=False,
                                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0, "postgres")
            tool(POSTGRES / "pgbench", *at, "-i", "-q", "postgres")
            for words in ((), ("-C",)):
                said = tool(POSTGRES / "pgbench", *at, "-n", "-c", 8, "-j", 2, "-t", 25, *words, "postgres").decode()
                check("actually processed: 200/200" in said, said)
            same(sql("select (select sum(tbalance) from pgbench_tellers) = (select sum(bbalance) from pgbench_branches), "
                     "count(*), sum(delta) = (select sum(abalance) from pgbench_accounts) from pgbench_history"), "t|400|t", "balances")
            rows = "".join(f"{n}\t{sha256(b'%d' % n)}\n" for n in range(30000))
            sql("create table t (n int, h text)")
            sql("copy t from stdin", given=rows.encode())
            same(sha256((sql("copy t to stdout") + "\n").encode()), sha256(rows.encode()), "what COPY brings back")


# --- TLS ----------------------------------------------------------------------------

@contextmanager
def certificate() -> Iterator[Path]:
    need("openssl")
    with folder() as path:
        tool("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
             "-keyout", path / "key", "-out", path / "cert")
        yield path


@test(3)
def openssl_ends_with_close_notify() -> None:
    """s_client sends 1 MB and its close_notify; s_server has got all of it, and the other way round."""
    data = NOISE[:1 << 19].hex("\n").encode()  # a line that begins with a Q would be a command
    with certificate() as path:
        target = free_port()
        with (path / "got").open("wb") as got:
            server = subprocess.Popen(["openssl", "s_server", "-accept", f"127.0.0.1:{target}", "-cert", path / "cert", "-key", path / "key",
                                       "-quiet", "-naccept", "2"], stdin=subprocess.PIPE, stdout=got, stderr=subprocess.DEVNULL)
        try:
            wait_for(lambda: answers(target) or server.poll() is not None, "s_server")  # the first of two
            with forwarded(target) as port:
                tool("openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-quiet", "-no_ign_eof", "-CAfile", path / "cert",
                     "-verify_return_error", given=data)
                same(server.wait(DEADLINE_S), 0, "s_server's code")
        finally:
            server.kill()
            server.wait()
        same(sha256((path / "got").read_bytes()), sha256(data), "what s_server got")


@test(3)
def openssl_serves_files_by_tls() -> None:
    """curl by TLS 1.3 from s_server -WWW, whose answer ends with the connection."""
    need("curl")
    with certificate() as path:
        (path / "file").write_bytes(NOISE[:3 << 20])
        target = free_port()
        with served(target, "openssl", "s_server", "-accept", f"127.0.0.1:{target}", "-cert", path / "cert", "-key", path / "key", "-WWW",
                    cwd=path), forwarded(target) as port:
            for _ in range(3):
                got = tool("curl", "-sS", "--http0.9", "--cacert", path / "cert", "--connect-to", f"localhost:{port}:127.0.0.1:{port}",
                           f"https://localhost:{port}/file")
                same(sha256(got), sha256(NOISE[:3 << 20]), "the file")


# --- ends ------------------------------------------------------------------------------

@test(3)
def socat_and_ncat_end_one_direction() -> None:
    """sort answers when it has read the end; to each of them as the client."""
    need("socat", "ncat", "sort")
    lines = "".join(f"{random.Random(n).random()}\n" for n in range(20000)).encode()
    wanted = b"".join(sorted(lines.splitlines(keepends=True)))
    env = {**ENV, "LC_ALL": "C"}
    target = free_port()
    with served(target, "socat", "-t", "240", f"TCP-LISTEN:{target},bind=127.0.0.1,reuseaddr,fork", "EXEC:sort", env=env), \
            forwarded(target) as port:
        for client in (("socat", "-t", "240", "-", f"TCP:127.0.0.1:{port}"), ("ncat", "127.0.0.1", str(port))):
            same(sha256(tool(*client, given=lines)), sha256(wanted), client[0])


@test(3)
def a_server_that_speaks_first_and_closes_is_heard() -> None:
    """ncat --send-only: the client gets all of it although it has sent nothing; and the other way, to --recv-only."""
    need("ncat")
    with folder() as path:
        (path / "data").write_bytes(NOISE)
        target = free_port()
        with served(target, "ncat", "-l", "-k", "127.0.0.1", str(target), "--send-only", "--sh-exec", f"cat {path}/data"), \
                forwarded(target) as port:
            same(sha256(tool("ncat", "--recv-only", "127.0.0.1", port)), sha256(NOISE), "what the server sent")
        target = free_port()
        with served(target, "socat", "-u", f"TCP-LISTEN:{target},bind=127.0.0.1,reuseaddr,fork", f"OPEN:{path}/got,creat,append"), \
                forwarded(target) as port:
            tool("ncat", "--send-only", "127.0.0.1", port, given=NOISE)
            wait_for(lambda: (path / "got").exists() and (path / "got").stat().st_size >= len(NOISE), "8 MB")
        same(sha256((path / "got").read_bytes()), sha256(NOISE), "what the server got")


# --- others ---------------------------------------------------------------------------

def noisy_tree(path: Path) -> None:
    for n in range(200):
        (path / f"d{n % 10}").mkdir(parents=True, exist_ok=True)
        (path / f"d{n % 10}" / f"f{n}").write_bytes(NOISE[n * 7000:n * 7000 + n * 300])


def same_trees(a: Path, b: Path) -> None:
    tool("diff", "-r", a, b)


@test(3)
def rsync_copies_a_tree() -> None:
    """From a daemon of rsync, with checksums, and again after a change; and there."""
    need("rsync")
    with folder() as path:
        noisy_tree(path / "tree")
        target = free_port()
        (path / "back").mkdir()
        (path / "conf").write_text(f"use chroot = no\nport = {target}\naddress = 127.0.0.1\nuid = {os.getuid()}\ngid = {os.getgid()}\n"
                                   f"[tree]\npath = {path}/tree\n[back]\npath = {path}/back\nread only = no\n")
        with served(target, "rsync", "--daemon", "--no-detach", "--config", path / "conf"), forwarded(target) as port:
            for _ in range(2):
                tool("rsync", "-a", "--checksum", f"rsync://127.0.0.1:{port}/tree/", f"{path}/copy/")
                same_trees(path / "tree", path / "copy")
                (path / "tree/d3/f3").write_bytes(NOISE[:2 << 20])
            tool("rsync", "-a", f"{path}/tree/", f"rsync://127.0.0.1:{port}/back/")
            same_trees(path / "tree", path / "back")


@test(3)
def git_clones_and_pushes() -> None:
    """From a daemon of git, whose protocol ends directions; what is pushed is there."""
    need("git")
    with folder() as path:
        env = {**ENV, "HOME": str(path), "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a",
               "GIT_COMMITTER_EMAIL": "a@b", "GIT_CONFIG_NOSYSTEM": "1"}
        noisy_tree(path / "work")

        def git(*words: object) -> bytes:
            return tool("git", *words, env=env)

        git("init", "-q", "-b", "main", path / "work")
        git("-C", path / "work", "add", ".")
        git("-C", path / "work", "commit", "-qm", "all")
        git("clone", "-q", "--bare", path / "work", path / "bare.git")
        target = free_port()
        with served(target, "git", "daemon", "--reuseaddr", f"--base-path={path}", "--export-all", "--enable=receive-pack", "--listen=127.0.0.1",
                    f"--port={target}", env=env), forwarded(target) as port:
            git("clone", "-q", f"git://127.0.0.1:{port}/bare.git", path / "copy")
            same_trees(path / "work/d3", path / "copy/d3")
            (path / "copy/new").write_bytes(NOISE[:1 << 20])
            git("-C", path / "copy", "add", ".")
            git("-C", path / "copy", "commit", "-qm", "new")
            git("-C", path / "copy", "push", "-q", "origin", "main")
            same(git("-C", path / "bare.git", "rev-parse", "main"), git("-C", path / "copy", "rev-parse", "HEAD"), "what was pushed")


@test(3)
def proxies_behind_a_forward() -> None:
    """curl to nginx through tinyproxy, plain and by CONNECT, and through microsocks: each of them reached by forwards."""
    need("tinyproxy", "microsocks")
    with nginx() as (web, www), folder() as path:
        url, large = f"http://127.0.0.1:{web}", sha256(NOISE)
        target = free_port()
        (path / "conf").write_text(f"Port {target}\nListen 127.0.0.1\nTimeout 600\nMaxClients 50\nAllow 127.0.0.1\n")
        with served(target, "tinyproxy", "-d", "-c", path / "conf"), forwarded(target) as port:
            for words in ((), ("--proxytunnel",)):
                for _ in range(5):
                    same(sha256(tool("curl", "-sS", *words, "-x", f"http://127.0.0.1:{port}", f"{url}/large")), large, f"tinyproxy {words}")
        target = free_port()
        with served(target, "microsocks", "-i", "127.0.0.1", "-p", target), forwarded(target) as port:
            for _ in range(5):
                same(sha256(tool("curl", "-sS", "-x", f"socks5h://127.0.0.1:{port}", f"{url}/large")), large, "microsocks")


@test(5)
def the_shipped_program_serves_many_at_once() -> None:
    """redis-benchmark with 500 connections, each of which asks twenty times, and none is lost."""
    need("redis-server", "redis-benchmark")
    with folder() as path:
        target = free_port()
        with served(target, "redis-server", "--port", target, "--bind", "127.0.0.1", "--save", "", "--dir", path, "--maxclients", 2000), \
                forwarded(target, SHIPPED) as port:
            tool("redis-benchmark", "-p", port, "-q", "-n", 10000, "-c", 500, "-r", 100000, "incr", "counter")
            same(tool("redis-cli", "-p", port, "get", "counter"), b"10000\n", "what was counted")


@test(10)
def ten_thousand_connections_cost_little() -> None:
    """With 10,000 open and one of a hundred in use all processes together have 20 MiB at most; after that no descriptor is left."""
    bench = built("bench_relay")

    def tree(pid: int) -> list[int]:
        return [pid, *(p for c in Path(f"/proc/{pid}/task/{pid}/children").read_text().split() for p in tree(int(c)))]

    def descriptors() -> int:
        return sum(len(os.listdir(f"/proc/{p}/fd")) for p in tree(r.process.pid))

    with folder() as path:
        with served(0, bench, "serve", f"unix:{path}/end", is_up=(path / "end").exists):
            r = Relay("forward", f"unix:{path}/in", f"unix:{path}/end", "--max=10000", "--workers=4", program=SHIPPED)
            try:
                r.wait_err(": ready\n")
                clients = subprocess.Popen([bench, "many", f"unix:{path}/in", "10000", "1000"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                try:
                    check(b"opened" in clients.stdout.readline() and clients.stdout.readline() == b"open 1\n", "10,000 are not open")
                    clients.stdin.write(b"\n")
                    clients.stdin.flush()
                    check(clients.stdout.readline().startswith(b"turns "), "those in use get no answer")
                    kib = sum(int(Path(f"/proc/{p}/smaps_rollup").read_text().split("\nPss:")[1].split()[0]) for p in tree(r.process.pid))
                    print(f"# {kib} KiB with 10,000 connections, {descriptors()} descriptors")
                    check(descriptors() >= 20000, f"{descriptors()} descriptors")
                    check(kib <= 20 << 10, f"{kib} KiB")
                finally:
                    clients.kill()
                    clients.wait()
                # Some ten each; a worker that is still starting has one more, or fewer.
                wait_for(lambda: descriptors() < 16 * len(tree(r.process.pid)), "descriptors to be closed")
            finally:
                r.process.terminate()
                same(r.end().code, 0, "the code")
