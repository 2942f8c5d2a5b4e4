"""
What programs of other enclaves' frameworks ask for, as their documents, tests and clients have it: each request here is one of
theirs, with where it was seen, and what the document that comes back must carry.
"""

import base64
import hashlib
import os
import subprocess
import time
import urllib.request

import sdks
import wheels
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from kms import pki, verifier
from suite import Failure, check, same, test

from .enclave import MUSL, SECRET, Answer, Enclave, b64, enclave

# enclaver/src/api.rs, test_attestation_handler
PEM = ("-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAyY9b3O0t0zDH3pcxYWW2\n"
       "TBjW302L3eL+S4C1rmW6OFIXa6U1ZrBtSvMvI3ievCVHq7AOof6xkbXXqobgbokc\n"
       "0514+7stOsq/CqnXGWhWwW+aCIj5FFi+gf4kXbXvUYKhUVFFJm5Rq71r5stt3B1p\n"
       "jYC0Nm391GjR98gO9Sw8TGYx21Q7KuNFsfMa/dtYboFX38fQFw4eTHvSafErgZNO\n"
       "MUmzLPibM+1zXqHbXX1M5hyFMBJE28zNi+TmvopdMxsG/a2yTiM1j6Srw2Y5ZrE6\n"
       "O1Rr8MxrAepPbmybNOn0K0YIcf/KZurDuvOIuhsurxFgGTVQhsMZ0iNaXA0usFM+\npQIDAQAB\n-----END PUBLIC KEY-----")


def fields(e: Enclave, document: bytes) -> dict:
    """What a document has, whose signature and chain python3-cryptography has looked at."""
    return verifier.verify(document, e.nsm.root.read_bytes(), time.time())


def has(e: Enclave, document: bytes, user_data: bytes | None = None, nonce: bytes | None = None,
        public_key: bytes | None = None) -> None:
    got = fields(e, document)
    same((got["user_data"], got["nonce"], got["public_key"]), (user_data, nonce, public_key), "the document's fields")


# --- enclaver ------------------------------------------------------------------

@test
def enclavers_attestation_is_a_raw_document() -> None:
    """enclaver/src/api.rs: nonce and user_data in base64, public_key in PEM, each optional; the whole key gets into the document."""
    der = base64.b64decode("".join(PEM.splitlines()[1:-1]))
    with enclave(compat=("enclaver",)) as e:
        def ask(body: object) -> Answer:
            return e.post("/v1/attestation", body, "enclaver")

        got = ask({"public_key": PEM}).is_(200)
        same(got.headers["content-type"], "application/cbor", "its type")
        has(e, got.body, public_key=der)
        has(e, ask({"nonce": b64(b"the nonce"), "user_data": b64(b"my data")}).is_(200).body, b"my data", b"the nonce")
        has(e, ask({}).is_(200).body)
        has(e, ask({"nonce": None, "other": [1]}).is_(200).body)
        has(e, ask({"nonce": "", "public_key": PEM.replace("\n", "\r\n") + "\n"}).is_(200).body, nonce=b"", public_key=der)
        for body in (b"", b"[]", b"no", b'{"nonce": 7}', {"nonce": "!"}, {"user_data": "QQ"}, {"public_key": "QUJD"},
                     {"public_key": PEM[:-9]}, {"public_key": PEM + PEM}, {"nonce": b64(bytes(5000))}):
            ask(body).is_(400)
        e.get("/v1/attestation", "enclaver").is_(405)
        e.post("/v1/other", {}, "enclaver").is_(404)


