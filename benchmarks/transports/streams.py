"""Messages over byte streams: a length of four bytes before each, since a stream has no ends."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, ClassVar

from benchmarks.transports.base import Link, LinkTransport, Payload

LENGTH = struct.Struct("<I")
# Up to here, joining length and payload is cheaper than a vectored call.
JOINED_BYTES = 16384
BUFFER_BYTES = 1 << 18


class Splitter(Link):
    """Cuts a stream into messages.

    Attributes:
        fill: receives what is there into a buffer, like `readinto`; 0 bytes when the peer is gone.
    """

    fill: Callable[[memoryview], int]

    def __init__(self) -> None:
        self._buffer = bytearray(BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._begin = self._end = 0  # what is received and not yet taken

    def receive(self) -> Payload:
        (length,) = LENGTH.unpack(self._take(LENGTH.size))
        return self._take(length)

    def _take(self, size: int) -> memoryview:
        missing = size - (self._end - self._begin)
        if missing > 0:
            if self._begin + size > len(self._buffer):
                self._make_room(size)
            while missing > 0:
                got = self.fill(self._view[self._end :])
                if got == 0:
                    raise EOFError("the peer has closed")
                self._end += got
                missing -= got
        taken = self._view[self._begin : self._begin + size]
        self._begin += size
        if self._begin == self._end:
            self._begin = self._end = 0
        return taken

    def _make_room(self, size: int) -> None:
        rest = bytes(self._view[self._begin : self._end])
        if size > len(self._buffer):
            self._buffer = bytearray(size + BUFFER_BYTES)
            self._view = memoryview(self._buffer)
        self._view[: len(rest)] = rest
        self._begin, self._end = 0, len(rest)


class SocketLink(Splitter):
    """Whole messages over a stream socket."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__()
        self._socket = connection
        self.fill = connection.recv_into

    def send(self, payload: Payload) -> None:
        length = LENGTH.pack(len(payload))
        if len(payload) <= JOINED_BYTES:
            self._socket.sendall(length + payload)
            return
        sent = self._socket.sendmsg((length, payload))
        if sent < LENGTH.size:
            self._socket.sendall(length[sent:])
            sent = LENGTH.size
        if sent < LENGTH.size + len(payload):
            self._socket.sendall(memoryview(payload)[sent - LENGTH.size :])

    def close(self) -> None:
        self._socket.close()


class SocketTransport(LinkTransport):
    """A listening server and one connection."""

    family: ClassVar[socket.AddressFamily]
    kind: ClassVar[socket.SocketKind] = socket.SOCK_STREAM

    def address(self) -> Any:
        """What the server binds to."""
        raise NotImplementedError

    def tune(self, connection: socket.socket) -> None:
        """Sets what a competent user of this socket sets."""

    def link(self, connection: socket.socket) -> Link:
        """A link over the connection."""
        return SocketLink(connection)

    def accept(self, ready: Connection) -> Link:
        with socket.socket(self.family, self.kind) as listener:
            listener.bind(self.address())
            listener.listen(1)
            ready.send(listener.getsockname())
            connection, _ = listener.accept()
        self.tune(connection)
        return self.link(connection)

    def connect(self, address: Any) -> Link:
        connection = socket.socket(self.family, self.kind)
        connection.connect(address)
        self.tune(connection)
        return self.link(connection)
