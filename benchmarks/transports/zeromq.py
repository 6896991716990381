"""ZeroMQ over `ipc://`."""

from __future__ import annotations

import os
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.transports.base import Link, LinkTransport, cannot_import


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

    def accept(self, ready: Connection) -> Link:
        link = ZeroMqLink()
        link.socket.bind(f"ipc://{self._path()}")
        ready.send(None)
        return link

    def connect(self, address: Any) -> Link:
        link = ZeroMqLink()
        link.socket.connect(f"ipc://{self._path()}")
        return link


class ZeroMqLink(Link):
    """Whole messages over a PAIR socket. The high-water mark stays at its default of 1,000."""

    def __init__(self) -> None:
        import zmq

        self._context = zmq.Context()
        self.socket = self._context.socket(zmq.PAIR)
        self.send, self.receive = self.socket.send, self.socket.recv

    def close(self) -> None:
        self._context.destroy(linger=0)
