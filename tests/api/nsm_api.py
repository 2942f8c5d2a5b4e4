"""What the local API says of the NSM: each route, each error of the device, and a device that hangs."""

import base64
import hashlib
import json
import os
import select
import signal
import threading
import time

import cbor2
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .lib import (ASAN, DEADLINE_S, MUSL, Api, Fault, api, check, children, free_port, head_of, read_answer, same, sleeps, soon, test,
                  wait_for)
from kms import pki
from kms.lib import run

NSM = ASAN.parent / "nsm"
OCTETS, CBOR = {"Accept": "application/octet-stream"}, {"Accept": "application/cbor"}


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def payload(document: bytes) -> dict:
    return cbor2.loads(cbor2.loads(document)[2] if isinstance(cbor2.loads(document), list) else cbor2.loads(document).value[2])


def fields(a: Api) -> dict:
    return a.nsm.requests[-1].fields


@test
def describe_is_as_the_tool_prints_it() -> None:
    """GET /v1/describe has the members of nsm describe --json, also in debug mode."""
    with api() as a:
        got = a.ask("GET", "/v1/describe").is_(200).json
        same(list(got), ["version_major", "version_minor", "version_patch", "module_id", "max_pcrs", "locked_pcrs", "digest", "debug"],
             "its members")
        same(got["module_id"], a.nsm.module_id, "module_id")
        same((got["locked_pcrs"], got["debug"]), (list(range(16)), False), "locked PCRs and debug mode")
        a.nsm.set_pcr(0, bytes(48))
        same(a.ask("GET", "/v1/describe").is_(200).json["debug"], True, "debug mode")


@test
def random_bytes_are_given_in_three_forms() -> None:
    """1 to 65536 random bytes as hex, as bytes, as a byte string of CBOR; never the same twice; other numbers are 400."""
    with api() as a:
        seen = set()
        for n in (1, 16, 255, 256, 257, 65536):
            hex_ = bytes.fromhex(a.ask("GET", f"/v1/random?bytes={n}").is_(200).json["random"])
            raw = a.ask("GET", f"/v1/random?bytes={n}", headers=OCTETS).is_(200).body
            item = cbor2.loads(a.ask("GET", f"/v1/random?bytes={n}", headers=CBOR).is_(200).body)
            same([len(hex_), len(raw), len(item)], [n] * 3, "lengths")
            seen |= {hex_, raw, item} if n >= 16 else set()
        same(len(seen), 15, "different ones")
        same(len(a.ask("GET", "/v1/random").is_(200).json["random"]), 64, "without a number")
        for wrong in ("0", "65537", "-1", "1x", "", "1&bytes=2", "%31%", "99999999999999999999", "0x10", "+1"):
            a.ask("GET", f"/v1/random?bytes={wrong}").is_(400, "bad_request", "1 to 65536")
        same(len(a.ask("GET", "/v1/random?x=y&bytes=%31").is_(200).json["random"]), 2, "an escaped number")


@test
def documents_are_made_of_json_and_cbor() -> None:
    """POST /v1/attestation: what a document has is what was asked for, from JSON, PEM and CBOR, and the forms of the answer."""
    key = pki.key("rsa2048", "recipient").public_key()
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    asked = {"nonce": b"n" * 32, "user_data": b"\0\xff", "public_key": der}
    with api() as a:
        for body, headers in (
            (json.dumps({k: b64(v) for k, v in asked.items()}).encode(), {"Content-Type": "application/json; charset=utf-8"}),
            (json.dumps({**{k: b64(v) for k, v in asked.items()}, "public_key": pem}).encode(), {}),
            (cbor2.dumps(asked), {"Content-Type": "application/cbor"}),
        ):
            got = a.ask("POST", "/v1/attestation", body, headers).is_(200)
            same(got.headers["content-type"], "application/cbor", "its type")
            p = payload(got.body)
            same({k: p[k] for k in asked}, asked, "what the document has")
        same(a.ask("POST", "/v1/attestation", {}, OCTETS).is_(200).headers["content-type"], "application/octet-stream", "its type")
        d = base64.b64decode(a.ask("POST", "/v1/attestation", {"nonce": None}, {"Accept": "application/json"}).is_(200).json["document"])
        same([payload(d)[k] for k in asked], [None] * 3, "what was not asked for")
        a.ask("POST", "/v1/attestation").is_(200)
        empty = a.ask("POST", "/v1/attestation", cbor2.dumps({"nonce": b"", "user_data": None}), {"Content-Type": "application/cbor"})
        same((fields(a)["nonce"], fields(a)["user_data"]), (b"", None), f"an empty nonce and none ({empty.status})")
        a.ask("POST", "/v1/attestation", {"nonce": b64(b"n" * 1024)}).is_(200)


