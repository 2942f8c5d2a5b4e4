"""
LocalStack's KMS for tests by hand: its own provider behind its own parser and serializer of requests, without the rest of it. It answers
Decrypt with a Recipient for that recipient, though it verifies nothing, and the other operations in the clear.

The wheels have no entry points, so that the whole of it does not start from them ("No component plugins found"); and it wants Python 3.12
or newer, which Debian 12 does not have: so no test of the suites runs it, and tests/data/cms/localstack.der is what it answered.

    python3.13 -m venv build/localstack
    build/localstack/bin/pip install 'localstack-core[base-runtime]==2026.3.0' 'cbor2<5.9'
    build/localstack/bin/python tests/kms/real_localstack.py 4566
"""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from localstack.aws.api import RequestContext
from localstack.aws.skeleton import Skeleton
from localstack.aws.spec import load_service
from localstack.services.kms.provider import KmsProvider
from rolo import Request

SERVICE = load_service("kms")
SKELETON = Skeleton(SERVICE, KmsProvider())


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        context = RequestContext(Request("POST", "/", headers=dict(self.headers), body=body))
        context.service, context.protocol, context.partition = SERVICE, SERVICE.protocol, "aws"
        context.region, context.account_id = "eu-west-1", "111122223333"
        context.operation = SERVICE.operation_model(self.headers["X-Amz-Target"].partition(".")[2])
        answer = SKELETON.invoke(context)
        data = answer.get_data()
        self.send_response(answer.status_code)
        for name, value in answer.headers.items():
            if name.lower() not in ("content-length", "date", "server"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
