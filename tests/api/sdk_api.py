"""AWS's SDKs as programs use them, with KMS's endpoint at the local API: attested KMS in every language, with no change of code."""

import base64
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import sdks
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_private_key
from suite import Failure, check, same, test

from .enclave import ACCESS, DEADLINE_S, MUSL, SECRET, Enclave, enclave

ATTESTED = {"Version": "2012-10-17", "Statement": [{
    "Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*",
    "Condition": {"StringEqualsIgnoreCase": {"kms:RecipientAttestation:ImageSha384": "ab" * 48}}}]}


def each(seconds: int = 3):
    """A test by each SDK: FUNCTION_by_SDK."""
    def register(function):
        for name in sdks.NAMES:
            def run(name: str = name) -> None:
                function(name)
            run.__name__, run.__doc__, run.__module__ = f"{function.__name__}_by_{name}", function.__doc__, function.__module__
            test(seconds)(run)
        return function
    return register


def refused(c: sdks.Client, op: str, **given: object) -> sdks.Refused:
    try:
        got = c.call(op, **given)
    except sdks.Refused as e:
        return e
    raise Failure(f"{c.name} got an answer: {got}")


def retried(e: Enclave, c: sdks.Client, op: str, **given: object) -> int:
    """How many requests KMS saw of one call."""
    before = len(e.kms.seen)
    c.call(op, **given)
    return len(e.kms.seen) - before


def is_attested(e: Enclave, at: int = -1) -> None:
    check(e.kms.seen[at].document, f"{e.kms.seen[at].target} came to KMS without a document")


@each(4)
def the_five_operations_are_answered_as_kms_answers(name: str) -> None:
    """Each answer has the secret where KMS puts it, nothing of a Recipient, and the members that KMS has beside it."""
    keys = {"orders": ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", ""), "agree": ("ECC_NIST_P256", "KEY_AGREEMENT", "")}
    with enclave(keys=keys) as e, sdks.Client(name, e.port) as c:
        arn = e.key["orders"].arn
        blob = e.kms.encrypt(e.key["orders"], SECRET, {"app": "orders"})

        got = c.call("Decrypt", CiphertextBlob=blob, KeyId=arn, EncryptionContext={"app": "orders"})
        same((got["Plaintext"], got["KeyId"], got["EncryptionAlgorithm"]), (SECRET, arn, "SYMMETRIC_DEFAULT"), "Decrypt")
        same(got["KeyMaterialId"], e.key["orders"].material_id, "Decrypt's KeyMaterialId")
        check(not got.get("CiphertextForRecipient"), "CiphertextForRecipient is in an answer")

        got = c.call("GenerateDataKey", KeyId="alias/orders", KeySpec="AES_256", EncryptionContext={"n": "1"})
        same((len(got["Plaintext"]), got["KeyId"]), (32, arn), "GenerateDataKey")
        again = c.call("Decrypt", CiphertextBlob=got["CiphertextBlob"], EncryptionContext={"n": "1"}, KeyId="orders")
        same(again["Plaintext"], got["Plaintext"], "the data key, decrypted")

        got = c.call("GenerateDataKeyPair", KeyId="orders", KeyPairSpec="ECC_NIST_P256")
        private = load_der_private_key(got["PrivateKeyPlaintext"], None)
        same(private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo), got["PublicKey"], "the pair")
        again = c.call("Decrypt", CiphertextBlob=got["PrivateKeyCiphertextBlob"], KeyId=arn)
        same(again["Plaintext"], got["PrivateKeyPlaintext"], "the private key, decrypted")
        same(got["KeyPairSpec"], "ECC_NIST_P256", "KeyPairSpec")

        same(len(c.call("GenerateRandom", NumberOfBytes=77)["Plaintext"]), 77, "GenerateRandom")

        other = ec.generate_private_key(ec.SECP256R1())
        public = other.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        got = c.call("DeriveSharedSecret", KeyId="agree", KeyAgreementAlgorithm="ECDH", PublicKey=public)
        same(got["SharedSecret"], other.exchange(ec.ECDH(), e.key["agree"].private.public_key()), "DeriveSharedSecret")
        same((got["KeyAgreementAlgorithm"], got["KeyOrigin"]), ("ECDH", "AWS_KMS"), "DeriveSharedSecret's other members")
        for i in range(len(e.kms.seen)):
            is_attested(e, i)
        check(e.kms.seen[0].body["KeyId"] == arn, "KMS got another name than the ARN")


