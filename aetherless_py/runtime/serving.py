"""An instance in service: its state, what is under way in it, and how it is asked."""

from __future__ import annotations

import abc
import asyncio
from collections.abc import Callable
from time import monotonic_ns

from aetherless_py.channel import Channel
from aetherless_py.errors import (
    AetherlessError,
    InstanceGoneError,
    InvocationTimeoutError,
    UpstreamError,
    UpstreamGone,
    UpstreamTimeout,
)
from aetherless_py.runtime import wire
from aetherless_py.runtime.forwarded import forwarded
from aetherless_py.runtime.invocation import Answer, Invocation
from aetherless_py.runtime.line import Line, Looker
from aetherless_py.runtime.logs import Log
from aetherless_py.runtime.proxy import Proxy
from aetherless_py.runtime.states import State, follow
from aetherless_py.runtime.tasks import Tasks
from aetherless_py.start.http_instance import HttpInstance
from aetherless_py.start.instance import Instance

Finished = Callable[["Serving", Invocation, Answer | AetherlessError], object]


class Serving(abc.ABC):
    """An instance that takes requests.

    Args:
        concurrency: how many at a time.
        loop: in which all of this happens.
        finished: called with it, an invocation that it was given, and the answer or what has gone
            wrong.

    Attributes:
        instance: what was started.
        mode: how.
        state: see `State`.
        under_way: requests that it has been given and not answered.
        sleeps: whether it was seen to wait for something else than a processor in a request.
        served: requests that it was given and that are over.
        idle_since_ns: when it last became idle, on CLOCK_MONOTONIC.
        why: why it is, or was, ended.
        log: what it prints.
    """

    def __init__(
        self,
        instance: Instance,
        concurrency: int,
        loop: asyncio.AbstractEventLoop,
        log: Log,
        finished: Finished,
    ) -> None:
        self.instance, self.mode, self.log = instance, instance.mode, log
        self.state = State.STARTING
        self.under_way = self.served = 0
        self.sleeps = False
        self.idle_since_ns = monotonic_ns()
        self.why = ""
        self._concurrency, self._loop, self._finished = concurrency, loop, finished
        instance.printed.pour(log.write)
        loop.add_reader(instance.printed.fileno(), self._printed)
        self._ended_fd = instance.ended_fd
        loop.add_reader(self._ended_fd, self.ended)

    def _printed(self) -> None:
        if not self.instance.printed.drain(reads=1):
            self._loop.remove_reader(self.instance.printed.fileno())

    def become(self, state: State) -> None:
        """Changes its state; refuses what cannot follow."""
        self.state = follow(self.state, state)

    @property
    def has_room(self) -> bool:
        """Whether it takes another request now."""
        return (
            self.under_way < self._concurrency
            and self.state is not State.STOPPING
            and self.state is not State.STOPPED
        )

    def take(self) -> None:
        """Counts a request that it is about to be given."""
        if self.state is State.IDLE:
            self.become(State.BUSY)
        self.under_way += 1

    def give_back(self) -> None:
        """The request is over, or was not given to it after all."""
        self.under_way -= 1
        self.sleeps = False
        if not self.under_way and self.state is State.BUSY:
            self.become(State.IDLE)
            self.idle_since_ns = monotonic_ns()

    @abc.abstractmethod
    def ask(self, invocation: Invocation) -> None:
        """Has the function answer; `finished` is called with what comes of it."""

    @abc.abstractmethod
    def ended(self) -> None:
        """Its process has ended: what it has not answered by now it never will."""

    def close(self) -> None:
        """Ends what connects us; what is under way fails. The process is not ended by this."""
        self._loop.remove_reader(self.instance.printed.fileno())
        self._loop.remove_reader(self._ended_fd)

    def stop(self, grace_s: float) -> None:
        """Ends the process, when all else is closed. Waits, so it belongs into a thread.

        Args:
            grace_s: how long the process may take to end by itself.
        """
        self.instance.stop(grace_s)


