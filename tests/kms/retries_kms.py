"""What is tried again, how often, after how long, and with what; and what vsock-proxy's few workers make of it."""

import threading
import time

from .fake_kms import Credential
from .imds import Imds
from .lib import ACCESS, PATIENT, SECRET, Done, OneWorker, check, folder, run, same, soon, test, wait_for, world


def gaps(times: list[float]) -> list[float]:
    return [b - a for a, b in zip(times, times[1:])]


@test(seconds=3)
def throttling_is_waited_for():
    """Each of its names; the waits grow, and are of random length below 1, 2, 4 s."""
    def late() -> float:
        """By how much the later of the two was."""
        with world() as w:
            w.kms.faults += ["error ThrottlingException", "error RequestLimitExceeded 429"]
            w.decrypt().is_(0, out=SECRET)
            same(len(w.kms.seen), 3, "requests")
            waits = gaps([c[0] for c in w.kms.connections])
            return max(waits[0] - 1, waits[1] - 2)
    soon(late, 5, "waits of at most one second and two")


@test(seconds=8)
def throttling_to_the_end_is_told():
    """After four requests, or as many as --attempts says."""
    for attempts in (4, 1):
        with world() as w:
            w.kms.always = "error ThrottlingException"
            w.fails("THROTTLED", "Rate exceeded", more=() if attempts == 4 else ("--attempts", attempts))
            same(len(w.kms.seen), attempts, "requests")


@test(seconds=3)
def failures_of_kms_are_passed_over():
    """Internal errors and a proxy's 502, 503, 504, then an answer; a KMS that never comes back is told."""
    with world() as w:
        w.kms.faults += ["error KMSInternalException 500", "error ServiceUnavailable 503 html", "error X 502 empty"]
        w.decrypt().is_(0, out=SECRET)
        same(len(w.kms.seen), 4, "requests")
        w.kms.seen.clear()
        w.kms.always = "error KeyUnavailableException 500"
        w.fails("UNAVAILABLE", "KeyUnavailableException")
        same(len(w.kms.seen), 4, "requests")


@test(seconds=3)
def the_whole_call_has_one_deadline():
    """Whatever is tried again, --timeout bounds all of it."""
    with world() as w:
        w.kms.always = "error ThrottlingException"

        def call() -> float:
            w.kms.seen.clear()
            done = w.decrypt("--json", "--timeout", 1, "--attempts", 10)
            check(done.error["code"] in ("KMSC_E_TIMEOUT", "KMSC_E_THROTTLED"), done.story)
            check(len(w.kms.seen) < 10, f"{len(w.kms.seen)} requests within a second")
            return done.seconds
        soon(call, 30, "a call of one second")


@test
def every_request_of_a_call_is_signed_anew():
    """The time of each is the document's, and each has a document."""
    with world() as w:
        w.kms.faults += ["error ThrottlingException"]
        w.decrypt().is_(0, out=SECRET)
        check(all(s.document is not None or s.fault for s in w.kms.seen), "a request without document")
        same(w.kms.seen[0].names, w.kms.seen[1].names, "headers")


# --- credentials ---

@test(seconds=2)
def expired_credentials_are_asked_for_again():
    """From the metadata service, once; the second request has the new ones."""
    for error in ("", "error UnrecognizedClientException"):
        with world() as w, Imds(access=("ASIAOLD", "old", "old-token")) as imds:
            w.kms.credentials |= {"ASIAOLD": Credential("old", "old-token", expired=True), "ASIANEW": Credential("new", "new-token")}
            if error:
                w.kms.faults.append(error)

            def renew(seen: object, imds: Imds = imds) -> None:
                imds.access = ("ASIANEW", "new", "new-token")
            w.kms.on_answer = renew
            w.credentials = f"imds tcp:127.0.0.1:{imds.port}"
            w.decrypt().is_(0, out=SECRET)
            same([s.headers["authorization"].split("=")[1].split("/")[0] for s in w.kms.seen], ["ASIAOLD", "ASIANEW"], "the ids")


@test(seconds=2)
def credentials_that_stay_expired_are_told():
    """After they were read anew once; what KMS says of them is shown, and nothing of their secrets."""
    with world() as w:
        w.kms.credentials[ACCESS[0]].expired = True
        done = w.fails("CREDENTIALS_REFUSED", "ExpiredTokenException")
        check(ACCESS[1] not in done.err, f"the secret is in {done.err}")
        check(len(w.kms.seen) <= 2, f"{len(w.kms.seen)} requests")


