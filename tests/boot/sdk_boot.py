"""
What a program by an SDK gets in an enclave, with the local API beside it, and what another image gets: its own exception. That SDKs for
other languages find their secrets there is kms_boot.py's.
"""

import base64
import json

import sdks
from kms import demo
from kms.fake_kms import ROLE, FakeKms, Key
from kms.imds import Imds

from .kms_boot import parent, policy_of
from .lib import Boot, Tree, boot, built, check, image, same, test

SECRET = b"attack at dawn"
CONFIG = """\
user = 1000:1000
after = api
nsm = group
nsm-group = 900
tmpfs = /run/api:uid=900,gid=900,mode=0755

[api]
command = /usr/bin/enclave-api
user = 900:900
ready = notify
"""
ENV = (*demo.ENVIRONMENT, "AWS_REGION=eu-west-1", "AWS_EC2_METADATA_DISABLED=true", "HOME=/tmp", "PATH=/usr/bin:/bin")


def jobs(kms: FakeKms, key: Key) -> list[str]:
    blob = base64.b64encode(kms.encrypt(key, SECRET, {"app": "orders"})).decode()
    return [json.dumps({"op": op, "input": given}) for op, given in (
        ("Decrypt", {"KeyId": key.arn, "CiphertextBlob": blob}), ("GenerateDataKey", {"KeyId": "alias/orders", "KeySpec": "AES_256"}))]


def files(kms: FakeKms, key: Key) -> Tree:
    tree = Tree()
    tree.file("usr/bin/enclave-api", built("api"), 0o755)
    tree.file("etc/kms-ca.pem", kms.ca.read_bytes())
    tree.file("etc/enclave-api.conf", demo.API_CONF.format(arn=key.arn).encode())
    return tree


def answers(b: Boot) -> list[dict]:
    """What the program has printed."""
    return [json.loads(line[line.index("{"):]) for _, line in b.result.console if '{"ok":' in line or '{"error":' in line]


def check_answers(b: Boot, kms: FakeKms, key: Key) -> None:
    got = answers(b)
    check(len(got) == 2 and all("ok" in a for a in got), f"{got}")
    same(base64.b64decode(got[0]["ok"]["Plaintext"]), SECRET, "the secret")
    same(len(base64.b64decode(got[1]["ok"]["Plaintext"])), 32, "bytes of the data key")
    same([(s.target, s.status, bool(s.document)) for s in kms.seen], [("Decrypt", 200, True), ("GenerateDataKey", 200, True)], "KMS")
    same((kms.disagreements, kms.complaints), ([], []), "disagreements, complaints")


@test(seconds=8)
def a_program_in_go_has_attested_kms():
    """A static program alone in its image, with the key's policy naming PCR0; with another image's PCR0 it gets the SDK's error."""
    with demo.kms_for_emulator() as kms:
        key = kms.new_key()
        tree = files(kms, key)
        tree.file("bin/kms-by-go", sdks.go_program().read_bytes(), 0o755)
        eif = image("/bin/kms-by-go", *jobs(kms, key), files=tree, config=CONFIG, env=ENV)
        other = image("/bin/kms-by-go", *jobs(kms, key), files=tree, config=CONFIG, env=(*ENV, "X=1"))
        key.policy = policy_of(eif, key)
        key.policy["Statement"][0]["Action"] = ["kms:Decrypt", "kms:GenerateDataKey"]
        with parent(kms, Imds()) as folder:
            b = boot(eif, folder=folder, role=ROLE)
        check_answers(b, kms, key)
        b.expect_end("/bin/kms-by-go", "exited with code 0")
        with parent(kms, Imds()) as folder:
            b = boot(other, folder=folder, role=ROLE)
        got = answers(b)
        same([a["error"]["code"] for a in got], ["AccessDeniedException"] * 2, f"another image: {got}")
        check(other.measurements()["PCR0"] in got[0]["error"]["message"], f"no PCR0: {got[0]}")
