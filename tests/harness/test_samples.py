"""Samples: what is none is refused, and what was sent as JSON comes back."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from benchmarks.harness.samples import Samples


@pytest.mark.parametrize(
    "durations_ns", [[], [1.0, -1.0], [float("nan")], [1.0, float("inf")], [-0.5]]
)
def test_what_is_no_duration_is_refused(durations_ns: list[float]) -> None:
    with pytest.raises(ValueError):
        Samples(durations_ns=durations_ns)


def test_a_sample_is_of_one_operation_or_a_mean_of_several() -> None:
    assert Samples(durations_ns=[1.0]).sampling == "per_operation"
    assert Samples(durations_ns=[1.0], number=100).sampling == "block_means"
    with pytest.raises(ValueError):
        Samples(durations_ns=[1.0], number=0)


def test_it_travels_as_json() -> None:
    sent = Samples(
        durations_ns=[1.0, 2.5], number=3, clock_cost_ns=40.0, facts={"a": [1]}, warnings=["w"],
        invalid="late",
    )  # fmt: skip
    assert Samples(**json.loads(json.dumps(asdict(sent)))) == sent
