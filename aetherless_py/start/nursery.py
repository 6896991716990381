"""A process that makes instances, and what it was given for those to come.

Connections and outputs of instances are made ahead and handed to that process, so that a start
need not wait for it.
"""

from __future__ import annotations

import abc
import contextlib
import socket
import threading
from collections import deque
from collections.abc import Callable
from typing import ClassVar, Generic, TypeVar

from aetherless_py.errors import StartError, StrategyClosedError
from aetherless_py.start import process
from aetherless_py.start.attempt import Attempt
from aetherless_py.start.base import Function, Strategy, deadline_of, new_id
from aetherless_py.start.output import Output
from aetherless_py.start.readiness import hear_ready
from aetherless_py.start.spawn import ChildProcess, Lifeline, spawn_python

SPARES = 16


class Spare:
    """Our end of what the nursery was given for an instance to come."""

    def __init__(self) -> None:
        self.output = Output()
        try:
            self.connection, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        except BaseException:  # descriptors are short: one that is lost would be lost for good
            self.output.close()
            raise
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)

    def give(self, control: socket.socket, command: bytes, *more: int) -> None:
        """Sends the nursery its ends.

        Args:
            control: to the nursery.
            command: what it shall do with them.
            more: descriptors beside those.
        """
        socket.send_fds(control, [command], [self.theirs.fileno(), self.output.write_fd, *more])
        self.theirs.close()
        self.output.close_writer()

    def close(self) -> None:
        self.connection.close()
        self.theirs.close()
        self.output.close()


class Nursery(abc.ABC):
    """The process, and the spares that it has. May be used by several threads.

    Raises:
        StartError: it did not come to be; its last words are in the message.
    """

    module: ClassVar[str]  # its program, of this folder
    name: ClassVar[str]  # of the strategy
    holds_instances: ClassVar[bool]  # whether they end with it, however it ends

    def __init__(self, function: Function) -> None:
        self._lock = threading.Lock()
        self._spares: deque[Spare] = deque()
        with Attempt(self.name, function) as attempt:
            self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            attempt.keeps(self._control)
            attempt.holds(theirs)
            self._control.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            lifeline = attempt.keeps(Lifeline())
            self.output = output = attempt.output
            fds = {
                1: output.write_fd,
                2: output.write_fd,
                process.LIFELINE: lifeline.read_fd,
                process.CONTROL: theirs.fileno(),
            }
            nursery_id = new_id()
            environment = function.full_environment(AETHER_NURSERY_ID=nursery_id)
            pid = spawn_python(self.module, function.arguments(), environment, fds)
            mark = f"AETHER_NURSERY_ID={nursery_id}" if self.holds_instances else None
            self.process = attempt.process = ChildProcess(pid, mark, lifeline)
            output.close_writer()
            theirs.close()
            self.greet()
            deadline_ns = deadline_of(function)
            hear_ready(self._control, self.process.ended_fd, output, deadline_ns)
            self.hear(deadline_ns)

    def greet(self) -> None:  # noqa: B027 - most have nothing to say
        """Says what the process must know before it is ready."""

    def hear(self, deadline_ns: int) -> None:  # noqa: B027
        """Hears what the process has to say after READY."""

    @abc.abstractmethod
    def make_spare(self) -> Spare:
        """A spare that the nursery has been given.

        Raises:
            OSError: the nursery has ended.
        """

    def fill(self) -> None:
        """Makes the first spares.

        Raises:
            StartError: the nursery ended meanwhile.
        """
        try:
            while len(self._spares) < SPARES:
                self._spares.append(self.make_spare())
        except OSError:
            raise StartError(f"the {self.module} ended right after READY") from None

    def refill(self) -> None:
        """Makes up for spares that were used; an ended nursery is the next start's matter."""
        with self._lock, contextlib.suppress(OSError):
            while len(self._spares) < SPARES:
                self._spares.append(self.make_spare())

    def take(self) -> Spare:
        """The oldest spare; the caller holds the lock.

        Raises:
            OSError: there is none, and the nursery has ended.
        """
        self.output.drain()  # at its next fork it could wait for a full pipe, for ever
        return self._spares.popleft() if self._spares else self.make_spare()

    def close(self) -> None:
        self.process.end()
        with self._lock:  # nobody reads meanwhile from a descriptor that may be another's by now
            self._control.close()
            self.output.close()
            while self._spares:
                self._spares.popleft().close()


AnyNursery = TypeVar("AnyNursery", bound=Nursery)
Given = TypeVar("Given")


class NurseryStrategy(Strategy, Generic[AnyNursery]):
    """A strategy whose instances come from a nursery; one that was killed is replaced."""

    prepared_descriptors = 6 + 3 * SPARES
    instance_descriptors = 5

    def __init__(self) -> None:
        super().__init__()
        self._replacing = threading.Lock()
        self._nursery: AnyNursery  # when it is prepared

    @abc.abstractmethod
    def _new_nursery(self, function: Function) -> AnyNursery:
        """A nursery without spares.

        Raises:
            StartError: it cannot be made.
        """

    def _begin(self, function: Function) -> AnyNursery:
        nursery = self._new_nursery(function)
        try:
            nursery.fill()
        except BaseException:
            nursery.close()
            raise
        self._nursery = nursery
        return nursery

    def _ask(
        self, function: Function, ask: Callable[[AnyNursery], Given]
    ) -> tuple[AnyNursery, Given]:
        """Asks the nursery for something, or another one where this one was killed.

        Raises:
            StrategyClosedError: it was closed meanwhile.
            StartError: it cannot be had, as where descriptors are short.
        """
        nursery = self._nursery
        try:
            return nursery, ask(nursery)
        except OSError as error:
            self._must_be_open()
            # Its end of the socket is cut before it is seen to have ended.
            if not isinstance(error, ConnectionError) and not nursery.process.ended():
                raise StartError(f"{self.name}: {error}") from None
        with self._replacing:
            self._must_be_open()
            if self._nursery is nursery:
                nursery.close()
                other = self._begin(function)
            else:  # another thread has
                other = self._nursery
        try:
            return other, ask(other)
        except OSError as error:
            raise StartError(f"{self.name}: {error}") from None

    def replenish(self) -> None:
        """As `Strategy.replenish`."""
        self._nursery.refill()

    def settle(self, timeout_s: float) -> None:
        """As `Strategy.settle`."""
        self.replenish()

    def _must_be_open(self) -> None:
        if self._closed:
            raise StrategyClosedError(f"{self.name}: this strategy is closed")

    def _close(self) -> None:
        with self._replacing:
            if hasattr(self, "_nursery"):
                self._nursery.close()
