"""A Unix seqpacket socket: the kernel keeps messages apart."""

from __future__ import annotations

import socket

from benchmarks.transports.base import Link, Payload, PeerGoneError, kernel_limit
from benchmarks.transports.streams import set_timeout
from benchmarks.transports.unix_socket import UnixSocket

DEFAULT_WMEM_BYTES = 212_992  # Linux's own; containers of older kernels do not show theirs


class UnixSeqpacket(UnixSocket):
    """`socket.AF_UNIX`, `SOCK_SEQPACKET`; one more byte tells an empty message from the end."""

    name = "unix_seqpacket"
    kind = socket.SOCK_SEQPACKET
    bulk = False
    # A message is one buffer of the kernel, in physically contiguous blocks: with its overhead it
    # must fit into net.core.wmem_max, doubled.
    largest_bytes = min(1 << 17, 2 * kernel_limit("net/core/wmem_max", DEFAULT_WMEM_BYTES) // 3)

    def link(self, connection: socket.socket) -> Link:
        return SeqpacketLink(connection, self.message_bytes, self.timeout_s)


class SeqpacketLink(Link):
    """Whole messages, each in one packet."""

    def __init__(
        self, connection: socket.socket, message_bytes: int, timeout_s: float | None
    ) -> None:
        self._socket = connection
        self._into = bytearray(max(message_bytes, 64) + 1)
        self._view = memoryview(self._into)
        if timeout_s is not None:
            set_timeout(connection, timeout_s)

    def send(self, payload: Payload) -> None:
        try:
            self._socket.send(b"\0" + payload)
        except (BrokenPipeError, ConnectionResetError):
            raise PeerGoneError("the peer has closed") from None
        except BlockingIOError:
            raise TimeoutError("the peer did not take the message in time") from None

    def receive(self) -> Payload:
        try:
            got = self._socket.recv_into(self._into)
        except ConnectionResetError:
            got = 0
        except BlockingIOError:
            raise TimeoutError("no message came in time") from None
        if got == 0:
            raise PeerGoneError("the peer has closed")
        return self._view[1:got]

    def close(self) -> None:
        self._socket.close()
