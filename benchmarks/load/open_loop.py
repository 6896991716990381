"""Open loop: each request is sent at its intended start, whatever has come back."""

from __future__ import annotations

import asyncio

from benchmarks.harness.clock import now_ns
from benchmarks.load.client import Client
from benchmarks.load.record import Record
from benchmarks.load.wake import Wake

POLL_NS = 200_000  # so long before an intended start the loop no longer sleeps


class OpenLoop:
    """Sends by a schedule.

    It sleeps until `POLL_NS` before the next intended start, then turns the event loop without
    waiting. One request goes with each turn: the loop writes at a turn's end, so that the lag of
    each of a burst holds the writing of those before it.

    Args:
        client: sends.
        record: holds the intended starts; gets the lags.
        done: is set when all have been sent and have ended.
    """

    def __init__(self, client: Client, record: Record, done: asyncio.Future[None]) -> None:
        self._client, self._record, self._done = client, record, done
        self._loop = asyncio.get_running_loop()
        self._wake = Wake(self._loop, self._turn)
        self._starts_ns: list[int] = []
        self.sent = 0

    def start(self, began_ns: int) -> None:
        """Begins.

        Args:
            began_ns: what the intended starts are counted from.
        """
        self._starts_ns = [began_ns + each for each in self._record.intended_ns]
        self._turn()

    def _turn(self) -> None:
        if self.sent == len(self._starts_ns):
            return
        start_ns = self._starts_ns[self.sent]
        at_ns = now_ns()
        if at_ns >= start_ns:
            self._record.lag_ns[self.sent] = at_ns - start_ns
            self.sent += 1
            self._client.begin(self.sent - 1, at_ns)
        elif start_ns - at_ns > POLL_NS:
            self._wake.at(start_ns - POLL_NS)
            return
        self._loop.call_soon(self._turn)

    def ended(self) -> None:
        """One has ended."""
        if self.sent == len(self._starts_ns) and not self._client.pending and not self._done.done():
            self._done.set_result(None)

    def stop(self) -> None:
        """Begins no more."""
        del self._starts_ns[self.sent :]
        self.ended()

    def close(self) -> None:
        """Gives the timer back."""
        self._wake.close()