WRONG = {
    "an unknown member": ({"nonse": "YQ=="}, 400),
    "a number": ({"nonce": 5}, 400),
    "1025 bytes": ({"nonce": b64(bytes(1025))}, 400),
    "no base64": ({"nonce": "a"}, 400),
    "the URL's base64": ({"nonce": "_-8="}, 400),
    "base64 with a line end": ({"nonce": "YW\nJj"}, 400),
    "an array": ([1], 400),
    "a text": ("a", 400),
    "twice": (b'{"nonce":"YQ==","nonce":"Yg=="}', 400),
    "depth": (b'{"nonce":' + b"[" * 20 + b"]" * 20 + b"}", 400),
    "no JSON": (b"{", 400),
    "two objects": (b"{}{}", 400),
    "no UTF-8": (b'{"nonce":"\xff"}', 400),
    "PKCS#1's PEM": ({"public_key": "-----BEGIN RSA PUBLIC KEY-----\nAAAA\n-----END RSA PUBLIC KEY-----\n"}, 400),
    "PEM without an end": ({"public_key": "-----BEGIN PUBLIC KEY-----\nAAAA\n"}, 400),
    "PEM with more": ({"public_key": "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\nx"}, 400),
    "the runtime's tag": ({"user_data": b64(b"enclave-init/1 ready")}, 403),
    "the runtime's tag alone": ({"user_data": b64(b"enclave-init/")}, 403),
}


@test
def what_is_asked_for_wrongly_is_refused() -> None:
    """Bodies that are no request for a document, and user data that only the runtime may have attested, are refused by name."""
    with api() as a:
        for what, (body, status) in WRONG.items():
            got = a.ask("POST", "/v1/attestation", body if isinstance(body, bytes) else json.dumps(body).encode(),
                        {"Content-Type": "application/json"})
            check(got.status == status, f"{what}: {got}")
        for body in (b"", b"\xa0\xa0", cbor2.dumps([1]), cbor2.dumps({"nonce": "text"}), cbor2.dumps({"x": b"a"}), b"\xa2\x65nonce\x40\x65nonce\x40",
                     b"\xa1\x65nonce\x5f\x41a\xff", b"\xa1\x65nonce\x5b\xff\xff\xff\xff\xff\xff\xff\xff", cbor2.dumps({"nonce": bytes(1025)})):
            a.ask("POST", "/v1/attestation", body, {"Content-Type": "application/cbor"}).is_(400, "bad_cbor")
        a.ask("POST", "/v1/attestation", cbor2.dumps({"user_data": b"enclave-init/x"}), {"Content-Type": "application/cbor"}).is_(403, "reserved")
        a.ask("POST", "/v1/attestation", b"nonce=1", {"Content-Type": "application/x-www-form-urlencoded"}).is_(415, "media_type")
        same(a.nsm.count("Attestation"), 0, "documents made")
        a.ask("POST", "/v1/attestation", {"user_data": b64(b"enclave-init")}).is_(200)


