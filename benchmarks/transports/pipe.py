"""A pair of kernel pipes, `os.pipe`."""

from __future__ import annotations

import contextlib
import fcntl
import multiprocessing
import os
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.transports.base import Link, LinkTransport, Payload
from benchmarks.transports.streams import JOINED_BYTES, LENGTH, Splitter

PIPE_BYTES = 1 << 20  # the most that an unprivileged user may set


class Pipe(LinkTransport):
    """One pipe in each direction, a length before each message."""

    name = "pipe"

    def __post_init__(self) -> None:
        # multiprocessing's objects are no more than descriptors that can travel.
        self._there = multiprocessing.Pipe(duplex=False)
        self._back = multiprocessing.Pipe(duplex=False)
        for _, writing in (self._there, self._back):
            with contextlib.suppress(PermissionError):
                fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE_BYTES)

    def accept(self, ready: Connection) -> Link:
        ready.send(None)
        return PipeLink(self._there[0].fileno(), self._back[1].fileno())

    def connect(self, address: Any) -> Link:
        return PipeLink(self._back[0].fileno(), self._there[1].fileno())

    def close(self) -> None:
        for end in (*self._there, *self._back):
            end.close()


class PipeLink(Splitter):
    """Whole messages over two pipes."""

    def __init__(self, reading: int, writing: int) -> None:
        super().__init__()
        self._reading, self._writing = reading, writing

    def send(self, payload: Payload) -> None:
        length = LENGTH.pack(len(payload))
        if len(payload) <= JOINED_BYTES:
            self._write(memoryview(length + payload))
        else:
            self._write(memoryview(length))
            self._write(memoryview(payload))

    def _write(self, data: memoryview) -> None:
        while data:
            data = data[os.write(self._writing, data) :]

    def fill(self, into: memoryview) -> int:
        return os.readv(self._reading, [into])

    def close(self) -> None:
        """The transport holds the descriptors."""
