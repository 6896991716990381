"""The runtime's end of an instance's channel, in an event loop: many requests under way at a time.

While requests are under way and answers keep coming, the loop looks into the ring at each turn;
after `LOOK_NS` without one it sleeps like any loop, and the instance sends a byte with its next
answer. So a busy instance costs no system call for an answer, and an idle one no processor time.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from time import monotonic_ns
from typing import Any, Generic, Protocol, TypeVar

from aetherless_py.channel import Channel
from aetherless_py.errors import AetherlessError, InstanceGoneError, MessageTooLargeError
from aetherless_py.runtime import wire
from aetherless_py.runtime.alarm import Alarm
from aetherless_py.start.worker import MARKS_BYTES

# How long to look on after the last answer. Longer than a short function takes, and than what it
# costs both sides to sleep and be woken (measured: about 20 us).
LOOK_NS = 50_000
_READ_BYTES = 4096
_RETRY_S = 0.002  # until a request for which the ring had no room is tried again

Thing = TypeVar("Thing")


class Queue(Protocol):
    """Who has requests that wait for an instance, with patience."""

    def look(self) -> None:
        """Does what is due; asks again to be looked at if more will be."""


class Looker:
    """Looks for answers on all lines that wait for one, once a turn of the loop.

    And at queues whose patience has an end; when there is nothing to look for, an alarm does.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lines: set[Line[Any]] = set()
        self._armed: set[Line[Any]] = set()  # those that send a byte with the next answer
        self._queues: dict[Queue, int] = {}  # and when to look at each
        self._looking = False
        self._last_ns = 0
        self._alarm = Alarm()
        loop.add_reader(self._alarm.fd, self._rung)

    def close(self) -> None:
        """Looks no more."""
        self._loop.remove_reader(self._alarm.fd)
        self._alarm.close()

    def keep_in_view(self, queue: Queue, due_ns: int) -> None:
        """Looks at a queue at that moment, on CLOCK_MONOTONIC."""
        self._queues[queue] = due_ns
        if not self._looking:
            self._alarm.set(min(self._queues.values()))

    def forget(self, line: Line[Any]) -> None:
        """Looks at a line no more."""
        self._lines.discard(line)
        self._armed.discard(line)

    def _rung(self) -> None:
        self._alarm.clear()
        for line in (*self._lines, *self._armed):  # the answer may be there, the byte not yet read
            line.look()
        self._look_at_queues(monotonic_ns())
        if self._queues and not self._looking:
            self._alarm.set(min(self._queues.values()))

    def _look_at_queues(self, now_ns: int) -> None:
        for queue, due_ns in tuple(self._queues.items()):
            if due_ns <= now_ns:
                del self._queues[queue]
                queue.look()

    def watch(self, line: Line[Any]) -> None:
        """Begins to look for the answers of a line that has just sent a request."""
        self._last_ns = monotonic_ns()
        self._armed.discard(line)
        self._lines.add(line)
        if not self._looking:
            self._looking = True
            self._loop.call_soon(self._look)

    def _look(self) -> None:
        try:
            self._look_once()
        finally:  # whatever one answer's receiver raises, the others are looked for
            self._looking = bool(self._lines)
            if self._looking:
                self._loop.call_soon(self._look)

    def _look_once(self) -> None:
        came = False
        for line in tuple(self._lines):
            came |= line.look()
            if not line.waiting:
                self._lines.discard(line)
        now_ns = monotonic_ns()
        if self._queues:
            self._look_at_queues(now_ns)
        if came:
            self._last_ns = now_ns
        elif now_ns - self._last_ns > LOOK_NS:
            if self._queues:
                self._alarm.set(min(self._queues.values()))
            for line in tuple(self._lines):
                if line.sleep():
                    self._lines.discard(line)
                    self._armed.add(line)


