"""Programs as they are, through the egress of an enclave: clients inside, proxies at the parent."""

import hashlib
import os
import shutil
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import golang
from suite import once

from .lib import SHIPPED, TOP, Relay, Skip, check, folder, same, test
from .proxies import BIG, Origin, ask, certificate, egress, free_port, parent, program, read_all, tunnel

DIGEST = hashlib.sha256(BIG).hexdigest()


class World:
    """An enclave's proxy, behind which two names are this machine: http://a.test:PORT and https://origin.test:PORT."""

    def __init__(self, path: Path, proxy: int, asked: list, http: Origin, https: Origin) -> None:
        self.path, self.proxy, self.asked, self.http, self.https = path, proxy, asked, http, https
        self.a, self.b = f"http://a.test:{http.port}", f"https://origin.test:{https.port}"
        self.url = f"http://127.0.0.1:{proxy}"
        self.cert = f"{certificate()}.crt"
        self.env = {"PATH": os.environ["PATH"], "HOME": str(path), "http_proxy": self.url, "https_proxy": self.url, "HTTP_PROXY": self.url,
                    "HTTPS_PROXY": self.url, "SSL_CERT_FILE": self.cert, "CURL_CA_BUNDLE": self.cert, "TMPDIR": str(path),
                    "GIT_SSL_CAINFO": self.cert, "NODE_EXTRA_CA_CERTS": self.cert, "LANG": "C.UTF-8",
                    # pip's own modules are compiled once, where Debian's packages have not been.
                    "PYTHONPYCACHEPREFIX": str(TOP / "build/python")}

    def run(self, *words: object, code: int | None = 0, **env: str) -> subprocess.CompletedProcess:
        if not shutil.which(str(words[0])):
            raise Skip(f"no {words[0]} on this machine")
        done = subprocess.run(list(map(str, words)), cwd=self.path, env={**self.env, **env}, stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=280)
        check(code is None or done.returncode == code,
              f"{' '.join(map(str, words))}: code {done.returncode}\n{done.stdout[-2000:]!r}\n{done.stderr[-2000:]!r}")
        return done


@contextmanager
def world(*rules: str, via: str = "connect") -> Iterator[World]:
    with Origin() as http, Origin(secure=True) as https, parent(via) as (target, p), folder() as path, \
            egress(*(rules or ("egress-allow = *.test:1-65535",)), via=via, target=target, program=SHIPPED) as (port, _):
        yield World(path, port, p.asked, http, https)


# --- clients --------------------------------------------------------------------

@test
def curl_by_each_way() -> None:
    """http:// URLs, CONNECT, SOCKS5 by name and by address, uploads of both kinds, and what is denied."""
    with world() as w:
        for how in ([], ["--proxytunnel"], ["--proxy", f"socks5h://127.0.0.1:{w.proxy}"]):
            for url in (w.a, w.b):
                same(hashlib.sha256(w.run("curl", "-sSf", *how, f"{url}/big").stdout).hexdigest(), DIGEST, f"{how} {url}")
                (w.path / "up").write_bytes(BIG)
                for upload in (["-T", "up"], ["-T", "-"], ["-d", "@up"], ["-H", "Expect:", "--data-binary", "@up"]):
                    with (w.path / "up").open("rb") as f:
                        done = subprocess.run(["curl", "-sSf", *how, *upload, f"{url}/x"], cwd=w.path, env=w.env, stdin=f,
                                              capture_output=True, timeout=280, check=True)
                    check(b" /x " in done.stdout and (b"-d" in upload or DIGEST.encode() in done.stdout or "-d" in upload), done.stdout)
        # One connection for several, where the proxy lets it.
        same(w.run("curl", "-sSf", f"{w.a}/1", f"{w.a}/2", f"{w.b}/3", f"{w.b}/4").stdout.count(b"GET /"), 4, "answers")
        for url, how in (("http://evil.example/", []), ("https://evil.example/", []),
                         ("https://evil.example/", ["--proxy", f"socks5h://127.0.0.1:{w.proxy}"])):
            done = w.run("curl", "-sSf", *how, url, code=None)
            check(done.returncode in (22, 56, 97) and (b"403" in done.stderr or b"(2)" in done.stderr), done.stderr)
        done = w.run("curl", "-sS", "http://evil.example/")
        same(done.stdout, b"evil.example:80: no egress-allow allows it\n", "what curl shows")
        done = w.run("curl", "-sS", "--proxy", f"socks5://127.0.0.1:{w.proxy}", "http://127.0.0.1/", code=97)
        check(all(host != "evil.example" for host, _ in w.asked), w.asked)


