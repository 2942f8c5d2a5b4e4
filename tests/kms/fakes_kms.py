"""The fakes themselves: botocore's client, openssl and moto decide whether they are what they pretend to be."""

import hashlib
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import wheels
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (Encoding, NoEncryption, PrivateFormat, PublicFormat,
                                                          load_der_private_key)

from interop import ca

from . import cms, pki, policy
from .fake_kms import BYTES_FAULTS
from .imds import Imds
from .lib import ACCESS, CONTEXT, DEADLINE_S, PATIENT, SECRET, TOP, Done, World, boto3, boto3_client, check, folder, run, same, test, world
from .nsm import Fault, Nsm, chain_at

RECIPIENT = pki.key("rsa2048", "recipient")
SPKI = RECIPIENT.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@contextmanager
def client(**kms: object) -> Iterator[tuple[World, object]]:
    with world(**kms) as w:
        yield w, boto3_client(f"https://{w.kms.host}", w.kms.ca, ("127.0.0.1", w.kms.port))


def recipient(w: World, spki: bytes = SPKI) -> dict:
    return {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": w.nsm.document(public_key=spki)}


def opened(message: bytes) -> bytes:
    """By openssl, which finds the recipient by its key alone."""
    with folder() as d:
        (d / "key").write_bytes(RECIPIENT.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        (d / "cms").write_bytes(message)
        p = subprocess.run(["openssl", "cms", "-decrypt", "-inform", "DER", "-in", d / "cms", "-inkey", d / "key"],
                           capture_output=True, check=False)
        check(p.returncode == 0, f"openssl cms: {p.stderr.decode()}")
        return p.stdout


def refused(code: str, call: object, *words: object, **members: object) -> str:
    from botocore.exceptions import ClientError
    try:
        call(*words, **members)
    except ClientError as e:
        same(e.response["Error"]["Code"], code, f"the code ({e})")
        return str(e)
    check(False, f"no {code}")
    return ""


@test(seconds=2)
def five_operations_answer_botocore_for_the_recipient():
    """Decrypt, GenerateDataKey, GenerateDataKeyPair, GenerateRandom, DeriveSharedSecret: CMS that openssl opens, and no plaintext."""
    with client() as (w, c):
        r = recipient(w)
        a = c.decrypt(CiphertextBlob=w.blob, EncryptionContext=CONTEXT, Recipient=r)
        same((opened(a["CiphertextForRecipient"]), a["KeyId"], "Plaintext" in a), (SECRET, w.key.arn, False), "Decrypt")
        a = c.generate_data_key(KeyId=w.key.arn, KeySpec="AES_256", EncryptionContext=CONTEXT, Recipient=r)
        again = c.decrypt(CiphertextBlob=a["CiphertextBlob"], EncryptionContext=CONTEXT)
        same(opened(a["CiphertextForRecipient"]), again["Plaintext"], "GenerateDataKey")
        a = c.generate_data_key_pair(KeyId=w.key.arn, KeyPairSpec="ECC_NIST_P384", Recipient=r)
        private = load_der_private_key(opened(a["CiphertextForRecipient"]), None)
        same(private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo), a["PublicKey"], "the pair")
        a = c.generate_random(NumberOfBytes=77, Recipient=r)
        same(len(opened(a["CiphertextForRecipient"])), 77, "GenerateRandom")
        ecdh, peer = w.kms.new_key("ECC_NIST_P256", "KEY_AGREEMENT"), ec.generate_private_key(ec.SECP256R1())
        public = peer.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        a = c.derive_shared_secret(KeyId=ecdh.arn, KeyAgreementAlgorithm="ECDH", PublicKey=public, Recipient=r)
        same(opened(a["CiphertextForRecipient"]), peer.exchange(ec.ECDH(), ecdh.private.public_key()), "DeriveSharedSecret")


@test()
def every_form_of_cms_is_one_that_openssl_opens():
    """A to E and LocalStack's, and their plaintexts of several lengths; A to E are tests/data's to the byte, but for RSA's."""
    data = TOP / "tests/data/cms"
    key = load_der_private_key((data / "key.der").read_bytes(), None)
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for form in (*"ABCDE", "localstack"):
        wanted, mark = (data / f"{form}.der").read_bytes(), bytes.fromhex("04820100")
        at = wanted.index(mark) + 4
        iv = wanted.index(b"\x04\x10", at + 256) + 2
        got = cms.sealed(b"0123456789abcdef0123456789ABCDEF", spki, form, key.decrypt(wanted[at:at + 256], cms.OAEP),
                         wanted[iv:iv + 16])
        same((got[:at], got[at + 256:]), (wanted[:at], wanted[at + 256:]), form)
    for form in cms.FORMS:
        for length in (0, 1, 15, 16, 17, 32, 4096):
            same(opened(cms.sealed(bytes(length), SPKI, form)), bytes(length), f"{form}, {length} bytes")


@test()
def a_policy_decides_by_the_documents_pcrs():
    """PCR0 of the document, not of the request; debug mode's zeros; no document, no condition met; a Deny wins."""
    with client() as (w, c):
        pcr0 = w.nsm.pcr(0).hex()
        statement = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:role/enclave"}, "Action": "kms:Decrypt",
                     "Resource": "*", "Condition": {"StringEqualsIgnoreCase": {"kms:RecipientAttestation:PCR0": pcr0.upper()}}}
        w.key.policy = policy.check({"Version": "2012-10-17", "Statement": [statement]})
        request = {"CiphertextBlob": w.blob, "EncryptionContext": CONTEXT}
        c.decrypt(**request, Recipient=recipient(w))
        refused("AccessDeniedException", c.decrypt, **request)
        w.nsm.set_pcr(0, bytes(48))
        refused("AccessDeniedException", c.decrypt, **request, Recipient=recipient(w))
        refused("AccessDeniedException", c.generate_data_key, KeyId=w.key.arn, KeySpec="AES_256", Recipient=recipient(w))
        w.nsm.set_pcr(0, bytes.fromhex(pcr0))
        w.key.policy = {"Statement": [statement, {**statement, "Effect": "Deny", "Condition": {
            "StringEquals": {"kms:EncryptionContext:app": "orders"}}}]}
        refused("AccessDeniedException", c.decrypt, **request, Recipient=recipient(w))


