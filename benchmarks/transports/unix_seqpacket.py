"""A Unix seqpacket socket: the kernel keeps messages apart."""

from __future__ import annotations

import socket

from benchmarks.transports.base import Link, Payload, kernel_limit
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
        return SeqpacketLink(connection, self.message_bytes)


class SeqpacketLink(Link):
    """Whole messages, each in one packet."""

    def __init__(self, connection: socket.socket, message_bytes: int) -> None:
        self._socket = connection
        self._into = bytearray(max(message_bytes, 64) + 1)
        self._view = memoryview(self._into)

    def send(self, payload: Payload) -> None:
        self._socket.send(b"\0" + payload)

    def receive(self) -> Payload:
        got = self._socket.recv_into(self._into)
        if got == 0:
            raise EOFError("the peer has closed")
        return self._view[1:got]

    def close(self) -> None:
        self._socket.close()
