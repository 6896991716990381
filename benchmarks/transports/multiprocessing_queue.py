"""`multiprocessing.Queue`."""

from __future__ import annotations

import multiprocessing
import queue
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from benchmarks.transports.base import (
    Link,
    LinkTransport,
    Mode,
    Payload,
    PeerGoneError,
    wait_in_slices,
)  # fmt: skip

_END = None


class MultiprocessingQueue(LinkTransport):
    """A queue in each direction. Objects are pickled, and a thread of the sender's writes them."""

    name = "multiprocessing_queue"
    wait = "blocking, through a feeder thread"

    def __init__(
        self, folder: str, message_bytes: int, mode: Mode, timeout_s: float | None = None
    ) -> None:
        super().__init__(folder, message_bytes, mode, timeout_s)
        spawn = multiprocessing.get_context("spawn")
        self._there: Any = spawn.Queue()
        self._back: Any = spawn.Queue()

    def server_link(self, ready: Connection) -> Link:
        ready.send(None)
        return QueueLink(self._there, self._back, None, self.timeout_s)

    def client_link(self, server: BaseProcess, address: Any) -> Link:
        return QueueLink(self._back, self._there, server, self.timeout_s)

    def close(self) -> None:
        for one in (self._there, self._back):
            one.cancel_join_thread()  # nobody is left to read what it may still hold
            one.close()


class QueueLink(Link):
    """Whole messages over two queues."""

    def __init__(
        self, incoming: Any, outgoing: Any, server: BaseProcess | None, timeout_s: float | None
    ) -> None:
        self._in, self._out = incoming, outgoing
        self._server, self._timeout_s = server, timeout_s
        self._closed = False

    def send(self, payload: Payload) -> None:
        self._out.put(bytes(payload))

    def receive(self) -> Payload:
        if self._timeout_s is None:
            # A blocking get, which is the fast one, never learns that its peer is dead.
            message = self._in.get()
        else:
            message = wait_in_slices(self._get, self._server, self._timeout_s)
        if message is _END or message == (_END,):
            raise PeerGoneError("the peer has closed")
        return bytes(message[0] if isinstance(message, tuple) else message)

    def _get(self, seconds: float) -> tuple[Any] | None:
        try:
            return (self._in.get(timeout=seconds),)
        except queue.Empty:
            return None

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._out.put(_END)
            self._out.close()
            if self._server is None or self._server.is_alive():
                self._out.join_thread()
