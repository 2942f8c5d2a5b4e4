"""nsm/kms/wire against what others make of the same bytes: AWS's suite, botocore, awscrt, Python's json, http.client and datetime."""

import base64
import binascii
import calendar
import hashlib
import http.client
import io
import json
import os
import random
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import wheels
from suite import Failure, Skip, check, same, test

from .lib import ACCESS, REGION, TOP

WIRE = TOP / "build/host/kms_wire"
PEER = TOP / "tests/peers/sigv4"


# --- the program ---------------------------------------------------------------

def hexed(text: str | bytes) -> str:
    data = text.encode() if isinstance(text, str) else text
    return data.hex() or "-"


def unhexed(word: str) -> bytes:
    return b"" if word == "-" else bytes.fromhex(word)


def ask(jobs: Iterable[str]) -> list[list[str]]:
    """The answers to JOBS, in words; [] if it was refused."""
    if not WIRE.exists():
        raise Skip(f"no {WIRE.relative_to(TOP)}")
    jobs = list(jobs)
    p = subprocess.run([WIRE], input="\n".join(jobs) + "\n", capture_output=True, text=True, timeout=300, check=False)
    check(p.returncode == 0, f"code {p.returncode}: {p.stderr[-2000:]}")
    lines = p.stdout.split("\n")[:-1]
    same(len(lines), len(jobs), "answers")
    return [[] if line.startswith("!") else line.split() for line in lines]


def refusal(job: str) -> str:
    p = subprocess.run([WIRE], input=job + "\n", capture_output=True, text=True, timeout=300, check=True)
    return p.stdout.strip()


# --- signatures --------------------------------------------------------------------

def sign_job(method: str, path: str, key: tuple[str, str], region: str, service: str, body: bytes,
             fields: list[tuple[str, str]]) -> str:
    words = [method, path, *key, region, service]
    return " ".join(["sign", *map(hexed, words), hexed(body), str(len(fields)), *(hexed(w) for f in fields for w in f)])


@cache
def suite() -> list[Path]:
    """The folders of aws-signing-test-suite, as AWS's crate ships them."""
    if not shutil.which("cargo"):
        subprocess.run(["bash", "-c", ". scripts/lib.sh; need_packages cargo"], cwd=TOP, check=True)
    # Debian 12's, 1.65, otherwise wants the history of the whole registry.
    sparse, env = ["-Z", "sparse-registry"], {**os.environ, "RUSTC_BOOTSTRAP": "1"}
    version = subprocess.run(["cargo", "--version"], capture_output=True, text=True, check=True).stdout
    is_old = tuple(int(n) for n in re.search(r"(\d+)\.(\d+)", version).groups()) < (1, 70)
    p = subprocess.run(["cargo", *(sparse if is_old else []), "metadata", "--locked", "--format-version", "1"], cwd=PEER,
                       env=env if is_old else None, capture_output=True, text=True, timeout=300, check=False)
    if p.returncode:
        raise Skip(f"cargo brings no aws-sigv4: {p.stderr[-500:]}")
    manifest = next(q["manifest_path"] for q in json.loads(p.stdout)["packages"] if q["name"] == "aws-sigv4")
    return sorted(d for d in (Path(manifest).parent / "aws-signing-test-suite/v4").iterdir() if d.is_dir())


def read_request(folder: Path) -> tuple[str, str, list[tuple[str, str]], bytes]:
    """Method, target, fields and body of request.txt; lines that go on have their line ends."""
    head, _, body = (folder / "request.txt").read_bytes().partition(b"\n\n")
    lines = re.sub(r"\n(?=[ \t])", "\0", head.decode()).split("\n")
    method, target = lines[0].removesuffix(" HTTP/1.1").split(" ", 1)
    fields = [tuple(line.replace("\0", "\n").split(":", 1)) for line in lines[1:] if line]
    return method, target, fields, body


