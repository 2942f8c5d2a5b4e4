"""
A Nitro Secure Module on a UNIX socket, for programs with device.c in the place of nsm/dev.c: the seven requests in the device's
CBOR, PCRs that extend and lock, documents signed by a chain as AWS's, and each fault that a device or a hypervisor could have.

    with Nsm() as nsm:                       # nsm.path is for $KMS_NSM, nsm.root for `nsm verify --root`
        nsm.set_pcr(0, bytes(48))            # debug mode
        nsm.faults["Attestation"] = Fault(refusal="InternalError")

As a program: nsm.py SOCKET ROOT-FILE [N=HEX]... serves until it is ended.
"""

import hashlib
import os
import socket
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1])]

import cbor2
from interop import ca

PCRS, SIZE = 32, 48
REQUEST_MAX, RESPONSE_MAX = 4096, 12288
# AWS's leaf certificates live 10803 s from some seconds before a document, those here from up to a minute more; the others begin days before.
LIFETIMES = ((30 * 365 * ca.DAY, 30 * 365 * ca.DAY), (7 * ca.DAY, 13 * ca.DAY), (2 * ca.DAY, 4 * ca.DAY),
             (5 * ca.HOUR, 19 * ca.HOUR), (3, 10800))


class Refused(Exception):
    """The NSM answers with an error."""


@dataclass
class Fault:
    """What goes wrong with a request. TIMES: as often, then no more; None: always."""

    refusal: str = ""                       # the NSM answers with this error
    errno: int = 0                          # the ioctl fails
    delay_s: float = 0
    hang: bool = False                      # no answer until release()
    cut: int = 0                            # bytes that the answer lacks at its end
    answer: bytes | None = None             # instead of the device's
    change: Callable[[bytes], bytes] = bytes  # of a document, signed or not
    times: int | None = None


@dataclass
class Pcr:
    value: bytes = bytes(SIZE)
    locked: bool = False


@dataclass
class Request:
    name: str
    fields: dict = field(default_factory=dict)


def chain_at(now: int, root: ca.Key | None = None) -> ca.Chain:
    """
    As AWS's, valid around NOW; below another ROOT of the same name, if one is given. All that a process makes in one minute are
    the same: to sign one takes as long as a call of KMS.
    """
    now -= now % 60
    changes = {at: {"not_before": now - before, "not_after": now + after} for at, (before, after) in enumerate(LIFETIMES) if at}
    return ca.Chain(changes=changes | ({0: {"key": root}} if root else {}))