@test
def pcrs_are_read_extended_and_locked() -> None:
    """All routes of PCRs; data under a name are measured as nsm pcr extend --name does; a locked one is 409."""
    with api("allow = extend any") as a:
        all_ = a.ask("GET", "/v1/pcrs").is_(200).json["pcrs"]
        same([p["index"] for p in all_], list(range(32)), "indexes")
        same(a.ask("GET", "/v1/pcrs/0").is_(200).json, {"index": 0, "lock": True, "data": a.nsm.pcr(0).hex()}, "PCR0")
        same(a.ask("GET", "/v1/pcrs/0", headers=OCTETS).is_(200).body, a.nsm.pcr(0), "PCR0 as bytes")
        raw = a.ask("POST", "/v1/pcrs/16/extend", {"data": b64(b"hello")}).is_(200).json
        same(raw["data"], hashlib.sha384(bytes(48) + b"hello").hexdigest(), "extended")
        measured = hashlib.sha384(b"enclave-init measurement 1\0" + (4).to_bytes(8, "big") + b"name" + (5).to_bytes(8, "big") + b"hello")
        named = a.ask("POST", "/v1/pcrs/17/extend", {"name": "name", "data": b64(b"hello")}).is_(200).json
        same(named["data"], hashlib.sha384(bytes(48) + measured.digest()).hexdigest(), "measured")
        a.ask("POST", "/v1/pcrs/17/extend", {"name": "big", "data": b64(bytes(48000))}).is_(200)
        same(a.ask("POST", "/v1/pcrs/16/lock").is_(200).json, {**raw, "lock": True}, "locked")
        a.ask("POST", "/v1/pcrs/16/lock").is_(200)
        a.ask("POST", "/v1/pcrs/16/extend", {"data": "YQ=="}).is_(409, "NSMC_E_READ_ONLY_INDEX", "PCR16")
        same([p["lock"] for p in a.ask("POST", "/v1/pcrs/lock", {"indexes": [18, 31]}).is_(200).json["pcrs"]], [True, True], "locked ones")
        for path in ("/v1/pcrs/32", "/v1/pcrs/x", "/v1/pcrs/-1", "/v1/pcrs/00000"):
            a.ask("GET", path).is_(404, "no_pcr")
        for body in ({}, {"data": ""}, {"data": b64(bytes(4069))}, {"name": "", "data": "YQ=="}, {"name": "a" * 256, "data": "YQ=="},
                     {"name": "a"}, {"data": "YQ==", "x": 1}):
            a.ask("POST", "/v1/pcrs/20/extend", body).is_(400, "bad_request")
        for body in ({}, {"indexes": []}, {"indexes": [32]}, {"indexes": [21, "a"]}, {"indexes": 21}, {"indexes": [21] * 33}):
            a.ask("POST", "/v1/pcrs/lock", body).is_(400, "bad_request")
        check(not a.nsm.pcrs[20].locked and a.nsm.pcr(20) == bytes(48) and not a.nsm.pcrs[21].locked, "refused ones changed nothing")


