"""Where credentials come from, by the tool `kms`: files, descriptors, the environment, IMDSv2, container endpoints; and what goes wrong."""

import json
import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import wheels
from suite import TRIES

from .client_kms import call
from .fake_kms import Credential
from .imds import ROLES, Imds, rfc3339
from .lib import ACCESS, DEADLINE_S, PATIENT, REGION, Done, OneWorker, World, check, free_port, run, same, test, wait_for, world

TOKEN = "IQoJb3JpZ2luX2Vj//////////8BEAIaDDU0OTg1MDk0NzAzMiIMQ=="
ID, SECRET = "ASIAIOSFODNN7EXAMPLE", "bPxRfiCYEXAMPLEKEYwJalrXUtnFEMI/K7MDENG+"
BOTH = (ID, SECRET, TOKEN)


class Place:
    def __init__(self, w: World, imds: Imds) -> None:
        self.w, self.imds = w, imds
        w.kms.credentials[ID] = Credential(secret=SECRET, token=TOKEN, principal="arn:aws:iam::111122223333:role/token")
        imds.access = BOTH

    @property
    def at(self) -> str:
        return f"tcp:127.0.0.1:{self.imds.port}"

    def get(self, source: str | None, *words: object, env: dict[str, str] | None = None, **how: object) -> Done:
        """Random bytes of KMS with credentials of SOURCE; none of them may be told."""
        d = run("generate-random", "--region", REGION, "--connect", self.w.address, "--ca", self.w.kms.ca, "--bytes", "8", "--base64", *(() if "--timeout" in words else PATIENT),
                *(("--credentials", source) if source else ()), *words, env={**self.w.env, **(env or {})}, **how)
        for secret in (SECRET, TOKEN, ACCESS[1]):
            check(secret not in d.err, f"a secret is told: {d.story}")
        return d

    def good(self, source: str | None, id_: str = ID, **how: object) -> Done:
        d = self.get(source, **how).is_(0)
        authorization = self.w.kms.seen[-1].headers["authorization"]
        check(f"Credential={id_}/" in authorization, f"signed by {authorization}")
        return d


def asked(imds: Imds) -> list[tuple[str, str, int]]:
    """Method, path and status of the requests, but for those made again: an answer of a busy machine may be later than 2 s."""
    seen = [(s.method, s.path, s.status) for s in imds.seen]
    return [s for s, before in zip(seen, [None, *seen]) if s != before]


@contextmanager
def place(**kms: object) -> Iterator[Place]:
    with world(**kms) as w, Imds() as imds:
        yield Place(w, imds)


def imds_json(**changes: object) -> str:
    return json.dumps({"Code": "Success", "LastUpdated": "2026-01-01T00:00:00Z", "Type": "AWS-HMAC", "AccessKeyId": ID,
                       "SecretAccessKey": SECRET, "Token": TOKEN, "Expiration": "2036-01-01T00:00:00Z"} | changes, indent=2)


