"""A pair of kernel pipes, `os.pipe`."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import DupFd
from typing import Any

from benchmarks.transports.base import Link, LinkTransport, Mode, Payload, PeerGoneError
from benchmarks.transports.streams import JOINED_BYTES, LENGTH, Splitter

PIPE_BYTES = 1 << 20  # the most that an unprivileged user may set


class Pipe(LinkTransport):
    """One pipe in each direction, a length before each message."""

    name = "pipe"

    def __init__(
        self, folder: str, message_bytes: int, mode: Mode, timeout_s: float | None = None
    ) -> None:
        super().__init__(folder, message_bytes, mode, timeout_s)
        self._there, self._back = os.pipe(), os.pipe()
        for _, writing in (self._there, self._back):
            with contextlib.suppress(PermissionError):
                fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._own = [*self._there, *self._back]

    def __getstate__(self) -> dict[str, Any]:
        # While the server is being started, descriptors travel with the object.
        return {
            **self.__dict__, "_own": [],
            "_there": DupFd(self._there[0]), "_back": DupFd(self._back[1]),
        }  # fmt: skip

    def server_link(self, ready: Connection) -> Link:
        link = PipeLink(self._there.detach(), self._back.detach(), self.timeout_s)  # type: ignore[attr-defined]
        ready.send(None)
        return link

    def client_link(self, server: BaseProcess, address: Any) -> Link:
        # The server's ends are closed here, or its death would go unnoticed.
        for end in (self._there[0], self._back[1]):
            os.close(end)
        self._own.clear()
        return PipeLink(self._back[0], self._there[1], self.timeout_s)

    def close(self) -> None:
        while self._own:
            os.close(self._own.pop())


class PipeLink(Splitter, Link):
    """Whole messages over two pipes."""

    def __init__(self, reading: int, writing: int, timeout_s: float | None) -> None:
        super().__init__()
        self._reading, self._writing = reading, writing
        self._timeout_s = timeout_s

    def send(self, payload: Payload) -> None:
        if len(payload) <= JOINED_BYTES:
            self._write(memoryview(LENGTH.pack(len(payload)) + payload))
        else:
            self._write(memoryview(LENGTH.pack(len(payload))))
            self._write(memoryview(payload))

    def _write(self, data: memoryview) -> None:
        try:
            while data:
                if self._timeout_s is not None:
                    self._wait(self._writing, select.POLLOUT)
                data = data[os.write(self._writing, data) :]
        except BrokenPipeError:
            raise PeerGoneError("the peer has closed") from None

    def fill(self, into: memoryview) -> int:
        if self._timeout_s is not None:
            self._wait(self._reading, select.POLLIN)
        return os.readv(self._reading, [into])

    def _wait(self, fd: int, what: int) -> None:
        poll = select.poll()
        poll.register(fd, what)
        if not poll.poll((self._timeout_s or 0.0) * 1e3):
            raise TimeoutError("the peer did nothing in time")

    def close(self) -> None:
        for fd in (self._reading, self._writing):
            if fd >= 0:
                os.close(fd)
        self._reading = self._writing = -1
