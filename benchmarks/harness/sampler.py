"""Takes samples of an operation in this process.

Measuring processes are many and short: what they import is kept light, without numpy.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import repeat
from timeit import Timer
from typing import Any, TypeAlias

from benchmarks.harness.clock import now_ns

Operation: TypeAlias = Callable[[], object]

SAMPLING_NS = 50_000_000
FEWEST = 130  # samples that are taken in any case: eight rounds carry a p99
MOST = 1000  # that are kept


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


def sample_each(
    operation: Operation | str,
    count: int | None,
    warmup: int,
    number: int = 1,
    loops: int = 1,
    before: Operation | str = "pass",
    names: Mapping[str, Any] | None = None,
) -> list[float]:
    """Times an operation by itself, again and again.

    Each sample runs from a clock reading right before the operation to one right after it, and
    holds the clock's own cost (see `clock.clock_cost_ns`).

    Args:
        operation: called without arguments, or a statement, which is timed without a call of
            Python's around it.
        count: how many samples; None for as many as SAMPLING_NS have room for, but FEWEST at least.
            Of those at most MOST are kept, evenly spread over that time.
        warmup: how many go before, which do not count.
        number: how many messages, calls or the like a sample is of: more than one for what is near
            the clock's cost. Means of such blocks say nothing of tails.
        loops: how often the operation is done in a sample, so that it makes up that number.
        before: done before each sample, outside the timed part.
        names: what the statements know.

    Returns:
        Durations in ns, each divided by `number`.
    """
    timer = Timer(operation, before, now_ns, dict(names or {}))
    samples: list[float] = []
    with no_collector():
        for _ in repeat(None, warmup):
            timer.timeit(loops)
        if count is not None:
            return [timer.timeit(loops) / number for _ in repeat(None, count)]
        ends_ns = now_ns() + SAMPLING_NS
        while len(samples) < FEWEST or now_ns() < ends_ns:
            samples.append(timer.timeit(loops) / number)
    return samples[:: -(-len(samples) // MOST)]