@test
def curl_over_each_protocol_of_the_parent() -> None:
    """HTTPS with its own certificate through CONNECT, SOCKS5 and enclaver's frames."""
    for via in ("socks5", "enclaver"):
        with world(via=via) as w:
            same(hashlib.sha256(w.run("curl", "-sSf", f"{w.b}/big").stdout).hexdigest(), DIGEST, via)
            same(hashlib.sha256(w.run("curl", "-sSf", f"{w.a}/big").stdout).hexdigest(), DIGEST, via)


@test
def wget_and_python() -> None:
    """Their ways with a proxy: URLs, CONNECT, several on one connection where they may."""
    with world() as w:
        w.run("wget", "-q", f"--ca-certificate={w.cert}", "-O", "got", f"{w.a}/big", f"{w.b}/big")
        same((w.path / "got").read_bytes(), BIG * 2, "wget's")
        done = w.run("wget", "-O", "-", "https://evil.example/", code=None)
        check(done.returncode != 0 and b"evil.example:443: no egress-allow allows it" in done.stderr, done.stderr)
        script = ("import sys, urllib.request as u, hashlib\n"
                  "for url in sys.argv[1:]: print(hashlib.sha256(u.urlopen(url).read()).hexdigest())\n"
                  "print(u.urlopen(u.Request(sys.argv[1], data=b'x' * 70000)).status)\n")
        same(w.run("/usr/bin/python3", "-c", script, f"{w.a}/big", f"{w.b}/big").stdout.split(),
             [DIGEST.encode(), DIGEST.encode(), b"200"], "python's")
        done = w.run("/usr/bin/python3", "-c", script, "https://evil.example/", code=1)
        check(b"Tunnel connection failed: 403 evil.example:443: no egress-allow allows it" in done.stderr, done.stderr)


@test
def git_clones() -> None:
    """By http:// and https://, from a repository that lies there as files."""
    with world() as w:
        w.run("git", "init", "-q", "-b", "main", "work")
        (w.path / "work/file").write_bytes(os.urandom(300000))
        identity = ("-c", "user.name=a", "-c", "user.email=a@b")
        w.run("git", "-C", "work", "add", "file")
        w.run("git", "-C", "work", *identity, "commit", "-q", "-m", "one")
        w.run("git", "clone", "-q", "--bare", "work", "bare.git")
        w.run("git", "-C", "bare.git", "update-server-info")
        for path in (w.path / "bare.git").rglob("*"):
            if path.is_file():
                for origin in (w.http, w.https):
                    origin.files[f"/bare.git/{path.relative_to(w.path / 'bare.git')}"] = path.read_bytes()
        for url in (w.a, w.b):
            w.http.missing = w.https.missing = True
            w.run("git", "clone", "-q", f"{url}/bare.git", "copy")
            same((w.path / "copy/file").read_bytes(), (w.path / "work/file").read_bytes(), url)
            shutil.rmtree(w.path / "copy")


