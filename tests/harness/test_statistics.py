"""Closed forms, and the coverage of intervals in a seeded simulation."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.harness.statistics import (
    between_block_spread,
    enough_beyond,
    median_interval,
    nearest_rank,
    ratio_interval,
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
    wide = median_interval(np.arange(1.0, 10_001.0), 0.99)
    assert wide is not None
    assert wide[0] == pytest.approx(5_000.5 - 2.5758 * 50, abs=2)
    assert wide[1] == pytest.approx(5_000.5 + 2.5758 * 50, abs=2)


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


def test_spread_of_block_medians() -> None:
    blocks = [np.array([9.0, 10.0, 90.0]), np.array([11.0]), np.array([12.0, 12.0])]
    assert between_block_spread(blocks) == pytest.approx(2 / 11)
    assert between_block_spread(blocks[:1]) == 0.0


def test_ratio_of_rounds() -> None:
    generator = np.random.default_rng(3)
    # Half way through the machine becomes four times slower: both sides are hit, the ratio is not.
    state = [1, 1, 1, 1, 4, 4, 4, 4]
    slow = [generator.normal(200, 5, 50) * scale for scale in state]
    fast = [generator.normal(100, 5, 50) * scale for scale in state]
    ratio, low, high = ratio_interval(slow, fast)
    assert 1.9 < low <= ratio <= high < 2.1


def test_the_ratio_interval_covers_the_ratio() -> None:
    generator = np.random.default_rng(5)
    runs, hits = 400, 0
    for _ in range(runs):
        first = [generator.lognormal(0.0, 0.5, 1) * 3 for _ in range(10)]
        second = [generator.lognormal(0.0, 0.5, 1) for _ in range(10)]
        _, low, high = ratio_interval(first, second)
        hits += low <= 3 <= high
    assert hits / runs >= 0.95 - 4 * np.sqrt(0.95 * 0.05 / runs)


def test_the_ratio_is_the_median_of_the_rounds() -> None:
    ones = [np.array([1.0])] * 6
    ratios = [np.array([each]) for each in (9.0, 2.0, 4.0, 100.0, 3.0, 1.0)]
    assert ratio_interval(ratios, ones) == (3.5, 1.0, 100.0)


def test_too_few_or_unequal_rounds_have_no_ratio() -> None:
    rounds = [np.array([1.0])] * 6
    assert ratio_interval(rounds, rounds) == (1.0, 1.0, 1.0)
    with pytest.raises(ValueError, match="too few"):
        ratio_interval(rounds[:5], rounds[:5])
    with pytest.raises(ValueError):
        ratio_interval(rounds, rounds[:5])


def test_a_goal_is_met_or_missed_only_by_the_whole_interval() -> None:
    spans = ((1.2, 1.5), (1.37, 1.58), (1.51, 1.6))
    assert [verdict(*span, 1.5) for span in spans] == ["met", "not shown", "missed"]
