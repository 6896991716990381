"""Messages over byte streams: a length of four bytes before each, since a stream has no ends."""

from __future__ import annotations

import socket
import struct
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, ClassVar

from benchmarks.transports.base import Link, LinkTransport, Payload, PeerGoneError

LENGTH = struct.Struct("<I")
# Up to here, joining length and payload is cheaper than a vectored call.
JOINED_BYTES = 16384
BUFFER_BYTES = 1 << 18


class Splitter:
    """Cuts a stream into messages. `fill` receives what is there into a buffer, like `readinto`."""

    def __init__(self) -> None:
        self._buffer = bytearray(BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._begin = self._end = 0  # what is received and not yet taken

    def fill(self, into: memoryview) -> int:
        """Receives at least one byte; 0 when the peer is gone."""
        raise NotImplementedError

    def receive(self) -> Payload:
        """The next message, valid until the next call."""
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
                    raise PeerGoneError("the peer has closed")
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


class SocketLink(Splitter, Link):
    """Whole messages over a stream socket."""

    def __init__(self, connection: socket.socket, timeout_s: float | None) -> None:
        super().__init__()
        self._socket = connection
        if timeout_s is not None:
            set_timeout(connection, timeout_s)

    def send(self, payload: Payload) -> None:
        length = LENGTH.pack(len(payload))
        try:
            if len(payload) <= JOINED_BYTES:
                self._socket.sendall(length + payload)
                return
            sent = self._socket.sendmsg((length, payload))
            if sent < LENGTH.size:
                self._socket.sendall(length[sent:])
                sent = LENGTH.size
            if sent < LENGTH.size + len(payload):
                self._socket.sendall(memoryview(payload)[sent - LENGTH.size :])
        except (BrokenPipeError, ConnectionResetError):
            raise PeerGoneError("the peer has closed") from None
        except BlockingIOError:
            raise TimeoutError("the peer did not take the message in time") from None

    def fill(self, into: memoryview) -> int:
        try:
            return self._socket.recv_into(into)
        except ConnectionResetError:
            return 0
        except BlockingIOError:
            raise TimeoutError("no message came in time") from None

    def close(self) -> None:
        self._socket.close()


def set_timeout(connection: socket.socket, timeout_s: float) -> None:
    """A time-out in the kernel: Python's own would poll before each call."""
    seconds = int(timeout_s)
    value = struct.pack("@ll", seconds, int((timeout_s - seconds) * 1e6))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, value)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, value)


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
        return SocketLink(connection, self.timeout_s)

    def server_link(self, ready: Connection) -> Link:
        with socket.socket(self.family, self.kind) as listener:
            listener.bind(self.address())
            listener.listen(1)
            ready.send(listener.getsockname())
            connection, _ = listener.accept()
        self.tune(connection)
        return self.link(connection)

    def client_link(self, server: BaseProcess, address: Any) -> Link:
        connection = socket.socket(self.family, self.kind)
        try:
            connection.connect(address)
        except BaseException:
            connection.close()
            raise
        self.tune(connection)
        return self.link(connection)