# Those that nsm/kms/wire/sigv4.h does not sign, and why. It has to refuse them.
QUERY = "the query would have to be sorted and encoded"
PATH = "AWS would rewrite or encode the path"
FOLDED = "lines that go on are no HTTP any more (RFC 9112, 5.2)"
NOT_SIGNED = {
    **dict.fromkeys(["get-vanilla-empty-query-key", "get-vanilla-query-order-encoded", "get-vanilla-query-order-key-case",
                     "get-vanilla-query-unreserved", "get-vanilla-utf8-query", "post-vanilla-empty-query-value",
                     "post-vanilla-query"], QUERY),
    **dict.fromkeys(["double-encode-path", "double-url-encode", "get-relative-normalized", "get-relative-relative-normalized",
                     "get-relative-relative-unnormalized", "get-relative-unnormalized", "get-slash-dot-slash-normalized",
                     "get-slash-dot-slash-unnormalized", "get-slash-normalized", "get-slash-pointless-dot-normalized",
                     "get-slash-pointless-dot-unnormalized", "get-slash-unnormalized", "get-slashes-normalized",
                     "get-slashes-unnormalized", "get-space-normalized", "get-space-unnormalized", "get-utf8"], PATH),
    "get-header-value-multiline": FOLDED,
}


@test(seconds=5)
def signatures_are_those_of_awss_suite():
    """All folders that are signed give the canonical request, the text to sign and the header; all others are refused."""
    jobs, wanted, refused = [], [], []
    default = next(d for d in suite() if d.name == "get-vanilla") / "context.json"
    for folder in suite():
        method, target, fields, body = read_request(folder)
        # The crate added two, for paths, that have none.
        context = json.loads((folder / "context.json" if (folder / "context.json").exists() else default).read_text())
        date = datetime.fromisoformat(context["timestamp"].replace("Z", "+00:00")).strftime("%Y%m%dT%H%M%SZ")
        keys = context["credentials"]
        fields = [(n, v if "\n" in v else v.strip()) for n, v in fields] + [("X-Amz-Date", date)]
        if "token" in keys and not context.get("omit_session_token"):
            fields.append(("X-Amz-Security-Token", keys["token"]))
        if context["sign_body"]:
            fields.append(("x-amz-content-sha256", hashlib.sha256(body).hexdigest()))
        job = sign_job(method, target, (keys["access_key_id"], keys["secret_access_key"]), context["region"], context["service"],
                       body, fields)
        if folder.name in NOT_SIGNED:
            refused.append((folder.name, job))
            continue
        jobs.append(job)
        signed = (folder / "header-signed-request.txt").read_text()
        wanted.append((folder.name, [(folder / "header-canonical-request.txt").read_text(),
                                     (folder / "header-string-to-sign.txt").read_text(),
                                     re.search(r"^Authorization: ?(.*)$", signed, re.MULTILINE)[1]]))
    for (name, texts), answer in zip(wanted, ask(jobs), strict=True):
        same([unhexed(w).decode() for w in answer], texts, name)
    for name, job in refused:
        check(not ask([job])[0], f"{name} is signed, but {NOT_SIGNED[name]}")
    same({name for name, _ in refused}, set(NOT_SIGNED), "folders that are not signed")
    check(len(wanted) >= 14, f"only {len(wanted)} folders")
    print(f"# {len(wanted)} folders signed, {len(refused)} refused")


ID = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
PRINTABLE = "".join(map(chr, range(0x21, 0x7f)))
TOKEN = ID + ID.lower() + "+/="


def text(r: random.Random, letters: str, most: int, least: int = 1) -> str:
    return "".join(r.choices(letters, k=r.randint(least, most)))


def value(r: random.Random) -> str:
    """What a header may have: printable, runs of blanks and tabs within."""
    words = [text(r, PRINTABLE, 12) for _ in range(r.randint(0, 5))]
    out = "".join(w + r.choice([" ", "  ", "\t", " \t  "]) for w in words)
    return out.strip()


