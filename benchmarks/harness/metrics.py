"""What the standard JSON says of a set of samples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from benchmarks.harness.statistics import Floats, enough_beyond, middle, nearest_rank


@dataclass(frozen=True, slots=True)
class LatencyMetrics:
    """Durations in ns. A percentile that the samples cannot carry is None, never a guess."""

    min_ns: float
    max_ns: float
    mean_ns: float
    median_ns: float
    p95_ns: float | None
    p99_ns: float | None
    std_dev_ns: float

    @classmethod
    def from_samples(cls, samples_ns: Sequence[float] | Floats) -> Self:
        """As `from_ordered`, in whatever order they are."""
        return cls.from_ordered(np.sort(np.asarray(samples_ns, dtype=np.float64)))

    @classmethod
    def from_ordered(cls, ordered: Floats, tails: bool = True) -> Self:
        """Computes the metrics.

        Args:
            ordered: durations in ns, in ascending order, one dimension, at least one.
            tails: whether samples are single operations; means of blocks have no tails.

        Raises:
            ValueError: no samples, or one that is negative or not finite.
        """
        if ordered.ndim != 1 or len(ordered) == 0:
            raise ValueError("no samples: nothing was measured")
        if not math.isfinite(ordered[-1]) or ordered[0] < 0:  # where NaN is sorted to, too
            raise ValueError("a sample is negative or not finite")
        count = len(ordered)

        def tail(percent: float) -> float | None:
            if tails and enough_beyond(count, percent):
                return nearest_rank(ordered, percent)
            return None

        mean_ns = float(ordered.sum()) / count
        deviations = ordered - mean_ns
        return cls(
            min_ns=float(ordered[0]),
            max_ns=float(ordered[-1]),
            mean_ns=mean_ns,
            median_ns=middle(ordered),
            p95_ns=tail(95),
            p99_ns=tail(99),
            std_dev_ns=math.sqrt(float(deviations @ deviations) / max(1, count - 1)),
        )

    def as_dict(self) -> dict[str, float]:
        """The metrics in the standard JSON's form, without those that are None."""
        values = ((key, getattr(self, key)) for key in self.__slots__)
        return {key: value for key, value in values if value is not None}
