"""Metrics against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.harness.metrics import LatencyMetrics


def test_one_to_a_thousand() -> None:
    samples = np.random.default_rng(1).permutation(np.arange(1.0, 1001.0))
    metrics = LatencyMetrics.from_samples(samples)
    assert (metrics.min_ns, metrics.max_ns, metrics.mean_ns) == (1.0, 1000.0, 500.5)
    assert (metrics.p95_ns, metrics.p99_ns) == (950.0, 990.0)
    assert metrics.std_dev_ns == pytest.approx(math.sqrt(1000 * 1001 / 12))


def test_one_sample() -> None:
    metrics = LatencyMetrics.from_samples([42.0])
    assert metrics.as_dict() == {
        "min_ns": 42.0,
        "max_ns": 42.0,
        "mean_ns": 42.0,
        "median_ns": 42.0,
        "std_dev_ns": 0.0,
    }


@pytest.mark.parametrize(
    ("count", "tails", "given"),
    [
        (199, True, set()),
        (200, True, {"p95_ns"}),
        (999, True, {"p95_ns"}),
        (1000, True, {"p95_ns", "p99_ns"}),
        (1000, False, set()),
    ],
)
def test_percentiles_only_where_ten_lie_beyond(count: int, tails: bool, given: set[str]) -> None:
    metrics = LatencyMetrics.from_ordered(np.arange(float(count)), tails=tails)
    assert {"p95_ns", "p99_ns"} & metrics.as_dict().keys() == given


@pytest.mark.parametrize("samples", [[], [1.0, math.nan], [math.inf], [-1.0], [[1.0, 2.0]]])
def test_what_is_no_sample_set(samples: list[float]) -> None:
    with pytest.raises(ValueError):
        LatencyMetrics.from_samples(samples)
