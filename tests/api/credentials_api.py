"""GET /v1/credentials: what the API signs with, as SDKs read it from a container's endpoint; and what it does when KMS refuses it."""

import json
import re
import socket
import threading
import time
from contextlib import suppress
from datetime import datetime, timezone

import sdks
from kms.fake_kms import Credential
from kms.imds import rfc3339
from kms.lib import DEADLINE_S, wait_for
from suite import check, same, test

from .enclave import ACCESS, SECRET, Enclave, b64, enclave

ID, TOKEN = "ASIAIOSFODNN7EXAMPLE", "IQoJb3JpZ2luX2Vj//////////8BEAIaDDU0OTg1MDk0NzAzMiIMQ=="
ALLOW = "allow = credentials any"


def temporary(e: Enclave) -> None:
    e.kms.credentials[ID] = Credential(token=TOKEN)
    e.set_credentials(ID, ACCESS[1], TOKEN)


class Between:
    """Passes connections on to PORT, and keeps what clients send."""

    def __init__(self, port: int) -> None:
        self.to, self.sent = port, b""
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=16)

    @property
    def port(self) -> int:
        return self.socket.getsockname()[1]

    def __enter__(self) -> "Between":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                conn, _ = self.socket.accept()
                out = socket.create_connection(("127.0.0.1", self.to))
                threading.Thread(target=self._copy, args=(conn, out, True), daemon=True).start()
                threading.Thread(target=self._copy, args=(out, conn, False), daemon=True).start()

    def _copy(self, a: socket.socket, b: socket.socket, is_kept: bool) -> None:
        with suppress(OSError):
            while data := a.recv(65536):
                if is_kept:
                    self.sent += data
                b.sendall(data)
        with suppress(OSError):
            b.shutdown(socket.SHUT_WR)


def signed_by(name: str) -> None:
    with enclave(ALLOW, prepare=temporary) as e, Between(e.port) as between:
        wait_for(lambda: e.get("/v1/credentials").status == 200, "credentials")  # for which an SDK waits a second or two
        env = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "",
               "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{e.port}/v1/credentials"}
        with sdks.Client(name, between.port, env=env) as c:
            got = c.call("Decrypt", CiphertextBlob=e.kms.encrypt(e.key["orders"], SECRET, {}), KeyId=e.key["orders"].arn)
        same(got["Plaintext"], SECRET, "the plaintext")
        head = between.sent.partition(b"\r\n\r\n")[0].decode()
        check(f"Credential={ID}/" in head, f"signed by others: {head}")
        same(re.search(r"(?i)^x-amz-security-token: (.*)$", head, re.M)[1].strip(), TOKEN, "the token")


for _name in sdks.NAMES:
    def _run(name: str = _name) -> None:
        signed_by(name)
    _run.__name__, _run.__doc__ = f"an_sdk_takes_the_api_s_credentials_by_{_name}", "Its container provider asks the API, and its own requests are signed by what it got."
    test(seconds=4)(_run)


@test(seconds=3)
def botocore_s_container_provider_reads_all_members():
    """Of temporary ones; and of those without token and end, which are said to end in an hour."""
    import wheels
    wheels.use("boto3")
    from botocore.credentials import ContainerProvider
    from botocore.utils import ContainerMetadataFetcher

    def loaded(e: Enclave) -> object:
        wait_for(lambda: e.get("/v1/credentials").status == 200, "credentials")
        fetcher = ContainerMetadataFetcher()
        fetcher.TIMEOUT_SECONDS = DEADLINE_S
        return ContainerProvider({"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{e.port}/v1/credentials"}, fetcher).load()

    with enclave(ALLOW) as e:
        c = loaded(e)
        frozen = c.get_frozen_credentials()
        same((frozen.access_key, frozen.secret_key, frozen.token), (*ACCESS, ""), "without a token")
        left = (c._expiry_time - datetime.now(timezone.utc)).total_seconds()
        check(3000 < left <= 3601, f"they end in {left} s")
    end = rfc3339(time.time() + 7200)

    def with_end(e: Enclave) -> None:
        temporary(e)
        e.credentials.write_text(json.dumps({"AccessKeyId": ID, "SecretAccessKey": ACCESS[1], "Token": TOKEN, "Expiration": end}))

    with enclave(ALLOW, prepare=with_end) as e:
        c = loaded(e)
        frozen = c.get_frozen_credentials()
        same((frozen.access_key, frozen.secret_key, frozen.token), (ID, ACCESS[1], TOKEN), "temporary ones")
        same(c._expiry_time.strftime("%Y-%m-%dT%H:%M:%SZ"), end, "their end")


@test(seconds=3)
def nobody_gets_them_unless_it_is_allowed():
    """There is no line for it by default."""
    with enclave() as e:
        got = e.get("/v1/credentials")
        check(got.status == 403 and ACCESS[1].encode() not in got.body, f"{got}")


@test(seconds=4)
def refused_ones_are_read_again_and_the_old_ones_stay_while_there_are_none():
    """KMS says that they have expired; the file has others, and the call succeeds. Then there is no file, and calls go on."""
    with enclave(ALLOW, prepare=temporary) as e:
        blob = b64(e.kms.encrypt(e.key["orders"], SECRET, {}))
        e.post("/v1/kms/decrypt", {"key_id": "orders", "ciphertext": blob}).is_(200)
        e.kms.credentials[ID].expired = True
        e.set_credentials(*ACCESS)
        e.post("/v1/kms/decrypt", {"key_id": "orders", "ciphertext": blob}).is_(200)
        same([s.code for s in e.kms.seen], ["", "ExpiredTokenException", ""], "KMS's answers")
        wait_for(lambda: e.get("/v1/credentials").json["AccessKeyId"] == ACCESS[0], "the new ones")
        e.credentials.unlink()
        e.post("/v1/kms/decrypt", {"key_id": "orders", "ciphertext": blob}).is_(200)
        check(ACCESS[1] not in e.log and TOKEN not in e.log, "a secret is in the log")