@test()
def documents_that_are_not_of_that_root_are_refused():
    """Another root, a bit of the signature, an old document, no RSA key: the two verifiers agree about each."""
    with client() as (w, c), Nsm() as other:
        request = {"CiphertextBlob": w.blob, "EncryptionContext": CONTEXT}
        good = w.nsm.document(public_key=SPKI)

        def with_document(document: bytes) -> str:
            return refused("ValidationException", c.decrypt, **request, Recipient={**recipient(w), "AttestationDocument": document})

        with_document(good[:-1] + bytes([good[-1] ^ 1]))
        other.make_chain = lambda now: chain_at(now, ca.key("another root"))
        with_document(other.document(public_key=SPKI))
        with_document(w.nsm.document(public_key=None))
        with_document(w.nsm.document(public_key=SPKI[:-1]))
        with_document(b"x")
        w.nsm.clock_off_s = -4 * 3600
        with_document(w.nsm.document(public_key=SPKI))
        c.decrypt(**request, Recipient={**recipient(w), "AttestationDocument": good})


@test()
def signatures_are_recomputed():
    """A wrong secret, an unknown id, a token too many, an expired one; a clock that is six minutes slow or fast."""
    with client() as (w, c):
        url, to = f"https://{w.kms.host}", ("127.0.0.1", w.kms.port)
        refused("InvalidSignatureException", boto3_client(url, w.kms.ca, to, access=(ACCESS[0], "wrong")).generate_random, NumberOfBytes=1)
        refused("UnrecognizedClientException", boto3_client(url, w.kms.ca, to, access=("AKID", "x")).generate_random, NumberOfBytes=1)
        refused("UnrecognizedClientException", boto3_client(url, w.kms.ca, to, access=(*ACCESS, "tok")).generate_random, NumberOfBytes=1)
        w.kms.credentials["ASIA"] = credential = type(w.kms.credentials[ACCESS[0]])(token="tok/en==")
        session = boto3_client(url, w.kms.ca, to, access=("ASIA", credential.secret, credential.token))
        session.generate_random(NumberOfBytes=1)
        credential.expired = True
        refused("ExpiredTokenException", session.generate_random, NumberOfBytes=1)
        w.kms.now = lambda: time.time() + 360
        check("Signature expired: " in refused("InvalidSignatureException", c.generate_random, NumberOfBytes=1), "its words")
        w.kms.now = lambda: time.time() - 360
        check("not yet current: " in refused("InvalidSignatureException", c.generate_random, NumberOfBytes=1), "its words")


