"""Histograms: merging is the histogram of all, failures are infinite, the text is compact."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.harness.statistics import nearest_rank
from benchmarks.load.histogram import LONGEST_NS, Histogram


def _latencies(seed: int, count: int, failed: int) -> list[float]:
    random = np.random.default_rng(seed)
    return [*np.rint(random.lognormal(13, 2, count)).tolist(), *[math.inf] * failed]


def test_merged_is_the_histogram_of_merged_data() -> None:
    runs = [_latencies(1, 3000, 0), _latencies(2, 5000, 40), _latencies(3, 100, 1)]
    merged = Histogram()
    for each in runs:
        merged.add(Histogram.of(each))
    together = [value for each in runs for value in each]
    whole = Histogram.of(together)
    assert merged.encoded() == whole.encoded()
    assert (merged.count, merged.failed) == (8141, 41)
    ordered = np.sort(np.array(together))
    for percent in (0.01, 1, 50, 90, 95, 99, 99.4, 99.49):
        exact = nearest_rank(ordered, percent)
        assert exact <= merged.percentile_ns(percent) <= exact * 1.001 + 1, percent
    for percent in (99.5, 99.9, 100):
        assert merged.percentile_ns(percent) == nearest_rank(ordered, percent) == math.inf


def test_a_text_brings_it_back() -> None:
    histogram = Histogram.of(_latencies(4, 2000, 3))
    text = histogram.encoded()
    assert text.isascii() and len(text) < 16_000  # 32 bytes a sample would be four times that
    back = Histogram.decoded(text, 3)
    assert back.encoded() == text
    assert back.percentile_ns(99) == histogram.percentile_ns(99)


def test_bounds() -> None:
    histogram = Histogram.of([0, LONGEST_NS])
    assert histogram.percentile_ns(50) == 0
    assert histogram.percentile_ns(100) >= LONGEST_NS
    for bad in (-1.0, LONGEST_NS + 1.0):
        with pytest.raises(ValueError, match="cannot be kept"):
            Histogram.of([bad])
    for percent in (0, 101):
        with pytest.raises(ValueError, match="not defined"):
            histogram.percentile_ns(percent)
    with pytest.raises(ValueError, match="of 0 requests"):
        Histogram().percentile_ns(50)


def test_what_is_no_histogram_is_refused() -> None:
    for text in ("", "AAAA", "no base64 at all", Histogram.of([5]).encoded()[:-8]):
        with pytest.raises(ValueError, match="not an encoded histogram"):
            Histogram.decoded(text, 0)