@test
def verify_is_as_the_tool_prints_it() -> None:
    """POST /v1/verify says of good and bad documents what nsm verify --json says, to the byte; a refused one is 422."""
    with api() as a:
        root = b64(a.nsm.root.read_bytes())
        document = a.ask("POST", "/v1/attestation", {"nonce": "YWJj", "user_data": "eHk="}).is_(200).body
        file = a.path / "document"
        at = int(time.time())
        bad = document[:-1] + bytes([document[-1] ^ 1])
        for data, expected, words in (
            (document, {"pcrs": {"0": a.nsm.pcr(0).hex()}, "nonce": "YWJj"}, ["--pcr", f"0={a.nsm.pcr(0).hex()}", "--nonce", "base64:YWJj"]),
            (document, {"any_image": True, "max_age": 600, "no_public_key": True}, ["--any-image", "--max-age", 600, "--no-public-key"]),
            (document, {"any_image": True, "any_age": True, "user_data": "eHk="}, ["--any-image", "--any-age", "--user-data", "base64:eHk="]),
            (document, {"any_image": True, "nonce": "eHk="}, ["--any-image", "--nonce", "base64:eHk="]),
            (document, {"pcrs": {"3": "aa" * 48}, "any_age": True}, ["--pcr", f"3={'aa' * 48}", "--any-age"]),
            (bad, {"any_image": True, "any_age": True}, ["--any-image", "--any-age"]),
            (b"\x84", {"any_image": True, "any_age": True}, ["--any-image", "--any-age"]),
        ):
            got = a.ask("POST", "/v1/verify", {"document": b64(data), "roots": [root], "time": at, **expected})
            file.write_bytes(data)
            tool = run("verify", file, "--json", "--root", a.nsm.root, "--time", at, *words, program=NSM)
            wanted = json.loads(tool.out)
            wanted.get("document", {}).pop("algorithm", None)  # as large as the document's own, and always the same
            same(got.json, wanted, f"of {expected} ({tool.err})")
            same(got.status, 200 if tool.code == 0 else 422, f"the status ({got})")
        stored = {"document": b64(document), "roots": [root], "any_image": True, "time": "document"}
        same(a.ask("POST", "/v1/verify", stored).is_(200).json["time_of_document"], True, "by its own time")
        for body in ({}, {"document": "YQ=="}, {"document": "YQ==", "any_image": True}, {**stored, "max_age": 5}, {**stored, "time": "now"},
                     {**stored, "pcrs": {"32": "aa"}}, {**stored, "pcrs": {"1": "aa"}}, {**stored, "roots": ["YQ=="]},
                     {**stored, "nonce": "YQ==", "no_nonce": True}, {**stored, "any_image": 1}, {**stored, "leeway": 3601}):
            a.ask("POST", "/v1/verify", body).is_(400, "bad_request")
        same(a.ask("POST", "/v1/verify", {**stored, "roots": []}).json["code"], "NSMC_E_ROOT_OTHER", "with AWS's root")


ERRORS = {"InvalidArgument": (400, "NSMC_E_INVALID_ARGUMENT"), "InvalidIndex": (400, "NSMC_E_INVALID_INDEX"),
          "InvalidResponse": (502, "NSMC_E_INVALID_RESPONSE"), "ReadOnlyIndex": (409, "NSMC_E_READ_ONLY_INDEX"),
          "InvalidOperation": (502, "NSMC_E_INVALID_OPERATION"), "BufferTooSmall": (502, "NSMC_E_BUFFER_TOO_SMALL"),
          "InputTooLarge": (400, "NSMC_E_INPUT_TOO_LARGE"), "InternalError": (502, "NSMC_E_INTERNAL_ERROR"),
          "Surprise": (502, "NSMC_E_UNKNOWN")}


@test
def errors_of_the_nsm_have_their_names() -> None:
    """Each refusal of the NSM, each errno and answers that are none come through by name, and the next call is made."""
    with api() as a:
        for refusal, (status, code) in ERRORS.items():
            a.nsm.faults["GetRandom"] = Fault(refusal=refusal, times=1)
            a.ask("GET", "/v1/random").is_(status, code)
        for errno, status in ((5, 502), (12, 503), (13, 503), (110, 504), (22, 400)):
            a.nsm.faults["GetRandom"] = Fault(errno=errno, times=1)
            a.ask("GET", "/v1/random").is_(status)
        for fault, code in ((Fault(cut=3, times=1), "NSMC_E_TRUNCATED"), (Fault(answer=b"\xff", times=1), "NSMC_E_MALFORMED")):
            a.nsm.faults["GetRandom"] = fault
            a.ask("GET", "/v1/random").is_(502, code)
        a.nsm.faults["Attestation"] = Fault(refusal="InternalError", times=1)
        a.ask("POST", "/v1/attestation", {}).is_(502, "NSMC_E_INTERNAL_ERROR")
        a.ask("GET", "/v1/random").is_(200)