@test()
def ciphertexts_are_bound_to_key_and_context():
    """Another context, another key, a damaged blob; RSA without its algorithm."""
    with client() as (w, c):
        other, rsa_key = w.kms.new_key(), w.kms.new_key("RSA_2048")
        refused("InvalidCiphertextException", c.decrypt, CiphertextBlob=w.blob, EncryptionContext={"app": "x"})
        refused("InvalidCiphertextException", c.decrypt, CiphertextBlob=w.blob[:-1] + bytes([w.blob[-1] ^ 1]), EncryptionContext=CONTEXT)
        refused("IncorrectKeyException", c.decrypt, CiphertextBlob=w.blob, EncryptionContext=CONTEXT, KeyId=other.arn)
        refused("NotFoundException", c.decrypt, CiphertextBlob=w.blob, KeyId=other.arn[:-1] + "z")
        blob = w.kms.rsa_encrypt(rsa_key, SECRET)
        same(c.decrypt(CiphertextBlob=blob, KeyId=rsa_key.arn, EncryptionAlgorithm="RSAES_OAEP_SHA_256")["Plaintext"], SECRET, "RSA")
        refused("InvalidCiphertextException", c.decrypt, CiphertextBlob=blob)


@test()
def errors_come_in_every_form_that_botocore_reads():
    """prefix#Code, Code:url, Message, no message at all."""
    with client() as (w, c):
        for form in ("plain", "Message", "no-message", "prefix", "url"):
            w.kms.faults.append(f"error ThrottlingException 400 {form}")
            refused("ThrottlingException", c.generate_random, NumberOfBytes=1)


@test(seconds=3)
def faults_are_what_their_names_say():
    """Each fault of an answer changes it; botocore takes the harmless ones."""
    with client() as (w, c):
        plain = {"Decrypt": c.decrypt(CiphertextBlob=w.blob, EncryptionContext=CONTEXT, Recipient=recipient(w))}["Decrypt"]
        for name in ("unknown-members", "escaped", "chunked", "chunked-extension", "record-16k", "plaintext-null", "bytewise"):
            w.kms.delay_s = 0
            w.kms.faults.append(name)
            a = c.decrypt(CiphertextBlob=w.blob, EncryptionContext=CONTEXT, Recipient=recipient(w))
            same((a["KeyId"], opened(a["CiphertextForRecipient"])), (plain["KeyId"], SECRET), name)
        w.kms.faults.append("plaintext-instead")
        a = c.decrypt(CiphertextBlob=w.blob, EncryptionContext=CONTEXT, Recipient=recipient(w))
        same((a["Plaintext"], "CiphertextForRecipient" in a), (SECRET, False), "plaintext-instead")
        raw = b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n" + b"x" * 200
        for name, change in BYTES_FAULTS.items():
            check(change(raw) != raw or name == "header-only", f"{name} changes nothing")


@test()
def the_nsm_does_what_it_is_asked():
    """Extended and locked as a device's; refusals, cut answers and errno come as often as they should."""
    with Nsm() as n:
        same(n.answer(n.read(b"\x69GetRandom"))[:14].hex(), "a16947657452616e646f6da16672", "GetRandom's first bytes")
        extend = bytes.fromhex("a169457874656e64504352a265696e646578106464617461 43010203".replace(" ", ""))
        for value in ("cb178fcd3f328244", "65ecb1f7ff753628"):
            n.answer(n.read(extend))
            same(n.pcr(16)[:8].hex(), value, "PCR16")
        same(n.answer(n.read(bytes.fromhex("a1674c6f636b504352a165696e64657810"))).hex(), "674c6f636b504352", "LockPCR")
        same(n.answer(n.read(extend)), b"\xa1\x65Error\x6dReadOnlyIndex", "locked")
        n.faults["GetRandom"] = Fault(refusal="InternalError", times=1)
        same([n._with_faults(b"\x69GetRandom")[1][:8] for _ in range(2)], [b"\xa1\x65Error\x6d", b"\xa1\x69GetRan"], "once")
        same(hashlib.sha384(bytes(48)).hexdigest()[:4], hashlib.sha384(n.pcr(17)).hexdigest()[:4], "PCR17 is zero")


@test(seconds=3)
def moto_answers_plaintext_to_a_recipient():
    """What makes it the server whose answers must be refused."""
    with moto() as (url, c):
        key = c.create_key()["KeyMetadata"]["Arn"]
        blob = c.encrypt(KeyId=key, Plaintext=SECRET)["CiphertextBlob"]
        a = c.decrypt(CiphertextBlob=blob, Recipient={"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": b"x"})
        same((a["Plaintext"], "CiphertextForRecipient" in a), (SECRET, False), "moto's answer")


