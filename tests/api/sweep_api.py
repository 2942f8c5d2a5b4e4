"""Every fault of the fake KMS behind the local API: a program gets its secret or an error, never anything else, and the API lives on."""

import base64
import threading

from kms.fake_kms import FAULTS
from kms.lib import wait_for
from suite import check, same, test

from .enclave import SECRET, Enclave, enclave

CONTEXT = {"app": "orders"}
# What an answer may still be good in spite of; all others have to end in an error.
HARMLESS = {
    "bytewise", "chunked", "chunked-bytewise", "chunked-extension", "escaped", "informational-first", "kept-open", "no-request-id",
    "plaintext-empty", "plaintext-null", "record-16k", "body-60k", "unknown-members", "without-close-notify",
}
# And what decides nothing: bytes behind a whole answer, an end where a length would be, members that nobody relies on.
EITHER = {"header-folded", "http-1.0", "lf-only", "no-length", "other-algorithm", "pipelined"}
# Whoever answers in KMS's place, within its TLS, can do this: docs/kms.md, "What to know".
BEYOND = {"cms-substituted"}


def ask(e: Enclave, fault: str) -> str:
    """What came of a Decrypt: "secret", or the code of an error."""
    e.kms.always = fault
    got = e.aws("Decrypt", {"CiphertextBlob": base64.b64encode(e.kms.encrypt(e.key["orders"], SECRET, CONTEXT)).decode(),
                            "KeyId": e.key["orders"].arn, "EncryptionContext": CONTEXT})
    if got.status == 200:
        same(got.json.keys() & {"CiphertextForRecipient", "Recipient"}, set(), f"{fault}: members of a Recipient")
        return "secret" if base64.b64decode(got.json["Plaintext"]) == SECRET else f"another plaintext: {got.body!r}"
    check(base64.b64encode(SECRET)[:16] not in got.body and SECRET.strip() not in got.body, f"{fault}: the secret is in {got.body!r}")
    return got.json.get("__type") or f"no __type: {got.body!r}"


@test(seconds=20)
def each_fault_of_kms_is_an_error_or_harmless():
    """One after the other to one API: no wrong plaintext, no part of one in an error, and a good answer after each."""
    silent = {f for f in FAULTS if f.startswith("silent")}
    wrong = []

    def all_of(e: Enclave, faults: list[str]) -> None:
        e.kms.delay_s = 0
        for fault in faults:
            got = ask(e, fault)
            is_named = got.endswith(("Exception", "Failure")) or "_E_" in got
            if not (got == "secret" or is_named) or ((got == "secret") != (fault in HARMLESS) and fault not in EITHER):
                wrong.append(f"{fault}: {got}")

    with enclave() as e:
        all_of(e, sorted(set(FAULTS) - BEYOND - silent))
        same(ask(e, ""), "secret", "the last answer")
    with enclave("kms-timeout = 2s") as e:
        all_of(e, sorted(silent))
        # Two seconds are too few for a busy machine now and then.
        wait_for(lambda: ask(e, "") == "secret", "a good answer after silence")
    same(wrong, [], "what came of a fault")


@test(seconds=10)
def callers_do_not_get_each_others_answers():
    """Two dozen at once, each with a secret of its own, while every third answer of KMS is broken in some way."""
    with enclave() as e:
        kinds = ("truncated", "error ThrottlingException", "html", "eof-before-answer", "plaintext-instead", "other-key-id")
        e.kms.faults += [kinds[i // 3 % len(kinds)] if i % 3 == 0 else "unknown-members" for i in range(48)]
        wrong: list[str] = []

        def one(n: int) -> None:
            mine = f"secret {n}".encode()
            got = e.aws("Decrypt", {"CiphertextBlob": base64.b64encode(e.kms.encrypt(e.key["orders"], mine, {"n": str(n)})).decode(),
                                    "EncryptionContext": {"n": str(n)}})
            if got.status == 200 and base64.b64decode(got.json["Plaintext"]) != mine:
                wrong.append(f"{n} got {got.body!r}")
            elif got.status != 200 and "__type" not in got.json:
                wrong.append(f"{n}: {got.status} {got.body!r}")

        threads = [threading.Thread(target=one, args=(n,)) for n in range(24)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        same(wrong, [], "what callers got")
        check(len(e.kms.seen) >= 24, f"{len(e.kms.seen)} requests")
