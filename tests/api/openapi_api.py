"""nsm/api/openapi.yaml against the program: paths, methods, answers, requests."""

import json
import re
import socket
import subprocess
from http import HTTPStatus

import yaml
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jsonschema import Draft7Validator, RefResolver

from .enclave import SECRET, Answer, Enclave, ask, b64, enclave
from .lib import ASAN, TOP, check, same, test

SPEC = yaml.safe_load((TOP / "nsm/api/openapi.yaml").read_text())
KEYS = {"orders": ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", ""), "agree": ("ECC_NIST_P256", "KEY_AGREEMENT", "")}
ALLOW = ("allow = extend any", "allow = ready any", "allow = credentials any", "notify-dir = {path}")


def as_json_schema(node: object) -> object:
    """OpenAPI 3.0's nullable is a further type in JSON Schema."""
    if isinstance(node, list):
        return [as_json_schema(n) for n in node]
    if not isinstance(node, dict):
        return node
    out = {k: as_json_schema(v) for k, v in node.items() if k != "nullable"}
    return {**out, "type": [out["type"], "null"]} if node.get("nullable") else out


def validate(value: object, schema: dict, what: str) -> None:
    whole = as_json_schema(SPEC)
    errors = list(Draft7Validator(as_json_schema(schema), resolver=RefResolver("", whole)).iter_errors(value))
    check(not errors, f"{what}: {errors[0].message if errors else ''} at {list(errors[0].path) if errors else ''}")


def operations() -> list[tuple[str, str, dict]]:
    return [(path, method, operation) for path, item in SPEC["paths"].items() for method, operation in item.items() if method in ("get", "post", "put")]


def validate_answer(got: Answer, operation: dict, what: str) -> None:
    response = operation["responses"].get(str(got.status)) or operation["responses"]["default"]
    if "$ref" in response:
        response = SPEC["components"]["responses"][response["$ref"].rpartition("/")[2]]
    type_ = got.headers["content-type"]
    check(type_ in response["content"], f"{what}: {got.status} with {type_}")
    if "json" in type_:
        validate(got.json, response["content"][type_]["schema"], f"{what}: {got}")


def example_of(operation: dict) -> object:
    content = operation.get("requestBody", {}).get("content", {})
    return content.get("application/json", {}).get("example")


def call(e: Enclave, path: str, method: str, body: object, **headers: str) -> Answer:
    given = {k.replace("_", "-"): v for k, v in headers.items()}
    if body is not None:
        given.setdefault("Content-Type", "application/json")
    return ask(e.port, method.upper(), path.replace("{n}", "16"), json.dumps(body).encode() if body is not None else b"", given)


def good_body(e: Enclave, path: str, operation: dict) -> object:
    key = ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return {"/v1/kms/decrypt": {"key_id": "orders", "ciphertext": b64(e.kms.encrypt(e.key["orders"], SECRET, {}))},
            "/v1/kms/derive-shared-secret": {"key_id": "agree", "key_agreement_algorithm": "ECDH", "public_key": b64(key)},
            "/v1/ready": {"socket": f"{e.path}/notify"}}.get(path, example_of(operation))


@test
def the_file_has_all_routes_and_no_other() -> None:
    """What enclave-api --routes lists of the API itself is what the file has: paths, methods; each reference leads somewhere."""
    lines = [line.split() for line in subprocess.run([ASAN, "--routes"], capture_output=True, text=True, check=True).stdout.splitlines()]
    own = sorted((path, method.lower()) for dialect, method, path, _ in lines if dialect == "own")
    file = sorted({("/v1/kms/*" if path.startswith("/v1/kms/") else path, method) for path, method, _ in operations()})
    same(file, own, "paths and methods")
    text = json.dumps(SPEC)
    for name in SPEC["components"]["schemas"]:
        check(f"schemas/{name}\"" in text, f"nobody refers to {name}")
        Draft7Validator.check_schema(as_json_schema(SPEC["components"]["schemas"][name]))


@test(seconds=30)
def each_operation_answers_by_its_schema() -> None:
    """Each operation of the file is called as its schema says and answers 200 by its schema; in each form that it lists; and refuses by it."""
    with enclave(*ALLOW, keys=KEYS) as e, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(f"{e.path}/notify")
        for path, method, operation in operations():
            if path == "/":
                continue
            body = good_body(e, path, operation)
            if body is not None:
                validate(body, operation["requestBody"]["content"]["application/json"]["schema"], f"the request of {path}")
            got = call(e, path, method, body, Accept="application/json")
            same(got.status, 422 if path == "/v1/verify" else 200, f"{method} {path}: {got}")
            validate_answer(got, operation, f"{method} {path}")
            for type_ in operation["responses"].get("200", {}).get("content", {}):
                if path in ("/v1/pcrs/lock", "/v1/pcrs/{n}/lock", "/v1/pcrs/{n}/extend", "/v1/verify"):
                    continue
                got = call(e, path, method, body, Accept=type_).is_(200)
                same(got.headers["content-type"], type_, f"the form of {method} {path}")
            bad = call(e, path, method, {"no such": "member"} if "requestBody" in operation else None, Accept="application/json")
            validate_answer(bad, operation, f"a bad {method} {path}")
            check("requestBody" not in operation or bad.status == 400, f"{method} {path}: {bad}")


@test
def aws_protocol_answers_by_its_schema() -> None:
    """POST / answers and refuses as the file says, with AWS's type."""
    operation = SPEC["paths"]["/"]["post"]
    with enclave() as e:
        blob = b64(e.kms.encrypt(e.key["orders"], SECRET, {}))
        validate_answer(e.aws("Decrypt", {"CiphertextBlob": blob}).is_(200), operation, "Decrypt")
        validate_answer(e.aws("Decrypt", {}), operation, "a bad Decrypt")
        validate_answer(e.aws("NoSuchThing", {}), operation, "no operation")


@test
def what_verify_accepts_is_as_the_file_says() -> None:
    """A good document's answer, too, is by its schema."""
    operation = SPEC["paths"]["/v1/verify"]["post"]
    with enclave() as e:
        document = e.post("/v1/attestation", {"nonce": "YWJj"}).is_(200).body
        body = {"document": b64(document), "nonce": "YWJj", "roots": [b64(e.nsm.root.read_bytes())], "pcrs": {"0": e.nsm.pcr(0).hex()}}
        validate(body, operation["requestBody"]["content"]["application/json"]["schema"], "the request")
        validate_answer(e.post("/v1/verify", body).is_(200), operation, "verify")


@test
def each_status_is_on_the_page() -> None:
    """What the sources of the API's own routes answer with, enclave-api(8) explains, and nothing else."""
    page = set(re.findall(r"^\.It ([45]\d\d) Ta\b", (TOP / "nsm/api/enclave-api.8").read_text(), re.M))
    used: set[str] = set()
    for path in (*(TOP / "nsm/api/routes").glob("*.c"), *(TOP / "nsm/api/jobs").glob("*.c"), TOP / "nsm/api/http/connection.c",
                 TOP / "nsm/api/http/intake.c", TOP / "nsm/api/http/web.c"):
        text = re.sub(r"reasons\[\] = \{.*?\};", "", path.read_text(), flags=re.S)  # names of all that there could be
        used |= set(re.findall(r"\b([45]\d\d)\b", re.sub(r"/\*.*?\*/", "", text, flags=re.S)))
    used &= {str(s.value) for s in HTTPStatus}  # there are sizes, too
    same(sorted(page), sorted(used), "statuses of the page, and of the sources")
