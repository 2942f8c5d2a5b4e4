"""POST /v1/kms/...: KMS in plain JSON, by names of keys, as curl and small programs ask for it."""

from base64 import b64decode

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_private_key
from suite import check, same, test

from .enclave import SECRET, Answer, b64, enclave

KEYS = {"orders": ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "context.app=orders"), "agree": ("ECC_NIST_P256", "KEY_AGREEMENT", "")}


def is_error(got: Answer, status: int, code: str, *words: str) -> None:
    got.is_(status, *words)
    same((got.headers["content-type"], got.json["error"]["code"]), ("application/json", code), f"{got.body!r}")


@test(seconds=2)
def the_five_operations_answer_in_plain_json() -> None:
    """Each with its own members, in lower case; KMS has seen a document, the ARN and what is pinned."""
    with enclave(keys=KEYS) as e:
        arn = e.key["orders"].arn
        blob = b64(e.kms.encrypt(e.key["orders"], SECRET, {"app": "orders", "a": "b"}))
        got = e.post("/v1/kms/decrypt", {"key_id": "orders", "ciphertext": blob, "encryption_context": {"a": "b"}}).is_(200).json
        same((got["plaintext"], got["key_id"]), (b64(SECRET), arn), "decrypt")
        got = e.post("/v1/kms/generate-data-key", {"key_id": "orders", "key_spec": "AES_256"}).is_(200).json
        again = e.post("/v1/kms/decrypt", {"key_id": "orders", "ciphertext": got["ciphertext"]}).is_(200).json
        same((again["plaintext"], e.kms.seen[-1].body["EncryptionContext"]), (got["plaintext"], {"app": "orders"}), "a data key")
        got = e.post("/v1/kms/generate-data-key-pair", {"key_id": arn, "key_pair_spec": "ECC_NIST_P256"}).is_(200).json
        check(got.keys() >= {"private_key", "private_key_ciphertext", "public_key", "key_id", "key_pair_spec"}, f"{got.keys()}")
        got = e.post("/v1/kms/generate-random", {"number_of_bytes": 12}).is_(200).json
        same((got.keys(), len(got["plaintext"])), ({"plaintext"}, 16), "generate-random")
        other = ec.generate_private_key(ec.SECP256R1())
        public = other.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        got = e.post("/v1/kms/derive-shared-secret",
                     {"key_id": "agree", "public_key": b64(public), "key_agreement_algorithm": "ECDH"}).is_(200).json
        same(got["shared_secret"], b64(other.exchange(ec.ECDH(), e.key["agree"].private.public_key())), "derive-shared-secret")
        for seen in e.kms.seen:
            check(seen.document, f"{seen.target} had no document")


@test
def one_result_may_come_as_bytes() -> None:
    """Accept: application/octet-stream gives the plaintext alone; where there is more it is refused before KMS."""
    octets = {"Accept": "application/octet-stream"}
    with enclave(keys=KEYS) as e:
        blob = b64(e.kms.encrypt(e.key["orders"], SECRET, {"app": "orders"}))
        got = e.post("/v1/kms/decrypt", {"key_id": "orders", "ciphertext": blob}, **octets).is_(200)
        same((got.headers["content-type"], got.body), ("application/octet-stream", SECRET), "decrypt")
        same(len(e.post("/v1/kms/generate-random", {"number_of_bytes": 77}, **octets).is_(200).body), 77, "generate-random")
        count = len(e.kms.seen)
        is_error(e.post("/v1/kms/generate-data-key", {"key_id": "orders", "key_spec": "AES_256"}, **octets), 406, "not_acceptable")
        same(len(e.kms.seen), count, "requests")


@test
def a_pair_is_a_private_key_of_its_public_one() -> None:
    """PKCS#8 and SubjectPublicKeyInfo, both DER."""
    with enclave(keys=KEYS) as e:
        got = e.post("/v1/kms/generate-data-key-pair", {"key_id": "orders", "key_pair_spec": "RSA_2048"}).is_(200).json
        private = load_der_private_key(b64decode(got["private_key"]), None)
        same(b64(private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)), got["public_key"], "the pair")


@test
def what_is_refused_says_why() -> None:
    """Status and code by what it is: ours, the configuration's, KMS's, the way's."""
    with enclave(keys=KEYS) as e:
        blob = b64(e.kms.encrypt(e.key["orders"], SECRET, {"app": "orders"}))
        body = {"key_id": "orders", "ciphertext": blob}
        is_error(e.post("/v1/kms/decrypt", b"{"), 400, "not_json")
        is_error(e.post("/v1/kms/decrypt", {"key_id": "orders"}), 400, "bad_member", "ciphertext")
        is_error(e.post("/v1/kms/decrypt", {**body, "context": {}}), 400, "bad_member", "context is no member of this operation; openapi.yaml lists")
        is_error(e.post("/v1/kms/decrypt", {**body, "CiphertextBlob": blob}), 400, "bad_member", "CiphertextBlob")
        is_error(e.post("/v1/kms/decrypt", {**body, "key_id": "other"}), 403, "key_not_configured", "other")
        is_error(e.post("/v1/kms/decrypt", {**body, "encryption_context": {"app": "x"}}), 403, "context_pinned", "app")
        is_error(e.post("/v1/kms/decrypt", {"ciphertext": blob}), 400, "key_ambiguous")
        for path in ("/v1/kms/encrypt", "/v1/kms/", "/v1/kms/Decrypt", "/v1/kms/decrypt/"):
            is_error(e.post(path, {}), 404, "no_route")
        e.get("/v1/kms/decrypt").is_(405)
        for type_ in ("text/plain", "application/x-www-form-urlencoded", "application/x-amz-json-1.1"):  # as a page's form, or an SDK
            is_error(e.post("/v1/kms/decrypt", body, Content_Type=type_), 415, "media_type")
        same(e.kms.seen, [], "what came to KMS")
        e.key["orders"].state = "Disabled"
        is_error(e.post("/v1/kms/decrypt", body), 400, "DisabledException", e.key["orders"].arn)
        e.key["orders"].policy = {"Version": "2012-10-17", "Statement": [
            {"Effect": "Deny", "Principal": "*", "Action": "kms:*", "Resource": "*"}]}
        is_error(e.post("/v1/kms/decrypt", body), 403, "AccessDeniedException", "PCR0")
        e.kms.faults.append("plaintext-instead")
        e.key["orders"].state, e.key["orders"].policy = "Enabled", {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"}]}
        got = e.post("/v1/kms/decrypt", body)
        is_error(got, 502, "KMSC_E_PLAINTEXT")
        check(b64(SECRET) not in got.body.decode(), "it has the plaintext")


@test
def what_passes_is_repeated_for_the_caller() -> None:
    """Other than at POST /: curl repeats nothing."""
    with enclave(keys=KEYS) as e:
        e.kms.faults += ["error KMSInternalException 500", "eof-before-answer"]
        e.post("/v1/kms/generate-random", {"number_of_bytes": 1}).is_(200)
        same(len(e.kms.seen), 3, "requests")
