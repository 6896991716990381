"""`multiprocessing.Queue`."""

from __future__ import annotations

import multiprocessing
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.transports.base import Link, LinkTransport, Payload


class MultiprocessingQueue(LinkTransport):
    """A queue in each direction. Objects are pickled, and a thread of the sender's writes them."""

    name = "multiprocessing_queue"
    wait = "blocking, through a feeder thread"

    def __post_init__(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._there: Any = spawn.Queue()
        self._back: Any = spawn.Queue()

    def accept(self, ready: Connection) -> Link:
        ready.send(None)
        return QueueLink(self._there, self._back)

    def connect(self, address: Any) -> Link:
        return QueueLink(self._back, self._there)

    def close(self) -> None:
        for one in (self._there, self._back):
            one.cancel_join_thread()  # nobody is left to read what it may still hold
            one.close()


class QueueLink(Link):
    """Whole messages over two queues."""

    def __init__(self, incoming: Any, outgoing: Any) -> None:
        self.receive, self._put = incoming.get, outgoing.put

    def send(self, payload: Payload) -> None:
        self._put(bytes(payload))

    def close(self) -> None:
        """The transport holds the queues."""
