"""Closed loop, the control: each connection sends its next request when it has its answer."""

from __future__ import annotations

import asyncio

from benchmarks.harness.clock import now_ns
from benchmarks.load.client import Client
from benchmarks.load.record import Record


class ClosedLoop:
    """As many requests under way as there are connections.

    Args:
        client: sends.
        record: gets the starts, which nobody intended beforehand.
        connections: how many.
        duration_s: after which no request is begun; None for as long as the record has room.
        done: is set when all have ended.
    """

    def __init__(
        self,
        client: Client,
        record: Record,
        connections: int,
        duration_s: float | None,
        done: asyncio.Future[None],
    ) -> None:
        self._client, self._record, self._done = client, record, done
        self._connections, self._duration_s = connections, duration_s
        self._began_ns = self._until_ns = 0
        self.sent = 0

    def start(self, began_ns: int) -> None:
        """Begins now.

        Args:
            began_ns: what the starts are counted from.
        """
        self._began_ns = began_ns
        if self._duration_s is not None:
            self._until_ns = began_ns + round(self._duration_s * 1e9)
        for _ in range(self._connections):
            self._next()

    def _next(self) -> None:
        at_ns = now_ns()
        is_over = self._until_ns and at_ns >= self._until_ns
        if self.sent < len(self._record.outcome) and not is_over:
            self.sent += 1
            self._record.intended_ns[self.sent - 1] = at_ns - self._began_ns
            self._client.begin(self.sent - 1, at_ns)
        elif not self._client.pending and not self._done.done():
            self._done.set_result(None)

    def ended(self) -> None:
        """One has ended."""
        self._next()

    def stop(self) -> None:
        """Begins no more."""
        self._until_ns = now_ns()

    def close(self) -> None:
        """Holds nothing."""
