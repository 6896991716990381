"""A started instance: asked to answer, and ended, whatever strategy it came from."""

from __future__ import annotations

import abc
import contextlib
import os
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from aetherless_py.errors import (
    HandlerError,
    InstanceGoneError,
    InvocationError,
    InvocationTimeoutError,
    StartError,
)
from aetherless_py.start.output import Output
from aetherless_py.start.readiness import readable
from aetherless_py.start.worker import HEAD_BYTES

MAX_MESSAGE_BYTES = 64 << 20
GRACE_S = 1.0


@dataclass(slots=True)
class Phases:
    """The moments of a start, as CLOCK_MONOTONIC in ns; None where a strategy has no such moment.

    Attributes:
        asked_ns: somebody asked for an instance.
        created_ns: its process exists.
        interpreter_ns: the first line of Python ran in it.
        imported_ns: the function's modules are imported.
        ready_ns: READY was heard.
        first_response_ns: its first answer was heard.
    """

    asked_ns: int
    created_ns: int | None = None
    interpreter_ns: int | None = None
    imported_ns: int | None = None
    ready_ns: int | None = None
    first_response_ns: int | None = None

    def until_ready(self) -> Iterator[tuple[str, int]]:
        """Each moment's name, and how long after `asked_ns` it was, in ns."""
        for name in ("created", "interpreter", "imported", "ready"):
            moment_ns = getattr(self, f"{name}_ns")
            if moment_ns is not None:
                yield name, moment_ns - self.asked_ns


class HasFileno(Protocol):
    """What can be waited for."""

    def fileno(self) -> int: ...


class Process(abc.ABC):
    """An instance's process, as the one who started it can see and end it.

    Attributes:
        pid: as this process sees it.
        ended_fd: becomes readable when it has ended; -1 when it is over.
    """

    pid: int
    ended_fd: int

    @abc.abstractmethod
    def end(self) -> int | None:
        """Kills it with all that it has started and reaps it.

        Returns:
            The exit status as `subprocess` has it, negative for a signal; None if unknown.
        """

    def known_as(self, pid: int) -> None:
        """It has said READY, and the kernel whom that came from.

        Raises:
            StartError: it has ended since, and was reaped.
        """
        self.pid = pid
        try:
            self.ended_fd = os.pidfd_open(pid)
        except ProcessLookupError:
            raise StartError("the instance ended right after READY") from None

    def ended(self) -> bool:
        """Whether it has ended by itself, or was killed."""
        return self.ended_fd < 0 or readable(self.ended_fd)