@each()
def what_is_encrypted_there_is_decrypted_there(name: str) -> None:
    """Encrypt is passed on and signed again; its answer can be decrypted by the document alone."""
    with enclave() as e, sdks.Client(name, e.port) as c:
        e.key["orders"].policy = {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": ["kms:Encrypt", "kms:DescribeKey"], "Resource": "*"},
            *ATTESTED["Statement"]]}
        e.nsm.set_pcr(0, b"\xab" * 48)
        blob = c.call("Encrypt", KeyId="orders", Plaintext=SECRET, EncryptionContext={"a": "b"})["CiphertextBlob"]
        same(c.call("Decrypt", KeyId="orders", CiphertextBlob=blob, EncryptionContext={"a": "b"})["Plaintext"], SECRET, "it")
        same(c.call("DescribeKey", KeyId="orders")["KeyMetadata"]["Arn"], e.key["orders"].arn, "DescribeKey")
        same([s.principal for s in e.kms.seen], [e.kms.credentials["AKIDEXAMPLE"].principal] * 3, "who has signed")


@each()
def the_sdks_own_exceptions_come_out(name: str) -> None:
    """Another context, another image's policy, a disabled key: the class that programs catch, with KMS's words and its id."""
    classes = {"boto3": {"InvalidCiphertextException": "InvalidCiphertextException", "AccessDeniedException": "ClientError",
                         "DisabledException": "DisabledException"},
               "go": {"InvalidCiphertextException": "*types.InvalidCiphertextException",
                      "AccessDeniedException": "*smithy.GenericAPIError", "DisabledException": "*types.DisabledException"},
               "node": {"InvalidCiphertextException": "InvalidCiphertextException", "AccessDeniedException": "KMSServiceException",
                        "DisabledException": "DisabledException"},
               "rust": {"InvalidCiphertextException": "InvalidCiphertextException", "AccessDeniedException": "Unhandled",
                        "DisabledException": "DisabledException"},
               "java": {"InvalidCiphertextException": "InvalidCiphertextException", "AccessDeniedException": "KmsException",
                        "DisabledException": "DisabledException"}}[name]

    def is_(got: sdks.Refused, code: str) -> None:
        last = e.kms.seen[-1]
        same((got.cls, got.code, got.status), (classes[code], code, 400), f"{code}: {got}")
        same(got.request_id, last.request_id, f"the request id of {code}")

    with enclave() as e, sdks.Client(name, e.port) as c:
        blob = e.kms.encrypt(e.key["orders"], SECRET, {"app": "orders"})
        is_(refused(c, "Decrypt", CiphertextBlob=blob, EncryptionContext={"app": "other"}), "InvalidCiphertextException")
        e.key["orders"].policy = ATTESTED
        got = refused(c, "Decrypt", CiphertextBlob=blob, EncryptionContext={"app": "orders"})
        is_(got, "AccessDeniedException")
        check("is not authorized to perform: kms:Decrypt" in got.message and "PCR0" in got.message,
              f"what KMS and the document say: {got.message}")
        e.nsm.set_pcr(0, b"\xab" * 48)
        same(c.call("Decrypt", CiphertextBlob=blob, EncryptionContext={"app": "orders"})["Plaintext"], SECRET, "the right image")
        e.key["orders"].state = "Disabled"
        is_(refused(c, "Decrypt", CiphertextBlob=blob, EncryptionContext={"app": "orders"}), "DisabledException")
        same(len(e.kms.seen), 4, "requests: none of these is repeated")


@each(5)
def throttling_is_repeated_by_the_sdk_alone(name: str) -> None:
    """A throttled call is begun again as often as the SDK does that, three times, and not three times four."""
    with enclave() as e, sdks.Client(name, e.port) as c:
        blob = e.kms.encrypt(e.key["orders"], SECRET)
        e.kms.faults += ["error ThrottlingException"]
        same(retried(e, c, "Decrypt", CiphertextBlob=blob), 2, "requests for one that is throttled once")
        e.kms.faults += ["error KMSInternalException 500"]
        same(retried(e, c, "Decrypt", CiphertextBlob=blob), 2, "requests for one that fails once")
        e.kms.always = "error ThrottlingException"
        before = len(e.kms.seen)
        got = refused(c, "Decrypt", CiphertextBlob=blob)
        same((got.code, got.status), ("ThrottlingException", 400), f"{got}")
        # The SDK for Java makes four of it, unless its retry mode is set.
        same(len(e.kms.seen) - before, 4 if name == "java" else 3, "requests for one that is always throttled")


