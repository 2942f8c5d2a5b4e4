"""What KMS, or who stands in its place, may answer: each answer that must not be used is refused by name, nothing comes out."""

import re

from . import cms
from .fake_kms import ACCOUNT, REGION, SECRET_OF
from .lib import CONTEXT, REFUSED, SECRET, TOP, Done, Failure, check, same, test, wait_for, world


def refused(fault: str, name: str, *words: str, attempts: int | None = 1) -> Done:
    """FAULT ends `kms decrypt` in the error NAME, after that many requests, and nothing of the secret comes out."""
    with world() as w:
        w.kms.always = fault
        try:
            done = w.fails(name, *words)
        except Failure as e:
            raise Failure(f"{fault}: {e}") from None
        if attempts is not None:
            same(len(w.kms.seen), attempts, f"requests after {fault}")
        return done


def refused_by_cms(fault: str) -> str:
    with world() as w:
        w.kms.always = fault
        done = w.decrypt("--json").is_(REFUSED, "kms: ")
        return done.error["code"]


def accepted(*faults: str, attempts: int = 1) -> None:
    with world() as w:
        for fault in faults:
            w.kms.seen.clear()
            w.kms.always = fault
            w.kms.delay_s = 0.0005
            w.decrypt().is_(0, out=SECRET)
            same(len(w.kms.seen), attempts, f"requests with {fault}")


# --- answers in the clear ---

@test
def a_plaintext_instead_is_refused():
    """What a KMS answers that ignores Recipient, or a parent that has a key of its own."""
    refused("plaintext-instead", "PLAINTEXT")


@test
def a_plaintext_beside_is_refused():
    """Even if what is for the recipient is there as well."""
    refused("plaintext-too", "PLAINTEXT")


@test
def a_null_or_empty_plaintext_is_none():
    """KMS's documentation allows both."""
    accepted("plaintext-null", "plaintext-empty")


@test(seconds=2)
def plaintexts_of_all_operations_are_refused():
    """By the member that each of them has."""
    with world() as w:
        ecdh = w.kms.new_key("ECC_NIST_P256", "KEY_AGREEMENT")
        (w.path / "peer").write_bytes(w.kms.new_key("ECC_NIST_P256", "KEY_AGREEMENT").public_der)
        words = {"GenerateDataKey": ("generate-data-key", "--key", w.key.arn),
                 "GenerateDataKeyPair": ("generate-data-key-pair", "--key", w.key.arn, "--key-spec", "ECC_NIST_P256"),
                 "GenerateRandom": ("generate-random", "--bytes", 16),
                 "DeriveSharedSecret": ("derive-shared-secret", "--key", ecdh.arn, "--public-key", w.path / "peer")}
        for fault in ("plaintext-instead", "plaintext-too"):
            for target, command in words.items():
                w.kms.seen.clear()
                w.kms.always = fault
                w.run(*command, "--json").fails("PLAINTEXT")
                same(w.kms.targets(), [target], "the request")
                check(SECRET_OF[target], "a member")


@test
def nothing_for_the_recipient_is_refused():
    """No member, null, or an empty one."""
    for fault in ("no-ciphertext-for-recipient", "ciphertext-for-recipient-null", "ciphertext-for-recipient-empty"):
        refused(fault, "NO_RECIPIENT")


# --- answers of another key ---

@test
def an_answer_of_another_key_is_refused():
    """KeyId is compared with the ARN that was asked for: the parent may have let its own key answer."""
    done = refused("other-key-id", "ANSWER_KEY")
    check("000000000000" in done.err, f"the other key is not named: {done.err}")


@test
def an_answer_without_key_is_refused():
    """Absent, null, or no text."""
    for fault in ("no-key-id", "key-id-null", "key-id-number"):
        refused(fault, "ANSWER", "KeyId")


@test
def a_message_for_another_recipient_is_refused():
    """CMS that names another key, and such that is damaged or no CMS: nothing of it comes out."""
    refused("cms-for-other-key", "NSMC_E_CMS_OTHER_KEY")
    refused("cms-damaged", "NSMC_E_DECRYPT")
    for fault in ("cms-cut", "cms-trailing", "cms-garbage"):
        check(refused_by_cms(fault).startswith("NSMC_E_CMS_"), fault)


