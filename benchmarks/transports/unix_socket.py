"""A Unix stream socket."""

from __future__ import annotations

import os
import socket

from benchmarks.transports.streams import SocketTransport

# Room for a whole large message: with the default of 208 KiB a sender of 4 MiB sleeps 20 times.
SOCKET_BUFFER_BYTES = 1 << 20


class UnixSocket(SocketTransport):
    """`socket.AF_UNIX`, `SOCK_STREAM`, a length before each message."""

    name = "unix_socket"
    tracking = quick = ("echo",)
    family = socket.AF_UNIX

    def address(self) -> str:
        return os.path.join(self.folder, "socket")

    def tune(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER_BYTES)