@test(seconds=3)
def enclavers_kms_proxy_is_there() -> None:
    """integration-tests/kms-proxy/main.py: boto3 with AWS_KMS_ENDPOINT, all five of its checks."""
    keys = {"symmetric": ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", ""), "agree": ("ECC_NIST_P256", "KEY_AGREEMENT", "")}
    program = """
import os
import boto3
symmetric, agree = os.environ["KMS_SYMMETRIC_KEY_ID"], os.environ["KMS_ASYMMETRIC_KEY_ID"]
kms = boto3.client("kms", endpoint_url=os.environ.get("AWS_KMS_ENDPOINT"))
blob = kms.encrypt(KeyId=symmetric, Plaintext="All Quiet on the Western Front")["CiphertextBlob"]
assert kms.decrypt(CiphertextBlob=blob, KeyId=symmetric)["Plaintext"].decode() == "All Quiet on the Western Front"
assert len(kms.generate_data_key(KeyId=symmetric, KeySpec="AES_128")["Plaintext"]) == 16
assert 1200 < len(kms.generate_data_key_pair(KeyId=symmetric, KeyPairSpec="RSA_2048")["PrivateKeyPlaintext"]) < 1250
public = kms.get_public_key(KeyId=agree)["PublicKey"]
assert len(kms.derive_shared_secret(KeyId=agree, KeyAgreementAlgorithm="ECDH", PublicKey=public)["SharedSecret"]) == 32
assert len(kms.generate_random(NumberOfBytes=32)["Plaintext"]) == 32
print("done")
"""
    with enclave(keys=keys, compat=("enclaver",)) as e:
        env = {k: v for k, v in sdks.environment(1).items() if k != "AWS_ENDPOINT_URL_KMS"}
        env |= {"AWS_KMS_ENDPOINT": f"http://127.0.0.1:{e.ports['enclaver']}", "KMS_SYMMETRIC_KEY_ID": e.key["symmetric"].arn,
                "KMS_ASYMMETRIC_KEY_ID": e.key["agree"].arn, "PYTHONPATH": str(wheels.folder("boto3"))}
        p = subprocess.run([wheels.PYTHON, "-c", program], env=env, capture_output=True, text=True, check=False)
        same((p.returncode, p.stdout), (0, "done\n"), f"what it says: {p.stderr[-2000:]}")
        # src/proxy/kms.rs, kms_request
        got = e.aws("Decrypt", {"CiphertextBlob": b64(e.kms.encrypt(e.key["symmetric"], SECRET))}, "enclaver",
                    Authorization="AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/kms/aws4_request, ")
        same(got.is_(200).json["Plaintext"], b64(SECRET), "Decrypt without a KeyId")


# --- evervault -------------------------------------------------------------------

@test
def evervaults_document_has_the_strings_own_bytes() -> None:
    """crates/data-plane/src/crypto/api.rs: nonce and challenge are not decoded, without a nonce there are 256 bytes."""
    der = pki.key("rsa2048", "recipient").public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    with enclave(compat=("evervault",)) as e:
        def ask(body: object, **headers: str) -> Answer:
            return e.post("/attestation-doc", body, "evervault", **headers)

        # e2e-tests/httpCustomerProcess.js, which passes on what e2e.js sends: {}
        got = fields(e, ask({}, api_key="placeholder").is_(200).body)
        same((len(got["nonce"]), got["user_data"], got["public_key"]), (256, None, None), "a document of {}")
        check(fields(e, ask({}).is_(200).body)["nonce"] != got["nonce"], "the nonce is twice the same")
        has(e, ask({"nonce": "bm9uY2U=", "challenge": "Y2hhbGxlbmdl"}).is_(200).body, b"Y2hhbGxlbmdl", b"bm9uY2U=")
        has(e, ask({"nonce": "a\u0000\u00e9", "publicKey": b64(der)}).is_(200).body, None, "a\u0000\u00e9".encode(), der)
        has(e, ask({"nonce": "n", "publicKey": b64(b"four")[:-2], "public_key": 7}).is_(200).body, None, b"n", b"four")
        for body in (b"", b"{", b"[]", {"nonce": 7}, {"challenge": ["a"]}, {"publicKey": {}}):
            ask(body).is_(400)
        ask({"publicKey": "!!!"}).is_(500, "Error decoding base64 value")
        for path in ("/", "/encrypt", "/attestation-doc/"):
            e.post(path, {}, "evervault").is_(500, "Not Found")
        e.get("/attestation-doc", "evervault").is_(500, "Not Found")


# --- oyster --------------------------------------------------------------------------

@test
def oysters_attestation_comes_raw_and_as_hex() -> None:
    """attestation/server-custom/README.md: public_key, user_data and nonce as hex in the query, each optional."""
    with enclave(compat=("oyster",)) as e:
        # attestation/verifier-risczero/methods/guest/src/main.rs: how its test documents were made
        query = "public_key=12345678&user_data=abcdef"
        got = e.get(f"/attestation/raw?{query}", "oyster").is_(200)
        same(got.headers["content-type"], "application/octet-stream", "raw's type")
        has(e, got.body, b"\xab\xcd\xef", None, b"\x12\x34\x56\x78")
        got = e.get(f"/attestation/hex?{query}&nonce=0102", "oyster").is_(200)
        same(got.headers["content-type"], "text/plain; charset=utf-8", "hex's type")
        has(e, bytes.fromhex(got.body.decode()), b"\xab\xcd\xef", b"\1\2", b"\x12\x34\x56\x78")
        # attestation/server/README.md, local/dev-image/README.md: the fixed server's
        has(e, e.get("/attestation/raw", "oyster").is_(200).body)
        has(e, e.get("/attestation/raw?nonce=&user_data=ABCDEF", "oyster").is_(200).body, b"\xab\xcd\xef", b"")
        for query in ("nonce=0", "nonce=0x01", "nonce=zz", "user_data=01%2002", "public_key=" + "00" * 5000, "nonce=01&nonce=02"):
            e.get(f"/attestation/raw?{query}", "oyster").is_(400, f"Failed to decode {query.partition('=')[0]}")
        e.get("/attestation", "oyster").is_(404)
        e.post("/attestation/raw", {}, "oyster").is_(405)


# --- confidential containers -------------------------------------------------------------

@test
def cocos_resource_is_a_secret_that_kms_decrypts() -> None:
    """api-server-rest/README.md: curl http://127.0.0.1:8006/cdh/resource/default/key/1; in the image are ciphertexts alone."""
    keys = {"orders": ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "context.app=orders"), "logs": ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "")}
    secret = b"12345678901234567890123456xxxx"

    def prepare(e: Enclave) -> None:
        blob = e.kms.encrypt(e.key["orders"], secret, {"app": "orders"})
        (e.path / "blob").write_bytes(blob)
        (e.path / "text").write_bytes(base64.encodebytes(blob))
        (e.path / "other").write_bytes(e.kms.encrypt(e.key["orders"], b"of another program", {"app": "other"}))

    with enclave("secret = default/key/1 orders {path}/blob", "secret = default/key/text orders {path}/text",
                 "secret = default/key/other orders {path}/other", "secret = logs logs {path}/blob", "allow = kms:logs user=nobody",
                 keys=keys, compat=("coco",), prepare=prepare) as e:
        for name in ("1", "text"):
            got = e.get(f"/cdh/resource/default/key/{name}", "coco").is_(200)
            same((got.headers["content-type"], got.body), ("application/octet-stream", secret), name)
            check(e.kms.seen[-1].document, "KMS got no document")
        e.get("/cdh/resource/default/key/other", "coco").is_(500, "InvalidCiphertextException")
        count = len(e.kms.seen)
        e.get("/cdh/resource/logs", "coco").is_(403, "Forbidden")
        e.get("/cdh/resource/default/key/2", "coco").is_(404)
        e.get("/cdh/resource", "coco").is_(404)
        same(len(e.kms.seen), count, "requests that came to KMS")


