"""Takes samples of an operation in this process.

Measuring processes are many and short: what they import is kept light, without numpy.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import repeat
from typing import TypeAlias

from benchmarks.harness.clock import now_ns

Operation: TypeAlias = Callable[[], object]
Samples: TypeAlias = list[float]


@contextmanager
def no_collector() -> Iterator[None]:
    """No garbage collection inside: a collection is not what is timed."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _nothing() -> None:
    pass


def sample_each(
    operation: Operation,
    count: int,
    warmup: int,
    before: Operation = _nothing,
    after: Operation = _nothing,
    number: int = 1,
) -> Samples:
    """Times `count` operations one by one.

    Each sample runs from a clock reading right before the call to one right after it, and holds
    the clock's own cost (see `clock.clock_cost_ns`).

    Args:
        operation: called without arguments.
        count: how many samples, 1 or more.
        warmup: how many calls go before, untimed.
        before, after: called around each operation, outside the timed part.
        number: how many messages, calls or the like one operation is: more than one for what is
            near the clock's cost. Means of such blocks say nothing of tails.

    Returns:
        `count` durations in ns, each divided by `number`.

    Raises:
        ValueError: `count` is not positive: an empty set of samples is no measurement.
    """
    if count < 1:
        raise ValueError(f"count is {count}: at least one sample is needed")
    samples = [0.0] * count
    clock = now_ns
    with no_collector():
        for _ in repeat(None, warmup):
            before()
            operation()
            after()
        for i in range(count):
            before()
            began = clock()
            operation()
            samples[i] = (clock() - began) / number
            after()
    return samples
