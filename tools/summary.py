"""Statistics of many sample sets at once.

``benchmarks.harness.metrics.LatencyMetrics`` is the definition; this module gives the same
figures for whole result files, where one call for each benchmark would cost more than
parsing the file did. The tests hold the two together.
"""

from __future__ import annotations

import math
import struct
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

# A percentile is given only where at least this many samples lie beyond it.
SAMPLES_BEYOND = 10
_TOGETHER = 1 << 14
_TAILS = (("p95_ns", 95), ("p99_ns", 99))


@dataclass(frozen=True, slots=True)
class Request:
    """Samples to summarise: ``scale`` makes them nanoseconds, ``tails`` wants percentiles."""

    samples: Sequence[object]
    scale: float
    tails: bool


@dataclass(frozen=True, slots=True)
class Summary:
    """Metrics in the form of the standard JSON, and the sum of all samples."""

    metrics: dict[str, float]
    total_ns: float


def summarise(requests: Sequence[Request]) -> list[Summary | str]:
    """A summary for each request, or the reason why there is none."""
    answers: list[Summary | str] = [""] * len(requests)
    by_length: dict[int, list[int]] = defaultdict(list)
    for position, request in enumerate(requests):
        by_length[len(request.samples)].append(position)
    for length, positions in by_length.items():
        # A matrix that stays in the processor's cache, made once and used again.
        height = min(len(positions), max(1, _TOGETHER // max(1, length)))
        matrix = np.empty((height, length))
        for first in range(0, len(positions), height):
            _fill_and_summarise(matrix, positions[first : first + height], requests, answers)
    return answers


@lru_cache(maxsize=256)
def _packer(length: int) -> struct.Struct:
    return struct.Struct(f"{length}d")


def _fill_and_summarise(
    matrix: NDArray[np.float64],
    positions: Sequence[int],
    requests: Sequence[Request],
    answers: list[Summary | str],
) -> None:
    length = matrix.shape[1]
    if length == 0:
        for position in positions:
            answers[position] = "no samples"
        return
    good: list[int] = []
    pack = _packer(length).pack_into
    for position in positions:
        try:
            # Several times faster than numpy's own way from a list of floats.
            pack(matrix[len(good)], 0, *requests[position].samples)
        except (struct.error, OverflowError):
            answers[position] = "samples that are not finite numbers"
            continue
        good.append(position)
    _refuse_truths(matrix, good, requests, answers)
    with np.errstate(invalid="ignore", over="ignore"):
        _summarise_rows(matrix[: len(good)], good, requests, answers)


def _refuse_truths(
    matrix: NDArray[np.float64],
    positions: Sequence[int],
    requests: Sequence[Request],
    answers: list[Summary | str],
) -> None:
    """JSON's true and false have been packed as 1 and 0; only where there are any is it looked."""
    rows = matrix[: len(positions)]
    for row in np.flatnonzero(((rows == 0) | (rows == 1)).any(axis=1)).tolist():
        if any(isinstance(sample, bool) for sample in requests[positions[row]].samples):
            answers[positions[row]] = "samples that are not finite numbers"


def _summarise_rows(
    matrix: NDArray[np.float64],
    positions: Sequence[int],
    requests: Sequence[Request],
    answers: list[Summary | str],
) -> None:
    if not positions:
        return
    length = matrix.shape[1]
    matrix *= np.array([requests[position].scale for position in positions])[:, np.newaxis]
    matrix.sort(axis=1)
    sums = matrix.sum(axis=1)
    means = sums / length
    middle = (matrix[:, (length - 1) // 2] + matrix[:, length // 2]) / 2
    low, high = matrix[:, 0].tolist(), matrix[:, -1].tolist()
    tails = []
    for key, percent in _TAILS:
        rank = -(-percent * length // 100)
        if length - rank >= SAMPLES_BEYOND:
            tails.append((key, matrix[:, rank - 1].tolist()))
    # Last, because the deviations take the place of the samples.
    matrix -= means[:, np.newaxis]
    squares = np.einsum("ij,ij->i", matrix, matrix)
    spread = np.sqrt(squares / max(1, length - 1))
    table = zip(
        low, high, means.tolist(), middle.tolist(),
        spread.tolist(), sums.tolist(), strict=True,
    )  # fmt: skip
    for row, (least, most, mean, median, deviation, total) in enumerate(table):
        position = positions[row]
        if answers[position]:
            continue
        if not math.isfinite(total) or not math.isfinite(deviation):
            answers[position] = "samples that are not finite numbers"
            continue
        if least < 0:
            answers[position] = "samples below zero"
            continue
        metrics = {"min_ns": least, "max_ns": most, "mean_ns": mean, "median_ns": median}
        if requests[position].tails:
            for key, values in tails:
                metrics[key] = values[row]
        metrics["std_dev_ns"] = deviation
        answers[position] = Summary(metrics, total)
