"""
Calls of AWS KMS by the SDK for Python, which finds its endpoint as any program's does: a job a line on stdin, {"op": "Decrypt",
"input": {...}}, an answer a line on stdout, {"ok": {...}} or {"error": {...}}. Bytes are base64.
"""

import base64
import json
import re
import sys

import boto3
from botocore.exceptions import ClientError

BYTES = {"CiphertextBlob", "Message", "Plaintext", "PublicKey"}


def describe(e: Exception) -> dict[str, object]:
    out = {"class": type(e).__name__, "code": "", "message": str(e), "status": 0, "request_id": "", "attempts": 1}
    if isinstance(e, ClientError):
        meta = e.response["ResponseMetadata"]
        out |= {"code": e.response["Error"]["Code"], "message": e.response["Error"]["Message"], "status": meta["HTTPStatusCode"],
                "request_id": meta.get("RequestId", ""), "attempts": 1 + meta.get("RetryAttempts", 0)}
    return out


def main() -> None:
    client = boto3.client("kms")
    for line in sys.stdin:
        job = json.loads(line)
        given = {name: base64.b64decode(value) if name in BYTES else value for name, value in job["input"].items()}
        method = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", job["op"]).lower()
        try:
            ok = getattr(client, method)(**given)
            del ok["ResponseMetadata"]
            answer = {"ok": ok}
        except Exception as e:
            answer = {"error": describe(e)}
        print(json.dumps(answer, default=lambda v: base64.b64encode(v).decode() if isinstance(v, bytes) else str(v)), flush=True)


if __name__ == "__main__":
    main()
