"""Closed forms, and the coverage of intervals in a seeded simulation."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.harness.statistics import (
    enough_beyond,
    median_interval,
    nearest_rank,
    verdict,
)

HUNDRED = np.arange(1.0, 101.0)


def test_nearest_rank_of_one_to_a_hundred_is_the_percentile_itself() -> None:
    assert [nearest_rank(HUNDRED, p) for p in range(1, 101)] == HUNDRED.tolist()
    assert nearest_rank(HUNDRED, 0.1) == 1.0
    assert nearest_rank(HUNDRED, 98.1) == 99.0


@pytest.mark.parametrize("percent", [0, -1, 100.1, float("nan")])
def test_a_percentile_out_of_bounds_is_an_error(percent: float) -> None:
    with pytest.raises(ValueError):
        nearest_rank(HUNDRED, percent)


def test_a_percentile_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError):
        nearest_rank(np.array([]), 50)


@pytest.mark.parametrize(("percent", "fewest"), [(95, 200), (99, 1000), (50, 20)])
def test_ten_samples_beyond(percent: float, fewest: int) -> None:
    assert enough_beyond(fewest, percent)
    assert not enough_beyond(fewest - 1, percent)


def test_the_interval_of_the_median_needs_samples() -> None:
    # Smallest to largest sample covers 1 - 2 ** (1 - n): above 99 % from n = 8 on.
    assert median_interval(np.arange(7.0), 0.99) is None
    assert median_interval(np.arange(8.0), 0.99) == (0.0, 7.0)
    # From binomial tables: n = 20, 95 %: ranks 6 and 15.
    assert median_interval(np.arange(1.0, 21.0), 0.95) == (6.0, 15.0)
    # The normal approximation is good for many samples.
    wide = median_interval(np.arange(1.0, 2_501.0), 0.99)
    assert wide is not None
    assert wide[0] == pytest.approx(1_250.5 - 2.5758 * 25, abs=2)
    assert wide[1] == pytest.approx(1_250.5 + 2.5758 * 25, abs=2)


@pytest.mark.parametrize(("count", "confidence"), [(25, 0.95), (101, 0.99)])
def test_the_interval_covers_the_median(count: int, confidence: float) -> None:
    generator = np.random.default_rng(7)
    runs = 3_000
    hits = 0
    for _ in range(runs):
        interval = median_interval(np.sort(generator.exponential(1.0, count)), confidence)
        assert interval is not None
        hits += interval[0] <= np.log(2) <= interval[1]
    # Never below the promise, but for four standard errors of the simulation.
    assert hits / runs >= confidence - 4 * np.sqrt(confidence * (1 - confidence) / runs)


def test_a_goal_is_met_or_missed_only_by_the_whole_interval() -> None:
    spans = ((1.2, 1.5), (1.37, 1.58), (1.51, 1.6))
    assert [verdict(*span, 1.5) for span in spans] == ["met", "not shown", "missed"]