LINES = f"export AWS_ACCESS_KEY_ID={ID}\nexport AWS_SECRET_ACCESS_KEY='{SECRET}'\nexport AWS_SESSION_TOKEN=\"{TOKEN}\"\n"
VARIABLES = {"AWS_ACCESS_KEY_ID": ID, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": TOKEN}


# --- files, descriptors, the environment -------------------------------------------------

@test(seconds=3)
def a_file_has_what_imds_answers_or_lines_of_a_shell():
    """Both signed the request that KMS took; also what AWS's own command line prints."""
    with place() as p:
        file = p.w.path / "my credentials"
        for text in (imds_json(), LINES, json.dumps({"Version": 1, "AccessKeyId": ID, "SecretAccessKey": SECRET, "SessionToken": TOKEN}),
                     json.dumps({"Credentials": {"AccessKeyId": ID, "SecretAccessKey": SECRET, "SessionToken": TOKEN,
                                                 "Expiration": "2036-01-01T00:00:00+00:00"}})):
            file.write_text(text)
            p.good(str(file))


@test(seconds=2)
def a_descriptor_may_have_them_instead_of_a_file():
    """Standard input, and a pipe that is inherited; so they are on no disk."""
    with place() as p:
        p.good("-", stdin=imds_json().encode())
        r, w = os.pipe()
        os.write(w, LINES.encode())
        os.close(w)
        try:
            p.good(f"fd:{r}", pass_fds=(r,))
        finally:
            os.close(r)


@test(seconds=2)
def the_environment_has_them_if_nothing_else_is_said():
    """With a token and without."""
    with place() as p:
        p.good(None, env=VARIABLES)
        p.good("environment", id_=ACCESS[0], env={"AWS_ACCESS_KEY_ID": ACCESS[0], "AWS_SECRET_ACCESS_KEY": ACCESS[1]})


@test(seconds=5)
def what_a_file_has_wrong_is_named():
    """The line or the member, never its value; exit code 7."""
    with place() as p:
        file = p.w.path / "credentials"
        for text, words in [("", "it is empty"), ("nonsense", "line 1: it is not NAME=VALUE"), ("{", "not JSON"),
                            ("\ufeff" + imds_json(), "they begin with a byte order mark"),
                            (f"AWS_ACCESS_KEY_ID={ID}", "the secret access key is empty"),
                            (f"AWS_ACCESS_KEY_ID={ID}\nAWS_SECRET_ACCESS_KEY={SECRET} x", "line 2: something follows the value"),
                            (imds_json(Token="a\r\nX: y"), "the session token has characters"),
                            (imds_json(Expiration="soon"), "the expiration is no time"),
                            (imds_json(Code="Failed", Message="\x1b[31mred"), "the code Failed: ?[31mred"),
                            ("x" * 40000, "longer than 32768 bytes")]:
            file.write_text(text)
            p.get(str(file)).is_(7, words, str(file), out=b"")
        p.get(str(p.w.path / "none")).is_(7, "No such file", out=b"")
        p.get(str(p.w.path)).is_(7, "Is a directory", out=b"")
        same(p.w.kms.seen, [], "requests")


@test()
def a_source_that_makes_no_sense_is_a_misuse():
    """Each is refused before anything is asked for."""
    with place() as p:
        for source in ("imds", "imds 8002", "imdsv2 vsock:3:8002", "fd:x", *(f"fd:{n}" for n in range(3, 8)), "container https://127.0.0.1/",
                       "container http://10.0.0.1/"):
            p.get(source).is_(2, "--credentials", out=b"")
        same((p.w.kms.seen, p.imds.seen), ([], []), "requests")


# --- IMDS ------------------------------------------------------------------------------

@test(seconds=3)
def imds_is_asked_as_version_two_has_it():
    """A token, the role, its credentials: over TCP, and over vsock as a relay's port."""
    with place() as p:
        p.good(f"imds {p.at}")
        same(asked(p.imds),
             [("PUT", "/latest/api/token", 200), ("GET", ROLES, 200), ("GET", ROLES + "enclave", 200)], "the requests")
        check(all(s.headers["host"] == "169.254.169.254" for s in p.imds.seen), "another Host")
        with OneWorker(p.imds.port, p.w.path / "3.8002"):
            p.good("imds vsock:3:8002 enclave", env={"RELAY_VSOCK": str(p.w.path)})
        same(len(asked(p.imds)), 5, "with a role, requests")


@test(seconds=8)
def what_imds_refuses_is_explained():
    """Switched off or too far away; no role; another role; version 1 alone; errors in JSON; what is no answer at all."""
    with place() as p:
        source = f"imds {p.at}"
        p.imds.disabled = True
        p.get(source).is_(7, source, "hop limit", out=b"")
        p.imds.disabled = False
        p.imds.role = ""
        p.get(source).is_(7, "no instance profile", out=b"")
        p.get(source + " other").is_(7, "knows no role other", out=b"")
        p.imds.role = "enclave"
        for answer, words in [((404, b"<html>"), "no IMDS of version 2"), ((200, b""), "token is not one"), ((200, b"a\r\nX: y"), "token is not one"),
                              ((200, b"x" * 1025), "token is not one")]:
            p.imds.answers = {"/latest/api/token": answer}
            p.get(source).is_(7, words, out=b"")
        p.imds.answers = {ROLES: (200, b"../../user-data")}
        p.get(source).is_(7, "not a role's name", out=b"")
        for body, words in [(b'{"Code":"AssumeRoleUnauthorizedAccess","Message":"EC2 cannot assume the role"}', "AssumeRoleUnauthorizedAccess"),
                            (b"<html>", "not JSON"), (b"{}", "access key id is empty"), (b"[" * 9 + b"]" * 9, "not JSON")]:
            p.imds.answers = {ROLES + "enclave": (200, body)}
            p.get(source).is_(7, source, words, out=b"")
        same(p.w.kms.seen, [], "requests of KMS")


@test(seconds=6)
def trouble_of_imds_that_passes_is_waited_for():
    """Two answers of 503, one of 401 after the token was forgotten; three are too many."""
    with place() as p:
        source, real, left = f"imds {p.at}", p.imds.answer, []
        p.imds.answer = lambda s: (left.pop(), b"") if left else real(s)

        def is_waited_for() -> bool:
            left[:] = [503, 503]
            return p.get(source).code == 0
        # A busy machine may be later than 2 s with an answer, which is a third failure.
        check(any(is_waited_for() for _ in range(TRIES)), "two answers of 503 end the call")
        p.imds.seen.clear()
        forgotten = []

        def forget(s: object) -> tuple[int, bytes]:
            if s.path == ROLES and not forgotten:
                forgotten.append(p.imds.forget_tokens())
            return real(s)

        p.imds.answer = forget
        p.good(source)
        same([status for _, _, status in asked(p.imds)], [200, 401, 200, 200, 200], "the answers")
        p.imds.answer = lambda s: (503, b"")
        check(p.get(source).code in (6, 7), "the exit code of trouble that does not pass")


@test(seconds=12)
def an_imds_that_is_silent_or_not_there_ends_in_time():
    """The call's own time is not over when it does; nothing is sent to KMS."""
    with place() as p:
        p.imds.silent = True
        d = p.get(f"imds {p.at}", "--timeout", "300")
        check(d.code in (6, 7) and d.seconds < 200, d.story)
        port = free_port()
        d = p.get(f"imds tcp:127.0.0.1:{port}")
        check(d.code in (6, 7) and "refused" in d.err, d.story)
        same(d.err.count(str(port)), 1, f"how often the address is told ({d.err})")
        same(p.w.kms.seen, [], "requests of KMS")


@test(seconds=3)
def expired_ones_are_replaced_at_once_and_the_call_repeated():
    """KMS says ExpiredTokenException; the second fetch has others, and the caller notices nothing."""
    with place() as p:
        p.w.kms.credentials["ASIAOLD"] = Credential(secret=SECRET, token=TOKEN, expired=True)
        real = p.imds.members

        def members(container: bool = False) -> dict:
            again = [s for s in p.imds.seen if s.path == ROLES + "enclave"]
            return real(container) | {"AccessKeyId": ID if again else "ASIAOLD"}

        p.imds.members = members
        p.good(f"imds {p.at}")
        same([(s.status, s.code) for s in p.w.kms.seen], [(400, "ExpiredTokenException"), (200, "")], "KMS's answers")


@test(seconds=3)
def credentials_past_their_end_are_tried():
    """IMDS gives such when it is in trouble, and KMS may take them; it decides."""
    with place() as p:
        p.imds.lifetime_s = -3600
        p.good(f"imds {p.at}")


# --- containers ---------------------------------------------------------------------------

@test(seconds=4)
def a_container_s_endpoint_is_asked_with_its_token():
    """By the variables that ECS and EKS set, and as a source; the file is preferred, and its line end is none of the token."""
    with place() as p:
        url = f"http://127.0.0.1:{p.imds.port}/container"
        p.good(f"container {url}")
        p.good(f"container {p.at} /container")
        p.imds.authorization = "Bearer abc"
        p.get(f"container {url}").is_(7, "refuses the authorization token", out=b"")
        p.good(None, env={"AWS_CONTAINER_CREDENTIALS_FULL_URI": url, "AWS_CONTAINER_AUTHORIZATION_TOKEN": "Bearer abc"})
        file = p.w.path / "token"
        file.write_text("Bearer abc\n")
        p.good("environment", env={"AWS_CONTAINER_CREDENTIALS_FULL_URI": url, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(file),
                                   "AWS_CONTAINER_AUTHORIZATION_TOKEN": "wrong"})
        same(p.imds.seen[-1].headers["host"], f"127.0.0.1:{p.imds.port}", "Host")


@test(seconds=4)
def an_endpoint_elsewhere_or_a_forged_header_is_refused():
    """Plain HTTP to loopback and to AWS's addresses alone; a token that would begin another line is none."""
    with place() as p:
        url = f"http://127.0.0.1:{p.imds.port}/container"
        (p.w.path / "nul").write_bytes(b"token\0rest\n")
        for env, words in [({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://192.0.2.1/x"}, "loopback"),
                           ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "https://127.0.0.1/x"}, "http://"),
                           ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": url, "AWS_CONTAINER_AUTHORIZATION_TOKEN": "a\r\nX: y"}, "authorization token"),
                           ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": url, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(p.w.path / "none")},
                            "No such file"),
                           ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": url, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(p.w.path / "nul")},
                            "there is a NUL in it"),
                           ({"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": ".test/x"}, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: the URL of"),
                           ({"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "@192.0.2.1/x"}, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: "),
                           ({}, "neither AWS_ACCESS_KEY_ID nor")]:
            p.get("environment", env=env).is_(7, words, out=b"")
        same((p.imds.seen, p.w.kms.seen), ([], []), "requests")


# --- kmstool's SetClient ----------------------------------------------------------------------

@test(seconds=3)
def credentials_can_be_sent_as_kmstool_instance_sends_them():
    """libkmsc waits at a port of vsock; who says nothing, nonsense or comes from another CID does not end that."""
    with place() as p, ThreadPoolExecutor(2) as others:
        of = {"region": REGION, "bytes": 8, "id": None, "secret": None}
        done = others.submit(call, p.w, "GenerateRandom", source="setclient vsock:3:3000", **of)
        wait_for(lambda: (p.w.path / "3000").exists(), "the port")

        def send(cid: int, *frames: bytes) -> bytes:
            """What is answered, until the end."""
            with socket.socket(socket.AF_UNIX) as s:
                s.bind(str(p.w.path / f"{cid}.{len(list(p.w.path.iterdir()))}"))
                s.settimeout(DEADLINE_S)
                s.connect(str(p.w.path / "3000"))
                said = b""
                with suppress(ConnectionError):
                    s.sendall(b"".join(frames))
                    s.shutdown(socket.SHUT_WR)
                    while data := s.recv(4096):
                        said += data
                return said

        good = json.dumps({"Operation": "SetClient", "AwsAccessKeyId": ID, "AwsSecretAccessKey": SECRET, "AwsSessionToken": TOKEN})
        same(send(7, good.encode() + b"\0"), b"", "what another CID is answered")
        same(send(3), b"", "what is answered to nothing")
        same(send(3, b"{}\0", b'{"Operation":"Decrypt","Ciphertext":"AAAA"}\0'),
             b'{ "Status": "Error", "Message": "JSON structure incomplete" }\0{ "Status": "Error", "Message": "Client not initialized" }\0', "faults")
        same(send(3, good.encode() + b"\0"), b'{ "Status": "Ok" }\0', "SetClient")
        done.result(DEADLINE_S).good()
        check(f"Credential={ID}/" in p.w.kms.seen[-1].headers["authorization"], "signed by others")
        (p.w.path / "3000").unlink()
        a = call(p.w, "GenerateRandom", source="setclient vsock:3000", timeout=1000, **of)
        a.refused("KMSC_E_NO_CREDENTIALS", "nobody has sent a SetClient to vsock port 3000")


# --- as AWS's own clients see it ------------------------------------------------------------

@test(seconds=2)
def botocore_reads_the_same_of_imds_and_a_container():
    """Its fetchers, at the server that ours were fetched from: the same id, secret, token and end."""
    wheels.use("boto3")
    from botocore.utils import ContainerMetadataFetcher, InstanceMetadataFetcher
    with Imds() as imds:
        imds.access = BOTH
        end = rfc3339(imds.now() + imds.lifetime_s)
        imds.changes = {"Expiration": end}
        theirs = InstanceMetadataFetcher(base_url=f"http://127.0.0.1:{imds.port}/", timeout=DEADLINE_S).retrieve_iam_role_credentials()
        same((theirs["access_key"], theirs["secret_key"], theirs["token"], theirs["expiry_time"]), (*BOTH, end), "IMDS")
        fetcher = ContainerMetadataFetcher()
        fetcher.TIMEOUT_SECONDS = DEADLINE_S
        theirs = fetcher.retrieve_full_uri(f"http://127.0.0.1:{imds.port}/container")
        same((theirs["AccessKeyId"], theirs["SecretAccessKey"], theirs["Token"], theirs["Expiration"]), (*BOTH, end), "the container's")
