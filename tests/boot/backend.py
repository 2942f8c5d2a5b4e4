"""
What the vsock backend sees under scripts/vsock-preload.c, without backend and guest: this file, run as a program with that
library preloaded, gets QEMU's messages, puts into the guest's queue what a guest would, and prints when it hears of a connection.
"""

import mmap
import os
import select
import socket
import struct
from pathlib import Path

GUEST, USER, OFFSET, LEN = 0x100000, 0x7F0000000000, 4096, 65536  # the guest's memory
DESC, AVAIL, USED, PACKETS = 0, 8192, 12288, 16384                # in it
QUEUE, ROOM = 64, 64                                              # packets, and bytes of each
SET_MEM_TABLE, SET_VRING_NUM, SET_VRING_ADDR, SEND_QUEUE = 5, 8, 9, 1
RESPONSE, RW, CREDIT_UPDATE = 2, 5, 6
PORT = 80
SOON_S, DEADLINE_S = 0.1, 300


class Guest:
    def __init__(self) -> None:
        fd = os.memfd_create("guest")
        os.ftruncate(fd, OFFSET + LEN)
        self.memory = memoryview(mmap.mmap(fd, OFFSET + LEN))[OFFSET:]
        self.sent = 0
        self.kick = os.eventfd(0)
        self.qemu, self.backend = socket.socketpair()
        self.tell(SET_MEM_TABLE, struct.pack("<II4Q", 1, 0, GUEST, LEN, USER, OFFSET), fd)
        self.tell(SET_VRING_NUM, struct.pack("<II", SEND_QUEUE, QUEUE))
        self.tell(SET_VRING_ADDR, struct.pack("<II4Q", SEND_QUEUE, 0, USER + DESC, USER + USED, USER + AVAIL, 0))

    def tell(self, request: int, body: bytes, *fds: int) -> None:
        """As QEMU sends it and the backend reads it."""
        socket.send_fds(self.qemu, [struct.pack("<III", request, 1, len(body)) + body], fds)
        self.backend.recvmsg(12, socket.CMSG_SPACE(64))
        self.backend.recvmsg(len(body))

    def send(self, op: int, port: int) -> None:
        """A packet to the parent's PORT, and a kick."""
        place = self.sent % QUEUE
        at = PACKETS + place * ROOM
        self.memory[at:at + 44] = struct.pack("<QQIIIHHIII", 4, 1, PORT, port, 0, 1, op, 0, 0, 0)
        self.memory[DESC + place * 16:DESC + place * 16 + 16] = struct.pack("<QIHH", GUEST + at, 44, 0, 0)
        self.memory[AVAIL + 4 + place * 2:AVAIL + 6 + place * 2] = struct.pack("<H", place)
        self.sent += 1
        self.memory[AVAIL + 2:AVAIL + 4] = struct.pack("<H", self.sent)
        os.write(self.kick, struct.pack("<Q", 1))
        os.read(self.kick, 8)

    def taken(self) -> None:
        """The backend is done with all of it, and the memory is the guest's again."""
        self.memory[USED + 2:USED + 4] = struct.pack("<H", self.sent)
        os.write(self.kick, struct.pack("<Q", 1))
        self.memory[PACKETS:] = bytes(LEN - PACKETS)


def main() -> None:
    assert "/vsock-preload.so" in Path("/proc/self/maps").read_text(), "this would open a vsock of this machine"
    guest, epoll = Guest(), select.epoll()
    with socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM) as listener:
        listener.bind((socket.VMADDR_CID_ANY, PORT))
        listener.listen()
        for is_closed in (False, True):
            parent = socket.socket(socket.AF_UNIX)
            parent.connect(f"{os.environ['VSOCK_DIR']}/{PORT}.early")
            parent.sendall(b"first")
            if is_closed:
                parent.close()
            conn, (_, port) = listener.accept()
            epoll.register(conn, select.EPOLLIN)
            for _ in range(3 * QUEUE):
                guest.send(RESPONSE, port + 1)
                guest.send(RW, port)
                guest.taken()
            print("others are answered:", epoll.poll(SOON_S))
            guest.send(CREDIT_UPDATE, port)
            guest.send(RESPONSE, port)
            print("it is answered:", epoll.poll(SOON_S))
            guest.taken()
            heard = epoll.poll(DEADLINE_S)
            print("the answer is taken:", [fd == conn.fileno() and bool(events & select.EPOLLIN) for fd, events in heard])
            print(conn.recv(100))
            epoll.unregister(conn)
            conn.close()


if __name__ == "__main__":
    main()