class PythonServing(Serving):
    """A Python function behind a channel.

    Args:
        timeout_s: how long an answer may take.
        looker: of the loop.
        channel: whose other end the instance has.
    """

    def __init__(
        self,
        instance: Instance,
        concurrency: int,
        loop: asyncio.AbstractEventLoop,
        log: Log,
        finished: Finished,
        lost: Callable[[Serving], object],
        timeout_s: float,
        looker: Looker,
        channel: Channel,
    ) -> None:
        super().__init__(instance, concurrency, loop, log, finished)
        self._timeout_ns = int(timeout_s * 1e9)
        self._line: Line[Invocation] = Line(
            loop,
            looker,
            channel,
            instance.take_connection(),
            instance.note_marks,
            self._answered,
            lambda: lost(self),
        )

    def ask(self, invocation: Invocation) -> None:
        """As `Serving.ask`."""
        message = wire.request(
            invocation.id,
            invocation.method,
            invocation.path,
            invocation.query,
            invocation.client,
            invocation.received_epoch_ns,
            invocation.sent_ns + self._timeout_ns,
            forwarded(invocation.headers, invocation.client),
            invocation.body,
        )
        self._line.ask(message, invocation)

    def _answered(self, invocation: Invocation, message: bytes | AetherlessError) -> None:
        if not isinstance(message, bytes):
            self._finished(self, invocation, message)
            return
        invocation.answered_ns = monotonic_ns()
        try:
            response = wire.Response(message)
        except wire.WireError as error:
            gone = InstanceGoneError(f"its answer makes no sense: {error}")
            self._finished(self, invocation, gone)
            return
        invocation.function_ns, invocation.failed = response.function_ns, response.failed
        answer = Answer(response.status, response.headers, response.body)
        self._finished(self, invocation, answer)

    def ended(self) -> None:
        """As `Serving.ended`."""
        self._line.gone()

    def close(self) -> None:
        """As `Serving.close`."""
        super().close()
        self._line.close()

    def stop(self, grace_s: float) -> None:
        """As `Serving.stop`."""
        try:
            super().stop(grace_s)
        finally:
            self._line.free()


class ExecutableServing(Serving):
    """An executable behind HTTP of its own.

    Args:
        lost: called when it is gone without having been asked to.
        timeout_s: how long an answer may take.
        proxy: of the service.
    """

    def __init__(
        self,
        instance: HttpInstance,
        concurrency: int,
        loop: asyncio.AbstractEventLoop,
        log: Log,
        finished: Finished,
        lost: Callable[[Serving], object],
        timeout_s: float,
        proxy: Proxy,
    ) -> None:
        super().__init__(instance, concurrency, loop, log, finished)
        self._timeout_s, self._proxy, self._port = timeout_s, proxy, instance.port
        self._tasks = Tasks()
        self._lost = lost
        # Its connection says nothing after READY: it only ends.
        self._connection_fd = instance.take_connection().fileno()
        loop.add_reader(self._connection_fd, self.ended)

    def ended(self) -> None:
        """As `Serving.ended`."""
        self._lost(self)

    def ask(self, invocation: Invocation) -> None:
        """As `Serving.ask`."""
        self._tasks.begin(self._ask(invocation))

    async def _ask(self, invocation: Invocation) -> None:
        target = invocation.path + (b"?" + invocation.query if invocation.query else b"")
        try:
            response = await self._proxy.forward(
                self._port,
                invocation.method,
                target,
                invocation.headers,
                invocation.body,
                self._timeout_s,
                invocation.client,
            )
        except UpstreamTimeout:
            late = InvocationTimeoutError("no whole answer in time; the instance was killed")
            self._finished(self, invocation, late)
        except UpstreamError as error:
            gone = isinstance(error, UpstreamGone) and not self.instance.alive
            self._finished(self, invocation, InstanceGoneError(str(error)) if gone else error)
        except ValueError as error:
            self._finished(self, invocation, UpstreamError(str(error)))
        else:
            invocation.answered_ns = monotonic_ns()
            headers = [(name.lower(), value) for name, value in response.headers]
            answer = Answer(response.status, headers, response.body)
            self._finished(self, invocation, answer)

    def close(self) -> None:
        """As `Serving.close`."""
        super().close()
        self._loop.remove_reader(self._connection_fd)
        # What is under way there breaks off, and is finished by that.
        self._tasks.begin(self._proxy.forget(self._port))
