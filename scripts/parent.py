"""
The parent instance's side of the heartbeat, with faults on request. It listens on FOLDER/9000.sock, answers 0xB7 with 0xB7,
and tells each event: "listening" ("absent", "waiting"), "connected", "received", "answered", "error", "closed". On request it
has a gate, FOLDER/9009.sock: who connects there gets a byte as soon as an event of a name has been.
"""

import argparse
import os
import select
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

POSITIVE = b"\xb7"
GATE_PORT = 9009
FLOOD = bytes(1 << 20)  # more than a connection's window
LOOK_S = 0.05  # between two looks
LAST_S = 60  # for the last events of connections whose other end is gone


def _options() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="parent", add_help=False)
    p.add_argument("--late", type=float, default=0, help="begin to listen after that time, in seconds")
    p.add_argument("--missed", type=float, metavar="S", help="begin to listen that time after the first attempt to connect")
    p.add_argument("--slow", type=float, default=0, help="answer after that time")
    fault = p.add_mutually_exclusive_group()
    fault.add_argument("--wrong-byte", action="store_true", help="answer 0x42")
    fault.add_argument("--silent", action="store_true", help="read, never answer")
    fault.add_argument("--reset", action="store_true", help="close before reading")
    fault.add_argument("--absent", action="store_true", help="do not listen")
    fault.add_argument("--deaf", action="store_true", help="accept, never read")
    fault.add_argument("--flood", action="store_true", help="send much more behind the answer")
    p.add_argument("--gate", metavar="EVENT", help=f"answer at port {GATE_PORT} when EVENT has been")
    return p


OPTIONS = _options()


class Parent:
    """Listens, in threads, from its making to stop(). TAKE gets each event, one at a time."""

    def __init__(self, folder: Path, take: Callable[[dict], None], words: tuple[str, ...] = ()) -> None:
        self.args = OPTIONS.parse_args([str(w) for w in words])
        self.path = folder / "9000.sock"
        self._take, self._taking = take, threading.Lock()
        self._ending, self._opened = threading.Event(), threading.Event()
        self._woken, self._wakes = socket.socketpair()
        self._threads: list[threading.Thread] = []
        if self.args.gate:
            self._gate = threading.Thread(target=self._serve_gate, args=(self._listen_at(folder / f"{GATE_PORT}.sock"),), daemon=True)
            self._gate.start()
        if self.args.absent:
            self._tell("absent")
            return
        waits = self.args.late or self.args.missed is not None
        if waits:
            self._tell("waiting")
        self._main = threading.Thread(target=self._accept, args=(None if waits else self._listen(),), daemon=True)
        self._main.start()

    def stop(self) -> None:
        """Takes and tells what is there already, then ends."""
        self._ending.set()
        self._wakes.send(b"x")
        if not self.args.absent:
            self._main.join()
        for thread in self._threads:
            thread.join(self.args.slow + LAST_S)
        if self.args.gate:
            self._opened.set()
            self._gate.join()
        self._woken.close()
        self._wakes.close()

    def _tell(self, name: str, **more: object) -> None:
        with self._taking:
            self._take({"event": name, **more})
            if name == self.args.gate:
                self._opened.set()

    @staticmethod
    def _listen_at(path: Path) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # Bound under another name first: whoever sees the socket can connect.
        new = f"{path}.new"
        listener.bind(new)
        listener.listen()
        listener.setblocking(False)
        os.rename(new, path)
        return listener

    def _listen(self) -> socket.socket:
        listener = self._listen_at(self.path)
        self._tell("listening")
        return listener

    def _serve_gate(self, listener: socket.socket) -> None:
        """Whoever connects before the event waits in the queue; the backend has connected him."""
        self._opened.wait()
        with listener:
            while not self._ending.is_set():
                if select.select([listener], [], [], LOOK_S)[0]:
                    with suppress(OSError), listener.accept()[0] as conn:
                        conn.setblocking(True)
                        # Who speaks first is the guest: the backend may lose what comes in the moment of connecting.
                        if conn.recv(1):
                            conn.sendall(b"x")
                            conn.recv(1)  # until he has closed

    def _is_over_before(self) -> bool:
        """Waits until it is time to listen; whether the end came first."""
        missed = self.path.with_suffix(".missed")
        while self.args.missed is not None and not missed.exists():
            if self._ending.wait(LOOK_S):
                return True
        return self._ending.wait(self.args.late + (self.args.missed or 0))

    def _accept(self, listener: socket.socket | None) -> None:
        if listener is None:
            if self._is_over_before():
                return
            listener = self._listen()
        with listener:
            while True:
                ready = select.select([listener, self._woken], [], [])[0]
                if listener in ready:
                    with suppress(BlockingIOError):
                        conn, _ = listener.accept()
                        conn.setblocking(True)
                        thread = threading.Thread(target=self._serve, daemon=True, args=(conn, len(self._threads) + 1))
                        self._threads.append(thread)
                        thread.start()
                elif self._woken in ready:
                    return

    def _serve(self, conn: socket.socket, number: int) -> None:
        self._tell("connected", conn=number)
        with conn:
            try:
                if self.args.reset:
                    # The vsock backend loses an end in the moment of connecting, or with bytes unread; the guest cannot
                    # tell who took them.
                    conn.recv(64)
                    return
                if self.args.deaf:
                    self._ending.wait()
                    return
                while data := conn.recv(64):
                    self._tell("received", conn=number, byte=data.hex())
                    if self.args.silent:
                        continue
                    if data != POSITIVE:
                        break  # nitro-cli gives up at once
                    time.sleep(self.args.slow)
                    answer = b"\x42" if self.args.wrong_byte else POSITIVE
                    conn.sendall(answer)
                    self._tell("answered", conn=number, byte=answer.hex())
                    if self.args.flood:
                        conn.sendall(FLOOD)
            except OSError as e:
                self._tell("error", conn=number, reason=os.strerror(e.errno or 0))
            finally:
                self._tell("closed", conn=number)