class Nsm:
    def __init__(self, path: Path | None = None, pcrs: dict[int, bytes] | None = None, now: Callable[[], float] = time.time,
                 module_id: str = ca.MODULE_ID, chain: Callable[[int], ca.Chain] = chain_at) -> None:
        self.now, self.module_id, self.make_chain = now, module_id, chain
        self.clock_off_s = 0.0                # of this module's clock alone
        self.pcrs = [Pcr(locked=n < 16) for n in range(PCRS)]
        for n, value in (ca.pcr_values() if pcrs is None else pcrs).items():
            self.pcrs[n].value = value
        self.form = "open"                    # of the payload: as AWS writes it today, or "definite"
        self.faults: dict[str, Fault] = {}    # by the request's name; "" is for all
        self.requests: list[Request] = []
        self.documents: list[bytes] = []
        self.connections = 0
        self._chain: tuple[int, ca.Chain] | None = None
        self._released = threading.Event()
        self._device = threading.Lock()       # as the driver's: one request at a time
        self._tmp = tempfile.TemporaryDirectory(prefix="nsm-")
        self.path = path or Path(self._tmp.name) / "nsm"
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    # --- its state ---

    def set_pcr(self, n: int, value: bytes) -> None:
        self.pcrs[n].value = value

    def pcr(self, n: int) -> bytes:
        return self.pcrs[n].value

    @property
    def time(self) -> float:
        return self.now() + self.clock_off_s

    @cached_property
    def root(self) -> Path:
        """The root certificate, DER."""
        path = Path(self._tmp.name) / "root.der"
        path.write_bytes(self.chain().ders[0])
        return path

    def chain(self) -> ca.Chain:
        """AWS's NSM keeps a leaf for a while, too."""
        now = int(self.time)
        if not self._chain or not 0 <= now - self._chain[0] < ca.HOUR:
            self._chain = now, self.make_chain(now)
        return self._chain[1]

    def release(self) -> None:
        """What hangs is answered now."""
        self._released.set()

    def count(self, name: str) -> int:
        return sum(r.name == name for r in self.requests)

    # --- answers ---

    def _of(self, fields: dict, name: str) -> Pcr:
        index = fields.get(name)
        if not isinstance(index, int) or not 0 <= index < PCRS:
            raise Refused("InvalidIndex")
        return self.pcrs[index]

    def _describe(self, fields: dict) -> dict:
        return {"version_major": 1, "version_minor": 0, "version_patch": 0, "module_id": self.module_id, "max_pcrs": PCRS,
                "locked_pcrs": [n for n, p in enumerate(self.pcrs) if p.locked], "digest": "SHA384"}

    def _random(self, fields: dict) -> dict:
        return {"random": os.urandom(256)}

    def _describe_pcr(self, fields: dict) -> dict:
        p = self._of(fields, "index")
        return {"lock": p.locked, "data": p.value}

    def _extend(self, fields: dict) -> dict:
        p, data = self._of(fields, "index"), fields.get("data")
        if not isinstance(data, bytes):
            raise Refused("InvalidOperation")
        if p.locked:
            raise Refused("ReadOnlyIndex")
        p.value = hashlib.sha384(p.value + data).digest()
        return {"data": p.value}

    def _lock(self, fields: dict) -> None:
        p = self._of(fields, "index")
        if p.locked:
            raise Refused("ReadOnlyIndex")
        p.locked = True

    def _lock_range(self, fields: dict) -> None:
        end = fields.get("range")
        if not isinstance(end, int) or not 0 <= end <= PCRS:
            raise Refused("InvalidIndex")
        for p in self.pcrs[:end]:
            p.locked = True

    def document(self, **given: bytes | None) -> bytes:
        """Signed, with GIVEN as public_key, user_data and nonce."""
        chain = self.chain()
        changes = {k: ca.NULL if v is None else ca.octets(v) for k, v in given.items()}
        values = {n: p.value for n, p in enumerate(self.pcrs) if p.locked}
        return ca.document(chain, self.form, module_id=ca.text(self.module_id), timestamp=ca.uint(int(self.time * 1000), 8),
                           pcrs=ca.pcr_map(values), **changes)

    def _attest(self, fields: dict) -> dict:
        given = {k: fields.get(k) for k in ("public_key", "user_data", "nonce")}
        if not all(v is None or isinstance(v, bytes) for v in given.values()):
            raise Refused("InvalidOperation")
        made = self.document(**given)
        for fault in (self.faults.get("Attestation"), self.faults.get("")):
            made = fault.change(made) if fault else made
        self.documents.append(made)
        return {"document": made}

    KNOWN = {"DescribeNSM": _describe, "GetRandom": _random, "DescribePCR": _describe_pcr, "ExtendPCR": _extend,
             "LockPCR": _lock, "LockPCRs": _lock_range, "Attestation": _attest}

    @staticmethod
    def read(raw: bytes) -> Request:
        got = cbor2.loads(raw)
        if isinstance(got, str):
            return Request(got)
        if isinstance(got, dict) and len(got) == 1:
            (name, fields), = got.items()
            if isinstance(name, str) and isinstance(fields, dict):
                return Request(name, fields)
        raise ValueError("no request")

    def answer(self, r: Request) -> bytes:
        """As the device has it, without faults."""
        known = self.KNOWN.get(r.name)
        try:
            if not known:
                raise Refused("InvalidOperation")
            fields = known(self, r.fields)
        except Refused as e:
            return cbor2.dumps({"Error": str(e)})
        out = cbor2.dumps(r.name if fields is None else {r.name: fields})
        return out if len(out) <= RESPONSE_MAX else cbor2.dumps({"Error": "InputTooLarge"})

    def _with_faults(self, raw: bytes) -> tuple[int, bytes]:
        """The errno and the answer."""
        try:
            r = self.read(raw)
        except (ValueError, cbor2.CBORDecodeError):
            return 0, cbor2.dumps({"Error": "InvalidOperation"})
        self.requests.append(r)
        fault = self.faults.get(r.name) or self.faults.get("") or Fault()
        if fault.times is not None:
            if fault.times == 0:
                return 0, self.answer(r)
            fault.times -= 1
        if fault.delay_s:
            time.sleep(fault.delay_s)
        if fault.hang:
            self._released.wait()
        if fault.errno:
            return fault.errno, b""
        if fault.refusal:
            return 0, cbor2.dumps({"Error": fault.refusal})
        out = self.answer(r) if fault.answer is None else fault.answer
        return 0, out[:len(out) - fault.cut]

    # --- the socket ---

    def __enter__(self) -> "Nsm":
        self._listener.bind(str(self.path))
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._tmp.cleanup()

    def _accept(self) -> None:
        while True:
            try:
                conn, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn: socket.socket) -> None:
        """One opened device. Each request brings the socket of its answer, so that nobody reads another one's."""
        with conn:
            while True:
                raw, fds, _, _ = socket.recv_fds(conn, REQUEST_MAX + 1, 1)
                if not fds:
                    return
                with socket.socket(fileno=fds[0]) as back, self._device:
                    error, out = self._with_faults(raw) if len(raw) <= REQUEST_MAX else (90, b"")  # EMSGSIZE
                    try:
                        back.send(struct.pack("=i", error) + out)
                    except OSError:
                        pass  # the caller has been left behind, and is gone


def main(path: str, root: str, *pcrs: str) -> None:
    with Nsm(Path(path)) as nsm:
        for word in pcrs:
            n, _, value = word.partition("=")
            nsm.set_pcr(int(n), bytes.fromhex(value))
        Path(root).write_bytes(nsm.root.read_bytes())
        print(f"nsm: at {path}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
