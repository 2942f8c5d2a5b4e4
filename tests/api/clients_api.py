"""Real clients of HTTP at the local API: curl, Python, Go, node."""

import json
import subprocess

import golang
import urllib3
from suite import once

from .lib import DEADLINE_S, TOP, Api, api, check, free_port, same, test

PEERS = TOP / "tests/peers/http"


def run(*words: object, stdin: bytes = b"") -> str:
    p = subprocess.run(list(map(str, words)), input=stdin, capture_output=True, timeout=DEADLINE_S, check=False)
    check(p.returncode == 0, f"{words}: {p}")
    return p.stdout.decode(errors="replace")


def curl(a: Api, *words: object, stdin: bytes = b"") -> str:
    return run("curl", "-sS", "--max-time", 240, "--unix-socket", a.socket, "-o", "/dev/null", "-w", "%{http_code} %{size_download}\n",
               *words, stdin=stdin)


@test
def curl_is_served() -> None:
    """curl: several requests by a connection, a body with its length, in chunks and expected, HEAD, HTTP/1.0, one that is too large."""
    with api() as a:
        url = "http://localhost/v1"
        same(curl(a, f"{url}/health", "-o", "/dev/null", f"{url}/health").split(), ["200", "16"] * 2, "two")
        json_ = ("-H", "Content-Type: application/json")
        check(curl(a, f"{url}/attestation", *json_, "-d", '{"nonce":"YWJj"}').startswith("200 4"), "a document")
        check(curl(a, f"{url}/attestation", *json_, "-T", "-", "-X", "POST", stdin=b'{"nonce":"YWJj"}').startswith("200 4"), "in chunks")
        check(curl(a, f"{url}/attestation", *json_, "-H", "Expect: 100-continue", "-d", "{}").startswith("200 4"), "expected")
        same(curl(a, "-I", f"{url}/health").split()[0], "200", "HEAD")
        same(curl(a, "-0", f"{url}/health").split()[0], "200", "HTTP/1.0")
        same(curl(a, f"{url}/attestation", "--data-binary", "@-", stdin=b" " * 65537).split()[0], "413", "too large")
        same(curl(a, f"{url}/attestation", "-T", "-", "-X", "POST", stdin=b" " * 300000).split()[0], "413", "too large in chunks")
        check(curl(a, "--compressed", "--http2", f"{url}/health").startswith("200"), "an upgrade that is not followed")


@test
def python_is_served_on_loopback() -> None:
    """urllib3, which requests and botocore are made of: its pool of connections, a generator as the body, streams."""
    port = free_port()
    with api(f"listen = 127.0.0.1:{port}") as a, urllib3.HTTPConnectionPool("127.0.0.1", port, maxsize=1, retries=False) as pool:
        for _ in range(50):
            same(pool.request("GET", "/v1/health").status, 200, "health")
        same(pool.num_connections, 1, "connections")
        r = pool.urlopen("POST", "/v1/attestation", body=iter([b'{"nonce":', b'"YWJj"}']), chunked=True, headers={"Content-Type": "application/json"})
        check(r.status == 200 and len(r.data) > 4000, f"a document in chunks: {r.status} {r.data[:200]!r}")
        r = pool.request("GET", "/v1/random?bytes=65536", headers={"Accept": "application/octet-stream"}, preload_content=False)
        same(sum(map(len, r.stream(1000))), 65536, "a stream")
        same(pool.request("POST", "/v1/attestation", body=bytes(65537)).status, 413, "too large")
        same(json.loads(pool.request("GET", "/v1/describe").data)["module_id"], a.nsm.module_id, "the description")


@test(seconds=10)
def go_is_served() -> None:
    """net/http over the UNIX socket: chunks, Expect, a refusal before the body, 200 requests at a time."""
    program = once("http-by-go", lambda path: golang.build(PEERS / "go", ".", path))
    with api() as a:
        lines = run(program, a.socket).splitlines()
        same([line.split()[:2] for line in lines], [["health", "200"], ["chunked", "200"], ["expect", "200"], ["large", "413"], ["random", "200"]],
             f"{lines}")


@test(seconds=5)
def node_is_served() -> None:
    """node:http over the UNIX socket: chunks, Expect, 200 requests at a time."""
    with api() as a:
        lines = run("node", PEERS / "node/main.js", a.socket).splitlines()
        same([line.split()[:2] for line in lines], [["health", "200"], ["chunked", "200"], ["expect", "200"], ["random", "200"]], f"{lines}")