class Instance:
    """An instance that has said READY. One thread invokes it at a time.

    Attributes:
        id: its own; no two instances share one.
        mode: the name of the strategy that started it.
        phases: the moments of its start.
        invocations: how many times it was asked.
        status: its process's exit status once it was stopped.
        at_end: called with it when it has been stopped.
    """

    def __init__(
        self,
        instance_id: str,
        mode: str,
        process: Process,
        connection: socket.socket,
        output: Output,
        phases: Phases,
    ) -> None:
        self.id, self.mode, self.phases = instance_id, mode, phases
        self.invocations = 0
        self.status: int | None = None
        self.at_end: list[Callable[[Instance], object]] = []
        self._process, self._connection, self._output = process, connection, output
        self._lock = threading.Lock()
        self._stopped = False

    @property
    def pid(self) -> int:
        """Of its process."""
        return self._process.pid

    @property
    def ended_fd(self) -> int:
        """A descriptor that becomes readable when the process ends."""
        return self._process.ended_fd

    @property
    def alive(self) -> bool:
        """Whether it could be asked."""
        return not self._stopped and not self._process.ended()

    @property
    def output(self) -> str:
        """The end of what it has printed."""
        return self._output.tail()

    @property
    def printed(self) -> Output:
        """What it prints into."""
        return self._output

    def invoke(self, payload: bytes, timeout_s: float = 60.0) -> bytes:
        """Asks the function.

        Args:
            payload: the request, up to `MAX_MESSAGE_BYTES`.
            timeout_s: seconds to wait for the answer.

        Returns:
            The answer.

        Raises:
            ValueError: the payload is too large.
            HandlerError: the function raised; the instance goes on.
            InstanceGoneError: it ended, was stopped, or spoke unasked; what is left was killed.
            InvocationTimeoutError: no answer in time; the instance was killed.
        """
        if len(payload) > MAX_MESSAGE_BYTES:
            raise ValueError(f"payload has {len(payload)} bytes: at most {MAX_MESSAGE_BYTES}")
        with self._lock:
            if self._stopped:
                raise InstanceGoneError(f"instance {self.id} was stopped")
            try:
                return self._ask(payload, time.monotonic_ns() + int(timeout_s * 1e9))
            except InvocationError as error:
                # One that is ending by itself may do so: its exit status tells why.
                self._end(GRACE_S if isinstance(error, InstanceGoneError) else 0)
                raise type(error)(f"instance {self.id}: {error}{self._last_words()}") from None

    def take_connection(self) -> socket.socket:
        """The connection, for one who speaks with the function's own server.

        It stays the instance's to close; `invoke` must not be called any more.
        """
        return self._connection

    def note_marks(self, marks: bytes) -> None:
        """What the process told of its start, as `worker.marks_of` gave it."""
        self._note(bytes(HEAD_BYTES - len(marks)) + marks, time.monotonic_ns())

    def hand_over(self, mode: str, phases: Phases) -> None:
        """Makes it a new start of another strategy, which has kept it until now."""
        self.mode, self.phases = mode, phases

    def _ask(self, payload: bytes, deadline_ns: int) -> bytes:
        if readable(self._connection.fileno()):
            raise InstanceGoneError("it ended, or spoke without being asked")
        first = self.invocations == 0
        self.invocations += 1
        self._send(self._connection, len(payload).to_bytes(4, "little") + payload, deadline_ns)
        head = self._receive(HEAD_BYTES, deadline_ns)
        size = int.from_bytes(head[4:8], "little")
        if head[0] > 1 or size > MAX_MESSAGE_BYTES:
            raise InstanceGoneError(f"its answer makes no sense ({size} bytes)")
        answer = self._receive(size, deadline_ns)
        if first:
            self._note(head, time.monotonic_ns())
        if head[0]:
            raise HandlerError(answer.decode(errors="replace"))
        return answer

    def _note(self, head: bytes, answered_ns: int) -> None:
        phases = self.phases
        phases.first_response_ns = answered_ns
        # What was before it was asked for is no part of this start.
        marks = (int.from_bytes(head[at : at + 8], "little") for at in (8, 16, 24))
        created_ns, phases.interpreter_ns, phases.imported_ns = (
            mark if mark > phases.asked_ns else None for mark in marks
        )
        phases.created_ns = phases.created_ns or created_ns
        if phases.created_ns is not None and phases.interpreter_ns is not None:
            # Who has created it may have come to the clock later than the new process did.
            phases.created_ns = min(phases.created_ns, phases.interpreter_ns)

    def _send(self, connection: socket.socket, data: bytes, deadline_ns: int) -> None:
        left = memoryview(data)
        while left:
            try:
                left = left[connection.send(left, socket.MSG_DONTWAIT) :]
            except BlockingIOError:
                self._wait(connection, select.POLLOUT, deadline_ns)
            except OSError:
                raise InstanceGoneError("it ended while it was asked") from None

    def _receive(self, count: int, deadline_ns: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            self._wait(self._connection, select.POLLIN, deadline_ns)
            try:
                more = self._connection.recv(min(count - len(data), 1 << 20), socket.MSG_DONTWAIT)
            except BlockingIOError:
                continue
            except OSError:
                more = b""
            if not more:
                raise InstanceGoneError("it ended before it answered")
            data += more
        return bytes(data)

    def _wait(self, waited: HasFileno, event: int, deadline_ns: int) -> None:
        poll = select.poll()
        poll.register(waited, event)
        poll.register(self._output, select.POLLIN)
        poll.register(self._process.ended_fd, select.POLLIN)
        while True:
            left_ns = deadline_ns - time.monotonic_ns()
            ready = {fd for fd, _ in poll.poll(max(0, left_ns) / 1e6)}
            if waited.fileno() in ready:
                return
            if self._process.ended_fd in ready:
                raise InstanceGoneError("it ended before it answered")
            if self._output.fileno() in ready and not self._output.drain():
                poll.unregister(self._output)
            if left_ns <= 0:
                raise InvocationTimeoutError("no answer in time; it was killed")

    def _last_words(self) -> str:
        words = self._output.tail()
        return f"; it printed last:\n{words[-4000:]}" if words else ""

    def stop(self, grace_s: float = GRACE_S) -> None:
        """Ends the instance with all that it has started. May be called again.

        Args:
            grace_s: how long it may take to end by itself when it sees its connection closed.
        """
        with self._lock:
            if self._stopped:
                return
            self._end(grace_s)

    def _let_end(self, deadline_ns: int) -> None:
        poll = select.poll()
        poll.register(self._process.ended_fd, select.POLLIN)
        poll.register(self._output, select.POLLIN)
        while (left_ns := deadline_ns - time.monotonic_ns()) > 0:
            ready = {fd for fd, _ in poll.poll(left_ns / 1e6)}
            if self._process.ended_fd in ready:
                return
            if self._output.fileno() in ready and not self._output.drain():
                poll.unregister(self._output)

    def _let_go(self) -> None:
        """Tells it that nobody will ask any more."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def _end(self, grace_s: float) -> None:
        self._stopped = True
        self._let_go()
        self._let_end(time.monotonic_ns() + int(grace_s * 1e9))
        self.status = self._process.end()
        self._connection.close()
        self._output.close()
        for callback in self.at_end:
            callback(self)

    def __repr__(self) -> str:
        state = "stopped" if self._stopped else f"process {self.pid}"
        return f"<Instance {self.id} by {self.mode}, {state}>"
