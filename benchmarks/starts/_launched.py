"""Ways that start a program for each instance, and how such instances are asked."""

from __future__ import annotations

import abc
import contextlib
import functools
import http.client
import socket
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from typing import TypeAlias

from benchmarks.starts._process import Door, Process
from benchmarks.starts.base import Instance, StartError, Way

End: TypeAlias = Callable[[], object]

_HEAD_BYTES = 24
_PROGRAM = "from time import monotonic_ns; up = monotonic_ns(); from worker import main; main(up)"


class LaunchedInstance(Instance):
    """An instance whose process was started for it.

    Args:
        process: of it.
        door: on which it says READY; None where it is expected otherwise.
        ends: what is called when it is stopped, and may be called again.
    """

    connection: socket.socket

    def __init__(self, process: Process, door: Door | None, *ends: End) -> None:
        self.process, self.door, self.ends = process, door, [*ends]

    @functools.cached_property
    def pid(self) -> int:  # type: ignore[override]
        """As `Instance.pid`; to be asked for before it is stopped."""
        return self.process.first()

    def expect(self, deadline_ns: int) -> int:
        """Waits until it is ready; gives the moment in ns.

        Raises:
            StartError: it will not be.
        """
        assert self.door is not None
        self.connection, ready_ns = self.door.expect(self.process, deadline_ns)
        self.ends.append(self.connection.close)
        return ready_ns

    def invoke(self, payload: bytes, timeout_s: float = 60.0) -> bytes:
        self.invocations += 1
        try:
            answer, marks = self._ask(payload, timeout_s)
        except (OSError, ValueError, StartError, http.client.HTTPException) as error:
            try:
                self.process.fail(f"it did not answer: {error!r}")
            finally:
                self.stop()
        if self.invocations == 1:
            self.phases["first_response"] = time.monotonic_ns()
            if marks:
                interpreter_ns, imported_ns = struct.unpack("<QQ", marks)
                self.phases |= {"interpreter": interpreter_ns, "imported": imported_ns}
                if "created" in self.phases:  # we may have come to the clock later than it did
                    self.phases["created"] = min(self.phases["created"], interpreter_ns)
        return answer

    @abc.abstractmethod
    def _ask(self, payload: bytes, timeout_s: float) -> tuple[bytes, bytes]:
        """The answer, and the moments of `worker.marks_of`, or nothing.

        Raises:
            OSError, ValueError, StartError, HTTPException: there is none.
        """

    def stop(self) -> None:
        self.process.end()
        if self.door is not None:
            self.door.close()
        for end in self.ends:
            end()


class SocketInstance(LaunchedInstance):
    """An instance that speaks as `programs/worker.py` does, on the connection of its READY."""

    def _ask(self, payload: bytes, timeout_s: float) -> tuple[bytes, bytes]:
        self.connection.settimeout(timeout_s)
        self.connection.sendall(len(payload).to_bytes(4, "little") + payload)
        head = self._receive(_HEAD_BYTES)
        answer = self._receive(int.from_bytes(head[4:8], "little"))
        if head[0]:
            raise StartError(answer.decode(errors="replace"))
        return answer, head[8:]

    def _receive(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            more = self.connection.recv(count - len(data))
            if not more:
                raise StartError("it ended before it answered")
            data += more
        return bytes(data)


class HttpInstance(LaunchedInstance):
    """An instance that gets requests as bodies of POST, a connection for each."""

    def __init__(
        self, process: Process, door: Door | None, port: socket.socket, *ends: End
    ) -> None:
        super().__init__(process, door, port.close, *ends)
        self.address: tuple[str, int] = port.getsockname()

    def _ask(self, payload: bytes, timeout_s: float) -> tuple[bytes, bytes]:
        if self.process.ended():  # others whom it has started may still serve
            raise StartError("its process has ended")
        connection = http.client.HTTPConnection(*self.address, timeout=timeout_s)
        with contextlib.closing(connection):
            connection.request("POST", "/", payload)
            response = connection.getresponse()
            answer = response.read()
        if response.status != 200:
            raise StartError(f"status {response.status}: {answer.decode(errors='replace')}")
        return answer, bytes.fromhex(response.headers.get("X-Aether-Marks", ""))[8:]


class Launched(Way):
    """A way that starts a program for each instance.

    Attributes:
        folder: for what instances need, as sockets; it is removed at the end.
    """

    def _prepare(self) -> None:
        self.folder = self.made.enter_context(
            tempfile.TemporaryDirectory(prefix="aether-", ignore_cleanup_errors=True)
        )

    def _start(self, phases: dict[str, int]) -> Instance:
        instance = self._launch()
        instance.phases = phases
        try:
            if "created" in self.tells:
                phases["created"] = time.monotonic_ns()
            deadline_ns = phases["asked"] + int(self.function.timeout_s * 1e9)
            phases["ready"] = instance.expect(deadline_ns)
        except BaseException:
            instance.stop()
            raise
        return instance

    @abc.abstractmethod
    def _launch(self) -> LaunchedInstance:
        """An instance whose program was started."""


class Speaking(Launched):
    """A way whose programs speak as `programs/worker.py` does.

    Attributes:
        command: of an instance, by default that program in a fresh interpreter.
    """

    def _prepare(self) -> None:
        super()._prepare()
        self.command = [sys.executable, "-P", "-c", _PROGRAM, *self.function.arguments()]

    def _launch(self) -> LaunchedInstance:
        door = Door(self.folder)
        environment = self.function.full_environment(AETHER_SOCKET=door.path)
        return SocketInstance(Process(self.command, environment), door)