@each()
def a_key_that_is_not_configured_is_refused(name: str) -> None:
    """By any of its names, and also where KMS finds it in the ciphertext; nothing of another's is passed on."""
    with enclave() as e, sdks.Client(name, e.port) as c:
        other = e.kms.new_key(aliases=("alias/other",))
        blob = e.kms.encrypt(other, SECRET)
        for key_id in (other.arn, other.arn.rpartition("/")[2], "alias/other"):
            for op, more in (("Decrypt", {"CiphertextBlob": blob}), ("GenerateDataKey", {"KeySpec": "AES_256"}), ("DescribeKey", {}),
                             ("Encrypt", {"Plaintext": b"x"})):
                got = refused(c, op, KeyId=key_id, **more)
                same((got.code, got.status), ("AccessDeniedException", 400), f"{op}: {got}")
                check(key_id in got.message and got.request_id, f"{got}")
        same(e.kms.seen, [], "what came to KMS")
        got = refused(c, "Decrypt", CiphertextBlob=blob)
        same(got.code, "IncorrectKeyException", f"the only key is meant: {got}")


@each()
def credentials_that_end_are_fetched_again(name: str) -> None:
    """The program notices nothing, whatever credentials it has itself."""
    with enclave() as e, sdks.Client(name, e.port) as c:
        blob = e.kms.encrypt(e.key["orders"], SECRET)
        same(c.call("Decrypt", CiphertextBlob=blob)["Plaintext"], SECRET, "before")
        e.kms.credentials["AKIDEXAMPLE"].expired = True
        e.kms.credentials["ASIANEXT"] = type(e.kms.credentials["AKIDEXAMPLE"])(secret="n" * 40, token="token-of-the-next")
        e.set_credentials("ASIANEXT", "n" * 40, "token-of-the-next")
        same(c.call("Decrypt", CiphertextBlob=blob)["Plaintext"], SECRET, "after their end")
        check(e.kms.seen[-1].headers.get("x-amz-security-token") == "token-of-the-next", "the new ones were not taken")


@each()
def without_credentials_the_reason_is_told(name: str) -> None:
    """Where the enclave has none the SDK says what it waits for, and gets its answer as soon as there are some."""
    with enclave(prepare=lambda e: e.credentials.unlink()) as e, sdks.Client(name, e.port) as c:
        got = refused(c, "GenerateRandom", NumberOfBytes=1)
        same((got.code, got.status), ("ServiceUnavailableException", 503), f"{got}")
        check("credentials" in got.message, f"{got}")
        same(e.kms.seen, [], "what came to KMS")
        e.set_credentials(*ACCESS)
        end = time.monotonic() + DEADLINE_S
        while True:
            try:
                c.call("GenerateRandom", NumberOfBytes=1)
                break
            except sdks.Refused as e2:
                same(e2.code, "ServiceUnavailableException", f"{e2}")
                check(time.monotonic() < end, f"credentials are not found: {e2}")


@test(seconds=6)
def more_calls_at_a_time_than_connections_wait_their_turn() -> None:
    """SDKs open a connection for each call of a program: 80 at once are all answered, and idle ones of others are no hindrance."""
    with enclave(program=MUSL) as e, ExitStack() as stack:
        idle = [stack.enter_context(sdks.Client("go", e.port)) for _ in range(3)]
        for c in idle:
            c.call("GenerateRandom", NumberOfBytes=1)
        with ThreadPoolExecutor(80) as pool:
            got = list(pool.map(lambda n: e.aws("GenerateRandom", {"NumberOfBytes": n}), range(1, 81)))
        same({a.status for a in got}, {200}, "statuses")
        same([len(base64.b64decode(a.json["Plaintext"])) for a in got], list(range(1, 81)), "bytes")
        for c in idle:
            c.call("GenerateRandom", NumberOfBytes=1)


@test(seconds=5)
def the_encryption_sdk_makes_and_opens_envelopes() -> None:
    """Under two keys, with what the configuration pins in their encryption context, and each of them is enough to open one."""
    keys = {n: ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "context.app=orders") for n in ("orders", "spare")}
    with enclave(keys=keys) as e:
        orders, spare = e.key["orders"].arn, e.key["spare"].arn
        sealed = sdks.encryption_sdk(e.port, "encrypt", orders, spare, "file=1", stdin=SECRET)
        same(e.kms.targets(), ["GenerateDataKey", "Encrypt"], "what it asked KMS for")
        for seen in e.kms.seen:
            context = seen.body["EncryptionContext"]
            check(context["file"] == "1" and context["app"] == "orders" and "aws-crypto-public-key" in context, f"{context}")
        is_attested(e, 0)
        for arn in (orders, spare):
            same(sdks.encryption_sdk(e.port, "decrypt", arn, "file=1", stdin=sealed), SECRET, f"the envelope, opened by {arn}")
            is_attested(e)
