"""What mkeif policy prints, judged as KMS judges policies (kms/policy.py) and by the forms of AWS's own pages."""

import hashlib
import json
from pathlib import Path

from images.keys import key_pair
from kms import policy

from .lib import ASAN, DONE, MKEIF, REFUSED, USAGE, Eif, check, folder, run, same, test
from .sign_pack import image, pcr, sign

ACCOUNT = "111122223333"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/service/enclave"
ADMIN = f"arn:aws:iam::{ACCOUNT}:role/Admin"
KEY = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
PCR3 = bytes.fromhex(pcr(ROLE.encode()))
CONTEXT = {"app": "orders"}


def pcrs_of(eif: Eif, role: str = ROLE, **more: bytes) -> dict[int, bytes]:
    """The PCRs of an enclave of EIF, as the hypervisor makes them."""
    out = {int(name[3:]): bytes.fromhex(value) for name, value in eif.measurements().items()}
    return {**out, 3: bytes.fromhex(pcr(role.encode())), 4: bytes(48), 8: bytes(48),
            **{int(name[3:]): value for name, value in more.items()}}


def allowed(doc: dict, action: str, pcrs: dict[int, bytes] | None, principal: str = ROLE,
            context: dict[str, str] | None = None) -> bool:
    return policy.allows(doc, action, principal, policy.context_of(pcrs, context or {}, principal))


def printed(*args: object, program: Path = ASAN) -> dict:
    done = run("policy", *args, "--quiet", program=program).is_(DONE)
    same(done.err, "", f"stderr of {done.command}")
    same(done.text, json.dumps(done.json, indent=2) + "\n", "its form")
    return policy.check(done.json)


@test
def one_enclave_alone_is_answered() -> None:
    """Image and role as asked for: all else, no document and a debug enclave's among it, is refused."""
    with folder() as tmp:
        eif = image(tmp / "x.eif")
        other = pcrs_of(image(tmp / "other.eif", cmdline="console=ttyS1"))
        good = pcrs_of(eif)
        for program in (MKEIF, ASAN):
            doc = printed(tmp / "x.eif", "--role", ROLE, "--key", KEY, program=program)
            for action in ("Decrypt", "GenerateDataKey"):
                check(allowed(doc, action, good), f"{action} is refused: {doc}")
                for what, pcrs, principal in (
                        ("another image", other, ROLE), ("another role's instance", pcrs_of(eif, ADMIN), ROLE),
                        ("another principal", good, ADMIN), ("debug mode", dict.fromkeys(range(16), bytes(48)), ROLE),
                        ("no document", None, ROLE)):
                    check(not allowed(doc, action, pcrs, principal), f"{action} of {what} is allowed: {doc}")
            for action in ("GenerateDataKeyPair", "DeriveSharedSecret", "Encrypt", "ReEncryptFrom", "PutKeyPolicy"):
                check(not allowed(doc, action, good), f"{action} is allowed: {doc}")


@test
def its_form_is_that_of_aws_pages() -> None:
    """Member for member what AWS's guide of KMS, its guides for enclaves and its samples have."""
    with folder() as tmp:
        eif = image(tmp / "x.eif")
        pcr0 = eif.measurements()["PCR0"]
        doc = printed(tmp / "x.eif", "--role", ROLE)
        same(doc, {"Version": "2012-10-17", "Statement": [{
            "Sid": "EnclaveAlone", "Effect": "Allow", "Principal": {"AWS": ROLE},
            "Action": ["kms:Decrypt", "kms:GenerateDataKey"], "Resource": "*",
            "Condition": {"StringEqualsIgnoreCase": {
                "kms:RecipientAttestation:ImageSha384": pcr0, "kms:RecipientAttestation:PCR3": PCR3.hex()}}}]}, "the policy")