@test
def pip_installs() -> None:
    """From an index of packages by https://, which names a package by http://."""
    with world() as w:
        name = "nothing_much-1.0-py3-none-any.whl"
        wheel = w.path / name
        with zipfile.ZipFile(wheel, "w") as z:
            z.writestr("nothing_much.py", "x = 1\n")
            z.writestr("nothing_much-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: nothing-much\nVersion: 1.0\n")
            z.writestr("nothing_much-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            z.writestr("nothing_much-1.0.dist-info/RECORD", "")
        w.https.files["/simple/nothing-much/"] = f'<a href="{w.a}/files/{name}">{name}</a>'.encode()
        w.http.files[f"/files/{name}"] = wheel.read_bytes()
        w.run("pip3", "install", "-q", "--no-compile", "--disable-pip-version-check", "--no-cache-dir", "--isolated", "--proxy", w.url, "--cert", w.cert,
              "--index-url", f"{w.b}/simple", "--trusted-host", "a.test", "--target", w.path / "to", "nothing-much")
        same((w.path / "to/nothing_much.py").read_text(), "x = 1\n", "what is installed")


@test
def apt_updates_and_downloads() -> None:
    """A repository of 30 packages: apt sends requests before it has answers, and all of them arrive."""
    with world() as w:
        stanzas, packages = "", {}
        for i in range(30):
            data = hashlib.sha256(bytes([i])).digest() * (100 + 37 * i)
            packages[f"p{i}_1_all.deb"] = data
            stanzas += (f"Package: p{i}\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b>\nFilename: pool/p{i}_1_all.deb\nSize: {len(data)}\n"
                        f"SHA256: {hashlib.sha256(data).hexdigest()}\nDescription: x\n\n")
            w.http.files[f"/pool/p{i}_1_all.deb"] = data
        w.http.files["/Packages"] = stanzas.encode()
        w.http.files["/Release"] = (f"Date: Thu, 01 Jan 2026 00:00:00 UTC\nSHA256:\n {hashlib.sha256(stanzas.encode()).hexdigest()} "
                                    f"{len(stanzas)} Packages\n").encode()
        w.http.missing = True
        for name in ("lists/partial", "cache/archives/partial", "parts"):
            (w.path / name).mkdir(parents=True)
        (w.path / "sources").write_text(f"deb [trusted=yes] {w.a}/ ./\n")
        (w.path / "status").touch()
        options = [f"-o{key}={value}" for key, value in {
            "Dir::Etc::SourceList": w.path / "sources", "Dir::Etc::SourceParts": w.path / "parts", "Dir::State::Lists": w.path / "lists",
            "Dir::State::status": w.path / "status", "Dir::Cache": w.path / "cache", "APT::Sandbox::User": "root", "Acquire::http::Proxy": w.url,
            "Acquire::Languages": "none", "Acquire::http::Pipeline-Depth": "10", "Acquire::Retries": "0"}.items()]
        w.run("apt-get", "-q", *options, "update")
        w.run("apt-get", "-q", *options, "download", *(f"p{i}" for i in range(30)))
        for name, data in packages.items():
            same((w.path / name).read_bytes(), data, name)


NODE = """
const http = require('http'), tls = require('tls'), [proxy, a, b, cert] = process.argv.slice(2);
const p = new URL(proxy), done = [];
const sum = (s, f) => { const h = require('crypto').createHash('sha256'); s.on('data', d => h.update(d)); s.on('end', () => f(h.digest('hex'))); };
http.get({ host: p.hostname, port: p.port, path: a + '/big', headers: { Host: new URL(a).host } }, r => sum(r, x => {
  console.log(x);
  const u = new URL(b);
  http.request({ host: p.hostname, port: p.port, method: 'CONNECT', path: u.host }).on('connect', (r, s) => {
    const t = tls.connect({ socket: s, servername: u.hostname, ca: require('fs').readFileSync(cert) }, () => {
      http.get({ createConnection: () => t, headers: { Host: u.host }, path: '/big' }, r => sum(r, x => { console.log(x); process.exit(0); }));
    });
  }).end();
}));
"""

JAVA = """
import java.net.*; import java.net.http.*; import java.security.*; import java.io.*;
public class Get {
  static String sum(byte[] b) throws Exception {
    var s = new StringBuilder();
    for (byte x : MessageDigest.getInstance("SHA-256").digest(b)) s.append(String.format("%02x", x));
    return s.toString();
  }
  public static void main(String[] a) throws Exception {
    var proxy = new InetSocketAddress("127.0.0.1", Integer.parseInt(a[0]));
    var client = HttpClient.newBuilder().proxy(ProxySelector.of(proxy)).build();
    for (int i = 0; i < 3; i++)
      System.out.println(sum(client.send(HttpRequest.newBuilder(URI.create(a[1])).build(), HttpResponse.BodyHandlers.ofByteArray()).body()));
    for (var type : new Proxy.Type[]{Proxy.Type.HTTP, Proxy.Type.SOCKS}) {
      var where = new InetSocketAddress("127.0.0.1", Integer.parseInt(a[0]));
      var url = type == Proxy.Type.HTTP ? a[1] : a[2];
      try (var in = new URL(url).openConnection(new Proxy(type, where)).getInputStream()) { System.out.println(sum(in.readAllBytes())); }
    }
  }
}
"""


@test(10)
def go_node_and_java() -> None:
    """Those of them that are on this machine."""
    with world("egress-allow = *.test:1-65535 127.0.0.1:1-65535") as w:
        tried = []
        if shutil.which("go"):
            # Built as the other programs in Go are, whose build leaves the standard library compiled.
            client = once("get-by-go", lambda path: golang.build(TOP / "tests/peers/get", ".", path))
            done = w.run(client, w.a, w.b, NO_PROXY="none.test")
            lines = done.stdout.decode().splitlines()
            same(lines[:-1], [DIGEST, "200"] * 6, "Go's")
            check("evil.example:443: no egress-allow allows it" in lines[-1], lines[-1])
            tried.append("go")
        if shutil.which("node"):
            (w.path / "get.js").write_text(NODE)
            same(w.run("node", "get.js", w.url, w.a, w.b, w.cert).stdout.decode().split(), [DIGEST] * 2, "node's")
            tried.append("node")
        if shutil.which("java"):
            (w.path / "Get.java").write_text(JAVA)
            done = w.run("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "Get.java", w.proxy, f"{w.a}/big", f"http://127.0.0.1:{w.http.port}/big", code=None)
            if b"compiler" not in done.stderr:
                same((done.returncode, done.stdout.decode().split()), (0, [DIGEST] * 5), f"Java's {done.stderr[-1000:]!r}")
                tried.append("java")
        if not tried:
            raise Skip("neither go nor node nor java on this machine")


# --- proxies at the parent ------------------------------------------------------
# Those that are services of a machine are tried where they are installed.

def through(via: str, target: int, what: str) -> None:
    """http:// and https:// by each of the client's ways, a refusal of the parent's, and 16 connections at once."""
    with Origin() as http, Origin(secure=True) as https, \
            egress("egress-allow = localhost:1-65535 127.0.0.1:1-65535", via=via, target=target, program=SHIPPED) as (port, _):
        env = {**os.environ, "CURL_CA_BUNDLE": f"{certificate()}.crt", "no_proxy": ""}

        def curl(*words: str) -> bytes:
            done = subprocess.run(["curl", "-sSf", *words], env=env, capture_output=True, timeout=280)
            check(done.returncode == 0, f"{what}: curl {words}: {done.stderr!r}")
            return done.stdout
        for url in (f"http://localhost:{http.port}/big", f"https://localhost:{https.port}/big"):
            for proxy in (f"http://127.0.0.1:{port}", f"socks5h://127.0.0.1:{port}"):
                check(curl("--proxy", proxy, url) == BIG, f"{what}: {proxy} {url}")
        failed = []

        def one(i: int) -> None:
            try:
                with tunnel(port, f"127.0.0.1:{http.port}") as s:
                    s.sendall(b"GET /%d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % i)
                    check(b"GET /%d 0" % i in read_all(s), f"{i}")
            except Exception as e:  # noqa: BLE001
                failed.append(e)
        threads = [threading.Thread(target=one, args=(i,)) for i in range(16)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        same(failed, [], what)
        nothing = free_port()
        answer = ask(port, f"CONNECT 127.0.0.1:{nothing} HTTP/1.1\r\n\r\n".encode()).decode()
        check(answer.startswith("HTTP/1.1 50") and "the parent's proxy" in answer, f"{what}: {answer}")


@contextmanager
def socat(target: int) -> Iterator[int]:
    """What would stand between vsock and the proxy."""
    port = free_port()
    with program("socat", "-t", "60", f"TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork", f"TCP:127.0.0.1:{target}", port=port):
        yield port


@test
def tinyproxy_behind_socat() -> None:
    """The whole parent, of packages."""
    port = free_port()
    with folder() as path:
        (path / "conf").write_text(f"Port {port}\nListen 127.0.0.1\nTimeout 600\nMaxClients 100\nLogLevel Critical\n")
        with program("tinyproxy", "-d", "-c", path / "conf", port=port), socat(port) as front:
            through("connect", front, "tinyproxy")


if shutil.which("squid"):
    @test
    def squid_as_the_parents_proxy() -> None:
        """Another one that speaks CONNECT."""
        port = free_port()
        with folder() as path:
            path.chmod(0o777)
            (path / "conf").write_text(f"http_port 127.0.0.1:{port}\nhttp_access allow all\ncache deny all\npid_filename none\naccess_log none\n"
                                       f"cache_log /dev/null\ncache_store_log none\ncoredump_dir {path}\nshutdown_lifetime 0 seconds\n"
                                       "pinger_enable off\nnetdb_filename none\n")
            with program("squid", "-N", "-f", path / "conf", port=port):
                through("connect", port, "squid")


if shutil.which("privoxy"):
    @test
    def privoxy_as_the_parents_proxy() -> None:
        """And a third."""
        port = free_port()
        with folder() as path:
            (path / "conf").write_text(f"listen-address 127.0.0.1:{port}\ndebug 0\ntoggle 0\nconfdir {path}\n")
            with program("privoxy", "--no-daemon", path / "conf", port=port):
                through("connect", port, "privoxy")


@test
def microsocks_as_the_parents_proxy() -> None:
    """SOCKS5 of a package."""
    port = free_port()
    with program("microsocks", "-i", "127.0.0.1", "-p", port, port=port), socat(port) as front:
        through("socks5", front, "microsocks")


if shutil.which("danted"):
    @test
    def dante_as_the_parents_proxy() -> None:
        """And another SOCKS5."""
        port = free_port()
        with folder() as path:
            path.chmod(0o755)
            (path / "conf").write_text(f"internal: 127.0.0.1 port = {port}\nexternal: 127.0.0.1\nsocksmethod: none\nclientmethod: none\n"
                                       "user.unprivileged: nobody\nclient pass { from: 0/0 to: 0/0 }\nsocks pass { from: 0/0 to: 0/0 }\n")
            with program("danted", "-f", path / "conf", "-p", path / "pid", port=port):
                through("socks5", port, "dante")


@test
def enclavers_parent_and_ours() -> None:
    """A stand-in for enclaver's end outside, and `relay egress` by each protocol."""
    with parent("enclaver") as (target, p):
        p.dials = lambda host, port: ("127.0.0.1", port)
        through("enclaver", target, "a stand-in for enclaver's parent")
    port = free_port()
    r = Relay("egress", f"tcp:127.0.0.1:{port}", "--allow", "127.0.0.0/8", program=SHIPPED)
    try:
        r.wait_err(": ready\n")
        for via in ("connect", "socks5", "enclaver"):
            through(via, port, f"relay egress, {via}")
    finally:
        r.process.terminate()
        r.end().is_(0)
