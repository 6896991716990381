"""Order statistics: nearest-rank percentiles, distribution-free intervals.

Sources: nearest rank as in Hyndman & Fan (1996), definition 1; the interval of the median from the
binomial distribution of ranks (e.g. Conover, Practical Nonparametric Statistics, 3.2); repeats at
the level of processes, since samples of one process are correlated (Kalibera & Jones, 2013).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# A percentile is published only with at least this many samples beyond it.
SAMPLES_BEYOND = 10


def middle(ordered: Floats) -> float:
    """The median of samples in ascending order, at least one."""
    count = len(ordered)
    return float(ordered[(count - 1) // 2] + ordered[count // 2]) / 2


def median(samples: Sequence[float] | Floats) -> float:
    """The median of at least one sample; in a quarter of numpy's time where there are few."""
    return middle(np.sort(np.asarray(samples, dtype=np.float64)))


def nearest_rank(ordered: Floats, percent: float) -> float:
    """The smallest sample with at least `percent` % of all samples at or below it.

    Args:
        ordered: samples in ascending order, at least one.
        percent: above 0 and up to 100.

    Raises:
        ValueError: no samples, or `percent` out of bounds.
    """
    if len(ordered) == 0 or not 0 < percent <= 100:
        raise ValueError(f"percentile {percent} of {len(ordered)} samples is not defined")
    return float(ordered[_rank(len(ordered), percent) - 1])


def enough_beyond(count: int, percent: float) -> bool:
    """Whether `count` samples leave `SAMPLES_BEYOND` of them beyond the percentile."""
    return count - _rank(count, percent) >= SAMPLES_BEYOND


@functools.lru_cache(maxsize=1024)
def _rank(count: int, percent: float) -> int:
    # Rounded first: 0.95 * 100 is a little more than 95 in binary.
    return max(1, math.ceil(round(percent * count / 100, 9)))


def tail_to_median(ordered: Floats) -> float | None:
    """p99 to median, the tail-to-median ratio (TMR) of STeLLAR (Ustiugov et al., IISWC 2021).

    Args:
        ordered: samples in ascending order; a failure's may be infinite.

    Returns:
        None where the p99 falls on an infinite one, or too few samples lie beyond it.
    """
    if not enough_beyond(len(ordered), 99):
        return None
    p99 = nearest_rank(ordered, 99)
    return None if math.isinf(p99) else p99 / nearest_rank(ordered, 50)


def median_interval(ordered: Floats, confidence: float = 0.99) -> tuple[float, float] | None:
    """The distribution-free interval of the median, from order statistics.

    Args:
        ordered: samples in ascending order.
        confidence: the least probability that the interval holds the median.

    Returns:
        (low, high), or None when there are too few samples for any interval of that confidence.
    """
    count = len(ordered)
    outside = (1 - confidence) / 2
    cumulative = 0.0
    low = -1
    for k in range(count):
        cumulative += math.comb(count, k) / 2**count
        if cumulative > outside:
            break
        low = k
    if low < 0:
        return None
    return float(ordered[low]), float(ordered[count - 1 - low])


def verdict(low: float, high: float, at_most: float) -> str:
    """What an interval says of a goal: "met" or "missed" where all of it does, else "not shown"."""
    if high <= at_most:
        return "met"
    return "missed" if low > at_most else "not shown"