@test(seconds=2)
def a_secret_of_another_length_is_refused():
    """Of a data key and of random bytes it is known how long they are; nothing at all is no secret."""
    with world() as w:
        w.kms.always = "cms-substituted"  # by 20 bytes
        key = ("generate-data-key", "--key", w.key.arn)
        for words in ((*key, "--key-spec", "AES_256"), (*key, "--key-spec", "AES_128"), (*key, "--bytes", 21),
                      ("generate-random", "--bytes", 1024)):
            w.run(*words, "--json").fails("ANSWER", "its secret has 20 bytes, others than were asked for")
        w.run("generate-random", "--bytes", 20).is_(0)
        w.kms.always = "cms-of-nothing"
        check(w.decrypt("--json").error["code"] in ("KMSC_E_ANSWER", "NSMC_E_DECRYPT"), "nothing is taken for a secret")


@test(seconds=2)
def every_form_of_cms_is_taken():
    """KMS's two, the other three that RFC 5652 allows, and LocalStack's version 0."""
    with world() as w:
        for form in cms.FORMS:
            w.kms.form = form
            w.decrypt().is_(0, out=SECRET)


# --- JSON that is not as it should be ---

@test(seconds=2)
def malformed_answers_are_refused():
    """A member twice, no JSON, cut, more behind it, nested without end, bytes that are not UTF-8 or base64."""
    for fault in ("duplicate-member", "duplicate-ciphertext", "cut-json", "trailing-json", "array", "empty-body", "no-json",
                  "html", "bad-utf8", "nul-in-json", "nested", "not-base64", "base64-unpadded"):
        refused(fault, "ANSWER")


@test
def a_message_that_is_too_long_is_refused():
    """CiphertextForRecipient has at most 6144 bytes."""
    refused("cms-too-long", "ANSWER")


@test
def long_words_of_kms_leave_the_request_id():
    """It stands behind them on the line."""
    with world() as w:
        w.kms.faults.append("error NotFoundException 400 long")
        w.fails("NOT_FOUND", "the message of NotFound", "request id ")
        check(w.kms.seen[-1].request_id, "the fake gives one")


@test
def what_is_not_known_is_skipped():
    """Members of any kind, escaped names and slashes, and no request id."""
    accepted("unknown-members", "escaped", "no-request-id", "record-16k", "body-60k")


# --- HTTP that is not as it should be ---

@test
def chunked_answers_are_read():
    """In chunks of any size, with extensions and a trailer; ended by the connection; HTTP/1.0; after a 100."""
    accepted("chunked", "chunked-bytewise", "chunked-extension", "informational-first")


@test
def two_answers_are_one_too_many():
    """Bytes behind an answer: nothing is read of them, and the connection is not used again."""
    with world() as w:
        w.kms.always = "pipelined"
        done = w.decrypt()
        check((done.code, done.out) == (0, SECRET) or (done.code and not done.out), done.story)


@test(seconds=3)
def answers_that_are_not_http_are_refused():
    """Both kinds of length, two lengths, none that is a number, no HTTP/1, headers without colon or with NUL, a redirect."""
    for fault in ("chunked-and-length", "chunked-bad-size", "chunked-too-huge-size", "length-twice", "length-negative", "length-huge",
                  "length-no-number", "header-without-colon", "header-nul", "no-http", "http-2", "lf-only", "upgrade"):
        refused(fault, "HTTP", attempts=None)


@test
def a_redirect_is_not_followed():
    """KMS has none."""
    refused("redirect", "REFUSED", "301")


@test(seconds=2)
def long_answers_are_refused():
    """More than 100 lines of headers, 16 KiB of them, 64 KiB of a body: at once, and without what they would take."""
    refused("header-lines-101", "TOO_LONG")
    refused("header-16k", "TOO_LONG")
    refused("body-too-large", "TOO_LONG")
    refused("endless-headers", "TOO_LONG")
    refused("endless-body", "TOO_LONG")
    for fault in ("endless-100", "endless-chunks"):
        refused(fault, "TOO_LONG")


@test(seconds=10)
def cut_answers_are_no_answers():
    """Fewer bytes than said, half of the headers, an end before or in the middle; the request is made again, and fails at last."""
    for fault in ("truncated", "length-too-long", "chunked-cut", "header-only", "empty", "eof-before-answer", "reset-before-answer"):
        refused(fault, "CLOSED", attempts=4)


@test
def a_cut_answer_is_asked_for_again():
    """And nobody notices."""
    with world() as w:
        w.kms.faults += ["truncated", "eof-before-answer"]
        w.decrypt().is_(0, out=SECRET)
        same(len(w.kms.seen), 3, "requests")


@test
def an_answer_needs_no_close_notify():
    """If all of it came: AWS's servers send none after a reset."""
    accepted("without-close-notify")