@test(seconds=10)
def a_call_that_hangs_is_left_behind() -> None:
    """A call that the NSM does not answer is 504 at its deadline; meanwhile others than the NSM's are answered, and afterwards all are."""
    with api() as a, a.connect() as s:
        a.nsm.faults["GetRandom"] = Fault(hang=True, times=1)
        s.sendall(head_of("GET", "/v1/random"))
        wait_for(lambda: a.nsm.count("GetRandom"), "the call")
        a.ask("GET", "/v1/health").is_(200)
        same(a.ask("POST", "/v1/verify", {"document": "hA==", "any_image": True, "any_age": True}).status, 422, "a verification meanwhile")
        same(select.select([s], [], [], 0)[0], [], "an answer before the NSM's")
        a.nsm.release()
        read_answer(s).is_(200)

    def deadline() -> float:
        with api("nsm-timeout = 2s") as a:
            a.nsm.faults["GetRandom"] = Fault(hang=True, times=1)
            began = time.monotonic()
            a.ask("GET", "/v1/random").is_(504, "timeout", "NSM")
            took = time.monotonic() - began
            check(took > 1.9, f"it was over in {took:.1f} s")
            a.nsm.release()
            wait_for(lambda: a.ask("GET", "/v1/random").status == 200, "the NSM to answer again")
            return took
    soon(deadline, 30, "a call of 2 s")


