"""
The whole story without AWS, as `make demo-kms` shows it and tests/boot/kms_boot.py tests it: an image whose program, which knows
boto3 and nothing of enclaves, has KMS decrypt a secret. The key's policy names the image's PCR0; another image is refused.

The enclave is emulated, and its NSM signs by a root of this machine. The parent is `relay forward`, and a metadata service that gives
the instance's credentials; KMS is fake_kms.py, which trusts that root.
"""

import base64
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":
    TESTS = Path(__file__).resolve().parents[1]
    sys.path[:0] = [str(TESTS), str(TESTS.parent / "scripts")]

from enclave import Eif
from images.containers import write_boto3
from kms import policy
from kms.fake_kms import ROLE, FakeKms, Key, Seen
from kms.imds import Imds
from machine import Machine, Result, listens, nsm_root
from suite import TOP, built

MKEIF = TOP / "build/mkeif"
SECRET = b"the database's password"
CONTEXT = {"app": "orders"}
KMS_PORT, IMDS_PORT, API = 8000, 8002, "127.0.0.1:8100"
MEMORY_MIB = 1024

INIT_CONF = """\
command = /usr/bin/python3 -u /srv/decrypts.py
user = app
after = api
nsm = group
nsm-group = api
tmpfs = /run/api:uid=900,gid=900,mode=0755

[api]
command = /usr/bin/enclave-api
user = api
ready = notify
"""
API_CONF = """\
region = eu-west-1
connect = vsock:3:8000
ca = /etc/kms-ca.pem
credentials = imds vsock:3:8002
key = orders {arn} context.app=orders
listen = 127.0.0.1:8100
"""
# What the program needs to know of KMS: where it is. boto3 wants credentials, and the API signs with its own.
ENVIRONMENT = ("AWS_ENDPOINT_URL_KMS=http://" + API, "AWS_DEFAULT_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=unused",
               "AWS_SECRET_ACCESS_KEY=unused")


@dataclass
class Image:
    path: Path
    pcrs: dict[str, str]

    @property
    def eif(self) -> Eif:
        return Eif.load(self.path)


def image(kms: FakeKms, key: Key, folder: Path, name: str, *env: str) -> Image:
    """The image NAME with a secret of KEY. ENV is what makes another image of it."""
    secret = base64.b64encode(kms.encrypt(key, SECRET, CONTEXT)).decode()
    write_boto3(folder / name, (*ENVIRONMENT, f"KEY={key.arn}", f"SECRET={secret}", *env))
    init, api = folder / f"{name}.conf", folder / f"{name}-api.conf"
    init.write_text(INIT_CONF)
    api.write_text(API_CONF.format(arn=key.arn))
    path = folder / f"{name}.eif"
    done = subprocess.run([MKEIF, "build", "--image", folder / name, "--blobs", TOP / "build/emulator", "--output", path, "--name", name,
                           "--config", init, "--file", f"usr/bin/enclave-api={built('api')}", "--file",
                           f"etc/enclave-api.conf={api}:0644", "--file", f"etc/kms-ca.pem={kms.ca}:0644"], stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise RuntimeError(f"mkeif build: code {done.returncode}")
    return Image(path, json.loads(done.stdout)["Measurements"])


def policy_of(eif: Path, key: Key) -> dict:
    """What mkeif prints for the image: its PCR0, the instance's role by PCR3, the encryption context, and nobody else."""
    done = subprocess.run([MKEIF, "policy", eif, "--key", key.arn, "--role", ROLE, "--action", "Decrypt", "--context", "app=orders",
                           "--deny"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"mkeif policy: {done.stderr}")
    return policy.check(json.loads(done.stdout))


@contextmanager
def parent(kms: FakeKms, imds: Imds) -> Iterator[Path]:
    """The directory of an enclave's vsock, with what its parent instance runs."""
    with tempfile.TemporaryDirectory(prefix="kms-", dir="/tmp") as name:
        folder = Path(name)
        imds.listen(f"{folder}/{IMDS_PORT}.sock")
        relay = subprocess.Popen([built("relay"), "forward", f"unix:{folder}/{KMS_PORT}.sock", f"tcp:127.0.0.1:{kms.port}"],
                                 stdin=subprocess.DEVNULL)
        try:
            end = time.monotonic() + 120
            while not listens(folder / f"{KMS_PORT}.sock"):
                if relay.poll() is not None or time.monotonic() > end:
                    raise RuntimeError("relay forward does not listen")
                time.sleep(0.01)
            yield folder
        finally:
            relay.terminate()
            relay.wait()
            imds.__exit__()


def boot(made: Image, kms: FakeKms, on_line: Callable[[float, str], None] | None = None, **machine: object) -> Result:
    with parent(kms, Imds()) as folder:
        return Machine(made.eif, folder=folder, memory=MEMORY_MIB, role=ROLE, on_line=on_line, append="reboot=t panic=-1 quiet", **machine).run()


def kms_for_emulator() -> FakeKms:
    """One that trusts the root of this machine's emulated NSM."""
    return FakeKms(Path(nsm_root()).read_bytes())


# --- what make demo-kms shows ---------------------------------------------------

def say(text: str) -> None:
    print(f"demo-kms: {text}", flush=True)


def show(kms: FakeKms) -> None:
    def asked(seen: Seen) -> None:
        pcr0 = seen.document["pcrs"][0].hex()[:16] if seen.document else "no document"
        print(f"kms:      {seen.target} by {seen.principal.rpartition('/')[2] or 'nobody'}, PCR0 {pcr0}...: {seen.status} {seen.code or 'OK'}",
              flush=True)
    kms.on_answer = asked


def main() -> int:
    with kms_for_emulator() as kms, tempfile.TemporaryDirectory(prefix="demo-kms-", dir=TOP / "build") as name:
        folder = Path(name)
        key = kms.new_key()
        show(kms)
        say(f"a KMS with the key {key.arn}")
        good, other = image(kms, key, folder, "orders"), image(kms, key, folder, "changed", "GREETING=hello")
        say(f"the image orders has PCR0 {good.pcrs['PCR0']}")
        say(f"the image changed has PCR0 {other.pcrs['PCR0']}")
        key.policy = policy_of(good.path, key)
        say(f"the key's policy is {json.dumps(key.policy, indent=2)}")
        results = []
        for made in (good, other):
            say(f"booting {made.path.stem}")
            results.append(boot(made, kms, lambda at, line: print(f"enclave:  {line}", flush=True)))
    decrypted = SECRET.decode() in results[0].text
    refused = "AccessDeniedException" in results[1].text and SECRET.decode() not in results[1].text
    say(f"orders has {'' if decrypted else 'NOT '}got the secret; changed was {'refused: AccessDeniedException' if refused else 'NOT refused'}")
    return 0 if decrypted and refused else 1


if __name__ == "__main__":
    os.chdir(TOP)
    sys.exit(main())
