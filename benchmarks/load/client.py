"""The client of a run: a pool of kept connections that grows up to a bound, and the bookkeeping."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ssl
from array import array
from collections.abc import Callable

from benchmarks.harness.clock import now_ns
from benchmarks.load import outcomes
from benchmarks.load.connection import NONE, Check, Connection
from benchmarks.load.record import Record

# What this machine lacks says nothing of the server.
_OURS = frozenset((errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM))
_LOOKS_A_TIMEOUT = 10
_LONGEST_LOOK_S = 0.1


class Client:
    """Sends requests by their index and records how each ends.

    A request that finds no idle connection opens one, for which it waits; where the bound is
    reached it fails as "no connection" at once. The connection used last is used first.

    Attributes:
        why: an example of each class of failure, in words.
        opened: how many connections were opened.
        resent: how many requests were sent anew, on a connection of their own, since the kept one
            had been closed before they reached the server.
    """

    def __init__(
        self,
        address: tuple[str, int],
        wire: bytes,
        check: Check,
        record: Record,
        most_connections: int,
        timeout_ns: int,
        tls: ssl.SSLContext | None,
        server_name: str,
        ended: Callable[[], None],
    ) -> None:
        """Called inside the running loop.

        Args:
            address: IP address and port.
            wire: the request.
            check: of each answer.
            record: where to write.
            most_connections: that are open at a time.
            timeout_ns: from when the request is begun, the connecting included.
            tls: for HTTPS.
            server_name: that the certificate must be for.
            ended: called after each request's end.
        """
        self.wire, self.check = wire, check
        self.why: dict[int, str] = {}
        self.opened = self.resent = 0
        self._address, self._record = address, record
        self._most, self._timeout_ns = most_connections, timeout_ns
        self._tls, self._server_name = tls, server_name if tls else None
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._begun_ns = array("q", bytes(8 * len(record.outcome)))
        self._pending: dict[int, Connection | asyncio.Task[None]] = {}  # oldest first
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._connecting = 0
        self._look_s = min(timeout_ns / 1e9 / _LOOKS_A_TIMEOUT, _LONGEST_LOOK_S)
        self._looking = self._loop.call_later(self._look_s, self._look)

    @property
    def pending(self) -> int:
        """Requests under way."""
        return len(self._pending)

    async def warm_up(self, count: int) -> None:
        """Opens so many connections, for later.

        Raises:
            OSError: the server does not take them.
            TimeoutError: not in time.
        """
        for _ in range(count):
            async with asyncio.timeout(self._timeout_ns / 1e9):
                self._idle.append(await self._connect())

    def begin(self, request: int, at_ns: int) -> None:
        """Sends a request, or fails it; never waits for another one's connection.

        Args:
            request: its index; the record holds its intended start.
            at_ns: the time now.
        """
        self._begun_ns[request] = at_ns
        if self._idle:
            connection = self._idle.pop()
            self._pending[request] = connection
            connection.send(request, at_ns, is_kept=True)
        elif len(self._open) + self._connecting < self._most:
            self._begin_anew(request)
        else:
            why = f"all {self._most} connections were in use"
            self._end(request, outcomes.NO_CONNECTION, at_ns, at_ns, why)

    def _begin_anew(self, request: int) -> None:
        self._connecting += 1
        self._pending[request] = self._loop.create_task(self._connect_and_send(request))

    async def _connect_and_send(self, request: int) -> None:
        begun_ns = self._begun_ns[request]
        try:
            connection = await self._connect()
        except OSError as error:
            at_ns = now_ns()
            self._record.connect_ns[request] = at_ns - begun_ns
            is_ours = error.errno in _OURS
            outcome = outcomes.NO_CONNECTION if is_ours else outcomes.CONNECT
            self._connecting -= 1
            why = str(error) or "the connection was closed while TLS was agreed on"
            self._end(request, outcome, at_ns, at_ns, why)
            return
        self._connecting -= 1
        at_ns = now_ns()
        self._record.connect_ns[request] = at_ns - begun_ns
        self._pending[request] = connection
        connection.send(request, at_ns, is_kept=False)

    async def _connect(self) -> Connection:
        self.opened += 1
        host, port = self._address
        _, connection = await self._loop.create_connection(
            lambda: Connection(self), host, port, ssl=self._tls, server_hostname=self._server_name
        )
        self._open.add(connection)
        return connection

    # -- from the connections --

    def answered(
        self,
        connection: Connection,
        outcome: int,
        at_ns: int,
        why: str,
        keep: bool,
        label: str | None,
    ) -> None:
        """As `Owner.answered`."""
        request = connection.request
        connection.request = NONE
        if keep:
            self._idle.append(connection)
        else:
            self._drop(connection)
        if at_ns - self._begun_ns[request] > self._timeout_ns:
            outcome, why, label = outcomes.TIMEOUT, "answered after the time-out", None
        if label is not None:
            self._record.label(request, label)
        self._end(request, outcome, connection.sent_ns, at_ns, why)

    def unsent(self, connection: Connection) -> None:
        """As `Owner.unsent`."""
        request = connection.request
        self._drop(connection)
        self.resent += 1
        self._begin_anew(request)

    def lost(self, connection: Connection) -> None:
        """As `Owner.lost`."""
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def _drop(self, connection: Connection) -> None:
        self._open.discard(connection)
        connection.abort()

    def _end(self, request: int, outcome: int, sent_ns: int, at_ns: int, why: str) -> None:
        self._pending.pop(request, None)
        self._record.service_ns[request] = at_ns - sent_ns
        self._record.outcome[request] = outcome
        if outcome != outcomes.OK:
            self.why.setdefault(outcome, why)
        self._ended()

    # -- time-outs and the end --

    def _look(self) -> None:
        """Ends those that are late."""
        at_ns = now_ns()
        while self._pending:
            request, under_way = next(iter(self._pending.items()))
            begun_ns = self._begun_ns[request]
            if at_ns - begun_ns <= self._timeout_ns:
                break
            sent_ns = at_ns
            if isinstance(under_way, Connection):
                sent_ns = under_way.sent_ns
                self._drop(under_way)
            else:
                self._record.connect_ns[request] = at_ns - begun_ns
                under_way.cancel()
                self._connecting -= 1
            self._end(request, outcomes.TIMEOUT, sent_ns, at_ns, "no whole answer in time")
        self._looking = self._loop.call_later(self._look_s, self._look)

    async def close(self) -> None:
        """Ends all connections, and what is under way."""
        self._looking.cancel()
        tasks = [task for task in self._pending.values() if isinstance(task, asyncio.Task)]
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)
        for connection in [*self._open]:
            self._drop(connection)
