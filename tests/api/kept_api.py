"""What the local API keeps between calls of KMS: the recipient key and credentials; and what it does not keep."""

import base64
import os
import re
import signal
import threading
import time
from functools import partial

from .enclave import ACCESS, SECRET, Enclave, b64
from .enclave import enclave as any_enclave
from .lib import Fault, check, same, sleeps, sockets, soon, test, wait_for
from .lib import children as children_of

enclave = partial(any_enclave, near_primes=False)  # recipient keys that differ


def decrypt(e: Enclave, blob: bytes | None = None) -> object:
    return e.post("/v1/kms/decrypt", {"key_id": "orders", "ciphertext": b64(blob or e.kms.encrypt(e.key["orders"], SECRET, {}))})


def recipient_keys(e: Enclave) -> list[bytes]:
    """Of the documents that were made for KMS."""
    return [r.fields["public_key"] for r in e.nsm.requests if r.name == "Attestation" and r.fields.get("public_key")]


@test(seconds=15)
def the_recipient_key_is_kept_while_it_opens() -> None:
    """Good calls share a key, each with a document of its own; a refusal of KMS's does not change it."""
    with enclave() as e:
        for _ in range(3):
            decrypt(e).is_(200)
        e.kms.faults.append("error AccessDeniedException 400")
        check(decrypt(e).status != 200, "refused")
        decrypt(e).is_(200)
        same((len(recipient_keys(e)), len(set(recipient_keys(e)))), (5, 1), "documents and keys")


@test(seconds=30)
def the_recipient_key_is_renewed_after_an_opening_that_failed() -> None:
    """After each message that does not open, whatever the fault, the next call has another key; the failed one yields nothing."""
    with enclave() as e:
        for fault in ("cms-for-other-key", "cms-damaged", "cms-garbage"):
            e.kms.faults.append(fault)
            got = decrypt(e)
            check(got.status in (500, 502) and b64(SECRET) not in got.body.decode(), f"{fault}: {got}")
            decrypt(e).is_(200)
        keys = recipient_keys(e)
        same(len(set(keys)), 4, f"keys of {len(keys)} documents")
        check(keys[0] != keys[1] and keys[1] == keys[1], "the first one is not used again")
        same(len({k for k in keys if keys.count(k) > 2}), 0, "keys that were used after they had failed")


def children(e: Enclave) -> list[int]:
    return children_of(e._p.pid)


@test(seconds=10)
def a_child_that_calls_kms_may_die() -> None:
    """It is killed in a call: its caller gets 500, and the next one another key, since nobody knows what it had opened."""
    with enclave() as e:
        decrypt(e).is_(200)
        e.kms.faults.append("silent-before-answer")
        got: list = []
        t = threading.Thread(target=lambda: got.append(decrypt(e)))
        t.start()
        wait_for(lambda: not e.kms.faults and len(children(e)) == 1, "the call, and the end of the one before")
        os.kill(children(e)[0], signal.SIGKILL)
        t.join()
        got[0].is_(500, "job_died")
        decrypt(e).is_(200)
        keys = recipient_keys(e)
        check(keys[-1] != keys[0], "another key")


@test(seconds=10)
def children_that_call_kms_have_no_nsm() -> None:
    """Their documents come from another child: the NSM's descriptor is not theirs."""
    with enclave() as e:
        e.kms.faults.append("silent-before-answer")
        t = threading.Thread(target=lambda: decrypt(e))
        t.start()
        wait_for(lambda: not e.kms.faults and len(children(e)) == 1, "the call")
        child = children(e)[0]
        same(sockets(child) & sockets(e._p.pid), set(), "sockets that both have")
        os.kill(child, signal.SIGKILL)
        t.join()


@test(seconds=10)
def workers_are_bounded() -> None:
    """kms-workers calls at a time, and others wait for them; requests to the NSM are answered meanwhile."""
    with enclave("kms-workers = 2") as e:
        decrypt(e).is_(200)
        idle = len(sockets(e._p.pid))
        e.kms.faults += ["silent-before-answer"] * 2
        got: list = []
        threads = [threading.Thread(target=lambda: got.append(decrypt(e).status)) for _ in range(5)]
        for t in threads:
            t.start()
        wait_for(lambda: not e.kms.faults and len(children(e)) == 2, "two calls")
        wait_for(lambda: len(sockets(e._p.pid)) >= idle + 5 and sleeps(e._p.pid), "all five to be read")
        for _ in range(5):
            e.get("/v1/random").is_(200)
        wait_for(lambda: len(children(e)) == 2, "the end of the NSM's calls")
        same(len(e.kms.connections), 3, "calls that came to KMS")
        for pid in children(e):
            os.kill(pid, signal.SIGKILL)
        for t in threads:
            t.join()
        same(sorted(got), [200, 200, 200, 500, 500], "what became of them")