class Line(Generic[Thing]):
    """Requests to one instance, and its answers.

    Args:
        loop: in which all of this happens.
        looker: of the loop.
        channel: to the instance; this end calls.
        connection: to the instance, which has the channel's descriptors already.
        began: called with the marks of its start, as soon as it serves.
        answered: called with what was given to `ask`, and the answer, or what has gone wrong.
        lost: called once, when the instance has closed or is gone.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        looker: Looker,
        channel: Channel,
        connection: socket.socket,
        began: Callable[[bytes], object],
        answered: Callable[[Thing, bytes | AetherlessError], object],
        lost: Callable[[], object],
    ) -> None:
        self._loop, self._looker, self._channel = loop, looker, channel
        self._connection, self._began = connection, began
        self._answered, self._lost = answered, lost
        self._under_way: dict[int, Thing] = {}
        self._unsent: deque[tuple[list[wire.Buffer], Thing]] = deque()
        self._marks: bytes | None = b""
        self._open, self._retrying = True, False
        connection.setblocking(False)
        loop.add_reader(connection.fileno(), self._readable)

    @property
    def waiting(self) -> bool:
        """Whether an answer is expected."""
        return bool(self._under_way)

    def ask(self, message: list[wire.Buffer], whose: Thing) -> None:
        """Sends a request, now or as soon as there is room.

        Args:
            message: its parts.
            whose: what `answered` is called with.
        """
        if not self._open:
            self._answered(whose, InstanceGoneError("it ended before it was asked"))
        elif self._unsent or not self._send(message, whose):
            self._unsent.append((message, whose))
            if not self._retrying:
                self._retrying = True
                self._loop.call_later(_RETRY_S, self._retry)

    def _send(self, message: list[wire.Buffer], whose: Thing) -> bool:
        """Whether that is done with, one way or the other."""
        try:
            number = self._channel.post(message)
        except MessageTooLargeError as error:
            self._answered(whose, error)
            return True
        except (AetherlessError, OSError):  # or it cannot be looked at: descriptors are short
            self._answered(whose, InstanceGoneError("it ended before it was asked"))
            self.close(lost=True)
            return True
        if number is None:
            return False
        self._under_way[number] = whose
        self._looker.watch(self)
        return True

    def look(self) -> bool:
        """Hands out the answers that are there; whether there were any."""
        came = False
        try:
            while self._under_way and (answer := self._channel.collect()) is not None:
                came = True
                number, data, is_error = answer
                whose = self._under_way.pop(number, None)
                if whose is None:  # nobody asked: a function that writes into its channel by itself
                    self.close(lost=True)
                    break
                if is_error:  # of the channel: what was sent is no request
                    self._answered(whose, InstanceGoneError(data.decode(errors="replace")))
                else:
                    self._answered(whose, data)
        except (AetherlessError, OSError):  # it is gone, or it has written nonsense
            self.close(lost=True)
        if came:
            self._send_more()
        return came

    def _send_more(self) -> None:
        while self._unsent and self._send(*self._unsent[0]):
            if self._unsent:  # sending may have found it gone
                self._unsent.popleft()

    def _retry(self) -> None:
        """There is room as soon as a request is taken, which may be long before its answer."""
        self._send_more()
        self._retrying = bool(self._unsent)
        if self._retrying:
            self._loop.call_later(_RETRY_S, self._retry)

    def sleep(self) -> bool:
        """Asks for a byte with the next answer; whether it will come."""
        try:
            return not self._open or self._channel.arm()
        except (AetherlessError, OSError):
            self.close(lost=True)
            return True

    def _readable(self) -> None:
        try:
            data = self._connection.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if self._marks is not None:
            self._marks += data[: MARKS_BYTES - len(self._marks)]
            if len(self._marks) == MARKS_BYTES:
                marks, self._marks = self._marks, None
                self._began(marks)
        if self._under_way:
            self.look()
            self._looker.watch(self)
        if not data:
            self.close(lost=True)

    def gone(self) -> None:
        """The process has ended, even if one that it has left behind holds the connection."""
        if self._under_way:
            self.look()
        self.close(lost=True)

    def close(self, lost: bool = False) -> None:
        """Ends it: what is under way fails. May be called again.

        Args:
            lost: whether the owner, who has not asked for it, is to be told.
        """
        if not self._open:
            return
        self._open = False
        self._looker.forget(self)
        self._loop.remove_reader(self._connection.fileno())
        self._channel.close()
        failed = [*self._under_way.values(), *(whose for _, whose in self._unsent)]
        self._under_way.clear()
        self._unsent.clear()
        for whose in failed:
            self._answered(whose, InstanceGoneError("it ended before it answered"))
        if lost:
            self._lost()

    def free(self) -> None:
        """Gives back the channel's memory, which takes milliseconds; it was closed before."""
        del self._channel