def cases(r: random.Random, count: int) -> Iterator[dict]:
    for i in range(count):
        when = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=r.randrange(100 * 365 * 86400))
        names = [f"X-{text(r, TOKEN[:-3] + '-_.', 12)}-{n}" for n in range(r.randint(0, 6))]
        fields = [("Host", f"kms.{text(r, ID.lower(), 9)}.amazonaws.com"), ("Content-Type", "application/x-amz-json-1.1"),
                  ("X-Amz-Target", "TrentService." + text(r, ID, 12))]
        fields += [(n, value(r)) for n in names]
        if names and i % 3 == 0:
            fields += [(r.choice(names), value(r)) for _ in range(r.randint(1, 3))]
        r.shuffle(fields)
        path = "/" if i % 2 else "/" + "/".join(text(r, ID + "-_~", 9) for _ in range(r.randint(1, 4)))
        yield {"method": r.choice(["POST", "GET", "PUT"]), "path": path, "id": text(r, ID, 128, 16),
               "secret": text(r, PRINTABLE, 100), "region": text(r, ID.lower() + "-", 32), "service": text(r, ID.lower(), 12),
               "token": text(r, TOKEN, 2000) if i % 2 else "", "when": when, "date": when.strftime("%Y%m%dT%H%M%SZ"),
               "body": r.randbytes(r.randint(0, 300)), "fields": fields}


def job_of(c: dict) -> str:
    fields = [*c["fields"], ("X-Amz-Date", c["date"])] + ([("X-Amz-Security-Token", c["token"])] if c["token"] else [])
    return sign_job(c["method"], c["path"], (c["id"], c["secret"]), c["region"], c["service"], c["body"], fields)


def authorization(answer: list[str]) -> str:
    check(answer, "it is not signed")
    return unhexed(answer[2]).decode()


@test(seconds=8)
def signatures_are_botocores():
    """Of 1000 random requests each canonical request, text to sign and header is the same."""
    wheels.use("boto3")
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    made = list(cases(random.Random(1), 1000))
    for c, answer in zip(made, ask(map(job_of, made)), strict=True):
        host = dict(c["fields"])["Host"]
        request = AWSRequest(method=c["method"], url=f"https://{host}{c['path']}", data=c["body"])
        for name, v in c["fields"]:
            request.headers.add_header(name, v)
        request.headers["X-Amz-Date"] = c["date"]
        if c["token"]:
            request.headers["X-Amz-Security-Token"] = c["token"]
        request.context["timestamp"] = c["date"]
        signer = SigV4Auth(Credentials(c["id"], c["secret"], c["token"] or None), c["service"], c["region"])
        canonical = signer.canonical_request(request)
        to_sign = signer.string_to_sign(request, canonical)
        same(unhexed(answer[0]).decode(), canonical, f"the canonical request of {c}")
        same(unhexed(answer[1]).decode(), to_sign, f"the text to sign of {c}")
        same(authorization(answer).rpartition("Signature=")[2], signer.signature(to_sign, request), f"the signature of {c}")


@test(seconds=8)
def signatures_are_those_of_awss_c_library():
    """Of 1000 random requests awscrt, which AWS's SDK for C is made of, writes the same header."""
    wheels.use("awscrt")
    from awscrt import auth
    from awscrt.http import HttpHeaders, HttpRequest

    made = list(cases(random.Random(2), 1000))
    for c, answer in zip(made, ask(map(job_of, made)), strict=True):
        request = HttpRequest(c["method"], c["path"], HttpHeaders(c["fields"]), io.BytesIO(c["body"]))
        provider = auth.AwsCredentialsProvider.new_static(c["id"], c["secret"], c["token"] or None)
        config = auth.AwsSigningConfig(
            algorithm=auth.AwsSigningAlgorithm.V4, signature_type=auth.AwsSignatureType.HTTP_REQUEST_HEADERS,
            credentials_provider=provider, region=c["region"], service=c["service"], date=c["when"],
            signed_body_header_type=auth.AwsSignedBodyHeaderType.NONE)
        signed = auth.aws_sign_request(request, config).result(60)
        same(authorization(answer), signed.headers.get("Authorization"), f"the header of {c}")


# --- JSON and base64 -----------------------------------------------------------------

class Refused(Exception):
    """By what JSON is here."""


DEPTH_MAX, VALUES_MAX, TEXT_MAX = 8, 1024, 65536


