"""When a request that could wait for a busy instance has an idle one woken instead.

To wake an instance takes longer than a short function, and one that is awake keeps a processor from
those that have something to do: with ten connections and a function that does nothing, ten
instances answer half as many requests as one. So a request waits for an instance that is busy as
long as it will soon have answered, by two rules:

- By Little's law, as many instances have something to do as requests begin while one of them
  answers. The gateway has no more requests to give than one in `FEED_NS`; so a function that
  usually takes `n * FEED_NS` has n instances asked at once, and one that takes less has one.
- No answer for a while means that what the busy ones do takes longer than usual: another one is
  woken. If that does not answer either, the next one follows after half of the time, and so on. How
  long that while is depends on what is known: `PATIENCE_NS` where a busy one sleeps, as in a
  handler that waits for a database, and `COMPUTING_PATIENCE_NS` where all want a processor: they
  may only be waiting for one, and another instance would take it from them.

An instance that was asked less than `COMPUTING_PATIENCE_NS` ago counts as one that will soon have
answered, unless it was seen asleep.

Time comes with the calls, so that `tests/runtime/test_dispatch.py` can simulate it; docs/serving.md
has the figures that chose the constants.
"""

from __future__ import annotations

FEED_NS = 50_000
PATIENCE_NS = 200_000
COMPUTING_PATIENCE_NS = 1_000_000
_LEAST_GAP_NS = 10_000
# What an instance has to do for a request beside its handler.
_OVERHEAD_NS = 25_000
_STEP = 1 / 8
_LONGEST_NS = 100_000_000


class Dispatch:
    """The rules, for one function. All times are of CLOCK_MONOTONIC, in ns."""

    def __init__(self) -> None:
        self._usual_ns = float(_OVERHEAD_NS)
        self._since_ns = 0
        self._given = 0  # since the last answer

    @property
    def wanted(self) -> int:
        """How many instances are asked without patience."""
        return max(1, round(self._usual_ns / FEED_NS))

    def gave(self, now_ns: int) -> None:
        """An instance was asked."""
        self._since_ns = now_ns
        self._given += 1

    def answered(self, now_ns: int, handler_ns: int) -> None:
        """An instance has answered, whose handler took so long."""
        # The median, by steps: some that take long must not hide what is usual.
        step_ns = self._usual_ns * _STEP
        if handler_ns + _OVERHEAD_NS > self._usual_ns:
            self._usual_ns = min(self._usual_ns + step_ns, _LONGEST_NS)
        else:
            self._usual_ns = max(self._usual_ns - step_ns, _OVERHEAD_NS)
        self._since_ns, self._given = now_ns, 0

    def due_ns(self, patience_ns: int) -> int:
        """When a request that waits has another instance, for one of the two patiences above."""
        return self._since_ns + max(_LEAST_GAP_NS, patience_ns >> max(0, self._given - 1))
