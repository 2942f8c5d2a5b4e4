"""
The AWS Encryption SDK as a program uses it: envelope.py encrypt|decrypt KEY-ARN... [NAME=VALUE...] turns stdin into a message to
stdout, or back. It knows nothing of enclaves.
"""

import sys

import aws_encryption_sdk
from aws_encryption_sdk import CommitmentPolicy, StrictAwsKmsMasterKeyProvider


def main(command: str, *words: str) -> None:
    keys = [w for w in words if "=" not in w]
    context = dict(w.split("=", 1) for w in words if "=" in w)
    client = aws_encryption_sdk.EncryptionSDKClient(commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT)
    provider = StrictAwsKmsMasterKeyProvider(key_ids=keys)
    data = sys.stdin.buffer.read()
    if command == "encrypt":
        out, _ = client.encrypt(source=data, key_provider=provider, encryption_context=context)
    else:
        out, header = client.decrypt(source=data, key_provider=provider)
        assert context.items() <= header.encryption_context.items(), header.encryption_context
    sys.stdout.buffer.write(out)


if __name__ == "__main__":
    main(*sys.argv[1:])