@test
def a_wrong_secret_is_told_once():
    """A signature that KMS does not make, too: another try is no use."""
    with world() as w:
        w.credentials.write_text(f"AWS_ACCESS_KEY_ID={ACCESS[0]}\nAWS_SECRET_ACCESS_KEY=wrong\n")
        done = w.fails("SIGNATURE", "InvalidSignatureException")
        same(len(w.kms.seen), 1, "requests")
        check("wrong" not in done.err.replace("went wrong", ""), f"the secret is in {done.err}")


@test
def a_token_that_kms_quotes_is_not_told():
    """AWS's words about a wrong signature have the canonical request in them, and so the token."""
    with world() as w:
        token = "IQoJb3JpZ2luX2VjEXAMPLE" + "token" * 40
        w.kms.credentials[ACCESS[0]].token = token
        w.credentials.write_text(f"AWS_ACCESS_KEY_ID={ACCESS[0]}\nAWS_SECRET_ACCESS_KEY=wrong\nAWS_SESSION_TOKEN={token}\n")
        done = w.fails("SIGNATURE", "InvalidSignatureException", "should have been", "x-amz-security-token:", "request id ")
        for told in (done.err, done.out.decode()):
            check("token" not in told.replace("-token:", "").replace("security token", ""), f"the token is in {told}")


@test
def a_session_token_is_signed():
    """With all that tokens are made of."""
    with world() as w:
        token = "FQoDYXdzE/+==" + "A" * 1000
        w.kms.credentials["ASIA"] = Credential("s/ecret+", token)
        w.credentials.write_text(f"AWS_ACCESS_KEY_ID=ASIA\nAWS_SECRET_ACCESS_KEY=s/ecret+\nAWS_SESSION_TOKEN={token}\n")
        w.decrypt().is_(0, out=SECRET)
        same(w.kms.seen[0].headers["x-amz-security-token"], token, "the token")


# --- clocks ---

@test
def the_machines_clock_does_not_matter():
    """It is an hour off from the NSM's and KMS's, either way: the first request is good."""
    for off in (3600, -3600):
        with world(now=lambda off=off: time.time() + off) as w:
            w.decrypt().is_(0, out=SECRET)
            same(len(w.kms.seen), 1, "requests")


@test
def an_nsms_clock_that_is_off_is_told():
    """By an hour, as KMS sees it, either way: the time is read anew once, then the clock is named."""
    for off in (3600, -3600):
        with world() as w:
            w.nsm.clock_off_s = off
            w.fails("CLOCK", "InvalidSignatureException")
            same(len(w.kms.seen), 2, "requests")
            check(w.nsm.count("Attestation") >= 2, "the time was not read anew")


# --- connections ---

@test
def a_call_has_one_connection_and_closes_it():
    """At once, by itself: vsock-proxy has four workers, and each serves a connection until its end."""
    with world() as w:
        w.decrypt().is_(0, out=SECRET)
        same(len(w.kms.connections), 1, "connections")
        wait_for(lambda: w.kms.connections[0][1], "its end")
        same(w.kms.seen[0].headers.get("connection", "").lower(), "close", "Connection")


@test(seconds=5)
def six_callers_share_one_worker():
    """vsock-proxy -w 1: each waits for its turn, and none holds the worker for longer than its call."""
    with world() as w, OneWorker(w.kms.port) as proxy:
        done: list[Done] = []
        threads = [threading.Thread(target=lambda: done.append(w.decrypt(connect=f"tcp:127.0.0.1:{proxy.port}"))) for _ in range(6)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        for d in done:
            d.is_(0, out=SECRET)
        same((len(done), proxy.served, len(w.kms.seen)), (6, 6, 6), "calls, connections, requests")
        wait_for(lambda: all(end for _, end in w.kms.connections), "the connections' ends")


@test(seconds=2)
def a_proxy_without_kms_is_told():
    """Nobody listens; or the proxy takes the connection and closes it, as vsock-proxy does whose server is not there."""
    with world() as w, folder() as d:
        w.fails("CONNECT", f"{d}/nobody", more=("--attempts", 1), connect=f"unix:{d}/nobody")
        with OneWorker(1) as proxy:
            w.fails("CLOSED", more=("--attempts", 2), connect=f"tcp:127.0.0.1:{proxy.port}")
            same(proxy.served, 2, "connections")


@test
def the_parents_port_is_8000():
    """vsock-proxy's, at CID 3, if nothing is said: here a directory stands for vsock."""
    with world() as w, folder() as d:
        w.kms.listen(f"{d}/3.8000")
        run("decrypt", *PATIENT, "--ca", w.kms.ca, "--credentials", w.credentials, "--key", w.key.arn, "--context", "app=orders", w.secret_file,
            env={**w.env, "RELAY_VSOCK": str(d)}).is_(0, out=SECRET)