@test
def a_server_that_stays_is_left():
    """It keeps the connection open after the answer: nobody waits for it."""
    with world() as w:
        w.kms.always = "kept-open"
        w.decrypt().is_(0, out=SECRET)
        wait_for(lambda: w.kms.connections[0][1], "the connection's end")


@test(seconds=4)
def a_bytewise_answer_is_read():
    """One byte a record, within the call's time; beyond that it is a timeout."""
    accepted("bytewise")


# --- errors of KMS ---

@test
def a_refusal_says_what_was_shown():
    """AccessDenied: KMS's words, the request id, the PCRs of the document, the key."""
    with world() as w:
        w.key.policy = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*", "Condition": {
            "StringEqualsIgnoreCase": {"kms:RecipientAttestation:PCR0": "00" * 48}}}]}
        done = w.fails("DENIED", "AccessDeniedException", w.key.arn, w.nsm.pcr(0).hex(), w.nsm.pcr(8).hex(),
                       "is not authorized to perform: kms:Decrypt")
        check(w.kms.seen[0].request_id in done.err, f"no request id: {done.err}")
        same(len(w.kms.seen), 1, "requests")


@test
def a_refusal_in_debug_mode_says_so():
    """PCR0 is zero then, which no policy but a test's allows."""
    with world() as w:
        for n in (0, 1, 2, 8):
            w.nsm.set_pcr(n, bytes(48))
        w.key.policy = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*", "Condition": {
            "StringEqualsIgnoreCase": {"kms:RecipientAttestation:PCR0": "11" * 48}}}]}
        w.fails("DENIED", "AccessDeniedException", "debug mode")


@test(seconds=2)
def errors_are_told_in_every_form():
    """With and without message, prefix#Code, Code:url, Message; no control character of theirs reaches a terminal."""
    for form in ("plain", "Message", "prefix", "url", "no-message", "control", "long"):
        done = refused(f"error NotFoundException 400 {form}", "NOT_FOUND", "NotFoundException")
        check(("the message of" in done.err) == (form not in ("no-message",)), f"{form}: {done.err}")


@test(seconds=2)
def errors_that_stop_are_not_repeated():
    """Each code of KMS's that another try would not change."""
    for error, name in {
            "AccessDeniedException": "DENIED", "InvalidCiphertextException": "CIPHERTEXT", "IncorrectKeyException": "OTHER_KEY",
            "NotFoundException": "NOT_FOUND", "DisabledException": "REFUSED", "KMSInvalidStateException": "REFUSED",
            "InvalidKeyUsageException": "REFUSED", "InvalidGrantTokenException": "REFUSED", "UnsupportedOperationException": "REFUSED",
            "ValidationException": "REFUSED", "InvalidSignatureException": "SIGNATURE", "IncompleteSignatureException": "SIGNATURE",
            "SomethingNewException": "REFUSED"}.items():
        refused(f"error {error}", name, error)


@test
def errors_of_who_is_not_kms_are_told():
    """A proxy's page, an empty 403: the status is named."""
    refused("error X 403 html", "REFUSED", "403")
    refused("error X 404 empty", "REFUSED", "404")


@test
def a_ciphertext_of_another_context_is_refused():
    """By KMS, whose words are shown."""
    with world() as w:
        w.run("decrypt", "--json", "--key", w.key.arn, "--context", "app=other", w.secret_file).fails("CIPHERTEXT")
        other = w.kms.new_key()
        w.fails("OTHER_KEY", key=other.arn)
        w.fails("NOT_FOUND", key=f"arn:aws:kms:{REGION}:{ACCOUNT}:key/00000000-0000-0000-0000-000000000000")
        same(CONTEXT, {"app": "orders"}, "what the tests know")


@test
def the_guide_knows_the_errors():
    """Each message in the table of docs/kms.md is one of the programs', or a code of AWS's."""
    guide = (TOP / "docs/kms.md").read_text().partition("## What errors mean")[2].partition("\n## ")[0]
    sources = "".join(p.read_text() for p in (TOP / "nsm/kms").rglob("*.c"))
    quoted = [span for line in guide.splitlines() if line.startswith("| ") for span in re.findall("`([^`]+)`", line.split("|")[1])]
    check(len(quoted) > 10, f"{len(quoted)} messages")
    for span in quoted:
        for part in re.split(r": (?:vsock:3:8000: )?", span.removeprefix("aws kms put-key-policy")):
            check(part in sources, f"no {part!r} in nsm/kms")