@test
def deny_holds_against_other_statements() -> None:
    """What IAM's policies, grants or a careless statement allow, --deny refuses; the enclave is answered."""
    careless = {"Sid": "Root", "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "kms:*",
                "Resource": "*"}
    with folder() as tmp:
        eif = image(tmp / "x.eif")
        good, other = pcrs_of(eif), pcrs_of(image(tmp / "other.eif", cmdline="console=ttyS1"))
        open_, shut = printed(tmp / "x.eif", "--role", ROLE), printed(tmp / "x.eif", "--role", ROLE, "--deny")
        for doc in (open_, shut):
            doc["Statement"].append(careless)
        check(allowed(open_, "Decrypt", None), "the careless statement allows nothing")
        for what, pcrs in (("no document", None), ("another image", other), ("another role", pcrs_of(eif, ADMIN))):
            for action in ("Decrypt", "DeriveSharedSecret", "ReEncryptFrom"):
                check(not allowed(shut, action, pcrs), f"{action} of {what} is allowed: {shut}")
        check(allowed(shut, "Decrypt", good), f"the enclave is refused: {shut}")
        # Others may encrypt for it.
        check(allowed(shut, "Encrypt", None) and allowed(shut, "GenerateDataKey", None), f"nobody can encrypt: {shut}")


@test
def a_signer_can_stand_for_the_image() -> None:
    """--pcr 3,8 of a signed image, and of a certificate before there is an image: any image that is signed so."""
    with folder() as tmp:
        eif = image(tmp / "x.eif")
        key, cert = key_pair(tmp)
        sign(tmp / "x.eif", key, cert, tmp / "y.eif").is_(DONE)
        pcr8 = bytes.fromhex(next(line.split()[1] for line in run("pcr", "--cert", cert).is_(DONE).text.splitlines()))
        same(pcr8.hex(), pcr(hashlib.sha384(_der(cert)).digest()), "PCR8")
        docs = [printed(tmp / "y.eif", "--role", ROLE, "--pcr", "3,8"), printed("--role", ROLE, "--cert", cert),
                printed("--role", ROLE, "--pcr", f"8={pcr8.hex().upper()}", "--pcr", "3")]
        for doc in docs:
            same(doc, docs[0], "the policy")
        check(allowed(docs[0], "Decrypt", pcrs_of(eif, PCR8=pcr8)), f"the signed image is refused: {docs[0]}")
        check(not allowed(docs[0], "Decrypt", pcrs_of(eif)), f"the image without a signature is answered: {docs[0]}")
        run("policy", tmp / "y.eif", "--role", ROLE).is_(DONE, "the image is signed")
        run("policy", tmp / "x.eif", "--role", ROLE, "--pcr", "8").is_(USAGE, "PCR8: its value is not known")


def _der(cert: Path) -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding
    return x509.load_pem_x509_certificate(cert.read_bytes()).public_bytes(Encoding.DER)


@test
def more_can_be_asked_for() -> None:
    """An instance, a PCR of one's own, an encryption context, actions; and who may look after the key."""
    with folder() as tmp:
        eif = image(tmp / "x.eif")
        own = hashlib.sha384(b"own").digest()
        instance = bytes.fromhex(pcr(b"i-1234567890abcdef0"))
        doc = printed(tmp / "x.eif", "--role", ROLE, "--instance", "i-1234567890abcdef0", "--pcr", "0,3", "--pcr",
                      f"16={own.hex()}", "--context", "app=orders", "--action", "kms:Decrypt", "--action",
                      "generatedatakeypair", "--admin", ADMIN, "--deny")
        good = pcrs_of(eif, PCR4=instance, PCR16=own)
        for action in ("Decrypt", "GenerateDataKeyPair"):
            check(allowed(doc, action, good, context=CONTEXT), f"{action} is refused: {doc}")
            check(not allowed(doc, action, good), f"{action} without its context is allowed: {doc}")
            check(not allowed(doc, action, good, context={"app": "other"}), f"{action} with another context is allowed: {doc}")
            for n in (0, 3, 4, 16):
                check(not allowed(doc, action, {**good, n: bytes(48)}, context=CONTEXT), f"PCR{n} is not asked for: {doc}")
        check(not allowed(doc, "GenerateDataKey", good, context=CONTEXT), f"GenerateDataKey is allowed: {doc}")
        writer = f"arn:aws:iam::{ACCOUNT}:role/Lambda"
        doc = printed(tmp / "x.eif", "--role", ROLE, "--encrypt", writer, "--encrypt", ADMIN, "--admin", ADMIN, "--deny")
        for who in (writer, ADMIN):
            check(allowed(doc, "Encrypt", None, who) and not allowed(doc, "Decrypt", None, who), f"{who}: {doc}")
        check(not allowed(doc, "Encrypt", None), f"the parent encrypts: {doc}")
        for action, may in (("PutKeyPolicy", True), ("ScheduleKeyDeletion", True), ("DescribeKey", True), ("Decrypt", False),
                            ("CreateGrant", False), ("GenerateDataKey", False)):
            same(allowed(doc, action, None, ADMIN), may, f"{action} of {ADMIN}")


