"""
The instance's metadata service, version 2, as far as credentials need it: a token by PUT, the role's name, its credentials, the region.
The same server answers GET /container with the credentials of a container endpoint. As a program: imds.py ADDRESS, which is
HOST:PORT or the path of a UNIX socket.
"""

import json
import secrets
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler
from pathlib import Path

TOKEN, TTL = "x-aws-ec2-metadata-token", "x-aws-ec2-metadata-token-ttl-seconds"
ROLES = "/latest/meta-data/iam/security-credentials/"


def rfc3339(t: float) -> str:
    return datetime.fromtimestamp(t, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Seen:
    method: str
    path: str
    headers: dict[str, str]
    status: int = 0


@dataclass
class Imds:
    """What it answers may change at any time."""

    now: Callable[[], float] = time.time
    role: str = "enclave"
    region: str = "eu-west-1"
    access: tuple[str, str, str | None] = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None)
    lifetime_s: float = 6 * 3600
    changes: dict[str, object] = field(default_factory=dict)  # of the credentials' members; None: without it
    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)  # instead, by path
    disabled: bool = False             # 403 to every PUT, as with a hop limit or where it is off
    silent: bool = False               # takes connections and says nothing
    authorization: str = ""            # that GET /container asks for
    seen: list[Seen] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)

    def forget_tokens(self) -> None:
        """Those given are expired."""
        self.tokens.clear()

    def members(self, container: bool = False) -> dict:
        id_, secret, token = self.access
        common = {"AccessKeyId": id_, "SecretAccessKey": secret, "Token": token or "", "Expiration": rfc3339(self.now() + self.lifetime_s)}
        if not container:
            common = {"Code": "Success", "LastUpdated": rfc3339(self.now()), "Type": "AWS-HMAC"} | common
        return {k: v for k, v in (common | self.changes).items() if v is not None}

    def answer(self, s: Seen) -> tuple[int, bytes]:
        if s.path in self.answers:
            return self.answers[s.path]
        if s.path == "/container":
            return (200, json.dumps(self.members(True)).encode()) if s.headers.get("authorization", "") == self.authorization else \
                (401, b"")
        if s.path == "/latest/api/token":
            return self._token(s)
        if s.headers.get(TOKEN) not in self.tokens:
            return 401, b""
        known = {"/latest/meta-data/placement/region": self.region, "/latest/meta-data/services/partition": "aws"}
        if self.role:
            known |= {ROLES: self.role, ROLES.rstrip("/"): self.role, ROLES + self.role: json.dumps(self.members(), indent=2)}
        return (200, known[s.path].encode()) if s.path in known and s.method == "GET" else (404, b"<html>404 - Not Found</html>")

    def _token(self, s: Seen) -> tuple[int, bytes]:
        if s.method != "PUT":
            return 405, b""
        if self.disabled or "x-forwarded-for" in s.headers:
            return 403, b""
        ttl = s.headers.get(TTL, "")
        if not ttl.isdigit() or not 1 <= int(ttl) <= 21600:
            return 400, b""
        self.tokens.add(token := secrets.token_urlsafe(40) + "==")
        return 200, token.encode()

    # --- serving ---

    def listen(self, address: str = "127.0.0.1:0") -> None:
        if "/" in address:
            s = socket.socket(socket.AF_UNIX)
            s.bind(address)
            s.listen(64)
        else:
            host, _, port = address.rpartition(":")
            s = socket.create_server((host, int(port)), backlog=64)
        self.listener = s
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        return self.listener.getsockname()[1]

    def __enter__(self) -> "Imds":
        self.listen()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self) -> None:
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn: socket.socket) -> None:
        imds = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version, server_version, sys_version = "HTTP/1.1", "EC2ws", ""

            def do(self) -> None:
                s = Seen(self.command, self.path, {k.lower(): v for k, v in self.headers.items()})
                self.rfile.read(int(s.headers.get("content-length", 0)))
                s.status, body = imds.answer(s)
                imds.seen.append(s)
                self.send_response(s.status)
                self.send_header("Content-Type", "text/plain")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_PUT = do_POST = do

            def log_message(self, *_: object) -> None:
                pass

        with conn, suppress(OSError):
            if self.silent:
                while conn.recv(4096):
                    pass
                return
            conn.settimeout(300)
            Handler(conn, ("", 0), None)


def main(address: str) -> None:
    Path(address).unlink(missing_ok=True) if "/" in address else None
    imds = Imds()
    imds.listen(address)
    print(f"imds: at {address}", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
