"""What the rounds of a row say together."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.experiments.base import samples_of, told
from tests.load.histograms import Decoded


def test_failures_are_counted_and_stay_in_the_denominator() -> None:
    found = told(
        [
            samples_of(
                [100.0, 200.0, 1e10],
                failures={"timeout": 1}, starts={"warm": 2}, payload_size_bytes=7, recollected=3,
                a=1,
            ),
            samples_of(
                [100.0, 1e10, 1e10],
                failures={"timeout": 1, "reset": 1}, starts={"warm": 1}, payload_size_bytes=7,
                recollected=2,
            ),
        ]
    )  # fmt: skip
    assert found["failures"] == {"timeout": 2, "reset": 1}
    assert (found["starts"], found["recollected"]) == ({"warm": 3}, 5)
    assert found["payload_size_bytes"] == 7
    assert found["rounds"] == [{"a": 1}, {}]
    kept = Decoded(found["histogram"], failed=3)
    assert kept.count == 6
    assert kept.percentile_ns(50) == pytest.approx(200, rel=1e-3)
    assert np.isinf(kept.percentile_ns(51))


def test_the_histogram_decodes_to_the_samples() -> None:
    samples = np.random.default_rng(1).lognormal(12, 1, 500)
    found = told([samples_of(samples[:250].tolist()), samples_of(samples[250:].tolist())])
    assert "rounds" not in found
    kept = Decoded(found["histogram"])
    for rank in (1, 37, 250, 499, 500):
        expected = np.sort(samples)[rank - 1]
        assert kept.percentile_ns(rank / 5) == pytest.approx(expected, rel=2e-3)


def test_the_tail_to_median_ratio_needs_samples_beyond_the_p99() -> None:
    few = told([samples_of([1e6] * 999)])
    assert few["tail_to_median_ratio"] is None
    slow = [1e6] * 600 + [2e6] * 380 + [5e6] * 20
    assert told([samples_of(slow)])["tail_to_median_ratio"] == 5
    none = told([samples_of([1e10] * 1000, failures={"timeout": 1000})])
    assert none["tail_to_median_ratio"] is None