@test(seconds=10)
def a_kms_that_is_silent_costs_its_caller_alone() -> None:
    """kms-timeout ends the call with the client's words; others are served meanwhile."""
    with enclave("kms-timeout = 2s") as e:
        def silence() -> float:
            e.kms.faults.append("silent-before-answer")
            began = time.monotonic()
            decrypt(e).is_(504)
            took = time.monotonic() - began
            check(took > 1.9, f"it was over in {took:.1f} s")
            e.kms.faults.clear()
            return took
        soon(silence, 30, "a call of 2 s")
        # Two seconds are too few for a busy machine now and then.
        wait_for(lambda: decrypt(e).status == 200, "an answer")
    with enclave() as e:
        e.kms.faults.append("silent-before-answer")
        t = threading.Thread(target=lambda: decrypt(e))
        t.start()
        wait_for(lambda: not e.kms.faults and len(children(e)) == 1, "the call")
        child = children(e)[0]
        decrypt(e).is_(200)
        e.get("/v1/random").is_(200)
        check(child in children(e), "the silent call is over")
        os.kill(child, signal.SIGKILL)
        t.join()


@test(seconds=10)
def credentials_are_kept_and_given_to_those_who_may() -> None:
    """GET /v1/credentials as SDKs read them; one fetch for many calls; others after KMS has refused these."""
    with enclave("allow = credentials any") as e:
        wait_for(lambda: e.get("/v1/credentials").status == 200, "credentials")
        got = e.get("/v1/credentials").json
        same((got["AccessKeyId"], got["SecretAccessKey"], got["Token"]), (*ACCESS, ""), "the credentials")
        check(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", got["Expiration"]), f"{got['Expiration']}")
        decrypt(e).is_(200)
        e.kms.faults.append("error ExpiredTokenException 400")
        decrypt(e).is_(200)
        same([s.status for s in e.kms.seen], [200, 400, 200], "what KMS answered")
        e.credentials.unlink()  # what is there goes on to be used
        decrypt(e).is_(200)


def memory_of(pid: int) -> bytes:
    out = []
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            ends, rights, *_ = line.split()
            begin, end = (int(x, 16) for x in ends.split("-"))
            if rights.startswith("rw") and end - begin < 1 << 28:
                try:
                    mem.seek(begin)
                    out.append(mem.read(end - begin))
                except OSError:
                    pass
    return b"".join(out)


@test(seconds=10)
def secrets_are_not_left_in_memory() -> None:
    """After an answer neither the secret nor its base64 is in the process's memory, in whichever form it was asked for."""
    secret = os.urandom(30)
    shapes = [secret, base64.b64encode(secret)]
    with enclave() as e:
        e.kms.encrypt(e.key["orders"], SECRET, {})
        blob = e.kms.encrypt(e.key["orders"], secret, {})
        for headers in ({}, {"Accept": "application/octet-stream"}):
            got = e.post("/v1/kms/decrypt", {"key_id": "orders", "ciphertext": b64(blob)}, **headers).is_(200)
            check(any(s in got.body for s in shapes), "the secret came")
            wait_for(lambda: not children(e), "the child's end")
            e.get("/v1/health").is_(200)  # what sent the answer has come to its end by then
            found = memory_of(e._p.pid)
            check(len(found) > 1000000 and b"orders" in found, "the memory was read")
            same([s in found for s in shapes], [False, False], "the secret in the process's memory")


@test(seconds=34)
def a_call_that_runs_out_of_time_costs_no_key() -> None:
    """Where KMS is silent, calls that waited for their turn are ended in the midst of theirs: the key was not tried, and stays."""
    with enclave("kms-workers = 1", "kms-timeout = 30s") as e:  # in which good calls have ended
        decrypt(e).is_(200)
        e.kms.faults += ["silent-before-answer"] * 2
        got: list = []
        threads = [threading.Thread(target=lambda: got.append(decrypt(e).status)) for _ in range(2)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        same(got, [504, 504], "what became of them")
        e.kms.faults.clear()
        decrypt(e).is_(200)
        same(len(set(recipient_keys(e))), 1, f"keys of {len(recipient_keys(e))} documents")


@test(seconds=30)
def a_call_keeps_its_key_while_others_get_another() -> None:
    """Its document waits for the NSM while the key is renewed: it is over the key that the call has, and is answered."""
    with enclave() as e:
        decrypt(e).is_(200)
        e.kms.faults.append("silent-before-answer")
        got: dict[str, object] = {}

        def begin(name: str, what: object) -> threading.Thread:
            t = threading.Thread(target=lambda: got.update({name: what()}))
            t.start()
            return t

        threads = [begin("dies", lambda: decrypt(e))]
        wait_for(lambda: not e.kms.faults and len(children(e)) == 1, "the call that dies")
        first = children(e)[0]
        e.nsm.faults["GetRandom"] = Fault(delay_s=1)  # of 256 that it makes, and one or two for the key
        before = e.nsm.count("GetRandom")
        threads.append(begin("holds", lambda: e.get("/v1/random?bytes=65536")))
        wait_for(lambda: e.nsm.count("GetRandom") > before and len(children(e)) == 2, "the NSM to be busy")
        threads.append(begin("waits", lambda: decrypt(e)))
        wait_for(lambda: len(children(e)) == 3 and sleeps(e._p.pid), "the call that waits for its document")
        os.kill(first, signal.SIGKILL)
        # The child that makes another key is started before the end of the call is told, and may be gone at once.
        wait_for(lambda: "dies" in got and len(children(e)) == 2 and sleeps(e._p.pid), "another key")
        e.nsm.faults.clear()
        for t in threads:
            t.join()
        got["dies"].is_(500, "job_died")
        got["holds"].is_(200)
        got["waits"].is_(200)
        decrypt(e).is_(200)
        keys = recipient_keys(e)
        same(([keys.index(k) for k in keys]), [0, 0, 0, 3], "which key each document has")
