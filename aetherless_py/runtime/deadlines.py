"""Time-outs of many things that all have the same time: a queue and one timer, not a timer each."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

_SWEEP_AT = 64


class Endable(Protocol):
    """What may be over before its time is."""

    over: bool


Thing = TypeVar("Thing", bound=Endable)


class Deadlines(Generic[Thing]):
    """Calls `expired` with each thing that is not over within the time.

    Args:
        loop: whose clock counts.
        time_s: that each has.
        expired: called with it.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        time_s: float,
        expired: Callable[[Thing], object],
    ) -> None:
        self._loop, self._time_s, self._expired = loop, time_s, expired
        self._queue: deque[tuple[float, Thing]] = deque()
        self._sweep_at = _SWEEP_AT
        self._timer: asyncio.TimerHandle | None = None

    def add(self, thing: Thing) -> None:
        """Its time begins now."""
        queue = self._queue
        while queue and queue[0][1].over:
            queue.popleft()
        # One that takes long must not keep here all that came and went after it.
        if len(queue) >= self._sweep_at:
            queue = self._queue = deque(each for each in queue if not each[1].over)
            self._sweep_at = max(_SWEEP_AT, 2 * len(queue))
        queue.append((self._loop.time() + self._time_s, thing))
        if self._timer is None:
            self._timer = self._loop.call_later(self._time_s, self._look)

    def _look(self) -> None:
        self._timer = None
        queue, now = self._queue, self._loop.time()
        while queue and (queue[0][1].over or queue[0][0] <= now):
            _, thing = queue.popleft()
            if not thing.over:
                self._expired(thing)
        if queue:
            self._timer = self._loop.call_at(queue[0][0], self._look)

    def close(self) -> None:
        """Nothing expires any more."""
        self._queue.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
