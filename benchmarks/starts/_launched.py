"""Ways that start a program for each instance, and how such instances are asked."""

from __future__ import annotations

import abc
import contextlib
import functools
import http.client
import shutil
import struct
import tempfile
import time

from benchmarks.starts._process import HOST, Closable, Door, Port, Process
from benchmarks.starts.base import Instance, StartError, Way

_HEAD_BYTES = 24


class LaunchedInstance(Instance):
    """An instance whose process was started for it.

    Args:
        process: of it.
        kept: what is closed when it is stopped.
    """

    def __init__(self, process: Process, *kept: Closable) -> None:
        self.process, self.kept = process, [*kept]

    @functools.cached_property
    def pid(self) -> int:  # type: ignore[override]
        """As `Instance.pid`; to be asked for before it is stopped."""
        return self.process.first()

    @abc.abstractmethod
    def expect(self, deadline_ns: int) -> int:
        """Waits until it is ready; gives the moment in ns.

        Raises:
            StartError: it will not be.
        """

    def invoke(self, payload: bytes, timeout_s: float = 60.0) -> bytes:
        """As `Instance.invoke`."""
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
        """As `Instance.stop`."""
        self.process.end()
        for each in self.kept:
            each.close()


class SocketInstance(LaunchedInstance):
    """An instance that speaks as `programs/worker.py` does, on the connection of its READY."""

    def __init__(self, process: Process, door: Door) -> None:
        super().__init__(process, door)
        self._door = door

    def expect(self, deadline_ns: int) -> int:
        """As `LaunchedInstance.expect`."""
        self._connection, ready_ns = self._door.expect(self.process, deadline_ns)
        self.kept.append(self._connection)
        return ready_ns

    def _ask(self, payload: bytes, timeout_s: float) -> tuple[bytes, bytes]:
        self._connection.settimeout(timeout_s)
        self._connection.sendall(len(payload).to_bytes(4, "little") + payload)
        head = self._receive(_HEAD_BYTES)
        answer = self._receive(int.from_bytes(head[4:8], "little"))
        if head[0]:
            raise StartError(answer.decode(errors="replace"))
        return answer, head[8:]

    def _receive(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            more = self._connection.recv(count - len(data))
            if not more:
                raise StartError("it ended before it answered")
            data += more
        return bytes(data)


class HttpInstance(LaunchedInstance):
    """An instance that gets requests as bodies of POST, a connection for each."""

    def __init__(self, process: Process, port: Port, *kept: Closable) -> None:
        super().__init__(process, port, *kept)
        self.port = port.number

    def _ask(self, payload: bytes, timeout_s: float) -> tuple[bytes, bytes]:
        if self.process.ended():  # others whom it has started may still serve
            raise StartError("its process has ended")
        connection = http.client.HTTPConnection(HOST, self.port, timeout=timeout_s)
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
        self.folder = tempfile.mkdtemp(prefix="aether-")

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

    def _close(self) -> None:
        if hasattr(self, "folder"):
            shutil.rmtree(self.folder, ignore_errors=True)


class Speaking(Launched):
    """A way whose programs speak as `programs/worker.py` does.

    Attributes:
        command: of an instance; `_prepare` says it.
    """

    command: list[str]

    def _launch(self) -> LaunchedInstance:
        door = Door(self.folder)
        environment = self.function.full_environment(AETHER_SOCKET=door.path)
        return SocketInstance(Process(self.command, environment), door)
