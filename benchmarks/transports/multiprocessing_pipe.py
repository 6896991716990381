"""`multiprocessing.Pipe`."""

from __future__ import annotations

import multiprocessing
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.transports.base import Link, LinkTransport


class MultiprocessingPipe(LinkTransport):
    """A duplex `multiprocessing.Pipe` with `send_bytes` and `recv_bytes`: nothing is pickled."""

    name = "multiprocessing_pipe"

    def __post_init__(self) -> None:
        self._ends = multiprocessing.Pipe()

    def accept(self, ready: Connection) -> Link:
        ready.send(None)
        return ConnectionLink(self._ends[1])

    def connect(self, address: Any) -> Link:
        return ConnectionLink(self._ends[0])

    def close(self) -> None:
        for end in self._ends:
            end.close()


class ConnectionLink(Link):
    """Whole messages over a connection object."""

    def __init__(self, connection: Any) -> None:
        self.send, self.receive = connection.send_bytes, connection.recv_bytes

    def close(self) -> None:
        """The transport holds the connection."""
