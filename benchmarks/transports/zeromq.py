"""ZeroMQ over `ipc://`."""

from __future__ import annotations

import contextlib
import os
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from benchmarks.transports.base import (
    SLICE_S,
    Link,
    LinkTransport,
    Payload,
    PeerGoneError,
    cannot_import,
    wait_in_slices,
)  # fmt: skip

_END = b"\0end of messages\0"


class ZeroMq(LinkTransport):
    """A pair of PAIR sockets; an I/O thread on each side moves the messages."""

    name = "zeromq"
    quick = ("echo",)
    wait = "blocking, through an I/O thread"

    @classmethod
    def missing(cls) -> str | None:
        return cannot_import("zmq")

    def _path(self) -> str:
        return os.path.join(self.folder, "zeromq")

    def server_link(self, ready: Connection) -> Link:
        link = ZeroMqLink(None, self.timeout_s)
        link.socket.bind(f"ipc://{self._path()}")
        ready.send(None)
        return link

    def client_link(self, server: BaseProcess, address: Any) -> Link:
        link = ZeroMqLink(server, self.timeout_s)
        link.socket.connect(f"ipc://{self._path()}")
        return link

    def close(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path())


class ZeroMqLink(Link):
    """Whole messages over a PAIR socket. The high-water mark stays at its default of 1,000."""

    def __init__(self, server: BaseProcess | None, timeout_s: float | None) -> None:
        import zmq

        self._context = zmq.Context()
        self.socket = self._context.socket(zmq.PAIR)
        self.socket.linger = 1000
        self.socket.rcvtimeo = int(SLICE_S * 1e3)  # costs nothing: it is poll's own time-out
        self._again = zmq.Again
        if server is None:
            # A server has one answer under way at most, for which there is always room: unless the
            # client is gone. To wait would be for ever.
            self.socket.sndtimeo = 0
            # The message of the end is lost where an answer meets the closed connection first.
            self._gone = self.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        self._server, self._timeout_s = server, timeout_s

    def send(self, payload: Payload) -> None:
        try:
            self.socket.send(payload)
        except self._again:
            raise PeerGoneError("the peer has closed") from None

    def receive(self) -> Payload:
        try:
            message = self.socket.recv()
        except self._again:
            message = wait_in_slices(self._get, self._server, self._timeout_s)
        if message == _END:
            raise PeerGoneError("the peer has closed")
        return message

    def _get(self, _: float) -> bytes | None:
        try:
            return self.socket.recv()
        except self._again:
            if self._server is None and self._gone.poll(0):
                raise PeerGoneError("the peer has closed") from None
            return None

    def close(self) -> None:
        if not self.socket.closed:
            with contextlib.suppress(self._again):
                self.socket.send(_END, 1)  # NOBLOCK
            if self._server is None:
                self.socket.disable_monitor()
                self._gone.close()
            self.socket.close()
            self._context.term()
