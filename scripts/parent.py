"""
The parent instance's side of the heartbeat, with faults on request. It listens on FOLDER/9000.sock, answers 0xB7 with 0xB7,
and tells each event: "listening" ("absent", "waiting"), "connected", "received", "answered", "error", "closed".
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
LAST_S = 60  # for the last events of connections whose other end is gone


def _options() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="parent", add_help=False)
    p.add_argument("--late", type=float, default=0, help="begin to listen after that time, in seconds")
    p.add_argument("--slow", type=float, default=0, help="answer after that time")
    fault = p.add_mutually_exclusive_group()
    fault.add_argument("--wrong-byte", action="store_true", help="answer 0x42")
    fault.add_argument("--silent", action="store_true", help="read, never answer")
    fault.add_argument("--reset", action="store_true", help="close before reading")
    fault.add_argument("--absent", action="store_true", help="do not listen")
    return p


OPTIONS = _options()


class Parent:
    """Listens, in threads, from its making to stop(). TAKE gets each event, one at a time."""

    def __init__(self, folder: Path, take: Callable[[dict], None], words: tuple[str, ...] = ()) -> None:
        self.args = OPTIONS.parse_args([str(w) for w in words])
        self.path = folder / "9000.sock"
        self._take, self._taking = take, threading.Lock()
        self._ending = threading.Event()
        self._woken, self._wakes = socket.socketpair()
        self._threads: list[threading.Thread] = []
        if self.args.absent:
            self._tell("absent")
            return
        if self.args.late:
            self._tell("waiting")
        else:
            listener = self._listen()
        self._main = threading.Thread(target=self._accept, args=(None if self.args.late else listener,), daemon=True)
        self._main.start()

    def stop(self) -> None:
        """Takes and tells what is there already, then ends."""
        self._ending.set()
        self._wakes.send(b"x")
        if not self.args.absent:
            self._main.join()
        for thread in self._threads:
            thread.join(self.args.slow + LAST_S)
        self._woken.close()
        self._wakes.close()

    def _tell(self, name: str, **more: object) -> None:
        with self._taking:
            self._take({"event": name, **more})

    def _listen(self) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # Bound under another name first: whoever sees the socket can connect.
        new = f"{self.path}.new"
        listener.bind(new)
        listener.listen()
        listener.setblocking(False)
        os.rename(new, self.path)
        self._tell("listening")
        return listener

    def _accept(self, listener: socket.socket | None) -> None:
        if listener is None:
            if self._ending.wait(self.args.late):
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
            except OSError as e:
                self._tell("error", conn=number, reason=os.strerror(e.errno or 0))
            finally:
                self._tell("closed", conn=number)