@test()
def botocore_gets_credentials_of_the_metadata_service():
    """By its own fetchers: IMDSv2, where a token that has expired is asked for again, and a container's endpoint."""
    boto3()
    from botocore.utils import ContainerMetadataFetcher, InstanceMetadataFetcher
    with Imds(access=("ASIA", "secret", "token")) as imds:
        fetcher = InstanceMetadataFetcher(base_url=f"http://127.0.0.1:{imds.port}/", timeout=DEADLINE_S)
        got = fetcher.retrieve_iam_role_credentials()
        same((got["access_key"], got["secret_key"], got["token"], got["role_name"]), ("ASIA", "secret", "token", "enclave"), "IMDSv2")
        same([s.status for s in imds.seen], [200, 200, 200], "the answers")
        imds.disabled = True
        same(InstanceMetadataFetcher(base_url=f"http://127.0.0.1:{imds.port}/", num_attempts=1, timeout=DEADLINE_S).retrieve_iam_role_credentials(), {},
             "what is disabled")
        fetcher = ContainerMetadataFetcher()
        fetcher.TIMEOUT_SECONDS = DEADLINE_S
        got = fetcher.retrieve_full_uri(f"http://127.0.0.1:{imds.port}/container")
        same((got["AccessKeyId"], got["Token"]), ("ASIA", "token"), "the container's")


@test(seconds=4)
def the_fakes_are_programs_as_well():
    """For tests by hand: a KMS with its keys in a directory, an NSM, and a metadata service, each a process; kms decrypts by them."""
    here = Path(__file__).parent

    def said(*words: object, data: bytes = b"") -> str:
        p = subprocess.run([wheels.PYTHON, *map(str, words)], input=data, capture_output=True, check=False)
        check(p.returncode == 0, f"{words}: {p.stderr.decode()[-2000:]}")
        return p.stdout.decode().strip()

    with folder() as d, ExitStack() as stack:
        def start(*words: object) -> None:
            p = stack.enter_context(subprocess.Popen([wheels.PYTHON, *map(str, words)], stdout=subprocess.PIPE, text=True))
            stack.callback(p.terminate)
            check(": " in p.stdout.readline(), f"{words} did not start")

        arn = said(here / "fake_kms.py", "new", d / "kms")
        blob = said(here / "fake_kms.py", "encrypt", d / "kms", "app=orders", data=SECRET)
        (d / "policy").write_text(json.dumps({"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*", "Condition": {
            "StringEqualsIgnoreCase": {"kms:RecipientAttestation:PCR0": "ab" * 48}}}]}))
        said(here / "fake_kms.py", "policy", d / "kms", d / "policy")
        start(here / "nsm.py", d / "nsm", d / "root.der", f"0={'ab' * 48}")
        start(here / "imds.py", d / "imds")
        start(here / "fake_kms.py", "serve", d / "kms", d / "root.der", d / "socket")
        def decrypt() -> Done:
            return run("decrypt", *PATIENT, f"base64:{blob}", "--key", arn, "--context", "app=orders", "--connect", f"unix:{d}/socket", "--ca",
                       d / "kms/ca.pem", "--credentials", f"imds unix:{d}/imds", env={"KMS_NSM": f"{d}/nsm"})

        decrypt().is_(0, out=SECRET)
        (d / "policy").write_text((d / "policy").read_text().replace("ab", "cd"))
        said(here / "fake_kms.py", "policy", d / "kms", d / "policy")  # while it serves, as an image with its ca.pem needs it
        decrypt().is_(1)


@contextmanager
def moto() -> Iterator[tuple[str, object]]:
    wheels.use("moto")
    import logging

    from moto.server import ThreadedMotoServer
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        url = "http://{}:{}".format(*server.get_host_and_port())
        yield url, boto3_client(url)
    finally:
        server.stop()


@test(seconds=2)
def every_shape_of_chain_is_what_openssl_thinks_of_it():
    """The good ones verify below the five roots, the bad ones do not, but for those that only newer rules forbid."""
    made = pki.Pki("kms.eu-west-1.amazonaws.com", time.time())
    with folder() as d:
        (d / "ca").write_bytes(made.bundle)
        for name in (*pki.GOOD, *pki.BAD):
            pem, _ = made.chain(name)
            (d / "chain").write_bytes(pem)
            p = subprocess.run(["openssl", "verify", "-CAfile", d / "ca", "-untrusted", d / "chain", "-verify_hostname", made.host,
                                "-purpose", "sslserver", "-auth_level", "2", d / "chain"], capture_output=True, check=False)
            same(p.returncode == 0, name in pki.GOOD, f"{name}: {p.stdout.decode()}{p.stderr.decode()}")
