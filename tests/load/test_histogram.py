"""Histograms: merging is the histogram of all, failures are left out, the text is compact."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.harness.statistics import nearest_rank
from benchmarks.load.histogram import LONGEST_NS, encoded
from tests.load.histograms import Decoded


def _latencies(seed: int, count: int, failed: int) -> list[float]:
    random = np.random.default_rng(seed)
    return [*np.rint(random.lognormal(13, 2, count)).tolist(), *[math.inf] * failed]


def test_merged_is_the_histogram_of_merged_data() -> None:
    runs = [_latencies(1, 3000, 0), _latencies(2, 5000, 40), _latencies(3, 100, 1)]
    together = [value for each in runs for value in each]
    merged = Decoded(*map(encoded, runs), failed=41)
    assert merged.encoded() == encoded(together)
    assert merged.count == 8141
    ordered = np.sort(np.array(together))
    for percent in (0.01, 1, 50, 90, 95, 99, 99.4, 99.49):
        exact = nearest_rank(ordered, percent)
        assert exact <= merged.percentile_ns(percent) <= exact * 1.001 + 1, percent
    for percent in (99.5, 99.9, 100):
        assert merged.percentile_ns(percent) == nearest_rank(ordered, percent) == math.inf


def test_a_text_brings_it_back() -> None:
    text = encoded(_latencies(4, 2000, 3))
    assert text.isascii() and len(text) < 16_000  # 32 bytes a sample would be four times that
    assert Decoded(text).encoded() == text
    assert Decoded(text).count == 2000


def test_bounds() -> None:
    kept = Decoded(encoded([0, LONGEST_NS]))
    assert kept.percentile_ns(50) == 0
    assert kept.percentile_ns(100) >= LONGEST_NS
    for bad in (-1.0, LONGEST_NS + 1.0):
        with pytest.raises(ValueError, match="cannot be kept"):
            encoded([bad])
