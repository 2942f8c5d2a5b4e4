"""AWS's protocol at POST /, byte by byte: what SDKs never send, what KMS must never be sent, and what its faults become."""

import json

from suite import check, same, test

from .enclave import SECRET, Answer, Enclave, b64, enclave

PINNED = {"orders": ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "context.app=orders context.stage=live")}
TWO = {"orders": ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", ""), "logs": ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "")}
JSON = "application/x-amz-json-1.1"


def is_error(got: Answer, code: str, *words: str, status: int = 400) -> Answer:
    """An error as KMS's: its JSON, and the headers that SDKs read."""
    got.is_(status, *words)
    same(got.headers["content-type"], JSON, "Content-Type")
    same(got.json.keys(), {"__type", "message"}, "members of an error")
    same((got.json["__type"], got.headers["x-amzn-errortype"]), (code, code), f"{got.body!r}")
    check(len(got.headers["x-amzn-requestid"]) == 36, f"{got.headers}")
    return got


@test(seconds=2)
def an_answer_is_kmss_own_without_recipient() -> None:
    """Members, type and request id; nothing of the recipient, and the request id of KMS."""
    with enclave() as e:
        blob = e.kms.encrypt(e.key["orders"], SECRET)
        got = e.aws("Decrypt", {"CiphertextBlob": b64(blob), "KeyId": "orders"}).is_(200)
        same(got.json, {"Plaintext": b64(SECRET), "KeyId": e.key["orders"].arn, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
                        "KeyMaterialId": e.key["orders"].material_id}, "the answer")
        same((got.headers["content-type"], got.headers["x-amzn-requestid"]), (JSON, e.kms.seen[-1].request_id), "its head")
        same(got.headers["cache-control"], "no-store", "who may keep it")


@test
def a_callers_signature_is_not_looked_at() -> None:
    """None, a wrong one, another region's, a session token: what it may do the configuration says."""
    with enclave() as e:
        body = {"CiphertextBlob": b64(e.kms.encrypt(e.key["orders"], SECRET))}
        scope = "Credential=AKIDOTHER/20200101/us-east-1/kms/aws4_request, SignedHeaders=host, Signature=" + "0" * 64
        for headers in ({}, {"Authorization": f"AWS4-HMAC-SHA256 {scope}"}, {"Authorization": "nonsense"},
                        {"X_Amz_Security_Token": "a token of the caller", "X_Amz_Date": "19990101T000000Z"}):
            same(e.aws("Decrypt", body, **headers).is_(200).json["Plaintext"], b64(SECRET), f"with {headers}")
        for seen in e.kms.seen:
            check(seen.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"), f"{seen.headers}")
            check("x-amz-security-token" not in seen.headers, "the caller's token was passed on")


@test
def a_callers_recipient_is_refused() -> None:
    """Whoever brings a document of its own would get an answer that nobody here can read."""
    with enclave() as e:
        for op, more in (("Decrypt", {"CiphertextBlob": "AAAA"}), ("GenerateRandom", {"NumberOfBytes": 1}),
                         ("GenerateDataKey", {"KeyId": "orders", "KeySpec": "AES_256"})):
            recipient = {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": "hA=="}
            is_error(e.aws(op, {**more, "Recipient": recipient}), "ValidationException", "Recipient")
        same(e.kms.seen, [], "what came to KMS")


@test
def a_request_that_is_none_is_refused_before_kms() -> None:
    """Each with the exception that KMS has for it."""
    with enclave() as e:
        blob = b64(e.kms.encrypt(e.key["orders"], SECRET))
        serialization = [b"", b"nonsense", b"[]", b'{"CiphertextBlob":', b'{"KeyId":"a","KeyId":"b"}', b"\xff", b'"a"',
                         b'{"a":' * 20 + b"1" + b"}" * 20]
        for body in serialization:
            got = e.aws("Decrypt", body)
            check(got.status == 400 and got.json["__type"] in ("SerializationException", "ValidationException"), f"{body!r}: {got}")
        validation: list[tuple[str, dict, str]] = [
            ("Decrypt", {}, "CiphertextBlob"), ("Decrypt", {"CiphertextBlob": "!"}, "CiphertextBlob"),
            ("Decrypt", {"CiphertextBlob": ""}, "CiphertextBlob"), ("Decrypt", {"CiphertextBlob": 1}, "CiphertextBlob"),
            ("Decrypt", {"CiphertextBlob": b64(bytes(6145))}, "CiphertextBlob"),
            ("Decrypt", {"CiphertextBlob": blob, "EncryptionContexts": {}}, "EncryptionContexts"),
            ("Decrypt", {"CiphertextBlob": blob, "EncryptionContext": {"a": 1}}, "EncryptionContext"),
            ("Decrypt", {"CiphertextBlob": blob, "EncryptionContext": [["a", "b"]]}, "EncryptionContext"),
            ("Decrypt", {"CiphertextBlob": blob, "KeyId": 7}, "KeyId"),
            ("GenerateRandom", {"NumberOfBytes": 0}, "NumberOfBytes"), ("GenerateRandom", {"NumberOfBytes": 1025}, "NumberOfBytes"),
            ("GenerateRandom", {"NumberOfBytes": 1.5}, "NumberOfBytes"), ("GenerateRandom", {}, "NumberOfBytes"),
            ("GenerateDataKey", {"KeyId": "orders"}, ""), ("Encrypt", {"KeyId": "orders"}, "Plaintext"),
            ("Encrypt", {"KeyId": "orders", "Plaintext": "AA==", "Other": 1}, "Other"),
        ]
        for op, body, words in validation:
            is_error(e.aws(op, body), "ValidationException", words)
        for target in ("TrentService.Nothing", "TrentService.decrypt", "Decrypt", "Other.Decrypt", "TrentService.Decrypt ", ""):
            if target.strip() != "TrentService.Decrypt":
                is_error(e.post("/", {}, Content_Type=JSON, X_Amz_Target=target), "UnknownOperationException")
        is_error(e.post("/", {}, Content_Type=JSON), "UnknownOperationException", "AWS's SDKs")
        is_error(e.aws("Decrypt", {"CiphertextBlob": blob}, Content_Type="text/plain"), "SerializationException", JSON)
        same(e.kms.seen, [], "what came to KMS")


@test
def what_manages_keys_is_not_passed_on() -> None:
    """Nor what names no key at all."""
    with enclave() as e:
        for op in ("ListKeys", "ListAliases", "CreateKey", "ScheduleKeyDeletion", "DisableKey", "PutKeyPolicy", "CreateGrant",
                   "GetKeyPolicy", "UpdateAlias", "ImportKeyMaterial", "ReplicateKey"):
            is_error(e.aws(op, {"KeyId": "orders"}), "UnknownOperationException")
        same(e.kms.seen, [], "what came to KMS")


@test
def what_is_pinned_goes_with_each_call() -> None:
    """The measured context is added; who gives the same may, who gives another value is refused, and KMS hears nothing of it."""
    with enclave(keys=PINNED) as e:
        pinned = {"app": "orders", "stage": "live"}
        blob = b64(e.kms.encrypt(e.key["orders"], SECRET, {**pinned, "tenant": "7"}))
        foreign = b64(e.kms.encrypt(e.key["orders"], SECRET, {"tenant": "7"}))
        body = {"KeyId": "orders", "CiphertextBlob": blob, "EncryptionContext": {"tenant": "7"}}
        e.aws("Decrypt", body).is_(200)
        e.aws("Decrypt", {**body, "EncryptionContext": {"tenant": "7", "app": "orders"}}).is_(200)
        is_error(e.aws("Decrypt", {**body, "CiphertextBlob": foreign}), "InvalidCiphertextException")
        made = e.aws("GenerateDataKey", {"KeyId": "orders", "KeySpec": "AES_128"}).is_(200)
        same(e.kms.seen[-1].body["EncryptionContext"], pinned, "GenerateDataKey's context")
        e.aws("GenerateDataKeyPair", {"KeyId": "orders", "KeyPairSpec": "ECC_NIST_P256"}).is_(200)
        same(e.kms.seen[-1].body["EncryptionContext"], pinned, "GenerateDataKeyPair's")
        e.aws("Encrypt", {"KeyId": "orders", "Plaintext": "AAAA", "EncryptionContext": {"x": "y"}}).is_(200)
        same(e.kms.seen[-1].body["EncryptionContext"], {**pinned, "x": "y"}, "Encrypt's")
        e.aws("GenerateDataKeyWithoutPlaintext", {"KeyId": "orders", "KeySpec": "AES_128"}).is_(200)
        same(e.kms.seen[-1].body["EncryptionContext"], pinned, "GenerateDataKeyWithoutPlaintext's")
        e.aws("Decrypt", {"CiphertextBlob": made.json["CiphertextBlob"]}).is_(200)
        count = len(e.kms.seen)
        for op, more in (("Decrypt", {"CiphertextBlob": blob}), ("GenerateDataKey", {"KeySpec": "AES_256"}),
                         ("Encrypt", {"Plaintext": "AAAA"}), ("GenerateDataKeyPair", {"KeyPairSpec": "RSA_2048"})):
            got = e.aws(op, {"KeyId": "orders", "EncryptionContext": {"stage": "test"}, **more})
            is_error(got, "AccessDeniedException", "stage", "orders")
        same(len(e.kms.seen), count, "requests that came to KMS")


@test
def a_ciphertext_goes_from_key_to_key_with_what_both_pin() -> None:
    """ReEncrypt has two keys, each with a context of its own; the answer is of the second one."""
    keys = {"orders": ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "context.app=orders"),
            "archive": ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "context.kept=yes")}
    with enclave(keys=keys) as e:
        blob = b64(e.kms.encrypt(e.key["orders"], SECRET, {"app": "orders", "n": "1"}))
        body = {"CiphertextBlob": blob, "SourceKeyId": "orders", "DestinationKeyId": "alias/archive",
                "SourceEncryptionContext": {"n": "1"}, "DestinationEncryptionContext": {"n": "2"}}
        got = e.aws("ReEncrypt", body).is_(200).json
        same((got["SourceKeyId"], got["KeyId"]), (e.key["orders"].arn, e.key["archive"].arn), "its keys")
        seen = e.kms.seen[-1].body
        same((seen["SourceEncryptionContext"], seen["DestinationEncryptionContext"]), ({"n": "1", "app": "orders"}, {"n": "2", "kept": "yes"}),
             "what KMS got")
        again = e.aws("Decrypt", {"KeyId": "archive", "CiphertextBlob": got["CiphertextBlob"], "EncryptionContext": {"n": "2"}})
        same(again.is_(200).json["Plaintext"], b64(SECRET), "the new ciphertext")
        count = len(e.kms.seen)
        is_error(e.aws("ReEncrypt", {**body, "DestinationEncryptionContext": {"kept": "no"}}), "AccessDeniedException", "archive", "kept")
        is_error(e.aws("ReEncrypt", {**body, "SourceEncryptionContext": {"app": "x"}}), "AccessDeniedException", "orders", "app")
        is_error(e.aws("ReEncrypt", {**body, "DestinationKeyId": "other"}), "AccessDeniedException", "other")
        is_error(e.aws("ReEncrypt", {k: v for k, v in body.items() if k != "SourceKeyId"}), "ValidationException", "SourceKeyId")
        same(len(e.kms.seen), count, "requests that came to KMS")


@test
def an_rsa_key_decrypts_by_its_algorithm() -> None:
    """With EncryptionAlgorithm, which comes back; without it KMS's own error."""
    with enclave(keys={"rsa": ("RSA_2048", "ENCRYPT_DECRYPT", "")}) as e:
        for algorithm in ("RSAES_OAEP_SHA_256", "RSAES_OAEP_SHA_1"):
            blob = b64(e.kms.rsa_encrypt(e.key["rsa"], SECRET, algorithm))
            got = e.aws("Decrypt", {"KeyId": "rsa", "CiphertextBlob": blob, "EncryptionAlgorithm": algorithm}).is_(200).json
            same((got["Plaintext"], got["EncryptionAlgorithm"]), (b64(SECRET), algorithm), algorithm)
        is_error(e.aws("Decrypt", {"KeyId": "rsa", "CiphertextBlob": blob}), "InvalidCiphertextException")


@test
def without_a_key_the_answers_key_must_be_configured() -> None:
    """Of two keys each may be the ciphertext's; of a third nothing comes back, though KMS has decrypted it."""
    with enclave(keys=TWO) as e:
        for name in TWO:
            blob = b64(e.kms.encrypt(e.key[name], SECRET))
            same(e.aws("Decrypt", {"CiphertextBlob": blob}).is_(200).json["KeyId"], e.key[name].arn, "the answer's key")
        other = b64(e.kms.encrypt(e.kms.new_key(), SECRET))
        got = is_error(e.aws("Decrypt", {"CiphertextBlob": other}), "AccessDeniedException", "configuration")
        check(b64(SECRET) not in got.body.decode(), "the plaintext of a foreign key came out")
        same(e.kms.seen[-1].status, 200, "KMS's own answer")
        is_error(e.aws("Encrypt", {"Plaintext": "AAAA"}), "ValidationException", "KeyId")
    with enclave(keys={**TWO, **PINNED}) as e:
        is_error(e.aws("Decrypt", {"CiphertextBlob": "AAAA"}), "ValidationException", "must be named")


@test
def a_key_has_four_names() -> None:
    """ARN, name, alias/name and id mean the same, and KMS is told the ARN alone."""
    with enclave(keys=TWO) as e:
        arn = e.key["orders"].arn
        blob = b64(e.kms.encrypt(e.key["orders"], SECRET))
        for name in (arn, "orders", "alias/orders", arn.rpartition("/")[2]):
            for op, more in (("Decrypt", {"CiphertextBlob": blob}), ("GenerateDataKey", {"NumberOfBytes": 7}),
                             ("Encrypt", {"Plaintext": "AAAA"}), ("DescribeKey", {})):
                e.aws(op, {"KeyId": name, **more}).is_(200)
                same(e.kms.seen[-1].body["KeyId"], arn, f"{op}'s KeyId for {name}")


def faults_become(e: Enclave, fault: str, status: int, code: str) -> None:
    e.kms.faults[:] = [fault] * 8  # more than anyone repeats
    blob = b64(e.kms.encrypt(e.key["orders"], SECRET))
    got = e.aws("Decrypt", {"KeyId": "orders", "CiphertextBlob": blob})
    e.kms.faults.clear()
    check(b64(SECRET) not in got.body.decode(), f"{fault}: the plaintext came out")
    same((got.status, got.json["__type"]), (status, code), f"{fault}: {got.body!r}")


@test(seconds=4)
def what_an_sdk_repeats_is_500() -> None:
    """Faults that pass are answered so that SDKs begin again; what must not be used, so that they do not."""
    with enclave() as e:
        for fault in ("closed-at-once", "eof-before-answer", "truncated", "closed-after-handshake"):
            faults_become(e, fault, 500, "KMSInternalException")
        for fault, code in (("plaintext-instead", "KMSC_E_PLAINTEXT"), ("plaintext-too", "KMSC_E_PLAINTEXT"),
                            ("other-key-id", "KMSC_E_ANSWER_KEY"), ("no-ciphertext-for-recipient", "KMSC_E_NO_RECIPIENT"),
                            ("no-json", "KMSC_E_ANSWER"), ("html", "KMSC_E_ANSWER")):
            faults_become(e, fault, 400, code)
        faults_become(e, "cms-for-other-key", 400, "NSMC_E_CMS_OTHER_KEY")
        faults_become(e, "error KMSInternalException 500", 500, "KMSInternalException")
        faults_become(e, "error AccessDeniedException 400 prefix", 400, "AccessDeniedException")
        faults_become(e, "error NotFoundException 400 Message", 400, "NotFoundException")
        e.aws("GenerateRandom", {"NumberOfBytes": 3}).is_(200)


@test
def an_error_of_kms_is_passed_on_with_its_words() -> None:
    """Code, message and request id; of forwarded operations, too."""
    with enclave() as e:
        e.key["orders"].state = "Disabled"
        for op, more in (("GenerateDataKey", {"KeySpec": "AES_256"}), ("Encrypt", {"Plaintext": "AAAA"})):
            got = e.aws(op, {"KeyId": "orders", **more}).is_(400, e.key["orders"].arn)
            same(got.json["__type"], "DisabledException", "its code")
            same(got.headers["x-amzn-requestid"], e.kms.seen[-1].request_id, f"the request id of {op}")


@test
def a_key_may_be_for_some_users_alone() -> None:
    """A rule for a key counts at POST /, too, also where the ciphertext names the key."""
    with enclave("allow = kms:logs user=nobody", keys=TWO) as e:
        e.aws("GenerateDataKey", {"KeyId": "orders", "KeySpec": "AES_256"}).is_(200)
        is_error(e.aws("GenerateDataKey", {"KeyId": "logs", "KeySpec": "AES_256"}), "AccessDeniedException", "logs")
        is_error(e.aws("Encrypt", {"KeyId": "logs", "Plaintext": "AAAA"}), "AccessDeniedException", "logs")
        blob = b64(e.kms.encrypt(e.key["logs"], SECRET))
        is_error(e.aws("Decrypt", {"CiphertextBlob": blob}), "AccessDeniedException")


@test
def what_http_refuses_comes_before_any_of_it() -> None:
    """A foreign Host, an Origin, a body that is too long: refused with statuses that no SDK repeats."""
    with enclave() as e:
        e.aws("GenerateRandom", {"NumberOfBytes": 1}, Host="kms.eu-west-1.amazonaws.com").is_(403)
        e.aws("GenerateRandom", {"NumberOfBytes": 1}, Origin="https://example.com").is_(403)
        e.aws("GenerateRandom", json.dumps({"NumberOfBytes": 1, "CustomKeyStoreId": "x" * 70000}).encode()).is_(413)
        same(e.kms.seen, [], "what came to KMS")
