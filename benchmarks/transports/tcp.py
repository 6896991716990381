"""TCP over the loopback interface."""

from __future__ import annotations

import socket

from benchmarks.transports.streams import SocketTransport


class Tcp(SocketTransport):
    """`socket.AF_INET`, no delay, a length before each message."""

    name = "tcp"
    family = socket.AF_INET

    def address(self) -> tuple[str, int]:
        return "127.0.0.1", 0

    def tune(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
