"""warm_pool: instances that another strategy has made ahead, handed over when asked for.

A thread keeps the pool full. An instance that is not ready within the restore deadline is killed
and counted: what is handed over was made in time, or is not handed over. Nothing else is started in
place of a warm instance: who asks while the pool is empty waits for the refill.

What is handed over is asked something at once, and a refill would compete with that for the
processors. So a refill begins `pause_s` after the last one, or the last hand-over, unless somebody
waits for it.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from aetherless_py.errors import (
    PoolLimitError,
    RestoreDeadlineError,
    StartError,
    StartTimeoutError,
    StrategyClosedError,
)
from aetherless_py.start.base import Function, Strategy, deadline_of
from aetherless_py.start.instance import Instance, Phases

RESTORE_TIMEOUT_MS = 15.0
# After so many refills in a row that failed, those who wait are told so.
FAILURES = 5
RETRY_S = 0.05


@dataclass(slots=True)
class PoolCounts:
    """What has become of the pool's instances.

    Attributes:
        handed_over: given to those who asked.
        missed_deadline: killed, because they were not ready in time.
        failed: did not come to be for another reason.
        expired: stopped, because nobody had asked for them in their time to live.
        ended: found dead in the pool.
    """

    handed_over: int = 0
    missed_deadline: int = 0
    failed: int = 0
    expired: int = 0
    ended: int = 0


class WarmPool(Strategy):
    """A pool over another strategy, which is the pool's to prepare and to close.

    Args:
        source: makes the instances.
        size: how many are kept.
        limit: how many the pool may hold at most, ever.
        ttl_s: how long an instance is kept; None for ever.
        restore_timeout_ms: how long the source may take to make one; None for as long as the
            function's own time-out.
        warm: does to each new instance what it shall not have to do when it is handed over; it is
            called in the pool's thread. An instance for which it raises is not kept.
        pause_s: between refills, once the pool was full.

    Raises:
        PoolLimitError: the pool would hold more than it may, or nothing.
        ValueError: a time is not above 0.
    """

    name = "warm_pool"

    def __init__(
        self,
        source: Strategy,
        size: int = 10,
        limit: int = 64,
        ttl_s: float | None = None,
        restore_timeout_ms: float | None = RESTORE_TIMEOUT_MS,
        warm: Callable[[Instance], object] = lambda _: None,
        pause_s: float = 0.0,
    ) -> None:
        super().__init__()
        self.takes = source.takes
        if not 1 <= size <= limit:
            raise PoolLimitError(f"a pool of {size}: it must hold 1 to {limit} (limit)")
        for name, value in (("ttl_s", ttl_s), ("restore_timeout_ms", restore_timeout_ms)):
            if value is not None and not value > 0:
                raise ValueError(f"{name} is {value}: it must be above 0, or None")
        self.counts = PoolCounts()
        self._source, self._size, self._ttl_s = source, size, ttl_s
        self._restore_timeout_ms = restore_timeout_ms
        self._warm, self._pause_s = warm, pause_s
        self._was_full = False
        self._paused_at = -math.inf
        self._ready: deque[tuple[Instance, float]] = deque()  # with the moment at which it expires
        self._changed = threading.Condition()
        self._waiting = 0  # those who ask an empty pool
        self._unusable: deque[Instance] = deque()  # to be stopped, which takes its time
        self._failures = 0  # in a row
        self._last_failure: Exception | None = None
        self._filler = threading.Thread(target=self._fill, name="warm pool", daemon=True)

    @property
    def source(self) -> Strategy:
        """What makes the instances."""
        return self._source

    @property
    def ready(self) -> int:
        """How many instances wait."""
        return len(self._ready)

    def replenish(self) -> None:
        """As `Strategy.replenish`: has the pool's thread do so."""
        with self._changed:
            self._changed.notify_all()

    def settle(self, timeout_s: float) -> None:
        """Returns when the pool is full; as `Strategy.settle`."""
        with self._changed:
            self._wait_for(lambda: len(self._ready) >= self._size, time.monotonic() + timeout_s)

    def _wait_for(self, condition: Callable[[], bool], until: float) -> None:
        while not condition():
            if self._closed:
                raise StrategyClosedError(f"{self.name}: this strategy is closed")
            if self._failures >= FAILURES:
                last = self._last_failure
                kind = RestoreDeadlineError if isinstance(last, StartTimeoutError) else StartError
                raise kind(f"{self.name}: {FAILURES} refills in a row failed: {last}")
            if not self._changed.wait(until - time.monotonic()) and time.monotonic() >= until:
                raise StartTimeoutError(f"{self.name}: no warm instance in time")

    def _prepare(self, function: Function) -> None:
        self._source.prepare(function)
        self._filler.start()

    def _start(self, function: Function, asked_ns: int) -> Instance:
        with self._changed:
            while True:
                self._changed.notify_all()
                if self._ready:
                    if (instance := self._next(asked_ns)) is not None:
                        return instance
                    continue
                self._waiting += 1
                try:
                    self._wait_for(lambda: bool(self._ready), deadline_of(function, asked_ns) / 1e9)
                finally:
                    self._waiting -= 1

    def take(self) -> Instance | None:
        """A warm instance, if there is one; as `start`, but it never waits.

        The pool is not filled up again before `replenish` is called.
        """
        asked_ns = time.monotonic_ns()
        with self._changed:
            while self._ready and not self._closed:
                if (instance := self._next(asked_ns)) is not None:
                    return self._begun(instance)
        return None

    def _next(self, asked_ns: int) -> Instance | None:
        """The oldest instance, if it can be asked; the caller holds the lock."""
        instance, expires = self._ready.popleft()
        now = self._paused_at = time.monotonic()
        if not instance.alive:
            self.counts.ended += 1
        elif expires <= now:  # and the refill had no time to see to it
            self.counts.expired += 1
        else:
            self.counts.handed_over += 1
            instance.hand_over(self.name, Phases(asked_ns, ready_ns=time.monotonic_ns()))
            return instance
        self._unusable.append(instance)
        return None

    def _fill(self) -> None:
        while not self._closed:
            self._expire()
            with self._changed:
                if len(self._ready) >= self._size:
                    self._was_full = True
                    self._changed.wait(self._until_expiry())
                    continue
                pause_s = self._paused_at + self._pause_s - time.monotonic()
                if self._was_full and not self._waiting and pause_s > 0:
                    self._changed.wait(pause_s)
                    continue
            self._add_one()
            self._paused_at = time.monotonic()
            self._source.replenish()

    def _add_one(self) -> None:
        deadline_ms = self._restore_timeout_ms
        try:
            instance = self._source.start(None if deadline_ms is None else deadline_ms / 1e3)
            try:
                self._warm(instance)
            except BaseException:
                instance.stop(grace_s=0)
                raise
        except Exception as error:  # whatever it is, the pool goes on
            if isinstance(error, StartTimeoutError):
                self.counts.missed_deadline += 1
            else:
                self.counts.failed += 1
            with self._changed:
                self._failures += 1
                self._last_failure = error
                self._changed.notify_all()
                if not self._closed:
                    self._changed.wait(RETRY_S)
            return
        with self._changed:
            expires = math.inf if self._ttl_s is None else time.monotonic() + self._ttl_s
            self._ready.append((instance, expires))
            self._failures = 0
            self._changed.notify_all()

    def _until_expiry(self) -> float | None:
        if self._ttl_s is None or not self._ready:
            return None
        return max(0.0, self._ready[0][1] - time.monotonic())

    def _expire(self) -> None:
        with self._changed:
            while self._ready and self._ready[0][1] <= time.monotonic():
                self._unusable.append(self._ready.popleft()[0])
                self.counts.expired += 1
        while self._unusable:
            self._unusable.popleft().stop(grace_s=0)

    def _close(self) -> None:
        with self._changed:
            self._changed.notify_all()
        if self._filler.ident is not None:
            self._filler.join()
        for instance in (*self._unusable, *(each for each, _ in self._ready)):
            instance.stop(grace_s=0)
        self._source.close()