def asked_at_once(a: Api, count: int) -> list[int]:
    """The statuses of COUNT requests for random bytes, each by a thread of its own."""
    got: list[int] = []
    threads = [threading.Thread(target=lambda: got.append(a.ask("GET", "/v1/random").status)) for _ in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return got


@test(seconds=10)
def calls_wait_for_each_other() -> None:
    """One call of the NSM at a time, however many ask; each gets its answer; those that wait too long are 504."""
    with api() as a:
        a.nsm.faults["GetRandom"] = Fault(delay_s=0.05)
        same(asked_at_once(a, 20), [200] * 20, "all answers")
    with api("nsm-timeout = 3s") as a:
        a.nsm.faults["GetRandom"] = Fault(hang=True, times=1)
        same(asked_at_once(a, 4), [504] * 4, "answers where the first one never comes")
        a.nsm.release()
        wait_for(lambda: a.ask("GET", "/v1/random").status == 200, "the NSM")

    def some_are_late() -> bool:
        with api("nsm-timeout = 3s") as a:
            a.nsm.faults["GetRandom"] = Fault(delay_s=2)
            got = asked_at_once(a, 4)
            check(set(got) <= {200, 504}, f"{got}")
            return len(set(got)) == 2
    # On a busy machine the first may be late as well, or none, if the others ask later.
    check(any(some_are_late() for _ in range(25)), "there is no answer but where all are in time")


@test(seconds=20)
def who_asks_for_much_keeps_others_waiting_for_one_call() -> None:
    """Thirty long calls of programs on loopback wait; one of a user, made after them, is the next one."""
    port = free_port()
    with api(f"listen = 127.0.0.1:{port}") as a:
        a.nsm.faults["GetRandom"] = Fault(hang=True)
        many = [a.connect(port) for _ in range(30)]
        for s in many:
            s.sendall(head_of("GET", "/v1/random?bytes=65536"))
        wait_for(lambda: a.nsm.count("GetRandom") and sleeps(a.process.pid), "all to be read, and the first one to call the NSM")
        with a.connect() as user:
            user.sendall(head_of("GET", "/v1/pcrs/0"))
            wait_for(lambda: sleeps(a.process.pid), "the user's to be read")
            same(len(children(a.process.pid)), 1, "calls at a time")
            a.nsm.release()
            read_answer(user).is_(200)
        names = [r.name for r in a.nsm.requests]
        same(names[:names.index("DescribePCR")].count("GetRandom"), 256, "calls of the NSM for the first one, and no other before the user's")
        for s in many:
            s.close()


@test
def a_child_that_is_killed_costs_one_answer() -> None:
    """The child that makes a call is killed: its caller gets 500, the next one its bytes."""
    with api() as a, a.connect() as s:
        a.nsm.faults["GetRandom"] = Fault(hang=True, times=1)
        s.sendall(head_of("GET", "/v1/random"))
        # One that had called before may end only now.
        wait_for(lambda: a.nsm.count("GetRandom") and len(children(a.process.pid)) == 1, "the child")
        os.kill(children(a.process.pid)[0], signal.SIGKILL)
        read_answer(s).is_(500, "job_died")
        a.nsm.release()
        a.ask("GET", "/v1/random").is_(200)
        wait_for(lambda: not children(a.process.pid), "no child to be left")


@test
def children_have_no_more_than_they_need() -> None:
    """A child has no connection, no listener and no dump; the filters are on, in the process, too."""
    with api(program=MUSL) as a, a.connect() as other, a.connect() as s:
        other.sendall(b"GET /v1/hea")
        a.nsm.faults["GetRandom"] = Fault(hang=True, times=1)
        s.sendall(head_of("GET", "/v1/random"))
        wait_for(lambda: a.nsm.count("GetRandom") and len(children(a.process.pid)) == 1, "the child")
        child = children(a.process.pid)[0]
        for pid in (child, a.process.pid):
            status = dict(line.split(":\t", 1) for line in open(f"/proc/{pid}/status").read().splitlines() if ":\t" in line)
            same((status["Seccomp"], status["NoNewPrivs"]), ("2", "1"), f"filter and privileges of {pid}")
            limits = open(f"/proc/{pid}/limits").read()
            check("Max core file size        0                    0" in limits, limits)
        links = [os.readlink(f"/proc/{child}/fd/{n}") for n in os.listdir(f"/proc/{child}/fd")]
        same(len([x for x in links if x.startswith("socket:")]), 3, f"its sockets: the parent's, the NSM's, that of the answer ({links})")
        same([x for x in links if "signalfd" in x or "eventpoll" in x], [], "what is the parent's")
        a.nsm.release()
        read_answer(s).is_(200)


@test
def it_is_ready_when_the_nsm_answers() -> None:
    """READY=1 comes when the NSM has answered once, not before; without an NSM it ends and says so; health is there at once."""
    with api(wait=False) as a:
        a.wait()
        check(a.nsm.count("DescribeNSM") == 1, "the NSM was asked")
    with api(wait=False) as a:
        a.wait()
        a.nsm.faults[""] = Fault(refusal="InternalError")
        a.ask("GET", "/v1/health").is_(200)
        a.ask("GET", "/v1/describe").is_(502)
    with api(wait=False, env={"KMS_NSM": "/nonexistent"}) as a:
        same(a.process.wait(DEADLINE_S), 5, "its code without an NSM")
        check(a.story.startswith("enclave-api: /dev/nsm: "), a.story)


@test
def readiness_is_passed_on() -> None:
    """POST /v1/ready sends READY=1 to the caller's own NOTIFY_SOCKET, and to nothing else."""
    with api("allow = ready any") as a:
        same(a.ask("POST", "/v1/ready", {"socket": f"{a.path}/notify"}).is_(200).json, {"ready": True}, "the answer")
        a.notify.settimeout(DEADLINE_S)
        same(a.notify.recv(100), b"READY=1", "what came")
        for path in ("/tmp/x", f"{a.path}", f"{a.path}/", f"{a.path}/../x", f"{a.path}/x/y", f"{a.path}/.x", "@x", "", f"{a.path}/" + "x" * 200):
            a.ask("POST", "/v1/ready", {"socket": path}).is_(400, "bad_request")
        a.ask("POST", "/v1/ready", {"socket": f"{a.path}/nobody"}).is_(502, "not_sent")
        a.ask("POST", "/v1/ready", {}).is_(400)
    with api() as a:
        a.ask("POST", "/v1/ready", {"socket": f"{a.path}/notify"}).is_(403, "not_allowed")
