"""
Programs by AWS's SDKs for Go and JavaScript in an enclave, which know nothing of it: the local API beside them makes attested calls
of KMS over real vsock. tests/kms/demo.py has the same with Python.
"""

import base64
import json
import subprocess
import tempfile
from pathlib import Path

import sdks
import suite
from enclave import Eif
from images.debian import debian
from images.oci import Layer, Layout, tagged
from kms import demo
from kms.fake_kms import ROLE, FakeKms, Key, Seen
from kms.imds import Imds

from .kms_boot import parent, policy_of
from .lib import Boot, Tree, boot, built, check, image, same, test
from .readme_boot import emulator

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
# Debian's, and of it what a program needs.
NODE_RECIPE = ["--mode=auto", "--variant=extract", "--format=tar", "--include=nodejs",
               "--extract-hook=cd \"$1\" && rm -rf usr/share/doc usr/share/man usr/share/locale usr/share/lintian"]


def jobs(kms: FakeKms, key: Key, alias: str = "orders") -> list[str]:
    blob = base64.b64encode(kms.encrypt(key, SECRET, {"app": "orders"})).decode()
    return [json.dumps({"op": op, "input": given}) for op, given in (
        ("Decrypt", {"KeyId": key.arn, "CiphertextBlob": blob}), ("GenerateDataKey", {"KeyId": f"alias/{alias}", "KeySpec": "AES_256"}))]


def files(kms: FakeKms, key: Key) -> Tree:
    tree = Tree()
    tree.file("usr/bin/enclave-api", built("api"), 0o755)
    tree.file("etc/kms-ca.pem", kms.ca.read_bytes())
    tree.file("etc/enclave-api.conf", demo.API_CONF.format(arn=key.arn).encode())
    return tree


def answers(b: Boot) -> list[dict]:
    """What the program has printed."""
    return [json.loads(line[line.index("{"):]) for _, line in b.result.console if '{"ok":' in line or '{"error":' in line]


def check_answers(kms: FakeKms, got: list[dict], seen: list[Seen]) -> None:
    """GOT and SEEN: what the program has printed of jobs(), and KMS seen."""
    check(len(got) == 2 and all("ok" in a for a in got), f"{got}")
    same(base64.b64decode(got[0]["ok"]["Plaintext"]), SECRET, "the secret")
    same(len(base64.b64decode(got[1]["ok"]["Plaintext"])), 32, "bytes of the data key")
    same([(s.target, s.status, bool(s.document)) for s in seen], [("Decrypt", 200, True), ("GenerateDataKey", 200, True)], "KMS")
    same((kms.disagreements, kms.complaints), ([], []), "disagreements, complaints")


@test(seconds=5)
def a_program_in_go_has_attested_kms():
    """A static program alone in its image, with the key's policy naming PCR0; by a key for another image it gets the SDK's error."""
    with demo.kms_for_emulator() as kms:
        key, key_of_other = kms.new_key(), kms.new_key()
        tree = files(kms, key)
        tree.file("bin/kms-by-go", sdks.go_program().read_bytes(), 0o755)
        tree.file("etc/enclave-api.conf", demo.API_CONF.format(arn=key.arn) + f"key = other {key_of_other.arn} context.app=orders\n")
        words = ("/bin/kms-by-go", *jobs(kms, key), *jobs(kms, key_of_other, "other"))
        eif, other = (image(*words, files=tree, config=CONFIG, env=env) for env in (ENV, (*ENV, "X=1")))
        key.policy, key_of_other.policy = policy_of(eif, key), policy_of(other, key_of_other)
        for each in (key, key_of_other):
            each.policy["Statement"][0]["Action"] = ["kms:Decrypt", "kms:GenerateDataKey"]
        with parent(kms, Imds()) as folder:
            b = boot(eif, folder=folder, role=ROLE)
        check_answers(kms, answers(b)[:2], kms.seen[:2])
        got = answers(b)[2:]
        same([a["error"]["code"] for a in got], ["AccessDeniedException"] * 2, f"by a key for another image: {got}")
        for answer in got:
            check(eif.measurements()["PCR0"] in answer["error"]["message"], f"no PCR0: {answer}")
        b.expect_end("/bin/kms-by-go", "exited with code 0")


def node_image(kms: FakeKms, key: Key, folder: Path) -> Eif:
    """Debian's node with the program and the modules that npm has got for it."""
    layer, top = Layer(), sdks.node_modules()
    for path, entry in files(kms, key).entries.items():
        if entry.data:
            layer.file(path, entry.data, entry.mode & 0o777)
    for path in sorted(top.rglob("*")):
        if path.is_file() and path.suffix in (".js", ".cjs", ".json") and not {"dist-es", "dist-types"} & set(path.parts):
            layer.file(f"srv/{path.relative_to(top)}", path.read_bytes())
    layout = Layout(folder / "node")
    layout.index(tagged(layout.image([debian("debian-node", NODE_RECIPE), layer.bytes()], {
        "Entrypoint": ["/usr/bin/node", "/srv/main.js", *jobs(kms, key)], "Env": list(ENV)}, "plain")))
    (folder / "node.conf").write_text(CONFIG)
    emulator()
    subprocess.run([demo.MKEIF, "build", "--image", folder / "node", "--blobs", suite.TOP / "build/emulator", "--output", folder / "node.eif",
                    "--config", folder / "node.conf", "--name", "node"], stdout=subprocess.DEVNULL, check=True)
    return Eif.load(folder / "node.eif")


@test(seconds=14)
def a_program_in_javascript_has_attested_kms():
    """Debian's node with the SDK as npm has it."""
    with demo.kms_for_emulator() as kms, tempfile.TemporaryDirectory() as tmp:
        key = kms.new_key()
        eif = node_image(kms, key, Path(tmp))
        with parent(kms, Imds()) as folder:
            b = boot(eif, folder=folder, role=ROLE, memory=demo.MEMORY_MIB)
        check_answers(kms, answers(b), kms.seen)
        b.expect_end("/usr/bin/node", "exited with code 0")