@test
def what_a_policy_does_not_do_is_said() -> None:
    """By notes on stderr, as long as they are true."""
    with folder() as tmp:
        image(tmp / "x.eif")
        words = run("policy", tmp / "x.eif", "--role", ROLE).is_(DONE).err
        for part in ("each statement that allows Decrypt needs the condition", "in debug mode all PCRs are zero", "--admin ARN"):
            check(part in words, f"without {part!r}: {words}")
        words = run("policy", tmp / "x.eif", "--role", ROLE, "--deny", "--admin", ADMIN).is_(DONE).err
        check("each statement" not in words and "--admin" not in words, f"too many words: {words}")
        other = KEY.replace(ACCOUNT, "444455556666")
        run("policy", tmp / "x.eif", "--role", ROLE, "--key", other).is_(DONE, "of another account")


@test
def a_policy_that_keeps_nobody_out_is_refused() -> None:
    """So is one of words that are not what they should be; nothing is printed then."""
    with folder() as tmp:
        image(tmp / "x.eif")
        eif, zeros = tmp / "x.eif", "0" * 96
        for args, err in (
                ((eif,), "--role is missing"),
                ((eif, "--role", "enclave"), "not the ARN of a role"),
                ((eif, "--role", ROLE.replace(":role/", ":instance-profile/")), "not the ARN of a role"),
                ((eif, "--role", ROLE + "/"), "not the ARN of a role"),
                ((eif, "--role", ROLE.replace(ACCOUNT, "1")), "not the ARN of a role"),
                ((eif, "--role", ROLE, "--key", "alias/orders"), "not the full ARN"),
                ((eif, "--role", ROLE, "--key", KEY.replace(":key/", ":alias/")), "not the full ARN"),
                ((eif, "--role", ROLE, "--key", KEY.replace("aws:kms:eu-west-1", "aws-cn:kms:cn-north-1")), "two partitions"),
                ((eif, "--role", ROLE, "--pcr", "3"), "any code of anybody's"),
                (("--role", ROLE), "any code of anybody's"),
                ((eif, "--role", ROLE, "--pcr", f"0={zeros}"), "debug mode"),
                ((eif, "--role", ROLE, "--pcr", "0=12"), "not 96 hex digits"),
                ((eif, "--role", ROLE, "--pcr", "32"), "a list of numbers"),
                ((eif, "--role", ROLE, "--pcr", "0,,3"), "a list of numbers"),
                ((eif, "--role", ROLE, "--pcr", "-1"), "a list of numbers"),
                ((eif, "--role", ROLE, "--pcr", "0 3"), "a list of numbers"),
                ((eif, "--role", ROLE, "--pcr", "0,16"), "PCR16: its value is not known"),
                ((eif, "--role", ROLE, "--action", "GenerateRandom"), "about no key"),
                ((eif, "--role", ROLE, "--action", "Encrypt"), "none of Decrypt"),
                ((eif, "--role", ROLE, "--action", "*"), "none of Decrypt"),
                ((eif, "--role", ROLE, "--context", "app"), "not NAME=VALUE"),
                ((eif, "--role", ROLE, "--admin", "me"), "--admin me: not the ARN"),
                ((eif, "--role", ROLE, "--encrypt", "me"), "--encrypt me: not the ARN"),
                ((eif, "--role", ROLE, "--role-arn", ROLE), "did you mean --role")):
            for program in (MKEIF, ASAN):
                done = run("policy", *args, program=program).is_(USAGE, err)
                same(done.text, "", f"stdout of {done.command}")
        (tmp / "bad.eif").write_bytes(eif.read_bytes()[:-1])
        run("policy", tmp / "bad.eif", "--role", ROLE).is_(REFUSED)
