"""The clock that every duration is taken with, and what a reading of it costs."""

from __future__ import annotations

import time

PAIRS = 20_001
now_ns = time.perf_counter_ns  # CLOCK_MONOTONIC on Linux, through the vDSO


def clock_cost_ns() -> float:
    """The median difference between two readings one right after the other, in ns.

    A sample of an operation contains this much of the clock itself; it is exported beside the
    samples and never subtracted from them.
    """
    return sorted(-(now_ns() - now_ns()) for _ in range(PAIRS))[PAIRS // 2]