@test
def a_secret_that_is_not_there_is_known_at_the_start() -> None:
    """The configuration's line and the file, and no service without it."""
    for content, words in ((None, "No such file"), (b"", "No data"), (bytes(6145), "File too large"), (b"x" * 20000, "File too large")):
        def prepare(e: Enclave, content: bytes | None = content) -> None:
            if content is not None:
                (e.path / "blob").write_bytes(content)
        try:
            with enclave("secret = a/b/c orders {path}/blob", compat=("coco",), prepare=prepare):
                raise AssertionError("it has started")
        except Failure as e:
            check("line 9: secret: " in str(e) and words in str(e), f"{content!r:.40}: {e}")


@test
def cocos_evidence_is_a_document_over_the_runtime_data() -> None:
    """api-server-rest/README.md and router.rs: the bytes of the value itself, or of what encoding=base64 means."""
    with enclave(compat=("coco",)) as e:
        has(e, e.get("/aa/evidence?runtime_data=xxxx", "coco").is_(200).body, b"xxxx")
        has(e, e.get("/aa/evidence?runtime_data=eHh4eA&encoding=base64", "coco").is_(200).body, b"xxxx")
        has(e, e.get("/aa/evidence?runtime_data=aGVsbG8", "coco").is_(200).body, b"aGVsbG8")
        has(e, e.get("/aa/evidence?runtime_data=cmVwb3J0&encoding=base64", "coco").is_(200).body, b"report")
        for query in ("", "?other=1", "?runtime_data=data&encoding=hex", "?runtime_data=!!!&encoding=base64",
                      "?runtime_data=%2B%2Fa%3D&encoding=base64"):
            e.get(f"/aa/evidence{query}", "coco").is_(400, "BAD REQUEST")
        e.get("/aa/token?token_type=kbs", "coco").is_(404, "URL NOT FOUND")


# --- nitriding -----------------------------------------------------------------------------

