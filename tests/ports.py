"""Ports of TCP for tests that have to name one before anything listens there."""

import socket

_held: list[socket.socket] = []


def free_port() -> int:
    """
    A port of 127.0.0.1 that is this test's until its worker ends. A socket that never listens is bound to it: the kernel gives
    the port to nobody who asks for any, who connects is refused, and who names it may listen there, with SO_REUSEADDR.
    """
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", 0))
    _held.append(s)
    return s.getsockname()[1]