def strictly(data: bytes) -> object:
    """Python's value, numbers as they are written; or Refused."""
    values = 0

    def pairs(found: list) -> dict:
        if len({k for k, _ in found}) != len(found):
            raise Refused("twice")
        return dict(found)

    def constant(_: str) -> None:
        raise Refused("NaN")

    def walk(v: object, depth: int) -> None:
        nonlocal values
        values += 1
        if isinstance(v, str) and any(0xd800 <= ord(c) < 0xe000 for c in v):
            raise Refused("surrogate")
        if isinstance(v, dict | list):
            if depth == DEPTH_MAX:
                raise Refused("depth")
            for x in (y for kv in v.items() for y in kv) if isinstance(v, dict) else v:
                walk(x, depth + 1)

    try:
        v = json.loads(data.decode("utf-8"), object_pairs_hook=pairs, parse_constant=constant, parse_int=lambda s: ("number", s),
                       parse_float=lambda s: ("number", s))
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise Refused("no JSON") from None
    if len(data) > TEXT_MAX:
        raise Refused("long")
    walk(v, 0)
    if values > VALUES_MAX:
        raise Refused("values")
    return v


SEEDS = [
    b'{"CiphertextBlob": "AQICAHg=", "EncryptionContext": {}, "Recipient": {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", '
    b'"AttestationDocument": "hA=="}}',
    b'{"KeyId":"arn:aws:kms:eu-west-1:111122223333:key/a","Plaintext":null,"CiphertextForRecipient":"AQID"}',
    b'{"__type":"com.amazonaws.kms#AccessDeniedException","Message":"User: \\u00e4\\ud83d\\ude00 is not \\"authorized\\"\\/\\n"}',
    '[1,-0,2.50E+3,true,false,null,"ä😀\x7f",{"a":[[[[[[]]]]]],"":{"b":{}}}]'.encode(),
    b'\t{"a" : [ 0 , 1e-7 , "" ] ,\r\n"b":"\\b\\f\\u0000"} ',
]
PIECES = [b'"', b"\\", b"\\u", b"\\ud800", b"\\udc00", b"{", b"}", b"[", b"]", b",", b":", b"null", b"true", b"0", b"-", b".", b"e", b"1",
          b" ", b"\t", b"\n", b"\0", b"\x1f", b"\xff", b"\xc3\xa4", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xef\xbb\xbf", b"/*", b"NaN",
          b'"a":1,', b'"a":', b"[[[[", b"]]]]", b"a"]


def mutated(r: random.Random, seed: bytes, pieces: list[bytes]) -> bytes:
    data = bytearray(seed)
    for _ in range(r.choice([0, 1, 1, 1, 2, 3, 6])):
        at = r.randint(0, len(data))
        end = min(len(data), at + r.choice([0, 0, 1, 1, 2, 9]))
        data[at:end] = r.choice(pieces) if r.random() < 0.8 else data[r.randint(0, len(data)):][:r.randint(0, 20)]
    return bytes(data)


@test(seconds=6)
def json_is_what_python_reads():
    """Of 5000 mutated texts the same are taken, and have the same value; what RFC 8259 leaves open is refused."""
    r = random.Random(3)
    texts = [mutated(r, r.choice(SEEDS), PIECES) for _ in range(5000)]
    taken = 0
    for data, answer in zip(texts, ask(f"json {hexed(t)}" for t in texts), strict=True):
        try:
            wanted = strictly(data)
        except Refused as e:
            check(not answer, f"taken, but {e}: {data!r}")
            continue
        check(answer, f"not taken: {data!r}")
        same(strictly(unhexed(answer[0])), wanted, f"the value of {data!r}")
        taken += 1
    check(500 < taken < 4500, f"{taken} of them were taken")


@test(seconds=2)
def base64_is_what_python_reads():
    """Of 5000 texts the same are taken, if encoding them again gives the same text: no other stands for the bytes."""
    r = random.Random(4)
    pieces = [b"=", b"==", b"A", b"/", b"+", b"-", b"_", b" ", b"\n", b"B"]
    texts = [mutated(r, base64.b64encode(r.randbytes(r.randint(0, 40))), pieces) for _ in range(5000)]
    taken = 0
    for data, answer in zip(texts, ask(f"base64 {hexed(t)}" for t in texts), strict=True):
        try:
            wanted = base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError):
            wanted = None
        if wanted is None or base64.b64encode(wanted) != data:
            check(not answer, f"taken: {data!r}")
            continue
        check(answer, f"not taken: {data!r}")
        same(unhexed(answer[0]), wanted, f"the bytes of {data!r}")
        taken += 1
    check(1000 < taken < 4500, f"{taken} of them were taken")


# --- HTTP ------------------------------------------------------------------------------

class Wire:
    """A socket for http.client that has everything already."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def makefile(self, _: str) -> io.BytesIO:
        return io.BytesIO(self.data)


def by_http_client(data: bytes) -> tuple[int, bytes] | None:
    answer = http.client.HTTPResponse(Wire(data), method="POST")
    try:
        answer.begin()
        return answer.status, answer.read()
    except (http.client.HTTPException, ValueError, OSError):
        return None


def answers(r: random.Random) -> bytes:
    """Of KMS, IMDS or a proxy, by length, by chunks or by the end."""
    body = r.randbytes(r.randint(0, 200))
    fields = ["x-amzn-RequestId: 0f8e6b1e-57b8-4a3d", "Cache-Control: no-cache, no-store", "Content-Type: application/x-amz-json-1.1",
              "Date: Fri, 02 Jan 2026 03:04:05 GMT", "Empty:", "connection: keep-alive"]
    r.shuffle(fields)
    kind = r.randrange(3)
    if kind == 0:
        fields.insert(r.randint(0, 6), f"Content-Length: {len(body)}")
        wire = body
    elif kind == 1:
        fields.insert(r.randint(0, 6), "Transfer-Encoding: chunked")
        wire, left = b"", body
        while left:
            n = r.randint(1, len(left))
            extension = r.choice([b"", b";a=b", b';q="x"'])
            wire += f"{n:x}".encode() + extension + b"\r\n" + left[:n] + b"\r\n"
            left = left[n:]
        wire += b"0\r\n" + r.choice([b"", b"Trailer: t\r\n"]) + b"\r\n"
    else:
        fields[fields.index("connection: keep-alive")] = "Connection: close"
        wire = body
    status = r.choice(["200 OK", "400 Bad Request", "500 Internal Server Error", "200 ", "403 "])
    interim = r.choice([b"", b"", b"HTTP/1.1 100 Continue\r\n\r\n"])
    return interim + f"HTTP/1.1 {status}\r\n".encode() + "\r\n".join(fields).encode() + b"\r\n\r\n" + wire


def http_jobs(texts: list[bytes], r: random.Random) -> Iterator[str]:
    return (f"http {r.choice([1, 2, 7, 100, 10000])} {hexed(t)}" for t in texts)


@test(seconds=4)
def answers_are_what_http_client_reads():
    """3000 well-formed answers, in pieces of any size: the status, the body, the request's id."""
    r = random.Random(5)
    texts = [answers(r) for _ in range(3000)]
    for data, answer in zip(texts, ask(http_jobs(texts, r)), strict=True):
        check(answer, f"not taken: {data!r}")
        same((int(answer[0]), unhexed(answer[3])), by_http_client(data), f"status and body of {data!r}")
        same(int(answer[1]), len(data), f"the length of {data!r}")
        same(unhexed(answer[4]), b"0f8e6b1e-57b8-4a3d", "the request's id")


@test(seconds=4)
def damaged_answers_are_refused_or_read_alike():
    """Of 4000 mutated answers none is taken for another than http.client takes it for."""
    r = random.Random(6)
    pieces = [b"\r\n", b"\n", b"\r", b" ", b":", b"\t", b"0", b"1", b"\0", b"\r\n ", b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n",
              b"\r\n\r\n", b"HTTP/1.1 200 OK\r\n", b"a", b"\xff", b";"]
    texts = [mutated(r, answers(r), pieces) for _ in range(4000)]
    both = refused = 0
    for data, answer in zip(texts, ask(http_jobs(texts, r)), strict=True):
        theirs = by_http_client(data)
        if not answer:
            refused += 1
        elif theirs:
            same((int(answer[0]), unhexed(answer[3])), theirs, f"status and body of {data!r}")
            both += 1
    check(both > 400 and refused > 400, f"{both} were taken, {refused} refused")


# --- times, regions ------------------------------------------------------------------------

@test(seconds=3)
def times_are_pythons():
    """Leap years' ends, the year 9999, and 5000 others, both ways."""
    r = random.Random(7)
    last = calendar.timegm((9999, 12, 31, 23, 59, 59))
    times = [r.randint(0, last) for _ in range(5000)] + [0, last]
    for year in [*range(1970, 2110), 2400, 9996]:
        times += [calendar.timegm((year, m, d, h, mi, s)) + x for m, d, h, mi, s in [(2, 28, 23, 59, 59), (12, 31, 23, 59, 59)]
                  for x in (0, 1, 86400, 86401)]
    times = [t for t in times if t <= last]
    epoch = datetime(1970, 1, 1)
    amz = [(epoch + timedelta(seconds=t)).strftime("%Y%m%dT%H%M%SZ") for t in times]
    rfc = [(epoch + timedelta(seconds=t)).isoformat() + "Z" for t in times]
    same([a[0] for a in ask(f"amz {t}" for t in times)], amz, "times for X-Amz-Date")
    same([a[0] for a in ask(f"rfc3339 {t}" for t in times)], rfc, "times by RFC 3339")
    same([int(a[0]) for a in ask(f"from-amz {hexed(t)}" for t in amz)], times, "times of X-Amz-Date")
    same([int(a[0]) for a in ask(f"from-rfc3339 {hexed(t)}" for t in rfc)], times, "times of RFC 3339")


@test(seconds=2)
def times_that_python_does_not_know_are_refused():
    """Days and hours that there are not; offsets and fractions are read as Python reads them."""
    r = random.Random(8)
    texts = []
    for _ in range(5000):
        fields = [r.randint(1969, 2105), r.randint(0, 13), r.randint(0, 32), r.randint(0, 24), r.randint(0, 60), r.randint(0, 60)]
        end = r.choice(["Z", "Z", ".5Z", ".123456Z", "+01:00", "-23:59", "+00:00", ".25+05:30"])
        texts.append("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}".format(*fields) + end)
    for t, answer in zip(texts, ask(f"from-rfc3339 {hexed(t)}" for t in texts), strict=True):
        try:
            # Python 3.11 wants three or six digits of a fraction.
            when = datetime.fromisoformat(re.sub(r"\.\d+", "", t).replace("Z", "+00:00"))
            wanted = [str(int(when.timestamp()))] if when.timestamp() >= 0 else []
        except ValueError:
            wanted = []
        same(answer, wanted, t)


@cache
def botocore() -> object:
    wheels.use("boto3")
    import botocore.loaders
    return botocore.loaders.Loader()


@test(seconds=4)
def each_region_has_the_host_that_botocore_has():
    """By its rules for KMS and by endpoints.json: plain, FIPS, dual-stack and both."""
    from botocore.endpoint_provider import EndpointProvider

    partitions = botocore().load_data("partitions")
    provider = EndpointProvider(botocore().load_service_model("kms", "endpoint-rule-set-1"), partitions)
    jobs, wanted = [], []
    for p in partitions["partitions"]:
        regions = [x for x in p["regions"] if not x.endswith("-global")]
        for region in [*regions, regions[0].rsplit("-", 2)[0] + "-new-9"]:
            for flags in range(4):
                url = provider.resolve_endpoint(Region=region, UseFIPS=bool(flags & 1), UseDualStack=bool(flags & 2)).url
                jobs.append(f"host {flags} {hexed(region)}")
                wanted.append([p["id"], url.removeprefix("https://")])
    for job, answer, theirs in zip(jobs, ask(jobs), wanted, strict=True):
        same(answer, theirs, f"a host by botocore's rules ({job})")
    listed = 0
    for p in botocore().load_data("endpoints")["partitions"]:
        for region, e in p["services"]["kms"]["endpoints"].items():
            if e.get("deprecated"):
                continue
            suffix = e.get("hostname", f"kms.{region}.{p['dnsSuffix']}")
            same(ask([f"host 0 {hexed(region)}"])[0], [p["partition"], suffix], region)
            for v in e.get("variants", []):
                same(ask([f"host 1 {hexed(region)}"])[0][1], v["hostname"], f"{region} {v['tags']}")
                same(v["tags"], ["fips"], "tags")
            listed += 1
    check(listed >= 45 and len(jobs) >= 190, f"{listed} regions listed, {len(jobs)} hosts by rules")
    print(f"# {len(jobs)} hosts by rules, {listed} regions listed")


# --- errors ------------------------------------------------------------------------------------

@test(seconds=2)
def what_botocore_repeats_is_repeated():
    """Its lists of codes and states of the retry mode `standard`."""
    wheels.use("boto3")
    from botocore.retries import standard

    slow, soon = standard.ThrottledRetryableChecker._THROTTLED_ERROR_CODES, standard.TransientRetryableChecker._TRANSIENT_ERROR_CODES

    def action(status: int, body: str) -> int:
        return int(ask([f"verdict {status} {hexed(body)}"])[0][0])

    for code in slow:
        same(action(400, json.dumps({"__type": code})), 2, code)
    for code in set(soon) - set(slow):
        same(action(400, json.dumps({"__type": code})), 1, code)
    for status in standard.TransientRetryableChecker._TRANSIENT_STATUS_CODES:
        same(action(status, ""), 1, str(status))


@test(seconds=3)
def errors_are_what_botocore_reads():
    """The code and the text of 3000 bodies."""
    wheels.use("boto3")
    from botocore.parsers import JSONParser

    r = random.Random(9)
    model = json.loads(json.dumps(botocore().load_service_model("kms", "service-2")))
    codes = [n for n, s in model["shapes"].items() if s.get("exception")] + ["ThrottlingException", "UnrecognizedClientException"]
    bodies = []
    for _ in range(3000):
        members = [("__type", r.choice(["", "com.amazonaws.kms#", "a#b#"]) + r.choice(codes) + r.choice(["", ":http://x/y#z", ":a:b"])),
                   (r.choice(["message", "Message"]), value(r)), ("more", [1, {"a": None}])]
        r.shuffle(members)
        bodies.append(json.dumps(dict(members[:r.choice([2, 3, 3])])))
    for body, (_, _, code, message) in zip(bodies, ask(f"verdict 400 {hexed(b)}" for b in bodies), strict=True):
        error = JSONParser().parse({"status_code": 400, "headers": {}, "body": body.encode()}, None)["Error"]
        wanted = error["Code"] if "__type" in json.loads(body) else ""
        same(unhexed(code).decode(), wanted, f"the code in {body}")
        same(unhexed(message).decode(), error["Message"].replace("\t", "?"), f"the text in {body}")


# --- operations -----------------------------------------------------------------------------------

REQUIRED, SECRET, KEY, CLEAR, RECIPIENT = 1, 2, 4, 8, 16
TYPES = {"string": "text", "blob": "bytes", "integer": "number", "boolean": "bool", "map": "context", "list": "texts",
         "structure": "other"}


def model() -> dict:
    return botocore().load_service_model("kms", "service-2")


@cache
def table() -> list[dict]:
    return json.loads(" ".join(ask(["table"])[0]))


def members_of(shape: str) -> dict[str, dict]:
    shapes = model()["shapes"]
    out = {}
    for name, m in shapes[shape]["members"].items():
        s = shapes[m["shape"]]
        inner = shapes[s["member"]["shape"]] if s["type"] == "list" else s
        out[name] = {"type": TYPES[s["type"]], "min": inner.get("min", 0), "max": inner.get("max", 0),
                     "secret": s.get("sensitive", False), "required": name in shapes[shape].get("required", [])}
    return out


WITHOUT = {"DecryptRequest.CiphertextBlob", "ReEncryptRequest.CiphertextBlob", "GenerateRandomRequest.NumberOfBytes"}


@test(seconds=2)
def the_tables_are_botocores_model():
    """Targets, members, types, limits, what is required and what is secret, of all 15 operations."""
    operations = model()["operations"]
    same(len(table()), 15, "operations")
    for row in table():
        op = operations[row["name"]]
        same(row["target"], f"{model()['metadata']['targetPrefix']}.{row['name']}", "the target")
        same(row["path"], re.sub(r"(?<!^)(?=[A-Z])", "-", row["name"]).lower(), "the path")
        same(row["is_attested"], "Recipient" in members_of(op["input"]["shape"]), f"{row['name']} takes a Recipient")
        for ours, shape in ((row["request"], op["input"]["shape"]), (row["answer"], op["output"]["shape"])):
            theirs = members_of(shape)
            same({m["name"] for m in ours}, set(theirs), f"members of {shape}")
            for m in ours:
                t, what = theirs[m["name"]], f"{shape}.{m['name']}"
                same(m["type"], t["type"], f"the type of {what}")
                same(bool(m["flags"] & SECRET), t["secret"], f"{what} is secret")
                same(bool(m["flags"] & KEY), m["name"] in ("KeyId", "SourceKeyId", "DestinationKeyId"), f"{what} names a key")
                # Where the model has no limit (names of algorithms) there is one here.
                if t["max"] and m["type"] != "other":
                    same((m["min"], m["max"]), (t["min"], t["max"]), f"limits of {what}")
                # Decrypt goes without a ciphertext only with DryRunModifiers, GenerateRandom not without a number.
                if ours is row["request"] and what not in WITHOUT:
                    same(bool(m["flags"] & REQUIRED), t["required"], f"{what} is required")
                if "lower" in m:
                    check(re.fullmatch(r"[a-z]+(_[a-z]+)*", m["lower"]), m["lower"])
            same(len({m.get("lower", m["name"]) for m in ours}), len(ours), f"names of {shape}")


BLOB = bytes(range(256))
ARN = f"arn:aws:kms:{REGION}:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
PARAMS = {
    "Decrypt": {"CiphertextBlob": BLOB, "EncryptionContext": {"app": "orders", "ä\"": "😀\n"}, "GrantTokens": ["a", "b"], "KeyId": ARN,
                "EncryptionAlgorithm": "SYMMETRIC_DEFAULT", "DryRun": True},
    "GenerateDataKey": {"KeyId": ARN, "EncryptionContext": {"a": ""}, "KeySpec": "AES_256"},
    "GenerateDataKeyPair": {"KeyId": ARN, "KeyPairSpec": "ECC_NIST_P256", "GrantTokens": ["t" * 8192]},
    "GenerateRandom": {"NumberOfBytes": 1024, "CustomKeyStoreId": "cks-1"},
    "DeriveSharedSecret": {"KeyId": ARN, "KeyAgreementAlgorithm": "ECDH", "PublicKey": BLOB},
}
DOCUMENT = bytes(range(255, -1, -1)) * 18


@test(seconds=2)
def requests_are_what_botocore_sends():
    """Each body that botocore writes is read, and written as the same object, with a Recipient and without."""
    wheels.use("boto3")
    from botocore.model import ServiceModel
    from botocore.serialize import create_serializer

    service, serializer = ServiceModel(model()), create_serializer("json")
    for name, params in PARAMS.items():
        recipient = {"Recipient": {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": DOCUMENT}}
        operation = service.operation_model(name)
        for part in ({}, *({k: v for k, v in params.items() if k != left} for left in ("EncryptionContext", "GrantTokens", "DryRun"))):
            given = part or params
            body = serializer.serialize_to_request(given, operation)
            same(body["headers"]["X-Amz-Target"], f"TrentService.{name}", "the target")
            wanted = serializer.serialize_to_request({**given, **recipient}, operation)["body"]
            answer = ask([f"request {name} aws {hexed(DOCUMENT)} {hexed(body['body'])}"])[0]
            check(answer, f"{name} is not read: {body['body']!r}")
            same(json.loads(unhexed(answer[0])), json.loads(wanted), f"{name} with a Recipient")
            answer = ask([f"request {name} aws - {hexed(body['body'])}"])[0]
            same(json.loads(unhexed(answer[0])), json.loads(body["body"]), name)


@test(seconds=1)
def both_dialects_are_the_same_request():
    """The local API's names of members stand for AWS's."""
    for row in table()[:5]:
        lower = {m["name"]: m.get("lower") for m in row["request"]}
        body = {k: base64.b64encode(v).decode() if isinstance(v, bytes) else v for k, v in PARAMS[row["name"]].items()}
        ours = {lower[k]: v for k, v in body.items()}
        a, b = ask([f"request {row['name']} aws - {hexed(json.dumps(body))}", f"request {row['name']} lower - {hexed(json.dumps(ours))}"])
        check(a and a == b, row["name"])
        said = refusal(f"request {row['name']} lower - {hexed(json.dumps(body))}")
        check("is no member" in said, said)


@test(seconds=1)
def keys_of_tests_are_signed_with():
    """What the other tests have for credentials passes."""
    fields = [("Host", "h"), ("X-Amz-Date", "20260102T030405Z")]
    if not ask([sign_job("POST", "/", ACCESS, REGION, "kms", b"", fields)])[0]:
        raise Failure("it is not signed")