@test
def nitridings_application_is_ready_and_has_a_hash() -> None:
    """handlers_test.go: TestHashHandler, TestReadyHandler and the clients' 200; example/service.py's own call."""
    with enclave(compat=("nitriding",)) as e:
        def post(body: bytes) -> Answer:
            return e.post("/enclave/hash", body, "nitriding")

        def attest(nonce: bytes) -> dict:
            got = e.get(f"/enclave/attestation?nonce={nonce.hex()}", "nitriding").is_(200)
            check(got.body.endswith(b"\n"), "no line end")
            return fields(e, base64.b64decode(got.body))

        url = f"http://127.0.0.1:{e.ports['nitriding']}/enclave/ready"
        with urllib.request.urlopen(url) as r:
            same((r.getcode(), r.read()), (200, b""), "the first time")
        e.get("/enclave/ready", "nitriding").is_(410)
        post(b"foo").is_(400, "no Base64 given\n")
        post(b"AAAAAAAAAAAAAA==").is_(400, "given hash is of invalid size\n")
        post(b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").is_(400, "reached read limit\n")
        nonce = os.urandom(20)
        got = attest(nonce)
        same((got["nonce"], got["public_key"], got["user_data"]), (nonce, b"dummy", (b"\x12\x20" + bytes(32)) * 2), "without a hash")
        for end in (b"", b"\n"):
            digest = hashlib.sha256(b"key" + end).digest()
            same(post(base64.b64encode(digest) + end).is_(200).body, b"", "the answer to a hash")
            same(attest(nonce)["user_data"], b"\x12\x20" + bytes(32) + b"\x12\x20" + digest, "the document's user_data")
        for query in ("", "?nonce=", "?other=1"):
            e.get(f"/enclave/attestation{query}", "nitriding").is_(400, "could not find nonce")
        for query in ("?nonce=" + "0" * 39, "?nonce=" + "0" * 41, "?nonce=" + "g" * 40, "?nonce=" + "0" * 200):
            e.get(f"/enclave/attestation{query}", "nitriding").is_(400, "unexpected nonce format")
        e.post("/enclave/ready", {}, "nitriding").is_(405)


@test
def a_dialect_is_at_its_own_address_alone() -> None:
    """What is not configured is not there, and none of them has another's routes, or the API's."""
    with enclave(compat=("oyster", "evervault")) as e:
        e.get("/attestation/raw").is_(404)
        e.post("/attestation-doc", {}).is_(404)
        e.post("/attestation-doc", {}, "oyster").is_(404)
        e.get("/attestation/raw", "evervault").is_(500)
        e.get("/v1/health", "oyster").is_(404)
        e.aws("GenerateRandom", {"NumberOfBytes": 1}, "oyster").is_(404)
        e.get("/attestation/raw", "oyster", Host="rebound.example.com").is_(403)
        e.get("/attestation/raw", "oyster", Origin="http://127.0.0.1").is_(403)


@test
def no_dialect_attests_what_the_runtime_says() -> None:
    """User data that begin with enclave-init/ are refused by whatever name a document is asked for, before the NSM is."""
    tag = b"enclave-init/1 ready"
    with enclave(compat=("enclaver", "evervault", "oyster", "coco")) as e:
        before = e.nsm.count("Attestation")
        url = base64.urlsafe_b64encode(tag).decode().rstrip("=")
        for got in (e.post("/v1/attestation", {"user_data": b64(tag)}, "enclaver"),
                    e.post("/attestation-doc", {"challenge": tag.decode()}, "evervault"),
                    e.get(f"/attestation/raw?user_data={tag.hex()}", "oyster"),
                    e.get(f"/attestation/hex?user_data={tag.hex()}", "oyster"),
                    e.get("/aa/evidence?runtime_data=enclave-init/1%20ready", "coco"),
                    e.get(f"/aa/evidence?runtime_data={url}&encoding=base64", "coco")):
            got.is_(403, "enclave-init/")
        same(e.nsm.count("Attestation"), before, "documents that were made")


@test
def the_shipped_program_has_them_under_its_filters() -> None:
    """One request of each dialect: no call of the system that they need is missing there."""
    def prepare(e: Enclave) -> None:
        (e.path / "blob").write_bytes(e.kms.encrypt(e.key["orders"], SECRET))

    with enclave("secret = a/b/c orders {path}/blob", compat=("enclaver", "evervault", "oyster", "coco", "nitriding"), prepare=prepare,
                 program=MUSL) as e:
        has(e, e.post("/v1/attestation", {"nonce": b64(b"n")}, "enclaver").is_(200).body, nonce=b"n")
        has(e, e.post("/attestation-doc", {"nonce": "n"}, "evervault").is_(200).body, nonce=b"n")
        has(e, e.get("/attestation/raw?nonce=6e", "oyster").is_(200).body, nonce=b"n")
        same(e.get("/cdh/resource/a/b/c", "coco").is_(200).body, SECRET, "the secret")
        has(e, e.get("/aa/evidence?runtime_data=n", "coco").is_(200).body, b"n")
        e.get("/enclave/ready", "nitriding").is_(200)
        e.get(f"/enclave/attestation?nonce={'00' * 20}", "nitriding").is_(200)
        same(e.aws("Decrypt", {"CiphertextBlob": b64(e.kms.encrypt(e.key["orders"], SECRET))}, "enclaver").is_(200).json["Plaintext"],
             b64(SECRET), "Decrypt")
        e.aws("DescribeKey", {"KeyId": "orders"}).is_(200)
        e.aws("DescribeKey", {"KeyId": "other"}).is_(400)
        e.aws("Nothing", {}).is_(400)
        e.post("/v1/kms/generate-random", {"number_of_bytes": 1}).is_(200)
